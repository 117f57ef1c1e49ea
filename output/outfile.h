/* SPDX-License-Identifier: MIT */
/*
 * outfile.h: where output goes: a descriptor that is written to in whole pieces, or not at all.
 *
 * A piece that cannot be written whole is cut off again where that is possible (a regular file), so
 * that a full disk leaves no half line behind. A regular file that is opened by its name belongs to
 * one run at a time: another one that opens it here fails, and changes nothing. Where a reader must
 * never see less than all of it, it is written beside its place, and takes its name in the end.
 * A file that is made is for its owner and group (0640, less what the umask takes); one that was there
 * keeps its mode, also where another takes its place.
 */
#ifndef OUTPUT_OUTFILE_H
#define OUTPUT_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outfile {
    int fd;
    const char *name;
    int error; /* errno of what went wrong first, or 0; EWOULDBLOCK: another run has the file */
    char *place, *beside; /* the name it will have, and has; NULL: it has its own */
};

/* Opens path for writing, and empties it, or takes standard output if it is NULL or "-". False:
   error says why. */
bool outfile_open(struct outfile *, const char *path);

/* Opens a regular file that is there, to go on with it: nothing is changed, and nobody else can open
   it here, until outfile_cut() says how much of it stays. */
bool outfile_reopen(struct outfile *, const char *path);

/* Cuts off all behind the first so many octets, and goes on there. */
bool outfile_cut(struct outfile *, uint64_t keep);

/* The same, but a regular file is there, or replaced, only after outfile_close(). */
bool outfile_open_beside(struct outfile *, const char *path);

/* Waits as long as a slow reader takes. */
bool outfile_write(struct outfile *, const char *bytes, size_t len);

/* What was written is on the disk, if it is a regular file. */
bool outfile_sync(struct outfile *);

/* What went wrong, for people; what failed here without an error failed for want of memory. */
const char *outfile_problem(const struct outfile *);

/* False if what was written may not have reached the disk; then nothing takes the place either. */
bool outfile_close(struct outfile *);

/* What was written beside its place is not wanted any more. */
void outfile_drop(struct outfile *);

#endif
