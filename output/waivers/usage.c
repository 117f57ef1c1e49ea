/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/waivers/usage.h"

#include <inttypes.h>
#include <stdlib.h>

#include "scanner/grow.h"
#include "scanner/quote.h"

#define TOLD_MAX 10 /* of each kind */

const char *usage_state_name(enum usage_state state)
{
    static const char *const names[] = {"used", "expired", "stale", "unmatched"};
    return names[state];
}

struct usage *usage_new(void)
{
    return calloc(1, sizeof(struct usage));
}

void usage_free(struct usage *u)
{
    for (size_t i = 0; u && i < u->count; i++)
        free(u->items[i].id);
    if (u)
        free(u->items);
    free(u);
}

/* Where the id is, or would be. */
static size_t place_of(const struct usage *u, const char *id)
{
    size_t low = 0;
    for (size_t high = u->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(u->items[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct usage *u, size_t at, const char *id)
{
    return at < u->count && strcmp(u->items[at].id, id) == 0;
}

struct usage_item *usage_item(struct usage *u, const char *id)
{
    size_t at = place_of(u, id);
    char *copy;
    if (is_at(u, at, id))
        return &u->items[at];
    if (u->count == USAGE_MAX || !grow(&u->items, u->count, &u->capacity, sizeof *u->items) ||
        !(copy = strdup(id)))
        return NULL;
    memmove(&u->items[at + 1], &u->items[at], (u->count - at) * sizeof *u->items);
    u->items[at] = (struct usage_item){.id = copy};
    u->count++;
    return &u->items[at];
}

struct usage *usage_of(const struct waivers *w)
{
    struct usage *u = usage_new();
    for (size_t i = 0; u && i < waivers_count(w); i++) {
        const struct waiver *waiver = waivers_at(w, i);
        struct usage_item *item = usage_item(u, waiver->id);
        if (!item) {
            usage_free(u);
            return NULL;
        }
        memcpy(item->expires, waiver->expires, sizeof item->expires);
        item->last_day = waiver->last_day;
    }
    return u;
}

bool usage_add(struct usage *u, const struct usage *more)
{
    for (size_t i = 0; i < more->count; i++) {
        size_t at = place_of(u, more->items[i].id);
        if (!is_at(u, at, more->items[i].id))
            return false;
        u->items[at].findings += more->items[i].findings;
    }
    return true;
}

enum usage_state usage_state(const struct usage_item *item, bool whole, int64_t time)
{
    if (waiver_day(time) > item->last_day)
        return USAGE_EXPIRED;
    if (item->findings)
        return USAGE_USED;
    return whole ? USAGE_STALE : USAGE_UNMATCHED;
}

/* --- what is told ----------------------------------------------------------------------------- */

struct telling {
    const char *who;
    FILE *out;
    size_t told, more;
};

static bool is_told(struct telling *t)
{
    if (t->told == TOLD_MAX) {
        t->more++;
        return false;
    }
    t->told++;
    return true;
}

static void tell_more(struct telling *t, const char *what)
{
    if (t->more)
        fprintf(t->out, "%s: %zu more waivers %s\n", t->who, t->more, what);
    t->told = t->more = 0;
}

static void tell(struct telling *t, const struct usage_item *item, enum usage_state state,
                 int64_t left)
{
    const struct quote id = quote(span_of(item->id));
    if (state == USAGE_EXPIRED && item->findings)
        fprintf(t->out, "%s: waiver %s expired after %s: findings that have it: %" PRIu64 "\n",
                t->who, id.text, item->expires, item->findings);
    else if (state == USAGE_EXPIRED)
        fprintf(t->out, "%s: waiver %s expired after %s, and no finding has it\n", t->who, id.text,
                item->expires);
    else if (state == USAGE_STALE)
        fprintf(t->out, "%s: waiver %s is stale: no finding has it\n", t->who, id.text);
    else
        fprintf(t->out, "%s: waiver %s expires after %s (days left: %" PRId64 ")\n", t->who,
                id.text, item->expires, left);
}

void usage_tell(const struct usage *u, bool whole, int64_t time, const char *who, FILE *out)
{
    static const struct {
        enum usage_state state;
        const char *what;
    } kinds[] = {
        {USAGE_EXPIRED, "have expired"}, {USAGE_USED, "expire soon"}, {USAGE_STALE, "are stale"}};
    struct telling t = {.who = who, .out = out};

    for (size_t k = 0; u && k < sizeof kinds / sizeof *kinds; k++) {
        for (size_t i = 0; i < u->count; i++) {
            const struct usage_item *item = &u->items[i];
            enum usage_state state = usage_state(item, whole, time);
            int64_t left = item->last_day - waiver_day(time);
            bool soon = state != USAGE_USED || left <= USAGE_SOON;
            if (state == kinds[k].state && soon && is_told(&t))
                tell(&t, item, state, left);
        }
        tell_more(&t, kinds[k].what);
    }
}
