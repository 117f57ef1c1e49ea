/* SPDX-License-Identifier: MIT */
/* pop3.c: POP3 before authentication (RFC 1939, RFC 2449, RFC 2595): greeting, CAPA, STLS, QUIT. */
#include "protocols/dialogue.h"

/* RFC 2449 section 6: a tag, then its parameters. A bare SASL names no mechanism. */
static void read_capability(struct dialogue *d, struct span line)
{
    struct capabilities *c = dialogue_list(d);

    if (span_starts(line, ".")) /* RFC 1939 section 3: it was doubled because it begins the line */
        line = span_from(line, 1);
    struct span rest = line, word = span_word(&rest);
    if (!word.len || span_starts(word, "+OK")) /* a greeting where none belongs */
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

static enum line pop3_line(struct dialogue *d, struct span line, struct reply *reply)
{
    if (d->step == STEP_CAPABILITIES && d->listing) {
        if (span_is(line, "."))
            return LINE_LAST;
        read_capability(d, line);
        return LINE_MORE;
    }
    if (d->step == STEP_GREETING && (span_starts(line, "+OK") || span_starts(line, "-ERR")))
        dialogue_note(d, NOTE_BANNER, line);
    if (span_starts(line, "+OK")) {
        if (d->step != STEP_CAPABILITIES)
            return LINE_LAST;
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
    const char *command = step == STEP_CAPABILITIES ? "CAPA"
                          : step == STEP_UPGRADE    ? "STLS"
                                                    : "QUIT";
    if (step == STEP_UPGRADE)
        d->upgrade_command = command;
    return dialogue_say(d, step, "%s", command);
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
    case STEP_UPGRADE:
        return dialogue_upgraded(d, answer_of(reply->kind), reply->line);
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
