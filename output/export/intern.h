/* SPDX-License-Identifier: MIT */
/*
 * intern.h: values of JSON in which what repeats is written once.
 *
 * Records of a run repeat each other: the texts of rules, clauses, lists of capabilities, chains.
 * An intern writes each such value onto a line of its own, the first time it comes, and from then
 * on its number. Nothing of a value is lost, whatever its members are, and no member is known here
 * but those that belong to one endpoint alone (a time, a fingerprint): what holds one of them is
 * not worth a line of its own.
 *
 *   "a text"            a text; "~12" the value on the 13th line of values; "~~…" a text that begins with "~"
 *   [0,…]               an array
 *   [4,…]               an object of shape 3 (from 0): its values, in the order of the shape's names
 *   [-1,"name",…]       an object that has no shape: names and values
 *   1 true null         themselves
 *
 * Lines of values are such values; a shape is a line {"shape":["name",…]}. What a line needs stands
 * above it. The tables keep digests, never texts, and are bounded: when one is full, values are
 * written where they are.
 */
#ifndef OUTPUT_EXPORT_INTERN_H
#define OUTPUT_EXPORT_INTERN_H

#include "output/export/export.h"

struct intern_table {
    struct intern_entry *entries;
    uint32_t room, count, most;
};

struct intern {
    struct intern_table values, shapes;
    struct page page; /* the value that is being written */
    /* Takes a line, without its end. */
    bool (*line)(struct exporting *, struct span);
};

void intern_init(struct intern *, bool (*line)(struct exporting *, struct span));
void intern_free(struct intern *);

/* Writes the value behind what stands on intern.page, and what it needs as lines. Of the member
   that is left_out (it may be NULL) null is written. False: no memory, or a line was not taken. */
bool intern_put(struct intern *, struct exporting *, const cJSON *value, const cJSON *left_out);

#endif
