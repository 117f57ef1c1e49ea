/* SPDX-License-Identifier: MIT */
/*
 * target.h: one line of a target list, as text and as what it means.
 *
 *   line     = [ hosts [ ":" service ] *( white key "=" value ) ] [ comment ]
 *            / "open" "tcp" port address [ time ]                            masscan -oL
 *   hosts    = address / address "/" prefix / address "-" address / IPv4 "-" octet / name
 *   service  = port [ "/" protocol [ "/" mode ] ]       a port alone: as it is chosen
 *   comment  = "#" anything, at the beginning or after white space
 *
 * IPv6 stands in brackets when a port follows: [2001:db8::1]:143/imap, [2001:db8::/64]:143,
 * [2001:db8::]/64:143. The value of the label "expect" is read too (expectation.h): a line that
 * expects what cannot be is a bad one. Nothing is kept here: labels are spans of the line.
 */
#ifndef SCANNER_TARGETS_TARGET_H
#define SCANNER_TARGETS_TARGET_H

#include <netinet/in.h>
#include <stdio.h>

#include "scanner/address.h"
#include "scanner/choice.h"

#define TARGET_NAME_MAX ((size_t)253)
#define TARGET_LABELS_MAX ((size_t)32)
#define TARGET_KEY_MAX ((size_t)63)
#define TARGET_VALUE_MAX ((size_t)255)
#define TARGET_HOSTS_MAX ((uint64_t)1 << 48)

struct target {
    int family;                     /* AF_UNSPEC: a name                           */
    struct wide first, last;        /* the addresses                               */
    char name[TARGET_NAME_MAX + 1]; /* lower case, A-labels, no dot at the end */
    const struct service_set *services;
    bool found; /* by a port scanner, open */
    size_t label_count;
    struct {
        struct span key, value;
    } labels[TARGET_LABELS_MAX]; /* by key */
};

/* What is wrong with a line, for people. */
struct complaint {
    char text[240];
};

enum target_kind {
    TARGET_HOSTS,
    TARGET_NOTHING, /* an empty line, a comment                                     */
    TARGET_IGNORED, /* masscan: not an open TCP port of ours                        */
    TARGET_BAD      /* the complaint says why                                       */
};

/* Targets without a port have the services that are chosen. */
enum target_kind target_parse(struct span line, struct choice *, struct target *,
                              struct complaint *);

/* A line of an exclude list: hosts and nothing else. Services and labels are left alone. */
enum target_kind target_parse_exclusion(struct span line, struct target *, struct complaint *);

/* The hosts as target_parse() reads them: address, network, range or name. */
#define TARGET_TEXT_MAX (TARGET_NAME_MAX + 1)
const char *target_format(int family, struct wide first, struct wide last,
                          char out[TARGET_TEXT_MAX]);

#endif
