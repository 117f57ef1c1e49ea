/* SPDX-License-Identifier: MIT */
/* What is made of a host before it goes out: the same by any thread, in memory that is used again,
 * and nothing at all where memory ends. */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <dirent.h>
#include <gnutls/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/draft.h"
#include "output/reader.h"

/* --- memory that can run out (the linker puts this in realloc's place) -------------------------- */

void *__real_realloc(void *memory, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static size_t allocations_left = SIZE_MAX;

void *__wrap_realloc(void *memory, size_t size)
{
    if (allocations_left == SIZE_MAX)
        return __real_realloc(memory, size);
    return allocations_left && allocations_left-- ? __real_realloc(memory, size) : NULL;
}

/* --- a host, as the golden records have it ----------------------------------------------------- */

struct scene {
    struct run run;
    struct reading *reading;
    const struct host_view *host;
    struct writing writings[WRITERS_MAX];
    struct outfile files[WRITERS_MAX];
};

static char *read_all(FILE *f)
{
    char *text = calloc(1, 1 << 20);
    assert_non_null(f);
    assert_non_null(text);
    rewind(f);
    assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static cJSON *read_golden(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/%s", name);
    char *text = read_all(fopen(path, "r"));
    cJSON *record = cJSON_Parse(text);
    free(text);
    assert_non_null(record);
    return record;
}

/* All goldens of the most common host, of which each port is there once. */
static void read_host(struct scene *s)
{
    struct dirent **entries;
    char problem[READING_PROBLEM_SIZE];
    int count = scandir(SOURCE_DIR "/tests/golden", &entries, NULL, alphasort);
    assert_true(count > 0);
    s->reading = reading_new();
    assert_non_null(s->reading);
    for (int i = 0; i < count; i++) {
        if (strstr(entries[i]->d_name, ".json") && !strstr(entries[i]->d_name, "dns-error")) {
            cJSON *record = read_golden(entries[i]->d_name);
            if (reading_takes(s->reading, record))
                reading_add(s->reading, record, problem, sizeof problem);
            cJSON_Delete(record);
        }
        free(entries[i]);
    }
    free(entries);
    s->host = reading_view(s->reading);
    assert_true(s->host->count >= 6);
}

static void scene_begin(struct scene *s)
{
    static const char *const names[] = {"rfc-baseline", "nist-800-52r2"};
    char path[512];

    *s = (struct scene){.run = {.id = "01a2097e-4580-7c3e-9b1f-2f6a51c0d9e4",
                                .started = 1795455841004,
                                .version = "0",
                                .scope_hash = ""}};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, SOURCE_DIR "/output/policies/%s.yaml", names[i]);
        s->run.policies.items[i] = policy_load(path, stderr);
        assert_non_null(s->run.policies.items[i]);
        s->run.policies.count++;
    }
    read_host(s);
    for (size_t i = 0; i < WRITERS_MAX; i++)
        s->writings[i] = (struct writing){.writer = i ? &writer_table : &writer_ndjson,
                                          .run = &s->run,
                                          .file = &s->files[i],
                                          .color = true,
                                          .all = true};
}

static void scene_end(struct scene *s)
{
    reading_free(s->reading);
    for (size_t i = 0; i < s->run.policies.count; i++)
        policy_free(s->run.policies.items[i]);
}

static bool make(struct draft *d, const struct scene *s)
{
    return draft_make(d, &s->run, s->writings, WRITERS_MAX, s->host);
}

static void assert_same(const struct draft *a, const struct draft *b)
{
    for (size_t i = 0; i < WRITERS_MAX; i++) {
        assert_int_equal(a->pages[i].len, b->pages[i].len);
        assert_memory_equal(a->pages[i].bytes, b->pages[i].bytes, a->pages[i].len);
    }
}

/* --- memory ------------------------------------------------------------------------------------ */

static void test_memory_is_used_again(void **state)
{
    struct scene s;
    struct draft once = {0}, again = {0};
    (void)state;
    scene_begin(&s);
    assert_true(make(&once, &s));
    assert_true(make(&again, &s));
    allocations_left = 0;
    for (int i = 0; i < 3; i++)
        assert_true(make(&again, &s));
    allocations_left = SIZE_MAX;
    assert_same(&once, &again);
    draft_free(&once);
    draft_free(&again);
    scene_end(&s);
}

static void test_no_memory(void **state)
{
    struct scene s;
    struct draft whole = {0};
    size_t failures = 0;
    (void)state;
    scene_begin(&s);
    assert_true(make(&whole, &s));
    for (bool ok = false; !ok; failures++) {
        struct draft d = {0};
        allocations_left = failures;
        ok = make(&d, &s);
        allocations_left = SIZE_MAX;
        if (!ok)
            assert_true(make(&d, &s));
        assert_same(&d, &whole);
        draft_free(&d);
    }
    assert_true(failures > s.host->count);
    draft_free(&whole);
    scene_end(&s);
}

/* --- threads ----------------------------------------------------------------------------------- */

#define ROUNDS 200

struct worker {
    const struct scene *scene;
    struct draft draft;
    pthread_t thread;
    unsigned failed;
};

static void *work(void *context)
{
    struct worker *w = context;
    for (int i = 0; i < ROUNDS; i++)
        w->failed += !make(&w->draft, w->scene);
    return NULL;
}

static void test_threads(void **state)
{
    struct scene s;
    struct draft expected = {0};
    struct worker workers[4];
    (void)state;
    scene_begin(&s);
    assert_true(make(&expected, &s));
    for (size_t i = 0; i < 4; i++) {
        workers[i] = (struct worker){.scene = &s};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_int_equal(workers[i].failed, 0);
        assert_same(&workers[i].draft, &expected);
        draft_free(&workers[i].draft);
    }
    draft_free(&expected);
    scene_end(&s);
}

/* --- writing ----------------------------------------------------------------------------------- */

static void hash_of(const char *text, size_t len, char out[65])
{
    unsigned char digest[32];
    assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, text, len, digest), 0);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* The last line vouches for those before it. */
static void assert_vouched(char *text, size_t recorded)
{
    char hash[65];
    size_t lines = 0;
    for (const char *c = text; (c = strchr(c, '\n')); c++)
        lines++;
    assert_int_equal(lines, recorded + 2);
    text[strlen(text) - 1] = 0;
    char *last = strrchr(text, '\n') + 1;
    cJSON *end = cJSON_Parse(last);
    hash_of(text, (size_t)(last - text), hash);
    assert_string_equal(cJSON_GetObjectItem(end, "records_sha256")->valuestring, hash);
    cJSON_Delete(end);
}

/* Drafts of the same host by two workers, one after the other. */
static void test_a_run(void **state)
{
    struct scene s;
    struct draft drafts[2] = {{.opinions = {.count = 0}}};
    struct run_end end = {.duration = 1};
    FILE *outputs[WRITERS_MAX];
    (void)state;
    scene_begin(&s);
    for (size_t i = 0; i < WRITERS_MAX; i++) {
        outputs[i] = tmpfile();
        assert_non_null(outputs[i]);
        s.files[i].fd = fileno(outputs[i]);
        assert_true(s.writings[i].writer->begin(&s.writings[i]));
    }
    for (int i = 0; i < 2; i++)
        assert_true(make(&drafts[i], &s));
    for (int i = 0; i < 2; i++) {
        assert_null(draft_write(&drafts[i], s.writings, WRITERS_MAX, s.host));
        draft_free(&drafts[i]);
    }
    for (size_t i = 0; i < WRITERS_MAX; i++) {
        assert_int_equal(s.writings[i].recorded, 2 * s.host->count);
        assert_true(s.writings[i].writer->end(&s.writings[i], &end));
        s.writings[i].writer->free(&s.writings[i]);
    }
    char *records = read_all(outputs[0]), *table = read_all(outputs[1]);
    assert_vouched(records, 2 * s.host->count);
    assert_non_null(strstr(table, "HOST"));
    assert_non_null(strstr(table, "endpoints shown"));
    free(records);
    free(table);
    scene_end(&s);
}

/* Which of them could not be written is said. */
static void test_a_writer_fails(void **state)
{
    struct scene s;
    struct draft d = {0};
    (void)state;
    scene_begin(&s);
    FILE *output = tmpfile();
    assert_non_null(output);
    s.files[0].fd = fileno(output);
    s.files[1].fd = -1;
    assert_true(s.writings[0].writer->begin(&s.writings[0]));
    assert_false(s.writings[1].writer->begin(&s.writings[1]));
    assert_true(make(&d, &s));
    assert_ptr_equal(draft_write(&d, s.writings, WRITERS_MAX, s.host), &s.writings[1]);
    for (size_t i = 0; i < WRITERS_MAX; i++)
        s.writings[i].writer->free(&s.writings[i]);
    fclose(output);
    draft_free(&d);
    scene_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_used_again),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_a_run),
        cmocka_unit_test(test_a_writer_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
