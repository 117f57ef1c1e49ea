/* SPDX-License-Identifier: MIT */
/*
 * judge.c: an endpoint held against a policy.
 *
 * Of rules, all entries that hold here and now are asked, each for its clause. Of versions, suites,
 * groups, keys and signatures the first entry that holds decides, so that a policy reads from the
 * special to the general. What an endpoint would accept besides what it has chosen is not known:
 * that it keeps to a list of suites or groups is never a pass as long as there is a choice.
 */
#define _GNU_SOURCE
#include <limits.h>

#include "output/policies/entry.h"

struct bench {
    const struct policy *policy;
    const struct observation *o;
    const struct judgement *judgement;
    struct policy_result *result;
    char today[POLICY_DAY_SIZE];
    unsigned role, protocol;   /* bits */
    unsigned certificate;      /* a bit: that which is being judged, if one is */
    enum policy_verdict worst; /* of the rule, or of the kind, that is being judged */
};

/* An item that is there, that is not there, or that is one of the two and nobody knows which. */
enum presence { ABSENT, PRESENT, NOT_TESTED, INCONCLUSIVE };

static unsigned protocol_bit(const struct protocol *protocol)
{
    return protocol == &protocol_ftp    ? DOCUMENT_FTP
           : protocol == &protocol_imap ? DOCUMENT_IMAP
           : protocol == &protocol_pop3 ? DOCUMENT_POP3
                                        : DOCUMENT_SMTP;
}

static bool holds(const struct bench *b, const struct policy_entry *e)
{
    return (e->roles & b->role) && (e->protocols & b->protocol) &&
           (!b->certificate || (e->certificate & b->certificate)) &&
           (!e->from[0] || strcmp(e->from, b->today) <= 0) &&
           (!e->until[0] || strcmp(b->today, e->until) <= 0);
}

static enum policy_verdict worse(enum policy_verdict a, enum policy_verdict b)
{
    return a > b ? a : b;
}

static void mark(struct bench *b, const struct policy_entry *e, enum policy_verdict verdict)
{
    enum policy_verdict *clause = &b->result->clauses[e->clause];
    *clause = worse(*clause, verdict);
    b->worst = worse(b->worst, verdict);
}

/* What came of a rule, or of a kind of items, goes into one of the lists at most. The id is looked
   at only if it does. */
static void close_case(struct bench *b, const char *id)
{
    struct policy_result *r = b->result;
    if (b->worst == POLICY_FAIL)
        r->fail[r->fail_count++] = id;
    else if (b->worst == POLICY_WARN)
        r->warn[r->warn_count++] = id;
    b->worst = POLICY_NOT_APPLICABLE;
}

/* --- rules ------------------------------------------------------------------------------------ */

static enum policy_verdict verdict_of_check(const struct policy_entry *e, enum verdict check)
{
    static const enum policy_verdict same[VERDICT_COUNT] = {
        [VERDICT_PASS] = POLICY_PASS,
        [VERDICT_NOT_APPLICABLE] = POLICY_NOT_APPLICABLE,
        [VERDICT_NOT_TESTED] = POLICY_NOT_TESTED,
        [VERDICT_INCONCLUSIVE] = POLICY_INCONCLUSIVE};
    return check == VERDICT_FAIL ? e->verdict : same[check];
}

/* Entries of the policy's own take the place of inherited ones wherever they hold. */
static void judge_rule(struct bench *b, size_t rule)
{
    const struct policy_entry *first = NULL;
    for (size_t i = 0; i < b->policy->entry_count; i++) {
        const struct policy_entry *e = &b->policy->entries[i];
        if (e->kind != POLICY_RULE || !name_set_has(&e->names, rule) || !holds(b, e))
            continue;
        first = first ? first : e;
        if (e->level == first->level)
            mark(b, e, verdict_of_check(e, b->judgement->checks[rule].verdict));
    }
    close_case(b, b->worst >= POLICY_WARN ? rules_at(rule)->id : NULL);
}

/* --- items ------------------------------------------------------------------------------------ */

/* The entry that decides about an item; NULL: the policy says nothing about it. */
static const struct policy_entry *entry_for(const struct bench *b, enum policy_kind kind,
                                            size_t item, unsigned bits)
{
    for (size_t i = 0; i < b->policy->entry_count; i++) {
        const struct policy_entry *e = &b->policy->entries[i];
        if (e->kind == kind && name_set_has(&e->names, item) && bits >= e->bits && holds(b, e))
            return e;
    }
    return NULL;
}

/* What is allowed may be there or not. */
static void judge_item(struct bench *b, enum policy_kind kind, size_t item, unsigned bits,
                       enum presence presence)
{
    const struct policy_entry *e = entry_for(b, kind, item, bits);
    if (!e)
        return;
    if (presence == PRESENT)
        mark(b, e, e->verdict);
    else if (e->verdict != POLICY_PASS)
        mark(b, e,
             presence == ABSENT       ? POLICY_PASS
             : presence == NOT_TESTED ? POLICY_NOT_TESTED
                                      : POLICY_INCONCLUSIVE);
}

/* All that the policy says of this kind. */
static void mark_all(struct bench *b, enum policy_kind kind, enum policy_verdict verdict)
{
    for (size_t i = 0; i < b->policy->entry_count; i++) {
        const struct policy_entry *e = &b->policy->entries[i];
        if (e->kind == kind && holds(b, e))
            mark(b, e, verdict);
    }
}

/* What it warns of or forbids, and what was not found. */
static void clear_others(struct bench *b, enum policy_kind kind)
{
    for (size_t i = 0; i < b->policy->entry_count; i++) {
        const struct policy_entry *e = &b->policy->entries[i];
        if (e->kind == kind && e->verdict != POLICY_PASS && holds(b, e))
            mark(b, e, POLICY_PASS);
    }
}

static void mark_unknown(struct bench *b, enum policy_kind kind, enum fact fact)
{
    mark_all(b, kind, b->o->why[fact] == CAUSE_NOT_ASKED ? POLICY_NOT_TESTED : POLICY_INCONCLUSIVE);
}

static void judge_versions(struct bench *b)
{
    static const enum presence presences[] = {[VERSION_NOT_TESTED] = NOT_TESTED,
                                              [VERSION_ACCEPTED] = PRESENT,
                                              [VERSION_REJECTED] = ABSENT,
                                              [VERSION_INCONCLUSIVE] = INCONCLUSIVE};
    for (size_t v = 0; v < VERSION_COUNT; v++)
        judge_item(b, POLICY_VERSION, v, 0, presences[b->o->tls.versions[v].status]);
}

static bool may_accept(const struct bench *b, enum version first, enum version last)
{
    for (int v = (int)first; v <= (int)last; v++)
        if (b->o->tls.versions[v].status != VERSION_REJECTED)
            return true;
    return false;
}

/* TLS 1.3 has suites of its own, and so has SSL 2.0. */
static bool may_choose(const struct bench *b, uint32_t suite)
{
    return suite > 0xffff       ? may_accept(b, VERSION_SSL2, VERSION_SSL2)
           : suite >> 8 == 0x13 ? may_accept(b, VERSION_TLS13, VERSION_TLS13)
                                : may_accept(b, VERSION_SSL3, VERSION_TLS12);
}

static bool has_chosen(const struct bench *b, uint32_t suite)
{
    const struct tls_facts *t = &b->o->tls;
    if (observation_knows(b->o, FACT_CIPHER) && t->suite == suite)
        return true;
    for (size_t v = 0; v < VERSION_COUNT; v++)
        if (t->versions[v].status == VERSION_ACCEPTED && t->versions[v].suite == suite)
            return true;
    return false;
}

/* Has it chosen a suite that has no name here? Zero is no suite. */
static bool has_chosen_another(const struct bench *b)
{
    const struct tls_facts *t = &b->o->tls;
    if (observation_knows(b->o, FACT_CIPHER) && t->suite && !suite_name(t->suite))
        return true;
    for (size_t v = 0; v < VERSION_COUNT; v++)
        if (t->versions[v].status == VERSION_ACCEPTED && t->versions[v].suite &&
            !suite_name(t->versions[v].suite))
            return true;
    return false;
}

static enum presence presence_of(bool chosen, bool possible)
{
    return chosen ? PRESENT : possible ? NOT_TESTED : ABSENT;
}

static void judge_suites(struct bench *b)
{
    uint32_t suite;
    for (size_t at = 0; suite_at(at, &suite); at++)
        judge_item(b, POLICY_SUITE, at, 0, presence_of(has_chosen(b, suite), may_choose(b, suite)));
    judge_item(b, POLICY_SUITE, NAME_OTHER, 0,
               presence_of(has_chosen_another(b), may_accept(b, VERSION_SSL2, VERSION_TLS13)));
}

/* The group in which the keys of the full handshake were agreed on; NAMES_MAX: in none. */
static size_t group_of(const struct tls_facts *t)
{
    if (t->group[0])
        return name_find(POLICY_GROUP, t->group);
    return t->dh_bits ? name_find(POLICY_GROUP, NAME_OWN_FIELD) : NAMES_MAX;
}

static void judge_groups(struct bench *b)
{
    const struct tls_facts *t = &b->o->tls;
    bool old = may_accept(b, VERSION_SSL3, VERSION_TLS12);
    bool any = old || may_accept(b, VERSION_TLS13, VERSION_TLS13);
    size_t chosen = NAMES_MAX;

    if (observation_knows(b->o, FACT_GROUP))
        chosen = group_of(t);
    if (chosen != NAMES_MAX)
        judge_item(b, POLICY_GROUP, chosen, t->group[0] ? UINT_MAX : t->dh_bits, PRESENT);
    else if (!observation_knows(b->o, FACT_GROUP) && any)
        mark_unknown(b, POLICY_GROUP, FACT_GROUP);
    for (size_t at = 0; name_at(POLICY_GROUP, at); at++)
        judge_item(b, POLICY_GROUP, at, 0, presence_of(false, name_is_old_group(at) ? old : any));
    judge_item(b, POLICY_GROUP, NAME_OTHER, 0, presence_of(false, any));
}

/* Sizes of curves that the library does not know are not known either. */
static void judge_key(struct bench *b, const struct certificate *c)
{
    size_t key = name_find(POLICY_KEY, c->key_algorithm);
    if (c->key_bits || key == NAME_OTHER)
        judge_item(b, POLICY_KEY, key, c->key_bits, PRESENT);
    else
        mark_all(b, POLICY_KEY, POLICY_INCONCLUSIVE);
}

/* A certificate that signed itself is trusted, or not, for other reasons than its signature. */
static void judge_signature(struct bench *b, const struct certificate *c)
{
    if (!c->self_signed)
        judge_item(b, POLICY_SIGNATURE, name_find(POLICY_SIGNATURE, c->signature_algorithm), 0,
                   PRESENT);
}

/* The server's own certificate, and those of its issuers but the root. What none of them has, they
   do not have. */
static void judge_chain(struct bench *b, enum policy_kind kind)
{
    const struct chain *chain = &b->o->tls.chain;

    if (!observation_knows(b->o, FACT_CERTIFICATE) || !observation_knows(b->o, FACT_CHAIN)) {
        mark_unknown(b, kind,
                     observation_knows(b->o, FACT_CERTIFICATE) ? FACT_CHAIN : FACT_CERTIFICATE);
        return;
    }
    for (size_t i = 0; i < chain->count; i++) {
        const struct certificate *c = &chain->certificates[i];
        b->certificate = i == 0 ? DOCUMENT_SERVER : DOCUMENT_ISSUER;
        if (i > 0 && c->self_signed)
            continue;
        if (c->version == 0)
            mark_all(b, kind, POLICY_INCONCLUSIVE);
        else if (kind == POLICY_KEY)
            judge_key(b, c);
        else
            judge_signature(b, c);
        clear_others(b, kind);
    }
    b->certificate = 0;
}

static void judge_kind(struct bench *b, enum policy_kind kind)
{
    switch (kind) {
    case POLICY_VERSION:
        judge_versions(b);
        break;
    case POLICY_SUITE:
        judge_suites(b);
        break;
    case POLICY_GROUP:
        judge_groups(b);
        break;
    default:
        judge_chain(b, kind);
        break;
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

static void judge_items(struct bench *b, enum policy_kind kind)
{
    if (!observation_knows(b->o, FACT_TLS))
        mark_unknown(b, kind, FACT_TLS);
    else if (!b->o->tls.refused)
        judge_kind(b, kind);
    close_case(b, policy_check_of(kind)->id);
}

void policy_judge(const struct policy *policy, const struct subject *subject,
                  const struct judgement *judgement, struct policy_result *result)
{
    struct bench b = {.policy = policy,
                      .o = subject->o,
                      .judgement = judgement,
                      .result = result,
                      .role = 1U << subject->role,
                      .protocol = protocol_bit(subject->o->service->protocol)};
    struct tm day = {.tm_year = 0};

    *result = (struct policy_result){.clause_count = policy->clause_count};
    gmtime_r(&subject->now, &day);
    strftime(b.today, sizeof b.today, "%Y-%m-%d", &day);
    for (size_t rule = 0, count = rules_count(); rule < count; rule++)
        judge_rule(&b, rule);
    for (int kind = POLICY_VERSION; kind < POLICY_KIND_COUNT; kind++)
        judge_items(&b, (enum policy_kind)kind);
    for (size_t i = 0; i < result->clause_count; i++)
        result->verdict = worse(result->verdict, result->clauses[i]);
}
