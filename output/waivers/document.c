/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/waivers/document.h"

#include <yaml.h>

#include "scanner/grow.h"

#define ID_MAX 64
#define REASON_MAX 1000
#define TEXT_MAX 200
#define PATTERN_MAX 511 /* no key is longer */

/* --- the schema ------------------------------------------------------------------------------- */

static const cyaml_schema_value_t rule = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_MAX)};

struct label {
    char *value; /* one of those of struct waiver_labels */
};

static const cyaml_schema_field_t no_labels[] = {CYAML_FIELD_END};

#define TEXT(key, flag, type, member, max)                                                         \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flag), type, member, 0, max)

static const cyaml_schema_field_t match_fields[] = {
    TEXT("endpoint", CYAML_FLAG_OPTIONAL, struct waiver_match, endpoint, PATTERN_MAX),
    TEXT("cidr", CYAML_FLAG_OPTIONAL, struct waiver_match, cidr, TEXT_MAX),
    TEXT("protocol", CYAML_FLAG_OPTIONAL, struct waiver_match, protocol, TEXT_MAX),
    CYAML_FIELD_MAPPING_PTR("labels", CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct waiver_match,
                            labels, no_labels),
    CYAML_FIELD_END};

static const cyaml_schema_field_t entry_fields[] = {
    TEXT("id", CYAML_FLAG_OPTIONAL, struct waiver_entry, id, ID_MAX),
    TEXT("rule", CYAML_FLAG_OPTIONAL, struct waiver_entry, rule, TEXT_MAX),
    CYAML_FIELD_SEQUENCE("rules", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct waiver_entry,
                         rules, &rule, 1, WAIVER_RULES_MAX),
    TEXT("fingerprint", CYAML_FLAG_OPTIONAL, struct waiver_entry, fingerprint, TEXT_MAX),
    CYAML_FIELD_MAPPING("match", CYAML_FLAG_OPTIONAL, struct waiver_entry, match, match_fields),
    TEXT("reason", CYAML_FLAG_OPTIONAL, struct waiver_entry, reason, REASON_MAX),
    TEXT("approved_by", CYAML_FLAG_OPTIONAL, struct waiver_entry, approved_by, TEXT_MAX),
    TEXT("ticket", CYAML_FLAG_OPTIONAL, struct waiver_entry, ticket, TEXT_MAX),
    TEXT("created", CYAML_FLAG_OPTIONAL, struct waiver_entry, created, TEXT_MAX),
    TEXT("expires", CYAML_FLAG_OPTIONAL, struct waiver_entry, expires, TEXT_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_value_t entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct waiver_entry, entry_fields)};

static const cyaml_schema_field_t list_fields[] = {
    CYAML_FIELD_UINT("max_days", CYAML_FLAG_OPTIONAL, struct waiver_list, max_days),
    CYAML_FIELD_SEQUENCE("waivers", CYAML_FLAG_POINTER, struct waiver_list, entries, &entry, 0,
                         WAIVERS_MAX),
    CYAML_FIELD_END};

static const cyaml_schema_value_t list = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct waiver_list, list_fields)};

/* The same, with a field for each label of the file. */
struct waiver_schema {
    cyaml_schema_field_t labels[WAIVER_LABELS_MAX + 1];
    cyaml_schema_field_t match[sizeof match_fields / sizeof *match_fields];
    cyaml_schema_field_t entry[sizeof entry_fields / sizeof *entry_fields];
    cyaml_schema_field_t list[sizeof list_fields / sizeof *list_fields];
    cyaml_schema_value_t entry_value, value;
};

static cyaml_schema_field_t *field_of(cyaml_schema_field_t *fields, const char *key)
{
    while (strcmp(fields->key, key) != 0)
        fields++;
    return fields;
}

static struct waiver_schema *make_schema(const struct waiver_document *d)
{
    static const cyaml_schema_field_t text =
        TEXT("", CYAML_FLAG_OPTIONAL, struct label, value, TEXT_MAX);
    struct waiver_schema *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    for (size_t i = 0; i < d->name_count; i++) {
        s->labels[i] = text;
        s->labels[i].key = d->names[i];
        s->labels[i].data_offset = (uint32_t)(i * sizeof(struct label));
    }
    memcpy(s->match, match_fields, sizeof match_fields);
    memcpy(s->entry, entry_fields, sizeof entry_fields);
    memcpy(s->list, list_fields, sizeof list_fields);
    s->entry_value = entry;
    s->value = list;
    field_of(s->match, "labels")->value.mapping.fields = s->labels;
    field_of(s->entry, "match")->value.mapping.fields = s->match;
    s->entry_value.mapping.fields = s->entry;
    field_of(s->list, "waivers")->value.sequence.entry = &s->entry_value;
    s->value.mapping.fields = s->list;
    return s;
}

/* --- names of labels, and lines --------------------------------------------------------------- */

const char *waiver_member_name(enum waiver_member member)
{
    static const char *const names[MEMBER_COUNT] = {
        "id",       "rule",   "rules",  "fingerprint", "match",  "endpoint", "cidr",
        "protocol", "labels", "reason", "approved_by", "ticket", "created",  "expires"};
    return names[member];
}

#define LIST_DEPTH 1   /* the mapping that is the file */
#define ENTRY_DEPTH 3  /* that of a waiver, in the sequence */
#define MATCH_DEPTH 4  /* that of its match */
#define LABELS_DEPTH 5 /* that of the labels in there */
#define DEPTH_MAX 64 /* of what nobody wants: the deeper it is, the longer the next bracket takes */

/* Goes through the events of the file. */
struct walk {
    struct waiver_document *document;
    const struct yamlfile *file;
    FILE *errors;
    unsigned depth;
    struct {
        bool mapping, at_value;
    } open[LABELS_DEPTH + 1];
    enum waiver_member
        at[MATCH_DEPTH + 1]; /* the member whose value comes, of a waiver and its match */
    bool failed;
};

static bool is_open(const struct walk *w)
{
    return w->depth > 0 && w->depth <= LABELS_DEPTH;
}

/* Where a mapping has a key, and not a value. */
static bool is_key(const struct walk *w)
{
    return is_open(w) && w->open[w->depth].mapping && !w->open[w->depth].at_value;
}

/* Something came to its end where we are. */
static void step(struct walk *w)
{
    if (is_open(w))
        w->open[w->depth].at_value = !w->open[w->depth].at_value;
}

static void fail(struct walk *w, unsigned line, const char *member, const char *message)
{
    yamlfile_complain_at(w->file, w->errors, line, member, message);
    w->failed = true;
}

static void note_label(struct walk *w, const char *name, unsigned line)
{
    struct waiver_document *d = w->document;
    size_t length = strlen(name);
    for (size_t i = 0; i < d->name_count; i++)
        if (strcmp(d->names[i], name) == 0)
            return;
    if (!length || length > WAIVER_LABEL_NAME_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != length)
        fail(w, line, "labels", "a label's name is of a-z 0-9 _ -");
    else if (d->name_count == WAIVER_LABELS_MAX)
        fail(w, line, "labels", "there can be 32 different labels in a file");
    else
        memcpy(d->names[d->name_count++], name, length + 1);
}

static void note_member(struct walk *w, const char *name, unsigned line)
{
    struct waiver_document *d = w->document;
    int m = 0;
    while (m < MEMBER_COUNT && strcmp(name, waiver_member_name((enum waiver_member)m)) != 0)
        m++;
    w->at[w->depth] = (enum waiver_member)m;
    if (m < MEMBER_COUNT && d->line_count)
        d->lines[d->line_count - 1].members[m] = line;
}

static void note_key(struct walk *w, const char *name, unsigned line)
{
    bool in_match = w->at[ENTRY_DEPTH] == MEMBER_MATCH;
    if (w->depth == LIST_DEPTH && strcmp(name, "max_days") == 0)
        w->document->max_days_line = line;
    else if (w->depth == ENTRY_DEPTH || (w->depth == MATCH_DEPTH && in_match))
        note_member(w, name, line);
    else if (w->depth == LABELS_DEPTH && in_match && w->at[MATCH_DEPTH] == MEMBER_LABELS)
        note_label(w, name, line);
}

static void note_entry(struct walk *w, unsigned line)
{
    struct waiver_document *d = w->document;
    if (d->line_count == WAIVERS_MAX)
        return;
    if (!grow(&d->lines, d->line_count, &d->line_capacity, sizeof *d->lines))
        fail(w, 0, NULL, "out of memory");
    else
        d->lines[d->line_count++] = (struct waiver_lines){.entry = line};
}

static void enter(struct walk *w, bool mapping, unsigned line)
{
    w->depth++;
    if (w->depth > DEPTH_MAX)
        fail(w, line, NULL, "it is nested too deep");
    if (is_open(w)) {
        w->open[w->depth].mapping = mapping;
        w->open[w->depth].at_value = false;
    }
    if (mapping && w->depth == ENTRY_DEPTH)
        note_entry(w, line);
}

static void leave(struct walk *w)
{
    w->depth--;
    step(w);
}

/* False: that was the last one. */
static bool take_event(struct walk *w, const yaml_event_t *event)
{
    unsigned line = (unsigned)event->start_mark.line + 1;
    switch (event->type) {
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        enter(w, event->type == YAML_MAPPING_START_EVENT, line);
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        leave(w);
        break;
    case YAML_SCALAR_EVENT:
        if (is_key(w))
            note_key(w, (const char *)event->data.scalar.value, line);
        step(w);
        break;
    case YAML_ALIAS_EVENT:
        step(w);
        break;
    case YAML_DOCUMENT_END_EVENT:
    case YAML_STREAM_END_EVENT:
        return false;
    default:
        break;
    }
    return !w->failed;
}

/* What is no YAML is for the other reader to tell. */
static bool walk(struct waiver_document *d, const struct yamlfile *f, FILE *errors)
{
    struct walk w = {.document = d, .file = f, .errors = errors};
    yaml_parser_t parser;
    yaml_event_t event;
    bool more = true;

    if (!yaml_parser_initialize(&parser))
        return false;
    yaml_parser_set_input_string(&parser, (const unsigned char *)f->bytes.at, f->bytes.len);
    while (more && yaml_parser_parse(&parser, &event)) {
        more = take_event(&w, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return !w.failed;
}

/* --- reading ---------------------------------------------------------------------------------- */

bool waiver_document_read(struct waiver_document *d, const struct yamlfile *f, FILE *errors)
{
    *d = (struct waiver_document){.list = NULL};
    if (!walk(d, f, errors))
        return false;
    if (!(d->schema = make_schema(d))) {
        yamlfile_complain_at(f, errors, 0, NULL, "out of memory");
        return false;
    }
    d->list = yamlfile_read(f, &d->schema->value, errors);
    return d->list != NULL;
}

void waiver_document_free(struct waiver_document *d)
{
    if (d->list)
        yamlfile_free(&d->schema->value, d->list);
    free(d->schema);
    free(d->lines);
    *d = (struct waiver_document){.list = NULL};
}

unsigned waiver_document_line(const struct waiver_document *d, size_t number,
                              enum waiver_member member)
{
    if (number >= d->line_count)
        return 0;
    unsigned line = d->lines[number].members[member];
    return line ? line : d->lines[number].entry;
}
