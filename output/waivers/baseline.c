/* SPDX-License-Identifier: MIT */
#include "output/waivers/baseline.h"

#include <gnutls/crypto.h>
#include <inttypes.h>
#include <stdlib.h>

#include "output/hex.h"
#include "output/infile.h"
#include "output/ledger.h"
#include "output/members.h"
#include "output/run.h"
#include "scanner/grow.h"
#include "scanner/say.h"

#define FINGERPRINT_OCTETS ((size_t)16)

struct item {
    unsigned char fingerprint[FINGERPRINT_OCTETS];
    unsigned char severity;
};

struct baseline {
    struct item *items; /* by fingerprint; each once, with its worst severity */
    size_t count, capacity;
    char run_id[RUN_ID_SIZE]; /* "": none, or several */
    char sha256[BASELINE_HASH_SIZE];
};

struct loading {
    struct baseline *baseline;
    struct infile in;
    struct ledger lines; /* of the run that is read, for its hash */
    FILE *errors, *notes;
    bool any, open; /* there was a record; something of a run was read, and not its end */
    size_t runs;
    bool partial, changed; /* told already */
};

/* --- what is wrong ---------------------------------------------------------------------------- */

/* Always false. */
static bool refuse(const struct loading *l, const char *problem)
{
    say(l->errors, "%s:%" PRIu64 ": %s", l->in.name, l->in.number, problem);
    return false;
}

static bool refuse_file(const struct loading *l, const char *problem)
{
    say(l->errors, "%s: %s", l->in.name, problem);
    return false;
}

static void note(const struct loading *l, bool *told, const char *text)
{
    if (l->notes && !*told)
        say(l->notes, "%s: %s", l->in.name, text);
    *told = true;
}

static void note_partial(struct loading *l)
{
    note(l, &l->partial, "the baseline is not a complete run: what it lacks counts as new");
}

/* --- findings --------------------------------------------------------------------------------- */

static int digit_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_fingerprint(const char *text, unsigned char out[FINGERPRINT_OCTETS])
{
    if (strlen(text) != FINGERPRINT_SIZE - 1 || strncmp(text, "f1-", 3) != 0)
        return false;
    text += 3;
    for (size_t i = 0; i < FINGERPRINT_OCTETS; i++, text += 2) {
        int high = digit_value(text[0]), low = digit_value(text[1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool add_finding(struct members *m, struct loading *l, const cJSON *item)
{
    const char *fingerprint = "", *severity = "", *status = "";
    struct baseline *b = l->baseline;
    struct item new;
    enum severity found;

    member_word(m, member_of(item, "fingerprint"), "/findings/fingerprint", &fingerprint);
    member_word(m, member_of(item, "severity"), "/findings/severity", &severity);
    member_word(m, member_of(item, "status"), "/findings/status", &status);
    if (m->failed || !severity_parse(severity, &found))
        return members_fail(m, "/findings/severity", "not one of ours");
    if (!read_fingerprint(fingerprint, new.fingerprint))
        return members_fail(m, "/findings/fingerprint", "not one of ours");
    if (strcmp(status, "open") != 0)
        return true;
    if (b->count == BASELINE_MAX)
        return members_fail(m, "/findings", "more than there can be in a baseline");
    if (!grow(&b->items, b->count, &b->capacity, sizeof *b->items))
        return members_fail(m, "/findings", "out of memory");
    new.severity = (unsigned char)found;
    b->items[b->count++] = new;
    return true;
}

/* --- records ---------------------------------------------------------------------------------- */

static bool is_run_id(const char *text)
{
    static const char pattern[] = "xxxxxxxx-xxxx-7xxx-xxxx-xxxxxxxxxxxx";
    for (size_t i = 0; i < sizeof pattern; i++)
        if (pattern[i] == 'x' ? digit_value(text[i]) < 0 : text[i] != pattern[i])
            return false;
    return strchr("89ab", text[19]) != NULL;
}

static bool take_start(struct members *m, struct loading *l)
{
    const char *id = "";
    if (l->open)
        note_partial(l);
    ledger_free(&l->lines);
    if (!ledger_init(&l->lines))
        return members_fail(m, "/", "out of memory");
    member_word(m, member_of(m->root, "run_id"), "/run_id", &id);
    l->open = true;
    l->baseline->run_id[0] = '\0';
    if (++l->runs == 1 && strlen(id) == RUN_ID_SIZE - 1 && is_run_id(id))
        memcpy(l->baseline->run_id, id, RUN_ID_SIZE);
    return !m->failed;
}

static bool take_end(struct members *m, struct loading *l)
{
    char hash[LEDGER_HASH_SIZE];
    const char *word = "";
    bool complete = false;

    member_truth(m, member_of(m->root, "complete"), "/complete", &complete);
    member_word(m, member_of(m->root, "records_sha256"), "/records_sha256", &word);
    if (m->failed)
        return false;
    if (!complete || !l->open)
        note_partial(l);
    else if (!ledger_hash(&l->lines, hash) || strcmp(hash, word) != 0)
        note(l, &l->changed, "the baseline is not as the scan wrote it: records_sha256 differs");
    l->open = false;
    return true;
}

static bool take_record(struct loading *l, const cJSON *record)
{
    char problem[160];
    struct members m = {.root = record, .problem = problem, .size = sizeof problem};
    const char *type = member_of(record, "type")->valuestring;
    const cJSON *item;
    bool ok = true;

    if (strcmp(type, "run_start") == 0)
        ok = take_start(&m, l);
    else if (strcmp(type, "run_end") == 0)
        ok = take_end(&m, l);
    else if (strcmp(type, "endpoint") == 0)
        cJSON_ArrayForEach(
            item, member_of(record, "findings")) if (!(ok = add_finding(&m, l, item))) break;
    l->any = true;
    return ok || refuse(l, problem);
}

static bool take_line(struct loading *l, struct span line)
{
    cJSON *record = members_parse(line);
    const char *fault = members_fault(record);
    bool ok = fault ? refuse(l, fault) : take_record(l, record);
    cJSON_Delete(record);
    if (l->lines.hash)
        ledger_note(&l->lines, line.at, line.len);
    return ok;
}

/* Without its end it may be a whole record nevertheless. */
static bool take_torn(struct loading *l, struct span line)
{
    cJSON *record = members_parse(line);
    bool torn = !record;
    cJSON_Delete(record);
    if (!torn)
        return take_line(l, line);
    note_partial(l);
    return true;
}

static bool read_lines(struct loading *l)
{
    struct span line;
    for (;;) {
        switch (infile_next(&l->in, &line)) {
        case INFILE_LINE:
            if (!take_line(l, line))
                return false;
            break;
        case INFILE_TORN:
            if (!take_torn(l, line))
                return false;
            break;
        case INFILE_LONG:
            return refuse(l, "longer than a record can be");
        case INFILE_FAILED:
            return refuse_file(l, strerror(l->in.error));
        case INFILE_END:
            if (l->open || !l->runs)
                note_partial(l);
            return l->any || refuse_file(l, "there is no record in the baseline");
        }
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

/* By fingerprint; the worst first. */
static int compare_items(const void *left, const void *right)
{
    const struct item *a = left, *b = right;
    int order = memcmp(a->fingerprint, b->fingerprint, FINGERPRINT_OCTETS);
    return order ? order : b->severity - a->severity;
}

static bool settle(struct baseline *b)
{
    unsigned char digest[32];
    size_t kept = 0;
    if (b->count)
        qsort(b->items, b->count, sizeof *b->items, compare_items);
    for (size_t i = 0; i < b->count; i++)
        if (!kept || memcmp(b->items[kept - 1].fingerprint, b->items[i].fingerprint,
                            FINGERPRINT_OCTETS) != 0)
            b->items[kept++] = b->items[i];
    b->count = kept;
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, kept ? (const void *)b->items : "",
                         kept * sizeof *b->items, digest) < 0)
        return false;
    hex_encode(digest, sizeof digest, b->sha256, sizeof b->sha256);
    return true;
}

struct baseline *baseline_load(const char *path, FILE *errors, FILE *notes)
{
    struct baseline *b = calloc(1, sizeof *b);
    struct loading l = {.baseline = b, .errors = errors, .notes = notes};
    bool ok = b && infile_open(&l.in, path);

    if (!ok)
        say(errors, "%s: %s", path, b ? strerror(l.in.error) : "out of memory");
    ok = ok && read_lines(&l) && (settle(b) || refuse_file(&l, "out of memory"));
    if (b && l.in.name)
        infile_close(&l.in);
    ledger_free(&l.lines);
    if (ok)
        return b;
    baseline_free(b);
    return NULL;
}

void baseline_free(struct baseline *b)
{
    if (b)
        free(b->items);
    free(b);
}

const char *baseline_run_id(const struct baseline *b)
{
    return *b->run_id ? b->run_id : NULL;
}

size_t baseline_count(const struct baseline *b)
{
    return b->count;
}

const char *baseline_sha256(const struct baseline *b)
{
    return b->sha256;
}

bool baseline_knows(const struct baseline *b, const char *fingerprint, enum severity severity)
{
    struct item wanted;
    if (!read_fingerprint(fingerprint, wanted.fingerprint))
        return false;
    for (size_t low = 0, high = b->count; low < high;) {
        size_t middle = low + (high - low) / 2;
        const struct item *item = &b->items[middle];
        int order = memcmp(item->fingerprint, wanted.fingerprint, FINGERPRINT_OCTETS);
        if (order == 0)
            return item->severity >= severity;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}
