/* SPDX-License-Identifier: MIT */
/* Golden records back to observations, and from there to the same records; broken ones to none. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/reader.h"
#include "output/record.h"
#include "output/rules/judgement.h"
#include "scanner/targets.h"

#define GOLDEN SOURCE_DIR "/tests/golden/"

static const struct run run = {.id = "01a2097e-4580-7c3e-9b1f-2f6a51c0d9e4"};

static cJSON *parse_file(const char *directory, const char *name)
{
    char path[512];
    char *text = calloc(1, 65536);
    snprintf(path, sizeof path, "%s%s", directory, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_non_null(text);
    assert_true(fread(text, 1, 65535, f) > 0);
    fclose(f);
    cJSON *json = cJSON_Parse(text);
    free(text);
    return json;
}

static cJSON *golden(const char *name)
{
    cJSON *record = parse_file(GOLDEN, name);
    assert_non_null(record);
    return record;
}

static cJSON *at(cJSON *record, const char *parent, const char *name)
{
    cJSON *object = parent ? cJSON_GetObjectItemCaseSensitive(record, parent) : record;
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* The member gets another value, or goes. */
static void change(cJSON *record, const char *parent, const char *name, cJSON *value)
{
    cJSON *object = parent ? at(record, NULL, parent) : record;
    assert_non_null(object);
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (value)
        assert_true(cJSON_AddItemToObject(object, name, value));
}

/* What rules say of a record is not read. */
static void forget_judgement(cJSON *record)
{
    static const char *const members[] = {"checks", "policies", "findings", "severity_max"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(record, members[i]);
}

/* The record as it is written, without the end of its line. */
static char *write_record(const struct host_view *view, const struct observation *o)
{
    struct page page = {0};
    assert_true(record_endpoint(&page, &run, view, o, NULL));
    assert_int_equal(page.bytes[page.len - 1], '\n');
    page.bytes[page.len - 1] = 0;
    return page.bytes;
}

/* Whatever was read can be judged and written. */
static void use(const struct reading *r)
{
    const struct host_view *view = reading_view(r);
    struct judgement *judgements = calloc(view->count + 1, sizeof *judgements);
    assert_non_null(judgements);
    assert_true(judge_host(view, judgements));
    judgements_free(judgements, view->count);
    free(judgements);
    for (size_t i = 0; i < view->count; i++)
        free(write_record(view, &view->endpoints[i]));
}

static struct reading *reading_of(const cJSON *record)
{
    char problem[READING_PROBLEM_SIZE] = "";
    struct reading *r = reading_new();
    assert_non_null(r);
    assert_true(reading_takes(r, record));
    if (!reading_add(r, record, problem, sizeof problem))
        fail_msg("%s", problem);
    return r;
}

static const struct observation *only(const struct reading *r)
{
    assert_int_equal(reading_view(r)->count, 1);
    return &reading_view(r)->endpoints[0];
}

/* --- there and back --------------------------------------------------------------------------- */

static void assert_same(const char *name, cJSON *record, const char *line)
{
    cJSON *again = cJSON_Parse(line);
    assert_non_null(again);
    forget_judgement(record);
    forget_judgement(again);
    char *one = cJSON_PrintUnformatted(record), *other = cJSON_PrintUnformatted(again);
    size_t same = 0;
    while (one[same] && one[same] == other[same])
        same++;
    size_t from = same < 60 ? 0 : same - 60;
    if (one[same] != other[same])
        fail_msg("%s: %.160s, and not %.160s", name, other + from, one + from);
    cJSON_free(one);
    cJSON_free(other);
    cJSON_Delete(again);
}

typedef void (*each_fn)(const char *name, cJSON *record);

/* Each record of a directory that is JSON. */
static size_t for_each(const char *directory, each_fn each)
{
    struct dirent *entry;
    size_t count = 0;
    DIR *d = opendir(directory);
    assert_non_null(d);
    while ((entry = readdir(d))) {
        cJSON *record =
            strstr(entry->d_name, ".json") ? parse_file(directory, entry->d_name) : NULL;
        if (record) {
            each(entry->d_name, record);
            count++;
        }
        cJSON_Delete(record);
    }
    closedir(d);
    return count;
}

static bool is_endpoint(cJSON *record)
{
    const cJSON *type = at(record, NULL, "type");
    return cJSON_IsString(type) && strcmp(type->valuestring, "endpoint") == 0;
}

static void there_and_back(const char *name, cJSON *record)
{
    char problem[READING_PROBLEM_SIZE];
    struct reading *r = reading_new();
    assert_non_null(r);
    if (is_endpoint(record)) {
        if (!reading_add(r, record, problem, sizeof problem))
            fail_msg("%s: %s", name, problem);
        char *line = write_record(reading_view(r), only(r));
        assert_same(name, record, line);
        free(line);
        use(r);
    } else {
        assert_false(reading_add(r, record, problem, sizeof problem));
        assert_string_equal(problem, "/type: not the record of an endpoint");
    }
    reading_free(r);
}

static void test_goldens(void **state)
{
    (void)state;
    assert_true(for_each(GOLDEN, there_and_back) > 40);
}

/* --- what a record says, in facts -------------------------------------------------------------- */

static void test_facts(void **state)
{
    cJSON *record = golden("imap-insecure-injection-vulnerable.json");
    struct reading *r = reading_of(record);
    const struct observation *o = only(r);
    const struct host_view *view = reading_view(r);
    (void)state;
    assert_true(view->answered);
    assert_string_equal(view->target->name, "mail.example.test");
    assert_string_equal(view->target->file, "targets.txt");
    assert_int_equal(view->target->line, 12);
    assert_int_equal(view->target->service_count, 1);
    assert_ptr_equal(view->target->services[0], o->service);
    assert_int_equal(o->started, 1795455842279);
    assert_true(o->tls.asked && o->tls.established && !o->tls.refused);
    assert_int_equal(o->tls.suite, 0x1302);
    assert_int_equal(o->tls.versions[VERSION_TLS11].alert, 70);
    assert_int_equal(o->tls.chain.certificates[0].not_after, 1796342400);
    assert_true(o->tls.chain.certificates[1].version == 3 &&
                o->tls.chain.certificates[1].self_signed);
    assert_true(o->bare_lf && o->greeted_again);
    assert_int_equal(o->injection.sign, SIGN_ANSWERED_INSIDE);
    assert_int_equal(o->login.reason, CAUSE_NONE);
    for (int f = 0; f < FACT_OPTIONAL; f++)
        assert_true(observation_knows(o, (enum fact)f));
    for (int f = FACT_OPTIONAL; f < FACT_COUNT; f++)
        assert_int_equal(o->why[f], CAUSE_NOT_ASKED);
    reading_free(r);
    cJSON_Delete(record);
}

/* The reason of what is left out holds for all below it. */
static void test_reasons(void **state)
{
    cJSON *record = golden("imap-insecure-timeout-before-greeting.json");
    struct reading *r = reading_of(record);
    (void)state;
    for (int f = FACT_ADVERTISED; f < FACT_OPTIONAL; f++)
        assert_int_equal(only(r)->why[f], CAUSE_TIMEOUT);
    assert_true(reading_view(r)->answered);
    reading_free(r);
    cJSON_Delete(record);

    record = golden("imap-implicit-closed.json");
    r = reading_of(record);
    assert_true(observation_knows(only(r), FACT_ADVERTISED)); /* nothing is before TLS */
    assert_int_equal(only(r)->why[FACT_CAPABILITIES_AFTER], CAUSE_CLOSED);
    assert_int_equal(only(r)->why[FACT_VERIFY], CAUSE_CLOSED);
    assert_false(reading_view(r)->answered);
    reading_free(r);
    cJSON_Delete(record);

    record = golden("smtp-insecure-upgrade-refused.json");
    r = reading_of(record);
    assert_true(only(r)->tls.refused);
    assert_true(observation_knows(only(r), FACT_CAPABILITIES_AFTER));
    assert_int_equal(only(r)->why[FACT_ESTABLISHED], CAUSE_NOT_ASKED);
    reading_free(r);
    cJSON_Delete(record);
}

static void test_words_of_a_later_version(void **state)
{
    static const char *const words[] = {"sunspots", "none", ""};
    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        cJSON *record = golden("imap-insecure-upgrade-not-reached.json");
        cJSON *unknown = cJSON_GetArrayItem(at(record, NULL, "unknown"), 0);
        assert_string_equal(at(unknown, NULL, "path")->valuestring, "/starttls/accepted");
        change(unknown, NULL, "reason", cJSON_CreateString(words[i]));
        change(record, "starttls", "more", cJSON_CreateTrue());
        struct reading *r = reading_of(record);
        assert_int_equal(only(r)->why[FACT_ACCEPTED], CAUSE_ODD_REPLY);
        reading_free(r);
        cJSON_Delete(record);
    }
}

/* Version 1.0 had none of this. */
static void test_record_of_an_earlier_version(void **state)
{
    cJSON *record = golden("smtp-explicit-exhaustive.json"), *link;
    (void)state;
    change(record, NULL, "schema", cJSON_CreateString("1.0"));
    change(record, NULL, "anomalies", NULL);
    change(record, NULL, "data_channel", NULL);
    change(record, "endpoint", "source_ip", NULL);
    static const char *const upgrade[] = {"required", "continues_in_clear", "injection_sign",
                                          "injection_reason", "injection_reply"};
    for (size_t i = 0; i < sizeof upgrade / sizeof *upgrade; i++)
        change(record, "starttls", upgrade[i], NULL);
    change(at(record, "auth", "cleartext_login"), NULL, "reason", NULL);
    change(record, "auth", "anonymous", NULL);
    static const char *const tls[] = {"starttls_accepted_inside", "foreign_alpn_accepted",
                                      "unknown_name_accepted", "client_renegotiation"};
    for (size_t i = 0; i < sizeof tls / sizeof *tls; i++)
        change(record, "tls", tls[i], NULL);
    cJSON_ArrayForEach(link, at(record, "tls", "chain"))
    {
        change(link, NULL, "issuer_dn", NULL);
        change(link, NULL, "self_signed", NULL);
        change(link, NULL, "key_algorithm", NULL);
    }
    change(at(record, "tls", "verify"), NULL, "roots", NULL);
    struct reading *r = reading_of(record);
    const struct observation *o = only(r);
    assert_true(reading_view(r)->answered);
    assert_int_equal(o->why[FACT_STARTTLS_INSIDE], CAUSE_NOT_ASKED);
    for (int f = FACT_OPTIONAL; f < FACT_COUNT; f++)
        assert_int_equal(o->why[f], CAUSE_NOT_ASKED);
    assert_true(observation_knows(o, FACT_VERIFY));
    assert_string_equal(o->tls.chain.certificates[1].issuer.data, "");
    use(r);
    reading_free(r);
    cJSON_Delete(record);
}

static void test_service_that_is_not_in_the_table(void **state)
{
    cJSON *record = golden("imap-insecure-ok.json");
    (void)state;
    change(record, "endpoint", "port", cJSON_CreateNumber(1143));
    struct reading *r = reading_of(record);
    assert_int_equal(only(r)->service->port, 1143);
    assert_ptr_equal(only(r)->service->protocol, &protocol_imap);
    use(r);
    reading_free(r);
    cJSON_Delete(record);
}

static void test_suite_that_is_not_in_the_table(void **state)
{
    static const struct {
        const char *name;
        uint32_t code;
        enum cause why;
    } suites[] = {{"TLS_NULL_WITH_NULL_NULL_MADE_UP", 0, CAUSE_ODD_REPLY},
                  {"0xFEFE", 0xfefe, CAUSE_NONE},
                  {"0x", 0, CAUSE_ODD_REPLY},
                  {"0xZZ", 0, CAUSE_ODD_REPLY},
                  {"0x123456789", 0, CAUSE_ODD_REPLY}};
    (void)state;
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        cJSON *record = golden("imap-insecure-ok.json");
        change(record, "tls", "cipher", cJSON_CreateString(suites[i].name));
        struct reading *r = reading_of(record);
        assert_int_equal(only(r)->why[FACT_CIPHER], suites[i].why);
        if (suites[i].why == CAUSE_NONE)
            assert_int_equal(only(r)->tls.suite, suites[i].code);
        reading_free(r);
        cJSON_Delete(record);
    }
}

/* --- hosts ------------------------------------------------------------------------------------- */

static void test_endpoints_of_one_host(void **state)
{
    char problem[READING_PROBLEM_SIZE];
    cJSON *one = golden("imap-insecure-injection-vulnerable.json");
    cJSON *other = golden("imap-implicit-closed.json");
    struct reading *r = reading_of(other);
    (void)state;
    assert_false(reading_view(r)->answered);
    assert_true(reading_takes(r, one));
    assert_true(reading_add(r, one, problem, sizeof problem));
    assert_int_equal(reading_view(r)->count, 2);
    assert_int_equal(reading_view(r)->target->service_count, 2);
    assert_true(reading_view(r)->answered);
    assert_int_equal(reading_view(r)->endpoints[0].service->port, 993);
    assert_false(reading_takes(r, one)); /* it is there */
    use(r);
    reading_free(r);
    cJSON_Delete(one);
    cJSON_Delete(other);
}

static void assert_of_another_host(const char *parent, const char *name, cJSON *value)
{
    cJSON *one = golden("imap-insecure-injection-vulnerable.json");
    cJSON *other = golden("imap-implicit-closed.json");
    struct reading *r = reading_of(one);
    assert_true(reading_takes(r, other));
    if (strcmp(name, "line") == 0)
        change(at(other, "endpoint", "source"), NULL, name, value);
    else
        change(other, parent, name, value);
    assert_false(reading_takes(r, other));
    reading_free(r);
    cJSON_Delete(one);
    cJSON_Delete(other);
}

static void test_other_hosts(void **state)
{
    cJSON *labels = cJSON_CreateObject();
    (void)state;
    assert_non_null(cJSON_AddStringToObject(labels, "role", "mx"));
    assert_of_another_host("endpoint", "labels", labels);
    assert_of_another_host("endpoint", "host", cJSON_CreateString("www.example.test"));
    assert_of_another_host("endpoint", "ip", cJSON_CreateString("192.0.2.26"));
    assert_of_another_host("endpoint", "ip", cJSON_CreateNull());
    assert_of_another_host("endpoint", "ip", NULL);
    assert_of_another_host("endpoint", "line", cJSON_CreateNumber(13));
    assert_of_another_host(NULL, "run_id",
                           cJSON_CreateString("01a2097e-4580-7c3e-9b1f-000000000000"));
}

static void test_a_host_of_very_many_ports(void **state)
{
    char problem[READING_PROBLEM_SIZE];
    cJSON *record = golden("imap-implicit-closed.json");
    struct reading *r = reading_of(record);
    (void)state;
    for (size_t i = 1; i < READING_ENDPOINTS_MAX; i++) {
        change(record, "endpoint", "port", cJSON_CreateNumber((double)(1000 + i)));
        assert_true(reading_takes(r, record));
        assert_true(reading_add(r, record, problem, sizeof problem));
    }
    change(record, "endpoint", "port", cJSON_CreateNumber(60000));
    assert_false(reading_takes(r, record));
    reading_free(r);
    cJSON_Delete(record);
}

/* --- broken ones ------------------------------------------------------------------------------- */

static void assert_refused(const char *from, const char *parent, const char *name, cJSON *value,
                           const char *expected)
{
    char problem[READING_PROBLEM_SIZE] = "";
    cJSON *record = golden(from), *sound = golden("imap-insecure-ok.json");
    struct reading *r = reading_new();
    assert_non_null(r);
    change(record, parent, name, value);
    assert_false(reading_add(r, record, problem, sizeof problem));
    assert_string_equal(problem, expected);
    assert_int_equal(reading_view(r)->count, 0);
    /* The reading is as it was. */
    assert_true(reading_takes(r, sound));
    assert_true(reading_add(r, sound, problem, sizeof problem));
    assert_false(reading_add(r, record, problem, sizeof problem));
    use(r);
    reading_free(r);
    cJSON_Delete(record);
    cJSON_Delete(sound);
}

static cJSON *many_texts(int count)
{
    cJSON *array = cJSON_CreateArray();
    char text[32];
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "WORD%d", i);
        cJSON_AddItemToArray(array, cJSON_CreateString(text));
    }
    return array;
}

static cJSON *many_labels(int count)
{
    cJSON *object = cJSON_CreateObject();
    char key[32];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "key%d", i);
        cJSON_AddStringToObject(object, key, "value");
    }
    return object;
}

static void test_problems_name_the_member(void **state)
{
    static const char ok[] = "imap-insecure-ok.json";
    (void)state;
    assert_refused(ok, NULL, "type", NULL, "/type: not the record of an endpoint");
    assert_refused(ok, NULL, "schema", cJSON_CreateString("2.0"), "/schema: not of version 1");
    assert_refused(ok, NULL, "time", cJSON_CreateString("2026-11-23 17:44:02Z"),
                   "/time: not a time in UTC");
    assert_refused(ok, NULL, "time", cJSON_CreateString("1969-11-23T17:44:02.279Z"),
                   "/time: before 1970");
    assert_refused(ok, NULL, "time", NULL, "/time: missing");
    assert_refused(ok, NULL, "duration_ms", cJSON_CreateNumber(-1),
                   "/duration_ms: no count, or more than there can be");
    assert_refused(ok, NULL, "connections", cJSON_CreateNumber(1.5),
                   "/connections: no count, or more than there can be");
    assert_refused(ok, NULL, "status", cJSON_CreateString("fine"),
                   "/status: a word that is not known");
    assert_refused(ok, NULL, "status", cJSON_CreateString("closed"),
                   "/error: there if and only if the status is not ok");
    assert_refused(ok, NULL, "banner", cJSON_CreateNumber(7), "/banner: not a text");
    assert_refused(ok, "endpoint", "protocol", cJSON_CreateString("gopher"),
                   "/endpoint/protocol: not one of ours");
    assert_refused(ok, "endpoint", "port", cJSON_CreateNumber(65536),
                   "/endpoint/port: no count, or more than there can be");
    assert_refused(ok, "endpoint", "port", cJSON_CreateNumber(0), "/endpoint/port: not a port");
    assert_refused(ok, "endpoint", "host", NULL, "/endpoint/host: missing");
    assert_refused(ok, "endpoint", "host", cJSON_CreateString("www.example.test"),
                   "/endpoint/host: not the name of a host");
    assert_refused(ok, "endpoint", "sni", cJSON_CreateNull(), "/endpoint/host: not the address");
    assert_refused(ok, "endpoint", "ip", cJSON_CreateString("192.0.2.256"),
                   "/endpoint/ip: not an address");
    assert_refused(ok, "endpoint", "labels", many_labels(33),
                   "/endpoint/labels: more than there can be");
    assert_refused(ok, "starttls", "accepted", cJSON_CreateString("yes"),
                   "/starttls/accepted: neither true nor false");
    assert_refused(ok, "starttls", "injection_sign", cJSON_CreateString("a hunch"),
                   "/starttls/injection_sign: a word that is not known");
    assert_refused(ok, NULL, "starttls", cJSON_CreateNull(),
                   "/starttls: null if and only if all is inside TLS");
    assert_refused(ok, NULL, "auth", NULL, "/auth: there if and only if the upgrade is");
    assert_refused(ok, "auth", "preauth", NULL, "/auth/preauth: missing");
    assert_refused(ok, "auth", "cleartext_login", cJSON_Parse("{\"verdict\":1}"),
                   "/auth/cleartext_login: not a text");
    assert_refused(ok, "auth", "capabilities", cJSON_Parse("{\"before_tls\":[1]}"),
                   "/auth/capabilities/before_tls: not a text");
    cJSON *many = cJSON_CreateObject();
    assert_true(cJSON_AddItemToObject(many, "after_tls", many_texts(257)));
    assert_refused(ok, "auth", "capabilities", many,
                   "/auth/capabilities/after_tls: more than is kept");
    assert_refused(ok, NULL, "tls", cJSON_CreateNull(),
                   "/tls: null if and only if the upgrade was refused");
    assert_refused(ok, "tls", "version", cJSON_CreateString("1.4"),
                   "/tls/version: a version that is not known");
    assert_refused(ok, "tls", "chain", many_texts(CHAIN_MAX + 1),
                   "/tls/chain: not a list of certificates, or a long one");
    assert_refused(ok, "tls", "chain", many_texts(2),
                   "/tls/chain: does not begin with the certificate");
    assert_refused(ok, "tls", "certificate", cJSON_CreateNull(),
                   "/tls/certificate: there if and only if there is a chain");
    assert_refused(ok, "tls", "versions", cJSON_CreateArray(),
                   "/tls/versions: not the six versions in their order");
}

/* Those of golden/bad that lack sense in a way that rules could stumble over. */
static void test_bad_goldens(void **state)
{
    static const char *const refused[] = {"five-versions",
                                          "ok-with-error",
                                          "refused-without-error",
                                          "rejected-by-nothing",
                                          "starttls-on-implicit",
                                          "tls-null-after-accepted-upgrade",
                                          "tls-there-after-refused-upgrade",
                                          "unknown-type",
                                          "versions-out-of-order",
                                          "wrong-type"};
    char problem[READING_PROBLEM_SIZE], name[128];
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct reading *r = reading_new();
        snprintf(name, sizeof name, "%s.json", refused[i]);
        cJSON *record = parse_file(GOLDEN "bad/", name);
        assert_non_null(record);
        assert_false(reading_add(r, record, problem, sizeof problem));
        assert_int_equal(problem[0], '/');
        reading_free(r);
        cJSON_Delete(record);
    }
}

static void read_without_harm(const cJSON *record)
{
    char problem[READING_PROBLEM_SIZE] = "";
    struct reading *r = reading_new();
    assert_non_null(r);
    if (reading_add(r, record, problem, sizeof problem))
        use(r);
    else
        assert_int_equal(problem[0], '/');
    reading_free(r);
}

static void read_bad(const char *name, cJSON *record)
{
    (void)name;
    read_without_harm(record);
}

/* Every member in turn is of every other type. */
static void mutate(cJSON *root, cJSON *item)
{
    static const char *const values[] = {
        "null", "true",  "-1", "1e300", "4294967296", "\"\"", "\"\\u0007\\ud800\"",
        "[]",   "[[1]]", "{}", "[{}]"};
    for (cJSON *child = item->child; child; child = child->next) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
            cJSON *value = cJSON_Parse(values[i]);
            if (!value) /* half a surrogate pair is not JSON */
                continue;
            cJSON saved = *child;
            child->type = value->type;
            child->child = value->child;
            child->valuestring = value->valuestring;
            child->valueint = value->valueint;
            child->valuedouble = value->valuedouble;
            read_without_harm(root);
            *child = saved;
            cJSON_Delete(value);
        }
        mutate(root, child);
    }
}

static void mutate_golden(const char *name, cJSON *record)
{
    (void)name;
    if (is_endpoint(record)) {
        forget_judgement(record);
        mutate(record, record);
    }
}

static void test_mutations(void **state)
{
    (void)state;
    assert_true(for_each(GOLDEN "bad/", read_bad) > 40);
    assert_true(for_each(GOLDEN, mutate_golden) > 40);
}

/* --- strangers' texts -------------------------------------------------------------------------- */

static void test_texts_are_cleaned(void **state)
{
    cJSON *record = golden("imap-insecure-ok.json"), *labels = cJSON_CreateObject();
    (void)state;
    change(record, NULL, "banner", cJSON_CreateString("* OK \x1b[2J\xff"));
    cJSON_AddStringToObject(labels, "ro\x7fle", "m\x08x");
    change(record, "endpoint", "labels", labels);
    change(at(record, "endpoint", "source"), NULL, "file", cJSON_CreateString("\x1b]0;x"));
    struct reading *r = reading_of(record);
    assert_string_equal(only(r)->banner.data, "* OK \xef\xbf\xbd[2J\xef\xbf\xbd");
    assert_true(only(r)->banner.lossy);
    assert_string_equal(reading_view(r)->target->labels[0].key, "ro\xef\xbf\xbdle");
    assert_string_equal(reading_view(r)->target->labels[0].value, "m\xef\xbf\xbdx");
    assert_string_equal(reading_view(r)->target->file, "\xef\xbf\xbd]0;x");
    reading_free(r);
    cJSON_Delete(record);
}

static void test_long_transcript(void **state)
{
    cJSON *record = golden("imap-insecure-ok.json"), *lines = cJSON_CreateArray();
    (void)state;
    for (size_t i = 0; i < TRANSCRIPT_LINES_MAX + 100; i++)
        cJSON_AddItemToArray(lines, cJSON_Parse("{\"connection\":1,\"at_ms\":3,\"from\":\"client\","
                                                "\"inside_tls\":true,\"text\":\"NOOP\"}"));
    change(record, NULL, "transcript", lines);
    struct reading *r = reading_of(record);
    assert_int_equal(only(r)->transcript.count, TRANSCRIPT_LINES_MAX);
    assert_true(only(r)->transcript.full && only(r)->transcript.lines[9].client);
    reading_free(r);
    cJSON_Delete(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_words_of_a_later_version),
        cmocka_unit_test(test_record_of_an_earlier_version),
        cmocka_unit_test(test_service_that_is_not_in_the_table),
        cmocka_unit_test(test_suite_that_is_not_in_the_table),
        cmocka_unit_test(test_endpoints_of_one_host),
        cmocka_unit_test(test_other_hosts),
        cmocka_unit_test(test_a_host_of_very_many_ports),
        cmocka_unit_test(test_problems_name_the_member),
        cmocka_unit_test(test_bad_goldens),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_texts_are_cleaned),
        cmocka_unit_test(test_long_transcript),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
