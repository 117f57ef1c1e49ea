/* SPDX-License-Identifier: MIT */
/*
 * rows.h: the options of "scan", a row each, with what --help says of them. What becomes of their
 * arguments is in options.c.
 */
#ifndef SCANNER_OPTIONS_ROWS_H
#define SCANNER_OPTIONS_ROWS_H

#include <argp.h>

enum key {
    KEY_ALL = 'a',
    KEY_CONFIG = 'c',
    KEY_FILE = 'f',
    KEY_OUTPUT = 'o',
    KEY_QUIET = 'q',
    KEY_EXCLUDE = 'x',
    KEY_SERVICES = 0x100, /* beyond the short options */
    KEY_WITHOUT,
    KEY_PRINT_CONFIG,
    KEY_PORTS,
    KEY_DRY_RUN,
    KEY_FACTS,
    KEY_EXHAUSTIVE,
    KEY_DUMMY_LOGIN,
    KEY_TRANSCRIPT,
    KEY_CA_FILE,
    KEY_CONCURRENCY,
    KEY_PER_HOST,
    KEY_PER_NET,
    KEY_RATE,
    KEY_PATIENCE,
    KEY_SEED,
    KEY_ORDERED,
    KEY_WORKERS,
    KEY_SHARD,
    KEY_MAX_DURATION,
    KEY_RESUME,
    KEY_RESOLVER,
    KEY_SOURCE,
    KEY_EHLO_NAME,
    KEY_CONNECT_TIMEOUT,
    KEY_GREETING_TIMEOUT,
    KEY_REPLY_TIMEOUT,
    KEY_TLS_TIMEOUT,
    KEY_ENDPOINT_TIMEOUT,
    KEY_JSON,
    KEY_TABLE,
    KEY_POLICY,
    KEY_WAIVERS,
    KEY_BASELINE,
    KEY_FAIL_ON,
    KEY_STATE,
    KEY_ON_CHANGE,
    KEY_ON_CHANGE_TIMEOUT,
    KEY_RECORDS_DIR,
    KEY_EXPORT,
    KEY_SCAN_NAME,
    KEY_TITLE,
    KEY_LABEL,
    KEY_PER_ENDPOINT,
    KEY_SANDBOX,
};

extern const struct argp_option scan_rows[];

/* Those of all commands that judge; from the row FAIL_ON_ROW on, of those that only count. */
extern const struct argp_option standard_rows[];

#define FAIL_ON_ROW 3

/* The one that all commands have. */
extern const struct argp_option sandbox_rows[];

#endif
