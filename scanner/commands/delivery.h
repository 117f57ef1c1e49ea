/* SPDX-License-Identifier: MIT */
/*
 * delivery.h: where a scan's records go by themselves, and what else is made of them when it is
 * over.
 *
 *   delivery_check() ──> delivery_place() ──> [ the scan ] ──> delivery_shelve() ──> delivery_export()
 *
 * In a folder (--records-dir) each run has a file of its own, by the time it began and its id. As
 * long as it is written, or if it was never finished, its name ends in ".part"; there --resume finds
 * it. All say what is wrong themselves.
 */
#ifndef SCANNER_COMMANDS_DELIVERY_H
#define SCANNER_COMMANDS_DELIVERY_H

#include "output/export/export.h"
#include "output/run.h"
#include "scanner/options.h"

struct delivery {
    const struct scan_options *options;
    struct export_options exports;
    char *place, *part; /* in the folder; NULL: there is none */
};

/* Can all of this come about? Looked at before the scan, so that no night is lost for a letter. */
bool delivery_check(struct delivery *, const struct scan_options *);

/* Where the records are to be written, now that it is known which run it is. False: no memory. */
bool delivery_place(struct delivery *, const struct run *);

/* That place; NULL: standard output, or nowhere. */
const char *delivery_path(const struct delivery *);

/* The file that they are in; NULL: they are in none. */
const char *delivery_records(const struct delivery *);

/* The records are whole up to their run_end, and closed: they get their name. */
bool delivery_shelve(struct delivery *);

/* All formats are tried, whatever becomes of the others. */
bool delivery_export(const struct delivery *);
void delivery_free(struct delivery *);

#endif
