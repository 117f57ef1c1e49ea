/* SPDX-License-Identifier: MIT */
/*
 * quote.h: somebody else's text in a message for people: short, well-formed UTF-8, without control
 * characters.
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

#endif
