/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/leftovers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LETTERS ((size_t)6)
#define TRIES 16

static bool is_name(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0 || strlen(name) != n + LETTERS)
        return false;
    for (name += n; *name; name++)
        if (!isalnum((unsigned char)*name))
            return false;
    return true;
}

static bool is_left(int fd, long age)
{
    struct stat s;
    return fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && s.st_uid == geteuid() && s.st_nlink == 1 &&
           time(NULL) - s.st_mtime >= age && flock(fd, LOCK_EX | LOCK_NB) == 0;
}

void leftovers_sweep(const char *folder, const char *prefix, long age)
{
    DIR *d = opendir(folder);
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        if (!is_name(entry->d_name, prefix))
            continue;
        int fd = openat(dirfd(d), entry->d_name,
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd >= 0 && is_left(fd, age))
            unlinkat(dirfd(d), entry->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    if (d)
        closedir(d);
}

/* Before there is a lock on it, somebody may have taken it for one that is left over. */
int leftovers_make(char *pattern)
{
    struct stat s;
    for (int i = 0; i < TRIES; i++) {
        memset(pattern + strlen(pattern) - LETTERS, 'X', LETTERS);
        int fd = mkostemp(pattern, O_CLOEXEC);
        if (fd < 0)
            return -1;
        bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
        if (locked && fstat(fd, &s) == 0 && s.st_nlink > 0)
            return fd;
        close(fd);
    }
    errno = EAGAIN;
    return -1;
}
