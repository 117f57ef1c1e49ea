/* SPDX-License-Identifier: MIT */
/* From lists of targets to hosts: syntax, overlaps, exclusions, order, streams. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocols/dialogue.h"
#include "scanner/targets.h"

#define ZONES "link-local addresses with a zone are not supported"
#define NO_ZONE "it leads nowhere without a zone, and zones are not supported"

struct fixture {
    struct choice *choice;
    struct targets *targets;
    FILE *errors;
    char *said;
    size_t said_len, heard;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){.choice = choice_new()};
    f->errors = open_memstream(&f->said, &f->said_len);
    f->targets = targets_new(f->choice, f->errors);
    assert_non_null(f->targets);
}

static void end(struct fixture *f)
{
    targets_free(f->targets);
    choice_free(f->choice);
    fclose(f->errors);
    free(f->said);
}

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    begin(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    end(*state);
    free(*state);
    return 0;
}

static char directory[] = "/tmp/test_targets_XXXXXX";

static int group_setup(void **state)
{
    (void)state;
    return mkdtemp(directory) ? chdir(directory) : -1;
}

static int group_teardown(void **state)
{
    (void)state;
    return chdir("/") || rmdir(directory);
}

static void write_file(const char *name, struct span text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text.at, 1, text.len, file), text.len);
    assert_int_equal(fclose(file), 0);
}

static size_t add_bytes(struct fixture *f, struct span text)
{
    write_file("list", text);
    size_t errors = targets_add_file(f->targets, "list");
    unlink("list");
    return errors;
}

static size_t add(struct fixture *f, const char *text)
{
    return add_bytes(f, span_of(text));
}

static size_t exclude(struct fixture *f, const char *text)
{
    write_file("exclude", span_of(text));
    size_t errors = targets_exclude_file(f->targets, "exclude");
    unlink("exclude");
    return errors;
}

/* What was said since the last time. */
static void assert_said(struct fixture *f, const char *expected)
{
    fflush(f->errors);
    assert_string_equal(f->said + f->heard, expected);
    f->heard = f->said_len;
}

static void assert_described(struct fixture *f, const char *expected)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_true(targets_describe(f->targets, out));
    fclose(out);
    assert_string_equal(text, expected);
    free(text);
}

/* HOST SERVICE… LABEL… FILE:LINE */
static void host_text(const struct target_host *h, char *out, size_t room)
{
    char address[ADDRESS_TEXT_MAX];
    size_t n =
        (size_t)snprintf(out, room, "%s", h->name ? h->name : address_format(&h->address, address));
    for (size_t i = 0; i < h->service_count; i++)
        n += (size_t)snprintf(out + n, room - n, " %s/%s:%d", h->services[i]->protocol->name,
                              mode_name(h->services[i]->mode), h->services[i]->port);
    for (size_t i = 0; i < h->label_count; i++)
        n += (size_t)snprintf(out + n, room - n, " %s=%s", h->labels[i].key, h->labels[i].value);
    n += (size_t)snprintf(out + n, room - n, " %s:%" PRIu64, h->file ? h->file : "argument",
                          h->line);
    assert_true(n < room);
}

static void assert_host(struct fixture *f, uint64_t index, const char *expected)
{
    struct target_host host;
    char text[1024];
    assert_true(targets_host(f->targets, index, &host));
    host_text(&host, text, sizeof text);
    assert_string_equal(text, expected);
}

/* All hosts, one a line. */
static void assert_hosts(struct fixture *f, const char *expected)
{
    char text[8192] = "", one[1024];
    struct target_host host;
    size_t n = 0;
    for (uint64_t i = 0; targets_host(f->targets, i, &host); i++) {
        host_text(&host, one, sizeof one);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\n", one);
        assert_true(n < sizeof text);
    }
    assert_string_equal(text, expected);
}

static void narrow(struct fixture *f, const char *list)
{
    assert_true(choice_narrow(f->choice, list, f->errors));
}

/* --- syntax --- */

static void test_syntax(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap");
    assert_int_equal(add(f, "192.0.2.1\n"
                            "192.0.2.77/30\n"
                            "192.0.2.10-12\n"
                            "192.0.2.20-192.0.3.1\n"
                            "198.51.100.7:1143/imap\n"
                            "198.51.100.0/24:2525/smtp/explicit\n"
                            "198.51.101.1-3:143\n"
                            "2001:DB8::1\n"
                            "[2001:db8::2]\n"
                            "2001:db8:1::ffff/112\n"
                            "2001:db8:2::1-2001:db8:2::a\n"
                            "[2001:db8::3]:1143/imap\n"
                            "[2001:db8:3::/124]:993\n"
                            "[2001:db8:4::]/124:993/imap/implicit\n"
                            "[2001:db8:5::1-2001:db8:5::3]:25/smtp\n"
                            "[2001:db8:6::1]-[2001:db8:6::3]:25/smtp\n"
                            "::ffff:203.0.113.9\n"
                            "Mail_1.Example.TEST.\n"
                            "mx.example.test:21/ftp\n"
                            "bücher.example:143\n"
                            "BÜCHER.example.\n"
                            "10-20.example\n"
                            "3com\n"),
                     0);
    assert_said(f, "");
    assert_int_equal(targets_build(f->targets), 0);
    assert_described(f, "192.0.2.1 1 host imap:143,993\n"
                        "192.0.2.76/30 4 hosts imap:143,993\n"
                        "192.0.2.10-192.0.2.12 3 hosts imap:143,993\n"
                        "192.0.2.20-192.0.3.1 234 of 238 hosts imap:143,993\n"
                        "198.51.100.7 1 host imap:1143/insecure\n"
                        "198.51.100.0/24 255 of 256 hosts smtp:2525/explicit\n"
                        "198.51.101.1-198.51.101.3 3 hosts imap:143\n"
                        "2001:db8::1 1 host imap:143,993\n"
                        "2001:db8::2 1 host imap:143,993\n"
                        "2001:db8:1::/112 65536 hosts imap:143,993\n"
                        "2001:db8:2::1-2001:db8:2::a 10 hosts imap:143,993\n"
                        "2001:db8::3 1 host imap:1143/insecure\n"
                        "2001:db8:3::/124 16 hosts imap:993\n"
                        "2001:db8:4::/124 16 hosts imap:993\n"
                        "2001:db8:5::1-2001:db8:5::3 3 hosts smtp:25\n"
                        "2001:db8:6::1-2001:db8:6::3 3 hosts smtp:25\n"
                        "203.0.113.9 1 host imap:143,993\n"
                        "mail_1.example.test 1 host imap:143,993\n"
                        "mx.example.test 1 host ftp:21\n"
                        "xn--bcher-kva.example 1 host imap:143,993\n"
                        "10-20.example 1 host imap:143,993\n"
                        "3com 1 host imap:143,993\n");
}

static void test_layout(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap/insecure");
    assert_int_equal(add(f, "\xef\xbb\xbf# a comment\r\n"
                            "\r\n"
                            "   \t \n"
                            "  192.0.2.1\t# another\r\n"
                            "192.0.2.2 role=mx \t site=a#b #c\n"
                            "\t#192.0.2.9\n"
                            "a.test owner=m\xc3\xbcller empty=\n"
                            "192.0.2.3"),
                     0);
    assert_said(f, "");
    assert_int_equal(targets_build(f->targets), 0);
    assert_hosts(f, "192.0.2.1 imap/insecure:143 list:4\n"
                    "192.0.2.2 imap/insecure:143 role=mx site=a#b list:5\n"
                    "192.0.2.3 imap/insecure:143 list:8\n"
                    "a.test imap/insecure:143 empty= owner=m\xc3\xbcller list:7\n");
}

static void test_bad_lines(void **state)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        {"010.1.1.1",
         "'010.1.1.1' is not an IPv4 address (four numbers from 0 to 255, without leading zeros)"},
        {"1.2.3",
         "'1.2.3' is not an IPv4 address (four numbers from 0 to 255, without leading zeros)"},
        {"300.1.1.1/8",
         "'300.1.1.1' is not an IPv4 address (four numbers from 0 to 255, without leading zeros)"},
        {":143/imap",
         "'' is not an IPv4 address (four numbers from 0 to 255, without leading zeros)"},
        {"0x7f.0.0.1", "'0x7f.0.0.1' is neither an address nor a name"},
        {"0x7f000001", "'0x7f000001' is neither an address nor a name"},
        {"mail.1", "'mail.1' is neither an address nor a name"},
        {"\uff11\uff12\uff17.0.0.1", "'\uff11\uff12\uff17.0.0.1' is neither an address nor a name"},
        {"192.0.2.0/33", "'33' is not a prefix length from 0 to 32"},
        {"192.0.2.0/024", "'024' is not a prefix length from 0 to 32"},
        {"192.0.2.0/", "'' is not a prefix length from 0 to 32"},
        {"192.0.2.0/24-30", "'24-30' is not a prefix length from 0 to 32"},
        {"2001:db8::/129",
         "'129' is not a prefix length from 0 to 128 (with a port: [ADDRESS]:PORT/PROTOCOL)"},
        {"::ffff:192.0.2.0/95", "'95' is not a prefix length from 96 to 128 (IPv4-mapped)"},
        {"::ffff:192.0.2.0/129", "'129' is not a prefix length from 96 to 128 (IPv4-mapped)"},
        {"192.0.2.10-9", "'9' ends the range before it begins"},
        {"192.0.2.10-192.0.2.9", "'192.0.2.9' ends the range before it begins"},
        {"192.0.2.10-256", "'256' is not the end of a range"},
        {"192.0.2.10-09", "'09' is not the end of a range"},
        {"192.0.2.10-", "'' is not the end of a range"},
        {"192.0.2.10-2.20", "'2.20' is not the end of a range"},
        {"2001:db8::1-2", "'2' is not the end of a range"},
        {"2001:db8::2-2001:db8::1", "'2001:db8::1' ends the range before it begins"},
        {"::1-::ffff:1.2.3.4", "'::ffff:1.2.3.4' ends the range before it begins"},
        {"::fffe:ffff:ffff-::1:0:0:0",
         "'::fffe:ffff:ffff-::1:0:0:0' has IPv4-mapped addresses in it: write them as IPv4"},
        {"2001:db8::/79", "'2001:db8::/79' is more than 2^48 hosts"},
        {"2001:db8::1:1143/imap",
         "'imap' is not a prefix length from 0 to 128 (with a port: [ADDRESS]:PORT/PROTOCOL)"},
        {"1:2:3:4:5:6:7:8:143",
         "'1:2:3:4:5:6:7:8:143' is not an IPv6 address (with a port: [ADDRESS]:PORT/PROTOCOL)"},
        {"fe80::1%lo", "'fe80::1%lo' has a zone (%): " ZONES},
        {"[fe80::1%lo]:143/imap", "'fe80::1%lo' has a zone (%): " ZONES},
        {"fe80::%eth0/64", "'fe80::%eth0' has a zone (%): " ZONES},
        {"2001:db8::1-2001:db8::2%1", "'2001:db8::2%1' has a zone (%): " ZONES},
        {"fe80::1", "'fe80::1' is link-local: " NO_ZONE},
        {"fe80::/64", "'fe80::/64' is more than 2^48 hosts"},
        {"fe80::/96", "'fe80::/96' is link-local: " NO_ZONE},
        {"0.0.0.0", "'0.0.0.0' is the unspecified address, which no host has"},
        {"0.0.0.0:143/imap", "'0.0.0.0:143/imap' is the unspecified address, which no host has"},
        {"::", "'::' is the unspecified address, which no host has"},
        {"[::]:143/imap", "'[::]:143/imap' is the unspecified address, which no host has"},
        {"::ffff:0.0.0.0", "'::ffff:0.0.0.0' is the unspecified address, which no host has"},
        {"64:ff9b::0.0.0.0", "'64:ff9b::0.0.0.0' is the unspecified address, which no host has"},
        {"224.0.0.1", "'224.0.0.1' is for multicast: no host has it"},
        {"239.255.255.255", "'239.255.255.255' is for multicast: no host has it"},
        {"::224.0.0.1", "'::224.0.0.1' is for multicast: no host has it"},
        {"224.0.0.0/4", "'224.0.0.0/4' is for multicast: no host has it"},
        {"230.0.0.0-9", "'230.0.0.0-9' is for multicast: no host has it"},
        {"ff02::1", "'ff02::1' is for multicast: no host has it"},
        {"open tcp 143 224.0.0.1 1", "'224.0.0.1' is for multicast: no host has it"},
        {"255.255.255.255", "'255.255.255.255' is the broadcast address, which no host has"},
        {"[2001:db8::1", "'[2001:db8::1' has no closing bracket"},
        {"[2001:db8::1]-[2001:db8::2", "'[2001:db8::1]-[2001:db8::2' has no closing bracket"},
        {"[2001:db8::1]143", "'143' should not stand after the bracket"},
        {"[2001:db8::/64]/64", "'/64' should not stand after the bracket"},
        {"[192.0.2.1]:143", "'192.0.2.1' is not an IPv6 address: only those stand in brackets"},
        {"[mail.test]:143", "'mail.test' is not an IPv6 address: only those stand in brackets"},
        {"192.0.2.1:0/imap", "'0' is not a port from 1 to 65535"},
        {"192.0.2.1:65536/imap", "'65536' is not a port from 1 to 65535"},
        {"192.0.2.1:", "'' is not a port from 1 to 65535"},
        {"192.0.2.1:1143", "'1143' is no port of the chosen services: say PORT/PROTOCOL"},
        {"192.0.2.1:1143/nntp", "'nntp' is not a protocol that is known here"},
        {"192.0.2.1:1143/", "'' is not a protocol that is known here"},
        {"192.0.2.1:1143/imap/tls", "'tls' is not a mode (insecure, implicit, explicit)"},
        {"192.0.2.1:1143/imap/", "'' is not a mode (insecure, implicit, explicit)"},
        {"a..test", "'a..test' has an empty label"},
        {".", "'.' is not an IPv4 address (four numbers from 0 to 255, without leading zeros)"},
        {".test", "'.test' has an empty label"},
        {"a.test..", "'a.test..' has an empty label"},
        {"-a.test", "'-a.test' has a label that begins or ends with a hyphen"},
        {"a-.test", "'a-.test' has a label that begins or ends with a hyphen"},
        {"a.test/24", "'a.test/24' has a character that no host name has"},
        {"a\x1b[31m.test", "'a?[31m.test' has a character that no host name has"},
        {"a\xff.test", "'a?.test' is not an internationalised name"},
        {"192.0.2.1 label", "'label' is not a label (KEY=VALUE; keys are of a-z 0-9 _ -)"},
        {"192.0.2.1 Owner=x", "'Owner=x' is not a label (KEY=VALUE; keys are of a-z 0-9 _ -)"},
        {"192.0.2.1 1a=x", "'1a=x' is not a label (KEY=VALUE; keys are of a-z 0-9 _ -)"},
        {"192.0.2.1 =x", "'=x' is not a label (KEY=VALUE; keys are of a-z 0-9 _ -)"},
        {"192.0.2.1 expect=", "'' expects nothing: PROTOCOL[/MODE][:PORT] is wanted"},
        {"192.0.2.1 expect=imap,", "'' expects nothing: PROTOCOL[/MODE][:PORT] is wanted"},
        {"192.0.2.1 expect=imap,gopher/implicit",
         "'gopher/implicit' expects a protocol that is not known here"},
        {"192.0.2.1 expect=*", "'*' expects a protocol that is not known here"},
        {"192.0.2.1 expect=smtp/starttls",
         "'smtp/starttls' expects a mode that there is not (insecure, implicit, explicit)"},
        {"192.0.2.1 expect=smtp/",
         "'smtp/' expects a mode that there is not (insecure, implicit, explicit)"},
        {"192.0.2.1 expect=imap:0", "'imap:0' expects a port that is not from 1 to 65535"},
        {"192.0.2.1 expect=imap:143/imap",
         "'imap:143/imap' expects a port that is not from 1 to 65535"},
        {"192.0.2.1 a=\x07", "'a=?' is a label whose value is too long or no clean UTF-8"},
        {"192.0.2.1 a=\xc3", "'a=?' is a label whose value is too long or no clean UTF-8"},
        {"192.0.2.1 a=\xc2\x85", "'a=?\?' is a label whose value is too long or no clean UTF-8"},
        {"192.0.2.1 a=\xed\xa0\x80",
         "'a=?\?\?' is a label whose value is too long or no clean UTF-8"},
        {"192.0.2.1 a=1 b=2 a=3", "'a' is given twice"},
        {"open tcp 0 192.0.2.1 17", "'0' is not a port from 1 to 65535"},
        {"open tcp 143 a.test 17",
         "'a.test' is not an IPv4 address (four numbers from 0 to 255, without leading zeros)"},
        {"open tcp 143 192.0.2.1 17 more", "'open tcp 143 192.0.2.1 17 more' is not a line of "
                                           "masscan's list (open tcp PORT ADDRESS TIME)"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[512];
        assert_int_equal(targets_add_argument(f->targets, cases[i].line), 1);
        snprintf(expected, sizeof expected, "argument %zu: %s\n", i + 1, cases[i].message);
        assert_said(f, expected);
    }
    assert_int_equal(targets_build(f->targets), 0);
    assert_true(targets_count(f->targets) == 0);
}

static void test_all_bad_lines_are_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, "192.0.2.1\n1.2.3\n\n# 5.6\n192.0.2.2 x\n300.1.1.1"), 3);
    assert_said(f, "list:2: '1.2.3' is not an IPv4 address (four numbers from 0 to 255, without "
                   "leading zeros)\n"
                   "list:5: 'x' is not a label (KEY=VALUE; keys are of a-z 0-9 _ -)\n"
                   "list:6: '300.1.1.1' is not an IPv4 address (four numbers from 0 to 255, "
                   "without leading zeros)\n");
    assert_int_equal(targets_add_argument(f->targets, ""), 1);
    assert_int_equal(targets_add_argument(f->targets, "192.0.2.3"), 0);
    assert_int_equal(targets_add_argument(f->targets, " # none"), 1);
    assert_said(f, "argument 1: there is no target in it\n"
                   "argument 3: there is no target in it\n");
}

#define UNHEARD                                                                                    \
    "what it expects of hosts that were given before is not heard: the first line that gives a "   \
    "host says all that is expected there\n"

static void test_expectations_that_come_too_late(void **state)
{
    struct fixture *f = *state;
    exclude(f, "192.0.2.9\n");
    assert_int_equal(add(f, "192.0.2.0/28 owner=x\n192.0.2.1 owner=y\n192.0.2.2-4 expect=imap\n"
                            "192.0.2.9 expect=imap\n192.0.2.15-16 expect=imap\n"
                            "192.0.2.16 expect=imap owner=z\n2001:db8::1 expect=pop3\n"
                            "[2001:db8::1]:143/imap expect=imap\n"),
                     0);
    assert_int_equal(targets_add_argument(f->targets, "192.0.2.16:1143/imap expect=imap,smtp"), 0);
    assert_int_equal(targets_build(f->targets), 3);
    assert_said(f, "list:3: " UNHEARD "argument 1: " UNHEARD "list:8: " UNHEARD);
}

static void test_expectations_of_names_that_come_too_late(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, "a.test expect=imap\nA.test\na.test expect=imap owner=x\n"
                            "a.test expect=smtp\nb.test\nb.test expect=imap\n"),
                     2);
    assert_said(f, "list:4: " UNHEARD "list:6: " UNHEARD);
}

/* Lines of a list that stand in another file. */
static void test_lines_from_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct target_host h;
    char text[256];
    static const char *const hosts[] = {"192.0.2.1", "192.0.2.2 owner=x", "192.0.2.3", "192.0.2.4"};
    static const uint64_t lines[] = {4, 5, 9, 10};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            targets_add_line(f->targets, i < 3 ? "a.yaml" : "b.yaml", lines[i], hosts[i]), 0);
    assert_int_equal(targets_add_line(f->targets, "b.yaml", 11, "192.0.2.0/33"), 1);
    assert_int_equal(targets_add_line(f->targets, "b.yaml", 12, " # none"), 1);
    assert_said(f, "b.yaml:11: '33' is not a prefix length from 0 to 32\n"
                   "b.yaml:12: there is no target in it\n");
    assert_int_equal(targets_build(f->targets), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_true(targets_host(f->targets, i, &h));
        snprintf(text, sizeof text, "%s:%u", h.file, (unsigned)h.line);
        assert_string_equal(text,
                            ((const char *[]){"a.yaml:4", "a.yaml:5", "a.yaml:9", "b.yaml:10"})[i]);
    }
}

static void test_nul(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "192.0.2.1\0\n192.0.2.2\n";
    assert_int_equal(add_bytes(f, (struct span){text, sizeof text - 1}), 1);
    assert_said(f, "list:1: '192.0.2.1?' has a NUL octet\n");
}

/* A line of a length, of labels that are no labels. */
static struct span long_line(char *buffer, size_t length, const char *line_end)
{
    memset(buffer, ' ', length);
    memcpy(buffer, "192.0.2.1", 9);
    memcpy(buffer + length, line_end, strlen(line_end));
    return (struct span){buffer, length + strlen(line_end)};
}

static void test_long_lines(void **state)
{
    static const char *const ends[] = {"", "\n", "\r\n"};
    struct fixture *f = *state;
    char *buffer = malloc(300000);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(add_bytes(f, long_line(buffer, 4096, ends[i])), 0);
        assert_said(f, "");
        assert_int_equal(add_bytes(f, long_line(buffer, 4097, ends[i])), 1);
        assert_int_equal(add_bytes(f, long_line(buffer, 4098, ends[i])), 1);
        assert_int_equal(add_bytes(f, long_line(buffer, 200000, ends[i])), 1);
        static const char message[] =
            "list:1: '192.0.2.1                                            "
            "                           ...' is longer than 4096 octets\n";
        char expected[512];
        snprintf(expected, sizeof expected, "%s%s%s", message, message, message);
        assert_said(f, expected);
    }
    free(buffer);
}

static void test_limits(void **state)
{
    struct fixture *f = *state;
    char line[4096];

    /* A label of 63 octets, a name of 253. */
    memset(line, 'a', sizeof line);
    for (size_t i = 63; i < 253; i += 64)
        line[i] = '.';
    line[253] = '\0';
    assert_int_equal(targets_add_argument(f->targets, line), 0);
    line[253] = 'a';
    line[254] = '\0';
    assert_int_equal(targets_add_argument(f->targets, line), 1);
    line[63] = 'a';
    line[65] = '\0';
    assert_int_equal(targets_add_argument(f->targets, line), 1);

    /* 32 labels, keys of 63 octets, values of 255. */
    int n = sprintf(line, "192.0.2.1 %063d=", 0);
    line[10] = 'k';
    memset(line + n, 'v', 255);
    strcpy(line + n + 255, "");
    assert_int_equal(targets_add_argument(f->targets, line), 0);
    strcpy(line + n + 255, "v");
    assert_int_equal(targets_add_argument(f->targets, line), 1);
    sprintf(line, "192.0.2.1 %064d=", 0);
    line[10] = 'k';
    assert_int_equal(targets_add_argument(f->targets, line), 1);
    n = sprintf(line, "192.0.2.1");
    for (int i = 0; i < 32; i++)
        n += sprintf(line + n, " k%d=v", i);
    assert_int_equal(targets_add_argument(f->targets, line), 0);
    strcpy(line + n, " k32=v");
    assert_int_equal(targets_add_argument(f->targets, line), 1);
    fflush(f->errors);
    assert_non_null(strstr(f->said, "' is longer than 253 octets\n"));
    assert_non_null(strstr(f->said, "' has a label longer than 63 octets\n"));
    assert_non_null(strstr(f->said, "'k32=v' is one label too many (32 are allowed)\n"));
}

static void test_masscan(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap,smtp");
    assert_true(choice_extend(f->choice, "ftp:143", f->errors));
    assert_int_equal(add(f, "#masscan\n"
                            "open tcp 143 192.0.2.1 1700000000\n"
                            "open tcp 993 192.0.2.1\n"
                            "open tcp 22 192.0.2.1 1700000000\n"
                            "open udp 143 192.0.2.2 1700000000\n"
                            "closed tcp 143 192.0.2.3 1700000000\n"
                            "banner tcp 143 192.0.2.1 1700000000 imap * OK ready\n"
                            "open tcp 25 2001:db8::1 1700000000\n"
                            "open label=value\n"
                            "# end\n"),
                     0);
    assert_said(f, "");
    assert_int_equal(targets_build(f->targets), 0);
    assert_true(targets_ignored(f->targets) == 4);
    assert_true(targets_are_found(f->targets));
    assert_hosts(f, "192.0.2.1 ftp/insecure:143 imap/insecure:143 imap/implicit:993 list:2\n"
                    "2001:db8::1 smtp/insecure:25 list:8\n"
                    "open ftp/insecure:143 imap/insecure:143 imap/implicit:993 smtp/insecure:25 "
                    "smtp/implicit:465 smtp/explicit:587 label=value list:9\n");
}

/* --- files --- */

static void test_sources(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap/insecure");
    assert_int_equal(targets_add_argument(f->targets, "192.0.2.1"), 0);
    assert_int_equal(targets_add_argument(f->targets, "192.0.2.2"), 0);
    assert_int_equal(add(f, "# one\n192.0.2.3\n192.0.2.1\n"), 0);
    assert_int_equal(add(f, ""), 0);
    assert_int_equal(add(f, "192.0.2.4\n"), 0);
    assert_int_equal(targets_add_argument(f->targets, "192.0.2.5"), 0);
    assert_int_equal(targets_build(f->targets), 0);
    assert_hosts(f, "192.0.2.1 imap/insecure:143 argument:1\n"
                    "192.0.2.2 imap/insecure:143 argument:2\n"
                    "192.0.2.3 imap/insecure:143 list:2\n"
                    "192.0.2.4 imap/insecure:143 list:1\n"
                    "192.0.2.5 imap/insecure:143 argument:3\n");
}

static void test_unreadable_files(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(targets_add_file(f->targets, "missing"), 1);
    assert_int_equal(targets_exclude_file(f->targets, "."), 1);
    assert_said(f, "missing: No such file or directory\n.: Is a directory\n");
}

static void test_pipe(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "192.0.2.1\n192.0.2.2";
    char path[32];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, sizeof text - 1), sizeof text - 1);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    assert_int_equal(targets_add_file(f->targets, path), 0);
    close(ends[0]);
    assert_int_equal(targets_build(f->targets), 0);
    assert_true(targets_count(f->targets) == 2);
}

/* --- overlaps, exclusions, numbers --- */

static void test_overlaps(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap/insecure");
    assert_int_equal(add(f, "192.0.2.2-4 who=first\n"
                            "192.0.2.1-3:25/smtp who=second\n"
                            "192.0.2.4\n"
                            "2001:db8::/127 who=six\n"
                            "[2001:db8::1]:25/smtp\n"
                            "a.test who=name\n"
                            "A.test.:25/smtp who=again\n"),
                     0);
    assert_said(f, "");
    assert_int_equal(targets_build(f->targets), 0);
    assert_hosts(f, "192.0.2.1 smtp/insecure:25 who=second list:2\n"
                    "192.0.2.2 imap/insecure:143 smtp/insecure:25 who=first list:1\n"
                    "192.0.2.3 imap/insecure:143 smtp/insecure:25 who=first list:1\n"
                    "192.0.2.4 imap/insecure:143 who=first list:1\n"
                    "2001:db8:: imap/insecure:143 who=six list:4\n"
                    "2001:db8::1 imap/insecure:143 smtp/insecure:25 who=six list:4\n"
                    "a.test imap/insecure:143 smtp/insecure:25 who=name list:6\n");
    assert_true(targets_endpoints(f->targets) == 11);
}

static void test_exclusions(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap/insecure");
    assert_int_equal(exclude(f, "# left alone\n"
                                "192.0.2.0/30\n"
                                "192.0.2.2-5 # overlaps\n"
                                "192.0.2.8\n"
                                "192.0.2.255\n"
                                "2001:db8::2-2001:db8::ffff\n"
                                "::/64\n"
                                "Secret.TEST.\n"),
                     0);
    assert_int_equal(exclude(f, "255.255.255.255\nffff::/16\n"), 0);
    assert_int_equal(add(f, "192.0.2.0/28\n192.0.2.254/31\n255.255.255.254/31\n"
                            "2001:db8::/112\n"
                            "secret.test\nopen.test\n"),
                     0);
    assert_said(f, "");
    assert_int_equal(targets_build(f->targets), 0);
    assert_described(f, "192.0.2.0/28 9 of 16 hosts imap:143\n"
                        "192.0.2.254/31 1 of 2 hosts imap:143\n"
                        "255.255.255.254/31 1 of 2 hosts imap:143\n"
                        "2001:db8::/112 2 of 65536 hosts imap:143\n"
                        "secret.test 0 of 1 host imap:143\n"
                        "open.test 1 host imap:143\n");
    assert_true(targets_count(f->targets) == 14);
    assert_host(f, 0, "192.0.2.6 imap/insecure:143 list:1");
    assert_host(f, 1, "192.0.2.7 imap/insecure:143 list:1");
    assert_host(f, 2, "192.0.2.9 imap/insecure:143 list:1");
    assert_host(f, 9, "192.0.2.254 imap/insecure:143 list:2");
    assert_host(f, 10, "255.255.255.254 imap/insecure:143 list:3");
    assert_host(f, 12, "2001:db8::1 imap/insecure:143 list:4");
    assert_host(f, 13, "open.test imap/insecure:143 list:6");
    assert_false(targets_are_found(f->targets));

    /* A name that is asked, at an address that is to be left alone, and at others. */
    struct targets_endpoint open = {.name = "open.test", .protocol = "imap", .port = 143};
    assert_int_equal(targets_scope(f->targets, NULL, &open), TARGETS_ASKED);
    assert_true(address_parse(span_of("192.0.2.8"), &open.address));
    assert_int_equal(targets_scope(f->targets, NULL, &open), TARGETS_EXCLUDED);
    assert_true(address_parse(span_of("203.0.113.8"), &open.address));
    assert_int_equal(targets_scope(f->targets, NULL, &open), TARGETS_ASKED);
    open.name = NULL;
    assert_int_equal(targets_scope(f->targets, NULL, &open), TARGETS_OUTSIDE);

    static const struct {
        const char *text;
        bool excluded;
    } cases[] = {{"192.0.1.255", false},
                 {"192.0.2.0", true},
                 {"192.0.2.5", true},
                 {"192.0.2.6", false},
                 {"192.0.2.8", true},
                 {"0.0.0.0", true}, /* no host's */
                 {"::", true},
                 {"::1", true},
                 {"224.0.0.1", true},
                 {"ff02::1", true},
                 {"fe80::1", true},
                 {"64:ff9b::192.0.2.8", true}, /* what spells 192.0.2.8 */
                 {"64:ff9b::192.0.2.9", false},
                 {"2002:c000:208::1", true},
                 {"2002:c000:209::1", false},
                 {"::ffff:192.0.2.8", true},
                 {"::1:0:0:0:0", false},
                 {"2001:db8::1", false},
                 {"2001:db8::2", true},
                 {"255.255.255.255", true},
                 {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address a;
        assert_true(address_parse(span_of(cases[i].text), &a));
        assert_int_equal(targets_excluded(f->targets, &a), cases[i].excluded);
    }
}

static void test_bad_exclusions(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(exclude(f, "192.0.2.0/24:143\n::/129\n192.0.2.1 owner=x\n1.2.3\n"), 4);
    assert_said(
        f,
        "exclude:1: '192.0.2.0/24:143' is not just one address, network, range or name to exclude\n"
        "exclude:2: '129' is not a prefix length from 0 to 128 (with a port: "
        "[ADDRESS]:PORT/PROTOCOL)\n"
        "exclude:3: '192.0.2.1 owner=x' is not just one address, network, range or name to "
        "exclude\n"
        "exclude:4: '1.2.3' is not an IPv4 address (four numbers from 0 to 255, without leading "
        "zeros)\n");
}

/* Networks that have others, too, are taken without the addresses that no host has, and without
   what spells an address that is excluded. */
static void test_networks_without_hosts(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap/insecure");
    assert_int_equal(exclude(f, "0.0.0.0\n224.0.0.0/4\n127.0.0.0/8\n::ffff:10.0.0.0/104\n"), 0);
    assert_int_equal(add(f, "0.0.0.0/30\n223.255.255.254-224.0.0.1\n255.255.255.254/31\n"
                            "::/127\nfebf:ffff:ffff:ffff:ffff:ffff:ffff:ffff-fec0::\n"
                            "64:ff9b::7f00:0/120\n64:ff9b::126.255.255.255-64:ff9b::127.0.0.1\n"
                            "9.255.255.255-10.0.0.1\n::ffff:9.0.0.0/127\n"
                            "64:ff9b::223.255.255.255-64:ff9b::224.0.0.1\n"),
                     0);
    assert_int_equal(targets_build(f->targets), 0);
    assert_said(f, "");
    assert_described(f, "0.0.0.0/30 3 of 4 hosts imap:143\n"
                        "223.255.255.254-224.0.0.1 2 of 4 hosts imap:143\n"
                        "255.255.255.254/31 1 of 2 hosts imap:143\n"
                        "::/127 1 of 2 hosts imap:143\n"
                        "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff-fec0:: 1 of 2 hosts imap:143\n"
                        "64:ff9b::7f00:0/120 0 of 256 hosts imap:143\n"
                        "64:ff9b::7eff:ffff-64:ff9b::7f00:1 1 of 3 hosts imap:143\n"
                        "9.255.255.255-10.0.0.1 1 of 3 hosts imap:143\n"
                        "9.0.0.0/31 2 hosts imap:143\n"
                        "64:ff9b::dfff:ffff-64:ff9b::e000:1 1 of 3 hosts imap:143\n");
}

static void test_numbers(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap");
    assert_int_equal(targets_add_argument(f->targets, "127.0.0.0/8"), 0);
    assert_int_equal(targets_build(f->targets), 0);
    assert_true(targets_count(f->targets) == 16777216);
    assert_true(targets_endpoints(f->targets) == 33554432);
    assert_host(f, 0, "127.0.0.0 imap/insecure:143 imap/implicit:993 argument:1");
    assert_host(f, 16777215, "127.255.255.255 imap/insecure:143 imap/implicit:993 argument:1");
    struct target_host host;
    assert_false(targets_host(f->targets, 16777216, &host));
}

static void test_everything(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap/insecure");
    assert_int_equal(add(f, "0.0.0.0/0\n[2001:db8::]/80:1/ftp\n2001:db9::ffff\n"), 0);
    assert_int_equal(exclude(f, "0.0.0.0/1\n2001:db8::/81\n"), 0);
    assert_int_equal(targets_build(f->targets), 0);
    uint64_t v4 = ((uint64_t)1 << 31) - ((uint64_t)1 << 28) - 1; /* no multicast, no broadcast */
    assert_true(targets_count(f->targets) == v4 + ((uint64_t)1 << 47) + 1);
    assert_true(targets_endpoints(f->targets) == targets_count(f->targets));
    assert_host(f, v4 - 1, "255.255.255.254 imap/insecure:143 list:1");
    assert_host(f, v4, "2001:db8::8000:0:0 ftp/insecure:1 list:2");
    assert_host(f, targets_count(f->targets) - 1, "2001:db9::ffff imap/insecure:143 list:3");
}

static void test_too_many_hosts(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(add(f, "2001:db8::/80\n192.0.2.1\n"), 0);
    assert_int_equal(targets_build(f->targets), 1);
    assert_said(f, "targets: they are more than 2^48 hosts\n");
}

static void test_too_many_services(void **state)
{
    struct fixture *f = *state;
    char line[64];
    for (unsigned port = 1; port <= CHOICE_SET_MAX; port++) {
        snprintf(line, sizeof line, "192.0.2.1:%u/imap", port);
        assert_int_equal(targets_add_argument(f->targets, line), 0);
        snprintf(line, sizeof line, "a.test:%u/imap", port);
        assert_int_equal(targets_add_argument(f->targets, line), 0);
    }
    assert_int_equal(targets_add_argument(f->targets, "a.test:2000/imap"), 1);
    assert_said(f, "argument 2049: the name would make more than 1024 services at one host\n");
    assert_int_equal(targets_add_argument(f->targets, "192.0.2.0/24:2000/imap"), 0);
    assert_int_equal(targets_build(f->targets), 1);
    assert_said(f, "targets: 192.0.2.1 would make more than 1024 services at one host\n");
}

static void test_empty(void **state)
{
    struct fixture *f = *state;
    struct target_host host;
    assert_int_equal(targets_build(f->targets), 0);
    assert_true(targets_count(f->targets) == 0);
    assert_true(targets_endpoints(f->targets) == 0);
    assert_false(targets_host(f->targets, 0, &host));
    assert_described(f, "");
}

/* --- against brute force: small spaces, at both ends of what hosts of both families have --- */

#define SPACE 96
#define NAMES 6
#define ROWS 5

static const struct space {
    const char *format; /* of an address, by its number in the space */
    unsigned base;
} spaces[] = {
    {"0.0.0.%u", 0},
    {"192.0.2.%u", 80},
    {"255.255.255.%u", 256 - SPACE},
    {"::%x", 0},
    {"2001:db8::%x", 0x10},
    {"feff:ffff:ffff:ffff:ffff:ffff:ffff:%x", 0x10000 - SPACE},
};

static const char *const rows[ROWS] = {"143/imap", "993/imap/implicit", "25/smtp", "2525/smtp",
                                       "21/ftp"};

static uint64_t random_state;

static unsigned below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % n);
}

/* What a list means, spelled out: for each host, which rows (bits), and which line was first (0:
   none). */
struct truth {
    const struct space *space;
    unsigned given[SPACE + NAMES], line[SPACE + NAMES];
    bool excluded[SPACE + NAMES];
};

static void print_address(const struct space *s, unsigned n, FILE *out)
{
    char text[ADDRESS_TEXT_MAX];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, s->format, s->base + n);
#pragma GCC diagnostic pop
    fputs(text, out);
}

/* Prints random hosts; they are *first..*last, where names follow the addresses. */
static void print_hosts(const struct space *s, FILE *out, unsigned *first, unsigned *last)
{
    unsigned shape = below(8);
    *first = *last = below(SPACE);
    bool bracket = strchr(s->format, ':');
    if (shape == 0) {
        *first = *last = SPACE + below(NAMES);
        fprintf(out, "n%u.test", *first - SPACE);
        return;
    }
    fputs(bracket ? "[" : "", out);
    if (shape < 4) { /* one */
        print_address(s, *first, out);
    } else if (shape < 7) { /* a range, a short one more often */
        *last = *first + below(shape == 4                   ? SPACE - *first
                               : SPACE / 8 < SPACE - *first ? SPACE / 8
                                                            : SPACE - *first);
        print_address(s, *first, out);
        fputc('-', out);
        print_address(s, *last, out);
    } else { /* a network: SPACE and the bases are multiples of 16 */
        unsigned bits = below(5);
        print_address(s, *first, out);
        fprintf(out, "/%u", (bracket ? 128 : 32) - bits);
        *first &= ~0u << bits;
        *last = *first | ((1u << bits) - 1);
    }
    fputs(bracket ? "]" : "", out);
}

/* The first and the last address of IPv4 are no host's, nor is the first of IPv6. */
static bool is_hostless(const struct space *s, unsigned n)
{
    return (s->base == 0 && n == 0) || (s->base == 256 - SPACE && n == SPACE - 1);
}

/* A line that has none but such an address would be a bad one: it is a comment here. */
static char *random_list(struct truth *t, unsigned lines, unsigned from)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    for (unsigned i = 1; i <= lines; i++) {
        unsigned first, last, row = below(ROWS);
        char hosts[2 * ADDRESS_TEXT_MAX + 8] = "";
        FILE *text_of_hosts = fmemopen(hosts, sizeof hosts, "w");
        print_hosts(t->space, text_of_hosts, &first, &last);
        fclose(text_of_hosts);
        bool none = first == last && is_hostless(t->space, first);
        fprintf(out, "%s%s:%s n=%u\n", none ? "#" : "", hosts, rows[row], from + i);
        for (unsigned n = first; n <= last; n++) {
            t->given[n] |= 1u << row;
            if (!t->line[n])
                t->line[n] = from + i;
        }
    }
    fclose(out);
    return text;
}

static char *random_exclusions(struct truth *t, unsigned lines)
{
    char *text;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    for (unsigned i = 0; i < lines; i++) {
        unsigned first, last;
        print_hosts(t->space, out, &first, &last);
        fputc('\n', out);
        for (unsigned n = first; n <= last; n++)
            t->excluded[n] = true;
    }
    fclose(out);
    return text;
}

/* The number of a host in its space; names follow the addresses. */
static unsigned number_of(const struct space *s, const struct target_host *h)
{
    if (h->name)
        return SPACE + (unsigned)strtoul(h->name + 1, NULL, 10);
    return (unsigned)(address_number(&h->address).low & (strchr(s->format, ':') ? 0xffff : 0xff)) -
           s->base;
}

static unsigned rows_of(const struct target_host *h)
{
    unsigned bits = 0;
    for (size_t i = 0; i < h->service_count; i++) {
        static const unsigned ports[ROWS] = {143, 993, 25, 2525, 21};
        for (unsigned row = 0; row < ROWS; row++)
            if (h->services[i]->port == ports[row]) {
                assert_false(bits & 1u << row);
                bits |= 1u << row;
            }
    }
    return bits;
}

/* Every endpoint that there could be, looked up. */
static void check_scope(const struct fixture *f, const struct targets_stream *stream,
                        const struct truth *t)
{
    static const struct {
        const char *protocol;
        uint16_t port;
    } services[ROWS] = {{"imap", 143}, {"imap", 993}, {"smtp", 25}, {"smtp", 2525}, {"ftp", 21}};
    for (unsigned n = 0; n < SPACE + NAMES; n++) {
        char text[ADDRESS_TEXT_MAX] = "";
        FILE *out = fmemopen(text, sizeof text, "w");
        struct targets_endpoint e = {0};
        if (n < SPACE)
            print_address(t->space, n, out);
        else
            fprintf(out, "n%u.test", n - SPACE);
        fclose(out);
        if (n < SPACE)
            assert_true(address_parse(span_of(text), &e.address));
        else
            e.name = text;
        for (unsigned row = 0; row < ROWS; row++) {
            e.protocol = services[row].protocol;
            e.port = services[row].port;
            enum targets_scope scope = t->excluded[n]              ? TARGETS_EXCLUDED
                                       : t->given[n] & (1u << row) ? TARGETS_ASKED
                                                                   : TARGETS_OUTSIDE;
            assert_int_equal(targets_scope(f->targets, stream, &e), scope);
            e.protocol = "pop3";
            assert_int_equal(targets_scope(f->targets, stream, &e),
                             t->excluded[n] ? TARGETS_EXCLUDED : TARGETS_OUTSIDE);
        }
    }
}

static void check_held(const struct fixture *f, const struct truth *t)
{
    uint64_t index = 0, endpoints = 0;
    bool seen[SPACE + NAMES] = {false};
    unsigned before = 0;
    for (unsigned n = 0; n < SPACE + NAMES; n++) {
        struct target_host h;
        if (!t->given[n] || t->excluded[n])
            continue;
        assert_true(targets_host(f->targets, index, &h));
        unsigned number = number_of(t->space, &h);
        assert_true(number < SPACE + NAMES && !seen[number]);
        if (number < SPACE)
            assert_true(number >= before);
        before = number;
        seen[number] = true;
        assert_int_equal(rows_of(&h), t->given[number]);
        assert_int_equal(h.line, t->line[number]);
        assert_int_equal(strtoul(h.labels[0].value, NULL, 10), t->line[number]);
        endpoints += h.service_count;
        index++;
    }
    assert_true(targets_count(f->targets) == index);
    assert_true(targets_endpoints(f->targets) == endpoints);
}

/* Pulls what there is; every host must bring services that it had not, and that it should have. */
static enum targets_step pull(struct targets_stream *stream, const struct truth *t, unsigned *had)
{
    struct target_host h;
    enum targets_step step;
    while ((step = targets_stream_next(stream, &h)) == TARGETS_HOST) {
        unsigned n = number_of(t->space, &h), bits = rows_of(&h);
        assert_true(n < SPACE + NAMES && bits && !t->excluded[n]);
        assert_int_equal(bits & had[n], 0);
        had[n] |= bits;
        assert_string_equal(h.file, "input");
        assert_int_equal(h.line + 1000, strtoul(h.labels[0].value, NULL, 10));
    }
    return step;
}

static void check_stream(const struct fixture *f, const struct truth *held,
                         const struct truth *both, const char *list, size_t chunk)
{
    struct targets_stream *stream = targets_stream_open(f->targets, "input");
    unsigned had[SPACE + NAMES];
    for (unsigned n = 0; n < SPACE + NAMES; n++)
        had[n] = held->excluded[n] ? 0 : held->given[n];
    for (struct span rest = span_of(list); rest.len; rest = span_from(rest, chunk)) {
        assert_int_equal(pull(stream, both, had), TARGETS_NEED_MORE);
        targets_stream_feed(stream, span_until(rest, chunk));
    }
    assert_int_equal(pull(stream, both, had), TARGETS_NEED_MORE);
    targets_stream_end(stream);
    assert_int_equal(pull(stream, both, had), TARGETS_END);
    for (unsigned n = 0; n < SPACE + NAMES; n++)
        assert_int_equal(had[n], both->excluded[n] ? 0 : both->given[n]);
    assert_true(targets_stream_errors(stream) == 0);
    check_scope(f, stream, both);
    check_scope(f, NULL, held);
    targets_stream_free(stream);
}

static void test_random(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 600; round++) {
        random_state = round;
        struct truth held = {.space = &spaces[round % (sizeof spaces / sizeof spaces[0])]};
        for (unsigned n = 0; n < SPACE; n++)
            held.excluded[n] = is_hostless(held.space, n);
        struct fixture f;
        begin(&f);
        char *list = random_list(&held, below(round % 7 ? 20 : 120), 0);
        char *exclusions = random_exclusions(&held, below(6));
        assert_int_equal(add(&f, list), 0);
        assert_int_equal(exclude(&f, exclusions), 0);
        assert_int_equal(targets_build(f.targets), 0);
        check_held(&f, &held);

        struct truth both = held;
        char *more = random_list(&both, 1 + below(60), 1000);
        check_stream(&f, &held, &both, more, 1 + below(300));
        check_held(&f, &held); /* a stream changes nothing of what is held */
        assert_said(&f, "");
        free(list);
        free(exclusions);
        free(more);
        end(&f);
    }
}

/* --- streams --- */

/* Feeds a text in pieces of a size, each in memory of its own, and writes down all hosts. */
static char *stream_text(struct targets_stream *stream, struct span text, size_t chunk)
{
    char *out, one[1024];
    size_t length;
    FILE *file = open_memstream(&out, &length);
    char *piece = NULL;
    struct target_host host;
    enum targets_step step;
    while ((step = targets_stream_next(stream, &host)) != TARGETS_END) {
        if (step == TARGETS_HOST) {
            host_text(&host, one, sizeof one);
            fprintf(file, "%s\n", one);
            continue;
        }
        assert_int_equal(step, TARGETS_NEED_MORE);
        struct span next = span_until(text, chunk);
        text = span_from(text, next.len);
        free(piece);
        piece = malloc(next.len + !next.len);
        if (next.len) {
            memcpy(piece, next.at, next.len);
            targets_stream_feed(stream, (struct span){piece, next.len});
        } else {
            targets_stream_end(stream);
        }
    }
    free(piece);
    fclose(file);
    return out;
}

static void assert_streamed(struct fixture *f, struct span text, size_t chunk, const char *hosts)
{
    struct targets_stream *stream = targets_stream_open(f->targets, "stdin");
    char *out = stream_text(stream, text, chunk);
    assert_string_equal(out, hosts);
    free(out);
    targets_stream_free(stream);
}

static void test_stream_chunks(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "\xef\xbb\xbf# list\r\n192.0.2.0/30 a=b\n1.2.3\nopen tcp 143 192.0.2.9 17\n"
        "\r\nMail.test.:1143/imap # x\n\n192.0.2.0\n2001:db8::1";
    static const char hosts[] = "192.0.2.0 imap/insecure:143 a=b stdin:2\n"
                                "192.0.2.2 imap/insecure:143 a=b stdin:2\n"
                                "192.0.2.9 imap/insecure:143 stdin:4\n"
                                "mail.test imap/insecure:1143 stdin:6\n"
                                "2001:db8::1 imap/insecure:143 stdin:9\n";
    narrow(f, "imap/insecure");
    assert_int_equal(add(f, "192.0.2.1\n"), 0);
    assert_int_equal(exclude(f, "192.0.2.3\n"), 0);
    assert_int_equal(targets_build(f->targets), 0);
    for (size_t chunk = 1; chunk <= sizeof text; chunk++) {
        assert_streamed(f, span_of(text), chunk, hosts);
        assert_said(f, "stdin:3: '1.2.3' is not an IPv4 address "
                       "(four numbers from 0 to 255, without leading zeros)\n");
    }
}

static void test_stream_bad_lines(void **state)
{
    struct fixture *f = *state;
    static const char bad[] = "192.0.2.1\0\nx y\n192.0.2.2";
    narrow(f, "imap/insecure");
    assert_int_equal(targets_build(f->targets), 0);
    char *buffer = malloc(100000 + 1);
    for (size_t chunk = 1; chunk < 10000; chunk = chunk * 3 + 1) {
        assert_streamed(f, (struct span){bad, sizeof bad - 1}, chunk,
                        "192.0.2.2 imap/insecure:143 stdin:3\n");
        assert_streamed(f, long_line(buffer, 4096, "\r\n"), chunk,
                        "192.0.2.1 imap/insecure:143 stdin:1\n");
        assert_streamed(f, long_line(buffer, 99000, "\n\n"), chunk, "");
        assert_said(
            f, "stdin:1: '192.0.2.1?' has a NUL octet\n"
               "stdin:2: 'y' is not a label (KEY=VALUE; keys are of a-z 0-9 _ -)\n"
               "stdin:1: '192.0.2.1                                                            "
               "           ...' is longer than 4096 octets\n");
    }
    free(buffer);
}

/* A network is walked, not spelled out: hosts come as they are asked for. */
static void test_stream_is_lazy(void **state)
{
    struct fixture *f = *state;
    struct target_host host;
    assert_int_equal(targets_build(f->targets), 0);
    struct targets_stream *stream = targets_stream_open(f->targets, "stdin");
    targets_stream_feed(stream, span_of("2001:db8::/80\n2001:db8::/81\n"));
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(targets_stream_next(stream, &host), TARGETS_HOST);
    assert_true(address_number(&host.address).low == 99999);
    targets_stream_free(stream);
}

static uint64_t count_hosts(struct targets_stream *stream, const char *text)
{
    struct target_host host;
    uint64_t count = 0;
    targets_stream_feed(stream, span_of(text));
    while (targets_stream_next(stream, &host) == TARGETS_HOST)
        count++;
    return count;
}

/* Thousands of spans in random order, then networks over them. */
static void spans_and_networks(struct fixture *f, const char *address, const char *network,
                               unsigned per_network)
{
    static bool seen[256 * 64];
    char line[64];
    unsigned distinct = 0;
    memset(seen, 0, sizeof seen);
    struct targets_stream *stream = targets_stream_open(f->targets, "stdin");
    for (unsigned i = 0; i < 20000; i++) {
        unsigned n = below(sizeof seen);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(line, sizeof line, address, n >> 8, n & 0xff);
        assert_int_equal(count_hosts(stream, line), !seen[n]);
        distinct += !seen[n];
        seen[n] = true;
    }
    unsigned rest = 0;
    for (unsigned i = 0; i < sizeof seen / per_network; i++) {
        snprintf(line, sizeof line, network, i);
#pragma GCC diagnostic pop
        unsigned count = (unsigned)count_hosts(stream, line);
        for (unsigned n = 0; n < per_network; n++)
            count += seen[i * per_network + n];
        assert_int_equal(count, per_network);
        rest += count;
        assert_int_equal(count_hosts(stream, line), 0);
    }
    assert_int_equal(rest, sizeof seen);
    assert_true(distinct < sizeof seen);
    targets_stream_free(stream);
}

static void test_stream_many(void **state)
{
    struct fixture *f = *state;
    random_state = 1;
    narrow(f, "imap");
    assert_int_equal(targets_build(f->targets), 0);
    spans_and_networks(f, "10.0.%u.%u\n", "10.0.%u.0/24\n", 256);
    spans_and_networks(f, "2001:db8::%x:%x\n", "2001:db8::%1$x:0-2001:db8::%1$x:ff\n", 256);
}

static void test_stream_ascending_and_descending(void **state)
{
    struct fixture *f = *state;
    char line[64];
    narrow(f, "imap");
    assert_int_equal(targets_build(f->targets), 0);
    struct targets_stream *stream = targets_stream_open(f->targets, "stdin");
    for (unsigned i = 0; i < 5000; i++) { /* every second one: they must not fuse */
        snprintf(line, sizeof line, "10.1.%u.%u\n", i * 2 >> 8, i * 2 & 0xff);
        assert_int_equal(count_hosts(stream, line), 1);
        snprintf(line, sizeof line, "10.0.%u.%u\n", (9998 - i * 2) >> 8, (9998 - i * 2) & 0xff);
        assert_int_equal(count_hosts(stream, line), 1);
    }
    assert_int_equal(count_hosts(stream, "10.0.0.0/15\n"), 131072 - 10000);
    assert_int_equal(count_hosts(stream, "0.0.0.0/5\n10.0.0.0/15\n"), ((uint64_t)1 << 27) - 1);
    targets_stream_free(stream);
}

static void test_stream_without_hosts(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap");
    assert_int_equal(exclude(f, "127.0.0.0/8\n"), 0);
    assert_int_equal(targets_build(f->targets), 0);
    struct targets_stream *stream = targets_stream_open(f->targets, "stdin");
    assert_int_equal(count_hosts(stream, "0.0.0.0/31\n"), 1);
    assert_int_equal(count_hosts(stream, "223.255.255.255-224.0.0.9\n"), 1);
    assert_int_equal(count_hosts(stream, "64:ff9b::7f00:0/120\n"), 0);
    assert_int_equal(count_hosts(stream, "::/127\n"), 1);
    assert_int_equal(targets_stream_errors(stream), 0);
    assert_int_equal(count_hosts(stream, "0.0.0.0\n"), 0);
    assert_int_equal(count_hosts(stream, "fe80::1%lo\n"), 0);
    assert_int_equal(targets_stream_errors(stream), 2);
    assert_said(f, "stdin:5: '0.0.0.0' is the unspecified address, which no host has\n"
                   "stdin:6: 'fe80::1%lo' has a zone (%): " ZONES "\n");
    targets_stream_free(stream);
}

static void test_stream_more_services(void **state)
{
    struct fixture *f = *state;
    narrow(f, "imap");
    assert_int_equal(add(f, "192.0.2.1:143/imap\nheld.test:143\n"), 0);
    assert_int_equal(exclude(f, "out.test\n"), 0);
    assert_int_equal(targets_build(f->targets), 0);
    assert_streamed(f,
                    span_of("192.0.2.1\n192.0.2.1\n192.0.2.0-2:25/smtp\n192.0.2.1:25/smtp\n"
                            "held.test n=1\nHeld.test n=2\nout.test\nnew.test:143\nnew.test\n"),
                    7,
                    "192.0.2.1 imap/implicit:993 stdin:1\n"
                    "192.0.2.0 smtp/insecure:25 stdin:3\n"
                    "192.0.2.1 smtp/insecure:25 stdin:3\n"
                    "192.0.2.2 smtp/insecure:25 stdin:3\n"
                    "held.test imap/implicit:993 n=1 stdin:5\n"
                    "new.test imap/insecure:143 stdin:8\n"
                    "new.test imap/implicit:993 stdin:9\n");
}

static void test_stream_too_many_services(void **state)
{
    struct fixture *f = *state;
    char line[64];
    narrow(f, "imap/insecure");
    assert_int_equal(targets_build(f->targets), 0);
    struct targets_stream *stream = targets_stream_open(f->targets, "stdin");
    for (unsigned port = 1; port <= CHOICE_SET_MAX; port++) {
        snprintf(line, sizeof line, "192.0.2.1:%u/imap\na.test:%u/imap\n", port, port);
        assert_int_equal(count_hosts(stream, line), 2);
    }
    assert_int_equal(count_hosts(stream, "192.0.2.0/30:2000/imap\na.test:2000/imap\n192.0.2.3\n"),
                     2);
    assert_true(targets_stream_errors(stream) == 2);
    assert_said(f, "stdin:2049: the target would make more than 1024 services at one host\n"
                   "stdin:2050: the target would make more than 1024 services at one host\n");
    targets_stream_free(stream);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_syntax),
        TEST(test_layout),
        TEST(test_bad_lines),
        TEST(test_all_bad_lines_are_told),
        TEST(test_expectations_that_come_too_late),
        TEST(test_expectations_of_names_that_come_too_late),
        TEST(test_lines_from_elsewhere),
        TEST(test_nul),
        TEST(test_long_lines),
        TEST(test_limits),
        TEST(test_masscan),
        TEST(test_sources),
        TEST(test_unreadable_files),
        TEST(test_pipe),
        TEST(test_overlaps),
        TEST(test_exclusions),
        TEST(test_bad_exclusions),
        TEST(test_networks_without_hosts),
        TEST(test_stream_without_hosts),
        TEST(test_numbers),
        TEST(test_everything),
        TEST(test_too_many_hosts),
        TEST(test_too_many_services),
        TEST(test_empty),
        cmocka_unit_test(test_random),
        TEST(test_stream_chunks),
        TEST(test_stream_bad_lines),
        TEST(test_stream_is_lazy),
        TEST(test_stream_many),
        TEST(test_stream_ascending_and_descending),
        TEST(test_stream_more_services),
        TEST(test_stream_too_many_services),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
