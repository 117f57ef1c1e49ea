/* SPDX-License-Identifier: MIT */
/*
 * trials.h: what is tried of a service once everything passive of its host is known.
 *
 * A server, or whoever reads its log, may take such a connection for an attack and ban us: that
 * must not spoil a fact. So each trial has a course, and a host's endpoints finish one course
 * before any begins the next. A trial is a row: when it is worth a connection, what it asks, and
 * what the answer proves. Each is made at most once in a run; only an injection that may have
 * failed because a session was to be resumed is made again, with a full handshake.
 */
#ifndef SCANNER_TRIALS_H
#define SCANNER_TRIALS_H

#include "scanner/probe.h"

struct endpoint;

/* The order in which a host is asked. */
enum course {
    COURSE_PASSIVE, /* what any client does */
    COURSE_LOGIN,   /* how far a login gets in clear, without credentials */
    COURSE_ABUSE,   /* commands where none belong, and other odd behaviour */
    COURSE_COUNT
};

struct trial {
    const char *name;
    enum course course;
    bool (*worth)(const struct endpoint *);
    void (*ask)(struct endpoint *, struct probe_request *);
    void (*absorb)(struct endpoint *, const struct probe_facts *);
};

extern const struct trial trials[];
extern const size_t trials_count;

/* Gives every fact that only a trial could have brought its reason, if it was not learnt. late: the
   endpoint's time was used up. */
void trials_conclude(struct endpoint *, bool late);

#endif
