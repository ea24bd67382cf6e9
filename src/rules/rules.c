/*
 * rules.c - the engine: whose turn it is.
 */
#include "rules/rules.h"

#include <errno.h>

#include "base/assert.h"
#include "base/clock.h"
#include "rules/group.h"

enum {
    STACK_SIZE = 1 << 20, /* expressions nest */
    SLEEP_MS_MAX = 5000,  /* so that a step of the wall clock is noticed */
    DEFAULT_THREADS = 2,
    MINUTE_MS = 60000,
};

/* ---- life ----------------------------------------------------------------------------------- */

static int64_t real_wall_ns(void *user)
{
    (void)user;
    return nv_clock_ns(CLOCK_REALTIME);
}

static int64_t real_monotonic_ns(void *user)
{
    (void)user;
    return nv_monotonic_ns();
}

static int64_t or_default(int64_t value, int64_t otherwise)
{
    return value < 0 ? otherwise : value;
}

static void fill_options(struct nv_rules_options *options)
{
    if (!options->clock.wall_ns)
        options->clock =
            (struct nv_rules_clock){.wall_ns = real_wall_ns, .monotonic_ns = real_monotonic_ns};
    if (!options->threads)
        options->threads = DEFAULT_THREADS;
    if (options->threads > NV_RULES_THREADS_MAX)
        options->threads = NV_RULES_THREADS_MAX;
    if (!options->timeout_ms)
        options->timeout_ms = 2 * MINUTE_MS;
    options->resend_delay_ms = or_default(options->resend_delay_ms, MINUTE_MS);
    options->outage_tolerance_ms = or_default(options->outage_tolerance_ms, 60 * MINUTE_MS);
    options->grace_period_ms = or_default(options->grace_period_ms, 10 * MINUTE_MS);
}

int nv_rules_new(const struct nv_rules_options *options, struct nv_rules **ret)
{
    struct nv_rules *rules = calloc(1, sizeof(*rules));

    if (!rules)
        return -ENOMEM;
    rules->options = *options;
    fill_options(&rules->options);
    rules->config_memory = NV_ARENA(0);
    rules->config = (struct nv_rules_config){.interval_ms = MINUTE_MS, .external_url = ""};
    pthread_mutex_init(&rules->lock, NULL);
    pthread_cond_init(&rules->wake, NULL);
    pthread_cond_init(&rules->idle, NULL);
    nv_rules_bench_init(&rules->bench);
    *ret = rules;
    return 0;
}

void nv_rules_free(struct nv_rules *rules)
{
    if (!rules)
        return;
    nv_rules_stop(rules);
    for (size_t i = 0; i < rules->n_groups; i++)
        nv_rule_group_free(rules->groups[i]);
    nv_rules_bench_done(&rules->bench);
    nv_arena_done(&rules->config_memory);
    pthread_cond_destroy(&rules->idle);
    pthread_cond_destroy(&rules->wake);
    pthread_mutex_destroy(&rules->lock);
    free(rules->groups);
    free(rules);
}

/* ---- slots ---------------------------------------------------------------------------------- */

int64_t nv_rule_group_slot(const struct nv_group *group, int64_t ms)
{
    int64_t shifted = ms - group->shift_ms, rest = shifted % group->interval_ms;

    return ms - (rest < 0 ? rest + group->interval_ms : rest);
}

/* Slots that went by since the one that was next: missed where time has really passed, else the clock was stepped. */
static void note_missed(struct nv_group *group, int64_t due_ms, int64_t monotonic_ns)
{
    int64_t skipped = (due_ms - group->next_ms) / group->interval_ms;
    int64_t passed =
        group->last_ns ? (monotonic_ns - group->last_ns) / (group->interval_ms * 1000000) : skipped;

    if (skipped > passed)
        skipped = passed > 0 ? passed - 1 : 0;
    if (skipped <= 0)
        return;
    pthread_mutex_lock(&group->lock);
    group->stats.missed += (uint64_t)skipped;
    group->stats.iterations += (uint64_t)skipped;
    pthread_mutex_unlock(&group->lock);
}

/* Whether a group's slot has come, and which; under the engine's lock. */
static bool take_slot(struct nv_group *group, int64_t now_ms, int64_t monotonic_ns,
                      int64_t *ret_slot_ms)
{
    if (group->next_ms - now_ms > 2 * group->interval_ms) /* the clock was set back */
        group->next_ms = nv_rule_group_slot(group, now_ms) + group->interval_ms;
    if (group->busy || now_ms < group->next_ms)
        return false;
    int64_t due = nv_rule_group_slot(group, now_ms);
    note_missed(group, due, monotonic_ns);
    group->next_ms = due + group->interval_ms;
    group->last_ns = monotonic_ns;
    *ret_slot_ms = due;
    return true;
}

/* The group that has waited longest for its turn; NULL, and nanoseconds until the next one's, where there is none. */
static struct nv_group *next_group(struct nv_rules *rules, int64_t *ret_slot_ms,
                                   int64_t *ret_sleep_ns)
{
    int64_t wall = nv_rules_wall_ns(rules), sleep = INT64_C(1000000) * SLEEP_MS_MAX;
    struct nv_group *first = NULL;

    for (size_t i = 0; i < rules->n_groups; i++) {
        struct nv_group *group = rules->groups[i];
        if (!group->busy && (!first || group->next_ms < first->next_ms))
            first = group;
    }
    *ret_sleep_ns = sleep;
    if (!first)
        return NULL;
    if (take_slot(first, wall / 1000000, nv_rules_monotonic_ns(rules), ret_slot_ms))
        return first;
    int64_t left = first->next_ms * 1000000 - wall;
    if (left < sleep)
        *ret_sleep_ns = left > 0 ? left : 0;
    return NULL;
}

int64_t nv_rules_turn(struct nv_rules *rules)
{
    int64_t slot, sleep;

    for (;;) {
        pthread_mutex_lock(&rules->lock);
        struct nv_group *group = next_group(rules, &slot, &sleep);
        pthread_mutex_unlock(&rules->lock);
        if (!group)
            return sleep;
        nv_rule_group_evaluate(group, &rules->bench, slot);
    }
}

void nv_rules_evaluate_at(struct nv_rules *rules, int64_t time_ms)
{
    for (size_t i = 0; i < rules->n_groups; i++)
        nv_rule_group_evaluate(rules->groups[i], &rules->bench, time_ms);
}

/* ---- threads -------------------------------------------------------------------------------- */

/* Under the engine's lock. */
static void sleep_on(struct nv_rules *rules, int64_t ns)
{
    int64_t until = nv_monotonic_ns() + ns;
    const struct timespec at = {until / 1000000000, until % 1000000000};

    pthread_cond_clockwait(&rules->wake, &rules->lock, CLOCK_MONOTONIC, &at);
}

static void work_on(struct nv_rules *rules, struct nv_group *group, struct nv_rules_bench *bench,
                    int64_t slot_ms)
{
    group->busy = true;
    rules->n_busy++;
    pthread_mutex_unlock(&rules->lock);
    nv_rule_group_evaluate(group, bench, slot_ms);
    pthread_mutex_lock(&rules->lock);
    group->busy = false;
    if (--rules->n_busy == 0)
        pthread_cond_broadcast(&rules->idle);
}

static void *thread_main(void *user)
{
    struct nv_rules *rules = user;
    struct nv_rules_bench bench;
    int64_t slot, sleep;

    pthread_setname_np(pthread_self(), "rules");
    nv_rules_bench_init(&bench);
    pthread_mutex_lock(&rules->lock);
    while (!rules->stopping) {
        struct nv_group *group = rules->paused ? NULL : next_group(rules, &slot, &sleep);
        if (group)
            work_on(rules, group, &bench, slot);
        else if (rules->paused)
            pthread_cond_wait(&rules->wake, &rules->lock);
        else
            sleep_on(rules, sleep);
    }
    pthread_mutex_unlock(&rules->lock);
    nv_rules_bench_done(&bench);
    return NULL;
}

int nv_rules_start(struct nv_rules *rules)
{
    pthread_attr_t attributes;
    int r = -pthread_attr_init(&attributes);

    if (r < 0)
        return r;
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    while (r == 0 && rules->n_threads < rules->options.threads) {
        r = -pthread_create(&rules->threads[rules->n_threads], &attributes, thread_main, rules);
        rules->n_threads += r == 0;
    }
    pthread_attr_destroy(&attributes);
    if (r < 0)
        nv_rules_stop(rules);
    return r;
}

void nv_rules_stop(struct nv_rules *rules)
{
    pthread_mutex_lock(&rules->lock);
    rules->stopping = true;
    nv_rules_cancel(rules, rules->n_threads > 0);
    pthread_cond_broadcast(&rules->wake);
    pthread_mutex_unlock(&rules->lock);
    while (rules->n_threads)
        pthread_join(rules->threads[--rules->n_threads], NULL);
    nv_rules_cancel(rules, false);
    rules->stopping = false;
}
