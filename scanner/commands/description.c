/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/description.h"

#include <ares.h>
#include <cjson/cJSON.h>
#include <gnutls/crypto.h>
#include <stdlib.h>

#include "output/hex.h"
#include "scanner/commands/command.h"

#define SCOPE_LINES_MAX                                                                            \
    ((size_t)1000) /* of the targets in run_start; all of them are in its hash */

/* RFC 9562 section 5.7: 48 bits of time, then chance. */
static bool make_run_id(int64_t ms, char out[RUN_ID_SIZE])
{
    unsigned char octets[16];
    char hex[33];
    if (gnutls_rnd(GNUTLS_RND_NONCE, octets, sizeof octets) < 0)
        return false;
    for (int i = 0; i < 6; i++)
        octets[i] = (unsigned char)(ms >> (40 - 8 * i));
    octets[6] = (unsigned char)(0x70 | (octets[6] & 0x0f));
    octets[8] = (unsigned char)(0x80 | (octets[8] & 0x3f));
    hex_encode(octets, sizeof octets, hex, sizeof hex);
    snprintf(out, RUN_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
    return true;
}

/* Takes the description of the targets as it is written: hashes all of it, keeps the first lines.
 */
struct scope_taker {
    struct description *description;
    gnutls_hash_hd_t hash;
    char line[1024];
    size_t len;
};

static ssize_t take_scope(void *cookie, const char *bytes, size_t size)
{
    struct scope_taker *t = cookie;
    struct run *run = &t->description->run;
    gnutls_hash(t->hash, bytes, size);
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            if (t->len < sizeof t->line - 1)
                t->line[t->len++] = bytes[i];
            continue;
        }
        t->line[t->len] = 0;
        run->targets_total++;
        if (run->target_count < SCOPE_LINES_MAX &&
            (t->description->scope[run->target_count] = strdup(t->line)))
            run->target_count++;
        t->len = 0;
    }
    return (ssize_t)size;
}

static bool describe_scope(struct description *d, const struct targets *targets)
{
    struct scope_taker taker = {.description = d};
    unsigned char digest[32];
    bool ok = false;

    d->scope = calloc(SCOPE_LINES_MAX, sizeof *d->scope);
    if (!d->scope || gnutls_hash_init(&taker.hash, GNUTLS_DIG_SHA256) < 0)
        return false;
    FILE *f = fopencookie(&taker, "w", (cookie_io_functions_t){.write = take_scope});
    if (f) {
        ok = targets_describe(targets, f);
        ok = fclose(f) == 0 && ok;
    }
    gnutls_hash_deinit(taker.hash, digest);
    d->run.scope_hash = hex_encode(digest, sizeof digest, d->scope_hash, sizeof d->scope_hash);
    d->run.targets = (const char *const *)d->scope;
    return ok;
}

/* The chosen rows as PROTOCOL/MODE:PORT, with commas between them. */
static char *describe_choice(const struct service_set *set)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    for (uint32_t i = 0; i < set->count; i++)
        fprintf(f, "%s%s/%s:%u", i ? "," : "", set->rows[i]->protocol->name,
                mode_name(set->rows[i]->mode), (unsigned)set->rows[i]->port);
    fclose(f);
    return text;
}

enum { ASKED, MANNER };

static void add(struct description *d, bool manner, const char *name, enum run_option_kind kind,
                const char *text, uint64_t number)
{
    d->options[d->run.option_count++] = (struct run_option){name, kind, text, number, manner};
    d->run.options = d->options;
}

bool description_make(struct description *d, const struct scan_options *o,
                      const struct targets *targets, const struct service_set *chosen)
{
    const struct engine_options *e = &o->crew.engine;
    struct run *run = &d->run;

    run->started = now_ms();
    run->version = VERSION;
    run->libraries[0].name = "gnutls";
    run->libraries[0].version = gnutls_check_version(NULL);
    run->libraries[1].name = "libuv";
    run->libraries[1].version = uv_version_string();
    run->libraries[2].name = "c-ares";
    run->libraries[2].version = ares_version(NULL);
    run->libraries[3].name = "cjson";
    run->libraries[3].version = cJSON_Version();
    run->source_address = e->source ? address_format(e->source, d->source) : NULL;
    run->hosts = targets_count(targets);
    run->endpoints = targets_endpoints(targets);
    run->streamed = o->from_stdin;
    d->chosen = describe_choice(chosen);
    if (!d->chosen || !make_run_id(run->started, run->id) || !describe_scope(d, targets))
        return false;
    facts_text(e->endpoint.facts, d->facts, sizeof d->facts);
    snprintf(d->rate, sizeof d->rate, "%g", e->rate);
    add(d, ASKED, "services", OPTION_LIST, d->chosen, 0);
    add(d, ASKED, "facts", OPTION_LIST, d->facts, 0);
    add(d, ASKED, "exhaustive", OPTION_TRUTH, NULL, e->endpoint.exhaustive);
    add(d, ASKED, "dummy_login", OPTION_TRUTH, NULL, e->endpoint.dummy_login);
    add(d, ASKED, "all", OPTION_TRUTH, NULL, o->all);
    add(d, ASKED, "state", OPTION_TRUTH, NULL, o->state != NULL);
    add(d, ASKED, "ca_file", OPTION_TEXT, o->ca_file, 0);
    add(d, MANNER, "scan_name", OPTION_TEXT, o->scan_name, 0);
    add(d, MANNER, "resolver", OPTION_TEXT, o->crew.dealer.resolver, 0);
    add(d, MANNER, "ehlo_name", OPTION_TEXT, e->name, 0);
    add(d, MANNER, "concurrency", OPTION_NUMBER, NULL, e->concurrency);
    add(d, MANNER, "per_host", OPTION_NUMBER, NULL, e->per_host);
    add(d, MANNER, "per_net", OPTION_NUMBER, NULL, e->per_net);
    add(d, MANNER, "rate", OPTION_TEXT, e->rate > 0 ? d->rate : NULL, 0);
    add(d, MANNER, "patience_ms", OPTION_NUMBER, NULL, e->patience_ms);
    add(d, MANNER, "connect_timeout_ms", OPTION_NUMBER, NULL, e->deadlines.connect);
    add(d, MANNER, "greeting_timeout_ms", OPTION_NUMBER, NULL, e->deadlines.greeting);
    add(d, MANNER, "reply_timeout_ms", OPTION_NUMBER, NULL, e->deadlines.reply);
    add(d, MANNER, "tls_timeout_ms", OPTION_NUMBER, NULL, e->deadlines.tls);
    add(d, MANNER, "endpoint_timeout_ms", OPTION_NUMBER, NULL, e->endpoint.deadline_ms);
    run->seed = o->crew.dealer.seed;
    run->ordered = o->crew.dealer.ordered;
    run->shard = o->crew.dealer.shard;
    run->shards = o->crew.dealer.shards;
    return true;
}

void description_free(struct description *d)
{
    for (size_t i = 0; i < d->run.target_count; i++)
        free(d->scope[i]);
    free(d->scope);
    free(d->chosen);
}
