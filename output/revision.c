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

/* The record with the members that were built. */
static char *print(cJSON *record, struct builder *b)
{
    bool ok = !b->failed;
    while (ok && b->root->child)
        ok = replace(record, cJSON_DetachItemViaPointer(b->root, b->root->child));
    cJSON_Delete(b->root);
    return ok ? cJSON_PrintUnformatted(record) : NULL;
}

char *revision_run_start(cJSON *record, const struct policies *policies)
{
    struct builder b = {.root = cJSON_CreateObject()};
    put_policies(&b, policies);
    return print(record, &b);
}

char *revision_endpoint(cJSON *record, const struct policies *policies,
                        const struct opinion *opinion)
{
    struct builder b = {.root = cJSON_CreateObject()};
    put_verdicts(&b, policies, opinion);
    return print(record, &b);
}

char *revision_merged_start(cJSON *record, int64_t started, const struct list *sources)
{
    struct builder b = {.root = cJSON_CreateObject()};
    const cJSON *vantage = member_of(record, "vantage");
    char time[RECORD_TIME_SIZE];

    put_text(&b, b.root, "time", record_time(started, true, time));
    put_text(&b, b.root, "started", time);
    if (cJSON_IsObject(vantage)) {
        cJSON *copy = put_item(&b, b.root, "vantage", cJSON_Duplicate(vantage, true));
        cJSON_DeleteItemFromObjectCaseSensitive(copy, "source_addresses");
        put_list(&b, copy, "source_addresses", sources);
    }
    put_null(&b, b.root, "shard");
    return print(record, &b);
}

char *revision_run_id(cJSON *record, const char *run_id)
{
    struct builder b = {.root = cJSON_CreateObject()};
    put_text(&b, b.root, "run_id", run_id);
    return print(record, &b);
}

char *revision_run_end(cJSON *record, const struct tally *tally, const char *hash, int exit_code)
{
    struct builder b = {.root = cJSON_CreateObject()};
    put_tally(&b, tally);
    put_text(&b, b.root, "records_sha256", hash);
    put_number(&b, b.root, "exit_code", (uint64_t)exit_code);
    return print(record, &b);
}
