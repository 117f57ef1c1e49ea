/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/sums.h"

#include <stdlib.h>

/* The addresses of a name that wait for the others. */
struct waiting {
    struct waiting *next;
    const struct dealt *dealt;
    struct totals totals;
};

static void count(struct totals *t, const struct host_view *host)
{
    t->hosts++;
    t->answered += host->answered;
    for (size_t i = 0; i < host->count; i++)
        t->statuses[host->endpoints[i].status]++;
}

/* Nothing that waits was recorded, or had a finding. */
static void add(struct totals *t, const struct totals *late)
{
    t->hosts += late->hosts;
    t->answered += late->answered;
    for (size_t i = 0; i < STATUS_COUNT; i++)
        t->statuses[i] += late->statuses[i];
}

/* Where that of this target is, or would be. */
static struct waiting **find(struct sums *s, const struct dealt *dealt)
{
    struct waiting **at = &s->waiting;
    while (*at && (*at)->dealt != dealt)
        at = &(*at)->next;
    return at;
}

static bool hold(struct sums *s, const struct dealt *dealt, const struct host_view *host)
{
    struct waiting **at = find(s, dealt);
    if (!*at && (*at = calloc(1, sizeof **at)))
        (*at)->dealt = dealt;
    if (*at)
        count(&(*at)->totals, host);
    return *at != NULL;
}

static void release(struct sums *s, const struct dealt *dealt)
{
    struct waiting **at = find(s, dealt), *late = *at;
    if (!late)
        return;
    add(&s->totals, &late->totals);
    *at = late->next;
    free(late);
}

bool sums_add(struct sums *s, const struct dealt *dealt, bool over, const struct host_view *host,
              const struct opinions *opinions)
{
    if (!over && !opinions)
        return hold(s, dealt, host);
    count(&s->totals, host);
    if (opinions) {
        s->totals.recorded += host->count;
        tally_add(&s->totals.tally, opinions);
    }
    if (over)
        release(s, dealt);
    return true;
}

void sums_free(struct sums *s)
{
    tally_end(&s->totals.tally);
    while (s->waiting) {
        struct waiting *next = s->waiting->next;
        free(s->waiting);
        s->waiting = next;
    }
}
