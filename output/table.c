/* SPDX-License-Identifier: MIT */
/* table.c: a line an endpoint, for people at a terminal, and a summary. No text of a server's gets
 * in here. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "output/record.h"
#include "output/writer.h"
#include "scanner/targets.h"

struct table {
    uint64_t versions[VERSION_COUNT];
    uint64_t login_open, without_tls, shown;
    uint64_t findings[RULES_MAX][SEVERITY_COUNT]; /* endpoints with one */
    size_t expectation;                           /* the rule about what is expected */
    uint64_t expected[VERDICT_COUNT];             /* what it says of endpoints       */
    struct page page;                             /* of begin and end */
};

enum color { PLAIN, RED, YELLOW, GREEN, DIM };

static const char *paint(const struct writing *w, enum color color)
{
    static const char *const codes[] = {"", "\033[31m", "\033[33m", "\033[32m", "\033[2m"};
    return w->color ? codes[color] : "";
}

static const char *unpaint(const struct writing *w, enum color color)
{
    return w->color && color != PLAIN ? "\033[0m" : "";
}

static bool print(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool print(struct page *page, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int n = vsnprintf(NULL, 0, format, arguments);
    char *at = n < 0 ? NULL : page_room(page, (size_t)n + 1);
    if (at)
        page->len += (size_t)vsnprintf(at, (size_t)n + 1, format, again);
    va_end(again);
    va_end(arguments);
    return at != NULL;
}

static bool flush(struct writing *w)
{
    struct table *t = w->state;
    bool ok = outfile_write(w->file, t->page.bytes, t->page.len);
    page_clear(&t->page);
    return ok;
}

static bool begin(struct writing *w)
{
    struct table *t = w->state = calloc(1, sizeof *t);
    return t && rules_find("EXPECTED-SERVICE-SILENT", &t->expectation) &&
           print(&t->page, "%s%-34s %-14s %-10s %-11s %-19s %-17s %-8s %s%s\n", paint(w, DIM),
                 "HOST", "SERVICE", "STATUS", "STARTTLS", "VERSIONS", "LOGIN IN CLEAR", "WORST",
                 "REMARKS", unpaint(w, DIM)) &&
           flush(w);
}

static bool is_clear(const struct observation *o)
{
    return observation_knows(o, FACT_OBSERVED_MODE) && o->mode != MODE_IMPLICIT;
}

/* The service speaks to us, and this was to be asked and was not reached. */
static bool is_lost(const struct observation *o, enum fact fact)
{
    return o->status == STATUS_OK && o->why[fact] != CAUSE_NONE && o->why[fact] != CAUSE_NOT_ASKED;
}

/* The upgrade in a word. */
static const char *upgrade_word(const struct observation *o, enum color *color)
{
    *color = PLAIN;
    if (!is_clear(o))
        return observation_knows(o, FACT_OBSERVED_MODE) && o->status == STATUS_OK ? "implicit"
                                                                                  : "-";
    if (!observation_knows(o, FACT_ACCEPTED))
        return o->upgrade_command || is_lost(o, FACT_ACCEPTED) ? "unknown" : "-";
    if (o->accepted != TRI_YES) {
        *color = RED;
        return o->advertised == TRI_YES ? "refused" : "none";
    }
    if (o->handshake == HANDSHAKE_FAILED) {
        *color = RED;
        return "fails";
    }
    if (!observation_speaks_tls(o))
        return "unknown"; /* accepted, and no TLS was seen behind that */
    *color = GREEN;
    return o->advertised == TRI_NO ? "hidden" : "works";
}

/* The versions accepted; "?" stands for what is not known. */
static const char *version_words(const struct observation *o, char *out, size_t size,
                                 enum color *color)
{
    size_t len = 0;
    bool unknown = false;
    *color = PLAIN;
    out[0] = 0;
    if (!observation_knows(o, FACT_TLS) || o->tls.refused)
        return "-";
    for (int v = 0; v < VERSION_COUNT; v++) {
        const struct version_fact *f = &o->tls.versions[v];
        unknown |= f->status == VERSION_INCONCLUSIVE;
        if (f->status != VERSION_ACCEPTED)
            continue;
        if (v < VERSION_TLS12)
            *color = RED;
        len += (size_t)snprintf(out + len, size - len, "%s%s%s", len ? " " : "",
                                v <= VERSION_SSL3 ? "ssl" : "", version_number((enum version)v));
    }
    if (unknown)
        snprintf(out + len, size - len, "%s?", len ? " " : "");
    return *out ? out : "none";
}

/* What is announced. */
static const char *offer_word(const struct observation *o, enum color *color)
{
    *color = PLAIN;
    if (!observation_knows(o, FACT_LOGIN_BEFORE))
        return "-";
    if (o->login_disabled[0] == TRI_UNKNOWN)
        return "not announced";
    *color = o->login_disabled[0] == TRI_YES ? GREEN : YELLOW;
    return o->login_disabled[0] == TRI_YES ? "disabled" : "offered";
}

/* What a login in clear led to; where none was tried, what is announced. */
static const char *login_word(const struct observation *o, enum color *color)
{
    *color = PLAIN;
    if (!is_clear(o))
        return "-";
    if (o->preauth) {
        *color = RED;
        return "not needed";
    }
    switch (o->login.verdict) {
    case LOGIN_ACCEPTED:
        *color = RED;
        return "accepted";
    case LOGIN_REFUSED:
        *color = GREEN;
        return "refused";
    case LOGIN_INCONCLUSIVE:
        return "?";
    case LOGIN_NOT_TESTED:
        break;
    }
    return offer_word(o, color);
}

/* A word that fits: half of one is none. */
static const char *status_word(enum status status)
{
    return status == STATUS_MISMATCH      ? "mismatch"
           : status == STATUS_UNREACHABLE ? "unreached"
                                          : status_name(status);
}

static enum color severity_color(enum severity severity)
{
    return severity == SEVERITY_NONE     ? PLAIN
           : severity >= SEVERITY_HIGH   ? RED
           : severity == SEVERITY_MEDIUM ? YELLOW
                                         : PLAIN;
}

/* EHLO was refused, and then STARTTLS, which says nothing: another name may fare better. */
static bool is_name_refused(const struct observation *o)
{
    return o->service->protocol == &protocol_smtp && o->status == STATUS_OK &&
           o->why[FACT_CAPABILITIES_BEFORE] == CAUSE_REFUSED &&
           o->why[FACT_ACCEPTED] == CAUSE_REFUSED;
}

/* What else is worth a word: only words of ours. */
static const char *remarks(const struct observation *o, char *out, size_t size)
{
    size_t len = 0;
    const char *words[8];
    size_t count = 0;

    if (o->status != STATUS_OK)
        words[count++] = outcome_text(o->error);
    if (o->status == STATUS_OK && observation_knows(o, FACT_OBSERVED_MODE) &&
        o->mode != o->service->mode)
        words[count++] = o->mode == MODE_IMPLICIT ? "speaks TLS at once" : "speaks in clear";
    if (is_name_refused(o))
        words[count++] = "our name is refused (--ehlo-name)";
    if (o->preauth && is_clear(o))
        words[count++] = "PREAUTH";
    if (o->status == STATUS_OK && o->handshake == HANDSHAKE_FAILED)
        words[count++] = outcome_text(o->tls.failure);
    if (o->trailing)
        words[count++] = "text between STARTTLS and TLS";
    if (observation_knows(o, FACT_VERIFY) && !o->tls.verification.trusted &&
        o->tls.verification.unknown == CAUSE_NONE)
        words[count++] = list_has(&o->tls.verification.errors, "expired")
                             ? "certificate expired"
                             : "certificate not trusted";
    if (observation_knows(o, FACT_VERIFY) && o->tls.verification.name_match == TRI_NO)
        words[count++] = "certificate is for another name";
    out[0] = 0;
    for (size_t i = 0; i < count && len < size; i++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "", words[i]);
    return out;
}

/* Seen, or announced and not seen to be otherwise. */
static bool takes_login(const struct observation *o)
{
    bool offered = observation_knows(o, FACT_LOGIN_BEFORE) && o->login_disabled[0] == TRI_NO;
    return o->login.verdict == LOGIN_ACCEPTED || (offered && o->login.verdict != LOGIN_REFUSED);
}

static void count(struct table *t, const struct observation *o)
{
    t->shown++;
    for (int v = 0; v < VERSION_COUNT; v++)
        t->versions[v] += o->tls.versions[v].status == VERSION_ACCEPTED;
    if (is_clear(o) && o->status == STATUS_OK) {
        t->login_open += takes_login(o);
        t->without_tls += o->accepted == TRI_NO || o->handshake == HANDSHAKE_FAILED;
    }
}

static void count_findings(struct table *t, const struct judgement *j)
{
    for (size_t i = 0; i < j->count; i++)
        if (!j->findings[i].disposition.waived)
            t->findings[j->findings[i].number][j->findings[i].evidence.severity]++;
    t->expected[j->checks[t->expectation].verdict]++;
}

static bool show(const struct writing *w, struct page *page, const struct host_view *host,
                 const struct observation *o, const struct opinion *opinion)
{
    char address[ADDRESS_TEXT_MAX] = "", name[96], service[32], versions[64], words[256];
    enum color starttls_color, version_color, login_color;
    enum color status_color = o->status == STATUS_OK ? PLAIN : DIM;
    enum severity worst = opinion->judgement->worst;
    enum color worst_color = severity_color(worst);

    if (host->address.family)
        address_format(&host->address, address);
    if (host->target->name)
        snprintf(name, sizeof name, "%.40s%s%s", host->target->name, *address ? " " : "", address);
    else
        snprintf(name, sizeof name, "%s", address);
    snprintf(service, sizeof service, "%u/%s", (unsigned)o->service->port,
             o->service->protocol->name);
    const char *starttls = upgrade_word(o, &starttls_color);
    const char *version = version_words(o, versions, sizeof versions, &version_color);
    const char *login = login_word(o, &login_color);
    return print(page, "%-34s %-14s %s%-10s%s %s%-11s%s %s%-19s%s %s%-17s%s %s%-8s%s %s\n", name,
                 service, paint(w, status_color), status_word(o->status), unpaint(w, status_color),
                 paint(w, starttls_color), starttls, unpaint(w, starttls_color),
                 paint(w, version_color), version, unpaint(w, version_color), paint(w, login_color),
                 login, unpaint(w, login_color), paint(w, worst_color),
                 worst == SEVERITY_NONE ? "-" : severity_name(worst), unpaint(w, worst_color),
                 remarks(o, words, sizeof words));
}

static bool is_shown(const struct writing *w, const struct observation *o)
{
    return o->status != STATUS_CLOSED || w->all;
}

static bool render(const struct writing *w, const struct host_view *view,
                   const struct opinions *opinions, struct page *page)
{
    for (size_t i = 0; i < view->count; i++) {
        struct opinion opinion = opinions_at(opinions, i);
        const struct observation *o = &view->endpoints[i];
        if (is_shown(w, o) && !show(w, page, view, o, &opinion))
            return false;
    }
    return true;
}

static bool host(struct writing *w, const struct host_view *view, const struct opinions *opinions,
                 const struct page *page)
{
    for (size_t i = 0; i < view->count; i++) {
        count_findings(w->state, opinions_at(opinions, i).judgement);
        if (is_shown(w, &view->endpoints[i]))
            count(w->state, &view->endpoints[i]);
    }
    w->recorded += view->count;
    return outfile_write(w->file, page->bytes, page->len);
}

/* A line for each rule that found something, the worst first. */
static bool show_findings(const struct writing *w, enum severity least)
{
    struct table *t = w->state;
    for (int s = SEVERITY_COUNT - 1; s >= (int)least; s--) {
        const char *name = severity_name((enum severity)s);
        enum color color = severity_color((enum severity)s);
        struct rules_walk walk = {0};
        const struct rule *rule;
        for (size_t i = 0; (rule = rules_next(&walk)); i++)
            if (t->findings[i][s] &&
                !print(&t->page, "%s%-8s%s %-33s %5" PRIu64 "  %s\n", paint(w, color), name,
                       unpaint(w, color), rule->id, t->findings[i][s], rule->title))
                return false;
    }
    return true;
}

static bool show_policies(const struct writing *w, const struct tally *tally)
{
    struct table *t = w->state;
    const struct policies *policies = &w->run->policies;
    bool ok = true;
    for (size_t p = 0; p < policies->count && ok; p++) {
        ok = print(&t->page, "policy %s:", policy_name(policies->items[p]));
        for (int v = POLICY_VERDICT_COUNT - 1, shown = 0; v >= 0 && ok; v--)
            if (tally->policies[p][v])
                ok = print(&t->page, "%s %" PRIu64 " %s", shown++ ? "," : "", tally->policies[p][v],
                           policy_verdict_name((enum policy_verdict)v));
        ok = ok && print(&t->page, "\n");
    }
    return ok;
}

/* What is merely of interest is only told where nothing is wrong. */
static bool show_verdicts(const struct writing *w, const struct tally *tally)
{
    struct table *t = w->state;
    bool any = tally_reaches(tally, SEVERITY_INFO), bad = tally_reaches(tally, SEVERITY_LOW);
    if (!any)
        return print(&t->page, "no findings\n");
    return print(&t->page, "\n%s%-8s %-33s %5s  %s%s\n", paint(w, DIM), "FINDING", "RULE", "ON",
                 "WHAT IS WRONG", unpaint(w, DIM)) &&
           show_findings(w, bad ? SEVERITY_LOW : SEVERITY_INFO) &&
           (!bad || !tally->findings[SEVERITY_INFO] ||
            print(&t->page, "info: %" PRIu64 " more\n", tally->findings[SEVERITY_INFO]));
}

/* Only where something is expected. */
static bool show_expected(const struct writing *w)
{
    struct table *t = w->state;
    uint64_t silent = t->expected[VERDICT_FAIL], answer = t->expected[VERDICT_PASS];
    uint64_t unknown = t->expected[VERDICT_INCONCLUSIVE] + t->expected[VERDICT_NOT_TESTED];
    enum color color = silent ? RED : PLAIN;
    return !(silent || answer || unknown) ||
           print(&t->page,
                 "expected services: %" PRIu64 " answer, %s%" PRIu64 " silent%s, %" PRIu64
                 " not known\n",
                 answer, paint(w, color), silent, unpaint(w, color), unknown);
}

static uint64_t sum(const uint64_t counts[SEVERITY_COUNT])
{
    uint64_t total = 0;
    for (int s = 0; s < SEVERITY_COUNT; s++)
        total += counts[s];
    return total;
}

/* What is not shown above, and what of it is not new. */
static bool show_exceptions(const struct writing *w, const struct tally *tally)
{
    struct table *t = w->state;
    uint64_t new = sum(tally->fresh);
    return (!tally->waived || print(&t->page, "%" PRIu64 " waived\n", tally->waived)) &&
           (!tally->compared ||
            print(&t->page, "held against the baseline: %" PRIu64 " new, %" PRIu64 " known\n", new,
                  sum(tally->findings) - new));
}

static bool end(struct writing *w, const struct run_end *e)
{
    struct table *t = w->state;
    bool ok = print(&t->page,
                    "\n%" PRIu64 " of %" PRIu64 " hosts answered, %" PRIu64
                    " endpoints shown; of all that were asked:",
                    e->totals.answered, e->totals.hosts, t->shown);
    for (int s = 0; s < STATUS_COUNT && ok; s++)
        if (e->totals.statuses[s])
            ok = print(&t->page, " %" PRIu64 " %s", e->totals.statuses[s],
                       status_name((enum status)s));
    ok = ok && print(&t->page, "\naccepted:");
    for (int v = 0; v < VERSION_COUNT && ok; v++)
        ok = print(&t->page, " %s %s on %" PRIu64 "%s", v <= VERSION_SSL3 ? "SSL" : "TLS",
                   version_number((enum version)v), t->versions[v],
                   v + 1 < VERSION_COUNT ? "," : "\n");
    ok = ok && print(&t->page,
                     "in clear: %" PRIu64 " take or offer password logins, %" PRIu64
                     " have no working TLS\n",
                     t->login_open, t->without_tls);
    ok = ok && show_expected(w);
    ok = ok && show_verdicts(w, &e->totals.tally) && show_exceptions(w, &e->totals.tally) &&
         show_policies(w, &e->totals.tally);
    ok = ok && (!e->stopped_by ||
                print(&t->page, "This run is not complete: stopped by %s.\n", e->stopped_by));
    return ok && flush(w);
}

static void free_state(struct writing *w)
{
    struct table *t = w->state;
    if (t)
        page_free(&t->page);
    free(t);
    w->state = NULL;
}

const struct writer writer_table = {"table",    begin, render, host, end,
                                    free_state, NULL,  NULL,   NULL};
