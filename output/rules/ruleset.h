/* SPDX-License-Identifier: MIT */
/*
 * ruleset.h: which rules judged. Two runs with the same ruleset were judged alike: what differs
 * between them was seen.
 */
#ifndef OUTPUT_RULES_RULESET_H
#define OUTPUT_RULES_RULESET_H

#include <stdbool.h>
#include <stddef.h>

#define RULESET_HASH_SIZE ((size_t)65)

/* SHA-256, hex, of the program's version and of the id, severity and title of every rule. False: out
   of memory. */
bool ruleset_hash(const char *version, char out[RULESET_HASH_SIZE]);

#endif
