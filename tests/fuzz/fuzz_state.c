/* SPDX-License-Identifier: MIT */
/*
 * The history, of anything: what begins as a database is opened as one, by all that the commands do
 * with it; all else is lines of records, whose runs are taken one after the other.
 *
 * Whatever comes in: what comes out is clean text and JSON, the same input brings the same changes, and
 * a state that was written to by this program alone is sound.
 */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/state/archive.h"
#include "output/state/state.h"
#include "scanner/text.h"

#define LINES_MAX ((size_t)16384) /* octets: more of them find nothing that is new */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* --- what comes out --------------------------------------------------------------------------- */

struct heard {
    size_t changes, runs, endpoints, problems;
    uint64_t sum; /* of all octets, in their order */
};

static void hear(struct heard *h, const char *text)
{
    require(text && text_is_clean(span_of(text)));
    for (; *text; text++)
        h->sum = h->sum * 31 + (unsigned char)*text;
}

static bool on_change(void *context, const char *json)
{
    struct heard *h = context;
    hear(h, json);
    require(!strchr(json, '\n'));
    h->changes++;
    return true;
}

static bool on_own_change(void *context, const char *json)
{
    cJSON *change = cJSON_Parse(json);
    require(cJSON_IsObject(change));
    cJSON_Delete(change);
    return on_change(context, json);
}

static bool on_endpoint(void *context, const struct state_endpoint *e)
{
    struct heard *h = context;
    const char *const texts[] = {e->key, e->protocol, e->mode, e->host, e->ip};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hear(h, texts[i]);
    h->endpoints++;
    return true;
}

static bool on_run(void *context, const struct state_entry *e)
{
    struct heard *h = context;
    const char *const texts[] = {e->run_id, e->started, e->ended, e->stopped_by, e->scanner};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hear(h, texts[i]);
    h->runs++;
    return true;
}

static void on_problem(void *context, const char *text)
{
    struct heard *h = context;
    require(text != NULL);
    h->problems++;
}

/* --- lines -------------------------------------------------------------------------------------- */

static FILE *nowhere(void)
{
    static FILE *f;
    if (!f)
        f = fopen("/dev/null", "w");
    require(f != NULL);
    return f;
}

/* One for many inputs: to make its tables takes longer than all else. */
static struct state *scratch(void)
{
    static struct state *s;
    static unsigned uses;
    char problem[STATE_PROBLEM_SIZE];
    if (uses++ % 500 == 0) {
        state_close(s);
        s = state_open("", STATE_SCRATCH, problem);
    }
    require(s != NULL);
    return s;
}

/* A run, as `state rebuild` takes it. */
static void take_run(struct state *s, const struct archive *a, const struct archive_run *run,
                     struct heard *heard)
{
    enum archive_step step = archive_take(a, run, s);
    require(step != ARCHIVE_FAILED);
    if (step == ARCHIVE_TAKEN || step == ARCHIVE_BROKEN) {
        require(state_commit(s));
        require(state_changes(s, run->run_id, on_own_change, heard));
    } else {
        require(text_is_clean(span_of(state_problem(s))));
    }
}

static void look_into(struct state *s, struct heard *heard)
{
    struct state_counts counts = {0};
    uint64_t problems = 0;
    require(state_runs(s, NULL, on_run, heard));
    require(state_endpoints(s, on_endpoint, heard));
    require(state_check(s, &counts, &problems, on_problem, heard));
    require(!problems && (size_t)counts.runs == heard->runs);
}

static struct heard take_lines(char *path)
{
    struct heard heard = {0};
    struct archive a = {.messages = nowhere()};

    if (archive_add(&a, path)) {
        struct state *s = scratch();
        archive_sort(&a);
        require(state_begin_anew(s));
        for (size_t i = 0; i < a.count; i++)
            take_run(s, &a, &a.runs[i], &heard);
        look_into(s, &heard);
        state_rollback(s);
    }
    archive_free(&a);
    return heard;
}

static void fuzz_lines(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("lines", MFD_CLOEXEC);
    size = size > LINES_MAX ? LINES_MAX : size;
    require(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct heard first = take_lines(path);
    if (first.changes) {
        struct heard second = take_lines(path);
        require(first.changes == second.changes && first.sum == second.sum);
    }
    close(fd);
}

/* --- a database --------------------------------------------------------------------------------- */

/* A file of this process, in memory where there is such a folder. */
static const char *place(void)
{
    static char path[64];
    if (!*path)
        snprintf(path, sizeof path, "%s/fuzz_state.%ld.db",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    return path;
}

static void remove_all(void)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
    char name[96];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(name, sizeof name, "%s%s", place(), ends[i]);
        unlink(name);
    }
}

static struct state *open_file(enum state_mode mode)
{
    char problem[STATE_PROBLEM_SIZE] = "";
    struct state *s = state_open(place(), mode, problem);
    require(s || (*problem && text_is_clean(span_of(problem))));
    return s;
}

/* As `state runs`, `state check` and `diff --state` do. */
static void read_all(struct heard *heard)
{
    struct state_counts counts = {0};
    uint64_t problems;
    struct state *s = open_file(STATE_READ);
    if (!s)
        return;
    state_runs(s, NULL, on_run, heard);
    state_changes(s, NULL, on_change, heard);
    state_endpoints(s, on_endpoint, heard);
    state_check(s, &counts, &problems, on_problem, heard);
    require(text_is_clean(span_of(state_problem(s))));
    state_close(s);
}

static enum state_taken take(struct state *s, const char *text)
{
    cJSON *record = cJSON_Parse(text);
    require(record != NULL);
    enum state_taken taken = state_take(s, record);
    cJSON_Delete(record);
    return taken;
}

#define ID "\"schema\":\"1.3\",\"run_id\":\"run-99\""

/* The night after all that may be in there. */
static bool take_night(struct state *s)
{
    return take(s, "{" ID ",\"type\":\"run_start\",\"started\":\"2038-01-01T00:00:00.000Z\","
                   "\"options\":{\"all\":true},\"options_sha256\":\"aa\"}") == STATE_TAKEN &&
           take(s, "{" ID ",\"type\":\"endpoint\",\"time\":\"2038-01-01T00:00:01.000Z\","
                   "\"endpoint\":{\"key\":\"imap://192.0.2.1:143\",\"protocol\":\"imap\","
                   "\"mode\":\"insecure\",\"host\":\"192.0.2.1\",\"ip\":\"192.0.2.1\","
                   "\"port\":143},\"status\":\"ok\",\"checks\":{\"fail\":[\"RULE-B\"]},"
                   "\"findings\":[{\"rule\":\"RULE-B\",\"severity\":\"low\",\"title\":\"B\","
                   "\"fingerprint\":\"f1-b\"}]}") == STATE_TAKEN &&
           take(s, "{" ID ",\"type\":\"run_end\",\"time\":\"2038-01-01T00:00:02.000Z\","
                   "\"complete\":true}") == STATE_TAKEN;
}

/* As `state add` and a scan do, and then `state rebuild`. */
static void write_all(struct heard *heard)
{
    struct state *s = open_file(STATE_WRITE);
    if (!s)
        return;
    if (state_begin(s) && take_night(s) && state_commit(s))
        state_changes(s, NULL, on_change, heard);
    state_rollback(s);
    if (state_begin_anew(s) && take_night(s) && state_commit(s))
        state_commit_all(s);
    require(text_is_clean(span_of(state_problem(s))));
    state_close(s);
}

static void fuzz_file(const uint8_t *data, size_t size)
{
    struct heard heard = {0};
    remove_all();
    FILE *f = fopen(place(), "w");
    require(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
    read_all(&heard);
    write_all(&heard);
    remove_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "SQLite format 3";
    if (size >= sizeof head && memcmp(data, head, sizeof head) == 0)
        fuzz_file(data, size);
    else
        fuzz_lines(data, size);
    return 0;
}
