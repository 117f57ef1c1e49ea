/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/notice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scanner/commands/command.h"
#include "scanner/say.h"

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
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static void write_marked(enum priority priority, const char *text, size_t size)
{
    char mark[] = "<0>";
    mark[1] = (char)('0' + priority);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t n = end ? (size_t)(end - (text + at)) + 1 : size - at;
        write_out(mark, sizeof mark - 1);
        write_out(text + at, n);
        at += n;
    }
}

/* The stream is buffered by lines: these come whole. */
static ssize_t write_errors(void *none, const char *bytes, size_t size)
{
    (void)none;
    write_marked(PRIORITY_ERROR, bytes, size);
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

void notice_lines(enum priority priority, const char *text)
{
    if (!notice_is_journal()) {
        fputs(text, stderr);
        return;
    }
    fflush(stderr);
    write_marked(priority, text, strlen(text));
}

void notice(enum priority priority, const char *format, ...)
{
    char text[NOTICE_MAX], line[NOTICE_MAX + sizeof PROGRAM ": \n"];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say_clean(text);
    snprintf(line, sizeof line, PROGRAM ": %s\n", text);
    notice_lines(priority, line);
}
