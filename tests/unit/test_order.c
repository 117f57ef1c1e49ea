/* SPDX-License-Identifier: MIT */
/* The permutation: every number once, the same for the same seed, and neighbours far apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scanner/order.h"

static void expect_all_once(uint64_t count, uint64_t seed, bool shuffled)
{
    unsigned char *seen = calloc(count ? count : 1, 1);
    struct order o = order_new(count, seed, shuffled);
    assert_non_null(seen);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t n = order_at(&o, i);
        assert_true(n < count);
        assert_int_equal(seen[n]++, 0);
    }
    free(seen);
}

static void every_number_comes_once(void **state)
{
    (void)state;
    for (uint64_t count = 0; count <= 1100; count++)
        for (uint64_t seed = 0; seed < 3; seed++)
            expect_all_once(count, seed * UINT64_C(0x123456789abcdef), true);
    expect_all_once(1 << 20, 42, true);
    expect_all_once((1 << 20) + 1, 42, true);
    expect_all_once((1 << 18) - 1, UINT64_MAX, true);
    expect_all_once(1000, 42, false);
}

static void very_many_stay_inside(void **state)
{
    static const uint64_t counts[] = {UINT64_C(1) << 48, (UINT64_C(1) << 48) - 5,
                                      (UINT64_C(1) << 47) + 1, UINT64_C(1) << 32};
    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct order o = order_new(counts[c], 7, true);
        for (uint64_t i = 0; i < 10000; i++) {
            assert_true(order_at(&o, i) < counts[c]);
            assert_true(order_at(&o, counts[c] - 1 - i) < counts[c]);
        }
    }
}

static void unshuffled_is_as_it_comes(void **state)
{
    struct order o = order_new(1000, 42, false);
    (void)state;
    for (uint64_t i = 0; i < 1000; i++)
        assert_true(order_at(&o, i) == i);
}

static void the_seed_decides(void **state)
{
    struct order a = order_new(1 << 16, 1, true), b = order_new(1 << 16, 1, true),
                 c = order_new(1 << 16, 2, true);
    unsigned same = 0;
    (void)state;
    for (uint64_t i = 0; i < 1 << 16; i++) {
        assert_true(order_at(&a, i) == order_at(&b, i));
        same += order_at(&a, i) == order_at(&c, i);
    }
    assert_true(same < 20); /* by chance 1; more than 20 never */
}

/* Of a /12 in networks of 256: a window of 500 places meets no network often. By chance it is
   500 / 4096 = 0.12 of a network; ten in one of them never. */
static void neighbours_are_spread(void **state)
{
    enum { WINDOW = 500, NETS = 4096 };
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct order o = order_new(NETS * 256, seed, true);
        for (uint64_t start = 0; start < 20 * WINDOW; start += WINDOW) {
            unsigned in_net[NETS] = {0};
            for (uint64_t i = 0; i < WINDOW; i++)
                assert_true(++in_net[order_at(&o, start + i) / 256] < 10);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_comes_once),   cmocka_unit_test(very_many_stay_inside),
        cmocka_unit_test(unshuffled_is_as_it_comes), cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(neighbours_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
