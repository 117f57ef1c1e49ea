/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/notice.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scanner/commands/command.h"

#define NOTICE_MAX 2048 /* octets of a line */

/* DEVICE:INODE of what the service manager opened; it may have been redirected since. */
bool notice_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    uintmax_t device, inode;
    return stream && sscanf(stream, "%" SCNuMAX ":%" SCNuMAX, &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

static void write_out(const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(STDERR_FILENO, bytes, len);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

/* Puts the priority before each line. The stream is buffered by lines: these come whole. */
static ssize_t write_errors(void *none, const char *bytes, size_t size)
{
    static const char prefix[] = "<3>";
    (void)none;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t n = end ? (size_t)(end - (bytes + at)) + 1 : size - at;
        write_out(prefix, sizeof prefix - 1);
        write_out(bytes + at, n);
        at += n;
    }
    return (ssize_t)size;
}

void notice_begin(void)
{
    static const cookie_io_functions_t functions = {.write = write_errors};
    FILE *f = notice_is_journal() ? fopencookie(NULL, "w", functions) : NULL;
    if (!f)
        return;
    setvbuf(f, NULL, _IOLBF, BUFSIZ);
    stderr = f;
}

void notice(enum priority priority, const char *format, ...)
{
    char line[NOTICE_MAX];
    char *whole = NULL;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *at = line; *at; at++)
        if ((unsigned char)*at < ' ' || *at == '\x7f')
            *at = '?';
    if (!notice_is_journal()) {
        fprintf(stderr, PROGRAM ": %s\n", line);
        return;
    }
    fflush(stderr);
    int len = asprintf(&whole, "<%d>" PROGRAM ": %s\n", (int)priority, line);
    if (len >= 0) {
        write_out(whole, (size_t)len);
        free(whole);
    }
}
