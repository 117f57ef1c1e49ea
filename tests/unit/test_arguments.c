/* SPDX-License-Identifier: MIT */
#include "scanner/options/arguments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void numbers(void **state)
{
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "1x", "0x10", "4", "11", "1e1", "18446744073709551616"};
    uint64_t value = 77;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(argument_number(bad[i], 5, 10, &value));
    assert_int_equal(value, 77);
    assert_true(argument_number("5", 5, 10, &value));
    assert_int_equal(value, 5);
    assert_true(argument_number("18446744073709551615", 0, UINT64_MAX, &value));
    assert_true(value == UINT64_MAX);
}

static void numbers_with_a_fraction(void **state)
{
    static const char *const bad[] = {"",   "-1",  "+1",  " 1",    "1 ",
                                      "1s", "nan", "inf", "1e300", "0.5"};
    double value = 77;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(argument_real(bad[i], 1, 1e6, &value));
    assert_true(value == 77);
    assert_true(argument_real("1.25", 1, 1e6, &value));
    assert_true(value == 1.25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(numbers_with_a_fraction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
