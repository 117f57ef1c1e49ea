/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/record.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <stdio.h>

#include "output/builder.h"
#include "output/date.h"
#include "output/hex.h"
#include "output/verdict.h"
#include "scanner/omission.h"
#include "scanner/targets.h"

/* --- facts ------------------------------------------------------------------------------------ */

static void put_unknown(struct builder *b, const char *path, const char *reason)
{
    if (b->unknown_count == BUILDER_PATHS_MAX) {
        b->failed = true;
        return;
    }
    b->unknown[b->unknown_count].path = path;
    b->unknown[b->unknown_count++].reason = reason;
}

static void put_lossy(struct builder *b, const char *path, bool lossy)
{
    if (!lossy)
        return;
    if (b->lossy_count < BUILDER_PATHS_MAX)
        b->lossy[b->lossy_count++] = path;
    else
        b->failed = true;
}

/* Is the fact known? If not, that is said where the record says such things. */
static bool known(struct builder *b, enum fact fact)
{
    enum cause why = b->o->why[fact];
    if (why != CAUSE_NONE)
        put_unknown(b, fact_path(fact), cause_name(why));
    return why == CAUSE_NONE;
}

static void put_tri(struct builder *b, struct part parent, const char *name, enum fact fact,
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
static void put_optional(struct builder *b, struct part parent, const char *name, enum fact fact,
                         enum tri value)
{
    if (b->o->why[fact] != CAUSE_NOT_ASKED)
        put_tri(b, parent, name, fact, value);
}

/* What was not tested, or brought no answer, has a reason; what was answered has none. */
static void put_reason(struct builder *b, struct part parent, const char *name, bool open,
                       enum cause reason)
{
    put_text(b, parent, name, open ? cause_name(reason) : NULL);
}

/* --- identity --------------------------------------------------------------------------------- */

const char *record_time(int64_t unix_ms, bool milliseconds, char out[RECORD_TIME_SIZE])
{
    int64_t seconds = unix_ms / 1000, days = seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0);
    unsigned second = (unsigned)(seconds - days * DAY_SECONDS);

    if (!date_format(days, out))
        return NULL;
    char *at = out + strlen("2026-11-23");
    *at++ = 'T';
    at = digits_format(second / 3600, 2, at);
    *at++ = ':';
    at = digits_format(second / 60 % 60, 2, at);
    *at++ = ':';
    at = digits_format(second % 60, 2, at);
    if (milliseconds) {
        *at++ = '.';
        at = digits_format((unsigned)(unix_ms % 1000), 3, at);
    }
    memcpy(at, "Z", 2);
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

/* Only where the name has addresses that were not asked. */
static void put_omissions(struct builder *b, struct part endpoint, const struct omissions *all)
{
    char text[ADDRESS_TEXT_MAX];
    struct part array = put_array(b, endpoint, "left_out");
    for (size_t i = 0; i < all->count; i++) {
        const struct omission *o = &all->list[i];
        struct part one = put_object(b, array, NULL);
        put_text(b, one, "family", o->family == AF_INET ? "ipv4" : "ipv6");
        put_text(b, one, "reason", o->reason);
        if (o->count)
            put_number(b, one, "count", o->count);
        else
            put_null(b, one, "count");
        put_text(b, one, "first", o->first.family ? address_format(&o->first, text) : NULL);
    }
}

static void put_endpoint(struct builder *b, const struct host_view *host)
{
    const struct target_host *target = host->target;
    const struct service *service = b->o->service;
    char text[ADDRESS_TEXT_MAX], key[512];
    struct part e = put_object(b, b->root, "endpoint");

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
    struct part labels = put_object(b, e, "labels");
    for (size_t i = 0; i < target->label_count; i++)
        put_text(b, labels, target->labels[i].key, target->labels[i].value);
    struct part source = put_object(b, e, "source");
    put_text(b, source, "file", target->file);
    put_number(b, source, "line", target->line);
    if (host->omissions)
        put_omissions(b, e, host->omissions);
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
    struct part error = put_object(b, b->root, "error");
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
    struct part array = put_array(b, b->root, "anomalies");
    if (b->o->bare_lf)
        put_text(b, array, NULL, "bare_lf");
    if (b->o->greeted_again)
        put_text(b, array, NULL, "greeting_after_tls");
}

static void put_injection(struct builder *b, struct part starttls)
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
    struct part s = put_object(b, b->root, "starttls");
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
static void put_side(struct builder *b, struct part parent, const char *name, enum fact fact,
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

static void put_login(struct builder *b, struct part auth)
{
    const struct login_fact *l = &b->o->login;
    bool open = l->verdict == LOGIN_NOT_TESTED || l->verdict == LOGIN_INCONCLUSIVE;
    struct part login = put_object(b, auth, "cleartext_login");

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
    struct part auth = put_object(b, b->root, "auth");
    put_truth(b, auth, "preauth", o->preauth);
    if (announces) {
        struct part login = put_object(b, auth, "login_disabled");
        put_tri(b, login, "before_tls", FACT_LOGIN_BEFORE,
                before ? o->login_disabled[0] : TRI_UNKNOWN);
        put_tri(b, login, "after_tls", FACT_LOGIN_AFTER,
                after ? o->login_disabled[1] : TRI_UNKNOWN);
    } else {
        put_null(b, auth, "login_disabled");
    }
    struct part capabilities = put_object(b, auth, "capabilities");
    put_side(b, capabilities, "before_tls", FACT_CAPABILITIES_BEFORE, before, &o->capabilities[0]);
    put_side(b, capabilities, "after_tls", FACT_CAPABILITIES_AFTER, after, &o->capabilities[1]);
    if (announces) {
        struct part mechanisms = put_object(b, auth, "mechanisms");
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
    struct part channel = put_object(b, b->root, "data_channel");
    put_optional(b, channel, "protection", FACT_PROTECTION, o->protection);
    if (observation_knows(o, FACT_PROTECTION)) {
        put_text(b, channel, "protection_reply", o->protection_reply.data);
        put_lossy(b, "/data_channel/protection_reply", o->protection_reply.lossy);
    }
    put_optional(b, channel, "ccc", FACT_CCC, o->ccc);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void put_suite(struct builder *b, struct part parent, uint32_t suite)
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

static void put_version(struct builder *b, struct part array, int v)
{
    const struct version_fact *fact = &b->o->tls.versions[v];
    struct part item = put_object(b, array, NULL);

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

static void put_versions(struct builder *b, struct part tls)
{
    char text[16];
    struct part versions = put_array(b, tls, "versions");
    for (int v = 0; v < VERSION_COUNT; v++)
        put_version(b, versions, v);
    struct part accepted = put_array(b, tls, "versions_accepted");
    for (int v = 0; v < VERSION_COUNT; v++)
        if (b->o->tls.versions[v].status == VERSION_ACCEPTED) {
            snprintf(text, sizeof text, "%s%s", v <= VERSION_SSL3 ? "ssl" : "",
                     version_number((enum version)v));
            put_text(b, accepted, NULL, text);
        }
}

static void put_date(struct builder *b, struct part parent, const char *name, int64_t seconds)
{
    char text[RECORD_TIME_SIZE];
    put_text(b, parent, name, record_time(seconds * 1000, false, text));
}

/* An empty usage list is not in a certificate: the extension is missing. */
static void put_usage(struct builder *b, struct part parent, const char *name,
                      const struct list *list)
{
    if (list->count)
        put_list(b, parent, name, list);
    else
        put_null(b, parent, name);
}

/* Is this member of the server's own certificate known? If not, that is said as of a fact. */
static bool can_tell(struct builder *b, enum certificate_field field, const char *path)
{
    bool can = certificate_knows(&b->o->tls.chain.certificates[0], field);
    if (!can)
        put_unknown(b, path, cause_name(CAUSE_UNREADABLE));
    return can;
}

#define LEAF(name) "/tls/certificate/" name

static void put_names(struct builder *b, struct part item, const struct certificate *c)
{
    if (can_tell(b, CERTIFICATE_SUBJECT, LEAF("subject_dn")))
        put_text(b, item, "subject_dn", c->subject.data);
    if (can_tell(b, CERTIFICATE_ISSUER, LEAF("issuer_dn")))
        put_text(b, item, "issuer_dn", c->issuer.data);
    if (certificate_knows(c, CERTIFICATE_NAMES)) {
        put_list(b, item, "san_dns", &c->names);
        put_list(b, item, "san_ip", &c->addresses);
    } else {
        can_tell(b, CERTIFICATE_NAMES, LEAF("san_dns"));
        can_tell(b, CERTIFICATE_NAMES, LEAF("san_ip"));
    }
    put_lossy(b, LEAF("subject_dn"), c->subject.lossy);
    put_lossy(b, LEAF("issuer_dn"), c->issuer.lossy);
    put_lossy(b, LEAF("san_dns"), c->names.lossy || c->names.full);
    put_lossy(b, LEAF("san_ip"), c->addresses.lossy || c->addresses.full);
}

static void put_key(struct builder *b, struct part item, const struct certificate *c)
{
    if (can_tell(b, CERTIFICATE_KEY, LEAF("key_algorithm")))
        put_text(b, item, "key_algorithm", c->key_algorithm);
    if (can_tell(b, CERTIFICATE_KEY_BITS, LEAF("key_bits")))
        put_number(b, item, "key_bits", c->key_bits);
    if (can_tell(b, CERTIFICATE_SIGNATURE, LEAF("signature_algorithm")))
        put_text(b, item, "signature_algorithm", c->signature_algorithm);
}

static void put_extensions(struct builder *b, struct part item, const struct certificate *c)
{
    if (can_tell(b, CERTIFICATE_KEY_USAGE, LEAF("key_usage")))
        put_usage(b, item, "key_usage", &c->key_usage);
    if (can_tell(b, CERTIFICATE_PURPOSES, LEAF("extended_key_usage")))
        put_usage(b, item, "extended_key_usage", &c->purposes);
    put_lossy(b, LEAF("extended_key_usage"), c->purposes.lossy || c->purposes.full);
    if (can_tell(b, CERTIFICATE_SELF_SIGNED, LEAF("self_signed")))
        put_truth(b, item, "self_signed", c->self_signed);
    if (can_tell(b, CERTIFICATE_VERSION, LEAF("version")))
        put_number(b, item, "version", c->version);
    if (certificate_knows(c, CERTIFICATE_ACCESS)) {
        put_truth(b, item, "ocsp_url", c->ocsp);
        put_truth(b, item, "issuer_url", c->issuer_url);
    } else {
        can_tell(b, CERTIFICATE_ACCESS, LEAF("ocsp_url"));
        can_tell(b, CERTIFICATE_ACCESS, LEAF("issuer_url"));
    }
    if (can_tell(b, CERTIFICATE_MUST_STAPLE, LEAF("must_staple")))
        put_truth(b, item, "must_staple", c->must_staple);
    if (can_tell(b, CERTIFICATE_TIMESTAMPS, LEAF("timestamps")))
        put_truth(b, item, "timestamps", c->timestamped);
}

static void put_certificate(struct builder *b, struct part tls)
{
    const struct chain *chain = &b->o->tls.chain;
    if (!known(b, FACT_CERTIFICATE))
        return;
    if (!chain->count) {
        put_null(b, tls, "certificate");
        return;
    }
    const struct certificate *c = &chain->certificates[0];
    struct part item = put_object(b, tls, "certificate");
    put_hex(b, item, "sha256", c->sha256, sizeof c->sha256);
    if (can_tell(b, CERTIFICATE_SPKI, LEAF("spki_sha256")))
        put_hex(b, item, "spki_sha256", c->spki_sha256, sizeof c->spki_sha256);
    if (can_tell(b, CERTIFICATE_SERIAL, LEAF("serial")))
        put_text(b, item, "serial", c->serial);
    put_lossy(b, LEAF("serial"), c->serial_cut);
    put_names(b, item, c);
    if (can_tell(b, CERTIFICATE_NOT_BEFORE, LEAF("not_before")))
        put_date(b, item, "not_before", c->not_before);
    if (can_tell(b, CERTIFICATE_NOT_AFTER, LEAF("not_after")))
        put_date(b, item, "not_after", c->not_after);
    put_key(b, item, c);
    put_extensions(b, item, c);
}

#define LINK_FIELDS                                                                                \
    (1U << CERTIFICATE_SUBJECT | 1U << CERTIFICATE_ISSUER | 1U << CERTIFICATE_SELF_SIGNED |        \
     1U << CERTIFICATE_SIGNATURE | 1U << CERTIFICATE_KEY | 1U << CERTIFICATE_KEY_BITS |            \
     1U << CERTIFICATE_VERSION)

static void put_link(struct builder *b, struct part array, const struct certificate *c)
{
    struct part item = put_object(b, array, NULL);
    put_hex(b, item, "sha256", c->sha256, sizeof c->sha256);
    if (certificate_knows(c, CERTIFICATE_SUBJECT))
        put_text(b, item, "subject_dn", c->subject.data);
    if (certificate_knows(c, CERTIFICATE_ISSUER))
        put_text(b, item, "issuer_dn", c->issuer.data);
    if (certificate_knows(c, CERTIFICATE_SELF_SIGNED))
        put_truth(b, item, "self_signed", c->self_signed);
    if (certificate_knows(c, CERTIFICATE_SIGNATURE))
        put_text(b, item, "signature_algorithm", c->signature_algorithm);
    if (certificate_knows(c, CERTIFICATE_KEY))
        put_text(b, item, "key_algorithm", c->key_algorithm);
    if (certificate_knows(c, CERTIFICATE_KEY_BITS))
        put_number(b, item, "key_bits", c->key_bits);
    if (certificate_knows(c, CERTIFICATE_VERSION))
        put_number(b, item, "version", c->version);
}

/* A link of which something is not known is named, and so is the first that was left out. */
static void put_chain(struct builder *b, struct part tls)
{
    const struct chain *chain = &b->o->tls.chain;
    bool lossy = false;
    if (!known(b, FACT_CHAIN))
        return;
    struct part array = put_array(b, tls, "chain");
    for (size_t i = 0; i < chain->count; i++) {
        const struct certificate *c = &chain->certificates[i];
        put_link(b, array, c);
        lossy |= c->subject.lossy || c->issuer.lossy;
        if (c->unreadable & LINK_FIELDS)
            put_unknown(b, chain_link_path(i), cause_name(CAUSE_UNREADABLE));
    }
    if (chain->cut)
        put_unknown(b, chain_link_path(chain->count), cause_name(CAUSE_LIMIT));
    put_lossy(b, fact_path(FACT_CHAIN), lossy);
}

static void put_verify(struct builder *b, struct part tls)
{
    const struct tls_facts *t = &b->o->tls;
    const struct verification *v = &t->verification;
    if (!known(b, FACT_VERIFY))
        return;
    struct part verify = put_object(b, tls, "verify");
    if (v->unknown != CAUSE_NONE)
        put_unknown(b, "/tls/verify/trusted", cause_name(v->unknown));
    else
        put_truth(b, verify, "trusted", v->trusted);
    put_text(b, verify, "roots", v->own_roots ? "file" : "system");
    if (v->name_match != TRI_UNKNOWN)
        put_truth(b, verify, "name_match", v->name_match == TRI_YES);
    else if (t->chain.count && !certificate_knows(t->chain.certificates, CERTIFICATE_NAMES))
        put_unknown(b, "/tls/verify/name_match", cause_name(CAUSE_UNREADABLE));
    else
        put_unknown(b, "/tls/verify/name_match", "no_ip_san");
    put_list(b, verify, "errors", &v->errors);
}

/* Why the full handshake failed; null where it did not, or was not made. */
static void put_failure(struct builder *b, struct part tls)
{
    const struct tls_facts *t = &b->o->tls;
    if (t->failure.cause == CAUSE_NONE) {
        put_null(b, tls, "failure");
        return;
    }
    struct part failure = put_object(b, tls, "failure");
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
    struct part tls = put_object(b, b->root, "tls");
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
    put_optional(b, tls, "new_hello_intolerant", FACT_NEW_HELLO, t->new_hello);
    put_optional(b, tls, "inconsistent_answers", FACT_INCONSISTENT, t->inconsistent);
    put_certificate(b, tls);
    put_chain(b, tls);
    put_verify(b, tls);
}

/* --- records ---------------------------------------------------------------------------------- */

static bool is_lossy(const struct transcript *t)
{
    bool lossy = t->full;
    for (size_t i = 0; i < t->count; i++)
        lossy |= t->lines[i].text.lossy;
    return lossy;
}

static void put_transcript(struct builder *b)
{
    const struct transcript *t = &b->o->transcript;

    if (!t->wanted) {
        put_null(b, b->root, "transcript");
        return;
    }
    struct part array = put_array(b, b->root, "transcript");
    for (size_t i = 0; i < t->count; i++) {
        const struct transcript_line *line = &t->lines[i];
        struct part item = put_object(b, array, NULL);
        put_number(b, item, "connection", line->connection);
        put_number(b, item, "at_ms", line->at > 0 ? (uint64_t)line->at : 0);
        put_text(b, item, "from", line->client ? "client" : "server");
        put_truth(b, item, "inside_tls", line->secure);
        put_text(b, item, "text", line->text.data);
    }
}

static void put_gaps(struct builder *b)
{
    struct part unknown = put_array(b, b->root, "unknown");
    for (size_t i = 0; i < b->unknown_count; i++)
        put_pair(b, unknown, "path", b->unknown[i].path, "reason", b->unknown[i].reason);
    struct part lossy = put_array(b, b->root, "lossy");
    for (size_t i = 0; i < b->lossy_count; i++)
        put_text(b, lossy, NULL, b->lossy[i]);
}

bool record_endpoint(struct page *page, const struct run *run, const struct host_view *host,
                     const struct observation *o, const struct opinion *opinion)
{
    struct builder b;

    builder_begin(&b, page);
    b.o = o;
    put_head(&b, run, "endpoint", o->started);
    put_number(&b, b.root, "duration_ms", (uint64_t)o->duration);
    put_number(&b, b.root, "connections", o->connections);
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
    put_lossy(&b, "/transcript", is_lossy(&o->transcript));
    put_gaps(&b);
    put_verdicts(&b, &run->policies, opinion);
    put_transcript(&b);
    return builder_end(&b);
}

static void put_option(struct builder *b, struct part options, const struct run_option *option)
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
        struct part array = put_array(b, options, option->name);
        for (const char *at = option->text; at && *at;) {
            size_t n = strcspn(at, ",");
            char item[64];
            snprintf(item, sizeof item, "%.*s", (int)(n < sizeof item ? n : sizeof item - 1), at);
            put_text(b, array, NULL, item);
            at += n + (at[n] == ',');
        }
        break;
    }
    }
}

static void put_count(struct builder *b, struct part parent, const char *name, bool counted,
                      uint64_t value)
{
    if (counted && value < (uint64_t)1 << 53)
        put_number(b, parent, name, value);
    else
        put_null(b, parent, name);
}

static void put_options(struct builder *b, const struct run *run, bool manners)
{
    struct part options = put_object(b, b->root, "options");
    for (size_t i = 0; i < run->option_count; i++)
        if (manners || !run->options[i].manner)
            put_option(b, options, &run->options[i]);
}

bool record_options_hash(const struct run *run, char out[RECORD_HASH_SIZE])
{
    struct page page = {0};
    struct builder b;
    unsigned char digest[32];

    builder_begin(&b, &page);
    put_text(&b, b.root, "scope", run->scope_hash);
    put_options(&b, run, false);
    bool ok =
        builder_end(&b) && gnutls_hash_fast(GNUTLS_DIG_SHA256, page.bytes, page.len, digest) >= 0;
    if (ok)
        hex_encode(digest, sizeof digest, out, RECORD_HASH_SIZE);
    page_free(&page);
    return ok;
}

static void put_options_hash(struct builder *b, const struct run *run)
{
    char hash[RECORD_HASH_SIZE];
    if (record_options_hash(run, hash))
        put_text(b, b->root, "options_sha256", hash);
    else
        b->failed = true;
}

/* Of the order of targets. A number of 64 bits, which many readers of JSON would round. */
static void put_seed(struct builder *b, const struct run *run)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, run->seed);
    put_text(b, b->root, "seed", run->ordered ? NULL : text);
}

/* The order, and which part of all targets it is. */
static void put_part(struct builder *b, const struct run *run)
{
    put_seed(b, run);
    if (!run->shards) {
        put_null(b, b->root, "shard");
        return;
    }
    struct part shard = put_object(b, b->root, "shard");
    put_number(b, shard, "index", run->shard);
    put_number(b, shard, "count", run->shards);
}

bool record_run_start(struct page *page, const struct run *run)
{
    struct builder b;
    char time[RECORD_TIME_SIZE];

    builder_begin(&b, page);
    put_head(&b, run, "run_start", run->started);
    put_text(&b, b.root, "started", record_time(run->started, true, time));
    struct part scanner = put_object(&b, b.root, "scanner");
    put_text(&b, scanner, "name", "starttls-audit");
    put_text(&b, scanner, "version", run->version);
    struct part libraries = put_object(&b, scanner, "libraries");
    for (size_t i = 0; i < sizeof run->libraries / sizeof *run->libraries; i++)
        put_text(&b, libraries, run->libraries[i].name, run->libraries[i].version);
    struct part vantage = put_object(&b, b.root, "vantage");
    struct part addresses = put_array(&b, vantage, "source_addresses");
    if (run->source_address)
        put_text(&b, addresses, NULL, run->source_address);
    struct part scope = put_object(&b, b.root, "scope");
    struct part targets = put_array(&b, scope, "targets");
    for (size_t i = 0; i < run->target_count; i++)
        put_text(&b, targets, NULL, run->targets[i]);
    put_count(&b, scope, "targets_total", !run->streamed, run->targets_total);
    put_count(&b, scope, "hosts", !run->streamed, run->hosts);
    put_count(&b, scope, "endpoints", !run->streamed, run->endpoints);
    put_options(&b, run, true);
    put_options_hash(&b, run);
    put_part(&b, run);
    put_standard(&b, run->version, &run->policies, &run->exceptions);
    return builder_end(&b);
}

/* What is complete: the same in a checkpoint and in the end. */
static void put_totals(struct builder *b, const struct totals *totals)
{
    struct part endpoints = put_object(b, b->root, "endpoints");
    put_number(b, endpoints, "recorded", totals->recorded);
    struct part statuses = put_array(b, endpoints, "by_status");
    for (int s = 0; s < STATUS_COUNT; s++)
        if (totals->statuses[s]) {
            struct part item = put_object(b, statuses, NULL);
            put_text(b, item, "status", status_name((enum status)s));
            put_number(b, item, "count", totals->statuses[s]);
        }
    struct part hosts = put_object(b, b->root, "hosts");
    put_number(b, hosts, "scanned", totals->hosts);
    put_number(b, hosts, "answered", totals->answered);
    put_tally(b, &totals->tally);
}

bool record_checkpoint(struct page *page, const struct run *run, const struct checkpoint *c,
                       const char *hash)
{
    struct builder b;

    builder_begin(&b, page);
    put_head(&b, run, "checkpoint", c->time);
    put_seed(&b, run);
    put_number(&b, b.root, "cursor", c->cursor);
    struct part pending = put_array(&b, b.root, "pending");
    for (size_t i = 0; i < c->pending_count; i++)
        put_number(&b, pending, NULL, c->pending[i]);
    put_totals(&b, &c->totals);
    put_waiver_counts(&b, c->totals.tally.usage);
    put_text(&b, b.root, "records_sha256", hash);
    return builder_end(&b);
}

bool record_not_asked(struct page *page, const struct run *run, const struct absent *a,
                      int64_t time)
{
    struct builder b;

    builder_begin(&b, page);
    put_head(&b, run, "not_asked", time);
    struct part e = put_object(&b, b.root, "endpoint");
    put_text(&b, e, "key", a->key);
    put_text(&b, e, "protocol", a->protocol);
    put_text(&b, e, "mode", a->mode);
    put_text(&b, e, "host", a->host);
    put_text(&b, e, "ip", a->ip);
    put_number(&b, e, "port", a->port);
    put_text(&b, b.root, "reason", a->excluded ? "excluded" : "out_of_scope");
    return builder_end(&b);
}

bool record_run_end(struct page *page, const struct run *run, const struct run_end *end,
                    const char *hash)
{
    struct builder b;

    builder_begin(&b, page);
    put_head(&b, run, "run_end", run->started + end->duration);
    put_truth(&b, b.root, "complete", !end->stopped_by);
    put_text(&b, b.root, "stopped_by", end->stopped_by);
    put_number(&b, b.root, "duration_ms", (uint64_t)end->duration);
    put_totals(&b, &end->totals);
    put_waiver_states(&b, end->totals.tally.usage, !end->stopped_by && !run->shards,
                      run->started + end->duration);
    put_text(&b, b.root, "records_sha256", hash);
    put_number(&b, b.root, "exit_code", (uint64_t)end->exit_code);
    return builder_end(&b);
}
