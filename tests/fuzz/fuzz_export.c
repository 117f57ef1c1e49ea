/* SPDX-License-Identifier: MIT */
/*
 * Any lines through every format: what comes out is well-formed, and clean text, whatever went in.
 * The input comes from a file in memory, and standard output is one.
 */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/export/export.h"
#include "scanner/text.h"

#define DEPTH_MAX 8
#define INPUT_MAX ((size_t)8192) /* a record and its run: more takes longer, and finds no more */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static struct span next_line(struct span *rest)
{
    const char *end = memchr(rest->at, '\n', rest->len);
    require(end != NULL); /* also behind the last */
    struct span line = span_until(*rest, (size_t)(end - rest->at));
    *rest = span_from(*rest, line.len + 1);
    return line;
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void check_value(struct span text)
{
    const char *end = NULL;
    cJSON *value = cJSON_ParseWithLengthOpts(text.at, text.len, &end, false);
    require(value && end == text.at + text.len);
    cJSON_Delete(value);
    require(!memchr(text.at, '<', text.len));
}

static void check_json(struct span out)
{
    require(out.len && out.at[out.len - 1] == '\n');
    check_value(span_until(out, out.len - 1));
}

/* Actions and documents in turn. */
static void check_lines(struct span out)
{
    static const char action[] = "{\"create\":{\"_id\":\"";
    for (size_t i = 0; out.len; i++) {
        struct span line = next_line(&out);
        check_value(line);
        bool is_action =
            line.len >= sizeof action && memcmp(line.at, action, sizeof action - 1) == 0;
        require(is_action == (i % 2 == 0));
        require(out.len || !is_action);
    }
}

/* --- CSV -------------------------------------------------------------------------------------- */

/* A field in quotes; gives what stands behind it. */
static struct span check_field(struct span rest)
{
    require(rest.len >= 2 && rest.at[0] == '"');
    rest = span_from(rest, 1);
    require(!memchr("=+-@\t\n", rest.at[0], 6));
    for (;;) {
        const char *quote = memchr(rest.at, '"', rest.len);
        require(quote != NULL);
        rest = span_from(rest, (size_t)(quote - rest.at) + 1);
        require(rest.len > 0);
        if (rest.at[0] != '"')
            return rest;
        rest = span_from(rest, 1);
    }
}

static void check_csv(struct span out)
{
    for (size_t columns = 0; out.len;) {
        size_t fields = 1;
        for (out = check_field(out); out.at[0] == ','; fields++)
            out = check_field(span_from(out, 1));
        require(out.len >= 2 && out.at[0] == '\r' && out.at[1] == '\n');
        out = span_from(out, 2);
        require(!columns || fields == columns);
        columns = fields;
    }
}

/* --- XML -------------------------------------------------------------------------------------- */

/* Up to one of the characters; what is passed has no markup and nothing but our entities in it. */
static struct span skip_text(struct span rest, const char *until)
{
    static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#10;", "&#9;"};
    while (rest.len && !strchr(until, rest.at[0])) {
        require(rest.at[0] != '<' && rest.at[0] != '>');
        bool known = rest.at[0] != '&';
        for (size_t i = 0; !known && i < sizeof entities / sizeof *entities; i++)
            known = span_starts(rest, entities[i]);
        require(known);
        rest = span_from(rest, 1);
    }
    return rest;
}

static struct span name_of(struct span rest)
{
    size_t n = 0;
    while (n < rest.len && (rest.at[n] == '-' || (rest.at[n] >= 'a' && rest.at[n] <= 'z')))
        n++;
    require(n > 0);
    return span_until(rest, n);
}

static struct span check_attributes(struct span rest)
{
    while (rest.len && rest.at[0] == ' ') {
        rest = span_from(rest, 1);
        rest = span_from(rest, name_of(rest).len);
        require(rest.len > 2 && rest.at[0] == '=' && rest.at[1] == '"');
        rest = skip_text(span_from(rest, 2), "\"");
        require(rest.len > 0);
        rest = span_from(rest, 1);
    }
    return rest;
}

static void check_xml(struct span out)
{
    static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
    struct span open[DEPTH_MAX];
    size_t depth = 0;

    require(span_starts(out, declaration));
    out = span_from(out, sizeof declaration - 1);
    while ((out = skip_text(out, "<")).len) {
        bool closes = out.len > 1 && out.at[1] == '/';
        out = span_from(out, closes ? 2 : 1);
        struct span name = name_of(out);
        out = check_attributes(span_from(out, name.len));
        bool empty = out.len && out.at[0] == '/';
        out = span_from(out, empty);
        require(out.len && out.at[0] == '>');
        out = span_from(out, 1);
        if (closes) {
            require(depth > 0 && open[depth - 1].len == name.len &&
                    memcmp(open[depth - 1].at, name.at, name.len) == 0);
            depth--;
        } else if (!empty) {
            require(depth < DEPTH_MAX);
            open[depth++] = name;
        }
    }
    require(depth == 0);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static struct span skip_name(struct span rest)
{
    require(rest.len && is_name(rest.at[0]) && !(rest.at[0] >= '0' && rest.at[0] <= '9'));
    while (rest.len && is_name(rest.at[0]))
        rest = span_from(rest, 1);
    return rest;
}

/* NAME{LABEL="VALUE",…} NUMBER */
static void check_series(struct span rest)
{
    rest = skip_name(rest);
    require(rest.len && rest.at[0] == '{');
    do {
        rest = skip_name(span_from(rest, 1));
        require(span_starts(rest, "=\""));
        rest = span_from(rest, 2);
        while (rest.len && rest.at[0] != '"') {
            bool escape = rest.at[0] == '\\';
            require(!escape || (rest.len > 1 && strchr("\\\"n", rest.at[1])));
            rest = span_from(rest, escape ? 2 : 1);
        }
        rest = span_from(rest, 1);
    } while (rest.len && rest.at[0] == ',');
    require(span_starts(rest, "} ") && rest.len > 2);
    for (rest = span_from(rest, 2); rest.len; rest = span_from(rest, 1))
        require(strchr("-.0123456789", rest.at[0]) != NULL);
}

/* Up to the number. */
static struct span labels_of(struct span line)
{
    while (line.len && line.at[line.len - 1] != ' ')
        line.len--;
    return line;
}

/* No series is there twice; those of a metric are together. */
static void check_metrics(struct span out)
{
    struct span group = out;
    while (out.len) {
        struct span line = next_line(&out), labels = labels_of(line);
        if (span_starts(line, "# HELP "))
            group = out;
        if (span_starts(line, "# "))
            continue;
        check_series(line);
        for (struct span before = group; before.at < line.at;) {
            struct span other = labels_of(next_line(&before));
            require(other.len != labels.len || memcmp(other.at, labels.at, labels.len) != 0);
        }
    }
}

/* --- all of them ------------------------------------------------------------------------------ */

static const struct check {
    const char *format;
    void (*check)(struct span);
} checks[] = {{"csv", check_csv},   {"csv-endpoints", check_csv}, {"defectdojo", check_json},
              {"ecs", check_lines}, {"junit", check_xml},         {"prometheus", check_metrics},
              {"sarif", check_json}};

/* UTF-8 without control characters, but for the line ends of CSV. */
static void check_clean(char *bytes, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++)
        if (bytes[i] == '\r' && bytes[i + 1] == '\n')
            bytes[i] = ' ';
    require(text_is_clean((struct span){bytes, len}));
}

static void check_output(const struct exporter *format, int fd)
{
    off_t size = lseek(fd, 0, SEEK_END);
    char *bytes = malloc(size > 0 ? (size_t)size : 1);
    require(size >= 0 && bytes && pread(fd, bytes, (size_t)size, 0) == size);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (strcmp(checks[i].format, format->name) == 0)
            checks[i].check((struct span){bytes, (size_t)size});
    check_clean(bytes, (size_t)size);
    free(bytes);
}

/* What all runs share: standard output and the input are files in memory, from the first run on. */
struct bench {
    int in, out;
    char input[64];
    FILE *errors;
    size_t formats;
};

static const struct bench *bench(void)
{
    static struct bench b = {.in = -1};
    if (b.in >= 0)
        return &b;
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    b.in = memfd_create("in", MFD_CLOEXEC);
    b.out = memfd_create("out", MFD_CLOEXEC);
    b.errors = fopen("/dev/null", "w");
    require(b.in >= 0 && b.out >= 0 && b.errors && dup2(b.out, STDOUT_FILENO) >= 0);
    snprintf(b.input, sizeof b.input, "/proc/self/fd/%d", b.in);
    while (export_at(b.formats))
        b.formats++;
    return &b;
}

static void run_format(const struct bench *b, const struct exporter *format)
{
    static const struct export_options options = {.scan = "a <scan> \"&\xe2\x80\xa8",
                                                  .labels = {"owner", "=x"},
                                                  .label_count = 2,
                                                  .per_endpoint = 100};
    char path[64], *input = path;
    memcpy(path, b->input, sizeof path);
    require(ftruncate(b->out, 0) == 0 && lseek(b->out, 0, SEEK_SET) == 0);
    if (export_files(format, &options, &input, 1, NULL, b->errors) != EXPORT_FAILED)
        check_output(format, b->out);
}

/* There only where inputs are made: a corpus is replayed through every format. */
extern int LLVMFuzzerRunDriver(void) __attribute__((weak));

/* One format for an input: which one, its octets say. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bench *b = bench();
    uint32_t sum = 0;

    if (LLVMFuzzerRunDriver && size > INPUT_MAX)
        return 0;

    require(ftruncate(b->in, 0) == 0 && pwrite(b->in, data, size, 0) == (ssize_t)size);
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + data[i];
    for (size_t i = 0; i < b->formats; i++)
        if (!LLVMFuzzerRunDriver || i == sum % b->formats)
            run_format(b, export_at(i));
    return 0;
}
