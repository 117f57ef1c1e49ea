/* SPDX-License-Identifier: MIT */
/*
 * outfile.h: where output goes: a descriptor that is written to in whole pieces, or not at all.
 *
 * A piece that cannot be written whole is cut off again where that is possible (a regular file), so
 * that a full disk leaves no half line behind. Where a reader must never see less than all of it, it
 * is written beside its place, and takes its name in the end.
 */
#ifndef OUTPUT_OUTFILE_H
#define OUTPUT_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>

struct outfile {
    int fd;
    const char *name;
    int error;            /* errno of what went wrong first, or 0 */
    char *place, *beside; /* the name it will have, and has; NULL: it has its own */
};

/* Opens path for writing, or takes standard output if it is NULL or "-". False: error says why. */
bool outfile_open(struct outfile *, const char *path);

/* The same, but a regular file is there, or replaced, only after outfile_close(). */
bool outfile_open_beside(struct outfile *, const char *path);

/* Waits as long as a slow reader takes. */
bool outfile_write(struct outfile *, const char *bytes, size_t len);

/* False if what was written may not have reached the disk; then nothing takes the place either. */
bool outfile_close(struct outfile *);

/* What was written beside its place is not wanted any more. */
void outfile_drop(struct outfile *);

#endif
