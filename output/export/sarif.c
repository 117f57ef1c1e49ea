/* SPDX-License-Identifier: MIT */
/*
 * sarif.c: SARIF 2.1.0, for those who keep their inventory as code: a result is a finding, and its
 * place is the line of the target list that named the host. The endpoint's key is the logical
 * location. Targets that were given as arguments or on standard input have no file: theirs is
 * called "targets", and the line is the argument's number, or that of the input.
 *
 * A run of the scanner is a run there. The rules come behind the results, with the texts of the
 * first result of each; so many are kept, and no result.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/export/json.h"
#include "output/export/words.h"
#include "output/members.h"
#include "output/rules/rule.h"

#define RULES_KEPT ((size_t)256)
#define TEXT_KEPT ((size_t)1 << 16) /* octets of each text */
#define RESULTS_NOTED 25000         /* GitHub takes no more in a run */
#define NO_FILE "targets"

struct sarif {
    cJSON *rules[RULES_KEPT]; /* the texts of a finding of each */
    size_t rule_count;
    uint64_t results;
    bool open, noted;
    cJSON *start; /* the texts of the run's; may be NULL */
};

/* --- a run ------------------------------------------------------------------------------------ */

static bool open_run(struct exporting *e)
{
    struct sarif *s = e->state;
    if (s->open)
        return true;
    s->open = true;
    return json_line(e) && json_begin(e, NULL, '{') && json_begin(e, "results", '[');
}

/* Keeps the text, as far as there is room for it. */
static bool keep_text(cJSON *kept, const char *name, const char *text)
{
    struct span cut = text ? words_cut(text, TEXT_KEPT) : (struct span){NULL, 0};
    char *copy = text ? strndup(cut.at, cut.len) : NULL;
    bool ok = copy && cJSON_AddStringToObject(kept, name, copy);
    free(copy);
    return ok;
}

/* The default of the rules we know: that of a finding may depend on what the port is for. */
static const char *severity_of_rule(const cJSON *finding)
{
    const struct rule *rule = rules_find(export_text(finding, "rule"), NULL);
    return rule ? severity_name(rule->severity) : export_text(finding, "severity");
}

/* As CVSS has them: what a viewer calls critical, high, medium and low. */
static const char *score_of(const char *severity)
{
    static const char *const scores[][2] = {
        {"critical", "9.5"}, {"high", "8.0"}, {"medium", "5.5"}, {"low", "2.5"}};
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
        if (strcmp(scores[i][0], severity) == 0)
            return scores[i][1];
    return "";
}

static const char *level_of(const char *severity)
{
    if (strcmp(severity, "critical") == 0 || strcmp(severity, "high") == 0)
        return "error";
    return strcmp(severity, "medium") == 0 ? "warning" : "note";
}

/* Sections 3.11.5 and 3.11.6: braces would be placeholders, and [text](place) a link. */
static bool put_message(struct exporting *e, const char *name, const char *text)
{
    page_clear(&e->words);
    bool ok = true;
    while (ok && *text) {
        size_t n = strcspn(text, "{}]");
        ok = page_add(&e->words, text, n);
        text += n;
        if (!ok || !*text)
            break;
        if (*text == ']')
            ok = text[1] != '(' || page_add(&e->words, "\\", 1);
        else
            ok = page_add(&e->words, text, 1);
        ok = ok && page_add(&e->words, text++, 1);
    }
    return ok && page_add(&e->words, "", 1) && json_begin(e, name, '{') &&
           json_text(e, "text", e->words.bytes) && json_end(e, '}');
}

static bool put_tags(struct exporting *e, unsigned cwe)
{
    char tag[40];
    snprintf(tag, sizeof tag, "external/cwe/cwe-%u", cwe);
    return json_begin(e, "tags", '[') && json_text(e, NULL, "security") &&
           (!cwe || json_text(e, NULL, tag)) && json_end(e, ']');
}

/* Description, what to do and the clauses, as one text. */
static bool put_help(struct exporting *e, const cJSON *finding)
{
    const char *description = export_text(finding, "description");
    const char *remediation = export_text(finding, "remediation");
    const char *references = export_text(finding, "references");
    struct page text = {0};
    const char *parts[] = {description, "\n\n", remediation, "\n\n", references, NULL};
    bool ok = true;
    for (size_t i = 0; ok && parts[i]; i++)
        ok = page_add(&text, parts[i], strlen(parts[i]));
    ok = ok && page_add(&text, "", 1) && put_message(e, "help", text.bytes);
    page_free(&text);
    return ok;
}

static bool put_rule(struct exporting *e, const cJSON *finding)
{
    const char *severity = severity_of_rule(finding);
    return json_line(e) && json_begin(e, NULL, '{') &&
           json_text(e, "id", export_text(finding, "rule")) &&
           put_message(e, "shortDescription", export_text(finding, "title")) &&
           put_message(e, "fullDescription", export_text(finding, "description")) &&
           put_help(e, finding) && json_begin(e, "defaultConfiguration", '{') &&
           json_text(e, "level", level_of(severity)) && json_end(e, '}') &&
           json_begin(e, "properties", '{') &&
           put_tags(e, words_cwe(export_text(finding, "rule"))) &&
           json_text_if(e, "security-severity", score_of(severity)) && json_end(e, '}') &&
           json_end(e, '}');
}

static bool put_tool(struct exporting *e)
{
    struct sarif *s = e->state;
    bool ok = json_begin(e, "tool", '{') && json_begin(e, "driver", '{') &&
              json_text(e, "name", "starttls-audit") &&
              json_text_if(e, "version", export_text(s->start, "version")) &&
              json_begin(e, "rules", '[');
    for (size_t i = 0; ok && i < s->rule_count; i++)
        ok = put_rule(e, s->rules[i]);
    return ok && json_end(e, ']') && json_end(e, '}') && json_end(e, '}');
}

/* end: NULL where the run has none. */
static bool put_invocation(struct exporting *e, const cJSON *end)
{
    struct sarif *s = e->state;
    return json_begin(e, "invocations", '[') && json_begin(e, NULL, '{') &&
           json_text_if(e, "startTimeUtc", words_time(s->start, "started")) &&
           json_text_if(e, "endTimeUtc", words_time(end, "time")) &&
           json_truth(e, "executionSuccessful", cJSON_IsTrue(member_of(end, "complete"))) &&
           json_end(e, '}') && json_end(e, ']');
}

static void forget_run(struct sarif *s)
{
    while (s->rule_count)
        cJSON_Delete(s->rules[--s->rule_count]);
    cJSON_Delete(s->start);
    s->start = NULL;
    s->results = 0;
    s->open = s->noted = false;
}

static bool close_run(struct exporting *e, const cJSON *end)
{
    struct sarif *s = e->state;
    bool ok = json_end(e, ']') && put_tool(e) && put_invocation(e, end) &&
              json_begin(e, "automationDetails", '{') && json_begin(e, "properties", '{') &&
              json_text_if(e, "run_id", export_text(s->start, "run_id")) && json_end(e, '}') &&
              json_text(e, "id", e->options->scan) && json_end(e, '}') &&
              json_text(e, "columnKind", "unicodeCodePoints") && json_end(e, '}');
    forget_run(s);
    return ok;
}

/* --- a result --------------------------------------------------------------------------------- */

/* The texts of the first finding of a rule are kept. */
static bool keep_rule(struct exporting *e, const cJSON *finding)
{
    static const char *const names[] = {"title", "description", "remediation", "severity"};
    struct sarif *s = e->state;
    const char *rule = export_text(finding, "rule");
    for (size_t i = 0; i < s->rule_count; i++)
        if (strcmp(export_text(s->rules[i], "rule"), rule) == 0)
            return true;
    if (s->rule_count == RULES_KEPT || strlen(rule) > TEXT_KEPT)
        return true;
    cJSON *kept = s->rules[s->rule_count++] = cJSON_CreateObject();
    bool ok = kept && keep_text(kept, "rule", rule);
    for (size_t i = 0; ok && i < sizeof names / sizeof *names; i++)
        ok = keep_text(kept, names[i], export_text(finding, names[i]));
    return ok &&
           keep_text(kept, "references", words_list(e, member_of(finding, "references"), "\n"));
}

/* RFC 3986: everything but what is unreserved, and "/". */
static bool put_path(struct exporting *e, const char *path)
{
    static const char good[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/";
    page_clear(&e->words);
    bool ok = *path != '/' || page_add(&e->words, "file://", 7);
    for (; ok && *path; path++) {
        char octet[4];
        snprintf(octet, sizeof octet, "%%%02X", (unsigned)(unsigned char)*path);
        ok = strchr(good, *path) ? page_add(&e->words, path, 1) : page_add(&e->words, octet, 3);
    }
    return ok && page_add(&e->words, "", 1) && json_text(e, "uri", e->words.bytes);
}

static bool put_artifact(struct exporting *e, const char *file)
{
    while (strncmp(file, "./", 2) == 0)
        file += 2;
    bool is_none = !*file || strcmp(file, "-") == 0;
    return json_begin(e, "artifactLocation", '{') && put_path(e, is_none ? NO_FILE : file) &&
           (*file == '/' || json_text(e, "uriBaseId", "%SRCROOT%")) && json_end(e, '}');
}

static bool put_location(struct exporting *e, const cJSON *record)
{
    double line = export_number(record, "endpoint/source/line");
    return json_begin(e, "locations", '[') && json_begin(e, NULL, '{') &&
           json_begin(e, "physicalLocation", '{') &&
           put_artifact(e, export_text(record, "endpoint/source/file")) &&
           json_begin(e, "region", '{') &&
           json_number(e, "startLine", line >= 1 && line < 0x1p31 ? (double)(long)line : 1) &&
           json_end(e, '}') && json_end(e, '}') && json_begin(e, "logicalLocations", '[') &&
           json_begin(e, NULL, '{') &&
           json_text(e, "fullyQualifiedName", export_text(record, "endpoint/key")) &&
           json_text(e, "kind", "resource") && json_end(e, '}') && json_end(e, ']') &&
           json_end(e, '}') && json_end(e, ']');
}

static bool put_waiver(struct exporting *e, const cJSON *waiver)
{
    static const char *const names[] = {"id", "expires", "approved_by", "ticket"};
    bool ok = json_begin(e, NULL, '{') && json_text(e, "kind", "external") &&
              json_text(e, "status", "accepted") &&
              json_text(e, "justification", export_text(waiver, "reason")) &&
              json_begin(e, "properties", '{');
    for (size_t i = 0; ok && i < sizeof names / sizeof *names; i++)
        ok = json_text_if(e, names[i], export_text(waiver, names[i]));
    return ok && json_end(e, '}') && json_end(e, '}');
}

/* An empty list says that there is none. */
static bool put_suppressions(struct exporting *e, const cJSON *finding)
{
    return json_begin(e, "suppressions", '[') &&
           (!words_is_waived(finding) || put_waiver(e, member_of(finding, "waiver"))) &&
           json_end(e, ']');
}

static bool put_text(struct exporting *e, const cJSON *record, const cJSON *finding)
{
    struct page text = {0};
    const char *key = export_text(record, "endpoint/key"), *title = export_text(finding, "title");
    const char *ip = export_text(record, "endpoint/ip"), *evidence = words_evidence(e, finding);
    bool is_named = words_has_name(record) && *ip;
    const char *parts[] = {title,
                           ": ",
                           key,
                           is_named ? " at " : "",
                           is_named ? ip : "",
                           evidence && *evidence ? "\n" : "",
                           evidence,
                           NULL};
    bool ok = evidence != NULL;
    for (size_t i = 0; ok && parts[i]; i++)
        ok = page_add(&text, parts[i], strlen(parts[i]));
    ok = ok && page_add(&text, "", 1) && put_message(e, "message", text.bytes);
    page_free(&text);
    return ok;
}

static bool put_fingerprints(struct exporting *e, const char *fingerprint)
{
    if (!*fingerprint)
        return true;
    return json_begin(e, "partialFingerprints", '{') &&
           json_text(e, "primaryLocationLineHash", fingerprint) &&
           json_text(e, "starttlsAuditFinding/v1", fingerprint) && json_end(e, '}');
}

static bool put_baseline(struct exporting *e, const char *baseline)
{
    bool is_new = strcmp(baseline, "new") == 0, is_known = strcmp(baseline, "known") == 0;
    return (!is_new && !is_known) || json_text(e, "baselineState", is_new ? "new" : "unchanged");
}

static bool put_properties(struct exporting *e, const cJSON *record, const cJSON *finding)
{
    bool ok = json_begin(e, "properties", '{') &&
              json_text_if(e, "severity", export_text(finding, "severity")) &&
              json_text_if(e, "confidence", export_text(finding, "confidence")) &&
              json_text_if(e, "ip", export_text(record, "endpoint/ip")) &&
              json_text_if(e, "evidence", words_evidence(e, finding));
    if (!ok || !e->options->label_count)
        return ok && json_end(e, '}');
    ok = json_begin(e, "tags", '[');
    for (size_t i = 0; ok && i < e->options->label_count; i++) {
        const char *key = e->options->labels[i], *value = words_label(record, key);
        page_clear(&e->words);
        ok = !*value ||
             (page_add(&e->words, key, strlen(key)) && page_add(&e->words, "=", 1) &&
              page_add(&e->words, value, strlen(value) + 1) && json_text(e, NULL, e->words.bytes));
    }
    return ok && json_end(e, ']') && json_end(e, '}');
}

static bool put_result(struct exporting *e, const cJSON *record, const cJSON *finding)
{
    return keep_rule(e, finding) && json_line(e) && json_begin(e, NULL, '{') &&
           json_text(e, "ruleId", export_text(finding, "rule")) && json_text(e, "kind", "fail") &&
           json_text(e, "level", level_of(export_text(finding, "severity"))) &&
           put_text(e, record, finding) && put_location(e, record) &&
           put_fingerprints(e, export_text(finding, "fingerprint")) &&
           put_suppressions(e, finding) && put_baseline(e, export_text(finding, "baseline")) &&
           put_properties(e, record, finding) && json_end(e, '}');
}

/* --- the format ------------------------------------------------------------------------------- */

static bool begin(struct exporting *e)
{
    e->state = calloc(1, sizeof(struct sarif));
    return e->state && json_begin(e, NULL, '{') &&
           json_text(e, "$schema", "https://json.schemastore.org/sarif-2.1.0.json") &&
           json_text(e, "version", "2.1.0") && json_begin(e, "runs", '[');
}

static bool take_start(struct exporting *e, const cJSON *record)
{
    struct sarif *s = e->state;
    if (s->open && !close_run(e, NULL))
        return false;
    forget_run(s);
    s->start = cJSON_CreateObject();
    return s->start && keep_text(s->start, "run_id", export_text(record, "run_id")) &&
           keep_text(s->start, "started", export_text(record, "started")) &&
           keep_text(s->start, "version", export_text(record, "scanner/version")) && open_run(e);
}

static bool take_endpoint(struct exporting *e, const cJSON *record)
{
    struct sarif *s = e->state;
    const cJSON *finding;
    bool ok = open_run(e);
    cJSON_ArrayForEach(finding, member_of(record, "findings"))
    {
        ok = ok && put_result(e, record, finding);
        s->results++;
    }
    if (s->results > RESULTS_NOTED && !s->noted)
        export_note(e, "more than %d results in a run: code scanning of GitHub takes no more",
                    RESULTS_NOTED);
    s->noted |= s->results > RESULTS_NOTED;
    return ok;
}

static bool record(struct exporting *e, const char *type, const cJSON *record)
{
    if (strcmp(type, "run_start") == 0)
        return take_start(e, record);
    if (strcmp(type, "endpoint") == 0)
        return take_endpoint(e, record);
    if (strcmp(type, "run_end") == 0)
        return open_run(e) && close_run(e, record);
    return true;
}

static bool end(struct exporting *e)
{
    struct sarif *s = e->state;
    return (!s->open || close_run(e, NULL)) && json_line(e) && json_end(e, ']') &&
           json_end(e, '}') && json_finish(e);
}

static void free_state(struct exporting *e)
{
    if (e->state)
        forget_run(e->state);
    free(e->state);
}

const struct exporter export_sarif = {
    "sarif",   "SARIF 2.1.0, with the lines of the target list as places", begin, record, end,
    free_state};
