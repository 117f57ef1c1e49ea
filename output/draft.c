/* SPDX-License-Identifier: MIT */
#include "output/draft.h"

bool draft_make(struct draft *d, const struct run *run, const struct writing *writings,
                size_t count, const struct host_view *host)
{
    bool ok = opinions_form(&d->opinions, &run->policies, &run->exceptions, host);
    for (size_t i = 0; i < count && ok; i++) {
        page_clear(&d->pages[i]);
        ok = writings[i].writer->render(&writings[i], host, &d->opinions, &d->pages[i]);
    }
    return ok;
}

const struct writing *draft_write(const struct draft *d, struct writing *writings, size_t count,
                                  const struct host_view *host)
{
    for (size_t i = 0; i < count; i++)
        if (!writings[i].writer->host(&writings[i], host, &d->opinions, &d->pages[i]))
            return &writings[i];
    return NULL;
}

void draft_free(struct draft *d)
{
    opinions_free(&d->opinions);
    for (size_t i = 0; i < WRITERS_MAX; i++)
        page_free(&d->pages[i]);
}
