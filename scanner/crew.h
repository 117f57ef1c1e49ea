/* SPDX-License-Identifier: MIT */
/*
 * crew.h: engines on as many threads as there are workers, fed from one dealer.
 *
 *   dealer ──(the caller's loop)──┬─> mailbox ──> engine   (a thread with a loop of its own)
 *                                 └─> mailbox ──> engine
 *
 * An address belongs to one worker: by its network if networks are to be spared (per_net), else by
 * itself, so that engines need no lock for their manners. Concurrency and rate are shared out
 * evenly. A crew of one has no thread: its engine runs on the caller's loop.
 */
#ifndef SCANNER_CREW_H
#define SCANNER_CREW_H

#include "scanner/engine.h"

struct crew_options {
    struct engine_options engine; /* concurrency and rate of all together */
    struct dealer_options dealer;
    unsigned workers;
};

struct crew_events {
    /* A host is complete. Called by its worker, and never by one worker twice at a time; the view
       is valid during the call. dealer_done() is the callee's. False ends the run. */
    bool (*on_host)(void *context, unsigned worker, const struct host_view *, struct dealt *);
    /* Something that people should know, a line without its end. From any thread. */
    void (*on_message)(void *context, const char *);
    /* A host could not be scanned for want of memory, or what was seen of it not be kept: the run is
       not whole. As on_message. */
    void (*on_loss)(void *context, const char *);
    /* A thread has begun; called by it, before it does anything else. May be NULL. */
    void (*on_thread)(void *context);
    /* It is over: no thread is left, and no handle of the crew on the loop. */
    void (*on_end)(void *context);
    /* As in source_options; from the caller's thread. */
    bool (*is_done)(void *context, const struct target_host *, const struct address *);
    void *context;
};

struct crew;

/* As dealer_new(); NULL: said to errors. What was begun closes as the loop is run to its end. */
struct crew *crew_new(uv_loop_t *, const struct crew_options *, const struct targets *,
                      struct targets_stream *stream, int stream_fd, struct crew_events,
                      FILE *errors);
void crew_free(struct crew *); /* after on_end */

/* False: a thread could not be begun; then as after crew_stop(). */
bool crew_start(struct crew *);

/* Drops what is under way; hosts that are not complete are not told. From the caller's thread. */
void crew_stop(struct crew *);

/* Connections now; from any thread. */
unsigned crew_active(const struct crew *);

struct dealer *crew_dealer(struct crew *);

#endif
