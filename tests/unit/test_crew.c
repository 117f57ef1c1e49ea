/* SPDX-License-Identifier: MIT */
/* Crews that cannot be made, or cannot be begun: nothing of them is left behind. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "scanner/crew.h"

#define WORKERS 4

static struct {
    unsigned threads, threads_max; /* begun, and how many can be */
    unsigned told;
    bool ended, stops;
    unsigned stop_ms;
    struct crew *crew;
    uv_timer_t stop;
    FILE *errors;
} world;

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*work)(void *), void *context)
{
    if (world.threads == world.threads_max)
        return EAGAIN;
    world.threads++;
    return __real_pthread_create(thread, attributes, work, context);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool on_host(void *context, unsigned worker, const struct host_view *host,
                    struct dealt *dealt)
{
    (void)context;
    assert_true(worker < WORKERS);
    assert_int_equal(host->count, 1);
    pthread_mutex_lock(&lock);
    world.told++;
    pthread_mutex_unlock(&lock);
    dealer_done(crew_dealer(world.crew), dealt);
    return true;
}

static void on_message(void *context, const char *text)
{
    (void)context;
    fail_msg("%s", text);
}

static void on_end(void *context)
{
    (void)context;
    assert_false(world.ended);
    world.ended = true;
    uv_close((uv_handle_t *)&world.stop, NULL);
}

static void on_stop(uv_timer_t *timer)
{
    (void)timer;
    crew_stop(world.crew);
}

/* 256 hosts on which nothing listens. */
static struct targets *some_targets(struct choice *choice)
{
    struct targets *t = targets_new(choice, stderr);
    assert_non_null(t);
    assert_int_equal(targets_add_argument(t, "127.99.0.0/24:9/imap"), 0);
    assert_int_equal(targets_build(t), 0);
    return t;
}

static struct crew_options options_of(unsigned workers)
{
    return (struct crew_options){.engine = {.endpoint = {.facts = FACTS_ALL, .deadline_ms = 300000},
                                            .deadlines = {5000, 30000, 15000, 15000},
                                            .concurrency = 100,
                                            .per_host = 3},
                                 .dealer = {.resolver = "127.0.0.1"},
                                 .workers = workers};
}

/* Makes a crew and, if that can be, has it scan; what there is of it then ends. True: it was made.
 */
static bool live(const struct crew_options *options, rlim_t descriptors, bool *begun)
{
    struct choice *choice = choice_new();
    struct targets *targets = some_targets(choice);
    struct crew_events events = {
        .on_host = on_host, .on_message = on_message, .on_loss = on_message, .on_end = on_end};
    struct rlimit before, limit;
    uv_loop_t loop;

    world.threads = world.told = 0;
    world.ended = false;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    if (descriptors)
        limit.rlim_cur = descriptors;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    world.crew = crew_new(&loop, options, targets, NULL, -1, events, world.errors);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    uv_timer_init(&loop, &world.stop);
    if (world.stops)
        uv_timer_start(&world.stop, on_stop, world.stop_ms, 0);
    if (!world.crew)
        uv_close((uv_handle_t *)&world.stop, NULL);
    *begun = world.crew && crew_start(world.crew);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(world.ended, world.crew != NULL);
    crew_free(world.crew);
    targets_free(targets);
    choice_free(choice);
    return world.crew != NULL;
}

static void many_are_as_one(void **state)
{
    (void)state;
    bool begun;
    for (unsigned workers = 1; workers <= WORKERS; workers++) {
        struct crew_options options = options_of(workers);
        assert_true(live(&options, 0, &begun));
        assert_true(begun);
        assert_int_equal(world.told, 256);
        assert_int_equal(world.threads, workers > 1 ? workers : 0);
    }
}

static void without_a_dealer_there_is_none(void **state)
{
    (void)state;
    bool begun;
    for (unsigned workers = 1; workers <= WORKERS; workers++) {
        struct crew_options options = options_of(workers);
        options.dealer.resolver = "not an address";
        assert_false(live(&options, 0, &begun));
    }
}

/* Each loop takes some: wherever they end, the crew is made or it is not. (libuv loses one where it
   cannot make a loop.) */
static void descriptors_end_anywhere(void **state)
{
    (void)state;
    bool begun, made = false;
    int lowest = dup(0);
    assert_true(lowest > 0);
    close(lowest);
    for (rlim_t n = (rlim_t)lowest; !made; n += 3) {
        struct crew_options options = options_of(WORKERS);
        made = live(&options, n, &begun);
    }
    assert_true(begun);
    assert_int_equal(world.told, 256);
}

/* Those that were begun stop. */
static void threads_end_anywhere(void **state)
{
    (void)state;
    bool begun;
    for (unsigned n = 0; n < WORKERS; n++) {
        struct crew_options options = options_of(WORKERS);
        world.threads_max = n;
        assert_true(live(&options, 0, &begun));
        assert_false(begun);
        assert_int_equal(world.threads, n);
    }
    world.threads_max = WORKERS;
}

/* Whatever they are about. */
static void they_stop_at_any_time(void **state)
{
    (void)state;
    bool begun;
    world.stops = true;
    for (unsigned n = 0; n < 60; n++) {
        struct crew_options options = options_of(1 + n % WORKERS);
        options.engine.rate = n % 3 ? 0 : 20;
        world.stop_ms = n / 6;
        assert_true(live(&options, 0, &begun));
        assert_true(world.told <= 256);
    }
    world.stops = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_as_one),
        cmocka_unit_test(without_a_dealer_there_is_none),
        cmocka_unit_test(descriptors_end_anywhere),
        cmocka_unit_test(threads_end_anywhere),
        cmocka_unit_test(they_stop_at_any_time),
    };
    world.threads_max = WORKERS;
    world.errors = fopen("/dev/null", "w");
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    fclose(world.errors);
    return failed;
}
