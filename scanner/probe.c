/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/probe.h"

#include <gnutls/crypto.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "scanner/memory.h"

#define PLAINTEXT_MAX                                                                              \
    ((size_t)8 * 1024)       /* octets of text passed over where TLS should begin       */
#define PLAINTEXT_WAIT 5000U /* ms to wait for TLS behind such text                     */
#define GOODBYE_WAIT 3000U   /* ms to wait for the answer to QUIT                       */
#define QUIET_WAIT 5000U     /* ms to wait for more where a reply may be over           */
#define BREAK_WAIT 1000U     /* ms for the peer to hang up when TLS was broken off      */
#define HOLD_MAX 5000U       /* ms that a connection is kept waiting for its turn       */
#define FIRST_TEXT_MAX ((size_t)512)
#define CERTIFICATES_MAX ((size_t)64 * 1024)

enum layer {
    LAYER_CLEAR,   /* the dialogue, in clear                              */
    LAYER_AWAITED, /* a hello is out, and no octet of TLS has come yet    */
    LAYER_TLS,     /* a TLS session, and the dialogue inside it           */
    LAYER_RESPONSE /* the answer to a hand-made hello                     */
};

struct probe {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    struct network *network;
    struct probe_request request;
    uint64_t started; /* in the loop's time */
    unsigned open_handles;
    unsigned stalls; /* that there had been when it began */
    bool done;
    bool cut;       /* something could not be sent any more */
    bool last_look; /* the deadline has passed; what lies in the socket is read first */
    bool held;      /* TLS may begin, but the server is listened to first */
    bool hesitates; /* what has come may be all of a reply: soon that is so */

    enum layer layer;
    struct dialogue dialogue;
    struct tls *tls;
    struct response *response;
    uint8_t *certificates;
    char *carry; /* the incomplete last line */
    size_t carry_len;
    char *first_text;
    size_t first_text_len, text_octets;
    bool in_text_line;
    struct probe_facts facts;
    char name[DIALOGUE_NAME_MAX + 1];
};

/* --- ending ----------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct probe *p = handle->data;
    if (--p->open_handles > 0)
        return;
    tls_free(p->tls);
    free(p->response);
    free(p->certificates);
    free(p->carry);
    free(p->first_text);
    free(p);
}

static void close_handles(struct probe *p)
{
    p->done = true;
    if (!uv_is_closing((uv_handle_t *)&p->tcp))
        uv_close((uv_handle_t *)&p->tcp, on_closed);
    if (!uv_is_closing((uv_handle_t *)&p->timer))
        uv_close((uv_handle_t *)&p->timer, on_closed);
}

/* Did our own silence bring this about, or may it have? */
static bool is_doubtful(struct probe *p, enum phase phase, enum cause cause)
{
    switch (cause) {
    case CAUSE_CLOSED:
        return phase != PHASE_CONNECT && stall_count(p->network->stall) != p->stalls;
    case CAUSE_TIMEOUT:
    case CAUSE_DEADLINE:
    case CAUSE_RESET:
    case CAUSE_UNREACHABLE:
    case CAUSE_RATE_LIMITED:
    case CAUSE_PLAINTEXT:
    case CAUSE_ALERT:
        return stall_count(p->network->stall) != p->stalls;
    default:
        return false;
    }
}

/* The one exit. The peer sees the end of this dialogue before another begins: on_done may see to
   that. */
static void finish(struct probe *p, enum phase phase, enum cause cause, int detail)
{
    if (p->done)
        return;
    p->facts.stalled = is_doubtful(p, phase, cause);
    if (p->facts.stalled)
        p->facts.outcome = (struct outcome){phase, CAUSE_LOCAL, 0};
    else
        p->facts.outcome = (struct outcome){phase, cause, detail};
    close_handles(p);
    p->request.on_done(p->request.context, p);
}

void probe_cancel(struct probe *p)
{
    close_handles(p);
}

struct probe_facts probe_facts(const struct probe *p)
{
    struct probe_facts facts = p->facts;
    facts.first_text = (struct span){p->first_text, p->first_text_len};
    facts.dialogue = &p->dialogue;
    facts.tls = p->tls;
    facts.response = p->response;
    facts.out_of_memory |= p->tls && tls_facts(p->tls).out_of_memory;
    return facts;
}

/* Notes that there was no memory for something. */
static bool had_memory(struct probe *p, bool had)
{
    p->facts.out_of_memory |= !had;
    return had;
}

static enum phase phase_now(const struct probe *p)
{
    if (p->layer == LAYER_AWAITED || p->layer == LAYER_RESPONSE)
        return PHASE_TLS;
    if (p->layer == LAYER_TLS && p->tls && !tls_facts(p->tls).completed)
        return PHASE_TLS;
    if (p->dialogue.step == STEP_GOODBYE || p->dialogue.step == STEP_DONE)
        return PHASE_GOODBYE;
    if (p->dialogue.step == STEP_GREETING)
        return PHASE_GREETING;
    if (p->layer == LAYER_TLS)
        return PHASE_INSIDE;
    switch (p->dialogue.step) {
    case STEP_CAPABILITIES:
    case STEP_HELO:
        return PHASE_CAPABILITIES;
    case STEP_RESET:
    case STEP_LOGIN:
    case STEP_CANCEL:
    case STEP_OTHER:
    case STEP_PASSWORD:
    case STEP_ANONYMOUS:
        return PHASE_LOGIN;
    default:
        return PHASE_STARTTLS;
    }
}

static void close_reply(struct probe *p);

/* Silence, or the end of the connection. */
static void finish_early(struct probe *p, enum cause cause)
{
    if (cause == CAUSE_CLOSED || cause == CAUSE_RESET)
        close_reply(p);
    if (p->done)
        return;
    enum phase phase = phase_now(p);
    enum cause end = cause;
    struct span unfinished = {p->carry, p->carry_len};

    if (cause == CAUSE_CLOSED)
        dialogue_closed(&p->dialogue);
    if (phase == PHASE_GOODBYE) /* all was said; the answer to QUIT is a courtesy */
        cause = CAUSE_NONE;
    else if (p->layer == LAYER_AWAITED && p->text_octets)
        cause = CAUSE_PLAINTEXT;
    else if (p->dialogue.step == STEP_GREETING && phase != PHASE_TLS &&
             (unfinished.len ? !dialogue_greets(p->request.protocol, unfinished)
                             : p->dialogue.odd_lines > 0))
        cause = CAUSE_MISMATCH;
    if (cause == CAUSE_MISMATCH && unfinished.len && p->request.note)
        p->request.note(p->request.context, p->dialogue.secure, NOTE_BANNER, unfinished);
    finish(p, phase, cause, cause == CAUSE_PLAINTEXT ? (int)end : 0);
}

static void obey(struct probe *p, enum want want, struct span rest);
static bool end_reply(struct probe *p);
static void make_offer(struct probe *p);

/* --- time ------------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
    struct probe *p = timer->data;
    if (p->done)
        return;
    /* The loop runs its timers before it looks at the sockets: under load the answer may be there
     * already. */
    if (!p->last_look) {
        p->last_look = true;
        uv_timer_start(timer, on_timer, 1, 0);
        return;
    }
    bool whole = uv_now(p->network->loop) >= p->request.deadline;
    if (p->layer == LAYER_AWAITED && p->request.offer == OFFER_ALERT && !whole) {
        p->layer = LAYER_CLEAR;
        obey(p, dialogue_fall_back(&p->dialogue), (struct span){"", 0});
        return;
    }
    if (p->held && !whole) {
        make_offer(p);
        return;
    }
    if (p->hesitates && !whole && end_reply(p))
        return;
    if (!p->facts.begun)
        finish(p, PHASE_CONNECT, whole ? CAUSE_DEADLINE : CAUSE_TIMEOUT, 0);
    else
        finish_early(p, whole ? CAUSE_DEADLINE : CAUSE_TIMEOUT);
}

static void set_deadline(struct probe *p, unsigned ms)
{
    uint64_t now = uv_now(p->network->loop);
    uint64_t left = p->request.deadline > now ? p->request.deadline - now : 0;
    p->last_look = false;
    uv_timer_start(&p->timer, on_timer, ms < left ? ms : left, 0);
}

static void set_reply_deadline(struct probe *p)
{
    const struct deadlines *d = &p->network->deadlines;
    unsigned ms = d->reply;
    if (p->dialogue.step == STEP_GREETING)
        ms = d->greeting;
    else if (p->dialogue.step == STEP_GOODBYE && ms > GOODBYE_WAIT)
        ms = GOODBYE_WAIT;
    set_deadline(p, ms);
}

/* --- sending ---------------------------------------------------------------------------------- */

struct late_write {
    uv_write_t request;
    struct probe *probe;
    char bytes[];
};

static void on_written(uv_write_t *request, int result)
{
    struct late_write *w = (struct late_write *)request->data;
    struct probe *p = w->probe;
    free(w);
    if (result < 0 && !p->done)
        p->cut = true;
}

/* What is sent is small, and goes out at once unless the peer does not read. If it cannot be sent,
   the peer has cut the connection; what it said before that is still there to be read, and the end
   of it will come from there. */
static void send_bytes(struct probe *p, struct span bytes)
{
    union {
        const char *in;
        char *out;
    } at = {bytes.at}; /* libuv only reads it, but does not say so */
    if (p->done || !bytes.len)
        return;
    uv_buf_t buffer = uv_buf_init(at.out, (unsigned)bytes.len);
    int n = uv_try_write((uv_stream_t *)&p->tcp, &buffer, 1);
    if (n == (int)bytes.len)
        return;
    if (n < 0 && n != UV_EAGAIN) {
        p->cut = true;
        return;
    }
    bytes = span_from(bytes, n > 0 ? (size_t)n : 0);
    struct late_write *w = malloc(sizeof *w + bytes.len);
    if (!had_memory(p, w != NULL)) {
        finish_early(p, CAUSE_LOCAL);
        return;
    }
    memcpy(w->bytes, bytes.at, bytes.len);
    w->probe = p;
    w->request.data = w;
    buffer = uv_buf_init(w->bytes, (unsigned)bytes.len);
    if (uv_write(&w->request, (uv_stream_t *)&p->tcp, &buffer, 1, on_written) < 0) {
        free(w);
        p->cut = true;
    }
}

static void flush_tls(struct probe *p)
{
    send_bytes(p, tls_output(p->tls));
    if (p->tls)
        tls_sent(p->tls);
}

/* --- the dialogue ----------------------------------------------------------------------------- */

static void begin_tls(struct probe *p, struct span rest);

static void finish_dialogue(struct probe *p)
{
    static const enum cause causes[] = {
        [ENDING_NONE] = CAUSE_NONE,         [ENDING_REFUSED] = CAUSE_REFUSED,
        [ENDING_LEFT] = CAUSE_RATE_LIMITED, [ENDING_ALIEN] = CAUSE_MISMATCH,
        [ENDING_GARBLED] = CAUSE_ODD_REPLY, [ENDING_LIMIT] = CAUSE_LIMIT,
    };
    enum ending ending = p->dialogue.ending;
    enum phase phase = ending == ENDING_REFUSED || ending == ENDING_ALIEN ? PHASE_GREETING
                       : p->dialogue.greeting == GREETING_NONE            ? PHASE_GREETING
                       : p->dialogue.secure                               ? PHASE_INSIDE
                                                                          : PHASE_CAPABILITIES;
    finish(p, phase, causes[ending], p->dialogue.refusal);
}

/* Does what the dialogue wants; rest is what came behind the last line it took. */
static void obey(struct probe *p, enum want want, struct span rest)
{
    struct span output = dialogue_output(&p->dialogue);

    if (p->layer == LAYER_TLS) {
        tls_write(p->tls, output);
        if (want == WANT_CLOSE)
            tls_close(p->tls);
        flush_tls(p);
    } else {
        send_bytes(p, output);
    }
    if (p->done)
        return;
    switch (want) {
    case WANT_MORE:
        set_reply_deadline(p);
        break;
    case WANT_TLS:
        begin_tls(p, rest);
        break;
    case WANT_CLOSE:
        finish(p, PHASE_GOODBYE, CAUSE_NONE, 0);
        break;
    case WANT_ABORT:
        finish_dialogue(p);
        break;
    }
}

/* The beginning of a line, for when the rest has come. */
static bool keep(struct probe *p, struct span beginning)
{
    char *carry = realloc(p->carry, beginning.len);
    if (!had_memory(p, carry != NULL))
        return false;
    memcpy(carry, beginning.at, beginning.len);
    p->carry = carry;
    p->carry_len = beginning.len;
    return true;
}

/* Does what the dialogue wants, now and for what is left of the bytes. Where a reply may be over,
   more is waited for only a moment. */
static void carry_on(struct probe *p, enum want want, struct span in)
{
    for (;;) {
        if (want == WANT_MORE && !dialogue_output(&p->dialogue).len)
            break;
        p->hesitates = false;
        obey(p, want, in);
        if (p->done || want != WANT_MORE)
            return;
        want = dialogue_feed(&p->dialogue, &in);
    }
    if (in.len && !keep(p, in)) {
        finish_early(p, CAUSE_LOCAL);
        return;
    }
    bool hesitates = dialogue_hesitates(&p->dialogue, in);
    if (hesitates && p->network->deadlines.reply > QUIET_WAIT)
        set_deadline(p, QUIET_WAIT);
    else if (p->hesitates && !hesitates)
        set_reply_deadline(p);
    p->hesitates = hesitates;
}

/* Lets the dialogue hear. In front of the bytes there is room for the beginning of their first
 * line. */
static void hear(struct probe *p, char *bytes, size_t len)
{
    char *start = bytes - p->carry_len;
    if (p->carry_len)
        memcpy(start, p->carry, p->carry_len);
    struct span in = {start, len + p->carry_len};
    p->carry_len = 0;
    carry_on(p, dialogue_feed(&p->dialogue, &in), in);
}

/* Nothing has come for a while: that ends a reply which does not end as it should. False: it does
   not. */
static bool end_reply(struct probe *p)
{
    char *start = p->network->input + NETWORK_CARRY - p->carry_len;
    struct span in = {start, p->carry_len};

    p->hesitates = false;
    if (p->carry_len)
        memcpy(start, p->carry, p->carry_len);
    p->carry_len = 0;
    enum want want = dialogue_silence(&p->dialogue, &in);
    bool ended = want != WANT_MORE || dialogue_output(&p->dialogue).len;
    if (!ended)
        set_reply_deadline(p);
    carry_on(p, want, in);
    return true;
}

/* The server has gone; what it said last may have been the end of a reply. */
static void close_reply(struct probe *p)
{
    struct span rest = {p->carry, p->carry_len};
    bool open = p->layer == LAYER_CLEAR || (p->layer == LAYER_TLS && tls_facts(p->tls).completed);
    if (p->facts.begun && open && dialogue_hesitates(&p->dialogue, rest))
        end_reply(p);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void begin_handshake(struct probe *p)
{
    const struct probe_request *r = &p->request;
    struct memory_watch watch = memory_watch();
    p->tls = tls_new(p->network->tls, r->handshake, r->server_name, r->ticket || r->resume);
    if (!had_memory(p, p->tls != NULL)) {
        finish(p, PHASE_TLS, CAUSE_LOCAL, 0);
        return;
    }
    p->facts.resuming = r->resume && tls_resume(p->tls, r->resume);
    had_memory(p, memory_held(watch));
    tls_start(p->tls);
    flush_tls(p);
}

/* Most answers have no certificate that is wanted, and few a large one. */
static uint8_t *room_for_certificates(void *context, size_t len)
{
    struct probe *p = context;
    if (len > CERTIFICATES_MAX)
        return NULL;
    had_memory(p, (p->certificates = malloc(len)) != NULL);
    return p->certificates;
}

static void begin_hello(struct probe *p)
{
    uint8_t random[HELLO_RANDOM], hello[HELLO_MAX];

    p->response = malloc(sizeof *p->response);
    if (!had_memory(p, p->response != NULL) ||
        gnutls_rnd(GNUTLS_RND_NONCE, random, sizeof random) < 0) {
        finish(p, PHASE_TLS, CAUSE_LOCAL, 0);
        return;
    }
    p->request.hello.random = random;
    p->request.hello.name = p->request.server_name;
    size_t len = hello_build(&p->request.hello, hello);
    p->request.hello.random = NULL;
    response_init(p->response, &p->request.hello,
                  p->request.certificates ? room_for_certificates : NULL, p);
    send_bytes(p, (struct span){(const char *)hello, len});
}

/* RFC 8446 section 6: a fatal alert (handshake_failure) instead of a hello. */
static void break_off(struct probe *p)
{
    static const char alert[] = {21, 3, 1, 0, 2, 2, 40};
    send_bytes(p, (struct span){alert, sizeof alert});
    set_deadline(p, BREAK_WAIT);
}

static void on_cipher(struct probe *p, char *bytes, size_t len);

static void make_offer(struct probe *p)
{
    p->held = false;
    p->facts.tls_begun = true;
    set_deadline(p, p->network->deadlines.tls);
    if (p->request.offer == OFFER_HANDSHAKE)
        begin_handshake(p);
    else if (p->request.offer == OFFER_HELLO)
        begin_hello(p);
    else
        break_off(p);
}

/* TLS may begin; rest is what came too early for it. */
static void begin_tls(struct probe *p, struct span rest)
{
    p->layer = LAYER_AWAITED;
    p->held = p->request.hold > 0;
    if (p->held)
        set_deadline(p, p->request.hold);
    else
        make_offer(p);
    if (!p->done && rest.len) {
        memmove(p->network->input + NETWORK_CARRY, rest.at, rest.len);
        on_cipher(p, p->network->input + NETWORK_CARRY, rest.len);
    }
}

/* The session is open for the first time, or for the second: then the question is answered. */
static void renegotiate(struct probe *p)
{
    if (tls_facts(p->tls).renegotiated == TRI_UNKNOWN) {
        set_reply_deadline(p);
        tls_renegotiate(p->tls);
        flush_tls(p);
        return;
    }
    tls_close(p->tls);
    flush_tls(p);
    finish(p, PHASE_GOODBYE, CAUSE_NONE, 0);
}

/* The handshake is done: on with the dialogue. */
static void on_open(struct probe *p)
{
    p->carry_len = 0;
    bool answered = tls_facts(p->tls).renegotiated != TRI_UNKNOWN;
    if (p->request.renegotiate && (answered || !p->request.tls_first)) {
        renegotiate(p);
        return;
    }
    if (p->request.tls_first)
        set_reply_deadline(p); /* the greeting comes inside */
    else
        obey(p, dialogue_secured(&p->dialogue), (struct span){"", 0});
}

static void finish_tls(struct probe *p)
{
    const char *text;
    struct outcome o = tls_outcome(p->tls, &text);
    finish(p, p->facts.usable ? phase_now(p) : PHASE_TLS, o.cause, o.detail);
}

static void on_tls_bytes(struct probe *p, char *bytes, size_t len)
{
    char *plain = p->network->plain + NETWORK_CARRY;
    bool was_open = tls_step(p->tls) == TLS_OPEN;
    uint64_t begun = uv_hrtime();
    enum tls_step step = tls_feed(p->tls, (struct span){bytes, len});
    p->facts.slow |= stall_made(begun);
    size_t n;

    if (step == TLS_OPEN && !was_open)
        on_open(p); /* what it says goes out with the end of the handshake */
    if (!p->done)
        flush_tls(p);
    while (!p->done && (n = tls_read(p->tls, plain, NETWORK_BUFFER - NETWORK_CARRY)) > 0) {
        p->facts.usable = true;
        if (p->request.renegotiate)
            renegotiate(p); /* the greeting is out of the way */
        else
            hear(p, plain, n);
    }
    if (p->done)
        return;
    if (tls_step(p->tls) == TLS_FAILED) {
        flush_tls(p);
        finish_tls(p);
    } else if (tls_step(p->tls) == TLS_CLOSED) {
        finish_early(p, CAUSE_CLOSED);
    }
}

static void on_response_bytes(struct probe *p, char *bytes, size_t len)
{
    switch (response_feed(p->response, (struct span){bytes, len})) {
    case RESPONSE_MORE:
        break;
    case RESPONSE_DONE:
        finish(p, PHASE_TLS, CAUSE_NONE, 0);
        break;
    case RESPONSE_ALERT:
        finish(p, PHASE_TLS, CAUSE_ALERT, p->response->alert);
        break;
    case RESPONSE_PLAINTEXT:
        finish(p, PHASE_TLS, CAUSE_PLAINTEXT, 0);
        break;
    case RESPONSE_MALFORMED:
        finish(p, PHASE_TLS, CAUSE_PROTOCOL, 0);
        break;
    case RESPONSE_LIMIT:
        finish(p, PHASE_TLS, CAUSE_LIMIT, 0);
        break;
    }
}

static bool is_text(char c)
{
    return c == '\r' || c == '\n' || c == '\t' || (c >= ' ' && c < 127);
}

/* Its beginning, in however many pieces it comes. */
static void keep_text(struct probe *p, const char *bytes, size_t len)
{
    size_t room = FIRST_TEXT_MAX - p->first_text_len;
    if (!p->first_text && !had_memory(p, (p->first_text = malloc(FIRST_TEXT_MAX)) != NULL))
        return;
    len = len < room ? len : room;
    memcpy(p->first_text + p->first_text_len, bytes, len);
    p->first_text_len += len;
}

/* Text where TLS should begin. Behind an upgrade it is passed over, and never taken for TLS: whether
   it came with the reply or a moment later must make no difference. Gives how much of the bytes it
   is. */
static size_t pass_over_text(struct probe *p, const char *bytes, size_t len)
{
    size_t n = 0;
    while (n < len && (p->in_text_line || is_text(bytes[n])))
        p->in_text_line = bytes[n++] != '\n';
    if (n)
        keep_text(p, bytes, n);
    p->text_octets += n;
    return n;
}

/* Text that is followed by TLS is data that trails the reply. If no TLS comes, it is what the server
   has to say about our ClientHello, however soon it came. */
static void on_cipher(struct probe *p, char *bytes, size_t len)
{
    if (p->request.offer == OFFER_ALERT)
        return; /* its alert, or its words about ours */
    if (p->held) {
        p->request.resume = NULL;
        make_offer(p);
        if (p->done)
            return;
    }
    if (p->layer == LAYER_AWAITED) {
        size_t n = pass_over_text(p, bytes, len);
        bool whole = !p->in_text_line || p->first_text_len == FIRST_TEXT_MAX;
        if (n && ((p->request.tls_first && whole) || p->text_octets > PLAINTEXT_MAX)) {
            finish(p, PHASE_TLS, CAUSE_PLAINTEXT, 0);
            return;
        }
        if (n && p->network->deadlines.tls > PLAINTEXT_WAIT)
            set_deadline(p, PLAINTEXT_WAIT);
        bytes += n;
        len -= n;
        if (!len)
            return;
        p->layer = p->tls ? LAYER_TLS : LAYER_RESPONSE;
        p->facts.trailing = p->request.tls_first ? 0 : p->text_octets;
    }
    if (p->layer == LAYER_TLS)
        on_tls_bytes(p, bytes, len);
    else
        on_response_bytes(p, bytes, len);
}

/* --- the connection --------------------------------------------------------------------------- */

static enum cause cause_of_uv(struct probe *p, int error)
{
    had_memory(p, error != UV_ENOMEM);
    switch (error) {
    case UV_ECONNREFUSED:
    case UV_EOF:
        return CAUSE_CLOSED;
    case UV_ETIMEDOUT:
        return CAUSE_TIMEOUT;
    case UV_EADDRNOTAVAIL: /* no port of ours is left */
    case UV_EADDRINUSE:
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOBUFS:
    case UV_ENOMEM:
        return CAUSE_LOCAL;
    case UV_ECONNRESET:
    case UV_EPIPE:
    case UV_ECONNABORTED:
        return CAUSE_RESET;
    default:
        return CAUSE_UNREACHABLE;
    }
}

/* The peer is gone; a TLS session or a response may make more of that. */
static void on_end(struct probe *p, enum cause cause)
{
    if (p->cut && cause == CAUSE_CLOSED)
        cause = CAUSE_RESET; /* the error was told when we wrote */
    if (p->layer == LAYER_TLS) {
        enum tls_step step = tls_eof(p->tls);
        bool during_handshake = !tls_facts(p->tls).completed;
        if (step == TLS_FAILED && during_handshake && cause == CAUSE_CLOSED) {
            finish_tls(p);
            return;
        }
    }
    /* A warning before the end is the refusal, unless it only remarked on the name (112). */
    if (p->layer == LAYER_RESPONSE && !p->response->greeted && p->response->warning > 0 &&
        p->response->warning != 112) {
        finish(p, PHASE_TLS, CAUSE_ALERT, p->response->warning);
        return;
    }
    finish_early(p, cause);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    struct probe *p = handle->data;
    (void)suggested;
    *buffer = uv_buf_init(p->network->input + NETWORK_CARRY, NETWORK_BUFFER - NETWORK_CARRY);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct probe *p = stream->data;
    if (p->done || n == 0)
        return;
    if (n < 0) {
        on_end(p, cause_of_uv(p, (int)n));
        return;
    }
    p->facts.received += (uint64_t)n;
    if (p->layer == LAYER_CLEAR)
        hear(p, buffer->base, (size_t)n);
    else
        on_cipher(p, buffer->base, (size_t)n);
}

/* RFC 5321 section 4.1.4: who has no name says its address. */
static void name_ourselves(struct probe *p)
{
    struct sockaddr_storage own;
    struct address *source = &p->facts.source;
    int size = sizeof own;
    char text[ADDRESS_TEXT_MAX];
    bool known = uv_tcp_getsockname(&p->tcp, (struct sockaddr *)&own, &size) == 0 &&
                 address_from_sockaddr((const struct sockaddr *)&own, source);

    if (p->network->name) {
        snprintf(p->name, sizeof p->name, "%s", p->network->name);
    } else if (known) {
        snprintf(p->name, sizeof p->name, source->family == AF_INET6 ? "[IPv6:%s]" : "[%s]",
                 address_format(source, text));
    } else {
        snprintf(p->name, sizeof p->name, "[127.0.0.1]");
    }
}

void probe_begin(struct probe *p)
{
    int result = uv_read_start((uv_stream_t *)&p->tcp, on_alloc, on_read);

    p->facts.begun = true;
    dialogue_init(&p->dialogue, p->request.protocol, p->request.agenda, p->request.tls_first,
                  p->request.note, p->request.context);
    if (result < 0)
        finish(p, PHASE_CONNECT, cause_of_uv(p, result), 0);
    else if (p->request.tls_first)
        begin_tls(p, (struct span){"", 0});
    else
        set_reply_deadline(p);
}

static void on_connected(uv_connect_t *connect, int result)
{
    struct probe *p = connect->data;
    if (p->done || result == UV_ECANCELED)
        return;
    if ((result == 0 || result == UV_ECONNREFUSED) && stall_count(p->network->stall) == p->stalls)
        round_trip_add(&p->network->round_trip, uv_now(p->network->loop) - p->started);
    if (result < 0) {
        finish(p, PHASE_CONNECT, cause_of_uv(p, result), 0);
        return;
    }
    p->facts.connected = true;
    uv_tcp_nodelay(&p->tcp, 1);
    name_ourselves(p);
    p->request.agenda.name = p->name;
    if (p->request.on_connected && !p->request.on_connected(p->request.context)) {
        p->facts.held = true;
        set_deadline(p, HOLD_MAX);
        return;
    }
    probe_begin(p);
}

/* An address to connect from takes no port before it is known where to: ports are then only used up
 * a peer. */
static int bind_source(struct probe *p)
{
    const struct address *source = p->network->source;
    struct sockaddr_storage own;
    uv_os_fd_t fd;
    int one = 1;

    if (!source || source->family != p->request.address.family)
        return 0;
    address_to_sockaddr(source, 0, &own);
    if (uv_fileno((uv_handle_t *)&p->tcp, &fd) == 0)
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return uv_tcp_bind(&p->tcp, (const struct sockaddr *)&own, 0);
}

static void on_failed_at_once(uv_timer_t *timer)
{
    struct probe *p = timer->data;
    struct outcome o = p->facts.outcome;
    finish(p, o.phase, o.cause, o.detail);
}

bool probe_start(struct network *network, const struct probe_request *request, struct probe **out)
{
    struct sockaddr_storage peer;
    struct probe *p = calloc(1, sizeof *p);

    if (!p)
        return false;
    p->network = network;
    p->request = *request;
    p->started = uv_now(network->loop);
    p->stalls = stall_count(network->stall);
    p->tcp.data = p->timer.data = p->connect.data = p;
    if (uv_tcp_init_ex(network->loop, &p->tcp, (unsigned)request->address.family) < 0) {
        free(p); /* no descriptor: no handle was made */
        return false;
    }
    uv_timer_init(network->loop, &p->timer);
    p->open_handles = 2;
    address_to_sockaddr(&request->address, request->port, &peer);
    int result = bind_source(p);
    if (result == 0)
        result = uv_tcp_connect(&p->connect, &p->tcp, (const struct sockaddr *)&peer, on_connected);
    if (result < 0)
        p->facts.outcome = (struct outcome){PHASE_CONNECT, cause_of_uv(p, result), 0};
    if (result < 0) /* told from the loop */
        uv_timer_start(&p->timer, on_failed_at_once, 0, 0);
    else
        set_deadline(p, round_trip_timeout(&network->round_trip, network->deadlines.connect));
    *out = p;
    return true;
}
