/* SPDX-License-Identifier: MIT */
/*
 * continuation.h: what the records of an interrupted run say to the run that goes on with it.
 *
 *   outfile_reopen() ──> continuation_read() ──> outfile_cut(keep) ──> writer's resume
 *                                │
 *                                └──> cursor, pending, and continuation_has(): what is to be done
 *
 * The run may have ended anywhere: by a signal that it could answer, by one that it could not, or
 * with the power. So a file is the lines that were written, up to some octet; behind the last
 * checkpoint, which was written after all above it was on the disk, it may be anything. The last
 * whole checkpoint is where the run stands. All lines above it are those that were written: its hash
 * says so, and a file of which that is not true is refused. Of what is behind it, hosts count whose
 * records are all there, up to the first line that is none. A host's records are written in one
 * piece, so the last host is known to be whole only if another line of the run stands behind it:
 * otherwise it is cut off and done again. So is what was said at the end of endpoints that were not
 * asked. What is told of it here is exact: what is complete and what is still to be done make the
 * whole run, and no host is in both.
 *
 * The file is a stranger's like all others: lines are bounded, and it is never kept in memory. 16
 * octets are kept for each host that is recorded behind the last checkpoint, and for each name that
 * is recorded above it if anything is pending (which may be another address of that name); and once
 * more as much for the moment in which they are sorted: 32 MB for a million hosts. The lines above
 * the checkpoint are read once, for the hash, and, if anything is pending, those of names once more.
 */
#ifndef OUTPUT_CONTINUATION_H
#define OUTPUT_CONTINUATION_H

#include <stdio.h>

#include "output/ledger.h"
#include "output/run.h"
#include "scanner/targets.h"

#define CONTINUATION_VERSION_SIZE ((size_t)64)
#define CONTINUATION_HASH_SIZE ((size_t)65) /* SHA-256, hex, with its NUL */

struct continuation_key {
    unsigned char octets[16];
};

struct continuation {
    /* What the run is, as run_start has it. The schema is RUN_SCHEMA: others are refused. */
    char run_id[RUN_ID_SIZE];
    int64_t started; /* Unix time, ms */
    char version[CONTINUATION_VERSION_SIZE];
    bool seeded;
    uint64_t seed;
    unsigned shard, shards; /* shards 0: the whole */
    bool streamed;          /* some of its targets came from a stream */
    char options_sha256[CONTINUATION_HASH_SIZE];
    char policies[POLICIES_MAX][CONTINUATION_HASH_SIZE]; /* SHA-256, in the order given */
    size_t policy_count;
    char waivers[CONTINUATION_HASH_SIZE], baseline[CONTINUATION_HASH_SIZE]; /* "": none */

    /* It has a run_end that says that it is complete: there is nothing to go on with, and nothing
       of what follows is set but the totals. */
    bool complete;
    int exit_code;

    /* Where it stands: at the last checkpoint, or at the beginning. */
    uint64_t cursor;
    uint64_t *pending; /* ascending */
    size_t pending_count;

    /* What is complete: up to the checkpoint by its word, and recorded behind it. Verdicts of
       policies are not known. Waivers that no finding has are not in the usage, which is NULL where
       the run had no waivers. */
    struct totals totals;

    uint64_t keep;      /* octets of the file that stay */
    struct ledger kept; /* the hash of them             */

    /* Why the line behind them is no record, and which it is; "": it is one, of the last host, or
       the end of the file or of the run. */
    char problem[160];
    uint64_t problem_line;

    struct continuation_key *keys; /* of hosts; sorted */
    size_t key_count, key_capacity;
};

/* Reads a file that outfile_reopen() opened, and leaves it as it is. False: it cannot be gone on
   with, and the reason was told to errors. Either way it is to be given to continuation_free(). */
bool continuation_read(struct continuation *, const struct outfile *, FILE *errors);
void continuation_free(struct continuation *);

/*
 * Are the records of this address of the target in the part that stays, all of them? The address of
 * a name that has none is of family 0. Only of a target that is pending or begins at the cursor or
 * behind it is the answer exact; the others are complete anyway. Once it is read, any number of
 * threads may ask.
 */
bool continuation_has(const struct continuation *, const struct target_host *,
                      const struct address *);

#endif
