/* SPDX-License-Identifier: MIT */
/*
 * versions.h: which hello is asked next, and what its answer proves about the six versions.
 *
 * By RFC 5246 appendix E.1 a server takes the highest version that both sides have. So the ladder
 * goes down: each hello offers everything up to the highest version that is not decided yet. Of a
 * server that has TLS 1.3 all that is older than TLS 1.2 is asked at once, by the list of versions
 * (RFC 8446 section 4.2.1): alert 70 then excludes all of them. A server that goes by the older
 * field is asked for each version: at a version that it has not GnuTLS says 70 too, whatever lies
 * below.
 *
 * Any other refusal may be about the form of the ClientHello, its size, the suites, the name. So
 * while nothing is accepted, older forms are tried (hello.h), down to TLS 1.0 without an extension;
 * what is accepted first shows the form that the server takes, and all is asked in that. A version
 * is rejected by such a refusal only if all suites that there are for it were offered in a form that
 * the server takes, and some hello was accepted on the endpoint. Silence never proves anything.
 *
 * Where two answers cannot both be of one server (a version chosen that was refused before, a lower
 * one chosen than is accepted) no refusal counts any more.
 */
#ifndef SCANNER_VERSIONS_H
#define SCANNER_VERSIONS_H

#include "scanner/observation.h"

/* The answer to one hello, or why there is none. */
struct hello_result {
    enum cause cause; /* CAUSE_NONE: a ServerHello came                                     */
    bool reached;     /* the hello was sent; otherwise the cause lies before TLS            */
    bool torn;        /* an answer had begun when the connection ended: that is no refusal  */
    int alert;        /* CAUSE_ALERT: its description                                       */
    struct server_hello hello;
};

struct ladder {
    struct version_fact *facts;    /* [VERSION_COUNT], the observation's                        */
    bool exhaustive;               /* ask each version by itself, infer nothing                 */
    bool settled[VERSION_COUNT];   /* no more hello is needed for it                           */
    unsigned tried[VERSION_COUNT]; /* what it was asked with: see attempt_bit()         */
    unsigned silent_forms[VERSION_COUNT]; /* (1 << HELLO_x) what of that was not answered      */
    enum hello_form refused_form[VERSION_COUNT]; /* of what is rejected */
    struct hello known;   /* accepted: what is asked in order to see whether we are let in    */
    bool accepted;        /* known is one                                                     */
    enum hello_form form; /* once accepted: the form that the server takes                    */
    bool large;           /* it takes more than 255 octets, too                               */
    bool intolerant;      /* what offers TLS 1.3 is refused as a whole, whatever its suites    */
    bool inconsistent;    /* two answers contradict each other                               */
    bool finished;
    bool marked,
        unmarked;       /* answers below TLS 1.3 with the mark of RFC 8446 section 4.1.3, without */
    bool rechecked;     /* what was refused has been asked once more                        */
    bool list_ignored;  /* the server goes by the older field, though it has TLS 1.3              */
    unsigned unreached; /* hellos that could not even be sent, in a row                      */
    unsigned silent;    /* hellos that were not answered, in a row                           */
};

/* All versions are open. */
void ladder_init(struct ladder *, struct version_fact facts[VERSION_COUNT], bool exhaustive);

/* A full handshake got a ServerHello; offered has a bit 1 << VERSION_x for each version that it
 * offered. After ladder_finish() it only shows whether that fits all else. */
void ladder_add_handshake(struct ladder *, const struct server_hello *, unsigned offered);

/* The next hello to be asked: fills in all but name and random. False when all is settled. */
bool ladder_next(struct ladder *, struct hello *);

/* What came of it. */
void ladder_absorb(struct ladder *, const struct hello *, const struct hello_result *);

/* No more will be asked: what is open stays unknown for this reason, and refusals that prove
 * nothing say so. */
void ladder_finish(struct ladder *, enum cause);

/* These versions (1 << VERSION_x) are to be asked again, or are not known for this reason. */
void ladder_reopen(struct ladder *, unsigned versions);
void ladder_leave_open(struct ladder *, unsigned versions, enum cause);

/* This hello, accepted before, was refused now by "no such version". */
void ladder_contradict(struct ladder *);

/* Has any hello been accepted? */
bool ladder_has_accepted(const struct ladder *);

#endif
