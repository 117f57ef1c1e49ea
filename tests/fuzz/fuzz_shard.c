/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the file of a shard, as they are and with a run_end that vouches for them: what is
 * made of a whole shard is one too, and merging it once more changes nothing.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/merge.h"
#include "output/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUTPUT_MAX ((size_t)16 << 20)

static void require(bool condition)
{
    if (!condition)
        abort();
}

static FILE *nobody(void)
{
    static FILE *f;
    if (!f)
        f = fopen("/dev/null", "w");
    require(f != NULL);
    return f;
}

/* A file in memory, and the name that it can be opened by. */
static int make_file(const void *bytes, size_t size, char path[32])
{
    int fd = memfd_create("shard", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void write_end(struct ledger *ledger, struct outfile *file, const struct run *run,
                      const struct run_end *end)
{
    char text[LEDGER_HASH_SIZE];
    require(ledger_flush(ledger, file));
    const char *hash = ledger_hash(ledger, text);
    require(hash && record_run_end(&ledger->page, run, end, hash) && ledger_flush(ledger, file));
}

/* The merged run, in memory that the caller frees; NULL: it is no whole shard. */
static char *merge_bytes(const void *bytes, size_t size, size_t *length)
{
    char source[32], target[32], *out = NULL;
    struct merge merge = {.messages = nobody()};
    int in = make_file(bytes, size, source), to = make_file("", 0, target);
    struct outfile file = {.fd = to, .name = target};

    if (merge_add(&merge, source) == SHARD_WHOLE) {
        struct ledger ledger;
        struct run run = {.started = 0};
        struct run_end end = {0};
        merge_settle(&merge);
        require(merge.count == 1 && ledger_init(&ledger));
        require(merge_missing(&merge, ",", nobody()) == merge.expected - 1);
        require(merge_write(&merge, &ledger, &file, &run, &end) != MERGE_FAILED);
        write_end(&ledger, &file, &run, &end);
        ledger_free(&ledger);
        *length = (size_t)lseek(to, 0, SEEK_END);
        require(*length < OUTPUT_MAX && (out = malloc(*length)) != NULL);
        require(pread(to, out, *length, 0) == (ssize_t)*length);
    }
    merge_free(&merge);
    close(in);
    close(to);
    return out;
}

static void check(const void *bytes, size_t size)
{
    size_t length = 0, again_length = 0;
    char *once = merge_bytes(bytes, size, &length);
    if (!once)
        return;
    char *again = merge_bytes(once, length, &again_length);
    require(again && again_length == length && memcmp(once, again, length) == 0);
    free(again);
    free(once);
}

/* How many endpoints there are, and of which run. */
static uint64_t survey(const uint8_t *data, size_t size, char run_id[RUN_ID_SIZE])
{
    struct span rest = {(const char *)data, size};
    uint64_t count = 0;
    while (rest.len) {
        const char *end = memchr(rest.at, '\n', rest.len);
        size_t n = end ? (size_t)(end - rest.at) : rest.len;
        cJSON *record = members_parse(span_until(rest, n));
        const cJSON *id = member_of(record, "run_id"), *type = member_of(record, "type");
        if (cJSON_IsString(id))
            snprintf(run_id, RUN_ID_SIZE, "%.36s", id->valuestring);
        count += cJSON_IsString(type) && strcmp(type->valuestring, "endpoint") == 0;
        cJSON_Delete(record);
        rest = span_from(rest, n + 1);
    }
    return count;
}

/* The bytes with an end of the right hash and counts. */
static void check_sealed(const uint8_t *data, size_t size)
{
    char path[32];
    int fd = make_file(data, size, path);
    struct outfile file = {.fd = fd, .name = path};
    struct ledger ledger;
    struct run run = {.started = INT64_C(4102444800000)};
    struct run_end end = {
        .totals = {.hosts = 1, .answered = 1, .recorded = survey(data, size, run.id)}};

    for (int s = 0; s < STATUS_COUNT; s++)
        end.totals.statuses[s] = end.totals.recorded;
    require(ledger_init(&ledger));
    gnutls_hash(ledger.hash, data, size);
    write_end(&ledger, &file, &run, &end);
    ledger_free(&ledger);
    size_t length = (size_t)lseek(fd, 0, SEEK_END);
    char *bytes = malloc(length);
    require(bytes && pread(fd, bytes, length, 0) == (ssize_t)length);
    check(bytes, length);
    free(bytes);
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size);
    check_sealed(data, size);
    return 0;
}
