/* SPDX-License-Identifier: MIT */
/*
 * waivers.h: findings that somebody answers for: which, why, and until when.
 *
 *   waivers.yaml ──> waivers ──> waivers_find(): what a finding of an endpoint has, at a time
 *
 * A waiver takes a finding out of what counts, and nothing else: it stays where it is, with the
 * waiver beside it. After its last day it takes nothing out any more. What is not sound in a file is
 * told with its line and member, all of it, and nothing of such a file is used. Waivers are constant
 * once they are loaded: threads may share them.
 */
#ifndef OUTPUT_WAIVERS_WAIVERS_H
#define OUTPUT_WAIVERS_WAIVERS_H

#include <stdint.h>
#include <stdio.h>

#include "output/date.h"
#include "scanner/observation.h"

#define WAIVERS_HASH_SIZE ((size_t)65)   /* SHA-256, hex, with its NUL */
#define WAIVERS_MAX_DAYS ((unsigned)366) /* from its creation, where the file says nothing else */

struct waiver {
    const char *id, *reason;
    const char *approved_by, *ticket; /* NULL: not given */
    char expires[DATE_SIZE];
    int64_t last_day; /* since 1970-01-01, in UTC; all of that day is within */
    size_t number;    /* as waivers_at() counts */
};

struct waivers;
struct yamlfile;

/* Reads the file. now (Unix time, ms): from there on the days are counted that a waiver may have,
   where it does not say when it was created. NULL, and lines on errors, if it cannot be had or is
   not sound. */
struct waivers *waivers_load(const char *path, int64_t now, FILE *errors);
struct waivers *waivers_read(const struct yamlfile *, int64_t now, FILE *errors);
void waivers_free(struct waivers *);

const char *waivers_sha256(const struct waivers *); /* of the file, hex */

/* By id. */
size_t waivers_count(const struct waivers *);
const struct waiver *waivers_at(const struct waivers *, size_t);

/* What a waiver looks at. */
struct waiver_subject {
    const char *key; /* of the endpoint */
    const struct host_view *host;
    const struct protocol *protocol;
    int64_t time; /* when it was observed: Unix time, ms */
};

/* The one for a finding of the rule with that number and of that fingerprint; NULL: there is none.
   Of several one that has not expired, and of those the first of the file. */
const struct waiver *waivers_find(const struct waivers *, const struct waiver_subject *,
                                  size_t rule, const char *fingerprint);

static inline int64_t waiver_day(int64_t unix_ms)
{
    int64_t day = (int64_t)DAY_SECONDS * 1000;
    return unix_ms / day - (unix_ms % day < 0);
}

static inline bool waiver_expired(const struct waiver *w, int64_t unix_ms)
{
    return waiver_day(unix_ms) > w->last_day;
}

#endif
