/* SPDX-License-Identifier: MIT */
#include "output/verdict.h"

#include <stdio.h>

#include "output/rules/ruleset.h"

/* Of what strangers wrote, evidence needs no more than this. */
#define EVIDENCE_TEXT_MAX ((size_t)512)
#define EVIDENCE_ITEMS_MAX ((size_t)32)

/* --- checks ----------------------------------------------------------------------------------- */

static void put_checks(struct builder *b, const struct judgement *j)
{
    const struct check *lists[VERDICT_COUNT][RULES_MAX];
    size_t counts[VERDICT_COUNT] = {0}, count = j ? j->check_count : 0;

    for (size_t i = 0; i < count; i++)
        lists[j->checks[i].verdict][counts[j->checks[i].verdict]++] = &j->checks[i];
    struct part checks = put_object(b, b->root, "checks");
    for (int v = 0; v < VERDICT_COUNT; v++) {
        struct part array = put_array(b, checks, verdict_name((enum verdict)v));
        for (size_t i = 0; i < counts[v]; i++)
            put_text(b, array, NULL, lists[v][i]->rule->id);
    }
    struct part reasons = put_array(b, checks, "reasons");
    for (size_t i = 0; i < count; i++)
        if (j->checks[i].reason)
            put_pair(b, reasons, "rule", j->checks[i].rule->id, "reason", j->checks[i].reason);
}

/* --- findings --------------------------------------------------------------------------------- */

static void put_cut(struct builder *b, struct part parent, const char *name, const char *text)
{
    char cut[EVIDENCE_TEXT_MAX + 1];
    bool lossy = false;
    if (text)
        text_clean(span_of(text), cut, sizeof cut, &lossy);
    put_text(b, parent, name, text ? cut : NULL);
}

static void put_some(struct builder *b, struct part parent, const char *name,
                     const struct list *list)
{
    struct part array = put_array(b, parent, name);
    char more[64];
    for (size_t i = 0; i < list->count && i < EVIDENCE_ITEMS_MAX; i++)
        put_cut(b, array, NULL, list->items[i]);
    if (list->count > EVIDENCE_ITEMS_MAX) {
        snprintf(more, sizeof more, "and %zu more", list->count - EVIDENCE_ITEMS_MAX);
        put_text(b, array, NULL, more);
    }
}

static void put_evidence(struct builder *b, struct part finding, const struct evidence *e)
{
    struct part evidence = put_object(b, finding, "evidence");
    for (size_t i = 0; i < e->count; i++) {
        const struct evidence_item *item = &e->items[i];
        switch (item->kind) {
        case EVIDENCE_TEXT:
        case EVIDENCE_MADE:
            put_cut(b, evidence, item->name, evidence_words(e, item));
            break;
        case EVIDENCE_NUMBER:
            put_integer(b, evidence, item->name, item->number);
            break;
        case EVIDENCE_TRUTH:
            put_truth(b, evidence, item->name, item->number != 0);
            break;
        case EVIDENCE_LIST:
            put_some(b, evidence, item->name, item->list);
            break;
        }
    }
}

static void put_references(struct builder *b, struct part finding, const struct rule *rule)
{
    struct part references = put_array(b, finding, "references");
    char text[256];
    for (size_t i = 0; i < REFERENCES_MAX && rule->references[i].text; i++) {
        const struct reference *r = &rule->references[i];
        snprintf(text, sizeof text, "%s%s", r->text,
                 r->source == SOURCE_PRIMARY ? "" : " (unverified)");
        put_text(b, references, NULL, text);
    }
}

static void put_waiver(struct builder *b, struct part finding, const struct disposition *d)
{
    const struct waiver *w = d->waiver;
    if (!w) {
        put_null(b, finding, "waiver");
        return;
    }
    struct part waiver = put_object(b, finding, "waiver");
    put_text(b, waiver, "id", w->id);
    put_text(b, waiver, "reason", w->reason);
    put_text(b, waiver, "expires", w->expires);
    if (w->approved_by)
        put_text(b, waiver, "approved_by", w->approved_by);
    if (w->ticket)
        put_text(b, waiver, "ticket", w->ticket);
    put_truth(b, waiver, "expired", !d->waived);
}

static void put_disposition(struct builder *b, struct part finding, const struct disposition *d)
{
    put_text(b, finding, "status", d->waived ? "waived" : "open");
    put_waiver(b, finding, d);
    if (d->novelty != NOVELTY_NONE)
        put_text(b, finding, "baseline", d->novelty == NOVELTY_KNOWN ? "known" : "new");
}

static void put_findings(struct builder *b, const struct judgement *j)
{
    struct part findings = put_array(b, b->root, "findings");
    for (size_t i = 0; j && i < j->count; i++) {
        const struct finding *f = &j->findings[i];
        struct part item = put_object(b, findings, NULL);
        put_text(b, item, "rule", f->rule->id);
        put_text(b, item, "severity", severity_name(f->evidence.severity));
        put_text(b, item, "confidence", confidence_name(f->evidence.confidence));
        put_text(b, item, "title", f->rule->title);
        put_text(b, item, "description", f->rule->description);
        put_evidence(b, item, &f->evidence);
        put_text(b, item, "remediation", f->rule->remediation);
        put_references(b, item, f->rule);
        put_text(b, item, "fingerprint", f->fingerprint);
        put_disposition(b, item, &f->disposition);
    }
}

/* --- policies --------------------------------------------------------------------------------- */

static void put_ids(struct builder *b, struct part parent, const char *name, const char *const *ids,
                    size_t count)
{
    struct part array = put_array(b, parent, name);
    for (size_t i = 0; i < count; i++)
        put_text(b, array, NULL, ids[i]);
}

static void put_clauses(struct builder *b, struct part item, const struct policy *policy,
                        const struct policy_result *r)
{
    static const enum policy_verdict order[] = {POLICY_PASS,       POLICY_WARN,
                                                POLICY_FAIL,       POLICY_NOT_APPLICABLE,
                                                POLICY_NOT_TESTED, POLICY_INCONCLUSIVE};
    struct part clauses = put_object(b, item, "clauses");
    for (size_t v = 0; v < sizeof order / sizeof *order; v++) {
        struct part array = put_array(b, clauses, policy_verdict_name(order[v]));
        for (size_t i = 0; i < r->clause_count; i++)
            if (r->clauses[i] == order[v])
                put_text(b, array, NULL, policy_clause_at(policy, i));
    }
    struct part unverified = put_array(b, item, "unverified");
    for (size_t i = 0; i < r->clause_count; i++)
        if (policy_clause_unverified(policy, i))
            put_text(b, unverified, NULL, policy_clause_at(policy, i));
}

static void put_results(struct builder *b, const struct policies *policies,
                        const struct policy_result *results)
{
    struct part array = put_array(b, b->root, "policies");
    for (size_t p = 0; results && p < policies->count; p++) {
        const struct policy *policy = policies->items[p];
        const struct policy_result *r = &results[p];
        struct part item = put_object(b, array, NULL);
        put_text(b, item, "name", policy_name(policy));
        put_text(b, item, "version", policy_version(policy));
        put_text(b, item, "as_of", policy_as_of(policy));
        put_text(b, item, "verdict", policy_verdict_name(r->verdict));
        put_ids(b, item, "fail", r->fail, r->fail_count);
        put_ids(b, item, "warn", r->warn, r->warn_count);
        put_clauses(b, item, policy, r);
    }
}

static void put_policies(struct builder *b, const struct policies *policies)
{
    struct part array = put_array(b, b->root, "policies");
    for (size_t p = 0; p < policies->count; p++) {
        const struct policy *policy = policies->items[p];
        struct part item = put_object(b, array, NULL);
        put_text(b, item, "name", policy_name(policy));
        put_text(b, item, "version", policy_version(policy));
        put_text(b, item, "as_of", policy_as_of(policy));
        put_text(b, item, "sha256", policy_sha256(policy));
    }
}

static void put_ruleset(struct builder *b, const char *version)
{
    char hash[RULESET_HASH_SIZE];
    struct part ruleset = put_object(b, b->root, "ruleset");
    put_text(b, ruleset, "version", version);
    if (ruleset_hash(version, hash))
        put_text(b, ruleset, "sha256", hash);
    else
        b->failed = true;
}

static void put_waivers(struct builder *b, const struct waivers *waivers)
{
    if (!waivers) {
        put_null(b, b->root, "waivers");
        return;
    }
    struct part part = put_object(b, b->root, "waivers");
    put_text(b, part, "sha256", waivers_sha256(waivers));
    put_number(b, part, "count", waivers_count(waivers));
}

static void put_baseline(struct builder *b, const struct baseline *baseline)
{
    if (!baseline) {
        put_null(b, b->root, "baseline");
        return;
    }
    struct part part = put_object(b, b->root, "baseline");
    put_text(b, part, "run_id", baseline_run_id(baseline));
    put_number(b, part, "findings", baseline_count(baseline));
    put_text(b, part, "sha256", baseline_sha256(baseline));
}

void put_standard(struct builder *b, const char *version, const struct policies *policies,
                  const struct exceptions *exceptions)
{
    put_ruleset(b, version ? version : "");
    put_policies(b, policies);
    put_waivers(b, exceptions->waivers);
    put_baseline(b, exceptions->baseline);
}

/* --- all of it -------------------------------------------------------------------------------- */

void put_verdicts(struct builder *b, const struct policies *policies, const struct opinion *o)
{
    const struct judgement *j = o ? o->judgement : NULL;

    put_checks(b, j);
    put_results(b, policies, o ? o->results : NULL);
    put_findings(b, j);
    put_text(b, b->root, "severity_max", j ? severity_name(j->worst) : NULL);
}

/* The worst first. */
static void put_severities(struct builder *b, const char *name,
                           const uint64_t counts[SEVERITY_COUNT])
{
    struct part array = put_array(b, b->root, name);
    for (int s = SEVERITY_COUNT - 1; s >= 0; s--)
        if (counts[s]) {
            struct part item = put_object(b, array, NULL);
            put_text(b, item, "severity", severity_name((enum severity)s));
            put_number(b, item, "count", counts[s]);
        }
}

void put_tally(struct builder *b, const struct tally *tally)
{
    put_severities(b, "findings", tally->findings);
    put_number(b, b->root, "waived", tally->waived);
    if (tally->compared)
        put_severities(b, "findings_new", tally->fresh);
}

void put_waiver_counts(struct builder *b, const struct usage *usage)
{
    if (!usage)
        return;
    struct part array = put_array(b, b->root, "waivers");
    for (size_t i = 0; i < usage->count; i++)
        if (usage->items[i].findings) {
            struct part item = put_object(b, array, NULL);
            put_text(b, item, "id", usage->items[i].id);
            put_number(b, item, "findings", usage->items[i].findings);
        }
}

void put_waiver_states(struct builder *b, const struct usage *usage, bool whole, int64_t time)
{
    if (!usage)
        return;
    struct part array = put_array(b, b->root, "waivers");
    for (size_t i = 0; i < usage->count; i++) {
        const struct usage_item *u = &usage->items[i];
        struct part item = put_object(b, array, NULL);
        put_text(b, item, "id", u->id);
        put_text(b, item, "state", usage_state_name(usage_state(u, whole, time)));
        put_number(b, item, "findings", u->findings);
        put_text(b, item, "expires", u->expires);
    }
}
