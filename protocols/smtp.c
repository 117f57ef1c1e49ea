/* SPDX-License-Identifier: MIT */
/* smtp.c: SMTP and submission (RFC 5321, RFC 3207, RFC 4954): greeting, EHLO or HELO, RSET,
 * AUTH, STARTTLS, QUIT. */
#include <stdio.h>

#include "protocols/dialogue.h"

static void read_mechanisms(struct dialogue *d, struct span rest)
{
    struct span word;
    while ((word = span_word(&rest)).len)
        dialogue_note_mechanism(d, word);
}

/* RFC 5321 section 4.1.1.1: one keyword a line. "AUTH=" is how it was written before RFC 4954. */
static void read_keyword(struct dialogue *d, struct span text)
{
    struct span rest = span_trim(text);
    struct span word = span_word(&rest);

    if (!word.len)
        return;
    dialogue_note(d, NOTE_CAPABILITY, span_trim(text));
    if (span_is(word, "STARTTLS"))
        dialogue_capabilities(d)->starttls = true;
    else if (span_is(word, "AUTH"))
        read_mechanisms(d, rest);
    else if (span_starts(word, "AUTH="))
        read_mechanisms(d, span_from(span_trim(text), strlen("AUTH=")));
    else if (span_is(word, "X-EXPS")) /* Exchange: what AUTH takes as well, though nobody says so */
        dialogue_capabilities(d)->plaintext |= span_mentions(rest, "LOGIN");
}

/* The first line of the reply to EHLO is the server's name, the others are what it can do. */
static void read_hello_line(struct dialogue *d, struct span text)
{
    if (d->listing)
        read_keyword(d, text);
    else
        dialogue_list(d);
}

static enum line smtp_line(struct dialogue *d, struct span line, struct reply *reply)
{
    char separator;

    if (!reply_parse_code(line, &reply->code, &separator))
        return LINE_ALIEN;
    reply->kind = reply_kind_of_code(reply->code);
    if (d->step == STEP_GREETING) {
        d->named |= span_mentions(line, "SMTP");
        dialogue_note(d, NOTE_BANNER, line);
    } else if (d->step == STEP_CAPABILITIES && reply->code == 220) {
        d->greeted_again = true; /* RFC 3207 has no second greeting; it is not the answer to EHLO */
        return LINE_MORE;
    } else if (d->step == STEP_CAPABILITIES && reply->code == 250) {
        read_hello_line(d, span_from(line, 4));
    }
    return separator == '-' ? LINE_MORE : LINE_LAST;
}

static enum want smtp_ask(struct dialogue *d, enum step step)
{
    switch (step) {
    case STEP_CAPABILITIES:
        return dialogue_say(d, step, "EHLO %s", d->agenda.name);
    case STEP_HELO:
        d->helo = ANSWER_MISSING;
        return dialogue_say(d, step, "HELO %s", d->agenda.name);
    case STEP_RESET:
        d->reset = ANSWER_MISSING;
        return dialogue_say(d, step, "RSET");
    case STEP_LOGIN:
        return dialogue_say(d, step, "AUTH %s", dialogue_mechanism(d));
    case STEP_UPGRADE:
        d->upgrade_command = "STARTTLS";
        return dialogue_say(d, step, d->agenda.injection ? "STARTTLS\r\nNOOP" : "STARTTLS");
    case STEP_INSIDE:
        return dialogue_say(d, step, "STARTTLS");
    default:
        return dialogue_say(d, STEP_GOODBYE, "QUIT");
    }
}

static enum greeting greet(struct dialogue *d, const struct reply *reply)
{
    if (reply->kind != REPLY_POSITIVE) {
        d->refusal = reply->code;
        return GREETING_REFUSED;
    }
    /* FTP and LMTP greet with 220 too, NNTP and others with another 2yz. */
    d->doubtful = reply->code != 220 || !d->named;
    return GREETING_OK;
}

/* Is this how a server of another protocol says that it does not know HELO? FTP also says 530 to
   all before a login, but not with an enhanced status code as SMTP does for "TLS first". */
static bool is_foreign(const struct reply *reply)
{
    return reply->code == 500 || reply->code == 502 ||
           (reply->code == 530 && !has_enhanced_code(reply->line));
}

/* The code that the standard has for "done" is a yes; any other that is positive fits nothing. */
static enum answer answer_to(const struct reply *reply, int done)
{
    if (reply->code == done)
        return ANSWER_YES;
    return reply->kind == REPLY_POSITIVE ? ANSWER_ODD : answer_of(reply->kind);
}

static bool is_unknown(int code)
{
    return code == 500 || code == 502;
}

/* Does a refusal of STARTTLS speak of STARTTLS? Where nobody took our name, or EHLO was refused and
   503 asks for it, it speaks of that: with another name the answer may be another. */
static enum answer weigh_refusal(const struct dialogue *d, int code)
{
    enum answer ehlo = d->capabilities[0].answer, helo = d->helo;
    bool met = ehlo == ANSWER_YES || ehlo == ANSWER_ODD || helo == ANSWER_YES || helo == ANSWER_ODD;

    if (ehlo == ANSWER_YES || (met && code != 503))
        return ANSWER_NO;
    if (ehlo == ANSWER_LATER || helo == ANSWER_LATER)
        return ANSWER_LATER;
    if (!met && is_unknown(code) && is_unknown(d->refused_hello))
        return ANSWER_NO;
    return ANSWER_BARRED;
}

/* What the refusal of AUTH says (RFC 4954 section 6, RFC 3207 section 4). */
static enum login_reply judge_refusal(const struct dialogue *d, const struct reply *reply)
{
    bool worded = d->worded;

    switch (reply->code) {
    case 530:
    case 538:
        return LOGIN_REPLY_TLS_FIRST;
    case 500:
    case 501:
    case 502:
    case 503:
        return worded ? LOGIN_REPLY_TLS_FIRST : LOGIN_REPLY_ABSENT;
    case 504: /* this mechanism; there may be others */
        return worded ? LOGIN_REPLY_TLS_FIRST : LOGIN_REPLY_REFUSED;
    default:
        break;
    }
    if (worded && reply->code != 454) /* that is for the moment, whatever it speaks of */
        return LOGIN_REPLY_TLS_WORDS;
    if (reply->kind == REPLY_FAREWELL)
        return LOGIN_REPLY_LEFT;
    return reply->kind == REPLY_TRANSIENT ? LOGIN_REPLY_LATER : LOGIN_REPLY_REFUSED;
}

/* What the reply to AUTH says. Only 334 goes on, and only 235 lets in. */
static enum login_reply judge_login(const struct dialogue *d, const struct reply *reply)
{
    if (reply->code == 334)
        return d->agenda.contradicted ? LOGIN_REPLY_ODD : LOGIN_REPLY_TAKEN;
    if (reply->code == 235)
        return LOGIN_REPLY_IN;
    return reply->kind == REPLY_POSITIVE || reply->kind == REPLY_CONTINUE ? LOGIN_REPLY_ODD
                                                                          : judge_refusal(d, reply);
}

/* AUTH without an initial response, then "*" (RFC 4954 section 4); or an empty response where the
   list had no such way. */
static enum want login(struct dialogue *d, const struct reply *reply)
{
    char probe[32];
    bool resolved = d->step == STEP_RESOLVE, goes_on = reply->code == 334;

    snprintf(probe, sizeof probe, "AUTH %s", dialogue_mechanism(d));
    if (resolved)
        dialogue_login(d, probe, dialogue_resolve(d, reply, judge_refusal(d, reply)), reply->line);
    else if (d->step == STEP_LOGIN)
        dialogue_login(d, probe, judge_login(d, reply), reply->line);
    if (reply->kind == REPLY_FAREWELL)
        return dialogue_end(d, ENDING_LEFT);
    if (d->step == STEP_LOGIN && goes_on && d->agenda.contradicted)
        return dialogue_say(d, STEP_RESOLVE, "%s", "");
    if ((d->step == STEP_LOGIN && goes_on) || (resolved && goes_on))
        return dialogue_say(d, STEP_CANCEL, "*");
    bool unknown = reply->kind == REPLY_NEGATIVE && !d->worded &&
                   (reply->code == 504 || speaks_of_mechanism(reply->line));
    if (d->step == STEP_LOGIN && unknown && reply->code != 503 && dialogue_has_second(d))
        return smtp_ask(d, STEP_LOGIN);
    return dialogue_proceed(d);
}

/* Before TLS a server that insists on it says 530 to all but a few commands (RFC 3207 section 4).
 */
static enum want reset(struct dialogue *d, const struct reply *reply)
{
    enum answer answer = answer_to(reply, 250);
    d->reset = reply->code == 530 ? ANSWER_NO : answer == ANSWER_NO ? ANSWER_ODD : answer;
    return reply->kind == REPLY_FAREWELL ? dialogue_end(d, ENDING_LEFT) : dialogue_proceed(d);
}

/* Only 220 begins TLS (RFC 3207 section 4). */
static enum want upgraded(struct dialogue *d, const struct reply *reply)
{
    enum answer answer = answer_to(reply, 220);

    if (answer == ANSWER_NO)
        answer = weigh_refusal(d, reply->code);
    if (reply->kind != REPLY_FAREWELL)
        return dialogue_upgraded(d, answer, reply->line);
    d->upgrade = ANSWER_LATER;
    dialogue_note(d, NOTE_UPGRADE, reply->line);
    return dialogue_end(d, ENDING_LEFT);
}

static enum want smtp_turn(struct dialogue *d, const struct reply *reply)
{
    struct capabilities *c = dialogue_capabilities(d);

    if (d->step == STEP_GREETING)
        return dialogue_greeted(d, greet(d, reply));
    if (d->step == STEP_GOODBYE)
        return dialogue_end(d, ENDING_NONE);
    if (d->step == STEP_RESET)
        return reset(d, reply);
    if (d->step == STEP_LOGIN || d->step == STEP_CANCEL || d->step == STEP_RESOLVE)
        return login(d, reply);
    if (d->step == STEP_INSIDE)
        return dialogue_upgraded_inside(d, answer_to(reply, 220), reply);
    if (d->step == STEP_UPGRADE)
        return upgraded(d, reply);
    if (d->step == STEP_HELO)
        d->helo = answer_to(reply, 250);
    if (d->step == STEP_CAPABILITIES) {
        d->refused_hello = reply->code;
        c->answer = answer_of(reply->kind);
        if (c->answer == ANSWER_YES && !c->listed)
            c->answer = ANSWER_ODD;
        c->login_disabled = !c->plaintext;
    }
    if (reply->kind == REPLY_FAREWELL)
        return dialogue_end(d, ENDING_LEFT);
    if (reply->kind == REPLY_POSITIVE)
        d->doubtful = false;
    else if (d->step == STEP_CAPABILITIES && !d->secure)
        return d->protocol->ask(d, STEP_HELO);
    return d->doubtful && is_foreign(reply) ? dialogue_end(d, ENDING_ALIEN) : dialogue_proceed(d);
}

const struct protocol protocol_smtp = {
    .name = "smtp",
    .greetings = {"2", "4", "5", NULL},
    .hello_first = true,
    .announces_login = true,
    .resets = true,
    .line = smtp_line,
    .ask = smtp_ask,
    .turn = smtp_turn,
};
