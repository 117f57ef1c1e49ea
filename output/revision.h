/* SPDX-License-Identifier: MIT */
/*
 * revision.h: saved records, with what is said of them now in the place of what was said then, or
 * as parts of another whole. What was seen stays as it is, member by member, also what is not known
 * here. A record of 1.2 becomes one of 1.3: it saw the same; older ones stay what they are.
 *
 * Each function changes the record, and adds its line to the page as record.h does. False: there is
 * no memory.
 */
#ifndef OUTPUT_REVISION_H
#define OUTPUT_REVISION_H

#include <cjson/cJSON.h>

#include "output/opinion.h"
#include "output/page.h"

/* version: of this program, which judges now. */
bool revision_run_start(struct page *, cJSON *record, const char *version, const struct policies *,
                        const struct exceptions *);
bool revision_endpoint(struct page *, cJSON *record, const struct policies *,
                       const struct opinion *);

/* When it was written: Unix time, ms; 0: it does not say. */
int64_t revision_time(const cJSON *record);

/* The run_start of a shard as that of the whole run. */
bool revision_merged_start(struct page *, cJSON *record, int64_t started,
                           const struct list *source_addresses);

/* As a record of that run. */
bool revision_run_id(struct page *, cJSON *record, const char *run_id);

/* hash: of all lines before this one. */
bool revision_checkpoint(struct page *, cJSON *record, const struct tally *, const char *hash);
/* whole: all of a run is judged, from its beginning on. */
bool revision_run_end(struct page *, cJSON *record, const struct tally *, bool whole,
                      const char *hash, int exit_code);

#endif
