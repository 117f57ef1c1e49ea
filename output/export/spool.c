/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/export/spool.h"

#include <gnutls/crypto.h>
#include <stdlib.h>

#include "scanner/grow.h"

#define FIRST_SLOTS ((size_t)1024) /* a power of two */

/* Strangers write the names: nobody must be able to choose two of the same hash. */
static bool hash_name(const char *name, unsigned char out[16])
{
    unsigned char digest[32];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, name, strlen(name), digest) < 0)
        return false;
    memcpy(out, digest, 16);
    return true;
}

/* Where the name is, or would be. */
static uint32_t *find_slot(const struct spool *s, const unsigned char name[16])
{
    uint64_t at;
    memcpy(&at, name, sizeof at);
    for (;; at++) {
        uint32_t *slot = &s->slots[at & (s->slot_count - 1)];
        if (!*slot || memcmp(s->pieces[*slot - 1].name, name, 16) == 0)
            return slot;
    }
}

/* At three quarters full there are twice as many. */
static bool make_slots(struct spool *s)
{
    struct spool larger = *s;
    if (4 * (s->count + 1) <= 3 * s->slot_count)
        return true;
    larger.slot_count = s->slot_count ? 2 * s->slot_count : FIRST_SLOTS;
    larger.slots = calloc(larger.slot_count, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < s->count; i++)
        *find_slot(&larger, s->pieces[i].name) = (uint32_t)(i + 1);
    free(s->slots);
    *s = larger;
    return true;
}

static bool append(struct spool *s, struct span piece)
{
    if (piece.len > UINT32_MAX || (!s->file && !(s->file = tmpfile())))
        return false;
    if (s->was_read && fseeko(s->file, (off_t)s->place, SEEK_SET) < 0)
        return false;
    s->was_read = false;
    s->place += piece.len;
    return fwrite(piece.at, 1, piece.len, s->file) == piece.len;
}

static bool keep(struct spool *s, struct spool_piece *p, uint32_t rank, struct span piece)
{
    p->rank = rank;
    p->place = s->place;
    p->len = (uint32_t)piece.len;
    return append(s, piece);
}

enum spool_step spool_add(struct spool *s, const char *name, uint32_t rank, struct span piece)
{
    struct spool_piece new = {.rank = rank};
    if (!hash_name(name, new.name) || !make_slots(s))
        return SPOOL_FAILED;
    uint32_t *slot = find_slot(s, new.name);
    if (*slot && s->pieces[*slot - 1].rank >= rank)
        return SPOOL_DROPPED;
    if (*slot)
        return keep(s, &s->pieces[*slot - 1], rank, piece) ? SPOOL_REPLACED : SPOOL_FAILED;
    if (s->count == SPOOL_NAMES_MAX)
        return SPOOL_FULL;
    if (!grow(&s->pieces, s->count, &s->capacity, sizeof *s->pieces))
        return SPOOL_FAILED;
    s->pieces[s->count] = new;
    *slot = (uint32_t)(s->count + 1);
    return keep(s, &s->pieces[s->count++], rank, piece) ? SPOOL_NEW : SPOOL_FAILED;
}

bool spool_read(struct spool *s, size_t number, char **buffer, size_t *size, struct span *piece)
{
    const struct spool_piece *p = &s->pieces[number];
    if (*size < p->len || !*buffer) {
        char *larger = realloc(*buffer, p->len + 1);
        if (!larger)
            return false;
        *buffer = larger;
        *size = p->len;
    }
    *piece = (struct span){*buffer, p->len};
    s->was_read = true;
    return fseeko(s->file, (off_t)p->place, SEEK_SET) == 0 &&
           fread(*buffer, 1, p->len, s->file) == p->len;
}

void spool_free(struct spool *s)
{
    if (s->file)
        fclose(s->file);
    free(s->pieces);
    free(s->slots);
    *s = (struct spool){.file = NULL};
}
