/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/engine.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <search.h>
#include <stdlib.h>

#include "scanner/input.h"
#include "scanner/resolver.h"
#include "scanner/tried.h"

#define LOOKUPS_MAX 256 /* names that are being resolved at once */

struct host;

/* One endpoint of a host that is being scanned. */
struct task {
    struct host *host;
    struct endpoint endpoint;
    struct probe *probe; /* under way, or NULL */
    bool complete;
};

struct host {
    struct engine *engine;
    struct host *next, *previous; /* among all that are under way               */
    struct host *next_waiting;    /* for a connection                           */
    struct host *parked;          /* of the same address: begun when this one is done */
    bool waiting, registered;
    struct target_host target;
    struct host_view view;
    enum course course;
    unsigned active, complete; /* endpoints that are asked now; that have no more to ask in it */
    struct task *tasks;        /* [view.count] */
};

struct lookup {
    struct engine *engine;
    struct target_host target;
};

struct engine {
    uv_loop_t *loop;
    struct engine_options options;
    struct engine_events events;
    const struct targets *targets;
    uint64_t next_target;
    struct targets_stream *stream;
    struct input *input;
    bool stream_open, input_wanted;
    struct network network;
    struct resolver *resolver;
    unsigned lookups;
    unsigned room; /* connections that may be open; less than asked for if descriptors ran out */
    struct host *hosts;
    size_t host_count;
    struct tried *tried; /* NULL: no service can be met twice */
    void *addresses;     /* tsearch: the host that each address is being scanned as */
    struct host *waiting_first, *waiting_last;
    struct engine_counts counts;
    bool stopping, ended;
    uv_idle_t turn; /* pumps from the loop, never from inside a callback of ours */
};

/* --- hosts ------------------------------------------------------------------------------------ */

static void host_wait(struct host *);

static int compare_hosts(const void *a, const void *b)
{
    return address_compare(&((const struct host *)a)->view.address,
                           &((const struct host *)b)->view.address);
}

/* Two names may share an address, or be given beside it: the address is still one host to be polite
 * to. */
static void host_register(struct host *h)
{
    struct host **owner = tsearch(h, &h->engine->addresses, compare_hosts);
    if (owner && *owner != h) {
        h->parked = (*owner)->parked;
        (*owner)->parked = h;
        return;
    }
    h->registered = owner != NULL;
    host_wait(h);
}

/* Its address goes to the next host that waits for it. */
static void host_release(struct host *h)
{
    if (h->registered)
        tdelete(h, &h->engine->addresses, compare_hosts);
    if (h->parked && !h->engine->stopping)
        host_register(h->parked); /* which has the others parked behind it */
}

static void host_free(struct host *h)
{
    struct engine *e = h->engine;
    host_release(h);
    for (size_t i = 0; i < h->view.count; i++) {
        endpoint_free(&h->tasks[i].endpoint);
        observation_free(&h->view.endpoints[i]);
    }
    if (h->previous)
        h->previous->next = h->next;
    else
        e->hosts = h->next;
    if (h->next)
        h->next->previous = h->previous;
    e->host_count--;
    free(h->view.endpoints);
    free(h->tasks);
    free(h);
}

static struct host *host_new(struct engine *e, const struct target_host *target,
                             const struct address *address)
{
    struct host *h = calloc(1, sizeof *h);
    size_t count = target->service_count;
    if (!h)
        return NULL;
    h->view.endpoints = calloc(count ? count : 1, sizeof *h->view.endpoints);
    h->tasks = calloc(count ? count : 1, sizeof *h->tasks);
    if (!h->view.endpoints || !h->tasks) {
        free(h->view.endpoints);
        free(h->tasks);
        free(h);
        return NULL;
    }
    h->engine = e;
    h->target = *target;
    h->view.target = &h->target;
    h->view.count = count;
    if (address)
        h->view.address = *address;
    for (size_t i = 0; i < count; i++) {
        observation_init(&h->view.endpoints[i], target->services[i]);
        h->tasks[i].host = h;
        endpoint_init(&h->tasks[i].endpoint, &h->view.endpoints[i], &e->options.endpoint,
                      &e->network, &h->view.address, target->name);
    }
    h->next = e->hosts;
    if (e->hosts)
        e->hosts->previous = h;
    e->hosts = h;
    e->host_count++;
    return h;
}

static void wake(struct engine *e);

static void host_tell(struct host *h)
{
    struct engine *e = h->engine;

    e->counts.hosts++;
    e->room += e->room < e->options.concurrency; /* descriptors may have come back */
    e->counts.answered += h->view.answered;
    for (size_t i = 0; i < h->view.count; i++) {
        e->counts.endpoints++;
        e->counts.connections += h->view.endpoints[i].connections;
        e->counts.statuses[h->view.endpoints[i].status]++;
    }
    bool going_on = e->events.on_host(e->events.context, &h->view);
    host_free(h);
    if (!going_on)
        engine_stop(e);
    wake(e);
}

static void host_wait(struct host *h)
{
    struct engine *e = h->engine;
    if (h->waiting)
        return;
    h->waiting = true;
    h->next_waiting = NULL;
    if (e->waiting_last)
        e->waiting_last->next_waiting = h;
    else
        e->waiting_first = h;
    e->waiting_last = h;
}

static void on_note(void *context, bool secure, enum note note, struct span text)
{
    struct task *t = context;
    endpoint_note(&t->endpoint, secure, note, text);
}

static void on_probe_done(void *context, struct probe *probe)
{
    struct task *t = context;
    struct host *h = t->host;
    struct probe_facts facts = probe_facts(probe);

    t->probe = NULL;
    h->active--;
    h->engine->counts.active--;
    h->view.answered |= facts.connected;
    endpoint_absorb(&t->endpoint, &facts);
    host_wait(h); /* behind those that wait already */
    wake(h->engine);
}

enum started { STARTED, COMPLETE, NO_ROOM };

static enum started task_start(struct task *t)
{
    struct engine *e = t->host->engine;
    struct probe_request request;

    if (!endpoint_next(&t->endpoint, t->host->course, &request)) {
        t->complete = true;
        t->host->complete++;
        return COMPLETE;
    }
    request.note = on_note;
    request.on_done = on_probe_done;
    request.context = t;
    if (probe_start(&e->network, &request, &t->probe)) {
        t->host->active++;
        e->counts.active++;
        return STARTED;
    }
    if (e->counts.active > 0) { /* no descriptor: as many as there are now is all there can be */
        e->room = e->counts.active;
        endpoint_withdraw(&t->endpoint);
        return NO_ROOM;
    }
    endpoint_absorb(&t->endpoint,
                    &(struct probe_facts){.outcome = {PHASE_CONNECT, CAUSE_LOCAL, 0}});
    return task_start(t);
}

/* Two protocols may be asked at one port; that is still one port. */
static bool port_is_busy(const struct host *h, const struct task *t)
{
    for (size_t i = 0; i < h->view.count; i++)
        if (h->tasks[i].probe && h->tasks[i].endpoint.observation->service->port ==
                                     t->endpoint.observation->service->port)
            return true;
    return false;
}

/* What was tried of a service under another name is not tried again. */
static void recall(struct host *h)
{
    const struct tried_service *s;
    for (size_t i = 0; i < h->view.count; i++)
        if ((s = tried_find(h->engine->tried, &h->view.address, h->view.endpoints[i].service)))
            tried_apply(s, &h->view.endpoints[i]);
}

static void begin_course(struct host *h, enum course course)
{
    h->course = course;
    if (course == COURSE_LOGIN && h->engine->tried)
        recall(h);
    h->complete = 0;
    for (size_t i = 0; i < h->view.count; i++)
        h->tasks[i].complete = false;
}

static void host_complete(struct host *h)
{
    for (size_t i = 0; i < h->view.count; i++)
        endpoint_conclude(&h->tasks[i].endpoint);
    if (h->engine->tried)
        tried_keep(h->engine->tried, &h->view);
    host_tell(h);
}

/* Opens what may be opened; an endpoint that was begun goes on before another is begun. */
static void host_pump(struct host *h)
{
    struct engine *e = h->engine;
    for (int begun = 1; begun >= 0; begun--) {
        for (size_t i = 0; i < h->view.count; i++) {
            struct task *t = &h->tasks[i];
            if (t->complete || port_is_busy(h, t) ||
                (h->view.endpoints[i].connections > 0) != (begun == 1))
                continue;
            if (h->active >= e->options.per_host)
                return;
            if (e->counts.active >= e->room || task_start(t) == NO_ROOM) {
                host_wait(h);
                return;
            }
        }
    }
    if (h->complete < h->view.count)
        return;
    if (h->course + 1 == COURSE_COUNT) {
        host_complete(h);
        return;
    }
    begin_course(h, h->course + 1);
    host_pump(h);
}

/* --- names ------------------------------------------------------------------------------------ */

static void say(struct engine *e, const char *name, const char *what, const char *word)
{
    char line[512];
    snprintf(line, sizeof line, "%s: %s: %s", name, what, word);
    e->events.on_message(e->events.context, line);
}

static void tell_unresolved(struct engine *e, const struct target_host *target, enum resolved how)
{
    struct host *h = host_new(e, target, NULL);
    if (!h) {
        say(e, target->name, "left out", "no memory");
        return;
    }
    for (size_t i = 0; i < h->view.count; i++)
        endpoint_unresolved(&h->tasks[i].endpoint, CAUSE_DNS, resolved_name(how));
    say(e, target->name, "no address", resolved_name(how));
    host_tell(h);
}

/* A lost answer is worth more of a word than a plain "has none". */
static enum resolved worse(const struct resolution *r)
{
    bool plain = r->ipv4 == RESOLVED_NO_ADDRESS || r->ipv4 == RESOLVED_NO_NAME;
    return plain ? r->ipv6 : r->ipv4;
}

static void on_resolved(void *context, const struct resolution *r)
{
    struct lookup *l = context;
    struct engine *e = l->engine;
    struct target_host target = l->target;
    size_t begun = 0;

    free(l);
    e->lookups--;
    wake(e);
    if (e->stopping)
        return;
    if (!r->count) {
        tell_unresolved(e, &target, worse(r));
        return;
    }
    if (r->ipv4 > RESOLVED_NO_NAME || r->ipv6 > RESOLVED_NO_NAME)
        say(e, target.name,
            r->ipv4 > RESOLVED_NO_NAME ? "IPv4 addresses not known" : "IPv6 addresses not known",
            resolved_name(r->ipv4 > RESOLVED_NO_NAME ? r->ipv4 : r->ipv6));
    for (size_t i = 0; i < r->count; i++) {
        if (targets_excluded(e->targets, &r->addresses[i]))
            continue;
        struct host *h = host_new(e, &target, &r->addresses[i]);
        if (!h)
            say(e, target.name, "left out", "no memory");
        else
            host_register(h);
        begun++;
    }
    if (!begun)
        say(e, target.name, "left out", "all its addresses are excluded");
}

/* --- what comes next -------------------------------------------------------------------------- */

static void on_input(void *context, struct span bytes, int error)
{
    struct engine *e = context;
    e->input_wanted = false;
    if (error)
        say(e, "standard input", "cannot be read", uv_strerror(error));
    if (bytes.len)
        targets_stream_feed(e->stream, bytes);
    else
        targets_stream_end(e->stream);
    wake(e);
}

/* The next host to be begun; false if there is none now. */
static bool next_target(struct engine *e, struct target_host *target)
{
    if (targets_host(e->targets, e->next_target, target)) {
        e->next_target++;
        return true;
    }
    if (!e->stream_open || e->input_wanted)
        return false;
    switch (targets_stream_next(e->stream, target)) {
    case TARGETS_HOST:
        return true;
    case TARGETS_NEED_MORE:
        e->input_wanted = true;
        input_want(e->input);
        return false;
    case TARGETS_END:
    case TARGETS_FAILED:
        break;
    }
    e->stream_open = false;
    return false;
}

static void begin(struct engine *e, const struct target_host *target)
{
    if (!target->name) {
        struct host *h = host_new(e, target, &target->address);
        if (h)
            host_register(h);
        else
            say(e, target->file ? target->file : "argument", "a host is left out", "no memory");
        return;
    }
    struct lookup *l = malloc(sizeof *l);
    if (l) {
        *l = (struct lookup){e, *target};
        e->lookups++;
    }
    if (!l || !resolver_lookup(e->resolver, target->name, on_resolved, l)) {
        e->lookups -= l != NULL;
        free(l);
        tell_unresolved(e, target, RESOLVED_LOCAL);
    }
}

static void on_abandoned(uv_handle_t *turn)
{
    struct engine *e = turn->data;
    engine_free(e);
}

/* What engine_new() could not complete: its handles close as the loop is run to its end. */
static void abandon(struct engine *e)
{
    if (e->input)
        input_close(e->input);
    if (e->resolver)
        resolver_close(e->resolver, NULL, NULL);
    uv_close((uv_handle_t *)&e->turn, on_abandoned);
}

static void on_turn_closed(uv_handle_t *handle)
{
    struct engine *e = handle->data;
    e->events.on_end(e->events.context);
}

static void on_resolver_closed(void *context)
{
    struct engine *e = context;
    uv_close((uv_handle_t *)&e->turn, on_turn_closed);
}

static void end(struct engine *e)
{
    if (e->ended)
        return;
    e->ended = true;
    uv_idle_stop(&e->turn);
    if (e->input)
        input_close(e->input);
    resolver_close(e->resolver, on_resolver_closed, e);
}

static void serve_waiting(struct engine *e)
{
    while (!e->stopping && e->waiting_first && e->counts.active < e->room) {
        struct host *h = e->waiting_first;
        e->waiting_first = h->next_waiting;
        if (!e->waiting_first)
            e->waiting_last = NULL;
        h->waiting = false;
        host_pump(h);
    }
}

/* Many names may wait for one address: that must not cost memory without end. */
static size_t hosts_max(const struct engine *e)
{
    return (size_t)e->options.concurrency + LOOKUPS_MAX;
}

static void on_turn(uv_idle_t *turn)
{
    struct engine *e = turn->data;
    struct target_host target;

    uv_idle_stop(turn);
    do
        serve_waiting(e);
    while (!e->stopping && e->counts.active < e->room && e->lookups < LOOKUPS_MAX &&
           e->host_count < hosts_max(e) && next_target(e, &target) && (begin(e, &target), true));
    bool more = e->next_target < targets_count(e->targets) || e->stream_open;
    if (e->stopping || (!more && !e->hosts && !e->lookups))
        end(e);
}

static void wake(struct engine *e)
{
    if (!e->ended)
        uv_idle_start(&e->turn, on_turn);
}

/* A name and a password that nobody has; that they are ours can be read in any log (RFC 2606 keeps
   .invalid free). */
static bool make_up_login(struct network *n)
{
    unsigned char octets[20];
    uint64_t user, password;
    if (gnutls_rnd(GNUTLS_RND_NONCE, octets, sizeof octets) < 0)
        return false;
    memcpy(&user, octets, sizeof user);
    memcpy(&password, octets + 8, sizeof password);
    memcpy(&n->nonce, octets + 16, sizeof n->nonce);
    snprintf(n->user, sizeof n->user, "%016" PRIx64 "@starttls-audit.invalid", user);
    snprintf(n->password, sizeof n->password, "starttls-audit-%016" PRIx64, password);
    return true;
}

/* Two names may lead to one service, and a name to an address that is a target itself. Names are the
   last of the targets. */
static bool may_meet_twice(const struct targets *targets, const struct targets_stream *stream)
{
    uint64_t count = targets_count(targets);
    struct target_host last;
    return stream || (count && targets_host(targets, count - 1, &last) && last.name);
}

/* --- the engine ------------------------------------------------------------------------------- */

struct engine *engine_new(uv_loop_t *loop, const struct engine_options *options,
                          const struct targets *targets, struct targets_stream *stream,
                          int stream_fd, struct engine_events events, FILE *errors)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->loop = loop;
    e->options = *options;
    e->events = events;
    e->targets = targets;
    e->stream = stream;
    e->stream_open = stream != NULL;
    e->room = options->concurrency;
    e->network = (struct network){.loop = loop,
                                  .tls = tls_context_new(errors),
                                  .chains = chains_new(options->endpoint.trust),
                                  .deadlines = options->deadlines,
                                  .source = options->source,
                                  .name = options->name,
                                  .input = malloc(NETWORK_BUFFER),
                                  .plain = malloc(NETWORK_BUFFER)};
    bool named = make_up_login(&e->network);
    if (may_meet_twice(targets, stream))
        e->tried = tried_new();
    e->resolver = resolver_new(loop, &(struct resolver_options){.server = options->resolver});
    if (!e->resolver)
        fprintf(errors, "names cannot be resolved: bad server address, or no memory\n");
    if (stream)
        e->input = input_new(loop, stream_fd, on_input, e);
    if (stream && !e->input)
        fprintf(errors, "standard input cannot be read\n");
    uv_idle_init(loop, &e->turn);
    e->turn.data = e;
    if (named && e->network.tls && e->network.chains && e->network.input && e->network.plain &&
        e->resolver && (e->input || !stream))
        return e;
    abandon(e);
    return NULL;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    tls_context_free(e->network.tls);
    chains_free(e->network.chains);
    tried_free(e->tried);
    free(e->network.input);
    free(e->network.plain);
    free(e);
}

void engine_start(struct engine *e)
{
    wake(e);
}

void engine_stop(struct engine *e)
{
    if (e->stopping)
        return;
    e->stopping = true;
    for (struct host *h = e->hosts, *next; h; h = next) {
        next = h->next;
        for (size_t i = 0; i < h->view.count; i++)
            if (h->tasks[i].probe)
                probe_cancel(h->tasks[i].probe);
        host_free(h);
    }
    e->waiting_first = e->waiting_last = NULL;
    wake(e);
}

struct engine_counts engine_counts(const struct engine *e)
{
    return e->counts;
}
