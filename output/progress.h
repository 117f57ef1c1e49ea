/* SPDX-License-Identifier: MIT */
/* progress.h: one line on a terminal that says how far a run is; it is drawn over itself. */
#ifndef OUTPUT_PROGRESS_H
#define OUTPUT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    uint64_t hosts, total; /* done, and all of them; total 0: not known */
    uint64_t before;       /* done already when the time began          */
    uint64_t answered;
    unsigned active; /* connections */
    int64_t elapsed; /* ms */
};

void progress_draw(FILE *, const struct progress *);

/* Takes the line away, so that something else can be written. */
void progress_clear(FILE *);

#endif
