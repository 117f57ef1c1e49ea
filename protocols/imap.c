/* SPDX-License-Identifier: MIT */
/* imap.c: IMAP before authentication (RFC 9051, RFC 3501): greeting, CAPABILITY, AUTHENTICATE,
 * STARTTLS, LOGOUT.
 */
#include <stdio.h>

#include "protocols/dialogue.h"

/* RFC 9051 section 7.2.2: atoms in any order, AUTH=mechanism among them. */
static void read_capabilities(struct dialogue *d, struct span rest)
{
    struct capabilities *c = dialogue_list(d);
    struct span word;
    while ((word = span_word(&rest)).len) {
        dialogue_note(d, NOTE_CAPABILITY, word);
        if (span_is(word, "STARTTLS"))
            c->starttls = true;
        else if (span_is(word, "LOGINDISABLED"))
            c->login_disabled = true;
        else if (span_starts(word, "AUTH="))
            dialogue_note_mechanism(d, span_from(word, strlen("AUTH=")));
    }
}

/* The list may also stand in a response code: OK [CAPABILITY IMAP4rev1 …] text. */
static void read_response_code(struct dialogue *d, struct span text)
{
    static const char opening[] = "[CAPABILITY ";
    const char *end = span_starts(text, opening) ? memchr(text.at, ']', text.len) : NULL;
    if (!end)
        return;
    struct span inside = span_until(text, (size_t)(end - text.at));
    read_capabilities(d, span_from(inside, strlen(opening)));
}

/* RFC 9051 section 4.3: a line that ends in {n} or {n+} goes on after n octets of literal. */
static void expect_literal(struct dialogue *d, struct span line)
{
    size_t n = 0, end = line.len;
    if (!end || line.at[--end] != '}')
        return;
    if (end && line.at[end - 1] == '+')
        end--;
    size_t start = end;
    while (start && ascii_digit(line.at[start - 1]))
        start--;
    if (start == end || !start || line.at[start - 1] != '{')
        return;
    for (size_t i = start; i < end && n <= DIALOGUE_REPLY_MAX; i++)
        n = 10 * n + (size_t)(line.at[i] - '0');
    d->literal = n;
    d->continued = true;
}

static enum line untagged(struct dialogue *d, struct span line, struct reply *reply)
{
    struct span rest = span_from(line, strlen("* "));
    struct span word = span_word(&rest);
    bool greeting = d->step == STEP_GREETING;

    rest = span_trim(rest);
    bool refusal = span_is(word, "NO") || span_is(word, "BAD");
    if (greeting && !refusal && !span_is(word, "OK") && !span_is(word, "PREAUTH") &&
        !span_is(word, "BYE"))
        return LINE_ALIEN;
    if (greeting)
        dialogue_note(d, NOTE_BANNER, line);
    if (greeting && refusal) { /* RFC 9051 has BYE for that */
        reply->kind = REPLY_NEGATIVE;
        return LINE_LAST;
    }
    if (span_is(word, "BYE")) {
        reply->kind = REPLY_FAREWELL;
        d->parted = d->agenda.injection && d->secure && d->step == STEP_GOODBYE;
        return d->step == STEP_GOODBYE ? LINE_MORE : LINE_LAST;
    }
    if (span_is(word, "OK") || span_is(word, "PREAUTH")) {
        d->greeted_again |= d->secure && d->agenda.upgrade && d->step == STEP_CAPABILITIES &&
                            !dialogue_capabilities(d)->listed;
        read_response_code(d, rest);
        d->preauth |= greeting && span_is(word, "PREAUTH");
        d->listing = false; /* the line that answers our command says it anew */
        return greeting ? LINE_LAST : LINE_MORE;
    }
    if (span_is(word, "CAPABILITY"))
        read_capabilities(d, rest);
    else if (!refusal)
        expect_literal(d, line);
    return LINE_MORE;
}

/* OK, NO or BAD behind our tag. */
static enum line tagged(struct dialogue *d, struct span rest, struct reply *reply)
{
    struct span status = span_word(&rest);
    rest = span_trim(rest);
    if (span_is(status, "OK")) {
        read_response_code(d, rest);
        reply->kind = REPLY_POSITIVE;
    } else if (span_is(status, "NO") &&
               (span_starts(rest, "[UNAVAILABLE]") || span_starts(rest, "[INUSE]") ||
                span_starts(rest, "[LIMIT]"))) { /* RFC 5530: it may work later */
        reply->kind = REPLY_TRANSIENT;
    } else if (span_is(status, "NO") || span_is(status, "BAD")) {
        reply->kind = REPLY_NEGATIVE;
    } else {
        return LINE_ALIEN;
    }
    return LINE_LAST;
}

/* The answer to the command that nobody was to carry out. */
static bool is_injected(const struct dialogue *d, struct span line)
{
    char tag[16];
    snprintf(tag, sizeof tag, "X%u ", d->agenda.nonce);
    return d->agenda.injection && d->secure && span_starts(line, tag);
}

static enum line imap_line(struct dialogue *d, struct span line, struct reply *reply)
{
    char tag[16];
    int n = snprintf(tag, sizeof tag, "a%u ", d->tag);

    if (d->continued) {
        d->continued = false;
        expect_literal(d, line);
        return LINE_MORE;
    }
    if (span_starts(line, "* "))
        return untagged(d, line, reply);
    if (is_injected(d, line)) {
        d->injected = true;
        dialogue_note(d, NOTE_INJECTED, line);
        return LINE_MORE;
    }
    if (d->step == STEP_GREETING)
        return LINE_ALIEN;
    if (span_starts(line, tag))
        return tagged(d, span_from(line, (size_t)n), reply);
    if (span_starts(line, "+")) {
        reply->kind = REPLY_CONTINUE;
        return LINE_LAST;
    }
    /* An empty line is a slip; a tag that is not ours belongs to no question of ours. */
    return line.len == 0 || span_starts(line, "a") ? LINE_MORE : LINE_ALIEN;
}

static enum want say(struct dialogue *d, enum step step, const char *command)
{
    return dialogue_say(d, step, "a%u %s", ++d->tag, command);
}

static enum want imap_ask(struct dialogue *d, enum step step)
{
    switch (step) {
    case STEP_CAPABILITIES:
        return say(d, step, "CAPABILITY");
    case STEP_LOGIN:
        return dialogue_say(d, step, "a%u AUTHENTICATE %s", ++d->tag, dialogue_mechanism(d));
    case STEP_PASSWORD:
        return dialogue_say_secret(d, step, "(a tag) LOGIN (a random name) (a random password)",
                                   "a%u LOGIN %s %s", ++d->tag, d->agenda.user, d->agenda.password);
    case STEP_UPGRADE:
        d->upgrade_command = "STARTTLS";
        if (d->agenda.injection)
            return dialogue_say(d, step, "a%u STARTTLS\r\nX%u NOOP", ++d->tag, d->agenda.nonce);
        return say(d, step, "STARTTLS");
    case STEP_INSIDE:
        return say(d, step, "STARTTLS");
    default:
        return say(d, STEP_GOODBYE, "LOGOUT");
    }
}

/* What the refusal of a login says (RFC 5530 has the codes). Of a bare AUTHENTICATE no credentials
   can have been looked at, whatever the code says. */
static enum login_reply judge_refusal(const struct dialogue *d, const struct reply *reply)
{
    struct span rest = reply->line;
    span_word(&rest); /* the tag */
    bool password = d->step == STEP_PASSWORD, bad = span_is(span_word(&rest), "BAD");
    struct span text = span_trim(rest);

    if (reply->kind == REPLY_FAREWELL)
        return LOGIN_REPLY_LEFT;
    if (reply->kind == REPLY_CONTINUE) /* not to LOGIN */
        return LOGIN_REPLY_REFUSED;
    if (span_starts(text, "[PRIVACYREQUIRED]"))
        return LOGIN_REPLY_TLS_FIRST;
    if (password && (span_starts(text, "[AUTHENTICATIONFAILED]") ||
                     span_starts(text, "[AUTHORIZATIONFAILED]") || span_starts(text, "[EXPIRED]") ||
                     span_starts(text, "[UNAVAILABLE]")))
        return LOGIN_REPLY_EVALUATED;
    if (reply->kind == REPLY_TRANSIENT)
        return LOGIN_REPLY_LATER;
    if (speaks_of_tls(text) || span_mentions(text, "disabled"))
        return LOGIN_REPLY_TLS_WORDS;
    if (bad)
        return LOGIN_REPLY_ABSENT;
    return password ? LOGIN_REPLY_DENIED : LOGIN_REPLY_REFUSED;
}

/* What the reply to a command of the login says. Nobody can be let in by AUTHENTICATE before there
   was a response. */
static enum login_reply judge_login(const struct dialogue *d, const struct reply *reply)
{
    if (d->step == STEP_RESOLVE)
        return dialogue_resolve(d, reply, judge_refusal(d, reply));
    if (reply->kind == REPLY_CONTINUE && d->step == STEP_LOGIN)
        return d->agenda.contradicted ? LOGIN_REPLY_ODD : LOGIN_REPLY_TAKEN;
    if (reply->kind != REPLY_POSITIVE)
        return judge_refusal(d, reply);
    return d->step == STEP_PASSWORD ? LOGIN_REPLY_IN : LOGIN_REPLY_ODD;
}

/* AUTHENTICATE without a response (RFC 9051 section 6.2.2), then "*", which the server must refuse,
   or an empty response where the list says that no password is taken; LOGIN only with a password to
   send. */
static enum want login(struct dialogue *d, const struct reply *reply)
{
    char probe[32];
    bool goes_on = reply->kind == REPLY_CONTINUE;

    snprintf(probe, sizeof probe, "AUTHENTICATE %s", dialogue_mechanism(d));
    if (d->step == STEP_PASSWORD)
        snprintf(probe, sizeof probe, "LOGIN");
    if (d->step != STEP_CANCEL)
        dialogue_login(d, probe, judge_login(d, reply), reply->line);
    if (reply->kind == REPLY_FAREWELL)
        return dialogue_end(d, ENDING_LEFT);
    if (goes_on && d->step == STEP_LOGIN && d->agenda.contradicted)
        return dialogue_say(d, STEP_RESOLVE, "%s", "");
    if (goes_on && (d->step == STEP_LOGIN || d->step == STEP_RESOLVE))
        return dialogue_say(d, STEP_CANCEL, "*");
    if (d->step == STEP_LOGIN && reply->kind == REPLY_NEGATIVE && !d->worded &&
        speaks_of_mechanism(reply->line) && dialogue_has_second(d))
        return imap_ask(d, STEP_LOGIN);
    if (d->step != STEP_PASSWORD && d->agenda.password)
        return imap_ask(d, STEP_PASSWORD);
    return dialogue_proceed(d);
}

static enum want imap_turn(struct dialogue *d, const struct reply *reply)
{
    struct capabilities *c = dialogue_capabilities(d);

    switch (d->step) {
    case STEP_GREETING:
        return dialogue_greeted(d, reply->kind != REPLY_POSITIVE ? GREETING_REFUSED
                                   : d->preauth                  ? GREETING_PREAUTH
                                                                 : GREETING_OK);
    case STEP_CAPABILITIES:
        c->answer = answer_of(reply->kind);
        if (c->answer == ANSWER_YES && !c->listed)
            c->answer = ANSWER_ODD;
        break;
    case STEP_LOGIN:
    case STEP_CANCEL:
    case STEP_RESOLVE:
    case STEP_PASSWORD:
        return login(d, reply);
    case STEP_UPGRADE:
        if (reply->kind != REPLY_FAREWELL)
            return dialogue_upgraded(d, answer_of(reply->kind), reply->line);
        d->upgrade = ANSWER_LATER;
        dialogue_note(d, NOTE_UPGRADE, reply->line);
        break;
    case STEP_INSIDE:
        return dialogue_upgraded_inside(d, answer_of(reply->kind), reply);
    default:
        return dialogue_end(d, ENDING_NONE);
    }
    return reply->kind == REPLY_FAREWELL ? dialogue_end(d, ENDING_LEFT) : dialogue_proceed(d);
}

const struct protocol protocol_imap = {
    .name = "imap",
    .greetings = {"* OK", "* PREAUTH", "* BYE", "* NO", "* BAD", NULL},
    .announces_login = true,
    .tagged = true,
    .line = imap_line,
    .ask = imap_ask,
    .turn = imap_turn,
};
