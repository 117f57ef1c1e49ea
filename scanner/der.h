/* SPDX-License-Identifier: MIT */
/*
 * der.h: the elements of DER (X.690) in somebody else's octets: each is looked at once, in place,
 * and nothing is computed.
 */
#ifndef SCANNER_DER_H
#define SCANNER_DER_H

#include <stdint.h>

#include "protocols/span.h"

enum der_tag {
    DER_INTEGER = 0x02,
    DER_BITS = 0x03,
    DER_OCTETS = 0x04,
    DER_OID = 0x06,
    DER_UTF8 = 0x0c,
    DER_NUMERIC = 0x12,
    DER_PRINTABLE = 0x13,
    DER_T61 = 0x14,
    DER_IA5 = 0x16,
    DER_UTC_TIME = 0x17,
    DER_TIME = 0x18,
    DER_VISIBLE = 0x1a,
    DER_UNIVERSAL = 0x1c,
    DER_BMP = 0x1e,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31
};

struct der {
    unsigned tag;
    struct span whole, body;
};

/* Takes the next element off the front. False, and nothing is taken: there is none, or it is not
   whole, of an indefinite length, or has a tag of more than one octet. */
bool der_next(struct span *in, struct der *);

/* The same if its tag is this one. */
bool der_take(struct span *in, unsigned tag, struct der *);

/* How many bits the number has; false: it is negative, or no number. */
bool der_bits(struct der, unsigned *bits);

/* Is it this object identifier, written as its octets? */
bool der_is(struct der, const char *octets, size_t len);
#define DER_IS(der, octets) der_is(der, octets, sizeof(octets) - 1)

/* "1.2.840.113549.1.1.1"; false: it is none, or has no place. */
bool der_oid_text(struct der, char *out, size_t size);

/* Unix time of a date as RFC 5280 section 4.1.2.5 wants it: with seconds, and of Greenwich. False:
   it is none. */
bool der_time(struct der, int64_t *seconds);

#endif
