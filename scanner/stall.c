/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/stall.h"

#include <time.h>

#define BEAT_MS UINT64_C(500)
#define MADE_NS UINT64_C(1000000000)

static uint64_t clock_ms(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_BOOTTIME, &now) < 0)
        clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* It looks now. */
static void look(struct stall *s)
{
    uint64_t now = clock_ms(), gap = now - s->last;
    s->last = now;
    if (gap < STALL_MS)
        return;
    s->count++;
    s->lost += gap;
}

static void on_beat(uv_timer_t *beat)
{
    look(beat->data);
}

void stall_begin(struct stall *s, uv_loop_t *loop)
{
    *s = (struct stall){.last = clock_ms()};
    uv_timer_init(loop, &s->beat);
    s->beat.data = s;
    uv_timer_start(&s->beat, on_beat, BEAT_MS, BEAT_MS);
    uv_unref((uv_handle_t *)&s->beat);
}

static void on_closed(uv_handle_t *beat)
{
    struct stall *s = beat->data;
    s->on_ended(s->context);
}

void stall_end(struct stall *s, void (*on_ended)(void *context), void *context)
{
    s->on_ended = on_ended;
    s->context = context;
    uv_close((uv_handle_t *)&s->beat, on_closed);
}

unsigned stall_count(struct stall *s)
{
    if (!s)
        return 0;
    if (clock_ms() - s->last >= STALL_MS)
        look(s);
    return s->count;
}

uint64_t stall_lost(struct stall *s)
{
    return stall_count(s) ? s->lost : 0;
}

bool stall_made(uint64_t begun)
{
    return uv_hrtime() - begun > MADE_NS;
}
