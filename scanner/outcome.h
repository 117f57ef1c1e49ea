/* SPDX-License-Identifier: MIT */
/*
 * outcome.h: where something ended, and why.
 *
 * Numbers of libuv, GnuTLS and c-ares collide (-110 is a timeout in one and a cut connection in
 * another), so they are translated where they arise and never travel further than that. The cause
 * is also the reason why a fact is not known; CAUSE_NONE means that nothing went wrong, or that the
 * fact is known.
 */
#ifndef SCANNER_OUTCOME_H
#define SCANNER_OUTCOME_H

#include <stdbool.h>

enum phase {
    PHASE_RESOLVE,
    PHASE_CONNECT,
    PHASE_GREETING,
    PHASE_CAPABILITIES,
    PHASE_LOGIN, /* in clear */
    PHASE_STARTTLS,
    PHASE_TLS,
    PHASE_INSIDE, /* the dialogue inside TLS */
    PHASE_GOODBYE
};

enum cause {
    CAUSE_NONE,
    CAUSE_NOT_ASKED,    /* --facts leaves it out, or nothing led there                       */
    CAUSE_TIMEOUT,      /* the deadline of a stage                                           */
    CAUSE_DEADLINE,     /* the deadline of the whole endpoint                                */
    CAUSE_RESET,        /* the peer cut the connection                                       */
    CAUSE_CLOSED,       /* the peer closed it, or nothing listens there (PHASE_CONNECT)       */
    CAUSE_UNREACHABLE,  /* no way there                                                      */
    CAUSE_LIMIT,        /* more than we take: a long line, warnings without end …            */
    CAUSE_RATE_LIMITED, /* 421, BYE: not now                                                 */
    CAUSE_TEMPORARY,    /* 4yz, [UNAVAILABLE] …: not now                                     */
    CAUSE_REFUSED,      /* the question itself was refused                                   */
    CAUSE_ODD_REPLY,    /* a reply that fits no grammar of the command                       */
    CAUSE_MISMATCH,     /* another protocol is spoken there                                  */
    CAUSE_PLAINTEXT,    /* text where TLS should be                                          */
    CAUSE_ALERT,        /* a TLS alert; detail is its description                            */
    CAUSE_PROTOCOL,     /* TLS that breaks its own rules                                     */
    CAUSE_VERSION,      /* a version was chosen that was not offered                         */
    CAUSE_CERTIFICATE_REQUIRED, /* the server insists on a certificate of ours               */
    CAUSE_TLS,           /* no TLS came about, so nothing inside it is known                  */
    CAUSE_DNS,           /* the name has no address                                           */
    CAUSE_LOCAL,         /* our own side: no descriptor, no memory                            */
    CAUSE_SAME_ADDRESS,  /* we connect from the server's own address, which it may trust     */
    CAUSE_PREAUTH,       /* the greeting has logged us in                                    */
    CAUSE_NOT_LOGGED_IN, /* the server wants a login first                                   */
    CAUSE_NOT_OFFERED,   /* a suite or compression was chosen that was not offered           */
    CAUSE_INCONSISTENT,  /* the same question was answered in two ways                       */
    CAUSE_IMPLICIT,      /* all is inside TLS: there is no such stage                        */
    CAUSE_UNREADABLE,    /* octets that fit no form that is known here                       */
    CAUSE_COUNT
};

struct outcome {
    enum phase phase;
    enum cause cause;
    int detail; /* CAUSE_ALERT: the alert; CAUSE_REFUSED at the greeting: its code; CAUSE_PLAINTEXT:
                   the cause that ended it, if it ended; else 0 */
};

const char *phase_name(enum phase);

/* The word that records use: "timeout", "reset", "rate_limited" … */
const char *cause_name(enum cause);

/* The cause of that word; a word that is not known is an odd reply too. Never CAUSE_NONE: there is
   some cause. */
enum cause cause_parse(const char *);

/* False: there is no such phase. */
bool phase_parse(const char *, enum phase *);

/* A sentence for people. */
const char *outcome_text(struct outcome);

#endif
