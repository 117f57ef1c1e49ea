/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/dealer.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "scanner/input.h"
#include "scanner/order.h"
#include "scanner/resolver.h"

#define LOOKUPS_MAX 256 /* names that are being resolved, or have been and wait */

struct dealt {
    uint64_t number;
    unsigned left;               /* assignments that are not done, and one while more may come */
    struct omissions *omissions; /* NULL: there are none */
    struct dealt *next, *previous;
};

/* A name on its way to its addresses, and then those of them that were not handed out yet. */
struct lookup {
    bool lost; /* not all of it could be dealt out: it stays pending */
    struct dealer *dealer;
    struct lookup *next;
    struct target_host target;
    struct dealt *dealt;
    size_t count, given;
    enum resolved word; /* of a name without an address */
    struct address *addresses;
};

struct dealer {
    struct dealer_options options;
    struct dealer_events events;
    const struct targets *targets;
    struct targets_stream *stream;
    struct input *input;
    struct resolver *resolver;
    struct order order;
    bool stream_open, input_wanted, closing;
    bool exhausted;    /* there was no memory for the next target: no more are dealt out */
    uint64_t streamed; /* targets that the stream gave, ours or not */
    size_t again;      /* how many of options.again are dealt out    */
    unsigned lookups;
    struct lookup *ready, *ready_last;

    pthread_mutex_t lock; /* for what follows */
    uint64_t next;
    struct dealt *first, *last; /* pending, ascending */
};

/* --- numbers ---------------------------------------------------------------------------------- */

uint64_t shard_size(uint64_t targets, unsigned shard, unsigned shards)
{
    return shards == 0 ? targets : targets / shards + (targets % shards > shard);
}

/* How many targets this shard has; of a stream those that have come. */
static uint64_t total(const struct dealer *s)
{
    return s->order.count + shard_size(s->streamed, s->options.shard, s->options.shards);
}

/* The number of the target among all targets, by its number in this shard. */
static uint64_t index_of(const struct dealer *s, uint64_t number)
{
    uint64_t at = order_at(&s->order, number);
    return s->options.shards ? at * s->options.shards + s->options.shard : at;
}

static struct dealt *deal(struct dealer *s, uint64_t number)
{
    struct dealt *d = malloc(sizeof *d);
    if (!d)
        return NULL;
    *d = (struct dealt){.number = number, .left = 1};
    pthread_mutex_lock(&s->lock);
    if (number >= s->next)
        s->next = number + 1;
    else
        s->again++; /* only what was pending comes from below */
    d->previous = s->last;
    if (s->last)
        s->last->next = d;
    else
        s->first = d;
    s->last = d;
    pthread_mutex_unlock(&s->lock);
    return d;
}

static void dealt_free(struct dealt *d)
{
    free(d->omissions);
    free(d);
}

static void add_assignment(struct dealer *s, struct dealt *d)
{
    pthread_mutex_lock(&s->lock);
    d->left++;
    pthread_mutex_unlock(&s->lock);
}

bool dealer_done(struct dealer *s, struct dealt *d)
{
    pthread_mutex_lock(&s->lock);
    bool over = --d->left == 0;
    if (over) {
        *(d->previous ? &d->previous->next : &s->first) = d->next;
        *(d->next ? &d->next->previous : &s->last) = d->previous;
    }
    pthread_mutex_unlock(&s->lock);
    if (over)
        dealt_free(d);
    return over;
}

bool dealer_state(struct dealer *s, struct dealer_state *state)
{
    *state = (struct dealer_state){0};
    pthread_mutex_lock(&s->lock);
    state->cursor = s->next;
    for (struct dealt *d = s->first; d; d = d->next)
        state->count++;
    size_t rest = s->options.again_count - s->again, n = 0;
    state->pending = calloc(state->count + rest + 1, sizeof *state->pending);
    for (struct dealt *d = s->first; d && state->pending; d = d->next)
        state->pending[n++] = d->number;
    for (size_t i = 0; i < rest && state->pending; i++) /* were pending before, and still are */
        state->pending[n++] = s->options.again[s->again + i];
    state->count += rest;
    pthread_mutex_unlock(&s->lock);
    return state->pending != NULL;
}

/* --- names ------------------------------------------------------------------------------------ */

static void say(struct dealer *s, const char *name, const char *what, const char *word)
{
    char line[512];
    snprintf(line, sizeof line, "%s: %s: %s", name, what, word);
    s->events.on_message(s->events.context, line);
}

static void tell_loss(struct dealer *s, const char *name, const char *what, const char *word)
{
    char line[512];
    snprintf(line, sizeof line, "%s: %s: %s", name, what, word);
    s->events.on_loss(s->events.context, line);
}

static bool is_done(const struct dealer *s, const struct target_host *target,
                    const struct address *address)
{
    return s->options.is_done && s->options.is_done(s->events.context, target, address);
}

/* What is not resolved when all ends stays pending. */
static void lookup_free(struct lookup *l)
{
    if (!l->dealer->closing && !l->lost)
        dealer_done(l->dealer, l->dealt);
    l->dealer->lookups--;
    free(l->addresses);
    free(l);
}

/* Its addresses wait to be handed out. */
static void make_ready(struct lookup *l)
{
    struct dealer *s = l->dealer;
    if (!l->count && l->word == RESOLVED_LOCAL) {
        tell_loss(s, l->target.name, "no address", resolved_name(l->word));
        l->lost = true;
    }
    *(s->ready_last ? &s->ready_last->next : &s->ready) = l;
    s->ready_last = l;
    s->events.on_ready(s->events.context);
}

/* There is nothing to be handed out. */
static void drop(struct lookup *l)
{
    struct dealer *s = l->dealer;
    lookup_free(l);
    s->events.on_ready(s->events.context);
}

/* A lost answer is worth more of a word than a plain "has none". */
static enum resolved worse(const struct resolution *r)
{
    bool plain = r->ipv4 == RESOLVED_NO_ADDRESS || r->ipv4 == RESOLVED_NO_NAME;
    return plain ? r->ipv6 : r->ipv4;
}

static void omit(struct omissions *all, const struct address *a, const char *reason)
{
    size_t i = 0;
    while (i < all->count && (all->list[i].family != a->family || all->list[i].reason != reason))
        i++;
    if (i == OMISSIONS_MAX)
        return;
    if (i == all->count)
        all->list[all->count++] = (struct omission){a->family, reason, 0, *a};
    all->list[i].count++;
}

/* A lost answer is no answer: there may be addresses of the family. */
static void omit_unknown(struct omissions *all, int family, enum resolved how)
{
    if (how > RESOLVED_NO_NAME)
        all->list[all->count++] = (struct omission){.family = family, .reason = resolved_name(how)};
}

static const char reason_excluded[] = "excluded", reason_limit[] = "limit";

/* Puts aside what of them may be asked, and was not before; returns how many may. */
static size_t keep_addresses(struct lookup *l, const struct resolution *r,
                             struct omissions *omissions)
{
    size_t usable = 0;
    for (size_t i = 0; i < r->count; i++) {
        const struct address *a = &r->addresses[i];
        const struct hostless *hostless = address_without_host(a);
        if (hostless || targets_excluded(l->dealer->targets, a)) {
            omit(omissions, a, hostless ? hostless->word : reason_excluded);
            continue;
        }
        usable++;
        if (!is_done(l->dealer, &l->target, a))
            l->addresses[l->count++] = *a;
    }
    for (int i = 0; i < 2; i++)
        if (r->cut[i].count) {
            omit(omissions, &r->cut[i].first, reason_limit);
            omissions->list[omissions->count - 1].count = r->cut[i].count;
        }
    return usable;
}

/* Says what is left out, but for what people excluded themselves. */
static void say_omission(struct dealer *s, const char *name, const struct omission *o)
{
    char text[ADDRESS_TEXT_MAX], what[128];
    const char *family = o->family == AF_INET ? "IPv4" : "IPv6";
    if (o->reason == reason_excluded)
        return;
    if (!o->count)
        snprintf(what, sizeof what, "%s addresses not known", family);
    else if (o->count == 1)
        snprintf(what, sizeof what, "%s address %s left out", family,
                 address_format(&o->first, text));
    else
        snprintf(what, sizeof what, "%" PRIu64 " %s addresses from %s on left out", o->count,
                 family, address_format(&o->first, text));
    say(s, name, what, o->reason);
}

/* They go out with all its assignments. Of a name without any address one word is said. */
static void keep_omissions(struct lookup *l, const struct omissions *omissions, bool any)
{
    for (size_t i = 0; any && i < omissions->count; i++)
        say_omission(l->dealer, l->target.name, &omissions->list[i]);
    if (!omissions->count)
        return;
    l->dealt->omissions = malloc(sizeof *omissions);
    if (l->dealt->omissions) {
        *l->dealt->omissions = *omissions;
        return;
    }
    tell_loss(l->dealer, l->target.name, "left out", "no memory");
    l->lost = true;
}

/* The name has no address that may be asked: this word says why. */
static void hand_out_word(struct lookup *l, enum resolved word)
{
    if (is_done(l->dealer, &l->target, &(struct address){0})) {
        drop(l);
        return;
    }
    l->word = word;
    if (word != RESOLVED_LOCAL)
        say(l->dealer, l->target.name, "no address", resolved_name(word));
    make_ready(l);
}

static bool is_all_excluded(const struct omissions *omissions)
{
    bool all = true;
    for (size_t i = 0; i < omissions->count; i++)
        all = all && (!omissions->list[i].count || omissions->list[i].reason == reason_excluded);
    return all;
}

static void on_resolved(void *context, const struct resolution *r)
{
    struct lookup *l = context;
    struct dealer *s = l->dealer;
    struct omissions omissions = {0};

    if (s->closing) {
        lookup_free(l);
        return;
    }
    if (!(l->addresses = calloc(r->count + 1, sizeof *l->addresses))) {
        tell_loss(s, l->target.name, "left out", "no memory");
        l->lost = true;
        drop(l);
        return;
    }
    size_t usable = keep_addresses(l, r, &omissions);
    omit_unknown(&omissions, AF_INET, r->ipv4);
    omit_unknown(&omissions, AF_INET6, r->ipv6);
    keep_omissions(l, &omissions, r->count > 0);
    if (l->count) {
        make_ready(l);
    } else if (!r->count) {
        hand_out_word(l, worse(r));
    } else if (!usable && !is_all_excluded(&omissions)) {
        hand_out_word(l, RESOLVED_UNUSABLE);
    } else {
        if (!usable)
            say(s, l->target.name, "left out", "all its addresses are excluded");
        drop(l);
    }
}

static void look_up(struct dealer *s, const struct target_host *target, struct dealt *d)
{
    struct lookup *l = malloc(sizeof *l);
    if (!l) {
        tell_loss(s, target->name, "left out", "no memory"); /* and it stays pending */
        return;
    }
    *l = (struct lookup){.dealer = s, .target = *target, .dealt = d, .word = RESOLVED_LOCAL};
    s->lookups++;
    if (!resolver_lookup(s->resolver, target->name, on_resolved, l))
        make_ready(l);
}

/* The next address of a name, or the one word that it has none. */
static void hand_out(struct dealer *s, struct assignment *a)
{
    struct lookup *l = s->ready;
    *a = (struct assignment){
        .target = l->target, .omissions = l->dealt->omissions, .dealt = l->dealt};
    if (l->count)
        a->address = l->addresses[l->given++];
    else
        a->word = resolved_name(l->word);
    add_assignment(s, l->dealt);
    if (l->given < l->count)
        return;
    s->ready = l->next;
    if (!s->ready)
        s->ready_last = NULL;
    lookup_free(l);
}

/* --- what comes next -------------------------------------------------------------------------- */

static void on_input(void *context, struct span bytes, int error)
{
    struct dealer *s = context;
    s->input_wanted = false;
    if (error)
        targets_stream_fail(s->stream, uv_strerror(error));
    else if (bytes.len)
        targets_stream_feed(s->stream, bytes);
    else
        targets_stream_end(s->stream);
    s->events.on_ready(s->events.context);
}

/* Is this number to be dealt out in a run that is continued? */
static bool is_wanted(const struct dealer *s, uint64_t number)
{
    const struct dealer_options *o = &s->options;
    return number >= o->from || (s->again < o->again_count && o->again[s->again] == number);
}

/* The next of the targets that were known from the start. */
static bool next_target(struct dealer *s, struct target_host *target, uint64_t *number)
{
    const struct dealer_options *o = &s->options;
    *number = s->again < o->again_count ? o->again[s->again] : s->next;
    return *number < s->order.count && targets_host(s->targets, index_of(s, *number), target);
}

static bool is_ours(const struct dealer *s, uint64_t streamed)
{
    return !s->options.shards || streamed % s->options.shards == s->options.shard;
}

/* Likewise of the stream. */
static enum dealer_step next_streamed(struct dealer *s, struct target_host *target,
                                      uint64_t *number)
{
    while (s->stream_open && !s->input_wanted) {
        switch (targets_stream_next(s->stream, target)) {
        case TARGETS_HOST:
            *number = total(s);
            if (is_ours(s, s->streamed++) && is_wanted(s, *number))
                return DEALER_HOST;
            break;
        case TARGETS_NEED_MORE:
            s->input_wanted = true;
            input_want(s->input);
            return DEALER_WAIT;
        case TARGETS_END:
        case TARGETS_FAILED:
            s->stream_open = false;
            break;
        }
    }
    return s->stream_open ? DEALER_WAIT : DEALER_END;
}

/* Deals out a target; false: it is of no more use. */
static bool take(struct dealer *s, const struct target_host *target, uint64_t number,
                 struct assignment *a)
{
    struct dealt *d = deal(s, number);
    if (!d) {
        tell_loss(s, target->file ? target->file : "argument", "a target is left out", "no memory");
        s->exhausted = true;
        return false;
    }
    if (target->name) {
        look_up(s, target, d);
        return false;
    }
    if (is_done(s, target, &target->address)) {
        dealer_done(s, d);
        return false;
    }
    *a = (struct assignment){.target = *target, .address = target->address, .dealt = d};
    return true;
}

enum dealer_step dealer_next(struct dealer *s, struct assignment *a)
{
    struct target_host target;
    uint64_t number;

    for (;;) {
        if (s->closing)
            return DEALER_END;
        if (s->exhausted && !s->ready)
            return s->lookups ? DEALER_WAIT : DEALER_END;
        if (s->ready) {
            hand_out(s, a);
            return DEALER_HOST;
        }
        if (s->lookups >= LOOKUPS_MAX)
            return DEALER_WAIT;
        if (!next_target(s, &target, &number)) {
            enum dealer_step step = next_streamed(s, &target, &number);
            if (step == DEALER_END && s->lookups)
                return DEALER_WAIT;
            if (step != DEALER_HOST)
                return step;
        }
        if (take(s, &target, number, a))
            return DEALER_HOST;
    }
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void on_resolver_closed(void *context)
{
    struct dealer *s = context;
    s->events.on_closed(s->events.context);
}

void dealer_close(struct dealer *s)
{
    s->closing = true;
    if (s->input)
        input_close(s->input);
    while (s->ready) {
        struct lookup *l = s->ready;
        s->ready = l->next;
        lookup_free(l);
    }
    resolver_close(s->resolver, on_resolver_closed, s);
}

void dealer_free(struct dealer *s)
{
    if (!s)
        return;
    while (s->first) {
        struct dealt *next = s->first->next;
        dealt_free(s->first);
        s->first = next;
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct dealer *dealer_new(uv_loop_t *loop, const struct dealer_options *options,
                          const struct targets *targets, struct targets_stream *stream,
                          int stream_fd, struct dealer_events events, FILE *errors)
{
    struct dealer *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->options = *options;
    s->events = events;
    s->targets = targets;
    s->stream = stream;
    s->stream_open = stream != NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->order = order_new(shard_size(targets_count(targets), options->shard, options->shards),
                         options->seed, !options->ordered);
    s->next = options->from;
    s->resolver = resolver_new(loop, &(struct resolver_options){.server = options->resolver});
    if (!s->resolver)
        fprintf(errors, "names cannot be resolved: bad server address, or no memory\n");
    if (stream && s->resolver && !(s->input = input_new(loop, stream_fd, on_input, s)))
        fprintf(errors, "standard input cannot be read\n");
    if (s->resolver && (s->input || !stream))
        return s;
    if (s->resolver)
        resolver_close(s->resolver, NULL, NULL);
    dealer_free(s);
    return NULL;
}
