/* SPDX-License-Identifier: MIT */
/*
 * ecs.c: documents in the Elastic Common Schema, as the bulk interface of Elasticsearch and
 * OpenSearch takes them: a line that says what is done, and a line with the document. One for each
 * endpoint (dataset starttls_audit.endpoint) and one for each finding (starttls_audit.finding).
 *
 * What the schema has no field for is under starttls_audit. No text of the network is the name of a
 * field. An id is made of run, endpoint and finding: who sends a file twice changes nothing.
 */
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/export/json.h"
#include "output/export/words.h"
#include "output/hex.h"
#include "output/members.h"
#include "scanner/address.h"
#include "scanner/text.h"

#define ECS_VERSION "8.11.0"
#define LABELS_MAX ((size_t)32)
#define LABEL_NAME_SIZE ((size_t)64)
#define TEXT_MAX ((size_t)8192) /* octets of a text: an index refuses words beyond 32,766 */
#define ID_SIZE 128
#define DIGITS_SIZE 65 /* of a SHA-256 */

struct ecs {
    char version[64]; /* of the scanner of this run */
};

/* --- texts ------------------------------------------------------------------------------------ */

static bool put_text(struct exporting *e, const char *name, const char *text)
{
    char copy[TEXT_MAX + 1];
    struct span cut = words_cut(text, TEXT_MAX);
    if (!text[cut.len])
        return json_text_if(e, name, text);
    memcpy(copy, cut.at, cut.len);
    copy[cut.len] = '\0';
    return json_text(e, name, copy);
}

static bool put_member(struct exporting *e, const char *name, const cJSON *record, const char *path)
{
    const cJSON *item = export_member(record, path);
    return cJSON_IsString(item) ? put_text(e, name, item->valuestring)
                                : json_member_if(e, name, item);
}

static bool put_texts(struct exporting *e, const char *name, const cJSON *list)
{
    const cJSON *item;
    if (!cJSON_IsArray(list) || !list->child)
        return true;
    bool ok = json_begin(e, name, '[');
    cJSON_ArrayForEach(item, list)
    {
        ok = ok && (!cJSON_IsString(item) || put_text(e, NULL, item->valuestring));
    }
    return ok && json_end(e, ']');
}

/* Hexadecimal digits are in upper case there. */
static bool put_upper(struct exporting *e, const char *name, const char *text)
{
    char upper[256];
    size_t n = 0;
    for (; text[n] && n + 1 < sizeof upper; n++)
        upper[n] = ascii_upper(text[n]);
    upper[n] = '\0';
    return json_text_if(e, name, strspn(text, "0123456789abcdefABCDEF") == n ? upper : "");
}

/* What an index does not take for a time would make it refuse the document. */
static bool put_time(struct exporting *e, const char *name, const cJSON *record, const char *path)
{
    return json_text_if(e, name, words_time(record, path));
}

static bool put_address(struct exporting *e, const char *name, const char *text)
{
    struct address address;
    return json_text_if(e, name, address_parse(span_of(text), &address) ? text : "");
}

/* --- what every document has ------------------------------------------------------------------ */

static bool digest(const char *prefix, const char *a, const char *b, char out[DIGITS_SIZE])
{
    unsigned char octets[32];
    gnutls_hash_hd_t hash;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return false;
    gnutls_hash(hash, prefix, strlen(prefix));
    gnutls_hash(hash, a, strlen(a));
    gnutls_hash(hash, "\n", 1);
    gnutls_hash(hash, b, strlen(b));
    gnutls_hash_deinit(hash, octets);
    hex_encode(octets, sizeof octets, out, DIGITS_SIZE);
    return true;
}

/* Run, endpoint (its key and address) and fingerprint, hashed where they could be long. */
static bool put_action(struct exporting *e, const cJSON *record, const char *fingerprint)
{
    char endpoint[DIGITS_SIZE], hashed[DIGITS_SIZE], id[ID_SIZE];
    const char *run = export_text(record, "run_id");
    bool is_short = strlen(run) <= 36 && strlen(fingerprint) <= 35;

    if (!digest("e1\n", export_text(record, "endpoint/key"), export_text(record, "endpoint/ip"),
                endpoint) ||
        !digest("", run, fingerprint, hashed))
        return false;
    snprintf(id, sizeof id, "%s/e1-%.32s%s%s", is_short ? run : hashed, endpoint,
             is_short && *fingerprint ? "/" : "", is_short ? fingerprint : "");
    return json_begin(e, NULL, '{') && json_begin(e, "create", '{') && json_text(e, "_id", id) &&
           json_end(e, '}') && json_end(e, '}') && json_finish(e);
}

static bool put_event(struct exporting *e, const cJSON *record, const char *dataset,
                      const char *category)
{
    return put_time(e, "@timestamp", record, "time") && json_begin(e, "ecs", '{') &&
           json_text(e, "version", ECS_VERSION) && json_end(e, '}') &&
           json_begin(e, "event", '{') && json_text(e, "kind", "state") &&
           json_begin(e, "category", '[') && json_text(e, NULL, category) && json_end(e, ']') &&
           json_begin(e, "type", '[') && json_text(e, NULL, "info") && json_end(e, ']') &&
           json_text(e, "module", "starttls_audit") && json_text(e, "dataset", dataset);
}

static bool put_observer(struct exporting *e)
{
    struct ecs *ecs = e->state;
    return json_begin(e, "observer", '{') && json_text(e, "vendor", "starttls-audit") &&
           json_text(e, "product", "starttls-audit") && json_text(e, "type", "scanner") &&
           json_text_if(e, "version", ecs->version) && json_end(e, '}');
}

static bool put_server(struct exporting *e, const cJSON *record)
{
    const char *host = export_text(record, "endpoint/host");
    bool ok = json_begin(e, "server", '{') && put_text(e, "address", host) &&
              (!words_has_name(record) || put_text(e, "domain", host)) &&
              put_address(e, "ip", export_text(record, "endpoint/ip"));
    unsigned port = words_port(record);
    return ok && (!port || json_number(e, "port", port)) && json_end(e, '}');
}

static bool put_network(struct exporting *e, const cJSON *record)
{
    return json_begin(e, "network", '{') &&
           put_member(e, "protocol", record, "endpoint/protocol") &&
           json_text(e, "transport", "tcp") && json_end(e, '}');
}

static bool put_related(struct exporting *e, const cJSON *record)
{
    struct address address;
    const char *ip = export_text(record, "endpoint/ip");
    bool ok = json_begin(e, "related", '{');
    if (address_parse(span_of(ip), &address))
        ok = ok && json_begin(e, "ip", '[') && json_text(e, NULL, ip) && json_end(e, ']');
    if (words_has_name(record))
        ok = ok && json_begin(e, "hosts", '[') &&
             put_text(e, NULL, export_text(record, "endpoint/host")) && json_end(e, ']');
    return ok && json_end(e, '}');
}

/* A label's field: no dots, which would make objects of it, and nothing that is special. */
static void name_label(const char *key, char out[LABEL_NAME_SIZE])
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t n = 0;
    for (; key[n] && n + 1 < LABEL_NAME_SIZE; n++)
        out[n] = strchr(good, key[n]) ? key[n] : '_';
    out[n] = '\0';
}

static bool has_name(char names[][LABEL_NAME_SIZE], size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Of labels that come to the same field, the first. */
static bool put_labels(struct exporting *e, const cJSON *record)
{
    char names[LABELS_MAX][LABEL_NAME_SIZE];
    const cJSON *labels = export_member(record, "endpoint/labels"), *label;
    size_t count = 0;
    bool ok = true;

    if (!cJSON_IsObject(labels) || !labels->child)
        return true;
    ok = json_begin(e, "labels", '{');
    cJSON_ArrayForEach(label, labels)
    {
        if (count == LABELS_MAX || !cJSON_IsString(label) || !label->string)
            continue;
        name_label(label->string, names[count]);
        if (!*names[count] || !*label->valuestring || has_name(names, count, names[count]))
            continue;
        ok = ok && put_text(e, names[count], label->valuestring);
        count++;
    }
    return ok && json_end(e, '}');
}

static bool put_common(struct exporting *e, const cJSON *record)
{
    return put_observer(e) && put_server(e, record) && put_network(e, record) &&
           put_related(e, record) && put_labels(e, record);
}

/* The beginning of our own fields. */
static bool begin_own(struct exporting *e, const cJSON *record)
{
    return json_begin(e, "starttls_audit", '{') && put_member(e, "run_id", record, "run_id") &&
           json_text(e, "scan", e->options->scan) && put_member(e, "key", record, "endpoint/key") &&
           put_member(e, "mode", record, "endpoint/mode") &&
           put_member(e, "status", record, "status");
}

static bool finish(struct exporting *e)
{
    return json_end(e, '}') && json_end(e, '}') && json_finish(e);
}

/* --- an endpoint ------------------------------------------------------------------------------ */

/* Nothing is said of a name that is not known. */
static bool put_name(struct exporting *e, const char *name, const cJSON *c, const char *member)
{
    return !cJSON_IsString(member_of(c, member)) ||
           (json_begin(e, name, '{') && put_member(e, "distinguished_name", c, member) &&
            json_end(e, '}'));
}

static bool put_x509(struct exporting *e, const cJSON *c)
{
    bool ok = json_begin(e, "x509", '{') && put_upper(e, "serial_number", export_text(c, "serial"));
    const cJSON *names = member_of(c, "san_dns"), *ips = member_of(c, "san_ip"), *item;
    if (cJSON_GetArraySize(names) || cJSON_GetArraySize(ips)) {
        ok = ok && json_begin(e, "alternative_names", '[');
        cJSON_ArrayForEach(item, names)
        {
            ok = ok && (!cJSON_IsString(item) || put_text(e, NULL, item->valuestring));
        }
        cJSON_ArrayForEach(item, ips)
        {
            ok = ok && (!cJSON_IsString(item) || put_text(e, NULL, item->valuestring));
        }
        ok = ok && json_end(e, ']');
    }
    return ok && put_name(e, "subject", c, "subject_dn") && put_name(e, "issuer", c, "issuer_dn") &&
           put_time(e, "not_before", c, "not_before") && put_time(e, "not_after", c, "not_after") &&
           put_member(e, "public_key_algorithm", c, "key_algorithm") &&
           (export_number(c, "key_bits") <= 0 ||
            json_number(e, "public_key_size", export_number(c, "key_bits"))) &&
           put_member(e, "signature_algorithm", c, "signature_algorithm") && json_end(e, '}');
}

static bool put_certificate(struct exporting *e, const cJSON *c)
{
    if (!cJSON_IsObject(c))
        return true;
    return json_begin(e, "server", '{') && put_member(e, "subject", c, "subject_dn") &&
           put_member(e, "issuer", c, "issuer_dn") && put_time(e, "not_before", c, "not_before") &&
           put_time(e, "not_after", c, "not_after") && json_begin(e, "hash", '{') &&
           put_upper(e, "sha256", export_text(c, "sha256")) && json_end(e, '}') && put_x509(e, c) &&
           json_end(e, '}');
}

static bool put_tls(struct exporting *e, const cJSON *record)
{
    const cJSON *tls = member_of(record, "tls");
    const char *version = export_text(tls, "version"), *sni = export_text(record, "endpoint/sni");

    if (!cJSON_IsObject(tls))
        return true;
    bool ok = json_begin(e, "tls", '{') && put_member(e, "established", tls, "established") &&
              put_text(e, "version", version) &&
              (!*version || json_text(e, "version_protocol", "tls")) &&
              put_member(e, "cipher", tls, "cipher") && put_member(e, "curve", tls, "group");
    if (*sni)
        ok = ok && json_begin(e, "client", '{') && put_text(e, "server_name", sni) &&
             json_end(e, '}');
    return ok && put_certificate(e, member_of(tls, "certificate")) && json_end(e, '}');
}

/* All versions with this status, as in versions_accepted. */
static bool put_versions(struct exporting *e, const char *name, const cJSON *tls,
                         const char *status)
{
    const cJSON *row;
    char text[16];
    bool ok = json_begin(e, name, '[');
    cJSON_ArrayForEach(row, member_of(tls, "versions"))
    {
        const char *version = export_text(row, "version");
        bool is_ssl = strcmp(export_text(row, "protocol"), "ssl") == 0;
        if (strlen(version) > 8 || strcmp(export_text(row, "status"), status) != 0)
            continue;
        snprintf(text, sizeof text, "%s%s", is_ssl ? "ssl" : "", version);
        ok = ok && json_text(e, NULL, text);
    }
    return ok && json_end(e, ']');
}

static bool put_own_tls(struct exporting *e, const cJSON *tls)
{
    const cJSON *verify = member_of(tls, "verify");
    if (!cJSON_IsObject(tls))
        return true;
    return json_begin(e, "tls", '{') && put_versions(e, "versions_accepted", tls, "accepted") &&
           put_versions(e, "versions_rejected", tls, "rejected") &&
           put_versions(e, "versions_unknown", tls, "inconclusive") &&
           put_member(e, "trusted", verify, "trusted") &&
           put_member(e, "name_match", verify, "name_match") &&
           put_texts(e, "verify_errors", member_of(verify, "errors")) && json_end(e, '}');
}

static bool put_starttls(struct exporting *e, const cJSON *starttls)
{
    static const char *const names[] = {"advertised", "attempted", "accepted",         "reply",
                                        "handshake",  "injection", "bytes_after_reply"};
    bool ok = true;
    if (!cJSON_IsObject(starttls))
        return true;
    ok = json_begin(e, "starttls", '{');
    for (size_t i = 0; ok && i < sizeof names / sizeof *names; i++)
        ok = put_member(e, names[i], starttls, names[i]);
    return ok && json_end(e, '}');
}

static bool put_auth(struct exporting *e, const cJSON *auth)
{
    if (!cJSON_IsObject(auth))
        return true;
    return json_begin(e, "auth", '{') && put_member(e, "preauth", auth, "preauth") &&
           put_member(e, "login_disabled_before_tls", auth, "login_disabled/before_tls") &&
           put_member(e, "cleartext_login", auth, "cleartext_login/verdict") &&
           put_texts(e, "mechanisms_before_tls", export_member(auth, "mechanisms/before_tls")) &&
           put_texts(e, "mechanisms_after_tls", export_member(auth, "mechanisms/after_tls")) &&
           put_texts(e, "capabilities_before_tls",
                     export_member(auth, "capabilities/before_tls")) &&
           put_texts(e, "capabilities_after_tls", export_member(auth, "capabilities/after_tls")) &&
           json_end(e, '}');
}

static bool put_error(struct exporting *e, const cJSON *error)
{
    if (!cJSON_IsObject(error))
        return true;
    return json_begin(e, "error", '{') && put_member(e, "stage", error, "stage") &&
           put_member(e, "code", error, "code") && put_member(e, "message", error, "message") &&
           json_end(e, '}');
}

/* The rules by their verdict, and the policies by theirs. */
static bool put_verdicts(struct exporting *e, const cJSON *record)
{
    static const char *const verdicts[] = {"pass", "warn", "fail", "not_tested", "inconclusive"};
    const cJSON *checks = member_of(record, "checks"), *policies = member_of(record, "policies");
    const cJSON *policy;
    bool ok = json_begin(e, "checks", '{') && put_texts(e, "pass", member_of(checks, "pass")) &&
              put_texts(e, "fail", member_of(checks, "fail")) &&
              put_texts(e, "not_tested", member_of(checks, "not_tested")) &&
              put_texts(e, "inconclusive", member_of(checks, "inconclusive")) && json_end(e, '}') &&
              json_begin(e, "policies", '{');
    for (size_t i = 0; ok && i < sizeof verdicts / sizeof *verdicts; i++) {
        ok = json_begin(e, verdicts[i], '[');
        cJSON_ArrayForEach(policy, policies)
        {
            if (strcmp(export_text(policy, "verdict"), verdicts[i]) == 0)
                ok = ok && put_text(e, NULL, export_text(policy, "name"));
        }
        ok = ok && json_end(e, ']');
    }
    return ok && json_end(e, '}');
}

static bool put_endpoint(struct exporting *e, const cJSON *record)
{
    return put_action(e, record, "") && json_begin(e, NULL, '{') &&
           put_event(e, record, "starttls_audit.endpoint", "network") &&
           json_number(e, "duration", export_number(record, "duration_ms") * 1e6) &&
           json_end(e, '}') && put_common(e, record) && put_tls(e, record) &&
           begin_own(e, record) &&
           put_member(e, "observed_mode", record, "endpoint/observed_mode") &&
           put_error(e, member_of(record, "error")) && put_member(e, "banner", record, "banner") &&
           put_starttls(e, member_of(record, "starttls")) &&
           put_auth(e, member_of(record, "auth")) && put_own_tls(e, member_of(record, "tls")) &&
           put_verdicts(e, record) && put_member(e, "severity_max", record, "severity_max") &&
           finish(e);
}

/* --- a finding -------------------------------------------------------------------------------- */

/* As event.severity has them: the greater, the worse. */
static double severity_number(const cJSON *finding)
{
    enum severity severity = words_severity_of(finding);
    return severity == SEVERITY_NONE ? 0 : (double)severity + 1;
}

static bool put_rule(struct exporting *e, const cJSON *finding)
{
    return json_begin(e, "rule", '{') && put_member(e, "id", finding, "rule") &&
           put_member(e, "name", finding, "title") && json_text(e, "ruleset", "starttls-audit") &&
           json_end(e, '}');
}

static bool put_vulnerability(struct exporting *e, const cJSON *record, const cJSON *finding)
{
    const char *references = words_list(e, member_of(finding, "references"), "; ");
    return references && json_begin(e, "vulnerability", '{') &&
           put_text(e, "reference", references) && put_member(e, "id", finding, "rule") &&
           put_member(e, "description", finding, "description") &&
           json_text_if(e, "severity", words_severity(finding)) && json_begin(e, "category", '[') &&
           json_text(e, NULL, "Configuration") && json_end(e, ']') &&
           put_member(e, "report_id", record, "run_id") && json_begin(e, "scanner", '{') &&
           json_text(e, "vendor", "starttls-audit") && json_end(e, '}') &&
           json_text(e, "status", "open") && json_end(e, '}');
}

static bool put_waiver(struct exporting *e, const cJSON *waiver)
{
    if (!cJSON_IsObject(waiver))
        return true;
    return json_begin(e, "waiver", '{') && put_member(e, "id", waiver, "id") &&
           put_member(e, "reason", waiver, "reason") &&
           put_member(e, "expires", waiver, "expires") &&
           put_member(e, "approved_by", waiver, "approved_by") &&
           put_member(e, "ticket", waiver, "ticket") &&
           put_member(e, "expired", waiver, "expired") && json_end(e, '}');
}

static bool put_finding(struct exporting *e, const cJSON *record, const cJSON *finding)
{
    bool ok = put_action(e, record, export_text(finding, "fingerprint")) &&
              json_begin(e, NULL, '{') &&
              put_event(e, record, "starttls_audit.finding", "vulnerability") &&
              json_number(e, "severity", severity_number(finding)) && json_end(e, '}') &&
              put_member(e, "message", finding, "title") && put_common(e, record) &&
              put_rule(e, finding) && put_vulnerability(e, record, finding) && begin_own(e, record);
    const char *evidence = ok ? words_evidence(e, finding) : NULL;
    return evidence && put_text(e, "evidence", evidence) &&
           put_member(e, "fingerprint", finding, "fingerprint") &&
           put_member(e, "finding_status", finding, "status") &&
           put_member(e, "confidence", finding, "confidence") &&
           put_member(e, "baseline", finding, "baseline") &&
           put_member(e, "remediation", finding, "remediation") &&
           put_waiver(e, member_of(finding, "waiver")) && finish(e);
}

/* --- the format ------------------------------------------------------------------------------- */

static bool begin(struct exporting *e)
{
    e->state = calloc(1, sizeof(struct ecs));
    return e->state != NULL;
}

static bool record(struct exporting *e, const char *type, const cJSON *record)
{
    struct ecs *ecs = e->state;
    const cJSON *finding;
    bool ok = true;

    if (strcmp(type, "run_start") == 0)
        text_clean(span_of(export_text(record, "scanner/version")), ecs->version,
                   sizeof ecs->version, &ok);
    if (strcmp(type, "endpoint") != 0)
        return true;
    ok = put_endpoint(e, record);
    cJSON_ArrayForEach(finding, member_of(record, "findings"))
    {
        ok = ok && put_finding(e, record, finding);
    }
    return ok;
}

static bool end(struct exporting *e)
{
    (void)e;
    return true;
}

static void free_state(struct exporting *e)
{
    free(e->state);
}

const struct exporter export_ecs = {
    "ecs",     "documents in the Elastic Common Schema, for a bulk request", begin, record, end,
    free_state};
