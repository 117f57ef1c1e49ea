/* SPDX-License-Identifier: MIT */
/* export.c: the command that makes other formats of saved records. */
#define _GNU_SOURCE
#include "output/export/export.h"

#include <argp.h>
#include <stdint.h>
#include <stdlib.h>

#include "output/infile.h"
#include "scanner/commands/command.h"
#include "scanner/commands/confine.h"
#include "scanner/options/arguments.h"
#include "scanner/say.h"
#include "scanner/usage.h"

#define PER_ENDPOINT_DEFAULT 1000
#define PER_ENDPOINT_MAX 1000000000

struct export_command {
    struct export_options options;
    const struct exporter *format;
    const char *output;
    enum sandbox_mode sandbox;
    char **files; /* argv's, or the one that stands for standard input */
    size_t file_count;
};

enum key { KEY_FORMAT = 0x100, KEY_SCAN, KEY_TITLE, KEY_LABEL, KEY_PER_ENDPOINT };

static void take_format(struct argp_state *state, struct export_command *c, const char *name)
{
    if ((c->format = export_find(name)))
        return;
    say(stderr, PROGRAM " export: there is no format '%s'. There are:", name);
    const struct exporter *format;
    for (size_t i = 0; (format = export_at(i)); i++)
        say(stderr, "  %-16s%s", format->name, format->summary);
    usage_error(state, "--format: '%s' is none of them", name);
}

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    static char input[] = "-", *standard_input[] = {input};
    struct export_command *c = state->input;

    switch (key) {
    case KEY_FORMAT:
        take_format(state, c, argument);
        break;
    case 'o':
        c->output = argument;
        break;
    case KEY_SCAN:
        c->options.scan = argument;
        break;
    case KEY_TITLE:
        c->options.title = argument;
        break;
    case KEY_LABEL:
        if (c->options.label_count == EXPORT_LABELS_MAX)
            usage_error(state, "--label: there can be %zu at the most", EXPORT_LABELS_MAX);
        c->options.labels[c->options.label_count++] = argument;
        break;
    case KEY_PER_ENDPOINT:
        c->options.per_endpoint = PER_ENDPOINT_DEFAULT;
        if (argument && !argument_number(argument, 1, PER_ENDPOINT_MAX, &c->options.per_endpoint))
            usage_error(state, "--metrics-per-endpoint: '%s' is not a number from 1 to %d",
                        argument, PER_ENDPOINT_MAX);
        break;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &c->sandbox;
        break;
    case ARGP_KEY_ARGS:
        c->files = state->argv + state->next;
        c->file_count = (size_t)(state->argc - state->next);
        break;
    case ARGP_KEY_NO_ARGS:
        c->files = standard_input;
        c->file_count = 1;
        break;
    case ARGP_KEY_END:
        if (!c->format)
            argp_error(state, "--format is missing");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* The formats, behind the options. */
static char *on_help(int key, const char *text, void *input)
{
    const struct exporter *format;
    char *list = NULL;
    size_t size;
    (void)input;
    FILE *out = key == ARGP_KEY_HELP_POST_DOC ? open_memstream(&list, &size) : NULL;
    if (!out)
        return (char *)(uintptr_t)text;
    fprintf(out, "Formats:\n");
    for (size_t i = 0; (format = export_at(i)); i++)
        fprintf(out, "  %-16s%s\n", format->name, format->summary);
    fprintf(out, "\n%s", text);
    fclose(out);
    return list;
}

int command_export(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"format", KEY_FORMAT, "FORMAT", 0, "What is written: one of those below", 0},
        {"output", 'o', "FILE", 0,
         "Write to FILE, which is replaced only when all of it is written", 0},
        {"scan-name", KEY_SCAN, "NAME", 0, "What the scan is called (default: default)", 0},
        {"title", KEY_TITLE, "TEXT", 0, "The heading of a report", 0},
        {"label", KEY_LABEL, "KEY", 0,
         "Targets' label KEY becomes a column, or a label (more than once: each)", 0},
        {"metrics-per-endpoint", KEY_PER_ENDPOINT, "N", OPTION_ARG_OPTIONAL,
         "Metrics of each endpoint too, for N endpoints at the most (default 1000)", 0},
        {NULL, 0, NULL, 0, NULL, 0}};
    static const struct argp_child children[] = {{&sandbox_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {
        options,
        on_option,
        "[RECORDS…]",
        "Makes another format of the records of a scan, without a connection.\v"
        "RECORDS is a file that a scan wrote; none, or -, is standard input.\n\n"
        "Exit status: 0 done; 2 usage, input or output error, or a line that is no record; 3 it is "
        "written, but a run in it is not complete.",
        children,
        on_help,
        NULL};
    struct export_command c = {.options = {.scan = "default"}, .sandbox = sandbox_mode_default()};

    argp_err_exit_status = EXIT_TROUBLE;
    parse_arguments(&argp, argc, argv, &c);
    for (size_t i = 0; c.output && i < c.file_count; i++)
        if (infile_is(c.files[i], c.output)) {
            say(stderr, PROGRAM " export: %s is read, and cannot be written", c.output);
            return EXIT_TROUBLE;
        }
    if (!confine_reader(c.sandbox, c.files, c.file_count, NULL, c.output))
        return EXIT_TROUBLE;
    switch (export_files(c.format, &c.options, c.files, c.file_count, c.output, stderr)) {
    case EXPORT_DONE:
        return EXIT_DONE;
    case EXPORT_INCOMPLETE:
        return EXIT_INCOMPLETE;
    case EXPORT_BROKEN:
    case EXPORT_FAILED:
        break;
    }
    return EXIT_TROUBLE;
}
