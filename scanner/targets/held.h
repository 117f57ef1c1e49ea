/* SPDX-License-Identifier: MIT */
/*
 * held.h: the inside of struct targets, for the files that make it, describe it and stream past it.
 */
#ifndef SCANNER_TARGETS_HELD_H
#define SCANNER_TARGETS_HELD_H

#include "scanner/targets.h"
#include "scanner/targets/errands.h"
#include "scanner/targets/names.h"
#include "scanner/targets/segments.h"

/* Lines are numbered through: over all files and arguments, in the order in which they were
   added. */
struct source {
    char *file;     /* NULL: arguments                          */
    uint32_t first; /* the number of its first line, over all   */
    uint64_t line;  /* and the number of that line in the source */
};

/* One array for each family. */
enum { V4, V6, FAMILIES };

struct targets {
    struct choice *choice;
    FILE *errors;
    struct source *sources;
    size_t source_count, source_capacity;
    uint32_t line_count; /* over all         */
    uint64_t argument_count;
    uint64_t ignored;
    bool found; /* some of them come from a port scanner's list */
    struct errands errands;

    struct entries given[FAMILIES], unwanted[FAMILIES];
    struct names names, unwanted_names;

    /* What targets_build() makes of them. */
    struct segments held[FAMILIES], excluded[FAMILIES];
    struct name **hosts; /* the names that are not excluded */
    size_t host_count;
    uint64_t endpoints;
};

/* How many hosts each entry owns, to be freed. NULL: out of memory. */
uint64_t *targets_owned(const struct segments *, const struct entries *);

/* From a line of a port scanner's list. */
void targets_note(struct targets *, const struct target *, enum target_kind);

/* Has the stream given this service? */
bool targets_stream_has(const struct targets_stream *, const struct targets_endpoint *);

/* Is this service in the set? */
bool has_service(const struct service_set *, const struct targets_endpoint *);

/* A host with what its errand says. */
struct target_host host_of(const struct errand *, const struct service_set *);

#endif
