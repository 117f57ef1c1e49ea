/* SPDX-License-Identifier: MIT */
/* merge.c: the command that makes one run of its shards, or says which of them are missing. */
#define _GNU_SOURCE
#include <argp.h>
#include <inttypes.h>
#include <stdlib.h>

#include "output/merge.h"
#include "output/record.h"
#include "scanner/commands/command.h"
#include "scanner/commands/confine.h"
#include "scanner/commands/standard.h"
#include "scanner/say.h"
#include "scanner/usage.h"

struct merge_options {
    struct standard_options standard;
    const char *output;
    enum sandbox_mode sandbox;
    char **files; /* argv's */
    size_t file_count;
};

struct merge_command {
    struct merge_options options;
    struct standard standard;
    struct merge merge;
    struct ledger ledger;
    struct outfile file;
    struct run run;
    struct run_end end;
    int code; /* so far */
};

static void add_code(struct merge_command *c, int code)
{
    c->code = worse_code(c->code, code);
}

static bool fail(struct merge_command *c, const char *name, int error)
{
    say(stderr, PROGRAM " merge: %s: %s", name, error ? strerror(error) : "out of memory");
    add_code(c, EXIT_TROUBLE);
    return false;
}

/* --- what there is ---------------------------------------------------------------------------- */

/* The result would take the place of what it is made of. */
static bool check_output(struct merge_command *c)
{
    const struct merge_options *o = &c->options;
    for (size_t i = 0; o->output && i < o->file_count; i++)
        if (infile_is(o->files[i], o->output)) {
            say(stderr, PROGRAM " merge: %s is read, and cannot be written", o->output);
            add_code(c, EXIT_TROUBLE);
            return false;
        }
    return true;
}

static bool read_shards(struct merge_command *c)
{
    for (size_t i = 0; i < c->options.file_count; i++)
        if (merge_add(&c->merge, c->options.files[i]) == SHARD_NONE)
            add_code(c, EXIT_TROUBLE);
    if (c->merge.mixed) {
        say(stderr, PROGRAM " merge: these are shards of different runs");
        add_code(c, EXIT_TROUBLE);
        return false;
    }
    merge_settle(&c->merge);
    if (c->merge.count == 0) {
        say(stderr, PROGRAM " merge: there is no whole shard");
        add_code(c, EXIT_INCOMPLETE);
    }
    return c->merge.count > 0;
}

/* For people, and as the option that has a job array of Slurm do them again. */
static bool tell_missing(struct merge_command *c)
{
    char *list = NULL, *array = NULL;
    size_t list_size, array_size;
    FILE *f = open_memstream(&list, &list_size), *g = open_memstream(&array, &array_size);
    uint64_t missing = f && g ? merge_missing(&c->merge, ", ", f) : 0;

    if (missing)
        merge_missing(&c->merge, ",", g);
    bool ok = f && g && fclose(f) == 0 && fclose(g) == 0;
    if (ok && missing) {
        say(stderr, PROGRAM " merge: missing: %s of %" PRIu64 " (--array=%s)", list,
            c->merge.expected, array);
        c->end.stopped_by = "shards_missing";
        add_code(c, EXIT_INCOMPLETE);
    }
    free(list);
    free(array);
    return ok || fail(c, "the shards", 0);
}

/* --- what comes out --------------------------------------------------------------------------- */

static void judge(struct merge_command *c)
{
    for (size_t i = 0; i < c->merge.count; i++)
        if (c->merge.shards[i].end.exit_code == EXIT_TROUBLE)
            add_code(c, EXIT_TROUBLE);
    if (c->end.totals.hosts && !c->end.totals.answered)
        add_code(c, EXIT_INCOMPLETE);
    add_code(c, standard_code(&c->standard, &c->end.totals.tally));
    c->end.exit_code = c->code;
    usage_tell(c->end.totals.tally.usage, !c->end.stopped_by, c->run.started + c->end.duration,
               PROGRAM " merge", stderr);
}

static bool write_end(struct merge_command *c)
{
    char text[LEDGER_HASH_SIZE];
    judge(c);
    /* What waits is a part of what the hash is of. */
    if (!ledger_flush(&c->ledger, &c->file))
        return fail(c, c->file.name, c->file.error);
    const char *hash = ledger_hash(&c->ledger, text);
    return (hash && record_run_end(&c->ledger.page, &c->run, &c->end, hash) &&
            ledger_flush(&c->ledger, &c->file)) ||
           fail(c, c->file.name, c->file.error);
}

static bool write_run(struct merge_command *c)
{
    switch (merge_write(&c->merge, &c->ledger, &c->file, &c->run, &c->end)) {
    case MERGE_FAILED:
        add_code(c, EXIT_TROUBLE);
        return false;
    case MERGE_TWICE:
        add_code(c, EXIT_TROUBLE);
        break;
    case MERGE_DONE:
        break;
    }
    return write_end(c);
}

static void merge_files(struct merge_command *c)
{
    const struct merge_options *o = &c->options;
    if (!check_output(c))
        return;
    if (!confine_reader(o->sandbox, o->files, o->file_count, NULL, o->output)) {
        add_code(c, EXIT_TROUBLE);
        return;
    }
    if (!read_shards(c) || !tell_missing(c))
        return;
    if (!ledger_init(&c->ledger) || !outfile_open_beside(&c->file, c->options.output)) {
        fail(c, c->file.name ? c->file.name : "the records", c->file.error);
        outfile_drop(&c->file);
        return;
    }
    if (!write_run(c))
        outfile_drop(&c->file);
    else if (!outfile_close(&c->file))
        fail(c, c->file.name, c->file.error);
}

/* --- the command ------------------------------------------------------------------------------ */

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    struct merge_options *o = state->input;
    switch (key) {
    case 'o':
        o->output = argument;
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
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int command_merge(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0,
         "Write the records to FILE, which is replaced only when all of it is written", 0},
        {NULL, 0, NULL, 0, NULL, 0}};
    static const struct argp_child children[] = {
        {&fail_on_argp, 0, NULL, 0}, {&sandbox_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        options,
        on_option,
        "RECORDS…",
        "Makes one run of its shards, which `scan --shard` wrote, and writes its records.\v"
        "Only whole shards count: files that end with a run_end which calls them complete and "
        "vouches for every line. Of several attempts at a shard, that which was begun last is "
        "taken. A run without shards is all of itself.\n\n"
        "Exit status: 0 done; 1 findings (--fail-on); 2 usage, input or output error, or shards of "
        "different runs; 3 shards are missing (what is there is written), or nothing at all "
        "answered.",
        children,
        NULL,
        NULL};
    struct merge_command c = {.options = {.sandbox = sandbox_mode_default()},
                              .code = EXIT_DONE,
                              .merge = {.messages = stderr}};

    argp_err_exit_status = EXIT_TROUBLE;
    parse_arguments(&argp, argc, argv, &c.options);
    if (standard_threshold(&c.standard, &c.options.standard))
        merge_files(&c);
    else
        c.code = EXIT_TROUBLE;
    ledger_free(&c.ledger);
    merge_free(&c.merge);
    return c.code;
}
