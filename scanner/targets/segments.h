/* SPDX-License-Identifier: MIT */
/*
 * segments.h: from ranges that overlap to segments that do not.
 *
 * Entries are ranges of addresses of one family, in the order in which they were given. Segments
 * are made of them: in ascending order, each the longest stretch in which the same entry is the
 * first to give the addresses (its owner), and the same services are asked for (all that cover it).
 * Neither grows with the size of the ranges.
 */
#ifndef SCANNER_TARGETS_SEGMENTS_H
#define SCANNER_TARGETS_SEGMENTS_H

#include "scanner/address.h"
#include "scanner/choice.h"
#include "scanner/targets/errands.h"

struct entry {
    struct wide first, last;
    uint32_t errand;
    uint32_t line;
};

/* Begins with the family, and all else zero. The array has the short form of an entry for IPv4. */
struct entries {
    int family;
    size_t count, capacity;
    void *array;
};

/* False: out of memory. */
bool entries_add(struct entries *, struct entry);
struct entry entries_get(const struct entries *, size_t);
void entries_clear(struct entries *);

struct segment {
    struct wide first, last;
    uint64_t before; /* addresses in the segments before this one */
    uint32_t set;    /* of services                               */
    uint32_t owner;  /* which entry                               */
};

struct segments {
    int family;
    size_t count, capacity;
    void *array;
    uint64_t addresses; /* in all of them; UINT64_MAX: that many and more */
};

/* Makes segments of the entries, less what `without` has (NULL: less nothing). False: the
   complaint says why not. */
bool segments_build(struct segments *, const struct entries *, const struct errands *,
                    struct choice *, const struct segments *without, struct complaint *);

struct segment segments_get(const struct segments *, size_t);
void segments_clear(struct segments *);

/* The segment with the address of this number; it must be below segments.addresses. */
struct segment segments_at_index(const struct segments *, uint64_t index);

/* True: the address is in *found. False: it is in none, and neither is what follows up to
 *until. */
bool segments_find(const struct segments *, struct wide address, struct segment *found,
                   struct wide *until);

#endif
