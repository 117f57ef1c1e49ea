/* SPDX-License-Identifier: MIT */
/* Addresses as text, as numbers and as socket addresses. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "scanner/address.h"

static struct address parsed(const char *text)
{
    struct address a;
    if (!address_parse(span_of(text), &a))
        fail_msg("%s was not taken", text);
    return a;
}

static void assert_text(const char *given, const char *expected)
{
    char text[ADDRESS_TEXT_MAX];
    struct address a = parsed(given);
    assert_string_equal(address_format(&a, text), expected);
}

static void test_text(void **state)
{
    (void)state;
    assert_text("0.0.0.0", "0.0.0.0");
    assert_text("255.255.255.255", "255.255.255.255");
    assert_text("192.0.2.1", "192.0.2.1");
    assert_text("::", "::");
    assert_text("::1", "::1");
    assert_text("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1");
    assert_text("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1");
    assert_text("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    assert_text("64:ff9b::192.0.2.33", "64:ff9b::c000:221");
}

/* Every octet in every place, as the C library writes it. */
static void test_octets(void **state)
{
    (void)state;
    for (unsigned place = 0; place < 4; place++)
        for (unsigned octet = 0; octet < 256; octet++) {
            struct address a = {AF_INET, {9, 98, 254, 0}};
            char text[ADDRESS_TEXT_MAX], expected[INET_ADDRSTRLEN];
            a.bytes[place] = (unsigned char)octet;
            assert_non_null(inet_ntop(AF_INET, a.bytes, expected, sizeof expected));
            assert_string_equal(address_format(&a, text), expected);
        }
}

static void test_mapped_is_ipv4(void **state)
{
    (void)state;
    assert_text("::ffff:192.0.2.1", "192.0.2.1");
    assert_text("::FFFF:c000:0201", "192.0.2.1");
    assert_int_equal(parsed("::ffff:192.0.2.1").family, AF_INET);
    assert_text("::fffe:192.0.2.1", "::fffe:c000:201");
}

static void test_bad_text(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        ".",
        "1",
        "1.2",
        "1.2.3",
        "1.2.3.4.",
        ".1.2.3.4",
        "1.2.3.4.5",
        "1..3.4",
        "256.1.1.1",
        "300.1.1.1",
        "010.1.1.1",
        "1.2.3.04",
        "0x7f.0.0.1",
        "2130706433",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.-4",
        "+1.2.3.4",
        ":",
        ":::",
        "1::2::3",
        "fe80::1%lo",
        "::12345",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9",
        "[::1]",
        "::1/128",
        "::ffff:1.2.3",
        "g::",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    struct address a;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (address_parse(span_of(bad[i]), &a))
            fail_msg("%s was taken", bad[i]);
    assert_false(address_parse((struct span){"1.2.3.4\0", 8}, &a));
    assert_true(address_parse((struct span){"1.2.3.4567", 7}, &a)); /* no NUL is needed */
}

static void test_order(void **state)
{
    (void)state;
    static const char *const ascending[] = {
        "0.0.0.0", "9.255.255.255", "10.0.0.0",   "128.0.0.0", "255.255.255.255",
        "::",      "::1",           "2001:db8::", "8000::",    "ffff:ffff::"};
    for (size_t i = 0; i < sizeof ascending / sizeof ascending[0]; i++)
        for (size_t j = 0; j < sizeof ascending / sizeof ascending[0]; j++) {
            struct address a = parsed(ascending[i]), b = parsed(ascending[j]);
            int order = address_compare(&a, &b);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void test_sockaddr(void **state)
{
    (void)state;
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1"};
    for (size_t i = 0; i < 2; i++) {
        struct address a = parsed(texts[i]), back;
        struct sockaddr_storage storage;
        socklen_t length = address_to_sockaddr(&a, 993, &storage);
        assert_int_equal(length, i ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in));
        uint16_t port;
        memcpy(&port, (const char *)&storage + 2, sizeof port);
        assert_int_equal(ntohs(port), 993);
        assert_true(address_from_sockaddr((const struct sockaddr *)&storage, &back));
        assert_int_equal(address_compare(&a, &back), 0);
    }
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
    inet_pton(AF_INET6, "::ffff:192.0.2.1", &mapped.sin6_addr);
    struct address a, b = parsed("192.0.2.1");
    assert_true(address_from_sockaddr((const struct sockaddr *)&mapped, &a));
    assert_int_equal(address_compare(&a, &b), 0);
    assert_false(address_from_sockaddr(&(struct sockaddr){.sa_family = AF_UNIX}, &a));
}

static void test_where_addresses_lead(void **state)
{
    (void)state;
    static const struct {
        const char *address, *reaches, *word; /* "": it may be a host's */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", ""},
        {"2001:db8::1", "2001:db8::1", ""},
        {"0.0.0.0", "127.0.0.1", "unspecified"},
        {"0.0.0.1", "0.0.0.1", ""},
        {"127.0.0.1", "127.0.0.1", ""},
        {"::", "::1", "unspecified"},
        {"::1", "::1", ""},
        {"::2", "::2", ""},
        {"::ff:ffff", "::ff:ffff", ""},
        {"::127.0.0.1", "127.0.0.1", ""},
        {"::ffff:127.0.0.1", "127.0.0.1", ""},
        {"::ffff:0.0.0.0", "127.0.0.1", "unspecified"},
        {"::ffff:0:127.0.0.1", "127.0.0.1", ""},
        {"::ffff:0:0.0.0.0", "127.0.0.1", "unspecified"},
        {"::ffff:1:127.0.0.1", "::ffff:1:127.0.0.1", ""},
        {"::fffe:0:127.0.0.1", "::fffe:0:127.0.0.1", ""},
        {"64:ff9b::10.0.0.1", "10.0.0.1", ""},
        {"64:ff9b::0.0.0.0", "127.0.0.1", "unspecified"},
        {"64:ff9b::224.0.0.1", "224.0.0.1", "multicast"},
        {"64:ff9b:1::10.0.0.1", "64:ff9b:1::10.0.0.1", ""},
        {"64:ff9b::1:10.0.0.1", "64:ff9b::1:10.0.0.1", ""},
        {"2002:a00:1::", "10.0.0.1", ""},
        {"2002:a00:1:2:3:4:5:6", "10.0.0.1", ""},
        {"2002:0:0:1::1", "127.0.0.1", "unspecified"},
        {"2003:a00:1::", "2003:a00:1::", ""},
        {"223.255.255.255", "223.255.255.255", ""},
        {"224.0.0.0", "224.0.0.0", "multicast"},
        {"239.255.255.255", "239.255.255.255", "multicast"},
        {"240.0.0.0", "240.0.0.0", ""},
        {"255.255.255.254", "255.255.255.254", ""},
        {"255.255.255.255", "255.255.255.255", "broadcast"},
        {"fe7f::", "fe7f::", ""},
        {"fe80::1", "fe80::1", "link_local"},
        {"febf::1", "febf::1", "link_local"},
        {"fec0::1", "fec0::1", ""},
        {"ff02::1", "ff02::1", "multicast"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a = parsed(cases[i].address), there = parsed(cases[i].reaches);
        struct address reaches = address_reaches(&a);
        const struct hostless *hostless = address_without_host(&a);
        if (address_compare(&reaches, &there) != 0)
            fail_msg("%s leads elsewhere", cases[i].address);
        assert_string_equal(hostless ? hostless->word : "", cases[i].word);
    }
    struct address none = {.family = 0};
    assert_int_equal(address_reaches(&none).family, 0);
}

/* All that spells an address of a range of IPv4 is in the spellings of the range, and nothing else. */
static void test_spellings(void **state)
{
    (void)state;
    static const char *const samples[] = {
        "::1",
        "::9.255.255.255",
        "::10.0.0.0",
        "::10.255.255.255",
        "::11.0.0.0",
        "::ffff:0:10.9.9.9",
        "::ffff:0:11.9.9.9",
        "64:ff9b::10.0.0.0",
        "64:ff9b::11.0.0.0",
        "2002:a00::",
        "2002:aff:ffff:ffff:ffff:ffff:ffff:ffff",
        "2002:b00::",
        "2001:db8::10.0.0.1",
        "::",
    };
    struct wide first = {0, 0x0a000000}, last = {0, 0x0affffff};
    struct wide_range spelt[SPELLINGS];
    size_t count = address_spellings(first, last, spelt);
    assert_int_equal(count, SPELLINGS);
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        struct address a = parsed(samples[i]), reaches = address_reaches(&a);
        bool in = false;
        for (size_t k = 0; k < count; k++)
            in |= wide_compare(spelt[k].first, address_number(&a)) <= 0 &&
                  wide_compare(address_number(&a), spelt[k].last) <= 0;
        if (in != (reaches.family == AF_INET && reaches.bytes[0] == 10))
            fail_msg("%s", samples[i]);
    }
    /* 0.0.0.0/8 has no compatible spelling: ::1 is another's. */
    assert_int_equal(address_spellings((struct wide){0, 0}, (struct wide){0, 0xffffff}, spelt), 3);
    assert_int_equal(address_spellings((struct wide){0, 0}, (struct wide){0, UINT32_MAX}, spelt),
                     4);
    assert_true(wide_compare(spelt[0].first, (struct wide){0, 0x1000000}) == 0);
}

static void test_numbers(void **state)
{
    (void)state;
    struct address a = parsed("2001:db8::ff:ffff:ffff:fffe"), v4 = parsed("1.2.3.4");
    struct wide n = address_number(&a);
    assert_true(n.high == 0x20010db800000000 && n.low == 0xfffffffffffffe);
    assert_true(address_number(&v4).high == 0 && address_number(&v4).low == 0x01020304);
    struct address back = address_of_number(AF_INET6, n);
    assert_int_equal(address_compare(&a, &back), 0);
    back = address_of_number(AF_INET, (struct wide){0, 0x01020304});
    assert_int_equal(address_compare(&v4, &back), 0);
}

static bool same(struct wide a, struct wide b)
{
    return wide_compare(a, b) == 0;
}

static void test_arithmetic(void **state)
{
    (void)state;
    const struct wide zero = {0, 0}, one = {0, 1}, low = {0, UINT64_MAX}, high = {1, 0};
    const struct wide most = wide_max(AF_INET6);
    assert_true(same(wide_add(low, 1), high));
    assert_true(same(wide_subtract(high, 1), low));
    assert_true(same(wide_add((struct wide){5, 7}, UINT64_MAX), (struct wide){6, 6}));
    assert_true(same(wide_smaller(high, low), low));
    assert_int_equal(wide_compare(low, high), -1);
    assert_int_equal(wide_compare(one, zero), 1);

    assert_true(wide_count(one, one) == 1);
    assert_true(wide_count(low, high) == 2);
    assert_true(wide_count(one, low) == UINT64_MAX);
    assert_true(wide_count(zero, (struct wide){0, UINT64_MAX - 1}) == UINT64_MAX);
    assert_true(wide_count(one, (struct wide){0, UINT64_MAX - 1}) == UINT64_MAX - 1);
    assert_true(wide_count(zero, low) == UINT64_MAX); /* one more, in truth */
    assert_true(wide_count(zero, most) == UINT64_MAX);
    assert_true(wide_count(zero, wide_max(AF_INET)) == (uint64_t)1 << 32);

    assert_true(same(wide_mask(0), zero));
    assert_true(same(wide_mask(1), one));
    assert_true(same(wide_mask(32), wide_max(AF_INET)));
    assert_true(same(wide_mask(64), low));
    assert_true(same(wide_mask(65), (struct wide){1, UINT64_MAX}));
    assert_true(same(wide_mask(128), most));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_octets),
        cmocka_unit_test(test_mapped_is_ipv4),
        cmocka_unit_test(test_bad_text),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_sockaddr),
        cmocka_unit_test(test_where_addresses_lead),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
