/* SPDX-License-Identifier: MIT */
/* Texts of strangers: whatever comes in, what goes out is clean, and cleaning it again changes
   nothing. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "scanner/text.h"

#define R "\xef\xbf\xbd" /* the replacement character */

/* --- an independent judge --------------------------------------------------------------------- */

/* Decodes by arithmetic, as RFC 3629 section 3 has it: the value, or -1. */
static long decode(const unsigned char *s, size_t len, size_t *used)
{
    static const long smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (!n || n > len)
        return -1;
    long value = n == 1 ? s[0] : s[0] & (0x7f >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return -1;
        value = value << 6 | (s[i] & 0x3f);
    }
    if (value < smallest[n] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return -1;
    *used = n;
    return value;
}

/* Valid UTF-8 without control characters but tab and newline. */
static bool is_clean(const char *text, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len; i += used) {
        long c = decode((const unsigned char *)text + i, len - i, &used);
        if (c < 0 || (c < 0x20 && c != '\t' && c != '\n') || (c >= 0x7f && c < 0xa0))
            return false;
    }
    return true;
}

/* --- text_clean ------------------------------------------------------------------------------- */

static void assert_cleaned(const char *in, size_t len, const char *expected, bool loses)
{
    char out[256];
    bool lossy = false;
    size_t n = text_clean((struct span){in, len}, out, sizeof out, &lossy);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(out, expected);
    assert_int_equal(lossy, loses);
}

#define CLEANED(in, expected, loses) assert_cleaned("" in, sizeof("" in) - 1, expected, loses)

static void test_characters(void **state)
{
    (void)state;
    CLEANED("", "", false);
    CLEANED("plain text", "plain text", false);
    CLEANED("a\tb\nc", "a\tb\nc", false);
    CLEANED("a\rb", "a" R "b", true);
    CLEANED("a\0b", "a" R "b", true);
    CLEANED("\x01\x1b[31m\x7f", R R "[31m" R, true);
    CLEANED("gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", false);
    CLEANED("\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80", false);
    CLEANED("gr\xfc\xdf", "gr" R R, true);                     /* Latin-1 */
    CLEANED("\xc2\x80\xc2\x9f\xc2\xa0", R R "\xc2\xa0", true); /* C1, and the first behind it */
    CLEANED("\xc0\x80", R R, true);                            /* overlong NUL */
    CLEANED("\xc1\xbf", R R, true);
    CLEANED("\xe0\x80\xaf", R R R, true);
    CLEANED("\xe0\x9f\xbf", R R R, true);
    CLEANED("\xf0\x80\x80\x80", R R R R, true);
    CLEANED("\xf0\x8f\xbf\xbf", R R R R, true);
    CLEANED("\xed\xa0\x80", R R R, true); /* surrogates */
    CLEANED("\xed\xbf\xbf", R R R, true);
    CLEANED("\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80", false);
    CLEANED("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf", false);
    CLEANED("\xf4\x90\x80\x80", R R R R, true); /* behind U+10FFFF */
    CLEANED("\xf5\x80\x80\x80", R R R R, true);
    CLEANED("\xff\xfe", R R, true);
    CLEANED("\xe2\x82", R R, true);
    CLEANED("\xe2\x82 x", R R " x", true);
    CLEANED("\xe2\xe2\x82\xac", R "\xe2\x82\xac", true);
    CLEANED("\x80\xbf", R R, true);
    CLEANED(R, R, false);
}

/* All sequences of up to three octets from a set that has the edges of all classes. */
static void test_every_short_sequence(void **state)
{
    static const unsigned char edges[] = {0x00, 0x09, 0x0a, 0x0d, 0x1f, 0x20, 0x41, 0x7e,
                                          0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
                                          0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                          0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    const size_t count = sizeof edges;
    (void)state;
    for (size_t n = 0; n < count * count * count; n++) {
        char in[3] = {(char)edges[n % count], (char)edges[n / count % count],
                      (char)edges[n / count / count]};
        char out[16];
        bool lossy = false;
        size_t len = text_clean((struct span){in, 3}, out, sizeof out, &lossy);
        assert_true(is_clean(out, len));
        assert_int_equal(lossy, !is_clean(in, 3));
        assert_int_equal(text_is_clean((struct span){in, 3}), !lossy);
        if (!lossy)
            assert_memory_equal(in, out, 3);
    }
}

/* Half text, half noise. */
static size_t random_text(unsigned *seed, char *out, size_t max)
{
    static const char *const pieces[] = {
        "mail.example", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
        "\xed\xa0\x80", "\xc2\x85", "\t",           "\n"};
    size_t len = 0, want = (size_t)rand_r(seed) % (max - 16);
    while (len < want) {
        const char *piece = pieces[(size_t)rand_r(seed) % (sizeof pieces / sizeof *pieces)];
        if (rand_r(seed) % 2) {
            memcpy(out + len, piece, strlen(piece));
            len += strlen(piece);
        } else {
            out[len++] = (char)(rand_r(seed) & 0xff);
        }
    }
    return len;
}

/* In memory of exactly the size that is given, cut anywhere, and cleaned again. */
static void test_random(void **state)
{
    unsigned seed = 20261123;
    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        char in[160];
        size_t len = random_text(&seed, in, sizeof in), max = 1 + (size_t)rand_r(&seed) % 400;
        char *out = malloc(max), *again = malloc(max);
        bool lossy = false, lossy_again = false;
        assert_non_null(out);
        assert_non_null(again);
        size_t n = text_clean((struct span){in, len}, out, max, &lossy);
        assert_true(n < max);
        assert_int_equal(out[n], 0);
        assert_int_equal(strlen(out), n);
        assert_true(is_clean(out, n));
        assert_int_equal(lossy, !is_clean(in, len) || len >= max);
        assert_int_equal(text_is_clean((struct span){in, len}), is_clean(in, len));
        assert_int_equal(text_clean((struct span){out, n}, again, max, &lossy_again), n);
        assert_string_equal(out, again);
        assert_false(lossy_again);
        free(out);
        free(again);
    }
}

/* A text that does not fit is cut between characters, as late as can be. */
static void test_cut(void **state)
{
    static const char in[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t fits[] = {0, 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10};
    (void)state;
    for (size_t max = 1; max < sizeof fits / sizeof *fits; max++) {
        char out[16];
        bool lossy = false;
        assert_int_equal(text_clean(span_of(in), out, max, &lossy), fits[max]);
        assert_memory_equal(out, in, fits[max]);
        assert_int_equal(lossy, fits[max] < strlen(in));
    }
}

/* Lossy is set, and never taken back. */
static void test_lossy_stays(void **state)
{
    char out[8];
    bool lossy = true;
    (void)state;
    text_clean(span_of("fine"), out, sizeof out, &lossy);
    assert_true(lossy);
}

/* --- struct text ------------------------------------------------------------------------------ */

static void test_text(void **state)
{
    struct text t = {0};
    (void)state;
    assert_true(text_set(&t, span_of("one"), 64));
    assert_true(text_add_line(&t, span_of("two"), 64));
    assert_true(text_add_line(&t, span_of(""), 64));
    assert_string_equal(t.data, "one\ntwo\n");
    assert_false(t.lossy);
    assert_true(text_add_line(&t, span_of("\xff"), 64));
    assert_true(t.lossy);
    assert_true(text_set(&t, span_of("anew"), 64));
    assert_string_equal(t.data, "anew");
    assert_false(t.lossy);
    text_free(&t);
    assert_null(t.data);
    assert_true(text_add_line(&t, span_of("first"), 64));
    assert_string_equal(t.data, "first");
    text_free(&t);
    assert_true(text_set(&t, (struct span){NULL, 0}, 64));
    assert_string_equal(t.data, "");
    text_free(&t);
}

/* Lines are added until no more fit; whatever the sizes are, the limit holds, and what is
   missing is said. */
static void test_text_limit(void **state)
{
    (void)state;
    for (size_t max = 1; max < 40; max++)
        for (size_t size = 0; size < 12; size++) {
            struct text t = {0};
            char line[] = "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", whole[256] = "";
            char cleaned[64];
            bool lossy = false;
            text_clean((struct span){line, size}, cleaned, sizeof cleaned, &lossy);
            for (unsigned n = 0; n < 6; n++) {
                assert_true(text_add_line(&t, (struct span){line, size}, max));
                snprintf(whole + strlen(whole), sizeof whole - strlen(whole), "%s%s", n ? "\n" : "",
                         cleaned);
                assert_true(strlen(t.data) < max);
                assert_true(is_clean(t.data, strlen(t.data)));
                assert_int_equal(t.lossy, lossy || strcmp(t.data, whole) != 0);
            }
            text_free(&t);
        }
}

/* --- lists ------------------------------------------------------------------------------------ */

static void assert_sorted_set(const struct list *l)
{
    size_t octets = 0;
    for (size_t i = 0; i < l->count; i++) {
        octets += strlen(l->items[i]);
        assert_true(i == 0 || strcmp(l->items[i - 1], l->items[i]) < 0);
        assert_true(is_clean(l->items[i], strlen(l->items[i])));
        assert_true(list_has(l, l->items[i]));
    }
    assert_int_equal(octets, l->octets);
    assert_true(l->count <= LIST_ITEMS_MAX && octets <= LIST_OCTETS_MAX);
}

static void test_list(void **state)
{
    struct list l = {0};
    (void)state;
    assert_false(list_has(&l, "x"));
    assert_true(list_add(&l, span_of("STARTTLS")));
    assert_true(list_add(&l, span_of("IMAP4rev1")));
    assert_true(list_add(&l, span_of("AUTH=PLAIN")));
    assert_true(list_add(&l, span_of("STARTTLS")));
    assert_true(list_add(&l, span_of("starttls")));
    assert_int_equal(l.count, 4);
    assert_string_equal(l.items[0], "AUTH=PLAIN");
    assert_string_equal(l.items[3], "starttls");
    assert_true(list_has(&l, "STARTTLS"));
    assert_false(list_has(&l, "START"));
    assert_false(l.lossy || l.full);
    assert_true(list_add(&l, span_of("\x01")));
    assert_true(l.lossy);
    assert_sorted_set(&l);
    list_clear(&l);
    assert_int_equal(l.count, 0);
    assert_false(l.lossy || l.full);
    list_clear(&l);
}

static void test_list_upper(void **state)
{
    struct list l = {0};
    (void)state;
    assert_true(list_add_upper(&l, span_of("auth=plain"), ""));
    assert_true(list_add_upper(&l, span_of("auth plain Login"), " "));
    assert_true(list_add_upper(&l, span_of("Auth plain Login"), " "));
    assert_true(list_add_upper(&l, span_of("auth=x y"), " ="));
    assert_true(list_add_upper(&l,
                               span_of("gr\xc3\xbc"
                                       "n"),
                               ""));
    assert_int_equal(l.count, 4);
    assert_true(list_has(&l, "AUTH=PLAIN"));
    assert_true(list_has(&l, "AUTH plain Login"));
    assert_true(list_has(&l, "AUTH=x y"));
    assert_true(list_has(&l, "GR\xc3\xbc"
                             "N"));
    assert_sorted_set(&l);
    list_clear(&l);
}

/* At most so many items, and so many octets; who was there already is no loss. */
static void test_list_limits(void **state)
{
    struct list l = {0};
    char item[TEXT_ITEM_MAX + 8];
    (void)state;
    for (unsigned n = 0; n < LIST_ITEMS_MAX; n++) {
        snprintf(item, sizeof item, "item %zu", n * 7919 % LIST_ITEMS_MAX);
        assert_true(list_add(&l, span_of(item)));
    }
    assert_int_equal(l.count, LIST_ITEMS_MAX);
    assert_false(l.full);
    assert_true(list_add(&l, span_of("item 0")));
    assert_false(l.full);
    assert_true(list_add(&l, span_of("one more")));
    assert_true(l.full);
    assert_int_equal(l.count, LIST_ITEMS_MAX);
    assert_sorted_set(&l);
    list_clear(&l);

    memset(item, 'x', sizeof item);
    for (unsigned n = 0; n < 64; n++) {
        item[0] = (char)('0' + n);
        assert_true(list_add(&l, (struct span){item, TEXT_ITEM_MAX - 1}));
    }
    assert_false(l.lossy);
    assert_true(l.full || l.octets == 64 * (TEXT_ITEM_MAX - 1));
    assert_sorted_set(&l);
    list_clear(&l);

    assert_true(list_add(&l, (struct span){item, TEXT_ITEM_MAX - 1}));
    assert_false(l.lossy);
    item[0] = '-';
    assert_true(list_add(&l, (struct span){item, TEXT_ITEM_MAX}));
    assert_true(l.lossy); /* cut by one octet */
    assert_int_equal(strlen(l.items[0]), TEXT_ITEM_MAX - 1);
    assert_sorted_set(&l);
    list_clear(&l);
}

static void test_list_random(void **state)
{
    unsigned seed = 7;
    struct list l = {0};
    (void)state;
    for (unsigned n = 0; n < 5000; n++) {
        char in[48];
        size_t len = random_text(&seed, in, sizeof in);
        assert_true(rand_r(&seed) % 2 ? list_add(&l, (struct span){in, len})
                                      : list_add_upper(&l, (struct span){in, len}, " ="));
        if (n % 50 == 0)
            assert_sorted_set(&l);
        if (n % 700 == 0)
            list_clear(&l);
    }
    assert_sorted_set(&l);
    list_clear(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_characters),  cmocka_unit_test(test_every_short_sequence),
        cmocka_unit_test(test_random),      cmocka_unit_test(test_cut),
        cmocka_unit_test(test_lossy_stays), cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_limit),  cmocka_unit_test(test_list),
        cmocka_unit_test(test_list_upper),  cmocka_unit_test(test_list_limits),
        cmocka_unit_test(test_list_random),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
