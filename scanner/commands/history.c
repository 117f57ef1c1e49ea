/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "output/infile.h"
#include "output/members.h"
#include "output/record.h"
#include "output/scratch.h"
#include "scanner/commands/command.h"
#include "scanner/commands/hook.h"
#include "scanner/commands/notice.h"

/* --- troubles --------------------------------------------------------------------------------- */

/* Always false: before the run begins. */
static bool refuse(const struct history *h, const char *problem)
{
    notice(PRIORITY_ERROR, "%s: %s", h->path, problem);
    return false;
}

/* The first one is told, and the last: there is nothing to be done for the state any more. */
static void give_up(struct history *h, const char *problem)
{
    char text[STATE_PROBLEM_SIZE + 512];
    if (h->failed)
        return;
    h->failed = true;
    snprintf(text, sizeof text, "%s: %s; nothing of this run will be in it", h->path, problem);
    h->on_problem(h->context, text);
    state_rollback(h->state);
}

/* A record of ours that the state does not understand; the rest of the run counts. */
static void leave_out(struct history *h)
{
    char text[STATE_PROBLEM_SIZE + 512];
    if (h->incomplete)
        return;
    h->incomplete = true;
    snprintf(text, sizeof text, "%s: a record is left out: %s", h->path, state_problem(h->state));
    h->on_problem(h->context, text);
}

/* --- what is known ---------------------------------------------------------------------------- */

static bool on_known(void *context, const struct state_endpoint *e)
{
    struct history *h = context;
    return strcmp(e->host, e->ip) != 0 || keys_add(&h->known, e->key, NULL) != KEYS_FAILED;
}

bool history_open(struct history *h, const char *path, const char *run_id)
{
    char problem[STATE_PROBLEM_SIZE];
    h->path = path;
    h->run_id = run_id;
    if (!(h->state = state_open(path, STATE_WRITE, problem)))
        return refuse(h, problem);
    if (!state_begin(h->state))
        return refuse(h, state_problem(h->state));
    if (!state_endpoints(h->state, on_known, h))
        return refuse(h, "what is known cannot be read");
    h->active = true;
    return true;
}

bool history_records(const struct history *h, bool all, const struct host_view *host)
{
    char key[RECORD_KEY_MAX];
    if (run_records(all, host))
        return true;
    if (!h->active)
        return false;
    if (host->target->name)
        return true;
    for (size_t i = 0; i < host->count; i++) {
        record_key(host, &host->endpoints[i], key, sizeof key);
        if (keys_has(&h->known, key, NULL))
            return true;
    }
    return false;
}

/* --- what is added ---------------------------------------------------------------------------- */

static void take_record(struct history *h, const cJSON *record)
{
    if (!record) {
        give_up(h, "out of memory");
        return;
    }
    switch (state_take(h->state, record)) {
    case STATE_TAKEN:
        h->begun = true;
        break;
    case STATE_KNOWN:
        h->taken = true;
        state_rollback(h->state);
        break;
    case STATE_REFUSED:
        if (h->begun)
            leave_out(h);
        else /* the run as a whole: it has a later one already */
            give_up(h, state_problem(h->state));
        break;
    case STATE_FAILED:
        give_up(h, state_problem(h->state));
        break;
    }
}

static void take_line(struct history *h, struct span line)
{
    cJSON *record = cJSON_ParseWithLength(line.at, line.len);
    take_record(h, record);
    cJSON_Delete(record);
}

static void on_lines(void *context, const char *lines, size_t len)
{
    struct history *h = context;
    while (len && !h->failed && !h->taken) {
        const char *end = memchr(lines, '\n', len);
        size_t n = end ? (size_t)(end - lines) : len, whole = end ? n + 1 : n;
        take_line(h, (struct span){lines, n});
        lines += whole;
        len -= whole;
    }
}

struct listener history_listener(struct history *h)
{
    return h->active ? (struct listener){on_lines, h} : (struct listener){NULL, NULL};
}

bool history_replay(struct history *h, const struct outfile *file, uint64_t octets)
{
    struct infile in;
    struct span line;
    bool ok = !h->active || infile_adopt(&in, file->fd, file->name);
    while (ok && h->active && in.place < octets && !h->failed && !h->taken) {
        ok = infile_next(&in, &line) == INFILE_LINE;
        cJSON *record = ok ? members_parse(line) : NULL;
        if (ok)
            take_record(h, record);
        cJSON_Delete(record);
    }
    if (h->active)
        infile_close(&in);
    return ok || refuse(h, "the records that are to be gone on with cannot be read");
}

/* --- what was not to be asked ----------------------------------------------------------------- */

/* What is found while the state is read waits until that has ended: it will be written to. */
struct search {
    struct history *history;
    const struct targets *targets;
    const struct targets_stream *stream;
};

static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* No other is written by this program. */
static bool is_sound(const struct state_endpoint *e)
{
    enum mode mode;
    return is_plain(e->key) && is_plain(e->host) && protocol_find(span_of(e->protocol)) &&
           mode_parse(span_of(e->mode), &mode) && e->port && e->port <= UINT16_MAX;
}

/* The texts, one behind the other, each with its NUL. */
static bool keep(struct page *page, const struct state_endpoint *e, bool excluded)
{
    char port[8];
    snprintf(port, sizeof port, "%u", e->port);
    const char *texts[] = {e->key, e->protocol, e->mode, e->host, e->ip, port, excluded ? "x" : ""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!page_add(page, texts[i], strlen(texts[i]) + 1))
            return false;
    return true;
}

static bool on_candidate(void *context, const struct state_endpoint *e)
{
    const struct search *s = context;
    struct targets_endpoint endpoint = {.protocol = e->protocol, .port = (uint16_t)e->port};
    bool plain = strcmp(e->host, e->ip) == 0;

    if (!is_sound(e))
        return true;
    if (!address_parse(span_of(e->ip), &endpoint.address) && (plain || *e->ip))
        return true;
    endpoint.name = plain ? NULL : e->host;
    enum targets_scope scope = targets_scope(s->targets, s->stream, &endpoint);
    if (scope == TARGETS_ASKED || (scope == TARGETS_OUTSIDE && targets_are_found(s->targets)))
        return true;
    return keep(&s->history->absent, e, scope == TARGETS_EXCLUDED);
}

static const char *next_text(const char **at)
{
    const char *text = *at;
    *at += strlen(text) + 1;
    return text;
}

bool history_absent(struct history *h, const struct targets *targets,
                    const struct targets_stream *stream,
                    bool (*on_absent)(void *context, const struct absent *), void *context)
{
    struct search search = {.history = h, .targets = targets, .stream = stream};
    if (!h->active)
        return true;
    if (!state_endpoints(h->state, on_candidate, &search)) {
        give_up(h, "what is known cannot be read again");
        return true;
    }
    if (!h->absent.len)
        return true;
    const char *at = h->absent.bytes, *end = at + h->absent.len;
    while (at < end) {
        struct absent a = {.key = next_text(&at)};
        a.protocol = next_text(&at);
        a.mode = next_text(&at);
        a.host = next_text(&at);
        a.ip = next_text(&at);
        a.port = (unsigned)strtoul(next_text(&at), NULL, 10);
        a.excluded = *next_text(&at) != 0;
        if (!*a.ip)
            a.ip = NULL;
        if (!on_absent(context, &a))
            return false;
    }
    return true;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* How many there are of each kind; the kinds are words of this program. */
#define KINDS_MAX 64

struct census {
    struct history *history;
    FILE *file;
    struct {
        char name[40];
        uint64_t count;
    } kinds[KINDS_MAX];
    size_t kind_count;
};

static bool is_word(const char *text)
{
    return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyz_")];
}

static void count_kind(struct census *c, const char *name)
{
    size_t i = 0;
    if (!is_word(name))
        return;
    while (i < c->kind_count && strcmp(c->kinds[i].name, name) != 0)
        i++;
    if (i == KINDS_MAX)
        return;
    if (i == c->kind_count) {
        snprintf(c->kinds[i].name, sizeof c->kinds[i].name, "%s", name);
        c->kind_count++;
    }
    c->kinds[i].count++;
}

static bool on_change(void *context, const char *json)
{
    struct census *c = context;
    cJSON *record = cJSON_Parse(json);
    if (!record)
        return false;
    const cJSON *kind = member_of(record, "change");
    count_kind(c, cJSON_IsString(kind) ? kind->valuestring : "");
    cJSON_Delete(record);
    c->history->changes++;
    return !c->file || fprintf(c->file, "%s\n", json) >= 0;
}

/* "5 changes: 1 certificate_changed, 4 finding_new": no word of it is from the network. */
static void summarise(const struct census *c)
{
    struct history *h = c->history;
    size_t len = (size_t)snprintf(h->summary, sizeof h->summary, "%" PRIu64 " change%s", h->changes,
                                  h->changes == 1 ? "" : "s");
    for (size_t i = 0; i < c->kind_count && len < sizeof h->summary; i++)
        len += (size_t)snprintf(h->summary + len, sizeof h->summary - len, "%s %" PRIu64 " %s",
                                i ? "," : ":", c->kinds[i].count, c->kinds[i].name);
}

static void drop_file(struct history *h)
{
    if (h->file)
        unlink(h->file);
    free(h->file);
    h->file = NULL;
}

/* Counts them, and writes them down if somebody is to be told: of all of them, or not at all. */
static bool gather_changes(struct history *h, bool written)
{
    struct census census = {.history = h,
                            .file = written ? scratch_named("changes", &h->file) : NULL};
    bool ok = (census.file || !written) && state_changes(h->state, h->run_id, on_change, &census);
    if (census.file)
        ok = fclose(census.file) == 0 && ok;
    if (ok) {
        summarise(&census);
        return true;
    }
    drop_file(h);
    return refuse(h, "the changes cannot be read, or written down for --on-change");
}

bool history_commit(struct history *h, bool written)
{
    if (!h->active || h->taken)
        return true;
    if (h->failed)
        return false;
    if (!state_commit(h->state)) {
        give_up(h, state_problem(h->state));
        return false;
    }
    bool ok = gather_changes(h, written);
    state_close(h->state);
    h->state = NULL;
    return ok && !h->incomplete;
}

bool history_hook(struct history *h, struct hook *hook, const char *records)
{
    return !h->changes || !h->file ||
           hook_run(hook, &(struct hook_news){.run_id = h->run_id,
                                              .summary = h->summary,
                                              .records = records,
                                              .changes = h->file,
                                              .count = h->changes});
}

void history_free(struct history *h)
{
    drop_file(h);
    if (h->state)
        state_close(h->state);
    keys_free(&h->known);
    page_free(&h->absent);
}
