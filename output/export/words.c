/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/export/words.h"

#include <stdio.h>
#include <string.h>

#include "output/members.h"

struct span words_cut(const char *text, size_t max)
{
    size_t n = strnlen(text, max + 1);
    if (n > max)
        for (n = max; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
            continue;
    return (struct span){text, n};
}

static bool add(struct exporting *e, const char *text)
{
    return page_add(&e->words, text, strlen(text));
}

/* The text is complete, if it is. */
static const char *finish(struct exporting *e, bool ok)
{
    return ok && page_add(&e->words, "", 1) ? e->words.bytes : NULL;
}

/* What is no value of one word is left out. */
static bool add_value(struct exporting *e, const cJSON *value)
{
    char number[32];
    if (cJSON_IsString(value))
        return add(e, value->valuestring);
    if (cJSON_IsBool(value))
        return add(e, cJSON_IsTrue(value) ? "true" : "false");
    if (!cJSON_IsNumber(value))
        return !cJSON_IsNull(value) || add(e, "none");
    snprintf(number, sizeof number, "%.15g", value->valuedouble);
    return add(e, number);
}

static bool add_list(struct exporting *e, const cJSON *list, const char *between)
{
    const cJSON *item;
    bool ok = true;
    cJSON_ArrayForEach(item, list)
    {
        ok = ok && (item == list->child || add(e, between)) && add_value(e, item);
    }
    return ok;
}

const char *words_list(struct exporting *e, const cJSON *list, const char *between)
{
    page_clear(&e->words);
    return finish(e, !cJSON_IsArray(list) || add_list(e, list, between));
}

const char *words_evidence(struct exporting *e, const cJSON *finding)
{
    const cJSON *evidence = member_of(finding, "evidence"), *item;
    bool ok = true;
    page_clear(&e->words);
    if (cJSON_IsObject(evidence))
        cJSON_ArrayForEach(item, evidence)
        {
            ok = ok && (item == evidence->child || add(e, "; ")) && add(e, item->string) &&
                 add(e, ": ");
            ok = ok && (cJSON_IsArray(item) ? add_list(e, item, ", ") : add_value(e, item));
        }
    return finish(e, ok);
}

const char *words_label(const cJSON *record, const char *key)
{
    const cJSON *label = member_of(export_member(record, "endpoint/labels"), key);
    return cJSON_IsString(label) ? label->valuestring : "";
}

static bool add_if(struct exporting *e, const char *before, const char *text)
{
    return !*text || (add(e, before) && add(e, text));
}

const char *words_waiver(struct exporting *e, const cJSON *finding)
{
    const cJSON *waiver = member_of(finding, "waiver");
    page_clear(&e->words);
    return finish(e, add(e, export_text(waiver, "id")) &&
                         add_if(e, " until ", export_text(waiver, "expires")) &&
                         add_if(e, ", approved by ", export_text(waiver, "approved_by")) &&
                         add_if(e, ", ", export_text(waiver, "ticket")) &&
                         add_if(e, ": ", export_text(waiver, "reason")));
}

const char *words_severity(const cJSON *finding)
{
    static const char *const severities[][2] = {{"critical", "Critical"},
                                                {"high", "High"},
                                                {"medium", "Medium"},
                                                {"low", "Low"},
                                                {"info", "Info"}};
    const char *severity = export_text(finding, "severity");
    for (size_t i = 0; i < sizeof severities / sizeof *severities; i++)
        if (strcmp(severities[i][0], severity) == 0)
            return severities[i][1];
    return "";
}

bool words_is_waived(const cJSON *finding)
{
    return strcmp(export_text(finding, "status"), "waived") == 0;
}

static bool is_digits(const char *text, size_t count)
{
    return strspn(text, "0123456789") >= count;
}

const char *words_time(const cJSON *record, const char *path)
{
    static const char like[] = "0000-00-00T00:00:00";
    const char *time = export_text(record, path), *at = time;
    for (size_t i = 0; like[i]; i++, at++)
        if (like[i] == '0' ? !is_digits(at, 1) : *at != like[i])
            return "";
    if (*at == '.' && is_digits(at + 1, 1))
        at += 1 + strspn(at + 1, "0123456789");
    return strcmp(at, "Z") == 0 && strlen(time) <= 32 ? time : "";
}

bool words_has_name(const cJSON *record)
{
    const char *host = export_text(record, "endpoint/host");
    return *host && strcmp(host, export_text(record, "endpoint/ip")) != 0;
}

unsigned words_port(const cJSON *record)
{
    double port = export_number(record, "endpoint/port");
    return port >= 1 && port <= 65535 && port == (unsigned)port ? (unsigned)port : 0;
}

/* --- weaknesses ------------------------------------------------------------------------------- */

enum {
    CWE_INJECTION = 74,
    CWE_CERTIFICATE = 295,
    CWE_CERTIFICATE_CHAIN = 296,
    CWE_CERTIFICATE_NAME = 297,
    CWE_CERTIFICATE_DATES = 298,
    CWE_CERTIFICATE_REVOKED = 299,
    CWE_IN_CLEAR = 319,
    CWE_KEY_EXCHANGE_OF_NOBODY = 322,
    CWE_STRENGTH = 326,
    CWE_BROKEN_ALGORITHM = 327,
    CWE_WEAK_HASH = 328,
    CWE_DOWNGRADE = 757,
    CWE_NO_LIMIT = 770
};

/* A change here changes what a finding is to those who tell findings apart by it: rows may come,
   and should not change. */
static const struct weakness {
    const char *rule;
    unsigned cwe;
} weaknesses[] = {
    {"AUTH-BEARER-BEFORE-TLS", CWE_IN_CLEAR},
    {"AUTH-MECH-WEAK", CWE_BROKEN_ALGORITHM},
    {"CERT-CHAIN-INCOMPLETE", CWE_CERTIFICATE_CHAIN},
    {"CERT-EXPIRED", CWE_CERTIFICATE_DATES},
    {"CERT-NAME-MISMATCH", CWE_CERTIFICATE_NAME},
    {"CERT-NO-SAN", CWE_CERTIFICATE_NAME},
    {"CERT-NOT-YET-VALID", CWE_CERTIFICATE_DATES},
    {"CERT-REVOKED", CWE_CERTIFICATE_REVOKED},
    {"CERT-SELF-SIGNED", CWE_CERTIFICATE},
    {"CERT-UNTRUSTED", CWE_CERTIFICATE},
    {"CERT-WEAK-KEY", CWE_STRENGTH},
    {"CERT-WEAK-SIGNATURE", CWE_WEAK_HASH},
    {"CIPHER-64BIT-BLOCK", CWE_BROKEN_ALGORITHM},
    {"CIPHER-ANON", CWE_KEY_EXCHANGE_OF_NOBODY},
    {"CIPHER-CBC-NO-ETM", CWE_BROKEN_ALGORITHM},
    {"CIPHER-DES", CWE_STRENGTH},
    {"CIPHER-EXPORT", CWE_STRENGTH},
    {"CIPHER-LEGACY", CWE_BROKEN_ALGORITHM},
    {"CIPHER-MD5-MAC", CWE_WEAK_HASH},
    {"CIPHER-NULL", CWE_IN_CLEAR},
    {"CIPHER-RC4", CWE_BROKEN_ALGORITHM},
    {"CLEARTEXT-AUTH-ORACLE", CWE_IN_CLEAR},
    {"CLEARTEXT-LOGIN-ALLOWED", CWE_IN_CLEAR},
    {"CLEARTEXT-SERVICE-OFFERED", CWE_IN_CLEAR},
    {"DH-PARAM-WEAK", CWE_STRENGTH},
    {"FTP-ANONYMOUS-CLEARTEXT", CWE_IN_CLEAR},
    {"FTP-CCC-ALLOWED", CWE_IN_CLEAR},
    {"FTP-PROT-C-ACCEPTED", CWE_IN_CLEAR},
    {"FTP-PROT-P-REFUSED", CWE_IN_CLEAR},
    {"GROUP-WEAK", CWE_STRENGTH},
    {"IMAP-AUTH-PLAIN-BEFORE-TLS", CWE_IN_CLEAR},
    {"IMAP-LOGINDISABLED-MISSING", CWE_IN_CLEAR},
    {"IMAP-LOGINDISABLED-NOT-ENFORCED", CWE_IN_CLEAR},
    {"IMAP-PREAUTH-CLEARTEXT", CWE_IN_CLEAR},
    {"IMPLICIT-PORT-SPEAKS-CLEARTEXT", CWE_IN_CLEAR},
    {"POP3-USER-CAPA-BEFORE-TLS", CWE_IN_CLEAR},
    {"RENEG-CLIENT-INITIATED", CWE_NO_LIMIT},
    {"RENEG-INSECURE", CWE_CERTIFICATE},
    {"SMTP-AUTH-BEFORE-TLS", CWE_IN_CLEAR},
    {"SSLV2-NO-CIPHERS", CWE_BROKEN_ALGORITHM},
    {"SSLV2-SUPPORTED", CWE_BROKEN_ALGORITHM},
    {"SSLV3-SUPPORTED", CWE_BROKEN_ALGORITHM},
    {"STARTTLS-ADVERTISED-BUT-FAILS", CWE_IN_CLEAR},
    {"STARTTLS-INJECTION", CWE_INJECTION},
    {"STARTTLS-NOT-OFFERED", CWE_IN_CLEAR},
    {"STARTTLS-STRIPPED-BY-MIDDLEBOX", CWE_DOWNGRADE},
    {"TLS-1.0-SUPPORTED", CWE_BROKEN_ALGORITHM},
    {"TLS-1.1-SUPPORTED", CWE_BROKEN_ALGORITHM},
    {"TLS-DOWNGRADE-SENTINEL-MISSING", CWE_DOWNGRADE},
    {"TLS-FAILURE-CONTINUES-PLAINTEXT", CWE_DOWNGRADE},
    {"TLS-FALLBACK-SCSV-MISSING", CWE_DOWNGRADE},
    {"TLS-NO-MODERN-VERSION", CWE_BROKEN_ALGORITHM},
};

unsigned words_cwe(const char *rule)
{
    for (size_t i = 0; i < sizeof weaknesses / sizeof *weaknesses; i++)
        if (strcmp(weaknesses[i].rule, rule) == 0)
            return weaknesses[i].cwe;
    return 0;
}

const char *words_cwe_rule(size_t i)
{
    return i < sizeof weaknesses / sizeof *weaknesses ? weaknesses[i].rule : NULL;
}
