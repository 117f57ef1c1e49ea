/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/resolver.h"

#include <ares.h>
#include <netdb.h>
#include <stdlib.h>

#include "protocols/services.h"

#define LABEL_MAX ((size_t)63)

struct lookup {
    struct lookup *next;
    struct resolver *resolver;
    resolution_fn callback;
    void *context;
    unsigned waiting; /* questions without an answer */
    struct resolution resolution;
    char name[];
};

struct queue {
    struct lookup *first, **end;
};

/* A socket of c-ares, as libuv sees it. */
struct watch {
    uv_poll_t poll;
    struct resolver *resolver;
    ares_socket_t socket;
    int events;
    struct watch *next;
};

struct resolver {
    ares_channel dns;
    ares_channel hosts; /* /etc/hosts, which it reads at once; NULL: it does not count */
    uv_timer_t timer;   /* the next turn: at once, or when c-ares wants to look at its timeouts */
    struct watch *watches;
    unsigned open_handles;       /* the timer and the watches, also those being closed */
    unsigned active, active_max; /* lookups whose questions are on their way           */
    struct queue queued, finished;
    bool closing;
    void (*on_closed)(void *context);
    void *context;
};

const char *resolved_name(enum resolved how)
{
    static const char *const names[] = {
        [RESOLVED_FOUND] = "found",          [RESOLVED_NO_ADDRESS] = "no_address",
        [RESOLVED_NO_NAME] = "no_such_name", [RESOLVED_BAD_NAME] = "bad_name",
        [RESOLVED_TIMEOUT] = "timeout",      [RESOLVED_FAILURE] = "server_failure",
        [RESOLVED_GARBLED] = "bad_answer",   [RESOLVED_LOCAL] = "local",
        [RESOLVED_CANCELLED] = "cancelled",  [RESOLVED_UNUSABLE] = "no_usable_address",
    };
    return names[how];
}

/* --- queues ----------------------------------------------------------------------------------- */

static void queue_init(struct queue *queue)
{
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_push(struct queue *queue, struct lookup *lookup)
{
    lookup->next = NULL;
    *queue->end = lookup;
    queue->end = &lookup->next;
}

static struct lookup *queue_pop(struct queue *queue)
{
    struct lookup *lookup = queue->first;
    if (lookup) {
        queue->first = lookup->next;
        if (!queue->first)
            queue->end = &queue->first;
    }
    return lookup;
}

/* --- names and addresses ---------------------------------------------------------------------- */

static bool is_name_octet(char c)
{
    char upper = ascii_upper(c);
    return (upper >= 'A' && upper <= 'Z') || ascii_digit(c) || c == '-' || c == '_';
}

/* Letters, digits, hyphens and underscores in labels of 1 to 63 octets (RFC 1035 section 2.3), the
   last of which is not a number: that would be an address, or somebody's slip in one (RFC 1123
   section 2.1). Without the final dot. */
static bool is_name(struct span name)
{
    if (name.len > RESOLVER_NAME_MAX)
        return false;
    size_t label = 0, digits = 0;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        if (c == '.' ? label == 0 : !is_name_octet(c))
            return false;
        label = c == '.' ? 0 : label + 1;
        digits = c == '.' ? 0 : digits + ascii_digit(c);
        if (label > LABEL_MAX)
            return false;
    }
    return digits < label;
}

bool resolver_server_parse(struct span text, struct address *address, uint16_t *port)
{
    *port = RESOLVER_PORT;
    if (address_parse(text, address))
        return true;
    size_t colon = text.len;
    while (colon && text.at[colon - 1] != ':')
        colon--;
    if (!colon || !port_parse(span_from(text, colon), port))
        return false;
    struct span host = span_until(text, colon - 1);
    bool bracketed = host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';
    if (bracketed)
        host = span_until(span_from(host, 1), host.len - 2);
    return bracketed == (memchr(host.at, ':', host.len) != NULL) && address_parse(host, address);
}

/* --- answers ---------------------------------------------------------------------------------- */

static enum resolved resolved_of_status(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return RESOLVED_FOUND;
    case ARES_ENODATA:
        return RESOLVED_NO_ADDRESS;
    case ARES_ENOTFOUND:
        return RESOLVED_NO_NAME;
    case ARES_EBADNAME:
        return RESOLVED_BAD_NAME;
    case ARES_ETIMEOUT:
        return RESOLVED_TIMEOUT;
    case ARES_ECONNREFUSED: /* also where the servers said SERVFAIL or REFUSED */
    case ARES_ESERVFAIL:
    case ARES_EREFUSED:
    case ARES_ENOTIMP:
    case ARES_EFORMERR:
        return RESOLVED_FAILURE;
    case ARES_EBADRESP:
        return RESOLVED_GARBLED;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return RESOLVED_CANCELLED;
    default:
        return RESOLVED_LOCAL;
    }
}

static void lookup_finish(struct lookup *lookup)
{
    lookup->resolver->active--;
    queue_push(&lookup->resolver->finished, lookup);
}

static int compare_addresses(const void *a, const void *b)
{
    return address_compare(a, b);
}

/* Sorts them, and leaves each once; returns how many are left. */
static size_t sort_addresses(struct address *list, size_t count)
{
    size_t kept = 0;
    if (count)
        qsort(list, count, sizeof *list, compare_addresses);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || address_compare(&list[kept - 1], &list[i]) != 0)
            list[kept++] = list[i];
    return kept;
}

/* The addresses of one family, each once, in a new list. An answer has at most 65,535 octets, and
   an address in it 16 and more. NULL: out of memory. */
static struct address *addresses_of(const struct ares_addrinfo *info, int family, size_t *count)
{
    size_t n = 0;
    for (struct ares_addrinfo_node *node = info ? info->nodes : NULL; node; node = node->ai_next)
        n++;
    struct address *list = calloc(n + 1, sizeof *list);
    *count = 0;
    for (struct ares_addrinfo_node *node = info ? info->nodes : NULL; list && node;
         node = node->ai_next)
        if (node->ai_family == family && address_from_sockaddr(node->ai_addr, &list[*count]))
            ++*count;
    *count = list ? sort_addresses(list, *count) : 0;
    return list;
}

/* Adds those addresses of a family that are not too many. False: out of memory. */
static bool resolution_add(struct resolution *r, int family, const struct address *list,
                           size_t count)
{
    size_t kept = count < RESOLVER_ADDRESSES_MAX ? count : RESOLVER_ADDRESSES_MAX;
    struct address *all = realloc(r->addresses, (r->count + kept + 1) * sizeof *all);
    if (!all)
        return false;
    memcpy(all + r->count, list, kept * sizeof *all);
    r->addresses = all;
    r->count = sort_addresses(all, r->count + kept);
    if (count > kept)
        r->cut[family == AF_INET6] = (struct resolution_cut){count - kept, list[kept]};
    return true;
}

/* Takes the addresses of one family: how did its question end? */
static enum resolved lookup_take(struct lookup *lookup, int family,
                                 const struct ares_addrinfo *info)
{
    size_t count;
    struct address *list = addresses_of(info, family, &count);
    bool taken = list && resolution_add(&lookup->resolution, family, list, count);
    free(list);
    if (!taken)
        return RESOLVED_LOCAL;
    return count ? RESOLVED_FOUND : RESOLVED_NO_ADDRESS;
}

/* Takes the answer for one family. May run inside ares_getaddrinfo(), and never calls back itself:
   the callback may close the resolver, and c-ares must not be destroyed under its own feet. */
static enum resolved lookup_answer(struct lookup *lookup, int family, int status,
                                   struct ares_addrinfo *info)
{
    enum resolved how =
        status == ARES_SUCCESS ? lookup_take(lookup, family, info) : resolved_of_status(status);
    ares_freeaddrinfo(info);
    if (--lookup->waiting == 0)
        lookup_finish(lookup);
    return how;
}

static void on_ipv4(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct lookup *lookup = arg;
    lookup->resolution.ipv4 = lookup_answer(lookup, AF_INET, status, info);
}

static void on_ipv6(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct lookup *lookup = arg;
    lookup->resolution.ipv6 = lookup_answer(lookup, AF_INET6, status, info);
}

/* A name with an address of either family in /etc/hosts is settled, as it is for other programs. */
static void on_hosts(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)status, (void)timeouts;
    struct lookup *lookup = arg;
    struct resolution *resolution = &lookup->resolution;
    resolution->ipv4 = lookup_take(lookup, AF_INET, info);
    resolution->ipv6 = lookup_take(lookup, AF_INET6, info);
    ares_freeaddrinfo(info);
}

static void lookup_start(struct lookup *lookup)
{
    struct resolver *resolver = lookup->resolver;
    struct ares_addrinfo_hints any = {.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC};
    struct ares_addrinfo_hints ipv4 = {.ai_flags = ARES_AI_NOSORT, .ai_family = AF_INET};
    struct ares_addrinfo_hints ipv6 = {.ai_flags = ARES_AI_NOSORT, .ai_family = AF_INET6};
    resolver->active++;
    if (resolver->hosts)
        ares_getaddrinfo(resolver->hosts, lookup->name, NULL, &any, on_hosts, lookup);
    if (lookup->resolution.count) {
        lookup_finish(lookup);
        return;
    }
    lookup->waiting = 2;
    ares_getaddrinfo(resolver->dns, lookup->name, NULL, &ipv4, on_ipv4, lookup);
    ares_getaddrinfo(resolver->dns, lookup->name, NULL, &ipv6, on_ipv6, lookup);
}

/* --- turns ------------------------------------------------------------------------------------ */

static void on_timer(uv_timer_t *);

static void resolver_arm(struct resolver *resolver)
{
    bool work = resolver->finished.first ||
                (resolver->queued.first && resolver->active < resolver->active_max);
    struct timeval buffer;
    struct timeval *next;
    if (work || resolver->closing)
        uv_timer_start(&resolver->timer, on_timer, 0, 0);
    else if ((next = ares_timeout(resolver->dns, NULL, &buffer)))
        uv_timer_start(&resolver->timer, on_timer,
                       (uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1, 0);
    else
        uv_timer_stop(&resolver->timer);
}

/* Hands out what has finished, outside of c-ares. */
static void resolver_deliver(struct resolver *resolver)
{
    for (struct lookup *lookup; (lookup = queue_pop(&resolver->finished));) {
        lookup->callback(lookup->context, &lookup->resolution);
        free(lookup->resolution.addresses);
        free(lookup);
    }
}

/* A turn starts no more lookups than may be active, however fast /etc/hosts answers them: the rest
   of the loop wants its turn too. */
static void resolver_turn(struct resolver *resolver)
{
    struct lookup *lookup;
    for (unsigned i = resolver->active; i < resolver->active_max; i++) {
        if (!(lookup = queue_pop(&resolver->queued)))
            break;
        lookup_start(lookup);
    }
    resolver_deliver(resolver);
    resolver_arm(resolver);
}

static void on_handle_closed(struct resolver *resolver)
{
    if (--resolver->open_handles)
        return;
    void (*on_closed)(void *context) = resolver->on_closed;
    void *context = resolver->context;
    free(resolver);
    if (on_closed)
        on_closed(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_closed(handle->data);
}

static void on_timer(uv_timer_t *timer)
{
    struct resolver *resolver = timer->data;
    if (resolver->closing) {
        resolver_deliver(resolver);
        uv_close((uv_handle_t *)timer, on_timer_closed);
        return;
    }
    ares_process_fd(resolver->dns, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    resolver_turn(resolver);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    /* The watch may be gone when c-ares is done with the socket. */
    struct watch *watch = poll->data;
    struct resolver *resolver = watch->resolver;
    ares_socket_t socket = watch->socket;
    bool readable = status < 0 || events & UV_READABLE;
    bool writable = status < 0 || events & UV_WRITABLE;
    if (status < 0) /* libuv has stopped it, and c-ares may keep the socket */
        uv_poll_start(poll, watch->events, on_poll);
    ares_process_fd(resolver->dns, readable ? socket : ARES_SOCKET_BAD,
                    writable ? socket : ARES_SOCKET_BAD);
    resolver_turn(resolver);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct resolver *resolver = watch->resolver;
    free(watch);
    on_handle_closed(resolver);
}

/* NULL: no memory; then the question ends by its timeout. */
static struct watch *watch_new(struct resolver *resolver, ares_socket_t socket)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch || uv_poll_init_socket(resolver->timer.loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->resolver = resolver;
    watch->socket = socket;
    watch->next = resolver->watches;
    resolver->watches = watch;
    resolver->open_handles++;
    return watch;
}

/* c-ares opens a socket, wants something else of it, or (neither readable nor writable) is about to
   close it. */
static void on_socket(void *data, ares_socket_t socket, int readable, int writable)
{
    struct resolver *resolver = data;
    struct watch **at = &resolver->watches;
    while (*at && (*at)->socket != socket)
        at = &(*at)->next;
    struct watch *watch = *at;
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (events && !watch)
        watch = watch_new(resolver, socket);
    if (!watch)
        return;
    if (events) {
        watch->events = events;
        uv_poll_start(&watch->poll, events, on_poll);
    } else {
        *at = watch->next;
        uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
    }
}

/* --- the resolver ----------------------------------------------------------------------------- */

static bool channel_use_server(ares_channel channel, const char *text)
{
    struct address address;
    uint16_t port;
    if (!resolver_server_parse(span_of(text), &address, &port))
        return false;
    struct ares_addr_port_node server = {
        .family = address.family, .udp_port = port, .tcp_port = port};
    memcpy(&server.addr, address.bytes, address.family == AF_INET ? 4 : 16);
    return ares_set_servers_ports(channel, &server) == ARES_SUCCESS;
}

/* Opens a channel that looks in one place: "b" is DNS, "f" /etc/hosts. NULL: it cannot. On Unix
   c-ares needs no ares_library_init(). ares_getaddrinfo() of c-ares 1.18 searches in spite of
   ARES_FLAG_NOSEARCH: with no domains, neither resolv.conf nor LOCALDOMAIN has any for it. */
static ares_channel channel_open(struct resolver *resolver, const struct resolver_options *options,
                                 const char *place)
{
    char lookups[] = {place[0], '\0'};
    struct ares_options ares = {
        .flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = options->timeout_ms ? options->timeout_ms : 2000,
        .tries = options->tries ? options->tries : 3,
        .domains = NULL,
        .ndomains = 0,
        .lookups = lookups,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = resolver,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB;
    ares_channel channel;
    if (ares_init_options(&channel, &ares, mask) != ARES_SUCCESS)
        return NULL;
    if (!options->server || channel_use_server(channel, options->server))
        return channel;
    ares_destroy(channel);
    return NULL;
}

/* Ends every question with ARES_EDESTRUCTION. */
static void channels_destroy(struct resolver *resolver)
{
    ares_destroy(resolver->dns);
    ares_destroy(resolver->hosts);
}

struct resolver *resolver_new(uv_loop_t *loop, const struct resolver_options *options)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver)
        return NULL;
    resolver->dns = channel_open(resolver, options, "b");
    resolver->hosts = options->server ? NULL : channel_open(resolver, options, "f");
    if (!resolver->dns || (!options->server && !resolver->hosts)) {
        channels_destroy(resolver);
        free(resolver);
        return NULL;
    }
    queue_init(&resolver->queued);
    queue_init(&resolver->finished);
    resolver->active_max = ((options->queries ? options->queries : 64) + 1) / 2;
    uv_timer_init(loop, &resolver->timer);
    resolver->timer.data = resolver;
    resolver->open_handles = 1;
    return resolver;
}

bool resolver_lookup(struct resolver *resolver, const char *name, resolution_fn callback,
                     void *context)
{
    struct span text = span_of(name);
    if (text.len && name[text.len - 1] == '.')
        text.len--;
    bool fine = is_name(text);
    size_t size = sizeof(struct lookup) + (fine ? text.len + 1 : 0);
    struct lookup *lookup = resolver->closing ? NULL : calloc(1, size);
    if (!lookup)
        return false;
    lookup->resolver = resolver;
    lookup->callback = callback;
    lookup->context = context;
    if (fine) {
        memcpy(lookup->name, text.at, text.len);
        queue_push(&resolver->queued, lookup);
    } else {
        lookup->resolution.ipv4 = lookup->resolution.ipv6 = RESOLVED_BAD_NAME;
        queue_push(&resolver->finished, lookup);
    }
    resolver_arm(resolver);
    return true;
}

void resolver_close(struct resolver *resolver, void (*on_closed)(void *context), void *context)
{
    resolver->closing = true;
    resolver->on_closed = on_closed;
    resolver->context = context;
    channels_destroy(resolver);
    for (struct lookup *lookup; (lookup = queue_pop(&resolver->queued));) {
        lookup->resolution.ipv4 = lookup->resolution.ipv6 = RESOLVED_CANCELLED;
        queue_push(&resolver->finished, lookup);
    }
    resolver_arm(resolver);
}
