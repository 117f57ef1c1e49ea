/* SPDX-License-Identifier: MIT */
/*
 * names.h: the names that a policy may use, of rules and of what TLS is made of, and sets of them.
 *
 * Rules are named as in their table, versions "SSL 2.0" to "TLS 1.3", suites and groups as IANA
 * writes them, keys and signatures as records do. What has no name here is NAME_OTHER, which only
 * the pattern "*" takes in; there is no such rule.
 */
#ifndef OUTPUT_POLICIES_NAMES_H
#define OUTPUT_POLICIES_NAMES_H

#include "output/policies/policy.h"

#define NAMES_MAX ((size_t)256)
#define NAME_OTHER (NAMES_MAX - 1)

/* Prime fields of the server's own making: a group without a name, only with a size. */
#define NAME_OWN_FIELD "dh"

struct name_set {
    uint64_t bits[NAMES_MAX / 64];
};

/* NULL behind the last. */
const char *name_at(enum policy_kind, size_t at);

/* NAME_OTHER if there is no such name. Case and "-" do not count in groups: libraries differ. */
size_t name_find(enum policy_kind, const char *name);

/* Is this a group that TLS 1.3 does not know? */
bool name_is_old_group(size_t group);

static inline bool name_set_has(const struct name_set *set, size_t at)
{
    return set->bits[at / 64] >> at % 64 & 1;
}

static inline void name_set_put(struct name_set *set, size_t at)
{
    set->bits[at / 64] |= (uint64_t)1 << at % 64;
}

/* Takes the first name out of the set; NAMES_MAX: it is empty. */
static inline size_t name_set_take(struct name_set *set)
{
    for (size_t i = 0; i < NAMES_MAX / 64; i++)
        if (set->bits[i]) {
            size_t at = 64 * i + (size_t)__builtin_ctzll(set->bits[i]);
            set->bits[i] &= set->bits[i] - 1;
            return at;
        }
    return NAMES_MAX;
}

/* Adds what is in the other set. */
void name_set_join(struct name_set *, const struct name_set *);

/* Adds what the pattern matches ("*" stands for any characters); false if that is nothing. */
bool name_set_add(struct name_set *, enum policy_kind, const char *pattern);

/* Takes away what is in the other set too; was there anything? */
bool name_set_subtract(struct name_set *, const struct name_set *);

bool name_set_is_empty(const struct name_set *);

#endif
