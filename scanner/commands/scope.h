/* SPDX-License-Identifier: MIT */
/*
 * scope.h: the targets of a scan, from its options, and what is to be said of them.
 */
#ifndef SCANNER_COMMANDS_SCOPE_H
#define SCANNER_COMMANDS_SCOPE_H

#include "scanner/options.h"
#include "scanner/targets.h"

struct scope {
    const struct scan_options *options;
    struct choice *choice;
    struct targets *targets;
    struct targets_stream *stream; /* NULL: none of them come from standard input */
};

/* Reads everything but standard input, and tells every bad line. False: there was one, or no memory.
   Either way it is to be given to scope_free(). */
bool scope_read(struct scope *, const struct scan_options *);
void scope_free(struct scope *);

/* Says what would be scanned; standard input is read to its end for it. The exit code. */
int scope_describe(struct scope *);

/* Says how many entries of a port scanner's list were passed over, if that is to be said. */
void scope_tell_ignored(const struct scope *);

#endif
