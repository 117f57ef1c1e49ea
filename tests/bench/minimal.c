/* SPDX-License-Identifier: MIT */
/* The minimal client: what the kernel and the handshake themselves cost.
 *
 *     bench_minimal WORK PORT COUNT CONCURRENCY   a connection to each address from 127.64.0.0
 *     bench_minimal dns PORT COUNT CONCURRENCY       two questions for each name
 *     bench_minimal full|resumed|full-1.2|resumed-1.2 PEM COUNT    handshakes in memory
 *
 * It prints how many came to their end, or the CPU time of one handshake. It looks at no answer:
 * whatever comes in one piece is one. */
#define _GNU_SOURCE
#include "minimal.h"

#include "protocols/hello.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, MESSAGES_MAX = 3, BASE = 0x7f400000 };
enum { NAMES_AT_ONCE = 64 }; /* their answers fit into the socket's buffer */

static uint8_t hellos[VERSION_COUNT][HELLO_MAX];
static size_t hello_lens[VERSION_COUNT];

struct work {
    const char *name;
    bool first;                    /* speaks before the server does */
    bool refused;                  /* nobody is to be there */
    const char *say[MESSAGES_MAX]; /* one after each answer; NULL behind the last */
};

#define HELLO "" /* stands for a hand-made hello: of another version each time */

static const struct work works[] = {
    {.name = "closed", .refused = true},
    {.name = "grab", .say = {"a1 CAPABILITY\r\n"}},
    {.name = "dialogue", .say = {"a1 CAPABILITY\r\n", "a2 STARTTLS\r\n"}},
    {.name = "hello", .first = true, .say = {HELLO}},
    {.name = "starttls-hello", .say = {"a1 STARTTLS\r\n", HELLO}},
};

struct conn {
    int fd;
    unsigned said;
    unsigned number;
};

static const struct work *work;
static int epoll_fd;
static struct sockaddr_in address = {.sin_family = AF_INET};
static unsigned begun, done, failed, count;

static void die(const char *what)
{
    fprintf(stderr, "bench_minimal: %s: %s\n", what, strerror(errno));
    exit(2);
}

static void conn_begin(struct conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    if (work->first)
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    conn->number = begun++;
    conn->said = 0;
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(BASE + conn->number);
    if (conn->fd < 0 || (connect(conn->fd, (struct sockaddr *)&address, sizeof address) < 0 &&
                         errno != EINPROGRESS))
        die("connect");
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conn->fd, &event) < 0)
        die("epoll_ctl");
}

static void conn_end(struct conn *conn, bool good)
{
    close(conn->fd);
    done += good;
    failed += !good;
    if (begun < count)
        conn_begin(conn);
}

static bool conn_say(struct conn *conn)
{
    const char *text = work->say[conn->said++];
    const void *data = text;
    size_t len = strlen(text);
    if (len == 0) {
        unsigned version = conn->number % VERSION_COUNT;
        data = hellos[version];
        len = hello_lens[version];
    }
    return send(conn->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void on_refusal(struct conn *conn)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    conn_end(conn, error == ECONNREFUSED);
}

static void on_event(struct conn *conn, unsigned events)
{
    char waste[8192];
    if (work->refused) {
        on_refusal(conn);
        return;
    }
    if (events & EPOLLIN) {
        ssize_t got = recv(conn->fd, waste, sizeof waste, 0);
        bool last = conn->said == MESSAGES_MAX || !work->say[conn->said];
        /* SSLv2's hello, and others that are refused, may be answered by the end alone */
        if (got <= 0 || last || !conn_say(conn))
            conn_end(conn, last && (got > 0 || *work->say[conn->said - 1] == '\0'));
    } else if (!(events & EPOLLOUT) || (conn->said == 0 && !conn_say(conn))) {
        conn_end(conn, false);
    }
}

static void hellos_build(void)
{
    static const uint8_t random[HELLO_RANDOM] = {1};
    for (int v = 0; v < VERSION_COUNT; v++) {
        struct hello hello = {.highest = (enum version)v, .random = random};
        hello_lens[v] = hello_build(&hello, hellos[v]);
    }
}

static void connections_make(unsigned concurrency)
{
    struct epoll_event events[EVENTS];
    struct conn *conns = calloc(concurrency, sizeof *conns);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!conns || epoll_fd < 0)
        die("setting up");
    hellos_build();
    for (unsigned i = 0; i < concurrency && begun < count; i++)
        conn_begin(&conns[i]);
    while (done + failed < count) {
        int ready = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < ready; i++)
            on_event(events[i].data.ptr, events[i].events);
    }
    free(conns);
}

/* --- names ------------------------------------------------------------------------------------ */

static void question_send(int fd, unsigned number, unsigned kind)
{
    char packet[64] = {(char)(number >> 8), (char)number, 1, 0, 0, 1}, name[8];
    static const char rest[] = "\5bench\4test\0\0\0\0\1";
    snprintf(name, sizeof name, "h%06u", number % 1000000);
    packet[12] = 7;
    memcpy(packet + 13, name, 7);
    memcpy(packet + 20, rest, sizeof rest - 1);
    packet[20 + 13] = (char)kind;
    if (send(fd, packet, 20 + sizeof rest - 1, 0) < 0)
        die("question");
}

/* A and AAAA of each, over one socket. */
static void names_ask(void)
{
    const struct timeval patience = {.tv_sec = 10};
    char answer[512];
    unsigned answered = 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        die("socket");
    while (answered < 2 * count) {
        for (; begun < count && 2 * begun < answered + 2 * NAMES_AT_ONCE; begun++) {
            question_send(fd, begun, 1);
            question_send(fd, begun, 28);
        }
        if (recv(fd, answer, sizeof answer, 0) < 0)
            die("answer");
        answered++;
    }
    done = count;
    close(fd);
}

/* --- the command line ------------------------------------------------------------------------- */

static bool in_memory(int argc, char **argv)
{
    static const struct {
        const char *name, *priority;
        bool resumed;
    } kinds[] = {
        {"full", "NORMAL", false},
        {"resumed", "NORMAL", true},
        {"full-1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2", false},
        {"resumed-1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2", true},
    };
    for (size_t i = 0; argc == 4 && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(argv[1], kinds[i].name) == 0) {
            printf("{\"cpu_us\": %.3f}\n",
                   handshake_cost(argv[2], kinds[i].priority, kinds[i].resumed,
                                  (unsigned)atoi(argv[3])));
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    if (in_memory(argc, argv))
        return 0;
    bool names = argc == 5 && strcmp(argv[1], "dns") == 0;
    for (size_t i = 0; argc == 5 && i < sizeof works / sizeof *works; i++)
        if (strcmp(argv[1], works[i].name) == 0)
            work = &works[i];
    if (!work && !names) {
        fputs("usage: bench_minimal WORK PORT COUNT CONCURRENCY\n", stderr);
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    count = (unsigned)atoi(argv[3]);
    if (names)
        names_ask();
    else
        connections_make((unsigned)atoi(argv[4]));
    printf("{\"done\": %u, \"failed\": %u}\n", done, failed);
    return failed ? 1 : 0;
}
