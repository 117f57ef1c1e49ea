/* SPDX-License-Identifier: MIT */
/*
 * defectdojo.c: a document for DefectDojo's Generic Findings Import.
 *
 * Only members that releases old and new take: one that is not known makes them refuse all of it.
 * No "service", without which a later import finds its findings again. What the default way of
 * telling findings apart looks at (title, cwe, description) is the same in every run, and has the
 * endpoint's key in it; what changes from run to run is in steps_to_reproduce.
 *
 * There is one finding of each fingerprint. Where an endpoint was asked at several addresses, or in
 * several runs, the open one has the word, then the more severe, then the first. So none goes out
 * before all was read (spool.h).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "output/export/json.h"
#include "output/export/markdown.h"
#include "output/export/spool.h"
#include "output/export/words.h"
#include "output/members.h"
#include "scanner/text.h"

#define NAME_SIZE 64

struct dojo {
    struct spool spool;
    bool sharded;            /* a run is a part of one */
    char version[NAME_SIZE]; /* of the scanner */
    char first_run[NAME_SIZE];
    char *buffer;
    size_t buffer_size;
};

static bool begin(struct exporting *e)
{
    e->held = true;
    e->state = calloc(1, sizeof(struct dojo));
    return e->state != NULL;
}

/* --- a finding -------------------------------------------------------------------------------- */

static bool is_date(const char *time)
{
    static const char like[] = "0000-00-00";
    for (size_t i = 0; like[i]; i++)
        if (like[i] == '0' ? !ascii_digit(time[i]) : time[i] != like[i])
            return false;
    return true;
}

static bool put_date(struct exporting *e, const char *time)
{
    char day[sizeof "2026-11-26"];
    if (!is_date(time))
        return true;
    memcpy(day, time, sizeof day - 1);
    day[sizeof day - 1] = '\0';
    return json_text(e, "date", day);
}

/* Two texts as one. */
static bool put_joined(struct exporting *e, const char *name, const char *a, const char *between,
                       const char *b)
{
    page_clear(&e->words);
    return page_add(&e->words, a, strlen(a)) && page_add(&e->words, between, strlen(between)) &&
           page_add(&e->words, b, strlen(b) + 1) && json_text(e, name, e->words.bytes);
}

/* An import is refused if the host can be none. */
static bool put_endpoints(struct exporting *e, const cJSON *record)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
    const char *host = export_text(record, "endpoint/host");
    unsigned port = words_port(record);

    if (!*host || host[strspn(host, good)] || strlen(host) > 255 || !port)
        return true;
    return json_begin(e, "endpoints", '[') && json_begin(e, NULL, '{') &&
           json_text_if(e, "protocol", export_text(record, "endpoint/protocol")) &&
           json_text(e, "host", host) && json_number(e, "port", port) && json_end(e, '}') &&
           json_end(e, ']');
}

/* Blanks and commas would make several of one. */
static bool put_tag(struct exporting *e, const char *key, const char *value)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
    char tag[128];
    size_t n = 0;
    for (; *key && n < 32; key++)
        tag[n++] = strchr(good, *key) ? *key : '_';
    if (n)
        tag[n++] = ':';
    for (; *value && n < 100; value++)
        tag[n++] = strchr(good, *value) ? *value : '_';
    tag[n] = '\0';
    return json_text_if(e, NULL, tag);
}

static bool put_tags(struct exporting *e, const cJSON *record)
{
    bool ok = json_begin(e, "tags", '[') &&
              put_tag(e, "", export_text(record, "endpoint/protocol")) &&
              put_tag(e, "", export_text(record, "endpoint/mode"));
    for (size_t i = 0; ok && i < e->options->label_count; i++) {
        const char *value = words_label(record, e->options->labels[i]);
        ok = !*value || put_tag(e, e->options->labels[i], value);
    }
    return ok && json_end(e, ']');
}

/* A line of what is not to be read as markup: indented, every line of it. */
static bool add_line(struct page *page, const char *name, const char *text)
{
    static const char margin[] = "    ";
    bool ok = page_add(page, margin, 4) && page_add(page, name, strlen(name));
    while (ok && *text) {
        size_t n = strcspn(text, "\n");
        ok = page_add(page, text, n);
        text += n;
        if (ok && *text == '\n') {
            ok = page_add(page, "\n    ", 5);
            text++;
        }
    }
    return ok && page_add(page, "\n", 1);
}

/* Whatever may be another one in the next run. */
static bool put_steps(struct exporting *e, const cJSON *record, const cJSON *finding)
{
    struct page text = {0};
    bool ok = add_line(&text, "seen at: ", export_text(record, "endpoint/ip")) &&
              add_line(&text, "time: ", export_text(record, "time")) &&
              add_line(&text, "run: ", export_text(record, "run_id")) &&
              add_line(&text, "confidence: ", export_text(finding, "confidence"));
    const char *evidence = words_evidence(e, finding);
    ok = ok && evidence && (!*evidence || add_line(&text, "evidence: ", evidence));
    if (ok && words_is_waived(finding)) {
        const char *waiver = words_waiver(e, finding);
        ok = waiver && add_line(&text, "waived: ", waiver);
    }
    ok = ok && page_add(&text, "", 1) && json_text(e, "steps_to_reproduce", text.bytes);
    page_free(&text);
    return ok;
}

/* Two texts, each a paragraph of Markdown; the second may be NULL. */
static bool put_markdown(struct exporting *e, const char *name, const char *a, const char *between,
                         const char *b)
{
    page_clear(&e->words);
    return markdown_add(&e->words, a) &&
           (!b || (page_add(&e->words, between, strlen(between)) && markdown_add(&e->words, b))) &&
           page_add(&e->words, "", 1) && json_text_if(e, name, e->words.bytes);
}

/* A line each. */
static bool put_references(struct exporting *e, const cJSON *list)
{
    const cJSON *item;
    const char *between = "";
    bool ok = true;
    page_clear(&e->words);
    cJSON_ArrayForEach(item, list)
    {
        if (!ok || !cJSON_IsString(item))
            continue;
        ok = page_add(&e->words, between, strlen(between)) &&
             markdown_add(&e->words, item->valuestring);
        between = "\n";
    }
    return ok && page_add(&e->words, "", 1) && json_text_if(e, "references", e->words.bytes);
}

/* DefectDojo renders these as Markdown. */
static bool put_texts(struct exporting *e, const cJSON *record, const cJSON *finding)
{
    const char *key = export_text(record, "endpoint/key"), *severity = words_severity(finding);
    unsigned cwe = words_cwe(export_text(finding, "rule"));
    return put_markdown(e, "title", export_text(finding, "title"), ": ", key) &&
           json_text(e, "severity", *severity ? severity : "Info") &&
           put_markdown(e, "description", key, "\n\n", export_text(finding, "description")) &&
           put_markdown(e, "mitigation", export_text(finding, "remediation"), "", NULL) &&
           put_references(e, member_of(finding, "references")) &&
           (!cwe || json_number(e, "cwe", cwe)) && put_steps(e, record, finding);
}

static bool put_state(struct exporting *e, const cJSON *finding)
{
    bool waived = words_is_waived(finding);
    return json_truth(e, "active", !waived) && json_truth(e, "risk_accepted", waived) &&
           json_truth(e, "verified",
                      strcmp(export_text(finding, "confidence"), "confirmed") == 0) &&
           json_truth(e, "static_finding", false) && json_truth(e, "dynamic_finding", true);
}

static bool put_finding(struct exporting *e, const cJSON *record, const cJSON *finding)
{
    e->comma = false;
    return json_begin(e, NULL, '{') && put_texts(e, record, finding) && put_state(e, finding) &&
           json_text(e, "unique_id_from_tool", export_text(finding, "fingerprint")) &&
           json_text(e, "vuln_id_from_tool", export_text(finding, "rule")) &&
           put_date(e, export_text(record, "time")) && put_endpoints(e, record) &&
           put_tags(e, record) && json_end(e, '}');
}

static uint32_t rank_of(const cJSON *finding)
{
    enum severity severity = words_severity_of(finding);
    return (words_is_waived(finding) ? 0 : SEVERITY_COUNT) +
           (severity == SEVERITY_NONE ? 0 : (uint32_t)severity);
}

/* Takes what is on the page. */
static bool spool(struct exporting *e, const cJSON *finding)
{
    struct dojo *d = e->state;
    struct span piece = {e->page.bytes, e->page.len};
    const char *fingerprint = export_text(finding, "fingerprint");
    enum spool_step step = spool_add(&d->spool, fingerprint, rank_of(finding), piece);

    page_clear(&e->page);
    if (step == SPOOL_FULL)
        e->problem = "more findings than can be told apart: export fewer records at a time";
    if (step == SPOOL_FAILED) {
        export_note(e, "temporary file: %s", strerror(errno));
        e->told = true;
    }
    return step != SPOOL_FULL && step != SPOOL_FAILED;
}

static bool record(struct exporting *e, const char *type, const cJSON *record)
{
    struct dojo *d = e->state;
    const cJSON *finding;
    bool lossy;

    d->sharded |= cJSON_IsObject(member_of(record, "shard"));
    if (strcmp(type, "run_start") == 0)
        text_clean(span_of(export_text(record, "scanner/version")), d->version, NAME_SIZE, &lossy);
    if (!*d->first_run)
        text_clean(span_of(export_text(record, "run_id")), d->first_run, NAME_SIZE, &lossy);
    if (strcmp(type, "endpoint") != 0)
        return true;
    cJSON_ArrayForEach(finding, member_of(record, "findings"))
    {
        if (*export_text(finding, "fingerprint") &&
            (!put_finding(e, record, finding) || !spool(e, finding)))
            return false;
    }
    return true;
}

/* --- the document ----------------------------------------------------------------------------- */

static bool put_findings(struct exporting *e)
{
    struct dojo *d = e->state;
    struct span piece;
    bool ok = json_begin(e, "findings", '[');
    for (size_t i = 0; ok && i < d->spool.count; i++) {
        if (!spool_read(&d->spool, i, &d->buffer, &d->buffer_size, &piece)) {
            e->problem = "a temporary file cannot be read";
            return false;
        }
        ok = put(e, i ? ",\n" : "\n") && put_span(e, piece);
    }
    return ok && json_end(e, ']');
}

static bool end(struct exporting *e)
{
    struct dojo *d = e->state;
    if (e->incomplete || d->sharded)
        export_note(e,
                    "import this with close_old_findings=false: what was not scanned is not fixed");
    e->held = false;
    e->comma = false;
    return json_begin(e, NULL, '{') && json_text(e, "name", e->options->scan) &&
           json_text(e, "type", "starttls-audit") && json_text_if(e, "version", d->version) &&
           put_joined(e, "description",
                      e->incomplete ? "An incomplete run of starttls-audit: "
                                    : "A run of starttls-audit: ",
                      d->first_run, e->runs > 1 ? " and others" : "") &&
           json_truth(e, "static_tool", false) && json_truth(e, "dynamic_tool", true) &&
           put_findings(e) && json_end(e, '}') && json_finish(e);
}

static void free_state(struct exporting *e)
{
    struct dojo *d = e->state;
    if (d) {
        spool_free(&d->spool);
        free(d->buffer);
    }
    free(d);
}

const struct exporter export_defectdojo = {
    "defectdojo", "a document for DefectDojo's Generic Findings Import", begin, record, end,
    free_state};
