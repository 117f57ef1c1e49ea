/* SPDX-License-Identifier: MIT */
/*
 * Any lines as the records of hosts: what is read can be judged and written, and what is written is
 * read again as the same.
 */
#include <stdlib.h>

#include "output/reader.h"
#include "output/record.h"
#include "output/rules/judgement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct run run = {.id = "01a2097e-4580-7c3e-9b1f-2f6a51c0d9e4"};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static char *write_record(const struct host_view *view, const struct observation *o)
{
    struct page page = {0};
    require(record_endpoint(&page, &run, view, o, NULL));
    require(page.bytes[page.len - 1] == '\n');
    page.bytes[page.len - 1] = '\0';
    return page.bytes;
}

/* Once it is ours, nothing more is cleaned or left out. */
static void check_again(const char *line)
{
    char problem[READING_PROBLEM_SIZE];
    struct reading *r = reading_new();
    cJSON *record = cJSON_Parse(line);

    require(r && record);
    require(reading_add(r, record, problem, sizeof problem));
    char *again = write_record(reading_view(r), reading_view(r)->endpoints);
    require(strcmp(line, again) == 0);
    free(again);
    cJSON_Delete(record);
    reading_free(r);
}

static void check_host(const struct host_view *view)
{
    struct judgement *judgements = calloc(view->count + 1, sizeof *judgements);
    require(judgements && judge_host(view, judgements));
    judgements_free(judgements, view->count);
    free(judgements);
    for (size_t i = 0; i < view->count; i++) {
        char *line = write_record(view, &view->endpoints[i]);
        check_again(line);
        free(line);
    }
}

static void add_line(struct reading **r, struct span line)
{
    char problem[READING_PROBLEM_SIZE] = "";
    cJSON *record = cJSON_ParseWithLength(line.at, line.len);

    if (record && !reading_takes(*r, record)) {
        check_host(reading_view(*r));
        reading_free(*r);
        *r = reading_new();
        require(*r != NULL);
    }
    if (record && !reading_add(*r, record, problem, sizeof problem))
        require(*problem == '/');
    cJSON_Delete(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = {(const char *)data, size};
    struct reading *r = reading_new();

    require(r != NULL);
    while (rest.len) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t n = end ? (size_t)(end - rest.at) : rest.len;
        add_line(&r, span_until(rest, n));
        rest = span_from(rest, n + 1);
    }
    check_host(reading_view(r));
    reading_free(r);
    return 0;
}
