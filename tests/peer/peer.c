/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "inside.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BACKLOG = 4096, READ_SIZE = 64 * 1024, FLOOD_SIZE = 4096, LINGER_MS = 1000 };

struct peer {
    uv_loop_t *loop;
    struct listener *listeners;
    size_t count;
    size_t handles; /* listeners open, and connections alive */
    struct conn *conns;
    struct places places;
    bool stopping;
    char read_buffer[READ_SIZE]; /* shared: libuv on Unix hands it out and back in one go */
};

static void conn_work(struct conn *conn);
static void conn_flush(struct conn *conn);

/* ---- the end of things ---- */

static void peer_release(struct peer *peer)
{
    if (!peer->stopping || peer->handles > 0)
        return;
    free(peer->places.at);
    free(peer->listeners);
    free(peer);
}

static void on_conn_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    struct peer *peer = conn->listener->peer;
    if (--conn->handles > 0)
        return;
    if (conn->session)
        gnutls_deinit(conn->session);
    bytes_free(&conn->lines);
    bytes_free(&conn->in);
    bytes_free(&conn->out);
    bytes_free(&conn->sending);
    free(conn);
    peer->handles--;
    peer_release(peer);
}

static void place_count(struct peer *peer, const uint8_t address[16], uint32_t listener, int change)
{
    struct place *place = places_get(&peer->places, address, listener);
    if (!place)
        return;
    struct peer_place *counts = &place->counts;
    if (change > 0) {
        counts->accepted++;
        if (++counts->open > counts->max_open)
            counts->max_open = counts->open;
    } else if (counts->open > 0) {
        counts->open--;
    }
}

static void conn_count(struct conn *conn, int change)
{
    struct listener *listener = conn->listener;
    struct peer_stats *stats = &listener->stats;
    place_count(listener->peer, conn->local, listener->number, change);
    place_count(listener->peer, conn->local, NO_LISTENER, change);
    if (change < 0) {
        stats->open--;
        return;
    }
    stats->accepted++;
    if (++stats->open > stats->max_open)
        stats->max_open = stats->open;
}

static void conn_talks(struct conn *conn)
{
    struct place *place = places_get(&conn->listener->peer->places, conn->local, NO_LISTENER);
    if (conn->talks || !place)
        return;
    conn->talks = true;
    if (++place->counts.talking > place->counts.max_talking)
        place->counts.max_talking = place->counts.talking;
}

static void conn_is_silent(struct conn *conn)
{
    struct place *place = places_get(&conn->listener->peer->places, conn->local, NO_LISTENER);
    if (conn->talks && place)
        place->counts.talking--;
    conn->talks = false;
}

static void conn_close(struct conn *conn)
{
    struct peer *peer = conn->listener->peer;
    if (conn->closing)
        return;
    conn->closing = true;
    if (conn->previous)
        conn->previous->next = conn->next;
    else
        peer->conns = conn->next;
    if (conn->next)
        conn->next->previous = conn->previous;
    conn_is_silent(conn);
    conn_count(conn, -1);
    uv_close((uv_handle_t *)&conn->pause, on_conn_closed);
    uv_close((uv_handle_t *)&conn->drip, on_conn_closed);
    if (conn->ending != ENDING_RESET || uv_tcp_close_reset(&conn->tcp, on_conn_closed) != 0)
        uv_close((uv_handle_t *)&conn->tcp, on_conn_closed);
}

static void on_linger_over(uv_timer_t *timer)
{
    conn_close(timer->data);
}

/* Everything is sent. close() with unread bytes would be an RST: so shut our half, and wait for
 * theirs. */
static void conn_finish(struct conn *conn)
{
    uv_os_fd_t fd;
    if (conn->ending == ENDING_RESET || uv_fileno((uv_handle_t *)&conn->tcp, &fd) != 0 ||
        shutdown(fd, SHUT_WR) != 0) {
        conn_close(conn);
        return;
    }
    conn->lingering = true;
    uv_timer_start(&conn->pause, on_linger_over, LINGER_MS, 0);
}

/* ---- sending ---- */

void conn_send(struct conn *conn, const void *data, size_t len)
{
    if (!bytes_add(&conn->out, OUT_CAP, data, len))
        conn_reset(conn);
}

void conn_say(struct conn *conn, const void *data, size_t len)
{
    if (conn->secure)
        tls_say(conn, data, len);
    else
        conn_send(conn, data, len);
}

void conn_flood(struct conn *conn, const void *unit, size_t len)
{
    conn_deafen(conn);
    conn->flood = unit;
    conn->flood_len = len;
}

static void flood_on(struct conn *conn)
{
    char chunk[FLOOD_SIZE];
    size_t len = 0;
    for (; len + conn->flood_len <= sizeof chunk; len += conn->flood_len)
        memcpy(chunk + len, conn->flood, conn->flood_len);
    conn_say(conn, chunk, len);
}

static void on_drip(uv_timer_t *timer)
{
    conn_flush(timer->data);
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = write->data;
    bytes_drop(&conn->sending, conn->sending.len);
    if (conn->closing)
        return;
    if (status < 0) {
        conn_close(conn);
        return;
    }
    if (conn->config->drip > 0 && conn->out.len > 0)
        uv_timer_start(&conn->drip, on_drip, conn->config->drip, 0);
    else
        conn_flush(conn);
}

/* How much may go now; cut= and drip= have their say. */
static size_t conn_allowance(struct conn *conn)
{
    const struct peer_config *config = conn->config;
    size_t len = conn->out.len;
    if (config->drip > 0 && len > 1)
        len = 1;
    if (config->cut != CUT_NEVER && len >= config->cut_after - conn->sent) {
        len = (size_t)(config->cut_after - conn->sent);
        conn->ending = config->cut == CUT_RESET ? ENDING_RESET : ENDING_CLOSE;
    }
    return len;
}

/* Moves the first bytes of conn->out to conn->sending: without a copy, if it is all of them. */
static bool conn_take(struct conn *conn, size_t len)
{
    if (len > 0 && len == conn->out.len) {
        conn->sending = conn->out;
        conn->out = (struct bytes){0};
        return true;
    }
    if (!bytes_add(&conn->sending, OUT_CAP, conn->out.at, len))
        return false;
    bytes_drop(&conn->out, len);
    return true;
}

/* One write at a time: conn->out gathers what comes meanwhile. */
static void conn_flush(struct conn *conn)
{
    if (conn->closing || conn->lingering || conn->sending.len > 0 ||
        uv_is_active((uv_handle_t *)&conn->drip))
        return;
    if (conn->out.len == 0 && conn->flood && conn->ending == ENDING_NOT)
        flood_on(conn);
    size_t len = conn_allowance(conn);
    if (!conn_take(conn, len)) {
        conn_close(conn);
        return;
    }
    if (conn->config->cut != CUT_NEVER && conn->sent + len == conn->config->cut_after)
        bytes_free(&conn->out);
    if (len == 0) {
        if (conn->ending != ENDING_NOT)
            conn_finish(conn);
        return;
    }
    conn->sent += len;
    conn->write.data = conn;
    uv_buf_t buffer = uv_buf_init((char *)conn->sending.at, (unsigned)conn->sending.len);
    if (uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &buffer, 1, on_written) != 0)
        conn_close(conn);
}

/* ---- marks, set by the dialogue and TLS ---- */

void conn_end(struct conn *conn)
{
    if (conn->ending == ENDING_NOT) {
        conn->ending = ENDING_CLOSE;
        if (conn->phase == PHASE_SECURE)
            tls_bye(conn);
    }
    conn_deafen(conn);
}

void conn_reset(struct conn *conn)
{
    conn->ending = ENDING_RESET;
    conn_deafen(conn);
}

void conn_deafen(struct conn *conn)
{
    conn->phase = PHASE_DEAF;
    bytes_free(&conn->lines);
    bytes_free(&conn->in);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct conn *conn = timer->data;
    conn->held = false;
    conn->resume(conn);
    conn_work(conn);
}

void conn_pause(struct conn *conn, unsigned ms, void (*resume)(struct conn *))
{
    conn->held = true;
    conn->resume = resume;
    uv_timer_start(&conn->pause, on_pause_over, ms, 0);
}

void conn_greet(struct conn *conn)
{
    if (conn->config->greeting_delay > 0)
        conn_pause(conn, conn->config->greeting_delay, dialogue_greet);
    else
        dialogue_greet(conn);
}

/* ---- hearing ---- */

/* Cuts the first line off, without its end. false: there is none yet. */
static bool conn_line(struct conn *conn, char line[LINE_MAX_LEN])
{
    struct bytes *lines = &conn->lines;
    const uint8_t *end = lines->len ? memchr(lines->at, '\n', lines->len) : NULL;
    if (!end) {
        if (lines->len >= LINE_MAX_LEN)
            conn_end(conn);
        return false;
    }
    size_t len = (size_t)(end - lines->at);
    if (len >= LINE_MAX_LEN) {
        conn_end(conn);
        return false;
    }
    memcpy(line, lines->at, len);
    bytes_drop(lines, len + 1);
    if (len > 0 && line[len - 1] == '\r')
        len--;
    line[len] = '\0';
    return true;
}

static void conn_lines(struct conn *conn)
{
    char line[LINE_MAX_LEN];
    enum phase phase = conn->phase;
    while (conn->phase == phase && !conn->held && conn_line(conn, line))
        dialogue_line(conn, line);
    if (conn->upgrading && conn->phase == PHASE_CLEAR) {
        conn->upgrading = false;
        bytes_free(&conn->lines);
        conn->phase = PHASE_HELLO;
    }
}

/* Takes the connection as far as what was heard allows. */
static void conn_work(struct conn *conn)
{
    if (!conn->held && conn->phase == PHASE_CLEAR)
        conn_lines(conn);
    if (!conn->held && conn->phase == PHASE_HELLO)
        tls_hello(conn);
    if (!conn->held && conn->phase == PHASE_HANDSHAKE)
        tls_handshake(conn);
    if (!conn->held && conn->phase == PHASE_CLEAR)
        conn_lines(conn); /* the handshake failed, and it goes on */
    if (!conn->held && conn->phase == PHASE_SECURE) {
        if (conn->config->inject != INJECT_DELAYED)
            conn_lines(conn); /* what was injected, or heard in the pause */
        while (!conn->held && conn->phase == PHASE_SECURE && tls_receive(conn))
            conn_lines(conn);
    }
    conn_flush(conn);
}

static void conn_hear(struct conn *conn, const void *data, size_t len)
{
    bool clear = conn->phase == PHASE_CLEAR;
    if (conn->phase == PHASE_DEAF)
        return;
    if (!bytes_add(clear ? &conn->lines : &conn->in, IN_CAP, data, len))
        conn_reset(conn);
}

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    const struct conn *conn = handle->data;
    (void)wanted;
    *buffer = uv_buf_init(conn->listener->peer->read_buffer, READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buffer)
{
    struct conn *conn = stream->data;
    if (conn->closing || len == 0)
        return;
    if (len < 0) {
        conn_close(conn);
        return;
    }
    conn_talks(conn);
    if (conn->lingering)
        return;
    /* More than the caps in one read is fed in pieces, so that only what nobody takes counts
     * against them. */
    for (size_t at = 0; at < (size_t)len && !conn->closing;) {
        size_t piece = (size_t)len - at < IN_CAP / 2 ? (size_t)len - at : IN_CAP / 2;
        conn_hear(conn, buffer->base + at, piece);
        conn_work(conn);
        at += piece;
    }
}

/* ---- accepting ---- */

static void address_of(const struct sockaddr_storage *from, uint8_t address[16])
{
    if (from->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memset(address, 0, 10);
        memset(address + 10, 0xff, 2);
        memcpy(address + 12, &in.sin_addr, 4);
    } else {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        memcpy(address, &in6.sin6_addr, 16);
    }
}

static bool address_within(const uint8_t address[16], const uint8_t net[16], unsigned bits)
{
    if (memcmp(address, net, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || (address[bits / 8] ^ net[bits / 8]) >> (8 - bits % 8) == 0;
}

void conn_suspect(struct conn *conn)
{
    struct place *place = places_get(&conn->listener->peer->places, conn->local, NO_LISTENER);
    if (place)
        place->logins++;
}

static bool conn_banned(const struct conn *conn)
{
    const struct place *place =
        places_find(&conn->listener->peer->places, conn->local, NO_LISTENER);
    return conn->config->banned > 0 && place && place->logins >= conn->config->banned;
}

/* limit= and max-open=: is this one too many? */
static bool conn_too_many(struct conn *conn)
{
    const struct peer_config *config = conn->config;
    struct peer *peer = conn->listener->peer;
    struct place *place = places_get(&peer->places, conn->local, conn->listener->number);
    if (!place)
        return true;
    if (config->max_open > 0 && place->counts.open > config->max_open)
        return true;
    if (config->limit == 0)
        return false;
    uint64_t now = uv_now(peer->loop);
    if (place->window_count == 0 || now - place->window_start >= config->limit_seconds * 1000u) {
        place->window_start = now;
        place->window_count = 0;
    }
    return ++place->window_count > config->limit;
}

static struct conn *conn_new(struct listener *listener)
{
    struct peer *peer = listener->peer;
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->listener = listener;
    conn->config = &listener->config;
    conn->tcp.data = conn->pause.data = conn->drip.data = conn;
    if (uv_tcp_init(peer->loop, &conn->tcp) != 0) {
        free(conn);
        return NULL;
    }
    uv_timer_init(peer->loop, &conn->pause);
    uv_timer_init(peer->loop, &conn->drip);
    conn->handles = 3;
    conn->next = peer->conns;
    if (conn->next)
        conn->next->previous = conn;
    peer->conns = conn;
    peer->handles++;
    return conn;
}

static void conn_begin(struct conn *conn)
{
    const struct peer_config *config = conn->config;
    if (!address_within(conn->local, config->address, config->bits) || conn_banned(conn)) {
        conn->ending = ENDING_RESET;
        conn_close(conn);
        return;
    }
    if (config->cut != CUT_NEVER && config->cut_after == 0) {
        conn->ending = config->cut == CUT_RESET ? ENDING_RESET : ENDING_CLOSE;
    } else {
        conn->busy = conn_too_many(conn);
        conn->listener->stats.busy += conn->busy;
        if (config->mode == PEER_IMPLICIT) {
            conn->phase = PHASE_HELLO;
        } else {
            conn->phase = PHASE_CLEAR;
            conn_greet(conn);
        }
    }
    if (uv_read_start((uv_stream_t *)&conn->tcp, on_room, on_read) != 0)
        conn_close(conn);
    else
        conn_flush(conn);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct listener *listener = stream->data;
    struct sockaddr_storage local = {0};
    int len = sizeof local;
    struct conn *conn;
    if (status < 0 || !(conn = conn_new(listener)))
        return;
    bool accepted = uv_accept(stream, (uv_stream_t *)&conn->tcp) == 0;
    bool named = accepted && uv_tcp_getsockname(&conn->tcp, (struct sockaddr *)&local, &len) == 0;
    if (named)
        address_of(&local, conn->local);
    conn_count(conn, +1);
    if (!named) { /* reset before we looked */
        conn_close(conn);
        return;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    conn_begin(conn);
}

/* ---- listening ---- */

static int listener_bind(struct listener *listener)
{
    const struct peer_config *config = &listener->config;
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } at = {0};
    if (memcmp(config->address, mapped, 12) == 0) {
        at.in.sin_family = AF_INET;
        at.in.sin_port = htons(config->port);
        if (config->bits == 128)
            memcpy(&at.in.sin_addr, config->address + 12, 4);
    } else {
        at.in6.sin6_family = AF_INET6;
        at.in6.sin6_port = htons(config->port);
        if (config->bits == 128)
            memcpy(&at.in6.sin6_addr, config->address, 16);
    }
    return uv_tcp_bind(&listener->tcp, &at.any, at.any.sa_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
}

static int listener_listen(struct listener *listener)
{
    struct sockaddr_storage bound = {0};
    int len = sizeof bound;
    int code = listener_bind(listener);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&listener->tcp, BACKLOG, on_connection);
    if (code == 0)
        code = uv_tcp_getsockname(&listener->tcp, (struct sockaddr *)&bound, &len);
    if (code == 0) /* the port is at the same place in both families */
        listener->port = ntohs(((struct sockaddr_in *)&bound)->sin_port);
    return code;
}

/* Only what will be used is made: a listener without TLS needs no certificate. */
static bool listener_arm(struct listener *listener, struct peer_certs *certs,
                         struct peer_error *error)
{
    const struct peer_config *config = &listener->config;
    bool refuses = config->starttls == STARTTLS_NONE || config->starttls == STARTTLS_REFUSE ||
                   config->starttls == STARTTLS_TEMPORARY;
    if (config->mode == PEER_CLEAR && refuses)
        return true;
    listener->cert = certs_get(certs, config->cert, config->address, config->send_cert, error);
    if (!listener->cert)
        return false;
    if (!(config->versions & ~(unsigned)(VERSION_SSL2 | VERSION_SSL3)))
        return true;
    listener->priority = tls_priority(config->versions, error);
    if (!listener->priority)
        return false;
    int code = gnutls_session_ticket_key_generate(&listener->ticket_key);
    if (code < 0)
        snprintf(error->text, sizeof error->text, "no key for tickets: %s", gnutls_strerror(code));
    return code >= 0;
}

static void listener_disarm(struct listener *listener)
{
    if (listener->priority)
        gnutls_priority_deinit(listener->priority);
    gnutls_free(listener->ticket_key.data);
}

static bool listener_start(struct listener *listener, struct peer_certs *certs,
                           struct peer_error *error)
{
    struct peer *peer = listener->peer;
    char address[INET6_ADDRSTRLEN];
    if (!listener_arm(listener, certs, error))
        return false;
    int code = uv_tcp_init(peer->loop, &listener->tcp);
    if (code == 0) {
        listener->tcp.data = listener;
        peer->handles++;
        peer->count++; /* from here on it must be closed */
        code = listener_listen(listener);
    }
    if (code == 0)
        return true;
    script_address(listener->config.address, address, sizeof address);
    snprintf(error->text, sizeof error->text, "cannot listen on %s port %u: %s", address,
             listener->config.port, uv_strerror(code));
    return false;
}

struct peer *peer_start(uv_loop_t *loop, const struct peer_config *configs, size_t count,
                        struct peer_certs *certs, struct peer_error *error)
{
    struct peer *peer = count <= LISTENERS_MAX ? calloc(1, sizeof *peer) : NULL;
    if (peer)
        peer->listeners = calloc(count ? count : 1, sizeof *peer->listeners);
    if (!peer || !peer->listeners) {
        free(peer);
        *error = (struct peer_error){.text = "out of memory"};
        return NULL;
    }
    peer->loop = loop;
    for (size_t i = 0; i < count; i++) {
        struct listener *listener = &peer->listeners[i];
        listener->peer = peer;
        listener->number = (uint32_t)i;
        listener->config = configs[i];
        if (!listener_start(listener, certs, error)) {
            error->line = (unsigned)i + 1;
            if (peer->count == i)
                listener_disarm(listener);
            peer_stop(peer);
            return NULL;
        }
    }
    return peer;
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    struct peer *peer = listener->peer;
    listener_disarm(listener);
    peer->handles--;
    peer_release(peer);
}

void peer_stop(struct peer *peer)
{
    peer->stopping = true;
    while (peer->conns)
        conn_close(peer->conns);
    for (size_t i = 0; i < peer->count; i++)
        uv_close((uv_handle_t *)&peer->listeners[i].tcp, on_listener_closed);
    peer_release(peer);
}

/* ---- counters ---- */

uint16_t peer_port(const struct peer *peer, size_t listener)
{
    return peer->listeners[listener].port;
}

const struct peer_stats *peer_stats(const struct peer *peer, size_t listener)
{
    return &peer->listeners[listener].stats;
}

const struct peer_place *peer_address(const struct peer *peer, const char *address)
{
    uint8_t bytes[16] = {[10] = 0xff, [11] = 0xff};
    if (inet_pton(AF_INET, address, bytes + 12) != 1 && inet_pton(AF_INET6, address, bytes) != 1)
        return NULL;
    const struct place *place = places_find(&peer->places, bytes, NO_LISTENER);
    return place ? &place->counts : NULL;
}

static void report_listener(const struct listener *listener, FILE *file)
{
    const struct peer_config *config = &listener->config;
    const struct peer_stats *s = &listener->stats;
    char address[INET6_ADDRSTRLEN];
    bool v4 = config->address[10] == 0xff;
    script_address(config->address, address, sizeof address);
    fprintf(file, "  {\"address\": \"%s\", \"bits\": %u, \"port\": %u, ", address,
            v4 ? config->bits - 96 : config->bits, listener->port);
    fprintf(file, "\"protocol\": \"%s\", \"mode\": \"%s\", ", script_protocol(config->protocol),
            script_mode(config->mode));
    fprintf(file, "\"accepted\": %ju, \"open\": %ju, \"max_open\": %ju, \"busy\": %ju, ",
            (uintmax_t)s->accepted, (uintmax_t)s->open, (uintmax_t)s->max_open, (uintmax_t)s->busy);
    fprintf(file, "\"handshakes\": %ju, \"resumed\": %ju, ", (uintmax_t)s->handshakes,
            (uintmax_t)s->resumed);
    fprintf(file, "\"polite\": %ju, ", (uintmax_t)s->polite);
    fprintf(file, "\"logins\": %ju, \"injections\": %ju, ", (uintmax_t)s->logins,
            (uintmax_t)s->injections);
    fprintf(file, "\"credentials\": %ju, \"user\": \"%s\"}", (uintmax_t)s->credentials, s->user);
}

int peer_report(const struct peer *peer, FILE *file)
{
    const char *comma = "\n";
    fprintf(file, "{\"listeners\": [");
    for (size_t i = 0; i < peer->count; i++, comma = ",\n") {
        fprintf(file, "%s", comma);
        report_listener(&peer->listeners[i], file);
    }
    fprintf(file, "],\n \"addresses\": [");
    comma = "\n";
    for (size_t i = 0; i < peer->places.size; i++) {
        const struct place *place = &peer->places.at[i];
        char address[INET6_ADDRSTRLEN];
        if (!place->used || place->listener != NO_LISTENER)
            continue;
        script_address(place->address, address, sizeof address);
        fprintf(file,
                "%s  {\"address\": \"%s\", \"accepted\": %ju, \"open\": %ju, \"max_open\": %ju, "
                "\"max_talking\": %ju}",
                comma, address, (uintmax_t)place->counts.accepted, (uintmax_t)place->counts.open,
                (uintmax_t)place->counts.max_open, (uintmax_t)place->counts.max_talking);
        comma = ",\n";
    }
    fprintf(file, "]}\n");
    return fflush(file) == 0 && !ferror(file) ? 0 : -1;
}
