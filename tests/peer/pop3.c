/* SPDX-License-Identifier: MIT */
/* RFC 1939, RFC 2449, RFC 2595, RFC 5034. Never gets beyond the AUTHORIZATION state. */
#define _GNU_SOURCE
#include "inside.h"
#include <string.h>

static void on_capa(struct conn *conn)
{
    struct caps defaults = {0}, caps;
    char reply[PEER_TEXT_MAX * 2];
    if (conn->config->caps == CAPS_REFUSED) {
        say_tagged(conn, "-ERR Unknown command");
        return;
    }
    caps_add(&defaults, "TOP");
    caps_add(&defaults, "UIDL");
    caps_add(&defaults, "RESP-CODES");
    caps_add(&defaults, "AUTH-RESP-CODE");
    if (starttls_advertised(conn))
        caps_add(&defaults, "STLS");
    if (login_announced(conn))
        caps_add(&defaults, "USER");
    caps_add(&defaults, login_announced(conn) ? "SASL PLAIN LOGIN" : "SASL");
    caps_make(conn, &defaults, &caps);
    size_t len = (size_t)snprintf(reply, sizeof reply, "+OK Capabilities\r\n");
    for (size_t i = 0; i < caps.count && len < sizeof reply; i++)
        len += (size_t)snprintf(reply + len, sizeof reply - len, "%s\r\n", caps.item[i]);
    if (len < sizeof reply)
        snprintf(reply + len, sizeof reply - len, ".\r\n");
    caps_say(conn, reply);
}

static void on_auth(struct conn *conn, char *line)
{
    if (*line)
        sasl_begin(conn, line);
    else
        say(conn, "+OK Mechanisms\r\n%s.\r\n", login_announced(conn) ? "PLAIN\r\nLOGIN\r\n" : "");
}

static void on_user(struct conn *conn, const char *name)
{
    if (conn->logged_in) {
        say_tagged(conn, "-ERR Not now");
        return;
    }
    if (!*name) {
        say_tagged(conn, "-ERR Wanted: USER name");
        return;
    }
    login_heard(conn, name);
    if (!login_begin(conn, true))
        return;
    conn->greeted_by_name = true;
    say_tagged(conn, "+OK Send PASS");
}

static void on_pass(struct conn *conn)
{
    credentials_heard(conn, "");
    if (conn->greeted_by_name)
        credentials_judge(conn);
    else
        say_tagged(conn, "-ERR Not now");
    conn->greeted_by_name = false;
}

static void pop3_line(struct conn *conn, char *line)
{
    const char *command = line_word(&line);
    if (word_is(command, "CAPA")) {
        on_capa(conn);
    } else if (word_is(command, "STLS")) {
        upgrade_begin(conn);
    } else if (word_is(command, "USER")) {
        on_user(conn, line);
    } else if (word_is(command, "PASS")) {
        on_pass(conn);
    } else if (word_is(command, "AUTH")) {
        on_auth(conn, line);
    } else if (word_is(command, "QUIT")) {
        goodbye(conn, "+OK Logging out");
    } else if (word_is(command, "NOOP") || word_is(command, "RSET") || word_is(command, "STAT")) {
        say_tagged(conn, conn->logged_in ? "+OK" : "-ERR Not now");
    } else {
        say_tagged(conn, "-ERR Unknown command");
    }
}

const struct protocol pop3_protocol = {
    .greeting =
        {
            [GREETING_OK] = "+OK mail.demo.test POP3 ready\r\n",
            [GREETING_BUSY] = "-ERR [SYS/TEMP] Too many connections from your address\r\n",
            [GREETING_REFUSE] = "-ERR No service for you\r\n",
            [GREETING_HOSTILE] = "+OK ",
            [GREETING_FLOOD] = "+OK ",
        },
    .endless = "X-ENDLESS\r\n",
    .line = pop3_line,
    .upgrade =
        {
            .yes = "+OK Begin TLS negotiation now",
            .no = "-ERR [SYS/PERM] TLS is not configured",
            .later = "-ERR [SYS/TEMP] TLS is not available for the moment",
            .unknown = "-ERR Unknown command",
            .twice = "-ERR TLS is active",
            .injected = "-ERR Nothing may follow STLS",
        },
    .sasl =
        {
            .challenge = "+ ",
            .in = "+OK Logged in",
            .failed = "-ERR [AUTH] No such user or password",
            .cancelled = "-ERR Authentication cancelled",
            .need_tls = "-ERR [AUTH] No plaintext login without TLS",
            .bare = "-ERR",
            .later = "-ERR [SYS/TEMP] The user database is not there for the moment",
            .unsupported = "-ERR Unsupported mechanism",
        },
};
