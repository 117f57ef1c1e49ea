/* SPDX-License-Identifier: MIT */
/*
 * spool.h: pieces of output of which only one of each name is to go out, the one with the highest
 * rank, and of several the first. They wait in a file without a name; in memory is 48 octets of
 * each name, for so many names at the most.
 */
#ifndef OUTPUT_EXPORT_SPOOL_H
#define OUTPUT_EXPORT_SPOOL_H

#include <stdint.h>
#include <stdio.h>

#include "protocols/span.h"

#define SPOOL_NAMES_MAX ((size_t)4 << 20)

struct spool_piece {
    unsigned char name[16]; /* a hash of it */
    uint64_t place;
    uint32_t len;
    uint32_t rank;
};

struct spool {
    FILE *file;
    uint64_t place; /* its end */
    bool was_read;  /* the last thing that was done with it */
    struct spool_piece *pieces;
    size_t count, capacity;
    uint32_t *slots; /* a piece's number, from 1; 0: free */
    size_t slot_count;
};

enum spool_step { SPOOL_NEW, SPOOL_REPLACED, SPOOL_DROPPED, SPOOL_FULL, SPOOL_FAILED };

/* All zero is an empty spool. SPOOL_FAILED: no memory, or no room on the disk. */
enum spool_step spool_add(struct spool *, const char *name, uint32_t rank, struct span piece);

/* The piece of that number, in the order in which their names came; the text is valid until the
   next call, and it is the caller's buffer. False: it cannot be read. */
bool spool_read(struct spool *, size_t number, char **buffer, size_t *size, struct span *piece);
void spool_free(struct spool *);

#endif
