/* SPDX-License-Identifier: MIT */
/* What the two halves of the minimal client share: minimal.c talks to the serving side over bare
 * epoll, handshake.c makes handshakes in memory. */
#ifndef MINIMAL_H
#define MINIMAL_H

#include <stdbool.h>

/* `count` handshakes of a client with default priorities, against a server in the same process
 * with the key and chain of the PEM file, and what the client's side of one took, in microseconds
 * of CPU time: from the making of a session to its end. priority is the client's; resumed: each
 * resumes the session of one before that is not counted. Ends the program if there is an error. */
double handshake_cost(const char *file, const char *priority, bool resumed, unsigned count);

#endif
