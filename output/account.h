/* SPDX-License-Identifier: MIT */
/*
 * account.h: what a run says of itself in lines that were written by it, for those who go on with it:
 * which it is, in its beginning, and how far it is, in its checkpoints and its end.
 *
 * What is missing is a problem here, unlike in members.h. False: the members have the problem.
 */
#ifndef OUTPUT_ACCOUNT_H
#define OUTPUT_ACCOUNT_H

#include "output/continuation.h"
#include "output/members.h"

#define ACCOUNT_COUNT_MAX UINT64_C(1000000000000000) /* JSON's numbers are exact up to here */

bool account_word(struct members *, const cJSON *parent, const char *name, const char *path,
                  const char **);
bool account_number(struct members *, const cJSON *parent, const char *name, const char *path,
                    uint64_t max, uint64_t *);

/* A SHA-256, as the text that it is. */
bool account_hash(struct members *, const cJSON *parent, const char *name, const char *path,
                  char out[CONTINUATION_HASH_SIZE]);

/* Is the line of this run? */
bool account_is_of_run(struct members *, const struct continuation *);

/* Not seeded: null, the order is that of the targets. */
bool account_seed(struct members *, bool *seeded, uint64_t *seed);

/* Which run it is: all that must be the same if it is gone on with. */
bool account_start(struct members *, struct continuation *);

/* A tally with nothing counted, for that run. False: out of memory. */
bool account_begin(const struct continuation *, struct tally *);

/* What is in them before is lost, and what they own is the caller's, in any case. */
bool account_totals(struct members *, const struct continuation *, struct totals *);

#endif
