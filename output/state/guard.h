/* SPDX-License-Identifier: MIT */
/*
 * guard.h: a database is a stranger's until it is known to be ours: what it may do, and what it may
 * look like.
 *
 * What a database says about itself in its header is no proof. Its schema is SQL that would run
 * with every statement of ours: triggers, views, checks and defaults. So it has to be, but for white
 * space and comments, what this release makes; and whatever its pages say, a statement comes to an
 * end.
 */
#ifndef OUTPUT_STATE_GUARD_H
#define OUTPUT_STATE_GUARD_H

#include "output/state/store.h"

/* The file system as SQLite knows it, but that a journal names no other files: those it would
   delete. NULL: no memory. */
const char *guard_files(void);

/* Right behind the opening: no triggers, no views, no functions but harmless ones, and limits. */
bool guard_limit(struct store *);

/* Work that is due: so many steps of the database's machine more may be made before it is found to
   run in circles. */
void guard_allow(struct store *, uint64_t steps);

/* What there is must be what this version of the schema makes. Of a version below SCHEMA_VERSION
   views do not count: they are made anew when it is brought up to date. */
bool guard_schema(struct store *, int version);

#endif
