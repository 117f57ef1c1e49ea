/* SPDX-License-Identifier: MIT */
/*
 * reader_facts.h: the observation of one record; for reader.c.
 */
#ifndef OUTPUT_READER_FACTS_H
#define OUTPUT_READER_FACTS_H

#include "output/members.h"
#include "scanner/observation.h"

/* Texts and services that a host and its observations point to, the last one first. */
struct held {
    struct held *next;
    struct service service;
    char text[];
};

/* A record, and what becomes of it. */
struct reader {
    struct members m;
    struct held **held;
    struct observation *o;
};

/* Keeps the text, cleaned. NULL: out of memory, and that is a problem. */
struct held *reader_hold(struct reader *, const char *path, struct span text);

/* The same with a member; false: there is no value, or a problem. */
bool reader_hold_word(struct reader *, const cJSON *, const char *path, const char **out);

/* Fills in the observation, which must be new. */
void reader_facts(struct reader *);

/* Did a connection come about? Older records do not say where from. */
bool reader_was_connected(const struct observation *);

#endif
