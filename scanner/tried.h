/* SPDX-License-Identifier: MIT */
/*
 * tried.h: what was tried of services in this run, by address and port.
 *
 * Whoever counts failed logins counts one, however many names lead to the service: what a trial
 * brought is kept, and stands for the same service under another name. Bounded: of a run with very
 * many hosts only the first are kept.
 */
#ifndef SCANNER_TRIED_H
#define SCANNER_TRIED_H

#include "scanner/observation.h"

#define TRIED_HOSTS_MAX ((size_t)16384)

/* One service; the facts that only trials bring. */
struct tried_service {
    uint16_t port;
    const struct protocol *protocol;
    struct login_fact login;
    bool credentials_sent;
    enum tri required, anonymous;
    enum cause why_required, why_anonymous;
    struct injection_fact injection;
};

struct tried; /* the store */

struct tried *tried_new(void);
void tried_free(struct tried *);

/* Keeps what was tried of this host, unless the store is full or holds its address already. */
void tried_keep(struct tried *, const struct host_view *);

/* NULL: it was not tried, as far as is known. */
const struct tried_service *tried_find(const struct tried *, const struct address *,
                                       const struct service *);

/* Takes it over into an observation of the same service. */
void tried_apply(const struct tried_service *, struct observation *);

#endif
