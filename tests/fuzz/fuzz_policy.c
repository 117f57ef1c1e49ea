/* SPDX-License-Identifier: MIT */
/* fuzz_policy.c: any octets as a policy file. What is taken judges, and says what is in it. */
#include <stdio.h>
#include <stdlib.h>

#include "output/policies/entry.h"
#include "scanner/targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void judge(const struct policy *p)
{
    static const struct target_host target;
    static const struct judgement judgement;
    static struct policy_result result;
    struct observation o;
    struct host_view host = {&target, .endpoints = &o, .count = 1};
    struct subject subject = {&host, &o, ROLE_ACCESS, 1795392000};

    observation_init(&o, &services_table[0]);
    observation_learn(&o, FACT_TLS);
    policy_judge(p, &subject, &judgement, &result);
    require(result.clause_count <= POLICY_CLAUSES_MAX);
    observation_free(&o);
}

static void walk(const struct policy *p)
{
    struct policy_demand d;
    char scope[64];
    for (size_t i = 0; i < 64 && policy_demand_at(p, i, &d); i++) {
        policy_demand_scope(&d, scope, sizeof scope);
        require(rules_find(d.rule, NULL) != NULL);
    }
    require(*policy_name(p) != '\0' && *policy_version(p) != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *errors;
    const struct yamlfile file = {"input", {(const char *)data, size}, NULL};

    if (!errors)
        errors = fopen("/dev/null", "w");
    require(errors != NULL);
    struct policy *p = policy_read(&file, errors);
    if (!p)
        return 0;
    walk(p);
    judge(p);
    policy_free(p);
    return 0;
}
