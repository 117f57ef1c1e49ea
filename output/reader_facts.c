/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/reader_facts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define HELD_MAX ((size_t)4096) /* octets of a text that are kept: it may be the name of a file */

struct held *reader_hold(struct reader *r, const char *path, struct span text)
{
    text = span_until(text, HELD_MAX);
    size_t max = 3 * text.len + 1;
    struct held *h = calloc(1, sizeof *h + max);
    bool lossy = false;
    if (!h) {
        members_fail(&r->m, path, "out of memory");
        return NULL;
    }
    text_clean(text, h->text, max, &lossy);
    h->next = *r->held;
    *r->held = h;
    return h;
}

bool reader_hold_word(struct reader *r, const cJSON *item, const char *path, const char **out)
{
    const char *word;
    if (!member_word(&r->m, item, path, &word))
        return false;
    struct held *h = reader_hold(r, path, span_of(word));
    *out = h ? h->text : NULL;
    return h != NULL;
}

static const cJSON *find(const struct reader *r, const char *path)
{
    return members_find(&r->m, path);
}

/* The number of the word among the names; -1: there is none, or it is none of them. */
#define DEFINE_FINDER(function, type, count, name)                                                 \
    static int function(struct reader *r, const cJSON *item, const char *path)                     \
    {                                                                                              \
        const char *word;                                                                          \
        if (!member_word(&r->m, item, path, &word))                                                \
            return -1;                                                                             \
        for (int i = 0; i < (int)(count); i++) {                                                   \
            const char *other = name((type)i);                                                     \
            if (other && strcmp(other, word) == 0)                                                 \
                return i;                                                                          \
        }                                                                                          \
        members_fail(&r->m, path, "a word that is not known");                                     \
        return -1;                                                                                 \
    }

DEFINE_FINDER(find_status, enum status, STATUS_COUNT, status_name)
DEFINE_FINDER(find_mode, enum mode, MODE_EXPLICIT + 1, mode_name)
DEFINE_FINDER(find_login, enum login_verdict, LOGIN_INCONCLUSIVE + 1, login_verdict_name)
DEFINE_FINDER(find_confidence, enum confidence, CONFIDENCE_CONFIRMED + 1, confidence_name)
DEFINE_FINDER(find_injection, enum injection, INJECTION_INCONCLUSIVE + 1, injection_name)
DEFINE_FINDER(find_sign, enum injection_sign, SIGN_COUNT, injection_sign_name)
DEFINE_FINDER(find_version_status, enum version_status, VERSION_INCONCLUSIVE + 1,
              version_status_name)
DEFINE_FINDER(find_proof, enum proof, PROOF_INFERRED + 1, proof_name)

static enum cause cause_of(struct reader *r, const cJSON *item, const char *path)
{
    const char *word;
    return member_word(&r->m, item, path, &word) ? cause_parse(word) : CAUSE_NOT_ASKED;
}

/* --- what is not known ------------------------------------------------------------------------ */

static bool is_below(const char *path, const char *above)
{
    size_t n = strlen(above);
    return strncmp(path, above, n) == 0 && (path[n] == 0 || path[n] == '/');
}

/* A path stands for all that is below it, but for what a run does not ask for by itself. */
static void read_unknown(struct reader *r)
{
    const cJSON *item;
    const char *path;
    cJSON_ArrayForEach(item, find(r, "/unknown"))
    {
        if (!member_word(&r->m, member_of(item, "path"), "/unknown", &path))
            continue;
        enum cause cause = cause_of(r, member_of(item, "reason"), "/unknown");
        for (int f = 0; f < FACT_COUNT; f++) {
            const char *own = fact_path((enum fact)f);
            if (f < (int)FACT_OPTIONAL ? is_below(own, path) : strcmp(own, path) == 0)
                r->o->why[f] = cause;
        }
    }
}

/* Why what has this very path is not known; CAUSE_NONE: the record does not say that it is not. */
static enum cause reason_of(struct reader *r, const char *path)
{
    const cJSON *item;
    const char *word;
    cJSON_ArrayForEach(item, find(r, "/unknown"))
    {
        if (member_word(&r->m, member_of(item, "path"), "/unknown", &word) &&
            strcmp(word, path) == 0)
            return cause_of(r, member_of(item, "reason"), "/unknown");
    }
    return CAUSE_NONE;
}

static bool has_unknown(struct reader *r, const char *path)
{
    return reason_of(r, path) != CAUSE_NONE;
}

/* The member of a fact; if it is there, the fact is known. */
static const cJSON *learn(struct reader *r, enum fact fact)
{
    const cJSON *item = find(r, fact_path(fact));
    if (item)
        observation_learn(r->o, fact);
    return item;
}

static void learn_truth(struct reader *r, enum fact fact, enum tri *out)
{
    bool truth;
    if (member_truth(&r->m, learn(r, fact), fact_path(fact), &truth))
        *out = tri_of(truth);
}

/* Null is not known, but of no concern to this protocol. */
static void learn_own(struct reader *r, enum fact fact, enum tri *out)
{
    if (!cJSON_IsNull(find(r, fact_path(fact))))
        learn_truth(r, fact, out);
}

static void learn_flag(struct reader *r, enum fact fact, bool *out)
{
    member_truth(&r->m, learn(r, fact), fact_path(fact), out);
}

static void learn_list(struct reader *r, enum fact fact, struct list *out)
{
    member_list(&r->m, learn(r, fact), fact_path(fact), out);
}

static void learn_text(struct reader *r, enum fact fact, size_t max, struct text *out)
{
    const cJSON *item = find(r, fact_path(fact));
    if (member_text(&r->m, item, fact_path(fact), max, out))
        observation_learn(r->o, fact);
}

/* --- status ----------------------------------------------------------------------------------- */

/* The cause that has this sentence. */
static enum cause cause_of_sentence(enum phase phase, const char *sentence, enum cause otherwise)
{
    for (int c = CAUSE_NONE + 1; c < CAUSE_COUNT; c++)
        if (strcmp(outcome_text((struct outcome){phase, (enum cause)c, 0}), sentence) == 0)
            return (enum cause)c;
    return otherwise;
}

/* The code is the server's, the resolver's, or the cause itself. */
static void read_error(struct reader *r, const cJSON *error)
{
    struct observation *o = r->o;
    const char *stage = "", *code = "", *message = "";

    member_word(&r->m, member_of(error, "stage"), "/error/stage", &stage);
    member_word(&r->m, member_of(error, "code"), "/error/code", &code);
    member_word(&r->m, member_of(error, "message"), "/error/message", &message);
    if (!phase_parse(stage, &o->error.phase)) {
        members_fail(&r->m, "/error/stage", "a word that is not known");
        return;
    }
    if (o->status == STATUS_REFUSED) {
        o->error.cause = cause_of_sentence(o->error.phase, message, CAUSE_REFUSED);
        for (const char *c = code; ascii_digit(*c) && c < code + 3; c++)
            o->error.detail = 10 * o->error.detail + (*c - '0');
        return;
    }
    o->error.cause = cause_parse(code);
    if (strcmp(cause_name(o->error.cause), code) == 0)
        return;
    o->error.cause = cause_of_sentence(o->error.phase, message,
                                       o->status == STATUS_DNS_ERROR ? CAUSE_DNS : CAUSE_ODD_REPLY);
    reader_hold_word(r, member_of(error, "code"), "/error/code", &o->error_word);
}

static void read_status(struct reader *r)
{
    const cJSON *error = find(r, "/error");
    int status = find_status(r, find(r, "/status"), "/status");

    if (status < 0) {
        members_fail(&r->m, "/status", "missing");
        return;
    }
    r->o->status = (enum status)status;
    if (cJSON_IsObject(error) != (status != STATUS_OK))
        members_fail(&r->m, "/error", "there if and only if the status is not ok");
    else if (status != STATUS_OK)
        read_error(r, error);
}

bool reader_was_connected(const struct observation *o)
{
    switch (o->status) {
    case STATUS_CLOSED:
    case STATUS_UNREACHABLE:
    case STATUS_DNS_ERROR:
        return false;
    default:
        return o->source.family ||
               (o->error.phase != PHASE_CONNECT && o->error.phase != PHASE_RESOLVE) ||
               o->status == STATUS_OK;
    }
}

static void read_head(struct reader *r)
{
    struct observation *o = r->o;
    uint64_t number;
    int mode;

    if (!member_time(&r->m, find(r, "/time"), "/time", true, &o->started))
        members_fail(&r->m, "/time", "missing");
    if (member_number(&r->m, find(r, "/duration_ms"), "/duration_ms", INT64_MAX, &number))
        o->duration = (int64_t)number;
    if (member_number(&r->m, find(r, "/connections"), "/connections", UINT_MAX, &number))
        o->connections = (unsigned)number;
    member_address(&r->m, find(r, "/endpoint/source_ip"), "/endpoint/source_ip", &o->source);
    mode = find_mode(r, learn(r, FACT_OBSERVED_MODE), fact_path(FACT_OBSERVED_MODE));
    if (mode >= 0)
        o->mode = (enum mode)mode;
}

static void read_anomalies(struct reader *r)
{
    const cJSON *item;
    const char *word;
    cJSON_ArrayForEach(item, find(r, "/anomalies"))
    {
        if (!member_word(&r->m, item, "/anomalies", &word))
            continue;
        r->o->bare_lf |= strcmp(word, "bare_lf") == 0;
        r->o->greeted_again |= strcmp(word, "greeting_after_tls") == 0;
    }
}

/* --- before TLS ------------------------------------------------------------------------------- */

static void read_injection(struct reader *r)
{
    struct injection_fact *i = &r->o->injection;
    int verdict = find_injection(r, find(r, "/starttls/injection"), "/starttls/injection");
    int sign = find_sign(r, find(r, "/starttls/injection_sign"), "/starttls/injection_sign");

    if (verdict >= 0)
        i->verdict = (enum injection)verdict;
    if (sign >= 0)
        i->sign = (enum injection_sign)sign;
    i->reason =
        i->verdict == INJECTION_NOT_TESTED || i->verdict == INJECTION_INCONCLUSIVE
            ? cause_of(r, find(r, "/starttls/injection_reason"), "/starttls/injection_reason")
            : CAUSE_NONE;
    member_text(&r->m, find(r, "/starttls/injection_reply"), "/starttls/injection_reply",
                TEXT_REPLY_MAX, &i->reply);
}

static void read_starttls(struct reader *r)
{
    struct observation *o = r->o;
    const cJSON *starttls = find(r, "/starttls");

    if (cJSON_IsNull(starttls) != (starttls && observation_is_implicit(o))) {
        members_fail(&r->m, "/starttls", "null if and only if all is inside TLS");
        return;
    }
    if (!cJSON_IsObject(starttls))
        return;
    learn_truth(r, FACT_ADVERTISED, &o->advertised);
    learn_truth(r, FACT_ACCEPTED, &o->accepted);
    reader_hold_word(r, find(r, "/starttls/command"), "/starttls/command", &o->upgrade_command);
    learn_text(r, FACT_REPLY, TEXT_REPLY_MAX, &o->upgrade_reply);
    member_number(&r->m, learn(r, FACT_TRAILING), fact_path(FACT_TRAILING), UINT64_MAX,
                  &o->trailing);
    learn_own(r, FACT_REQUIRED, &o->required);
    learn_truth(r, FACT_CONTINUES, &o->continues);
    read_injection(r);
}

static void read_login(struct reader *r)
{
    struct login_fact *l = &r->o->login;
    static const char path[] = "/auth/cleartext_login";
    const cJSON *login = find(r, path);
    int verdict = find_login(r, member_of(login, "verdict"), path);
    int confidence = find_confidence(r, member_of(login, "confidence"), path);

    if (verdict >= 0)
        l->verdict = (enum login_verdict)verdict;
    if (confidence >= 0)
        l->confidence = (enum confidence)confidence;
    l->reason = l->verdict == LOGIN_NOT_TESTED || l->verdict == LOGIN_INCONCLUSIVE
                    ? cause_of(r, member_of(login, "reason"), path)
                    : CAUSE_NONE;
    member_copy(&r->m, member_of(login, "probe"), path, l->probe, sizeof l->probe);
    member_text(&r->m, member_of(login, "reply"), "/auth/cleartext_login/reply", TEXT_REPLY_MAX,
                &l->reply);
}

/* What a protocol has not is known wherever the list of its capabilities could be. */
static void read_no_announcement(struct observation *o)
{
    bool inside = observation_is_implicit(o) || observation_knows(o, FACT_ACCEPTED);
    observation_learn(o, FACT_LOGIN_BEFORE);
    o->why[FACT_LOGIN_AFTER] = inside ? CAUSE_NONE : o->why[FACT_CAPABILITIES_AFTER];
    o->why[FACT_MECHANISMS_BEFORE] = o->why[FACT_CAPABILITIES_BEFORE];
    o->why[FACT_MECHANISMS_AFTER] = o->why[FACT_CAPABILITIES_AFTER];
}

static void read_auth(struct reader *r)
{
    struct observation *o = r->o;
    bool greeted = cJSON_IsObject(find(r, "/auth"));

    if (!observation_is_implicit(o) && greeted != cJSON_IsObject(find(r, "/starttls"))) {
        members_fail(&r->m, "/auth", "there if and only if the upgrade is");
        return;
    }
    if (!greeted)
        return;
    learn_flag(r, FACT_PREAUTH, &o->preauth);
    if (!observation_knows(o, FACT_PREAUTH))
        members_fail(&r->m, fact_path(FACT_PREAUTH), "missing");
    learn_truth(r, FACT_LOGIN_BEFORE, &o->login_disabled[0]);
    learn_truth(r, FACT_LOGIN_AFTER, &o->login_disabled[1]);
    learn_list(r, FACT_CAPABILITIES_BEFORE, &o->capabilities[0]);
    learn_list(r, FACT_CAPABILITIES_AFTER, &o->capabilities[1]);
    learn_list(r, FACT_MECHANISMS_BEFORE, &o->mechanisms[0]);
    learn_list(r, FACT_MECHANISMS_AFTER, &o->mechanisms[1]);
    if (!o->service->protocol->announces_login)
        read_no_announcement(o);
    read_login(r);
    learn_own(r, FACT_ANONYMOUS, &o->anonymous);
    member_truth(&r->m, find(r, "/auth/credentials_sent"), "/auth/credentials_sent",
                 &o->credentials_sent);
}

static void read_data_channel(struct reader *r)
{
    struct observation *o = r->o;
    learn_truth(r, FACT_PROTECTION, &o->protection);
    learn_truth(r, FACT_CCC, &o->ccc);
    member_text(&r->m, find(r, "/data_channel/protection_reply"), "/data_channel/protection_reply",
                TEXT_REPLY_MAX, &o->protection_reply);
}

/* --- TLS -------------------------------------------------------------------------------------- */

/* False also where it is a suite that we do not know. */
static bool read_suite(struct reader *r, const cJSON *item, const char *path, uint32_t *out)
{
    const char *word;
    char *end;
    if (!member_word(&r->m, item, path, &word))
        return false;
    if (suite_parse(word, out))
        return true;
    if (strncmp(word, "0x", 2) != 0 || strlen(word) > 8)
        return false;
    *out = (uint32_t)strtoul(word + 2, &end, 16);
    return *end == 0 && end > word + 2;
}

static void read_version(struct reader *r, const cJSON *item, int v)
{
    static const char path[] = "/tls/versions";
    struct version_fact *fact = &r->o->tls.versions[v];
    const char *number = "", *protocol = "";
    uint64_t alert;
    bool mac;

    member_word(&r->m, member_of(item, "protocol"), path, &protocol);
    member_word(&r->m, member_of(item, "version"), path, &number);
    int status = find_version_status(r, member_of(item, "status"), path);
    if (status < 0 || strcmp(number, version_number((enum version)v)) != 0 ||
        strcmp(protocol, v <= VERSION_SSL3 ? "ssl" : "tls") != 0) {
        members_fail(&r->m, path, "not the six versions in their order");
        return;
    }
    fact->status = (enum version_status)status;
    int proof = find_proof(r, member_of(item, "by"), path);
    if ((status == VERSION_REJECTED) != (proof > PROOF_NONE))
        members_fail(&r->m, path, "a proof if and only if it is rejected");
    else if (proof >= 0)
        fact->proof = (enum proof)proof;
    fact->reason = status == VERSION_NOT_TESTED || status == VERSION_INCONCLUSIVE
                       ? cause_of(r, member_of(item, "reason"), path)
                       : CAUSE_NONE;
    if (member_number(&r->m, member_of(item, "alert"), path, UINT8_MAX, &alert))
        fact->alert = (int)alert;
    if (status == VERSION_ACCEPTED)
        read_suite(r, member_of(item, "cipher"), path, &fact->suite);
    if (member_truth(&r->m, member_of(item, "encrypt_then_mac"), path, &mac))
        fact->encrypt_then_mac = tri_of(mac);
}

static void read_versions(struct reader *r)
{
    const cJSON *versions = find(r, "/tls/versions"), *item;
    int v = 0;
    if (!cJSON_IsArray(versions) || cJSON_GetArraySize(versions) != VERSION_COUNT)
        members_fail(&r->m, "/tls/versions", "not the six versions in their order");
    else
        cJSON_ArrayForEach(item, versions) read_version(r, item, v++);
}

static void read_failure(struct reader *r)
{
    struct tls_facts *t = &r->o->tls;
    const cJSON *failure = find(r, "/tls/failure");
    uint64_t alert;

    if (!cJSON_IsObject(failure))
        return;
    t->failure = (struct outcome){
        PHASE_TLS, cause_of(r, member_of(failure, "cause"), "/tls/failure/cause"), -1};
    if (member_number(&r->m, member_of(failure, "alert"), "/tls/failure/alert", UINT8_MAX, &alert))
        t->failure.detail = (int)alert;
    member_text(&r->m, member_of(failure, "message"), "/tls/failure/message", TEXT_REPLY_MAX,
                &t->failure_text);
}

static void lack(struct certificate *c, enum certificate_field field, bool there)
{
    if (!there)
        c->unreadable |= 1U << field;
}

/* What the certificate and a link of the chain both say. What is missing could not be read. */
static void read_link(struct reader *r, const cJSON *item, const char *path, struct certificate *c)
{
    struct members *m = &r->m;
    uint64_t number = 0;
    member_octets(m, member_of(item, "sha256"), path, c->sha256, sizeof c->sha256);
    lack(c, CERTIFICATE_SIGNATURE,
         member_copy(m, member_of(item, "signature_algorithm"), path, c->signature_algorithm,
                     sizeof c->signature_algorithm));
    lack(c, CERTIFICATE_KEY,
         member_copy(m, member_of(item, "key_algorithm"), path, c->key_algorithm,
                     sizeof c->key_algorithm));
    lack(c, CERTIFICATE_KEY_BITS,
         member_number(m, member_of(item, "key_bits"), path, UINT_MAX, &number) && number);
    c->key_bits = (unsigned)number;
    lack(c, CERTIFICATE_SELF_SIGNED,
         member_truth(m, member_of(item, "self_signed"), path, &c->self_signed));
    number = 0;
    if (member_number(m, member_of(item, "version"), path, UINT_MAX, &number))
        c->version = (unsigned)number;
    else if (c->key_bits && !has_unknown(r, "/tls/certificate/version"))
        c->version = 3; /* of an older record, which would not say; it is 3 as good as always */
    lack(c, CERTIFICATE_VERSION, c->version > 0);
}

static void read_names(struct reader *r, const cJSON *item, const char *subject, const char *issuer,
                       struct certificate *c)
{
    lack(c, CERTIFICATE_SUBJECT,
         member_text(&r->m, member_of(item, "subject_dn"), subject, TEXT_REPLY_MAX, &c->subject));
    lack(c, CERTIFICATE_ISSUER,
         member_text(&r->m, member_of(item, "issuer_dn"), issuer, TEXT_REPLY_MAX, &c->issuer));
    if ((!c->subject.data && !text_set(&c->subject, span_of(""), TEXT_REPLY_MAX)) ||
        (!c->issuer.data && !text_set(&c->issuer, span_of(""), TEXT_REPLY_MAX)))
        members_fail(&r->m, subject, "out of memory");
}

static void read_serial(struct reader *r, const cJSON *item, struct certificate *c)
{
    static const char path[] = "/tls/certificate/serial";
    const char *word;
    lack(c, CERTIFICATE_SERIAL, item != NULL);
    if (!member_word(&r->m, item, path, &word))
        return;
    size_t n = strlen(word);
    if (n >= sizeof c->serial || n % 2 || strspn(word, "0123456789abcdef") != n)
        members_fail(&r->m, path, "not the hexadecimal digits that it should be");
    else
        memcpy(c->serial, word, n + 1);
    c->serial_cut = member_is_lossy(&r->m, path);
}

static void read_dates(struct reader *r, const cJSON *item, struct certificate *c)
{
    static const char path[] = "/tls/certificate";
    lack(c, CERTIFICATE_NOT_BEFORE,
         member_time(&r->m, member_of(item, "not_before"), path, false, &c->not_before));
    lack(c, CERTIFICATE_NOT_AFTER,
         member_time(&r->m, member_of(item, "not_after"), path, false, &c->not_after));
    c->not_before /= 1000;
    c->not_after /= 1000;
}

/* null is known: it is absent. */
static void read_extensions(struct reader *r, const cJSON *item, struct certificate *c)
{
    static const char path[] = "/tls/certificate";
    struct members *m = &r->m;
    const cJSON *names = member_of(item, "san_dns"), *usage = member_of(item, "key_usage"),
                *purposes = member_of(item, "extended_key_usage");

    lack(c, CERTIFICATE_NAMES, names != NULL);
    lack(c, CERTIFICATE_KEY_USAGE, usage != NULL);
    lack(c, CERTIFICATE_PURPOSES, purposes != NULL);
    member_list(m, names, "/tls/certificate/san_dns", &c->names);
    member_list(m, member_of(item, "san_ip"), "/tls/certificate/san_ip", &c->addresses);
    member_list(m, usage, "/tls/certificate/key_usage", &c->key_usage);
    member_list(m, purposes, "/tls/certificate/extended_key_usage", &c->purposes);
    member_truth(m, member_of(item, "ocsp_url"), path, &c->ocsp);
    member_truth(m, member_of(item, "issuer_url"), path, &c->issuer_url);
    member_truth(m, member_of(item, "must_staple"), path, &c->must_staple);
    member_truth(m, member_of(item, "timestamps"), path, &c->timestamped);
    lack(c, CERTIFICATE_ACCESS, !has_unknown(r, "/tls/certificate/ocsp_url"));
    lack(c, CERTIFICATE_MUST_STAPLE, !has_unknown(r, "/tls/certificate/must_staple"));
    lack(c, CERTIFICATE_TIMESTAMPS, !has_unknown(r, "/tls/certificate/timestamps"));
}

static void read_leaf(struct reader *r, const cJSON *item, struct certificate *c)
{
    static const char path[] = "/tls/certificate";

    read_link(r, item, path, c);
    read_names(r, item, "/tls/certificate/subject_dn", "/tls/certificate/issuer_dn", c);
    read_serial(r, member_of(item, "serial"), c);
    lack(c, CERTIFICATE_SPKI,
         member_octets(&r->m, member_of(item, "spki_sha256"), path, c->spki_sha256,
                       sizeof c->spki_sha256));
    read_dates(r, item, c);
    read_extensions(r, item, c);
    if (c->version == 0 && !has_unknown(r, "/tls/certificate/version"))
        c->unreadable = CERTIFICATE_NOTHING; /* so did older records say that it cannot be read */
}

/* The leaf is read from the certificate, which says more of it than its link. */
static void read_chain(struct reader *r)
{
    const cJSON *leaf = learn(r, FACT_CERTIFICATE), *links = learn(r, FACT_CHAIN), *item;
    struct chain *chain = &r->o->tls.chain;
    size_t at = 0, count = cJSON_IsArray(links) ? (size_t)cJSON_GetArraySize(links) : 0;
    unsigned char sha256[32];

    if ((links && !cJSON_IsArray(links)) || count > CHAIN_MAX) {
        members_fail(&r->m, "/tls/chain", "not a list of certificates, or a long one");
        return;
    }
    if (cJSON_IsObject(leaf) && !count)
        count = 1;
    if (cJSON_IsObject(leaf) != (count > 0)) {
        members_fail(&r->m, "/tls/certificate", "there if and only if there is a chain");
        return;
    }
    chain->certificates = calloc(count ? count : 1, sizeof *chain->certificates);
    if (!chain->certificates) {
        members_fail(&r->m, "/tls/chain", "out of memory");
        return;
    }
    chain->count = count;
    chain->cut = count == CHAIN_MAX && has_unknown(r, chain_link_path(CHAIN_MAX));
    if (count)
        read_leaf(r, leaf, &chain->certificates[0]);
    cJSON_ArrayForEach(item, links)
    {
        struct certificate *c = &chain->certificates[at++];
        if (at > 1) {
            read_link(r, item, "/tls/chain", c);
            read_names(r, item, "/tls/chain", "/tls/chain", c);
        } else if (!member_octets(&r->m, member_of(item, "sha256"), "/tls/chain", sha256,
                                  sizeof sha256) ||
                   memcmp(sha256, c->sha256, sizeof sha256) != 0) {
            members_fail(&r->m, "/tls/chain", "does not begin with the certificate");
        }
    }
}

static void read_verify(struct reader *r)
{
    struct verification *v = &r->o->tls.verification;
    const cJSON *verify = learn(r, FACT_VERIFY);
    const char *roots = "";
    bool match;

    if (verify &&
        !member_truth(&r->m, member_of(verify, "trusted"), "/tls/verify/trusted", &v->trusted))
        v->unknown = reason_of(r, "/tls/verify/trusted");
    if (member_word(&r->m, member_of(verify, "roots"), "/tls/verify/roots", &roots))
        v->own_roots = strcmp(roots, "file") == 0;
    if (member_truth(&r->m, member_of(verify, "name_match"), "/tls/verify/name_match", &match))
        v->name_match = tri_of(match);
    member_list(&r->m, member_of(verify, "errors"), "/tls/verify/errors", &v->errors);
}

static void read_session(struct reader *r)
{
    struct tls_facts *t = &r->o->tls;
    const char *word;
    uint64_t bits;

    learn_flag(r, FACT_ESTABLISHED, &t->established);
    if (observation_knows(r->o, FACT_ESTABLISHED))
        r->o->handshake = t->established ? HANDSHAKE_OK : HANDSHAKE_FAILED;
    if (member_word(&r->m, learn(r, FACT_TLS_VERSION), fact_path(FACT_TLS_VERSION), &word))
        for (int v = VERSION_TLS10; v < VERSION_COUNT; v++)
            if (strcmp(version_number((enum version)v), word) == 0)
                t->version = (enum version)v;
    if (observation_knows(r->o, FACT_TLS_VERSION) && t->version == VERSION_NONE)
        members_fail(&r->m, fact_path(FACT_TLS_VERSION), "a version that is not known");
    const cJSON *cipher = learn(r, FACT_CIPHER);
    if (cipher && !read_suite(r, cipher, fact_path(FACT_CIPHER), &t->suite))
        r->o->why[FACT_CIPHER] = CAUSE_ODD_REPLY;
    member_copy(&r->m, learn(r, FACT_GROUP), fact_path(FACT_GROUP), t->group, sizeof t->group);
    if (member_number(&r->m, learn(r, FACT_DH_BITS), fact_path(FACT_DH_BITS), UINT_MAX, &bits))
        t->dh_bits = (unsigned)bits;
    learn_flag(r, FACT_STAPLE, &t->staple);
    learn_flag(r, FACT_CLIENT_CERTIFICATE, &t->client_certificate);
    learn_flag(r, FACT_LARGE_HELLO, &t->large_hello);
}

static void read_tls(struct reader *r)
{
    struct tls_facts *t = &r->o->tls;
    const cJSON *tls = learn(r, FACT_TLS);

    if (!tls)
        return;
    t->refused = cJSON_IsNull(tls);
    if (t->refused != (r->o->accepted == TRI_NO)) {
        members_fail(&r->m, "/tls", "null if and only if the upgrade was refused");
        return;
    }
    if (t->refused)
        return;
    t->asked = true;
    read_session(r);
    read_failure(r);
    read_versions(r);
    learn_truth(r, FACT_MASTER_SECRET, &t->master_secret);
    learn_truth(r, FACT_RENEGOTIATION, &t->renegotiation);
    learn_truth(r, FACT_COMPRESSION, &t->compression);
    learn_truth(r, FACT_SENTINEL, &t->sentinel);
    learn_truth(r, FACT_STARTTLS_INSIDE, &t->starttls_inside);
    learn_truth(r, FACT_ALPN, &t->alpn);
    learn_truth(r, FACT_UNKNOWN_NAME, &t->unknown_name);
    learn_truth(r, FACT_RENEGOTIATES, &t->renegotiates);
    learn_truth(r, FACT_NEW_HELLO, &t->new_hello);
    learn_truth(r, FACT_INCONSISTENT, &t->inconsistent);
    read_chain(r);
    read_verify(r);
}

/* --- what was said ---------------------------------------------------------------------------- */

static void read_line(struct reader *r, const cJSON *item)
{
    static const char path[] = "/transcript";
    struct members *m = &r->m;
    const char *from = "", *text = "";
    uint64_t connection = 0, at = 0;
    bool secure = false;

    member_number(m, member_of(item, "connection"), path, UINT_MAX, &connection);
    member_number(m, member_of(item, "at_ms"), path, INT64_MAX, &at);
    member_word(m, member_of(item, "from"), path, &from);
    member_truth(m, member_of(item, "inside_tls"), path, &secure);
    member_word(m, member_of(item, "text"), path, &text);
    if (!transcript_add(&r->o->transcript, (unsigned)connection, (int64_t)at,
                        strcmp(from, "client") == 0, secure, span_of(text)))
        members_fail(m, path, "out of memory");
}

static void read_transcript(struct reader *r)
{
    const cJSON *transcript = find(r, "/transcript"), *item;
    struct transcript *t = &r->o->transcript;

    t->wanted = cJSON_IsArray(transcript);
    if (!t->wanted)
        return;
    cJSON_ArrayForEach(item, transcript) read_line(r, item);
    cJSON_ArrayForEach(item, find(r, "/lossy")) t->full |=
        cJSON_IsString(item) && strcmp(item->valuestring, "/transcript") == 0;
}

/* --- a record --------------------------------------------------------------------------------- */

void reader_facts(struct reader *r)
{
    read_unknown(r);
    read_head(r);
    read_status(r);
    learn_text(r, FACT_BANNER, TEXT_BANNER_MAX, &r->o->banner);
    read_anomalies(r);
    read_starttls(r);
    read_auth(r);
    read_data_channel(r);
    read_tls(r);
    read_transcript(r);
    observation_settle(r->o);
}
