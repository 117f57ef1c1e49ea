/* SPDX-License-Identifier: MIT */
/*
 * usage.h: arguments, and what is said of those that make no sense.
 *
 * The C library repeats what was typed as it is; here it comes out as a line that is clean (say.h).
 */
#ifndef SCANNER_USAGE_H
#define SCANNER_USAGE_H

#include <argp.h>

/* argp_parse(), which ends the program where they make no sense. */
void parse_arguments(const struct argp *, int argc, char **argv, void *input);

/* argp_error(), of words that may be anybody's. */
void usage_error(const struct argp_state *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
