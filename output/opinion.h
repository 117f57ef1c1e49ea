/* SPDX-License-Identifier: MIT */
/*
 * opinion.h: what is said of a host's endpoints, beside what was seen of them.
 *
 * Formed once for a host, and handed to every writer with the host's view. The opinions own what
 * the rules said; texts of their evidence are the observations', which must stay as long. Opinions
 * are formed again in the same memory, so that host after host costs no allocation.
 */
#ifndef OUTPUT_OPINION_H
#define OUTPUT_OPINION_H

#include "output/policies/policy.h"
#include "output/rules/judgement.h"

#define POLICIES_MAX ((size_t)16)

struct policies {
    struct policy *items[POLICIES_MAX];
    size_t count;
};

/* Of one endpoint. */
struct opinion {
    const struct judgement *judgement;
    const struct policy_result *results; /* one for each policy */
};

struct opinions {
    struct judgement *judgements; /* one for each endpoint of the host */
    size_t count, judgement_max;
    struct policy_result *results; /* of each endpoint, under each policy */
    size_t policy_count, result_max;
};

/* On opinions that are all zero, or were formed of another host. False when there is no memory; to
   be given to opinions_free() at last, in any case. */
bool opinions_form(struct opinions *, const struct policies *, const struct host_view *);
void opinions_free(struct opinions *);

static inline struct opinion opinions_at(const struct opinions *o, size_t endpoint)
{
    return (struct opinion){&o->judgements[endpoint],
                            o->results ? &o->results[endpoint * o->policy_count] : NULL};
}

/* What all of them add up to. */
struct tally {
    uint64_t findings[SEVERITY_COUNT]; /* open ones */
    uint64_t waived;
    uint64_t policies[POLICIES_MAX][POLICY_VERDICT_COUNT]; /* endpoints */
};

void tally_add(struct tally *, const struct opinions *);

/* Is there a finding of this severity or a worse one? SEVERITY_NONE: never. */
bool tally_reaches(const struct tally *, enum severity);

#endif
