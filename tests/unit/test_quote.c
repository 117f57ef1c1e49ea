/* SPDX-License-Identifier: MIT */
/* quote: somebody else's text in a message for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scanner/quote.h"

static void is(const char *text, const char *shown)
{
    struct quote q = quote(span_of(text));
    size_t len = strlen(q.text);
    assert_int_equal(q.text[0], '\'');
    assert_int_equal(q.text[len - 1], '\'');
    q.text[len - 1] = 0;
    assert_string_equal(q.text + 1, shown);
}

static void test_plain(void **state)
{
    (void)state;
    is("", "");
    is("mail.example.org", "mail.example.org");
    is("h\xc3\xa4user \xe6\xbc\xa2 \xf0\x9f\x98\x80",
       "h\xc3\xa4user \xe6\xbc\xa2 \xf0\x9f\x98\x80");
}

static void test_controls(void **state)
{
    (void)state;
    is("\033[31mred\a\r\n\x7f", "?[31mred????");
    is("\xc2\x9b"
       "31m",
       "??31m");
}

static void test_broken(void **state)
{
    (void)state;
    is("a\xff\xfe", "a??");
    is("\xc0\x80", "??");
    is("\xed\xa0\x80", "???");
    is("\xf5\x80\x80\x80", "????");
    is("\xe2\x80", "??");
}

/* One question mark each, whatever their length. */
static void test_unseen(void **state)
{
    static const char *const marks[] = {
        "\u00ad", "\u061c", "\u180e", "\u200b", "\u200e", "\u200f",     "\u2028",     "\u2029",
        "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\ufeff",     "\ufff9",     "\U000e0041",
        "\u200d", "\u202c", "\u2067", "\u2068", "\u206f", "\U000e0001", "\U000e007f", "\u202d"};
    (void)state;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        is(marks[i], "?");
        assert_int_not_equal(quote_unseen(span_of(marks[i])), 0);
    }
    is("\u202egnp.exe", "?gnp.exe");
    is("\u2027\u202f\u2070", "\u2027\u202f\u2070"); /* the neighbours */
    assert_int_equal(quote_unseen(span_of("\u202e")), 0x202e);
    assert_int_equal(quote_unseen(span_of("a")), 0);
    assert_int_equal(quote_unseen(span_of("\xe2\x80")), 0);
    assert_int_equal(quote_unseen(span_of("")), 0);
}

/* Between characters. */
static void test_long(void **state)
{
    char text[200];
    (void)state;
    memset(text, 'a', sizeof text);
    text[199] = 0;
    struct quote q = quote(span_of(text));
    assert_int_equal(strlen(q.text), QUOTE_MAX + 5);
    assert_string_equal(q.text + QUOTE_MAX + 1, "...'");
    memcpy(text + QUOTE_MAX - 1, "\xc3\xa4", 2);
    assert_string_equal(quote(span_of(text)).text + QUOTE_MAX - 1, "a...'");
    memcpy(text + QUOTE_MAX - 1, "\u202e", 3);
    assert_string_equal(quote(span_of(text)).text + QUOTE_MAX - 1, "a?...'");
}

static void test_steps(void **state)
{
    bool shown;
    (void)state;
    assert_int_equal(quote_step(span_of(""), &shown), 0);
    assert_false(shown);
    assert_int_equal(quote_step(span_of("\xff"), &shown), 1);
    assert_false(shown);
    assert_int_equal(quote_step(span_of("\u202e"), &shown), 3);
    assert_false(shown);
    assert_int_equal(quote_step(span_of("\xc3\xa4"), &shown), 2);
    assert_true(shown);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),  cmocka_unit_test(test_controls),
        cmocka_unit_test(test_broken), cmocka_unit_test(test_unseen),
        cmocka_unit_test(test_long),   cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
