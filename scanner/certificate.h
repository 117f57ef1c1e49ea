/* SPDX-License-Identifier: MIT */
/*
 * certificate.h: what a certificate says.
 *
 * It is read octet by octet (der.h), each part of it once: so that what a library would refuse as a
 * whole is known as far as it can be read, whatever is in it costs no more than its length, and no
 * number in it is computed with. What cannot be read is not known. Facts are copied out of the DER;
 * nothing here keeps it. Whether it is trusted is another question: path.h.
 */
#ifndef SCANNER_CERTIFICATE_H
#define SCANNER_CERTIFICATE_H

#include "scanner/der.h"
#include "scanner/text.h"

#define CHAIN_MAX ((size_t)16)

/* What may be unreadable by itself. */
enum certificate_field {
    CERTIFICATE_SPKI,
    CERTIFICATE_SERIAL,
    CERTIFICATE_SUBJECT,
    CERTIFICATE_ISSUER,
    CERTIFICATE_NAMES, /* and addresses: one extension has both */
    CERTIFICATE_NOT_BEFORE,
    CERTIFICATE_NOT_AFTER,
    CERTIFICATE_KEY,
    CERTIFICATE_KEY_BITS, /* nobody knows them of an algorithm that is not known here */
    CERTIFICATE_SIGNATURE,
    CERTIFICATE_KEY_USAGE,
    CERTIFICATE_PURPOSES,
    CERTIFICATE_SELF_SIGNED,
    CERTIFICATE_VERSION,
    CERTIFICATE_ACCESS, /* OCSP and issuer: one extension has both */
    CERTIFICATE_MUST_STAPLE,
    CERTIFICATE_TIMESTAMPS,
    CERTIFICATE_FIELD_COUNT
};

#define CERTIFICATE_NOTHING ((1U << CERTIFICATE_FIELD_COUNT) - 1) /* all are unreadable */

/* A member that is unreadable is empty, and says nothing. */
struct certificate {
    unsigned unreadable; /* bits: 1 << CERTIFICATE_x; 0: all of it is known */
    unsigned char sha256[32], spki_sha256[32];
    char serial[2 * 32 + 1];      /* hex, as DER has it; RFC 5280 allows 20 octets  */
    bool serial_cut;              /* it has more than 32                            */
    struct text subject, issuer;  /* RFC 4514; never NULL                           */
    struct list names, addresses; /* subjectAltName: DNS and IP                     */
    struct list key_usage, purposes;
    int64_t not_before, not_after; /* Unix time                                      */
    char key_algorithm[48];        /* rsa, ec, ed25519 …, or an object identifier    */
    unsigned key_bits;
    char signature_algorithm[48]; /* RSA-SHA256, ECDSA-SHA256 …, or the same        */
    bool self_signed;             /* issuer and subject are the same name and, if it says, key */
    unsigned version;             /* of X.509: 3                                    */
    bool ocsp;                    /* names an OCSP responder (authorityInfoAccess) */
    bool issuer_url;              /* names where its issuer can be had (authorityInfoAccess) */
    bool must_staple;             /* RFC 7633 */
    bool timestamped;             /* holds signed certificate timestamps (RFC 6962) */
};

static inline bool certificate_knows(const struct certificate *c, enum certificate_field field)
{
    return !(c->unreadable & 1U << field);
}

/* Is the algorithm one that has no name here? (Older records have this word for it.) */
static inline bool is_unnamed_algorithm(const char *algorithm)
{
    return ascii_digit(*algorithm) || !*algorithm || strcmp(algorithm, "unknown") == 0;
}

struct chain {
    struct certificate *certificates; /* the server's own first */
    size_t count;
    bool cut; /* there were more than CHAIN_MAX */
};

/* False when there is no memory; what was read is to be freed then, too. */
bool certificate_read(struct certificate *, struct span der);
bool certificate_copy(struct certificate *to, const struct certificate *from);
void certificate_free(struct certificate *);

/* Reads up to CHAIN_MAX certificates, the server's own first. False when there is no memory. */
bool chain_read(struct chain *, const struct span *ders, size_t count);
void chain_free(struct chain *);

/* Where a record has the link of a chain, also that behind the last: "/tls/chain/3"; at most
   CHAIN_MAX. */
const char *chain_link_path(size_t link);

/* --- its parts, in the DER -------------------------------------------------------------------- */

/* The elements of a certificate as far as they are there: whole.len is 0 where one is not. */
struct certificate_parts {
    bool whole;       /* nothing is missing, and nothing follows it */
    bool extended;    /* the extensions, or that there are none, are known */
    unsigned version; /* 0: unreadable */
    struct der serial, issuer, not_before, not_after, subject, spki, algorithm, extensions;
};

void certificate_parts(struct span der, struct certificate_parts *);

/* The value of an extension by its identifier's octets: TRI_NO: there is none; TRI_UNKNOWN: that
   cannot be read, or there are two. */
enum tri certificate_extension(const struct certificate_parts *, const char *oid, struct span *);
#define EXTENSION_NAMES "\x55\x1d\x11"
#define EXTENSION_PURPOSES "\x55\x1d\x25"
#define EXTENSION_KEY_ID "\x55\x1d\x0e"
#define EXTENSION_ISSUER_KEY_ID "\x55\x1d\x23"

/* The identifiers of its key and of its issuer's; empty where there is none. */
struct span certificate_key_id(const struct certificate_parts *);
struct span certificate_issuer_key_id(const struct certificate_parts *);

/* Is the key larger than any real one, so that to compute with it would take minutes? Of numbers in
   RSA and DSA keys, and in explicit parameters of curves. */
bool certificate_is_absurd(struct span der);

/* What it costs to check one signature with its key, in parts of about a microsecond. */
unsigned certificate_cost(struct span der);

/* Is the prime of Diffie-Hellman parameters, which a server makes itself, as absurd? */
bool is_absurd_prime(unsigned bits);

#endif
