/* SPDX-License-Identifier: MIT */
/*
 * html.c: a report for people: one page that needs nothing but a browser.
 *
 * The page (report/) is a frame, a style and a script; what this file adds are the records, as
 * blocks of JSON that only the script reads, and a summary for browsers without scripts. The
 * page's own policy lets this style and this script run, by their hashes, and nothing else.
 */
#define _GNU_SOURCE
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/export/intern.h"
#include "output/export/report/report.h"
#include "output/export/words.h"
#include "scanner/quote.h"

#define BLOCK ((size_t)1 << 20) /* octets of data that a browser gets in one piece */
#define RULES ((size_t)256)
#define WORD ((size_t)96) /* of an id or a title, in the summary without scripts */

#define BLOCK_BEGIN "<script type=\"application/json\" class=\"data\">[\n"
#define BLOCK_END "0]</script>\n"

struct rule_count {
    char id[WORD], title[WORD];
    uint64_t open[SEVERITY_COUNT], waived;
};

/* Of the run that came last. */
struct totals {
    char run[WORD], started[WORD];
    bool ended, complete;
    uint64_t endpoints, statuses[STATUS_COUNT + 1], open[SEVERITY_COUNT], waived, others;
    struct rule_count rules[RULES];
    size_t rule_count;
};

struct html {
    struct intern intern;
    struct totals totals;
    size_t block;     /* octets of this block so far */
    struct span rest; /* of the page */
};

/* --- HTML ------------------------------------------------------------------------------------- */

/* As much as a character can have. */
static struct span next_of(const char *at)
{
    return (struct span){at, strnlen(at, 4)};
}

/* The number of a character that turns others around, or cannot be seen; 0: it is none. */
static unsigned odd_at(const char *at)
{
    return (unsigned char)*at < 0x80 ? 0 : quote_unseen(next_of(at));
}

static bool put_html(struct exporting *e, const char *text)
{
    bool ok = true;
    while (ok && *text) {
        unsigned code = 0;
        size_t plain = 0;
        while (text[plain] && !strchr("<>&\"'", text[plain]) && !(code = odd_at(text + plain)))
            plain++;
        ok = put_span(e, (struct span){text, plain});
        text += plain;
        if (!*text)
            break;
        ok = ok && (code ? put_format(e, "&#60;U+%04X&#62;", code)
                         : put_format(e, "&#%u;", (unsigned)(unsigned char)*text));
        text += code ? quote_character(next_of(text)) : 1;
    }
    return ok;
}

/* What a policy of content (CSP) calls a style or a script that is part of the page. */
static bool put_hash(struct exporting *e, struct span text)
{
    unsigned char digest[32];
    gnutls_datum_t octets = {digest, sizeof digest}, base64 = {NULL, 0};
    bool ok = gnutls_hash_fast(GNUTLS_DIG_SHA256, text.at, text.len, digest) >= 0 &&
              gnutls_base64_encode2(&octets, &base64) >= 0 && put(e, "'sha256-") &&
              put_span(e, (struct span){(const char *)base64.data, base64.size}) && put(e, "'");
    gnutls_free(base64.data);
    return ok;
}

static bool put_policy(struct exporting *e)
{
    return put(e, "default-src 'none'; script-src ") && put_hash(e, report_script) &&
           put(e, "; style-src ") && put_hash(e, report_style) &&
           put(e, "; img-src data:; base-uri 'none'; form-action 'none'; "
                  "require-trusted-types-for 'script'; trusted-types 'none'");
}

static bool put_title(struct exporting *e)
{
    const char *scan = e->options->scan;
    if (e->options->title)
        return put_html(e, e->options->title);
    return put(e, "Mail and file transfer security") &&
           (!scan || strcmp(scan, "default") == 0 || (put(e, ": ") && put_html(e, scan)));
}

/* --- the summary for browsers without scripts -------------------------------------------------- */

static bool put_row(struct exporting *e, const char *name, uint64_t count)
{
    return put(e, "<tr><th scope=\"row\">") && put_html(e, name) &&
           put_format(e, "</th><td>%" PRIu64 "</td></tr>\n", count);
}

static bool put_counts(struct exporting *e, const struct totals *t)
{
    bool ok = put(e, "<table><caption>Endpoints by status</caption>\n") &&
              put_row(e, "recorded", t->endpoints);
    for (int s = 0; s < STATUS_COUNT && ok; s++)
        ok = !t->statuses[s] || put_row(e, status_name((enum status)s), t->statuses[s]);
    ok = ok &&
         (!t->statuses[STATUS_COUNT] || put_row(e, "of another status", t->statuses[STATUS_COUNT]));
    ok = ok && put(e, "</table>\n<table><caption>Open findings by severity</caption>\n");
    for (int s = SEVERITY_COUNT - 1; s >= 0 && ok; s--)
        ok = put_row(e, severity_name((enum severity)s), t->open[s]);
    return ok && put_row(e, "waived", t->waived) && put(e, "</table>\n");
}

static bool put_rules(struct exporting *e, const struct totals *t)
{
    bool ok = put(e, "<table><caption>Findings by rule</caption>\n<thead><tr><th>Rule</th>"
                     "<th>Finding</th>");
    for (int s = SEVERITY_COUNT - 1; s >= 0 && ok; s--)
        ok = put_format(e, "<th>%s</th>", severity_name((enum severity)s));
    ok = ok && put(e, "<th>waived</th></tr></thead>\n");
    for (size_t i = 0; i < t->rule_count && ok; i++) {
        const struct rule_count *r = &t->rules[i];
        ok = put(e, "<tr><th scope=\"row\">") && put_html(e, r->id) && put(e, "</th><td>") &&
             put_html(e, r->title) && put(e, "</td>");
        for (int s = SEVERITY_COUNT - 1; s >= 0 && ok; s--)
            ok = put_format(e, "<td>%" PRIu64 "</td>", r->open[s]);
        ok = ok && put_format(e, "<td>%" PRIu64 "</td></tr>\n", r->waived);
    }
    ok = ok && put(e, "</table>\n");
    return ok && (!t->others ||
                  put_format(e, "<p>and %" PRIu64 " findings of other rules</p>\n", t->others));
}

static bool put_summary(struct exporting *e)
{
    const struct totals *t = &((struct html *)e->state)->totals;
    return put(e, "<p>This report needs JavaScript for its tables; what follows is a summary of "
                  "run ") &&
           put_html(e, *t->run ? t->run : "(unnamed)") && put(e, ", begun ") &&
           put_html(e, *t->started ? t->started : "at an unknown time") &&
           put(e, t->complete ? ", which is complete.</p>\n"
                  : t->ended  ? ", which is <strong>not complete</strong>.</p>\n"
                              : ", which <strong>did not come to its end</strong>.</p>\n") &&
           put_counts(e, t) && put_rules(e, t);
}

/* --- the page --------------------------------------------------------------------------------- */

/* Writes the page up to the next mark (@@name@@), and goes behind it. */
static bool put_until_mark(struct exporting *e, struct span *name)
{
    struct html *h = e->state;
    const char *mark = memmem(h->rest.at, h->rest.len, "@@", 2);
    size_t before = mark ? (size_t)(mark - h->rest.at) : h->rest.len;
    bool ok = put_span(e, (struct span){h->rest.at, before});
    *name = (struct span){"", 0};
    h->rest = span_from(h->rest, before);
    if (mark) {
        struct span inside = span_from(h->rest, 2);
        const char *end = memmem(inside.at, inside.len, "@@", 2);
        *name = span_until(inside, end ? (size_t)(end - inside.at) : inside.len);
        h->rest = span_from(inside, end ? name->len + 2 : inside.len);
    }
    return ok;
}

/* Writes the page up to where the data are, or to its end. */
static bool put_page(struct exporting *e)
{
    struct span name;
    bool ok;
    while ((ok = put_until_mark(e, &name)) && name.len && !span_is(name, "data")) {
        ok = span_is(name, "policy")    ? put_policy(e)
             : span_is(name, "title")   ? put_title(e)
             : span_is(name, "style")   ? put_span(e, report_style)
             : span_is(name, "script")  ? put_span(e, report_script)
             : span_is(name, "summary") ? put_summary(e)
                                        : false;
        if (!ok)
            break;
    }
    return ok;
}

/* A line of data; each block is an array of JSON. */
static bool put_line(struct exporting *e, struct span line)
{
    struct html *h = e->state;
    if (h->block > BLOCK) {
        h->block = 0;
        if (!put(e, BLOCK_END BLOCK_BEGIN))
            return false;
    }
    h->block += line.len;
    return put_span(e, line) && put(e, ",\n");
}

static bool begin(struct exporting *e)
{
    struct html *h = e->state = calloc(1, sizeof *h);
    if (!h)
        return false;
    intern_init(&h->intern, put_line);
    h->rest = report_page;
    return put_page(e) && put(e, BLOCK_BEGIN);
}

/* --- records ---------------------------------------------------------------------------------- */

/* As much as there is room for, up to the end of a character. */
static void copy_word(char out[WORD], const char *text)
{
    struct span cut = words_cut(text, WORD - 1);
    memcpy(out, cut.at, cut.len);
    out[cut.len] = 0;
}

/* NULL: there are too many. */
static struct rule_count *rule_of(struct totals *t, const cJSON *finding)
{
    char id[WORD];
    size_t i = 0;

    copy_word(id, export_text(finding, "rule"));
    while (i < t->rule_count && strcmp(t->rules[i].id, id) != 0)
        i++;
    if (i == RULES)
        return NULL;
    if (i == t->rule_count) {
        t->rule_count++;
        memcpy(t->rules[i].id, id, WORD);
        copy_word(t->rules[i].title, export_text(finding, "title"));
    }
    return &t->rules[i];
}

static void count_finding(struct totals *t, const cJSON *finding)
{
    enum severity severity = words_severity_of(finding);
    bool waived = words_is_waived(finding);
    struct rule_count *rule = rule_of(t, finding);

    if (severity == SEVERITY_NONE)
        return;
    t->open[severity] += !waived;
    t->waived += waived;
    t->others += !rule;
    if (rule) {
        rule->open[severity] += !waived;
        rule->waived += waived;
    }
}

static void count(struct totals *t, const char *type, const cJSON *record)
{
    const cJSON *finding;
    if (strcmp(type, "run_start") == 0) {
        *t = (struct totals){.ended = false};
        copy_word(t->run, export_text(record, "run_id"));
        copy_word(t->started, export_text(record, "started"));
    } else if (strcmp(type, "run_end") == 0) {
        t->ended = true;
        t->complete = cJSON_IsTrue(export_member(record, "complete"));
    } else if (strcmp(type, "endpoint") == 0) {
        t->endpoints++;
        t->statuses[status_find(export_text(record, "status"))]++;
        cJSON_ArrayForEach(finding, export_member(record, "findings")) count_finding(t, finding);
    }
}

/* A line {"NAME":value}, of the run's and not of the intern's. */
static bool put_named(struct exporting *e, const char *name, const cJSON *value,
                      const cJSON *left_out)
{
    struct html *h = e->state;
    struct page *page = &h->intern.page;
    page_clear(page);
    return page_add(page, name, strlen(name)) && intern_put(&h->intern, e, value, left_out) &&
           page_add(page, "}", 1) && put_line(e, (struct span){page->bytes, page->len});
}

/* What was said is long, and looked at seldom: it has a line of its own. */
static bool record(struct exporting *e, const char *type, const cJSON *record)
{
    const cJSON *said = export_member(record, "transcript");
    if (!cJSON_IsArray(said))
        said = NULL;
    if (strcmp(type, "checkpoint") == 0)
        return true;
    count(&((struct html *)e->state)->totals, type, record);
    return put_named(e, "{\"record\":", record, said) &&
           (!said || put_named(e, "{\"transcript\":", said, NULL));
}

static bool end(struct exporting *e)
{
    return put(e, BLOCK_END) && put_page(e);
}

static void free_state(struct exporting *e)
{
    struct html *h = e->state;
    if (h)
        intern_free(&h->intern);
    free(h);
    e->state = NULL;
}

const struct exporter export_html = {
    "html", "a report to read in a browser, in one file", begin, record, end, free_state};
