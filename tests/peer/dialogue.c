/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "inside.h"
#include <stdarg.h>
#include <string.h>
#include <strings.h>

enum { SAY_MAX = 4096, LATE_MS = 40 };

static const char masked[] = "220 ****************************************2******0*****\r\n";
static const char trailing[] = "* OK 250 +OK plaintext behind the reply\r\n";
static const char hostile[] =
    "\xff\xfe\xc3\x28 \0 \x1b[31m\x1b]0;title\x07 <script>alert(1)</script> \"';-- "
    "{\"a\":1} \x7f\r\n";

static const struct protocol *protocol_of(const struct conn *conn)
{
    static const struct protocol *const protocols[] = {&imap_protocol, &pop3_protocol,
                                                       &smtp_protocol, &ftp_protocol};
    return protocols[conn->config->protocol];
}

/* ---- words and sayings ---- */

void say(struct conn *conn, const char *format, ...)
{
    char text[SAY_MAX];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (len > 0)
        conn_say(conn, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

void say_tagged(struct conn *conn, const char *text)
{
    say(conn, "%s%s\r\n", conn->tag, text);
}

char *line_word(char **line)
{
    char *word = *line + strspn(*line, " ");
    char *end = word + strcspn(word, " ");
    *line = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

bool word_is(const char *word, const char *upper)
{
    return strcasecmp(word, upper) == 0;
}

/* ---- what the script says about login and upgrade ---- */

bool login_announced(const struct conn *conn)
{
    return conn->secure || conn->config->login >= LOGIN_ALLOWED;
}

bool starttls_advertised(const struct conn *conn)
{
    int starttls = conn->config->starttls;
    if (conn->secure)
        return conn->config->inside == INSIDE_LISTED;
    return !conn->logged_in && starttls != STARTTLS_HIDDEN && starttls != STARTTLS_NONE;
}

/* ---- capability lists ---- */

void caps_add(struct caps *caps, const char *item)
{
    if (caps->count < CAPS_ITEMS)
        snprintf(caps->item[caps->count++], sizeof caps->item[0], "%s", item);
}

static void caps_split(struct caps *caps, const char *list)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        char item[sizeof caps->item[0]];
        snprintf(item, sizeof item, "%.*s", (int)(len < sizeof item ? len : sizeof item - 1), list);
        if (*item)
            caps_add(caps, item);
        list += len + (list[len] == ',');
    }
}

static void letters_change(char *text, bool mixed)
{
    for (size_t i = 0; text[i]; i++)
        if (text[i] >= 'A' && text[i] <= 'Z' && (!mixed || i % 2))
            text[i] = (char)(text[i] - 'A' + 'a');
}

void caps_make(const struct conn *conn, const struct caps *defaults, struct caps *caps)
{
    const struct peer_config *config = conn->config;
    caps->count = 0;
    if (conn->secure ? config->has_caps_tls : config->has_caps_clear)
        caps_split(caps, conn->secure ? config->caps_tls : config->caps_clear);
    else
        *caps = *defaults;
    if (config->caps == CAPS_LOWER || config->caps == CAPS_MIXED)
        for (size_t i = 0; i < caps->count; i++)
            letters_change(caps->item[i], config->caps == CAPS_MIXED);
}

void caps_say(struct conn *conn, const char *reply)
{
    size_t len = strlen(reply);
    switch (conn->config->caps) {
    case CAPS_HALFWAY:
        conn_say(conn, reply, len / 2);
        conn_deafen(conn);
        break;
    case CAPS_ENDLESS:
        conn_say(conn, reply, strcspn(reply, "\n") + 1);
        conn_flood(conn, protocol_of(conn)->endless, strlen(protocol_of(conn)->endless));
        break;
    default:
        conn_say(conn, reply, len);
    }
}

/* ---- the upgrade ---- */

static void trailing_say(struct conn *conn)
{
    conn_say(conn, trailing, sizeof trailing - 1);
}

static void upgrade_agree(struct conn *conn)
{
    bool odd = conn->config->starttls == STARTTLS_334;
    say_tagged(conn, odd ? "334 Using authentication type TLS." : protocol_of(conn)->upgrade.yes);
    switch (conn->config->inject) {
    case INJECT_SOUND:
        bytes_free(&conn->lines);
        break;
    case INJECT_BREAK:
        conn->in = conn->lines;
        conn->lines = (struct bytes){0};
        break;
    case INJECT_CLEAR:
        conn->upgrading = true;
        return;
    default:
        break;
    }
    conn->phase = PHASE_HELLO;
}

/* Nobody inside TLS: a second layer is not played. */
static void upgrade_again(struct conn *conn)
{
    const struct upgrade *words = &protocol_of(conn)->upgrade;
    bool accepted = conn->secure && conn->config->inside == INSIDE_ACCEPTED;
    say_tagged(conn, accepted ? words->yes : words->twice);
    if (accepted)
        conn_deafen(conn);
}

void upgrade_begin(struct conn *conn)
{
    const struct upgrade *words = &protocol_of(conn)->upgrade;
    if (conn->secure || conn->logged_in || conn->upgrading) {
        upgrade_again(conn);
        return;
    }
    conn->listener->stats.injections += conn->lines.len > 0;
    if (conn->lines.len > 0 && conn->config->inject == INJECT_REFUSE) {
        say_tagged(conn, words->injected);
        conn_end(conn);
        return;
    }
    switch (conn->config->starttls) {
    case STARTTLS_NONE:
        say_tagged(conn, words->unknown);
        break;
    case STARTTLS_REFUSE:
        say_tagged(conn, words->no);
        break;
    case STARTTLS_TEMPORARY:
        say_tagged(conn, words->later);
        break;
    case STARTTLS_SILENT:
        conn_deafen(conn);
        break;
    case STARTTLS_DIE:
        upgrade_agree(conn);
        conn_end(conn);
        break;
    case STARTTLS_RESET:
        upgrade_agree(conn);
        conn_reset(conn);
        break;
    case STARTTLS_TRAILING:
        upgrade_agree(conn);
        trailing_say(conn);
        break;
    case STARTTLS_LATE:
        upgrade_agree(conn);
        conn_pause(conn, LATE_MS, trailing_say);
        break;
    default:
        upgrade_agree(conn);
    }
}

void upgrade_failed(struct conn *conn)
{
    if (conn->config->after_failure == AFTER_FAILURE_CLOSE || conn->phase == PHASE_DEAF) {
        conn_end(conn);
        return;
    }
    if (conn->session)
        gnutls_deinit(conn->session);
    conn->session = NULL;
    conn->phase = PHASE_CLEAR;
    if (!bytes_add(&conn->lines, IN_CAP, conn->in.at, conn->in.len))
        conn_reset(conn);
    bytes_free(&conn->in);
}

/* ---- logging in, and out ---- */

/* A refusal in clear may have words of the script's own. */
static void login_refuse(struct conn *conn, const char *text)
{
    const struct peer_config *config = conn->config;
    if (!conn->secure && config->has_login_reply) {
        const char *end = strrchr(config->login_reply, '\n');
        text = end ? end + 1 : config->login_reply;
        conn_say(conn, config->login_reply, (size_t)(text - config->login_reply));
    }
    say(conn, "%s%s\r\n", *text == '*' ? "" : conn->tag, text);
    if (strncmp(text, "421", 3) == 0 || strncmp(text, "* BYE", 5) == 0)
        conn_end(conn);
}

bool login_begin(struct conn *conn, bool by_name)
{
    const struct sasl *words = &protocol_of(conn)->sasl;
    int login = conn->config->login;
    if (conn->secure || login == LOGIN_ANNOUNCED || (login == LOGIN_CONTRADICTED && !by_name) ||
        login == LOGIN_ALLOWED || login == LOGIN_IN || (login == LOGIN_EVALUATED && by_name))
        return true;
    if (login == LOGIN_SILENT)
        conn_deafen(conn);
    else
        login_refuse(conn, login == LOGIN_BARE   ? words->bare
                           : login == LOGIN_LATE ? words->later
                                                 : words->need_tls);
    return false;
}

/* As it may stand in a report. */
static void name_keep(struct conn *conn, const char *name)
{
    char *user = conn->listener->stats.user;
    if (*name)
        snprintf(user, sizeof conn->listener->stats.user, "%s", name);
    for (; *user; user++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._@", *user))
            *user = '?';
}

void login_heard(struct conn *conn, const char *name)
{
    conn->listener->stats.logins++;
    name_keep(conn, name);
    conn_suspect(conn);
}

void credentials_heard(struct conn *conn, const char *name)
{
    conn->listener->stats.credentials++;
    name_keep(conn, name);
    conn_suspect(conn);
}

void credentials_judge(struct conn *conn)
{
    const struct sasl *words = &protocol_of(conn)->sasl;
    conn->logged_in = conn->config->login == LOGIN_IN;
    if (conn->logged_in)
        say_tagged(conn, words->in);
    else if (conn->config->login == LOGIN_CONTRADICTED && !conn->secure)
        login_refuse(conn, words->need_tls);
    else
        login_refuse(conn, words->failed);
}

static bool mechanism_known(const char *name)
{
    static const char *const known[] = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (word_is(name, known[i]))
            return true;
    return false;
}

void sasl_begin(struct conn *conn, char *line)
{
    const struct sasl *words = &protocol_of(conn)->sasl;
    const char *mechanism = line_word(&line), *response = line_word(&line);
    bool two_steps = word_is(mechanism, "LOGIN");
    if (*response)
        credentials_heard(conn, "");
    else
        login_heard(conn, "");
    if (!mechanism_known(mechanism)) {
        say_tagged(conn, words->unsupported);
    } else if (!login_begin(conn, false)) {
        return;
    } else if (*response) {
        credentials_judge(conn);
    } else {
        conn->sasl_steps = two_steps ? 2 : 1;
        say(conn, "%s%s\r\n", words->challenge, two_steps ? "VXNlcm5hbWU6" : "");
    }
}

static void sasl_continue(struct conn *conn, const char *response)
{
    const struct sasl *words = &protocol_of(conn)->sasl;
    if (strcmp(response, "*") == 0) {
        conn->sasl_steps = 0;
        say_tagged(conn, words->cancelled);
    } else if (--conn->sasl_steps > 0) {
        say(conn, "%s%s\r\n", words->challenge, "UGFzc3dvcmQ6");
    } else {
        if (*response) /* an empty one is none */
            credentials_heard(conn, "");
        credentials_judge(conn);
    }
}

void goodbye(struct conn *conn, const char *text)
{
    conn->listener->stats.polite++;
    say_tagged(conn, text);
    conn_end(conn);
}

/* ---- greeting, and a line ---- */

static void greet_stranger(struct conn *conn, int greeting)
{
    if (greeting == GREETING_SSH)
        say(conn, "SSH-2.0-Demo_1.0\r\n");
    else if (greeting == GREETING_HTTP)
        say(conn, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<h1>Bad Request</h1>\r\n");
    conn_deafen(conn);
    if (greeting == GREETING_HTTP)
        conn_end(conn);
}

void dialogue_greet(struct conn *conn)
{
    const struct peer_config *config = conn->config;
    int greeting = conn->busy ? GREETING_BUSY : config->greeting;
    const char *text = protocol_of(conn)->greeting[greeting];
    if (greeting == GREETING_OK && config->middlebox == MIDDLEBOX_BANNER && !conn->secure)
        text = masked;
    conn->phase = conn->secure ? PHASE_SECURE : PHASE_CLEAR;
    conn->logged_in = greeting == GREETING_PREAUTH;
    if (config->has_greeting_text && !conn->busy) {
        conn_say(conn, config->greeting_text, config->greeting_text_len);
        return;
    }
    if (!text) {
        greet_stranger(conn, greeting);
        return;
    }
    if (greeting == GREETING_OK && config->caps == CAPS_GREETING) {
        imap_greet_caps(conn);
        return;
    }
    say(conn, "%s", text);
    if (greeting == GREETING_HOSTILE)
        conn_say(conn, hostile, sizeof hostile - 1);
    if (greeting == GREETING_BUSY || greeting == GREETING_REFUSE)
        conn_end(conn);
    if (greeting == GREETING_FLOOD)
        conn_flood(conn, "A", 1);
}

void dialogue_line(struct conn *conn, char *line)
{
    if (conn->sasl_steps > 0)
        sasl_continue(conn, line);
    else
        protocol_of(conn)->line(conn, line);
}
