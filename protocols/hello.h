/* SPDX-License-Identifier: MIT */
/*
 * hello.h: ClientHellos made by hand, and what a server answers to them.
 *
 * Asking for a version costs one hello and the first flight of the answer: no key exchange, no
 * cryptography. That is also the only way to ask for SSLv2 and SSLv3, which no library speaks any
 * more, and it does not depend on the crypto policy of the host. The reader takes the answer in any
 * pieces, keeps a bounded amount of it, and believes TLS 1.3 only from the supported_versions
 * extension (RFC 8446 section 4.2.1) or a HelloRetryRequest.
 *
 * Wire formats: SSLv2 (draft-hickman-netscape-ssl), RFC 6101, RFC 2246, RFC 4346, RFC 5246, RFC
 * 8446.
 */
#ifndef PROTOCOLS_HELLO_H
#define PROTOCOLS_HELLO_H

#include <stdint.h>

#include "protocols/span.h"

enum version {
    VERSION_SSL2,
    VERSION_SSL3,
    VERSION_TLS10,
    VERSION_TLS11,
    VERSION_TLS12,
    VERSION_TLS13,
    VERSION_COUNT,
    VERSION_NONE = VERSION_COUNT /* none that we know */
};

/* "2.0", "3.0", "1.0" … "1.3" */
const char *version_number(enum version);

/* The version of these two octets on the wire; VERSION_NONE for any other. */
enum version version_of_wire(uint16_t);

/* The IANA name of a suite, or of an SSLv2 cipher kind (three octets); NULL if it is not in our
 * table. */
const char *suite_name(uint32_t code);

/* The codes of our table, in ascending order, from at = 0; false behind the last. */
bool suite_at(size_t at, uint32_t *code);

/* Where it is in our table; false if it is not there. */
bool suite_find(uint32_t code, size_t *at);

/* The suite of that name; false if it is not in our table. */
bool suite_parse(const char *name, uint32_t *code);

#define HELLO_MAX ((size_t)1024)
#define HELLO_RANDOM ((size_t)32)
#define HELLO_LARGE ((size_t)256)      /* octets from which on some servers choke */
#define HELLO_SUITES_MAX ((size_t)128) /* with the signal of RFC 5746: some servers take no more */

/* How modern a ClientHello is made. Some servers refuse what they do not know instead of passing it
   over. SSL 2.0 has a form of its own. */
enum hello_form {
    HELLO_NEW,  /* supported_versions (RFC 8446) and all extensions that ask for something       */
    HELLO_OLD,  /* of TLS 1.2 at most: server_name and what RFC 5246 and RFC 8422 ask for         */
    HELLO_BARE, /* without extensions, under 256 octets; SSL 3.0 has no other                     */
};

struct hello {
    enum version highest; /* the highest version offered */
    enum hello_form form;
    unsigned part;     /* 0: the usual suites; 1 and up: the other suites that there are for this
                      version, see hello_parts()                                               */
    bool alone;        /* this version alone, and nothing below it; only servers that read
                             supported_versions can tell the difference                        */
    bool by_list;      /* below TLS 1.2: supported_versions alone says so, the older field says
                             TLS 1.2                                                           */
    bool with_share;   /* TLS 1.3: with one key share (any 32 octets are one on X25519)          */
    bool foreign_alpn; /* ALPN names HTTP/1.1 alone (RFC 7301)                                  */
    const char *name;  /* for server_name, NULL for none; a DNS name of at most 255 octets       */
    const uint8_t *random; /* HELLO_RANDOM octets */
};

/* Writes the hello with its record header and gives its length: under 256 octets, or 512 and
 * more. */
size_t hello_build(const struct hello *, uint8_t out[HELLO_MAX]);

/* In how many ClientHellos (part 0 and up) all suites of this version and form are offered. The
   first of the further parts has all that may be left below TLS 1.2, the usual ones among them. */
unsigned hello_parts(enum version highest, enum hello_form);

/* Was this suite offered in it? Not for SSL 2.0. */
bool hello_has_suite(const struct hello *, uint32_t suite);

/* What a ServerHello says. */
struct server_hello {
    enum version version;  /* the chosen one; VERSION_NONE if it is none that we know      */
    uint16_t wire;         /* as sent: legacy_version, or what supported_versions has      */
    uint32_t suite;        /* SSLv2: the first common cipher kind, 0 if there is none      */
    bool retry;            /* it was a HelloRetryRequest                                   */
    bool compressed;       /* a compression method other than null was chosen              */
    uint8_t compression;   /* that method (RFC 3749: DEFLATE is 1)                         */
    bool master_secret;    /* extended_master_secret (RFC 7627)                            */
    bool renegotiation;    /* renegotiation_info (RFC 5746)                                */
    bool encrypt_then_mac; /* RFC 7366                                                     */
    bool sentinel;         /* the random ends in the downgrade mark of TLS 1.3 servers     */
};

/* Are the suite and the compression method among those offered, and is the suite one of that version?
 * What is listed in SSL 2.0 is not compared. */
bool hello_offers(const struct hello *, const struct server_hello *);

/* Reads the body of a ServerHello message; false if it is malformed. */
bool server_hello_parse(struct span body, struct server_hello *);

enum response_state {
    RESPONSE_MORE,  /* read on                                                                 */
    RESPONSE_DONE,  /* the hello is there, and what else was wanted and is to be had           */
    RESPONSE_ALERT, /* a fatal alert, or a closing one: response.alert                         */
    RESPONSE_PLAINTEXT, /* text where TLS should begin */
    RESPONSE_MALFORMED, /* neither text nor TLS, or TLS that breaks its own grammar */
    RESPONSE_LIMIT /* warnings without end, or a message larger than we take                  */
};

#define RESPONSE_WARNINGS_MAX 16
#define RESPONSE_HELLO_MAX ((size_t)4096)

/* Gives room for a Certificate message of so many octets, which is asked for once at the most and
   stays the caller's; NULL if that is more than the caller takes. */
typedef uint8_t *(*response_room_fn)(void *context, size_t len);

/* The reader of one answer. */
struct response {
    /* Facts. */
    bool greeted; /* a ServerHello has come: hello is valid, also when the rest then failed */
    struct server_hello hello;
    int alert;   /* -1, or the description of the fatal alert                             */
    int warning; /* -1, or the description of the last warning                            */
    size_t certificates_len; /* complete if certified                                      */
    bool certified;          /* the Certificate message (SSLv2: the certificate) is whole   */

    /* Machinery. */
    enum version highest; /* what was offered                                            */
    response_room_fn room;
    void *context;
    uint8_t *certificates; /* the caller's                                                */
    bool started;
    bool ssl2; /* the records are SSLv2's */
    unsigned warnings;
    size_t head_len, record_left, message_len, message_left;
    uint8_t record_type, message_type;
    uint8_t head[5];
    uint8_t piece[4];   /* a handshake header or an alert in pieces */
    uint8_t piece_type; /* the record it is from                    */
    size_t piece_len;
    uint8_t body[RESPONSE_HELLO_MAX];
};

/* Begins to read the answer to a hello. The Certificate message is passed over if room is NULL. */
void response_init(struct response *, const struct hello *, response_room_fn room, void *context);

enum response_state response_feed(struct response *, struct span bytes);

/* Walks the certificates that were read: gives the DER of the next one, and false at the end. *at
 * starts at 0. */
bool response_certificate(const struct response *, size_t *at, struct span *der);

#endif
