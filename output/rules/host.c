/* SPDX-License-Identifier: MIT */
/*
 * host.c: the rules that compare: what is said before TLS and inside it, and the ports of a host.
 *
 * A port that starts in clear is held against the host's port for implicit TLS of the same protocol
 * and role, and a finding stands at the former, so that it is told once. Where the other port was
 * not asked, nothing is known. And what there is, is held against what is expected there.
 */
#include <stdio.h>

#include "output/rules/common.h"
#include "scanner/expectation.h"

/* --- implicit TLS ----------------------------------------------------------------------------- */

static bool is_expected(const struct subject *s)
{
    return (s->role == ROLE_ACCESS || s->role == ROLE_SUBMISSION) &&
           s->o->service->mode != MODE_IMPLICIT;
}

static bool has_met_tls(const struct observation *o)
{
    bool met = observation_knows(o, FACT_TLS_VERSION) && o->tls.asked;
    for (int v = 0; v < VERSION_COUNT; v++)
        met |= o->tls.versions[v].status == VERSION_ACCEPTED;
    return met;
}

/* Is the protocol to be had by implicit TLS there? Silence is not a "no"; a handshake that fails
   without a hello ever being answered may have reasons of its own. */
static enum verdict judge_twin(const struct observation *o, struct evidence *e)
{
    switch (o->status) {
    case STATUS_CLOSED:
        return VERDICT_FAIL;
    case STATUS_MISMATCH:
        e->confidence = CONFIDENCE_PROBABLE;
        return VERDICT_FAIL;
    case STATUS_OK:
    case STATUS_REFUSED:
        if (observation_knows(o, FACT_OBSERVED_MODE))
            return verdict_of(o->mode != MODE_IMPLICIT);
        break;
    default:
        break;
    }
    if (has_met_tls(o))
        return VERDICT_PASS;
    if (o->tls.failure.cause == CAUSE_PLAINTEXT)
        return VERDICT_FAIL;
    return verdict_without(VERDICT_INCONCLUSIVE, cause_name(o->error.cause), e);
}

static enum verdict judge_implicit(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = VERDICT_NOT_APPLICABLE;
    if (!is_expected(s) || !is_served_in_clear(s, e, &verdict))
        return verdict;
    if (s->o->status != STATUS_OK)
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(s->o->error.cause), e);
    const struct observation *twin = implicit_twin(s);
    if (!twin)
        return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
    evidence_number(e, "other_port", twin->service->port);
    evidence_text(e, "other_status", status_name(twin->status));
    return judge_twin(twin, e);
}

/* --- capabilities ----------------------------------------------------------------------------- */

/* What has to do with TLS and logins differs between clear text and TLS by design. */
static bool is_expected_to_differ(const struct observation *o, const char *item)
{
    static const char *const common[] = {"STARTTLS", "STLS", "LOGINDISABLED", "AUTH",
                                         "SASL",     "USER", "REQUIRETLS"};
    static const char *const ftp[] = {"PBSZ", "PROT", "CCC"};
    struct span rest = span_of(item), word = span_word(&rest);
    const char *equals = memchr(word.at, '=', word.len);

    if (equals)
        word.len = (size_t)(equals - word.at);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (span_is(word, common[i]))
            return true;
    for (size_t i = 0; i < sizeof ftp / sizeof *ftp; i++)
        if (o->service->protocol == &protocol_ftp && span_is(word, ftp[i]))
            return true;
    return false;
}

/* The keyword is enough: parameters such as limits may well vary. IMAP has no parameters. */
static bool has_same(const struct observation *o, const struct list *list, const char *item)
{
    char keyword[64];
    if (o->service->protocol == &protocol_imap)
        return list_has(list, item);
    snprintf(keyword, sizeof keyword, "%.*s", (int)strcspn(item, " ="), item);
    return list_names(list, keyword);
}

/* The first capability of one list that the other lacks; NULL: there is none. */
static const char *first_missing(const struct observation *o, const struct list *in,
                                 const struct list *from)
{
    for (size_t i = 0; i < in->count; i++)
        if (!is_expected_to_differ(o, in->items[i]) && !has_same(o, from, in->items[i]))
            return in->items[i];
    return NULL;
}

static const char *first_lost(const struct list *in, const struct list *from)
{
    for (size_t i = 0; i < in->count; i++)
        if (!list_has(from, in->items[i]))
            return in->items[i];
    return NULL;
}

/* Says which of two lists has what the other lacks. */
static bool add_difference(const struct observation *o, const struct list *a, const struct list *b,
                           const char *only_a, const char *only_b, struct evidence *e)
{
    const char *a_has = first_missing(o, a, b), *b_has = first_missing(o, b, a);
    add_text_evidence(e, only_a, a_has);
    add_text_evidence(e, only_b, b_has);
    return a_has || b_has;
}

static void raise_to(struct evidence *e, enum severity severity)
{
    if (e->severity < severity)
        e->severity = severity;
}

/* (a) Before TLS and inside it. A way to log in that is there in clear only is what drives clients
   to clear text. */
static bool differs_by_tls(const struct observation *o, struct evidence *e)
{
    const char *lost = first_lost(&o->mechanisms[0], &o->mechanisms[1]);
    bool closed = observation_knows(o, FACT_LOGIN_BEFORE) &&
                  observation_knows(o, FACT_LOGIN_AFTER) && o->login_disabled[0] == TRI_NO &&
                  o->login_disabled[1] == TRI_YES;
    if (lost || closed)
        raise_to(e, SEVERITY_MEDIUM);
    add_text_evidence(e, "mechanism_before_tls_only", lost);
    if (closed)
        evidence_text(e, "login_disabled", "after_tls");
    bool differs = add_difference(o, &o->capabilities[0], &o->capabilities[1], "before_tls_only",
                                  "after_tls_only", e);
    return differs || lost || closed;
}

/* (b) The port with the upgrade and the one with implicit TLS, both inside TLS. */
static bool differs_by_port(const struct observation *o, const struct observation *twin,
                            struct evidence *e)
{
    const char *here = first_lost(&o->mechanisms[1], &twin->mechanisms[1]);
    const char *there = first_lost(&twin->mechanisms[1], &o->mechanisms[1]);
    if (here || there)
        raise_to(e, SEVERITY_LOW);
    add_text_evidence(e, "mechanism_this_port_only", here);
    add_text_evidence(e, "mechanism_implicit_port_only", there);
    bool differs = add_difference(o, &o->capabilities[1], &twin->capabilities[1], "this_port_only",
                                  "implicit_port_only", e);
    return differs || here || there;
}

/* What there is to say about the other port, if it does not differ. */
static enum verdict judge_other_list(const struct subject *s, const struct observation *twin,
                                     struct evidence *e)
{
    if (s->role == ROLE_MX || s->role == ROLE_RELAY)
        return VERDICT_PASS; /* has no such port */
    if (!twin)
        return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
    if (twin->status == STATUS_CLOSED || twin->status == STATUS_MISMATCH || is_in_clear(twin) ||
        observation_knows(twin, FACT_CAPABILITIES_AFTER))
        return VERDICT_PASS;
    return verdict_unknown(twin, FACT_CAPABILITIES_AFTER, e);
}

static enum verdict judge_capabilities(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_upgrade_refused(o))
        return VERDICT_NOT_APPLICABLE;
    if (!observation_knows(o, FACT_CAPABILITIES_AFTER))
        return verdict_unknown(o, FACT_CAPABILITIES_AFTER, e);
    const struct observation *twin = implicit_twin(s);
    bool knows_before = observation_knows(o, FACT_CAPABILITIES_BEFORE);
    bool differs = knows_before && differs_by_tls(o, e);
    if (twin && !is_in_clear(twin) && twin->status == STATUS_OK &&
        observation_knows(twin, FACT_CAPABILITIES_AFTER))
        differs |= differs_by_port(o, twin, e);
    if (differs)
        return VERDICT_FAIL;
    return knows_before ? judge_other_list(s, twin, e)
                        : verdict_unknown(o, FACT_CAPABILITIES_BEFORE, e);
}

/* --- the same service, once with the upgrade and once without --------------------------------- */

/* The other port, if it has TLS to be compared with ours. */
static const struct observation *comparable_twin(const struct subject *s, struct evidence *e,
                                                 enum verdict *verdict)
{
    if (!is_served_in_clear(s, e, verdict))
        return NULL;
    *verdict = VERDICT_NOT_APPLICABLE;
    if (s->role == ROLE_MX || s->role == ROLE_RELAY || is_upgrade_refused(s->o))
        return NULL;
    const struct observation *twin = implicit_twin(s);
    if (!twin)
        *verdict = verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
    else if (twin->status != STATUS_CLOSED && twin->status != STATUS_MISMATCH && !is_in_clear(twin))
        return twin;
    return NULL;
}

static bool has_leaf(const struct observation *o)
{
    return observation_knows(o, FACT_CERTIFICATE) && o->tls.chain.count > 0;
}

static bool is_same_leaf(const struct observation *a, const struct observation *b)
{
    return memcmp(a->tls.chain.certificates[0].sha256, b->tls.chain.certificates[0].sha256,
                  sizeof a->tls.chain.certificates[0].sha256) == 0;
}

static enum verdict unknown_leaf(const struct observation *a, const struct observation *b,
                                 struct evidence *e)
{
    const struct observation *o = has_leaf(a) ? b : a;
    return observation_knows(o, FACT_CERTIFICATE) ? VERDICT_NOT_APPLICABLE
                                                  : verdict_unknown(o, FACT_CERTIFICATE, e);
}

struct comparison {
    unsigned known, differing;
    const char *first; /* of the versions that differ     */
    bool here;         /* it is accepted on this port     */
    bool old;          /* one of them is SSL              */
};

static struct comparison compare_versions(const struct tls_facts *a, const struct tls_facts *b)
{
    struct comparison c = {0, 0, NULL, false, false};
    for (int v = 0; v < VERSION_COUNT; v++) {
        enum version_status here = a->versions[v].status, there = b->versions[v].status;
        if ((here != VERSION_ACCEPTED && here != VERSION_REJECTED) ||
            (there != VERSION_ACCEPTED && there != VERSION_REJECTED))
            continue;
        c.known++;
        if (here == there)
            continue;
        if (!c.differing++) {
            c.first = version_number((enum version)v);
            c.here = here == VERSION_ACCEPTED;
        }
        c.old |= v <= VERSION_SSL3;
    }
    return c;
}

/* Why a version that could not be compared is not known. */
static enum verdict unknown_version(const struct observation *a, const struct observation *b,
                                    struct evidence *e)
{
    const struct observation *const both[] = {a, b};
    enum cause why = CAUSE_NOT_ASKED;
    for (int i = 0; i < 2; i++)
        for (int v = 0; v < VERSION_COUNT; v++)
            if (both[i]->tls.versions[v].status == VERSION_INCONCLUSIVE)
                why = both[i]->tls.versions[v].reason;
    return verdict_without(why == CAUSE_NOT_ASKED ? VERDICT_NOT_TESTED : VERDICT_INCONCLUSIVE,
                           cause_name(why), e);
}

static enum verdict judge_configuration(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;
    const struct observation *twin = comparable_twin(s, e, &verdict);
    if (!twin)
        return verdict;
    struct comparison c = compare_versions(&o->tls, &twin->tls);
    bool leaves = has_leaf(o) && has_leaf(twin);
    bool other_leaf = leaves && !is_same_leaf(o, twin);

    evidence_number(e, "other_port", twin->service->port);
    if (c.differing) {
        evidence_text(e, "version", c.first);
        evidence_text(e, "accepted_on", c.here ? "this_port" : "other_port");
    }
    if (other_leaf)
        evidence_truth(e, "same_certificate", false);
    if (c.old)
        e->severity = SEVERITY_MEDIUM;
    if (c.differing || other_leaf)
        return VERDICT_FAIL;
    if (c.known < VERSION_COUNT)
        return unknown_version(o, twin, e);
    return leaves ? VERDICT_PASS : unknown_leaf(o, twin, e);
}

static enum verdict judge_opossum(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;
    const struct observation *twin = comparable_twin(s, e, &verdict);
    if (!twin)
        return verdict;
    if (!has_leaf(o) || !has_leaf(twin))
        return unknown_leaf(o, twin, e);
    bool enforced = observation_knows(o, FACT_ALPN) && o->tls.alpn == TRI_NO &&
                    observation_knows(twin, FACT_ALPN) && twin->tls.alpn == TRI_NO;
    evidence_number(e, "other_port", twin->service->port);
    return verdict_of(is_same_leaf(o, twin) && !enforced);
}

/* --- what is expected there ------------------------------------------------------------------- */

/* Has the lookup failed, so that nothing is known of the name? Read back from a record, the word is
   the cause's. */
static bool is_unresolved(const struct observation *o)
{
    static const char *const words[] = {"timeout", "server_failure", "bad_answer", "local",
                                        "cancelled"};
    const char *word = o->error_word ? o->error_word : cause_name(o->error.cause);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/* Does the service of this endpoint answer? Who turns us away, or hangs up, may serve others; where
   TLS began, a service is there, however bad its TLS is. */
static enum verdict judge_answer(const struct observation *o, struct evidence *e)
{
    bool nameless = o->status == STATUS_DNS_ERROR;
    switch (o->status) {
    case STATUS_OK:
        return VERDICT_PASS;
    case STATUS_CLOSED:
        return VERDICT_FAIL;
    case STATUS_DNS_ERROR:
    case STATUS_TIMEOUT:
    case STATUS_UNREACHABLE:
    case STATUS_MISMATCH:
        if (nameless && is_unresolved(o))
            break;
        e->confidence = CONFIDENCE_PROBABLE;
        return VERDICT_FAIL;
    default:
        if (o->status == STATUS_TLS_ERROR && has_met_tls(o))
            return VERDICT_PASS;
        break;
    }
    return verdict_without(VERDICT_INCONCLUSIVE, cause_name(nameless ? CAUSE_DNS : o->error.cause),
                           e);
}

/* One answer will do. If there is none, that is said at the first of the ports, once. */
static enum verdict judge_any(const struct subject *s, const struct expectation *x,
                              struct evidence *e)
{
    const struct observation *first = NULL;
    enum verdict all = VERDICT_FAIL;
    int64_t ports = 0;

    for (size_t i = 0; i < s->host->count; i++) {
        const struct observation *o = &s->host->endpoints[i];
        if (!expectation_meets(x, o->service))
            continue;
        enum verdict verdict = judge_answer(o, e);
        if (verdict == VERDICT_PASS)
            return VERDICT_PASS;
        if (verdict == VERDICT_INCONCLUSIVE)
            all = VERDICT_INCONCLUSIVE;
        first = first ? first : o;
        ports++;
    }
    if (all == VERDICT_FAIL && s->o != first)
        return VERDICT_NOT_APPLICABLE;
    evidence_number(e, "silent_ports", ports);
    return all;
}

static enum verdict judge_expectation(const struct subject *s, const struct expectation *x,
                                      struct evidence *e)
{
    evidence_begin(e, e->severity);
    if (!expectation_meets(x, s->o->service))
        return VERDICT_NOT_APPLICABLE;
    evidence_format(e, "expected", "%.*s", (int)x->text.len, x->text.at);
    evidence_text(e, "status", status_name(s->o->status));
    return expectation_is_loose(x) ? judge_any(s, x, e) : judge_answer(s->o, e);
}

/* Is there anything at which it could be seen? */
static bool is_asked(const struct host_view *host, const struct expectation *x)
{
    for (size_t i = 0; i < host->count; i++)
        if (expectation_meets(x, host->endpoints[i].service))
            return true;
    return false;
}

/* What was not asked has no endpoint of its own: it is said at the first of which nothing else is
   expected. */
static bool is_spokesman(const struct subject *s, struct span list)
{
    for (size_t i = 0; i < s->host->count; i++) {
        struct span rest = list;
        struct expectation x;
        const char *wrong;
        bool meant = false;
        while (expectation_next(&rest, &x, &wrong))
            meant |= !wrong && expectation_meets(&x, s->host->endpoints[i].service);
        if (!meant)
            return s->o == &s->host->endpoints[i];
    }
    return false;
}

/* The graver verdict counts. */
static int weight_of(enum verdict verdict)
{
    static const int weights[VERDICT_COUNT] = {[VERDICT_NOT_APPLICABLE] = 0,
                                               [VERDICT_NOT_TESTED] = 1,
                                               [VERDICT_PASS] = 2,
                                               [VERDICT_INCONCLUSIVE] = 3,
                                               [VERDICT_FAIL] = 4};
    return weights[verdict];
}

static enum verdict judge_expected(const struct subject *s, struct evidence *e)
{
    const char *label = expectation_of(s->host->target);
    struct span list = span_of(label ? label : ""), rest = list;
    enum verdict worst = VERDICT_NOT_APPLICABLE;
    struct expectation x;
    struct evidence own;
    const char *wrong;
    bool unasked = false;

    own.severity = e->severity;
    while (label && expectation_next(&rest, &x, &wrong)) {
        enum verdict verdict = wrong ? VERDICT_NOT_APPLICABLE : judge_expectation(s, &x, &own);
        unasked |= !wrong && !is_asked(s->host, &x);
        if (weight_of(verdict) <= weight_of(worst))
            continue;
        worst = verdict;
        *e = own;
    }
    if (worst == VERDICT_NOT_APPLICABLE && unasked && is_spokesman(s, list))
        return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
    return worst;
}

/* --- the table -------------------------------------------------------------------------------- */

const struct rule rules_host[] = {
    {
        .id = "IMPLICIT-TLS-NOT-OFFERED",
        .severity = SEVERITY_MEDIUM,
        .title = "There is no port with implicit TLS",
        .description =
            "The host serves this protocol in clear, and its port for implicit TLS (993, 995, 465) "
            "is closed or speaks no TLS. On the port that starts in clear an attacker can suppress "
            "the upgrade. A port that is silent is not taken for closed; the service may also be "
            "on another host. Not judged for port 25 and FTP, which have no such port.",
        .remediation = "Dovecot: inet_listener imaps or pop3s with ssl = yes; Postfix: the service "
                       "submissions (smtps) in master.cf with smtpd_tls_wrappermode=yes; Exim "
                       "tls_on_connect_ports = 465; Cyrus imaps and pop3s in cyrus.conf; Courier "
                       "imapd-ssl and pop3d-ssl.",
        .references = {{"RFC 9325 section 3.2", SOURCE_PRIMARY},
                       {"RFC 9051 section 11.2", SOURCE_PRIMARY},
                       {"RFC 8314 section 4", SOURCE_PRIMARY},
                       {"RFC 8314 section 3.3", SOURCE_PRIMARY}},
        .judge = judge_implicit,
    },
    {
        .id = "CAPABILITIES-DIFFER",
        .severity = SEVERITY_INFO,
        .title = "Capabilities differ where they should be the same",
        .description =
            "The list before TLS differs from the one inside TLS, or the list inside TLS differs "
            "between this port and the one for implicit TLS. What has to do with TLS and logins is "
            "not counted (STARTTLS, LOGINDISABLED, AUTH …). Medium if a way to log in is offered "
            "before TLS and not inside it; low if the mechanisms of the two ports differ.",
        .remediation = "Configure the listeners of a service alike.",
        .references = {{"RFC 9325 section 3.9", SOURCE_PRIMARY},
                       {"RFC 9051 section 7.2.2", SOURCE_PRIMARY},
                       {"RFC 2595 section 4", SOURCE_PRIMARY},
                       {"RFC 3207 section 4.2", SOURCE_PRIMARY}},
        .judge = judge_capabilities,
    },
    {
        .id = "TLS-CONFIG-DIFFERS",
        .severity = SEVERITY_LOW,
        .title = "TLS is configured otherwise than on the port for implicit TLS",
        .description = "The accepted versions or the certificate differ between the two ports of "
                       "this service. The weaker one decides (medium if it is SSL 2.0 or 3.0, "
                       "which may endanger the other). Not judged for port 25, which may be more "
                       "lenient.",
        .remediation = "Configure TLS once for all listeners of a service.",
        .references = {{"RFC 9325 section 3.9", SOURCE_PRIMARY}},
        .judge = judge_configuration,
    },
    {
        .id = "OPOSSUM-PRECONDITION",
        .severity = SEVERITY_INFO,
        .title = "The same certificate serves with the upgrade and with implicit TLS",
        .description =
            "Somebody on the way can join a client of the one port with the server of the other, "
            "so that answers shift by one. It takes the same certificate on both, as almost every "
            "mail server has it: a fact for the record, and no fault. Not so where both ports "
            "refuse a hello for another protocol (ALPN).",
        .remediation = "Serve implicit TLS only, or use servers and clients that go by ALPN.",
        .references = {{"CVE-2025-49812", SOURCE_PRIMARY},
                       {"RFC 9325 section 3.8", SOURCE_PRIMARY},
                       {"RFC 9325 section 3.9", SOURCE_PRIMARY}},
        .judge = judge_opossum,
    },
    {
        .id = "EXPECTED-SERVICE-SILENT",
        .severity = SEVERITY_MEDIUM,
        .title = "A service that is expected there does not answer",
        .description =
            "The target's label expect= says that this service is to be had there, and it is not: "
            "the port is closed, silent or out of reach, something else speaks there, or the name "
            "has no address. So nobody can use it, and nothing of it could be audited. Where only "
            "a "
            "protocol is expected, one port of it that answers is enough, and the finding stands "
            "at the first of them. A silence may be a filter on our way: only a closed port is "
            "confirmed. Who turns us away or hangs up is not taken for silent.",
        .remediation = "Start the service again, or open the way to it from here; if it is gone "
                       "for good, take it out of the target's label expect=.",
        .references = {{"the target's label expect=", SOURCE_PRIMARY}},
        .judge = judge_expected,
    },
    {0},
};
