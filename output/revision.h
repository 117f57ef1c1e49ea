/* SPDX-License-Identifier: MIT */
/*
 * revision.h: saved records, with what is said of them now in the place of what was said then. What
 * was seen stays as it is, member by member, also what is not known here.
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

/* hash: of all lines before this one. */
char *revision_checkpoint(cJSON *record, const struct tally *, const char *hash);
char *revision_run_end(cJSON *record, const struct tally *, const char *hash, int exit_code);

#endif
