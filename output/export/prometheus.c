/* SPDX-License-Identifier: MIT */
/*
 * prometheus.c: metrics of a scan, for node_exporter's textfile collector (text format 0.0.4).
 *
 * No timestamps, each metric in one group, and in the same order for the same records. What is not
 * known has no series, so that nothing takes it for 0.
 */
#include "output/export/export.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "output/export/figures.h"
#include "scanner/text.h"

#define PREFIX "starttls_audit_"
#define SCAN_NAME_MAX ((size_t)100)
#define LABEL_MAX ((size_t)64)
#define PAIRS_MAX (EXPORT_LABELS_MAX + 4)

struct metrics {
    struct figures figures;
    char labels[EXPORT_LABELS_MAX][LABEL_MAX + 8]; /* the names that targets' labels have here */
};

struct pair {
    const char *name, *value;
};

/* The labels of a series, "scan" is before them. */
struct pairs {
    struct pair items[PAIRS_MAX];
    size_t count;
};

static bool refuse(struct exporting *e, const char *problem)
{
    e->problem = problem;
    return false;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool is_taken(const char *name)
{
    static const char *const taken[] = {"scan",  "rule",     "severity", "status",  "instance",
                                        "job",   "endpoint", "ip",       "version", "result",
                                        "state", "le",       "quantile"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strcmp(taken[i], name) == 0)
            return true;
    return false;
}

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* A key of targets as the name of a label: letters, digits and _ alone, and no name that has a
   meaning. */
static void name_label(const char *key, char *out, size_t size)
{
    char name[LABEL_MAX + 1];
    size_t n = 0;
    for (; key[n] && n < LABEL_MAX; n++)
        name[n] = is_letter(key[n]) || ascii_digit(key[n]) ? key[n] : '_';
    name[n] = 0;
    bool other = ascii_digit(*name) || strncmp(name, "__", 2) == 0 || is_taken(name);
    snprintf(out, size, "%s%s", other ? "label_" : "", name);
}

static bool name_labels(struct exporting *e, struct metrics *m)
{
    for (size_t i = 0; i < e->options->label_count; i++) {
        const char *key = e->options->labels[i];
        if (!*key || strlen(key) > LABEL_MAX)
            return refuse(e, "--label: a key has 1 to 64 octets");
        name_label(key, m->labels[i], sizeof m->labels[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(m->labels[i], m->labels[j]) == 0)
                return refuse(e, "--label: two keys make the same label");
    }
    return true;
}

/* A name that people can read, and that stays one in every query. */
static bool check_scan_name(struct exporting *e)
{
    struct span name = span_of(e->options->scan);
    bool ok = name.len >= 1 && name.len <= SCAN_NAME_MAX && text_is_clean(name) &&
              !memchr(name.at, '\n', name.len) && !memchr(name.at, '\t', name.len);
    return ok || refuse(e, "--scan-name: a name has 1 to 100 octets of UTF-8, and no control "
                           "characters");
}

/* --- series ----------------------------------------------------------------------------------- */

static bool put_value_of_label(struct exporting *e, const char *text)
{
    bool ok = true;
    while (*text && ok) {
        size_t plain = strcspn(text, "\\\"\n");
        ok = put_span(e, (struct span){text, plain});
        text += plain;
        if (ok && *text)
            ok = put(e, *text == '\n' ? "\\n" : *text == '"' ? "\\\"" : "\\\\");
        text += *text != 0;
    }
    return ok;
}

static bool put_family(struct exporting *e, const char *name, const char *help)
{
    return put_format(e, "# HELP " PREFIX "%s %s\n# TYPE " PREFIX "%s gauge\n", name, help, name);
}

static bool put_pair(struct exporting *e, struct pair pair, const char *before)
{
    return put(e, before) && put(e, pair.name) && put(e, "=\"") &&
           put_value_of_label(e, pair.value) && put(e, "\"");
}

static bool put_name(struct exporting *e, const char *name, const struct pairs *pairs)
{
    bool ok =
        put(e, PREFIX) && put(e, name) && put_pair(e, (struct pair){"scan", e->options->scan}, "{");
    for (size_t i = 0; i < pairs->count && ok; i++)
        ok = put_pair(e, pairs->items[i], ",");
    return ok && put(e, "} ");
}

static bool put_count(struct exporting *e, const char *name, const struct pairs *pairs,
                      uint64_t count)
{
    return put_name(e, name, pairs) && put_format(e, "%" PRIu64 "\n", count);
}

/* Seconds. */
static bool put_moment(struct exporting *e, const char *name, const struct pairs *pairs, int64_t ms)
{
    int64_t magnitude = ms < 0 ? -ms : ms;
    return put_name(e, name, pairs) &&
           put_format(e, "%s%" PRId64 ".%03" PRId64 "\n", ms < 0 ? "-" : "", magnitude / 1000,
                      magnitude % 1000);
}

static void add_pair(struct pairs *pairs, const char *name, const char *value)
{
    if (pairs->count < PAIRS_MAX)
        pairs->items[pairs->count++] = (struct pair){name, value};
}

/* --- families --------------------------------------------------------------------------------- */

/* A metric with one series. */
static bool put_single(struct exporting *e, const char *name, const char *help, struct moment value)
{
    return !value.known ||
           (put_family(e, name, help) && put_moment(e, name, &(struct pairs){0}, value.ms));
}

/* A metric with one label: all of its words, also those that count nothing. */
static bool put_words(struct exporting *e, const char *name, const char *help, const char *label,
                      const char *const *words, const uint64_t *counts)
{
    bool ok = put_family(e, name, help);
    for (size_t i = 0; words[i] && ok; i++)
        ok = put_count(e, name, &(struct pairs){{{label, words[i]}}, 1}, counts[i]);
    return ok;
}

static bool put_builds(struct exporting *e, const struct figures *f)
{
    struct pairs build = {0}, rules = {0};
    add_pair(&build, "version", f->version);
    add_pair(&rules, "version", f->ruleset_version);
    add_pair(&rules, "sha256", f->ruleset_sha256);
    if (*f->version && !(put_family(e, "build_info", "The program that scanned.") &&
                         put_count(e, "build_info", &build, 1)))
        return false;
    return !*f->ruleset_sha256 || (put_family(e, "ruleset_info", "The rules that judged.") &&
                                   put_count(e, "ruleset_info", &rules, 1));
}

static bool put_run(struct exporting *e, const struct figures *f)
{
    static const char *const states[] = {"scanned", "answered", NULL};
    const uint64_t hosts[] = {f->hosts_scanned, f->hosts_answered};
    struct moment completion = f->complete ? f->end : (struct moment){0};

    return put_builds(e, f) &&
           put_single(e, "scan_start_timestamp_seconds", "When the scan began.", f->started) &&
           put_single(e, "scan_last_completion_timestamp_seconds",
                      "When the scan ended; only of one that is complete.", completion) &&
           put_single(e, "scan_duration_seconds", "How long the scan took.", f->duration) &&
           put_family(e, "scan_complete", "1: everything was asked; 0: the scan was cut off.") &&
           put_count(e, "scan_complete", &(struct pairs){0}, f->complete) &&
           (!f->hosts_known ||
            put_words(e, "scan_hosts",
                      "Addresses that were asked, and those of which a port accepted a connection.",
                      "state", states, hosts));
}

static bool put_statuses(struct exporting *e, const struct figures *f)
{
    const char *words[STATUS_COUNT + 1] = {0};
    for (int s = 0; s < STATUS_COUNT; s++)
        words[s] = status_name((enum status)s);
    return !f->statuses_known ||
           put_words(e, "scan_endpoints",
                     "Endpoints that were asked, by what came of it, recorded or not.", "status",
                     words, f->statuses);
}

static bool put_versions(struct exporting *e, const struct figures *f)
{
    const char *name = "endpoints_tls_version";
    bool ok = put_family(e, name, "Endpoints at which TLS was spoken, by version.");
    for (int v = 0; v < VERSIONS_COUNT; v++)
        for (int r = 0; r < VERSION_RESULT_COUNT && ok; r++) {
            struct pairs pairs = {0};
            add_pair(&pairs, "version", version_words[v]);
            add_pair(&pairs, "status", version_result_words[r]);
            ok = put_count(e, name, &pairs, f->versions[v][r]);
        }
    return ok;
}

static bool put_policies(struct exporting *e, const struct figures *f)
{
    const char *name = "endpoints_policy";
    bool ok = !f->policy_count || put_family(e, name, "Endpoints by the verdict of a policy.");
    for (size_t p = 0; p < f->policy_count; p++)
        for (int v = 0; v < POLICY_WORDS && ok; v++) {
            struct pairs pairs = {0};
            add_pair(&pairs, "policy", f->policies[p].name);
            add_pair(&pairs, "verdict", policy_words[v]);
            ok = put_count(e, name, &pairs, f->policies[p].verdicts[v]);
        }
    return ok;
}

static bool put_endpoints(struct exporting *e, const struct figures *f)
{
    return put_statuses(e, f) && put_versions(e, f) &&
           put_words(e, "endpoints_cleartext_login",
                     "Endpoints by whether a password would be taken without TLS.", "verdict",
                     login_words, f->logins) &&
           put_words(e, "endpoints_starttls", "Endpoints by what becomes of the upgrade to TLS.",
                     "result", upgrade_words, f->upgrades) &&
           put_words(e, "endpoints_injection",
                     "Endpoints by whether a command sent behind the upgrade is carried out.",
                     "verdict", injection_words, f->injections) &&
           put_policies(e, f) &&
           put_words(e, "certificates",
                     "Endpoints by how long their certificate was still valid when it was seen.",
                     "state", validity_words, f->validity) &&
           put_words(e, "certificates_trust",
                     "Endpoints by whether the chain of their certificate is trusted.", "result",
                     trust_words, f->trust) &&
           put_single(e, "certificate_earliest_not_after_timestamp_seconds",
                      "The end of the certificate that is the first to end, of those that were "
                      "still valid.",
                      f->earliest) &&
           put_words(e, "checks", "Checks that were made, over all endpoints, by their verdict.",
                     "result", check_words, f->checks) &&
           (!f->expected_known ||
            put_words(e, "endpoints_expected", "Endpoints that are expected to answer.", "result",
                      expected_words, f->expected)) &&
           (!f->with_state ||
            put_words(e, "endpoints_not_asked",
                      "Endpoints that were seen before, and not asked by this scan.", "reason",
                      not_asked_words, f->not_asked)) &&
           (!f->waivers_known || put_words(e, "waivers", "Waivers by what became of them.", "state",
                                           waiver_words, f->waivers));
}

/* --- findings --------------------------------------------------------------------------------- */

/* The groups by their values, then the others. */
static const struct group *group_at(const struct figures *f, size_t i)
{
    return i < f->group_count ? f->groups[i] : i == f->group_count ? f->others : NULL;
}

static void add_group(struct exporting *e, struct pairs *pairs, const struct group *g)
{
    const struct metrics *m = e->state;
    for (size_t i = 0; i < e->options->label_count; i++)
        add_pair(pairs, m->labels[i], g->values[i]);
}

static bool put_severities(struct exporting *e, const struct group *g)
{
    bool ok = true;
    for (int s = SEVERITY_COUNT - 1; s >= 0; s--)
        for (int w = 0; w < FINDING_STATUS_COUNT && ok; w++) {
            struct pairs pairs = {0};
            add_pair(&pairs, "severity", severity_name((enum severity)s));
            add_pair(&pairs, "status", finding_status_words[w]);
            add_group(e, &pairs, g);
            ok = put_count(e, "findings_by_severity", &pairs, g->total[s][w]);
        }
    return ok;
}

static bool put_rule(struct exporting *e, const struct group *g, size_t rule)
{
    const struct figures *f = &((const struct metrics *)e->state)->figures;
    bool ok = true;
    for (int s = SEVERITY_COUNT - 1; s >= 0; s--)
        for (int w = 0; w < FINDING_STATUS_COUNT && ok; w++) {
            struct pairs pairs = {0};
            add_pair(&pairs, "rule", f->rules[rule]);
            add_pair(&pairs, "severity", severity_name((enum severity)s));
            add_pair(&pairs, "status", finding_status_words[w]);
            add_group(e, &pairs, g);
            ok = !g->rules[rule][s][w] || put_count(e, "findings", &pairs, g->rules[rule][s][w]);
        }
    return ok;
}

struct rule_order {
    const char *id;
    size_t rule;
};

static int compare_rules(const void *a, const void *b)
{
    return strcmp(((const struct rule_order *)a)->id, ((const struct rule_order *)b)->id);
}

static bool put_rules(struct exporting *e, const struct figures *f, const struct rule_order *order)
{
    const struct group *g;
    bool ok = true;
    for (size_t r = 0; r < f->rule_count; r++)
        for (size_t i = 0; ok && (g = group_at(f, i)); i++)
            ok = order[r].rule >= g->rule_max || put_rule(e, g, order[r].rule);
    return ok;
}

static bool put_findings(struct exporting *e, const struct figures *f)
{
    const struct group *g;
    struct rule_order *order = calloc(f->rule_count + 1, sizeof *order);
    if (!order)
        return false;
    for (size_t r = 0; r < f->rule_count; r++)
        order[r] = (struct rule_order){f->rules[r], r};
    qsort(order, f->rule_count, sizeof *order, compare_rules);
    bool ok = !f->rule_count ||
              (put_family(e, "findings", "Findings by rule, counted at each address.") &&
               put_rules(e, f, order));
    free(order);
    ok = ok &&
         put_family(e, "findings_by_severity", "Findings by severity, counted at each address.");
    for (size_t i = 0; ok && (g = group_at(f, i)); i++)
        ok = put_severities(e, g);
    return ok;
}

/* --- each endpoint ---------------------------------------------------------------------------- */

static struct pairs pairs_of(const struct place *p)
{
    struct pairs pairs = {0};
    add_pair(&pairs, "endpoint", p->key);
    add_pair(&pairs, "ip", p->ip);
    return pairs;
}

static bool put_up(struct exporting *e, const struct place *p)
{
    struct pairs pairs = pairs_of(p);
    if (p->status == STATUS_COUNT)
        return true;
    add_pair(&pairs, "status", status_name((enum status)p->status));
    return put_count(e, "endpoint_up", &pairs, p->status == STATUS_OK);
}

static bool put_not_after(struct exporting *e, const struct place *p)
{
    struct pairs pairs = pairs_of(p);
    return !p->not_after.known ||
           put_moment(e, "certificate_not_after_timestamp_seconds", &pairs, p->not_after.ms);
}

static bool put_accepted(struct exporting *e, const struct place *p)
{
    bool ok = true;
    for (int v = 0; v < VERSIONS_COUNT && ok; v++) {
        struct pairs pairs = pairs_of(p);
        add_pair(&pairs, "version", version_words[v]);
        ok = p->versions[v] == RESULT_UNKNOWN ||
             put_count(e, "endpoint_tls_version_accepted", &pairs,
                       p->versions[v] == RESULT_ACCEPTED);
    }
    return ok;
}

static bool put_advertised(struct exporting *e, const struct place *p)
{
    struct pairs pairs = pairs_of(p);
    return p->advertised < 0 ||
           put_count(e, "endpoint_starttls_advertised", &pairs, p->advertised != 0);
}

static bool put_places(struct exporting *e, const struct figures *f)
{
    static const struct {
        const char *name, *help;
        bool (*put)(struct exporting *, const struct place *);
    } families[] = {
        {"endpoint_up", "1: the endpoint spoke its protocol.", put_up},
        {"certificate_not_after_timestamp_seconds", "The end of the endpoint's certificate.",
         put_not_after},
        {"endpoint_tls_version_accepted", "1: accepted, 0: rejected; none: not known.",
         put_accepted},
        {"endpoint_starttls_advertised", "1: the upgrade to TLS is announced; none: not known.",
         put_advertised},
    };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        bool ok = put_family(e, families[i].name, families[i].help);
        for (size_t p = 0; p < f->place_count && ok; p++)
            ok = families[i].put(e, &f->places[p]);
        if (!ok)
            return false;
    }
    return true;
}

/* --- the format ------------------------------------------------------------------------------- */

static bool begin(struct exporting *e)
{
    struct metrics *m = e->state = calloc(1, sizeof *m);
    if (!m)
        return false;
    figures_init(&m->figures, e->options);
    return check_scan_name(e) && name_labels(e, m);
}

static bool record(struct exporting *e, const char *type, const cJSON *record)
{
    struct metrics *m = e->state;
    return figures_take(&m->figures, type, record, &e->problem);
}

static bool end(struct exporting *e)
{
    struct metrics *m = e->state;
    struct figures *f = &m->figures;

    if (!f->any)
        return refuse(e, "there is no run in what was read");
    if (f->too_many)
        return refuse(e, "there are more endpoints than --metrics-per-endpoint allows");
    figures_settle(f);
    return put_run(e, f) && put_endpoints(e, f) && put_findings(e, f) &&
           (!e->options->per_endpoint || put_places(e, f));
}

static void free_state(struct exporting *e)
{
    struct metrics *m = e->state;
    if (m)
        figures_free(&m->figures);
    free(m);
}

const struct exporter export_prometheus = {
    "prometheus", "metrics for Prometheus, by way of node_exporter's textfile collector",
    begin,        record,
    end,          free_state};
