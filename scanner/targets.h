/* SPDX-License-Identifier: MIT */
/*
 * targets.h: what is to be scanned, from text to hosts.
 *
 *   arguments, files ──> targets_build() ──> hosts by number        (targets_host)
 *   standard input   ──> targets_stream   ──> hosts one by one, none that was given before
 *
 * A host is an address or a name, and the services to ask there. However often and in whatever
 * networks and ranges a host is given, it is one host, with all the services that it was given
 * with, and the labels and the source of the target that gave it first. A name and its address are
 * two hosts: nothing is resolved here.
 *
 * Addresses that no host has (unspecified, multicast, broadcast, link-local: address.h) are none: a
 * line that gives nothing else is a bad one, and networks are taken without them. What is excluded
 * is excluded in every spelling, so that a line of an exclude list with IPv4 costs 176 octets.
 *
 * Networks and ranges are never spelled out. Memory: 16 octets for a line with IPv4, 40 with IPv6,
 * and after targets_build() 20 and 48 for each stretch of addresses that lines, services and
 * exclusions tell apart; a name costs its length and some 70 octets. A million single IPv4
 * addresses are about 40 MB. What a stream remembers is said there. Each distinct list of services
 * and labels is kept once.
 *
 * Bad lines are told, as FILE:LINE: message or argument N: message, to the FILE that was given, and
 * counted. Nothing here connects, resolves, or reads what it was not asked to read. Everything that
 * is handed out lives as long as the targets (or the stream) and the choice do. After
 * targets_build() any number of threads may read, as long as none reads a stream.
 */
#ifndef SCANNER_TARGETS_H
#define SCANNER_TARGETS_H

#include <stdio.h>

#include "scanner/address.h"
#include "scanner/choice.h"

struct targets;

struct target_label {
    const char *key, *value;
};

struct target_host {
    struct address address; /* if it has no name                                   */
    const char *name;       /* lower case, A-labels, no dot at the end; or NULL    */
    const struct service *const *services;
    size_t service_count;
    const struct target_label *labels; /* by key */
    size_t label_count;
    const char *file; /* NULL: an argument                                          */
    uint64_t line;    /* or the number of the argument; from 1                      */
};

/* The choice must be made before targets are added, and stays the caller's. NULL: out of memory. */
struct targets *targets_new(struct choice *, FILE *errors);
void targets_free(struct targets *);

/* These return how many errors they told; a file that cannot be read is one. All of them come
   before the build. */
size_t targets_add_argument(struct targets *, const char *text);
size_t targets_add_file(struct targets *, const char *path);

/* A line of a target list that stands in this line of another file. */
size_t targets_add_line(struct targets *, const char *path, uint64_t line, const char *text);
size_t targets_exclude_file(struct targets *, const char *path);

/* Makes hosts of what was added; once. Not 0: errors were told (memory, more than 2^48 hosts, lines
   whose hosts were all given before, where something else is expected of them). */
size_t targets_build(struct targets *);

/* Entries of masscan's lists that are of no concern: closed, not TCP, or no port of the chosen
   services. */
uint64_t targets_ignored(const struct targets *);

/* Hosts, numbered from 0: IPv4, then IPv6, both ascending, then names as they came. */
uint64_t targets_count(const struct targets *);

/* The services of all hosts together. */
uint64_t targets_endpoints(const struct targets *);

/* False if there is no such host. Costs the logarithm of the number of targets. */
bool targets_host(const struct targets *, uint64_t index, struct target_host *);

/* Must this address be left alone, for it is excluded or no host's? Ask it for every address that a
   name resolves to. */
bool targets_excluded(const struct targets *, const struct address *);

/* Do some of them come from the list of a port scanner? Then what is not among them may still be
   meant: it was not found open. */
bool targets_are_found(const struct targets *);

/*
 * A line for each line that was added, in order (a name once):
 *
 *   192.0.2.0/24 256 hosts ftp:21,990,991 imap:143,993 owner=mail-team site=ams
 *   192.0.2.64/26 0 of 64 hosts imap:143,1143/implicit
 *
 * The target in its shortest form; how many hosts it adds, and how many it names if some of them
 * are excluded or were there before; the services it asks for, with the mode where it is not the
 * table's; its labels. The numbers of hosts add up to targets_count(). False: out of memory, or the
 * file could not be written.
 */
bool targets_describe(const struct targets *, FILE *);

/*
 * A stream of targets, in lines as they come. It gives no host that the targets above have, none
 * that they exclude, and none twice; where a host comes again with more services, it gives the host
 * with those.
 *
 * It remembers exactly what it gave, and that has a price: 12 to 24 octets a line for IPv4, 40 to
 * 80 for IPv6, its length and some 70 octets for a name; neighbours with the same services fuse, so
 * that a network that was given whole is one entry, whatever it was made of.
 */
struct targets_stream;

enum targets_step {
    TARGETS_HOST,      /* here is one                                 */
    TARGETS_NEED_MORE, /* feed it, or end it                          */
    TARGETS_END,       /* that was all                                */
    TARGETS_FAILED     /* no memory, or it cannot be read; that was told, and it is over */
};

/* The targets must be built, and stay. The label is what errors and hosts name as the file.
   NULL: out of memory. */
struct targets_stream *targets_stream_open(struct targets *, const char *label);
void targets_stream_free(struct targets_stream *);

/* Only when targets_stream_next() needs more. The bytes stay the caller's, and must stay until
   it needs more again. */
void targets_stream_feed(struct targets_stream *, struct span bytes);

/* No more will be fed. */
void targets_stream_end(struct targets_stream *);

/* Nor can they be: it fails, and half a line is none. */
void targets_stream_fail(struct targets_stream *, const char *why);

enum targets_step targets_stream_next(struct targets_stream *, struct target_host *);

/* How many bad lines there were; they are told, and passed over. */
uint64_t targets_stream_errors(const struct targets_stream *);

/* --- the other way round ---------------------------------------------------------------------- */

/* An endpoint that somebody knows from elsewhere. */
struct targets_endpoint {
    const char *name;       /* as target_host has it; NULL: its address is its name       */
    struct address address; /* at which it was seen; of a name it may be of family 0: none */
    const char *protocol;
    uint16_t port;
};

enum targets_scope {
    TARGETS_ASKED,    /* it is among them; of a name: at whatever address it has now */
    TARGETS_EXCLUDED, /* its name or its address is to be left alone                 */
    TARGETS_OUTSIDE   /* nobody gave it                                              */
};

/* Is the endpoint among the targets, or what the stream (NULL: there is none) gave so far? What is
   excluded is that, given or not. */
enum targets_scope targets_scope(const struct targets *, const struct targets_stream *,
                                 const struct targets_endpoint *);

#endif
