/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/der.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static unsigned octet(struct span s, size_t at)
{
    return (unsigned char)s.at[at];
}

bool der_next(struct span *in, struct der *d)
{
    size_t head = 2, len;

    if (in->len < head || (octet(*in, 0) & 0x1f) == 0x1f)
        return false;
    len = octet(*in, 1);
    if (len & 0x80) {
        size_t more = len & 0x7f;
        head += more;
        if (!more || more > 4 || in->len < head)
            return false;
        len = 0;
        for (size_t i = 2; i < head; i++)
            len = len << 8 | octet(*in, i);
    }
    if (len > in->len - head)
        return false;
    d->tag = octet(*in, 0);
    d->whole = span_until(*in, head + len);
    d->body = span_from(d->whole, head);
    *in = span_from(*in, head + len);
    return true;
}

bool der_take(struct span *in, unsigned tag, struct der *d)
{
    return in->len && octet(*in, 0) == tag && der_next(in, d);
}

bool der_bits(struct der d, unsigned *bits)
{
    struct span n = d.body;
    if (d.tag != DER_INTEGER || !n.len || (octet(n, 0) & 0x80))
        return false;
    while (n.len && !octet(n, 0))
        n = span_from(n, 1);
    *bits = (unsigned)(8 * n.len);
    for (unsigned first = n.len ? octet(n, 0) : 0x80; !(first & 0x80); first <<= 1)
        --*bits;
    return true;
}

bool der_is(struct der d, const char *octets, size_t len)
{
    return d.tag == DER_OID && d.body.len == len && memcmp(d.body.at, octets, len) == 0;
}

/* The next arc, of at most 63 bits. */
static bool take_arc(struct span *in, uint64_t *arc)
{
    *arc = 0;
    for (size_t i = 0; i < in->len && i < 9; i++) {
        *arc = *arc << 7 | (octet(*in, i) & 0x7f);
        if (!(octet(*in, i) & 0x80)) {
            *in = span_from(*in, i + 1);
            return true;
        }
    }
    return false;
}

bool der_oid_text(struct der d, char *out, size_t size)
{
    struct span in = d.body;
    uint64_t arc;
    size_t len = 0;

    if (d.tag != DER_OID || !in.len)
        return false;
    while (in.len) {
        int n;
        if (!take_arc(&in, &arc))
            return false;
        if (len) {
            n = snprintf(out + len, size - len, ".%" PRIu64, arc);
        } else {
            uint64_t first = arc < 80 ? arc / 40 : 2;
            n = snprintf(out, size, "%" PRIu64 ".%" PRIu64, first, arc - 40 * first);
        }
        if (n < 0 || (size_t)n >= size - len)
            return false;
        len += (size_t)n;
    }
    return true;
}

static int two_digits(struct span s, size_t at)
{
    return 10 * (s.at[at] - '0') + (s.at[at + 1] - '0');
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool der_time(struct der d, int64_t *seconds)
{
    size_t years = d.tag == DER_TIME ? 4 : d.tag == DER_UTC_TIME ? 2 : 0;
    struct span t = d.body;

    if (!years || t.len != years + 11 || t.at[t.len - 1] != 'Z')
        return false;
    for (size_t i = 0; i + 1 < t.len; i++)
        if (!ascii_digit(t.at[i]))
            return false;
    int year = two_digits(t, 0);
    year = years == 4 ? 100 * year + two_digits(t, 2) : year + (year < 50 ? 2000 : 1900);
    t = span_from(t, years);
    int month = two_digits(t, 0), day = two_digits(t, 2);
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = two_digits(t, 4),
                    .tm_min = two_digits(t, 6),
                    .tm_sec = two_digits(t, 8)};
    if (month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 59)
        return false;
    *seconds = (int64_t)timegm(&tm);
    return true;
}
