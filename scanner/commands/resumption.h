/* SPDX-License-Identifier: MIT */
/*
 * resumption.h: the run that goes on with the records of an interrupted one.
 *
 *   resumption_open() ──> [ what is this run? ] ──> resumption_fits() ──> resumption_place()
 *
 * Nothing is changed before it is clear that it is the same run. All say what is wrong on standard
 * error.
 */
#ifndef SCANNER_COMMANDS_RESUMPTION_H
#define SCANNER_COMMANDS_RESUMPTION_H

#include "output/continuation.h"
#include "output/outfile.h"

struct resumption {
    struct outfile file; /* ours alone until it is placed */
    struct continuation from;
    uint64_t keep; /* octets of the file */
};

/* Reads the file, which no other run may have. Either way it is to be given to resumption_free(). */
bool resumption_open(struct resumption *, const char *path);

/* Was this run interrupted there? Its id and its time do not matter. */
bool resumption_fits(const struct resumption *, const struct run *);

/* Is it in that file that the run would go on? */
bool resumption_stays(const struct resumption *, const char *path);

/* Opens what the run goes on in: its own file without what does not stay, or another one with a copy
   of what does. */
bool resumption_place(struct resumption *, const char *path, struct outfile *);
void resumption_free(struct resumption *);

#endif
