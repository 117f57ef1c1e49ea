/* SPDX-License-Identifier: MIT */
/* change.c: a change as a record, and what caused it. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/members.h"
#include "output/run.h"
#include "output/state/work.h"

/* --- records ------------------------------------------------------------------------------------- */

static cJSON *text_item(const char *text)
{
    return text ? cJSON_CreateString(text) : cJSON_CreateNull();
}

/* NULL: there is no memory. */
static cJSON *value_item(struct value v)
{
    return v.list ? cJSON_Parse(v.list) : text_item(v.text);
}

static const char *ip_of(const struct spot *spot)
{
    return spot && *spot->ip ? spot->ip : NULL;
}

/* An object that is being made. */
struct made {
    cJSON *object;
    bool failed; /* for want of memory */
};

static void put(struct made *m, const char *name, cJSON *item)
{
    m->failed |= !member_put(m->object, name, item);
}

static void put_text(struct made *m, const char *name, const char *text)
{
    put(m, name, text_item(text));
}

/* NULL: there is no memory, here and in what follows. */
static cJSON *endpoint_item(const struct work *w, const struct spot *spot)
{
    struct made e = {.object = cJSON_CreateObject()};
    put_text(&e, "key", w->key);
    put_text(&e, "protocol", w->protocol);
    put_text(&e, "mode", w->mode);
    put_text(&e, "host", w->host);
    put(&e, "port", cJSON_CreateNumber((double)w->port));
    put_text(&e, "ip", ip_of(spot));
    put(&e, "labels", *w->labels ? cJSON_Parse(w->labels) : cJSON_CreateObject());
    if (!e.failed)
        return e.object;
    cJSON_Delete(e.object);
    return NULL;
}

static char *print(const struct work *w, const struct change *c, const char *time)
{
    const struct state_run *run = &w->state->run;
    struct made m = {.object = cJSON_CreateObject()};
    put_text(&m, "schema", RUN_SCHEMA);
    put_text(&m, "type", "change");
    put_text(&m, "run_id", run->run_id);
    put_text(&m, "baseline_run_id", run->baseline_id);
    put_text(&m, "time", time);
    put_text(&m, "change", c->type);
    put_text(&m, "cause", c->cause);
    put(&m, "endpoint", endpoint_item(w, c->spot));
    put_text(&m, "rule", c->rule);
    put_text(&m, "fingerprint", c->fingerprint);
    put_text(&m, "severity", c->severity);
    put_text(&m, "title", c->title);
    put(&m, "before", value_item(c->before));
    put(&m, "after", value_item(c->after));
    put_text(&m, "reason", c->reason);
    if (c->name)
        put_text(&m, c->name, c->detail);
    char *text = m.failed ? NULL : cJSON_PrintUnformatted(m.object);
    cJSON_Delete(m.object);
    return text;
}

/* The first run is what others are compared with: it changes nothing. */
void change_emit(struct work *w, const struct change *c)
{
    struct state *s = w->state;
    const char *time = c->time ? c->time : c->spot && c->spot->time ? c->spot->time : s->run.time;

    if (!s->run.baseline || s->store.failed)
        return;
    errno = 0;
    char *json = print(w, c, time);
    if (!json) {
        state_fail(s, errno == ENOMEM ? "out of memory" : "it is damaged: a value is no JSON");
        return;
    }
    store_do(&s->store, "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
             "iitttittttt", s->run.id, ++s->seq, c->type, c->cause, time, w->endpoint,
             ip_of(c->spot), c->rule, c->fingerprint, c->severity, json);
    cJSON_free(json);
    w->changed = true;
}

/* --- causes -------------------------------------------------------------------------------------- */

bool change_ruleset_differs(const struct work *w, int64_t run)
{
    return store_number(work_store(w), "SELECT ruleset FROM run WHERE id = ?", "i", run) !=
           w->state->run.ruleset;
}

bool change_options_differ(const struct work *w, int64_t run)
{
    return store_number(work_store(w), "SELECT options_sha256 <> ? FROM run WHERE id = ?", "ti",
                        w->state->run.options, run) != 0;
}

bool change_rule_existed(const struct work *w, int64_t run, const char *rule)
{
    return store_number(work_store(w),
                        "SELECT count(*) FROM run JOIN ruleset_rule AS r ON r.ruleset = run.ruleset"
                        " JOIN rule ON rule.id = r.rule WHERE run.id = ? AND rule.rule = ?",
                        "it", run, rule) != 0;
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

const char *change_cause(const struct work *w, const struct look *then, const struct look *now,
                         const char *rule, bool timed, char letter)
{
    if (!then->run)
        return w->was_seen ? "observed" : change_cause_of_new(w);
    bool core = is_same(then->facts, now->facts);
    bool same = core && is_same(then->trust, now->trust);
    if (change_ruleset_differs(w, then->run) &&
        ((same && !timed) || (rule && !change_rule_existed(w, then->run, rule))))
        return "ruleset";
    if (((core && !same) || letter == CHECK_NOT_ASKED) && change_options_differ(w, then->run))
        return "scope";
    if (same && !timed && !is_same(then->labels, now->labels))
        return "scope";
    return "observed";
}

/* Nobody can say that it was not there before, if it was never asked for. */
const char *change_cause_of_new(const struct work *w)
{
    return w->was_asked || w->state->run.comparable ? "observed" : "scope";
}

/* --- verdicts ------------------------------------------------------------------------------------ */

bool checks_are_less(const char *then, const char *now)
{
    for (size_t i = 0; then && now && then[i] && now[i]; i++)
        if (strchr("pfn", then[i]) && strchr("tai", now[i]))
            return true;
    return false;
}

/* Most endpoints of a network have one of few sets of verdicts. */
int64_t checks_keep(struct work *w, const char *letters)
{
    struct state *s = w->state;
    if (!letters)
        return 0;
    if (s->verdicts && strcmp(s->letters, letters) == 0)
        return s->verdicts;
    store_do(&s->store, "INSERT OR IGNORE INTO verdicts (letters) VALUES (?)", "t", letters);
    s->verdicts =
        store_number(&s->store, "SELECT id FROM verdicts WHERE letters = ?", "t", letters);
    snprintf(s->letters, sizeof s->letters, "%s", letters);
    return s->verdicts;
}
