/* SPDX-License-Identifier: MIT */
/* ftp.c: the rules about FTP. */
#include <stdio.h>

#include "output/rules/common.h"

/* --- the control channel ---------------------------------------------------------------------- */

static bool is_ftp_in_clear(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    *verdict = VERDICT_NOT_APPLICABLE;
    return is_protocol(s, &protocol_ftp) && is_served_in_clear(s, e, verdict);
}

/* Was the upgrade accepted? Then there is something to say about it. */
static bool is_upgraded(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    if (!is_ftp_in_clear(s, e, verdict))
        return false;
    *verdict = VERDICT_NOT_APPLICABLE;
    if (observation_knows(s->o, FACT_ACCEPTED))
        return s->o->accepted == TRI_YES;
    *verdict = verdict_unknown(s->o, FACT_ACCEPTED, e);
    return false;
}

static bool is_by_ssl(const struct observation *o)
{
    return o->upgrade_command && strcmp(o->upgrade_command, "AUTH SSL") == 0;
}

static enum verdict judge_ssl_only(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_upgraded(s, e, &verdict))
        return verdict;
    add_text_evidence(e, "reply", s->o->upgrade_reply.data);
    return verdict_of(is_by_ssl(s->o));
}

static enum verdict judge_334(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;
    if (!is_upgraded(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_REPLY))
        return verdict_unknown(o, FACT_REPLY, e);
    add_text_evidence(e, "command", o->upgrade_command);
    add_text_evidence(e, "reply", o->upgrade_reply.data);
    return verdict_of(o->upgrade_reply.data && strncmp(o->upgrade_reply.data, "334", 3) == 0);
}

static bool has_feature(const struct observation *o, const char *keyword)
{
    return list_names(&o->capabilities[0], keyword) ||
           (observation_knows(o, FACT_CAPABILITIES_AFTER) &&
            list_names(&o->capabilities[1], keyword));
}

static enum verdict judge_features(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    char missing[WORDS_MAX];
    enum verdict verdict;

    if (!is_upgraded(s, e, &verdict))
        return verdict;
    if (o->status == STATUS_OK && o->why[FACT_CAPABILITIES_BEFORE] == CAUSE_REFUSED)
        return VERDICT_NOT_APPLICABLE; /* no FEAT: merely old */
    if (!observation_knows(o, FACT_CAPABILITIES_BEFORE))
        return verdict_unknown(o, FACT_CAPABILITIES_BEFORE, e);
    if (is_by_ssl(o))
        return VERDICT_NOT_APPLICABLE; /* FTP-AUTH-SSL-ONLY */
    snprintf(missing, sizeof missing, "%s%s%s", o->advertised == TRI_YES ? "" : "AUTH TLS ",
             has_feature(o, "PBSZ") ? "" : "PBSZ ", has_feature(o, "PROT") ? "" : "PROT ");
    size_t n = strlen(missing);
    if (!n)
        return VERDICT_PASS;
    evidence_format(e, "missing", "%.*s", (int)(n - 1), missing);
    return VERDICT_FAIL;
}

static enum verdict judge_anonymous(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_ftp_in_clear(s, e, &verdict))
        return verdict;
    return verdict_of_fact(s, FACT_ANONYMOUS, s->o->anonymous, e);
}

/* No RFC has it; that it is missing is no fault. */
static enum verdict judge_implicit(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict = VERDICT_NOT_APPLICABLE;

    if (!is_protocol(s, &protocol_ftp) || o->service->mode != MODE_IMPLICIT ||
        !is_served(s, e, &verdict))
        return verdict;
    if (!observation_knows(o, FACT_OBSERVED_MODE))
        return verdict_unknown(o, FACT_OBSERVED_MODE, e);
    return verdict_of(o->mode == MODE_IMPLICIT);
}

/* --- the data channel ------------------------------------------------------------------------- */

/* Is there a control channel inside TLS? */
static bool is_inside(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    *verdict = VERDICT_NOT_APPLICABLE;
    if (!is_protocol(s, &protocol_ftp) || !is_served(s, e, verdict))
        return false;
    *verdict = VERDICT_NOT_APPLICABLE;
    return !(is_in_clear(s->o) && is_upgrade_refused(s->o));
}

static enum verdict judge_protection(const struct subject *s, struct evidence *e)
{
    const struct observation *o = s->o;
    enum verdict verdict;
    if (!is_inside(s, e, &verdict))
        return verdict;
    add_text_evidence(e, "reply", o->protection_reply.data);
    enum tri refused = o->protection == TRI_UNKNOWN ? TRI_UNKNOWN : tri_of(o->protection == TRI_NO);
    return verdict_of_fact(s, FACT_PROTECTION, refused, e);
}

/* RFC 4217 section 10.2: the server need not refuse before data is sent. That takes a login. */
static enum verdict judge_clear_data(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_inside(s, e, &verdict))
        return verdict;
    return verdict_without(VERDICT_NOT_TESTED, cause_name(CAUSE_NOT_ASKED), e);
}

static enum verdict judge_ccc(const struct subject *s, struct evidence *e)
{
    enum verdict verdict;
    if (!is_inside(s, e, &verdict))
        return verdict;
    return verdict_of_fact(s, FACT_CCC, s->o->ccc, e);
}

/* --- the table -------------------------------------------------------------------------------- */

const struct rule rules_ftp[] = {
    {
        .id = "FTP-AUTH-SSL-ONLY",
        .severity = SEVERITY_LOW,
        .title = "Only the outdated AUTH SSL begins TLS",
        .description = "AUTH TLS was refused and AUTH SSL accepted. AUTH SSL comes from a draft, "
                       "and some clients take it to protect the data channel at once.",
        .remediation = "Upgrade the server, or have it take AUTH TLS.",
        .references = {{"RFC 4217 section 4", SOURCE_PRIMARY},
                       {"RFC 4217 section 17", SOURCE_PRIMARY}},
        .judge = judge_ssl_only,
    },
    {
        .id = "FTP-AUTH-REPLY-334",
        .severity = SEVERITY_LOW,
        .title = "AUTH TLS is answered by 334",
        .description = "334 asks for more data, which TLS does not have; 234 is right. Clients "
                       "that go by the standard give up.",
        .remediation = "Upgrade the server.",
        .references = {{"RFC 4217 section 4.2", SOURCE_PRIMARY}},
        .judge = judge_334,
    },
    {
        .id = "FTP-FEAT-INCOMPLETE",
        .severity = SEVERITY_LOW,
        .title = "FEAT does not name all of AUTH TLS, PBSZ and PROT",
        .description = "AUTH TLS works, but the list that FEAT gives, before TLS and inside it, "
                       "lacks AUTH TLS, PBSZ or PROT. Clients may leave the data channel, or all, "
                       "in clear.",
        .remediation = "Upgrade the server, or complete its list of features.",
        .references = {{"RFC 4217 section 6", SOURCE_PRIMARY}},
        .judge = judge_features,
    },
    {
        .id = "FTP-ANONYMOUS-CLEARTEXT",
        .severity = SEVERITY_INFO,
        .title = "The user \"anonymous\" is let in without TLS",
        .description = "USER anonymous was answered by \"and the password\", or let in. Files for "
                       "everybody may well be served in clear, if that is meant. Asked with "
                       "--exhaustive.",
        .remediation = "vsftpd anonymous_enable=NO, ProFTPD without an <Anonymous> section, "
                       "Pure-FTPd NoAnonymous yes, if it is not meant.",
        .references = {{"RFC 9325 section 3.2", SOURCE_PRIMARY}},
        .judge = judge_anonymous,
    },
    {
        .id = "FTP-PROT-P-REFUSED",
        .severity = SEVERITY_HIGH,
        .title = "The data channel cannot be protected",
        .description = "Inside TLS, PROT P was refused: files and listings go in clear, although "
                       "the login does not. A refusal before the login (503, 530) does not count.",
        .remediation = "vsftpd ssl_enable=YES with force_local_data_ssl=YES; ProFTPD TLSRequired "
                       "on; Pure-FTPd TLS 3.",
        .references = {{"RFC 4217 section 9", SOURCE_PRIMARY},
                       {"RFC 2228 section 3", SOURCE_PRIMARY}},
        .judge = judge_protection,
    },
    {
        .id = "FTP-PROT-C-ACCEPTED",
        .severity = SEVERITY_INFO,
        .title = "The data channel may be left in clear",
        .description = "Does the server send files without protection? A positive reply to PROT C "
                       "proves nothing; it takes a login and a transfer: never tested, here for a "
                       "check by hand.",
        .remediation = "vsftpd force_local_data_ssl=YES; ProFTPD TLSRequired on; Pure-FTPd TLS 3.",
        .references = {{"RFC 4217 section 10.2", SOURCE_PRIMARY}},
        .judge = judge_clear_data,
    },
    {
        .id = "FTP-CCC-ALLOWED",
        .severity = SEVERITY_MEDIUM,
        .title = "The control channel may be made clear again (CCC)",
        .description = "CCC was accepted inside TLS, before any login: somebody on the way can "
                       "wait for it and take over the session. Asked with --exhaustive.",
        .remediation = "Have the server refuse CCC, before a login at least.",
        .references = {{"RFC 4217 section 5", SOURCE_PRIMARY},
                       {"RFC 4217 section 15.3", SOURCE_PRIMARY}},
        .judge = judge_ccc,
    },
    {
        .id = "FTP-IMPLICIT-990",
        .severity = SEVERITY_INFO,
        .title = "FTP is served with implicit TLS",
        .description = "TLS begins with the first octet. Clients know that, and IANA has a port "
                       "for it, but no RFC; AUTH TLS on port 21 is the standard.",
        .remediation = "None is needed.",
        .references = {{"IANA Service Name and Transport Protocol Port Number Registry, ftps",
                        SOURCE_PRIMARY},
                       {"draft-murray-auth-ftp-ssl", SOURCE_MEMORY}},
        .judge = judge_implicit,
    },
    {0},
};
