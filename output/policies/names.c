/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/policies/names.h"

#include <ctype.h>

static const char *const versions[VERSION_COUNT + 1] = {"SSL 2.0", "SSL 3.0", "TLS 1.0",
                                                        "TLS 1.1", "TLS 1.2", "TLS 1.3"};

/* IANA's registry of supported groups, those that TLS 1.3 has done away with first. */
#define OLD_GROUPS 26
static const char *const groups[] = {NAME_OWN_FIELD,
                                     "sect163k1",
                                     "sect163r1",
                                     "sect163r2",
                                     "sect193r1",
                                     "sect193r2",
                                     "sect233k1",
                                     "sect233r1",
                                     "sect239k1",
                                     "sect283k1",
                                     "sect283r1",
                                     "sect409k1",
                                     "sect409r1",
                                     "sect571k1",
                                     "sect571r1",
                                     "secp160k1",
                                     "secp160r1",
                                     "secp160r2",
                                     "secp192k1",
                                     "secp192r1",
                                     "secp224k1",
                                     "secp224r1",
                                     "secp256k1",
                                     "brainpoolP256r1",
                                     "brainpoolP384r1",
                                     "brainpoolP512r1",
                                     "secp256r1",
                                     "secp384r1",
                                     "secp521r1",
                                     "x25519",
                                     "x448",
                                     "brainpoolP256r1tls13",
                                     "brainpoolP384r1tls13",
                                     "brainpoolP512r1tls13",
                                     "ffdhe2048",
                                     "ffdhe3072",
                                     "ffdhe4096",
                                     "ffdhe6144",
                                     "ffdhe8192",
                                     "X25519MLKEM768",
                                     "SecP256r1MLKEM768",
                                     "SecP384r1MLKEM1024",
                                     NULL};

static const char *const keys[] = {"rsa", "rsa-pss", "dsa", "ec", "ed25519", "ed448", NULL};

/* As GnuTLS writes them. */
static const char *const signatures[] = {
    "RSA-MD2",        "RSA-MD5",        "RSA-RMD160",     "RSA-SHA1",
    "RSA-SHA224",     "RSA-SHA256",     "RSA-SHA384",     "RSA-SHA512",
    "RSA-SHA3-224",   "RSA-SHA3-256",   "RSA-SHA3-384",   "RSA-SHA3-512",
    "RSA-PSS-SHA256", "RSA-PSS-SHA384", "RSA-PSS-SHA512", "DSA-SHA1",
    "DSA-SHA224",     "DSA-SHA256",     "DSA-SHA384",     "DSA-SHA512",
    "DSA-SHA3-224",   "DSA-SHA3-256",   "DSA-SHA3-384",   "DSA-SHA3-512",
    "ECDSA-SHA1",     "ECDSA-SHA224",   "ECDSA-SHA256",   "ECDSA-SHA384",
    "ECDSA-SHA512",   "ECDSA-SHA3-224", "ECDSA-SHA3-256", "ECDSA-SHA3-384",
    "ECDSA-SHA3-512", "EdDSA-Ed25519",  "EdDSA-Ed448",    NULL};

const char *name_at(enum policy_kind kind, size_t at)
{
    static const char *const *const tables[] = {[POLICY_VERSION] = versions,
                                                [POLICY_GROUP] = groups,
                                                [POLICY_KEY] = keys,
                                                [POLICY_SIGNATURE] = signatures};
    const struct rule *rule;
    uint32_t code;

    switch (kind) {
    case POLICY_RULE:
        rule = rules_at(at);
        return rule ? rule->id : NULL;
    case POLICY_SUITE:
        return suite_at(at, &code) ? suite_name(code) : NULL;
    default:
        return tables[kind][at];
    }
}

static bool is_group(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += *a == '-';
        b += *b == '-';
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (!*a)
            return true;
    }
}

size_t name_find(enum policy_kind kind, const char *name)
{
    const char *known;
    for (size_t at = 0; at < NAME_OTHER && (known = name_at(kind, at)); at++)
        if (kind == POLICY_GROUP ? is_group(known, name) : strcmp(known, name) == 0)
            return at;
    return NAME_OTHER;
}

bool name_is_old_group(size_t group)
{
    return group < OLD_GROUPS;
}

/* "*" stands for any characters: what follows the last one is tried further and further on. */
static bool matches(const char *pattern, const char *name)
{
    const char *behind_star = NULL, *retry = name;
    while (*name) {
        if (*pattern == '*') {
            behind_star = ++pattern;
            retry = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (behind_star) {
            pattern = behind_star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}

bool name_set_add(struct name_set *set, enum policy_kind kind, const char *pattern)
{
    const char *known;
    bool any = strcmp(pattern, "*") == 0;

    if (any && kind != POLICY_RULE) /* there are no other rules */
        name_set_put(set, NAME_OTHER);
    for (size_t at = 0; at < NAME_OTHER && (known = name_at(kind, at)); at++)
        if (matches(pattern, known)) {
            name_set_put(set, at);
            any = true;
        }
    return any;
}

void name_set_join(struct name_set *set, const struct name_set *other)
{
    for (size_t i = 0; i < NAMES_MAX / 64; i++)
        set->bits[i] |= other->bits[i];
}

bool name_set_subtract(struct name_set *set, const struct name_set *other)
{
    bool any = false;
    for (size_t i = 0; i < NAMES_MAX / 64; i++) {
        any |= (set->bits[i] & other->bits[i]) != 0;
        set->bits[i] &= ~other->bits[i];
    }
    return any;
}

bool name_set_is_empty(const struct name_set *set)
{
    for (size_t i = 0; i < NAMES_MAX / 64; i++)
        if (set->bits[i])
            return false;
    return true;
}
