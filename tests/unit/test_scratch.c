/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static int on_begin(void **state)
{
    static char folder[] = "/tmp/scratch.XXXXXX";
    *state = mkdtemp(folder);
    return *state && setenv("TMPDIR", *state, 1) == 0 ? 0 : -1;
}

static int on_end(void **state)
{
    return rmdir(*state); /* nothing was left in it */
}

static void has_a_name_and_one_reader(void **state)
{
    struct stat status;
    char *name;
    FILE *f = scratch_named("changes", &name);
    assert_non_null(f);
    assert_memory_equal(name, *state, strlen(*state));
    assert_non_null(strstr(name, "/starttls-audit-changes."));
    assert_int_equal(fstat(fileno(f), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(fcntl(fileno(f), F_GETFD) & FD_CLOEXEC);
    fclose(f);
    assert_int_equal(unlink(name), 0);
    free(name);
}

static void has_no_name(void **state)
{
    char text[8] = "";
    FILE *f = scratch_open();
    (void)state;
    assert_non_null(f);
    assert_true(fputs("abc", f) >= 0);
    rewind(f);
    assert_non_null(fgets(text, sizeof text, f));
    assert_string_equal(text, "abc");
    fclose(f);
}

static void says_why_not(void **state)
{
    char *name;
    setenv("TMPDIR", "/proc/none", 1);
    errno = 0;
    assert_null(scratch_named("changes", &name));
    assert_int_equal(errno, ENOENT);
    assert_null(name);
    assert_null(scratch_open());
    setenv("TMPDIR", *state, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(has_a_name_and_one_reader),
        cmocka_unit_test(has_no_name),
        cmocka_unit_test(says_why_not),
    };
    return cmocka_run_group_tests(tests, on_begin, on_end);
}
