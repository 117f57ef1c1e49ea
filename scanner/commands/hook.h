/* SPDX-License-Identifier: MIT */
/*
 * hook.h: the command that is told what a run has changed.
 *
 * It is the user's, and /bin/sh runs it as it was given: nothing that came from the network is in
 * it, nor in its environment. What was seen is in a file, whose name it is told. It has an empty
 * standard input, standard error for all that it says, and no descriptor of ours.
 */
#ifndef SCANNER_COMMANDS_HOOK_H
#define SCANNER_COMMANDS_HOOK_H

#include <stdbool.h>
#include <stdint.h>

struct hook {
    const char *command;
    unsigned timeout; /* ms; then it is ended, and all that it began in its process group */
    const char *run_id, *summary, *state;
    const char *records; /* NULL: there are none */
    const char *changes; /* the file */
    uint64_t count;      /* of its lines */
};

/* Waits for it. False: it could not be run, or it failed; that was told. A signal that ends this
   program while it waits ends the command too. */
bool hook_run(const struct hook *);

#endif
