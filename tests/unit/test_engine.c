/* SPDX-License-Identifier: MIT */
/*
 * The engine under a clock of the test's own. The loop and the probes are played here: this file
 * has the functions of libuv that the engine calls, and probe_start() and its like. Whole runs of
 * minutes and hours take no time, and come out the same each time.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scanner/engine.h"

#define PORTS 10
#define SECOND UINT64_C(1000)

/* --- the world -------------------------------------------------------------------------------- */

/* What a host is like. */
enum kind {
    SILENT,   /* nothing ever comes back                                             */
    SHUT,     /* every port refuses                                                  */
    SOUND,    /* every port speaks IMAP                                              */
    NARROW,   /* as sound, but says BYE to more than two connections a minute        */
    HANGING,  /* as sound, and hangs up on whoever says nothing for 100 ms           */
    DOORMAN,  /* as narrow, but whoever is connected has come in, and counts         */
    BREAKING, /* as sound, but a connection that was held breaks as it begins       */
    ONE_PORT  /* the first port speaks, the others are silent                        */
};

struct probe {
    struct network *network;
    struct probe_request request;
    struct probe_facts facts;
    struct dialogue dialogue;
    enum kind kind;
    uint64_t due; /* when the next thing happens to it */
    uint64_t connected;
    bool accepted, hung_up;
    unsigned stalls; /* that there had been when it began */
    struct probe *next;
};

struct host_log {
    uint64_t accepted[1024]; /* when connections were let in */
    size_t count;
    unsigned refused;
    unsigned talking, most_talking;
    unsigned held;
};

static struct {
    uint64_t now;
    uv_idle_t *idle;
    uv_idle_cb on_idle;
    uv_timer_t *timer;
    uv_timer_cb on_timer;
    uint64_t timer_due; /* 0: stopped */
    struct probe *probes;
    unsigned active, most_active, most_in_net;
    unsigned started;         /* connections in all */
    unsigned in_second[7200]; /* of them, by second */
    enum kind (*kind_of)(const struct address *);
    unsigned stalls;
    uint64_t lost;
    uint64_t talk_ms;     /* what a dialogue takes          */
    uint64_t quiet_since; /* the last connection ended then */

    /* targets */
    size_t next_host, host_count, most_open;
    bool awaited;
    const struct service *services[PORTS];
    struct host_log logs[256]; /* by the last octet; of the first network alone */

    /* what came of it */
    size_t told, answered;
    unsigned statuses[STATUS_COUNT];
    unsigned connections;
    bool ended;
} world;

static struct service rows[PORTS];

/* What is out of the ordinary in a run; all zeros: nothing. */
static struct {
    uint64_t seed;
    unsigned addresses;   /* hosts share this many; 0: each has its own                */
    unsigned descriptors; /* 0: as many as there are connections                       */
    unsigned failing;     /* per cent of connections that cannot be begun              */
    unsigned cut;         /* per cent of dialogues that a stall of ours cuts short             */
    unsigned late;        /* per cent of hosts that are not there when they are wanted */
    unsigned pairs;       /* this many ports have two services                         */
    bool slow;            /* and it is what they were busy with                                */
    size_t stop_at;       /* the run is ended by whoever is told then; 0: by nobody    */
} twist;

static uint64_t chance(uint64_t below)
{
    uint64_t x = twist.seed += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) % below;
}

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return world.now;
}

int uv_idle_init(uv_loop_t *loop, uv_idle_t *idle)
{
    (void)loop;
    world.idle = idle;
    world.on_idle = NULL;
    return 0;
}

int uv_idle_start(uv_idle_t *idle, uv_idle_cb callback)
{
    assert_ptr_equal(idle, world.idle);
    world.on_idle = callback;
    return 0;
}

int uv_idle_stop(uv_idle_t *idle)
{
    assert_ptr_equal(idle, world.idle);
    world.on_idle = NULL;
    return 0;
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *timer)
{
    (void)loop;
    world.timer = timer;
    world.timer_due = 0;
    return 0;
}

int uv_timer_start(uv_timer_t *timer, uv_timer_cb callback, uint64_t timeout, uint64_t repeat)
{
    assert_ptr_equal(timer, world.timer);
    assert_int_equal(repeat, 0);
    world.on_timer = callback;
    world.timer_due = world.now + (timeout ? timeout : 1);
    return 0;
}

int uv_timer_stop(uv_timer_t *timer)
{
    assert_ptr_equal(timer, world.timer);
    world.timer_due = 0;
    return 0;
}

void uv_close(uv_handle_t *handle, uv_close_cb on_close)
{
    on_close(handle);
}

/* --- stalls, played --------------------------------------------------------------------------- */

void stall_begin(struct stall *s, uv_loop_t *loop)
{
    (void)loop;
    *s = (struct stall){0};
}

void stall_end(struct stall *s, void (*on_ended)(void *context), void *context)
{
    (void)s;
    on_ended(context);
}

unsigned stall_count(struct stall *s)
{
    (void)s;
    return world.stalls;
}

uint64_t stall_lost(struct stall *s)
{
    (void)s;
    return world.lost;
}

/* --- probes, played --------------------------------------------------------------------------- */

static struct host_log *log_of(const struct probe *p)
{
    return &world.logs[p->request.address.bytes[3]];
}

static unsigned in_net(const struct address *a)
{
    unsigned count = 0;
    for (struct probe *p = world.probes; p; p = p->next)
        count += memcmp(p->request.address.bytes, a->bytes, 3) == 0;
    return count;
}

bool probe_start(struct network *network, const struct probe_request *request, struct probe **out)
{
    if ((twist.descriptors && world.active >= twist.descriptors) ||
        (twist.failing && chance(100) < twist.failing))
        return false;
    struct probe *p = calloc(1, sizeof *p);
    assert_non_null(p);
    for (struct probe *other = world.probes; other; other = other->next)
        assert_false(address_compare(&other->request.address, &request->address) == 0 &&
                     other->request.port == request->port);
    p->network = network;
    p->stalls = world.stalls;
    p->request = *request;
    p->kind = world.kind_of(&request->address);
    p->next = world.probes;
    world.probes = p;
    world.started++;
    if (world.now / SECOND < sizeof world.in_second / sizeof *world.in_second)
        world.in_second[world.now / SECOND]++;
    if (++world.active > world.most_active)
        world.most_active = world.active;
    unsigned neighbours = in_net(&request->address);
    if (neighbours > world.most_in_net)
        world.most_in_net = neighbours;
    bool silent = p->kind == SILENT || (p->kind == ONE_PORT && request->port != rows[0].port);
    p->due = world.now +
             (silent ? round_trip_timeout(&network->round_trip, network->deadlines.connect) : 2);
    *out = p;
    return true;
}

static void unlink_probe(struct probe *p)
{
    struct probe **at = &world.probes;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    world.active--;
}

static void finish(struct probe *p, enum phase phase, enum cause cause)
{
    world.quiet_since = world.now;
    if (p->stalls != world.stalls && (cause == CAUSE_TIMEOUT || cause == CAUSE_DEADLINE)) {
        p->facts.stalled = true;
        cause = CAUSE_LOCAL;
    }
    p->facts.outcome = (struct outcome){phase, cause, 0};
    p->facts.dialogue = &p->dialogue;
    if (p->facts.begun)
        log_of(p)->talking--;
    unlink_probe(p);
    p->request.on_done(p->request.context, p);
    free(p);
}

struct probe_facts probe_facts(const struct probe *p)
{
    return p->facts;
}

void probe_cancel(struct probe *p)
{
    unlink_probe(p);
    free(p);
}

/* Two in any sixty seconds. */
static bool lets_in(struct host_log *log)
{
    unsigned recent = 0;
    for (size_t i = 0; i < log->count; i++)
        recent += log->accepted[i] + 60 * SECOND > world.now;
    if (recent >= 2) {
        log->refused++;
        return false;
    }
    log->accepted[log->count++ % 1024] = world.now;
    return true;
}

static void set_due(struct probe *p, uint64_t ms)
{
    uint64_t deadline = p->request.deadline;
    p->due = world.now + ms < deadline ? world.now + ms : deadline;
}

void probe_begin(struct probe *p)
{
    struct host_log *log = log_of(p);
    p->facts.begun = true;
    if (++log->talking > log->most_talking)
        log->most_talking = log->talking;
    p->dialogue.protocol = p->request.protocol;
    set_due(p, world.talk_ms);
    if (p->kind == NARROW)
        p->accepted = lets_in(log);
    p->hung_up = p->kind == HANGING && world.now > p->connected + 100;
    if (p->kind == BREAKING && p->facts.held)
        finish(p, PHASE_TLS, CAUSE_LOCAL);
}

static void connect_probe(struct probe *p)
{
    p->facts.connected = true;
    p->connected = world.now;
    p->accepted = p->kind != DOORMAN || lets_in(log_of(p));
    p->facts.source = (struct address){.family = AF_INET, .bytes = {127, 0, 0, 1}};
    round_trip_add(&p->network->round_trip, 2);
    if (p->request.on_connected(p->request.context)) {
        probe_begin(p);
        return;
    }
    p->facts.held = true;
    log_of(p)->held++;
    set_due(p, 5 * SECOND);
}

/* The next thing happens to this probe. */
static void advance(struct probe *p)
{
    if (world.now >= p->request.deadline) {
        finish(p, p->facts.begun ? PHASE_GREETING : PHASE_CONNECT, CAUSE_DEADLINE);
    } else if (p->hung_up) {
        finish(p, PHASE_GREETING, CAUSE_CLOSED);
    } else if (p->facts.begun && twist.cut && chance(100) < twist.cut) {
        p->facts.stalled = true;
        p->facts.slow = twist.slow;
        world.stalls++;
        world.lost += 33 * SECOND;
        world.now += 33 * SECOND;
        finish(p, PHASE_GREETING, CAUSE_LOCAL);
    } else if (p->facts.begun) {
        p->facts.received = 10;
        p->dialogue.greeting = p->accepted ? GREETING_OK : GREETING_REFUSED;
        p->dialogue.capabilities[0].answer = ANSWER_YES;
        finish(p, p->accepted ? PHASE_GOODBYE : PHASE_GREETING,
               p->accepted ? CAUSE_NONE : CAUSE_REFUSED);
    } else if (p->facts.held) {
        finish(p, PHASE_CONNECT, CAUSE_TIMEOUT);
    } else if (p->kind == SHUT) {
        round_trip_add(&p->network->round_trip, 2);
        finish(p, PHASE_CONNECT, CAUSE_CLOSED);
    } else if (p->kind == SILENT || (p->kind == ONE_PORT && p->request.port != rows[0].port)) {
        finish(p, PHASE_CONNECT, CAUSE_TIMEOUT);
    } else {
        connect_probe(p);
    }
}

/* --- runs ------------------------------------------------------------------------------------- */

static enum dealer_step next(void *context, struct assignment *a)
{
    (void)context;
    if (world.next_host == world.host_count)
        return DEALER_END;
    if (twist.late && (world.awaited || chance(100) < twist.late)) {
        world.awaited = true;
        return DEALER_WAIT;
    }
    size_t n = world.next_host++;
    if (world.next_host - world.told > world.most_open)
        world.most_open = world.next_host - world.told;
    if (twist.addresses)
        n %= twist.addresses;
    *a = (struct assignment){
        .target = {.services = world.services, .service_count = PORTS, .line = 1},
        .address = {
            .family = AF_INET,
            .bytes = {127, (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n}}};
    a->target.address = a->address;
    return DEALER_HOST;
}

static bool on_host(void *context, const struct host_view *view, struct dealt *dealt)
{
    (void)context;
    assert_null(dealt);
    world.told++;
    world.answered += view->answered;
    for (size_t i = 0; i < view->count; i++) {
        world.statuses[view->endpoints[i].status]++;
        world.connections += view->endpoints[i].connections;
    }
    return world.told != twist.stop_at;
}

static void on_message(void *context, const char *text)
{
    (void)context;
    fail_msg("%s", text);
}

static void on_end(void *context)
{
    (void)context;
    world.ended = true;
}

static uint64_t next_time(void)
{
    uint64_t at = world.timer_due ? world.timer_due : UINT64_MAX;
    for (struct probe *p = world.probes; p; p = p->next)
        if (p->due < at)
            at = p->due;
    return at;
}

static struct probe *due_probe(void)
{
    for (struct probe *p = world.probes; p; p = p->next)
        if (p->due <= world.now)
            return p;
    return NULL;
}

/* Runs the engine until it is done; gives how long that took, by its clock. */
static uint64_t run(struct engine_options options, size_t hosts,
                    enum kind (*kind_of)(const struct address *), uint64_t talk_ms)
{
    static uv_loop_t loop;
    struct engine_events events = {next, on_host, on_message, on_message, on_end, NULL};
    struct probe *p;

    memset(&world, 0, sizeof world);
    world.now = 1;
    world.host_count = hosts;
    world.kind_of = kind_of;
    world.talk_ms = talk_ms;
    for (size_t i = 0; i < PORTS; i++) {
        size_t port = i < 2 * twist.pairs ? i / 2 : i;
        rows[i] = (struct service){&protocol_imap, (uint16_t)(1143 + port), MODE_INSECURE};
        world.services[i] = &rows[i];
    }
    struct engine *e = engine_new(&loop, &options, events, stderr);
    assert_non_null(e);
    engine_wake(e);
    while (!world.ended) {
        if (world.on_idle) {
            world.on_idle(world.idle);
            continue;
        }
        uint64_t at = world.awaited ? world.now + chance(50) : next_time();
        assert_true(at != UINT64_MAX); /* it waits for something that will never come */
        if (at > world.now)
            world.now = at;
        if (world.timer_due && world.timer_due <= world.now) {
            world.timer_due = 0;
            world.on_timer(world.timer);
        }
        while ((p = due_probe()))
            advance(p);
        if (world.awaited) {
            world.awaited = false;
            engine_wake(e);
        }
    }
    engine_free(e);
    assert_null(world.probes);
    assert_int_equal(world.told, twist.stop_at && twist.stop_at < hosts ? twist.stop_at : hosts);
    return world.now - 1;
}

static struct engine_options options_of(unsigned concurrency)
{
    return (struct engine_options){.endpoint = {.facts = FACTS_CAPABILITIES, .deadline_ms = 300000},
                                   .deadlines = {5000, 30000, 15000, 15000},
                                   .concurrency = concurrency,
                                   .per_host = 3,
                                   .patience_ms = 300000};
}

static enum kind all_silent(const struct address *a)
{
    (void)a;
    return SILENT;
}

static enum kind all_shut(const struct address *a)
{
    (void)a;
    return SHUT;
}

static enum kind all_sound(const struct address *a)
{
    (void)a;
    return SOUND;
}

static enum kind all_hanging(const struct address *a)
{
    (void)a;
    return HANGING;
}

static enum kind all_narrow(const struct address *a)
{
    (void)a;
    return NARROW;
}

static enum kind all_breaking(const struct address *a)
{
    (void)a;
    return BREAKING;
}

static enum kind all_doormen(const struct address *a)
{
    (void)a;
    return DOORMAN;
}

static enum kind all_one_port(const struct address *a)
{
    (void)a;
    return ONE_PORT;
}

static enum kind one_narrow(const struct address *a)
{
    return a->bytes[3] == 7 ? NARROW : SOUND;
}

/* --- dead space ------------------------------------------------------------------------------- */

static void a_silent_host_costs_one_timeout(void **state)
{
    (void)state;
    assert_int_equal(run(options_of(500), 1, all_silent, 10), 5000);
    assert_int_equal(world.statuses[STATUS_TIMEOUT], PORTS);
    assert_int_equal(world.started, PORTS);
}

/* 4096 hosts with ten ports each, through 500 connections: 82 waves of 5 s. */
static void silence_costs_a_wave_for_each_concurrency(void **state)
{
    uint64_t waves = (4096 * PORTS + 499) / 500;
    (void)state;
    uint64_t took = run(options_of(500), 4096, all_silent, 10);
    assert_true(took >= (waves - 1) * 5000);
    assert_true(took <= (waves + 1) * 5000);
    assert_int_equal(world.most_active, 500);
}

/* Where others answer at once, silence is believed sooner, but never before 1.5 s. */
static enum kind one_in_ten_shut(const struct address *a)
{
    return a->bytes[3] % 10 == 0 ? SHUT : SILENT;
}

static void near_hosts_make_silence_short(void **state)
{
    (void)state;
    uint64_t took = run(options_of(500), 4096, one_in_ten_shut, 10);
    uint64_t waves = (4096 * 9 * PORTS / 10 + 499) / 500;
    assert_true(took <= (waves + 2) * 1500 + 5000);
    assert_true(took >= (waves - 2) * 1500);
}

static void an_open_port_does_not_wait_for_the_silent_ones(void **state)
{
    (void)state;
    uint64_t took = run(options_of(500), 1, all_one_port, 10);
    assert_true(took <= 5100);
    assert_int_equal(world.statuses[STATUS_OK], 1);
    assert_int_equal(world.statuses[STATUS_TIMEOUT], PORTS - 1);
}

/* --- manners ---------------------------------------------------------------------------------- */

static void dialogues_with_a_host_are_few(void **state)
{
    (void)state;
    run(options_of(500), 200, all_sound, 1000);
    assert_int_equal(world.statuses[STATUS_OK], 200 * PORTS);
    assert_int_equal(world.connections, 200 * PORTS);
    for (size_t i = 0; i < 200; i++)
        assert_int_equal(world.logs[i].most_talking, 3);
    assert_true(world.most_active <= 500);
}

/* A dialogue of ten seconds: those that are held are let go after five, and asked again. */
static void what_is_held_too_long_is_asked_again(void **state)
{
    (void)state;
    run(options_of(500), 3, all_sound, 10 * SECOND);
    assert_int_equal(world.statuses[STATUS_OK], 3 * PORTS);
    assert_true(world.connections > 3 * PORTS);
    assert_true(world.connections <= 6 * PORTS);
    assert_int_equal(world.logs[0].most_talking, 3);
}

/* Whoever hangs up while we make him wait has not refused anything. */
static void what_is_lost_while_held_is_asked_again(void **state)
{
    (void)state;
    run(options_of(500), 3, all_hanging, 300);
    assert_int_equal(world.statuses[STATUS_OK], 3 * PORTS);
    assert_int_equal(world.connections, 3 * (PORTS + PORTS - 3));
}

static void a_rate_is_kept_over_all(void **state)
{
    struct engine_options o = options_of(500);
    (void)state;
    o.rate = 100;
    uint64_t took = run(o, 500, all_shut, 10);
    assert_true(took >= 49 * SECOND);
    assert_true(took <= 51 * SECOND);
    for (size_t i = 0; i < 60; i++)
        assert_true(world.in_second[i] <= 112);
}

static void a_network_is_spared(void **state)
{
    struct engine_options o = options_of(500);
    (void)state;
    o.per_net = 7;
    run(o, 1000, all_sound, 50);
    assert_int_equal(world.most_in_net, 7);
    assert_int_equal(world.statuses[STATUS_OK], 1000 * PORTS);
}

static void little_room_is_enough(void **state)
{
    (void)state;
    for (unsigned concurrency = 1; concurrency <= 12; concurrency++) {
        run(options_of(concurrency), 20, all_sound, 10);
        assert_int_equal(world.statuses[STATUS_OK], 20 * PORTS);
        assert_true(world.most_active <= concurrency);
    }
}

/* --- hosts that turn us away ------------------------------------------------------------------ */

/* Ten services behind a limit of two connections a minute: what is known is right, and what is not
   is not a "no". */
static void two_connections_a_minute(void **state)
{
    struct engine_options o = options_of(500);
    (void)state;
    o.patience_ms = 900000;
    uint64_t took = run(o, 1, all_narrow, 10);
    assert_int_equal(world.statuses[STATUS_OK], PORTS);
    assert_true(took <= 900 * SECOND);
    assert_true(world.logs[0].refused <= 3 + 3); /* three at once, and then ever more slowly */
}

static void patience_has_an_end(void **state)
{
    (void)state;
    uint64_t took = run(options_of(500), 1, all_narrow, 10);
    assert_true(took <= 400 * SECOND);
    assert_true(world.statuses[STATUS_OK] >= 5);
    assert_int_equal(world.statuses[STATUS_OK] + world.statuses[STATUS_REFUSED], PORTS);
}

static void without_patience_nothing_is_asked_again(void **state)
{
    struct engine_options o = options_of(500);
    (void)state;
    o.patience_ms = 0;
    uint64_t took = run(o, 1, all_narrow, 10);
    assert_true(took <= SECOND);
    assert_int_equal(world.statuses[STATUS_OK], 2);
    assert_int_equal(world.statuses[STATUS_REFUSED], PORTS - 2);
    assert_int_equal(world.connections, PORTS);
}

/* Others do not wait for it. */
static void one_that_turns_us_away_holds_up_nobody(void **state)
{
    struct engine_options o = options_of(30);
    (void)state;
    o.patience_ms = 900000;
    run(o, 256, one_narrow, 100);
    assert_int_equal(world.statuses[STATUS_OK], 256 * PORTS);
    for (size_t i = 60; i < 120; i++)
        assert_true(world.in_second[i] <= 1);
}

/* More of them than are waited for: memory stays bounded, and every one is told. */
static void very_many_that_turn_us_away(void **state)
{
    (void)state;
    run(options_of(50), 3000, all_narrow, 10);
    assert_int_equal(world.statuses[STATUS_OK] + world.statuses[STATUS_REFUSED], 3000 * PORTS);
}

/* Whoever is to be spared is not connected to only to be kept waiting. */
static void none_is_held_where_we_wait(void **state)
{
    struct engine_options o = options_of(3);
    (void)state;
    o.patience_ms = 900000;
    run(o, 1, all_doormen, 10);
    assert_int_equal(world.statuses[STATUS_OK], PORTS);
    assert_int_equal(world.logs[0].held, 0);
}

/* Out of memory, say: the host may be complete with that. */
static void what_breaks_as_it_begins(void **state)
{
    (void)state;
    run(options_of(500), 20, all_breaking, 10);
    assert_int_equal(world.statuses[STATUS_OK], 20 * 3);
    assert_int_equal(world.statuses[STATUS_ERROR], 20 * (PORTS - 3));
}

/* A dialogue that ends makes way for one that is connected already, whoever waits for the network. */
static void who_is_connected_comes_first(void **state)
{
    struct engine_options o = options_of(500);
    (void)state;
    o.per_net = 20;
    run(o, 256, all_sound, SECOND);
    assert_int_equal(world.connections, 256 * PORTS);
}

/* Who has answered all is not waited for. */
static void what_is_complete_is_told(void **state)
{
    struct engine_options o = options_of(500);
    (void)state;
    o.patience_ms = 900000;
    run(o, 1, all_narrow, 10);
    assert_int_equal(world.now, world.quiet_since);
}

/* Its time is over before it has its turn: then nothing is known, and that is said. */
static void what_never_has_its_turn_is_not_known(void **state)
{
    struct engine_options o = options_of(500);
    (void)state;
    o.endpoint.deadline_ms = 2000;
    run(o, 1, all_sound, 1990);
    assert_int_equal(world.statuses[STATUS_OK], 3);
    assert_int_equal(world.statuses[STATUS_ERROR], PORTS - 3);
}

/* --- whatever comes together ------------------------------------------------------------------ */

static enum kind any_kind(const struct address *a)
{
    static const enum kind kinds[] = {SILENT, SHUT,    SOUND,    SOUND,  NARROW,
                                      NARROW, HANGING, BREAKING, DOORMAN};
    return kinds[(a->bytes[2] * 31U + a->bytes[3]) * 2654435761U % 4093 %
                 (sizeof kinds / sizeof *kinds)];
}

static enum kind any_sound_kind(const struct address *a)
{
    static const enum kind kinds[] = {SOUND, NARROW, HANGING, DOORMAN};
    return kinds[(a->bytes[2] * 31U + a->bytes[3]) * 2654435761U % 4093 % 4];
}

static struct engine_options any_options(void)
{
    static const unsigned concurrencies[] = {1, 2, 7, 10, 30, 100, 500};
    static const unsigned patience[] = {0, 1000, 60000, 300000, 900000};
    struct engine_options o = options_of(concurrencies[chance(7)]);
    o.per_host = 1 + (unsigned)chance(4);
    o.per_net = chance(2) ? 0 : 1 + (unsigned)chance(12);
    o.rate = chance(3) ? 0 : 1 + (double)chance(500) / 3;
    o.patience_ms = patience[chance(5)];
    twist.addresses = chance(3) ? 0 : 1 + (unsigned)chance(8);
    twist.descriptors = chance(3) ? 0 : 1 + (unsigned)chance(12);
    twist.failing = chance(4) ? 0 : (unsigned)chance(60);
    twist.late = chance(2) ? 0 : (unsigned)chance(60);
    twist.pairs = chance(2) ? 0 : (unsigned)chance(PORTS / 2);
    return o;
}

static void expect_manners(const struct engine_options *o, size_t hosts)
{
    assert_true(world.most_active <= o->concurrency);
    assert_true(!twist.descriptors || world.most_active <= twist.descriptors);
    assert_true(!o->per_net || world.most_in_net <= o->per_net);
    assert_true(world.most_open <= o->concurrency + 256 + 512);
    assert_true(o->rate == 0 ||
                world.started <= 2 + o->rate * (0.1 + (double)world.now / (double)SECOND));
    for (size_t i = 0; i < 256 && i < hosts; i++)
        assert_true(world.logs[i].most_talking <= o->per_host);
}

/* Half a minute at a time in which we do nothing: who hung up on us is asked again. */
static void what_a_stall_cut_is_asked_again(void **state)
{
    (void)state;
    twist.seed = 1;
    twist.cut = 10;
    run(options_of(100), 50, all_sound, 1000);
    assert_true(world.stalls > 0);
    assert_int_equal(world.statuses[STATUS_OK], 50 * PORTS);
    assert_true(world.connections > 50 * PORTS);
    memset(&twist, 0, sizeof twist);
}

static void what_stalls_cut_for_ever_is_not_known(void **state)
{
    (void)state;
    twist.seed = 1;
    twist.cut = 100;
    run(options_of(100), 5, all_sound, 1000);
    assert_int_equal(world.statuses[STATUS_ERROR], 5 * PORTS);
    assert_true(world.started <= 5 * PORTS * 10);
    memset(&twist, 0, sizeof twist);
}

/* Whoever keeps us busy may do so once. */
static void what_stalls_us_is_not_asked_again(void **state)
{
    (void)state;
    twist.seed = 1;
    twist.cut = 100;
    twist.slow = true;
    run(options_of(1), 3, all_sound, 1000);
    assert_int_equal(world.statuses[STATUS_ERROR], 3 * PORTS);
    assert_int_equal(world.started, 3 * PORTS);
    memset(&twist, 0, sizeof twist);
}

/* Every run ends, with every host told once and no limit passed. */
static void any_run(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        twist.seed = seed;
        struct engine_options o = any_options();
        size_t hosts = 1 + chance(60);
        twist.stop_at = chance(4) ? 0 : 1 + chance(hosts);
        run(o, hosts, any_kind, 1 + chance(3000));
        expect_manners(&o, hosts);
    }
    memset(&twist, 0, sizeof twist);
}

/* Where every service would speak to us if it is asked gently enough, all of them do in the end. */
static void any_run_with_patience(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        twist.seed = seed;
        struct engine_options o = any_options();
        size_t hosts = 1 + chance(40);
        o.patience_ms = 3600000;
        run(o, hosts, any_sound_kind, 1 + chance(3000));
        expect_manners(&o, hosts);
        if (world.statuses[STATUS_OK] != hosts * PORTS)
            fail_msg("seed %u: %u of %zu", (unsigned)seed, world.statuses[STATUS_OK],
                     hosts * PORTS);
    }
    memset(&twist, 0, sizeof twist);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_host_costs_one_timeout),
        cmocka_unit_test(silence_costs_a_wave_for_each_concurrency),
        cmocka_unit_test(near_hosts_make_silence_short),
        cmocka_unit_test(an_open_port_does_not_wait_for_the_silent_ones),
        cmocka_unit_test(dialogues_with_a_host_are_few),
        cmocka_unit_test(what_is_held_too_long_is_asked_again),
        cmocka_unit_test(what_is_lost_while_held_is_asked_again),
        cmocka_unit_test(a_rate_is_kept_over_all),
        cmocka_unit_test(a_network_is_spared),
        cmocka_unit_test(little_room_is_enough),
        cmocka_unit_test(two_connections_a_minute),
        cmocka_unit_test(patience_has_an_end),
        cmocka_unit_test(without_patience_nothing_is_asked_again),
        cmocka_unit_test(one_that_turns_us_away_holds_up_nobody),
        cmocka_unit_test(very_many_that_turn_us_away),
        cmocka_unit_test(none_is_held_where_we_wait),
        cmocka_unit_test(what_breaks_as_it_begins),
        cmocka_unit_test(who_is_connected_comes_first),
        cmocka_unit_test(what_is_complete_is_told),
        cmocka_unit_test(what_never_has_its_turn_is_not_known),
        cmocka_unit_test(what_a_stall_cut_is_asked_again),
        cmocka_unit_test(what_stalls_cut_for_ever_is_not_known),
        cmocka_unit_test(what_stalls_us_is_not_asked_again),
        cmocka_unit_test(any_run),
        cmocka_unit_test(any_run_with_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
