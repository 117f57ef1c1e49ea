/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/targets/names.h"

#include <search.h>
#include <stdalign.h>
#include <stdlib.h>

#include "scanner/grow.h"

#define PAGE_OCTETS ((size_t)64 * 1024)

struct name_page {
    struct name_page *older;
    size_t used;
    alignas(struct name) unsigned char room[];
};

/* The tree holds the texts, so that one can be looked for without a struct around it. */
static int compare_texts(const void *left, const void *right)
{
    return strcmp(left, right);
}

static struct name *name_of(void *const *node)
{
    return (struct name *)(void *)((char *)*node - offsetof(struct name, text));
}

struct name *names_find(const struct names *all, const char *text)
{
    void *const *node = tfind(text, (void *const *)&all->tree, compare_texts);
    return node ? name_of(node) : NULL;
}

/* Room for a name on the newest page; it is taken when the page's mark is moved, if the name is
   new. */
static struct name *name_room(struct names *all, size_t size)
{
    if (!all->page || size > PAGE_OCTETS - sizeof *all->page - all->page->used) {
        struct name_page *page = malloc(PAGE_OCTETS);
        if (!page)
            return NULL;
        *page = (struct name_page){.older = all->page};
        all->page = page;
    }
    return (struct name *)(void *)(all->page->room + all->page->used);
}

struct name *names_keep(struct names *all, const char *text)
{
    size_t length = strlen(text) + 1;
    size_t unit = alignof(struct name);
    size_t size = (offsetof(struct name, text) + length + unit - 1) / unit * unit;
    if (!grow(&all->list, all->count, &all->capacity, sizeof all->list[0]))
        return NULL;
    struct name *name = name_room(all, size < sizeof *name ? sizeof *name : size);
    if (!name)
        return NULL;
    *name = (struct name){0};
    memcpy(name->text, text, length);
    void *const *node = tsearch(name->text, &all->tree, compare_texts);
    if (!node)
        return NULL;
    if (*node != name->text)
        return name_of(node);
    all->page->used += size;
    all->list[all->count++] = name;
    return name;
}

static void keep_text(void *text)
{
    (void)text;
}

void names_clear(struct names *all)
{
    tdestroy(all->tree, keep_text);
    for (struct name_page *page = all->page, *older; page; page = older) {
        older = page->older;
        free(page);
    }
    free(all->list);
    *all = (struct names){0};
}
