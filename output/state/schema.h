/* SPDX-License-Identifier: MIT */
/*
 * schema.h: what is in the database, version by version.
 *
 * The SQL itself is in the folder schema/. A version is never changed once there are files of it: what
 * is new is a step more. Views are no part of a version; each step makes them anew.
 */
#ifndef OUTPUT_STATE_SCHEMA_H
#define OUTPUT_STATE_SCHEMA_H

#include <stddef.h>

#define SCHEMA_APPLICATION 0x53544131 /* "STA1" */
#define SCHEMA_VERSION 2

/* From version - 1 to version; from 1 on. */
const char *schema_step(int version);

/* Drops what views there are, and makes those of SCHEMA_VERSION. */
extern const char *const schema_views[]; /* ended by NULL */

/* What is known of a run that is being read; gone with the connection. */
extern const char *const schema_staging;
extern const char *const schema_staging_clear;

#endif
