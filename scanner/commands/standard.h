/* SPDX-License-Identifier: MIT */
/*
 * standard.h: what a run is held to: its policies, what is excepted, and from which severity on it
 * fails. Shared by the commands that judge.
 */
#ifndef SCANNER_COMMANDS_STANDARD_H
#define SCANNER_COMMANDS_STANDARD_H

#include "output/opinion.h"
#include "scanner/options.h"

struct standard {
    struct policies policies;
    struct waivers *waivers;      /* NULL: none */
    struct baseline *baseline;    /* NULL: none */
    struct exceptions exceptions; /* the two */
    enum severity fail_on;        /* SEVERITY_NONE: never */
};

/* Reads fail_on alone: there are no policies. False: a message was printed. */
bool standard_threshold(struct standard *, const struct standard_options *);

/* Loads what the options name. False: a message was printed. */
bool standard_load(struct standard *, const struct standard_options *);
void standard_free(struct standard *);

/* Is it a file that is read, so that nothing can be written to it? */
bool standard_reads(const struct standard_options *, const char *path);

/* The exit code of a run that went well in every other way. */
int standard_code(const struct standard *, const struct tally *);

#endif
