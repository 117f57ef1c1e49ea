/* SPDX-License-Identifier: MIT */
/*
 * options.h: the command line of "scan", read into plain values. Knows what is allowed, and does
 * nothing.
 *
 *   command line ──> options_parse() ──┬──────────────────────> what holds
 *   configuration ── options_take() ───┘ where the command line says nothing
 */
#ifndef SCANNER_OPTIONS_H
#define SCANNER_OPTIONS_H

#include <argp.h>
#include <stddef.h>

#include "scanner/crew.h"
#include "scanner/sandbox.h"

/* What a run is held to, in the words of the command line. */
struct standard_options {
    const char *fail_on;   /* a severity; NULL: never */
    const char **policies; /* names and files, in the order given */
    size_t policy_count;
    const char *waivers, *baseline; /* files; NULL: none */
    bool quiet;                     /* no notes about them */
};

/* Reads them; a child of the parsers of commands that judge, whose input it gets as such. */
extern const struct argp standard_argp;

/* The same for those that only count what was judged: --fail-on alone. */
extern const struct argp fail_on_argp;

/* --sandbox, for all commands but scan; its input is an enum sandbox_mode. */
extern const struct argp sandbox_argp;

/* An option as it was given. */
struct option_word {
    const char *option; /* its long name; "": a target                                        */
    char *text;         /* its argument, or NULL                                              */
    uint64_t line;      /* of the configuration, and the text is ours; 0: the command line    */
};

struct scan_options {
    const char *config; /* the configuration, or NULL */
    bool print_config;
    const char **without; /* what it says of these does not count */
    size_t without_count;
    struct option_word *words; /* all that holds */
    size_t word_count, word_capacity;

    struct crew_options crew; /* trust is filled in by the caller; strings are argv's */
    struct address source;
    bool seeded;           /* --seed was given                  */
    unsigned max_duration; /* ms; 0: no end                     */
    const char *ca_file;
    const char *output;         /* -o, or NULL; with --resume one of these two is not NULL */
    const char *records_dir;    /* records get a file of their own in there, or NULL      */
    const char *resume;         /* the records of the run to go on with, or NULL           */
    const char *state;          /* the database of earlier runs, or NULL                    */
    const char *on_change;      /* a command, or NULL                                       */
    unsigned on_change_timeout; /* ms */
    const char *scan_name;      /* or NULL */
    const char *title;          /* of a report, or NULL                                     */
    unsigned per_endpoint;      /* metrics of so many endpoints by themselves; 0: none      */
    bool all, dry_run;
    bool json, table; /* forced, whatever standard output is */
    bool quiet;
    enum sandbox_mode sandbox;
    struct standard_options standard;

    /* In the order given. */
    const char **targets, **files, **excludes, **services, **ports;
    size_t target_count, file_count, exclude_count, service_count, port_count;
    const char **exports; /* FORMAT=FILE */
    size_t export_count;
    const char **labels; /* keys of targets' labels, for exports */
    size_t label_count;
    bool from_stdin;
    bool lines; /* there are targets in the configuration: words of option "" with a line */
};

/* Reads argv (argv[0] is said in messages). Exits with 0 after --help, with 2 on a usage error, or
   if configure() returns false: that is called once argv was read, before all is checked as a
   whole. */
void options_parse(struct scan_options *, int argc, char **argv,
                   bool (*configure)(struct scan_options *));
void options_free(struct scan_options *);

/* Room for why an option cannot be taken. */
#define OPTIONS_PROBLEM_SIZE 400

/*
 * Takes an option of the configuration, at this line: with the checks of the command line, and to
 * no effect if that has the option too. Lists of files with exclusions add up; any target of the
 * command line is there instead of all of the configuration. False, and the problem: it is not
 * sound. The name of the option must last.
 */
bool options_take(struct scan_options *, const char *option, const char *text, uint64_t line,
                  char problem[OPTIONS_PROBLEM_SIZE]);

/* The names of these facts, with commas between them. */
const char *facts_text(unsigned facts, char *out, size_t size);

#endif
