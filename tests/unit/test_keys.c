/* SPDX-License-Identifier: MIT */
/* A set of endpoints knows each of them, however many there are, and none besides. */
#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/keys.h"

#define MANY 100000

static enum keys_step add(struct keys *keys, int number)
{
    char key[64], ip[32];
    snprintf(key, sizeof key, "imap://host-%d.example.test:143", number / 3);
    snprintf(ip, sizeof ip, "192.0.2.%d", number % 3);
    return keys_add(keys, key, ip);
}

static void test_many(void **state)
{
    struct keys keys = {.hashes = NULL};
    (void)state;
    for (int i = 0; i < MANY; i++)
        assert_int_equal(add(&keys, i), KEYS_NEW);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(add(&keys, i), KEYS_THERE);
    assert_int_equal(keys.count, MANY);
    assert_true(keys_has(&keys, "imap://host-0.example.test:143", "192.0.2.2"));
    assert_false(keys_has(&keys, "imap://host-0.example.test:143", "192.0.2.3"));
    assert_false(keys_has(&keys, "imap://host-0.example.test:143", NULL));
    assert_true(keys.capacity <= 4 * MANY);
    keys_free(&keys);
    assert_false(keys_has(&keys, "imap://host-0.example.test:143", "192.0.2.2"));
    assert_int_equal(add(&keys, 0), KEYS_NEW);
    keys_free(&keys);
}

/* Where one text ends and the other begins is a part of what they name. */
static void test_pairs(void **state)
{
    static const char *const pairs[][2] = {{"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"abc", NULL},
                                           {"", "abc"}, {"", ""},    {"", NULL},  {"c", "ab"}};
    struct keys keys = {.hashes = NULL};
    (void)state;
    for (size_t round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
            assert_int_equal(keys_add(&keys, pairs[i][0], pairs[i][1]),
                             round ? KEYS_THERE : KEYS_NEW);
    keys_free(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many), cmocka_unit_test(test_pairs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
