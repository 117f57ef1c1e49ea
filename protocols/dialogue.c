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
}

/* Passes over what is left of a literal. */
static void eat_literal(struct dialogue *d, struct span *bytes)
{
    size_t n = d->literal < bytes->len ? d->literal : bytes->len;
    d->literal -= n;
    d->reply_octets += n;
    *bytes = span_from(*bytes, n);
}

/* Takes one line, without its end, off the front; false if it is not complete yet. */
static bool take_line(struct dialogue *d, struct span *bytes, struct span *line)
{
    const char *end = bytes->len ? memchr(bytes->at, '\n', bytes->len) : NULL;
    if (!end)
        return false;
    size_t n = (size_t)(end - bytes->at);
    d->reply_octets += n + 1;
    *line = span_until(*bytes, n);
    *bytes = span_from(*bytes, n + 1);
    if (line->len && line->at[line->len - 1] == '\r')
        line->len--;
    else
        d->bare_lf = true;
    return true;
}

static enum want hear(struct dialogue *d, struct span line)
{
    struct reply reply = {.kind = REPLY_POSITIVE, .line = line};
    switch (d->protocol->line(d, line, &reply)) {
    case LINE_MORE:
        return WANT_MORE;
    case LINE_ALIEN:
        if (d->greeting != GREETING_NONE)
            return dialogue_end(d, ENDING_GARBLED);
        dialogue_note(d, NOTE_BANNER, line);
        return dialogue_end(d, ENDING_ALIEN);
    case LINE_LAST:
        break;
    }
    enum want want = d->protocol->turn(d, &reply);
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

enum want dialogue_secured(struct dialogue *d)
{
    d->secure = true;
    d->out_len = 0;
    return d->protocol->ask(d, d->agenda.capabilities ? STEP_CAPABILITIES : STEP_GOODBYE);
}

struct span dialogue_output(const struct dialogue *d)
{
    return (struct span){d->out, d->out_len};
}

bool dialogue_greets(const struct protocol *protocol, struct span bytes)
{
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

enum want dialogue_say(struct dialogue *d, enum step step, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(d->out, sizeof d->out - 2, format, arguments);
    va_end(arguments);
    size_t len = n < 0 ? 0 : (size_t)n;
    if (len > sizeof d->out - 3)
        len = sizeof d->out - 3;
    memcpy(d->out + len, "\r\n", 2);
    d->out_len = len + 2;
    d->step = step;
    if (step == STEP_CAPABILITIES)
        dialogue_capabilities(d)->answer = ANSWER_MISSING;
    if (step == STEP_UPGRADE)
        d->upgrade = ANSWER_MISSING;
    return WANT_MORE;
}

enum want dialogue_greeted(struct dialogue *d, enum greeting greeting)
{
    d->greeting = greeting;
    return greeting == GREETING_REFUSED ? dialogue_end(d, ENDING_REFUSED) : dialogue_proceed(d);
}

enum want dialogue_upgraded(struct dialogue *d, enum answer answer, struct span reply_line)
{
    d->upgrade = answer;
    dialogue_note(d, NOTE_UPGRADE, reply_line);
    if (answer != ANSWER_YES)
        return dialogue_proceed(d);
    d->step = STEP_SECURING;
    return WANT_TLS;
}

enum want dialogue_proceed(struct dialogue *d)
{
    bool upgrade = d->agenda.upgrade && !d->secure;
    if (d->step == STEP_GREETING &&
        (d->agenda.capabilities || (upgrade && d->protocol->hello_first)))
        return d->protocol->ask(d, STEP_CAPABILITIES);
    if (upgrade && d->upgrade == ANSWER_NOT_ASKED)
        return d->protocol->ask(d, STEP_UPGRADE);
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

void dialogue_note(struct dialogue *d, enum note note, struct span text)
{
    if (d->note)
        d->note(d->context, d->secure, note, text);
}

void dialogue_note_mechanism(struct dialogue *d, struct span name)
{
    static const char *const plaintext[] = {"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"};
    if (!name.len)
        return;
    for (size_t i = 0; i < sizeof plaintext / sizeof *plaintext; i++)
        if (span_is(name, plaintext[i]))
            dialogue_capabilities(d)->plaintext = true;
    dialogue_note(d, NOTE_MECHANISM, name);
}

bool reply_parse_code(struct span line, int *code, char *separator)
{
    if (line.len < 3 || line.at[0] < '1' || line.at[0] > '5' || !ascii_digit(line.at[1]) ||
        !ascii_digit(line.at[2]))
        return false;
    *separator = line.len > 3 ? line.at[3] : ' ';
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
