/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "inside.h"
#include <stdlib.h>
#include <string.h>

bool bytes_add(struct bytes *bytes, size_t cap, const void *data, size_t len)
{
    if (len == 0)
        return true;
    if (len > cap || bytes->len > cap - len)
        return false;
    size_t size = bytes->size ? bytes->size : 256;
    while (size < bytes->len + len)
        size *= 2;
    if (size != bytes->size) {
        uint8_t *at = realloc(bytes->at, size);
        if (!at)
            return false;
        bytes->at = at;
        bytes->size = size;
    }
    memcpy(bytes->at + bytes->len, data, len);
    bytes->len += len;
    return true;
}

void bytes_drop(struct bytes *bytes, size_t len)
{
    bytes->len -= len;
    if (bytes->len > 0)
        memmove(bytes->at, bytes->at + len, bytes->len);
    else
        bytes_free(bytes); /* an idle connection holds no buffer */
}

void bytes_free(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}
