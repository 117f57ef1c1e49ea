/* SPDX-License-Identifier: MIT */
/*
 * entry.h: a policy in memory: entries in the order in which they are asked.
 *
 * Those of a kind are together. Those of the policy's own file come first (level 0), then those of
 * the file that it extends, and so on. Texts belong to the documents.
 */
#ifndef OUTPUT_POLICIES_ENTRY_H
#define OUTPUT_POLICIES_ENTRY_H

#include "output/date.h"
#include "output/policies/document.h"
#include "output/policies/names.h"

#define POLICY_CHAIN_MAX ((size_t)8)

struct policy_entry {
    enum policy_kind kind;
    unsigned level;
    struct name_set names;
    unsigned bits; /* so many at least */
    enum policy_verdict verdict;
    enum source known;
    unsigned roles, protocols, certificate; /* bits: where it holds */
    char from[DATE_SIZE], until[DATE_SIZE]; /* "" without end          */
    const char *text;                       /* the clause                */
    size_t clause;                          /* its place in the policy's */
};

struct policy_clause {
    const char *text;
    bool unverified;
};

/* TLS 1.3 has suites of its own, and so has SSL 2.0. */
enum era { ERA_SSL2, ERA_SSL3_TO_TLS12, ERA_TLS13, ERA_COUNT };

struct policy {
    struct document *documents[POLICY_CHAIN_MAX];
    size_t document_count;
    struct policy_entry *entries;
    size_t entry_count;
    size_t ends[POLICY_KIND_COUNT];    /* where the entries of a kind end */
    struct name_set suites[ERA_COUNT]; /* all that there are, by the versions they belong to */
    struct policy_clause clauses[POLICY_CLAUSES_MAX];
    size_t clause_count;
    char sha256[2 * 32 + 1];
};

/* A policy from the octets of its file; what it extends is read from its own file. */
struct policy *policy_read(const struct yamlfile *, FILE *errors);

#endif
