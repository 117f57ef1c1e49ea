/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/shard.h"
#include "scanner/say.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scanner/memory.h"

#define PROBLEM_SIZE ((size_t)160)
#define COUNT_MAX ((uint64_t)1 << 53) /* what cJSON prints exactly */

struct survey {
    struct shard *shard;
    struct infile in;
    struct ledger lines; /* for their hash */
    FILE *messages;
    bool begun, ended;
    uint64_t recorded, statuses[STATUS_COUNT];
    char problem[PROBLEM_SIZE];
};

/* --- members ---------------------------------------------------------------------------------- */

/* It has to be there. */
static bool need(struct members *m, bool found, const char *path)
{
    return found || members_fail(m, path, "missing");
}

static bool need_number(struct members *m, const cJSON *parent, const char *name, uint64_t *out)
{
    return need(m, member_number(m, member_of(parent, name), name, COUNT_MAX, out), name);
}

static bool need_time(struct members *m, const char *name, int64_t *out)
{
    return need(m, member_time(m, member_of(m->root, name), name, true, out), name);
}

static bool has_run_id(struct members *m, const char *run_id)
{
    const char *word = "";
    return need(m, member_word(m, member_of(m->root, "run_id"), "run_id", &word), "run_id") &&
           (strcmp(word, run_id) == 0 || members_fail(m, "run_id", "of another run"));
}

static bool find_status(const char *word, enum status *out)
{
    for (int s = 0; s < STATUS_COUNT; s++)
        if (strcmp(word, status_name((enum status)s)) == 0) {
            *out = (enum status)s;
            return true;
        }
    return false;
}

static bool read_status(struct members *m, const cJSON *parent, enum status *out)
{
    const char *word = "";
    return need(m, member_word(m, member_of(parent, "status"), "status", &word), "status") &&
           (find_status(word, out) || members_fail(m, "status", "not one of ours"));
}

/* --- the beginning ---------------------------------------------------------------------------- */

static const struct {
    const char *name, *path;
} traits[TRAIT_COUNT] = {[TRAIT_VERSION] = {"version of the scanner", "/scanner/version"},
                         [TRAIT_OPTIONS] = {"hash of targets and options", "/options_sha256"},
                         [TRAIT_SCOPE] = {"scope", "/scope"},
                         [TRAIT_SEED] = {"seed", "/seed"},
                         [TRAIT_RULESET] = {"set of rules", "/ruleset"},
                         [TRAIT_POLICIES] = {"list of policies", "/policies"},
                         [TRAIT_WAIVERS] = {"file of waivers", "/waivers"},
                         [TRAIT_BASELINE] = {"baseline", "/baseline"}};

const char *trait_name(enum trait trait)
{
    return traits[trait].name;
}

/* They are compared as texts: comparing trees takes time without bound. */
static bool read_traits(struct members *m, struct shard *s)
{
    for (int i = 0; i < TRAIT_COUNT; i++) {
        const cJSON *item = members_find(m, traits[i].path);
        if (item && !(s->traits[i] = cJSON_PrintUnformatted(item)))
            return members_fail(m, traits[i].path, "out of memory");
    }
    return true;
}

static bool read_run_id(struct members *m, struct shard *s)
{
    const char *word = "";
    member_word(m, member_of(m->root, "run_id"), "run_id", &word);
    if (strlen(word) != RUN_ID_SIZE - 1)
        return members_fail(m, "run_id", "none that a run has");
    memcpy(s->run_id, word, RUN_ID_SIZE);
    return true;
}

static bool read_place(struct members *m, struct shard *s)
{
    const cJSON *place = member_of(m->root, "shard");
    s->index = 0;
    s->count = 1;
    if (!place || cJSON_IsNull(place))
        return true;
    return need_number(m, place, "index", &s->index) && need_number(m, place, "count", &s->count) &&
           (s->index < s->count || members_fail(m, "shard", "there is no such one"));
}

static bool read_start(struct members *m, struct shard *s)
{
    static const char sources[] = "/vantage/source_addresses";
    s->waives = cJSON_IsObject(member_of(m->root, "waivers"));
    s->compared = cJSON_IsObject(member_of(m->root, "baseline"));
    return read_run_id(m, s) && need_time(m, "started", &s->started) && read_place(m, s) &&
           read_traits(m, s) &&
           (member_list(m, members_find(m, sources), sources, &s->sources) || !m->failed);
}

/* --- endpoints -------------------------------------------------------------------------------- */

static bool read_finding(struct members *m, const cJSON *item, struct shard_endpoint *e)
{
    const char *severity = "", *status = "", *novelty = "";
    enum severity found;
    member_word(m, member_of(item, "severity"), "findings/severity", &severity);
    member_word(m, member_of(item, "status"), "findings/status", &status);
    member_word(m, member_of(item, "baseline"), "findings/baseline", &novelty);
    if (m->failed || !severity_parse(severity, &found))
        return members_fail(m, "findings/severity", "not one of ours");
    if (strcmp(status, "open") != 0) {
        e->waived++;
        return true;
    }
    e->findings[found]++;
    e->fresh[found] += strcmp(novelty, "known") != 0;
    return true;
}

bool shard_endpoint_read(struct members *m, const char *run_id, struct shard_endpoint *e)
{
    static const char key[] = "/endpoint/key", ip[] = "/endpoint/ip";
    const cJSON *item;

    *e = (struct shard_endpoint){.key = NULL};
    if (!has_run_id(m, run_id) || !read_status(m, m->root, &e->status) ||
        !need(m, member_word(m, members_find(m, key), key, &e->key), key))
        return false;
    member_word(m, members_find(m, ip), ip, &e->ip);
    cJSON_ArrayForEach(item, member_of(m->root, "findings")) if (!read_finding(m, item, e)) break;
    return !m->failed;
}

/* --- the end ---------------------------------------------------------------------------------- */

static bool read_statuses(struct members *m, const cJSON *list, struct run_end *end)
{
    const cJSON *item;
    enum status status;
    uint64_t count;
    cJSON_ArrayForEach(item, list)
    {
        if (!read_status(m, item, &status) || !need_number(m, item, "count", &count))
            return false;
        end->totals.statuses[status] = count;
    }
    return true;
}

static bool read_counts(struct members *m, struct run_end *end)
{
    const cJSON *endpoints = member_of(m->root, "endpoints"), *hosts = member_of(m->root, "hosts");
    uint64_t code = 0;
    bool ok = need_number(m, endpoints, "recorded", &end->totals.recorded) &&
              read_statuses(m, member_of(endpoints, "by_status"), end) &&
              need_number(m, hosts, "scanned", &end->totals.hosts) &&
              need_number(m, hosts, "answered", &end->totals.answered) &&
              need_number(m, m->root, "exit_code", &code) &&
              (code <= 3 || members_fail(m, "exit_code", "none that there is"));
    end->exit_code = (int)code;
    return ok;
}

/* Does run_end count what stands above it? */
static bool check_counts(struct members *m, const struct survey *v)
{
    const struct run_end *end = &v->shard->end;
    bool right = end->totals.recorded == v->recorded;
    for (int s = 0; s < STATUS_COUNT; s++)
        right = right && end->totals.statuses[s] >= v->statuses[s];
    return right || members_fail(m, "endpoints", "not those that stand above");
}

static bool check_hash(struct members *m, struct survey *v)
{
    static const char path[] = "records_sha256";
    const char *word = "";
    member_word(m, member_of(m->root, path), path, &word);
    if (!ledger_hash(&v->lines, v->shard->hash))
        return members_fail(m, path, "out of memory");
    return strcmp(word, v->shard->hash) == 0 ||
           members_fail(m, path, "the lines above are not those that were written");
}

static bool read_waiver(struct members *m, const cJSON *item, struct usage *usage)
{
    static const char path[] = "waivers";
    const char *id = NULL, *expires = "";
    int64_t last_day;
    if (!need(m, member_word(m, member_of(item, "id"), path, &id), path) ||
        !need(m, member_word(m, member_of(item, "expires"), path, &expires), path))
        return false;
    if (!date_parse(expires, &last_day))
        return members_fail(m, path, "not a day");
    struct usage_item *u = usage_item(usage, id);
    if (!u)
        return members_fail(m, path, "out of memory, or more than there can be");
    memcpy(u->expires, expires, sizeof u->expires);
    u->last_day = last_day;
    return true;
}

static bool read_waivers(struct members *m, struct shard *s)
{
    const cJSON *list = member_of(m->root, "waivers"), *item;
    if (!s->waives)
        return true;
    if (!cJSON_IsArray(list))
        return members_fail(m, "waivers", "missing");
    if (!(s->usage = usage_new()))
        return members_fail(m, "waivers", "out of memory");
    cJSON_ArrayForEach(item, list) if (!read_waiver(m, item, s->usage)) return false;
    return true;
}

static bool read_end(struct members *m, struct survey *v)
{
    struct shard *s = v->shard;
    bool complete = false;
    member_truth(m, member_of(m->root, "complete"), "complete", &complete);
    if (!complete)
        return members_fail(m, "complete", "the scan was stopped");
    return has_run_id(m, s->run_id) && check_hash(m, v) && need_time(m, "time", &s->ended) &&
           (s->ended >= s->started || members_fail(m, "time", "before the run began")) &&
           read_counts(m, &s->end) && check_counts(m, v) && read_waivers(m, s);
}

/* --- lines ------------------------------------------------------------------------------------ */

static enum shard_state complain(struct survey *v, enum shard_state state, const char *problem)
{
    say(v->messages, "%s:%" PRIu64 ": %s", v->in.name, v->in.number, problem);
    return state;
}

/* What the file lacks as a whole. */
static enum shard_state reject(struct survey *v, enum shard_state state, const char *why)
{
    say(v->messages, "%s: %s", v->in.name, why);
    return state;
}

static bool take_endpoint(struct members *m, struct survey *v)
{
    struct shard_endpoint e;
    if (!shard_endpoint_read(m, v->shard->run_id, &e))
        return false;
    v->recorded++;
    v->statuses[e.status]++;
    return true;
}

/* What else there may be between the two is no part of the result: checkpoints. */
static enum shard_state take_record(struct survey *v, const cJSON *record)
{
    struct members m = {.root = record, .problem = v->problem, .size = sizeof v->problem};
    const char *type = member_of(record, "type")->valuestring;
    bool starts = strcmp(type, "run_start") == 0, ends = strcmp(type, "run_end") == 0, ok = true;

    if (!v->begun && !starts)
        return complain(v, SHARD_NONE, "not the beginning of a run");
    if (v->ended || (v->begun && starts))
        return complain(v, SHARD_PART, "more than one run");
    if (starts)
        ok = read_start(&m, v->shard);
    else if (ends)
        ok = read_end(&m, v);
    else if (strcmp(type, "endpoint") == 0)
        ok = take_endpoint(&m, v);
    v->begun = true;
    v->ended = ends;
    return ok ? SHARD_WHOLE : complain(v, SHARD_PART, v->problem);
}

static enum shard_state take_line(struct survey *v, struct span line)
{
    cJSON *record = members_parse(line);
    const char *fault = members_fault(record);
    enum shard_state state =
        !fault ? take_record(v, record) : complain(v, v->begun ? SHARD_PART : SHARD_NONE, fault);
    cJSON_Delete(record);
    ledger_note(&v->lines, line.at, line.len);
    return state;
}

/* --- the file --------------------------------------------------------------------------------- */

static enum shard_state read_lines(struct survey *v)
{
    enum shard_state state = SHARD_WHOLE;
    struct span line;
    while (state == SHARD_WHOLE) {
        switch (infile_next(&v->in, &line)) {
        case INFILE_LINE:
            state = take_line(v, line);
            break;
        case INFILE_TORN:
            return complain(v, SHARD_PART, "the last line is torn: the scan was interrupted");
        case INFILE_LONG:
            return complain(v, v->begun ? SHARD_PART : SHARD_NONE, "longer than a record can be");
        case INFILE_FAILED:
            return reject(v, SHARD_NONE, strerror(v->in.error));
        case INFILE_END:
            return v->ended
                       ? SHARD_WHOLE
                       : reject(v, SHARD_PART, "there is no run_end: the scan was interrupted");
        }
    }
    return state;
}

/* It will be read twice: first all that was written, and then what of it counts. */
static enum shard_state read_file(struct survey *v)
{
    struct stat status;
    if (fstat(v->in.fd, &status) < 0)
        return reject(v, SHARD_NONE, strerror(errno));
    if (v->in.fd == STDIN_FILENO || !S_ISREG(status.st_mode))
        return reject(v, SHARD_NONE, "no regular file: it has to be read twice");
    return ledger_init(&v->lines) ? read_lines(v) : reject(v, SHARD_NONE, "out of memory");
}

enum shard_state shard_survey(struct shard *shard, const char *path, FILE *messages)
{
    struct survey v = {.shard = shard, .messages = messages};
    enum shard_state state;

    *shard = (struct shard){.name = path};
    if (!infile_open(&v.in, path))
        return reject(&v, SHARD_NONE, strerror(v.in.error));
    struct memory_watch watch = memory_watch();
    state = read_file(&v);
    if (!memory_held(watch)) /* what it lacks is then nothing of the file's */
        state = reject(&v, SHARD_NONE, "out of memory");
    ledger_free(&v.lines);
    infile_close(&v.in);
    return state;
}

void shard_free_traits(struct shard *s)
{
    for (int i = 0; i < TRAIT_COUNT; i++) {
        cJSON_free(s->traits[i]);
        s->traits[i] = NULL;
    }
    usage_free(s->usage);
    s->usage = NULL;
}

void shard_free(struct shard *s)
{
    shard_free_traits(s);
    list_clear(&s->sources);
}
