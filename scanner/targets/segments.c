/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/targets/segments.h"

#include <stdlib.h>

#include "scanner/grow.h"

/* --- arrays with short and long members --- */

struct short_entry {
    uint32_t first, last, errand, line;
};

struct short_segment {
    uint32_t first, last, before, set, owner;
};

static size_t entry_size(int family)
{
    return family == AF_INET ? sizeof(struct short_entry) : sizeof(struct entry);
}

bool entries_add(struct entries *all, struct entry e)
{
    if (!grow(&all->array, all->count, &all->capacity, entry_size(all->family)))
        return false;
    if (all->family == AF_INET) {
        struct short_entry *array = all->array;
        array[all->count++] =
            (struct short_entry){(uint32_t)e.first.low, (uint32_t)e.last.low, e.errand, e.line};
    } else {
        struct entry *array = all->array;
        array[all->count++] = e;
    }
    return true;
}

struct entry entries_get(const struct entries *all, size_t i)
{
    if (all->family != AF_INET)
        return ((const struct entry *)all->array)[i];
    struct short_entry e = ((const struct short_entry *)all->array)[i];
    return (struct entry){{0, e.first}, {0, e.last}, e.errand, e.line};
}

void entries_clear(struct entries *all)
{
    free(all->array);
    *all = (struct entries){.family = all->family};
}

static size_t segment_size(int family)
{
    return family == AF_INET ? sizeof(struct short_segment) : sizeof(struct segment);
}

struct segment segments_get(const struct segments *all, size_t i)
{
    if (all->family != AF_INET)
        return ((const struct segment *)all->array)[i];
    struct short_segment s = ((const struct short_segment *)all->array)[i];
    return (struct segment){{0, s.first}, {0, s.last}, s.before, s.set, s.owner};
}

static void segments_put(struct segments *all, size_t i, struct segment s)
{
    if (all->family == AF_INET)
        ((struct short_segment *)all->array)[i] = (struct short_segment){
            (uint32_t)s.first.low, (uint32_t)s.last.low, (uint32_t)s.before, s.set, s.owner};
    else
        ((struct segment *)all->array)[i] = s;
}

void segments_clear(struct segments *all)
{
    free(all->array);
    *all = (struct segments){.family = all->family};
}

/* --- reading --- */

struct segment segments_at_index(const struct segments *all, uint64_t index)
{
    size_t low = 0, high = all->count; /* the one is in low..high-1 */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (segments_get(all, middle).before <= index)
            low = middle;
        else
            high = middle;
    }
    return segments_get(all, low);
}

bool segments_find(const struct segments *all, struct wide address, struct segment *found,
                   struct wide *until)
{
    size_t low = 0, high = all->count; /* the first that does not end before the address */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (wide_compare(segments_get(all, middle).last, address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *until = wide_max(all->family);
    if (low == all->count)
        return false;
    struct segment s = segments_get(all, low);
    if (wide_compare(s.first, address) > 0) {
        *until = wide_subtract(s.first, 1);
        return false;
    }
    *found = s;
    return true;
}

/* --- heaps --- */

/* Numbers of entries; the least of them, in some order, is on top. */
struct heap {
    uint32_t *items;
    size_t count, capacity;
    const struct entries *entries; /* ordered by where they end; NULL: by their number */
};

static bool heap_less(const struct heap *h, uint32_t a, uint32_t b)
{
    if (!h->entries)
        return a < b;
    return wide_compare(entries_get(h->entries, a).last, entries_get(h->entries, b).last) < 0;
}

static bool heap_push(struct heap *h, uint32_t item)
{
    if (!grow(&h->items, h->count, &h->capacity, sizeof h->items[0]))
        return false;
    size_t i = h->count++;
    for (; i && heap_less(h, item, h->items[(i - 1) / 2]); i = (i - 1) / 2)
        h->items[i] = h->items[(i - 1) / 2];
    h->items[i] = item;
    return true;
}

static void heap_pop(struct heap *h)
{
    uint32_t item = h->items[--h->count];
    size_t i = 0;
    for (size_t child = 1; child < h->count; child = 2 * i + 1) {
        if (child + 1 < h->count && heap_less(h, h->items[child + 1], h->items[child]))
            child++;
        if (!heap_less(h, h->items[child], item))
            break;
        h->items[i] = h->items[child];
        i = child;
    }
    h->items[i] = item;
}

/* --- a bag of sets: which are in it, and how often --- */

struct bag {
    uint32_t *times; /* by the set's number                         */
    uint32_t *place; /* in the list, if it is in the bag            */
    uint32_t *list;
    size_t count;                    /* of the list                                 */
    const struct service_set *whole; /* the union of all of them; NULL: not known   */
};

static bool bag_init(struct bag *b, const struct choice *choice)
{
    size_t sets = choice_set_count(choice);
    *b = (struct bag){.times = calloc(sets, sizeof b->times[0]),
                      .place = calloc(sets, sizeof b->place[0]),
                      .list = calloc(sets, sizeof b->list[0])};
    return b->times && b->place && b->list;
}

static void bag_clear(struct bag *b)
{
    free(b->times);
    free(b->place);
    free(b->list);
}

static void bag_add(struct bag *b, uint32_t set)
{
    if (b->times[set]++)
        return;
    b->place[set] = (uint32_t)b->count;
    b->list[b->count++] = set;
    b->whole = NULL;
}

static void bag_remove(struct bag *b, uint32_t set)
{
    if (--b->times[set])
        return;
    uint32_t moved = b->list[--b->count];
    b->list[b->place[set]] = moved;
    b->place[moved] = b->place[set];
    b->whole = NULL;
}

/* NULL: the choice does not allow it. */
static const struct service_set *bag_union(struct bag *b, struct choice *choice)
{
    const struct service_set *sum = b->whole ? b->whole : choice_set(choice, b->list[0]);
    for (size_t i = 1; sum && !b->whole && i < b->count; i++)
        sum = choice_union(choice, sum, choice_set(choice, b->list[i]));
    b->whole = sum;
    return sum;
}

/* --- the sweep: over all addresses, from where one entry begins or ends to the next --- */

struct sweep {
    struct segments *out;
    const struct entries *entries;
    const struct errands *errands;
    struct choice *choice;
    const struct segments *without;
    uint32_t *order; /* entries by where they begin */
    struct heap owners,
        ends; /* of the entries that cover the current address; owners may lag behind */
    struct bag bag;
};

static uint32_t set_of(const struct sweep *s, struct entry e)
{
    return s->errands->list[e.errand]->services->id;
}

static int compare_starts(const void *left, const void *right, void *context)
{
    const uint32_t *a = left, *b = right;
    int order = wide_compare(entries_get(context, *a).first, entries_get(context, *b).first);
    return order ? order : (*a > *b) - (*a < *b);
}

static bool sweep_init(struct sweep *s)
{
    size_t count = s->entries->count;
    s->ends.entries = s->entries;
    s->order = malloc((count ? count : 1) * sizeof s->order[0]);
    if (!bag_init(&s->bag, s->choice) || !s->order)
        return false;
    for (size_t i = 0; i < count; i++)
        s->order[i] = (uint32_t)i;
    struct entries view = *s->entries;
    qsort_r(s->order, count, sizeof s->order[0], compare_starts, &view);
    return true;
}

static void sweep_clear(struct sweep *s)
{
    free(s->order);
    free(s->owners.items);
    free(s->ends.items);
    bag_clear(&s->bag);
}

static bool sweep_enter(struct sweep *s, uint32_t i)
{
    if (!heap_push(&s->owners, i) || !heap_push(&s->ends, i))
        return false;
    bag_add(&s->bag, set_of(s, entries_get(s->entries, i)));
    return true;
}

static struct entry sweep_top(const struct sweep *s, const struct heap *h)
{
    return entries_get(s->entries, h->items[0]);
}

/* Leaves behind what ends before the address. */
static void sweep_leave(struct sweep *s, struct wide address)
{
    while (s->ends.count && wide_compare(sweep_top(s, &s->ends).last, address) < 0) {
        bag_remove(&s->bag, set_of(s, sweep_top(s, &s->ends)));
        heap_pop(&s->ends);
    }
    while (s->owners.count && wide_compare(sweep_top(s, &s->owners).last, address) < 0)
        heap_pop(&s->owners);
}

/* Appends a segment, or makes the last one longer. */
static bool append(struct segments *all, struct segment next)
{
    uint64_t length = wide_count(next.first, next.last);
    next.before = all->addresses;
    all->addresses = all->addresses > UINT64_MAX - length ? UINT64_MAX : all->addresses + length;
    if (all->count) {
        struct segment last = segments_get(all, all->count - 1);
        if (last.set == next.set && last.owner == next.owner &&
            wide_compare(wide_add(last.last, 1), next.first) == 0) {
            last.last = next.last;
            segments_put(all, all->count - 1, last);
            return true;
        }
    }
    if (!grow(&all->array, all->count, &all->capacity, segment_size(all->family)))
        return false;
    segments_put(all, all->count++, next);
    return true;
}

/* Appends what is left of a segment when all that is to be left out is cut from it. */
static bool append_rest(struct sweep *s, struct segment whole)
{
    struct wide at = whole.first;
    for (;;) {
        struct segment gone, part = whole;
        struct wide until = whole.last;
        if (s->without && segments_find(s->without, at, &gone, &until)) {
            until = gone.last;
        } else {
            part.first = at;
            part.last = until = wide_smaller(until, whole.last);
            if (!append(s->out, part))
                return false;
        }
        if (wide_compare(until, whole.last) >= 0)
            return true;
        at = wide_add(until, 1);
    }
}

static bool no_memory(struct complaint *c)
{
    snprintf(c->text, sizeof c->text, "out of memory");
    return false;
}

static bool too_much(const struct sweep *s, struct wide at, struct complaint *c)
{
    char text[ADDRESS_TEXT_MAX];
    struct address address = address_of_number(s->entries->family, at);
    snprintf(c->text, sizeof c->text, "%s %s", address_format(&address, text),
             choice_error(s->choice));
    return false;
}

static bool sweep_run(struct sweep *s, struct complaint *c)
{
    size_t next = 0, count = s->entries->count;
    struct wide at = {0, 0};
    while (next < count || s->ends.count) {
        if (!s->ends.count)
            at = entries_get(s->entries, s->order[next]).first;
        for (; next < count; next++) {
            if (wide_compare(entries_get(s->entries, s->order[next]).first, at) != 0)
                break;
            if (!sweep_enter(s, s->order[next]))
                return no_memory(c);
        }
        struct wide last = sweep_top(s, &s->ends).last;
        if (next < count)
            last =
                wide_smaller(last, wide_subtract(entries_get(s->entries, s->order[next]).first, 1));
        const struct service_set *set = bag_union(&s->bag, s->choice);
        if (!set)
            return too_much(s, at, c);
        struct segment whole = {
            .first = at, .last = last, .set = set->id, .owner = s->owners.items[0]};
        if (!append_rest(s, whole))
            return no_memory(c);
        if (wide_compare(last, wide_max(s->entries->family)) == 0)
            break;
        at = wide_add(last, 1);
        sweep_leave(s, at);
    }
    return true;
}

bool segments_build(struct segments *out, const struct entries *entries,
                    const struct errands *errands, struct choice *choice,
                    const struct segments *without, struct complaint *c)
{
    struct sweep s = {
        .out = out, .entries = entries, .errands = errands, .choice = choice, .without = without};
    bool ok = sweep_init(&s) ? sweep_run(&s, c) : no_memory(c);
    sweep_clear(&s);
    return ok;
}
