/* SPDX-License-Identifier: MIT */
/*
 * verdict.h: the members of an endpoint's record that say what is made of it: checks, policies,
 * findings, severity_max. They depend on the standard, the observation and the time it was made, so
 * that a saved record can be given new ones.
 */
#ifndef OUTPUT_VERDICT_H
#define OUTPUT_VERDICT_H

#include "output/builder.h"
#include "output/opinion.h"

/* NULL: nothing was said of the endpoint. All members are there, and empty. */
void put_verdicts(struct builder *, const struct policies *, const struct opinion *);

/* What all of them are formed by, for run_start: the rules, as they are in that version of the
   program, the policies and the exceptions. */
void put_standard(struct builder *, const char *version, const struct policies *,
                  const struct exceptions *);

/* How many findings there are. */
void put_tally(struct builder *, const struct tally *);

/* What became of the waivers: those that findings have so far, for a checkpoint; all of them, at the
   end of a run, at that time (Unix time, ms); whole: it is complete, and no shard. */
void put_waiver_counts(struct builder *, const struct usage *);
void put_waiver_states(struct builder *, const struct usage *, bool whole, int64_t time);

#endif
