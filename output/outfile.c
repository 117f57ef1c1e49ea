/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/leftovers.h"

/* What is found on a network is for the owner and the group, as the state is. */
#define FILE_MODE ((mode_t)0640)

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
    f->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, FILE_MODE);
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

/* The file that a link leads to takes what is written, not the link. */
static char *find_place(const char *path)
{
    char *place = realpath(path, NULL);
    return place || errno != ENOENT ? place : strdup(path);
}

/* As the one whose place it takes; or as one that is opened by its own name. */
static bool set_rights(const struct outfile *f)
{
    struct stat there;
    if (stat(f->place, &there) == 0) {
        if (there.st_gid != getegid() && fchown(f->fd, (uid_t)-1, there.st_gid) < 0)
            errno = 0; /* of a group that this user is not in: it is for the user's own */
        return fchmod(f->fd, there.st_mode & 0777) == 0;
    }
    mode_t mask = umask(0);
    umask(mask);
    return fchmod(f->fd, FILE_MODE & ~mask) == 0;
}

#define BASE_MAX 200 /* octets of the name that a name for the time being repeats */

/* FOLDER/.NAME.starttls-audit-XXXXXX: nobody else gives such names. What runs that were killed have
   left there goes. */
static bool create_beside(struct outfile *f)
{
    char *slash = strrchr(f->place, '/'), *base = slash ? slash + 1 : f->place;
    char prefix[BASE_MAX + 32];
    int folder = (int)(base - f->place);
    snprintf(prefix, sizeof prefix, ".%.*s.starttls-audit-", BASE_MAX, base);
    char *name = folder ? strndup(f->place, (size_t)folder) : strdup(".");
    if (name)
        leftovers_sweep(name, prefix, 0);
    free(name);
    if (asprintf(&f->beside, "%.*s%sXXXXXX", folder, f->place, prefix) < 0) {
        f->beside = NULL;
        return fail(f);
    }
    f->fd = leftovers_make(f->beside);
    if (f->fd < 0) {
        fail(f);
        free(f->beside);
        f->beside = NULL;
        return false;
    }
    return set_rights(f) || fail(f);
}

/* A run that is writing to it would go on with a file that has no name any more. */
static bool is_in_use(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool used = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
    if (fd >= 0)
        close(fd);
    errno = EWOULDBLOCK;
    return used;
}

bool outfile_open_beside(struct outfile *f, const char *path)
{
    struct stat there;
    if (!path || strcmp(path, "-") == 0 || (stat(path, &there) == 0 && !S_ISREG(there.st_mode)))
        return outfile_open(f, path);
    *f = (struct outfile){.fd = -1, .name = path, .place = find_place(path)};
    bool ok = f->place && !is_in_use(f->place) ? create_beside(f) : fail(f);
    if (!ok)
        outfile_drop(f);
    return ok;
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

/* The directory has to reach the disk as well; not every file system has a way to say so. */
static bool take_place(struct outfile *f)
{
    if (rename(f->beside, f->place) < 0)
        return fail(f);
    free(f->beside);
    f->beside = NULL;
    int directory = open(dirname(f->place), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory >= 0) {
        fsync(directory);
        close(directory);
    }
    return true;
}

void outfile_drop(struct outfile *f)
{
    if (f->beside && f->fd >= 0) {
        close(f->fd);
        f->fd = -1;
    }
    if (f->beside)
        unlink(f->beside);
    free(f->beside);
    free(f->place);
    f->beside = f->place = NULL;
}

bool outfile_close(struct outfile *f)
{
    if (f->fd >= 0) {
        if (is_regular(f) && fsync(f->fd) < 0)
            fail(f);
        if (close(f->fd) < 0)
            fail(f);
        f->fd = -1;
        if (f->beside && !f->error)
            take_place(f);
    }
    outfile_drop(f);
    return f->error == 0;
}
