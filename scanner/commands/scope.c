/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "scanner/commands/scope.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scanner/commands/command.h"
#include "scanner/commands/notice.h"

static bool choose_services(struct scope *s)
{
    const struct scan_options *o = s->options;
    if (!(s->choice = choice_new()))
        return false;
    for (size_t i = 0; i < o->service_count; i++)
        if (!choice_narrow(s->choice, o->services[i], stderr))
            return false;
    for (size_t i = 0; i < o->port_count; i++)
        if (!choice_extend(s->choice, o->ports[i], stderr))
            return false;
    return true;
}

bool scope_read(struct scope *s, const struct scan_options *o)
{
    size_t errors = 0;

    s->options = o;
    if (!choose_services(s) || !(s->targets = targets_new(s->choice, stderr)))
        return false;
    for (size_t i = 0; i < o->exclude_count; i++)
        errors += targets_exclude_file(s->targets, o->excludes[i]);
    for (size_t i = 0; i < o->target_count; i++)
        errors += targets_add_argument(s->targets, o->targets[i]);
    for (size_t i = 0; o->lines && i < o->word_count; i++)
        if (!*o->words[i].option)
            errors += targets_add_line(s->targets, o->config, o->words[i].line, o->words[i].text);
    for (size_t i = 0; i < o->file_count; i++)
        errors += targets_add_file(s->targets, o->files[i]);
    if (errors || targets_build(s->targets))
        return false;
    return !o->from_stdin || (s->stream = targets_stream_open(s->targets, "-"));
}

void scope_tell_ignored(const struct scope *s)
{
    uint64_t n = s->targets ? targets_ignored(s->targets) : 0;
    if (n && !s->options->quiet)
        notice(PRIORITY_NOTE,
               "%" PRIu64 " list entries for ports that are not asked were passed over", n);
}

/* Standard input is read to its end here: nothing is scanned. */
static bool count_stream(struct scope *s, uint64_t *hosts, uint64_t *endpoints)
{
    static char buffer[65536];
    struct target_host host;
    enum targets_step step;

    while ((step = targets_stream_next(s->stream, &host)) == TARGETS_HOST ||
           step == TARGETS_NEED_MORE) {
        if (step == TARGETS_HOST) {
            ++*hosts;
            *endpoints += host.service_count;
            continue;
        }
        ssize_t n = read(STDIN_FILENO, buffer, sizeof buffer);
        if (n > 0)
            targets_stream_feed(s->stream, (struct span){buffer, (size_t)n});
        else if (n == 0)
            targets_stream_end(s->stream);
        else if (errno != EINTR)
            return false;
    }
    return step == TARGETS_END && !targets_stream_errors(s->stream);
}

int scope_describe(struct scope *s)
{
    const struct dealer_options *part = &s->options->crew.dealer;
    uint64_t hosts = targets_count(s->targets), endpoints = targets_endpoints(s->targets);
    bool ok = targets_describe(s->targets, stdout);
    if (s->stream && !count_stream(s, &hosts, &endpoints))
        ok = false;
    scope_tell_ignored(s);
    printf("%" PRIu64 " hosts, %" PRIu64 " endpoints\n", hosts, endpoints);
    if (part->shards)
        printf("shard %u/%u: %" PRIu64 " hosts\n", part->shard, part->shards,
               shard_size(hosts, part->shard, part->shards));
    if (fflush(stdout) == EOF || ferror(stdout)) {
        notice(PRIORITY_ERROR, "standard output: %s", strerror(errno));
        ok = false;
    }
    return ok ? EXIT_DONE : EXIT_TROUBLE;
}

void scope_free(struct scope *s)
{
    targets_stream_free(s->stream);
    targets_free(s->targets);
    choice_free(s->choice);
}
