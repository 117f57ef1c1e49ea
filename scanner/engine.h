/* SPDX-License-Identifier: MIT */
/*
 * engine.h: many hosts at once on one loop.
 *
 *   targets, stream ──> hosts (names: resolved) ──> endpoints ──> probes
 *                         └─> on_host(): all that was seen of it, once
 *
 * The host is the unit of work: at most per_host of its endpoints have a connection at a time, one
 * to a port, and what was seen of it goes out together. A host is begun only when there is room for
 * a connection, so that memory follows concurrency and not the number of targets.
 */
#ifndef SCANNER_ENGINE_H
#define SCANNER_ENGINE_H

#include <uv.h>

#include "scanner/endpoint.h"
#include "scanner/targets.h"

struct engine_options {
    struct endpoint_options endpoint;
    struct deadlines deadlines;
    unsigned concurrency; /* connections at once                                  */
    unsigned per_host;    /* of them to one address                               */
    const struct address *source;
    const char *name;     /* for EHLO, or NULL                                    */
    const char *resolver; /* ADDRESS[:PORT], or NULL for the system's             */
};

struct engine_counts {
    uint64_t hosts, answered; /* hosts done; of them, those that accepted a connection */
    uint64_t endpoints, connections;
    uint64_t statuses[STATUS_COUNT];
    unsigned active; /* connections now */
};

struct engine_events {
    /* A host is complete; the view is valid during the call. False ends the run. */
    bool (*on_host)(void *context, const struct host_view *);
    /* Something that people should know, a line without its end. */
    void (*on_message)(void *context, const char *);
    /* It is over, and no handle of the engine is left on the loop. */
    void (*on_end)(void *context);
    void *context;
};

struct engine;

/* stream: more targets from this descriptor, or NULL. Everything given outlives the engine. NULL:
 * said to errors. */
struct engine *engine_new(uv_loop_t *, const struct engine_options *, const struct targets *,
                          struct targets_stream *stream, int stream_fd, struct engine_events,
                          FILE *errors);
void engine_free(struct engine *); /* after on_end */

void engine_start(struct engine *);

/* Drops what is under way; hosts that are not complete are not told. */
void engine_stop(struct engine *);

struct engine_counts engine_counts(const struct engine *);

#endif
