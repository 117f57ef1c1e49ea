/* SPDX-License-Identifier: MIT */
/*
 * certificate.h: what a certificate says, and whether the chain that came with it can be trusted.
 *
 * Facts are copied out of the DER at once; nothing here keeps a library object. Verification never
 * happens inside a handshake: a scanner wants to see the chain that a client would refuse. What is
 * found out about a chain by its signatures holds for ever (struct trust_path); name and dates are
 * looked at each time. chains.h keeps both for the next server with the same chain.
 */
#ifndef SCANNER_CERTIFICATE_H
#define SCANNER_CERTIFICATE_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include "scanner/address.h"
#include "scanner/text.h"

#define CHAIN_MAX ((size_t)8)

struct certificate {
    unsigned char sha256[32], spki_sha256[32];
    char serial[2 * 32 + 1];      /* hex; RFC 5280 allows 20 octets, more than 32 are cut */
    struct text subject, issuer;  /* RFC 4514 */
    struct list names, addresses; /* subjectAltName: DNS and IP */
    struct list key_usage, purposes;
    int64_t not_before, not_after; /* Unix time */
    char key_algorithm[24];        /* rsa, ec, ed25519 … */
    unsigned key_bits;
    char signature_algorithm[32]; /* RSA-SHA256, ECDSA-SHA256 … */
    bool self_signed;             /* issuer and subject are the same name and, if it says, key */
    unsigned version;             /* of X.509: 3; 0: the DER is broken, only sha256 is known */
    bool ocsp;                    /* names an OCSP responder (authorityInfoAccess) */
    bool issuer_url;              /* names where its issuer can be had (authorityInfoAccess) */
    bool must_staple;             /* RFC 7633 */
    bool timestamped;             /* holds signed certificate timestamps (RFC 6962) */
};

struct verification {
    bool trusted;        /* a chain to a trusted root, every date and algorithm in order */
    bool own_roots;      /* the roots were given (--ca-file) and are not the system's    */
    enum tri name_match; /* unknown where there is nothing to compare with */
    struct list errors;  /* unknown_issuer, expired, not_yet_valid, insecure_algorithm … */
};

struct chain {
    struct certificate *certificates; /* the server's own first */
    size_t count;
};

/* The roots that are trusted: the system's, or those of a PEM file. NULL (and a line on errors) if
   they cannot be read. */
struct trust *trust_new(const char *ca_file, FILE *errors);
void trust_free(struct trust *);

/* False when there is no memory; what was read is to be freed then, too. */
bool certificate_read(struct certificate *, struct span der);
bool certificate_copy(struct certificate *to, const struct certificate *from);
void certificate_free(struct certificate *);

/* Reads up to CHAIN_MAX certificates, the server's own first. False when there is no memory. */
bool chain_read(struct chain *, const struct span *ders, size_t count);
void chain_free(struct chain *);

/* What is true of a chain for every name and at any time. */
struct trust_path {
    bool readable;    /* the first certificate is one                                     */
    bool self_signed; /* that one                                                         */
    bool own_roots;
    unsigned status; /* the library's, of everything but dates and name                  */
    size_t links;    /* of the path from the server's certificate to one that is trusted */
    int64_t from[CHAIN_MAX], until[CHAIN_MAX]; /* their dates; -1: unreadable */
};

/* False when there is no memory. */
bool chain_trace(const struct trust *, const struct span *ders, size_t count, struct trust_path *);

/* der is the first certificate; leaf is what was read of it, or NULL. */
bool chain_conclude(const struct trust_path *, struct span der, const struct certificate *leaf,
                    const char *name, const struct address *, time_t now, struct verification *);

/* Is the chain good for this name, or for this address where there is no name, at this time (Unix
 * time)? */
bool chain_verify(const struct trust *, const struct span *ders, size_t count, const char *name,
                  const struct address *, time_t now, struct verification *);
void verification_free(struct verification *);

#endif
