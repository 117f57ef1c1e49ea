/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/state/archive.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/infile.h"
#include "output/members.h"
#include "scanner/grow.h"
#include "scanner/memory.h"
#include "scanner/say.h"

static bool tell(const struct archive *a, const struct infile *in, const char *problem)
{
    say(a->messages, "%s:%" PRIu64 ": %s", in->name, in->number, problem);
    return false;
}

static bool open_file(const struct archive *a, struct infile *in, const char *path)
{
    if (strcmp(path, "-") == 0) {
        *in = (struct infile){.fd = -1};
        say(a->messages, "-: standard input cannot be read twice; give a file");
        return false;
    }
    if (infile_open(in, path))
        return true;
    say(a->messages, "%s: %s", path, strerror(in->error));
    return false;
}

/* --- where runs begin ----------------------------------------------------------------------------- */

static const char *text_of(const cJSON *record, const char *name)
{
    const cJSON *item = member_of(record, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool add_run(struct archive *a, const char *path, const cJSON *record, uint64_t place,
                    uint64_t number)
{
    if (!grow(&a->runs, a->count, &a->capacity, sizeof *a->runs))
        return false;
    struct archive_run *run = &a->runs[a->count];
    *run = (struct archive_run){.run_id = strdup(text_of(record, "run_id")),
                                .started = strdup(text_of(record, "started")),
                                .file = path,
                                .place = place,
                                .number = number};
    if (run->run_id && run->started) {
        a->count++;
        return true;
    }
    free(run->run_id);
    free(run->started);
    return false;
}

/* Few lines have to be parsed for that. */
static cJSON *parse_start(struct span line)
{
    if (!memmem(line.at, line.len, "\"run_start\"", strlen("\"run_start\"")))
        return NULL;
    cJSON *record = members_parse(line);
    if (!members_fault(record) && strcmp(text_of(record, "type"), "run_start") == 0)
        return record;
    cJSON_Delete(record);
    return NULL;
}

static bool survey(struct archive *a, struct infile *in)
{
    struct span line;
    enum infile_step step;
    uint64_t place = 0, number = 0;
    size_t before = a->count;
    bool ok = true;

    while (ok && (step = infile_next(in, &line)) != INFILE_END) {
        if (step == INFILE_FAILED)
            return tell(a, in, strerror(in->error));
        cJSON *record = step == INFILE_LONG ? NULL : parse_start(line);
        if (record)
            ok = add_run(a, in->name, record, place, number) || tell(a, in, "out of memory");
        cJSON_Delete(record);
        place = in->place;
        number = in->number;
        if (a->count > before)
            a->runs[a->count - 1].octets = place - a->runs[a->count - 1].place;
    }
    if (ok && a->count == before)
        say(a->messages, "%s: there is no run in it", in->name);
    return ok && a->count > before;
}

bool archive_add(struct archive *a, const char *path)
{
    struct infile in;
    struct memory_watch watch = memory_watch();
    bool ok = open_file(a, &in, path) && survey(a, &in);
    if (!memory_held(watch) && ok) /* a run may have been passed over */
        ok = tell(a, &in, "out of memory");
    infile_close(&in);
    return ok;
}

void archive_free(struct archive *a)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->runs[i].run_id);
        free(a->runs[i].started);
    }
    free(a->runs);
    a->runs = NULL;
    a->count = a->capacity = 0;
}

static int compare_runs(const void *left, const void *right)
{
    const struct archive_run *a = left, *b = right;
    int order = strcmp(a->started, b->started);
    if (!order)
        order = strcmp(a->run_id, b->run_id);
    if (!order && a->octets != b->octets)
        order = a->octets > b->octets ? -1 : 1;
    return order;
}

void archive_sort(struct archive *a)
{
    if (a->count)
        qsort(a->runs, a->count, sizeof *a->runs, compare_runs);
}

/* --- its records ----------------------------------------------------------------------------------- */

static enum archive_step take_record(const struct archive *a, struct infile *in, struct state *s,
                                     const cJSON *record, bool first)
{
    switch (state_take(s, record)) {
    case STATE_TAKEN:
        return ARCHIVE_TAKEN;
    case STATE_KNOWN:
        return ARCHIVE_KNOWN;
    case STATE_REFUSED:
        tell(a, in, state_problem(s));
        return first ? ARCHIVE_REFUSED : ARCHIVE_BROKEN;
    case STATE_FAILED:
        break;
    }
    tell(a, in, state_problem(s));
    return ARCHIVE_FAILED;
}

static enum archive_step take_line(const struct archive *a, struct infile *in, struct state *s,
                                   struct span line, bool torn, bool first)
{
    cJSON *record = members_parse(line);
    const char *fault = members_fault(record);
    enum archive_step step = ARCHIVE_TAKEN;

    if (!fault)
        step = take_record(a, in, s, record, first);
    else if (torn)
        tell(a, in, "the last line is torn, and passed over");
    else {
        tell(a, in, fault);
        step = ARCHIVE_BROKEN;
    }
    cJSON_Delete(record);
    return step;
}

/* Is this line the start of the run behind? */
static bool is_next(const struct archive_run *run, const struct infile *in, struct span line)
{
    if (in->number == run->number + 1)
        return false;
    cJSON *record = parse_start(line);
    cJSON_Delete(record);
    return record != NULL;
}

static enum archive_step take_lines(const struct archive *a, const struct archive_run *run,
                                    struct infile *in, struct state *s)
{
    enum archive_step result = ARCHIVE_TAKEN;
    struct span line;
    enum infile_step read;

    while ((read = infile_next(in, &line)) != INFILE_END) {
        enum archive_step step = ARCHIVE_BROKEN;
        if (read == INFILE_FAILED) {
            tell(a, in, strerror(in->error));
            return ARCHIVE_FAILED;
        }
        if (read == INFILE_LONG)
            tell(a, in, "longer than a record can be");
        else if (is_next(run, in, line))
            break;
        else
            step = take_line(a, in, s, line, read == INFILE_TORN, in->number == run->number + 1);
        if (step > ARCHIVE_BROKEN)
            return step;
        result = step > result ? step : result;
    }
    return result;
}

enum archive_step archive_take(const struct archive *a, const struct archive_run *run,
                               struct state *s)
{
    struct infile in;
    enum archive_step step = ARCHIVE_FAILED;
    if (open_file(a, &in, run->file)) {
        if (infile_seek(&in, run->place, run->number))
            step = take_lines(a, run, &in, s);
        else
            tell(a, &in, strerror(in.error));
    }
    infile_close(&in);
    return step;
}
