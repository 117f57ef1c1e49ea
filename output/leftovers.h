/* SPDX-License-Identifier: MIT */
/*
 * leftovers.h: files that are made under a name for the time being, and what is left of them where a
 * run was killed.
 *
 * Who makes one holds a lock on it as long as it is in use; one of ours that nobody holds is left over.
 */
#ifndef OUTPUT_LEFTOVERS_H
#define OUTPUT_LEFTOVERS_H

#include <stdbool.h>

/* Removes the files in the folder whose names are the prefix and six letters or digits more, that are
   this user's, of one name, plain, locked by nobody, and as old as that (seconds). */
void leftovers_sweep(const char *folder, const char *prefix, long age);

/* A file with a name of that pattern (prefix and XXXXXX, which are replaced), and a lock on it; -1:
   errno says why not. */
int leftovers_make(char *pattern);

#endif
