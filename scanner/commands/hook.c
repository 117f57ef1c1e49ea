/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "scanner/commands/notice.h"

#define GRACE 5000 /* ms, from the polite signal to the other one */

/* The clock may be set while the command runs. */
static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A file by a name that holds wherever the command goes. */
static bool export_path(const char *name, const char *path)
{
    char *whole = path ? realpath(path, NULL) : NULL;
    bool ok = !path ? unsetenv(name) == 0 : setenv(name, whole ? whole : path, 1) == 0;
    free(whole);
    return ok;
}

/* The environment is this program's too, which has no use for it any more. How its own TLS library
   was set up is no concern of others. */
static bool export_all(const struct hook *h)
{
    char count[24];
    snprintf(count, sizeof count, "%" PRIu64, h->count);
    return setenv("STARTTLS_AUDIT_RUN_ID", h->run_id, 1) == 0 &&
           setenv("STARTTLS_AUDIT_SUMMARY", h->summary, 1) == 0 &&
           setenv("STARTTLS_AUDIT_CHANGE_COUNT", count, 1) == 0 &&
           export_path("STARTTLS_AUDIT_CHANGES", h->changes) &&
           export_path("STARTTLS_AUDIT_STATE", h->state) &&
           export_path("STARTTLS_AUDIT_RECORDS", h->records) &&
           unsetenv("GNUTLS_SYSTEM_PRIORITY_FILE") == 0;
}

/* In the child. */
static _Noreturn void become(const struct hook *h, const sigset_t *mask)
{
    int none = open("/dev/null", O_RDONLY);
    bool ok = none >= 0 && setpgid(0, 0) == 0 && dup2(none, STDIN_FILENO) >= 0 &&
              dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 &&
              close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
    if (ok) {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execl("/bin/sh", "sh", "-c", h->command, (char *)NULL);
    }
    _exit(127);
}

/* Waits until it ends or this time has come. 0: that; or the signal that came before: SIGCHLD may be
   an older one's. */
static int await(pid_t pid, int64_t until, const sigset_t *signals, int *status)
{
    for (;;) {
        if (waitpid(pid, status, WNOHANG) == pid)
            return SIGCHLD;
        int64_t left = until - monotonic_ms();
        if (left <= 0)
            return 0;
        struct timespec time = {.tv_sec = (time_t)(left / 1000),
                                .tv_nsec = (long)(left % 1000) * 1000000};
        int number = sigtimedwait(signals, NULL, &time);
        if (number == SIGINT || number == SIGTERM)
            return number;
    }
}

static void end(pid_t pid, const sigset_t *signals, int *status)
{
    kill(-pid, SIGTERM);
    if (await(pid, monotonic_ms() + GRACE, signals, status) == SIGCHLD)
        return;
    kill(-pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
}

static bool judge(int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFEXITED(status))
        notice(PRIORITY_ERROR, "--on-change: the command failed (exit status %d)",
               WEXITSTATUS(status));
    else
        notice(PRIORITY_ERROR, "--on-change: the command was ended by signal %d", WTERMSIG(status));
    return false;
}

static bool wait_for(const struct hook *h, pid_t pid, const sigset_t *signals)
{
    int status = 0;
    switch (await(pid, monotonic_ms() + h->timeout, signals, &status)) {
    case SIGCHLD:
        return judge(status);
    case 0:
        end(pid, signals, &status);
        notice(PRIORITY_ERROR, "--on-change: the command was ended: it took longer than %g seconds",
               h->timeout / 1000.0);
        return false;
    default:
        end(pid, signals, &status);
        notice(PRIORITY_ERROR, "--on-change: the command was ended by a signal");
        return false;
    }
}

bool hook_run(const struct hook *h)
{
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, &before);
    fflush(NULL);
    pid_t pid = export_all(h) ? fork() : -1;
    if (pid == 0)
        become(h, &before);
    if (pid < 0)
        notice(PRIORITY_ERROR, "--on-change: %s", strerror(errno));
    else
        setpgid(pid, pid); /* whoever is first */
    bool ok = pid > 0 && wait_for(h, pid, &signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return ok;
}
