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

/* The octets of the character, and its number; 0: it is none, or a control character. */
static size_t decode(struct span s, unsigned *value)
{
    if (!s.len)
        return 0;
    unsigned char first = (unsigned char)s.at[0];
    *value = first;
    if (first < 0x80)
        return first >= ' ' && first != 0x7f;

    unsigned smallest;
    size_t follow = follow_count(first, value, &smallest);
    if (!follow || s.len <= follow)
        return 0;
    for (size_t i = 1; i <= follow; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if ((c & 0xc0) != 0x80)
            return 0;
        *value = *value << 6 | (c & 0x3f);
    }
    bool surrogate = *value >= 0xd800 && *value < 0xe000;
    bool control = *value < 0xa0; /* C1 */
    return *value < smallest || *value > 0x10ffff || surrogate || control ? 0 : follow + 1;
}

size_t quote_character(struct span s)
{
    unsigned value;
    return decode(s, &value);
}

/* Unicode's format characters: those that turn the direction of what is read, break lines, join,
   or have no width. */
static bool is_unseen(unsigned value)
{
    static const struct {
        unsigned first, last;
    } ranges[] = {{0xad, 0xad},     {0x61c, 0x61c},   {0x180e, 0x180e},
                  {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f},
                  {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe0fff}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (value >= ranges[i].first && value <= ranges[i].last)
            return true;
    return false;
}

size_t quote_step(struct span s, bool *shown)
{
    unsigned value;
    size_t n = decode(s, &value);
    *shown = n && !is_unseen(value);
    return n ? n : s.len > 0;
}

unsigned quote_unseen(struct span s)
{
    unsigned value;
    return decode(s, &value) && is_unseen(value) ? value : 0;
}

struct quote quote(struct span s)
{
    struct quote q;
    char *out = q.text;
    const char *end = q.text + 1 + QUOTE_MAX;
    *out++ = '\'';
    while (s.len) {
        bool shown;
        size_t n = quote_step(s, &shown), room = shown ? n : 1;
        if ((size_t)(end - out) < room)
            break;
        if (shown)
            memcpy(out, s.at, n);
        else
            *out = '?';
        out += room;
        s = span_from(s, n);
    }
    for (const char *end_mark = s.len ? "...'" : "'"; *end_mark; end_mark++)
        *out++ = *end_mark;
    *out = '\0';
    return q;
}
