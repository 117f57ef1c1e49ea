/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/targets/errands.h"

#include <search.h>
#include <stdlib.h>

#include "scanner/grow.h"

static int compare_errands(const void *left, const void *right)
{
    const struct errand *a = left, *b = right;
    if (a->services != b->services)
        return a->services->id < b->services->id ? -1 : 1;
    if (a->label_count != b->label_count)
        return a->label_count < b->label_count ? -1 : 1;
    for (size_t i = 0; i < a->label_count; i++) {
        int order = strcmp(a->labels[i].key, b->labels[i].key);
        if (!order)
            order = strcmp(a->labels[i].value, b->labels[i].value);
        if (order)
            return order;
    }
    return 0;
}

static char *copy(char **room, struct span text)
{
    char *at = *room;
    memcpy(at, text.at, text.len);
    at[text.len] = '\0';
    *room += text.len + 1;
    return at;
}

static struct errand *errand_new(const struct target *t)
{
    size_t text = 0;
    for (size_t i = 0; i < t->label_count; i++)
        text += t->labels[i].key.len + t->labels[i].value.len + 2;
    struct errand *e = malloc(sizeof *e + t->label_count * sizeof e->labels[0] + text);
    if (!e)
        return NULL;
    e->services = t->services;
    e->label_count = (uint32_t)t->label_count;
    char *room = (char *)&e->labels[t->label_count];
    for (size_t i = 0; i < t->label_count; i++) {
        e->labels[i].key = copy(&room, t->labels[i].key);
        e->labels[i].value = copy(&room, t->labels[i].value);
    }
    return e;
}

const struct errand *errands_keep(struct errands *all, const struct target *t)
{
    struct errand *e = errand_new(t);
    if (!e || !grow(&all->list, all->count, &all->capacity, sizeof all->list[0])) {
        free(e);
        return NULL;
    }
    struct errand **kept = tsearch(e, &all->tree, compare_errands);
    if (!kept || *kept != e) {
        free(e);
        return kept ? *kept : NULL;
    }
    e->id = (uint32_t)all->count;
    all->list[all->count++] = e;
    return e;
}

void errands_clear(struct errands *all)
{
    tdestroy(all->tree, free);
    free(all->list);
    *all = (struct errands){0};
}
