/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/crew.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "scanner/nets.h"

#define MAILBOX 256 /* assignments; a worker that has half of them left is fed again */

struct worker {
    struct crew *crew;
    unsigned number;
    struct engine *engine;
    uv_loop_t loop; /* of a thread, if it has one */
    bool has_loop;
    uv_async_t call; /* there is mail, or it is to stop */
    uv_tcp_t spare;  /* see open_spare() */
    pthread_t thread;
    bool running; /* the thread is to be joined */

    pthread_mutex_t lock;    /* for what follows */
    struct assignment *mail; /* [MAILBOX], a ring */
    size_t first, count;
    bool closed, stop; /* no more mail; and what is under way is to be dropped */
    bool finished;     /* nobody listens to calls any more                     */
};

struct crew {
    struct crew_options options;
    struct crew_events events;
    uv_loop_t *loop;
    struct dealer *dealer;
    struct worker *workers;
    unsigned count;
    bool threaded;          /* otherwise the one engine runs on the caller's loop      */
    struct assignment held; /* dealt out, but its worker has no room for it            */
    bool holds, dealing, ended;
    uv_async_t wanted; /* a worker has room again, or has finished; or the dealer is ready */
};

/* --- whose address it is ---------------------------------------------------------------------- */

/* FNV-1a: spreads a few octets, and is the same everywhere. */
static unsigned owner_of(const struct crew *c, const struct assignment *a)
{
    struct address key = c->options.engine.per_net ? net_of(&a->address) : a->address;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof key.bytes; i++)
        hash = (hash ^ key.bytes[i]) * UINT64_C(0x100000001b3);
    return (unsigned)((hash ^ hash >> 32) % c->count);
}

/* --- mail ------------------------------------------------------------------------------------- */

/* Under the lock: calls may come until the worker has finished. */
static void call_worker(struct worker *w)
{
    if (!w->finished)
        uv_async_send(&w->call);
}

static bool mail_put(struct worker *w, const struct assignment *a)
{
    pthread_mutex_lock(&w->lock);
    bool room = w->count < MAILBOX;
    if (room)
        w->mail[(w->first + w->count) % MAILBOX] = *a;
    w->count += room;
    if (room && w->count == 1)
        call_worker(w);
    pthread_mutex_unlock(&w->lock);
    return room;
}

/* For an engine: what it is to scan next. */
static enum dealer_step mail_take(void *context, struct assignment *a)
{
    struct worker *w = context;
    pthread_mutex_lock(&w->lock);
    enum dealer_step step = w->count ? DEALER_HOST : w->closed ? DEALER_END : DEALER_WAIT;
    if (step == DEALER_HOST) {
        *a = w->mail[w->first];
        w->first = (w->first + 1) % MAILBOX;
        w->count--;
    }
    bool low = step == DEALER_HOST && (w->count == MAILBOX / 2 || w->count == 0);
    pthread_mutex_unlock(&w->lock);
    if (low)
        uv_async_send(&w->crew->wanted);
    return step;
}

static void mail_close(struct worker *w, bool stop)
{
    pthread_mutex_lock(&w->lock);
    w->closed = true;
    w->stop |= stop;
    call_worker(w);
    pthread_mutex_unlock(&w->lock);
}

/* Hands on what the dealer has until a worker's mailbox is full: that worker sets the pace, since
   hosts are spread evenly. */
static void deal(struct crew *c)
{
    while (c->dealing) {
        enum dealer_step step = c->holds ? DEALER_HOST : dealer_next(c->dealer, &c->held);
        c->holds = step == DEALER_HOST;
        if (step == DEALER_WAIT)
            return;
        if (step == DEALER_END) {
            c->dealing = false;
            for (unsigned i = 0; i < c->count; i++)
                mail_close(&c->workers[i], false);
            return;
        }
        if (!mail_put(&c->workers[owner_of(c, &c->held)], &c->held))
            return;
        c->holds = false;
    }
}

/* --- the dealer ------------------------------------------------------------------------------- */

static void on_ready(void *context)
{
    struct crew *c = context;
    if (c->threaded)
        uv_async_send(&c->wanted);
    else
        engine_wake(c->workers[0].engine);
}

static void on_message(void *context, const char *text)
{
    struct crew *c = context;
    c->events.on_message(c->events.context, text);
}

static void on_loss(void *context, const char *text)
{
    struct crew *c = context;
    c->events.on_loss(c->events.context, text);
}

static bool is_done(void *context, const struct target_host *target, const struct address *address)
{
    struct crew *c = context;
    return c->events.is_done(c->events.context, target, address);
}

static void on_dealer_closed(void *context)
{
    struct crew *c = context;
    c->events.on_end(c->events.context);
}

/* All engines have ended. */
static void end(struct crew *c)
{
    c->ended = true;
    c->dealing = false;
    if (c->dealer)
        dealer_close(c->dealer);
    else
        on_dealer_closed(c);
}

static void on_wanted_closed(uv_handle_t *wanted)
{
    end(wanted->data);
}

/* --- engines ---------------------------------------------------------------------------------- */

static bool on_host(void *context, const struct host_view *view, struct dealt *dealt)
{
    struct worker *w = context;
    struct crew *c = w->crew;
    return c->events.on_host(c->events.context, w->number, view, dealt);
}

static void on_engine_message(void *context, const char *text)
{
    struct worker *w = context;
    on_message(w->crew, text);
}

static void on_engine_loss(void *context, const char *text)
{
    struct worker *w = context;
    on_loss(w->crew, text);
}

static enum dealer_step dealer_take(void *context, struct assignment *a)
{
    struct worker *w = context;
    return dealer_next(w->crew->dealer, a);
}

/* On a thread, that is the end of its loop. */
static void on_engine_end(void *context)
{
    struct worker *w = context;
    if (!w->crew->threaded) {
        end(w->crew);
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->finished = true;
    pthread_mutex_unlock(&w->lock);
    uv_close((uv_handle_t *)&w->call, NULL);
    uv_async_send(&w->crew->wanted);
}

/* This share of what all may do together: no less than 1. */
static unsigned share(unsigned all, unsigned count, unsigned number)
{
    unsigned mine = all / count + (all % count > number);
    return mine ? mine : 1;
}

static bool make_engine(struct worker *w, FILE *errors)
{
    struct crew *c = w->crew;
    struct engine_options o = c->options.engine;
    struct engine_events events = {c->threaded ? mail_take : dealer_take,
                                   on_host,
                                   on_engine_message,
                                   on_engine_loss,
                                   on_engine_end,
                                   w};
    o.concurrency = share(o.concurrency, c->count, w->number);
    o.rate /= c->count;
    w->engine = engine_new(c->threaded ? &w->loop : c->loop, &o, events, errors);
    return w->engine != NULL;
}

/* --- threads ---------------------------------------------------------------------------------- */

static void on_call(uv_async_t *call)
{
    struct worker *w = call->data;
    pthread_mutex_lock(&w->lock);
    bool stop = w->stop;
    pthread_mutex_unlock(&w->lock);
    if (stop)
        engine_stop(w->engine);
    else
        engine_wake(w->engine);
}

static void *work(void *context)
{
    struct worker *w = context;
    struct crew *c = w->crew;
    if (c->events.on_thread)
        c->events.on_thread(c->events.context);
    engine_wake(w->engine);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* Signals are the caller's thread's. */
static bool begin_thread(struct worker *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    w->running = pthread_create(&w->thread, NULL, work, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return w->running;
}

/* Threads that have finished are joined; after the last of them it is over. */
static void on_wanted(uv_async_t *wanted)
{
    struct crew *c = wanted->data;
    bool all = true;

    if (c->ended)
        return;
    deal(c);
    for (unsigned i = 0; i < c->count; i++) {
        struct worker *w = &c->workers[i];
        pthread_mutex_lock(&w->lock);
        bool finished = w->finished;
        pthread_mutex_unlock(&w->lock);
        if (finished && w->running)
            pthread_join(w->thread, NULL);
        w->running = w->running && !finished;
        all &= !w->running;
    }
    if (!all)
        return;
    c->ended = true;
    uv_close((uv_handle_t *)&c->wanted, on_wanted_closed);
}

/* A worker whose thread was never begun: its loop is run to its end here. */
static void discard(struct worker *w)
{
    if (w->engine)
        engine_stop(w->engine);
    else
        uv_close((uv_handle_t *)&w->call, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    w->finished = true;
}

/* A loop opens a spare descriptor with its first stream; a thread may be able to open nothing. */
static void open_spare(struct worker *w)
{
    if (uv_tcp_init(&w->loop, &w->spare) == 0)
        uv_close((uv_handle_t *)&w->spare, NULL);
}

static bool make_worker(struct crew *c, unsigned number, FILE *errors)
{
    struct worker *w = &c->workers[number];
    if (!c->threaded)
        return make_engine(w, errors);
    w->mail = calloc(MAILBOX, sizeof *w->mail);
    w->has_loop = w->mail && uv_loop_init(&w->loop) == 0;
    if (!w->has_loop || uv_async_init(&w->loop, &w->call, on_call) < 0)
        return false;
    w->call.data = w;
    w->finished = false;
    open_spare(w);
    return make_engine(w, errors);
}

/* --- the crew --------------------------------------------------------------------------------- */

static void on_abandoned(void *context)
{
    crew_free(context);
}

/* What crew_new() could not complete. */
static void abandon(struct crew *c)
{
    for (unsigned i = 0; i < c->count; i++)
        if (!c->workers[i].finished)
            discard(&c->workers[i]);
    if (c->threaded)
        uv_close((uv_handle_t *)&c->wanted, on_wanted_closed);
    else
        end(c);
}

struct crew *crew_new(uv_loop_t *loop, const struct crew_options *options,
                      const struct targets *targets, struct targets_stream *stream, int stream_fd,
                      struct crew_events events, FILE *errors)
{
    struct crew *c = calloc(1, sizeof *c);
    struct dealer_options dealer = options->dealer;
    if (!c)
        return NULL;
    c->options = *options;
    c->events = events;
    c->loop = loop;
    c->dealing = true;
    c->threaded = options->workers > 1;
    c->workers = calloc(options->workers, sizeof *c->workers);
    if (c->threaded && uv_async_init(loop, &c->wanted, on_wanted) < 0)
        c->threaded = false;
    c->wanted.data = c;
    dealer.is_done = events.is_done ? is_done : NULL;
    bool ok =
        made_up_new(&c->options.engine.made_up) && c->workers &&
        c->threaded == (options->workers > 1) &&
        (c->dealer = dealer_new(
             loop, &dealer, targets, stream, stream_fd,
             (struct dealer_events){on_ready, on_message, on_loss, on_dealer_closed, c}, errors));
    for (unsigned i = 0; c->workers && i < options->workers; i++, c->count++) {
        c->workers[i] = (struct worker){.crew = c, .number = i, .finished = true};
        pthread_mutex_init(&c->workers[i].lock, NULL);
    }
    for (unsigned i = 0; ok && i < c->count; i++)
        ok = make_worker(c, i, errors);
    if (ok)
        return c;
    c->events.on_end = on_abandoned;
    c->events.context = c;
    abandon(c);
    return NULL;
}

void crew_free(struct crew *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->count; i++) {
        struct worker *w = &c->workers[i];
        if (w->has_loop)
            uv_loop_close(&w->loop);
        engine_free(w->engine);
        pthread_mutex_destroy(&w->lock);
        free(w->mail);
    }
    dealer_free(c->dealer);
    free(c->workers);
    free(c);
}

bool crew_start(struct crew *c)
{
    bool ok = true;
    if (!c->threaded)
        engine_wake(c->workers[0].engine);
    for (unsigned i = 0; c->threaded && i < c->count; i++)
        ok = ok && begin_thread(&c->workers[i]);
    if (!ok)
        crew_stop(c);
    else if (c->threaded)
        uv_async_send(&c->wanted);
    return ok;
}

void crew_stop(struct crew *c)
{
    c->dealing = false;
    if (!c->threaded && !c->ended)
        engine_stop(c->workers[0].engine);
    for (unsigned i = 0; c->threaded && !c->ended && i < c->count; i++)
        if (c->workers[i].running)
            mail_close(&c->workers[i], true);
        else if (!c->workers[i].finished)
            discard(&c->workers[i]); /* it never began */
    if (c->threaded && !c->ended)
        uv_async_send(&c->wanted);
}

unsigned crew_active(const struct crew *c)
{
    unsigned active = 0;
    for (unsigned i = 0; i < c->count; i++)
        active += engine_active(c->workers[i].engine);
    return active;
}

struct dealer *crew_dealer(struct crew *c)
{
    return c->dealer;
}
