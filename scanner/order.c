/* SPDX-License-Identifier: MIT */
#include "scanner/order.h"

#define ROUNDS 4

struct order order_new(uint64_t count, uint64_t seed, bool shuffled)
{
    struct order o = {.count = count, .seed = seed};
    if (!shuffled || count < 2)
        return o;
    for (o.half = 1; o.half < 32 && count - 1 >= (uint64_t)1 << (2 * o.half);)
        o.half++;
    return o;
}

/* Spreads every bit over all others: multiply and shift, twice (as hash tables do). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 29) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static uint64_t trip(const struct order *o, uint64_t number)
{
    uint64_t mask = ((uint64_t)1 << o->half) - 1;
    uint64_t left = number >> o->half, right = number & mask;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        uint64_t next = left ^ (mix(right + mix(o->seed + round)) & mask);
        left = right;
        right = next;
    }
    return left << o->half | right;
}

uint64_t order_at(const struct order *o, uint64_t at)
{
    if (!o->half)
        return at;
    do
        at = trip(o, at);
    while (at >= o->count);
    return at;
}
