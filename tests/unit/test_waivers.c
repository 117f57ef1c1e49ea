/* SPDX-License-Identifier: MIT */
/* Waivers and the baseline: what is read of them, what they fit, and until when. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/opinion.h"
#include "output/waivers/glob.h"
#include "output/yamlfile.h"
#include "scanner/targets.h"

#define MADE SOURCE_DIR "/tests/waivers"
#define DAY ((int64_t)DAY_SECONDS * 1000)
#define NOW INT64_C(1795455842279) /* 2026-11-23T17:44:02.279Z */

/* --- patterns --------------------------------------------------------------------------------- */

static void test_glob(void **state)
{
    static const struct {
        const char *pattern, *text;
        bool matches;
    } rows[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "imap://a.test:143", true},
        {"a", "a", true},
        {"a", "b", false},
        {"a", "ab", false},
        {"ab", "a", false},
        {"?", "a", true},
        {"?", "", false},
        {"a*", "a", true},
        {"*a", "ba", true},
        {"*a", "ab", false},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXcYb", false},
        {"*ab*ab", "abab", true},
        {"*ab*ab", "ab", false},
        {"imap://*.example.test:143", "imap://a.b.example.test:143", true},
        {"imap://*.example.test:143", "imap://example.test:143", false},
        {"*://[2001:db8::?]:*", "imap://[2001:db8::7]:993", true},
        {"imap://a.test:14?", "imap://a.test:143", true},
        {"***", "", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (glob_matches(rows[i].pattern, rows[i].text) != rows[i].matches)
            fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
    assert_true(glob_is_literal("imap://[::1]:143"));
    assert_false(glob_is_literal("imap://*"));
    assert_false(glob_is_literal("imap://a?"));
}

/* By definition: a star is each of the rest in turn. It takes for ever on long texts. */
static bool slow(const char *p, const char *t)
{
    if (!*p)
        return !*t;
    if (*p == '*')
        return slow(p + 1, t) || (*t && slow(p, t + 1));
    return *t && (*p == '?' || *p == *t) && slow(p + 1, t + 1);
}

/* All patterns of up to five of "ab*?" on all texts of up to five of "ab". */
static void test_glob_is_as_defined(void **state)
{
    (void)state;
    for (unsigned p = 0; p < 6 * 1024; p++)
        for (unsigned t = 0; t < 6 * 32; t++) {
            char pattern[6] = "", text[6] = "";
            for (unsigned i = 0; i < p / 1024; i++)
                pattern[i] = "ab*?"[p >> (2 * i) & 3];
            for (unsigned i = 0; i < t / 32; i++)
                text[i] = "ab"[t >> i & 1];
            if (glob_matches(pattern, text) != slow(pattern, text))
                fail_msg("'%s' and '%s'", pattern, text);
        }
}

/* Where going back to each star would take longer than there is time. */
static void test_glob_of_many_stars(void **state)
{
    char pattern[512], text[512];
    (void)state;
    for (size_t i = 0; i < 510; i++) {
        pattern[i] = "*a"[i % 2];
        text[i] = 'a';
    }
    strcpy(pattern + 510, "b");
    text[510] = '\0';
    assert_false(glob_matches(pattern, text));
}

/* --- files ------------------------------------------------------------------------------------ */

static struct waivers *read_at(const char *text, int64_t now, char **said)
{
    const struct yamlfile f = {"w.yaml", {text, strlen(text)}, NULL};
    size_t size = 0;
    FILE *errors = open_memstream(said, &size);
    assert_non_null(errors);
    struct waivers *w = waivers_read(&f, now, errors);
    fclose(errors);
    return w;
}

static struct waivers *good(const char *text)
{
    char *said = NULL;
    struct waivers *w = read_at(text, NOW, &said);
    if (!w || *said)
        fail_msg("%s", said);
    free(said);
    return w;
}

#define TAIL "reason: Because, expires: 2027-01-31}\n"

/* tests/waivers/bad/: the first line of each says what is to be said of it. */
static void test_bad(void **state)
{
    static const char expect[] = "# expect: ";
    char path[512], line[512], wanted[1100];
    size_t count = 0;
    struct dirent *file;
    DIR *bad = opendir(MADE "/bad");

    (void)state;
    assert_non_null(bad);
    while ((file = readdir(bad))) {
        char *said = NULL;
        size_t size = 0;
        if (file->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, MADE "/bad/%s", file->d_name);
        FILE *f = fopen(path, "r"), *errors = open_memstream(&said, &size);
        assert_true(f && errors && fgets(line, sizeof line, f));
        fclose(f);
        assert_int_equal(strncmp(line, expect, sizeof expect - 1), 0);
        snprintf(wanted, sizeof wanted, "%s:%s", path, line + sizeof expect - 1);
        struct waivers *w = waivers_load(path, NOW, errors);
        fclose(errors);
        if (w)
            fail_msg("%s was taken", path);
        if (strcmp(said, wanted) != 0)
            fail_msg("wanted %ssaid   %s", wanted, said);
        free(said);
        count++;
    }
    closedir(bad);
    assert_true(count >= 50);
}

/* All that is wrong is told, not the first alone. */
static void test_all_of_it_is_told(void **state)
{
    char *said = NULL;
    struct waivers *w = read_at("waivers:\n"
                                "  - {id: a, rule: X, match: {endpoint: \"*\"}, " TAIL
                                "  - {id: b, rule: Y, match: {cidr: 1}, " TAIL,
                                NOW, &said);
    (void)state;
    assert_null(w);
    assert_string_equal(said, "w.yaml:2: rule: 'X' is no rule\n"
                              "w.yaml:3: cidr: '1' is no network (192.0.2.0/24, 2001:db8::/32)\n"
                              "w.yaml:3: rule: 'Y' is no rule\n");
    free(said);
}

static void test_missing_file(void **state)
{
    char *said = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&said, &size);
    (void)state;
    assert_null(waivers_load(MADE "/none.yaml", NOW, errors));
    assert_null(waivers_load(MADE, NOW, errors));
    fclose(errors);
    assert_string_equal(said, MADE "/none.yaml: No such file or directory\n" MADE
                                   ": is not a plain file\n");
    free(said);
}

/* What the sample says of itself holds, whenever it is read. */
static void test_sample(void **state)
{
    char *said = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&said, &size);
    (void)state;
    struct waivers *w = waivers_load(SOURCE_DIR "/samples/waivers.yaml", NOW, errors);
    fclose(errors);
    if (!w)
        fail_msg("%s", said);
    assert_true(waivers_count(w) >= 3);
    waivers_free(w);
    free(said);
}

static void test_what_is_kept(void **state)
{
    struct waivers *w = good("waivers:\n"
                             "  - id: W-2\n"
                             "    rule: CERT-EXPIRED\n"
                             "    match: {endpoint: \"*\"}\n"
                             "    reason: |\n"
                             "      One\n"
                             "      two\n"
                             "    approved_by: me\n"
                             "    ticket: T-1\n"
                             "    created: 2026-11-01\n"
                             "    expires: 2027-01-31\n"
                             "  - {id: W-1, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, " TAIL);
    (void)state;
    assert_int_equal(waivers_count(w), 2);
    assert_int_equal(strlen(waivers_sha256(w)), 64);
    assert_string_equal(waivers_at(w, 0)->id, "W-1");
    assert_null(waivers_at(w, 0)->approved_by);
    const struct waiver *second = waivers_at(w, 1);
    assert_string_equal(second->id, "W-2");
    assert_string_equal(second->reason, "One\ntwo\n");
    assert_string_equal(second->approved_by, "me");
    assert_string_equal(second->ticket, "T-1");
    assert_string_equal(second->expires, "2027-01-31");
    assert_int_equal(second->number, 1);
    waivers_free(w);
    waivers_free(good("waivers: []\n"));
}

/* From its creation where it says one, or else from today; both ends are within. */
static void test_max_days(void **state)
{
    char *said = NULL;
    (void)state;
    waivers_free(good("waivers: [{id: a, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, reason: x, "
                      "expires: 2027-11-24}]"));
    waivers_free(good("waivers: [{id: a, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, reason: x, "
                      "created: 2026-11-24, expires: 2027-11-25}]"));
    waivers_free(good("max_days: 1\n"
                      "waivers: [{id: a, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, reason: x, "
                      "expires: 2026-11-24}]"));
    assert_null(read_at("max_days: 1\n"
                        "waivers: [{id: a, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, "
                        "reason: x, expires: 2026-11-25}]",
                        NOW, &said));
    assert_string_equal(said, "w.yaml:2: expires: 2026-11-25 is more than 1 days from today "
                              "(max_days)\n");
    free(said);
    /* what expired long ago is no error: it is told when it is used */
    waivers_free(good("waivers: [{id: a, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, reason: x, "
                      "expires: 2020-01-01}]"));
}

/* --- what fits -------------------------------------------------------------------------------- */

static size_t number_of(const char *rule)
{
    size_t number;
    assert_non_null(rules_find(rule, &number));
    return number;
}

struct scene {
    struct target_label labels[2];
    struct target_host target;
    struct host_view host;
    struct waiver_subject subject;
};

static struct scene *scene(const char *key, const char *address)
{
    static struct scene s;
    memset(&s, 0, sizeof s);
    s.labels[0] = (struct target_label){"owner", "mail-team"};
    s.labels[1] = (struct target_label){"site", "ams"};
    s.target = (struct target_host){.labels = s.labels, .label_count = 2};
    s.host = (struct host_view){.target = &s.target};
    if (address)
        assert_true(address_parse(span_of(address), &s.host.address));
    s.subject = (struct waiver_subject){
        .key = key, .host = &s.host, .protocol = protocol_find(span_of("imap")), .time = NOW};
    return &s;
}

#define FINGERPRINT "f1-0123456789abcdef0123456789abcdef"

/* The id of the waiver for a finding of CERT-EXPIRED there; "": none. */
static const char *found(const struct waivers *w, const struct scene *s)
{
    const struct waiver *waiver =
        waivers_find(w, &s->subject, number_of("CERT-EXPIRED"), FINGERPRINT);
    return waiver ? waiver->id : "";
}

/* Does a waiver with this match fit? */
static void check_match(const char *match, bool fits, const struct scene *s)
{
    char text[512];
    snprintf(text, sizeof text, "waivers: [{id: W, rule: CERT-EXPIRED, match: %s, " TAIL "]",
             match);
    struct waivers *w = good(text);
    if ((*found(w, s) != '\0') != fits)
        fail_msg("%s %s %s", match, fits ? "does not fit" : "fits", s->subject.key);
    assert_null(waivers_find(w, &s->subject, number_of("CERT-EXPIRES-SOON"), FINGERPRINT));
    waivers_free(w);
}

static void test_match(void **state)
{
    const struct scene *s = scene("imap://a.example.test:143", "192.0.2.25");
    (void)state;
    check_match("{endpoint: \"*\"}", true, s);
    check_match("{endpoint: \"imap://a.example.test:143\"}", true, s);
    check_match("{endpoint: \"IMAP://A.Example.test:143\"}", true, s);
    check_match("{endpoint: \"imap://a.example.test:14\"}", false, s);
    check_match("{endpoint: \"imap://a.example.test:1430\"}", false, s);
    check_match("{endpoint: \"imap://*.example.test:*\"}", true, s);
    check_match("{endpoint: \"*:993\"}", false, s);
    check_match("{cidr: 192.0.2.0/24}", true, s);
    check_match("{cidr: 192.0.2.25}", true, s);
    check_match("{cidr: 192.0.2.24}", false, s);
    check_match("{cidr: 192.0.2.24/31}", true, s);
    check_match("{cidr: 192.0.2.26/31}", false, s);
    check_match("{cidr: \"2001:db8::/32\"}", false, s);
    check_match("{cidr: \"::ffff:192.0.2.25\"}", true, s);
    check_match("{endpoint: \"*\", protocol: imap}", true, s);
    check_match("{endpoint: \"*\", protocol: pop3}", false, s);
    check_match("{endpoint: \"*\", labels: {owner: mail-team}}", true, s);
    check_match("{endpoint: \"*\", labels: {owner: mail-team, site: ams}}", true, s);
    check_match("{endpoint: \"*\", labels: {owner: mail-team, site: fra}}", false, s);
    check_match("{endpoint: \"*\", labels: {owner: mail}}", false, s);
    check_match("{endpoint: \"*\", labels: {role: mx}}", false, s);
    check_match("{endpoint: \"*\", labels: {}}", true, s);
    check_match("{endpoint: \"imap://*\", cidr: 198.51.100.0/24}", false, s);
    check_match("{endpoint: \"imap://*\", cidr: 192.0.2.0/24, protocol: imap}", true, s);
}

static void test_match_ipv6(void **state)
{
    const struct scene *s = scene("imap://[2001:db8::25]:143", "2001:db8::25");
    (void)state;
    check_match("{endpoint: \"imap://[2001:db8::25]:143\"}", true, s);
    check_match("{endpoint: \"imap://[2001:db8::*]:143\"}", true, s);
    check_match("{cidr: \"2001:db8::/32\"}", true, s);
    check_match("{cidr: \"2001:db8::24/127\"}", true, s);
    check_match("{cidr: \"2001:db8::26/127\"}", false, s);
    check_match("{cidr: \"2001:db8:0:0:1::/80\"}", false, s);
    check_match("{cidr: 0.0.0.0/1}", false, s);
}

/* A name without an address is in no network. */
static void test_match_without_address(void **state)
{
    const struct scene *s = scene("imap://a.example.test:143", NULL);
    (void)state;
    check_match("{cidr: 0.0.0.0/1}", false, s);
    check_match("{endpoint: \"imap://a.example.test:143\"}", true, s);
}

static void test_fingerprint(void **state)
{
    const struct scene *s = scene("imap://a.example.test:143", "192.0.2.25");
    struct waivers *w = good("waivers:\n"
                             "  - {id: W, fingerprint: " FINGERPRINT ", " TAIL);
    (void)state;
    assert_string_equal(found(w, s), "W");
    assert_null(waivers_find(w, &s->subject, number_of("CERT-EXPIRED"),
                             "f1-0123456789abcdef0123456789abcdee"));
    waivers_free(w);
    w = good("waivers:\n"
             "  - {id: W, fingerprint: " FINGERPRINT ", match: {cidr: 192.0.2.0/30}, " TAIL);
    assert_string_equal(found(w, s), "");
    waivers_free(w);
}

/* To the end of its last day. */
static void test_expiry(void **state)
{
    struct scene *s = scene("imap://a.example.test:143", "192.0.2.25");
    struct waivers *w = good("waivers:\n"
                             "  - {id: W, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, reason: x, "
                             "expires: 2026-11-23}");
    const struct waiver *waiver = waivers_at(w, 0);
    int64_t midnight = (NOW / DAY + 1) * DAY;
    (void)state;
    assert_false(waiver_expired(waiver, NOW));
    assert_false(waiver_expired(waiver, midnight - 1));
    assert_true(waiver_expired(waiver, midnight));
    assert_false(waiver_expired(waiver, -1));
    s->subject.time = midnight;
    assert_string_equal(found(w, s), "W"); /* it stays beside the finding */
    waivers_free(w);
}

/* One that has not expired, and of those the first of the file, however it is found. */
static void test_which_one(void **state)
{
    struct scene *s = scene("imap://a.example.test:143", "192.0.2.25");
    static const char fingerprint[] = "fingerprint: " FINGERPRINT;
    static const char *const rows[] = {
        "rule: CERT-EXPIRED, match: {endpoint: \"imap://a.example.test:143\"}",
        "rule: CERT-EXPIRED, match: {endpoint: \"*\"}", fingerprint};
    (void)state;
    for (size_t a = 0; a < 3; a++)
        for (size_t b = 0; b < 3; b++)
            for (size_t over = 0; over < 4; over++) {
                char text[1024];
                snprintf(text, sizeof text,
                         "waivers:\n  - {id: b, %s, reason: x, expires: %s}\n"
                         "  - {id: a, %s, reason: x, expires: %s}\n",
                         rows[a], over & 1 ? "2026-11-22" : "2026-11-24", rows[b],
                         over & 2 ? "2026-11-22" : "2026-11-24");
                struct waivers *w = good(text);
                assert_string_equal(found(w, s), over == 1 ? "a" : "b");
                waivers_free(w);
            }
}

/* Thousands of keys cost no more than a few. */
static void test_many(void **state)
{
    struct scene *s = scene("imap://h7777.example.test:143", "192.0.2.25");
    char *text = NULL, *said = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    (void)state;
    fputs("waivers:\n", f);
    for (int i = 0; i < 8000; i++)
        fprintf(f,
                "- {id: W%d, rule: CERT-EXPIRED, match: {endpoint: "
                "\"imap://h%d.example.test:143\"}, " TAIL,
                i, i);
    fclose(f);
    assert_true(size < YAMLFILE_MAX);
    struct waivers *w = read_at(text, NOW, &said);
    if (!w)
        fail_msg("%s", said);
    for (int i = 0; i < 10000; i++)
        assert_string_equal(found(w, s), "W7777");
    waivers_free(w);
    free(text);
    free(said);
}

/* --- opinions --------------------------------------------------------------------------------- */

/* An endpoint that takes passwords in clear; what is waived of it does not count. */
static void test_tally(void **state)
{
    struct scene *s = scene("", "192.0.2.25");
    const struct service *services[] = {&services_table[0]};
    struct observation o;
    struct policies policies = {.count = 0};
    struct opinions opinions = {.count = 0};
    struct tally all, tally;

    (void)state;
    observation_init(&o, services[0]);
    o.started = NOW;
    o.status = STATUS_OK;
    observation_learn(&o, FACT_PREAUTH);
    observation_learn(&o, FACT_OBSERVED_MODE);
    observation_learn(&o, FACT_ACCEPTED);
    observation_learn(&o, FACT_ADVERTISED);
    o.mode = MODE_INSECURE;
    o.accepted = o.advertised = TRI_NO;
    o.tls.refused = true;
    observation_learn(&o, FACT_TLS);
    s->target.services = services;
    s->target.service_count = 1;
    s->target.address = s->host.address;
    s->host.endpoints = &o;
    s->host.count = 1;
    s->host.answered = true;

    struct exceptions none = {NULL, NULL};
    assert_true(tally_begin(&all, &none));
    assert_true(opinions_form(&opinions, &policies, &none, &s->host));
    tally_add(&all, &opinions);
    assert_true(tally_reaches(&all, SEVERITY_MEDIUM));
    assert_true(tally_fails(&all, SEVERITY_MEDIUM));
    enum severity worst = opinions.judgements[0].worst;
    const char *rule = opinions.judgements[0].findings[0].rule->id;
    char text[512];
    for (int over = 0; over < 2; over++) {
        snprintf(text, sizeof text,
                 "waivers:\n  - {id: W, rule: %s, match: {cidr: 192.0.2.0/24}, reason: x, "
                 "expires: 2026-11-2%d}\n"
                 "  - {id: V, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, " TAIL,
                 rule, 3 - over);
        struct waivers *w = good(text);
        struct exceptions some = {w, NULL};
        assert_true(tally_begin(&tally, &some));
        assert_true(opinions_form(&opinions, &policies, &some, &s->host));
        tally_add(&tally, &opinions);
        const struct finding *f = &opinions.judgements[0].findings[0];
        assert_string_equal(f->rule->id, rule);
        assert_string_equal(f->disposition.waiver->id, "W");
        assert_int_equal(f->disposition.waived, !over);
        assert_int_equal(tally.waived, !over);
        assert_int_equal(tally.findings[worst], all.findings[worst] - !over);
        assert_int_equal(opinions.judgements[0].worst == worst, over || all.findings[worst] > 1);
        assert_int_equal(tally.usage->count, 2);
        assert_string_equal(tally.usage->items[1].id, "W");
        assert_int_equal(tally.usage->items[1].findings, 1);
        assert_int_equal(usage_state(&tally.usage->items[1], true, NOW),
                         over ? USAGE_EXPIRED : USAGE_USED);
        assert_int_equal(usage_state(&tally.usage->items[0], true, NOW), USAGE_STALE);
        assert_int_equal(usage_state(&tally.usage->items[0], false, NOW), USAGE_UNMATCHED);
        tally_end(&tally);
        waivers_free(w);
    }
    tally_end(&all);
    opinions_free(&opinions);
    observation_free(&o);
}

/* --- what is told ----------------------------------------------------------------------------- */

static void test_tell(void **state)
{
    struct usage *u = usage_new();
    char *said = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&said, &size);
    (void)state;
    for (int i = 0; i < 16; i++) {
        char id[16];
        snprintf(id, sizeof id, "s%02d", i);
        struct usage_item *item = usage_item(u, id);
        item->last_day = NOW / DAY + 100;
        strcpy(item->expires, "2027-03-03");
    }
    struct usage_item *item = usage_item(u, "gone");
    *item = (struct usage_item){item->id, "2026-11-22", NOW / DAY - 1, 2};
    item = usage_item(u, "idle");
    *item = (struct usage_item){item->id, "2026-11-22", NOW / DAY - 1, 0};
    item = usage_item(u, "\x1b[2Jsoon");
    *item = (struct usage_item){item->id, "2026-12-23", NOW / DAY + 30, 7};
    item = usage_item(u, "later");
    *item = (struct usage_item){item->id, "2026-12-24", NOW / DAY + 31, 7};
    usage_tell(u, true, NOW, "who", out);
    usage_tell(NULL, true, NOW, "who", out);
    fclose(out);
    static const char expected[] =
        "who: waiver 'gone' expired after 2026-11-22: findings that have it: 2\n"
        "who: waiver 'idle' expired after 2026-11-22, and no finding has it\n"
        "who: waiver '?[2Jsoon' expires after 2026-12-23 (days left: 30)\n"
        "who: waiver 's00' is stale: no finding has it\n";
    assert_int_equal(strncmp(said, expected, sizeof expected - 1), 0);
    assert_non_null(
        strstr(said, "'s09' is stale: no finding has it\nwho: 6 more waivers are stale\n"));
    assert_null(strstr(said, "later"));
    free(said);
    usage_free(u);
}

static void test_usage_adds_up(void **state)
{
    struct usage *a = usage_new(), *b = usage_new();
    (void)state;
    usage_item(a, "x")->findings = 1;
    usage_item(a, "m")->findings = 2;
    usage_item(b, "x")->findings = 3;
    assert_true(usage_add(a, b));
    assert_int_equal(usage_item(a, "x")->findings, 4);
    assert_string_equal(a->items[0].id, "m");
    usage_item(b, "y")->findings = 1;
    assert_false(usage_add(a, b));
    assert_int_equal(a->count, 2);
    usage_free(a);
    usage_free(b);
}

/* --- the baseline ----------------------------------------------------------------------------- */

#define RUN "01a2097e-4580-7c3e-9b1f-2f6a51c0d9e4"
#define START "{\"schema\":\"1.3\",\"type\":\"run_start\",\"run_id\":\"" RUN "\"}\n"
#define OPEN(severity, digit)                                                                      \
    "{\"severity\":\"" severity                                                                    \
    "\",\"status\":\"open\",\"fingerprint\":\"f1-0000000000000000000000000000000" digit "\"}"
#define ENDPOINT(findings)                                                                         \
    "{\"schema\":\"1.3\",\"type\":\"endpoint\",\"findings\":[" findings "]}\n"

static struct baseline *baseline_of(const char *text, char **errors, char **notes)
{
    char path[] = "/tmp/test-baseline-XXXXXX";
    size_t sizes[2];
    int fd = mkstemp(path);
    FILE *e = open_memstream(errors, &sizes[0]), *n = open_memstream(notes, &sizes[1]);
    assert_true(fd >= 0 && e && n);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    struct baseline *b = baseline_load(path, e, n);
    unlink(path);
    fclose(e);
    fclose(n);
    return b;
}

static bool knows(const struct baseline *b, char digit, enum severity severity)
{
    char fingerprint[] = "f1-00000000000000000000000000000000";
    fingerprint[FINGERPRINT_SIZE - 2] = digit;
    return baseline_knows(b, fingerprint, severity);
}

static void test_baseline(void **state)
{
    char *errors, *notes;
    struct baseline *b =
        baseline_of(START ENDPOINT(OPEN("medium", "3") "," OPEN("low", "1"))
                        ENDPOINT(OPEN("high", "3") "," OPEN("info", "3")) ENDPOINT(
                            "{\"severity\":\"high\",\"status\":\"waived\",\"fingerprint\":\"f1-"
                            "00000000000000000000000000000002\"}"),
                    &errors, &notes);
    (void)state;
    assert_non_null(b);
    assert_string_equal(errors, "");
    assert_non_null(strstr(notes, "not a complete run: what it lacks counts as new\n"));
    assert_int_equal(baseline_count(b), 2);
    assert_string_equal(baseline_run_id(b), RUN);
    assert_true(knows(b, '3', SEVERITY_HIGH));
    assert_true(knows(b, '3', SEVERITY_INFO));
    assert_false(knows(b, '3', SEVERITY_CRITICAL)); /* it has become worse */
    assert_true(knows(b, '1', SEVERITY_LOW));
    assert_false(knows(b, '1', SEVERITY_MEDIUM));
    assert_false(knows(b, '2', SEVERITY_LOW)); /* it was waived */
    assert_false(knows(b, '4', SEVERITY_INFO));
    assert_false(baseline_knows(b, "f1-", SEVERITY_INFO));
    baseline_free(b);
    free(errors);
    free(notes);
}

/* The hash is of what is in it, and not of its order; two runs have no id. */
static void test_baseline_identity(void **state)
{
    static const char *const texts[] = {
        START ENDPOINT(OPEN("low", "1") "," OPEN("low", "2")),
        START ENDPOINT(OPEN("low", "2")) START ENDPOINT(OPEN("low", "1") "," OPEN("info", "1")),
        "{\"schema\":\"1.3\",\"type\":\"run_start\",\"run_id\":\"x\"}\n" ENDPOINT(
            OPEN("low", "1") "," OPEN("high", "2"))};
    char hash[BASELINE_HASH_SIZE] = "", *errors, *notes;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct baseline *b = baseline_of(texts[i], &errors, &notes);
        if (!b)
            fail_msg("%s", errors);
        assert_int_equal(baseline_run_id(b) != NULL, i == 0);
        if (i)
            assert_int_equal(strcmp(baseline_sha256(b), hash) == 0, i == 1);
        snprintf(hash, sizeof hash, "%s", baseline_sha256(b));
        baseline_free(b);
        free(errors);
        free(notes);
    }
}

static void test_bad_baselines(void **state)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        {"", ": there is no record in the baseline\n"},
        {"nonsense\n", ":1: "},
        {START "{}\n", ":2: "},
        {START ENDPOINT("{}"), ":2: "},
        {START ENDPOINT(OPEN("bad", "1")), ":2: /findings/severity: not one of ours\n"},
        {START ENDPOINT(OPEN("low", "x")), ":2: /findings/fingerprint: not one of ours\n"},
        {START ENDPOINT("[]"), ":2: "},
        {"{\"schema\":\"2.0\",\"type\":\"run_start\"}\n", ":1: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *errors, *notes;
        struct baseline *b = baseline_of(rows[i].text, &errors, &notes);
        if (b || !strstr(errors, rows[i].said))
            fail_msg("%s: %s", rows[i].text, errors);
        free(errors);
        free(notes);
    }
    assert_null(baseline_load("/nonexistent", fopen("/dev/null", "w"), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_glob),
        cmocka_unit_test(test_glob_is_as_defined),
        cmocka_unit_test(test_glob_of_many_stars),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_all_of_it_is_told),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_max_days),
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_match_ipv6),
        cmocka_unit_test(test_match_without_address),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_which_one),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_tally),
        cmocka_unit_test(test_tell),
        cmocka_unit_test(test_usage_adds_up),
        cmocka_unit_test(test_baseline),
        cmocka_unit_test(test_baseline_identity),
        cmocka_unit_test(test_bad_baselines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
