/* SPDX-License-Identifier: MIT */
/* RFC 9051, RFC 3501; response codes of RFC 5530. */
#define _GNU_SOURCE
#include "inside.h"
#include <string.h>

static void list_make(const struct conn *conn, char *text, size_t size)
{
    struct caps defaults = {0}, caps;
    caps_add(&defaults, "IMAP4rev1");
    caps_add(&defaults, "SASL-IR");
    caps_add(&defaults, "ID");
    caps_add(&defaults, "ENABLE");
    caps_add(&defaults, "IDLE");
    if (starttls_advertised(conn))
        caps_add(&defaults, "STARTTLS");
    caps_add(&defaults, login_announced(conn) ? "AUTH=PLAIN" : "LOGINDISABLED");
    caps_make(conn, &defaults, &caps);
    size_t len = (size_t)snprintf(text, size, "CAPABILITY");
    for (size_t i = 0; i < caps.count && len < size; i++)
        len += (size_t)snprintf(text + len, size - len, " %s", caps.item[i]);
}

void imap_greet_caps(struct conn *conn)
{
    char list[PEER_TEXT_MAX * 2];
    list_make(conn, list, sizeof list);
    say(conn, "* OK [%s] mail.demo.test ready\r\n", list);
}

static void on_capability(struct conn *conn)
{
    char list[PEER_TEXT_MAX * 2], reply[PEER_TEXT_MAX * 3];
    list_make(conn, list, sizeof list);
    switch (conn->config->caps) {
    case CAPS_REFUSED:
        say_tagged(conn, "BAD Unknown command");
        return;
    case CAPS_GREETING:
        snprintf(reply, sizeof reply, "%sOK Told in the greeting\r\n", conn->tag);
        break;
    case CAPS_TAGGED:
        snprintf(reply, sizeof reply, "%sOK [%s] Done\r\n", conn->tag, list);
        break;
    case CAPS_LITERAL: /* what looks like the end of the reply is inside the literal */
        snprintf(reply, sizeof reply,
                 "* X-NOTE {%zu}\r\n%sOK fooled\r\n more\r\n* %s\r\n%sOK Done\r\n",
                 strlen(conn->tag) + 11, conn->tag, list, conn->tag);
        break;
    default:
        snprintf(reply, sizeof reply, "* %s\r\n%sOK Capability completed\r\n", list, conn->tag);
    }
    caps_say(conn, reply);
}

static void on_login(struct conn *conn, char *line)
{
    const char *name = line_word(&line), *password = line_word(&line);
    if (!*name || !*password) {
        say_tagged(conn, "BAD Wanted: LOGIN name password");
        return;
    }
    credentials_heard(conn, name);
    if (conn->logged_in) {
        say_tagged(conn, "BAD Already authenticated");
        return;
    }
    if (!conn->secure && conn->config->login == LOGIN_DISABLED && !conn->config->has_login_reply)
        say(conn, "* BAD [ALERT] Whoever listened has your password now\r\n");
    if (login_begin(conn, true))
        credentials_judge(conn);
}

static void on_authenticate(struct conn *conn, char *line)
{
    if (conn->logged_in)
        say_tagged(conn, "BAD Already authenticated");
    else
        sasl_begin(conn, line);
}

static void imap_line(struct conn *conn, char *line)
{
    const char *tag = line_word(&line), *command = line_word(&line);
    if (!*command || strlen(tag) > TAG_MAX) {
        say(conn, "* BAD Wanted: tag command\r\n");
        return;
    }
    snprintf(conn->tag, sizeof conn->tag, "%.*s ", TAG_MAX, tag);
    if (word_is(command, "CAPABILITY")) {
        on_capability(conn);
    } else if (word_is(command, "NOOP")) {
        say_tagged(conn, "OK Nothing done");
    } else if (word_is(command, "ID")) {
        say(conn, "* ID NIL\r\n");
        say_tagged(conn, "OK ID completed");
    } else if (word_is(command, "STARTTLS")) {
        if (*line)
            say_tagged(conn, "BAD STARTTLS has no arguments");
        else
            upgrade_begin(conn);
    } else if (word_is(command, "LOGIN")) {
        on_login(conn, line);
    } else if (word_is(command, "AUTHENTICATE")) {
        on_authenticate(conn, line);
    } else if (word_is(command, "LOGOUT")) {
        say(conn, "* BYE Logging out\r\n");
        goodbye(conn, "OK Logout completed");
    } else {
        say_tagged(conn, "BAD Unknown command");
    }
}

const struct protocol imap_protocol = {
    .greeting =
        {
            [GREETING_OK] = "* OK mail.demo.test IMAP ready\r\n",
            [GREETING_PREAUTH] = "* PREAUTH mail.demo.test you are known here\r\n",
            [GREETING_BUSY] = "* BYE [UNAVAILABLE] Too many connections from your address\r\n",
            [GREETING_REFUSE] = "* BYE No service for you\r\n",
            [GREETING_HOSTILE] = "* OK ",
            [GREETING_FLOOD] = "* OK ",
        },
    .endless = "* CAPABILITY IMAP4rev1 X-ENDLESS\r\n",
    .line = imap_line,
    .upgrade =
        {
            .yes = "OK Begin TLS negotiation now",
            .no = "NO TLS is not configured",
            .later = "NO [UNAVAILABLE] TLS is not available for the moment",
            .unknown = "BAD Unknown command",
            .twice = "BAD TLS is not to be had now",
            .injected = "BAD Nothing may follow STARTTLS",
        },
    .sasl =
        {
            .challenge = "+ ",
            .in = "OK Logged in",
            .failed = "NO [AUTHENTICATIONFAILED] No such user or password",
            .cancelled = "BAD Authentication cancelled",
            .need_tls = "NO [PRIVACYREQUIRED] No plaintext login without TLS",
            .bare = "NO",
            .later = "NO [UNAVAILABLE] The user database is not there for the moment",
            .unsupported = "NO Unsupported mechanism",
        },
};
