/* SPDX-License-Identifier: MIT */
/*
 * text.h: what strangers wrote, made safe to keep and to show.
 *
 * Every text from the network passes text_clean() once, before anything else sees it. Afterwards it
 * is valid UTF-8 without control characters (a tab stays, and the newline between the lines of one
 * text), and says whether anything was lost on the way.
 */
#ifndef SCANNER_TEXT_H
#define SCANNER_TEXT_H

#include "protocols/span.h"

/* Longest texts that are kept, in octets. */
#define TEXT_BANNER_MAX ((size_t)2048)
#define TEXT_REPLY_MAX ((size_t)1024)
#define TEXT_ITEM_MAX ((size_t)512)
#define LIST_ITEMS_MAX ((size_t)256)
#define LIST_OCTETS_MAX ((size_t)16384)

/* False is "no memory", and never to be passed over: a text that is not kept changes what is known. */
#define MUST_CHECK __attribute__((warn_unused_result))

/* Writes the cleaned text and a NUL into out (max > 0 octets in all) and gives its length. What is
   not UTF-8, and every control character, becomes U+FFFD; what does not fit is cut between
   characters. Either sets *lossy. Cleaning twice changes nothing. */
size_t text_clean(struct span in, char *out, size_t max, bool *lossy);

/* Would text_clean() change nothing of it? */
bool text_is_clean(struct span);

/* One text, NULL as long as there is none. */
struct text {
    char *data;
    bool lossy;
};

/* Sets the text; false when there is no memory, and the text is as before. */
MUST_CHECK bool text_set(struct text *, struct span, size_t max);

/* Adds a line, behind a newline if there is text already. */
MUST_CHECK bool text_add_line(struct text *, struct span, size_t max);
/* Into one that holds nothing. False when there is no memory. */
MUST_CHECK bool text_copy(struct text *to, const struct text *from);
void text_free(struct text *);

/* A sorted set of texts. */
struct list {
    char **items;
    size_t count, octets;
    bool lossy; /* an item was cleaned or cut     */
    bool full;  /* there were more than we keep   */
};

MUST_CHECK bool list_add(struct list *, struct span);

/* The same, in upper case up to the first character that is in until ("": all of it). */
MUST_CHECK bool list_add_upper(struct list *, struct span, const char *until);
bool list_has(const struct list *, const char *);

/* Into one that holds nothing. False when there is no memory; what there is is to be cleared. */
MUST_CHECK bool list_copy(struct list *to, const struct list *from);
void list_clear(struct list *);

#endif
