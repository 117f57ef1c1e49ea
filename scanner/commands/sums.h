/* SPDX-License-Identifier: MIT */
/*
 * sums.h: what of a run is complete, while it is under way.
 *
 * A host counts as soon as it is recorded. One that is not recorded leaves no trace but the sums:
 * it counts together with the last address of its target, so that an address which a later run may
 * have to do again, with the others of its name, is in no sum yet (run.h, struct checkpoint).
 */
#ifndef SCANNER_COMMANDS_SUMS_H
#define SCANNER_COMMANDS_SUMS_H

#include "output/run.h"
#include "scanner/dealer.h"

struct sums {
    struct totals totals;    /* with a tally that was begun, or all zero */
    struct waiting *waiting; /* of targets that are not complete */
};

/* A host is complete: recorded with these opinions, or not recorded (NULL). over: and so is its
   target, after which its name, dealt, may be another's. False: out of memory, and not counted. */
bool sums_add(struct sums *, const struct dealt *, bool over, const struct host_view *,
              const struct opinions *);
void sums_free(struct sums *);

#endif
