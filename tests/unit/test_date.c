/* SPDX-License-Identifier: MIT */
/* Days of the calendar, every one of them, held against the C library's. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/date.h"

#define FIRST_DAY (-719528) /* 0000-01-01 */
#define LAST_DAY 2932896    /* 9999-12-31 */

static void test_every_day(void **state)
{
    char text[DATE_SIZE];
    unsigned year = 0, month = 1, day = 1;
    (void)state;
    for (int64_t n = FIRST_DAY; n <= LAST_DAY; n++) {
        bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        unsigned days = month == 2                                              ? 28 + leap
                        : month == 4 || month == 6 || month == 9 || month == 11 ? 30
                                                                                : 31;
        char expected[40];
        snprintf(expected, sizeof expected, "%04u-%02u-%02u", year, month, day);
        assert_true(date_format(n, text));
        if (strcmp(text, expected) != 0)
            fail_msg("%s, and not %s", text, expected);
        int64_t again;
        if (!date_parse(text, &again) || again != n)
            fail_msg("%s is read as another day", text);
        if (++day > days) {
            day = 1;
            year += month == 12;
            month = month % 12 + 1;
        }
    }
    assert_int_equal(year, 10000);
}

static void test_as_the_library(void **state)
{
    char text[DATE_SIZE];
    (void)state;
    for (int64_t n = 0; n <= LAST_DAY; n += 97) {
        time_t seconds = (time_t)(n * DAY_SECONDS);
        struct tm utc;
        char expected[80];
        assert_non_null(gmtime_r(&seconds, &utc));
        assert_int_equal(strftime(expected, sizeof expected, "%Y-%m-%d", &utc), DATE_SIZE - 1);
        assert_true(date_format(n, text));
        assert_string_equal(text, expected);
    }
}

static void test_no_days(void **state)
{
    static const char *const texts[] = {"",           "2026-11-2",  "2026-11-233", "2026-11-31",
                                        "2026-02-29", "2026-00-01", "2026-13-01",  "2026-01-00",
                                        "2026-01-32", "1900-02-29", "2026/11/23",  "20261123",
                                        "2026-1-023", "+026-11-23", "2026-11-23 ", " 2026-11-23",
                                        "-026-11-23", "2026-11-2x", "2026-99-99",  "2100-02-29"};
    int64_t days;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (date_parse(texts[i], &days))
            fail_msg("'%s' is taken for a day", texts[i]);
}

static void test_outside(void **state)
{
    char text[DATE_SIZE] = "as before";
    (void)state;
    assert_false(date_format(FIRST_DAY - 1, text));
    assert_false(date_format(LAST_DAY + 1, text));
    assert_false(date_format(INT64_MIN, text));
    assert_false(date_format(INT64_MAX, text));
    assert_string_equal(text, "as before");
}

static void test_digits(void **state)
{
    char text[8] = "xxxxxxx";
    (void)state;
    assert_ptr_equal(digits_format(7, 3, text), text + 3);
    assert_memory_equal(text, "007x", 4);
    digits_format(4711, 4, text);
    assert_memory_equal(text, "4711x", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_day), cmocka_unit_test(test_as_the_library),
        cmocka_unit_test(test_no_days),   cmocka_unit_test(test_outside),
        cmocka_unit_test(test_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
