/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "output/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "output/reader_facts.h"
#include "scanner/grow.h"
#include "scanner/omission.h"
#include "scanner/targets.h"

#define HOST_NAME_OCTETS ((size_t)253)
#define LABELS_MAX ((size_t)32)

struct reading {
    struct target_host target;
    struct target_label labels[LABELS_MAX];
    struct omissions omissions;
    struct host_view view;
    size_t capacity, service_capacity;
    const struct service **services;
    cJSON *identity; /* what the records of one host have in common; NULL: empty */
    struct held *held;
};

/* What is held since then is let go. */
static void let_go(struct reading *reading, const struct held *since)
{
    while (reading->held != since) {
        struct held *h = reading->held;
        reading->held = h->next;
        free(h);
    }
}

static const cJSON *find(const struct reader *r, const char *path)
{
    return members_find(&r->m, path);
}

/* --- identity --------------------------------------------------------------------------------- */

static bool is_host_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= HOST_NAME_OCTETS &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") == n;
}

static bool read_labels(struct reader *r, struct reading *reading, struct target_host *target)
{
    static const char path[] = "/endpoint/labels";
    const cJSON *item;
    target->labels = reading->labels;
    target->label_count = 0;
    cJSON_ArrayForEach(item, find(r, path))
    {
        if (target->label_count == LABELS_MAX || !item->string)
            return members_fail(&r->m, path, "more than there can be");
        struct target_label *label = &reading->labels[target->label_count];
        struct held *key = reader_hold(r, path, span_of(item->string));
        if (!key || !reader_hold_word(r, item, path, &label->value))
            return members_fail(&r->m, path, "not all of them are texts");
        label->key = key->text;
        target->label_count++;
    }
    return true;
}

static void read_omission(struct reader *r, const cJSON *item, const char *path, struct omission *o)
{
    const char *family = "";
    *o = (struct omission){.family = AF_INET};
    member_word(&r->m, member_of(item, "family"), path, &family);
    if (strcmp(family, "ipv6") == 0)
        o->family = AF_INET6;
    else if (strcmp(family, "ipv4") != 0)
        members_fail(&r->m, path, "of a family that is not known");
    member_number(&r->m, member_of(item, "count"), path, UINT64_MAX, &o->count);
    member_address(&r->m, member_of(item, "first"), path, &o->first);
    if (!reader_hold_word(r, member_of(item, "reason"), path, &o->reason))
        members_fail(&r->m, path, "without a reason");
}

static void read_omissions(struct reader *r, struct reading *reading)
{
    static const char path[] = "/endpoint/left_out";
    const cJSON *item, *list = find(r, path);
    struct omissions *all = &reading->omissions;
    all->count = 0;
    if (list && !cJSON_IsArray(list))
        members_fail(&r->m, path, "not a list");
    cJSON_ArrayForEach(item, list)
    {
        if (all->count == OMISSIONS_MAX) {
            members_fail(&r->m, path, "more than there can be");
            return;
        }
        read_omission(r, item, path, &all->list[all->count++]);
    }
    reading->view.omissions = all->count ? all : NULL;
}

/* The host, as the first record names it. */
static bool read_host(struct reader *r, struct reading *reading)
{
    struct target_host target = {.line = 0};
    const char *host = NULL, *sni = NULL, *run;

    member_word(&r->m, find(r, "/run_id"), "/run_id", &run);
    member_address(&r->m, find(r, "/endpoint/ip"), "/endpoint/ip", &reading->view.address);
    if (!reader_hold_word(r, find(r, "/endpoint/host"), "/endpoint/host", &host))
        return members_fail(&r->m, "/endpoint/host", "missing");
    if (member_word(&r->m, find(r, "/endpoint/sni"), "/endpoint/sni", &sni)) {
        if (strcmp(host, sni) != 0 || !is_host_name(host))
            return members_fail(&r->m, "/endpoint/host", "not the name of a host");
        target.name = host;
    } else if (!address_parse(span_of(host), &target.address) ||
               address_compare(&target.address, &reading->view.address) != 0) {
        return members_fail(&r->m, "/endpoint/host", "not the address");
    }
    reader_hold_word(r, find(r, "/endpoint/source/file"), "/endpoint/source/file", &target.file);
    member_number(&r->m, find(r, "/endpoint/source/line"), "/endpoint/source/line", UINT64_MAX,
                  &target.line);
    read_omissions(r, reading);
    if (!read_labels(r, reading, &target))
        return false;
    reading->target = target;
    return !r->m.failed;
}

/* A row of the table, or one of our own. */
static const struct service *hold_service(struct reader *r, struct service row)
{
    for (size_t i = 0; i < services_table_count; i++)
        if (services_table[i].protocol == row.protocol && services_table[i].port == row.port &&
            services_table[i].mode == row.mode)
            return &services_table[i];
    struct held *h = reader_hold(r, "/endpoint", span_of(""));
    if (!h)
        return NULL;
    h->service = row;
    return &h->service;
}

static const struct service *read_service(struct reader *r)
{
    const char *word = "", *mode = "";
    uint64_t port = 0;
    struct service row = {0};

    member_word(&r->m, find(r, "/endpoint/protocol"), "/endpoint/protocol", &word);
    row.protocol = protocol_find(span_of(word));
    if (!row.protocol)
        members_fail(&r->m, "/endpoint/protocol", "not one of ours");
    member_number(&r->m, find(r, "/endpoint/port"), "/endpoint/port", UINT16_MAX, &port);
    if (!port)
        members_fail(&r->m, "/endpoint/port", "not a port");
    member_word(&r->m, find(r, "/endpoint/mode"), "/endpoint/mode", &mode);
    if (!mode_parse(span_of(mode), &row.mode))
        members_fail(&r->m, "/endpoint/mode", "not one of ours");
    if (r->m.failed)
        return NULL;
    row.port = (uint16_t)port;
    return hold_service(r, row);
}

/* --- a host ----------------------------------------------------------------------------------- */

struct reading *reading_new(void)
{
    struct reading *r = calloc(1, sizeof *r);
    if (r)
        r->view.target = &r->target;
    return r;
}

void reading_free(struct reading *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->view.count; i++)
        observation_free(&r->view.endpoints[i]);
    let_go(r, NULL);
    free(r->view.endpoints);
    free(r->services);
    cJSON_Delete(r->identity);
    free(r);
}

/* What the records of one host have in common: none of it is deeper than labels. */
static const char *const common[] = {
    "/run_id",          "/endpoint/host",        "/endpoint/ip",         "/endpoint/sni",
    "/endpoint/labels", "/endpoint/source/file", "/endpoint/source/line"};

static bool is_same_host(const struct reading *reading, const struct members *m)
{
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        const cJSON *mine = member_of(reading->identity, common[i]);
        const cJSON *other = members_find(m, common[i]);
        if (mine ? !cJSON_Compare(mine, other, true) : other != NULL)
            return false;
    }
    return true;
}

static bool has_service(const struct reading *reading, const struct members *m)
{
    const cJSON *protocol = members_find(m, "/endpoint/protocol");
    const cJSON *port = members_find(m, "/endpoint/port");
    for (size_t i = 0; i < reading->view.count; i++) {
        const struct service *s = reading->view.endpoints[i].service;
        if (cJSON_IsString(protocol) && cJSON_IsNumber(port) && s->port == port->valueint &&
            strcmp(s->protocol->name, protocol->valuestring) == 0)
            return true;
    }
    return false;
}

bool reading_takes(const struct reading *reading, const cJSON *record)
{
    struct members m = {.root = record};
    return !reading->identity || (reading->view.count < READING_ENDPOINTS_MAX &&
                                  is_same_host(reading, &m) && !has_service(reading, &m));
}

static bool is_ours(struct reader *r)
{
    const char *type = "", *schema = "";
    member_word(&r->m, find(r, "/type"), "/type", &type);
    member_word(&r->m, find(r, "/schema"), "/schema", &schema);
    if (strcmp(type, "endpoint") != 0)
        return members_fail(&r->m, "/type", "not the record of an endpoint");
    if (strncmp(schema, "1.", 2) != 0)
        return members_fail(&r->m, "/schema", "not of version 1");
    return !r->m.failed;
}

/* Remembers what the other records of this host must have too. */
static bool read_identity(struct reader *r, struct reading *reading)
{
    cJSON *identity = cJSON_CreateObject();
    bool ok = identity && read_host(r, reading);
    for (size_t i = 0; ok && i < sizeof common / sizeof *common; i++) {
        const cJSON *item = members_find(&r->m, common[i]);
        cJSON *copy = cJSON_Duplicate(item, true);
        ok = !item || (copy && cJSON_AddItemToObject(identity, common[i], copy));
    }
    if (ok) {
        reading->identity = identity;
        return true;
    }
    cJSON_Delete(identity);
    return members_fail(&r->m, "/endpoint", "out of memory");
}

static bool make_room(struct reading *reading)
{
    struct host_view *view = &reading->view;
    return grow(&view->endpoints, view->count, &reading->capacity, sizeof *view->endpoints) &&
           grow(&reading->services, view->count, &reading->service_capacity,
                sizeof *reading->services);
}

static void forget_identity(struct reading *reading)
{
    cJSON_Delete(reading->identity);
    reading->identity = NULL;
    reading->target = (struct target_host){.name = NULL};
    reading->view.address = (struct address){.family = 0};
    reading->view.omissions = NULL;
}

/* The observation is there only if all went well. */
static bool read_endpoint(struct reader *r, struct reading *reading)
{
    if (!is_ours(r))
        return false;
    if (!reading_takes(reading, r->m.root))
        return members_fail(&r->m, "/endpoint", "of another host, or there already");
    const struct service *service = read_service(r);
    if (!service || (!reading->identity && !read_identity(r, reading)))
        return false;
    if (!make_room(reading))
        return members_fail(&r->m, "/endpoint", "out of memory");
    observation_init(r->o, service);
    reader_facts(r);
    if (r->m.failed)
        observation_free(r->o);
    return !r->m.failed;
}

bool reading_add(struct reading *reading, const cJSON *record, char *problem, size_t size)
{
    struct host_view *view = &reading->view;
    const struct held *held = reading->held;
    struct observation o;
    struct reader r = {
        .m = {.root = record, .problem = problem, .size = size}, .held = &reading->held, .o = &o};

    if (!read_endpoint(&r, reading)) {
        if (view->count == 0)
            forget_identity(reading);
        let_go(reading, held);
        return false;
    }
    view->answered |= reader_was_connected(&o);
    view->endpoints[view->count] = o;
    reading->services[view->count] = o.service;
    view->count++;
    reading->target.services = reading->services;
    reading->target.service_count = view->count;
    return true;
}

const struct host_view *reading_view(const struct reading *reading)
{
    return &reading->view;
}
