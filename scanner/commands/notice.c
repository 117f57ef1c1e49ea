/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/notice.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
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

/* Of the process, as standard error is. */
static atomic_bool told;

bool notice_told(void)
{
    return told;
}

/* The stream is buffered by lines: these come whole. */
static ssize_t write_errors(void *none, const char *bytes, size_t size)
{
    (void)none;
    told = true;
    write_marked(PRIORITY_ERROR, bytes, size);
    return (ssize_t)size;
}

static ssize_t write_plain(void *none, const char *bytes, size_t size)
{
    (void)none;
    told = true;
    write_out(bytes, size);
    return (ssize_t)size;
}

void notice_begin(void)
{
    bool journal = notice_is_journal();
    cookie_io_functions_t functions = {.write = journal ? write_errors : write_plain};
    FILE *f = fopencookie(NULL, "w", functions);
    if (!f)
        return;
    setvbuf(f, NULL, journal ? _IOLBF : _IONBF, BUFSIZ);
    stderr = f;
}

void notice_lines(enum priority priority, const char *text)
{
    bool error = told || priority <= PRIORITY_ERROR;
    if (!notice_is_journal()) {
        fputs(text, stderr);
    } else {
        fflush(stderr);
        write_marked(priority, text, strlen(text));
    }
    told = error;
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
