/* SPDX-License-Identifier: MIT */
/*
 * yamlfile.h: files that people write (policies, waivers, the configuration), read from YAML and held
 * against a schema of libcyaml while they are read. What is wrong is told as FILE:LINE: member:
 * message. Aliases are refused, files are bounded.
 */
#ifndef OUTPUT_YAMLFILE_H
#define OUTPUT_YAMLFILE_H

#include <cyaml/cyaml.h>
#include <stdio.h>

#include "protocols/span.h"

#define YAMLFILE_MAX ((size_t)1 << 20) /* octets */

struct stat;

struct yamlfile {
    const char *path; /* for messages; the caller's */
    struct span bytes;
    char *owned; /* the bytes, if yamlfile_open() read them */
};

/* Reads a plain file as a whole; what it is goes to the status. NULL, or what is wrong; to be given
   to yamlfile_close() either way. */
const char *yamlfile_open(struct yamlfile *, const char *path, struct stat *status);
void yamlfile_close(struct yamlfile *);

/* What is in it, for yamlfile_free(). NULL, and a line on errors, if it is not sound. */
void *yamlfile_read(const struct yamlfile *, const struct cyaml_schema_value *, FILE *errors);
void yamlfile_free(const struct cyaml_schema_value *, void *data);

/* Writes "FILE:LINE: member: message", where the line is the first in which the value stands.
   member and value may be NULL. */
void yamlfile_complain(const struct yamlfile *, FILE *errors, const char *member, const char *value,
                       const char *message);

/* The same where the line is known; 0: it is not. */
void yamlfile_complain_at(const struct yamlfile *, FILE *errors, unsigned line, const char *member,
                          const char *message);

#endif
