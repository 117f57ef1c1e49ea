/* SPDX-License-Identifier: MIT */
/*
 * description.h: what a scan says of itself before it begins: who scans what, and how.
 *
 * The description owns all texts of its run but those of the options, which must stay.
 */
#ifndef SCANNER_COMMANDS_DESCRIPTION_H
#define SCANNER_COMMANDS_DESCRIPTION_H

#include "output/run.h"
#include "scanner/options.h"
#include "scanner/targets.h"

struct description {
    struct run run;
    char **scope;
    char scope_hash[65], source[ADDRESS_TEXT_MAX], facts[64], rate[32];
    char *chosen;
    struct run_option options[32];
};

/* A run that starts now. False: out of memory, or of chance. */
bool description_make(struct description *, const struct scan_options *, const struct targets *,
                      const struct service_set *chosen);
void description_free(struct description *);

#endif
