/* SPDX-License-Identifier: MIT */
#include "scanner/servername.h"

#include <gnutls/gnutls.h>
#include <sys/socket.h>

#include "scanner/certificate.h"
#include "scanner/dn.h"

#define NAME_DNS 0x82
#define NAME_ADDRESS 0x87
#define SERVER_AUTH "\x2b\x06\x01\x05\x05\x07\x03\x01"
#define ANY_PURPOSE "\x55\x1d\x25\x00"

static bool is_same(struct span a, struct span b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_upper(a.at[i]) != ascii_upper(b.at[i]))
            return false;
    return true;
}

static bool is_printable(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.at[i] < ' ' || s.at[i] > '~')
            return false;
    return true;
}

/* "*." stands for one label, before a domain of at least two. */
static bool is_match(struct span pattern, struct span name)
{
    if (!is_printable(pattern))
        return false;
    if (pattern.len < 3 || pattern.at[0] != '*' || pattern.at[1] != '.')
        return is_same(pattern, name);
    struct span domain = span_from(pattern, 1); /* from the dot on */
    const char *dot = memchr(domain.at + 1, '.', domain.len - 1);
    if (!dot || pattern.at[pattern.len - 1] == '.')
        return false;
    const char *rest = name.len ? memchr(name.at, '.', name.len) : NULL;
    return rest && is_same(domain, span_from(name, (size_t)(rest - name.at)));
}

static bool is_address(struct span octets, const struct address *a)
{
    size_t len = a->family == AF_INET ? 4 : 16;
    return octets.len == len && memcmp(octets.at, a->bytes, len) == 0;
}

static bool is_for_servers(const struct certificate_parts *parts)
{
    struct span value;
    struct der list, purpose;
    enum tri restricted = certificate_extension(parts, EXTENSION_PURPOSES, &value);
    if (restricted != TRI_YES || !der_take(&value, DER_SEQUENCE, &list))
        return restricted == TRI_NO;
    while (der_next(&list.body, &purpose))
        if (DER_IS(purpose, SERVER_AUTH) || DER_IS(purpose, ANY_PURPOSE))
            return true;
    return false;
}

/* The old place for the name, which counts where there is no other. */
static bool is_common_name(const struct certificate_parts *parts, struct span name)
{
    char common[TEXT_ITEM_MAX];
    return parts->subject.whole.len && is_for_servers(parts) &&
           dn_common_name(parts->subject, common, sizeof common) && is_match(span_of(common), name);
}

/* What the list of names has of a kind. */
struct search {
    bool names, addresses, found;
};

/* False: the list is not whole, and what it lacks is not known. */
static bool search_names(struct span value, struct span name, const struct address *address,
                         struct search *s)
{
    struct der list, item;
    if (!der_take(&value, DER_SEQUENCE, &list))
        return false;
    while (list.body.len && !s->found) {
        if (!der_next(&list.body, &item))
            return false;
        s->names |= item.tag == NAME_DNS;
        s->addresses |= item.tag == NAME_ADDRESS;
        s->found = address ? item.tag == NAME_ADDRESS && is_address(item.body, address)
                           : item.tag == NAME_DNS && is_match(item.body, name);
    }
    return true;
}

static enum tri match(const struct certificate_parts *parts, struct span name,
                      const struct address *address, bool by_address)
{
    struct search s = {false, false, false};
    struct span value;
    enum tri there = certificate_extension(parts, EXTENSION_NAMES, &value);

    if (there == TRI_UNKNOWN ||
        (there == TRI_YES && !search_names(value, name, by_address ? address : NULL, &s)))
        return s.found ? TRI_YES : TRI_UNKNOWN;
    if (s.found || by_address)
        return tri_of(s.found);
    return tri_of(!s.names && !s.addresses && is_common_name(parts, name));
}

static bool has_addresses(const struct certificate_parts *parts)
{
    static const struct address none;
    struct search s = {false, false, false};
    struct span value;
    return certificate_extension(parts, EXTENSION_NAMES, &value) == TRI_YES &&
           (search_names(value, (struct span){"", 0}, &none, &s), s.addresses);
}

enum tri servername_match(struct span der, const char *name, const struct address *address)
{
    struct certificate_parts parts;
    struct address literal;
    gnutls_datum_t mapped = {NULL, 0};

    certificate_parts(der, &parts);
    if (!parts.extended)
        return TRI_UNKNOWN;
    if (!name)
        return has_addresses(&parts) ? match(&parts, (struct span){"", 0}, address, true)
                                     : TRI_UNKNOWN;
    if (address_parse(span_of(name), &literal))
        return match(&parts, span_of(name), &literal, true);
    if (!is_printable(span_of(name)) &&
        gnutls_idna_map(name, (unsigned)strlen(name), &mapped, 0) < 0)
        return TRI_UNKNOWN;
    struct span wanted =
        mapped.data ? (struct span){(const char *)mapped.data, mapped.size} : span_of(name);
    enum tri result = match(&parts, wanted, address, false);
    gnutls_free(mapped.data);
    return result;
}
