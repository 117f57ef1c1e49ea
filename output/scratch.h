/* SPDX-License-Identifier: MIT */
/*
 * scratch.h: files for as long as the program runs, in $TMPDIR, or else in /tmp. Nobody else can read
 * them, and no other program inherits them.
 */
#ifndef OUTPUT_SCRATCH_H
#define OUTPUT_SCRATCH_H

#include <stdio.h>

/* Where they are; it lasts as long as the environment does. */
const char *scratch_folder(void);

/* One that others are given the name of (what for: a part of it), to be freed, and the file to be
   removed, by the caller. NULL: errno says why. */
FILE *scratch_named(const char *what, char **name);

/* One without a name: it is gone when it is closed. NULL: errno says why. */
FILE *scratch_open(void);

#endif
