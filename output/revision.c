/* SPDX-License-Identifier: MIT */
#include "output/revision.h"

#include <string.h>

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

char *revision_checkpoint(cJSON *record, const struct tally *tally, const char *hash)
{
    struct builder b = {.root = cJSON_CreateObject()};
    put_tally(&b, tally);
    put_text(&b, b.root, "records_sha256", hash);
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
