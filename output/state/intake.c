/* SPDX-License-Identifier: MIT */
/* intake.c: records, as they come, into staging tables. What cannot be is refused, record by
 * record. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/members.h"
#include "output/rules/rule.h"
#include "output/state/inside.h"
#include "output/state/schema.h"
#include "scanner/grow.h"
#include "scanner/quote.h"

#define FINDINGS_MAX 512 /* of one record */
#define POLICIES_MAX 64
#define LABELS_MAX ((size_t)16384) /* octets, as JSON: every change repeats them */
#define KEY_MAX ((size_t)512)

static const char *text_of(const cJSON *object, const char *name)
{
    const cJSON *item = member_of(object, name);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

static bool is_true(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(member_of(object, name));
}

/* The record is left out; what was taken before it stays. */
static enum state_taken refuse(struct state *s, const char *problem)
{
    snprintf(s->store.problem, sizeof s->store.problem, "%s", problem);
    return STATE_REFUSED;
}

static enum state_taken refuse_text(struct state *s, const char *problem, const char *text)
{
    snprintf(s->store.problem, sizeof s->store.problem, "%s: %s", problem,
             quote(span_of(text ? text : "")).text);
    return STATE_REFUSED;
}

static enum state_taken taken(const struct state *s)
{
    return s->store.failed ? STATE_FAILED : STATE_TAKEN;
}

/* A time that sorts as it is. */
static bool is_time(const char *text, bool milliseconds)
{
    char problem[64];
    struct members m = {.problem = problem, .size = sizeof problem};
    cJSON item = {.type = cJSON_String, .valuestring = (char *)(uintptr_t)text};
    int64_t ms;
    return text && member_time(&m, &item, "", milliseconds, &ms);
}

static bool note_time(struct state *s, const char *time)
{
    if (!is_time(time, true))
        return false;
    if (strcmp(time, s->run.time) > 0)
        snprintf(s->run.time, sizeof s->run.time, "%s", time);
    return true;
}

/* --- rules --------------------------------------------------------------------------------------- */

static int compare_rules(const void *name, const void *rule)
{
    return strcmp(name, ((const struct state_rule *)rule)->rule);
}

const struct state_rule *state_rule_find(const struct state *s, const char *name)
{
    return bsearch(name, s->rules, s->rule_count, sizeof *s->rules, compare_rules);
}

/* Keeps them in the order of their names. */
static struct state_rule *insert(struct state *s, const char *name, size_t at)
{
    size_t i = s->rule_count;
    if (i == RULES_KNOWN_MAX)
        return NULL;
    for (; i > 0 && strcmp(s->rules[i - 1].rule, name) > 0; i--)
        s->rules[i] = s->rules[i - 1];
    s->rules[i] = (struct state_rule){.at = at};
    snprintf(s->rules[i].rule, sizeof s->rules[i].rule, "%s", name);
    s->rule_count++;
    return &s->rules[i];
}

static bool is_rule_name(const char *name)
{
    size_t n = strlen(name);
    return n && n <= RULE_ID_MAX && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;
}

bool state_learn_rules(struct state *s)
{
    s->rule_count = 0;
    sqlite3_stmt *rows = store_ask(&s->store, "SELECT id, rule FROM rule", "");
    while (store_row(&s->store, rows)) {
        int64_t id = sqlite3_column_int64(rows, 0);
        const char *name = store_word(&s->store, rows, 1);
        if (id < 1 || (size_t)id > RULES_KNOWN_MAX || !is_rule_name(name) ||
            !insert(s, name, (size_t)id - 1)) {
            store_enough(rows);
            return store_fail(&s->store,
                              "it is damaged: a rule has a name or number that cannot be");
        }
    }
    for (size_t i = 0; i < s->rule_count; i++)
        if (s->rules[i].at >= s->rule_count)
            return store_fail(&s->store, "it is damaged: a rule is missing");
    return !s->store.failed;
}

struct state_rule *state_rule_of(struct state *s, const char *name)
{
    struct state_rule *rule = (struct state_rule *)(uintptr_t)state_rule_find(s, name);
    if (!rule) {
        if (!is_rule_name(name) || !(rule = insert(s, name, s->rule_count)))
            return NULL;
        store_do(&s->store, "INSERT INTO rule (id, rule) VALUES (?, ?)", "it",
                 (int64_t)rule->at + 1, name);
    }
    if (!rule->noted) {
        rule->noted = true;
        store_do(&s->store, "INSERT OR IGNORE INTO ruleset_rule VALUES (?, ?)", "ii",
                 s->run.ruleset, (int64_t)rule->at + 1);
    }
    return rule;
}

/* --- run_start ----------------------------------------------------------------------------------- */

static int64_t find_ruleset(struct state *s, const cJSON *record)
{
    const cJSON *ruleset = member_of(record, "ruleset");
    const char *version = text_of(member_of(record, "scanner"), "version");
    char name[80];

    version = version ? version : "";
    if (text_of(ruleset, "sha256")) {
        snprintf(name, sizeof name, "%s", text_of(ruleset, "sha256"));
        version = text_of(ruleset, "version") ? text_of(ruleset, "version") : version;
    } else {
        snprintf(name, sizeof name, "scanner %s", version);
    }
    store_do(&s->store, "INSERT INTO ruleset (name, version) VALUES (?, ?) ON CONFLICT DO NOTHING",
             "tt", name, version);
    return store_number(&s->store, "SELECT id FROM ruleset WHERE name = ?", "t", name);
}

static void take_policies(struct state *s, const cJSON *policies)
{
    const cJSON *policy;
    int count = 0;
    cJSON_ArrayForEach(policy, policies)
    {
        if (text_of(policy, "name") && count++ < POLICIES_MAX)
            store_do(&s->store, "INSERT OR IGNORE INTO run_policy VALUES (?, ?, ?, ?)", "ittt",
                     s->run.id, text_of(policy, "name"), text_of(policy, "version"),
                     text_of(policy, "sha256"));
    }
}

/* The run before, and whether one that was complete has asked the same. */
static void find_baseline(struct state *s)
{
    struct state_run *run = &s->run;
    sqlite3_stmt *rows = store_ask(
        &s->store, "SELECT id, run_id FROM run ORDER BY started DESC, run_id DESC LIMIT 1", "");
    if (store_row(&s->store, rows)) {
        run->baseline = sqlite3_column_int64(rows, 0);
        snprintf(run->baseline_id, sizeof run->baseline_id, "%s", store_line(&s->store, rows, 1));
        store_enough(rows);
    }
    run->comparable =
        store_number(&s->store,
                     "SELECT EXISTS (SELECT 1 FROM run WHERE complete AND options_sha256 = ?)", "t",
                     run->options) != 0;
}

static void insert_run(struct state *s, const cJSON *record, const char *started)
{
    struct state_run *run = &s->run;
    const char *scanner = text_of(member_of(record, "scanner"), "version");
    const char *waivers = text_of(member_of(record, "waivers"), "sha256");

    run->ruleset = find_ruleset(s, record);
    store_do(&s->store,
             "INSERT INTO run (run_id, started, scanner, ruleset, options_sha256, silent_recorded,"
             " waivers_sha256) VALUES (?, ?, ?, ?, ?, ?, ?)",
             "tttitit", run->run_id, started, scanner ? scanner : "", run->ruleset, run->options,
             (int64_t)(run->all || run->state), waivers);
    run->id = sqlite3_last_insert_rowid(s->store.db);
    take_policies(s, member_of(record, "policies"));
}

/* Why a run cannot be the next one. */
static enum state_taken check_run(struct state *s, const char *run_id, const char *started,
                                  const cJSON *shard)
{
    if (store_number(&s->store, "SELECT count(*) FROM run WHERE run_id = ?", "t", run_id))
        return STATE_KNOWN;
    if (cJSON_IsObject(shard))
        return refuse(s, "a shard by itself: `merge` makes one run of all shards first");
    if (store_number(&s->store, "SELECT count(*) FROM run WHERE (started, run_id) > (?, ?)", "tt",
                     started, run_id))
        return refuse(s, "older than a run that is there already: `state rebuild` puts all runs "
                         "into their order");
    return taken(s);
}

static bool is_run_id(const char *text)
{
    size_t n = strlen(text);
    return n && n < STATE_RUN_ID_SIZE && strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz-") == n;
}

static enum state_taken take_start(struct state *s, const cJSON *record)
{
    const char *run_id = text_of(record, "run_id"), *started = text_of(record, "started");
    const char *options = text_of(record, "options_sha256");
    const cJSON *asked = member_of(record, "options");

    if (s->running)
        return refuse(s, "a second run begins");
    if (!run_id || !is_run_id(run_id) || !is_time(started, true))
        return refuse(s, "a run without an id, or without a time");
    enum state_taken step = check_run(s, run_id, started, member_of(record, "shard"));
    if (step != STATE_TAKEN)
        return s->store.failed ? STATE_FAILED : step;
    s->run = (struct state_run){.all = is_true(asked, "all"), .state = is_true(asked, "state")};
    snprintf(s->run.run_id, sizeof s->run.run_id, "%s", run_id);
    snprintf(s->run.time, sizeof s->run.time, "%s", started);
    snprintf(s->run.options, sizeof s->run.options, "%s", options ? options : "");
    for (size_t i = 0; i < s->rule_count; i++)
        s->rules[i].noted = false;
    store_run(&s->store, schema_staging_clear);
    find_baseline(s);
    insert_run(s, record, started);
    s->running = !s->store.failed;
    return taken(s);
}

/* --- endpoint ------------------------------------------------------------------------------------ */

struct identity {
    const char *key, *protocol, *mode, *host, *ip, *time;
    int port;
    struct quote problem;
};

static bool is_short(const char *text)
{
    return text && *text && strlen(text) <= KEY_MAX;
}

static const char *read_identity(const cJSON *record, struct identity *id)
{
    const cJSON *endpoint = member_of(record, "endpoint"), *port = member_of(endpoint, "port");
    const cJSON *ip = member_of(endpoint, "ip");
    struct address address;

    id->key = text_of(endpoint, "key");
    id->protocol = text_of(endpoint, "protocol");
    id->mode = text_of(endpoint, "mode");
    id->host = text_of(endpoint, "host");
    id->ip = cJSON_IsString(ip) ? ip->valuestring : "";
    id->time = text_of(record, "time");
    if (!is_short(id->key) || !is_short(id->protocol) || !is_short(id->mode) || !is_short(id->host))
        return "an endpoint without a name, or with one that is too long";
    if (!cJSON_IsNumber(port) || port->valueint < 1 || port->valueint > 65535)
        return "an endpoint without a port";
    if (*id->ip && !address_parse(span_of(id->ip), &address))
        return "an endpoint at what is no address";
    if (ip && !cJSON_IsString(ip) && !cJSON_IsNull(ip))
        return "an endpoint at what is no address";
    id->port = port->valueint;
    return NULL;
}

bool status_is_answer(const char *status)
{
    static const char *const words[] = {"ok", "refused", "protocol_mismatch", "tls_error", "error"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(status, words[i]) == 0)
            return true;
    return false;
}

bool status_is_silence(const char *status)
{
    static const char *const words[] = {"closed", "timeout", "unreachable", "dns_error"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(status, words[i]) == 0)
            return true;
    return false;
}

/* --- checks */

struct checks {
    char *letters; /* one for each rule that is known */
    char *reasons; /* "RULE reason\n" … */
};

static bool take_letters(struct state *s, const cJSON *checks, const char *name, char letter,
                         char *letters)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, member_of(checks, name))
    {
        struct state_rule *rule = cJSON_IsString(item) ? state_rule_of(s, item->valuestring) : NULL;
        if (!rule)
            return false;
        letters[rule->at] = letter;
    }
    return true;
}

/* What was not tested because nobody asked for it. */
static void mark_not_asked(const struct state *s, const cJSON *checks, char *letters)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, member_of(checks, "reasons"))
    {
        const char *name = text_of(item, "rule"), *reason = text_of(item, "reason");
        const struct state_rule *rule = name ? state_rule_find(s, name) : NULL;
        if (rule && reason && strcmp(reason, "not_asked") == 0 &&
            letters[rule->at] == CHECK_NOT_TESTED)
            letters[rule->at] = CHECK_NOT_ASKED;
    }
}

/* What was not tested has reasons, and there are not many others. */
static char *take_reasons(const cJSON *checks)
{
    const cJSON *item;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    cJSON_ArrayForEach(item, member_of(checks, "reasons"))
    {
        const char *rule = text_of(item, "rule"), *reason = text_of(item, "reason");
        if (rule && reason && is_rule_name(rule) && strlen(reason) <= RULE_ID_MAX)
            fprintf(f, "%s %s\n", rule, reason);
    }
    if (fclose(f) == 0)
        return text;
    free(text);
    return NULL;
}

static bool take_checks(struct state *s, const cJSON *checks, struct checks *out)
{
    static const struct {
        const char *name;
        char letter;
    } lists[] = {{"pass", CHECK_PASS},
                 {"fail", CHECK_FAIL},
                 {"not_applicable", CHECK_NOT_APPLICABLE},
                 {"not_tested", CHECK_NOT_TESTED},
                 {"inconclusive", CHECK_INCONCLUSIVE}};
    out->letters = malloc(RULES_KNOWN_MAX + 1);
    out->reasons = take_reasons(checks);
    if (!out->letters || !out->reasons)
        return store_fail(&s->store, "out of memory");
    memset(out->letters, CHECK_NONE, RULES_KNOWN_MAX);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!take_letters(s, checks, lists[i].name, lists[i].letter, out->letters))
            return false;
    mark_not_asked(s, checks, out->letters);
    out->letters[s->rule_count] = '\0';
    return true;
}

/* --- facts */

static const char *starttls_word(const cJSON *starttls)
{
    const char *handshake = text_of(starttls, "handshake");
    const cJSON *accepted = member_of(starttls, "accepted");
    if (handshake && strcmp(handshake, "ok") == 0)
        return "works";
    if (handshake && strcmp(handshake, "failed") == 0)
        return "fails";
    bool silent = cJSON_IsFalse(member_of(starttls, "advertised"));
    if (cJSON_IsFalse(accepted))
        return silent ? "not_offered" : "refused";
    return silent && cJSON_IsFalse(member_of(starttls, "attempted")) ? "not_offered" : NULL;
}

/* Only a verdict that says something. */
static const char *login_word(const cJSON *auth)
{
    const char *verdict = text_of(member_of(auth, "cleartext_login"), "verdict");
    return verdict && (strcmp(verdict, "accepted") == 0 || strcmp(verdict, "refused") == 0)
               ? verdict
               : NULL;
}

static const char *versions_word(const cJSON *tls, char out[7])
{
    const cJSON *item;
    size_t i = 0;
    cJSON_ArrayForEach(item, member_of(tls, "versions"))
    {
        const char *status = text_of(item, "status");
        if (i < 6)
            out[i++] = !status                           ? '?'
                       : strcmp(status, "accepted") == 0 ? 'a'
                       : strcmp(status, "rejected") == 0 ? 'r'
                                                         : '?';
    }
    out[i] = '\0';
    return i == 6 ? out : NULL;
}

static void know_certificate(const cJSON *tls, const char *known[KNOWN_COUNT])
{
    const cJSON *certificate = member_of(tls, "certificate");
    if (cJSON_IsNull(certificate))
        known[KNOWN_CERTIFICATE] = "";
    if (!text_of(certificate, "sha256"))
        return;
    known[KNOWN_CERTIFICATE] = text_of(certificate, "sha256");
    known[KNOWN_SUBJECT] = text_of(certificate, "subject_dn");
    known[KNOWN_ISSUER] = text_of(certificate, "issuer_dn");
    known[KNOWN_NOT_AFTER] = text_of(certificate, "not_after");
}

/* What is there as JSON; NULL if it is not. The caller frees it. */
static char *json_text(struct state *s, const cJSON *item)
{
    char *text = item ? cJSON_PrintUnformatted(item) : NULL;
    if (item && !text)
        store_fail(&s->store, "out of memory");
    return text;
}

/* Likewise of a list of texts. */
static char *list_text(struct state *s, const cJSON *list)
{
    return json_text(s, cJSON_IsArray(list) ? list : NULL);
}

/* --- all of a record */

static bool take_findings(struct state *s, const struct identity *id, const cJSON *findings)
{
    const cJSON *finding, *item;
    int count = 0;
    cJSON_ArrayForEach(finding, findings)
    {
        const char *fingerprint = text_of(finding, "fingerprint"), *rule = text_of(finding, "rule");
        const char *severity = text_of(finding, "severity"), *title = text_of(finding, "title");
        const char *status = text_of(finding, "status");
        const cJSON *waiver = member_of(finding, "waiver");
        enum severity known;
        bool timed = false;
        if (!is_short(fingerprint) || !rule || !is_rule_name(rule) || !severity ||
            !severity_parse(severity, &known) || !title || count++ == FINDINGS_MAX)
            return false;
        cJSON_ArrayForEach(item, member_of(finding, "evidence")) timed |=
            item->string && strncmp(item->string, "days_", 5) == 0;
        store_do(&s->store,
                 "INSERT OR IGNORE INTO temp.seen_finding VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                 "ttttttittti", id->key, fingerprint, id->ip, rule, severity, title,
                 (int64_t)(status && strcmp(status, "waived") == 0), text_of(waiver, "id"),
                 text_of(waiver, "expires"), text_of(waiver, "reason"), (int64_t)timed);
    }
    return true;
}

/* The clauses of one list behind those of another, as a JSON list. */
static void add_clauses(struct state *s, cJSON *to, const cJSON *from)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, from)
    {
        if (cJSON_IsString(item) &&
            !member_put(to, NULL, cJSON_CreateStringReference(item->valuestring)))
            store_fail(&s->store, "out of memory");
    }
}

static void insert_verdict(struct state *s, const struct identity *id, const cJSON *policy,
                           const char *name, const char *verdict)
{
    const cJSON *clauses = member_of(policy, "clauses");
    cJSON *unknown = cJSON_CreateArray();
    if (!unknown)
        store_fail(&s->store, "out of memory");
    add_clauses(s, unknown, member_of(clauses, "not_tested"));
    add_clauses(s, unknown, member_of(clauses, "inconclusive"));
    char *failing = list_text(s, member_of(clauses, "fail"));
    char *unknown_text = list_text(s, unknown);
    store_do(&s->store, "INSERT OR IGNORE INTO temp.seen_policy VALUES (?,?,?,?,?,?)", "tttttt",
             id->key, id->ip, name, verdict, failing, unknown_text);
    cJSON_free(failing);
    cJSON_free(unknown_text);
    cJSON_Delete(unknown);
}

static bool take_verdicts(struct state *s, const struct identity *id, const cJSON *policies)
{
    const cJSON *policy;
    int count = 0;
    cJSON_ArrayForEach(policy, policies)
    {
        const char *name = text_of(policy, "name"), *verdict = text_of(policy, "verdict");
        if (!is_short(name) || !is_short(verdict) || count++ == POLICIES_MAX)
            return false;
        /* What is not known is no verdict. */
        if (strcmp(verdict, "not_tested") != 0 && strcmp(verdict, "inconclusive") != 0)
            insert_verdict(s, id, policy, name, verdict);
    }
    return true;
}

static bool insert_seen(struct state *s, const struct identity *id, const cJSON *record,
                        const char *label_text, const struct checks *checks,
                        const char *const known[KNOWN_COUNT])
{
    char facts[DIGEST_SIZE], trust[DIGEST_SIZE], labels[DIGEST_SIZE];
    if (!digest_facts(record, facts, trust) ||
        !digest_labels(member_of(member_of(record, "endpoint"), "labels"), labels))
        return store_fail(&s->store, "the facts cannot be hashed");
    return store_do(
        &s->store, "INSERT INTO temp.seen VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        "tttttitttttttttttttttttt", id->key, id->ip, id->protocol, id->mode, id->host,
        (int64_t)id->port, label_text, text_of(record, "status"), id->time, labels, facts, trust,
        checks->letters, checks->reasons, known[0], known[1], known[2], known[3], known[4],
        known[5], known[6], known[7], known[8], known[9]);
}

static bool take_facts(struct state *s, const struct identity *id, const cJSON *record,
                       const struct checks *checks)
{
    const cJSON *auth = member_of(record, "auth"), *tls = member_of(record, "tls");
    const cJSON *capabilities = member_of(auth, "capabilities");
    char versions[7];
    char *before = list_text(s, member_of(capabilities, "before_tls"));
    char *after = list_text(s, member_of(capabilities, "after_tls"));
    char *labels = json_text(s, member_of(member_of(record, "endpoint"), "labels"));
    const char *known[KNOWN_COUNT] = {
        [KNOWN_MODE] = text_of(member_of(record, "endpoint"), "observed_mode"),
        [KNOWN_STARTTLS] = starttls_word(member_of(record, "starttls")),
        [KNOWN_LOGIN] = login_word(auth),
        [KNOWN_VERSIONS] = versions_word(tls, versions),
        [KNOWN_BEFORE] = before,
        [KNOWN_AFTER] = after};
    know_certificate(tls, known);
    bool ok = labels ? strlen(labels) <= LABELS_MAX : true;
    if (ok)
        insert_seen(s, id, record, labels && *labels == '{' ? labels : "{}", checks, known);
    cJSON_free(before);
    cJSON_free(after);
    cJSON_free(labels);
    return ok && !s->store.failed;
}

/* The key and the address name it; the same ones twice cannot be told apart. */
static const char *check_places(struct state *s, const struct identity *id)
{
    if (store_number(&s->store, "SELECT count(*) FROM temp.seen WHERE key = ? AND ip = ?", "tt",
                     id->key, id->ip))
        return "an endpoint that is there already";
    if (store_number(&s->store, "SELECT count(*) FROM temp.seen WHERE key = ?", "t", id->key) >=
        PLACES_MAX)
        return "an endpoint at more addresses than there can be";
    return NULL;
}

static void drop(struct state *s, const struct identity *id)
{
    store_do(&s->store, "DELETE FROM temp.seen_finding WHERE key = ? AND ip = ?", "tt", id->key,
             id->ip);
    store_do(&s->store, "DELETE FROM temp.seen_policy WHERE key = ? AND ip = ?", "tt", id->key,
             id->ip);
}

static enum state_taken take_endpoint(struct state *s, const cJSON *record)
{
    struct identity id;
    struct checks checks = {0};
    const char *status = text_of(record, "status");
    const char *problem = read_identity(record, &id);

    if (!problem && (!status || (!status_is_answer(status) && !status_is_silence(status))))
        problem = "an endpoint of a status that is not known";
    if (!problem && !note_time(s, id.time))
        problem = "an endpoint without a time";
    if (!problem)
        problem = check_places(s, &id);
    if (problem)
        return refuse_text(s, problem, id.key);
    bool ok = take_checks(s, member_of(record, "checks"), &checks) &&
              take_findings(s, &id, member_of(record, "findings")) &&
              take_verdicts(s, &id, member_of(record, "policies")) &&
              take_facts(s, &id, record, &checks);
    free(checks.letters);
    free(checks.reasons);
    if (s->store.failed)
        return STATE_FAILED;
    if (ok) {
        s->run.recorded++;
        s->run.answered += status_is_answer(status);
        return STATE_TAKEN;
    }
    drop(s, &id);
    return refuse_text(s, "an endpoint with labels, checks or findings that cannot be", id.key);
}

/* --- the rest ------------------------------------------------------------------------------------ */

static enum state_taken take_not_asked(struct state *s, const cJSON *record)
{
    struct identity id;
    const char *reason = text_of(record, "reason"), *problem = read_identity(record, &id);

    if (!problem &&
        (!reason || (strcmp(reason, "excluded") != 0 && strcmp(reason, "out_of_scope") != 0)))
        problem = "an endpoint that was not asked for a reason that is not known";
    if (!problem && !note_time(s, id.time))
        problem = "an endpoint without a time";
    if (problem)
        return refuse_text(s, problem, id.key);
    store_do(&s->store, "INSERT OR IGNORE INTO temp.aside VALUES (?, ?, ?, ?)", "tttt", id.key,
             id.ip, reason, id.time);
    return taken(s);
}

static enum state_taken take_end(struct state *s, const cJSON *record)
{
    const char *time = text_of(record, "time"), *stopped = text_of(record, "stopped_by");
    const cJSON *item, *waivers = member_of(record, "waivers");

    if (!note_time(s, time))
        return refuse(s, "an end without a time");
    s->run.ended = true;
    s->run.complete = is_true(record, "complete");
    s->run.waivers_listed = cJSON_IsArray(waivers);
    cJSON_ArrayForEach(item, waivers)
    {
        if (text_of(item, "id") && text_of(item, "state"))
            store_do(&s->store, "INSERT OR IGNORE INTO temp.waiver VALUES (?, ?)", "tt",
                     text_of(item, "id"), text_of(item, "state"));
    }
    store_do(&s->store, "UPDATE run SET ended = ?, complete = ?, stopped_by = ? WHERE id = ?",
             "titi", time, (int64_t)s->run.complete, stopped, s->run.id);
    return taken(s);
}

/* Escapes of JSON can hide what no record has. */
static bool is_clean(const cJSON *item)
{
    for (; item; item = item->next)
        if ((item->string && !text_is_clean(span_of(item->string))) ||
            (cJSON_IsString(item) && !text_is_clean(span_of(item->valuestring))) ||
            !is_clean(item->child))
            return false;
    return true;
}

enum state_taken intake(struct state *s, const cJSON *record)
{
    const char *type = text_of(record, "type"), *run_id = text_of(record, "run_id");

    if (!type)
        return refuse(s, "no record: it has no type");
    if (!is_clean(record->child))
        return refuse(s, "a record with control characters in its texts");
    if (strcmp(type, "run_start") == 0)
        return take_start(s, record);
    if (!s->running)
        return refuse(s, "a record before any run_start");
    if (!run_id || strcmp(run_id, s->run.run_id) != 0)
        return refuse(s, "a record of another run");
    if (s->run.ended)
        return refuse(s, "a record behind the end of its run");
    if (strcmp(type, "endpoint") == 0)
        return take_endpoint(s, record);
    if (strcmp(type, "not_asked") == 0)
        return take_not_asked(s, record);
    return strcmp(type, "run_end") == 0 ? take_end(s, record) : taken(s);
}
