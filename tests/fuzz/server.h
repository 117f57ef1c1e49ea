/* SPDX-License-Identifier: MIT */
/*
 * server.h: the other side of a TLS session, in memory, for fuzz targets: a GnuTLS server that takes
 * octets and gives octets. Its key is made once, and its flights always have the same length.
 */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "protocols/span.h"

struct server;

/* Aborts where there is no memory, as all functions here do. */
struct server *server_new(void);
void server_free(struct server *);

/* The octets of a client. */
void server_take(struct server *, struct span cipher);

/* Is the handshake done, and nothing gone wrong since? */
bool server_is_open(const struct server *);

/* What it says and does inside; nothing before the handshake is done. */
void server_say(struct server *, struct span plain);
void server_ask_again(struct server *); /* another handshake, or other keys in TLS 1.3 */
void server_warn(struct server *);
void server_say_goodbye(struct server *);

/* What it has for the client; server_sent() forgets it. */
struct span server_output(const struct server *);
void server_sent(struct server *);

#endif
