/* SPDX-License-Identifier: MIT */
#include "output/opinion.h"

#include <stdlib.h>

static void judge_policies(struct opinions *o, const struct policies *policies,
                           const struct host_view *host)
{
    for (size_t i = 0; i < o->count; i++) {
        struct subject subject = subject_of(host, &host->endpoints[i]);
        for (size_t p = 0; p < policies->count; p++)
            policy_judge(policies->items[p], &subject, &o->judgements[i],
                         &o->results[i * policies->count + p]);
    }
}

bool opinions_form(struct opinions *o, const struct policies *policies,
                   const struct host_view *host)
{
    *o = (struct opinions){.policy_count = policies->count};
    o->judgements = calloc(host->count + 1, sizeof *o->judgements);
    o->results = calloc(host->count * policies->count + 1, sizeof *o->results);
    if (!o->judgements || !o->results)
        return false;
    o->count = host->count;
    if (!judge_host(host, o->judgements))
        return false;
    judge_policies(o, policies, host);
    return true;
}

void opinions_free(struct opinions *o)
{
    judgements_free(o->judgements, o->count);
    free(o->judgements);
    free(o->results);
}

void tally_add(struct tally *t, const struct opinions *o)
{
    for (size_t i = 0; i < o->count; i++) {
        struct opinion opinion = opinions_at(o, i);
        for (size_t f = 0; f < opinion.judgement->count; f++)
            t->findings[opinion.judgement->findings[f].evidence.severity]++;
        for (size_t p = 0; p < o->policy_count; p++)
            t->policies[p][opinion.results[p].verdict]++;
    }
}

bool tally_reaches(const struct tally *t, enum severity severity)
{
    for (int s = (int)severity; s < SEVERITY_COUNT; s++)
        if (t->findings[s])
            return true;
    return false;
}
