/* SPDX-License-Identifier: MIT */
/*
 * infile.h: the lines of a file of records, one after the other. However long the file or a line
 * is, no more than one line of INFILE_LINE_MAX octets is kept.
 */
#ifndef OUTPUT_INFILE_H
#define OUTPUT_INFILE_H

#include <stdint.h>

#include "protocols/span.h"

#define INFILE_LINE_MAX ((size_t)4 << 20) /* a record with a long transcript has a tenth of it */

struct infile {
    int fd;
    const char *name;
    int error;       /* errno of what went wrong, or 0; ENOMEM is one */
    uint64_t number; /* of the line, from 1                           */
    uint64_t place;  /* octets up to the end of the line              */
    char *buffer;
    size_t start, len, max;
    bool ended, overlong;
};

enum infile_step {
    INFILE_LINE,
    INFILE_TORN, /* the last line, without an end */
    INFILE_LONG, /* a line that is too long; it was passed over */
    INFILE_END,
    INFILE_FAILED /* error says why */
};

/* "-" is standard input. False: error says why. */
bool infile_open(struct infile *, const char *path);

/* The same with what stands behind a descriptor, which stays the caller's, from its beginning on. */
bool infile_adopt(struct infile *, int fd, const char *name);
void infile_close(struct infile *);

/* Goes on behind the line of that number, which ends at that place. */
bool infile_seek(struct infile *, uint64_t place, uint64_t number);

/* Is it this file that would be opened for this path? */
bool infile_is(const char *path, const char *other);

/* The line is valid until the next call. */
enum infile_step infile_next(struct infile *, struct span *line);

#endif
