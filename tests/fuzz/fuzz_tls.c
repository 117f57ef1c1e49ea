/* SPDX-License-Identifier: MIT */
/*
 * Any octets as a server's side of a TLS session, once whole and once in pieces: both must end at the
 * same step, with the same facts, and have read the same.
 *
 * The first octet is the offer (its lowest two bits), whether there is a ticket (4), and where the
 * octets begin: at once, or (8) inside a session that a sound server has opened, in which the input
 * says what is done: '\0' more keys, '\1' a warning, '\2' goodbye, '\3' octets outside of any record
 * until the next of these, and all else said by the server. The second is the size of the pieces.
 */
#include <stdlib.h>
#include <string.h>

#include "scanner/tls.h"
#include "server.h"

#define PLAIN_MAX ((size_t)1 << 20)
#define TURNS_MAX 10 /* of a handshake */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_context *context;

static void require(bool condition)
{
    if (!condition)
        abort();
}

struct run {
    struct tls *tls;
    struct server *server; /* NULL: the input is what it says */
    size_t piece;
    char *plain;
    size_t plain_len;
    enum tls_step step;
    struct tls_session_facts facts;
    struct outcome outcome;
    size_t certificates;
};

static void read_all(struct run *r)
{
    char buffer[4096];
    for (size_t n; (n = tls_read(r->tls, buffer, sizeof buffer)) > 0;) {
        require(n <= sizeof buffer && r->plain_len + n <= PLAIN_MAX);
        r->plain = realloc(r->plain, r->plain_len + n);
        require(r->plain != NULL);
        memcpy(r->plain + r->plain_len, buffer, n);
        r->plain_len += n;
    }
}

static void send_output(struct run *r)
{
    if (r->server)
        server_take(r->server, tls_output(r->tls));
    tls_sent(r->tls);
}

static bool goes_on(const struct run *r)
{
    return tls_step(r->tls) == TLS_MORE || tls_step(r->tls) == TLS_OPEN;
}

static void feed(struct run *r, struct span in)
{
    while (in.len && goes_on(r)) {
        struct span next = span_until(in, r->piece);
        in = span_from(in, next.len);
        char *exact = malloc(next.len); /* so that a sanitizer sees every octet too many */
        require(exact != NULL);
        memcpy(exact, next.at, next.len);
        tls_feed(r->tls, (struct span){exact, next.len});
        read_all(r);
        free(exact);
        send_output(r);
    }
}

/* What the server has goes to the client, and back, until neither has more to say. */
static void exchange(struct run *r)
{
    for (int turn = 0; turn < TURNS_MAX && server_output(r->server).len; turn++) {
        struct span out = server_output(r->server);
        char *copy = malloc(out.len);
        require(copy != NULL);
        memcpy(copy, out.at, out.len);
        server_sent(r->server);
        feed(r, (struct span){copy, out.len});
        free(copy);
    }
}

static void play(struct run *r, struct span in)
{
    exchange(r);
    while (in.len && goes_on(r)) {
        char what = in.at[0];
        size_t n = what <= 3 && what >= 0 ? 1 : 0;
        while (n < in.len && !(in.at[n] <= 3 && in.at[n] >= 0))
            n++;
        struct span said = span_until(in, n);
        in = span_from(in, n);
        if (what == 3) {
            feed(r, span_from(said, 1));
            continue;
        }
        if (what == 0)
            server_ask_again(r->server);
        else if (what == 1)
            server_warn(r->server);
        else if (what == 2)
            server_say_goodbye(r->server);
        server_say(r->server, what <= 3 && what >= 0 ? span_from(said, 1) : said);
        exchange(r);
    }
}

static void look(struct run *r)
{
    struct span ders[64];
    const char *text;
    r->step = tls_step(r->tls);
    r->facts = tls_facts(r->tls);
    r->outcome = tls_outcome(r->tls, &text);
    r->certificates = tls_certificates(r->tls, ders, 64);
    for (size_t i = 0; i < r->certificates; i++)
        require(ders[i].at != NULL);
    struct tls_ticket ticket = {0};
    if (tls_ticket(r->tls, &ticket))
        tls_ticket_free(&ticket);
}

static void run(struct run *r, unsigned how, struct span in)
{
    r->tls = tls_new(context, (enum tls_offer)((how & 3) % TLS_OFFER_COUNT), "mail.test", how & 4);
    require(r->tls != NULL);
    if (how & 8)
        r->server = server_new();
    tls_start(r->tls);
    send_output(r);
    if (r->server)
        play(r, in);
    else
        feed(r, in);
    if (goes_on(r))
        tls_eof(r->tls);
    read_all(r);
    look(r);
    tls_free(r->tls);
    server_free(r->server);
}

static bool is_same(const struct run *a, const struct run *b)
{
    const struct tls_session_facts *f = &a->facts, *g = &b->facts;
    return a->step == b->step && a->outcome.cause == b->outcome.cause &&
           a->outcome.detail == b->outcome.detail && a->certificates == b->certificates &&
           a->plain_len == b->plain_len && f->hello_seen == g->hello_seen &&
           f->hello.version == g->hello.version && f->hello.suite == g->hello.suite &&
           f->completed == g->completed && f->renegotiated == g->renegotiated &&
           f->client_certificate_requested == g->client_certificate_requested &&
           f->staple == g->staple && f->dh_bits == g->dh_bits &&
           (a->plain_len == 0 || memcmp(a->plain, b->plain, a->plain_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    if (!context)
        context = tls_context_new(stderr);
    require(context != NULL);
    struct span in = {(const char *)data + 2, size - 2};
    struct run whole = {.piece = SIZE_MAX}, pieces = {.piece = data[1] + (size_t)1};
    run(&whole, data[0], in);
    run(&pieces, data[0], in);
    require(is_same(&whole, &pieces));
    free(whole.plain);
    free(pieces.plain);
    return 0;
}
