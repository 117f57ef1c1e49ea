/* SPDX-License-Identifier: MIT */
#include "output/rules/ruleset.h"

#include <gnutls/crypto.h>

#include "output/hex.h"
#include "output/rules/rule.h"

/* With its NUL, so that no two lists of texts are the same octets. */
static void add(gnutls_hash_hd_t hash, const char *text)
{
    gnutls_hash(hash, text, strlen(text) + 1);
}

bool ruleset_hash(const char *version, char out[RULESET_HASH_SIZE])
{
    unsigned char digest[32];
    struct rules_walk walk = {0};
    const struct rule *rule;
    gnutls_hash_hd_t hash;

    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return false;
    add(hash, version);
    while ((rule = rules_next(&walk))) {
        add(hash, rule->id);
        add(hash, severity_name(rule->severity));
        add(hash, rule->title);
    }
    gnutls_hash_deinit(hash, digest);
    hex_encode(digest, sizeof digest, out, RULESET_HASH_SIZE);
    return true;
}
