/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/continuation.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "output/account.h"
#include "output/infile.h"
#include "output/members.h"
#include "output/reader.h"
#include "scanner/grow.h"
#include "scanner/memory.h"
#include "scanner/say.h"

/* How a line of this program begins. */
#define HEAD(type) "{\"schema\":\"" RUN_SCHEMA "\",\"type\":\"" type "\","

#define HOST_OCTETS_MAX ((size_t)64 << 20) /* of the lines of one host */

struct reading_file {
    struct continuation *c;
    struct infile in;
    FILE *errors;
    struct ledger ahead; /* of all lines up to where we are */

    /* The first walk: lines alone. */
    uint64_t recorded; /* endpoints so far */
    uint64_t odd;      /* the number of the first line that is none of this run's; 0: none is */
    bool asked;        /* all hosts were: what was not to be asked is told */
    bool ended;
    uint64_t body, body_line; /* where run_start ends                              */
    uint64_t mark, mark_line; /* where the last checkpoint ends, or else run_start */
    uint64_t end;             /* where run_end begins, or the file ends            */

    /* The second: hosts. */
    struct reading *host; /* the one whose records come; NULL: none is */
    size_t octets;        /* of its lines                              */
    struct tally found;   /* in its lines                              */
};

/* --- troubles --------------------------------------------------------------------------------- */

/* Always false. */
static bool refuse_line(const struct reading_file *f, uint64_t line, const char *problem)
{
    say(f->errors, "%s:%" PRIu64 ": %s", f->in.name, line, problem);
    return false;
}

static bool refuse(const struct reading_file *f, const char *problem)
{
    return refuse_line(f, f->in.number, problem);
}

static bool refuse_file(const struct reading_file *f, const char *problem)
{
    say(f->errors, "%s: %s", f->in.name, problem);
    return false;
}

static bool fail(const struct reading_file *f)
{
    return refuse_file(f, f->in.error ? strerror(f->in.error) : "out of memory");
}

/* --- checkpoints ------------------------------------------------------------------------------ */

/* Is it of the lines above? */
static bool check_above(struct members *m, const struct reading_file *f, const struct totals *t)
{
    char word[CONTINUATION_HASH_SIZE], hash[LEDGER_HASH_SIZE];
    struct ledger above;

    if (!account_hash(m, m->root, "records_sha256", "/records_sha256", word))
        return false;
    if (t->recorded != f->recorded)
        return members_fail(m, "/endpoints/recorded", "not as many as there are above");
    if (!ledger_copy(&above, &f->ahead))
        return members_fail(m, "/records_sha256", "out of memory");
    bool same = ledger_hash(&above, hash) && strcmp(hash, word) == 0;
    ledger_free(&above);
    return same ||
           members_fail(m, "/records_sha256", "the lines above are not those that were written");
}

static bool read_pending(struct members *m, uint64_t cursor, uint64_t **pending, size_t *count)
{
    const cJSON *list = member_of(m->root, "pending"), *item;
    size_t capacity = 0;
    if (!cJSON_IsArray(list))
        return members_fail(m, "/pending", "not a list");
    cJSON_ArrayForEach(item, list)
    {
        uint64_t number;
        if (*count == CHECKPOINT_PENDING_MAX)
            return members_fail(m, "/pending", "more than there can be");
        if (!member_number(m, item, "/pending", ACCOUNT_COUNT_MAX, &number))
            return members_fail(m, "/pending", "not a number");
        if (number >= cursor || (*count && number <= (*pending)[*count - 1]))
            return members_fail(m, "/pending", "not ascending, or not begun");
        if (!grow(pending, *count, &capacity, sizeof **pending))
            return members_fail(m, "/pending", "out of memory");
        (*pending)[(*count)++] = number;
    }
    return true;
}

static bool read_checkpoint(struct members *m, const struct reading_file *f, uint64_t *cursor,
                            uint64_t **pending, size_t *pending_count, struct totals *totals)
{
    struct continuation *c = f->c;
    bool seeded = false;
    uint64_t seed = 0;

    if (!account_is_of_run(m, c) || !account_seed(m, &seeded, &seed))
        return false;
    if (seeded != c->seeded || seed != c->seed)
        return members_fail(m, "/seed", "not that of the run");
    if (!account_number(m, m->root, "cursor", "/cursor", ACCOUNT_COUNT_MAX, cursor))
        return false;
    if (*cursor < c->cursor)
        return members_fail(m, "/cursor", "before that of the checkpoint above");
    return read_pending(m, *cursor, pending, pending_count) && account_totals(m, c, totals) &&
           check_above(m, f, totals);
}

/* The run stands here: what was read of its state counts. */
static bool stand(struct reading_file *f, struct span line)
{
    struct ledger here;
    if (!ledger_copy(&here, &f->ahead))
        return fail(f);
    ledger_note(&here, line.at, line.len);
    ledger_free(&f->c->kept);
    f->c->kept = here;
    f->c->keep = f->mark = f->in.place;
    f->mark_line = f->in.number;
    return true;
}

static bool take_checkpoint(struct reading_file *f, struct members *m, struct span line)
{
    struct continuation *c = f->c;
    uint64_t cursor = 0, *pending = NULL;
    size_t pending_count = 0;
    struct totals totals = {0};

    if (!read_checkpoint(m, f, &cursor, &pending, &pending_count, &totals)) {
        free(pending);
        tally_end(&totals.tally);
        return refuse(f, m->problem);
    }
    free(c->pending);
    tally_end(&c->totals.tally);
    c->cursor = cursor;
    c->pending = pending;
    c->pending_count = pending_count;
    c->totals = totals;
    return stand(f, line);
}

static bool take_end(struct reading_file *f, struct members *m, uint64_t begin)
{
    struct continuation *c = f->c;
    struct totals totals = {0};
    uint64_t code = 0;

    bool ok = account_is_of_run(m, c) && account_totals(m, c, &totals) &&
              check_above(m, f, &totals) &&
              account_number(m, m->root, "exit_code", "/exit_code", INT_MAX, &code);
    tally_end(&totals.tally);
    if (!ok)
        return refuse(f, m->problem);
    if (!member_truth(m, member_of(m->root, "complete"), "/complete", &c->complete))
        return refuse(f, "/complete: missing, or neither true nor false");
    f->ended = true;
    f->end = begin;
    if (c->complete) {
        tally_end(&c->totals.tally);
        c->totals = totals;
        c->exit_code = (int)code;
    }
    return true;
}

/* --- the first walk: lines -------------------------------------------------------------------- */

/* It was written by this program, in this version; whether it is whole is another question. */
static bool is_line(struct span line, const char *head)
{
    size_t n = strlen(head);
    return line.len > n && memcmp(line.at, head, n) == 0;
}

static bool take_start(struct reading_file *f, struct span line)
{
    char problem[READING_PROBLEM_SIZE];
    struct members m = {.problem = problem, .size = sizeof problem};
    cJSON *record = members_parse(line);
    const char *word = "";
    bool ok = false;

    m.root = record;
    if (!record || !account_word(&m, record, "type", "/type", &word) ||
        strcmp(word, "run_start") != 0)
        refuse(f, "this is not the beginning of a run");
    else if (!account_word(&m, record, "schema", "/schema", &word) || strcmp(word, RUN_SCHEMA) != 0)
        refuse(f, "written by another version: its schema is not " RUN_SCHEMA);
    else if (!is_line(line, HEAD("run_start")))
        refuse(f, "not as it was written");
    else if (!account_start(&m, f->c))
        refuse(f, problem);
    else if (!account_begin(f->c, &f->c->totals.tally))
        fail(f);
    else
        ok = stand(f, line);
    cJSON_Delete(record);
    f->body = f->mark;
    f->body_line = f->mark_line;
    return ok;
}

/* A checkpoint, or run_end. */
static bool take_claim(struct reading_file *f, struct span line, uint64_t begin)
{
    char problem[READING_PROBLEM_SIZE];
    struct members m = {.problem = problem, .size = sizeof problem};
    cJSON *record = members_parse(line);
    bool ok = true;

    m.root = record;
    if (!record)
        f->odd = f->odd ? f->odd : f->in.number;
    else if (f->asked && is_line(line, HEAD("checkpoint")))
        ok = refuse(f, "behind what was not asked there is no checkpoint");
    else if (f->odd)
        ok = refuse_line(f, f->odd, "not a record, and yet it is vouched for further down");
    else if (is_line(line, HEAD("checkpoint")))
        ok = take_checkpoint(f, &m, line);
    else
        ok = take_end(f, &m, begin);
    cJSON_Delete(record);
    return ok;
}

/* begin: where the line begins. */
static bool take_line(struct reading_file *f, struct span line, uint64_t begin)
{
    if (f->in.number == 1)
        return take_start(f, line);
    if (f->ended)
        return refuse(f, "the file goes on behind the end of the run");
    if (is_line(line, HEAD("run_start")))
        return refuse(f, "another run begins here");
    if (is_line(line, HEAD("checkpoint")) || is_line(line, HEAD("run_end")))
        return take_claim(f, line, begin);
    if (is_line(line, HEAD("endpoint")) && !f->asked)
        f->recorded++;
    else if (is_line(line, HEAD("not_asked")))
        f->asked = true;
    else if (!f->odd)
        f->odd = f->in.number;
    return true;
}

/* Finds where the run stands. */
static bool survey(struct reading_file *f)
{
    struct span line;
    for (;;) {
        uint64_t begin = f->in.place;
        switch (infile_next(&f->in, &line)) {
        case INFILE_LINE:
            if (!take_line(f, line, begin))
                return false;
            ledger_note(&f->ahead, line.at, line.len);
            break;
        case INFILE_TORN:
        case INFILE_LONG:
            if (f->in.number == 1)
                return refuse(f, "this is not the beginning of a run");
            if (f->ended)
                return refuse(f, "the file goes on behind the end of the run");
            if (!f->odd)
                f->odd = f->in.number;
            break;
        case INFILE_FAILED:
            return fail(f);
        case INFILE_END:
            if (!f->ended)
                f->end = f->in.place;
            return f->mark || refuse_file(f, "there is no record");
        }
    }
}

/* --- the second walk: hosts ------------------------------------------------------------------- */

/* What tells one host of a run from all others: its name, its address, and the services that it was
 * asked for, since a stream may come back to a host with more of them. */
static bool key_of(const struct target_host *target, const struct address *address,
                   struct continuation_key *key)
{
    unsigned char digest[32];
    gnutls_hash_hd_t hash;
    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
        return false;
    if (target->name)
        gnutls_hash(hash, target->name, strlen(target->name));
    gnutls_hash(hash, "", 1);
    gnutls_hash(hash, &address->family, sizeof address->family);
    gnutls_hash(hash, address->bytes, sizeof address->bytes);
    for (size_t i = 0; i < target->service_count; i++) {
        const struct service *s = target->services[i];
        unsigned char row[] = {(unsigned char)(s->port >> 8), (unsigned char)s->port,
                               (unsigned char)s->mode};
        gnutls_hash(hash, row, sizeof row);
        gnutls_hash(hash, s->protocol->name, strlen(s->protocol->name) + 1);
    }
    gnutls_hash_deinit(hash, digest);
    memcpy(key->octets, digest, sizeof key->octets);
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct continuation_key));
}

bool continuation_has(const struct continuation *c, const struct target_host *target,
                      const struct address *address)
{
    struct continuation_key key;
    return c->key_count && key_of(target, address, &key) &&
           bsearch(&key, c->keys, c->key_count, sizeof key, compare_keys);
}

static void count_host(struct reading_file *f, const struct host_view *view)
{
    struct totals *t = &f->c->totals;
    t->recorded += view->count;
    t->hosts++;
    t->answered += view->answered;
    for (size_t i = 0; i < view->count; i++)
        t->statuses[view->endpoints[i].status]++;
}

/* False: it has a waiver that there is no room for. */
static bool count_tally(struct tally *t, const struct tally *more)
{
    for (int s = 0; s < SEVERITY_COUNT; s++) {
        t->findings[s] += more->findings[s];
        t->fresh[s] += more->fresh[s];
    }
    t->waived += more->waived;
    for (size_t i = 0; t->usage && more->usage && i < more->usage->count; i++) {
        struct usage_item *item = usage_item(t->usage, more->usage->items[i].id);
        if (!item)
            return false;
        item->findings += more->usage->items[i].findings;
    }
    return true;
}

static void forget_host(struct reading_file *f)
{
    reading_free(f->host);
    f->host = NULL;
    f->octets = 0;
    tally_end(&f->found);
    f->found = (struct tally){.waived = 0};
}

/* A line stands behind the host: it is whole, and all up to here stays. */
static bool finish_host(struct reading_file *f, uint64_t here)
{
    struct continuation *c = f->c;
    if (!f->host)
        return true;
    const struct host_view *view = reading_view(f->host);
    if (!grow(&c->keys, c->key_count, &c->key_capacity, sizeof *c->keys) ||
        !key_of(view->target, &view->address, &c->keys[c->key_count]))
        return fail(f);
    c->key_count++;
    if (here > f->mark) {
        count_host(f, view);
        ledger_free(&c->kept);
        if (!count_tally(&c->totals.tally, &f->found) || !ledger_copy(&c->kept, &f->ahead))
            return fail(f);
        c->keep = here;
    }
    forget_host(f);
    return true;
}

static bool read_finding(struct members *m, const cJSON *item, struct tally *t)
{
    const char *word, *status, *id = NULL, *novelty = "";
    enum severity severity;
    struct usage_item *used = NULL;

    if (!account_word(m, item, "severity", "/findings/severity", &word) ||
        !account_word(m, item, "status", "/findings/status", &status))
        return false;
    if (!severity_parse(word, &severity))
        return members_fail(m, "/findings/severity", "not one of ours");
    member_word(m, member_of(item, "baseline"), "/findings/baseline", &novelty);
    member_word(m, member_of(member_of(item, "waiver"), "id"), "/findings/waiver", &id);
    if (id && t->usage && !(used = usage_item(t->usage, id)))
        return members_fail(m, "/findings/waiver", "out of memory");
    if (used)
        used->findings++;
    if (strcmp(status, "open") == 0) {
        t->findings[severity]++;
        t->fresh[severity] += strcmp(novelty, "known") != 0;
    } else {
        t->waived++;
    }
    return !m->failed;
}

static bool read_findings(struct members *m, const struct continuation *c, struct tally *t)
{
    const cJSON *item;
    if (!account_begin(c, t))
        return members_fail(m, "/findings", "out of memory");
    cJSON_ArrayForEach(item,
                       member_of(m->root, "findings")) if (!read_finding(m, item, t)) return false;
    return true;
}

/* Adds the record to its host, which may be another one than that whose records came so far: then
 * that is whole. False: it is over. With a problem nothing has changed. */
static bool add_counted(struct reading_file *f, struct members *m, size_t octets, uint64_t begin,
                        const struct tally *found)
{
    bool same = f->host && reading_takes(f->host, m->root);

    if (same && f->octets + octets > HOST_OCTETS_MAX) {
        members_fail(m, "/endpoint", "more records of one host than there can be");
        return true;
    }
    struct reading *host = same ? f->host : reading_new();
    if (!host)
        return fail(f);
    if (!reading_add(host, m->root, m->problem, m->size)) {
        if (!same)
            reading_free(host);
        return true;
    }
    if (!same && !finish_host(f, begin)) {
        reading_free(host);
        return false;
    }
    f->host = host;
    f->octets += octets;
    return (same || account_begin(f->c, &f->found)) && count_tally(&f->found, found) ? true
                                                                                     : fail(f);
}

static bool add_record(struct reading_file *f, struct members *m, size_t octets, uint64_t begin)
{
    struct tally found = {.waived = 0};
    bool ok = true;
    if (account_is_of_run(m, f->c) && read_findings(m, f->c, &found))
        ok = add_counted(f, m, octets, begin, &found);
    tally_end(&found);
    return ok;
}

/* The continuation has a problem if the line is no record. False: it is over. */
static bool take_record(struct reading_file *f, struct span line, uint64_t begin)
{
    struct continuation *c = f->c;
    struct members m = {.problem = c->problem, .size = sizeof c->problem};
    cJSON *record = is_line(line, HEAD("endpoint")) ? members_parse(line) : NULL;
    bool ok = true;

    m.root = record;
    if (record)
        ok = add_record(f, &m, line.len, begin);
    else
        members_fail(&m, "/", "not a record of an endpoint");
    cJSON_Delete(record);
    return ok;
}

/* Above the checkpoint only names are of interest: another address of theirs may be pending. No
 * text has an unescaped quote in it. */
static bool is_passed_over(struct span line)
{
    static const char without[] = "\"sni\":null";
    return !is_line(line, HEAD("endpoint")) ||
           memmem(line.at, line.len, without, sizeof without - 1);
}

/* The hosts that the run that goes on could meet again. */
static bool gather(struct reading_file *f)
{
    struct continuation *c = f->c;
    bool all = c->pending_count > 0;
    struct span line;

    if (!infile_seek(&f->in, all ? f->body : f->mark, all ? f->body_line : f->mark_line))
        return fail(f);
    ledger_free(&f->ahead);
    if (!ledger_copy(&f->ahead, &c->kept))
        return fail(f);
    while (f->in.place < f->end) {
        uint64_t begin = f->in.place;
        bool above = begin < f->mark;
        enum infile_step step = infile_next(&f->in, &line);
        if (step == INFILE_FAILED || step == INFILE_END)
            return step == INFILE_END ? refuse_file(f, "it changes while it is read") : fail(f);
        if (above && is_passed_over(line)) {
            if (!finish_host(f, begin))
                return false;
            continue;
        }
        if (step == INFILE_LINE && is_line(line, HEAD("not_asked")))
            return finish_host(f, begin); /* they are told again, at the end of the run */
        if (step != INFILE_LINE)
            snprintf(c->problem, sizeof c->problem, "%s",
                     step == INFILE_LONG ? "longer than a record can be" : "torn");
        else if (!take_record(f, line, begin))
            return false;
        if (*c->problem) {
            c->problem_line = f->in.number;
            return !above || refuse(f, c->problem);
        }
        if (!above)
            ledger_note(&f->ahead, line.at, line.len);
    }
    return !f->ended || finish_host(f, f->end);
}

/* --- all of it -------------------------------------------------------------------------------- */

bool continuation_read(struct continuation *c, const struct outfile *file, FILE *errors)
{
    struct reading_file f = {.c = c, .errors = errors};
    *c = (struct continuation){0};
    bool ok = ledger_init(&f.ahead) && infile_adopt(&f.in, file->fd, file->name);
    if (!ok)
        fail(&f);
    struct memory_watch watch = memory_watch();
    ok = ok && survey(&f) && (c->complete || gather(&f));
    if (!memory_held(watch) && ok) { /* what could not be read is no fault of the file */
        ok = false;
        fail(&f);
    }
    forget_host(&f);
    ledger_free(&f.ahead);
    infile_close(&f.in);
    if (ok && c->key_count)
        qsort(c->keys, c->key_count, sizeof *c->keys, compare_keys);
    return ok;
}

void continuation_free(struct continuation *c)
{
    ledger_free(&c->kept);
    free(c->pending);
    free(c->keys);
    tally_end(&c->totals.tally);
    *c = (struct continuation){0};
}
