/* SPDX-License-Identifier: MIT */
/*
 * coverage.h: which addresses of one family have been seen with which services; it grows as they
 * come.
 *
 * Spans that do not overlap, ascending, in blocks of a page each, so that adding one moves a page
 * at the most. Neighbours with the same services are one span. A span is 12 octets for IPv4 and 40
 * for IPv6; blocks are at least half full but for what has fused.
 */
#ifndef SCANNER_TARGETS_COVERAGE_H
#define SCANNER_TARGETS_COVERAGE_H

#include "scanner/address.h"

/* Begins with the family, and all else zero. */
struct coverage {
    int family;
    struct coverage_block **blocks;
    size_t count, capacity;
};

/* True: the address is seen with *set, and so is all up to *until. False: it is not seen, and
   neither is that. */
bool coverage_find(const struct coverage *, struct wide address, uint32_t *set, struct wide *until);

/* From now on first..last is seen with this set. All of it must lie where coverage_find(first)
   goes, no further. False: out of memory, and the coverage is of no more use. */
bool coverage_put(struct coverage *, struct wide first, struct wide last, uint32_t set);

void coverage_clear(struct coverage *);

#endif
