/* SPDX-License-Identifier: MIT */
/* state.c: the command that makes and looks at the history of many runs. */
#define _GNU_SOURCE
#include "output/state/state.h"

#include <argp.h>
#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output/members.h"
#include "output/rules/rule.h"
#include "output/state/archive.h"
#include "scanner/commands/command.h"
#include "scanner/commands/confine.h"
#include "scanner/say.h"
#include "scanner/usage.h"

struct state_command {
    const char *verb, *path;
    char **files; /* argv's */
    size_t file_count;
    bool json, quiet;
    enum sandbox_mode sandbox;
    bool anew; /* all of it is taken once more */
    int code;
};

static void fail(struct state_command *c, const char *problem)
{
    say(stderr, PROGRAM " state: %s: %s", c->path, problem);
    c->code = EXIT_TROUBLE;
}

static struct state *open_state(struct state_command *c, enum state_mode mode)
{
    char problem[STATE_PROBLEM_SIZE];
    struct state *s = state_open(c->path, mode, problem);
    if (!s)
        fail(c, problem);
    return s;
}

static bool read_files(struct state_command *c, struct archive *a)
{
    for (size_t i = 0; i < c->file_count; i++)
        if (!archive_add(a, c->files[i]))
            c->code = EXIT_TROUBLE;
    archive_sort(a);
    return a->count > 0;
}

/* --- add ----------------------------------------------------------------------------------------- */

static bool note_end(void *complete, const struct state_entry *e)
{
    *(bool *)complete = e->complete;
    return true;
}

/* What it has found since it was taken, if it went on, only a rebuild can take. */
static void note_known(const struct state_command *c, const struct archive_run *run,
                       struct state *s)
{
    bool complete = true;
    state_rollback(s);
    if (c->quiet || !state_runs(s, run->run_id, note_end, &complete))
        return;
    say(stderr, PROGRAM " state: %s: the run of %s is there already%s", run->file, run->started,
        complete ? "" : ", as far as it had come: `state rebuild` takes what it is now");
}

/* False: nothing more can be done. */
static bool take_run(struct state_command *c, const struct archive *a,
                     const struct archive_run *run, struct state *s)
{
    enum archive_step step = archive_take(a, run, s);
    if (step == ARCHIVE_KNOWN) {
        if (!c->anew)
            note_known(c, run, s);
        return true;
    }
    if (step != ARCHIVE_TAKEN)
        c->code = EXIT_TROUBLE;
    if (step == ARCHIVE_TAKEN || step == ARCHIVE_BROKEN) {
        if (state_commit(s))
            return true;
        fail(c, state_problem(s));
    }
    return step == ARCHIVE_REFUSED;
}

static void add(struct state_command *c)
{
    struct archive a = {.messages = stderr};
    struct state *s = read_files(c, &a) ? open_state(c, STATE_WRITE) : NULL;
    bool ok = s != NULL;
    for (size_t i = 0; ok && i < a.count; i++) {
        ok = state_begin(s);
        if (!ok)
            fail(c, state_problem(s));
        ok = ok && take_run(c, &a, &a.runs[i], s);
        state_rollback(s); /* of what was not committed */
    }
    state_close(s);
    archive_free(&a);
}

/* --- rebuild --------------------------------------------------------------------------------------- */

/* With what SQLite leaves beside it. */
static void remove_state(const char *path)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *name;
        if (asprintf(&name, "%s%s", path, ends[i]) < 0)
            return;
        unlink(name);
        free(name);
    }
}

/* In one transaction: who reads meanwhile sees what was there before, and so does everybody if it
   comes to nothing. */
static void rebuild(struct state_command *c)
{
    struct archive a = {.messages = stderr};
    bool created = access(c->path, F_OK) != 0;
    struct state *s = read_files(c, &a) && c->code == EXIT_DONE ? open_state(c, STATE_WRITE) : NULL;
    bool ok = s != NULL;
    c->anew = true;
    if (ok && !(ok = state_begin_anew(s)))
        fail(c, state_problem(s));
    for (size_t i = 0; ok && i < a.count; i++)
        ok = take_run(c, &a, &a.runs[i], s) && c->code == EXIT_DONE;
    if (ok && !(ok = state_commit_all(s)))
        fail(c, state_problem(s));
    state_close(s);
    if (!ok && c->code != EXIT_DONE && a.count)
        say(stderr, PROGRAM " state: %s is as it was", c->path);
    if (!ok && s && created)
        remove_state(c->path);
    archive_free(&a);
}

/* --- runs ------------------------------------------------------------------------------------------ */

/* How far it is. */
struct listing {
    bool headed, failed;
};

static bool put_text(cJSON *object, const char *name, const char *text)
{
    return member_put(object, name, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

static bool put_number(cJSON *object, const char *name, int64_t value)
{
    return member_put(object, name, cJSON_CreateNumber((double)value));
}

static bool print_json(void *context, const struct state_entry *e)
{
    struct listing *l = context;
    cJSON *run = cJSON_CreateObject(), *open = cJSON_CreateObject();
    bool ok = open != NULL;
    for (int i = 0; ok && i < SEVERITY_COUNT; i++)
        ok = put_number(open, severity_name((enum severity)(SEVERITY_CRITICAL - i)), e->open[i]);
    ok = put_text(run, "run_id", e->run_id) && ok;
    ok = put_text(run, "started", e->started) && ok;
    ok = put_text(run, "ended", *e->ended ? e->ended : NULL) && ok;
    ok = member_put(run, "complete", cJSON_CreateBool(e->complete)) && ok;
    ok = put_text(run, "stopped_by", *e->stopped_by ? e->stopped_by : NULL) && ok;
    ok = put_text(run, "scanner", e->scanner) && ok;
    ok = put_number(run, "recorded", e->recorded) && ok;
    ok = put_number(run, "answered", e->answered) && ok;
    ok = member_put(run, "open", open) && ok;
    ok = put_number(run, "waived", e->waived) && ok;
    ok = put_number(run, "not_observed", e->not_observed) && ok;
    ok = put_number(run, "changes", e->changes) && ok;
    char *text = ok ? cJSON_PrintUnformatted(run) : NULL;
    if (text)
        puts(text);
    cJSON_free(text);
    cJSON_Delete(run);
    l->failed = !text;
    return text != NULL;
}

static bool print_row(void *context, const struct state_entry *e)
{
    struct listing *l = context;
    if (!l->headed)
        printf("%-20s %-36s %-10s %8s %8s %5s %5s %6s %5s %5s %6s %8s %7s\n", "STARTED", "RUN",
               "END", "RECORDED", "ANSWERED", "CRIT", "HIGH", "MEDIUM", "LOW", "INFO", "WAIVED",
               "NOT OBS.", "CHANGES");
    l->headed = true;
    printf("%.19sZ %-36.36s %-10s %8" PRId64 " %8" PRId64 " %5" PRId64 " %5" PRId64 " %6" PRId64
           " %5" PRId64 " %5" PRId64 " %6" PRId64 " %8" PRId64 " %7" PRId64 "\n",
           e->started, e->run_id,
           e->complete ? "complete"
           : *e->ended ? "stopped"
                       : "cut off",
           e->recorded, e->answered, e->open[0], e->open[1], e->open[2], e->open[3], e->open[4],
           e->waived, e->not_observed, e->changes);
    return true;
}

static void runs(struct state_command *c)
{
    struct listing l = {.headed = false};
    struct state *s = open_state(c, STATE_READ);
    if (s && !state_runs(s, NULL, c->json ? print_json : print_row, &l))
        fail(c, l.failed ? "out of memory" : state_problem(s));
    state_close(s);
    c->code = worse_code(c->code, finish_stdout());
}

/* --- check ------------------------------------------------------------------------------------------ */

static void on_problem(void *context, const char *problem)
{
    fail(context, problem);
}

static void check(struct state_command *c)
{
    struct state_counts n;
    uint64_t problems;
    struct state *s = open_state(c, STATE_READ);
    if (!s)
        return;
    if (!state_check(s, &n, &problems, on_problem, c))
        fail(c, state_problem(s));
    else
        printf("%s: version %d, %" PRId64 " runs, %" PRId64 " endpoints, %" PRId64
               " findings (%" PRId64 " open, %" PRId64 " waived), %" PRId64 " changes: %s\n",
               c->path, n.version, n.runs, n.endpoints, n.findings, n.open, n.waived, n.changes,
               problems ? "damaged" : "sound");
    state_close(s);
    c->code = worse_code(c->code, finish_stdout());
}

/* --- the command ------------------------------------------------------------------------------------ */

static const struct verb {
    const char *name;
    void (*run)(struct state_command *);
    bool files;
} verbs[] = {
    {"add", add, true}, {"rebuild", rebuild, true}, {"runs", runs, false}, {"check", check, false}};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; name && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static void check_usage(struct argp_state *state, const struct state_command *c)
{
    const struct verb *verb = find_verb(c->verb);
    if (!c->verb)
        argp_error(state, "what is to be done? add, rebuild, runs or check");
    else if (!verb)
        usage_error(state, "'%s' is none of add, rebuild, runs and check", c->verb);
    else if (!c->path)
        argp_error(state, "no state is named");
    else if (verb->files && !c->file_count)
        argp_error(state, "no file of records is given");
    else if (!verb->files && c->file_count)
        usage_error(state, "%s takes no records", c->verb);
}

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    struct state_command *c = state->input;
    switch (key) {
    case 'j':
        c->json = true;
        break;
    case 'q':
        c->quiet = true;
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->sandbox;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num == 0)
            c->verb = argument;
        else if (state->arg_num == 1)
            c->path = argument;
        else
            return ARGP_ERR_UNKNOWN; /* the rest at once */
        break;
    case ARGP_KEY_ARGS:
        c->files = state->argv + state->next;
        c->file_count = (size_t)(state->argc - state->next);
        break;
    case ARGP_KEY_END:
        check_usage(state, c);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int command_state(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "runs: an object for each, on a line of its own", 0},
        {"quiet", 'q', NULL, 0, "Say nothing of runs that are there already", 0},
        {NULL, 0, NULL, 0, NULL, 0}};
    static const struct argp_child children[] = {{&sandbox_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        options,
        on_option,
        "add DB RECORDS…\nrebuild DB RECORDS…\nruns DB\ncheck DB",
        "Keeps the history of many runs in an SQLite database, which `scan --state` writes too.\v"
        "add      takes runs into it, the earliest first; one that is there already is passed "
        "over, and one that is older than the last is refused\n"
        "rebuild  forgets all there is, and takes these runs alone, whatever their order; if any "
        "of them cannot be taken, the state is as it was\n"
        "runs     lists the runs, and the findings that were open after each, those of a name "
        "once, "
        "whatever its addresses\n"
        "check    looks at every page of the database\n\n"
        "Exit status: 0 done; 2 usage, input or output error, or a line that is no record.",
        children,
        NULL,
        NULL};
    struct state_command c = {.sandbox = sandbox_mode_default(), .code = EXIT_DONE};

    argp_err_exit_status = EXIT_TROUBLE;
    parse_arguments(&argp, argc, argv, &c);
    if (!confine_reader(c.sandbox, c.files, c.file_count, c.path, NULL))
        return EXIT_TROUBLE;
    find_verb(c.verb)->run(&c);
    return c.code;
}
