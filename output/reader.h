/* SPDX-License-Identifier: MIT */
/*
 * reader.h: records back to what was seen, so that rules judge saved records as they judge scans.
 *
 *   record, record … ──> reading_add() ──> reading_view(): a host and its observations
 *
 * A file of records is a stranger's too: every member is checked for its type, texts are cleaned
 * once more, lists are bounded. Members that are not known are passed over. One that a record of an
 * older minor version cannot have counts as not asked. What rules said of it is not read: they say
 * it again.
 */
#ifndef OUTPUT_READER_H
#define OUTPUT_READER_H

#include <cjson/cJSON.h>

#include "scanner/observation.h"

/* The endpoints of one host. */
struct reading;

#define READING_ENDPOINTS_MAX ((size_t)4096)
#define READING_PROBLEM_SIZE ((size_t)160)

/* NULL: out of memory. */
struct reading *reading_new(void);
void reading_free(struct reading *);

/* Is this an endpoint of the same host of the same run, and not there yet? An empty reading takes
   any. */
bool reading_takes(const struct reading *, const cJSON *record);

/* Adds the endpoint. False: it is no endpoint record, a broken one, or not taken; the problem names
   the member, and the reading is as before. */
bool reading_add(struct reading *, const cJSON *record, char *problem, size_t size);

/* What was added, in that order. It lives until the next record is added, or the reading goes. */
const struct host_view *reading_view(const struct reading *);

#endif
