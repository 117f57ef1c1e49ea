/* SPDX-License-Identifier: MIT */
/* main.c: the commands, and the only place where the engine and the output meet. */
#define _GNU_SOURCE
#include <ares.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "output/hex.h"
#include "output/progress.h"
#include "output/record.h"
#include "output/writer.h"
#include "scanner/engine.h"
#include "scanner/options.h"
#include "scanner/targets.h"

/* The host's crypto policy must not decide what can be seen: the library is not to read it before
 * main() says so. */
GNUTLS_SKIP_GLOBAL_INIT

enum exit_code { EXIT_DONE = 0, EXIT_TROUBLE = 2, EXIT_INCOMPLETE = 3 };

#define PROGRAM "starttls-audit"
#define SCOPE_LINES_MAX                                                                            \
    ((size_t)1000)          /* of the targets in run_start; all of them are in its hash */
#define DESCRIPTORS_KEPT 64 /* for everything but connections */
#define WRITERS_MAX 2

/* --- a run ------------------------------------------------------------------------------------ */

struct scan {
    struct scan_options options;
    struct choice *choice;
    struct targets *targets;
    struct targets_stream *stream;
    struct trust *trust;
    struct engine *engine;
    uv_loop_t loop;
    uv_async_t stop; /* a signal came */
    uv_timer_t redraw;
    bool progress;

    struct run run;
    char **scope;
    char scope_hash[65], source[ADDRESS_TEXT_MAX], facts[64];
    char *chosen;
    struct run_option run_options[20];
    struct outfile files[WRITERS_MAX];
    struct writing writings[WRITERS_MAX];
    size_t writer_count;
    uint64_t recorded;
    const char *stopped_by;
    bool trouble;
};

static int64_t now_ms(void)
{
    uv_timeval64_t now;
    uv_gettimeofday(&now);
    return now.tv_sec * 1000 + now.tv_usec / 1000;
}

/* RFC 9562 section 5.7: 48 bits of time, then chance. */
static bool make_run_id(int64_t ms, char out[RUN_ID_SIZE])
{
    unsigned char octets[16];
    char hex[33];
    if (gnutls_rnd(GNUTLS_RND_NONCE, octets, sizeof octets) < 0)
        return false;
    for (int i = 0; i < 6; i++)
        octets[i] = (unsigned char)(ms >> (40 - 8 * i));
    octets[6] = (unsigned char)(0x70 | (octets[6] & 0x0f));
    octets[8] = (unsigned char)(0x80 | (octets[8] & 0x3f));
    hex_encode(octets, sizeof octets, hex, sizeof hex);
    snprintf(out, RUN_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return true;
}

static void say(struct scan *s, const char *text)
{
    if (s->progress)
        progress_clear(stderr);
    fprintf(stderr, PROGRAM ": %s\n", text);
}

/* --- targets ---------------------------------------------------------------------------------- */

static bool choose_services(struct scan *s)
{
    const struct scan_options *o = &s->options;
    if (!(s->choice = choice_new()))
        return false;
    for (size_t i = 0; i < o->service_count; i++)
        if (!choice_narrow(s->choice, o->services[i], stderr))
            return false;
    for (size_t i = 0; i < o->port_count; i++)
        if (!choice_extend(s->choice, o->ports[i], stderr))
            return false;
    return true;
}

/* Everything is read, and every bad line told, before anything else is done. */
static bool read_targets(struct scan *s)
{
    const struct scan_options *o = &s->options;
    size_t errors = 0;

    if (!choose_services(s) || !(s->targets = targets_new(s->choice, stderr)))
        return false;
    for (size_t i = 0; i < o->exclude_count; i++)
        errors += targets_exclude_file(s->targets, o->excludes[i]);
    for (size_t i = 0; i < o->target_count; i++)
        errors += targets_add_argument(s->targets, o->targets[i]);
    for (size_t i = 0; i < o->file_count; i++)
        errors += targets_add_file(s->targets, o->files[i]);
    if (errors || targets_build(s->targets))
        return false;
    return !o->from_stdin || (s->stream = targets_stream_open(s->targets, "-"));
}

static void tell_ignored(const struct scan *s)
{
    uint64_t n = s->targets ? targets_ignored(s->targets) : 0;
    if (n && !s->options.quiet)
        fprintf(stderr,
                PROGRAM ": %" PRIu64
                        " list entries for ports that are not asked were passed over\n",
                n);
}

/* Standard input is read to its end here: nothing is scanned. */
static bool count_stream(struct scan *s, uint64_t *hosts, uint64_t *endpoints)
{
    static char buffer[65536];
    struct target_host host;
    enum targets_step step;

    while ((step = targets_stream_next(s->stream, &host)) == TARGETS_HOST ||
           step == TARGETS_NEED_MORE) {
        if (step == TARGETS_HOST) {
            ++*hosts;
            *endpoints += host.service_count;
            continue;
        }
        ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
        if (n > 0)
            targets_stream_feed(s->stream, (struct span){buffer, (size_t)n});
        else if (n == 0)
            targets_stream_end(s->stream);
        else if (errno != EINTR)
            return false;
    }
    return step == TARGETS_END && !targets_stream_errors(s->stream);
}

static int dry_run(struct scan *s)
{
    uint64_t hosts = targets_count(s->targets), endpoints = targets_endpoints(s->targets);
    bool ok = targets_describe(s->targets, stdout);
    if (s->stream && !count_stream(s, &hosts, &endpoints))
        ok = false;
    tell_ignored(s);
    printf("%" PRIu64 " hosts, %" PRIu64 " endpoints\n", hosts, endpoints);
    if (fflush(stdout) == EOF || ferror(stdout)) {
        fprintf(stderr, PROGRAM ": standard output: %s\n", strerror(errno));
        ok = false;
    }
    return ok ? EXIT_DONE : EXIT_TROUBLE;
}

/* --- what the run says of itself -------------------------------------------------------------- */

/* Takes the description of the targets as it is written: hashes all of it, keeps the first lines.
 */
struct scope_taker {
    struct scan *s;
    gnutls_hash_hd_t hash;
    char line[1024];
    size_t len;
};

static ssize_t take_scope(void *cookie, const char *bytes, size_t size)
{
    struct scope_taker *t = cookie;
    struct run *run = &t->s->run;
    gnutls_hash(t->hash, bytes, size);
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (t->len < sizeof t->line - 1)
                t->line[t->len++] = bytes[i];
            continue;
        }
        t->line[t->len] = 0;
        run->targets_total++;
        if (run->target_count < SCOPE_LINES_MAX &&
            (t->s->scope[run->target_count] = strdup(t->line)))
            run->target_count++;
        t->len = 0;
    }
    return (ssize_t)size;
}

static bool describe_scope(struct scan *s)
{
    struct scope_taker taker = {.s = s};
    unsigned char digest[32];
    bool ok = false;

    s->scope = calloc(SCOPE_LINES_MAX, sizeof *s->scope);
    if (!s->scope || gnutls_hash_init(&taker.hash, GNUTLS_DIG_SHA256) < 0)
        return false;
    FILE *f = fopencookie(&taker, "w", (cookie_io_functions_t){.write = take_scope});
    if (f) {
        ok = targets_describe(s->targets, f);
        ok = fclose(f) == 0 && ok;
    }
    gnutls_hash_deinit(taker.hash, digest);
    s->run.scope_hash = hex_encode(digest, sizeof digest, s->scope_hash, sizeof s->scope_hash);
    s->run.targets = (const char *const *)s->scope;
    return ok;
}

/* The chosen rows as PROTOCOL/MODE:PORT, with commas between them. */
static char *describe_choice(const struct service_set *set)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    for (uint32_t i = 0; i < set->count; i++)
        fprintf(f, "%s%s/%s:%u", i ? "," : "", set->rows[i]->protocol->name,
                mode_name(set->rows[i]->mode), (unsigned)set->rows[i]->port);
    fclose(f);
    return text;
}

static bool describe_run(struct scan *s)
{
    const struct scan_options *o = &s->options;
    const struct engine_options *e = &o->engine;
    struct run *run = &s->run;
    size_t n = 0;

    run->started = now_ms();
    run->version = VERSION;
    run->libraries[0].name = "gnutls";
    run->libraries[0].version = gnutls_check_version(NULL);
    run->libraries[1].name = "libuv";
    run->libraries[1].version = uv_version_string();
    run->libraries[2].name = "c-ares";
    run->libraries[2].version = ares_version(NULL);
    run->libraries[3].name = "cjson";
    run->libraries[3].version = cJSON_Version();
    run->source_address = e->source ? address_format(e->source, s->source) : NULL;
    run->hosts = targets_count(s->targets);
    run->endpoints = targets_endpoints(s->targets);
    run->streamed = s->stream != NULL;
    s->chosen = describe_choice(choice_chosen(s->choice));
    if (!s->chosen || !make_run_id(run->started, run->id) || !describe_scope(s))
        return false;
    s->run_options[n++] = (struct run_option){"services", OPTION_LIST, s->chosen, 0};
    s->run_options[n++] = (struct run_option){
        "facts", OPTION_LIST, facts_text(e->endpoint.facts, s->facts, sizeof s->facts), 0};
    s->run_options[n++] =
        (struct run_option){"exhaustive", OPTION_TRUTH, NULL, e->endpoint.exhaustive};
    s->run_options[n++] =
        (struct run_option){"dummy_login", OPTION_TRUTH, NULL, e->endpoint.dummy_login};
    s->run_options[n++] = (struct run_option){"all", OPTION_TRUTH, NULL, o->all};
    s->run_options[n++] = (struct run_option){"ca_file", OPTION_TEXT, o->ca_file, 0};
    s->run_options[n++] = (struct run_option){"resolver", OPTION_TEXT, e->resolver, 0};
    s->run_options[n++] = (struct run_option){"ehlo_name", OPTION_TEXT, e->name, 0};
    s->run_options[n++] = (struct run_option){"concurrency", OPTION_NUMBER, NULL, e->concurrency};
    s->run_options[n++] = (struct run_option){"per_host", OPTION_NUMBER, NULL, e->per_host};
    s->run_options[n++] =
        (struct run_option){"connect_timeout_ms", OPTION_NUMBER, NULL, e->deadlines.connect};
    s->run_options[n++] =
        (struct run_option){"greeting_timeout_ms", OPTION_NUMBER, NULL, e->deadlines.greeting};
    s->run_options[n++] =
        (struct run_option){"reply_timeout_ms", OPTION_NUMBER, NULL, e->deadlines.reply};
    s->run_options[n++] =
        (struct run_option){"tls_timeout_ms", OPTION_NUMBER, NULL, e->deadlines.tls};
    s->run_options[n++] =
        (struct run_option){"endpoint_timeout_ms", OPTION_NUMBER, NULL, e->endpoint.deadline_ms};
    run->options = s->run_options;
    run->option_count = n;
    return true;
}

/* --- output ----------------------------------------------------------------------------------- */

static bool use_color(void)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(none && *none) && term && strcmp(term, "dumb") != 0;
}

static bool add_writer(struct scan *s, const struct writer *writer, const char *path)
{
    struct outfile *file = &s->files[s->writer_count];
    if (!outfile_open(file, path)) {
        fprintf(stderr, PROGRAM ": %s: %s\n", file->name, strerror(file->error));
        return false;
    }
    s->writings[s->writer_count++] =
        (struct writing){.writer = writer,
                         .run = &s->run,
                         .file = file,
                         .all = s->options.all,
                         .color = writer == &writer_table && use_color()};
    return true;
}

/* Records go to -o or to standard output; a table is for a terminal, or for whoever asks for it. */
static bool open_writers(struct scan *s)
{
    const struct scan_options *o = &s->options;
    bool table = o->table || (isatty(STDOUT_FILENO) && !o->json);
    bool records = o->output || !table;
    bool to_stdout = o->output && strcmp(o->output, "-") == 0;

    if (records && !add_writer(s, &writer_ndjson, o->output))
        return false;
    return !table || to_stdout || add_writer(s, &writer_table, NULL);
}

static void tell_write_error(struct scan *s, const struct outfile *file)
{
    char line[512];
    snprintf(line, sizeof line, "%s: %s", file->name,
             file->error ? strerror(file->error) : "out of memory");
    say(s, line);
    s->trouble = true;
    s->stopped_by = "output_error";
}

/* --- events ----------------------------------------------------------------------------------- */

static bool on_host(void *context, const struct host_view *host)
{
    struct scan *s = context;
    if (!run_records(s->options.all, host))
        return true;
    s->recorded += host->count;
    if (s->progress)
        progress_clear(stderr); /* a row of the table may come where it stands */
    for (size_t i = 0; i < s->writer_count; i++)
        if (!s->writings[i].writer->host(&s->writings[i], host)) {
            tell_write_error(s, s->writings[i].file);
            return false;
        }
    return true;
}

static void on_message(void *context, const char *text)
{
    struct scan *s = context;
    if (!s->options.quiet)
        say(s, text);
}

/* A signal handler can be told nothing, so this is all that is not on a stack of ours. */
static volatile sig_atomic_t signals;
static uv_async_t *volatile signalled;

/* The first signal ends the run in good order; the second at once, whatever the loop is doing. */
static void on_signal(int number)
{
    (void)number;
    if (signals++)
        _exit(EXIT_INCOMPLETE);
    if (signalled)
        uv_async_send(signalled);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void on_engine_end(void *context)
{
    struct scan *s = context;
    signalled = NULL;
    uv_close((uv_handle_t *)&s->stop, NULL);
    uv_close((uv_handle_t *)&s->redraw, NULL);
}

static void on_stop(uv_async_t *handle)
{
    struct scan *s = handle->data;
    if (!s->stopped_by)
        s->stopped_by = "signal";
    engine_stop(s->engine);
}

static void on_redraw(uv_timer_t *timer)
{
    struct scan *s = timer->data;
    struct engine_counts c = engine_counts(s->engine);
    progress_draw(stderr, &(struct progress){.hosts = c.hosts,
                                             .total = s->stream ? 0 : s->run.hosts,
                                             .answered = c.answered,
                                             .active = c.active,
                                             .elapsed = now_ms() - s->run.started});
}

/* --- from start to end ------------------------------------------------------------------------ */

/* Descriptors for as many connections as are asked for, or as many connections as there are
 * descriptors. */
static void make_room(struct engine_options *e, bool quiet)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)e->concurrency + DESCRIPTORS_KEPT;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted)
        return;
    e->concurrency = limit.rlim_cur > 2 * DESCRIPTORS_KEPT
                         ? (unsigned)(limit.rlim_cur - DESCRIPTORS_KEPT)
                         : (unsigned)(limit.rlim_cur / 2);
    if (!quiet)
        fprintf(stderr,
                PROGRAM
                ": only %u connections at once: that is what the limit of open files allows\n",
                e->concurrency);
}

static bool start(struct scan *s)
{
    struct engine_events events = {on_host, on_message, on_engine_end, s};

    s->options.engine.endpoint.trust = s->trust;
    s->engine = engine_new(&s->loop, &s->options.engine, s->targets, s->stream, STDIN_FILENO,
                           events, stderr);
    if (!s->engine)
        return false;
    uv_async_init(&s->loop, &s->stop, on_stop);
    uv_timer_init(&s->loop, &s->redraw);
    s->stop.data = s->redraw.data = s;
    signalled = &s->stop;
    if (signals) /* it came before there was a loop to tell */
        uv_async_send(&s->stop);
    s->progress = isatty(STDERR_FILENO) && !s->options.quiet;
    if (s->progress)
        uv_timer_start(&s->redraw, on_redraw, 200, 200);
    engine_start(s->engine);
    return true;
}

static int exit_code(const struct scan *s, const struct engine_counts *c)
{
    if (s->trouble || (s->stream && targets_stream_errors(s->stream)))
        return EXIT_TROUBLE;
    return s->stopped_by || (c->hosts && !c->answered) ? EXIT_INCOMPLETE : EXIT_DONE;
}

static int end(struct scan *s)
{
    struct engine_counts c = engine_counts(s->engine);
    struct run_end e = {.duration = now_ms() - s->run.started,
                        .stopped_by = s->stopped_by,
                        .recorded = s->recorded,
                        .hosts = c.hosts,
                        .answered = c.answered};
    if (s->progress)
        progress_clear(stderr);
    memcpy(e.statuses, c.statuses, sizeof e.statuses);
    e.exit_code = exit_code(s, &c);
    for (size_t i = 0; i < s->writer_count; i++) {
        struct writing *w = &s->writings[i];
        bool ok = w->file->error == 0 && w->writer->end(w, &e);
        ok = outfile_close(w->file) && ok;
        if (!ok && !s->trouble)
            tell_write_error(s, w->file);
    }
    tell_ignored(s);
    return s->trouble ? EXIT_TROUBLE : e.exit_code;
}

static bool begin_writers(struct scan *s)
{
    for (size_t i = 0; i < s->writer_count; i++)
        if (!s->writings[i].writer->begin(&s->writings[i])) {
            tell_write_error(s, s->writings[i].file);
            return false;
        }
    return true;
}

static void scan_free(struct scan *s)
{
    for (size_t i = 0; i < s->writer_count; i++)
        if (s->writings[i].writer->free)
            s->writings[i].writer->free(&s->writings[i]);
    for (size_t i = 0; i < s->run.target_count; i++)
        free(s->scope[i]);
    free(s->scope);
    free(s->chosen);
    engine_free(s->engine);
    trust_free(s->trust);
    targets_stream_free(s->stream);
    targets_free(s->targets);
    choice_free(s->choice);
    options_free(&s->options);
}

static int run_scan(struct scan *s)
{
    if (!read_targets(s))
        return EXIT_TROUBLE;
    if (s->options.dry_run)
        return dry_run(s);
    catch_signals();
    make_room(&s->options.engine, s->options.quiet);
    s->trust = trust_new(s->options.ca_file, stderr);
    if (!s->trust && s->options.ca_file)
        return EXIT_TROUBLE;
    if (!s->trust && !s->options.quiet)
        fprintf(stderr, PROGRAM
                ": certificates are not verified: install ca-certificates, or give --ca-file\n");
    if (!describe_run(s) || !open_writers(s) || !begin_writers(s))
        return EXIT_TROUBLE;
    if (uv_loop_init(&s->loop) < 0)
        return EXIT_TROUBLE;
    bool started = start(s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    int code = started ? end(s) : EXIT_TROUBLE;
    if (uv_loop_close(&s->loop) != 0) { /* a handle was forgotten: a mistake of ours */
        fprintf(stderr, PROGRAM ": something is still open\n");
        return EXIT_TROUBLE;
    }
    return code;
}

static int command_scan(int argc, char **argv)
{
    static char name[] = PROGRAM " scan";
    struct scan s = {0};

    argv[0] = name;
    options_parse(&s.options, argc, argv);
    int code = run_scan(&s);
    scan_free(&s);
    return code;
}

/* --- the other commands ----------------------------------------------------------------------- */

static int finish_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return EXIT_DONE;
    fprintf(stderr, PROGRAM ": standard output: %s\n", strerror(errno));
    return EXIT_TROUBLE;
}

static int command_services(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, PROGRAM " services: it takes no argument ('%s')\n", argv[1]);
        return EXIT_TROUBLE;
    }
    printf("%-10s%-10s%s\n", "PROTOCOL", "MODE", "PORT");
    for (size_t i = 0; i < services_table_count; i++)
        printf("%-10s%-10s%u\n", services_table[i].protocol->name,
               mode_name(services_table[i].mode), (unsigned)services_table[i].port);
    return finish_stdout();
}

static int print_version(void)
{
    printf(PROGRAM " %s (record schema %s)\nGnuTLS %s, libuv %s, c-ares %s, cJSON %s\n", VERSION,
           RUN_SCHEMA, gnutls_check_version(NULL), uv_version_string(), ares_version(NULL),
           cJSON_Version());
    return finish_stdout();
}

static const struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"scan", "scan targets and write records", command_scan},
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
        fprintf(stderr, PROGRAM ": standard output is closed\n");
    return output;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* write() then says that the file may not grow */
    if (!check_descriptors())
        return EXIT_TROUBLE;
    setenv("GNUTLS_SYSTEM_PRIORITY_FILE", "/dev/null", 1);
    if (gnutls_global_init() < 0) {
        fprintf(stderr, PROGRAM ": GnuTLS cannot be initialised\n");
        return EXIT_TROUBLE;
    }
    if (argc < 2)
        return print_usage(stderr);
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
        return print_version();
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return print_usage(stdout);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            int code = commands[i].run(argc - 1, argv + 1);
            gnutls_global_deinit();
            return code;
        }
    fprintf(stderr, PROGRAM ": there is no command '%s'\n", argv[1]);
    return print_usage(stderr);
}
