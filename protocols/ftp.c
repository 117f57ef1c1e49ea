/* SPDX-License-Identifier: MIT */
/* ftp.c: FTP before login (RFC 959, RFC 2389, RFC 4217): greeting, FEAT, USER, AUTH TLS or
 * AUTH SSL, PBSZ, PROT, CCC, QUIT. */
#include "protocols/dialogue.h"

/* RFC 854: commands of the Telnet layer that some servers still send; out is as large as a line may
 * be. */
static struct span strip_telnet(struct span line, char *out)
{
    const unsigned char iac = 255, will = 251;
    size_t n = 0;
    for (size_t i = 0; i < line.len; i++) {
        unsigned char next = i + 1 < line.len ? (unsigned char)line.at[i + 1] : 0;
        if ((unsigned char)line.at[i] != iac)
            out[n++] = line.at[i];
        else if (next == iac)
            out[n++] = line.at[++i];
        else
            i += next >= will ? 2 : 1; /* WILL, WON'T, DO, DON'T name an option */
    }
    return (struct span){out, n};
}

/* RFC 2389 section 3.2: a feature a line. AUTH may name several ways, with ";" between them, or
 * none. */
static void read_feature(struct dialogue *d, struct span text)
{
    struct span rest = span_trim(text);
    struct span word = span_word(&rest);

    if (!word.len)
        return;
    dialogue_note(d, NOTE_CAPABILITY, span_trim(text));
    if (span_is(word, "AUTH") &&
        (!rest.len || span_mentions(rest, "TLS") || span_mentions(rest, "SSL")))
        dialogue_capabilities(d)->starttls = true;
}

/* The lines between the first and the last of a reply may be anything (RFC 959 section 4.2). */
static void read_inner_line(struct dialogue *d, struct span line)
{
    int code;
    char separator;
    if (d->step != STEP_CAPABILITIES || d->code != 211)
        return;
    dialogue_list(d);
    if (reply_parse_code(line, &code, &separator) && code == d->code)
        line = span_from(line, 4); /* some servers repeat the code before each feature */
    read_feature(d, line);
}

/* If nothing follows, this line was the end of its reply, by another code than that of its beginning. */
static void remember_last(struct dialogue *d, struct span line, int code)
{
    d->last_code = code;
    d->last_len = line.len < sizeof d->last ? line.len : sizeof d->last;
    memcpy(d->last, line.at, d->last_len);
}

static enum line read_line(struct dialogue *d, struct span line, struct reply *reply)
{
    char separator;
    bool coded = reply_parse_code(line, &reply->code, &separator);

    if (!coded && !d->code)
        return LINE_ALIEN;
    if (d->step == STEP_GREETING) {
        d->named |= span_mentions(line, "FTP");
        dialogue_note(d, NOTE_BANNER, line);
    }
    d->last_code = 0;
    if (d->code && !(coded && separator == ' ' && reply->code == d->code)) {
        if (coded && separator == ' ')
            remember_last(d, line, reply->code);
        else
            read_inner_line(d, line);
        return LINE_MORE;
    }
    if (separator == '-') {
        d->code = reply->code;
        return LINE_MORE;
    }
    d->code = 0;
    if (reply->code == 120) /* RFC 959 section 5.4: the service is ready in a while */
        return LINE_MORE;
    if (reply->code == 220 && d->step == STEP_CAPABILITIES) {
        d->greeted_again = true; /* RFC 4217 has no second greeting; it is not the answer to FEAT */
        return LINE_MORE;
    }
    reply->kind = reply_kind_of_code(reply->code);
    return LINE_LAST;
}

static enum line ftp_line(struct dialogue *d, struct span line, struct reply *reply)
{
    char clean[DIALOGUE_LINE_MAX];
    if (line.len && memchr(line.at, 255, line.len))
        line = strip_telnet(line, clean);
    return read_line(d, line, reply);
}

static enum want ftp_ask(struct dialogue *d, enum step step)
{
    switch (step) {
    case STEP_CAPABILITIES:
        return dialogue_say(d, step, "FEAT");
    case STEP_LOGIN:
        return dialogue_say(d, step, "USER %s", d->agenda.user);
    case STEP_PASSWORD:
        return dialogue_say_secret(d, step, "PASS (a random password)", "PASS %s",
                                   d->agenda.password);
    case STEP_ANONYMOUS:
        d->anonymous = ANSWER_MISSING;
        return dialogue_say(d, step, "USER anonymous");
    case STEP_UPGRADE:
        d->upgrade_command = "AUTH TLS";
        return dialogue_say(d, step, d->agenda.injection ? "AUTH TLS\r\nNOOP" : "AUTH TLS");
    case STEP_UPGRADE_AGAIN:
        return dialogue_say(d, step, "AUTH SSL");
    case STEP_BUFFER:
        d->protection = ANSWER_MISSING;
        return dialogue_say(d, step, "PBSZ 0");
    case STEP_PROTECTION:
        return dialogue_say(d, step, "PROT P");
    case STEP_CLEAR:
        d->clear = ANSWER_MISSING;
        return dialogue_say(d, step, "CCC");
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
    /* SMTP greets with 220 too, NNTP and others with another 2yz. */
    d->doubtful = reply->code != 220
                      ? !d->named
                      : span_mentions(reply->line, "SMTP") && !span_mentions(reply->line, "FTP");
    return GREETING_OK;
}

/* The code that the standard has for "done" is a yes; any other that is positive fits nothing. */
static enum answer answer_to(const struct reply *reply, int done)
{
    if (reply->code == done)
        return ANSWER_YES;
    return reply->kind == REPLY_POSITIVE ? ANSWER_ODD : answer_of(reply->kind);
}

static enum want features(struct dialogue *d, const struct reply *reply)
{
    struct capabilities *c = dialogue_capabilities(d);
    c->answer = answer_of(reply->kind);
    if (reply->code == 211) {
        dialogue_list(d); /* a single 211 line: there are none */
        d->doubtful = false;
    } else if (c->answer == ANSWER_YES) {
        c->answer = ANSWER_ODD;
    } else if (has_enhanced_code(reply->line)) { /* which FTP does not have */
        d->doubtful = true;
    }
    return reply->kind == REPLY_FAREWELL ? dialogue_end(d, ENDING_LEFT) : dialogue_proceed(d);
}

/* RFC 4217 section 4.2: 234 it is; 334 is wrong there, but some send it and go on. */
static enum want upgraded(struct dialogue *d, const struct reply *reply)
{
    enum answer answer = reply->code == 334 ? ANSWER_YES : answer_to(reply, 234);

    if (answer == ANSWER_NO && speaks_of_now(reply->line))
        answer = ANSWER_LATER;
    if (reply->kind == REPLY_FAREWELL) {
        d->upgrade = ANSWER_LATER;
        dialogue_note(d, NOTE_UPGRADE, reply->line);
        return dialogue_end(d, ENDING_LEFT);
    }
    if (d->step == STEP_UPGRADE && answer == ANSWER_NO) {
        d->upgrade = ANSWER_NO;
        dialogue_note(d, NOTE_UPGRADE, reply->line);
        return d->doubtful ? dialogue_end(d, ENDING_ALIEN) : ftp_ask(d, STEP_UPGRADE_AGAIN);
    }
    if (d->step == STEP_UPGRADE_AGAIN && answer != ANSWER_YES)
        return dialogue_proceed(d); /* the answer to AUTH TLS stands */
    if (d->step == STEP_UPGRADE_AGAIN)
        d->upgrade_command = "AUTH SSL";
    d->doubtful &= answer != ANSWER_YES;
    return dialogue_upgraded(d, answer, reply->line);
}

/* What the refusal of a login says: codes of RFC 2228 section 5 first, words where they are silent.
 */
static enum login_reply judge_refusal(const struct dialogue *d, const struct reply *reply)
{
    bool worded = d->worded;

    switch (reply->code) {
    case 521:
    case 522:
    case 533:
    case 534:
        return LOGIN_REPLY_TLS_FIRST;
    case 503:
        return worded ? LOGIN_REPLY_TLS_FIRST : LOGIN_REPLY_TLS_WORDS;
    case 500:
    case 502:
        return worded ? LOGIN_REPLY_TLS_FIRST : LOGIN_REPLY_ABSENT;
    default:
        break;
    }
    if (worded)
        return LOGIN_REPLY_TLS_FIRST;
    if (reply->kind == REPLY_FAREWELL)
        return LOGIN_REPLY_LEFT;
    if (reply->kind == REPLY_TRANSIENT)
        return LOGIN_REPLY_LATER;
    return d->step == STEP_PASSWORD ? LOGIN_REPLY_EVALUATED : LOGIN_REPLY_REFUSED;
}

/* Logged in: RFC 959 section 5.4, RFC 2228 section 5.1; to a password 202 is a yes, too. */
static bool is_let_in(const struct dialogue *d, int code)
{
    return code == 230 || code == 232 || (code == 202 && d->step == STEP_PASSWORD);
}

static enum login_reply judge_login(const struct dialogue *d, const struct reply *reply)
{
    if (is_let_in(d, reply->code))
        return LOGIN_REPLY_IN;
    if (reply->code == 331 || reply->code == 332)
        return LOGIN_REPLY_TAKEN;
    return reply->kind == REPLY_POSITIVE || reply->kind == REPLY_CONTINUE ? LOGIN_REPLY_ODD
                                                                          : judge_refusal(d, reply);
}

/* USER, and PASS only with a password to send (RFC 959 section 5.4). */
static enum want login(struct dialogue *d, const struct reply *reply)
{
    bool user = d->step == STEP_LOGIN;
    enum login_reply what = judge_login(d, reply);
    dialogue_login(d, user ? "USER" : "PASS", what, reply->line);
    if (reply->kind == REPLY_FAREWELL)
        return dialogue_end(d, ENDING_LEFT);
    if (user && what == LOGIN_REPLY_TAKEN && d->agenda.password)
        return ftp_ask(d, STEP_PASSWORD);
    return d->agenda.anonymous ? ftp_ask(d, STEP_ANONYMOUS) : dialogue_proceed(d);
}

static enum want anonymous(struct dialogue *d, const struct reply *reply)
{
    /* Many ask anybody for a password: 331 says something only if the other name did not get it. */
    bool asked = reply->code == 331 || reply->code == 332;
    d->anonymous = (asked && d->login < LOGIN_REPLY_TAKEN) || is_let_in(d, reply->code) ? ANSWER_YES
                   : reply->kind == REPLY_POSITIVE                                      ? ANSWER_ODD
                                                   : answer_of(reply->kind);
    return reply->kind == REPLY_FAREWELL ? dialogue_end(d, ENDING_LEFT) : dialogue_proceed(d);
}

/* RFC 4217 section 12.1: before a login a server may refuse all of these; that says nothing. */
static bool is_wanting_login(const struct reply *reply)
{
    return reply->code == 503 || reply->code == 530;
}

static enum want protect(struct dialogue *d, const struct reply *reply)
{
    if (reply->kind == REPLY_FAREWELL)
        return dialogue_end(d, ENDING_LEFT);
    if (d->step == STEP_BUFFER)
        return ftp_ask(d, STEP_PROTECTION);
    d->wants_login = is_wanting_login(reply);
    if (!d->wants_login)
        d->protection = reply->code == 431 ? ANSWER_NO : answer_to(reply, 200);
    dialogue_note(d, NOTE_PROTECTION, reply->line);
    return dialogue_proceed(d);
}

/* A server that says yes now expects the end of TLS: it is left. */
static enum want clear_again(struct dialogue *d, const struct reply *reply)
{
    d->wants_login |= is_wanting_login(reply);
    if (!is_wanting_login(reply))
        d->clear = answer_to(reply, 200);
    if (reply->kind == REPLY_FAREWELL)
        return dialogue_end(d, ENDING_LEFT);
    return d->clear == ANSWER_YES ? dialogue_end(d, ENDING_NONE) : dialogue_proceed(d);
}

static enum want ftp_turn(struct dialogue *d, const struct reply *reply)
{
    switch (d->step) {
    case STEP_GREETING:
        return dialogue_greeted(d, greet(d, reply));
    case STEP_CAPABILITIES:
        return features(d, reply);
    case STEP_UPGRADE:
    case STEP_UPGRADE_AGAIN:
        return upgraded(d, reply);
    case STEP_LOGIN:
    case STEP_PASSWORD:
        return login(d, reply);
    case STEP_ANONYMOUS:
        return anonymous(d, reply);
    case STEP_BUFFER:
    case STEP_PROTECTION:
        return protect(d, reply);
    case STEP_CLEAR:
        return clear_again(d, reply);
    default:
        return dialogue_end(d, ENDING_NONE);
    }
}

const struct protocol protocol_ftp = {
    .name = "ftp",
    .greetings = {"1", "2", "4", "5", NULL},
    .data_channel = true,
    .line = ftp_line,
    .ask = ftp_ask,
    .turn = ftp_turn,
};
