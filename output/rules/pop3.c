/* SPDX-License-Identifier: MIT */
/* pop3.c: the rules about POP3. */
#include "output/rules/common.h"

static enum verdict judge_announced(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    char words[WORDS_MAX];
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_pop3) || !is_served_in_clear(s, e, &verdict) ||
        is_too_near(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_LOGIN_BEFORE))
        return verdict_unknown(o, FACT_LOGIN_BEFORE, e);
    evidence_truth(e, "user", list_has(&o->capabilities[0], "USER"));
    if (*plaintext_of(&o->mechanisms[0], words))
        evidence_format(e, "mechanisms", "%s", words);
    add_login_evidence(o, e);
    consider_neighbours(s, e);
    return verdict_of(o->login_disabled[0] == TRI_NO);
}

/* RFC 1939 section 7: the challenge is <anything@anything>. */
static bool has_challenge(const char *banner)
{
    const char *at = banner ? strchr(banner, '<') : NULL;
    const char *end = at ? strchr(at, '>') : NULL;
    const char *between = at ? strchr(at, '@') : NULL;
    return end && between && between < end && !memchr(at, ' ', (size_t)(end - at));
}

static enum verdict judge_apop(const struct subject *s, struct evidence *e)
{
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_pop3) || !is_served(s, e, &verdict))
        return verdict;
    if (!observation_knows(s->o, FACT_BANNER))
        return verdict_unknown(s->o, FACT_BANNER, e);
    if (is_in_clear(s->o))
        e->severity = SEVERITY_LOW;
    return verdict_of(has_challenge(s->o->banner.data));
}

static enum verdict judge_no_list(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum fact fact = is_in_clear(o) ? FACT_CAPABILITIES_BEFORE : FACT_CAPABILITIES_AFTER;
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_pop3) || !is_served(s, e, &verdict))
        return verdict;
    if (observation_knows(o, fact))
        return VERDICT_PASS;
    return o->status == STATUS_OK && o->why[fact] == CAUSE_REFUSED ? VERDICT_FAIL
                                                                   : verdict_unknown(o, fact, e);
}

const struct rule rules_pop3[] = {
    {
        .id = "POP3-USER-CAPA-BEFORE-TLS",
        .severity = SEVERITY_MEDIUM,
        .title = "Password logins are announced before TLS",
        .description =
            "The list that CAPA gave before TLS names USER, or PLAIN, LOGIN, XOAUTH2 or "
            "OAUTHBEARER behind SASL. A client that goes by it sends its password in clear, even "
            "if the server then refuses it. Not judged from the server's own address, which many "
            "servers take for a secure channel.",
        .remediation = "Dovecot auth_allow_cleartext = no (2.3: disable_plaintext_auth = yes) or "
                       "ssl = required; Cyrus allowplaintext: no; Courier POP3_TLS_REQUIRED=1; "
                       "Exchange Set-PopSettings -LoginType SecureLogin.",
        .references = {{"RFC 2449 section 6.2", SOURCE_PRIMARY},
                       {"RFC 2595 section 2.3", SOURCE_PRIMARY},
                       {"RFC 8314 section 4.1", SOURCE_PRIMARY}},
        .judge = judge_announced,
    },
    {
        .id = "POP3-APOP-OFFERED",
        .severity = SEVERITY_INFO,
        .title = "APOP is offered",
        .description = "The greeting has a challenge for APOP. From the answer to it, read in "
                       "clear, the password can be guessed (low); inside TLS it only forces the "
                       "server to keep passwords readable (information only).",
        .remediation = "Switch APOP off: Dovecot takes apop out of auth_mechanisms, Cyrus "
                       "allowapop: no.",
        .references = {{"RFC 1939 section 7", SOURCE_PRIMARY},
                       {"RFC 2449 section 6", SOURCE_PRIMARY}},
        .judge = judge_apop,
    },
    {
        .id = "POP3-CAPA-UNSUPPORTED",
        .severity = SEVERITY_INFO,
        .title = "The server has no capability list (CAPA)",
        .description = "CAPA was refused, so that clients cannot see whether TLS is offered.",
        .remediation = "Upgrade the server.",
        .references = {{"RFC 2595 section 4", SOURCE_PRIMARY}},
        .judge = judge_no_list,
    },
    {0},
};
