/* SPDX-License-Identifier: MIT */
/* audit.c: the command that judges saved records again: lines in, the same lines out, with what is
 * said of them now. */
#define _GNU_SOURCE
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "output/draft.h"
#include "output/infile.h"
#include "output/ledger.h"
#include "output/members.h"
#include "output/reader.h"
#include "output/revision.h"
#include "scanner/commands/command.h"
#include "scanner/commands/confine.h"
#include "scanner/commands/standard.h"
#include "scanner/grow.h"
#include "scanner/say.h"
#include "scanner/usage.h"

#define HELD_MAX ((size_t)64 << 20) /* octets of the lines of one host */

struct audit_options {
    struct standard_options standard;
    const char *output;
    bool json, table, quiet;
    enum sandbox_mode sandbox;
    char **files; /* argv's */
    size_t file_count;
};

struct audit {
    struct audit_options options;
    struct standard standard;
    struct outlets outlets;
    struct outfile records, rows;
    struct writing table;

    /* A file, and the run in it. */
    struct infile in;
    bool open;            /* something of a run was read, and not its end */
    bool any;             /* there was a run */
    bool changed;         /* its lines are not those that it vouches for */
    bool whole;           /* it has a beginning, and is no shard */
    struct ledger ledger; /* what went out of it */
    struct ledger origin; /* what came in */
    struct run run;
    struct run_end end; /* counted here */

    /* A host: what was seen of it, and its lines. */
    struct reading *reading;
    char **lines;
    size_t line_count, line_capacity, octets;
    struct draft draft;

    int code;    /* so far */
    bool broken; /* nothing more can be written */
};

/* --- troubles --------------------------------------------------------------------------------- */

static void add_code(struct audit *a, int code)
{
    a->code = worse_code(a->code, code);
}

/* Of the line that was read last. */
static void complain(struct audit *a, const char *problem)
{
    say(stderr, "%s:%" PRIu64 ": %s", a->in.name, a->in.number, problem);
    add_code(a, EXIT_TROUBLE);
}

/* What is no error. */
static void note(const struct audit *a, const char *text)
{
    if (!a->options.quiet)
        say(stderr, "%s:%" PRIu64 ": %s", a->in.name, a->in.number, text);
}

static bool fail(struct audit *a, const struct outfile *file)
{
    say(stderr, PROGRAM " audit: %s: %s", file->name, outfile_problem(file));
    add_code(a, EXIT_TROUBLE);
    a->broken = true;
    return false;
}

/* --- a host ----------------------------------------------------------------------------------- */

static void forget_host(struct audit *a)
{
    while (a->line_count)
        free(a->lines[--a->line_count]);
    a->octets = 0;
    reading_free(a->reading);
    a->reading = NULL;
}

/* A line that waits for its verdicts. */
static bool revise(struct audit *a, const char *line, const struct opinion *opinion)
{
    cJSON *record = cJSON_Parse(line);
    bool ok = record && revision_endpoint(&a->ledger.page, record, &a->standard.policies, opinion);
    cJSON_Delete(record);
    return ok;
}

static void count_host(struct audit *a, const struct host_view *view,
                       const struct opinions *opinions)
{
    tally_add(&a->end.totals.tally, opinions);
    a->end.totals.recorded += view->count;
    a->end.totals.hosts++;
    a->end.totals.answered += view->answered;
    for (size_t i = 0; i < view->count; i++)
        a->end.totals.statuses[view->endpoints[i].status]++;
}

static bool write_records(struct audit *a)
{
    for (size_t i = 0; i < a->line_count; i++) {
        struct opinion opinion = opinions_at(&a->draft.opinions, i);
        if (!revise(a, a->lines[i], &opinion))
            return fail(a, &a->records);
    }
    return ledger_flush(&a->ledger, &a->records) || fail(a, &a->records);
}

/* The host that is complete goes out: into the table as a scan's would, into the records as the
 * lines that it came from. */
static bool write_host(struct audit *a, const struct host_view *view)
{
    size_t tables = a->outlets.table ? 1 : 0;
    if (!draft_make(&a->draft, &a->run, &a->table, tables, view))
        return fail(a, &a->records);
    count_host(a, view, &a->draft.opinions);
    if (a->outlets.records && !write_records(a))
        return false;
    return !draft_write(&a->draft, &a->table, tables, view) || fail(a, &a->rows);
}

static bool finish_host(struct audit *a)
{
    bool ok = !a->line_count || write_host(a, reading_view(a->reading));
    forget_host(a);
    return ok;
}

/* Takes the line over. */
static bool hold(struct audit *a, char *line, size_t len)
{
    if (!line || !grow(&a->lines, a->line_count, &a->line_capacity, sizeof *a->lines)) {
        free(line);
        return fail(a, &a->records);
    }
    a->lines[a->line_count++] = line;
    a->octets += len;
    return true;
}

/* Makes sure that the endpoint can be added to what is read of a host. */
static bool make_way(struct audit *a, const cJSON *record, size_t len)
{
    bool full = a->line_count == READING_ENDPOINTS_MAX || a->octets + len > HELD_MAX;
    bool taken = a->reading && reading_takes(a->reading, record);

    if (a->reading && a->line_count && full)
        note(a, "so many records of one host: what follows is judged as another one");
    if (a->reading && (full || !taken) && !finish_host(a))
        return false;
    if (!a->reading)
        a->reading = reading_new();
    return a->reading || fail(a, &a->records);
}

static bool take_endpoint(struct audit *a, cJSON *record, struct span line)
{
    char problem[READING_PROBLEM_SIZE];

    if (!make_way(a, record, line.len))
        return false;
    if (reading_add(a->reading, record, problem, sizeof problem))
        return hold(a, strndup(line.at, line.len), line.len);
    complain(a, problem);
    return true;
}

/* --- a run ------------------------------------------------------------------------------------ */

/* The first line of a run has come. */
static bool begin_run(struct audit *a)
{
    a->open = a->any = true;
    a->changed = false;
    a->whole = false;
    tally_end(&a->end.totals.tally);
    a->end = (struct run_end){0};
    if (!tally_begin(&a->end.totals.tally, &a->standard.exceptions))
        return fail(a, &a->records);
    ledger_free(&a->ledger);
    ledger_free(&a->origin);
    if (!ledger_init(&a->ledger) || !ledger_init(&a->origin))
        return fail(a, &a->records);
    if (!a->outlets.table)
        return true;
    a->table = (struct writing){.writer = &writer_table,
                                .run = &a->run,
                                .file = &a->rows,
                                .color = use_color(),
                                .all = true};
    return a->table.writer->begin(&a->table) || fail(a, &a->rows);
}

static bool close_run(struct audit *a)
{
    bool ok = !a->outlets.table || a->table.writer->end(&a->table, &a->end) || fail(a, &a->rows);
    if (a->outlets.table)
        a->table.writer->free(&a->table);
    a->open = false;
    add_code(a, a->end.exit_code);
    return ok;
}

/* A run without run_end is readable, and incomplete. */
static bool abandon_run(struct audit *a)
{
    if (!finish_host(a))
        return false;
    note(a, "the run above has no end: it was interrupted");
    a->end.stopped_by = "an interruption";
    a->end.exit_code = EXIT_INCOMPLETE;
    return close_run(a);
}

/* A count of the scan's own run_end; ours if it has none. */
static uint64_t count_of(const cJSON *parent, const char *name, uint64_t ours)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(parent, name);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 0x1p53
               ? (uint64_t)item->valuedouble
               : ours;
}

static const char *stop_of(const cJSON *record)
{
    static const char *const words[] = {"signal",       "deadline", "input_error",
                                        "output_error", "error",    "shards_missing"};
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, "stopped_by");
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(record, "complete")))
        return NULL;
    for (size_t i = 0; cJSON_IsString(item) && i < sizeof words / sizeof *words; i++)
        if (strcmp(item->valuestring, words[i]) == 0)
            return words[i];
    return "something unknown";
}

static void read_statuses(struct audit *a, const cJSON *list)
{
    const cJSON *item;
    memset(a->end.totals.statuses, 0, sizeof a->end.totals.statuses);
    cJSON_ArrayForEach(item, list)
    {
        const cJSON *status = cJSON_GetObjectItemCaseSensitive(item, "status");
        for (int s = 0; cJSON_IsString(status) && s < STATUS_COUNT; s++)
            if (strcmp(status->valuestring, status_name((enum status)s)) == 0)
                a->end.totals.statuses[s] = count_of(item, "count", 0);
    }
}

/* What the scan counted, which was more than it recorded. */
static void read_end(struct audit *a, const cJSON *record)
{
    const cJSON *hosts = cJSON_GetObjectItemCaseSensitive(record, "hosts");
    const cJSON *endpoints = cJSON_GetObjectItemCaseSensitive(record, "endpoints");
    uint64_t code = count_of(record, "exit_code", EXIT_DONE);

    a->end.totals.hosts = count_of(hosts, "scanned", a->end.totals.hosts);
    a->end.totals.answered = count_of(hosts, "answered", a->end.totals.answered);
    read_statuses(a, cJSON_GetObjectItemCaseSensitive(endpoints, "by_status"));
    a->end.stopped_by = stop_of(record);
    /* Judging again makes no whole run of one that was not. */
    if (code == EXIT_TROUBLE)
        a->end.exit_code = EXIT_TROUBLE;
    else if (a->end.stopped_by || code == EXIT_INCOMPLETE)
        a->end.exit_code = EXIT_INCOMPLETE;
    else
        a->end.exit_code = standard_code(&a->standard, &a->end.totals.tally);
}

/* Said once: what is further down vouches for the same lines. */
static void check_origin(struct audit *a, const cJSON *record)
{
    char hash[LEDGER_HASH_SIZE];
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, "records_sha256");
    bool same = ledger_hash(&a->origin, hash) && cJSON_IsString(item) &&
                strcmp(item->valuestring, hash) == 0;
    if (!same && !a->changed)
        note(a, "the lines above are not those that the scan wrote: records_sha256 differs");
    a->changed |= !same;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Writes the line that was added, if it was. */
static bool write_line(struct audit *a, bool added)
{
    if (!a->outlets.records)
        page_clear(&a->ledger.page);
    else if (!added || !ledger_flush(&a->ledger, &a->records))
        return fail(a, &a->records);
    return true;
}

static bool take_start(struct audit *a, cJSON *record)
{
    const cJSON *shard = cJSON_GetObjectItemCaseSensitive(record, "shard");
    a->whole = !shard || cJSON_IsNull(shard);
    return write_line(a, revision_run_start(&a->ledger.page, record, a->run.version,
                                            &a->run.policies, &a->run.exceptions));
}

/* Are all findings counted that the scan made? Else nothing proves that a waiver is not needed. */
static bool is_whole(const struct audit *a)
{
    return a->whole && !a->changed && !a->end.stopped_by;
}

/* As of the time at which the run ended. Always true. */
static bool tell_usage(struct audit *a, const cJSON *record)
{
    const struct usage *usage = a->end.totals.tally.usage;
    if (usage && !a->options.quiet)
        usage_tell(usage, is_whole(a), revision_time(record), a->in.name, stderr);
    return true;
}

static bool take_end(struct audit *a, cJSON *record)
{
    char text[LEDGER_HASH_SIZE];
    const char *hash;

    if (!finish_host(a))
        return false;
    check_origin(a, record);
    read_end(a, record);
    hash = ledger_hash(&a->ledger, text);
    return (hash || fail(a, &a->records)) &&
           write_line(a, revision_run_end(&a->ledger.page, record, &a->end.totals.tally,
                                          is_whole(a), hash, a->end.exit_code)) &&
           tell_usage(a, record) && close_run(a);
}

static bool take_checkpoint(struct audit *a, cJSON *record)
{
    char text[LEDGER_HASH_SIZE];
    const char *hash;

    if (!finish_host(a))
        return false;
    check_origin(a, record);
    hash = ledger_hash(&a->ledger, text);
    return (hash || fail(a, &a->records)) &&
           write_line(a, revision_checkpoint(&a->ledger.page, record, &a->end.totals.tally, hash));
}

/* What a newer minor version has. */
static bool take_other(struct audit *a, cJSON *record)
{
    return finish_host(a) && write_line(a, ledger_take(&a->ledger, cJSON_PrintUnformatted(record)));
}

static const char *text_of(const cJSON *record, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool take_record(struct audit *a, cJSON *record, struct span line)
{
    const char *type = text_of(record, "type");
    bool starts = strcmp(type, "run_start") == 0;

    if (starts && a->open && !abandon_run(a))
        return false;
    if (!a->open && !begin_run(a))
        return false;
    bool ok = starts                            ? take_start(a, record)
              : strcmp(type, "endpoint") == 0   ? take_endpoint(a, record, line)
              : strcmp(type, "checkpoint") == 0 ? take_checkpoint(a, record)
              : strcmp(type, "run_end") == 0    ? take_end(a, record)
                                                : take_other(a, record);
    return ok;
}

static bool take_line(struct audit *a, struct span line)
{
    cJSON *record = members_parse(line);
    const char *fault = members_fault(record);
    bool ok = true;
    if (fault)
        complain(a, fault);
    else
        ok = take_record(a, record, line);
    if (a->open)
        ledger_note(&a->origin, line.at, line.len);
    cJSON_Delete(record);
    return ok;
}

/* Without an end it may be a whole record nevertheless. */
static bool take_torn(struct audit *a, struct span line)
{
    cJSON *record = members_parse(line);
    bool torn = !record && errno != ENOMEM;
    cJSON_Delete(record);
    if (!torn)
        return take_line(a, line);
    note(a, "the last line is torn, and passed over");
    return true;
}

/* --- files ------------------------------------------------------------------------------------ */

static bool read_lines(struct audit *a)
{
    struct span line;
    for (;;) {
        switch (infile_next(&a->in, &line)) {
        case INFILE_LINE:
            if (!take_line(a, line))
                return false;
            break;
        case INFILE_TORN:
            if (!take_torn(a, line))
                return false;
            break;
        case INFILE_LONG:
            complain(a, "longer than a record can be");
            break;
        case INFILE_FAILED:
            say(stderr, PROGRAM " audit: %s: %s", a->in.name, strerror(a->in.error));
            add_code(a, EXIT_TROUBLE);
            return true;
        case INFILE_END:
            return true;
        }
    }
}

static bool audit_file(struct audit *a, const char *path)
{
    a->any = false;
    if (!infile_open(&a->in, path)) {
        say(stderr, PROGRAM " audit: %s: %s", a->in.name, strerror(a->in.error));
        add_code(a, EXIT_TROUBLE);
        return true;
    }
    bool ok = read_lines(a) && (!a->open || abandon_run(a));
    if (ok && !a->any) {
        note(a, "there is no record");
        add_code(a, EXIT_INCOMPLETE);
    }
    infile_close(&a->in);
    return ok;
}

/* The records would take the place of what they are made of. */
static bool is_input(const struct audit_options *o)
{
    for (size_t i = 0; o->output && strcmp(o->output, "-") != 0 && i < o->file_count; i++)
        if (infile_is(o->files[i], o->output))
            return true;
    return false;
}

static bool open_outputs(struct audit *a)
{
    const struct audit_options *o = &a->options;
    a->outlets = outlets_of(o->output, o->json, o->table);
    if (is_input(o) || standard_reads(&o->standard, o->output)) {
        say(stderr, PROGRAM " audit: %s is read, and cannot be written", o->output);
        return false;
    }
    a->records = a->rows = (struct outfile){.fd = -1, .name = "standard output"};
    if (a->outlets.records && !outfile_open_beside(&a->records, o->output))
        return fail(a, &a->records);
    return !a->outlets.table || outfile_open(&a->rows, NULL) || fail(a, &a->rows);
}

static void close_outputs(struct audit *a)
{
    if (a->broken)
        outfile_drop(&a->records);
    if (!outfile_close(&a->records) && !a->broken)
        fail(a, &a->records);
    if (!outfile_close(&a->rows) && !a->broken)
        fail(a, &a->rows);
}

/* --- the command ------------------------------------------------------------------------------ */

enum key { KEY_JSON = 0x200, KEY_TABLE }; /* beyond the short options, and standard_argp's */

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    struct audit_options *o = state->input;
    switch (key) {
    case 'o':
        o->output = argument;
        break;
    case 'q':
        o->quiet = true;
        break;
    case KEY_JSON:
        o->json = true;
        break;
    case KEY_TABLE:
        o->table = true;
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->standard;
        state->child_inputs[1] = &o->sandbox;
        break;
    case ARGP_KEY_ARGS:
        o->files = state->argv + state->next;
        o->file_count = (size_t)(state->argc - state->next);
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no file of records is given");
        break;
    case ARGP_KEY_END:
        o->standard.quiet = o->quiet;
        if (o->json && o->table)
            argp_error(state, "--json and --table exclude each other");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void audit_free(struct audit *a)
{
    forget_host(a);
    draft_free(&a->draft);
    tally_end(&a->end.totals.tally);
    free(a->lines);
    ledger_free(&a->ledger);
    ledger_free(&a->origin);
    if (a->open && a->table.writer)
        a->table.writer->free(&a->table);
    standard_free(&a->standard);
    free(a->options.standard.policies);
}

int command_audit(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0, "Write the records to FILE", 0},
        {"json", KEY_JSON, NULL, 0, "Records on standard output, also on a terminal", 0},
        {"table", KEY_TABLE, NULL, 0, "A table on standard output, also where it is not a terminal",
         0},
        {"quiet", 'q', NULL, 0, "No notes", 0},
        {NULL, 0, NULL, 0, NULL, 0}};
    static const struct argp_child children[] = {
        {&standard_argp, 0, NULL, 0}, {&sandbox_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        options,
        on_option,
        "RECORDS…",
        "Judges the records of a scan again, without a connection, and writes them with what is "
        "said of them now.\v"
        "RECORDS is a file that a scan wrote, or - for standard input.\n\n"
        "Exit status: 0 done; 1 findings (--fail-on); 2 usage, input or output error, or a line "
        "that is no record; 3 the run in a file is not complete.",
        children,
        NULL,
        NULL};
    struct audit a = {.options = {.sandbox = sandbox_mode_default()}, .code = EXIT_DONE};

    argp_err_exit_status = EXIT_TROUBLE;
    parse_arguments(&argp, argc, argv, &a.options);
    if (!standard_load(&a.standard, &a.options.standard) || !open_outputs(&a) ||
        !confine_reader(a.options.sandbox, a.options.files, a.options.file_count, NULL,
                        a.options.output)) {
        a.code = EXIT_TROUBLE;
    } else {
        a.run.version = VERSION;
        a.run.policies = a.standard.policies;
        a.run.exceptions = a.standard.exceptions;
        for (size_t i = 0; i < a.options.file_count && audit_file(&a, a.options.files[i]); i++)
            continue;
        close_outputs(&a);
    }
    audit_free(&a);
    return a.code;
}
