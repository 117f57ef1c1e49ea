/* SPDX-License-Identifier: MIT */
/*
 * failing.c: the program, with something that fails when the test wants it to.
 *
 *   FAILING_AT=N        the Nth allocation finds no memory
 *   FAILING_FROM=1      nor does any after it
 *   FAILING_COUNT=FILE  how many there were is written there in the end
 *   FAILING_HANDSHAKE=N the Nth call of gnutls_handshake() never returns
 *   FAILING_SIGN=FILE   an octet is written there when it does not
 *   FAILING_TRESPASS=WHAT
 *                       in a handshake, and where a line of records is read, it does what only a
 *                       taken over program would (exec, fork, file, unix, code), and ends: 99 if
 *                       that went well, 98 if it was refused
 *
 * Files are opened in the beginning: later the program may open none.
 *
 * Linked into the program (--wrap) it sees what we allocate ourselves, whatever sanitizer there is;
 * as a library that is loaded before all others (FAILING_PRELOAD) it sees what the libraries do,
 * too.
 */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef FAILING_PRELOAD
#define REAL(name) __libc_##name
#define OURS(name) name
#else
#define REAL(name) __real_##name
#define OURS(name) __wrap_##name
#endif

void *REAL(malloc)(size_t);
void *REAL(calloc)(size_t, size_t);
void *REAL(realloc)(void *, size_t);
void *OURS(malloc)(size_t);
void *OURS(calloc)(size_t, size_t);
void *OURS(realloc)(void *, size_t);

static atomic_ulong allocations;
static unsigned long fails_at;
static bool fails_from, armed;
static int count_fd = -1, sign_fd = -1;

static unsigned long number_of(const char *variable)
{
    const char *text = getenv(variable);
    return text ? strtoul(text, NULL, 10) : 0;
}

static int open_named(const char *variable)
{
    const char *path = getenv(variable);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    if (path && fd < 0)
        abort();
    return fd;
}

__attribute__((constructor)) static void begin(void)
{
    count_fd = open_named("FAILING_COUNT");
    sign_fd = open_named("FAILING_SIGN");
    fails_at = number_of("FAILING_AT");
    fails_from = getenv("FAILING_FROM") != NULL;
    armed = fails_at || count_fd >= 0;
}

/* A child may have written a number before: they are all of the same width. */
__attribute__((destructor)) static void end(void)
{
    armed = false;
    if (count_fd >= 0) {
        char text[32];
        int len = snprintf(text, sizeof text, "%20lu\n", atomic_load(&allocations));
        if (lseek(count_fd, 0, SEEK_SET) < 0 || write(count_fd, text, (size_t)len) != len)
            abort();
    }
}

static bool fails(void)
{
    if (!armed)
        return false;
    unsigned long n = atomic_fetch_add(&allocations, 1) + 1;
    if (!fails_at || (fails_from ? n < fails_at : n != fails_at))
        return false;
    errno = ENOMEM;
    return true;
}

void *OURS(malloc)(size_t size)
{
    return fails() ? NULL : REAL(malloc)(size);
}

void *OURS(calloc)(size_t count, size_t size)
{
    return fails() ? NULL : REAL(calloc)(count, size);
}

void *OURS(realloc)(void *old, size_t size)
{
    return fails() ? NULL : REAL(realloc)(old, size);
}

#ifndef FAILING_PRELOAD
cJSON *__real_cJSON_ParseWithLengthOpts(const char *, size_t, const char **, cJSON_bool);
char *__real_strdup(const char *);
char *__real_strndup(const char *, size_t);
int __real_gnutls_handshake(gnutls_session_t);
char *__wrap_strdup(const char *);
char *__wrap_strndup(const char *, size_t);
cJSON *__wrap_cJSON_ParseWithLengthOpts(const char *, size_t, const char **, cJSON_bool);
int __wrap_gnutls_handshake(gnutls_session_t);

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t max)
{
    return fails() ? NULL : __real_strndup(text, max);
}

/* True: it went well. */
static bool do_what_is_forbidden(const char *what)
{
    if (strcmp(what, "exec") == 0)
        return execl("/bin/sh", "sh", "-c", "exit 99", (char *)NULL) == 0;
    if (strcmp(what, "fork") == 0)
        return fork() >= 0;
    if (strcmp(what, "file") == 0)
        return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
    if (strcmp(what, "unix") == 0)
        return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
    if (strcmp(what, "code") == 0)
        return mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
               MAP_FAILED;
    abort();
}

static void trespass(void)
{
    const char *what = getenv("FAILING_TRESPASS");
    if (what)
        _exit(do_what_is_forbidden(what) ? 99 : 98);
}

cJSON *__wrap_cJSON_ParseWithLengthOpts(const char *text, size_t len, const char **end,
                                        cJSON_bool whole)
{
    trespass();
    return __real_cJSON_ParseWithLengthOpts(text, len, end, whole);
}

int __wrap_gnutls_handshake(gnutls_session_t session)
{
    static atomic_ulong handshakes;
    trespass();
    unsigned long stops_at = number_of("FAILING_HANDSHAKE");
    if (stops_at && atomic_fetch_add(&handshakes, 1) + 1 == stops_at) {
        if (write(sign_fd, "!", 1) != 1)
            abort();
        for (;;)
            poll(NULL, 0, -1);
    }
    return __real_gnutls_handshake(session);
}
#endif
