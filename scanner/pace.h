/* SPDX-License-Identifier: MIT */
/*
 * pace.h: when something may begin, and how long it is waited for. Arithmetic only: the time, in
 * milliseconds, comes in as an argument, and nothing here looks at a clock or waits.
 */
#ifndef SCANNER_PACE_H
#define SCANNER_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* --- so many a second ------------------------------------------------------------------------- */

/* Connections are begun at this rate over all. Nothing is saved up for longer than a tenth of a
   second, so that a pause is not followed by a burst. */
struct rate {
    double per_ms; /* 0: no limit */
    double saved;  /* connections that may begin now */
    uint64_t at;
};

struct rate rate_new(double per_second, uint64_t now);

/* 0: now; else in this many ms. */
uint64_t rate_wait(struct rate *, uint64_t now);

/* One has begun. */
void rate_take(struct rate *);

/* --- how long a connection is waited for ------------------------------------------------------ */

#define ROUND_TRIP_MIN 1500U /* ms; a lost SYN is sent again after 1000 */

/* As TCP's own timer (RFC 6298) from the times that connections took, over all hosts: the smoothed
   time, four times its variation, and the second after which a lost SYN is sent again. */
struct round_trip {
    double smoothed, variation; /* ms */
    unsigned samples;
};

/* A connection, or the refusal of one, took this long. */
void round_trip_add(struct round_trip *, uint64_t ms);

/* What to wait for the next one: no more than the ceiling, and no less than ROUND_TRIP_MIN if the
   ceiling allows that. Without enough samples, the ceiling. */
unsigned round_trip_timeout(const struct round_trip *, unsigned ceiling);

/* --- hosts that turn us away ------------------------------------------------------------------ */

/* A host that says "not now" is asked again later, and from then on with this time between two
   connections; each time that it says so again it is given four times as long, up to a minute. */
#define PATIENCE_FIRST 5000U
#define PATIENCE_LONGEST 60000U
#define PATIENCE_TRIES 3 /* for one question */

struct patience {
    unsigned left;       /* ms that it may still cost in all      */
    unsigned space;      /* ms between two connections; 0: none   */
    unsigned setbacks;   /* in a row                              */
    uint64_t not_before; /* the next connection                   */
    uint64_t last;       /* setback                               */
    bool at_an_end;      /* what is lost from now on is lost      */
};

/* ms: how long a host is waited for in all; 0: not at all. */
struct patience patience_new(unsigned ms);

/* It said "not now" to a connection that was begun then. True: it is to be asked the same again, not
   before p->not_before. What was on its way at the last setback is part of that. */
bool patience_setback(struct patience *, uint64_t begun, uint64_t now);

/* It answered. */
void patience_success(struct patience *);

/* A connection begins: the next one not before p->not_before. */
void patience_begin(struct patience *, uint64_t now);

#endif
