/* SPDX-License-Identifier: MIT */
/*
 * builder.h: a record under construction; for the files that write parts of one.
 *
 * Every failure to allocate is remembered, and makes it no record, so that nobody has to look at
 * what these functions return. The name is NULL where the parent is an array.
 */
#ifndef OUTPUT_BUILDER_H
#define OUTPUT_BUILDER_H

#include <cjson/cJSON.h>

#include "scanner/observation.h"

struct builder {
    cJSON *root, *unknown, *lossy;
    const struct observation *o;
    bool failed;
};

/* Takes the item over; NULL if there is no room for it. */
cJSON *put_item(struct builder *, cJSON *parent, const char *name, cJSON *item);
cJSON *put_object(struct builder *, cJSON *parent, const char *name);
cJSON *put_array(struct builder *, cJSON *parent, const char *name);

/* NULL is null. */
void put_text(struct builder *, cJSON *parent, const char *name, const char *text);
void put_truth(struct builder *, cJSON *parent, const char *name, bool);
void put_null(struct builder *, cJSON *parent, const char *name);

/* Up to 2^53 cJSON prints integers exactly. */
void put_number(struct builder *, cJSON *parent, const char *name, uint64_t);
void put_hex(struct builder *, cJSON *parent, const char *name, const unsigned char *octets,
             size_t count);
void put_list(struct builder *, cJSON *parent, const char *name, const struct list *);

#endif
