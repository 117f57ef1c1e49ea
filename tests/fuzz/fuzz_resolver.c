/* SPDX-License-Identifier: MIT */
/*
 * Any octets as the answers of a DNS server, once with TCP in pieces as large as they can be and once
 * in small ones: what becomes of the name must be the same, bounded and in order, and nothing is left.
 *
 * The first octet is the size of the pieces. The rest are answers, for A and for AAAA by turns, of
 * which each question takes its next; 0xfe 0x00 is between them. The first octet of an answer says how it goes (see below). Where
 * there are no more answers, there is silence, and the lookup is given up.
 *
 * This file has the functions of libuv that the resolver calls, and the sockets of c-ares.
 */
#define _GNU_SOURCE
#include "scanner/resolver.h"

#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define STEPS_MAX 100000 /* of the loop, for one name */
#define SOCKETS_MAX 64
#define ROUNDS 20
#define FIRST_SOCKET 100000 /* no descriptor has such a number */
#define HEAD ((size_t)12)   /* of a message */
#define MESSAGE_MAX ((size_t)65535)

enum how {
    ANY_ID = 1,      /* not that of the question   */
    ANY_HEAD = 2,    /* nor its head and its name: all is as it comes */
    TRUNCATED = 4,   /* says that it is            */
    TWICE = 8,       /* once more                  */
    CLOSED = 16,     /* TCP: and then it is closed */
    BAD_LENGTH = 32, /* TCP: the length is as it comes */
    ERROR = 64       /* no answer, but an error of the socket */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* --- the network ------------------------------------------------------------------------------ */

struct octets {
    unsigned char *at;
    size_t len;
};

struct datagram {
    struct datagram *next;
    size_t len;
    unsigned char at[];
};

struct sock {
    bool open, stream, closed, failed;
    struct octets in;           /* of a stream */
    struct octets question;     /* what has come of one */
    struct datagram *datagrams; /* or these */
    uv_poll_t *poll;
    uv_poll_cb on_poll;
    int events;
};

static struct {
    struct sock sockets[SOCKETS_MAX];
    int socket_count;
    uv_timer_t *timer;
    uv_timer_cb on_timer;
    bool timer_due, timer_later;
    struct {
        uv_handle_t *handle;
        uv_close_cb callback;
    } closing[2 * SOCKETS_MAX];
    size_t closing_count;
    struct span scripts[2]; /* for A, for AAAA */
    size_t piece;
} world;

static void put(struct octets *o, const void *from, size_t n)
{
    if (!n)
        return;
    o->at = realloc(o->at, o->len + n);
    require(o->at != NULL);
    memcpy(o->at + o->len, from, n);
    o->len += n;
}

static void drop(struct octets *o, size_t n)
{
    memmove(o->at, o->at + n, o->len - n);
    o->len -= n;
}

static struct span take_answer(struct span *script)
{
    struct span s = *script;
    size_t n = 0;
    while (n < s.len && !(s.at[n] == '\xfe' && n + 1 < s.len && s.at[n + 1] == 0))
        n++;
    *script = span_from(s, n + 2 < s.len ? n + 2 : s.len);
    return span_until(s, n);
}

/* Those for A and those for AAAA take turns in the script, so that neither gets the other's. */
static struct span next_answer(bool ipv6)
{
    struct span answer = take_answer(&world.scripts[ipv6]);
    take_answer(&world.scripts[ipv6]);
    return answer;
}

static void send_answer(struct sock *s, const struct octets *message, bool any_length)
{
    if (s->stream) {
        const unsigned char head[] = {(unsigned char)(message->len >> 8),
                                      (unsigned char)message->len};
        if (!any_length)
            put(&s->in, head, sizeof head);
        put(&s->in, message->at, message->len);
        return;
    }
    struct datagram *d = malloc(sizeof *d + message->len), **end = &s->datagrams;
    require(d != NULL);
    d->next = NULL;
    d->len = message->len;
    if (d->len)
        memcpy(d->at, message->at, d->len);
    while (*end)
        end = &(*end)->next;
    *end = d;
}

/* The head and the question of a message: where its records begin. */
static size_t question_end(const unsigned char *at, size_t len)
{
    size_t i = HEAD;
    while (i < len && at[i])
        i += (size_t)at[i] + 1;
    return i + 5 <= len ? i + 5 : len;
}

static void answer(struct sock *s, const unsigned char *question, size_t len)
{
    struct octets message = {0};
    if (len < HEAD)
        return;
    bool ipv6 = question[question_end(question, len) - 3] == 28;
    struct span in = next_answer(ipv6);
    if (!in.len)
        return;
    unsigned how = (unsigned char)in.at[0];
    in = span_from(in, 1);
    if (how & ANY_HEAD) {
        put(&message, in.at, in.len);
    } else {
        unsigned char head[HEAD] = {0};
        size_t n = in.len < HEAD - 4 ? in.len : HEAD - 4;
        memcpy(head + 2, in.at, n < 2 ? n : 2); /* flags */
        head[5] = 1;                            /* one question */
        memcpy(head + 6, in.at + (n < 2 ? n : 2), n < 2 ? 0 : n - 2);
        head[2] |= 0x80;
        put(&message, head, HEAD);
        put(&message, question + HEAD, question_end(question, len) - HEAD);
        put(&message, in.at + n, in.len - n);
    }
    if (message.len > 2 && how & TRUNCATED)
        message.at[2] |= 2;
    if (message.len > 1 && !(how & ANY_ID))
        memcpy(message.at, question, 2);
    if (message.len > MESSAGE_MAX)
        message.len = MESSAGE_MAX;
    s->failed |= (how & ERROR) != 0;
    if (!(how & ERROR))
        send_answer(s, &message, how & BAD_LENGTH);
    if (how & TWICE)
        send_answer(s, &message, how & BAD_LENGTH);
    s->closed |= (how & CLOSED) != 0;
    free(message.at);
}

static struct sock *sock_of(ares_socket_t fd)
{
    require(fd >= FIRST_SOCKET && fd < FIRST_SOCKET + world.socket_count);
    return &world.sockets[fd - FIRST_SOCKET];
}

static ares_socket_t on_socket(int domain, int type, int protocol, void *context)
{
    (void)domain, (void)protocol, (void)context;
    if (world.socket_count == SOCKETS_MAX) {
        errno = EMFILE;
        return ARES_SOCKET_BAD;
    }
    world.sockets[world.socket_count] =
        (struct sock){.open = true, .stream = (type & SOCK_STREAM) && !(type & SOCK_DGRAM)};
    return FIRST_SOCKET + world.socket_count++;
}

static int on_close(ares_socket_t fd, void *context)
{
    struct sock *s = sock_of(fd);
    (void)context;
    require(s->open);
    s->open = false;
    free(s->in.at);
    free(s->question.at);
    for (struct datagram *d; (d = s->datagrams); free(d))
        s->datagrams = d->next;
    s->in = s->question = (struct octets){0};
    return 0;
}

static int on_connect(ares_socket_t fd, const struct sockaddr *peer, ares_socklen_t len,
                      void *context)
{
    (void)peer, (void)len, (void)context;
    require(sock_of(fd)->open);
    return 0;
}

static ares_ssize_t on_receive(ares_socket_t fd, void *to, size_t max, int flags,
                               struct sockaddr *peer, ares_socklen_t *len, void *context)
{
    struct sock *s = sock_of(fd);
    struct datagram *d = s->datagrams;
    (void)flags, (void)context;
    require(s->open);
    errno = s->failed ? ECONNREFUSED : EAGAIN;
    if (s->failed)
        return -1;
    if (s->stream) {
        size_t n = s->in.len < max ? s->in.len : max;
        if (!n && s->closed)
            return 0;
        if (!n)
            return -1;
        n = n < world.piece ? n : world.piece;
        memcpy(to, s->in.at, n);
        drop(&s->in, n);
        return (ares_ssize_t)n;
    }
    if (!d)
        return -1;
    size_t n = d->len < max ? d->len : max;
    memcpy(to, d->at, n);
    s->datagrams = d->next;
    free(d);
    if (peer) { /* the server that was asked */
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(RESOLVER_PORT)};
        from.sin_addr.s_addr = htonl(0xC0000235);
        require(*len >= (ares_socklen_t)sizeof from);
        memcpy(peer, &from, sizeof from);
        *len = sizeof from;
    }
    return (ares_ssize_t)n;
}

static ares_ssize_t on_send(ares_socket_t fd, const struct iovec *parts, int count, void *context)
{
    struct sock *s = sock_of(fd);
    size_t sum = 0;
    (void)context;
    require(s->open);
    for (int i = 0; i < count; i++) {
        put(&s->question, parts[i].iov_base, parts[i].iov_len);
        sum += parts[i].iov_len;
    }
    if (!s->stream) {
        answer(s, s->question.at, s->question.len);
        s->question.len = 0;
        return (ares_ssize_t)sum;
    }
    while (s->question.len >= 2) {
        size_t len = (size_t)s->question.at[0] << 8 | s->question.at[1];
        if (s->question.len < len + 2)
            break;
        answer(s, s->question.at + 2, len);
        drop(&s->question, len + 2);
    }
    return (ares_ssize_t)sum;
}

int __real_ares_init_options(ares_channel *, struct ares_options *, int);
int __wrap_ares_init_options(ares_channel *, struct ares_options *, int);
int __wrap_ares_init_options(ares_channel *channel, struct ares_options *options, int mask)
{
    static const struct ares_socket_functions functions = {on_socket, on_close, on_connect,
                                                           on_receive, on_send};
    int result = __real_ares_init_options(channel, options, mask);
    if (result == ARES_SUCCESS)
        ares_set_socket_functions(*channel, &functions, NULL);
    return result;
}

/* --- the loop --------------------------------------------------------------------------------- */

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    timer->loop = loop;
    world.timer = timer;
    world.timer_due = world.timer_later = false;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
    (void)repeat;
    require(timer == world.timer);
    world.on_timer = callback;
    world.timer_due = timeout == 0;
    world.timer_later = timeout > 0; /* never comes */
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    require(timer == world.timer);
    world.timer_due = world.timer_later = false;
    return 0;
}

int uv_poll_init_socket(uv_loop_t *loop, uv_poll_t *poll, uv_os_sock_t fd)
{
    (void)loop;
    require(sock_of(fd)->open && !sock_of(fd)->poll);
    poll->type = UV_POLL;
    sock_of(fd)->poll = poll;
    return 0;
}

static struct sock *sock_with(const uv_handle_t *poll)
{
    for (int i = 0; i < world.socket_count; i++)
        if ((const uv_handle_t *)world.sockets[i].poll == poll)
            return &world.sockets[i];
    return NULL;
}

int uv_poll_start(uv_poll_t *poll, int events, uv_poll_cb callback)
{
    struct sock *s = sock_with((uv_handle_t *)poll);
    require(s != NULL);
    s->events = events;
    s->on_poll = callback;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb callback)
{
    struct sock *s = sock_with(handle);
    require(world.closing_count < sizeof world.closing / sizeof *world.closing);
    world.closing[world.closing_count].handle = handle;
    world.closing[world.closing_count++].callback = callback;
    if (s)
        s->poll = NULL;
    else
        world.timer_due = false;
}

/* ends: may a stream end now? */
static int events_of(const struct sock *s, bool ends)
{
    bool readable = s->failed || s->datagrams || s->in.len || (ends && s->stream && s->closed);
    return s->events & ((readable ? UV_READABLE : 0) | UV_WRITABLE);
}

static bool poll_sockets(bool ends)
{
    for (int i = 0; i < world.socket_count; i++) {
        struct sock *s = &world.sockets[i];
        int events = s->open && s->poll ? events_of(s, ends) : 0;
        if (!events)
            continue;
        s->on_poll(s->poll, 0, events & UV_WRITABLE ? UV_WRITABLE : events);
        return true;
    }
    return false;
}

/* The next thing that happens, the end of a stream last; false: nothing does. */
static bool step(void)
{
    if (world.closing_count) {
        world.closing_count--;
        world.closing[world.closing_count].callback(world.closing[world.closing_count].handle);
        return true;
    }
    if (world.timer_due) {
        world.timer_due = false;
        world.on_timer(world.timer);
        return true;
    }
    return poll_sockets(false) || poll_sockets(true);
}

static void run(void)
{
    unsigned steps = 0;
    while (step())
        require(++steps < STEPS_MAX);
}

/* --- a name ----------------------------------------------------------------------------------- */

struct found {
    unsigned calls;
    struct resolution resolution;
    struct address addresses[2 * RESOLVER_ADDRESSES_MAX];
};

static void on_found(void *context, const struct resolution *r)
{
    struct found *f = context;
    f->calls++;
    f->resolution = *r;
    require(r->count <= 2 * RESOLVER_ADDRESSES_MAX);
    for (size_t i = 0; i < r->count; i++) {
        f->addresses[i] = r->addresses[i];
        require(i == 0 || address_compare(&r->addresses[i - 1], &r->addresses[i]) < 0);
    }
    f->resolution.addresses = NULL;
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

static void look_up(const uint8_t *data, size_t size, size_t piece, struct found *found)
{
    struct resolver_options options = {.server = "192.0.2.53", .timeout_ms = 1000000};
    uv_loop_t loop;
    bool closed = false;

    memset(&loop, 0, sizeof loop);
    memset(found, 0, sizeof *found);
    world.piece = piece;
    world.scripts[0] = world.scripts[1] = (struct span){(const char *)data + 1, size - 1};
    take_answer(&world.scripts[1]);
    world.socket_count = 0;
    struct resolver *resolver = resolver_new(&loop, &options);
    require(resolver && resolver_lookup(resolver, "mail.test", on_found, found));
    run();
    resolver_close(resolver, on_closed, &closed);
    run();
    require(closed && found->calls == 1);
    for (int i = 0; i < world.socket_count; i++)
        require(!world.sockets[i].open);
}

static bool is_same(const struct found *a, const struct found *b)
{
    const struct resolution *r = &a->resolution, *s = &b->resolution;
    bool same = r->ipv4 == s->ipv4 && r->ipv6 == s->ipv6 && r->count == s->count;
    for (int i = 0; i < 2; i++)
        same = same && r->cut[i].count == s->cut[i].count;
    for (size_t i = 0; same && i < r->count; i++)
        same = address_compare(&a->addresses[i], &b->addresses[i]) == 0;
    return same;
}

/* An answer may have its own id for a part of a name, and that is drawn by chance: only what differs
   each time does so for the pieces. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct found whole, pieces;
    if (size < 1)
        return 0;
    for (int i = 0; i < ROUNDS; i++) {
        look_up(data, size, SIZE_MAX, &whole);
        look_up(data, size, data[0] % 8 + (size_t)1, &pieces);
        if (is_same(&whole, &pieces))
            return 0;
    }
    abort();
}
