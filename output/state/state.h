/* SPDX-License-Identifier: MIT */
/*
 * state.h: what was seen over the nights: runs, endpoints and findings in an SQLite database.
 *
 *   state_open() ──> state_begin() ──> state_take(record)… ──> state_commit() ──> changes
 *
 * A run is one transaction, and whatever is known is made of records alone: of the same files the
 * same history comes about again. Readers are never in the way; there is one writer at a time.
 */
#ifndef OUTPUT_STATE_H
#define OUTPUT_STATE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct state;

#define STATE_PROBLEM_SIZE ((size_t)256)

enum state_mode {
    STATE_READ,   /* it must be there, and is not changed */
    STATE_WRITE,  /* it is made if it is not there (mode 0640), and migrated if it is older */
    STATE_SCRATCH /* a private one without a name, gone when it is closed; the path is not used */
};

/* NULL: the problem says why, for people. */
struct state *state_open(const char *path, enum state_mode, char problem[STATE_PROBLEM_SIZE]);
void state_close(struct state *); /* what was not committed is as if it had never been */

/* What went wrong last, for people. */
const char *state_problem(const struct state *);

/* Nobody else can write from here on. False: among others, because another run is writing. */
bool state_begin(struct state *);

enum state_taken {
    STATE_TAKEN,
    STATE_KNOWN, /* a run_start of a run that is there already: the rest of it is not wanted either */
    STATE_REFUSED, /* a record that cannot be: the problem says what; it is left out. Of a
                      run_start: this run cannot be the next one, and no record of it can be taken */
    STATE_FAILED   /* nothing more can be done */
};

/* The records of one run, in their order, from its run_start on. */
enum state_taken state_take(struct state *, const cJSON *record);

/* The run ends here, with or without its run_end: changes are worked out, and all of it is kept. */
bool state_commit(struct state *);
void state_rollback(struct state *);

/* Forgets all there is, and begins anew: the runs that follow are one transaction, each ended by
   state_commit(), and kept only by state_commit_all(). They come in the order in which they were
   started. */
bool state_begin_anew(struct state *);
bool state_commit_all(struct state *);

/* The changes that a run brought (NULL: the last one), in a stable order, each a line of JSON
   without its end. False: no such run, or the function returned false. */
bool state_changes(struct state *, const char *run_id,
                   bool (*on_change)(void *context, const char *json), void *context);

/* An endpoint that was ever seen, with every address at which it was, and that is not given up. */
struct state_endpoint {
    const char *key, *protocol, *mode, *host, *ip; /* ip: "" if it never had one */
    unsigned port;
};

bool state_endpoints(struct state *,
                     bool (*on_endpoint)(void *context, const struct state_endpoint *),
                     void *context);

/* A run as it is kept, and the findings as they stood after it. */
struct state_entry {
    const char *run_id, *started, *scanner;
    const char *ended, *stopped_by; /* "" if it has no run_end, and if nothing stopped it */
    bool complete;
    int64_t recorded, answered, changes;
    int64_t open[5]; /* by severity, critical first; without those that are waived */
    int64_t waived, not_observed;
};

/* The earliest first; run_id: that one alone (NULL: all). */
bool state_runs(struct state *, const char *run_id,
                bool (*on_run)(void *context, const struct state_entry *), void *context);

struct state_counts {
    int version;
    int64_t runs, endpoints, findings, open, waived, changes;
};

/* Looks at every page and every reference. Each problem is told; *problems is their number. */
bool state_check(struct state *, struct state_counts *, uint64_t *problems,
                 void (*on_problem)(void *context, const char *), void *context);

#endif
