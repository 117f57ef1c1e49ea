/* SPDX-License-Identifier: MIT */
/*
 * members.h: the members of a record that is being read.
 *
 * Whoever asks for a value gives the member and its path, which is for the problem only. A member
 * that is not there, or null, is no problem: there is no value. One of another type is; the first
 * problem is kept, and makes it no record.
 */
#ifndef OUTPUT_MEMBERS_H
#define OUTPUT_MEMBERS_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "scanner/address.h"
#include "scanner/text.h"

/* A line as a record: clean text, one value of JSON, and nothing behind it. NULL: it is none, or
   there is no memory (ENOMEM is in errno then, and nothing is if there was memory). */
cJSON *members_parse(struct span line);

struct members {
    const cJSON *root;
    char *problem; /* the caller's, of this size */
    size_t size;
    bool failed;
};

/* Why what was parsed cannot be read as a record; NULL: it has a type, and a version of the schema
   that is known here. */
const char *members_fault(const cJSON *record);

/* Keeps the problem, if it is the first; false. */
bool members_fail(struct members *, const char *path, const char *what);

/* The member that the path leads to, through objects alone; NULL: there is none. */
const cJSON *members_find(const struct members *, const char *path);

/* Puts the item into an object, or with no name behind what is in an array, which then owns it. False
   when there is no memory, for the item (NULL) either. */
MUST_CHECK bool member_put(cJSON *parent, const char *name, cJSON *item);

/* The member of that name; NULL if there is none, or this is no object. */
const cJSON *member_of(const cJSON *, const char *name);

/* False: there is no value, or a problem. */
bool member_word(struct members *, const cJSON *, const char *path, const char **);
bool member_truth(struct members *, const cJSON *, const char *path, bool *);
bool member_number(struct members *, const cJSON *, const char *path, uint64_t max, uint64_t *);

/* Does the record say that what has this path was cleaned or cut? */
bool member_is_lossy(const struct members *, const char *path);

/* These clean what they read; what is longer is cut. */
bool member_text(struct members *, const cJSON *, const char *path, size_t max, struct text *);
bool member_copy(struct members *, const cJSON *, const char *path, char *out, size_t size);
bool member_list(struct members *, const cJSON *, const char *path, struct list *);

/* Hexadecimal digits of that many octets. */
bool member_octets(struct members *, const cJSON *, const char *path, unsigned char *out,
                   size_t count);

/* Set to no address where there is none. */
bool member_address(struct members *, const cJSON *, const char *path, struct address *);

/* RFC 3339 in UTC, as record_time() writes it; Unix time, ms. */
bool member_time(struct members *, const cJSON *, const char *path, bool milliseconds, int64_t *);

#endif
