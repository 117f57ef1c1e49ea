/* SPDX-License-Identifier: MIT */
/*
 * finding.c: what became of an endpoint's findings.
 *
 * A finding is the endpoint's, whatever its addresses; where it is open is kept for each address. It
 * is resolved only if its rule was asked again, and passed, at every address where it was open and
 * that still is one.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "output/rules/rule.h"
#include "output/state/guard.h"
#include "output/state/work.h"
#include "scanner/grow.h"

/* Of the database, to work one out. */
#define STEPS_PER_FINDING ((uint64_t)20000)
#define STEPS_PER_SPOT ((uint64_t)2000)

struct finding_row {
    int64_t id; /* 0: there was none */
    const char *fingerprint, *rule, *severity, *title, *state, *unobserved, *waiver;
    bool waived;
    bool open; /* before */
};

enum outcome_of {
    OUTCOME_FAIL,
    OUTCOME_PASS,
    OUTCOME_NOT_APPLICABLE,
    OUTCOME_NO_RULE, /* of these rules, it is none any more */
    OUTCOME_LOST,
    OUTCOME_UNKNOWN
};

/* --- what this run says of it --------------------------------------------------------------------- */

static char letter_of(const struct work *w, const char *checks, const char *name)
{
    const struct state_rule *rule = state_rule_find(w->state, name);
    return checks && rule && rule->at < strlen(checks) ? checks[rule->at] : CHECK_NONE;
}

static enum outcome_of outcome_at(const struct work *w, const struct spot *spot, const char *rule)
{
    if (spot->lost)
        return OUTCOME_LOST;
    if (spot->fails)
        return OUTCOME_FAIL;
    if (spot->tonight == UNSEEN || spot->tonight == ASIDE)
        return OUTCOME_UNKNOWN;
    /* Of a service that is silent, most rules say that they do not apply, and know nothing. */
    bool says = spot->tonight == ANSWERED || (spot->open && !spot->judged.answered);
    switch (letter_of(w, spot->now.checks, rule)) {
    case CHECK_PASS:
    case CHECK_FAIL: /* of another finding of this rule */
        return OUTCOME_PASS;
    case CHECK_NOT_APPLICABLE:
        return says ? OUTCOME_NOT_APPLICABLE : OUTCOME_UNKNOWN;
    case CHECK_NONE:
        return says && spot->open && change_ruleset_differs(w, spot->judged.run) ? OUTCOME_NO_RULE
                                                                                 : OUTCOME_UNKNOWN;
    default:
        return OUTCOME_UNKNOWN;
    }
}

/* Why nothing is known of it there. */
static const char *reason_at(struct work *w, const struct spot *spot, const char *rule)
{
    size_t n = strlen(rule);
    if (spot->tonight != ANSWERED)
        return spot->word;
    for (const char *line = spot->reasons; line && *line; line = strchr(line, '\n') + 1)
        if (strncmp(line, rule, n) == 0 && line[n] == ' ') {
            char word[RULE_ID_MAX + 1];
            snprintf(word, sizeof word, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
            return arena_keep(&w->arena, word);
        }
    return letter_of(w, spot->now.checks, rule) == CHECK_INCONCLUSIVE ? "inconclusive"
                                                                      : "not_tested";
}

static const char *cause_unknown(const struct work *w, const struct spot *spot, const char *reason)
{
    if (spot->tonight == ASIDE)
        return "scope";
    bool narrower = strcmp(reason, "not_asked") == 0 || strcmp(reason, "not_recorded") == 0;
    return narrower && spot->judged.run && change_options_differ(w, spot->judged.run) ? "scope"
                                                                                      : "observed";
}

/* --- loading -------------------------------------------------------------------------------------- */

static struct spot *spot_of(struct work *w, int64_t place)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->spots[i].place == place)
            return &w->spots[i];
    return NULL;
}

static void forget(struct work *w)
{
    for (size_t i = 0; i < w->count; i++) {
        struct spot *spot = &w->spots[i];
        spot->open = spot->fails = spot->kept = spot->waived = spot->timed = false;
        spot->judged = (struct look){.run = 0};
        spot->severity = spot->waiver = spot->title = NULL;
        spot->waiver_expires = spot->waiver_reason = NULL;
    }
}

static void load_finding(struct work *w, const char *fingerprint, struct finding_row *f)
{
    struct store *store = work_store(w);
    sqlite3_stmt *rows = store_ask(store,
                                   "SELECT id, rule, severity, title, state, unobserved, waiver,"
                                   " waived FROM finding WHERE endpoint = ? AND fingerprint = ?",
                                   "it", w->endpoint, fingerprint);
    *f = (struct finding_row){.fingerprint = fingerprint};
    if (!store_row(store, rows))
        return;
    f->id = sqlite3_column_int64(rows, 0);
    f->rule = work_word(w, rows, 1);
    f->severity = work_word(w, rows, 2);
    f->title = work_word(w, rows, 3);
    f->state = work_word(w, rows, 4);
    f->unobserved = work_text(w, rows, 5);
    f->waiver = work_text(w, rows, 6);
    f->waived = sqlite3_column_int(rows, 7) != 0;
    f->open = f->state && strcmp(f->state, "open") == 0;
    store_enough(rows);
}

/* Where it is open. */
static void load_places(struct work *w, const struct finding_row *f)
{
    struct store *store = work_store(w);
    sqlite3_stmt *rows =
        store_ask(store,
                  "SELECT place, run, severity, waived, answered, facts, trust, labels, waiver,"
                  " letters FROM finding_place LEFT JOIN verdicts AS v ON v.id = verdicts"
                  " WHERE finding = ?",
                  "i", f->id);
    while (store_row(store, rows)) {
        struct spot *spot = spot_of(w, sqlite3_column_int64(rows, 0));
        if (!spot)
            continue;
        spot->open = true;
        spot->judged = (struct look){.run = sqlite3_column_int64(rows, 1),
                                     .answered = sqlite3_column_int(rows, 4) != 0,
                                     .facts = work_text(w, rows, 5),
                                     .trust = work_text(w, rows, 6),
                                     .labels = work_text(w, rows, 7),
                                     .checks = work_text(w, rows, 9)};
        spot->severity = work_word(w, rows, 2);
        spot->waived = sqlite3_column_int(rows, 3) != 0;
        spot->waiver = work_text(w, rows, 8);
    }
}

static bool is_worse(const char *a, const char *b)
{
    enum severity left = SEVERITY_INFO, right = SEVERITY_INFO;
    severity_parse(a, &left);
    severity_parse(b, &right);
    return left > right;
}

/* Where this run found it. */
static void load_failures(struct work *w, struct finding_row *f)
{
    struct store *store = work_store(w);
    sqlite3_stmt *rows =
        store_ask(store,
                  "SELECT ip, rule, severity, title, waived, waiver, waiver_expires, waiver_reason,"
                  " timed FROM temp.seen_finding WHERE key = ? AND fingerprint = ?",
                  "tt", w->key, f->fingerprint);
    while (store_row(store, rows))
        for (size_t i = 0; i < w->count; i++) {
            struct spot *spot = &w->spots[i];
            if (!spot->record_ip || strcmp(spot->record_ip, store_word(store, rows, 0)) != 0)
                continue;
            spot->fails = true;
            f->rule = f->rule ? f->rule : work_word(w, rows, 1);
            spot->kept = spot->open && is_worse(spot->severity, store_word(store, rows, 2)) &&
                         checks_are_less(spot->judged.checks, spot->now.checks);
            if (!spot->kept)
                spot->severity = work_word(w, rows, 2);
            spot->title = work_word(w, rows, 3);
            spot->waived = sqlite3_column_int(rows, 4) != 0;
            spot->waiver = work_text(w, rows, 5);
            spot->waiver_expires = work_text(w, rows, 6);
            spot->waiver_reason = work_text(w, rows, 7);
            spot->timed = sqlite3_column_int(rows, 8) != 0;
        }
}

/* --- where it is open ------------------------------------------------------------------------------ */

static void open_at(struct work *w, const struct finding_row *f, const struct spot *spot,
                    const struct look *look)
{
    store_do(work_store(w),
             "INSERT OR REPLACE INTO finding_place (finding, place, run, severity, waived,"
             " answered, facts, trust, labels, waiver, verdicts)"
             " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0))",
             "iiitiitttti", f->id, spot->place, look->run, spot->severity, (int64_t)spot->waived,
             (int64_t)look->answered, look->facts, look->trust, look->labels, spot->waiver,
             checks_keep(w, look->checks));
}

static void close_at(struct work *w, const struct finding_row *f, const struct spot *spot)
{
    store_do(work_store(w), "DELETE FROM finding_place WHERE finding = ? AND place = ?", "ii",
             f->id, spot->place);
}

/* --- it was found ---------------------------------------------------------------------------------- */

/* What is said of it, over all addresses where it is open: the worst. */
struct summary {
    const struct spot *worst; /* of those that this run found it at      */
    const struct spot *only;  /* the one address of a change, or NULL     */
    const char *severity;
    bool waived, timed;
    const struct spot *waiver; /* one that has a waiver, in force or not */
};

static void add_to_summary(struct summary *sum, const struct spot *spot)
{
    if (!sum->severity || is_worse(spot->severity, sum->severity))
        sum->severity = spot->severity;
    sum->waived = sum->waived && spot->waived;
    if (!spot->fails)
        return;
    sum->only = sum->worst ? NULL : spot;
    if (!sum->worst || is_worse(spot->severity, sum->worst->severity))
        sum->worst = spot;
    if (!sum->waiver && spot->waiver)
        sum->waiver = spot;
    sum->timed |= spot->timed;
}

static struct summary summarize(const struct work *w, const struct finding_row *f)
{
    struct summary sum = {.waived = true};
    for (size_t i = 0; i < w->count; i++) {
        const struct spot *spot = &w->spots[i];
        enum outcome_of outcome = outcome_at(w, spot, f->rule);
        if (spot->fails || (spot->open && outcome == OUTCOME_UNKNOWN))
            add_to_summary(&sum, spot);
    }
    return sum;
}

static void save_found(struct work *w, struct finding_row *f, const struct summary *sum)
{
    const struct spot *worst = sum->worst, *v = sum->waiver;
    struct store *store = work_store(w);
    int64_t run = w->state->run.id;

    if (!f->id) {
        store_do(store,
                 "INSERT INTO finding (endpoint, fingerprint, rule, severity, title, state,"
                 " first_run, first_seen, last_run, last_seen) VALUES (?,?,?,?,?,'open',?,?,?,?)",
                 "itttti"
                 "tit",
                 w->endpoint, f->fingerprint, f->rule, sum->severity, worst->title, run,
                 worst->time, run, worst->time);
        f->id = sqlite3_last_insert_rowid(store->db);
    }
    store_do(store,
             "UPDATE finding SET severity = ?, title = ?, waived = ?, unobserved = NULL,"
             " last_run = ?, last_seen = ?, reopened = reopened + (state <> 'open'),"
             " state = 'open', closed_run = NULL, closed = NULL, waiver = ?, waiver_expires = ?,"
             " waiver_reason = ? WHERE id = ?",
             "ttiitttti", sum->severity, worst->title, (int64_t)sum->waived, run, worst->time,
             v ? v->waiver : NULL, v ? v->waiver_expires : NULL, v ? v->waiver_reason : NULL,
             f->id);
    for (size_t i = 0; i < w->count; i++) {
        const struct spot *spot = &w->spots[i];
        if (spot->fails)
            open_at(w, f, spot, spot->kept ? &spot->judged : &spot->now);
        else if (spot->open && outcome_at(w, spot, f->rule) != OUTCOME_UNKNOWN)
            close_at(w, f, spot);
    }
}

static struct change change_of(const struct finding_row *f, const char *type, const char *cause,
                               const struct summary *sum)
{
    return (struct change){.type = type,
                           .cause = cause,
                           .spot = sum->only,
                           .time = sum->worst->time,
                           .rule = f->rule,
                           .fingerprint = f->fingerprint,
                           .severity = sum->severity,
                           .title = sum->worst->title};
}

static const char *status_word(bool waived)
{
    return waived ? "waived" : "open";
}

/* The last look at a spot before this one: at a service, or at its silence. */
static struct look look_before(const struct spot *spot)
{
    if (spot->tonight == ANSWERED)
        return spot->seen;
    return (struct look){.run = spot->status_run, .facts = spot->status, .labels = spot->labels};
}

static struct look look_now(const struct spot *spot)
{
    if (spot->tonight == ANSWERED)
        return spot->now;
    return (struct look){.run = spot->now.run, .facts = spot->word, .labels = spot->now.labels};
}

/* It was not open: why is it now? */
static const char *cause_of_opening(const struct work *w, const struct finding_row *f,
                                    const struct summary *sum)
{
    const struct spot *spot = sum->worst;
    struct look then = look_before(spot), now = look_now(spot);
    return change_cause(w, &then, &now, f->rule, spot->timed,
                        letter_of(w, spot->seen.checks, f->rule));
}

static void tell_opening(struct work *w, const struct finding_row *f, const struct summary *sum)
{
    struct change c =
        change_of(f, f->id ? "finding_reopened" : "finding_new", cause_of_opening(w, f, sum), sum);
    c.before.text = f->state;
    c.after.text = status_word(sum->waived);
    if (sum->waived && sum->waiver) {
        c.name = "waiver";
        c.detail = sum->waiver->waiver;
    }
    change_emit(w, &c);
}

static void tell_severity(struct work *w, const struct finding_row *f, const struct summary *sum)
{
    const struct spot *spot = sum->worst;
    const struct look *then = spot->open ? &spot->judged : &spot->seen;
    char letter = checks_are_less(spot->now.checks, then->checks) ? CHECK_NOT_ASKED : CHECK_FAIL;
    struct change c =
        change_of(f, "severity_changed",
                  change_cause(w, then, &spot->now, f->rule, spot->timed, letter), sum);
    c.before.text = f->severity;
    c.after.text = sum->severity;
    change_emit(w, &c);
}

static void tell_waiver(struct work *w, const struct finding_row *f, const struct summary *sum)
{
    const char *type = sum->waived                           ? "finding_waived"
                       : sum->waiver && !sum->waiver->waived ? "waiver_expired"
                                                             : "waiver_removed";
    struct change c = change_of(f, type, "policy", sum);
    c.before.text = status_word(f->waived);
    c.after.text = status_word(sum->waived);
    c.name = "waiver";
    c.detail = sum->waiver ? sum->waiver->waiver : f->waiver;
    change_emit(w, &c);
}

static void work_found(struct work *w, struct finding_row *f)
{
    struct summary sum = summarize(w, f);
    if (!f->open)
        tell_opening(w, f, &sum);
    if (f->open && strcmp(f->severity, sum.severity) != 0)
        tell_severity(w, f, &sum);
    if (f->open && f->waived != sum.waived)
        tell_waiver(w, f, &sum);
    save_found(w, f, &sum);
}

/* --- it was not found ------------------------------------------------------------------------------- */

struct absence {
    const struct spot *unknown, *closed, *lost; /* one of each */
    size_t unknowns, closings, passes, rules_gone;
};

static void add_to_absence(struct absence *a, const struct spot *spot, enum outcome_of outcome)
{
    switch (outcome) {
    case OUTCOME_UNKNOWN:
        a->unknown = a->unknowns++ ? a->unknown : spot;
        break;
    case OUTCOME_LOST:
        a->lost = a->lost ? a->lost : spot;
        break;
    default:
        a->passes += outcome == OUTCOME_PASS;
        a->rules_gone += outcome == OUTCOME_NO_RULE;
        a->closed = a->closings++ ? a->closed : spot;
        break;
    }
}

static struct absence survey(const struct work *w, const struct finding_row *f, bool where_open)
{
    struct absence a = {0};
    for (size_t i = 0; i < w->count; i++) {
        const struct spot *spot = &w->spots[i];
        if (spot->open == where_open)
            add_to_absence(&a, spot, outcome_at(w, spot, f->rule));
    }
    return a;
}

static void tell_closing(struct work *w, const struct finding_row *f, const struct absence *a)
{
    const struct spot *spot = a->closed;
    bool resolved = a->passes == a->closings;
    const struct look *then = spot->open ? &spot->judged : &spot->seen;
    char letter = spot->open ? CHECK_FAIL : letter_of(w, spot->seen.checks, f->rule);
    const char *cause =
        a->rules_gone ? "ruleset" : change_cause(w, then, &spot->now, f->rule, false, letter);
    const char *word = resolved ? "resolved" : "not_applicable";

    change_emit(w,
                &(struct change){.type = resolved ? "finding_resolved" : "finding_not_applicable",
                                 .cause = cause,
                                 .spot = a->closings == 1 ? spot : NULL,
                                 .time = spot->time,
                                 .rule = f->rule,
                                 .fingerprint = f->fingerprint,
                                 .severity = f->severity,
                                 .title = f->title,
                                 .before.text = status_word(f->waived),
                                 .after.text = word,
                                 .reason = a->rules_gone ? "no_such_rule" : NULL});
    store_do(work_store(w),
             "UPDATE finding SET state = ?, unobserved = NULL, closed_run = ?, closed = ?"
             " WHERE id = ?",
             "titi", word, w->state->run.id, spot->time, f->id);
    store_do(work_store(w), "DELETE FROM finding_place WHERE finding = ?", "i", f->id);
}

static void tell_unobserved(struct work *w, const struct finding_row *f, const struct absence *a)
{
    const struct spot *spot = a->unknown;
    const char *reason = reason_at(w, spot, f->rule);
    if (!f->unobserved)
        change_emit(w, &(struct change){.type = "finding_not_observed",
                                        .cause = cause_unknown(w, spot, reason),
                                        .spot = a->unknowns == 1 ? spot : NULL,
                                        .time = spot->time,
                                        .rule = f->rule,
                                        .fingerprint = f->fingerprint,
                                        .severity = f->severity,
                                        .title = f->title,
                                        .before.text = status_word(f->waived),
                                        .after.text = status_word(f->waived),
                                        .reason = reason});
    store_do(work_store(w), "UPDATE finding SET unobserved = ? WHERE id = ?", "ti", reason, f->id);
}

/* Its addresses are gone: it is where the endpoint is now, as long as nobody says otherwise. */
static void carry_over(struct work *w, const struct finding_row *f, const struct spot *from)
{
    for (size_t i = 0; i < w->count; i++) {
        struct spot *spot = &w->spots[i];
        if (spot->lost || outcome_at(w, spot, f->rule) != OUTCOME_UNKNOWN)
            continue;
        spot->severity = from->severity;
        spot->waived = from->waived;
        spot->waiver = from->waiver;
        spot->judged = from->judged;
        open_at(w, f, spot, &from->judged);
    }
}

static void settle_closed_places(struct work *w, const struct finding_row *f)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->spots[i].open && outcome_at(w, &w->spots[i], f->rule) != OUTCOME_UNKNOWN)
            close_at(w, f, &w->spots[i]);
}

/* The waiver of a finding that nobody could look at has come to its end all the same. */
static void work_waiver(struct work *w, const struct finding_row *f, const struct spot *spot)
{
    struct store *store = work_store(w);
    if (!f->waived || !f->waiver || !w->state->run.waivers_listed)
        return;
    bool there = store_number(store, "SELECT count(*) FROM temp.waiver WHERE waiver = ?", "t",
                              f->waiver) != 0;
    bool expired = store_number(store,
                                "SELECT count(*) FROM temp.waiver WHERE waiver = ?"
                                " AND state = 'expired'",
                                "t", f->waiver) != 0;
    if (there && !expired)
        return;
    change_emit(w, &(struct change){.type = expired ? "waiver_expired" : "waiver_removed",
                                    .cause = "policy",
                                    .spot = spot,
                                    .rule = f->rule,
                                    .fingerprint = f->fingerprint,
                                    .severity = f->severity,
                                    .title = f->title,
                                    .before.text = "waived",
                                    .after.text = "open",
                                    .name = "waiver",
                                    .detail = f->waiver});
    store_do(store, "UPDATE finding SET waived = 0 WHERE id = ?", "i", f->id);
    store_do(store, "UPDATE finding_place SET waived = 0 WHERE finding = ?", "i", f->id);
}

static void work_absent(struct work *w, const struct finding_row *f)
{
    struct absence a = survey(w, f, true);
    if (!a.unknowns && !a.closings) {
        const struct spot *lost = a.lost;
        a = survey(w, f, false);
        if (a.passes) {
            a.closings = a.passes; /* asked again on this endpoint, and passed */
        } else if (!a.closings && lost) {
            carry_over(w, f, lost);
        }
        if (a.closings)
            a.unknowns = 0;
    }
    if (a.unknowns) {
        tell_unobserved(w, f, &a);
        work_waiver(w, f, a.unknowns == 1 ? a.unknown : NULL);
        settle_closed_places(w, f);
    } else if (a.closings) {
        tell_closing(w, f, &a);
    }
}

/* --- all of them ------------------------------------------------------------------------------------ */

static void work_finding(struct work *w, const char *fingerprint)
{
    struct finding_row f;
    bool fails = false;

    forget(w);
    load_finding(w, fingerprint, &f);
    if (f.open)
        load_places(w, &f);
    load_failures(w, &f);
    for (size_t i = 0; i < w->count; i++)
        fails |= w->spots[i].fails;
    if (w->state->store.failed)
        return;
    if (fails)
        work_found(w, &f);
    else if (f.open)
        work_absent(w, &f);
}

void finding_work(struct work *w)
{
    struct store *store = work_store(w);
    const char **names = NULL;
    size_t count = 0, capacity = 0;
    sqlite3_stmt *rows =
        store_ask(store,
                  "SELECT fingerprint, rule FROM finding WHERE endpoint = ? AND state = 'open'"
                  " UNION SELECT fingerprint, rule FROM temp.seen_finding WHERE key = ?"
                  " ORDER BY rule, fingerprint",
                  "it", w->endpoint, w->key);
    while (store_row(store, rows)) {
        if (!grow(&names, count, &capacity, sizeof *names)) {
            state_fail(w->state, "out of memory");
            break;
        }
        names[count++] = work_word(w, rows, 0);
    }
    for (size_t i = 0; i < count && !store->failed; i++) {
        guard_allow(store, STEPS_PER_FINDING + w->count * STEPS_PER_SPOT);
        if (!i || strcmp(names[i], names[i - 1]) != 0)
            work_finding(w, names[i]);
    }
    free(names);
}
