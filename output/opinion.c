/* SPDX-License-Identifier: MIT */
#include "output/opinion.h"

#include "scanner/grow.h"

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

/* Judgements are zero before they are used for the first time. */
static bool make_room(struct opinions *o, size_t count)
{
    size_t results = count * o->policy_count;
    while (o->judgement_max < count) {
        size_t had = o->judgement_max;
        if (!grow(&o->judgements, had, &o->judgement_max, sizeof *o->judgements))
            return false;
        memset(&o->judgements[had], 0, (o->judgement_max - had) * sizeof *o->judgements);
    }
    while (o->result_max < results)
        if (!grow(&o->results, o->result_max, &o->result_max, sizeof *o->results))
            return false;
    return true;
}

bool opinions_form(struct opinions *o, const struct policies *policies,
                   const struct host_view *host)
{
    o->count = 0;
    o->policy_count = policies->count;
    if (!make_room(o, host->count) || !judge_host(host, o->judgements))
        return false;
    o->count = host->count;
    judge_policies(o, policies, host);
    return true;
}

void opinions_free(struct opinions *o)
{
    judgements_free(o->judgements, o->judgement_max);
    free(o->judgements);
    free(o->results);
    *o = (struct opinions){.count = 0};
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
