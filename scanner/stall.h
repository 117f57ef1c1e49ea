/* SPDX-License-Identifier: MIT */
/*
 * stall.h: times in which a loop did not look at its connections.
 *
 * A call that computes for seconds, a write that blocks, a process that was stopped, a machine that
 * was suspended: peers give up meanwhile, and timers run out. What is seen of that afterwards says
 * nothing about them. A beat of the loop's own, twice a second, tells: when it is late by a second
 * and a half there was a stall. The clock is one that goes on while the machine sleeps.
 *
 * Of one loop, which a beat does not keep alive.
 */
#ifndef SCANNER_STALL_H
#define SCANNER_STALL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define STALL_MS UINT64_C(2000)

struct stall {
    uv_timer_t beat;
    uint64_t last; /* when the loop was last known to look, in ms of the clock */
    uint64_t lost; /* ms of all stalls                                          */
    unsigned count;
    void (*on_ended)(void *context);
    void *context;
};

void stall_begin(struct stall *, uv_loop_t *);
void stall_end(struct stall *, void (*on_ended)(void *context), void *context);

/* Stalls so far, one that is just over included; NULL has none. */
unsigned stall_count(struct stall *);

/* What they took, in ms. */
uint64_t stall_lost(struct stall *);

/* Did so long a call as this begun at that time (uv_hrtime()) make one by itself? */
bool stall_made(uint64_t begun);

#endif
