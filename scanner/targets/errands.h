/* SPDX-License-Identifier: MIT */
/*
 * errands.h: what goes with a target: the services to ask there and the labels to carry along.
 *
 * Long lists of targets have few different errands, so each is kept once and known by its number.
 * An errand never changes or moves while the errands live.
 */
#ifndef SCANNER_TARGETS_ERRANDS_H
#define SCANNER_TARGETS_ERRANDS_H

#include "scanner/choice.h"
#include "scanner/targets.h"
#include "scanner/targets/target.h"

struct errand {
    uint32_t id;
    uint32_t label_count;
    const struct service_set *services;
    struct target_label labels[]; /* by key; their text follows the array */
};

/* Begins as all zeros. */
struct errands {
    void *tree;
    struct errand **list;
    size_t count, capacity;
};

/* NULL: out of memory. */
const struct errand *errands_keep(struct errands *, const struct target *);
void errands_clear(struct errands *);

#endif
