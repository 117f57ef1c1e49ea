/* SPDX-License-Identifier: MIT */
/* scan.c: the command that scans: targets in, an engine that asks, writers that tell. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "output/draft.h"
#include "output/progress.h"
#include "scanner/commands/command.h"
#include "scanner/commands/config.h"
#include "scanner/commands/confine.h"
#include "scanner/commands/delivery.h"
#include "scanner/commands/description.h"
#include "scanner/commands/history.h"
#include "scanner/commands/hook.h"
#include "scanner/commands/notice.h"
#include "scanner/commands/resumption.h"
#include "scanner/commands/scope.h"
#include "scanner/commands/standard.h"
#include "scanner/commands/sums.h"
#include "scanner/commands/watchdog.h"
#include "scanner/crew.h"

#define DESCRIPTORS_KEPT 64     /* for everything but connections */
#define DESCRIPTORS_OF_WORKER 8 /* a thread's loop */
#define DESCRIPTORS_LEAST 8     /* the loop's own, which libuv aborts without, and a connection */
#define RATE_OF_WORKER 100      /* connections a second that are work for a thread */

/* There is a checkpoint after so long, and after so many hosts. */
#define CHECKPOINT_MS 10000
#define CHECKPOINT_HOSTS 4096

struct scan {
    struct scan_options options;
    struct scope scope;
    struct trust *trust;
    struct crew *crew;
    struct watchdog *watchdog; /* from the first signal that is caught to the end of the loop */
    uv_loop_t loop;
    uv_async_t stop; /* a signal came, or a worker has given up */
    uv_timer_t redraw, deadline, mark;
    int64_t begun; /* this process; the run may have begun before */
    bool progress;

    struct standard standard;
    struct description description;
    struct resumption resumption; /* all zero: it is a new run */
    struct history history;
    struct hook hook;
    struct sandbox sandbox;
    struct delivery delivery;
    struct outfile files[WRITERS_MAX];
    struct writing writings[WRITERS_MAX];
    size_t writer_count;
    struct draft *drafts; /* one for each worker */

    /* What workers add to, one at a time. */
    pthread_mutex_t lock;
    struct sums sums;
    unsigned since; /* hosts that are complete since the last checkpoint */
    bool unmarkable;
    const char *stopped_by;
    bool trouble;
    bool lost; /* for want of memory: the run goes on, and is not whole */
};

static void say(struct scan *s, enum priority priority, const char *text)
{
    if (s->progress)
        progress_clear(stderr);
    notice(priority, "%s", text);
}

/* Shards that are given no seed have the same: they are one run. */
static bool choose_seed(struct scan *s)
{
    uint64_t *seed = &s->options.crew.dealer.seed;
    if (s->options.resume && !s->options.seeded) {
        *seed = s->resumption.from.seed;
        return true;
    }
    return s->options.seeded || s->options.crew.dealer.shards ||
           gnutls_rnd(GNUTLS_RND_NONCE, seed, sizeof *seed) == 0;
}

/* --- going on --------------------------------------------------------------------------------- */

/* What was counted before. The usage names all waivers, and that of the records those alone that
   findings have. */
static bool take_totals(struct scan *s, const struct totals *from)
{
    struct usage *usage = s->sums.totals.tally.usage;
    s->sums.totals = *from;
    s->sums.totals.tally.usage = usage;
    return !usage || !from->tally.usage || usage_add(usage, from->tally.usage);
}

/* The run that is described is the one that was interrupted. */
static bool resume(struct scan *s)
{
    const struct continuation *from = &s->resumption.from;
    struct dealer_options *dealer = &s->options.crew.dealer;
    struct run *run = &s->description.run;

    if (!resumption_fits(&s->resumption, run))
        return false;
    if (*from->problem && !s->options.quiet)
        notice(PRIORITY_NOTE, "%s:%" PRIu64 ": %s; from here on it is done again",
               s->options.resume, from->problem_line, from->problem);
    memcpy(run->id, from->run_id, sizeof run->id);
    run->started = from->started;
    dealer->from = from->cursor;
    dealer->again = from->pending;
    dealer->again_count = from->pending_count;
    if (take_totals(s, &from->totals))
        return true;
    notice(PRIORITY_ERROR, "%s: it has a waiver that there is not", s->options.resume);
    return false;
}

/* --- earlier runs ----------------------------------------------------------------------------- */

static void on_state_problem(void *context, const char *text)
{
    say(context, PRIORITY_ERROR, text);
}

/* Now that it is known which run it is: nobody else can write to the state from here on. */
static bool remember(struct scan *s)
{
    struct run *run = &s->description.run;
    struct history *h = &s->history;
    if (!delivery_place(&s->delivery, run))
        return false;
    if (!s->options.state)
        return true;
    h->on_problem = on_state_problem;
    h->context = s;
    if (!history_open(h, s->options.state, run->id) ||
        (s->options.resume && !history_replay(h, &s->resumption.file, s->resumption.keep)))
        return false;
    if (h->taken && !s->resumption.from.complete && !s->options.quiet)
        notice(PRIORITY_NOTE,
               "%s: it has this run as far as it had come: what is seen from here on comes into it "
               "only by `state rebuild`",
               s->options.state);
    return true;
}

static bool is_done(void *context, const struct target_host *target, const struct address *address)
{
    const struct scan *s = context;
    return continuation_has(&s->resumption.from, target, address);
}

/* --- output ----------------------------------------------------------------------------------- */

static bool open_outfile(struct outfile *file, const char *path)
{
    if (outfile_open(file, path))
        return true;
    notice(PRIORITY_ERROR, "%s: %s", file->name, outfile_problem(file));
    return false;
}

static bool goes_on(const struct scan *s, const struct writer *writer)
{
    return s->options.resume && writer->resume;
}

static bool add_writer(struct scan *s, const struct writer *writer, const char *path)
{
    struct outfile *file = &s->files[s->writer_count];
    if (!(goes_on(s, writer) ? resumption_place(&s->resumption, path, file)
                             : open_outfile(file, path)))
        return false;
    s->writings[s->writer_count++] =
        (struct writing){.writer = writer,
                         .run = &s->description.run,
                         .file = file,
                         .all = s->options.all,
                         .listener = history_listener(&s->history),
                         .color = writer == &writer_table && use_color()};
    return true;
}

static bool open_writers(struct scan *s)
{
    const struct scan_options *o = &s->options;
    const char *path = delivery_path(&s->delivery);
    struct outlets outlets = outlets_of(path, o->json, o->table);

    if (!outlets.records && o->state) /* the state hears of all that the records have */
        path = "/dev/null";
    if ((outlets.records || o->state) && !add_writer(s, &writer_ndjson, path))
        return false;
    return !outlets.table || add_writer(s, &writer_table, NULL);
}

static void tell_trouble(struct scan *s, const char *text, const char *stopped_by)
{
    say(s, PRIORITY_ERROR, text);
    s->trouble = true;
    s->stopped_by = stopped_by;
}

static void tell_write_error(struct scan *s, const struct outfile *file)
{
    char line[512];
    snprintf(line, sizeof line, "%s: %s", file->name, outfile_problem(file));
    tell_trouble(s, line, "output_error");
}

/* Under the lock: something that should be in the records is not. */
static void tell_loss(struct scan *s, const char *text)
{
    say(s, PRIORITY_ERROR, text);
    s->lost = true;
    if (!s->stopped_by)
        s->stopped_by = "error";
}

/* --- events ----------------------------------------------------------------------------------- */

/* Under the lock, here as in what follows: says how far the run is. */
static bool write_checkpoint(struct scan *s, const struct dealer_state *state)
{
    struct checkpoint c = {.time = now_ms(),
                           .cursor = state->cursor,
                           .pending = state->pending,
                           .pending_count = state->count,
                           .totals = s->sums.totals};
    for (size_t i = 0; i < s->writer_count; i++) {
        struct writing *w = &s->writings[i];
        if (w->writer->checkpoint && !w->file->error && !w->writer->checkpoint(w, &c)) {
            tell_write_error(s, w->file);
            return false;
        }
    }
    return true;
}

/* No checkpoint is no harm: then the last one counts. */
static bool mark(struct scan *s)
{
    struct dealer_state state;
    bool ok = true;

    if (!s->since || !dealer_state(crew_dealer(s->crew), &state))
        return true;
    s->since = 0;
    if (state.count <= CHECKPOINT_PENDING_MAX) {
        ok = write_checkpoint(s, &state);
    } else if (!s->unmarkable && !s->options.quiet) {
        say(s, PRIORITY_NOTE, "no checkpoint is written: too many hosts are under way");
        s->unmarkable = true;
    }
    free(state.pending);
    return ok;
}

/* What was seen of an endpoint, but could not be kept, is in the records as our own trouble. */
static void tell_forgotten(struct scan *s, const struct host_view *host)
{
    char address[ADDRESS_TEXT_MAX], line[ADDRESS_TEXT_MAX + 80];
    size_t forgotten = 0;
    for (size_t i = 0; i < host->count; i++)
        forgotten += host->endpoints[i].failed;
    if (!forgotten)
        return;
    snprintf(line, sizeof line, "%s: out of memory: what was seen of %zu endpoint%s is not kept",
             address_format(&host->address, address), forgotten, forgotten == 1 ? "" : "s");
    tell_loss(s, line);
}

static bool write_host(struct scan *s, const struct host_view *host, const struct draft *draft)
{
    if (s->progress)
        progress_clear(stderr); /* a row of the table may come where it stands */
    const struct writing *failed = draft_write(draft, s->writings, s->writer_count, host);
    if (failed)
        tell_write_error(s, failed->file);
    return !failed;
}

/* What was seen of a host is written before it counts, and as done. It counts, too, if not all
   could write it: the records may have it. */
static bool take_host(struct scan *s, const struct host_view *host, struct dealt *dealt,
                      const struct draft *draft)
{
    tell_forgotten(s, host);
    bool written = !draft || write_host(s, host, draft);
    bool over = dealer_done(crew_dealer(s->crew), dealt);
    if (!sums_add(&s->sums, dealt, over, host, draft ? &draft->opinions : NULL)) {
        tell_trouble(s, "out of memory", "error");
        return false;
    }
    return ++s->since >= CHECKPOINT_HOSTS && written ? mark(s) : written;
}

static bool on_host(void *context, unsigned worker, const struct host_view *host,
                    struct dealt *dealt)
{
    struct scan *s = context;
    struct draft *draft =
        history_records(&s->history, s->options.all, host) ? &s->drafts[worker] : NULL;
    bool made =
        !draft || draft_make(draft, &s->description.run, s->writings, s->writer_count, host);

    pthread_mutex_lock(&s->lock);
    if (!made)
        tell_trouble(s, "out of memory", "error");
    bool ok = made && !s->trouble && take_host(s, host, dealt, draft);
    pthread_mutex_unlock(&s->lock);
    if (!ok)
        uv_async_send(&s->stop);
    return ok;
}

static void on_message(void *context, const char *text)
{
    struct scan *s = context;
    pthread_mutex_lock(&s->lock);
    if (!s->options.quiet)
        say(s, PRIORITY_NOTE, text);
    pthread_mutex_unlock(&s->lock);
}

static void on_loss(void *context, const char *text)
{
    struct scan *s = context;
    pthread_mutex_lock(&s->lock);
    tell_loss(s, text);
    pthread_mutex_unlock(&s->lock);
}

/* A signal handler can be told nothing, so this is all that is not on a stack of ours. */
static atomic_int signals;
static uv_async_t *volatile signalled;

/* The first signal ends the run in good order; the second at once, whatever the loop is doing. */
static void on_signal(int number)
{
    (void)number;
    if (signals++)
        _exit(EXIT_INCOMPLETE);
    if (signalled)
        uv_async_send(signalled);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static void on_crew_end(void *context)
{
    struct scan *s = context;
    signalled = NULL;
    uv_close((uv_handle_t *)&s->stop, NULL);
    uv_close((uv_handle_t *)&s->redraw, NULL);
    uv_close((uv_handle_t *)&s->deadline, NULL);
    uv_close((uv_handle_t *)&s->mark, NULL);
}

static void stop(struct scan *s, const char *why)
{
    pthread_mutex_lock(&s->lock);
    if (!s->stopped_by)
        s->stopped_by = why;
    pthread_mutex_unlock(&s->lock);
    crew_stop(s->crew);
}

static void on_stop(uv_async_t *handle)
{
    stop(handle->data, "signal");
}

static void on_deadline(uv_timer_t *timer)
{
    stop(timer->data, "deadline");
}

static void on_mark(uv_timer_t *timer)
{
    struct scan *s = timer->data;
    pthread_mutex_lock(&s->lock);
    bool ok = s->trouble || mark(s);
    pthread_mutex_unlock(&s->lock);
    if (!ok)
        uv_async_send(&s->stop);
}

static void on_redraw(uv_timer_t *timer)
{
    struct scan *s = timer->data;
    const struct run *run = &s->description.run;
    pthread_mutex_lock(&s->lock);
    progress_draw(
        stderr, &(struct progress){
                    .hosts = s->sums.totals.hosts,
                    .before = s->resumption.from.totals.hosts,
                    .total = s->scope.stream ? 0 : shard_size(run->hosts, run->shard, run->shards),
                    .answered = s->sums.totals.answered,
                    .active = crew_active(s->crew),
                    .elapsed = now_ms() - s->begun});
    pthread_mutex_unlock(&s->lock);
}

/* --- from start to end ------------------------------------------------------------------------ */

/* Descriptors for as many connections as are asked for, or as many connections as there are
 * descriptors. */
static void make_room(struct crew_options *o, bool quiet)
{
    struct rlimit limit;
    rlim_t kept = DESCRIPTORS_KEPT + (rlim_t)o->workers * DESCRIPTORS_OF_WORKER;
    rlim_t wanted = (rlim_t)o->engine.concurrency + kept;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted)
        return;
    if (limit.rlim_cur <= 2 * kept)
        o->workers = 1;
    o->engine.concurrency = limit.rlim_cur > 2 * kept ? (unsigned)(limit.rlim_cur - kept)
                                                      : (unsigned)(limit.rlim_cur / 2);
    if (!quiet)
        notice(PRIORITY_NOTE,
               "only %u connections at once: that is what the limit of open files allows",
               o->engine.concurrency);
}

/* Are there as many as a scan cannot do without? */
static bool has_descriptors(void)
{
    int fds[DESCRIPTORS_LEAST], count = 0;
    while (count < DESCRIPTORS_LEAST &&
           (fds[count] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
        count++;
    for (int i = 0; i < count; i++)
        close(fds[i]);
    return count == DESCRIPTORS_LEAST;
}

/* No more threads than there are hosts: more would have nothing to do. And each keeps its share of
   the rate by itself: shares of a low one would be used all at once, or by nobody. */
static void limit_workers(struct scan *s)
{
    struct crew_options *o = &s->options.crew;
    uint64_t most = targets_count(s->scope.targets);
    if (most > o->engine.concurrency || s->scope.stream)
        most = o->engine.concurrency;
    if (o->engine.rate > 0 && (double)most > o->engine.rate / RATE_OF_WORKER)
        most = (uint64_t)(o->engine.rate / RATE_OF_WORKER);
    if (o->workers > most)
        o->workers = most ? (unsigned)most : 1;
}

/* Two names may lead to one service, and a name to an address that is a target itself. Names are the
   last of the targets. */
static bool meets_twice(const struct scan *s)
{
    uint64_t count = targets_count(s->scope.targets);
    struct target_host last;
    return s->scope.stream ||
           (count && targets_host(s->scope.targets, count - 1, &last) && last.name);
}

/* A worker that is not shut in as far as it is to be does not work. */
static void on_thread(void *context)
{
    struct scan *s = context;
    if (sandbox_thread(&s->sandbox))
        return;
    pthread_mutex_lock(&s->lock);
    tell_trouble(s, "--sandbox=require: a thread cannot be shut in", "error");
    pthread_mutex_unlock(&s->lock);
    uv_async_send(&s->stop);
}

/* Everything is open: from here on there are strangers. */
static bool shut(struct scan *s)
{
    bool threads = s->options.crew.workers > 1;
    enum sandbox_phase worker = s->options.state ? SANDBOX_KEEPER : SANDBOX_WORKER;
    confine_scan(&s->sandbox, &s->options);
    if (!confine_shut(&s->sandbox, SANDBOX_SCAN, threads ? worker : SANDBOX_SCAN))
        return false;
    confine_tell(&s->sandbox, s->options.quiet);
    return true;
}

static void begin_crew(struct scan *s)
{
    if (!shut(s)) {
        s->trouble = true;
        s->stopped_by = "error";
        crew_stop(s->crew);
    } else if (!crew_start(s->crew)) {
        pthread_mutex_lock(&s->lock); /* others were begun */
        tell_trouble(s, "a thread cannot be begun", "error");
        pthread_mutex_unlock(&s->lock);
    }
}

static bool start(struct scan *s)
{
    struct crew_events events = {.on_host = on_host,
                                 .on_message = on_message,
                                 .on_loss = on_loss,
                                 .on_thread = on_thread,
                                 .on_end = on_crew_end,
                                 .context = s};

    if (s->options.resume)
        events.is_done = is_done;
    s->begun = now_ms();

    s->options.crew.engine.endpoint.trust = s->trust;
    s->options.crew.engine.meets_twice = meets_twice(s);
    limit_workers(s);
    if (!(s->drafts = calloc(s->options.crew.workers, sizeof *s->drafts)))
        return false;
    s->crew = crew_new(&s->loop, &s->options.crew, s->scope.targets, s->scope.stream, STDIN_FILENO,
                       events, stderr);
    if (!s->crew)
        return false;
    uv_async_init(&s->loop, &s->stop, on_stop);
    uv_timer_init(&s->loop, &s->redraw);
    uv_timer_init(&s->loop, &s->deadline);
    uv_timer_init(&s->loop, &s->mark);
    s->stop.data = s->redraw.data = s->deadline.data = s->mark.data = s;
    signalled = &s->stop;
    if (signals) /* it came before there was a loop to tell */
        uv_async_send(&s->stop);
    s->progress = isatty(STDERR_FILENO) && !s->options.quiet;
    if (s->progress)
        uv_timer_start(&s->redraw, on_redraw, 200, 200);
    if (s->options.max_duration) {
        uv_timer_start(&s->deadline, on_deadline, s->options.max_duration, 0);
        watchdog_limit(s->watchdog, s->options.max_duration);
    }
    uv_timer_start(&s->mark, on_mark, CHECKPOINT_MS, CHECKPOINT_MS);
    begin_crew(s);
    return true;
}

static int exit_code(const struct scan *s)
{
    if (s->trouble || s->lost || s->history.failed || s->history.incomplete ||
        (s->scope.stream && targets_stream_errors(s->scope.stream)))
        return EXIT_TROUBLE;
    if (s->stopped_by || (s->sums.totals.hosts && !s->sums.totals.answered))
        return EXIT_INCOMPLETE;
    return standard_code(&s->standard, &s->sums.totals.tally);
}

/* The clock may have been set since the run began. */
static int64_t elapsed_since(int64_t started)
{
    int64_t now = now_ms();
    return now > started ? now - started : 0;
}

/* What can only be said when all that was to be asked has been. */
static bool on_absent(void *context, const struct absent *absent)
{
    struct scan *s = context;
    for (size_t i = 0; i < s->writer_count; i++) {
        struct writing *w = &s->writings[i];
        if (w->writer->not_asked && !w->writer->not_asked(w, absent, now_ms())) {
            tell_write_error(s, w->file);
            return false;
        }
    }
    return true;
}

static bool is_whole(const struct scan *s)
{
    return !s->stopped_by && !s->trouble &&
           !(s->scope.stream && targets_stream_errors(s->scope.stream));
}

static void tell_absent(struct scan *s)
{
    if (is_whole(s)) /* what goes wrong tells of itself */
        history_absent(&s->history, s->scope.targets, s->scope.stream, on_absent, s);
}

static void end_writers(struct scan *s, const struct run_end *e)
{
    for (size_t i = 0; i < s->writer_count; i++) {
        struct writing *w = &s->writings[i];
        bool ok = w->file->error == 0 && w->writer->end(w, e);
        ok = outfile_close(w->file) && ok;
        if (!ok && !s->trouble)
            tell_write_error(s, w->file);
    }
}

/* One line, for those who read in the morning what happened at night. */
static void summarise(const struct scan *s, const struct totals *t)
{
    uint64_t grave = 0;
    if (s->options.quiet || !notice_is_journal())
        return;
    for (int i = SEVERITY_MEDIUM; i < SEVERITY_COUNT; i++)
        grave += t->tally.findings[i];
    notice(PRIORITY_INFO,
           "%" PRIu64 " of %" PRIu64
           " hosts answered; findings of medium severity or more: %" PRIu64 "%s%s",
           t->answered, t->hosts, grave, *s->history.summary ? "; " : "", s->history.summary);
}

/* The records are closed: all that is made of them, each whatever becomes of the others. */
static int hand_over(struct scan *s, const struct totals *totals)
{
    const struct scan_options *o = &s->options;
    bool ok = history_commit(&s->history, o->on_change != NULL);

    if (s->trouble && o->export_count)
        say(s, PRIORITY_ERROR, "nothing is exported: the records are not whole");
    if (!s->trouble) {
        ok = delivery_shelve(&s->delivery) && ok;
        ok = delivery_export(&s->delivery) && ok;
    }
    summarise(s, totals);
    ok = (!o->on_change || history_hook(&s->history, &s->hook, delivery_records(&s->delivery))) &&
         ok;
    return ok && !s->trouble && !s->lost ? EXIT_DONE : EXIT_TROUBLE;
}

/* Waivers that nobody needs, or that are over: for people, and no error. */
static void tell_usage(const struct scan *s, const struct run_end *e)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = s->options.quiet ? NULL : open_memstream(&text, &size);
    if (!f)
        return;
    usage_tell(e->totals.tally.usage, !e->stopped_by && !s->description.run.shards, now_ms(),
               PROGRAM, f);
    if (fclose(f) == 0)
        notice_lines(PRIORITY_NOTE, text);
    free(text);
}

static int end(struct scan *s)
{
    if (s->progress)
        progress_clear(stderr);
    if (s->stopped_by)
        mark(s);
    tell_absent(s);
    struct run_end e = {.duration = elapsed_since(s->description.run.started),
                        .stopped_by = s->stopped_by,
                        .totals = s->sums.totals};
    e.exit_code = exit_code(s);
    end_writers(s, &e);
    scope_tell_ignored(&s->scope);
    tell_usage(s, &e);
    return worse_code(e.exit_code, hand_over(s, &e.totals));
}

/* --- a run that is complete already ----------------------------------------------------------- */

/* Its records get where they are wanted, if they are not there. */
static bool place_copy(struct scan *s)
{
    const char *path = delivery_path(&s->delivery);
    struct outfile copy;

    if (resumption_stays(&s->resumption, path))
        return true;
    if (!resumption_place(&s->resumption, path, &copy))
        return false;
    if (!outfile_close(&copy))
        notice(PRIORITY_ERROR, "%s: %s", copy.name, outfile_problem(&copy));
    return copy.error == 0;
}

/* It may have been killed before the rest was done. */
static int leave(struct scan *s)
{
    const struct continuation *from = &s->resumption.from;
    if (!s->options.quiet)
        notice(PRIORITY_NOTE, "%s: the run is complete: nothing is left to be asked",
               s->options.resume);
    if (!place_copy(s) || !shut(s))
        return EXIT_TROUBLE;
    return worse_code(from->exit_code, hand_over(s, &from->totals));
}

/* --- all of it -------------------------------------------------------------------------------- */

static bool begin_writers(struct scan *s)
{
    for (size_t i = 0; i < s->writer_count; i++) {
        struct writing *w = &s->writings[i];
        if (!(goes_on(s, w->writer) ? w->writer->resume(w, &s->resumption.from)
                                    : w->writer->begin(w))) {
            tell_write_error(s, w->file);
            return false;
        }
    }
    return true;
}

static void scan_free(struct scan *s)
{
    watchdog_free(s->watchdog);
    for (size_t i = 0; i < s->writer_count; i++)
        if (s->writings[i].writer->free)
            s->writings[i].writer->free(&s->writings[i]);
    for (unsigned i = 0; s->drafts && i < s->options.crew.workers; i++)
        draft_free(&s->drafts[i]);
    free(s->drafts);
    description_free(&s->description);
    standard_free(&s->standard);
    crew_free(s->crew);
    sums_free(&s->sums);
    resumption_free(&s->resumption);
    delivery_free(&s->delivery);
    sandbox_end(&s->sandbox);
    hook_end(&s->hook);
    history_free(&s->history);
    pthread_mutex_destroy(&s->lock);
    trust_free(s->trust);
    scope_free(&s->scope);
    options_free(&s->options);
}

/* Before anything that strangers wrote is read. */
static bool begin_hook(struct scan *s)
{
    const struct scan_options *o = &s->options;
    return !o->on_change || o->dry_run ||
           hook_begin(&s->hook, &(struct hook_plan){.command = o->on_change,
                                                    .timeout = o->on_change_timeout,
                                                    .state = o->state,
                                                    .records_dir = o->records_dir,
                                                    .records = o->output});
}

static int run_scan(struct scan *s)
{
    if (!delivery_check(&s->delivery, &s->options) ||
        !confine_begin(&s->sandbox, s->options.sandbox) || !begin_hook(s) ||
        !standard_load(&s->standard, &s->options.standard) || !scope_read(&s->scope, &s->options))
        return EXIT_TROUBLE;
    if (s->options.dry_run)
        return scope_describe(&s->scope);
    if (s->options.resume && !resumption_open(&s->resumption, s->options.resume))
        return EXIT_TROUBLE;
    if (!choose_seed(s))
        return EXIT_TROUBLE;
    catch_signals();
    if (!(s->watchdog = watchdog_new(&signals))) {
        notice(PRIORITY_ERROR, "a thread cannot be begun");
        return EXIT_TROUBLE;
    }
    s->trust = trust_new(s->options.ca_file, stderr);
    if (!s->trust && s->options.ca_file)
        return EXIT_TROUBLE;
    if (!s->trust && !s->options.quiet)
        notice(PRIORITY_NOTE,
               "certificates are not verified: install ca-certificates, or give --ca-file");
    s->description.run.policies = s->standard.policies;
    s->description.run.exceptions = s->standard.exceptions;
    if (!tally_begin(&s->sums.totals.tally, &s->standard.exceptions)) {
        say(s, PRIORITY_ERROR, "out of memory");
        return EXIT_TROUBLE;
    }
    if (!description_make(&s->description, &s->options, s->scope.targets,
                          choice_chosen(s->scope.choice)) ||
        (s->options.resume && !resume(s)) || !remember(s))
        return EXIT_TROUBLE;
    if (s->resumption.from.complete) {
        watchdog_free(s->watchdog);
        s->watchdog = NULL;
        return leave(s);
    }
    if (!open_writers(s) || !begin_writers(s))
        return EXIT_TROUBLE;
    make_room(&s->options.crew, s->options.quiet); /* the record says what was asked for */
    int result = has_descriptors() ? uv_loop_init(&s->loop) : UV_EMFILE;
    if (result < 0) {
        notice(PRIORITY_ERROR, "the scan cannot be begun: %s", uv_strerror(result));
        return EXIT_TROUBLE;
    }
    bool started = start(s);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    watchdog_free(s->watchdog);
    s->watchdog = NULL;
    int code = started ? end(s) : EXIT_TROUBLE;
    if (uv_loop_close(&s->loop) != 0) { /* a handle was forgotten: a mistake of ours */
        notice(PRIORITY_ERROR, "something is still open");
        return EXIT_TROUBLE;
    }
    return code;
}

int command_scan(int argc, char **argv)
{
    struct scan s = {.sandbox = {.mode = SANDBOX_OFF}};

    pthread_mutex_init(&s.lock, NULL);
    options_parse(&s.options, argc, argv, configure);
    int code = s.options.print_config ? print_configuration(&s.options) : run_scan(&s);
    scan_free(&s);
    return code;
}
