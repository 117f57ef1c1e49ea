/* SPDX-License-Identifier: MIT */
/*
 * revision.h: saved records, with what is said of them now in the place of what was said then, or
 * as parts of another whole. What was seen stays as it is, member by member, also what is not known
 * here.
 *
 * Each function changes the record, and gives its line as record.h does, or NULL if there is no
 * memory.
 */
#ifndef OUTPUT_REVISION_H
#define OUTPUT_REVISION_H

#include <cjson/cJSON.h>

#include "output/opinion.h"

char *revision_run_start(cJSON *record, const struct policies *);
char *revision_endpoint(cJSON *record, const struct policies *, const struct opinion *);

/* The run_start of a shard as that of the whole run. */
char *revision_merged_start(cJSON *record, int64_t started, const struct list *source_addresses);

/* As a record of that run. */
char *revision_run_id(cJSON *record, const char *run_id);

/* hash: of all lines before this one. */
char *revision_run_end(cJSON *record, const struct tally *, const char *hash, int exit_code);

#endif
