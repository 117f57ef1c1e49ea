/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/export/intern.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST 16         /* octets of a SHA-256 that are kept */
#define SHORT ((size_t)9) /* octets that are not worth a line  */
#define ROOM_FIRST 1024
#define VALUES_MOST ((uint32_t)1 << 19)
#define SHAPES_MOST ((uint32_t)1 << 11)

struct intern_entry {
    unsigned char digest[DIGEST];
    uint32_t number; /* from 1; 0: nothing is here */
};

struct call {
    struct intern *intern;
    struct exporting *e;
    const cJSON *left_out;
};

void intern_init(struct intern *t, bool (*line)(struct exporting *, struct span))
{
    *t = (struct intern){.line = line, .values.most = VALUES_MOST, .shapes.most = SHAPES_MOST};
}

void intern_free(struct intern *t)
{
    free(t->values.entries);
    free(t->shapes.entries);
    page_free(&t->page);
    *t = (struct intern){.line = NULL};
}

/* --- tables ----------------------------------------------------------------------------------- */

/* Where the digest is, or would be: a SHA-256 is as good as random, and the table never full. */
static struct intern_entry *entry_of(struct intern_entry *entries, uint32_t room,
                                     const unsigned char *digest)
{
    uint32_t at;
    memcpy(&at, digest, sizeof at);
    for (at &= room - 1; entries[at].number; at = (at + 1) & (room - 1))
        if (memcmp(entries[at].digest, digest, DIGEST) == 0)
            break;
    return &entries[at];
}

static bool table_enlarge(struct intern_table *t)
{
    uint32_t room = t->room ? 2 * t->room : ROOM_FIRST;
    struct intern_entry *entries = calloc(room, sizeof *entries);
    if (!entries)
        return false;
    for (uint32_t i = 0; i < t->room; i++)
        if (t->entries[i].number)
            *entry_of(entries, room, t->entries[i].digest) = t->entries[i];
    free(t->entries);
    t->entries = entries;
    t->room = room;
    return true;
}

/* The number of a text from 1; is_new if it had none. 0: the table is full, or there is no memory. */
static uint32_t table_number(struct intern_table *t, struct span text, bool *is_new)
{
    unsigned char digest[32];
    *is_new = false;
    if (t->count >= t->room / 2 && t->count < t->most && !table_enlarge(t))
        return 0;
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text.at, text.len, digest) < 0)
        return 0;
    struct intern_entry *entry = entry_of(t->entries, t->room, digest);
    if (entry->number || t->count == t->most)
        return entry->number;
    memcpy(entry->digest, digest, DIGEST);
    *is_new = true;
    return entry->number = ++t->count;
}

/* --- values ----------------------------------------------------------------------------------- */

static bool add(struct page *p, const char *text)
{
    return page_add(p, text, strlen(text));
}

/* RFC 8259 section 7, and nothing that a reader of HTML looks for (export.h: put_json). */
static bool add_text(struct page *p, const char *text, bool is_value)
{
    bool ok = add(p, is_value && *text == '~' ? "\"~" : "\"");
    while (ok && *text) {
        size_t plain = 0;
        char escape[8];
        while ((unsigned char)text[plain] >= 0x20 && !strchr("\"\\<>&\x7f\xe2", text[plain]))
            plain++;
        ok = page_add(p, text, plain);
        text += plain;
        if (!*text)
            break;
        if (strncmp(text, "\xe2\x80\xa8", 3) == 0 || strncmp(text, "\xe2\x80\xa9", 3) == 0) {
            snprintf(escape, sizeof escape, "\\u20%02x", (unsigned)(unsigned char)text[2] - 0x80);
            text += 3;
        } else if (*text == '\xe2') {
            snprintf(escape, sizeof escape, "%c", *text++);
        } else {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(unsigned char)*text++);
        }
        ok = ok && add(p, escape);
    }
    return ok && add(p, "\"");
}

static bool add_number(struct page *p, double number)
{
    char text[32];
    bool whole = fabs(number) < 9007199254740992.0 && number == floor(number);
    snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", number);
    return add(p, isfinite(number) ? text : "null");
}

/* What is new on the page, from there on, becomes a line, and its number takes its place. */
static bool make_line(const struct call *c, size_t from)
{
    struct page *p = &c->intern->page;
    struct span text = {p->bytes + from, p->len - from};
    char number[16];
    bool is_new;

    if (text.len <= SHORT)
        return true;
    uint32_t place = table_number(&c->intern->values, text, &is_new);
    if (!place)
        return true;
    if (is_new && !c->intern->line(c->e, text))
        return false;
    p->len = from;
    snprintf(number, sizeof number, "\"~%" PRIu32 "\"", place - 1);
    return add(p, number);
}

/* Members that belong to one endpoint alone. */
static bool is_own(const cJSON *member)
{
    static const char *const names[] = {"at_ms", "duration_ms", "fingerprint", "ip",
                                        "key",   "line",        "time"};
    for (size_t i = 0; member->string && i < sizeof names / sizeof *names; i++)
        if (strcmp(member->string, names[i]) == 0)
            return true;
    return false;
}

/* Opens the object: the number of its shape, behind which its values alone follow. */
static bool add_shape(const struct call *c, const cJSON *object, bool *has_shape)
{
    struct page *p = &c->intern->page;
    size_t from = p->len;
    bool ok = add(p, "{\"shape\":["), is_new;
    char number[16];

    for (const cJSON *member = object->child; member && ok; member = member->next)
        ok = (member == object->child || add(p, ",")) &&
             add_text(p, member->string ? member->string : "", false);
    if (!ok || !add(p, "]}"))
        return false;
    struct span line = {p->bytes + from, p->len - from};
    uint32_t shape = table_number(&c->intern->shapes, line, &is_new);
    *has_shape = shape != 0;
    if (is_new && !c->intern->line(c->e, line))
        return false;
    p->len = from;
    snprintf(number, sizeof number, "[%" PRId64, shape ? (int64_t)shape : -1);
    return add(p, number);
}

/* own: it holds something that belongs to one endpoint alone. */
static bool add_value(const struct call *, const cJSON *, bool *own);

static bool add_children(const struct call *c, const cJSON *parent, bool named, bool *own)
{
    struct page *p = &c->intern->page;
    for (const cJSON *child = parent->child; child; child = child->next) {
        if (!add(p, ",") ||
            (named && !(add_text(p, child->string ? child->string : "", false) && add(p, ","))))
            return false;
        if (child == c->left_out ? !add(p, "null") : !add_value(c, child, own))
            return false;
    }
    return add(p, "]");
}

static bool add_value(const struct call *c, const cJSON *value, bool *own)
{
    struct page *p = &c->intern->page;
    size_t from = p->len;
    bool mine = is_own(value), has_shape = true, ok;

    if (cJSON_IsString(value))
        ok = add_text(p, value->valuestring, true);
    else if (cJSON_IsNumber(value))
        ok = add_number(p, value->valuedouble);
    else if (cJSON_IsArray(value))
        ok = add(p, "[0") && add_children(c, value, false, &mine);
    else if (cJSON_IsObject(value))
        ok = add_shape(c, value, &has_shape) && add_children(c, value, !has_shape, &mine);
    else
        ok = add(p, cJSON_IsTrue(value) ? "true" : cJSON_IsFalse(value) ? "false" : "null");
    *own |= mine;
    return ok && (mine || make_line(c, from));
}

bool intern_put(struct intern *t, struct exporting *e, const cJSON *value, const cJSON *left_out)
{
    struct call call = {t, e, left_out};
    bool own = false;
    return add_value(&call, value, &own);
}
