/* SPDX-License-Identifier: MIT */
/*
 * watchdog.h: ends the process where the loop does not.
 *
 * A call of a library that never returns, or a write that blocks, keeps the loop from hearing of a
 * signal or of the deadline. A thread of its own sees both as well, gives the loop some time to end
 * in good order, and then says so and leaves at once, with EXIT_TROUBLE. What is in the records by
 * then can be resumed from, as after a kill.
 *
 * It owns its thread, and has nothing of the scan. While it watches it sleeps (futex), and looks
 * twice a second: its time is that in which the process runs, so that one that was stopped, or a
 * machine that was suspended, is not taken for one that hangs.
 */
#ifndef SCANNER_COMMANDS_WATCHDOG_H
#define SCANNER_COMMANDS_WATCHDOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct watchdog;

/* signals: counts those that came; outlives it. NULL: no thread, or no memory. */
struct watchdog *watchdog_new(const atomic_int *signals);

/* The loop will end by itself this many ms from now. */
void watchdog_limit(struct watchdog *, uint64_t ms);

/* The loop has ended: from here on nothing is watched. NULL is none. */
void watchdog_free(struct watchdog *);

#endif
