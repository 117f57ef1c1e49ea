/* SPDX-License-Identifier: MIT */
/* What formats have in common; and that no weakness is of a rule that there is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/export/words.h"
#include "output/rules/rule.h"

static void check_cut(const char *text, size_t max, size_t expected)
{
    struct span cut = words_cut(text, max);
    assert_ptr_equal(cut.at, text);
    assert_int_equal(cut.len, expected);
}

static void test_a_text_is_cut_between_characters(void **state)
{
    (void)state;
    check_cut("abc", 4, 3);
    check_cut("abc", 3, 3);
    check_cut("abc", 2, 2);
    check_cut("a\xc3\xa9", 3, 3);
    check_cut("a\xc3\xa9", 2, 1);
    check_cut("\xf0\x9f\x91\xa7", 3, 0);
    check_cut("", 0, 0);
}

static void check_time(const char *text, bool is_time)
{
    cJSON *record = cJSON_CreateObject();
    cJSON_AddStringToObject(record, "time", text);
    assert_string_equal(words_time(record, "time"), is_time ? text : "");
    cJSON_Delete(record);
}

static void test_times(void **state)
{
    (void)state;
    check_time("2026-11-23T17:44:02Z", true);
    check_time("2026-11-23T17:44:02.279Z", true);
    check_time("2026-11-23T17:44:02", false);
    check_time("2026-11-23T17:44:02.Z", false);
    check_time("2026-11-23T17:44:02.279Zx", false);
    check_time("2026-11-23 17:44:02Z", false);
    check_time("2026-11-23T17:44:02.0000000000000000000000000000000Z", false);
    check_time("2026", false);
    check_time("", false);
}

static void test_every_weakness_is_of_a_rule(void **state)
{
    const char *rule;
    size_t count = 0;
    (void)state;
    for (; (rule = words_cwe_rule(count)); count++) {
        if (!rules_find(rule, NULL))
            fail_msg("%s is no rule", rule);
        assert_int_not_equal(words_cwe(rule), 0);
    }
    assert_true(count > 40);
    assert_int_equal(words_cwe("CLEARTEXT-LOGIN-ALLOWED"), 319);
    assert_int_equal(words_cwe("NO-SUCH-RULE"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_text_is_cut_between_characters),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_every_weakness_is_of_a_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
