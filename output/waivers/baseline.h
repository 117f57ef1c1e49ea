/* SPDX-License-Identifier: MIT */
/*
 * baseline.h: the findings that were open in an earlier run. What is among them is known, and only
 * what is new makes a run fail.
 *
 * It is no waiver: nobody gave a reason, and it never ends. A finding that was waived there is not
 * in it, so that one whose waiver has expired since is not hidden by it. Seventeen octets are kept of a
 * finding, whatever the file is. A baseline is constant once it is loaded.
 */
#ifndef OUTPUT_WAIVERS_BASELINE_H
#define OUTPUT_WAIVERS_BASELINE_H

#include "output/rules/rule.h"

#define BASELINE_MAX ((size_t)10000000) /* findings */
#define BASELINE_HASH_SIZE ((size_t)65) /* SHA-256, hex, with its NUL */

struct baseline;

/* Reads a file of records. NULL, and lines on errors, if it cannot be had or is none. A run that is
   not complete, or was changed, is told on notes, which may be NULL. */
struct baseline *baseline_load(const char *path, FILE *errors, FILE *notes);
void baseline_free(struct baseline *);

const char *baseline_run_id(const struct baseline *); /* NULL: none, or several */
size_t baseline_count(const struct baseline *);       /* different ones */
const char *baseline_sha256(const struct baseline *); /* of fingerprints and severities, hex */

/* Was it open there, with this severity or a worse one? */
bool baseline_knows(const struct baseline *, const char *fingerprint, enum severity);

#endif
