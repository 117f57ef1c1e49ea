/* SPDX-License-Identifier: MIT */
/* The serving side of the benchmark: IMAP and names, for every address of 127.0.0.0/8 at once.
 *
 *     bench_server ECDSA.pem RSA.pem         (each: key, leaf, and what else is sent of the chain)
 *
 * Says on its first line, as JSON, which ports the kernel picked: one for each row of the table
 * below, "dns" (UDP) and "closed" (held, so that nobody listens there). Each line on its standard
 * input gets a line of counters; at the end of its input it ends. One thread, one epoll; it listens
 * on the loopback device alone. It is made to cost little, not to stand up to strangers: it takes
 * for granted that what it sends fits into a socket's buffer. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, BACKLOG = 4096, LINE_SIZE = 512, HELD_BACK = 32, FLIGHT_SIZE = 8192 };
enum { BASE = 0x7f400000 /* 127.64.0.0: the address of h000000.bench.test */ };
enum kind { ECDSA, RSA, KINDS };

/* What an epoll event points to, always the first member. */
struct source {
    void (*on_event)(struct source *);
    int fd;
};

struct listener {
    struct source source;
    const char *name;
    enum kind kind;
    bool implicit;
    bool mute;  /* greets, and says nothing more */
    bool stall; /* holds the end of its first flight back, and says nothing more */
};

enum stage { STAGE_LINES, STAGE_HANDSHAKE, STAGE_INSIDE, STAGE_STALLED };

struct conn {
    struct source source;
    const struct listener *listener;
    gnutls_session_t session;
    enum stage stage;
    size_t len;
    char line[LINE_SIZE];
};

/* plain, hellos, full, resumed: how far with TLS a connection was when it ended. */
static struct {
    unsigned long accepted, plain, hellos, full, resumed, questions, failed;
    unsigned long open, most_open; /* most: since the last report */
} counted;
static bool ending;

static int epoll_fd;
static gnutls_priority_t priority;
static gnutls_datum_t ticket_key;
static gnutls_certificate_credentials_t credentials[KINDS];

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_server: %s: %s\n", what, why);
    exit(2);
}

static void need(int result, const char *what)
{
    if (result < 0)
        die(what, gnutls_strerror(result));
}

static void watch(struct source *source)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0)
        die("epoll_ctl", strerror(errno));
}

/* --- a connection ----------------------------------------------------------------------------- */

static void conn_close(struct conn *conn)
{
    if (conn->stage == STAGE_LINES)
        counted.plain++;
    else if (conn->stage == STAGE_HANDSHAKE)
        counted.hellos++;
    if (conn->session)
        gnutls_deinit(conn->session);
    close(conn->source.fd);
    free(conn);
    counted.open--;
}

static void say(struct conn *conn, const char *text, size_t len)
{
    ssize_t sent = conn->stage == STAGE_INSIDE
                       ? gnutls_record_send(conn->session, text, len)
                       : send(conn->source.fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    counted.failed += sent < 0 || (size_t)sent != len;
}

/* What GnuTLS sends to a client of a stalling listener, in one call. */
static struct {
    size_t len;
    char bytes[FLIGHT_SIZE];
} flight;

static ssize_t on_push(gnutls_transport_ptr_t pointer, const giovec_t *pieces, int count)
{
    size_t start = flight.len;
    (void)pointer;
    for (int i = 0; i < count; i++) {
        if (flight.len + pieces[i].iov_len > sizeof flight.bytes)
            die("flight", "too long");
        memcpy(flight.bytes + flight.len, pieces[i].iov_base, pieces[i].iov_len);
        flight.len += pieces[i].iov_len;
    }
    return (ssize_t)(flight.len - start);
}

static void tls_begin(struct conn *conn)
{
    need(gnutls_init(&conn->session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL), "init");
    need(gnutls_priority_set(conn->session, priority), "priority");
    need(gnutls_credentials_set(conn->session, GNUTLS_CRD_CERTIFICATE,
                                credentials[conn->listener->kind]),
         "credentials");
    need(gnutls_session_ticket_enable_server(conn->session, &ticket_key), "tickets");
    gnutls_transport_set_int(conn->session, conn->source.fd);
    if (conn->listener->stall) {
        gnutls_transport_set_ptr2(conn->session, (gnutls_transport_ptr_t)(intptr_t)conn->source.fd,
                                  conn);
        gnutls_transport_set_vec_push_function(conn->session, on_push);
    }
    conn->stage = STAGE_HANDSHAKE;
    conn->len = 0; /* what stood behind STARTTLS is dropped */
}

/* --- IMAP ------------------------------------------------------------------------------------- */

#define CLEAR "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE STARTTLS LOGINDISABLED"
#define INSIDE "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN AUTH=LOGIN"

static void greet(struct conn *conn)
{
    static const char clear[] = "* OK [CAPABILITY " CLEAR "] bench ready.\r\n";
    static const char inside[] = "* OK [CAPABILITY " INSIDE "] bench ready.\r\n";
    if (conn->stage == STAGE_INSIDE)
        say(conn, inside, sizeof inside - 1);
    else
        say(conn, clear, sizeof clear - 1);
}

/* One reply: what stands before the tag, and what stands behind it. */
static void reply(struct conn *conn, const char *tag, const char *before, const char *behind)
{
    char text[LINE_SIZE];
    int len = snprintf(text, sizeof text, "%s%s %s\r\n", before, tag, behind);
    say(conn, text, (size_t)len);
}

/* false: it is over. */
static bool obey(struct conn *conn, char *line)
{
    bool secure = conn->stage == STAGE_INSIDE;
    char *rest = strchr(line, ' ');
    if (conn->listener->mute)
        return true;
    if (!rest) {
        reply(conn, "*", "", "BAD What?");
        return true;
    }
    *rest++ = '\0';
    if (strcasecmp(rest, "CAPABILITY") == 0) {
        reply(conn, line, secure ? "* CAPABILITY " INSIDE "\r\n" : "* CAPABILITY " CLEAR "\r\n",
              "OK Capability completed.");
    } else if (strcasecmp(rest, "STARTTLS") == 0 && !secure) {
        reply(conn, line, "", "OK Begin TLS negotiation now.");
        tls_begin(conn);
    } else if (strncasecmp(rest, "AUTHENTICATE", 12) == 0 && !secure) {
        reply(conn, line, "", "NO [PRIVACYREQUIRED] Plaintext authentication needs TLS.");
    } else if (strcasecmp(rest, "NOOP") == 0) {
        reply(conn, line, "", "OK NOOP completed.");
    } else if (strcasecmp(rest, "LOGOUT") == 0) {
        reply(conn, line, "* BYE Logging out\r\n", "OK Logout completed.");
        return false;
    } else {
        reply(conn, line, "", "BAD Unknown command.");
    }
    return true;
}

/* false: it is over. */
static bool lines_take(struct conn *conn)
{
    char *end;
    while ((end = memchr(conn->line, '\n', conn->len))) {
        size_t used = (size_t)(end - conn->line) + 1;
        *end = '\0';
        if (end > conn->line && end[-1] == '\r')
            end[-1] = '\0';
        enum stage before = conn->stage;
        if (!obey(conn, conn->line))
            return false;
        if (conn->stage != before)
            return true;
        conn->len -= used;
        memmove(conn->line, conn->line + used, conn->len);
    }
    return conn->len < sizeof conn->line;
}

/* --- events ----------------------------------------------------------------------------------- */

/* The same for both: > 0 octets, 0 at the end, -1 for later. */
static ssize_t take(struct conn *conn)
{
    char *to = conn->line + conn->len;
    size_t max = sizeof conn->line - conn->len;
    if (conn->stage == STAGE_INSIDE) {
        ssize_t got = gnutls_record_recv(conn->session, to, max);
        return got >= 0 ? got : gnutls_error_is_fatal((int)got) ? 0 : -1;
    }
    ssize_t got = recv(conn->source.fd, to, max, 0);
    return got < 0 && errno != EAGAIN ? 0 : got;
}

static void on_bytes(struct conn *conn)
{
    ssize_t got;
    do {
        got = take(conn);
        if (got > 0)
            conn->len += (size_t)got;
        if (got == 0 || (got > 0 && !lines_take(conn))) {
            if (got > 0 && conn->stage == STAGE_INSIDE)
                gnutls_bye(conn->session, GNUTLS_SHUT_WR);
            conn_close(conn);
            return;
        }
    } while (got > 0 && conn->stage == STAGE_INSIDE);
}

static int handshake(struct conn *conn)
{
    int result;
    flight.len = 0;
    do
        result = gnutls_handshake(conn->session);
    while (result < 0 && result != GNUTLS_E_AGAIN && !gnutls_error_is_fatal(result));
    if (flight.len > HELD_BACK) {
        send(conn->source.fd, flight.bytes, flight.len - HELD_BACK, MSG_NOSIGNAL | MSG_DONTWAIT);
        conn->stage = STAGE_STALLED;
    }
    return result;
}

static void on_handshake(struct conn *conn)
{
    int result = handshake(conn);
    if (result == GNUTLS_E_AGAIN)
        return;
    if (result < 0) {
        gnutls_alert_send_appropriate(conn->session, result);
        conn_close(conn);
        return;
    }
    if (gnutls_session_is_resumed(conn->session))
        counted.resumed++;
    else
        counted.full++;
    conn->stage = STAGE_INSIDE;
    if (conn->listener->implicit)
        greet(conn);
    on_bytes(conn);
}

static void on_stalled(struct conn *conn)
{
    char waste[LINE_SIZE];
    if (recv(conn->source.fd, waste, sizeof waste, 0) == 0 || errno != EAGAIN)
        conn_close(conn);
}

static void on_conn(struct source *source)
{
    struct conn *conn = (struct conn *)source;
    switch (conn->stage) {
    case STAGE_HANDSHAKE:
        on_handshake(conn);
        break;
    case STAGE_STALLED:
        on_stalled(conn);
        break;
    default:
        on_bytes(conn);
    }
}

static void on_listener(struct source *source)
{
    const struct listener *listener = (const struct listener *)source;
    int fd;
    while ((fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *conn = calloc(1, sizeof *conn);
        if (!conn)
            die("connection", strerror(errno));
        *conn = (struct conn){.source = {on_conn, fd}, .listener = listener};
        counted.accepted++;
        if (++counted.open > counted.most_open)
            counted.most_open = counted.open;
        if (listener->implicit)
            tls_begin(conn);
        else
            greet(conn);
        watch(&conn->source);
    }
    if (errno != EAGAIN && errno != ECONNABORTED)
        die("accept", strerror(errno));
}

/* --- names: h000123.bench.test is the 123rd address from BASE --------------------------------- */

enum { HEADER = 12, QUESTION = 1 + 7 + 1 + 5 + 1 + 4 + 1 + 4, ANSWER = 16 };

static size_t name_answer(uint8_t packet[HEADER + QUESTION + ANSWER])
{
    uint8_t *question = packet + HEADER, *answer = question + QUESTION;
    char digits[7] = {0};
    memcpy(digits, question + 2, 6);
    uint32_t address = htonl(BASE + (uint32_t)strtoul(digits, NULL, 10));
    bool is_a = question[QUESTION - 3] == 1;
    const uint8_t flags[] = {0x85, 0x80, 0, 1, 0, is_a, 0, 0, 0, 0};
    const uint8_t record[] = {0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4};
    memcpy(packet + 2, flags, sizeof flags);
    memcpy(answer, record, sizeof record);
    memcpy(answer + sizeof record, &address, sizeof address);
    return HEADER + QUESTION + (is_a ? ANSWER : 0);
}

static void on_question(struct source *source)
{
    uint8_t packet[512];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t len;
    while ((len = recvfrom(source->fd, packet, sizeof packet, 0, (struct sockaddr *)&from,
                           &from_len)) >= 0) {
        counted.questions++;
        if (len < HEADER + QUESTION)
            continue;
        size_t answer = name_answer(packet);
        sendto(source->fd, packet, answer, 0, (struct sockaddr *)&from, from_len);
    }
}

/* --- control ---------------------------------------------------------------------------------- */

static void report(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"accepted\": %lu, \"plain\": %lu, \"hellos\": %lu, \"full\": %lu, \"resumed\": %lu, "
           "\"questions\": %lu, \"failed\": %lu, \"most_open\": %lu, \"cpu_us\": %ld}\n",
           counted.accepted, counted.plain, counted.hellos, counted.full, counted.resumed,
           counted.questions, counted.failed, counted.most_open,
           (long)((used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 + used.ru_utime.tv_usec +
                  used.ru_stime.tv_usec));
    fflush(stdout);
    counted.most_open = counted.open;
}

static void on_control(struct source *source)
{
    char line[64];
    ssize_t got = read(source->fd, line, sizeof line);
    if (got > 0)
        report();
    else
        ending = epoll_ctl(epoll_fd, EPOLL_CTL_DEL, source->fd, NULL) == 0;
}

/* --- setting up ------------------------------------------------------------------------------- */

static struct listener listeners[] = {
    {.name = "imap", .kind = ECDSA},
    {.name = "imap-rsa", .kind = RSA},
    {.name = "imaps", .kind = ECDSA, .implicit = true},
    {.name = "imaps-rsa", .kind = RSA, .implicit = true},
    {.name = "mute", .kind = ECDSA, .mute = true},
    {.name = "stall", .kind = ECDSA, .stall = true, .implicit = true},
};

/* On any address of the loopback device. The port is the kernel's choice. */
static int port_open(int type, const char *name, bool listening)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), size = 4 << 20;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof "lo") < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        (type == SOCK_DGRAM && setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0) ||
        (listening && listen(fd, BACKLOG) < 0) ||
        getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        die(name, strerror(errno));
    printf("%s\"%s\": %u", strcmp(name, listeners[0].name) == 0 ? "{" : ", ", name,
           ntohs(address.sin_port));
    return fd;
}

static void listen_all(void)
{
    static struct source dns = {.on_event = on_question}, control = {.on_event = on_control};
    for (size_t i = 0; i < sizeof listeners / sizeof *listeners; i++) {
        listeners[i].source.on_event = on_listener;
        listeners[i].source.fd = port_open(SOCK_STREAM, listeners[i].name, true);
        watch(&listeners[i].source);
    }
    dns.fd = port_open(SOCK_DGRAM, "dns", false);
    port_open(SOCK_STREAM, "closed", false);
    control.fd = STDIN_FILENO;
    watch(&dns);
    watch(&control);
    puts("}");
    fflush(stdout);
}

static void tls_prepare(char *const files[KINDS])
{
    need(gnutls_priority_init(&priority, "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", NULL),
         "priority");
    need(gnutls_session_ticket_key_generate(&ticket_key), "ticket key");
    for (int kind = 0; kind < KINDS; kind++) {
        need(gnutls_certificate_allocate_credentials(&credentials[kind]), "credentials");
        need(gnutls_certificate_set_x509_key_file(credentials[kind], files[kind], files[kind],
                                                  GNUTLS_X509_FMT_PEM),
             files[kind]);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    struct rlimit files;
    if (argc != 1 + KINDS)
        die("usage", "bench_server ECDSA.pem RSA.pem");
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    tls_prepare(argv + 1);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    listen_all();
    while (!ending || counted.open > 0) {
        int count = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            struct source *source = events[i].data.ptr;
            source->on_event(source);
        }
    }
}
