/* SPDX-License-Identifier: MIT */
/* The played peer plays what it says: parse errors, greetings, dialogues, versions, counters, and a
 * loop that closes.
 *
 * Clients are plain non-blocking sockets; whoever waits turns the peer's loop meanwhile. */
#define _GNU_SOURCE
#include "peer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

GNUTLS_SKIP_GLOBAL_INIT

enum { LISTENERS = 8, HEARD = 16 * 1024 };

struct farm {
    uv_loop_t loop;
    uv_timer_t watchdog;
    struct peer_certs *certs;
    struct peer *peer;
    bool late;
};

static char directory[] = "/tmp/test-peer-XXXXXX";

/* ---- the farm ---- */

static void on_watchdog(uv_timer_t *timer)
{
    struct farm *farm = timer->data;
    farm->late = true;
}

/* The lines end with NULL. */
static void farm_start(struct farm *farm, const char *const *lines)
{
    struct peer_config configs[LISTENERS];
    struct peer_error error = {0};
    size_t count = 0;
    *farm = (struct farm){0};
    for (; lines[count]; count++) {
        assert_true(count < LISTENERS);
        if (peer_parse(lines[count], &configs[count], &error) != 1)
            fail_msg("%s: %s", lines[count], error.text);
    }
    assert_int_equal(uv_loop_init(&farm->loop), 0);
    farm->certs = peer_certs_open(directory, &error);
    if (!farm->certs)
        fail_msg("%s", error.text);
    farm->peer = peer_start(&farm->loop, configs, count, farm->certs, &error);
    if (!farm->peer)
        fail_msg("%s", error.text);
    farm->watchdog.data = farm;
    uv_timer_init(&farm->loop, &farm->watchdog);
    uv_timer_start(&farm->watchdog, on_watchdog, 60000, 0);
}

static void farm_stop(struct farm *farm)
{
    peer_stop(farm->peer);
    uv_close((uv_handle_t *)&farm->watchdog, NULL);
    uv_run(&farm->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&farm->loop), 0);
    peer_certs_close(farm->certs);
}

/* Sleeps until something happens, or a moment has gone: the other ends are not in the loop. */
static void farm_turn(struct farm *farm)
{
    uv_run(&farm->loop, UV_RUN_NOWAIT);
    usleep(1000);
    if (farm->late)
        fail_msg("nothing happened for a minute");
}

static int client_open(struct farm *farm, size_t listener, const char *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    in.sin_port = htons(peer_port(farm->peer, listener));
    assert_int_equal(inet_pton(AF_INET, address, &in.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void client_say(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Hears until `ending` is the end of it, or the connection has ended ("<EOF>", "<RST>" are put
 * behind). */
static size_t client_hear(struct farm *farm, int fd, char heard[HEARD], const void *ending,
                          size_t wanted)
{
    size_t len = 0;
    while (len < HEARD - 16) {
        ssize_t got = recv(fd, heard + len, HEARD - 16 - len, 0);
        if (got > 0)
            len += (size_t)got;
        else if (got == 0 || errno != EAGAIN)
            len += (size_t)sprintf(heard + len, got == 0 ? "<EOF>" : "<RST>");
        heard[len] = '\0';
        if (len >= wanted && memcmp(heard + len - wanted, ending, wanted) == 0)
            return len;
        if (got == 0 || (got < 0 && errno != EAGAIN))
            fail_msg("ended too early: '%s'", heard);
        farm_turn(farm);
    }
    fail_msg("heard too much");
    return 0;
}

static void client_expect(struct farm *farm, int fd, const char *text)
{
    char heard[HEARD];
    client_hear(farm, fd, heard, text, strlen(text));
    assert_string_equal(heard, text);
}

static void client_ask(struct farm *farm, int fd, const char *command, const char *reply)
{
    client_say(fd, command, strlen(command));
    client_expect(farm, fd, reply);
}

/* Turns until every connection of that listener has ended. */
static void farm_settle(struct farm *farm, size_t listener)
{
    while (peer_stats(farm->peer, listener)->open > 0)
        farm_turn(farm);
}

/* ---- parsing ---- */

static void test_parse_line(void **state)
{
    struct peer_config config;
    struct peer_error error;
    (void)state;
    assert_int_equal(peer_parse("  # nothing", &config, &error), 0);
    assert_int_equal(peer_parse("\n", &config, &error), 0);
    assert_int_equal(peer_parse("127.0.0.0/17 143 imap clear versions=ssl2,1.3 cut=reset:9 "
                                "refuse=choose:1.1 greeting-text=\"a b\\x00\\n\" # so",
                                &config, &error),
                     1);
    assert_int_equal(config.bits, 113);
    assert_int_equal(config.port, 143);
    assert_int_equal(config.versions, VERSION_SSL2 | VERSION_TLS13);
    assert_int_equal(config.cut, CUT_RESET);
    assert_int_equal(config.cut_after, 9);
    assert_int_equal(config.refuse_version, VERSION_TLS11);
    assert_int_equal(config.greeting_text_len, 5);
    assert_memory_equal(config.greeting_text, "a b\0\n", 5);
    assert_int_equal(peer_parse("::1 25 smtp implicit", &config, &error), 1);
    assert_int_equal(config.bits, 128);
    assert_int_equal(config.mode, PEER_IMPLICIT);
}

static void test_parse_errors(void **state)
{
    static const char *const cases[][2] = {
        {"127.0.0.1 25 smtp", "wanted: ADDRESS PORT"},
        {"127.0.0 25 smtp clear", "not an address: 127.0.0"},
        {"127.0.0.1/33 25 smtp clear", "not an address"},
        {"127.0.0.1 65536 smtp clear", "not a port: 65536"},
        {"127.0.0.1 25 nntp clear", "not a protocol"},
        {"127.0.0.1 25 smtp tls", "not a mode"},
        {"127.0.0.1 25 smtp clear x=1", "unknown key: x"},
        {"127.0.0.1 25 smtp clear drip", "wanted KEY=VALUE: drip"},
        {"127.0.0.1 25 smtp clear drip=-1", "bad value of: drip"},
        {"127.0.0.1 25 smtp clear versions=1.4", "bad value of: versions"},
        {"127.0.0.1 25 smtp clear refuse=alert:256", "bad value of: refuse"},
        {"127.0.0.1 25 smtp clear greeting=preauth", "is for imap"},
        {"127.0.0.1 25 smtp implicit starttls=none", "an implicit port has no starttls="},
        {"127.0.0.1 25 smtp clear greeting-text=\"x", "bad quoting"},
        {"127.0.0.1 25 smtp clear greeting-text=\"\\xg0\"", "bad quoting"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer_config config;
        struct peer_error error = {0};
        if (peer_parse(cases[i][0], &config, &error) != -1 || !strstr(error.text, cases[i][1]))
            fail_msg("%s: '%s'", cases[i][0], error.text);
    }
}

static void test_parse_file(void **state)
{
    char good[] = "# two\n127.0.0.2 0 imap clear\n\n127.0.0.3 0 ftp implicit\n";
    char bad[] = "# two\n127.0.0.2 0 imap clear\n\n127.0.0.3 0 ftp sideways\n";
    struct peer_config *configs;
    struct peer_error error;
    size_t count;
    (void)state;
    FILE *file = fmemopen(good, sizeof good - 1, "r");
    assert_int_equal(peer_parse_file(file, &configs, &count, &error), 0);
    fclose(file);
    assert_int_equal(count, 2);
    assert_int_equal(configs[1].protocol, PEER_FTP);
    free(configs);
    file = fmemopen(bad, sizeof bad - 1, "r");
    assert_int_equal(peer_parse_file(file, &configs, &count, &error), -1);
    fclose(file);
    assert_int_equal(error.line, 4);
    assert_string_equal(error.text, "not a mode (clear, implicit): sideways");
}

/* ---- playing ---- */

static void test_greetings(void **state)
{
    static const char *const lines[] = {
        "127.77.1.1 0 imap clear greeting=preauth",
        "127.77.1.1 0 smtp clear greeting=busy",
        "127.77.1.1 0 ftp clear greeting=multiline drip=1",
        "127.77.1.1 0 pop3 clear cut=close:5",
        "127.77.1.1 0 pop3 clear cut=reset:0",
        "127.77.1.1 0 imap clear greeting-text=\"* OK \\xff\" greeting-delay=20",
        NULL};
    static const char ftp_greeting[] = "220-ftp.demo.test\r\n"
                                       "Welcome, stranger.\r\n"
                                       "  220 is the number of our bus.\r\n"
                                       "220-\r\n"
                                       "220 ready.\r\n";
    static const char *const heard[] = {"* PREAUTH mail.demo.test you are known here\r\n",
                                        "421 4.7.0 mail.demo.test Too many connections\r\n<EOF>",
                                        ftp_greeting,
                                        "+OK m<EOF>",
                                        "<RST>",
                                        "* OK \xff\r\n"};
    struct farm farm;
    (void)state;
    farm_start(&farm, lines);
    for (size_t i = 0; i < sizeof heard / sizeof *heard; i++) {
        int fd = client_open(&farm, i, "127.77.1.1");
        client_expect(&farm, fd, heard[i]);
        close(fd);
    }
    farm_stop(&farm);
}

/* A line that never ends, taken for a while, does not fill the peer's memory or stop its loop. */
static void test_flood(void **state)
{
    static const char *const lines[] = {"127.77.1.1 0 imap clear greeting=flood",
                                        "127.77.1.1 0 imap clear", NULL};
    struct farm farm;
    char heard[HEARD];
    size_t sum = 0;
    (void)state;
    farm_start(&farm, lines);
    int fd = client_open(&farm, 0, "127.77.1.1");
    while (sum < 1000000) {
        ssize_t got = recv(fd, heard, sizeof heard, 0);
        assert_true(got > 0 || (got < 0 && errno == EAGAIN));
        for (ssize_t i = sum ? 0 : 5; i < got; i++)
            assert_int_equal(heard[i], 'A');
        sum += got > 0 ? (size_t)got : 0;
        farm_turn(&farm);
    }
    int other = client_open(&farm, 1, "127.77.1.1");
    client_expect(&farm, other, "* OK mail.demo.test IMAP ready\r\n");
    close(other);
    close(fd);
    farm_stop(&farm);
}

static void test_imap(void **state)
{
    static const char *const lines[] = {"127.77.1.1 0 imap clear login=announced", NULL};
    struct farm farm;
    (void)state;
    farm_start(&farm, lines);
    int fd = client_open(&farm, 0, "127.77.1.1");
    client_expect(&farm, fd, "* OK mail.demo.test IMAP ready\r\n");
    client_ask(&farm, fd, "a1 capability\r\n",
               "* CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE STARTTLS LOGINDISABLED\r\n"
               "a1 OK Capability completed\r\n");
    client_ask(&farm, fd, "a2 AUTHENTICATE PLAIN\r\n", "+ \r\n");
    client_ask(&farm, fd, "*\r\n", "a2 BAD Authentication cancelled\r\n");
    assert_int_equal(peer_stats(farm.peer, 0)->credentials, 0);
    client_ask(&farm, fd, "a3 LOGIN a b\r\n",
               "a3 NO [AUTHENTICATIONFAILED] No such user or password\r\n");
    assert_int_equal(peer_stats(farm.peer, 0)->credentials, 1);
    client_ask(&farm, fd, "a4 LOGOUT\r\n", "* BYE Logging out\r\na4 OK Logout completed\r\n<EOF>");
    close(fd);
    farm_settle(&farm, 0);
    assert_int_equal(peer_stats(farm.peer, 0)->polite, 1);
    farm_stop(&farm);
}

static void test_smtp_pop3_ftp(void **state)
{
    static const char *const lines[] = {
        "127.77.1.1 0 smtp clear starttls=temporary", "127.77.1.1 0 pop3 clear starttls=none",
        "127.77.1.1 0 ftp clear starttls=ssl-only caps-clear=\"AUTH SSL\"", NULL};
    struct farm farm;
    (void)state;
    farm_start(&farm, lines);
    int fd = client_open(&farm, 0, "127.77.1.1");
    client_expect(&farm, fd, "220 mail.demo.test ESMTP ready\r\n");
    client_ask(&farm, fd, "EHLO x\r\n",
               "250-mail.demo.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n"
               "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 STARTTLS\r\n");
    client_ask(&farm, fd, "STARTTLS\r\n", "454 4.7.0 TLS is not available for the moment\r\n");
    client_ask(&farm, fd, "AUTH PLAIN\r\n", "530 5.7.0 Must issue a STARTTLS command first\r\n");
    close(fd);
    fd = client_open(&farm, 1, "127.77.1.1");
    client_expect(&farm, fd, "+OK mail.demo.test POP3 ready\r\n");
    client_ask(&farm, fd, "CAPA\r\n",
               "+OK Capabilities\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nSASL\r\n.\r\n");
    client_ask(&farm, fd, "STLS\r\n", "-ERR Unknown command\r\n");
    close(fd);
    fd = client_open(&farm, 2, "127.77.1.1");
    client_expect(&farm, fd, "220 ftp.demo.test ready.\r\n");
    client_ask(&farm, fd, "FEAT\r\n", "211-Features:\r\n AUTH SSL\r\n211 End\r\n");
    client_ask(&farm, fd, "AUTH TLS\r\n", "504 Unknown AUTH type.\r\n");
    client_ask(&farm, fd, "AUTH SSL\r\n", "234 Proceed with negotiation.\r\n");
    close(fd);
    farm_stop(&farm);
}

/* ---- TLS ---- */

/* A ClientHello without extensions, up to version 3.`minor`. */
static void client_hello(int fd, uint8_t minor)
{
    enum { BODY = 2 + 32 + 1 + 2 + 4 + 1 + 1 };
    uint8_t hello[5 + 4 + BODY] = {0x16, 3, 0, 0, 4 + BODY, 1, 0, 0, BODY, 3, minor};
    memcpy(hello + sizeof hello - 8, "\x00\x04\x00\x0a\x00\x2f\x01\x00", 8);
    client_say(fd, hello, sizeof hello);
}

static void test_versions_played(void **state)
{
    static const char *const lines[] = {
        "127.77.1.1 0 imap implicit versions=ssl2,ssl3 cert=rsa",
        "127.77.1.1 0 imap implicit versions=1.2 refuse=choose:1.0 tls=break cert=chain", NULL};
    static const uint8_t ssl2[] = {0x80, 28, 1, 0, 2, 0, 3, 0, 0, 0, 16, 1, 0, 0x80, 1,
                                   2,    3,  4, 5, 6, 7, 8, 9, 0, 1, 2,  3, 4, 5,    6};
    struct farm farm;
    char heard[HEARD];
    (void)state;
    farm_start(&farm, lines);
    int fd = client_open(&farm, 0, "127.77.1.1");
    client_hello(fd, 0);
    size_t len = client_hear(&farm, fd, heard, "\x16\x03\x00\x00\x04\x0e\x00\x00\x00", 9);
    assert_memory_equal(heard, "\x16\x03\x00\x00\x2a\x02\x00\x00\x26\x03\x00", 11);
    assert_memory_equal(heard + 44, "\x00\x2f\x00\x16\x03\x00", 6);
    assert_non_null(memmem(heard, len, "mail.demo.test", 14));
    close(fd);

    fd = client_open(&farm, 0, "127.77.1.1");
    client_say(fd, ssl2, sizeof ssl2);
    assert_int_equal(shutdown(fd, SHUT_WR), 0); /* so that the peer ends it */
    len = client_hear(&farm, fd, heard, "<EOF>", 5) - 5;
    assert_int_equal(((heard[0] & 0x7f) << 8 | (heard[1] & 0xff)) + 2, len);
    assert_memory_equal(heard + 2, "\x04\x00\x01\x00\x02", 5);
    assert_memory_equal(heard + 9, "\x00\x03\x00\x10", 4);
    assert_memory_equal(heard + len - 19, "\x01\x00\x80", 3);
    close(fd);

    fd = client_open(&farm, 1, "127.77.1.1");
    client_hello(fd, 0);
    len = client_hear(&farm, fd, heard, "<EOF>", 5);
    assert_memory_equal(heard, "\x16\x03\x01", 3);
    assert_non_null(memmem(heard, len, "Demo Intermediate CA", 20));
    close(fd);
    farm_stop(&farm);
}

/* The ways to say no to a hello of TLS 1.0. */
static void test_versions_refused(void **state)
{
    static const struct {
        const char *line, *heard;
        size_t len;
    } cases[] = {
        {"127.77.1.1 0 imap implicit", "\x15\x03\x03\x00\x02\x02\x46<EOF>", 12},
        {"127.77.1.1 0 imap implicit refuse=alert:40", "\x15\x03\x03\x00\x02\x02\x28<EOF>", 12},
        {"127.77.1.1 0 imap implicit refuse=close", "<EOF>", 5},
        {"127.77.1.1 0 imap implicit refuse=reset", "<RST>", 5},
        {"127.77.1.1 0 imap implicit hello-max=20", "<EOF>", 5},
        {"127.77.1.1 0 imap implicit sni=required", "\x15\x03\x03\x00\x02\x02\x70<EOF>", 12},
        {"127.77.1.1 0 imap implicit tls=plaintext",
         "500 Oh no: the private key cannot be read.\r\n<EOF>", 49},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const lines[] = {cases[i].line, NULL};
        struct farm farm;
        char heard[HEARD];
        farm_start(&farm, lines);
        int fd = client_open(&farm, 0, "127.77.1.1");
        client_hello(fd, 1);
        assert_int_equal(client_hear(&farm, fd, heard, cases[i].heard, cases[i].len), cases[i].len);
        close(fd);
        farm_stop(&farm);
    }
}

/* A real client session over a plain socket. */
struct tls_client {
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    int fd;
};

static void tls_open(struct farm *farm, struct tls_client *client, int fd, const char *priority)
{
    int code;
    client->fd = fd;
    assert_int_equal(gnutls_certificate_allocate_credentials(&client->credentials), 0);
    assert_int_equal(gnutls_init(&client->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
    assert_int_equal(gnutls_priority_set_direct(client->session, priority, NULL), 0);
    gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials);
    gnutls_transport_set_int(client->session, fd);
    while ((code = gnutls_handshake(client->session)) == GNUTLS_E_AGAIN)
        farm_turn(farm);
    if (code < 0)
        fail_msg("%s: %s", priority, gnutls_strerror(code));
}

static void tls_expect(struct farm *farm, struct tls_client *client, const char *text)
{
    char heard[HEARD] = "";
    size_t len = 0;
    while (len < strlen(text)) {
        ssize_t got = gnutls_record_recv(client->session, heard + len, HEARD - 1 - len);
        if (got > 0)
            len += (size_t)got;
        else if (got != GNUTLS_E_AGAIN)
            fail_msg("wanted '%s', heard '%s' and %zd", text, heard, got);
        else
            farm_turn(farm);
    }
    heard[len] = '\0';
    assert_string_equal(heard, text);
}

static void tls_close(struct tls_client *client)
{
    gnutls_deinit(client->session);
    gnutls_certificate_free_credentials(client->credentials);
    close(client->fd);
}

static void test_versions_real(void **state)
{
    static const char *const lines[] = {
        "127.77.1.1 0 imap implicit versions=1.0,1.1,1.2,1.3",
        "127.77.1.1 0 imap implicit versions=1.0,1.1,1.2,1.3 cert=rsa", NULL};
    static const struct {
        const char *priority;
        gnutls_protocol_t version;
    } cases[] = {{"NORMAL:-VERS-ALL:+VERS-TLS1.0", GNUTLS_TLS1_0},
                 {"NORMAL:-VERS-ALL:+VERS-TLS1.1", GNUTLS_TLS1_1},
                 {"NORMAL:-VERS-ALL:+VERS-TLS1.2", GNUTLS_TLS1_2},
                 {"NORMAL", GNUTLS_TLS1_3}};
    struct farm farm;
    (void)state;
    farm_start(&farm, lines);
    for (size_t i = 0; i < 8; i++) {
        struct tls_client client;
        int fd = client_open(&farm, i % 2, "127.77.1.1");
        tls_open(&farm, &client, fd, cases[i / 2].priority);
        assert_int_equal(gnutls_protocol_get_version(client.session), cases[i / 2].version);
        tls_expect(&farm, &client, "* OK mail.demo.test IMAP ready\r\n");
        tls_close(&client);
    }
    assert_int_equal(peer_stats(farm.peer, 0)->handshakes, 4);
    farm_stop(&farm);
}

static void test_injection(void **state)
{
    static const char *const lines[] = {"127.77.1.1 0 imap clear inject=vulnerable",
                                        "127.77.1.1 0 imap clear", NULL};
    struct farm farm;
    (void)state;
    farm_start(&farm, lines);
    for (size_t i = 0; i < 2; i++) {
        struct tls_client client;
        int fd = client_open(&farm, i, "127.77.1.1");
        client_expect(&farm, fd, "* OK mail.demo.test IMAP ready\r\n");
        client_ask(&farm, fd, "a STARTTLS\r\nb NOOP\r\n", "a OK Begin TLS negotiation now\r\n");
        tls_open(&farm, &client, fd, "NORMAL");
        if (i == 0)
            tls_expect(&farm, &client, "b OK Nothing done\r\n");
        assert_true(gnutls_record_send(client.session, "c LOGOUT\r\n", 10) == 10);
        tls_expect(&farm, &client, "* BYE Logging out\r\nc OK Logout completed\r\n");
        tls_close(&client);
        farm_settle(&farm, i);
        assert_int_equal(peer_stats(farm.peer, i)->polite, 1);
    }
    farm_stop(&farm);
}

/* ---- counting ---- */

static void test_counters(void **state)
{
    static const char *const lines[] = {"127.77.0.0/16 0 imap clear max-open=2",
                                        "127.77.2.1 0 pop3 clear limit=1/3600", NULL};
    struct farm farm;
    int fds[4];
    (void)state;
    farm_start(&farm, lines);
    for (size_t i = 0; i < 3; i++) { /* two at one address, one at another */
        fds[i] = client_open(&farm, 0, i < 2 ? "127.77.2.1" : "127.77.2.2");
        client_expect(&farm, fds[i], "* OK mail.demo.test IMAP ready\r\n");
    }
    fds[3] = client_open(&farm, 0, "127.77.2.1");
    client_expect(&farm, fds[3],
                  "* BYE [UNAVAILABLE] Too many connections from your address\r\n<EOF>");
    assert_int_equal(peer_stats(farm.peer, 0)->max_open, 4);
    assert_int_equal(peer_stats(farm.peer, 0)->busy, 1);
    assert_int_equal(peer_address(farm.peer, "127.77.2.1")->max_open, 3);
    assert_int_equal(peer_address(farm.peer, "127.77.2.2")->max_open, 1);
    assert_null(peer_address(farm.peer, "127.77.2.3"));
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
    farm_settle(&farm, 0);
    assert_int_equal(peer_address(farm.peer, "127.77.2.1")->open, 0);
    assert_int_equal(peer_stats(farm.peer, 0)->polite, 0);

    fds[0] = client_open(&farm, 0, "127.78.0.1"); /* outside the net */
    client_expect(&farm, fds[0], "<RST>");
    close(fds[0]);
    for (size_t i = 0; i < 2; i++) {
        fds[i] = client_open(&farm, 1, "127.77.2.1");
        client_expect(&farm, fds[i],
                      i == 0 ? "+OK mail.demo.test POP3 ready\r\n"
                             : "-ERR [SYS/TEMP] Too many connections from your address\r\n<EOF>");
        close(fds[i]);
    }
    farm_stop(&farm);
}

/* Stopping while clients are in every state frees all, and an address in use is an error that says
 * so. */
static void test_start_and_stop(void **state)
{
    static const char *const lines[] = {"127.77.1.1 0 imap clear", "127.77.1.1 0 imap implicit",
                                        "127.77.1.1 0 imap clear greeting=flood",
                                        "127.77.1.1 0 imap clear greeting-delay=3600000", NULL};
    struct peer_config config;
    struct peer_error error = {0};
    struct farm farm;
    int fds[4];
    (void)state;
    farm_start(&farm, lines);
    for (size_t i = 0; i < 4; i++)
        fds[i] = client_open(&farm, i, "127.77.1.1");
    client_say(fds[1], "\x16\x03\x01\x00\x50", 5);
    while (peer_address(farm.peer, "127.77.1.1") == NULL ||
           peer_address(farm.peer, "127.77.1.1")->open < 4)
        farm_turn(&farm);
    peer_parse("127.77.1.1 1 imap clear", &config, &error);
    config.port = peer_port(farm.peer, 0);
    assert_null(peer_start(&farm.loop, &config, 1, farm.certs, &error));
    assert_int_equal(error.line, 1);
    assert_non_null(strstr(error.text, "cannot listen on 127.77.1.1"));
    farm_stop(&farm);
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
}

static int directory_make(void **state)
{
    (void)state;
    setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null", 1);
    return gnutls_global_init() < 0 || !mkdtemp(directory) ? -1 : 0;
}

static void on_scanned(uv_fs_t *scan)
{
    uv_dirent_t entry;
    char path[512];
    while (uv_fs_scandir_next(scan, &entry) >= 0) {
        snprintf(path, sizeof path, "%s/%s", directory, entry.name);
        unlink(path);
    }
}

static int directory_remove(void **state)
{
    uv_fs_t scan;
    (void)state;
    if (uv_fs_scandir(NULL, &scan, directory, 0, NULL) >= 0)
        on_scanned(&scan);
    uv_fs_req_cleanup(&scan);
    gnutls_global_deinit();
    return rmdir(directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_line),
        cmocka_unit_test(test_parse_errors),
        cmocka_unit_test(test_parse_file),
        cmocka_unit_test(test_greetings),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_imap),
        cmocka_unit_test(test_smtp_pop3_ftp),
        cmocka_unit_test(test_versions_played),
        cmocka_unit_test(test_versions_refused),
        cmocka_unit_test(test_versions_real),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_start_and_stop),
    };
    return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
