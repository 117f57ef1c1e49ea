/* SPDX-License-Identifier: MIT */
/*
 * The ladder against played servers: every set of the six versions, every way to say no, from above
 * and each version by itself. It may fail to find out; it may never say what is not so.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "scanner/versions.h"

#define BIT(v) (1U << (v))
#define EVERY_SET BIT(VERSION_COUNT)
#define TLS_ONLY (BIT(VERSION_TLS10) | BIT(VERSION_TLS11) | BIT(VERSION_TLS12) | BIT(VERSION_TLS13))
#define HELLOS_MAX 18U
#define COMMON_SUITE 0x002fU

enum refusal {
    REFUSES_BY_ALERT_70,
    REFUSES_BY_ALERT_40,
    REFUSES_BY_CLOSE,
    REFUSES_BY_RESET,
    REFUSES_BY_SILENCE,
    REFUSES_BY_TEXT,
    REFUSES_BY_NONSENSE,
    REFUSES_BY_ITS_FAVOURITE, /* chooses its highest version, offered or not */
    REFUSAL_COUNT
};

static const struct {
    const char *name;
    enum cause cause;
    bool proves; /* once something was accepted */
} refusals[REFUSAL_COUNT] = {
    [REFUSES_BY_ALERT_70] = {"alert 70", CAUSE_ALERT, true},
    [REFUSES_BY_ALERT_40] = {"alert 40", CAUSE_ALERT, true},
    [REFUSES_BY_CLOSE] = {"close", CAUSE_CLOSED, true},
    [REFUSES_BY_RESET] = {"reset", CAUSE_RESET, true},
    [REFUSES_BY_SILENCE] = {"silence", CAUSE_TIMEOUT, false},
    [REFUSES_BY_TEXT] = {"text", CAUSE_PLAINTEXT, false},
    [REFUSES_BY_NONSENSE] = {"nonsense", CAUSE_PROTOCOL, false},
    [REFUSES_BY_ITS_FAVOURITE] = {"its favourite", CAUSE_NONE, false},
};

/* --- a played server -------------------------------------------------------------------------- */

enum choking {
    CHOKES_ON_NOTHING,
    CHOKES_ON_LIST,       /* supported_versions */
    CHOKES_ON_EXTENSIONS, /* any */
    CHOKES_ON_SIZE,       /* 256 octets and more */
    CHOKING_COUNT
};

struct server {
    unsigned versions;              /* the truth */
    enum choking choking;           /* what it takes amiss, and refuses                        */
    uint32_t suites[VERSION_COUNT]; /* the only one that it takes there; 0: a common one       */
    enum refusal refusal;
    bool reads_list;      /* knows supported_versions; who has TLS 1.3 does */
    bool skips_old_lists; /* but not where TLS 1.3 is not on it (GnuTLS) */
    bool wants_share;     /* refuses TLS 1.3 without a key share            */
    bool stumbles;        /* refuses a version between two of its own */
    int intolerant;       /* refuses hellos with a version above this one   */
    unsigned noise;       /* of 8 hellos so many come to nothing            */
    unsigned seed;
    unsigned hellos;
};

static unsigned below_and(int v)
{
    return (2U << v) - 1;
}

/* What it chooses from: the versions that are listed, or all up to that of the hello (for TLS
   1.3 it says 1.2). */
static unsigned common(const struct server *s, const struct hello *h)
{
    if (h->highest == VERSION_SSL2)
        return s->versions & BIT(VERSION_SSL2);
    bool listed = h->by_list || h->highest >= VERSION_TLS10; /* before it: no extensions */
    listed = listed && !(s->skips_old_lists && h->highest < VERSION_TLS13);
    if (listed && (s->reads_list || s->versions & BIT(VERSION_TLS13)))
        return s->versions &
               (h->alone ? BIT(h->highest) : below_and((int)h->highest) & ~BIT(VERSION_SSL2));
    int highest = h->highest == VERSION_TLS13 || h->by_list ? VERSION_TLS12 : (int)h->highest;
    if (s->stumbles && !(s->versions & BIT(highest)) && s->versions >> highest)
        return 0; /* as GnuTLS does */
    return s->versions & below_and(highest) & ~BIT(VERSION_SSL2);
}

static uint32_t suite_of(const struct server *s, int v)
{
    if (s && s->suites[v])
        return s->suites[v];
    return v == VERSION_TLS13 ? 0x1301 : v == VERSION_SSL2 ? 0x0700c0 : COMMON_SUITE;
}

/* Does it have octets in it that the server chokes on? */
static bool chokes(const struct server *s, const struct hello *h)
{
    static const uint8_t random[HELLO_RANDOM] = {1};
    struct hello whole = *h;
    uint8_t out[HELLO_MAX];
    bool extended = (h->highest > VERSION_SSL3 || h->by_list) && h->form != HELLO_BARE;

    whole.random = random;
    whole.name = "mail.example.test";
    switch (s->choking) {
    case CHOKES_ON_LIST:
        return extended && h->form == HELLO_NEW;
    case CHOKES_ON_EXTENSIONS:
        return extended;
    case CHOKES_ON_SIZE:
        return hello_build(&whole, out) > 255;
    default:
        return false;
    }
}

static struct hello_result choose_of(const struct server *s, unsigned versions)
{
    int v = VERSION_TLS13;
    while (v > VERSION_SSL2 && !(versions & BIT(v)))
        v--;
    struct hello_result result = {.cause = CAUSE_NONE, .reached = true, .alert = -1};
    result.hello = (struct server_hello){.version = (enum version)v,
                                         .suite = suite_of(s, v),
                                         .sentinel = s && s->versions & BIT(VERSION_TLS13)};
    return result;
}

static struct hello_result choose(unsigned versions)
{
    return choose_of(NULL, versions);
}

static struct hello_result refuse(const struct server *s)
{
    if (s->refusal == REFUSES_BY_ITS_FAVOURITE && s->versions)
        return choose_of(s, s->versions);
    return (struct hello_result){.cause = s->refusal == REFUSES_BY_ITS_FAVOURITE
                                              ? CAUSE_VERSION
                                              : refusals[s->refusal].cause,
                                 .reached = true,
                                 .alert = s->refusal == REFUSES_BY_ALERT_70   ? 70
                                          : s->refusal == REFUSES_BY_ALERT_40 ? 40
                                                                              : -1};
}

/* A small generator of our own: the same numbers everywhere. */
static unsigned draw(unsigned *seed)
{
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 16 & 0x7fff;
}

static struct hello_result answer(struct server *s, const struct hello *h)
{
    static const struct hello_result troubles[] = {
        {.cause = CAUSE_TIMEOUT, .reached = true, .alert = -1},
        {.cause = CAUSE_TIMEOUT, .reached = false, .alert = -1},
        {.cause = CAUSE_RATE_LIMITED, .reached = false, .alert = -1},
        {.cause = CAUSE_CLOSED, .reached = false, .alert = -1},
        {.cause = CAUSE_RESET, .reached = false, .alert = -1},
        {.cause = CAUSE_LOCAL, .reached = false, .alert = -1},
        {.cause = CAUSE_LIMIT, .reached = true, .alert = -1},
        {.cause = CAUSE_CLOSED, .reached = true, .torn = true, .alert = -1},
        {.cause = CAUSE_RESET, .reached = true, .torn = true, .alert = -1},
    };
    unsigned shared = common(s, h);

    s->hellos++;
    if (draw(&s->seed) % 8 < s->noise)
        return troubles[draw(&s->seed) % (sizeof troubles / sizeof *troubles)];
    if ((int)h->highest > s->intolerant || (h->highest > VERSION_SSL2 && chokes(s, h)))
        return refuse(s);
    bool takes13 = shared & BIT(VERSION_TLS13);
    if (!shared || (takes13 && s->wants_share && !h->with_share))
        return refuse(s);
    struct hello_result result = choose_of(s, shared);
    bool has = h->highest == VERSION_SSL2 || hello_has_suite(h, result.hello.suite);
    if (has)
        return result;
    struct server strict = *s; /* no suite is shared: that is never about the version */
    if (strict.refusal == REFUSES_BY_ALERT_70 || strict.refusal == REFUSES_BY_ITS_FAVOURITE)
        strict.refusal = REFUSES_BY_ALERT_40;
    return refuse(&strict);
}

/* --- what must hold --------------------------------------------------------------------------- */

struct outcome_of_run {
    struct version_fact facts[VERSION_COUNT];
    unsigned hellos;
    bool intolerant, inconsistent;
};

static void describe(const struct server *s, bool exhaustive, bool handshake)
{
    fprintf(stderr,
            "versions %#x, refuses by %s, list %d, share %d, stumbles %d, intolerant above %d, "
            "chokes %d, noise %u, seed "
            "%u%s%s\n",
            s->versions, refusals[s->refusal].name, s->reads_list, s->wants_share, s->stumbles,
            s->intolerant, s->choking, s->noise, s->seed, exhaustive ? ", exhaustive" : "",
            handshake ? ", handshake first" : "");
}

/* Each fact is of one piece, and true or open. */
static bool is_sound(const struct server *s, const struct version_fact *fact, int v)
{
    bool has = s->versions & BIT(v);
    switch (fact->status) {
    case VERSION_ACCEPTED:
        return has && fact->suite == suite_of(s, v) && fact->alert == -1;
    case VERSION_REJECTED:
        return !has && fact->proof != PROOF_NONE &&
               (fact->alert >= 0) == (fact->proof == PROOF_ALERT);
    case VERSION_INCONCLUSIVE:
        return fact->reason != CAUSE_NONE && fact->reason != CAUSE_NOT_ASKED;
    case VERSION_NOT_TESTED:
        return false;
    }
    return false;
}

static struct outcome_of_run climb(struct server s, bool exhaustive, bool handshake)
{
    struct outcome_of_run run = {.hellos = 0};
    struct ladder l;
    struct hello ask = {.highest = VERSION_TLS13};

    ladder_init(&l, run.facts, exhaustive);
    if (handshake && common(&s, &ask) & TLS_ONLY && s.intolerant >= VERSION_TLS13 &&
        s.choking == CHOKES_ON_NOTHING) {
        struct hello_result result = choose_of(&s, common(&s, &ask) & TLS_ONLY);
        ladder_add_handshake(&l, &result.hello, TLS_ONLY);
    }
    struct server before = s;
    while (ladder_next(&l, &ask)) {
        if (++run.hellos > HELLOS_MAX) {
            describe(&before, exhaustive, handshake);
            fail_msg("asks without end");
        }
        struct hello_result result = answer(&s, &ask);
        ladder_absorb(&l, &ask, &result);
    }
    ladder_finish(&l, CAUSE_NOT_ASKED);
    run.intolerant = l.intolerant;
    run.inconsistent = l.inconsistent;
    if (run.inconsistent && s.refusal != REFUSES_BY_ITS_FAVOURITE && !s.noise) {
        describe(&before, exhaustive, handshake);
        fail_msg("one server is taken for two");
    }
    for (int v = 0; v < VERSION_COUNT; v++)
        if (!is_sound(&before, &run.facts[v], v)) {
            describe(&before, exhaustive, handshake);
            fail_msg("SSL 2.0 and up, number %d: status %d, proof %d, reason %s, alert %d", v,
                     run.facts[v].status, run.facts[v].proof, cause_name(run.facts[v].reason),
                     run.facts[v].alert);
        }
    return run;
}

static void assert_exact(const struct server *s, const struct outcome_of_run *run, bool exhaustive,
                         bool handshake)
{
    for (int v = 0; v < VERSION_COUNT; v++) {
        bool has = s->versions & BIT(v);
        if (run->facts[v].status != (has ? VERSION_ACCEPTED : VERSION_REJECTED)) {
            describe(s, exhaustive, handshake);
            fail_msg("number %d is not known exactly: status %d, reason %s", v,
                     run->facts[v].status, cause_name(run->facts[v].reason));
        }
    }
}

/* Calls back for every kind of server that is worth a thought. */
static void for_each_server(void (*judge)(const struct server *, bool exhaustive, bool handshake))
{
    for (unsigned n = 0; n < EVERY_SET * REFUSAL_COUNT * 64; n++) {
        struct server s = {.versions = n % EVERY_SET,
                           .refusal = (enum refusal)(n / EVERY_SET % REFUSAL_COUNT),
                           .intolerant = VERSION_TLS13};
        unsigned rest = n / EVERY_SET / REFUSAL_COUNT;
        s.reads_list = rest & 1;
        s.wants_share = rest & 2;
        s.stumbles = rest & 16;
        s.skips_old_lists = rest & 32;
        /* GnuTLS does not speak TLS 1.3 without 1.2 if it speaks anything older. */
        if (s.stumbles && s.skips_old_lists && (s.versions & BIT(VERSION_TLS13)) &&
            !(s.versions & BIT(VERSION_TLS12)))
            continue;
        judge(&s, rest & 4, rest & 8);
    }
}

/* Who says "no such version" where a key share is missing says what is not so, and is believed. */
static bool lies(const struct server *s)
{
    return s->wants_share && s->refusal == REFUSES_BY_ALERT_70;
}

static void judge_truth(const struct server *s, bool exhaustive, bool handshake)
{
    if (!lies(s))
        climb(*s, exhaustive, handshake);
}

/* Nothing that is found is wrong, whoever is asked. */
static void test_never_wrong(void **state)
{
    (void)state;
    for_each_server(judge_truth);
}

static void judge_exactness(const struct server *s, bool exhaustive, bool handshake)
{
    bool decides =
        s->refusal == REFUSES_BY_ALERT_70 || (refusals[s->refusal].proves && s->versions);
    if (!decides || lies(s))
        return;
    struct outcome_of_run run = climb(*s, exhaustive, handshake);
    assert_exact(s, &run, exhaustive, handshake);
}

/* Who behaves is known exactly. */
static void test_exact(void **state)
{
    (void)state;
    for_each_server(judge_exactness);
}

static unsigned count_of(unsigned set)
{
    unsigned n = 0;
    for (; set; set &= set - 1)
        n++;
    return n;
}

static void judge_economy(const struct server *s, bool exhaustive, bool handshake)
{
    if (exhaustive || s->refusal != REFUSES_BY_ALERT_70 || s->wants_share)
        return;
    struct outcome_of_run run = climb(*s, false, handshake);
    unsigned modern = count_of(s->versions & ~BIT(VERSION_SSL2));
    unsigned most = modern ? modern + 1 + 1 : 8; /* … one for SSL 2.0; each form that there is */
    if (modern && (!(s->versions & BIT(VERSION_TLS13)) || s->skips_old_lists))
        most += 3; /* it does not go by the list, and may stumble at a hole */
    else if (modern && !(s->versions & BIT(VERSION_TLS12)))
        most++; /* TLS 1.2 is asked by itself */
    if (handshake && s->versions & TLS_ONLY)
        most--;
    if (run.hellos > most) {
        describe(s, exhaustive, handshake);
        fail_msg("%u hellos for %u versions", run.hellos, count_of(s->versions));
    }
}

/* One hello more than there are versions, and one for SSL 2.0, of a modern server. */
static void test_economy(void **state)
{
    (void)state;
    for_each_server(judge_economy);
}

static void judge_silence(const struct server *s, bool exhaustive, bool handshake)
{
    enum cause cause = refusals[s->refusal].cause;
    if (s->versions || s->refusal == REFUSES_BY_ALERT_70 || cause == CAUSE_NONE)
        return;
    struct outcome_of_run run = climb(*s, exhaustive, handshake);
    for (int v = 0; v < VERSION_COUNT; v++) {
        assert_int_equal(run.facts[v].status, VERSION_INCONCLUSIVE);
        assert_int_equal(run.facts[v].reason, cause);
    }
}

/* While nothing was accepted, a refusal that is not about versions proves nothing. */
static void test_nothing_accepted(void **state)
{
    (void)state;
    for_each_server(judge_silence);
}

/* Servers that take a high version amiss instead of choosing a lower one (RFC 5246 appendix E.1
   forbids it). */
static void test_intolerance(void **state)
{
    static const enum refusal ways[] = {REFUSES_BY_ALERT_40, REFUSES_BY_CLOSE, REFUSES_BY_RESET};
    (void)state;
    for (unsigned set = 1; set < EVERY_SET; set++)
        for (int highest = VERSION_SSL3; highest < VERSION_TLS13; highest++)
            for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
                struct server s = {.versions = set & below_and(highest),
                                   .refusal = ways[i],
                                   .intolerant = highest};
                if (!s.versions)
                    continue;
                struct outcome_of_run run = climb(s, false, false);
                assert_exact(&s, &run, false, false);
                climb(s, true, false);
            }
}

/* What a version must be in the end: found if it is there, and no more claimed than was proven. */
static void assert_found(const struct server *s, const struct outcome_of_run *run, bool exhaustive)
{
    for (int v = 0; v < VERSION_COUNT; v++)
        if ((s->versions & BIT(v)) && run->facts[v].status != VERSION_ACCEPTED) {
            describe(s, exhaustive, false);
            fail_msg("number %d is not found: status %d, reason %s", v, run->facts[v].status,
                     cause_name(run->facts[v].reason));
        }
}

/* Servers that refuse what they do not know instead of passing it over. */
static void test_choking(void **state)
{
    static const enum refusal ways[] = {REFUSES_BY_ALERT_70, REFUSES_BY_ALERT_40, REFUSES_BY_CLOSE,
                                        REFUSES_BY_RESET,    REFUSES_BY_SILENCE,  REFUSES_BY_TEXT,
                                        REFUSES_BY_NONSENSE};
    (void)state;
    for (unsigned set = 1; set < EVERY_SET / 2; set++)
        for (int choking = CHOKES_ON_LIST; choking < CHOKING_COUNT; choking++)
            for (size_t i = 0; i < 2 * (sizeof ways / sizeof *ways); i++) {
                struct server s = {.versions = set,
                                   .refusal = ways[i / 2],
                                   .choking = (enum choking)choking,
                                   .intolerant = VERSION_TLS13};
                bool exhaustive = i & 1;
                struct outcome_of_run run = climb(s, exhaustive, false);
                bool silent = s.refusal == REFUSES_BY_SILENCE;
                bool tls = set & TLS_ONLY;
                if (!tls || (silent && (exhaustive || choking != CHOKES_ON_LIST) &&
                             !(set & BIT(VERSION_TLS10))))
                    continue; /* after three hellos without an answer it is left alone */
                if (exhaustive && (silent || s.refusal == REFUSES_BY_TEXT))
                    continue;
                if (s.refusal == REFUSES_BY_TEXT && choking == CHOKES_ON_EXTENSIONS)
                    continue; /* where text comes, there is no TLS */
                assert_found(&s, &run, exhaustive);
                bool right = exhaustive &&
                             (s.refusal == REFUSES_BY_ALERT_70 || s.refusal == REFUSES_BY_ALERT_40);
                assert_true(run.intolerant == (choking != CHOKES_ON_SIZE && !right) ||
                            s.refusal == REFUSES_BY_TEXT || s.refusal == REFUSES_BY_NONSENSE);
                if (refusals[s.refusal].proves)
                    assert_exact(&s, &run, exhaustive, false);
            }
}

/* Servers that take one suite alone, which is not among the usual ones. */
static void test_rare_suites(void **state)
{
    static const uint32_t suites12[] = {0xc09c, 0xc0a8, 0xc05c, 0xc08b, 0x00a2, 0xc100,
                                        0x003b, 0xc09b, 0xc022, 0x0096, 0x0060};
    static const uint32_t suites13[] = {0x1305, 0x1306, 0x00c6, 0xc0b4};
    static const uint32_t suites10[] = {0x0001, 0x0006, 0x0019, 0x0096, 0x0081, 0x008c};
    static const enum refusal ways[] = {REFUSES_BY_ALERT_70, REFUSES_BY_ALERT_40, REFUSES_BY_RESET};

    (void)state;
    for (unsigned n = 0; n < 11 * 4 * 6 * 3 * 2; n++) {
        unsigned rest = n / 11 / 4 / 6;
        for (unsigned set = 2; set < EVERY_SET; set += 2) {
            struct server s = {.versions = set,
                               .refusal = ways[rest % 3],
                               .intolerant = VERSION_TLS13,
                               .reads_list = set & BIT(VERSION_TLS13)};
            s.suites[VERSION_TLS12] = suites12[n % 11];
            s.suites[VERSION_TLS13] = suites13[n / 11 % 4];
            for (int v = VERSION_SSL3; v <= VERSION_TLS11; v++)
                s.suites[v] = suites10[n / 11 / 4 % 6];
            struct outcome_of_run run = climb(s, rest / 3, false);
            bool cut = s.refusal == REFUSES_BY_RESET; /* then not every list is tried */
            assert_false(run.intolerant);
            if (cut && (n % 11 > 6 || !(set & (BIT(VERSION_TLS12) | BIT(VERSION_TLS10)))))
                continue;
            assert_found(&s, &run, rest / 3);
        }
    }
}

/* A suite that was never offered proves nothing. */
static void test_suite_not_offered(void **state)
{
    struct version_fact facts[VERSION_COUNT] = {{.status = VERSION_NOT_TESTED}};
    struct hello ask = {.highest = VERSION_TLS13};
    struct ladder l;
    unsigned hellos = 0;

    (void)state;
    ladder_init(&l, facts, false);
    while (ladder_next(&l, &ask)) {
        struct hello_result result = {.cause = CAUSE_NONE, .reached = true, .alert = -1};
        result.hello = (struct server_hello){
            .version = ask.highest > VERSION_TLS12 ? VERSION_TLS12 : ask.highest, .suite = 0xabcd};
        if (ask.highest == VERSION_SSL2)
            result = (struct hello_result){.cause = CAUSE_CLOSED, .reached = true, .alert = -1};
        assert_in_range(++hellos, 1, HELLOS_MAX);
        ladder_absorb(&l, &ask, &result);
    }
    ladder_finish(&l, CAUSE_NOT_ASKED);
    for (int v = VERSION_SSL3; v < VERSION_COUNT; v++) {
        assert_int_equal(facts[v].status, VERSION_INCONCLUSIVE);
        assert_int_equal(facts[v].reason, CAUSE_NOT_OFFERED);
    }
}

/* Two servers behind one address, in turn or by chance. What one of them has is never denied once a
   contradiction was seen, and nothing is accepted that neither has. */
static void test_two_servers(void **state)
{
    unsigned seen = 0;
    (void)state;
    for (unsigned n = 0; n < EVERY_SET * EVERY_SET * 8; n++) {
        struct server both[2] = {
            {.versions = n % EVERY_SET, .intolerant = VERSION_TLS13},
            {.versions = n / EVERY_SET % EVERY_SET, .intolerant = VERSION_TLS13}};
        unsigned seed = n, all = both[0].versions | both[1].versions;
        struct version_fact facts[VERSION_COUNT] = {{.status = VERSION_NOT_TESTED}};
        struct hello ask = {.highest = VERSION_TLS13};
        struct ladder l;

        ladder_init(&l, facts, false);
        for (unsigned hellos = 0; ladder_next(&l, &ask); hellos++) {
            bool turn = n / EVERY_SET / EVERY_SET ? draw(&seed) & 1 : hellos & 1;
            struct hello_result result = answer(&both[turn], &ask);
            assert_in_range(hellos, 0, HELLOS_MAX);
            ladder_absorb(&l, &ask, &result);
        }
        ladder_finish(&l, CAUSE_NOT_ASKED);
        seen += l.inconsistent;
        for (int v = 0; v < VERSION_COUNT; v++) {
            if (facts[v].status == VERSION_ACCEPTED)
                assert_true(all & BIT(v));
            if (l.inconsistent)
                assert_int_not_equal(facts[v].status, VERSION_REJECTED);
            if (l.inconsistent && facts[v].status == VERSION_INCONCLUSIVE)
                assert_int_equal(facts[v].reason, CAUSE_INCONSISTENT);
        }
    }
    assert_true(seen > 1000);
}

/* What another handshake shows after all was asked. */
static void test_later_handshake(void **state)
{
    struct version_fact facts[VERSION_COUNT] = {{.status = VERSION_NOT_TESTED}};
    struct hello_result first = choose(BIT(VERSION_TLS12));
    struct hello_result later = choose(BIT(VERSION_TLS13));
    struct ladder l;

    (void)state;
    ladder_init(&l, facts, false);
    ladder_add_handshake(&l, &first.hello, TLS_ONLY);
    ladder_finish(&l, CAUSE_NOT_ASKED);
    ladder_add_handshake(&l, &first.hello, TLS_ONLY);
    assert_false(l.inconsistent);
    assert_int_equal(facts[VERSION_TLS13].status, VERSION_REJECTED);
    ladder_add_handshake(&l, &later.hello, TLS_ONLY);
    assert_true(l.inconsistent);
    assert_int_equal(facts[VERSION_TLS13].status, VERSION_ACCEPTED);
    assert_int_equal(facts[VERSION_TLS12].status, VERSION_ACCEPTED);
}

/* Connections that come to nothing now and then, and servers that are gone in the middle. */
static void test_noise(void **state)
{
    (void)state;
    for (unsigned set = 0; set < EVERY_SET; set++)
        for (unsigned n = 0; n < 400; n++) {
            struct server s = {.versions = set,
                               .refusal = (enum refusal)(n % REFUSAL_COUNT),
                               .reads_list = n & 8,
                               .intolerant = VERSION_TLS13,
                               .noise = 1 + n % 7,
                               .seed = set * 1000 + n};
            climb(s, n & 16, n & 32);
        }
}

/* A server that lets no one in is left alone soon. */
static void test_unreachable(void **state)
{
    struct version_fact facts[VERSION_COUNT] = {{.status = VERSION_NOT_TESTED}};
    struct hello_result gone = {.cause = CAUSE_RATE_LIMITED, .reached = false, .alert = -1};
    struct hello ask = {.highest = VERSION_TLS13};
    struct ladder l;
    unsigned hellos = 0;

    (void)state;
    ladder_init(&l, facts, false);
    struct hello_result first = choose(BIT(VERSION_TLS12));
    assert_true(ladder_next(&l, &ask));
    ladder_absorb(&l, &ask, &first);
    while (ladder_next(&l, &ask)) {
        ladder_absorb(&l, &ask, &gone);
        assert_in_range(++hellos, 1, 2);
    }
    assert_int_equal(facts[VERSION_TLS13].status, VERSION_REJECTED);
    assert_int_equal(facts[VERSION_TLS13].proof, PROOF_CHOSE_LOWER);
    assert_int_equal(facts[VERSION_TLS12].status, VERSION_ACCEPTED);
    for (int v = VERSION_SSL2; v < VERSION_TLS12; v++) {
        assert_int_equal(facts[v].status, VERSION_INCONCLUSIVE);
        assert_int_equal(facts[v].reason, CAUSE_RATE_LIMITED);
    }
}

/* What is not asked is not tested, and refusals that came to nothing say so. */
static void test_finish_early(void **state)
{
    struct version_fact facts[VERSION_COUNT] = {{.status = VERSION_NOT_TESTED}};
    struct hello_result reset = {.cause = CAUSE_RESET, .reached = true, .alert = -1};
    struct hello ask = {.highest = VERSION_TLS13};
    struct ladder l;

    (void)state;
    ladder_init(&l, facts, false);
    assert_true(ladder_next(&l, &ask));
    assert_false(ask.with_share);
    ladder_absorb(&l, &ask, &reset);
    assert_true(ladder_next(&l, &ask));
    assert_int_equal(ask.highest, VERSION_TLS13);
    assert_true(ask.with_share); /* once more, with a key share */
    ladder_absorb(&l, &ask, &reset);
    ladder_finish(&l, CAUSE_NOT_ASKED);
    assert_false(ladder_has_accepted(&l));
    assert_int_equal(facts[VERSION_TLS13].status, VERSION_INCONCLUSIVE);
    assert_int_equal(facts[VERSION_TLS13].reason, CAUSE_RESET);
    for (int v = VERSION_SSL2; v < VERSION_TLS13; v++) {
        assert_int_equal(facts[v].status, VERSION_NOT_TESTED);
        assert_int_equal(facts[v].reason, CAUSE_NOT_ASKED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_wrong),     cmocka_unit_test(test_exact),
        cmocka_unit_test(test_economy),         cmocka_unit_test(test_nothing_accepted),
        cmocka_unit_test(test_intolerance),     cmocka_unit_test(test_noise),
        cmocka_unit_test(test_unreachable),     cmocka_unit_test(test_finish_early),
        cmocka_unit_test(test_choking),         cmocka_unit_test(test_rare_suites),
        cmocka_unit_test(test_two_servers),     cmocka_unit_test(test_suite_not_offered),
        cmocka_unit_test(test_later_handshake),
    };
    return cmocka_run_group_tests_name("versions", tests, NULL, NULL);
}
