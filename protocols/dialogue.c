/* SPDX-License-Identifier: MIT */
#include "protocols/dialogue.h"

#include <stdarg.h>
#include <stdio.h>

void dialogue_init(struct dialogue *d, const struct protocol *protocol, struct agenda agenda,
                   bool secure, note_fn note, void *context)
{
    *d = (struct dialogue){
        .protocol = protocol, .agenda = agenda, .note = note, .context = context, .secure = secure};
}

/* Begins to wait for the next reply. */
static void reply_begin(struct dialogue *d)
{
    d->reply_octets = 0;
    d->literal = 0;
    d->code = 0;
    d->continued = false;
    d->listing = false;
    d->worded = false;
    d->last_code = 0;
}

/* Passes over what is left of a literal. */
static void eat_literal(struct dialogue *d, struct span *bytes)
{
    size_t n = d->literal < bytes->len ? d->literal : bytes->len;
    d->literal -= n;
    d->reply_octets += n;
    *bytes = span_from(*bytes, n);
}

/* The end of the first line: LF, or where lines end so a CR alone. */
static const char *end_of_line(const struct dialogue *d, struct span bytes)
{
    const char *lf = bytes.len ? memchr(bytes.at, '\n', bytes.len) : NULL;
    const char *cr = bytes.len && d->bare_cr ? memchr(bytes.at, '\r', bytes.len) : NULL;
    return cr && (!lf || cr + 1 < lf) ? cr : lf;
}

/* Takes one line, without its end, off the front; false if it is not complete yet. */
static bool take_line(struct dialogue *d, struct span *bytes, struct span *line)
{
    const char *end = end_of_line(d, *bytes);
    if (!end)
        return false;
    size_t n = (size_t)(end - bytes->at);
    d->reply_octets += n + 1;
    *line = span_until(*bytes, n);
    *bytes = span_from(*bytes, n + 1);
    if (line->len && line->at[line->len - 1] == '\r')
        line->len--;
    else
        d->bare_lf |= *end == '\n' && !(d->bare_cr && !line->len);
    return true;
}

/* NUL, blanks, a byte order mark, and commands of the Telnet layer (RFC 854). */
static size_t padding_of(struct span s)
{
    const unsigned char iac = 255, will = 251;
    size_t n = 0;
    while (n < s.len) {
        unsigned char c = (unsigned char)s.at[n];
        unsigned char next = n + 1 < s.len ? (unsigned char)s.at[n + 1] : 0;
        if (c == 0 || c == ' ' || c == '\t')
            n++;
        else if (s.len - n >= 3 && memcmp(s.at + n, "\xef\xbb\xbf", 3) == 0)
            n += 3;
        else if (c == iac && next != iac)
            n += next >= will ? 3 : 2;
        else
            break;
    }
    return n < s.len ? n : s.len;
}

/* What some servers send in front of a reply, and in front of a greeting. */
static struct span without_padding(const struct dialogue *d, struct span line)
{
    struct span bare = span_from(line, padding_of(line));
    if (d->step == STEP_GREETING && !d->code && dialogue_greets(d->protocol, bare))
        return bare;
    while (line.len && !*line.at && !d->listing)
        line = span_from(line, 1);
    return line;
}

static bool begins_with_any(struct span line, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (span_starts(line, words[i]))
            return true;
    return false;
}

/* Is this line, which does not greet, how another protocol greets, or no text at all? */
static bool is_foreign(const struct dialogue *d, struct span line)
{
    static const char *const others[] = {"SSH-", "HTTP/", "RFB ", "<",         "\"",    "{",
                                         "+OK",  "-ERR",  "* OK", "* PREAUTH", "* BYE", NULL};
    int code;
    char separator;
    if (begins_with_any(line, others) || reply_parse_code(line, &code, &separator) ||
        (d->protocol == &protocol_imap && span_starts(line, "* ")))
        return true;
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.at[i];
        if (c < ' ' && c != '\t' && c != '\r' && c != '\a' && c != 27) /* 27: colours */
            return true;
    }
    return false;
}

/* A line that does not greet is passed over where a greeting may still follow. */
static enum want pass_over(struct dialogue *d, struct span line)
{
    dialogue_note(d, NOTE_BANNER, line);
    if (is_foreign(d, line) || ++d->odd_lines > DIALOGUE_ODD_LINES_MAX)
        return dialogue_end(d, ENDING_ALIEN);
    return WANT_MORE;
}

void dialogue_remember(struct dialogue *d, struct span line)
{
    snprintf(d->first, sizeof d->first, "%.*s", (int)span_until(line, sizeof d->first - 1).len,
             line.at);
}

/* Whose answer is it, where a command was injected? Where answers have no tags they come in the
   order of the commands: one to each of the two that we say inside TLS (capabilities, goodbye), and
   before them the one that nobody may give. */
static enum want count_answer(struct dialogue *d, const struct reply *reply)
{
    bool goodbye = d->step == STEP_GOODBYE;
    if (d->protocol->tagged) {
        d->settled = goodbye && !d->injected;
        return d->protocol->turn(d, reply);
    }
    if (++d->answers == 1 && !span_is(reply->line, "."))
        dialogue_note(d, NOTE_INJECTED, reply->line);
    d->injected = d->answers > 2;
    d->settled = goodbye && !d->injected && reply->code == 221;
    d->parted = goodbye && d->answers == 2 && !reply->code &&
                !span_is(span_until(reply->line, sizeof d->first - 1), d->first);
    if (d->answers == 1 && !*d->first)
        dialogue_remember(d, reply->line);
    if (!goodbye)
        return d->protocol->turn(d, reply);
    return d->injected || d->settled ? dialogue_end(d, ENDING_NONE) : WANT_MORE;
}

enum want dialogue_fall_back(struct dialogue *d)
{
    reply_begin(d);
    d->fallen = ANSWER_MISSING;
    d->protocol->ask(d, STEP_GOODBYE);
    memmove(d->out + 2, d->out, d->out_len);
    memcpy(d->out, "\r\n", 2);
    d->out_len += 2;
    return WANT_MORE;
}

bool dialogue_hesitates(const struct dialogue *d, struct span rest)
{
    if (rest.len)
        return rest.at[rest.len - 1] == '\r';
    return d->last_code || (d->odd_lines && d->step == STEP_GREETING);
}

void dialogue_closed(struct dialogue *d)
{
    if (d->fallen == ANSWER_MISSING)
        d->fallen = ANSWER_NO;
    if (d->parted)
        d->settled = !d->injected;
}

/* What the server made of our alert comes first; only a goodbye of its own counts. */
static enum want fall_back(struct dialogue *d, const struct reply *reply)
{
    bool coded = reply->code != 0;
    if (reply->kind != REPLY_POSITIVE || (coded && reply->code != 221))
        return WANT_MORE;
    d->fallen = ANSWER_YES;
    return dialogue_end(d, ENDING_NONE);
}

static enum want turn(struct dialogue *d, const struct reply *reply)
{
    if (d->fallen == ANSWER_MISSING)
        return fall_back(d, reply);
    if (d->agenda.injection && d->secure)
        return count_answer(d, reply);
    return d->protocol->turn(d, reply);
}

static enum want hear(struct dialogue *d, struct span line)
{
    dialogue_note(d, NOTE_HEARD, line);
    line = without_padding(d, line);
    struct reply reply = {.kind = REPLY_POSITIVE, .line = line};
    /* An empty line is a slip, but where the answers are counted, and within a reply or a literal. */
    if (!line.len && !d->code && !d->continued && !(d->agenda.injection && d->secure)) {
        d->odd_lines += d->step == STEP_GREETING;
        return WANT_MORE;
    }
    if (d->step == STEP_LOGIN || d->step == STEP_OTHER || d->step == STEP_PASSWORD ||
        d->step == STEP_RESOLVE)
        d->worded |= speaks_of_tls(line);
    switch (d->protocol->line(d, line, &reply)) {
    case LINE_MORE:
        return WANT_MORE;
    case LINE_ALIEN:
        if (d->fallen == ANSWER_MISSING)
            return WANT_MORE;
        return d->greeting != GREETING_NONE ? dialogue_end(d, ENDING_GARBLED) : pass_over(d, line);
    case LINE_LAST:
        break;
    }
    enum want want = turn(d, &reply);
    reply_begin(d);
    return want;
}

enum want dialogue_feed(struct dialogue *d, struct span *bytes)
{
    enum want want = WANT_MORE;
    struct span line;

    d->out_len = 0;
    if (d->step == STEP_DONE)
        return d->ending == ENDING_NONE ? WANT_CLOSE : WANT_ABORT;
    while (want == WANT_MORE && bytes->len && !d->out_len) {
        if (d->literal) {
            eat_literal(d, bytes);
            if (d->reply_octets > DIALOGUE_REPLY_MAX)
                return dialogue_end(d, ENDING_LIMIT);
            continue;
        }
        if (!take_line(d, bytes, &line)) {
            if (bytes->len > DIALOGUE_LINE_MAX + 1) /* its CR may be there already */
                want = dialogue_end(d, ENDING_LIMIT);
            break;
        }
        if (line.len > DIALOGUE_LINE_MAX || d->reply_octets > DIALOGUE_REPLY_MAX)
            return dialogue_end(d, ENDING_LIMIT);
        want = hear(d, line);
    }
    return want;
}

enum want dialogue_silence(struct dialogue *d, struct span *bytes)
{
    d->out_len = 0;
    if (bytes->len && bytes->at[bytes->len - 1] == '\r') {
        d->bare_cr = true;
        return dialogue_feed(d, bytes);
    }
    if (d->last_code) {
        struct reply reply = {.kind = reply_kind_of_code(d->last_code),
                              .code = d->last_code,
                              .line = {d->last, d->last_len}};
        enum want want = turn(d, &reply);
        reply_begin(d);
        return want;
    }
    if (d->odd_lines && d->step == STEP_GREETING)
        return dialogue_end(d, ENDING_ALIEN);
    return WANT_MORE;
}

enum want dialogue_secured(struct dialogue *d)
{
    d->secure = true;
    d->out_len = 0;
    return dialogue_proceed(d);
}

struct span dialogue_output(const struct dialogue *d)
{
    return (struct span){d->out, d->out_len};
}

bool dialogue_greets(const struct protocol *protocol, struct span bytes)
{
    bytes = span_from(bytes, padding_of(bytes));
    for (size_t i = 0; protocol->greetings[i]; i++) {
        struct span greeting = span_of(protocol->greetings[i]);
        size_t n = bytes.len < greeting.len ? bytes.len : greeting.len, same = 0;
        while (same < n && ascii_upper(bytes.at[same]) == greeting.at[same])
            same++;
        if (same == n)
            return true;
    }
    return false;
}

enum tri dialogue_login_disabled(const struct dialogue *d, bool inside_tls)
{
    const struct capabilities *c = &d->capabilities[inside_tls];
    if (!d->protocol->announces_login || c->answer != ANSWER_YES)
        return TRI_UNKNOWN;
    return tri_of(c->login_disabled);
}

static void compose(struct dialogue *d, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void compose(struct dialogue *d, const char *format, va_list arguments)
{
    int n = vsnprintf(d->out, sizeof d->out - 2, format, arguments);
    size_t len = n < 0 ? 0 : (size_t)n;
    if (len > sizeof d->out - 3)
        len = sizeof d->out - 3;
    memcpy(d->out + len, "\r\n", 2);
    d->out_len = len + 2;
}

/* Commands that go out in one piece are noted one by one. */
static void note_said(struct dialogue *d)
{
    struct span rest = dialogue_output(d), line;
    while (rest.len) {
        const char *end = memchr(rest.at, '\r', rest.len);
        line = span_until(rest, end ? (size_t)(end - rest.at) : rest.len);
        dialogue_note(d, NOTE_SAID, line);
        rest = span_from(rest, line.len + 2);
    }
}

static enum want begin_step(struct dialogue *d, enum step step)
{
    d->step = step;
    if (step == STEP_CAPABILITIES)
        dialogue_capabilities(d)->answer = ANSWER_MISSING;
    if (step == STEP_UPGRADE)
        d->upgrade = ANSWER_MISSING;
    if (step == STEP_INSIDE)
        d->inside = ANSWER_MISSING;
    return WANT_MORE;
}

enum want dialogue_say(struct dialogue *d, enum step step, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    compose(d, format, arguments);
    va_end(arguments);
    note_said(d);
    return begin_step(d, step);
}

enum want dialogue_say_secret(struct dialogue *d, enum step step, const char *shown,
                              const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    compose(d, format, arguments);
    va_end(arguments);
    dialogue_note(d, NOTE_SAID, span_of(shown));
    d->credentials_sent = true;
    return begin_step(d, step);
}

enum want dialogue_greeted(struct dialogue *d, enum greeting greeting)
{
    d->greeting = greeting;
    return greeting == GREETING_REFUSED ? dialogue_end(d, ENDING_REFUSED) : dialogue_proceed(d);
}

static bool mentions_any(struct span line, const char *const *words)
{
    for (size_t i = 0; words[i]; i++)
        if (span_mentions(line, words[i]))
            return true;
    return false;
}

bool speaks_of_now(struct span line)
{
    static const char *const words[] = {"too many",  "try again",   "try later", "temporar",
                                        "blocked",   "blacklist",   "blocklist", "block list",
                                        "banned",    "rate limit",  "ratelimit", "overload",
                                        "come back", "server busy", NULL};
    return mentions_any(line, words);
}

enum want dialogue_upgraded(struct dialogue *d, enum answer answer, struct span reply_line)
{
    if (answer == ANSWER_NO && speaks_of_now(reply_line))
        answer = ANSWER_LATER;
    d->upgrade = answer;
    dialogue_note(d, NOTE_UPGRADE, reply_line);
    if (answer != ANSWER_YES)
        return dialogue_proceed(d);
    d->step = STEP_SECURING;
    return WANT_TLS;
}

/* Is this step due, on this side of TLS? */
static bool is_due(const struct dialogue *d, enum step step)
{
    const struct agenda *a = &d->agenda;
    const struct protocol *p = d->protocol;

    switch (step) {
    case STEP_CAPABILITIES:
        if (d->secure)
            return a->capabilities || a->injection;
        return !a->unlisted && (a->capabilities || (p->hello_first && (a->upgrade || a->login)));
    case STEP_HELO:
        return a->unlisted && p->hello_first && !d->secure;
    case STEP_RESET:
        return a->login && !a->unreset && p->resets && !d->secure;
    case STEP_LOGIN:
        return a->login && !d->secure;
    case STEP_UPGRADE:
        return a->upgrade && !d->secure;
    case STEP_BUFFER:
        return a->protection && p->data_channel && d->secure;
    case STEP_INSIDE:
        return a->upgrade_again && !p->data_channel && d->secure;
    case STEP_CLEAR:
        return a->clear_again && p->data_channel && d->secure;
    default:
        return false;
    }
}

/* A second layer of TLS is of no use: whoever accepts it is left. */
enum want dialogue_upgraded_inside(struct dialogue *d, enum answer answer,
                                   const struct reply *reply)
{
    d->inside = answer;
    if (reply->kind == REPLY_FAREWELL)
        return dialogue_end(d, ENDING_LEFT);
    return d->inside == ANSWER_YES ? dialogue_end(d, ENDING_NONE) : dialogue_proceed(d);
}

enum want dialogue_proceed(struct dialogue *d)
{
    for (int step = STEP_CAPABILITIES; step < STEP_GOODBYE; step++) {
        uint32_t bit = (uint32_t)1 << step;
        if ((d->asked[d->secure] & bit) || !is_due(d, (enum step)step))
            continue;
        d->asked[d->secure] |= bit;
        return d->protocol->ask(d, (enum step)step);
    }
    return d->protocol->ask(d, STEP_GOODBYE);
}

enum want dialogue_end(struct dialogue *d, enum ending ending)
{
    d->step = STEP_DONE;
    d->ending = ending;
    return ending == ENDING_NONE ? WANT_CLOSE : WANT_ABORT;
}

struct capabilities *dialogue_capabilities(struct dialogue *d)
{
    return &d->capabilities[d->secure];
}

struct capabilities *dialogue_list(struct dialogue *d)
{
    struct capabilities *c = dialogue_capabilities(d);
    if (!d->listing) {
        d->listing = true;
        *c = (struct capabilities){.answer = c->answer, .listed = true};
        dialogue_note(d, NOTE_CAPABILITIES_BEGIN, (struct span){"", 0});
    }
    return c;
}

/* A server that repeats our password does not get it into anybody's files. */
void dialogue_note(struct dialogue *d, enum note note, struct span text)
{
    if (d->credentials_sent && span_mentions(text, d->agenda.password))
        text = span_of("(withheld: it repeats the password)");
    if (d->note)
        d->note(d->context, d->secure, note, text);
}

void dialogue_login(struct dialogue *d, const char *probe, enum login_reply reply, struct span line)
{
    bool refused = reply == LOGIN_REPLY_ABSENT || reply == LOGIN_REPLY_REFUSED;
    if (refused && speaks_of_now(line))
        reply = LOGIN_REPLY_LATER;
    if (reply < d->login)
        return;
    d->login = reply;
    snprintf(d->login_probe, sizeof d->login_probe, "%s", probe);
    dialogue_note(d, NOTE_LOGIN, line);
}

const char *dialogue_mechanism(const struct dialogue *d)
{
    if (d->second)
        return d->agenda.second;
    return d->agenda.mechanism ? d->agenda.mechanism : "PLAIN";
}

bool dialogue_has_second(struct dialogue *d)
{
    bool has = d->agenda.second && !d->second_asked;
    d->second_asked |= has;
    d->second |= has;
    return has;
}

bool speaks_of_mechanism(struct span line)
{
    static const char *const words[] = {"mechanism",   "authentication type", "auth type",
                                        "unsupported", "not supported",       "unrecogni",
                                        "unknown",     "not implemented",     NULL};
    return mentions_any(line, words);
}

bool speaks_of_credentials(struct span line)
{
    static const char *const words[] = {"authenticationfailed",
                                        "authorizationfailed",
                                        "[expired]",
                                        "authentication fail",
                                        "authentication unsuc",
                                        "auth fail",
                                        "login fail",
                                        "login incorrect",
                                        "incorrect",
                                        "credential",
                                        "bad password",
                                        "invalid password",
                                        "invalid login",
                                        "invalid user",
                                        "unknown user",
                                        "no such user",
                                        "wrong password",
                                        "password mismatch",
                                        "badcreds",
                                        NULL};
    return mentions_any(line, words);
}

/* Refused for want of TLS: the list is true. The credentials, though there were none, or asked for
   the next of them: it is not. All else proves nothing. */
enum login_reply dialogue_resolve(const struct dialogue *d, const struct reply *reply,
                                  enum login_reply refusal)
{
    if (reply->kind ==
        REPLY_CONTINUE) /* PLAIN has one response, LOGIN has a second: the password */
        return strcmp(dialogue_mechanism(d), "LOGIN") == 0 ? LOGIN_REPLY_TAKEN : LOGIN_REPLY_ODD;
    if (reply->kind == REPLY_POSITIVE)
        return LOGIN_REPLY_ODD;
    if (refusal == LOGIN_REPLY_TLS_FIRST || refusal == LOGIN_REPLY_TLS_WORDS ||
        refusal == LOGIN_REPLY_LATER || refusal == LOGIN_REPLY_LEFT)
        return refusal;
    return reply->code == 535 || speaks_of_credentials(reply->line) ? LOGIN_REPLY_TAKEN
                                                                    : LOGIN_REPLY_ODD;
}

bool speaks_of_tls(struct span line)
{
    static const char *const words[] = {"tls",        "ssl",        "encrypt",    "secur",
                                        "plaintext",  "plain text", "plain-text", "cleartext",
                                        "clear text", "clear-text", "privacy",    "confidential",
                                        "layer",      NULL};
    return mentions_any(line, words);
}

const char *const plaintext_mechanisms[] = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER", NULL};

void dialogue_note_mechanism(struct dialogue *d, struct span name)
{
    if (!name.len)
        return;
    for (size_t i = 0; plaintext_mechanisms[i]; i++)
        if (span_is(name, plaintext_mechanisms[i]))
            dialogue_capabilities(d)->plaintext = true;
    dialogue_note(d, NOTE_MECHANISM, name);
}

bool reply_parse_code(struct span line, int *code, char *separator)
{
    if (line.len < 3 || line.at[0] < '1' || line.at[0] > '5' || !ascii_digit(line.at[1]) ||
        !ascii_digit(line.at[2]))
        return false;
    *separator = line.len > 3 ? line.at[3] : ' ';
    if (*separator == '\t' || !*separator)
        *separator = ' ';
    if (*separator != ' ' && *separator != '-')
        return false;
    *code = (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + (line.at[2] - '0');
    return true;
}

enum reply_kind reply_kind_of_code(int code)
{
    if (code == 421)
        return REPLY_FAREWELL;
    switch (code / 100) {
    case 3:
        return REPLY_CONTINUE;
    case 4:
        return REPLY_TRANSIENT;
    case 5:
        return REPLY_NEGATIVE;
    default:
        return REPLY_POSITIVE;
    }
}

bool has_enhanced_code(struct span line)
{
    struct span s = span_from(line, 4);
    for (int dots = 0; dots < 2; dots++) {
        size_t n = 0;
        while (n < s.len && n < 3 && ascii_digit(s.at[n]))
            n++;
        if (!n || n == s.len || s.at[n] != '.')
            return false;
        s = span_from(s, n + 1);
    }
    return s.len && ascii_digit(s.at[0]);
}

enum answer answer_of(enum reply_kind kind)
{
    switch (kind) {
    case REPLY_POSITIVE:
        return ANSWER_YES;
    case REPLY_NEGATIVE:
        return ANSWER_NO;
    case REPLY_TRANSIENT:
    case REPLY_FAREWELL:
        return ANSWER_LATER;
    case REPLY_CONTINUE:
        break;
    }
    return ANSWER_ODD;
}
