/* SPDX-License-Identifier: MIT */
/*
 * writer.h: one way to say what a run saw. A format is a file with such a row.
 *
 *   begin ──> (render ──> host)… ──> end
 *
 * render and host are called once for each host that is recorded. render may be called by many
 * threads at a time, each with a host and a page of its own; it changes nothing but the page. All
 * else is for one thread at a time. A writer puts whole lines into its outfile, those of a host in
 * one piece, and keeps nothing of a host. False: it could not be written; the outfile knows why (no
 * error there: out of memory).
 *
 * Some writers say, behind the hosts and before the end, which endpoints of earlier runs were not to
 * be asked; not_asked is NULL for the others.
 *
 * A writer whose output can be gone on with has resume in the place of begin, for an outfile that
 * was cut where the continuation says, and checkpoint, for whenever it may be called. Both are NULL
 * where an output is for once.
 */
#ifndef OUTPUT_WRITER_H
#define OUTPUT_WRITER_H

#include "output/outfile.h"
#include "output/page.h"
#include "output/run.h"

#define WRITERS_MAX ((size_t)2) /* of one run */

struct continuation;

/* Is told of what went out, whole lines, in their order. */
struct listener {
    void (*on_lines)(void *context, const char *lines, size_t len);
    void *context;
};

struct writing {
    const struct writer *writer;
    const struct run *run;
    struct outfile *file;
    bool color;               /* ANSI colours may be used */
    bool all;                 /* closed ports are of interest too */
    uint64_t recorded;        /* endpoints so far */
    struct listener listener; /* of records; all zero: nobody is */
    void *state;              /* the writer's own */
};

struct writer {
    const char *name;
    bool (*begin)(struct writing *);
    bool (*render)(const struct writing *, const struct host_view *, const struct opinions *,
                   struct page *); /* puts the host's lines behind what is on the page */
    bool (*host)(struct writing *, const struct host_view *, const struct opinions *,
                 const struct page *); /* counts it, and writes the page */
    bool (*end)(struct writing *, const struct run_end *);
    void (*free)(struct writing *); /* may be NULL */
    bool (*resume)(struct writing *, const struct continuation *);
    bool (*checkpoint)(struct writing *, const struct checkpoint *);
    bool (*not_asked)(struct writing *, const struct absent *, int64_t time);
};

extern const struct writer writer_ndjson, writer_table;

#endif
