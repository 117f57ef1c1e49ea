/* SPDX-License-Identifier: MIT */
#include "output/keys.h"

#include <gnutls/crypto.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY ((size_t)1024) /* a power of two */

static const unsigned char no_hash[KEYS_HASH_SIZE];

/* Strangers write the keys: nobody must be able to choose two of the same hash. */
static bool hash_key(const char *key, const char *address, unsigned char out[KEYS_HASH_SIZE])
{
    unsigned char digest[32];
    gnutls_hash_hd_t hash;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return false;
    gnutls_hash(hash, key, strlen(key) + 1);
    if (address)
        gnutls_hash(hash, address, strlen(address) + 1);
    gnutls_hash_deinit(hash, digest);
    memcpy(out, digest, KEYS_HASH_SIZE);
    return true;
}

/* Where the hash is, or would be. */
static size_t find_slot(const struct keys *k, const unsigned char hash[KEYS_HASH_SIZE])
{
    uint64_t at;
    memcpy(&at, hash, sizeof at);
    while (memcmp(k->hashes[at & (k->capacity - 1)], no_hash, KEYS_HASH_SIZE) != 0 &&
           memcmp(k->hashes[at & (k->capacity - 1)], hash, KEYS_HASH_SIZE) != 0)
        at++;
    return at & (k->capacity - 1);
}

/* At three quarters full it doubles. */
static bool make_room(struct keys *k)
{
    struct keys larger = {.count = k->count,
                          .capacity = k->capacity ? 2 * k->capacity : FIRST_CAPACITY};
    if (4 * (k->count + 1) <= 3 * k->capacity)
        return true;
    larger.hashes = calloc(larger.capacity, KEYS_HASH_SIZE);
    if (!larger.hashes)
        return false;
    for (size_t i = 0; i < k->capacity; i++)
        if (memcmp(k->hashes[i], no_hash, KEYS_HASH_SIZE) != 0)
            memcpy(larger.hashes[find_slot(&larger, k->hashes[i])], k->hashes[i], KEYS_HASH_SIZE);
    free(k->hashes);
    *k = larger;
    return true;
}

enum keys_step keys_add(struct keys *k, const char *key, const char *address)
{
    unsigned char hash[KEYS_HASH_SIZE];
    if (!hash_key(key, address, hash) || !make_room(k))
        return KEYS_FAILED;
    unsigned char *slot = k->hashes[find_slot(k, hash)];
    if (memcmp(slot, no_hash, KEYS_HASH_SIZE) != 0)
        return KEYS_THERE;
    memcpy(slot, hash, KEYS_HASH_SIZE);
    k->count++;
    return KEYS_NEW;
}

bool keys_has(const struct keys *k, const char *key, const char *address)
{
    unsigned char hash[KEYS_HASH_SIZE];
    return k->count && hash_key(key, address, hash) &&
           memcmp(k->hashes[find_slot(k, hash)], no_hash, KEYS_HASH_SIZE) != 0;
}

void keys_free(struct keys *k)
{
    free(k->hashes);
    *k = (struct keys){.hashes = NULL};
}
