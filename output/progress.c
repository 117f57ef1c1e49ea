/* SPDX-License-Identifier: MIT */
#include "output/progress.h"

#include <inttypes.h>

void progress_draw(FILE *f, const struct progress *p)
{
    double seconds = (double)p->elapsed / 1000;
    double rate = seconds > 0 ? (double)(p->hosts - p->before) / seconds : 0;

    fprintf(f, "\r\033[K%" PRIu64, p->hosts);
    if (p->total)
        fprintf(f, " of %" PRIu64, p->total);
    fprintf(f, " hosts, %.0f/s, %" PRIu64 " answered, %u connections", rate, p->answered,
            p->active);
    if (p->total > p->hosts && rate > 0) {
        uint64_t left = (uint64_t)((double)(p->total - p->hosts) / rate);
        fprintf(f, ", %" PRIu64 ":%02" PRIu64 " left", left / 60, left % 60);
    }
    fflush(f);
}

void progress_clear(FILE *f)
{
    fputs("\r\033[K", f);
    fflush(f);
}
