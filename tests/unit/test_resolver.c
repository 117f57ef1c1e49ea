/* SPDX-License-Identifier: MIT */
/*
 * The resolver against a DNS server on the same loop, which says what its zone tells it to.
 *
 * An answer in the zone is a list of words: an address; @name, an alias that the rest belongs to;
 *   !nx !fail !refused  the error         !silent  no answer at all
 *   !tc     truncated, over UDP           !many    300 addresses
 *   !spoof  a forged answer goes first    !alien   what follows belongs to another name
 *   !short !answers !loop !length !bare   what no server should send
 * NULL is a name without addresses of that family.
 */
#define _GNU_SOURCE
#include "scanner/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVER_IP "127.66.0.1"
#define MANY 300 /* more than are kept */
#define MESSAGE_OCTETS 16384
#define QUERIES 64
#define WATCHDOG_S 240

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28 };

static const struct zone_row {
    const char *name, *a, *aaaa;
} zone[] = {
    {"both.test", "192.0.2.9 192.0.2.1 192.0.2.9", "2001:db8::2 2001:db8::1 2001:db8::2"},
    {"v4.test", "192.0.2.1", NULL},
    {"v6.test", NULL, "2001:db8::1"},
    {"mapped.test", "192.0.2.1", "::ffff:192.0.2.1 2001:db8::1"},
    {"alias.test", "@second.test @third.test 192.0.2.3", "@second.test @third.test 2001:db8::3"},
    {"nowhere.test", "@second.test", "@second.test"},
    {"none.test", NULL, NULL},
    {"nx.test", "!nx", "!nx"},
    {"fail.test", "!fail", "!fail"},
    {"refused.test", "!refused", "!refused"},
    {"silent.test", "!silent", "!silent"},
    {"lost.test", "192.0.2.1", "!silent"},
    {"half.test", "!fail", "2001:db8::1"},
    {"many.test", "!tc !many", "!tc !many"},
    {"spoof.test", "!spoof 192.0.2.1", "!spoof 2001:db8::1"},
    {"alien.test", "!alien 192.0.2.66", "!alien 2001:db8::66"},
    {"short.test", "!short", "!short"},
    {"answers.test", "192.0.2.66 !answers", "2001:db8::66 !answers"},
    {"loop.test", "192.0.2.66 !loop", "2001:db8::66 !loop"},
    {"length.test", "192.0.2.66 !length", "2001:db8::66 !length"},
    {"bare.test", "!bare", "!bare"},
    {"gone.test", "!nx", "!nx"},
    {"gone", "!nx", "!nx"},
    {"single", "192.0.2.1", NULL},
    {"empty.test", NULL, NULL},
    {"gone.test.corp.test", "192.0.2.66", "2001:db8::66"}, /* never to be asked for */
    {"gone.corp.test", "192.0.2.66", "2001:db8::66"},
    {"empty.test.corp.test", "192.0.2.66", "2001:db8::66"},
    {"single.corp.test", "192.0.2.66", "2001:db8::66"},
};

/* --- messages (RFC 1035 section 4) ----------------------------------------------------------- */

struct message {
    size_t len;
    unsigned char at[MESSAGE_OCTETS];
};

struct question {
    char name[256];
    unsigned type;
    size_t end; /* of the question in the query */
};

static void put(struct message *m, unsigned value, unsigned octets)
{
    assert_true(m->len + octets <= sizeof m->at);
    while (octets--)
        m->at[m->len++] = (unsigned char)(value >> 8 * octets);
}

static void put_name(struct message *m, struct span name)
{
    while (name.len) {
        const char *dot = memchr(name.at, '.', name.len);
        size_t label = dot ? (size_t)(dot - name.at) : name.len;
        put(m, (unsigned)label, 1);
        for (size_t i = 0; i < label; i++)
            put(m, (unsigned char)name.at[i], 1);
        name = span_from(name, label + 1);
    }
    put(m, 0, 1);
}

static void put_record(struct message *m, struct span owner, unsigned type, const void *data,
                       size_t len)
{
    put_name(m, owner);
    put(m, type, 2);
    put(m, 1, 2);
    put(m, 60, 4);
    put(m, (unsigned)len, 2);
    for (size_t i = 0; i < len; i++)
        put(m, ((const unsigned char *)data)[i], 1);
    if (++m->at[7] == 0) /* ANCOUNT */
        m->at[6]++;
}

static void put_alias(struct message *m, struct span owner, struct span target)
{
    struct message name = {.len = 0};
    put_name(&name, target);
    put_record(m, owner, TYPE_CNAME, name.at, name.len);
}

static void put_address(struct message *m, struct span owner, unsigned type, struct span text)
{
    /* Not address_parse(): what the resolver makes of a mapped address is the question. */
    struct sockaddr_in6 a6;
    struct sockaddr_in a4;
    char copy[64] = "";
    assert_true(text.len < sizeof copy);
    memcpy(copy, text.at, text.len);
    if (type == TYPE_A) {
        assert_int_equal(uv_ip4_addr(copy, 1, &a4), 0);
        put_record(m, owner, type, &a4.sin_addr, 4);
    } else {
        assert_int_equal(uv_ip6_addr(copy, 1, &a6), 0);
        put_record(m, owner, type, &a6.sin6_addr, 16);
    }
}

static void put_many(struct message *m, struct span owner, unsigned type)
{
    for (int i = MANY; i; i--) {
        char text[32];
        if (type == TYPE_A)
            snprintf(text, sizeof text, "192.0.%d.%d", i >> 8, i & 0xff);
        else
            snprintf(text, sizeof text, "2001:db8::%x", (unsigned)i);
        put_address(m, owner, type, span_of(text));
    }
}

static struct question question_parse(const unsigned char *query, size_t len)
{
    struct question q = {.end = 12};
    size_t n = 0;
    for (; q.end < len && query[q.end]; q.end += query[q.end] + 1U) {
        size_t label = query[q.end];
        assert_true(q.end + label < len && n + label + 2 < sizeof q.name);
        if (n)
            q.name[n++] = '.';
        memcpy(q.name + n, query + q.end + 1, label);
        n += label;
    }
    assert_true(q.end + 5 <= len);
    q.type = query[q.end + 2];
    q.end += 5;
    return q;
}

static void begin_reply(struct message *m, const unsigned char *query, const struct question *q)
{
    memcpy(m->at, query, q->end);
    m->len = q->end;
    m->at[2] = 0x84 | (query[2] & 1);
    m->at[3] = 0x80;
    memset(m->at + 6, 0, 6);
}

/* --- the server ------------------------------------------------------------------------------ */

struct held {
    struct sockaddr_storage to;
    struct message reply;
};

struct server {
    uv_udp_t udp;
    uv_tcp_t tcp;
    uv_timer_t timer;
    char at[64];
    unsigned queries, tcp_queries;
    bool slow; /* answers are held until no more questions come */
    size_t held_count, held_most;
    struct held held[2 * QUERIES];
};

struct stream {
    uv_tcp_t tcp;
    struct server *server;
    size_t len;
    unsigned char in[1024], out[2 + MESSAGE_OCTETS];
};

static void udp_send(struct server *s, const struct message *m, const struct sockaddr *to)
{
    char copy[sizeof m->at];
    memcpy(copy, m->at, m->len);
    uv_buf_t buf = uv_buf_init(copy, (unsigned)m->len);
    assert_int_equal(uv_udp_try_send(&s->udp, &buf, 1, to), (int)m->len);
}

/* Says one word of the zone. False: nothing is to be said at all. */
static bool say(struct server *s, struct message *m, const struct question *q, struct span word,
                struct span *owner, const struct sockaddr *udp)
{
    if (span_is(word, "!silent"))
        return false;
    if (span_is(word, "!nx"))
        m->at[3] |= 3;
    else if (span_is(word, "!fail"))
        m->at[3] |= 2;
    else if (span_is(word, "!refused"))
        m->at[3] |= 5;
    else if (span_is(word, "!tc"))
        m->at[2] |= udp ? 2 : 0;
    else if (span_is(word, "!many") && !udp)
        put_many(m, *owner, q->type);
    else if (span_is(word, "!alien"))
        *owner = span_of("alien.example");
    else if (span_is(word, "!short"))
        m->len = 5;
    else if (span_is(word, "!answers"))
        m->at[6] = m->at[7] = 0xff;
    else if (span_is(word, "!loop"))
        m->at[q->end] = 0xc0, m->at[q->end + 1] = (unsigned char)q->end;
    else if (span_is(word, "!length"))
        m->at[m->len - (q->type == TYPE_A ? 6 : 18)] = 0x7f;
    else if (span_is(word, "!bare"))
        m->len = 12, m->at[5] = 0, m->at[7] = 9;
    else if (span_is(word, "!spoof") && udp) {
        struct message forged = *m;
        put_address(&forged, *owner, q->type, span_of(q->type == TYPE_A ? "192.0.2.66" : "::66"));
        forged.at[0] ^= 0xff;
        udp_send(s, &forged, udp);
    } else if (word.at[0] == '@') {
        put_alias(m, *owner, span_from(word, 1));
        *owner = span_from(word, 1);
    } else if (word.at[0] != '!') {
        put_address(m, *owner, q->type, word);
    }
    return true;
}

/* n17.test has an address; x17.test too, but one octet of the answer is wrong. */
static void say_numbered(struct message *m, const struct question *q)
{
    put_address(m, span_of(q->name), q->type,
                span_of(q->type == TYPE_A ? "192.0.2.1" : "2001:db8::1"));
    if (q->name[0] == 'x')
        m->at[(size_t)atoi(q->name + 1) % m->len] ^= q->type == TYPE_A ? 0xff : 0x01;
}

/* udp is where a datagram came from; NULL over TCP. False: no answer. */
static bool answer(struct server *s, const unsigned char *query, size_t len, struct message *m,
                   const struct sockaddr *udp)
{
    struct question q = question_parse(query, len);
    s->queries++;
    s->tcp_queries += !udp;
    begin_reply(m, query, &q);
    if ((q.name[0] == 'n' || q.name[0] == 'x') && ascii_digit(q.name[1])) {
        say_numbered(m, &q);
        return true;
    }
    for (size_t i = 0; i < sizeof zone / sizeof zone[0]; i++) {
        if (!span_is(span_of(q.name), zone[i].name))
            continue;
        const char *words = q.type == TYPE_A ? zone[i].a : zone[i].aaaa;
        struct span rest = span_of(words ? words : ""), owner = span_of(q.name), word;
        while ((word = span_word(&rest)).len)
            if (!say(s, m, &q, word, &owner, udp))
                return false;
        return true;
    }
    fail_msg("asked for %s", q.name);
    return false;
}

static void on_release(uv_timer_t *timer)
{
    struct server *s = timer->data;
    for (size_t i = 0; i < s->held_count; i++)
        udp_send(s, &s->held[i].reply, (const struct sockaddr *)&s->held[i].to);
    s->held_count = 0;
}

static void hold(struct server *s, const struct message *m, const struct sockaddr *to)
{
    assert_true(s->held_count < sizeof s->held / sizeof s->held[0]);
    struct held *held = &s->held[s->held_count++];
    memcpy(&held->to, to, sizeof(struct sockaddr_in));
    held->reply = *m;
    if (s->held_count > s->held_most)
        s->held_most = s->held_count;
    uv_timer_start(&s->timer, on_release, 5, 0);
}

static void on_alloc_datagram(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle, (void)suggested;
    *buf = uv_buf_init(malloc(1024), 1024);
}

static void on_datagram(uv_udp_t *udp, ssize_t nread, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    (void)flags;
    struct server *s = udp->data;
    struct message m = {.len = 0};
    if (nread > 0 && answer(s, (unsigned char *)buf->base, (size_t)nread, &m, from)) {
        if (s->slow)
            hold(s, &m, from);
        else
            udp_send(s, &m, from);
    }
    free(buf->base);
}

static void on_stream_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_alloc_stream(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct stream *t = handle->data;
    *buf = uv_buf_init((char *)t->in + t->len, (unsigned)(sizeof t->in - t->len));
}

/* Questions need not come in one piece, nor alone. */
static void on_stream(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    (void)buf;
    struct stream *t = stream->data;
    if (nread < 0) {
        uv_close((uv_handle_t *)stream, on_stream_closed);
        return;
    }
    t->len += (size_t)nread;
    while (t->len >= 2) {
        size_t len = (size_t)t->in[0] << 8 | t->in[1];
        if (t->len < len + 2)
            return;
        struct message m = {.len = 0};
        assert_true(answer(t->server, t->in + 2, len, &m, NULL));
        t->out[0] = (unsigned char)(m.len >> 8);
        t->out[1] = (unsigned char)m.len;
        memcpy(t->out + 2, m.at, m.len);
        uv_buf_t out = uv_buf_init((char *)t->out, (unsigned)m.len + 2);
        assert_int_equal(uv_try_write(stream, &out, 1), (int)m.len + 2);
        t->len -= len + 2;
        memmove(t->in, t->in + len + 2, t->len);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    assert_int_equal(status, 0);
    struct stream *t = calloc(1, sizeof *t);
    t->server = listener->data;
    t->tcp.data = t;
    uv_tcp_init(listener->loop, &t->tcp);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&t->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&t->tcp, on_alloc_stream, on_stream), 0);
}

/* UDP and TCP on one port that the system chooses; neither keeps the loop alive. */
static void server_open(struct server *s, uv_loop_t *loop)
{
    struct sockaddr_in at;
    int size = sizeof at;
    uv_udp_init(loop, &s->udp);
    uv_tcp_init(loop, &s->tcp);
    uv_timer_init(loop, &s->timer);
    s->udp.data = s->tcp.data = s->timer.data = s;
    uv_ip4_addr(SERVER_IP, 0, &at);
    assert_int_equal(uv_tcp_bind(&s->tcp, (const struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&s->tcp, 16, on_connection), 0);
    assert_int_equal(uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(uv_udp_bind(&s->udp, (const struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_udp_recv_start(&s->udp, on_alloc_datagram, on_datagram), 0);
    snprintf(s->at, sizeof s->at, SERVER_IP ":%d", ntohs(at.sin_port));
    uv_unref((uv_handle_t *)&s->udp);
    uv_unref((uv_handle_t *)&s->tcp);
}

/* --- the scene ------------------------------------------------------------------------------- */

/* The addresses of a resolution, which itself has them during the call only. */
struct copy {
    struct copy *next;
    struct address list[];
};

struct scene {
    uv_loop_t loop;
    struct copy *copies;
    struct server server;
    struct resolver *resolver;
    bool inside; /* one of the resolver's functions is running */
    bool closed;
    unsigned calls;
};

/* What one lookup came to. */
struct seen {
    struct scene *scene;
    unsigned calls;
    bool close, again; /* what to do in the callback */
    struct resolution is;
};

static int scene_open(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    alarm(WATCHDOG_S);
    uv_loop_init(&scene->loop);
    server_open(&scene->server, &scene->loop);
    *state = scene;
    return 0;
}

static void on_closed(void *context)
{
    struct scene *scene = context;
    assert_false(scene->inside || scene->closed);
    scene->closed = true;
}

static void scene_resolve(struct scene *scene, struct resolver_options options)
{
    scene->resolver = resolver_new(&scene->loop, &options);
    assert_non_null(scene->resolver);
}

/* With the scene's server, and patience unless the test is about silence. */
static void scene_ask_server(struct scene *scene, int timeout_ms, int tries)
{
    scene_resolve(scene, (struct resolver_options){
                             .server = scene->server.at, .timeout_ms = timeout_ms, .tries = tries});
}

static void close_resolver(struct scene *scene)
{
    scene->inside = true;
    resolver_close(scene->resolver, on_closed, scene);
    scene->inside = false;
    scene->resolver = NULL;
}

static int scene_close(void **state)
{
    struct scene *scene = *state;
    if (scene->resolver) {
        close_resolver(scene);
        uv_run(&scene->loop, UV_RUN_DEFAULT);
        assert_true(scene->closed);
    }
    uv_close((uv_handle_t *)&scene->server.udp, NULL);
    uv_close((uv_handle_t *)&scene->server.tcp, NULL);
    uv_close((uv_handle_t *)&scene->server.timer, NULL);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&scene->loop), 0);
    while (scene->copies) {
        struct copy *next = scene->copies->next;
        free(scene->copies);
        scene->copies = next;
    }
    free(scene);
    return 0;
}

static struct address *copy_addresses(struct scene *scene, const struct resolution *resolution)
{
    size_t octets = resolution->count * sizeof(struct address);
    struct copy *copy = malloc(sizeof *copy + octets);
    assert_non_null(copy);
    if (octets)
        memcpy(copy->list, resolution->addresses, octets);
    copy->next = scene->copies;
    scene->copies = copy;
    return copy->list;
}

static void lookup(struct scene *, struct seen *, const char *name);

static void on_resolution(void *context, const struct resolution *resolution)
{
    struct seen *seen = context;
    struct scene *scene = seen->scene;
    assert_false(scene->inside || scene->closed);
    assert_true(resolution->count <= 2 * RESOLVER_ADDRESSES_MAX);
    for (size_t i = 1; i < resolution->count; i++)
        assert_true(address_compare(&resolution->addresses[i - 1], &resolution->addresses[i]) < 0);
    scene->calls++;
    seen->calls++;
    seen->is = *resolution;
    seen->is.addresses = copy_addresses(scene, resolution);
    if (seen->again) {
        seen->again = false;
        lookup(scene, seen, "v4.test");
    }
    if (seen->close)
        close_resolver(scene);
}

static void lookup(struct scene *scene, struct seen *seen, const char *name)
{
    seen->scene = scene;
    scene->inside = true;
    assert_true(resolver_lookup(scene->resolver, name, on_resolution, seen));
    scene->inside = false;
}

/* Looks up one name to the end. */
static struct resolution resolve(struct scene *scene, const char *name)
{
    struct seen seen = {.calls = 0};
    lookup(scene, &seen, name);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_int_equal(seen.calls, 1);
    return seen.is;
}

static void assert_resolution(struct resolution is, enum resolved ipv4, enum resolved ipv6,
                              const char *addresses)
{
    struct span rest = span_of(addresses), word;
    assert_string_equal(resolved_name(is.ipv4), resolved_name(ipv4));
    assert_string_equal(resolved_name(is.ipv6), resolved_name(ipv6));
    size_t count = 0;
    for (; (word = span_word(&rest)).len; count++) {
        char text[ADDRESS_TEXT_MAX];
        assert_true(count < is.count);
        address_format(&is.addresses[count], text);
        assert_true(span_is(word, text));
    }
    assert_int_equal(is.count, count);
}

/* --- answers --------------------------------------------------------------------------------- */

static void test_addresses(void **state)
{
    static const struct {
        const char *name;
        enum resolved ipv4, ipv6;
        const char *addresses;
    } cases[] = {
        {"both.test", RESOLVED_FOUND, RESOLVED_FOUND,
         "192.0.2.1 192.0.2.9 2001:db8::1 2001:db8::2"},
        {"BOTH.Test.", RESOLVED_FOUND, RESOLVED_FOUND,
         "192.0.2.1 192.0.2.9 2001:db8::1 2001:db8::2"},
        {"v4.test", RESOLVED_FOUND, RESOLVED_NO_ADDRESS, "192.0.2.1"},
        {"v6.test", RESOLVED_NO_ADDRESS, RESOLVED_FOUND, "2001:db8::1"},
        {"mapped.test", RESOLVED_FOUND, RESOLVED_FOUND, "192.0.2.1 2001:db8::1"},
        {"alias.test", RESOLVED_FOUND, RESOLVED_FOUND, "192.0.2.3 2001:db8::3"},
        {"nowhere.test", RESOLVED_NO_ADDRESS, RESOLVED_NO_ADDRESS, ""},
        {"none.test", RESOLVED_NO_ADDRESS, RESOLVED_NO_ADDRESS, ""},
        {"nx.test", RESOLVED_NO_NAME, RESOLVED_NO_NAME, ""},
        {"fail.test", RESOLVED_FAILURE, RESOLVED_FAILURE, ""},
        {"refused.test", RESOLVED_FAILURE, RESOLVED_FAILURE, ""},
        {"half.test", RESOLVED_FAILURE, RESOLVED_FOUND, "2001:db8::1"},
    };
    scene_ask_server(*state, 60000, 3);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_resolution(resolve(*state, cases[i].name), cases[i].ipv4, cases[i].ipv6,
                          cases[i].addresses);
}

static void test_silence_is_not_a_no(void **state)
{
    scene_ask_server(*state, 20, 2);
    assert_resolution(resolve(*state, "silent.test"), RESOLVED_TIMEOUT, RESOLVED_TIMEOUT, "");
    assert_int_equal(((struct scene *)*state)->server.queries, 4);
    assert_resolution(resolve(*state, "lost.test"), RESOLVED_FOUND, RESOLVED_TIMEOUT, "192.0.2.1");
}

static void test_truncated_answer_is_asked_again_over_tcp(void **state)
{
    struct scene *scene = *state;
    scene_ask_server(scene, 60000, 3);
    struct resolution is = resolve(scene, "many.test");
    char text[ADDRESS_TEXT_MAX];
    assert_int_equal(scene->server.tcp_queries, 2);
    assert_int_equal(is.count, 2 * RESOLVER_ADDRESSES_MAX);
    for (int i = 0; i < 2; i++)
        assert_int_equal(is.cut[i].count, MANY - RESOLVER_ADDRESSES_MAX);
    assert_string_equal(address_format(&is.addresses[0], text), "192.0.0.1");
    assert_string_equal(address_format(&is.addresses[255], text), "192.0.1.0");
    assert_string_equal(address_format(&is.cut[0].first, text), "192.0.1.1");
    assert_string_equal(address_format(&is.addresses[256], text), "2001:db8::1");
    assert_string_equal(address_format(&is.cut[1].first, text), "2001:db8::101");
    is = resolve(scene, "both.test");
    assert_int_equal(is.cut[0].count + is.cut[1].count, 0);
}

/* In a pod of Kubernetes every name has fewer dots than ndots, and is looked for there first. */
static void test_no_search_domains(void **state)
{
    struct scene *scene = *state;
    static const char *const options[] = {"ndots:5", "ndots:0"};
    assert_int_equal(setenv("LOCALDOMAIN", "corp.test", 1), 0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(setenv("RES_OPTIONS", options[i], 1), 0);
        scene_ask_server(scene, 60000, 3);
        scene->server.queries = 0;
        assert_resolution(resolve(scene, "gone.test"), RESOLVED_NO_NAME, RESOLVED_NO_NAME, "");
        assert_resolution(resolve(scene, "gone.test."), RESOLVED_NO_NAME, RESOLVED_NO_NAME, "");
        assert_resolution(resolve(scene, "gone"), RESOLVED_NO_NAME, RESOLVED_NO_NAME, "");
        assert_resolution(resolve(scene, "empty.test"), RESOLVED_NO_ADDRESS, RESOLVED_NO_ADDRESS,
                          "");
        assert_resolution(resolve(scene, "single"), RESOLVED_FOUND, RESOLVED_NO_ADDRESS,
                          "192.0.2.1");
        assert_int_equal(scene->server.queries, 10);
        close_resolver(scene);
        uv_run(&scene->loop, UV_RUN_DEFAULT);
        scene->closed = false;
    }
    assert_int_equal(unsetenv("LOCALDOMAIN") + unsetenv("RES_OPTIONS"), 0);
}

static void test_forged_answer_is_passed_over(void **state)
{
    scene_ask_server(*state, 60000, 3);
    assert_resolution(resolve(*state, "spoof.test"), RESOLVED_FOUND, RESOLVED_FOUND,
                      "192.0.2.1 2001:db8::1");
}

static void test_hostile_answers(void **state)
{
    static const struct {
        const char *name;
        enum resolved how;
    } cases[] = {
        {"alien.test", RESOLVED_NO_ADDRESS}, {"short.test", RESOLVED_TIMEOUT},
        {"answers.test", RESOLVED_GARBLED},  {"loop.test", RESOLVED_GARBLED},
        {"length.test", RESOLVED_GARBLED},   {"bare.test", RESOLVED_TIMEOUT},
    };
    scene_ask_server(*state, 20, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_resolution(resolve(*state, cases[i].name), cases[i].how, cases[i].how, "");
}

static void test_one_wrong_octet_anywhere(void **state)
{
    static struct seen seen[100];
    struct scene *scene = *state;
    scene_ask_server(scene, 20, 1);
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof name, "x%zu.test", i);
        lookup(scene, &seen[i], name);
    }
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(seen[i].calls, 1);
        assert_true(seen[i].is.count <= 2);
    }
}

/* Whether c-ares sees the port's refusal or times out depends on which question met it first. */
static void test_server_that_is_not_there(void **state)
{
    scene_resolve(*state, (struct resolver_options){.server = "127.66.0.9:1", .timeout_ms = 20});
    struct resolution is = resolve(*state, "v4.test");
    assert_int_equal(is.count, 0);
    assert_true(is.ipv4 == RESOLVED_FAILURE || is.ipv4 == RESOLVED_TIMEOUT);
    assert_true(is.ipv6 == RESOLVED_FAILURE || is.ipv6 == RESOLVED_TIMEOUT);
}

/* A bare system has no such file. */
static bool is_in_hosts(const char *name)
{
    char line[256];
    bool found = false;
    FILE *hosts = fopen("/etc/hosts", "r");
    while (hosts && fgets(line, sizeof line, hosts))
        found |= line[0] != '#' && strstr(line, name) != NULL;
    if (hosts)
        fclose(hosts);
    return found;
}

/* localhost is in /etc/hosts, which settles it: nobody is asked. */
static void test_servers_of_the_system(void **state)
{
    if (!is_in_hosts("localhost")) {
        print_message("SKIPPED: /etc/hosts has no localhost\n");
        skip();
    }
    scene_resolve(*state, (struct resolver_options){.server = NULL});
    struct resolution is = resolve(*state, "localhost");
    assert_int_equal(is.ipv4, RESOLVED_FOUND);
    char text[ADDRESS_TEXT_MAX];
    assert_string_equal(address_format(&is.addresses[0], text), "127.0.0.1");
}

/* --- names ----------------------------------------------------------------------------------- */

static void test_malformed_names_are_not_asked(void **state)
{
    static const char *const names[] = {
        "",       ".",          "..",       ".test",     "a..test",  "a.test..", "a b.test",
        "a/test", "a\\.test",   "a\n.test", "\x80.test", "*.test",   "::1",      "192.0.2.1",
        "1.2.3",  "127.0.0.1.", "a.1",      "[::1]",     "a@b.test", "a:25",
    };
    struct scene *scene = *state;
    char label[80] = "", name[300] = "";
    scene_ask_server(scene, 60000, 3);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_resolution(resolve(scene, names[i]), RESOLVED_BAD_NAME, RESOLVED_BAD_NAME, "");

    memset(label, 'a', 64);
    assert_resolution(resolve(scene, label), RESOLVED_BAD_NAME, RESOLVED_BAD_NAME, "");
    memset(name, 'a', 254);
    for (size_t i = 50; i < 254; i += 50)
        name[i] = '.';
    assert_resolution(resolve(scene, name), RESOLVED_BAD_NAME, RESOLVED_BAD_NAME, "");
    assert_int_equal(scene->server.queries, 0);
}

static void test_longest_name_is_asked(void **state)
{
    char name[254] = "n1";
    memset(name + 2, 'a', 251);
    for (size_t i = 50; i < 253; i += 50)
        name[i] = '.';
    scene_ask_server(*state, 60000, 3);
    assert_resolution(resolve(*state, name), RESOLVED_FOUND, RESOLVED_FOUND,
                      "192.0.2.1 2001:db8::1");
}

static void test_server_parse(void **state)
{
    static const struct {
        const char *text, *address;
        unsigned port;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", 53},
        {"192.0.2.1:5353", "192.0.2.1", 5353},
        {"2001:db8::1", "2001:db8::1", 53},
        {"[2001:db8::1]:54", "2001:db8::1", 54},
        {"", NULL, 0},
        {"192.0.2.1:", NULL, 0},
        {"192.0.2.1:0", NULL, 0},
        {"192.0.2.1:65536", NULL, 0},
        {"192.0.2.1:53x", NULL, 0},
        {":53", NULL, 0},
        {"dns.test", NULL, 0},
        {"dns.test:53", NULL, 0},
        {"[192.0.2.1]:53", NULL, 0},
        {"[2001:db8::1]", NULL, 0},
        {"[2001:db8::1]53", NULL, 0},
        {"[]:53", NULL, 0},
        {"2001:db8:0:0:0:0:0:1:53", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address address;
        uint16_t port;
        char text[ADDRESS_TEXT_MAX];
        bool fine = resolver_server_parse(span_of(cases[i].text), &address, &port);
        assert_int_equal(fine, cases[i].address != NULL);
        if (fine) {
            assert_string_equal(address_format(&address, text), cases[i].address);
            assert_int_equal(port, cases[i].port);
        }
    }
}

static void test_no_resolver_without_an_address_to_ask(void **state)
{
    struct scene *scene = *state;
    assert_null(resolver_new(&scene->loop, &(struct resolver_options){.server = "dns.test"}));
}

/* --- many, and the end ----------------------------------------------------------------------- */

static void test_two_thousand_names(void **state)
{
    enum { NAMES = 2000 };
    struct scene *scene = *state;
    struct seen *seen = calloc(NAMES, sizeof *seen);
    scene->server.slow = true;
    scene_resolve(scene, (struct resolver_options){
                             .server = scene->server.at, .timeout_ms = 60000, .queries = QUERIES});
    for (size_t i = 0; i < NAMES; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%zu.test", i);
        lookup(scene, &seen[i], name);
    }
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    for (size_t i = 0; i < NAMES; i++) {
        assert_int_equal(seen[i].calls, 1);
        assert_resolution(seen[i].is, RESOLVED_FOUND, RESOLVED_FOUND, "192.0.2.1 2001:db8::1");
    }
    assert_int_equal(scene->server.queries, 2 * NAMES);
    assert_int_equal(scene->server.held_most, QUERIES);
    free(seen);
}

static void test_lookup_from_the_callback(void **state)
{
    struct scene *scene = *state;
    struct seen seen = {.again = true};
    scene_ask_server(scene, 60000, 3);
    lookup(scene, &seen, "not a name");
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_int_equal(seen.calls, 2);
    assert_resolution(seen.is, RESOLVED_FOUND, RESOLVED_NO_ADDRESS, "192.0.2.1");
}

static void test_close_while_nothing_is_asked(void **state)
{
    struct scene *scene = *state;
    scene_ask_server(scene, 60000, 3);
    close_resolver(scene);
    assert_false(scene->closed);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_true(scene->closed);
}

static void test_close_in_mid_flight(void **state)
{
    enum { NAMES = 100 };
    static struct seen seen[NAMES];
    struct scene *scene = *state;
    memset(seen, 0, sizeof seen);
    scene_ask_server(scene, 60000, 3);
    for (size_t i = 0; i < NAMES; i++)
        lookup(scene, &seen[i], "silent.test");
    while (scene->server.queries < QUERIES)
        uv_run(&scene->loop, UV_RUN_ONCE);
    assert_int_equal(scene->calls, 0);

    struct resolver *closing = scene->resolver;
    close_resolver(scene);
    assert_false(resolver_lookup(closing, "v4.test", on_resolution, &seen[0]));
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_true(scene->closed);
    for (size_t i = 0; i < NAMES; i++) {
        assert_int_equal(seen[i].calls, 1);
        assert_resolution(seen[i].is, RESOLVED_CANCELLED, RESOLVED_CANCELLED, "");
    }
}

static void test_close_before_the_first_turn(void **state)
{
    struct scene *scene = *state;
    struct seen good = {.calls = 0}, bad = {.calls = 0};
    scene_ask_server(scene, 60000, 3);
    lookup(scene, &good, "v4.test");
    lookup(scene, &bad, "not a name");
    close_resolver(scene);
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_int_equal(good.calls, 1);
    assert_resolution(good.is, RESOLVED_CANCELLED, RESOLVED_CANCELLED, "");
    assert_int_equal(bad.calls, 1);
    assert_resolution(bad.is, RESOLVED_BAD_NAME, RESOLVED_BAD_NAME, "");
    assert_int_equal(scene->server.queries, 0);
}

static void test_close_keeps_what_is_known(void **state)
{
    struct scene *scene = *state;
    struct seen half = {.calls = 0}, whole = {.close = true};
    scene_ask_server(scene, 60000, 3);
    lookup(scene, &half, "lost.test");
    lookup(scene, &whole, "both.test"); /* answered after it, by the same server */
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_true(scene->closed);
    assert_int_equal(whole.calls, 1);
    assert_int_equal(half.calls, 1);
    assert_resolution(half.is, RESOLVED_FOUND, RESOLVED_CANCELLED, "192.0.2.1");
}

static void test_close_from_the_callback(void **state)
{
    enum { NAMES = 100 };
    static struct seen seen[NAMES];
    struct scene *scene = *state;
    memset(seen, 0, sizeof seen);
    seen[3].close = true;
    scene_ask_server(scene, 60000, 3);
    for (size_t i = 0; i < NAMES; i++)
        lookup(scene, &seen[i], i % 2 ? "both.test" : "not a name");
    uv_run(&scene->loop, UV_RUN_DEFAULT);
    assert_true(scene->closed);
    assert_int_equal(scene->calls, NAMES);
    for (size_t i = 0; i < NAMES; i++)
        assert_int_equal(seen[i].calls, 1);
    assert_resolution(seen[3].is, RESOLVED_FOUND, RESOLVED_FOUND,
                      "192.0.2.1 192.0.2.9 2001:db8::1 2001:db8::2");
    assert_resolution(seen[99].is, RESOLVED_CANCELLED, RESOLVED_CANCELLED, "");
}

#define SCENE_TEST(test) cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE_TEST(test_addresses),
        SCENE_TEST(test_silence_is_not_a_no),
        SCENE_TEST(test_truncated_answer_is_asked_again_over_tcp),
        SCENE_TEST(test_no_search_domains),
        SCENE_TEST(test_forged_answer_is_passed_over),
        SCENE_TEST(test_hostile_answers),
        SCENE_TEST(test_one_wrong_octet_anywhere),
        SCENE_TEST(test_server_that_is_not_there),
        SCENE_TEST(test_servers_of_the_system),
        SCENE_TEST(test_malformed_names_are_not_asked),
        SCENE_TEST(test_longest_name_is_asked),
        SCENE_TEST(test_no_resolver_without_an_address_to_ask),
        SCENE_TEST(test_two_thousand_names),
        SCENE_TEST(test_lookup_from_the_callback),
        SCENE_TEST(test_close_while_nothing_is_asked),
        SCENE_TEST(test_close_in_mid_flight),
        SCENE_TEST(test_close_before_the_first_turn),
        SCENE_TEST(test_close_keeps_what_is_known),
        SCENE_TEST(test_close_from_the_callback),
        cmocka_unit_test(test_server_parse),
    };
    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
