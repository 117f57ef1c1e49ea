/* SPDX-License-Identifier: MIT */
/*
 * resolver.h: names to addresses, by c-ares on the loop.
 *
 * A lookup asks for A and for AAAA, and keeps apart how the two ended: "has no IPv6 address" is a
 * fact, a lost answer is not. Names are absolute: no search domains count, whether of resolv.conf or
 * the environment. They are checked before anything is asked. With the system's servers /etc/hosts counts, and settles
 * the names that are in it; with a server of one's own only that server counts.
 *
 * The resolver owns its sockets, its timer and the lookups that wait. It never blocks on the
 * network, and never calls back from inside one of the functions below. At most options.queries
 * questions are on their way; further lookups wait in a queue that only its caller bounds.
 */
#ifndef SCANNER_RESOLVER_H
#define SCANNER_RESOLVER_H

#include <uv.h>

#include "scanner/address.h"

#define RESOLVER_ADDRESSES_MAX ((size_t)256) /* of a family, in one resolution   */
#define RESOLVER_NAME_MAX ((size_t)253)      /* a final dot not counted          */
#define RESOLVER_PORT 53

/* How the question for one family ended. */
enum resolved {
    RESOLVED_FOUND,      /* there are addresses                                         */
    RESOLVED_NO_ADDRESS, /* the name has none of this family                            */
    RESOLVED_NO_NAME,    /* the name does not exist                                     */
    RESOLVED_BAD_NAME,   /* not a name: nothing was asked                               */
    RESOLVED_TIMEOUT,    /* no server answered in time                                  */
    RESOLVED_FAILURE,    /* servers cannot be reached, or said SERVFAIL or REFUSED      */
    RESOLVED_GARBLED,    /* an answer that cannot be read                               */
    RESOLVED_LOCAL,      /* our own side: no memory …                                   */
    RESOLVED_CANCELLED,  /* resolver_close() came first                                 */
    RESOLVED_UNUSABLE    /* never the resolver's word: none of the addresses is a host's */
};

/* How many addresses of a family were too many, and the first of them: the lowest are kept. */
struct resolution_cut {
    size_t count;
    struct address first; /* if there is one */
};

struct resolution {
    enum resolved ipv4, ipv6;
    struct resolution_cut cut[2]; /* IPv4, IPv6                */
    size_t count;
    struct address *addresses; /* sorted, each address once */
};

/* The resolution is valid during the call only. From here any function of the resolver may be
   called. */
typedef void (*resolution_fn)(void *context, const struct resolution *);

struct resolver_options {
    const char *server; /* as resolver_server_parse() takes it; NULL: the system's    */
    int timeout_ms;     /* of the first try, doubled for each further one; 0: 2000    */
    int tries;          /* at each server; 0: 3                                       */
    unsigned queries;   /* on their way at once, rounded up to an even number; 0: 64  */
};

struct resolver;

/* NULL: the server is no address, or there is no memory. The loop must outlive the resolver. */
struct resolver *resolver_new(uv_loop_t *, const struct resolver_options *);

/* Calls back exactly once, later, from the loop. False, and no call: out of memory, or being
   closed. */
bool resolver_lookup(struct resolver *, const char *name, resolution_fn, void *context);

/* Gives up: every lookup that still waits is called back, with RESOLVED_CANCELLED for what is not
   known; after the last of them, when no handle is left on the loop, on_closed (may be NULL). All
   this happens later, from the loop. To be called once; frees the resolver. */
void resolver_close(struct resolver *, void (*on_closed)(void *context), void *context);

/* ADDRESS, IPV4:PORT or [IPV6]:PORT. */
bool resolver_server_parse(struct span text, struct address *, uint16_t *port);

/* The word that records use: "no_such_name", "timeout" … */
const char *resolved_name(enum resolved);

#endif
