/* SPDX-License-Identifier: MIT */
/*
 * Our TLS session against a GnuTLS server in the same process: no sockets, only octets that are
 * carried to and fro in pieces, cut, bent and made up.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "scanner/tls.h"

GNUTLS_SKIP_GLOBAL_INIT

#define MUST(call) assert_true((call) >= 0)
#define BIT(v) (1U << (v))
#define CHAIN 20
#define SLACK 8 /* octets by which flights differ, as signatures do */

static struct tls_context *context;
static gnutls_certificate_credentials_t credentials, with_rsa, long_chain;
static gnutls_datum_t der; /* the server's certificate */

/* A string of octets that grows. */
struct octets {
    char *at;
    size_t len, max;
};

static void put(struct octets *o, const void *from, size_t n)
{
    if (o->len + n > o->max) {
        o->max = 2 * (o->len + n);
        o->at = realloc(o->at, o->max);
        assert_non_null(o->at);
    }
    if (n)
        memcpy(o->at + o->len, from, n);
    o->len += n;
}

/* --- the server ------------------------------------------------------------------------------- */

struct server {
    gnutls_session_t session;
    struct octets in, out;
    size_t taken; /* of in */
    bool open;
    int error;
};

static ssize_t on_pull(gnutls_transport_ptr_t p, void *to, size_t max)
{
    struct server *s = p;
    size_t n = s->in.len - s->taken < max ? s->in.len - s->taken : max;
    if (!n) {
        gnutls_transport_set_errno(s->session, EAGAIN);
        return -1;
    }
    memcpy(to, s->in.at + s->taken, n);
    s->taken += n;
    return (ssize_t)n;
}

static ssize_t on_push(gnutls_transport_ptr_t p, const void *from, size_t n)
{
    struct server *s = p;
    put(&s->out, from, n);
    return (ssize_t)n;
}

static struct server *server_new(const char *priority, gnutls_certificate_credentials_t with,
                                 bool wants_certificate)
{
    struct server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    MUST(gnutls_init(&s->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS));
    MUST(gnutls_priority_set_direct(s->session, priority, NULL));
    MUST(gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, with));
    if (wants_certificate)
        gnutls_certificate_server_set_request(s->session, GNUTLS_CERT_REQUIRE);
    gnutls_transport_set_ptr(s->session, s);
    gnutls_transport_set_pull_function(s->session, on_pull);
    gnutls_transport_set_push_function(s->session, on_push);
    return s;
}

static void server_free(struct server *s)
{
    gnutls_deinit(s->session);
    free(s->in.at);
    free(s->out.at);
    free(s);
}

static void server_step(struct server *s)
{
    if (s->open || s->error)
        return;
    int result = gnutls_handshake(s->session);
    if (result == GNUTLS_E_SUCCESS) {
        s->open = true;
    } else if (result != GNUTLS_E_AGAIN && gnutls_error_is_fatal(result)) {
        s->error = result;
        gnutls_alert_send_appropriate(s->session, result);
    }
}

/* --- carrying --------------------------------------------------------------------------------- */

static void to_server(struct tls *t, struct server *s)
{
    struct span out = tls_output(t);
    put(&s->in, out.at, out.len);
    tls_sent(t);
}

/* One piece for the client, in memory of its own; what it says inside TLS is put into said. */
static enum tls_step to_client(struct tls *t, const char *bytes, size_t n, struct octets *said)
{
    char plain[100], *exact = malloc(n ? n : 1);
    size_t got;
    assert_non_null(exact);
    if (n)
        memcpy(exact, bytes, n);
    enum tls_step step = tls_feed(t, (struct span){exact, n});
    while ((got = tls_read(t, plain, sizeof plain)) > 0)
        if (said)
            put(said, plain, got);
    step = tls_step(t);
    free(exact);
    return step;
}

/* To and fro until nobody has anything to say. */
static enum tls_step converse(struct tls *t, struct server *s, size_t piece, struct octets *said)
{
    enum tls_step step = tls_step(t);
    for (unsigned round = 0; round < 50; round++) {
        to_server(t, s);
        server_step(s);
        if (!s->out.len)
            break;
        struct octets flight = s->out;
        s->out = (struct octets){0};
        for (size_t i = 0; i < flight.len; i += piece)
            step =
                to_client(t, flight.at + i, flight.len - i < piece ? flight.len - i : piece, said);
        free(flight.at);
    }
    return step;
}

static struct tls *client_new(const char *name)
{
    struct tls *t = tls_new(context, TLS_OFFER_DEFAULT, name, false);
    assert_non_null(t);
    assert_int_equal(tls_start(t), TLS_MORE);
    assert_true(tls_output(t).len > 0);
    return t;
}

static void assert_cause(const struct tls *t, enum cause cause, int alert)
{
    const char *text;
    struct outcome o = tls_outcome(t, &text);
    if (o.cause != cause)
        fail_msg("%s (%s), not %s", cause_name(o.cause), text ? text : "no text",
                 cause_name(cause));
    assert_int_equal(o.phase, PHASE_TLS);
    if (alert >= 0)
        assert_int_equal(o.detail, alert);
    assert_int_equal(text != NULL, cause != CAUSE_NONE);
}

static const struct {
    const char *priority;
    enum version version;
} versions[] = {
    {"NORMAL:-VERS-ALL:+VERS-TLS1.0:%VERIFY_ALLOW_SIGN_WITH_SHA1", VERSION_TLS10},
    {"NORMAL:-VERS-ALL:+VERS-TLS1.1:%VERIFY_ALLOW_SIGN_WITH_SHA1", VERSION_TLS11},
    {"NORMAL:-VERS-ALL:+VERS-TLS1.2", VERSION_TLS12},
    {"NORMAL:-VERS-ALL:+VERS-TLS1.3", VERSION_TLS13},
};
#define VERSIONS (sizeof versions / sizeof *versions)

/* --- renegotiation ---------------------------------------------------------------------------- */

/* What the server does when it is asked for another handshake. */
enum manner { ALLOWS, WARNS, ALERTS };

/* The client has asked: the server sees that, and does as it is told. */
static void server_meet_rehandshake(struct server *s, enum manner manner)
{
    char data[100];
    assert_int_equal(gnutls_record_recv(s->session, data, sizeof data), GNUTLS_E_REHANDSHAKE);
    if (manner == ALLOWS)
        s->open = false; /* server_step() goes on with it */
    else if (manner == WARNS)
        MUST(gnutls_alert_send(s->session, GNUTLS_AL_WARNING, GNUTLS_A_NO_RENEGOTIATION));
    else
        MUST(gnutls_alert_send(s->session, GNUTLS_AL_FATAL, GNUTLS_A_HANDSHAKE_FAILURE));
}

static void renegotiate(enum manner manner, enum tls_step last, enum tri answer)
{
    struct server *s = server_new("NORMAL:-VERS-ALL:+VERS-TLS1.2", credentials, false);
    struct tls *t = tls_new(context, TLS_OFFER_OLDER, "mail.test", false);

    assert_non_null(t);
    tls_start(t);
    assert_int_equal(converse(t, s, 1000, NULL), TLS_OPEN);
    assert_int_equal(tls_facts(t).renegotiated, TRI_UNKNOWN);
    assert_int_equal(tls_renegotiate(t), TLS_MORE);
    to_server(t, s);
    server_meet_rehandshake(s, manner);
    assert_int_equal(converse(t, s, 7, NULL), last);
    assert_int_equal(tls_facts(t).renegotiated, answer);
    assert_true(tls_facts(t).completed);
    tls_free(t);
    server_free(s);
}

static void test_renegotiation(void **state)
{
    (void)state;
    renegotiate(ALLOWS, TLS_OPEN, TRI_YES);
    renegotiate(WARNS, TLS_OPEN, TRI_NO);
    renegotiate(ALERTS, TLS_FAILED, TRI_UNKNOWN);
}

/* --- what works ------------------------------------------------------------------------------- */

static void assert_certificate(const struct tls *t)
{
    struct span ders[2];
    assert_int_equal(tls_certificates(t, ders, 2), 1);
    assert_int_equal(ders[0].len, der.size);
    assert_memory_equal(ders[0].at, der.data, der.size);
}

/* A handshake, something said both ways, and a goodbye; in pieces of the given size. */
static void talk(size_t which, size_t piece)
{
    struct tls *t = client_new("mail.example.test");
    struct server *s = server_new(versions[which].priority, credentials, false);
    struct octets said = {0};
    char heard[32], name[64];
    size_t size = sizeof name;
    unsigned type;

    assert_int_equal(converse(t, s, piece, &said), TLS_OPEN);
    assert_true(s->open);
    struct tls_session_facts facts = tls_facts(t);
    assert_true(facts.completed && facts.hello_seen);
    assert_int_equal(facts.hello.version, versions[which].version);
    assert_int_equal(facts.hello.master_secret, versions[which].version < VERSION_TLS13);
    assert_false(facts.client_certificate_requested || facts.staple);
    assert_non_null(suite_name(facts.hello.suite));
    assert_non_null(facts.group);
    assert_certificate(t);
    assert_cause(t, CAUSE_NONE, -1);
    MUST(gnutls_server_name_get(s->session, name, &size, &type, 0));
    assert_string_equal(name, "mail.example.test");

    tls_write(t, span_of("EHLO me\r\n"));
    to_server(t, s);
    assert_int_equal(gnutls_record_recv(s->session, heard, sizeof heard), 9);
    assert_memory_equal(heard, "EHLO me\r\n", 9);
    MUST(gnutls_record_send(s->session, "250 you\r\n", 9));
    gnutls_bye(s->session, GNUTLS_SHUT_WR);
    assert_int_equal(converse(t, s, piece, &said), TLS_CLOSED);
    assert_int_equal(said.len, 9);
    assert_memory_equal(said.at, "250 you\r\n", 9);
    tls_close(t);
    assert_true(tls_output(t).len > 0); /* our close_notify */
    free(said.at);
    server_free(s);
    tls_free(t);
}

static void test_versions(void **state)
{
    static const size_t pieces[] = {1, 2, 3, 5, 64, 1000, 1 << 20};
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++)
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
            talk(v, pieces[i]);
}

/* All that is offered is known, and the hello has a size that servers can stomach. */
static void test_offers(void **state)
{
    char name[254];
    (void)state;
    static const enum version highest[TLS_OFFER_COUNT] = {
        [TLS_OFFER_DEFAULT] = VERSION_TLS13, [TLS_OFFER_SMALL] = VERSION_TLS13,
        [TLS_OFFER_OLDER] = VERSION_TLS12,   [TLS_OFFER_OLD] = VERSION_TLS12,
        [TLS_OFFER_OLD_11] = VERSION_TLS11,  [TLS_OFFER_OLD_10] = VERSION_TLS10,
        [TLS_OFFER_BARE] = VERSION_TLS12,    [TLS_OFFER_BARE_11] = VERSION_TLS11,
        [TLS_OFFER_BARE_10] = VERSION_TLS10,
    };
    for (int offer = 0; offer < TLS_OFFER_COUNT; offer++)
        assert_int_equal(tls_context_versions(context, (enum tls_offer)offer),
                         BIT(highest[offer] + 1) - BIT(VERSION_TLS10));
    for (size_t length = 0; length < sizeof name; length++) {
        for (size_t i = 0; i < length; i++)
            name[i] = i % 50 == 49 ? '.' : 'n';
        name[length] = 0;
        for (int n = 0; n < 2 * TLS_OFFER_COUNT; n++) {
            int offer = n / 2;
            bool tickets = n % 2;
            struct tls *t = tls_new(context, (enum tls_offer)offer, length ? name : NULL, tickets);
            assert_non_null(t);
            tls_start(t);
            size_t size = tls_output(t).len;
            bool whole = offer == TLS_OFFER_DEFAULT || offer == TLS_OFFER_OLDER;
            bool bare = offer >= TLS_OFFER_BARE;
            if (whole ? size >= 256 && size < 512 : size >= 256 && (bare || length <= 60))
                fail_msg("offer %d with a name of %zu: %zu octets", offer, length, size);
            tls_free(t);
        }
    }
}

/* The body of an extension of our hello, NULL if it is not there; of a hello in one record. */
static const unsigned char *extension(struct span hello, unsigned type, size_t *size)
{
    const unsigned char *at = (const unsigned char *)hello.at, *end = at + hello.len;
    at += 5 + 4 + 2 + 32;                           /* record, message, version, random */
    at += 1 + at[0];                                /* session */
    at += 2 + ((size_t)at[0] << 8 | at[1]);         /* suites */
    at += 1 + at[0];                                /* compression */
    for (at += 2; at + 4 <= end; at += 4 + *size) { /* extensions */
        *size = (size_t)at[2] << 8 | at[3];
        assert_true(at + 4 + *size <= end);
        if (((unsigned)at[0] << 8 | at[1]) == type)
            return at + 4;
    }
    return NULL;
}

/* The octets of its list of suites; there is no session. */
static size_t suites_size(struct span hello)
{
    const unsigned char *at = (const unsigned char *)hello.at + 5 + 4 + 2 + 32 + 1;
    return (size_t)at[0] << 8 | at[1];
}

/* Making a key is work: there is one, of X25519; who has other groups alone asks for another. */
static void test_key_share(void **state)
{
    size_t size;
    (void)state;
    for (int offer = 0; offer < TLS_OFFER_COUNT; offer++) {
        struct tls *t = tls_new(context, (enum tls_offer)offer, "mail.example.test", false);
        assert_non_null(t);
        tls_start(t);
        struct span out = tls_output(t);
        bool old = offer >= TLS_OFFER_OLDER, bare = offer >= TLS_OFFER_BARE;
        const unsigned char *shares = bare ? NULL : extension(out, 51, &size);
        assert_int_equal(shares != NULL, !old);
        if (bare) /* nothing behind the compression methods */
            assert_int_equal(out.len, 5 + 4 + 2 + 32 + 1 + 2 + suites_size(out) + 2);
        else
            assert_int_equal(extension(out, 43, &(size_t){0}) != NULL, !old);
        if (shares) {
            assert_int_equal(size, 2 + 2 + 2 + 32);
            assert_memory_equal(shares, "\0\x24\0\x1d\0\x20", 6);
        }
        tls_free(t);
    }
    static const struct {
        const char *priority, *group;
    } others[] = {
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP256R1", "SECP256R1"},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-FFDHE2048", "FFDHE2048"},
        {"NORMAL:-VERS-ALL:+VERS-TLS1.2:-GROUP-ALL:+GROUP-SECP384R1", "SECP384R1"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct tls *t = client_new("mail.example.test");
        struct server *s = server_new(others[i].priority, credentials, false);
        assert_int_equal(converse(t, s, 1000, NULL), TLS_OPEN);
        assert_string_equal(tls_facts(t).group, others[i].group);
        assert_false(tls_facts(t).hello.retry);
        server_free(s);
        tls_free(t);
    }
}

static void test_small_offer(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = tls_new(context, TLS_OFFER_SMALL, "mail.example.test", false);
        struct server *s = server_new(versions[v].priority, credentials, false);
        assert_non_null(t);
        tls_start(t);
        assert_int_equal(converse(t, s, 1 << 20, NULL), TLS_OPEN);
        assert_int_equal(tls_facts(t).hello.version, versions[v].version);
        server_free(s);
        tls_free(t);
    }
}

static void test_finite_field(void **state)
{
    (void)state;
    struct tls *t = client_new(NULL);
    struct server *s =
        server_new("NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA:-GROUP-ALL:+GROUP-FFDHE3072",
                   with_rsa, false);
    assert_int_equal(converse(t, s, 1 << 20, NULL), TLS_OPEN);
    assert_int_equal(tls_facts(t).dh_bits, 3072);
    server_free(s);
    tls_free(t);
}

/* Much at once, and read in small portions. */
static void test_much(void **state)
{
    static char much[16000];
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = client_new(NULL);
        struct server *s = server_new(versions[v].priority, credentials, false);
        struct octets said = {0};
        assert_int_equal(converse(t, s, 1 << 20, &said), TLS_OPEN);
        for (unsigned n = 0; n < 10; n++) {
            memset(much, (int)('a' + n), sizeof much);
            MUST(gnutls_record_send(s->session, much, sizeof much));
        }
        assert_int_equal(converse(t, s, 1 << 20, &said), TLS_OPEN);
        assert_int_equal(said.len, 10 * sizeof much);
        assert_int_equal(said.at[0], 'a');
        assert_int_equal(said.at[said.len - 1], 'j');
        free(said.at);
        server_free(s);
        tls_free(t);
    }
}

/* What the server says in the same piece as the end of its handshake. */
static void test_said_with_the_handshake(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = client_new(NULL);
        struct server *s = server_new(versions[v].priority, credentials, false);
        struct octets said = {0};
        for (unsigned round = 0; round < 10 && !s->open; round++) {
            to_server(t, s);
            server_step(s);
            if (s->open)
                MUST(gnutls_record_send(s->session, "220 hello\r\n", 11));
            to_client(t, s->out.at, s->out.len, &said);
            s->out.len = 0;
        }
        assert_int_equal(tls_step(t), TLS_OPEN);
        assert_int_equal(said.len, 11);
        free(said.at);
        server_free(s);
        tls_free(t);
    }
}

static void test_chain_of_twenty(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = client_new(NULL);
        struct server *s = server_new(versions[v].priority, long_chain, false);
        struct span ders[CHAIN_MAX];
        assert_int_equal(converse(t, s, 1 << 20, NULL), TLS_OPEN);
        assert_int_equal(tls_certificates(t, ders, CHAIN_MAX), CHAIN_MAX);
        server_free(s);
        tls_free(t);
    }
}

/* --- resuming --------------------------------------------------------------------------------- */

static struct server *server_with_tickets(size_t v, gnutls_certificate_credentials_t with,
                                          const gnutls_datum_t *key)
{
    struct server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    MUST(gnutls_init(&s->session, GNUTLS_SERVER | GNUTLS_NONBLOCK));
    MUST(gnutls_priority_set_direct(s->session, versions[v].priority, NULL));
    MUST(gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, with));
    MUST(gnutls_session_ticket_enable_server(s->session, key));
    gnutls_transport_set_ptr(s->session, s);
    gnutls_transport_set_pull_function(s->session, on_pull);
    gnutls_transport_set_push_function(s->session, on_push);
    return s;
}

/* A session, something said in it, and its ticket. */
static struct tls_ticket first_session(struct server *s, size_t piece)
{
    struct tls *t = tls_new(context, TLS_OFFER_DEFAULT, "mail.example.test", true);
    struct tls_ticket ticket = {0};
    assert_non_null(t);
    tls_start(t);
    assert_false(tls_ticket(t, &ticket));
    assert_int_equal(converse(t, s, piece, NULL), TLS_OPEN);
    MUST(gnutls_record_send(s->session, "220 hello\r\n", 11));
    assert_int_equal(converse(t, s, piece, NULL), TLS_OPEN);
    bool given = tls_ticket(t, &ticket);
    assert_int_equal(given, ticket.len > 0);
    server_free(s);
    tls_free(t);
    return ticket;
}

/* The next one, which offers to resume it. */
static void second_session(struct server *s, const struct tls_ticket *ticket, size_t v,
                           bool resumed)
{
    struct tls *t = tls_new(context, TLS_OFFER_DEFAULT, "mail.example.test", true);
    struct octets said = {0};
    assert_non_null(t);
    assert_true(tls_resume(t, ticket));
    assert_int_equal(tls_start(t), TLS_MORE);
    assert_true(tls_output(t).len >= 512);
    assert_int_equal(converse(t, s, 1000, NULL), TLS_OPEN);
    assert_true(s->open);
    assert_int_equal(gnutls_session_is_resumed(s->session) != 0, resumed);
    assert_true(tls_facts(t).completed && tls_facts(t).hello_seen);
    assert_int_equal(tls_facts(t).hello.version, versions[v].version);
    MUST(gnutls_record_send(s->session, "220 again\r\n", 11));
    assert_int_equal(converse(t, s, 1000, &said), TLS_OPEN);
    assert_int_equal(said.len, 11);
    free(said.at);
    server_free(s);
    tls_free(t);
}

/* A server that has lost its key makes it a full handshake. */
static void test_resuming(void **state)
{
    static const size_t pieces[] = {1, 1000};
    gnutls_datum_t key, other;
    (void)state;
    MUST(gnutls_session_ticket_key_generate(&key));
    MUST(gnutls_session_ticket_key_generate(&other));
    for (size_t v = 0; v < VERSIONS; v++)
        for (size_t i = 0; i < 2; i++) {
            struct tls_ticket ticket =
                first_session(server_with_tickets(v, credentials, &key), pieces[i]);
            assert_true(ticket.len > 0);
            second_session(server_with_tickets(v, credentials, &key), &ticket, v, true);
            second_session(server_with_tickets(v, credentials, &key), &ticket, v, true);
            second_session(server_with_tickets(v, credentials, &other), &ticket, v, false);
            tls_ticket_free(&ticket);
            assert_null(ticket.data);
            tls_ticket_free(&ticket);
        }
    gnutls_free(key.data);
    gnutls_free(other.data);
}

/* TLS 1.3: there is nothing to be resumed if the server gives no ticket. */
static void test_no_ticket(void **state)
{
    struct server *s = server_new(versions[VERSIONS - 1].priority, credentials, false);
    (void)state;
    assert_int_equal(first_session(s, 1000).len, 0);
}

/* The certificates are kept with it: of very many it is not worth the memory. */
static void test_long_ticket(void **state)
{
    gnutls_datum_t key;
    (void)state;
    MUST(gnutls_session_ticket_key_generate(&key));
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls_ticket small = first_session(server_with_tickets(v, with_rsa, &key), 1000);
        assert_in_range(small.len, 500, 8192);
        tls_ticket_free(&small);
        assert_int_equal(first_session(server_with_tickets(v, long_chain, &key), 1000).len, 0);
    }
    gnutls_free(key.data);
}

/* What was kept may be bent. */
static void test_odd_tickets(void **state)
{
    static const unsigned char garbage[64] = {1, 2, 3};
    gnutls_datum_t key;
    (void)state;
    MUST(gnutls_session_ticket_key_generate(&key));
    struct tls_ticket odd = {gnutls_malloc(sizeof garbage), sizeof garbage};
    assert_non_null(odd.data);
    memcpy(odd.data, garbage, sizeof garbage);
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = tls_new(context, TLS_OFFER_DEFAULT, NULL, true);
        struct server *s = server_with_tickets(v, credentials, &key);
        assert_non_null(t);
        assert_false(tls_resume(t, &odd));
        tls_start(t);
        assert_int_equal(converse(t, s, 1000, NULL), TLS_OPEN); /* a full handshake */
        server_free(s);
        tls_free(t);
    }
    tls_ticket_free(&odd);
    gnutls_free(key.data);
}

/* --- who wants a certificate of ours ---------------------------------------------------------- */

static void test_client_certificate(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = client_new(NULL);
        struct server *s = server_new(versions[v].priority, credentials, true);
        assert_int_equal(converse(t, s, 1 << 20, NULL), TLS_FAILED);
        assert_cause(t, CAUSE_CERTIFICATE_REQUIRED, -1);
        struct tls_session_facts facts = tls_facts(t);
        assert_true(facts.client_certificate_requested && facts.hello_seen);
        assert_int_equal(facts.hello.version, versions[v].version);
        /* TLS 1.3: our side is done before the server looks at what is missing. */
        assert_int_equal(facts.completed, versions[v].version == VERSION_TLS13);
        assert_certificate(t);
        server_free(s);
        tls_free(t);
    }
}

/* --- keys that are larger than any real one --------------------------------------------------- */

/* What a server sends in the place of its own certificate: its key is none that it could have. */
static struct octets foreign;

static void add(struct octets *o, const char *from, size_t n)
{
    put(o, from, n);
}
#define ADD(o, octets) add(o, octets, sizeof(octets) - 1)

/* Makes what stands from here on the body of an element. */
static void wrap(struct octets *o, size_t from, int tag)
{
    size_t len = o->len - from, n = len < 0x80 ? 0 : len < 0x100 ? 1 : 2;
    char head[4] = {(char)tag, (char)(n ? 0x80 | n : len)};
    for (size_t i = 0; i < n; i++)
        head[2 + i] = (char)(len >> 8 * (n - 1 - i));
    put(o, head, 2 + n);
    memmove(o->at + from + 2 + n, o->at + from, len);
    memcpy(o->at + from, head, 2 + n);
}

static void add_number(struct octets *o, size_t bits)
{
    size_t from = o->len;
    ADD(o, "\0"); /* positive */
    for (size_t i = 0; i < bits / 8; i++)
        add(o, "\xc5", 1);
    wrap(o, from, 0x02);
}

/* A certificate with an RSA key of so many bits. */
static void make_foreign(size_t modulus, size_t exponent)
{
    struct octets *o = &foreign;
    o->len = 0;
    ADD(o, "\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"
           "\x05\x00\x30\x00\x30\x1e\x17\x0d"
           "260101000000Z\x17\x0d"
           "360101000000Z\x30\x00");
    size_t spki = o->len;
    ADD(o, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00");
    size_t key = o->len;
    ADD(o, "\0"); /* no unused bits */
    size_t numbers = o->len;
    add_number(o, modulus);
    add_number(o, exponent);
    wrap(o, numbers, 0x30);
    wrap(o, key, 0x03);
    wrap(o, spki, 0x30);
    wrap(o, 0, 0x30);
    ADD(o, "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00\x03\x02\x00\x01");
    wrap(o, 0, 0x30);
}

static gnutls_pcert_st foreign_pcert;
static gnutls_privkey_t own_key; /* what the server signs with all the same */

static int on_retrieve(gnutls_session_t session, const gnutls_datum_t *issuers, int issuers_count,
                       const gnutls_pk_algorithm_t *algorithms, int algorithms_count,
                       gnutls_pcert_st **certificates, unsigned *count, gnutls_privkey_t *key)
{
    (void)session;
    (void)issuers;
    (void)issuers_count;
    (void)algorithms;
    (void)algorithms_count;
    *certificates = &foreign_pcert;
    *count = 1;
    *key = own_key;
    return 0;
}

static void set_up_foreign(gnutls_certificate_credentials_t with)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t *crts;
    unsigned count;
    MUST(gnutls_certificate_get_x509_key(with_rsa, 0, &key));
    MUST(gnutls_certificate_get_x509_crt(with_rsa, 0, &crts, &count));
    MUST(gnutls_privkey_init(&own_key));
    MUST(gnutls_privkey_import_x509(own_key, key, GNUTLS_PRIVKEY_IMPORT_COPY));
    MUST(gnutls_pcert_import_x509(&foreign_pcert, crts[0], 0));
    gnutls_free(foreign_pcert.cert.data);
    foreign_pcert.cert.data = (unsigned char *)foreign.at;
    foreign_pcert.cert.size = (unsigned)foreign.len;
    gnutls_certificate_set_retrieve_function2(with, on_retrieve);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(crts[i]);
    gnutls_free(crts);
    gnutls_x509_privkey_deinit(key);
}

static void tear_down_foreign(void)
{
    foreign_pcert.cert.data = NULL;
    gnutls_pcert_deinit(&foreign_pcert);
    gnutls_privkey_deinit(own_key);
}

/* The server signs with another key, so that a client which computes with this one says "bad
   signature", and is no more than a client which does not. The certificate is known either way. */
static void test_absurd_key(void **state)
{
    static const struct {
        size_t modulus, exponent;
        enum cause cause;
    } cases[] = {{4096, 24, CAUSE_PROTOCOL},    {16384, 24, CAUSE_PROTOCOL},
                 {16392, 24, CAUSE_LIMIT},      {131072, 24, CAUSE_LIMIT},
                 {131072, 131072, CAUSE_LIMIT}, {4096, 4096, CAUSE_LIMIT},
                 {1024, 2048, CAUSE_LIMIT}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t v = 0; v < VERSIONS; v++) {
            gnutls_certificate_credentials_t with;
            const char *text;
            struct span ders[2];
            make_foreign(cases[i].modulus, cases[i].exponent);
            MUST(gnutls_certificate_allocate_credentials(&with));
            set_up_foreign(with);
            struct tls *t = client_new("mail.example.test");
            struct server *s = server_new(versions[v].priority, with, false);
            assert_int_equal(converse(t, s, 1 << 20, NULL), TLS_FAILED);
            assert_cause(t, cases[i].cause, -1);
            tls_outcome(t, &text);
            assert_int_equal(strcmp(text, "A key is larger than any real one.") == 0,
                             cases[i].cause == CAUSE_LIMIT);
            assert_int_equal(tls_facts(t).hello.version, versions[v].version);
            assert_int_equal(tls_certificates(t, ders, 2), 1);
            assert_int_equal(ders[0].len, foreign.len);
            assert_memory_equal(ders[0].at, foreign.at, foreign.len);
            assert_false(tls_facts(t).completed);
            server_free(s);
            tls_free(t);
            tear_down_foreign();
            gnutls_certificate_free_credentials(with);
        }
    free(foreign.at);
    foreign = (struct octets){0};
}

/* RFC 5246 section 7.4.3: a ServerKeyExchange with a prime of so many bits, behind zeros. */
static void add_exchange(struct octets *o, size_t bits)
{
    size_t len = bits / 8 + 2, size = 2 + len + 3 + 3 + 4;
    const char head[] = {0x16,
                         3,
                         3,
                         (char)((size + 4) >> 8),
                         (char)(size + 4),
                         12,
                         0,
                         (char)(size >> 8),
                         (char)size,
                         (char)(len >> 8),
                         (char)len,
                         0,
                         0};
    put(o, head, sizeof head);
    for (size_t i = 0; i < bits / 8; i++)
        add(o, "\xc5", 1);
    ADD(o, "\0\x01\x02\0\x01\x03\x04\x01\0\0");
}

/* The server's flight with that in the place of its own ServerKeyExchange. */
static void exchange(struct tls *t, const struct octets *flight, size_t bits)
{
    struct octets bent = {0};
    for (size_t at = 0, len; at < flight->len; at += len) {
        const unsigned char *record = (const unsigned char *)flight->at + at;
        assert_true(at + 6 <= flight->len);
        len = 5 + (size_t)(record[3] << 8 | record[4]);
        if (record[5] == 12)
            add_exchange(&bent, bits);
        else
            put(&bent, record, len);
    }
    to_client(t, bent.at, bent.len, NULL);
    free(bent.at);
}

static void test_absurd_exchange(void **state)
{
    static const struct {
        size_t bits;
        enum cause cause;
    } cases[] = {{2048, CAUSE_PROTOCOL},
                 {10000, CAUSE_PROTOCOL},
                 {10008, CAUSE_LIMIT},
                 {65536, CAUSE_LIMIT}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span ders[1];
        struct tls *t = client_new(NULL);
        struct server *s = server_new("NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA:-GROUP-ALL:"
                                      "+GROUP-FFDHE3072",
                                      with_rsa, false);
        to_server(t, s);
        server_step(s);
        exchange(t, &s->out, cases[i].bits);
        assert_int_equal(tls_step(t), TLS_FAILED);
        assert_cause(t, cases[i].cause, -1);
        assert_int_equal(tls_certificates(t, ders, 1), 1);
        server_free(s);
        tls_free(t);
    }
}

/* --- what goes wrong -------------------------------------------------------------------------- */

/* All that the server says up to our second flight. */
static struct octets first_flight(struct tls *t, size_t v)
{
    struct server *s = server_new(versions[v].priority, credentials, false);
    to_server(t, s);
    server_step(s);
    struct octets flight = s->out;
    s->out = (struct octets){0};
    server_free(s);
    assert_true(flight.len > der.size);
    return flight;
}

static void test_closed_at_each_octet(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        size_t len = 1;
        bool hello = false, certificate = false;
        for (size_t cut = 0; cut < len; cut++) {
            struct tls *t = client_new(NULL);
            struct octets flight = first_flight(t, v);
            struct span ders[1];
            len = flight.len - SLACK;
            assert_int_equal(to_client(t, flight.at, cut, NULL), TLS_MORE);
            assert_int_equal(tls_eof(t), TLS_FAILED);
            assert_cause(t, CAUSE_CLOSED, -1);
            assert_false(tls_facts(t).completed);
            /* What is known once stays known. */
            assert_true(!hello || tls_facts(t).hello_seen);
            hello = tls_facts(t).hello_seen;
            assert_int_equal(hello ? tls_facts(t).hello.version : versions[v].version,
                             versions[v].version);
            assert_true(!certificate || tls_certificates(t, ders, 1) == 1);
            certificate = tls_certificates(t, ders, 1) == 1;
            assert_false(certificate && !hello);
            free(flight.at);
            tls_free(t);
        }
        assert_true(hello);
        assert_true(certificate);
    }
}

static void test_garbage_at_each_octet(void **state)
{
    static const char masks[] = {0x01, '\x80', '\xff'};
    unsigned opened = 0;
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        size_t len = 1;
        for (size_t at = 0; at < len; at++) {
            struct tls *t = client_new(NULL);
            struct octets flight = first_flight(t, v);
            struct span ders[CHAIN_MAX];
            char plain[16];
            const char *text;
            len = flight.len - SLACK;
            flight.at[at] = (char)(flight.at[at] ^ masks[at % sizeof masks]);
            to_client(t, flight.at, flight.len, NULL);
            /* The version in the head of a record is no part of what is signed. */
            if (tls_step(t) == TLS_OPEN)
                opened++;
            tls_facts(t);
            tls_certificates(t, ders, CHAIN_MAX);
            tls_eof(t);
            tls_read(t, plain, sizeof plain);
            assert_int_equal(tls_step(t), TLS_FAILED);
            assert_int_not_equal(tls_outcome(t, &text).cause, CAUSE_NONE);
            assert_int_not_equal(tls_outcome(t, &text).cause, CAUSE_LOCAL);
            assert_non_null(text);
            tls_close(t);
            free(flight.at);
            tls_free(t);
        }
    }
    assert_true(opened < 10);
}

static void feed_failing(struct tls *t, const char *bytes, size_t len, enum cause cause, int alert)
{
    enum tls_step step = to_client(t, bytes, len, NULL);
    if (step == TLS_MORE)
        step = tls_eof(t);
    assert_int_equal(step, TLS_FAILED);
    assert_cause(t, cause, alert);
    assert_false(tls_facts(t).completed);
    tls_free(t);
}

static void test_alerts(void **state)
{
    (void)state;
    feed_failing(client_new(NULL), "\x15\x03\x01\x00\x02\x02\x46", 7, CAUSE_ALERT, 70);
    feed_failing(client_new(NULL), "\x15\x03\x03\x00\x02\x02\x28", 7, CAUSE_ALERT, 40);
    feed_failing(client_new(NULL), "\x15\x03\x03\x00\x02\x02\x50", 7, CAUSE_ALERT, 80);
    feed_failing(client_new(NULL), "\x15\x03\x03\x00\x02\x02\x74", 7, CAUSE_CERTIFICATE_REQUIRED,
                 116);
    feed_failing(client_new(NULL), "", 0, CAUSE_CLOSED, -1);
    feed_failing(client_new(NULL), "\x15\x03", 2, CAUSE_CLOSED, -1);
}

static void test_warning_then_hello(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS - 1; v++) {
        struct tls *t = client_new("unknown.example.test");
        struct server *s = server_new(versions[v].priority, credentials, false);
        assert_int_equal(to_client(t, "\x15\x03\x01\x00\x02\x01\x70", 7, NULL), TLS_MORE);
        assert_int_equal(converse(t, s, 1 << 20, NULL), TLS_OPEN);
        server_free(s);
        tls_free(t);
    }
}

/* Warnings without end come to an end: in one piece, or one at a time. */
static void test_endless_warnings(void **state)
{
    char warnings[7 * 1000];
    (void)state;
    for (size_t i = 0; i < sizeof warnings; i += 7)
        memcpy(warnings + i, "\x15\x03\x01\x00\x02\x01\x70", 7);
    feed_failing(client_new(NULL), warnings, sizeof warnings, CAUSE_LIMIT, -1);
    struct tls *t = client_new(NULL);
    unsigned n = 0;
    while (to_client(t, warnings, 7, NULL) == TLS_MORE)
        assert_in_range(++n, 1, 100);
    assert_cause(t, CAUSE_LIMIT, -1);
    tls_free(t);
}

static void test_not_tls(void **state)
{
    static const char huge[] = "\x16\x03\x03\x40\x00\x02\x00\xff\xff";
    (void)state;
    feed_failing(client_new(NULL), "500 OOPS: no certificate\r\n", 26, CAUSE_PROTOCOL, -1);
    feed_failing(client_new(NULL), "\x00\x00\x00\x00\x00\x00\x00", 7, CAUSE_PROTOCOL, -1);
    feed_failing(client_new(NULL), "\x17\x03\x03\x00\x01\x00", 6, CAUSE_PROTOCOL, -1);
    struct tls *t = client_new(NULL);
    struct octets flood = {0};
    put(&flood, huge, sizeof huge - 1);
    for (unsigned n = 0; n < 16384 - 4; n++)
        put(&flood, "", 1);
    enum tls_step step = to_client(t, flood.at, flood.len, NULL);
    for (unsigned n = 0; n < 40 && step == TLS_MORE; n++) {
        memset(flood.at, 0, flood.len);
        memcpy(flood.at, "\x16\x03\x03\x40\x00", 5);
        step = to_client(t, flood.at, 5 + 16384, NULL);
    }
    assert_int_equal(step, TLS_FAILED);
    free(flood.at);
    tls_free(t);
}

/* A ServerHello of a version that was not offered. */
static void test_version_not_offered(void **state)
{
    static const unsigned wires[] = {0x0300, 0x0002, 0x0305, 0x0304, 0x0100};
    (void)state;
    for (size_t i = 0; i < sizeof wires / sizeof *wires; i++) {
        char hello[5 + 4 + 38] = "\x16\x03\x03\x00\x2a\x02\x00\x00\x26";
        hello[9] = (char)(wires[i] >> 8);
        hello[10] = (char)(wires[i] & 0xff);
        hello[sizeof hello - 2] = 0x2f;
        struct tls *t = client_new(NULL);
        assert_int_equal(to_client(t, hello, sizeof hello, NULL), TLS_FAILED);
        assert_cause(t, CAUSE_VERSION, -1);
        tls_free(t);
    }
}

/* The connection ends without a goodbye. */
static void test_truncated(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = client_new(NULL);
        struct server *s = server_new(versions[v].priority, credentials, false);
        char plain[16];
        assert_int_equal(converse(t, s, 1 << 20, NULL), TLS_OPEN);
        MUST(gnutls_record_send(s->session, "250 cut\r\n", 9));
        to_client(t, s->out.at, s->out.len - 1, NULL);
        tls_eof(t);
        assert_int_equal(tls_read(t, plain, sizeof plain), 0);
        assert_int_equal(tls_step(t), TLS_FAILED);
        assert_cause(t, CAUSE_CLOSED, -1);
        assert_true(tls_facts(t).completed);
        server_free(s);
        tls_free(t);
    }
}

/* Garbage inside the session. */
static void test_bent_record(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = client_new(NULL);
        struct server *s = server_new(versions[v].priority, credentials, false);
        assert_int_equal(converse(t, s, 1 << 20, NULL), TLS_OPEN);
        MUST(gnutls_record_send(s->session, "250 bent\r\n", 10));
        s->out.at[s->out.len - 1] ^= 1;
        assert_int_equal(to_client(t, s->out.at, s->out.len, NULL), TLS_FAILED);
        assert_cause(t, CAUSE_PROTOCOL, -1);
        assert_true(tls_output(t).len > 0); /* our alert */
        server_free(s);
        tls_free(t);
    }
}

/* A server that asks for a new handshake (RFC 5246) or new keys (RFC 8446), and goes on talking. */
static void test_again(void **state)
{
    (void)state;
    for (size_t v = 0; v < VERSIONS; v++) {
        struct tls *t = client_new(NULL);
        struct server *s = server_new(versions[v].priority, credentials, false);
        struct octets said = {0};
        assert_int_equal(converse(t, s, 1 << 20, &said), TLS_OPEN);
        for (unsigned n = 0; n < 3; n++) {
            if (versions[v].version == VERSION_TLS13)
                MUST(gnutls_session_key_update(s->session, GNUTLS_KU_PEER));
            else
                MUST(gnutls_rehandshake(s->session));
            MUST(gnutls_record_send(s->session, "x", 1));
        }
        assert_int_equal(converse(t, s, 1 << 20, &said), TLS_OPEN);
        assert_int_equal(said.len, 3);
        free(said.at);
        server_free(s);
        tls_free(t);
    }
}

/* What is written before the session is open, or after its end, goes nowhere. */
static void test_write_at_the_wrong_time(void **state)
{
    char plain[8];
    (void)state;
    struct tls *t = client_new(NULL);
    tls_sent(t);
    tls_write(t, span_of("too early"));
    tls_close(t);
    assert_int_equal(tls_output(t).len, 0);
    assert_int_equal(tls_read(t, plain, sizeof plain), 0);
    assert_int_equal(tls_step(t), TLS_MORE);
    assert_int_equal(tls_eof(t), TLS_FAILED);
    tls_write(t, span_of("too late"));
    assert_int_equal(tls_feed(t, span_of("later still")), TLS_FAILED);
    assert_int_equal(tls_read(t, plain, sizeof plain), 0);
    tls_free(t);
    tls_free(NULL);
}

/* --- set-up ----------------------------------------------------------------------------------- */

/* Credentials of the given kind, with a certificate that is sent so many times. */
static gnutls_certificate_credentials_t make(gnutls_pk_algorithm_t algorithm, unsigned bits,
                                             int times)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt, chain[CHAIN];
    gnutls_certificate_credentials_t made;
    MUST(gnutls_x509_privkey_init(&key));
    MUST(gnutls_x509_privkey_generate(key, algorithm, bits, 0));
    MUST(gnutls_x509_crt_init(&crt));
    MUST(gnutls_x509_crt_set_version(crt, 3));
    MUST(gnutls_x509_crt_set_serial(crt, "\x01", 1));
    MUST(gnutls_x509_crt_set_dn(crt, "CN=mail.example.test", NULL));
    MUST(gnutls_x509_crt_set_key(crt, key));
    MUST(gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600));
    MUST(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 24 * 3600));
    MUST(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0));
    gnutls_free(der.data);
    MUST(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der));
    for (int i = 0; i < times; i++)
        chain[i] = crt;
    MUST(gnutls_certificate_allocate_credentials(&made));
    MUST(gnutls_certificate_set_x509_key(made, chain, times, key));
    MUST(gnutls_certificate_set_known_dh_params(made, GNUTLS_SEC_PARAM_MEDIUM));
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return made;
}

static int set_up(void **state)
{
    const unsigned p256 = (unsigned)GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
    (void)state;
    with_rsa = make(GNUTLS_PK_RSA, 2048, 1);
    long_chain = make(GNUTLS_PK_RSA, 2048, CHAIN);
    credentials = make(GNUTLS_PK_ECDSA, p256, 1); /* the last one: der is its certificate */
    context = tls_context_new(stderr);
    return context ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tls_context_free(context);
    tls_context_free(NULL);
    gnutls_certificate_free_credentials(credentials);
    gnutls_certificate_free_credentials(with_rsa);
    gnutls_certificate_free_credentials(long_chain);
    gnutls_free(der.data);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_renegotiation),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_offers),
        cmocka_unit_test(test_key_share),
        cmocka_unit_test(test_small_offer),
        cmocka_unit_test(test_finite_field),
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_said_with_the_handshake),
        cmocka_unit_test(test_chain_of_twenty),
        cmocka_unit_test(test_resuming),
        cmocka_unit_test(test_no_ticket),
        cmocka_unit_test(test_long_ticket),
        cmocka_unit_test(test_odd_tickets),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_absurd_key),
        cmocka_unit_test(test_absurd_exchange),
        cmocka_unit_test(test_closed_at_each_octet),
        cmocka_unit_test(test_garbage_at_each_octet),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_warning_then_hello),
        cmocka_unit_test(test_endless_warnings),
        cmocka_unit_test(test_not_tls),
        cmocka_unit_test(test_version_not_offered),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_bent_record),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_write_at_the_wrong_time),
    };
    setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null", 1);
    if (gnutls_global_init() < 0)
        return 2;
    int failed = cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
    gnutls_global_deinit();
    return failed;
}
