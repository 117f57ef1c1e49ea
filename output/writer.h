/* SPDX-License-Identifier: MIT */
/*
 * writer.h: one way to say what a run saw. A format is a file with such a row, and a line in
 * writers[].
 *
 * begin, host and end are called in that order, host once for each host that is recorded. A writer
 * puts whole lines into its outfile and keeps nothing of a host. False: it could not be written;
 * the outfile knows why (no error there: out of memory).
 */
#ifndef OUTPUT_WRITER_H
#define OUTPUT_WRITER_H

#include "output/outfile.h"
#include "output/run.h"

struct writing {
    const struct writer *writer;
    const struct run *run;
    struct outfile *file;
    bool color;        /* ANSI colours may be used */
    bool all;          /* closed ports are of interest too */
    uint64_t recorded; /* endpoints so far */
    void *state;       /* the writer's own */
};

struct writer {
    const char *name;
    bool (*begin)(struct writing *);
    bool (*host)(struct writing *, const struct host_view *, const struct opinions *);
    bool (*end)(struct writing *, const struct run_end *);
    void (*free)(struct writing *); /* may be NULL */
};

extern const struct writer writer_ndjson, writer_table;

#endif
