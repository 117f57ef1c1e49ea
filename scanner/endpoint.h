/* SPDX-License-Identifier: MIT */
/*
 * endpoint.h: one service at one address: which probe comes next, and what the probes add up to.
 *
 * The first probe holds the dialogue and, if asked for, the full handshake; the others ask for
 * versions. Later probes are chosen from what earlier ones saw. An endpoint opens no connection
 * itself: it fills in a request, and is told what came of it. One probe at a time.
 */
#ifndef SCANNER_ENDPOINT_H
#define SCANNER_ENDPOINT_H

#include "scanner/observation.h"
#include "scanner/probe.h"
#include "scanner/trials.h"
#include "scanner/versions.h"

/* What is gathered (--facts). */
enum facts {
    FACTS_CAPABILITIES = 1 << 0,
    FACTS_VERSIONS = 1 << 1,
    FACTS_HANDSHAKE = 1 << 2,
    FACTS_LOGIN = 1 << 3,
    FACTS_INJECTION = 1 << 4,
    FACTS_ALL = (1 << 5) - 1
};

struct endpoint_options {
    unsigned facts; /* enum facts, together */
    bool exhaustive;
    bool dummy_login;          /* one login with a name that nobody has, where a login is tried */
    bool transcript;           /* keep what is said */
    unsigned deadline_ms;      /* for all probes of an endpoint together */
    const struct trust *trust; /* NULL: nothing to verify against */
};

enum endpoint_stage {
    ENDPOINT_FIRST,      /* the dialogue, and the handshake or the first hello           */
    ENDPOINT_OTHER_MODE, /* it did not behave as the table says: the other way round     */
    ENDPOINT_UNLISTED,   /* the capability command was never answered: TLS without it    */
    ENDPOINT_VERSIONS,   /* hello by hello                                               */
    ENDPOINT_SMALL,      /* the handshake died on its hello: once more with another one  */
    ENDPOINT_DONE
};

/* Which notes of the dialogue under way become facts. */
enum hearing {
    HEARING_NOTHING,
    HEARING_ALL,
    HEARING_UPGRADE, /* the reply to the upgrade command, and what is said inside TLS */
    HEARING_INSIDE
};

struct endpoint {
    struct observation *observation;
    const struct endpoint_options *options;
    struct network *network;
    const char *name; /* of the host, or NULL */
    struct address address;

    enum endpoint_stage stage;
    bool implicit;          /* how it is spoken to now */
    bool connected;         /* some probe got through */
    bool unlisted;          /* the capability command is not said in clear any more */
    bool unreset;           /* nor RSET */
    bool handshake_died;    /* before a ServerHello                                   */
    enum tls_offer offer;   /* of the last full handshake                             */
    struct text first_text; /* what came where TLS should begin, before the other mode was tried */
    enum hearing hearing;
    struct probe_request request; /* of the probe under way                              */
    struct ladder ladder;
    /* Versions (1 << VERSION_x) on which an implicit port hung up without a word: refusals, unless we
       are not let in any more. Any word of it after that tells; if there is none, a hello that it
       took before is asked once more. */
    unsigned doubtful;
    bool assures;                 /* that hello is under way */
    struct server_hello below;    /* the first ServerHello of TLS 1.2 or less               */
    bool below_seen, below_whole; /* whole: the hello had all extensions            */
    enum tri compression;         /* as chosen by the first of them that was offered it         */
    bool put_off;                 /* the last probe was, though the first was let in            */
    bool turned_away;             /* the last probe was not let in: no harder questions then */
    struct tls_ticket ticket;     /* of the full handshake, for the injection                */
    bool broke_resuming;          /* the injection broke a handshake that offered to resume  */
    const struct trial *trial;    /* under way, or NULL                                        */
    size_t next_trial;
    uint64_t begun; /* when this probe was, in the loop's time */
    uint64_t lost;  /* ms that stalls had taken then           */
    uint64_t left;  /* ms that its probes may still take      */
};

void endpoint_init(struct endpoint *, struct observation *, const struct endpoint_options *,
                   struct network *, const struct address *, const char *name);

/* Fills in the next probe of this course (all but on_done and context, which the caller sets;
   context is the endpoint's owner's). False when there is no more to ask in it. */
bool endpoint_next(struct endpoint *, enum course, struct probe_request *);

/* There will be no more: gives every fact that is not known its reason. */
void endpoint_conclude(struct endpoint *);

/* Frees what it keeps from one probe to another (endpoint_conclude() does so, too). */
void endpoint_free(struct endpoint *);

/* The probe that endpoint_next() asked for could not be begun yet: it will be asked for again. */
void endpoint_withdraw(struct endpoint *);

/* Does this end of it say "not now", so that the same is worth asking later: 421 and its like, 454
   to the upgrade, a cut before anything was said, a door that is shut and was open before? */
bool endpoint_put_off(const struct endpoint *, const struct probe_facts *);

/* It ended, but brought nothing: it will be asked for again. */
void endpoint_postpone(struct endpoint *, const struct probe_facts *);

/* The name has no address (word says why): there is nothing to probe, and the observation is
 * complete. */
void endpoint_unresolved(struct endpoint *, enum cause, const char *word);

/* For probe_request.note. */
void endpoint_note(struct endpoint *, bool secure, enum note, struct span);

/* The probe that endpoint_next() asked for has ended. */
void endpoint_absorb(struct endpoint *, const struct probe_facts *);

/* --- for trials.c ----------------------------------------------------------------------------- */

bool endpoint_wants(const struct endpoint *, enum facts);

/* Why an answer that is not a plain yes is not known; missing: why the dialogue ended. wanted: it was
   on the agenda, so that it was not asked only because of that end. */
enum cause cause_of_answer(enum answer, bool wanted, const struct dialogue *, enum cause missing);
struct span first_line_of(struct span);

#endif
