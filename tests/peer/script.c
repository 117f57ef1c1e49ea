/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "inside.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { SCRIPT_LINE_MAX = 4096, SCRIPT_LISTENERS_MAX = LISTENERS_MAX };

struct word {
    const char *name;
    int value;
};

static const struct word protocols[] = {
    {"imap", PEER_IMAP}, {"pop3", PEER_POP3}, {"smtp", PEER_SMTP}, {"ftp", PEER_FTP}, {0}};
static const struct word modes[] = {{"clear", PEER_CLEAR}, {"implicit", PEER_IMPLICIT}, {0}};
static const struct word greetings[] = {{"ok", GREETING_OK},
                                        {"preauth", GREETING_PREAUTH},
                                        {"busy", GREETING_BUSY},
                                        {"refuse", GREETING_REFUSE},
                                        {"multiline", GREETING_MULTILINE},
                                        {"hostile", GREETING_HOSTILE},
                                        {"silent", GREETING_SILENT},
                                        {"ssh", GREETING_SSH},
                                        {"http", GREETING_HTTP},
                                        {"flood", GREETING_FLOOD},
                                        {0}};
static const struct word caps[] = {{"ok", CAPS_OK},
                                   {"refused", CAPS_REFUSED},
                                   {"lower", CAPS_LOWER},
                                   {"mixed", CAPS_MIXED},
                                   {"endless", CAPS_ENDLESS},
                                   {"halfway", CAPS_HALFWAY},
                                   {"greeting", CAPS_GREETING},
                                   {"tagged", CAPS_TAGGED},
                                   {"literal", CAPS_LITERAL},
                                   {0}};
static const struct word logins[] = {{"disabled", LOGIN_DISABLED},
                                     {"allowed", LOGIN_ALLOWED},
                                     {"announced", LOGIN_ANNOUNCED},
                                     {"contradicted", LOGIN_CONTRADICTED},
                                     {"bare", LOGIN_BARE},
                                     {"late", LOGIN_LATE},
                                     {"silent", LOGIN_SILENT},
                                     {"evaluated", LOGIN_EVALUATED},
                                     {"in", LOGIN_IN},
                                     {"unannounced", LOGIN_UNANNOUNCED},
                                     {0}};
static const struct word starttlss[] = {{"offer", STARTTLS_OFFER},
                                        {"hidden", STARTTLS_HIDDEN},
                                        {"none", STARTTLS_NONE},
                                        {"refuse", STARTTLS_REFUSE},
                                        {"temporary", STARTTLS_TEMPORARY},
                                        {"silent", STARTTLS_SILENT},
                                        {"die", STARTTLS_DIE},
                                        {"reset", STARTTLS_RESET},
                                        {"trailing", STARTTLS_TRAILING},
                                        {"late", STARTTLS_LATE},
                                        {"334", STARTTLS_334},
                                        {"ssl-only", STARTTLS_SSL_ONLY},
                                        {0}};
static const struct word injects[] = {{"sound", INJECT_SOUND},
                                      {"vulnerable", INJECT_VULNERABLE},
                                      {"delayed", INJECT_DELAYED},
                                      {"refuse", INJECT_REFUSE},
                                      {"clear", INJECT_CLEAR},
                                      {"break", INJECT_BREAK},
                                      {0}};
static const struct word after_failures[] = {
    {"close", AFTER_FAILURE_CLOSE}, {"clear", AFTER_FAILURE_CLEAR}, {0}};
static const struct word insides[] = {
    {"sound", INSIDE_SOUND}, {"listed", INSIDE_LISTED}, {"accepted", INSIDE_ACCEPTED}, {0}};
static const struct word prots[] = {
    {"ok", PROT_OK},       {"refused", PROT_REFUSED}, {"unavailable", PROT_UNAVAILABLE},
    {"login", PROT_LOGIN}, {"unknown", PROT_UNKNOWN}, {0}};
static const struct word cccs[] = {{"refused", CCC_REFUSED}, {"allowed", CCC_ALLOWED}, {0}};
static const struct word middleboxes[] = {
    {"none", MIDDLEBOX_NONE}, {"caps", MIDDLEBOX_CAPS}, {"banner", MIDDLEBOX_BANNER}, {0}};
static const struct word answers[] = {{"no", 0}, {"yes", 1}, {0}};
static const struct word versions[] = {{"ssl2", VERSION_SSL2},
                                       {"ssl3", VERSION_SSL3},
                                       {"1.0", VERSION_TLS10},
                                       {"1.1", VERSION_TLS11},
                                       {"1.2", VERSION_TLS12},
                                       {"1.3", VERSION_TLS13},
                                       {0}};
static const struct word tlss[] = {
    {"ok", TLS_OK},         {"close", TLS_CLOSE},         {"reset", TLS_RESET},
    {"silent", TLS_SILENT}, {"plaintext", TLS_PLAINTEXT}, {"garbage", TLS_GARBAGE},
    {"alerts", TLS_ALERTS}, {"break", TLS_BREAK},         {0}};
static const struct word certs[] = {{"good", CERT_GOOD},           {"rsa", CERT_RSA},
                                    {"expired", CERT_EXPIRED},     {"selfsigned", CERT_SELFSIGNED},
                                    {"wrongname", CERT_WRONGNAME}, {"weakkey", CERT_WEAKKEY},
                                    {"chain", CERT_CHAIN},         {0}};
static const struct word client_certs[] = {{"none", CLIENT_CERT_NONE},
                                           {"request", CLIENT_CERT_REQUEST},
                                           {"require", CLIENT_CERT_REQUIRE},
                                           {0}};

static const struct word snis[] = {
    {"ignored", SNI_IGNORED}, {"required", SNI_REQUIRED}, {"known", SNI_KNOWN}, {0}};
static const struct word alpns[] = {{"ignored", ALPN_IGNORED}, {"enforced", ALPN_ENFORCED}, {0}};

static const struct word ticketss[] = {
    {"yes", TICKETS_YES}, {"no", TICKETS_NO}, {"close", TICKETS_CLOSE}, {0}};

static const struct word intolerants[] = {{"none", INTOLERANT_NOT},
                                          {"list", INTOLERANT_LIST},
                                          {"extensions", INTOLERANT_EXTENSIONS},
                                          {"size", INTOLERANT_SIZE},
                                          {"version", INTOLERANT_VERSION},
                                          {0}};
static const struct word lies[] = {
    {"none", LIE_NONE},   {"suite", LIE_SUITE}, {"compression", LIE_COMPRESSION},
    {"field", LIE_FIELD}, {"short", LIE_SHORT}, {0}};

static bool word_find(const struct word *words, const char *name, int *value)
{
    for (; words->name; words++) {
        if (strcmp(words->name, name) == 0) {
            *value = words->value;
            return true;
        }
    }
    return false;
}

static const char *word_name(const struct word *words, int value)
{
    while (words->name && words->value != value)
        words++;
    return words->name;
}

const char *script_protocol(int protocol)
{
    return word_name(protocols, protocol);
}

const char *script_mode(int mode)
{
    return word_name(modes, mode);
}

const char *script_cert(int cert)
{
    return word_name(certs, cert);
}

void script_address(const uint8_t address[16], char *text, size_t size)
{
    struct in6_addr in6;
    memcpy(&in6, address, 16);
    if (IN6_IS_ADDR_V4MAPPED(&in6))
        inet_ntop(AF_INET, address + 12, text, (socklen_t)size);
    else
        inet_ntop(AF_INET6, address, text, (socklen_t)size);
}

/* Decimal, no sign, the whole text. */
static bool read_number(const char *text, unsigned min, unsigned max, unsigned *number)
{
    unsigned value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        unsigned digit = (unsigned)(*text - '0');
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *number = value;
    return value >= min;
}

static bool read_address(char *text, struct peer_config *config)
{
    char *slash = strchr(text, '/');
    unsigned bits, width = 128;
    if (slash)
        *slash = '\0';
    if (inet_pton(AF_INET, text, config->address + 12) == 1) {
        memset(config->address, 0, 10);
        memset(config->address + 10, 0xff, 2);
        width = 32;
    } else if (inet_pton(AF_INET6, text, config->address) != 1) {
        return false;
    }
    if (!slash)
        bits = width;
    else if (!read_number(slash + 1, 1, width, &bits))
        return false;
    config->bits = bits + 128 - width;
    return true;
}

static bool read_text(const char *value, char text[PEER_TEXT_MAX], bool *has)
{
    *has = true;
    size_t len = strlen(value);
    if (len >= PEER_TEXT_MAX)
        return false;
    memcpy(text, value, len + 1);
    return true;
}

/* ---- the keys ---- */

static bool set_versions(struct peer_config *config, char *value)
{
    char *rest = NULL;
    int version;
    config->versions = 0;
    for (char *name = strtok_r(value, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
        if (!word_find(versions, name, &version))
            return false;
        config->versions |= (unsigned)version;
    }
    return config->versions != 0;
}

static bool set_refuse(struct peer_config *config, char *value)
{
    static const struct word words[] = {
        {"close", REFUSE_CLOSE}, {"reset", REFUSE_RESET}, {"silent", REFUSE_SILENT}, {0}};
    int version;
    if (strncmp(value, "alert:", 6) == 0) {
        config->refuse = REFUSE_ALERT;
        return read_number(value + 6, 0, 255, &config->refuse_alert);
    }
    if (strncmp(value, "choose:", 7) == 0) {
        if (!word_find(versions, value + 7, &version) || version == VERSION_SSL2)
            return false;
        config->refuse = REFUSE_CHOOSE;
        config->refuse_version = (unsigned)version;
        return true;
    }
    return word_find(words, value, &config->refuse);
}

static bool set_cut(struct peer_config *config, char *value)
{
    static const struct word words[] = {{"close", CUT_CLOSE}, {"reset", CUT_RESET}, {0}};
    char *colon = strchr(value, ':');
    unsigned after;
    if (!colon || !read_number(colon + 1, 0, 1000000000, &after))
        return false;
    *colon = '\0';
    config->cut_after = after;
    return word_find(words, value, &config->cut);
}

static bool set_limit(struct peer_config *config, char *value)
{
    char *slash = strchr(value, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return read_number(value, 1, 1000000, &config->limit) &&
           read_number(slash + 1, 1, 86400, &config->limit_seconds);
}

static bool set_greeting_text(struct peer_config *config, const char *value, size_t len)
{
    config->has_greeting_text = true;
    if (len + 2 >= PEER_TEXT_MAX)
        return false;
    memcpy(config->greeting_text, value, len);
    if (len == 0 || value[len - 1] != '\n') {
        memcpy(config->greeting_text + len, "\r\n", 2);
        len += 2;
    }
    config->greeting_text_len = len;
    return true;
}

static bool set_login_reply(struct peer_config *config, char *value)
{
    size_t len = strlen(value);
    while (len > 0 && strchr("\r\n", value[len - 1]))
        value[--len] = '\0';
    return read_text(value, config->login_reply, &config->has_login_reply);
}

enum { KEY_UNKNOWN = -1, KEY_BAD, KEY_SET };

static int set_key(struct peer_config *c, const char *key, char *value, size_t len)
{
    const struct {
        const char *key;
        const struct word *words;
        int *value;
    } choices[] = {
        {"greeting", greetings, &c->greeting},
        {"caps", caps, &c->caps},
        {"login", logins, &c->login},
        {"anonymous", answers, &c->anonymous},
        {"required", answers, &c->required},
        {"prot", prots, &c->prot},
        {"ccc", cccs, &c->ccc},
        {"middlebox", middleboxes, &c->middlebox},
        {"starttls", starttlss, &c->starttls},
        {"inject", injects, &c->inject},
        {"after-failure", after_failures, &c->after_failure},
        {"greet-again", answers, &c->greet_again},
        {"inside", insides, &c->inside},
        {"tls", tlss, &c->tls},
        {"cert", certs, &c->cert},
        {"client-cert", client_certs, &c->client_cert},
        {"sni", snis, &c->sni},
        {"alpn", alpns, &c->alpn},
        {"tickets", ticketss, &c->tickets},
        {"intolerant", intolerants, &c->intolerant},
        {"lie", lies, &c->lie},
    };
    const struct {
        const char *key;
        unsigned *value;
    } numbers[] = {
        {"greeting-delay", &c->greeting_delay},
        {"drip", &c->drip},
        {"hello-max", &c->hello_max},
        {"max-open", &c->max_open},
        {"banned", &c->banned},
    };
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        if (strcmp(key, choices[i].key) == 0)
            return word_find(choices[i].words, value, choices[i].value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(key, numbers[i].key) == 0)
            return read_number(value, 1, 3600000, numbers[i].value);
    if (strcmp(key, "greeting-text") == 0)
        return set_greeting_text(c, value, len);
    if (strcmp(key, "login-reply") == 0)
        return set_login_reply(c, value);
    if (strcmp(key, "caps-clear") == 0)
        return read_text(value, c->caps_clear, &c->has_caps_clear);
    if (strcmp(key, "caps-tls") == 0)
        return read_text(value, c->caps_tls, &c->has_caps_tls);
    if (strcmp(key, "send-cert") == 0)
        return read_text(value, c->send_cert, &c->has_send_cert);
    if (strcmp(key, "versions") == 0)
        return set_versions(c, value);
    if (strcmp(key, "refuse") == 0)
        return set_refuse(c, value);
    if (strcmp(key, "cut") == 0)
        return set_cut(c, value);
    if (strcmp(key, "limit") == 0)
        return set_limit(c, value);
    return KEY_UNKNOWN;
}

static bool caps_fit(const char *list)
{
    size_t count = 1;
    while (*list) {
        size_t len = strcspn(list, ",");
        if (len >= CAPS_ITEM || count > CAPS_ITEMS)
            return false;
        count++;
        list += len + (list[len] == ',');
    }
    return true;
}

/* What cannot be played: better an error than a listener that does something else. */
static const char *config_nonsense(const struct peer_config *c)
{
    bool dotted = c->protocol == PEER_SMTP || c->protocol == PEER_FTP; /* codes, not words */
    if (c->greeting == GREETING_PREAUTH && c->protocol != PEER_IMAP)
        return "greeting=preauth is for imap";
    if (c->greeting == GREETING_MULTILINE && !dotted)
        return "greeting=multiline is for smtp and ftp";
    if (c->caps >= CAPS_GREETING && c->protocol != PEER_IMAP)
        return "this caps= is for imap";
    if (c->starttls >= STARTTLS_334 && c->protocol != PEER_FTP)
        return "this starttls= is for ftp";
    if ((c->prot || c->ccc || c->anonymous) && c->protocol != PEER_FTP)
        return "prot=, ccc= and anonymous= are for ftp";
    if ((c->required || c->middlebox) && c->protocol != PEER_SMTP)
        return "required= and middlebox= are for smtp";
    if (c->starttls != STARTTLS_OFFER && c->mode == PEER_IMPLICIT)
        return "an implicit port has no starttls=";
    if ((c->inject || c->after_failure || c->greet_again || c->required || c->middlebox) &&
        c->mode == PEER_IMPLICIT)
        return "what concerns the upgrade is not for an implicit port";
    if (!caps_fit(c->caps_clear) || !caps_fit(c->caps_tls))
        return "capabilities: 32 at most, of 63 characters";
    return NULL;
}

/* ---- the line ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One escape, *from at the character behind the backslash; false: unknown. */
static bool read_escape(const char **from, char *to)
{
    static const char names[] = "rnt0\\\"", values[] = "\r\n\t\0\\\"";
    char c = *(*from)++;
    if (c == 'x') {
        int high = hex_digit((*from)[0]), low = high < 0 ? -1 : hex_digit((*from)[1]);
        if (low < 0)
            return false;
        *to = (char)(unsigned char)(high * 16 + low);
        *from += 2;
        return true;
    }
    const char *name = c ? strchr(names, c) : NULL;
    if (!name)
        return false;
    *to = values[name - names];
    return true;
}

/* Cuts the next field off, unquotes it in place. 1: a field, 0: the end, -1: bad quoting. */
static int next_field(char **line, char **field, size_t *len)
{
    char *from = *line + strspn(*line, " \t\r\n");
    bool quoted = false;
    if (*from == '\0' || *from == '#')
        return 0;
    char *to = *field = from;
    while (*from && (quoted || !strchr(" \t\r\n", *from))) {
        if (*from == '"') {
            quoted = !quoted;
            from++;
        } else if (quoted && *from == '\\') {
            const char *behind = from + 1;
            if (!read_escape(&behind, to))
                return -1;
            from += behind - from;
            to++;
        } else {
            *to++ = *from++;
        }
    }
    if (quoted)
        return -1;
    *line = *from ? from + 1 : from;
    *to = '\0';
    *len = (size_t)(to - *field);
    return 1;
}

static int fail(struct peer_error *error, const char *what, const char *text)
{
    error->line = 0;
    snprintf(error->text, sizeof error->text, "%s%s%.100s", what, *text ? ": " : "", text);
    return -1;
}

/* ADDRESS PORT PROTOCOL MODE. 1, 0: an empty line, -1. */
static int read_head(char **line, struct peer_config *config, struct peer_error *error)
{
    char *field[4];
    size_t len;
    unsigned port;
    for (int i = 0; i < 4; i++) {
        int got = next_field(line, &field[i], &len);
        if (got == 0 && i == 0)
            return 0;
        if (got <= 0)
            return fail(error, "wanted: ADDRESS PORT PROTOCOL MODE [KEY=VALUE]...", "");
    }
    if (!read_address(field[0], config))
        return fail(error, "not an address", field[0]);
    if (!read_number(field[1], 0, 65535, &port))
        return fail(error, "not a port", field[1]);
    if (!word_find(protocols, field[2], &config->protocol))
        return fail(error, "not a protocol (imap, pop3, smtp, ftp)", field[2]);
    if (!word_find(modes, field[3], &config->mode))
        return fail(error, "not a mode (clear, implicit)", field[3]);
    config->port = (uint16_t)port;
    return 1;
}

static int read_line(char *line, struct peer_config *config, struct peer_error *error)
{
    char *field;
    size_t len;
    int got = read_head(&line, config, error);
    if (got <= 0)
        return got;
    while ((got = next_field(&line, &field, &len)) > 0) {
        char *value = strchr(field, '=');
        if (!value)
            return fail(error, "wanted KEY=VALUE", field);
        *value++ = '\0';
        int set = set_key(config, field, value, len - (size_t)(value - field));
        if (set == KEY_UNKNOWN)
            return fail(error, "unknown key", field);
        if (set == KEY_BAD)
            return fail(error, "bad value of", field);
    }
    if (got < 0)
        return fail(error, "bad quoting or escape", "");
    const char *nonsense = config_nonsense(config);
    return nonsense ? fail(error, nonsense, "") : 1;
}

int peer_parse(const char *line, struct peer_config *config, struct peer_error *error)
{
    char copy[SCRIPT_LINE_MAX];
    size_t len = strlen(line);
    if (len >= sizeof copy)
        return fail(error, "line too long", "");
    memcpy(copy, line, len + 1);
    *config = (struct peer_config){.versions = VERSION_TLS12 | VERSION_TLS13, .refuse_alert = 70};
    return read_line(copy, config, error);
}

int peer_parse_file(FILE *file, struct peer_config **configs, size_t *count,
                    struct peer_error *error)
{
    char line[SCRIPT_LINE_MAX + 1];
    unsigned number = 0;
    size_t room = 0;
    *configs = NULL;
    *count = 0;
    while (fgets(line, sizeof line, file)) {
        struct peer_config config;
        number++;
        int got = peer_parse(line, &config, error);
        if (got == 0)
            continue;
        if (got > 0 && *count == SCRIPT_LISTENERS_MAX)
            got = fail(error, "too many listeners", "");
        if (got > 0 && *count == room) {
            room = room ? room * 2 : 16;
            struct peer_config *more = realloc(*configs, room * sizeof *more);
            if (more)
                *configs = more;
            else
                got = fail(error, "out of memory", "");
        }
        if (got < 0) {
            error->line = number;
            free(*configs);
            *configs = NULL;
            return -1;
        }
        (*configs)[(*count)++] = config;
    }
    return ferror(file) ? fail(error, "cannot read", "") : 0;
}
