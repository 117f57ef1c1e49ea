/* SPDX-License-Identifier: MIT */
/*
 * memory.h: did a library run out of memory, though it does not say so?
 *
 * Libraries pass a failed allocation on as an error that may as well be the peer's, or as a value
 * that is not there. The C library leaves ENOMEM in errno, and nothing sets errno back to 0: what
 * was called between the two functions here had all the memory it asked for, if errno does not say
 * otherwise. A watch costs nothing. Watches nest.
 */
#ifndef SCANNER_MEMORY_H
#define SCANNER_MEMORY_H

#include <errno.h>
#include <stdbool.h>

struct memory_watch {
    bool held; /* until it began */
};

static inline struct memory_watch memory_watch(void)
{
    struct memory_watch watch = {errno != ENOMEM};
    errno = 0;
    return watch;
}

/* False: there was an allocation that failed. A watch around this one will see it, too. */
static inline bool memory_held(struct memory_watch watch)
{
    bool held = errno != ENOMEM;
    if (!watch.held)
        errno = ENOMEM;
    return held;
}

#endif
