/* SPDX-License-Identifier: MIT */
/* The protocol table, and what --services and --ports make of it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "protocols/dialogue.h"
#include "protocols/services.h"
#include "scanner/choice.h"

static void test_table(void **state)
{
    (void)state;
    static const struct {
        const char *protocol;
        uint16_t port;
        enum mode mode;
    } rows[] = {
        {"ftp", 21, MODE_INSECURE},   {"ftp", 990, MODE_IMPLICIT},  {"ftp", 991, MODE_EXPLICIT},
        {"imap", 143, MODE_INSECURE}, {"imap", 993, MODE_IMPLICIT}, {"pop3", 110, MODE_INSECURE},
        {"pop3", 995, MODE_IMPLICIT}, {"smtp", 25, MODE_INSECURE},  {"smtp", 465, MODE_IMPLICIT},
        {"smtp", 587, MODE_EXPLICIT},
    };
    assert_int_equal(services_table_count, sizeof rows / sizeof rows[0]);
    for (size_t i = 0; i < services_table_count; i++) {
        assert_string_equal(services_table[i].protocol->name, rows[i].protocol);
        assert_int_equal(services_table[i].port, rows[i].port);
        assert_int_equal(services_table[i].mode, rows[i].mode);
    }
}

static void test_modes(void **state)
{
    (void)state;
    for (enum mode m = MODE_INSECURE; m <= MODE_EXPLICIT; m++) {
        enum mode back = MODE_INSECURE;
        assert_true(mode_parse(span_of(mode_name(m)), &back));
        assert_int_equal(back, m);
    }
    enum mode m = MODE_EXPLICIT;
    assert_true(mode_parse(span_of("IMPLICIT"), &m));
    assert_int_equal(m, MODE_IMPLICIT);
    assert_false(mode_parse(span_of(""), &m));
    assert_false(mode_parse(span_of("implicitly"), &m));
    assert_false(mode_parse(span_of("implici"), &m));
}

static void test_protocols(void **state)
{
    (void)state;
    assert_ptr_equal(protocol_find(span_of("ftp")), &protocol_ftp);
    assert_ptr_equal(protocol_find(span_of("imap")), &protocol_imap);
    assert_ptr_equal(protocol_find(span_of("POP3")), &protocol_pop3);
    assert_ptr_equal(protocol_find(span_of("smtp")), &protocol_smtp);
    assert_null(protocol_find(span_of("")));
    assert_null(protocol_find(span_of("imap4")));
    assert_null(protocol_find(span_of("ima")));
}

static void test_ports(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "0",   "65536", "99999", "100000", "4294967439", "-1",
                                      "+25", " 25", "25 ",   "0x19",  "025",    "2 5"};
    uint16_t port = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(port_parse(span_of(bad[i]), &port));
    assert_int_equal(port, 7);
    assert_true(port_parse(span_of("1"), &port));
    assert_int_equal(port, 1);
    assert_true(port_parse(span_of("65535"), &port));
    assert_int_equal(port, 65535);
}

/* --- the choice --- */

struct fixture {
    struct choice *choice;
    char *said;
    size_t said_len;
    FILE *errors;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->choice = choice_new();
    f->errors = open_memstream(&f->said, &f->said_len);
    *state = f;
    return f->choice && f->errors ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fclose(f->errors);
    free(f->said);
    choice_free(f->choice);
    free(f);
    return 0;
}

static void assert_rows(const struct service_set *set, const char *expected)
{
    char text[1024] = "";
    size_t len = 0;
    for (size_t i = 0; i < set->count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s/%s:%d", i ? " " : "",
                                set->rows[i]->protocol->name, mode_name(set->rows[i]->mode),
                                set->rows[i]->port);
    assert_string_equal(text, expected);
}

static void assert_said(struct fixture *f, const char *expected)
{
    fflush(f->errors);
    assert_string_equal(f->said, expected);
}

static void test_choice_default(void **state)
{
    struct fixture *f = *state;
    assert_rows(choice_chosen(f->choice),
                "ftp/insecure:21 ftp/implicit:990 ftp/explicit:991 imap/insecure:143 "
                "imap/implicit:993 pop3/insecure:110 pop3/implicit:995 smtp/insecure:25 "
                "smtp/implicit:465 smtp/explicit:587");
}

static void test_choice_narrow(void **state)
{
    struct fixture *f = *state;
    assert_true(choice_narrow(f->choice, "imap,ftp/explicit", f->errors));
    assert_rows(choice_chosen(f->choice), "ftp/explicit:991 imap/insecure:143 imap/implicit:993");
    assert_true(choice_narrow(f->choice, "SMTP/implicit", f->errors));
    assert_rows(choice_chosen(f->choice),
                "ftp/explicit:991 imap/insecure:143 imap/implicit:993 smtp/implicit:465");
    assert_said(f, "");
}

static void test_choice_narrow_errors(void **state)
{
    struct fixture *f = *state;
    assert_false(
        choice_narrow(f->choice, "imap,,gopher,ftp/safe,imap/explicit,ftp\x1b", f->errors));
    assert_said(f, "--services: '' has no known protocol (see the command services)\n"
                   "--services: 'gopher' has no known protocol (see the command services)\n"
                   "--services: 'ftp/safe' has no known mode (insecure, implicit, explicit)\n"
                   "--services: 'imap/explicit' is not in the protocol table\n"
                   "--services: 'ftp?' has no known protocol (see the command services)\n");
}

static void test_choice_extend(void **state)
{
    struct fixture *f = *state;
    assert_true(choice_extend(f->choice, "smtp:2525,imap/implicit:1143,imap:143", f->errors));
    assert_true(choice_narrow(f->choice, "imap/insecure", f->errors));
    assert_rows(choice_chosen(f->choice),
                "imap/insecure:143 imap/implicit:1143 smtp/insecure:2525");
    assert_said(f, "");
}

static void test_choice_extend_errors(void **state)
{
    struct fixture *f = *state;
    assert_false(
        choice_extend(f->choice, "smtp,smtp:,smtp:0,smtp:65536,nntp:119,smtp/x:25", f->errors));
    assert_said(f, "--ports: 'smtp' has no port from 1 to 65535 (PROTOCOL[/MODE]:PORT)\n"
                   "--ports: 'smtp:' has no port from 1 to 65535 (PROTOCOL[/MODE]:PORT)\n"
                   "--ports: 'smtp:0' has no port from 1 to 65535 (PROTOCOL[/MODE]:PORT)\n"
                   "--ports: 'smtp:65536' has no port from 1 to 65535 (PROTOCOL[/MODE]:PORT)\n"
                   "--ports: 'nntp:119' has no known protocol (see the command services)\n"
                   "--ports: 'smtp/x:25' has no known mode (insecure, implicit, explicit)\n");
}

static void test_sets(void **state)
{
    struct fixture *f = *state;
    struct choice *c = f->choice;
    const struct service_set *all = choice_chosen(c), *none = choice_set(c, 0);
    const struct service_set *imap = choice_on_port(c, 143);
    const struct service_set *odd =
        choice_single(c, (struct service){&protocol_imap, 1143, MODE_INSECURE});
    assert_int_equal(none->count, 0);
    assert_rows(imap, "imap/insecure:143");
    assert_ptr_equal(choice_on_port(c, 1143), none); /* not chosen */
    assert_ptr_equal(choice_union(c, all, imap), all);
    assert_ptr_equal(choice_union(c, imap, odd), choice_union(c, odd, imap));
    assert_rows(choice_union(c, imap, odd), "imap/insecure:143 imap/insecure:1143");
    assert_ptr_equal(choice_minus(c, imap, all), none);
    assert_ptr_equal(choice_minus(c, odd, all), odd);
    assert_ptr_equal(choice_minus(c, choice_union(c, imap, odd), imap), odd);
    assert_ptr_equal(choice_union(c, none, none), none);
    /* A row is one pointer, whatever set it is in. */
    assert_ptr_equal(choice_single(c, *imap->rows[0])->rows[0], all->rows[3]);
    for (uint32_t i = 0; i < choice_set_count(c); i++)
        assert_int_equal(choice_set(c, i)->id, i);
}

static void test_set_limit(void **state)
{
    struct fixture *f = *state;
    const struct service_set *sum = choice_set(f->choice, 0);
    for (uint16_t port = 1; port <= CHOICE_SET_MAX; port++)
        sum = choice_union(
            f->choice, sum,
            choice_single(f->choice, (struct service){&protocol_ftp, port, MODE_INSECURE}));
    assert_int_equal(sum->count, CHOICE_SET_MAX);
    const struct service_set *more =
        choice_single(f->choice, (struct service){&protocol_ftp, 9999, MODE_INSECURE});
    assert_null(choice_union(f->choice, sum, more));
    assert_string_equal(choice_error(f->choice), "would make more than 1024 services at one host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_ports),
        cmocka_unit_test_setup_teardown(test_choice_default, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice_narrow, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice_narrow_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice_extend, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice_extend_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_limit, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
