/* SPDX-License-Identifier: MIT */
#include "scanner/observation.h"

#include <stdlib.h>

const char *fact_path(enum fact fact)
{
    static const char *const paths[FACT_COUNT] = {
        [FACT_OBSERVED_MODE] = "/endpoint/observed_mode",
        [FACT_BANNER] = "/banner",
        [FACT_ADVERTISED] = "/starttls/advertised",
        [FACT_ACCEPTED] = "/starttls/accepted",
        [FACT_REPLY] = "/starttls/reply",
        [FACT_TRAILING] = "/starttls/bytes_after_reply",
        [FACT_PREAUTH] = "/auth/preauth",
        [FACT_LOGIN_BEFORE] = "/auth/login_disabled/before_tls",
        [FACT_LOGIN_AFTER] = "/auth/login_disabled/after_tls",
        [FACT_CAPABILITIES_BEFORE] = "/auth/capabilities/before_tls",
        [FACT_CAPABILITIES_AFTER] = "/auth/capabilities/after_tls",
        [FACT_MECHANISMS_BEFORE] = "/auth/mechanisms/before_tls",
        [FACT_MECHANISMS_AFTER] = "/auth/mechanisms/after_tls",
        [FACT_TLS] = "/tls",
        [FACT_ESTABLISHED] = "/tls/established",
        [FACT_TLS_VERSION] = "/tls/version",
        [FACT_CIPHER] = "/tls/cipher",
        [FACT_GROUP] = "/tls/group",
        [FACT_MASTER_SECRET] = "/tls/extended_master_secret",
        [FACT_RENEGOTIATION] = "/tls/secure_renegotiation",
        [FACT_COMPRESSION] = "/tls/compression",
        [FACT_SENTINEL] = "/tls/downgrade_sentinel",
        [FACT_DH_BITS] = "/tls/dh_bits",
        [FACT_STAPLE] = "/tls/ocsp_staple",
        [FACT_CLIENT_CERTIFICATE] = "/tls/client_certificate_requested",
        [FACT_LARGE_HELLO] = "/tls/large_hello_intolerant",
        [FACT_STARTTLS_INSIDE] = "/tls/starttls_accepted_inside",
        [FACT_CERTIFICATE] = "/tls/certificate",
        [FACT_CHAIN] = "/tls/chain",
        [FACT_VERIFY] = "/tls/verify",
        [FACT_REQUIRED] = "/starttls/required",
        [FACT_CONTINUES] = "/starttls/continues_in_clear",
        [FACT_ANONYMOUS] = "/auth/anonymous",
        [FACT_PROTECTION] = "/data_channel/protection",
        [FACT_CCC] = "/data_channel/ccc",
        [FACT_ALPN] = "/tls/foreign_alpn_accepted",
        [FACT_UNKNOWN_NAME] = "/tls/unknown_name_accepted",
        [FACT_RENEGOTIATES] = "/tls/client_renegotiation",
        [FACT_NEW_HELLO] = "/tls/new_hello_intolerant",
        [FACT_INCONSISTENT] = "/tls/inconsistent_answers",
    };
    return paths[fact];
}

const char *status_name(enum status status)
{
    static const char *const names[STATUS_COUNT] = {
        [STATUS_OK] = "ok",
        [STATUS_CLOSED] = "closed",
        [STATUS_TIMEOUT] = "timeout",
        [STATUS_UNREACHABLE] = "unreachable",
        [STATUS_DNS_ERROR] = "dns_error",
        [STATUS_REFUSED] = "refused",
        [STATUS_MISMATCH] = "protocol_mismatch",
        [STATUS_TLS_ERROR] = "tls_error",
        [STATUS_ERROR] = "error",
    };
    return names[status];
}

enum status status_find(const char *name)
{
    int s = 0;
    while (s < STATUS_COUNT && strcmp(status_name((enum status)s), name) != 0)
        s++;
    return (enum status)s;
}

bool status_is_silent(enum status status)
{
    return status == STATUS_CLOSED || status == STATUS_TIMEOUT || status == STATUS_UNREACHABLE ||
           status == STATUS_DNS_ERROR;
}

const char *handshake_name(enum handshake handshake)
{
    static const char *const names[] = {"not_tested", "ok", "failed"};
    return names[handshake];
}

const char *version_status_name(enum version_status status)
{
    static const char *const names[] = {"not_tested", "accepted", "rejected", "inconclusive"};
    return names[status];
}

const char *confidence_name(enum confidence confidence)
{
    static const char *const names[] = {NULL, "possible", "probable", "confirmed"};
    return names[confidence];
}

const char *login_verdict_name(enum login_verdict verdict)
{
    static const char *const names[] = {"not_tested", "accepted", "refused", "inconclusive"};
    return names[verdict];
}

const char *injection_name(enum injection verdict)
{
    static const char *const names[] = {"not_tested", "vulnerable", "not_vulnerable",
                                        "inconclusive"};
    return names[verdict];
}

const char *injection_sign_name(enum injection_sign sign)
{
    static const char *const names[SIGN_COUNT] = {
        [SIGN_ANSWERED_INSIDE] = "answered_inside",
        [SIGN_FORGOTTEN] = "forgotten",
        [SIGN_REFUSED] = "refused",
        [SIGN_HANDSHAKE_BROKEN] = "handshake_broken",
        [SIGN_ANSWERED_IN_CLEAR] = "answered_in_clear",
    };
    return names[sign];
}

const char *proof_name(enum proof proof)
{
    static const char *const names[] = {
        [PROOF_NONE] = "none",
        [PROOF_ALERT] = "alert",
        [PROOF_CLOSE] = "close",
        [PROOF_RESET] = "reset",
        [PROOF_CHOSE_LOWER] = "chose_lower",
        [PROOF_INFERRED] = "inferred",
    };
    return names[proof];
}

bool transcript_add(struct transcript *t, unsigned connection, int64_t at, bool client, bool secure,
                    struct span text)
{
    if (!t->wanted || (t->full |= t->count == TRANSCRIPT_LINES_MAX))
        return true;
    if (t->count == t->max) {
        size_t max = t->max ? 2 * t->max : 32;
        struct transcript_line *lines = realloc(t->lines, max * sizeof *lines);
        if (!lines)
            return false;
        t->lines = lines;
        t->max = max;
    }
    struct transcript_line *line = &t->lines[t->count];
    *line = (struct transcript_line){connection, at, client, secure, {0}};
    bool kept = text_set(&line->text, text, TRANSCRIPT_LINE_MAX);
    t->count += kept;
    return kept;
}

void observation_init(struct observation *o, const struct service *service)
{
    *o = (struct observation){.service = service, .mode = service->mode};
    for (int f = 0; f < FACT_COUNT; f++)
        o->why[f] = CAUSE_NOT_ASKED;
    for (int v = 0; v < VERSION_COUNT; v++)
        o->tls.versions[v] = (struct version_fact){.reason = CAUSE_NOT_ASKED, .alert = -1};
    o->tls.version = VERSION_NONE;
    o->login.reason = o->injection.reason = CAUSE_NOT_ASKED;
}

void observation_free(struct observation *o)
{
    text_free(&o->banner);
    text_free(&o->upgrade_reply);
    text_free(&o->tls.failure_text);
    text_free(&o->login.reply);
    text_free(&o->injection.reply);
    text_free(&o->protection_reply);
    for (size_t i = 0; i < o->transcript.count; i++)
        text_free(&o->transcript.lines[i].text);
    free(o->transcript.lines);
    for (int side = 0; side < 2; side++) {
        list_clear(&o->capabilities[side]);
        list_clear(&o->mechanisms[side]);
    }
    chain_free(&o->tls.chain);
    verification_free(&o->tls.verification);
}

void observation_forget(struct observation *o)
{
    struct observation seen = *o;
    observation_free(o);
    observation_init(o, seen.service);
    o->status = STATUS_ERROR;
    o->error = (struct outcome){PHASE_CONNECT, CAUSE_LOCAL, 0};
    o->started = seen.started;
    o->duration = seen.duration;
    o->connections = seen.connections;
    o->source = seen.source;
    o->credentials_sent = seen.credentials_sent;
    o->failed = true;
    for (int f = 0; f < FACT_OPTIONAL; f++)
        o->why[f] = CAUSE_LOCAL;
    o->login.verdict = LOGIN_INCONCLUSIVE;
    o->injection.verdict = INJECTION_INCONCLUSIVE;
    o->login.reason = o->injection.reason = CAUSE_LOCAL;
}

void observation_excuse(struct observation *o, enum fact first, enum fact last, enum cause cause)
{
    for (int f = (int)first; f <= (int)last; f++)
        if (o->why[f] == CAUSE_NOT_ASKED)
            o->why[f] = cause;
}

bool observation_speaks_tls(const struct observation *o)
{
    for (int v = 0; v < VERSION_COUNT; v++)
        if (o->tls.versions[v].status == VERSION_ACCEPTED)
            return true;
    return o->handshake == HANDSHAKE_OK;
}

static void settle(struct observation *o, enum fact first, enum fact last, enum cause cause)
{
    for (int f = (int)first; f <= (int)last; f++)
        o->why[f] = cause;
}

/* There was no TLS, or nothing of it is known. */
static void settle_tls(struct observation *o, enum cause cause)
{
    settle(o, FACT_ESTABLISHED, FACT_VERIFY, cause);
    for (int v = 0; v < VERSION_COUNT; v++)
        o->tls.versions[v] = (struct version_fact){
            .status = cause == CAUSE_NOT_ASKED ? VERSION_NOT_TESTED : VERSION_INCONCLUSIVE,
            .reason = cause,
            .alert = -1};
}

void observation_settle(struct observation *o)
{
    bool implicit = observation_is_implicit(o), greeted = observation_knows(o, FACT_PREAUTH);

    if (!greeted) {
        settle(o, FACT_ADVERTISED, FACT_MECHANISMS_AFTER, o->why[FACT_PREAUTH]);
        o->login.reason = implicit ? CAUSE_IMPLICIT : o->why[FACT_PREAUTH];
        o->injection.reason = o->why[FACT_PREAUTH];
    }
    if (implicit) {
        settle(o, FACT_ADVERTISED, FACT_TRAILING, CAUSE_NONE);
        settle(o, FACT_LOGIN_BEFORE, FACT_MECHANISMS_BEFORE, CAUSE_NONE);
        o->injection.reason = CAUSE_IMPLICIT;
    }
    if (!observation_knows(o, FACT_TLS) || o->tls.refused)
        settle_tls(o, o->tls.refused ? CAUSE_NOT_ASKED : o->why[FACT_TLS]);
    else if (o->service->protocol->data_channel) /* RFC 2228 allows it */
        observation_learn(o, FACT_STARTTLS_INSIDE);
}
