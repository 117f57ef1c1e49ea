/* SPDX-License-Identifier: MIT */
/* Open addressing, linear probing, never deleted from: a place that was seen is a line of the
 * report. */
#define _GNU_SOURCE
#include "inside.h"
#include <stdlib.h>
#include <string.h>

static size_t place_slot(const struct places *places, const uint8_t address[16], uint32_t listener)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ listener; /* FNV-1a */
    for (size_t i = 0; i < 16; i++)
        hash = (hash ^ address[i]) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    size_t slot = (size_t)hash & (places->size - 1);
    while (places->at[slot].used && (places->at[slot].listener != listener ||
                                     memcmp(places->at[slot].address, address, 16) != 0))
        slot = (slot + 1) & (places->size - 1);
    return slot;
}

static bool places_grow(struct places *places)
{
    struct places bigger = {.count = places->count, .size = places->size ? places->size * 2 : 64};
    bigger.at = calloc(bigger.size, sizeof *bigger.at);
    if (!bigger.at)
        return false;
    for (size_t i = 0; i < places->size; i++) {
        const struct place *old = &places->at[i];
        if (old->used)
            bigger.at[place_slot(&bigger, old->address, old->listener)] = *old;
    }
    free(places->at);
    *places = bigger;
    return true;
}

struct place *places_get(struct places *places, const uint8_t address[16], uint32_t listener)
{
    if (places->count * 4 >= places->size * 3 && !places_grow(places))
        return NULL;
    struct place *place = &places->at[place_slot(places, address, listener)];
    if (!place->used) {
        place->used = true;
        place->listener = listener;
        memcpy(place->address, address, 16);
        places->count++;
    }
    return place;
}

struct place *places_find(const struct places *places, const uint8_t address[16], uint32_t listener)
{
    if (places->size == 0)
        return NULL;
    struct place *place = &places->at[place_slot(places, address, listener)];
    return place->used ? place : NULL;
}
