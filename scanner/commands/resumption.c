/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/resumption.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "output/infile.h"
#include "output/record.h"
#include "scanner/commands/command.h"
#include "scanner/say.h"

/* Always false. */
static bool refuse(const struct outfile *f, const char *problem)
{
    say(stderr, PROGRAM ": %s: %s", f->name, problem);
    return false;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Of a run that is complete all stays. */
static bool measure(struct resumption *r)
{
    off_t size = r->from.complete ? lseek(r->file.fd, 0, SEEK_END) : (off_t)r->from.keep;
    r->keep = (uint64_t)size;
    return size >= 0 || refuse(&r->file, strerror(errno));
}

bool resumption_open(struct resumption *r, const char *path)
{
    *r = (struct resumption){0};
    if (!outfile_reopen(&r->file, path))
        return refuse(&r->file, outfile_problem(&r->file));
    return continuation_read(&r->from, &r->file, stderr) && measure(r);
}

/* --- is it the same run? ---------------------------------------------------------------------- */

static bool has_policies(const struct continuation *c, const struct policies *policies)
{
    if (c->policy_count != policies->count)
        return false;
    for (size_t i = 0; i < c->policy_count; i++)
        if (strcmp(c->policies[i], policy_sha256(policies->items[i])) != 0)
            return false;
    return true;
}

/* NULL is none. */
static bool is_same(const char *was, const char *is)
{
    return strcmp(was, is ? is : "") == 0;
}

static bool has_waivers(const struct continuation *c, const struct waivers *waivers)
{
    return is_same(c->waivers, waivers ? waivers_sha256(waivers) : NULL);
}

static bool has_baseline(const struct continuation *c, const struct baseline *baseline)
{
    return is_same(c->baseline, baseline ? baseline_sha256(baseline) : NULL);
}

static bool has_order(const struct continuation *c, const struct run *run)
{
    return c->seeded == !run->ordered && (run->ordered || c->seed == run->seed);
}

bool resumption_fits(const struct resumption *r, const struct run *run)
{
    const struct continuation *c = &r->from;
    char hash[RECORD_HASH_SIZE];

    if (strcmp(c->version, run->version) != 0)
        return refuse(&r->file, "the run was begun by another version of this program");
    if (!record_options_hash(run, hash))
        return refuse(&r->file, "out of memory");
    if (strcmp(c->options_sha256, hash) != 0 || c->streamed != run->streamed)
        return refuse(&r->file, "the run had other targets or options");
    if (c->shards != run->shards || c->shard != run->shard)
        return refuse(&r->file, "the run was another shard (--shard)");
    if (!has_order(c, run))
        return refuse(&r->file, "the run had another order (--seed, --ordered)");
    if (!has_policies(c, &run->policies))
        return refuse(&r->file, "the run had other policies");
    if (!has_waivers(c, run->exceptions.waivers))
        return refuse(&r->file, "the run had other waivers");
    return has_baseline(c, run->exceptions.baseline) ||
           refuse(&r->file, "the run had another baseline");
}

/* --- where it goes on ------------------------------------------------------------------------- */

static bool copy(const struct resumption *r, struct outfile *to)
{
    char piece[65536];
    for (uint64_t at = 0; at < r->keep;) {
        size_t want = r->keep - at < sizeof piece ? (size_t)(r->keep - at) : sizeof piece;
        ssize_t n = pread(r->file.fd, piece, want, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return refuse(&r->file, n < 0 ? strerror(errno) : "it changes while it is read");
        if (!outfile_write(to, piece, (size_t)n))
            return refuse(to, outfile_problem(to));
        at += (uint64_t)n;
    }
    return true;
}

bool resumption_stays(const struct resumption *r, const char *path)
{
    return infile_is(r->file.name, path);
}

bool resumption_place(struct resumption *r, const char *path, struct outfile *out)
{
    if (!resumption_stays(r, path))
        return outfile_open(out, path) ? copy(r, out) : refuse(out, outfile_problem(out));
    *out = r->file;
    r->file.fd = -1;
    return outfile_cut(out, r->keep) || refuse(out, outfile_problem(out));
}

void resumption_free(struct resumption *r)
{
    if (r->file.name && r->file.fd >= 0)
        close(r->file.fd);
    continuation_free(&r->from);
}
