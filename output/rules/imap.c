/* SPDX-License-Identifier: MIT */
/* imap.c: the rules about IMAP. */
#include "output/rules/common.h"

/* Could a login follow here, in clear, and be judged from where we are? */
static bool may_log_in(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    *verdict = VERDICT_NOT_APPLICABLE;
    if (!is_protocol(s, &protocol_imap) || !is_served_in_clear(s, e, verdict))
        return false;
    *verdict = VERDICT_NOT_APPLICABLE;
    return !is_preauth(s->o) && !is_too_near(s, e, verdict);
}

static bool says_disabled(const struct observation *o)
{
    return o->login_disabled[0] == TRI_YES;
}

static enum verdict judge_missing(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!may_log_in(s, e, &verdict))
        return verdict;
    if (!observation_knows(s->o, FACT_LOGIN_BEFORE))
        return verdict_unknown(s->o, FACT_LOGIN_BEFORE, e);
    if (is_login_accepted(s->o))
        e->severity = SEVERITY_HIGH;
    add_login_evidence(s->o, e);
    consider_neighbours(s, e);
    return verdict_of(!says_disabled(s->o));
}

static enum verdict judge_not_enforced(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!may_log_in(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_LOGIN_BEFORE))
        return verdict_unknown(o, FACT_LOGIN_BEFORE, e);
    if (!says_disabled(o))
        return VERDICT_NOT_APPLICABLE;
    if (o->login.verdict == LOGIN_NOT_TESTED)
        return verdict_without(VERDICT_NOT_TESTED, cause_name(o->login.reason), e);
    if (o->login.verdict == LOGIN_INCONCLUSIVE)
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(o->login.reason), e);
    bool tried_login = strcmp(o->login.probe, "LOGIN") == 0;
    if (o->login.verdict == LOGIN_REFUSED && !tried_login &&
        o->login.confidence == CONFIDENCE_POSSIBLE) /* another command was refused, for no reason */
        return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
    if (tried_login)
        e->severity = SEVERITY_HIGH;
    e->confidence = o->login.confidence;
    add_login_evidence(o, e);
    consider_neighbours(s, e);
    return verdict_of(is_login_accepted(o));
}

/* Where LOGINDISABLED is missing, that says it all. */
static enum verdict judge_plain(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    char words[WORDS_MAX];
    enum verdict verdict;

    if (!may_log_in(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_MECHANISMS_BEFORE))
        return verdict_unknown(o, FACT_MECHANISMS_BEFORE, e);
    if (!says_disabled(o))
        return VERDICT_NOT_APPLICABLE;
    if (!*plaintext_of(&o->mechanisms[0], words))
        return VERDICT_PASS;
    evidence_format(e, "mechanisms", "%s", words);
    add_login_evidence(o, e);
    consider_neighbours(s, e);
    return VERDICT_FAIL;
}

/* Is there a list inside TLS to look at? */
static bool has_list_inside(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    *verdict = VERDICT_NOT_APPLICABLE;
    if (!is_protocol(s, &protocol_imap) || !is_served(s, e, verdict))
        return false;
    *verdict = VERDICT_NOT_APPLICABLE;
    return !(is_in_clear(s->o) && is_upgrade_refused(s->o));
}

static enum verdict judge_disabled_after(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!has_list_inside(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_LOGIN_AFTER))
        return verdict_unknown(o, FACT_LOGIN_AFTER, e);
    bool closed = observation_knows(o, FACT_MECHANISMS_AFTER) && o->mechanisms[1].count == 0;
    if (closed)
        e->severity = SEVERITY_LOW;
    evidence_list(e, "mechanisms", &o->mechanisms[1]);
    return verdict_of(o->login_disabled[1] == TRI_YES);
}

/* We never show a certificate: even inside TLS it is not known who has been logged in. */
static enum verdict judge_preauth(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_imap) || !is_served(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_PREAUTH))
        return verdict_unknown(o, FACT_PREAUTH, e);
    if (!is_in_clear(o))
        e->severity = SEVERITY_INFO;
    if (is_same_address(s)) {
        e->confidence = CONFIDENCE_PROBABLE;
        evidence_truth(e, "same_address", true);
    }
    add_text_evidence(e, "greeting", o->banner.data);
    consider_neighbours(s, e);
    return verdict_of(o->preauth);
}

static bool names_revision(const struct list *list)
{
    return list_has(list, "IMAP4REV1") || list_has(list, "IMAP4REV2");
}

static enum verdict judge_list_after(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum cause why = o->why[FACT_CAPABILITIES_AFTER];
    enum verdict verdict;

    if (!is_in_clear(o))
        return VERDICT_NOT_APPLICABLE;
    if (!has_list_inside(s, e, &verdict))
        return verdict;
    if (o->handshake == HANDSHAKE_OK && (why == CAUSE_REFUSED || why == CAUSE_ODD_REPLY)) {
        evidence_text(e, "reply", cause_name(why));
        return VERDICT_FAIL;
    }
    if (why != CAUSE_NONE)
        return verdict_unknown(o, FACT_CAPABILITIES_AFTER, e);
    evidence_list(e, "capabilities", &o->capabilities[1]);
    return verdict_of(!names_revision(&o->capabilities[1]));
}

static enum verdict judge_referrals(const struct subject *s, struct evidence *e)
{
    const struct list *list = &s->o->capabilities[0];
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_imap) || !is_served_in_clear(s, e, &verdict))
        return verdict;
    if (!observation_knows(s->o, FACT_CAPABILITIES_BEFORE))
        return verdict_unknown(s->o, FACT_CAPABILITIES_BEFORE, e);
    return verdict_of(list_has(list, "LOGIN-REFERRALS") || list_has(list, "MAILBOX-REFERRALS"));
}

static enum verdict judge_revision(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_imap) || !is_served(s, e, &verdict))
        return verdict;
    bool inside = !is_in_clear(o) ||
                  (observation_knows(o, FACT_CAPABILITIES_AFTER) && !is_upgrade_refused(o));
    enum fact fact = inside ? FACT_CAPABILITIES_AFTER : FACT_CAPABILITIES_BEFORE;
    if (!observation_knows(o, fact))
        return verdict_unknown(o, fact, e);
    return verdict_of(!list_has(&o->capabilities[inside], "IMAP4REV2"));
}

/* --- the table -------------------------------------------------------------------------------- */

#define LOGIN_SETTINGS                                                                             \
    "Dovecot auth_allow_cleartext = no (2.3: disable_plaintext_auth = yes) or ssl = required; "    \
    "Cyrus allowplaintext: no; Courier IMAP_TLS_REQUIRED=1; Exchange Set-ImapSettings -LoginType " \
    "SecureLogin."

const struct rule rules_imap[] = {
    {
        .id = "IMAP-LOGINDISABLED-MISSING",
        .severity = SEVERITY_MEDIUM,
        .title = "LOGINDISABLED is missing before TLS",
        .description = "The list that CAPABILITY gave before TLS does not have LOGINDISABLED. A "
                       "client that goes by it sends its password in clear, whether the server "
                       "then takes it (high) or refuses it (medium). Not judged from the server's "
                       "own address, which many servers take for a secure channel.",
        .remediation = LOGIN_SETTINGS,
        .references = {{"RFC 9051 section 6.2.3", SOURCE_PRIMARY},
                       {"RFC 9051 section 11.7", SOURCE_PRIMARY},
                       {"RFC 3501 section 6.2.3", SOURCE_PRIMARY},
                       {"RFC 2595 section 3.2", SOURCE_PRIMARY}},
        .judge = judge_missing,
    },
    {
        .id = "IMAP-LOGINDISABLED-NOT-ENFORCED",
        .severity = SEVERITY_MEDIUM,
        .title = "LOGINDISABLED is announced, but logins are taken",
        .description =
            "Before TLS the server announces LOGINDISABLED and nevertheless asks for the "
            "credentials when AUTHENTICATE is sent (medium), or looks at those of LOGIN (high; "
            "seen with --dummy-login only). A bare NO to LOGIN is what the standard asks for, and "
            "counts as a refusal; that AUTHENTICATE is refused without a reason says nothing about "
            "LOGIN, and leaves this open.",
        .remediation = LOGIN_SETTINGS,
        .references = {{"RFC 9051 section 7.2.2", SOURCE_PRIMARY},
                       {"RFC 9051 section 11.7", SOURCE_PRIMARY}},
        .judge = judge_not_enforced,
    },
    {
        .id = "IMAP-AUTH-PLAIN-BEFORE-TLS",
        .severity = SEVERITY_MEDIUM,
        .title = "Plaintext mechanisms are announced before TLS, next to LOGINDISABLED",
        .description =
            "LOGINDISABLED closes LOGIN only. The list also names AUTH=PLAIN, LOGIN, XOAUTH2 or "
            "OAUTHBEARER, which send the password or its equal as well. Where LOGINDISABLED is "
            "missing, IMAP-LOGINDISABLED-MISSING stands for both.",
        .remediation = "Announce plaintext mechanisms inside TLS only: " LOGIN_SETTINGS,
        .references = {{"RFC 9051 section 11.7", SOURCE_PRIMARY},
                       {"RFC 7628 section 3", SOURCE_PRIMARY}},
        .judge = judge_plain,
    },
    {
        .id = "IMAP-LOGINDISABLED-AFTER-TLS",
        .severity = SEVERITY_INFO,
        .title = "LOGINDISABLED is announced inside TLS too",
        .description = "LOGIN is disabled even inside TLS. Where other mechanisms are offered that "
                       "is a choice (information only); where none is, nobody can log in (low), "
                       "probably because TLS ends in a proxy of which the server does not know.",
        .remediation = "Offer a mechanism, or tell the server about TLS (PROXY protocol version "
                       "2).",
        .references = {{"RFC 9051 section 6.2.3", SOURCE_PRIMARY}},
        .judge = judge_disabled_after,
    },
    {
        .id = "IMAP-PREAUTH-CLEARTEXT",
        .severity = SEVERITY_CRITICAL,
        .title = "The greeting logs the client in (PREAUTH)",
        .description =
            "The server greeted with PREAUTH: whoever connects is logged in, without credentials. "
            "In clear that is critical, and STARTTLS is not possible any more; attackers send the "
            "same greeting to keep a client from TLS. The trust may be for the scanner's address "
            "only. Inside TLS it is information only.",
        .remediation = "Take the trust in addresses away, or serve it on a socket or on loopback "
                       "only.",
        .references = {{"RFC 9051 section 7.1.4", SOURCE_PRIMARY},
                       {"RFC 8314 section 4.2", SOURCE_PRIMARY}},
        .judge = judge_preauth,
    },
    {
        .id = "IMAP-STARTTLS-NO-CAPA-AFTER",
        .severity = SEVERITY_LOW,
        .title = "There is no sound capability list after STARTTLS",
        .description = "The first CAPABILITY inside TLS failed, or its list names neither "
                       "IMAP4rev1 nor IMAP4rev2. Clients must ask there anew, and may give up.",
        .remediation = "Upgrade the server, or the proxy in front of it.",
        .references = {{"RFC 9051 section 6.1.1", SOURCE_PRIMARY}},
        .judge = judge_list_after,
    },
    {
        .id = "IMAP-LOGIN-REFERRALS-BEFORE-TLS",
        .severity = SEVERITY_INFO,
        .title = "Referrals are announced before TLS",
        .description = "LOGIN-REFERRALS or MAILBOX-REFERRALS is in the list before TLS. Whoever "
                       "can write to the connection may refer a client that follows them to a "
                       "server of their own.",
        .remediation = "Announce it inside TLS only, if the server can (Dovecot "
                       "imap_capability).",
        .references = {{"NO STARTTLS, USENIX Security 2021", SOURCE_PRIMARY}},
        .judge = judge_referrals,
    },
    {
        .id = "IMAP-REV1-ONLY",
        .severity = SEVERITY_INFO,
        .title = "IMAP4rev2 is not offered",
        .description = "The capability list does not name IMAP4rev2 (RFC 9051).",
        .remediation = "None is needed.",
        .references = {{"RFC 9051 section 6.1.1", SOURCE_PRIMARY}},
        .judge = judge_revision,
    },
    {0},
};
