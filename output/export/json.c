/* SPDX-License-Identifier: MIT */
#include "output/export/json.h"

/* What stands in front of a value. */
static bool put_front(struct exporting *e, const char *name)
{
    bool ok = !e->comma || put(e, ",");
    e->comma = true;
    return ok && (!name || (put(e, "\"") && put(e, name) && put(e, "\":")));
}

bool json_begin(struct exporting *e, const char *name, char bracket)
{
    bool ok = put_front(e, name) && put_span(e, (struct span){&bracket, 1});
    e->comma = false;
    return ok;
}

bool json_end(struct exporting *e, char bracket)
{
    e->comma = true;
    return put_span(e, (struct span){&bracket, 1});
}

bool json_text(struct exporting *e, const char *name, const char *text)
{
    return text && put_front(e, name) && put_json(e, text);
}

bool json_text_if(struct exporting *e, const char *name, const char *text)
{
    return text && (!*text || json_text(e, name, text));
}

bool json_number(struct exporting *e, const char *name, double number)
{
    return put_front(e, name) && put_number(e, number);
}

bool json_truth(struct exporting *e, const char *name, bool truth)
{
    return put_front(e, name) && put(e, truth ? "true" : "false");
}

bool json_member_if(struct exporting *e, const char *name, const cJSON *item)
{
    if (cJSON_IsString(item))
        return json_text_if(e, name, item->valuestring);
    if (cJSON_IsNumber(item))
        return json_number(e, name, item->valuedouble);
    return !cJSON_IsBool(item) || json_truth(e, name, cJSON_IsTrue(item));
}

bool json_list_if(struct exporting *e, const char *name, const cJSON *list)
{
    const cJSON *item;
    if (!cJSON_IsArray(list) || !list->child)
        return true;
    bool ok = json_begin(e, name, '[');
    cJSON_ArrayForEach(item, list)
    {
        ok = ok && (!cJSON_IsString(item) || json_text(e, NULL, item->valuestring));
    }
    return ok && json_end(e, ']');
}

bool json_line(struct exporting *e)
{
    return put(e, "\n");
}

bool json_finish(struct exporting *e)
{
    e->comma = false;
    return put(e, "\n");
}
