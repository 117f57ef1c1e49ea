/* SPDX-License-Identifier: MIT */
/*
 * merge.h: the shards of a run as one run again.
 *
 *   merge_add() … ──> merge_settle() ──> merge_missing(), merge_write()
 *
 * Every file is read twice: once to know whether it counts, and once to be written; so nothing of a
 * shard that is not whole is in the result, and no more than a line is kept of one that is. What
 * comes out depends on what the files hold, and not on their order or names.
 */
#ifndef OUTPUT_MERGE_H
#define OUTPUT_MERGE_H

#include "output/shard.h"

struct merge {
    FILE *messages;
    struct shard *shards; /* whole ones; when settled, one of each index, by index */
    size_t count, capacity;
    uint64_t expected;         /* how many there should be; 0: not known yet */
    char *traits[TRAIT_COUNT]; /* of the first, which all others must have */
    bool compared;
    struct usage *usage; /* of its waivers; NULL: it has none */
    bool mixed;          /* shards of different runs: nothing can be made of them */
};

void merge_free(struct merge *);

/* Says what is the matter with a file that is not used. SHARD_NONE also if there is no memory. */
enum shard_state merge_add(struct merge *, const char *path);

/* Of several attempts at a shard the one that was begun last is kept. */
void merge_settle(struct merge *);

/* Writes the indexes that there is no shard of, as "3,7-9" with this between the ranges, and gives
   their number. */
uint64_t merge_missing(const struct merge *, const char *between, FILE *);

enum merge_step {
    MERGE_DONE,
    MERGE_TWICE, /* the same, but endpoints that were there twice were left out */
    MERGE_FAILED
};

/* Writes all but run_end, which it counts, and gives the run its id and the time it was started. The
   usage of its waivers stays that of struct merge.
   What waits in the ledger then still has to be flushed. Says what went wrong. */
enum merge_step merge_write(struct merge *, struct ledger *, struct outfile *, struct run *,
                            struct run_end *);

#endif
