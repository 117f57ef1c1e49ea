/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/export/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/export/json.h"
#include "output/infile.h"
#include "output/members.h"
#include "scanner/say.h"
#include "scanner/text.h"

#define PAGE_FULL ((size_t)1 << 16)
#define NAME_MAX_OF_MEMBER ((size_t)64)
#define EXIT_CODE_INCOMPLETE 3 /* of a scan */

static const struct exporter *const formats[] = {
    &export_csv,  &export_csv_endpoints, &export_defectdojo, &export_ecs,
    &export_html, &export_junit,         &export_prometheus, &export_sarif,
};

const struct exporter *export_at(size_t i)
{
    return i < sizeof formats / sizeof *formats ? formats[i] : NULL;
}

const struct exporter *export_find(const char *name)
{
    const struct exporter *format;
    for (size_t i = 0; (format = export_at(i)); i++)
        if (strcmp(format->name, name) == 0)
            return format;
    return NULL;
}

/* --- for the formats -------------------------------------------------------------------------- */

static bool flush(struct exporting *e)
{
    bool ok = outfile_write(&e->file, e->page.bytes, e->page.len);
    page_clear(&e->page);
    return ok;
}

bool put_span(struct exporting *e, struct span text)
{
    return page_add(&e->page, text.at, text.len) &&
           (e->held || e->page.len < PAGE_FULL || flush(e));
}

bool put(struct exporting *e, const char *text)
{
    return put_span(e, span_of(text));
}

bool put_format(struct exporting *e, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    int len = vasprintf(&text, format, arguments);
    va_end(arguments);
    bool ok = len >= 0 && put_span(e, (struct span){text, (size_t)len});
    if (len >= 0)
        free(text);
    return ok;
}

bool put_number(struct exporting *e, double number)
{
    char text[32];
    if (!(number > -1e300 && number < 1e300))
        number = 0;
    bool is_count = number > -0x1p53 && number < 0x1p53 && (double)(int64_t)number == number;
    snprintf(text, sizeof text, is_count ? "%.0f" : "%.15g", number);
    return put(e, text);
}

bool put_json(struct exporting *e, const char *text)
{
    return text ? json_escape(&e->page, text, "\"") && put(e, "") : put(e, "null");
}

void export_note(const struct exporting *e, const char *format, ...)
{
    va_list arguments;
    char text[SAY_MAX / 2];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say(e->errors, "%s: %s", e->exporter->name, text);
}

const cJSON *export_member(const cJSON *record, const char *path)
{
    char name[NAME_MAX_OF_MEMBER];
    const char *slash;
    for (; record && (slash = strchr(path, '/')); path = slash + 1) {
        size_t n = (size_t)(slash - path);
        if (n >= sizeof name)
            return NULL;
        memcpy(name, path, n);
        name[n] = '\0';
        record = member_of(record, name);
    }
    return record && *path ? member_of(record, path) : record;
}

const char *export_text(const cJSON *record, const char *path)
{
    const cJSON *item = export_member(record, path);
    return cJSON_IsString(item) ? item->valuestring : "";
}

double export_number(const cJSON *record, const char *path)
{
    const cJSON *item = export_member(record, path);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* --- records ---------------------------------------------------------------------------------- */

/* JSON has ways to write control characters in a line that has none. */
static bool has_escapes(struct span line)
{
    for (const char *at = line.at, *end = line.at + line.len;
         (at = memchr(at, '\\', (size_t)(end - at))); at += 2)
        if (end - at < 2 || strchr("ubfr", at[1]))
            return true;
    return false;
}

static void clean_name(char *name)
{
    for (; name && *name; name++)
        if ((unsigned char)*name < ' ' || *name == 0x7f)
            *name = '_';
        else if (*name == '\xc2' && (unsigned char)name[1] < 0xa0)
            name[0] = name[1] = '_';
}

/* U+FFFD takes the place of each, as it does in what a scan writes. */
static bool clean_text(struct exporting *e, cJSON *item)
{
    struct span text = span_of(item->valuestring);
    bool lossy;
    if (text_is_clean(text))
        return true;
    page_clear(&e->words);
    if (text.len > SIZE_MAX / 4 || !page_room(&e->words, 3 * text.len + 1))
        return false;
    text_clean(text, e->words.bytes, 3 * text.len + 1, &lossy);
    return cJSON_SetValuestring(item, e->words.bytes) != NULL;
}

static bool clean_texts(struct exporting *e, cJSON *item)
{
    for (; item; item = item->next) {
        clean_name(item->string);
        if (cJSON_IsString(item) && !clean_text(e, item))
            return false;
        if (item->child && !clean_texts(e, item->child))
            return false;
    }
    return true;
}

/* The run that was read last has no end, and nothing more of it comes. */
static void abandon_run(struct exporting *e, const struct infile *in)
{
    say(e->errors, "%s:%" PRIu64 ": the run above has no end: it was interrupted", in->name,
        in->number);
    e->incomplete = true;
    e->open = false;
}

/* Where nothing answered, nothing was learnt either. */
static void end_run(struct exporting *e, const struct infile *in, const cJSON *record)
{
    bool complete = cJSON_IsTrue(export_member(record, "complete"));
    if (!complete || export_number(record, "exit_code") == EXIT_CODE_INCOMPLETE) {
        say(e->errors, "%s:%" PRIu64 ": %s", in->name, in->number,
            complete ? "nothing answered in this run" : "this run is not complete");
        e->incomplete = true;
    }
    e->open = false;
}

static void follow_run(struct exporting *e, const struct infile *in, const char *type,
                       const cJSON *record)
{
    if (strcmp(type, "run_start") == 0 && e->open)
        abandon_run(e, in);
    if (!e->open && strcmp(type, "run_end") != 0)
        e->runs++;
    e->open = true;
    if (strcmp(type, "run_end") == 0)
        end_run(e, in, record);
}

static bool take_record(struct exporting *e, const struct infile *in, struct span line,
                        cJSON *record)
{
    if (has_escapes(line) && !clean_texts(e, record))
        return false;
    const char *type = export_text(record, "type");
    if (!e->begun && !e->exporter->begin(e))
        return false;
    e->begun = true;
    follow_run(e, in, type, record);
    return e->exporter->record(e, type, record);
}

/* --- files ------------------------------------------------------------------------------------ */

static bool take_line(struct exporting *e, const struct infile *in, struct span line, bool torn)
{
    cJSON *record = members_parse(line);
    const char *fault = members_fault(record);
    bool ok = true;

    if (!fault) {
        ok = take_record(e, in, line, record);
    } else if (torn && !record) {
        say(e->errors, "%s:%" PRIu64 ": the last line is torn, and passed over", in->name,
            in->number);
    } else {
        say(e->errors, "%s:%" PRIu64 ": %s", in->name, in->number, fault);
        e->broken = true;
    }
    cJSON_Delete(record);
    return ok;
}

static bool read_lines(struct exporting *e, struct infile *in)
{
    struct span line;
    enum infile_step step;

    while ((step = infile_next(in, &line)) != INFILE_END) {
        if (step == INFILE_FAILED) {
            say(e->errors, "%s: %s", in->name, strerror(in->error));
            return false;
        }
        if (step == INFILE_LONG) {
            say(e->errors, "%s:%" PRIu64 ": longer than a record can be", in->name, in->number);
            e->broken = true;
        } else if (!take_line(e, in, line, step == INFILE_TORN)) {
            return false;
        }
    }
    if (e->open)
        abandon_run(e, in);
    return true;
}

static bool read_file(struct exporting *e, const char *path)
{
    struct infile in;
    bool ok = infile_open(&in, path);
    if (!ok)
        say(e->errors, "%s: %s", in.name, strerror(in.error));
    else
        ok = read_lines(e, &in);
    e->told |= in.error != 0;
    infile_close(&in);
    return ok;
}

static bool run(struct exporting *e, char *const *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!read_file(e, files[i]))
            return false;
    if (!e->begun)
        e->problem = "there is no record, so nothing is written";
    return e->begun && e->exporter->end(e) && flush(e);
}

/* What could not be read has told of itself. */
static void tell(const struct exporting *e)
{
    if (e->problem)
        export_note(e, "%s", e->problem);
    else if (!e->told)
        say(e->errors, "%s: %s", e->file.name, outfile_problem(&e->file));
}

static bool is_repeated(const struct export_options *o, size_t label)
{
    for (size_t i = 0; i < label; i++)
        if (strcmp(o->labels[i], o->labels[label]) == 0)
            return true;
    return false;
}

/* They come from a command line, and go where records' texts go. */
const char *export_fault(const struct export_options *o)
{
    bool clean = text_is_clean(span_of(o->scan)) && (!o->title || text_is_clean(span_of(o->title)));
    for (size_t i = 0; i < o->label_count; i++) {
        clean = clean && text_is_clean(span_of(o->labels[i]));
        if (is_repeated(o, i))
            return "a label is given twice";
    }
    return clean ? NULL
                 : "a name, title or label is not clean text (UTF-8 without control characters)";
}

static bool open_output(struct exporting *e, const char *path)
{
    e->file = (struct outfile){.fd = -1, .name = path};
    e->problem = export_fault(e->options);
    return !e->problem && outfile_open_beside(&e->file, path);
}

enum export_result export_files(const struct exporter *exporter,
                                const struct export_options *options, char *const *files,
                                size_t count, const char *path, FILE *errors)
{
    struct exporting e = {.exporter = exporter, .options = options, .errors = errors};
    bool ok = open_output(&e, path) && run(&e, files, count);

    if (!ok)
        outfile_drop(&e.file);
    else
        ok = outfile_close(&e.file);
    if (!ok)
        tell(&e);
    if (exporter->free)
        exporter->free(&e);
    page_free(&e.page);
    page_free(&e.words);
    return !ok            ? EXPORT_FAILED
           : e.broken     ? EXPORT_BROKEN
           : e.incomplete ? EXPORT_INCOMPLETE
                          : EXPORT_DONE;
}
