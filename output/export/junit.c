/* SPDX-License-Identifier: MIT */
/*
 * junit.c: XML as JUnit's reports have it, for a pipeline: an endpoint is a suite of tests, each
 * rule that applies to it a test.
 *
 *   pass, or a finding of severity info    passed (the finding is in system-out)
 *   fail                                   a failure, of the severity of the worst open finding
 *   fail, and every finding is waived      skipped, with the waivers
 *   not_tested                             skipped, with the reason
 *   inconclusive                           an error, with the reason
 *   not_applicable                         left out
 *
 * Characters that XML 1.0 cannot have at all become U+FFFD.
 */
#include <stdio.h>
#include <string.h>

#include "output/export/words.h"
#include "output/members.h"

#define RULES_TAKEN ((size_t)512) /* of each verdict */

/* --- XML -------------------------------------------------------------------------------------- */

/* Line ends and tabs in an attribute would be read as blanks. */
static const char *entity_of(const char *at, size_t *len)
{
    *len = 1;
    switch (*at) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\n':
        return "&#10;";
    case '\t':
        return "&#9;";
    case '\xef': /* U+FFFE and U+FFFF */
        if (at[1] != '\xbf' || (at[2] != '\xbe' && at[2] != '\xbf'))
            return NULL;
        *len = 3;
        return "\xef\xbf\xbd";
    default:
        return NULL;
    }
}

static bool is_plain(char c)
{
    return c && c != '&' && c != '<' && c != '>' && c != '"' && c != '\n' && c != '\t' &&
           c != '\xef';
}

static bool put_xml(struct exporting *e, const char *text)
{
    while (text && *text) {
        size_t plain = 0, len;
        while (is_plain(text[plain]))
            plain++;
        if (plain && !put_span(e, (struct span){text, plain}))
            return false;
        text += plain;
        if (!*text)
            break;
        const char *entity = entity_of(text, &len);
        if (entity ? !put(e, entity) : !put_span(e, (struct span){text, 1}))
            return false;
        text += len;
    }
    return text != NULL;
}

static bool put_attribute(struct exporting *e, const char *name, const char *text)
{
    return put(e, " ") && put(e, name) && put(e, "=\"") && put_xml(e, text) && put(e, "\"");
}

static bool put_property(struct exporting *e, const char *prefix, const char *name,
                         const char *value)
{
    return put(e, "<property name=\"") && put(e, prefix) && put_xml(e, name) && put(e, "\"") &&
           put_attribute(e, "value", value) && put(e, "/>\n");
}

/* --- verdicts --------------------------------------------------------------------------------- */

enum outcome { OUTCOME_NONE, OUTCOME_NOTE, OUTCOME_FAILURE, OUTCOME_WAIVED };

/* What the findings of a rule that failed come to. Without one, all that is known is that it did. */
static enum outcome outcome_of(const cJSON *findings, const char *rule)
{
    enum outcome outcome = OUTCOME_NONE;
    const cJSON *finding;
    cJSON_ArrayForEach(finding, findings)
    {
        if (strcmp(export_text(finding, "rule"), rule) != 0)
            continue;
        if (words_is_waived(finding))
            outcome = outcome == OUTCOME_NONE ? OUTCOME_WAIVED : outcome;
        else if (strcmp(export_text(finding, "severity"), "info") != 0)
            return OUTCOME_FAILURE;
        else
            outcome = OUTCOME_NOTE;
    }
    return outcome == OUTCOME_NONE ? OUTCOME_FAILURE : outcome;
}

static const char *reason_of(const cJSON *record, const char *rule)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, export_member(record, "checks/reasons"))
    {
        if (strcmp(export_text(item, "rule"), rule) == 0)
            return export_text(item, "reason");
    }
    return "not known";
}

/* Of the rule; the worst that is open, which stands first, or else the first. */
static const cJSON *worst_of(const cJSON *findings, const char *rule)
{
    const cJSON *finding, *worst = NULL;
    cJSON_ArrayForEach(finding, findings)
    {
        if (strcmp(export_text(finding, "rule"), rule) == 0 &&
            (!worst || (words_is_waived(worst) && !words_is_waived(finding))))
            worst = finding;
    }
    return worst;
}

/* --- a test ----------------------------------------------------------------------------------- */

static bool begin_test(struct exporting *e, const cJSON *record, const char *rule)
{
    return put(e, "<testcase") && put_attribute(e, "name", rule) &&
           put_attribute(e, "classname", export_text(record, "endpoint/key"));
}

static bool put_line(struct exporting *e, const char *name, const char *text)
{
    return text && (!*text || (put(e, name) && put_xml(e, text) && put(e, "\n")));
}

static bool put_finding(struct exporting *e, const cJSON *finding)
{
    return put_line(e, "", export_text(finding, "title")) &&
           put_line(e, "", export_text(finding, "description")) &&
           put_line(e, "seen: ", words_evidence(e, finding)) &&
           put_line(e, "to do: ", export_text(finding, "remediation")) &&
           put_line(e, "references: ", words_list(e, member_of(finding, "references"), "; ")) &&
           put_line(e, "fingerprint: ", export_text(finding, "fingerprint")) &&
           (!words_is_waived(finding) || put_line(e, "waived: ", words_waiver(e, finding)));
}

static bool put_findings(struct exporting *e, const cJSON *findings, const char *rule)
{
    const cJSON *finding;
    cJSON_ArrayForEach(finding, findings)
    {
        if (strcmp(export_text(finding, "rule"), rule) == 0 && !put_finding(e, finding))
            return false;
    }
    return true;
}

static bool put_waived(struct exporting *e, const cJSON *findings, const char *rule)
{
    const cJSON *worst = worst_of(findings, rule);
    return put(e, "><skipped message=\"waived: ") && put_xml(e, words_waiver(e, worst)) &&
           put(e, "\">") && put_findings(e, findings, rule) && put(e, "</skipped></testcase>\n");
}

static bool put_failure(struct exporting *e, const cJSON *findings, const char *rule)
{
    const cJSON *worst = worst_of(findings, rule);
    return put(e, "><failure") && put_attribute(e, "type", export_text(worst, "severity")) &&
           put_attribute(e, "message", export_text(worst, "title")) && put(e, ">") &&
           put_findings(e, findings, rule) && put(e, "</failure></testcase>\n");
}

static bool put_failed(struct exporting *e, const cJSON *record, const char *rule)
{
    const cJSON *findings = member_of(record, "findings");
    if (!begin_test(e, record, rule))
        return false;
    switch (outcome_of(findings, rule)) {
    case OUTCOME_NONE:
        break;
    case OUTCOME_NOTE:
        return put(e, "><system-out>") && put_findings(e, findings, rule) &&
               put(e, "</system-out></testcase>\n");
    case OUTCOME_WAIVED:
        return put_waived(e, findings, rule);
    case OUTCOME_FAILURE:
        return put_failure(e, findings, rule);
    }
    return put(e, "/>\n");
}

static bool put_passed(struct exporting *e, const cJSON *record, const char *rule)
{
    return begin_test(e, record, rule) && put(e, "/>\n");
}

static bool put_skipped(struct exporting *e, const cJSON *record, const char *rule)
{
    return begin_test(e, record, rule) && put(e, "><skipped message=\"not tested: ") &&
           put_xml(e, reason_of(record, rule)) && put(e, "\"/></testcase>\n");
}

static bool put_error(struct exporting *e, const cJSON *record, const char *rule)
{
    return begin_test(e, record, rule) && put(e, "><error type=\"inconclusive\"") &&
           put_attribute(e, "message", reason_of(record, rule)) && put(e, "/></testcase>\n");
}

/* --- a suite ---------------------------------------------------------------------------------- */

static const struct {
    const char *path;
    bool (*put)(struct exporting *, const cJSON *record, const char *rule);
} verdicts[] = {{"checks/fail", put_failed},
                {"checks/inconclusive", put_error},
                {"checks/not_tested", put_skipped},
                {"checks/pass", put_passed}};

struct counts {
    size_t tests, failures, errors, skipped;
};

/* The rules of a list: so many, since findings and reasons are looked for by rule. */
static size_t rules_of(const cJSON *list, const char *rules[RULES_TAKEN])
{
    const cJSON *item;
    size_t n = 0;
    cJSON_ArrayForEach(item, list)
    {
        if (n < RULES_TAKEN && cJSON_IsString(item))
            rules[n++] = item->valuestring;
    }
    return n;
}

static struct counts count_tests(const cJSON *record)
{
    struct counts c = {0};
    const char *rules[RULES_TAKEN];
    size_t n = rules_of(export_member(record, "checks/fail"), rules);
    c.tests = n;
    for (size_t i = 0; i < n; i++) {
        enum outcome outcome = outcome_of(member_of(record, "findings"), rules[i]);
        c.failures += outcome == OUTCOME_FAILURE;
        c.skipped += outcome == OUTCOME_WAIVED;
    }
    c.errors = rules_of(export_member(record, "checks/inconclusive"), rules);
    n = rules_of(export_member(record, "checks/not_tested"), rules);
    c.skipped += n;
    c.tests += c.errors + n + rules_of(export_member(record, "checks/pass"), rules);
    return c;
}

/* The address too, where the key does not have it. */
static bool put_name(struct exporting *e, const cJSON *record)
{
    const char *ip = export_text(record, "endpoint/ip");
    return put(e, "<testsuite name=\"") && put_xml(e, export_text(record, "endpoint/key")) &&
           (!*ip || !words_has_name(record) || (put(e, " (") && put_xml(e, ip) && put(e, ")"))) &&
           put(e, "\"");
}

/* ISO 8601 without a fraction and a zone, as the schemas want it. */
static bool put_time(struct exporting *e, const cJSON *record)
{
    const char *time = words_time(record, "time");
    double ms = export_number(record, "duration_ms");
    return (!*time || (put(e, " timestamp=\"") &&
                       put_span(e, span_until(span_of(time), strlen("2026-11-26T00:00:00"))) &&
                       put(e, "\""))) &&
           put_format(e, " time=\"%.3f\"", ms >= 0 && ms < 1e12 ? ms / 1000 : 0.0);
}

static bool put_properties(struct exporting *e, const cJSON *record)
{
    const cJSON *label;
    bool ok = put(e, "<properties>\n") && put_property(e, "", "scan", e->options->scan) &&
              put_property(e, "", "run_id", export_text(record, "run_id")) &&
              put_property(e, "", "ip", export_text(record, "endpoint/ip")) &&
              put_property(e, "", "status", export_text(record, "status"));
    cJSON_ArrayForEach(label, export_member(record, "endpoint/labels"))
    {
        if (cJSON_IsString(label) && label->string)
            ok = ok && put_property(e, "label_", label->string, label->valuestring);
    }
    return ok && put(e, "</properties>\n");
}

static bool put_tests(struct exporting *e, const cJSON *record)
{
    const char *rules[RULES_TAKEN];
    for (size_t v = 0; v < sizeof verdicts / sizeof *verdicts; v++) {
        size_t n = rules_of(export_member(record, verdicts[v].path), rules);
        for (size_t i = 0; i < n; i++)
            if (!verdicts[v].put(e, record, rules[i]))
                return false;
    }
    return true;
}

static bool begin(struct exporting *e)
{
    return put(e, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites") &&
           put_attribute(e, "name", e->options->scan) && put(e, ">\n");
}

static bool record(struct exporting *e, const char *type, const cJSON *record)
{
    if (strcmp(type, "endpoint") != 0)
        return true;
    struct counts c = count_tests(record);
    return put_name(e, record) &&
           put_format(e, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\"", c.tests,
                      c.failures, c.errors, c.skipped) &&
           put_attribute(e, "hostname", export_text(record, "endpoint/host")) &&
           put_time(e, record) && put(e, ">\n") && put_properties(e, record) &&
           put_tests(e, record) && put(e, "</testsuite>\n");
}

static bool end(struct exporting *e)
{
    return put(e, "</testsuites>\n");
}

const struct exporter export_junit = {
    "junit", "XML of tests, a suite an endpoint, for a pipeline", begin, record, end, NULL};
