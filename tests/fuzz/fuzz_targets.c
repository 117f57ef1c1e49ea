/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a list of targets, twice: streamed in pieces, and each line as an argument. No input
 * may break a bound, the order of hosts, or the promise that no host is given twice; the size of
 * the pieces must not show. The first octet is the size of the pieces, the second says which lines
 * are held before the stream begins.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "scanner/targets.h"

#define HOSTS_MAX 2000 /* pulled from one input: a line may stand for very many */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Hosts in a form in which two runs can be compared. */
static void print_host(const struct target_host *h, FILE *out)
{
    char text[ADDRESS_TEXT_MAX];
    require(h->service_count > 0 && h->line > 0);
    if (h->name)
        require(strlen(h->name) > 0 && strlen(h->name) <= 253);
    fprintf(out, "%s %zu", h->name ? h->name : address_format(&h->address, text), h->service_count);
    for (size_t i = 0; i < h->label_count; i++) {
        require(!i || strcmp(h->labels[i - 1].key, h->labels[i].key) < 0);
        fprintf(out, " %s=%s", h->labels[i].key, h->labels[i].value);
    }
    fputc('\n', out);
}

static void stream(struct targets *t, struct span text, size_t chunk, FILE *out)
{
    struct targets_stream *s = targets_stream_open(t, "input");
    struct target_host host;
    enum targets_step step;
    unsigned hosts = 0;
    char *piece = NULL;
    require(s != NULL);
    while (hosts < HOSTS_MAX && (step = targets_stream_next(s, &host)) != TARGETS_END) {
        require(step != TARGETS_FAILED);
        if (step == TARGETS_HOST) {
            hosts++;
            print_host(&host, out);
            require(host.name || !targets_excluded(t, &host.address));
            continue;
        }
        struct span next = span_until(text, chunk);
        text = span_from(text, next.len);
        if (!next.len) {
            targets_stream_end(s);
            continue;
        }
        free(piece);
        piece = malloc(next.len);
        require(piece != NULL);
        memcpy(piece, next.at, next.len);
        targets_stream_feed(s, (struct span){piece, next.len});
    }
    free(piece);
    targets_stream_free(s);
}

static void add_lines(struct targets *t, struct span text, unsigned which)
{
    for (unsigned line = 0; text.len; line++) {
        const char *end = memchr(text.at, '\n', text.len);
        size_t length = end ? (size_t)(end - text.at) : text.len;
        char *copy = strndup(text.at, length);
        require(copy != NULL);
        if (which & 1u << line % 8)
            targets_add_argument(t, copy);
        free(copy);
        text = span_from(text, length + 1);
    }
}

static void check_held(const struct targets *t)
{
    struct target_host host, before;
    uint64_t count = targets_count(t);
    for (uint64_t i = 0; i < count && i < HOSTS_MAX; i++) {
        require(targets_host(t, i, &host));
        require(i == 0 || host.name || address_compare(&before.address, &host.address) < 0);
        before = host;
    }
    require(!targets_host(t, count, &host));
    require(count == 0 || targets_host(t, count - 1, &host));
}

/* One run, and what came of it as text. */
static char *run(struct span text, size_t chunk, unsigned which)
{
    char *result;
    size_t length;
    FILE *out = open_memstream(&result, &length);
    struct choice *choice = choice_new();
    struct targets *t = targets_new(choice, out);
    require(out && choice && t);
    add_lines(t, text, which);
    if (targets_build(t) == 0) {
        check_held(t);
        require(targets_describe(t, out));
        stream(t, text, chunk, out);
    }
    targets_free(t);
    choice_free(choice);
    fclose(out);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct span text = {(const char *)data + 2, size - 2};
    char *whole = run(text, SIZE_MAX, data[1]);
    char *pieces = run(text, (size_t)data[0] + 1, data[1]);
    require(strcmp(whole, pieces) == 0);
    free(whole);
    free(pieces);
    return 0;
}
