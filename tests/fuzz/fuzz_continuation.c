/* SPDX-License-Identifier: MIT */
/*
 * Any file as the records of an interrupted run: where it is taken, what stays of it is whole lines,
 * and a checkpoint that is put behind them says the same again. Hashes and counts of lines are set
 * right before, since nobody guesses them.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/continuation.h"
#include "output/hex.h"
#include "output/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static char *find(char *line, size_t len, const char *text)
{
    return memmem(line, len, text, strlen(text));
}

/* As many digits as there are. */
static void put_count(char *at, const char *end, unsigned count)
{
    char *last = at;
    while (last < end && *last >= '0' && *last <= '9')
        last++;
    for (; last > at; count /= 10)
        *--last = (char)('0' + count % 10);
}

/* Whoever vouches for the lines above is right. */
static void mend(char *data, size_t size)
{
    static const char hash[] = "\"records_sha256\":\"", recorded[] = "\"recorded\":";
    unsigned endpoints = 0;
    struct ledger l;

    require(ledger_init(&l));
    for (size_t at = 0, n; at < size; at += n + 1) {
        char *line = data + at, *end = memchr(line, '\n', size - at), *found;
        n = end ? (size_t)(end - line) : size - at;
        if ((found = find(line, n, recorded)))
            put_count(found + strlen(recorded), line + n, endpoints);
        if ((found = find(line, n, hash)) && (size_t)(line + n - found) > strlen(hash) + 64) {
            char text[LEDGER_HASH_SIZE];
            require(ledger_hash(&l, text));
            memcpy(found + strlen(hash), text, 64);
        }
        endpoints += find(line, n, "\"type\":\"endpoint\"") != NULL;
        ledger_note(&l, line, n);
    }
    ledger_free(&l);
}

static void check_totals(const struct totals *one, const struct totals *other)
{
    require(one->recorded == other->recorded && one->hosts == other->hosts);
    require(one->answered == other->answered);
    require(memcmp(one->statuses, other->statuses, sizeof one->statuses) == 0);
    require(memcmp(one->tally.findings, other->tally.findings, sizeof one->tally.findings) == 0);
}

/* The run goes on, and is interrupted behind its first checkpoint. */
static void go_on(const struct continuation *c, struct outfile *file, FILE *errors)
{
    struct run run = {.started = c->started, .ordered = !c->seeded, .seed = c->seed};
    struct writing w = {.writer = &writer_ndjson, .run = &run, .file = file};
    struct checkpoint mark = {.time = c->started,
                              .cursor = c->cursor,
                              .pending = c->pending,
                              .pending_count = c->pending_count,
                              .totals = c->totals};
    struct continuation again;

    memcpy(run.id, c->run_id, sizeof run.id);
    require(outfile_cut(file, c->keep));
    require(w.writer->resume(&w, c) && w.writer->checkpoint(&w, &mark));
    w.writer->free(&w);
    require(continuation_read(&again, file, errors));
    require(again.keep == (uint64_t)lseek(file->fd, 0, SEEK_END) && !*again.problem);
    require(again.cursor == c->cursor && again.pending_count == c->pending_count);
    check_totals(&again.totals, &c->totals);
    continuation_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *errors;
    struct outfile file = {.fd = memfd_create("records", MFD_CLOEXEC), .name = "records"};
    char *bytes = malloc(size + 1);
    struct continuation c;

    if (!errors)
        errors = fopen("/dev/null", "w");
    require(file.fd >= 0 && bytes && errors);
    memcpy(bytes, data, size);
    mend(bytes, size);
    require(write(file.fd, bytes, size) == (ssize_t)size);
    if (continuation_read(&c, &file, errors) && !c.complete) {
        require(c.keep > 0 && c.keep <= size && bytes[c.keep - 1] == '\n');
        for (size_t i = 0; i < c.pending_count; i++)
            require(c.pending[i] < c.cursor && (!i || c.pending[i] > c.pending[i - 1]));
        go_on(&c, &file, errors);
    }
    continuation_free(&c);
    free(bytes);
    close(file.fd);
    return 0;
}
