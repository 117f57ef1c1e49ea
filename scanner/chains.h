/* SPDX-License-Identifier: MIT */
/*
 * chains.h: certificates that were met before in this run. They are not read again, and a chain is
 * not verified again: reading one costs as much as a connection, verifying a chain as much as a
 * handshake.
 *
 * A certificate is known by its SHA-256, and with it what came of the chain that it was last sent
 * with. Whoever asks gets a copy of his own. What is not asked for is forgotten, so that the memory
 * is bounded whatever servers send. Of one loop; the roots may be shared with others, since nothing
 * changes them once they are read.
 */
#ifndef SCANNER_CHAINS_H
#define SCANNER_CHAINS_H

#include "scanner/certificate.h"
#include "scanner/path.h"

struct chains; /* the store */

/* trust: NULL if there is nothing to verify against; outlives it. NULL if there is no memory. */
struct chains *chains_new(const struct trust *trust);
void chains_free(struct chains *);

/* As chain_read(). */
bool chains_read(struct chains *, struct chain *, const struct span *ders, size_t count);

/* As chain_verify(), of a chain that chains_read() gave for these DERs (all of them). False also if there are no
 * roots. */
bool chains_verify(struct chains *, const struct chain *, const struct span *ders, const char *name,
                   const struct address *, time_t now, struct verification *);

/* What it had to do itself, and what it holds. */
struct chains_work {
    size_t read;   /* certificates that were read */
    size_t traced; /* chains that were verified   */
    size_t octets; /* about                       */
};

struct chains_work chains_work(const struct chains *);

#endif
