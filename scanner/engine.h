/* SPDX-License-Identifier: MIT */
/*
 * engine.h: many hosts at once on one loop.
 *
 *   feed ──> hosts ──> endpoints ──> probes
 *              └─> on_host(): all that was seen of it, once
 *
 * The host is the unit of work. All its ports are connected to at once, so that a silent host costs
 * one timeout and not one a port; a connection that comes about becomes that endpoint's first
 * dialogue as soon as there is one to spare: at most per_host of them go on at a time, one to a
 * port. A host that turns us away is asked again later, and more slowly. What was seen of it goes
 * out together. A host is begun only when there is room for a connection, so that memory follows
 * concurrency and not the number of targets.
 *
 * An engine and all it owns belong to the thread that runs its loop. Several engines share nothing
 * but what is const; an address must only ever be given to one of them.
 */
#ifndef SCANNER_ENGINE_H
#define SCANNER_ENGINE_H

#include <uv.h>

#include "scanner/dealer.h"
#include "scanner/endpoint.h"

/* What is said where credentials are asked for, the same all through a run. */
struct made_up {
    char user[48], password[40]; /* nobody's */
    unsigned nonce;
};

/* That they are ours can be read in any log (RFC 2606 keeps .invalid free). False: no chance. */
bool made_up_new(struct made_up *);

struct engine_options {
    struct endpoint_options endpoint;
    struct made_up made_up;
    struct deadlines deadlines;
    unsigned concurrency; /* connections at once                                  */
    unsigned per_host;    /* dialogues of them with one address                   */
    unsigned per_net;     /* connections to one /24 or /64; 0: no limit           */
    double rate;          /* connections begun in a second; 0: no limit           */
    unsigned patience_ms; /* for a host that turns us away, in all; 0: none       */
    bool meets_twice;     /* an address may come again, under another name        */
    const struct address *source;
    const char *name; /* for EHLO, or NULL */
};

struct engine_events {
    /* The next address; as dealer_next(). */
    enum dealer_step (*next)(void *context, struct assignment *);
    /* A host is complete; the view is valid during the call. False ends the run. */
    bool (*on_host)(void *context, const struct host_view *, struct dealt *);
    /* Something that people should know, a line without its end. */
    void (*on_message)(void *context, const char *);
    /* A host could not be begun for want of memory; a line, too. */
    void (*on_loss)(void *context, const char *);
    /* It is over, and no handle of the engine is left on the loop. */
    void (*on_end)(void *context);
    void *context;
};

struct engine;

/* The options' pointers outlive the engine. NULL: said to errors. */
struct engine *engine_new(uv_loop_t *, const struct engine_options *, struct engine_events,
                          FILE *errors);
void engine_free(struct engine *); /* after on_end */

/* There may be more to be had from next(): also what begins it all. */
void engine_wake(struct engine *);

/* Drops what is under way; hosts that are not complete are not told. */
void engine_stop(struct engine *);

/* Connections now; from any thread. */
unsigned engine_active(const struct engine *);

#endif
