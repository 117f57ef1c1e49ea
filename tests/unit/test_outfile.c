/* SPDX-License-Identifier: MIT */
/* Pieces go out whole, or not at all. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/outfile.h"

#define LIMIT 1000

/* A file of ours that may not grow beyond LIMIT octets, with something in it that was there. */
struct scene {
    char path[64];
    struct outfile file;
    struct rlimit before;
};

static void scene_begin(struct scene *s, int flags)
{
    strcpy(s->path, "/tmp/test_outfile.XXXXXX");
    int fd = mkstemp(s->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "there before\n", 13), 13);
    close(fd);
    s->file = (struct outfile){.fd = open(s->path, O_WRONLY | flags), .name = s->path};
    assert_true(s->file.fd >= 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &s->before), 0);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {LIMIT, s->before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void scene_end(struct scene *s)
{
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &s->before), 0);
    unlink(s->path);
}

static void assert_content(const struct scene *s, const char *expected)
{
    char text[2 * LIMIT] = "";
    FILE *f = fopen(s->path, "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    assert_int_equal(n, strlen(expected));
    assert_string_equal(text, expected);
}

static void full(int flags, const char *expected)
{
    char piece[600];
    struct scene s;
    memset(piece, 'x', sizeof piece);
    scene_begin(&s, flags);
    assert_true(outfile_write(&s.file, "", 0));
    assert_true(outfile_write(&s.file, "one\n", 4));
    assert_true(outfile_write(&s.file, "two\n", 4));
    assert_true(outfile_write(&s.file, piece, sizeof piece));
    assert_true(outfile_write(&s.file, "\n", 1));
    /* The first part of it would fit. */
    assert_false(outfile_write(&s.file, piece, sizeof piece));
    assert_int_equal(s.file.error, EFBIG);
    assert_false(outfile_write(&s.file, "never again\n", 12));
    assert_false(outfile_close(&s.file));
    char content[2 * LIMIT];
    snprintf(content, sizeof content, "%sone\ntwo\n%.600s\n", expected, piece);
    assert_content(&s, content);
    scene_end(&s);
}

static void test_a_full_disk_leaves_no_half_piece(void **state)
{
    (void)state;
    full(O_TRUNC, "");
}

static void test_nor_where_it_is_appended(void **state)
{
    (void)state;
    full(O_APPEND, "there before\n");
}

/* Nothing of a piece was written: nothing is cut. */
static void test_what_was_there_stays(void **state)
{
    struct scene s;
    (void)state;
    scene_begin(&s, 0);
    close(s.file.fd);
    s.file.fd = open(s.path, O_RDONLY);
    assert_false(outfile_write(&s.file, "one\n", 4));
    assert_int_equal(s.file.error, EBADF);
    outfile_close(&s.file);
    assert_content(&s, "there before\n");
    scene_end(&s);
}

/* A pipe cannot be cut; a slow reader is waited for. */
static void test_a_slow_reader(void **state)
{
    enum { PIECE = 1 << 20 };
    int ends[2];
    char *piece = malloc(PIECE), *got = malloc(PIECE);
    (void)state;
    assert_true(piece && got);
    for (size_t i = 0; i < PIECE; i++)
        piece[i] = (char)(i * 7 % 251);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct outfile f = {.fd = ends[1], .name = "pipe"};
        close(ends[0]);
        fcntl(f.fd, F_SETFL, O_NONBLOCK);
        _exit(!outfile_write(&f, piece, PIECE));
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], got + len, PIECE - len)) > 0;)
        len += (size_t)n;
    assert_int_equal(len, PIECE);
    assert_memory_equal(got, piece, PIECE);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    free(piece);
    free(got);
}

/* --- beside its place ------------------------------------------------------------------------------ */

struct folder {
    char path[64], file[96];
};

static void folder_begin(struct folder *f)
{
    strcpy(f->path, "/tmp/test_outfile.XXXXXX");
    assert_non_null(mkdtemp(f->path));
    snprintf(f->file, sizeof f->file, "%s/records", f->path);
}

static void folder_end(struct folder *f)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", f->path);
    assert_int_equal(system(command), 0);
}

static mode_t mode_of(const char *path)
{
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    return s.st_mode & 07777;
}

static int count_files(const struct folder *f)
{
    int count = 0;
    DIR *d = opendir(f->path);
    for (struct dirent *e; (e = readdir(d));)
        count += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return count;
}

static void write_file(const char *path, bool (*open_file)(struct outfile *, const char *))
{
    struct outfile f;
    assert_true(open_file(&f, path));
    assert_true(outfile_write(&f, "new\n", 4));
    assert_true(outfile_close(&f));
}

/* For the owner and the group, less what the umask takes; what is there keeps its mode. */
static void test_modes(void **state)
{
    bool (*const ways[])(struct outfile *, const char *) = {outfile_open, outfile_open_beside};
    static const struct {
        mode_t mask, made;
    } cases[] = {{0, 0640}, {022, 0640}, {027, 0640}, {077, 0600}};
    (void)state;
    for (size_t w = 0; w < 2; w++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            static const mode_t theirs[] = {0644, 0600, 0660};
            struct folder f;
            folder_begin(&f);
            mode_t before = umask(cases[i].mask);
            write_file(f.file, ways[w]);
            assert_int_equal(mode_of(f.file), cases[i].made);
            for (size_t m = 0; m < sizeof theirs / sizeof *theirs; m++) {
                assert_int_equal(chmod(f.file, theirs[m]), 0);
                write_file(f.file, ways[w]);
                assert_int_equal(mode_of(f.file), theirs[m]);
            }
            umask(before);
            assert_int_equal(count_files(&f), 1);
            folder_end(&f);
        }
}

/* Killed while it writes; what is left of it goes with the next one. */
static void test_what_a_killed_one_leaves(void **state)
{
    struct folder f;
    (void)state;
    folder_begin(&f);
    write_file(f.file, outfile_open_beside);
    for (int round = 0; round < 5; round++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct outfile half;
            if (outfile_open_beside(&half, f.file))
                outfile_write(&half, "half", 4);
            kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(count_files(&f), 2);
    }
    write_file(f.file, outfile_open_beside);
    assert_int_equal(count_files(&f), 1);
    folder_end(&f);
}

static void make(const struct folder *f, const char *name, const char *target)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    int fd = target ? symlink(target, path) : open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    if (!target)
        close(fd);
}

/* What is in use stays, and what only looks like one of ours. */
static void test_what_stays(void **state)
{
    struct folder f;
    struct outfile first;
    (void)state;
    folder_begin(&f);
    assert_true(outfile_open_beside(&first, f.file));
    make(&f, ".records.starttls-audit-abcde", NULL);
    make(&f, ".records.starttls-audit-abcdefg", NULL);
    make(&f, ".records.starttls-audit-abc-ef", NULL);
    make(&f, ".other.starttls-audit-abcdef", NULL);
    make(&f, "records.abcdef", NULL);
    make(&f, ".records.starttls-audit-aaaaaa", "records.abcdef");
    make(&f, ".records.starttls-audit-bbbbbb", NULL);
    int before = count_files(&f);
    write_file(f.file, outfile_open_beside);
    assert_int_equal(count_files(&f), before); /* one is made, and one was left over */
    assert_true(outfile_write(&first, "first\n", 6));
    assert_true(outfile_close(&first));
    assert_int_equal(count_files(&f), before - 1);
    folder_end(&f);
}

static void test_a_file_that_another_run_writes(void **state)
{
    struct folder f;
    struct outfile first, second;
    (void)state;
    folder_begin(&f);
    assert_true(outfile_open(&first, f.file));
    assert_false(outfile_open_beside(&second, f.file));
    assert_string_equal(outfile_problem(&second), "another run is writing to it");
    outfile_drop(&second);
    assert_true(outfile_close(&first));
    folder_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_disk_leaves_no_half_piece),
        cmocka_unit_test(test_nor_where_it_is_appended),
        cmocka_unit_test(test_what_was_there_stays),
        cmocka_unit_test(test_a_slow_reader),
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_what_a_killed_one_leaves),
        cmocka_unit_test(test_what_stays),
        cmocka_unit_test(test_a_file_that_another_run_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
