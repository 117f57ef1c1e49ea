/* SPDX-License-Identifier: MIT */
#include "scanner/targets/coverage.h"

#include "scanner/grow.h"

struct seen {
    struct wide first, last;
    uint32_t set;
};

struct short_seen {
    uint32_t first, last, set;
};

#define BLOCK_OCTETS ((size_t)4096 - 8)

struct coverage_block {
    uint32_t count;
    union {
        struct seen wide[BLOCK_OCTETS / sizeof(struct seen)];
        struct short_seen narrow[BLOCK_OCTETS / sizeof(struct short_seen)];
    } spans;
};

/* Where a span is, or would be put. */
struct place {
    size_t block, slot;
};

static size_t block_room(const struct coverage *c)
{
    const struct coverage_block *b = NULL;
    return c->family == AF_INET ? sizeof b->spans.narrow / sizeof b->spans.narrow[0]
                                : sizeof b->spans.wide / sizeof b->spans.wide[0];
}

static struct seen seen_get(const struct coverage *c, struct place p)
{
    const struct coverage_block *b = c->blocks[p.block];
    if (c->family != AF_INET)
        return b->spans.wide[p.slot];
    struct short_seen s = b->spans.narrow[p.slot];
    return (struct seen){{0, s.first}, {0, s.last}, s.set};
}

static void seen_set(struct coverage *c, struct place p, struct seen s)
{
    struct coverage_block *b = c->blocks[p.block];
    if (c->family == AF_INET)
        b->spans.narrow[p.slot] =
            (struct short_seen){(uint32_t)s.first.low, (uint32_t)s.last.low, s.set};
    else
        b->spans.wide[p.slot] = s;
}

/* Moves spans within a block or from one to another. */
static void spans_move(const struct coverage *c, struct coverage_block *to, size_t to_slot,
                       const struct coverage_block *from, size_t from_slot, size_t count)
{
    if (c->family == AF_INET)
        memmove(to->spans.narrow + to_slot, from->spans.narrow + from_slot,
                count * sizeof to->spans.narrow[0]);
    else
        memmove(to->spans.wide + to_slot, from->spans.wide + from_slot,
                count * sizeof to->spans.wide[0]);
}

static bool ends_before(const struct coverage *c, struct place p, struct wide address)
{
    return wide_compare(seen_get(c, p).last, address) < 0;
}

/* The first span that does not end before the address; after the last one, slot 0 of the block
   that is not there. */
static struct place locate(const struct coverage *c, struct wide address)
{
    size_t low = 0, high = c->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ends_before(c, (struct place){middle, c->blocks[middle]->count - 1}, address))
            low = middle + 1;
        else
            high = middle;
    }
    struct place p = {low, 0};
    if (low == c->count)
        return p;
    for (low = 0, high = c->blocks[p.block]->count - 1; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (ends_before(c, (struct place){p.block, middle}, address))
            low = middle + 1;
        else
            high = middle;
    }
    p.slot = low;
    return p;
}

/* Is the address in a span? */
static bool find(const struct coverage *c, struct wide address, struct place *p, struct seen *s)
{
    *p = locate(c, address);
    if (p->block == c->count)
        return false;
    *s = seen_get(c, *p);
    return wide_compare(s->first, address) <= 0;
}

bool coverage_find(const struct coverage *c, struct wide address, uint32_t *set, struct wide *until)
{
    struct place p;
    struct seen s;
    bool found = find(c, address, &p, &s);
    if (found) {
        *set = s.set;
        *until = s.last;
    } else {
        *until = p.block == c->count ? wide_max(c->family) : wide_subtract(s.first, 1);
    }
    return found;
}

static bool block_insert(struct coverage *c, size_t at)
{
    struct coverage_block *b = malloc(sizeof *b);
    if (!b || !grow(&c->blocks, c->count, &c->capacity, sizeof c->blocks[0])) {
        free(b);
        return false;
    }
    b->count = 0;
    memmove(c->blocks + at + 1, c->blocks + at, (c->count - at) * sizeof c->blocks[0]);
    c->blocks[at] = b;
    c->count++;
    return true;
}

/* Makes room in a full block: half of it goes into a new one after it. What grows at its end
   only stays full. */
static bool block_split(struct coverage *c, struct place *p)
{
    struct coverage_block *full = c->blocks[p->block];
    size_t room = block_room(c);
    bool at_end = p->block + 1 == c->count && p->slot == room;
    size_t keep = at_end ? room : room / 2;
    if (!block_insert(c, p->block + 1))
        return false;
    struct coverage_block *fresh = c->blocks[p->block + 1];
    spans_move(c, fresh, 0, full, keep, room - keep);
    fresh->count = (uint32_t)(room - keep);
    full->count = (uint32_t)keep;
    if (p->slot > keep || at_end)
        *p = (struct place){p->block + 1, p->slot - keep};
    return true;
}

/* Puts a span where locate() says. */
static bool insert(struct coverage *c, struct seen s)
{
    struct place p = locate(c, s.first);
    if (!c->count && !block_insert(c, 0))
        return false;
    if (p.slot == 0 && p.block > 0) /* at the end of the block before */
        p = (struct place){p.block - 1, c->blocks[p.block - 1]->count};
    if (c->blocks[p.block]->count == block_room(c) && !block_split(c, &p))
        return false;
    struct coverage_block *b = c->blocks[p.block];
    spans_move(c, b, p.slot + 1, b, p.slot, b->count - p.slot);
    b->count++;
    seen_set(c, p, s);
    return true;
}

static void drop(struct coverage *c, struct place p)
{
    struct coverage_block *b = c->blocks[p.block];
    spans_move(c, b, p.slot, b, p.slot + 1, b->count - p.slot - 1);
    if (--b->count)
        return;
    free(b);
    c->count--;
    memmove(c->blocks + p.block, c->blocks + p.block + 1,
            (c->count - p.block) * sizeof c->blocks[0]);
}

/* Cuts first..last out of the span that it lies in, if it does. */
static bool cut_out(struct coverage *c, struct wide first, struct wide last)
{
    struct place p;
    struct seen old;
    if (!find(c, first, &p, &old))
        return true;
    struct seen left = old, right = old;
    left.last = wide_subtract(first, 1);
    right.first = wide_add(last, 1);
    bool has_left = wide_compare(old.first, first) < 0,
         has_right = wide_compare(last, old.last) < 0;
    if (has_left)
        seen_set(c, p, left);
    else if (has_right)
        seen_set(c, p, right);
    else
        drop(c, p);
    return !(has_left && has_right) || insert(c, right);
}

bool coverage_put(struct coverage *c, struct wide first, struct wide last, uint32_t set)
{
    struct place p;
    struct seen s = {first, last, set}, next;
    if (!cut_out(c, first, last))
        return false;
    /* What follows with the same set becomes part of this, and this part of what precedes it. */
    if (wide_compare(last, wide_max(c->family)) < 0 && find(c, wide_add(last, 1), &p, &next) &&
        next.set == set) {
        s.last = next.last;
        drop(c, p);
    }
    if ((first.high || first.low) && find(c, wide_subtract(first, 1), &p, &next) &&
        next.set == set) {
        next.last = s.last;
        seen_set(c, p, next);
        return true;
    }
    return insert(c, s);
}

void coverage_clear(struct coverage *c)
{
    for (size_t i = 0; i < c->count; i++)
        free(c->blocks[i]);
    free(c->blocks);
    *c = (struct coverage){.family = c->family};
}
