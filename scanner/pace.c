/* SPDX-License-Identifier: MIT */
#include "scanner/pace.h"

#define SAVED_MS 100        /* what a rate saves up    */
#define SAMPLES_MIN 8       /* before it is believed   */
#define RETRANSMISSION 1000 /* ms, RFC 6298 section 2 */

struct rate rate_new(double per_second, uint64_t now)
{
    return (struct rate){.per_ms = per_second / 1000, .saved = 1, .at = now};
}

uint64_t rate_wait(struct rate *r, uint64_t now)
{
    if (r->per_ms <= 0)
        return 0;
    double most = 1 + r->per_ms * SAVED_MS;
    r->saved += (double)(now - r->at) * r->per_ms;
    r->at = now;
    if (r->saved > most)
        r->saved = most;
    return r->saved >= 1 ? 0 : (uint64_t)((1 - r->saved) / r->per_ms) + 1;
}

void rate_take(struct rate *r)
{
    if (r->per_ms > 0)
        r->saved -= 1;
}

void round_trip_add(struct round_trip *r, uint64_t ms)
{
    double sample = (double)ms, off = sample - r->smoothed;
    if (r->samples == 0) {
        r->smoothed = sample;
        r->variation = sample / 2;
    } else {
        r->variation += ((off < 0 ? -off : off) - r->variation) / 4;
        r->smoothed += off / 8;
    }
    r->samples += r->samples < SAMPLES_MIN;
}

unsigned round_trip_timeout(const struct round_trip *r, unsigned ceiling)
{
    double timeout = RETRANSMISSION + r->smoothed + 4 * r->variation;
    if (r->samples < SAMPLES_MIN || timeout >= ceiling)
        return ceiling;
    if (timeout < ROUND_TRIP_MIN)
        timeout = ROUND_TRIP_MIN;
    return timeout < ceiling ? (unsigned)timeout : ceiling;
}

struct patience patience_new(unsigned ms)
{
    return (struct patience){.left = ms};
}

/* The next connection not before this time has passed; the host's account pays for it. */
static bool spend(struct patience *p, uint64_t now, unsigned ms)
{
    if (ms > p->left)
        return false;
    p->left -= ms;
    p->not_before = now + ms;
    return true;
}

bool patience_setback(struct patience *p, uint64_t begun, uint64_t now)
{
    unsigned wait = p->space ? p->space * 4 : PATIENCE_FIRST;
    if (wait > PATIENCE_LONGEST)
        wait = PATIENCE_LONGEST;
    if (p->space && begun <= p->last)
        return true;
    if (p->at_an_end || p->setbacks >= PATIENCE_TRIES || !spend(p, now, wait)) {
        p->at_an_end = true;
        p->space = 0;
        return false;
    }
    p->setbacks++;
    p->space = wait;
    p->last = now;
    return true;
}

void patience_success(struct patience *p)
{
    p->setbacks = 0;
}

void patience_begin(struct patience *p, uint64_t now)
{
    if (p->space && !spend(p, now, p->space)) {
        p->at_an_end = true;
        p->space = 0;
    }
}
