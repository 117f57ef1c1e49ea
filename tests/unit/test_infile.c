/* SPDX-License-Identifier: MIT */
/* Lines of files: whole, torn, empty, and too long. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/infile.h"

static char path[] = "/tmp/test-infile-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* The file holds a line of so many octets, and then the text. */
static void write_file(size_t octets, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; i < octets; i++)
        fputc('x', f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void assert_next(struct infile *f, enum infile_step step, uint64_t number, const char *text)
{
    struct span line = {"", 0};
    assert_int_equal(infile_next(f, &line), step);
    if (text) {
        assert_int_equal(f->number, number);
        assert_int_equal(line.len, strlen(text));
        assert_memory_equal(line.at, text, line.len);
    }
}

static void test_lines(void **state)
{
    (void)state;
    struct infile f;
    write_file(0, "one\n\nthree\r\nfour");
    assert_true(infile_open(&f, path));
    assert_next(&f, INFILE_LINE, 1, "one");
    assert_next(&f, INFILE_LINE, 2, "");
    assert_next(&f, INFILE_LINE, 3, "three\r");
    assert_next(&f, INFILE_TORN, 4, "four");
    assert_next(&f, INFILE_END, 0, NULL);
    assert_next(&f, INFILE_END, 0, NULL);
    infile_close(&f);
}

static void test_empty_file(void **state)
{
    (void)state;
    struct infile f;
    write_file(0, "");
    assert_true(infile_open(&f, path));
    assert_next(&f, INFILE_END, 0, NULL);
    infile_close(&f);
}

/* The longest line that is taken, and all around it. */
static void test_long_lines(void **state)
{
    (void)state;
    static const size_t sizes[] = {65535,
                                   65536,
                                   65537,
                                   INFILE_LINE_MAX - 1,
                                   INFILE_LINE_MAX,
                                   INFILE_LINE_MAX + 1,
                                   INFILE_LINE_MAX + 65536,
                                   3 * INFILE_LINE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bool fits = sizes[i] <= INFILE_LINE_MAX;
        for (int torn = 0; torn < 2; torn++) {
            struct infile f;
            struct span line;
            write_file(sizes[i], torn ? "" : "\nnext\n");
            assert_true(infile_open(&f, path));
            assert_int_equal(infile_next(&f, &line), !fits  ? INFILE_LONG
                                                     : torn ? INFILE_TORN
                                                            : INFILE_LINE);
            if (fits)
                assert_int_equal(line.len, sizes[i]);
            assert_true(f.max <= 4 * INFILE_LINE_MAX);
            if (!torn)
                assert_next(&f, INFILE_LINE, 2, "next");
            assert_next(&f, INFILE_END, 0, NULL);
            infile_close(&f);
        }
    }
}

/* A descriptor that stays the caller's, from its beginning and from any line on. */
static void test_places(void **state)
{
    (void)state;
    struct infile f;
    write_file(0, "one\n\nthree\nfour");
    int fd = open(path, O_RDONLY);
    assert_int_equal(lseek(fd, 7, SEEK_SET), 7);
    assert_true(infile_adopt(&f, fd, "name"));
    assert_string_equal(f.name, "name");
    assert_next(&f, INFILE_LINE, 1, "one");
    assert_int_equal(f.place, 4);
    assert_next(&f, INFILE_LINE, 2, "");
    assert_int_equal(f.place, 5);
    assert_next(&f, INFILE_LINE, 3, "three");
    assert_next(&f, INFILE_TORN, 4, "four");
    assert_int_equal(f.place, 15);
    assert_next(&f, INFILE_END, 0, NULL);
    assert_true(infile_seek(&f, 5, 2));
    assert_next(&f, INFILE_LINE, 3, "three");
    assert_int_equal(f.place, 11);
    infile_close(&f);
    assert_int_equal(close(fd), 0);
    assert_false(infile_adopt(&f, fd, "name"));
    assert_int_equal(f.error, EBADF);
    infile_close(&f);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    struct infile f;
    struct span line;
    assert_false(infile_open(&f, "/no/such/file"));
    assert_int_equal(f.error, ENOENT);
    infile_close(&f);
    assert_true(infile_open(&f, "/"));
    assert_int_equal(infile_next(&f, &line), INFILE_FAILED);
    assert_int_equal(f.error, EISDIR);
    infile_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_what_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
