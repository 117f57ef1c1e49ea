/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "protocols/dialogue.h"
#include "scanner/targets/held.h"

static bool in_table(const struct service *row)
{
    for (size_t i = 0; i < services_table_count; i++) {
        const struct service *known = &services_table[i];
        if (known->protocol == row->protocol && known->port == row->port &&
            known->mode == row->mode)
            return true;
    }
    return false;
}

static void print_services(const struct service_set *set, FILE *out)
{
    const struct protocol *before = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const struct service *row = set->rows[i];
        if (row->protocol != before)
            fprintf(out, " %s:", row->protocol->name);
        fprintf(out, "%s%u", row->protocol != before ? "" : ",", (unsigned)row->port);
        if (!in_table(row))
            fprintf(out, "/%s", mode_name(row->mode));
        before = row->protocol;
    }
}

static void print_line(FILE *out, const char *target, uint64_t adds, uint64_t names,
                       const struct service_set *services, const struct errand *errand)
{
    fprintf(out, "%s ", target);
    if (adds != names)
        fprintf(out, "%" PRIu64 " of ", adds);
    fprintf(out, "%" PRIu64 " host%s", names, names == 1 ? "" : "s");
    print_services(services, out);
    for (size_t i = 0; i < errand->label_count; i++)
        fprintf(out, " %s=%s", errand->labels[i].key, errand->labels[i].value);
    fputc('\n', out);
}

uint64_t *targets_owned(const struct segments *all, const struct entries *entries)
{
    uint64_t *owned = calloc(entries->count ? entries->count : 1, sizeof *owned);
    for (size_t i = 0; owned && i < all->count; i++) {
        struct segment s = segments_get(all, i);
        owned[s.owner] += wide_count(s.first, s.last);
    }
    return owned;
}

static void print_entry(const struct targets *t, int family, struct entry e, uint64_t owned,
                        FILE *out)
{
    char text[TARGET_TEXT_MAX];
    const struct errand *errand = t->errands.list[e.errand];
    print_line(out, target_format(family, e.first, e.last, text), owned,
               wide_count(e.first, e.last), errand->services, errand);
}

static void print_name(const struct targets *t, const struct name *name, FILE *out)
{
    print_line(out, name->text, !name->excluded, 1, name->services, t->errands.list[name->errand]);
}

/* The lines of the three kinds, merged by their number. */
static void print_all(const struct targets *t, uint64_t *const owned[FAMILIES], FILE *out)
{
    size_t next[FAMILIES] = {0}, name = 0;
    for (;;) {
        int kind = -1;
        uint32_t line = UINT32_MAX; /* no line has this number */
        for (int i = 0; i < FAMILIES; i++)
            if (next[i] < t->given[i].count && entries_get(&t->given[i], next[i]).line < line) {
                line = entries_get(&t->given[i], next[i]).line;
                kind = i;
            }
        if (name < t->names.count && t->names.list[name]->line < line) {
            print_name(t, t->names.list[name++], out);
        } else if (kind >= 0) {
            print_entry(t, t->given[kind].family, entries_get(&t->given[kind], next[kind]),
                        owned[kind][next[kind]], out);
            next[kind]++;
        } else {
            return;
        }
    }
}

bool targets_describe(const struct targets *t, FILE *out)
{
    uint64_t *owned[FAMILIES];
    bool ok = true;
    for (size_t i = 0; i < FAMILIES; i++) {
        owned[i] = targets_owned(&t->held[i], &t->given[i]);
        ok &= owned[i] != NULL;
    }
    if (ok)
        print_all(t, owned, out);
    for (size_t i = 0; i < FAMILIES; i++)
        free(owned[i]);
    return ok && !ferror(out);
}
