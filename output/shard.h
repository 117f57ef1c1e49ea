/* SPDX-License-Identifier: MIT */
/*
 * shard.h: a file of records as a part of a run: which part it is, and whether it is all of it.
 *
 * A shard is whole if its first line is a run_start, its last one a run_end that calls it complete
 * and vouches for every octet above, and what stands between are records of the same run, as many
 * as are counted. Nothing of a file that is not whole is used, and its texts are a stranger's.
 */
#ifndef OUTPUT_SHARD_H
#define OUTPUT_SHARD_H

#include <stdio.h>

#include "output/infile.h"
#include "output/ledger.h"
#include "output/members.h"
#include "output/run.h"

/* What all shards of a run have in common, as it stands in run_start. */
enum trait {
    TRAIT_VERSION, /* of the scanner */
    TRAIT_OPTIONS, /* the hash of scope and options */
    TRAIT_SCOPE,
    TRAIT_SEED,
    TRAIT_RULESET,
    TRAIT_POLICIES,
    TRAIT_WAIVERS,
    TRAIT_BASELINE,
    TRAIT_COUNT
};

const char *trait_name(enum trait);

struct shard {
    const char *name; /* the file's, and the caller's */
    char run_id[RUN_ID_SIZE], hash[LEDGER_HASH_SIZE];
    uint64_t index, count; /* from 0; a run that was not shared out is 0 of 1 */
    int64_t started, ended;
    struct run_end end;        /* as it says; findings are not read */
    struct list sources;       /* the addresses that it was scanned from */
    char *traits[TRAIT_COUNT]; /* JSON; NULL: there is no such member */
    bool waives, compared;     /* it has waivers; it has a baseline */
    struct usage *usage;       /* what run_end says of the waivers, but for how many have them */
};

enum shard_state {
    SHARD_WHOLE,
    SHARD_PART, /* it is not all there, or it is not all sound */
    SHARD_NONE  /* it cannot be read, or is no file of records */
};

/* Reads all of the file; says why if the shard is not whole. To be given to shard_free() in any
   case. */
enum shard_state shard_survey(struct shard *, const char *path, FILE *messages);
void shard_free(struct shard *);

/* The traits and the usage alone: what all shards have in common is kept once. */
void shard_free_traits(struct shard *);

/* What matters of an endpoint's record here. The texts are the record's. */
struct shard_endpoint {
    const char *key, *ip; /* ip may be NULL */
    enum status status;
    uint64_t findings[SEVERITY_COUNT]; /* open ones */
    uint64_t fresh[SEVERITY_COUNT];    /* of them those that no baseline knows */
    uint64_t waived;
};

/* False: members_fail() was told. */
bool shard_endpoint_read(struct members *, const char *run_id, struct shard_endpoint *);

#endif
