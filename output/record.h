/* SPDX-License-Identifier: MIT */
/*
 * record.h: the records (schema/record.schema.json), one JSON object a line.
 *
 * Each function adds a line to a page. They share nothing, so that threads may write records of one
 * run side by side. False: there is no memory, and the page is as before.
 */
#ifndef OUTPUT_RECORD_H
#define OUTPUT_RECORD_H

#include "output/page.h"
#include "output/run.h"

bool record_run_start(struct page *, const struct run *);

/* One of the host's observations, and what is said of it; NULL: nothing is. */
bool record_endpoint(struct page *, const struct run *, const struct host_view *,
                     const struct observation *, const struct opinion *);

bool record_not_asked(struct page *, const struct run *, const struct absent *, int64_t time);

/* hash: SHA-256, hex, of all lines before this one. */
bool record_checkpoint(struct page *, const struct run *, const struct checkpoint *,
                       const char *hash);
bool record_run_end(struct page *, const struct run *, const struct run_end *, const char *hash);

#define RECORD_HASH_SIZE ((size_t)65) /* SHA-256, hex, with its NUL */

/* Of all targets and options of a run, as its run_start has it: two runs with the same one ask the
   same. False: out of memory. */
bool record_options_hash(const struct run *, char out[RECORD_HASH_SIZE]);

#define RECORD_TIME_SIZE 32

/* RFC 3339 in UTC, with milliseconds or without. */
const char *record_time(int64_t unix_ms, bool milliseconds, char out[RECORD_TIME_SIZE]);

#define RECORD_KEY_MAX 512

/* PROTOCOL://HOST:PORT, as targets name the host. */
void record_key(const struct host_view *, const struct observation *, char *out, size_t size);

#endif
