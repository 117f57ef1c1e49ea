/* SPDX-License-Identifier: MIT */
/* pop3.c: POP3 before authentication (RFC 1939, RFC 2449, RFC 2595): greeting, CAPA, AUTH and
 * USER, STLS, QUIT. */
#include <stdio.h>

#include "protocols/dialogue.h"

/* RFC 2449 section 6: a tag, then its parameters. A bare SASL names no mechanism. */
static void read_capability(struct dialogue *d, struct span line)
{
    struct capabilities *c = dialogue_list(d);

    if (span_starts(line, ".")) /* RFC 1939 section 3: it was doubled because it begins the line */
        line = span_from(line, 1);
    struct span rest = line, word = span_word(&rest);
    if (span_starts(word, "+OK")) { /* then the line before was a greeting where none belongs */
        d->greeted_again |= d->secure && d->agenda.upgrade;
        if (d->agenda.injection && d->secure)
            dialogue_note(d, NOTE_INJECTED, line);
    }
    if (!word.len || span_starts(word, "+OK"))
        return;
    dialogue_note(d, NOTE_CAPABILITY, span_trim(line));
    if (span_is(word, "STLS"))
        c->starttls = true;
    else if (span_is(word, "USER"))
        c->user = true;
    else if (span_is(word, "SASL"))
        while ((word = span_word(&rest)).len)
            dialogue_note_mechanism(d, word);
}

/* RFC 2449 section 8, RFC 3206: codes that say "later" and not "never". */
static bool is_transient(struct span line)
{
    struct span text = span_trim(span_from(line, strlen("-ERR")));
    return span_starts(text, "[SYS/TEMP]") || span_starts(text, "[IN-USE]") ||
           span_starts(text, "[LOGIN-DELAY]");
}

static bool is_status(struct span line)
{
    return span_starts(line, "+OK") || span_starts(line, "-ERR");
}

static enum line pop3_line(struct dialogue *d, struct span line, struct reply *reply)
{
    if (d->step == STEP_CAPABILITIES && d->listing) {
        if (span_is(line, "."))
            return LINE_LAST;
        read_capability(d, line);
        return LINE_MORE;
    }
    if (d->step == STEP_GOODBYE && d->agenda.injection && d->secure && !is_status(line)) {
        d->injected |= span_is(line, "."); /* QUIT has no list: CAPA was answered twice */
        d->parted = false;
        return LINE_MORE;
    }
    if (d->step == STEP_GREETING && (span_starts(line, "+OK") || span_starts(line, "-ERR")))
        dialogue_note(d, NOTE_BANNER, line);
    if (span_starts(line, "+OK")) {
        if (d->step != STEP_CAPABILITIES)
            return LINE_LAST;
        if (d->agenda.injection && d->secure) { /* its last line is only "." */
            dialogue_note(d, NOTE_INJECTED, line);
            dialogue_remember(d, line);
        }
        dialogue_list(d);
        return LINE_MORE;
    }
    if (span_starts(line, "-ERR"))
        reply->kind = is_transient(line) ? REPLY_TRANSIENT : REPLY_NEGATIVE;
    else if (d->step != STEP_GREETING && span_starts(line, "+"))
        reply->kind = REPLY_CONTINUE;
    else
        return LINE_ALIEN;
    return LINE_LAST;
}

static enum want pop3_ask(struct dialogue *d, enum step step)
{
    const struct agenda *a = &d->agenda;

    switch (step) {
    case STEP_CAPABILITIES:
        return dialogue_say(d, step, "CAPA");
    case STEP_LOGIN:
    case STEP_OTHER:
        d->second = false;
        if ((step == STEP_LOGIN) == !a->mechanism)
            return dialogue_say(d, step, "USER %s", a->user);
        return dialogue_say(d, step, "AUTH %s", dialogue_mechanism(d));
    case STEP_PASSWORD:
        return dialogue_say_secret(d, step, "PASS (a random password)", "PASS %s", a->password);
    case STEP_UPGRADE:
        d->upgrade_command = "STLS";
        return dialogue_say(d, step, a->injection ? "STLS\r\nCAPA" : "STLS");
    case STEP_INSIDE:
        return dialogue_say(d, step, "STLS");
    default:
        return dialogue_say(d, STEP_GOODBYE, "QUIT");
    }
}

/* The server has no such command: only words say so in POP3. */
static bool is_unknown(struct span line)
{
    static const char *const words[] = {"unknown",         "unrecogni", "unsupported",
                                        "not implemented", "invalid",   "bad command"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_mentions(line, words[i]))
            return true;
    return false;
}

/* What the refusal of a login says; the codes are those of RFC 2449 section 8 and RFC 3206. */
static enum login_reply judge_refusal(const struct dialogue *d, const struct reply *reply)
{
    struct span text = span_trim(span_from(reply->line, strlen("-ERR")));
    bool password = d->step == STEP_PASSWORD, coded = span_starts(text, "[AUTH]");

    if (password && (span_starts(text, "[IN-USE]") || span_starts(text, "[LOGIN-DELAY]")))
        return LOGIN_REPLY_EVALUATED;
    if (reply->kind == REPLY_TRANSIENT || span_starts(text, "[SYS/"))
        return LOGIN_REPLY_LATER;
    if (speaks_of_tls(text))
        return coded ? LOGIN_REPLY_TLS_FIRST : LOGIN_REPLY_TLS_WORDS;
    if (password)
        return coded ? LOGIN_REPLY_EVALUATED : LOGIN_REPLY_DENIED;
    return is_unknown(text) ? LOGIN_REPLY_ABSENT : LOGIN_REPLY_REFUSED;
}

static bool is_user(const struct dialogue *d)
{
    return !d->second && (d->step == STEP_LOGIN) == !d->agenda.mechanism;
}

/* What follows "go on", however it was said: nothing of ours that could be a credential. */
static enum want go_on(struct dialogue *d, const char *probe, const struct reply *reply)
{
    d->affirmed = reply->kind == REPLY_POSITIVE;
    bool taken = !d->affirmed && !d->agenda.contradicted;
    dialogue_login(d, probe, taken ? LOGIN_REPLY_TAKEN : LOGIN_REPLY_ODD, reply->line);
    if (d->agenda.contradicted)
        return dialogue_say(d, STEP_RESOLVE, "%s", "");
    return dialogue_say(d, STEP_CANCEL, "*");
}

/* "*", or an empty response, was answered. +OK to AUTH was meant as "go on" if that was refused by
   one that still thought of the login; a server that says +OK to all, or that knows no "*", did not
   go on. */
static enum want resolve(struct dialogue *d, const struct reply *reply)
{
    char probe[32];
    bool refused = reply->kind == REPLY_NEGATIVE || reply->kind == REPLY_TRANSIENT;

    snprintf(probe, sizeof probe, "AUTH %s", dialogue_mechanism(d));
    if (d->step == STEP_RESOLVE)
        dialogue_login(d, probe, dialogue_resolve(d, reply, judge_refusal(d, reply)), reply->line);
    else if (d->affirmed && refused && !span_mentions(reply->line, "command"))
        dialogue_login(d, probe, LOGIN_REPLY_TAKEN, reply->line);
    if (d->step == STEP_RESOLVE && reply->kind == REPLY_CONTINUE) {
        d->affirmed = false;
        return dialogue_say(d, STEP_CANCEL, "*");
    }
    return d->agenda.password && d->agenda.mechanism ? pop3_ask(d, STEP_OTHER)
                                                     : dialogue_proceed(d);
}

/* AUTH without a response (RFC 5034), then "*"; or USER, and PASS only with a password to send. The
   other way is tried where the first was refused for no reason that would hold for it too. */
static enum want login(struct dialogue *d, const struct reply *reply)
{
    const struct agenda *a = &d->agenda;
    char probe[32] = "PASS";
    bool first = d->step == STEP_LOGIN, user = d->step != STEP_PASSWORD && is_user(d);

    if (user)
        snprintf(probe, sizeof probe, "USER");
    else if (d->step != STEP_PASSWORD)
        snprintf(probe, sizeof probe, "AUTH %s", dialogue_mechanism(d));
    if ((reply->kind == REPLY_CONTINUE || reply->kind == REPLY_POSITIVE) && !user &&
        d->step != STEP_PASSWORD)
        return go_on(d, probe, reply);
    if (reply->kind != REPLY_POSITIVE) {
        enum login_reply refusal = judge_refusal(d, reply);
        dialogue_login(d, probe, refusal, reply->line);
        if (!user && d->step != STEP_PASSWORD && refusal == LOGIN_REPLY_ABSENT &&
            dialogue_has_second(d))
            return dialogue_say(d, d->step, "AUTH %s", dialogue_mechanism(d));
        bool settled = d->login != LOGIN_REPLY_ABSENT && d->login != LOGIN_REPLY_REFUSED;
        return first && (!settled || (a->password && !user)) ? pop3_ask(d, STEP_OTHER)
                                                             : dialogue_proceed(d);
    }
    dialogue_login(d, probe, user ? LOGIN_REPLY_TAKEN : LOGIN_REPLY_IN, reply->line);
    return user && a->password ? pop3_ask(d, STEP_PASSWORD) : dialogue_proceed(d);
}

static enum want pop3_turn(struct dialogue *d, const struct reply *reply)
{
    struct capabilities *c = dialogue_capabilities(d);

    switch (d->step) {
    case STEP_GREETING:
        return dialogue_greeted(d, reply->kind == REPLY_POSITIVE ? GREETING_OK : GREETING_REFUSED);
    case STEP_CAPABILITIES:
        c->answer = answer_of(reply->kind);
        c->login_disabled = !c->user && !c->plaintext;
        return dialogue_proceed(d);
    case STEP_LOGIN:
    case STEP_OTHER:
    case STEP_PASSWORD:
        return login(d, reply);
    case STEP_CANCEL:
    case STEP_RESOLVE:
        return resolve(d, reply);
    case STEP_UPGRADE:
        return dialogue_upgraded(d, answer_of(reply->kind), reply->line);
    case STEP_INSIDE:
        return dialogue_upgraded_inside(d, answer_of(reply->kind), reply);
    default:
        return dialogue_end(d, ENDING_NONE);
    }
}

const struct protocol protocol_pop3 = {
    .name = "pop3",
    .greetings = {"+OK", "-ERR", NULL},
    .announces_login = true,
    .line = pop3_line,
    .ask = pop3_ask,
    .turn = pop3_turn,
};
