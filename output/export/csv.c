/* SPDX-License-Identifier: MIT */
/*
 * csv.c: tables for spreadsheets (RFC 4180): a line a finding, and a line an endpoint.
 *
 * UTF-8 without a mark in front; every field in quotes. A field that a spreadsheet could take for a
 * formula has ' in front, and so has one that begins with it: who reads a field that begins with '
 * takes that away, and has what stood in the record.
 */
#include "output/export/words.h"

#include <stdio.h>
#include <string.h>

#include "output/members.h"

#define FIELD_MAX ((size_t)32766) /* octets; a cell of a spreadsheet has one character more */

/* --- fields ----------------------------------------------------------------------------------- */

/* Behind these, and their forms as wide as Chinese characters, a spreadsheet looks for a formula. */
static bool is_formula(const char *text)
{
    static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d",
                                       "\xef\xbc\xa0"};
    if (*text && strchr("=+-@\t\r\n'", *text))
        return true;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (strncmp(text, wide[i], strlen(wide[i])) == 0)
            return true;
    return false;
}

/* Blanks in front are nothing to a spreadsheet. */
static bool is_dangerous(const char *text)
{
    return is_formula(text) || is_formula(text + strspn(text, " "));
}

static bool put_quoted(struct exporting *e, struct span text)
{
    while (text.len) {
        const char *quote = memchr(text.at, '"', text.len);
        size_t n = quote ? (size_t)(quote - text.at) + 1 : text.len;
        if (!put_span(e, span_until(text, n)) || (quote && !put(e, "\"")))
            return false;
        text = span_from(text, n);
    }
    return true;
}

static bool put_first(struct exporting *e, const char *text)
{
    return text && put(e, is_dangerous(text) ? "\"'" : "\"") &&
           put_quoted(e, words_cut(text, FIELD_MAX)) && put(e, "\"");
}

static bool put_field(struct exporting *e, const char *text)
{
    return put(e, ",") && put_first(e, text);
}

static bool put_fields(struct exporting *e, const cJSON *record, const char *const *paths)
{
    for (; *paths; paths++)
        if (!put_field(e, export_text(record, *paths)))
            return false;
    return true;
}

static bool put_count(struct exporting *e, double count)
{
    char text[32];
    snprintf(text, sizeof text, "%.0f", count >= 0 && count < 1e15 ? count : 0);
    return put_field(e, text);
}

/* Yes and no; "unknown" if it was not learnt: it is left out, and what it is in is not. */
static bool put_truth(struct exporting *e, const cJSON *parent, const char *name)
{
    const cJSON *item = member_of(parent, name);
    return put_field(e, cJSON_IsBool(item)                ? cJSON_IsTrue(item) ? "true" : "false"
                        : cJSON_IsObject(parent) && !item ? "unknown"
                                                          : "");
}

/* The same, where what it is in may not have been learnt itself. */
static bool put_truth_within(struct exporting *e, const cJSON *outer, const char *parent,
                             const char *name)
{
    const cJSON *inner = member_of(outer, parent);
    return cJSON_IsObject(outer) && !inner ? put_field(e, "unknown") : put_truth(e, inner, name);
}

static bool put_labels(struct exporting *e, const cJSON *record)
{
    for (size_t i = 0; i < e->options->label_count; i++)
        if (!put_field(e, words_label(record, e->options->labels[i])))
            return false;
    return true;
}

static bool end_line(struct exporting *e)
{
    return put(e, "\r\n");
}

/* --- the columns that both tables begin with -------------------------------------------------- */

static const char *const identity[] = {
    "run_id",        "time",          "endpoint/key", "endpoint/protocol",
    "endpoint/mode", "endpoint/host", "endpoint/ip",  NULL};

static bool put_identity(struct exporting *e, const cJSON *record)
{
    return put_first(e, e->options->scan) && put_fields(e, record, identity) &&
           put_count(e, words_port(record)) && put_field(e, export_text(record, "status")) &&
           put_labels(e, record);
}

static bool put_head(struct exporting *e, const char *columns)
{
    bool ok =
        put(e, "\"scan\",\"run_id\",\"time\",\"endpoint\",\"protocol\",\"mode\",\"host\",\"ip\","
               "\"port\",\"status\"");
    for (size_t i = 0; ok && i < e->options->label_count; i++)
        ok = put(e, ",\"label_") && put_quoted(e, span_of(e->options->labels[i])) && put(e, "\"");
    while (ok && *columns) {
        size_t n = strcspn(columns, " ");
        ok = put(e, ",\"") && put_span(e, (struct span){columns, n}) && put(e, "\"");
        columns += n + (columns[n] == ' ');
    }
    return ok && end_line(e);
}

static bool end(struct exporting *e)
{
    (void)e;
    return true;
}

/* --- a line a finding ------------------------------------------------------------------------- */

static bool begin_findings(struct exporting *e)
{
    return put_head(e,
                    "rule severity confidence finding_status baseline title evidence remediation "
                    "references fingerprint waiver_id waiver_expires waiver_approved_by "
                    "waiver_ticket waiver_reason");
}

static bool put_finding(struct exporting *e, const cJSON *finding)
{
    static const char *const what[] = {"rule",     "severity", "confidence", "status",
                                       "baseline", "title",    NULL};
    static const char *const waiver[] = {
        "fingerprint",   "waiver/id", "waiver/expires", "waiver/approved_by", "waiver/ticket",
        "waiver/reason", NULL};
    return put_fields(e, finding, what) && put_field(e, words_evidence(e, finding)) &&
           put_field(e, export_text(finding, "remediation")) &&
           put_field(e, words_list(e, member_of(finding, "references"), "; ")) &&
           put_fields(e, finding, waiver);
}

/* An endpoint without findings has a line, too: it was looked at. */
static bool record_findings(struct exporting *e, const char *type, const cJSON *record)
{
    const cJSON *findings = member_of(record, "findings"), *finding;
    if (strcmp(type, "endpoint") != 0)
        return true;
    if (!cJSON_GetArraySize(findings))
        return put_identity(e, record) && put_finding(e, NULL) && end_line(e);
    cJSON_ArrayForEach(finding, findings)
    {
        if (!put_identity(e, record) || !put_finding(e, finding) || !end_line(e))
            return false;
    }
    return true;
}

const struct exporter export_csv = {
    "csv", "a line a finding, for spreadsheets", begin_findings, record_findings, end, NULL};

/* --- a line an endpoint ----------------------------------------------------------------------- */

static bool begin_endpoints(struct exporting *e)
{
    return put_head(
        e, "observed_mode error_stage error_code error_message banner starttls_advertised "
           "starttls_accepted starttls_handshake starttls_injection preauth "
           "login_disabled_before_tls mechanisms_before_tls capabilities_before_tls "
           "cleartext_login tls_established tls_version tls_cipher ssl_2.0 ssl_3.0 tls_1.0 tls_1.1 "
           "tls_1.2 tls_1.3 cert_subject cert_issuer cert_names cert_not_before cert_not_after "
           "cert_key cert_bits cert_sha256 cert_trusted cert_name_match cert_errors policies "
           "severity_max critical high medium low info waived");
}

static bool put_upgrade(struct exporting *e, const cJSON *record)
{
    const cJSON *starttls = member_of(record, "starttls");
    return put_truth(e, starttls, "advertised") && put_truth(e, starttls, "accepted") &&
           put_field(e, export_text(starttls, "handshake")) &&
           put_field(e, export_text(starttls, "injection"));
}

static bool put_login(struct exporting *e, const cJSON *record)
{
    const cJSON *auth = member_of(record, "auth");
    return put_truth(e, auth, "preauth") &&
           put_truth_within(e, auth, "login_disabled", "before_tls") &&
           put_field(e, words_list(e, export_member(auth, "mechanisms/before_tls"), " ")) &&
           put_field(e, words_list(e, export_member(auth, "capabilities/before_tls"), "; ")) &&
           put_field(e, export_text(auth, "cleartext_login/verdict"));
}

static bool put_version(struct exporting *e, const cJSON *tls, const char *protocol,
                        const char *version)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, member_of(tls, "versions"))
    {
        if (strcmp(export_text(row, "protocol"), protocol) == 0 &&
            strcmp(export_text(row, "version"), version) == 0)
            return put_field(e, export_text(row, "status"));
    }
    return put_field(e, "");
}

static bool put_tls(struct exporting *e, const cJSON *tls)
{
    static const char *const versions[][2] = {{"ssl", "2.0"}, {"ssl", "3.0"}, {"tls", "1.0"},
                                              {"tls", "1.1"}, {"tls", "1.2"}, {"tls", "1.3"}};
    bool ok = put_truth(e, tls, "established") && put_field(e, export_text(tls, "version")) &&
              put_field(e, export_text(tls, "cipher"));
    for (size_t i = 0; ok && i < sizeof versions / sizeof *versions; i++)
        ok = put_version(e, tls, versions[i][0], versions[i][1]);
    return ok;
}

static bool put_certificate(struct exporting *e, const cJSON *tls)
{
    static const char *const before[] = {"subject_dn", "issuer_dn", NULL};
    static const char *const behind[] = {"not_before", "not_after", "key_algorithm", NULL};
    const cJSON *c = member_of(tls, "certificate"), *verify = member_of(tls, "verify");
    return put_fields(e, c, before) && put_field(e, words_list(e, member_of(c, "san_dns"), " ")) &&
           put_fields(e, c, behind) &&
           (export_number(c, "key_bits") > 0 ? put_count(e, export_number(c, "key_bits"))
                                             : put_field(e, "")) &&
           put_field(e, export_text(c, "sha256")) &&
           put_truth_within(e, tls, "verify", "trusted") &&
           put_truth_within(e, tls, "verify", "name_match") &&
           put_field(e, words_list(e, member_of(verify, "errors"), " "));
}

static bool put_policies(struct exporting *e, const cJSON *policies)
{
    const cJSON *policy;
    struct page *page = &e->words;
    bool ok = true;

    page_clear(page);
    cJSON_ArrayForEach(policy, policies)
    {
        const char *name = export_text(policy, "name"), *verdict = export_text(policy, "verdict");
        ok = ok && page_add(page, "; ", page->len ? 2 : 0) && page_add(page, name, strlen(name)) &&
             page_add(page, ": ", 2) && page_add(page, verdict, strlen(verdict));
    }
    return ok && page_add(page, "", 1) && put_field(e, page->bytes);
}

static bool put_tally(struct exporting *e, const cJSON *findings)
{
    unsigned counts[SEVERITY_COUNT] = {0}, waived = 0;
    const cJSON *finding;
    bool ok = true;

    cJSON_ArrayForEach(finding, findings)
    {
        bool is_waived = words_is_waived(finding);
        waived += is_waived;
        enum severity severity = words_severity_of(finding);
        if (!is_waived && severity != SEVERITY_NONE)
            counts[severity]++;
    }
    for (int s = SEVERITY_COUNT - 1; ok && s >= 0; s--)
        ok = put_count(e, counts[s]);
    return ok && put_count(e, waived);
}

static bool record_endpoint(struct exporting *e, const char *type, const cJSON *record)
{
    static const char *const facts[] = {"endpoint/observed_mode", "error/stage", "error/code",
                                        "error/message",          "banner",      NULL};
    const cJSON *tls = member_of(record, "tls");
    if (strcmp(type, "endpoint") != 0)
        return true;
    return put_identity(e, record) && put_fields(e, record, facts) && put_upgrade(e, record) &&
           put_login(e, record) && put_tls(e, tls) && put_certificate(e, tls) &&
           put_policies(e, member_of(record, "policies")) &&
           put_field(e, export_text(record, "severity_max")) &&
           put_tally(e, member_of(record, "findings")) && end_line(e);
}

const struct exporter export_csv_endpoints = {"csv-endpoints",
                                              "a line an endpoint, for spreadsheets",
                                              begin_endpoints,
                                              record_endpoint,
                                              end,
                                              NULL};
