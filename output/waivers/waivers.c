/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/waivers/waivers.h"

#include <gnutls/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "output/hex.h"
#include "output/rules/judgement.h"
#include "output/waivers/document.h"
#include "output/waivers/glob.h"
#include "scanner/grow.h"
#include "scanner/quote.h"
#include "scanner/targets.h"

#define MAX_DAYS_MAX 3660

/* A waiver, and what it is for. */
struct entry {
    struct waiver waiver;
    const char *endpoint; /* a pattern; NULL: any */
    const struct protocol *protocol;
    int family; /* of the network; 0: any address */
    struct wide first, mask;
    const char *const *labels; /* of the document's names; NULL: any value */
    const char *fingerprint;   /* NULL: any finding of its rules */
};

/* One that is found by what it names: a fingerprint, or a rule and a key. */
struct named {
    size_t rule;
    const char *text;
    size_t entry;
};

struct numbers {
    size_t *items;
    size_t count, capacity;
};

struct waivers {
    struct waiver_document document; /* all texts are its own */
    char sha256[WAIVERS_HASH_SIZE];
    struct entry *entries; /* in the order of the file */
    size_t count;
    size_t *by_id;
    struct numbers patterns[RULES_MAX]; /* those that have to be tried, in that order */
    struct named *keys, *fingerprints;  /* sorted, equal ones in that order */
    size_t key_count, fingerprint_count;
    size_t key_capacity, fingerprint_capacity;
};

/* --- what is wrong ---------------------------------------------------------------------------- */

struct reading {
    const struct yamlfile *file;
    FILE *errors;
    struct waivers *waivers;
    int64_t today;
    size_t entry; /* that is read */
    bool bad;
};

static void complain(struct reading *r, enum waiver_member member, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void complain(struct reading *r, enum waiver_member member, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    yamlfile_complain_at(r->file, r->errors,
                         waiver_document_line(&r->waivers->document, r->entry, member),
                         waiver_member_name(member), text);
    r->bad = true;
}

static bool out_of_memory(struct reading *r)
{
    yamlfile_complain_at(r->file, r->errors, 0, NULL, "out of memory");
    r->bad = true;
    return false;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* Who wrote it may not be who reads it: what cannot be shown as it is does not get in. */
static void check_text(struct reading *r, enum waiver_member member, const char *text, bool lines)
{
    if (!text)
        return;
    if (!text_is_clean(span_of(text)) || (!lines && strpbrk(text, "\n\t")))
        complain(r, member, "has control characters");
    else if (text[strspn(text, " \n\t")] == '\0')
        complain(r, member, "is empty");
}

static bool need(struct reading *r, enum waiver_member member, const char *text)
{
    if (!text)
        complain(r, member, "is missing");
    return text != NULL;
}

static void read_texts(struct reading *r, const struct waiver_entry *from, struct waiver *w)
{
    if (need(r, MEMBER_ID, from->id))
        check_text(r, MEMBER_ID, from->id, false);
    if (need(r, MEMBER_REASON, from->reason))
        check_text(r, MEMBER_REASON, from->reason, true);
    check_text(r, MEMBER_APPROVED_BY, from->approved_by, false);
    check_text(r, MEMBER_TICKET, from->ticket, false);
    w->id = from->id ? from->id : "";
    w->reason = from->reason;
    w->approved_by = from->approved_by;
    w->ticket = from->ticket;
}

/* --- days ------------------------------------------------------------------------------------- */

static bool read_day(struct reading *r, enum waiver_member member, const char *text, int64_t *day)
{
    if (date_parse(text, day))
        return true;
    complain(r, member, "%s is no day (YYYY-MM-DD)", quote(span_of(text)).text);
    return false;
}

static void read_days(struct reading *r, const struct waiver_entry *from, struct waiver *w)
{
    const struct waiver_list *list = r->waivers->document.list;
    unsigned max = list->max_days ? list->max_days : WAIVERS_MAX_DAYS;
    int64_t created = r->today;

    if (from->created && read_day(r, MEMBER_CREATED, from->created, &created) &&
        created > r->today + 1) /* somewhere it is tomorrow */
        complain(r, MEMBER_CREATED, "%s has yet to come", from->created);
    if (!need(r, MEMBER_EXPIRES, from->expires) ||
        !read_day(r, MEMBER_EXPIRES, from->expires, &w->last_day))
        return;
    memcpy(w->expires, from->expires, sizeof w->expires);
    if (from->created && w->last_day < created)
        complain(r, MEMBER_EXPIRES, "%s is before it was created", w->expires);
    if (w->last_day > created + max)
        complain(r, MEMBER_EXPIRES, "%s is more than %u days from %s (max_days)", w->expires, max,
                 from->created ? "its creation" : "today");
}

static void check_max_days(struct reading *r)
{
    const struct waiver_document *d = &r->waivers->document;
    if (!d->max_days_line || (d->list->max_days >= 1 && d->list->max_days <= MAX_DAYS_MAX))
        return;
    yamlfile_complain_at(r->file, r->errors, d->max_days_line, "max_days",
                         "is not a number from 1 to 3660");
    r->bad = true;
}

/* --- which findings --------------------------------------------------------------------------- */

static bool add_number(struct reading *r, struct numbers *n)
{
    if (!grow(&n->items, n->count, &n->capacity, sizeof *n->items))
        return out_of_memory(r);
    n->items[n->count++] = r->entry;
    return true;
}

static bool add_named(struct reading *r, struct named **items, size_t *count, size_t *capacity,
                      size_t rule, const char *text)
{
    if (!grow(items, *count, capacity, sizeof **items))
        return out_of_memory(r);
    (*items)[(*count)++] = (struct named){rule, text, r->entry};
    return true;
}

/* Where there is one key alone for it, it is found by that. */
static bool add_rule(struct reading *r, const struct entry *e, enum waiver_member member,
                     const char *id)
{
    struct waivers *w = r->waivers;
    size_t rule;
    if (!rules_find(id, &rule)) {
        complain(r, member, "%s is no rule", quote(span_of(id)).text);
        return true;
    }
    return e->endpoint && glob_is_literal(e->endpoint)
               ? add_named(r, &w->keys, &w->key_count, &w->key_capacity, rule, e->endpoint)
               : add_number(r, &w->patterns[rule]);
}

static bool is_fingerprint(const char *text)
{
    return strlen(text) == FINGERPRINT_SIZE - 1 && strncmp(text, "f1-", 3) == 0 &&
           strspn(text + 3, "0123456789abcdef") == FINGERPRINT_SIZE - 4;
}

static bool read_findings(struct reading *r, const struct waiver_entry *from, struct entry *e)
{
    struct waivers *w = r->waivers;
    bool ok = true;

    if (!from->rule + !from->rules_count + !from->fingerprint != 2)
        complain(r, MEMBER_ID, "it takes one of rule, rules and fingerprint");
    else if (from->rule)
        return add_rule(r, e, MEMBER_RULE, from->rule);
    else if (from->fingerprint && !is_fingerprint(from->fingerprint))
        complain(r, MEMBER_FINGERPRINT, "%s is no fingerprint (f1- and 32 digits, 0-9 a-f)",
                 quote(span_of(from->fingerprint)).text);
    else if ((e->fingerprint = from->fingerprint))
        return add_named(r, &w->fingerprints, &w->fingerprint_count, &w->fingerprint_capacity, 0,
                         e->fingerprint);
    for (unsigned i = 0; ok && !from->rule && i < from->rules_count; i++)
        ok = add_rule(r, e, MEMBER_RULES, from->rules[i]);
    return ok;
}

/* --- which endpoints -------------------------------------------------------------------------- */

static void read_network(struct reading *r, const char *text, struct entry *e)
{
    const char *slash = strchr(text, '/');
    struct span address = {text, slash ? (size_t)(slash - text) : strlen(text)};
    struct address a;
    unsigned width, bits = 0;

    if (!address_parse(address, &a)) {
        complain(r, MEMBER_CIDR, "%s is no network (192.0.2.0/24, 2001:db8::/32)",
                 quote(span_of(text)).text);
        return;
    }
    width = bits = a.family == AF_INET ? 32 : 128;
    if (slash) {
        size_t digits = strspn(slash + 1, "0123456789");
        bits = digits && digits <= 3 && !slash[1 + digits] ? (unsigned)atoi(slash + 1) : width + 1;
    }
    struct wide host = wide_mask(width - (bits <= width ? bits : width));
    e->first = address_number(&a);
    if (bits > width)
        complain(r, MEMBER_CIDR, "%s: a prefix is from 0 to %u", quote(span_of(text)).text, width);
    else if (e->first.high & host.high || e->first.low & host.low)
        complain(r, MEMBER_CIDR, "%s begins before that address", quote(span_of(text)).text);
    else if (bits == 0)
        complain(r, MEMBER_CIDR, "every address: say so by endpoint: \"*\"");
    e->family = a.family;
    e->mask = (struct wide){~host.high, ~host.low};
}

/* In lower case, as keys are. */
static void read_pattern(struct reading *r, char *text, struct entry *e)
{
    for (char *c = text; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    if (!text_is_clean(span_of(text)) || strpbrk(text, " \n\t"))
        complain(r, MEMBER_ENDPOINT, "has characters that no endpoint's key has");
    else if (strcmp(text, "*") != 0 && text[strspn(text, "*?:/")] == '\0')
        complain(r, MEMBER_ENDPOINT, "every endpoint: say so by \"*\"");
    e->endpoint = text;
}

static void read_labels(struct reading *r, const struct waiver_labels *labels, struct entry *e)
{
    const struct waiver_document *d = &r->waivers->document;
    for (size_t i = 0; labels && i < d->name_count; i++)
        if (labels->values[i]) {
            check_text(r, MEMBER_LABELS, labels->values[i], false);
            e->labels = (const char *const *)labels->values;
        }
}

/* Nobody waives everything by what he left out. */
static void read_match(struct reading *r, const struct waiver_entry *from, struct entry *e)
{
    const struct waiver_match *m = &from->match;
    if (m->endpoint)
        read_pattern(r, m->endpoint, e);
    if (m->cidr)
        read_network(r, m->cidr, e);
    if (m->protocol && !(e->protocol = protocol_find(span_of(m->protocol))))
        complain(r, MEMBER_PROTOCOL, "%s is no protocol (ftp, imap, pop3, smtp)",
                 quote(span_of(m->protocol)).text);
    read_labels(r, m->labels, e);
    if (!m->endpoint && !m->cidr && !from->fingerprint)
        complain(r, MEMBER_MATCH,
                 "it takes an endpoint or a cidr (endpoint: \"*\" is all of them)");
}

/* --- all of it -------------------------------------------------------------------------------- */

static int compare_named(const void *left, const void *right)
{
    const struct named *a = left, *b = right;
    if (a->rule != b->rule)
        return a->rule < b->rule ? -1 : 1;
    int order = strcmp(a->text, b->text);
    return order ? order : (a->entry > b->entry) - (a->entry < b->entry);
}

static int compare_ids(const void *left, const void *right, void *context)
{
    const struct entry *entries = context;
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    int order = strcmp(entries[a].waiver.id, entries[b].waiver.id);
    return order ? order : (a > b) - (a < b);
}

static void sort(struct waivers *w)
{
    if (w->key_count)
        qsort(w->keys, w->key_count, sizeof *w->keys, compare_named);
    if (w->fingerprint_count)
        qsort(w->fingerprints, w->fingerprint_count, sizeof *w->fingerprints, compare_named);
    for (size_t i = 0; i < w->count; i++)
        w->by_id[i] = i;
    if (w->count)
        qsort_r(w->by_id, w->count, sizeof *w->by_id, compare_ids, w->entries);
    for (size_t i = 0; i < w->count; i++)
        w->entries[w->by_id[i]].waiver.number = i;
}

static void check_ids(struct reading *r)
{
    const struct waivers *w = r->waivers;
    for (size_t i = 1; i < w->count; i++) {
        const char *id = waivers_at(w, i)->id;
        r->entry = w->by_id[i];
        if (*id && strcmp(id, waivers_at(w, i - 1)->id) == 0)
            complain(r, MEMBER_ID, "%s is there already", quote(span_of(id)).text);
    }
}

/* The pattern is read before the rules, which are found by it. */
static bool read_entry(struct reading *r)
{
    const struct waiver_entry *from = &r->waivers->document.list->entries[r->entry];
    struct entry *e = &r->waivers->entries[r->entry];
    read_texts(r, from, &e->waiver);
    read_days(r, from, &e->waiver);
    read_match(r, from, e);
    return read_findings(r, from, e);
}

static bool read_entries(struct reading *r)
{
    struct waivers *w = r->waivers;
    size_t count = w->document.list->entries_count;
    bool ok = true;

    w->entries = calloc(count + 1, sizeof *w->entries);
    w->by_id = calloc(count + 1, sizeof *w->by_id);
    if (!w->entries || !w->by_id)
        return out_of_memory(r);
    w->count = count;
    check_max_days(r);
    for (r->entry = 0; ok && r->entry < count; r->entry++)
        ok = read_entry(r);
    if (ok) {
        sort(w);
        check_ids(r);
    }
    return ok && !r->bad;
}

static bool hash_file(const struct yamlfile *f, char out[WAIVERS_HASH_SIZE])
{
    unsigned char digest[32];
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, f->bytes.at, f->bytes.len, digest) < 0)
        return false;
    hex_encode(digest, sizeof digest, out, WAIVERS_HASH_SIZE);
    return true;
}

struct waivers *waivers_read(const struct yamlfile *f, int64_t now, FILE *errors)
{
    struct waivers *w = calloc(1, sizeof *w);
    struct reading r = {.file = f, .errors = errors, .waivers = w, .today = waiver_day(now)};

    if (!w || !hash_file(f, w->sha256))
        out_of_memory(&r);
    else if (waiver_document_read(&w->document, f, errors) && read_entries(&r))
        return w;
    waivers_free(w);
    return NULL;
}

struct waivers *waivers_load(const char *path, int64_t now, FILE *errors)
{
    struct stat status;
    struct yamlfile f;
    struct waivers *w = NULL;
    const char *problem = yamlfile_open(&f, path, &status);

    if (problem)
        yamlfile_complain_at(&f, errors, 0, NULL, problem);
    else
        w = waivers_read(&f, now, errors);
    yamlfile_close(&f);
    return w;
}

void waivers_free(struct waivers *w)
{
    if (!w)
        return;
    waiver_document_free(&w->document);
    for (size_t i = 0; i < RULES_MAX; i++)
        free(w->patterns[i].items);
    free(w->entries);
    free(w->by_id);
    free(w->keys);
    free(w->fingerprints);
    free(w);
}

const char *waivers_sha256(const struct waivers *w)
{
    return w->sha256;
}

size_t waivers_count(const struct waivers *w)
{
    return w->count;
}

const struct waiver *waivers_at(const struct waivers *w, size_t number)
{
    return &w->entries[w->by_id[number]].waiver;
}

/* --- finding one ------------------------------------------------------------------------------ */

struct search {
    const struct waivers *waivers;
    const struct waiver_subject *subject;
    const struct entry *best; /* so far; NULL: none */
};

static bool has_address(const struct entry *e, const struct address *a)
{
    if (!e->family)
        return true;
    if (e->family != a->family)
        return false;
    struct wide n = address_number(a);
    return ((n.high & e->mask.high) == e->first.high) && ((n.low & e->mask.low) == e->first.low);
}

static bool has_label(const struct target_host *host, const char *name, const char *value)
{
    for (size_t i = 0; i < host->label_count; i++)
        if (strcmp(host->labels[i].key, name) == 0)
            return strcmp(host->labels[i].value, value) == 0;
    return false;
}

static bool has_labels(const struct waiver_document *d, const struct entry *e,
                       const struct target_host *host)
{
    for (size_t i = 0; e->labels && i < d->name_count; i++)
        if (e->labels[i] && !has_label(host, d->names[i], e->labels[i]))
            return false;
    return true;
}

static bool fits(const struct search *s, const struct entry *e)
{
    const struct waiver_subject *subject = s->subject;
    return (!e->protocol || e->protocol == subject->protocol) &&
           has_address(e, &subject->host->address) &&
           has_labels(&s->waivers->document, e, subject->host->target) &&
           (!e->endpoint || glob_matches(e->endpoint, subject->key));
}

static void try(struct search *s, size_t number)
{
    const struct entry *e = &s->waivers->entries[number];
    bool over = waiver_expired(&e->waiver, s->subject->time);
    if (s->best) {
        bool other = waiver_expired(&s->best->waiver, s->subject->time);
        if (over > other || (over == other && e >= s->best))
            return;
    }
    if (fits(s, e))
        s->best = e;
}

/* All that are named so. */
static void try_named(struct search *s, const struct named *items, size_t count, size_t rule,
                      const char *text)
{
    const struct named wanted = {rule, text, 0};
    size_t low = 0;
    for (size_t high = count; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (compare_named(&items[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && items[low].rule == rule && strcmp(items[low].text, text) == 0; low++)
        try(s, items[low].entry);
}

const struct waiver *waivers_find(const struct waivers *w, const struct waiver_subject *subject,
                                  size_t rule, const char *fingerprint)
{
    struct search s = {.waivers = w, .subject = subject};
    const struct numbers *patterns = &w->patterns[rule];

    try_named(&s, w->fingerprints, w->fingerprint_count, 0, fingerprint);
    try_named(&s, w->keys, w->key_count, rule, subject->key);
    for (size_t i = 0; i < patterns->count; i++)
        try(&s, patterns->items[i]);
    return s.best ? &s.best->waiver : NULL;
}
