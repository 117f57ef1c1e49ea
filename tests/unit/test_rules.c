/* SPDX-License-Identifier: MIT */
/*
 * The rules, held against tests/rules/NAME.json: a golden record, what is changed in it, and what a
 * rule then says. Every rule has a case in which it fires and one in which it does not.
 *
 *   base     a file of tests/golden, without .json
 *   set      JSON pointer: value, to be put there; it is known then
 *   unknown  JSON pointer: reason; the member is taken out and named in "unknown"
 *   remove   JSON pointers: the member is taken out, and that is all
 *   host     further endpoints of the host, each with base, set, unknown and remove
 */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <dirent.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/hex.h"
#include "output/reader.h"
#include "output/record.h"
#include "output/rules/judgement.h"
#include "output/rules/ruleset.h"
#include "scanner/targets.h"

/* Rules that nothing that is asked can decide; they never fire. */
static const char *const undecidable[] = {"STARTTLS-STATE-NOT-RESET", "CLEARTEXT-AUTH-ORACLE",
                                          "FTP-PROT-C-ACCEPTED", "TLS-FALLBACK-SCSV-MISSING",
                                          "EARLY-DATA-OFFERED"};

static cJSON *parse_file(const char *directory, const char *name, const char *suffix)
{
    char path[512];
    snprintf(path, sizeof path, SOURCE_DIR "/tests/%s/%s%s", directory, name, suffix);
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("cannot open %s", path);
    fseek(f, 0, SEEK_END);
    size_t size = (size_t)ftell(f);
    rewind(f);
    char *text = calloc(1, size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, size, f), size);
    fclose(f);
    cJSON *json = cJSON_Parse(text);
    if (!json)
        fail_msg("%s is not JSON", path);
    free(text);
    return json;
}

/* --- changing a record ------------------------------------------------------------------------ */

/* Where a pointer leads: the object or array, and the name or index in it. */
static cJSON *parent_of(cJSON *record, const char *pointer, const char **name)
{
    char word[128];
    cJSON *at = record;
    const char *rest = pointer + 1;
    for (const char *slash; (slash = strchr(rest, '/')); rest = slash + 1) {
        snprintf(word, sizeof word, "%.*s", (int)(slash - rest), rest);
        at = cJSON_IsArray(at) ? cJSON_GetArrayItem(at, atoi(word))
                               : cJSON_GetObjectItemCaseSensitive(at, word);
        if (!at)
            fail_msg("nothing at %s", pointer);
    }
    *name = rest;
    return at;
}

static void take_out(cJSON *record, const char *pointer)
{
    const char *name;
    cJSON *parent = parent_of(record, pointer, &name);
    if (cJSON_IsArray(parent))
        cJSON_DeleteItemFromArray(parent, atoi(name));
    else
        cJSON_DeleteItemFromObjectCaseSensitive(parent, name);
}

static void forget_unknown(cJSON *record, const char *pointer)
{
    cJSON *list = cJSON_GetObjectItem(record, "unknown");
    for (int i = cJSON_GetArraySize(list); i-- > 0;)
        if (strcmp(cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), "path")->valuestring,
                   pointer) == 0)
            cJSON_DeleteItemFromArray(list, i);
}

static void put(cJSON *record, const char *pointer, const cJSON *value)
{
    const char *name;
    cJSON *parent = parent_of(record, pointer, &name), *copy = cJSON_Duplicate(value, true);

    forget_unknown(record, pointer);
    if (cJSON_IsArray(parent) && atoi(name) < cJSON_GetArraySize(parent))
        cJSON_ReplaceItemInArray(parent, atoi(name), copy);
    else if (cJSON_IsArray(parent))
        cJSON_AddItemToArray(parent, copy);
    else if (cJSON_GetObjectItemCaseSensitive(parent, name))
        cJSON_ReplaceItemInObjectCaseSensitive(parent, name, copy);
    else
        cJSON_AddItemToObject(parent, name, copy);
}

static void make_unknown(cJSON *record, const char *pointer, const char *reason)
{
    cJSON *entry = cJSON_CreateObject();
    take_out(record, pointer);
    forget_unknown(record, pointer);
    cJSON_AddStringToObject(entry, "path", pointer);
    cJSON_AddStringToObject(entry, "reason", reason);
    cJSON_AddItemToArray(cJSON_GetObjectItem(record, "unknown"), entry);
}

/* The record that a case speaks of; the caller deletes it. */
static cJSON *make_record(const cJSON *description)
{
    const cJSON *item;
    cJSON *record =
        parse_file("golden", cJSON_GetObjectItem(description, "base")->valuestring, ".json");
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(description, "set"))
        put(record, item->string, item);
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(description, "unknown"))
        make_unknown(record, item->string, item->valuestring);
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(description, "remove"))
        take_out(record, item->valuestring);
    return record;
}

/* The records of a host have the same host in them. */
static void join_host(cJSON *record, const cJSON *first)
{
    static const char *const members[] = {"host", "ip", "sni", "labels", "source"};
    cJSON *to = cJSON_GetObjectItem(record, "endpoint");
    const cJSON *from = cJSON_GetObjectItem(first, "endpoint");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        cJSON_ReplaceItemInObject(to, members[i],
                                  cJSON_Duplicate(cJSON_GetObjectItem(from, members[i]), true));
}

static void add_record(struct reading *reading, const cJSON *description, const cJSON *first)
{
    char problem[READING_PROBLEM_SIZE] = "";
    cJSON *record = make_record(description);
    if (first)
        join_host(record, first);
    if (!reading_takes(reading, record))
        fail_msg("%s: another host, or twice the same endpoint",
                 cJSON_GetObjectItem(description, "base")->valuestring);
    if (!reading_add(reading, record, problem, sizeof problem))
        fail_msg("%s: %s", cJSON_GetObjectItem(description, "base")->valuestring, problem);
    cJSON_Delete(record);
}

/* --- one case --------------------------------------------------------------------------------- */

/* What became of each rule in all cases together. */
struct verdicts {
    unsigned fired[RULES_MAX], spared[RULES_MAX];
    unsigned wrong; /* each was told */
};

static const char *word_of(const cJSON *c, const char *member)
{
    return cJSON_GetObjectItem(c, member)->valuestring;
}

static void expect(const cJSON *c, const char *member, const char *is, struct verdicts *tally)
{
    const cJSON *want = cJSON_GetObjectItem(c, member);
    if (!want || (is && strcmp(is, want->valuestring) == 0))
        return;
    print_error("%s, %s: %s is %s and not %s\n", word_of(c, "rule"), word_of(c, "case"), member,
                is ? is : "(none)", want->valuestring);
    tally->wrong++;
}

static const struct finding *find_finding(const struct judgement *j, const struct rule *rule)
{
    for (size_t i = 0; i < j->count; i++)
        if (j->findings[i].rule == rule)
            return &j->findings[i];
    return NULL;
}

static const struct evidence_item *find_evidence(const struct finding *f, const char *name)
{
    for (size_t i = 0; f && i < f->evidence.count; i++)
        if (strcmp(f->evidence.items[i].name, name) == 0)
            return &f->evidence.items[i];
    return NULL;
}

static bool is_evidence(const cJSON *want, const struct evidence *e,
                        const struct evidence_item *item)
{
    if (cJSON_IsString(want))
        return item->kind <= EVIDENCE_MADE &&
               strcmp(evidence_words(e, item), want->valuestring) == 0;
    if (cJSON_IsNumber(want))
        return item->kind == EVIDENCE_NUMBER && item->number == want->valueint;
    return item->kind == EVIDENCE_TRUTH && (item->number != 0) == cJSON_IsTrue(want);
}

static void expect_evidence(const cJSON *c, const struct finding *f, struct verdicts *tally)
{
    const cJSON *want;
    cJSON_ArrayForEach(want, cJSON_GetObjectItem(c, "evidence"))
    {
        const struct evidence_item *item = find_evidence(f, want->string);
        if (item && is_evidence(want, &f->evidence, item))
            continue;
        print_error("%s, %s: other evidence for %s\n", word_of(c, "rule"), word_of(c, "case"),
                    want->string);
        tally->wrong++;
    }
}

/* The first endpoint is the one that is judged; the others are there to be compared with. */
static struct reading *read_case(const cJSON *c)
{
    const cJSON *other;
    cJSON *first = make_record(c);
    struct reading *reading = reading_new();
    assert_non_null(reading);
    add_record(reading, c, NULL);
    cJSON_ArrayForEach(other, cJSON_GetObjectItem(c, "host")) add_record(reading, other, first);
    cJSON_Delete(first);
    return reading;
}

static void run_case(const cJSON *c, struct verdicts *tally)
{
    struct judgement judgements[8] = {{.count = 0}};
    size_t at;
    const struct rule *rule = rules_find(word_of(c, "rule"), &at);
    if (!rule)
        fail_msg("there is no rule %s", word_of(c, "rule"));
    struct reading *reading = read_case(c);
    const struct host_view *host = reading_view(reading);

    assert_in_range(host->count, 1, 8);
    assert_true(judge_host(host, judgements));
    const struct check *check = &judgements[0].checks[at];
    const struct finding *finding = find_finding(&judgements[0], rule);
    expect(c, "verdict", verdict_name(check->verdict), tally);
    expect(c, "reason", check->reason, tally);
    expect(c, "severity", finding ? severity_name(finding->evidence.severity) : NULL, tally);
    expect(c, "confidence", finding ? confidence_name(finding->evidence.confidence) : NULL, tally);
    expect_evidence(c, finding, tally);
    tally->fired[at] += check->verdict == VERDICT_FAIL;
    tally->spared[at] += check->verdict != VERDICT_FAIL;
    judgements_free(judgements, host->count);
    reading_free(reading);
}

static bool is_undecidable(const char *id)
{
    for (size_t i = 0; i < sizeof undecidable / sizeof *undecidable; i++)
        if (strcmp(undecidable[i], id) == 0)
            return true;
    return false;
}

static void run_file(const char *name, struct verdicts *tally)
{
    const cJSON *c;
    cJSON *cases = parse_file("rules", name, "");
    cJSON_ArrayForEach(c, cases) run_case(c, tally);
    cJSON_Delete(cases);
}

/* Was every rule of the table seen both ways? */
static void check_tally(struct verdicts *tally)
{
    const struct rule *rule;
    for (size_t i = 0; (rule = rules_at(i)); i++) {
        bool fires = tally->fired[i] > 0;
        if (tally->spared[i] && fires != is_undecidable(rule->id))
            continue;
        print_error("%s: %u cases in which it fires, %u in which it does not\n", rule->id,
                    tally->fired[i], tally->spared[i]);
        tally->wrong++;
    }
}

static void rules_say_what_their_cases_say(void **state)
{
    struct verdicts tally = {{0}, {0}, 0};
    struct dirent *entry;
    DIR *directory = opendir(SOURCE_DIR "/tests/rules");
    (void)state;

    assert_non_null(directory);
    while ((entry = readdir(directory)))
        if (strstr(entry->d_name, ".json"))
            run_file(entry->d_name, &tally);
    closedir(directory);
    check_tally(&tally);
    assert_int_equal(tally.wrong, 0);
}

/* --- every golden record ---------------------------------------------------------------------- */

/* Whatever is in it, a verdict that is open has a reason, and a finding can be told from others. */
static void check_judgement(const struct judgement *j)
{
    for (size_t i = 0; i < rules_count(); i++) {
        bool open = j->checks[i].verdict == VERDICT_NOT_TESTED ||
                    j->checks[i].verdict == VERDICT_INCONCLUSIVE;
        assert_int_equal(open, j->checks[i].reason != NULL);
    }
    for (size_t i = 0; i < j->count; i++) {
        assert_true(j->findings[i].evidence.severity < SEVERITY_COUNT);
        assert_true(j->findings[i].evidence.confidence != CONFIDENCE_NONE);
        assert_true(i == 0 ||
                    j->findings[i].evidence.severity <= j->findings[i - 1].evidence.severity);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(j->findings[i].fingerprint, j->findings[k].fingerprint);
    }
}

static void judge_golden(const char *name)
{
    char problem[READING_PROBLEM_SIZE];
    struct judgement judgement = {.count = 0};
    struct reading *reading = reading_new();
    cJSON *record = parse_file("golden", name, "");

    if (reading_takes(reading, record) && reading_add(reading, record, problem, sizeof problem)) {
        assert_true(judge_host(reading_view(reading), &judgement));
        check_judgement(&judgement);
        judgements_free(&judgement, 1);
    }
    cJSON_Delete(record);
    reading_free(reading);
}

static void every_golden_record_can_be_judged(void **state)
{
    struct dirent *entry;
    DIR *directory = opendir(SOURCE_DIR "/tests/golden");
    (void)state;

    assert_non_null(directory);
    while ((entry = readdir(directory)))
        if (strstr(entry->d_name, ".json"))
            judge_golden(entry->d_name);
    closedir(directory);
}

/* --- the table -------------------------------------------------------------------------------- */

static void rules_are_complete_and_their_ids_unique(void **state)
{
    const struct rule *rule;
    (void)state;

    assert_true(rules_count() <= RULES_MAX);
    for (size_t i = 0; (rule = rules_at(i)); i++) {
        size_t at, references = 0;
        assert_ptr_equal(rules_find(rule->id, &at), rule);
        assert_int_equal(at, i);
        assert_true(rule->severity < SEVERITY_COUNT);
        assert_true(strlen(rule->title) > 10 && strlen(rule->title) < 100);
        assert_true(rule->title[strlen(rule->title) - 1] != '.');
        assert_true(strlen(rule->description) > 20 && strlen(rule->remediation) > 10);
        while (references < REFERENCES_MAX && rule->references[references].text)
            references++;
        assert_true(references > 0 && references < REFERENCES_MAX);
    }
    assert_null(rules_find("NO-SUCH-RULE", NULL));
    assert_null(rules_find("", NULL));
}

/* --- fingerprints ----------------------------------------------------------------------------- */

/* Whoever keeps a history relies on it: it may never change. */
static void fingerprints_stay_as_they_are(void **state)
{
    char a[FINGERPRINT_SIZE], b[FINGERPRINT_SIZE];
    (void)state;

    fingerprint("STARTTLS-INJECTION", "imap://mail.example.test:143", "", a);
    assert_string_equal(a, "f1-eb651c703950eb14ba45b742233e70f3");
    fingerprint("CERT-EXPIRED", "smtp://[2001:db8::25]:465", "leaf", a);
    assert_string_equal(a, "f1-04f0fee4e41a4fbddae36b62ec1d03fb");
    fingerprint("A", "imap://a:1", "b", a);
    fingerprint("A", "imap://a:1", "c", b);
    assert_string_not_equal(a, b);
}

/* The address is not in it, unless it is all that is known of the host. */
static void a_name_that_moves_keeps_its_fingerprints(void **state)
{
    struct target_host named = {.name = "mail.example.test"}, bare = {0};
    struct host_view a = {.target = &named, .address = {AF_INET, {192, 0, 2, 25}}};
    struct host_view b = {.target = &named, .address = {AF_INET, {192, 0, 2, 26}}};
    struct observation o;
    char here[RECORD_KEY_MAX], there[RECORD_KEY_MAX];
    (void)state;

    observation_init(&o, &services_table[0]);
    record_key(&a, &o, here, sizeof here);
    record_key(&b, &o, there, sizeof there);
    assert_string_equal(here, there);
    a.target = b.target = &bare;
    record_key(&a, &o, here, sizeof here);
    record_key(&b, &o, there, sizeof there);
    assert_string_not_equal(here, there);
}

/* --- roles ------------------------------------------------------------------------------------ */

static enum role role_of(const struct protocol *protocol, uint16_t port, enum mode mode,
                         const char *label)
{
    struct service service = {protocol, port, mode};
    struct target_label labels[] = {{"owner", "relay"}, {"role", label}};
    struct target_host target = {
        .name = "mail.example.test", .labels = labels, .label_count = label ? 2 : 1};
    struct host_view host = {.target = &target};
    struct observation o;
    observation_init(&o, &service);
    return subject_of(&host, &o).role;
}

static void roles_go_by_label_protocol_and_port(void **state)
{
    (void)state;
    assert_int_equal(role_of(&protocol_ftp, 21, MODE_INSECURE, NULL), ROLE_FILES);
    assert_int_equal(role_of(&protocol_ftp, 990, MODE_IMPLICIT, "mx"), ROLE_FILES);
    assert_int_equal(role_of(&protocol_imap, 143, MODE_INSECURE, NULL), ROLE_ACCESS);
    assert_int_equal(role_of(&protocol_pop3, 110, MODE_INSECURE, "relay"), ROLE_ACCESS);
    assert_int_equal(role_of(&protocol_smtp, 25, MODE_INSECURE, NULL), ROLE_MX);
    assert_int_equal(role_of(&protocol_smtp, 25, MODE_INSECURE, "mx"), ROLE_MX);
    assert_int_equal(role_of(&protocol_smtp, 25, MODE_INSECURE, "relay"), ROLE_RELAY);
    assert_int_equal(role_of(&protocol_smtp, 25, MODE_INSECURE, "submission"), ROLE_SUBMISSION);
    assert_int_equal(role_of(&protocol_smtp, 25, MODE_INSECURE, "printer"), ROLE_MX);
    assert_int_equal(role_of(&protocol_smtp, 465, MODE_IMPLICIT, NULL), ROLE_SUBMISSION);
    assert_int_equal(role_of(&protocol_smtp, 587, MODE_EXPLICIT, "mx"), ROLE_SUBMISSION);
    assert_int_equal(role_of(&protocol_smtp, 587, MODE_INSECURE, NULL), ROLE_SUBMISSION);
    assert_int_equal(role_of(&protocol_smtp, 2525, MODE_INSECURE, NULL), ROLE_SUBMISSION);
    assert_int_equal(role_of(&protocol_smtp, 2525, MODE_INSECURE, "mx"), ROLE_MX);
    assert_int_equal(role_of(&protocol_smtp, 10025, MODE_INSECURE, NULL), ROLE_MX);
}

/* --- evidence --------------------------------------------------------------------------------- */

static void evidence_is_bounded(void **state)
{
    struct evidence e = {0};
    (void)state;

    for (int i = 0; i < 40; i++)
        evidence_number(&e, "number", i);
    assert_int_equal(e.count, EVIDENCE_MAX);
    assert_int_equal(e.items[EVIDENCE_MAX - 1].number, EVIDENCE_MAX - 1);
}

static void made_texts_are_kept_and_cut(void **state)
{
    struct evidence e = {0}, copy;
    (void)state;

    evidence_format(&e, "short", "%d of %s", 3, "them");
    evidence_format(&e, "long", "%0*d", 400, 7);
    evidence_format(&e, "none", "%s", "there is no room for this one");
    copy = e; /* a finding is a copy */
    assert_int_equal(copy.count, 2);
    assert_string_equal(evidence_words(&copy, &copy.items[0]), "3 of them");
    assert_int_equal(strlen(evidence_words(&copy, &copy.items[1])),
                     sizeof e.scratch - sizeof "3 of them" - 1);
}

/* As another program would reckon it from what `rules` lists. */
static void a_ruleset_is_its_version_and_its_rules(void **state)
{
    char hash[RULESET_HASH_SIZE], again[RULESET_HASH_SIZE];
    unsigned char digest[32];
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    (void)state;

    assert_non_null(f);
    fprintf(f, "0.1.0%c", 0);
    for (size_t i = 0; i < rules_count(); i++)
        fprintf(f, "%s%c%s%c%s%c", rules_at(i)->id, 0, severity_name(rules_at(i)->severity), 0,
                rules_at(i)->title, 0);
    fclose(f);
    assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, text, size, digest), 0);
    hex_encode(digest, sizeof digest, again, sizeof again);
    assert_true(ruleset_hash("0.1.0", hash));
    assert_string_equal(hash, again);
    assert_true(ruleset_hash("0.1.1", hash));
    assert_string_not_equal(hash, again);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_complete_and_their_ids_unique),
        cmocka_unit_test(rules_say_what_their_cases_say),
        cmocka_unit_test(every_golden_record_can_be_judged),
        cmocka_unit_test(fingerprints_stay_as_they_are),
        cmocka_unit_test(a_name_that_moves_keeps_its_fingerprints),
        cmocka_unit_test(roles_go_by_label_protocol_and_port),
        cmocka_unit_test(evidence_is_bounded),
        cmocka_unit_test(made_texts_are_kept_and_cut),
        cmocka_unit_test(a_ruleset_is_its_version_and_its_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
