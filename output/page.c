/* SPDX-License-Identifier: MIT */
#include "output/page.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_LEAST ((size_t)4096)
#define PAGE_KEPT ((size_t)1 << 20)

bool page_enlarge(struct page *p, size_t octets)
{
    if (octets > SIZE_MAX / 2 - p->len)
        return false;
    size_t max = 2 * (p->len + octets);
    char *bytes = realloc(p->bytes, max > PAGE_LEAST ? max : PAGE_LEAST);
    if (!bytes)
        return false;
    p->bytes = bytes;
    p->max = max > PAGE_LEAST ? max : PAGE_LEAST;
    return true;
}

bool page_add(struct page *p, const char *bytes, size_t len)
{
    char *at = page_room(p, len);
    if (at && len)
        memcpy(at, bytes, len);
    p->len += at ? len : 0;
    return at != NULL;
}

void page_clear(struct page *p)
{
    if (p->max > PAGE_KEPT)
        page_free(p);
    p->len = 0;
}

void page_free(struct page *p)
{
    free(p->bytes);
    *p = (struct page){.bytes = NULL};
}
