/* SPDX-License-Identifier: MIT */
/*
 * chronicle.c: a run is over: what it means for every endpoint that is known, key by key.
 *
 * Memory: one endpoint, with its addresses, at a time.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/state/guard.h"
#include "output/state/schema.h"
#include "output/state/work.h"
#include "scanner/grow.h"

#define STEPS_PER_ENDPOINT ((uint64_t)200000)
#define SPOTS_MAX ((size_t)4096)  /* those that are current, and those that come back, are fewer */
#define CURRENT_MAX ((size_t)512) /* addresses of an endpoint; of more, those that are silent go */

/* --- memory -------------------------------------------------------------------------------------- */

#define BLOCK_SIZE ((size_t)32 << 10)

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) char bytes[];
};

void *arena_take(struct arena *a, size_t size)
{
    struct arena_block *b = a->blocks;
    size = (size + 15) & ~(size_t)15;
    if (!b || b->size - b->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        b = malloc(sizeof *b + room);
        if (!b) {
            a->failed = true;
            return NULL;
        }
        *b = (struct arena_block){.next = a->blocks, .size = room};
        a->blocks = b;
    }
    void *out = b->bytes + b->used;
    b->used += size;
    return memset(out, 0, size);
}

const char *arena_keep(struct arena *a, const char *text)
{
    size_t size = text ? strlen(text) + 1 : 0;
    char *copy = size ? arena_take(a, size) : NULL;
    return copy ? memcpy(copy, text, size) : NULL;
}

/* The first block stays for the next. */
void arena_clear(struct arena *a)
{
    struct arena_block *b = a->blocks;
    while (b && b->next) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
    if (b)
        b->used = 0;
    a->blocks = b;
}

static void arena_free(struct arena *a)
{
    arena_clear(a);
    free(a->blocks);
    a->blocks = NULL;
}

struct store *work_store(const struct work *w)
{
    return &w->state->store;
}

const char *work_text(struct work *w, sqlite3_stmt *row, int column)
{
    return arena_keep(&w->arena, store_text(work_store(w), row, column));
}

const char *work_word(struct work *w, sqlite3_stmt *row, int column)
{
    const char *word = arena_keep(&w->arena, store_word(work_store(w), row, column));
    return word ? word : "";
}

/* --- loading ------------------------------------------------------------------------------------- */

static struct spot *add_spot(struct work *w, const char *ip)
{
    size_t i = w->count;
    if (w->count == SPOTS_MAX) {
        state_fail(w->state, "it is damaged: an endpoint has more addresses than there can be");
        return NULL;
    }
    if (!grow(&w->spots, w->count, &w->capacity, sizeof *w->spots)) {
        state_fail(w->state, "out of memory");
        return NULL;
    }
    for (; i > 0 && strcmp(w->spots[i - 1].ip, ip) > 0; i--)
        w->spots[i] = w->spots[i - 1];
    const char *kept = arena_keep(&w->arena, ip);
    w->spots[i] = (struct spot){.ip = kept ? kept : ""};
    w->count++;
    return &w->spots[i];
}

static struct spot *find_spot(struct work *w, const char *ip)
{
    for (size_t i = 0; i < w->count; i++)
        if (strcmp(w->spots[i].ip, ip) == 0)
            return &w->spots[i];
    return NULL;
}

static void load_known(struct work *w, sqlite3_stmt *row, int column,
                       const char *known[KNOWN_COUNT])
{
    for (int i = 0; i < KNOWN_COUNT; i++)
        known[i] = work_text(w, row, column + i);
}

/* Those that are its addresses, and those that were, if they are again. */
static void load_places(struct work *w)
{
    struct store *store = work_store(w);
    sqlite3_stmt *row = store_ask(
        store,
        "SELECT id, ip, current, status, status_run, labels, seen_run, seen, facts, trust,"
        " seen_labels, checks, " KNOWN_COLUMNS ", missed FROM place WHERE endpoint = ? AND"
        " (current OR EXISTS (SELECT 1 FROM temp.seen AS s WHERE s.key = ?"
        " AND s.ip = place.ip)) ORDER BY ip",
        "it", w->endpoint, w->key);
    while (store_row(store, row)) {
        struct spot *spot = add_spot(w, store_word(store, row, 1));
        if (!spot)
            return;
        spot->place = sqlite3_column_int64(row, 0);
        spot->current = sqlite3_column_int(row, 2) != 0;
        spot->status = work_text(w, row, 3);
        spot->status_run = sqlite3_column_int64(row, 4);
        spot->labels = work_text(w, row, 5);
        spot->seen = (struct look){.run = sqlite3_column_int64(row, 6),
                                   .facts = work_text(w, row, 8),
                                   .trust = work_text(w, row, 9),
                                   .labels = work_text(w, row, 10),
                                   .answered = true};
        spot->seen_time = work_text(w, row, 7);
        spot->seen.checks = work_text(w, row, 11);
        load_known(w, row, 12, spot->known);
        spot->missed = sqlite3_column_int(row, 12 + KNOWN_COUNT) != 0;
        w->was_asked |= spot->status != NULL;
    }
}

static void load_record(struct work *w, struct spot *spot, sqlite3_stmt *row)
{
    spot->record_ip = work_word(w, row, 0);
    spot->word = work_word(w, row, 1);
    spot->time = work_word(w, row, 2);
    spot->tonight = status_is_answer(spot->word) ? ANSWERED : SILENT;
    spot->now = (struct look){.run = w->state->run.id,
                              .labels = work_text(w, row, 3),
                              .facts = work_text(w, row, 4),
                              .trust = work_text(w, row, 5),
                              .answered = spot->tonight == ANSWERED};
    spot->now.checks = work_text(w, row, 6);
    spot->reasons = work_text(w, row, 7);
    load_known(w, row, 8, spot->known_now);
    w->recorded = true;
}

/* A name that was not found has all its addresses, and none of them is reached by it. */
static void spread_record(struct work *w, sqlite3_stmt *row)
{
    bool any = false;
    for (size_t i = 0; i < w->count; i++)
        if (w->spots[i].current && *w->spots[i].ip) {
            load_record(w, &w->spots[i], row);
            any = true;
        }
    if (any)
        return;
    struct spot *spot = find_spot(w, "");
    if (!spot)
        spot = add_spot(w, "");
    if (spot)
        load_record(w, spot, row);
}

/* With an address or without: where there is one, the other says nothing. */
static void load_records(struct work *w)
{
    struct store *store = work_store(w);
    bool found = store_number(store, "SELECT count(*) FROM temp.seen WHERE key = ? AND ip <> ''",
                              "t", w->key) != 0;
    sqlite3_stmt *row =
        store_ask(store,
                  "SELECT ip, status, time, labels, facts, trust, checks, reasons, " KNOWN_COLUMNS
                  " FROM temp.seen WHERE key = ? AND (ip <> '') = ? ORDER BY ip",
                  "ti", w->key, (int64_t)found);
    while (store_row(store, row)) {
        const char *ip = store_word(store, row, 0);
        if (!*ip) {
            spread_record(w, row);
            continue;
        }
        struct spot *spot = find_spot(w, ip);
        if (!spot)
            spot = add_spot(w, ip);
        if (spot)
            load_record(w, spot, row);
    }
}

/* --- what was not recorded ------------------------------------------------------------------------ */

/* Every endpoint of a host that answered is recorded: one that is not was not asked. */
static bool is_left_out(const struct work *w, const struct spot *spot)
{
    const struct state_run *run = &w->state->run;
    if (!run->complete || w->recorded)
        return false;
    if (run->all)
        return true;
    return !run->state &&
           store_number(work_store(w),
                        "SELECT EXISTS (SELECT 1 FROM temp.seen WHERE host = ? AND ip = ?)", "tt",
                        w->host, spot->ip) != 0;
}

static void explain(struct work *w, struct spot *spot)
{
    struct store *store = work_store(w);
    sqlite3_stmt *row = store_ask(store,
                                  "SELECT reason, time FROM temp.aside WHERE key = ?"
                                  " AND ip IN (?, '') ORDER BY ip DESC LIMIT 1",
                                  "tt", w->key, spot->ip);
    if (store_row(store, row)) {
        bool excluded = strcmp(store_word(store, row, 0), "excluded") == 0;
        /* A name that is asked may have lost an address: that is not the scope's doing. */
        if (excluded || !w->recorded) {
            spot->tonight = ASIDE;
            spot->word = excluded ? "excluded" : "out_of_scope";
            spot->time = work_text(w, row, 1);
        }
        store_enough(row);
    } else if (is_left_out(w, spot)) {
        spot->tonight = ASIDE;
        spot->word = "out_of_scope";
        spot->time = w->state->run.time;
    }
    if (spot->tonight == UNSEEN)
        spot->word = w->state->run.complete ? "not_recorded" : "stopped";
}

/* --- addresses ------------------------------------------------------------------------------------- */

static bool is_ipv6(const char *ip)
{
    return strchr(ip, ':') != NULL;
}

/* Was any address of that one's family found? If not, it may be the answer that was lost, and not
 * the addresses: then they are gone when they are missed once more. */
static bool has_family(const struct work *w, const struct spot *spot)
{
    for (size_t i = 0; i < w->count; i++) {
        const char *ip = w->spots[i].record_ip;
        if (ip && *ip && is_ipv6(ip) == is_ipv6(spot->ip))
            return true;
    }
    return false;
}

static void find_lost(struct work *w)
{
    const struct state_run *run = &w->state->run;
    bool resolved = false;
    size_t current = 0;
    for (size_t i = 0; i < w->count; i++) {
        resolved |= w->spots[i].record_ip && *w->spots[i].record_ip;
        current += w->spots[i].current;
    }
    bool all_there = run->complete && (run->all || run->state);
    for (size_t i = 0; i < w->count; i++) {
        struct spot *spot = &w->spots[i];
        spot->gained = !spot->current && spot->record_ip;
        if (!spot->current || spot->tonight != UNSEEN || !resolved)
            continue;
        bool gone = has_family(w, spot) || spot->missed;
        spot->lost = (all_there && gone) || !*spot->ip || current > CURRENT_MAX;
        spot->missed = all_there;
    }
}

/* The one that the endpoint has moved away from: all its addresses are others now. */
static const struct spot *find_origin(const struct work *w)
{
    const struct spot *origin = NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct spot *spot = &w->spots[i];
        if (!spot->current)
            continue;
        if (!spot->lost)
            return NULL;
        if (!origin || (spot->seen_time &&
                        (!origin->seen_time || strcmp(spot->seen_time, origin->seen_time) > 0)))
            origin = spot;
    }
    return origin;
}

static void inherit(struct work *w, struct spot *spot, const struct spot *origin)
{
    spot->status = origin->status;
    spot->status_run = origin->status_run;
    spot->labels = origin->labels;
    spot->seen = origin->seen;
    spot->seen_time = origin->seen_time;
    memcpy(spot->known, origin->known, sizeof spot->known);
    store_do(work_store(w),
             "UPDATE place SET (status, status_run, status_time, labels, seen_run, seen, facts,"
             " trust, seen_labels, checks, " KNOWN_COLUMNS ") = (SELECT status, status_run,"
             " status_time, labels, seen_run, seen, facts, trust, seen_labels,"
             " checks, " KNOWN_COLUMNS " FROM place AS p WHERE p.id = ?) WHERE id = ?",
             "ii", origin->place, spot->place);
    store_do(work_store(w),
             "INSERT OR REPLACE INTO policy_verdict SELECT ?, policy, verdict, run, facts, trust,"
             " labels, failing, verdicts FROM policy_verdict WHERE place = ?",
             "ii", spot->place, origin->place);
}

static void settle_places(struct work *w)
{
    const struct spot *origin = find_origin(w);
    for (size_t i = 0; i < w->count; i++) {
        struct spot *spot = &w->spots[i];
        if (!spot->place) {
            store_do(work_store(w), "INSERT INTO place (endpoint, ip) VALUES (?, ?)", "it",
                     w->endpoint, spot->ip);
            spot->place = sqlite3_last_insert_rowid(work_store(w)->db);
        }
        if (origin && spot->gained)
            inherit(w, spot, origin);
    }
}

/* --- the endpoint ---------------------------------------------------------------------------------- */

static void update_labels(struct work *w)
{
    struct store *store = work_store(w);
    sqlite3_stmt *row = store_ask(store,
                                  "SELECT mode, label_text FROM temp.seen WHERE key = ?"
                                  " ORDER BY ip LIMIT 1",
                                  "t", w->key);
    if (!store_row(store, row))
        return;
    const char *mode = work_text(w, row, 0);
    const char *labels = work_text(w, row, 1);
    store_enough(row);
    if (!mode || !labels || (strcmp(mode, w->mode) == 0 && strcmp(labels, w->labels) == 0))
        return;
    w->mode = mode;
    w->labels = labels;
    store_do(store, "UPDATE endpoint SET mode = ?, labels = ? WHERE id = ?", "tti", mode, labels,
             w->endpoint);
    store_do(store, "DELETE FROM label WHERE endpoint = ?", "i", w->endpoint);
    store_do(store,
             "INSERT OR IGNORE INTO label SELECT ?, key, value FROM json_each(?)"
             " WHERE type = 'text' LIMIT 64",
             "it", w->endpoint, labels);
}

static void update_endpoint(struct work *w)
{
    const char *time = NULL;
    for (size_t i = 0; i < w->count; i++)
        if (w->spots[i].tonight == ANSWERED && (!time || strcmp(w->spots[i].time, time) > 0))
            time = w->spots[i].time;
    if (time)
        store_do(work_store(w),
                 "UPDATE endpoint SET first_run = coalesce(first_run, ?),"
                 " first_seen = coalesce(first_seen, ?), last_run = ?, last_seen = ?,"
                 " last_changed = coalesce(last_changed, ?) WHERE id = ?",
                 "ititti", w->state->run.id, time, w->state->run.id, time, time, w->endpoint);
    if (w->changed)
        store_do(work_store(w), "UPDATE endpoint SET last_changed = ? WHERE id = ?", "ti",
                 w->state->run.time, w->endpoint);
}

static bool work_endpoint(struct work *w)
{
    w->count = 0;
    w->was_asked = w->recorded = w->changed = false;
    load_places(w);
    load_records(w);
    if (w->recorded)
        update_labels(w);
    for (size_t i = 0; i < w->count; i++)
        if (w->spots[i].tonight == UNSEEN)
            explain(w, &w->spots[i]);
    find_lost(w);
    settle_places(w);
    if (w->state->store.failed)
        return false;
    place_work(w);
    finding_work(w);
    update_endpoint(w);
    if (w->arena.failed)
        state_fail(w->state, "out of memory");
    return !w->state->store.failed;
}

/* No key comes twice: pages that lead back to themselves would have no end. */
static bool is_behind(struct work *w, char **last)
{
    if (*last && strcmp(*last, w->key) >= 0)
        return state_fail(w->state, "it is damaged: an endpoint is there twice");
    free(*last);
    *last = strdup(w->key);
    return *last || state_fail(w->state, "out of memory");
}

static bool work_all(struct work *w)
{
    struct store *store = work_store(w);
    sqlite3_stmt *row =
        store_ask(store,
                  "SELECT id, key, protocol, mode, host, port, labels, first_run IS NOT NULL"
                  " FROM endpoint ORDER BY key",
                  "");
    char *last = NULL;
    bool ok = true;
    while (ok && store_row(store, row)) {
        arena_clear(&w->arena);
        w->endpoint = sqlite3_column_int64(row, 0);
        w->key = work_word(w, row, 1);
        w->protocol = work_word(w, row, 2);
        w->mode = work_word(w, row, 3);
        w->host = work_word(w, row, 4);
        w->port = sqlite3_column_int64(row, 5);
        w->labels = work_word(w, row, 6);
        w->was_seen = sqlite3_column_int(row, 7) != 0;
        guard_allow(store, STEPS_PER_ENDPOINT);
        ok = !store->failed && is_behind(w, &last) && work_endpoint(w);
    }
    store_enough(row);
    free(last);
    return ok && !store->failed;
}

/* --- the run --------------------------------------------------------------------------------------- */

static void insert_endpoints(struct state *s)
{
    store_do(&s->store,
             "INSERT INTO endpoint (key, protocol, mode, host, port)"
             " SELECT key, min(protocol), min(mode), min(host), min(port) FROM temp.seen"
             " WHERE key NOT IN (SELECT key FROM endpoint) GROUP BY key ORDER BY key",
             "");
}

/* Findings as they stand after this run; those that are waived, and that nobody could look at,
 * count apart. */
static void count_run(struct state *s)
{
    store_do(&s->store,
             "UPDATE run SET recorded = ?, answered = ?, changes = ?,"
             " (open_critical, open_high, open_medium, open_low, open_info, waived, not_observed) ="
             " (SELECT coalesce(sum(NOT waived AND severity = 'critical'), 0),"
             " coalesce(sum(NOT waived AND severity = 'high'), 0),"
             " coalesce(sum(NOT waived AND severity = 'medium'), 0),"
             " coalesce(sum(NOT waived AND severity = 'low'), 0),"
             " coalesce(sum(NOT waived AND severity = 'info'), 0), coalesce(sum(waived), 0),"
             " coalesce(sum(unobserved IS NOT NULL), 0)"
             " FROM finding WHERE state = 'open') WHERE id = ?",
             "iiii", s->run.recorded, s->run.answered, s->seq, s->run.id);
}

bool chronicle_write(struct state *s)
{
    struct work w = {.state = s};
    s->seq = 0;
    insert_endpoints(s);
    bool ok = work_all(&w);
    arena_free(&w.arena);
    free(w.spots);
    count_run(s);
    return ok && !s->store.failed && store_run(&s->store, schema_staging_clear);
}
