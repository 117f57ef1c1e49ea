/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "scanner/memory.h"

#define MEMBER_NAME_MAX ((size_t)64) /* no name of ours is longer */

cJSON *members_parse(struct span line)
{
    const char *end = NULL;
    line = span_trim(line);
    struct memory_watch watch = memory_watch();
    cJSON *record =
        text_is_clean(line) ? cJSON_ParseWithLengthOpts(line.at, line.len, &end, false) : NULL;
    if (record)
        errno = 0; /* it had what it needs */
    memory_held(watch);
    if (record && end != line.at + line.len) {
        cJSON_Delete(record);
        return NULL;
    }
    return record;
}

static const char *text_of(const cJSON *record, const char *name)
{
    const cJSON *item = member_of(record, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

const char *members_fault(const cJSON *record)
{
    if (!record)
        return errno == ENOMEM ? "out of memory" : "not JSON, or not clean text";
    if (!*text_of(record, "type"))
        return "no record: it has no type";
    return strncmp(text_of(record, "schema"), "1.", 2) == 0 ? NULL
                                                            : "not of version 1 of the schema";
}

bool member_put(cJSON *parent, const char *name, cJSON *item)
{
    bool put = item && (name ? cJSON_AddItemToObject(parent, name, item)
                             : cJSON_AddItemToArray(parent, item));
    if (!put)
        cJSON_Delete(item);
    return put;
}

bool members_fail(struct members *m, const char *path, const char *what)
{
    if (!m->failed)
        snprintf(m->problem, m->size, "%s: %s", path, what);
    m->failed = true;
    return false;
}

const cJSON *member_of(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const cJSON *members_find(const struct members *m, const char *path)
{
    const cJSON *at = m->root;
    char name[MEMBER_NAME_MAX];
    while (at && *path == '/') {
        size_t n = strcspn(++path, "/");
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        at = member_of(at, name);
        path += n;
    }
    return at;
}

static bool is_there(const cJSON *item)
{
    return item && !cJSON_IsNull(item);
}

bool member_word(struct members *m, const cJSON *item, const char *path, const char **out)
{
    if (!is_there(item))
        return false;
    if (!cJSON_IsString(item))
        return members_fail(m, path, "not a text");
    *out = item->valuestring;
    return true;
}

bool member_truth(struct members *m, const cJSON *item, const char *path, bool *out)
{
    if (!is_there(item))
        return false;
    if (!cJSON_IsBool(item))
        return members_fail(m, path, "neither true nor false");
    *out = cJSON_IsTrue(item);
    return true;
}

bool member_number(struct members *m, const cJSON *item, const char *path, uint64_t max,
                   uint64_t *out)
{
    if (!is_there(item))
        return false;
    if (!cJSON_IsNumber(item))
        return members_fail(m, path, "not a number");
    double value = item->valuedouble;
    if (!(value >= 0 && value <= 9007199254740992.0) || (uint64_t)value > max ||
        (double)(uint64_t)value < value)
        return members_fail(m, path, "no count, or more than there can be");
    *out = (uint64_t)value;
    return true;
}

bool member_is_lossy(const struct members *m, const char *path)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, member_of(m->root, "lossy")) if (cJSON_IsString(item) &&
                                                              strcmp(item->valuestring, path) ==
                                                                  0) return true;
    return false;
}

bool member_text(struct members *m, const cJSON *item, const char *path, size_t max,
                 struct text *out)
{
    const char *word;
    if (!member_word(m, item, path, &word))
        return false;
    if (!text_set(out, span_of(word), max))
        return members_fail(m, path, "out of memory");
    out->lossy |= member_is_lossy(m, path);
    return true;
}

bool member_copy(struct members *m, const cJSON *item, const char *path, char *out, size_t size)
{
    const char *word;
    bool lossy = false;
    if (!member_word(m, item, path, &word))
        return false;
    text_clean(span_of(word), out, size, &lossy);
    return true;
}

bool member_list(struct members *m, const cJSON *item, const char *path, struct list *out)
{
    const cJSON *below;
    const char *word;
    if (!is_there(item))
        return false;
    if (!cJSON_IsArray(item))
        return members_fail(m, path, "not a list");
    cJSON_ArrayForEach(below, item)
    {
        if (!member_word(m, below, path, &word))
            return members_fail(m, path, "not a list of texts");
        if (!list_add(out, span_of(word)))
            return members_fail(m, path, "out of memory");
        if (out->full)
            return members_fail(m, path, "more than is kept");
    }
    out->lossy |= member_is_lossy(m, path);
    return true;
}

static int digit_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool member_octets(struct members *m, const cJSON *item, const char *path, unsigned char *out,
                   size_t count)
{
    const char *word;
    if (!member_word(m, item, path, &word))
        return false;
    if (strlen(word) != 2 * count || strspn(word, "0123456789abcdef") != 2 * count)
        return members_fail(m, path, "not the hexadecimal digits that it should be");
    for (size_t i = 0; i < count; i++)
        out[i] = (unsigned char)(digit_value(word[2 * i]) << 4 | digit_value(word[2 * i + 1]));
    return true;
}

bool member_address(struct members *m, const cJSON *item, const char *path, struct address *out)
{
    const char *word;
    *out = (struct address){.family = 0};
    if (!member_word(m, item, path, &word))
        return false;
    return address_parse(span_of(word), out) || members_fail(m, path, "not an address");
}

/* Digits where the pattern has a 0, and else the same. */
static bool is_like(const char *text, const char *pattern)
{
    for (; *pattern; text++, pattern++)
        if (*pattern == '0' ? !ascii_digit(*text) : *text != *pattern)
            return false;
    return *text == 0;
}

static int digits(const char *text, int count)
{
    int value = 0;
    for (int i = 0; i < count; i++)
        value = 10 * value + (text[i] - '0');
    return value;
}

bool member_time(struct members *m, const cJSON *item, const char *path, bool milliseconds,
                 int64_t *out)
{
    const char *t;
    if (!member_word(m, item, path, &t))
        return false;
    if (!is_like(t, milliseconds ? "0000-00-00T00:00:00.000Z" : "0000-00-00T00:00:00Z"))
        return members_fail(m, path, "not a time in UTC");
    struct tm utc = {.tm_year = digits(t, 4) - 1900,
                     .tm_mon = digits(t + 5, 2) - 1,
                     .tm_mday = digits(t + 8, 2),
                     .tm_hour = digits(t + 11, 2),
                     .tm_min = digits(t + 14, 2),
                     .tm_sec = digits(t + 17, 2)};
    if (utc.tm_mon > 11 || utc.tm_mday > 31 || utc.tm_hour > 23 || utc.tm_min > 59 ||
        utc.tm_sec > 60)
        return members_fail(m, path, "not a time in UTC");
    *out = (int64_t)timegm(&utc) * 1000 + (milliseconds ? digits(t + 20, 3) : 0);
    if (milliseconds && *out < 0)
        return members_fail(m, path, "before 1970");
    return true;
}
