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
