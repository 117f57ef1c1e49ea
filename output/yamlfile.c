/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/yamlfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "scanner/say.h"

/* --- files ------------------------------------------------------------------------------------ */

static char *read_all(int fd, size_t *len)
{
    char *bytes = malloc(YAMLFILE_MAX + 1);
    *len = 0;
    while (bytes && *len <= YAMLFILE_MAX) {
        ssize_t n = read(fd, bytes + *len, YAMLFILE_MAX + 1 - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            return bytes;
        if (n < 0)
            break;
        *len += (size_t)n;
    }
    if (bytes && *len > YAMLFILE_MAX)
        errno = EFBIG;
    free(bytes);
    return NULL;
}

const char *yamlfile_open(struct yamlfile *f, const char *path, struct stat *status)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    const char *problem = NULL;
    size_t len = 0;

    *f = (struct yamlfile){.path = path};
    if (fd < 0 || fstat(fd, status) != 0)
        problem = strerror(errno);
    else if (!S_ISREG(status->st_mode))
        problem = "is not a plain file";
    else if (!(f->owned = read_all(fd, &len)))
        problem = strerror(errno);
    f->bytes = (struct span){f->owned, len};
    if (fd >= 0)
        close(fd);
    return problem;
}

void yamlfile_close(struct yamlfile *f)
{
    free(f->owned);
    f->owned = NULL;
    f->bytes = (struct span){NULL, 0};
}

/* --- what is wrong, and where ----------------------------------------------------------------- */

static bool is_part_of_word(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '.' || c == '*';
}

static bool has_word(struct span line, struct span word)
{
    for (size_t i = 0; i + word.len <= line.len && line.at[i] != '#'; i++)
        if (memcmp(line.at + i, word.at, word.len) == 0 &&
            (i == 0 || !is_part_of_word(line.at[i - 1])) &&
            (i + word.len == line.len || !is_part_of_word(line.at[i + word.len])))
            return true;
    return false;
}

/* The first line in which the value stands: the library knows lines only while it reads. */
static unsigned line_of(struct span bytes, const char *value)
{
    unsigned number = 1;
    struct span word = span_of(value);
    for (size_t at = 0; at < bytes.len; number++) {
        const char *end = memchr(bytes.at + at, '\n', bytes.len - at);
        size_t length = end ? (size_t)(end - bytes.at) - at : bytes.len - at;
        if (has_word((struct span){bytes.at + at, length}, word))
            return number;
        at += length + 1;
    }
    return 0;
}

void yamlfile_complain_at(const struct yamlfile *f, FILE *errors, unsigned line, const char *member,
                          const char *message)
{
    char number[16] = "";
    bool named = member && *member;

    if (line)
        snprintf(number, sizeof number, "%u:", line);
    say(errors, "%s:%s%s%s%s %s", f->path, number, named ? " " : "", named ? member : "",
        named ? ":" : "", message);
}

void yamlfile_complain(const struct yamlfile *f, FILE *errors, const char *member,
                       const char *value, const char *message)
{
    yamlfile_complain_at(f, errors, value ? line_of(f->bytes, value) : 0, member, message);
}

/* The library reports in lines of text: the trouble first, then the way to it from the inside out,
   such as "  in mapping field 'verdict' (line: 4, column: 14)". */
struct report {
    char message[200], member[64];
    unsigned line;
};

static void note_place(struct report *r, const char *text)
{
    const char *line = strstr(text, "(line: "), *field = strstr(text, "mapping field '");
    if (!r->line && line)
        r->line = (unsigned)strtoul(line + strlen("(line: "), NULL, 10);
    if (!r->member[0] && field) {
        field += strlen("mapping field '");
        snprintf(r->member, sizeof r->member, "%.*s", (int)strcspn(field, "'"), field);
    }
}

static void on_log(cyaml_log_t level, void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

static void on_log(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    struct report *r = context;
    char text[256];

    (void)level;
    if (vsnprintf(text, sizeof text, format, arguments) < 0)
        return;
    text[strcspn(text, "\n")] = '\0';
    const char *message = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
    if (strncmp(message, "  in ", 5) == 0)
        note_place(r, message);
    else if (strncmp(message, "Backtrace", 9) != 0 && !r->message[0])
        snprintf(r->message, sizeof r->message, "%.199s", message);
}

static void complain_of_report(const struct yamlfile *f, FILE *errors, struct report *r,
                               cyaml_err_t error)
{
    static const char unexpected[] = "Unexpected key: ";
    if (strncmp(r->message, unexpected, sizeof unexpected - 1) == 0) {
        /* the place is that of the member before */
        yamlfile_complain(f, errors, NULL, r->message + sizeof unexpected - 1, r->message);
        return;
    }
    yamlfile_complain_at(f, errors, r->line, r->member,
                         r->message[0]                       ? r->message
                         : error == CYAML_ERR_INTERNAL_ERROR ? "it is not laid out as it should be"
                                                             : cyaml_strerror(error));
}

/* --- keys ------------------------------------------------------------------------------------- */

#define DEPTH_MAX 64

/* The line of the first key that is a list or a map, or 0: the library has no words for it. */
static unsigned find_odd_key(struct span bytes)
{
    enum { LIST, KEY, VALUE } open[DEPTH_MAX + 1] = {LIST};
    size_t depth = 0;
    unsigned line = 0;
    bool more = true;
    yaml_parser_t parser;
    yaml_event_t event;

    if (!yaml_parser_initialize(&parser))
        return 0;
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes.at, bytes.len);
    while (more && !line && yaml_parser_parse(&parser, &event)) {
        bool begins =
            event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT;
        bool ends = event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
        more = event.type != YAML_STREAM_END_EVENT;
        if (begins && open[depth] == KEY)
            line = (unsigned)event.start_mark.line + 1;
        else if (begins && depth == DEPTH_MAX)
            more = false;
        else if (begins)
            open[++depth] = event.type == YAML_MAPPING_START_EVENT ? KEY : LIST;
        depth -= ends;
        if ((ends || event.type == YAML_SCALAR_EVENT || event.type == YAML_ALIAS_EVENT) &&
            open[depth] != LIST)
            open[depth] = open[depth] == KEY ? VALUE : KEY;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return line;
}

/* --- reading ---------------------------------------------------------------------------------- */

static const cyaml_config_t settings = {.log_fn = on_log,
                                        .mem_fn = cyaml_mem,
                                        .log_level = CYAML_LOG_WARNING,
                                        .flags = CYAML_CFG_NO_ALIAS};

void *yamlfile_read(const struct yamlfile *f, const struct cyaml_schema_value *schema, FILE *errors)
{
    struct report report = {.line = 0};
    cyaml_config_t config = settings;
    cyaml_data_t *data = NULL;

    unsigned odd = find_odd_key(f->bytes);
    if (odd) {
        yamlfile_complain_at(f, errors, odd, NULL, "a key is a word, not a list or a map");
        return NULL;
    }
    config.log_ctx = &report;
    cyaml_err_t error =
        cyaml_load_data((const uint8_t *)f->bytes.at, f->bytes.len, &config, schema, &data, NULL);
    if (error == CYAML_OK && data && !report.message[0])
        return data;
    if (error == CYAML_OK && !report.message[0])
        snprintf(report.message, sizeof report.message, "there is nothing in it");
    complain_of_report(f, errors, &report, error);
    yamlfile_free(schema, data);
    return NULL;
}

void yamlfile_free(const struct cyaml_schema_value *schema, void *data)
{
    cyaml_free(&settings, schema, data, 0);
}
