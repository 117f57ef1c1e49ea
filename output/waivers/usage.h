/* SPDX-License-Identifier: MIT */
/*
 * usage.h: how many findings have each of the waivers, over a run or a part of one.
 *
 * By id: what is counted of the shards of a run, or before it was interrupted, adds up. It owns its
 * texts. A waiver that nothing has is stale only if the whole run was counted.
 */
#ifndef OUTPUT_WAIVERS_USAGE_H
#define OUTPUT_WAIVERS_USAGE_H

#include "output/waivers/waivers.h"

#define USAGE_MAX ((size_t)10000) /* different waivers */
#define USAGE_SOON 30             /* days before the end that are worth a word */

struct usage_item {
    char *id;
    char expires[DATE_SIZE]; /* "": not known */
    int64_t last_day;
    uint64_t findings;
};

struct usage {
    struct usage_item *items; /* by id */
    size_t count, capacity;
};

enum usage_state { USAGE_USED, USAGE_EXPIRED, USAGE_STALE, USAGE_UNMATCHED };

const char *usage_state_name(enum usage_state);

/* Of all waivers, none of which any finding has yet. NULL: out of memory. */
struct usage *usage_of(const struct waivers *);
struct usage *usage_new(void);
void usage_free(struct usage *);

/* That of the id, which is added if it is not there; NULL: out of memory, or too many. */
struct usage_item *usage_item(struct usage *, const char *id);

/* Adds what another one counted. False: it has an id that this one lacks. */
bool usage_add(struct usage *, const struct usage *);

/* At that time (Unix time, ms). whole: of a run that is complete, and no shard. */
enum usage_state usage_state(const struct usage_item *, bool whole, int64_t time);

/* What somebody should look after: those that are stale, have expired, or will within USAGE_SOON
   days. Lines that begin with who says it. */
void usage_tell(const struct usage *, bool whole, int64_t time, const char *who, FILE *);

#endif
