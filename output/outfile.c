/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(struct outfile *f)
{
    if (!f->error)
        f->error = errno;
    return false;
}

bool outfile_open(struct outfile *f, const char *path)
{
    bool standard = !path || strcmp(path, "-") == 0;
    *f = (struct outfile){.fd = STDOUT_FILENO, .name = standard ? "standard output" : path};
    if (!standard)
        f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return f->fd >= 0 || fail(f);
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

/* Takes back the octets that were written last. */
static void cut(const struct outfile *f, size_t written)
{
    off_t start = lseek(f->fd, 0, SEEK_CUR) - (off_t)written;
    if (written && start >= 0 && ftruncate(f->fd, start) == 0)
        lseek(f->fd, start, SEEK_SET);
}

bool outfile_write(struct outfile *f, const char *bytes, size_t len)
{
    size_t written = 0;
    if (f->error)
        return false;
    while (written < len) {
        ssize_t n = write(f->fd, bytes + written, len - written);
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_room(f->fd))))
            continue;
        if (n <= 0) {
            fail(f);
            cut(f, written);
            return false;
        }
        written += (size_t)n;
    }
    return true;
}

bool outfile_close(struct outfile *f)
{
    struct stat status;
    if (f->fd < 0)
        return f->error == 0;
    bool regular = fstat(f->fd, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && fsync(f->fd) < 0)
        fail(f);
    if (close(f->fd) < 0)
        fail(f);
    f->fd = -1;
    return f->error == 0;
}
