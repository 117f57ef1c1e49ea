/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/state/guard.h"

#include <ctype.h>
#include <string.h>

#include "output/state/schema.h"

/* --- files -------------------------------------------------------------------------------------- */

#define FILES "starttls-audit"

static int open_no_list(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    sqlite3_vfs *unix_vfs = sqlite3_vfs_find(NULL);
    /* A journal's end may name a list of journals, and SQLite removes that list. This program has
       one database at a time, and no such lists. */
    if (flags & SQLITE_OPEN_SUPER_JOURNAL) {
        file->pMethods = NULL;
        return SQLITE_CANTOPEN;
    }
    (void)vfs;
    return unix_vfs->xOpen(unix_vfs, name, file, flags, out);
}

const char *guard_files(void)
{
    static sqlite3_vfs files; /* SQLite's from here on: it is its register that has it */
    sqlite3_vfs *own = sqlite3_vfs_find(NULL);
    if (sqlite3_vfs_find(FILES))
        return FILES;
    if (!own)
        return NULL;
    files = *own;
    files.zName = FILES;
    files.pNext = NULL;
    files.xOpen = open_no_list;
    return sqlite3_vfs_register(&files, 0) == SQLITE_OK ? FILES : NULL;
}

/* --- limits ------------------------------------------------------------------------------------- */

#define STEPS_AT_ONCE 20000
#define STEPS_ALWAYS ((uint64_t)50000000)
#define STEPS_PER_PAGE                                                                             \
    ((uint64_t)50000) /* a row takes a few dozen; a page has some hundred at most */

static int count_steps(void *store)
{
    struct store *s = store;
    s->steps += STEPS_AT_ONCE;
    return s->steps > s->steps_allowed;
}

void guard_allow(struct store *s, uint64_t steps)
{
    s->steps_allowed += steps;
}

static void set_limits(sqlite3 *db)
{
    static const struct {
        int what, most;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, 16 << 20}, /* of a text, and of a row: a record has 4 MB */
        {SQLITE_LIMIT_SQL_LENGTH, 64 << 10}, {SQLITE_LIMIT_COLUMN, 64},
        {SQLITE_LIMIT_EXPR_DEPTH, 100},      {SQLITE_LIMIT_COMPOUND_SELECT, 8},
        {SQLITE_LIMIT_VDBE_OP, 100000},      {SQLITE_LIMIT_FUNCTION_ARG, 16},
        {SQLITE_LIMIT_ATTACHED, 0},          {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 64},  {SQLITE_LIMIT_TRIGGER_DEPTH, 1},
        {SQLITE_LIMIT_WORKER_THREADS, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(db, limits[i].what, limits[i].most);
}

bool guard_limit(struct store *s)
{
    static const struct {
        int what, value;
    } settings[] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},      {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
                    {SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, {SQLITE_DBCONFIG_ENABLE_VIEW, 0},
                    {SQLITE_DBCONFIG_DQS_DML, 0},        {SQLITE_DBCONFIG_DQS_DDL, 0}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (sqlite3_db_config(s->db, settings[i].what, settings[i].value, NULL) != SQLITE_OK)
            return store_fail(s, "this SQLite cannot be kept from a stranger's triggers and views");
    set_limits(s->db);
    s->steps = 0;
    s->steps_allowed = STEPS_ALWAYS;
    sqlite3_progress_handler(s->db, STEPS_AT_ONCE, count_steps, s);
    if (!store_run(s, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0"))
        return false;
    int64_t pages = store_number(s, "PRAGMA page_count", "");
    guard_allow(s, pages > 0 ? (uint64_t)pages * STEPS_PER_PAGE : 0);
    return !s->failed;
}

/* --- the schema --------------------------------------------------------------------------------- */

/* SQL, a character at a time: white space and comments are at most one space, between words. */
struct reader {
    const char *at;
    char last;
    char quote; /* the one that ends what is being read, or 0 */
};

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

static const char *skip_blanks(const char *at)
{
    for (;;) {
        if (*at && isspace((unsigned char)*at)) {
            at++;
        } else if (at[0] == '-' && at[1] == '-') {
            at += strcspn(at, "\n");
        } else if (at[0] == '/' && at[1] == '*') {
            const char *end = strstr(at + 2, "*/");
            at = end ? end + 2 : at + strlen(at);
        } else {
            return at;
        }
    }
}

static char next(struct reader *r)
{
    if (r->quote) {
        if (*r->at == r->quote)
            r->quote = 0;
    } else {
        const char *behind = skip_blanks(r->at);
        bool parts = behind != r->at && is_word(r->last) && is_word(*behind);
        r->at = behind;
        if (parts)
            return r->last = ' ';
        if (*r->at && strchr("'\"`", *r->at))
            r->quote = *r->at;
    }
    r->last = *r->at;
    return *r->at ? *r->at++ : '\0';
}

static bool is_same_sql(const char *a, const char *b)
{
    struct reader left = {.at = a ? a : ""}, right = {.at = b ? b : ""};
    for (;;) {
        char c = next(&left);
        if (c != next(&right))
            return false;
        if (!c)
            return true;
    }
}

/* What ANALYZE leaves: nothing but numbers for the planner. */
static bool is_of_analyze(const char *type, const char *sql)
{
    return strcmp(type, "table") == 0 &&
           (is_same_sql(sql, "CREATE TABLE sqlite_stat1(tbl,idx,stat)") ||
            is_same_sql(sql, "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"));
}

#define PARTS                                                                                      \
    "SELECT type, name, tbl_name, sql FROM main.sqlite_master WHERE type <> 'view' OR ?"           \
    " ORDER BY type, name"

/* Of the four columns, "" for what is none. */
static const char *column(sqlite3_stmt *row, int i)
{
    const char *text = (const char *)sqlite3_column_text(row, i);
    return text ? text : "";
}

static bool is_same(sqlite3_stmt *mine, sqlite3_stmt *theirs)
{
    for (int i = 0; i < 3; i++)
        if (strcmp(column(mine, i), column(theirs, i)) != 0)
            return false;
    return is_same_sql(column(mine, 3), column(theirs, 3));
}

static bool refuse(struct store *s, sqlite3_stmt *theirs)
{
    if (!theirs)
        return store_fail(s, "not a state of this program: a part of it is missing");
    return store_fail(s, "not a state of this program: %s '%s' is not as this program makes it",
                      column(theirs, 0), column(theirs, 1));
}

/* Both are in the same order. */
static bool compare(struct store *s, sqlite3_stmt *mine, sqlite3_stmt *theirs)
{
    bool left = sqlite3_step(mine) == SQLITE_ROW, right = store_row(s, theirs);
    while (left || right) {
        if (right && is_of_analyze(column(theirs, 0), column(theirs, 3))) {
            right = store_row(s, theirs);
            continue;
        }
        if (s->failed)
            return false;
        if (!left || !right || !is_same(mine, theirs))
            return refuse(s, right ? theirs : NULL);
        left = sqlite3_step(mine) == SQLITE_ROW;
        right = store_row(s, theirs);
    }
    return !s->failed;
}

static bool make_schema(sqlite3 *db, int version)
{
    bool ok = true;
    for (int v = 1; ok && v <= version; v++)
        ok = sqlite3_exec(db, schema_step(v), NULL, NULL, NULL) == SQLITE_OK;
    for (size_t i = 0; ok && version == SCHEMA_VERSION && schema_views[i]; i++)
        ok = sqlite3_exec(db, schema_views[i], NULL, NULL, NULL) == SQLITE_OK;
    return ok;
}

/* Two parts on the same pages are none of SQLite's making. */
static bool check_roots(struct store *s)
{
    return store_number(s,
                        "SELECT count(rootpage) - count(DISTINCT rootpage) FROM main.sqlite_master"
                        " WHERE rootpage <> 0",
                        "") == 0
               ? !s->failed
               : store_fail(s, "it is damaged: two parts of it are in the same place");
}

bool guard_schema(struct store *s, int version)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *mine = NULL, *theirs;
    int64_t views = version == SCHEMA_VERSION;
    bool ok = sqlite3_open_v2(":memory:", &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) ==
                  SQLITE_OK &&
              make_schema(db, version) &&
              sqlite3_prepare_v2(db, PARTS, -1, &mine, NULL) == SQLITE_OK &&
              sqlite3_bind_int64(mine, 1, views) == SQLITE_OK;
    if (!ok)
        store_fail(s, "out of memory");
    theirs = ok ? store_ask(s, PARTS, "i", views) : NULL;
    ok = theirs && compare(s, mine, theirs) && check_roots(s);
    store_enough(theirs);
    sqlite3_finalize(mine);
    sqlite3_close(db);
    return ok;
}
