/* SPDX-License-Identifier: MIT */
/* RFC 959, RFC 2228, RFC 2389, RFC 4217. Nobody gets in, so there are no data connections. */
#define _GNU_SOURCE
#include "inside.h"
#include <string.h>

static void on_feat(struct conn *conn)
{
    struct caps defaults = {0}, caps;
    char reply[PEER_TEXT_MAX * 2];
    if (conn->config->caps == CAPS_REFUSED) {
        say_tagged(conn, "500 Unknown command.");
        return;
    }
    if (starttls_advertised(conn))
        caps_add(&defaults, conn->config->starttls == STARTTLS_SSL_ONLY ? "AUTH SSL" : "AUTH TLS");
    caps_add(&defaults, "EPRT");
    caps_add(&defaults, "EPSV");
    caps_add(&defaults, "MDTM");
    if ((starttls_advertised(conn) || conn->secure) && conn->config->prot != PROT_UNKNOWN) {
        caps_add(&defaults, "PBSZ");
        caps_add(&defaults, "PROT");
    }
    caps_add(&defaults, "REST STREAM");
    caps_add(&defaults, "SIZE");
    caps_add(&defaults, "UTF8");
    caps_make(conn, &defaults, &caps);
    size_t len = (size_t)snprintf(reply, sizeof reply, "211-Features:\r\n");
    for (size_t i = 0; i < caps.count && len < sizeof reply; i++)
        len += (size_t)snprintf(reply + len, sizeof reply - len, " %s\r\n", caps.item[i]);
    if (len < sizeof reply)
        snprintf(reply + len, sizeof reply - len, "211 End\r\n");
    caps_say(conn, reply);
}

static void on_auth(struct conn *conn, char *line)
{
    const char *mechanism = line_word(&line);
    bool ssl = word_is(mechanism, "SSL");
    bool tls = word_is(mechanism, "TLS") || word_is(mechanism, "TLS-C");
    if (!*mechanism)
        say_tagged(conn, "501 Wanted: AUTH mechanism");
    else if (ssl || (tls && conn->config->starttls != STARTTLS_SSL_ONLY))
        upgrade_begin(conn);
    else
        say_tagged(conn, "504 Unknown AUTH type.");
}

static void on_user(struct conn *conn, const char *name)
{
    bool anonymous = conn->config->anonymous && word_is(name, "anonymous");
    if (!*name) {
        say_tagged(conn, "501 Wanted: USER name");
        return;
    }
    if (!word_is(name, "anonymous"))
        login_heard(conn, name);
    if (!anonymous && !login_begin(conn, true))
        return;
    if (conn->config->login == LOGIN_IN) {
        conn->logged_in = true;
        say_tagged(conn, ftp_protocol.sasl.in);
        return;
    }
    conn->greeted_by_name = true;
    say_tagged(conn, "331 Please specify the password.");
}

static void on_pass(struct conn *conn)
{
    credentials_heard(conn, "");
    if (conn->greeted_by_name)
        credentials_judge(conn);
    else
        say_tagged(conn, "503 Login with USER first.");
    conn->greeted_by_name = false;
}

static void on_pbsz(struct conn *conn)
{
    int prot = conn->config->prot;
    if (prot == PROT_UNKNOWN) {
        say_tagged(conn, "500 Unknown command.");
    } else if (!conn->secure) {
        say_tagged(conn, "503 Bad sequence: no TLS.");
    } else if (prot == PROT_LOGIN && !conn->logged_in) {
        say_tagged(conn, "503 Bad sequence: log in first.");
    } else {
        conn->pbsz = true;
        say_tagged(conn, "200 PBSZ=0");
    }
}

static void on_prot(struct conn *conn, const char *level)
{
    int prot = conn->config->prot;
    if (prot == PROT_UNKNOWN)
        say_tagged(conn, "500 Unknown command.");
    else if (prot == PROT_LOGIN && !conn->logged_in)
        say_tagged(conn, "530 Please log in with USER and PASS.");
    else if (!conn->pbsz)
        say_tagged(conn, "503 Bad sequence: PBSZ first.");
    else if (prot == PROT_UNAVAILABLE)
        say_tagged(conn, "431 No protection for the moment.");
    else if (word_is(level, "C") || (word_is(level, "P") && prot != PROT_REFUSED))
        say_tagged(conn, "200 Protection level set.");
    else
        say_tagged(conn, "536 Protection level not supported.");
}

/* After the yes the end of TLS is due; it is not played. */
static void on_ccc(struct conn *conn)
{
    bool allowed = conn->secure && conn->config->ccc == CCC_ALLOWED;
    say_tagged(conn, allowed        ? "200 Clear from now on."
                     : conn->secure ? "534 Not by our policy."
                                    : "533 There is no protection.");
    if (allowed)
        conn_deafen(conn);
}

static void ftp_line(struct conn *conn, char *line)
{
    const char *command = line_word(&line);
    if (word_is(command, "FEAT")) {
        on_feat(conn);
    } else if (word_is(command, "AUTH")) {
        on_auth(conn, line);
    } else if (word_is(command, "PBSZ")) {
        on_pbsz(conn);
    } else if (word_is(command, "PROT")) {
        on_prot(conn, line);
    } else if (word_is(command, "USER")) {
        on_user(conn, line);
    } else if (word_is(command, "PASS")) {
        on_pass(conn);
    } else if (word_is(command, "CCC")) {
        on_ccc(conn);
    } else if (word_is(command, "NOOP")) {
        say_tagged(conn, "200 Nothing done.");
    } else if (word_is(command, "SYST")) {
        say_tagged(conn, "215 UNIX Type: L8");
    } else if (word_is(command, "HELP")) { /* lines between may begin as they like */
        say(conn, "214-Commands:\r\n AUTH FEAT HELP\r\n214s are not ends\r\n"
                  "NOOP PASS PBSZ PROT QUIT SYST USER\r\n214 Help ok.\r\n");
    } else if (word_is(command, "QUIT")) {
        goodbye(conn, "221 Goodbye.");
    } else if (word_is(command, "CWD") || word_is(command, "LIST") || word_is(command, "PASV") ||
               word_is(command, "EPSV") || word_is(command, "RETR") || word_is(command, "PWD")) {
        say_tagged(conn, "530 Please log in with USER and PASS.");
    } else {
        say_tagged(conn, "500 Unknown command.");
    }
}

const struct protocol ftp_protocol = {
    .greeting =
        {
            [GREETING_OK] = "220 ftp.demo.test ready.\r\n",
            [GREETING_BUSY] = "421 Too many connections from your address.\r\n",
            [GREETING_REFUSE] = "530 No service for you.\r\n",
            [GREETING_MULTILINE] = "220-ftp.demo.test\r\n"
                                   "Welcome, stranger.\r\n"
                                   "  220 is the number of our bus.\r\n"
                                   "220-\r\n"
                                   "220 ready.\r\n",
            [GREETING_HOSTILE] = "220 ",
            [GREETING_FLOOD] = "220 ",
        },
    .endless = " X-ENDLESS\r\n",
    .line = ftp_line,
    .upgrade =
        {
            .yes = "234 Proceed with negotiation.",
            .no = "534 TLS is refused by policy.",
            .later = "431 TLS is not available for the moment.",
            .unknown = "502 Command not implemented.",
            .twice = "503 TLS is active.",
            .injected = "503 Nothing may follow AUTH.",
        },
    .sasl =
        {
            .in = "230 Logged in.",
            .failed = "530 Login incorrect.",
            .need_tls = "530 Not without TLS: use AUTH TLS.",
            .bare = "530",
            .later = "421 Too busy for the moment.",
        },
};
