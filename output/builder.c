/* SPDX-License-Identifier: MIT */
#include "output/builder.h"

#include "output/hex.h"

cJSON *put_item(struct builder *b, cJSON *parent, const char *name, cJSON *item)
{
    if (!item || !parent ||
        !(name ? cJSON_AddItemToObject(parent, name, item) : cJSON_AddItemToArray(parent, item))) {
        cJSON_Delete(item);
        b->failed = true;
        return NULL;
    }
    return item;
}

cJSON *put_object(struct builder *b, cJSON *parent, const char *name)
{
    return put_item(b, parent, name, cJSON_CreateObject());
}

cJSON *put_array(struct builder *b, cJSON *parent, const char *name)
{
    return put_item(b, parent, name, cJSON_CreateArray());
}

void put_text(struct builder *b, cJSON *parent, const char *name, const char *text)
{
    put_item(b, parent, name, text ? cJSON_CreateString(text) : cJSON_CreateNull());
}

void put_truth(struct builder *b, cJSON *parent, const char *name, bool value)
{
    put_item(b, parent, name, cJSON_CreateBool(value));
}

void put_null(struct builder *b, cJSON *parent, const char *name)
{
    put_item(b, parent, name, cJSON_CreateNull());
}

void put_number(struct builder *b, cJSON *parent, const char *name, uint64_t value)
{
    put_item(b, parent, name, cJSON_CreateNumber((double)value));
}

void put_hex(struct builder *b, cJSON *parent, const char *name, const unsigned char *octets,
             size_t count)
{
    char text[2 * 32 + 1];
    put_text(b, parent, name, hex_encode(octets, count, text, sizeof text));
}

void put_list(struct builder *b, cJSON *parent, const char *name, const struct list *list)
{
    cJSON *array = put_array(b, parent, name);
    for (size_t i = 0; i < list->count; i++)
        put_item(b, array, NULL, cJSON_CreateString(list->items[i]));
}
