/* SPDX-License-Identifier: MIT */
/*
 * digest.c: two looks at a service that brought the same facts have the same digest.
 *
 * Texts of replies, times, and how a refusal happened to arrive are left out: a server that closes
 * with the hello unread is seen to close or to reset.
 */
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>

#include "output/hex.h"
#include "output/members.h"
#include "output/state/inside.h"

#define DEPTH_MAX 16

static bool is_volatile(const char *name)
{
    static const char *const names[] = {
        "alert",          "by",    "confidence",       "failure", "group", "injection_reply",
        "injection_sign", "probe", "protection_reply", "reason",  "reply", "roots",
        "verify"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static bool add(gnutls_hash_hd_t hash, const char *text)
{
    return gnutls_hash(hash, text, strlen(text) + 1) >= 0;
}

static bool add_item(gnutls_hash_hd_t hash, const cJSON *item, int depth)
{
    const cJSON *below;
    char number[40];
    bool ok = depth < DEPTH_MAX && add(hash, item && item->string ? item->string : "");

    if (!ok || !item || cJSON_IsNull(item))
        return ok && add(hash, item ? "null" : "none");
    if (cJSON_IsString(item))
        return add(hash, "text") && add(hash, item->valuestring);
    if (cJSON_IsBool(item))
        return add(hash, cJSON_IsTrue(item) ? "true" : "false");
    if (cJSON_IsNumber(item)) {
        snprintf(number, sizeof number, "%.17g", item->valuedouble);
        return add(hash, number);
    }
    ok = add(hash, cJSON_IsArray(item) ? "[" : "{");
    for (below = item->child; ok && below; below = below->next)
        if (!below->string || !is_volatile(below->string))
            ok = add_item(hash, below, depth + 1);
    return ok && add(hash, "]");
}

static bool digest(const cJSON *const *items, size_t count, char out[DIGEST_SIZE])
{
    gnutls_hash_hd_t hash;
    unsigned char octets[32];
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return false;
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_item(hash, items[i], 0);
    gnutls_hash_deinit(hash, octets);
    hex_encode(octets, sizeof octets / 2, out, DIGEST_SIZE);
    return ok;
}

bool digest_facts(const cJSON *record, char facts[DIGEST_SIZE], char trust[DIGEST_SIZE])
{
    const cJSON *tls = member_of(record, "tls"), *verify = member_of(tls, "verify");
    const cJSON *items[] = {member_of(record, "status"),
                            member_of(member_of(record, "endpoint"), "observed_mode"),
                            member_of(record, "anomalies"),
                            member_of(record, "starttls"),
                            member_of(record, "auth"),
                            member_of(record, "data_channel"),
                            tls};
    return digest(items, sizeof items / sizeof *items, facts) && digest(&verify, 1, trust);
}

bool digest_labels(const cJSON *labels, char out[DIGEST_SIZE])
{
    return digest(&labels, 1, out);
}
