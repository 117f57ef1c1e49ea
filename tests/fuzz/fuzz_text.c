/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as text: what comes out is clean by another judge's rules, and cleaning it again
 * changes nothing. The first two octets are the room there is; each line is also put into a list
 * and behind the lines before it.
 */
#include <stdint.h>
#include <stdlib.h>

#include "scanner/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The character at the front by arithmetic (RFC 3629 section 3), or -1. */
static long decode(const unsigned char *s, size_t len, size_t *used)
{
    static const long smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (!n || n > len)
        return -1;
    long value = n == 1 ? s[0] : s[0] & (0x7f >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return -1;
        value = value << 6 | (s[i] & 0x3f);
    }
    *used = n;
    return value < smallest[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff) ? -1
                                                                                           : value;
}

static bool is_clean(const char *text, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i += used) {
        long c = decode((const unsigned char *)text + i, len - i, &used);
        if (c < 0 || (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0))
            return false;
    }
    return true;
}

static void clean(struct span in, size_t max)
{
    char *out = malloc(max), *again = malloc(max);
    bool lossy = false, more = false;
    require(out && again);
    size_t n = text_clean(in, out, max, &lossy);
    require(n < max && out[n] == 0 && strlen(out) == n && is_clean(out, n));
    require(lossy == (!is_clean(in.at, in.len) || in.len >= max));
    require(text_clean((struct span){out, n}, again, max, &more) == n && !more &&
            memcmp(out, again, n) == 0);
    free(out);
    free(again);
}

static void collect(struct span in, size_t max)
{
    struct list list = {0};
    struct text text = {0};
    for (bool upper = false; in.len; upper = !upper) {
        const char *end = memchr(in.at, '\n', in.len);
        struct span line = span_until(in, end ? (size_t)(end - in.at) : in.len);
        in = span_from(in, line.len + 1);
        require(upper ? list_add_upper(&list, line, " =") : list_add(&list, line));
        require(text_add_line(&text, line, max));
        require(strlen(text.data) < max && is_clean(text.data, strlen(text.data)));
    }
    require(list.count <= LIST_ITEMS_MAX && list.octets <= LIST_OCTETS_MAX);
    for (size_t i = 0; i < list.count; i++) {
        require(i == 0 || strcmp(list.items[i - 1], list.items[i]) < 0);
        require(strlen(list.items[i]) < TEXT_ITEM_MAX &&
                is_clean(list.items[i], strlen(list.items[i])));
    }
    list_clear(&list);
    text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t max = 1 + ((size_t)data[0] << 8 | data[1]) % 4096;
    struct span in = {(const char *)data + 2, size - 2};
    clean(in, max);
    collect(in, max);
    return 0;
}
