/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/account.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

/* --- members ---------------------------------------------------------------------------------- */

bool account_word(struct members *m, const cJSON *parent, const char *name, const char *path,
                  const char **out)
{
    return member_word(m, member_of(parent, name), path, out) || members_fail(m, path, "missing");
}

bool account_number(struct members *m, const cJSON *parent, const char *name, const char *path,
                    uint64_t max, uint64_t *out)
{
    return member_number(m, member_of(parent, name), path, max, out) ||
           members_fail(m, path, "missing");
}

/* A SHA-256, as the text that it is. */
bool account_hash(struct members *m, const cJSON *parent, const char *name, const char *path,
                  char out[CONTINUATION_HASH_SIZE])
{
    unsigned char octets[32];
    const char *word;
    if (!member_octets(m, member_of(parent, name), path, octets, sizeof octets) ||
        !account_word(m, parent, name, path, &word))
        return members_fail(m, path, "missing");
    memcpy(out, word, CONTINUATION_HASH_SIZE);
    return true;
}

bool account_is_of_run(struct members *m, const struct continuation *c)
{
    const char *id;
    return account_word(m, m->root, "run_id", "/run_id", &id) &&
           (strcmp(id, c->run_id) == 0 || members_fail(m, "/run_id", "of another run"));
}

/* --- run_start -------------------------------------------------------------------------------- */

/* Digits, as put_seed() writes them; null: there is none. */
bool account_seed(struct members *m, bool *seeded, uint64_t *seed)
{
    const char *word;
    char *end;
    if (!member_word(m, member_of(m->root, "seed"), "/seed", &word))
        return !m->failed;
    errno = 0;
    *seed = strtoull(word, &end, 10);
    if (!ascii_digit(*word) || *end || errno)
        return members_fail(m, "/seed", "not a number");
    *seeded = true;
    return true;
}

static bool read_shard(struct members *m, struct continuation *c)
{
    const cJSON *shard = member_of(m->root, "shard");
    uint64_t index, count;
    if (!shard || cJSON_IsNull(shard))
        return true;
    if (!account_number(m, shard, "count", "/shard/count", UINT_MAX, &count) ||
        !account_number(m, shard, "index", "/shard/index", UINT_MAX, &index))
        return false;
    if (index >= count)
        return members_fail(m, "/shard/index", "there is no such shard");
    c->shard = (unsigned)index;
    c->shards = (unsigned)count;
    return true;
}

static bool read_policies(struct members *m, struct continuation *c)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, member_of(m->root, "policies"))
    {
        if (c->policy_count == POLICIES_MAX)
            return members_fail(m, "/policies", "more than there can be");
        if (!account_hash(m, item, "sha256", "/policies/sha256", c->policies[c->policy_count]))
            return false;
        c->policy_count++;
    }
    return true;
}

/* {"sha256": …}; null or nothing: "". */
static bool read_exception(struct members *m, const char *name, const char *path, char *hash)
{
    const cJSON *item = member_of(m->root, name);
    return !item || cJSON_IsNull(item) || account_hash(m, item, "sha256", path, hash);
}

static bool read_exceptions(struct members *m, struct continuation *c)
{
    return read_exception(m, "waivers", "/waivers/sha256", c->waivers) &&
           read_exception(m, "baseline", "/baseline/sha256", c->baseline);
}

bool account_start(struct members *m, struct continuation *c)
{
    const cJSON *scanner = member_of(m->root, "scanner");
    const cJSON *total = member_of(member_of(m->root, "scope"), "targets_total");
    const char *id, *version;

    if (!account_word(m, m->root, "run_id", "/run_id", &id) ||
        !account_word(m, scanner, "version", "/scanner/version", &version))
        return false;
    if (strlen(id) != RUN_ID_SIZE - 1)
        return members_fail(m, "/run_id", "not one of ours");
    snprintf(c->run_id, sizeof c->run_id, "%s", id);
    snprintf(c->version, sizeof c->version, "%s", version);
    c->streamed = cJSON_IsNull(total);
    if (!member_time(m, member_of(m->root, "started"), "/started", true, &c->started))
        return members_fail(m, "/started", "missing");
    return account_hash(m, m->root, "options_sha256", "/options_sha256", c->options_sha256) &&
           account_seed(m, &c->seeded, &c->seed) && read_shard(m, c) && read_policies(m, c) &&
           read_exceptions(m, c);
}

/* --- totals ----------------------------------------------------------------------------------- */

/* The first of them that has the name; count if none has. */
static int find_name(const char *const *names, int count, const char *name)
{
    int i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

/* [{NAME: one of the names, "count": …}, …] */
static bool read_counts(struct members *m, const cJSON *list, const char *name, const char *path,
                        const char *const *names, int count, uint64_t *counts)
{
    const cJSON *item;
    const char *word;
    if (!cJSON_IsArray(list))
        return members_fail(m, path, "not a list");
    cJSON_ArrayForEach(item, list)
    {
        if (!account_word(m, item, name, path, &word))
            return false;
        int i = find_name(names, count, word);
        if (i == count || counts[i])
            return members_fail(m, path, "not one of ours, or there already");
        if (!account_number(m, item, "count", path, ACCOUNT_COUNT_MAX, &counts[i]))
            return false;
    }
    return true;
}

/* [{"id": …, "findings": …}, …] */
static bool read_usage(struct members *m, struct usage *usage)
{
    static const char path[] = "/waivers";
    const cJSON *list = member_of(m->root, "waivers"), *item;
    const char *id;
    uint64_t findings;
    if (!cJSON_IsArray(list))
        return members_fail(m, path, "not a list");
    cJSON_ArrayForEach(item, list)
    {
        struct usage_item *u = NULL;
        if (!account_word(m, item, "id", path, &id) ||
            !account_number(m, item, "findings", path, ACCOUNT_COUNT_MAX, &findings))
            return false;
        if (!(u = usage_item(usage, id)))
            return members_fail(m, path, "out of memory, or more than there can be");
        u->findings = findings;
    }
    return true;
}

/* The tally has a usage, and is compared, if the run is. */
static bool read_tally(struct members *m, struct tally *t)
{
    const char *severities[SEVERITY_COUNT];
    for (int i = 0; i < SEVERITY_COUNT; i++)
        severities[i] = severity_name((enum severity)i);
    if (!read_counts(m, member_of(m->root, "findings"), "severity", "/findings", severities,
                     SEVERITY_COUNT, t->findings) ||
        !account_number(m, m->root, "waived", "/waived", ACCOUNT_COUNT_MAX, &t->waived) ||
        (t->usage && !read_usage(m, t->usage)))
        return false;
    if (!t->compared)
        memcpy(t->fresh, t->findings, sizeof t->fresh);
    else if (!read_counts(m, member_of(m->root, "findings_new"), "severity", "/findings_new",
                          severities, SEVERITY_COUNT, t->fresh))
        return false;
    for (int i = 0; i < SEVERITY_COUNT; i++)
        if (t->fresh[i] > t->findings[i])
            return members_fail(m, "/findings_new", "more than are open");
    return true;
}

/* With nothing counted. False: out of memory. */
bool account_begin(const struct continuation *c, struct tally *t)
{
    *t = (struct tally){.compared = *c->baseline != '\0'};
    return !*c->waivers || (t->usage = usage_new());
}

/* What is in them before is lost, and what they own is the caller's, in any case. */
bool account_totals(struct members *m, const struct continuation *c, struct totals *t)
{
    const cJSON *endpoints = member_of(m->root, "endpoints"), *hosts = member_of(m->root, "hosts");
    const char *statuses[STATUS_COUNT];
    uint64_t sum = 0;

    for (int i = 0; i < STATUS_COUNT; i++)
        statuses[i] = status_name((enum status)i);
    *t = (struct totals){0};
    if (!account_begin(c, &t->tally))
        return members_fail(m, "/waivers", "out of memory");
    if (!account_number(m, endpoints, "recorded", "/endpoints/recorded", ACCOUNT_COUNT_MAX,
                        &t->recorded) ||
        !account_number(m, hosts, "scanned", "/hosts/scanned", ACCOUNT_COUNT_MAX, &t->hosts) ||
        !account_number(m, hosts, "answered", "/hosts/answered", ACCOUNT_COUNT_MAX, &t->answered) ||
        !read_counts(m, member_of(endpoints, "by_status"), "status", "/endpoints/by_status",
                     statuses, STATUS_COUNT, t->statuses) ||
        !read_tally(m, &t->tally))
        return false;
    for (int i = 0; i < STATUS_COUNT; i++)
        sum += t->statuses[i];
    if (sum < t->recorded)
        return members_fail(m, "/endpoints/by_status", "fewer than were recorded");
    return t->answered <= t->hosts || members_fail(m, "/hosts/answered", "more than were scanned");
}
