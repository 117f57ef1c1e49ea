/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/options.h"

#include <argp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>

#include "scanner/choice.h"
#include "scanner/grow.h"
#include "scanner/options/arguments.h"
#include "scanner/options/rows.h"
#include "scanner/resolver.h"
#include "scanner/usage.h"

#define DEFAULT_CONCURRENCY 500
#define DEFAULT_PER_HOST 3
#define DEFAULT_PATIENCE 300000          /* ms */
#define DEFAULT_ON_CHANGE_TIMEOUT 300000 /* ms */
#define SCAN_NAME_MAX 64

static const struct {
    const char *name;
    unsigned bit;
} fact_names[] = {
    {"capabilities", FACTS_CAPABILITIES}, {"versions", FACTS_VERSIONS},
    {"handshake", FACTS_HANDSHAKE},       {"login", FACTS_LOGIN},
    {"injection", FACTS_INJECTION},
};

const char *facts_text(unsigned facts, char *out, size_t size)
{
    size_t len = 0;
    out[0] = 0;
    for (size_t i = 0; i < sizeof fact_names / sizeof *fact_names; i++)
        if ((facts & fact_names[i].bit) && len < size)
            len +=
                (size_t)snprintf(out + len, size - len, "%s%s", len ? "," : "", fact_names[i].name);
    return out;
}

static void refuse(struct argp_state *, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The argument of an option makes no sense: the command line says so and exits, a configuration
   gets to know why (in the state's hook). */
static void refuse(struct argp_state *state, const char *option, const char *format, ...)
{
    char text[OPTIONS_PROBLEM_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (state->hook)
        memcpy(state->hook, text, sizeof text);
    else
        usage_error(state, "--%s: %s", option, text);
}

static unsigned parse_facts(struct argp_state *state, const char *list)
{
    unsigned facts = 0;
    for (const char *at = list; *at;) {
        size_t n = strcspn(at, ","), i = 0;
        while (i < sizeof fact_names / sizeof *fact_names &&
               !span_is((struct span){at, n}, fact_names[i].name))
            i++;
        if (i == sizeof fact_names / sizeof *fact_names)
            refuse(state, "facts",
                   "'%.*s' is none of capabilities, versions, handshake, login, injection", (int)n,
                   at);
        else
            facts |= fact_names[i].bit;
        at += n + (at[n] == ',');
    }
    if (!facts)
        refuse(state, "facts", "the list is empty");
    return facts;
}

static unsigned parse_number(struct argp_state *state, const char *name, const char *text,
                             unsigned min, unsigned max)
{
    uint64_t value = 0;
    if (!argument_number(text, min, max, &value))
        refuse(state, name, "'%s' is not a number from %u to %u", text, min, max);
    return (unsigned)value;
}

/* Seconds, with a fraction if need be, as milliseconds. */
static unsigned parse_seconds(struct argp_state *state, const char *name, const char *text,
                              double min)
{
    double value = 0;
    if (!argument_real(text, min, 1e6, &value))
        refuse(state, name, "'%s' is not a number of seconds from %g to 1000000", text, min);
    return (unsigned)(value * 1000);
}

static double parse_rate(struct argp_state *state, const char *text)
{
    double value = 0;
    if (!argument_real(text, 0.001, 1e7, &value))
        refuse(state, "rate", "'%s' is not a number from 0.001 to 10000000", text);
    return value;
}

static uint64_t parse_seed(struct argp_state *state, const char *text)
{
    uint64_t value = 0;
    if (!argument_number(text, 0, UINT64_MAX, &value))
        refuse(state, "seed", "'%s' is not a number from 0 to 18446744073709551615", text);
    return value;
}

static void parse_shard(struct argp_state *state, const char *text, struct dealer_options *o)
{
    char *end = NULL;
    unsigned long shard = ascii_digit(*text) ? strtoul(text, &end, 10) : 0, shards = 0;
    if (end && *end == '/' && ascii_digit(end[1]))
        shards = strtoul(end + 1, &end, 10);
    if (!end || *end || shards < 1 || shards > 1000000 || shard >= shards)
        refuse(state, "shard", "'%s' is not I/N, with I from 0 to N-1 and N up to 1000000", text);
    o->shard = (unsigned)shard;
    o->shards = (unsigned)shards;
}

/* The cores that we may use. */
static unsigned count_cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (unsigned)count : 1;
}

static void check_zone(struct argp_state *state, const char *option, const char *text)
{
    if (strchr(text, ':') && strchr(text, '%'))
        refuse(state, option, "'%s' has a zone (%%): zones are not supported", text);
}

static void check_host(struct argp_state *state, const char *option, const char *text,
                       const struct address *address)
{
    const struct hostless *hostless = address_without_host(address);
    if (hostless)
        refuse(state, option, "'%s' %s", text, hostless->text);
}

static void parse_source(struct argp_state *state, struct scan_options *o, const char *text)
{
    check_zone(state, "source-address", text);
    if (!address_parse(span_of(text), &o->source))
        refuse(state, "source-address", "'%s' is no address", text);
    check_host(state, "source-address", text, &o->source);
    o->crew.engine.source = &o->source;
}

static void check_resolver(struct argp_state *state, const char *text)
{
    struct address address;
    uint16_t port;
    check_zone(state, "resolver", text);
    if (!resolver_server_parse(span_of(text), &address, &port))
        refuse(state, "resolver", "'%s' is not ADDRESS, ADDRESS:PORT or [IPV6]:PORT", text);
    check_host(state, "resolver", text, &address);
}

/* RFC 5321 section 4.1.2: what may stand behind EHLO. */
static void check_name(struct argp_state *state, const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:[]");
    if (!n || text[n] || n > DIALOGUE_NAME_MAX)
        refuse(state, "ehlo-name", "'%s' is no name", text);
}

/* It becomes a word in metrics, and a part of other names. */
static void check_scan_name(struct argp_state *state, const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
    if (!n || text[n] || n > SCAN_NAME_MAX)
        refuse(state, "scan-name",
               "'%s' is not up to %d letters, digits, dots, dashes and underscores", text,
               SCAN_NAME_MAX);
}

static void append(struct argp_state *state, const char ***list, size_t *count, const char *item)
{
    const char **longer = realloc(*list, (*count + 1) * sizeof **list);
    if (!longer)
        argp_failure(state, 2, 0, "out of memory");
    else {
        *list = longer;
        longer[(*count)++] = item;
    }
}

static error_t on_standard_option(int key, char *argument, struct argp_state *state)
{
    struct standard_options *o = state->input;
    switch (key) {
    case KEY_POLICY:
        append(state, &o->policies, &o->policy_count, argument);
        return 0;
    case KEY_FAIL_ON:
        o->fail_on = argument;
        return 0;
    case KEY_WAIVERS:
        o->waivers = argument;
        return 0;
    case KEY_BASELINE:
        o->baseline = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp standard_argp = {standard_rows, on_standard_option, NULL, NULL, NULL, NULL, NULL};
const struct argp fail_on_argp = {
    standard_rows + FAIL_ON_ROW, on_standard_option, NULL, NULL, NULL, NULL, NULL};

static enum sandbox_mode parse_sandbox(struct argp_state *state, const char *text)
{
    enum sandbox_mode mode = SANDBOX_AUTO;
    if (!sandbox_mode_parse(text, &mode))
        refuse(state, "sandbox", "'%s' is none of auto, require, off", text);
    return mode;
}

static error_t on_sandbox_option(int key, char *argument, struct argp_state *state)
{
    enum sandbox_mode *mode = state->input;
    if (key != KEY_SANDBOX)
        return ARGP_ERR_UNKNOWN;
    *mode = parse_sandbox(state, argument);
    return 0;
}

const struct argp sandbox_argp = {sandbox_rows, on_sandbox_option, NULL, NULL, NULL, NULL, NULL};

/* What does not go without something else, or with it. */
static void check_together(struct argp_state *state, const struct scan_options *o)
{
    if (!o->target_count && !o->file_count && !o->from_stdin && !o->lines && !o->print_config)
        argp_error(state, "no target is given");
    if (o->resume && o->dry_run)
        argp_error(state, "--resume and --dry-run exclude each other");
    if (o->json && o->table)
        argp_error(state, "--json and --table exclude each other");
    if (o->records_dir && o->output)
        argp_error(state, "--records-dir and --output exclude each other");
    if (o->state && o->crew.dealer.shards)
        argp_error(state, "--state and --shard exclude each other: merge the shards, and add what "
                          "comes of it with `state add`");
    if (o->on_change && !o->state)
        argp_error(state, "--on-change needs --state");
}

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    struct scan_options *o = state->input;
    struct engine_options *e = &o->crew.engine;
    struct dealer_options *dealer = &o->crew.dealer;

    switch (key) {
    case KEY_FILE:
        if (strcmp(argument, "-") == 0)
            o->from_stdin = true;
        else
            append(state, &o->files, &o->file_count, argument);
        break;
    case KEY_EXCLUDE:
        append(state, &o->excludes, &o->exclude_count, argument);
        break;
    case KEY_SERVICES:
        append(state, &o->services, &o->service_count, argument);
        break;
    case KEY_PORTS:
        append(state, &o->ports, &o->port_count, argument);
        break;
    case ARGP_KEY_ARG:
        if (strcmp(argument, "-") == 0)
            o->from_stdin = true;
        else
            append(state, &o->targets, &o->target_count, argument);
        break;
    case KEY_CONFIG:
        if (o->config)
            argp_error(state, "there can be one --config only");
        o->config = argument;
        break;
    case KEY_WITHOUT:
        append(state, &o->without, &o->without_count, argument);
        break;
    case KEY_PRINT_CONFIG:
        o->print_config = true;
        break;
    case KEY_DRY_RUN:
        o->dry_run = true;
        break;
    case KEY_FACTS:
        e->endpoint.facts = parse_facts(state, argument);
        break;
    case KEY_EXHAUSTIVE:
        e->endpoint.exhaustive = true;
        break;
    case KEY_DUMMY_LOGIN:
        e->endpoint.dummy_login = true;
        break;
    case KEY_TRANSCRIPT:
        e->endpoint.transcript = true;
        break;
    case KEY_CA_FILE:
        o->ca_file = argument;
        break;
    case KEY_OUTPUT:
        o->output = argument;
        break;
    case KEY_ALL:
        o->all = true;
        break;
    case KEY_JSON:
        o->json = true;
        break;
    case KEY_TABLE:
        o->table = true;
        break;
    case KEY_QUIET:
        o->quiet = true;
        break;
    case KEY_CONCURRENCY:
        e->concurrency = parse_number(state, "concurrency", argument, 1, 1000000);
        break;
    case KEY_PER_HOST:
        e->per_host = parse_number(state, "per-host", argument, 1, 1000);
        break;
    case KEY_PER_NET:
        e->per_net = parse_number(state, "per-net", argument, 1, 1000000);
        break;
    case KEY_RATE:
        e->rate = parse_rate(state, argument);
        break;
    case KEY_PATIENCE:
        e->patience_ms = parse_seconds(state, "patience", argument, 0);
        break;
    case KEY_SEED:
        dealer->seed = parse_seed(state, argument);
        o->seeded = true;
        break;
    case KEY_ORDERED:
        dealer->ordered = true;
        break;
    case KEY_WORKERS:
        o->crew.workers = parse_number(state, "workers", argument, 1, 1024);
        break;
    case KEY_SHARD:
        parse_shard(state, argument, dealer);
        break;
    case KEY_MAX_DURATION:
        o->max_duration = parse_seconds(state, "max-duration", argument, 0.001);
        break;
    case KEY_RESUME:
        o->resume = argument;
        break;
    case KEY_EHLO_NAME:
        check_name(state, argument);
        e->name = argument;
        break;
    case KEY_SOURCE:
        parse_source(state, o, argument);
        break;
    case KEY_RESOLVER:
        check_resolver(state, argument);
        dealer->resolver = argument;
        break;
    case KEY_CONNECT_TIMEOUT:
        e->deadlines.connect = parse_seconds(state, "connect-timeout", argument, 0.001);
        break;
    case KEY_GREETING_TIMEOUT:
        e->deadlines.greeting = parse_seconds(state, "greeting-timeout", argument, 0.001);
        break;
    case KEY_REPLY_TIMEOUT:
        e->deadlines.reply = parse_seconds(state, "reply-timeout", argument, 0.001);
        break;
    case KEY_TLS_TIMEOUT:
        e->deadlines.tls = parse_seconds(state, "tls-timeout", argument, 0.001);
        break;
    case KEY_ENDPOINT_TIMEOUT:
        e->endpoint.deadline_ms = parse_seconds(state, "endpoint-timeout", argument, 0.001);
        break;
    case KEY_STATE:
        o->state = argument;
        break;
    case KEY_ON_CHANGE:
        o->on_change = argument;
        break;
    case KEY_ON_CHANGE_TIMEOUT:
        o->on_change_timeout = parse_seconds(state, "on-change-timeout", argument, 0.001);
        break;
    case KEY_RECORDS_DIR:
        o->records_dir = argument;
        break;
    case KEY_EXPORT:
        append(state, &o->exports, &o->export_count, argument);
        break;
    case KEY_SCAN_NAME:
        check_scan_name(state, argument);
        o->scan_name = argument;
        break;
    case KEY_TITLE:
        o->title = argument;
        break;
    case KEY_LABEL:
        append(state, &o->labels, &o->label_count, argument);
        break;
    case KEY_PER_ENDPOINT:
        o->per_endpoint = parse_number(state, "metrics-per-endpoint", argument, 1, 1000000000);
        break;
    case KEY_SANDBOX:
        o->sandbox = parse_sandbox(state, argument);
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->standard;
        break;
    case ARGP_KEY_END:
        o->standard.quiet = o->quiet;
        check_together(state, o);
        if (o->resume && !o->output && !o->records_dir)
            o->output = o->resume;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* --- the command line and the configuration --------------------------------------------------- */

/* What the parsers get, so that each option is noted before it is read. */
struct parsing {
    struct scan_options *options;
    bool (*configure)(struct scan_options *);
};

static const struct argp_option *find_row(const struct argp_option *rows, int key, const char *name)
{
    for (; rows->name || rows->doc; rows++)
        if (rows->name && (name ? strcmp(rows->name, name) == 0 : rows->key == key))
            return rows;
    return NULL;
}

static bool note(struct scan_options *o, const char *option, char *text, uint64_t line)
{
    if (!grow(&o->words, o->word_count, &o->word_capacity, sizeof *o->words))
        return false;
    o->words[o->word_count++] = (struct option_word){option, text, line};
    return true;
}

static void note_argument(struct argp_state *state, struct scan_options *o,
                          const struct argp_option *rows, int key, char *text)
{
    const struct argp_option *row = find_row(rows, key, NULL);
    bool ok = true;
    if (key == ARGP_KEY_ARG)
        ok = note(o, strcmp(text, "-") == 0 ? "file" : "", text, 0);
    else if (row)
        ok = note(o, row->name, text, 0);
    if (!ok)
        argp_failure(state, 2, 0, "out of memory");
}

static error_t on_standard_argument(int key, char *argument, struct argp_state *state)
{
    struct parsing *p = state->input;
    note_argument(state, p->options, standard_rows, key, argument);
    state->input = &p->options->standard;
    error_t error = on_standard_option(key, argument, state);
    state->input = p;
    return error;
}

static error_t on_argument(int key, char *argument, struct argp_state *state)
{
    struct parsing *p = state->input;
    if (key == ARGP_KEY_END && p->configure && !p->configure(p->options))
        exit(argp_err_exit_status);
    if (key != ARGP_KEY_END)
        note_argument(state, p->options, scan_rows, key, argument);
    state->input = p->options;
    error_t error = on_option(key, argument, state);
    state->input = p;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = p;
    return error;
}

/* Where records go. */
static bool is_place(const char *option)
{
    return strcmp(option, "output") == 0 || strcmp(option, "records-dir") == 0;
}

/* Does the command line have it, or what stands instead of it? Its words are the first. */
static bool is_given(const struct scan_options *o, const char *option)
{
    bool target = !*option || strcmp(option, "file") == 0, place = is_place(option);
    if (strcmp(option, "exclude-file") == 0)
        return false;
    for (size_t i = 0; i < o->word_count && !o->words[i].line; i++) {
        const char *word = o->words[i].option;
        bool instead =
            (target && (!*word || strcmp(word, "file") == 0)) || (place && is_place(word));
        if (instead || strcmp(word, option) == 0)
            return true;
    }
    return false;
}

/* What a command line finds out later, when nobody knows the place any more. */
static void check_services(struct argp_state *state, const char *option, const char *list)
{
    bool ports = strcmp(option, "ports") == 0;
    if (!ports && strcmp(option, "services") != 0)
        return;
    char *said = NULL;
    size_t size = 0;
    struct choice *choice = choice_new();
    FILE *f = open_memstream(&said, &size);
    bool ok = choice && f && (ports ? choice_extend : choice_narrow)(choice, list, f);
    if (f)
        fclose(f);
    const char *why = !ok && said ? strstr(said, ": ") : NULL; /* --OPTION: why */
    if (why)
        refuse(state, option, "%.*s", (int)strcspn(why + 2, "\n"), why + 2);
    choice_free(choice);
    free(said);
}

/* As if it stood on a command line of its own. */
static void take_word(struct scan_options *o, const char *option, char *text, char *problem)
{
    const struct argp_option *row = find_row(scan_rows, 0, option);
    const struct argp_option *other = row ? NULL : find_row(standard_rows, 0, option);
    char place[64];
    struct argp_state state = {.hook = problem, .name = place, .err_stream = stderr};

    snprintf(place, sizeof place, "--%s of the configuration", option);
    if (text)
        check_services(&state, option, text);
    state.input = row ? (void *)o : (void *)&o->standard;
    if (row && !*problem)
        on_option(row->key, text, &state);
    else if (other && !*problem)
        on_standard_option(other->key, text, &state);
    else if (!row && !other)
        snprintf(problem, OPTIONS_PROBLEM_SIZE, "there is no option --%s", option);
}

/* What does not count is read all the same: it is to be sound. */
static void read_in_vain(const char *option, const char *text, char *problem)
{
    struct scan_options scratch = {.config = NULL};
    char *copy = text ? strdup(text) : NULL;
    take_word(&scratch, option, copy, problem);
    options_free(&scratch);
    free(copy);
}

bool options_take(struct scan_options *o, const char *option, const char *text, uint64_t line,
                  char problem[OPTIONS_PROBLEM_SIZE])
{
    *problem = '\0';
    if (is_given(o, option)) {
        if (*option)
            read_in_vain(option, text, problem);
        return !*problem;
    }
    char *copy = text ? strdup(text) : NULL;
    if ((text && !copy) || !note(o, option, copy, line)) {
        free(copy);
        snprintf(problem, OPTIONS_PROBLEM_SIZE, "out of memory");
    } else if (*option) {
        take_word(o, option, copy, problem);
    } else {
        o->lines = true;
    }
    return !*problem;
}

void options_parse(struct scan_options *o, int argc, char **argv,
                   bool (*configure)(struct scan_options *))
{
    static const struct argp standard = {
        standard_rows, on_standard_argument, NULL, NULL, NULL, NULL, NULL};
    static const struct argp_child children[] = {{&standard, 0, "What it is held to:", 4},
                                                 {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        scan_rows,
        on_argument,
        "[TARGET…]",
        "Scans mail and FTP services and writes what they do as NDJSON records.\v"
        "A TARGET is an address, a network (192.0.2.0/24), a range (192.0.2.10-40) or a name, each "
        "also with\n"
        ":PORT/PROTOCOL[/MODE] (192.0.2.7:1143/imap). Lines of files may have labels behind it "
        "(owner=mail site=ams)\n"
        "and comments (#), and may be those of masscan's list output.\n\n"
        "Exit status: 0 done; 1 findings (--fail-on); 2 usage, input or output error; 3 "
        "incomplete, or nothing at all answered.",
        children,
        NULL,
        NULL};

    *o = (struct scan_options){
        .crew = {.engine = {.endpoint = {.facts = FACTS_ALL, .deadline_ms = 300000},
                            .deadlines =
                                {.connect = 5000, .greeting = 30000, .reply = 15000, .tls = 15000},
                            .concurrency = DEFAULT_CONCURRENCY,
                            .per_host = DEFAULT_PER_HOST,
                            .patience_ms = DEFAULT_PATIENCE},
                 .workers = count_cores()},
        .on_change_timeout = DEFAULT_ON_CHANGE_TIMEOUT,
        .sandbox = sandbox_mode_default()};
    struct parsing parsing = {o, configure};
    argp_err_exit_status = 2;
    parse_arguments(&argp, argc, argv, &parsing);
}

void options_free(struct scan_options *o)
{
    for (size_t i = 0; i < o->word_count; i++)
        if (o->words[i].line)
            free(o->words[i].text);
    free(o->words);
    free(o->without);
    free(o->targets);
    free(o->files);
    free(o->excludes);
    free(o->services);
    free(o->ports);
    free(o->exports);
    free(o->labels);
    free(o->standard.policies);
}
