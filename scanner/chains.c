/* SPDX-License-Identifier: MIT */
#include "scanner/chains.h"

#include <gnutls/crypto.h>
#include <stdlib.h>

#include "scanner/memory.h"

#define BUCKETS ((size_t)512)
#define GENERATION_OCTETS ((size_t)1024 * 1024) /* some 700 certificates */
#define ALLOCATION_OCTETS ((size_t)24)          /* of a small one, beside what it holds */

struct known {
    struct known *next;
    struct certificate certificate;
    bool traced;
    unsigned char chain[32]; /* the SHA-256 of all the SHA-256 of the chain that was traced */
    struct trust_path path;
};

/* What was asked for lately is in the young generation. When that is full it becomes the old one,
   and what the old one still held is forgotten. */
struct generation {
    struct known *buckets[BUCKETS];
    size_t octets;
};

struct chains {
    const struct trust *trust;
    struct generation young, old;
    size_t read, traced;
};

struct chains *chains_new(const struct trust *trust)
{
    struct chains *c = calloc(1, sizeof *c);
    if (c)
        c->trust = trust;
    return c;
}

static void known_free(struct known *k)
{
    certificate_free(&k->certificate);
    free(k);
}

static void forget(struct generation *g)
{
    for (size_t i = 0; i < BUCKETS; i++)
        while (g->buckets[i]) {
            struct known *k = g->buckets[i];
            g->buckets[i] = k->next;
            known_free(k);
        }
    g->octets = 0;
}

void chains_free(struct chains *c)
{
    if (!c)
        return;
    forget(&c->young);
    forget(&c->old);
    free(c);
}

/* --- the store -------------------------------------------------------------------------------- */

static size_t octets_of_list(const struct list *l)
{
    return l->octets + l->count * (ALLOCATION_OCTETS + 2 * sizeof *l->items);
}

static size_t octets_of(const struct known *k)
{
    const struct certificate *c = &k->certificate;
    return sizeof *k + strlen(c->subject.data) + strlen(c->issuer.data) + 3 * ALLOCATION_OCTETS +
           octets_of_list(&c->names) + octets_of_list(&c->addresses) +
           octets_of_list(&c->key_usage) + octets_of_list(&c->purposes);
}

/* Where it is, or where it would be appended. */
static struct known **place_of(struct generation *g, const unsigned char sha256[32])
{
    struct known **at = &g->buckets[(size_t)(sha256[0] | sha256[1] << 8) % BUCKETS];
    while (*at && memcmp((*at)->certificate.sha256, sha256, 32) != 0)
        at = &(*at)->next;
    return at;
}

static void put(struct chains *c, struct known *k)
{
    size_t octets = octets_of(k);
    if (c->young.octets + octets > GENERATION_OCTETS) {
        forget(&c->old);
        c->old = c->young;
        c->young = (struct generation){0};
    }
    c->young.octets += octets;
    *place_of(&c->young, k->certificate.sha256) = k;
}

/* NULL: it is not known. Good until the next call. */
static struct known *find(struct chains *c, const unsigned char sha256[32])
{
    struct known *k = *place_of(&c->young, sha256);
    struct known **old = k ? NULL : place_of(&c->old, sha256);
    if (old && (k = *old)) {
        *old = k->next;
        k->next = NULL;
        put(c, k);
    }
    return k;
}

/* Reads a certificate that is not known; NULL if there is no memory. */
static struct known *learn(struct chains *c, struct span der)
{
    struct known *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    struct memory_watch watch = memory_watch();
    bool read = certificate_read(&k->certificate, der);
    if (!memory_held(watch) || !read) { /* others would be given what is missing in it */
        known_free(k);
        return NULL;
    }
    c->read++;
    put(c, k);
    return k;
}

/* --- what is asked of it ---------------------------------------------------------------------- */

bool chains_read(struct chains *c, struct chain *chain, const struct span *ders, size_t count)
{
    unsigned char sha256[32];

    chain->cut = count > CHAIN_MAX;
    if (chain->cut)
        count = CHAIN_MAX;
    chain->certificates = calloc(count ? count : 1, sizeof *chain->certificates);
    chain->count = 0;
    if (!chain->certificates)
        return false;
    for (; chain->count < count; chain->count++) {
        struct span der = ders[chain->count];
        if (gnutls_hash_fast(GNUTLS_DIG_SHA256, der.at, der.len, sha256) < 0)
            return false;
        struct known *k = find(c, sha256);
        if (!k && !(k = learn(c, der)))
            return false;
        if (!certificate_copy(&chain->certificates[chain->count], &k->certificate)) {
            certificate_free(&chain->certificates[chain->count]);
            return false;
        }
    }
    return true;
}

/* More certificates behind those that are kept make it another chain. */
static bool hash_of_chain(const struct chain *chain, unsigned char sha256[32])
{
    unsigned char all[32 * CHAIN_MAX + 1];
    for (size_t i = 0; i < chain->count; i++)
        memcpy(all + 32 * i, chain->certificates[i].sha256, 32);
    all[32 * chain->count] = chain->cut;
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, all, 32 * chain->count + 1, sha256) >= 0;
}

/* As it was traced before, or now. */
static bool trace(struct chains *c, const struct chain *chain, const struct span *ders,
                  struct trust_path *path)
{
    unsigned char sha256[32];
    struct known *k = find(c, chain->certificates[0].sha256);

    if (!hash_of_chain(chain, sha256))
        return false;
    if (k && k->traced && memcmp(k->chain, sha256, sizeof sha256) == 0) {
        *path = k->path;
        return true;
    }
    struct memory_watch watch = memory_watch();
    bool traced = chain_trace(c->trust, ders, chain->count + chain->cut, path);
    if (!memory_held(watch) || !traced)
        return false;
    c->traced++;
    if (k) {
        k->traced = true;
        memcpy(k->chain, sha256, sizeof sha256);
        k->path = *path;
    }
    return true;
}

bool chains_verify(struct chains *c, const struct chain *chain, const struct span *ders,
                   const char *name, const struct address *address, time_t now,
                   struct verification *v)
{
    struct trust_path path;

    return c->trust && chain->count && trace(c, chain, ders, &path) &&
           chain_conclude(&path, ders[0], name, address, now, v);
}

struct chains_work chains_work(const struct chains *c)
{
    return (struct chains_work){c->read, c->traced, c->young.octets + c->old.octets};
}
