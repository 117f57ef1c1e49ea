/* SPDX-License-Identifier: MIT */
#include "scanner/nets.h"

#include <search.h>
#include <stdlib.h>

struct address net_of(const struct address *address)
{
    struct address net = *address;
    if (net.family == AF_INET)
        net.bytes[3] = 0;
    else
        memset(net.bytes + 8, 0, 8);
    return net;
}

static int compare_nets(const void *a, const void *b)
{
    return address_compare(&((const struct net *)a)->address, &((const struct net *)b)->address);
}

struct net *nets_enter(struct nets *nets, const struct address *address)
{
    struct net key = {.address = net_of(address)};
    struct net **found = tfind(&key, &nets->tree, compare_nets);
    if (found) {
        (*found)->users++;
        return *found;
    }
    struct net *net = malloc(sizeof *net);
    if (!net)
        return NULL;
    *net = (struct net){.address = key.address, .users = 1};
    if (tsearch(net, &nets->tree, compare_nets))
        return net;
    free(net);
    return NULL;
}

void nets_leave(struct nets *nets, struct net *net)
{
    if (--net->users > 0)
        return;
    tdelete(net, &nets->tree, compare_nets);
    free(net);
}
