/* SPDX-License-Identifier: MIT */
/*
 * check.c: the command that says of one host what Icinga, or whatever else runs monitoring plugins,
 * understands.
 *
 *   a scan of the host (a child), or a file of records ──> records ──> health
 *
 * There is one way to judge, and it begins at records: what a scan says now and what last night's
 * said are the same. The scan is a child with a time to live, so that there is an answer in time.
 */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output/infile.h"
#include "output/members.h"
#include "scanner/commands/command.h"
#include "scanner/commands/confine.h"
#include "scanner/commands/health.h"
#include "scanner/options/arguments.h"
#include "scanner/usage.h"

#define TIMEOUT_DEFAULT 60.0
#define MAX_AGE_DEFAULT (2.0 * 86400)
#define SCAN_WORDS_MAX ((size_t)64)

struct check {
    const char *target, *from;
    char *host;                  /* the target as records have it, with from */
    double timeout, max_age;     /* seconds */
    char *words[SCAN_WORDS_MAX]; /* of the scan's command line; malloc'd */
    size_t word_count;
    enum sandbox_mode sandbox; /* of the scan, too */
    struct health health;
};

static bool has(struct span line, const char *text)
{
    return *text && memmem(line.at, line.len, text, strlen(text)) != NULL;
}

/* Is it plain that the line is of another host of the same run? Of a long file nearly all are. */
static bool is_of_another(const struct health *h, struct span line)
{
    return h->options.host && has(line, h->run_id) && has(line, "\"type\":\"endpoint\"") &&
           !has(line, h->options.host) && !has(line, h->address);
}

/* False: it cannot be read, or a line of it is no record; a torn one at the end is. */
static bool read_records(struct check *c, struct infile *in)
{
    struct span line;
    enum infile_step step;
    bool whole = true;

    while ((step = infile_next(in, &line)) != INFILE_END && step != INFILE_FAILED) {
        if (step == INFILE_LINE && is_of_another(&c->health, line))
            continue;
        cJSON *record = step == INFILE_LONG ? NULL : members_parse(line);
        bool good = members_fault(record) == NULL;
        if (good)
            health_take(&c->health, record);
        whole &= good || step == INFILE_TORN;
        cJSON_Delete(record);
    }
    return whole && step == INFILE_END;
}

/* --- where records come from ------------------------------------------------------------------ */

static void read_file(struct check *c)
{
    struct infile in;
    char name[128];
    snprintf(name, sizeof name, "%s", c->from);
    bool opened = infile_open(&in, c->from), whole = opened && read_records(c, &in);
    int error = in.error;
    infile_close(&in);
    if (!opened || error)
        health_doubt(&c->health, "%s: %s", name, strerror(error));
    else if (!whole)
        health_doubt(&c->health, "%s: not all of it is records", name);
    if (!c->health.endpoints)
        health_doubt(&c->health, "%s does not have %s%s", name, c->target,
                     c->health.complete ? "" : ": that run is not complete");
    double age = (double)(c->health.now - c->health.time) / 1000;
    if (c->health.endpoints && age > c->max_age)
        health_doubt(&c->health, "the records are %.1f days old", age / 86400);
}

/* Nobody waits for a child whose parent is gone. */
static int be_scan(const struct check *c, int records, int messages)
{
    char *words[SCAN_WORDS_MAX + 16], name[] = PROGRAM " check";
    char own[][24] = {"--json", "--quiet",   "--all", "--endpoint-timeout", "", "--patience",
                      "",       "--sandbox", ""};
    size_t count = 0;

    snprintf(own[4], sizeof own[4], "%.3f", c->timeout * 0.7);
    snprintf(own[6], sizeof own[6], "%.3f", c->timeout * 0.5);
    snprintf(own[8], sizeof own[8], "%s", sandbox_mode_name(c->sandbox));
    words[count++] = name;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        words[count++] = own[i];
    for (size_t i = 0; i < c->word_count; i++)
        words[count++] = c->words[i];
    words[count] = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(records, STDOUT_FILENO) < 0 ||
        dup2(messages, STDERR_FILENO) < 0)
        return EXIT_TROUBLE;
    return command_scan((int)count, words);
}

/* Waits until the child has ended, or so many seconds. */
static bool wait_for(pid_t child, double seconds, int *status)
{
    sigset_t set;
    int64_t until = monotonic_ms() + (int64_t)(seconds * 1000);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    while (waitpid(child, status, WNOHANG) == 0) {
        int64_t left = until - monotonic_ms();
        if (left <= 0)
            return false;
        struct timespec pause = {left / 1000, left % 1000 * 1000000};
        sigtimedwait(&set, NULL, &pause);
    }
    return true;
}

/* The child has its time; then it is to end in good order, and then it is ended. */
static bool await(const struct check *c, pid_t child, int *status)
{
    double grace = c->timeout * 0.1 < 2 ? c->timeout * 0.1 : 2;
    if (wait_for(child, c->timeout - grace, status))
        return true;
    kill(child, SIGTERM);
    if (!wait_for(child, grace / 2, status)) {
        kill(child, SIGKILL);
        waitpid(child, status, 0);
    }
    return false;
}

/* What the scan said on standard error, of which the last line is the reason. */
static void tell_messages(struct check *c, int messages)
{
    char text[HEALTH_TEXT_MAX] = "";
    struct span line;
    struct infile in;
    enum infile_step step = INFILE_END;
    if (infile_adopt(&in, messages, "messages"))
        while ((step = infile_next(&in, &line)) == INFILE_LINE)
            snprintf(text, sizeof text, "%.*s", (int)line.len, line.at);
    infile_close(&in);
    health_doubt(&c->health, "the scan failed%s%s", *text ? ": " : "", text);
}

static void judge_scan(struct check *c, bool in_time, int status, int messages)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_TROUBLE;
    if (!in_time)
        health_doubt(&c->health, "not everything was asked within %g seconds", c->timeout);
    else if (code == EXIT_TROUBLE)
        tell_messages(c, messages);
    else if (!c->health.complete)
        health_doubt(&c->health, "the scan was cut off");
}

static bool make_files(int *records, int *messages)
{
    *records = memfd_create("records", MFD_CLOEXEC);
    *messages = memfd_create("messages", MFD_CLOEXEC);
    return *records >= 0 && *messages >= 0;
}

static bool doubt_sandbox(struct check *c, const struct sandbox *s, bool ok)
{
    if (!ok)
        health_doubt(&c->health, "--sandbox=require: %s", s->problem);
    return ok;
}

/* From here on there is the child, and what it has written. */
static bool wait_confined(struct check *c, pid_t child)
{
    struct sandbox s;
    bool ok = sandbox_begin(&s, c->sandbox);
    s.child = child;
    ok = doubt_sandbox(c, &s, ok && sandbox_shut(&s, SANDBOX_WAIT, SANDBOX_WAIT));
    sandbox_end(&s);
    return ok;
}

static bool read_confined(struct check *c)
{
    struct sandbox s;
    bool ok = sandbox_begin(&s, c->sandbox);
    sandbox_may_read(&s, c->from);
    ok = doubt_sandbox(c, &s, ok && sandbox_shut(&s, SANDBOX_READ, SANDBOX_READ));
    sandbox_end(&s);
    return ok;
}

static void scan(struct check *c)
{
    int records, messages, status = 0;
    struct infile in;
    sigset_t set, before;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &before);
    fflush(stdout);
    pid_t child = make_files(&records, &messages) ? fork() : -1;
    if (child == 0) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        exit(be_scan(c, records, messages));
    }
    if (child < 0) {
        health_doubt(&c->health, "no scan can be begun: %s", strerror(errno));
        return;
    }
    if (!wait_confined(c, child)) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        return;
    }
    bool in_time = await(c, child, &status);
    c->health.now = now_ms();
    bool read = infile_adopt(&in, records, "the scan") && read_records(c, &in);
    infile_close(&in);
    judge_scan(c, in_time, status, messages);
    if (!read)
        health_doubt(&c->health, "the scan's records cannot be read");
}

/* --- options ---------------------------------------------------------------------------------- */

enum key {
    KEY_FROM = 0x100,
    KEY_MAX_AGE,
    KEY_EXPECT,
    KEY_CERTIFICATE_WARNING,
    KEY_CERTIFICATE_CRITICAL,
    KEY_POLICY,
    KEY_SCAN /* the first of those that are the scan's */
};

/* They go to the scan as they are. */
static const char *const scan_options[] = {
    "services",       "ports",     "waivers", "ca-file",          "resolver",
    "source-address", "ehlo-name", "facts",   "greeting-timeout", "connect-timeout"};

static const struct argp_option option_rows[] = {
    {NULL, 0, NULL, 0, "What is what:", 1},
    {"warning", 'w', "SEVERITY", 0,
     "WARNING if there is an open finding of this severity or a worse one (default: medium)", 0},
    {"critical", 'c', "SEVERITY", 0, "The same for CRITICAL (default: high)", 0},
    {"certificate-warning", KEY_CERTIFICATE_WARNING, "DAYS", 0,
     "WARNING if a certificate ends in less (default: as the findings say)", 0},
    {"certificate-critical", KEY_CERTIFICATE_CRITICAL, "DAYS", 0, "The same for CRITICAL", 0},
    {"expect", KEY_EXPECT, "LIST", 0,
     "CRITICAL if one of these is silent: imap (any port of it will do), smtp/explicit, "
     "imap/implicit:1993",
     0},
    {"policy", KEY_POLICY, "NAME|FILE", 0,
     "Findings that this policy fails are CRITICAL, and those it warns of WARNING, whatever their "
     "severity (more than once: each)",
     0},
    {"timeout", 't', "S", 0,
     "Answer within this time; what is not known then is UNKNOWN "
     "(default: 60)",
     0},
    {NULL, 0, NULL, 0, "Without a connection:", 2},
    {"from", KEY_FROM, "RECORDS", 0, "What the last run in these records said of the host", 0},
    {"max-age", KEY_MAX_AGE, "TIME", 0,
     "UNKNOWN if that was longer ago: seconds, or 90m, 36h, 3d (default: 2d)", 0},
    {NULL, 0, NULL, 0, "For the scan, as there:", 3},
    {"services", KEY_SCAN, "LIST", 0, "Only these services", 0},
    {"ports", KEY_SCAN + 1, "LIST", 0, "These ports besides", 0},
    {"waivers", KEY_SCAN + 2, "FILE", 0, "Findings that are accepted for a time", 0},
    {"ca-file", KEY_SCAN + 3, "FILE", 0, "Trust these certificates", 0},
    {"resolver", KEY_SCAN + 4, "ADDRESS[:PORT]", 0, "Ask this DNS server", 0},
    {"source-address", KEY_SCAN + 5, "ADDRESS", 0, "Connect from this address", 0},
    {"ehlo-name", KEY_SCAN + 6, "NAME", 0, "Our name for EHLO", 0},
    {"facts", KEY_SCAN + 7, "LIST", 0, "Only these facts", 0},
    {"greeting-timeout", KEY_SCAN + 8, "S", 0, "For the greeting", 0},
    {"connect-timeout", KEY_SCAN + 9, "S", 0, "For the connection", 0},
    {NULL, 0, NULL, 0, NULL, 0}};

static void add_scan_word(struct argp_state *state, const char *name, const char *value)
{
    struct check *c = state->input;
    char *word = NULL;
    int n = name ? asprintf(&word, "--%s=%s", name, value) : asprintf(&word, "%s", value);
    if (n < 0 || c->word_count == SCAN_WORDS_MAX) {
        if (n >= 0)
            free(word);
        argp_failure(state, HEALTH_UNKNOWN, 0, "too many options");
        return;
    }
    c->words[c->word_count++] = word;
}

static double parse_number(struct argp_state *state, const char *name, const char *text,
                           double smallest)
{
    double value = 0;
    if (!argument_real(text, smallest, 1e6, &value))
        usage_error(state, "--%s: '%s' is not a number from %g to 1000000", name, text, smallest);
    return value;
}

static double parse_age(struct argp_state *state, const char *text)
{
    static const char units[] = "smhd";
    static const double seconds[] = {1, 60, 3600, 86400};
    char *end = NULL;
    double value = ascii_digit(*text) ? strtod(text, &end) : -1;
    const char *unit = end && *end ? strchr(units, *end) : units;
    if (value <= 0 || value > 1e9 || !unit || (*end && end[1]))
        usage_error(state, "--max-age: '%s' is no length of time", text);
    return unit ? value * seconds[unit - units] : value;
}

static enum severity parse_severity(struct argp_state *state, const char *name, const char *text)
{
    enum severity severity = SEVERITY_NONE;
    if (!severity_parse(text, &severity))
        usage_error(state, "--%s: '%s' is none of info, low, medium, high, critical", name, text);
    return severity;
}

static void parse_wishes(struct argp_state *state, struct health_options *o, const char *text)
{
    struct span list = span_of(text);
    const char *wrong;
    while (list.at) {
        if (o->wish_count == HEALTH_WISHES_MAX)
            usage_error(state, "--expect: there can be %zu at the most", HEALTH_WISHES_MAX);
        struct expectation *x = &o->wishes[o->wish_count++].what;
        expectation_next(&list, x, &wrong);
        if (wrong)
            usage_error(state, "--expect: '%.*s' %s", (int)x->text.len, x->text.at, wrong);
    }
}

static void add_policy(struct argp_state *state, struct health_options *o, const char *name)
{
    if (o->policy_count == HEALTH_POLICIES_MAX)
        usage_error(state, "--policy: there can be %zu at the most", HEALTH_POLICIES_MAX);
    o->policies[o->policy_count++] = name;
}

/* As records have it. */
static char *host_of(struct argp_state *state, const char *target)
{
    char *host = strdup(target);
    size_t n = strlen(target);
    if (!host)
        argp_failure(state, HEALTH_UNKNOWN, 0, "out of memory");
    for (char *at = host; host && *at; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    if (host && n > 1 && host[n - 1] == '.')
        host[n - 1] = 0;
    return host;
}

/* A scan of ours knows only this host, and the policies that were asked for. */
static void finish_options(struct argp_state *state, struct check *c)
{
    struct health_options *o = &c->health.options;
    if (!c->target)
        argp_error(state, "no host is given");
    if (o->warning > o->critical)
        argp_error(state, "--warning is above --critical");
    if (c->from && c->word_count)
        argp_error(state, "--from needs no connection, and no options of a scan");
    if (c->from)
        o->host = c->host = host_of(state, c->target);
    o->all_policies = !c->from;
    for (size_t i = 0; i < o->policy_count && !c->from; i++)
        add_scan_word(state, "policy", o->policies[i]);
    add_scan_word(state, NULL, "--");
    add_scan_word(state, NULL, c->target);
}

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    struct check *c = state->input;
    struct health_options *o = &c->health.options;

    switch (key) {
    case 'w':
        o->warning = parse_severity(state, "warning", argument);
        break;
    case 'c':
        o->critical = parse_severity(state, "critical", argument);
        break;
    case 't':
        c->timeout = parse_number(state, "timeout", argument, 1);
        break;
    case KEY_CERTIFICATE_WARNING:
        o->certificate_warning = parse_number(state, "certificate-warning", argument, 0);
        break;
    case KEY_CERTIFICATE_CRITICAL:
        o->certificate_critical = parse_number(state, "certificate-critical", argument, 0);
        break;
    case KEY_EXPECT:
        parse_wishes(state, o, argument);
        break;
    case KEY_POLICY:
        add_policy(state, o, argument);
        break;
    case KEY_FROM:
        c->from = argument;
        break;
    case KEY_MAX_AGE:
        c->max_age = parse_age(state, argument);
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->sandbox;
        break;
    case ARGP_KEY_ARG:
        if (c->target)
            argp_error(state, "one host is checked, and there are two");
        c->target = argument;
        break;
    case ARGP_KEY_END:
        finish_options(state, c);
        break;
    default:
        if (key < KEY_SCAN ||
            (size_t)(key - KEY_SCAN) >= sizeof scan_options / sizeof *scan_options)
            return ARGP_ERR_UNKNOWN;
        add_scan_word(state, scan_options[key - KEY_SCAN], argument);
    }
    return 0;
}

/* What is measured of the check itself. */
static void print_times(const struct check *c, int64_t begun)
{
    if (!c->from)
        printf(" 'time'=%.3fs;;%g;0;", (double)(now_ms() - begun) / 1000, c->timeout);
    else
        printf(" 'age'=%.0fs;;%.0f;;", (double)(c->health.now - c->health.time) / 1000, c->max_age);
}

static void check_free(struct check *c)
{
    for (size_t i = 0; i < c->word_count; i++)
        free(c->words[i]);
    free(c->host);
    health_free(&c->health);
}

int command_check(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sandbox_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        option_rows,
        on_option,
        "TARGET",
        "Checks one host, as a plugin for Icinga, Nagios and their like.\v"
        "TARGET is an address or a name, as for a scan; with --from a host as the records have it. "
        "What was waived does not count, and is told.\n\n"
        "Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN: nothing answers, or not all of it "
        "could be judged, and what could is not critical.",
        children,
        NULL,
        NULL};
    int64_t begun = now_ms();
    struct check c = {.timeout = TIMEOUT_DEFAULT,
                      .max_age = MAX_AGE_DEFAULT,
                      .sandbox = sandbox_mode_default(),
                      .health = {.options = {.warning = SEVERITY_MEDIUM, .critical = SEVERITY_HIGH},
                                 .now = begun}};

    argp_err_exit_status = HEALTH_UNKNOWN;
    parse_arguments(&argp, argc, argv, &c);
    health_init(&c.health);
    if (!c.from)
        scan(&c);
    else if (read_confined(&c))
        read_file(&c);
    health_judge(&c.health);
    health_print_summary(&c.health);
    if (!c.from || c.health.endpoints) {
        health_print_numbers(&c.health);
        print_times(&c, begun);
    }
    printf("\n");
    health_print_remarks(&c.health);
    enum health_state state = finish_stdout() == EXIT_DONE ? c.health.state : HEALTH_UNKNOWN;
    check_free(&c);
    return (int)state;
}
