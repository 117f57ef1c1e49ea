/* SPDX-License-Identifier: MIT */
/*
 * span.h: a stretch of somebody else's bytes, and the few things parsers ask of it.
 *
 * A span owns nothing and is not terminated; it is valid as long as the buffer behind it.
 * Comparisons ignore ASCII case (every keyword of these protocols is case-insensitive) and never
 * the locale.
 */
#ifndef PROTOCOLS_SPAN_H
#define PROTOCOLS_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct span {
    const char *at;
    size_t len;
};

/* A fact is seen, seen not to be, or not known: nothing in this program has only two values. */
enum tri { TRI_UNKNOWN, TRI_NO, TRI_YES };

static inline enum tri tri_of(bool yes)
{
    return yes ? TRI_YES : TRI_NO;
}

static inline struct span span_of(const char *text)
{
    return (struct span){text, strlen(text)};
}

static inline struct span span_from(struct span s, size_t start)
{
    return start < s.len ? (struct span){s.at + start, s.len - start} : (struct span){s.at, 0};
}

static inline struct span span_until(struct span s, size_t end)
{
    return (struct span){s.at, end < s.len ? end : s.len};
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool span_starts(struct span s, const char *prefix)
{
    size_t n = strlen(prefix);
    if (s.len < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (ascii_upper(s.at[i]) != ascii_upper(prefix[i]))
            return false;
    return true;
}

static inline bool span_is(struct span s, const char *word)
{
    return s.len == strlen(word) && span_starts(s, word);
}

/* Does the span contain the word, anywhere? */
static inline bool span_mentions(struct span s, const char *word)
{
    for (; s.len >= strlen(word); s = span_from(s, 1))
        if (span_starts(s, word))
            return true;
    return false;
}

static inline struct span span_trim(struct span s)
{
    while (s.len && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = span_from(s, 1);
    while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Takes the first word (up to white space) off the front of *rest; empty when there is none left.
 */
static inline struct span span_word(struct span *rest)
{
    struct span s = span_trim(*rest);
    size_t n = 0;
    while (n < s.len && s.at[n] != ' ' && s.at[n] != '\t')
        n++;
    *rest = span_from(s, n);
    return span_until(s, n);
}

/* Cuts at the first c: *head is what stands before it, and what follows it is returned; its at is
   NULL if there is no c. */
static inline struct span span_cut(struct span *head, char c)
{
    const char *mark = head->len ? (const char *)memchr(head->at, c, head->len) : NULL;
    if (!mark)
        return (struct span){NULL, 0};
    struct span tail = span_from(*head, (size_t)(mark - head->at) + 1);
    head->len = (size_t)(mark - head->at);
    return tail;
}

#endif
