/* SPDX-License-Identifier: MIT */
/* ndjson.c: the records, a line each: what every other output can be made from. */
#include <stdlib.h>

#include "output/continuation.h"
#include "output/record.h"
#include "output/writer.h"

#define PIECE ((size_t)1 << 16) /* lines that may wait for others */

/* Whoever listens hears what is in the file, and nothing else. */
static bool write_lines(struct writing *w, const struct page *page)
{
    if (!ledger_write(w->state, w->file, page))
        return false;
    if (w->listener.on_lines && page->len)
        w->listener.on_lines(w->listener.context, page->bytes, page->len);
    return true;
}

static bool flush(struct writing *w)
{
    struct ledger *l = w->state;
    bool ok = !l->page.len || write_lines(w, &l->page);
    page_clear(&l->page);
    return ok;
}

static bool begin(struct writing *w)
{
    struct ledger *l = w->state = calloc(1, sizeof *l);
    return l && ledger_init(l) && record_run_start(&l->page, w->run) && flush(w);
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

static bool resume(struct writing *w, const struct continuation *c)
{
    struct ledger *l = w->state = calloc(1, sizeof *l);
    w->recorded = c->totals.recorded;
    return l && ledger_copy(l, &c->kept);
}

/* A host's lines go out in one piece. */
static bool host(struct writing *w, const struct host_view *view, const struct opinions *opinions,
                 const struct page *page)
{
    (void)opinions;
    w->recorded += view->count;
    return write_lines(w, page);
}

/* The hash for a line that vouches for all above it. They reach the disk before that line can:
 * whatever a power cut leaves of it and of what follows, what it stands for is there. */
static const char *vouch(struct writing *w, char out[LEDGER_HASH_SIZE])
{
    return outfile_sync(w->file) ? ledger_hash(w->state, out) : NULL;
}

static bool checkpoint(struct writing *w, const struct checkpoint *c)
{
    struct ledger *l = w->state;
    char text[LEDGER_HASH_SIZE];
    const char *hash = vouch(w, text);
    return hash && record_checkpoint(&l->page, w->run, c, hash) && flush(w);
}

/* These come many at a time. */
static bool not_asked(struct writing *w, const struct absent *absent, int64_t time)
{
    struct ledger *l = w->state;
    return record_not_asked(&l->page, w->run, absent, time) && (l->page.len < PIECE || flush(w));
}

static bool end(struct writing *w, const struct run_end *run_end)
{
    struct ledger *l = w->state;
    char text[LEDGER_HASH_SIZE];
    const char *hash = flush(w) ? vouch(w, text) : NULL;
    return hash && record_run_end(&l->page, w->run, run_end, hash) && flush(w);
}

static void free_state(struct writing *w)
{
    if (w->state)
        ledger_free(w->state);
    free(w->state);
    w->state = NULL;
}

const struct writer writer_ndjson = {"ndjson",   begin,  render,     host,     end,
                                     free_state, resume, checkpoint, not_asked};
