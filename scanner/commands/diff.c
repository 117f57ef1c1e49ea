/* SPDX-License-Identifier: MIT */
/* diff.c: the command that says what changed between runs. */
#define _GNU_SOURCE
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/members.h"
#include "output/rules/rule.h"
#include "output/state/archive.h"
#include "scanner/commands/command.h"
#include "scanner/commands/confine.h"
#include "scanner/quote.h"
#include "scanner/say.h"
#include "scanner/usage.h"

#define TEXT_SHOWN ((size_t)160)      /* octets of a text of somebody else's  */
#define ITEMS_COMPARED ((size_t)1000) /* of each of two lists: no server has so many */

struct diff {
    const char *path, *run_id;
    char *files[2];
    bool json, all, color;
    enum sandbox_mode sandbox;
    int code;
    bool failed; /* and said so */
    struct state *state;

    /* What is being printed. */
    const struct group *group;
    const char *severity;
    uint64_t count, shown, hidden;
    bool headed;
    char before[24], started[24]; /* the run before, and this one */
    bool complete;
};

static bool fail(struct diff *d, const char *name, const char *problem)
{
    say(stderr, PROGRAM " diff: %s: %s", name, problem);
    d->code = EXIT_TROUBLE;
    d->failed = true;
    return false;
}

/* --- what people read ------------------------------------------------------------------------------ */

enum color { PLAIN, RED, YELLOW, GREEN, DIM, BOLD };

static const char *paint(const struct diff *d, enum color color)
{
    static const char *const codes[] = {"",         "\033[31m", "\033[33m",
                                        "\033[32m", "\033[2m",  "\033[1m"};
    return d->color ? codes[color] : "";
}

static const char *unpaint(const struct diff *d, enum color color)
{
    return d->color && color != PLAIN ? "\033[0m" : "";
}

/* What cannot be shown is a question mark. */
static void print_text(const char *text)
{
    struct span s = span_of(text);
    size_t shown = 0;
    while (s.len && shown < TEXT_SHOWN) {
        bool visible;
        size_t n = quote_step(s, &visible);
        if (visible)
            fwrite(s.at, 1, n, stdout);
        else
            putchar('?');
        shown += n;
        s = span_from(s, n);
    }
    if (s.len)
        fputs("...", stdout);
}

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *item = member_of(object, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static void print_value(const cJSON *value)
{
    const cJSON *item;
    if (cJSON_IsString(value)) {
        print_text(value->valuestring);
        return;
    }
    if (!cJSON_IsArray(value) || !value->child)
        fputs("none", stdout);
    cJSON_ArrayForEach(item, value)
    {
        print_text(cJSON_IsString(item) ? item->valuestring : "?");
        if (item->next)
            putchar(' ');
    }
}

/* Among the first of the list? */
static bool has_text(const cJSON *list, const char *text)
{
    const cJSON *item = list ? list->child : NULL;
    for (size_t i = 0; item && i < ITEMS_COMPARED; item = item->next, i++)
        if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
            return true;
    return false;
}

static void print_missing(const cJSON *list, const cJSON *other, const char *mark)
{
    const cJSON *item = list ? list->child : NULL;
    for (size_t i = 0; item && i < ITEMS_COMPARED; item = item->next, i++)
        if (cJSON_IsString(item) && !has_text(other, item->valuestring)) {
            fputs(mark, stdout);
            print_text(item->valuestring);
        }
    if (item)
        printf("%s...", mark);
}

/* Of long lists only what is different. */
static void print_lists(const cJSON *before, const cJSON *after)
{
    print_missing(before, after, " -");
    print_missing(after, before, " +");
}

/* --- groups ----------------------------------------------------------------------------------------- */

enum show { SHOW_FINDING, SHOW_VALUES, SHOW_LISTS, SHOW_CERTIFICATE };

struct kind {
    const char *change; /* NULL ends the list */
    const char *word;
    enum show show;
};

struct group {
    const char *title;
    enum color color;
    bool by_severity; /* the worst first                  */
    bool noise;       /* only if everything is asked for  */
    struct kind kinds[12];
};

static const struct group groups[] = {
    {"WORSE",
     RED,
     true,
     false,
     {{"finding_new", "new", SHOW_FINDING},
      {"finding_reopened", "back again", SHOW_FINDING},
      {"waiver_expired", "waiver expired", SHOW_FINDING},
      {"waiver_removed", "waiver removed", SHOW_FINDING}}},
    {"SEVERITY", YELLOW, true, false, {{"severity_changed", "severity", SHOW_VALUES}}},
    {"BETTER", GREEN, true, false, {{"finding_resolved", "resolved", SHOW_FINDING}}},
    {"NOT FIXED, BUT NO LONGER COUNTED",
     YELLOW,
     true,
     false,
     {{"finding_waived", "waived", SHOW_FINDING},
      {"finding_not_applicable", "does not apply", SHOW_FINDING}}},
    {"NOT OBSERVED, STILL OPEN",
     YELLOW,
     true,
     false,
     {{"finding_not_observed", "not observed", SHOW_FINDING}}},
    {"ENDPOINTS",
     BOLD,
     false,
     false,
     {{"endpoint_new", "new", SHOW_VALUES},
      {"endpoint_returned", "returned", SHOW_VALUES},
      {"endpoint_unreachable", "unreachable", SHOW_VALUES},
      {"endpoint_closed", "closed", SHOW_VALUES},
      {"endpoint_status_changed", "status", SHOW_VALUES},
      {"endpoint_removed", "out of scope", SHOW_VALUES},
      {"endpoint_excluded", "excluded", SHOW_VALUES},
      {"address_changed", "address", SHOW_VALUES}}},
    {"WHAT THEY ARE LIKE",
     BOLD,
     false,
     false,
     {{"starttls_changed", "STARTTLS", SHOW_VALUES},
      {"cleartext_login_changed", "login in clear", SHOW_VALUES},
      {"tls_versions_changed", "TLS versions", SHOW_VALUES},
      {"certificate_changed", "certificate", SHOW_CERTIFICATE}}},
    {"CAPABILITIES AND POLICIES",
     BOLD,
     false,
     true,
     {{"capabilities_changed", "capabilities", SHOW_LISTS},
      {"policy_changed", "policy", SHOW_VALUES}}},
};

#define GROUP_COUNT (sizeof groups / sizeof *groups)

static const struct kind *kind_in(const struct group *g, const char *change)
{
    for (const struct kind *k = g->kinds; k->change; k++)
        if (strcmp(k->change, change) == 0)
            return k;
    return NULL;
}

/* --- a line ------------------------------------------------------------------------------------------ */

static void print_head(struct diff *d)
{
    if (!d->headed)
        printf("\n%s%s%s\n", paint(d, d->group->color), d->group->title,
               unpaint(d, d->group->color));
    d->headed = true;
    d->shown++;
}

static void print_endpoint(const cJSON *endpoint)
{
    const char *ip = text_of(endpoint, "ip");
    print_text(text_of(endpoint, "key"));
    if (*ip && strcmp(ip, text_of(endpoint, "host")) != 0) {
        fputs(" (", stdout);
        print_text(ip);
        putchar(')');
    }
}

/* What else there is to say, in brackets. */
static void print_note(const struct diff *d, const cJSON *change)
{
    static const char *const names[] = {"policy", "stage", "waiver", "reason"};
    const char *cause = text_of(change, "cause"), *mark = "  (";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (*text_of(change, names[i])) {
            fputs(mark, stdout);
            print_text(text_of(change, names[i]));
            mark = ", ";
        }
    if (*mark == ',')
        putchar(')');
    if (strcmp(cause, "observed") == 0)
        return;
    printf("  %s[", paint(d, DIM));
    print_text(cause);
    printf("]%s", unpaint(d, DIM));
}

/* The first digits of its hash, and how long it is good for. */
static void print_certificate(const cJSON *certificate)
{
    const cJSON *hash = cJSON_GetArrayItem(certificate, 0),
                *end = cJSON_GetArrayItem(certificate, 2);
    char text[32];
    if (!cJSON_IsString(hash)) {
        fputs("none", stdout);
        return;
    }
    snprintf(text, sizeof text, "%.8s to %.10s", hash->valuestring,
             cJSON_IsString(end) ? end->valuestring : "?");
    print_text(text);
}

static void print_values(enum show show, const cJSON *before, const cJSON *after)
{
    void (*print)(const cJSON *) = show == SHOW_CERTIFICATE ? print_certificate : print_value;
    fputs(": ", stdout);
    if (!cJSON_IsNull(before)) {
        print(before);
        fputs(" -> ", stdout);
    }
    print(after);
}

static void print_change(struct diff *d, const struct kind *kind, const cJSON *change)
{
    const cJSON *before = member_of(change, "before"), *after = member_of(change, "after");
    const char *severity = text_of(change, "severity");

    print_head(d);
    printf("  %-15s", kind->word);
    if (*severity)
        printf("%-9s", d->severity ? d->severity : "");
    print_endpoint(member_of(change, "endpoint"));
    if (*text_of(change, "rule")) {
        fputs("  ", stdout);
        print_text(text_of(change, "rule"));
    }
    if (kind->show == SHOW_FINDING) {
        fputs(": ", stdout);
        print_text(text_of(change, "title"));
    } else if (kind->show == SHOW_LISTS) {
        putchar(':');
        print_lists(before, after);
    } else {
        print_values(kind->show, before, after);
    }
    print_note(d, change);
    putchar('\n');
}

/* --- all of them ------------------------------------------------------------------------------------- */

static bool print_line(void *context, const char *json)
{
    struct diff *d = context;
    d->count++;
    if (d->json)
        puts(json);
    return true;
}

static bool print_if_in_group(void *context, const char *json)
{
    struct diff *d = context;
    cJSON *change = cJSON_Parse(json);
    if (!change)
        return fail(d, d->path ? d->path : d->files[1], "out of memory, or a change is no JSON");
    const struct kind *kind = kind_in(d->group, text_of(change, "change"));
    const char *severity = text_of(change, "severity");

    if (kind && (!d->severity || strcmp(d->severity, severity) == 0)) {
        if (d->group->noise && !d->all)
            d->hidden++;
        else
            print_change(d, kind, change);
    }
    cJSON_Delete(change);
    return true;
}

static bool each(struct diff *d, const char *run_id, bool (*on_change)(void *, const char *))
{
    if (state_changes(d->state, run_id, on_change, d))
        return true;
    return !d->failed && fail(d, d->path ? d->path : d->files[1], state_problem(d->state));
}

static bool print_group(struct diff *d, const char *run_id)
{
    bool ok = true;
    d->headed = false;
    d->severity = NULL;
    if (!d->group->by_severity)
        return each(d, run_id, print_if_in_group);
    for (int s = SEVERITY_COUNT - 1; ok && s >= 0; s--) {
        d->severity = severity_name((enum severity)s);
        ok = each(d, run_id, print_if_in_group);
    }
    return ok;
}

/* Until the run that is wanted. */
static bool find_run(void *context, const struct state_entry *e)
{
    struct diff *d = context;
    snprintf(d->before, sizeof d->before, "%s", d->started);
    snprintf(d->started, sizeof d->started, "%.19sZ", e->started);
    d->complete = e->complete;
    return !d->run_id || strcmp(d->run_id, e->run_id) != 0;
}

/* Which runs are compared. */
static bool print_runs(struct diff *d)
{
    d->started[0] = d->before[0] = '\0';
    if (!state_runs(d->state, NULL, find_run, d) && *state_problem(d->state))
        return fail(d, d->path ? d->path : d->files[1], state_problem(d->state));
    printf("%s%s%s%s", paint(d, DIM), d->started, d->complete ? "" : " (not complete)",
           *d->before ? ", after " : ": the first run, which others are compared with\n");
    if (*d->before)
        printf("%s\n", d->before);
    fputs(unpaint(d, DIM), stdout);
    return true;
}

/* A run's changes; of the first run there are none. */
static bool print_run(struct diff *d, const char *run_id)
{
    uint64_t before = d->count;
    bool ok = each(d, run_id, print_line);
    if (d->json || !ok)
        return ok;
    ok = print_runs(d);
    for (size_t i = 0; ok && d->count > before && i < GROUP_COUNT; i++) {
        d->group = &groups[i];
        ok = print_group(d, run_id);
    }
    return ok;
}

static void print_end(struct diff *d)
{
    if (d->json)
        return;
    if (!d->count)
        printf("nothing changed\n");
    if (d->hidden)
        printf("\n%s%" PRIu64 " of capabilities and policies (--all shows them)\n",
               d->shown ? "left out: " : "nothing but ", d->hidden);
}

/* --- runs -------------------------------------------------------------------------------------------- */

static bool open_state(struct diff *d)
{
    char problem[STATE_PROBLEM_SIZE];
    d->state = state_open(d->path, d->path ? STATE_READ : STATE_SCRATCH, problem);
    return d->state || fail(d, d->path ? d->path : "temporary file", problem);
}

/* False: it cannot be compared. *taken: there was something new in it. */
static bool take_run(struct diff *d, const struct archive *a, const struct archive_run *run,
                     bool *taken)
{
    *taken = false;
    if (!state_begin(d->state))
        return fail(d, run->file, state_problem(d->state));
    enum archive_step step = archive_take(a, run, d->state);
    if (step == ARCHIVE_BROKEN)
        d->code = EXIT_TROUBLE;
    if (step == ARCHIVE_KNOWN || step > ARCHIVE_KNOWN) {
        bool older = step == ARCHIVE_REFUSED && strstr(state_problem(d->state), "older than");
        state_rollback(d->state);
        if (older && run->file == d->files[1])
            say(stderr, PROGRAM " diff: OLD comes first, and NEW second");
        if (step > ARCHIVE_KNOWN)
            d->code = EXIT_TROUBLE;
        return step == ARCHIVE_KNOWN;
    }
    *taken = true;
    return state_commit(d->state) || fail(d, run->file, state_problem(d->state));
}

static bool take_file(struct diff *d, char *path, bool print)
{
    struct archive a = {.messages = stderr};
    bool taken, ok = archive_add(&a, path);
    if (!ok)
        d->code = EXIT_TROUBLE;
    archive_sort(&a);
    for (size_t i = 0; ok && i < a.count; i++)
        ok = take_run(d, &a, &a.runs[i], &taken) &&
             (!print || !taken || print_run(d, d->run_id = a.runs[i].run_id));
    d->run_id = NULL;
    archive_free(&a);
    return ok;
}

static void compare(struct diff *d)
{
    bool ok = open_state(d) &&
              (d->path ? print_run(d, d->run_id)
                       : take_file(d, d->files[0], false) && take_file(d, d->files[1], true));
    if (ok)
        print_end(d);
    d->code = worse_code(d->code, finish_stdout());
    d->code = worse_code(d->code, d->count ? EXIT_FINDINGS : EXIT_DONE);
    state_close(d->state);
}

/* --- the command -------------------------------------------------------------------------------------- */

enum key { KEY_STATE = 0x100, KEY_RUN, KEY_ALL };

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    struct diff *d = state->input;
    switch (key) {
    case 'j':
        d->json = true;
        break;
    case KEY_STATE:
        d->path = argument;
        break;
    case KEY_RUN:
        d->run_id = argument;
        break;
    case KEY_ALL:
        d->all = true;
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &d->sandbox;
        break;
    case ARGP_KEY_ARG:
        if (state->arg_num > 1)
            return ARGP_ERR_UNKNOWN;
        d->files[state->arg_num] = argument;
        break;
    case ARGP_KEY_END:
        if (d->path && state->arg_num)
            argp_error(state, "either --state, or OLD and NEW");
        if (!d->path && state->arg_num < 2)
            argp_error(state, "OLD and NEW are two files of records");
        if (!d->path && d->run_id)
            argp_error(state, "--run is for --state");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

int command_diff(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"state", KEY_STATE, "DB", 0, "What the last run of this state has changed", 0},
        {"run", KEY_RUN, "ID", 0, "The run of that id instead", 0},
        {"json", 'j', NULL, 0, "Every change as an object, on a line of its own", 0},
        {"all", KEY_ALL, NULL, 0, "Changes of capabilities and of policies' verdicts too", 0},
        {NULL, 0, NULL, 0, NULL, 0}};
    static const struct argp_child children[] = {{&sandbox_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        options,
        on_option,
        "OLD NEW\n--state DB",
        "Says what changed between two runs, or what a run has changed in a state.\v"
        "Resolved is what was asked again, and passed; what could not be asked is not observed, "
        "and stays open. Each change has its cause: it was observed, or other rules, policies or "
        "waivers, or another scope made it.\n\n"
        "Exit status: 0 nothing changed; 1 something did; 2 usage, input or output error.",
        children,
        NULL,
        NULL};
    struct diff d = {.code = EXIT_DONE, .color = use_color(), .sandbox = sandbox_mode_default()};

    argp_err_exit_status = EXIT_TROUBLE;
    parse_arguments(&argp, argc, argv, &d);
    /* Two runs are compared in a database as well, which nobody sees. */
    if (!confine_reader(d.sandbox, d.files, d.path ? 0 : 2, d.path ? d.path : "-", NULL))
        return EXIT_TROUBLE;
    compare(&d);
    return d.code;
}
