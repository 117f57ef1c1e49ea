/* SPDX-License-Identifier: MIT */
/* tls.c: the rules about versions of TLS, its extensions and key exchanges. */
#include "output/rules/rule.h"

#include <stdlib.h>

#define ALERT_HANDSHAKE_FAILURE 40
#define ALERT_PROTOCOL_VERSION 70
#define ALERT_INSUFFICIENT_SECURITY 71

/* --- versions --------------------------------------------------------------------------------- */

static const struct version_fact *version_of(const struct subject *s, enum version v)
{
    return &s->o->tls.versions[v];
}

static bool is_accepted(const struct subject *s, enum version v)
{
    return version_of(s, v)->status == VERSION_ACCEPTED;
}

static bool is_rejected(const struct subject *s, enum version v)
{
    return version_of(s, v)->status == VERSION_REJECTED;
}

/* Neither SSL 3.0 nor TLS below 1.3. */
static bool is_modern_alone(const struct subject *s)
{
    for (int v = VERSION_SSL3; v <= VERSION_TLS12; v++)
        if (!is_rejected(s, (enum version)v))
            return false;
    return is_accepted(s, VERSION_TLS13);
}

static void note_version(const struct subject *s, struct evidence *e, enum version v)
{
    uint32_t suite = version_of(s, v)->suite;
    evidence_text(e, "version", version_title(v));
    if (suite && suite_name(suite))
        evidence_text(e, "cipher", suite_name(suite));
}

/* A version that should not be accepted. */
static enum verdict judge_version(const struct subject *s, struct evidence *e, enum version v)
{
    enum verdict verdict;
    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (!is_accepted(s, v))
        return is_rejected(s, v) ? VERDICT_PASS : verdict_open(version_of(s, v), e);
    note_version(s, e, v);
    return VERDICT_FAIL;
}

/* An answer without a common suite is no session; it has a rule of its own. */
static enum verdict judge_ssl2(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_version(s, e, VERSION_SSL2);
    bool has_suite = version_of(s, VERSION_SSL2)->suite != 0;
    return verdict == VERDICT_FAIL ? verdict_of(has_suite) : verdict;
}

static enum verdict judge_ssl2_without_ciphers(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_version(s, e, VERSION_SSL2);
    bool has_suite = version_of(s, VERSION_SSL2)->suite != 0;
    return verdict == VERDICT_FAIL ? verdict_of(!has_suite) : verdict;
}

static enum verdict judge_ssl3(const struct subject *s, struct evidence *e)
{
    return judge_version(s, e, VERSION_SSL3);
}

static enum verdict judge_tls10(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_version(s, e, VERSION_TLS10);
    if (verdict == VERDICT_FAIL)
        evidence_on_mx(e, s, SEVERITY_LOW);
    return verdict;
}

static enum verdict judge_tls11(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_version(s, e, VERSION_TLS11);
    if (verdict == VERDICT_FAIL)
        evidence_on_mx(e, s, SEVERITY_LOW);
    return verdict;
}

static const char *highest_accepted(const struct subject *s)
{
    for (int v = VERSION_TLS13; v >= VERSION_SSL2; v--)
        if (is_accepted(s, (enum version)v))
            return version_title((enum version)v);
    return "none";
}

/* What the rejection rests on; only some proofs speak of the version for certain. */
static void note_rejection(const struct subject *s, struct evidence *e, enum version v)
{
    const struct version_fact *fact = version_of(s, v);
    bool certain = fact->proof == PROOF_CHOSE_LOWER || fact->proof == PROOF_INFERRED ||
                   (fact->proof == PROOF_ALERT && fact->alert == ALERT_PROTOCOL_VERSION);
    if (!certain)
        e->confidence = CONFIDENCE_PROBABLE;
    evidence_text(e, "rejected_by", proof_name(fact->proof));
}

static enum verdict judge_no_modern(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (is_accepted(s, VERSION_TLS12) || is_accepted(s, VERSION_TLS13))
        return VERDICT_PASS;
    if (!is_rejected(s, VERSION_TLS12))
        return verdict_open(version_of(s, VERSION_TLS12), e);
    if (!is_rejected(s, VERSION_TLS13))
        return verdict_open(version_of(s, VERSION_TLS13), e);
    evidence_text(e, "highest", highest_accepted(s));
    note_rejection(s, e, VERSION_TLS12);
    evidence_on_mx(e, s, SEVERITY_MEDIUM);
    return VERDICT_FAIL;
}

/* Where there is no TLS 1.3 either, that is the finding. */
static enum verdict judge_no_tls12(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (is_accepted(s, VERSION_TLS12))
        return VERDICT_PASS;
    if (!is_rejected(s, VERSION_TLS12))
        return verdict_open(version_of(s, VERSION_TLS12), e);
    if (is_rejected(s, VERSION_TLS13))
        return VERDICT_NOT_APPLICABLE;
    if (!is_accepted(s, VERSION_TLS13))
        return verdict_open(version_of(s, VERSION_TLS13), e);
    note_rejection(s, e, VERSION_TLS12);
    evidence_on_mx(e, s, SEVERITY_MEDIUM);
    return VERDICT_FAIL;
}

static enum verdict judge_no_tls13(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (is_accepted(s, VERSION_TLS13))
        return VERDICT_PASS;
    if (!is_rejected(s, VERSION_TLS13))
        return verdict_open(version_of(s, VERSION_TLS13), e);
    evidence_text(e, "highest", highest_accepted(s));
    note_rejection(s, e, VERSION_TLS13);
    return VERDICT_FAIL;
}

static bool has_older(const struct subject *s)
{
    for (int v = VERSION_SSL3; v <= VERSION_TLS12; v++)
        if (is_accepted(s, (enum version)v))
            return true;
    return false;
}

static enum verdict fail_intolerance(const struct subject *s, struct evidence *e)
{
    const struct version_fact *modern = version_of(s, VERSION_TLS13);
    e->confidence = CONFIDENCE_PROBABLE;
    evidence_text(e, "highest", highest_accepted(s));
    if (modern->status == VERSION_REJECTED)
        evidence_text(e, "rejected_by", proof_name(modern->proof));
    else
        evidence_text(e, "reason", cause_name(modern->reason));
    if (modern->alert >= 0)
        evidence_number(e, "alert", modern->alert);
    return VERDICT_FAIL;
}

static bool is_nothing_shared(int alert)
{
    return alert == ALERT_HANDSHAKE_FAILURE || alert == ALERT_INSUFFICIENT_SECURITY;
}

/* A hello that names TLS 1.3 beside older versions is refused as a whole, or is not answered. A
   handshake that came about began with such a hello, unless it is known that only older forms work.
   Where no handshake was asked, an alert 70 may have been the right answer to a hello with TLS 1.3
   alone. That no suite or group is shared says nothing of versions. */
static enum verdict judge_intolerance(const struct subject *s, struct evidence *e)
{
    const struct version_fact *modern = version_of(s, VERSION_TLS13);
    bool asked = observation_knows(s->o, FACT_ESTABLISHED);
    enum verdict verdict;

    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (observation_knows(s->o, FACT_NEW_HELLO) && s->o->tls.new_hello == TRI_YES)
        return fail_intolerance(s, e);
    if (modern->status == VERSION_ACCEPTED || modern->proof == PROOF_CHOSE_LOWER ||
        (asked && s->o->tls.established))
        return VERDICT_PASS;
    if (modern->status != VERSION_REJECTED)
        return verdict_open(modern, e);
    if (!has_older(s))
        return VERDICT_NOT_APPLICABLE;
    const struct outcome *failure = &s->o->tls.failure;
    if (asked && observation_knows(s->o, FACT_TLS_VERSION) && s->o->tls.version < VERSION_TLS13)
        return VERDICT_PASS; /* the handshake broke later */
    if (is_nothing_shared(modern->alert) ||
        (asked && failure->cause == CAUSE_ALERT && is_nothing_shared(failure->detail)) ||
        (!asked && modern->alert == ALERT_PROTOCOL_VERSION))
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(CAUSE_ALERT), e);
    return fail_intolerance(s, e);
}

/* Answers of one server do not contradict each other. */
static enum verdict judge_consistency(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (observation_knows(s->o, FACT_INCONSISTENT) && s->o->tls.inconsistent == TRI_YES) {
        e->confidence = CONFIDENCE_PROBABLE;
        evidence_text(e, "highest", highest_accepted(s));
        return VERDICT_FAIL;
    }
    for (int v = VERSION_SSL2; v <= VERSION_TLS13; v++)
        if (is_accepted(s, (enum version)v))
            return VERDICT_PASS;
    const struct version_fact *modern = version_of(s, VERSION_TLS13);
    return modern->status == VERSION_REJECTED ? VERDICT_NOT_APPLICABLE : verdict_open(modern, e);
}

/* We never send the signal: that could be mistaken for an attack, and count as one. */
static enum verdict judge_fallback(const struct subject *s, struct evidence *e)
{
    unsigned possible = 0;
    enum verdict verdict;
    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    for (int v = VERSION_SSL3; v <= VERSION_TLS12; v++)
        possible += !is_rejected(s, (enum version)v);
    return possible < 2 ? VERDICT_NOT_APPLICABLE
                        : verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

/* --- extensions ------------------------------------------------------------------------------- */

/* A fact that is good (TRI_YES) or bad (TRI_NO), or does not apply. */
static enum verdict judge_fact(const struct subject *s, struct evidence *e, enum fact fact,
                               enum tri value)
{
    enum verdict verdict;
    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (!observation_knows(s->o, fact))
        return verdict_unknown(s->o, fact, e);
    return value == TRI_UNKNOWN ? VERDICT_NOT_APPLICABLE : verdict_of(value == TRI_NO);
}

static enum tri opposite(enum tri value)
{
    return value == TRI_UNKNOWN ? TRI_UNKNOWN : tri_of(value == TRI_NO);
}

static enum verdict judge_sentinel(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_fact(s, e, FACT_SENTINEL, s->o->tls.sentinel);
    if (verdict == VERDICT_FAIL) {
        e->confidence = CONFIDENCE_PROBABLE;
        evidence_truth(e, "downgrade_sentinel", false);
    }
    return verdict;
}

static enum verdict judge_compression(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_fact(s, e, FACT_COMPRESSION, opposite(s->o->tls.compression));
    if (verdict == VERDICT_FAIL)
        evidence_truth(e, "compression", true);
    return verdict;
}

static bool renegotiates(const struct observation *o)
{
    return observation_knows(o, FACT_RENEGOTIATES) && o->tls.renegotiates == TRI_YES;
}

static enum verdict judge_renegotiation(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_fact(s, e, FACT_RENEGOTIATION, s->o->tls.renegotiation);
    if (verdict != VERDICT_FAIL)
        return verdict;
    evidence_truth(e, "secure_renegotiation", false);
    if (renegotiates(s->o)) {
        e->severity = SEVERITY_HIGH;
        evidence_truth(e, "client_renegotiation", true);
    }
    return verdict;
}

static enum verdict judge_client_renegotiation(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_fact(s, e, FACT_RENEGOTIATES, opposite(s->o->tls.renegotiates));
    if (verdict == VERDICT_FAIL)
        evidence_truth(e, "client_renegotiation", true);
    return verdict;
}

/* The extension is asked of TLS 1.2; older versions have rules of their own. */
static enum verdict judge_master_secret(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = judge_fact(s, e, FACT_MASTER_SECRET, s->o->tls.master_secret);
    if (verdict == VERDICT_FAIL && is_rejected(s, VERSION_TLS12))
        return VERDICT_NOT_APPLICABLE;
    if (verdict == VERDICT_FAIL)
        evidence_truth(e, "extended_master_secret", false);
    return verdict;
}

static enum verdict judge_staple(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_CERTIFICATE))
        return verdict_unknown(o, FACT_CERTIFICATE, e);
    if (o->tls.chain.count && !certificate_knows(o->tls.chain.certificates, CERTIFICATE_ACCESS))
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(CAUSE_UNREADABLE), e);
    if (!o->tls.chain.count || !o->tls.chain.certificates[0].ocsp)
        return VERDICT_NOT_APPLICABLE;
    if (!observation_knows(o, FACT_STAPLE))
        return verdict_unknown(o, FACT_STAPLE, e);
    if (o->tls.staple)
        return VERDICT_PASS;
    evidence_truth(e, "ocsp_url", true);
    evidence_truth(e, "ocsp_staple", false);
    return VERDICT_FAIL;
}

/* Tickets, which say how much early data is welcome, are not asked for. */
static enum verdict judge_early_data(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    return is_rejected(s, VERSION_TLS13)
               ? VERDICT_NOT_APPLICABLE
               : verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

/* --- key exchange ----------------------------------------------------------------------------- */

#define DH_BITS_MIN 2048U
#define DH_BITS_BROKEN 1024U
#define CURVE_BITS_MIN 224U

/* Nothing weak in the handshake that was made: those that were not made may still be weak. */
static enum verdict judge_other_exchanges(const struct subject *s, struct evidence *e)
{
    return is_modern_alone(s) ? VERDICT_NOT_APPLICABLE
                              : verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

static enum verdict judge_dh(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_DH_BITS))
        return is_modern_alone(s) ? VERDICT_NOT_APPLICABLE : verdict_unknown(o, FACT_DH_BITS, e);
    if (!o->tls.dh_bits || o->tls.version == VERSION_TLS13)
        return judge_other_exchanges(s, e);
    if (o->tls.dh_bits >= DH_BITS_MIN)
        return VERDICT_PASS;
    if (o->tls.dh_bits < DH_BITS_BROKEN)
        e->severity = SEVERITY_CRITICAL;
    evidence_number(e, "dh_bits", o->tls.dh_bits);
    return VERDICT_FAIL;
}

/* Curves are named by their size: SECP192R1, SECT163K1. */
static bool is_weak_curve(const char *group)
{
    return strncmp(group, "SEC", 3) == 0 &&
           strtoul(group + strcspn(group, "0123456789"), NULL, 10) < CURVE_BITS_MIN;
}

static enum verdict judge_group(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!subject_has_tls(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_GROUP))
        return is_modern_alone(s) ? VERDICT_NOT_APPLICABLE : verdict_unknown(o, FACT_GROUP, e);
    if (!is_weak_curve(o->tls.group))
        return judge_other_exchanges(s, e);
    evidence_text(e, "group", o->tls.group);
    return VERDICT_FAIL;
}

/* --- the table -------------------------------------------------------------------------------- */

#define MINIMUM                                                                                    \
    " Postfix: smtpd_tls_protocols = >=TLSv1.2 and smtpd_tls_mandatory_protocols = >=TLSv1.2; "    \
    "Dovecot: ssl_min_protocol = TLSv1.2; Exim: openssl_options = +no_sslv3 +no_tlsv1 "            \
    "+no_tlsv1_1; Cyrus: tls_versions: tls1_2 tls1_3; ProFTPD: TLSProtocol TLSv1.2 TLSv1.3; "      \
    "vsftpd: ssl_tlsv1=NO."
#define STRANGERS                                                                                  \
    " On port 25 (mx) it weighs less: a sender that finds no common version may send in clear "    \
    "instead (RFC 9325 section 5.2)."

const struct rule rules_tls[] = {
    {"SSLV2-SUPPORTED",
     SEVERITY_CRITICAL,
     "SSL 2.0 is accepted",
     "The server answered an SSL 2.0 hello and has a cipher for it. Everything about SSL 2.0 is "
     "broken, and an endpoint that speaks it helps to decrypt TLS connections of every other one "
     "that uses the same key (DROWN).",
     "Switch SSL 2.0 off, here and wherever the same key is used." MINIMUM,
     {{"RFC 6176 section 3", SOURCE_PRIMARY},
      {"RFC 9325 section 3.1.1", SOURCE_PRIMARY},
      {"RFC 9846 appendix E.5 (was RFC 8446 appendix D.5)", SOURCE_PRIMARY},
      {"CVE-2016-0800", SOURCE_MEMORY}},
     judge_ssl2},
    {"SSLV2-NO-CIPHERS",
     SEVERITY_HIGH,
     "SSL 2.0 is answered, without a cipher in common",
     "The server answered an SSL 2.0 hello, but took none of its ciphers. Servers of that kind "
     "have "
     "gone on with ciphers that they said to have switched off (CVE-2015-3197), so that the "
     "attacks "
     "on SSL 2.0 may still work.",
     "Switch the protocol SSL 2.0 off, not only its ciphers, and update the TLS library." MINIMUM,
     {{"CVE-2015-3197", SOURCE_MEMORY}, {"RFC 6176 section 3", SOURCE_PRIMARY}},
     judge_ssl2_without_ciphers},
    {"SSLV3-SUPPORTED",
     SEVERITY_HIGH,
     "SSL 3.0 is accepted",
     "The server chose SSL 3.0 when nothing newer was offered. Its CBC suites give away plaintext "
     "to an active attacker (POODLE), and its other ones use RC4.",
     "Switch SSL 3.0 off." MINIMUM,
     {{"RFC 7568 section 3", SOURCE_PRIMARY}, {"RFC 9325 section 3.1.1", SOURCE_PRIMARY}},
     judge_ssl3},
    {"TLS-1.0-SUPPORTED",
     SEVERITY_MEDIUM,
     "TLS 1.0 is accepted",
     "The server chose TLS 1.0 when nothing newer was offered. The version is deprecated: it has "
     "no "
     "modern cipher, and rests on MD5 and SHA-1." STRANGERS,
     "Allow TLS 1.2 and newer only." MINIMUM,
     {{"RFC 8996 section 4", SOURCE_PRIMARY},
      {"RFC 9325 section 3.1.1", SOURCE_PRIMARY},
      {"RFC 8314 section 4", SOURCE_PRIMARY},
      {"RFC 8997", SOURCE_SECOND_HAND},
      {"RFC 9846 (obsoletes RFC 8446)", SOURCE_PRIMARY}},
     judge_tls10},
    {"TLS-1.1-SUPPORTED",
     SEVERITY_MEDIUM,
     "TLS 1.1 is accepted",
     "The server chose TLS 1.1 when nothing newer was offered. The version is deprecated: it has "
     "no "
     "modern cipher, and rests on MD5 and SHA-1." STRANGERS,
     "Allow TLS 1.2 and newer only." MINIMUM,
     {{"RFC 8996 section 5", SOURCE_PRIMARY},
      {"RFC 9325 section 3.1.1", SOURCE_PRIMARY},
      {"RFC 8314 section 4", SOURCE_PRIMARY},
      {"RFC 8997", SOURCE_SECOND_HAND},
      {"RFC 9846 (obsoletes RFC 8446)", SOURCE_PRIMARY}},
     judge_tls11},
    {"TLS-1.2-NOT-SUPPORTED",
     SEVERITY_INFO,
     "TLS 1.2 is not accepted",
     "The server accepts TLS 1.3, and refuses TLS 1.2. That is safe, and may be what is wanted, "
     "but "
     "clients without TLS 1.3 stay outside. On port 25 (mx) it is medium, since such senders may "
     "send in clear instead. Where TLS 1.3 is missing as well, TLS-NO-MODERN-VERSION says so, and "
     "this does not apply.",
     "Allow TLS 1.2 with ECDHE and AEAD suites beside TLS 1.3, unless all clients are known.",
     {{"RFC 9325 section 3.1.1", SOURCE_PRIMARY}},
     judge_no_tls12},
    {"TLS-1.3-NOT-SUPPORTED",
     SEVERITY_LOW,
     "TLS 1.3 is not accepted",
     "The server does not choose TLS 1.3 when it is offered. TLS 1.2 can be used safely, with "
     "care; TLS 1.3 needs less of it, and hides the certificate.",
     "Update the TLS library and allow TLS 1.3.",
     {{"RFC 9325 section 3.1.1", SOURCE_PRIMARY}, {"RFC 9051 section 11.1", SOURCE_PRIMARY}},
     judge_no_tls13},
    {"TLS-NO-MODERN-VERSION",
     SEVERITY_CRITICAL,
     "Neither TLS 1.2 nor TLS 1.3 is accepted",
     "All that the server can do is deprecated. Current clients refuse to connect, or are set up "
     "to put up with broken cryptography. On port 25 (mx) it is medium: senders go back to "
     "sending in clear, or lower their standards.",
     "Update the TLS library, or the server, and allow TLS 1.2 and TLS 1.3." MINIMUM,
     {{"RFC 8314 section 4", SOURCE_PRIMARY},
      {"RFC 8997", SOURCE_SECOND_HAND},
      {"RFC 9325 section 3.1.1", SOURCE_PRIMARY}},
     judge_no_modern},
    {"TLS-VERSION-INTOLERANT",
     SEVERITY_MEDIUM,
     "A ClientHello that offers TLS 1.3 is refused as a whole",
     "Each ClientHello that offers TLS 1.3 and older versions was turned down or not answered, "
     "while "
     "one of an older form is accepted: without TLS 1.3 and its extensions, or without any "
     "extension. A server has to choose the highest version that it knows instead, and to pass "
     "over "
     "extensions that it does not know. The cause can also be a device on the way. A server that "
     "chose an older version, or with which a full handshake came about by such a ClientHello, "
     "passes; one that says that it shares no suite or group is not judged.",
     "Update the TLS library, and what inspects TLS on the way.",
     {{"RFC 5246 appendix E.1", SOURCE_PRIMARY},
      {"RFC 8446 appendix D.1 (obsoleted by RFC 9846)", SOURCE_PRIMARY}},
     judge_intolerance},
    {"TLS-INCONSISTENT-ANSWERS",
     SEVERITY_LOW,
     "The same question about TLS is answered in two ways",
     "Two answers contradict each other: a version was chosen that had been refused, or a lower "
     "one "
     "than is accepted. Most likely several servers, or a device on the way, share the address, "
     "and "
     "are not set up alike: what a client gets depends on chance, and the weakest of them counts. "
     "Versions that were refused are inconclusive here, since another of the servers may accept "
     "them.",
     "Find out which servers answer at the address (a load balancer, old instances of a service, a "
     "proxy), and give them the same version of the TLS library and the same settings.",
     {{"RFC 5246 appendix E.1", SOURCE_PRIMARY}, {"RFC 9325 section 3.1.1", SOURCE_PRIMARY}},
     judge_consistency},
    {"TLS-DOWNGRADE-SENTINEL-MISSING",
     SEVERITY_LOW,
     "The mark against downgrades is missing",
     "The server accepts TLS 1.3; when it was offered less, the end of its random value lacked the "
     "mark by which clients notice that somebody took TLS 1.3 out of their hello. Often two "
     "different TLS stacks share the address (a load balancer, an inspecting proxy), so that the "
     "mark is due only probably. It does not apply where TLS 1.3 is not accepted.",
     "Update the TLS library; let one stack terminate all versions.",
     {{"RFC 9846 section 4.2.3 (was RFC 8446 section 4.1.3)", SOURCE_PRIMARY}},
     judge_sentinel},
    {"TLS-FALLBACK-SCSV-MISSING",
     SEVERITY_INFO,
     "The signal against version fallbacks is not known",
     "Whether the server refuses a hello that says it is a fallback. The signal is obsolete, and "
     "means something only where two versions below TLS 1.3 are accepted; it is never sent, so "
     "this "
     "is not tested there, and does not apply elsewhere.",
     "Allow TLS 1.2 and TLS 1.3 only; then the signal is of no use.",
     {{"RFC 7507 (obsoleted by RFC 8996)", SOURCE_PRIMARY}},
     judge_fallback},
    {"TLS-COMPRESSION",
     SEVERITY_MEDIUM,
     "TLS compression is used",
     "The server chose a compression method. The length of compressed records gives away what is "
     "in "
     "them (CRIME). TLS 1.3 has no compression.",
     "Switch compression off in the TLS library. Postfix: tls_ssl_options = NO_COMPRESSION; "
     "Dovecot: ssl_options = no_compression.",
     {{"RFC 9325 section 3.3", SOURCE_PRIMARY}, {"CVE-2012-4929", SOURCE_MEMORY}},
     judge_compression},
    {"RENEG-INSECURE",
     SEVERITY_MEDIUM,
     "Renegotiation is not bound to the connection",
     "The server left renegotiation_info unanswered. An attacker on the way can put commands of "
     "his "
     "own before those of a client, if the server renegotiates. It is high where it was seen to do "
     "so. It does not apply where TLS 1.3 is the only version.",
     "Update the TLS library; every one since 2010 knows RFC 5746.",
     {{"RFC 5746 section 3.6", SOURCE_PRIMARY},
      {"RFC 5746 section 4.4", SOURCE_PRIMARY},
      {"RFC 9325 section 3.5", SOURCE_PRIMARY}},
     judge_renegotiation},
    {"RENEG-CLIENT-INITIATED",
     SEVERITY_LOW,
     "Clients may renegotiate",
     "The server went along when the client began another handshake inside TLS. That costs the "
     "server much more than the client. It is asked only with --exhaustive, and once.",
     "Forbid renegotiation by clients (OpenSSL: the option NO_RENEGOTIATION), or allow TLS 1.3 "
     "only.",
     {{"NCSC-NL TLS guidelines 2025-05, guideline 3.4.2", SOURCE_SECOND_HAND},
      {"BSI TR-02102-2", SOURCE_SECOND_HAND}},
     judge_client_renegotiation},
    {"EMS-MISSING",
     SEVERITY_MEDIUM,
     "The extended master secret is not supported",
     "The server left the extension extended_master_secret (now extended_main_secret) unanswered "
     "in "
     "TLS 1.2. Without it, session secrets are not bound to the handshake, and a server in the "
     "middle can make two connections share theirs (triple handshake). It does not apply where "
     "TLS 1.2 is not accepted.",
     "Update the TLS library (OpenSSL since 1.1.0, GnuTLS since 3.4), or allow TLS 1.3 only.",
     {{"RFC 9325 section 3.5", SOURCE_PRIMARY},
      {"RFC 7627 section 4 (obsoleted by RFC 9846)", SOURCE_PRIMARY}},
     judge_master_secret},
    {"DH-PARAM-WEAK",
     SEVERITY_HIGH,
     "The Diffie-Hellman group is too small",
     "The prime of the Diffie-Hellman exchange has less than 2048 bits. Groups of 1024 bits are "
     "within reach of states, and smaller ones (critical) of anybody (Logjam). Seen only if the "
     "server chose such an exchange in the full handshake; otherwise it is not tested, and does "
     "not apply where TLS 1.3 is the only version.",
     "Use ECDHE, or a group of RFC 7919 with 2048 bits or more. Postfix: "
     "smtpd_tls_dh1024_param_file = auto; Dovecot: ssl_dh or ssl_server_dh_file; ProFTPD: "
     "TLSDHParamFile.",
     {{"RFC 9325 section 4.5", SOURCE_PRIMARY}, {"RFC 7919", SOURCE_MEMORY}},
     judge_dh},
    {"GROUP-WEAK",
     SEVERITY_MEDIUM,
     "The elliptic curve is too small",
     "The key exchange used a curve of less than 224 bits. Seen only if the server chose it in the "
     "full handshake, where stronger ones were offered; otherwise it is not tested, and does not "
     "apply where TLS 1.3 is the only version.",
     "Allow X25519, P-256 and P-384 only. Postfix: tls_eecdh_auto_curves; Dovecot: ssl_curve_list; "
     "Exim: tls_eccurve.",
     {{"RFC 9325 section 4.5", SOURCE_PRIMARY}},
     judge_group},
    {"OCSP-STAPLE-MISSING",
     SEVERITY_INFO,
     "No proof of the certificate's status is sent along",
     "The certificate names an OCSP responder, but the server sent no answer of it, so that "
     "clients "
     "have to ask it themselves, or do not know whether the certificate was revoked. It does not "
     "apply where the certificate names none; many authorities have given up OCSP.",
     "Switch OCSP stapling on where the server can do it (Exim: tls_ocsp_file; ProFTPD: "
     "TLSStapling on), or have a certificate of short life.",
     {{"RFC 9325 section 7.5", SOURCE_PRIMARY}},
     judge_staple},
    {"EARLY-DATA-OFFERED",
     SEVERITY_LOW,
     "Early data is accepted",
     "Whether the server's session tickets allow data before the handshake, which can be replayed; "
     "there is no specification for such data in mail or FTP. Tickets are not asked for: this is "
     "not tested where TLS 1.3 is accepted, and does not apply elsewhere.",
     "Leave early data (0-RTT) off, which is the default nearly everywhere.",
     {{"RFC 9325 section 3.10", SOURCE_PRIMARY}},
     judge_early_data},
    {0},
};
