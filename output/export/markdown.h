/* SPDX-License-Identifier: MIT */
/*
 * markdown.h: text that a reader of Markdown shows as it is.
 *
 * Records come from anybody: what stands in them must not become a link, an image, a heading or HTML
 * where it is rendered.
 */
#ifndef OUTPUT_EXPORT_MARKDOWN_H
#define OUTPUT_EXPORT_MARKDOWN_H

#include <stdbool.h>

#include "output/page.h"

/* Adds the text as one paragraph: line ends become blanks, what would be markup is escaped, and the rest
   (the names of settings, addresses in brackets) stays as it reads best. False: no memory. */
bool markdown_add(struct page *, const char *text);

#endif
