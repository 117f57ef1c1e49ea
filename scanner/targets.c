/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/targets.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "protocols/dialogue.h"
#include "scanner/expectation.h"
#include "scanner/grow.h"
#include "scanner/say.h"
#include "scanner/targets/held.h"
#include "scanner/targets/lines.h"

struct targets *targets_new(struct choice *choice, FILE *errors)
{
    static const int families[FAMILIES] = {AF_INET, AF_INET6};
    struct targets *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->choice = choice;
    t->errors = errors;
    for (size_t i = 0; i < FAMILIES; i++) {
        t->given[i].family = t->unwanted[i].family = families[i];
        t->held[i].family = t->excluded[i].family = families[i];
    }
    return t;
}

void targets_free(struct targets *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < FAMILIES; i++) {
        entries_clear(&t->given[i]);
        entries_clear(&t->unwanted[i]);
        segments_clear(&t->held[i]);
        segments_clear(&t->excluded[i]);
    }
    for (size_t i = 0; i < t->source_count; i++)
        free(t->sources[i].file);
    names_clear(&t->names);
    names_clear(&t->unwanted_names);
    errands_clear(&t->errands);
    free(t->sources);
    free(t->hosts);
    free(t);
}

/* --- adding ----------------------------------------------------------------------------------- */

static size_t tell(struct targets *t, const char *what)
{
    say(t->errors, "targets: %s", what);
    return 1;
}

static const char no_memory[] = "out of memory";

/* From here on lines come from this file, or from the arguments, beginning with this number
   there. */
static bool source_begin(struct targets *t, const char *file, uint64_t line)
{
    char *name = file ? strdup(file) : NULL;
    if ((file && !name) ||
        !grow(&t->sources, t->source_count, &t->source_capacity, sizeof t->sources[0])) {
        free(name);
        return false;
    }
    t->sources[t->source_count++] =
        (struct source){.file = name, .first = t->line_count, .line = line};
    return true;
}

static enum target_kind refuse(struct complaint *c, const char *what, const char *why)
{
    snprintf(c->text, sizeof c->text, "%s%s", what, why);
    return TARGET_BAD;
}

static const char unheard[] =
    "what it expects of hosts that were given before is not heard: the first line that gives a "
    "host says all that is expected there";

/* Where nothing is expected there is nothing to be overheard. */
static bool is_same_expectation(const struct targets *t, uint32_t first, uint32_t late)
{
    struct target_host a = host_of(t->errands.list[first], choice_set(t->choice, 0));
    struct target_host b = host_of(t->errands.list[late], choice_set(t->choice, 0));
    const char *said = expectation_of(&a), *says = expectation_of(&b);
    return !says || (said && strcmp(said, says) == 0);
}

static enum target_kind keep_name(struct targets *t, const struct target *target, uint32_t errand,
                                  uint32_t line, struct complaint *c)
{
    struct name *name = names_keep(&t->names, target->name);
    if (!name)
        return refuse(c, "", no_memory);
    if (name->services && !is_same_expectation(t, name->errand, errand))
        return refuse(c, "", unheard);
    if (!name->services) {
        name->services = target->services;
        name->errand = errand;
        name->line = line;
        return TARGET_HOSTS;
    }
    const struct service_set *sum = choice_union(t->choice, name->services, target->services);
    if (!sum)
        return refuse(c, "the name ", choice_error(t->choice));
    name->services = sum;
    return TARGET_HOSTS;
}

static enum target_kind keep_target(struct targets *t, const struct target *target, uint32_t line,
                                    struct complaint *c)
{
    const struct errand *errand = errands_keep(&t->errands, target);
    if (errand && target->family == AF_UNSPEC)
        return keep_name(t, target, errand->id, line, c);
    if (!errand || !entries_add(&t->given[target->family == AF_INET ? V4 : V6],
                                (struct entry){target->first, target->last, errand->id, line}))
        return refuse(c, "", no_memory);
    return TARGET_HOSTS;
}

/* Reads one line and keeps what it means. */
typedef enum target_kind (*line_fn)(struct targets *, struct span, struct complaint *);

static enum target_kind add_line(struct targets *t, struct span line, struct complaint *c)
{
    struct target target;
    uint32_t number = t->line_count;
    if (number == UINT32_MAX)
        return refuse(c, "", "there are more lines than can be numbered");
    t->line_count++;
    enum target_kind kind = target_parse(line, t->choice, &target, c);
    targets_note(t, &target, kind);
    return kind == TARGET_HOSTS ? keep_target(t, &target, number, c) : kind;
}

/* What is excluded is excluded in every spelling. False: out of memory. */
static bool exclude_range(struct targets *t, int family, struct wide_range range)
{
    struct wide_range spelt[SPELLINGS];
    struct target nothing = {.services = choice_set(t->choice, 0)};
    const struct errand *errand = errands_keep(&t->errands, &nothing);
    size_t count = family == AF_INET ? address_spellings(range.first, range.last, spelt) : 0;
    bool ok = errand && entries_add(&t->unwanted[family == AF_INET ? V4 : V6],
                                    (struct entry){range.first, range.last, errand->id, 0});
    for (size_t i = 0; ok && i < count; i++)
        ok = entries_add(&t->unwanted[V6],
                         (struct entry){spelt[i].first, spelt[i].last, errand->id, 0});
    return ok;
}

/* Of networks and ranges, too, only hosts are asked. */
static bool exclude_hostless(struct targets *t)
{
    for (size_t i = 0; i < hostless_count; i++)
        if (!exclude_range(t, hostless_ranges[i].family, hostless_ranges[i].range))
            return false;
    return true;
}

static bool exclude(struct targets *t, const struct target *target)
{
    if (target->family == AF_UNSPEC)
        return names_keep(&t->unwanted_names, target->name);
    return exclude_range(t, target->family, (struct wide_range){target->first, target->last});
}

static enum target_kind exclude_line(struct targets *t, struct span line, struct complaint *c)
{
    struct target target;
    enum target_kind kind = target_parse_exclusion(line, &target, c);
    return kind == TARGET_HOSTS && !exclude(t, &target) ? refuse(c, "", no_memory) : kind;
}

/* A text that is to be a target. False: it is bad, or there is none in it. */
static bool add_text(struct targets *t, const char *text, struct complaint *c)
{
    enum target_kind kind = add_line(t, span_of(text), c);
    if (kind == TARGET_NOTHING)
        kind = refuse(c, "", "there is no target in it");
    return kind != TARGET_BAD;
}

size_t targets_add_argument(struct targets *t, const char *text)
{
    struct complaint complaint;
    bool goes_on = t->source_count && !t->sources[t->source_count - 1].file;
    t->argument_count++;
    if (!goes_on && !source_begin(t, NULL, t->argument_count))
        return tell(t, no_memory);
    if (add_text(t, text, &complaint))
        return 0;
    say(t->errors, "argument %" PRIu64 ": %s", t->argument_count, complaint.text);
    return 1;
}

/* Is it the next line of the file from which the last one came? */
static bool source_goes_on(const struct targets *t, const char *path, uint64_t line)
{
    const struct source *last = t->source_count ? &t->sources[t->source_count - 1] : NULL;
    return last && last->file && strcmp(last->file, path) == 0 &&
           last->line + (t->line_count - last->first) == line;
}

size_t targets_add_line(struct targets *t, const char *path, uint64_t line, const char *text)
{
    struct complaint complaint;
    if (!source_goes_on(t, path, line) && !source_begin(t, path, line))
        return tell(t, no_memory);
    if (add_text(t, text, &complaint))
        return 0;
    say(t->errors, "%s:%" PRIu64 ": %s", path, line, complaint.text);
    return 1;
}

/* Gives all whole lines to the function; returns how many were bad. */
static size_t read_lines(struct targets *t, struct lines *lines, const char *path, line_fn line_of)
{
    struct span line;
    struct complaint complaint;
    size_t errors = 0;
    while (lines_next(lines, &line)) {
        if (line_of(t, line, &complaint) != TARGET_BAD)
            continue;
        say(t->errors, "%s:%" PRIu64 ": %s", path, lines->number, complaint.text);
        errors++;
    }
    return errors;
}

/* A plain loop, so that pipes and /dev/fd/N will do. */
static size_t read_file(struct targets *t, const char *path, line_fn line_of)
{
    size_t errors = 0;
    char buffer[32 * 1024];
    struct lines lines = {.number = 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd;
    while (n >= 0 && !lines.ended) {
        do
            n = read(fd, buffer, sizeof buffer);
        while (n < 0 && errno == EINTR);
        lines.piece = (struct span){buffer, n > 0 ? (size_t)n : 0};
        lines.ended = n == 0;
        if (n >= 0)
            errors += read_lines(t, &lines, path, line_of);
    }
    if (n < 0) {
        say(t->errors, "%s: %s", path, strerror(errno));
        errors++;
    }
    if (fd >= 0)
        close(fd);
    return errors;
}

size_t targets_add_file(struct targets *t, const char *path)
{
    if (!source_begin(t, path, 1))
        return tell(t, no_memory);
    return read_file(t, path, add_line);
}

size_t targets_exclude_file(struct targets *t, const char *path)
{
    return read_file(t, path, exclude_line);
}

/* Where a line came from: the last source that does not begin after it. */
static void set_source(const struct targets *t, uint32_t line, struct target_host *host)
{
    size_t low = 0, high = t->source_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (t->sources[middle].first <= line)
            low = middle;
        else
            high = middle;
    }
    host->file = t->sources[low].file;
    host->line = t->sources[low].line + (line - t->sources[low].first);
}

/* --- building --------------------------------------------------------------------------------- */

static bool build_names(struct targets *t)
{
    t->hosts = malloc((t->names.count ? t->names.count : 1) * sizeof(struct name *));
    if (!t->hosts)
        return false;
    for (size_t i = 0; i < t->names.count; i++) {
        struct name *name = t->names.list[i];
        name->excluded = names_find(&t->unwanted_names, name->text);
        if (name->excluded)
            continue;
        t->hosts[t->host_count++] = name;
        t->endpoints += name->services->count;
    }
    return true;
}

static void count_endpoints(struct targets *t, const struct segments *s)
{
    for (size_t i = 0; i < s->count; i++) {
        struct segment one = segments_get(s, i);
        t->endpoints += wide_count(one.first, one.last) * choice_set(t->choice, one.set)->count;
    }
}

static bool build_family(struct targets *t, size_t i, struct complaint *c)
{
    bool ok = segments_build(&t->excluded[i], &t->unwanted[i], &t->errands, t->choice, NULL, c) &&
              segments_build(&t->held[i], &t->given[i], &t->errands, t->choice, &t->excluded[i], c);
    entries_clear(&t->unwanted[i]);
    return ok;
}

static bool expects(const struct errand *e)
{
    for (uint32_t i = 0; i < e->label_count; i++)
        if (strcmp(e->labels[i].key, EXPECTATION_LABEL) == 0)
            return true;
    return false;
}

static bool expects_any(const struct targets *t)
{
    for (size_t i = 0; i < t->errands.count; i++)
        if (expects(t->errands.list[i]))
            return true;
    return false;
}

/* An entry that owns no host: is that because another one has them, of which something else is
   expected? */
static size_t check_heard(struct targets *t, size_t family, struct entry e)
{
    struct segment found;
    struct wide until;
    struct target_host place = {.file = NULL};
    if (!segments_find(&t->held[family], e.first, &found, &until) ||
        is_same_expectation(t, entries_get(&t->given[family], found.owner).errand, e.errand))
        return 0;
    set_source(t, e.line, &place);
    say(t->errors, "%s%s%" PRIu64 ": %s", place.file ? place.file : "argument ",
        place.file ? ":" : "", place.line, unheard);
    return 1;
}

static size_t check_all_heard(struct targets *t)
{
    size_t errors = 0;
    for (size_t i = 0; i < FAMILIES; i++) {
        uint64_t *owned = targets_owned(&t->held[i], &t->given[i]);
        if (!owned)
            return tell(t, no_memory);
        for (size_t k = 0; k < t->given[i].count; k++)
            if (!owned[k])
                errors += check_heard(t, i, entries_get(&t->given[i], k));
        free(owned);
    }
    return errors;
}

size_t targets_build(struct targets *t)
{
    struct complaint complaint;
    if (!exclude_hostless(t))
        return tell(t, no_memory);
    for (size_t i = 0; i < FAMILIES; i++)
        if (!build_family(t, i, &complaint))
            return tell(t, complaint.text);
    if (!build_names(t))
        return tell(t, no_memory);
    uint64_t v4 = t->held[V4].addresses, v6 = t->held[V6].addresses; /* v4 is at most 2^32 */
    if (v6 > TARGET_HOSTS_MAX || v4 + v6 + t->host_count > TARGET_HOSTS_MAX)
        return tell(t, "they are more than 2^48 hosts");
    for (size_t i = 0; i < FAMILIES; i++)
        count_endpoints(t, &t->held[i]);
    return expects_any(t) ? check_all_heard(t) : 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

void targets_note(struct targets *t, const struct target *target, enum target_kind kind)
{
    t->ignored += kind == TARGET_IGNORED;
    t->found |= kind == TARGET_IGNORED || (kind == TARGET_HOSTS && target->found);
}

bool targets_are_found(const struct targets *t)
{
    return t->found;
}

uint64_t targets_ignored(const struct targets *t)
{
    return t->ignored;
}

uint64_t targets_count(const struct targets *t)
{
    return t->held[V4].addresses + t->held[V6].addresses + t->host_count;
}

uint64_t targets_endpoints(const struct targets *t)
{
    return t->endpoints;
}

struct target_host host_of(const struct errand *errand, const struct service_set *services)
{
    return (struct target_host){
        .services = services->rows,
        .service_count = services->count,
        .labels = errand->labels,
        .label_count = errand->label_count,
    };
}

bool targets_host(const struct targets *t, uint64_t index, struct target_host *host)
{
    for (size_t i = 0; i < FAMILIES; i++) {
        const struct segments *all = &t->held[i];
        if (index >= all->addresses) {
            index -= all->addresses;
            continue;
        }
        struct segment s = segments_at_index(all, index);
        struct entry owner = entries_get(&t->given[i], s.owner);
        *host = host_of(t->errands.list[owner.errand], choice_set(t->choice, s.set));
        host->address = address_of_number(all->family, wide_add(s.first, index - s.before));
        set_source(t, owner.line, host);
        return true;
    }
    if (index >= t->host_count)
        return false;
    const struct name *name = t->hosts[index];
    *host = host_of(t->errands.list[name->errand], name->services);
    host->name = name->text;
    set_source(t, name->line, host);
    return true;
}

bool targets_excluded(const struct targets *t, const struct address *address)
{
    struct segment found;
    struct wide until;
    return segments_find(&t->excluded[address->family == AF_INET ? V4 : V6],
                         address_number(address), &found, &until);
}

bool has_service(const struct service_set *set, const struct targets_endpoint *e)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->rows[i]->port == e->port && strcmp(set->rows[i]->protocol->name, e->protocol) == 0)
            return true;
    return false;
}

static bool is_held(const struct targets *t, const struct targets_endpoint *e)
{
    struct segment found;
    struct wide until;
    if (e->name) {
        const struct name *name = names_find(&t->names, e->name);
        return name && has_service(name->services, e);
    }
    return segments_find(&t->held[e->address.family == AF_INET ? V4 : V6],
                         address_number(&e->address), &found, &until) &&
           has_service(choice_set(t->choice, found.set), e);
}

enum targets_scope targets_scope(const struct targets *t, const struct targets_stream *stream,
                                 const struct targets_endpoint *e)
{
    if ((e->name && names_find(&t->unwanted_names, e->name)) ||
        (e->address.family && targets_excluded(t, &e->address)))
        return TARGETS_EXCLUDED;
    return is_held(t, e) || (stream && targets_stream_has(stream, e)) ? TARGETS_ASKED
                                                                      : TARGETS_OUTSIDE;
}
