/* SPDX-License-Identifier: MIT */
/* What is said of an endpoint as members of its record: bounded and clean, whatever was found. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/verdict.h"

static const struct rule rule = {.id = "A-RULE",
                                 .severity = SEVERITY_HIGH,
                                 .title = "A title",
                                 .description = "A description",
                                 .remediation = "What to do",
                                 .references = {{"RFC 1 section 1", SOURCE_PRIMARY},
                                                {"RFC 2 section 2", SOURCE_SECOND_HAND},
                                                {"RFC 3 section 3", SOURCE_MEMORY}}};
static const struct policies no_policies;

/* The members for one finding with this evidence. */
static cJSON *members_of(const struct evidence *e)
{
    struct finding finding = {.rule = &rule, .evidence = *e, .fingerprint = "f1-"};
    struct judgement judgement = {.findings = &finding, .count = 1, .worst = e->severity};
    struct opinion opinion = {&judgement, NULL};
    struct page page = {0};
    struct builder b;
    builder_begin(&b, &page);
    put_verdicts(&b, &no_policies, &opinion);
    assert_true(builder_end(&b));
    cJSON *members = cJSON_ParseWithLength(page.bytes, page.len);
    assert_non_null(members);
    page_free(&page);
    return members;
}

static void assert_line(const struct page *page, const char *expected)
{
    assert_int_equal(page->len, strlen(expected) + 1);
    assert_memory_equal(page->bytes, expected, strlen(expected));
    assert_int_equal(page->bytes[page->len - 1], '\n');
}

static const cJSON *at(const cJSON *object, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
    assert_non_null(item);
    return item;
}

static const cJSON *finding_of(const cJSON *members)
{
    assert_int_equal(cJSON_GetArraySize(at(members, "findings")), 1);
    return at(members, "findings")->child;
}

static struct evidence evidence(void)
{
    return (struct evidence){.severity = SEVERITY_LOW, .confidence = CONFIDENCE_PROBABLE};
}

static void test_a_finding(void **state)
{
    (void)state;
    static const char expected[] =
        "{\"rule\":\"A-RULE\",\"severity\":\"low\",\"confidence\":\"probable\",\"title\":\"A "
        "title\","
        "\"description\":\"A description\",\"evidence\":{\"text\":\"some\",\"made\":\"7 of 9\","
        "\"number\":-3,\"truth\":true,\"list\":[\"a\",\"b\"]},\"remediation\":\"What to do\","
        "\"references\":[\"RFC 1 section 1\",\"RFC 2 section 2 (unverified)\","
        "\"RFC 3 section 3 (unverified)\"],\"fingerprint\":\"f1-\",\"status\":\"open\","
        "\"waiver\":null}";
    char *items[] = {(char[]){"a"}, (char[]){"b"}};
    struct list list = {.items = items, .count = 2};
    struct evidence e = evidence();
    evidence_text(&e, "text", "some");
    evidence_format(&e, "made", "%d of %d", 7, 9);
    evidence_number(&e, "number", -3);
    evidence_truth(&e, "truth", true);
    evidence_list(&e, "list", &list);

    cJSON *members = members_of(&e);
    char *text = cJSON_PrintUnformatted(finding_of(members));
    assert_string_equal(text, expected);
    assert_string_equal(at(members, "severity_max")->valuestring, "low");
    cJSON_free(text);
    cJSON_Delete(members);
}

static void test_long_evidence_is_cut(void **state)
{
    (void)state;
    char text[4000], *items[100];
    memset(text, 'x', sizeof text);
    memcpy(text + 510, "\xc3\xa9\xc3\xa9", 4); /* the end falls into the first of them */
    text[sizeof text - 1] = 0;
    for (size_t i = 0; i < 100; i++)
        items[i] = text;
    struct list list = {.items = items, .count = 100};
    struct evidence e = evidence();
    evidence_text(&e, "text", text + 1);
    evidence_list(&e, "list", &list);

    cJSON *members = members_of(&e);
    const cJSON *seen = at(finding_of(members), "evidence");
    assert_int_equal(strlen(at(seen, "text")->valuestring), 511);
    assert_int_equal(cJSON_GetArraySize(at(seen, "list")), 33);
    assert_int_equal(strlen(at(seen, "list")->child->valuestring), 512);
    assert_string_equal(cJSON_GetArrayItem(at(seen, "list"), 32)->valuestring, "and 68 more");
    cJSON_Delete(members);
}

/* A text that was made may have been cut within a character. */
static void test_evidence_is_clean(void **state)
{
    (void)state;
    struct evidence e = evidence();
    char name[300];
    memset(name, 'x', sizeof name);
    memcpy(name + sizeof e.scratch - 2, "\xc3\xa9", 3);
    evidence_format(&e, "made", "%s", name);

    cJSON *members = members_of(&e);
    const char *seen = at(at(finding_of(members), "evidence"), "made")->valuestring;
    assert_int_equal(strlen(seen), sizeof e.scratch - 2 + strlen("\xef\xbf\xbd"));
    assert_string_equal(seen + sizeof e.scratch - 2, "\xef\xbf\xbd");
    cJSON_Delete(members);
}

static void test_nothing_said(void **state)
{
    (void)state;
    struct page page = {0};
    struct builder b;
    builder_begin(&b, &page);
    put_verdicts(&b, &no_policies, NULL);
    assert_true(builder_end(&b));
    assert_line(&page, "{\"checks\":{\"pass\":[],\"fail\":[],\"not_applicable\":[],"
                       "\"not_tested\":[],\"inconclusive\":[],\"reasons\":[]},"
                       "\"policies\":[],\"findings\":[],\"severity_max\":null}");
    page_free(&page);
}

static void test_tally(void **state)
{
    (void)state;
    struct tally tally = {.findings = {[SEVERITY_INFO] = 2, [SEVERITY_MEDIUM] = 3}};
    struct page page = {0};
    struct builder b;
    builder_begin(&b, &page);
    put_tally(&b, &tally);
    assert_true(builder_end(&b));
    assert_line(&page, "{\"findings\":[{\"severity\":\"medium\",\"count\":3},"
                       "{\"severity\":\"info\",\"count\":2}],\"waived\":0}");
    page_free(&page);
    for (int s = 0; s <= SEVERITY_NONE; s++)
        assert_int_equal(tally_reaches(&tally, (enum severity)s), s <= SEVERITY_MEDIUM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_finding),
        cmocka_unit_test(test_long_evidence_is_cut),
        cmocka_unit_test(test_evidence_is_clean),
        cmocka_unit_test(test_nothing_said),
        cmocka_unit_test(test_tally),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
