/* SPDX-License-Identifier: MIT */
/* peer FILE [--certs DIR] [--ready-fd N] [--stats FILE]: plays the listeners of FILE until SIGTERM
 * or SIGINT. */
#define _GNU_SOURCE
#include "peer.h"
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Keep the host's crypto policy out: it would take old versions away even from explicit priorities.
 */
GNUTLS_SKIP_GLOBAL_INIT

struct options {
    const char *file, *certs, *stats;
    int ready_fd;
};

struct program {
    uv_loop_t loop;
    uv_signal_t term, interrupt;
    struct peer *peer;
    struct peer_certs *certs;
    const struct options *options;
    bool failed;
};

static const char usage[] = "usage: peer FILE [--certs DIR] [--ready-fd N] [--stats FILE]\n";

static bool descriptor_read(const char *text, int *fd)
{
    char *end;
    long number = strtol(text, &end, 10);
    *fd = (int)number;
    return *text && !*end && number >= 0 && number < 65536;
}

static bool options_read(int count, char **arguments, struct options *options)
{
    *options = (struct options){.certs = "peer-certs", .ready_fd = STDOUT_FILENO};
    for (int i = 1; i < count; i++) {
        const char *argument = arguments[i], *value = i + 1 < count ? arguments[i + 1] : NULL;
        if (argument[0] != '-' && !options->file) {
            options->file = argument;
            continue;
        }
        if (!value)
            return false;
        if (strcmp(argument, "--certs") == 0)
            options->certs = value;
        else if (strcmp(argument, "--stats") == 0)
            options->stats = value;
        else if (strcmp(argument, "--ready-fd") != 0 || !descriptor_read(value, &options->ready_fd))
            return false;
        i++;
    }
    return options->file != NULL;
}

/* Whole or not at all: a test may look for it at any time. */
static bool stats_write(const struct program *program)
{
    char draft[4096];
    const char *path = program->options->stats;
    if (!path)
        return true;
    int len = snprintf(draft, sizeof draft, "%s.part", path);
    FILE *file = len > 0 && (size_t)len < sizeof draft ? fopen(draft, "w") : NULL;
    bool written = file && peer_report(program->peer, file) == 0;
    if (file && fclose(file) != 0)
        written = false;
    if (written && rename(draft, path) == 0)
        return true;
    fprintf(stderr, "peer: cannot write %s: %s\n", path, strerror(errno));
    return false;
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct program *program = signal->data;
    (void)number;
    if (!stats_write(program))
        program->failed = true;
    peer_stop(program->peer);
    uv_close((uv_handle_t *)&program->term, NULL);
    uv_close((uv_handle_t *)&program->interrupt, NULL);
}

static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static struct peer *farm_start(struct program *program, struct peer_error *error)
{
    struct peer_config *configs;
    size_t count;
    FILE *file = fopen(program->options->file, "r");
    if (!file) {
        snprintf(error->text, sizeof error->text, "%s", strerror(errno));
        return NULL;
    }
    int read = peer_parse_file(file, &configs, &count, error);
    fclose(file);
    if (read < 0)
        return NULL;
    program->certs = peer_certs_open(program->options->certs, error);
    struct peer *peer =
        program->certs ? peer_start(&program->loop, configs, count, program->certs, error) : NULL;
    if (!peer)
        error->line = 0; /* it counts listeners, not lines */
    free(configs);
    return peer;
}

static void ready_say(const struct options *options)
{
    static const char text[] = "ready\n";
    if (write(options->ready_fd, text, sizeof text - 1) < 0)
        fprintf(stderr, "peer: cannot say that it is ready: %s\n", strerror(errno));
    if (options->ready_fd > STDERR_FILENO)
        close(options->ready_fd);
}

static void farm_run(struct program *program)
{
    program->term.data = program->interrupt.data = program;
    uv_signal_init(&program->loop, &program->term);
    uv_signal_init(&program->loop, &program->interrupt);
    uv_signal_start(&program->term, on_signal, SIGTERM);
    uv_signal_start(&program->interrupt, on_signal, SIGINT);
    ready_say(program->options);
}

int main(int count, char **arguments)
{
    struct options options;
    struct program program = {.options = &options};
    struct peer_error error = {0};
    if (!options_read(count, arguments, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null", 1);
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise();
    if (gnutls_global_init() < 0 || uv_loop_init(&program.loop) < 0)
        return 2;
    program.peer = farm_start(&program, &error);
    if (program.peer)
        farm_run(&program);
    else if (error.line > 0)
        fprintf(stderr, "%s:%u: %s\n", options.file, error.line, error.text);
    else
        fprintf(stderr, "peer: %s: %s\n", options.file, error.text);
    uv_run(&program.loop, UV_RUN_DEFAULT);
    bool leaked = uv_loop_close(&program.loop) != 0;
    if (program.certs)
        peer_certs_close(program.certs);
    gnutls_global_deinit();
    return program.peer && !program.failed && !leaked ? 0 : 2;
}
