/* SPDX-License-Identifier: MIT */
/* Observations as records, held against the golden records that were written before the code. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/reader.h"
#include "output/record.h"
#include "scanner/targets.h"

static const struct run run = {.id = "01a2097e-4580-7c3e-9b1f-2f6a51c0d9e4",
                               .started = 1795455841004};

/* --- comparing -------------------------------------------------------------------------------- */

static char *read_golden(const char *name)
{
    char path[256];
    char *text = calloc(1, 65536);
    snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/%s.json", name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, f) > 0);
    fclose(f);
    cJSON *json = cJSON_Parse(text);
    free(text);
    assert_non_null(json);
    char *line = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return line;
}

/* What is written goes here. */
static struct page page;

/* The line that was written, without its end; it is taken off the page. */
static char *take_line(bool written)
{
    assert_true(written);
    assert_int_equal(page.bytes[page.len - 1], '\n');
    char *line = strndup(page.bytes, page.len - 1);
    page_free(&page);
    assert_non_null(line);
    return line;
}

/* The same members in the same order with the same values. */
static void assert_golden(bool written, const char *name)
{
    char *golden = read_golden(name), *line = take_line(written);
    assert_string_equal(line, golden);
    cJSON_free(golden);
    free(line);
}

/* --- observations ------------------------------------------------------------------------------ */

static const struct target_label owner = {"owner", "mail-team"};

struct scene {
    struct target_host target;
    struct host_view host;
    struct observation o;
};

static const struct service *service_on(uint16_t port)
{
    for (size_t i = 0; i < services_table_count; i++)
        if (services_table[i].port == port)
            return &services_table[i];
    return NULL;
}

static void scene_init(struct scene *s, uint16_t port, int64_t duration, unsigned connections)
{
    const struct service *service = service_on(port);
    assert_non_null(service);
    memset(s, 0, sizeof *s);
    s->target =
        (struct target_host){.name = "mail.example.test", .file = "targets.txt", .line = 12};
    s->host = (struct host_view){.target = &s->target, .address = {AF_INET, {192, 0, 2, 25}}};
    observation_init(&s->o, service);
    s->o.started = 1795455842279;
    s->o.duration = duration;
    s->o.connections = connections;
    s->o.source = (struct address){AF_INET, {192, 0, 2, 3}};
}

static void know(struct observation *o, enum fact first, enum fact last)
{
    for (int f = (int)first; f <= (int)last; f++)
        observation_learn(o, (enum fact)f);
}

static void set_text(struct text *t, const char *text)
{
    assert_true(text_set(t, span_of(text), TEXT_BANNER_MAX));
}

static void add_all(struct list *list, const char *words)
{
    struct span rest = span_of(words), word;
    while ((word = span_word(&rest)).len)
        assert_true(list_add(list, word));
}

static void set_modern_versions(struct observation *o)
{
    struct version_fact *v = o->tls.versions;
    v[VERSION_SSL2] = (struct version_fact){
        .status = VERSION_REJECTED, .proof = PROOF_CLOSE, .alert = -1, .suite = 0};
    v[VERSION_SSL3] = (struct version_fact){
        .status = VERSION_REJECTED, .proof = PROOF_INFERRED, .alert = -1, .suite = 0};
    v[VERSION_TLS10] = v[VERSION_SSL3];
    v[VERSION_TLS11] = (struct version_fact){
        .status = VERSION_REJECTED, .proof = PROOF_ALERT, .alert = 70, .suite = 0};
    v[VERSION_TLS12] = (struct version_fact){
        .status = VERSION_ACCEPTED, .proof = PROOF_NONE, .alert = -1, .suite = 0xc030};
    v[VERSION_TLS13] = (struct version_fact){
        .status = VERSION_ACCEPTED, .proof = PROOF_NONE, .alert = -1, .suite = 0x1302};
}

static void set_certificates(struct observation *o)
{
    struct certificate *c = calloc(2, sizeof *c);
    assert_non_null(c);
    o->tls.chain = (struct chain){c, 2, false};
    memset(c[0].sha256, 0x1f, 32);
    memcpy(c[0].sha256, "\x9f\x91\x16", 3);
    memset(c[0].spki_sha256, 0xe5, 32);
    memcpy(c[0].spki_sha256, "\x3a\x07", 2);
    strcpy(c[0].serial, "04a1f3c2");
    set_text(&c[0].subject, "CN=mail.example.test");
    set_text(&c[0].issuer, "CN=Example Test CA R1,O=Example,C=NL");
    add_all(&c[0].names, "mail.example.test imap.example.test");
    add_all(&c[0].key_usage, "digitalSignature");
    add_all(&c[0].purposes, "serverAuth");
    c[0].not_before = 1788566400;
    c[0].not_after = 1796342400;
    strcpy(c[0].key_algorithm, "rsa");
    c[0].key_bits = 2048;
    strcpy(c[0].signature_algorithm, "RSA-SHA256");
    c[0].version = 3;
    c[0].issuer_url = c[0].timestamped = true;
    memset(c[1].sha256, 0x7c, 32);
    memcpy(c[1].sha256, "\xb4\x1d", 2);
    set_text(&c[1].subject, "CN=Example Test CA R1,O=Example,C=NL");
    set_text(&c[1].issuer, "CN=Example Test CA R1,O=Example,C=NL");
    c[1].self_signed = true;
    c[1].version = 3;
    strcpy(c[1].key_algorithm, "rsa");
    c[1].key_bits = 4096;
    strcpy(c[1].signature_algorithm, "RSA-SHA256");
    o->tls.verification.trusted = true;
    o->tls.verification.name_match = TRI_YES;
}

static void set_tls(struct observation *o)
{
    know(o, FACT_TLS, FACT_VERIFY);
    o->tls.asked = o->tls.established = true;
    o->tls.version = VERSION_TLS13;
    o->tls.suite = 0x1302;
    strcpy(o->tls.group, "X25519");
    o->tls.master_secret = o->tls.renegotiation = o->tls.sentinel = TRI_YES;
    o->tls.compression = o->tls.starttls_inside = TRI_NO;
    set_modern_versions(o);
    set_certificates(o);
}

/* What an IMAP server says before TLS. */
static void set_greeted(struct observation *o)
{
    know(o, FACT_OBSERVED_MODE, FACT_ADVERTISED);
    know(o, FACT_PREAUTH, FACT_MECHANISMS_BEFORE);
    set_text(&o->banner, "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready.");
    o->advertised = TRI_YES;
    o->login_disabled[0] = TRI_YES;
    add_all(&o->capabilities[0], "IMAP4REV1 STARTTLS LOGINDISABLED");
}

static void set_upgraded(struct observation *o)
{
    know(o, FACT_ACCEPTED, FACT_TRAILING);
    o->accepted = TRI_YES;
    o->upgrade_command = "STARTTLS";
    set_text(&o->upgrade_reply, "a2 OK Begin TLS negotiation now.");
    o->handshake = HANDSHAKE_OK;
}

static void set_inside(struct observation *o)
{
    know(o, FACT_LOGIN_AFTER, FACT_MECHANISMS_AFTER);
    o->login_disabled[1] = TRI_NO;
    add_all(&o->capabilities[1], "IMAP4REV1 AUTH=PLAIN");
    add_all(&o->mechanisms[1], "PLAIN");
}

static void set_trouble(struct observation *o, enum status status, enum phase phase,
                        enum cause cause)
{
    o->status = status;
    o->error = (struct outcome){phase, cause, 0};
    observation_excuse(o, FACT_OBSERVED_MODE, FACT_VERIFY, cause);
}

/* Read again, the record knows what was known, and why the rest was not. */
static void assert_reasons(const struct observation *o, const char *line)
{
    char problem[READING_PROBLEM_SIZE] = "";
    struct reading *r = reading_new();
    cJSON *record = cJSON_Parse(line);
    if (!reading_add(r, record, problem, sizeof problem))
        fail_msg("%s", problem);
    const struct observation *again = reading_view(r)->endpoints;
    for (int f = 0; f < FACT_COUNT; f++)
        if (o->why[f] != again->why[f])
            fail_msg("%s: %s, and not %s", fact_path((enum fact)f), cause_name(again->why[f]),
                     cause_name(o->why[f]));
    assert_int_equal(o->handshake, again->handshake);
    assert_int_equal(o->login.reason, again->login.reason);
    assert_int_equal(o->injection.reason, again->injection.reason);
    cJSON_Delete(record);
    reading_free(r);
}

static void assert_scene(struct scene *s, const char *golden)
{
    observation_settle(&s->o);
    char *line = take_line(record_endpoint(&page, &run, &s->host, &s->o, NULL));
    assert_reasons(&s->o, line);
    free(line);
    assert_golden(record_endpoint(&page, &run, &s->host, &s->o, NULL), golden);
    observation_free(&s->o);
}

/* --- the cases --------------------------------------------------------------------------------- */

static void test_ok(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, 143, 842, 6);
    s.target.labels = &owner;
    s.target.label_count = 1;
    set_greeted(&s.o);
    set_upgraded(&s.o);
    set_inside(&s.o);
    set_tls(&s.o);
    assert_scene(&s, "imap-insecure-ok");
}

static void set_login(struct observation *o, enum login_verdict verdict, enum confidence confidence,
                      const char *probe, const char *reply)
{
    o->login.verdict = verdict;
    o->login.confidence = confidence;
    o->login.reason = CAUSE_NONE;
    strcpy(o->login.probe, probe);
    set_text(&o->login.reply, reply);
}

static void set_injection(struct observation *o, enum injection verdict, enum injection_sign sign)
{
    o->injection.verdict = verdict;
    o->injection.sign = sign;
    o->injection.reason = CAUSE_NONE;
}

/* All that an IMAP server can say, and nothing wrong with it. */
static void set_all(struct scene *s, unsigned connections)
{
    scene_init(s, 143, 842, connections);
    set_greeted(&s->o);
    set_upgraded(&s->o);
    set_inside(&s->o);
    set_tls(&s->o);
}

static void test_injection(void **state)
{
    struct scene s;
    (void)state;
    set_all(&s, 6);
    set_login(&s.o, LOGIN_REFUSED, CONFIDENCE_CONFIRMED, "AUTHENTICATE PLAIN",
              "a3 NO [PRIVACYREQUIRED] Plaintext authentication disallowed.");
    set_injection(&s.o, INJECTION_VULNERABLE, SIGN_ANSWERED_INSIDE);
    set_text(&s.o.injection.reply, "X4711 OK NOOP completed.");
    s.o.bare_lf = s.o.greeted_again = true;
    assert_scene(&s, "imap-insecure-injection-vulnerable");
}

static void hear(struct observation *o, unsigned connection, int64_t at, const char *text)
{
    bool client = *text != '*' && *text != '+' && *text != '!';
    assert_true(transcript_add(&o->transcript, connection, at, client || *text == '!',
                               connection == 8, span_of(text + (*text == '!'))));
}

static void test_transcript(void **state)
{
    struct scene s;
    (void)state;
    set_all(&s, 8);
    set_login(&s.o, LOGIN_ACCEPTED, CONFIDENCE_PROBABLE, "AUTHENTICATE PLAIN", "+");
    set_injection(&s.o, INJECTION_INCONCLUSIVE, SIGN_NONE);
    s.o.injection.reason = CAUSE_TIMEOUT;
    s.o.transcript.wanted = s.o.transcript.full = true;
    /* Full: nothing more is taken. */
    hear(&s.o, 1, 1, "* OK");
    assert_int_equal(s.o.transcript.count, 0);
    s.o.transcript.full = false;
    hear(&s.o, 1, 4, "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready.");
    hear(&s.o, 1, 5, "a1 CAPABILITY");
    hear(&s.o, 1, 9, "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED XXXXXXXXXXXXXXXXXXXX");
    hear(&s.o, 7, 702, "a3 AUTHENTICATE PLAIN");
    hear(&s.o, 7, 703, "+");
    hear(&s.o, 7, 703, "!*");
    hear(&s.o, 8, 810, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready.");
    s.o.transcript.full = true;
    assert_scene(&s, "imap-insecure-login-accepted-transcript");
}

static void test_exhaustive(void **state)
{
    struct scene s;
    struct observation *o = &s.o;
    (void)state;
    set_all(&s, 6);
    o->service = service_on(587);
    o->mode = MODE_EXPLICIT;
    set_text(&o->banner, "220 mail.example.test ESMTP");
    set_text(&o->upgrade_reply, "220 2.0.0 Ready to start TLS");
    for (int side = 0; side < 2; side++) {
        list_clear(&o->capabilities[side]);
        list_clear(&o->mechanisms[side]);
        add_all(&o->capabilities[side], "8BITMIME PIPELINING");
        assert_true(list_add(&o->capabilities[side], span_of("SIZE 10240000")));
    }
    add_all(&o->capabilities[0], "STARTTLS");
    assert_true(list_add(&o->capabilities[1], span_of("AUTH PLAIN LOGIN")));
    add_all(&o->mechanisms[1], "PLAIN LOGIN");
    know(o, FACT_REQUIRED, FACT_CONTINUES);
    know(o, FACT_ALPN, FACT_RENEGOTIATES);
    o->required = o->tls.alpn = TRI_YES;
    o->continues = o->tls.unknown_name = TRI_NO;
    set_login(o, LOGIN_REFUSED, CONFIDENCE_CONFIRMED, "AUTH PLAIN",
              "530 5.7.0 Must issue a STARTTLS command first.");
    set_injection(o, INJECTION_NOT_VULNERABLE, SIGN_FORGOTTEN);
    o->tls.versions[VERSION_TLS12].suite = 0xc028;
    o->tls.versions[VERSION_TLS12].encrypt_then_mac = TRI_YES;
    o->tls.verification.own_roots = true;
    o->tls.chain.certificates[0].ocsp = o->tls.chain.certificates[0].must_staple = true;
    o->tls.chain.certificates[0].timestamped = false;
    assert_scene(&s, "smtp-explicit-exhaustive");
}

static void test_data_channel(void **state)
{
    struct scene s;
    struct observation *o = &s.o;
    struct version_fact *v = o->tls.versions;
    (void)state;
    scene_init(&s, 991, 842, 6);
    know(o, FACT_OBSERVED_MODE, FACT_MECHANISMS_AFTER);
    set_upgraded(o);
    set_tls(o);
    know(o, FACT_ANONYMOUS, FACT_CCC);
    set_text(&o->banner, "220 FTP server ready.");
    o->upgrade_command = "AUTH SSL";
    set_text(&o->upgrade_reply, "334 Proceed with negotiation.");
    o->advertised = o->anonymous = o->ccc = TRI_YES;
    o->protection = o->tls.master_secret = TRI_NO;
    set_text(&o->protection_reply, "536 PROT P not supported.");
    assert_true(list_add(&o->capabilities[0], span_of("AUTH SSL")));
    add_all(&o->capabilities[0], "PASV");
    add_all(&o->capabilities[1], "PASV");
    set_login(o, LOGIN_ACCEPTED, CONFIDENCE_PROBABLE, "USER", "331 Password required.");
    set_injection(o, INJECTION_NOT_VULNERABLE, SIGN_REFUSED);
    set_text(&o->injection.reply, "421 Data behind AUTH.");
    o->tls.version = VERSION_TLS12;
    o->tls.suite = v[VERSION_TLS12].suite = 0x9f;
    *o->tls.group = 0;
    o->tls.dh_bits = 2048;
    o->tls.sentinel = TRI_UNKNOWN;
    v[VERSION_TLS13] = (struct version_fact){
        .status = VERSION_REJECTED, .proof = PROOF_CHOSE_LOWER, .alert = -1, .suite = 0};
    assert_scene(&s, "ftp-explicit-data-channel");
}

static void test_closed(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, 993, 1, 1);
    s.o.source.family = 0;
    set_trouble(&s.o, STATUS_CLOSED, PHASE_CONNECT, CAUSE_CLOSED);
    assert_scene(&s, "imap-implicit-closed");
}

static void test_refused(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, 25, 20, 1);
    know(&s.o, FACT_OBSERVED_MODE, FACT_BANNER);
    set_text(&s.o.banner, "421 4.7.0 Too many connections");
    set_trouble(&s.o, STATUS_REFUSED, PHASE_GREETING, CAUSE_REFUSED);
    s.o.error.detail = 421;
    assert_scene(&s, "smtp-insecure-refused-421");
}

static void test_mismatch(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, 143, 14, 1);
    know(&s.o, FACT_OBSERVED_MODE, FACT_BANNER);
    set_text(&s.o.banner, "SSH-2.0-OpenSSH_9.2p1");
    set_trouble(&s.o, STATUS_MISMATCH, PHASE_GREETING, CAUSE_MISMATCH);
    assert_scene(&s, "imap-insecure-protocol-mismatch");
}

static void test_upgrade_refused(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, 25, 31, 1);
    know(&s.o, FACT_OBSERVED_MODE, FACT_TLS);
    set_text(&s.o.banner, "220 mail.example.test ESMTP");
    s.o.advertised = s.o.accepted = TRI_NO;
    s.o.upgrade_command = "STARTTLS";
    set_text(&s.o.upgrade_reply, "502 5.5.1 Command not implemented");
    s.o.login_disabled[0] = TRI_YES;
    add_all(&s.o.capabilities[0], "PIPELINING 8BITMIME");
    s.o.tls.refused = true;
    s.o.injection.reason = CAUSE_REFUSED;
    assert_scene(&s, "smtp-insecure-upgrade-refused");
}

static void test_preauth(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, 143, 30, 1);
    know(&s.o, FACT_OBSERVED_MODE, FACT_TLS);
    set_text(&s.o.banner, "* PREAUTH [CAPABILITY IMAP4rev1] logged in.");
    s.o.preauth = true;
    s.o.advertised = s.o.accepted = TRI_NO;
    s.o.upgrade_command = "STARTTLS";
    set_text(&s.o.upgrade_reply, "a2 BAD Command not permitted when authenticated.");
    s.o.login_disabled[0] = TRI_NO;
    add_all(&s.o.capabilities[0], "IMAP4REV1");
    s.o.tls.refused = true;
    s.o.login.reason = CAUSE_PREAUTH;
    s.o.injection.reason = CAUSE_REFUSED;
    assert_scene(&s, "imap-insecure-preauth");
}

static void test_upgrade_not_reached(void **state)
{
    struct scene s;
    (void)state;
    scene_init(&s, 143, 10200, 1);
    set_greeted(&s.o);
    s.o.upgrade_command = "STARTTLS";
    observation_excuse(&s.o, FACT_ACCEPTED, FACT_VERIFY, CAUSE_TIMEOUT);
    s.o.injection.reason = CAUSE_TIMEOUT;
    assert_scene(&s, "imap-insecure-upgrade-not-reached");
}

/* Quick mode: what a hand-made hello shows, and nothing of a key exchange. */
static void test_quick(void **state)
{
    static const enum fact unasked[] = {FACT_ESTABLISHED,
                                        FACT_TLS_VERSION,
                                        FACT_CIPHER,
                                        FACT_GROUP,
                                        FACT_DH_BITS,
                                        FACT_STAPLE,
                                        FACT_CLIENT_CERTIFICATE,
                                        FACT_LARGE_HELLO,
                                        FACT_STARTTLS_INSIDE,
                                        FACT_VERIFY};
    struct scene s;
    (void)state;
    scene_init(&s, 143, 842, 4);
    set_greeted(&s.o);
    set_upgraded(&s.o);
    s.o.handshake = HANDSHAKE_NOT_TESTED;
    set_tls(&s.o);
    for (size_t i = 0; i < sizeof unasked / sizeof *unasked; i++)
        s.o.why[unasked[i]] = CAUSE_NOT_ASKED;
    assert_scene(&s, "imap-insecure-quick");
}

static const char hash[] = "d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0";

static void test_checkpoint(void **state)
{
    static const uint64_t pending[] = {97, 120, 127};
    struct run seeded = run, ordered = run;
    struct checkpoint c = {.time = 1795455872000,
                           .cursor = 128,
                           .pending = pending,
                           .pending_count = 3,
                           .totals = {.recorded = 1, .hosts = 125, .answered = 1}};
    (void)state;
    seeded.seed = UINT64_MAX;
    ordered.ordered = true;
    c.totals.statuses[STATUS_OK] = 1;
    c.totals.statuses[STATUS_TIMEOUT] = 1116;
    assert_golden(record_checkpoint(&page, &seeded, &c, hash), "checkpoint");
    c.pending_count = 0;
    c.totals = (struct totals){.recorded = 311, .hosts = 125, .answered = 31};
    c.totals.statuses[STATUS_OK] = 200;
    c.totals.statuses[STATUS_CLOSED] = 111;
    c.totals.statuses[STATUS_TIMEOUT] = 814;
    c.totals.tally.findings[SEVERITY_HIGH] = 3;
    assert_golden(record_checkpoint(&page, &ordered, &c, hash), "checkpoint-in-order");
}

static void test_run_end(void **state)
{
    struct run_end end = {.duration = 132907,
                          .totals = {.recorded = 9, .hosts = 258, .answered = 1}};
    (void)state;
    end.totals.statuses[STATUS_OK] = 5;
    end.totals.statuses[STATUS_CLOSED] = 4;
    end.totals.statuses[STATUS_TIMEOUT] = 2303;
    assert_golden(record_run_end(&page, &run, &end, hash), "run-end-complete");
    end = (struct run_end){.duration = 5120,
                           .stopped_by = "signal",
                           .totals = {.recorded = 9, .hosts = 1, .answered = 1},
                           .exit_code = 3};
    end.totals.statuses[STATUS_OK] = 5;
    end.totals.statuses[STATUS_CLOSED] = 4;
    assert_golden(record_run_end(&page, &run, &end, hash), "run-end-interrupted");
}

static void test_time(void **state)
{
    char text[RECORD_TIME_SIZE];
    (void)state;
    assert_string_equal(record_time(1795455842279, true, text), "2026-11-23T17:44:02.279Z");
    assert_string_equal(record_time(0, false, text), "1970-01-01T00:00:00Z");
    assert_string_equal(record_time(253402300799000, false, text), "9999-12-31T23:59:59Z");
    assert_null(record_time(253402300800000, false, text));
    assert_string_equal(record_time(-1000, false, text), "1969-12-31T23:59:59Z");
    assert_string_equal(record_time(-62167219200000, false, text), "0000-01-01T00:00:00Z");
    assert_null(record_time(-62167219201000, false, text));
}

static void test_key_of_ipv6(void **state)
{
    struct scene s;
    char key[128];
    (void)state;
    scene_init(&s, 993, 1, 1);
    s.target.name = NULL;
    s.host.address = (struct address){AF_INET6, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}};
    record_key(&s.host, &s.o, key, sizeof key);
    assert_string_equal(key, "imap://[2001:db8::7]:993");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ok),
        cmocka_unit_test(test_injection),
        cmocka_unit_test(test_transcript),
        cmocka_unit_test(test_exhaustive),
        cmocka_unit_test(test_data_channel),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_mismatch),
        cmocka_unit_test(test_upgrade_refused),
        cmocka_unit_test(test_preauth),
        cmocka_unit_test(test_upgrade_not_reached),
        cmocka_unit_test(test_quick),
        cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_run_end),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_key_of_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
