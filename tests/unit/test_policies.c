/* SPDX-License-Identifier: MIT */
/* The shipped policies held against their standards, what policies may be made of, and what comes
   of them. */
#define _GNU_SOURCE
#include <dirent.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/hex.h"
#include "output/policies/entry.h"
#include "scanner/targets.h"

#define SHIPPED SOURCE_DIR "/output/policies"
#define MADE SOURCE_DIR "/tests/policies"

static const char *const shipped[] = {"rfc-baseline",   "nist-800-52r2",   "pci-dss-4.0.1",
                                      "bsi-tr-02102-2", "ncsc-nl-2025-05", "mozilla-intermediate",
                                      "mozilla-modern"};
#define SHIPPED_COUNT (sizeof shipped / sizeof *shipped)

/* --- a server to be judged -------------------------------------------------------------------- */

struct scene {
    struct target_host target;
    struct host_view host;
    struct service service;
    struct observation o;
    struct certificate certificates[3];
    struct judgement judgement;
    struct subject subject;
    struct policy_result result;
};

/* A day as Unix time; timegm() is no part of POSIX, but of every libc here. */
static time_t day(const char *text)
{
    struct tm tm = {.tm_year = 0};
    assert_int_equal(sscanf(text, "%d-%d-%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday), 3);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm);
}

static void set_key(struct certificate *c, const char *algorithm, unsigned bits)
{
    snprintf(c->key_algorithm, sizeof c->key_algorithm, "%.20s", algorithm);
    c->key_bits = bits;
}

static void set_signature(struct certificate *c, const char *algorithm)
{
    snprintf(c->signature_algorithm, sizeof c->signature_algorithm, "%.30s", algorithm);
}

static void set_group(struct scene *s, const char *group, unsigned dh_bits)
{
    snprintf(s->o.tls.group, sizeof s->o.tls.group, "%.30s", group);
    s->o.tls.dh_bits = dh_bits;
}

static void accept_version(struct scene *s, enum version v, uint32_t suite)
{
    s->o.tls.versions[v].status = VERSION_ACCEPTED;
    s->o.tls.versions[v].suite = suite;
}

static void reject_versions(struct scene *s)
{
    for (int v = 0; v < VERSION_COUNT; v++)
        s->o.tls.versions[v] = (struct version_fact){.status = VERSION_REJECTED};
}

/* TLS 1.2 and 1.3, strong suites, an elliptic key, and no rule that finds anything. */
static void scene_init(struct scene *s, enum role role, const struct protocol *protocol)
{
    *s = (struct scene){.service = {protocol, 143, MODE_INSECURE}};
    observation_init(&s->o, &s->service);
    for (int fact = 0; fact < FACT_COUNT; fact++)
        observation_learn(&s->o, (enum fact)fact);
    s->o.tls.asked = s->o.tls.established = true;
    reject_versions(s);
    accept_version(s, VERSION_TLS12, 0xc02c);
    accept_version(s, VERSION_TLS13, 0x1302);
    s->o.tls.version = VERSION_TLS13;
    s->o.tls.suite = 0x1302;
    set_group(s, "SECP256R1", 0);
    for (size_t i = 0; i < 3; i++) {
        s->certificates[i].version = 3;
        set_key(&s->certificates[i], "ec", 256);
        set_signature(&s->certificates[i], "ECDSA-SHA256");
    }
    s->o.tls.chain = (struct chain){s->certificates, 1, false};
    s->host = (struct host_view){&s->target, .endpoints = &s->o, .count = 1};
    s->subject = (struct subject){&s->host, &s->o, role, day("2026-11-23")};
}

static void scene_of_role(struct scene *s, enum role role)
{
    scene_init(s, role,
               role == ROLE_FILES    ? &protocol_ftp
               : role == ROLE_ACCESS ? &protocol_imap
                                     : &protocol_smtp);
}

static void find_fault(struct scene *s, const char *rule, enum verdict verdict)
{
    size_t at = 0;
    assert_non_null(rules_find(rule, &at));
    s->judgement.checks[at].verdict = verdict;
}

static struct policy *load(const char *name)
{
    struct policy *p = policy_load(name, stderr);
    assert_non_null(p);
    return p;
}

/* --- what came of it -------------------------------------------------------------------------- */

#define F POLICY_FAIL
#define W POLICY_WARN
#define P POLICY_PASS
#define N POLICY_NOT_APPLICABLE /* the policy does not speak of it */

static bool is_listed(const char *const *list, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], id) == 0)
            return true;
    return false;
}

/* Fail or warn if the id is in the list; otherwise pass. */
static enum policy_verdict listed(const struct policy_result *r, const char *id)
{
    bool fails = is_listed(r->fail, r->fail_count, id);
    bool warns = is_listed(r->warn, r->warn_count, id);
    assert_false(fails && warns);
    return fails ? F : warns ? W : P;
}

static enum policy_verdict clause_verdict(const struct policy *p, const struct policy_result *r,
                                          const char *clause)
{
    for (size_t i = 0; policy_clause_at(p, i); i++)
        if (strcmp(policy_clause_at(p, i), clause) == 0)
            return r->clauses[i];
    fail_msg("no clause %s", clause);
    return N;
}

static bool is_demanded(const struct policy *p, const char *rule, const struct scene *s)
{
    const struct protocol *protocol = s->service.protocol;
    unsigned bit = protocol == &protocol_ftp    ? DOCUMENT_FTP
                   : protocol == &protocol_imap ? DOCUMENT_IMAP
                   : protocol == &protocol_pop3 ? DOCUMENT_POP3
                                                : DOCUMENT_SMTP;
    size_t at = name_find(POLICY_RULE, rule);
    for (size_t i = 0; i < p->entry_count; i++) {
        const struct policy_entry *e = &p->entries[i];
        if (e->kind == POLICY_RULE && name_set_has(&e->names, at) &&
            e->roles >> s->subject.role & 1 && e->protocols & bit)
            return true;
    }
    return false;
}

/* --- the standards, cell by cell -------------------------------------------------------------- */

struct cell_row {
    const char *what; /* a rule that finds something, or "version", "suite", "group" … and a name */
    enum role role;
    enum policy_verdict expected[SHIPPED_COUNT]; /* in the order of shipped[] */
    const char *day;                             /* NULL: 2026-11-23 */
    const struct protocol *protocol;             /* NULL: that of the role */
};

static const struct cell_row cells[] = {
    /*                                              RFC NIST PCI BSI NCSC Mi Mm */
    {"CLEARTEXT-LOGIN-ALLOWED", ROLE_ACCESS, {F, N, F, N, N, N, N}, NULL, NULL},
    {"CLEARTEXT-LOGIN-ALLOWED", ROLE_SUBMISSION, {F, N, F, N, N, N, N}, NULL, NULL},
    {"CLEARTEXT-LOGIN-ALLOWED", ROLE_MX, {F, N, F, N, N, N, N}, NULL, NULL},
    {"CLEARTEXT-LOGIN-ALLOWED", ROLE_FILES, {F, N, F, N, N, N, N}, NULL, NULL},
    {"STARTTLS-NOT-OFFERED", ROLE_ACCESS, {F, N, F, N, N, N, N}, NULL, NULL},
    {"STARTTLS-NOT-OFFERED", ROLE_SUBMISSION, {F, N, F, N, N, N, N}, NULL, NULL},
    {"STARTTLS-NOT-OFFERED", ROLE_MX, {W, N, W, N, N, N, N}, NULL, NULL},
    {"STARTTLS-NOT-OFFERED", ROLE_RELAY, {N, N, W, N, N, N, N}, NULL, NULL},
    {"IMPLICIT-TLS-NOT-OFFERED", ROLE_ACCESS, {F, N, N, N, N, N, N}, NULL, &protocol_imap},
    {"IMPLICIT-TLS-NOT-OFFERED", ROLE_ACCESS, {W, N, N, N, N, N, N}, NULL, &protocol_pop3},
    {"IMPLICIT-TLS-NOT-OFFERED", ROLE_SUBMISSION, {W, N, N, N, N, N, N}, NULL, NULL},
    {"STARTTLS-INJECTION", ROLE_ACCESS, {F, N, F, N, N, N, N}, NULL, NULL},
    {"STARTTLS-INJECTION", ROLE_MX, {F, N, F, N, N, N, N}, NULL, NULL},
    {"SSLV2-SUPPORTED", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"SSLV3-SUPPORTED", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"version SSL 2.0", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"version SSL 3.0", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"TLS-1.0-SUPPORTED", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"TLS-1.1-SUPPORTED", ROLE_SUBMISSION, {F, F, F, F, F, F, F}, NULL, NULL},
    {"version TLS 1.0", ROLE_FILES, {F, F, F, F, F, F, F}, NULL, NULL},
    {"version TLS 1.1", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"TLS-1.2-NOT-SUPPORTED", ROLE_ACCESS, {W, F, N, N, N, F, N}, NULL, NULL},
    {"version TLS 1.2", ROLE_ACCESS, {P, P, P, P, W, P, F}, NULL, NULL},
    {"version TLS 1.2", ROLE_ACCESS, {P, P, P, P, W, P, F}, "2031-12-31", NULL},
    {"version TLS 1.2", ROLE_ACCESS, {P, P, P, W, W, P, F}, "2032-01-01", NULL},
    {"version TLS 1.3", ROLE_ACCESS, {P, P, P, P, P, P, P}, NULL, NULL},
    {"TLS-1.3-NOT-SUPPORTED", ROLE_ACCESS, {W, F, N, W, W, F, F}, NULL, NULL},
    {"TLS-1.3-NOT-SUPPORTED", ROLE_ACCESS, {W, W, N, W, W, F, F}, "2023-12-31", NULL},
    {"TLS-1.3-NOT-SUPPORTED", ROLE_ACCESS, {W, F, N, W, W, F, F}, "2024-01-01", NULL},
    {"TLS-NO-MODERN-VERSION", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-NULL", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-ANON", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-EXPORT", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-RC4", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-DES", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-64BIT-BLOCK", ROLE_ACCESS, {W, F, F, F, F, F, F}, NULL, NULL},
    {"suite TLS_RSA_WITH_3DES_EDE_CBC_SHA", ROLE_ACCESS, {P, F, P, F, F, F, F}, NULL, NULL},
    {"CIPHER-NO-FS", ROLE_ACCESS, {F, W, W, F, F, F, F}, NULL, NULL},
    {"CIPHER-NO-FS", ROLE_ACCESS, {W, W, W, F, F, F, F}, "2026-06-30", NULL},
    {"CIPHER-NO-FS", ROLE_ACCESS, {F, W, W, F, F, F, F}, "2026-07-01", NULL},
    {"suite TLS_RSA_WITH_AES_128_GCM_SHA256", ROLE_ACCESS, {P, W, P, F, F, F, F}, NULL, NULL},
    {"CIPHER-DHE", ROLE_ACCESS, {F, P, P, P, W, F, F}, NULL, NULL},
    {"CIPHER-DHE", ROLE_ACCESS, {P, P, P, P, W, F, F}, "2026-06-30", NULL},
    {"CIPHER-DHE", ROLE_ACCESS, {F, P, P, P, W, F, F}, "2029-12-31", NULL},
    {"CIPHER-DHE", ROLE_ACCESS, {F, P, P, W, W, F, F}, "2030-01-01", NULL},
    {"suite TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", ROLE_ACCESS, {P, P, P, P, W, F, F}, NULL, NULL},
    {"suite TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
     ROLE_ACCESS,
     {P, P, P, W, W, F, F},
     "2030-01-01",
     NULL},
    {"group ffdhe3072", ROLE_ACCESS, {P, P, P, P, W, F, F}, NULL, NULL},
    {"group ffdhe2048", ROLE_ACCESS, {P, P, P, W, F, F, F}, NULL, NULL},
    {"group dh 3072", ROLE_ACCESS, {P, P, P, P, F, F, F}, NULL, NULL},
    {"group dh 2048", ROLE_ACCESS, {P, P, P, W, F, F, F}, NULL, NULL},
    {"group dh 1024", ROLE_ACCESS, {F, F, F, W, F, F, F}, NULL, NULL},
    {"group dh 1024", ROLE_MX, {W, F, F, W, F, F, F}, NULL, NULL},
    {"CIPHER-CBC-NO-ETM", ROLE_ACCESS, {W, F, N, W, W, F, F}, NULL, NULL},
    {"suite TLS_CHACHA20_POLY1305_SHA256", ROLE_ACCESS, {P, F, P, W, P, P, P}, NULL, NULL},
    {"suite TLS_AES_128_CCM_8_SHA256", ROLE_ACCESS, {W, P, P, W, F, F, F}, NULL, NULL},
    {"suite TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", ROLE_ACCESS, {W, P, P, W, F, F, F}, NULL, NULL},
    {"suite TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", ROLE_ACCESS, {P, P, P, P, P, P, F}, NULL, NULL},
    {"suite TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", ROLE_ACCESS, {P, P, P, P, W, F, F}, NULL, NULL},
    {"suite TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", ROLE_ACCESS, {P, P, P, W, F, F, F}, NULL, NULL},
    {"suite TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256", ROLE_ACCESS, {P, P, P, W, F, F, F}, NULL, NULL},
    {"suite 0xfefe", ROLE_ACCESS, {P, F, P, W, F, F, F}, NULL, NULL},
    {"group x25519", ROLE_ACCESS, {P, W, P, W, P, P, P}, NULL, NULL},
    {"group X25519", ROLE_ACCESS, {P, W, P, W, P, P, P}, NULL, NULL},
    {"group X25519-MLKEM768", ROLE_ACCESS, {P, W, P, W, P, P, P}, NULL, NULL},
    {"group SECP384R1", ROLE_ACCESS, {P, P, P, P, P, P, P}, NULL, NULL},
    {"group secp521r1", ROLE_ACCESS, {P, P, P, P, P, F, F}, NULL, NULL},
    {"group secp224r1", ROLE_ACCESS, {P, P, P, W, W, F, F}, NULL, NULL},
    {"group secp192r1", ROLE_ACCESS, {F, F, F, W, F, F, F}, NULL, NULL},
    {"group GC256B", ROLE_ACCESS, {P, F, P, W, F, F, F}, NULL, NULL},
    {"key rsa 1024", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"key rsa 2047", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"key rsa 2048", ROLE_ACCESS, {P, P, P, W, W, P, W}, NULL, NULL},
    {"key rsa 3000", ROLE_ACCESS, {P, P, P, P, W, P, W}, NULL, NULL},
    {"key rsa 3072", ROLE_ACCESS, {P, P, P, P, P, P, W}, NULL, NULL},
    {"key rsa 1024", ROLE_MX, {W, F, F, F, F, F, F}, NULL, NULL},
    {"key ec 192", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"key ec 224", ROLE_ACCESS, {P, P, P, F, W, F, F}, NULL, NULL},
    {"key ec 256", ROLE_ACCESS, {P, P, P, P, P, P, P}, NULL, NULL},
    {"key ec 384", ROLE_ACCESS, {P, P, P, P, P, P, P}, NULL, NULL},
    {"key ec 521", ROLE_ACCESS, {P, P, P, P, P, F, F}, NULL, NULL},
    {"key ed25519 256", ROLE_ACCESS, {P, F, P, W, P, F, F}, NULL, NULL},
    {"key dsa 2048", ROLE_ACCESS, {P, P, P, W, F, F, F}, NULL, NULL},
    {"CERT-WEAK-KEY", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"CERT-WEAK-SIGNATURE", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"signature RSA-SHA1", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"signature RSA-MD5", ROLE_ACCESS, {F, F, F, F, F, F, F}, NULL, NULL},
    {"signature RSA-SHA224", ROLE_ACCESS, {P, P, P, W, W, F, F}, NULL, NULL},
    {"signature RSA-SHA256", ROLE_ACCESS, {P, P, P, W, P, P, W}, NULL, NULL},
    {"signature RSA-SHA256", ROLE_ACCESS, {P, P, P, P, P, P, W}, "2025-12-31", NULL},
    {"signature RSA-PSS-SHA256", ROLE_ACCESS, {P, P, P, P, P, F, F}, NULL, NULL},
    {"signature ECDSA-SHA384", ROLE_ACCESS, {P, P, P, P, P, P, P}, NULL, NULL},
    {"signature EdDSA-Ed25519", ROLE_ACCESS, {P, F, P, W, P, F, F}, NULL, NULL},
    {"CERT-EXPIRED", ROLE_ACCESS, {F, F, F, N, N, N, N}, NULL, NULL},
    {"CERT-EXPIRED", ROLE_SUBMISSION, {F, F, F, N, N, N, N}, NULL, NULL},
    {"CERT-UNTRUSTED", ROLE_ACCESS, {F, F, F, N, N, N, N}, NULL, NULL},
    {"CERT-SELF-SIGNED", ROLE_SUBMISSION, {F, F, F, N, N, N, N}, NULL, NULL},
    {"RENEG-INSECURE", ROLE_ACCESS, {F, F, F, W, F, N, N}, NULL, NULL},
    {"EMS-MISSING", ROLE_ACCESS, {F, F, N, W, F, N, N}, NULL, NULL},
    {"TLS-COMPRESSION", ROLE_ACCESS, {W, F, F, W, F, F, F}, NULL, NULL},
    {"EARLY-DATA-OFFERED", ROLE_ACCESS, {W, W, N, W, F, N, N}, NULL, NULL},
    {"OCSP-STAPLE-MISSING", ROLE_ACCESS, {W, F, N, N, N, W, W}, NULL, NULL},
    /* Port 25: TLS is opportunistic, says the RFC, and nobody asks about names and trust. */
    {"SSLV3-SUPPORTED", ROLE_MX, {W, F, F, F, F, F, F}, NULL, NULL},
    {"version SSL 3.0", ROLE_MX, {W, F, F, F, F, F, F}, NULL, NULL},
    {"TLS-1.0-SUPPORTED", ROLE_MX, {W, W, F, F, F, F, F}, NULL, NULL},
    {"version TLS 1.0", ROLE_MX, {W, W, F, F, F, F, F}, NULL, NULL},
    {"TLS-NO-MODERN-VERSION", ROLE_MX, {W, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-NULL", ROLE_MX, {W, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-ANON", ROLE_MX, {W, F, F, F, F, F, F}, NULL, NULL},
    {"CIPHER-NO-FS", ROLE_MX, {W, W, W, F, F, F, F}, NULL, NULL},
    {"CIPHER-DHE", ROLE_MX, {W, P, P, P, W, F, F}, NULL, NULL},
    {"CERT-EXPIRED", ROLE_MX, {N, F, F, N, N, N, N}, NULL, NULL},
    {"CERT-UNTRUSTED", ROLE_MX, {N, F, F, N, N, N, N}, NULL, NULL},
    {"CERT-SELF-SIGNED", ROLE_MX, {N, F, F, N, N, N, N}, NULL, NULL},
    {"CERT-NAME-MISMATCH", ROLE_MX, {N, N, N, N, N, N, N}, NULL, NULL},
    {"CERT-NAME-MISMATCH", ROLE_ACCESS, {F, N, N, N, N, N, N}, NULL, NULL},
};

static void set_version(struct scene *s, const char *name)
{
    reject_versions(s);
    accept_version(s, (enum version)name_find(POLICY_VERSION, name), 0);
}

/* By name, or a number for one that has none. Alone with its version. */
static void set_suite(struct scene *s, const char *name)
{
    uint32_t code = (uint32_t)strtoul(name, NULL, 0);
    if (!code)
        assert_true(suite_at(name_find(POLICY_SUITE, name), &code));
    reject_versions(s);
    accept_version(s, code >> 8 == 0x13 ? VERSION_TLS13 : VERSION_TLS12, code);
    s->o.tls.suite = code;
}

/* What the row says; the id under which it is found. */
static const char *apply(struct scene *s, const char *what)
{
    char word[16] = "", name[64] = "";
    unsigned number = 0;

    if (sscanf(what, "%15[a-z] %63[^\n]", word, name) < 2) {
        find_fault(s, what, VERDICT_FAIL);
        return what;
    }
    if (strcmp(word, "version") == 0) {
        set_version(s, name);
        return "VERSION-NOT-IN-POLICY";
    }
    if (strcmp(word, "suite") == 0) {
        set_suite(s, name);
        return "CIPHER-NOT-IN-POLICY";
    }
    if (strcmp(word, "signature") == 0) {
        set_signature(&s->certificates[0], name);
        return "SIGNATURE-NOT-IN-POLICY";
    }
    sscanf(what, "%*s %63s %u", name, &number);
    if (strcmp(word, "key") == 0) {
        set_key(&s->certificates[0], name, number);
        return "KEY-NOT-IN-POLICY";
    }
    assert_string_equal(word, "group");
    set_group(s, number ? "" : name, number);
    return "GROUP-NOT-IN-POLICY";
}

static void judge_cell(const struct policy *p, const struct cell_row *row,
                       enum policy_verdict expected)
{
    struct scene s;
    scene_of_role(&s, row->role);
    if (row->protocol)
        s.service.protocol = row->protocol;
    if (row->day)
        s.subject.now = day(row->day);
    const char *id = apply(&s, row->what);
    policy_judge(p, &s.subject, &s.judgement, &s.result);
    if (rules_find(id, NULL) && (expected == N) == is_demanded(p, id, &s))
        fail_msg("%s: %s on %s is %sasked", policy_name(p), id, role_name(row->role),
                 expected == N ? "" : "not ");
    enum policy_verdict seen = listed(&s.result, id);
    if (seen != (expected == N ? P : expected))
        fail_msg("%s: %s on %s (%s): %s", policy_name(p), row->what, role_name(row->role),
                 row->day ? row->day : "now", policy_verdict_name(seen));
}

static void test_cells(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHIPPED_COUNT; i++) {
        struct policy *p = load(shipped[i]);
        for (size_t row = 0; row < sizeof cells / sizeof *cells; row++)
            judge_cell(p, &cells[row], cells[row].expected[i]);
        policy_free(p);
    }
}

/* --- the files -------------------------------------------------------------------------------- */

static char *read_text(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t length = fread(text, 1, sizeof text - 1, f);
    assert_true(length > 0 && length < sizeof text - 1);
    text[length] = '\0';
    fclose(f);
    return text;
}

static size_t count_of(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

/* Each shipped file is loaded by its name, says what it is, and how well each clause is known. */
static void test_shipped(void **state)
{
    char path[256];
    (void)state;
    for (size_t i = 0; i < SHIPPED_COUNT; i++) {
        struct policy *p = load(shipped[i]);
        assert_string_equal(policy_name(p), shipped[i]);
        assert_string_equal(policy_as_of(p), "2026-11-23");
        assert_true(*policy_title(p) && *policy_source(p) && *policy_version(p));
        assert_true(*policy_verified(p));
        snprintf(path, sizeof path, SHIPPED "/%s.yaml", shipped[i]);
        const char *text = read_text(path);
        assert_int_equal(count_of(text, "\n    clause: "), count_of(text, "\n    known: "));
        assert_true(count_of(text, "\n    clause: ") > 10);
        policy_free(p);
    }
}

static size_t clauses_of(const char *name, bool unverified)
{
    struct policy *p = load(name);
    size_t count = 0;
    for (size_t i = 0; policy_clause_at(p, i); i++)
        count += policy_clause_unverified(p, i) == unverified;
    policy_free(p);
    return count;
}

/* What nobody has read in the text itself says so. */
static void test_unverified(void **state)
{
    (void)state;
    assert_int_equal(clauses_of("nist-800-52r2", false), 0);
    assert_int_equal(clauses_of("pci-dss-4.0.1", false), 0);
    assert_int_equal(clauses_of("bsi-tr-02102-2", false), 0);
    assert_int_equal(clauses_of("ncsc-nl-2025-05", false), 0);
    assert_int_equal(clauses_of("mozilla-modern", true), 1);
    assert_int_equal(clauses_of("mozilla-intermediate", true), 1);
    assert_int_equal(clauses_of("rfc-baseline", true), 4); /* 8997, 2033, 5280, 9325 4.2.1 */
    assert_int_equal(clauses_of("rfc-baseline", false), 56);

    struct policy *p = load("pci-dss-4.0.1");
    for (size_t i = 0; policy_clause_at(p, i); i++)
        assert_non_null(strstr(policy_clause_at(p, i), "(if in scope)"));
    policy_free(p);
}

static void test_patterns(void **state)
{
    static const struct {
        const char *pattern, *name;
        bool matches;
    } rows[] = {
        {"EMS-MISSING", "EMS-MISSING", true},
        {"EMS-MISSING*", "EMS-MISSING", true},
        {"*", "EMS-MISSING", true},
        {"**S", "EMS-MISSING", false},
        {"EMS", "EMS-MISSING", false},
        {"*ING", "EMS-MISSING", true},
        {"*S*S*S*", "EMS-MISSING", true},
        {"*S*S*S*S*", "EMS-MISSING", false},
        {"E*M*G", "EMS-MISSING", true},
        {"E*SSI", "EMS-MISSING", false},
        {"?MS-MISSING", "EMS-MISSING", false},
        {"[E]MS-MISSING", "EMS-MISSING", false},
        {"*-M*-MISSING", "EMS-MISSING", false},
        {"", "EMS-MISSING", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct name_set set = {{0}};
        name_set_add(&set, POLICY_RULE, rows[i].pattern);
        assert_int_equal(name_set_has(&set, name_find(POLICY_RULE, rows[i].name)), rows[i].matches);
    }
}

/* --- suites ----------------------------------------------------------------------------------- */

static void count_suites(const struct policy *p, size_t counts[POLICY_VERDICT_COUNT])
{
    struct scene s;
    uint32_t suite;
    for (size_t at = 0; suite_at(at, &suite); at++) {
        if (suite > 0xffff)
            continue;
        scene_of_role(&s, ROLE_ACCESS);
        set_suite(&s, suite_name(suite));
        policy_judge(p, &s.subject, &s.judgement, &s.result);
        counts[listed(&s.result, "CIPHER-NOT-IN-POLICY")]++;
    }
}

/* As many as the standards list: what they recommend or allow, and what they are about to give up. */
static void test_suite_counts(void **state)
{
    static const struct {
        const char *policy;
        size_t pass, warn;
    } rows[] = {
        {"nist-800-52r2", 32 + 24 + 4, 10},
        {"ncsc-nl-2025-05", 4 + 8, 35},
        {"mozilla-intermediate", 3 + 6, 0},
        {"mozilla-modern", 3, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t counts[POLICY_VERDICT_COUNT] = {0};
        struct policy *p = load(rows[i].policy);
        count_suites(p, counts);
        assert_int_equal(counts[P], rows[i].pass);
        assert_int_equal(counts[W], rows[i].warn);
        assert_true(counts[F] > 50);
        policy_free(p);
    }
    size_t counts[POLICY_VERDICT_COUNT] = {0};
    struct policy *p = load("bsi-tr-02102-2");
    count_suites(p, counts);
    assert_int_equal(counts[P], 10 + 10 + 15 + 3);
    assert_true(counts[W] > 16 && counts[F] > 20);
    policy_free(p);
}

/* The codes behind the names that policies use. */
static void test_suite_codes(void **state)
{
    static const struct {
        uint32_t code;
        const char *name;
    } rows[] = {
        {0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA"},
        {0x0030, "TLS_DH_DSS_WITH_AES_128_CBC_SHA"},
        {0x0069, "TLS_DH_RSA_WITH_AES_256_CBC_SHA256"},
        {0x009e, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"},
        {0x00a3, "TLS_DHE_DSS_WITH_AES_256_GCM_SHA384"},
        {0x00ad, "TLS_RSA_PSK_WITH_AES_256_GCM_SHA384"},
        {0x00b3, "TLS_DHE_PSK_WITH_AES_256_CBC_SHA384"},
        {0x00be, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256"},
        {0x1301, "TLS_AES_128_GCM_SHA256"},
        {0x1302, "TLS_AES_256_GCM_SHA384"},
        {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
        {0x1304, "TLS_AES_128_CCM_SHA256"},
        {0x1305, "TLS_AES_128_CCM_8_SHA256"},
        {0xc009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"},
        {0xc02a, "TLS_ECDH_RSA_WITH_AES_256_CBC_SHA384"},
        {0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
        {0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"},
        {0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"},
        {0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"},
        {0xc053, "TLS_DHE_RSA_WITH_ARIA_256_GCM_SHA384"},
        {0xc08b, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_GCM_SHA384"},
        {0xc0a7, "TLS_DHE_PSK_WITH_AES_256_CCM"},
        {0xc0af, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8"},
        {0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
        {0xccaa, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"},
        {0xd005, "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256"},
    };
    uint32_t code, before = 0;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(suite_at(name_find(POLICY_SUITE, rows[i].name), &code));
        assert_int_equal(code, rows[i].code);
    }
    for (size_t at = 0; suite_at(at, &code); at++) {
        assert_true(code > before);
        before = code;
    }
}

/* --- what is not known is never a pass -------------------------------------------------------- */

#define SUITES_OF_NIST "NIST SP 800-52r2 section 3.3.1"
#define GROUPS_OF_NIST "NIST SP 800-52r2 section 3.3, groups"
#define VERSIONS_OF_NIST "NIST SP 800-52r2 section 3.1"
#define KEYS_OF_NIST "NIST SP 800-52r2 section 3.2, keys"

static enum policy_verdict judge_clause(const struct policy *p, struct scene *s, const char *clause)
{
    policy_judge(p, &s->subject, &s->judgement, &s->result);
    return clause_verdict(p, &s->result, clause);
}

static void test_choice(void **state)
{
    struct scene s;
    struct policy *nist = load("nist-800-52r2"), *rfc = load("rfc-baseline");

    (void)state;
    scene_of_role(&s, ROLE_ACCESS);
    /* What was chosen is in the list. What else it would take, nobody has asked. */
    assert_int_equal(judge_clause(nist, &s, SUITES_OF_NIST), POLICY_NOT_TESTED);
    assert_int_equal(judge_clause(nist, &s, GROUPS_OF_NIST), POLICY_NOT_TESTED);
    assert_int_equal(judge_clause(nist, &s, VERSIONS_OF_NIST), P);
    assert_int_equal(judge_clause(nist, &s, KEYS_OF_NIST), P);
    assert_int_equal(s.result.verdict, POLICY_NOT_TESTED);
    assert_int_equal(s.result.fail_count + s.result.warn_count, 0);
    /* Where nothing of the list's other suites can be, what is left is a pass. */
    assert_int_equal(judge_clause(rfc, &s, "RFC 9846 section 9.1 (was RFC 8446 section 9.1)"), P);
    assert_int_equal(judge_clause(rfc, &s, "RFC 9325 section 4.5"), POLICY_NOT_TESTED);
    reject_versions(&s);
    accept_version(&s, VERSION_TLS13, 0x1302);
    assert_int_equal(judge_clause(rfc, &s, "RFC 9325 section 4.5"), P);
    policy_free(nist);
    policy_free(rfc);
}

static void test_unknown(void **state)
{
    struct scene s;
    struct policy *p = load("nist-800-52r2");

    (void)state;
    scene_of_role(&s, ROLE_ACCESS);
    s.o.tls.versions[VERSION_TLS10].status = VERSION_INCONCLUSIVE;
    assert_int_equal(judge_clause(p, &s, VERSIONS_OF_NIST), POLICY_INCONCLUSIVE);
    s.o.tls.versions[VERSION_TLS10].status = VERSION_NOT_TESTED;
    assert_int_equal(judge_clause(p, &s, VERSIONS_OF_NIST), POLICY_NOT_TESTED);
    s.o.tls.versions[VERSION_TLS12].status = VERSION_INCONCLUSIVE; /* would be allowed */
    s.o.tls.versions[VERSION_TLS10].status = VERSION_REJECTED;
    assert_int_equal(judge_clause(p, &s, VERSIONS_OF_NIST), P);

    s.o.why[FACT_GROUP] = CAUSE_TIMEOUT;
    assert_int_equal(judge_clause(p, &s, GROUPS_OF_NIST), POLICY_INCONCLUSIVE);
    s.o.why[FACT_CERTIFICATE] = CAUSE_NOT_ASKED;
    assert_int_equal(judge_clause(p, &s, KEYS_OF_NIST), POLICY_NOT_TESTED);
    s.o.why[FACT_CERTIFICATE] = CAUSE_NONE;
    s.o.why[FACT_CHAIN] = CAUSE_RESET;
    assert_int_equal(judge_clause(p, &s, KEYS_OF_NIST), POLICY_INCONCLUSIVE);
    s.o.why[FACT_CHAIN] = CAUSE_NONE;
    set_key(&s.certificates[0], "ec", 0); /* a curve that is not known */
    assert_int_equal(judge_clause(p, &s, KEYS_OF_NIST), POLICY_INCONCLUSIVE);
    s.certificates[0].unreadable = CERTIFICATE_NOTHING; /* broken DER */
    assert_int_equal(judge_clause(p, &s, "NIST SP 800-52r2 section 3.2, signatures"),
                     POLICY_INCONCLUSIVE);

    s.o.why[FACT_TLS] = CAUSE_CLOSED;
    assert_int_equal(judge_clause(p, &s, SUITES_OF_NIST), POLICY_INCONCLUSIVE);
    s.o.why[FACT_TLS] = CAUSE_NOT_ASKED;
    assert_int_equal(judge_clause(p, &s, SUITES_OF_NIST), POLICY_NOT_TESTED);
    policy_free(p);
}

/* Where there is no TLS, no suite is wrong. */
static void test_no_tls(void **state)
{
    struct scene s;
    struct policy *p = load("ncsc-nl-2025-05");

    (void)state;
    scene_of_role(&s, ROLE_ACCESS);
    s.o.tls.refused = true;
    for (size_t i = 0; i < RULES_MAX; i++)
        s.judgement.checks[i].verdict = VERDICT_NOT_APPLICABLE;
    policy_judge(p, &s.subject, &s.judgement, &s.result);
    assert_int_equal(s.result.verdict, N);
    policy_free(p);
}

/* Roots have no say; of the others all are asked, or only the server's own. */
static void test_chain(void **state)
{
    struct scene s;
    struct policy *nist = load("nist-800-52r2"), *mozilla = load("mozilla-modern");

    (void)state;
    scene_of_role(&s, ROLE_ACCESS);
    s.o.tls.chain.count = 3;
    s.certificates[2].self_signed = true;
    set_key(&s.certificates[2], "rsa", 1024);
    set_signature(&s.certificates[2], "RSA-MD5");
    policy_judge(nist, &s.subject, &s.judgement, &s.result);
    assert_int_equal(s.result.fail_count, 0);
    set_key(&s.certificates[1], "rsa", 1024);
    set_signature(&s.certificates[1], "RSA-SHA1");
    policy_judge(nist, &s.subject, &s.judgement, &s.result);
    assert_int_equal(listed(&s.result, "KEY-NOT-IN-POLICY"), F);
    assert_int_equal(listed(&s.result, "SIGNATURE-NOT-IN-POLICY"), F);
    policy_judge(mozilla, &s.subject, &s.judgement, &s.result);
    assert_int_equal(listed(&s.result, "KEY-NOT-IN-POLICY"), P);
    assert_int_equal(listed(&s.result, "SIGNATURE-NOT-IN-POLICY"), P);
    /* The server's own may have signed itself: its key counts, its signature proves nothing. */
    s.o.tls.chain.count = 1;
    s.certificates[0] = s.certificates[2];
    policy_judge(nist, &s.subject, &s.judgement, &s.result);
    assert_int_equal(listed(&s.result, "KEY-NOT-IN-POLICY"), F);
    assert_int_equal(listed(&s.result, "SIGNATURE-NOT-IN-POLICY"), P);
    policy_free(nist);
    policy_free(mozilla);
}

/* --- policies of one's own -------------------------------------------------------------------- */

static char directory[] = "/tmp/policies-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

/* Loading must fail; what was said. */
static char *load_bad(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *errors = open_memstream(&text, &size);
    assert_non_null(errors);
    struct policy *p = policy_load(path, errors);
    fclose(errors);
    if (p)
        fail_msg("%s was loaded", path);
    return text;
}

static void assert_bad(const char *name, const char *message)
{
    char *text = load_bad(path_of(name));
    if (!strstr(text, message))
        fail_msg("%s: \"%s\" is not in: %s", name, message, text);
    free(text);
}

/* Of all that was asked for a clause the worst counts, and of all clauses. */
static void test_order(void **state)
{
    static const struct {
        enum verdict first, second;
        enum policy_verdict expected;
    } rows[] = {
        {VERDICT_FAIL, VERDICT_FAIL, F}, /* the second only warns */
        {VERDICT_PASS, VERDICT_FAIL, W},
        {VERDICT_INCONCLUSIVE, VERDICT_FAIL, W},
        {VERDICT_INCONCLUSIVE, VERDICT_NOT_TESTED, POLICY_INCONCLUSIVE},
        {VERDICT_NOT_TESTED, VERDICT_PASS, POLICY_NOT_TESTED},
        {VERDICT_PASS, VERDICT_NOT_APPLICABLE, P},
        {VERDICT_NOT_APPLICABLE, VERDICT_NOT_APPLICABLE, N},
    };
    struct scene s;

    (void)state;
    struct policy *p = load(MADE "/order.yaml");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        scene_of_role(&s, ROLE_ACCESS);
        find_fault(&s, "EMS-MISSING", rows[i].first);
        find_fault(&s, "TLS-COMPRESSION", rows[i].second);
        find_fault(&s, "CIPHER-DHE", VERDICT_NOT_APPLICABLE);
        assert_int_equal(judge_clause(p, &s, "A"), rows[i].expected);
        assert_int_equal(s.result.verdict, rows[i].expected);
        assert_int_equal(clause_verdict(p, &s.result, "B"), N);
    }
    scene_of_role(&s, ROLE_ACCESS);
    find_fault(&s, "CIPHER-DHE", VERDICT_FAIL); /* which is allowed */
    assert_int_equal(judge_clause(p, &s, "B"), P);
    assert_int_equal(s.result.fail_count + s.result.warn_count, 0);
    policy_free(p);
}

static enum policy_verdict judge_what(const struct policy *p, enum role role,
                                      const struct protocol *protocol, const char *on,
                                      const char *what)
{
    struct scene s;
    scene_init(&s, role, protocol);
    s.subject.now = day(on);
    const char *id = apply(&s, what);
    policy_judge(p, &s.subject, &s.judgement, &s.result);
    return listed(&s.result, id);
}

static enum policy_verdict judge_now(const struct policy *p, const char *what)
{
    return judge_what(p, ROLE_ACCESS, &protocol_imap, "2026-11-23", what);
}

static void test_scope(void **state)
{
    struct policy_demand d;
    char scope[80];

    (void)state;
    struct policy *p = load(MADE "/scope.yaml");
    assert_true(policy_demand_at(p, 0, &d));
    policy_demand_scope(&d, scope, sizeof scope);
    assert_string_equal(scope, "mx, relay; from 2026-07-01 until 2026-12-31");
    assert_true(policy_demand_at(p, 1, &d));
    policy_demand_scope(&d, scope, sizeof scope);
    assert_string_equal(scope, "pop3");
    assert_true(policy_demand_at(p, 2, &d));
    policy_demand_scope(&d, scope, sizeof scope);
    assert_string_equal(scope, "");
    assert_int_equal(strncmp(d.rule, "CERT-", 5), 0);

    static const struct {
        enum role role;
        const char *day;
        enum policy_verdict expected;
    } rows[] = {{ROLE_MX, "2026-07-01", F},
                {ROLE_RELAY, "2026-12-31", F},
                {ROLE_MX, "2026-06-30", P},
                {ROLE_MX, "2027-01-01", P},
                {ROLE_SUBMISSION, "2026-07-01", P}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(judge_what(p, rows[i].role, &protocol_smtp, rows[i].day, "EMS-MISSING"),
                         rows[i].expected);
    assert_int_equal(judge_what(p, ROLE_ACCESS, &protocol_pop3, "2026-11-23", "CIPHER-DHE"), W);
    assert_int_equal(judge_what(p, ROLE_ACCESS, &protocol_imap, "2026-11-23", "CIPHER-DHE"), P);
    assert_int_equal(judge_what(p, ROLE_FILES, &protocol_ftp, "2026-11-23", "CERT-EXPIRED"), W);
    policy_free(p);
}

static void test_derived(void **state)
{
    (void)state;
    struct policy *p = load(MADE "/own.yaml");
    assert_string_equal(policy_name(p), "own");
    assert_string_equal(policy_title(p), "Mine");
    assert_string_equal(policy_version(p), "2");
    assert_string_equal(policy_source(p), "S");
    assert_string_equal(policy_verified(p), "V");
    assert_string_equal(policy_as_of(p), "2026-11-23");
    /* Its own entries take the place of those inherited, but only where they hold. */
    assert_int_equal(judge_now(p, "EMS-MISSING"), W);
    assert_int_equal(judge_now(p, "CIPHER-DHE"), F);
    assert_int_equal(judge_what(p, ROLE_MX, &protocol_smtp, "2026-11-23", "CIPHER-DHE"), P);
    assert_int_equal(judge_now(p, "TLS-COMPRESSION"), W);
    assert_int_equal(judge_now(p, "RENEG-INSECURE"), P);
    assert_int_equal(judge_now(p, "suite TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"), P);
    assert_int_equal(judge_now(p, "suite TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"), W);
    assert_int_equal(judge_now(p, "suite TLS_AES_128_GCM_SHA256"), P);
    assert_int_equal(judge_now(p, "suite TLS_AES_128_CCM_8_SHA256"), P); /* named by nothing */
    assert_int_equal(judge_now(p, "suite TLS_RSA_WITH_AES_128_CBC_SHA"), F);
    /* A clause of which nothing is left is not there any more. */
    for (size_t i = 0; policy_clause_at(p, i); i++)
        assert_string_not_equal(policy_clause_at(p, i), "Z");
    policy_free(p);
}

/* The hash is that of the files, the own one first. */
static void test_hash(void **state)
{
    unsigned char digest[32];
    char hex[65];
    gnutls_hash_hd_t hash;

    (void)state;
    assert_true(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) >= 0);
    const char *const files[] = {MADE "/sum.yaml", MADE "/order.yaml"};
    for (size_t i = 0; i < 2; i++) {
        const char *text = read_text(files[i]);
        gnutls_hash(hash, text, strlen(text));
    }
    gnutls_hash_deinit(hash, digest);
    hex_encode(digest, sizeof digest, hex, sizeof hex);
    struct policy *p = load(MADE "/sum.yaml");
    assert_string_equal(policy_sha256(p), hex);
    policy_free(p);
}

static void test_extends(void **state)
{
    char name[32], text[128];

    (void)state;
    write_file("self.yaml", "name: self\ntitle: T\nextends: self.yaml\n");
    assert_bad("self.yaml", "self.yaml:3: extends: the policy would extend itself");
    write_file("one.yaml", "name: one\ntitle: T\nextends: ./two.yaml\n");
    write_file("two.yaml", "name: two\ntitle: T\nextends: one.yaml\n");
    assert_bad("one.yaml", "two.yaml:3: extends: the policy would extend itself");
    write_file("lost.yaml", "name: lost\ntitle: T\nextends: nowhere.yaml\n");
    assert_bad("lost.yaml", "lost.yaml:3: extends: ");
    assert_bad("lost.yaml", "nowhere.yaml: No such file or directory");
    write_file("lost.yaml", "name: lost\ntitle: T\nextends: nobody\n");
    assert_bad("lost.yaml", "lost.yaml:3: extends: nobody: there is no such policy in ");
    write_file("lost.yaml", "name: lost\ntitle: T\nextends: " MADE "/order.yaml\n"
                            "remove:\n  rules: [EMS-MISSING, CERT-EXPIRED]\n");
    assert_bad("lost.yaml", "lost.yaml:5: remove: nothing of that name is inherited");
    /* Eight are a chain, nine are too many. */
    write_file("8.yaml", "name: c8\ntitle: T\nextends: " MADE "/order.yaml\n");
    for (int i = 7; i >= 1; i--) {
        snprintf(name, sizeof name, "%d.yaml", i);
        snprintf(text, sizeof text, "name: c%d\ntitle: T\nextends: %d.yaml\n", i, i + 1);
        write_file(name, text);
    }
    struct policy *p = load(path_of("2.yaml"));
    assert_int_equal(judge_now(p, "EMS-MISSING"), F);
    policy_free(p);
    assert_bad("1.yaml", "8.yaml:3: extends: one policy extends another more than 8 deep");
}

/* A directory of the user's comes first; the sample is what it says it is. */
static void test_places(void **state)
{
    (void)state;
    assert_bad("no.yaml", "no.yaml: No such file or directory");
    char *text = load_bad("../policies/rfc-baseline");
    assert_non_null(strstr(text, "No such file"));
    free(text);
    text = load_bad(directory);
    assert_non_null(strstr(text, "is not a plain file"));
    free(text);
    text = load_bad("Rfc-Baseline");
    assert_non_null(strstr(text, "there is no such policy"));
    free(text);

    write_file("mozilla-modern.yaml",
               "name: mozilla-modern\ntitle: Own\nextends: " MADE "/order.yaml\n");
    setenv("STARTTLS_AUDIT_POLICIES", directory, 1);
    struct policy *p = load("mozilla-modern");
    assert_string_equal(policy_title(p), "Own");
    policy_free(p);
    setenv("STARTTLS_AUDIT_POLICIES", SHIPPED, 1);

    p = load(SOURCE_DIR "/samples/policy.yaml");
    assert_string_equal(policy_name(p), "example");
    assert_int_equal(
        judge_what(p, ROLE_ACCESS, &protocol_pop3, "2026-11-23", "IMPLICIT-TLS-NOT-OFFERED"), F);
    assert_int_equal(judge_now(p, "TLS-1.3-NOT-SUPPORTED"), W);
    assert_int_equal(
        judge_what(p, ROLE_ACCESS, &protocol_imap, "2027-07-01", "TLS-1.3-NOT-SUPPORTED"), F);
    assert_int_equal(judge_now(p, "key rsa 2048"), F);
    assert_int_equal(judge_now(p, "key rsa 3072"), P);
    assert_int_equal(judge_now(p, "OCSP-STAPLE-MISSING"), P);
    assert_int_equal(judge_now(p, "CLEARTEXT-LOGIN-ALLOWED"), F);
    policy_free(p);
}

/* tests/policies/bad/: the first line of each says what is to be said of it. */
static void test_bad(void **state)
{
    static const char expect[] = "# expect: ";
    char path[512], wanted[1024];
    size_t count = 0;
    struct dirent *file;
    DIR *bad = opendir(MADE "/bad");

    (void)state;
    assert_non_null(bad);
    while ((file = readdir(bad))) {
        if (file->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, MADE "/bad/%s", file->d_name);
        const char *text = read_text(path);
        assert_int_equal(strncmp(text, expect, sizeof expect - 1), 0);
        text += sizeof expect - 1;
        snprintf(wanted, sizeof wanted, "%s:%.*s\n", path, (int)strcspn(text, "\n"), text);
        char *said = load_bad(path);
        if (strcmp(said, wanted) != 0)
            fail_msg("wanted %ssaid   %s", wanted, said);
        free(said);
        count++;
    }
    closedir(bad);
    assert_true(count >= 20);
}

static int begin(void **state)
{
    (void)state;
    setenv("STARTTLS_AUDIT_POLICIES", SHIPPED, 1);
    return mkdtemp(directory) ? 0 : -1;
}

static int end(void **state)
{
    struct dirent *file;
    DIR *d = opendir(directory);
    (void)state;
    while (d && (file = readdir(d)))
        if (file->d_name[0] != '.')
            unlink(path_of(file->d_name));
    closedir(d);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),      cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_unverified), cmocka_unit_test(test_suite_counts),
        cmocka_unit_test(test_patterns),   cmocka_unit_test(test_suite_codes),
        cmocka_unit_test(test_choice),     cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_no_tls),     cmocka_unit_test(test_chain),
        cmocka_unit_test(test_order),      cmocka_unit_test(test_scope),
        cmocka_unit_test(test_derived),    cmocka_unit_test(test_hash),
        cmocka_unit_test(test_extends),    cmocka_unit_test(test_places),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
