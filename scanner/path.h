/* SPDX-License-Identifier: MIT */
/*
 * path.h: whether the certificates that a server sent lead to a root that is trusted.
 *
 * Verification never happens inside a handshake: a scanner wants to see the chain that a client
 * would refuse. What is found out about a chain by its signatures holds for ever (struct
 * trust_path); name and dates are looked at each time. chains.h keeps both for the next server with
 * the same chain.
 *
 * Every way from the server's certificate to a root counts, as with other verifiers, whatever the
 * order in which the issuers were sent, and however many there are of one name. The work is
 * bounded: what would take more is not known.
 */
#ifndef SCANNER_PATH_H
#define SCANNER_PATH_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "scanner/address.h"
#include "scanner/outcome.h"
#include "scanner/text.h"

#define WAYS_MAX ((size_t)4)

struct verification {
    bool trusted;        /* a chain to a trusted root, every date and algorithm in order         */
    enum cause unknown;  /* why that is not known; CAUSE_NONE: it is                             */
    bool own_roots;      /* the roots were given (--ca-file) and are not the system's            */
    enum tri name_match; /* unknown where there is nothing to compare with, or it is unreadable  */
    struct list errors; /* unknown_issuer, expired, not_yet_valid, insecure_algorithm …         */
};

/* The roots that are trusted: the system's, or those of a PEM file. NULL (and a line on errors) if
   they cannot be read. */
struct trust *trust_new(const char *ca_file, FILE *errors);
void trust_free(struct trust *);

/* A path from the server's certificate up. */
struct trust_way {
    unsigned status;     /* the library's, of everything but dates and name: 0 is good          */
    int64_t from, until; /* when all of it is valid, its root too                               */
};

/* What is true of a chain for every name and at any time. */
struct trust_path {
    bool readable;    /* the first certificate is one, with dates                              */
    bool self_signed; /* that one                                                              */
    bool own_roots;
    enum cause unknown;  /* why there may be a good way that was not found; CAUSE_NONE            */
    int64_t from, until; /* the dates of the first certificate, if it is readable                */
    struct trust_way ways[WAYS_MAX];
    size_t count; /* good ones first; at least one if it is readable                       */
};

/* False when there is no memory. Of more than CHAIN_MAX certificates those behind are not looked
   at, and what that leaves open is not known. */
bool chain_trace(const struct trust *, const struct span *ders, size_t count, struct trust_path *);

/* der is the first certificate. */
bool chain_conclude(const struct trust_path *, struct span der, const char *name,
                    const struct address *, time_t now, struct verification *);

/* Is the chain good for this name, or for this address where there is no name, at this time (Unix
 * time)? */
bool chain_verify(const struct trust *, const struct span *ders, size_t count, const char *name,
                  const struct address *, time_t now, struct verification *);
void verification_free(struct verification *);

#endif
