/* SPDX-License-Identifier: MIT */
/*
 * draft.h: what is made of a host before it goes out, and the memory for it.
 *
 *   host_view ──> draft_make() ──> [ one at a time: draft_write() ]
 *
 * Each thread has a draft of its own and makes it without a lock, also while others do; that is
 * most of the work. A draft is used again from host to host. All zero is an empty draft.
 */
#ifndef OUTPUT_DRAFT_H
#define OUTPUT_DRAFT_H

#include "output/writer.h"

struct draft {
    struct opinions opinions;
    struct page pages[WRITERS_MAX]; /* one for each writing */
};

/* Forms the opinions of the host, by what the run is held to, and renders it for each of the
   writings. False: no memory. */
bool draft_make(struct draft *, const struct run *, const struct writing *, size_t count,
                const struct host_view *);

/* Hands the host to each of the writings. NULL, or that which could not be written. */
const struct writing *draft_write(const struct draft *, struct writing *, size_t count,
                                  const struct host_view *);
void draft_free(struct draft *);

#endif
