/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const unsigned char mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* Takes an IPv4-mapped address for what it stands for. */
static void address_unmap(struct address *a)
{
    if (a->family != AF_INET6 || memcmp(a->bytes, mapped_prefix, sizeof mapped_prefix) != 0)
        return;
    a->family = AF_INET;
    memmove(a->bytes, a->bytes + 12, 4);
    memset(a->bytes + 4, 0, 12);
}

bool address_parse(struct span text, struct address *out)
{
    char copy[ADDRESS_TEXT_MAX];
    if (text.len >= sizeof copy || memchr(text.at, '\0', text.len))
        return false;
    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';

    struct address a = {.family = strchr(copy, ':') ? AF_INET6 : AF_INET};
    if (inet_pton(a.family, copy, a.bytes) != 1)
        return false;
    address_unmap(&a);
    *out = a;
    return true;
}

static char *put_octet(unsigned octet, char *at)
{
    if (octet >= 100)
        *at++ = (char)('0' + octet / 100);
    if (octet >= 10)
        *at++ = (char)('0' + octet / 10 % 10);
    *at++ = (char)('0' + octet % 10);
    return at;
}

const char *address_format(const struct address *a, char out[ADDRESS_TEXT_MAX])
{
    if (a->family == AF_INET) { /* each record has some: not through a printf */
        char *at = out;
        for (int i = 0; i < 4; i++) {
            at = put_octet(a->bytes[i], at);
            *at++ = i < 3 ? '.' : '\0';
        }
        return out;
    }
    return inet_ntop(a->family, a->bytes, out, ADDRESS_TEXT_MAX);
}

int address_compare(const struct address *a, const struct address *b)
{
    if (a->family != b->family)
        return a->family == AF_INET ? -1 : 1;
    return memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

socklen_t address_to_sockaddr(const struct address *a, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == AF_INET) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&in.sin_addr, a->bytes, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&in6.sin6_addr, a->bytes, 16);
    memcpy(out, &in6, sizeof in6);
    return sizeof in6;
}

bool address_from_sockaddr(const struct sockaddr *from, struct address *out)
{
    struct address a = {.family = from->sa_family};
    if (a.family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memcpy(a.bytes, &in.sin_addr, 4);
    } else if (a.family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        memcpy(a.bytes, &in6.sin6_addr, 16);
    } else {
        return false;
    }
    address_unmap(&a);
    *out = a;
    return true;
}

static uint64_t number_of(const unsigned char *bytes, size_t count)
{
    uint64_t n = 0;
    for (size_t i = 0; i < count; i++)
        n = n << 8 | bytes[i];
    return n;
}

struct wide address_number(const struct address *a)
{
    if (a->family == AF_INET)
        return (struct wide){0, number_of(a->bytes, 4)};
    return (struct wide){number_of(a->bytes, 8), number_of(a->bytes + 8, 8)};
}

static void bytes_of(uint64_t n, unsigned char *bytes, size_t count)
{
    for (; count; n >>= 8)
        bytes[--count] = (unsigned char)n;
}

struct address address_of_number(int family, struct wide n)
{
    struct address a = {.family = family};
    if (family == AF_INET) {
        bytes_of(n.low, a.bytes, 4);
    } else {
        bytes_of(n.high, a.bytes, 8);
        bytes_of(n.low, a.bytes + 8, 8);
    }
    return a;
}

static uint64_t mask_of(unsigned bits)
{
    return bits >= 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
}

struct wide wide_mask(unsigned bits)
{
    return (struct wide){bits > 64 ? mask_of(bits - 64) : 0, mask_of(bits)};
}

/* --- spellings of IPv4 ------------------------------------------------------------------------ */

/* What stands before the IPv4 address, which is the end, or in 6to4 what follows 16 bits. */
enum spelling { COMPATIBLE, TRANSLATED, NAT64, SIX_TO_FOUR };

static const struct wide prefixes[SPELLINGS] = {
    [COMPATIBLE] = {0, 0},                  /* ::/96 (RFC 4291 section 2.5.5.1)  */
    [TRANSLATED] = {0, 0xffff000000000000}, /* ::ffff:0:0:0/96 (RFC 2765)        */
    [NAT64] = {0x0064ff9b00000000, 0},      /* 64:ff9b::/96 (RFC 6052)           */
    [SIX_TO_FOUR] = {0x2002000000000000, 0} /* 2002::/16 (RFC 3056)              */
};

/* Below it there are no IPv4 hosts (0.0.0.0/8), but ::1. */
#define COMPATIBLE_MIN ((uint64_t)1 << 24)

static bool spells(enum spelling how, struct wide w, uint64_t *ipv4)
{
    if (how == SIX_TO_FOUR) {
        *ipv4 = w.high >> 16 & UINT32_MAX;
        return w.high >> 48 == prefixes[how].high >> 48;
    }
    *ipv4 = w.low & UINT32_MAX;
    return w.high == prefixes[how].high && w.low - *ipv4 == prefixes[how].low &&
           (how != COMPATIBLE || *ipv4 >= COMPATIBLE_MIN);
}

size_t address_spellings(struct wide first, struct wide last, struct wide_range out[SPELLINGS])
{
    size_t count = 0;
    for (enum spelling how = COMPATIBLE; how < SPELLINGS; how++) {
        struct wide from = prefixes[how], to = from;
        if (how == SIX_TO_FOUR) {
            from.high |= first.low << 16;
            to.high |= last.low << 16 | 0xffff;
            to.low = UINT64_MAX;
        } else {
            from.low |=
                how == COMPATIBLE && first.low < COMPATIBLE_MIN ? COMPATIBLE_MIN : first.low;
            to.low |= last.low;
        }
        if (wide_compare(from, to) <= 0)
            out[count++] = (struct wide_range){from, to};
    }
    return count;
}

struct address address_reaches(const struct address *a)
{
    struct wide w = address_number(a);
    uint64_t ipv4;
    if (a->family && !w.high && !w.low)
        return address_of_number(a->family,
                                 (struct wide){0, a->family == AF_INET ? INADDR_LOOPBACK : 1});
    for (enum spelling how = COMPATIBLE; a->family == AF_INET6 && how < SPELLINGS; how++)
        if (spells(how, w, &ipv4)) {
            struct address as = address_of_number(AF_INET, (struct wide){0, ipv4});
            return address_reaches(&as);
        }
    return *a;
}

/* --- addresses that no host has --------------------------------------------------------------- */

const struct hostless hostless_ranges[] = {
    {AF_INET, {{0, 0}, {0, 0}}, "unspecified", "is the unspecified address, which no host has"},
    {AF_INET, {{0, 0xe0000000}, {0, 0xefffffff}}, "multicast", "is for multicast: no host has it"},
    {AF_INET,
     {{0, 0xffffffff}, {0, 0xffffffff}},
     "broadcast",
     "is the broadcast address, which no host has"},
    {AF_INET6, {{0, 0}, {0, 0}}, "unspecified", "is the unspecified address, which no host has"},
    {AF_INET6,
     {{0xff00000000000000, 0}, {UINT64_MAX, UINT64_MAX}},
     "multicast",
     "is for multicast: no host has it"},
    {AF_INET6,
     {{0xfe80000000000000, 0}, {0xfebfffffffffffff, UINT64_MAX}},
     "link_local",
     "is link-local: it leads nowhere without a zone, and zones are not supported"},
};

const size_t hostless_count = sizeof hostless_ranges / sizeof hostless_ranges[0];

const struct hostless *hostless_find(int family, struct wide first, struct wide last)
{
    for (size_t i = 0; i < hostless_count; i++) {
        const struct hostless *h = &hostless_ranges[i];
        if (h->family == family && wide_compare(h->range.first, first) <= 0 &&
            wide_compare(last, h->range.last) <= 0)
            return h;
    }
    return NULL;
}

const struct hostless *address_without_host(const struct address *a)
{
    struct wide w = address_number(a);
    const struct hostless *found = hostless_find(a->family, w, w);
    uint64_t ipv4;
    for (enum spelling how = COMPATIBLE; !found && a->family == AF_INET6 && how < SPELLINGS; how++)
        if (spells(how, w, &ipv4)) {
            struct wide n = {0, ipv4};
            found = hostless_find(AF_INET, n, n);
        }
    return found;
}
