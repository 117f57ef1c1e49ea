/* SPDX-License-Identifier: MIT */
/*
 * An endpoint behind a network that is played, with a clock of its own: any octets as all that its
 * server says and does, once in pieces as large as they can be and once in small ones. What is recorded must be the
 * same, it must come to an end, and everything must be freed.
 *
 * The first octet is the service, the second says what is asked and how writing goes, the third is the
 * size of the pieces. The rest is a script, with a section for each connection; the last of them is
 * for all further ones. 0xfe and an octet are a direction (see below), all else is said.
 *
 * This file has the functions of libuv that a probe calls.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "output/record.h"
#include "scanner/endpoint.h"
#include "scanner/targets.h"
#include "server.h"

#define STEPS_MAX 200000 /* of the loop, for one endpoint */
#define CONNECTIONS_MAX 500
#define ROUNDS 20
#define SETBACKS_MAX 2 /* after so many a server is not asked again */
#define TIMERS_MAX 64
#define TIME 1795455842000
#define DIRECTION '\xfe'

enum direction {
    TURN = 0,    /* goes on when the client has said something */
    CLOSE = 1,   /* the connection */
    RESET = 2,   /* it */
    NEXT = 3,    /* what follows is for the next connection */
    TLS = 4,     /* a sound TLS server takes over; what is said from here on is said inside */
    REFUSE = 5,  /* the connection; only where a section begins */
    AGAIN = 6,   /* other keys, or another handshake */
    WARN = 7,    /* an alert */
    GOODBYE = 8, /* the end of TLS */
    SILENCE = 9, /* until the next deadline */
    RAW = 10     /* what is said from here on is said outside of TLS again */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* --- the network ------------------------------------------------------------------------------ */

struct octets {
    char *at;
    size_t len;
};

struct closing {
    uv_handle_t *handle;
    uv_close_cb callback;
};

static struct {
    uint64_t now;
    uv_timer_t *timers[TIMERS_MAX]; /* in no order; data of libuv's own: due, callback */
    uv_timer_cb on_timer[TIMERS_MAX];
    uint64_t due[TIMERS_MAX];
    struct closing closing[2 * TIMERS_MAX];
    size_t closing_count;

    uv_connect_t *connect;
    uv_connect_cb on_connect;
    uv_stream_t *stream; /* that is read */
    uv_alloc_cb on_alloc;
    uv_read_cb on_read;
    uv_write_t *write;
    uv_write_cb on_write;

    size_t piece;
    bool grudging;               /* takes half of what is written now, and the rest later */
    struct span script, section; /* all of it; what is left for this connection     */
    unsigned connections;
    bool said, inside;
    struct octets heard, pending; /* from the client, in this turn; for it */
    struct server *server;
} world;

static void put(struct octets *o, struct span from)
{
    if (!from.len)
        return;
    o->at = realloc(o->at, o->len + from.len);
    require(o->at != NULL);
    memcpy(o->at + o->len, from.at, from.len);
    o->len += from.len;
}

static void take_output(void)
{
    put(&world.pending, server_output(world.server));
    server_sent(world.server);
}

/* The sections of a script end with NEXT. */
static struct span section_of(struct span script, unsigned number)
{
    size_t begin = 0;
    for (size_t i = 0; i + 1 < script.len; i++) {
        if (script.at[i] != DIRECTION)
            continue;
        if (script.at[i + 1] == NEXT) {
            if (number-- == 0)
                return span_until(span_from(script, begin), i - begin);
            begin = i + 2;
        }
        i++;
    }
    return span_from(script, begin);
}

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return world.now;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop;
    for (size_t i = 0; i < TIMERS_MAX; i++)
        if (!world.timers[i]) {
            timer->type = UV_TIMER;
            timer->flags = 0;
            world.timers[i] = timer;
            world.due[i] = UINT64_MAX;
            return 0;
        }
    abort();
}

/* The time of day stands still: how long something took is no fact. */
int __wrap_gettimeofday(struct timeval *now, void *zone);
int __wrap_gettimeofday(struct timeval *now, void *zone)
{
    (void)zone;
    *now = (struct timeval){(time_t)(TIME / 1000), 0};
    return 0;
}

static size_t place_of(const uv_timer_t *timer)
{
    for (size_t i = 0; i < TIMERS_MAX; i++)
        if (world.timers[i] == timer)
            return i;
    abort();
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
    size_t i = place_of(timer);
    require(repeat == 0);
    if (timer->flags)
        return UV_EINVAL;
    world.on_timer[i] = callback;
    world.due[i] = world.now + timeout;
    return 0;
}

int uv_is_closing(const uv_handle_t *handle)
{
    return handle->flags != 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb callback)
{
    require(!handle->flags && world.closing_count < 2 * TIMERS_MAX);
    handle->flags = 1;
    world.closing[world.closing_count++] = (struct closing){handle, callback};
    if (handle->type == UV_TIMER)
        world.due[place_of((uv_timer_t *)handle)] = UINT64_MAX;
    else
        world.stream = NULL;
}

int uv_tcp_init_ex(uv_loop_t *loop, uv_tcp_t *tcp, unsigned flags)
{
    (void)loop, (void)flags;
    tcp->type = UV_TCP;
    tcp->flags = 0;
    return 0;
}

int uv_tcp_connect(uv_connect_t *request, uv_tcp_t *tcp, const struct sockaddr *peer,
                   uv_connect_cb callback)
{
    (void)peer;
    request->handle = (uv_stream_t *)tcp;
    world.connect = request;
    world.on_connect = callback;
    world.section = section_of(world.script, world.connections++);
    require(world.connections <= CONNECTIONS_MAX);
    world.said = world.inside = false;
    world.heard.len = world.pending.len = 0;
    server_free(world.server);
    world.server = NULL;
    return 0;
}

int uv_tcp_nodelay(uv_tcp_t *tcp, int enable)
{
    (void)tcp, (void)enable;
    return 0;
}

int uv_tcp_getsockname(const uv_tcp_t *tcp, struct sockaddr *name, int *size)
{
    (void)tcp;
    require(*size >= (int)sizeof(struct sockaddr_in));
    return uv_ip4_addr("192.0.2.3", 40000, (struct sockaddr_in *)(void *)name);
}

int uv_read_start(uv_stream_t *stream, uv_alloc_cb on_alloc, uv_read_cb on_read)
{
    world.stream = stream;
    world.on_alloc = on_alloc;
    world.on_read = on_read;
    return 0;
}

static void hear(struct span bytes)
{
    world.said = true;
    if (!world.inside) {
        put(&world.heard, bytes);
        return;
    }
    server_take(world.server, bytes);
    take_output();
}

int uv_try_write(uv_stream_t *stream, const uv_buf_t buffers[], unsigned count)
{
    (void)stream;
    require(count == 1 && buffers[0].len > 0);
    size_t n = world.grudging ? buffers[0].len / 2 : buffers[0].len;
    if (world.write || n == 0)
        return UV_EAGAIN;
    hear((struct span){buffers[0].base, n});
    return (int)n;
}

int uv_write(uv_write_t *request, uv_stream_t *stream, const uv_buf_t buffers[], unsigned count,
             uv_write_cb callback)
{
    (void)stream;
    require(count == 1);
    hear((struct span){buffers[0].base, buffers[0].len});
    if (world.write) { /* there are several: one of them is done at once */
        callback(request, 0);
        return 0;
    }
    world.write = request;
    world.on_write = callback;
    return 0;
}

/* --- what happens next ------------------------------------------------------------------------ */

static void finish_closing(void)
{
    while (world.closing_count) {
        struct closing c = world.closing[--world.closing_count];
        if (c.handle->type == UV_TIMER)
            world.timers[place_of((uv_timer_t *)c.handle)] = NULL;
        c.callback(c.handle);
    }
}

static void finish_write(int result)
{
    uv_write_t *request = world.write;
    world.write = NULL;
    world.on_write(request, result);
}

static void finish_connect(void)
{
    uv_connect_t *request = world.connect;
    bool refused =
        world.section.len > 1 && world.section.at[0] == DIRECTION && world.section.at[1] == REFUSE;
    world.connect = NULL;
    world.now++;
    world.on_connect(request, refused ? UV_ECONNREFUSED : 0);
}

static void finish_timer(void)
{
    size_t first = TIMERS_MAX;
    for (size_t i = 0; i < TIMERS_MAX; i++)
        if (world.timers[i] && world.due[i] != UINT64_MAX &&
            (first == TIMERS_MAX || world.due[i] < world.due[first]))
            first = i;
    require(first < TIMERS_MAX);
    if (world.due[first] > world.now)
        world.now = world.due[first];
    world.due[first] = UINT64_MAX;
    world.on_timer[first](world.timers[first]);
}

static void deliver(void)
{
    uv_buf_t buffer = {0};
    world.on_alloc((uv_handle_t *)world.stream, 65536, &buffer);
    size_t n = world.pending.len < world.piece ? world.pending.len : world.piece;
    if (n > buffer.len)
        n = buffer.len;
    memcpy(buffer.base, world.pending.at, n);
    memmove(world.pending.at, world.pending.at + n, world.pending.len - n);
    world.pending.len -= n;
    world.on_read(world.stream, (ssize_t)n, &buffer);
}

static void end(int error)
{
    uv_buf_t buffer = {0};
    world.on_alloc((uv_handle_t *)world.stream, 65536, &buffer);
    uv_stream_t *stream = world.stream;
    world.stream = NULL;
    world.on_read(stream, error, &buffer);
}

/* The server's next words, up to a direction. */
static void say(void)
{
    struct span s = world.section;
    size_t n = 0;
    while (n < s.len &&
           (s.at[n] != DIRECTION || n + 1 == s.len || s.at[n + 1] < 0 || s.at[n + 1] > RAW))
        n++;
    if (world.inside && server_is_open(world.server)) {
        server_say(world.server, span_until(s, n));
        take_output();
    } else {
        put(&world.pending, span_until(s, n));
    }
    world.section = span_from(s, n);
}

static void begin_tls(void)
{
    if (!world.server)
        world.server = server_new();
    world.inside = true;
    server_take(world.server, (struct span){world.heard.at, world.heard.len});
    world.heard.len = 0;
    take_output();
}

/* Gives whether the script goes on. */
static void follow(enum direction direction)
{
    if (direction == TURN && !world.said) {
        finish_timer();
        return;
    }
    world.section = span_from(world.section, 2);
    if (direction == TURN) {
        world.said = false;
        world.heard.len = 0;
    } else if (direction == CLOSE || direction == RESET) {
        end(direction == CLOSE ? UV_EOF : UV_ECONNRESET);
    } else if (direction == TLS) {
        begin_tls();
    } else if (direction == SILENCE) {
        finish_timer();
    } else if (direction == RAW) {
        world.inside = false;
    } else if (world.inside) {
        if (direction == AGAIN)
            server_ask_again(world.server);
        else if (direction == WARN)
            server_warn(world.server);
        else if (direction == GOODBYE)
            server_say_goodbye(world.server);
        take_output();
    }
}

static void play(void)
{
    const struct span *s = &world.section;
    if (world.pending.len)
        deliver();
    else if (!s->len)
        end(UV_EOF);
    else if (s->len > 1 && s->at[0] == DIRECTION && s->at[1] >= 0 && s->at[1] <= RAW)
        follow((enum direction)s->at[1]);
    else
        say();
}

static void step(void)
{
    if (world.write)
        finish_write(world.stream ? 0 : UV_ECANCELED);
    else if (world.closing_count)
        finish_closing();
    else if (world.connect)
        finish_connect();
    else if (world.stream)
        play();
    else
        finish_timer();
}

/* --- an endpoint, as the engine asks it ------------------------------------------------------- */

static const struct run run = {.id = "01a2097e-4580-7c3e-9b1f-2f6a51c0d9e4", .started = TIME};

struct asking {
    struct endpoint endpoint;
    struct network network;
    struct observation observation;
    unsigned setbacks;
    bool done;
};

static void on_note(void *context, bool secure, enum note note, struct span text)
{
    endpoint_note(&((struct asking *)context)->endpoint, secure, note, text);
}

static void on_done(void *context, struct probe *probe)
{
    struct asking *r = context;
    struct probe_facts facts = probe_facts(probe);
    r->done = true;
    if (endpoint_put_off(&r->endpoint, &facts) && r->setbacks++ < SETBACKS_MAX)
        endpoint_postpone(&r->endpoint, &facts);
    else
        endpoint_absorb(&r->endpoint, &facts);
}

static void ask(struct asking *r)
{
    struct probe_request request;
    struct probe *probe;
    unsigned steps = 0;

    for (int course = 0; course < COURSE_COUNT; course++)
        while (endpoint_next(&r->endpoint, (enum course)course, &request)) {
            request.note = on_note;
            request.on_done = on_done;
            request.context = r;
            r->done = false;
            require(probe_start(&r->network, &request, &probe));
            while (!r->done || world.write || world.closing_count) {
                require(++steps < STEPS_MAX);
                step();
            }
        }
    endpoint_conclude(&r->endpoint);
}

static const struct service *service_at(unsigned octet)
{
    return &services_table[octet % services_table_count];
}

static struct endpoint_options options_of(unsigned octet)
{
    unsigned facts = octet & 1 ? FACTS_CAPABILITIES | FACTS_VERSIONS : FACTS_ALL;
    return (struct endpoint_options){.facts = facts,
                                     .exhaustive = octet & 2,
                                     .dummy_login = octet & 4,
                                     .transcript = octet & 8,
                                     .deadline_ms = 3600000};
}

static void play_endpoint(const uint8_t *data, size_t size, size_t piece, struct page *page)
{
    static struct tls_context *tls;
    struct endpoint_options options = options_of(data[1]);
    struct address address = {AF_INET, {192, 0, 2, 25}};
    struct target_host target = {.name = "mail.test"};
    struct asking r = {.network = {.deadlines = {5000, 10000, 10000, 10000},
                                   .chains = chains_new(NULL),
                                   .user = "nobody-2f6a",
                                   .password = "2f6a",
                                   .nonce = 4711,
                                   .input = malloc(NETWORK_BUFFER),
                                   .plain = malloc(NETWORK_BUFFER)}};

    if (!tls)
        tls = tls_context_new(stderr);
    r.network.tls = tls;
    require(tls && r.network.chains && r.network.input && r.network.plain);
    world.now = 1000;
    world.piece = piece;
    world.grudging = data[1] & 16;
    world.connections = 0;
    world.script = (struct span){(const char *)data + 3, size - 3};
    observation_init(&r.observation, service_at(data[0]));
    endpoint_init(&r.endpoint, &r.observation, &options, &r.network, &address,
                  data[1] & 32 ? NULL : target.name);
    ask(&r);
    r.observation.trailing = 0; /* only with the reply is it certain, see probe.c */
    struct host_view view = {.target = &target,
                             .address = address,
                             .endpoints = &r.observation,
                             .count = 1,
                             .answered = true};
    require(record_endpoint(page, &run, &view, &r.observation, NULL));
    observation_free(&r.observation);
    chains_free(r.network.chains);
    free(r.network.input);
    free(r.network.plain);
    server_free(world.server);
    world.server = NULL;
}

static bool is_same(const struct page *a, const struct page *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* The octets of a TLS server are never the same twice: where they are taken for text, so is the
   record, most of the time. */
static bool is_chance(const uint8_t *data, size_t size, const struct page *whole)
{
    bool same = true;
    for (int i = 0; i < ROUNDS && same; i++) {
        struct page again = {0};
        play_endpoint(data, size, SIZE_MAX, &again);
        same = is_same(whole, &again);
        page_free(&again);
    }
    return !same;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct page whole = {0}, pieces = {0};
    if (size < 3)
        return 0;
    play_endpoint(data, size, SIZE_MAX, &whole);
    play_endpoint(data, size, data[2] % 32 + (size_t)1, &pieces);
    if (!is_same(&whole, &pieces) && !is_chance(data, size, &whole)) {
        fprintf(stderr, "whole:  %.*sin pieces: %.*s", (int)whole.len, whole.bytes, (int)pieces.len,
                pieces.bytes);
        abort();
    }
    page_free(&whole);
    page_free(&pieces);
    return 0;
}
