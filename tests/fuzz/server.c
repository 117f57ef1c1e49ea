/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "server.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY ((time_t)24 * 60 * 60)

struct octets {
    char *at;
    size_t len;
};

struct server {
    gnutls_session_t session;
    struct octets in, out;
    size_t taken; /* of in */
    bool open, broken;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void put(struct octets *o, const void *from, size_t n)
{
    if (!n)
        return;
    o->at = realloc(o->at, o->len + n);
    require(o->at != NULL);
    memcpy(o->at + o->len, from, n);
    o->len += n;
}

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

/* --- what all of them share ------------------------------------------------------------------- */

static gnutls_certificate_credentials_t credentials;
static gnutls_priority_t priority;
static gnutls_datum_t ticket_key;

/* For those who know Ed25519, and for all others RSA; both have signatures of one length. */
static void add_certificate(gnutls_pk_algorithm_t algorithm, unsigned bits)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    static const char serial[] = {1};

    require(gnutls_x509_privkey_init(&key) >= 0 &&
            gnutls_x509_privkey_generate(key, algorithm, bits, 0) >= 0);
    require(gnutls_x509_crt_init(&crt) >= 0 && gnutls_x509_crt_set_version(crt, 3) >= 0 &&
            gnutls_x509_crt_set_serial(crt, serial, sizeof serial) >= 0 &&
            gnutls_x509_crt_set_activation_time(crt, time(NULL) - DAY) >= 0 &&
            gnutls_x509_crt_set_expiration_time(crt, time(NULL) + DAY) >= 0 &&
            gnutls_x509_crt_set_dn(crt, "CN=mail.test", NULL) >= 0 &&
            gnutls_x509_crt_set_key(crt, key) >= 0 &&
            gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA512, 0) >= 0);
    require(gnutls_certificate_set_x509_key(credentials, &crt, 1, key) >= 0);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}

static void prepare(void)
{
    if (credentials)
        return;
    require(gnutls_certificate_allocate_credentials(&credentials) >= 0);
    add_certificate(GNUTLS_PK_EDDSA_ED25519, 256);
    add_certificate(GNUTLS_PK_RSA, 2048);
    require(gnutls_priority_init(&priority, "NORMAL:+VERS-TLS1.0:+VERS-TLS1.1", NULL) >= 0);
    require(gnutls_session_ticket_key_generate(&ticket_key) >= 0);
}

/* --- one of them ------------------------------------------------------------------------------ */

struct server *server_new(void)
{
    struct server *s = calloc(1, sizeof *s);
    prepare();
    require(s &&
            gnutls_init(&s->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) >= 0 &&
            gnutls_priority_set(s->session, priority) >= 0 &&
            gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, credentials) >= 0 &&
            gnutls_session_ticket_enable_server(s->session, &ticket_key) >= 0);
    gnutls_transport_set_ptr(s->session, s);
    gnutls_transport_set_pull_function(s->session, on_pull);
    gnutls_transport_set_push_function(s->session, on_push);
    return s;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    gnutls_deinit(s->session);
    free(s->in.at);
    free(s->out.at);
    free(s);
}

static void settle(struct server *s, int result)
{
    if (result >= 0 || !gnutls_error_is_fatal(result))
        return;
    gnutls_alert_send_appropriate(s->session, result);
    s->broken = true;
}

void server_take(struct server *s, struct span cipher)
{
    char plain[1024];
    ssize_t n = GNUTLS_E_AGAIN;
    int result = GNUTLS_E_SUCCESS;

    put(&s->in, cipher.at, cipher.len);
    while (!s->open && !s->broken && (result = gnutls_handshake(s->session)) != GNUTLS_E_AGAIN) {
        settle(s, result);
        s->open = result == GNUTLS_E_SUCCESS;
    }
    while (s->open && !s->broken && (n = gnutls_record_recv(s->session, plain, sizeof plain)) > 0)
        ;
    if (s->open && n == GNUTLS_E_REHANDSHAKE)
        s->open = false; /* with what comes next */
    else if (s->open && n < 0)
        settle(s, (int)n);
}

bool server_is_open(const struct server *s)
{
    return s->open && !s->broken;
}

void server_say(struct server *s, struct span plain)
{
    while (plain.len && server_is_open(s)) {
        ssize_t n = gnutls_record_send(s->session, plain.at, plain.len);
        if (n <= 0)
            return;
        plain = span_from(plain, (size_t)n);
    }
}

void server_ask_again(struct server *s)
{
    if (!server_is_open(s))
        return;
    if (gnutls_protocol_get_version(s->session) == GNUTLS_TLS1_3)
        gnutls_session_key_update(s->session, 0);
    else
        gnutls_rehandshake(s->session);
}

void server_warn(struct server *s)
{
    if (server_is_open(s))
        gnutls_alert_send(s->session, GNUTLS_AL_WARNING, GNUTLS_A_UNRECOGNIZED_NAME);
}

void server_say_goodbye(struct server *s)
{
    if (server_is_open(s))
        gnutls_bye(s->session, GNUTLS_SHUT_WR);
}

struct span server_output(const struct server *s)
{
    return (struct span){s->out.at, s->out.len};
}

void server_sent(struct server *s)
{
    s->out.len = 0;
}
