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
        {"127.0.0.1 25 smtp implicit inject=clear", "not for an implicit port"},
        {"127.0.0.1 25 smtp clear prot=refused", "are for ftp"},
        {"127.0.0.1 21 ftp clear required=yes", "are for smtp"},
        {"127.0.0.1 21 ftp clear anonymous=1", "bad value of: anonymous"},
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

/* With a session to be resumed, or NULL. */
static int tls_try(struct farm *farm, struct tls_client *client, int fd, const char *priority,
                   const gnutls_datum_t *session)
{
    int code;
    client->fd = fd;
    assert_int_equal(gnutls_certificate_allocate_credentials(&client->credentials), 0);
    assert_int_equal(gnutls_init(&client->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
    assert_int_equal(gnutls_priority_set_direct(client->session, priority, NULL), 0);
    gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials);
    gnutls_transport_set_int(client->session, fd);
    if (session)
        assert_int_equal(gnutls_session_set_data(client->session, session->data, session->size), 0);
    while ((code = gnutls_handshake(client->session)) == GNUTLS_E_AGAIN)
        farm_turn(farm);
    return code;
}

static void tls_open(struct farm *farm, struct tls_client *client, int fd, const char *priority)
{
    int code = tls_try(farm, client, fd, priority, NULL);
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

/* The second session of a client, at each kind of server: is it resumed? */
static void test_tickets(void **state)
{
    static const char *const priorities[] = {"NORMAL:-VERS-ALL:+VERS-TLS1.2", "NORMAL"};
    static const char *const lines[] = {"127.77.1.1 0 imap implicit",
                                        "127.77.1.1 0 imap implicit tickets=no",
                                        "127.77.1.1 0 imap implicit tickets=close", NULL};
    struct farm farm;
    (void)state;
    farm_start(&farm, lines);
    for (size_t i = 0; i < 3; i++) {
        for (size_t v = 0; v < 2; v++) {
            struct tls_client client;
            gnutls_datum_t session;
            tls_open(&farm, &client, client_open(&farm, i, "127.77.1.1"), priorities[v]);
            tls_expect(&farm, &client, "* OK mail.demo.test IMAP ready\r\n");
            assert_int_equal(gnutls_session_get_data2(client.session, &session), 0);
            tls_close(&client);
            int code = tls_try(&farm, &client, client_open(&farm, i, "127.77.1.1"), priorities[v],
                               &session);
            assert_int_equal(code >= 0, i < 2);
            if (code >= 0)
                tls_expect(&farm, &client, "* OK mail.demo.test IMAP ready\r\n");
            assert_int_equal(gnutls_session_is_resumed(client.session) != 0, i == 0);
            tls_close(&client);
            gnutls_free(session.data);
        }
        assert_int_equal(peer_stats(farm.peer, i)->resumed, i == 0 ? 2 : 0);
        assert_int_equal(peer_stats(farm.peer, i)->handshakes, i < 2 ? 4 : 2);
    }
    farm_stop(&farm);
}

/* ---- what comes with the upgrade command ---- */

/* What is said to play it: in clear, and inside TLS where nothing may be answered yet. */
struct upgrade_words {
    const char *greeting, *upgrade, *injected, *yes, *answer, *next, *next_answer, *refusal;
};
static const struct upgrade_words upgrade_words[] = {
    {"* OK mail.demo.test IMAP ready\r\n", "a STARTTLS\r\n", "x1 NOOP\r\n",
     "a OK Begin TLS negotiation now\r\n", "x1 OK Nothing done\r\n", "b NOOP\r\n",
     "b OK Nothing done\r\n", "a BAD Nothing may follow STARTTLS\r\n"},
    {"+OK mail.demo.test POP3 ready\r\n", "STLS\r\n", "NOOP\r\n",
     "+OK Begin TLS negotiation now\r\n", "-ERR Not now\r\n", "X\r\n", "-ERR Unknown command\r\n",
     "-ERR Nothing may follow STLS\r\n"},
    {"220 mail.demo.test ESMTP ready\r\n", "STARTTLS\r\n", "NOOP\r\n",
     "220 2.0.0 Ready to start TLS\r\n", "250 2.0.0 Ok\r\n", "VRFY x\r\n", "252 2.0.0 Perhaps\r\n",
     "554 5.5.0 SMTP synchronization error\r\n"},
    {"220 ftp.demo.test ready.\r\n", "AUTH TLS\r\n", "NOOP\r\n",
     "234 Proceed with negotiation.\r\n", "200 Nothing done.\r\n", "SYST\r\n",
     "215 UNIX Type: L8\r\n", "503 Nothing may follow AUTH.\r\n"},
};
static const char *const protocol_names[] = {"imap", "pop3", "smtp", "ftp"};

/* Opens, hears the greeting, and sends the upgrade command with the injected one in one piece. */
static int inject(struct farm *farm, const struct upgrade_words *words)
{
    char both[64];
    int fd = client_open(farm, 0, "127.77.1.1");
    client_expect(farm, fd, words->greeting);
    snprintf(both, sizeof both, "%s%s", words->upgrade, words->injected);
    client_say(fd, both, strlen(both));
    return fd;
}

static void tls_ask(struct farm *farm, struct tls_client *client, const char *command,
                    const char *reply)
{
    size_t len = strlen(command);
    assert_int_equal(gnutls_record_send(client->session, command, len), (ssize_t)len);
    tls_expect(farm, client, reply);
}

static void injection_play(const char *inject_word, size_t protocol)
{
    const struct upgrade_words *words = &upgrade_words[protocol];
    char line[80], heard[200];
    const char *const lines[] = {line, NULL};
    bool vulnerable = strcmp(inject_word, "vulnerable") == 0;
    bool delayed = strcmp(inject_word, "delayed") == 0, clear = strcmp(inject_word, "clear") == 0;
    struct tls_client client;
    struct farm farm;
    snprintf(line, sizeof line, "127.77.1.1 0 %s clear inject=%s", protocol_names[protocol],
             inject_word);
    farm_start(&farm, lines);
    int fd = inject(&farm, words);
    snprintf(heard, sizeof heard, "%s%s", words->yes, clear ? words->answer : "");
    client_expect(&farm, fd, heard);
    tls_open(&farm, &client, fd, "NORMAL");
    if (vulnerable)
        tls_expect(&farm, &client, words->answer);
    snprintf(heard, sizeof heard, "%s%s", delayed ? words->answer : "", words->next_answer);
    tls_ask(&farm, &client, words->next, heard);
    tls_close(&client);
    assert_int_equal(peer_stats(farm.peer, 0)->injections, 1);
    farm_stop(&farm);
}

static void test_injection(void **state)
{
    static const char *const injects[] = {"sound", "vulnerable", "delayed", "clear"};
    (void)state;
    for (size_t i = 0; i < sizeof injects / sizeof *injects; i++)
        for (size_t protocol = 0; protocol < 4; protocol++)
            injection_play(injects[i], protocol);
}

/* The connection ends: by a refusal, or because the command is no ClientHello. */
static void test_injection_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < 8; i++) {
        const struct upgrade_words *words = &upgrade_words[i % 4];
        bool refuse = i < 4;
        char line[80], heard[HEARD];
        const char *const lines[] = {line, NULL};
        struct farm farm;
        snprintf(line, sizeof line, "127.77.1.1 0 %s clear inject=%s", protocol_names[i % 4],
                 refuse ? "refuse" : "break");
        farm_start(&farm, lines);
        int fd = inject(&farm, words);
        const char *reply = refuse ? words->refusal : words->yes;
        static const char alert[] = "\x15\x03\x03\x00\x02\x02\x0a<EOF>";
        size_t len = refuse ? client_hear(&farm, fd, heard, "<EOF>", 5)
                            : client_hear(&farm, fd, heard, alert, sizeof alert - 1);
        assert_int_equal(len, strlen(reply) + (refuse ? 5 : sizeof alert - 1));
        assert_memory_equal(heard, reply, strlen(reply));
        close(fd);
        farm_stop(&farm);
    }
}

/* Without anything behind the command all of them are sound servers. */
static void test_injection_of_nothing(void **state)
{
    static const char *const injects[] = {"vulnerable", "delayed", "refuse", "clear", "break"};
    (void)state;
    for (size_t i = 0; i < sizeof injects / sizeof *injects; i++) {
        const struct upgrade_words *words = &upgrade_words[i % 4];
        char line[80];
        const char *const lines[] = {line, NULL};
        struct tls_client client;
        struct farm farm;
        snprintf(line, sizeof line, "127.77.1.1 0 %s clear inject=%s", protocol_names[i % 4],
                 injects[i]);
        farm_start(&farm, lines);
        int fd = client_open(&farm, 0, "127.77.1.1");
        client_expect(&farm, fd, words->greeting);
        client_ask(&farm, fd, words->upgrade, words->yes);
        tls_open(&farm, &client, fd, "NORMAL");
        tls_ask(&farm, &client, words->next, words->next_answer);
        tls_close(&client);
        assert_int_equal(peer_stats(farm.peer, 0)->injections, 0);
        farm_stop(&farm);
    }
}

/* The handshake is broken off by an alert; a farewell follows in clear. */
static void test_after_failure(void **state)
{
    static const char *const lines[] = {"127.77.1.1 0 imap clear after-failure=clear",
                                        "127.77.1.1 0 smtp clear after-failure=clear",
                                        "127.77.1.1 0 imap clear", NULL};
    static const char alert[] = "\x15\x03\x01\x00\x02\x02\x28\r\nb LOGOUT\r\n";
    struct farm farm;
    (void)state;
    farm_start(&farm, lines);
    int fd = client_open(&farm, 0, "127.77.1.1");
    client_expect(&farm, fd, upgrade_words[0].greeting);
    client_ask(&farm, fd, upgrade_words[0].upgrade, upgrade_words[0].yes);
    client_say(fd, alert, sizeof alert - 1);
    client_expect(
        &farm, fd,
        "* BAD Wanted: tag command\r\n* BYE Logging out\r\nb OK Logout completed\r\n<EOF>");
    close(fd);

    fd = client_open(&farm, 1, "127.77.1.1");
    client_expect(&farm, fd, upgrade_words[2].greeting);
    client_ask(&farm, fd, upgrade_words[2].upgrade, upgrade_words[2].yes);
    client_hello(fd, 0); /* no version in common */
    char heard[HEARD];
    client_hear(&farm, fd, heard, "\x15\x03\x03\x00\x02\x02\x46", 7);
    client_ask(&farm, fd, "NOOP\r\n", "250 2.0.0 Ok\r\n");
    close(fd);

    fd = client_open(&farm, 2, "127.77.1.1");
    client_expect(&farm, fd, upgrade_words[0].greeting);
    client_ask(&farm, fd, upgrade_words[0].upgrade, upgrade_words[0].yes);
    client_say(fd, alert, sizeof alert - 1);
    client_expect(&farm, fd, "<EOF>");
    close(fd);
    farm_stop(&farm);
}

/* ---- behaviour in clear, and inside TLS ---- */

/* A line of a script, then what is said and heard in turn. */
struct scene {
    const char *line;
    const char *said_and_heard[9];
};

static size_t protocol_of(const char *line)
{
    size_t protocol = 0;
    while (!strstr(line, protocol_names[protocol]))
        protocol++;
    return protocol;
}

static void test_logins(void **state)
{
    static const struct scene scenes[] = {
        {"127.77.1.1 0 imap clear",
         {"a AUTHENTICATE PLAIN\r\n", "a NO [PRIVACYREQUIRED] No plaintext login without TLS\r\n",
          "b LOGIN u p\r\n",
          "* BAD [ALERT] Whoever listened has your password now\r\n"
          "b NO [PRIVACYREQUIRED] No plaintext login without TLS\r\n",
          "c AUTHENTICATE GSSAPI\r\n", "c NO Unsupported mechanism\r\n"}},
        {"127.77.1.1 0 imap clear login=allowed",
         {"a AUTHENTICATE XOAUTH2\r\n", "+ \r\n", "*\r\n", "a BAD Authentication cancelled\r\n",
          "b LOGIN u p\r\n", "b NO [AUTHENTICATIONFAILED] No such user or password\r\n"}},
        {"127.77.1.1 0 imap clear login=evaluated",
         {"a AUTHENTICATE PLAIN\r\n", "a NO [PRIVACYREQUIRED] No plaintext login without TLS\r\n",
          "b LOGIN u p\r\n", "b NO [AUTHENTICATIONFAILED] No such user or password\r\n"}},
        {"127.77.1.1 0 imap clear login=bare",
         {"a AUTHENTICATE PLAIN\r\n", "a NO\r\n", "b LOGIN u p\r\n", "b NO\r\n"}},
        {"127.77.1.1 0 imap clear login=late",
         {"a LOGIN u p\r\n",
          "a NO [UNAVAILABLE] The user database is not there for the moment\r\n"}},
        {"127.77.1.1 0 imap clear login=in",
         {"a AUTHENTICATE PLAIN\r\n", "+ \r\n", "AHUAcA==\r\n", "a OK Logged in\r\n",
          "b STARTTLS\r\n", "b BAD TLS is not to be had now\r\n"}},
        {"127.77.1.1 0 imap clear login-reply=\"* BAD [ALERT] no\\r\\nNO no, no\"",
         {"a LOGIN u p\r\n", "* BAD [ALERT] no\r\na NO no, no\r\n"}},
        {"127.77.1.1 0 imap clear login-reply=\"* BYE go\"",
         {"a AUTHENTICATE PLAIN\r\n", "* BYE go\r\n<EOF>"}},
        {"127.77.1.1 0 imap clear login=allowed login-reply=\"NO wrong\"",
         {"a AUTHENTICATE PLAIN\r\n", "+ \r\n", "*\r\n", "a BAD Authentication cancelled\r\n",
          "b LOGIN u p\r\n", "b NO wrong\r\n"}},
        {"127.77.1.1 0 pop3 clear",
         {"USER u\r\n", "-ERR [AUTH] No plaintext login without TLS\r\n", "PASS p\r\n",
          "-ERR Not now\r\n", "AUTH PLAIN\r\n", "-ERR [AUTH] No plaintext login without TLS\r\n"}},
        {"127.77.1.1 0 pop3 clear login=evaluated",
         {"AUTH PLAIN\r\n", "-ERR [AUTH] No plaintext login without TLS\r\n", "USER u\r\n",
          "+OK Send PASS\r\n", "PASS p\r\n", "-ERR [AUTH] No such user or password\r\n"}},
        {"127.77.1.1 0 pop3 clear login=unannounced",
         {"USER u\r\n", "-ERR [AUTH] No plaintext login without TLS\r\n"}},
        {"127.77.1.1 0 pop3 clear login=bare", {"USER u\r\n", "-ERR\r\n"}},
        {"127.77.1.1 0 pop3 clear login=late",
         {"AUTH PLAIN\r\n", "-ERR [SYS/TEMP] The user database is not there for the moment\r\n"}},
        {"127.77.1.1 0 pop3 clear login=in",
         {"USER u\r\n", "+OK Send PASS\r\n", "PASS p\r\n", "+OK Logged in\r\n", "NOOP\r\n",
          "+OK\r\n"}},
        {"127.77.1.1 0 pop3 clear login=announced",
         {"AUTH PLAIN\r\n", "+ \r\n", "*\r\n", "-ERR Authentication cancelled\r\n", "USER u\r\n",
          "+OK Send PASS\r\n"}},
        {"127.77.1.1 0 smtp clear login=allowed",
         {"EHLO x\r\n",
          "250-mail.demo.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-ENHANCEDSTATUSCODES\r\n"
          "250-8BITMIME\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n",
          "AUTH PLAIN\r\n", "334 \r\n", "*\r\n", "501 5.7.0 Authentication cancelled\r\n",
          "AUTH PLAIN AHUAcA==\r\n", "535 5.7.8 No such user or password\r\n"}},
        {"127.77.1.1 0 smtp clear login=late",
         {"HELO x\r\n", "250 mail.demo.test\r\n", "AUTH PLAIN\r\n",
          "454 4.7.0 Temporary authentication failure\r\n"}},
        {"127.77.1.1 0 smtp clear login-reply=\"421 4.7.0 go\"",
         {"HELO x\r\n", "250 mail.demo.test\r\n", "AUTH PLAIN\r\n", "421 4.7.0 go\r\n<EOF>"}},
        {"127.77.1.1 0 smtp clear required=yes",
         {"RSET\r\n", "530 5.7.0 Must issue a STARTTLS command first\r\n", "HELO x\r\n",
          "530 5.7.0 Must issue a STARTTLS command first\r\n", "NOOP\r\n", "250 2.0.0 Ok\r\n",
          "QUIT\r\n", "221 2.0.0 Bye\r\n<EOF>"}},
        {"127.77.1.1 0 smtp clear middlebox=caps caps=ok",
         {"EHLO x\r\n",
          "250-mail.demo.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-ENHANCEDSTATUSCODES\r\n"
          "250-8BITMIME\r\n250 XXXXXXXA\r\n",
          "STARTTLS\r\n", "500 5.5.2 Unknown command\r\n"}},
        {"127.77.1.1 0 ftp clear",
         {"USER u\r\n", "530 Not without TLS: use AUTH TLS.\r\n", "CCC\r\n",
          "533 There is no protection.\r\n", "PBSZ 0\r\n", "503 Bad sequence: no TLS.\r\n"}},
        {"127.77.1.1 0 ftp clear login=evaluated",
         {"USER u\r\n", "331 Please specify the password.\r\n", "PASS p\r\n",
          "530 Login incorrect.\r\n"}},
        {"127.77.1.1 0 ftp clear login=late",
         {"USER u\r\n", "421 Too busy for the moment.\r\n<EOF>"}},
        {"127.77.1.1 0 ftp clear login=in", {"USER u\r\n", "230 Logged in.\r\n"}},
        {"127.77.1.1 0 ftp clear anonymous=yes",
         {"USER u\r\n", "530 Not without TLS: use AUTH TLS.\r\n", "USER anonymous\r\n",
          "331 Please specify the password.\r\n"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        const char *const lines[] = {scenes[i].line, NULL};
        struct farm farm;
        farm_start(&farm, lines);
        int fd = client_open(&farm, 0, "127.77.1.1");
        client_expect(&farm, fd, upgrade_words[protocol_of(scenes[i].line)].greeting);
        for (const char *const *said = scenes[i].said_and_heard; *said; said += 2)
            client_ask(&farm, fd, said[0], said[1]);
        close(fd);
        farm_stop(&farm);
    }
}

/* The same inside TLS. */
static void test_inside(void **state)
{
    static const struct scene scenes[] = {
        {"127.77.1.1 0 imap clear login=bare login-reply=\"NO clear\"",
         {"b STARTTLS\r\n", "b BAD TLS is not to be had now\r\n", "c LOGIN u p\r\n",
          "c NO [AUTHENTICATIONFAILED] No such user or password\r\n"}},
        {"127.77.1.1 0 imap clear inside=listed",
         {"b CAPABILITY\r\n",
          "* CAPABILITY IMAP4rev1 SASL-IR ID ENABLE IDLE STARTTLS AUTH=PLAIN\r\n"
          "b OK Capability completed\r\n"}},
        {"127.77.1.1 0 imap clear inside=accepted",
         {"b STARTTLS\r\n", "b OK Begin TLS negotiation now\r\n"}},
        {"127.77.1.1 0 ftp clear",
         {"PBSZ 0\r\n", "200 PBSZ=0\r\n", "PROT P\r\n", "200 Protection level set.\r\n", "CCC\r\n",
          "534 Not by our policy.\r\n"}},
        {"127.77.1.1 0 ftp clear prot=refused",
         {"PBSZ 0\r\n", "200 PBSZ=0\r\n", "PROT P\r\n", "536 Protection level not supported.\r\n",
          "PROT C\r\n", "200 Protection level set.\r\n"}},
        {"127.77.1.1 0 ftp clear prot=unavailable",
         {"PBSZ 0\r\n", "200 PBSZ=0\r\n", "PROT P\r\n", "431 No protection for the moment.\r\n"}},
        {"127.77.1.1 0 ftp clear prot=login login=in",
         {"PBSZ 0\r\n", "503 Bad sequence: log in first.\r\n", "PROT P\r\n",
          "530 Please log in with USER and PASS.\r\n", "USER u\r\n", "230 Logged in.\r\n",
          "PBSZ 0\r\n", "200 PBSZ=0\r\n"}},
        {"127.77.1.1 0 ftp clear prot=unknown ccc=allowed",
         {"PBSZ 0\r\n", "500 Unknown command.\r\n", "PROT P\r\n", "500 Unknown command.\r\n",
          "CCC\r\n", "200 Clear from now on.\r\n"}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        const struct upgrade_words *words = &upgrade_words[protocol_of(scenes[i].line)];
        const char *const lines[] = {scenes[i].line, NULL};
        struct tls_client client;
        struct farm farm;
        farm_start(&farm, lines);
        int fd = client_open(&farm, 0, "127.77.1.1");
        client_expect(&farm, fd, words->greeting);
        client_ask(&farm, fd, words->upgrade, words->yes);
        tls_open(&farm, &client, fd, "NORMAL");
        for (const char *const *said = scenes[i].said_and_heard; *said; said += 2)
            tls_ask(&farm, &client, said[0], said[1]);
        tls_close(&client);
        farm_stop(&farm);
    }
}

/* Greets again inside TLS; a middlebox hides the first greeting. */
static void test_greetings_around_tls(void **state)
{
    static const char *const lines[] = {"127.77.1.1 0 smtp clear middlebox=banner greet-again=yes",
                                        NULL};
    struct tls_client client;
    struct farm farm;
    (void)state;
    farm_start(&farm, lines);
    int fd = client_open(&farm, 0, "127.77.1.1");
    client_expect(&farm, fd, "220 ****************************************2******0*****\r\n");
    client_ask(&farm, fd, "STARTTLS\r\n", upgrade_words[2].yes);
    tls_open(&farm, &client, fd, "NORMAL");
    tls_expect(&farm, &client, upgrade_words[2].greeting);
    tls_close(&client);
    farm_stop(&farm);
}

/* The alert that a handshake with this name and this ALPN ends with, 0: it does not. */
static unsigned hello_alert(struct farm *farm, const char *name, const char *alpn)
{
    struct tls_client client = {.fd = client_open(farm, 0, "127.77.1.1")};
    gnutls_datum_t protocol = {(unsigned char *)(uintptr_t)alpn, (unsigned)strlen(alpn)};
    int code;
    assert_int_equal(gnutls_certificate_allocate_credentials(&client.credentials), 0);
    assert_int_equal(gnutls_init(&client.session, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
    gnutls_set_default_priority(client.session);
    gnutls_credentials_set(client.session, GNUTLS_CRD_CERTIFICATE, client.credentials);
    gnutls_server_name_set(client.session, GNUTLS_NAME_DNS, name, strlen(name));
    gnutls_alpn_set_protocols(client.session, &protocol, 1, 0);
    gnutls_transport_set_int(client.session, client.fd);
    while ((code = gnutls_handshake(client.session)) == GNUTLS_E_AGAIN)
        farm_turn(farm);
    unsigned alert = code == 0 ? 0 : gnutls_alert_get(client.session);
    tls_close(&client);
    return alert;
}

static void test_names_and_alpn(void **state)
{
    static const char *const strict[] = {"127.77.1.1 0 imap implicit sni=known alpn=enforced",
                                         NULL};
    static const char *const lax[] = {"127.77.1.1 0 imap implicit", NULL};
    struct farm farm;
    (void)state;
    farm_start(&farm, strict);
    assert_int_equal(hello_alert(&farm, "mail.demo.test", "imap"), 0);
    assert_int_equal(hello_alert(&farm, "mail.demo.test", "http/1.1"), 120);
    assert_int_equal(hello_alert(&farm, "nonexistent.invalid", "imap"), 112);
    farm_stop(&farm);
    farm_start(&farm, lax);
    assert_int_equal(hello_alert(&farm, "nonexistent.invalid", "http/1.1"), 0);
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

static void test_logins_are_counted(void **state)
{
    static const char *const lines[] = {
        "127.77.2.3 0 imap clear login=allowed", "127.77.2.3 0 pop3 clear",
        "127.77.2.3 0 ftp clear banned=3", "127.77.2.4 0 ftp clear banned=1", NULL};
    struct farm farm;
    int fds[4];
    (void)state;
    farm_start(&farm, lines);
    for (size_t i = 0; i < 3; i++) {
        static const size_t protocol[] = {0, 1, 3};
        fds[i] = client_open(&farm, i, "127.77.2.3");
        client_expect(&farm, fds[i], upgrade_words[protocol[i]].greeting);
    }
    client_ask(&farm, fds[0], "a AUTHENTICATE PLAIN\r\n", "+ \r\n");
    client_ask(&farm, fds[0], "AHUAcA==\r\n",
               "a NO [AUTHENTICATIONFAILED] No such user or password\r\n");
    assert_int_equal(peer_stats(farm.peer, 0)->logins, 1);
    assert_int_equal(peer_stats(farm.peer, 0)->credentials, 1);
    fds[3] = client_open(&farm, 2, "127.77.2.3"); /* two so far */
    client_expect(&farm, fds[3], upgrade_words[3].greeting);
    close(fds[3]);
    client_ask(&farm, fds[1], "USER x\"@y.invalid\r\n",
               "-ERR [AUTH] No plaintext login without TLS\r\n");
    assert_int_equal(peer_stats(farm.peer, 1)->logins, 1);
    assert_string_equal(peer_stats(farm.peer, 1)->user, "x?@y.invalid");
    fds[3] = client_open(&farm, 2, "127.77.2.3"); /* the ban came by the other ports */
    client_expect(&farm, fds[3], "<RST>");
    close(fds[3]);
    client_ask(&farm, fds[2], "NOOP\r\n", "200 Nothing done.\r\n"); /* who is in stays in */
    fds[3] = client_open(&farm, 3, "127.77.2.4");
    client_expect(&farm, fds[3], upgrade_words[3].greeting);
    client_ask(&farm, fds[3], "USER anonymous\r\n", "530 Not without TLS: use AUTH TLS.\r\n");
    assert_int_equal(peer_stats(farm.peer, 3)->logins, 0);
    for (size_t i = 0; i < 4; i++)
        close(fds[i]);
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
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_injection_ends),
        cmocka_unit_test(test_injection_of_nothing),
        cmocka_unit_test(test_after_failure),
        cmocka_unit_test(test_logins),
        cmocka_unit_test(test_inside),
        cmocka_unit_test(test_greetings_around_tls),
        cmocka_unit_test(test_names_and_alpn),
        cmocka_unit_test(test_logins_are_counted),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_start_and_stop),
    };
    return cmocka_run_group_tests(tests, directory_make, directory_remove);
}
