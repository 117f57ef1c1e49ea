/* SPDX-License-Identifier: MIT */
/*
 * dealer.h: what is to be scanned, one address after another.
 *
 *   targets ── shard, order ──┬─> addresses ────────────────────────┬──> assignments
 *   stream ─── shard ─────────┴─> names ── resolver ── exclusions ──┘
 *
 * Targets have numbers, in the order in which they are dealt out: first those that are known when
 * the run begins, in a seeded order, then those of a stream as they come. Of N shards this one has
 * every Nth target. A name is one target, and as many assignments as it has addresses that may be
 * asked; each of them says which others are left out. What was
 * dealt out and is not done is pending: the number from which to go on, what is pending, and
 * whatever was written down of the rest is all that a run needs to be continued.
 *
 * Everything here runs on one loop, but for dealer_done() and dealer_state(), which any
 * thread may call.
 */
#ifndef SCANNER_DEALER_H
#define SCANNER_DEALER_H

#include <uv.h>

#include "scanner/omission.h"
#include "scanner/targets.h"

struct dealer_options {
    uint64_t seed;
    bool ordered;           /* targets come as they were given, and not by the seed */
    unsigned shard, shards; /* shards 0: all of them are ours                     */
    const char *resolver;   /* ADDRESS[:PORT], or NULL for the system's             */
    /* To go on with: numbers from here on, and of those below only these (ascending). Numbers of
       a stream are counted on behind those of the targets. */
    uint64_t from;
    const uint64_t *again;
    size_t again_count;
    /* Is this address (family 0: it has none) of this target done already? May be NULL. */
    bool (*is_done)(void *context, const struct target_host *, const struct address *);
};

/* A target that was dealt out, until all its assignments are done. */
struct dealt;

/* One address to be scanned. */
struct assignment {
    struct target_host target;
    struct address address; /* family 0: the name has none, and the word says why */
    const char *word;
    const struct omissions
        *omissions; /* of the name; NULL: there are none. Lives as long as dealt */
    struct dealt *dealt;
};

struct dealer_events {
    /* There may be more now, or it may be the end. */
    void (*on_ready)(void *context);
    /* Something that people should know, a line without its end. */
    void (*on_message)(void *context, const char *);
    /* A target, or addresses of it, could not be dealt out for want of memory: the run is not whole.
       What is said of it is such a line. */
    void (*on_loss)(void *context, const char *);
    /* Closed: no handle is left on the loop. */
    void (*on_closed)(void *context);
    void *context; /* also of is_done */
};

struct dealer;

/* stream: more targets from this descriptor, or NULL. Targets, stream and options' arrays outlive
   the dealer. NULL: said to errors; what was begun closes as the loop is run to its end. */
struct dealer *dealer_new(uv_loop_t *, const struct dealer_options *, const struct targets *,
                          struct targets_stream *stream, int stream_fd, struct dealer_events,
                          FILE *errors);

enum dealer_step {
    DEALER_HOST, /* here is one                          */
    DEALER_WAIT, /* there will be more: on_ready says so */
    DEALER_END   /* that was all                         */
};

enum dealer_step dealer_next(struct dealer *, struct assignment *);

/* This assignment is done. True: it was the last of its target, which is no longer pending. */
bool dealer_done(struct dealer *, struct dealt *);

/* No more will be dealt out: gives up what is being resolved, and closes. Once. */
void dealer_close(struct dealer *);

/* After on_closed. */
void dealer_free(struct dealer *);

/* Where it stands: all numbers below the cursor were dealt out; of them those in pending[], which
   is the caller's to free, are not done. False: out of memory. */
struct dealer_state {
    uint64_t cursor;
    uint64_t *pending; /* ascending */
    size_t count;
};
bool dealer_state(struct dealer *, struct dealer_state *);

/* Of this many targets, those that a shard has. */
uint64_t shard_size(uint64_t targets, unsigned shard, unsigned shards);

#endif
