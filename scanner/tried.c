/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/tried.h"

#include <search.h>
#include <stdlib.h>

struct host {
    struct address address;
    size_t count;
    struct tried_service services[];
};

struct tried {
    void *tree; /* tsearch: hosts by address */
    size_t count;
};

static int compare(const void *a, const void *b)
{
    return address_compare(&((const struct host *)a)->address, &((const struct host *)b)->address);
}

static bool was_tried(const struct observation *o)
{
    return o->login.verdict != LOGIN_NOT_TESTED || o->injection.verdict != INJECTION_NOT_TESTED;
}

/* False when there is no memory. */
static bool keep(struct tried_service *s, const struct observation *o)
{
    *s = (struct tried_service){.port = o->service->port,
                                .protocol = o->service->protocol,
                                .login = o->login,
                                .credentials_sent = o->credentials_sent,
                                .required = o->required,
                                .anonymous = o->anonymous,
                                .why_required = o->why[FACT_REQUIRED],
                                .why_anonymous = o->why[FACT_ANONYMOUS],
                                .injection = o->injection};
    s->login.reply = s->injection.reply = (struct text){0};
    return text_copy(&s->login.reply, &o->login.reply) &&
           text_copy(&s->injection.reply, &o->injection.reply);
}

void tried_apply(const struct tried_service *s, struct observation *o)
{
    if (s->login.verdict != LOGIN_NOT_TESTED) {
        o->login = s->login;
        observation_keep(o, text_copy(&o->login.reply, &s->login.reply));
        o->credentials_sent = s->credentials_sent;
        o->required = s->required;
        o->anonymous = s->anonymous;
        o->why[FACT_REQUIRED] = s->why_required;
        o->why[FACT_ANONYMOUS] = s->why_anonymous;
    }
    if (s->injection.verdict != INJECTION_NOT_TESTED) {
        o->injection = s->injection;
        observation_keep(o, text_copy(&o->injection.reply, &s->injection.reply));
    }
}

static void free_host(void *node)
{
    struct host *h = node;
    for (size_t i = 0; i < h->count; i++) {
        text_free(&h->services[i].login.reply);
        text_free(&h->services[i].injection.reply);
    }
    free(h);
}

struct tried *tried_new(void)
{
    return calloc(1, sizeof(struct tried));
}

void tried_free(struct tried *t)
{
    if (!t)
        return;
    tdestroy(t->tree, free_host);
    free(t);
}

static const struct host *find(const struct tried *t, const struct address *address)
{
    const struct host key = {.address = *address};
    struct host *const *found = tfind(&key, &t->tree, compare);
    return found ? *found : NULL;
}

void tried_keep(struct tried *t, const struct host_view *view)
{
    size_t count = 0;
    for (size_t i = 0; i < view->count; i++)
        count += was_tried(&view->endpoints[i]);
    if (!count || t->count == TRIED_HOSTS_MAX || find(t, &view->address))
        return;
    struct host *h = calloc(1, sizeof *h + count * sizeof *h->services);
    if (!h)
        return;
    bool kept = true;
    h->address = view->address;
    for (size_t i = 0; i < view->count; i++)
        if (was_tried(&view->endpoints[i]))
            kept = keep(&h->services[h->count++], &view->endpoints[i]) && kept;
    if (kept && tsearch(h, &t->tree, compare))
        t->count++;
    else
        free_host(h);
}

const struct tried_service *tried_find(const struct tried *t, const struct address *address,
                                       const struct service *service)
{
    const struct host *h = find(t, address);
    for (size_t i = 0; h && i < h->count; i++)
        if (h->services[i].port == service->port && h->services[i].protocol == service->protocol)
            return &h->services[i];
    return NULL;
}
