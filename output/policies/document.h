/* SPDX-License-Identifier: MIT */
/*
 * document.h: one policy file as it is written, read from YAML. README.md describes the format.
 *
 * It knows which members there are and what type each has; whether the names in them mean
 * anything is for others to say. A document owns its texts.
 */
#ifndef OUTPUT_POLICIES_DOCUMENT_H
#define OUTPUT_POLICIES_DOCUMENT_H

#include "output/policies/policy.h"
#include "output/yamlfile.h"

enum document_protocol {
    DOCUMENT_FTP = 1 << 0,
    DOCUMENT_IMAP = 1 << 1,
    DOCUMENT_POP3 = 1 << 2,
    DOCUMENT_SMTP = 1 << 3
};

struct document_names {
    char **names;
    unsigned names_count;
};

enum document_certificate { DOCUMENT_SERVER = 1 << 0, DOCUMENT_ISSUER = 1 << 1 };

struct document_entry {
    struct document_names of; /* at least one */
    unsigned bits;            /* 0: any size */
    enum policy_verdict verdict;
    char *clause;
    enum source known;
    unsigned roles, protocols, certificate; /* bits; 0: all */
    char *from, *until;                     /* NULL: without end */
};

struct document_section {
    struct document_entry *entries;
    unsigned entries_count;
};

struct document {
    char *name, *title;
    char *source, *version, *as_of, *verified; /* NULL: as in what it extends */
    char *extends;                             /* NULL: nothing */
    struct document_section sections[POLICY_KIND_COUNT];
    struct document_removals {
        struct document_names kinds[POLICY_KIND_COUNT];
    } remove; /* from what it extends */
};

/* The member of a document that holds entries of this kind: "rules", "suites" … */
const char *document_section_name(enum policy_kind);

/* NULL, and a line on errors, if it is not sound. */
struct document *document_read(const struct yamlfile *, FILE *errors);
void document_free(struct document *);

#endif
