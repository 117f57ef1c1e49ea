/* SPDX-License-Identifier: MIT */
/*
 * run.h: what a run is: who scans, what, how, how far it came, and how it ended. The same for every
 * output.
 */
#ifndef OUTPUT_RUN_H
#define OUTPUT_RUN_H

#include "output/opinion.h"
#include "scanner/expectation.h"

#define RUN_SCHEMA "1.3"
#define RUN_ID_SIZE 37 /* a UUIDv7 (RFC 9562) as text, with its NUL */

enum run_option_kind { OPTION_TEXT, OPTION_NUMBER, OPTION_TRUTH, OPTION_LIST };

/* An option as it is recorded: one of a text, a number, a truth or a list of texts. */
struct run_option {
    const char *name;
    enum run_option_kind kind;
    const char *text; /* NULL: null; OPTION_LIST: its items, with commas between them */
    uint64_t number;  /* OPTION_TRUTH: 0 or 1 */
    bool manner;      /* how it is asked, and not what: it may change within a run */
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
    struct exceptions exceptions;
};

/* What is complete so far, recorded or not. */
struct totals {
    uint64_t recorded; /* endpoints */
    uint64_t statuses[STATUS_COUNT];
    uint64_t hosts, answered;
    struct tally tally;
};

/*
 * How far a run came: what it takes to go on from there. Targets have numbers, in the order in which
 * they are begun: all below the cursor were begun, and those of them that are pending are not
 * complete. A name is one target, whatever its addresses are: as long as it is pending, only those
 * of its addresses count in the totals that are recorded, because nothing tells of the others that
 * they are complete. An address that is recorded is not pending.
 */
struct checkpoint {
    int64_t time; /* Unix time, ms */
    uint64_t cursor;
    const uint64_t *pending; /* ascending, below the cursor */
    size_t pending_count;
    struct totals totals;
};

#define CHECKPOINT_PENDING_MAX ((size_t)100000) /* a line holds that many */

/* An endpoint that earlier runs asked, and this one was not to. */
struct absent {
    const char *key, *protocol, *mode, *host;
    const char *ip; /* NULL: it never had one */
    unsigned port;
    bool excluded; /* or else nobody gave it */
};

struct run_end {
    int64_t duration;       /* ms */
    const char *stopped_by; /* NULL: complete */
    struct totals totals;
    int exit_code;
};

/* Which endpoints are recorded: all of a host that answered, or of which something is expected, and
   with --all the others too. With a state there are more (history.h). */
static inline bool run_records(bool all, const struct host_view *host)
{
    return all || host->answered || expectation_of(host->target);
}

#endif
