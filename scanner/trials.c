/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/trials.h"

#include <stdio.h>

#include "scanner/endpoint.h"

#define ALERT_NO_APPLICATION_PROTOCOL 120
#define INJECTION_HOLD 100U /* ms in which a server that takes the command for TLS hangs up */

/* What most trials need: a service that spoke its protocol with us, in clear, up to a login. */
static bool is_open_in_clear(const struct endpoint *e)
{
    const struct observation *o = e->observation;
    return o->status == STATUS_OK && observation_knows(o, FACT_PREAUTH) && !o->preauth &&
           !e->implicit;
}

static bool is_same_address(const struct endpoint *e)
{
    struct address there = address_reaches(&e->address);
    struct address here = address_reaches(&e->observation->source);
    return address_compare(&here, &there) == 0;
}

/* An answer that is neither yes nor no is not known, for a reason. */
static void learn(struct observation *o, enum fact fact, enum tri *value, enum answer answer,
                  const struct probe_facts *f)
{
    o->why[fact] = answer == ANSWER_NO
                       ? CAUSE_NONE
                       : cause_of_answer(answer, true, f->dialogue, f->outcome.cause);
    *value = o->why[fact] == CAUSE_NONE ? tri_of(answer == ANSWER_YES) : TRI_UNKNOWN;
}

/* --- a login in clear ------------------------------------------------------------------------- */

static bool login_is_worth(const struct endpoint *e)
{
    return endpoint_wants(e, FACTS_LOGIN) && is_open_in_clear(e) && !is_same_address(e) &&
           (e->observation->login.verdict == LOGIN_NOT_TESTED || e->unreset);
}

/* The plaintext mechanisms that the server offers, the plainest first; NULL behind them. */
static void find_mechanisms(const struct observation *o, const char *offered[2])
{
    size_t count = 0;
    offered[0] = offered[1] = NULL;
    for (size_t i = 0; plaintext_mechanisms[i] && count < 2; i++)
        if (list_has(&o->mechanisms[0], plaintext_mechanisms[i]))
            offered[count++] = plaintext_mechanisms[i];
}

/* Does the server say of itself that it takes no password now? */
static bool says_disabled(const struct observation *o)
{
    return observation_knows(o, FACT_LOGIN_BEFORE) && o->login_disabled[0] == TRI_YES;
}

/* Where no mechanism is offered, PLAIN is asked for, which is not the only one: servers that do not
   list what they take have LOGIN before all others. In IMAP the list is of use, and LOGIN a command. */
static void ask_login(struct endpoint *e, struct probe_request *r)
{
    const struct observation *o = e->observation;
    const char *offered[2];

    find_mechanisms(o, offered);
    if (!offered[0] && o->service->protocol != &protocol_imap)
        offered[1] = "LOGIN";
    r->offer = OFFER_NONE;
    r->agenda = (struct agenda){
        .login = true,
        .unlisted = e->unlisted,
        .unreset = e->unreset,
        .mechanism = offered[0],
        .second = offered[1],
        .contradicted = says_disabled(o) && !offered[0],
        .user = e->network->user,
        .password = e->options->dummy_login ? e->network->password : NULL,
        .anonymous = e->options->exhaustive,
    };
}

struct login_meaning {
    enum login_verdict verdict;
    enum confidence confidence;
    enum cause reason;
};

/* What the most telling reply means, given whether the server says that logins are disabled. A way
   that is refused for no reason proves nothing about another, unless the server says that there is
   none. */
static struct login_meaning meaning_of(enum login_reply reply, bool disabled, bool complete_list,
                                       enum cause why)
{
    switch (reply) {
    case LOGIN_REPLY_IN:
    case LOGIN_REPLY_EVALUATED:
        return (struct login_meaning){LOGIN_ACCEPTED, CONFIDENCE_CONFIRMED, CAUSE_NONE};
    case LOGIN_REPLY_TAKEN:
        return (struct login_meaning){LOGIN_ACCEPTED, CONFIDENCE_PROBABLE, CAUSE_NONE};
    case LOGIN_REPLY_TLS_FIRST:
        return (struct login_meaning){LOGIN_REFUSED, CONFIDENCE_CONFIRMED, CAUSE_NONE};
    case LOGIN_REPLY_TLS_WORDS:
        return (struct login_meaning){LOGIN_REFUSED, CONFIDENCE_PROBABLE, CAUSE_NONE};
    case LOGIN_REPLY_DENIED:
        return disabled ? (struct login_meaning){LOGIN_REFUSED, CONFIDENCE_POSSIBLE, CAUSE_NONE}
                        : (struct login_meaning){LOGIN_ACCEPTED, CONFIDENCE_PROBABLE, CAUSE_NONE};
    case LOGIN_REPLY_ABSENT:
        if (disabled)
            return (struct login_meaning){
                LOGIN_REFUSED, complete_list ? CONFIDENCE_CONFIRMED : CONFIDENCE_POSSIBLE,
                CAUSE_NONE};
        why = CAUSE_REFUSED;
        break;
    case LOGIN_REPLY_REFUSED:
        if (disabled)
            return (struct login_meaning){LOGIN_REFUSED,
                                          complete_list ? CONFIDENCE_PROBABLE : CONFIDENCE_POSSIBLE,
                                          CAUSE_NONE};
        why = CAUSE_REFUSED;
        break;
    case LOGIN_REPLY_ODD:
        why = CAUSE_ODD_REPLY;
        break;
    case LOGIN_REPLY_LATER:
        why = CAUSE_TEMPORARY;
        break;
    case LOGIN_REPLY_LEFT:
        why = CAUSE_RATE_LIMITED;
        break;
    case LOGIN_REPLY_NONE:
        break;
    }
    return (struct login_meaning){LOGIN_INCONCLUSIVE, CONFIDENCE_NONE, why};
}

/* A server that turned us away this time only: it did let us in before. */
static enum cause why_unanswered(const struct endpoint *e, const struct probe_facts *f)
{
    enum cause cause = f->outcome.cause;
    if (e->put_off || cause == CAUSE_REFUSED)
        return CAUSE_RATE_LIMITED;
    return cause == CAUSE_NONE ? CAUSE_CLOSED : cause;
}

/* The name is new in every run; a reply that repeats it must not look new for that. */
static void mask_name(char *text, const char *name)
{
    char *at = text && *name ? strcasestr(text, name) : NULL;
    if (at)
        memset(at, 'x', strcspn(name, "@"));
}

static void absorb_login(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    const struct dialogue *d = f->dialogue;
    bool disabled = says_disabled(o);
    /* In IMAP the list says nothing about other ways than LOGIN. */
    bool complete_list = o->service->protocol != &protocol_imap;
    struct login_meaning m = meaning_of(f->connected ? d->login : LOGIN_REPLY_NONE, disabled,
                                        complete_list, why_unanswered(e, f));

    o->login.verdict = m.verdict;
    o->login.confidence = m.confidence;
    o->login.reason = m.reason;
    if (!f->connected)
        return;
    snprintf(o->login.probe, sizeof o->login.probe, "%s", d->login_probe);
    mask_name(o->login.reply.data, e->network->user);
    o->credentials_sent |= d->credentials_sent;
    /* The login matters more than RSET: without that it is asked once more. */
    e->unreset = !e->unreset && f->connected && d->reset == ANSWER_MISSING;
    if (d->protocol->resets && !d->agenda.unreset)
        learn(o, FACT_REQUIRED, &o->required,
              d->reset == ANSWER_YES  ? ANSWER_NO
              : d->reset == ANSWER_NO ? ANSWER_YES
                                      : d->reset,
              f);
    if (d->anonymous != ANSWER_NOT_ASKED)
        learn(o, FACT_ANONYMOUS, &o->anonymous, d->anonymous, f);
}

/* --- an injected command ---------------------------------------------------------------------- */

/* Only where the upgrade is known to work can its failure prove anything. */
static bool injection_is_worth(const struct endpoint *e)
{
    const struct observation *o = e->observation;
    return endpoint_wants(e, FACTS_INJECTION) && !e->implicit && o->accepted == TRI_YES &&
           observation_knows(o, FACT_ACCEPTED) && o->handshake == HANDSHAKE_OK &&
           o->injection.verdict == INJECTION_NOT_TESTED;
}

static void ask_injection(struct endpoint *e, struct probe_request *r)
{
    r->offer = OFFER_HANDSHAKE;
    r->handshake = e->offer;
    r->agenda = (struct agenda){.upgrade = true, .injection = true, .nonce = e->network->nonce};
    if (e->ticket.len) {
        r->resume = &e->ticket;
        r->hold = INJECTION_HOLD;
    }
}

static void judge_injection(struct injection_fact *i, enum injection verdict,
                            enum injection_sign sign, enum cause reason)
{
    i->verdict = verdict;
    i->sign = sign;
    i->reason = reason;
}

/* Did the server hang up on it, if need be with a last word in clear? Before TLS that is a refusal,
   in the handshake it took the command for TLS. Silence is neither. */
static bool hung_up(struct outcome o)
{
    enum cause cause = o.cause == CAUSE_PLAINTEXT ? (enum cause)o.detail : o.cause;
    return cause == CAUSE_CLOSED || cause == CAUSE_RESET || cause == CAUSE_ALERT ||
           cause == CAUSE_PROTOCOL;
}

static void absorb_injection(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    struct injection_fact *i = &o->injection;
    const struct dialogue *d = f->dialogue;
    bool greeted = f->connected && (d->greeting == GREETING_OK || d->greeting == GREETING_PREAUTH);
    bool asked = greeted && d->upgrade != ANSWER_NOT_ASKED;
    bool broken =
        asked && d->upgrade == ANSWER_YES && f->outcome.phase == PHASE_TLS && hung_up(f->outcome);

    e->broke_resuming = broken && f->resuming && !d->injected;
    if (e->broke_resuming)
        judge_injection(i, INJECTION_INCONCLUSIVE, SIGN_NONE, CAUSE_TLS);
    else if (asked && d->injected)
        judge_injection(i, INJECTION_VULNERABLE, SIGN_ANSWERED_INSIDE, CAUSE_NONE);
    else if (asked &&
             (d->upgrade == ANSWER_NO || (d->upgrade == ANSWER_MISSING && hung_up(f->outcome))))
        judge_injection(i, INJECTION_NOT_VULNERABLE, SIGN_REFUSED, CAUSE_NONE);
    else if (broken)
        judge_injection(i, INJECTION_NOT_VULNERABLE, SIGN_HANDSHAKE_BROKEN, CAUSE_NONE);
    else if (asked && d->settled)
        judge_injection(i, INJECTION_NOT_VULNERABLE,
                        f->trailing > o->trailing ? SIGN_ANSWERED_IN_CLEAR : SIGN_FORGOTTEN,
                        CAUSE_NONE);
    else
        judge_injection(i, INJECTION_INCONCLUSIVE, SIGN_NONE,
                        asked && d->upgrade == ANSWER_LATER ? CAUSE_TEMPORARY
                                                            : why_unanswered(e, f));
    if (i->sign == SIGN_ANSWERED_IN_CLEAR)
        observation_keep(o, text_set(&i->reply, first_line_of(f->first_text), TEXT_REPLY_MAX));
    else if (i->sign != SIGN_ANSWERED_INSIDE && i->sign != SIGN_REFUSED)
        text_free(&i->reply);
}

/* Was it the command that broke the handshake, or that a session was to be resumed? The same
   without the command tells. */
static bool resumption_is_worth(const struct endpoint *e)
{
    return e->broke_resuming;
}

static void ask_resumption(struct endpoint *e, struct probe_request *r)
{
    r->offer = OFFER_HANDSHAKE;
    r->agenda = (struct agenda){.upgrade = true};
    r->resume = &e->ticket;
}

static void absorb_resumption(struct endpoint *e, const struct probe_facts *f)
{
    struct injection_fact *i = &e->observation->injection;

    e->broke_resuming = false;
    if (f->connected && f->dialogue->secure) {
        judge_injection(i, INJECTION_NOT_VULNERABLE, SIGN_HANDSHAKE_BROKEN, CAUSE_NONE);
    } else if (f->resuming && f->outcome.phase == PHASE_TLS && hung_up(f->outcome)) {
        judge_injection(i, INJECTION_NOT_TESTED, SIGN_NONE, CAUSE_TLS); /* as yet */
        tls_ticket_free(&e->ticket);
    } else {
        judge_injection(i, INJECTION_INCONCLUSIVE, SIGN_NONE, why_unanswered(e, f));
    }
}

/* --- clear text after a handshake that failed ------------------------------------------------- */

static bool falling_back_is_worth(const struct endpoint *e)
{
    const struct observation *o = e->observation;
    return e->options->exhaustive && !e->implicit && o->handshake == HANDSHAKE_OK;
}

static void ask_falling_back(struct endpoint *e, struct probe_request *r)
{
    (void)e;
    r->offer = OFFER_ALERT;
    r->agenda = (struct agenda){.upgrade = true};
}

static void absorb_falling_back(struct endpoint *e, const struct probe_facts *f)
{
    enum cause cause = f->outcome.cause;
    bool begun = f->connected && f->tls_begun;
    enum answer answer = !begun ? ANSWER_MISSING : f->dialogue->fallen;

    if (begun && answer != ANSWER_YES && (cause == CAUSE_CLOSED || cause == CAUSE_RESET))
        answer = ANSWER_NO;
    if (answer == ANSWER_NOT_ASKED || answer == ANSWER_MISSING)
        e->observation->why[FACT_CONTINUES] =
            begun && cause == CAUSE_NONE ? CAUSE_TIMEOUT : why_unanswered(e, f);
    else
        learn(e->observation, FACT_CONTINUES, &e->observation->continues, answer, f);
}

/* --- hellos that should be refused ------------------------------------------------------------ */

/* Some version must have been accepted: else every refusal has another reason. */
static bool hello_is_worth(const struct endpoint *e)
{
    const struct observation *o = e->observation;
    return e->options->exhaustive && endpoint_wants(e, FACTS_VERSIONS) &&
           e->ladder.form != HELLO_BARE &&
           (o->tls.versions[VERSION_TLS12].status == VERSION_ACCEPTED ||
            o->tls.versions[VERSION_TLS13].status == VERSION_ACCEPTED);
}

/* TLS 1.2 shows it in the first flight; with TLS 1.3 a share is needed for that. */
static void ask_odd_hello(struct endpoint *e, struct probe_request *r)
{
    bool older = e->observation->tls.versions[VERSION_TLS12].status == VERSION_ACCEPTED;
    r->offer = OFFER_HELLO;
    r->hello = (struct hello){
        .highest = older ? VERSION_TLS12 : VERSION_TLS13, .alone = !older, .with_share = !older};
    if (e->ladder.form != HELLO_NEW || e->ladder.known.part)
        r->hello = e->ladder.known;
    r->agenda = (struct agenda){.upgrade = !e->implicit};
}

static void ask_foreign_alpn(struct endpoint *e, struct probe_request *r)
{
    ask_odd_hello(e, r);
    r->hello.foreign_alpn = true;
}

static void ask_unknown_name(struct endpoint *e, struct probe_request *r)
{
    ask_odd_hello(e, r);
    r->server_name = "nonexistent.invalid";
}

/* Accepted, or refused by an alert; a HelloRetryRequest comes too early to tell. */
static void absorb_odd_hello(struct endpoint *e, const struct probe_facts *f, enum fact fact,
                             enum tri *value)
{
    const struct response *r = f->response;
    enum cause *why = &e->observation->why[fact];

    if (r && r->greeted && !r->hello.retry) {
        *value = TRI_YES;
        *why = CAUSE_NONE;
    } else if (f->outcome.cause == CAUSE_ALERT) {
        *value = TRI_NO;
        *why = CAUSE_NONE;
    } else {
        *why = r && r->greeted ? CAUSE_ODD_REPLY : why_unanswered(e, f);
    }
}

static void absorb_foreign_alpn(struct endpoint *e, const struct probe_facts *f)
{
    absorb_odd_hello(e, f, FACT_ALPN, &e->observation->tls.alpn);
    /* Only this alert is about ALPN (RFC 7301 section 3.2). */
    if (f->outcome.cause == CAUSE_ALERT && f->outcome.detail != ALERT_NO_APPLICATION_PROTOCOL)
        e->observation->why[FACT_ALPN] = CAUSE_ODD_REPLY;
}

static void absorb_unknown_name(struct endpoint *e, const struct probe_facts *f)
{
    absorb_odd_hello(e, f, FACT_UNKNOWN_NAME, &e->observation->tls.unknown_name);
}

/* --- renegotiation ---------------------------------------------------------------------------- */

static bool has_older_version(const struct observation *o)
{
    for (int v = VERSION_TLS10; v <= VERSION_TLS12; v++)
        if (o->tls.versions[v].status == VERSION_ACCEPTED)
            return true;
    return false;
}

static bool renegotiation_is_worth(const struct endpoint *e)
{
    const struct observation *o = e->observation;
    return e->options->exhaustive && o->tls.established && observation_knows(o, FACT_ESTABLISHED) &&
           has_older_version(o);
}

static void ask_renegotiation(struct endpoint *e, struct probe_request *r)
{
    r->offer = OFFER_HANDSHAKE;
    r->handshake = e->offer == TLS_OFFER_DEFAULT ? TLS_OFFER_OLDER
                   : e->offer == TLS_OFFER_SMALL ? TLS_OFFER_OLD
                                                 : e->offer;
    r->renegotiate = true;
    r->agenda = (struct agenda){.upgrade = !e->implicit};
}

static void absorb_renegotiation(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    struct tls_session_facts s = {0};
    if (f->tls)
        s = tls_facts(f->tls);
    bool cut = s.completed && (f->outcome.cause == CAUSE_CLOSED ||
                               f->outcome.cause == CAUSE_RESET || f->outcome.cause == CAUSE_ALERT);
    o->tls.renegotiates = cut ? TRI_NO : s.renegotiated;
    o->why[FACT_RENEGOTIATES] =
        o->tls.renegotiates != TRI_UNKNOWN ? CAUSE_NONE : why_unanswered(e, f);
}

/* --- the table -------------------------------------------------------------------------------- */

const struct trial trials[] = {
    {"login", COURSE_LOGIN, login_is_worth, ask_login, absorb_login},
    {"login", COURSE_LOGIN, login_is_worth, ask_login, absorb_login},
    {"injection", COURSE_ABUSE, injection_is_worth, ask_injection, absorb_injection},
    {"resumption", COURSE_ABUSE, resumption_is_worth, ask_resumption, absorb_resumption},
    {"injection", COURSE_ABUSE, injection_is_worth, ask_injection, absorb_injection},
    {"fallback", COURSE_ABUSE, falling_back_is_worth, ask_falling_back, absorb_falling_back},
    {"alpn", COURSE_ABUSE, hello_is_worth, ask_foreign_alpn, absorb_foreign_alpn},
    {"name", COURSE_ABUSE, hello_is_worth, ask_unknown_name, absorb_unknown_name},
    {"renegotiation", COURSE_ABUSE, renegotiation_is_worth, ask_renegotiation,
     absorb_renegotiation},
};
const size_t trials_count = sizeof trials / sizeof *trials;

/* --- what was not tried ----------------------------------------------------------------------- */

static enum cause why_no_login(const struct endpoint *e, bool late)
{
    const struct observation *o = e->observation;
    if (!endpoint_wants(e, FACTS_LOGIN))
        return CAUSE_NOT_ASKED;
    if (e->implicit)
        return CAUSE_IMPLICIT;
    if (o->preauth)
        return CAUSE_PREAUTH;
    if (o->status != STATUS_OK)
        return o->error.cause;
    if (is_same_address(e))
        return CAUSE_SAME_ADDRESS;
    if (e->turned_away)
        return CAUSE_RATE_LIMITED;
    return late ? CAUSE_DEADLINE : CAUSE_NOT_ASKED;
}

static enum cause why_no_injection(const struct endpoint *e, bool late)
{
    const struct observation *o = e->observation;
    if (!endpoint_wants(e, FACTS_INJECTION))
        return CAUSE_NOT_ASKED;
    if (!observation_knows(o, FACT_ACCEPTED))
        return o->why[FACT_ACCEPTED];
    if (o->accepted == TRI_NO)
        return CAUSE_REFUSED;
    if (o->handshake == HANDSHAKE_FAILED)
        return CAUSE_TLS;
    if (o->why[FACT_ESTABLISHED] == CAUSE_LOCAL)
        return CAUSE_LOCAL;
    if (e->turned_away)
        return CAUSE_RATE_LIMITED;
    return late ? CAUSE_DEADLINE : CAUSE_NOT_ASKED;
}

void trials_conclude(struct endpoint *e, bool late)
{
    struct observation *o = e->observation;
    if (o->login.verdict == LOGIN_NOT_TESTED)
        o->login.reason = why_no_login(e, late);
    if (o->injection.verdict == INJECTION_NOT_TESTED)
        o->injection.reason = why_no_injection(e, late);
    if (e->options->exhaustive && o->tls.established && !has_older_version(o))
        observation_learn(o, FACT_RENEGOTIATES); /* TLS 1.3 does not know it */
}
