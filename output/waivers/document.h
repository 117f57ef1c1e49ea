/* SPDX-License-Identifier: MIT */
/*
 * document.h: a file of waivers as it is written, read from YAML, with the line of every member.
 *
 * It knows which members there are and what type each has; whether they mean anything is for others
 * to say. Labels have names of the user's own: those that stand in the file are the ones that the
 * schema has. A document owns its texts.
 */
#ifndef OUTPUT_WAIVERS_DOCUMENT_H
#define OUTPUT_WAIVERS_DOCUMENT_H

#include <stdbool.h>

#include "output/yamlfile.h"

#define WAIVERS_MAX 10000
#define WAIVER_RULES_MAX 128
#define WAIVER_LABELS_MAX 32 /* different names in a file */
#define WAIVER_LABEL_NAME_MAX 64

enum waiver_member {
    MEMBER_ID,
    MEMBER_RULE,
    MEMBER_RULES,
    MEMBER_FINGERPRINT,
    MEMBER_MATCH,
    MEMBER_ENDPOINT,
    MEMBER_CIDR,
    MEMBER_PROTOCOL,
    MEMBER_LABELS,
    MEMBER_REASON,
    MEMBER_APPROVED_BY,
    MEMBER_TICKET,
    MEMBER_CREATED,
    MEMBER_EXPIRES,
    MEMBER_COUNT
};

const char *waiver_member_name(enum waiver_member); /* "id", "rule" … */

struct waiver_entry {
    char *id, *reason, *expires; /* NULL: missing, and so is all else */
    char *rule, *fingerprint, *approved_by, *ticket, *created;
    char **rules;
    unsigned rules_count;
    struct waiver_match {
        char *endpoint, *cidr, *protocol;
        struct waiver_labels {
            char *values[WAIVER_LABELS_MAX]; /* of the document's names; NULL: not asked for */
        } * labels;                          /* NULL: none */
    } match;
};

/* What YAML is read into. */
struct waiver_list {
    unsigned max_days; /* 0: not given */
    struct waiver_entry *entries;
    unsigned entries_count;
};

struct waiver_lines {
    unsigned entry; /* where it begins */
    unsigned members[MEMBER_COUNT];
};

struct waiver_document {
    struct waiver_list *list;
    unsigned max_days_line;     /* 0: not given */
    struct waiver_lines *lines; /* one for each entry; fewer, where the file is odd */
    size_t line_count, line_capacity;
    char names[WAIVER_LABELS_MAX][WAIVER_LABEL_NAME_MAX + 1];
    size_t name_count;
    struct waiver_schema *schema;
};

/* False, and a line on errors, if it is not sound. To be given to waiver_document_free() either
   way. */
bool waiver_document_read(struct waiver_document *, const struct yamlfile *, FILE *errors);
void waiver_document_free(struct waiver_document *);

/* The line of a member of an entry; if it is not there, that of the entry; 0: not known. */
unsigned waiver_document_line(const struct waiver_document *, size_t entry, enum waiver_member);

#endif
