/* SPDX-License-Identifier: MIT */
/* Reads the ClientHello first, by itself: it decides whether GnuTLS gets the connection (and the
 * hello), or an answer is played. GnuTLS reads from conn->in and writes to conn->out, so that it
 * never sees a socket. */
#define _GNU_SOURCE
#include "inside.h"
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

enum { HANDSHAKE_TURNS = 16, SAY_PIECE = 8192 };
enum { RECORD_ALERT = 21, ALERT_UNEXPECTED = 10, ALERT_NO_NAME = 112 };

gnutls_priority_t tls_priority(unsigned versions, struct peer_error *error)
{
    char text[160];
    gnutls_priority_t priority = NULL;
    snprintf(text, sizeof text,
             "NORMAL:-VERS-ALL%s%s%s%s:+3DES-CBC:+SIGN-ALL:%%VERIFY_ALLOW_SIGN_WITH_SHA1",
             versions & VERSION_TLS13 ? ":+VERS-TLS1.3" : "",
             versions & VERSION_TLS12 ? ":+VERS-TLS1.2" : "",
             versions & VERSION_TLS11 ? ":+VERS-TLS1.1" : "",
             versions & VERSION_TLS10 ? ":+VERS-TLS1.0" : "");
    int code = gnutls_priority_init(&priority, text, NULL);
    if (code == GNUTLS_E_SUCCESS)
        return priority;
    snprintf(error->text, sizeof error->text, "GnuTLS takes no %s: %s", text,
             gnutls_strerror(code));
    return NULL;
}

/* ---- between GnuTLS and the buffers ---- */

static ssize_t on_pull(gnutls_transport_ptr_t pointer, void *data, size_t len)
{
    struct conn *conn = pointer;
    if (conn->in.len == 0) {
        gnutls_transport_set_errno(conn->session, EAGAIN);
        return -1;
    }
    if (len > conn->in.len)
        len = conn->in.len;
    memcpy(data, conn->in.at, len);
    bytes_drop(&conn->in, len);
    return (ssize_t)len;
}

static ssize_t on_push(gnutls_transport_ptr_t pointer, const giovec_t *pieces, int count)
{
    struct conn *conn = pointer;
    size_t sum = 0;
    for (int i = 0; i < count; i++) {
        conn_send(conn, pieces[i].iov_base, pieces[i].iov_len);
        sum += pieces[i].iov_len;
    }
    return (ssize_t)sum;
}

/* alpn= */
static bool protocol_insist(struct conn *conn)
{
    if (conn->config->alpn == ALPN_IGNORED)
        return true;
    const char *name = script_protocol(conn->config->protocol);
    gnutls_datum_t protocol = {(unsigned char *)(uintptr_t)name, (unsigned)strlen(name)};
    return gnutls_alpn_set_protocols(conn->session, &protocol, 1, GNUTLS_ALPN_MANDATORY) == 0;
}

/* tickets=. Of a flight that is cut (tls=break) they would be the last records. */
static bool tickets_give(struct conn *conn)
{
    return conn->config->tickets == TICKETS_NO || conn->config->tls == TLS_BREAK ||
           gnutls_session_ticket_enable_server(conn->session, &conn->listener->ticket_key) == 0;
}

static void session_begin(struct conn *conn)
{
    static const gnutls_certificate_request_t requests[] = {
        [CLIENT_CERT_NONE] = GNUTLS_CERT_IGNORE,
        [CLIENT_CERT_REQUEST] = GNUTLS_CERT_REQUEST,
        [CLIENT_CERT_REQUIRE] = GNUTLS_CERT_REQUIRE,
    };
    if (gnutls_init(&conn->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
        gnutls_priority_set(conn->session, conn->listener->priority) < 0 ||
        gnutls_credentials_set(conn->session, GNUTLS_CRD_CERTIFICATE,
                               conn->listener->cert->credentials) < 0 ||
        !protocol_insist(conn) || !tickets_give(conn)) {
        conn_reset(conn);
        return;
    }
    gnutls_certificate_server_set_request(conn->session, requests[conn->config->client_cert]);
    gnutls_transport_set_ptr(conn->session, conn);
    gnutls_transport_set_pull_function(conn->session, on_pull);
    gnutls_transport_set_vec_push_function(conn->session, on_push);
    conn->phase = PHASE_HANDSHAKE;
}

/* ---- the hello ---- */

/* To a first record that goes no further than `len`. */
static void alert_send(struct conn *conn, unsigned number, size_t len)
{
    const uint8_t alert[] = {21, 3, 3, 0, 2, 2, (uint8_t)number};
    conn_send(conn, alert, sizeof alert);
    bytes_drop(&conn->in, len);
    upgrade_failed(conn);
}

/* It is no ClientHello. Nothing is said to an alert. */
static void hello_alien(struct conn *conn, size_t len)
{
    if (conn->in.at[0] != RECORD_ALERT) {
        alert_send(conn, ALERT_UNEXPECTED, len);
        return;
    }
    bytes_drop(&conn->in, len);
    upgrade_failed(conn);
}

/* sni= */
static bool name_fits(const struct conn *conn, const struct hello *hello)
{
    static const char *const known[] = {"mail.demo.test", "localhost"};
    if (conn->config->sni == SNI_IGNORED || hello->v2)
        return true;
    if (conn->config->sni == SNI_REQUIRED || !hello->name)
        return hello->sni || conn->config->sni != SNI_REQUIRED;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (hello->name_len == strlen(known[i]) &&
            memcmp(hello->name, known[i], hello->name_len) == 0)
            return true;
    return false;
}

static void garbage_send(struct conn *conn)
{
    uint8_t garbage[64];
    uint32_t state = 0x9e3779b9;
    for (size_t i = 0; i < sizeof garbage; i++) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        garbage[i] = (uint8_t)(state >> 24 | 0x80);
    }
    conn_send(conn, garbage, sizeof garbage);
    conn_end(conn);
}

/* tls= without any TLS. false: go on. */
static bool hello_odd(struct conn *conn)
{
    static const uint8_t warning[] = {21, 3, 3, 0, 2, 1, ALERT_NO_NAME};
    switch (conn->config->tls) {
    case TLS_CLOSE:
        conn_end(conn);
        return true;
    case TLS_RESET:
        conn_reset(conn);
        return true;
    case TLS_SILENT:
        conn_deafen(conn);
        return true;
    case TLS_PLAINTEXT:
        say(conn, "500 Oh no: the private key cannot be read.\r\n");
        conn_end(conn);
        return true;
    case TLS_GARBAGE:
        garbage_send(conn);
        return true;
    case TLS_ALERTS:
        conn_flood(conn, warning, sizeof warning);
        return true;
    default:
        return false;
    }
}

static void hello_play(struct conn *conn, const struct hello *hello, unsigned version)
{
    uint8_t answer[ANSWER_MAX];
    size_t len = hello_answer(hello, version, conn->listener->cert, answer);
    conn_send(conn, answer, len);
    if (conn->config->tls == TLS_BREAK)
        conn_end(conn);
    else
        conn_deafen(conn); /* there is no key exchange to come */
}

/* intolerant= */
static bool hello_chokes(const struct conn *conn, const struct hello *hello)
{
    switch (conn->config->intolerant) {
    case INTOLERANT_LIST:
        return hello->has_list;
    case INTOLERANT_EXTENSIONS:
        return hello->extended;
    case INTOLERANT_SIZE:
        return hello->len > 255;
    case INTOLERANT_VERSION:
        return hello->versions & (VERSION_TLS11 | VERSION_TLS12);
    default:
        return false;
    }
}

/* lie= */
static void hello_lie(struct conn *conn, const struct hello *hello, unsigned version)
{
    enum { VERSION_AT = 9, SUITE_AT = 44, COMPRESSION_AT = 46 }; /* there is no session id */
    uint8_t answer[ANSWER_MAX];
    size_t len = hello_answer(hello, version, conn->listener->cert, answer);
    if (conn->config->lie == LIE_SUITE) {
        answer[SUITE_AT] = 0xab;
        answer[SUITE_AT + 1] = 0xcd;
    } else if (conn->config->lie == LIE_COMPRESSION) {
        answer[COMPRESSION_AT] = 64; /* LZS (RFC 3943) */
    } else if (conn->config->lie == LIE_FIELD) {
        answer[VERSION_AT + 1] = 4;
    } else { /* a record and a message of 20 octets, which is no ServerHello */
        answer[4] = 24;
        answer[8] = 20;
        len = 5 + 24;
    }
    conn_send(conn, answer, len);
    conn_end(conn);
}

static unsigned highest_of(unsigned versions)
{
    unsigned highest = VERSION_TLS12;
    while (highest > VERSION_SSL2 && !(versions & highest))
        highest >>= 1;
    return highest;
}

static void hello_refuse(struct conn *conn, const struct hello *hello)
{
    const struct peer_config *config = conn->config;
    switch (config->refuse) {
    case REFUSE_ALERT:
        if (hello->versions == VERSION_SSL2)
            conn_end(conn); /* SSLv2 has no such alert */
        else
            alert_send(conn, config->refuse_alert, hello->len);
        break;
    case REFUSE_CLOSE:
        conn_end(conn);
        break;
    case REFUSE_RESET:
        conn_reset(conn);
        break;
    case REFUSE_SILENT:
        conn_deafen(conn);
        break;
    default:
        hello_play(conn, hello, config->refuse_version);
    }
}

void tls_hello(struct conn *conn)
{
    const struct peer_config *config = conn->config;
    struct hello hello;
    enum hello_state state = hello_read(conn->in.at, conn->in.len, &hello);
    if (state == HELLO_MORE || hello_odd(conn))
        return;
    if (state == HELLO_ALIEN) {
        hello_alien(conn, hello.len);
        return;
    }
    bool modern = config->versions & (VERSION_TLS12 | VERSION_TLS13);
    unsigned shared = (modern ? hello.listed : hello.versions) & config->versions;
    bool large = config->hello_max > 0 && hello.len > config->hello_max;
    if (large || (config->tickets == TICKETS_CLOSE && hello.resumes))
        conn_end(conn);
    else if (!hello.v2 && hello_chokes(conn, &hello))
        hello_refuse(conn, &hello);
    else if (config->lie != LIE_NONE && shared & ~(unsigned)(VERSION_SSL2 | VERSION_TLS13))
        hello_lie(conn, &hello, highest_of(shared));
    else if (!name_fits(conn, &hello))
        alert_send(conn, ALERT_NO_NAME, hello.len);
    else if (shared & ~(unsigned)(VERSION_SSL2 | VERSION_SSL3))
        session_begin(conn);
    else if (shared)
        hello_play(conn, &hello, shared);
    else
        hello_refuse(conn, &hello);
}

/* ---- the handshake ---- */

/* tls=break: cuts what GnuTLS wrote since `start` behind the Certificate. Up to TLS 1.2 the
 * messages are in clear, a record each; in TLS 1.3 it is the second encrypted record, behind
 * EncryptedExtensions. */
static void flight_cut(struct conn *conn, size_t start)
{
    unsigned encrypted = 0;
    const struct bytes *out = &conn->out;
    for (size_t at = start; at + 6 <= out->len;) {
        size_t end = at + 5 + ((size_t)out->at[at + 3] << 8 | out->at[at + 4]);
        bool certificate = out->at[at] == 22 && out->at[at + 5] == 11;
        encrypted += out->at[at] == 23;
        if (certificate || encrypted == 2) {
            conn->out.len = end;
            conn_end(conn);
            return;
        }
        at = end;
    }
}

static void handshake_done(struct conn *conn)
{
    conn->listener->stats.handshakes++;
    conn->listener->stats.resumed += gnutls_session_is_resumed(conn->session) != 0;
    conn->secure = true;
    conn->greeted_by_name = false;
    conn->phase = PHASE_SECURE;
    if (conn->config->mode == PEER_IMPLICIT || conn->config->greet_again)
        conn_greet(conn);
}

void tls_handshake(struct conn *conn)
{
    size_t start = conn->out.len;
    int code = GNUTLS_E_AGAIN;
    for (int turn = 0; turn < HANDSHAKE_TURNS; turn++) {
        code = gnutls_handshake(conn->session);
        if (code == GNUTLS_E_SUCCESS || code == GNUTLS_E_AGAIN || gnutls_error_is_fatal(code))
            break;
    }
    if (conn->config->tls == TLS_BREAK)
        flight_cut(conn, start);
    if (conn->phase != PHASE_HANDSHAKE)
        return;
    if (code == GNUTLS_E_SUCCESS) {
        handshake_done(conn);
    } else if (code != GNUTLS_E_AGAIN) {
        gnutls_alert_send_appropriate(conn->session, code);
        upgrade_failed(conn);
    }
}

/* ---- inside ---- */

bool tls_receive(struct conn *conn)
{
    uint8_t piece[SAY_PIECE];
    ssize_t len = gnutls_record_recv(conn->session, piece, sizeof piece);
    if (len > 0) {
        if (!bytes_add(&conn->lines, IN_CAP, piece, (size_t)len))
            conn_reset(conn);
        return true;
    }
    if (len == GNUTLS_E_AGAIN)
        return false;
    if (len == GNUTLS_E_REHANDSHAKE)
        gnutls_alert_send(conn->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION);
    if (len < 0 && !gnutls_error_is_fatal((int)len))
        return true;
    if (len < 0)
        gnutls_alert_send_appropriate(conn->session, (int)len);
    conn_end(conn);
    return false;
}

void tls_say(struct conn *conn, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len > 0) {
        ssize_t sent = gnutls_record_send(conn->session, at, len < SAY_PIECE ? len : SAY_PIECE);
        if (sent <= 0) {
            conn_reset(conn);
            return;
        }
        at += sent;
        len -= (size_t)sent;
    }
}

void tls_bye(struct conn *conn)
{
    gnutls_bye(conn->session, GNUTLS_SHUT_WR);
}
