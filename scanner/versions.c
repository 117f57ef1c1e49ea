/* SPDX-License-Identifier: MIT */
#include "scanner/versions.h"

#define ALERT_PROTOCOL_VERSION 70
#define ALERT_HANDSHAKE_FAILURE 40
#define ALERT_INSUFFICIENT_SECURITY 71
#define ALERT_INTERNAL_ERROR 80 /* how OpenSSL says that it has no use for its own SHA-1 */
#define ALERT_UNRECOGNIZED_NAME 112
#define UNREACHED_MAX 2 /* then the server is left alone */
#define SILENT_MAX 3    /* hellos without an answer, while none was ever accepted */

void ladder_init(struct ladder *l, struct version_fact facts[VERSION_COUNT], bool exhaustive)
{
    *l = (struct ladder){.facts = facts, .exhaustive = exhaustive};
}

static void settle(struct ladder *l, enum version v, struct version_fact fact)
{
    l->facts[v] = fact;
    l->settled[v] = true;
}

/* form: of the hello that was refused. */
static void reject(struct ladder *l, enum version v, enum hello_form form, enum proof proof,
                   int alert)
{
    l->refused_form[v] = form;
    settle(l, v, (struct version_fact){.status = VERSION_REJECTED, .proof = proof, .alert = alert});
}

static void leave_open(struct ladder *l, enum version v, enum cause cause, int alert)
{
    settle(l, v,
           (struct version_fact){.status = VERSION_INCONCLUSIVE, .reason = cause, .alert = alert});
}

/* --- what to ask ------------------------------------------------------------------------------ */

/* One attempt at a version: a form of the hello, and a part of the suites. Of TLS 1.3, which has no
   other form, the forms stand for: at first, with a share, and once more when another form works. */
#define PARTS_MAX 8U
enum { MODERN_FIRST, MODERN_WITH_SHARE, MODERN_AGAIN };

static unsigned attempt_bit(enum hello_form form, unsigned part)
{
    return 1U << ((unsigned)form * PARTS_MAX + part);
}

static bool is_alert(const struct version_fact *fact, int alert)
{
    return fact->status == VERSION_REJECTED && fact->proof == PROOF_ALERT && fact->alert == alert;
}

/* Did it say that no suite, group or signature is shared? */
static bool shares_nothing(const struct version_fact *fact)
{
    return is_alert(fact, ALERT_HANDSHAKE_FAILURE) || is_alert(fact, ALERT_INSUFFICIENT_SECURITY);
}

static bool was_cut(const struct version_fact *fact)
{
    return fact->status == VERSION_REJECTED &&
           (fact->proof == PROOF_CLOSE || fact->proof == PROOF_RESET);
}

static bool is_untried(const struct ladder *l, enum version v, enum hello_form form, unsigned part)
{
    return !(l->tried[v] & attempt_bit(form, part)) && !(l->silent_forms[v] & 1U << form);
}

/* Another form, or a share, or (as a control) the same again. */
static bool next_of_modern(const struct ladder *l, struct hello *ask)
{
    unsigned tried = l->tried[VERSION_TLS13];
    bool silent = l->silent_forms[VERSION_TLS13] != 0;
    bool share = (tried & 1U << MODERN_FIRST) && !(tried & 1U << MODERN_WITH_SHARE) && !silent;
    bool again = l->accepted && l->form != HELLO_NEW && !(tried & 1U << MODERN_AGAIN) &&
                 (silent || was_cut(&l->facts[VERSION_TLS13]));

    ask->with_share = share;
    ask->part = share;
    return !(tried & 1U << MODERN_FIRST) || share || again;
}

/* In this form: all suites, in as many hellos as it takes. What is large comes at once where the
   server is known to take it: then it is one hello, below TLS 1.2. */
static bool next_part(const struct ladder *l, enum version v, enum hello_form form,
                      struct hello *ask)
{
    unsigned parts = hello_parts(v, form);
    bool all_first = l->large && v < VERSION_TLS12 && parts == 2;

    ask->form = form;
    for (unsigned i = 0; i < parts; i++) {
        ask->part = all_first ? 1 - i : i;
        bool understood =
            shares_nothing(&l->facts[v]) || is_alert(&l->facts[v], ALERT_INTERNAL_ERROR);
        if (all_first && i == 1 && understood)
            return false; /* they were all in there */
        if (is_untried(l, v, form, ask->part))
            return true;
    }
    return false;
}

static bool all_new_tried(const struct ladder *l)
{
    for (int v = VERSION_TLS10; v <= VERSION_TLS12; v++)
        if (is_untried(l, (enum version)v, HELLO_NEW, 0))
            return false;
    return true;
}

/* One more hello without an answer, and it is left alone: then it is the plainest one. */
static bool is_last_try(const struct ladder *l)
{
    return !l->accepted && l->silent == SILENT_MAX - 1;
}

/* Nothing was accepted yet: what the server takes may be a hello of an older form. */
static bool next_form(const struct ladder *l, enum version v, struct hello *ask)
{
    const struct version_fact *fact = &l->facts[v];
    bool named = is_alert(fact, ALERT_UNRECOGNIZED_NAME);

    ask->part = 0;
    ask->form = HELLO_NEW;
    if (l->exhaustive && is_untried(l, v, ask->form, 0))
        return true;
    if (l->exhaustive && !all_new_tried(l))
        return false; /* where one version is asked alone, a refusal may be right */
    ask->form = HELLO_OLD;
    if (is_untried(l, v, ask->form, 0) && !is_last_try(l))
        return true;
    ask->form = HELLO_BARE;
    if (v != VERSION_TLS11 && !named && is_untried(l, v, ask->form, 0))
        return true;
    bool by_suites = fact->status == VERSION_REJECTED ? fact->alert != ALERT_PROTOCOL_VERSION
                                                      : fact->reason == CAUSE_NOT_OFFERED;
    if (v != VERSION_TLS12 || named || !by_suites)
        return false;
    ask->form = HELLO_OLD;
    for (ask->part = 1; ask->part < hello_parts(v, ask->form); ask->part++)
        if (is_untried(l, v, ask->form, ask->part))
            return ask->part == 1 || !was_cut(fact);
    return false;
}

/* All that is older than TLS 1.2 is asked of a server that reads lists, in the form for that. */
static bool goes_by_list(const struct ladder *l)
{
    return l->facts[VERSION_TLS13].status == VERSION_ACCEPTED && !l->exhaustive &&
           !l->list_ignored && l->form == HELLO_NEW;
}

/* Is there something else that this version can be asked with, in the light of what is known? */
static bool next_attempt(const struct ladder *l, enum version v, struct hello *ask)
{
    *ask = (struct hello){.highest = v, .name = ask->name, .random = ask->random};
    ask->alone = l->exhaustive;
    ask->by_list = goes_by_list(l) && v >= VERSION_SSL3 && v <= VERSION_TLS11;
    if (v == VERSION_SSL2)
        return !l->tried[v];
    if (v == VERSION_TLS13)
        return next_of_modern(l, ask);
    if (v == VERSION_SSL3 && !ask->by_list)
        return next_part(l, v, HELLO_BARE, ask);
    return l->accepted ? next_part(l, v, l->form, ask) : next_form(l, v, ask);
}

/* The highest version from this one down that is not settled; -1 if there is none. */
static int highest_open(const struct ladder *l, int from)
{
    while (from >= VERSION_SSL2 && l->settled[from])
        from--;
    return from;
}

/* A server that has TLS 1.3 marks what it chooses below. Where the mark is missing, two servers may
   share the address: one that said "no such version" is asked once more, since it may be the other
   that answers then. */
static bool recheck(struct ladder *l)
{
    bool due = l->unmarked && l->facts[VERSION_TLS13].status == VERSION_ACCEPTED && !l->rechecked &&
               !l->inconsistent && !l->exhaustive && !l->finished;
    bool any = false;
    l->rechecked = true;
    l->list_ignored |= due;
    for (int v = VERSION_SSL3; v <= VERSION_TLS12 && due; v++)
        if (is_alert(&l->facts[v], ALERT_PROTOCOL_VERSION) || l->facts[v].proof == PROOF_INFERRED) {
            l->tried[v] = 0;
            l->settled[v] = false;
            any = true;
        }
    return any;
}

bool ladder_next(struct ladder *l, struct hello *ask)
{
    bool has_modern = l->facts[VERSION_TLS13].status == VERSION_ACCEPTED && !l->exhaustive;
    int v = highest_open(l, VERSION_TLS13), old = highest_open(l, VERSION_TLS11);

    if (goes_by_list(l) && old >= VERSION_SSL3)
        v = old;
    else if (has_modern && v == VERSION_TLS12 && !l->settled[VERSION_SSL2])
        v = VERSION_SSL2; /* what is likely to be accepted comes last: see endpoint.h, doubtful */
    else if (is_last_try(l) && !l->settled[VERSION_TLS10])
        v = VERSION_TLS10;
    if (v < VERSION_SSL2)
        return recheck(l) && ladder_next(l, ask);
    if (next_attempt(l, (enum version)v, ask))
        return true;
    l->settled[v] = true; /* all was tried, and not all was answered */
    if (l->facts[v].status == VERSION_NOT_TESTED)
        leave_open(l, (enum version)v, CAUSE_TIMEOUT, -1);
    return ladder_next(l, ask);
}

static void note_attempt(struct ladder *l, const struct hello *asked, bool silent)
{
    enum version v = asked->highest;
    unsigned *tried = &l->tried[v];
    if (v == VERSION_TLS13)
        *tried |= asked->with_share             ? 1U << MODERN_WITH_SHARE
                  : *tried & 1U << MODERN_FIRST ? 1U << MODERN_AGAIN
                                                : 1U << MODERN_FIRST;
    else
        *tried |= attempt_bit(asked->form, asked->part);
    if (silent)
        l->silent_forms[v] |= 1U << asked->form;
}

/* --- what it proves --------------------------------------------------------------------------- */

/* RFC 7366: what offers it has a meaning for CBC suites alone. */
static enum tri encrypt_then_mac(const struct server_hello *hello, enum hello_form form)
{
    const char *name = suite_name(hello->suite);
    bool applies = hello->version >= VERSION_TLS10 && hello->version <= VERSION_TLS12 && name &&
                   span_mentions(span_of(name), "_CBC_") && form == HELLO_NEW;
    return applies ? tri_of(hello->encrypt_then_mac) : TRI_UNKNOWN;
}

static bool is_proven(const struct version_fact *fact)
{
    return fact->status == VERSION_REJECTED &&
           (fact->proof == PROOF_CHOSE_LOWER || fact->proof == PROOF_INFERRED ||
            is_alert(fact, ALERT_PROTOCOL_VERSION));
}

/* When something new is known of the forms that it takes: what was refused in another, or was not
   answered, is asked again. */
static void reconsider(struct ladder *l)
{
    for (int v = VERSION_SSL2; v <= VERSION_TLS13; v++) {
        const struct version_fact *fact = &l->facts[v];
        bool other =
            !l->accepted || (l->form != HELLO_NEW && !(l->tried[v] & attempt_bit(l->form, 0)));
        bool excluded = is_alert(fact, ALERT_PROTOCOL_VERSION) && other && v >= VERSION_TLS10 &&
                        v <= VERSION_TLS12;
        bool open = fact->status == VERSION_INCONCLUSIVE &&
                    (fact->reason == CAUSE_TIMEOUT ||
                     (fact->reason == CAUSE_PROTOCOL && v <= VERSION_TLS12));
        struct hello ask = {.highest = VERSION_SSL2};
        if (excluded || open || (fact->status == VERSION_REJECTED && !is_proven(fact)))
            l->settled[v] = !next_attempt(l, (enum version)v, &ask);
    }
}

/* The hello was accepted. With it a form is known that the server takes. */
static void learn_form(struct ladder *l, const struct hello *asked, uint32_t suite)
{
    const struct version_fact *modern = &l->facts[VERSION_TLS13];
    bool other = !l->accepted || asked->form < l->form;
    /* Was it refused though it had all these suites? */
    struct hello offered = {.highest = VERSION_TLS13,
                            .part = (l->tried[VERSION_TLS13] & 1U << MODERN_WITH_SHARE) != 0};
    bool refused = modern->status == VERSION_REJECTED || modern->reason == CAUSE_TIMEOUT;
    if (l->exhaustive) { /* each version was asked alone: then some refusals are right */
        offered = (struct hello){.highest = asked->highest};
        refused &= !shares_nothing(modern) && !is_alert(modern, ALERT_PROTOCOL_VERSION);
    }

    l->large |= asked->part && asked->form != HELLO_BARE;
    if (!other || asked->highest <= VERSION_SSL3)
        return;
    l->known = *asked;
    l->form = asked->form;
    l->accepted = true;
    l->intolerant = asked->form != HELLO_NEW && refused &&
                    !is_alert(modern, ALERT_UNRECOGNIZED_NAME) && hello_has_suite(&offered, suite);
    reconsider(l);
}

static void contradict(struct ladder *l)
{
    l->inconsistent = true;
    for (int v = 0; v < VERSION_COUNT && l->finished; v++)
        if (l->facts[v].status == VERSION_REJECTED)
            leave_open(l, (enum version)v, CAUSE_INCONSISTENT, -1);
}

void ladder_contradict(struct ladder *l)
{
    contradict(l);
}

static void accept_version(struct ladder *l, const struct server_hello *hello, enum hello_form form)
{
    if (is_proven(&l->facts[hello->version]) && form <= l->refused_form[hello->version])
        contradict(l);
    settle(l, hello->version,
           (struct version_fact){.status = VERSION_ACCEPTED,
                                 .alert = -1,
                                 .suite = hello->suite,
                                 .encrypt_then_mac = encrypt_then_mac(hello, form)});
}

/* The server had the choice of all up to highest (or of those in offered) and took this one.
   listed: what a server that reads lists had to choose from. */
static void chose(struct ladder *l, const struct server_hello *hello, enum version highest,
                  enum hello_form form, unsigned offered, unsigned listed)
{
    enum version v = hello->version;
    if (v == VERSION_NONE || !(offered & 1U << v)) {
        if (!l->settled[highest] && l->facts[highest].status != VERSION_ACCEPTED)
            leave_open(l, highest, CAUSE_VERSION, -1);
        return;
    }
    if (l->facts[v].status != VERSION_ACCEPTED)
        accept_version(l, hello, form);
    for (int above = (int)v + 1; above <= (int)highest; above++) {
        if (l->facts[above].status == VERSION_ACCEPTED && (listed & 1U << above))
            contradict(l);
        if ((offered & 1U << above) && l->facts[above].status != VERSION_ACCEPTED &&
            !is_proven(&l->facts[above]))
            reject(l, (enum version)above, form, PROOF_CHOSE_LOWER, -1);
    }
}

/* After all was asked: does this fit? */
static void compare(struct ladder *l, const struct server_hello *hello, unsigned offered)
{
    enum version v = hello->version;
    unsigned above = 0;
    if (v >= VERSION_COUNT || !(offered & 1U << v))
        return;
    for (int higher = (int)v + 1; higher < VERSION_COUNT; higher++)
        above |= l->facts[higher].status == VERSION_ACCEPTED ? 1U << higher : 0;
    bool refused_before = l->facts[v].status == VERSION_REJECTED;
    if (l->facts[v].status != VERSION_ACCEPTED)
        accept_version(l, hello, HELLO_NEW);
    if ((above & offered) || refused_before)
        contradict(l);
}

void ladder_add_handshake(struct ladder *l, const struct server_hello *hello, unsigned offered)
{
    int highest = VERSION_TLS13;
    bool offers_modern = (offered & 1U << VERSION_TLS13) != 0;

    if (l->finished) {
        compare(l, hello, offered);
        return;
    }
    while (highest > VERSION_SSL3 && !(offered & 1U << highest))
        highest--;
    if (l->exhaustive && hello->version != VERSION_NONE)
        highest = (int)hello->version; /* what was not chosen is still asked by itself */
    chose(l, hello, (enum version)highest, HELLO_NEW, offered, offered);
    if (l->accepted || hello->version >= VERSION_COUNT || !(offered & 1U << hello->version))
        return;
    l->accepted = true;
    l->large = offers_modern; /* it is the first, and padded */
    l->known =
        (struct hello){.highest = hello->version, .with_share = hello->version == VERSION_TLS13};
}

/* A refusal of this hello that is not about the version: it may be about all else in it. It counts
   when there is nothing else to try, and if some other hello is accepted in the end. */
static void refused(struct ladder *l, const struct hello *asked, enum proof proof, int alert)
{
    struct hello ask = {.highest = VERSION_SSL2};
    reject(l, asked->highest, asked->form, proof, alert);
    l->settled[asked->highest] = !next_attempt(l, asked->highest, &ask);
    if (!asked->by_list || !l->settled[asked->highest])
        return;
    /* The server reads lists, and had the choice of all these. */
    for (int below = (int)asked->highest - 1; below >= VERSION_SSL3; below--)
        if (!l->settled[below])
            reject(l, (enum version)below, asked->form, proof, alert);
}

/* "No such version". Who went by the list has none of it. Who went by one number may have a hole
   there and something below it, where GnuTLS says the same; while nothing is accepted it may be
   about the form. */
static void excluded(struct ladder *l, const struct hello *asked)
{
    struct hello ask = {.highest = VERSION_SSL2};
    reject(l, asked->highest, asked->form, PROOF_ALERT, ALERT_PROTOCOL_VERSION);
    if (!l->accepted && asked->highest >= VERSION_TLS10 && asked->highest <= VERSION_TLS12)
        l->settled[asked->highest] = !next_attempt(l, asked->highest, &ask);
    if (l->exhaustive || !asked->by_list)
        return;
    for (int below = (int)asked->highest - 1; below >= VERSION_SSL3; below--)
        if (!l->settled[below])
            reject(l, (enum version)below, asked->form, PROOF_INFERRED, -1);
}

/* It chose what the list does not have: it went by the older field. A server that has TLS 1.3 then
   marks its random value (RFC 8446 section 4.1.3): where the mark is missing this is another server
   than the one that chose TLS 1.3. */
static bool ignored_list(struct ladder *l, const struct hello *asked,
                         const struct server_hello *hello)
{
    if (!asked->by_list || hello->version <= asked->highest || hello->version > VERSION_TLS12)
        return false;
    l->list_ignored = true;
    for (int v = VERSION_SSL3; v <= VERSION_TLS11; v++)
        l->tried[v] = 0; /* these were not asked, then */
    if (l->facts[hello->version].status != VERSION_ACCEPTED)
        accept_version(l, hello, HELLO_NEW);
    if (hello->version == VERSION_TLS12 && !hello->sentinel) /* the number in that field */
        contradict(l);
    return true;
}

/* A suite was chosen that was not offered: that proves nothing but a broken server. It may be among
   those that were not offered yet. */
static void absorb_nonsense(struct ladder *l, enum version v)
{
    struct hello ask = {.highest = VERSION_SSL2};
    if (l->facts[v].status == VERSION_ACCEPTED)
        return;
    leave_open(l, v, CAUSE_NOT_OFFERED, -1);
    l->settled[v] = !next_attempt(l, v, &ask);
}

static void absorb_choice(struct ladder *l, const struct hello *asked,
                          const struct server_hello *hello, unsigned offered)
{
    bool known = hello->version < VERSION_COUNT && (offered & 1U << hello->version);
    if (known && !hello_offers(asked, hello)) {
        absorb_nonsense(l, asked->highest);
        return;
    }
    if (!ignored_list(l, asked, hello))
        chose(l, hello, asked->highest, asked->form, offered,
              asked->alone ? 1U << asked->highest : offered);
    if (!known)
        return;
    if (asked->highest <= VERSION_TLS12 && hello->version >= VERSION_TLS10) {
        l->marked |= hello->sentinel;
        l->unmarked |= !hello->sentinel;
        /* a server that has TLS 1.3 does it always, or never */
        if (l->marked && l->unmarked && l->facts[VERSION_TLS13].status == VERSION_ACCEPTED)
            contradict(l);
    }
    if (!l->accepted)
        l->known = *asked;
    learn_form(l, asked, hello->suite);
}

/* What is no TLS may be how a server stumbles over the hello: it is worth another form. */
static void garbled(struct ladder *l, enum version v)
{
    struct hello ask = {.highest = VERSION_SSL2};
    leave_open(l, v, CAUSE_PROTOCOL, -1);
    if (!l->accepted && v <= VERSION_TLS12)
        l->settled[v] = !next_attempt(l, v, &ask);
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
    note_attempt(l, asked, result->cause == CAUSE_TIMEOUT);
    if (l->unreached >= UNREACHED_MAX || (l->silent >= SILENT_MAX && !ladder_has_accepted(l))) {
        ladder_finish(l, result->cause);
        return;
    }
    switch (result->cause) {
    case CAUSE_NONE:
        absorb_choice(l, asked, &result->hello, offered);
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
    case CAUSE_PROTOCOL:
        garbled(l, asked->highest);
        break;
    default:
        leave_open(l, asked->highest, result->cause, -1);
        break;
    }
    if (!l->accepted && l->silent == 0)
        reconsider(l); /* it does answer: what it was silent to is worth another form */
}

void ladder_reopen(struct ladder *l, unsigned versions)
{
    for (int v = 0; v < VERSION_COUNT; v++)
        if (versions & 1U << v) {
            l->settled[v] = false;
            l->tried[v] = l->silent_forms[v] = 0;
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
        bool answered = fact->status == VERSION_INCONCLUSIVE && cause == CAUSE_NOT_ASKED;
        if (!l->settled[v] && !answered) {
            leave_open(l, (enum version)v, cause, -1);
            if (cause == CAUSE_NOT_ASKED)
                fact->status = VERSION_NOT_TESTED;
        } else if (!meaningful && fact->status == VERSION_REJECTED && !is_proven(fact)) {
            leave_open(l, (enum version)v,
                       fact->proof == PROOF_ALERT   ? CAUSE_ALERT
                       : fact->proof == PROOF_CLOSE ? CAUSE_CLOSED
                                                    : CAUSE_RESET,
                       fact->alert);
        }
    }
    l->finished = true;
    if (l->inconsistent)
        contradict(l);
}
