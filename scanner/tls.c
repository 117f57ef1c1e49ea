/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/tls.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

#include "scanner/memory.h"
#include "scanner/say.h"

#define OUTPUT_MAX ((size_t)64 * 1024)
#define TICKET_MAX ((size_t)8 * 1024) /* the certificates are in it, too */
#define RECORD_HEAD ((size_t)5)
#define RECORD_MAX ((size_t)16384 + 256) /* RFC 8446 section 5.2 */
#define WARNINGS_MAX 16                  /* and other things that are not fatal but lead nowhere */

/* Old suites, groups and signatures are wanted: seeing them is the point. %DUMBFW pads the hello to
   512 octets; %COMPAT would do so too, but leaves extended_master_secret out. A key share is sent of
   the first group alone, since every key costs as much as a tenth of a handshake; a server that does
   not have X25519 asks for another group by a HelloRetryRequest. */
#define ALL_THERE_IS                                                                               \
    "+CIPHER-ALL:+AES-128-CCM-8:+AES-256-CCM-8:+ARCFOUR-128:+3DES-CBC:+MAC-ALL:+SHA256:+SHA384:+"  \
    "SHA1:+MD5:+SIGN-ALL:"                                                                         \
    "+SIGN-RSA-SHA1:+SIGN-ECDSA-SHA1:+SIGN-DSA-SHA1:-GROUP-ALL:+GROUP-X25519:+GROUP-ALL:"          \
    "+DHE-DSS:%DUMBFW:%UNSAFE_RENEGOTIATION:%VERIFY_ALLOW_SIGN_WITH_SHA1"

/* What nearly every old server has one of. The extensions that came after RFC 5246 are left out. */
#define OLD_CHOICE                                                                                 \
    "+AES-256-GCM:+AES-128-GCM:+AES-256-CBC:+AES-128-CBC:+3DES-CBC:+ARCFOUR-128:+AEAD:+SHA1:"      \
    "+ECDHE-ECDSA:+ECDHE-RSA:+DHE-RSA:+RSA:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"       \
    "+SIGN-RSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:+SIGN-ECDSA-SHA256:+SIGN-RSA-SHA1:"             \
    "+SIGN-ECDSA-SHA1:+SIGN-DSA-SHA1:+CTYPE-X509:%NO_ETM:%NO_SESSION_HASH:"                        \
    "%UNSAFE_RENEGOTIATION:%VERIFY_ALLOW_SIGN_WITH_SHA1"
#define NO_EXTENSIONS ":%NO_EXTENSIONS"
#define FROM_12 "NONE:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:"
#define FROM_11 "NONE:+VERS-TLS1.1:+VERS-TLS1.0:"
#define FROM_10 "NONE:+VERS-TLS1.0:"

static const char *const priorities[TLS_OFFER_COUNT] = {
    [TLS_OFFER_DEFAULT] =
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:" ALL_THERE_IS,
    [TLS_OFFER_OLDER] = "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:" ALL_THERE_IS,
    [TLS_OFFER_SMALL] = "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:+AES-256-GCM:"
                        "+AES-128-GCM:+AES-256-CBC:+AES-128-CBC:+AEAD:+SHA1:+ECDHE-ECDSA:"
                        "+ECDHE-RSA:+DHE-RSA:+RSA:+GROUP-X25519:+GROUP-SECP256R1:"
                        "+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256:+SIGN-ECDSA-SECP256R1-SHA256:"
                        "+SIGN-ECDSA-SHA256:+SIGN-RSA-SHA1:+CTYPE-X509:"
                        "%DISABLE_TLS13_COMPAT_MODE:%UNSAFE_RENEGOTIATION:"
                        "%VERIFY_ALLOW_SIGN_WITH_SHA1",
    [TLS_OFFER_OLD] = FROM_12 OLD_CHOICE,
    [TLS_OFFER_OLD_11] = FROM_11 OLD_CHOICE,
    [TLS_OFFER_OLD_10] = FROM_10 OLD_CHOICE,
    [TLS_OFFER_BARE] = FROM_12 OLD_CHOICE NO_EXTENSIONS,
    [TLS_OFFER_BARE_11] = FROM_11 OLD_CHOICE NO_EXTENSIONS,
    [TLS_OFFER_BARE_10] = FROM_10 OLD_CHOICE NO_EXTENSIONS,
};

struct tls_context {
    gnutls_priority_t priorities[TLS_OFFER_COUNT];
    gnutls_certificate_credentials_t credentials;
    unsigned versions[TLS_OFFER_COUNT];
};

struct tls {
    gnutls_session_t session;
    enum tls_step step;
    struct span input; /* whole records, for the library */
    struct span tail;  /* the beginning of the next: in kept */
    char *kept;
    bool as_it_comes; /* what comes is no record: it is not looked at any more */
    bool eof;
    bool renegotiating;
    bool absurd;        /* a key is larger than any real one, and was not computed with */
    char *certificates; /* the list of the first Certificate message, whatever came of it */
    size_t certificates_len;
    int error; /* of the library, once the step is TLS_FAILED */
    int alert;
    unsigned warnings;
    char *out;
    size_t out_len, out_max;
    struct tls_session_facts facts;
};

/* What the library took of an offer: it drops what it does not know without a word. */
static unsigned read_back(gnutls_priority_t priority)
{
    const unsigned *list = NULL;
    unsigned versions = 0;
    int count = gnutls_priority_protocol_list(priority, &list);
    for (int i = 0; i < count; i++) {
        enum version v = list[i] == GNUTLS_TLS1_0   ? VERSION_TLS10
                         : list[i] == GNUTLS_TLS1_1 ? VERSION_TLS11
                         : list[i] == GNUTLS_TLS1_2 ? VERSION_TLS12
                         : list[i] == GNUTLS_TLS1_3 ? VERSION_TLS13
                                                    : VERSION_NONE;
        if (v != VERSION_NONE)
            versions |= 1U << v;
    }
    return versions;
}

struct tls_context *tls_context_new(FILE *errors)
{
    struct tls_context *c = calloc(1, sizeof *c);
    const char *at = NULL;
    int result =
        c ? gnutls_certificate_allocate_credentials(&c->credentials) : GNUTLS_E_MEMORY_ERROR;

    for (int i = 0; i < TLS_OFFER_COUNT && result >= 0; i++) {
        result = gnutls_priority_init(&c->priorities[i], priorities[i], &at);
        if (result >= 0)
            c->versions[i] = read_back(c->priorities[i]);
    }
    if (result >= 0)
        return c;
    say(errors, "TLS cannot be set up: %s%s%s", gnutls_strerror(result), at ? " at " : "",
        at ? at : "");
    tls_context_free(c);
    return NULL;
}

void tls_context_free(struct tls_context *c)
{
    if (!c)
        return;
    for (int i = 0; i < TLS_OFFER_COUNT; i++)
        if (c->priorities[i])
            gnutls_priority_deinit(c->priorities[i]);
    if (c->credentials)
        gnutls_certificate_free_credentials(c->credentials);
    free(c);
}

unsigned tls_context_versions(const struct tls_context *c, enum tls_offer offer)
{
    return c->versions[offer];
}

/* --- what GnuTLS reads from and writes to ----------------------------------------------------- */

static ssize_t on_pull(gnutls_transport_ptr_t context, void *to, size_t max)
{
    struct tls *t = context;
    if (!t->input.len) {
        if (t->eof)
            return 0;
        gnutls_transport_set_errno(t->session, EAGAIN);
        return -1;
    }
    size_t n = t->input.len < max ? t->input.len : max;
    memcpy(to, t->input.at, n);
    t->input = span_from(t->input, n);
    return (ssize_t)n;
}

static ssize_t on_push(gnutls_transport_ptr_t context, const giovec_t *pieces, int count)
{
    struct tls *t = context;
    size_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += pieces[i].iov_len;
    if (t->out_len + sum > t->out_max) {
        size_t max = t->out_len + sum < 1024 ? 1024 : t->out_len + sum;
        char *out = max > OUTPUT_MAX ? NULL : realloc(t->out, max);
        if (!out) {
            t->facts.out_of_memory = true;
            gnutls_transport_set_errno(t->session, ENOBUFS);
            return -1;
        }
        t->out = out;
        t->out_max = max;
    }
    for (int i = 0; i < count; i++) {
        memcpy(t->out + t->out_len, pieces[i].iov_base, pieces[i].iov_len);
        t->out_len += pieces[i].iov_len;
    }
    return (ssize_t)sum;
}

/* Takes so many octets of length, and what they announce, off the front. */
static bool take_vector(struct span *in, size_t width, struct span *out)
{
    size_t len = 0;
    if (in->len < width)
        return false;
    for (size_t i = 0; i < width; i++)
        len = len << 8 | (unsigned char)in->at[i];
    if (len > in->len - width)
        return false;
    *out = (struct span){in->at + width, len};
    *in = span_from(*in, width + len);
    return true;
}

/* RFC 5246 section 7.4.2, RFC 8446 section 4.4.2: the next certificate of a list. */
static bool take_certificate(const struct tls *t, struct span *list, struct span *der)
{
    struct span extensions;
    return take_vector(list, 3, der) &&
           (t->facts.hello.version != VERSION_TLS13 || take_vector(list, 2, &extensions));
}

/* The certificates are kept before the library sees them: it may refuse them. Theirs is the key
   that signatures of the handshake are checked with, or secrets encrypted to. */
static bool take_certificates(struct tls *t, struct span message)
{
    struct span context, list, der;

    if (t->facts.hello.version == VERSION_TLS13 && !take_vector(&message, 1, &context))
        return true; /* the library says what is wrong */
    if (!take_vector(&message, 3, &list))
        return true;
    if (!t->certificates && list.len) {
        if (!(t->certificates = malloc(list.len)))
            return false;
        memcpy(t->certificates, list.at, list.len);
        t->certificates_len = list.len;
    }
    t->absurd = take_certificate(t, &list, &der) && certificate_is_absurd(der);
    return true;
}

/* RFC 5246 section 7.4.3: only the prime is looked at. */
static bool is_absurd_exchange(const struct tls *t, struct span message)
{
    gnutls_kx_algorithm_t kx = gnutls_kx_get(t->session);
    struct span prime;

    if ((kx != GNUTLS_KX_DHE_RSA && kx != GNUTLS_KX_DHE_DSS && kx != GNUTLS_KX_ANON_DH) ||
        !take_vector(&message, 2, &prime))
        return false;
    while (prime.len && !*prime.at)
        prime = span_from(prime, 1);
    return is_absurd_prime((unsigned)(8 * prime.len));
}

/* Sees every handshake message that comes in, before the library computes with it. */
static int on_handshake(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                        const gnutls_datum_t *message)
{
    struct tls *t = gnutls_session_get_ptr(session);
    (void)when;
    if (!incoming)
        return 0;
    if (type == GNUTLS_HANDSHAKE_SERVER_HELLO || type == GNUTLS_HANDSHAKE_HELLO_RETRY_REQUEST) {
        struct span body = {(const char *)message->data, message->size};
        struct server_hello hello;
        if (server_hello_parse(body, &hello)) {
            t->facts.hello = hello;
            t->facts.hello_seen = true;
        }
    } else if (type == GNUTLS_HANDSHAKE_CERTIFICATE_REQUEST) {
        t->facts.client_certificate_requested = true;
    } else if (type == GNUTLS_HANDSHAKE_CERTIFICATE_PKT) {
        if (!take_certificates(t, (struct span){(const char *)message->data, message->size}))
            return GNUTLS_E_MEMORY_ERROR;
    } else if (type == GNUTLS_HANDSHAKE_SERVER_KEY_EXCHANGE) {
        t->absurd =
            is_absurd_exchange(t, (struct span){(const char *)message->data, message->size});
    }
    return t->absurd ? GNUTLS_E_HANDSHAKE_TOO_LARGE : 0;
}

struct tls *tls_new(struct tls_context *c, enum tls_offer offer, const char *name, bool tickets)
{
    struct tls *t = calloc(1, sizeof *t);
    unsigned flags = GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_KEY_SHARE_TOP;

    bool whole = offer == TLS_OFFER_DEFAULT || offer == TLS_OFFER_OLDER;
    if (!tickets || !whole)
        flags |= GNUTLS_NO_TICKETS;
    if (!whole)
        flags |= GNUTLS_NO_EXTENSIONS;
    if (!t)
        return NULL;
    t->alert = -1;
    if (gnutls_init(&t->session, flags) < 0) {
        free(t);
        return NULL;
    }
    gnutls_session_set_ptr(t->session, t);
    gnutls_transport_set_ptr(t->session, t);
    gnutls_transport_set_pull_function(t->session, on_pull);
    gnutls_transport_set_vec_push_function(t->session, on_push);
    gnutls_handshake_set_hook_function(t->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_POST,
                                       on_handshake);
    gnutls_handshake_set_max_packet_length(t->session, OUTPUT_MAX);
    gnutls_dh_set_prime_bits(t->session, 512); /* weak ones are to be seen */
    if (gnutls_priority_set(t->session, c->priorities[offer]) < 0 ||
        gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, c->credentials) < 0 ||
        (name && gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, name, strlen(name)) < 0)) {
        tls_free(t);
        return NULL;
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    gnutls_deinit(t->session);
    free(t->certificates);
    free(t->kept);
    free(t->out);
    free(t);
}

/* --- resuming --------------------------------------------------------------------------------- */

/* Of TLS 1.3 the library would give something without a ticket too, that nothing can be resumed
 * with. */
bool tls_ticket(const struct tls *t, struct tls_ticket *ticket)
{
    gnutls_datum_t data;
    bool modern = gnutls_protocol_get_version(t->session) == GNUTLS_TLS1_3;
    bool given = gnutls_session_get_flags(t->session) & GNUTLS_SFLAGS_SESSION_TICKET;

    if (!t->facts.completed || (modern && !given) ||
        gnutls_session_get_data2(t->session, &data) < 0)
        return false;
    *ticket = (struct tls_ticket){data.data, data.size};
    if (data.size > TICKET_MAX)
        tls_ticket_free(ticket);
    return ticket->len > 0;
}

void tls_ticket_free(struct tls_ticket *ticket)
{
    if (ticket->data)
        gnutls_memset(ticket->data, 0, ticket->len);
    gnutls_free(ticket->data);
    *ticket = (struct tls_ticket){0};
}

bool tls_resume(struct tls *t, const struct tls_ticket *ticket)
{
    return gnutls_session_set_data(t->session, ticket->data, ticket->len) >= 0;
}

/* --- stepping --------------------------------------------------------------------------------- */

static enum tls_step fail(struct tls *t, int error)
{
    t->error = error;
    t->facts.out_of_memory |= error == GNUTLS_E_MEMORY_ERROR;
    if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
        t->alert = (int)gnutls_alert_get(t->session);
    else if (!t->eof)
        gnutls_alert_send_appropriate(t->session, error);
    return t->step = TLS_FAILED;
}

/* Results that are neither progress nor failure: bounded, a server can send warnings for ever. */
static bool is_passing(struct tls *t, int result)
{
    return gnutls_error_is_fatal(result) == 0 && ++t->warnings <= WARNINGS_MAX;
}

/* After a message of its own business the library says "again" though there is more to read, were it
   the end: go on while it reads. */
static bool is_hungry(const struct tls *t, size_t before)
{
    return (t->input.len > 0 || t->eof) && t->input.len < before;
}

static enum tls_step open_session(struct tls *t, bool renegotiated)
{
    if (t->renegotiating)
        t->facts.renegotiated = tri_of(renegotiated);
    t->renegotiating = false;
    t->facts.completed = true;
    return t->step = TLS_OPEN;
}

/* RFC 5246 section 7.2.2: a warning is the polite way to refuse another handshake. */
static bool is_refusal(const struct tls *t, int result)
{
    return t->renegotiating && result == GNUTLS_E_WARNING_ALERT_RECEIVED &&
           gnutls_alert_get(t->session) == GNUTLS_A_NO_RENEGOTIATION;
}

static enum tls_step handshake(struct tls *t)
{
    for (;;) {
        size_t before = t->input.len;
        struct memory_watch watch = memory_watch();
        int result = gnutls_handshake(t->session);
        t->facts.out_of_memory |= !memory_held(watch);
        if (result == GNUTLS_E_SUCCESS)
            return open_session(t, true);
        if (is_refusal(t, result))
            return open_session(t, false);
        if (result == GNUTLS_E_AGAIN && is_hungry(t, before))
            continue;
        if (result == GNUTLS_E_AGAIN)
            return t->step;
        if (!is_passing(t, result))
            return fail(t, result);
    }
}

enum tls_step tls_start(struct tls *t)
{
    return handshake(t);
}

/* How many of the octets, at the beginning of a record, are whole records. What is no record is not
   waited for, nor what follows it: the library says what is wrong. */
static size_t whole_records(struct tls *t, struct span in)
{
    size_t n = 0;
    while (in.len - n >= RECORD_HEAD && !t->as_it_comes) {
        const unsigned char *head = (const unsigned char *)in.at + n;
        size_t len = (size_t)head[3] << 8 | head[4];
        t->as_it_comes = head[0] < 20 || head[0] > 24 || head[1] != 3 || len > RECORD_MAX;
        if (RECORD_HEAD + len > in.len - n)
            break;
        n += RECORD_HEAD + len;
    }
    return t->as_it_comes ? in.len : n;
}

/* Puts the octets behind what was kept. */
static bool join(struct tls *t, struct span *cipher)
{
    size_t len = t->tail.len;
    memmove(t->kept, t->tail.at, len);
    char *kept = realloc(t->kept, len + cipher->len);
    if (!kept)
        return false;
    if (cipher->len)
        memcpy(kept + len, cipher->at, cipher->len);
    *cipher = (struct span){kept, len + cipher->len};
    t->kept = kept;
    return true;
}

/* The library puts half a record into 33 KiB of its own: it is given whole ones alone. */
static bool take(struct tls *t, struct span cipher)
{
    bool joined = t->tail.len > 0;
    if (joined && !join(t, &cipher))
        return false;
    size_t whole = whole_records(t, cipher);
    t->input = span_until(cipher, whole);
    t->tail = span_from(cipher, whole);
    if (joined)
        return true;
    free(t->kept);
    t->kept = t->tail.len ? malloc(t->tail.len) : NULL;
    if (t->kept)
        memcpy(t->kept, t->tail.at, t->tail.len);
    else if (t->tail.len)
        return false;
    t->tail.at = t->kept;
    return true;
}

enum tls_step tls_feed(struct tls *t, struct span cipher)
{
    if (!take(t, cipher))
        return fail(t, GNUTLS_E_MEMORY_ERROR);
    return t->step == TLS_MORE ? handshake(t) : t->step;
}

enum tls_step tls_eof(struct tls *t)
{
    t->eof = true;
    t->input = t->tail;
    t->tail.len = 0;
    if (t->step == TLS_MORE)
        return handshake(t);
    return t->step;
}

size_t tls_read(struct tls *t, char *out, size_t max)
{
    while (t->step == TLS_OPEN) {
        size_t before = t->input.len;
        struct memory_watch watch = memory_watch();
        ssize_t n = gnutls_record_recv(t->session, out, max);
        t->facts.out_of_memory |= !memory_held(watch);
        if (n > 0)
            return (size_t)n;
        if (n == GNUTLS_E_AGAIN && is_hungry(t, before))
            continue;
        if (n == GNUTLS_E_AGAIN)
            break;
        if (n == 0)
            t->step = TLS_CLOSED;
        else if (n == GNUTLS_E_REHANDSHAKE)
            continue; /* refused by not answering */
        else if (!is_passing(t, (int)n))
            fail(t, (int)n);
    }
    return 0;
}

enum tls_step tls_renegotiate(struct tls *t)
{
    t->renegotiating = true;
    t->step = TLS_MORE;
    return handshake(t);
}

enum tls_step tls_step(const struct tls *t)
{
    return t->step;
}

void tls_write(struct tls *t, struct span plain)
{
    if (t->step != TLS_OPEN || !plain.len)
        return;
    struct memory_watch watch = memory_watch();
    ssize_t n = gnutls_record_send(t->session, plain.at, plain.len);
    t->facts.out_of_memory |= !memory_held(watch);
    if (n < 0)
        fail(t, (int)n);
}

void tls_close(struct tls *t)
{
    if (t->step == TLS_OPEN || t->step == TLS_CLOSED)
        gnutls_bye(t->session, GNUTLS_SHUT_WR);
}

struct span tls_output(const struct tls *t)
{
    return (struct span){t->out, t->out_len};
}

void tls_sent(struct tls *t)
{
    t->out_len = 0;
}

/* --- facts ------------------------------------------------------------------------------------ */

struct tls_session_facts tls_facts(const struct tls *t)
{
    struct tls_session_facts facts = t->facts;
    if (facts.completed) {
        facts.staple =
            gnutls_ocsp_status_request_is_checked(t->session, GNUTLS_OCSP_SR_IS_AVAIL) != 0;
        gnutls_group_t group = gnutls_group_get(t->session);
        facts.group = group == GNUTLS_GROUP_INVALID ? NULL : gnutls_group_get_name(group);
        gnutls_kx_algorithm_t kx = gnutls_kx_get(t->session);
        if (kx == GNUTLS_KX_DHE_RSA || kx == GNUTLS_KX_DHE_DSS || kx == GNUTLS_KX_ANON_DH) {
            int bits = gnutls_dh_get_prime_bits(t->session);
            facts.dh_bits = bits > 0 ? (unsigned)bits : 0;
        }
    }
    return facts;
}

size_t tls_certificates(const struct tls *t, struct span *ders, size_t max)
{
    struct span kept = {t->certificates, t->certificates_len}, der;
    unsigned count = 0;
    if (kept.len) {
        while (count < max && take_certificate(t, &kept, &der))
            ders[count++] = der;
        return count;
    }
    const gnutls_datum_t *list = gnutls_certificate_get_peers(t->session, &count);
    if (!list)
        return 0;
    size_t n = count < max ? count : max;
    for (size_t i = 0; i < n; i++)
        ders[i] = (struct span){(const char *)list[i].data, list[i].size};
    return n;
}

static enum cause cause_of_error(const struct tls *t)
{
    if (t->facts.out_of_memory)
        return CAUSE_LOCAL;
    if (t->warnings > WARNINGS_MAX || (t->warnings && t->error == GNUTLS_E_INTERNAL_ERROR))
        return CAUSE_LIMIT; /* the library has a limit of its own, and this is how it says so */
    switch (t->error) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return CAUSE_ALERT;
    case GNUTLS_E_PREMATURE_TERMINATION:
        return CAUSE_CLOSED;
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
        return CAUSE_VERSION;
    case GNUTLS_E_HANDSHAKE_TOO_LARGE:
    case GNUTLS_E_RECORD_OVERFLOW:
        return CAUSE_LIMIT;
    case GNUTLS_E_RANDOM_FAILED:
        return CAUSE_LOCAL;
    default:
        return t->eof ? CAUSE_CLOSED : CAUSE_PROTOCOL;
    }
}

/* Before TLS 1.3 a server says no to a missing certificate with one of several alerts (RFC 5246
 * section 7.4.6). */
static bool wants_certificate(const struct tls *t)
{
    return t->alert == 116 ||
           (t->facts.client_certificate_requested &&
            (t->alert == 40 || t->alert == 41 || t->alert == 42 || t->alert == 50));
}

struct outcome tls_outcome(const struct tls *t, const char **text)
{
    struct outcome o = {PHASE_TLS, CAUSE_NONE, -1};
    *text = NULL;
    if (t->step != TLS_FAILED)
        return o;
    o.cause = cause_of_error(t);
    *text = t->absurd ? "A key is larger than any real one." : gnutls_strerror(t->error);
    if (o.cause == CAUSE_ALERT) {
        o.detail = t->alert;
        *text = gnutls_alert_get_name((gnutls_alert_description_t)t->alert);
        if (wants_certificate(t))
            o.cause = CAUSE_CERTIFICATE_REQUIRED;
    }
    return o;
}
