/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/choice.h"

#include <search.h>
#include <stdlib.h>

#include "protocols/dialogue.h"
#include "scanner/grow.h"
#include "scanner/quote.h"
#include "scanner/say.h"

struct choice {
    void *row_tree; /* of struct service     */
    void *set_tree; /* of struct service_set */
    struct service_set **sets;
    size_t set_count, set_capacity;
    size_t cells;
    const struct service_set *table;  /* the table, as far as --services leaves it */
    const struct service_set *extras; /* what --ports adds                         */
    const struct service_set *chosen; /* both                                      */
    bool narrowed;
    const char *error;
};

/* One endpoint can be asked in one mode only. */
static int compare_endpoints(const struct service *a, const struct service *b)
{
    int order = a->protocol == b->protocol ? 0 : strcmp(a->protocol->name, b->protocol->name);
    return order ? order : (a->port > b->port) - (a->port < b->port);
}

static int compare_rows(const void *left, const void *right)
{
    const struct service *a = left, *b = right;
    int order = compare_endpoints(a, b);
    return order ? order : (a->mode > b->mode) - (a->mode < b->mode);
}

/* Any total order will do here. */
static int compare_sets(const void *left, const void *right)
{
    const struct service_set *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    return memcmp(a->rows, b->rows, a->count * sizeof a->rows[0]);
}

static void *no_memory(struct choice *c)
{
    c->error = "needs more memory than there is";
    return NULL;
}

/* A set under construction; it becomes the choice's, or is freed, in intern(). */
static struct service_set *draft(struct choice *c, size_t rows)
{
    struct service_set *s = calloc(1, sizeof *s + rows * sizeof s->rows[0]);
    return s ? s : no_memory(c);
}

static bool draft_keep(struct choice *c, struct service_set *s)
{
    if (s->count > CHOICE_SET_MAX) {
        c->error = "would make more than 1024 services at one host";
        return false;
    }
    if (s->count > CHOICE_CELLS_MAX - c->cells) {
        c->error = "would make too many different sets of services";
        return false;
    }
    if (!grow(&c->sets, c->set_count, &c->set_capacity, sizeof c->sets[0])) {
        no_memory(c);
        return false;
    }
    s->id = (uint32_t)c->set_count;
    if (!tsearch(s, &c->set_tree, compare_sets)) {
        no_memory(c);
        return false;
    }
    c->sets[c->set_count++] = s;
    c->cells += s->count;
    return true;
}

static const struct service_set *intern(struct choice *c, struct service_set *s)
{
    if (!s)
        return NULL;
    struct service_set *const *known = tfind(s, &c->set_tree, compare_sets);
    if (!known && draft_keep(c, s))
        return s;
    free(s);
    return known ? *known : NULL;
}

static const struct service *row_keep(struct choice *c, struct service row)
{
    const struct service *const *known = tfind(&row, &c->row_tree, compare_rows);
    if (known)
        return *known;
    struct service *kept = malloc(sizeof *kept);
    if (!kept)
        return no_memory(c);
    *kept = row;
    if (!tsearch(kept, &c->row_tree, compare_rows)) {
        free(kept);
        return no_memory(c);
    }
    return kept;
}

const struct service_set *choice_single(struct choice *c, struct service row)
{
    const struct service *kept = row_keep(c, row);
    struct service_set *s = kept ? draft(c, 1) : NULL;
    if (s)
        s->rows[s->count++] = kept;
    return intern(c, s);
}

const struct service_set *choice_on_port(struct choice *c, uint16_t port)
{
    struct service_set *s = draft(c, c->chosen->count);
    for (size_t i = 0; s && i < c->chosen->count; i++)
        if (c->chosen->rows[i]->port == port)
            s->rows[s->count++] = c->chosen->rows[i];
    return intern(c, s);
}

/* Walks two sets side by side and takes what is in the first only, in both, in the second only.
   Where they have the same port in two modes, "insecure", which is what is meant when nothing is
   said, gives way. */
static const struct service_set *combine(struct choice *c, const struct service_set *a,
                                         const struct service_set *b, bool both, bool second)
{
    struct service_set *s = draft(c, (size_t)a->count + b->count);
    size_t i = 0, j = 0;
    while (s && (i < a->count || j < b->count)) {
        int order = i == a->count   ? 1
                    : j == b->count ? -1
                                    : compare_endpoints(a->rows[i], b->rows[j]);
        if (order == 0 && both)
            s->rows[s->count++] = a->rows[i]->mode >= b->rows[j]->mode ? a->rows[i] : b->rows[j];
        else if (order < 0)
            s->rows[s->count++] = a->rows[i];
        else if (order > 0 && second)
            s->rows[s->count++] = b->rows[j];
        i += order <= 0;
        j += order >= 0;
    }
    return intern(c, s);
}

const struct service_set *choice_union(struct choice *c, const struct service_set *a,
                                       const struct service_set *b)
{
    if (a == b || !b->count)
        return a;
    return a->count ? combine(c, a, b, true, true) : b;
}

const struct service_set *choice_minus(struct choice *c, const struct service_set *a,
                                       const struct service_set *b)
{
    if (a == b)
        return c->sets[0];
    return a->count && b->count ? combine(c, a, b, false, false) : a;
}

/* Adds one row to one of the sets that make the choice. */
static bool add_row(struct choice *c, const struct service_set **set, struct service row)
{
    const struct service_set *one = choice_single(c, row);
    const struct service_set *sum = one ? choice_union(c, *set, one) : NULL;
    if (sum)
        *set = sum;
    return sum;
}

static bool choose(struct choice *c)
{
    const struct service_set *both = choice_union(c, c->table, c->extras);
    if (both)
        c->chosen = both;
    return both;
}

struct choice *choice_new(void)
{
    struct choice *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->table = c->extras = intern(c, draft(c, 0));
    bool ok = c->table;
    for (size_t i = 0; ok && i < services_table_count; i++)
        ok = add_row(c, &c->table, services_table[i]);
    if (ok && choose(c))
        return c;
    choice_free(c);
    return NULL;
}

void choice_free(struct choice *c)
{
    if (!c)
        return;
    tdestroy(c->row_tree, free);
    tdestroy(c->set_tree, free);
    free(c->sets);
    free(c);
}

/* Takes the next item off the front of a list with commas; false when the list is used up. */
static bool next_item(const char **list, struct span *item)
{
    if (!*list)
        return false;
    const char *comma = strchr(*list, ',');
    *item = comma ? (struct span){*list, (size_t)(comma - *list)} : span_of(*list);
    *list = comma ? comma + 1 : NULL;
    return true;
}

/* PROTOCOL[/MODE]; *any says that no mode was given. NULL, or what is wrong. */
static const char *parse_kind(struct span text, struct service *row, bool *any)
{
    const char *slash = text.len ? memchr(text.at, '/', text.len) : NULL;
    size_t name = slash ? (size_t)(slash - text.at) : text.len;
    *any = !slash;
    row->mode = MODE_INSECURE;
    row->protocol = protocol_find(span_until(text, name));
    if (!row->protocol)
        return "has no known protocol (see the command services)";
    if (slash && !mode_parse((struct span){slash + 1, text.len - name - 1}, &row->mode))
        return "has no known mode (insecure, implicit, explicit)";
    return NULL;
}

static const char *narrow_by(struct choice *c, struct span item)
{
    struct service want;
    bool any, found = false;
    const char *wrong = parse_kind(item, &want, &any);
    if (wrong)
        return wrong;
    for (size_t i = 0; i < services_table_count; i++) {
        const struct service *row = &services_table[i];
        if (row->protocol != want.protocol || !(any || row->mode == want.mode))
            continue;
        found = true;
        if (!add_row(c, &c->table, *row))
            return c->error;
    }
    return found ? NULL : "is not in the protocol table";
}

static const char *extend_by(struct choice *c, struct span item)
{
    struct service row;
    bool any;
    const char *colon = item.len ? memchr(item.at, ':', item.len) : NULL;
    size_t kind = colon ? (size_t)(colon - item.at) : item.len;
    const char *wrong = parse_kind(span_until(item, kind), &row, &any);
    if (wrong)
        return wrong;
    if (!colon || !port_parse((struct span){colon + 1, item.len - kind - 1}, &row.port))
        return "has no port from 1 to 65535 (PROTOCOL[/MODE]:PORT)";
    return add_row(c, &c->extras, row) ? NULL : c->error;
}

static bool apply(struct choice *c, const char *list, FILE *errors, const char *option,
                  const char *(*item_fn)(struct choice *, struct span))
{
    struct span item;
    bool ok = true;
    while (next_item(&list, &item)) {
        const char *wrong = item_fn(c, item);
        if (wrong)
            say(errors, "%s: %s %s", option, quote(item).text, wrong);
        ok &= !wrong;
    }
    if (!choose(c)) {
        say(errors, "%s: %s", option, c->error);
        return false;
    }
    return ok;
}

bool choice_narrow(struct choice *c, const char *list, FILE *errors)
{
    if (!c->narrowed)
        c->table = c->sets[0];
    c->narrowed = true;
    return apply(c, list, errors, "--services", narrow_by);
}

bool choice_extend(struct choice *c, const char *list, FILE *errors)
{
    return apply(c, list, errors, "--ports", extend_by);
}

const struct service_set *choice_chosen(const struct choice *c)
{
    return c->chosen;
}

const char *choice_error(const struct choice *c)
{
    return c->error;
}

size_t choice_set_count(const struct choice *c)
{
    return c->set_count;
}

const struct service_set *choice_set(const struct choice *c, uint32_t id)
{
    return c->sets[id];
}
