/* SPDX-License-Identifier: MIT */
/*
 * options.h: the command line of "scan", read into plain values. Knows what is allowed, and does
 * nothing.
 */
#ifndef SCANNER_OPTIONS_H
#define SCANNER_OPTIONS_H

#include <stddef.h>

#include "scanner/engine.h"

struct scan_options {
    struct engine_options engine; /* trust is filled in by the caller; strings are argv's */
    struct address source;
    const char *ca_file;
    const char *output; /* -o, or NULL */
    bool all, dry_run;
    bool json, table; /* forced, whatever standard output is */
    bool quiet;

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
