/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/health.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/export/words.h"
#include "output/members.h"
#include "scanner/grow.h"

#define REMARKS_MAX ((size_t)200)
#define DAY_MS ((int64_t)86400000)

static const char *const state_words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

/* Worse than the other? What is critical is so whatever else is not known. */
static enum health_state worse(enum health_state a, enum health_state b)
{
    static const int ranks[] = {
        [HEALTH_OK] = 0, [HEALTH_WARNING] = 1, [HEALTH_UNKNOWN] = 2, [HEALTH_CRITICAL] = 3};
    return ranks[a] > ranks[b] ? a : b;
}

/* --- text ------------------------------------------------------------------------------------- */

/* Behind "|" there are numbers, a newline ends what is shown first, and web pages show it: only
   harmless characters go out. */
static void tame(char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        *text = c == '|'                 ? '/'
                : c == '<'               ? '('
                : c == '>'               ? ')'
                : c == '\n' || c == '\t' ? ' '
                : c < ' ' || c > '~'     ? '?'
                                         : *text;
    }
}

static void add_remark(struct health *h, enum health_state state, bool waived, const char *format,
                       ...) __attribute__((format(printf, 4, 5)));

static void add_remark(struct health *h, enum health_state state, bool waived, const char *format,
                       ...)
{
    va_list arguments;
    if (h->remark_count == REMARKS_MAX ||
        !grow(&h->remarks, h->remark_count, &h->remark_max, sizeof *h->remarks)) {
        h->remarks_more++;
        return;
    }
    struct remark *remark = &h->remarks[h->remark_count++];
    remark->state = state;
    remark->waived = waived;
    va_start(arguments, format);
    vsnprintf(remark->text, sizeof remark->text, format, arguments);
    va_end(arguments);
    tame(remark->text);
}

void health_doubt(struct health *h, const char *format, ...)
{
    va_list arguments;
    h->state = worse(h->state, HEALTH_UNKNOWN);
    if (*h->reason)
        return;
    va_start(arguments, format);
    vsnprintf(h->reason, sizeof h->reason, format, arguments);
    va_end(arguments);
    tame(h->reason);
}

/* --- an endpoint ------------------------------------------------------------------------------ */

static const char *key_of(const cJSON *record)
{
    return export_text(record, "endpoint/key");
}

/* The endpoint, and of a name the address: it may have several, each with troubles of its own. */
struct place {
    char text[512];
};

static struct place place_of(const cJSON *record)
{
    struct place p;
    const char *ip = export_text(record, "endpoint/ip");
    bool said = !*ip || strcmp(ip, export_text(record, "endpoint/host")) == 0;
    snprintf(p.text, sizeof p.text, "%s%s%s%s", key_of(record), said ? "" : " (", said ? "" : ip,
             said ? "" : ")");
    return p;
}

static bool has_text(const cJSON *list, const char *text)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
            return true;
    }
    return false;
}

static bool is_wanted(const struct health *h, const char *policy)
{
    if (h->options.all_policies)
        return h->options.policy_count > 0;
    for (size_t i = 0; i < h->options.policy_count; i++)
        if (strcmp(h->options.policies[i], policy) == 0)
            return true;
    return false;
}

/* What the policies that were asked for say of a rule that failed. */
static enum health_state state_by_policy(const struct health *h, const cJSON *record,
                                         const char *rule)
{
    enum health_state state = HEALTH_OK;
    const cJSON *policy;
    cJSON_ArrayForEach(policy, member_of(record, "policies"))
    {
        if (!is_wanted(h, export_text(policy, "name")))
            continue;
        if (has_text(member_of(policy, "warn"), rule))
            state = worse(state, HEALTH_WARNING);
        if (has_text(member_of(policy, "fail"), rule))
            state = HEALTH_CRITICAL;
    }
    return state;
}

static enum health_state state_by_severity(const struct health *h, enum severity severity)
{
    return severity >= h->options.critical  ? HEALTH_CRITICAL
           : severity >= h->options.warning ? HEALTH_WARNING
                                            : HEALTH_OK;
}

static void take_finding(struct health *h, const cJSON *record, const cJSON *finding)
{
    enum severity severity = words_severity_of(finding);
    const char *rule = export_text(finding, "rule");
    bool waived = words_is_waived(finding);

    if (severity == SEVERITY_NONE)
        return;
    enum health_state state =
        worse(state_by_severity(h, severity), state_by_policy(h, record, rule));
    if (waived) {
        h->waived++;
        if (state != HEALTH_OK)
            add_remark(h, HEALTH_OK, true, "%s %s: %s (until %s: %s)", place_of(record).text, rule,
                       export_text(finding, "title"), export_text(finding, "waiver/expires"),
                       export_text(finding, "waiver/reason"));
        return;
    }
    h->findings[severity]++;
    h->state = worse(h->state, state);
    if (state != HEALTH_OK)
        add_remark(h, state, false, "%s %s (%s): %s", place_of(record).text, rule,
                   severity_name(severity), export_text(finding, "title"));
}

/* Is the end of its certificate accepted for a time? */
static bool end_is_waived(const cJSON *record)
{
    const cJSON *finding;
    cJSON_ArrayForEach(finding, member_of(record, "findings"))
    {
        if (strncmp(export_text(finding, "rule"), "CERT-EXPIR", 10) == 0 &&
            words_is_waived(finding))
            return true;
    }
    return false;
}

/* Of one of version 0 nothing is known. */
static bool is_readable(const cJSON *certificate)
{
    const cJSON *version = member_of(certificate, "version");
    return !cJSON_IsNumber(version) || version->valuedouble > 0;
}

static enum health_state state_by_days(const struct health *h, double days)
{
    const struct health_options *o = &h->options;
    return o->certificate_critical > 0 && days < o->certificate_critical ? HEALTH_CRITICAL
           : o->certificate_warning > 0 && days < o->certificate_warning ? HEALTH_WARNING
                                                                         : HEALTH_OK;
}

static const char *plural(double count)
{
    return count == 1 ? "" : "s";
}

/* "ends in 3 days", "ended today": whole days, on either side. */
static void say_end(char *out, size_t size, double days)
{
    double whole = floor(fabs(days));
    if (days < 0 && whole == 0)
        snprintf(out, size, "ended today");
    else
        snprintf(out, size, "%s %.0f day%s%s", days < 0 ? "ended" : "ends in", whole, plural(whole),
                 days < 0 ? " ago" : "");
}

static void take_certificate(struct health *h, const cJSON *record)
{
    char problem[128], words[64];
    int64_t end;
    struct members m = {.root = record, .problem = problem, .size = sizeof problem};
    const cJSON *item = export_member(record, "tls/certificate/not_after");

    if (!is_readable(export_member(record, "tls/certificate")) ||
        !member_time(&m, item, "not_after", false, &end) || end_is_waived(record))
        return;
    double left = (double)(end - h->now) / (double)DAY_MS, days = floor(left);
    if (!h->certificate_known || left < h->certificate_left)
        h->certificate_left = left;
    h->certificate_known = true;
    enum health_state state = state_by_days(h, days);
    h->state = worse(h->state, state);
    say_end(words, sizeof words, left);
    if (state != HEALTH_OK)
        add_remark(h, state, false, "%s: the certificate %s", place_of(record).text, words);
}

/* Turned away, or cut off: there is something, and it was not seen. */
static bool is_unjudged(const cJSON *record, enum status status)
{
    const char *stage = export_text(record, "error/stage");
    bool met = strcmp(stage, "connect") != 0 && strcmp(stage, "resolve") != 0;
    return status == STATUS_REFUSED || status == STATUS_ERROR || (status == STATUS_TIMEOUT && met);
}

/* Nothing was kept from us: it was not asked for, it does not apply, or it would not be so for others. */
static bool is_no_loss(const char *reason)
{
    static const char *const reasons[] = {"", "not_asked", "implicit", "same_address", "preauth"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (strcmp(reason, reasons[i]) == 0)
            return true;
    return false;
}

/* Why the fact of this path is not known; "" if it is. */
static const char *why_unknown(const cJSON *record, const char *path)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, member_of(record, "unknown"))
    {
        if (strcmp(export_text(item, "path"), path) == 0)
            return export_text(item, "reason");
    }
    return "";
}

/* Of what a plugin is there to watch, the first that was asked for and is not known, in words, and
   why. NULL: all is known. A login that is refused without a word is a refusal all the same. */
static const char *find_blind_spot(const cJSON *record, enum status status, const char **reason)
{
    static const struct {
        const char *path, *words;
    } spots[] = {
        {"/starttls/accepted", "whether STARTTLS works is not known"},
        {"/tls", "whether TLS is to be had is not known"},
        {"/tls/certificate", "its certificate is not known"},
        {"/tls/certificate/not_after", "the end of its certificate is not known"},
        {"/tls/verify/trusted", "whether its certificate is trusted is not known"},
    };
    const cJSON *login = export_member(record, "auth/cleartext_login");

    if (status != STATUS_OK && status != STATUS_TLS_ERROR)
        return NULL;
    for (size_t i = 0; i < sizeof spots / sizeof *spots; i++) {
        *reason = why_unknown(record, spots[i].path);
        if (!is_no_loss(*reason))
            return spots[i].words;
    }
    *reason = export_text(login, "reason");
    bool lost = strcmp(export_text(login, "verdict"), "inconclusive") == 0;
    return lost && !is_no_loss(*reason) && strcmp(*reason, "refused") != 0
               ? "whether a password is taken in cleartext is not known"
               : NULL;
}

/* The service of an endpoint. False: none of ours. */
static bool service_of(const cJSON *record, struct service *out)
{
    double port = export_number(record, "endpoint/port");
    *out = (struct service){.protocol =
                                protocol_find(span_of(export_text(record, "endpoint/protocol")))};
    if (!out->protocol || !mode_parse(span_of(export_text(record, "endpoint/mode")), &out->mode) ||
        !(port >= 1 && port <= UINT16_MAX))
        return false;
    out->port = (uint16_t)port;
    return true;
}

/* Where TLS began, a service is there, however bad its TLS is. */
static bool has_met_tls(const cJSON *record)
{
    return *export_text(record, "tls/version") ||
           cJSON_GetArraySize(export_member(record, "tls/versions_accepted")) > 0;
}

/* What answers, and what does not, is so as the rule about labels (expect=) has it. */
static void take_wishes(struct health *h, const cJSON *record, enum status status)
{
    bool answers = status == STATUS_OK || (status == STATUS_TLS_ERROR && has_met_tls(record));
    bool silent = status_is_silent(status) || status == STATUS_MISMATCH;
    struct service service;
    bool known = service_of(record, &service);
    for (size_t i = 0; i < h->options.wish_count; i++) {
        struct wish *x = &h->options.wishes[i];
        if (!known || !expectation_meets(&x->what, &service))
            continue;
        x->asked++;
        x->answered += answers;
        x->silent += silent;
    }
}

static void take_unknown(struct health *h, const cJSON *record, enum status status,
                         const char *word)
{
    int count = cJSON_GetArraySize(export_member(record, "checks/inconclusive"));
    bool unjudged = is_unjudged(record, status);
    const char *reason, *spot = find_blind_spot(record, status, &reason);

    h->unjudged += unjudged || spot;
    if (spot) {
        health_doubt(h, "%s: %s (%s)", place_of(record).text, spot, reason);
        add_remark(h, HEALTH_UNKNOWN, false, "%s: %s (%s)", place_of(record).text, spot, reason);
    }
    if (unjudged) {
        health_doubt(h, "%s could not be judged: %s", place_of(record).text, word);
        add_remark(h, HEALTH_UNKNOWN, false, "%s: %s (%s: %s)", place_of(record).text, word,
                   export_text(record, "error/code"), export_text(record, "error/message"));
    } else if (count > 0 && !status_is_silent(status)) {
        h->inconclusive += (uint64_t)count;
        add_remark(h, HEALTH_OK, false, "%s: %d check%s inconclusive", place_of(record).text, count,
                   count == 1 ? " was" : "s were");
    }
}

/* A name may have several addresses; a network is more than can be said in a line. */
static void take_host(struct health *h, const cJSON *record)
{
    char host[sizeof h->host];
    snprintf(host, sizeof host, "%s", export_text(record, "endpoint/host"));
    if (!h->endpoints)
        memcpy(h->host, host, sizeof host);
    else if (!h->options.host && strcmp(h->host, host) != 0)
        health_doubt(h, "this is more than one host");
}

static void take_endpoint(struct health *h, const cJSON *record)
{
    const char *word = export_text(record, "status");
    enum status status = status_find(word);
    const cJSON *finding;
    char problem[128];
    struct members m = {.root = record, .problem = problem, .size = sizeof problem};
    int64_t time;

    take_host(h, record);
    h->endpoints++;
    h->answered += !status_is_silent(status) || is_unjudged(record, status);
    if (member_time(&m, member_of(record, "time"), "time", true, &time) && time > h->time)
        h->time = time;
    take_wishes(h, record, status);
    take_unknown(h, record, status, word);
    take_certificate(h, record);
    cJSON_ArrayForEach(finding, member_of(record, "findings"))
    {
        take_finding(h, record, finding);
    }
}

/* --- records ---------------------------------------------------------------------------------- */

/* What was said before is of another run. */
static void begin_run(struct health *h, const char *run_id)
{
    struct health fresh = {
        .options = h->options, .now = h->now, .remarks = h->remarks, .remark_max = h->remark_max};
    for (size_t i = 0; i < fresh.options.wish_count; i++) {
        struct wish *x = &fresh.options.wishes[i];
        x->asked = x->answered = x->silent = 0;
    }
    *h = fresh;
    health_init(h);
    snprintf(h->run_id, sizeof h->run_id, "%s", run_id);
}

/* In a file there are others, too. */
static bool is_of_host(const struct health *h, const cJSON *record)
{
    const char *host = export_text(record, "endpoint/host");
    const char *ip = export_text(record, "endpoint/ip");
    return !h->options.host || strcmp(host, h->options.host) == 0 ||
           strcmp(key_of(record), h->options.host) == 0 ||
           (*h->address && strcmp(ip, h->address) == 0);
}

void health_take(struct health *h, const cJSON *record)
{
    const char *type = export_text(record, "type"), *run_id = export_text(record, "run_id");
    if (strcmp(type, "run_start") == 0 || strncmp(run_id, h->run_id, HEALTH_RUN_ID_MAX - 1) != 0)
        begin_run(h, run_id);
    if (strcmp(type, "endpoint") == 0 && is_of_host(h, record))
        take_endpoint(h, record);
    else if (strcmp(type, "run_end") == 0)
        h->complete = cJSON_IsTrue(member_of(record, "complete"));
}

void health_init(struct health *h)
{
    struct address address;
    *h->address = 0;
    if (h->options.host && address_parse(span_of(h->options.host), &address))
        address_format(&address, h->address);
}

void health_free(struct health *h)
{
    free(h->remarks);
}

/* --- the answer ------------------------------------------------------------------------------- */

static void judge_wishes(struct health *h)
{
    for (size_t i = 0; i < h->options.wish_count && h->endpoints; i++) {
        struct wish *x = &h->options.wishes[i];
        bool one_will_do = expectation_is_loose(&x->what);
        bool met = x->asked && (one_will_do ? x->answered > 0 : x->answered == x->asked);
        bool silent = one_will_do ? x->silent == x->asked : x->silent > 0;
        if (met)
            continue;
        if (!x->asked)
            health_doubt(h, "%.*s is expected, and was not asked", (int)x->what.text.len,
                         x->what.text.at);
        else if (!silent)
            health_doubt(h, "%.*s is expected, and it is not known whether it answers",
                         (int)x->what.text.len, x->what.text.at);
        else {
            x->lost = true;
            h->state = HEALTH_CRITICAL;
            add_remark(h, HEALTH_CRITICAL, false, "%.*s is expected, and does not answer",
                       (int)x->what.text.len, x->what.text.at);
        }
    }
}

void health_judge(struct health *h)
{
    judge_wishes(h);
    if (!h->endpoints)
        health_doubt(h, "nothing was asked");
    else if (!h->answered)
        health_doubt(h, "nothing answers");
}

static void print_findings(const struct health *h)
{
    bool any = false;
    for (int s = SEVERITY_COUNT - 1; s >= 0; s--) {
        if (h->findings[s])
            printf(", %" PRIu64 " %s", h->findings[s], severity_name((enum severity)s));
        any |= h->findings[s] > 0;
    }
    if (!any && h->answered)
        printf(", no findings");
}

static void print_lost(const struct health *h)
{
    for (size_t i = 0; i < h->options.wish_count; i++)
        if (h->options.wishes[i].lost)
            printf(", no answer of %.*s", (int)h->options.wishes[i].what.text.len,
                   h->options.wishes[i].what.text.at);
}

/* Why it is unknown comes first, unless something is worse. */
void health_print_summary(const struct health *h)
{
    bool first = *h->reason && h->state == HEALTH_UNKNOWN;
    char words[64];
    printf("STARTTLS %s - ", state_words[h->state]);
    if (first)
        printf("%s, ", h->reason);
    printf("%" PRIu64 " endpoint%s, %" PRIu64 " answer%s", h->endpoints,
           plural((double)h->endpoints), h->answered, h->answered == 1 ? "s" : "");
    print_lost(h);
    print_findings(h);
    if (h->waived)
        printf(", %" PRIu64 " waived", h->waived);
    if (h->inconclusive)
        printf(", %" PRIu64 " check%s inconclusive", h->inconclusive,
               plural((double)h->inconclusive));
    say_end(words, sizeof words, h->certificate_left);
    if (h->certificate_known && state_by_days(h, floor(h->certificate_left)) != HEALTH_OK)
        printf(", a certificate %s", words);
    if (*h->reason && !first)
        printf(", %s", h->reason);
}

static void print_severities(const struct health *h)
{
    for (int s = SEVERITY_COUNT - 1; s >= 0; s--) {
        enum health_state state = state_by_severity(h, (enum severity)s);
        printf(" '%s'=%" PRIu64 ";%s;%s;0;", severity_name((enum severity)s), h->findings[s],
               state == HEALTH_OK ? "" : "0", state == HEALTH_CRITICAL ? "0" : "");
    }
    printf(" 'waived'=%" PRIu64 ";;;0; 'inconclusive'=%" PRIu64 ";;;0;", h->waived,
           h->inconclusive);
}

static void print_days(const struct health *h)
{
    printf(" 'certificate_days'=%.0f;", floor(h->certificate_left));
    if (h->options.certificate_warning > 0)
        printf("%.0f:", h->options.certificate_warning);
    printf(";");
    if (h->options.certificate_critical > 0)
        printf("%.0f:", h->options.certificate_critical);
    printf(";;");
}

/* 'label'=value;warn;crit;min;max, of what is known. */
void health_print_numbers(const struct health *h)
{
    printf(" |");
    if (h->endpoints)
        printf(" 'endpoints'=%" PRIu64 ";;;0; 'answered'=%" PRIu64 ";;;0;%" PRIu64
               " 'unjudged'=%" PRIu64 ";;;0;",
               h->endpoints, h->answered, h->endpoints, h->unjudged);
    if (h->answered)
        print_severities(h);
    if (h->certificate_known)
        print_days(h);
}

/* The worst first, what is waived last. */
static void print_remarks(const struct health *h, enum health_state state, bool waived,
                          const char *word)
{
    for (size_t i = 0; i < h->remark_count; i++)
        if (h->remarks[i].state == state && h->remarks[i].waived == waived)
            printf("[%s] %s\n", word, h->remarks[i].text);
}

void health_print_remarks(const struct health *h)
{
    static const enum health_state order[] = {HEALTH_CRITICAL, HEALTH_UNKNOWN, HEALTH_WARNING};
    for (size_t s = 0; s < sizeof order / sizeof *order; s++)
        print_remarks(h, order[s], false, state_words[order[s]]);
    print_remarks(h, HEALTH_OK, false, "NOTE");
    print_remarks(h, HEALTH_OK, true, "WAIVED");
    if (h->remarks_more)
        printf("and %zu lines more\n", h->remarks_more);
}
