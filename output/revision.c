/* SPDX-License-Identifier: MIT */
#include "output/revision.h"

#include <string.h>

#include "output/members.h"
#include "output/record.h"
#include "output/verdict.h"

#define LIKE_OURS "1.2" /* the schema before this one: what is seen is the same */

/* Puts a member in the place of the one of its name; where there is none, at the end. If there are
 * more of that name, they go: some readers would take the last. */
static bool replace(cJSON *record, cJSON *member)
{
    cJSON *old = cJSON_GetObjectItemCaseSensitive(record, member->string);
    bool ok = old ? cJSON_ReplaceItemViaPointer(record, old, member)
                  : cJSON_AddItemToObject(record, member->string, member);
    if (!ok) {
        cJSON_Delete(member);
        return false;
    }
    for (cJSON *next, *item = member->next; item; item = next) {
        next = item->next;
        if (item->string && strcmp(item->string, member->string) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(record, item));
    }
    return true;
}

static bool print(struct page *page, const cJSON *record)
{
    size_t before = page->len;
    char *line = cJSON_PrintUnformatted(record);
    bool ok = line && page_add(page, line, strlen(line)) && page_add(page, "\n", 1);
    if (!ok)
        page->len = before;
    cJSON_free(line);
    return ok;
}

/* Such a member goes, however often it is there. */
static void drop(cJSON *record, const char *name)
{
    while (cJSON_GetObjectItemCaseSensitive(record, name))
        cJSON_DeleteItemFromObjectCaseSensitive(record, name);
}

/* The members that were built are on the page so far, and make way for the whole record. Those of
   the names (NULL behind them) that were not built are not in it. */
static bool end_without(struct builder *b, cJSON *record, const char *const *names)
{
    if (!builder_end(b))
        return false;
    struct page *page = b->page;
    cJSON *built = cJSON_ParseWithLength(page->bytes + b->start, page->len - b->start);
    bool ok = built != NULL;
    page->len = b->start;
    for (; ok && *names; names++)
        if (!cJSON_GetObjectItemCaseSensitive(built, *names))
            drop(record, *names);
    while (ok && built->child)
        ok = replace(record, cJSON_DetachItemViaPointer(built, built->child));
    cJSON_Delete(built);
    return ok && print(page, record);
}

static bool end(struct builder *b, cJSON *record)
{
    static const char *const none[] = {NULL};
    return end_without(b, record, none);
}

/* Of records that count findings. */
static bool end_counts(struct builder *b, cJSON *record)
{
    static const char *const optional[] = {"findings_new", "waivers", NULL};
    return end_without(b, record, optional);
}

/* What is said of an endpoint is of this version; what was seen of it must be so too. */
static void begin(struct builder *b, struct page *page, const cJSON *record)
{
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(record, "schema");
    builder_begin(b, page);
    if (cJSON_IsString(schema) && strcmp(schema->valuestring, LIKE_OURS) == 0)
        put_text(b, b->root, "schema", RUN_SCHEMA);
}

bool revision_run_start(struct page *page, cJSON *record, const char *version,
                        const struct policies *policies, const struct exceptions *exceptions)
{
    struct builder b;
    begin(&b, page, record);
    put_standard(&b, version, policies, exceptions);
    return end(&b, record);
}

bool revision_endpoint(struct page *page, cJSON *record, const struct policies *policies,
                       const struct opinion *opinion)
{
    struct builder b;
    begin(&b, page, record);
    put_verdicts(&b, policies, opinion);
    return end(&b, record);
}

/* Where it was asked from, by all of its shards. */
static bool set_sources(cJSON *record, const struct list *sources)
{
    static const char name[] = "source_addresses";
    cJSON *vantage = cJSON_GetObjectItemCaseSensitive(record, "vantage");
    if (!cJSON_IsObject(vantage))
        return true;
    cJSON *array = cJSON_CreateArray();
    bool ok = array != NULL;
    for (size_t i = 0; ok && i < sources->count; i++)
        ok = cJSON_AddItemToArray(array, cJSON_CreateString(sources->items[i]));
    cJSON_DeleteItemFromObjectCaseSensitive(vantage, name);
    if (ok && cJSON_AddItemToObject(vantage, name, array))
        return true;
    cJSON_Delete(array);
    return false;
}

bool revision_merged_start(struct page *page, cJSON *record, int64_t started,
                           const struct list *sources)
{
    struct builder b;
    char time[RECORD_TIME_SIZE];

    if (!set_sources(record, sources))
        return false;
    builder_begin(&b, page);
    put_text(&b, b.root, "time", record_time(started, true, time));
    put_text(&b, b.root, "started", time);
    put_null(&b, b.root, "shard");
    return end(&b, record);
}

bool revision_run_id(struct page *page, cJSON *record, const char *run_id)
{
    struct builder b;
    builder_begin(&b, page);
    put_text(&b, b.root, "run_id", run_id);
    return end(&b, record);
}

int64_t revision_time(const cJSON *record)
{
    char problem[64];
    struct members m = {.root = record, .problem = problem, .size = sizeof problem};
    int64_t time = 0;
    member_time(&m, member_of(record, "time"), "/time", true, &time);
    return time;
}

bool revision_checkpoint(struct page *page, cJSON *record, const struct tally *tally,
                         const char *hash)
{
    struct builder b;
    begin(&b, page, record);
    put_tally(&b, tally);
    put_waiver_counts(&b, tally->usage);
    put_text(&b, b.root, "records_sha256", hash);
    return end_counts(&b, record);
}

bool revision_run_end(struct page *page, cJSON *record, const struct tally *tally, bool whole,
                      const char *hash, int exit_code)
{
    struct builder b;
    begin(&b, page, record);
    put_tally(&b, tally);
    put_waiver_states(&b, tally->usage, whole, revision_time(record));
    put_text(&b, b.root, "records_sha256", hash);
    put_number(&b, b.root, "exit_code", (uint64_t)exit_code);
    return end_counts(&b, record);
}
