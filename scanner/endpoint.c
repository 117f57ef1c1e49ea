/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/endpoint.h"

#include <sys/time.h>

#include "scanner/memory.h"

#define ALERT_PROTOCOL_VERSION 70
#define FAILURE_TEXT_MAX ((size_t)256)

static int64_t unix_ms(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000;
}

void endpoint_init(struct endpoint *e, struct observation *o,
                   const struct endpoint_options *options, struct network *network,
                   const struct address *address, const char *name)
{
    *e = (struct endpoint){.observation = o,
                           .options = options,
                           .network = network,
                           .name = name,
                           .address = *address,
                           .implicit = o->service->mode == MODE_IMPLICIT};
    ladder_init(&e->ladder, o->tls.versions, options->exhaustive);
}

/* --- what is asked next ----------------------------------------------------------------------- */

bool endpoint_wants(const struct endpoint *e, enum facts facts)
{
    return (e->options->facts & facts) != 0;
}

/* Capabilities inside an implicit port need a handshake, unless the quick mode (versions, no
 * handshake) is wanted. */
static enum offer first_offer(const struct endpoint *e)
{
    if (endpoint_wants(e, FACTS_HANDSHAKE))
        return OFFER_HANDSHAKE;
    if (endpoint_wants(e, FACTS_VERSIONS))
        return OFFER_HELLO;
    return e->implicit ? OFFER_HANDSHAKE : OFFER_NONE;
}

static void ask_dialogue(struct endpoint *e, enum offer offer, enum tls_offer handshake,
                         enum hearing hearing)
{
    struct probe_request *r = &e->request;
    e->hearing = hearing;
    r->offer = offer;
    r->handshake = handshake;
    bool capabilities = endpoint_wants(e, FACTS_CAPABILITIES), inside = offer == OFFER_HANDSHAKE;
    r->ticket = inside && handshake == TLS_OFFER_DEFAULT && !e->implicit &&
                endpoint_wants(e, FACTS_INJECTION);
    r->agenda = (struct agenda){.capabilities = capabilities,
                                .upgrade = !e->implicit && offer != OFFER_NONE,
                                .protection = capabilities && inside,
                                .upgrade_again = endpoint_wants(e, FACTS_INJECTION) && inside,
                                .clear_again = e->options->exhaustive && inside};
}

/* Asks one thing of TLS, and says no more than it must before. */
static void ask_hello(struct endpoint *e)
{
    e->hearing = HEARING_NOTHING;
    e->request.offer = OFFER_HELLO;
    e->request.agenda = (struct agenda){.upgrade = !e->implicit};
}

/* The handshake died on its hello, yet another hello was answered: the next one to begin with is of
   the form that was, and of the highest version. False if there is none, or nothing left. */
static bool choose_offer(struct endpoint *e)
{
    const struct version_fact *versions = e->observation->tls.versions;
    enum hello_form form = e->ladder.form;
    int v = VERSION_TLS13;
    while (v > VERSION_SSL3 && versions[v].status != VERSION_ACCEPTED)
        v--;
    if (!endpoint_wants(e, FACTS_HANDSHAKE) || !e->handshake_died || v == VERSION_SSL3)
        return false;
    enum tls_offer old = v == VERSION_TLS10   ? TLS_OFFER_OLD_10
                         : v == VERSION_TLS11 ? TLS_OFFER_OLD_11
                                              : TLS_OFFER_OLD;
    enum tls_offer bare = TLS_OFFER_BARE + (old - TLS_OFFER_OLD);
    if (e->offer == TLS_OFFER_DEFAULT)
        e->offer = form == HELLO_NEW      ? TLS_OFFER_SMALL
                   : form == HELLO_BARE   ? bare
                   : e->ladder.known.part ? TLS_OFFER_OLDER
                                          : old;
    else if (e->offer == TLS_OFFER_SMALL && v < VERSION_TLS13)
        e->offer = old;
    else if (e->offer == TLS_OFFER_OLDER)
        e->offer = old;
    else if (e->offer == old && form != HELLO_NEW)
        e->offer = bare;
    else
        return false;
    return true;
}

/* A hello that was accepted before. */
static void ask_known_hello(struct endpoint *e)
{
    e->request.hello = e->ladder.known;
    ask_hello(e);
}

/* Fills in what this probe asks; false when there is nothing left. */
static bool choose(struct endpoint *e)
{
    switch (e->stage) {
    case ENDPOINT_FIRST:
    case ENDPOINT_OTHER_MODE:
    case ENDPOINT_UNLISTED:
        ask_dialogue(e, first_offer(e), TLS_OFFER_DEFAULT,
                     e->unlisted ? HEARING_UPGRADE : HEARING_ALL);
        if (e->request.offer == OFFER_HELLO)
            ladder_next(&e->ladder, &e->request.hello);
        return true;
    case ENDPOINT_VERSIONS:
        if (ladder_next(&e->ladder, &e->request.hello)) {
            ask_hello(e);
            return true;
        }
        if (e->doubtful && ladder_has_accepted(&e->ladder)) {
            e->assures = true;
            ask_known_hello(e);
            return true;
        }
        if (!choose_offer(e))
            return false;
        e->stage = ENDPOINT_SMALL;
        break;
    case ENDPOINT_SMALL: /* put off */
        break;
    case ENDPOINT_DONE:
        return false;
    }
    ask_dialogue(e, OFFER_HANDSHAKE, e->offer, HEARING_INSIDE);
    return true;
}

/* The next trial of this course that is worth it. */
static bool choose_trial(struct endpoint *e, enum course course)
{
    e->trial = NULL;
    if (e->turned_away)
        return false;
    for (; e->next_trial < trials_count && trials[e->next_trial].course <= course; e->next_trial++)
        if (trials[e->next_trial].course == course && trials[e->next_trial].worth(e)) {
            e->trial = &trials[e->next_trial];
            e->hearing = HEARING_NOTHING;
            e->trial->ask(e, &e->request);
            return true;
        }
    return false;
}

/* Passive questions until there are no more: then the ladder is told so. All its time may have gone
   by while it was held or put off. */
static bool choose_passive(struct endpoint *e)
{
    struct observation *o = e->observation;
    if (e->stage != ENDPOINT_DONE && e->left && choose(e))
        return true;
    if (e->stage < ENDPOINT_VERSIONS && o->error.cause == CAUSE_NONE) {
        o->status = STATUS_ERROR;
        o->error = (struct outcome){PHASE_GREETING, CAUSE_DEADLINE, 0};
    }
    ladder_finish(&e->ladder, e->left ? CAUSE_NOT_ASKED : CAUSE_DEADLINE);
    e->stage = ENDPOINT_DONE;
    return false;
}

bool endpoint_next(struct endpoint *e, enum course course, struct probe_request *r)
{
    struct observation *o = e->observation;
    uint64_t now = uv_now(e->network->loop);

    if (!o->started) {
        o->started = unix_ms();
        o->transcript.wanted = e->options->transcript;
        e->left = e->options->deadline_ms;
    }
    e->request = (struct probe_request){.address = e->address,
                                        .port = o->service->port,
                                        .protocol = o->service->protocol,
                                        .tls_first = e->implicit,
                                        .server_name = e->name,
                                        .deadline = now + e->left};
    if (course == COURSE_PASSIVE ? !choose_passive(e) : !e->left || !choose_trial(e, course))
        return false;
    e->request.agenda.unlisted = e->unlisted && !e->implicit;
    e->request.certificates =
        e->request.offer == OFFER_HELLO && !observation_knows(o, FACT_CERTIFICATE);
    e->begun = now;
    e->lost = stall_lost(e->network->stall);
    o->connections++;
    *r = e->request;
    return true;
}

void endpoint_withdraw(struct endpoint *e)
{
    if (--e->observation->connections == 0)
        e->observation->started = 0;
}

/* What every probe costs and shows, whatever else comes of it. */
static void account(struct endpoint *e, const struct probe_facts *f)
{
    uint64_t spent = uv_now(e->network->loop) - e->begun;
    uint64_t lost = stall_lost(e->network->stall) - e->lost; /* on our side */
    spent -= lost < spent ? lost : spent;
    e->left -= spent < e->left ? spent : e->left;
    e->connected |= f->connected;
    observation_keep(e->observation, !f->out_of_memory);
    if (f->connected)
        e->observation->source = f->source;
}

bool endpoint_put_off(const struct endpoint *e, const struct probe_facts *f)
{
    const struct dialogue *d = f->dialogue;
    enum cause cause = f->outcome.cause;
    bool cut = cause == CAUSE_RESET || (cause == CAUSE_CLOSED && e->connected);

    if (!f->connected)
        return e->connected && cut;
    if (f->begun && d->greeting == GREETING_REFUSED)
        return true;
    if (f->begun && d->greeting == GREETING_NONE && f->received == 0 && cut)
        return !f->tls_begun || e->stage == ENDPOINT_FIRST || e->assures;
    return !e->trial && (d->ending == ENDING_LEFT || d->upgrade == ANSWER_LATER);
}

void endpoint_postpone(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    account(e, f);
    e->trial = NULL;
    if (e->assures) { /* what is doubtful is asked again, too */
        ladder_reopen(&e->ladder, e->doubtful);
        e->doubtful = 0;
        e->assures = false;
    }
    if (e->hearing == HEARING_NOTHING)
        return;
    bool all = e->hearing == HEARING_ALL; /* or what was heard in clear was another probe's */
    if (all || e->implicit)
        text_free(&o->banner);
    if (e->hearing != HEARING_INSIDE)
        text_free(&o->upgrade_reply);
    for (int side = !all; side < 2; side++) {
        list_clear(&o->capabilities[side]);
        list_clear(&o->mechanisms[side]);
    }
}

void endpoint_unresolved(struct endpoint *e, enum cause cause, const char *word)
{
    struct observation *o = e->observation;
    o->started = unix_ms();
    o->status = STATUS_DNS_ERROR;
    o->error = (struct outcome){PHASE_RESOLVE, cause, 0};
    o->error_word = word;
    e->stage = ENDPOINT_DONE;
    ladder_finish(&e->ladder, cause);
    endpoint_conclude(e);
}

/* --- what the dialogue says ------------------------------------------------------------------- */

void endpoint_note(struct endpoint *e, bool secure, enum note note, struct span text)
{
    struct observation *o = e->observation;

    switch (note) {
    case NOTE_HEARD:
    case NOTE_SAID:
        observation_keep(o, transcript_add(&o->transcript, o->connections, unix_ms() - o->started,
                                           note == NOTE_SAID, secure, text));
        return;
    case NOTE_LOGIN:
        observation_keep(o, text_set(&o->login.reply, text, TEXT_REPLY_MAX));
        return;
    case NOTE_INJECTED:
        observation_keep(o, text_set(&o->injection.reply, text, TEXT_REPLY_MAX));
        return;
    case NOTE_PROTECTION:
        observation_keep(o, text_set(&o->protection_reply, text, TEXT_REPLY_MAX));
        return;
    case NOTE_UPGRADE:
        if (e->request.agenda.injection) /* it may be refused for what was sent behind it */
            observation_keep(o, text_set(&o->injection.reply, text, TEXT_REPLY_MAX));
        break;
    default:
        break;
    }
    bool upgrade = e->hearing == HEARING_UPGRADE && note == NOTE_UPGRADE;
    if (e->hearing == HEARING_NOTHING || (e->hearing != HEARING_ALL && !secure && !upgrade))
        return;
    switch (note) {
    case NOTE_BANNER:
        observation_keep(o, text_add_line(&o->banner, text, TEXT_BANNER_MAX));
        break;
    case NOTE_CAPABILITIES_BEGIN:
        list_clear(&o->capabilities[secure]);
        list_clear(&o->mechanisms[secure]);
        break;
    case NOTE_CAPABILITY:
        observation_keep(o, list_add_upper(&o->capabilities[secure], text, " ="));
        break;
    case NOTE_MECHANISM:
        observation_keep(o, list_add_upper(&o->mechanisms[secure], text, ""));
        break;
    case NOTE_UPGRADE:
        observation_keep(o, text_set(&o->upgrade_reply, text, TEXT_REPLY_MAX));
        break;
    default:
        break;
    }
}

enum cause cause_of_answer(enum answer answer, bool wanted, const struct dialogue *d,
                           enum cause missing)
{
    switch (answer) {
    case ANSWER_NOT_ASKED: /* the dialogue ended before it came to that */
        return wanted && missing != CAUSE_NONE ? missing : CAUSE_NOT_ASKED;
    case ANSWER_MISSING:
        return missing == CAUSE_NONE ? CAUSE_CLOSED : missing;
    case ANSWER_LATER:
        return d->ending == ENDING_LEFT ? CAUSE_RATE_LIMITED : CAUSE_TEMPORARY;
    case ANSWER_ODD:
        return CAUSE_ODD_REPLY;
    case ANSWER_NO:
    case ANSWER_BARRED:
        return CAUSE_REFUSED;
    case ANSWER_YES:
        break;
    }
    return CAUSE_NONE;
}

/* The capability list of one side of TLS, and what it says about logging in. */
static void absorb_list(struct observation *o, const struct dialogue *d, bool side,
                        enum cause missing)
{
    enum fact capabilities = side ? FACT_CAPABILITIES_AFTER : FACT_CAPABILITIES_BEFORE;
    enum fact mechanisms = side ? FACT_MECHANISMS_AFTER : FACT_MECHANISMS_BEFORE;
    enum fact login = side ? FACT_LOGIN_AFTER : FACT_LOGIN_BEFORE;
    enum cause why =
        cause_of_answer(d->capabilities[side].answer, d->agenda.capabilities, d, missing);

    if (why == CAUSE_NONE && (o->capabilities[side].full || o->mechanisms[side].full))
        why = CAUSE_LIMIT;
    o->why[capabilities] = o->why[mechanisms] = why;
    o->login_disabled[side] = dialogue_login_disabled(d, side);
    /* Where the protocol has no such announcement, that is known without a list. */
    o->why[login] = d->protocol->announces_login ? why : CAUSE_NONE;
    if (why != CAUSE_NONE) {
        list_clear(&o->capabilities[side]);
        list_clear(&o->mechanisms[side]);
    }
}

/* A question of yes or no. */
static void learn_answer(struct observation *o, enum fact fact, enum tri *value,
                         const struct dialogue *d, enum answer answer, bool wanted,
                         enum cause missing)
{
    o->why[fact] = answer == ANSWER_NO ? CAUSE_NONE : cause_of_answer(answer, wanted, d, missing);
    *value = observation_knows(o, fact) ? tri_of(answer == ANSWER_YES) : TRI_UNKNOWN;
}

/* Nothing is before TLS where everything is inside it. */
static void absorb_implicit(struct observation *o)
{
    for (int f = FACT_ADVERTISED; f <= FACT_TRAILING; f++)
        observation_learn(o, (enum fact)f);
    for (int f = FACT_LOGIN_BEFORE; f <= FACT_MECHANISMS_BEFORE; f++)
        observation_learn(o, (enum fact)f);
}

static void absorb_upgrade(struct observation *o, const struct probe_facts *f, enum cause missing)
{
    const struct dialogue *d = f->dialogue;
    enum cause why = cause_of_answer(d->upgrade, d->agenda.upgrade, d, missing);

    o->upgrade_command = d->upgrade_command;
    o->why[FACT_REPLY] = o->upgrade_reply.data ? CAUSE_NONE : why;
    o->why[FACT_ACCEPTED] = o->why[FACT_TRAILING] = why;
    if (d->upgrade == ANSWER_YES) {
        o->accepted = TRI_YES;
        o->trailing = f->trailing;
    } else if (d->upgrade == ANSWER_NO) { /* then there is no TLS, and nothing inside it */
        o->accepted = TRI_NO;
        o->tls.refused = true;
        static const enum fact settled[] = {
            FACT_ACCEPTED,    FACT_TRAILING,           FACT_TLS,
            FACT_LOGIN_AFTER, FACT_CAPABILITIES_AFTER, FACT_MECHANISMS_AFTER};
        for (size_t i = 0; i < sizeof settled / sizeof *settled; i++)
            observation_learn(o, settled[i]);
    }
}

static void absorb_clear(struct observation *o, const struct probe_facts *f, enum cause missing)
{
    const struct dialogue *d = f->dialogue;
    const struct capabilities *c = &d->capabilities[0];

    absorb_list(o, d, false, missing);
    o->why[FACT_ADVERTISED] =
        c->starttls ? CAUSE_NONE : cause_of_answer(c->answer, d->agenda.capabilities, d, missing);
    o->advertised = tri_of(c->starttls);
    absorb_upgrade(o, f, missing);
}

/* What was tried at the end of a dialogue inside TLS. */
static void absorb_inside(struct observation *o, const struct dialogue *d, enum cause missing)
{
    enum cause login = d->wants_login ? CAUSE_NOT_LOGGED_IN : missing;

    if (d->protocol->data_channel) {
        observation_learn(o, FACT_STARTTLS_INSIDE); /* RFC 2228 allows it */
        learn_answer(o, FACT_PROTECTION, &o->protection, d, d->protection,
                     d->secure && d->agenda.protection, login);
        learn_answer(o, FACT_CCC, &o->ccc, d, d->clear, d->secure && d->agenda.clear_again, login);
    } else {
        learn_answer(o, FACT_STARTTLS_INSIDE, &o->tls.starttls_inside, d, d->inside,
                     d->secure && d->agenda.upgrade_again, missing);
    }
    o->greeted_again |= d->greeted_again;
}

/* What was said inside TLS, if there was to be such a thing. */
static void absorb_secure(struct endpoint *e, const struct probe_facts *f)
{
    const struct dialogue *d = f->dialogue;
    enum cause missing = d->secure ? f->outcome.cause : CAUSE_TLS;

    if ((!e->implicit && d->upgrade != ANSWER_YES) || e->request.offer != OFFER_HANDSHAKE)
        return;
    absorb_list(e->observation, d, true, missing);
    absorb_inside(e->observation, d, missing);
}

/* What the dialogue of a first probe brought. */
static void absorb_dialogue(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    const struct dialogue *d = f->dialogue;
    enum cause missing = f->outcome.cause;
    bool greeted = d->greeting != GREETING_NONE;

    if (o->banner.data)
        observation_learn(o, FACT_BANNER);
    if (greeted || o->banner.data) {
        observation_learn(o, FACT_OBSERVED_MODE);
        o->mode = e->implicit                         ? MODE_IMPLICIT
                  : o->service->mode == MODE_IMPLICIT ? MODE_INSECURE
                                                      : o->service->mode;
    }
    if (e->implicit)
        absorb_implicit(o);
    if (!greeted)
        return;
    if (d->greeting != GREETING_REFUSED) {
        observation_learn(o, FACT_PREAUTH);
        o->preauth = d->greeting == GREETING_PREAUTH;
    }
    if (!e->implicit && d->greeting != GREETING_REFUSED)
        absorb_clear(o, f, missing);
    if (d->greeting != GREETING_REFUSED)
        absorb_secure(e, f);
    o->bare_lf |= d->bare_lf;
}

/* The capability command is never answered, or it is the last that is: what matters more is asked on
   a connection of its own. */
static bool worth_without_list(const struct endpoint *e, const struct probe_facts *f)
{
    const struct dialogue *d = f->dialogue;
    enum cause end = f->outcome.cause;
    return f->connected && !e->implicit && d->greeting == GREETING_OK &&
           d->capabilities[0].answer == ANSWER_MISSING && d->agenda.upgrade &&
           d->upgrade == ANSWER_NOT_ASKED &&
           (end == CAUSE_TIMEOUT || end == CAUSE_CLOSED || end == CAUSE_RESET ||
            end == CAUSE_ODD_REPLY);
}

/* What the other connection brought; if it was not let in, all stays as the first one left it. */
static void absorb_without_list(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    const struct dialogue *d = f->dialogue;

    if (!f->connected || (d->greeting != GREETING_OK && d->greeting != GREETING_PREAUTH))
        return;
    absorb_upgrade(o, f, f->outcome.cause);
    absorb_secure(e, f);
    o->bare_lf |= d->bare_lf;
}

/* --- what TLS says ---------------------------------------------------------------------------- */

/* asked: NULL for the library's hello, which has all extensions, but no compression. */
static void learn_below(struct endpoint *e, const struct server_hello *hello,
                        const struct hello *asked)
{
    bool whole = !asked || asked->form == HELLO_NEW;
    if (hello->version < VERSION_TLS10 || hello->version > VERSION_TLS12 ||
        (asked && !hello_offers(asked, hello)))
        return;
    if (!e->below_seen || (whole && !e->below_whole))
        e->below = *hello;
    e->below_seen = true;
    e->below_whole |= whole;
    if (asked && asked->highest < VERSION_TLS13 && e->compression == TRI_UNKNOWN)
        e->compression = tri_of(hello->compressed);
}

static void absorb_certificates(struct endpoint *e, const struct span *ders, size_t count)
{
    struct observation *o = e->observation;
    struct chains *chains = e->network->chains;
    if (!count || observation_knows(o, FACT_CERTIFICATE))
        return;
    if (!chains_read(chains, &o->tls.chain, ders, count)) {
        chain_free(&o->tls.chain); /* another probe may bring it */
        o->why[FACT_CERTIFICATE] = o->why[FACT_CHAIN] = CAUSE_LOCAL;
        observation_keep(o, false);
        return;
    }
    observation_learn(o, FACT_CERTIFICATE);
    observation_learn(o, FACT_CHAIN);
    if (!endpoint_wants(e, FACTS_HANDSHAKE))
        return;
    time_t now = (time_t)(unix_ms() / 1000);
    o->why[FACT_VERIFY] =
        chains_verify(chains, &o->tls.chain, ders, e->name, &e->address, now, &o->tls.verification)
            ? CAUSE_NONE
            : CAUSE_LOCAL;
}

static void learn_session(struct observation *o, const struct tls_session_facts *s)
{
    observation_learn(o, FACT_GROUP);
    observation_learn(o, FACT_DH_BITS);
    observation_learn(o, FACT_STAPLE);
    snprintf(o->tls.group, sizeof o->tls.group, "%s", s->group ? s->group : "");
    o->tls.dh_bits = s->dh_bits;
    o->tls.staple = s->staple;
}

struct span first_line_of(struct span text)
{
    size_t n = 0;
    while (n < text.len && text.at[n] != '\r' && text.at[n] != '\n')
        n++;
    return span_until(text, n);
}

/* TLS 1.3 lets the client finish before the server has judged its (missing) certificate: only
   something said inside, or an orderly end, shows that the session was of use. */
static enum cause cause_of_handshake(const struct probe_facts *f, const struct tls_session_facts *s)
{
    enum cause cause = f->outcome.cause;
    bool cut = cause == CAUSE_CLOSED || cause == CAUSE_RESET;
    if (f->outcome.phase == PHASE_TLS && !f->usable)
        return cause;
    return cut && s->hello.version == VERSION_TLS13 && !f->usable && tls_step(f->tls) != TLS_CLOSED
               ? cause
               : CAUSE_NONE;
}

static void learn_failure(struct observation *o, const struct probe_facts *f)
{
    const char *text = NULL;
    o->tls.failure = f->outcome;
    o->tls.failure.detail =
        f->outcome.cause == CAUSE_ALERT || f->outcome.cause == CAUSE_CERTIFICATE_REQUIRED
            ? f->outcome.detail
            : -1;
    if (f->first_text.len)
        observation_keep(
            o, text_set(&o->tls.failure_text, first_line_of(f->first_text), FAILURE_TEXT_MAX));
    else if (f->tls && (tls_outcome(f->tls, &text), text))
        observation_keep(o, text_set(&o->tls.failure_text, span_of(text), FAILURE_TEXT_MAX));
}

/* It was we who did not go on with it: that is no failure of the server's. */
static void leave_handshake(struct observation *o)
{
    o->handshake = HANDSHAKE_NOT_TESTED;
    o->why[FACT_ESTABLISHED] = CAUSE_LOCAL;
    observation_excuse(o, FACT_LOGIN_AFTER, FACT_MECHANISMS_AFTER, CAUSE_LOCAL);
    observation_excuse(o, FACT_ESTABLISHED, FACT_VERIFY, CAUSE_LOCAL);
}

/* A full handshake, done or broken. What a ServerHello and a certificate said holds either way. */
static void absorb_handshake(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    struct tls_session_facts s = tls_facts(f->tls);
    struct span ders[CHAIN_MAX + 1]; /* one more shows that the chain was cut */
    enum cause cause = cause_of_handshake(f, &s);
    bool first = e->request.handshake == TLS_OFFER_DEFAULT;
    bool small = e->request.handshake == TLS_OFFER_SMALL;

    o->tls.established = s.completed && cause == CAUSE_NONE;
    o->handshake = o->tls.established ? HANDSHAKE_OK : HANDSHAKE_FAILED;
    observation_learn(o, FACT_ESTABLISHED);
    if (cause == CAUSE_LOCAL) {
        leave_handshake(o);
    } else if (o->tls.established) {
        o->tls.failure = (struct outcome){PHASE_TLS, CAUSE_NONE, -1};
        text_free(&o->tls.failure_text);
        if (first || small)
            observation_learn(o, FACT_LARGE_HELLO);
        o->tls.large_hello = small;
    } else if (first) {
        learn_failure(o, f);
    }
    if (s.hello_seen) {
        o->tls.version = s.hello.version;
        o->tls.suite = s.hello.suite;
        observation_learn(o, FACT_TLS_VERSION);
        observation_learn(o, FACT_CIPHER);
        ladder_add_handshake(&e->ladder, &s.hello,
                             tls_context_versions(e->network->tls, e->request.handshake));
        if (first)
            learn_below(e, &s.hello, NULL);
    }
    if (s.completed || s.client_certificate_requested) {
        observation_learn(o, FACT_CLIENT_CERTIFICATE);
        o->tls.client_certificate = s.client_certificate_requested;
    }
    if (s.completed)
        learn_session(o, &s);
    if (s.hello_seen && first)
        observation_learn(o, FACT_LARGE_HELLO);
    absorb_certificates(e, ders, tls_certificates(f->tls, ders, CHAIN_MAX + 1));
    if (o->tls.established && e->request.ticket)
        tls_ticket(f->tls, &e->ticket);
    e->handshake_died = !s.hello_seen && cause != CAUSE_LOCAL && cause != CAUSE_PLAINTEXT;
}

/* Whoever says anything lets us in: then what hung up on us before refused the hello, and not us. */
static void doubt(struct endpoint *e, unsigned rejected_now, bool answered)
{
    if (answered)
        e->doubtful = 0;
    else if (e->implicit)
        e->doubtful |= rejected_now;
}

/* The versions that are rejected because the server hung up: 1 << VERSION_x. */
static unsigned rejected_by_cut(const struct endpoint *e)
{
    unsigned versions = 0;
    for (int v = 0; v < VERSION_COUNT; v++) {
        const struct version_fact *fact = &e->observation->tls.versions[v];
        if (fact->status == VERSION_REJECTED &&
            (fact->proof == PROOF_CLOSE || fact->proof == PROOF_RESET))
            versions |= 1U << v;
    }
    return versions;
}

static void absorb_assurance(struct endpoint *e, const struct probe_facts *f)
{
    if (f->response && f->response->alert == ALERT_PROTOCOL_VERSION)
        ladder_contradict(&e->ladder);
    if (!f->received)
        ladder_leave_open(&e->ladder, e->doubtful, CAUSE_RATE_LIMITED);
    e->doubtful = 0;
    e->assures = false;
}

static void absorb_response(struct endpoint *e, const struct probe_facts *f)
{
    const struct response *r = f->response;
    struct hello_result result = {
        .cause = f->outcome.cause, .reached = f->tls_begun, .torn = r && r->started};
    struct span ders[CHAIN_MAX + 1]; /* one more shows that the chain was cut */
    size_t count = 0, at = 0;

    if (r && r->greeted) {
        result.cause = CAUSE_NONE;
        result.hello = r->hello;
        learn_below(e, &r->hello, &e->request.hello);
        while (count <= CHAIN_MAX && response_certificate(r, &at, &ders[count]))
            count++;
        absorb_certificates(e, ders, count);
    } else if (e->put_off) {
        result.cause = CAUSE_RATE_LIMITED; /* it let us in before */
    } else if (result.cause == CAUSE_ALERT) {
        result.alert = f->outcome.detail;
    } else if (result.cause == CAUSE_NONE) { /* the conversation ended before a hello was due */
        result.cause = CAUSE_REFUSED;
    }
    unsigned before = rejected_by_cut(e);
    ladder_absorb(&e->ladder, &e->request.hello, &result);
    doubt(e, rejected_by_cut(e) & ~before, f->received > 0);
}

static void absorb_tls(struct endpoint *e, const struct probe_facts *f)
{
    if (f->tls_begun) {
        e->observation->tls.asked = true;
        observation_learn(e->observation, FACT_TLS);
    }
    if (f->tls && f->tls_begun)
        absorb_handshake(e, f);
    if (e->assures)
        absorb_assurance(e, f);
    else if (e->request.offer == OFFER_HELLO && (e->stage == ENDPOINT_VERSIONS || f->tls_begun))
        absorb_response(e, f);
}

/* --- what follows ----------------------------------------------------------------------------- */

/* The first text on an implicit port: is it how this protocol greets? It may still be an error in
 * words. */
static bool greets_in_clear(const struct endpoint *e, const struct probe_facts *f)
{
    return e->implicit && f->outcome.cause == CAUSE_PLAINTEXT &&
           dialogue_greets(e->observation->service->protocol, f->first_text);
}

/* Silence where a greeting should be: the server may wait for TLS. */
static bool waits_for_tls(const struct endpoint *e, const struct probe_facts *f)
{
    return !e->implicit && f->outcome.phase == PHASE_GREETING && f->received == 0 &&
           f->outcome.cause == CAUSE_TIMEOUT;
}

static bool met_tls(const struct probe_facts *f)
{
    return (f->tls && tls_facts(f->tls).hello_seen) || (f->response && f->response->greeted);
}

/* The endpoint's own trouble, as the last probe that spoke for it saw it. */
static void set_status(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    const struct dialogue *d = f->dialogue;
    struct outcome end = f->outcome;

    o->error = end;
    if (e->connected && !f->connected) {
        o->status = STATUS_ERROR; /* it let us in before */
    } else if (!f->connected) {
        o->status = end.cause == CAUSE_CLOSED                                   ? STATUS_CLOSED
                    : end.cause == CAUSE_TIMEOUT || end.cause == CAUSE_DEADLINE ? STATUS_TIMEOUT
                    : end.cause == CAUSE_UNREACHABLE                            ? STATUS_UNREACHABLE
                                                                                : STATUS_ERROR;
    } else if (end.cause == CAUSE_MISMATCH) {
        o->status = STATUS_MISMATCH;
    } else if (d->protocol && d->greeting == GREETING_REFUSED) {
        o->status = STATUS_REFUSED;
    } else if (d->protocol && d->greeting != GREETING_NONE) {
        bool ours = end.cause == CAUSE_LIMIT || end.cause == CAUSE_LOCAL;
        o->status = ours && end.phase != PHASE_TLS ? STATUS_ERROR : STATUS_OK;
    } else if (e->implicit && end.phase == PHASE_TLS && end.cause == CAUSE_PLAINTEXT) {
        o->status = STATUS_MISMATCH;
        observation_keep(o, text_set(&o->banner, first_line_of(f->first_text), TEXT_BANNER_MAX));
        observation_learn(o, FACT_BANNER);
    } else if (e->implicit && e->request.offer == OFFER_HELLO && met_tls(f)) {
        o->status = STATUS_OK; /* quick mode: TLS is all that is looked at */
    } else if (end.cause == CAUSE_TIMEOUT && f->received == 0) {
        o->status = STATUS_TIMEOUT;
    } else if (e->implicit && end.phase == PHASE_TLS && end.cause != CAUSE_LOCAL) {
        o->status = STATUS_TLS_ERROR;
    } else {
        o->status = end.cause == CAUSE_TIMEOUT ? STATUS_TIMEOUT : STATUS_ERROR;
    }
    if (o->status == STATUS_OK)
        o->error = (struct outcome){end.phase, CAUSE_NONE, 0};
}

static void begin_other_mode(struct endpoint *e)
{
    e->stage = ENDPOINT_OTHER_MODE;
    e->implicit = !e->implicit;
    text_free(&e->observation->banner);
}

/* The text was no greeting after all, but an answer to our hello, in words. */
static void absorb_text(struct endpoint *e)
{
    struct observation *o = e->observation;
    e->implicit = true;
    e->stage = ENDPOINT_DONE;
    o->tls.asked = true;
    o->tls.failure = (struct outcome){PHASE_TLS, CAUSE_PLAINTEXT, -1};
    o->tls.failure_text = e->first_text;
    e->first_text = (struct text){0};
    o->handshake = endpoint_wants(e, FACTS_HANDSHAKE) ? HANDSHAKE_FAILED : HANDSHAKE_NOT_TESTED;
    observation_learn(o, FACT_TLS);
    if (o->handshake == HANDSHAKE_FAILED)
        observation_learn(o, FACT_ESTABLISHED);
    o->status = STATUS_TLS_ERROR;
    o->error = (struct outcome){PHASE_TLS, CAUSE_PLAINTEXT, 0};
    ladder_finish(&e->ladder, CAUSE_PLAINTEXT);
}

/* Are there versions to be asked, and a way to ask them? */
static bool worth_asking_versions(const struct endpoint *e, const struct probe_facts *f)
{
    const struct observation *o = e->observation;
    if (!endpoint_wants(e, FACTS_VERSIONS) || !f->tls_begun)
        return false;
    return o->status == STATUS_OK || o->status == STATUS_TLS_ERROR || o->status == STATUS_REFUSED ||
           (e->implicit && (met_tls(f) || o->status == STATUS_TIMEOUT));
}

static void absorb_first(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;
    bool other = e->stage == ENDPOINT_OTHER_MODE;
    bool greeted = f->connected && f->dialogue->greeting != GREETING_NONE;

    if (!other && greets_in_clear(e, f)) {
        observation_keep(o,
                         text_set(&e->first_text, first_line_of(f->first_text), FAILURE_TEXT_MAX));
        begin_other_mode(e);
        return;
    }
    if (other && e->first_text.data && !greeted) {
        absorb_text(e);
        return;
    }
    if (!other && waits_for_tls(e, f)) {
        o->status = STATUS_TIMEOUT;
        o->error = f->outcome;
        begin_other_mode(e);
        return;
    }
    if (other && e->implicit && !met_tls(f)) { /* it was silence after all */
        e->stage = ENDPOINT_DONE;
        return;
    }
    if (f->connected)
        absorb_dialogue(e, f);
    absorb_tls(e, f);
    if (e->implicit && met_tls(f)) {
        observation_learn(o, FACT_OBSERVED_MODE);
        o->mode = MODE_IMPLICIT;
        absorb_implicit(o);
    }
    set_status(e, f);
    if (worth_without_list(e, f)) {
        e->unlisted = true;
        e->stage = ENDPOINT_UNLISTED;
        return;
    }
    e->stage = worth_asking_versions(e, f) ? ENDPOINT_VERSIONS : ENDPOINT_DONE;
}

/* Whatever else a handshake was for, its version has to fit. */
static void compare_handshake(struct endpoint *e, const struct probe_facts *f)
{
    struct tls_session_facts s = {0};
    if (f->tls)
        s = tls_facts(f->tls);
    if (s.hello_seen && e->request.offer == OFFER_HANDSHAKE)
        ladder_add_handshake(&e->ladder, &s.hello,
                             tls_context_versions(e->network->tls, e->request.handshake));
}

static void absorb(struct endpoint *e, const struct probe_facts *f)
{
    struct observation *o = e->observation;

    e->put_off = e->connected && endpoint_put_off(e, f);
    account(e, f);
    e->turned_away = !f->connected || (!e->implicit && (f->dialogue->greeting == GREETING_NONE ||
                                                        f->dialogue->greeting == GREETING_REFUSED));
    if (e->trial) {
        e->trial->absorb(e, f);
        compare_handshake(e, f);
        e->trial = NULL;
        e->next_trial++;
        return;
    }
    if (e->stage == ENDPOINT_FIRST || e->stage == ENDPOINT_OTHER_MODE) {
        absorb_first(e, f);
    } else if (e->stage == ENDPOINT_UNLISTED) {
        absorb_without_list(e, f);
        absorb_tls(e, f);
        e->stage = worth_asking_versions(e, f) ? ENDPOINT_VERSIONS : ENDPOINT_DONE;
    } else if (e->stage == ENDPOINT_SMALL) {
        absorb_tls(e, f);
        if (o->tls.established && f->dialogue->protocol) {
            if (!e->implicit) {
                absorb_list(o, f->dialogue, true, f->outcome.cause);
                absorb_inside(o, f->dialogue, f->outcome.cause);
            } else {
                absorb_dialogue(e, f);
                set_status(e, f);
            }
        }
        e->stage = f->tls_begun && e->handshake_died ? ENDPOINT_VERSIONS : ENDPOINT_DONE;
    } else {
        absorb_tls(e, f);
    }
}

void endpoint_absorb(struct endpoint *e, const struct probe_facts *f)
{
    struct memory_watch watch = memory_watch();
    absorb(e, f);
    observation_keep(e->observation, memory_held(watch));
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Silence and cuts are reasons of their own; all else is trouble with TLS. */
static enum cause reason_of_failure(enum cause cause)
{
    switch (cause) {
    case CAUSE_CLOSED:
    case CAUSE_RESET:
    case CAUSE_TIMEOUT:
    case CAUSE_LIMIT:
    case CAUSE_DEADLINE:
        return cause;
    default:
        return CAUSE_TLS;
    }
}

/* What a hello of TLS 1.2 or less showed of the old extensions; with TLS 1.3 alone they do not
 * apply. */
static void conclude_below(struct endpoint *e)
{
    struct observation *o = e->observation;
    const struct version_fact *versions = o->tls.versions;
    bool none_below = true;
    enum cause why = CAUSE_NOT_ASKED;

    for (int v = VERSION_TLS10; v <= VERSION_TLS12; v++) {
        none_below &= versions[v].status == VERSION_REJECTED;
        if (versions[v].status == VERSION_INCONCLUSIVE)
            why = reason_of_failure(versions[v].reason);
    }
    o->why[FACT_MASTER_SECRET] = o->why[FACT_RENEGOTIATION] = o->why[FACT_COMPRESSION] =
        e->below_seen || none_below ? CAUSE_NONE : why;
    if (e->below_seen) {
        o->tls.master_secret = tri_of(e->below.master_secret);
        o->tls.renegotiation = tri_of(e->below.renegotiation);
        o->tls.compression = e->compression;
        if (e->compression == TRI_UNKNOWN) /* the library does not offer it */
            o->why[FACT_COMPRESSION] = CAUSE_NOT_ASKED;
        if (!e->below_whole) { /* nor does a hello of an older form, this */
            o->why[FACT_MASTER_SECRET] = CAUSE_NOT_ASKED;
            o->tls.master_secret = TRI_UNKNOWN;
        }
    }
    /* RFC 8446 section 4.1.3: the mark is due where a server that can do TLS 1.3 was offered less.
     */
    enum version_status modern = versions[VERSION_TLS13].status;
    if (modern == VERSION_ACCEPTED && e->below_seen) {
        observation_learn(o, FACT_SENTINEL);
        o->tls.sentinel = tri_of(e->below.sentinel);
    } else if (modern == VERSION_REJECTED || none_below) {
        observation_learn(o, FACT_SENTINEL);
    } else {
        o->why[FACT_SENTINEL] = why;
    }
}

/* What only the answers together show. */
static void conclude_answers(struct endpoint *e)
{
    struct observation *o = e->observation;
    if (e->ladder.intolerant) {
        observation_learn(o, FACT_NEW_HELLO);
        o->tls.new_hello = TRI_YES;
    }
    if (e->ladder.inconsistent) {
        observation_learn(o, FACT_INCONSISTENT);
        o->tls.inconsistent = TRI_YES;
    }
}

/* What another protocol answered to our commands means nothing. */
static void forget_dialogue(struct observation *o)
{
    o->upgrade_command = NULL;
    o->tls.refused = false;
    for (int f = FACT_ADVERTISED; f <= FACT_MECHANISMS_AFTER; f++)
        o->why[f] = CAUSE_MISMATCH;
    if (!o->tls.asked)
        o->why[FACT_TLS] = CAUSE_MISMATCH;
}

void endpoint_free(struct endpoint *e)
{
    text_free(&e->first_text);
    tls_ticket_free(&e->ticket);
}

void endpoint_conclude(struct endpoint *e)
{
    struct observation *o = e->observation;

    trials_conclude(e, !e->left);
    o->duration = unix_ms() - o->started;
    endpoint_free(e);
    if (o->failed)
        observation_forget(o);
    if (o->status == STATUS_MISMATCH)
        forget_dialogue(o);
    if (o->status == STATUS_TIMEOUT && o->error.phase == PHASE_TLS &&
        ladder_has_accepted(&e->ladder))
        o->status = STATUS_TLS_ERROR; /* silent to the handshake only */
    if (o->handshake == HANDSHAKE_FAILED) {
        observation_excuse(o, FACT_LOGIN_AFTER, FACT_MECHANISMS_AFTER, CAUSE_TLS);
        observation_excuse(o, FACT_ESTABLISHED, FACT_VERIFY,
                           reason_of_failure(o->tls.failure.cause));
    }
    if (o->tls.asked) {
        conclude_answers(e);
        conclude_below(e);
    }
    if (o->error.cause != CAUSE_NONE) {
        enum cause cause = o->status == STATUS_TLS_ERROR ? CAUSE_TLS : o->error.cause;
        if (!observation_knows(o, FACT_TLS))
            observation_excuse(o, FACT_TLS, FACT_VERIFY, cause);
        observation_excuse(o, FACT_OBSERVED_MODE, FACT_MECHANISMS_AFTER, cause);
    }
    /* Nothing inside TLS is known where it is not known whether the upgrade is accepted. */
    if (o->why[FACT_ACCEPTED] > CAUSE_NOT_ASKED)
        observation_excuse(o, FACT_LOGIN_AFTER, FACT_TLS, o->why[FACT_ACCEPTED]);
    observation_settle(o);
}
