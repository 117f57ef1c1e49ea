/* SPDX-License-Identifier: MIT */
#include "scanner/observation.h"

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
        [FACT_CERTIFICATE] = "/tls/certificate",
        [FACT_CHAIN] = "/tls/chain",
        [FACT_VERIFY] = "/tls/verify",
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

void observation_init(struct observation *o, const struct service *service)
{
    *o = (struct observation){.service = service, .mode = service->mode};
    for (int f = 0; f < FACT_COUNT; f++)
        o->why[f] = CAUSE_NOT_ASKED;
    for (int v = 0; v < VERSION_COUNT; v++)
        o->tls.versions[v] = (struct version_fact){.reason = CAUSE_NOT_ASKED, .alert = -1};
    o->tls.version = VERSION_NONE;
}

void observation_free(struct observation *o)
{
    text_free(&o->banner);
    text_free(&o->upgrade_reply);
    text_free(&o->tls.failure_text);
    for (int side = 0; side < 2; side++) {
        list_clear(&o->capabilities[side]);
        list_clear(&o->mechanisms[side]);
    }
    chain_free(&o->tls.chain);
    verification_free(&o->tls.verification);
}

void observation_excuse(struct observation *o, enum fact first, enum fact last, enum cause cause)
{
    for (int f = (int)first; f <= (int)last; f++)
        if (o->why[f] == CAUSE_NOT_ASKED)
            o->why[f] = cause;
}
