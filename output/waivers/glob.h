/* SPDX-License-Identifier: MIT */
/*
 * glob.h: patterns of people: "*" stands for any characters, also none, "?" for one octet; all else
 * for itself. There is no escape: neither is in a key.
 *
 * It takes at the most the product of both lengths, whatever the pattern: nothing is tried again
 * from an earlier star.
 */
#ifndef OUTPUT_WAIVERS_GLOB_H
#define OUTPUT_WAIVERS_GLOB_H

#include <stdbool.h>

bool glob_matches(const char *pattern, const char *text);

/* Does it stand for itself alone? */
bool glob_is_literal(const char *pattern);

#endif
