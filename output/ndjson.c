/* SPDX-License-Identifier: MIT */
/* ndjson.c: the records, a line each: what every other output can be made from. */
#include <stdlib.h>

#include "output/ledger.h"
#include "output/record.h"
#include "output/writer.h"

static bool begin(struct writing *w)
{
    struct ledger *l = w->state = calloc(1, sizeof *l);
    return l && ledger_init(l) && record_run_start(&l->page, w->run) && ledger_flush(l, w->file);
}

static bool render(const struct writing *w, const struct host_view *view,
                   const struct opinions *opinions, struct page *page)
{
    for (size_t i = 0; i < view->count; i++) {
        struct opinion opinion = opinions_at(opinions, i);
        if (!record_endpoint(page, w->run, view, &view->endpoints[i], &opinion))
            return false;
    }
    return true;
}

/* A host's lines go out in one piece. */
static bool host(struct writing *w, const struct host_view *view, const struct opinions *opinions,
                 const struct page *page)
{
    (void)opinions;
    w->recorded += view->count;
    return ledger_write(w->state, w->file, page);
}

static bool end(struct writing *w, const struct run_end *run_end)
{
    struct ledger *l = w->state;
    char text[LEDGER_HASH_SIZE];
    const char *hash = ledger_hash(l, text);
    return hash && record_run_end(&l->page, w->run, run_end, hash) && ledger_flush(l, w->file);
}

static void free_state(struct writing *w)
{
    if (w->state)
        ledger_free(w->state);
    free(w->state);
    w->state = NULL;
}

const struct writer writer_ndjson = {"ndjson", begin, render, host, end, free_state};
