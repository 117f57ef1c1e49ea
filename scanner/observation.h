/* SPDX-License-Identifier: MIT */
/*
 * observation.h: what was seen of one endpoint. Facts, no opinions.
 *
 * Every fact is known or not known, and why[] says which: CAUSE_NONE means that the value in its
 * field was seen, anything else that it was not, and for what reason. A fact that does not apply
 * (nothing before TLS on an implicit port) is known, and its field says so. Texts have been cleaned
 * (text.h).
 */
#ifndef SCANNER_OBSERVATION_H
#define SCANNER_OBSERVATION_H

#include <stdint.h>

#include "protocols/dialogue.h"
#include "protocols/hello.h"
#include "protocols/services.h"
#include "scanner/address.h"
#include "scanner/certificate.h"
#include "scanner/outcome.h"
#include "scanner/text.h"

struct target_host;

/* Each fact that can be unknown by itself; fact_path() gives its place in a record. */
enum fact {
    FACT_OBSERVED_MODE,
    FACT_BANNER,
    FACT_ADVERTISED,
    FACT_ACCEPTED,
    FACT_REPLY,
    FACT_TRAILING,
    FACT_PREAUTH,
    FACT_LOGIN_BEFORE,
    FACT_CAPABILITIES_BEFORE,
    FACT_MECHANISMS_BEFORE,
    FACT_LOGIN_AFTER,
    FACT_CAPABILITIES_AFTER,
    FACT_MECHANISMS_AFTER,
    FACT_TLS, /* unknown: no hello was ever sent */
    FACT_ESTABLISHED,
    FACT_TLS_VERSION,
    FACT_CIPHER,
    FACT_GROUP,
    FACT_MASTER_SECRET,
    FACT_RENEGOTIATION,
    FACT_COMPRESSION,
    FACT_SENTINEL,
    FACT_DH_BITS,
    FACT_STAPLE,
    FACT_CLIENT_CERTIFICATE,
    FACT_LARGE_HELLO,
    FACT_CERTIFICATE,
    FACT_CHAIN,
    FACT_VERIFY,
    FACT_COUNT
};

const char *fact_path(enum fact);

enum status {
    STATUS_OK,          /* its own protocol was spoken                                     */
    STATUS_CLOSED,      /* nothing listens                                                 */
    STATUS_TIMEOUT,     /* silence                                                         */
    STATUS_UNREACHABLE, /* no way there                                                    */
    STATUS_DNS_ERROR,   /* the name has no address                                         */
    STATUS_REFUSED,     /* the greeting turned us away                                     */
    STATUS_MISMATCH,    /* something else is spoken                                        */
    STATUS_TLS_ERROR,   /* an implicit port on which no TLS came about                     */
    STATUS_ERROR,       /* cut before the greeting, a limit was hit, a trouble of our own  */
    STATUS_COUNT
};

const char *status_name(enum status);

enum handshake { HANDSHAKE_NOT_TESTED, HANDSHAKE_OK, HANDSHAKE_FAILED };

enum version_status {
    VERSION_NOT_TESTED,
    VERSION_ACCEPTED,
    VERSION_REJECTED,
    VERSION_INCONCLUSIVE
};

/* What a rejection rests on. */
enum proof { PROOF_NONE, PROOF_ALERT, PROOF_CLOSE, PROOF_RESET, PROOF_CHOSE_LOWER, PROOF_INFERRED };

const char *proof_name(enum proof);

struct version_fact {
    enum version_status status;
    enum proof proof;  /* of a rejection                                              */
    enum cause reason; /* of not tested or inconclusive                               */
    int alert;         /* -1, or the alert that came                                  */
    uint32_t suite;    /* of an acceptance: the suite chosen, 0 if there was none     */
};

/* A bool that may not apply: TRI_UNKNOWN is null in the record. */
struct tls_facts {
    bool asked;       /* at least one hello went out                                  */
    bool refused;     /* the upgrade was refused: there is no TLS to speak of         */
    bool established; /* the full handshake was completed and TLS was usable          */
    enum version version;
    uint32_t suite;
    char group[32];         /* "" if the key exchange has none */
    struct outcome failure; /* of the full handshake */
    struct text failure_text;
    struct version_fact versions[VERSION_COUNT];
    enum tri master_secret, renegotiation, compression, sentinel;
    unsigned dh_bits; /* 0: no finite-field Diffie-Hellman */
    bool staple, client_certificate, large_hello;
    struct chain chain;
    struct verification verification;
};

struct observation {
    const struct service *service;
    enum mode mode; /* as observed */
    enum status status;
    struct outcome error;   /* where and why, unless the status is ok           */
    const char *error_word; /* the resolver's, or NULL: that of the cause       */
    int64_t started;        /* Unix time, ms */
    int64_t duration;       /* ms            */
    unsigned connections;

    enum cause why[FACT_COUNT];
    struct text banner;
    enum tri advertised, accepted;
    const char *upgrade_command; /* NULL: not asked */
    struct text upgrade_reply;
    enum handshake handshake;
    uint64_t trailing; /* octets of plaintext behind the reply to the upgrade */
    bool preauth;
    /* Index 0: before TLS, 1: inside. */
    enum tri login_disabled[2];
    struct list capabilities[2], mechanisms[2];
    struct tls_facts tls;
};

/* All facts unknown, because nothing was asked yet. */
void observation_init(struct observation *, const struct service *);
void observation_free(struct observation *);

static inline bool observation_knows(const struct observation *o, enum fact fact)
{
    return o->why[fact] == CAUSE_NONE;
}

/* The fact is known now. */
static inline void observation_learn(struct observation *o, enum fact fact)
{
    o->why[fact] = CAUSE_NONE;
}

/* A reason for each fact from first to last that is not known; reasons given earlier than this one
 * stay. */
void observation_excuse(struct observation *, enum fact first, enum fact last, enum cause);

/* All that was seen of one address, which goes out together. */
struct host_view {
    const struct target_host *target;
    struct address address; /* family 0: the name has none */
    struct observation *endpoints;
    size_t count;
    bool answered; /* one of the ports accepted a connection */
};

#endif
