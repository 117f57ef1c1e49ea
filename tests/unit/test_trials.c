/* SPDX-License-Identifier: MIT */
/*
 * What the trials prove: the same replies, with and without what the server has announced, and
 * every way in which a connection may end. No network: a trial is given what a probe brings back.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdio.h>

#include "scanner/endpoint.h"

struct scene {
    struct observation o;
    struct endpoint e;
    struct endpoint_options options;
    struct network network;
    struct dialogue d;
    struct probe_facts f;
};

static const struct service *service_of(const struct protocol *protocol)
{
    for (size_t i = 0; i < services_table_count; i++)
        if (services_table[i].protocol == protocol && services_table[i].mode == MODE_INSECURE)
            return &services_table[i];
    return NULL;
}

/* A service that spoke its protocol, upgraded, and told its capabilities. */
static void set_up(struct scene *s, const struct protocol *protocol)
{
    static const struct address server = {AF_INET, {192, 0, 2, 1}}, us = {AF_INET, {192, 0, 2, 9}};

    memset(s, 0, sizeof *s);
    s->options = (struct endpoint_options){.facts = FACTS_ALL, .exhaustive = true};
    observation_init(&s->o, service_of(protocol));
    s->o.status = STATUS_OK;
    s->o.source = us;
    observation_learn(&s->o, FACT_PREAUTH);
    observation_learn(&s->o, FACT_ACCEPTED);
    s->o.accepted = TRI_YES;
    s->o.handshake = HANDSHAKE_OK;
    endpoint_init(&s->e, &s->o, &s->options, &s->network, &server, "mail.example.test");
    dialogue_init(&s->d, protocol, (struct agenda){0}, false, NULL, NULL);
    s->d.greeting = GREETING_OK;
    s->f = (struct probe_facts){
        .connected = true, .source = us, .dialogue = &s->d, .outcome = {PHASE_GOODBYE, 0, 0}};
}

static void tear_down(struct scene *s)
{
    observation_free(&s->o);
}

static const struct trial *trial(const char *name)
{
    for (size_t i = 0; i < trials_count; i++)
        if (strcmp(trials[i].name, name) == 0)
            return &trials[i];
    fail_msg("there is no trial %s", name);
    return NULL;
}

/* --- logins ----------------------------------------------------------------------------------- */

static const struct {
    const struct protocol *protocol;
    enum login_reply reply;
    enum tri disabled; /* announced; unknown: there was no list */
    enum cause cause;  /* of the end of the connection          */
    enum login_verdict verdict;
    enum confidence confidence;
    enum cause reason;
} logins[] = {
    {&protocol_imap, LOGIN_REPLY_IN, TRI_YES, 0, LOGIN_ACCEPTED, CONFIDENCE_CONFIRMED, 0},
    {&protocol_imap, LOGIN_REPLY_EVALUATED, TRI_YES, 0, LOGIN_ACCEPTED, CONFIDENCE_CONFIRMED, 0},
    {&protocol_imap, LOGIN_REPLY_TAKEN, TRI_YES, 0, LOGIN_ACCEPTED, CONFIDENCE_PROBABLE, 0},
    {&protocol_imap, LOGIN_REPLY_TAKEN, TRI_NO, 0, LOGIN_ACCEPTED, CONFIDENCE_PROBABLE, 0},
    {&protocol_imap, LOGIN_REPLY_TLS_FIRST, TRI_NO, 0, LOGIN_REFUSED, CONFIDENCE_CONFIRMED, 0},
    {&protocol_imap, LOGIN_REPLY_TLS_WORDS, TRI_NO, 0, LOGIN_REFUSED, CONFIDENCE_PROBABLE, 0},
    /* A bare NO to LOGIN is what RFC 9051 asks for, if logins are disabled. */
    {&protocol_imap, LOGIN_REPLY_DENIED, TRI_YES, 0, LOGIN_REFUSED, CONFIDENCE_POSSIBLE, 0},
    {&protocol_imap, LOGIN_REPLY_DENIED, TRI_NO, 0, LOGIN_ACCEPTED, CONFIDENCE_PROBABLE, 0},
    /* A mechanism that is refused says nothing about LOGIN, unless that is disabled. */
    {&protocol_imap, LOGIN_REPLY_REFUSED, TRI_YES, 0, LOGIN_REFUSED, CONFIDENCE_POSSIBLE, 0},
    {&protocol_imap, LOGIN_REPLY_REFUSED, TRI_NO, 0, LOGIN_INCONCLUSIVE, 0, CAUSE_REFUSED},
    {&protocol_imap, LOGIN_REPLY_ABSENT, TRI_YES, 0, LOGIN_REFUSED, CONFIDENCE_POSSIBLE, 0},
    {&protocol_imap, LOGIN_REPLY_ABSENT, TRI_NO, 0, LOGIN_INCONCLUSIVE, 0, CAUSE_REFUSED},
    {&protocol_imap, LOGIN_REPLY_ABSENT, TRI_UNKNOWN, 0, LOGIN_INCONCLUSIVE, 0, CAUSE_REFUSED},
    /* EHLO and CAPA name all ways: without one there is none. */
    {&protocol_smtp, LOGIN_REPLY_ABSENT, TRI_YES, 0, LOGIN_REFUSED, CONFIDENCE_CONFIRMED, 0},
    {&protocol_smtp, LOGIN_REPLY_REFUSED, TRI_YES, 0, LOGIN_REFUSED, CONFIDENCE_PROBABLE, 0},
    {&protocol_smtp, LOGIN_REPLY_REFUSED, TRI_NO, 0, LOGIN_INCONCLUSIVE, 0, CAUSE_REFUSED},
    {&protocol_pop3, LOGIN_REPLY_ABSENT, TRI_UNKNOWN, 0, LOGIN_INCONCLUSIVE, 0, CAUSE_REFUSED},
    {&protocol_ftp, LOGIN_REPLY_REFUSED, TRI_UNKNOWN, 0, LOGIN_INCONCLUSIVE, 0, CAUSE_REFUSED},
    {&protocol_ftp, LOGIN_REPLY_TAKEN, TRI_UNKNOWN, 0, LOGIN_ACCEPTED, CONFIDENCE_PROBABLE, 0},
    /* None of these is a "no". */
    {&protocol_smtp, LOGIN_REPLY_LATER, TRI_YES, 0, LOGIN_INCONCLUSIVE, 0, CAUSE_TEMPORARY},
    {&protocol_smtp, LOGIN_REPLY_LEFT, TRI_YES, CAUSE_RATE_LIMITED, LOGIN_INCONCLUSIVE, 0,
     CAUSE_RATE_LIMITED},
    {&protocol_imap, LOGIN_REPLY_NONE, TRI_YES, CAUSE_TIMEOUT, LOGIN_INCONCLUSIVE, 0,
     CAUSE_TIMEOUT},
    {&protocol_imap, LOGIN_REPLY_NONE, TRI_YES, CAUSE_RESET, LOGIN_INCONCLUSIVE, 0, CAUSE_RESET},
    {&protocol_imap, LOGIN_REPLY_NONE, TRI_YES, CAUSE_REFUSED, LOGIN_INCONCLUSIVE, 0,
     CAUSE_RATE_LIMITED},
};

static void test_logins(void **state)
{
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof logins / sizeof *logins; i++) {
        set_up(&s, logins[i].protocol);
        if (logins[i].disabled != TRI_UNKNOWN)
            observation_learn(&s.o, FACT_LOGIN_BEFORE);
        s.o.login_disabled[0] = logins[i].disabled;
        s.d.login = logins[i].reply;
        s.f.outcome.cause = logins[i].cause;
        trial("login")->absorb(&s.e, &s.f);
        if (s.o.login.verdict != logins[i].verdict ||
            s.o.login.confidence != logins[i].confidence || s.o.login.reason != logins[i].reason)
            fail_msg("row %zu: %s, %s, %s", i, login_verdict_name(s.o.login.verdict),
                     confidence_name(s.o.login.confidence), cause_name(s.o.login.reason));
        tear_down(&s);
    }
}

/* It let us in before: whatever way it keeps us out now. */
static void test_being_shut_out(void **state)
{
    static const struct probe_facts shut[] = {
        {.outcome = {PHASE_CONNECT, CAUSE_CLOSED, 0}},
        {.outcome = {PHASE_CONNECT, CAUSE_RESET, 0}},
        {.connected = true, .begun = true, .outcome = {PHASE_GREETING, CAUSE_CLOSED, 0}},
        {.connected = true, .begun = true, .outcome = {PHASE_GREETING, CAUSE_RESET, 0}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof shut / sizeof *shut; i++) {
        struct scene s;
        struct dialogue nothing = {.protocol = &protocol_imap};
        struct probe_facts f = shut[i];
        f.dialogue = &nothing;
        f.source = (struct address){AF_INET, {192, 0, 2, 9}};
        set_up(&s, &protocol_imap);
        s.network.loop = uv_default_loop();
        s.e.connected = true;
        for (size_t t = 0; t < 2; t++) {
            s.e.trial = trial(t ? "injection" : "login");
            endpoint_absorb(&s.e, &f);
        }
        assert_int_equal(s.o.login.verdict, LOGIN_INCONCLUSIVE);
        assert_int_equal(s.o.login.reason, CAUSE_RATE_LIMITED);
        assert_int_equal(s.o.injection.verdict, INJECTION_INCONCLUSIVE);
        assert_int_equal(s.o.injection.reason, CAUSE_RATE_LIMITED);
        tear_down(&s);
    }
    uv_loop_close(uv_default_loop());
}

/* Two nights must be the same night if nothing changed. */
static void test_the_name_is_masked(void **state)
{
    struct scene s;
    (void)state;
    set_up(&s, &protocol_ftp);
    s.network.user = "0123456789abcdef@starttls-audit.invalid";
    s.d.login = LOGIN_REPLY_TAKEN;
    assert_true(
        text_set(&s.o.login.reply,
                 span_of("331 Password for 0123456789ABCDEF@starttls-audit.invalid, please"), 100));
    trial("login")->absorb(&s.e, &s.f);
    assert_string_equal(s.o.login.reply.data,
                        "331 Password for xxxxxxxxxxxxxxxx@starttls-audit.invalid, please");
    tear_down(&s);
}

/* A server that will not even let us connect any more has not refused a login. */
static void test_login_without_a_connection(void **state)
{
    struct scene s;
    (void)state;
    set_up(&s, &protocol_imap);
    s.f = (struct probe_facts){.dialogue = &s.d, .outcome = {PHASE_CONNECT, CAUSE_CLOSED, 0}};
    trial("login")->absorb(&s.e, &s.f);
    assert_int_equal(s.o.login.verdict, LOGIN_INCONCLUSIVE);
    assert_int_equal(s.o.login.reason, CAUSE_CLOSED);
    assert_int_equal(s.o.status, STATUS_OK);
    tear_down(&s);
}

static void test_required(void **state)
{
    static const struct {
        enum answer reset;
        bool known;
        enum tri required;
    } rows[] = {{ANSWER_NO, true, TRI_YES},
                {ANSWER_YES, true, TRI_NO},
                {ANSWER_ODD, false, TRI_UNKNOWN},
                {ANSWER_LATER, false, TRI_UNKNOWN},
                {ANSWER_MISSING, false, TRI_UNKNOWN}};
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_up(&s, &protocol_smtp);
        s.d.reset = rows[i].reset;
        trial("login")->absorb(&s.e, &s.f);
        assert_int_equal(observation_knows(&s.o, FACT_REQUIRED), rows[i].known);
        assert_int_equal(s.o.required, rows[i].required);
        tear_down(&s);
    }
}

/* --- when it is worth it ---------------------------------------------------------------------- */

static void no_change(struct scene *s)
{
    (void)s;
}

static void without_login(struct scene *s)
{
    s->options.facts &= ~(unsigned)FACTS_LOGIN;
}

static void implicit(struct scene *s)
{
    s->e.implicit = true;
}

static void preauth(struct scene *s)
{
    s->o.preauth = true;
}

static void same_address(struct scene *s)
{
    s->o.source = s->e.address;
}

static void not_ok(struct scene *s)
{
    s->o.status = STATUS_TIMEOUT;
    s->o.error.cause = CAUSE_TIMEOUT;
}

static void test_login_is_worth(void **state)
{
    static const struct {
        void (*change)(struct scene *);
        bool worth;
        enum cause reason;
    } rows[] = {{no_change, true, CAUSE_NOT_ASKED},        {without_login, false, CAUSE_NOT_ASKED},
                {implicit, false, CAUSE_IMPLICIT},         {preauth, false, CAUSE_PREAUTH},
                {same_address, false, CAUSE_SAME_ADDRESS}, {not_ok, false, CAUSE_TIMEOUT}};
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_up(&s, &protocol_imap);
        rows[i].change(&s);
        assert_int_equal(trial("login")->worth(&s.e), rows[i].worth);
        trials_conclude(&s.e, false);
        assert_int_equal(s.o.login.verdict, LOGIN_NOT_TESTED);
        assert_int_equal(s.o.login.reason, rows[i].reason);
        tear_down(&s);
    }
}

static void refused_upgrade(struct scene *s)
{
    s->o.accepted = TRI_NO;
    s->o.handshake = HANDSHAKE_NOT_TESTED;
}

static void failed_handshake(struct scene *s)
{
    s->o.handshake = HANDSHAKE_FAILED;
}

static void unknown_upgrade(struct scene *s)
{
    s->o.why[FACT_ACCEPTED] = CAUSE_TEMPORARY;
    s->o.handshake = HANDSHAKE_NOT_TESTED;
}

static void test_injection_is_worth(void **state)
{
    static const struct {
        void (*change)(struct scene *);
        bool worth;
        enum cause reason;
    } rows[] = {{no_change, true, CAUSE_NOT_ASKED},
                {refused_upgrade, false, CAUSE_REFUSED},
                {failed_handshake, false, CAUSE_TLS},
                {unknown_upgrade, false, CAUSE_TEMPORARY}};
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_up(&s, &protocol_imap);
        rows[i].change(&s);
        assert_int_equal(trial("injection")->worth(&s.e), rows[i].worth);
        trials_conclude(&s.e, false);
        assert_int_equal(s.o.injection.reason, rows[i].reason);
        tear_down(&s);
    }
}

/* --- injections ------------------------------------------------------------------------------- */

static const struct {
    enum answer upgrade;
    struct outcome end;
    bool injected, settled;
    uint64_t trailing;
    enum injection verdict;
    enum injection_sign sign;
    enum cause reason;
} injections[] = {
    {ANSWER_YES,
     {PHASE_GOODBYE, 0, 0},
     true,
     false,
     0,
     INJECTION_VULNERABLE,
     SIGN_ANSWERED_INSIDE,
     0},
    {ANSWER_YES,
     {PHASE_GOODBYE, 0, 0},
     false,
     true,
     0,
     INJECTION_NOT_VULNERABLE,
     SIGN_FORGOTTEN,
     0},
    {ANSWER_YES,
     {PHASE_GOODBYE, 0, 0},
     false,
     true,
     20,
     INJECTION_NOT_VULNERABLE,
     SIGN_ANSWERED_IN_CLEAR,
     0},
    {ANSWER_NO, {PHASE_GOODBYE, 0, 0}, false, false, 0, INJECTION_NOT_VULNERABLE, SIGN_REFUSED, 0},
    {ANSWER_MISSING,
     {PHASE_STARTTLS, CAUSE_CLOSED, 0},
     false,
     false,
     0,
     INJECTION_NOT_VULNERABLE,
     SIGN_REFUSED,
     0},
    {ANSWER_YES,
     {PHASE_TLS, CAUSE_ALERT, 10},
     false,
     false,
     0,
     INJECTION_NOT_VULNERABLE,
     SIGN_HANDSHAKE_BROKEN,
     0},
    {ANSWER_YES,
     {PHASE_TLS, CAUSE_RESET, 0},
     false,
     false,
     0,
     INJECTION_NOT_VULNERABLE,
     SIGN_HANDSHAKE_BROKEN,
     0},
    /* A last word in clear, and then it hung up. */
    {ANSWER_YES,
     {PHASE_TLS, CAUSE_PLAINTEXT, CAUSE_RESET},
     false,
     false,
     60,
     INJECTION_NOT_VULNERABLE,
     SIGN_HANDSHAKE_BROKEN,
     0},
    /* Silence proves nothing, wherever it comes. */
    {ANSWER_YES,
     {PHASE_TLS, CAUSE_PLAINTEXT, CAUSE_TIMEOUT},
     false,
     false,
     60,
     INJECTION_INCONCLUSIVE,
     SIGN_NONE,
     CAUSE_PLAINTEXT},
    {ANSWER_YES,
     {PHASE_TLS, CAUSE_TIMEOUT, 0},
     false,
     false,
     0,
     INJECTION_INCONCLUSIVE,
     SIGN_NONE,
     CAUSE_TIMEOUT},
    {ANSWER_MISSING,
     {PHASE_STARTTLS, CAUSE_TIMEOUT, 0},
     false,
     false,
     0,
     INJECTION_INCONCLUSIVE,
     SIGN_NONE,
     CAUSE_TIMEOUT},
    {ANSWER_YES,
     {PHASE_INSIDE, CAUSE_TIMEOUT, 0},
     false,
     false,
     0,
     INJECTION_INCONCLUSIVE,
     SIGN_NONE,
     CAUSE_TIMEOUT},
    {ANSWER_YES,
     {PHASE_INSIDE, CAUSE_CLOSED, 0},
     false,
     false,
     0,
     INJECTION_INCONCLUSIVE,
     SIGN_NONE,
     CAUSE_CLOSED},
    {ANSWER_LATER,
     {PHASE_GOODBYE, 0, 0},
     false,
     false,
     0,
     INJECTION_INCONCLUSIVE,
     SIGN_NONE,
     CAUSE_TEMPORARY},
    {ANSWER_NOT_ASKED,
     {PHASE_GREETING, CAUSE_REFUSED, 421},
     false,
     false,
     0,
     INJECTION_INCONCLUSIVE,
     SIGN_NONE,
     CAUSE_RATE_LIMITED},
};

static void test_injections(void **state)
{
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof injections / sizeof *injections; i++) {
        set_up(&s, &protocol_smtp);
        s.d.upgrade = injections[i].upgrade;
        s.d.injected = injections[i].injected;
        s.d.settled = injections[i].settled;
        s.f.outcome = injections[i].end;
        s.f.trailing = injections[i].trailing;
        s.f.first_text = span_of("250 what\r\nmore");
        assert_true(text_set(&s.o.injection.reply, span_of("250 ok"), 100));
        trial("injection")->absorb(&s.e, &s.f);
        const struct injection_fact *j = &s.o.injection;
        if (j->verdict != injections[i].verdict || j->sign != injections[i].sign ||
            j->reason != injections[i].reason)
            fail_msg("row %zu: %s, %s", i, injection_name(j->verdict), cause_name(j->reason));
        bool kept = j->sign == SIGN_ANSWERED_INSIDE || j->sign == SIGN_REFUSED ||
                    j->sign == SIGN_ANSWERED_IN_CLEAR;
        assert_int_equal(j->reply.data != NULL, kept);
        if (j->sign == SIGN_ANSWERED_IN_CLEAR)
            assert_string_equal(j->reply.data, "250 what");
        tear_down(&s);
    }
}

/* The n-th trial that is worth it from here on, as endpoint_next() would find it. */
static const struct trial *next_trial(struct scene *s, size_t *at)
{
    for (; *at < trials_count; (*at)++)
        if (trials[*at].worth(&s->e))
            return &trials[(*at)++];
    return NULL;
}

/* The handshake broke, and a session was to be resumed: that is no verdict. The same without the
   command tells which of the two it was, and if it was not the command, that is tried once more. */
static void test_resumption_is_doubted(void **state)
{
    static const struct {
        struct outcome end; /* of the connection without the command */
        bool connected, secure;
        enum injection verdict;
        enum injection_sign sign;
        enum cause reason;
        bool again;
    } rows[] = {
        {{PHASE_GOODBYE, 0, 0},
         true,
         true,
         INJECTION_NOT_VULNERABLE,
         SIGN_HANDSHAKE_BROKEN,
         0,
         false},
        {{PHASE_TLS, CAUSE_CLOSED, 0}, true, false, INJECTION_NOT_TESTED, 0, CAUSE_TLS, true},
        {{PHASE_TLS, CAUSE_ALERT, 51}, true, false, INJECTION_NOT_TESTED, 0, CAUSE_TLS, true},
        {{PHASE_TLS, CAUSE_TIMEOUT, 0},
         true,
         false,
         INJECTION_INCONCLUSIVE,
         0,
         CAUSE_TIMEOUT,
         false},
        {{PHASE_CONNECT, CAUSE_CLOSED, 0},
         false,
         false,
         INJECTION_INCONCLUSIVE,
         0,
         CAUSE_CLOSED,
         false},
    };
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct probe_request r = {0};
        size_t at = 0;
        set_up(&s, &protocol_smtp);
        s.options = (struct endpoint_options){.facts = FACTS_INJECTION};
        s.e.ticket = (struct tls_ticket){gnutls_malloc(4), 4};
        const struct trial *t = next_trial(&s, &at);
        assert_string_equal(t->name, "injection");
        t->ask(&s.e, &r);
        assert_ptr_equal(r.resume, &s.e.ticket);
        assert_true(r.hold > 0 && r.agenda.injection);

        s.d.upgrade = ANSWER_YES;
        s.f.outcome = (struct outcome){PHASE_TLS, CAUSE_CLOSED, 0};
        s.f.resuming = true;
        t->absorb(&s.e, &s.f);
        assert_int_equal(s.o.injection.verdict, INJECTION_INCONCLUSIVE);
        assert_int_equal(s.o.injection.reason, CAUSE_TLS);
        t = next_trial(&s, &at);
        assert_string_equal(t->name, "resumption");
        r = (struct probe_request){0};
        t->ask(&s.e, &r);
        assert_ptr_equal(r.resume, &s.e.ticket);
        assert_true(r.agenda.upgrade && !r.agenda.injection);

        s.f.outcome = rows[i].end;
        s.f.connected = rows[i].connected;
        s.d.secure = rows[i].secure;
        t->absorb(&s.e, &s.f);
        assert_int_equal(s.o.injection.verdict, rows[i].verdict);
        assert_int_equal(s.o.injection.sign, rows[i].sign);
        assert_int_equal(s.o.injection.reason, rows[i].reason);
        t = next_trial(&s, &at);
        assert_int_equal(t != NULL, rows[i].again);
        if (t) {
            r = (struct probe_request){0};
            t->ask(&s.e, &r);
            assert_true(!r.resume && !r.hold && r.agenda.injection);
            s.f.resuming = false;
            s.f.outcome = (struct outcome){PHASE_TLS, CAUSE_CLOSED, 0};
            t->absorb(&s.e, &s.f);
            assert_int_equal(s.o.injection.sign, SIGN_HANDSHAKE_BROKEN);
        }
        assert_null(next_trial(&s, &at));
        endpoint_free(&s.e);
        tear_down(&s);
    }
}

/* What came behind the upgrade without any command behind it is no answer to one. */
static void test_text_that_always_comes(void **state)
{
    struct scene s;
    (void)state;
    set_up(&s, &protocol_smtp);
    s.o.trailing = s.f.trailing = 20;
    s.d.upgrade = ANSWER_YES;
    s.d.settled = true;
    trial("injection")->absorb(&s.e, &s.f);
    assert_int_equal(s.o.injection.sign, SIGN_FORGOTTEN);
    tear_down(&s);
}

/* --- the rest --------------------------------------------------------------------------------- */

static void test_fallback(void **state)
{
    static const struct {
        enum answer fallen;
        enum cause cause;
        bool known;
        enum tri continues;
    } rows[] = {{ANSWER_YES, CAUSE_NONE, true, TRI_YES},
                {ANSWER_NO, CAUSE_NONE, true, TRI_NO},
                {ANSWER_NOT_ASKED, CAUSE_CLOSED, true, TRI_NO},
                {ANSWER_NOT_ASKED, CAUSE_RESET, true, TRI_NO},
                {ANSWER_MISSING, CAUSE_NONE, false, TRI_UNKNOWN},
                {ANSWER_MISSING, CAUSE_TIMEOUT, false, TRI_UNKNOWN}};
    struct scene s;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        set_up(&s, &protocol_smtp);
        s.f.tls_begun = true;
        s.f.outcome.cause = rows[i].cause;
        s.d.fallen = rows[i].fallen;
        trial("fallback")->absorb(&s.e, &s.f);
        assert_int_equal(observation_knows(&s.o, FACT_CONTINUES), rows[i].known);
        assert_int_equal(s.o.continues, rows[i].continues);
        tear_down(&s);
    }
}

static void test_odd_hellos(void **state)
{
    struct scene s;
    struct response r = {.greeted = true};
    (void)state;

    set_up(&s, &protocol_imap);
    s.f.response = &r;
    trial("alpn")->absorb(&s.e, &s.f);
    assert_true(observation_knows(&s.o, FACT_ALPN) && s.o.tls.alpn == TRI_YES);
    tear_down(&s);

    set_up(&s, &protocol_imap);
    s.f.outcome = (struct outcome){PHASE_TLS, CAUSE_ALERT, 120};
    trial("alpn")->absorb(&s.e, &s.f);
    trial("name")->absorb(&s.e, &s.f);
    assert_true(observation_knows(&s.o, FACT_ALPN) && s.o.tls.alpn == TRI_NO);
    assert_true(observation_knows(&s.o, FACT_UNKNOWN_NAME) && s.o.tls.unknown_name == TRI_NO);
    tear_down(&s);

    set_up(&s, &protocol_imap); /* an alert about something else */
    s.f.outcome = (struct outcome){PHASE_TLS, CAUSE_ALERT, 40};
    trial("alpn")->absorb(&s.e, &s.f);
    assert_false(observation_knows(&s.o, FACT_ALPN));
    tear_down(&s);

    set_up(&s, &protocol_imap); /* HelloRetryRequest: too early to tell */
    r.hello.retry = true;
    s.f.response = &r;
    trial("name")->absorb(&s.e, &s.f);
    assert_false(observation_knows(&s.o, FACT_UNKNOWN_NAME));
    tear_down(&s);

    set_up(&s, &protocol_imap);
    s.f.outcome = (struct outcome){PHASE_TLS, CAUSE_TIMEOUT, 0};
    trial("name")->absorb(&s.e, &s.f);
    assert_int_equal(s.o.why[FACT_UNKNOWN_NAME], CAUSE_TIMEOUT);
    tear_down(&s);
}

/* Logins before abuse: the table is walked in this order. */
static void test_courses_are_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < trials_count; i++) {
        assert_true(trials[i].course > COURSE_PASSIVE && trials[i].course < COURSE_COUNT);
        assert_true(i == 0 || trials[i].course >= trials[i - 1].course);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logins),
        cmocka_unit_test(test_login_without_a_connection),
        cmocka_unit_test(test_being_shut_out),
        cmocka_unit_test(test_the_name_is_masked),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_login_is_worth),
        cmocka_unit_test(test_injection_is_worth),
        cmocka_unit_test(test_injections),
        cmocka_unit_test(test_resumption_is_doubted),
        cmocka_unit_test(test_text_that_always_comes),
        cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_odd_hellos),
        cmocka_unit_test(test_courses_are_in_order),
    };
    return cmocka_run_group_tests_name("trials", tests, NULL, NULL);
}
