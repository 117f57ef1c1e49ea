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

#include "output/date.h"
#include "output/policies/entry.h"

struct bench {
    const struct policy *policy;
    const struct observation *o;
    const struct judgement *judgement;
    struct policy_result *result;
    char today[DATE_SIZE];
    unsigned role, protocol;   /* bits */
    unsigned certificate;      /* a bit: that which is being judged, if one is */
    enum policy_verdict worst; /* so far, of the kind that is being judged */
};

/* Of a kind, in the order in which they are asked. */
#define FOR_EACH_ENTRY(e, policy, kind)                                                            \
    for (const struct policy_entry *e = (policy)->entries + entries_before(policy, kind),          \
                                   *e##_end = (policy)->entries + (policy)->ends[kind];            \
         e < e##_end; e++)

static size_t entries_before(const struct policy *p, enum policy_kind kind)
{
    return kind == POLICY_RULE ? 0 : p->ends[kind - 1];
}

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

/* What came of a rule, or of a kind of items, goes into one of the lists at most. */
static void close_case(struct bench *b, enum policy_verdict worst, const char *id)
{
    struct policy_result *r = b->result;
    if (worst == POLICY_FAIL)
        r->fail[r->fail_count++] = id;
    else if (worst == POLICY_WARN)
        r->warn[r->warn_count++] = id;
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

/* Entries of the policy's own take the place of inherited ones wherever they hold: they come first,
   and what they speak of is taken for those of other levels. */
static void judge_rules(struct bench *b)
{
    enum policy_verdict worst[RULES_MAX] = {POLICY_NOT_APPLICABLE};
    struct name_set taken = {{0}}, spoken_of = {{0}};
    struct rules_walk walk = {0};
    const struct rule *rule;
    unsigned level = 0;

    FOR_EACH_ENTRY(e, b->policy, POLICY_RULE)
    {
        struct name_set names = e->names;
        if (e->level != level)
            taken = spoken_of;
        level = e->level;
        if (!holds(b, e))
            continue;
        name_set_subtract(&names, &taken);
        name_set_join(&spoken_of, &names);
        for (size_t i; (i = name_set_take(&names)) < NAMES_MAX;) {
            enum policy_verdict verdict = verdict_of_check(e, b->judgement->checks[i].verdict);
            mark(b, e, verdict);
            worst[i] = worse(worst[i], verdict);
        }
    }
    for (size_t i = 0; (rule = rules_next(&walk)); i++)
        close_case(b, worst[i], rule->id);
}

/* --- items ------------------------------------------------------------------------------------ */

/* The first entry that holds decides about an item. What is allowed may be there or not. */
static void judge_set(struct bench *b, enum policy_kind kind, struct name_set items, unsigned bits,
                      enum presence presence)
{
    FOR_EACH_ENTRY(e, b->policy, kind)
    {
        if (bits < e->bits || !holds(b, e) || !name_set_subtract(&items, &e->names))
            continue;
        if (presence == PRESENT)
            mark(b, e, e->verdict);
        else if (e->verdict != POLICY_PASS)
            mark(b, e,
                 presence == ABSENT       ? POLICY_PASS
                 : presence == NOT_TESTED ? POLICY_NOT_TESTED
                                          : POLICY_INCONCLUSIVE);
    }
}

static void judge_item(struct bench *b, enum policy_kind kind, size_t item, unsigned bits,
                       enum presence presence)
{
    struct name_set items = {{0}};
    name_set_put(&items, item);
    judge_set(b, kind, items, bits, presence);
}

/* All that the policy says of this kind. */
static void mark_all(struct bench *b, enum policy_kind kind, enum policy_verdict verdict)
{
    FOR_EACH_ENTRY(e, b->policy, kind)
    {
        if (holds(b, e))
            mark(b, e, verdict);
    }
}

/* What it warns of or forbids, and what was not found. */
static void clear_others(struct bench *b, enum policy_kind kind)
{
    FOR_EACH_ENTRY(e, b->policy, kind)
    {
        if (e->verdict != POLICY_PASS && holds(b, e))
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

/* Zero is no suite. */
static void choose(struct name_set *chosen, uint32_t suite)
{
    size_t at;
    if (suite_find(suite, &at))
        name_set_put(chosen, at);
    else if (suite)
        name_set_put(chosen, NAME_OTHER);
}

static struct name_set chosen_suites(const struct observation *o)
{
    struct name_set chosen = {{0}};
    if (observation_knows(o, FACT_CIPHER))
        choose(&chosen, o->tls.suite);
    for (size_t v = 0; v < VERSION_COUNT; v++)
        if (o->tls.versions[v].status == VERSION_ACCEPTED)
            choose(&chosen, o->tls.versions[v].suite);
    return chosen;
}

static enum presence presence_of(bool possible)
{
    return possible ? NOT_TESTED : ABSENT;
}

static void judge_suites(struct bench *b)
{
    static const struct {
        enum version first, last;
    } eras[ERA_COUNT] = {[ERA_SSL2] = {VERSION_SSL2, VERSION_SSL2},
                         [ERA_SSL3_TO_TLS12] = {VERSION_SSL3, VERSION_TLS12},
                         [ERA_TLS13] = {VERSION_TLS13, VERSION_TLS13}};
    struct name_set chosen = chosen_suites(b->o), others = {{0}};

    judge_set(b, POLICY_SUITE, chosen, 0, PRESENT);
    for (int era = 0; era < ERA_COUNT; era++) {
        struct name_set suites = b->policy->suites[era];
        name_set_subtract(&suites, &chosen);
        judge_set(b, POLICY_SUITE, suites, 0,
                  presence_of(may_accept(b, eras[era].first, eras[era].last)));
    }
    name_set_put(&others, NAME_OTHER);
    name_set_subtract(&others, &chosen);
    judge_set(b, POLICY_SUITE, others, 0, presence_of(may_accept(b, VERSION_SSL2, VERSION_TLS13)));
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
    struct name_set old_groups = {{0}}, other_groups = {{0}};
    size_t chosen = NAMES_MAX;

    if (observation_knows(b->o, FACT_GROUP))
        chosen = group_of(t);
    if (chosen != NAMES_MAX)
        judge_item(b, POLICY_GROUP, chosen, t->group[0] ? UINT_MAX : t->dh_bits, PRESENT);
    else if (!observation_knows(b->o, FACT_GROUP) && any)
        mark_unknown(b, POLICY_GROUP, FACT_GROUP);
    for (size_t at = 0; name_at(POLICY_GROUP, at); at++)
        name_set_put(name_is_old_group(at) ? &old_groups : &other_groups, at);
    name_set_put(&other_groups, NAME_OTHER);
    judge_set(b, POLICY_GROUP, old_groups, 0, presence_of(old));
    judge_set(b, POLICY_GROUP, other_groups, 0, presence_of(any));
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
    if (!certificate_knows(c, CERTIFICATE_SELF_SIGNED))
        mark_all(b, POLICY_SIGNATURE, POLICY_INCONCLUSIVE);
    else if (!c->self_signed)
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
        if (!certificate_knows(c, kind == POLICY_KEY ? CERTIFICATE_KEY : CERTIFICATE_SIGNATURE))
            mark_all(b, kind, POLICY_INCONCLUSIVE);
        else if (kind == POLICY_KEY)
            judge_key(b, c);
        else
            judge_signature(b, c);
        clear_others(b, kind);
    }
    b->certificate = DOCUMENT_ISSUER;
    if (chain->cut)
        mark_all(b, kind, POLICY_INCONCLUSIVE);
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
    b->worst = POLICY_NOT_APPLICABLE;
    if (!observation_knows(b->o, FACT_TLS))
        mark_unknown(b, kind, FACT_TLS);
    else if (!b->o->tls.refused)
        judge_kind(b, kind);
    close_case(b, b->worst, policy_check_of(kind)->id);
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

    *result = (struct policy_result){.clause_count = policy->clause_count};
    if (!date_format(subject->now / DAY_SECONDS, b.today))
        b.today[0] = '\0';
    judge_rules(&b);
    for (int kind = POLICY_VERSION; kind < POLICY_KIND_COUNT; kind++)
        judge_items(&b, (enum policy_kind)kind);
    for (size_t i = 0; i < result->clause_count; i++)
        result->verdict = worse(result->verdict, result->clauses[i]);
}
