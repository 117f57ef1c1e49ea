/* SPDX-License-Identifier: MIT */
/* What the files of the played peer share; nobody else includes it.
 *
 *   peer.c      listeners and connections: the only file that reads, writes, closes and waits
 *   script.c    text to struct peer_config
 *   dialogue.c  what all protocols share: greetings, the upgrade, SASL
 *   imap.c, pop3.c, smtp.c, ftp.c    the rest of what is said
 *   tls.c       from ClientHello to a GnuTLS session, or to a played answer
 *   hello.c     reads ClientHellos and builds such answers, by hand
 *   certs.c     the demo CA
 *   places.c    counters by address
 *   bytes.c     a buffer with a cap
 *
 * A connection owns its buffers and its session. It is freed by peer.c when its last handle has
 * closed; the functions below only mark it (conn_end, conn_reset), so that no caller ever holds a
 * freed one. */
#ifndef PEER_INSIDE_H
#define PEER_INSIDE_H

#include "peer.h"
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

/* ---- bytes.c ---- */

struct bytes {
    uint8_t *at;
    size_t len, size;
};
bool bytes_add(struct bytes *bytes, size_t cap, const void *data, size_t len); /* false: full */
void bytes_drop(struct bytes *bytes, size_t len);                              /* from the front */
void bytes_free(struct bytes *bytes);

/* ---- places.c ---- */

/* A place is an address (listener NO_LISTENER), or an address at one listener. */
enum { NO_LISTENER = UINT16_MAX + 1, LISTENERS_MAX = UINT16_MAX };
struct place {
    uint8_t address[16];
    uint32_t listener;
    bool used;
    struct peer_place counts;
    uint64_t window_start; /* ms */
    uint32_t window_count;
    uint32_t logins;
};
struct places {
    struct place *at;
    size_t count, size;
};
/* Pointers are good until the next places_get(). NULL: no memory. */
struct place *places_get(struct places *places, const uint8_t address[16], uint32_t listener);
struct place *places_find(const struct places *places, const uint8_t address[16],
                          uint32_t listener);

/* ---- certs.c ---- */

enum { CHAIN_MAX = 3, SENT_MAX = 32 };
struct cert {
    struct cert *next;
    int kind;
    uint8_t address[16];
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t chain[CHAIN_MAX]; /* DER, leaf first: for the played versions */
    unsigned chain_len;
    char file[PEER_TEXT_MAX]; /* send-cert=, or "" */
    gnutls_datum_t octets;    /* what is in it   */
    gnutls_pcert_st *sent;
    unsigned sent_len;
    gnutls_privkey_t key;
};
/* file: send-cert=; "": what is sent is what was made. */
const struct cert *certs_get(struct peer_certs *certs, int kind, const uint8_t address[16],
                             const char *file, struct peer_error *error);

/* ---- hello.c ---- */

struct hello {
    bool v2;           /* in the form of SSLv2 */
    unsigned versions; /* set of enum peer_version that the client takes, by client_version */
    unsigned listed;   /* and by supported_versions, which servers without TLS 1.2 do not know */
    size_t len;        /* of the record, with its header */
    bool sni;
    bool extended, has_list;                    /* it has extensions; one is supported_versions */
    bool resumes;                               /* it offers to resume a session by a ticket */
    const uint8_t *session_id, *ciphers, *name; /* into the record */
    size_t session_id_len, ciphers_len, name_len;
};
enum hello_state { HELLO_MORE, HELLO_READ, HELLO_ALIEN };
/* Looks at the first record. If that is no ClientHello, hello->len is how far it goes. */
enum hello_state hello_read(const uint8_t *at, size_t len, struct hello *hello);

enum { ANSWER_MAX = 12288 };
/* ServerHello and, but for TLS 1.3, Certificate and ServerHelloDone. Returns the length, 0: too
 * long. */
size_t hello_answer(const struct hello *hello, unsigned version, const struct cert *cert,
                    uint8_t out[ANSWER_MAX]);

/* ---- script.c ---- */

const char *script_protocol(int protocol);
const char *script_mode(int mode);
const char *script_cert(int cert);
void script_address(const uint8_t address[16], char *text, size_t size);

/* ---- peer.c ---- */

enum phase {
    PHASE_DEAF,      /* discards what it hears */
    PHASE_CLEAR,     /* a dialogue in clear */
    PHASE_HELLO,     /* a ClientHello is due */
    PHASE_HANDSHAKE, /* GnuTLS shakes hands */
    PHASE_SECURE     /* a dialogue inside TLS */
};
enum ending { ENDING_NOT, ENDING_CLOSE, ENDING_RESET };

enum { LINE_MAX_LEN = 8192, IN_CAP = 24 * 1024, OUT_CAP = 64 * 1024, TAG_MAX = 40 };

struct listener;

struct conn {
    uv_tcp_t tcp;
    uv_timer_t pause, drip;
    uv_write_t write;
    struct conn *next, *previous;
    struct listener *listener;
    const struct peer_config *config;
    unsigned handles; /* not closed yet */
    bool closing;     /* uv_close() was called */
    bool talks;       /* the client has said something */
    bool lingering;   /* our half is shut, theirs not yet */
    bool held;        /* the pause runs: hear, but do not act */
    bool busy;        /* over a limit: turned away */
    enum phase phase;
    enum ending ending;                /* as soon as everything is sent */
    void (*resume)(struct conn *conn); /* what comes after the pause */
    const void *flood;                 /* what is said for ever */
    size_t flood_len;
    uint64_t sent;
    uint8_t local[16];
    struct bytes lines; /* heard, plaintext */
    struct bytes in;    /* heard, ciphertext */
    struct bytes out;   /* to be sent, as it goes on the wire */
    struct bytes sending;

    gnutls_session_t session;

    /* The dialogue's */
    bool secure, logged_in, greeted_by_name, pbsz;
    bool upgrading;        /* inject=clear: TLS begins when what was heard has been done */
    int sasl_steps;        /* answers still to come; 0: no exchange runs */
    char tag[TAG_MAX + 2]; /* with its space; empty but in IMAP */
};

struct listener {
    uv_tcp_t tcp;
    struct peer *peer;
    uint32_t number;
    uint16_t port;
    struct peer_config config;
    const struct cert *cert;
    gnutls_priority_t priority;
    gnutls_datum_t ticket_key;
    struct peer_stats stats;
};

void conn_send(struct conn *conn, const void *data, size_t len); /* as it goes on the wire */
void conn_say(struct conn *conn, const void *data, size_t len);  /* inside TLS if there is */
void conn_end(struct conn *conn);                                /* close when everything is sent */
void conn_reset(struct conn *conn);                              /* the same with RST */
void conn_deafen(struct conn *conn);                             /* hear nothing more */
/* Say static data again and again, as fast as it is taken. */
void conn_flood(struct conn *conn, const void *unit, size_t len);
void conn_pause(struct conn *conn, unsigned ms, void (*resume)(struct conn *));
void conn_suspect(struct conn *conn); /* a login command was heard: banned= */
void conn_greet(struct conn *conn);   /* when its time has come */

/* ---- dialogue.c ---- */

/* Texts without the IMAP tag and the CRLF. */
struct upgrade {
    const char *yes, *no, *later, *unknown, *twice, *injected;
};
/* One credential exchange: `challenge` is said as it is, the others behind the tag. */
struct sasl {
    const char *challenge, *in, *failed, *cancelled, *need_tls, *bare, *later, *unsupported;
};
struct protocol {
    const char *greeting[GREETING_FLOOD + 1]; /* by kind; NULL: none for this protocol */
    const char *endless;                      /* a line of a capability reply without end */
    void (*line)(struct conn *conn, char *line);
    struct upgrade upgrade;
    struct sasl sasl;
};
extern const struct protocol imap_protocol, pop3_protocol, smtp_protocol, ftp_protocol;

void dialogue_greet(struct conn *conn);
void dialogue_line(struct conn *conn, char *line);

void say(struct conn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_tagged(struct conn *conn, const char *text); /* tag, text, CRLF */

char *line_word(char **line); /* cuts the next word off; "" at the end */
bool word_is(const char *word, const char *upper);

bool login_announced(const struct conn *conn);
/* Is a password asked for? If not, it is refused here. by_name: LOGIN, USER and PASS, not AUTH. */
bool login_begin(struct conn *conn, bool by_name);
bool starttls_advertised(const struct conn *conn);

enum { CAPS_ITEMS = 32, CAPS_ITEM = 64 };
struct caps {
    size_t count;
    char item[CAPS_ITEMS][CAPS_ITEM];
};
void caps_add(struct caps *caps, const char *item);
/* The list to be said: the script's own if it has one, else `defaults`; in the script's letters. */
void caps_make(const struct conn *conn, const struct caps *defaults, struct caps *caps);
/* Says a whole capability reply: all of it, half of it, or begins the endless one. */
void caps_say(struct conn *conn, const char *reply);

void upgrade_begin(struct conn *conn);
void upgrade_failed(struct conn *conn);                      /* the handshake: after-failure= */
void login_heard(struct conn *conn, const char *name);       /* counts a login without a password */
void credentials_heard(struct conn *conn, const char *name); /* counts a login with one */
void sasl_begin(struct conn *conn, char *line);    /* line: MECHANISM [initial response] */
void credentials_judge(struct conn *conn);         /* says no, or yes */
void goodbye(struct conn *conn, const char *text); /* LOGOUT, QUIT: polite */
void imap_greet_caps(struct conn *conn);

/* ---- tls.c ---- */

/* For the TLS versions of the set, of which there must be one. */
gnutls_priority_t tls_priority(unsigned versions, struct peer_error *error);
void tls_hello(struct conn *conn);     /* PHASE_HELLO: looks at conn->in, moves on */
void tls_handshake(struct conn *conn); /* PHASE_HANDSHAKE */
bool tls_receive(struct conn *conn);   /* PHASE_SECURE: one piece into conn->lines, false: none */
void tls_say(struct conn *conn, const void *data, size_t len);
void tls_bye(struct conn *conn);

#endif
