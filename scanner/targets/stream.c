/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>

#include "scanner/say.h"
#include "scanner/targets/coverage.h"
#include "scanner/targets/held.h"
#include "scanner/targets/lines.h"

/* The target of the line that is being walked through. */
struct walk {
    struct target target;
    const struct errand *errand;
    bool ready;                         /* there are hosts in at..piece_last to be given */
    bool done;                          /* nothing is left of the target                 */
    struct wide at, piece_last;         /* the piece in which all hosts are alike        */
    const struct service_set *services; /* that they are given with                      */
};

struct targets_stream {
    struct targets *targets;
    char *label;
    struct lines lines;
    struct walk walk;
    struct coverage seen[FAMILIES];
    struct names names;
    uint64_t errors;
    bool failed;
};

struct targets_stream *targets_stream_open(struct targets *targets, const char *label)
{
    struct targets_stream *s = calloc(1, sizeof *s);
    char *name = strdup(label);
    if (!s || !name) {
        free(s);
        free(name);
        return NULL;
    }
    s->targets = targets;
    s->label = name;
    s->walk.done = true;
    for (size_t i = 0; i < FAMILIES; i++)
        s->seen[i].family = targets->held[i].family;
    return s;
}

void targets_stream_free(struct targets_stream *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < FAMILIES; i++)
        coverage_clear(&s->seen[i]);
    names_clear(&s->names);
    free(s->label);
    free(s);
}

void targets_stream_feed(struct targets_stream *s, struct span bytes)
{
    s->lines.piece = bytes;
}

void targets_stream_end(struct targets_stream *s)
{
    s->lines.ended = true;
}

uint64_t targets_stream_errors(const struct targets_stream *s)
{
    return s->errors;
}

static void tell(struct targets_stream *s, const char *what)
{
    say(s->targets->errors, "%s:%" PRIu64 ": %s", s->label, s->lines.number, what);
    s->errors++;
}

void targets_stream_fail(struct targets_stream *s, const char *why)
{
    struct complaint complaint;
    snprintf(complaint.text, sizeof complaint.text, "cannot be read any further: %s", why);
    tell(s, complaint.text);
    s->failed = true;
}

/* All up to this address is dealt with. */
static void step(struct walk *w, struct wide past)
{
    if (wide_compare(past, w->piece_last) >= 0)
        w->ready = false;
    if (wide_compare(past, w->target.last) >= 0)
        w->done = true;
    else
        w->at = wide_add(past, 1);
}

/* Gives up the rest of a line which asks for more services than the choice allows. */
static bool refuse(struct targets_stream *s)
{
    struct complaint complaint;
    snprintf(complaint.text, sizeof complaint.text, "the target %s",
             choice_error(s->targets->choice));
    tell(s, complaint.text);
    s->walk.done = true;
    return true;
}

/* What is wanted and not there yet; *all becomes both together. False: the choice does not allow
   it. */
static bool missing(struct targets_stream *s, const struct service_set *there,
                    const struct service_set **all, const struct service_set **rest)
{
    struct choice *choice = s->targets->choice;
    const struct service_set *wanted = s->walk.target.services;
    *all = choice_union(choice, there, wanted);
    *rest = *all ? choice_minus(choice, wanted, there) : NULL;
    return *rest;
}

/* Finds the piece that begins at walk.at: hosts which were all given, or all excluded, or all
   lack the same services. It counts as given from then on, also where others had it, so that it
   is passed at once the next time. False: out of memory. */
static bool find_piece(struct targets_stream *s)
{
    struct walk *w = &s->walk;
    struct choice *choice = s->targets->choice;
    int i = w->target.family == AF_INET ? V4 : V6;
    const struct service_set *there = choice_set(choice, 0), *all;
    uint32_t set;

    if (coverage_find(&s->seen[i], w->at, &set, &w->piece_last))
        there = choice_set(choice, set);
    w->piece_last = wide_smaller(w->piece_last, w->target.last);
    if (!missing(s, there, &all, &w->services))
        return refuse(s);
    if (!w->services->count) {
        step(w, w->piece_last);
        return true;
    }
    struct segment found;
    struct wide until;
    if (segments_find(&s->targets->held[i], w->at, &found, &until)) {
        until = found.last;
        w->services = choice_minus(choice, w->services, choice_set(choice, found.set));
        if (!w->services)
            return refuse(s);
    }
    w->piece_last = wide_smaller(w->piece_last, until);
    if (segments_find(&s->targets->excluded[i], w->at, &found, &until)) {
        until = found.last;
        w->services = choice_set(choice, 0);
    }
    w->piece_last = wide_smaller(w->piece_last, until);
    w->ready = w->services->count;
    if (!coverage_put(&s->seen[i], w->at, w->piece_last, all->id))
        return false;
    if (!w->ready)
        step(w, w->piece_last);
    return true;
}

/* A name is given at once, if at all: then *host has it. */
static bool walk_name(struct targets_stream *s, struct target_host *host)
{
    struct walk *w = &s->walk;
    struct choice *choice = s->targets->choice;
    const struct name *held = names_find(&s->targets->names, w->target.name);
    const struct service_set *all;
    w->done = true;
    if (names_find(&s->targets->unwanted_names, w->target.name))
        return true;
    struct name *name = names_keep(&s->names, w->target.name);
    if (!name)
        return false;
    if (!name->services)
        name->services = held ? held->services : choice_set(choice, 0);
    if (!missing(s, name->services, &all, &w->services))
        return refuse(s);
    name->services = all;
    *host = host_of(w->errand, w->services);
    host->name = name->text;
    return true;
}

/* Takes up the next line. False: out of memory. */
static bool begin_line(struct targets_stream *s, struct span line)
{
    struct complaint complaint;
    struct walk *w = &s->walk;
    enum target_kind kind = target_parse(line, s->targets->choice, &w->target, &complaint);
    targets_note(s->targets, &w->target, kind);
    switch (kind) {
    case TARGET_HOSTS:
        w->errand = errands_keep(&s->targets->errands, &w->target);
        w->at = w->target.first;
        w->ready = w->done = false;
        return w->errand;
    case TARGET_BAD:
        tell(s, complaint.text);
        break;
    case TARGET_IGNORED:
    case TARGET_NOTHING:
        break;
    }
    return true;
}

/* One step through the target; a host with services was found, or there is none (now). False:
   out of memory. */
static bool walk_on(struct targets_stream *s, struct target_host *host)
{
    struct walk *w = &s->walk;
    host->service_count = 0;
    if (w->target.family == AF_UNSPEC)
        return walk_name(s, host);
    if (!w->ready && !find_piece(s))
        return false;
    if (w->ready) {
        *host = host_of(w->errand, w->services);
        host->address = address_of_number(w->target.family, w->at);
        step(w, w->at);
    }
    return true;
}

enum targets_step targets_stream_next(struct targets_stream *s, struct target_host *host)
{
    struct span line;
    while (!s->failed) {
        bool ok = true;
        if (!s->walk.done) {
            ok = walk_on(s, host);
            if (ok && host->service_count) {
                host->file = s->label;
                host->line = s->lines.number;
                return TARGETS_HOST;
            }
        } else if (lines_next(&s->lines, &line)) {
            ok = begin_line(s, line);
        } else {
            return s->lines.ended ? TARGETS_END : TARGETS_NEED_MORE;
        }
        if (!ok) {
            tell(s, "out of memory");
            s->failed = true;
        }
    }
    return TARGETS_FAILED;
}

bool targets_stream_has(const struct targets_stream *s, const struct targets_endpoint *e)
{
    uint32_t set;
    struct wide until;
    if (e->name) {
        const struct name *name = names_find(&s->names, e->name);
        return name && name->services && has_service(name->services, e);
    }
    return coverage_find(&s->seen[e->address.family == AF_INET ? V4 : V6],
                         address_number(&e->address), &set, &until) &&
           has_service(choice_set(s->targets->choice, set), e);
}
