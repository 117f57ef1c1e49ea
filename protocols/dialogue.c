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
    struct reply reply = {.kind = REPLY_POSITIVE, .line = line};
    dialogue_note(d, NOTE_HEARD, line);
    if (d->step == STEP_LOGIN || d->step == STEP_OTHER || d->step == STEP_PASSWORD)
        d->worded |= speaks_of_tls(line);
    switch (d->protocol->line(d, line, &reply)) {
    case LINE_MORE:
        return WANT_MORE;
    case LINE_ALIEN:
        if (d->fallen == ANSWER_MISSING)
            return WANT_MORE;
        if (d->greeting != GREETING_NONE)
            return dialogue_end(d, ENDING_GARBLED);
        dialogue_note(d, NOTE_BANNER, line);
        return dialogue_end(d, ENDING_ALIEN);
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

enum want dialogue_upgraded(struct dialogue *d, enum answer answer, struct span reply_line)
{
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
        return a->capabilities ||
               (d->secure ? a->injection : p->hello_first && (a->upgrade || a->login));
    case STEP_RESET:
        return a->login && p->resets && !d->secure;
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
enum want dialogue_upgraded_inside(struct dialogue *d, const struct reply *reply)
{
    d->inside = answer_of(reply->kind);
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
    if (reply < d->login)
        return;
    d->login = reply;
    snprintf(d->login_probe, sizeof d->login_probe, "%s", probe);
    dialogue_note(d, NOTE_LOGIN, line);
}

const char *dialogue_mechanism(const struct dialogue *d)
{
    return d->agenda.mechanism ? d->agenda.mechanism : "PLAIN";
}

bool speaks_of_tls(struct span line)
{
    static const char *const words[] = {"tls",        "ssl",        "encrypt",    "secur",
                                        "plaintext",  "plain text", "plain-text", "cleartext",
                                        "clear text", "clear-text", "privacy",    "confidential",
                                        "layer"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_mentions(line, words[i]))
            return true;
    return false;
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
