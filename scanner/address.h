/* SPDX-License-Identifier: MIT */
/*
 * address.h: an IPv4 or IPv6 address, as text, as a socket address and as a number.
 *
 * An IPv4-mapped IPv6 address (::ffff:192.0.2.1) is the IPv4 address that it stands for, wherever
 * it comes from: the kernel would speak IPv4 to it, and an exclusion of 192.0.2.1 has to hold.
 * Other spellings of an IPv4 address stay IPv6, as the kernel has them, but some gateway may take
 * them for IPv4: what is said of the IPv4 address holds for them too (address_reaches()).
 * There are no zones: an address that needs one cannot be connected to.
 */
#ifndef SCANNER_ADDRESS_H
#define SCANNER_ADDRESS_H

#include <sys/socket.h>

#include <stdint.h>

#include "protocols/span.h"

#define ADDRESS_TEXT_MAX 46 /* with the NUL */

struct address {
    int family;              /* AF_INET or AF_INET6                                         */
    unsigned char bytes[16]; /* network order; IPv4 has the first four, and zeros after them */
};

/* Dotted quad or RFC 4291 text, and nothing that only inet_aton() would take: no 010.1.1.1, no
   1.2.3, no 0x7f.1. */
bool address_parse(struct span text, struct address *);

/* RFC 5952; returns out. */
const char *address_format(const struct address *, char out[ADDRESS_TEXT_MAX]);

/* IPv4 before IPv6, then by number. */
int address_compare(const struct address *, const struct address *);

/* The length of what was written. */
socklen_t address_to_sockaddr(const struct address *, uint16_t port, struct sockaddr_storage *);

/* False if it is of another family. */
bool address_from_sockaddr(const struct sockaddr *, struct address *);

/* --- as numbers ------------------------------------------------------------------------------- */

/* 128 bits. An IPv4 address is a number below 2^32. */
struct wide {
    uint64_t high, low;
};

struct wide address_number(const struct address *);
struct address address_of_number(int family, struct wide);

/* The number of the last address of the family. */
static inline struct wide wide_max(int family)
{
    return family == AF_INET ? (struct wide){0, UINT32_MAX} : (struct wide){UINT64_MAX, UINT64_MAX};
}

static inline int wide_compare(struct wide a, struct wide b)
{
    if (a.high != b.high)
        return a.high < b.high ? -1 : 1;
    return a.low < b.low ? -1 : a.low > b.low;
}

static inline struct wide wide_smaller(struct wide a, struct wide b)
{
    return wide_compare(a, b) < 0 ? a : b;
}

static inline struct wide wide_add(struct wide a, uint64_t n)
{
    uint64_t low = a.low + n;
    return (struct wide){a.high + (low < n), low};
}

static inline struct wide wide_subtract(struct wide a, uint64_t n)
{
    return (struct wide){a.high - (a.low < n), a.low - n};
}

/* How many numbers first..last are; UINT64_MAX stands for that many and more. */
static inline uint64_t wide_count(struct wide first, struct wide last)
{
    uint64_t high = last.high - first.high - (last.low < first.low);
    uint64_t low = last.low - first.low;
    return high || low == UINT64_MAX ? UINT64_MAX : low + 1;
}

/* The last `bits` bits set; bits is 0 to 128. */
struct wide wide_mask(unsigned bits);

struct wide_range {
    struct wide first, last;
};

/* --- where addresses lead --------------------------------------------------------------------- */

/* Where a connection to this address ends up: at the IPv4 address that an IPv6 address spells
   (compatible ::a.b.c.d, translated ::ffff:0:a.b.c.d, NAT64 64:ff9b::a.b.c.d, 6to4 2002:AABB:CCDD::),
   at loopback for the unspecified address, else at itself. */
struct address address_reaches(const struct address *);

#define SPELLINGS ((size_t)4)

/* The IPv6 addresses that spell first..last of IPv4; returns how many ranges they are. */
size_t address_spellings(struct wide first, struct wide last, struct wide_range out[SPELLINGS]);

/* Addresses that no host has, so that nothing is ever connected to there. */
struct hostless {
    int family;
    struct wide_range range;
    const char *word; /* for records: "unspecified", "multicast", "broadcast", "link_local" */
    const char *text; /* for people, behind the address                                     */
};

extern const struct hostless hostless_ranges[];
extern const size_t hostless_count;

/* The one in which all of first..last is; NULL: there is none. */
const struct hostless *hostless_find(int family, struct wide first, struct wide last);

/* The one that this address is in, or the IPv4 address that it spells; NULL: it may be a host's. */
const struct hostless *address_without_host(const struct address *);

#endif
