/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/rules/judgement.h"

#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>

#include "output/hex.h"
#include "output/record.h"

void fingerprint(const char *rule, const char *key, const char *discriminator,
                 char out[FINGERPRINT_SIZE])
{
    const char *const parts[] = {"f1\n", rule, "\n", key, "\n", discriminator};
    unsigned char digest[32];
    char hex[2 * sizeof digest + 1] = "";
    gnutls_hash_hd_t hash;

    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) >= 0) {
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
            gnutls_hash(hash, parts[i], strlen(parts[i]));
        gnutls_hash_deinit(hash, digest);
        hex_encode(digest, sizeof digest, hex, sizeof hex);
    }
    snprintf(out, FINGERPRINT_SIZE, "f1-%.32s", hex);
}

/* The worst first; of equals the earlier rule. */
static bool add_finding(struct judgement *j, const struct rule *rule, const struct evidence *e,
                        const char *key)
{
    struct finding *findings = realloc(j->findings, (j->count + 1) * sizeof *findings);
    if (!findings)
        return false;
    j->findings = findings;
    size_t at = j->count++;
    for (; at > 0 && findings[at - 1].evidence.severity < e->severity; at--)
        findings[at] = findings[at - 1];
    findings[at] = (struct finding){.rule = rule, .evidence = *e};
    fingerprint(rule->id, key, e->discriminator, findings[at].fingerprint);
    return true;
}

static bool judge(const struct subject *s, struct judgement *j)
{
    char key[RECORD_KEY_MAX];
    const struct rule *rule;

    *j = (struct judgement){.worst = SEVERITY_NONE};
    record_key(s->host, s->o, key, sizeof key);
    for (size_t i = 0; (rule = rules_at(i)); i++) {
        struct evidence e = {.severity = rule->severity, .confidence = CONFIDENCE_CONFIRMED};
        enum verdict verdict = rule->judge(s, &e);
        bool open = verdict == VERDICT_NOT_TESTED || verdict == VERDICT_INCONCLUSIVE;
        j->checks[i] = (struct check){verdict, open ? e.reason : NULL};
        if (verdict == VERDICT_FAIL && !add_finding(j, rule, &e, key))
            return false;
    }
    if (j->count)
        j->worst = j->findings[0].evidence.severity;
    return true;
}

bool judge_host(const struct host_view *host, struct judgement *judgements)
{
    bool ok = true;
    for (size_t i = 0; i < host->count; i++) {
        struct subject s = subject_of(host, &host->endpoints[i]);
        ok = judge(&s, &judgements[i]) && ok;
    }
    return ok;
}

void judgements_free(struct judgement *judgements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(judgements[i].findings);
}
