/* SPDX-License-Identifier: MIT */
/*
 * servername.h: is a certificate for this server? RFC 9525 (and RFC 6125), as GnuTLS does it, but
 * each name in it is looked at once.
 */
#ifndef SCANNER_SERVERNAME_H
#define SCANNER_SERVERNAME_H

#include "scanner/address.h"

/* Of the certificate's DER. By name; without one (NULL) by address. Unknown: it cannot be read, or
   there is no name, and no address in the certificate. */
enum tri servername_match(struct span der, const char *name, const struct address *);

#endif
