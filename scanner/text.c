/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/text.h"

#include <stdint.h>
#include <stdlib.h>

/* The length of the well-formed UTF-8 sequence at the front (Unicode table 3-7), 0 if there is
 * none. */
static size_t sequence_length(struct span s)
{
    unsigned char first = (unsigned char)s.at[0], low = 0x80, high = 0xbf;
    size_t n = first < 0x80   ? 1
               : first < 0xc2 ? 0
               : first < 0xe0 ? 2
               : first < 0xf0 ? 3
               : first < 0xf5 ? 4
                              : 0;

    if (n < 2 || s.len < n)
        return n > s.len ? 0 : n;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    for (size_t i = 1; i < n; i++, low = 0x80, high = 0xbf)
        if ((unsigned char)s.at[i] < low || (unsigned char)s.at[i] > high)
            return 0;
    return n;
}

/* C0 but tab and newline, DEL, and C1 (U+0080 to U+009F, which is C2 80 to C2 9F). */
static bool is_control(struct span s)
{
    unsigned char first = (unsigned char)s.at[0];
    return (first < ' ' && first != '\t' && first != '\n') || first == 127 ||
           (first == 0xc2 && (unsigned char)s.at[1] < 0xa0);
}

bool text_is_clean(struct span in)
{
    while (in.len) {
        size_t n = sequence_length(in);
        if (!n || is_control(in))
            return false;
        in = span_from(in, n);
    }
    return true;
}

size_t text_clean(struct span in, char *out, size_t max, bool *lossy)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t len = 0;

    while (in.len) {
        size_t n = sequence_length(in);
        bool bad = n == 0 || is_control(in);
        const char *from = bad ? replacement : in.at;
        size_t size = bad ? strlen(replacement) : n;
        if (bad)
            *lossy = true;
        if (len + size >= max) {
            *lossy = true;
            break;
        }
        memcpy(out + len, from, size);
        len += size;
        in = span_from(in, n ? n : 1);
    }
    out[len] = 0;
    return len;
}

/* The cleaned text behind a prefix of the given length, in memory of its own. */
static char *clean_copy(const char *prefix, size_t prefix_len, struct span in, size_t max,
                        bool *lossy)
{
    size_t most = 3 * in.len + 1; /* each octet can become a replacement character */
    if (most > max - prefix_len)
        most = max - prefix_len;
    char *data = malloc(prefix_len + most);
    if (!data)
        return NULL;
    memcpy(data, prefix, prefix_len);
    size_t len = prefix_len + text_clean(in, data + prefix_len, most, lossy);
    char *fitted = realloc(data, len + 1);
    return fitted ? fitted : data;
}

bool text_set(struct text *t, struct span in, size_t max)
{
    bool lossy = false;
    char *data = clean_copy("", 0, in, max, &lossy);
    if (!data)
        return false;
    free(t->data);
    *t = (struct text){data, lossy};
    return true;
}

bool text_add_line(struct text *t, struct span in, size_t max)
{
    if (!t->data)
        return text_set(t, in, max);
    size_t len = strlen(t->data);
    if (len + 2 > max - 1) {
        t->lossy = true;
        return true;
    }
    char *longer = realloc(t->data, len + 2);
    if (!longer)
        return false;
    t->data = longer;
    memcpy(longer + len, "\n", 2);
    char *data = clean_copy(longer, len + 1, in, max, &t->lossy);
    if (!data)
        return false;
    free(t->data);
    t->data = data;
    return true;
}

bool text_copy(struct text *to, const struct text *from)
{
    *to = (struct text){from->data ? strdup(from->data) : NULL, from->lossy};
    return to->data || !from->data;
}

void text_free(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

/* Where the item is, or where it belongs. */
static size_t list_place(const struct list *l, const char *item, bool *there)
{
    size_t low = 0, high = l->count;
    *there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(l->items[middle], item);
        if (order == 0)
            *there = true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool list_has(const struct list *l, const char *item)
{
    bool there;
    list_place(l, item, &there);
    return there;
}

/* Takes the item, which is then the list's or gone. */
static bool list_put(struct list *l, char *item, bool lossy)
{
    bool there;
    size_t len = strlen(item), at = list_place(l, item, &there);
    if (there || l->count == LIST_ITEMS_MAX || l->octets + len > LIST_OCTETS_MAX) {
        l->full |= !there;
        free(item);
        return true;
    }
    char **items = l->items;
    if ((l->count & (l->count - 1)) == 0) { /* grows at 0, 1, 2, 4, 8 … */
        items = realloc(items, (l->count ? 2 * l->count : 1) * sizeof *items);
        if (!items) {
            free(item);
            return false;
        }
        l->items = items;
    }
    memmove(items + at + 1, items + at, (l->count - at) * sizeof *items);
    items[at] = item;
    l->count++;
    l->octets += len;
    l->lossy |= lossy;
    return true;
}

bool list_add(struct list *l, struct span in)
{
    bool lossy = false;
    char *item = clean_copy("", 0, in, TEXT_ITEM_MAX, &lossy);
    return item && list_put(l, item, lossy);
}

bool list_add_upper(struct list *l, struct span in, const char *until)
{
    bool lossy = false;
    char *item = clean_copy("", 0, in, TEXT_ITEM_MAX, &lossy);
    if (!item)
        return false;
    for (char *c = item; *c && !strchr(until, *c); c++)
        *c = ascii_upper(*c);
    return list_put(l, item, lossy);
}

bool list_copy(struct list *to, const struct list *from)
{
    size_t room = 1; /* as list_put() would have made it */
    *to = (struct list){.octets = from->octets, .lossy = from->lossy, .full = from->full};
    while (room < from->count)
        room *= 2;
    if (from->count && !(to->items = malloc(room * sizeof *to->items)))
        return false;
    for (; to->count < from->count; to->count++)
        if (!(to->items[to->count] = strdup(from->items[to->count])))
            return false;
    return true;
}

void list_clear(struct list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct list){0};
}
