/* SPDX-License-Identifier: MIT */
/*
 * config.h: the configuration of a scan, from its file into the options, and from the options onto
 * standard output.
 */
#ifndef SCANNER_COMMANDS_CONFIG_H
#define SCANNER_COMMANDS_CONFIG_H

#include "scanner/options.h"

/* Takes what the file of --config says, for options_parse(). False: all that is wrong was told. */
bool configure(struct scan_options *);

/* Prints the options as a configuration. Gives the exit code. */
int print_configuration(const struct scan_options *);

#endif
