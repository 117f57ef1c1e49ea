/* SPDX-License-Identifier: MIT */
/* ndjson.c: the records, a line each: what every other output can be made from. */
#include <cjson/cJSON.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "output/hex.h"
#include "output/record.h"
#include "output/writer.h"

/* What run_end vouches for: everything written before it. */
struct ndjson {
    gnutls_hash_hd_t hash;
    char *lines; /* of one host */
    size_t len, max;
};

static bool add_line(struct ndjson *n, char *line)
{
    size_t len = line ? strlen(line) : 0;
    if (line && n->len + len + 1 > n->max) {
        size_t max = 2 * (n->len + len + 1);
        char *lines = realloc(n->lines, max);
        if (!lines) {
            cJSON_free(line);
            return false;
        }
        n->lines = lines;
        n->max = max;
    }
    if (line) {
        memcpy(n->lines + n->len, line, len);
        n->lines[n->len + len] = '\n';
        n->len += len + 1;
    }
    cJSON_free(line);
    return line != NULL;
}

/* A host's lines go out in one piece. */
static bool flush(struct writing *w)
{
    struct ndjson *n = w->state;
    bool ok =
        outfile_write(w->file, n->lines, n->len) && gnutls_hash(n->hash, n->lines, n->len) >= 0;
    n->len = 0;
    return ok;
}

static bool begin(struct writing *w)
{
    struct ndjson *n = w->state = calloc(1, sizeof *n);
    return n && gnutls_hash_init(&n->hash, GNUTLS_DIG_SHA256) >= 0 &&
           add_line(n, record_run_start(w->run)) && flush(w);
}

static bool host(struct writing *w, const struct host_view *view)
{
    struct ndjson *n = w->state;
    for (size_t i = 0; i < view->count; i++)
        if (!add_line(n, record_endpoint(w->run, view, &view->endpoints[i])))
            return false;
    w->recorded += view->count;
    return flush(w);
}

static bool end(struct writing *w, const struct run_end *run_end)
{
    struct ndjson *n = w->state;
    unsigned char digest[32];
    char text[2 * sizeof digest + 1];

    gnutls_hash_output(n->hash, digest);
    return add_line(n, record_run_end(w->run, run_end,
                                      hex_encode(digest, sizeof digest, text, sizeof text))) &&
           flush(w);
}

static void free_state(struct writing *w)
{
    struct ndjson *n = w->state;
    if (!n)
        return;
    if (n->hash)
        gnutls_hash_deinit(n->hash, NULL);
    free(n->lines);
    free(n);
    w->state = NULL;
}

const struct writer writer_ndjson = {"ndjson", begin, host, end, free_state};
