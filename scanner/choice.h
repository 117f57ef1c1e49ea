/* SPDX-License-Identifier: MIT */
/*
 * choice.h: which services are asked: the protocol table as the options narrow and extend it, every
 * other row that a target brings of its own, and the sets of such rows.
 *
 * Rows and sets are kept once each and never change or move: the same row is the same pointer, the
 * same set is the same pointer, as long as the choice lives. It owns them all. The options come
 * first: a target takes its services from what is chosen when it is read.
 */
#ifndef SCANNER_CHOICE_H
#define SCANNER_CHOICE_H

#include <stdio.h>

#include "protocols/services.h"

#define CHOICE_SET_MAX ((size_t)1024)      /* services at one host          */
#define CHOICE_CELLS_MAX ((size_t)1 << 24) /* rows of all sets, 8 octets each */

struct choice;

/* Ordered by the protocol's name, then port; a port of a protocol is there in one mode only. */
struct service_set {
    uint32_t id; /* they are numbered from 0, which is the empty set */
    uint32_t count;
    const struct service *rows[];
};

/* The whole table is chosen. NULL: out of memory. */
struct choice *choice_new(void);
void choice_free(struct choice *);

/* --services PROTOCOL[/MODE],…: of the table, only these; given again, these too. False: said to
   errors why not. */
bool choice_narrow(struct choice *, const char *list, FILE *errors);

/* --ports PROTOCOL[/MODE]:PORT,…: these besides. */
bool choice_extend(struct choice *, const char *list, FILE *errors);

const struct service_set *choice_chosen(const struct choice *);

/* The functions below return NULL when memory or a limit does not allow the set; choice_error()
   says which, as the rest of a sentence ("would make more than …"). */
const char *choice_error(const struct choice *);

/* Of the chosen ones, those on this port; may be empty. */
const struct service_set *choice_on_port(struct choice *, uint16_t port);

/* The set of this one row, chosen or not. */
const struct service_set *choice_single(struct choice *, struct service row);

const struct service_set *choice_union(struct choice *, const struct service_set *,
                                       const struct service_set *);

/* What the first has and the second has not. */
const struct service_set *choice_minus(struct choice *, const struct service_set *,
                                       const struct service_set *);

size_t choice_set_count(const struct choice *);
const struct service_set *choice_set(const struct choice *, uint32_t id);

#endif
