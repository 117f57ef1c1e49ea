/* SPDX-License-Identifier: MIT */
/*
 * services.h: the protocol table: which protocol is spoken on which port, and how TLS comes into
 * it.
 *
 * A service is a row of that table. "insecure" starts in clear and offers TLS; "implicit" is TLS
 * from the first byte; "explicit" starts in clear and is of no use until TLS was asked for (RFC
 * 8314 section 3, RFC 4217).
 */
#ifndef PROTOCOLS_SERVICES_H
#define PROTOCOLS_SERVICES_H

#include <stdint.h>

#include "protocols/span.h"

struct protocol;

enum mode { MODE_INSECURE, MODE_IMPLICIT, MODE_EXPLICIT };

struct service {
    const struct protocol *protocol;
    uint16_t port; /* host order */
    enum mode mode;
};

/* The table as shipped: ordered by protocol, then mode. */
extern const struct service services_table[];
extern const size_t services_table_count;

const char *mode_name(enum mode);
bool mode_parse(struct span text, enum mode *);

/* NULL if there is no such protocol. */
const struct protocol *protocol_find(struct span name);

/* A port number, 1 to 65535, decimal and nothing else. */
bool port_parse(struct span text, uint16_t *);

#endif
