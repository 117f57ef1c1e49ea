/* SPDX-License-Identifier: MIT */
/*
 * rule.h: what a rule is, what it looks at, and what it gives back.
 *
 *   host_view ──> subject (one endpoint of it) ──> rule->judge() ──> verdict, evidence
 *
 * Rules see observations and nothing else: no clock, no network, no option. Each is a row of a
 * table (channel.c, imap.c …) whose texts are what people read; rules.c has all rows in one list.
 * The absence of evidence is never a pass: a rule that lacks a fact says why it does.
 */
#ifndef OUTPUT_RULES_RULE_H
#define OUTPUT_RULES_RULE_H

#include <time.h>

#include "scanner/observation.h"

enum severity {
    SEVERITY_INFO,
    SEVERITY_LOW,
    SEVERITY_MEDIUM,
    SEVERITY_HIGH,
    SEVERITY_CRITICAL,
    SEVERITY_COUNT,
    SEVERITY_NONE = SEVERITY_COUNT
};

const char *severity_name(enum severity); /* "info" … "critical"; NULL for none */
bool severity_parse(const char *, enum severity *);

enum verdict {
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_NOT_APPLICABLE,
    VERDICT_NOT_TESTED,   /* not asked: evidence.reason says why                       */
    VERDICT_INCONCLUSIVE, /* asked, and not learnt: evidence.reason says why           */
    VERDICT_COUNT
};

const char *verdict_name(enum verdict); /* "pass", "not_applicable" … */

/* What an endpoint is for; decides how strict a rule may be. */
enum role {
    ROLE_ACCESS,     /* IMAP, POP3: people read their mail there                        */
    ROLE_SUBMISSION, /* SMTP with TLS at once, or explicit, or on 587 or 2525           */
    ROLE_MX,         /* other SMTP: takes mail from strangers, TLS is opportunistic     */
    ROLE_RELAY,      /* SMTP that takes no mail from the Internet: only by role=relay   */
    ROLE_FILES       /* FTP                                                             */
};

const char *role_name(enum role); /* "access" "submission" "mx" "relay" "files" */

/* What a rule looks at. */
struct subject {
    const struct host_view *host;
    const struct observation *o; /* one of the host's */
    enum role role;              /* by the label role=, else by protocol, mode and port */
    time_t now;                  /* when it was observed */
};

struct subject subject_of(const struct host_view *, const struct observation *);

/* --- evidence --------------------------------------------------------------------------------- */

/* A fact that decided. Texts are the observation's or constants: they live as long as that. */
struct evidence_item {
    const char *name; /* lower case and "_" */
    enum { EVIDENCE_TEXT, EVIDENCE_MADE, EVIDENCE_NUMBER, EVIDENCE_TRUTH, EVIDENCE_LIST } kind;
    const char *text;
    int64_t number; /* also of a truth; of a made text: where it is in scratch */
    const struct list *list;
};

#define EVIDENCE_MAX 8

struct evidence {
    enum severity severity;     /* the rule's, unless judge() changes it                    */
    enum confidence confidence; /* confirmed, unless judge() lowers it                      */
    const char *reason;         /* of not tested and inconclusive: a word as cause_name()'s */
    char discriminator[64]; /* tells findings of one rule on one endpoint apart, over the years */
    size_t count;
    struct evidence_item items[EVIDENCE_MAX + 1]; /* the last is for what is too much */
    size_t used;
    char scratch[256]; /* for evidence_format() */
};

/* No evidence yet. What there is no evidence of is not set, so that it costs nothing. */
void evidence_begin(struct evidence *, enum severity);

void evidence_text(struct evidence *, const char *name, const char *text);
void evidence_number(struct evidence *, const char *name, int64_t);
void evidence_truth(struct evidence *, const char *name, bool);
void evidence_list(struct evidence *, const char *name, const struct list *);

/* A text that is made for it: kept in the evidence itself, cut if it is long. */
void evidence_format(struct evidence *, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The text of an item of either kind. */
const char *evidence_words(const struct evidence *, const struct evidence_item *);

/* --- rules ------------------------------------------------------------------------------------ */

/* How well the clause is known. */
enum source { SOURCE_PRIMARY, SOURCE_SECOND_HAND, SOURCE_MEMORY };

struct reference {
    const char *text; /* "RFC 9051 section 6.2.1" …; NULL ends the list */
    enum source source;
};

#define REFERENCES_MAX 8

struct rule {
    const char *id;
    enum severity severity;
    const char *title;       /* one line, what is wrong                           */
    const char *description; /* what was looked at, and why it matters            */
    const char *remediation; /* what to do, with the names of settings            */
    struct reference references[REFERENCES_MAX];
    enum verdict (*judge)(const struct subject *, struct evidence *);
};

#define RULES_MAX ((size_t)128)

/* All rules, in one order for good; at most RULES_MAX. */
size_t rules_count(void);
const struct rule *rules_at(size_t); /* counts from the first: to see all of them, walk */
const struct rule *rules_find(const char *id, size_t *at); /* NULL: there is none; at may be NULL */

/* One after the other, in that order. */
struct rules_walk { /* all zero: before the first */
    size_t section;
    const struct rule *next;
};

const struct rule *rules_next(struct rules_walk *); /* NULL behind the last */

/* The same rules in the order of their sections. */
struct rules_section {
    const char *title;
    const struct rule *rules; /* ended by a row without an id */
};

const struct rules_section *rules_section_at(size_t); /* NULL behind the last */

/* The tables of rules.c, each ended by a row without an id. */
extern const struct rule rules_channel[], rules_login[], rules_host[], rules_imap[], rules_pop3[],
    rules_smtp[], rules_ftp[], rules_tls[], rules_ciphers[], rules_certificate[];

/* --- for the rules ---------------------------------------------------------------------------- */

/* Gives up because the fact is not known: not tested if it was not asked, else inconclusive, with
   the reason of the fact. */
enum verdict verdict_unknown(const struct observation *, enum fact, struct evidence *);

/* The same with a reason of the rule's own. */
enum verdict verdict_without(enum verdict, const char *reason, struct evidence *);

/* Was it greeted in clear (true), or is all of it inside TLS? */
bool is_in_clear(const struct observation *);

/* Is there TLS that can be judged? If not, *verdict is that of every rule about it. */
bool subject_has_tls(const struct subject *, struct evidence *, enum verdict *verdict);

/* "SSL 2.0" … "TLS 1.3" */
const char *version_title(enum version);

/* A version that is neither accepted nor rejected. */
enum verdict verdict_open(const struct version_fact *, struct evidence *);

/* On an mx TLS is an offer to strangers who would else send in clear: the rule weighs this much
   there, and the evidence says so. */
void evidence_on_mx(struct evidence *, const struct subject *, enum severity);

/* Fails or passes. */
static inline enum verdict verdict_of(bool bad)
{
    return bad ? VERDICT_FAIL : VERDICT_PASS;
}

#endif
