/*
 * test_sampler.c - ticks of an injected clock, and what a tick hands to the store.
 */
#include "agent/sampler.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/heap.h"

/* ---- the clock ------------------------------------------------------------------------------ */

#define MS INT64_C(1000000)
#define T0 INT64_C(1700000000000) /* a multiple of every interval used here */

static struct nv_ticks ticks;
static int64_t mono_ms; /* the monotonic clock; never 0, as the real one */

/* The time of the tick that is due at a wall time; -1 where none is. */
static int64_t at(int64_t wall_ms)
{
    int64_t time_ms = -1, sleep = nv_ticks_next(&ticks, wall_ms * MS, mono_ms * MS, &time_ms);

    ck_assert((sleep == 0) == (time_ms >= 0));
    return time_ms;
}

static void clock_setup(void)
{
    mono_ms = 5000;
    nv_ticks_init(&ticks, 1000, T0 + 300);
}

START_TEST(ticks_are_multiples_of_the_interval)
{
    int64_t time_ms;

    ck_assert_int_eq(nv_ticks_next(&ticks, (T0 + 300) * MS, 1, &time_ms), 700 * MS);
    ck_assert_int_eq(at(T0 + 999), -1);
    ck_assert_int_eq(at(T0 + 1000), T0 + 1000);
    ck_assert_int_eq(at(T0 + 1001), -1);
    mono_ms += 1003;
    ck_assert_int_eq(at(T0 + 2003), T0 + 2000);
    ck_assert_uint_eq(ticks.missed + ticks.jumps, 0);
    ck_assert_uint_eq(ticks.ticks, 2);
}
END_TEST

START_TEST(a_tick_that_comes_late_bears_the_true_time)
{
    ck_assert_int_eq(at(T0 + 1400), T0 + 1400);
    mono_ms += 600;
    ck_assert_int_eq(at(T0 + 2000), T0 + 2000);
    ck_assert_uint_eq(ticks.missed, 0);
}
END_TEST

START_TEST(missed_ticks_are_counted_and_not_made_up_for)
{
    ck_assert_int_eq(at(T0 + 1000), T0 + 1000);
    mono_ms += 4500;
    ck_assert_int_eq(at(T0 + 5500), T0 + 5500); /* 2, 3 and 4 are missed; 5 is late */
    ck_assert_int_eq(at(T0 + 5501), -1);
    ck_assert_uint_eq(ticks.missed, 3);
    ck_assert_uint_eq(ticks.jumps, 0);
    mono_ms += 500;
    ck_assert_int_eq(at(T0 + 6000), T0 + 6000);
    ck_assert_uint_eq(ticks.missed, 3);
}
END_TEST

START_TEST(a_clock_set_forward_misses_nothing)
{
    ck_assert_int_eq(at(T0 + 1000), T0 + 1000);
    mono_ms += 1000;
    ck_assert_int_eq(at(T0 + 3602000), T0 + 3602000);
    ck_assert_uint_eq(ticks.missed, 0);
    ck_assert_uint_eq(ticks.jumps, 1);
}
END_TEST

START_TEST(a_clock_set_back_goes_on_from_there)
{
    ck_assert_int_eq(at(T0 + 1000), T0 + 1000);
    mono_ms += 1000;
    ck_assert_int_eq(at(T0 - 3598500), -1);
    ck_assert_int_eq(at(T0 - 3598000), T0 - 3598000);
    ck_assert_uint_eq(ticks.missed, 0);
    ck_assert_uint_eq(ticks.jumps, 1);
}
END_TEST

START_TEST(a_small_step_back_is_waited_out)
{
    ck_assert_int_eq(at(T0 + 1000), T0 + 1000);
    mono_ms += 500;
    ck_assert_int_eq(at(T0 + 700), -1);
    ck_assert_int_eq(at(T0 + 1000), -1); /* that time has been */
    mono_ms += 1300;
    ck_assert_int_eq(at(T0 + 2000), T0 + 2000);
    ck_assert_uint_eq(ticks.jumps, 0);
}
END_TEST

/* ---- what is handed over -------------------------------------------------------------------- */

static const struct nv_family column[] = {
    {"t_value", NV_GAUGE, NV_AS_IS, "Value."}
};
static const struct nv_table table = {NV_LABELS("who"), column, 1};

static void emit(struct nv_pass *pass, const char *who, uint64_t value)
{
    struct nv_str label = nv_str(who);

    nv_emit_row(pass, &table, &label, &value, 1);
}

static int n_quick, n_rare, n_slow, n_fading, gate[2];
static int collect_fading(struct nv_pass *pass)
{
    for (int i = 0; i < n_fading; i++) {
        char who[24];
        snprintf(who, sizeof(who), "f%d", i);
        emit(pass, who, 1);
    }
    return 0;
}
static const struct nv_collector fading = {NV_ABI_STAMP, .name = "fading",
                                           .collect = collect_fading};
static int collect_quick(struct nv_pass *pass)
{
    emit(pass, "quick", (uint64_t)++n_quick);
    return 0;
}
static const struct nv_collector quick = {NV_ABI_STAMP, .name = "quick", .collect = collect_quick};

/* Has nothing before its third run. */
static int collect_elsewhere(struct nv_pass *pass)
{
    if (++n_rare > 2)
        emit(pass, "elsewhere", 1);
    return 0;
}
static const struct nv_collector elsewhere = {NV_ABI_STAMP, .name = "elsewhere",
                                              .collect = collect_elsewhere, .job = "kubelet",
                                              .metrics_path = "/metrics/cadvisor"};

static int collect_rare(struct nv_pass *pass)
{
    emit(pass, "rare", (uint64_t)++n_rare);
    return 0;
}
static const struct nv_collector rare = {NV_ABI_STAMP, .name = "rare", .cadence_ms = 60000,
                                         .collect = collect_rare};

static int collect_slow(struct nv_pass *pass)
{
    char c;

    emit(pass, "slow", (uint64_t)++n_slow);
    return read(gate[0], &c, 1) == 1 ? 0 : -EIO;
}
static const struct nv_collector slow = {NV_ABI_STAMP, .name = "slow", .options = NV_MAY_BLOCK,
                                         .cadence_ms = 300, .collect = collect_slow};

static struct nv_gather *gather;
static struct nv_sampler *sampler;
static int64_t wall_ns;
static struct nv_frame *last[2];
static int n_appended[2], n_strange, answer;

static int64_t fake_wall(void *clock)
{
    (void)clock;
    return __atomic_load_n(&wall_ns, __ATOMIC_RELAXED);
}

static int64_t true_monotonic(void *clock)
{
    (void)clock;
    return nv_monotonic_ns();
}

static int take(void *user, enum nv_sampler_source source, struct nv_frame *frame)
{
    n_strange += user != &answer; /* an assertion would allocate */
    nv_frame_free(last[source]);
    last[source] = nv_frame_ref(frame);
    n_appended[source]++;
    return answer;
}

static bool page_begins;
static bool begins_page(void *user)
{
    (void)user;
    return page_begins;
}

static void add(const struct nv_collector *collector)
{
    ck_assert_int_eq(nv_gather_add(gather, collector, NV_GATHER_NODE, NULL), 0);
}

static const struct nv_label target[] = {
    {NV_LIT("instance"), NV_LIT("here:1")},
    {NV_LIT("job"),      NV_LIT("tests") },
};

static const struct nv_gather_job *own_jobs;
static size_t n_own_jobs;

#define UP_OF_NODE  "up{instance=\"here:1\",job=\"tests\"} "
#define UP_OF_OTHER "up{instance=\"here:1\",job=\"kubelet\",metrics_path=\"/metrics/cadvisor\"} "
#define UP_OF_OWN   "up{instance=\"here:1\",job=\"mine\"} "

static void start(void)
{
    char error[NV_GATHER_ERROR_MAX];
    const struct nv_sampler_options options = {
        .gather = gather,
        .interval_ms = 1000,
        .append = take,
        .begins_page = begins_page,
        .user = &answer,
        .wall_ns = fake_wall,
        .monotonic_ns = true_monotonic,
    };

    ck_assert_int_eq(nv_gather_set_target(gather, target, 2, own_jobs, n_own_jobs), 0);
    ck_assert_int_eq(nv_gather_start(gather, error), 0);
    ck_assert_int_eq(nv_sampler_new(&options, &sampler), 0);
}

static void setup(void)
{
    nv_log_setup(NV_ERROR, NV_LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
    const struct nv_gather_options options = {
        .procfs = "/nonexistent", .sysfs = "/nonexistent", .rootfs = "/", .udev = "/nonexistent"};
    gather = nv_gather_new(&options);
    wall_ns = T0 * MS;
    n_quick = n_rare = n_slow = n_appended[0] = n_appended[1] = answer = 0;
    ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
}

static void teardown(void)
{
    close(gate[1]);
    nv_sampler_free(sampler);
    ck_assert_int_eq(n_strange, 0);
    for (size_t i = 0; i < 2; i++) {
        nv_frame_free(last[i]);
        last[i] = NULL;
    }
    nv_gather_free(gather);
    close(gate[0]);
}

static void second(void)
{
    wall_ns += 1000 * MS;
    nv_sampler_turn(sampler);
}

static bool is_text(const struct nv_series *series, const char *text)
{
    size_t n = nv_series_text(series).n;

    return nv_str_starts(nv_str(text), n ? series->name.p : "") &&
           nv_str_eq(nv_str_from(nv_str(text), n), series->rest);
}

/* A cell of the last frame: 1 present, 0 observed and absent, -1 unobserved, -2 unknown. */
static int state_of(enum nv_sampler_source source, const char *text, double *ret)
{
    const struct nv_frame *frame = last[source];

    for (size_t i = 0; i < frame->n_series; i++) {
        const struct nv_series *series = nv_layout_series(frame->layout, i);
        if (!is_text(series, text))
            continue;
        *ret = nv_frame_has(frame, i) ? frame->values[i] : 0;
        return nv_frame_has(frame, i) ? 1 : nv_bit(frame->observed, series->section) ? 0 : -1;
    }
    return -2;
}

START_TEST(each_tick_appends_the_node_and_up_at_one_time)
{
    double value;

    add(&quick);
    start();
    ck_assert_int_eq(nv_sampler_turn(sampler), 1000 * MS);
    ck_assert_int_eq(n_appended[NV_SAMPLER_NODE], 0);
    second();
    second();
    ck_assert_int_eq(n_appended[NV_SAMPLER_NODE], 2);
    ck_assert_int_eq(n_appended[NV_SAMPLER_AGENT], 2);
    ck_assert_int_eq(last[NV_SAMPLER_NODE]->time_ms, T0 + 2000);
    ck_assert_int_eq(last[NV_SAMPLER_AGENT]->time_ms, T0 + 2000);
    ck_assert_int_eq(state_of(NV_SAMPLER_AGENT, UP_OF_NODE, &value), 1);
    ck_assert_double_eq(value, 1);
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"quick\"} ", &value), 1);
    ck_assert_double_eq(value, 2);
    ck_assert_int_eq(
        state_of(NV_SAMPLER_NODE, "node_scrape_collector_success{collector=\"quick\"} ", &value),
        1);
}
END_TEST

/* The target labels of a series of the node, as text; "" for one that is not there. */
static const char *target_of(const char *text)
{
    static char out[256];
    const struct nv_layout *layout = last[NV_SAMPLER_NODE]->layout;
    size_t n = 0;

    out[0] = '\0';
    for (size_t i = 0; i < layout->n_series; i++) {
        const struct nv_series *series = nv_layout_series(layout, i);
        const struct nv_target *t = &layout->targets[series->section];
        for (size_t k = 0; is_text(series, text) && k < t->n_labels; k++)
            n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s=%.*s ",
                                  NV_ARGS(t->labels[k].name), NV_ARGS(t->labels[k].value));
    }
    return out;
}

START_TEST(each_job_has_its_labels_and_its_up_once_it_has_series)
{
    static const struct nv_gather_job jobs[] = {
        {NV_LIT("rare"), NV_LIT("mine")}
    };
    double value;

    own_jobs = jobs;
    n_own_jobs = 1;
    add(&quick);
    add(&elsewhere);
    add(&rare);
    start();
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_AGENT, UP_OF_NODE, &value), 1);
    ck_assert_int_eq(state_of(NV_SAMPLER_AGENT, UP_OF_OTHER, &value), -2);
    second();
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_AGENT, UP_OF_NODE, &value), 1);
    ck_assert_int_eq(state_of(NV_SAMPLER_AGENT, UP_OF_OTHER, &value), 1);
    ck_assert_int_eq(state_of(NV_SAMPLER_AGENT, UP_OF_OWN, &value), 1);
    ck_assert_str_eq(target_of("t_value{who=\"elsewhere\"} "),
                     "instance=here:1 job=kubelet metrics_path=/metrics/cadvisor ");
    ck_assert_str_eq(target_of("t_value{who=\"quick\"} "), "instance=here:1 job=tests ");
}
END_TEST

START_TEST(a_job_for_a_collector_that_is_not_there_is_refused)
{
    const struct nv_gather_job job = {NV_LIT("nobody"), NV_LIT("mine")};

    add(&quick);
    ck_assert_int_eq(nv_gather_set_target(gather, target, 2, &job, 1), -ENOENT);
    start();
}
END_TEST

START_TEST(every_section_has_the_target_labels)
{
    add(&quick);
    start();
    second();
    const struct nv_layout *layout = last[NV_SAMPLER_NODE]->layout;
    ck_assert_uint_gt(layout->n_series, 0);
    for (size_t i = 0; i < layout->n_series; i++) {
        const struct nv_target *t = &layout->targets[nv_layout_series(layout, i)->section];
        ck_assert_uint_eq(t->n_labels, 2);
        ck_assert(nv_str_is(t->labels[0].value, "here:1"));
        ck_assert(nv_str_is(t->labels[1].value, "tests"));
    }
}
END_TEST

START_TEST(a_collector_with_a_cadence_is_unobserved_between)
{
    double value;

    add(&quick);
    add(&rare);
    start();
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"rare\"} ", &value), 1);
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"rare\"} ", &value), -1);
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"quick\"} ", &value), 1);
    ck_assert_int_eq(n_rare, 1);
    ck_assert_int_eq(
        state_of(NV_SAMPLER_NODE, "node_scrape_collector_success{collector=\"rare\"} ", &value), 1);
}
END_TEST

START_TEST(what_a_scrape_has_read_is_stored_with_the_next_tick)
{
    const struct nv_gather_selection all = {0};
    NV_AUTO(nv_frame) *scraped = NULL;
    double value;

    add(&rare);
    start();
    second();
    ck_assert_int_eq(nv_gather_pass(gather, &all, 1000, &scraped), 0);
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"rare\"} ", &value), 1);
    ck_assert_double_eq(value, 2);
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"rare\"} ", &value), -1);
}
END_TEST

START_TEST(workers_are_not_waited_for_and_their_rows_come_with_a_later_frame)
{
    double value;

    add(&quick);
    add(&slow);
    start();
    int64_t begin = nv_monotonic_ns();
    second();
    second();
    ck_assert_int_lt(nv_monotonic_ns() - begin, 200 * MS);
    ck_assert_int_lt(state_of(NV_SAMPLER_NODE, "t_value{who=\"slow\"} ", &value), 0);
    ck_assert_int_ne(
        state_of(NV_SAMPLER_NODE, "node_scrape_collector_success{collector=\"slow\"} ", &value), 1);

    ck_assert_int_eq(write(gate[1], "x", 1), 1);
    usleep(100000);
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"slow\"} ", &value), 1);
    ck_assert_double_eq(value, 1);
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"slow\"} ", &value), -1);
}
END_TEST

START_TEST(a_worker_that_hangs_for_three_cadences_makes_its_series_stale)
{
    double value;

    add(&slow);
    start();
    ck_assert_int_eq(write(gate[1], "x", 1), 1);
    second();
    usleep(100000);
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"slow\"} ", &value), 1);
    usleep(300000);
    second(); /* posts the run that hangs */
    usleep(1000000);
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"slow\"} ", &value), 0);
    ck_assert_int_eq(
        state_of(NV_SAMPLER_NODE, "node_scrape_collector_success{collector=\"slow\"} ", &value), 1);
    ck_assert_double_eq(value, 0);
}
END_TEST

static void *scrape(void *user)
{
    const struct nv_gather_selection all = {0};

    ck_assert_int_eq(nv_gather_pass(gather, &all, 2000, user), 0);
    return NULL;
}

START_TEST(a_scrape_that_waits_for_a_worker_does_not_hold_the_clock)
{
    struct nv_frame *scraped = NULL;
    pthread_t thread;
    double value;

    add(&quick);
    add(&slow);
    start();
    ck_assert_int_eq(pthread_create(&thread, NULL, scrape, &scraped), 0);
    usleep(200000); /* too long for the scrape to be joined */
    int64_t begin = nv_monotonic_ns();
    second();
    second();
    ck_assert_int_lt(nv_monotonic_ns() - begin, 1000 * MS);
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"quick\"} ", &value), 1);
    ck_assert_int_eq(write(gate[1], "xx", 2), 2);
    pthread_join(thread, NULL);
    nv_frame_free(scraped);
}
END_TEST

static void *let_go_soon(void *user)
{
    usleep(30000);
    ck_assert_int_eq(write(gate[1], "x", 1), 1);
    return user;
}

/* Joined: the tick's frame is the scrape's, and was read once for both. A busy machine may need several attempts. */
START_TEST(a_scrape_that_has_just_begun_is_joined)
{
    bool joined = false;

    add(&quick);
    add(&slow);
    start();
    for (int i = 0; i < 20 && !joined; i++) {
        struct nv_frame *scraped = NULL;
        pthread_t scraper, other;
        int before = n_quick;

        ck_assert_int_eq(pthread_create(&scraper, NULL, scrape, &scraped), 0);
        ck_assert_int_eq(pthread_create(&other, NULL, let_go_soon, NULL), 0);
        usleep(10000);
        second();
        pthread_join(scraper, NULL);
        pthread_join(other, NULL);
        joined = last[NV_SAMPLER_NODE] == scraped && n_quick == before + 1;
        nv_frame_free(scraped);
    }
    ck_assert(joined);
}
END_TEST

START_TEST(what_has_gone_leaves_the_layout_hourly_with_a_new_page)
{
    double value;

    add(&fading);
    n_fading = 2;
    page_begins = false;
    start();
    second();
    n_fading = 1;
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"f1\"} ", &value), 0);
    wall_ns += 3600 * 1000 * MS;
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"f1\"} ", &value), 0);
    page_begins = true;
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"f1\"} ", &value), -2);
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"f0\"} ", &value), 1);

    n_fading = 2;
    second();
    n_fading = 1;
    second();
    ck_assert_int_eq(state_of(NV_SAMPLER_NODE, "t_value{who=\"f1\"} ", &value), 0);
}
END_TEST

START_TEST(a_store_that_refuses_stops_nothing)
{
    add(&quick);
    start();
    answer = -ENOSPC;
    second();
    answer = 1;
    second();
    ck_assert_int_eq(n_appended[NV_SAMPLER_NODE], 2);
}
END_TEST

START_TEST(the_thread_ticks_and_stops)
{
    struct nv_sampler_stats stats = {0};

    add(&quick);
    start();
    ck_assert_int_eq(nv_sampler_start(sampler), 0);
    for (int i = 0; i < 200 && stats.ticks < 2; i++) {
        usleep(20000);
        __atomic_add_fetch(&wall_ns, 500 * MS, __ATOMIC_RELAXED);
        nv_sampler_stats(sampler, &stats);
    }
    nv_sampler_stop(sampler);
    ck_assert_uint_ge(stats.ticks, 2);
    ck_assert_int_ge(n_appended[NV_SAMPLER_NODE], 2);
}
END_TEST

START_TEST(a_steady_tick_allocates_nothing)
{
    if (!nv_heap_counts()) {
        printf("SKIP: a sanitizer has replaced malloc\n");
        return;
    }
    add(&quick);
    add(&rare);
    start();
    for (int i = 0; i < 5; i++)
        second();
    size_t before = nv_heap_calls();
    for (int i = 0; i < 10; i++) {
        wall_ns += 1000 * MS;
        nv_sampler_turn(sampler);
    }
    ck_assert_uint_eq(nv_heap_calls() - before, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sampler");
    TCase *clock = tcase_create("clock"), *tests = tcase_create("ticks");

    tcase_add_checked_fixture(clock, clock_setup, NULL);
    tcase_add_test(clock, ticks_are_multiples_of_the_interval);
    tcase_add_test(clock, a_tick_that_comes_late_bears_the_true_time);
    tcase_add_test(clock, missed_ticks_are_counted_and_not_made_up_for);
    tcase_add_test(clock, a_clock_set_forward_misses_nothing);
    tcase_add_test(clock, a_clock_set_back_goes_on_from_there);
    tcase_add_test(clock, a_small_step_back_is_waited_out);
    suite_add_tcase(suite, clock);
    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, each_tick_appends_the_node_and_up_at_one_time);
    tcase_add_test(tests, every_section_has_the_target_labels);
    tcase_add_test(tests, each_job_has_its_labels_and_its_up_once_it_has_series);
    tcase_add_test(tests, a_job_for_a_collector_that_is_not_there_is_refused);
    tcase_add_test(tests, a_collector_with_a_cadence_is_unobserved_between);
    tcase_add_test(tests, what_a_scrape_has_read_is_stored_with_the_next_tick);
    tcase_add_test(tests, workers_are_not_waited_for_and_their_rows_come_with_a_later_frame);
    tcase_add_test(tests, a_worker_that_hangs_for_three_cadences_makes_its_series_stale);
    tcase_add_test(tests, a_scrape_that_waits_for_a_worker_does_not_hold_the_clock);
    tcase_add_test(tests, a_scrape_that_has_just_begun_is_joined);
    tcase_add_test(tests, what_has_gone_leaves_the_layout_hourly_with_a_new_page);
    tcase_add_test(tests, a_store_that_refuses_stops_nothing);
    tcase_add_test(tests, the_thread_ticks_and_stops);
    tcase_add_test(tests, a_steady_tick_allocates_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
