/* SPDX-License-Identifier: MIT */
#include "output/builder.h"

#include <cjson/cJSON.h>
#include <limits.h>

#include "output/hex.h"

#define NUMBER_MAX ((size_t)32) /* octets of a number's text */

/* --- text ------------------------------------------------------------------------------------- */

#define EACH(octet) (UINT64_C(0x0101010101010101) * (octet))

/* Are there control characters, '"' or '\\' in these eight octets? Then not zero. What is below a
   number has its high bit set when that is taken off, and what equals one is below 1 behind the
   exclusive or. Octets beyond ASCII never count. */
static inline uint64_t specials(uint64_t w)
{
    uint64_t below = (w - EACH(' ')) | ((w ^ EACH('"')) - EACH(1)) | ((w ^ EACH('\\')) - EACH(1));
    return below & ~w & EACH(0x80);
}

/* The same of any eight, and of any four octets, which are copied. */
static inline uint64_t copy_eight(char *at, const char *text)
{
    uint64_t w;
    memcpy(&w, text, sizeof w);
    memcpy(at, &w, sizeof w);
    return specials(w);
}

static inline uint64_t copy_four(char *at, const char *text)
{
    uint32_t w;
    memcpy(&w, text, sizeof w);
    memcpy(at, &w, sizeof w);
    return specials(w | EACH('0') << 32);
}

/* Copies the text as it is; false: it cannot stay so. The last octets may be copied twice. */
static inline bool copy_plain(char *at, const char *text, size_t n)
{
    uint64_t special = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        special |= copy_eight(at + i, text + i);
    if (n >= 8)
        special |= copy_eight(at + n - 8, text + n - 8);
    else if (n >= 4)
        special |= copy_four(at, text) | copy_four(at + n - 4, text + n - 4);
    else
        for (; i < n; i++) {
            at[i] = text[i];
            special |= specials((unsigned char)text[i] | EACH('0') << 8);
        }
    return !special;
}

/* RFC 8259 section 7; as cJSON does it. */
static char *escape(char *at, char c)
{
    static const char letters[] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                   ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};
    static const char digits[] = "0123456789abcdef";
    unsigned char octet = (unsigned char)c;
    char letter = octet < sizeof letters ? letters[octet] : 0;

    if (octet >= ' ' && !letter) {
        *at++ = c;
        return at;
    }
    *at++ = '\\';
    if (letter) {
        *at++ = letter;
        return at;
    }
    memcpy(at, "u00", 3);
    at[3] = digits[octet >> 4];
    at[4] = digits[octet & 15];
    return at + 5;
}

/* At most this for each octet, and the quotes. */
#define QUOTED_MAX(n) (6 * (n) + 2)

static char *quote(char *at, struct span text)
{
    *at++ = '"';
    if (copy_plain(at, text.at, text.len))
        at += text.len;
    else
        for (size_t i = 0; i < text.len; i++)
            at = escape(at, text.at[i]);
    *at++ = '"';
    return at;
}

/* --- parts ------------------------------------------------------------------------------------ */

static bool is_open(const struct builder *b, struct part part)
{
    return part.depth && part.depth <= b->depth && b->open[part.depth - 1].number == part.number;
}

static char *close_above(struct builder *b, unsigned depth, char *at)
{
    while (b->depth > depth)
        *at++ = b->open[--b->depth].end;
    return at;
}

static void *fail(struct builder *b)
{
    b->failed = true;
    return NULL;
}

/* Where so many octets of a value can be written, behind the name; NULL: nowhere. */
static char *begin_value(struct builder *b, struct part parent, struct span name, size_t room)
{
    char *at = page_room(b->page, BUILDER_DEPTH_MAX + sizeof ",:" + QUOTED_MAX(name.len) + room);

    if (!at || !is_open(b, parent))
        return fail(b);
    at = close_above(b, parent.depth, at);
    if (b->open[parent.depth - 1].any)
        *at++ = ',';
    b->open[parent.depth - 1].any = true;
    if (name.at) {
        at = quote(at, name);
        *at++ = ':';
    }
    return at;
}

static void end_value(struct builder *b, const char *at)
{
    b->page->len = (size_t)(at - b->page->bytes);
}

static struct part open_part(struct builder *b, char *at, const char *ends)
{
    if (!at)
        return (struct part){0, 0};
    b->open[b->depth].number = ++b->count;
    b->open[b->depth].any = false;
    b->open[b->depth].end = ends[1];
    *at = ends[0];
    end_value(b, at + 1);
    return (struct part){++b->depth, b->count};
}

struct part builder_part(struct builder *b, struct part parent, struct span name, const char *ends)
{
    bool deep = parent.depth == BUILDER_DEPTH_MAX;
    return open_part(b, deep ? fail(b) : begin_value(b, parent, name, 1), ends);
}

/* --- records ---------------------------------------------------------------------------------- */

void builder_begin(struct builder *b, struct page *page)
{
    *b = (struct builder){.page = page, .start = page->len};
    char *at = page_room(page, 1);
    b->root = open_part(b, at ? at : fail(b), "{}");
}

bool builder_end(struct builder *b)
{
    char *at = b->failed ? NULL : page_room(b->page, BUILDER_DEPTH_MAX + 1);
    if (!at) {
        b->page->len = b->start;
        return false;
    }
    at = close_above(b, 0, at);
    *at = '\n';
    end_value(b, at + 1);
    return true;
}

/* --- values ----------------------------------------------------------------------------------- */

void builder_word(struct builder *b, struct part parent, struct span name, struct span word)
{
    char *at = begin_value(b, parent, name, word.len);
    if (!at)
        return;
    memcpy(at, word.at, word.len);
    end_value(b, at + word.len);
}

void builder_text(struct builder *b, struct part parent, struct span name, struct span text)
{
    char *at = begin_value(b, parent, name, QUOTED_MAX(text.len));
    if (at)
        end_value(b, quote(at, text));
}

void builder_pair(struct builder *b, struct part array, const struct span texts[4])
{
    static const char before[] = "{:,:";
    size_t room = sizeof before + 1;
    for (int i = 0; i < 4; i++)
        room += QUOTED_MAX(texts[i].len);
    char *at = begin_value(b, array, (struct span){NULL, 0}, room);
    if (!at)
        return;
    for (int i = 0; i < 4; i++) {
        *at++ = before[i];
        at = quote(at, texts[i]);
    }
    *at++ = '}';
    end_value(b, at);
}

/* Up to here an integer has no more digits than a double. */
#define DIGITS_EXACT UINT64_C(1000000000000000)

static void put_large(struct builder *b, struct part parent, struct span name, double value)
{
    char text[NUMBER_MAX];
    cJSON number = {.type = cJSON_Number, .valuedouble = value, .valueint = INT_MAX};
    if (cJSON_PrintPreallocated(&number, text, sizeof text, false))
        builder_word(b, parent, name, span_of(text));
    else
        fail(b);
}

void builder_digits(struct builder *b, struct part parent, struct span name, bool negative,
                    uint64_t value)
{
    char text[NUMBER_MAX];
    size_t at = sizeof text;
    if (value >= DIGITS_EXACT) {
        put_large(b, parent, name, negative ? -(double)value : (double)value);
        return;
    }
    do
        text[--at] = (char)('0' + value % 10);
    while (value /= 10);
    if (negative)
        text[--at] = '-';
    builder_word(b, parent, name, (struct span){text + at, sizeof text - at});
}

void put_hex(struct builder *b, struct part parent, const char *name, const unsigned char *octets,
             size_t count)
{
    char text[2 * 32 + 1];
    put_text(b, parent, name, hex_encode(octets, count, text, sizeof text));
}

void put_list(struct builder *b, struct part parent, const char *name, const struct list *list)
{
    struct part array = put_array(b, parent, name);
    for (size_t i = 0; i < list->count; i++)
        put_text(b, array, NULL, list->items[i]);
}
