/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/policies/document.h"

#include <cyaml/cyaml.h>

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

/* --- reading ---------------------------------------------------------------------------------- */

struct document *document_read(const struct yamlfile *f, FILE *errors)
{
    return yamlfile_read(f, &schema, errors);
}

void document_free(struct document *d)
{
    yamlfile_free(&schema, d);
}
