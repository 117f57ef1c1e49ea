/* SPDX-License-Identifier: MIT */
/*
 * judgement.h: what the rules say of the endpoints of a host.
 */
#ifndef OUTPUT_RULES_JUDGEMENT_H
#define OUTPUT_RULES_JUDGEMENT_H

#include "output/rules/rule.h"

#define FINGERPRINT_SIZE 36 /* "f1-", 32 hex digits and a NUL */

struct check {
    const struct rule *rule;
    enum verdict verdict;
    const char *reason; /* of not tested and inconclusive, else NULL */
};

struct waiver;

/* Whether a finding counts. The rules do not know: opinion.h says so. All zero: it does. */
struct disposition {
    const struct waiver *waiver; /* NULL: it has none */
    bool waived;                 /* it has one, which had not expired */
    enum {
        NOVELTY_NONE,
        NOVELTY_KNOWN,
        NOVELTY_NEW
    } novelty; /* to the baseline, if there is one */
};

struct finding {
    const struct rule *rule;
    size_t number; /* of the rule, as rules_at() counts */
    struct evidence evidence;
    char fingerprint[FINGERPRINT_SIZE];
    struct disposition disposition;
};

struct judgement {
    struct check checks[RULES_MAX]; /* in the order of rules_at() */
    size_t check_count;
    struct finding *findings; /* the worst first */
    size_t count, max;
    enum severity worst; /* of those that are not waived; SEVERITY_NONE: there is none */
};

/* Judges every endpoint of the host: judgements[host->count], all zero or used before, for then
   their memory is used again; to be given to judgements_free() at last. False when there is no
   memory. */
bool judge_host(const struct host_view *, struct judgement *judgements);
void judgements_free(struct judgement *, size_t count);

/* f1: SHA-256 over rule, endpoint key and discriminator. No address of a named host is in it, so
   that a name that moves keeps its history. */
void fingerprint(const char *rule, const char *key, const char *discriminator,
                 char out[FINGERPRINT_SIZE]);

#endif
