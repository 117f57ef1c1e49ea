/* SPDX-License-Identifier: MIT */
#include "output/rules/judgement.h"

#include <gnutls/crypto.h>

#include "output/hex.h"
#include "output/record.h"
#include "scanner/grow.h"

/* A rule's id, a key and a discriminator. */
#define FINGERPRINT_TEXT_MAX (RECORD_KEY_MAX + 256)

void fingerprint(const char *rule, const char *key, const char *discriminator,
                 char out[FINGERPRINT_SIZE])
{
    const char *const parts[] = {"f1\n", rule, "\n", key, "\n", discriminator};
    char text[FINGERPRINT_TEXT_MAX];
    unsigned char digest[32];
    size_t len = 0;

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t n = strlen(parts[i]), room = sizeof text - len;
        n = n < room ? n : room;
        memcpy(text + len, parts[i], n);
        len += n;
    }
    memcpy(out, "f1-", sizeof "f1-");
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, text, len, digest) >= 0)
        hex_encode(digest, sizeof digest / 2, out + strlen("f1-"),
                   FINGERPRINT_SIZE - strlen("f1-"));
}

/* The worst first; of equals the earlier rule. */
static bool add_finding(struct judgement *j, size_t number, const struct evidence *e,
                        const char *key)
{
    const struct rule *rule = j->checks[number].rule;
    if (!grow(&j->findings, j->count, &j->max, sizeof *j->findings))
        return false;
    struct finding *findings = j->findings;
    size_t at = j->count++;
    for (; at > 0 && findings[at - 1].evidence.severity < e->severity; at--)
        findings[at] = findings[at - 1];
    findings[at].rule = rule;
    findings[at].number = number;
    findings[at].evidence = *e;
    findings[at].disposition = (struct disposition){.waiver = NULL};
    fingerprint(rule->id, key, e->discriminator, findings[at].fingerprint);
    return true;
}

static bool judge(const struct subject *s, struct judgement *j)
{
    struct rules_walk walk = {0};
    const struct rule *rule;
    char key[RECORD_KEY_MAX];
    struct evidence e;

    j->check_count = j->count = 0;
    record_key(s->host, s->o, key, sizeof key);
    while ((rule = rules_next(&walk))) {
        evidence_begin(&e, rule->severity);
        enum verdict verdict = rule->judge(s, &e);
        bool open = verdict == VERDICT_NOT_TESTED || verdict == VERDICT_INCONCLUSIVE;
        j->checks[j->check_count] = (struct check){rule, verdict, open ? e.reason : NULL};
        if (verdict == VERDICT_FAIL && !add_finding(j, j->check_count, &e, key))
            return false;
        j->check_count++;
    }
    j->worst = j->count ? j->findings[0].evidence.severity : SEVERITY_NONE;
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
