/* SPDX-License-Identifier: MIT */
/*
 * health.h: what records say of one host, as a monitoring plugin puts it: a state, a line, numbers,
 * and a line for each thing that someone should look at.
 *
 * Records come one by one, as they were parsed; of several runs behind each other the last one
 * counts. Every text in them is a stranger's, and goes out as printable ASCII without what has a
 * meaning there.
 */
#ifndef SCANNER_COMMANDS_HEALTH_H
#define SCANNER_COMMANDS_HEALTH_H

#include <cjson/cJSON.h>

#include "output/rules/rule.h"
#include "scanner/address.h"
#include "scanner/expectation.h"

#define HEALTH_WISHES_MAX ((size_t)32)
#define HEALTH_POLICIES_MAX ((size_t)16)
#define HEALTH_RUN_ID_MAX ((size_t)64)
#define HEALTH_TEXT_MAX ((size_t)400)

/* Exit codes of the plugin guidelines. */
enum health_state { HEALTH_OK, HEALTH_WARNING, HEALTH_CRITICAL, HEALTH_UNKNOWN };

/* What must answer, and what came of it. */
struct wish {
    struct expectation what;
    unsigned asked, answered, silent; /* endpoints that it means */
    bool lost;                        /* it does not answer      */
};

struct health_options {
    /* A name in lower case, an address or a key: records of others are passed over. NULL: all are of
       the host. */
    const char *host;
    enum severity warning, critical;
    double certificate_warning, certificate_critical; /* days; 0: not asked for */
    struct wish wishes[HEALTH_WISHES_MAX];
    size_t wish_count;
    /* Findings count, whatever their severity, if one of these has them. */
    const char *policies[HEALTH_POLICIES_MAX];
    size_t policy_count;
    bool all_policies; /* any name will do, if there is one */
};

struct remark {
    enum health_state state;
    bool waived;
    char text[HEALTH_TEXT_MAX];
};

struct health {
    struct health_options options;
    char address[ADDRESS_TEXT_MAX]; /* the host, if it is one: as records have it */
    int64_t now;                    /* Unix time, ms */

    /* Of the run that was read last, and the host in it. */
    char run_id[HEALTH_RUN_ID_MAX];
    char host[256]; /* of its first record */
    bool complete;
    uint64_t endpoints, answered, unjudged, inconclusive, waived;
    uint64_t findings[SEVERITY_COUNT]; /* open ones */
    bool certificate_known;
    double certificate_left; /* days, of the first one to end */
    int64_t time;            /* of its last record */
    struct remark *remarks;
    size_t remark_count, remark_max, remarks_more;

    enum health_state state;
    char reason[HEALTH_TEXT_MAX]; /* why it is unknown; "": it is not */
};

/* The options and the time are filled in. */
void health_init(struct health *);
void health_free(struct health *);

void health_take(struct health *, const cJSON *record);

/* Not all is known; the first reason is told. What is critical stays so. */
void health_doubt(struct health *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Behind the last record. */
void health_judge(struct health *);

/* On standard output: the line without its end, what comes behind it, and the lines below it. */
void health_print_summary(const struct health *);
void health_print_numbers(const struct health *);
void health_print_remarks(const struct health *);

#endif
