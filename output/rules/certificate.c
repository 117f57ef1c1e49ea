/* SPDX-License-Identifier: MIT */
/*
 * certificate.c: the rules about certificates and chains.
 *
 * Each names a defect of its own. Verification fails for many reasons at once: dates, a weak
 * signature, a certificate that signed itself and a chain with a gap have their rules, and
 * CERT-UNTRUSTED is about what is left. Of what was sent behind the server's own certificate only
 * what leads on from it counts.
 */
#include "output/rules/rule.h"

#include <stdio.h>

#include "output/record.h"
#include "scanner/targets.h"

#define HOUR ((int64_t)60 * 60)
#define DAY (24 * HOUR)

/* --- what there is to look at ----------------------------------------------------------------- */

/* The server's own certificate. NULL: *verdict says what that makes of a rule about it. */
static const struct certificate *leaf_of(const struct subject *s, struct evidence *e,
                                         enum verdict *verdict)
{
    const struct observation *o = s->o;
    if (!subject_has_tls(s, e, verdict))
        return NULL;
    if (!observation_knows(o, FACT_CERTIFICATE)) {
        *verdict = verdict_unknown(o, FACT_CERTIFICATE, e);
    } else if (!o->tls.chain.count) {
        *verdict = VERDICT_NOT_APPLICABLE;
    } else {
        return &o->tls.chain.certificates[0];
    }
    return NULL;
}

static enum verdict unreadable(struct evidence *e)
{
    return verdict_without(VERDICT_INCONCLUSIVE, cause_name(CAUSE_UNREADABLE), e);
}

static enum verdict limited(struct evidence *e)
{
    return verdict_without(VERDICT_INCONCLUSIVE, cause_name(CAUSE_LIMIT), e);
}

/* The same for rules that need this of it. */
static const struct certificate *leaf_with(const struct subject *s, enum certificate_field field,
                                           struct evidence *e, enum verdict *verdict)
{
    const struct certificate *leaf = leaf_of(s, e, verdict);
    if (leaf && !certificate_knows(leaf, field)) {
        *verdict = unreadable(e);
        return NULL;
    }
    return leaf;
}

/* The same for rules that need the chain to have been verified. */
static const struct certificate *verified_leaf(const struct subject *s, struct evidence *e,
                                               enum verdict *verdict)
{
    const struct certificate *leaf = leaf_of(s, e, verdict);
    if (leaf && !observation_knows(s->o, FACT_VERIFY)) {
        *verdict = verdict_unknown(s->o, FACT_VERIFY, e);
        return NULL;
    }
    return leaf;
}

/* The same for rules that need to know whether it is trusted. */
static const struct certificate *judged_leaf(const struct subject *s, struct evidence *e,
                                             enum verdict *verdict)
{
    const struct certificate *leaf = verified_leaf(s, e, verdict);
    if (leaf && s->o->tls.verification.unknown != CAUSE_NONE) {
        *verdict =
            verdict_without(VERDICT_INCONCLUSIVE, cause_name(s->o->tls.verification.unknown), e);
        return NULL;
    }
    return leaf;
}

static bool has_error(const struct observation *o, const char *error)
{
    return observation_knows(o, FACT_VERIFY) && list_has(&o->tls.verification.errors, error);
}

/* By name: that is all there is of the ones behind the first. */
static bool is_issuer(const struct certificate *issuer, const struct certificate *c)
{
    return issuer->subject.data && c->issuer.data &&
           strcmp(issuer->subject.data, c->issuer.data) == 0;
}

/* A name that was cut, or that cannot be read, tells nothing of who issued what. */
static bool is_named(const struct certificate *c)
{
    return certificate_knows(c, CERTIFICATE_SUBJECT) && certificate_knows(c, CERTIFICATE_ISSUER) &&
           certificate_knows(c, CERTIFICATE_SELF_SIGNED) && !c->subject.lossy && !c->issuer.lossy;
}

/* Are all certificates there, and do their names tell how they belong together? */
static enum verdict doubt_chain(const struct chain *chain, struct evidence *e)
{
    for (size_t i = 0; i < chain->count; i++)
        if (!is_named(&chain->certificates[i]))
            return unreadable(e);
    return chain->cut ? limited(e) : VERDICT_PASS;
}

/* The certificate that was sent of the issuer of this one; NULL: none was. */
static const struct certificate *issuer_sent(const struct chain *chain, const struct certificate *c)
{
    for (size_t i = 0; i < chain->count && !c->self_signed; i++)
        if (&chain->certificates[i] != c && is_issuer(&chain->certificates[i], c))
            return &chain->certificates[i];
    return NULL;
}

/* Is there one of whom it is not known whose issuer it is? */
static bool has_stranger(const struct chain *chain)
{
    for (size_t i = 1; i < chain->count; i++)
        if (!is_named(&chain->certificates[i]))
            return true;
    return chain->cut;
}

typedef bool weakness(const struct certificate *);

/* The first weak one on the way from the server's own up to the root; what roots sign of
   themselves does not count, and it is nobody's business how their keys are kept. */
static const struct certificate *weak_one(const struct chain *chain, size_t max, weakness *is_weak)
{
    const struct certificate *c = chain->certificates;
    for (size_t i = 0; i < max && i < chain->count && c; i++) {
        if (is_weak(c) && (i == 0 || !c->self_signed))
            return c;
        c = issuer_sent(chain, c);
    }
    return NULL;
}

static void note_certificate(struct evidence *e, const struct observation *o,
                             const struct certificate *c)
{
    evidence_text(e, "certificate", c == o->tls.chain.certificates ? "server" : "issuer");
    evidence_text(e, "subject", c->subject.data);
}

static void note_date(struct evidence *e, const char *name, int64_t when)
{
    char text[RECORD_TIME_SIZE];
    if (record_time(when * 1000, false, text))
        evidence_format(e, name, "%s", text);
}

/* --- dates ------------------------------------------------------------------------------------ */

/* It weighs most where people log in: they are the ones that see the warning. */
static void weigh_date(const struct subject *s, struct evidence *e, bool expired)
{
    evidence_on_mx(e, s, SEVERITY_MEDIUM);
    if (expired && (s->role == ROLE_ACCESS || s->role == ROLE_SUBMISSION)) {
        e->severity = SEVERITY_CRITICAL;
        evidence_text(e, "role", role_name(s->role));
    }
}

/* The clocks may differ by so much. */
static void doubt_clocks(struct evidence *e, int64_t distance)
{
    if (distance <= HOUR)
        e->confidence = CONFIDENCE_PROBABLE;
}

/* No date is known to be wrong: of the path only if it is known which one it is. */
static enum verdict pass_of_path(const struct observation *o, struct evidence *e)
{
    enum cause unknown = o->tls.verification.unknown;
    return observation_knows(o, FACT_VERIFY) && unknown != CAUSE_NONE
               ? verdict_without(VERDICT_INCONCLUSIVE, cause_name(unknown), e)
               : VERDICT_PASS;
}

static enum verdict judge_expired(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_with(s, CERTIFICATE_NOT_AFTER, e, &verdict);
    if (!leaf)
        return verdict;
    bool itself = s->now > leaf->not_after;
    if (!itself && !has_error(s->o, "expired"))
        return pass_of_path(s->o, e);
    evidence_text(e, "certificate", itself ? "server" : "issuer");
    if (itself) {
        note_date(e, "not_after", leaf->not_after);
        evidence_number(e, "days_ago", (s->now - leaf->not_after) / DAY);
        doubt_clocks(e, s->now - leaf->not_after);
    }
    weigh_date(s, e, true);
    return VERDICT_FAIL;
}

static enum verdict judge_not_yet_valid(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_with(s, CERTIFICATE_NOT_BEFORE, e, &verdict);
    if (!leaf)
        return verdict;
    bool itself = s->now < leaf->not_before;
    if (!itself && !has_error(s->o, "not_yet_valid"))
        return pass_of_path(s->o, e);
    evidence_text(e, "certificate", itself ? "server" : "issuer");
    if (itself) {
        note_date(e, "not_before", leaf->not_before);
        doubt_clocks(e, leaf->not_before - s->now);
    }
    weigh_date(s, e, false);
    return VERDICT_FAIL;
}

/* Both ends count. */
static int64_t lifetime_of(const struct certificate *c)
{
    return c->not_after - c->not_before + 1;
}

static enum verdict judge_expires_soon(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_with(s, CERTIFICATE_NOT_AFTER, e, &verdict);
    if (!leaf)
        return verdict;
    bool begins = certificate_knows(leaf, CERTIFICATE_NOT_BEFORE);
    int64_t left = leaf->not_after - s->now;
    if (left < 0)
        return VERDICT_NOT_APPLICABLE; /* CERT-EXPIRED */
    if (left >= 30 * DAY || (begins && 3 * left >= lifetime_of(leaf)))
        return VERDICT_PASS;
    if (!begins)
        return unreadable(e);
    evidence_number(e, "days_left", left / DAY);
    note_date(e, "not_after", leaf->not_after);
    evidence_number(e, "lifetime_days", lifetime_of(leaf) / DAY);
    evidence_on_mx(e, s, SEVERITY_LOW);
    return VERDICT_FAIL;
}

/* --- names ------------------------------------------------------------------------------------ */

static enum verdict judge_name(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = verified_leaf(s, e, &verdict);
    const char *name = s->host->target->name;
    char text[ADDRESS_TEXT_MAX];

    if (!leaf)
        return verdict;
    if (s->o->tls.verification.name_match == TRI_YES)
        return VERDICT_PASS;
    if (!certificate_knows(leaf, CERTIFICATE_NAMES))
        return unreadable(e);
    if (s->o->tls.verification.name_match == TRI_UNKNOWN)
        return verdict_without(VERDICT_NOT_TESTED, "no_ip_san", e);
    evidence_format(e, "expected", "%s", name ? name : address_format(&s->host->address, text));
    evidence_list(e, "san_dns", &leaf->names);
    evidence_list(e, "san_ip", &leaf->addresses);
    if (!name) /* few certificates are meant for addresses */
        e->confidence = CONFIDENCE_PROBABLE;
    evidence_on_mx(e, s, SEVERITY_INFO);
    return VERDICT_FAIL;
}

static enum verdict judge_no_san(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_with(s, CERTIFICATE_NAMES, e, &verdict);
    if (!leaf)
        return verdict;
    if (leaf->names.count || leaf->addresses.count)
        return VERDICT_PASS;
    if (leaf->names.lossy || leaf->addresses.lossy)
        return limited(e); /* one that is no name at all */
    evidence_text(e, "subject", leaf->subject.data);
    evidence_on_mx(e, s, SEVERITY_INFO);
    return VERDICT_FAIL;
}

static enum verdict judge_wildcard(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_with(s, CERTIFICATE_NAMES, e, &verdict);
    if (!leaf)
        return verdict;
    for (size_t i = 0; i < leaf->names.count; i++)
        if (strncmp(leaf->names.items[i], "*.", 2) == 0) {
            evidence_text(e, "name", leaf->names.items[i]);
            return VERDICT_FAIL;
        }
    return leaf->names.full || leaf->names.lossy ? limited(e) : VERDICT_PASS;
}

/* --- keys and signatures ---------------------------------------------------------------------- */

#define RSA_BITS_MIN 2048U
#define CURVE_BITS_MIN 224U

static bool has_weak_key(const struct certificate *c)
{
    bool known = certificate_knows(c, CERTIFICATE_KEY_BITS);
    bool rsa = strncmp(c->key_algorithm, "rsa", 3) == 0 || strcmp(c->key_algorithm, "dsa") == 0;
    bool curve = strcmp(c->key_algorithm, "ec") == 0;
    return known && c->key_bits &&
           ((rsa && c->key_bits < RSA_BITS_MIN) || (curve && c->key_bits < CURVE_BITS_MIN));
}

/* A certificate that signed itself is believed, or not, for other reasons than its signature. */
static bool has_md_signature(const struct certificate *c)
{
    return certificate_knows(c, CERTIFICATE_SELF_SIGNED) && !c->self_signed &&
           (strstr(c->signature_algorithm, "MD5") || strstr(c->signature_algorithm, "MD2"));
}

static bool has_weak_signature(const struct certificate *c)
{
    return has_md_signature(c) || (certificate_knows(c, CERTIFICATE_SELF_SIGNED) &&
                                   !c->self_signed && strstr(c->signature_algorithm, "SHA1"));
}

static const struct certificate *weak_key(const struct observation *o)
{
    return weak_one(&o->tls.chain, CHAIN_MAX, has_weak_key);
}

/* Is there one on the way that may be weak, as it is not known? It may also be missing: then the
   way is not known. */
static bool may_be_weak(const struct chain *chain, size_t max, enum certificate_field field)
{
    const struct certificate *c = chain->certificates;
    for (size_t i = 0; i < max && i < chain->count && c; i++) {
        if (!certificate_knows(c, field) && (i == 0 || !c->self_signed))
            return true;
        if (max > 1 && !is_named(c))
            return true;
        const struct certificate *next = issuer_sent(chain, c);
        if (!next && max > 1 && i + 1 < max && !c->self_signed && has_stranger(chain))
            return true;
        c = next;
    }
    return false;
}

/* How many on the way that was sent are looked at. */
static size_t signatures_of(const struct observation *o)
{
    return observation_knows(o, FACT_VERIFY) && o->tls.verification.trusted ? 1 : CHAIN_MAX;
}

/* A chain that was found good has no weak signature on its way to the root, which may be another
   one than the way that was sent. */
static const struct certificate *weak_signature(const struct observation *o)
{
    return weak_one(&o->tls.chain, signatures_of(o), has_weak_signature);
}

static enum verdict judge_key(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_of(s, e, &verdict);
    if (!leaf)
        return verdict;
    const struct certificate *weak = weak_key(s->o);
    if (!weak && certificate_knows(leaf, CERTIFICATE_KEY) &&
        is_unnamed_algorithm(leaf->key_algorithm))
        return verdict_without(VERDICT_INCONCLUSIVE, "unknown_algorithm", e);
    if (!weak)
        return may_be_weak(&s->o->tls.chain, CHAIN_MAX, CERTIFICATE_KEY_BITS) ? unreadable(e)
                                                                              : VERDICT_PASS;
    note_certificate(e, s->o, weak);
    evidence_text(e, "key_algorithm", weak->key_algorithm);
    evidence_number(e, "key_bits", weak->key_bits);
    return VERDICT_FAIL;
}

static enum verdict judge_signature(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_of(s, e, &verdict);
    if (!leaf)
        return verdict;
    const struct certificate *weak = weak_signature(s->o);
    if (!weak && certificate_knows(leaf, CERTIFICATE_SELF_SIGNED) && leaf->self_signed)
        return VERDICT_PASS;
    if (!weak && certificate_knows(leaf, CERTIFICATE_SIGNATURE) &&
        is_unnamed_algorithm(leaf->signature_algorithm))
        return verdict_without(VERDICT_INCONCLUSIVE, "unknown_algorithm", e);
    if (!weak)
        return may_be_weak(&s->o->tls.chain, signatures_of(s->o), CERTIFICATE_SIGNATURE)
                   ? unreadable(e)
                   : VERDICT_PASS;
    if (has_md_signature(weak))
        e->severity = SEVERITY_CRITICAL;
    note_certificate(e, s->o, weak);
    evidence_text(e, "signature_algorithm", weak->signature_algorithm);
    return VERDICT_FAIL;
}

/* Does the server sign its key exchanges (ECDHE, DHE, TLS 1.3)? */
static bool signs(const struct observation *o)
{
    for (int v = VERSION_SSL3; v < VERSION_COUNT; v++) {
        const struct version_fact *fact = &o->tls.versions[v];
        const char *name = suite_name(fact->suite);
        if (fact->status == VERSION_ACCEPTED &&
            (v == VERSION_TLS13 || (name && (strstr(name, "_DHE_") || strstr(name, "_ECDHE_")))))
            return true;
    }
    return false;
}

static enum verdict judge_usage(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_of(s, e, &verdict);
    if (!leaf)
        return verdict;
    bool all = certificate_knows(leaf, CERTIFICATE_PURPOSES) && !leaf->purposes.full &&
               !leaf->purposes.lossy;
    bool purpose = !all || !leaf->purposes.count || list_has(&leaf->purposes, "serverAuth") ||
                   list_has(&leaf->purposes, "anyExtendedKeyUsage");
    bool usage = !leaf->key_usage.count || list_has(&leaf->key_usage, "digitalSignature");
    if (!purpose)
        evidence_list(e, "extended_key_usage", &leaf->purposes);
    if (!usage && signs(s->o))
        evidence_list(e, "key_usage", &leaf->key_usage);
    if (!purpose || (!usage && signs(s->o)))
        return VERDICT_FAIL;
    if (!certificate_knows(leaf, CERTIFICATE_KEY_USAGE) ||
        !certificate_knows(leaf, CERTIFICATE_PURPOSES))
        return unreadable(e);
    bool named =
        list_has(&leaf->purposes, "serverAuth") || list_has(&leaf->purposes, "anyExtendedKeyUsage");
    return all || named ? VERDICT_PASS : limited(e);
}

/* --- trust ------------------------------------------------------------------------------------ */

/* Nothing leads on from the server's own certificate, and it says where its issuer is to be had. */
static bool has_gap(const struct observation *o)
{
    const struct certificate *leaf = o->tls.chain.certificates;
    return has_error(o, "unknown_issuer") && certificate_knows(leaf, CERTIFICATE_ACCESS) &&
           leaf->issuer_url && !leaf->self_signed && !issuer_sent(&o->tls.chain, leaf);
}

/* Is this error another rule's? */
static bool is_covered(const struct observation *o, const char *error)
{
    if (strcmp(error, "insecure_algorithm") == 0)
        return weak_signature(o) || weak_key(o);
    if (strcmp(error, "unknown_issuer") == 0)
        return has_gap(o);
    return strcmp(error, "expired") == 0 || strcmp(error, "not_yet_valid") == 0 ||
           strcmp(error, "self_signed") == 0 || strcmp(error, "revoked") == 0;
}

static enum verdict judge_trust(const struct subject *s, struct evidence *e)
{
    const struct verification *v = &s->o->tls.verification;
    enum verdict verdict;

    if (!judged_leaf(s, e, &verdict))
        return verdict;
    if (v->trusted)
        return VERDICT_PASS;
    bool covered = true;
    for (size_t i = 0; i < v->errors.count; i++)
        covered = is_covered(s->o, v->errors.items[i]) && covered;
    if (covered && has_gap(s->o))
        return verdict_without(VERDICT_INCONCLUSIVE, "chain_incomplete", e);
    if (covered)
        return VERDICT_NOT_APPLICABLE;
    evidence_list(e, "errors", &v->errors);
    evidence_text(e, "issuer", s->o->tls.chain.certificates[0].issuer.data);
    evidence_text(e, "roots", v->own_roots ? "file" : "system");
    evidence_on_mx(e, s, SEVERITY_INFO);
    return VERDICT_FAIL;
}

static enum verdict judge_self_signed(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = judged_leaf(s, e, &verdict);
    if (!leaf)
        return verdict;
    if (!has_error(s->o, "self_signed"))
        return VERDICT_PASS;
    evidence_text(e, "subject", leaf->subject.data);
    evidence_text(e, "roots", s->o->tls.verification.own_roots ? "file" : "system");
    evidence_on_mx(e, s, SEVERITY_LOW);
    return VERDICT_FAIL;
}

static enum verdict judge_gap(const struct subject *s, struct evidence *e)
{
    const struct chain *chain = &s->o->tls.chain;
    enum verdict verdict;
    const struct certificate *leaf = judged_leaf(s, e, &verdict), *last = leaf;

    if (!leaf)
        return verdict;
    if (!has_error(s->o, "unknown_issuer"))
        return VERDICT_PASS;
    if (doubt_chain(chain, e) != VERDICT_PASS)
        return doubt_chain(chain, e);
    for (size_t i = 0; i < chain->count && issuer_sent(chain, last); i++)
        last = issuer_sent(chain, last);
    if (last->self_signed)
        return VERDICT_PASS; /* up to a root, though one that nobody knows here */
    if (!certificate_knows(leaf, CERTIFICATE_ACCESS))
        return unreadable(e);
    if (!has_gap(s->o))
        return verdict_without(VERDICT_INCONCLUSIVE, "unknown_issuer", e);
    e->confidence = CONFIDENCE_PROBABLE;
    evidence_text(e, "issuer", leaf->issuer.data);
    evidence_number(e, "sent", (int64_t)chain->count);
    evidence_on_mx(e, s, SEVERITY_INFO);
    return VERDICT_FAIL;
}

static bool has_tls12_or_less(const struct observation *o)
{
    for (int v = VERSION_SSL3; v <= VERSION_TLS12; v++)
        if (o->tls.versions[v].status != VERSION_REJECTED)
            return true;
    return false;
}

/* How many, from the server's own on, stand where they belong: each behind one that it issued. */
static size_t count_in_order(const struct chain *chain)
{
    size_t i = 1;
    while (i < chain->count && !chain->certificates[i - 1].self_signed &&
           is_issuer(&chain->certificates[i], &chain->certificates[i - 1]))
        i++;
    return i;
}

static enum verdict judge_order(const struct subject *s, struct evidence *e)
{
    const struct chain *chain = &s->o->tls.chain;
    enum verdict verdict;

    if (!leaf_of(s, e, &verdict))
        return verdict;
    size_t i = count_in_order(chain);
    if (doubt_chain(chain, e) != VERDICT_PASS)
        return doubt_chain(chain, e);
    if (i == chain->count)
        return VERDICT_PASS;
    if (!has_tls12_or_less(s->o))
        e->severity = SEVERITY_INFO;
    evidence_number(e, "position", (int64_t)(i + 1));
    evidence_text(e, "subject", chain->certificates[i].subject.data);
    return VERDICT_FAIL;
}

/* RFC 5246 section 7.4.2 lets the root be left out, and does not ask for it. */
static enum verdict judge_root_sent(const struct subject *s, struct evidence *e)
{
    const struct chain *chain = &s->o->tls.chain;
    enum verdict verdict;

    if (!leaf_of(s, e, &verdict))
        return verdict;
    const struct certificate *last = &chain->certificates[count_in_order(chain) - 1];
    if (last == chain->certificates || !last->self_signed)
        return doubt_chain(chain, e);
    evidence_text(e, "subject", last->subject.data);
    return VERDICT_FAIL;
}

/* No network: unless the verification was given a list, nothing is known. */
static enum verdict judge_revoked(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!verified_leaf(s, e, &verdict))
        return verdict;
    return has_error(s->o, "revoked")
               ? VERDICT_FAIL
               : verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

/* --- what public authorities promise ---------------------------------------------------------- */

/* The certificate of an authority that the system knows. Nobody says whether it is a public one. */
static const struct certificate *public_leaf(const struct subject *s, struct evidence *e,
                                             enum verdict *verdict)
{
    const struct verification *v = &s->o->tls.verification;
    const struct certificate *leaf = judged_leaf(s, e, verdict);
    if (leaf && (!v->trusted || v->own_roots)) {
        *verdict = VERDICT_NOT_APPLICABLE;
        return NULL;
    }
    e->confidence = CONFIDENCE_PROBABLE;
    return leaf;
}

/* The longest life of a certificate of that first day; 0: before there was a limit that matters
 * now. */
static int days_allowed(int64_t not_before)
{
    static const struct {
        int64_t from;
        int days;
    } limits[] = {
        {1868227200, 47},  /* 2029-03-15 */
        {1805068800, 100}, /* 2027-03-15 */
        {1773532800, 200}, /* 2026-03-15 */
        {1598918400, 398}, /* 2020-09-01 */
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (not_before >= limits[i].from)
            return limits[i].days;
    return 0;
}

static enum verdict judge_lifetime(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = public_leaf(s, e, &verdict);
    if (!leaf)
        return verdict;
    if (!certificate_knows(leaf, CERTIFICATE_NOT_BEFORE) ||
        !certificate_knows(leaf, CERTIFICATE_NOT_AFTER))
        return unreadable(e);
    int days = days_allowed(leaf->not_before);
    if (!days)
        return VERDICT_NOT_APPLICABLE;
    if (lifetime_of(leaf) <= days * DAY)
        return VERDICT_PASS;
    evidence_number(e, "lifetime_days", (lifetime_of(leaf) + DAY - 1) / DAY);
    evidence_number(e, "allowed_days", days);
    note_date(e, "not_before", leaf->not_before);
    return VERDICT_FAIL;
}

static enum verdict judge_timestamps(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = public_leaf(s, e, &verdict);
    if (!leaf)
        return verdict;
    if (!certificate_knows(leaf, CERTIFICATE_TIMESTAMPS))
        return unreadable(e);
    if (!leaf->timestamped)
        evidence_truth(e, "timestamps", false);
    return verdict_of(!leaf->timestamped);
}

/* --- the rest --------------------------------------------------------------------------------- */

static enum verdict judge_form(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_with(s, CERTIFICATE_VERSION, e, &verdict);
    if (!leaf)
        return verdict;
    if (leaf->version != 3)
        evidence_number(e, "version", leaf->version);
    return verdict_of(leaf->version != 3);
}

static enum verdict judge_must_staple(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    const struct certificate *leaf = leaf_with(s, CERTIFICATE_MUST_STAPLE, e, &verdict);
    if (!leaf)
        return verdict;
    if (!leaf->must_staple)
        return VERDICT_NOT_APPLICABLE;
    if (!observation_knows(s->o, FACT_STAPLE))
        return verdict_unknown(s->o, FACT_STAPLE, e);
    if (!s->o->tls.staple) {
        evidence_truth(e, "must_staple", true);
        evidence_truth(e, "ocsp_staple", false);
    }
    return verdict_of(!s->o->tls.staple);
}

/* --- other endpoints of the host -------------------------------------------------------------- */

/* What a comparison with other endpoints has come to so far. */
struct comparison {
    bool asked;           /* there was one to compare with            */
    enum verdict verdict; /* pass, or what is not known of one        */
    const char *reason;
};

static void doubt(struct comparison *c, enum cause why)
{
    bool unasked = why == CAUSE_NOT_ASKED;
    if (c->verdict == VERDICT_INCONCLUSIVE)
        return;
    c->verdict = unasked ? VERDICT_NOT_TESTED : VERDICT_INCONCLUSIVE;
    c->reason = cause_name(why);
}

/* The certificate of another endpoint; NULL: it has none, or it is not known which. */
static const struct certificate *compare_with(struct comparison *c, const struct observation *other)
{
    c->asked = true;
    if (other->status == STATUS_CLOSED ||
        (observation_knows(other, FACT_TLS) && other->tls.refused))
        return NULL;
    if (!observation_knows(other, FACT_TLS) || !observation_knows(other, FACT_CERTIFICATE)) {
        doubt(c, observation_knows(other, FACT_TLS) ? other->why[FACT_CERTIFICATE]
                                                    : other->why[FACT_TLS]);
        return NULL;
    }
    return other->tls.chain.count ? other->tls.chain.certificates : NULL;
}

static enum verdict conclude(const struct comparison *c, struct evidence *e)
{
    if (!c->asked)
        return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
    return c->verdict == VERDICT_PASS ? VERDICT_PASS : verdict_without(c->verdict, c->reason, e);
}

static void note_endpoint(struct evidence *e, const struct observation *o)
{
    evidence_format(e, "endpoint", "%s:%u", o->service->protocol->name, (unsigned)o->service->port);
}

static enum verdict judge_shared_key(const struct subject *s, struct evidence *e)
{
    struct comparison comparison = {.verdict = VERDICT_PASS};
    enum verdict verdict;
    const struct certificate *leaf = leaf_with(s, CERTIFICATE_SPKI, e, &verdict);

    if (!leaf)
        return verdict;
    for (size_t i = 0; i < s->host->count; i++) {
        const struct observation *other = &s->host->endpoints[i];
        const struct certificate *c = other == s->o ? NULL : compare_with(&comparison, other);
        if (c && !certificate_knows(c, CERTIFICATE_SPKI)) {
            doubt(&comparison, CAUSE_UNREADABLE);
            continue;
        }
        if (!c || memcmp(c->spki_sha256, leaf->spki_sha256, sizeof c->spki_sha256) != 0)
            continue;
        for (int v = VERSION_SSL2; v <= VERSION_SSL3; v++) {
            const struct version_fact *fact = &other->tls.versions[v];
            if (fact->status == VERSION_ACCEPTED) {
                note_endpoint(e, other);
                evidence_text(e, "version", version_title((enum version)v));
                return VERDICT_FAIL;
            }
            if (fact->status != VERSION_REJECTED)
                doubt(&comparison, fact->reason);
        }
    }
    return conclude(&comparison, e);
}

static bool is_ftp(const struct observation *o)
{
    return o->service->protocol == &protocol_ftp;
}

static enum verdict judge_shared_certificate(const struct subject *s, struct evidence *e)
{
    struct comparison comparison = {.verdict = VERDICT_PASS};
    enum verdict verdict;
    const struct certificate *leaf = leaf_of(s, e, &verdict);

    if (!leaf)
        return verdict;
    for (size_t i = 0; i < s->host->count; i++) {
        const struct observation *other = &s->host->endpoints[i];
        if (is_ftp(other) == is_ftp(s->o))
            continue;
        const struct certificate *c = compare_with(&comparison, other);
        if (c && memcmp(c->sha256, leaf->sha256, sizeof c->sha256) == 0) {
            note_endpoint(e, other);
            return VERDICT_FAIL;
        }
    }
    return conclude(&comparison, e);
}

/* --- the table -------------------------------------------------------------------------------- */

#define MX_INFO                                                                                    \
    " On port 25 (mx) it is info: senders there do not look at it, unless MTA-STS or DANE asks "   \
    "them to."

const struct rule rules_certificate[] = {
    {"CERT-EXPIRED",
     SEVERITY_HIGH,
     "The certificate has expired",
     "The end of the certificate's validity, or of an issuer's or the root's, lies before "
     "the time of the scan. Clients warn or refuse, and people learn to click warnings away. "
     "Critical where people log in; medium on port 25 (mx), where most senders do not look, and "
     "those that follow DANE-EE need not. Within an hour of the end it is probable only: clocks "
     "differ.",
     "Renew the certificate, and let that happen by itself from now on (ACME); restart or reload "
     "the service afterwards, which is what is forgotten most often.",
     {{"RFC 8314 section 4.4", SOURCE_PRIMARY},
      {"PCI DSS 4.0.1 requirement 4.2.1", SOURCE_SECOND_HAND},
      {"RFC 7672 section 3.1.1", SOURCE_MEMORY}},
     judge_expired},
    {"CERT-NOT-YET-VALID",
     SEVERITY_HIGH,
     "The certificate is not valid yet",
     "The begin of the certificate's validity, or of an issuer's or the root's, lies after "
     "the time of the scan. Medium on port 25 (mx). Within an hour of the begin it is probable "
     "only: clocks differ.",
     "Install a certificate that is valid now; check the clock of the machine that made it.",
     {{"RFC 8314 section 4.4", SOURCE_PRIMARY},
      {"PCI DSS 4.0.1 requirement 4.2.1", SOURCE_SECOND_HAND}},
     judge_not_yet_valid},
    {"CERT-EXPIRES-SOON",
     SEVERITY_MEDIUM,
     "The certificate expires soon",
     "Less than 30 days and less than a third of the certificate's life are left, so that its "
     "renewal is late, also by the habits of those who renew automatically. Low on port 25 (mx). "
     "It "
     "does not apply once it has expired.",
     "Renew the certificate, and find out why that did not happen by itself.",
     {{"RFC 8314 section 4.4", SOURCE_PRIMARY}},
     judge_expires_soon},
    {"CERT-NAME-MISMATCH",
     SEVERITY_HIGH,
     "The certificate is for another name",
     "None of the certificate's names is the one by which the server was reached. Clients warn or "
     "refuse. A target that was given as an address is compared with the addresses in the "
     "certificate, and not tested if there are none; names that the certificate binds to a service "
     "(SRV) are not looked at." MX_INFO,
     "Have a certificate issued for the names that clients are told to use; for a server of many "
     "names, one certificate a name (SNI).",
     {{"RFC 7817 section 3", SOURCE_PRIMARY},
      {"RFC 9525 section 6", SOURCE_PRIMARY},
      {"RFC 8461 section 4.2", SOURCE_SECOND_HAND}},
     judge_name},
    {"CERT-NO-SAN",
     SEVERITY_MEDIUM,
     "The certificate has no subjectAltName",
     "Neither a DNS name nor an address is in subjectAltName. The common name, the old place for "
     "it, is not looked at by current clients (RFC 7817 still lets mail clients use it, RFC 9525 "
     "does not)." MX_INFO,
     "Have the certificate reissued with its names as subjectAltName.",
     {{"RFC 9525 section 2", SOURCE_PRIMARY}, {"RFC 7817 section 3", SOURCE_PRIMARY}},
     judge_no_san},
    {"CERT-WILDCARD",
     SEVERITY_INFO,
     "The certificate is a wildcard",
     "One of the certificate's names stands for all names of a domain: whoever has its key can be "
     "any of these servers.",
     "Where servers are run by different people or differ in risk, give each its own certificate.",
     {{"RFC 9525 section 6.3", SOURCE_PRIMARY}, {"RFC 7817 section 3", SOURCE_PRIMARY}},
     judge_wildcard},
    {"CERT-UNTRUSTED",
     SEVERITY_HIGH,
     "The certificate does not lead to a trusted root",
     "The chain that was sent leads to no root of the scanning system, or of the file given with "
     "--ca-file, or something on the way forbids it; the evidence has the errors. Dates, weak "
     "signatures and certificates that signed themselves have rules of their own: if they are all "
     "that is wrong, this does not apply. If the server's certificate came alone and names where "
     "its issuer can be had, it is inconclusive, see CERT-CHAIN-INCOMPLETE." MX_INFO,
     "Use a certificate of an authority that the clients trust. If that is a private one, give its "
     "root to the scan with --ca-file.",
     {{"RFC 8314 section 4.4", SOURCE_PRIMARY},
      {"RFC 7817 section 3", SOURCE_PRIMARY},
      {"RFC 8461 section 4.2", SOURCE_SECOND_HAND},
      {"PCI DSS 4.0.1 requirement 4.2.1", SOURCE_SECOND_HAND}},
     judge_trust},
    {"CERT-SELF-SIGNED",
     SEVERITY_HIGH,
     "The certificate signed itself",
     "Nobody vouches for the certificate, and it is none of the trusted roots: an attacker on the "
     "way can show one just like it. Low on port 25 (mx), where senders take any certificate, and "
     "with DANE-EE it is fully valid.",
     "Use a certificate of an authority that the clients trust. If clients are set up to know this "
     "very certificate, give it to the scan with --ca-file.",
     {{"RFC 8314 section 4.4", SOURCE_PRIMARY},
      {"RFC 7817 section 3", SOURCE_PRIMARY},
      {"PCI DSS 4.0.1 requirement 4.2.1", SOURCE_SECOND_HAND}},
     judge_self_signed},
    {"CERT-CHAIN-INCOMPLETE",
     SEVERITY_MEDIUM,
     "An intermediate certificate is probably missing",
     "The issuer of the server's certificate is not known here and was not sent, though the "
     "certificate names where it can be had. Clients that neither fetch nor remember it, which is "
     "most mail programs, do not trust the server. It is probable only: the issuer may also be a "
     "private root, which --ca-file makes known. Without that place, or further up the chain, it "
     "is "
     "inconclusive." MX_INFO,
     "Let the server send the intermediate certificates behind its own (the fullchain file).",
     {{"RFC 8446 section 4.4.2 (obsoleted by RFC 9846)", SOURCE_PRIMARY},
      {"RFC 5246 section 7.4.2", SOURCE_PRIMARY},
      {"RFC 5280 section 6", SOURCE_MEMORY}},
     judge_gap},
    {"CERT-CHAIN-ORDER",
     SEVERITY_LOW,
     "The certificates are not sent in order",
     "A certificate is not that of the issuer of the one before it: out of order, or not needed. "
     "Up to TLS 1.2 the order is prescribed, and some clients insist on it. Where TLS 1.3 is the "
     "only version it is info.",
     "Send the server's certificate first, then each issuer's.",
     {{"RFC 5246 section 7.4.2", SOURCE_PRIMARY},
      {"RFC 8446 section 4.4.2 (obsoleted by RFC 9846)", SOURCE_PRIMARY}},
     judge_order},
    {"CERT-ROOT-SENT",
     SEVERITY_INFO,
     "The root is sent with the chain",
     "The chain ends with a certificate that signed itself. Clients have it, or do not trust it: "
     "it "
     "only makes each handshake longer.",
     "Leave the root out of the file of certificates.",
     {{"RFC 5246 section 7.4.2", SOURCE_PRIMARY}},
     judge_root_sent},
    {"CERT-WEAK-KEY",
     SEVERITY_HIGH,
     "A key is too short",
     "The key of the server's certificate, or of an issuer's that was sent with it, is weaker than "
     "2048 bits (RSA, DSA) or 224 bits (elliptic curves). A root's own key is not looked at.",
     "Have a certificate issued for a new key: ECDSA with P-256, or RSA with 3072 bits.",
     {{"RFC 9325 section 4.5", SOURCE_PRIMARY}},
     judge_key},
    {"CERT-WEAK-SIGNATURE",
     SEVERITY_HIGH,
     "A certificate is signed with SHA-1 or MD5",
     "The server's certificate, or an issuer's that was sent with it, is signed over a hash for "
     "which collisions are made in practice: there may be a second certificate with that "
     "signature. "
     "Critical for MD5 and MD2. What a certificate signed of itself is not looked at.",
     "Have the certificate reissued with SHA-256.",
     {{"RFC 9325 section 4.5", SOURCE_PRIMARY}, {"RFC 9155", SOURCE_MEMORY}},
     judge_signature},
    {"CERT-REVOKED",
     SEVERITY_CRITICAL,
     "The certificate was revoked",
     "Whether the issuer has taken the certificate back. Neither OCSP nor revocation lists are "
     "fetched, so this is not tested.",
     "Ask the responder or the list that the certificate names; replace the certificate and its "
     "key if it was revoked.",
     {{"PCI DSS 4.0.1 requirement 4.2.1", SOURCE_SECOND_HAND},
      {"RFC 9325 section 7.5", SOURCE_PRIMARY}},
     judge_revoked},
    {"CERT-KEY-USAGE",
     SEVERITY_MEDIUM,
     "The certificate is not for TLS servers",
     "The certificate restricts what it is for, and leaves out what it is used for here: "
     "serverAuth "
     "in its extended key usage, or digitalSignature in its key usage while the server signs its "
     "key exchange (ECDHE, DHE, TLS 1.3). A certificate without such restrictions is for "
     "everything, and passes.",
     "Have the certificate reissued for TLS servers: digitalSignature and serverAuth.",
     {{"RFC 5280 section 4.2.1.3", SOURCE_MEMORY}, {"RFC 5280 section 4.2.1.12", SOURCE_MEMORY}},
     judge_usage},
    {"CERT-LIFETIME-LONG",
     SEVERITY_LOW,
     "The certificate is valid for too long",
     "Public authorities may issue certificates for 398 days since 2020-09-01, for 200 since "
     "2026-03-15, for 100 from 2027-03-15 and for 47 from 2029-03-15 on; both ends count. It "
     "applies to certificates that lead to a root of the system only, and is probable, since that "
     "may be a private one that was installed there.",
     "Have the certificate reissued for a shorter time, and its renewal done automatically.",
     {{"CA/Browser Forum Baseline Requirements section 6.3.2 (ballot SC-081v3)",
       SOURCE_SECOND_HAND}},
     judge_lifetime},
    {"CERT-VERSION",
     SEVERITY_MEDIUM,
     "The certificate is not of version 3",
     "Certificates before X.509 version 3 have no extensions: they can neither name a server as "
     "clients want it, nor be told from those of authorities.",
     "Have the certificate reissued by any current tool.",
     {{"RFC 5280 section 4.1.2.1", SOURCE_MEMORY}, {"NIST SP 800-52r2", SOURCE_SECOND_HAND}},
     judge_form},
    {"CERT-KEY-SHARED-WITH-WEAK",
     SEVERITY_HIGH,
     "The key is also used where SSL 2.0 or 3.0 is accepted",
     "Another endpoint of this host has a certificate with the same key and accepts SSL 2.0 or SSL "
     "3.0. Such an endpoint can be used to decrypt connections to this one (DROWN). Only endpoints "
     "of the same address are compared: what other hosts do with the key is not tested.",
     "Switch the old versions off everywhere where the key is used, or give each service a key of "
     "its own.",
     {{"RFC 9325 section 3.9", SOURCE_PRIMARY}, {"CVE-2016-0800", SOURCE_MEMORY}},
     judge_shared_key},
    {"CERT-DUP-CROSS-PROTOCOL",
     SEVERITY_INFO,
     "FTP and mail have the same certificate",
     "An attacker on the way can lead a client of one protocol to the server of the other, and the "
     "certificate does not give it away (ALPACA). Compared are the FTP and the mail endpoints of "
     "the same address.",
     "Use a certificate for each kind of service, or servers that insist on the right ALPN name.",
     {{"RFC 9325 section 3.8", SOURCE_PRIMARY},
      {"RFC 9325 section 3.9", SOURCE_PRIMARY},
      {"RFC 9525 section 2", SOURCE_PRIMARY}},
     judge_shared_certificate},
    {"CERT-MUST-STAPLE-NO-STAPLE",
     SEVERITY_MEDIUM,
     "The certificate promises a proof of its status that is not sent",
     "The certificate says that the server sends an OCSP answer along (must-staple), and it did "
     "not. Clients that know the promise refuse the connection. It does not apply to certificates "
     "without it.",
     "Switch OCSP stapling on, or have the certificate reissued without the promise.",
     {{"RFC 7633", SOURCE_MEMORY}, {"RFC 9325 section 7.5", SOURCE_PRIMARY}},
     judge_must_staple},
    {"CERT-CT-MISSING",
     SEVERITY_INFO,
     "The certificate holds no proof of having been logged",
     "The certificate leads to a root of the system, and holds no signed certificate timestamps, "
     "by which it can be told that it is in the public logs. Mail clients do not ask for them. "
     "They "
     "could also come in the handshake, where they are not asked for; so this is probable only.",
     "Have the certificate reissued by an authority that logs what it issues, as most do.",
     {{"RFC 6962", SOURCE_MEMORY}, {"NIST SP 800-52r2", SOURCE_SECOND_HAND}},
     judge_timestamps},
    {0},
};
