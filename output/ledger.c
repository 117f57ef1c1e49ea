/* SPDX-License-Identifier: MIT */
#include "output/ledger.h"

#include <cjson/cJSON.h>
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
    page_free(&l->page);
    *l = (struct ledger){0};
}

bool ledger_take(struct ledger *l, char *line)
{
    size_t len = line ? strlen(line) : 0;
    char *at = line ? page_room(&l->page, len + 1) : NULL;
    if (at) {
        memcpy(at, line, len);
        at[len] = '\n';
        l->page.len += len + 1;
    }
    cJSON_free(line);
    return at != NULL;
}

void ledger_note(struct ledger *l, const char *line, size_t len)
{
    gnutls_hash(l->hash, line, len);
    gnutls_hash(l->hash, "\n", 1);
}

bool ledger_write(struct ledger *l, struct outfile *file, const struct page *page)
{
    return outfile_write(file, page->bytes, page->len) &&
           gnutls_hash(l->hash, page->bytes, page->len) >= 0;
}

bool ledger_flush(struct ledger *l, struct outfile *file)
{
    bool ok = ledger_write(l, file, &l->page);
    page_clear(&l->page);
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
