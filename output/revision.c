/* SPDX-License-Identifier: MIT */
#include "output/revision.h"

#include <string.h>

#include "output/members.h"
#include "output/record.h"
#include "output/verdict.h"

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

/* The members that were built are on the page so far, and make way for the whole record. */
static bool end(struct builder *b, cJSON *record)
{
    if (!builder_end(b))
        return false;
    struct page *page = b->page;
    cJSON *built = cJSON_ParseWithLength(page->bytes + b->start, page->len - b->start);
    bool ok = built != NULL;
    page->len = b->start;
    while (ok && built->child)
        ok = replace(record, cJSON_DetachItemViaPointer(built, built->child));
    cJSON_Delete(built);
    return ok && print(page, record);
}

bool revision_run_start(struct page *page, cJSON *record, const char *version,
                        const struct policies *policies)
{
    struct builder b;
    builder_begin(&b, page);
    put_standard(&b, version, policies);
    return end(&b, record);
}

bool revision_endpoint(struct page *page, cJSON *record, const struct policies *policies,
                       const struct opinion *opinion)
{
    struct builder b;
    builder_begin(&b, page);
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

bool revision_checkpoint(struct page *page, cJSON *record, const struct tally *tally,
                         const char *hash)
{
    struct builder b;
    builder_begin(&b, page);
    put_tally(&b, tally);
    put_text(&b, b.root, "records_sha256", hash);
    return end(&b, record);
}

bool revision_run_end(struct page *page, cJSON *record, const struct tally *tally, const char *hash,
                      int exit_code)
{
    struct builder b;
    builder_begin(&b, page);
    put_tally(&b, tally);
    put_text(&b, b.root, "records_sha256", hash);
    put_number(&b, b.root, "exit_code", (uint64_t)exit_code);
    return end(&b, record);
}
