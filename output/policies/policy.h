/* SPDX-License-Identifier: MIT */
/*
 * policy.h: what a standard asks for, read from a file, and how far an endpoint keeps to it.
 *
 *   NAME.yaml [extends …] ──> policy ─┐
 *   subject, its judgement ───────────┴──> policy_result: a verdict for each clause, and over all
 *
 * A policy never looks at severities, and a severity never at a policy: one is what a standard
 * says, the other what it means. README.md in this directory describes the files. A policy is
 * constant once it is loaded: threads may share it.
 */
#ifndef OUTPUT_POLICIES_POLICY_H
#define OUTPUT_POLICIES_POLICY_H

#include <stdio.h>

#include "output/rules/judgement.h"

#define POLICY_DEFAULT "rfc-baseline"
#define POLICY_CLAUSES_MAX ((size_t)192)

/* From the best to the worst: the verdict of many is that of the worst. */
enum policy_verdict {
    POLICY_NOT_APPLICABLE,
    POLICY_PASS,
    POLICY_NOT_TESTED,
    POLICY_INCONCLUSIVE,
    POLICY_WARN,
    POLICY_FAIL,
    POLICY_VERDICT_COUNT
};

const char *policy_verdict_name(enum policy_verdict); /* "pass", "not_applicable" … */

/* What an entry speaks of. */
enum policy_kind {
    POLICY_RULE, /* of the table of rules */
    POLICY_VERSION,
    POLICY_SUITE,
    POLICY_GROUP,
    POLICY_KEY,
    POLICY_SIGNATURE,
    POLICY_KIND_COUNT
};

/* The ids under which policies report what they do not allow; they belong to no rule. */
struct policy_check {
    const char *id;    /* "VERSION-NOT-IN-POLICY" … */
    const char *title; /* one line */
};

const struct policy_check *policy_check_of(enum policy_kind); /* NULL for POLICY_RULE */

struct policy;

/* Reads a policy: by its name, from $STARTTLS_AUDIT_POLICIES or where policies are installed, or,
   if there is a "/" in it or ".yaml" at its end, from that file. NULL, and lines on errors, if it
   cannot be had or is not sound. */
struct policy *policy_load(const char *name_or_path, FILE *errors);
void policy_free(struct policy *);

#define POLICY_NAME_SIZE 65
#define POLICY_NAMES_MAX ((size_t)64)

/* The names under which policy_load() looks for files, sorted; more than fit are left out. */
size_t policy_names(char names[POLICY_NAMES_MAX][POLICY_NAME_SIZE]);

/* What the file says of itself. */
const char *policy_name(const struct policy *);
const char *policy_title(const struct policy *);
const char *policy_source(const struct policy *);   /* the standard            */
const char *policy_version(const struct policy *);  /* of the standard         */
const char *policy_as_of(const struct policy *);    /* YYYY-MM-DD              */
const char *policy_verified(const struct policy *); /* how it was checked      */
const char *policy_sha256(const struct policy *);   /* hex; of its file and those it extends */

/* What a policy asks of one rule. */
struct policy_demand {
    const char *rule;
    enum policy_verdict verdict; /* if the rule finds something: fail, warn, or pass (allowed) */
    const char *clause;
    enum source known;         /* how well the clause is known */
    unsigned roles, protocols; /* bits, see policy_demand_scope() */
    const char *from, *until;  /* days, both included; "" for none */
};

/* One demand after the other, from at = 0; false: there are no more. */
bool policy_demand_at(const struct policy *, size_t at, struct policy_demand *);

/* The same of what is no rule: versions, suites and so on. One entry after the other, in the order
   in which they are asked: the first that holds decides. */
struct policy_item {
    enum policy_kind kind;
    unsigned bits;               /* so many at least; 0: any size */
    struct policy_demand demand; /* rule is NULL */
};

bool policy_item_at(const struct policy *, size_t at, struct policy_item *);

/* What an item speaks of, name by name; "*": of whatever has no name. NULL behind the last. */
const char *policy_item_name(const struct policy *, size_t at, size_t name);

/* Where and when it holds, in words: "mx, submission; from 2026-07-01", "" for always. */
void policy_demand_scope(const struct policy_demand *, char *out, size_t size);

/* The clauses, each once, in the file's order; NULL behind the last. */
const char *policy_clause_at(const struct policy *, size_t at);
bool policy_clause_unverified(const struct policy *, size_t at); /* not read in the primary text */

struct policy_result {
    enum policy_verdict verdict;
    size_t clause_count;
    enum policy_verdict clauses[POLICY_CLAUSES_MAX]; /* in the order of policy_clause_at() */
    size_t fail_count, warn_count;
    const char *fail[RULES_MAX + POLICY_KIND_COUNT]; /* ids, each in one of the two lists at most */
    const char *warn[RULES_MAX + POLICY_KIND_COUNT];
};

void policy_judge(const struct policy *, const struct subject *, const struct judgement *,
                  struct policy_result *);

#endif
