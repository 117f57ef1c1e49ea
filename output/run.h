/* SPDX-License-Identifier: MIT */
/*
 * run.h: what a run is: who scans, what, how, and how it ended. The same for every output.
 */
#ifndef OUTPUT_RUN_H
#define OUTPUT_RUN_H

#include "output/opinion.h"

#define RUN_SCHEMA "1.1"
#define RUN_ID_SIZE 37 /* a UUIDv7 (RFC 9562) as text, with its NUL */

/* An option as it is recorded: one of a text, a number, a truth or a list of texts. */
struct run_option {
    const char *name;
    enum { OPTION_TEXT, OPTION_NUMBER, OPTION_TRUTH, OPTION_LIST } kind;
    const char *text; /* NULL: null; OPTION_LIST: its items, with commas between them */
    uint64_t number;  /* OPTION_TRUTH: 0 or 1 */
};

struct run {
    char id[RUN_ID_SIZE];
    int64_t started; /* Unix time, ms */
    const char *version;
    struct {
        const char *name, *version;
    } libraries[4];
    const char *source_address; /* NULL: the system's choice */
    const char *const *targets; /* the first of them, normalised */
    size_t target_count;
    uint64_t targets_total, hosts, endpoints;
    bool streamed;          /* the totals are not known */
    const char *scope_hash; /* SHA-256, hex, of all normalised targets */
    uint64_t seed;          /* of the order of targets */
    bool ordered;           /* it has none: they come as they were given */
    unsigned shard, shards; /* 0 shards: it is not one of several */
    const struct run_option *options;
    size_t option_count;
    struct policies policies; /* in the order given */
};

struct run_end {
    int64_t duration;       /* ms */
    const char *stopped_by; /* NULL: complete */
    uint64_t recorded;
    uint64_t statuses[STATUS_COUNT];
    uint64_t hosts, answered;
    struct tally tally;
    int exit_code;
};

/* Which endpoints are recorded: all of a host that answered, and with --all the others too. */
static inline bool run_records(bool all, const struct host_view *host)
{
    return all || host->answered;
}

#endif
