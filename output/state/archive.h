/* SPDX-License-Identifier: MIT */
/*
 * archive.h: the runs in files of records, in the order in which they were begun.
 *
 *   archive_add(file) … ──> archive_sort() ──> archive_take(run) …
 *
 * Every file is read twice: once for where its runs begin, and once for their records. No more than
 * a line is kept. A file may have several runs, one behind the other.
 */
#ifndef OUTPUT_STATE_ARCHIVE_H
#define OUTPUT_STATE_ARCHIVE_H

#include <stdint.h>
#include <stdio.h>

#include "output/state/state.h"

struct archive_run {
    char *run_id, *started;
    const char *file;       /* the caller's                                */
    uint64_t place, number; /* where it begins: octets and lines before it */
    uint64_t octets;
};

struct archive {
    FILE *messages;
    struct archive_run *runs;
    size_t count, capacity;
};

/* False: the file cannot be read, or has no run; that was told. */
bool archive_add(struct archive *, const char *path);
void archive_free(struct archive *);

/* The earliest first; of the same run the one with most in it. */
void archive_sort(struct archive *);

enum archive_step {
    ARCHIVE_TAKEN,
    ARCHIVE_BROKEN,  /* the same, but lines were left out; they were told */
    ARCHIVE_KNOWN,   /* the state has this run already                    */
    ARCHIVE_REFUSED, /* it cannot be the next run; that was told          */
    ARCHIVE_FAILED   /* nothing more can be done; that was told           */
};

/* The records of one run, between state_begin() and state_commit(), which the caller does. */
enum archive_step archive_take(const struct archive *, const struct archive_run *, struct state *);

#endif
