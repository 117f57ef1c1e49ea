/* SPDX-License-Identifier: MIT */
/*
 * expectation.h: what a target is expected to serve, as its label says:
 *
 *   expect=imap,smtp/explicit,imap/implicit:1993
 *
 *   imap            some port of this protocol answers
 *   imap/implicit   every port of this protocol that is asked in this mode does
 *   imap:1143       this port does
 *
 * The label is a text of the user's. It is checked where targets are read; in a record that is read
 * it may be anything, and what is no expectation is none.
 */
#ifndef SCANNER_EXPECTATION_H
#define SCANNER_EXPECTATION_H

#include "protocols/services.h"
#include "protocols/span.h"

struct target_host;

#define EXPECTATION_LABEL "expect"

struct expectation {
    struct span text; /* as it is written */
    const struct protocol *protocol;
    bool any_mode;
    enum mode mode;
    uint16_t port; /* 0: whichever */
};

/* The label's value; NULL: nothing is expected there. */
const char *expectation_of(const struct target_host *);

/* Takes the first item off the list; false when the list is used up, that is, when its at is NULL.
   *wrong: NULL, or why the item is none; then only its text is set. */
bool expectation_next(struct span *list, struct expectation *, const char **wrong);

/* Is this service among what is meant? */
bool expectation_meets(const struct expectation *, const struct service *);

/* Is one answer as good as another? */
static inline bool expectation_is_loose(const struct expectation *x)
{
    return x->any_mode && !x->port;
}

#endif
