/* SPDX-License-Identifier: MIT */
/*
 * channel.c: the rules about clear text and the upgrade to TLS, in all protocols alike.
 */
#include <stdio.h>

#include "output/rules/common.h"

/* --- is TLS offered, and does it work? -------------------------------------------------------- */

/* Where the capability command itself is refused, POP3 and FTP servers are merely old, and the
   refused upgrade speaks for itself; with SMTP it may be the fault of EHLO. */
static bool has_no_list(const struct observation *o)
{
    return o->status == STATUS_OK && o->why[FACT_ADVERTISED] == CAUSE_REFUSED &&
           (o->service->protocol == &protocol_pop3 || o->service->protocol == &protocol_ftp);
}

/* Is "anonymous" let in, and a name that nobody has turned away? */
static bool is_for_everybody(const struct observation *o)
{
    bool turned_away = o->login.verdict == LOGIN_REFUSED ||
                       (o->login.verdict == LOGIN_INCONCLUSIVE && o->login.reason == CAUSE_REFUSED);
    return turned_away && observation_knows(o, FACT_ANONYMOUS) && o->anonymous == TRI_YES;
}

static enum severity severity_of_missing(const struct subject *s)
{
    if (is_login_accepted(s->o))
        return SEVERITY_CRITICAL;
    if (s->role == ROLE_RELAY)
        return SEVERITY_INFO;
    return is_for_everybody(s->o) && s->o->service->mode == MODE_INSECURE ? SEVERITY_LOW
                                                                          : SEVERITY_HIGH;
}

static enum verdict judge_not_offered(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_preauth(o))
        return VERDICT_NOT_APPLICABLE;
    if (observation_knows(o, FACT_ADVERTISED) && o->advertised == TRI_YES)
        return VERDICT_PASS;
    if (observation_knows(o, FACT_ACCEPTED) && o->accepted == TRI_YES)
        return o->handshake == HANDSHAKE_FAILED
                   ? verdict_without(VERDICT_INCONCLUSIVE, cause_name(o->tls.failure.cause), e)
                   : VERDICT_PASS;
    if (mangled_keyword(o))
        return verdict_without(VERDICT_INCONCLUSIVE, "middlebox", e);
    if (!observation_knows(o, FACT_ADVERTISED) && !has_no_list(o))
        return verdict_unknown(o, FACT_ADVERTISED, e);
    if (!observation_knows(o, FACT_ACCEPTED))
        return verdict_unknown(o, FACT_ACCEPTED, e);
    if (!observation_knows(o, FACT_ADVERTISED))
        e->confidence = CONFIDENCE_PROBABLE;
    e->severity = severity_of_missing(s);
    add_role_evidence(s, e);
    add_text_evidence(e, "command", o->upgrade_command);
    add_text_evidence(e, "command_reply", o->upgrade_reply.data);
    add_login_evidence(o, e);
    return VERDICT_FAIL;
}

static enum verdict judge_not_advertised(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_preauth(o) || is_upgrade_refused(o) || has_no_list(o))
        return VERDICT_NOT_APPLICABLE;
    if (!observation_knows(o, FACT_ADVERTISED))
        return verdict_unknown(o, FACT_ADVERTISED, e);
    if (o->advertised == TRI_YES)
        return VERDICT_PASS;
    if (!observation_knows(o, FACT_ACCEPTED))
        return verdict_unknown(o, FACT_ACCEPTED, e);
    if (o->handshake == HANDSHAKE_FAILED)
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(o->tls.failure.cause), e);
    if (!observation_speaks_tls(o)) /* accepted, and nothing of TLS was seen behind that */
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(CAUSE_TLS), e);
    add_text_evidence(e, "command_reply", o->upgrade_reply.data);
    return VERDICT_FAIL;
}

/* --- an upgrade that fails -------------------------------------------------------------------- */

/* What says nothing about the server: silence, limits, a trouble of ours, "not now". */
static bool is_excused(enum cause cause)
{
    switch (cause) {
    case CAUSE_TIMEOUT:
    case CAUSE_DEADLINE:
    case CAUSE_LIMIT:
    case CAUSE_LOCAL:
    case CAUSE_RATE_LIMITED:
    case CAUSE_TEMPORARY:
        return true;
    default:
        return false;
    }
}

/* How a hello ended that was asked and not accepted. */
static enum cause end_of(const struct version_fact *v)
{
    static const enum cause ends[] = {
        [PROOF_ALERT] = CAUSE_ALERT, [PROOF_CLOSE] = CAUSE_CLOSED, [PROOF_RESET] = CAUSE_RESET};
    if (v->status == VERSION_INCONCLUSIVE)
        return v->alert >= 0 ? CAUSE_ALERT : v->reason;
    return v->status == VERSION_REJECTED && v->proof <= PROOF_RESET ? ends[v->proof] : CAUSE_NONE;
}

struct hellos {
    unsigned asked, accepted;
    unsigned same; /* met the end that the handshake met */
};

static struct hellos count_hellos(const struct tls_facts *t)
{
    struct hellos h = {0, 0, 0};
    for (int v = 0; v < VERSION_COUNT; v++) {
        h.asked += t->versions[v].status != VERSION_NOT_TESTED;
        h.accepted += t->versions[v].status == VERSION_ACCEPTED;
        h.same += end_of(&t->versions[v]) == t->failure.cause;
    }
    return h;
}

/* A handshake of ours may fail for our own old age; hellos made by hand must bear it out. */
static enum verdict judge_failure(const struct observation *o, struct evidence *e)
{
    const struct tls_facts *t = &o->tls;
    enum cause cause = t->failure.cause;
    struct hellos h = count_hellos(t);
    bool greeted = observation_knows(o, FACT_TLS_VERSION);
    bool certificate_wanted =
        cause == CAUSE_CERTIFICATE_REQUIRED ||
        (observation_knows(o, FACT_CLIENT_CERTIFICATE) && t->client_certificate);

    if (certificate_wanted)
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(CAUSE_CERTIFICATE_REQUIRED), e);
    if (is_excused(cause))
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(cause), e);
    if (greeted) { /* it agreed to everything and then went away */
        if (cause != CAUSE_CLOSED && cause != CAUSE_RESET && cause != CAUSE_ALERT)
            return verdict_without(VERDICT_INCONCLUSIVE, cause_name(cause), e);
        e->confidence = CONFIDENCE_PROBABLE;
    } else if (h.accepted) {
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(cause), e);
    } else if (!h.asked || (cause != CAUSE_ALERT && h.same < h.asked)) {
        e->confidence = CONFIDENCE_PROBABLE;
    }
    evidence_text(e, "cause", cause_name(cause));
    if (t->failure.detail >= 0)
        evidence_number(e, "alert", t->failure.detail);
    evidence_text(e, "message",
                  t->failure_text.data ? t->failure_text.data : outcome_text(t->failure));
    evidence_number(e, "hellos", h.asked);
    return VERDICT_FAIL;
}

static enum verdict judge_fails(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_preauth(o))
        return VERDICT_NOT_APPLICABLE;
    if (!observation_knows(o, FACT_ADVERTISED))
        return verdict_unknown(o, FACT_ADVERTISED, e);
    if (o->advertised != TRI_YES)
        return VERDICT_NOT_APPLICABLE;
    if (!observation_knows(o, FACT_ACCEPTED))
        return verdict_unknown(o, FACT_ACCEPTED, e);
    if (o->accepted == TRI_NO) {
        add_text_evidence(e, "command", o->upgrade_command);
        add_text_evidence(e, "command_reply", o->upgrade_reply.data);
        return VERDICT_FAIL;
    }
    if (o->handshake == HANDSHAKE_FAILED)
        return judge_failure(o, e);
    return o->handshake == HANDSHAKE_OK
               ? VERDICT_PASS
               : verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

/* --- TLS within TLS --------------------------------------------------------------------------- */

static const char *upgrade_keyword(const struct observation *o)
{
    return o->service->protocol == &protocol_pop3 ? "STLS" : "STARTTLS";
}

/* Can it be told from a list inside TLS whether the upgrade is offered there? FTP lists AUTH in any
   case (RFC 2228 allows it again). */
static bool has_list_inside(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    *verdict = VERDICT_NOT_APPLICABLE;
    if (is_protocol(s, &protocol_ftp) || !is_served(s, e, verdict))
        return false;
    *verdict = VERDICT_NOT_APPLICABLE;
    if (is_in_clear(s->o) && is_upgrade_refused(s->o))
        return false;
    if (observation_knows(s->o, FACT_CAPABILITIES_AFTER))
        return true;
    *verdict = verdict_unknown(s->o, FACT_CAPABILITIES_AFTER, e);
    return false;
}

static enum verdict judge_still_offered(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!has_list_inside(s, e, &verdict))
        return verdict;
    e->severity = is_protocol(s, &protocol_smtp)   ? SEVERITY_MEDIUM
                  : is_protocol(s, &protocol_imap) ? SEVERITY_LOW
                                                   : SEVERITY_INFO;
    evidence_text(e, "keyword", upgrade_keyword(s->o));
    return verdict_of(list_names(&s->o->capabilities[1], upgrade_keyword(s->o)));
}

/* On a port that is all TLS the upgrade can only be meant for whoever is behind it; where the
   connection was upgraded it takes a login that is still closed to tell that from a slip. */
static enum verdict judge_unaware(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;
    if (!has_list_inside(s, e, &verdict))
        return verdict;
    bool disabled = observation_knows(o, FACT_LOGIN_AFTER) && o->login_disabled[1] == TRI_YES;
    evidence_truth(e, "login_disabled_inside_tls", disabled);
    return verdict_of(list_names(&o->capabilities[1], upgrade_keyword(o)) &&
                      (disabled || !is_in_clear(o)));
}

static enum verdict judge_accepted_inside(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (is_protocol(s, &protocol_ftp))
        return VERDICT_NOT_APPLICABLE;
    if (!is_served(s, e, &verdict))
        return verdict;
    if (is_in_clear(s->o) && is_upgrade_refused(s->o))
        return VERDICT_NOT_APPLICABLE;
    if (is_protocol(s, &protocol_pop3))
        e->severity = SEVERITY_INFO;
    return verdict_of_fact(s, FACT_STARTTLS_INSIDE, s->o->tls.starttls_inside, e);
}

/* --- what comes through the seam between clear text and TLS ----------------------------------- */

static enum verdict judge_injection(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_upgrade_refused(o))
        return VERDICT_NOT_APPLICABLE;
    if (o->injection.verdict == INJECTION_NOT_TESTED)
        return verdict_without(VERDICT_NOT_TESTED, cause_name(o->injection.reason), e);
    if (o->injection.verdict == INJECTION_INCONCLUSIVE)
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(o->injection.reason), e);
    add_text_evidence(e, "sign", injection_sign_name(o->injection.sign));
    add_text_evidence(e, "reply", o->injection.reply.data);
    return verdict_of(o->injection.verdict == INJECTION_VULNERABLE);
}

static enum verdict judge_trailing(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_ACCEPTED))
        return verdict_unknown(o, FACT_ACCEPTED, e);
    if (o->accepted != TRI_YES)
        return VERDICT_NOT_APPLICABLE;
    if (!observation_knows(o, FACT_TRAILING))
        return verdict_unknown(o, FACT_TRAILING, e);
    evidence_number(e, "octets", (int64_t)o->trailing);
    return verdict_of(o->trailing > 0);
}

static enum verdict judge_greeting_after(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_upgrade_refused(o))
        return VERDICT_NOT_APPLICABLE;
    if (o->greeted_again)
        return VERDICT_FAIL;
    return observation_knows(o, FACT_CAPABILITIES_AFTER)
               ? VERDICT_PASS
               : verdict_unknown(o, FACT_CAPABILITIES_AFTER, e);
}

static enum verdict judge_continues(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    if (is_upgrade_refused(s->o))
        return VERDICT_NOT_APPLICABLE;
    return verdict_of_fact(s, FACT_CONTINUES, s->o->continues, e);
}

/* Needs a transaction that is begun in clear and carried on inside TLS. */
static enum verdict judge_state(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

/* --- the way there ---------------------------------------------------------------------------- */

/* The greeting of a mail server behind a firewall that hides it: nothing but stars, and some 0 and
   2. Letters among them may be somebody's taste. */
static enum confidence confidence_of_stars(const char *banner)
{
    if (!banner || strncmp(banner, "220 ****", 8) != 0)
        return CONFIDENCE_NONE;
    return strspn(banner, "*02 ") == strlen(banner) ? CONFIDENCE_PROBABLE : CONFIDENCE_POSSIBLE;
}

static enum verdict judge_stripped(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;

    if (!is_served_in_clear(s, e, &verdict))
        return verdict;
    const char *keyword = mangled_keyword(o);
    enum confidence stars =
        is_protocol(s, &protocol_smtp) ? confidence_of_stars(o->banner.data) : CONFIDENCE_NONE;
    if (!keyword && stars == CONFIDENCE_NONE)
        return observation_knows(o, FACT_CAPABILITIES_BEFORE)
                   ? VERDICT_PASS
                   : verdict_unknown(o, FACT_CAPABILITIES_BEFORE, e);
    if (!keyword)
        e->confidence = stars;
    add_text_evidence(e, "keyword", keyword);
    if (stars != CONFIDENCE_NONE)
        add_text_evidence(e, "greeting", o->banner.data);
    return VERDICT_FAIL;
}

static enum verdict judge_implicit_in_clear(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (s->o->service->mode != MODE_IMPLICIT)
        return VERDICT_NOT_APPLICABLE;
    if (!is_served(s, e, &verdict))
        return verdict;
    if (!observation_knows(s->o, FACT_OBSERVED_MODE))
        return verdict_unknown(s->o, FACT_OBSERVED_MODE, e);
    if (s->role == ROLE_FILES)
        e->severity = SEVERITY_MEDIUM;
    add_role_evidence(s, e);
    add_text_evidence(e, "greeting", s->o->banner.data);
    return verdict_of(s->o->mode != MODE_IMPLICIT);
}

static enum verdict judge_clear_in_tls(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (s->o->service->mode == MODE_IMPLICIT)
        return VERDICT_NOT_APPLICABLE;
    if (!is_served(s, e, &verdict))
        return verdict;
    if (!observation_knows(s->o, FACT_OBSERVED_MODE))
        return verdict_unknown(s->o, FACT_OBSERVED_MODE, e);
    return verdict_of(s->o->mode == MODE_IMPLICIT);
}

/* Ports that IANA has given to something else, or to nobody. */
static const char *registered_service(uint16_t port)
{
    switch (port) {
    case 585:
        return "imap4-ssl, no longer in use";
    case 991:
        return "nas (RFC 4707)";
    case 994:
        return "reserved";
    default:
        return NULL;
    }
}

static enum verdict judge_port(const struct subject *s, struct evidence *e)
{
    const char *registered = registered_service(s->o->service->port);
    enum verdict verdict;
    if (!registered)
        return VERDICT_NOT_APPLICABLE;
    if (!is_served(s, e, &verdict))
        return verdict;
    if (s->o->status != STATUS_OK)
        return verdict_without(VERDICT_INCONCLUSIVE, cause_name(s->o->error.cause), e);
    evidence_text(e, "registered", registered);
    evidence_text(e, "seen", s->o->service->protocol->name);
    return VERDICT_FAIL;
}

static enum verdict judge_bare_lf(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_served(s, e, &verdict))
        return verdict;
    if (!observation_knows(s->o, FACT_BANNER) && !s->o->bare_lf)
        return verdict_unknown(s->o, FACT_BANNER, e);
    return verdict_of(s->o->bare_lf);
}

/* --- hellos that a careful server would turn down --------------------------------------------- */

static enum verdict judge_client_certificate(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (is_in_clear(s->o) || (s->role != ROLE_ACCESS && s->role != ROLE_SUBMISSION))
        return VERDICT_NOT_APPLICABLE;
    if (!is_served(s, e, &verdict))
        return verdict;
    return verdict_of_fact(s, FACT_CLIENT_CERTIFICATE, tri_of(s->o->tls.client_certificate), e);
}

static enum verdict judge_alpn(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_served(s, e, &verdict))
        return verdict;
    if (is_in_clear(s->o) && is_upgrade_refused(s->o))
        return VERDICT_NOT_APPLICABLE;
    return verdict_of_fact(s, FACT_ALPN, s->o->tls.alpn, e);
}

/* RFC 8461 section 7.1 asks the contrary of servers that take mail from the Internet. */
static enum verdict judge_unknown_name(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (s->role == ROLE_MX || s->role == ROLE_RELAY)
        return VERDICT_NOT_APPLICABLE;
    if (!is_served(s, e, &verdict))
        return verdict;
    if (is_in_clear(s->o) && is_upgrade_refused(s->o))
        return VERDICT_NOT_APPLICABLE;
    return verdict_of_fact(s, FACT_UNKNOWN_NAME, s->o->tls.unknown_name, e);
}

/* --- the table -------------------------------------------------------------------------------- */

const struct rule rules_channel[] = {
    {
        .id = "STARTTLS-NOT-OFFERED",
        .severity = SEVERITY_HIGH,
        .title = "No upgrade to TLS on a port that starts in clear",
        .description =
            "The capability list was complete and does not offer the upgrade, and the command was "
            "refused when it was sent nevertheless. All that is said on this port, passwords "
            "included, can be read and changed on the way. Critical where a password is taken in "
            "clear as well; informational for a relay that takes no mail from the Internet, low "
            "for FTP that serves nobody but \"anonymous\".",
        .remediation =
            "Install a certificate and switch the upgrade on: Dovecot ssl = yes with "
            "ssl_server_cert_file (2.3: ssl_cert); Postfix smtpd_tls_chain_files and "
            "smtpd_tls_security_level = may; Exim tls_advertise_hosts = * with tls_certificate; "
            "Cyrus tls_server_cert and tls_server_key; Courier IMAPDSTARTTLS=YES, "
            "POP3_STARTTLS=YES; vsftpd ssl_enable=YES; ProFTPD TLSEngine on; Pure-FTPd TLS 2. If "
            "nobody needs the port, close it.",
        .references = {{"RFC 8314 section 4", SOURCE_PRIMARY},
                       {"RFC 9325 section 3.2", SOURCE_PRIMARY},
                       {"RFC 9051 section 6.1.1", SOURCE_PRIMARY},
                       {"RFC 9051 section 11.2", SOURCE_PRIMARY},
                       {"RFC 2595 section 4", SOURCE_PRIMARY},
                       {"RFC 7672 section 1.3.1", SOURCE_PRIMARY},
                       {"RFC 4217 section 4", SOURCE_PRIMARY}},
        .judge = judge_not_offered,
    },
    {
        .id = "STARTTLS-NOT-ADVERTISED-BUT-WORKS",
        .severity = SEVERITY_LOW,
        .title = "The upgrade to TLS works, but is not announced",
        .description = "The capability list was complete and does not name the upgrade, yet the "
                       "command was accepted. Clients that go by the list stay in clear text.",
        .remediation = "Announce it: look for a setting that suppresses the keyword (Postfix "
                       "smtpd_discard_ehlo_keywords, Exim tls_advertise_hosts, Dovecot "
                       "imap_capability), or for a proxy with a list of its own.",
        .references = {{"RFC 2595 section 4", SOURCE_PRIMARY},
                       {"RFC 4217 section 6", SOURCE_PRIMARY}},
        .judge = judge_not_advertised,
    },
    {
        .id = "STARTTLS-ADVERTISED-BUT-FAILS",
        .severity = SEVERITY_HIGH,
        .title = "The upgrade to TLS is announced, but fails",
        .description =
            "The server offers the upgrade and then refuses it, or accepts it and no handshake "
            "comes about, neither with a library nor with hellos made by hand. This is worse than "
            "no offer: mail is deferred or sent in clear, clients fail or fall back. A refusal for "
            "the moment, silence, and a server that wants a certificate of the client do not "
            "count.",
        .remediation =
            "Look into the server's log for this connection. Common causes: a certificate or key "
            "that cannot be read or do not belong together, an expired set of ciphers, a chain "
            "file that is gone. If TLS is not wanted, stop announcing it (Postfix "
            "smtpd_tls_security_level = none, Exim tls_advertise_hosts empty, Dovecot ssl = no).",
        .references = {{"RFC 8314 section 4", SOURCE_PRIMARY},
                       {"RFC 3207 section 4", SOURCE_PRIMARY}},
        .judge = judge_fails,
    },
    {
        .id = "STARTTLS-STILL-OFFERED-AFTER-TLS",
        .severity = SEVERITY_MEDIUM,
        .title = "The upgrade to TLS is offered inside TLS",
        .description = "The capability list that was asked for inside TLS still offers the "
                       "upgrade. SMTP forbids that (medium), IMAP advises against it (low), for "
                       "POP3 it is information only; FTP lists AUTH TLS in any case.",
        .remediation = "Let the server itself end TLS, or tell it about TLS: PROXY protocol "
                       "version 2 with its TLS fields (Dovecot haproxy listeners, Postfix "
                       "postscreen_upstream_proxy_protocol); else upgrade the server.",
        .references = {{"RFC 3207 section 4.2", SOURCE_PRIMARY},
                       {"RFC 9051 section 6.2.1", SOURCE_PRIMARY},
                       {"RFC 2595 section 4", SOURCE_PRIMARY}},
        .judge = judge_still_offered,
    },
    {
        .id = "STARTTLS-ACCEPTED-INSIDE-TLS",
        .severity = SEVERITY_MEDIUM,
        .title = "The upgrade to TLS is accepted inside TLS",
        .description = "The upgrade command was sent once more inside TLS, and the server agreed. "
                       "It has lost sight of the state of its own connection. For POP3 the "
                       "standard leaves it open (information only).",
        .remediation = "Upgrade the server, or the proxy in front of it.",
        .references = {{"RFC 9051 section 6.2.1", SOURCE_PRIMARY},
                       {"RFC 3207 section 4.2", SOURCE_PRIMARY},
                       {"RFC 2595 section 4", SOURCE_PRIMARY}},
        .judge = judge_accepted_inside,
    },
    {
        .id = "STARTTLS-INJECTION",
        .severity = SEVERITY_HIGH,
        .title = "Commands sent in clear behind the upgrade are carried out inside TLS",
        .description =
            "A harmless command was sent in one piece with the upgrade command, before TLS, and "
            "its answer came inside TLS. Somebody on the way can so put commands of their own in "
            "front of those of a client, for example to have its login or its mail sent to "
            "themselves. Servers that forget the command, refuse it, or break the handshake are "
            "sound.",
        .remediation = "Upgrade the server: everything that was read before TLS must be thrown "
                       "away when TLS begins. Until then offer implicit TLS only.",
        .references = {{"RFC 9051 section 6.2.1", SOURCE_PRIMARY},
                       {"RFC 3207 section 4", SOURCE_PRIMARY},
                       {"RFC 3207 section 4.2", SOURCE_PRIMARY},
                       {"RFC 9325 section 3.2", SOURCE_PRIMARY}},
        .judge = judge_injection,
    },
    {
        .id = "STARTTLS-RESPONSE-TRAILING-DATA",
        .severity = SEVERITY_MEDIUM,
        .title = "More clear text follows the reply that begins TLS",
        .description = "Behind the line that accepted the upgrade the server sent more in clear. A "
                       "client that keeps it takes it for something said inside TLS. Only a broken "
                       "server does so, or somebody on the way.",
        .remediation = "Find out who sends it: compare with a scan from a host next to the server, "
                       "then upgrade the server or look at what is in between.",
        .references = {{"RFC 9051 section 6.2.1", SOURCE_PRIMARY},
                       {"RFC 9051 section 11.3", SOURCE_PRIMARY}},
        .judge = judge_trailing,
    },
    {
        .id = "STARTTLS-STATE-NOT-RESET",
        .severity = SEVERITY_MEDIUM,
        .title = "What was said in clear is still in force inside TLS",
        .description = "Does a mail transaction that was begun in clear go on inside TLS? To see "
                       "that, a transaction has to be opened, which this scanner does not do: "
                       "never tested, here for a check by hand.",
        .remediation = "Upgrade the server: it must forget the name given in EHLO and the "
                       "transaction when TLS begins.",
        .references = {{"RFC 3207 section 4.2", SOURCE_PRIMARY},
                       {"RFC 4217 section 4.2", SOURCE_PRIMARY}},
        .judge = judge_state,
    },
    {
        .id = "STARTTLS-STRIPPED-BY-MIDDLEBOX",
        .severity = SEVERITY_HIGH,
        .title = "Something on the way makes the offer of TLS unreadable",
        .description =
            "A keyword of the capability list consists of X where STARTTLS should be, or the "
            "greeting of stars. That is what firewalls with SMTP inspection do, and what an "
            "attacker would do. If every target of a run shows it, the firewall is on the "
            "scanner's side.",
        .remediation = "Switch off SMTP inspection on the firewall (Cisco ASA: no inspect esmtp; "
                       "PIX: no fixup protocol smtp 25), on either side.",
        .references = {{"RFC 3207 section 6", SOURCE_PRIMARY},
                       {"RFC 8689 section 8.2", SOURCE_PRIMARY}},
        .judge = judge_stripped,
    },
    {
        .id = "TLS-FAILURE-CONTINUES-PLAINTEXT",
        .severity = SEVERITY_LOW,
        .title = "Commands are answered in clear after TLS has failed",
        .description = "The upgrade was accepted, the handshake was broken off with an alert, and "
                       "the server went on to answer commands on the same connection in clear. "
                       "Clients can so be brought to go on without TLS.",
        .remediation = "Upgrade the server: a connection on which the handshake failed has to be "
                       "closed.",
        .references = {{"RFC 4217 section 10.1", SOURCE_PRIMARY}},
        .judge = judge_continues,
    },
    {
        .id = "IMPLICIT-PORT-SPEAKS-CLEARTEXT",
        .severity = SEVERITY_HIGH,
        .title = "A port for implicit TLS greets in clear",
        .description = "TLS should begin with the first octet there, and the server greets in "
                       "clear text instead. Clients that insist on TLS fail, others do not notice. "
                       "High for mail, medium for FTP.",
        .remediation = "Set the listener to TLS from the start: Postfix -o "
                       "smtpd_tls_wrappermode=yes, Exim tls_on_connect_ports, Dovecot ssl = yes in "
                       "the inet_listener, vsftpd implicit_ssl=YES, ProFTPD TLSOptions "
                       "UseImplicitSSL.",
        .references = {{"RFC 8314 section 3.3", SOURCE_PRIMARY}},
        .judge = judge_implicit_in_clear,
    },
    {
        .id = "CLEARTEXT-PORT-SPEAKS-TLS",
        .severity = SEVERITY_INFO,
        .title = "A port that should start in clear expects TLS at once",
        .description = "Nothing was said in clear, and a TLS hello was answered. That is secure, "
                       "but ordinary clients of this port will not get in.",
        .remediation = "Move the service to the port for implicit TLS, or have it start in clear "
                       "and offer the upgrade.",
        .references = {{"RFC 8314 section 3.3", SOURCE_PRIMARY}},
        .judge = judge_clear_in_tls,
    },
    {
        .id = "CLIENT-CERT-REQUESTED",
        .severity = SEVERITY_INFO,
        .title = "The server asks for a certificate of the client",
        .description = "On a port for implicit TLS the server sent a CertificateRequest. It should "
                       "do so only if it lets clients in by their certificates, which cannot be "
                       "seen from outside; some clients pester their users because of it.",
        .remediation = "Stop asking unless certificates are used to log in: Dovecot "
                       "ssl_server_request_client_cert = no (2.3: ssl_verify_client_cert), Postfix "
                       "smtpd_tls_ask_ccert = no, Exim tls_try_verify_hosts empty.",
        .references = {{"RFC 8314 section 4.2", SOURCE_PRIMARY}},
        .judge = judge_client_certificate,
    },
    {
        .id = "ALPN-NOT-ENFORCED",
        .severity = SEVERITY_INFO,
        .title = "A hello that asks for HTTP alone is accepted",
        .description = "The hello named http/1.1 as the only protocol (ALPN), and the handshake "
                       "went on. A server that refuses it cannot be used to answer a browser that "
                       "was led astray. Most servers do not look at ALPN. Asked with --exhaustive.",
        .remediation = "Use a server that goes by ALPN, as Dovecot 2.4 does.",
        .references = {{"RFC 9325 section 3.8", SOURCE_PRIMARY},
                       {"RFC 7301 section 3.2", SOURCE_PRIMARY}},
        .judge = judge_alpn,
    },
    {
        .id = "SNI-UNKNOWN-ACCEPTED",
        .severity = SEVERITY_INFO,
        .title = "A hello to an unknown server name is accepted",
        .description = "The hello asked for nonexistent.invalid, and the handshake went on with "
                       "some certificate. Not judged where mail is taken from the Internet: there "
                       "a certificate must be sent whatever the name. Asked with --exhaustive.",
        .remediation = "None is needed for a server with one name; one with many may refuse names "
                       "that it does not have.",
        .references = {{"RFC 9325 section 3.7", SOURCE_PRIMARY},
                       {"RFC 8461 section 7.1", SOURCE_SECOND_HAND}},
        .judge = judge_unknown_name,
    },
    {
        .id = "PORT-SERVICE-UNEXPECTED",
        .severity = SEVERITY_INFO,
        .title = "The port is registered for something else",
        .description = "A service of this protocol was really seen on a port that IANA has "
                       "registered for another one, or has reserved. Firewalls and inventories "
                       "will take it for that other one.",
        .remediation = "Move the service to its own port.",
        .references = {{"IANA Service Name and Transport Protocol Port Number Registry",
                        SOURCE_PRIMARY}},
        .judge = judge_port,
    },
    {
        .id = "BACKEND-UNAWARE-OF-TLS",
        .severity = SEVERITY_INFO,
        .title = "The server seems not to know that it is spoken to inside TLS",
        .description = "Inside TLS the upgrade is still offered, on a port that is all TLS or "
                       "together with logins that are disabled. TLS then probably ends in a proxy, "
                       "and the server behind it takes the connection for one in clear.",
        .remediation = "Have the proxy tell the server about TLS (PROXY protocol version 2), or "
                       "let the server end TLS itself.",
        .references = {{"RFC 9051 section 6.2.1", SOURCE_PRIMARY},
                       {"RFC 3207 section 4.2", SOURCE_PRIMARY}},
        .judge = judge_unaware,
    },
    {
        .id = "GREETING-AFTER-TLS",
        .severity = SEVERITY_INFO,
        .title = "The server greets once more inside TLS",
        .description = "After the upgrade a greeting came inside TLS. None of these protocols has "
                       "one there; a client may take it for the answer to its first command.",
        .remediation = "Upgrade the server, or the proxy in front of it.",
        .references = {{"RFC 3207 section 4.2", SOURCE_PRIMARY},
                       {"RFC 4217 section 4.2", SOURCE_PRIMARY}},
        .judge = judge_greeting_after,
    },
    {
        .id = "LINE-BARE-LF",
        .severity = SEVERITY_INFO,
        .title = "Lines end without a carriage return",
        .description = "At least one line of the server ended in LF alone. Where two programs "
                       "disagree on where a line ends, something can be smuggled past one of them.",
        .remediation = "Upgrade the server, or correct the text of its greeting.",
        .references = {{"RFC 5321 section 2.3.8", SOURCE_MEMORY}},
        .judge = judge_bare_lf,
    },
    {0},
};
