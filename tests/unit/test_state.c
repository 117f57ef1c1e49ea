/* SPDX-License-Identifier: MIT */
/* A run is in the history as a whole, or not at all, whatever happens to who writes it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/state/inside.h"
#include "output/state/schema.h"
#include "scanner/text.h"

#define ENDPOINTS 40

/* --- records ------------------------------------------------------------------------------------ */

static char *format(const char *text, ...) __attribute__((format(printf, 1, 2)));

static char *format(const char *text, ...)
{
    va_list arguments;
    char *out;
    va_start(arguments, text);
    assert_true(vasprintf(&out, text, arguments) >= 0);
    va_end(arguments);
    return out;
}

/* Takes the text over. */
static enum state_taken take(struct state *s, char *text)
{
    cJSON *record = cJSON_Parse(text);
    assert_non_null(record);
    enum state_taken taken = state_take(s, record);
    cJSON_Delete(record);
    free(text);
    return taken;
}

static char *run_start(int day)
{
    return format(
        "{\"schema\":\"1.3\",\"type\":\"run_start\",\"run_id\":\"run-%02d\","
        "\"time\":\"2026-03-%02dT02:30:00.000Z\",\"started\":\"2026-03-%02dT02:30:00.000Z\","
        "\"scanner\":{\"version\":\"0.1.0\"},\"options\":{\"all\":true},"
        "\"options_sha256\":\"aa\",\"shard\":null,\"policies\":[]}",
        day, day, day);
}

/* Of a service with a finding, or without. */
static char *endpoint(int day, int number, bool bad)
{
    return format(
        "{\"schema\":\"1.3\",\"type\":\"endpoint\",\"run_id\":\"run-%02d\","
        "\"time\":\"2026-03-%02dT02:31:00.000Z\",\"endpoint\":{\"key\":\"imap://192.0.2.%d:143\","
        "\"protocol\":\"imap\",\"mode\":\"insecure\",\"host\":\"192.0.2.%d\",\"ip\":\"192.0.2.%d\","
        "\"port\":143,\"labels\":{\"owner\":\"mail\"}},\"status\":\"ok\",\"checks\":{\"pass\":[%s],"
        "\"fail\":[%s],\"not_applicable\":[],\"not_tested\":[],\"inconclusive\":[],\"reasons\":[]},"
        "\"policies\":[],\"findings\":[%s]}",
        day, day, number, number, number, bad ? "" : "\"RULE-A\"", bad ? "\"RULE-A\"" : "",
        bad ? "{\"rule\":\"RULE-A\",\"severity\":\"high\",\"title\":\"It is bad\","
              "\"fingerprint\":\"f1-a\",\"status\":\"open\",\"waiver\":null,\"evidence\":{}}"
            : "");
}

static char *run_end(int day)
{
    return format("{\"schema\":\"1.3\",\"type\":\"run_end\",\"run_id\":\"run-%02d\","
                  "\"time\":\"2026-03-%02dT02:40:00.000Z\",\"complete\":true,\"stopped_by\":null}",
                  day, day);
}

static void take_night(struct state *s, int day, bool bad)
{
    assert_true(state_begin(s));
    assert_int_equal(take(s, run_start(day)), STATE_TAKEN);
    for (int i = 1; i <= ENDPOINTS; i++)
        assert_int_equal(take(s, endpoint(day, i, bad)), STATE_TAKEN);
    assert_int_equal(take(s, run_end(day)), STATE_TAKEN);
}

static void add_night(struct state *s, int day, bool bad)
{
    take_night(s, day, bad);
    if (!state_commit(s))
        fail_msg("%s", state_problem(s));
}

/* --- files --------------------------------------------------------------------------------------- */

struct scene {
    char folder[32], path[64];
};

static void scene_begin(struct scene *scene)
{
    strcpy(scene->folder, "/tmp/test_state.XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    snprintf(scene->path, sizeof scene->path, "%s/state.db", scene->folder);
}

static void scene_end(struct scene *scene)
{
    char *command = format("rm -r '%s'", scene->folder);
    assert_int_equal(system(command), 0);
    free(command);
}

static struct state *reopen(const struct scene *scene, enum state_mode mode)
{
    char problem[STATE_PROBLEM_SIZE];
    struct state *s = state_open(scene->path, mode, problem);
    if (!s)
        fail_msg("%s", problem);
    return s;
}

static void refuse(const char *path, enum state_mode mode, const char *expected)
{
    char problem[STATE_PROBLEM_SIZE];
    assert_null(state_open(path, mode, problem));
    assert_non_null(strstr(problem, expected));
}

/* All that is in it, as one text. */
static char *dump(const struct scene *scene)
{
    static const char *const tables[] = {"run",           "endpoint", "place", "finding",
                                         "finding_place", "change",   "rule",  "ruleset_rule"};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    struct state *s = reopen(scene, STATE_READ);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        sqlite3_stmt *rows;
        char *sql = format("SELECT * FROM %s", tables[i]);
        assert_int_equal(sqlite3_prepare_v2(s->store.db, sql, -1, &rows, NULL), SQLITE_OK);
        while (sqlite3_step(rows) == SQLITE_ROW)
            for (int c = 0; c < sqlite3_column_count(rows); c++)
                fprintf(f, "%s|", sqlite3_column_text(rows, c));
        sqlite3_finalize(rows);
        free(sql);
    }
    state_close(s);
    fclose(f);
    return text;
}

static void count_problem(void *context, const char *problem)
{
    (void)context;
    fail_msg("%s", problem);
}

static void assert_sound(const struct scene *scene, int64_t runs)
{
    struct state_counts counts;
    uint64_t problems;
    struct state *s = reopen(scene, STATE_READ);
    assert_true(state_check(s, &counts, &problems, count_problem, NULL));
    assert_int_equal(counts.runs, runs);
    state_close(s);
}

/* --- what a run is --------------------------------------------------------------------------------- */

struct heard {
    int count, stop_at;
    char last[2048];
};

static bool on_change(void *context, const char *json)
{
    struct heard *h = context;
    snprintf(h->last, sizeof h->last, "%s", json);
    return ++h->count != h->stop_at;
}

static bool on_endpoint(void *context, const struct state_endpoint *e)
{
    struct heard *h = context;
    snprintf(h->last, sizeof h->last, "%s %s %s %s %s %u", e->key, e->protocol, e->mode, e->host,
             e->ip, e->port);
    return ++h->count != h->stop_at;
}

static void test_nights(void **unused)
{
    struct scene scene;
    struct heard heard = {0};
    (void)unused;
    scene_begin(&scene);
    struct state *s = reopen(&scene, STATE_WRITE);
    assert_false(state_changes(s, NULL, on_change, &heard)); /* there is no run yet */
    add_night(s, 1, true);
    assert_true(state_changes(s, NULL, on_change, &heard));
    assert_int_equal(heard.count, 0);
    add_night(s, 2, false);
    assert_true(state_changes(s, NULL, on_change, &heard));
    assert_int_equal(heard.count, ENDPOINTS);
    assert_non_null(strstr(heard.last, "\"change\":\"finding_resolved\",\"cause\":\"observed\""));
    heard = (struct heard){.stop_at = 3};
    assert_false(state_changes(s, "run-02", on_change, &heard));
    assert_int_equal(heard.count, 3);
    assert_false(state_changes(s, "run-03", on_change, &heard));
    heard = (struct heard){0};
    assert_true(state_endpoints(s, on_endpoint, &heard));
    assert_int_equal(heard.count, ENDPOINTS);
    assert_string_equal(heard.last, "imap://192.0.2.9:143 imap insecure 192.0.2.9 192.0.2.9 143");
    state_close(s);
    scene_end(&scene);
}

static void test_what_cannot_be_taken(void **unused)
{
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    struct state *s = reopen(&scene, STATE_WRITE);
    assert_int_equal(take(s, run_start(2)), STATE_FAILED); /* nothing was begun */
    assert_false(state_commit(s));
    add_night(s, 2, true);
    assert_true(state_begin(s));
    assert_int_equal(take(s, endpoint(3, 1, true)), STATE_REFUSED); /* of no run */
    assert_int_equal(take(s, run_start(2)), STATE_KNOWN);
    assert_int_equal(take(s, run_start(1)), STATE_REFUSED);
    assert_non_null(strstr(state_problem(s), "older"));
    assert_int_equal(take(s, run_start(3)), STATE_TAKEN);
    assert_int_equal(take(s, run_start(4)), STATE_REFUSED);
    assert_int_equal(take(s, endpoint(4, 1, true)), STATE_REFUSED); /* of another run */
    assert_int_equal(take(s, endpoint(3, 1, true)), STATE_TAKEN);
    assert_int_equal(take(s, endpoint(3, 1, true)), STATE_REFUSED);   /* twice */
    assert_int_equal(take(s, endpoint(3, 900, true)), STATE_REFUSED); /* no address */
    assert_int_equal(take(s, strdup("{\"type\":\"news\",\"run_id\":\"run-03\"}")), STATE_TAKEN);
    assert_int_equal(take(s, run_end(3)), STATE_TAKEN);
    assert_int_equal(take(s, endpoint(3, 2, true)), STATE_REFUSED); /* behind the end */
    assert_true(state_commit(s));
    state_close(s);
    assert_sound(&scene, 2);
    scene_end(&scene);
}

static void test_a_shard_is_no_run(void **unused)
{
    char *text = run_start(1), *at = strstr(text, "null");
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    struct state *s = reopen(&scene, STATE_WRITE);
    assert_true(state_begin(s));
    memcpy(at, "{  }", 4);
    assert_int_equal(take(s, text), STATE_REFUSED);
    assert_non_null(strstr(state_problem(s), "merge"));
    state_close(s);
    scene_end(&scene);
}

/* --- who writes ------------------------------------------------------------------------------------ */

static void test_one_writes_and_others_read(void **unused)
{
    struct scene scene;
    struct heard heard = {0};
    (void)unused;
    scene_begin(&scene);
    struct state *first = reopen(&scene, STATE_WRITE), *second = reopen(&scene, STATE_WRITE);
    add_night(first, 1, true);
    take_night(first, 2, false);
    assert_false(state_begin(second));
    assert_string_equal(state_problem(second), "another run is writing to it");
    struct state *reader = reopen(&scene, STATE_READ);
    assert_true(state_changes(reader, "run-01", on_change, &heard));
    assert_true(state_commit(first));
    assert_true(state_begin(second));
    assert_int_equal(take(second, run_start(2)), STATE_KNOWN);
    state_close(second);
    assert_true(state_changes(reader, "run-02", on_change, &heard));
    assert_int_equal(heard.count, ENDPOINTS);
    state_close(reader);
    state_close(first);
    scene_end(&scene);
}

static void test_what_is_not_committed_has_not_been(void **unused)
{
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    struct state *s = reopen(&scene, STATE_WRITE);
    add_night(s, 1, true);
    char *before = dump(&scene);
    take_night(s, 2, false);
    state_rollback(s);
    take_night(s, 2, false);
    state_close(s);
    char *after = dump(&scene);
    assert_string_equal(before, after);
    free(before);
    free(after);
    scene_end(&scene);
}

/* At the call after so many others. */
static int die(void *left)
{
    if (--*(int *)left == 0)
        kill(getpid(), SIGKILL);
    return 0;
}

/* Killed after so many steps, or when it is about to be kept (0); was it still at work? */
static bool is_killed(const struct scene *scene, int steps)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char problem[STATE_PROBLEM_SIZE];
        struct state *s = state_open(scene->path, STATE_WRITE, problem);
        int at_once = 1;
        if (steps)
            sqlite3_progress_handler(s->store.db, 10, die, &steps);
        else
            sqlite3_commit_hook(s->store.db, die, &at_once);
        add_night(s, 2, false);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void test_killed_in_the_middle(void **unused)
{
    struct scene scene;
    int killed = 0;
    (void)unused;
    scene_begin(&scene);
    struct state *s = reopen(&scene, STATE_WRITE);
    add_night(s, 1, true);
    state_close(s);
    char *before = dump(&scene);
    for (int steps = 0; is_killed(&scene, steps); steps = steps * 4 / 3 + 10) {
        char *after = dump(&scene);
        assert_string_equal(before, after);
        free(after);
        assert_sound(&scene, 1);
        killed++;
    }
    assert_true(killed > 10);
    assert_sound(&scene, 2);
    free(before);
    scene_end(&scene);
}

static void test_a_full_disk(void **unused)
{
    struct scene scene;
    char *limit;
    (void)unused;
    scene_begin(&scene);
    struct state *s = reopen(&scene, STATE_WRITE);
    add_night(s, 1, true);
    char *before = dump(&scene);
    limit =
        format("PRAGMA max_page_count = %d", (int)store_number(&s->store, "PRAGMA page_count", ""));
    assert_true(store_run(&s->store, limit));
    take_night(s, 2, false);
    assert_false(state_commit(s));
    assert_non_null(strstr(state_problem(s), "full"));
    state_close(s);
    char *after = dump(&scene);
    assert_string_equal(before, after);
    s = reopen(&scene, STATE_WRITE); /* there is room again */
    add_night(s, 2, false);
    state_close(s);
    assert_sound(&scene, 2);
    free(limit);
    free(before);
    free(after);
    scene_end(&scene);
}

/* --- all anew --------------------------------------------------------------------------------------- */

static void test_anew_is_the_same(void **unused)
{
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    struct state *s = reopen(&scene, STATE_WRITE);
    for (int day = 1; day <= 4; day++)
        add_night(s, day, day != 3);
    char *before = dump(&scene);
    for (int keep = 0; keep < 2; keep++) {
        assert_true(state_begin_anew(s));
        for (int day = 1; day <= 4; day++) {
            assert_int_equal(take(s, run_start(day)), STATE_TAKEN);
            for (int i = 1; i <= ENDPOINTS; i++)
                take(s, endpoint(day, i, day != 3));
            take(s, run_end(day));
            assert_true(state_commit(s));
        }
        if (keep)
            assert_true(state_commit_all(s));
        else
            state_rollback(s);
        char *after = dump(&scene);
        assert_string_equal(before, after);
        free(after);
    }
    state_close(s);
    free(before);
    scene_end(&scene);
}

/* --- files ------------------------------------------------------------------------------------------ */

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void test_nobody_else_reads_it(void **unused)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    mode_t mask = umask(0);
    struct state *s = reopen(&scene, STATE_WRITE);
    umask(mask);
    add_night(s, 1, true);
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
            char *name = format("%s%s", scene.path, ends[i]);
            assert_int_equal(mode_of(name), 0640);
            chmod(name, 0644);
            free(name);
        }
        state_close(s);
        s = reopen(&scene, STATE_WRITE);
    }
    assert_int_equal(mode_of(scene.path), 0640);
    state_close(s);
    scene_end(&scene);
}

static void test_what_is_no_state(void **unused)
{
    struct scene scene;
    char *link;
    sqlite3 *db;
    (void)unused;
    scene_begin(&scene);
    link = format("%s/link", scene.folder);
    refuse(scene.path, STATE_READ, "No such file");
    refuse(scene.folder, STATE_WRITE, "directory");
    refuse("/dev/null", STATE_WRITE, "regular");
    assert_int_equal(symlink("nowhere", link), 0);
    refuse(link, STATE_WRITE, "link");
    unlink(link);
    FILE *f = fopen(scene.path, "w");
    fputs("This is a text, and it is longer than the header of a database would have to be.", f);
    for (int i = 0; i < 100; i++)
        fputs("More of it. ", f);
    fclose(f);
    refuse(scene.path, STATE_WRITE, "no database");
    unlink(scene.path);
    sqlite3_open(scene.path, &db);
    sqlite3_exec(db, "CREATE TABLE mine (a)", NULL, NULL, NULL);
    sqlite3_close(db);
    refuse(scene.path, STATE_WRITE, "not a state");
    unlink(scene.path);
    /* An empty file is one to begin with, and a link leads to it. */
    fclose(fopen(scene.path, "w"));
    refuse(scene.path, STATE_READ, "empty");
    assert_int_equal(symlink("state.db", link), 0);
    char problem[STATE_PROBLEM_SIZE];
    struct state *s = state_open(link, STATE_WRITE, problem);
    assert_non_null(s);
    state_close(s);
    assert_sound(&scene, 0);
    free(link);
    scene_end(&scene);
}

static void test_of_a_newer_release(void **unused)
{
    struct scene scene;
    sqlite3 *db;
    (void)unused;
    scene_begin(&scene);
    state_close(reopen(&scene, STATE_WRITE));
    sqlite3_open(scene.path, &db);
    sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL);
    sqlite3_close(db);
    refuse(scene.path, STATE_WRITE, "newer release");
    refuse(scene.path, STATE_READ, "newer release");
    sqlite3_open(scene.path, &db);
    sqlite3_exec(db, "PRAGMA user_version = 2; PRAGMA application_id = 7", NULL, NULL, NULL);
    sqlite3_close(db);
    refuse(scene.path, STATE_WRITE, "not a state");
    scene_end(&scene);
}

/* --- files of strangers ----------------------------------------------------------------------------- */

/* A state of two nights, and what somebody did to it. */
static void tamper(const struct scene *scene, const char *sql)
{
    sqlite3 *db;
    char *problem = NULL;
    unlink(scene->path);
    struct state *s = reopen(scene, STATE_WRITE);
    add_night(s, 1, true);
    add_night(s, 2, false);
    state_close(s);
    assert_int_equal(sqlite3_open(scene->path, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL);
    sqlite3_exec(db, sql, NULL, NULL, &problem);
    if (problem)
        fail_msg("%s: %s", sql, problem);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_the_schema_is_ours(void **unused)
{
    static const char *const others[] = {
        "CREATE TRIGGER t BEFORE INSERT ON change BEGIN SELECT raise(IGNORE); END",
        "CREATE VIEW mine AS SELECT 1",
        "DROP VIEW v_runs",
        "DROP VIEW v_runs; CREATE VIEW v_runs AS SELECT 1",
        "CREATE TABLE mine (a)",
        "CREATE INDEX mine ON run (scanner)",
        "DROP INDEX run_started",
        "CREATE VIRTUAL TABLE mine USING fts5 (a)",
        "ALTER TABLE run ADD COLUMN mine TEXT DEFAULT 'x'",
        "ALTER TABLE rule RENAME TO rule2;"
        "CREATE VIEW rule AS SELECT id, NULL AS rule FROM rule2",
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, 'json TEXT NOT"
        " NULL', 'json TEXT CHECK (seq < 9)') WHERE name = 'change'",
        "PRAGMA writable_schema = ON; INSERT INTO sqlite_master VALUES ('table', 'sqlite_schema',"
        " 'sqlite_schema', 2, 'CREATE TABLE sqlite_schema (type, name, tbl_name, sql)')",
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM"
        " sqlite_master WHERE name = 'rule') WHERE name = 'verdicts'",
    };
    static const enum state_mode modes[] = {STATE_READ, STATE_WRITE};
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char problem[STATE_PROBLEM_SIZE];
        tamper(&scene, others[i]);
        for (size_t m = 0; m < 2; m++) {
            struct state *s = state_open(scene.path, modes[m], problem);
            if (s)
                fail_msg("taken: %s", others[i]);
            if (!strstr(problem, "not a state of this program") && !strstr(problem, "damaged"))
                fail_msg("%s: %s", others[i], problem);
        }
    }
    tamper(&scene, "ANALYZE");
    assert_sound(&scene, 2);
    scene_end(&scene);
}

static void test_white_space_is_no_part_of_a_schema(void **unused)
{
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    tamper(&scene,
           "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql, ' ', char(10)"
           " || '  ') WHERE name = 'rule'; UPDATE sqlite_master SET sql = replace(sql, '(', '/* a"
           " */ ( -- b' || char(10)) WHERE name = 'verdicts'");
    assert_sound(&scene, 2);
    tamper(&scene, "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql,"
                   " '{}', '{ }') WHERE name = 'endpoint'");
    refuse(scene.path, STATE_READ, "'endpoint'");
    scene_end(&scene);
}

/* Nothing of ours runs what is a stranger's, even if it came between the look and the use. */
static void test_no_triggers_and_no_views(void **unused)
{
    static const int settings[] = {SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
                                   SQLITE_DBCONFIG_TRUSTED_SCHEMA};
    struct scene scene;
    int on;
    (void)unused;
    scene_begin(&scene);
    struct state *s = reopen(&scene, STATE_WRITE);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        assert_int_equal(sqlite3_db_config(s->store.db, settings[i], -1, &on), SQLITE_OK);
        assert_int_equal(on, 0);
    }
    assert_int_equal(store_number(&s->store, "PRAGMA cell_size_check", ""), 1);
    assert_int_equal(sqlite3_limit(s->store.db, SQLITE_LIMIT_ATTACHED, -1), 0);
    state_close(s);
    scene_end(&scene);
}

static bool on_entry(void *context, const struct state_entry *e)
{
    (void)e;
    ++*(int *)context;
    return true;
}

/* What it has to say is asked for, and a night is added. */
static bool use(struct state *s)
{
    struct heard heard = {0};
    int count = 0;
    return state_runs(s, NULL, on_entry, &count) && state_changes(s, NULL, on_change, &heard) &&
           state_begin(s) && take(s, run_start(3)) == STATE_TAKEN &&
           take(s, endpoint(3, 7, true)) == STATE_TAKEN && state_commit(s);
}

static void assert_damaged(const struct scene *scene, const char *what)
{
    struct state *s = reopen(scene, STATE_WRITE);
    if (use(s) || !strstr(state_problem(s), "damaged"))
        fail_msg("%s: %s", what, state_problem(s));
    assert_true(text_is_clean(span_of(state_problem(s))));
    state_close(s);
}

static void test_what_the_tables_say(void **unused)
{
    static const char *const texts[] = {
        "x'ff00fe'",
        "CAST(x'ff41' AS TEXT)",
        "'a' || char(27) || '[31m'",
        "CAST(x'610062' AS TEXT)",
        "hex(zeroblob(30 << 20))",
        "'a' || char(155)",
    };
    static const char *const places[] = {
        "UPDATE endpoint SET key = %s WHERE id = 7",
        "UPDATE endpoint SET host = %s WHERE id = 7",
        "UPDATE place SET facts = %s WHERE id = 7",
        "UPDATE place SET ip = %s WHERE id = 7",
        "UPDATE finding SET title = %s, state = 'open' WHERE id = 7",
        "UPDATE rule SET rule = %s",
        "UPDATE run SET run_id = %s WHERE id = 2",
    };
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    for (size_t p = 0; p < sizeof places / sizeof *places; p++)
        for (size_t t = 0; t < sizeof texts / sizeof *texts; t++) {
            const char *at = strstr(places[p], "%s");
            char *sql = format("%.*s%s%s", (int)(at - places[p]), places[p], texts[t], at + 2);
            tamper(&scene, sql);
            assert_damaged(&scene, sql);
            free(sql);
        }
    scene_end(&scene);
}

static void test_texts_for_people(void **unused)
{
    struct scene scene;
    struct heard heard = {0};
    int count = 0;
    (void)unused;
    scene_begin(&scene);
    tamper(&scene, "UPDATE run SET started = 'a' || char(8238) WHERE id = 1");
    struct state *s = reopen(&scene, STATE_READ);
    assert_false(state_runs(s, NULL, on_entry, &count));
    assert_non_null(strstr(state_problem(s), "damaged"));
    state_close(s);
    tamper(&scene, "UPDATE change SET json = '{}' || char(10) || '{}'");
    s = reopen(&scene, STATE_READ);
    assert_false(state_changes(s, NULL, on_change, &heard));
    assert_int_equal(heard.count, 0);
    state_close(s);
    tamper(&scene, "UPDATE change SET json = '{\"a\":\"b' || char(8238, 917504) || 'c\"}'");
    s = reopen(&scene, STATE_READ);
    assert_true(state_changes(s, NULL, on_change, &heard));
    assert_string_equal(heard.last, "{\"a\":\"b\\u202e\\udb40\\udc00c\"}");
    state_close(s);
    scene_end(&scene);
}

/* The schema as this program makes it, whatever the tables are like. */
static void restore_schema(sqlite3 *db)
{
    struct scene scene;
    scene_begin(&scene);
    state_close(reopen(&scene, STATE_WRITE));
    char *sql = format("ATTACH '%s' AS own; PRAGMA writable_schema = ON;"
                       "UPDATE main.sqlite_master SET sql = (SELECT sql FROM own.sqlite_master"
                       " AS o WHERE o.name = sqlite_master.name); DETACH own",
                       scene.path);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    free(sql);
    scene_end(&scene);
}

/* Values that cannot be missing, and are. */
static void test_values_that_are_missing(void **unused)
{
    static const char *const values[] = {
        "UPDATE rule SET rule = NULL",
        "UPDATE endpoint SET host = NULL",
        "UPDATE endpoint SET labels = NULL",
        "UPDATE place SET ip = NULL",
        "UPDATE finding SET severity = NULL, state = 'open'",
        "UPDATE finding SET rule = NULL, state = 'open'",
        "UPDATE run SET started = NULL",
        "UPDATE change SET json = NULL",
    };
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        sqlite3 *db;
        tamper(&scene, "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = replace(sql,"
                       " 'NOT NULL', '') WHERE name IN ('rule', 'endpoint', 'place', 'finding',"
                       " 'run', 'change')");
        assert_int_equal(sqlite3_open(scene.path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, values[i], NULL, NULL, NULL), SQLITE_OK);
        restore_schema(db);
        sqlite3_close(db);
        assert_damaged(&scene, values[i]);
    }
    scene_end(&scene);
}

static void put_number(FILE *f, unsigned long number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(number >> shift & 0xff), f);
}

/* A hot journal of no pages that names a list of journals at its end (SQLite's file format, 3). */
static void write_journal(const struct scene *scene, const char *journal, const char *list)
{
    static const unsigned char magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    unsigned long sum = 0;
    struct stat status;
    FILE *f = fopen(journal, "w");
    assert_int_equal(stat(scene->path, &status), 0);
    fwrite(magic, 1, sizeof magic, f);
    put_number(f, 0); /* pages */
    put_number(f, 1);
    put_number(f, (unsigned long)(status.st_size / 4096));
    put_number(f, 512);
    put_number(f, 4096);
    while (ftell(f) < 512)
        fputc(0, f);
    put_number(f, 0x40000000 / 4096 + 1); /* the page that never is one */
    fputs(list, f);
    put_number(f, strlen(list));
    for (const char *c = list; *c; c++)
        sum += (unsigned long)*c;
    put_number(f, sum);
    fwrite(magic, 1, sizeof magic, f);
    fclose(f);
}

/* SQLite removes the list when it plays the journal back. */
static void test_a_journal_names_no_other_file(void **unused)
{
    struct scene scene;
    char problem[STATE_PROBLEM_SIZE];
    (void)unused;
    scene_begin(&scene);
    tamper(&scene, "PRAGMA journal_mode = DELETE");
    char *victim = format("%s/victim", scene.folder), *journal = format("%s-journal", scene.path);
    FILE *f = fopen(victim, "w");
    fputs("precious\n", f);
    fclose(f);
    write_journal(&scene, journal, victim);
    assert_null(state_open(scene.path, STATE_WRITE, problem));
    assert_int_equal(access(victim, F_OK), 0);
    free(victim);
    free(journal);
    scene_end(&scene);
}

static void forget_problem(void *context, const char *problem)
{
    (void)context;
    (void)problem;
}

static long root_of(const struct scene *scene, const char *part)
{
    sqlite3 *db;
    sqlite3_stmt *row;
    char *sql = format("SELECT rootpage FROM sqlite_master WHERE name = '%s'", part);
    assert_int_equal(sqlite3_open(scene->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(row), SQLITE_ROW);
    long root = sqlite3_column_int(row, 0);
    sqlite3_finalize(row);
    sqlite3_close(db);
    free(sql);
    return root;
}

/* A page of an index's tree, whose cells are all the same; child 0: a leaf. */
static void put_page(FILE *f, long page, const unsigned char *row, size_t size, long child)
{
    size_t cell = (child ? 4U : 0U) + 1 + size, count = (4096 - 12) / (cell + 2);
    assert_int_equal(fseek(f, (page - 1) * 4096, SEEK_SET), 0);
    fputc(child ? 2 : 10, f);
    fwrite("\0", 1, 2, f);
    fputc((int)(count >> 8), f);
    fputc((int)(count & 0xff), f);
    fputc((int)((4096 - count * cell) >> 8), f);
    fputc((int)((4096 - count * cell) & 0xff), f);
    fputc(0, f);
    if (child)
        put_number(f, (unsigned long)child);
    for (size_t i = 0; i < count; i++) {
        fputc((int)((4096 - (i + 1) * cell) >> 8), f);
        fputc((int)((4096 - (i + 1) * cell) & 0xff), f);
    }
    while (ftell(f) < (long)(page * 4096 - (long)(count * cell)))
        fputc(0, f);
    for (size_t i = 0; i < count; i++) {
        if (child)
            put_number(f, (unsigned long)child);
        fputc((int)size, f);
        fwrite(row, 1, size, f);
    }
}

/* Seven pages, each the child of the one before, more than a hundred times over: rows without an
   end. */
static void make_endless(const struct scene *scene, const char *part, const unsigned char *row,
                         size_t size)
{
    long root = root_of(scene, part);
    FILE *f = fopen(scene->path, "r+");
    fseek(f, 0, SEEK_END);
    long pages = ftell(f) / 4096;
    put_page(f, root, row, size, pages + 1);
    for (long i = 1; i <= 6; i++)
        put_page(f, pages + i, row, size, i < 6 ? pages + i + 1 : 0);
    fseek(f, 28, SEEK_SET);
    put_number(f, (unsigned long)pages + 6);
    fclose(f);
}

static void test_pages_that_lead_to_themselves(void **unused)
{
    static const unsigned char change[] = {12, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1};
    static const unsigned char key[] = {3, 15, 1, 'k', 7};
    struct scene scene;
    struct state_counts counts;
    uint64_t problems = 0;
    (void)unused;
    scene_begin(&scene);
    tamper(&scene, "PRAGMA journal_mode = DELETE");
    make_endless(&scene, "change", change, sizeof change);
    struct state *s = reopen(&scene, STATE_READ);
    assert_false(state_check(s, &counts, &problems, forget_problem, NULL));
    assert_true(problems > 0);
    assert_non_null(strstr(state_problem(s), "more is read of it"));
    state_close(s);
    tamper(&scene, "PRAGMA journal_mode = DELETE");
    make_endless(&scene, "sqlite_autoindex_endpoint_1", key, sizeof key);
    s = reopen(&scene, STATE_WRITE);
    assert_true(state_begin(s));
    assert_int_equal(take(s, run_start(3)), STATE_TAKEN);
    assert_false(state_commit(s));
    assert_non_null(strstr(state_problem(s), "damaged"));
    state_close(s);
    scene_end(&scene);
}

static void test_what_is_no_state_is_left_alone(void **unused)
{
    struct scene scene;
    (void)unused;
    scene_begin(&scene);
    FILE *f = fopen(scene.path, "w");
    for (int i = 0; i < 100; i++)
        fputs("A page that all the world may read.\n", f);
    fclose(f);
    chmod(scene.path, 0644);
    refuse(scene.path, STATE_WRITE, "no database");
    assert_int_equal(mode_of(scene.path), 0644);
    scene_end(&scene);
}

static void test_a_private_one(void **unused)
{
    struct heard heard = {0};
    char problem[STATE_PROBLEM_SIZE];
    (void)unused;
    struct state *s = state_open(NULL, STATE_SCRATCH, problem);
    assert_non_null(s);
    add_night(s, 1, false);
    add_night(s, 2, true);
    assert_true(state_changes(s, NULL, on_change, &heard));
    assert_int_equal(heard.count, ENDPOINTS);
    state_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nights),
        cmocka_unit_test(test_what_cannot_be_taken),
        cmocka_unit_test(test_a_shard_is_no_run),
        cmocka_unit_test(test_one_writes_and_others_read),
        cmocka_unit_test(test_what_is_not_committed_has_not_been),
        cmocka_unit_test(test_killed_in_the_middle),
        cmocka_unit_test(test_a_full_disk),
        cmocka_unit_test(test_anew_is_the_same),
        cmocka_unit_test(test_nobody_else_reads_it),
        cmocka_unit_test(test_what_is_no_state),
        cmocka_unit_test(test_of_a_newer_release),
        cmocka_unit_test(test_the_schema_is_ours),
        cmocka_unit_test(test_white_space_is_no_part_of_a_schema),
        cmocka_unit_test(test_no_triggers_and_no_views),
        cmocka_unit_test(test_what_the_tables_say),
        cmocka_unit_test(test_texts_for_people),
        cmocka_unit_test(test_values_that_are_missing),
        cmocka_unit_test(test_a_journal_names_no_other_file),
        cmocka_unit_test(test_pages_that_lead_to_themselves),
        cmocka_unit_test(test_what_is_no_state_is_left_alone),
        cmocka_unit_test(test_a_private_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
