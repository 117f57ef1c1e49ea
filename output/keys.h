/* SPDX-License-Identifier: MIT */
/*
 * keys.h: which endpoints were there already: a set that keeps 16 octets of a hash of each, and not
 * the endpoint. A million are 32 MiB.
 */
#ifndef OUTPUT_KEYS_H
#define OUTPUT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#define KEYS_HASH_SIZE ((size_t)16)

struct keys {
    unsigned char (*hashes)[KEYS_HASH_SIZE]; /* all zero: free */
    size_t count, capacity;
};

enum keys_step { KEYS_NEW, KEYS_THERE, KEYS_FAILED };

/* Is it there? Any number of threads may ask, as long as none adds. */
bool keys_has(const struct keys *, const char *key, const char *address);

/* Adds what the two texts name together; the second may be NULL. KEYS_FAILED: out of memory. */
enum keys_step keys_add(struct keys *, const char *key, const char *address);
void keys_free(struct keys *);

#endif
