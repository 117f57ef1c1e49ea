/* SPDX-License-Identifier: MIT */
/*
 * dn.h: a distinguished name (RFC 5280 section 4.1.2.4) as text.
 */
#ifndef SCANNER_DN_H
#define SCANNER_DN_H

#include "scanner/der.h"
#include "scanner/text.h"

enum dn_result { DN_OK, DN_UNREADABLE, DN_NO_MEMORY };

/* As RFC 4514 writes it, the last attribute first, in UTF-8 whatever kind of string the name is
   made of; cut and marked lossy beyond TEXT_REPLY_MAX. */
enum dn_result dn_format(struct der name, struct text *);

/* The common name, if there is exactly one; false: there is none, or several, or it has no place
   for it, or holds a NUL. */
bool dn_common_name(struct der name, char *out, size_t size);

#endif
