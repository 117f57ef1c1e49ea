/* SPDX-License-Identifier: MIT */
#include "scanner/dn.h"

#include <gnutls/x509.h>
#include <stdint.h>
#include <stdio.h>

#define RDNS_MAX ((size_t)256) /* each has three characters at least: more are not shown */
#define OID_TEXT ((size_t)128)
#define COMMON_NAME "\x55\x04\x03"

/* Where the text grows; what has no place any more is cut, behind what is kept of it. */
struct writing {
    char at[2 * TEXT_REPLY_MAX];
    size_t len;
    bool cut;
};

static void put(struct writing *w, const char *octets, size_t len)
{
    if (len > sizeof w->at - w->len) {
        w->cut = true;
        len = sizeof w->at - w->len;
    }
    memcpy(w->at + w->len, octets, len);
    w->len += len;
}

static void put_character(struct writing *w, uint32_t c)
{
    char out[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (n == 1) {
        out[0] = (char)c;
    } else {
        for (size_t i = n - 1; i; i--, c >>= 6)
            out[i] = (char)(0x80 | (c & 0x3f));
        out[0] = (char)((0xf0U << (4 - n) & 0xff) | c);
    }
    put(w, out, n);
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The number in so many octets. */
static uint32_t unit(struct span s, size_t at, size_t width)
{
    uint32_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | (unsigned char)s.at[at + i];
    return value;
}

static bool is_surrogate(uint32_t c)
{
    return c >= 0xd800 && c < 0xe000;
}

/* BMPString (in practice UTF-16) and UniversalString. */
static bool put_wide(struct writing *w, struct span s, size_t width)
{
    if (s.len % width)
        return false;
    for (size_t i = 0; i < s.len; i += width) {
        uint32_t c = unit(s, i, width), low;
        if (width == 2 && c >= 0xd800 && c < 0xdc00 && i + 4 <= s.len &&
            (low = unit(s, i + 2, 2)) >= 0xdc00 && low < 0xe000) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        }
        if (is_surrogate(c) || c > 0x10ffff)
            return false;
        put_character(w, c);
    }
    return true;
}

/* T61String holds Latin-1 wherever it is still met, or UTF-8 that was called by a wrong name. */
static void put_t61(struct writing *w, struct span s)
{
    if (text_is_clean(s))
        put(w, s.at, s.len);
    else
        for (size_t i = 0; i < s.len && !w->cut; i++)
            put_character(w, (unsigned char)s.at[i]);
}

/* False: it is no kind of text. */
static bool put_string(struct writing *w, struct der value)
{
    switch (value.tag) {
    case DER_UTF8:
    case DER_PRINTABLE:
    case DER_IA5:
    case DER_NUMERIC:
    case DER_VISIBLE:
        put(w, value.body.at, value.body.len);
        return true;
    case DER_T61:
        put_t61(w, value.body);
        return true;
    case DER_BMP:
        return put_wide(w, value.body, 2);
    case DER_UNIVERSAL:
        return put_wide(w, value.body, 4);
    default:
        return false;
    }
}

/* --- RFC 4514 --------------------------------------------------------------------------------- */

static void put_hex(struct writing *w, struct span octets)
{
    static const char digits[] = "0123456789abcdef";
    put(w, "#", 1);
    for (size_t i = 0; i < octets.len && !w->cut; i++) {
        unsigned char octet = (unsigned char)octets.at[i];
        char pair[2] = {digits[octet >> 4], digits[octet & 15]};
        put(w, pair, 2);
    }
}

static void put_escaped(struct writing *w, struct span text)
{
    for (size_t i = 0; i < text.len && !w->cut; i++) {
        char c = text.at[i];
        bool edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == text.len && c == ' ');
        if (!c) {
            put(w, "\\00", 3);
            continue;
        }
        if (edge || strchr(",+\"\\<>;", c))
            put(w, "\\", 1);
        put(w, &c, 1);
    }
}

/* An attribute that has no name is shown as its octets, as RFC 4514 section 2.4 wants it. */
static bool put_attribute(struct writing *w, struct span in)
{
    struct der attribute, type, value;
    struct writing text = {.len = 0};
    char oid[OID_TEXT];

    if (!der_take(&in, DER_SEQUENCE, &attribute) || !der_take(&attribute.body, DER_OID, &type) ||
        !der_next(&attribute.body, &value) || !der_oid_text(type, oid, sizeof oid))
        return false;
    const char *name = gnutls_x509_dn_oid_name(oid, 0);
    put(w, name ? name : oid, strlen(name ? name : oid));
    put(w, "=", 1);
    if (!name || !put_string(&text, value))
        put_hex(w, value.whole);
    else
        put_escaped(w, (struct span){text.at, text.len});
    w->cut |= text.cut;
    return true;
}

/* All values of one RDN. */
static bool put_rdn(struct writing *w, struct span rdn)
{
    struct der attribute;
    for (bool first = true; rdn.len; first = false) {
        if (!der_next(&rdn, &attribute))
            return false;
        if (w->cut)
            continue;
        if (!first)
            put(w, "+", 1);
        if (!put_attribute(w, attribute.whole))
            return false;
    }
    return true;
}

enum dn_result dn_format(struct der name, struct text *out)
{
    struct span rdns[RDNS_MAX];
    struct writing w = {.len = 0};
    struct der rdn;
    size_t count = 0;

    for (; name.body.len; count++) {
        if (!der_take(&name.body, DER_SET, &rdn))
            return DN_UNREADABLE;
        rdns[count % RDNS_MAX] = rdn.body;
    }
    size_t shown = count < RDNS_MAX ? count : RDNS_MAX;
    for (size_t i = 0; i < shown; i++) {
        if (i)
            put(&w, ",", 1);
        if (!put_rdn(&w, rdns[(count - 1 - i) % RDNS_MAX]))
            return DN_UNREADABLE;
    }
    if (!text_set(out, (struct span){w.at, w.len}, TEXT_REPLY_MAX))
        return DN_NO_MEMORY;
    out->lossy |= w.cut || count > shown;
    return DN_OK;
}

bool dn_common_name(struct der name, char *out, size_t size)
{
    struct der rdn, attribute, type, value;
    struct writing w = {.len = 0};
    unsigned count = 0;

    while (der_take(&name.body, DER_SET, &rdn))
        while (der_take(&rdn.body, DER_SEQUENCE, &attribute))
            if (der_take(&attribute.body, DER_OID, &type) && DER_IS(type, COMMON_NAME) &&
                ++count == 1 && (!der_next(&attribute.body, &value) || !put_string(&w, value)))
                return false;
    if (count != 1 || w.cut || w.len >= size || memchr(w.at, 0, w.len))
        return false;
    memcpy(out, w.at, w.len);
    out[w.len] = 0;
    return true;
}
