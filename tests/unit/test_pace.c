/* SPDX-License-Identifier: MIT */
/* Rates, timeouts and patience, under a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "scanner/pace.h"

/* --- rates ------------------------------------------------------------------------------------ */

/* Begins as many as it may from `now` for so long, looking at the clock every `step` ms. */
static unsigned begun_within(struct rate *r, uint64_t now, uint64_t ms, uint64_t step)
{
    unsigned begun = 0;
    for (uint64_t end = now + ms; now < end; now += step)
        for (; rate_wait(r, now) == 0; begun++)
            rate_take(r);
    return begun;
}

static void a_rate_is_kept(void **state)
{
    static const double rates[] = {0.5, 1, 3, 10, 33, 100, 1000, 12345};
    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++)
        for (uint64_t step = 1; step <= 50; step += 7) {
            struct rate r = rate_new(rates[i], 1000);
            double expected = 60 * rates[i], begun = begun_within(&r, 1000, 60000, step);
            assert_true(begun <= expected + rates[i] / 10 + 2);
            assert_true(begun >= expected * 0.99 - 1);
        }
}

/* In no second do more begin than the rate and what may be saved. */
static void a_pause_is_no_credit(void **state)
{
    struct rate r = rate_new(100, 0);
    (void)state;
    for (uint64_t now = 0; now < 100000; now += 7919) {
        unsigned begun = begun_within(&r, now, 1000, 1);
        assert_true(begun <= 111);
        assert_true(begun >= 99);
    }
}

static void the_wait_is_long_enough_and_no_longer(void **state)
{
    struct rate r = rate_new(4, 0);
    (void)state;
    assert_int_equal(rate_wait(&r, 0), 0);
    rate_take(&r);
    uint64_t wait = rate_wait(&r, 0);
    assert_in_range(wait, 250, 252);
    assert_int_not_equal(rate_wait(&r, 248), 0);
    assert_int_equal(rate_wait(&r, wait), 0);
}

static void no_rate_is_no_limit(void **state)
{
    struct rate r = rate_new(0, 0);
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rate_wait(&r, 0), 0);
        rate_take(&r);
    }
}

/* --- round trips ------------------------------------------------------------------------------ */

static void the_ceiling_holds_until_something_is_known(void **state)
{
    struct round_trip r = {0};
    (void)state;
    assert_int_equal(round_trip_timeout(&r, 5000), 5000);
    for (int i = 0; i < 7; i++)
        round_trip_add(&r, 1);
    assert_int_equal(round_trip_timeout(&r, 5000), 5000);
    round_trip_add(&r, 1);
    assert_int_equal(round_trip_timeout(&r, 5000), ROUND_TRIP_MIN);
}

/* Whatever the samples: never under 1.5 s, never over the ceiling, and a sample like the others has
   time to come after a lost SYN. */
static void a_lost_syn_has_time(void **state)
{
    (void)state;
    for (uint64_t trip = 0; trip < 8000; trip += 37) {
        struct round_trip r = {0};
        for (uint64_t i = 0; i < 200; i++)
            round_trip_add(&r, trip + i % 10);
        unsigned timeout = round_trip_timeout(&r, 5000);
        assert_in_range(timeout, ROUND_TRIP_MIN, 5000);
        assert_true(timeout == 5000 || timeout >= trip + 1000);
    }
}

static void far_hosts_among_near_ones_have_time(void **state)
{
    struct round_trip r = {0};
    (void)state;
    for (int i = 0; i < 1000; i++)
        round_trip_add(&r, i % 10 ? 2 : 300);
    assert_true(round_trip_timeout(&r, 5000) > 1300);
}

static void a_short_ceiling_is_kept(void **state)
{
    struct round_trip r = {0};
    (void)state;
    for (int i = 0; i < 100; i++)
        round_trip_add(&r, 1);
    assert_int_equal(round_trip_timeout(&r, 300), 300);
}

/* --- patience --------------------------------------------------------------------------------- */

static void each_time_it_waits_longer(void **state)
{
    struct patience p = patience_new(300000);
    (void)state;
    assert_true(patience_setback(&p, 1, 100));
    assert_int_equal(p.not_before, 5100);
    assert_true(patience_setback(&p, 5100, 5200));
    assert_int_equal(p.not_before, 25200);
    assert_true(patience_setback(&p, 25200, 25300));
    assert_int_equal(p.not_before, 85300);
    assert_false(patience_setback(&p, 85300, 85400)); /* three times is enough */
    assert_true(p.at_an_end);
    assert_int_equal(p.left, 300000 - 85000);
}

/* Three dialogues at once that are turned away are one setback. */
static void what_was_on_its_way_counts_once(void **state)
{
    struct patience p = patience_new(300000);
    (void)state;
    assert_true(patience_setback(&p, 10, 100));
    assert_true(patience_setback(&p, 10, 110));
    assert_true(patience_setback(&p, 99, 300));
    assert_int_equal(p.not_before, 5100);
    assert_int_equal(p.setbacks, 1);
}

static void after_a_setback_connections_are_spaced(void **state)
{
    struct patience p = patience_new(60000);
    (void)state;
    patience_begin(&p, 50);
    assert_int_equal(p.not_before, 0);
    assert_true(patience_setback(&p, 50, 100));
    patience_begin(&p, 5100);
    assert_int_equal(p.not_before, 10100);
    patience_success(&p);
    assert_int_equal(p.setbacks, 0);
    patience_begin(&p, 10100);
    assert_int_equal(p.not_before, 15100);
    assert_int_equal(p.left, 45000);
}

static void what_is_spent_is_spent(void **state)
{
    struct patience p = patience_new(12000);
    (void)state;
    assert_true(patience_setback(&p, 1, 100));
    patience_begin(&p, 5100);
    patience_success(&p);
    assert_false(patience_setback(&p, 5100, 5200)); /* 20 s are more than are left */
    assert_true(p.at_an_end);
    assert_int_equal(p.space, 0);
    patience_begin(&p, 5300);
    assert_false(patience_setback(&p, 5300, 5400));
}

static void no_patience_is_none(void **state)
{
    struct patience p = patience_new(0);
    (void)state;
    assert_false(patience_setback(&p, 1, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_kept),
        cmocka_unit_test(a_pause_is_no_credit),
        cmocka_unit_test(the_wait_is_long_enough_and_no_longer),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(the_ceiling_holds_until_something_is_known),
        cmocka_unit_test(a_lost_syn_has_time),
        cmocka_unit_test(far_hosts_among_near_ones_have_time),
        cmocka_unit_test(a_short_ceiling_is_kept),
        cmocka_unit_test(each_time_it_waits_longer),
        cmocka_unit_test(what_was_on_its_way_counts_once),
        cmocka_unit_test(after_a_setback_connections_are_spaced),
        cmocka_unit_test(what_is_spent_is_spent),
        cmocka_unit_test(no_patience_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
