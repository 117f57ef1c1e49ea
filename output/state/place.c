/* SPDX-License-Identifier: MIT */
/* place.c: what became of an endpoint at each of its addresses, and what it is like there now. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/members.h"
#include "output/state/work.h"

enum kind { KIND_NONE, KIND_ANSWERS, KIND_CLOSED, KIND_UNREACHABLE, KIND_EXCLUDED, KIND_REMOVED };

static enum kind kind_of(const char *status)
{
    static const struct {
        const char *status;
        enum kind kind;
    } kinds[] = {{"closed", KIND_CLOSED},           {"timeout", KIND_UNREACHABLE},
                 {"unreachable", KIND_UNREACHABLE}, {"dns_error", KIND_UNREACHABLE},
                 {"excluded", KIND_EXCLUDED},       {"out_of_scope", KIND_REMOVED}};
    if (!status)
        return KIND_NONE;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].status, status) == 0)
            return kinds[i].kind;
    return KIND_ANSWERS;
}

/* --- addresses ----------------------------------------------------------------------------------- */

/* The list as JSON, kept; it is deleted. NULL: there is no memory, and the work has failed. */
static const char *keep_list(struct work *w, cJSON *list, bool whole)
{
    char *text = whole ? cJSON_PrintUnformatted(list) : NULL;
    const char *kept = arena_keep(&w->arena, text);
    if (!kept)
        state_fail(w->state, "out of memory");
    cJSON_free(text);
    cJSON_Delete(list);
    return kept;
}

/* What it had: now, or before. */
static const char *address_list(struct work *w, bool before)
{
    cJSON *list = cJSON_CreateArray();
    bool whole = list != NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct spot *spot = &w->spots[i];
        if (*spot->ip && (before ? spot->current : !spot->lost))
            whole = whole && member_put(list, NULL, cJSON_CreateString(spot->ip));
    }
    return keep_list(w, list, whole);
}

static void tell_addresses(struct work *w)
{
    const char *before = address_list(w, true), *after = address_list(w, false);
    if (before && after && w->was_seen && strcmp(before, "[]") != 0 && strcmp(before, after) != 0)
        change_emit(w, &(struct change){.type = "address_changed",
                                        .cause = "observed",
                                        .before.list = before,
                                        .after.list = after});
}

/* --- is it there? -------------------------------------------------------------------------------- */

static void tell_new(struct work *w)
{
    const struct spot *first = NULL;
    size_t answered = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->spots[i].tonight == ANSWERED) {
            first = first ? first : &w->spots[i];
            answered++;
        }
    if (first)
        change_emit(w, &(struct change){.type = "endpoint_new",
                                        .cause = change_cause_of_new(w),
                                        .spot = answered == 1 ? first : NULL,
                                        .time = first->time,
                                        .after.text = first->word});
}

static void tell_status(struct work *w, const struct spot *spot)
{
    static const char *const types[] = {[KIND_ANSWERS] = "endpoint_returned",
                                        [KIND_CLOSED] = "endpoint_closed",
                                        [KIND_UNREACHABLE] = "endpoint_unreachable",
                                        [KIND_EXCLUDED] = "endpoint_excluded",
                                        [KIND_REMOVED] = "endpoint_removed"};
    enum kind before = kind_of(spot->status), after = kind_of(spot->word);
    bool aside = before >= KIND_EXCLUDED || after >= KIND_EXCLUDED;
    const char *type = types[after];

    if (spot->lost || spot->tonight == UNSEEN || before == KIND_NONE)
        return;
    if (after != KIND_ANSWERS && !spot->seen.run)
        return; /* nothing was ever there */
    if (before == after) {
        if (after != KIND_ANSWERS || strcmp(spot->status, spot->word) == 0)
            return;
        type = "endpoint_status_changed";
    }
    change_emit(w, &(struct change){.type = type,
                                    .cause = aside ? "scope" : "observed",
                                    .spot = spot,
                                    .before.text = spot->status,
                                    .after.text = spot->word});
}

/* --- what is it like? ---------------------------------------------------------------------------- */

static void tell_fact(struct work *w, const struct spot *spot, const char *type,
                      struct value before, struct value after, const char *stage)
{
    change_emit(w, &(struct change){.type = type,
                                    .cause = "observed",
                                    .spot = spot,
                                    .before = before,
                                    .after = after,
                                    .name = stage ? "stage" : NULL,
                                    .detail = stage});
}

static bool has_changed(const struct spot *spot, enum known fact)
{
    const char *before = spot->known[fact], *after = spot->known_now[fact];
    return before && after && strcmp(before, after) != 0;
}

static struct value certificate_value(struct work *w, const char *const known[KNOWN_COUNT])
{
    const char *texts[] = {known[KNOWN_CERTIFICATE], known[KNOWN_SUBJECT], known[KNOWN_NOT_AFTER]};
    if (!*texts[0])
        return (struct value){.text = NULL};
    cJSON *list = cJSON_CreateArray();
    bool whole = list != NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        whole = whole && member_put(list, NULL,
                                    texts[i] ? cJSON_CreateString(texts[i]) : cJSON_CreateNull());
    return (struct value){.list = keep_list(w, list, whole)};
}

/* The versions that are accepted, as far as that is known. */
static const char *version_list(struct work *w, const char *letters)
{
    static const char *const names[] = {"ssl2.0", "ssl3.0", "1.0", "1.1", "1.2", "1.3"};
    char text[64] = "[";
    for (size_t i = 0; i < sizeof names / sizeof *names && letters[i]; i++)
        if (letters[i] == 'a')
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s\"%s\"",
                     text[1] ? "," : "", names[i]);
    strcat(text, "]");
    return arena_keep(&w->arena, text);
}

/* What is not known now is what it was. */
static const char *merge_versions(struct work *w, const char *before, const char *after)
{
    if (!before || !after)
        return after ? after : before;
    char text[7] = "";
    for (size_t i = 0; i < 6 && before[i] && after[i]; i++)
        text[i] = after[i] == '?' ? before[i] : after[i];
    return arena_keep(&w->arena, text);
}

static bool is_flipped(const char *before, const char *after)
{
    for (size_t i = 0; before && after && before[i] && after[i]; i++)
        if (before[i] != '?' && after[i] != '?' && before[i] != after[i])
            return true;
    return false;
}

static void tell_facts(struct work *w, const struct spot *spot)
{
    const char *const *before = spot->known, *const *after = spot->known_now;
    const char *versions = merge_versions(w, before[KNOWN_VERSIONS], after[KNOWN_VERSIONS]);

    if (has_changed(spot, KNOWN_CERTIFICATE))
        tell_fact(w, spot, "certificate_changed", certificate_value(w, before),
                  certificate_value(w, after), NULL);
    if (is_flipped(before[KNOWN_VERSIONS], after[KNOWN_VERSIONS]))
        tell_fact(w, spot, "tls_versions_changed",
                  (struct value){.list = version_list(w, before[KNOWN_VERSIONS])},
                  (struct value){.list = version_list(w, versions)}, NULL);
    if (has_changed(spot, KNOWN_BEFORE))
        tell_fact(w, spot, "capabilities_changed", (struct value){.list = before[KNOWN_BEFORE]},
                  (struct value){.list = after[KNOWN_BEFORE]}, "before_tls");
    if (has_changed(spot, KNOWN_AFTER))
        tell_fact(w, spot, "capabilities_changed", (struct value){.list = before[KNOWN_AFTER]},
                  (struct value){.list = after[KNOWN_AFTER]}, "after_tls");
    if (has_changed(spot, KNOWN_STARTTLS))
        tell_fact(w, spot, "starttls_changed", (struct value){.text = before[KNOWN_STARTTLS]},
                  (struct value){.text = after[KNOWN_STARTTLS]}, NULL);
    if (has_changed(spot, KNOWN_LOGIN))
        tell_fact(w, spot, "cleartext_login_changed", (struct value){.text = before[KNOWN_LOGIN]},
                  (struct value){.text = after[KNOWN_LOGIN]}, NULL);
}

/* --- policies ------------------------------------------------------------------------------------ */

static bool policy_differs(const struct work *w, int64_t run, const char *policy)
{
    return store_number(work_store(w),
                        "SELECT (SELECT sha256 FROM run_policy WHERE run = ? AND policy = ?)"
                        " IS NOT (SELECT sha256 FROM run_policy WHERE run = ? AND policy = ?)",
                        "itit", run, policy, w->state->run.id, policy) != 0;
}

/* It may be better only as far as it is known: a clause that failed before may still do so. */
static bool is_better_known(const struct work *w, const char *failing, const char *unknown)
{
    return store_number(work_store(w),
                        "SELECT NOT EXISTS (SELECT 1 FROM json_each(?) AS f JOIN json_each(?) AS u"
                        " ON f.value = u.value)",
                        "tt", failing, unknown) != 0;
}

struct policy_verdict {
    const char *policy, *verdict;
    const char *failing, *unknown; /* clauses, as JSON; NULL: not told */
};

/* False: it is not known to be another one than before, which then stays as it was. */
static bool tell_policy(struct work *w, const struct spot *spot, const struct policy_verdict *v)
{
    struct store *store = work_store(w);
    sqlite3_stmt *rows =
        store_ask(store,
                  "SELECT verdict, run, facts, trust, labels, failing, letters FROM policy_verdict"
                  " LEFT JOIN verdicts AS v ON v.id = verdicts WHERE place = ? AND policy = ?",
                  "it", spot->place, v->policy);
    if (!store_row(store, rows))
        return true;
    const char *before = work_text(w, rows, 0);
    struct look then = {.run = sqlite3_column_int64(rows, 1),
                        .facts = work_text(w, rows, 2),
                        .trust = work_text(w, rows, 3),
                        .labels = work_text(w, rows, 4),
                        .checks = work_text(w, rows, 6)};
    const char *failing = work_text(w, rows, 5);
    store_enough(rows);
    if (!before || strcmp(before, v->verdict) == 0)
        return true;
    if (failing && v->unknown && strcmp(v->verdict, "fail") != 0 &&
        !is_better_known(w, failing, v->unknown))
        return false;
    bool more = checks_are_less(spot->now.checks, then.checks);
    const char *cause =
        policy_differs(w, then.run, v->policy)
            ? "policy"
            : change_cause(w, &then, &spot->now, NULL, false, more ? CHECK_NOT_ASKED : CHECK_NONE);
    change_emit(w, &(struct change){.type = "policy_changed",
                                    .cause = cause,
                                    .spot = spot,
                                    .before.text = before,
                                    .after.text = v->verdict,
                                    .name = "policy",
                                    .detail = v->policy});
    return true;
}

static void work_policies(struct work *w, const struct spot *spot)
{
    struct store *store = work_store(w);
    sqlite3_stmt *rows = store_ask(store,
                                   "SELECT policy, verdict, failing, unknown FROM temp.seen_policy"
                                   " WHERE key = ? AND ip = ? ORDER BY policy",
                                   "tt", w->key, spot->record_ip);
    while (store_row(store, rows)) {
        struct policy_verdict v = {.policy = store_word(store, rows, 0),
                                   .verdict = store_word(store, rows, 1),
                                   .failing = store_text(store, rows, 2),
                                   .unknown = store_text(store, rows, 3)};
        if (tell_policy(w, spot, &v))
            store_do(store, "INSERT OR REPLACE INTO policy_verdict VALUES (?,?,?,?,?,?,?,?,?)",
                     "ittitttti", spot->place, v.policy, v.verdict, w->state->run.id,
                     spot->now.facts, spot->now.trust, spot->now.labels,
                     strcmp(v.verdict, "fail") == 0 ? v.failing : NULL,
                     checks_keep(w, spot->now.checks));
    }
}

/* --- keeping it ---------------------------------------------------------------------------------- */

/* A certificate goes with its names and dates. */
static void merge_known(struct work *w, const struct spot *spot, const char *out[KNOWN_COUNT])
{
    for (int i = 0; i < KNOWN_COUNT; i++) {
        bool part = i == KNOWN_SUBJECT || i == KNOWN_ISSUER || i == KNOWN_NOT_AFTER;
        bool known = spot->known_now[part ? KNOWN_CERTIFICATE : i] != NULL;
        out[i] = known ? spot->known_now[i] : spot->known[i];
    }
    out[KNOWN_VERSIONS] =
        merge_versions(w, spot->known[KNOWN_VERSIONS], spot->known_now[KNOWN_VERSIONS]);
}

static void keep_answer(struct work *w, const struct spot *spot)
{
    const char *k[KNOWN_COUNT];
    merge_known(w, spot, k);
    store_do(work_store(w),
             "UPDATE place SET seen_run = ?, seen = ?, facts = ?, trust = ?, seen_labels = ?,"
             " checks = ?, (" KNOWN_COLUMNS ") = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?",
             "ittttttttttttttti", w->state->run.id, spot->time, spot->now.facts, spot->now.trust,
             spot->now.labels, spot->now.checks, k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7],
             k[8], k[9], spot->place);
}

static void keep(struct work *w, const struct spot *spot)
{
    struct store *store = work_store(w);
    if (spot->lost) {
        store_do(store, "UPDATE place SET current = 0 WHERE id = ?", "i", spot->place);
        return;
    }
    if (spot->tonight == UNSEEN) {
        if (spot->missed)
            store_do(store, "UPDATE place SET missed = 1 WHERE id = ?", "i", spot->place);
        return;
    }
    store_do(
        store,
        "UPDATE place SET current = 1, missed = 0, status = ?, status_run = ?, status_time = ?,"
        " labels = coalesce(?, labels) WHERE id = ?",
        "titti", spot->word, w->state->run.id, spot->time, spot->now.labels, spot->place);
    if (spot->tonight == ANSWERED)
        keep_answer(w, spot);
}

void place_work(struct work *w)
{
    tell_addresses(w);
    if (!w->was_seen)
        tell_new(w);
    for (size_t i = 0; i < w->count; i++) {
        struct spot *spot = &w->spots[i];
        if (w->was_seen)
            tell_status(w, spot);
        if (spot->tonight != ANSWERED)
            continue;
        if (w->was_seen)
            tell_facts(w, spot);
        work_policies(w, spot);
    }
    for (size_t i = 0; i < w->count; i++)
        keep(w, &w->spots[i]);
}
