/* SPDX-License-Identifier: MIT */
/* rules.c: the command that lists and explains what is judged: rules and policies. */
#define _GNU_SOURCE
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "output/policies/policy.h"
#include "scanner/commands/command.h"
#include "scanner/commands/confine.h"
#include "scanner/quote.h"
#include "scanner/say.h"
#include "scanner/usage.h"

#define LINE_WIDTH 96
#define INDENT "    "

/* The policies that can be had by name. */
struct shelf {
    struct policy *policies[POLICY_NAMES_MAX];
    size_t count;
};

static void shelf_fill(struct shelf *s)
{
    char names[POLICY_NAMES_MAX][POLICY_NAME_SIZE];
    size_t count = policy_names(names);
    for (size_t i = 0; i < count; i++)
        if ((s->policies[s->count] = policy_load(names[i], stderr)))
            s->count++;
}

static void shelf_empty(struct shelf *s)
{
    for (size_t i = 0; i < s->count; i++)
        policy_free(s->policies[i]);
}

/* --- text ------------------------------------------------------------------------------------- */

/* Octets of a text that begin a character. */
static size_t width_of(struct span text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++)
        width += ((unsigned char)text.at[i] & 0xc0) != 0x80;
    return width;
}

/* The words of a text, in lines that are not too long. */
static void print_wrapped(const char *text)
{
    struct span rest = span_of(text), word;
    size_t column = 0;

    while ((word = span_word(&rest)).len) {
        size_t width = width_of(word);
        bool fits = column && column + 1 + width <= LINE_WIDTH;
        printf("%s%.*s", !column ? INDENT : fits ? " " : "\n" INDENT, (int)word.len, word.at);
        column = fits ? column + 1 + width : strlen(INDENT) + width;
    }
    printf("\n");
}

static const char *known_words(enum source source)
{
    static const char *const words[] = {"", " (unverified)", " (unverified)"};
    return words[source];
}

/* --- the list --------------------------------------------------------------------------------- */

static void list_rules(void)
{
    const struct rules_section *section;
    for (size_t i = 0; (section = rules_section_at(i)); i++) {
        if (!section->rules->id)
            continue;
        printf("Rules: %s\n", section->title);
        for (const struct rule *r = section->rules; r->id; r++)
            printf("  %-9s%-34s%s\n", severity_name(r->severity), r->id, r->title);
        printf("\n");
    }
}

static void list_checks(void)
{
    const struct policy_check *check;
    printf("What policies find besides:\n");
    for (int k = 0; k < POLICY_KIND_COUNT; k++)
        if ((check = policy_check_of((enum policy_kind)k)))
            printf("  %-9s%-34s%s\n", "-", check->id, check->title);
    printf("\n");
}

static void list_policies(const struct shelf *shelf)
{
    printf("Policies:\n");
    for (size_t i = 0; i < shelf->count; i++) {
        const struct policy *p = shelf->policies[i];
        printf("  %-22s%s (%s, as of %s)\n", policy_name(p), policy_source(p), policy_version(p),
               policy_as_of(p));
    }
}

/* --- one of them ------------------------------------------------------------------------------ */

static void print_demand(const char *name, const struct policy_demand *d)
{
    char scope[256];
    policy_demand_scope(d, scope, sizeof scope);
    printf("  %-5s %-34s%s%s%s%s\n", policy_verdict_name(d->verdict), name, d->clause,
           known_words(d->known), *scope ? "; " : "", scope);
}

static void explain_rule(const struct rule *r, const struct shelf *shelf)
{
    struct policy_demand d;

    printf("%s (%s)\n%s\n\n", r->id, severity_name(r->severity), r->title);
    print_wrapped(r->description);
    printf("\nWhat to do:\n");
    print_wrapped(r->remediation);
    printf("\nReferences:\n");
    for (size_t i = 0; i < REFERENCES_MAX && r->references[i].text; i++)
        printf(INDENT "%s%s\n", r->references[i].text, known_words(r->references[i].source));
    printf("\nPolicies:\n");
    for (size_t p = 0; p < shelf->count; p++)
        for (size_t i = 0; policy_demand_at(shelf->policies[p], i, &d); i++)
            if (strcmp(d.rule, r->id) == 0)
                print_demand(policy_name(shelf->policies[p]), &d);
}

static bool takes_all(const struct policy *p, size_t item)
{
    const char *name;
    for (size_t i = 0; (name = policy_item_name(p, item, i)); i++)
        if (strcmp(name, "*") == 0)
            return true;
    return false;
}

/* The names of an item, in lines that are not too long. */
static void print_names(const struct policy *p, size_t item)
{
    char *text = NULL;
    size_t size = 0;
    const char *name;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return;
    if (takes_all(p, item)) /* "*" comes last, behind what is named */
        fprintf(f, "all others");
    else
        for (size_t i = 0; (name = policy_item_name(p, item, i)); i++)
            fprintf(f, "%s%s", i ? ", " : "", name);
    if (fclose(f) == 0)
        print_wrapped(text);
    free(text);
}

static void print_items(const struct policy *p)
{
    static const char *const titles[POLICY_KIND_COUNT] = {NULL,      "a version", "a cipher suite",
                                                          "a group", "a key",     "a signature"};
    struct policy_item item;
    for (size_t i = 0; policy_item_at(p, i, &item); i++) {
        char what[64];
        int n = snprintf(what, sizeof what, "%s", titles[item.kind]);
        if (item.bits)
            snprintf(what + n, sizeof what - (size_t)n, " of %u bits or more", item.bits);
        print_demand(what, &item.demand);
        print_names(p, i);
    }
}

static void explain_policy(const struct policy *p)
{
    struct policy_demand d;
    const char *clause;

    printf("%s: %s\n%s, %s, as of %s\n", policy_name(p), policy_title(p), policy_source(p),
           policy_version(p), policy_as_of(p));
    print_wrapped(policy_verified(p));
    printf("\nIf a rule finds something:\n");
    for (size_t i = 0; policy_demand_at(p, i, &d); i++)
        print_demand(d.rule, &d);
    printf("\nThe first that holds decides of\n");
    print_items(p);
    printf("\nClauses:\n");
    for (size_t i = 0; (clause = policy_clause_at(p, i)); i++)
        printf(INDENT "%s%s\n", clause, policy_clause_unverified(p, i) ? " (unverified)" : "");
}

/* --- names ------------------------------------------------------------------------------------ */

#define NAME_LONGEST ((size_t)64)

/* How many letters are to be changed, added or left out (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_LONGEST + 1], m = strlen(b);

    if (strlen(a) > NAME_LONGEST || m > NAME_LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < m; j++) {
            size_t cost = corner + (ascii_upper(a[i]) != ascii_upper(b[j]));
            size_t least = row[j] < row[j + 1] ? row[j] : row[j + 1];
            corner = row[j + 1];
            row[j + 1] = cost < least + 1 ? cost : least + 1;
        }
    }
    return row[m];
}

struct nearest {
    const char *wanted, *name;
    size_t distance;
};

static void consider(struct nearest *n, const char *name)
{
    size_t d = distance(n->wanted, name);
    if (d < n->distance) {
        n->distance = d;
        n->name = name;
    }
}

static int tell_unknown(const char *wanted, const struct shelf *shelf)
{
    struct nearest n = {wanted, NULL, SIZE_MAX};
    struct rules_walk walk = {0};
    const struct rule *rule;

    while ((rule = rules_next(&walk)))
        consider(&n, rule->id);
    for (size_t i = 0; i < shelf->count; i++)
        consider(&n, policy_name(shelf->policies[i]));
    for (int k = POLICY_VERSION; k < POLICY_KIND_COUNT; k++)
        consider(&n, policy_check_of((enum policy_kind)k)->id);
    say(stderr, PROGRAM " rules: there is no rule or policy %s%s%s", quote(span_of(wanted)).text,
        n.name ? "; the nearest is " : "", n.name ? n.name : "");
    return EXIT_TROUBLE;
}

static bool explain_check(const char *name)
{
    const struct policy_check *check;
    for (int k = 0; k < POLICY_KIND_COUNT; k++)
        if ((check = policy_check_of((enum policy_kind)k)) && strcasecmp(check->id, name) == 0) {
            printf("%s\n%c%s.\n\n", check->id, ascii_upper(*check->title), check->title + 1);
            print_wrapped("No rule, and without a severity: policies name it where an endpoint "
                          "has what they do not allow. \"rules POLICY\" has the lists.");
            return true;
        }
    return false;
}

/* Case does not count. False: there is nothing of that name. */
static bool explain(const char *name, const struct shelf *shelf)
{
    struct rules_walk walk = {0};
    const struct rule *rule;
    while ((rule = rules_next(&walk)))
        if (strcasecmp(rule->id, name) == 0) {
            explain_rule(rule, shelf);
            return true;
        }
    for (size_t i = 0; i < shelf->count; i++)
        if (strcasecmp(policy_name(shelf->policies[i]), name) == 0) {
            explain_policy(shelf->policies[i]);
            return true;
        }
    return explain_check(name);
}

/* --- the command ------------------------------------------------------------------------------ */

struct rules_options {
    const char *name;
    enum sandbox_mode sandbox;
};

static error_t on_option(int key, char *argument, struct argp_state *state)
{
    struct rules_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->sandbox;
        break;
    case ARGP_KEY_ARG:
        if (o->name)
            argp_error(state, "one rule or policy at a time");
        o->name = argument;
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/* Policies are read; all else is printing. */
static int tell(const char *name, const struct shelf *shelf)
{
    if (name && !explain(name, shelf))
        return tell_unknown(name, shelf);
    if (!name) {
        list_rules();
        list_checks();
        list_policies(shelf);
    }
    return finish_stdout();
}

int command_rules(int argc, char **argv)
{
    static const struct argp_child children[] = {{&sandbox_argp, 0, NULL, 0}, {NULL, 0, NULL, 0}};
    static const struct argp argp = {NULL,
                                     on_option,
                                     "[RULE|POLICY]",
                                     "Lists the rules and the policies, or explains one of them.",
                                     children,
                                     NULL,
                                     NULL};
    struct shelf shelf = {.count = 0};
    struct rules_options o = {.sandbox = sandbox_mode_default()};

    argp_err_exit_status = EXIT_TROUBLE;
    parse_arguments(&argp, argc, argv, &o);
    shelf_fill(&shelf);
    int code = confine_printer(o.sandbox) ? tell(o.name, &shelf) : EXIT_TROUBLE;
    shelf_empty(&shelf);
    return code;
}
