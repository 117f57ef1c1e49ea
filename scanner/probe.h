/* SPDX-License-Identifier: MIT */
/*
 * probe.h: one connection that makes one offer.
 *
 *   connect ── clear dialogue ── upgrade ──┬── full handshake ── dialogue inside TLS ── goodbye
 *          └── (implicit: at once) ────────┴── hand-made hello ── the answer to it
 *
 * A probe owns its connection, its timer and what it builds on them, and nothing of what it sees:
 * facts stay in its dialogue, its TLS session and its response, which are there to be looked at
 * while on_done runs and are gone when it returns. Every stage has a deadline, every buffer a
 * bound; whatever the peer does, on_done is called exactly once (never from inside probe_start),
 * and the probe frees itself after that.
 */
#ifndef SCANNER_PROBE_H
#define SCANNER_PROBE_H

#include <uv.h>

#include "protocols/dialogue.h"
#include "protocols/hello.h"
#include "scanner/address.h"
#include "scanner/chains.h"
#include "scanner/outcome.h"
#include "scanner/pace.h"
#include "scanner/stall.h"
#include "scanner/tls.h"

/* Milliseconds that a stage may take. */
struct deadlines {
    unsigned connect, greeting, reply, tls;
};

/* What all probes of a loop share. Outlives them. */
struct network {
    uv_loop_t *loop;
    struct tls_context *tls;
    struct chains *chains;
    struct deadlines deadlines;   /* of connecting: the longest                */
    struct round_trip round_trip; /* of the connections that came about        */
    struct stall *stall;          /* times in which the loop did not look; NULL: it always does */
    const struct address *source; /* to connect from, or NULL */
    const char *name;             /* for EHLO; NULL: the address that is connected from */
    const char *user, *password;  /* made up for this run: nobody's */
    unsigned nonce;               /* likewise */
    /* For whatever is read now, cipher and plain: each has room in front for the beginning of a
     * line. */
    char *input, *plain; /* NETWORK_BUFFER octets each */
};

#define NETWORK_CARRY (DIALOGUE_LINE_MAX + 2)
#define NETWORK_BUFFER (NETWORK_CARRY + (size_t)64 * 1024)

enum offer {
    OFFER_NONE,
    OFFER_HANDSHAKE,
    OFFER_HELLO,
    OFFER_ALERT /* breaks it off at once, and says goodbye in clear: is that answered? */
};

struct probe;
typedef void (*probe_done_fn)(void *context, struct probe *);

struct probe_request {
    struct address address;
    uint16_t port;
    const struct protocol *protocol;
    bool tls_first;          /* an implicit port                                             */
    struct agenda agenda;    /* its name is filled in                                        */
    enum offer offer;        /* what is offered once TLS may begin                           */
    const char *server_name; /* for server_name, or NULL; outlives the probe              */
    uint64_t deadline;       /* of the endpoint, in the loop's time                          */
    note_fn note;            /* what the dialogue says, may be NULL                          */
    /* It is connected: may it begin? If not, it is held until probe_begin(), and lost if that is
       long in coming. NULL: it may. */
    bool (*on_connected)(void *context);

    /* OFFER_HELLO */
    struct hello hello; /* its random is filled in      */
    bool certificates;  /* keep the Certificate message */

    /* OFFER_HANDSHAKE */
    enum tls_offer handshake;
    bool renegotiate;                /* once more inside, and no more than that                 */
    bool ticket;                     /* ask for one                                             */
    const struct tls_ticket *resume; /* to be resumed, or NULL; outlives the probe              */
    unsigned hold; /* ms to listen before the hello; if something comes, nothing is resumed     */

    probe_done_fn on_done;
    void *context;
};

/* What came of it. */
struct probe_facts {
    struct outcome outcome;
    bool connected;
    bool held, begun;      /* it had to wait for its turn; it had it           */
    struct address source; /* of our side, once connected                         */
    uint64_t received;     /* octets in all                                            */
    uint64_t trailing;  /* octets of plaintext between the accepted upgrade and TLS, if that came */
    bool tls_begun;     /* a hello was sent                                         */
    bool resuming;      /* it offered to resume a session                           */
    bool usable;        /* something was said inside TLS                            */
    bool stalled;       /* it was cut, or ran out of time, where our loop had not looked for
                               a while: the cause is local                         */
    bool slow;          /* and it was its own octets that we were busy with            */
    bool out_of_memory; /* on our side, somewhere on the way: nothing of it counts  */
    struct span first_text; /* text that came where TLS should begin: its beginning     */
    const struct dialogue *dialogue;
    const struct tls *tls;           /* NULL: no handshake was begun                       */
    const struct response *response; /* NULL: no hello was sent                            */
};

/* False if there is no memory or descriptor for it now: on_done is not called. */
bool probe_start(struct network *, const struct probe_request *, struct probe **);

/* A probe that is held may begin now. */
void probe_begin(struct probe *);

/* Ends it at once, without on_done. */
void probe_cancel(struct probe *);

/* Only while on_done runs. */
struct probe_facts probe_facts(const struct probe *);

#endif
