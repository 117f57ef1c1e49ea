/* SPDX-License-Identifier: MIT */
/* What stands in a record is text where Markdown is rendered. */
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/export/markdown.h"

static void shows(const char *text, const char *expected)
{
    struct page page = {0};
    assert_true(markdown_add(&page, text));
    assert_true(page_add(&page, "", 1));
    assert_string_equal(page.bytes, expected);
    page_free(&page);
}

static void test_what_is_plain_stays(void **unused)
{
    static const char *const texts[] = {
        "The server takes a version that RFC 8996 forbids.",
        "smtpd_tls_security_level = may; ${if eq{$tls_in_cipher}}",
        "imap://[2001:db8::1]:143",
        "https://www.rfc-editor.org/rfc/rfc8996#section-4",
        "",
        "a - b + c # d > e",
        "gr\xc3\xb6\xc3\x9f_er",
    };
    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        shows(texts[i], texts[i]);
}

static void test_what_would_be_markup(void **unused)
{
    (void)unused;
    shows("[x](javascript:alert(1))", "\\[x\\](javascript:alert(1))");
    shows("see [x][y] and ![i](http://a/b.png)", "see [x\\][y] and ![i\\](http://a/b.png)");
    shows("<img src=x onerror=alert(1)> <https://a>",
          "&lt;img src=x onerror=alert(1)> &lt;https://a>");
    shows("&#106;avascript &lt;", "&amp;#106;avascript &amp;lt;");
    shows("`code` **bold** _it_ __x__ ~~gone~~",
          "\\`code\\` \\*\\*bold\\*\\* \\_it\\_ \\_\\_x\\_\\_ &#126;&#126;gone&#126;&#126;");
    shows("a\\", "a\\\\");
    shows("\\[x](y)", "\\\\[x\\](y)");
    shows("a|b", "a&#124;b");
}

static void test_how_a_line_begins(void **unused)
{
    (void)unused;
    shows("# heading", "\\# heading");
    shows("    code", "code");
    shows("\n\n\t- a\n- b\n\n# c", "\\- a - b  # c");
    shows("> quoted", "\\> quoted");
    shows("1. one", "1\\. one");
    shows("12) twelve", "12\\) twelve");
    shows("1.2 is a version", "1\\.2 is a version");
    shows("[a]: http://b", "\\[a]: http://b");
    shows("+ a", "\\+ a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_plain_stays),
        cmocka_unit_test(test_what_would_be_markup),
        cmocka_unit_test(test_how_a_line_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
