/* SPDX-License-Identifier: MIT */
/*
 * tls.h: one TLS client session as a transformer of bytes: ciphertext in, ciphertext out. It never
 * touches a socket, and does not compute with keys that are larger than any real one: that ends it.
 *
 *   tls_start()                 the hello is in tls_output()
 *   tls_feed() … tls_read() …   what came, until nothing more comes out of it
 *   tls_write(), tls_close()    more for tls_output()
 *
 * After every call send tls_output(), whatever the step is: an alert of ours may be in it. A
 * session is worth looking at after a failure too: version, suite and chain of a handshake that
 * broke late are there.
 */
#ifndef SCANNER_TLS_H
#define SCANNER_TLS_H

#include <stdio.h>

#include "protocols/hello.h"
#include "protocols/span.h"
#include "scanner/certificate.h"
#include "scanner/outcome.h"

enum tls_step {
    TLS_MORE,   /* the handshake goes on                  */
    TLS_OPEN,   /* it is done                             */
    TLS_CLOSED, /* the peer said goodbye (close_notify)   */
    TLS_FAILED  /* tls_outcome() says how                 */
};

/* The hellos that a full handshake can begin with. Of 256 to 511 octets some servers choke (RFC
   7685), of any more than 255 some others, and some of what they do not know. */
enum tls_offer {
    TLS_OFFER_DEFAULT, /* TLS 1.0 to 1.3, all the library has, padded to 512 octets     */
    TLS_OFFER_SMALL,   /* TLS 1.0 to 1.3, little choice; under 256 octets for names up to 60 */
    TLS_OFFER_OLDER,   /* as the default, without TLS 1.3: only that knows renegotiation    */
    TLS_OFFER_OLD,     /* HELLO_OLD: TLS 1.2 to 1.0, little choice; the size of a small one  */
    TLS_OFFER_OLD_11,  /* the same without TLS 1.2 */
    TLS_OFFER_OLD_10,  /* TLS 1.0 alone            */
    TLS_OFFER_BARE,    /* HELLO_BARE: the same again, without extensions (so without a name) */
    TLS_OFFER_BARE_11,
    TLS_OFFER_BARE_10,
    TLS_OFFER_COUNT
};

/* What all sessions of a loop share: priorities and (unused, but asked for) credentials. Outlives
 * them. */
struct tls_context *tls_context_new(FILE *errors);
void tls_context_free(struct tls_context *);

/* The versions that an offer really contains, read back from the library: bit 1 << VERSION_x. */
unsigned tls_context_versions(const struct tls_context *, enum tls_offer);

/* name: for server_name, NULL for none. tickets: ask the server for one (with
   TLS_OFFER_DEFAULT and TLS_OFFER_OLDER). NULL if there is no memory. */
struct tls *tls_new(struct tls_context *, enum tls_offer, const char *name, bool tickets);
void tls_free(struct tls *);

/* What a session left for a later one with the same server, which then spares both sides most of
   the handshake. It holds keys. */
struct tls_ticket {
    unsigned char *data;
    size_t len;
};

/* False if the server gave none, or if it is very long. TLS 1.3 servers give it behind the
   handshake, with what they say first. */
bool tls_ticket(const struct tls *, struct tls_ticket *);
void tls_ticket_free(struct tls_ticket *); /* and wipes it */

/* Before tls_start(), of a session that asks for tickets: offers to resume. The server may as well
   make it a full handshake. False if it cannot be offered. */
bool tls_resume(struct tls *, const struct tls_ticket *);

enum tls_step tls_start(struct tls *);

/* The bytes must stay until tls_read() has given everything: the session reads them in place. */
enum tls_step tls_feed(struct tls *, struct span cipher);

/* The peer closed the connection. */
enum tls_step tls_eof(struct tls *);

/* What the peer said inside TLS; 0 when there is no more now, and tls_step() says what that means.
 */
size_t tls_read(struct tls *, char *out, size_t max);
enum tls_step tls_step(const struct tls *);
void tls_write(struct tls *, struct span plain);
void tls_close(struct tls *);

/* Begins another handshake inside an open session (TLS 1.2 and older). The step is TLS_MORE until
   the peer has done it or refused it: facts.renegotiated says which. */
enum tls_step tls_renegotiate(struct tls *);

/* Ciphertext for the peer; tls_sent() forgets it. */
struct span tls_output(const struct tls *);
void tls_sent(struct tls *);

/* --- facts, at any time ----------------------------------------------------------------------- */

struct tls_session_facts {
    bool hello_seen; /* a ServerHello came: hello is valid                */
    struct server_hello hello;
    bool completed;     /* the handshake was finished                        */
    bool out_of_memory; /* ours, at some time: nothing of it counts      */
    bool client_certificate_requested;
    enum tri renegotiated; /* of tls_renegotiate() */
    bool staple;
    unsigned dh_bits;  /* 0: none                                          */
    const char *group; /* NULL: none                                      */
};

struct tls_session_facts tls_facts(const struct tls *);

/* The certificates as sent, at most max, also those that the library refused; they live as long as
   the session. */
size_t tls_certificates(const struct tls *, struct span *ders, size_t max);

/* Why it failed: cause and alert; *text is the library's word for it, or NULL. */
struct outcome tls_outcome(const struct tls *, const char **text);

#endif
