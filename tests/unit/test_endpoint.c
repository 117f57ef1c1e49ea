/* SPDX-License-Identifier: MIT */
/* What is lost when a server does not let us in any more, and what is not. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "scanner/endpoint.h"

/* The clock of an endpoint stands still here. */
uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return 1;
}

/* A server that has TLS 1.2 and 1.3, hangs up on all else, and on everything from a connection on
   (0: never) until we have waited twice. */
struct server {
    unsigned connections, cuts_from;
    unsigned put_off; /* how often the engine would have waited */
    bool waits;       /* and does                               */
};

static bool is_cut(const struct server *s)
{
    return s->cuts_from && s->connections >= s->cuts_from && !(s->waits && s->put_off >= 2);
}

static enum version choose(const struct hello *h)
{
    if (h->highest == VERSION_TLS13 || h->highest == VERSION_TLS12)
        return h->highest;
    return VERSION_NONE;
}

static void answer(struct server *s, struct endpoint *e, const struct probe_request *request)
{
    struct dialogue dialogue = {.protocol = request->protocol};
    struct response response = {0};
    struct probe_facts f = {.connected = true,
                            .begun = true,
                            .tls_begun = true,
                            .dialogue = &dialogue,
                            .response = &response,
                            .outcome = {PHASE_TLS, CAUSE_CLOSED, 0}};
    enum version version = is_cut(s) ? VERSION_NONE : choose(&request->hello);

    assert_int_equal(request->offer, OFFER_HELLO);
    if (version != VERSION_NONE) {
        f.received = 100;
        f.outcome.cause = CAUSE_NONE;
        response.greeted = true;
        response.hello.version = version;
        response.hello.suite = version == VERSION_TLS13 ? 0x1301 : 0x002f;
    }
    bool put_off = endpoint_put_off(e, &f);
    s->put_off += put_off;
    if (put_off && s->waits && s->put_off <= 3)
        endpoint_postpone(e, &f);
    else
        endpoint_absorb(e, &f);
}

static void scan(struct server *s, struct observation *o)
{
    static const struct service service = {&protocol_imap, 993, MODE_IMPLICIT};
    static const struct address address = {AF_INET, {192, 0, 2, 1}};
    static const struct endpoint_options options = {.facts = FACTS_VERSIONS, .deadline_ms = 1000};
    static struct network network;
    struct endpoint e;
    struct probe_request request;

    observation_init(o, &service);
    endpoint_init(&e, o, &options, &network, &address, NULL);
    while (endpoint_next(&e, COURSE_PASSIVE, &request)) {
        assert_true(++s->connections < 50);
        answer(s, &e, &request);
    }
    endpoint_conclude(&e);
}

static void expect(const struct observation *o, enum version v, enum version_status status)
{
    if (o->tls.versions[v].status != status)
        fail_msg("%s is %s", version_number(v), version_status_name(o->tls.versions[v].status));
}

static void a_refusal_by_hanging_up_is_one(void **state)
{
    struct server s = {0};
    struct observation o;
    (void)state;
    scan(&s, &o);
    expect(&o, VERSION_TLS13, VERSION_ACCEPTED);
    expect(&o, VERSION_TLS12, VERSION_ACCEPTED);
    for (int v = VERSION_SSL2; v <= VERSION_TLS11; v++) {
        expect(&o, (enum version)v, VERSION_REJECTED);
        assert_int_equal(o.tls.versions[v].proof, PROOF_CLOSE);
    }
    assert_int_equal(s.put_off, 0);
    /* 1.3, two lists of what is older than 1.2, 2.0, 1.2: the last was accepted, so no doubt */
    assert_int_equal(s.connections, 5);
    observation_free(&o);
}

/* Wherever it begins, nothing that is lost is a "no". */
static void being_shut_out_is_no_refusal(void **state)
{
    (void)state;
    for (unsigned from = 2; from < 12; from++) {
        struct server s = {.cuts_from = from};
        struct observation o;
        scan(&s, &o);
        for (int v = VERSION_SSL2; v < VERSION_COUNT; v++) {
            const struct version_fact *fact = &o.tls.versions[v];
            bool before = s.connections < from; /* it was over before it began */
            if (v >= VERSION_TLS12 && fact->status == VERSION_REJECTED)
                fail_msg("from %u on: %s is rejected", from, version_number((enum version)v));
            if (!before && fact->status == VERSION_INCONCLUSIVE)
                assert_true(fact->reason == CAUSE_RATE_LIMITED || fact->reason == CAUSE_CLOSED);
        }
        if (from == 3) { /* 1.3 and 1.2 were seen; all else was lost */
            for (int v = VERSION_SSL2; v <= VERSION_TLS11; v++)
                expect(&o, (enum version)v, VERSION_INCONCLUSIVE);
            assert_true(s.put_off > 0);
        }
        observation_free(&o);
    }
}

/* Let in again after a while: all is known in the end. */
static void being_let_in_again_tells_all(void **state)
{
    (void)state;
    for (unsigned from = 3; from < 12; from++) {
        struct server s = {.cuts_from = from, .waits = true};
        struct observation o;
        scan(&s, &o);
        expect(&o, VERSION_TLS13, VERSION_ACCEPTED);
        expect(&o, VERSION_TLS12, VERSION_ACCEPTED);
        for (int v = VERSION_SSL2; v <= VERSION_TLS11; v++)
            expect(&o, (enum version)v, VERSION_REJECTED);
        observation_free(&o);
    }
}

/* --- a small hello ---------------------------------------------------------------------------- */

static const struct service in_clear = {&protocol_imap, 143, MODE_INSECURE};

static void note(struct endpoint *e, enum note what, const char *text)
{
    endpoint_note(e, false, what, span_of(text));
}

/* Greets, lists, and accepts the upgrade. */
static struct dialogue spoken(void)
{
    struct dialogue d = {.protocol = &protocol_imap, .greeting = GREETING_OK};
    d.capabilities[0] = (struct capabilities){.answer = ANSWER_YES, .starttls = true};
    d.upgrade = ANSWER_YES;
    return d;
}

/* A full handshake that dies on its hello, and hellos of other versions that do not. */
static void absorb_up_to_small(struct endpoint *e, struct tls *tls)
{
    struct dialogue dialogue = spoken();
    struct response response = {.greeted = true};
    struct probe_request request;
    struct probe_facts f = {.connected = true,
                            .begun = true,
                            .tls_begun = true,
                            .received = 100,
                            .dialogue = &dialogue,
                            .tls = tls,
                            .outcome = {PHASE_TLS, CAUSE_CLOSED, 0}};

    assert_true(endpoint_next(e, COURSE_PASSIVE, &request));
    assert_int_equal(request.offer, OFFER_HANDSHAKE);
    note(e, NOTE_BANNER, "* OK ready");
    note(e, NOTE_CAPABILITIES_BEGIN, "");
    note(e, NOTE_CAPABILITY, "IMAP4REV1");
    note(e, NOTE_UPGRADE, "a2 OK begin");
    endpoint_absorb(e, &f);
    f.tls = NULL;
    f.response = &response;
    f.outcome.cause = CAUSE_NONE;
    while (endpoint_next(e, COURSE_PASSIVE, &request) && request.offer == OFFER_HELLO) {
        response.hello.version = choose(&request.hello);
        response.hello.suite = response.hello.version == VERSION_TLS13 ? 0x1301 : 0x002f;
        f.outcome.cause = response.hello.version == VERSION_NONE ? CAUSE_CLOSED : CAUSE_NONE;
        response.greeted = f.outcome.cause == CAUSE_NONE;
        endpoint_absorb(e, &f);
    }
    assert_int_equal(request.offer, OFFER_HANDSHAKE);
    assert_int_equal(request.handshake, TLS_OFFER_SMALL);
}

/* It is put off, or there is no room for it now: it is asked again, and what was seen before stays
   seen. */
static void a_small_hello_is_not_forgotten(void **state)
{
    static const struct address address = {AF_INET, {192, 0, 2, 1}};
    static const struct endpoint_options options = {
        .facts = FACTS_CAPABILITIES | FACTS_HANDSHAKE | FACTS_VERSIONS, .deadline_ms = 1000};
    struct network network = {.tls = tls_context_new(stderr)};
    struct tls *tls = tls_new(network.tls, TLS_OFFER_DEFAULT, NULL, false);
    struct dialogue busy = {.protocol = &protocol_imap, .greeting = GREETING_REFUSED};
    struct probe_facts f = {.connected = true,
                            .begun = true,
                            .received = 10,
                            .dialogue = &busy,
                            .outcome = {PHASE_GREETING, CAUSE_REFUSED, 0}};
    struct probe_request request;
    struct observation o;
    struct endpoint e;

    (void)state;
    assert_non_null(tls);
    observation_init(&o, &in_clear);
    endpoint_init(&e, &o, &options, &network, &address, NULL);
    absorb_up_to_small(&e, tls);

    endpoint_withdraw(&e);
    assert_true(endpoint_next(&e, COURSE_PASSIVE, &request));
    assert_int_equal(request.handshake, TLS_OFFER_SMALL);
    note(&e, NOTE_BANNER, "* BYE busy");
    assert_true(endpoint_put_off(&e, &f));
    endpoint_postpone(&e, &f);
    assert_true(endpoint_next(&e, COURSE_PASSIVE, &request));
    assert_int_equal(request.handshake, TLS_OFFER_SMALL);
    endpoint_absorb(&e, &f);
    assert_false(endpoint_next(&e, COURSE_PASSIVE, &request));
    endpoint_conclude(&e);

    assert_int_equal(o.status, STATUS_OK);
    assert_true(observation_knows(&o, FACT_CAPABILITIES_BEFORE));
    assert_true(list_has(&o.capabilities[0], "IMAP4REV1"));
    assert_string_equal(o.banner.data, "* OK ready");
    assert_string_equal(o.upgrade_reply.data, "a2 OK begin");
    observation_free(&o);
    tls_free(tls);
    tls_context_free(network.tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_by_hanging_up_is_one),
        cmocka_unit_test(being_shut_out_is_no_refusal),
        cmocka_unit_test(being_let_in_again_tells_all),
        cmocka_unit_test(a_small_hello_is_not_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
