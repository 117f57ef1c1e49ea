/* SPDX-License-Identifier: MIT */
/*
 * login.c: the rules about logins before TLS, in all protocols alike.
 */
#include <stdio.h>

#include "output/rules/common.h"

/* --- would a password be taken in clear? ------------------------------------------------------ */

/* Was the random name let in, with no password or with a random one? Only the replies that the
   standards have for that say so; POP3 has +OK for much else. */
static bool is_let_in(const struct observation *o)
{
    struct span reply = span_of(o->login.reply.data ? o->login.reply.data : "");

    if (o->service->protocol == &protocol_imap) {
        span_word(&reply); /* the tag */
        return span_is(span_word(&reply), "OK");
    }
    if (o->service->protocol == &protocol_pop3)
        return strcmp(o->login.probe, "PASS") == 0 && span_starts(reply, "+OK");
    if (o->service->protocol == &protocol_smtp)
        return span_starts(reply, "235");
    return span_starts(reply, "230") || span_starts(reply, "232") || span_starts(reply, "202");
}

/* POP3 may say yes to any name and refuse the password; a server that does not announce USER
   probably will. */
static bool is_mere_name(const struct observation *o)
{
    return o->service->protocol == &protocol_pop3 && strcmp(o->login.probe, "USER") == 0 &&
           !(observation_knows(o, FACT_CAPABILITIES_BEFORE) &&
             list_has(&o->capabilities[0], "USER"));
}

static enum verdict judge_allowed(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_preauth(o))
        return VERDICT_NOT_APPLICABLE;
    switch (o->login.verdict) {
    case LOGIN_NOT_TESTED:
        return verdict_without(VERDICT_NOT_TESTED, cause_name(o->login.reason), e);
    case LOGIN_INCONCLUSIVE:
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(o->login.reason), e);
    case LOGIN_REFUSED:
        return VERDICT_PASS;
    case LOGIN_ACCEPTED:
        break;
    }
    bool let_in = is_let_in(o), no_tls = is_upgrade_refused(o);
    if (let_in || no_tls)
        e->severity = SEVERITY_CRITICAL;
    else if (is_mere_name(o))
        e->severity = SEVERITY_MEDIUM;
    e->confidence = o->login.confidence;
    add_text_evidence(e, "probe", o->login.probe);
    add_text_evidence(e, "reply", o->login.reply.data);
    if (let_in)
        evidence_truth(e, "logged_in", true);
    if (no_tls)
        evidence_truth(e, "tls_available", false);
    consider_neighbours(s, e);
    return VERDICT_FAIL;
}

/* An open port is no fault by itself, but one where a password is taken. Port 25 has to be open. */
static enum verdict judge_service(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (s->role == ROLE_MX || s->role == ROLE_RELAY)
        return VERDICT_NOT_APPLICABLE;
    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    add_role_evidence(s, e);
    if (s->role != ROLE_FILES)
        e->severity = SEVERITY_LOW;
    if (is_preauth(o))
        return VERDICT_FAIL;
    if (o->login.verdict == LOGIN_NOT_TESTED)
        return verdict_without(VERDICT_NOT_TESTED, cause_name(o->login.reason), e);
    if (o->login.verdict == LOGIN_INCONCLUSIVE)
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(o->login.reason), e);
    return verdict_of(is_login_accepted(o));
}

/* Needs credentials that are right. */
static enum verdict judge_oracle(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

/* --- mechanisms ------------------------------------------------------------------------------- */

static const char *const challenges[] = {"CRAM-MD5", "DIGEST-MD5", "NTLM", NULL};
static const char *const bearers[] = {"OAUTHBEARER", "XOAUTH2", NULL};

/* Before TLS whoever listens can guess the password at leisure; inside it they are only out of
   date. */
static enum verdict judge_weak(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    char before[WORDS_MAX] = "", after[WORDS_MAX] = "";
    enum verdict verdict;

    if (is_protocol(s, &protocol_ftp))
        return VERDICT_NOT_APPLICABLE;
    if (!is_served(s, e, &verdict))
        return verdict;
    bool knows_before = observation_knows(o, FACT_MECHANISMS_BEFORE);
    bool knows_after = observation_knows(o, FACT_MECHANISMS_AFTER);
    if (knows_before)
        words_of(&o->mechanisms[0], challenges, before);
    if (knows_after)
        words_of(&o->mechanisms[1], challenges, after);
    if (!*before && !*after) {
        if (knows_before && knows_after)
            return VERDICT_PASS;
        return verdict_unknown(o, knows_before ? FACT_MECHANISMS_AFTER : FACT_MECHANISMS_BEFORE, e);
    }
    if (*before) {
        e->severity = SEVERITY_LOW;
        evidence_format(e, "before_tls", "%s", before);
    }
    if (*after)
        evidence_format(e, "after_tls", "%s", after);
    return VERDICT_FAIL;
}

static enum verdict judge_bearer(const struct subject *s, struct evidence *e)
{
    char words[WORDS_MAX];
    enum verdict verdict;

    if (is_protocol(s, &protocol_ftp))
        return VERDICT_NOT_APPLICABLE;
    if (!is_served_in_clear(s, e, &verdict) || is_too_near(s, e, &verdict))
        return verdict;
    if (!observation_knows(s->o, FACT_MECHANISMS_BEFORE))
        return verdict_unknown(s->o, FACT_MECHANISMS_BEFORE, e);
    if (!*words_of(&s->o->mechanisms[0], bearers, words))
        return VERDICT_PASS;
    evidence_format(e, "mechanisms", "%s", words);
    consider_neighbours(s, e);
    return VERDICT_FAIL;
}

/* --- the table -------------------------------------------------------------------------------- */

const struct rule rules_login[] = {
    {
        .id = "CLEARTEXT-LOGIN-ALLOWED",
        .severity = SEVERITY_HIGH,
        .title = "A password is taken without TLS",
        .description =
            "The first step of a login in clear was taken: AUTHENTICATE or AUTH with a plaintext "
            "mechanism was answered by \"go on\", or USER with a random name by \"and the "
            "password\". No password was sent (unless --dummy-login was given), so that a server "
            "that refuses at the last step looks the same; then the confidence is \"probable\". "
            "Critical where TLS is not to be had at all, or where the random name was let in; "
            "medium where a POP3 server took the name but does not announce USER. This is also "
            "POP3-USER-ACCEPTED-BEFORE-TLS and FTP-USER-BEFORE-AUTH-TLS. Not judged from the "
            "server's own address, which many servers take for a secure channel.",
        .remediation =
            "Refuse logins before TLS: Dovecot auth_allow_cleartext = no (2.3: "
            "disable_plaintext_auth = yes) or ssl = required; Postfix smtpd_tls_auth_only = yes; "
            "Exim auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}; Cyrus allowplaintext: "
            "no; Courier IMAP_TLS_REQUIRED=1, POP3_TLS_REQUIRED=1; Exchange LoginType SecureLogin; "
            "vsftpd force_local_logins_ssl=YES; ProFTPD TLSRequired on; Pure-FTPd TLS 2.",
        .references = {{"RFC 8314 section 4.1", SOURCE_PRIMARY},
                       {"RFC 9325 section 3.2", SOURCE_PRIMARY},
                       {"RFC 9051 section 6.2.3", SOURCE_PRIMARY},
                       {"RFC 9051 section 11.7", SOURCE_PRIMARY},
                       {"RFC 2595 section 2.3", SOURCE_PRIMARY},
                       {"RFC 4954 section 4", SOURCE_PRIMARY},
                       {"PCI DSS 4.0.1 requirement 8.3.2", SOURCE_SECOND_HAND}},
        .judge = judge_allowed,
    },
    {
        .id = "CLEARTEXT-SERVICE-OFFERED",
        .severity = SEVERITY_INFO,
        .title = "The service can be used in clear",
        .description =
            "The port greets in clear, and a login in clear was not refused (low for mail, "
            "information for FTP). A port that refuses everything until TLS is up is not meant, "
            "nor is a port that takes mail from the Internet, which has to be open.",
        .remediation = "Serve implicit TLS and refuse logins before TLS; close the port when no "
                       "client needs it any more.",
        .references = {{"RFC 8314 section 4", SOURCE_PRIMARY},
                       {"RFC 8314 section 4.1", SOURCE_PRIMARY},
                       {"RFC 9325 section 3.2", SOURCE_PRIMARY},
                       {"PCI DSS 4.0.1 requirement 2.2.5", SOURCE_MEMORY}},
        .judge = judge_service,
    },
    {
        .id = "CLEARTEXT-AUTH-ORACLE",
        .severity = SEVERITY_MEDIUM,
        .title = "The refusal of a login in clear tells whether the password was right",
        .description = "A server that refuses logins before TLS must not show whether the "
                       "credentials were valid. Only valid ones can tell: never tested, here for a "
                       "check by hand.",
        .remediation = "Refuse before the credentials are looked at.",
        .references = {{"RFC 8314 section 4.1", SOURCE_PRIMARY}},
        .judge = judge_oracle,
    },
    {
        .id = "AUTH-MECH-WEAK",
        .severity = SEVERITY_INFO,
        .title = "Outdated challenge-response mechanisms are offered",
        .description = "CRAM-MD5, DIGEST-MD5 or NTLM is offered. Before TLS the exchange can be "
                       "recorded, and the password guessed from it (low); inside TLS they only "
                       "force the server to keep passwords in a form that can be used (information "
                       "only).",
        .remediation = "Offer PLAIN inside TLS, or SCRAM-SHA-256, and drop the others: Dovecot "
                       "auth_mechanisms, Postfix smtpd_sasl_security_options and the SASL "
                       "library's mech_list, Cyrus sasl_mech_list.",
        .references = {{"RFC 4954 section 4", SOURCE_PRIMARY}},
        .judge = judge_weak,
    },
    {
        .id = "AUTH-BEARER-BEFORE-TLS",
        .severity = SEVERITY_HIGH,
        .title = "Bearer tokens are asked for without TLS",
        .description = "OAUTHBEARER or XOAUTH2 is offered before TLS. Whoever reads the token can "
                       "use it, as a password.",
        .remediation = "Offer these mechanisms inside TLS only, with the settings that "
                       "CLEARTEXT-LOGIN-ALLOWED names.",
        .references = {{"RFC 7628 section 3", SOURCE_PRIMARY}},
        .judge = judge_bearer,
    },
    {0},
};
