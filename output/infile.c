/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/infile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)65536)

bool infile_open(struct infile *f, const char *path)
{
    bool standard = strcmp(path, "-") == 0;
    *f = (struct infile){.fd = STDIN_FILENO, .name = standard ? "standard input" : path};
    if (!standard)
        f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        f->error = errno;
    return f->fd >= 0;
}

bool infile_adopt(struct infile *f, int fd, const char *name)
{
    *f = (struct infile){.fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), .name = name};
    if (f->fd >= 0)
        return infile_seek(f, 0, 0);
    f->error = errno;
    return false;
}

bool infile_seek(struct infile *f, uint64_t place, uint64_t number)
{
    if (lseek(f->fd, (off_t)place, SEEK_SET) < 0) {
        f->error = errno;
        return false;
    }
    f->place = place;
    f->number = number;
    f->start = f->len = 0;
    f->ended = f->overlong = false;
    return true;
}

void infile_close(struct infile *f)
{
    if (f->fd > STDIN_FILENO)
        close(f->fd);
    free(f->buffer);
}

bool infile_is(const char *path, const char *other)
{
    struct stat mine, others;
    if ((strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &mine) : stat(path, &mine)) != 0 ||
        stat(other, &others) != 0)
        return false;
    return S_ISREG(mine.st_mode) && mine.st_dev == others.st_dev && mine.st_ino == others.st_ino;
}

/* Room for a piece behind what is kept. */
static bool make_room(struct infile *f)
{
    if (f->start) {
        memmove(f->buffer, f->buffer + f->start, f->len);
        f->start = 0;
    }
    if (f->max - f->len >= PIECE)
        return true;
    size_t max = 2 * f->max + PIECE;
    char *buffer = realloc(f->buffer, max);
    if (!buffer)
        return false;
    f->buffer = buffer;
    f->max = max;
    return true;
}

static bool read_more(struct infile *f)
{
    ssize_t n;
    if (!make_room(f)) {
        f->error = ENOMEM;
        return false;
    }
    do
        n = read(f->fd, f->buffer + f->len, PIECE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        f->error = errno;
    f->ended = n == 0;
    f->len += n > 0 ? (size_t)n : 0;
    return n >= 0;
}

/* Takes the first octets of what is kept. */
static struct span take(struct infile *f, size_t octets)
{
    struct span line = {f->buffer + f->start, octets};
    f->start += octets;
    f->len -= octets;
    f->place += octets;
    return line;
}

/* A line is there, with its LF, or what is left without one. */
static enum infile_step give(struct infile *f, struct span *line, bool torn)
{
    bool overlong = f->overlong || line->len > INFILE_LINE_MAX;
    f->number++;
    f->overlong = false;
    return overlong ? INFILE_LONG : torn ? INFILE_TORN : INFILE_LINE;
}

enum infile_step infile_next(struct infile *f, struct span *line)
{
    size_t searched = 0;
    for (;;) {
        char *at = f->buffer ? f->buffer + f->start : NULL;
        char *end = f->len > searched ? memchr(at + searched, '\n', f->len - searched) : NULL;
        if (end) {
            *line = take(f, (size_t)(end - at) + 1);
            line->len--;
            return give(f, line, false);
        }
        searched = f->len;
        if (f->len > INFILE_LINE_MAX) { /* nobody will want it: forget what is there of it */
            take(f, f->len);
            f->overlong = true;
            searched = 0;
        }
        if (f->ended && !f->len && !f->overlong)
            return INFILE_END;
        if (f->ended) {
            *line = take(f, f->len);
            return give(f, line, true);
        }
        if (!read_more(f))
            return INFILE_FAILED;
    }
}
