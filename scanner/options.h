/* SPDX-License-Identifier: MIT */
/*
 * options.h: the command line of "scan", read into plain values. Knows what is allowed, and does
 * nothing.
 */
#ifndef SCANNER_OPTIONS_H
#define SCANNER_OPTIONS_H

#include <argp.h>
#include <stddef.h>

#include "scanner/crew.h"

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

struct scan_options {
    struct crew_options crew; /* trust is filled in by the caller; strings are argv's */
    struct address source;
    bool seeded;           /* --seed was given                  */
    unsigned max_duration; /* ms; 0: no end                     */
    const char *ca_file;
    const char *output; /* -o, or NULL; with --resume it is never NULL */
    const char *resume; /* the records of the run to go on with, or NULL */
    bool all, dry_run;
    bool json, table; /* forced, whatever standard output is */
    bool quiet;
    struct standard_options standard;

    /* In the order given. */
    const char **targets, **files, **excludes, **services, **ports;
    size_t target_count, file_count, exclude_count, service_count, port_count;
    bool from_stdin;
};

/* Reads argv (argv[0] is said in messages). Exits with 0 after --help, with 2 on a usage error. */
void options_parse(struct scan_options *, int argc, char **argv);
void options_free(struct scan_options *);

/* The names of these facts, with commas between them. */
const char *facts_text(unsigned facts, char *out, size_t size);

#endif
