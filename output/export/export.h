/* SPDX-License-Identifier: MIT */
/*
 * export.h: other formats, made of records and of nothing else: no network, no clock.
 *
 *   records ──> begin ──> record, record … ──> end ──> a file
 *
 * A format is a file in this folder and a row in export.c. Records come one at a time, in the order
 * of the file; there may be several runs behind each other. A format keeps totals, never the
 * records, unless it says how many it keeps. It puts text onto its page with put() and its kin; the
 * page goes out by itself. Records are a stranger's: a member may be missing, or of another type,
 * there may be two of one name, and every text is to be escaped for the format. But every text, and
 * every name of a member, is valid UTF-8 without control characters other than tab and newline
 * (text.h), whatever stood in the file.
 *
 * Where a format goes to a file, the file is replaced only when all of it is written. Where there is
 * no record at all, nothing is begun, and nothing replaced: whoever wrote the records has failed.
 */
#ifndef OUTPUT_EXPORT_EXPORT_H
#define OUTPUT_EXPORT_EXPORT_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "output/outfile.h"
#include "output/page.h"
#include "protocols/span.h"

#define EXPORT_LABELS_MAX ((size_t)8)

/* What formats may be told; each takes what concerns it. */
struct export_options {
    const char *scan;                      /* the name of the scan; never NULL */
    const char *title;                     /* of a report; NULL: one is made up */
    const char *labels[EXPORT_LABELS_MAX]; /* of targets: those that are a column, or a label */
    size_t label_count;
    uint64_t per_endpoint; /* metrics of each endpoint, for so many at the most; 0: none */
};

struct exporting {
    const struct exporter *exporter;
    const struct export_options *options;
    struct outfile file;
    struct page page;
    const char *problem; /* why it cannot be done; NULL: the outfile's, or no memory */
    void *state;         /* the format's own */
    struct page words;   /* for texts that are put together before they are escaped */
    bool held;           /* the page does not go out by itself: the format takes it */
    bool comma;          /* of JSON: there is a member or an item in front */

    /* How far it is; the frame's. */
    FILE *errors;
    bool begun;      /* there was a record */
    bool broken;     /* a line was none    */
    bool told;       /* of what could not be read */
    size_t runs;     /* of which there was a record */
    bool open;       /* of the last one the end was not read */
    bool incomplete; /* one that was read is not complete, or has no end */
};

/* False: it cannot be gone on; the problem says why. */
struct exporter {
    const char *name, *summary;
    bool (*begin)(struct exporting *); /* the first record is there */
    bool (*record)(struct exporting *, const char *type, const cJSON *record);
    bool (*end)(struct exporting *);
    void (*free)(struct exporting *); /* also if it was never begun; may be NULL */
};

/* The formats; NULL behind the last. */
const struct exporter *export_at(size_t);
const struct exporter *export_find(const char *name);

/* Why they cannot be: a text that is not clean, a label that is given twice. NULL: they can. */
const char *export_fault(const struct export_options *);

/* The worse, the greater. */
enum export_result { EXPORT_DONE, EXPORT_INCOMPLETE, EXPORT_BROKEN, EXPORT_FAILED };

/* Reads the files ("-": standard input) and writes the format to path (NULL or "-": standard
   output). A run that is not complete, has no end, or in which nothing answered, is exported as far
   as it goes: EXPORT_INCOMPLETE. Lines that are no records are told on errors and left out:
   EXPORT_BROKEN. EXPORT_FAILED: nothing was written to a file. */
enum export_result export_files(const struct exporter *, const struct export_options *,
                                char *const *files, size_t count, const char *path, FILE *errors);

/* --- for the formats -------------------------------------------------------------------------- */

bool put(struct exporting *, const char *text);
bool put_span(struct exporting *, struct span);
bool put_format(struct exporting *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A text as JSON has it, with its quotes; also "</" and what a browser takes for the end of a line
   is escaped. NULL: null. */
bool put_json(struct exporting *, const char *text);

/* A number as JSON has it; what is none is 0. */
bool put_number(struct exporting *, double);

/* What the user should know, a line on errors, with the format's name in front. */
void export_note(const struct exporting *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A member that is a string, a number ("" and 0 if it is none), through objects alone: "endpoint/key". */
const char *export_text(const cJSON *record, const char *path);
double export_number(const cJSON *record, const char *path);
const cJSON *export_member(const cJSON *record, const char *path);

/* The formats, for the table. */
extern const struct exporter export_csv, export_csv_endpoints;
extern const struct exporter export_defectdojo;
extern const struct exporter export_ecs;
extern const struct exporter export_html;
extern const struct exporter export_junit;
extern const struct exporter export_prometheus;
extern const struct exporter export_sarif;

#endif
