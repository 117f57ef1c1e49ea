/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "output/leftovers.h"

#define LEFT_AFTER (24L * 60 * 60) /* s: who was given the name may still read it */

/* Makes the file of that pattern; errno says why not. */
static FILE *make(char *name)
{
    int fd = mkostemp(name, O_CLOEXEC);
    FILE *f = fd >= 0 ? fdopen(fd, "w+") : NULL;
    if (fd >= 0 && !f) {
        int error = errno;
        unlink(name);
        close(fd);
        errno = error;
    }
    return f;
}

const char *scratch_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder ? folder : "/tmp";
}

FILE *scratch_named(const char *what, char **name)
{
    char prefix[64];
    *name = NULL;
    snprintf(prefix, sizeof prefix, "starttls-audit-%s.", what);
    leftovers_sweep(scratch_folder(), prefix, LEFT_AFTER);
    if (asprintf(name, "%s/%sXXXXXX", scratch_folder(), prefix) < 0) {
        *name = NULL;
        return NULL;
    }
    FILE *f = make(*name);
    if (!f) {
        int error = errno;
        free(*name);
        *name = NULL;
        errno = error;
    }
    return f;
}

FILE *scratch_open(void)
{
    char *name;
    FILE *f = scratch_named("scratch", &name);
    if (f)
        unlink(name);
    free(name);
    return f;
}
