/* SPDX-License-Identifier: MIT */
#include "scanner/quote.h"

/* RFC 3629: what follows a first octet, and the smallest value that needs so many octets. */
static size_t follow_count(unsigned char first, unsigned *value, unsigned *smallest)
{
    if (first >= 0xc2 && first < 0xe0) {
        *value = first & 0x1f;
        *smallest = 0x80;
        return 1;
    }
    if (first >= 0xe0 && first < 0xf0) {
        *value = first & 0x0f;
        *smallest = 0x800;
        return 2;
    }
    if (first >= 0xf0 && first < 0xf5) {
        *value = first & 0x07;
        *smallest = 0x10000;
        return 3;
    }
    return 0;
}

size_t quote_character(struct span s)
{
    if (!s.len)
        return 0;
    unsigned char first = (unsigned char)s.at[0];
    if (first < 0x80)
        return first >= ' ' && first != 0x7f;

    unsigned value, smallest;
    size_t follow = follow_count(first, &value, &smallest);
    if (!follow || s.len <= follow)
        return 0;
    for (size_t i = 1; i <= follow; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if ((c & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (c & 0x3f);
    }
    bool surrogate = value >= 0xd800 && value < 0xe000;
    bool control = value < 0xa0; /* C1 */
    return value < smallest || value > 0x10ffff || surrogate || control ? 0 : follow + 1;
}

struct quote quote(struct span s)
{
    struct quote q;
    char *out = q.text;
    const char *end = q.text + 1 + QUOTE_MAX;
    *out++ = '\'';
    while (s.len) {
        size_t n = quote_character(s);
        if ((size_t)(end - out) < (n ? n : 1))
            break;
        if (n)
            memcpy(out, s.at, n);
        else
            *out = '?';
        out += n ? n : 1;
        s = span_from(s, n ? n : 1);
    }
    for (const char *end_mark = s.len ? "...'" : "'"; *end_mark; end_mark++)
        *out++ = *end_mark;
    *out = '\0';
    return q;
}
