/* SPDX-License-Identifier: MIT */
/*
 * work.h: one endpoint's past and what this run brought of it, while it is worked out what that
 * means.
 *
 * A spot is an endpoint at an address. What is compared is always what was last *known*: a fact that
 * was not learnt this time stays what it was, and is no change.
 */
#ifndef OUTPUT_STATE_WORK_H
#define OUTPUT_STATE_WORK_H

#include "output/state/inside.h"

/* Memory that is given back all at once. */
struct arena {
    struct arena_block *blocks;
    bool failed; /* something was wanted that there was no room for */
};

void *arena_take(struct arena *, size_t size);        /* zeroed; NULL: there is none */
const char *arena_keep(struct arena *, const char *); /* NULL stays NULL             */
void arena_clear(struct arena *);

/* What something was judged on. */
struct look {
    int64_t run; /* 0: it never was */
    const char *facts, *trust, *labels;
    const char *checks; /* letters; NULL: not kept */
    bool answered;
};

enum tonight {
    UNSEEN,   /* nothing is known of it                */
    SILENT,   /* asked, and there was no service       */
    ANSWERED, /* asked, and somebody was there         */
    ASIDE     /* not asked: out of scope, or excluded  */
};

struct spot {
    const char *ip; /* "": none was ever found */
    int64_t place;
    bool current; /* was one of its addresses before this run */
    bool missed;  /* the run before did not find it           */
    bool lost;    /* it is none any more                      */
    bool gained;  /* it is one now, and was not before        */

    /* Before. */
    const char *status; /* NULL: never recorded */
    int64_t status_run;
    const char *labels;
    struct look seen; /* when it last answered, if it did */
    const char *seen_time;
    const char *known[KNOWN_COUNT];

    /* In this run. */
    enum tonight tonight;
    const char *record_ip; /* under which its record is */
    const char *word;      /* its status now; UNSEEN: why not */
    const char *time;
    struct look now;
    const char *reasons;
    const char *known_now[KNOWN_COUNT];

    /* The finding that is being looked at. */
    bool open, fails;
    bool kept;          /* less is known than the last time: what was said then still holds */
    struct look judged; /* where it is open: the last time */
    const char *severity, *waiver;
    bool waived;
    const char *title, *waiver_expires, *waiver_reason;
    bool timed; /* it depends on the day */
};

struct work {
    struct state *state;
    struct arena arena;
    int64_t endpoint;
    const char *key, *protocol, *mode, *host, *labels;
    int64_t port;
    bool was_seen; /* it had answered before this run                    */
    bool was_asked;
    bool recorded; /* this run has a record of it                        */
    bool changed;
    struct spot *spots; /* by address */
    size_t count, capacity;
};

struct store *work_store(const struct work *);

/* A column of a row, kept in the arena, as store_text() and store_word() give it. */
const char *work_text(struct work *, sqlite3_stmt *, int column);
const char *work_word(struct work *, sqlite3_stmt *, int column); /* never NULL */

/* place.c */
void place_work(struct work *);
/* finding.c */
void finding_work(struct work *);

/* --- change.c ----------------------------------------------------------------------------------- */

/* A list of texts, or a text; ended by NULL. */
struct value {
    const char *text; /* NULL and no list: null */
    const char *list; /* JSON                   */
};

struct change {
    const char *type, *cause;
    const struct spot *spot; /* NULL: of the endpoint, whatever its address */
    const char *time;        /* NULL: the spot's, or the run's              */
    const char *rule, *fingerprint, *severity, *title;
    struct value before, after;
    const char *reason;
    const char *name, *detail; /* one member more, or NULL */
};

void change_emit(struct work *, const struct change *);

/* Does that run differ from this one? */
bool change_ruleset_differs(const struct work *, int64_t run);
bool change_options_differ(const struct work *, int64_t run);
bool change_rule_existed(const struct work *, int64_t run, const char *rule);

/* Why a verdict is another one than at the first look. rule may be NULL; timed: it depends on the day;
   letter: what the rule's verdict was. */
const char *change_cause(const struct work *, const struct look *then, const struct look *now,
                         const char *rule, bool timed, char letter);

/* Why an endpoint, or what is found on it, is new. */
const char *change_cause_of_new(const struct work *);

/* --- verdicts, a letter for each rule ------------------------------------------------------------ */

/* Is a rule unknown now of which something was known? */
bool checks_are_less(const char *then, const char *now);

/* The number under which they are kept; 0: there are none. */
int64_t checks_keep(struct work *, const char *letters);

#endif
