/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/merge.h"

#include <inttypes.h>
#include <stdlib.h>

#include "output/keys.h"
#include "output/revision.h"
#include "scanner/grow.h"
#include "scanner/quote.h"
#include "scanner/say.h"

#define PIECE ((size_t)1 << 16) /* octets of lines that are written at once */

void merge_free(struct merge *m)
{
    for (size_t i = 0; i < m->count; i++)
        shard_free(&m->shards[i]);
    free(m->shards);
    for (int i = 0; i < TRAIT_COUNT; i++)
        cJSON_free(m->traits[i]);
    usage_free(m->usage);
}

/* --- which shards there are ------------------------------------------------------------------- */

static void tell_difference(const struct merge *m, const struct shard *s, const char *what,
                            const char *theirs, const char *ours)
{
    say(m->messages, "%s: of another run than %s: another %s: %s and %s", s->name,
        m->shards[0].name, what, quote(span_of(theirs ? theirs : "none")).text,
        quote(span_of(ours ? ours : "none")).text);
}

static bool is_same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Says everything in which they differ. */
static bool is_of_this_run(const struct merge *m, const struct shard *s)
{
    bool same = true;
    for (int i = 0; i < TRAIT_COUNT; i++)
        if (!is_same(s->traits[i], m->traits[i])) {
            tell_difference(m, s, trait_name((enum trait)i), s->traits[i], m->traits[i]);
            same = false;
        }
    if (s->count != m->expected) {
        char theirs[24], ours[24];
        snprintf(theirs, sizeof theirs, "%" PRIu64, s->count);
        snprintf(ours, sizeof ours, "%" PRIu64, m->expected);
        tell_difference(m, s, "number of shards", theirs, ours);
        same = false;
    }
    return same;
}

/* The first shard says what all of them must be. */
static void take_as_model(struct merge *m, struct shard *s)
{
    memcpy(m->traits, s->traits, sizeof m->traits);
    memset(s->traits, 0, sizeof s->traits);
    m->expected = s->count;
    m->compared = s->compared;
    m->usage = s->usage;
    s->usage = NULL;
}

static enum shard_state take(struct merge *m, struct shard *s)
{
    if (!grow(&m->shards, m->count, &m->capacity, sizeof *m->shards)) {
        say(m->messages, "%s: out of memory", s->name);
        return SHARD_NONE;
    }
    if (!m->count)
        take_as_model(m, s);
    else if (!is_of_this_run(m, s))
        m->mixed = true;
    shard_free_traits(s);
    m->shards[m->count++] = *s;
    return SHARD_WHOLE;
}

enum shard_state merge_add(struct merge *m, const char *path)
{
    struct shard s;
    enum shard_state state = shard_survey(&s, path, m->messages);
    if (state == SHARD_WHOLE)
        state = take(m, &s);
    if (state != SHARD_WHOLE)
        shard_free(&s);
    return state;
}

/* By index; of one index, that which is kept comes first. Where even the hashes are the same, the
   shards are. */
static int compare_shards(const void *left, const void *right)
{
    const struct shard *a = left, *b = right;
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1;
    if (a->started != b->started)
        return a->started > b->started ? -1 : 1;
    int order = strcmp(b->run_id, a->run_id);
    return order ? order : strcmp(b->hash, a->hash);
}

void merge_settle(struct merge *m)
{
    size_t kept = 0;
    if (m->count)
        qsort(m->shards, m->count, sizeof *m->shards, compare_shards);
    for (size_t i = 0; i < m->count; i++) {
        struct shard *s = &m->shards[i];
        if (kept && m->shards[kept - 1].index == s->index) {
            say(m->messages, "%s: shard %" PRIu64 " is taken from %s", s->name, s->index,
                m->shards[kept - 1].name);
            shard_free(s);
        } else {
            m->shards[kept++] = *s;
        }
    }
    m->count = kept;
}

uint64_t merge_missing(const struct merge *m, const char *between, FILE *f)
{
    uint64_t missing = 0, next = 0;
    for (size_t i = 0; i <= m->count; i++) {
        uint64_t end = i < m->count ? m->shards[i].index : m->expected;
        if (end > next) {
            fprintf(f, "%s%" PRIu64, missing ? between : "", next);
            if (end > next + 1)
                fprintf(f, "-%" PRIu64, end - 1);
            missing += end - next;
        }
        next = end + 1;
    }
    return missing;
}

/* --- the run ---------------------------------------------------------------------------------- */

struct merging {
    struct merge *merge;
    struct ledger *out;
    struct outfile *file;
    struct run *run;
    struct run_end *end;
    struct keys keys;
    const struct shard *shard;
    struct infile in;
    struct ledger origin; /* what is read of the shard */
    bool ended;           /* its run_end was read */
    bool twice;
};

static const char has_changed[] = "the file has changed while it was read";

static bool stop_at(struct merging *g, const char *problem)
{
    say(g->merge->messages, "%s:%" PRIu64 ": %s", g->in.name, g->in.number, problem);
    return false;
}

static bool cannot_write(struct merging *g)
{
    say(g->merge->messages, "%s: %s", g->file->name,
        g->file->error ? strerror(g->file->error) : "out of memory");
    return false;
}

/* Takes over what cJSON printed; large pieces are written faster than lines. */
/* Lines wait on the page until they are worth a write; false: there was no memory for this one. */
static bool put_line(struct merging *g, bool written)
{
    if (written && (g->out->page.len < PIECE || ledger_flush(g->out, g->file)))
        return true;
    return cannot_write(g);
}

/* Earliest start and latest end, the sums, and what was scanned from where. */
static bool count_shards(struct merging *g, struct list *sources)
{
    const struct merge *m = g->merge;
    int64_t ended = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct shard *s = &m->shards[i];
        if (!i || s->started < g->run->started)
            g->run->started = s->started;
        if (s->ended > ended)
            ended = s->ended;
        for (size_t k = 0; k < s->sources.count; k++)
            if (!list_add(sources, span_of(s->sources.items[k])))
                return cannot_write(g);
        for (int k = 0; k < STATUS_COUNT; k++)
            g->end->totals.statuses[k] += s->end.totals.statuses[k];
        g->end->totals.hosts += s->end.totals.hosts;
        g->end->totals.answered += s->end.totals.answered;
    }
    g->end->duration = ended - g->run->started;
    return true;
}

static bool put_start(struct merging *g, cJSON *record)
{
    struct list sources = {.items = NULL};
    memcpy(g->run->id, g->shard->run_id, sizeof g->run->id);
    bool ok = count_shards(g, &sources) &&
              put_line(g, revision_merged_start(&g->out->page, record, g->run->started, &sources));
    list_clear(&sources);
    return ok;
}

/* No two shards share a host, and no shard has one twice: so somebody has mixed them up. */
static bool leave_out(struct merging *g, const struct shard_endpoint *e)
{
    say(g->merge->messages, "%s:%" PRIu64 ": %s is there already, and left out", g->in.name,
        g->in.number, quote(span_of(e->key)).text);
    g->end->totals.statuses[e->status]--;
    g->twice = true;
    return true;
}

static void count_endpoint(struct merging *g, const struct shard_endpoint *e)
{
    struct totals *t = &g->end->totals;
    t->recorded++;
    t->tally.waived += e->waived;
    for (int s = 0; s < SEVERITY_COUNT; s++) {
        t->tally.findings[s] += e->findings[s];
        t->tally.fresh[s] += e->fresh[s];
    }
}

/* All of them are there already: a shard's end names them all. */
static bool count_waivers(struct merging *g, const cJSON *record)
{
    struct usage *usage = g->end->totals.tally.usage;
    size_t known = usage ? usage->count : 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, member_of(record, "findings"))
    {
        const cJSON *id = member_of(member_of(item, "waiver"), "id");
        if (!usage || !cJSON_IsString(id))
            continue;
        struct usage_item *u = usage_item(usage, id->valuestring);
        if (!u || usage->count != known)
            return false;
        u->findings++;
    }
    return true;
}

static bool put_endpoint(struct merging *g, cJSON *record)
{
    char problem[160];
    struct members m = {.root = record, .problem = problem, .size = sizeof problem};
    struct shard_endpoint e;

    if (!shard_endpoint_read(&m, g->shard->run_id, &e))
        return stop_at(g, problem);
    switch (keys_add(&g->keys, e.key, e.ip)) {
    case KEYS_FAILED:
        return cannot_write(g);
    case KEYS_THERE:
        return leave_out(g, &e);
    case KEYS_NEW:
        break;
    }
    count_endpoint(g, &e);
    if (!count_waivers(g, record))
        return stop_at(g, "a waiver that the end of the run does not have");
    return put_line(g, revision_run_id(&g->out->page, record, g->run->id));
}

/* Of the lines that stand above run_end. */
static bool check_hash(struct merging *g)
{
    char hash[LEDGER_HASH_SIZE];
    g->ended = ledger_hash(&g->origin, hash) && strcmp(hash, g->shard->hash) == 0;
    return g->ended || stop_at(g, has_changed);
}

/* Only endpoints are taken over, and the beginning of the first shard; of a run that is no shard
   what was not asked too, which shards cannot know. */
static bool copy_record(struct merging *g, cJSON *record)
{
    const char *type = member_of(record, "type")->valuestring;
    if (strcmp(type, "endpoint") == 0)
        return put_endpoint(g, record);
    if (strcmp(type, "run_end") == 0)
        return check_hash(g);
    if (strcmp(type, "not_asked") == 0 && g->shard->count == 1)
        return put_line(g, revision_run_id(&g->out->page, record, g->run->id));
    if (strcmp(type, "run_start") == 0 && g->shard == g->merge->shards)
        return put_start(g, record);
    return true;
}

static bool copy_line(struct merging *g, struct span line)
{
    cJSON *record = members_parse(line);
    const char *fault = members_fault(record);
    bool ok = fault ? stop_at(g, fault) : copy_record(g, record);
    cJSON_Delete(record);
    return ok;
}

static bool copy_lines(struct merging *g)
{
    struct span line;
    while (!g->ended && infile_next(&g->in, &line) == INFILE_LINE) {
        if (!copy_line(g, line))
            return false;
        ledger_note(&g->origin, line.at, line.len);
    }
    return g->ended || stop_at(g, has_changed);
}

static bool copy_shard(struct merging *g, const struct shard *s)
{
    g->shard = s;
    g->ended = false;
    bool ok = infile_open(&g->in, s->name) ? ledger_init(&g->origin) && copy_lines(g)
                                           : stop_at(g, strerror(g->in.error));
    ledger_free(&g->origin);
    infile_close(&g->in);
    return ok;
}

enum merge_step merge_write(struct merge *m, struct ledger *out, struct outfile *file,
                            struct run *run, struct run_end *end)
{
    struct merging g = {.merge = m, .out = out, .file = file, .run = run, .end = end};
    bool ok = true;
    end->totals.tally.compared = m->compared;
    end->totals.tally.usage = m->usage;
    for (size_t i = 0; ok && i < m->count; i++)
        ok = copy_shard(&g, &m->shards[i]);
    keys_free(&g.keys);
    return !ok ? MERGE_FAILED : g.twice ? MERGE_TWICE : MERGE_DONE;
}
