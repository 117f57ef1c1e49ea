/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/policies/document.h"

#include <ctype.h>
#include <cyaml/cyaml.h>
#include <stdlib.h>

#define TEXT_LENGTH_MAX 1000
#define NAMES_IN_ENTRY_MAX 256
#define ENTRIES_MAX 256

/* --- the schema ------------------------------------------------------------------------------- */

static const cyaml_strval_t verdicts[] = {
    {"pass", POLICY_PASS}, {"warn", POLICY_WARN}, {"fail", POLICY_FAIL}};

static const cyaml_strval_t sources[] = {
    {"primary", SOURCE_PRIMARY}, {"second-hand", SOURCE_SECOND_HAND}, {"memory", SOURCE_MEMORY}};

static const cyaml_strval_t roles[] = {{"access", 1 << ROLE_ACCESS},
                                       {"submission", 1 << ROLE_SUBMISSION},
                                       {"mx", 1 << ROLE_MX},
                                       {"relay", 1 << ROLE_RELAY},
                                       {"files", 1 << ROLE_FILES}};

static const cyaml_strval_t protocols[] = {{"ftp", DOCUMENT_FTP},
                                           {"imap", DOCUMENT_IMAP},
                                           {"pop3", DOCUMENT_POP3},
                                           {"smtp", DOCUMENT_SMTP}};

static const cyaml_strval_t certificates[] = {{"server", DOCUMENT_SERVER},
                                              {"issuer", DOCUMENT_ISSUER}};

static const cyaml_schema_value_t name = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, TEXT_LENGTH_MAX)};

#define TEXT(key, flag, type, member)                                                              \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flag), type, member, 1, TEXT_LENGTH_MAX)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const cyaml_schema_field_t entry_fields[] = {
    CYAML_FIELD_SEQUENCE("names", CYAML_FLAG_POINTER, struct document_entry, of.names, &name, 1,
                         NAMES_IN_ENTRY_MAX),
    CYAML_FIELD_UINT("bits", CYAML_FLAG_OPTIONAL, struct document_entry, bits),
    CYAML_FIELD_ENUM("verdict", CYAML_FLAG_STRICT, struct document_entry, verdict, verdicts,
                     COUNT(verdicts)),
    TEXT("clause", CYAML_FLAG_DEFAULT, struct document_entry, clause),
    CYAML_FIELD_ENUM("known", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct document_entry, known,
                     sources, COUNT(sources)),
    CYAML_FIELD_FLAGS("roles", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct document_entry,
                      roles, roles, COUNT(roles)),
    CYAML_FIELD_FLAGS("protocols", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct document_entry,
                      protocols, protocols, COUNT(protocols)),
    CYAML_FIELD_ENUM("certificate", CYAML_FLAG_STRICT | CYAML_FLAG_OPTIONAL, struct document_entry,
                     certificate, certificates, COUNT(certificates)),
    TEXT("from", CYAML_FLAG_OPTIONAL, struct document_entry, from),
    TEXT("until", CYAML_FLAG_OPTIONAL, struct document_entry, until),
    CYAML_FIELD_END};

static const cyaml_schema_value_t entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct document_entry, entry_fields)};

#define REMOVED(key, kind)                                                                         \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct document_removals,  \
                         kinds[kind].names, &name, 1, NAMES_IN_ENTRY_MAX)

static const cyaml_schema_field_t remove_fields[] = {REMOVED("rules", POLICY_RULE),
                                                     REMOVED("versions", POLICY_VERSION),
                                                     REMOVED("suites", POLICY_SUITE),
                                                     REMOVED("groups", POLICY_GROUP),
                                                     REMOVED("keys", POLICY_KEY),
                                                     REMOVED("signatures", POLICY_SIGNATURE),
                                                     CYAML_FIELD_END};

#define SECTION(key, kind)                                                                         \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct document,           \
                         sections[kind].entries, &entry, 1, ENTRIES_MAX)

static const cyaml_schema_field_t document_fields[] = {
    TEXT("name", CYAML_FLAG_DEFAULT, struct document, name),
    TEXT("title", CYAML_FLAG_DEFAULT, struct document, title),
    TEXT("source", CYAML_FLAG_OPTIONAL, struct document, source),
    TEXT("version", CYAML_FLAG_OPTIONAL, struct document, version),
    TEXT("as_of", CYAML_FLAG_OPTIONAL, struct document, as_of),
    TEXT("verified", CYAML_FLAG_OPTIONAL, struct document, verified),
    TEXT("extends", CYAML_FLAG_OPTIONAL, struct document, extends),
    SECTION("rules", POLICY_RULE),
    SECTION("versions", POLICY_VERSION),
    SECTION("suites", POLICY_SUITE),
    SECTION("groups", POLICY_GROUP),
    SECTION("keys", POLICY_KEY),
    SECTION("signatures", POLICY_SIGNATURE),
    CYAML_FIELD_MAPPING("remove", CYAML_FLAG_OPTIONAL, struct document, remove, remove_fields),
    CYAML_FIELD_END};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct document, document_fields)};

const char *document_section_name(enum policy_kind kind)
{
    static const char *const names[POLICY_KIND_COUNT] = {"rules",  "versions", "suites",
                                                         "groups", "keys",     "signatures"};
    return names[kind];
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

static void complain_at(const struct document_file *f, FILE *errors, unsigned line,
                        const char *member, const char *message)
{
    fprintf(errors, "%s:", f->path);
    if (line)
        fprintf(errors, "%u:", line);
    if (member && *member)
        fprintf(errors, " %s:", member);
    fprintf(errors, " %s\n", message);
}

void document_complain(const struct document_file *f, FILE *errors, const char *member,
                       const char *value, const char *message)
{
    complain_at(f, errors, value ? line_of(f->bytes, value) : 0, member, message);
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

static void complain_of_report(const struct document_file *f, FILE *errors, struct report *r,
                               cyaml_err_t error)
{
    static const char unexpected[] = "Unexpected key: ";
    if (strncmp(r->message, unexpected, sizeof unexpected - 1) == 0) {
        /* the place is that of the member before */
        document_complain(f, errors, NULL, r->message + sizeof unexpected - 1, r->message);
        return;
    }
    complain_at(f, errors, r->line, r->member, r->message[0] ? r->message : cyaml_strerror(error));
}

/* --- reading ---------------------------------------------------------------------------------- */

static const cyaml_config_t settings = {.log_fn = on_log,
                                        .mem_fn = cyaml_mem,
                                        .log_level = CYAML_LOG_WARNING,
                                        .flags = CYAML_CFG_NO_ALIAS};

struct document *document_read(const struct document_file *f, FILE *errors)
{
    struct report report = {.line = 0};
    cyaml_config_t config = settings;
    cyaml_data_t *data = NULL;

    config.log_ctx = &report;
    cyaml_err_t error =
        cyaml_load_data((const uint8_t *)f->bytes.at, f->bytes.len, &config, &schema, &data, NULL);
    if (error == CYAML_OK && data && !report.message[0])
        return data;
    if (error == CYAML_OK && !report.message[0])
        snprintf(report.message, sizeof report.message, "there is nothing in it");
    complain_of_report(f, errors, &report, error);
    document_free(data);
    return NULL;
}

void document_free(struct document *d)
{
    cyaml_free(&settings, &schema, d, 0);
}
