/* SPDX-License-Identifier: MIT */
/*
 * names.h: host names, each once, in the order in which they came.
 *
 * What is kept of a name never moves while the names live. A name costs its length and some 70
 * octets.
 */
#ifndef SCANNER_TARGETS_NAMES_H
#define SCANNER_TARGETS_NAMES_H

#include <stdint.h>

#include "scanner/choice.h"

struct name {
    const struct service_set *services; /* all that the name was given with           */
    uint32_t errand;                    /* of the line that gave it first             */
    uint32_t line;
    bool excluded;
    char text[];
};

/* Begins as all zeros. */
struct names {
    void *tree;
    struct name **list;
    size_t count, capacity;
    struct name_page *page; /* the newest; names are not freed one by one */
};

/* NULL if there is none. */
struct name *names_find(const struct names *, const char *text);

/* Finds it or adds it, with all else zero. NULL: out of memory. */
struct name *names_keep(struct names *, const char *text);

void names_clear(struct names *);

#endif
