/* SPDX-License-Identifier: MIT */
/*
 * order.h: a permutation of 0 … count-1 that is computed and not stored.
 *
 * Neighbouring numbers are neighbouring addresses; a network is asked more gently if they do not
 * come one after another. The same seed gives the same order. A Feistel network over the smallest
 * even number of bits that holds count: whatever its round function is, it is a bijection there, and
 * what falls outside of count is sent through it again until it falls inside. Every number comes
 * once, since a cycle of a permutation that leaves a set comes back to it, and at less than four
 * trips on average. This is no cipher: the order is not a secret.
 */
#ifndef SCANNER_ORDER_H
#define SCANNER_ORDER_H

#include <stdbool.h>
#include <stdint.h>

struct order {
    uint64_t count, seed;
    unsigned half; /* bits of each half; 0: as they come */
};

/* shuffled: false for 0, 1, 2 … */
struct order order_new(uint64_t count, uint64_t seed, bool shuffled);

/* The number at this place; at < count. */
uint64_t order_at(const struct order *, uint64_t at);

#endif
