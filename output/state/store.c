/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/state/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/state/guard.h"
#include "output/state/schema.h"
#include "scanner/say.h"
#include "scanner/text.h"

#define FILE_MODE ((mode_t)0640)
#define OPEN_PATIENCE 5000 /* ms: another one is just opening or closing it */

bool store_fail(struct store *s, const char *format, ...)
{
    va_list arguments;
    if (s->failed)
        return false;
    va_start(arguments, format);
    vsnprintf(s->problem, sizeof s->problem, format, arguments);
    va_end(arguments);
    say_clean(s->problem); /* the words of a library may be those of a file */
    s->failed = true;
    return false;
}

/* What SQLite says, in words that help. */
static bool fail_of(struct store *s)
{
    switch (sqlite3_errcode(s->db)) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return store_fail(s, "another run is writing to it");
    case SQLITE_NOTADB:
        return store_fail(s, "not a state, and no database at all");
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return store_fail(s, "it cannot be written: %s", sqlite3_errmsg(s->db));
    case SQLITE_FULL:
        return store_fail(s, "the disk is full, and nothing of this run was kept");
    case SQLITE_CORRUPT:
        return store_fail(s, "it is damaged: move it away, and `state rebuild` makes it anew");
    case SQLITE_CONSTRAINT:
        return store_fail(s, "it is damaged: %s", sqlite3_errmsg(s->db));
    case SQLITE_TOOBIG:
        return store_fail(s, "it is damaged: there is more in one row than a run can bring");
    case SQLITE_INTERRUPT:
        return store_fail(s, "it is damaged: more is read of it than there can be");
    case SQLITE_NOMEM:
        return store_fail(s, "out of memory");
    default:
        return store_fail(s, "%s", sqlite3_errmsg(s->db));
    }
}

/* --- statements --------------------------------------------------------------------------------- */

bool store_run(struct store *s, const char *sql)
{
    return !s->failed && (sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail_of(s));
}

static sqlite3_stmt *prepare(struct store *s, const char *sql)
{
    sqlite3_stmt *statement;
    for (size_t i = 0; i < s->count; i++)
        if (s->statements[i].sql == sql)
            return s->statements[i].statement;
    if (s->count == STORE_STATEMENTS_MAX) {
        store_fail(s, "more statements than there can be");
        return NULL;
    }
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
        SQLITE_OK) {
        fail_of(s);
        return NULL;
    }
    s->statements[s->count].sql = sql;
    s->statements[s->count++].statement = statement;
    return statement;
}

static sqlite3_stmt *bind(struct store *s, const char *sql, const char *types, va_list values)
{
    sqlite3_stmt *statement = s->failed ? NULL : prepare(s, sql);
    int at = 0, result = SQLITE_OK;
    if (!statement)
        return NULL;
    sqlite3_reset(statement);
    for (; *types && result == SQLITE_OK; types++)
        if (*types == 't')
            result =
                sqlite3_bind_text(statement, ++at, va_arg(values, const char *), -1, SQLITE_STATIC);
        else
            result = sqlite3_bind_int64(statement, ++at, va_arg(values, int64_t));
    if (result == SQLITE_OK)
        return statement;
    fail_of(s);
    return NULL;
}

bool store_row(struct store *s, sqlite3_stmt *statement)
{
    if (!statement || s->failed)
        return false;
    int result = sqlite3_step(statement);
    if (result == SQLITE_ROW)
        return true;
    if (result != SQLITE_DONE)
        fail_of(s);
    store_enough(statement);
    return false;
}

void store_enough(sqlite3_stmt *statement)
{
    if (!statement)
        return;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement); /* the texts are not ours */
}

sqlite3_stmt *store_ask(struct store *s, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = bind(s, sql, types, values);
    va_end(values);
    return statement;
}

bool store_do(struct store *s, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = bind(s, sql, types, values);
    va_end(values);
    while (store_row(s, statement))
        ;
    return !s->failed;
}

int64_t store_number(struct store *s, const char *sql, const char *types, ...)
{
    va_list values;
    va_start(values, types);
    sqlite3_stmt *statement = bind(s, sql, types, values);
    va_end(values);
    if (!store_row(s, statement))
        return 0;
    int64_t number = sqlite3_column_int64(statement, 0);
    store_enough(statement);
    return number;
}

/* Nothing else is ever written, whatever a record had in it. */
const char *store_text(struct store *s, sqlite3_stmt *row, int column)
{
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        return NULL;
    const char *text = (const char *)sqlite3_column_text(row, column);
    size_t len = (size_t)sqlite3_column_bytes(row, column);
    if (!text)
        store_fail(s, "out of memory");
    else if (strlen(text) == len && text_is_clean((struct span){text, len}))
        return text;
    else
        store_fail(s, "it is damaged: there is a text that this program does not write");
    return NULL;
}

const char *store_word(struct store *s, sqlite3_stmt *row, int column)
{
    const char *text = store_text(s, row, column);
    if (!text)
        store_fail(s, "it is damaged: a value is missing");
    return text ? text : "";
}

const char *store_line(struct store *s, sqlite3_stmt *row, int column)
{
    const char *text = store_word(s, row, column);
    if (!text[strcspn(text, "\n\t")])
        return text;
    store_fail(s, "it is damaged: there is a text that this program does not write");
    return "";
}

/* --- the file ----------------------------------------------------------------------------------- */

/* Made for the owner and the group, whatever the umask. Another run may be faster. */
static bool create(struct store *s, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return errno == EEXIST || store_fail(s, "%s", strerror(errno));
    bool ok = fchmod(fd, FILE_MODE) == 0 || store_fail(s, "%s", strerror(errno));
    close(fd);
    return ok;
}

static bool close_file(const char *place)
{
    struct stat status;
    int fd = open(place, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT;
    bool ok = fstat(fd, &status) == 0 &&
              (!(status.st_mode & 07) || fchmod(fd, status.st_mode & 07770) == 0);
    close(fd);
    return ok;
}

/* Others must not read it, whoever made it so, nor what SQLite keeps beside it. */
static bool close_to_others(struct store *s)
{
    const char *place = sqlite3_db_filename(s->db, "main");
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        char *name;
        if (asprintf(&name, "%s%s", place, ends[i]) < 0)
            return store_fail(s, "out of memory");
        bool ok = close_file(name);
        free(name);
        if (!ok)
            return store_fail(s, "others than its group may read it, and that cannot be changed");
    }
    return true;
}

static bool check_kind(struct store *s, const char *place)
{
    struct stat status;
    if (stat(place, &status) < 0)
        return store_fail(s, "%s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return store_fail(s, "a directory");
    return S_ISREG(status.st_mode) || store_fail(s, "not a regular file");
}

/* The file that a link leads to, made if there is none; NULL: the problem says why. */
static char *find(struct store *s, const char *path, enum state_mode mode)
{
    char *place = realpath(path, NULL);
    if (!place && errno == ENOENT && mode == STATE_WRITE && create(s, path))
        place = realpath(path, NULL);
    if (!place)
        store_fail(s, errno == ENOENT && mode == STATE_WRITE ? "a link that leads nowhere" : "%s",
                   strerror(errno));
    else if (check_kind(s, place))
        return place;
    free(place);
    return NULL;
}

static bool connect(struct store *s, const char *path, enum state_mode mode)
{
    static const int flags[] = {
        [STATE_READ] = SQLITE_OPEN_READONLY,
        [STATE_WRITE] = SQLITE_OPEN_READWRITE,
        [STATE_SCRATCH] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
    };
    char *place = mode == STATE_SCRATCH ? strdup("") : find(s, path, mode);
    if (!place)
        return store_fail(s, "out of memory");
    int result = sqlite3_open_v2(
        place, &s->db, flags[mode] | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, guard_files());
    free(place);
    if (!s->db)
        return store_fail(s, "out of memory");
    sqlite3_extended_result_codes(s->db, 0);
    sqlite3_busy_timeout(s->db, OPEN_PATIENCE);
    return (result == SQLITE_OK || fail_of(s)) && guard_limit(s);
}

/* --- versions ----------------------------------------------------------------------------------- */

/* 0: nothing is in it yet; -1: it is not ours, or newer than we are. */
static int find_version(struct store *s)
{
    int64_t application = store_number(s, "PRAGMA application_id", "");
    int64_t version = store_number(s, "PRAGMA user_version", "");
    int64_t things = store_number(s, "SELECT count(*) FROM main.sqlite_master", "");
    if (s->failed)
        return -1;
    if (!application && !version && !things)
        return 0;
    if (application != SCHEMA_APPLICATION || version < 1) {
        store_fail(s, "a database, but not a state of this program");
        return -1;
    }
    if (version > SCHEMA_VERSION) {
        store_fail(s,
                   "made by a newer release: its version is %lld, and this release knows none "
                   "above %d",
                   (long long)version, SCHEMA_VERSION);
        return -1;
    }
    return (int)version;
}

static bool set_version(struct store *s, int version)
{
    char text[96];
    snprintf(text, sizeof text, "PRAGMA application_id = %d; PRAGMA user_version = %d",
             SCHEMA_APPLICATION, version);
    return store_run(s, text);
}

/* Step by step, all of it or nothing; another one may have been faster. */
static bool migrate(struct store *s)
{
    if (!store_run(s, "BEGIN IMMEDIATE"))
        return false;
    int version = find_version(s);
    bool ok = version >= 0 && (version == 0 || guard_schema(s, version));
    for (int v = version + 1; ok && v <= SCHEMA_VERSION; v++)
        ok = store_run(s, schema_step(v)) && set_version(s, v);
    for (size_t i = 0; ok && schema_views[i]; i++)
        ok = store_run(s, schema_views[i]);
    ok = ok && (version == 0 || guard_schema(s, SCHEMA_VERSION)) && store_run(s, "COMMIT");
    if (!ok)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return ok;
}

/* The files beside it stay when it is closed, empty: without them, who may only read it could not
 * open it. */
static bool set_journal(struct store *s)
{
    int stay = 1;
    sqlite3_file_control(s->db, NULL, SQLITE_FCNTL_PERSIST_WAL, &stay);
    return store_run(s, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                        "PRAGMA journal_size_limit = 0");
}

/* Before a first look at the version nothing is changed. */
static bool prepare_to_write(struct store *s, enum state_mode mode)
{
    int version = find_version(s);
    if (version < 0 || (version == SCHEMA_VERSION && !guard_schema(s, version)))
        return false;
    if (mode == STATE_WRITE && !(close_to_others(s) && set_journal(s) && close_to_others(s)))
        return false;
    return store_run(s, "PRAGMA foreign_keys = ON") && (version == SCHEMA_VERSION || migrate(s)) &&
           store_run(s, schema_staging);
}

bool store_open(struct store *s, const char *path, enum state_mode mode)
{
    if (!connect(s, path, mode))
        return false;
    if (mode != STATE_READ)
        return prepare_to_write(s, mode);
    int version = find_version(s);
    if (version == 0)
        return store_fail(s, "empty: not a state yet");
    if (version == SCHEMA_VERSION)
        return guard_schema(s, version);
    return version > 0 && store_fail(s, "of an older release: the next run that writes to it "
                                        "brings it up to date");
}

void store_close(struct store *s)
{
    for (size_t i = 0; i < s->count; i++)
        sqlite3_finalize(s->statements[i].statement);
    s->count = 0;
    sqlite3_close(s->db); /* NULL is no harm */
    s->db = NULL;
}
