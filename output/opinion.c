/* SPDX-License-Identifier: MIT */
#include "output/opinion.h"

#include "output/record.h"
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

static void dispose_of(struct finding *f, const struct exceptions *exceptions,
                       const struct waiver_subject *subject)
{
    struct disposition *d = &f->disposition;
    if (exceptions->waivers)
        d->waiver = waivers_find(exceptions->waivers, subject, f->number, f->fingerprint);
    d->waived = d->waiver && !waiver_expired(d->waiver, subject->time);
    if (exceptions->baseline)
        d->novelty = baseline_knows(exceptions->baseline, f->fingerprint, f->evidence.severity)
                         ? NOVELTY_KNOWN
                         : NOVELTY_NEW;
}

/* The worst that is open is the first such: they are in that order. */
static enum severity worst_of(const struct judgement *j)
{
    for (size_t i = 0; i < j->count; i++)
        if (!j->findings[i].disposition.waived)
            return j->findings[i].evidence.severity;
    return SEVERITY_NONE;
}

static void dispose(struct judgement *j, const struct exceptions *exceptions,
                    const struct host_view *host, const struct observation *o)
{
    char key[RECORD_KEY_MAX];
    const struct waiver_subject subject = {
        .key = key, .host = host, .protocol = o->service->protocol, .time = o->started};
    record_key(host, o, key, sizeof key);
    for (size_t i = 0; i < j->count; i++)
        dispose_of(&j->findings[i], exceptions, &subject);
    j->worst = worst_of(j);
}

bool opinions_form(struct opinions *o, const struct policies *policies,
                   const struct exceptions *exceptions, const struct host_view *host)
{
    o->count = 0;
    o->policy_count = policies->count;
    if (!make_room(o, host->count) || !judge_host(host, o->judgements))
        return false;
    o->count = host->count;
    judge_policies(o, policies, host);
    for (size_t i = 0; (exceptions->waivers || exceptions->baseline) && i < o->count; i++)
        dispose(&o->judgements[i], exceptions, host, &host->endpoints[i]);
    return true;
}

void opinions_free(struct opinions *o)
{
    judgements_free(o->judgements, o->judgement_max);
    free(o->judgements);
    free(o->results);
    *o = (struct opinions){.count = 0};
}

/* --- sums ------------------------------------------------------------------------------------- */

bool tally_begin(struct tally *t, const struct exceptions *exceptions)
{
    *t = (struct tally){.compared = exceptions->baseline != NULL};
    return !exceptions->waivers || (t->usage = usage_of(exceptions->waivers));
}

void tally_end(struct tally *t)
{
    usage_free(t->usage);
    t->usage = NULL;
}

static void add_finding(struct tally *t, const struct finding *f)
{
    const struct disposition *d = &f->disposition;
    if (d->waiver && t->usage)
        t->usage->items[d->waiver->number].findings++;
    if (d->waived) {
        t->waived++;
        return;
    }
    t->findings[f->evidence.severity]++;
    t->fresh[f->evidence.severity] += d->novelty != NOVELTY_KNOWN;
}

void tally_add(struct tally *t, const struct opinions *o)
{
    for (size_t i = 0; i < o->count; i++) {
        struct opinion opinion = opinions_at(o, i);
        for (size_t f = 0; f < opinion.judgement->count; f++)
            add_finding(t, &opinion.judgement->findings[f]);
        for (size_t p = 0; p < o->policy_count; p++)
            t->policies[p][opinion.results[p].verdict]++;
    }
}

static bool reaches(const uint64_t counts[SEVERITY_COUNT], enum severity severity)
{
    for (int s = (int)severity; s < SEVERITY_COUNT; s++)
        if (counts[s])
            return true;
    return false;
}

bool tally_reaches(const struct tally *t, enum severity severity)
{
    return reaches(t->findings, severity);
}

bool tally_fails(const struct tally *t, enum severity severity)
{
    return reaches(t->fresh, severity);
}
