/* SPDX-License-Identifier: MIT */
/*
 * confine.h: the sandbox of commands: what each still needs, and what is said of it.
 */
#ifndef SCANNER_COMMANDS_CONFINE_H
#define SCANNER_COMMANDS_CONFINE_H

#include "scanner/options.h"

/* False: --sandbox=require asks for more than there is; a message said so. Either way the sandbox is to
   be given to sandbox_end(). */
bool confine_begin(struct sandbox *, enum sandbox_mode);
bool confine_shut(struct sandbox *, enum sandbox_phase, enum sandbox_phase worker);

/* What is in force: for the journal, and as a note if something is missing. */
void confine_tell(const struct sandbox *, bool quiet);

/* A command that reads these files of records, and perhaps a state, and writes to this file. Each
   may be NULL. All in one. */
bool confine_reader(enum sandbox_mode, char *const *files, size_t count, const char *state,
                    const char *output);

/* A command that only prints what it knows. */
bool confine_printer(enum sandbox_mode);

/* A scan that is about to begin, from its options. Its records have a file of their own in a folder,
   or are in o->output. */
void confine_scan(struct sandbox *, const struct scan_options *);

#endif
