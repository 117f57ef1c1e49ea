/* SPDX-License-Identifier: MIT */
/*
 * grow.h: room for one more in an array that grows.
 */
#ifndef SCANNER_GROW_H
#define SCANNER_GROW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Makes sure that items[count] may be written. The array may move. False: out of memory, and
   nothing has changed. (The pointer is read and written as bytes, so that it may be a pointer to
   anything.) */
static inline bool grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    size_t larger = *capacity ? *capacity * 2 : 16;
    if (larger > SIZE_MAX / size)
        return false;
    void *items;
    memcpy(&items, array, sizeof items);
    items = realloc(items, larger * size);
    if (!items)
        return false;
    memcpy(array, &items, sizeof items);
    *capacity = larger;
    return true;
}

#endif
