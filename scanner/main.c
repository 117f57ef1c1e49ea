/* SPDX-License-Identifier: MIT */
/* main.c: which command it is, and what all of them need. */
#define _GNU_SOURCE
#include <ares.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <locale.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "output/run.h"
#include "scanner/commands/command.h"
#include "scanner/commands/health.h"
#include "scanner/commands/notice.h"
#include "scanner/sandbox.h"
#include "scanner/say.h"

/* The host's crypto policy must not decide what can be seen: the library is not to read it before
 * main() says so. */
GNUTLS_SKIP_GLOBAL_INIT

int64_t now_ms(void)
{
    uv_timeval64_t now;
    uv_gettimeofday(&now);
    return now.tv_sec * 1000 + now.tv_usec / 1000;
}

int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A table is for a terminal, or for whoever asks for it. */
struct outlets outlets_of(const char *output, bool json, bool table)
{
    bool wanted = table || (isatty(STDOUT_FILENO) && !json);
    bool taken = output && strcmp(output, "-") == 0;
    return (struct outlets){.records = output || !wanted, .table = wanted && !taken};
}

bool use_color(void)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
}

int worse_code(int a, int b)
{
    static const int ranks[] = {
        [EXIT_DONE] = 0, [EXIT_FINDINGS] = 1, [EXIT_INCOMPLETE] = 2, [EXIT_TROUBLE] = 3};
    return ranks[a] > ranks[b] ? a : b;
}

int finish_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    say(stderr, PROGRAM ": standard output: %s", strerror(errno));
    return EXIT_TROUBLE;
}

static int print_version(void)
{
    char offer[64];
    printf(PROGRAM " %s (record schema %s)\nGnuTLS %s, libuv %s, c-ares %s, cJSON %s, SQLite %s\n"
                   "sandbox: %s\n",
           VERSION, RUN_SCHEMA, gnutls_check_version(NULL), uv_version_string(), ares_version(NULL),
           cJSON_Version(), sqlite3_libversion(), sandbox_offer(offer, sizeof offer));
    return finish_stdout();
}

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"scan", "scan targets and write records", command_scan},
    {"audit", "judge saved records again", command_audit},
    {"export", "make other formats of saved records", command_export},
    {"check", "one host, as an Icinga plugin", command_check},
    {"merge", "shards into one run, or say what is missing", command_merge},
    {"diff", "say what changed between runs", command_diff},
    {"state", "keep the history of many runs", command_state},
    {"rules", "list and explain rules and policies", command_rules},
    {"services", "print the protocol table", command_services},
};

static int print_usage(FILE *f)
{
    fprintf(f, "Usage: " PROGRAM " COMMAND [OPTION…] [ARGUMENT…]\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(f, "  %-10s%s\n", commands[i].name, commands[i].summary);
    fprintf(f, "\n" PROGRAM " COMMAND --help explains a command; --version tells versions.\n");
    return f == stdout ? finish_stdout() : EXIT_TROUBLE;
}

/* A standard descriptor that is closed would be given to the next socket or file. */
static bool check_descriptors(void)
{
    bool output = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) < 0)
            return false;
    if (!output)
        say(stderr, PROGRAM ": standard output is closed");
    return output;
}

/* Libraries obey variables that were meant for other programs: they would write the keys of every
   session to a file, or other octets to standard error, and change which names are asked for. */
static void forget_variables(void)
{
    static const char *const names[] = {"SSLKEYLOGFILE",
                                        "GNUTLS_DEBUG_LEVEL",
                                        "GNUTLS_CPUID_OVERRIDE",
                                        "GNUTLS_FORCE_FIPS_MODE",
                                        "GNUTLS_SYSTEM_PRIORITY_FAIL_ON_INVALID",
                                        "NETTLE_FAT_VERBOSE",
                                        "NETTLE_FAT_OVERRIDE",
                                        "P11_KIT_DEBUG",
                                        "RES_OPTIONS",
                                        "LOCALDOMAIN",
                                        "HOSTALIASES",
                                        "CARES_HOSTS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unsetenv(names[i]);
    setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null", 1);
    setenv("UV_USE_IO_URING", "0", 1); /* what goes by a ring, no filter of calls sees */
}

/* Of a plugin, what the other commands call trouble would be CRITICAL. */
static int trouble_of(int argc, char **argv)
{
    if (argc < 2 || strcmp(argv[1], "check") != 0)
        return EXIT_TROUBLE;
    printf("STARTTLS UNKNOWN - out of memory, or of open files\n");
    return HEALTH_UNKNOWN;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* write() then says that the file may not grow */
    signal(SIGCHLD, SIG_DFL); /* who does not want to hear of children may have begun us */
    notice_begin();
    if (!check_descriptors())
        return trouble_of(argc, argv);
    forget_variables();
    if (gnutls_global_init() < 0) {
        say(stderr, PROGRAM ": GnuTLS cannot be initialised");
        return trouble_of(argc, argv);
    }
    if (argc < 2)
        return print_usage(stderr);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return print_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return print_usage(stdout);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            char name[64];
            snprintf(name, sizeof name, PROGRAM " %s", commands[i].name);
            argv[1] = name;
            int code = commands[i].run(argc - 1, argv + 1);
            if (code == EXIT_TROUBLE && commands[i].run != command_check && !notice_told())
                notice(PRIORITY_ERROR, "out of memory, or of open files");
            gnutls_global_deinit();
            return code;
        }
    say(stderr, PROGRAM ": there is no command '%s'", argv[1]);
    return print_usage(stderr);
}
