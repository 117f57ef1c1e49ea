/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(struct outfile *f)
{
    if (!f->error)
        f->error = errno;
    return false;
}

static bool is_regular(const struct outfile *f)
{
    struct stat status;
    return fstat(f->fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* Keeps other runs away, as long as the descriptor is open. There are file systems without locks. */
static bool claim(struct outfile *f)
{
    return flock(f->fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* Gives up what was opened; errno says why. */
static bool give_up(struct outfile *f)
{
    fail(f);
    close(f->fd);
    f->fd = -1;
    return false;
}

/* Nothing is emptied before it is clear that it is nobody else's. */
bool outfile_open(struct outfile *f, const char *path)
{
    bool standard = !path || strcmp(path, "-") == 0;
    *f = (struct outfile){.fd = STDOUT_FILENO, .name = standard ? "standard output" : path};
    if (standard)
        return true;
    f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (f->fd < 0)
        return fail(f);
    return !is_regular(f) || (claim(f) && ftruncate(f->fd, 0) == 0) || give_up(f);
}

/* It would wait for somebody at the other end of a pipe. */
bool outfile_reopen(struct outfile *f, const char *path)
{
    *f = (struct outfile){.fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK), .name = path};
    if (f->fd < 0)
        return fail(f);
    if (!is_regular(f)) {
        errno = ESPIPE;
        return give_up(f);
    }
    return claim(f) || give_up(f);
}

bool outfile_cut(struct outfile *f, uint64_t keep)
{
    return (ftruncate(f->fd, (off_t)keep) == 0 && lseek(f->fd, (off_t)keep, SEEK_SET) >= 0) ||
           fail(f);
}

bool outfile_sync(struct outfile *f)
{
    return !is_regular(f) || fdatasync(f->fd) == 0 || fail(f);
}

const char *outfile_problem(const struct outfile *f)
{
    switch (f->error) {
    case 0:
        return "out of memory";
    case EWOULDBLOCK:
        return "another run is writing to it";
    case ESPIPE:
        return "not a regular file";
    default:
        return strerror(f->error);
    }
}

static bool wait_for_room(int fd)
{
    struct pollfd p = {fd, POLLOUT, 0};
    int n;
    do
        n = poll(&p, 1, -1);
    while (n < 0 && errno == EINTR);
    return n > 0;
}

bool outfile_write(struct outfile *f, const char *bytes, size_t len)
{
    off_t start = lseek(f->fd, 0, SEEK_CUR);
    if (f->error)
        return false;
    while (len) {
        ssize_t n = write(f->fd, bytes, len);
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room(f->fd))))
            continue;
        if (n <= 0) {
            fail(f);
            if (start >= 0 && ftruncate(f->fd, start) == 0)
                lseek(f->fd, start, SEEK_SET);
            return false;
        }
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

bool outfile_close(struct outfile *f)
{
    if (f->fd < 0)
        return f->error == 0;
    if (is_regular(f) && fsync(f->fd) < 0)
        fail(f);
    if (close(f->fd) < 0)
        fail(f);
    f->fd = -1;
    return f->error == 0;
}
