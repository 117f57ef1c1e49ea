/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/record.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "output/builder.h"
#include "output/hex.h"
#include "output/verdict.h"
#include "scanner/targets.h"

/* --- facts ------------------------------------------------------------------------------------ */

static void put_unknown(struct builder *b, const char *path, const char *reason)
{
    cJSON *item = put_object(b, b->unknown, NULL);
    put_text(b, item, "path", path);
    put_text(b, item, "reason", reason);
}

static void put_lossy(struct builder *b, const char *path, bool lossy)
{
    if (lossy)
        put_item(b, b->lossy, NULL, cJSON_CreateString(path));
}

/* Is the fact known? If not, that is said where the record says such things. */
static bool known(struct builder *b, enum fact fact)
{
    enum cause why = b->o->why[fact];
    if (why != CAUSE_NONE)
        put_unknown(b, fact_path(fact), cause_name(why));
    return why == CAUSE_NONE;
}

static void put_tri(struct builder *b, cJSON *parent, const char *name, enum fact fact,
                    enum tri value)
{
    if (!known(b, fact))
        return;
    if (value == TRI_UNKNOWN)
        put_null(b, parent, name);
    else
        put_truth(b, parent, name, value == TRI_YES);
}

/* A fact that most runs do not ask for: then nothing is said of it. */
static void put_optional(struct builder *b, cJSON *parent, const char *name, enum fact fact,
                         enum tri value)
{
    if (b->o->why[fact] != CAUSE_NOT_ASKED)
        put_tri(b, parent, name, fact, value);
}

/* What was not tested, or brought no answer, has a reason; what was answered has none. */
static void put_reason(struct builder *b, cJSON *parent, const char *name, bool open,
                       enum cause reason)
{
    put_text(b, parent, name, open ? cause_name(reason) : NULL);
}

/* --- identity --------------------------------------------------------------------------------- */

const char *record_time(int64_t unix_ms, bool milliseconds, char out[RECORD_TIME_SIZE])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm utc;
    if (!gmtime_r(&seconds, &utc) || utc.tm_year + 1900 < 0 || utc.tm_year + 1900 > 9999)
        return NULL;
    /* A year has four digits here; strftime() does not say so of those before 1000. */
    size_t n = (size_t)snprintf(out, RECORD_TIME_SIZE, "%04d", utc.tm_year + 1900);
    n += strftime(out + n, RECORD_TIME_SIZE - n, "-%m-%dT%H:%M:%S", &utc);
    if (milliseconds)
        snprintf(out + n, RECORD_TIME_SIZE - n, ".%03dZ", (int)(unix_ms % 1000));
    else
        snprintf(out + n, RECORD_TIME_SIZE - n, "Z");
    return out;
}

static const char *host_text(const struct host_view *host, char out[ADDRESS_TEXT_MAX])
{
    return host->target->name ? host->target->name : address_format(&host->address, out);
}

void record_key(const struct host_view *host, const struct observation *o, char *out, size_t size)
{
    char text[ADDRESS_TEXT_MAX];
    const char *name = host_text(host, text);
    snprintf(out, size, strchr(name, ':') ? "%s://[%s]:%u" : "%s://%s:%u",
             o->service->protocol->name, name, (unsigned)o->service->port);
}

static void put_head(struct builder *b, const struct run *run, const char *type, int64_t time)
{
    char text[RECORD_TIME_SIZE];
    put_text(b, b->root, "schema", RUN_SCHEMA);
    put_text(b, b->root, "type", type);
    put_text(b, b->root, "run_id", run->id);
    put_text(b, b->root, "time", record_time(time, true, text));
}

static void put_endpoint(struct builder *b, const struct host_view *host)
{
    const struct target_host *target = host->target;
    const struct service *service = b->o->service;
    char text[ADDRESS_TEXT_MAX], key[512];
    cJSON *e = put_object(b, b->root, "endpoint");

    record_key(host, b->o, key, sizeof key);
    put_text(b, e, "key", key);
    put_text(b, e, "protocol", service->protocol->name);
    put_text(b, e, "mode", mode_name(service->mode));
    if (known(b, FACT_OBSERVED_MODE))
        put_text(b, e, "observed_mode", mode_name(b->o->mode));
    put_text(b, e, "host", host_text(host, text));
    put_text(b, e, "ip", host->address.family ? address_format(&host->address, text) : NULL);
    put_text(b, e, "source_ip", b->o->source.family ? address_format(&b->o->source, text) : NULL);
    put_number(b, e, "port", service->port);
    put_text(b, e, "sni", target->name);
    cJSON *labels = put_object(b, e, "labels");
    for (size_t i = 0; i < target->label_count; i++)
        put_text(b, labels, target->labels[i].key, target->labels[i].value);
    cJSON *source = put_object(b, e, "source");
    put_text(b, source, "file", target->file);
    put_number(b, source, "line", target->line);
}

/* --- status ----------------------------------------------------------------------------------- */

static const char *trouble_code(const struct observation *o, char *number, size_t size)
{
    if (o->status != STATUS_REFUSED)
        return o->error_word ? o->error_word : cause_name(o->error.cause);
    if (!o->error.detail)
        return o->service->protocol == &protocol_imap ? "BYE" : "-ERR";
    snprintf(number, size, "%d", o->error.detail);
    return number;
}

static void put_status(struct builder *b)
{
    const struct observation *o = b->o;
    char number[16];

    put_text(b, b->root, "status", status_name(o->status));
    if (o->status == STATUS_OK) {
        put_null(b, b->root, "error");
        return;
    }
    cJSON *error = put_object(b, b->root, "error");
    put_text(b, error, "stage", phase_name(o->error.phase));
    put_text(b, error, "code", trouble_code(o, number, sizeof number));
    put_text(b, error, "message", outcome_text(o->error));
}

/* --- before TLS ------------------------------------------------------------------------------- */

/* Did the server let us talk? Otherwise whole objects are left out, for the one reason. */
static bool was_greeted(const struct observation *o)
{
    return observation_knows(o, FACT_PREAUTH);
}

static void put_anomalies(struct builder *b)
{
    cJSON *array = put_array(b, b->root, "anomalies");
    if (b->o->bare_lf)
        put_text(b, array, NULL, "bare_lf");
    if (b->o->greeted_again)
        put_text(b, array, NULL, "greeting_after_tls");
}

static void put_injection(struct builder *b, cJSON *starttls)
{
    const struct injection_fact *i = &b->o->injection;
    bool open = i->verdict == INJECTION_NOT_TESTED || i->verdict == INJECTION_INCONCLUSIVE;

    put_text(b, starttls, "injection", injection_name(i->verdict));
    put_text(b, starttls, "injection_sign", injection_sign_name(i->sign));
    put_reason(b, starttls, "injection_reason", open, i->reason);
    put_text(b, starttls, "injection_reply", i->reply.data);
    put_lossy(b, "/starttls/injection_reply", i->reply.lossy);
}

static void put_starttls(struct builder *b)
{
    const struct observation *o = b->o;

    if (observation_is_implicit(o)) {
        put_null(b, b->root, "starttls");
        return;
    }
    if (!was_greeted(o)) {
        put_unknown(b, "/starttls", cause_name(o->why[FACT_PREAUTH]));
        return;
    }
    cJSON *s = put_object(b, b->root, "starttls");
    put_tri(b, s, "advertised", FACT_ADVERTISED, o->advertised);
    put_truth(b, s, "attempted", o->upgrade_command != NULL);
    put_tri(b, s, "accepted", FACT_ACCEPTED, o->accepted);
    put_text(b, s, "command", o->upgrade_command);
    if (known(b, FACT_REPLY))
        put_text(b, s, "reply", o->upgrade_reply.data);
    put_lossy(b, fact_path(FACT_REPLY), o->upgrade_reply.lossy);
    put_text(b, s, "handshake", handshake_name(o->handshake));
    if (known(b, FACT_TRAILING) && o->accepted == TRI_YES)
        put_number(b, s, "bytes_after_reply", o->trailing);
    else if (observation_knows(o, FACT_TRAILING))
        put_null(b, s, "bytes_after_reply");
    if (o->service->protocol->resets)
        put_optional(b, s, "required", FACT_REQUIRED, o->required);
    else
        put_null(b, s, "required");
    put_optional(b, s, "continues_in_clear", FACT_CONTINUES, o->continues);
    put_injection(b, s);
}

/* A list on one side of TLS: null where that side does not exist. */
static void put_side(struct builder *b, cJSON *parent, const char *name, enum fact fact,
                     bool exists, const struct list *list)
{
    if (!known(b, fact))
        return;
    if (exists)
        put_list(b, parent, name, list);
    else
        put_null(b, parent, name);
    put_lossy(b, fact_path(fact), list->lossy);
}

static void put_login(struct builder *b, cJSON *auth)
{
    const struct login_fact *l = &b->o->login;
    bool open = l->verdict == LOGIN_NOT_TESTED || l->verdict == LOGIN_INCONCLUSIVE;
    cJSON *login = put_object(b, auth, "cleartext_login");

    put_text(b, login, "verdict", login_verdict_name(l->verdict));
    put_text(b, login, "confidence", confidence_name(l->confidence));
    put_reason(b, login, "reason", open, l->reason);
    put_text(b, login, "probe", *l->probe ? l->probe : NULL);
    put_text(b, login, "reply", l->reply.data);
    put_lossy(b, "/auth/cleartext_login/reply", l->reply.lossy);
}

static void put_auth(struct builder *b)
{
    const struct observation *o = b->o;
    bool before = !observation_is_implicit(o), after = !o->tls.refused;
    bool announces = o->service->protocol->announces_login;

    if (!was_greeted(o)) {
        put_unknown(b, "/auth", cause_name(o->why[FACT_PREAUTH]));
        return;
    }
    cJSON *auth = put_object(b, b->root, "auth");
    put_truth(b, auth, "preauth", o->preauth);
    if (announces) {
        cJSON *login = put_object(b, auth, "login_disabled");
        put_tri(b, login, "before_tls", FACT_LOGIN_BEFORE,
                before ? o->login_disabled[0] : TRI_UNKNOWN);
        put_tri(b, login, "after_tls", FACT_LOGIN_AFTER,
                after ? o->login_disabled[1] : TRI_UNKNOWN);
    } else {
        put_null(b, auth, "login_disabled");
    }
    cJSON *capabilities = put_object(b, auth, "capabilities");
    put_side(b, capabilities, "before_tls", FACT_CAPABILITIES_BEFORE, before, &o->capabilities[0]);
    put_side(b, capabilities, "after_tls", FACT_CAPABILITIES_AFTER, after, &o->capabilities[1]);
    if (announces) {
        cJSON *mechanisms = put_object(b, auth, "mechanisms");
        put_side(b, mechanisms, "before_tls", FACT_MECHANISMS_BEFORE, before, &o->mechanisms[0]);
        put_side(b, mechanisms, "after_tls", FACT_MECHANISMS_AFTER, after, &o->mechanisms[1]);
    } else {
        put_null(b, auth, "mechanisms");
    }
    put_login(b, auth);
    if (o->service->protocol->data_channel)
        put_optional(b, auth, "anonymous", FACT_ANONYMOUS, o->anonymous);
    else
        put_null(b, auth, "anonymous");
    put_truth(b, auth, "credentials_sent", o->credentials_sent);
}

static void put_data_channel(struct builder *b)
{
    const struct observation *o = b->o;

    if (!o->service->protocol->data_channel) {
        put_null(b, b->root, "data_channel");
        return;
    }
    cJSON *channel = put_object(b, b->root, "data_channel");
    put_optional(b, channel, "protection", FACT_PROTECTION, o->protection);
    if (observation_knows(o, FACT_PROTECTION)) {
        put_text(b, channel, "protection_reply", o->protection_reply.data);
        put_lossy(b, "/data_channel/protection_reply", o->protection_reply.lossy);
    }
    put_optional(b, channel, "ccc", FACT_CCC, o->ccc);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void put_suite(struct builder *b, cJSON *parent, uint32_t suite)
{
    char code[16];
    const char *name = suite_name(suite);
    snprintf(code, sizeof code, "0x%04" PRIX32, suite);
    put_text(b, parent, "cipher", name ? name : code);
}

static const char *version_protocol(int version)
{
    return version <= VERSION_SSL3 ? "ssl" : "tls";
}

static void put_version(struct builder *b, cJSON *array, int v)
{
    const struct version_fact *fact = &b->o->tls.versions[v];
    cJSON *item = put_object(b, array, NULL);

    put_text(b, item, "protocol", version_protocol(v));
    put_text(b, item, "version", version_number((enum version)v));
    put_text(b, item, "status", version_status_name(fact->status));
    if (fact->status == VERSION_REJECTED)
        put_text(b, item, "by", proof_name(fact->proof));
    if (fact->alert >= 0)
        put_number(b, item, "alert", (uint64_t)fact->alert);
    if (fact->status == VERSION_ACCEPTED && fact->suite)
        put_suite(b, item, fact->suite);
    if (fact->status == VERSION_ACCEPTED && fact->encrypt_then_mac != TRI_UNKNOWN)
        put_truth(b, item, "encrypt_then_mac", fact->encrypt_then_mac == TRI_YES);
    if (fact->status == VERSION_NOT_TESTED || fact->status == VERSION_INCONCLUSIVE)
        put_text(b, item, "reason", cause_name(fact->reason));
}

static void put_versions(struct builder *b, cJSON *tls)
{
    char text[16];
    cJSON *versions = put_array(b, tls, "versions");
    for (int v = 0; v < VERSION_COUNT; v++)
        put_version(b, versions, v);
    cJSON *accepted = put_array(b, tls, "versions_accepted");
    for (int v = 0; v < VERSION_COUNT; v++)
        if (b->o->tls.versions[v].status == VERSION_ACCEPTED) {
            snprintf(text, sizeof text, "%s%s", v <= VERSION_SSL3 ? "ssl" : "",
                     version_number((enum version)v));
            put_item(b, accepted, NULL, cJSON_CreateString(text));
        }
}

static void put_date(struct builder *b, cJSON *parent, const char *name, int64_t seconds)
{
    char text[RECORD_TIME_SIZE];
    put_text(b, parent, name, record_time(seconds * 1000, false, text));
}

/* An empty usage list is not in a certificate: the extension is missing. */
static void put_usage(struct builder *b, cJSON *parent, const char *name, const struct list *list)
{
    if (list->count)
        put_list(b, parent, name, list);
    else
        put_null(b, parent, name);
}

static void put_certificate(struct builder *b, cJSON *tls)
{
    const struct chain *chain = &b->o->tls.chain;
    if (!known(b, FACT_CERTIFICATE))
        return;
    if (!chain->count) {
        put_null(b, tls, "certificate");
        return;
    }
    const struct certificate *c = &chain->certificates[0];
    cJSON *item = put_object(b, tls, "certificate");
    put_hex(b, item, "sha256", c->sha256, sizeof c->sha256);
    put_hex(b, item, "spki_sha256", c->spki_sha256, sizeof c->spki_sha256);
    put_text(b, item, "serial", c->serial);
    put_text(b, item, "subject_dn", c->subject.data);
    put_text(b, item, "issuer_dn", c->issuer.data);
    put_list(b, item, "san_dns", &c->names);
    put_list(b, item, "san_ip", &c->addresses);
    put_date(b, item, "not_before", c->not_before);
    put_date(b, item, "not_after", c->not_after);
    put_text(b, item, "key_algorithm", c->key_algorithm);
    put_number(b, item, "key_bits", c->key_bits);
    put_text(b, item, "signature_algorithm", c->signature_algorithm);
    put_usage(b, item, "key_usage", &c->key_usage);
    put_usage(b, item, "extended_key_usage", &c->purposes);
    put_truth(b, item, "self_signed", c->self_signed);
    put_number(b, item, "version", c->version);
    put_truth(b, item, "ocsp_url", c->ocsp);
    put_truth(b, item, "issuer_url", c->issuer_url);
    put_truth(b, item, "must_staple", c->must_staple);
    put_truth(b, item, "timestamps", c->timestamped);
    put_lossy(b, "/tls/certificate/subject_dn", c->subject.lossy);
    put_lossy(b, "/tls/certificate/issuer_dn", c->issuer.lossy);
    put_lossy(b, "/tls/certificate/san_dns", c->names.lossy || c->names.full);
}

static void put_chain(struct builder *b, cJSON *tls)
{
    const struct chain *chain = &b->o->tls.chain;
    bool lossy = false;
    if (!known(b, FACT_CHAIN))
        return;
    cJSON *array = put_array(b, tls, "chain");
    for (size_t i = 0; i < chain->count; i++) {
        const struct certificate *c = &chain->certificates[i];
        cJSON *item = put_object(b, array, NULL);
        put_hex(b, item, "sha256", c->sha256, sizeof c->sha256);
        put_text(b, item, "subject_dn", c->subject.data);
        put_text(b, item, "issuer_dn", c->issuer.data);
        put_truth(b, item, "self_signed", c->self_signed);
        put_text(b, item, "signature_algorithm", c->signature_algorithm);
        put_text(b, item, "key_algorithm", c->key_algorithm);
        put_number(b, item, "key_bits", c->key_bits);
        put_number(b, item, "version", c->version);
        lossy |= c->subject.lossy || c->issuer.lossy;
    }
    put_lossy(b, fact_path(FACT_CHAIN), lossy);
}

static void put_verify(struct builder *b, cJSON *tls)
{
    const struct verification *v = &b->o->tls.verification;
    if (!known(b, FACT_VERIFY))
        return;
    cJSON *verify = put_object(b, tls, "verify");
    put_truth(b, verify, "trusted", v->trusted);
    put_text(b, verify, "roots", v->own_roots ? "file" : "system");
    if (v->name_match == TRI_UNKNOWN)
        put_unknown(b, "/tls/verify/name_match", "no_ip_san");
    else
        put_truth(b, verify, "name_match", v->name_match == TRI_YES);
    put_list(b, verify, "errors", &v->errors);
}

/* Why the full handshake failed; null where it did not, or was not made. */
static void put_failure(struct builder *b, cJSON *tls)
{
    const struct tls_facts *t = &b->o->tls;
    if (t->failure.cause == CAUSE_NONE) {
        put_null(b, tls, "failure");
        return;
    }
    cJSON *failure = put_object(b, tls, "failure");
    put_text(b, failure, "cause", cause_name(t->failure.cause));
    if (t->failure.detail >= 0)
        put_number(b, failure, "alert", (uint64_t)t->failure.detail);
    else
        put_null(b, failure, "alert");
    put_text(b, failure, "message",
             t->failure_text.data ? t->failure_text.data : outcome_text(t->failure));
    put_lossy(b, "/tls/failure/message", t->failure_text.lossy);
}

static void put_tls(struct builder *b)
{
    const struct tls_facts *t = &b->o->tls;
    if (!known(b, FACT_TLS))
        return;
    if (t->refused) {
        put_null(b, b->root, "tls");
        return;
    }
    cJSON *tls = put_object(b, b->root, "tls");
    if (known(b, FACT_ESTABLISHED))
        put_truth(b, tls, "established", t->established);
    if (known(b, FACT_TLS_VERSION))
        put_text(b, tls, "version", version_number(t->version));
    if (known(b, FACT_CIPHER))
        put_suite(b, tls, t->suite);
    if (known(b, FACT_GROUP))
        put_text(b, tls, "group", *t->group ? t->group : NULL);
    put_failure(b, tls);
    put_versions(b, tls);
    put_tri(b, tls, "extended_master_secret", FACT_MASTER_SECRET, t->master_secret);
    put_tri(b, tls, "secure_renegotiation", FACT_RENEGOTIATION, t->renegotiation);
    put_tri(b, tls, "compression", FACT_COMPRESSION, t->compression);
    put_tri(b, tls, "downgrade_sentinel", FACT_SENTINEL, t->sentinel);
    if (known(b, FACT_DH_BITS) && t->dh_bits)
        put_number(b, tls, "dh_bits", t->dh_bits);
    else if (observation_knows(b->o, FACT_DH_BITS))
        put_null(b, tls, "dh_bits");
    put_tri(b, tls, "ocsp_staple", FACT_STAPLE, tri_of(t->staple));
    put_tri(b, tls, "client_certificate_requested", FACT_CLIENT_CERTIFICATE,
            tri_of(t->client_certificate));
    put_tri(b, tls, "large_hello_intolerant", FACT_LARGE_HELLO, tri_of(t->large_hello));
    if (b->o->service->protocol->data_channel) /* RFC 2228 allows it */
        put_null(b, tls, "starttls_accepted_inside");
    else
        put_tri(b, tls, "starttls_accepted_inside", FACT_STARTTLS_INSIDE, t->starttls_inside);
    put_optional(b, tls, "foreign_alpn_accepted", FACT_ALPN, t->alpn);
    put_optional(b, tls, "unknown_name_accepted", FACT_UNKNOWN_NAME, t->unknown_name);
    put_optional(b, tls, "client_renegotiation", FACT_RENEGOTIATES, t->renegotiates);
    put_certificate(b, tls);
    put_chain(b, tls);
    put_verify(b, tls);
}

/* --- records ---------------------------------------------------------------------------------- */

static void put_transcript(struct builder *b)
{
    const struct transcript *t = &b->o->transcript;
    bool lossy = t->full;

    if (!t->wanted) {
        put_null(b, b->root, "transcript");
        return;
    }
    cJSON *array = put_array(b, b->root, "transcript");
    for (size_t i = 0; i < t->count; i++) {
        const struct transcript_line *line = &t->lines[i];
        cJSON *item = put_object(b, array, NULL);
        put_number(b, item, "connection", line->connection);
        put_number(b, item, "at_ms", line->at > 0 ? (uint64_t)line->at : 0);
        put_text(b, item, "from", line->client ? "client" : "server");
        put_truth(b, item, "inside_tls", line->secure);
        put_text(b, item, "text", line->text.data);
        lossy |= line->text.lossy;
    }
    put_lossy(b, "/transcript", lossy);
}

static char *print(struct builder *b)
{
    char *line = b->failed ? NULL : cJSON_PrintUnformatted(b->root);
    cJSON_Delete(b->root);
    return line;
}

char *record_endpoint(const struct run *run, const struct host_view *host,
                      const struct observation *o, const struct opinion *opinion)
{
    struct builder b = {.root = cJSON_CreateObject(), .o = o};

    put_head(&b, run, "endpoint", o->started);
    put_number(&b, b.root, "duration_ms", (uint64_t)o->duration);
    put_number(&b, b.root, "connections", o->connections);
    b.unknown = cJSON_CreateArray();
    b.lossy = cJSON_CreateArray();
    put_endpoint(&b, host);
    put_status(&b);
    if (known(&b, FACT_BANNER))
        put_text(&b, b.root, "banner", o->banner.data);
    put_lossy(&b, fact_path(FACT_BANNER), o->banner.lossy);
    put_anomalies(&b);
    put_starttls(&b);
    put_auth(&b);
    put_data_channel(&b);
    put_tls(&b);
    put_item(&b, b.root, "unknown", b.unknown);
    put_item(&b, b.root, "lossy", b.lossy);
    put_verdicts(&b, &run->policies, opinion);
    put_transcript(&b);
    return print(&b);
}

static void put_option(struct builder *b, cJSON *options, const struct run_option *option)
{
    switch (option->kind) {
    case OPTION_TEXT:
        put_text(b, options, option->name, option->text);
        break;
    case OPTION_NUMBER:
        put_number(b, options, option->name, option->number);
        break;
    case OPTION_TRUTH:
        put_truth(b, options, option->name, option->number != 0);
        break;
    case OPTION_LIST: {
        cJSON *array = put_array(b, options, option->name);
        for (const char *at = option->text; at && *at;) {
            size_t n = strcspn(at, ",");
            char item[64];
            snprintf(item, sizeof item, "%.*s", (int)(n < sizeof item ? n : sizeof item - 1), at);
            put_item(b, array, NULL, cJSON_CreateString(item));
            at += n + (at[n] == ',');
        }
        break;
    }
    }
}

static void put_count(struct builder *b, cJSON *parent, const char *name, bool counted,
                      uint64_t value)
{
    if (counted && value < (uint64_t)1 << 53)
        put_number(b, parent, name, value);
    else
        put_null(b, parent, name);
}

/* The hash of all targets and of the options, so that two runs can be told to have asked the same.
 */
static void put_options_hash(struct builder *b, const struct run *run, const cJSON *options)
{
    unsigned char digest[32];
    gnutls_hash_hd_t hash;
    char *text = cJSON_PrintUnformatted(options);
    if (!text || gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0) {
        b->failed = true;
    } else {
        gnutls_hash(hash, run->scope_hash, strlen(run->scope_hash));
        gnutls_hash(hash, text, strlen(text));
        gnutls_hash_deinit(hash, digest);
        put_hex(b, b->root, "options_sha256", digest, sizeof digest);
    }
    cJSON_free(text);
}

/* A number of 64 bits, which many readers of JSON would round. */
static void put_seed(struct builder *b, const struct run *run)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, run->seed);
    put_text(b, b->root, "seed", run->seeded ? text : NULL);
}

static void put_shard(struct builder *b, const struct run *run)
{
    if (!run->shards) {
        put_null(b, b->root, "shard");
        return;
    }
    cJSON *shard = put_object(b, b->root, "shard");
    put_number(b, shard, "index", run->shard);
    put_number(b, shard, "count", run->shards);
}

char *record_run_start(const struct run *run)
{
    struct builder b = {.root = cJSON_CreateObject()};
    char time[RECORD_TIME_SIZE];

    put_head(&b, run, "run_start", run->started);
    put_text(&b, b.root, "started", record_time(run->started, true, time));
    cJSON *scanner = put_object(&b, b.root, "scanner");
    put_text(&b, scanner, "name", "starttls-audit");
    put_text(&b, scanner, "version", run->version);
    cJSON *libraries = put_object(&b, scanner, "libraries");
    for (size_t i = 0; i < sizeof run->libraries / sizeof *run->libraries; i++)
        put_text(&b, libraries, run->libraries[i].name, run->libraries[i].version);
    cJSON *vantage = put_object(&b, b.root, "vantage");
    cJSON *addresses = put_array(&b, vantage, "source_addresses");
    if (run->source_address)
        put_item(&b, addresses, NULL, cJSON_CreateString(run->source_address));
    cJSON *scope = put_object(&b, b.root, "scope");
    cJSON *targets = put_array(&b, scope, "targets");
    for (size_t i = 0; i < run->target_count; i++)
        put_item(&b, targets, NULL, cJSON_CreateString(run->targets[i]));
    put_count(&b, scope, "targets_total", !run->streamed, run->targets_total);
    put_count(&b, scope, "hosts", !run->streamed, run->hosts);
    put_count(&b, scope, "endpoints", !run->streamed, run->endpoints);
    cJSON *options = put_object(&b, b.root, "options");
    for (size_t i = 0; i < run->option_count; i++)
        put_option(&b, options, &run->options[i]);
    put_options_hash(&b, run, options);
    put_seed(&b, run);
    put_shard(&b, run);
    put_policies(&b, &run->policies);
    return print(&b);
}

/* What is complete: the same in a checkpoint and in the end. */
static void put_totals(struct builder *b, const struct totals *totals)
{
    cJSON *endpoints = put_object(b, b->root, "endpoints");
    put_number(b, endpoints, "recorded", totals->recorded);
    cJSON *statuses = put_array(b, endpoints, "by_status");
    for (int s = 0; s < STATUS_COUNT; s++)
        if (totals->statuses[s]) {
            cJSON *item = put_object(b, statuses, NULL);
            put_text(b, item, "status", status_name((enum status)s));
            put_number(b, item, "count", totals->statuses[s]);
        }
    cJSON *hosts = put_object(b, b->root, "hosts");
    put_number(b, hosts, "scanned", totals->hosts);
    put_number(b, hosts, "answered", totals->answered);
    put_tally(b, &totals->tally);
}

char *record_checkpoint(const struct run *run, const struct checkpoint *c, const char *hash)
{
    struct builder b = {.root = cJSON_CreateObject()};

    put_head(&b, run, "checkpoint", c->time);
    put_seed(&b, run);
    put_number(&b, b.root, "cursor", c->cursor);
    cJSON *pending = put_array(&b, b.root, "pending");
    for (size_t i = 0; i < c->pending_count; i++)
        put_number(&b, pending, NULL, c->pending[i]);
    put_totals(&b, &c->totals);
    put_text(&b, b.root, "records_sha256", hash);
    return print(&b);
}

char *record_run_end(const struct run *run, const struct run_end *end, const char *hash)
{
    struct builder b = {.root = cJSON_CreateObject()};

    put_head(&b, run, "run_end", run->started + end->duration);
    put_truth(&b, b.root, "complete", !end->stopped_by);
    put_text(&b, b.root, "stopped_by", end->stopped_by);
    put_number(&b, b.root, "duration_ms", (uint64_t)end->duration);
    put_totals(&b, &end->totals);
    put_text(&b, b.root, "records_sha256", hash);
    put_number(&b, b.root, "exit_code", (uint64_t)end->exit_code);
    return print(&b);
}
