/* SPDX-License-Identifier: MIT */
/* rules.c: the list of all rules, and what rules share. */
#include "output/rules/rule.h"

#include <stdarg.h>
#include <stdio.h>

#include "scanner/targets.h"

static const struct rules_section sections[] = {
    {"all protocols", rules_channel},
    {"logins in clear", rules_login},
    {"hosts", rules_host},
    {"IMAP", rules_imap},
    {"POP3", rules_pop3},
    {"SMTP", rules_smtp},
    {"FTP", rules_ftp},
    {"TLS", rules_tls},
    {"cipher suites", rules_ciphers},
    {"certificates", rules_certificate},
};

const struct rules_section *rules_section_at(size_t at)
{
    return at < sizeof sections / sizeof *sections ? &sections[at] : NULL;
}

const struct rule *rules_next(struct rules_walk *walk)
{
    for (; walk->section < sizeof sections / sizeof *sections; walk->section++) {
        if (!walk->next)
            walk->next = sections[walk->section].rules;
        if (walk->next->id)
            return walk->next++;
        walk->next = NULL;
    }
    return NULL;
}

const struct rule *rules_at(size_t at)
{
    struct rules_walk walk = {0};
    const struct rule *rule;
    while ((rule = rules_next(&walk)) && at > 0)
        at--;
    return rule;
}

size_t rules_count(void)
{
    struct rules_walk walk = {0};
    size_t count = 0;
    while (rules_next(&walk))
        count++;
    return count;
}

const struct rule *rules_find(const char *id, size_t *at)
{
    struct rules_walk walk = {0};
    const struct rule *rule;
    for (size_t i = 0; (rule = rules_next(&walk)); i++)
        if (strcmp(rule->id, id) == 0) {
            if (at)
                *at = i;
            return rule;
        }
    return NULL;
}

const char *severity_name(enum severity severity)
{
    static const char *const names[] = {"info", "low", "medium", "high", "critical"};
    return severity < SEVERITY_COUNT ? names[severity] : NULL;
}

bool severity_parse(const char *text, enum severity *out)
{
    for (int s = 0; s < SEVERITY_COUNT; s++)
        if (strcmp(text, severity_name((enum severity)s)) == 0) {
            *out = (enum severity)s;
            return true;
        }
    return false;
}

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[VERDICT_COUNT] = {"pass", "fail", "not_applicable", "not_tested",
                                                     "inconclusive"};
    return names[verdict];
}

const char *role_name(enum role role)
{
    static const char *const names[] = {"access", "submission", "mx", "relay", "files"};
    return names[role];
}

/* --- evidence --------------------------------------------------------------------------------- */

void evidence_begin(struct evidence *e, enum severity severity)
{
    e->severity = severity;
    e->confidence = CONFIDENCE_CONFIRMED;
    e->reason = NULL;
    e->discriminator[0] = '\0';
    e->count = e->used = 0;
}

static struct evidence_item *add(struct evidence *e, const char *name)
{
    struct evidence_item *item = &e->items[e->count];
    e->count += e->count < EVIDENCE_MAX;
    *item = (struct evidence_item){.name = name};
    return item;
}

void evidence_text(struct evidence *e, const char *name, const char *text)
{
    struct evidence_item *item = add(e, name);
    item->kind = EVIDENCE_TEXT;
    item->text = text;
}

void evidence_number(struct evidence *e, const char *name, int64_t number)
{
    struct evidence_item *item = add(e, name);
    item->kind = EVIDENCE_NUMBER;
    item->number = number;
}

void evidence_truth(struct evidence *e, const char *name, bool truth)
{
    struct evidence_item *item = add(e, name);
    item->kind = EVIDENCE_TRUTH;
    item->number = truth;
}

void evidence_list(struct evidence *e, const char *name, const struct list *list)
{
    struct evidence_item *item = add(e, name);
    item->kind = EVIDENCE_LIST;
    item->list = list;
}

void evidence_format(struct evidence *e, const char *name, const char *format, ...)
{
    va_list arguments;
    size_t room = sizeof e->scratch - e->used;
    char *at = e->scratch + e->used;

    if (room < 2)
        return;
    va_start(arguments, format);
    int n = vsnprintf(at, room, format, arguments);
    va_end(arguments);
    if (n < 0)
        return;
    struct evidence_item *item = add(e, name);
    item->kind = EVIDENCE_MADE;
    item->number = (int64_t)e->used;
    e->used += (size_t)n < room ? (size_t)n + 1 : room;
}

const char *evidence_words(const struct evidence *e, const struct evidence_item *item)
{
    return item->kind == EVIDENCE_MADE ? e->scratch + item->number : item->text;
}

/* --- what rules share ------------------------------------------------------------------------- */

static bool label_says(const struct host_view *host, const char *value)
{
    for (size_t i = 0; i < host->target->label_count; i++)
        if (strcmp(host->target->labels[i].key, "role") == 0)
            return strcmp(host->target->labels[i].value, value) == 0;
    return false;
}

/* The label speaks of mail: it changes nothing about other protocols. Without one, 587 and 2525 are
   for submission even where they are taken for ports that start in clear. */
static enum role role_of(const struct host_view *host, const struct observation *o)
{
    uint16_t port = o->service->port;
    if (o->service->protocol == &protocol_ftp)
        return ROLE_FILES;
    if (o->service->protocol != &protocol_smtp)
        return ROLE_ACCESS;
    if (o->service->mode != MODE_INSECURE || label_says(host, "submission"))
        return ROLE_SUBMISSION;
    if (label_says(host, "relay"))
        return ROLE_RELAY;
    return (port == 587 || port == 2525) && !label_says(host, "mx") ? ROLE_SUBMISSION : ROLE_MX;
}

struct subject subject_of(const struct host_view *host, const struct observation *o)
{
    return (struct subject){
        .host = host, .o = o, .role = role_of(host, o), .now = (time_t)(o->started / 1000)};
}

enum verdict verdict_without(enum verdict verdict, const char *reason, struct evidence *e)
{
    e->reason = reason;
    return verdict;
}

enum verdict verdict_unknown(const struct observation *o, enum fact fact, struct evidence *e)
{
    enum cause why = o->why[fact];
    return verdict_without(why == CAUSE_NOT_ASKED ? VERDICT_NOT_TESTED : VERDICT_INCONCLUSIVE,
                           cause_name(why), e);
}

bool is_in_clear(const struct observation *o)
{
    enum mode mode = observation_knows(o, FACT_OBSERVED_MODE) ? o->mode : o->service->mode;
    return mode != MODE_IMPLICIT;
}

bool subject_has_tls(const struct subject *s, struct evidence *e, enum verdict *verdict)
{
    const struct observation *o = s->o;
    bool known = observation_knows(o, FACT_TLS);
    bool none = known ? o->tls.refused : o->status == STATUS_CLOSED || o->status == STATUS_MISMATCH;
    if (known && !none)
        return true;
    *verdict = none ? VERDICT_NOT_APPLICABLE : verdict_unknown(o, FACT_TLS, e);
    return false;
}

const char *version_title(enum version version)
{
    static const char *const titles[VERSION_COUNT] = {"SSL 2.0", "SSL 3.0", "TLS 1.0",
                                                      "TLS 1.1", "TLS 1.2", "TLS 1.3"};
    return titles[version];
}

enum verdict verdict_open(const struct version_fact *fact, struct evidence *e)
{
    return verdict_without(fact->status == VERSION_NOT_TESTED ? VERDICT_NOT_TESTED
                                                              : VERDICT_INCONCLUSIVE,
                           cause_name(fact->reason), e);
}

void evidence_on_mx(struct evidence *e, const struct subject *s, enum severity severity)
{
    if (s->role != ROLE_MX)
        return;
    e->severity = severity;
    evidence_text(e, "role", role_name(s->role));
}
