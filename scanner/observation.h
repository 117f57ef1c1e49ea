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
#include "scanner/path.h"
#include "scanner/text.h"

struct omissions;
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
    FACT_STARTTLS_INSIDE,
    FACT_CERTIFICATE,
    FACT_CHAIN,
    FACT_VERIFY,
    /* These stay out of a record that did not ask for them. */
    FACT_REQUIRED,
    FACT_CONTINUES,
    FACT_ANONYMOUS,
    FACT_PROTECTION,
    FACT_CCC,
    FACT_ALPN,
    FACT_UNKNOWN_NAME,
    FACT_RENEGOTIATES,
    FACT_NEW_HELLO,
    FACT_INCONSISTENT,
    FACT_COUNT,
    FACT_OPTIONAL = FACT_REQUIRED /* the first of them */
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
enum status status_find(const char *name); /* STATUS_COUNT: it is none of them */

/* Nothing listens, or nothing comes: there is nobody who could be judged. */
bool status_is_silent(enum status);

enum handshake { HANDSHAKE_NOT_TESTED, HANDSHAKE_OK, HANDSHAKE_FAILED };

const char *handshake_name(enum handshake);

/* How sure it is. */
enum confidence { CONFIDENCE_NONE, CONFIDENCE_POSSIBLE, CONFIDENCE_PROBABLE, CONFIDENCE_CONFIRMED };

const char *confidence_name(enum confidence); /* NULL for none */

/* Would a password be taken without TLS? */
enum login_verdict { LOGIN_NOT_TESTED, LOGIN_ACCEPTED, LOGIN_REFUSED, LOGIN_INCONCLUSIVE };

const char *login_verdict_name(enum login_verdict);

struct login_fact {
    enum login_verdict verdict;
    enum confidence confidence; /* of accepted and refused                                     */
    enum cause reason;          /* of not tested and inconclusive                              */
    char probe[32];             /* what was asked: "AUTHENTICATE PLAIN", "USER" …; "" nothing  */
    struct text reply;          /* to that */
};

/* Is a command that was sent behind the upgrade command carried out inside TLS? */
enum injection {
    INJECTION_NOT_TESTED,
    INJECTION_VULNERABLE,
    INJECTION_NOT_VULNERABLE,
    INJECTION_INCONCLUSIVE
};

const char *injection_name(enum injection);

/* What that rests on. */
enum injection_sign {
    SIGN_NONE,
    SIGN_ANSWERED_INSIDE,   /* vulnerable: its answer came inside TLS          */
    SIGN_FORGOTTEN,         /* only what was said inside TLS was answered      */
    SIGN_REFUSED,           /* the upgrade was refused because of it           */
    SIGN_HANDSHAKE_BROKEN,  /* it was taken for TLS, and broke the handshake   */
    SIGN_ANSWERED_IN_CLEAR, /* it was answered before TLS began: odd, and safe */
    SIGN_COUNT
};

const char *injection_sign_name(enum injection_sign); /* NULL for none */

struct injection_fact {
    enum injection verdict;
    enum injection_sign sign;
    enum cause reason; /* of not tested and inconclusive                    */
    struct text reply; /* the answer inside TLS, or the refusal             */
};

enum version_status {
    VERSION_NOT_TESTED,
    VERSION_ACCEPTED,
    VERSION_REJECTED,
    VERSION_INCONCLUSIVE
};

const char *version_status_name(enum version_status);

/* What a rejection rests on. */
enum proof { PROOF_NONE, PROOF_ALERT, PROOF_CLOSE, PROOF_RESET, PROOF_CHOSE_LOWER, PROOF_INFERRED };

const char *proof_name(enum proof);

struct version_fact {
    enum version_status status;
    enum proof proof;          /* of a rejection                                              */
    enum cause reason;         /* of not tested or inconclusive                               */
    int alert;                 /* -1, or the alert that came                                  */
    uint32_t suite;            /* of an acceptance: the suite chosen, 0 if there was none     */
    enum tri encrypt_then_mac; /* with that suite (RFC 7366); unknown: not offered, or no CBC */
};

/* What was said, in the order it was said; kept only if it is asked for. */
struct transcript_line {
    unsigned connection; /* from 1                               */
    int64_t at;          /* ms since the observation's start     */
    bool client;         /* ours                                 */
    bool secure;         /* inside TLS                           */
    struct text text;
};

#define TRANSCRIPT_LINES_MAX ((size_t)400)
#define TRANSCRIPT_LINE_MAX ((size_t)512) /* octets that are kept of a line */

struct transcript {
    struct transcript_line *lines;
    size_t count, max;
    bool wanted, full; /* full: there was more than is kept */
};

/* Keeps a line, cleaned, if lines are wanted and there is room. False when there is no memory. */
MUST_CHECK bool transcript_add(struct transcript *, unsigned connection, int64_t at, bool client,
                               bool secure, struct span);

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
    enum tri starttls_inside; /* the upgrade was accepted once more inside TLS             */
    enum tri alpn;            /* a hello that speaks of HTTP alone (ALPN) was accepted     */
    enum tri unknown_name;    /* a hello to a name that cannot be was accepted             */
    enum tri renegotiates;    /* the client may begin another handshake                    */
    enum tri new_hello;       /* YES: what offers TLS 1.3 is refused, or not answered, as a whole */
    enum tri inconsistent;    /* YES: two answers were not those of one server             */
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
    bool failed; /* something could not be kept for want of memory: none of it counts */

    enum cause why[FACT_COUNT];
    struct text banner;
    enum tri advertised, accepted;
    const char *upgrade_command; /* NULL: not asked */
    struct text upgrade_reply;
    enum handshake handshake;
    uint64_t trailing; /* octets of plaintext behind the reply to the upgrade */
    bool preauth;
    struct address source; /* connected from; family 0: never connected       */
    bool bare_lf;          /* a line ended without CR                         */
    bool greeted_again;    /* a greeting came inside TLS after an upgrade     */
    struct login_fact login;
    bool credentials_sent;
    struct injection_fact injection;
    enum tri required;   /* SMTP: other commands are refused until TLS is up               */
    enum tri continues;  /* commands are answered in clear after a failed handshake        */
    enum tri anonymous;  /* FTP: the user "anonymous" is let in, or asked for a password   */
    enum tri protection; /* FTP: PROT P is accepted inside TLS                            */
    struct text protection_reply;
    enum tri ccc; /* FTP: the control channel may be made clear again (CCC)               */
    struct transcript transcript;
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

/* Was it kept? If not, for want of memory, the observation has failed, and stays so. */
static inline void observation_keep(struct observation *o, bool kept)
{
    o->failed |= !kept;
}

/* Of an observation that has failed: forgets all that was seen, for what is missing cannot be told
   from what was not there. It is our own trouble then (CAUSE_LOCAL), and every fact unknown. */
void observation_forget(struct observation *);

/* A reason for each fact from first to last that is not known; reasons given earlier than this one
 * stay. */
void observation_excuse(struct observation *, enum fact first, enum fact last, enum cause);

/* By what the server did; where it did nothing, by the table. */
static inline bool observation_is_implicit(const struct observation *o)
{
    return (observation_knows(o, FACT_OBSERVED_MODE) ? o->mode : o->service->mode) == MODE_IMPLICIT;
}

/* Was TLS spoken, by a handshake that was completed or by an answer to some hello? */
bool observation_speaks_tls(const struct observation *);

/* Nothing more will be seen. What is left out of a record together has one reason, and what does
   not apply is known, so that a record that is read says what was seen. */
void observation_settle(struct observation *);

/* All that was seen of one address, which goes out together. */
struct host_view {
    const struct target_host *target;
    struct address address;            /* family 0: the name has none */
    const struct omissions *omissions; /* its other addresses that are left out; NULL: none are */
    struct observation *endpoints;
    size_t count;
    bool answered; /* one of the ports accepted a connection */
};

#endif
