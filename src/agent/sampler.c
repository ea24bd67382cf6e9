#include "agent/sampler.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "metric/section.h"

enum {
    STACK_SIZE = 512 << 10,
    UP_LABELS_MAX = 8, /* instance, job, metrics_path */
    UP_NAME_MAX = 64,
    SLEEP_MS_MAX =
        10000, /* so that a step of the wall clock is seen soon, however long the interval */
    RENEW_MS = 3600000, /* the layout may begin anew as often, where series have gone */
};

struct nv_sampler {
    struct nv_sampler_options options;
    struct nv_ticks ticks;
    struct nv_registry *registry; /* of the agent's own series */
    struct nv_section *section;
    struct nv_frame_pool *pool;
    int64_t renewed_ms; /* the hour; 0 before the first tick */
    uint64_t generation;
    struct nv_complaint refused, broken;

    pthread_t thread;
    bool running;

    pthread_mutex_t lock; /* what follows */
    pthread_cond_t wake;
    bool stopping;
    struct nv_sampler_stats stats;
};

static const struct nv_family up_family = {"up", NV_GAUGE, NV_AS_IS,
                                           "Whether the target could be scraped."};

/* ---- the clock ------------------------------------------------------------------------------ */

static int64_t align(int64_t ms, int64_t interval_ms)
{
    return ms - ms % interval_ms;
}

void nv_ticks_init(struct nv_ticks *ticks, int64_t interval_ms, int64_t wall_ms)
{
    *ticks = (struct nv_ticks){
        .interval_ms = interval_ms,
        .next_ms = align(wall_ms, interval_ms) + interval_ms,
    };
}

/* Counts the ticks between the one that was next and the one that is due: as missed where time has really
 * passed, else as one jump of the wall clock. */
static void skip(struct nv_ticks *ticks, int64_t due_ms, int64_t monotonic_ns)
{
    int64_t skipped = (due_ms - ticks->next_ms) / ticks->interval_ms, passed = 0;

    if (ticks->last_ns)
        passed = (monotonic_ns - ticks->last_ns) / (ticks->interval_ms * 1000000);
    if (skipped > passed) {
        ticks->jumps++;
        skipped = passed > 0 ? passed - 1 : 0;
    }
    ticks->missed += (uint64_t)skipped;
}

int64_t nv_ticks_next(struct nv_ticks *ticks, int64_t wall_ns, int64_t monotonic_ns,
                      int64_t *ret_time_ms)
{
    int64_t now = wall_ns / 1000000, interval = ticks->interval_ms;

    if (ticks->next_ms - now > 2 * interval) { /* a small step back is waited out */
        ticks->jumps++;
        ticks->next_ms = align(now, interval) + interval;
    }
    if (now < ticks->next_ms)
        return ticks->next_ms * 1000000 - wall_ns;

    int64_t due = align(now, interval);
    skip(ticks, due, monotonic_ns);
    *ret_time_ms = (now - due) * 100 <= interval * NV_TICKS_LATE_PERCENT ? due : now;
    ticks->next_ms = due + interval;
    ticks->last_ns = monotonic_ns;
    ticks->ticks++;
    return 0;
}

static int64_t real_wall_ns(void *clock)
{
    (void)clock;
    return nv_clock_ns(CLOCK_REALTIME);
}

static int64_t real_monotonic_ns(void *clock)
{
    (void)clock;
    return nv_monotonic_ns();
}

/* ---- life ----------------------------------------------------------------------------------- */

int nv_sampler_new(const struct nv_sampler_options *options, struct nv_sampler **ret)
{
    NV_AUTO(nv_sampler) *sampler = calloc(1, sizeof(*sampler));

    if (!sampler)
        return -ENOMEM;
    pthread_mutex_init(&sampler->lock, NULL);
    pthread_cond_init(&sampler->wake, NULL);
    sampler->options = *options;
    if (!options->wall_ns) {
        sampler->options.wall_ns = real_wall_ns;
        sampler->options.monotonic_ns = real_monotonic_ns;
    }
    sampler->registry = nv_registry_new();
    sampler->pool = nv_frame_pool_new();
    if (sampler->registry)
        sampler->section = nv_section_new(sampler->registry);
    if (!sampler->pool || !sampler->section)
        return -ENOMEM;
    nv_ticks_init(&sampler->ticks, options->interval_ms,
                  sampler->options.wall_ns(options->clock) / 1000000);
    *ret = nv_take(sampler);
    return 0;
}

void nv_sampler_free(struct nv_sampler *sampler)
{
    if (!sampler)
        return;
    nv_sampler_stop(sampler);
    nv_section_free(sampler->section);
    nv_frame_pool_free(sampler->pool);
    nv_registry_free(sampler->registry);
    pthread_cond_destroy(&sampler->wake);
    pthread_mutex_destroy(&sampler->lock);
    free(sampler);
}

/* ---- a tick --------------------------------------------------------------------------------- */

static void append(struct nv_sampler *sampler, enum nv_sampler_source source,
                   struct nv_frame *frame)
{
    int r = sampler->options.append(sampler->options.user, source, frame);

    if (r == 0)
        nv_complaint_over(&sampler->refused);
    else if (nv_complaint_speaks(&sampler->refused))
        nv_log_warn("history: a sample was dropped: %s",
                    r < 0 ? strerror(-r) : "it is not newer than the last, or the store is full");
}

/* Target labels are the series' own here, for a layout has a series without them once. */
static void emit_up(struct nv_sampler *sampler, const struct nv_target *target)
{
    char names[UP_LABELS_MAX][UP_NAME_MAX];
    const char *pointers[UP_LABELS_MAX + 1] = {NULL};
    struct nv_str values[UP_LABELS_MAX];

    for (size_t i = 0; i < target->n_labels && i < UP_LABELS_MAX; i++) {
        snprintf(names[i], UP_NAME_MAX, "%.*s", NV_ARGS(target->labels[i].name));
        pointers[i] = names[i];
        values[i] = target->labels[i].value;
    }
    nv_section_emit_sample(sampler->section, &up_family, "", pointers, values, 1);
}

/* Every job has its `up`; whoever can write it is up. */
static struct nv_frame *make_up(struct nv_sampler *sampler, int64_t time_ms)
{
    struct nv_gather *gather = sampler->options.gather;
    char what[NV_SECTION_WHAT_MAX];

    nv_section_begin(sampler->section);
    for (size_t i = 0; i < nv_gather_n_targets(gather); i++)
        if (nv_gather_target_is_there(gather, i))
            emit_up(sampler, nv_gather_target(gather, i));
    nv_section_end(sampler->section);
    nv_section_publish(sampler->section, what);
    struct nv_layout *layout = nv_registry_layout(sampler->registry);
    if (!layout)
        return NULL;
    struct nv_frame *frame = nv_frame_new(sampler->pool, layout, time_ms);
    nv_layout_unref(layout);
    if (frame)
        nv_section_fill(sampler->section, frame);
    return frame;
}

/* Series that have gone leave the layout once an hour, so that frames do not carry them for ever, and with the first
 * frame of a page, so that none is cut short. */
static void renew_hourly(struct nv_sampler *sampler, int64_t time_ms)
{
    const struct nv_sampler_options *options = &sampler->options;
    bool due = sampler->renewed_ms && align(time_ms, RENEW_MS) != sampler->renewed_ms;

    nv_gather_renew(options->gather,
                    due && (!options->begins_page || options->begins_page(options->user)));
}

static void note_generation(struct nv_sampler *sampler, const struct nv_frame *frame)
{
    if (frame->layout->generation == sampler->generation)
        return;
    sampler->generation = frame->layout->generation;
    sampler->renewed_ms = align(frame->time_ms, RENEW_MS);
}

/* When the values of a frame were read, by the monotonic clock: at the tick, or when the scrape began that it joined. */
static int64_t read_at(const struct nv_frame *frame, int64_t time_ms, int64_t wall_ns,
                       int64_t monotonic_ns)
{
    int64_t earlier_ns = wall_ns - frame->time_ms * 1000000;

    return frame->time_ms == time_ms || earlier_ns < 0 ||
                   earlier_ns > INT64_C(1000000) * NV_GATHER_JOIN_MS
               ? monotonic_ns
               : monotonic_ns - earlier_ns;
}

static bool tick(struct nv_sampler *sampler, int64_t time_ms, int64_t wall_ns, int64_t monotonic_ns)
{
    NV_AUTO(nv_frame) *node = NULL;

    renew_hourly(sampler, time_ms);
    int r = nv_gather_sample(sampler->options.gather, time_ms, &node);
    NV_AUTO(nv_frame) *up = r == 0 ? make_up(sampler, node->time_ms) : NULL;
    if (!up) {
        if (nv_complaint_speaks(&sampler->broken))
            nv_log_error("history: no memory for a sample");
        return false;
    }
    nv_complaint_over(&sampler->broken);
    note_generation(sampler, node);
    append(sampler, NV_SAMPLER_NODE, node);
    append(sampler, NV_SAMPLER_AGENT, up);
    if (sampler->options.observe)
        sampler->options.observe(sampler->options.observer, node,
                                 read_at(node, time_ms, wall_ns, monotonic_ns));
    return true;
}

int64_t nv_sampler_turn(struct nv_sampler *sampler)
{
    const struct nv_sampler_options *options = &sampler->options;
    int64_t begin = options->monotonic_ns(options->clock), wall = options->wall_ns(options->clock),
            time_ms;

    int64_t sleep_ns = nv_ticks_next(&sampler->ticks, wall, begin, &time_ms);
    if (sleep_ns > 0)
        return sleep_ns;
    bool whole = tick(sampler, time_ms, wall, begin);
    int64_t end = options->monotonic_ns(options->clock);

    pthread_mutex_lock(&sampler->lock);
    sampler->stats.ticks = sampler->ticks.ticks;
    sampler->stats.missed = sampler->ticks.missed;
    sampler->stats.jumps = sampler->ticks.jumps;
    sampler->stats.failed += !whole;
    sampler->stats.ns += (uint64_t)(end - begin);
    sampler->stats.last_ms = wall / 1000000;
    sampler->stats.last_ns = end - begin;
    pthread_mutex_unlock(&sampler->lock);

    int64_t left_ns = sampler->ticks.next_ms * 1000000 - options->wall_ns(options->clock);
    return left_ns > 0 ? left_ns : 0;
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* Sleeps at most so long. False where the end has come. */
static bool sleep_on(struct nv_sampler *sampler, int64_t ns)
{
    if (ns > INT64_C(1000000) * SLEEP_MS_MAX)
        ns = INT64_C(1000000) * SLEEP_MS_MAX;
    int64_t until = nv_monotonic_ns() + ns;
    const struct timespec at = {until / 1000000000, until % 1000000000};

    pthread_mutex_lock(&sampler->lock);
    while (!sampler->stopping && nv_monotonic_ns() < until)
        pthread_cond_clockwait(&sampler->wake, &sampler->lock, CLOCK_MONOTONIC, &at);
    bool goes_on = !sampler->stopping;
    pthread_mutex_unlock(&sampler->lock);
    return goes_on;
}

static void *sampler_main(void *user)
{
    struct nv_sampler *sampler = user;

    pthread_setname_np(pthread_self(), "sampler");
    while (sleep_on(sampler, nv_sampler_turn(sampler)))
        ;
    return NULL;
}

int nv_sampler_start(struct nv_sampler *sampler)
{
    pthread_attr_t attributes;

    int r = pthread_attr_init(&attributes);
    if (r)
        return -r;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    r = pthread_create(&sampler->thread, &attributes, sampler_main, sampler);
    pthread_attr_destroy(&attributes);
    sampler->running = r == 0;
    return -r;
}

void nv_sampler_stop(struct nv_sampler *sampler)
{
    if (!sampler->running)
        return;
    pthread_mutex_lock(&sampler->lock);
    sampler->stopping = true;
    pthread_cond_signal(&sampler->wake);
    pthread_mutex_unlock(&sampler->lock);
    pthread_join(sampler->thread, NULL);
    sampler->running = false;
}

void nv_sampler_stats(struct nv_sampler *sampler, struct nv_sampler_stats *ret)
{
    pthread_mutex_lock(&sampler->lock);
    *ret = sampler->stats;
    pthread_mutex_unlock(&sampler->lock);
}
