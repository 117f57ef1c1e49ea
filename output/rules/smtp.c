/* SPDX-License-Identifier: MIT */
/* smtp.c: the rules about SMTP: relays, submission, LMTP where it does not belong. */
#include "output/rules/common.h"

/* --- logins ----------------------------------------------------------------------------------- */

static enum verdict judge_auth_before(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    char words[WORDS_MAX];
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_smtp) || !is_served_in_clear(s, e, &verdict) ||
        is_too_near(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_MECHANISMS_BEFORE))
        return verdict_unknown(o, FACT_MECHANISMS_BEFORE, e);
    if (!*plaintext_of(&o->mechanisms[0], words))
        return VERDICT_PASS;
    if (is_login_accepted(o))
        e->severity = SEVERITY_HIGH;
    evidence_format(e, "mechanisms", "%s", words);
    add_login_evidence(o, e);
    consider_neighbours(s, e);
    return VERDICT_FAIL;
}

static enum verdict judge_no_auth(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (s->role != ROLE_SUBMISSION || !is_served(s, e, &verdict))
        return verdict;
    if (is_in_clear(o) && is_upgrade_refused(o))
        return VERDICT_NOT_APPLICABLE;
    if (!observation_knows(o, FACT_MECHANISMS_AFTER))
        return verdict_unknown(o, FACT_MECHANISMS_AFTER, e);
    bool certificate = observation_knows(o, FACT_CLIENT_CERTIFICATE) && o->tls.client_certificate;
    if (certificate) {
        e->severity = SEVERITY_INFO; /* that may be the way in */
        evidence_truth(e, "client_certificate_requested", true);
    }
    return verdict_of(o->mechanisms[1].count == 0);
}

/* --- greetings -------------------------------------------------------------------------------- */

static enum verdict judge_requires(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = VERDICT_NOT_APPLICABLE;
    if (s->role != ROLE_MX || !is_served_in_clear(s, e, &verdict))
        return verdict;
    add_role_evidence(s, e);
    return verdict_of_fact(s, FACT_REQUIRED, s->o->required, e);
}

static enum verdict judge_hello(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum fact fact = is_in_clear(o) ? FACT_CAPABILITIES_BEFORE : FACT_CAPABILITIES_AFTER;
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_smtp) || !is_served(s, e, &verdict))
        return verdict;
    if (observation_knows(o, fact))
        return VERDICT_PASS;
    if (o->status != STATUS_OK || o->why[fact] != CAUSE_REFUSED)
        return verdict_unknown(o, fact, e);
    if (fact == FACT_CAPABILITIES_BEFORE && o->why[FACT_ACCEPTED] == CAUSE_REFUSED) {
        e->confidence = CONFIDENCE_POSSIBLE; /* it may be our name that is refused */
        evidence_text(e, "hint", "STARTTLS is not known: try another name (--ehlo-name)");
        return VERDICT_FAIL;
    }
    if (s->role == ROLE_MX)
        e->severity = SEVERITY_MEDIUM;
    add_role_evidence(s, e);
    return VERDICT_FAIL;
}

/* RFC 2033: LMTP has LHLO in place of EHLO, and must refuse that. */
static enum verdict judge_lmtp(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;

    if (!is_protocol(s, &protocol_smtp) || o->service->port != 25 || o->status == STATUS_CLOSED)
        return VERDICT_NOT_APPLICABLE;
    if (o->status == STATUS_OK && observation_knows(o, FACT_CAPABILITIES_BEFORE))
        return VERDICT_PASS;
    bool refused = o->status == STATUS_MISMATCH ||
                   (o->status == STATUS_OK && o->why[FACT_CAPABILITIES_BEFORE] == CAUSE_REFUSED);
    if (refused && o->banner.data && span_mentions(span_of(o->banner.data), "LMTP")) {
        e->confidence = CONFIDENCE_PROBABLE;
        evidence_text(e, "greeting", o->banner.data);
        return VERDICT_FAIL;
    }
    return o->status == STATUS_MISMATCH
               ? VERDICT_NOT_APPLICABLE
               : verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

/* --- facts ------------------------------------------------------------------------------------ */

static enum verdict judge_requiretls(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_smtp) || !is_served(s, e, &verdict))
        return verdict;
    bool knows_before = observation_knows(o, FACT_CAPABILITIES_BEFORE);
    if (knows_before && list_names(&o->capabilities[0], "REQUIRETLS")) {
        e->severity = SEVERITY_LOW;
        evidence_text(e, "offered", "before_tls");
        return VERDICT_FAIL;
    }
    if (observation_knows(o, FACT_CAPABILITIES_AFTER) &&
        list_names(&o->capabilities[1], "REQUIRETLS")) {
        evidence_text(e, "offered", "after_tls");
        return VERDICT_FAIL;
    }
    if (!knows_before)
        return verdict_unknown(o, FACT_CAPABILITIES_BEFORE, e);
    return observation_knows(o, FACT_CAPABILITIES_AFTER)
               ? VERDICT_PASS
               : verdict_unknown(o, FACT_CAPABILITIES_AFTER, e);
}

/* What the test for injected commands has shown by the way. */
static enum verdict judge_sync(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_smtp) || !is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_upgrade_refused(o))
        return VERDICT_NOT_APPLICABLE;
    if (o->injection.verdict == INJECTION_NOT_TESTED)
        return verdict_without(VERDICT_NOT_TESTED, cause_name(o->injection.reason), e);
    if (o->injection.verdict == INJECTION_INCONCLUSIVE)
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(o->injection.reason), e);
    add_text_evidence(e, "reply", o->injection.reply.data);
    return verdict_of(o->injection.sign == SIGN_REFUSED);
}

/* --- the table -------------------------------------------------------------------------------- */

const struct rule rules_smtp[] = {
    {
        .id = "SMTP-AUTH-BEFORE-TLS",
        .severity = SEVERITY_MEDIUM,
        .title = "Plaintext mechanisms are announced before TLS",
        .description =
            "The reply to EHLO before TLS names PLAIN, LOGIN, XOAUTH2 or OAUTHBEARER behind AUTH. "
            "A client that goes by it sends its password in clear, whether the server then asks "
            "for it (high) or refuses (medium). No AUTH before TLS, and no AUTH at all on port 25, "
            "is as it should be. Not judged from the server's own address.",
        .remediation = "Postfix smtpd_tls_auth_only = yes; Exim auth_advertise_hosts = ${if "
                       "eq{$tls_in_cipher}{}{}{*}}; OpenSMTPD listen … tls-require auth; Exchange "
                       "BasicAuthRequireTLS on the receive connector; on port 25 no AUTH at all.",
        .references = {{"RFC 4954 section 4", SOURCE_PRIMARY},
                       {"RFC 4954 section 6", SOURCE_PRIMARY},
                       {"RFC 8314 section 4.1", SOURCE_PRIMARY},
                       {"RFC 9325 section 3.2", SOURCE_PRIMARY}},
        .judge = judge_auth_before,
    },
    {
        .id = "SMTP-SUBMISSION-NO-AUTH",
        .severity = SEVERITY_LOW,
        .title = "A submission port offers no AUTH inside TLS",
        .description = "Inside TLS the reply to EHLO names no mechanism at all. Clients are then "
                       "let in by their address, or by a certificate (information only if one was "
                       "asked for), or not at all.",
        .remediation = "Postfix smtpd_sasl_auth_enable = yes for the submission services; Exim "
                       "authenticators with server_advertise_condition.",
        .references = {{"RFC 8314 section 3.3", SOURCE_PRIMARY},
                       {"RFC 6409 section 4.3", SOURCE_MEMORY}},
        .judge = judge_no_auth,
    },
    {
        .id = "SMTP-25-REQUIRES-TLS",
        .severity = SEVERITY_INFO,
        .title = "Port 25 refuses to work without TLS",
        .description =
            "Before TLS, RSET was answered by 530. A server that takes mail from the Internet must "
            "not insist on TLS by the standard, because servers without it could not deliver; that "
            "is a matter of delivery, not of security, and some do it on purpose. Not judged with "
            "the label role=relay or role=submission.",
        .remediation = "Postfix smtpd_tls_security_level = may on port 25, unless it is meant.",
        .references = {{"RFC 3207 section 4", SOURCE_PRIMARY}},
        .judge = judge_requires,
    },
    {
        .id = "SMTP-EHLO-REFUSED",
        .severity = SEVERITY_INFO,
        .title = "EHLO is refused",
        .description = "The server refuses EHLO, so that it can offer neither STARTTLS nor AUTH "
                       "(medium where mail is taken from the Internet). Firewalls with SMTP "
                       "inspection, and attackers, bring that about as well. Where STARTTLS is "
                       "refused only for want of EHLO, the server may mean the name that the "
                       "scanner gave; then nothing is known of TLS, and the confidence is "
                       "\"possible\".",
        .remediation = "Upgrade the server, or switch off SMTP inspection on the firewall. Where "
                       "it is the scanner's name that is refused: scan with a host name "
                       "(--ehlo-name).",
        .references = {{"RFC 3207 section 6", SOURCE_PRIMARY}},
        .judge = judge_hello,
    },
    {
        .id = "SMTP-REQUIRETLS",
        .severity = SEVERITY_INFO,
        .title = "REQUIRETLS is offered",
        .description = "The server lets senders insist on TLS all the way (RFC 8689). That is "
                       "good; offered before TLS it is out of place (low).",
        .remediation = "None is needed if it is offered inside TLS only.",
        .references = {{"RFC 8689 section 2", SOURCE_PRIMARY}},
        .judge = judge_requiretls,
    },
    {
        .id = "SMTP-PIPELINING-SYNC",
        .severity = SEVERITY_INFO,
        .title = "Commands that come too early are refused",
        .description = "A command behind STARTTLS in the same piece made the server refuse the "
                       "upgrade. That is sound, and keeps injected commands out; the fact is "
                       "recorded because it decides what STARTTLS-INJECTION rests on.",
        .remediation = "None is needed.",
        .references = {{"RFC 3207 section 4", SOURCE_PRIMARY}},
        .judge = judge_sync,
    },
    {
        .id = "LMTP-ON-25",
        .severity = SEVERITY_LOW,
        .title = "LMTP is spoken on port 25",
        .description = "EHLO was refused, and the greeting names LMTP. LHLO is not sent, so that "
                       "a server that does not say what it is stays untested.",
        .remediation = "Move LMTP to a socket, or to port 24 on a private address.",
        .references = {{"RFC 2033 section 5", SOURCE_MEMORY}},
        .judge = judge_lmtp,
    },
    {0},
};
