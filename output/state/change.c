/* SPDX-License-Identifier: MIT */
/* change.c: a change as a record, and what caused it. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/run.h"
#include "output/state/work.h"

/* --- records ------------------------------------------------------------------------------------- */

static cJSON *text_item(const char *text)
{
    return text ? cJSON_CreateString(text) : cJSON_CreateNull();
}

static cJSON *value_item(struct value v)
{
    cJSON *list = v.list ? cJSON_Parse(v.list) : NULL;
    return list ? list : text_item(v.text);
}

static const char *ip_of(const struct spot *spot)
{
    return spot && *spot->ip ? spot->ip : NULL;
}

static cJSON *endpoint_item(const struct work *w, const struct spot *spot)
{
    cJSON *e = cJSON_CreateObject(), *labels = cJSON_Parse(w->labels);
    cJSON_AddItemToObject(e, "key", text_item(w->key));
    cJSON_AddItemToObject(e, "protocol", text_item(w->protocol));
    cJSON_AddItemToObject(e, "mode", text_item(w->mode));
    cJSON_AddItemToObject(e, "host", text_item(w->host));
    cJSON_AddItemToObject(e, "port", cJSON_CreateNumber((double)w->port));
    cJSON_AddItemToObject(e, "ip", text_item(ip_of(spot)));
    cJSON_AddItemToObject(e, "labels", labels ? labels : cJSON_CreateObject());
    return e;
}

static char *print(const struct work *w, const struct change *c, const char *time)
{
    const struct state_run *run = &w->state->run;
    cJSON *record = cJSON_CreateObject();
    cJSON_AddItemToObject(record, "schema", text_item(RUN_SCHEMA));
    cJSON_AddItemToObject(record, "type", text_item("change"));
    cJSON_AddItemToObject(record, "run_id", text_item(run->run_id));
    cJSON_AddItemToObject(record, "baseline_run_id", text_item(run->baseline_id));
    cJSON_AddItemToObject(record, "time", text_item(time));
    cJSON_AddItemToObject(record, "change", text_item(c->type));
    cJSON_AddItemToObject(record, "cause", text_item(c->cause));
    cJSON_AddItemToObject(record, "endpoint", endpoint_item(w, c->spot));
    cJSON_AddItemToObject(record, "rule", text_item(c->rule));
    cJSON_AddItemToObject(record, "fingerprint", text_item(c->fingerprint));
    cJSON_AddItemToObject(record, "severity", text_item(c->severity));
    cJSON_AddItemToObject(record, "title", text_item(c->title));
    cJSON_AddItemToObject(record, "before", value_item(c->before));
    cJSON_AddItemToObject(record, "after", value_item(c->after));
    cJSON_AddItemToObject(record, "reason", text_item(c->reason));
    if (c->name)
        cJSON_AddItemToObject(record, c->name, text_item(c->detail));
    char *text = cJSON_PrintUnformatted(record);
    cJSON_Delete(record);
    return text;
}

/* The first run is what others are compared with: it changes nothing. */
void change_emit(struct work *w, const struct change *c)
{
    struct state *s = w->state;
    const char *time = c->time ? c->time : c->spot && c->spot->time ? c->spot->time : s->run.time;

    if (!s->run.baseline || s->store.failed)
        return;
    char *json = print(w, c, time);
    if (!json) {
        state_fail(s, "out of memory");
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
