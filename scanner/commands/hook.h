/* SPDX-License-Identifier: MIT */
/*
 * hook.h: the command that is told what a run has changed, and the process that runs it.
 *
 *   hook_begin() ──> helper (waits) ── hook_run() ──> /bin/sh -c COMMAND
 *
 * The helper is begun before anything that strangers wrote is read: so the scan itself need not be
 * able to begin a program when it has. It has no descriptor of ours but standard error, knows
 * command, time and folders since then, and takes nothing else than the run's id, figures, words of
 * this program, and names of files where such files are. It ends when this process does, with the
 * command, if that is under way.
 *
 * The command is the user's, and /bin/sh runs it as it was given: nothing that came from the
 * network is in it, nor in its environment. What was seen is in a file, whose name it gets. It has
 * an empty standard input, standard error for all that it says, and no descriptor of ours.
 */
#ifndef SCANNER_COMMANDS_HOOK_H
#define SCANNER_COMMANDS_HOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What is known before the run; the strings stay the caller's. */
struct hook_plan {
    const char *command;
    unsigned timeout; /* ms; then it is ended, and all that it began in its process group */
    const char *state;
    const char *records_dir, *records; /* where records may be; each may be NULL */
};

struct hook {
    pid_t helper;
    int socket;
    unsigned timeout;
};

/* What has become of the run. */
struct hook_news {
    const char *run_id, *summary;
    const char *records; /* NULL: there are none */
    const char *changes; /* the file, of scratch_named("changes") */
    uint64_t count;      /* of its lines */
};

/* False: no process can be begun; a message said so. */
bool hook_begin(struct hook *, const struct hook_plan *);

/* Runs the command, once, and waits for it. False: it could not be run, or it failed; that was told.
   A signal that ends this program while it waits ends the command too. */
bool hook_run(struct hook *, const struct hook_news *);

/* Nothing is to be run any more. A hook of zeros was never begun. */
void hook_end(struct hook *);

#endif
