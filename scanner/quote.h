/* SPDX-License-Identifier: MIT */
/*
 * quote.h: somebody else's text in a message for people: short, well-formed UTF-8, without what
 * moves a terminal's cursor or turns the direction of what is read.
 */
#ifndef SCANNER_QUOTE_H
#define SCANNER_QUOTE_H

#include "protocols/span.h"

#define QUOTE_MAX ((size_t)80) /* octets of the text that are shown */

struct quote {
    char text[QUOTE_MAX + sizeof "''..."];
};

/* In single quotes; what cannot be shown is a question mark, and a long text is cut ('abc...'). */
struct quote quote(struct span);

/* The octets of the UTF-8 character (no control character) that the text begins with; 0 if there
   is none such. */
size_t quote_character(struct span);

/* The octets to go on by, at least one as long as there are any, and whether people can be shown
   them: control characters, broken UTF-8, and what turns others around or cannot be seen (a
   right-to-left mark, no width) are not. */
size_t quote_step(struct span, bool *shown);

/* The number of the character, if it is one that turns others around or cannot be seen; else 0. */
unsigned quote_unseen(struct span);

#endif
