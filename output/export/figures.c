/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/export/figures.h"

#include <stdlib.h>
#include <string.h>

#include "output/members.h"
#include "scanner/grow.h"

#define DAY_MS ((int64_t)86400000)
#define COUNT_MAX 0x1p53
#define RULE_EXPECTED "EXPECTED-SERVICE-SILENT"

const char *const finding_status_words[] = {"open", "waived", NULL};
const char *const version_words[] = {"ssl2.0", "ssl3.0", "1.0", "1.1", "1.2", "1.3", NULL};
const char *const version_result_words[] = {"accepted", "rejected", "unknown", NULL};
const char *const login_words[] = {"accepted", "refused", "inconclusive", "not_tested", NULL};
const char *const upgrade_words[] = {"works", "fails", "refused", "not_offered", "not_known", NULL};
const char *const injection_words[] = {"vulnerable", "not_vulnerable", "inconclusive", "not_tested",
                                       NULL};
const char *const validity_words[] = {"valid",   "expires_30d", "expires_14d", "expires_7d",
                                      "expired", "not_known",   NULL};
const char *const expected_words[] = {"answered", "silent", "not_known", NULL};
const char *const trust_words[] = {"trusted", "not_trusted", "not_known", NULL};
const char *const check_words[] = {"pass",       "fail",         "not_applicable",
                                   "not_tested", "inconclusive", NULL};
const char *const policy_words[] = {"pass",       "warn",         "fail", "not_applicable",
                                    "not_tested", "inconclusive", NULL};
const char *const waiver_words[] = {"used", "expired", "stale", NULL};
const char *const not_asked_words[] = {"excluded", "out_of_scope", NULL};

/* --- members ---------------------------------------------------------------------------------- */

/* The word's number; -1: it is none of them. */
static int word_at(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

static void count_word(uint64_t *counts, const char *const *words, const char *word)
{
    int at = word_at(words, word);
    if (at >= 0)
        counts[at]++;
}

static bool is_true(const cJSON *record, const char *path)
{
    return cJSON_IsTrue(export_member(record, path));
}

static bool is_false(const cJSON *record, const char *path)
{
    return cJSON_IsFalse(export_member(record, path));
}

/* The member as a count; false if it is none. */
static bool read_count(const cJSON *record, const char *path, uint64_t *out)
{
    const cJSON *item = export_member(record, path);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= COUNT_MAX))
        return false;
    *out = (uint64_t)item->valuedouble;
    return true;
}

static struct moment moment_of(const cJSON *record, const char *path, bool milliseconds)
{
    char problem[128];
    struct members m = {.root = record, .problem = problem, .size = sizeof problem};
    struct moment moment = {0};
    moment.known = member_time(&m, export_member(record, path), path, milliseconds, &moment.ms);
    return moment;
}

/* As much of the text as there is room for, cut between characters. */
static void copy_text(char *out, size_t size, const char *text)
{
    bool lossy;
    text_clean(span_of(text), out, size, &lossy);
}

static int status_at(const char *name)
{
    int s = 0;
    while (s < STATUS_COUNT && strcmp(status_name((enum status)s), name) != 0)
        s++;
    return s;
}

/* --- groups, rules, policies ------------------------------------------------------------------ */

static void group_free(struct group *g)
{
    if (g) {
        free(g->rules);
        free(g->values);
        free(g);
    }
}

static int compare_values(const struct figures *f, const struct group *a, const struct group *b)
{
    int order = 0;
    for (size_t i = 0; i < f->options->label_count && order == 0; i++)
        order = strcmp(a->values[i], b->values[i]);
    return order;
}

static struct group *group_new(const struct figures *f)
{
    struct group *g = calloc(1, sizeof *g);
    if (g && !(g->values = calloc(f->options->label_count + 1, sizeof *g->values))) {
        free(g);
        return NULL;
    }
    return g;
}

static struct group *others_of(struct figures *f)
{
    if (!f->others && (f->others = group_new(f)))
        for (size_t i = 0; i < f->options->label_count; i++)
            copy_text(f->others->values[i], sizeof f->others->values[i], FIGURES_OTHER);
    return f->others;
}

static bool reserve_rules(struct group *g, size_t count)
{
    if (count <= g->rule_max)
        return true;
    finding_counts *rules = realloc(g->rules, count * sizeof *rules);
    if (!rules)
        return false;
    memset(rules + g->rule_max, 0, (count - g->rule_max) * sizeof *rules);
    g->rules = rules;
    g->rule_max = count;
    return true;
}

static void add_counts(finding_counts to, finding_counts from)
{
    for (int s = 0; s < SEVERITY_COUNT; s++)
        for (int w = 0; w < FINDING_STATUS_COUNT; w++)
            to[s][w] += from[s][w];
}

/* What was counted for one is counted for another. */
static bool group_add(struct group *to, struct group *from)
{
    if (!reserve_rules(to, from->rule_max))
        return false;
    add_counts(to->total, from->total);
    for (size_t r = 0; r < from->rule_max; r++)
        add_counts(to->rules[r], from->rules[r]);
    return true;
}

/* Where the group is, or belongs. */
static size_t group_place(const struct figures *f, const struct group *wanted, bool *there)
{
    size_t low = 0, high = f->group_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_values(f, f->groups[middle], wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *there = low < f->group_count && compare_values(f, f->groups[low], wanted) == 0;
    return low;
}

/* Those that stay are the first by their values, whatever the order in which they come: the last one
   gives way, and never comes back, for it is behind all that stay. */
static bool make_place(struct figures *f)
{
    if (f->group_count < FIGURES_GROUPS_MAX)
        return true;
    struct group *last = f->groups[f->group_count - 1];
    if (!others_of(f) || !group_add(f->others, last))
        return false;
    group_free(last);
    f->group_count--;
    return true;
}

/* Takes the group, or gives the one that is there. NULL: no memory. */
static struct group *group_settle(struct figures *f, struct group *g)
{
    bool there;
    size_t at = group_place(f, g, &there);
    bool beyond = !there && at == FIGURES_GROUPS_MAX;

    if (there || beyond) {
        group_free(g);
        return there ? f->groups[at] : others_of(f);
    }
    if (!make_place(f)) {
        group_free(g);
        return NULL;
    }
    memmove(f->groups + at + 1, f->groups + at, (f->group_count - at) * sizeof *f->groups);
    f->group_count++;
    return f->groups[at] = g;
}

/* The endpoint's group. Whoever is called as the others are is one of them. */
static struct group *find_group(struct figures *f, const cJSON *record)
{
    const cJSON *labels = export_member(record, "endpoint/labels");
    struct group *g = group_new(f);
    size_t others = 0;

    if (!g)
        return NULL;
    for (size_t i = 0; i < f->options->label_count; i++) {
        const cJSON *value = member_of(labels, f->options->labels[i]);
        if (cJSON_IsString(value))
            copy_text(g->values[i], sizeof g->values[i], value->valuestring);
        others += strcmp(g->values[i], FIGURES_OTHER) == 0;
    }
    if (!others || others < f->options->label_count)
        return group_settle(f, g);
    group_free(g);
    return others_of(f);
}

static size_t find_rule(const struct figures *f, const char *name)
{
    size_t i = 0;
    while (i < f->rule_count && strcmp(f->rules[i], name) != 0)
        i++;
    return i;
}

/* The rule's number; FIGURES_RULES_MAX: no memory. */
static size_t rule_at(struct figures *f, const char *id)
{
    char name[FIGURES_NAME_MAX + 1];
    copy_text(name, sizeof name, id);
    size_t at = find_rule(f, name);
    if (at == f->rule_count && at >= FIGURES_RULES_MAX - 1) {
        copy_text(name, sizeof name, FIGURES_OTHER);
        at = find_rule(f, name);
    }
    if (at < f->rule_count)
        return at;
    if (!grow(&f->rules, f->rule_count, &f->rule_max, sizeof *f->rules))
        return FIGURES_RULES_MAX;
    memcpy(f->rules[f->rule_count], name, sizeof name);
    return f->rule_count++;
}

static struct policy_figures *find_policy(struct figures *f, const char *policy)
{
    char name[FIGURES_NAME_MAX + 1];
    copy_text(name, sizeof name, policy);
    for (size_t i = 0; i < f->policy_count; i++)
        if (strcmp(f->policies[i].name, name) == 0)
            return &f->policies[i];
    if (!*name || f->policy_count == FIGURES_POLICIES_MAX)
        return NULL;
    struct policy_figures *p = &f->policies[f->policy_count++];
    *p = (struct policy_figures){0};
    memcpy(p->name, name, sizeof name);
    return p;
}

/* --- endpoints -------------------------------------------------------------------------------- */

static bool take_finding(struct figures *f, struct group *group, const cJSON *finding)
{
    enum severity severity;
    int status = word_at(finding_status_words, export_text(finding, "status"));
    if (status < 0 || !severity_parse(export_text(finding, "severity"), &severity))
        return true;
    size_t rule = rule_at(f, export_text(finding, "rule"));
    if (rule == FIGURES_RULES_MAX || !reserve_rules(group, rule + 1))
        return false;
    group->rules[rule][severity][status]++;
    group->total[severity][status]++;
    return true;
}

static bool take_findings(struct figures *f, const cJSON *record)
{
    struct group *group = find_group(f, record);
    const cJSON *finding;
    if (!group)
        return false;
    cJSON_ArrayForEach(finding, export_member(record, "findings"))
    {
        if (!take_finding(f, group, finding))
            return false;
    }
    return true;
}

/* The version's number; -1: it is none of ours. */
static int version_at(const cJSON *row)
{
    char name[32];
    bool ssl = strcmp(export_text(row, "protocol"), "ssl") == 0;
    snprintf(name, sizeof name, "%s%s", ssl ? "ssl" : "", export_text(row, "version"));
    return word_at(version_words, name);
}

static void read_versions(const cJSON *tls, int results[VERSIONS_COUNT])
{
    const cJSON *row;
    for (int v = 0; v < VERSIONS_COUNT; v++)
        results[v] = RESULT_UNKNOWN;
    cJSON_ArrayForEach(row, member_of(tls, "versions"))
    {
        int v = version_at(row), result = word_at(version_result_words, export_text(row, "status"));
        if (v >= 0)
            results[v] = result >= 0 ? result : RESULT_UNKNOWN;
    }
}

/* Accepted, and then TLS was spoken: by a handshake, or where none was asked for by a hello that was
   answered. */
static enum upgrade upgrade_of(const cJSON *record)
{
    const char *handshake = export_text(record, "starttls/handshake");
    bool answered = cJSON_GetArraySize(export_member(record, "tls/versions_accepted")) > 0;

    if (is_true(record, "starttls/accepted")) {
        if (strcmp(handshake, "failed") == 0)
            return UPGRADE_FAILS;
        return strcmp(handshake, "ok") == 0 || answered ? UPGRADE_WORKS : UPGRADE_UNKNOWN;
    }
    bool refused = is_false(record, "starttls/accepted");
    bool not_tried = is_false(record, "starttls/attempted");
    if (is_false(record, "starttls/advertised") && (refused || not_tried))
        return UPGRADE_NONE;
    return refused ? UPGRADE_REFUSED : UPGRADE_UNKNOWN;
}

static void take_upgrade(struct figures *f, const cJSON *record)
{
    if (!cJSON_IsObject(export_member(record, "starttls")))
        return;
    f->upgrades[upgrade_of(record)]++;
    count_word(f->injections, injection_words, export_text(record, "starttls/injection"));
}

static enum validity validity_of(int64_t left)
{
    return left < 0             ? VALIDITY_EXPIRED
           : left < 7 * DAY_MS  ? VALIDITY_7D
           : left < 14 * DAY_MS ? VALIDITY_14D
           : left < 30 * DAY_MS ? VALIDITY_30D
                                : VALIDITY_VALID;
}

/* A certificate of version 0 cannot be read. */
static struct moment end_of_certificate(const cJSON *certificate)
{
    uint64_t version;
    if (read_count(certificate, "version", &version) && version == 0)
        return (struct moment){0};
    return moment_of(certificate, "not_after", false);
}

/* As of the time at which the endpoint was asked. */
static void take_certificate(struct figures *f, const cJSON *record, struct moment not_after)
{
    const cJSON *certificate = export_member(record, "tls/certificate");
    struct moment now = moment_of(record, "time", true);

    if (cJSON_IsNull(certificate))
        return;
    bool known = not_after.known && now.known;
    f->validity[known ? validity_of(not_after.ms - now.ms) : VALIDITY_UNKNOWN]++;
    f->trust[is_true(record, "tls/verify/trusted")    ? TRUST_YES
             : is_false(record, "tls/verify/trusted") ? TRUST_NO
                                                      : TRUST_UNKNOWN]++;
    bool earlier = !f->earliest.known || not_after.ms < f->earliest.ms;
    if (known && not_after.ms >= now.ms && earlier)
        f->earliest = not_after;
}

static bool has_rule(const cJSON *list, const char *id)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, id) == 0)
            return true;
    }
    return false;
}

/* In the order of check_words. */
static void take_checks(struct figures *f, const cJSON *record)
{
    static const int expected[CHECK_WORDS] = {EXPECTED_ANSWERED, EXPECTED_SILENT, -1,
                                              EXPECTED_UNKNOWN, EXPECTED_UNKNOWN};
    const cJSON *checks = export_member(record, "checks");
    for (int i = 0; i < CHECK_WORDS; i++) {
        const cJSON *list = member_of(checks, check_words[i]);
        f->checks[i] += (uint64_t)cJSON_GetArraySize(list);
        if (!has_rule(list, RULE_EXPECTED))
            continue;
        f->expected_known = true;
        if (expected[i] >= 0)
            f->expected[expected[i]]++;
    }
}

static void take_policies(struct figures *f, const cJSON *record)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, export_member(record, "policies"))
    {
        struct policy_figures *p = find_policy(f, export_text(item, "name"));
        if (p)
            count_word(p->verdicts, policy_words, export_text(item, "verdict"));
    }
}

static bool keep_place(struct figures *f, const cJSON *record, struct place facts)
{
    char key[FIGURES_KEY_MAX + 1], ip[FIGURES_VALUE_MAX + 1];
    if (!f->options->per_endpoint)
        return true;
    if (f->place_count >= f->options->per_endpoint) {
        f->too_many = true;
        return true;
    }
    copy_text(key, sizeof key, export_text(record, "endpoint/key"));
    copy_text(ip, sizeof ip, export_text(record, "endpoint/ip"));
    facts.key = strdup(key);
    facts.ip = strdup(ip);
    facts.number = f->place_count;
    if (!facts.key || !facts.ip ||
        !grow(&f->places, f->place_count, &f->place_max, sizeof *f->places)) {
        free(facts.key);
        free(facts.ip);
        return false;
    }
    f->places[f->place_count++] = facts;
    return true;
}

static bool take_endpoint(struct figures *f, const cJSON *record)
{
    const cJSON *tls = export_member(record, "tls");
    struct place facts = {
        .status = status_at(export_text(record, "status")),
        .not_after = end_of_certificate(member_of(tls, "certificate")),
        .advertised = is_true(record, "starttls/advertised")    ? 1
                      : is_false(record, "starttls/advertised") ? 0
                                                                : -1,
    };
    f->recorded++;
    read_versions(tls, facts.versions);
    if (cJSON_IsObject(tls)) {
        for (int v = 0; v < VERSIONS_COUNT; v++)
            f->versions[v][facts.versions[v]]++;
        take_certificate(f, record, facts.not_after);
    }
    if (export_member(record, "auth"))
        count_word(f->logins, login_words, export_text(record, "auth/cleartext_login/verdict"));
    take_upgrade(f, record);
    take_checks(f, record);
    take_policies(f, record);
    return take_findings(f, record) && keep_place(f, record, facts);
}

/* --- runs ------------------------------------------------------------------------------------- */

/* Nothing but the options stays. */
static void forget(struct figures *f)
{
    for (size_t i = 0; i < f->group_count; i++)
        group_free(f->groups[i]);
    group_free(f->others);
    for (size_t i = 0; i < f->place_count; i++) {
        free(f->places[i].key);
        free(f->places[i].ip);
    }
    free(f->places);
    free(f->rules);
    *f = (struct figures){.options = f->options};
}

static void begin_run(struct figures *f, const cJSON *record)
{
    forget(f);
    f->any = true;
    copy_text(f->run_id, sizeof f->run_id, export_text(record, "run_id"));
}

static bool take_start(struct figures *f, const cJSON *record, const char **problem)
{
    const cJSON *item;
    double shard = export_number(record, "shard/index");
    double shards = export_number(record, "shard/count");

    if (f->any && shards >= 2 && shards == f->shards && shard != f->shard) {
        *problem = "these are shards, and none is a run: \"merge\" makes one of them";
        return false;
    }
    begin_run(f, record);
    f->shard = shard;
    f->shards = shards;
    f->started = moment_of(record, "started", true);
    f->with_state = is_true(record, "options/state");
    copy_text(f->version, sizeof f->version, export_text(record, "scanner/version"));
    copy_text(f->ruleset_version, sizeof f->ruleset_version,
              export_text(record, "ruleset/version"));
    copy_text(f->ruleset_sha256, sizeof f->ruleset_sha256, export_text(record, "ruleset/sha256"));
    cJSON_ArrayForEach(item, export_member(record, "policies"))
    {
        find_policy(f, export_text(item, "name"));
    }
    return true;
}

static void take_statuses(struct figures *f, const cJSON *list)
{
    const cJSON *row;
    f->statuses_known = cJSON_IsArray(list);
    cJSON_ArrayForEach(row, list)
    {
        uint64_t count;
        int s = status_at(export_text(row, "status"));
        if (s < STATUS_COUNT && read_count(row, "count", &count))
            f->statuses[s] = count;
    }
}

static void take_end(struct figures *f, const cJSON *record)
{
    const cJSON *row, *waivers = export_member(record, "waivers");
    uint64_t duration;

    f->ended = true;
    f->complete = is_true(record, "complete");
    f->end = moment_of(record, "time", true);
    f->duration.known = read_count(record, "duration_ms", &duration);
    f->duration.ms = f->duration.known ? (int64_t)duration : 0;
    f->hosts_known = read_count(record, "hosts/scanned", &f->hosts_scanned) &&
                     read_count(record, "hosts/answered", &f->hosts_answered);
    take_statuses(f, export_member(record, "endpoints/by_status"));
    f->waivers_known = cJSON_IsArray(waivers);
    cJSON_ArrayForEach(row, waivers)
    {
        count_word(f->waivers, waiver_words, export_text(row, "state"));
    }
}

bool figures_take(struct figures *f, const char *type, const cJSON *record, const char **problem)
{
    static const char *const types[] = {"endpoint", "checkpoint", "not_asked", "run_end", NULL};

    *problem = NULL;
    if (strcmp(type, "run_start") == 0)
        return take_start(f, record, problem);
    if (word_at(types, type) < 0)
        return true;
    if (!f->any || strcmp(f->run_id, export_text(record, "run_id")) != 0)
        begin_run(f, record);
    if (strcmp(type, "endpoint") == 0)
        return take_endpoint(f, record);
    if (strcmp(type, "not_asked") == 0)
        count_word(f->not_asked, not_asked_words, export_text(record, "reason"));
    else if (strcmp(type, "run_end") == 0)
        take_end(f, record);
    return true;
}

static int compare_policies(const void *a, const void *b)
{
    return strcmp(((const struct policy_figures *)a)->name,
                  ((const struct policy_figures *)b)->name);
}

static int compare_places(const void *first, const void *second)
{
    const struct place *a = first, *b = second;
    int order = strcmp(a->key, b->key);
    if (order == 0)
        order = strcmp(a->ip, b->ip);
    return order ? order : (a->number > b->number) - (a->number < b->number);
}

/* Of records of one endpoint the last counts. */
static void drop_doubles(struct figures *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->place_count; i++) {
        struct place *p = &f->places[i];
        bool again = kept && strcmp(f->places[kept - 1].key, p->key) == 0 &&
                     strcmp(f->places[kept - 1].ip, p->ip) == 0;
        if (again) {
            kept--;
            free(f->places[kept].key);
            free(f->places[kept].ip);
        }
        f->places[kept++] = *p;
    }
    f->place_count = kept;
}

void figures_settle(struct figures *f)
{
    qsort(f->policies, f->policy_count, sizeof *f->policies, compare_policies);
    if (f->place_count)
        qsort(f->places, f->place_count, sizeof *f->places, compare_places);
    drop_doubles(f);
}

void figures_init(struct figures *f, const struct export_options *options)
{
    *f = (struct figures){.options = options};
}

void figures_free(struct figures *f)
{
    forget(f);
}
