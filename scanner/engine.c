/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/engine.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <search.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "scanner/nets.h"
#include "scanner/pace.h"
#include "scanner/tried.h"

#define HOSTS_BESIDE 256  /* hosts that have no connection now, but wait for one         */
#define STARVED_WAIT 100  /* ms between two looks for a descriptor, if there is not even one */
#define STARVED_MAX 300   /* looks in a row                                                   */
#define STALLS_MAX 8U     /* times that an endpoint is asked again what a stall of ours cut short */
#define SLEEPERS_MAX 512U /* hosts that turned us away and wait; more of them are let go */

struct host;

/* One endpoint of a host that is being scanned. */
struct task {
    struct host *host;
    struct endpoint endpoint;
    struct probe *probe; /* under way, or NULL */
    uint64_t begun;      /* when it was       */
    bool talking;        /* it is one of the host's dialogues */
    bool held;           /* it is connected, and waits to become one */
    bool complete;
    unsigned stalled; /* times that a stall cut a probe of it short */
};

/* What a host waits for; never for two things. */
enum waiting { WAITING_NOT, WAITING_ROOM, WAITING_NET, WAITING_TIME };

struct host {
    struct engine *engine;
    struct host *next, *previous; /* among all that are under way               */
    struct host *next_waiting;    /* for the same                               */
    struct host *parked;          /* of the same address: begun when this one is done */
    enum waiting waiting;
    bool registered;
    struct target_host target;
    struct dealt *dealt;
    struct host_view view;
    struct net *net; /* NULL: nobody counts */
    struct patience patience;
    enum course course;
    unsigned talking, held; /* of its endpoints */
    size_t complete;        /* endpoints that have no more to ask in this course */
    struct task *tasks;     /* [view.count] */
};

struct engine {
    uv_loop_t *loop;
    struct engine_options options;
    struct engine_events events;
    struct network network;
    bool feed_open, feed_dry; /* there is more; but not now */
    unsigned room;    /* connections that may be open; less than asked for if descriptors ran out */
    unsigned starved; /* times in a row that there was no descriptor for anything */
    bool starving;    /* and now there is none */
    unsigned active;
    atomic_uint shown; /* the same, for other threads */
    struct rate rate;
    struct host *hosts;
    size_t host_count;
    struct queue waiting;  /* for room */
    struct host *sleepers; /* those that wait for a time, the earliest first */
    unsigned sleeper_count;
    struct nets nets;    /* empty, if there is no limit */
    struct tried *tried; /* NULL: no service can be met twice */
    void *addresses;     /* tsearch: the host that each address is being scanned as */
    bool stopping, ended;
    uv_idle_t turn;   /* pumps from the loop, never from inside a callback of ours */
    uv_timer_t alarm; /* when a sleeper wakes, or the rate allows more             */
    unsigned open_handles;
    struct stall stall;
};

static void wake(struct engine *e);
static void on_alarm(uv_timer_t *);

/* --- waiting ---------------------------------------------------------------------------------- */

static void queue_add(struct queue *q, struct host *h)
{
    h->next_waiting = NULL;
    *(q->last ? &q->last->next_waiting : &q->first) = h;
    q->last = h;
}

static struct host *queue_take(struct queue *q)
{
    struct host *h = q->first;
    if (h && !(q->first = h->next_waiting))
        q->last = NULL;
    return h;
}

static void host_wait(struct host *h)
{
    if (h->waiting != WAITING_NOT)
        return;
    h->waiting = WAITING_ROOM;
    queue_add(&h->engine->waiting, h);
}

/* The network has room: the next host may try. Whoever does not use it passes it on. */
static void pass_on(struct host *h)
{
    struct net *net = h->net;
    if (!net || net->active >= h->engine->options.per_net || !net->waiting.first)
        return;
    h = queue_take(&net->waiting);
    h->waiting = WAITING_NOT;
    host_wait(h);
}

/* Until patience.not_before. Delays are few and alike: most sleepers go to the end. */
static void host_sleep(struct host *h)
{
    struct engine *e = h->engine;
    struct host **at = &e->sleepers;
    if (h->waiting == WAITING_TIME)
        return;
    while (*at && (*at)->patience.not_before <= h->patience.not_before)
        at = &(*at)->next_waiting;
    h->waiting = WAITING_TIME;
    h->next_waiting = *at;
    *at = h;
    e->sleeper_count++;
}

static void wake_sleepers(struct engine *e)
{
    uint64_t now = uv_now(e->loop);
    while (e->sleepers && e->sleepers->patience.not_before <= now) {
        struct host *h = e->sleepers;
        e->sleepers = h->next_waiting;
        e->sleeper_count--;
        h->waiting = WAITING_NOT;
        host_wait(h);
    }
}

/* --- hosts ------------------------------------------------------------------------------------ */

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
    if (!e->stopping)
        pass_on(h);
    if (h->net)
        nets_leave(&e->nets, h->net);
    for (size_t i = 0; i < h->view.count; i++) {
        endpoint_free(&h->tasks[i].endpoint);
        observation_free(&h->view.endpoints[i]);
    }
    *(h->previous ? &h->previous->next : &e->hosts) = h->next;
    if (h->next)
        h->next->previous = h->previous;
    e->host_count--;
    free(h);
}

/* A host with its observations and tasks is one piece of memory. */
static struct host *host_new(struct engine *e, const struct assignment *a)
{
    size_t count = a->target.service_count;
    struct host *h = calloc(1, sizeof *h + count * (sizeof *h->view.endpoints + sizeof *h->tasks));
    if (!h)
        return NULL;
    h->engine = e;
    h->target = a->target;
    h->dealt = a->dealt;
    h->view.target = &h->target;
    h->view.count = count;
    h->view.address = a->address;
    h->view.omissions = a->omissions;
    h->view.endpoints = (struct observation *)(h + 1);
    h->tasks = (struct task *)(h->view.endpoints + count);
    h->patience = patience_new(e->options.patience_ms);
    for (size_t i = 0; i < count; i++) {
        observation_init(&h->view.endpoints[i], a->target.services[i]);
        h->tasks[i].host = h;
        endpoint_init(&h->tasks[i].endpoint, &h->view.endpoints[i], &e->options.endpoint,
                      &e->network, &h->view.address, a->target.name);
    }
    h->next = e->hosts;
    if (e->hosts)
        e->hosts->previous = h;
    e->hosts = h;
    e->host_count++;
    return h;
}

static void host_tell(struct host *h)
{
    struct engine *e = h->engine;

    e->room += e->room < e->options.concurrency; /* descriptors may have come back */
    bool going_on = e->events.on_host(e->events.context, &h->view, h->dealt);
    host_free(h);
    if (!going_on)
        engine_stop(e);
    wake(e);
}

/* --- probes ----------------------------------------------------------------------------------- */

static void count_active(struct engine *e, int change)
{
    e->active += (unsigned)change;
    atomic_store_explicit(&e->shown, e->active, memory_order_relaxed);
}

static void on_note(void *context, bool secure, enum note note, struct span text)
{
    struct task *t = context;
    endpoint_note(&t->endpoint, secure, note, text);
}

/* A host that is to be spared is asked one thing at a time, and not at all before its time. */
static bool must_rest(const struct host *h)
{
    return h->patience.space && uv_now(h->engine->loop) < h->patience.not_before;
}

static bool is_spared(const struct host *h)
{
    return h->patience.space || h->patience.at_an_end;
}

static unsigned dialogues_max(const struct host *h)
{
    return is_spared(h) ? 1 : h->engine->options.per_host;
}

static void set_talking(struct task *t, bool talking)
{
    t->host->talking += talking;
    t->host->talking -= t->talking;
    t->talking = talking;
}

static void set_held(struct task *t, bool held)
{
    t->host->held += held;
    t->host->held -= t->held;
    t->held = held;
}

/* It is connected: may it begin to talk? */
static bool on_connected(void *context)
{
    struct task *t = context;
    struct host *h = t->host;

    h->view.answered = true;
    if (!t->talking && (must_rest(h) || h->talking >= dialogues_max(h))) {
        set_held(t, true);
        return false;
    }
    set_talking(t, true);
    return true;
}

/* Those that are connected come first: they are kept waiting no longer than must be. */
static void begin_held(struct host *h)
{
    if (must_rest(h))
        return;
    for (size_t i = 0; h->held && i < h->view.count && h->talking < dialogues_max(h); i++) {
        struct task *t = &h->tasks[i];
        if (!t->held)
            continue;
        set_held(t, false);
        set_talking(t, true);
        probe_begin(t->probe);
    }
}

/* Lost while it was made to wait for its turn: that says nothing of the peer. */
static bool tired_of_waiting(const struct probe_facts *f)
{
    enum cause cause = f->outcome.cause;
    return f->held &&
           (!f->begun || (f->received == 0 && (cause == CAUSE_CLOSED || cause == CAUSE_RESET)));
}

/* What our own stall cut short is asked again, unless it is what we were busy with. */
static bool is_worth_again(struct task *t, const struct probe_facts *f)
{
    return f->stalled && !f->slow && t->stalled++ < STALLS_MAX;
}

static void on_probe_done(void *context, struct probe *probe)
{
    struct task *t = context;
    struct host *h = t->host;
    struct engine *e = h->engine;
    struct probe_facts facts = probe_facts(probe);
    bool put_off = endpoint_put_off(&t->endpoint, &facts);

    t->probe = NULL;
    set_talking(t, false);
    set_held(t, false);
    count_active(e, -1);
    if (h->net)
        h->net->active--;
    pass_on(h);
    if (tired_of_waiting(&facts) || is_worth_again(t, &facts)) {
        endpoint_postpone(&t->endpoint, &facts);
    } else if (put_off && e->sleeper_count < SLEEPERS_MAX &&
               patience_setback(&h->patience, t->begun, uv_now(e->loop))) {
        endpoint_postpone(&t->endpoint, &facts);
    } else {
        if (facts.received && !put_off)
            patience_success(&h->patience);
        endpoint_absorb(&t->endpoint, &facts);
    }
    begin_held(h);
    host_wait(h); /* behind those that wait already */
    wake(e);
}

/* --- what is asked of a host ------------------------------------------------------------------ */

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

static bool has_room(struct engine *e)
{
    return !e->starving && e->active < e->room && rate_wait(&e->rate, uv_now(e->loop)) == 0;
}

/* May a connection to this host begin? If not, the host waits for what it takes. */
static bool may_connect(struct host *h)
{
    struct engine *e = h->engine;
    if (must_rest(h)) {
        host_sleep(h);
        return false;
    }
    if (!has_room(e)) {
        host_wait(h);
        return false;
    }
    if (h->net && h->net->active >= e->options.per_net) {
        h->waiting = WAITING_NET;
        queue_add(&h->net->waiting, h);
        return false;
    }
    return true;
}

enum started { STARTED, COMPLETE, WAITING };

static enum started task_start(struct task *t)
{
    struct host *h = t->host;
    struct engine *e = h->engine;
    struct probe_request request;

    if (!endpoint_next(&t->endpoint, h->course, &request)) {
        t->complete = true;
        h->complete++;
        return COMPLETE;
    }
    if (!may_connect(h)) {
        endpoint_withdraw(&t->endpoint);
        return WAITING;
    }
    request.note = on_note;
    request.on_connected = on_connected;
    request.on_done = on_probe_done;
    request.context = t;
    if (probe_start(&e->network, &request, &t->probe)) {
        e->starved = 0;
        t->begun = uv_now(e->loop);
        count_active(e, 1);
        rate_take(&e->rate);
        patience_begin(&h->patience, t->begun);
        if (h->net)
            h->net->active++;
        return STARTED;
    }
    if (e->active > 0 || e->starved++ < STARVED_MAX) {
        e->room = e->active ? e->active : 1; /* as many as there are now is all there can be */
        e->starving = e->active == 0;        /* others have them all */
        endpoint_withdraw(&t->endpoint);
        host_wait(h);
        return WAITING;
    }
    endpoint_absorb(&t->endpoint,
                    &(struct probe_facts){.outcome = {PHASE_CONNECT, CAUSE_LOCAL, 0}});
    return task_start(t);
}

/* May this endpoint be asked something now? The first connection needs no dialogue to spare. */
static bool is_due(const struct host *h, const struct task *t, bool first)
{
    bool begun = t->endpoint.observation->connections > 0;
    return !t->complete && begun != first && !port_is_busy(h, t) &&
           ((first && !is_spared(h)) || h->talking + h->held < dialogues_max(h));
}

/* Opens what may be opened; an endpoint that was begun goes on before another is begun. Where one
   thing is asked at a time, a connection is that from the start. False: it waits for something
   now. */
static bool connect_more(struct host *h)
{
    for (int first = 0; first <= 1; first++)
        for (size_t i = 0; i < h->view.count; i++) {
            struct task *t = &h->tasks[i];
            if (!is_due(h, t, first == 1))
                continue;
            enum started how = task_start(t);
            if (how == WAITING)
                return false;
            if (how == STARTED && (first == 0 || is_spared(h)))
                set_talking(t, true);
        }
    return true;
}

static void host_pump(struct host *h)
{
    for (;;) {
        begin_held(h);
        if (h->waiting != WAITING_NOT)
            return; /* one of them broke as it began: the host stands in line again */
        bool served = connect_more(h);
        if (!served || h->complete < h->view.count) {
            if (h->waiting != WAITING_NET)
                pass_on(h);
            return;
        }
        if (h->course + 1 == COURSE_COUNT) {
            host_complete(h);
            return;
        }
        begin_course(h, h->course + 1);
    }
}

/* --- what comes next -------------------------------------------------------------------------- */

static void tell_unresolved(struct host *h, const char *word)
{
    for (size_t i = 0; i < h->view.count; i++)
        endpoint_unresolved(&h->tasks[i].endpoint, CAUSE_DNS, word);
    host_tell(h);
}

static void begin(struct engine *e, const struct assignment *a)
{
    struct host *h = host_new(e, a);
    if (!h) {
        e->events.on_loss(e->events.context, "a host is left out: no memory");
        return;
    }
    if (a->word) {
        tell_unresolved(h, a->word);
        return;
    }
    if (e->options.per_net && !(h->net = nets_enter(&e->nets, &a->address)))
        e->events.on_message(e->events.context, "--per-net is not kept for a host: no memory");
    host_register(h);
}

/* The next host to be begun; false if there is none now. */
static bool next_assignment(struct engine *e, struct assignment *a)
{
    if (!e->feed_open || e->feed_dry)
        return false;
    switch (e->events.next(e->events.context, a)) {
    case DEALER_HOST:
        return true;
    case DEALER_WAIT:
        e->feed_dry = true;
        return false;
    case DEALER_END:
        break;
    }
    e->feed_open = false;
    return false;
}

static void serve_waiting(struct engine *e)
{
    while (!e->stopping && e->waiting.first && has_room(e)) {
        struct host *h = queue_take(&e->waiting);
        h->waiting = WAITING_NOT;
        host_pump(h);
    }
}

/* Hosts wait for an address that is taken, for a network that is full, or for a time: that must not
   cost memory without end. */
static bool may_begin(const struct engine *e)
{
    return e->host_count - e->sleeper_count < (size_t)e->options.concurrency + HOSTS_BESIDE;
}

static void set_alarm(struct engine *e)
{
    uint64_t now = uv_now(e->loop), wait = UINT64_MAX;
    if (e->sleepers)
        wait = e->sleepers->patience.not_before > now ? e->sleepers->patience.not_before - now : 0;
    if (e->starving && wait > STARVED_WAIT)
        wait = STARVED_WAIT;
    bool limited = e->active < e->room && (e->waiting.first || (e->feed_open && !e->feed_dry));
    uint64_t next = limited ? rate_wait(&e->rate, now) : 0;
    if (next && next < wait)
        wait = next;
    if (wait == UINT64_MAX)
        uv_timer_stop(&e->alarm);
    else
        uv_timer_start(&e->alarm, on_alarm, wait, 0);
}

static void on_stall_ended(void *context)
{
    struct engine *e = context;
    if (--e->open_handles == 0)
        e->events.on_end(e->events.context);
}

static void on_handle_closed(uv_handle_t *handle)
{
    on_stall_ended(handle->data);
}

static void end(struct engine *e)
{
    if (e->ended)
        return;
    e->ended = true;
    uv_close((uv_handle_t *)&e->turn, on_handle_closed);
    uv_close((uv_handle_t *)&e->alarm, on_handle_closed);
    stall_end(&e->stall, on_stall_ended, e);
}

static void on_turn(uv_idle_t *turn)
{
    struct engine *e = turn->data;
    struct assignment a;

    uv_idle_stop(turn);
    wake_sleepers(e);
    do
        serve_waiting(e);
    while (!e->stopping && has_room(e) && may_begin(e) && next_assignment(e, &a) &&
           (begin(e, &a), true));
    if (e->stopping || (!e->feed_open && !e->hosts))
        end(e);
    else
        set_alarm(e);
}

static void on_alarm(uv_timer_t *alarm)
{
    struct engine *e = alarm->data;
    e->starving = false;
    wake(e);
}

static void wake(struct engine *e)
{
    if (!e->ended)
        uv_idle_start(&e->turn, on_turn);
}

void engine_wake(struct engine *e)
{
    e->feed_dry = false;
    wake(e);
}

bool made_up_new(struct made_up *m)
{
    unsigned char octets[20];
    uint64_t user, password;
    if (gnutls_rnd(GNUTLS_RND_NONCE, octets, sizeof octets) < 0)
        return false;
    memcpy(&user, octets, sizeof user);
    memcpy(&password, octets + 8, sizeof password);
    memcpy(&m->nonce, octets + 16, sizeof m->nonce);
    snprintf(m->user, sizeof m->user, "%016" PRIx64 "@starttls-audit.invalid", user);
    snprintf(m->password, sizeof m->password, "starttls-audit-%016" PRIx64, password);
    return true;
}

/* --- the engine ------------------------------------------------------------------------------- */

struct engine *engine_new(uv_loop_t *loop, const struct engine_options *options,
                          struct engine_events events, FILE *errors)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->loop = loop;
    e->options = *options;
    e->events = events;
    e->feed_open = true;
    e->room = options->concurrency;
    e->rate = rate_new(options->rate, uv_now(loop));
    e->network = (struct network){.loop = loop,
                                  .tls = tls_context_new(errors),
                                  .chains = chains_new(options->endpoint.trust),
                                  .deadlines = options->deadlines,
                                  .source = options->source,
                                  .name = options->name,
                                  .user = e->options.made_up.user,
                                  .password = e->options.made_up.password,
                                  .nonce = options->made_up.nonce,
                                  .input = malloc(NETWORK_BUFFER),
                                  .plain = malloc(NETWORK_BUFFER)};
    bool ok = e->network.tls && e->network.chains && e->network.input && e->network.plain;
    if (options->meets_twice)
        ok = (e->tried = tried_new()) && ok;
    if (!ok) {
        engine_free(e);
        return NULL;
    }
    uv_idle_init(loop, &e->turn);
    uv_timer_init(loop, &e->alarm);
    e->turn.data = e->alarm.data = e;
    e->open_handles = 3;
    stall_begin(&e->stall, loop);
    e->network.stall = &e->stall;
    return e;
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
    e->waiting = (struct queue){0};
    e->sleepers = NULL;
    count_active(e, -(int)e->active);
    wake(e);
}

unsigned engine_active(const struct engine *e)
{
    return atomic_load_explicit(&e->shown, memory_order_relaxed);
}
