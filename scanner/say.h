/* SPDX-License-Identifier: MIT */
/*
 * say.h: the way out of this program for messages to people: a line each.
 *
 * What a message is made of may be anybody's: names of files, what was typed, what stands in a file,
 * what a library says of it. Whatever moves a terminal's cursor, begins a line, or turns around what is
 * read is a question mark in it.
 */
#ifndef SCANNER_SAY_H
#define SCANNER_SAY_H

#include <stdio.h>

#define SAY_MAX ((size_t)8192) /* octets of a line; the rest is cut off */

/* The text as a line: the format has no line's end. */
void say(FILE *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The text as it may be shown, in its place. */
void say_clean(char *text);

#endif
