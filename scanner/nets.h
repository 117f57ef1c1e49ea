/* SPDX-License-Identifier: MIT */
/*
 * nets.h: how many connections each network has, a network being a /24 or a /64, and which hosts
 * wait for one. Only networks that somebody is in are kept.
 */
#ifndef SCANNER_NETS_H
#define SCANNER_NETS_H

#include "scanner/address.h"

struct host;

/* A line of hosts, each of which stands in one line at the most. */
struct queue {
    struct host *first, *last;
};

struct net {
    struct address address; /* the lowest of it */
    unsigned users, active; /* hosts in it; their connections */
    struct queue waiting;
};

/* Begins as all zeros: a tsearch() tree. */
struct nets {
    void *tree;
};

/* The network of this address, until nets_leave(). NULL: out of memory. */
struct net *nets_enter(struct nets *, const struct address *);
void nets_leave(struct nets *, struct net *);

/* The lowest address of the network that this address is in. */
struct address net_of(const struct address *);

#endif
