/* SPDX-License-Identifier: MIT */
/*
 * record.h: the records (schema/record.schema.json), one JSON object a line.
 *
 * Each function gives a line without its end, in memory of its own that the caller frees, or NULL
 * if there is none.
 */
#ifndef OUTPUT_RECORD_H
#define OUTPUT_RECORD_H

#include "output/run.h"

char *record_run_start(const struct run *);

/* One of the host's observations, and what is said of it; NULL: nothing is. */
char *record_endpoint(const struct run *, const struct host_view *, const struct observation *,
                      const struct opinion *);

/* hash: SHA-256, hex, of all lines before this one. */
char *record_checkpoint(const struct run *, const struct checkpoint *, const char *hash);
char *record_run_end(const struct run *, const struct run_end *, const char *hash);

#define RECORD_TIME_SIZE 32

/* RFC 3339 in UTC, with milliseconds or without. */
const char *record_time(int64_t unix_ms, bool milliseconds, char out[RECORD_TIME_SIZE]);

#define RECORD_KEY_MAX 512

/* PROTOCOL://HOST:PORT, as targets name the host. */
void record_key(const struct host_view *, const struct observation *, char *out, size_t size);

#endif
