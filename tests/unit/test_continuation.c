/* SPDX-License-Identifier: MIT */
/*
 * Runs that are interrupted at every octet of their records, and gone on with: nothing twice,
 * nothing lost. The run is played: targets are dealt out and completed as a scan does it, but for
 * the connections.
 */
#define _GNU_SOURCE
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "output/continuation.h"
#include "output/draft.h"
#include "output/reader.h"
#include "output/record.h"
#include "output/writer.h"
#include "output/yamlfile.h"

static struct run run = {
    .id = "01a2097e-4580-7c3e-9b1f-2f6a51c0d9e4",
    .started = 1795455841004,
    .version = "0.1.0",
    .libraries = {{"gnutls", "3"}, {"libuv", "1"}, {"c-ares", "1"}, {"cjson", "1"}},
    .targets_total = 10,
    .hosts = 10,
    .endpoints = 20,
    .scope_hash = "",
    .seed = UINT64_MAX,
    .shard = 3,
    .shards = 16};

/* --- what is scanned -------------------------------------------------------------------------- */

#define ADDRESSES_MAX 3
#define ENDPOINTS 2
#define TARGETS 10

/* How an address behaves. */
enum nature { SILENT, SHUT, OPEN, NO_ADDRESS, NATURES };

struct played {
    const char *name; /* NULL: an address */
    enum nature natures[ADDRESSES_MAX];
    size_t addresses;
};

static const struct played targets[TARGETS] = {
    {NULL, {SHUT}, 1},
    {"one.example.test", {OPEN, SILENT, SHUT}, 3},
    {NULL, {SILENT}, 1},
    {NULL, {OPEN}, 1},
    {"none.example.test", {NO_ADDRESS}, 1},
    {"two.example.test", {SILENT, SHUT}, 2},
    {NULL, {SILENT}, 1},
    {NULL, {SHUT}, 1},
    {"silent.example.test", {SILENT, SILENT}, 2},
    {NULL, {SHUT}, 1},
};
static size_t target_count = TARGETS; /* that are scanned */

/* Observations by nature; they are those of golden records. */
static struct reading *readings[NATURES][ENDPOINTS];
static const struct service *services[NATURES][ENDPOINTS];
static struct tally tallies[NATURES]; /* what is found there */

static struct reading *reading_of(const char *name)
{
    char path[256], problem[READING_PROBLEM_SIZE] = "", *text = calloc(1, 65536);
    struct reading *r = reading_new();
    snprintf(path, sizeof path, SOURCE_DIR "/tests/golden/%s.json", name);
    FILE *f = fopen(path, "r");
    assert_true(f && text && r && fread(text, 1, 65535, f) > 0);
    fclose(f);
    cJSON *record = cJSON_Parse(text);
    if (!record || !reading_add(r, record, problem, sizeof problem))
        fail_msg("%s: %s", name, problem);
    cJSON_Delete(record);
    free(text);
    return r;
}

struct scene {
    enum nature nature;
    struct target_host target;
    struct host_view view;
    struct observation endpoints[ENDPOINTS];
};

static void scene_init(struct scene *s, size_t number, size_t address)
{
    const struct played *p = &targets[number];
    enum nature nature = p->natures[address];
    memset(s, 0, sizeof *s);
    s->nature = nature;
    for (int i = 0; i < ENDPOINTS; i++)
        s->endpoints[i] = reading_view(readings[nature][i])->endpoints[0];
    if (nature != NO_ADDRESS)
        s->view.address = (struct address){
            AF_INET, {192, 0, (unsigned char)number, (unsigned char)(1 + address)}};
    s->target = (struct target_host){.name = p->name,
                                     .address = p->name ? (struct address){0} : s->view.address,
                                     .services = services[nature],
                                     .service_count = ENDPOINTS,
                                     .file = "targets.txt",
                                     .line = 1 + number};
    s->view.target = &s->target;
    s->view.endpoints = s->endpoints;
    s->view.count = ENDPOINTS;
    s->view.answered = nature == SHUT || nature == OPEN;
}

static void judge(size_t number, size_t address)
{
    struct scene s;
    struct opinions opinions = {0};
    scene_init(&s, number, address);
    tallies[s.nature] = (struct tally){0};
    assert_true(opinions_form(&opinions, &run.policies, &run.exceptions, &s.view));
    tally_add(&tallies[s.nature], &opinions);
    opinions_free(&opinions);
}

static int set_up(void **state)
{
    static const char *const names[NATURES][ENDPOINTS] = {
        [SILENT] = {"pop3-insecure-timeout", "imap-insecure-unreachable"},
        [SHUT] = {"imap-implicit-closed", "smtp-insecure-refused-421"},
        [OPEN] = {"pop3-insecure-login-enabled-ok", "imap-implicit-closed"},
        [NO_ADDRESS] = {"imap-insecure-dns-error", "imap-implicit-closed"}};
    (void)state;
    for (int n = 0; n < NATURES; n++)
        for (int i = 0; i < ENDPOINTS; i++) {
            readings[n][i] = reading_of(names[n][i]);
            services[n][i] = reading_view(readings[n][i])->endpoints[0].service;
        }
    for (size_t i = 0; i < TARGETS; i++)
        for (size_t k = 0; k < targets[i].addresses; k++)
            judge(i, k);
    assert_true(tally_reaches(&tallies[OPEN], SEVERITY_LOW));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int n = 0; n < NATURES; n++)
        for (int i = 0; i < ENDPOINTS; i++)
            reading_free(readings[n][i]);
    return 0;
}

/* Adds what the scene makes, but for what is recorded of it. */
static void totals_add(struct totals *t, const struct scene *s)
{
    t->hosts++;
    t->answered += s->view.answered;
    for (size_t i = 0; i < s->view.count; i++)
        t->statuses[s->endpoints[i].status]++;
}

static void totals_sum(struct totals *t, const struct totals *more)
{
    t->hosts += more->hosts;
    t->answered += more->answered;
    for (int i = 0; i < STATUS_COUNT; i++)
        t->statuses[i] += more->statuses[i];
}

/* Adds what is recorded of it. */
static void totals_record(struct totals *t, const struct scene *s)
{
    t->recorded += s->view.count;
    if (run.exceptions.waivers) { /* they depend on the endpoint */
        struct opinions opinions = {0};
        assert_true(opinions_form(&opinions, &run.policies, &run.exceptions, &s->view));
        tally_add(&t->tally, &opinions);
        opinions_free(&opinions);
        return;
    }
    for (int i = 0; i < SEVERITY_COUNT; i++)
        t->tally.findings[i] += tallies[s->nature].findings[i];
}

static void assert_totals(const struct totals *t, const struct totals *other)
{
    assert_int_equal(t->hosts, other->hosts);
    assert_int_equal(t->answered, other->answered);
    assert_int_equal(t->recorded, other->recorded);
    assert_memory_equal(t->statuses, other->statuses, sizeof t->statuses);
    assert_memory_equal(t->tally.findings, other->tally.findings, sizeof t->tally.findings);
}

/* --- a run ------------------------------------------------------------------------------------ */

struct dealt {
    size_t number, left;
    size_t order[ADDRESSES_MAX];
    struct totals silent; /* of a name: counts when all of it is complete */
};

struct play {
    bool all; /* record everything */
    struct outfile file;
    struct writing w;
    uint64_t cursor;
    const struct continuation *from;
    size_t again; /* of the pending ones of the continuation */
    struct dealt pending[4];
    size_t pending_count;
    struct totals totals;
    unsigned chance, complete;
};

static unsigned choose(struct play *p, size_t count)
{
    p->chance = p->chance * 1103515245u + 12345u;
    return (p->chance >> 16) % (unsigned)count;
}

static bool is_done(const struct play *p, size_t number, size_t address)
{
    struct scene s;
    scene_init(&s, number, address);
    return p->from && continuation_has(p->from, &s.target, &s.view.address);
}

static bool deal(struct play *p)
{
    struct dealt *d = &p->pending[p->pending_count];
    *d = (struct dealt){0};
    if (p->from && p->again < p->from->pending_count)
        d->number = p->from->pending[p->again++];
    else if (p->cursor < target_count)
        d->number = p->cursor++;
    else
        return false;
    for (size_t i = 0; i < targets[d->number].addresses; i++)
        if (!is_done(p, d->number, i))
            d->order[d->left++] = i;
    p->pending_count += d->left > 0;
    return true;
}

static void put_host(struct writing *w, const struct host_view *view)
{
    struct draft draft = {0};
    assert_true(draft_make(&draft, &run, w, 1, view));
    assert_null(draft_write(&draft, w, 1, view));
    draft_free(&draft);
}

static void complete_address(struct play *p, struct dealt *d)
{
    struct scene s;
    size_t which = choose(p, d->left);
    scene_init(&s, d->number, d->order[which]);
    d->order[which] = d->order[--d->left];
    if (run_records(p->all, &s.view)) {
        totals_add(&p->totals, &s);
        totals_record(&p->totals, &s);
        put_host(&p->w, &s.view);
    } else {
        totals_add(&d->silent, &s);
    }
    if (d->left)
        return;
    totals_sum(&p->totals, &d->silent);
    *d = p->pending[--p->pending_count];
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;
    return one < other ? -1 : one > other;
}

/* What is pending is what was dealt out and what is still to be dealt out again. */
static void write_checkpoint(struct play *p)
{
    uint64_t pending[TARGETS];
    struct checkpoint c = {.time = run.started + p->complete,
                           .cursor = p->cursor,
                           .pending = pending,
                           .totals = p->totals};
    for (size_t i = 0; i < p->pending_count; i++)
        pending[c.pending_count++] = p->pending[i].number;
    for (size_t i = p->again; p->from && i < p->from->pending_count; i++)
        pending[c.pending_count++] = p->from->pending[i];
    qsort(pending, c.pending_count, sizeof *pending, compare_numbers);
    assert_true(p->w.writer->checkpoint(&p->w, &c));
}

static void begin_play(struct play *p, const char *path, const struct continuation *from)
{
    p->w = (struct writing){.writer = &writer_ndjson, .run = &run, .file = &p->file};
    if (!from) {
        assert_true(outfile_open(&p->file, path));
        assert_true(p->w.writer->begin(&p->w));
        return;
    }
    p->from = from;
    p->cursor = from->cursor;
    p->totals = from->totals;
    assert_true(outfile_cut(&p->file, from->keep));
    assert_true(p->w.writer->resume(&p->w, from));
}

/* What a whole run says of endpoints that it was not to ask. */
static void write_absent(struct play *p)
{
    static const struct absent absent[] = {
        {"imap://192.0.9.1:143", "imap", "insecure", "192.0.9.1", "192.0.9.1", 143, true},
        {"smtp://gone.example.test:25", "smtp", "insecure", "gone.example.test", NULL, 25, false}};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_true(p->w.writer->not_asked(&p->w, &absent[i], run.started));
}

/* every: so many addresses between checkpoints; stop: after so many, in order; 0: at the end. */
static void play(struct play *p, unsigned every, unsigned stop)
{
    struct run_end end = {.duration = 1};
    for (;;) {
        while (p->pending_count < sizeof p->pending / sizeof *p->pending && deal(p))
            continue;
        if (!p->pending_count || (stop && p->complete == stop))
            break;
        complete_address(p, &p->pending[choose(p, p->pending_count)]);
        if (++p->complete % every == 0)
            write_checkpoint(p);
    }
    if (p->pending_count) {
        write_checkpoint(p);
        end.stopped_by = "signal";
        end.exit_code = 3;
    } else {
        write_absent(p);
    }
    end.totals = p->totals;
    assert_true(p->w.writer->end(&p->w, &end));
    assert_true(outfile_close(&p->file));
    p->w.writer->free(&p->w);
}

/* How its line begins. */
static const char run_end[] = "{\"schema\":\"" RUN_SCHEMA "\",\"type\":\"run_end\"";

/* --- files ------------------------------------------------------------------------------------ */

struct data {
    char *bytes;
    size_t size;
};

/* A file in memory, since it is written very often; by its name it is opened like any other. */
static char path[64];
static int descriptor;

static int make_file(void **state)
{
    (void)state;
    descriptor = memfd_create("test-continuation", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    return descriptor < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return close(descriptor);
}

static struct data load(void)
{
    struct data d = {NULL, 0};
    struct stat status;
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &status), 0);
    d.size = (size_t)status.st_size;
    d.bytes = malloc(d.size + 1);
    assert_non_null(d.bytes);
    assert_int_equal(fread(d.bytes, 1, d.size, f), d.size);
    d.bytes[d.size] = 0;
    fclose(f);
    return d;
}

static void store(const char *bytes, size_t size)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* What the file says; the message is kept. */
static char said[1024];

static bool read_file(struct continuation *c, struct outfile *file)
{
    memset(said, 0, sizeof said);
    FILE *errors = fmemopen(said, sizeof said - 1, "w");
    assert_non_null(errors);
    assert_true(outfile_reopen(file, path));
    bool ok = continuation_read(c, file, errors);
    fclose(errors);
    assert_true(ok == !*said);
    return ok;
}

static void forget(struct continuation *c, struct outfile *file)
{
    continuation_free(c);
    assert_true(outfile_close(file));
}

static void assert_refused(const char *part)
{
    struct continuation c;
    struct outfile file;
    bool ok = read_file(&c, &file);
    forget(&c, &file);
    if (ok || !strstr(said, part))
        fail_msg("'%s', and not '%s'", said, part);
    assert_memory_equal(said, path, strlen(path));
}

/* --- what is claimed -------------------------------------------------------------------------- */

/* Where the records of each address end. */
struct places {
    size_t ends[TARGETS][ADDRESSES_MAX][ENDPOINTS];
    size_t counts[TARGETS][ADDRESSES_MAX];
};

static void find_place(struct places *p, const char *line, size_t size, size_t end)
{
    char host[128], ip[96], text[ADDRESS_TEXT_MAX];
    for (size_t number = 0; number < target_count; number++)
        for (size_t i = 0; i < targets[number].addresses; i++) {
            struct scene s;
            scene_init(&s, number, i);
            const char *address =
                s.view.address.family ? address_format(&s.view.address, text) : "";
            snprintf(host, sizeof host, "\"host\":\"%s\",", s.target.name ? s.target.name : text);
            snprintf(ip, sizeof ip, *address ? "\"ip\":\"%s\"," : "\"ip\":null,", address);
            if (!memmem(line, size, host, strlen(host)) || !memmem(line, size, ip, strlen(ip)))
                continue;
            if (p->counts[number][i] < ENDPOINTS)
                p->ends[number][i][p->counts[number][i]] = end;
            p->counts[number][i]++;
        }
}

static struct places places_of(const char *bytes, size_t size)
{
    struct places p = {0};
    for (size_t at = 0; at < size;) {
        const char *end = memchr(bytes + at, '\n', size - at);
        size_t n = end ? (size_t)(end - bytes) - at : size - at;
        find_place(&p, bytes + at, n < 800 ? n : 800, at + n + 1);
        at += n + 1;
    }
    return p;
}

/* How many records of the address are in the first so many octets. */
static size_t count_records(const struct places *p, size_t size, size_t number, size_t address)
{
    size_t count = 0;
    for (size_t i = 0; i < p->counts[number][address] && i < ENDPOINTS; i++)
        count += p->ends[number][address][i] <= size;
    return count;
}

static bool is_to_do(const struct continuation *c, size_t number)
{
    for (size_t i = 0; i < c->pending_count; i++)
        if (c->pending[i] == number)
            return true;
    return number >= c->cursor;
}

/* Whoever is claimed to be there is there, all of it; and what stays, together with what is still to
 * be done, is the whole. */
static void check_claims(const struct continuation *c, const struct places *p, bool all,
                         const struct totals *whole)
{
    struct totals sum = c->totals;
    for (size_t number = 0; number < target_count; number++)
        for (size_t i = 0; i < targets[number].addresses; i++) {
            struct scene s;
            scene_init(&s, number, i);
            bool recorded = run_records(all, &s.view), to_do = is_to_do(c, number);
            bool has = continuation_has(c, &s.target, &s.view.address);
            size_t there = count_records(p, c->keep, number, i);
            if (to_do && !has && whole)
                assert_int_equal(there, 0);
            else if (has || (recorded && whole))
                assert_int_equal(there, s.view.count);
            if (!to_do || has)
                continue;
            totals_add(&sum, &s);
            if (recorded)
                totals_record(&sum, &s);
        }
    if (whole)
        assert_totals(&sum, whole);
}

/* --- cuts ------------------------------------------------------------------------------------- */

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The records of endpoints, asked or not, sorted, one text; checkpoints are not compared. */
static char *endpoints_of(const struct data *d)
{
    char *lines[64], *copy = strdup(d->bytes), *text = calloc(1, d->size + 1), *rest = copy, *line;
    size_t count = 0;
    assert_true(copy && text);
    while ((line = strsep(&rest, "\n")))
        if (strstr(line, "\"type\":\"endpoint\"") || strstr(line, "\"type\":\"not_asked\"")) {
            assert_true(count < 64);
            lines[count++] = line;
        }
    qsort(lines, count, sizeof *lines, compare_lines);
    for (size_t i = 0; i < count; i++) {
        strcat(text, lines[i]);
        strcat(text, "\n");
    }
    free(copy);
    return text;
}

/* Goes on with what is left of the run, to its end. */
static void assert_continued(const char *bytes, size_t cut, bool all, const struct data *whole,
                             const struct totals *totals)
{
    struct play p = {.all = all, .chance = (unsigned)cut};
    struct continuation c, again;
    struct outfile file;

    store(bytes, cut);
    assert_true(read_file(&c, &p.file));
    begin_play(&p, path, &c);
    play(&p, 1 + (unsigned)cut % 5, 0);
    continuation_free(&c);
    assert_true(read_file(&again, &file));
    assert_true(again.complete);
    assert_totals(&again.totals, totals);
    forget(&again, &file);
    struct data now = load();
    char *ours = endpoints_of(&now), *theirs = endpoints_of(whole);
    assert_string_equal(ours, theirs);
    free(ours);
    free(theirs);
    free(now.bytes);
}

static size_t line_end(const struct data *d, size_t from)
{
    const char *end = memchr(d->bytes + from, '\n', d->size - from);
    assert_non_null(end);
    return (size_t)(end - d->bytes) + 1;
}

static void check_cut(const struct data *d, const struct places *places, size_t cut, bool all,
                      const struct totals *whole)
{
    struct continuation c;
    struct outfile file;
    bool ok = read_file(&c, &file);
    assert_int_equal(ok, cut >= line_end(d, 0));
    if (ok && !c.complete) {
        assert_true(c.keep <= cut && c.keep >= line_end(d, 0));
        assert_int_equal(d->bytes[c.keep - 1], '\n');
        check_claims(&c, places, all, whole);
    }
    forget(&c, &file);
}

/* A run as it would be without an interruption, in the file. */
static struct data uninterrupted(bool all, unsigned every, struct totals *totals)
{
    struct play p = {.all = all, .chance = 7};
    begin_play(&p, path, NULL);
    play(&p, every, 0);
    *totals = p.totals;
    return load();
}

/* Is the octet at a line's end, or next to it? */
static bool is_border(const struct data *d, size_t at)
{
    return at < 2 || memchr(d->bytes + at - 2, '\n', d->size - at < 2 ? 2 : 3);
}

/* Of the first so many targets; every stride octets, and around the ends of lines. */
static void cut_run(size_t count, size_t stride, bool all, unsigned every)
{
    struct totals totals;
    target_count = count;
    struct data whole = uninterrupted(all, every, &totals);
    struct places places = places_of(whole.bytes, whole.size);
    for (size_t cut = whole.size; cut-- > 0;)
        if (cut % stride == 0 || is_border(&whole, cut)) {
            assert_int_equal(truncate(path, (off_t)cut), 0);
            check_cut(&whole, &places, cut, all, &totals);
        }
    for (size_t cut = line_end(&whole, 0); cut < whole.size; cut++)
        if (cut % 1009 == 0 || is_border(&whole, cut))
            assert_continued(whole.bytes, cut, all, &whole, &totals);
    free(whole.bytes);
    target_count = TARGETS;
}

static void test_cut_at_every_octet(void **state)
{
    (void)state;
    cut_run(3, 1, false, 2);
}

static void test_cut_a_longer_run(void **state)
{
    (void)state;
    cut_run(TARGETS, 211, false, 3);
    cut_run(TARGETS, 211, false, 7);
}

static void test_cut_where_everything_is_recorded(void **state)
{
    (void)state;
    cut_run(TARGETS, 211, true, 5);
}

static void test_cut_without_a_checkpoint(void **state)
{
    (void)state;
    cut_run(TARGETS, 211, false, 1000);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void test_what_the_run_is(void **state)
{
    struct totals totals;
    struct continuation c;
    struct outfile file;
    struct data whole = uninterrupted(false, 3, &totals);
    char hash[RECORD_HASH_SIZE];
    (void)state;
    assert_true(read_file(&c, &file));
    assert_true(c.complete);
    assert_int_equal(c.exit_code, 0);
    assert_totals(&c.totals, &totals);
    assert_string_equal(c.run_id, run.id);
    assert_int_equal(c.started, run.started);
    assert_string_equal(c.version, run.version);
    assert_true(c.seeded);
    assert_true(c.seed == UINT64_MAX);
    assert_int_equal(c.shard, 3);
    assert_int_equal(c.shards, 16);
    assert_false(c.streamed);
    assert_true(record_options_hash(&run, hash));
    assert_string_equal(c.options_sha256, hash);
    assert_non_null(strstr(whole.bytes, hash));
    forget(&c, &file);
    free(whole.bytes);
}

/* Stopped in order after each number of hosts: the run_end goes, everything else stays. */
static void test_stopped_in_order(void **state)
{
    struct totals totals;
    struct data whole = uninterrupted(false, 3, &totals);
    unsigned stops = 0;
    (void)state;
    for (unsigned stop = 1;; stop++, stops++) {
        struct play p = {.chance = 11};
        struct continuation c;
        struct outfile file;
        begin_play(&p, path, NULL);
        play(&p, 4, stop);
        if (p.totals.hosts == totals.hosts)
            break;
        struct data now = load();
        assert_true(read_file(&c, &file));
        assert_false(c.complete);
        assert_memory_equal(now.bytes + c.keep, run_end, strlen(run_end));
        assert_string_equal(c.problem, "");
        assert_totals(&c.totals, &p.totals);
        struct places places = places_of(now.bytes, now.size);
        check_claims(&c, &places, false, &totals);
        forget(&c, &file);
        assert_continued(now.bytes, now.size, false, &whole, &totals);
        free(now.bytes);
    }
    assert_true(stops > 8);
    free(whole.bytes);
}

/* Gone on with, and interrupted again, until there is nothing left. */
static void test_interrupted_again_and_again(void **state)
{
    struct totals totals;
    struct data whole = uninterrupted(false, 3, &totals);
    unsigned runs = 0;
    (void)state;
    store(whole.bytes, line_end(&whole, 0));
    for (bool complete = false; !complete; runs++) {
        struct play p = {.chance = runs};
        struct continuation c;
        assert_true(read_file(&c, &p.file));
        complete = c.complete;
        if (complete) {
            assert_totals(&c.totals, &totals);
            forget(&c, &p.file);
            continue;
        }
        begin_play(&p, path, &c);
        play(&p, 2, 3);
        continuation_free(&c);
        if (runs % 2 == 1) { /* by a signal that nobody could answer */
            struct stat status;
            assert_int_equal(stat(path, &status), 0);
            assert_int_equal(truncate(path, status.st_size - 2), 0);
        }
    }
    assert_true(runs > 4);
    struct data now = load();
    char *ours = endpoints_of(&now), *theirs = endpoints_of(&whole);
    assert_string_equal(ours, theirs);
    free(ours);
    free(theirs);
    free(now.bytes);
    free(whole.bytes);
}

static void refuse_replaced(const char *bytes, const char *old, const char *new, const char *part);

/* --- waivers and a baseline ------------------------------------------------------------------- */

static struct waivers *waivers;
static struct baseline *known;

/* Of all OPEN hosts; W is for the worst finding of one of them, and the baseline knows another. */
static void except(void)
{
    static const char baseline[] =
        "{\"schema\":\"1.3\",\"type\":\"endpoint\",\"findings\":[{\"severity\":\"critical\","
        "\"status\":\"open\",\"fingerprint\":\"%s\"}]}\n";
    struct yamlfile file = {"waivers", {NULL, 0}, NULL};
    struct opinions opinions = {0};
    struct scene s;
    char text[1024];

    scene_init(&s, 3, 0);
    assert_true(opinions_form(&opinions, &run.policies, &run.exceptions, &s.view));
    const struct judgement *j = &opinions.judgements[0];
    assert_true(j->count > 1);
    int n = snprintf(text, sizeof text, baseline, j->findings[1].fingerprint);
    store(text, (size_t)n);
    known = baseline_load(path, stderr, NULL);
    n = snprintf(text, sizeof text,
                 "waivers:\n"
                 "- {id: W, rule: %s, match: {endpoint: \"*\"}, reason: x, expires: 2027-01-31}\n"
                 "- {id: V, rule: CERT-EXPIRED, match: {endpoint: \"*\"}, reason: x, "
                 "expires: 2027-01-31}\n",
                 j->findings[0].rule->id);
    file.bytes = (struct span){text, (size_t)n};
    waivers = waivers_read(&file, run.started, stderr);
    assert_true(waivers && known);
    run.exceptions = (struct exceptions){waivers, known};
    opinions_free(&opinions);
}

static size_t occurrences(const char *bytes, size_t size, const char *text)
{
    size_t count = 0, length = strlen(text);
    for (const char *at = bytes, *end = bytes + size;
         (at = memmem(at, (size_t)(end - at), text, length)); at += length)
        count++;
    return count;
}

static uint64_t sum(const uint64_t counts[SEVERITY_COUNT])
{
    uint64_t total = 0;
    for (int i = 0; i < SEVERITY_COUNT; i++)
        total += counts[i];
    return total;
}

/* What is counted is what stays of the lines. */
static void check_tally(const struct continuation *c, const char *bytes)
{
    const struct tally *t = &c->totals.tally;
    size_t waived = occurrences(bytes, c->keep, "\"status\":\"waived\"");
    size_t open = occurrences(bytes, c->keep, "\"status\":\"open\"");
    size_t new = occurrences(bytes, c->keep, "\"waiver\":null,\"baseline\":\"new\"");
    uint64_t used = 0;
    assert_non_null(t->usage);
    for (size_t i = 0; i < t->usage->count; i++) {
        assert_string_equal(t->usage->items[i].id, "W");
        used += t->usage->items[i].findings;
    }
    assert_true(t->compared);
    assert_int_equal(t->waived, waived);
    assert_int_equal(used, waived);
    assert_int_equal(sum(t->findings), open);
    assert_int_equal(sum(t->fresh), new);
}

static void test_waivers_and_a_baseline(void **state)
{
    struct play p = {.all = true, .chance = 7};
    size_t checked = 0;
    (void)state;
    except();
    target_count = TARGETS;
    assert_true(tally_begin(&p.totals.tally, &run.exceptions));
    begin_play(&p, path, NULL);
    play(&p, 3, 0);
    assert_true(p.totals.tally.waived && sum(p.totals.tally.fresh));
    assert_true(sum(p.totals.tally.fresh) < sum(p.totals.tally.findings));
    tally_end(&p.totals.tally);
    struct data d = load();
    assert_non_null(strstr(d.bytes, "\"waivers\":[{\"id\":\"W\",\"findings\":"));
    assert_null(strstr(d.bytes, "\"waivers\":[{\"id\":\"V\",\"findings\":"));
    for (size_t cut = line_end(&d, 0); cut < d.size; cut += d.bytes[cut] == '\n' ? 1 : 97) {
        struct continuation c;
        struct outfile file;
        store(d.bytes, cut);
        assert_true(read_file(&c, &file));
        assert_string_equal(c.waivers, waivers_sha256(run.exceptions.waivers));
        assert_string_equal(c.baseline, baseline_sha256(run.exceptions.baseline));
        check_tally(&c, d.bytes);
        checked += c.totals.tally.waived > 0;
        forget(&c, &file);
    }
    assert_true(checked > 5);
    store(d.bytes, d.size);
    refuse_replaced(d.bytes, "\"findings_new\":[",
                    "\"findings_new\":[{\"severity\":\"info\",\"count\":9},", "/findings_new: ");
    refuse_replaced(d.bytes, "\"waivers\":[{\"id\"", "\"waivers\":[{\"ID\"", "/waivers: missing");
    refuse_replaced(d.bytes, "\"waived\":", "\"waived\":-", "/waived: ");
    refuse_replaced(d.bytes, "\"waivers\":{\"sha256\":\"", "\"waivers\":{\"sha256\":\"x",
                    ":1: /waivers/sha256: ");
    free(d.bytes);
    waivers_free(waivers);
    baseline_free(known);
    run.exceptions = (struct exceptions){NULL, NULL};
}

/* --- corruption ------------------------------------------------------------------------------- */

/* Where the last checkpoint begins. */
static size_t last_checkpoint(const struct data *d)
{
    static const char mark[] = "{\"schema\":\"" RUN_SCHEMA "\",\"type\":\"checkpoint\"";
    const char *found = NULL, *at = d->bytes;
    while ((at = strstr(at, mark)))
        found = at++;
    assert_non_null(found);
    return (size_t)(found - d->bytes);
}

/* The run without its end, which would vouch for everything. */
static struct data interrupted(void)
{
    struct totals totals;
    struct data d = uninterrupted(false, 9, &totals);
    d.size = (size_t)(strstr(d.bytes, run_end) - d.bytes);
    d.bytes[d.size] = 0;
    return d;
}

/* Whatever the file is: what is claimed to be whole is. */
static bool check_corrupt(const char *bytes, size_t size)
{
    struct continuation c;
    struct outfile file;
    store(bytes, size);
    bool ok = read_file(&c, &file);
    if (ok && !c.complete) {
        assert_true(c.keep <= size);
        struct places places = places_of(bytes, c.keep);
        check_claims(&c, &places, false, NULL);
    }
    forget(&c, &file);
    return ok;
}

static void test_flipped_bits(void **state)
{
    struct data d = interrupted();
    size_t mark = last_checkpoint(&d), accepted = 0;
    unsigned chance = 1;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        chance = chance * 1103515245u + 12345u;
        size_t at = ((size_t)chance >> 3) % d.size;
        d.bytes[at] = (char)(d.bytes[at] ^ 1 << (chance & 7));
        bool ok = check_corrupt(d.bytes, d.size);
        assert_false(ok && at < mark); /* above a checkpoint every bit counts */
        accepted += ok;
        d.bytes[at] = (char)(d.bytes[at] ^ 1 << (chance & 7));
    }
    assert_true(accepted > 20);
    free(d.bytes);
}

static void test_lines_that_are_gone_or_there_twice(void **state)
{
    struct data d = interrupted();
    size_t mark = last_checkpoint(&d);
    char *bytes = malloc(2 * d.size);
    (void)state;
    assert_non_null(bytes);
    for (size_t at = 0, end; at < d.size; at = end) {
        end = line_end(&d, at);
        memcpy(bytes, d.bytes, at);
        memcpy(bytes + at, d.bytes + end, d.size - end);
        assert_false(check_corrupt(bytes, d.size - (end - at)) && at < mark);
        memcpy(bytes, d.bytes, end);
        memcpy(bytes + end, d.bytes + at, d.size - at);
        assert_false(check_corrupt(bytes, d.size + (end - at)) && at < mark);
    }
    free(bytes);
    free(d.bytes);
}

/* A power cut can leave holes behind the last checkpoint: what was written first may be gone. */
static void test_holes(void **state)
{
    struct data d = interrupted();
    size_t from = line_end(&d, last_checkpoint(&d));
    struct totals totals;
    struct data whole = uninterrupted(false, 3, &totals);
    (void)state;
    assert_true(d.size - from > 3000);
    for (size_t at = from; at < d.size; at += 211) {
        size_t n = d.size - at < 700 ? d.size - at : 700;
        char *bytes = malloc(d.size);
        assert_non_null(bytes);
        memcpy(bytes, d.bytes, d.size);
        memset(bytes + at, 0, n);
        assert_true(check_corrupt(bytes, d.size));
        assert_continued(bytes, d.size, false, &whole, &totals);
        free(bytes);
    }
    free(whole.bytes);
    free(d.bytes);
}

/* --- what cannot be gone on with -------------------------------------------------------------- */

static void refuse_bytes(const char *bytes, const char *part)
{
    store(bytes, strlen(bytes));
    assert_refused(part);
}

static char *join(const char *one, const char *other)
{
    char *both = NULL;
    assert_true(asprintf(&both, "%s%s", one, other) > 0);
    return both;
}

/* Puts text in the place of the first of its kind. */
static char *replaced(const char *bytes, const char *old, const char *new)
{
    const char *at = strstr(bytes, old);
    char *changed = NULL;
    assert_non_null(at);
    assert_true(asprintf(&changed, "%.*s%s%s", (int)(at - bytes), bytes, new, at + strlen(old)) >
                0);
    return changed;
}

static void refuse_replaced(const char *bytes, const char *old, const char *new, const char *part)
{
    char *changed = replaced(bytes, old, new);
    refuse_bytes(changed, part);
    free(changed);
}

static void test_what_is_no_run(void **state)
{
    struct data d = interrupted();
    (void)state;
    refuse_bytes("", "there is no record");
    refuse_bytes("\n", ":1: this is not the beginning of a run");
    refuse_bytes("hello\n", ":1: this is not the beginning of a run");
    refuse_bytes("{}\n", ":1: this is not the beginning of a run");
    refuse_bytes(d.bytes + line_end(&d, 0), ":1: this is not the beginning of a run");
    refuse_replaced(d.bytes, RUN_SCHEMA, "1.1", ":1: written by another version");
    refuse_replaced(d.bytes, RUN_SCHEMA, "2.0", ":1: written by another version");
    refuse_replaced(d.bytes, "{", "{ ", ":1: not as it was written");
    refuse_replaced(d.bytes, "\"started\":\"2026", "\"started\":\"202x", ":1: /started: ");
    refuse_replaced(d.bytes, "\"seed\":\"18446744073709551615", "\"seed\":\"18446744073709551616",
                    ":1: /seed: not a number");
    refuse_replaced(d.bytes, "\"seed\":\"1", "\"seed\":\"-1", ":1: /seed: not a number");
    refuse_replaced(d.bytes, "\"index\":3", "\"index\":16", ":1: /shard/index: ");
    refuse_replaced(d.bytes, "\"count\":16", "\"count\":\"16\"", ":1: /shard/count: not a number");
    refuse_replaced(d.bytes, "\"policies\":[]", "\"policies\":[{\"sha256\":\"00\"}]",
                    ":1: /policies/sha256: ");
    refuse_replaced(d.bytes, "\"options_sha256\":\"", "\"options_sha256\":\"x",
                    ":1: /options_sha256: ");
    char *twice = join(d.bytes, d.bytes);
    refuse_bytes(twice, ": another run begins here");
    free(twice);
    free(d.bytes);
}

static void test_what_goes_on_behind_its_end(void **state)
{
    struct totals totals;
    struct data d = uninterrupted(false, 3, &totals);
    static const char *const more[] = {
        "\n", "x", "x\n", "{\"schema\":\"" RUN_SCHEMA "\",\"type\":\"endpoint\",\"x\":1}\n"};
    (void)state;
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char *longer = join(d.bytes, more[i]);
        refuse_bytes(longer, ": the file goes on behind the end of the run");
        free(longer);
    }
    free(d.bytes);
}

/* A line that is none, and one further down that counts on it. */
static void test_garbage_in_the_middle(void **state)
{
    static const char *const garbage[] = {"\n", "hello\n", "{}\n", "\xff\xfe\n",
                                          "{\"type\":\"endpoint\"}\n"};
    struct totals totals;
    struct data d = uninterrupted(false, 3, &totals);
    (void)state;
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        char *line = join("\n", garbage[i]);
        refuse_replaced(d.bytes, "\n", line, ":2: not a record, and yet it is vouched for");
        free(line);
    }
    free(d.bytes);
}

/* A checkpoint behind run_start. */
static void write_one(struct checkpoint c)
{
    struct play p = {.all = false};
    begin_play(&p, path, NULL);
    c.time = run.started;
    assert_true(p.w.writer->checkpoint(&p.w, &c));
    assert_true(outfile_close(&p.file));
    p.w.writer->free(&p.w);
}

static void test_checkpoints_that_contradict_themselves(void **state)
{
    static const uint64_t descending[] = {2, 1}, twice[] = {1, 1}, unbegun[] = {3};
    uint64_t *many = calloc(CHECKPOINT_PENDING_MAX + 1, sizeof *many);
    (void)state;
    assert_non_null(many);
    write_one((struct checkpoint){.cursor = 3, .pending = descending, .pending_count = 2});
    assert_refused(":2: /pending: not ascending");
    write_one((struct checkpoint){.cursor = 3, .pending = twice, .pending_count = 2});
    assert_refused(":2: /pending: not ascending");
    write_one((struct checkpoint){.cursor = 3, .pending = unbegun, .pending_count = 1});
    assert_refused(":2: /pending: not ascending, or not begun");
    write_one((struct checkpoint){.totals = {.hosts = 1, .answered = 2}});
    assert_refused(":2: /hosts/answered: more than were scanned");
    write_one((struct checkpoint){.totals = {.recorded = 1}});
    assert_refused(":2: /endpoints/by_status: fewer than were recorded");
    write_one((struct checkpoint){.totals = {.recorded = 1, .statuses = {1}}});
    assert_refused(":2: /endpoints/recorded: not as many as there are above");
    for (size_t i = 0; i <= CHECKPOINT_PENDING_MAX; i++)
        many[i] = i;
    write_one((struct checkpoint){.cursor = CHECKPOINT_PENDING_MAX + 1,
                                  .pending = many,
                                  .pending_count = CHECKPOINT_PENDING_MAX + 1});
    assert_refused(":2: /pending: more than there can be");
    free(many);
}

/* The largest numbers that targets have fit into a line. */
static void test_the_largest_checkpoint(void **state)
{
    const uint64_t top = (uint64_t)1 << 48;
    uint64_t *many = calloc(CHECKPOINT_PENDING_MAX, sizeof *many);
    struct continuation c;
    struct outfile file;
    (void)state;
    assert_non_null(many);
    for (size_t i = 0; i < CHECKPOINT_PENDING_MAX; i++)
        many[i] = top - CHECKPOINT_PENDING_MAX + i;
    write_one((struct checkpoint){
        .cursor = top, .pending = many, .pending_count = CHECKPOINT_PENDING_MAX});
    assert_true(read_file(&c, &file));
    assert_true(c.cursor == top);
    assert_int_equal(c.pending_count, CHECKPOINT_PENDING_MAX);
    assert_memory_equal(c.pending, many, CHECKPOINT_PENDING_MAX * sizeof *many);
    forget(&c, &file);
    free(many);
}

static void test_checkpoints_that_do_not_belong_there(void **state)
{
    (void)state;
    write_one((struct checkpoint){.cursor = 3});
    struct data d = load();
    size_t start = line_end(&d, 0);
    const char *line = d.bytes + start;
    char *head = strndup(d.bytes, start), *changed;
    refuse_replaced(d.bytes, "\"libuv\":\"1\"", "\"libuv\":\"2\"",
                    ":2: /records_sha256: the lines above are not those");
    changed = replaced(line, "-9b1f-", "-9b2f-");
    char *other = join(head, changed);
    refuse_bytes(other, ":2: /run_id: of another run");
    free(other);
    free(changed);
    changed = replaced(line, "\"seed\":\"18446744073709551615\"", "\"seed\":null");
    other = join(head, changed);
    refuse_bytes(other, ":2: /seed: not that of the run");
    free(other);
    free(changed);
    free(head);
    free(d.bytes);
}

static void test_a_cursor_that_goes_back(void **state)
{
    struct play p = {.all = false};
    (void)state;
    begin_play(&p, path, NULL);
    for (uint64_t cursor = 3; cursor > 1; cursor--) {
        struct checkpoint c = {.time = run.started, .cursor = cursor};
        assert_true(p.w.writer->checkpoint(&p.w, &c));
    }
    assert_true(outfile_close(&p.file));
    p.w.writer->free(&p.w);
    assert_refused(":3: /cursor: before that of the checkpoint above");
}

/* --- hosts that look alike -------------------------------------------------------------------- */

/* A stream may come back to a host, with services that it did not have yet. */
static void test_the_same_host_with_other_services(void **state)
{
    struct play p = {.all = false};
    struct scene one, other;
    struct continuation c;
    struct outfile file;
    (void)state;
    begin_play(&p, path, NULL);
    scene_init(&one, 0, 0);
    scene_init(&other, 0, 0);
    one.view.count = one.target.service_count = 1;
    other.view.count = other.target.service_count = 1;
    other.view.endpoints++;
    other.target.services++;
    other.target.line++;
    put_host(&p.w, &one.view);
    put_host(&p.w, &other.view);
    assert_true(outfile_close(&p.file));
    p.w.writer->free(&p.w);
    assert_true(read_file(&c, &file));
    assert_true(continuation_has(&c, &one.target, &one.view.address));
    assert_false(continuation_has(&c, &other.target, &other.view.address));
    scene_init(&one, 0, 0);
    assert_false(continuation_has(&c, &one.target, &one.view.address));
    assert_int_equal(c.totals.hosts, 1);
    forget(&c, &file);
}

/* --- outfiles --------------------------------------------------------------------------------- */

static void test_one_run_a_file(void **state)
{
    struct outfile one, other;
    (void)state;
    store("hello\n", 6);
    assert_true(outfile_reopen(&one, path));
    assert_false(outfile_open(&other, path));
    assert_string_equal(outfile_problem(&other), "another run is writing to it");
    assert_false(outfile_close(&other));
    assert_false(outfile_reopen(&other, path));
    assert_int_equal(other.error, EWOULDBLOCK);
    struct data d = load();
    assert_string_equal(d.bytes, "hello\n");
    free(d.bytes);
    assert_true(outfile_cut(&one, 3));
    assert_true(outfile_write(&one, "p\n", 2));
    assert_true(outfile_sync(&one));
    assert_true(outfile_close(&one));
    d = load();
    assert_string_equal(d.bytes, "help\n");
    free(d.bytes);
    assert_true(outfile_open(&one, path));
    d = load();
    assert_int_equal(d.size, 0);
    free(d.bytes);
    assert_false(outfile_reopen(&other, path));
    assert_true(outfile_close(&one));
    assert_true(outfile_reopen(&other, path));
    assert_true(outfile_close(&other));
}

static void test_files_of_other_kinds(void **state)
{
    struct outfile f, again;
    (void)state;
    assert_true(outfile_open(&f, "/dev/null"));
    assert_true(outfile_open(&again, "/dev/null"));
    assert_true(outfile_sync(&f));
    assert_true(outfile_close(&f) && outfile_close(&again));
    assert_false(outfile_reopen(&f, "/dev/null"));
    assert_string_equal(outfile_problem(&f), "not a regular file");
    assert_false(outfile_reopen(&f, "/no/such/file"));
    assert_string_equal(outfile_problem(&f), strerror(ENOENT));
    assert_false(outfile_reopen(&f, "/"));
    assert_string_equal(outfile_problem(&f), strerror(EISDIR));
}

#define WITH_FILE(test) cmocka_unit_test_setup_teardown(test, make_file, remove_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FILE(test_cut_at_every_octet),
        WITH_FILE(test_cut_a_longer_run),
        WITH_FILE(test_cut_where_everything_is_recorded),
        WITH_FILE(test_cut_without_a_checkpoint),
        WITH_FILE(test_waivers_and_a_baseline),
        WITH_FILE(test_what_the_run_is),
        WITH_FILE(test_stopped_in_order),
        WITH_FILE(test_interrupted_again_and_again),
        WITH_FILE(test_flipped_bits),
        WITH_FILE(test_lines_that_are_gone_or_there_twice),
        WITH_FILE(test_holes),
        WITH_FILE(test_what_is_no_run),
        WITH_FILE(test_what_goes_on_behind_its_end),
        WITH_FILE(test_garbage_in_the_middle),
        WITH_FILE(test_checkpoints_that_contradict_themselves),
        WITH_FILE(test_the_largest_checkpoint),
        WITH_FILE(test_checkpoints_that_do_not_belong_there),
        WITH_FILE(test_a_cursor_that_goes_back),
        WITH_FILE(test_the_same_host_with_other_services),
        WITH_FILE(test_one_run_a_file),
        WITH_FILE(test_files_of_other_kinds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
