/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output/scratch.h"
#include "scanner/commands/command.h"
#include "scanner/commands/notice.h"

#define GRACE 5000 /* ms, from the polite signal to the other one */

/* What the helper gets: texts, each with its NUL, in this order. */
enum word { WORD_RUN_ID, WORD_SUMMARY, WORD_COUNT, WORD_CHANGES, WORD_RECORDS, WORD_COUNT_ALL };

#define NEWS_MAX ((size_t)2 * PATH_MAX + 4096)

/* What it answers. Anything that comes to it after the news ends the command. */
enum outcome { OUTCOME_EXIT, OUTCOME_KILLED, OUTCOME_TIMEOUT, OUTCOME_ENDED, OUTCOME_TROUBLE };

struct answer {
    enum outcome outcome;
    int value; /* exit status, signal, or errno */
};

/* --- what the helper believes --------------------------------------------------------------------- */

static bool is_of(const char *text, const char *octets)
{
    return text[strspn(text, octets)] == '\0';
}

#define DIGITS "0123456789"
#define SMALL "abcdefghijklmnopqrstuvwxyz"
#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* Is it a file of ours in this folder? */
static bool is_in(const char *path, const char *folder, const char *prefix)
{
    size_t n = folder ? strlen(folder) : 0, m = strlen(prefix);
    return folder && strncmp(path, folder, n) == 0 && path[n] == '/' &&
           strncmp(path + n + 1, prefix, m) == 0 &&
           is_of(path + n + 1 + m, DIGITS SMALL CAPITALS "-.");
}

/* The process that sends it has read what strangers wrote. */
static bool is_sound(const struct hook_plan *plan, const char *const words[WORD_COUNT_ALL])
{
    const char *records = words[WORD_RECORDS];
    return is_of(words[WORD_RUN_ID], DIGITS "abcdef-") &&
           is_of(words[WORD_SUMMARY], DIGITS SMALL "_ :,") && is_of(words[WORD_COUNT], DIGITS) &&
           is_in(words[WORD_CHANGES], scratch_folder(), "starttls-audit-changes.") &&
           (!*records || is_in(records, plan->records_dir, "") ||
            (plan->records && strcmp(records, plan->records) == 0));
}

/* False: it is not what the program sends. */
static bool split(const char *news, size_t size, const char *words[WORD_COUNT_ALL])
{
    const char *at = news, *end = news + size;
    for (int i = 0; i < WORD_COUNT_ALL; i++) {
        const char *nul = memchr(at, 0, (size_t)(end - at));
        if (!nul)
            return false;
        words[i] = at;
        at = nul + 1;
    }
    return at == end;
}

/* --- the helper ----------------------------------------------------------------------------------- */

/* A file by a name that holds wherever the command goes. */
static bool export_path(const char *name, const char *path)
{
    char *whole = *path ? realpath(path, NULL) : NULL;
    bool ok = !*path ? unsetenv(name) == 0 : setenv(name, whole ? whole : path, 1) == 0;
    free(whole);
    return ok;
}

/* How this program's own libraries were set up is no concern of others. */
static bool export_all(const struct hook_plan *plan, const char *const words[WORD_COUNT_ALL])
{
    return setenv("STARTTLS_AUDIT_RUN_ID", words[WORD_RUN_ID], 1) == 0 &&
           setenv("STARTTLS_AUDIT_SUMMARY", words[WORD_SUMMARY], 1) == 0 &&
           setenv("STARTTLS_AUDIT_CHANGE_COUNT", words[WORD_COUNT], 1) == 0 &&
           export_path("STARTTLS_AUDIT_CHANGES", words[WORD_CHANGES]) &&
           export_path("STARTTLS_AUDIT_STATE", plan->state) &&
           export_path("STARTTLS_AUDIT_RECORDS", words[WORD_RECORDS]) &&
           unsetenv("GNUTLS_SYSTEM_PRIORITY_FILE") == 0 && unsetenv("UV_USE_IO_URING") == 0;
}

/* In the child of the helper. */
static _Noreturn void become(const struct hook_plan *plan, const sigset_t *mask)
{
    bool ok = setpgid(0, 0) == 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 &&
              close_range(STDERR_FILENO + 1, ~0U, 0) == 0;
    if (ok) {
        signal(SIGPIPE, SIG_DFL);
        signal(SIGXFSZ, SIG_DFL);
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execl("/bin/sh", "sh", "-c", plan->command, (char *)NULL);
    }
    _exit(127);
}

/* It is there to interrupt what waits. */
static void on_child(int number)
{
    (void)number;
}

/* Waits until it ends, this time has come (OUTCOME_TIMEOUT), or, if the socket is one, until there
   is something to be read from it (OUTCOME_ENDED). */
static enum outcome await(pid_t pid, int64_t until, int socket, int *status)
{
    sigset_t none;
    sigemptyset(&none);
    for (;;) {
        struct pollfd p = {socket, POLLIN, 0};
        if (waitpid(pid, status, WNOHANG) == pid)
            return OUTCOME_EXIT;
        int64_t left = until - monotonic_ms();
        if (left <= 0)
            return OUTCOME_TIMEOUT;
        struct timespec time = {.tv_sec = (time_t)(left / 1000),
                                .tv_nsec = (long)(left % 1000) * 1000000};
        if (ppoll(&p, 1, &time, &none) > 0)
            return OUTCOME_ENDED;
    }
}

static void end(pid_t pid, int *status)
{
    kill(-pid, SIGTERM);
    if (await(pid, monotonic_ms() + GRACE, -1, status) == OUTCOME_EXIT)
        return;
    kill(-pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
}

static struct answer watch(const struct hook_plan *plan, pid_t pid, int socket)
{
    int status = 0;
    enum outcome outcome = await(pid, monotonic_ms() + plan->timeout, socket, &status);
    if (outcome != OUTCOME_EXIT) {
        end(pid, &status);
        return (struct answer){outcome, 0};
    }
    return WIFEXITED(status) ? (struct answer){OUTCOME_EXIT, WEXITSTATUS(status)}
                             : (struct answer){OUTCOME_KILLED, WTERMSIG(status)};
}

static struct answer run(const struct hook_plan *plan, const char *const words[WORD_COUNT_ALL],
                         int socket, const sigset_t *mask)
{
    pid_t pid = export_all(plan, words) ? fork() : -1;
    if (pid == 0)
        become(plan, mask);
    if (pid < 0)
        return (struct answer){OUTCOME_TROUBLE, errno};
    setpgid(pid, pid); /* the first of both counts */
    return watch(plan, pid, socket);
}

/* Signals that end the program are its own concern: it says if the command is to end. */
static bool settle(int socket)
{
    struct sigaction action = {.sa_handler = on_child};
    sigset_t child;
    sigemptyset(&action.sa_mask);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    return sigprocmask(SIG_BLOCK, &child, NULL) == 0 && sigaction(SIGCHLD, &action, NULL) == 0 &&
           setpgid(0, 0) == 0 && (socket == 3 || dup3(socket, 3, O_CLOEXEC) == 3) &&
           close_range(4, ~0U, 0) == 0;
}

static _Noreturn void help(const struct hook_plan *plan, int socket, const sigset_t *mask)
{
    static char news[NEWS_MAX];
    const char *words[WORD_COUNT_ALL];
    ssize_t n = 0;
    if (!settle(socket))
        _exit(EXIT_TROUBLE);
    do
        n = recv(3, news, sizeof news, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        struct answer answer = {OUTCOME_TROUBLE, EBADMSG};
        if (split(news, (size_t)n, words) && is_sound(plan, words))
            answer = run(plan, words, 3, mask);
        send(3, &answer, sizeof answer, MSG_NOSIGNAL);
        /* To end with something unread would take the answer back. */
        do
            n = recv(3, news, sizeof news, 0);
        while (n > 0 || (n < 0 && errno == EINTR));
    }
    _exit(EXIT_DONE);
}

/* Both ends of the program that it keeps from it are nowhere. */
static bool close_standard(int nowhere)
{
    return dup2(nowhere, STDIN_FILENO) >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0;
}

static bool fail(int error)
{
    notice(PRIORITY_ERROR, "--on-change: %s", strerror(error));
    return false;
}

bool hook_begin(struct hook *h, const struct hook_plan *plan)
{
    int ends[2] = {-1, -1}, nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t mask;
    *h = (struct hook){.helper = -1, .timeout = plan->timeout};
    sigprocmask(SIG_SETMASK, NULL, &mask);
    fflush(NULL);
    if (nowhere >= 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0)
        h->helper = fork();
    if (h->helper == 0) {
        if (!close_standard(nowhere))
            _exit(EXIT_TROUBLE);
        help(plan, ends[1], &mask);
    }
    int error = errno;
    if (nowhere >= 0)
        close(nowhere);
    if (ends[1] >= 0)
        close(ends[1]);
    h->socket = ends[0];
    if (h->helper > 0)
        return true;
    if (ends[0] >= 0)
        close(ends[0]);
    *h = (struct hook){.helper = 0};
    return fail(error);
}

/* --- the program ------------------------------------------------------------------------------------ */

static size_t add_word(char *news, size_t len, const char *word)
{
    size_t n = strlen(word) + 1;
    if (len > NEWS_MAX || n > NEWS_MAX - len)
        return NEWS_MAX + 1;
    memcpy(news + len, word, n);
    return len + n;
}

static bool send_news(const struct hook *h, const struct hook_news *n)
{
    char news[NEWS_MAX], count[24];
    snprintf(count, sizeof count, "%" PRIu64, n->count);
    const char *words[WORD_COUNT_ALL] = {[WORD_RUN_ID] = n->run_id,
                                         [WORD_SUMMARY] = n->summary,
                                         [WORD_COUNT] = count,
                                         [WORD_CHANGES] = n->changes,
                                         [WORD_RECORDS] = n->records ? n->records : ""};
    size_t len = 0;
    for (int i = 0; i < WORD_COUNT_ALL; i++)
        len = add_word(news, len, words[i]);
    if (len > NEWS_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    return send(h->socket, news, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* A signal handler gets no context. */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

/* Until the answer comes. A signal is handed on once; what ends us in the end is the answer. */
static bool receive(const struct hook *h, const sigset_t *mask, struct answer *answer)
{
    bool told = false;
    for (;;) {
        struct pollfd p = {h->socket, POLLIN, 0};
        if (ppoll(&p, 1, NULL, mask) > 0)
            return recv(h->socket, answer, sizeof *answer, 0) == (ssize_t)sizeof *answer;
        if (interrupted && !told)
            told = send(h->socket, "", 1, MSG_NOSIGNAL) == 1;
    }
}

static bool judge(const struct answer *a, unsigned timeout)
{
    switch (a->outcome) {
    case OUTCOME_EXIT:
        if (a->value == 0)
            return true;
        notice(PRIORITY_ERROR, "--on-change: the command failed (exit status %d)", a->value);
        return false;
    case OUTCOME_KILLED:
        notice(PRIORITY_ERROR, "--on-change: the command was ended by signal %d", a->value);
        return false;
    case OUTCOME_TIMEOUT:
        notice(PRIORITY_ERROR, "--on-change: the command was ended: it took longer than %g seconds",
               timeout / 1000.0);
        return false;
    case OUTCOME_ENDED:
        notice(PRIORITY_ERROR, "--on-change: the command was ended by a signal");
        return false;
    case OUTCOME_TROUBLE:
        break;
    }
    return fail(a->value);
}

bool hook_run(struct hook *h, const struct hook_news *news)
{
    struct sigaction action = {.sa_handler = on_signal}, term, interrupt;
    struct answer answer = {OUTCOME_TROUBLE, EPIPE}; /* it may have been killed */
    sigset_t ends, before, mask;

    sigemptyset(&action.sa_mask);
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, &before);
    mask = before;
    sigdelset(&mask, SIGINT);
    sigdelset(&mask, SIGTERM);
    sigaction(SIGINT, &action, &interrupt);
    sigaction(SIGTERM, &action, &term);
    fflush(NULL);
    if (!send_news(h, news))
        answer.value = errno;
    else if (!receive(h, &mask, &answer))
        answer = (struct answer){OUTCOME_TROUBLE, EPIPE};
    bool ok = judge(&answer, h->timeout);
    sigaction(SIGINT, &interrupt, NULL);
    sigaction(SIGTERM, &term, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return ok;
}

void hook_end(struct hook *h)
{
    if (h->helper > 0)
        close(h->socket);
    *h = (struct hook){.helper = 0};
}
