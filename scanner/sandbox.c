/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/sandbox.h"

#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "scanner/sandbox/calls.h"
#include "scanner/sandbox/landlock.h"

/* --- modes, and what there is ----------------------------------------------------------------------- */

static const char *const mode_names[] = {
    [SANDBOX_AUTO] = "auto", [SANDBOX_REQUIRE] = "require", [SANDBOX_OFF] = "off"};

const char *sandbox_mode_name(enum sandbox_mode mode)
{
    return mode_names[mode];
}

bool sandbox_mode_parse(const char *text, enum sandbox_mode *mode)
{
    for (size_t i = 0; i < sizeof mode_names / sizeof *mode_names; i++)
        if (strcmp(text, mode_names[i]) == 0) {
            *mode = (enum sandbox_mode)i;
            return true;
        }
    return false;
}

enum sandbox_mode sandbox_mode_default(void)
{
    const char *text = getenv("STARTTLS_AUDIT_SANDBOX");
    enum sandbox_mode mode = SANDBOX_AUTO;
    if (text && *text && !sandbox_mode_parse(text, &mode))
        mode = SANDBOX_REQUIRE;
    return mode;
}

static const char *describe(int landlock, bool seccomp, char *out, size_t size)
{
    if (landlock)
        snprintf(out, size, "Landlock %d%s", landlock, seccomp ? ", seccomp" : "");
    else
        snprintf(out, size, "%s", seccomp ? "seccomp" : "none");
    return out;
}

const char *sandbox_offer(char *out, size_t size)
{
    return describe(landlock_version(), calls_are_filtered(), out, size);
}

const char *sandbox_force(const struct sandbox *s, char *out, size_t size)
{
    return describe(s->has_files ? s->landlock : 0, s->has_calls, out, size);
}

/* The first problem is the one that is told. */
static void note(struct sandbox *s, const char *what, int error)
{
    if (!*s->problem)
        snprintf(s->problem, sizeof s->problem, "%s: %s", what, strerror(error));
}

/* Is that good enough? */
static bool suffices(const struct sandbox *s)
{
    return s->mode != SANDBOX_REQUIRE || !*s->problem;
}

bool sandbox_begin(struct sandbox *s, enum sandbox_mode mode)
{
    *s = (struct sandbox){.mode = mode, .files = -1, .ports = -1};
    if (mode == SANDBOX_OFF)
        return true;
    s->landlock = landlock_version();
    if (!s->landlock)
        note(s, "Landlock", errno);
    if (!calls_are_filtered())
        note(s, "seccomp", errno);
    return suffices(s);
}

/* --- files and ports -------------------------------------------------------------------------------- */

/* The first thing that is named makes the ruleset. */
static bool has_files(struct sandbox *s)
{
    if (s->landlock && s->files < 0 && (s->files = landlock_files(s->landlock, s->child > 0)) < 0)
        note(s, "Landlock", errno);
    return s->files >= 0;
}

static void allow(struct sandbox *s, const char *path, enum landlock_use use)
{
    if (path && strcmp(path, "-") != 0 && has_files(s))
        landlock_allow(s->files, s->landlock, path, use);
}

void sandbox_may_read(struct sandbox *s, const char *file)
{
    allow(s, file, LANDLOCK_READ);
}

void sandbox_may_write(struct sandbox *s, const char *file)
{
    allow(s, file, LANDLOCK_WRITE);
}

void sandbox_may_fill(struct sandbox *s, const char *folder)
{
    allow(s, folder, LANDLOCK_FILL);
}

/* What is no regular file is written to where it stands. */
void sandbox_may_replace(struct sandbox *s, const char *file)
{
    struct stat status;
    if (!file || strcmp(file, "-") == 0 || !has_files(s))
        return;
    if (stat(file, &status) == 0 && !S_ISREG(status.st_mode)) {
        sandbox_may_write(s, file);
        return;
    }
    char *place = realpath(file, NULL);
    char *copy = place ? place : strdup(file);
    if (copy)
        sandbox_may_fill(s, dirname(copy));
    free(copy);
}

/* SQLite takes the first of them that it may write to, whether or not Landlock agrees. */
void sandbox_may_use_scratch(struct sandbox *s)
{
    const char *first = getenv("SQLITE_TMPDIR"), *ours = getenv("TMPDIR");
    bool named = ours && *ours;
    sandbox_may_fill(s, first);
    if (named)
        sandbox_may_fill(s, ours);
    if (named && access(ours, W_OK | X_OK) == 0)
        return;
    sandbox_may_fill(s, "/var/tmp");
    sandbox_may_fill(s, "/tmp");
}

void sandbox_may_resolve(struct sandbox *s)
{
    static const char *const files[] = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf",
                                        "/etc/host.conf", "/etc/services"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        sandbox_may_read(s, files[i]);
}

void sandbox_only_ports(struct sandbox *s, const uint16_t *ports, size_t count)
{
    bool ok = s->landlock && s->ports < 0 && (s->ports = landlock_ports(s->landlock)) >= 0;
    for (size_t i = 0; ok && i < count; i++)
        ok = landlock_allow_port(s->ports, ports[i]);
    if (ok || s->ports < 0)
        return;
    close(s->ports); /* rather all than too few */
    s->ports = -1;
}

/* What is read late, by libraries, and says nothing. */
static void allow_small_things(struct sandbox *s)
{
    sandbox_may_read(s, "/etc/localtime");
    sandbox_may_read(s, "/dev/urandom");
    sandbox_may_write(s, "/dev/null");
#ifdef SANITIZED
    sandbox_may_read(s, "/proc"); /* maps, and what traces say */
    sandbox_may_read(s, "/usr/lib");
    sandbox_may_read(s, "/proc/self/exe");
#endif
}

/* --- shutting --------------------------------------------------------------------------------------- */

static void shut_files(struct sandbox *s)
{
    allow_small_things(s);
    s->has_files = s->files >= 0 && landlock_shut(s->files);
    if (s->files >= 0 && !s->has_files)
        note(s, "Landlock", errno);
    if (s->has_files && s->ports >= 0 && !landlock_shut(s->ports))
        note(s, "Landlock", errno);
}

static void shut_calls(struct sandbox *s, enum sandbox_phase phase, enum sandbox_phase worker)
{
    unsigned short len;
    struct sock_filter *filter = calls_of(s, phase, &len);
    if (filter && worker != phase)
        s->worker = calls_of(s, worker, &s->worker_len);
    bool ready = filter && (worker == phase || s->worker);
    s->has_calls = ready && calls_shut(filter, len, true);
    if (!s->has_calls)
        note(s, "seccomp", errno);
    free(filter);
}

static void close_rulesets(struct sandbox *s)
{
    if (s->files >= 0)
        close(s->files);
    if (s->ports >= 0)
        close(s->ports);
    s->files = s->ports = -1;
}

bool sandbox_shut(struct sandbox *s, enum sandbox_phase phase, enum sandbox_phase worker)
{
    if (s->mode == SANDBOX_OFF)
        return true;
    tzset();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        note(s, "no_new_privs", errno);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        note(s, "dumpable", errno);
    shut_files(s);
    close_rulesets(s);
    shut_calls(s, phase, worker);
    return suffices(s);
}

bool sandbox_thread(const struct sandbox *s)
{
    return !s->has_calls || !s->worker || calls_shut(s->worker, s->worker_len, false) ||
           s->mode != SANDBOX_REQUIRE;
}

void sandbox_end(struct sandbox *s)
{
    if (s->mode != SANDBOX_OFF)
        close_rulesets(s);
    free(s->worker);
    s->worker = NULL;
}
