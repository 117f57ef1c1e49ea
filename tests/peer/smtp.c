/* SPDX-License-Identifier: MIT */
/* RFC 5321, RFC 3207, RFC 4954. Takes senders, but no recipient. */
#define _GNU_SOURCE
#include "inside.h"
#include <string.h>

static bool is_masked(const struct conn *conn)
{
    return conn->config->middlebox == MIDDLEBOX_CAPS && !conn->secure;
}

/* RFC 3207 section 4: what is left without TLS where TLS is required. */
static bool is_allowed(const struct conn *conn, const char *command)
{
    return !conn->config->required || conn->secure || word_is(command, "EHLO") ||
           word_is(command, "NOOP") || word_is(command, "QUIT") || word_is(command, "STARTTLS");
}

static void on_starttls(struct conn *conn, const char *line)
{
    if (is_masked(conn))
        say_tagged(conn, "500 5.5.2 Unknown command");
    else if (*line)
        say_tagged(conn, "501 5.5.4 STARTTLS has no arguments");
    else
        upgrade_begin(conn);
}

static void on_ehlo(struct conn *conn, const char *name)
{
    struct caps defaults = {0}, caps;
    char reply[PEER_TEXT_MAX * 3];
    if (conn->config->caps == CAPS_REFUSED) {
        say_tagged(conn, "502 5.5.1 Command not implemented");
        return;
    }
    if (!*name) {
        say_tagged(conn, "501 5.5.4 Wanted: EHLO name");
        return;
    }
    conn->greeted_by_name = true;
    caps_add(&defaults, "PIPELINING");
    caps_add(&defaults, "SIZE 10240000");
    caps_add(&defaults, "ENHANCEDSTATUSCODES");
    caps_add(&defaults, "8BITMIME");
    if (starttls_advertised(conn))
        caps_add(&defaults, is_masked(conn) ? "XXXXXXXA" : "STARTTLS");
    if (login_announced(conn))
        caps_add(&defaults, "AUTH PLAIN LOGIN");
    caps_make(conn, &defaults, &caps);
    size_t len =
        (size_t)snprintf(reply, sizeof reply, "250%cmail.demo.test\r\n", caps.count ? '-' : ' ');
    for (size_t i = 0; i < caps.count && len < sizeof reply; i++)
        len += (size_t)snprintf(reply + len, sizeof reply - len, "250%c%s\r\n",
                                i + 1 < caps.count ? '-' : ' ', caps.item[i]);
    caps_say(conn, reply);
}

static void on_helo(struct conn *conn, const char *name)
{
    conn->greeted_by_name = *name != '\0';
    say_tagged(conn, *name ? "250 mail.demo.test" : "501 5.5.4 Wanted: HELO name");
}

static void smtp_line(struct conn *conn, char *line)
{
    const char *command = line_word(&line);
    if (!is_allowed(conn, command)) {
        say_tagged(conn, smtp_protocol.sasl.need_tls);
    } else if (word_is(command, "EHLO")) {
        on_ehlo(conn, line);
    } else if (word_is(command, "HELO")) {
        on_helo(conn, line);
    } else if (word_is(command, "NOOP") || word_is(command, "RSET")) {
        say_tagged(conn, "250 2.0.0 Ok");
    } else if (word_is(command, "STARTTLS")) {
        on_starttls(conn, line);
    } else if (word_is(command, "QUIT")) {
        goodbye(conn, "221 2.0.0 Bye");
    } else if (word_is(command, "VRFY")) {
        say_tagged(conn, "252 2.0.0 Perhaps");
    } else if (!word_is(command, "AUTH") && !word_is(command, "MAIL") &&
               !word_is(command, "RCPT") && !word_is(command, "DATA")) {
        say_tagged(conn, "500 5.5.2 Unknown command");
    } else if (!conn->greeted_by_name) {
        say_tagged(conn, "503 5.5.1 Send EHLO first");
    } else if (word_is(command, "AUTH")) {
        sasl_begin(conn, line);
    } else if (word_is(command, "MAIL")) {
        say_tagged(conn, "250 2.1.0 Ok");
    } else if (word_is(command, "RCPT")) {
        say_tagged(conn, "550 5.1.1 No such user");
    } else {
        say_tagged(conn, "503 5.5.1 No recipients");
    }
}

const struct protocol smtp_protocol = {
    .greeting =
        {
            [GREETING_OK] = "220 mail.demo.test ESMTP ready\r\n",
            [GREETING_BUSY] = "421 4.7.0 mail.demo.test Too many connections\r\n",
            [GREETING_REFUSE] = "554 5.7.1 No service for you\r\n",
            [GREETING_MULTILINE] = "220-mail.demo.test ESMTP\r\n"
                                   "220-No advertising\r\n"
                                   "220 ready\r\n",
            [GREETING_HOSTILE] = "220 ",
            [GREETING_FLOOD] = "220 ",
        },
    .endless = "250-X-ENDLESS\r\n",
    .line = smtp_line,
    .upgrade =
        {
            .yes = "220 2.0.0 Ready to start TLS",
            .no = "554 5.7.0 TLS is not configured",
            .later = "454 4.7.0 TLS is not available for the moment",
            .unknown = "502 5.5.1 Command not implemented",
            .twice = "503 5.5.1 TLS is active",
            .injected = "554 5.5.0 SMTP synchronization error",
        },
    .sasl =
        {
            .challenge = "334 ",
            .in = "235 2.7.0 Logged in",
            .failed = "535 5.7.8 No such user or password",
            .cancelled = "501 5.7.0 Authentication cancelled",
            .need_tls = "530 5.7.0 Must issue a STARTTLS command first",
            .bare = "554",
            .later = "454 4.7.0 Temporary authentication failure",
            .unsupported = "504 5.5.4 Unsupported mechanism",
        },
};
