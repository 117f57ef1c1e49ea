/* SPDX-License-Identifier: MIT */
/*
 * ledger.h: lines that go out in whole pieces, and the hash that vouches for all of them.
 */
#ifndef OUTPUT_LEDGER_H
#define OUTPUT_LEDGER_H

#include <gnutls/crypto.h>

#include "output/outfile.h"
#include "output/page.h"

struct ledger {
    gnutls_hash_hd_t hash;
    struct page page; /* lines that wait for ledger_flush() */
};

#define LEDGER_HASH_SIZE 65 /* SHA-256, hex, with its NUL */

bool ledger_init(struct ledger *);

/* Begins where another one is: what went out of that counts as gone out of this. */
bool ledger_copy(struct ledger *, const struct ledger *from);
void ledger_free(struct ledger *);

/* Adds a line that cJSON printed, without an end, and frees it; NULL: there was no memory for it.
   False: out of memory. */
bool ledger_take(struct ledger *, char *line);

/* Counts a line as one that went out. */
void ledger_note(struct ledger *, const char *line, size_t len);

/* Writes whole lines, in one piece. */
bool ledger_write(struct ledger *, struct outfile *, const struct page *);

/* The same with those that wait. */
bool ledger_flush(struct ledger *, struct outfile *);

/* The hash of what went out so far. */
const char *ledger_hash(struct ledger *, char out[LEDGER_HASH_SIZE]);

#endif
