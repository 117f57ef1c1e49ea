/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/state/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/state/guard.h"
#include "output/state/inside.h"
#include "output/state/schema.h"
#include "scanner/quote.h"

#define STEPS_PER_RECORD ((uint64_t)200000)
#define PROBLEMS_TOLD "100"

bool state_fail(struct state *s, const char *problem)
{
    return store_fail(&s->store, "%s", problem);
}

struct state *state_open(const char *path, enum state_mode mode, char problem[STATE_PROBLEM_SIZE])
{
    struct state *s = calloc(1, sizeof *s);
    if (!s) {
        snprintf(problem, STATE_PROBLEM_SIZE, "out of memory");
        return NULL;
    }
    s->mode = mode;
    if (store_open(&s->store, path, mode))
        return s;
    memcpy(problem, s->store.problem, STATE_PROBLEM_SIZE);
    state_close(s);
    return NULL;
}

void state_close(struct state *s)
{
    if (!s)
        return;
    state_rollback(s);
    store_close(&s->store);
    free(s);
}

const char *state_problem(const struct state *s)
{
    return s->store.problem;
}

/* --- a run --------------------------------------------------------------------------------------- */

bool state_begin(struct state *s)
{
    s->store.failed = false;
    sqlite3_busy_timeout(s->store.db, 0);
    s->begun = store_run(&s->store, "BEGIN IMMEDIATE") && state_learn_rules(s);
    s->running = false;
    s->verdicts = 0;
    return s->begun;
}

enum state_taken state_take(struct state *s, const cJSON *record)
{
    if (!s->begun || s->store.failed) {
        state_fail(s, "no run was begun");
        return STATE_FAILED;
    }
    guard_allow(&s->store, STEPS_PER_RECORD);
    return intake(s, record);
}

bool state_commit(struct state *s)
{
    bool ok = s->begun && s->running ? chronicle_write(s) : state_fail(s, "no run was begun");
    s->running = false;
    if (ok && s->together)
        return true;
    ok = ok && store_run(&s->store, "COMMIT");
    if (!ok)
        state_rollback(s);
    s->begun = false;
    return ok;
}

void state_rollback(struct state *s)
{
    if (s->store.db && !sqlite3_get_autocommit(s->store.db))
        sqlite3_exec(s->store.db, "ROLLBACK", NULL, NULL, NULL);
    s->begun = s->running = s->together = false;
}

/* --- all anew ------------------------------------------------------------------------------------ */

bool state_begin_anew(struct state *s)
{
    static const char empty[] =
        "DELETE FROM change; DELETE FROM finding_place; DELETE FROM finding;"
        "DELETE FROM policy_verdict; DELETE FROM label; DELETE FROM place; DELETE FROM endpoint;"
        "DELETE FROM run_policy; DELETE FROM run; DELETE FROM ruleset_rule; DELETE FROM rule;"
        "DELETE FROM verdicts;"
        "DELETE FROM ruleset;";
    s->together = state_begin(s) && store_run(&s->store, empty) && state_learn_rules(s);
    return s->together;
}

bool state_commit_all(struct state *s)
{
    bool ok = s->together && !s->running && store_run(&s->store, "COMMIT");
    if (!ok)
        state_rollback(s);
    s->begun = s->together = false;
    return ok;
}

/* What went wrong in a run that is still being taken stays wrong. */
static void look_again(struct state *s)
{
    if (!s->begun)
        s->store.failed = false;
}

/* --- what is in it -------------------------------------------------------------------------------- */

/* JSON, with the marks escaped that would turn around what people read: a copy, or NULL if there is
   none of them. *ok: there was memory for it. */
static char *escape_unseen(const char *json, bool *ok)
{
    char *text = NULL;
    size_t size;
    struct span rest = span_of(json);
    while (rest.len && !quote_unseen(rest))
        rest = span_from(rest, 1);
    if (!rest.len)
        return NULL;
    FILE *f = open_memstream(&text, &size);
    rest = span_of(json);
    while (f && rest.len) {
        unsigned mark = quote_unseen(rest);
        size_t n = quote_character(rest);
        n = n ? n : 1;
        if (!mark)
            fwrite(rest.at, 1, n, f);
        else if (mark < 0x10000)
            fprintf(f, "\\u%04x", mark);
        else
            fprintf(f, "\\u%04x\\u%04x", 0xd800 + ((mark - 0x10000) >> 10),
                    0xdc00 + ((mark - 0x10000) & 0x3ff));
        rest = span_from(rest, n);
    }
    *ok = f && fclose(f) == 0;
    return text;
}

static bool tell_change(struct state *s, const char *json,
                        bool (*on_change)(void *context, const char *json), void *context)
{
    bool ok = true;
    char *escaped = escape_unseen(json, &ok);
    ok = ok ? on_change(context, escaped ? escaped : json) : state_fail(s, "out of memory");
    free(escaped);
    return ok;
}

bool state_changes(struct state *s, const char *run_id,
                   bool (*on_change)(void *context, const char *json), void *context)
{
    look_again(s);
    int64_t run = run_id
                      ? store_number(&s->store, "SELECT id FROM run WHERE run_id = ?", "t", run_id)
                      : store_number(&s->store, "SELECT max(id) FROM run", "");
    if (!run)
        return state_fail(s, run_id ? "there is no such run" : "there is no run yet");
    sqlite3_stmt *rows =
        store_ask(&s->store, "SELECT json FROM change WHERE run = ? ORDER BY seq", "i", run);
    bool ok = true;
    while (ok && store_row(&s->store, rows)) {
        const char *json = store_line(&s->store, rows, 0);
        ok = !s->store.failed && tell_change(s, json, on_change, context);
    }
    store_enough(rows);
    return ok && !s->store.failed;
}

bool state_endpoints(struct state *s,
                     bool (*on_endpoint)(void *context, const struct state_endpoint *),
                     void *context)
{
    look_again(s);
    sqlite3_stmt *rows = store_ask(
        &s->store,
        "SELECT e.key, e.protocol, e.mode, e.host, p.ip, e.port FROM endpoint AS e"
        " JOIN place AS p ON p.endpoint = e.id WHERE p.current AND (e.first_run IS NOT NULL"
        " OR EXISTS (SELECT 1 FROM finding_place AS f WHERE f.place = p.id))"
        " ORDER BY e.key, p.ip",
        "");
    bool ok = true;
    while (ok && store_row(&s->store, rows)) {
        struct state_endpoint e = {.key = store_line(&s->store, rows, 0),
                                   .protocol = store_line(&s->store, rows, 1),
                                   .mode = store_line(&s->store, rows, 2),
                                   .host = store_line(&s->store, rows, 3),
                                   .ip = store_line(&s->store, rows, 4),
                                   .port = (unsigned)sqlite3_column_int(rows, 5)};
        ok = !s->store.failed && on_endpoint(context, &e);
    }
    store_enough(rows);
    return ok && !s->store.failed;
}

/* Ids, times and versions: nothing else is ever written there. */
static bool is_plain(const struct state_entry *e)
{
    const char *const texts[] = {e->run_id, e->started, e->ended, e->stopped_by, e->scanner};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (const char *c = texts[i]; *c; c++)
            if (*c < ' ' || *c > '~')
                return false;
    return true;
}

bool state_runs(struct state *s, const char *run_id,
                bool (*on_run)(void *context, const struct state_entry *), void *context)
{
    look_again(s);
    sqlite3_stmt *rows = store_ask(
        &s->store,
        "SELECT run_id, started, coalesce(ended, ''), coalesce(stopped_by, ''), scanner, complete,"
        " recorded, answered, changes, open_critical, open_high, open_medium, open_low, open_info,"
        " waived, not_observed FROM run WHERE run_id = coalesce(?, run_id) ORDER BY id",
        "t", run_id);
    bool ok = true;
    while (ok && store_row(&s->store, rows)) {
        struct state_entry e = {.run_id = store_line(&s->store, rows, 0),
                                .started = store_line(&s->store, rows, 1),
                                .ended = store_line(&s->store, rows, 2),
                                .stopped_by = store_line(&s->store, rows, 3),
                                .scanner = store_line(&s->store, rows, 4),
                                .complete = sqlite3_column_int(rows, 5) != 0,
                                .recorded = sqlite3_column_int64(rows, 6),
                                .answered = sqlite3_column_int64(rows, 7),
                                .changes = sqlite3_column_int64(rows, 8),
                                .waived = sqlite3_column_int64(rows, 14),
                                .not_observed = sqlite3_column_int64(rows, 15)};
        for (int i = 0; i < 5; i++)
            e.open[i] = sqlite3_column_int64(rows, 9 + i);
        if (!is_plain(&e))
            store_fail(&s->store,
                       "it is damaged: a run with a name that this program does not give");
        ok = !s->store.failed && on_run(context, &e);
    }
    store_enough(rows);
    return ok && !s->store.failed;
}

static uint64_t check(struct state *s, const char *sql, const char *well,
                      void (*on_problem)(void *context, const char *), void *context)
{
    uint64_t problems = 0;
    sqlite3_stmt *rows = store_ask(&s->store, sql, "");
    while (store_row(&s->store, rows)) {
        const char *text = store_text(&s->store, rows, 0);
        if (text && well && strcmp(text, well) == 0)
            continue;
        if (!s->store.failed)
            on_problem(context, text ? text : "a row without its table");
        problems++;
    }
    return problems;
}

bool state_check(struct state *s, struct state_counts *counts, uint64_t *problems,
                 void (*on_problem)(void *context, const char *), void *context)
{
    struct store *store = &s->store;
    look_again(s);
    *problems = check(s, "PRAGMA integrity_check", "ok", on_problem, context);
    *problems += check(s,
                       "SELECT 'a reference of ' || \"table\" || ' to ' || parent || ' that leads"
                       " nowhere' FROM pragma_foreign_key_check LIMIT " PROBLEMS_TOLD,
                       NULL, on_problem, context);
    /* Not count(*): that is one step, however long it takes, and cannot be stopped. */
    *counts = (struct state_counts){
        .version = (int)store_number(store, "PRAGMA user_version", ""),
        .runs = store_number(store, "SELECT count(id) FROM run", ""),
        .endpoints =
            store_number(store, "SELECT count(*) FROM endpoint WHERE first_run IS NOT NULL", ""),
        .findings = store_number(store, "SELECT count(id) FROM finding", ""),
        .open = store_number(
            store, "SELECT count(*) FROM finding WHERE state = 'open' AND NOT waived", ""),
        .waived =
            store_number(store, "SELECT count(*) FROM finding WHERE state = 'open' AND waived", ""),
        .changes = store_number(store, "SELECT count(seq) FROM change", "")};
    return !store->failed;
}
