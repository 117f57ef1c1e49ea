/* SPDX-License-Identifier: MIT */
/*
 * figures.h: what the records of a run add up to, for formats that show numbers.
 *
 * Of several runs behind each other the last one counts: a run begins with its run_start, or where
 * another run_id stands. Memory is bounded by what is counted, and not by how much: so many rules,
 * policies, combinations of labels, and endpoints if they are asked for. A number that is not known
 * is not 0: what says so is a `known` beside it.
 */
#ifndef OUTPUT_EXPORT_FIGURES_H
#define OUTPUT_EXPORT_FIGURES_H

#include "output/export/export.h"
#include "output/rules/rule.h"

#define FIGURES_RULES_MAX ((size_t)1024)  /* the last of them stands for all others */
#define FIGURES_POLICIES_MAX ((size_t)64) /* beyond, they are not counted */
#define FIGURES_GROUPS_MAX ((size_t)200)  /* beyond, they are one */
#define FIGURES_VALUE_MAX ((size_t)128)   /* octets of a label's value that are told apart */
#define FIGURES_NAME_MAX ((size_t)64)     /* of a rule, a version, a policy */
#define FIGURES_KEY_MAX ((size_t)512)     /* of an endpoint */
#define FIGURES_OTHER "other"

#define VERSIONS_COUNT 6

enum finding_status { FINDING_OPEN, FINDING_WAIVED, FINDING_STATUS_COUNT };
enum version_result { RESULT_ACCEPTED, RESULT_REJECTED, RESULT_UNKNOWN, VERSION_RESULT_COUNT };
enum upgrade {
    UPGRADE_WORKS,
    UPGRADE_FAILS,
    UPGRADE_REFUSED,
    UPGRADE_NONE,
    UPGRADE_UNKNOWN,
    UPGRADE_COUNT
};
enum validity {
    VALIDITY_VALID,
    VALIDITY_30D,
    VALIDITY_14D,
    VALIDITY_7D,
    VALIDITY_EXPIRED,
    VALIDITY_UNKNOWN,
    VALIDITY_COUNT
};
enum expected { EXPECTED_ANSWERED, EXPECTED_SILENT, EXPECTED_UNKNOWN, EXPECTED_COUNT };
enum trust_result { TRUST_YES, TRUST_NO, TRUST_UNKNOWN, TRUST_COUNT };

/* The words of the above, as they are shown; the last is NULL. Those of records where there are. */
extern const char *const finding_status_words[],
    *const version_words[], *const version_result_words[],
                                *const login_words[],
                                    *const upgrade_words[],
                                        *const injection_words[],
                                            *const validity_words[],
                                                *const expected_words[],
                                                    *const trust_words[],
                                                        *const check_words[],
                                                            *const policy_words[],
                                                                *const waiver_words[],
                                                                    *const not_asked_words[];

#define LOGIN_WORDS 4
#define INJECTION_WORDS 4
#define CHECK_WORDS 5
#define POLICY_WORDS 6
#define WAIVER_WORDS 3
#define NOT_ASKED_WORDS 2

/* Unix time or a length of time, in ms. */
struct moment {
    bool known;
    int64_t ms;
};

typedef uint64_t finding_counts[SEVERITY_COUNT][FINDING_STATUS_COUNT];

/* Endpoints with the same values of the labels that are told apart. */
struct group {
    char (*values)[FIGURES_VALUE_MAX + 1]; /* one for each label */
    finding_counts total;
    finding_counts *rules; /* by the rule's number */
    size_t rule_max;
};

/* What is kept of an endpoint. */
struct place {
    char *key, *ip;
    size_t number; /* in the order of the records */
    int status;    /* STATUS_COUNT: one that is not known here */
    struct moment not_after;
    int versions[VERSIONS_COUNT]; /* enum version_result */
    int advertised;               /* -1: not known */
};

struct policy_figures {
    char name[FIGURES_NAME_MAX + 1];
    uint64_t verdicts[POLICY_WORDS];
};

struct figures {
    const struct export_options *options;
    bool any;   /* there was a run */
    bool ended; /* with a run_end */
    bool complete;
    char run_id[FIGURES_NAME_MAX + 1];
    char version[FIGURES_NAME_MAX + 1];
    char ruleset_version[FIGURES_NAME_MAX + 1], ruleset_sha256[FIGURES_NAME_MAX + 1];
    bool with_state; /* it knows which endpoints were not asked */
    double shard, shards;
    struct moment started, end, duration;

    /* Of its end. */
    bool hosts_known, statuses_known, waivers_known;
    uint64_t hosts_scanned, hosts_answered, statuses[STATUS_COUNT], waivers[WAIVER_WORDS];

    /* Of its endpoints, those that are recorded. */
    uint64_t recorded;
    uint64_t versions[VERSIONS_COUNT][VERSION_RESULT_COUNT];
    uint64_t logins[LOGIN_WORDS], upgrades[UPGRADE_COUNT], injections[INJECTION_WORDS];
    uint64_t validity[VALIDITY_COUNT], trust[TRUST_COUNT];
    uint64_t checks[CHECK_WORDS];
    bool expected_known;
    uint64_t expected[EXPECTED_COUNT];
    uint64_t not_asked[NOT_ASKED_WORDS];
    struct moment earliest; /* end of a certificate that was still valid */
    struct policy_figures policies[FIGURES_POLICIES_MAX];
    size_t policy_count;

    char (*rules)[FIGURES_NAME_MAX + 1];
    size_t rule_count, rule_max;
    struct group *groups[FIGURES_GROUPS_MAX]; /* by their values */
    size_t group_count;
    struct group *others; /* all that are beyond; NULL: none */

    struct place *places; /* by key and address, once figures_settle() was called */
    size_t place_count, place_max;
    bool too_many; /* endpoints, for what was asked */
};

/* Of these labels, and so many endpoints; the options stay the caller's. */
void figures_init(struct figures *, const struct export_options *);
void figures_free(struct figures *);

/* False: it cannot be gone on; *problem says why, or is NULL for want of memory. */
bool figures_take(struct figures *, const char *type, const cJSON *record, const char **problem);

/* Puts in order what is told apart by names. */
void figures_settle(struct figures *);

#endif
