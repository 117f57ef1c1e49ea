/* SPDX-License-Identifier: MIT */
/*
 * history.h: a scan and its state: what is known of earlier runs, and what this one adds to it.
 *
 *   history_open() ──> history_replay() ──> [ the scan, and history_listener() ]
 *                  ──> history_absent() ──> history_commit() ──> history_hook()
 *
 * The state takes the lines that went into the records, the very same, in one transaction that is
 * kept when the run has ended, also by a signal or by its time: what was seen counts. Of a run that
 * was killed nothing is in it. If the state fails, nothing of the run is in it; that is told once,
 * and the run goes on, so that its records can be added later.
 *
 * With a state, what was once seen is always recorded: a host that is silent now, if any of its
 * endpoints is known; and every address of a name, so that records tell which addresses a name has.
 * Memory: 32 octets at the most for an endpoint that is known, and some 100 for one that was not to
 * be asked.
 *
 * All zero is a scan without a state. Functions are for one thread at a time, but for
 * history_records().
 */
#ifndef SCANNER_COMMANDS_HISTORY_H
#define SCANNER_COMMANDS_HISTORY_H

#include "output/keys.h"
#include "output/state/state.h"
#include "output/writer.h"
#include "scanner/commands/hook.h"
#include "scanner/targets.h"

struct history {
    struct state *state; /* NULL: there is none, or no more */
    const char *path, *run_id;
    bool active;       /* there was one when the run began                       */
    bool begun;        /* it has taken the beginning of this run                 */
    bool failed;       /* nothing of this run will be in it                      */
    bool incomplete;   /* not all of it                                          */
    bool taken;        /* it had this run already, and nothing is added to that  */
    struct keys known; /* endpoints of hosts that are addresses                  */
    struct page absent;
    uint64_t changes; /* that this run has brought                              */
    char *file;       /* they are in there, for the hook; NULL: there is none   */
    char summary[256];

    /* What goes wrong under way, a text for people. */
    void (*on_problem)(void *context, const char *);
    void *context;
};

/* Opens it, keeps others from writing to it, and learns what is known. The path and the id must
   stay; on_problem is set by the caller before. False: that was told. */
bool history_open(struct history *, const char *path, const char *run_id);
void history_free(struct history *); /* what was not committed is as if it had never been */

/* The run goes on: what stays of its records, so many octets, is taken first. False: they cannot be
   read; that was told. */
bool history_replay(struct history *, const struct outfile *, uint64_t octets);

/* For the records; all zero if there is no state. */
struct listener history_listener(struct history *);

/* Is the host recorded? From any thread. */
bool history_records(const struct history *, bool all, const struct host_view *);

/* All hosts are done: gives each known endpoint that was not to be asked. False: the function
   returned that. */
bool history_absent(struct history *, const struct targets *, const struct targets_stream *,
                    bool (*on_absent)(void *context, const struct absent *), void *context);

/* The run is over, and its records are closed. written: the changes are, for history_hook(). False:
   not all of it is in the state, or they cannot be had. */
bool history_commit(struct history *, bool written);

/* Tells the command of the changes, if there are any. records: where they are, or NULL. False: that
   failed, and was told. */
bool history_hook(struct history *, struct hook *, const char *records);

#endif
