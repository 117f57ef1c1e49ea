/* SPDX-License-Identifier: MIT */
/*
 * page.h: text that grows, mostly lines that are ready to go out.
 *
 * A page belongs to whoever fills it, and to one thread at a time. Its memory stays when it is
 * cleared, so that one page serves host after host without an allocation. All zero is an empty
 * page.
 */
#ifndef OUTPUT_PAGE_H
#define OUTPUT_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct page {
    char *bytes;
    size_t len, max;
};

/* For page_room(): makes room behind what is there. */
bool page_enlarge(struct page *, size_t octets);

/* Room for so many octets more. NULL: no memory, or more than there can be; the page is as before.
 */
static inline char *page_room(struct page *p, size_t octets)
{
    return octets < p->max - p->len || page_enlarge(p, octets) ? p->bytes + p->len : NULL;
}

/* False: no memory, and the page is as before. */
bool page_add(struct page *, const char *bytes, size_t len);

/* Empties the page. Only what one giant of a host took is given back. */
void page_clear(struct page *);
void page_free(struct page *);

#endif
