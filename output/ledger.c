/* SPDX-License-Identifier: MIT */
#include "output/ledger.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "output/hex.h"

bool ledger_init(struct ledger *l)
{
    *l = (struct ledger){0};
    return gnutls_hash_init(&l->hash, GNUTLS_DIG_SHA256) >= 0;
}

bool ledger_copy(struct ledger *l, const struct ledger *from)
{
    *l = (struct ledger){.hash = gnutls_hash_copy(from->hash)};
    return l->hash;
}

void ledger_free(struct ledger *l)
{
    if (l->hash)
        gnutls_hash_deinit(l->hash, NULL);
    free(l->lines);
    *l = (struct ledger){0};
}

bool ledger_add(struct ledger *l, const char *line)
{
    size_t len = strlen(line);
    if (l->len + len + 1 > l->max) {
        size_t max = 2 * (l->len + len + 1);
        char *lines = realloc(l->lines, max);
        if (!lines)
            return false;
        l->lines = lines;
        l->max = max;
    }
    memcpy(l->lines + l->len, line, len);
    l->lines[l->len + len] = '\n';
    l->len += len + 1;
    return true;
}

bool ledger_take(struct ledger *l, char *line)
{
    bool ok = line && ledger_add(l, line);
    cJSON_free(line);
    return ok;
}

void ledger_note(struct ledger *l, const char *line, size_t len)
{
    gnutls_hash(l->hash, line, len);
    gnutls_hash(l->hash, "\n", 1);
}

bool ledger_flush(struct ledger *l, struct outfile *file)
{
    bool ok = outfile_write(file, l->lines, l->len) && gnutls_hash(l->hash, l->lines, l->len) >= 0;
    l->len = 0;
    return ok;
}

const char *ledger_hash(struct ledger *l, char out[LEDGER_HASH_SIZE])
{
    unsigned char digest[32];
    gnutls_hash_hd_t copy = gnutls_hash_copy(l->hash);
    if (!copy)
        return NULL;
    gnutls_hash_deinit(copy, digest);
    return hex_encode(digest, sizeof digest, out, LEDGER_HASH_SIZE);
}
