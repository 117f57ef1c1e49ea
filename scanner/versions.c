/* SPDX-License-Identifier: MIT */
#include "scanner/versions.h"

#define ALERT_PROTOCOL_VERSION 70
#define UNREACHED_MAX 2 /* then the server is left alone */
#define SILENT_MAX 2    /* hellos without an answer, while none was ever accepted */

void ladder_init(struct ladder *l, struct version_fact facts[VERSION_COUNT], bool exhaustive)
{
    *l = (struct ladder){.facts = facts, .exhaustive = exhaustive};
}

static void settle(struct ladder *l, enum version v, struct version_fact fact)
{
    l->facts[v] = fact;
    l->settled[v] = true;
}

/* RFC 7366: all hellos with extensions offer it; it has a meaning for CBC suites alone. */
static enum tri encrypt_then_mac(const struct server_hello *hello)
{
    const char *name = suite_name(hello->suite);
    bool applies = hello->version >= VERSION_TLS10 && hello->version <= VERSION_TLS12 && name &&
                   span_mentions(span_of(name), "_CBC_");
    return applies ? tri_of(hello->encrypt_then_mac) : TRI_UNKNOWN;
}

static void accept_version(struct ladder *l, const struct server_hello *hello)
{
    settle(l, hello->version,
           (struct version_fact){.status = VERSION_ACCEPTED,
                                 .alert = -1,
                                 .suite = hello->suite,
                                 .encrypt_then_mac = encrypt_then_mac(hello)});
}

static void reject(struct ladder *l, enum version v, enum proof proof, int alert)
{
    settle(l, v, (struct version_fact){.status = VERSION_REJECTED, .proof = proof, .alert = alert});
}

static void leave_open(struct ladder *l, enum version v, enum cause cause, int alert)
{
    settle(l, v,
           (struct version_fact){.status = VERSION_INCONCLUSIVE, .reason = cause, .alert = alert});
}

/* The server had the choice of all up to highest (or of those in offered) and took this one. */
static void chose(struct ladder *l, const struct server_hello *hello, enum version highest,
                  unsigned offered)
{
    enum version v = hello->version;
    if (v == VERSION_NONE || !(offered & 1U << v)) {
        if (!l->settled[highest])
            leave_open(l, highest, CAUSE_VERSION, -1);
        return;
    }
    if (!l->settled[v] || l->facts[v].status != VERSION_ACCEPTED)
        accept_version(l, hello);
    for (int above = (int)v + 1; above <= (int)highest; above++)
        if ((offered & 1U << above) && !l->settled[above])
            reject(l, (enum version)above, PROOF_CHOSE_LOWER, -1);
}

void ladder_add_handshake(struct ladder *l, const struct server_hello *hello, unsigned offered)
{
    int highest = VERSION_TLS13;
    while (highest > VERSION_SSL3 && !(offered & 1U << highest))
        highest--;
    if (l->exhaustive && hello->version != VERSION_NONE)
        highest = (int)hello->version; /* what was not chosen is still asked by itself */
    chose(l, hello, (enum version)highest, offered);
}

/* The highest version from this one down that is not settled; -1 if there is none. */
static int highest_open(const struct ladder *l, int from)
{
    while (from >= VERSION_SSL2 && l->settled[from])
        from--;
    return from;
}

bool ladder_next(struct ladder *l, struct hello *ask)
{
    bool has_modern = l->facts[VERSION_TLS13].status == VERSION_ACCEPTED;
    int v = highest_open(l, VERSION_TLS13), old = highest_open(l, VERSION_TLS11);

    ask->by_list = has_modern && !l->exhaustive && !l->list_ignored && old >= VERSION_SSL3;
    if (ask->by_list) /* one hello for all of these, if the server reads lists */
        v = old;
    else if (has_modern && !l->exhaustive && v == VERSION_TLS12 && !l->settled[VERSION_SSL2])
        v = VERSION_SSL2; /* what is likely to be accepted comes last: see endpoint.h, doubtful */
    if (v < VERSION_SSL2)
        return false;
    ask->highest = (enum version)v;
    ask->alone = l->exhaustive;
    ask->with_share = v == VERSION_TLS13 && l->share_tried;
    return true;
}

/* A refusal of this hello that is not about the version. It counts if some other hello is accepted
 * in the end. */
static void refused(struct ladder *l, const struct hello *asked, enum proof proof, int alert)
{
    if (asked->highest == VERSION_TLS13 && !l->share_tried) {
        l->share_tried = true; /* it may have been the missing key share: once more with one */
        return;
    }
    reject(l, asked->highest, proof, alert);
}

/* "No such version". Who went by the list has none of it. Who went by one number may have a hole there and something
   below it, where GnuTLS says the same; unless there is nothing that it accepts at all. */
static void excluded(struct ladder *l, const struct hello *asked)
{
    reject(l, asked->highest, PROOF_ALERT, ALERT_PROTOCOL_VERSION);
    bool all_below = asked->by_list || !ladder_has_accepted(l);
    if (l->exhaustive || asked->highest == VERSION_SSL2 || !all_below)
        return;
    for (int below = (int)asked->highest - 1; below >= VERSION_SSL3; below--)
        if (!l->settled[below])
            reject(l, (enum version)below, PROOF_INFERRED, -1);
}

/* It chose what the list does not have: it went by the older field. */
static bool ignored_list(struct ladder *l, const struct hello *asked,
                         const struct server_hello *hello)
{
    if (!asked->by_list || hello->version <= asked->highest || hello->version > VERSION_TLS12)
        return false;
    l->list_ignored = true;
    accept_version(l, hello);
    return true;
}

void ladder_absorb(struct ladder *l, const struct hello *asked, const struct hello_result *result)
{
    /* Also where TLS 1.3 is asked alone: a server that does not know how that is said goes by the
     * older field. */
    unsigned offered = asked->highest == VERSION_SSL2
                           ? 1U << VERSION_SSL2
                           : ((2U << asked->highest) - 1) & ~(1U << VERSION_SSL2);

    l->unreached = result->reached ? 0 : l->unreached + 1;
    l->silent = result->cause == CAUSE_TIMEOUT ? l->silent + 1 : 0;
    if (l->unreached >= UNREACHED_MAX || (l->silent >= SILENT_MAX && !ladder_has_accepted(l))) {
        ladder_finish(l, result->cause);
        return;
    }
    switch (result->cause) {
    case CAUSE_NONE:
        if (!ignored_list(l, asked, &result->hello))
            chose(l, &result->hello, asked->highest, offered);
        break;
    case CAUSE_ALERT:
        if (result->alert == ALERT_PROTOCOL_VERSION)
            excluded(l, asked);
        else
            refused(l, asked, PROOF_ALERT, result->alert);
        break;
    case CAUSE_CLOSED:
    case CAUSE_RESET:
        if (result->reached && !result->torn)
            refused(l, asked, result->cause == CAUSE_CLOSED ? PROOF_CLOSE : PROOF_RESET, -1);
        else
            leave_open(l, asked->highest, result->cause, -1);
        break;
    default:
        leave_open(l, asked->highest, result->cause, -1);
        break;
    }
}

void ladder_reopen(struct ladder *l, unsigned versions)
{
    for (int v = 0; v < VERSION_COUNT; v++)
        if (versions & 1U << v) {
            l->settled[v] = false;
            l->facts[v] = (struct version_fact){.alert = -1};
        }
}

void ladder_leave_open(struct ladder *l, unsigned versions, enum cause cause)
{
    for (int v = 0; v < VERSION_COUNT; v++)
        if (versions & 1U << v)
            leave_open(l, (enum version)v, cause, -1);
}

bool ladder_has_accepted(const struct ladder *l)
{
    for (int v = 0; v < VERSION_COUNT; v++)
        if (l->facts[v].status == VERSION_ACCEPTED)
            return true;
    return false;
}

void ladder_finish(struct ladder *l, enum cause cause)
{
    bool meaningful = ladder_has_accepted(l);
    for (int v = 0; v < VERSION_COUNT; v++) {
        struct version_fact *fact = &l->facts[v];
        if (!l->settled[v]) {
            leave_open(l, (enum version)v, cause, -1);
            if (cause == CAUSE_NOT_ASKED)
                fact->status = VERSION_NOT_TESTED;
        } else if (!meaningful && fact->status == VERSION_REJECTED) {
            bool decided = fact->proof == PROOF_INFERRED || fact->proof == PROOF_CHOSE_LOWER ||
                           fact->alert == ALERT_PROTOCOL_VERSION;
            if (!decided)
                leave_open(l, (enum version)v,
                           fact->proof == PROOF_ALERT   ? CAUSE_ALERT
                           : fact->proof == PROOF_CLOSE ? CAUSE_CLOSED
                                                        : CAUSE_RESET,
                           fact->alert);
        }
    }
}
