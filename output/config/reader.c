/* SPDX-License-Identifier: MIT */
/*
 * reader.c: from YAML to settings. A walk through libyaml's events: those know their lines, so that
 * each trouble is told where it is, and all of them at once.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <yaml.h>

#include "output/config/config.h"
#include "scanner/grow.h"
#include "scanner/quote.h"
#include "scanner/say.h"

#define DEPTH_MAX 64 /* of what is passed over */

struct reader {
    const struct yamlfile *file;
    FILE *errors;
    yaml_parser_t parser;
    yaml_event_t event; /* the one that is looked at */
    struct config *config;
    size_t directory; /* octets of the file's name up to its last "/" */
    bool wrong;       /* something was told                           */
    bool over;        /* nothing more can be read                     */
    uint64_t *seen;   /* the line of each member; 0: not yet          */
};

static void complain(struct reader *, uint64_t line, const char *member, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void complain(struct reader *r, uint64_t line, const char *member, const char *format, ...)
{
    va_list arguments;
    char text[SAY_MAX / 2], number[24] = "";
    if (r->over) /* what follows from that is of no interest */
        return;
    if (line)
        snprintf(number, sizeof number, "%" PRIu64 ":", line);
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say(r->errors, "%s:%s%s%s%s %s", r->file->path, number, member ? " " : "", member ? member : "",
        member ? ":" : "", text);
    r->wrong = true;
}

static void give_up(struct reader *r, uint64_t line, const char *why)
{
    complain(r, line, NULL, "%s", why);
    r->over = true;
}

/* --- events ----------------------------------------------------------------------------------- */

static uint64_t line_of(const struct reader *r)
{
    return (uint64_t)r->event.start_mark.line + 1;
}

/* What is no text has no mark: its line is counted. */
static uint64_t line_of_problem(const struct reader *r)
{
    uint64_t line = 1;
    if (r->parser.error != YAML_READER_ERROR)
        return (uint64_t)r->parser.problem_mark.line + 1;
    for (size_t i = 0; i < r->parser.problem_offset && i < r->file->bytes.len; i++)
        line += r->file->bytes.at[i] == '\n';
    return line;
}

/* Looks at the next event. From the end on, whatever ends it is, there is YAML_NO_EVENT. */
static yaml_event_type_t next(struct reader *r)
{
    yaml_event_delete(&r->event);
    memset(&r->event, 0, sizeof r->event);
    if (r->over)
        return YAML_NO_EVENT;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        const char *problem = r->parser.problem ? r->parser.problem : "out of memory";
        complain(r, line_of_problem(r), NULL, "this is no YAML: %s", problem);
        r->over = true;
    } else if (r->event.type == YAML_ALIAS_EVENT) {
        give_up(r, line_of(r), "aliases (*NAME) are not taken");
    }
    return r->over ? YAML_NO_EVENT : r->event.type;
}

/* Walks to the end of the value that begins with the event. */
static void pass_over(struct reader *r)
{
    int depth = 0;
    yaml_event_type_t type = r->event.type;
    for (;; type = next(r)) {
        depth += type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
        depth -= type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
        if (depth > DEPTH_MAX)
            give_up(r, line_of(r), "it is nested too deep");
        if (depth <= 0 || r->over)
            return;
    }
}

static void refuse(struct reader *r, const char *member, const char *why)
{
    complain(r, line_of(r), member, "%s", why);
    pass_over(r);
}

/* --- scalars ---------------------------------------------------------------------------------- */

static struct span scalar_of(const struct reader *r)
{
    return (struct span){(const char *)r->event.data.scalar.value, r->event.data.scalar.length};
}

static bool is_scalar(const struct reader *r)
{
    return r->event.type == YAML_SCALAR_EVENT;
}

static bool is_plain(const struct reader *r)
{
    return is_scalar(r) && r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_word(struct span s, const char *word)
{
    return s.len == strlen(word) && memcmp(s.at, word, s.len) == 0;
}

/* What stands for nothing in YAML. */
static bool is_null(const struct reader *r)
{
    struct span s = scalar_of(r);
    return is_plain(r) && (!s.len || is_word(s, "~") || span_is(s, "null"));
}

static bool has_tag(const struct reader *r)
{
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return r->event.data.scalar.tag != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return r->event.data.sequence_start.tag != NULL;
    case YAML_MAPPING_START_EVENT:
        return r->event.data.mapping_start.tag != NULL;
    default:
        return false;
    }
}

/* Octal and sexagesimal numbers, and what else YAML takes for one, are none here. */
static bool is_number(const struct reader *r)
{
    struct span s = scalar_of(r);
    return is_plain(r) && s.len && ascii_digit(s.at[0]) &&
           !(s.len > 1 && s.at[0] == '0' && s.at[1] != '.');
}

static const char no_tags[] = "tags (!NAME) are not taken";

/* Is it a text that can be used? */
static bool check_text(struct reader *r, const char *member)
{
    const char *wrong = has_tag(r)                      ? no_tags
                        : !is_scalar(r)                 ? "a text is wanted"
                        : is_null(r)                    ? "has no value"
                        : !scalar_of(r).len             ? "is empty"
                        : !config_is_text(scalar_of(r)) ? "has a character that cannot stand there"
                                                        : NULL;
    if (wrong)
        refuse(r, member, wrong);
    return !wrong;
}

static bool is_file(enum config_naming naming, struct span text)
{
    if (naming == NAMES_FILE_OR_WORD)
        return memchr(text.at, '/', text.len) ||
               (text.len > 5 && memcmp(text.at + text.len - 5, ".yaml", 5) == 0);
    return naming == NAMES_FILE;
}

/* A file is meant from where the configuration is; "-" is none. */
static char *take_text(struct reader *r, enum config_naming naming)
{
    struct span text = scalar_of(r);
    bool moves = is_file(naming, text) && text.at[0] != '/' && !is_word(text, "-");
    size_t before = moves ? r->directory : 0;
    char *out = malloc(before + text.len + 1);
    if (!out)
        return NULL;
    memcpy(out, r->file->path, before);
    memcpy(out + before, text.at, text.len);
    out[before + text.len] = '\0';
    return out;
}

/* --- settings --------------------------------------------------------------------------------- */

/* Takes the text over. */
static void add(struct reader *r, const struct config_member *m, char *text, uint64_t line)
{
    struct config *c = r->config;
    if (!grow(&c->settings, c->count, &c->capacity, sizeof *c->settings)) {
        free(text);
        give_up(r, 0, "out of memory");
        return;
    }
    c->settings[c->count++] = (struct config_setting){m, text, line};
}

static void add_scalar(struct reader *r, const struct config_member *m, const char *path)
{
    if (!check_text(r, path))
        return;
    char *text = take_text(r, m->naming);
    if (text)
        add(r, m, text, line_of(r));
    else
        give_up(r, 0, "out of memory");
}

static void read_number(struct reader *r, const struct config_member *m, const char *path)
{
    if (is_number(r))
        add_scalar(r, m, path);
    else
        refuse(r, path, "a number is wanted, such as 30 or 0.5");
}

static void read_switch(struct reader *r, const struct config_member *m, const char *path)
{
    struct span s = scalar_of(r);
    bool on = is_plain(r) && is_word(s, "true"), off = is_plain(r) && is_word(s, "false");
    if (!on && !off)
        refuse(r, path, "true or false is wanted");
    else if (on)
        add(r, m, NULL, line_of(r));
}

/* Is it a list? Then its items come next. */
static bool begin_list(struct reader *r, const char *path, const char *wanted)
{
    if (r->event.type == YAML_SEQUENCE_START_EVENT)
        return true;
    complain(r, line_of(r), path, "a list of %s is wanted, each behind a dash", wanted);
    pass_over(r);
    return false;
}

static bool next_item(struct reader *r)
{
    yaml_event_type_t type = next(r);
    return type != YAML_SEQUENCE_END_EVENT && type != YAML_NO_EVENT;
}

static void read_list(struct reader *r, const struct config_member *m, const char *path)
{
    if (begin_list(r, path, "texts"))
        while (next_item(r))
            add_scalar(r, m, path);
}

/* All items in one setting, which is at the line of the list. */
static void read_words(struct reader *r, const struct config_member *m, const char *path)
{
    char *text = NULL;
    size_t size = 0;
    uint64_t line = line_of(r);

    if (!begin_list(r, path, "texts"))
        return;
    FILE *f = open_memstream(&text, &size);
    while (next_item(r))
        if (check_text(r, path) && f)
            fprintf(f, "%s%.*s", ftell(f) > 0 ? "," : "", (int)scalar_of(r).len, scalar_of(r).at);
    if (f && fclose(f) == 0)
        add(r, m, text, line);
    else
        give_up(r, 0, "out of memory");
}

/* --- exports ---------------------------------------------------------------------------------- */

struct export_parts {
    char *format, *file;
};

/* One member of an item; the event is its name. */
static void read_part(struct reader *r, const char *path, struct export_parts *parts)
{
    struct span name = is_scalar(r) ? scalar_of(r) : span_of("");
    bool format = is_word(name, "format"), file = is_word(name, "file");
    char **part = format ? &parts->format : &parts->file;
    uint64_t line = line_of(r);

    if (!format && !file) {
        complain(r, line, path, "%s is neither format nor file", quote(name).text);
        pass_over(r);
        next(r);
        pass_over(r);
        return;
    }
    next(r);
    if (*part)
        refuse(r, path, format ? "the format is there twice" : "the file is there twice");
    else if (check_text(r, path) && !(*part = take_text(r, file ? NAMES_FILE : NAMES_NOTHING)))
        give_up(r, 0, "out of memory");
}

static void add_export(struct reader *r, const struct config_member *m, const char *path,
                       const struct export_parts *parts, uint64_t line)
{
    char *text = NULL;
    if (!parts->format || !parts->file)
        complain(r, line, path, "an export has a format and a file");
    else if (strchr(parts->format, '='))
        complain(r, line, path, "%s is no format", quote(span_of(parts->format)).text);
    else if (asprintf(&text, "%s=%s", parts->format, parts->file) < 0)
        give_up(r, 0, "out of memory");
    else
        add(r, m, text, line);
}

static void read_export(struct reader *r, const struct config_member *m, const char *path)
{
    struct export_parts parts = {NULL, NULL};
    uint64_t line = line_of(r);
    yaml_event_type_t type;
    bool wrong = r->wrong;

    if (r->event.type != YAML_MAPPING_START_EVENT) {
        refuse(r, path, "an export has a format and a file");
        return;
    }
    r->wrong = false;
    while ((type = next(r)) != YAML_MAPPING_END_EVENT && type != YAML_NO_EVENT)
        read_part(r, path, &parts);
    if (!r->wrong && !r->over)
        add_export(r, m, path, &parts, line);
    r->wrong |= wrong;
    free(parts.format);
    free(parts.file);
}

static void read_exports(struct reader *r, const struct config_member *m, const char *path)
{
    if (begin_list(r, path, "exports"))
        while (next_item(r))
            read_export(r, m, path);
}

/* --- members ---------------------------------------------------------------------------------- */

static const struct config_member *find(const char *section, struct span name)
{
    for (size_t i = 0; i < config_member_count; i++) {
        const struct config_member *m = &config_members[i];
        bool here =
            section && m->section ? strcmp(section, m->section) == 0 : section == m->section;
        if (here && is_word(name, m->name))
            return m;
    }
    return NULL;
}

/* The name of a section as the table has it, which is one for all its members; NULL: there is none
   such. */
static const char *find_section(struct span name)
{
    for (size_t i = 0; i < config_member_count; i++)
        if (config_members[i].section && is_word(name, config_members[i].section))
            return config_members[i].section;
    return NULL;
}

static void complain_of_member(struct reader *r, const char *section)
{
    const char *where = "";
    struct span name = is_scalar(r) ? scalar_of(r) : span_of("");
    if (!name.len) {
        complain(r, line_of(r), section, "a member has a name");
        return;
    }
    for (size_t i = 0; i < config_member_count && !*where; i++)
        if (is_word(name, config_members[i].name))
            where = config_members[i].section ? config_members[i].section : "no section";
    complain(r, line_of(r), section, "there is no member %s%s%s", quote(name).text,
             *where ? " here: it belongs in " : "", where);
}

static void read_value(struct reader *r, const struct config_member *m)
{
    static void (*const readers[])(struct reader *, const struct config_member *, const char *) = {
        [CONFIG_TEXT] = add_scalar, [CONFIG_NUMBER] = read_number, [CONFIG_SWITCH] = read_switch,
        [CONFIG_LIST] = read_list,  [CONFIG_WORDS] = read_words,   [CONFIG_EXPORTS] = read_exports,
    };
    char path[CONFIG_PATH_MAX];
    config_path(m, path);
    if (has_tag(r))
        refuse(r, path, no_tags);
    else
        readers[m->form](r, m, path);
}

/* The event is the name of a member. */
static void read_member(struct reader *r, const char *section)
{
    const struct config_member *m = is_scalar(r) ? find(section, scalar_of(r)) : NULL;
    uint64_t line = line_of(r), *seen = m ? &r->seen[m - config_members] : NULL;
    char path[CONFIG_PATH_MAX];

    if (!m) {
        complain_of_member(r, section);
        pass_over(r);
    } else if (*seen) {
        complain(r, line, config_path(m, path), "is there already, in line %" PRIu64, *seen);
        m = NULL;
    } else {
        *seen = line;
    }
    next(r);
    if (m)
        read_value(r, m);
    else
        pass_over(r);
}

/* All of its members may be comments. */
static void read_section(struct reader *r, const char *section)
{
    yaml_event_type_t type = r->event.type;
    if (is_scalar(r) && is_null(r) && !has_tag(r))
        return;
    if (type != YAML_MAPPING_START_EVENT || has_tag(r)) {
        refuse(r, section, has_tag(r) ? no_tags : "members are wanted, further to the right");
        return;
    }
    while ((type = next(r)) != YAML_MAPPING_END_EVENT && type != YAML_NO_EVENT)
        read_member(r, section);
}

/* The event is the name of a section, or of a member outside of sections. */
static void read_top(struct reader *r, uint64_t *sections)
{
    const char *section = is_scalar(r) ? find_section(scalar_of(r)) : NULL;
    uint64_t line = line_of(r);
    size_t at = 0;

    if (!section) {
        read_member(r, NULL);
        return;
    }
    while (config_members[at].section != section) /* its first member stands for it */
        at++;
    next(r);
    if (sections[at]) {
        complain(r, line, section, "is there already, in line %" PRIu64, sections[at]);
        pass_over(r);
    } else {
        sections[at] = line;
        read_section(r, section);
    }
}

static void read_document(struct reader *r)
{
    yaml_event_type_t type = next(r);
    if (type != YAML_MAPPING_START_EVENT || has_tag(r)) {
        complain(r, line_of(r), NULL, "this is not a configuration: MEMBER: VALUE is wanted");
        pass_over(r);
        return;
    }
    uint64_t *sections = calloc(config_member_count, sizeof *sections);
    if (!sections)
        give_up(r, 0, "out of memory");
    while ((type = next(r)) != YAML_MAPPING_END_EVENT && type != YAML_NO_EVENT)
        read_top(r, sections);
    free(sections);
}

static void read_stream(struct reader *r)
{
    next(r);
    if (next(r) == YAML_DOCUMENT_START_EVENT) {
        read_document(r);
        next(r); /* its end */
        if (next(r) == YAML_DOCUMENT_START_EVENT)
            complain(r, line_of(r), NULL, "a second document begins here");
    } else {
        complain(r, 0, NULL, "there is nothing in it");
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

static size_t directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

struct config *config_read(const struct yamlfile *file, FILE *errors)
{
    struct reader r = {.file = file, .errors = errors, .directory = directory_of(file->path)};

    r.config = calloc(1, sizeof *r.config);
    r.seen = calloc(config_member_count, sizeof *r.seen);
    if (!r.config || !r.seen || !yaml_parser_initialize(&r.parser)) {
        give_up(&r, 0, "out of memory");
    } else {
        yaml_parser_set_input_string(&r.parser, (const unsigned char *)file->bytes.at,
                                     file->bytes.len);
        yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
        read_stream(&r);
        yaml_event_delete(&r.event);
        yaml_parser_delete(&r.parser);
    }
    free(r.seen);
    if (r.config)
        r.config->sound = !r.wrong;
    return r.config;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++)
        free(c->settings[i].text);
    free(c->settings);
    free(c);
}
