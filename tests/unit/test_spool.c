/* SPDX-License-Identifier: MIT */
/* Of several pieces of one name the best goes out, and all else in the order of the names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "output/export/spool.h"

static void check_piece(struct spool *s, size_t number, const char *expected)
{
    char *buffer = NULL;
    size_t size = 0;
    struct span piece;
    assert_true(spool_read(s, number, &buffer, &size, &piece));
    assert_int_equal(piece.len, strlen(expected));
    assert_memory_equal(piece.at, expected, piece.len);
    free(buffer);
}

static void test_the_first_of_the_best_stays(void **state)
{
    struct spool s = {0};
    (void)state;
    assert_int_equal(spool_add(&s, "a", 1, span_of("first")), SPOOL_NEW);
    assert_int_equal(spool_add(&s, "b", 5, span_of("other")), SPOOL_NEW);
    assert_int_equal(spool_add(&s, "a", 1, span_of("same")), SPOOL_DROPPED);
    check_piece(&s, 0, "first");
    assert_int_equal(spool_add(&s, "a", 2, span_of("better, and longer")), SPOOL_REPLACED);
    assert_int_equal(spool_add(&s, "a", 0, span_of("worse")), SPOOL_DROPPED);
    assert_int_equal(spool_add(&s, "", 0, span_of("")), SPOOL_NEW);
    assert_int_equal(s.count, 3);
    check_piece(&s, 0, "better, and longer");
    check_piece(&s, 1, "other");
    check_piece(&s, 2, "");
    spool_free(&s);
    assert_int_equal(s.count, 0);
}

static void test_many(void **state)
{
    struct spool s = {0};
    char text[32];
    (void)state;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            snprintf(text, sizeof text, "%d", i);
            enum spool_step step = i % 3 || !round ? SPOOL_NEW : SPOOL_REPLACED;
            uint32_t rank = i % 3 ? 1 : (uint32_t)round;
            assert_int_equal(spool_add(&s, text, rank, span_of(text)),
                             round && i % 3 ? SPOOL_DROPPED : step);
        }
    assert_int_equal(s.count, 5000);
    for (size_t i = 0; i < s.count; i += 7) {
        snprintf(text, sizeof text, "%zu", i);
        check_piece(&s, i, text);
    }
    spool_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_of_the_best_stays),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
