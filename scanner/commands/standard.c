/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/standard.h"

#include "output/infile.h"
#include "scanner/commands/command.h"
#include "scanner/say.h"

static const struct policy *find(const struct policies *policies, const char *name)
{
    for (size_t i = 0; i < policies->count; i++)
        if (strcmp(policy_name(policies->items[i]), name) == 0)
            return policies->items[i];
    return NULL;
}

/* Records tell policies apart by their names. */
static bool add_policy(struct policies *policies, const char *name_or_path)
{
    struct policy *policy = policy_load(name_or_path, stderr);
    if (!policy)
        return false;
    if (find(policies, policy_name(policy)))
        say(stderr, PROGRAM ": --policy: there are two policies '%s'", policy_name(policy));
    else if (policies->count == POLICIES_MAX)
        say(stderr, PROGRAM ": --policy: there can be %zu at the most", POLICIES_MAX);
    else {
        policies->items[policies->count++] = policy;
        return true;
    }
    policy_free(policy);
    return false;
}

bool standard_threshold(struct standard *s, const struct standard_options *o)
{
    *s = (struct standard){.fail_on = SEVERITY_NONE};
    if (o->fail_on && !severity_parse(o->fail_on, &s->fail_on)) {
        say(stderr, PROGRAM ": --fail-on: '%s' is none of info, low, medium, high, critical",
            o->fail_on);
        return false;
    }
    return true;
}

static bool load_exceptions(struct standard *s, const struct standard_options *o)
{
    if (o->waivers && !(s->waivers = waivers_load(o->waivers, now_ms(), stderr)))
        return false;
    if (o->baseline &&
        !(s->baseline = baseline_load(o->baseline, stderr, o->quiet ? NULL : stderr)))
        return false;
    s->exceptions = (struct exceptions){s->waivers, s->baseline};
    return true;
}

bool standard_load(struct standard *s, const struct standard_options *o)
{
    if (!standard_threshold(s, o))
        return false;
    for (size_t i = 0; i < o->policy_count; i++)
        if (!add_policy(&s->policies, o->policies[i]))
            return false;
    return (o->policy_count || add_policy(&s->policies, POLICY_DEFAULT)) && load_exceptions(s, o);
}

bool standard_reads(const struct standard_options *o, const char *path)
{
    return path && strcmp(path, "-") != 0 &&
           ((o->waivers && infile_is(o->waivers, path)) ||
            (o->baseline && infile_is(o->baseline, path)));
}

void standard_free(struct standard *s)
{
    for (size_t i = 0; i < s->policies.count; i++)
        policy_free(s->policies.items[i]);
    waivers_free(s->waivers);
    baseline_free(s->baseline);
}

int standard_code(const struct standard *s, const struct tally *tally)
{
    return tally_fails(tally, s->fail_on) ? EXIT_FINDINGS : EXIT_DONE;
}
