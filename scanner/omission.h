/* SPDX-License-Identifier: MIT */
/*
 * omission.h: addresses of a name that were not asked, or not found, and why.
 */
#ifndef SCANNER_OMISSION_H
#define SCANNER_OMISSION_H

#include "scanner/address.h"

/* Addresses of one family, for one reason. */
struct omission {
    int family;
    const char
        *reason;    /* "excluded", "limit", that of a hostless address, or how the lookup failed */
    uint64_t count; /* 0: not known, for the lookup failed                                       */
    struct address
        first; /* the lowest of them; family 0: not known                                   */
};

/* Of both families: the hostless ones, excluded, limit, and a lookup that failed. */
#define OMISSIONS_MAX ((size_t)16)

struct omissions {
    size_t count;
    struct omission list[OMISSIONS_MAX];
};

#endif
