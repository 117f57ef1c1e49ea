/* SPDX-License-Identifier: MIT */
/*
 * inside.h: what the files of the state share, and nobody else sees.
 *
 *   a record ──> intake ──> staging tables ──> chronicle, key by key ──> tables, changes
 */
#ifndef OUTPUT_STATE_INSIDE_H
#define OUTPUT_STATE_INSIDE_H

#include "output/state/store.h"

#define STATE_RUN_ID_SIZE 40
#define STATE_TIME_SIZE 32
#define DIGEST_SIZE 33 /* half of a SHA-256, hex, with its NUL */
#define RULES_KNOWN_MAX ((size_t)1024)
#define RULE_ID_MAX ((size_t)64)
#define PLACES_MAX 256 /* addresses of one endpoint in one run */

/* The run that is being taken. */
struct state_run {
    int64_t id, baseline, ruleset; /* baseline: the run before, or 0 */
    char run_id[STATE_RUN_ID_SIZE], baseline_id[STATE_RUN_ID_SIZE];
    char time[STATE_TIME_SIZE]; /* the latest that a record has */
    bool all;                   /* silent endpoints are recorded */
    bool state;                 /* those that were known are     */
    bool complete, ended;
    bool waivers_listed; /* run_end says which there are  */
    bool comparable;     /* an earlier complete run asked the same */
    char options[65];
    int64_t recorded, answered;
};

/* A rule's place in the text that keeps the verdicts of an endpoint. */
struct state_rule {
    char rule[RULE_ID_MAX + 1];
    size_t at;
    bool noted; /* the run's ruleset is known to have it */
};

struct state {
    struct store store;
    enum state_mode mode;
    bool begun;    /* nobody else can write                                  */
    bool together; /* several runs are one transaction, until it is all over */
    bool running;  /* a run_start was taken                                  */
    struct state_run run;
    struct state_rule rules[RULES_KNOWN_MAX]; /* by name */
    size_t rule_count;
    int64_t seq;      /* of changes */
    int64_t verdicts; /* those that were kept last, and their letters */
    char letters[RULES_KNOWN_MAX + 1];
};

/* Verdicts, a letter for each rule, in `checks`. */
#define CHECK_NONE '-'
#define CHECK_PASS 'p'
#define CHECK_FAIL 'f'
#define CHECK_NOT_APPLICABLE 'n'
#define CHECK_NOT_TESTED 't'
#define CHECK_NOT_ASKED 'a' /* not tested, because that was not asked for */
#define CHECK_INCONCLUSIVE 'i'

/* The columns of what is known of an endpoint at an address: the same in place and seen, in this
   order. NULL: not known. */
enum known {
    KNOWN_MODE,
    KNOWN_STARTTLS,
    KNOWN_LOGIN,
    KNOWN_VERSIONS, /* a letter each: a accepted, r rejected, ? not known */
    KNOWN_CERTIFICATE,
    KNOWN_SUBJECT,
    KNOWN_ISSUER,
    KNOWN_NOT_AFTER,
    KNOWN_BEFORE, /* capabilities, a JSON list */
    KNOWN_AFTER,
    KNOWN_COUNT
};

#define KNOWN_COLUMNS                                                                              \
    "observed_mode, starttls, cleartext_login, versions, certificate, subject, issuer, "           \
    "not_after, capabilities_before, capabilities_after"

/* Fails: the problem is the store's. */
bool state_fail(struct state *, const char *problem);

/* intake.c */
bool status_is_answer(const char *);
bool status_is_silence(const char *);
enum state_taken intake(struct state *, const cJSON *record);

/* Learns the rules by their names; after that, adds one. NULL: no name of a rule, or too many. */
bool state_learn_rules(struct state *);
struct state_rule *state_rule_of(struct state *, const char *name);
const struct state_rule *state_rule_find(const struct state *, const char *name);

/* digest.c: facts, without what may differ from one look to the next. */
bool digest_facts(const cJSON *record, char facts[DIGEST_SIZE], char trust[DIGEST_SIZE]);
bool digest_labels(const cJSON *labels, char out[DIGEST_SIZE]);

/* chronicle.c: works out what the run means, and keeps it. */
bool chronicle_write(struct state *);

#endif
