/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/delivery.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/infile.h"
#include "output/record.h"
#include "scanner/commands/command.h"
#include "scanner/commands/notice.h"

/* Always false. */
static bool refuse(const char *option, const char *what, const char *why)
{
    notice(PRIORITY_ERROR, "--%s: %s: %s", option, what, why);
    return false;
}

/* --- before ----------------------------------------------------------------------------------- */

/* FORMAT=FILE. */
static const struct exporter *format_of(const char *text, const char **file)
{
    char name[32];
    size_t n = strcspn(text, "=");
    snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : sizeof name - 1), text);
    *file = text[n] ? text + n + 1 : text + n;
    return n < sizeof name ? export_find(name) : NULL;
}

static bool is_regular(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* Also where neither is there yet. */
static bool is_same(const char *path, const char *other)
{
    return strcmp(path, other) == 0 || infile_is(path, other);
}

/* It is written beside its place: the folder has to take a new file. */
static bool can_be_made(const char *file)
{
    char *copy = access(file, F_OK) == 0 && !is_regular(file) ? NULL : strdup(file);
    bool ok = !copy || access(dirname(copy), W_OK | X_OK) == 0;
    free(copy);
    return ok;
}

static bool check_export(const struct scan_options *o, size_t number)
{
    const char *text = o->exports[number], *file, *other;
    if (!format_of(text, &file) || !*file)
        return refuse("export", text,
                      "not FORMAT=FILE with a format that there is (export --format lists them)");
    if (strcmp(file, "-") == 0)
        return refuse("export", text, "standard output is not for this");
    if (o->output && is_same(o->output, file))
        return refuse("export", text, "the records are to be written there");
    if (o->state && is_same(o->state, file))
        return refuse("export", text, "that is the state");
    for (size_t i = 0; i < number; i++) {
        format_of(o->exports[i], &other);
        if (is_same(file, other))
            return refuse("export", text, "another format is to be written there");
    }
    return can_be_made(file) || refuse("export", text, strerror(errno));
}

/* They are read again. */
static bool check_source(const struct scan_options *o)
{
    if (!o->export_count || o->records_dir)
        return true;
    if (!o->output || strcmp(o->output, "-") == 0)
        return refuse("export", o->exports[0],
                      "the records have to be in a file (-o FILE or --records-dir DIR)");
    return access(o->output, F_OK) < 0 || is_regular(o->output) ||
           refuse("export", o->output, "not a regular file");
}

/* What all formats are told. */
static bool choose_options(struct export_options *e, const struct scan_options *o)
{
    *e = (struct export_options){.scan = o->scan_name ? o->scan_name : "default",
                                 .title = o->title,
                                 .per_endpoint = o->per_endpoint};
    if (o->label_count > EXPORT_LABELS_MAX)
        return refuse("label", o->labels[EXPORT_LABELS_MAX], "so many labels are too many");
    for (size_t i = 0; i < o->label_count; i++)
        e->labels[e->label_count++] = o->labels[i];
    const char *fault = export_fault(e);
    return !fault || refuse("export", "title, label", fault);
}

bool delivery_check(struct delivery *d, const struct scan_options *o)
{
    *d = (struct delivery){.options = o};
    if (!choose_options(&d->exports, o))
        return false;
    if (o->dry_run) /* a folder may come to be before the scan does */
        return true;
    for (size_t i = 0; i < o->export_count; i++)
        if (!check_export(o, i))
            return false;
    if (!check_source(o))
        return false;
    if (o->state && o->output && is_same(o->state, o->output))
        return refuse("output", o->output, "that is the state");
    return !o->records_dir || access(o->records_dir, W_OK | X_OK) == 0 ||
           refuse("records-dir", o->records_dir, strerror(errno));
}

/* 2026-11-26T023000Z: what a file may be called anywhere, in the order of time. */
bool delivery_place(struct delivery *d, const struct run *run)
{
    char time[RECORD_TIME_SIZE], *to = time;
    if (!d->options->records_dir)
        return true;
    if (!record_time(run->started, false, time))
        return false;
    for (const char *at = time; *at; at++)
        if (*at != ':')
            *to++ = *at;
    *to = 0;
    if (asprintf(&d->place, "%s/%s-%s.ndjson", d->options->records_dir, time, run->id) < 0)
        d->place = NULL;
    if (!d->place || asprintf(&d->part, "%s.part", d->place) < 0)
        d->part = NULL;
    return d->part || refuse("records-dir", d->options->records_dir, "out of memory");
}

const char *delivery_path(const struct delivery *d)
{
    return d->part ? d->part : d->options->output;
}

const char *delivery_records(const struct delivery *d)
{
    const char *path = d->place && !d->part ? d->place : delivery_path(d);
    return path && strcmp(path, "-") != 0 ? path : NULL;
}

/* --- after ------------------------------------------------------------------------------------ */

/* The name has to reach the disk as well; not every file system has a way to say so. */
static void sync_folder(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    fsync(folder);
    close(folder);
}

bool delivery_shelve(struct delivery *d)
{
    if (!d->part)
        return true;
    if (rename(d->part, d->place) < 0)
        return refuse("records-dir", d->part, strerror(errno));
    sync_folder(d->options->records_dir);
    free(d->part);
    d->part = NULL;
    return true;
}

bool delivery_export(const struct delivery *d)
{
    const struct scan_options *o = d->options;
    const char *path = delivery_records(d);
    char *records = path && o->export_count ? strdup(path) : NULL;
    bool ok = true;

    for (size_t i = 0; records && i < o->export_count; i++) {
        const char *file;
        const struct exporter *format = format_of(o->exports[i], &file);
        /* That a run is not complete is told already. */
        if (export_files(format, &d->exports, &records, 1, file, stderr) > EXPORT_INCOMPLETE)
            ok = refuse("export", o->exports[i], "it was not made");
    }
    free(records);
    return ok && (records || !o->export_count);
}

void delivery_free(struct delivery *d)
{
    free(d->place);
    free(d->part);
}
