/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/export/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/infile.h"
#include "output/members.h"

#define PAGE_FULL ((size_t)1 << 16)
#define NAME_MAX_OF_MEMBER ((size_t)64)

static const struct exporter *const formats[] = {&export_csv, &export_html};

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
    return page_add(&e->page, text.at, text.len) && (e->page.len < PAGE_FULL || flush(e));
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

/* RFC 8259 section 7. "<" is escaped, so that nothing in it ends a script or begins a comment
   (HTML), and so are U+2028 and U+2029, which old scripts take for line ends. */
bool put_json(struct exporting *e, const char *text)
{
    if (!text)
        return put(e, "null");
    bool ok = put(e, "\"");
    const char *at = text;
    while (ok && *at) {
        size_t plain = 0;
        while ((unsigned char)at[plain] >= 0x20 && !strchr("\"\\<>&\x7f\xe2", at[plain]))
            plain++;
        ok = !plain || put_span(e, (struct span){at, plain});
        at += plain;
        if (!ok || !*at)
            break;
        if (strncmp(at, "\xe2\x80\xa8", 3) == 0 || strncmp(at, "\xe2\x80\xa9", 3) == 0) {
            ok = put_format(e, "\\u20%02x", (unsigned char)at[2] - 0x80);
            at += 3;
        } else if (*at == '\xe2') {
            ok = put_span(e, (struct span){at++, 1});
        } else if (*at == '"' || *at == '\\') {
            ok = put_format(e, "\\%c", *at++);
        } else {
            ok = put_format(e, "\\u%04x", (unsigned)(unsigned char)*at++);
        }
    }
    return ok && put(e, "\"");
}

const cJSON *export_member(const cJSON *record, const char *path)
{
    char name[NAME_MAX_OF_MEMBER];
    while (record && *path) {
        size_t n = strcspn(path, "/");
        snprintf(name, sizeof name, "%.*s", (int)n, path);
        record = member_of(record, name);
        path += n + (path[n] == '/');
    }
    return record;
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

/* --- files ------------------------------------------------------------------------------------ */

static bool take_line(struct exporting *e, struct infile *in, struct span line, bool torn,
                      enum export_result *result, FILE *errors)
{
    cJSON *record = members_parse(line);
    const char *fault = members_fault(record);
    bool ok = true;

    if (!fault) {
        ok = e->exporter->record(e, export_text(record, "type"), record);
    } else if (torn) {
        fprintf(errors, "%s:%" PRIu64 ": the last line is torn, and passed over\n", in->name,
                in->number);
    } else {
        fprintf(errors, "%s:%" PRIu64 ": %s\n", in->name, in->number, fault);
        *result = EXPORT_BROKEN;
    }
    cJSON_Delete(record);
    return ok;
}

static bool read_lines(struct exporting *e, struct infile *in, enum export_result *result,
                       FILE *errors)
{
    struct span line;
    enum infile_step step;

    while ((step = infile_next(in, &line)) != INFILE_END) {
        if (step == INFILE_FAILED) {
            fprintf(errors, "%s: %s\n", in->name, strerror(in->error));
            return false;
        }
        if (step == INFILE_LONG) {
            fprintf(errors, "%s:%" PRIu64 ": longer than a record can be\n", in->name, in->number);
            *result = EXPORT_BROKEN;
        } else if (!take_line(e, in, line, step == INFILE_TORN, result, errors)) {
            return false;
        }
    }
    return true;
}

static bool read_file(struct exporting *e, const char *path, enum export_result *result,
                      FILE *errors)
{
    struct infile in;
    bool ok = infile_open(&in, path);
    if (!ok)
        fprintf(errors, "%s: %s\n", in.name, strerror(in.error));
    else
        ok = read_lines(e, &in, result, errors);
    infile_close(&in);
    return ok;
}

static bool run(struct exporting *e, char *const *files, size_t count, enum export_result *result,
                FILE *errors)
{
    bool ok = e->exporter->begin(e);
    for (size_t i = 0; i < count && ok; i++)
        ok = read_file(e, files[i], result, errors);
    return ok && e->exporter->end(e) && flush(e);
}

/* What could not be read has told of itself. */
static void tell(const struct exporting *e, FILE *errors)
{
    if (e->problem)
        fprintf(errors, "%s: %s\n", e->exporter->name, e->problem);
    else if (e->file.error)
        fprintf(errors, "%s: %s\n", e->file.name, outfile_problem(&e->file));
}

enum export_result export_files(const struct exporter *exporter,
                                const struct export_options *options, char *const *files,
                                size_t count, const char *path, FILE *errors)
{
    struct exporting e = {.exporter = exporter, .options = options};
    enum export_result result = EXPORT_DONE;
    bool ok = outfile_open_beside(&e.file, path) && run(&e, files, count, &result, errors);

    if (!ok)
        outfile_drop(&e.file);
    else
        ok = outfile_close(&e.file);
    if (!ok)
        tell(&e, errors);
    if (exporter->free)
        exporter->free(&e);
    page_free(&e.page);
    return ok ? result : EXPORT_FAILED;
}
