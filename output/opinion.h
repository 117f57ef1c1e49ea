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
#include "output/waivers/baseline.h"
#include "output/waivers/usage.h"

#define POLICIES_MAX ((size_t)16)

struct policies {
    struct policy *items[POLICIES_MAX];
    size_t count;
};

/* What takes findings out of what counts; policies look at none of it: an auditor sees what is. */
struct exceptions {
    const struct waivers *waivers;   /* NULL: none */
    const struct baseline *baseline; /* NULL: none */
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

/* On opinions that are all zero, or were formed of another host. Waivers are held against the time
   at which the endpoint was observed. False when there is no memory; to be given to opinions_free()
   at last, in any case. */
bool opinions_form(struct opinions *, const struct policies *, const struct exceptions *,
                   const struct host_view *);
void opinions_free(struct opinions *);

static inline struct opinion opinions_at(const struct opinions *o, size_t endpoint)
{
    return (struct opinion){&o->judgements[endpoint],
                            o->results ? &o->results[endpoint * o->policy_count] : NULL};
}

/* What all of them add up to. All zero: nothing yet, without waivers or a baseline. */
struct tally {
    uint64_t findings[SEVERITY_COUNT]; /* open ones */
    uint64_t fresh[SEVERITY_COUNT];    /* of them those that the baseline does not know */
    uint64_t waived;
    bool compared;       /* there is a baseline; without one, all open ones are fresh */
    struct usage *usage; /* of the waivers; NULL: there are none */
    uint64_t policies[POLICIES_MAX][POLICY_VERDICT_COUNT]; /* endpoints */
};

/* For what is formed with these exceptions. False: out of memory. To be given to tally_end(). */
bool tally_begin(struct tally *, const struct exceptions *);
void tally_end(struct tally *);
void tally_add(struct tally *, const struct opinions *);

/* Is there an open finding of this severity or a worse one? SEVERITY_NONE: never. */
bool tally_reaches(const struct tally *, enum severity);

/* Is there one that has to fail a run which is to fail from this severity on? Only what is new can
   do so. */
bool tally_fails(const struct tally *, enum severity);

#endif
