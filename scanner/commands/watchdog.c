/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/watchdog.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "scanner/commands/command.h"

#define LOOK_MS 500
#define GRACE_MS 5000 /* in which the loop is to end, once it should */

struct watchdog {
    const atomic_int *signals;
    pthread_t thread;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t called;
    uint64_t left; /* ms until the loop is to end; UINT64_MAX: nobody says so */
    bool over;
};

/* Whoever reads standard error may be what hangs. */
static void say(const char *line)
{
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&fd, 1, 0) > 0 && (fd.revents & POLLOUT) &&
        write(STDERR_FILENO, line, strlen(line)) < 0)
        return;
}

static void leave(void)
{
    say(PROGRAM ": the run does not end: something does not return; it is cut off here, and can be "
                "resumed from its records\n");
    _exit(EXIT_TROUBLE);
}

/* Under the lock. False: it is over. */
static bool sleep_on(struct watchdog *w)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    while (!w->over && pthread_cond_timedwait(&w->called, &w->lock, &until) == 0)
        ;
    return !w->over;
}

static void *watch(void *context)
{
    struct watchdog *w = context;
    uint64_t late = 0;
    pthread_mutex_lock(&w->lock);
    while (sleep_on(w)) {
        if (w->left != UINT64_MAX)
            w->left -= w->left < LOOK_MS ? w->left : LOOK_MS;
        if (*w->signals || w->left == 0)
            late += LOOK_MS;
        if (late > GRACE_MS)
            leave();
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void init(struct watchdog *w)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&w->called, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&w->lock, NULL);
}

static void discard(struct watchdog *w)
{
    pthread_cond_destroy(&w->called);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

struct watchdog *watchdog_new(const atomic_int *signals)
{
    struct watchdog *w = calloc(1, sizeof *w);
    sigset_t all, before;
    if (!w)
        return NULL;
    w->signals = signals;
    w->left = UINT64_MAX;
    init(w);
    sigfillset(&all); /* signals are the others' */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool begun = pthread_create(&w->thread, NULL, watch, w) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (begun)
        return w;
    discard(w);
    return NULL;
}

void watchdog_limit(struct watchdog *w, uint64_t ms)
{
    pthread_mutex_lock(&w->lock);
    w->left = ms;
    pthread_mutex_unlock(&w->lock);
}

void watchdog_free(struct watchdog *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->over = true;
    pthread_cond_signal(&w->called);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    discard(w);
}
