/*
 * test_gather.c - passes, deadlines and failures, with collectors that misbehave.
 */
#include <check.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "expo/expo.h"
#include "gather/gather.h"
#include "support/fixture.h"
#include "support/heap.h"

/* ---- collectors ----------------------------------------------------------------------------- */

static const struct nv_family plain_columns[] = {
    {"t_value",       NV_GAUGE,   NV_AS_IS, "Value."},
    {"t_other_total", NV_COUNTER, NV_AS_IS, "Other."},
};
static const struct nv_table plain = {NV_LABELS("who"), plain_columns, NV_LEN(plain_columns)};

static void emit(struct nv_pass *pass, const char *who, uint64_t value)
{
    struct nv_str label = nv_str(who);
    uint64_t values[] = {value, value};

    nv_emit_row(pass, &plain, &label, values, 2);
}

static int n_rows = 3;
static int collect_rows(struct nv_pass *pass)
{
    for (int i = 0; i < n_rows; i++) {
        char who[16];
        snprintf(who, sizeof(who), "r%d", i);
        emit(pass, who, (uint64_t)i);
    }
    return 0;
}
static const struct nv_collector rows = {NV_ABI_STAMP, .name = "rows", .collect = collect_rows};

static int collect_failing(struct nv_pass *pass)
{
    emit(pass, "before", 1);
    return nv_error(pass, -EIO, "half way");
}
static const struct nv_collector failing = {NV_ABI_STAMP, .name = "failing",
                                            .collect = collect_failing};

static int collect_text(struct nv_pass *pass)
{
    struct nv_scan text = nv_pass_text(pass, 0), line = {0};

    while (nv_scan_line(&text, &line))
        emit(pass, "text", nv_scan_u64(&line));
    return line.failed ? -EBADMSG : 0;
}
static const struct nv_collector reading = {
    NV_ABI_STAMP, .name = "reading", .sources = NV_SOURCES("proc/number"), .collect = collect_text};
static const struct nv_collector reading_no_data = {
    NV_ABI_STAMP, .name = "reading_no_data", .options = NV_ABSENT_IS_NO_DATA,
    .sources = NV_SOURCES("proc/nothing"), .collect = collect_text};

static int gate[2]; /* a pipe that a blocking collector reads from */
static int collect_blocking(struct nv_pass *pass)
{
    char c;

    emit(pass, "slow", 1);
    return read(gate[0], &c, 1) == 1 ? 0 : -EIO;
}
static const struct nv_collector blocking = {NV_ABI_STAMP, .name = "blocking",
                                             .options = NV_MAY_BLOCK, .cadence_ms = 100,
                                             .collect = collect_blocking};
static const struct nv_collector other = {NV_ABI_STAMP, .name = "other", .options = NV_MAY_BLOCK,
                                          .collect = collect_rows};

static int collect_slowly(struct nv_pass *pass)
{
    usleep(300000);
    emit(pass, "slow", 1);
    return 0;
}
static const struct nv_collector slow = {NV_ABI_STAMP, .name = "slow", .options = NV_MAY_BLOCK,
                                         .collect = collect_slowly};

/* As of a textfile that is written anew: a family whose description depends on the round. */
static const struct nv_family changing[] = {
    {"t_text",       NV_GAUGE,     NV_AS_IS, "One."    },
    {"t_text",       NV_COUNTER,   NV_AS_IS, "One."    },
    {"t_text",       NV_COUNTER,   NV_AS_IS, "Another."},
    {"t_text",       NV_HISTOGRAM, NV_AS_IS, "A third."},
    {"t_text_count", NV_GAUGE,     NV_AS_IS, "One."    },
};
static size_t n_round;
static int collect_changing(struct nv_pass *pass)
{
    static const char *const names[] = {NULL};
    const struct nv_family *family = &changing[n_round];

    nv_emit_part(pass, family, family->type == NV_HISTOGRAM ? "_count" : "", names, NULL, 5);
    return 0;
}
static const struct nv_collector text_like = {NV_ABI_STAMP, .name = "text_like",
                                              .collect = collect_changing};

static int collect_rival(struct nv_pass *pass)
{
    static const char *const names[] = {NULL};
    static const struct nv_family family = {"t_text", NV_UNTYPED, NV_AS_IS, "Rival."};

    nv_emit_named(pass, &family, names, NULL, 6);
    return 0;
}
static const struct nv_collector rival = {NV_ABI_STAMP, .name = "rival", .collect = collect_rival};

/* A family of the agent's own, with another type. */
static int collect_impostor(struct nv_pass *pass)
{
    static const char *const names[] = {NULL};
    static const struct nv_family family = {"node_scrape_collector_success", NV_COUNTER, NV_AS_IS,
                                            "Not ours."};

    nv_emit_named(pass, &family, names, NULL, 7);
    return 0;
}
static const struct nv_collector impostor = {NV_ABI_STAMP, .name = "impostor",
                                             .collect = collect_impostor};

struct item {
    int wait_on, result;
};
static void call_item(void *p)
{
    struct item *item = p;
    char c;

    item->result = item->wait_on < 0 || read(item->wait_on, &c, 1) == 1 ? 7 : 8;
}
static unsigned char outcomes[8];
static int collect_guarded(struct nv_pass *pass)
{
    struct nv_str keys[8];
    struct item items[8];

    for (size_t i = 0; i < 8; i++) {
        static const char *const names[] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"};
        keys[i] = nv_str(names[i]);
        items[i] = (struct item){i == 3 ? gate[0] : -1, 0};
    }
    int r = nv_guard(pass, items, sizeof(items[0]), 8, keys, call_item, 200, 4, outcomes);
    for (size_t i = 0; i < 8 && r == 0; i++)
        emit(pass, keys[i].p, outcomes[i] == NV_GUARD_DONE ? (uint64_t)items[i].result : 0);
    return r;
}
static const struct nv_collector guarded = {NV_ABI_STAMP, .name = "guarded",
                                            .options = NV_MAY_BLOCK, .collect = collect_guarded};

/* ---- the bench ------------------------------------------------------------------------------ */

static struct nv_gather *gather;
static const struct nv_gather_selection all = {0};

static void setup(void)
{
    nv_log_setup(NV_ERROR, NV_LOG_LOGFMT, open("/dev/null", O_WRONLY | O_CLOEXEC));
    const struct nv_gather_options options = {
        .procfs = nv_temp_dir(), .sysfs = "/sys", .rootfs = "/", .udev = "/run/udev/data"};
    gather = nv_gather_new(&options);
    ck_assert_int_eq(pipe2(gate, O_CLOEXEC), 0);
}

static void teardown(void)
{
    close(gate[1]); /* lets go what waits */
    nv_gather_free(gather);
    close(gate[0]);
}

static void add(const struct nv_collector *collector)
{
    ck_assert_int_eq(nv_gather_add(gather, collector, NV_GATHER_NODE, NULL), 0);
}

static void start(void)
{
    char error[NV_GATHER_ERROR_MAX];

    ck_assert_int_eq(nv_gather_start(gather, error), 0);
}

static char *pass_with(const struct nv_gather_selection *selection, int64_t timeout_ms)
{
    NV_AUTO(nv_frame) *frame = NULL;
    NV_AUTO_BUF out = NV_BUF(16 << 20);

    ck_assert_int_eq(nv_gather_pass(gather, selection, timeout_ms, &frame), 0);
    nv_expo_write(frame, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES}, NULL,
                  0, &out);
    return strdup(nv_buf_c_string(&out));
}

static char *pass(void)
{
    return pass_with(&all, 5000);
}

/* ---- tests ---------------------------------------------------------------------------------- */

START_TEST(a_pass_shows_rows_and_success)
{
    add(&rows);
    start();
    NV_AUTO_FREE char *text = pass();
    ck_assert_double_eq(nv_sample_of(text, "t_value{who=\"r2\"}"), 2);
    ck_assert_double_eq(nv_sample_of(text, "node_scrape_collector_success{collector=\"rows\"}"), 1);
    ck_assert(nv_has_sample(text, "node_scrape_collector_duration_seconds{collector=\"rows\"}"));
}
END_TEST

START_TEST(rows_before_a_failure_stay_and_the_failure_is_reported)
{
    struct nv_gather_state state;

    add(&failing);
    add(&rows);
    start();
    NV_AUTO_FREE char *text = pass();
    ck_assert_double_eq(nv_sample_of(text, "t_value{who=\"before\"}"), 1);
    ck_assert_double_eq(nv_sample_of(text, "node_scrape_collector_success{collector=\"failing\"}"),
                        0);
    ck_assert_double_eq(nv_sample_of(text, "t_value{who=\"r0\"}"), 0);
    nv_gather_state(gather, 0, &state);
    ck_assert_int_eq(state.result, -EIO);
    ck_assert_str_eq(state.error, "half way");

    struct nv_gather_report report;
    nv_gather_report(gather, 0, &report);
    ck_assert_str_eq(report.name, "failing");
    ck_assert_str_eq(report.error, "half way: Input/output error");
    nv_gather_report(gather, 1, &report);
    ck_assert_int_eq(report.result, 0);
    ck_assert_str_eq(report.error, "");
}
END_TEST

START_TEST(a_missing_source_is_failure_or_no_data_as_declared)
{
    struct nv_gather_state state;

    add(&reading);
    add(&reading_no_data);
    start();
    free(pass());
    nv_gather_state(gather, 0, &state);
    ck_assert_int_eq(state.result, -ENOENT);
    nv_gather_state(gather, 1, &state);
    ck_assert_int_eq(state.result, NV_NO_DATA);

    nv_write_file(nv_temp_dir(), "number", "17\n");
    NV_AUTO_FREE char *again = pass();
    ck_assert_double_eq(nv_sample_of(again, "t_value{who=\"text\"}"), 17);
}
END_TEST

START_TEST(a_failure_without_words_names_the_file)
{
    struct nv_gather_state state;

    nv_write_file(nv_temp_dir(), "number", "garbage\n");
    add(&reading);
    start();
    free(pass());
    nv_gather_state(gather, 0, &state);
    ck_assert_int_eq(state.result, -EBADMSG);
    ck_assert_str_eq(state.error, "proc/number");
}
END_TEST

START_TEST(a_selection_runs_only_what_it_names)
{
    struct nv_gather_selection some = {.some = true, .bits = {1 << 1}};

    add(&rows);
    add(&failing);
    start();
    NV_AUTO_FREE char *text = pass_with(&some, 5000);
    ck_assert(!nv_has_sample(text, "t_value{who=\"r0\"}"));
    ck_assert(nv_has_sample(text, "t_value{who=\"before\"}"));
    ck_assert(!nv_has_sample(text, "node_scrape_collector_success{collector=\"rows\"}"));
}
END_TEST

START_TEST(a_collector_that_hangs_delays_nobody_past_the_deadline)
{
    add(&blocking);
    add(&other);
    add(&failing);
    start();
    int64_t begin = nv_monotonic_ns();
    NV_AUTO_FREE char *text = pass_with(&all, 300);
    int64_t took_ms = (nv_monotonic_ns() - begin) / 1000000;
    ck_assert_int_ge(took_ms, 200);
    ck_assert_int_lt(took_ms, 2000);
    ck_assert(nv_has_sample(text, "t_value{who=\"r0\"}"));
    ck_assert(nv_has_sample(text, "t_value{who=\"before\"}"));
    ck_assert(!nv_has_sample(text, "t_value{who=\"slow\"}"));
    ck_assert_double_eq(nv_sample_of(text, "node_scrape_collector_success{collector=\"blocking\"}"),
                        0);

    struct nv_gather_stats before, after;
    nv_gather_stats(gather, &before);
    for (int i = 0; i < 5; i++)
        free(pass_with(&all, 50));
    nv_gather_stats(gather, &after);
    ck_assert_uint_eq(after.workers_held, before.workers_held);
    ck_assert_uint_eq(after.workers_held, 1);
}
END_TEST

START_TEST(a_collector_that_hangs_on_is_waited_for_once)
{
    add(&rows);
    add(&blocking);
    start();
    free(pass_with(&all, 400));
    usleep(400000);
    int64_t begin = nv_monotonic_ns();
    NV_AUTO_FREE char *text = pass_with(&all, 400);
    ck_assert_int_lt(nv_monotonic_ns() - begin, 200 * INT64_C(1000000));
    ck_assert_double_eq(nv_sample_of(text, "t_value{who=\"r2\"}"), 2);
    ck_assert_double_eq(nv_sample_of(text, "node_scrape_collector_success{collector=\"blocking\"}"),
                        0);
    ck_assert_int_eq(write(gate[1], "x", 1), 1);
    usleep(200000);
    NV_AUTO_FREE char *again = pass_with(&all, 50);
    ck_assert_double_eq(nv_sample_of(again, "t_value{who=\"slow\"}"), 1);
}
END_TEST

START_TEST(a_late_collector_is_served_from_its_last_rows_and_then_given_up)
{
    struct nv_gather_state state;

    add(&blocking);
    start();
    ck_assert_int_eq(write(gate[1], "x", 1), 1);
    NV_AUTO_FREE char *first = pass();
    ck_assert(nv_has_sample(first, "t_value{who=\"slow\"}"));

    NV_AUTO_FREE char *late = pass_with(&all, 60);
    ck_assert(nv_has_sample(late, "t_value{who=\"slow\"}"));
    ck_assert_double_eq(nv_sample_of(late, "node_scrape_collector_success{collector=\"blocking\"}"),
                        1);
    nv_gather_state(gather, 0, &state);
    ck_assert_int_gt(state.age_ms, 0);

    usleep(350000); /* three cadences */
    NV_AUTO_FREE char *old = pass_with(&all, 60);
    ck_assert(!nv_has_sample(old, "t_value{who=\"slow\"}"));
    ck_assert_double_eq(nv_sample_of(old, "node_scrape_collector_success{collector=\"blocking\"}"),
                        0);

    ck_assert_int_eq(write(gate[1], "xx", 2), 2); /* the one that hung, and the next */
    usleep(50000);
    NV_AUTO_FREE char *again = pass();
    ck_assert(nv_has_sample(again, "t_value{who=\"slow\"}"));
}
END_TEST

START_TEST(a_guarded_call_that_hangs_costs_one_thread_and_only_its_item)
{
    struct nv_gather_stats stats;

    add(&guarded);
    start();
    NV_AUTO_FREE char *text = pass();
    ck_assert_double_eq(nv_sample_of(text, "t_value{who=\"k2\"}"), 7);
    ck_assert_double_eq(nv_sample_of(text, "t_value{who=\"k7\"}"), 7);
    ck_assert_int_eq(outcomes[3], NV_GUARD_LATE);
    nv_gather_stats(gather, &stats);
    ck_assert_uint_eq(stats.workers_held, 1);

    int64_t begin = nv_monotonic_ns();
    for (int i = 0; i < 10; i++) {
        free(pass());
        ck_assert_int_eq(outcomes[3], NV_GUARD_STUCK);
    }
    ck_assert_int_lt((nv_monotonic_ns() - begin) / 1000000, 200 * 10);
    nv_gather_stats(gather, &stats);
    ck_assert_uint_eq(stats.workers_held, 1);

    ck_assert_int_eq(write(gate[1], "xx", 2), 2);
    usleep(50000);
    free(pass());
    ck_assert_int_eq(outcomes[3], NV_GUARD_DONE);
}
END_TEST

START_TEST(series_that_come_and_go_do_not_pile_up)
{
    struct nv_gather_stats stats;

    add(&rows);
    start();
    for (int i = 0; i < 60; i++) {
        n_rows = i % 2 ? 3 : 6000;
        free(pass());
    }
    nv_gather_stats(gather, &stats);
    ck_assert_uint_lt(stats.series, 2 * 12000 + 5000);
    n_rows = 3;
    NV_AUTO_FREE char *text = pass();
    ck_assert_double_eq(nv_sample_of(text, "t_value{who=\"r2\"}"), 2);
    ck_assert(!nv_has_sample(text, "t_value{who=\"r3\"}"));
}
END_TEST

START_TEST(a_family_may_get_another_type_or_help)
{
    struct nv_gather_stats before, after;

    add(&rows);
    add(&text_like);
    start();
    for (n_round = 0; n_round < NV_LEN(changing); n_round++) {
        NV_AUTO_FREE char *text = pass();
        char help[64];
        snprintf(help, sizeof(help), "# HELP %s %s\n", changing[n_round].name,
                 changing[n_round].help);
        ck_assert_ptr_nonnull(strstr(text, help));
        ck_assert(nv_has_sample(text, n_round < 3 ? "t_text" : "t_text_count"));
        ck_assert(nv_has_sample(text, "t_value{who=\"r2\"}"));
    }
    n_round--;
    nv_gather_stats(gather, &before);
    free(pass());
    nv_gather_stats(gather, &after);
    ck_assert_uint_eq(before.layout_generation, after.layout_generation);
    ck_assert_uint_eq(after.dropped_cells, 0);
}
END_TEST

START_TEST(of_two_rival_families_the_first_stays_without_a_new_generation)
{
    struct nv_gather_stats stats;

    add(&rows);
    add(&text_like);
    add(&rival);
    start();
    n_round = 0;
    for (n_rows = 1; n_rows < 5; n_rows++) {
        NV_AUTO_FREE char *text = pass();
        ck_assert_double_eq(nv_sample_of(text, "t_text"), 5);
    }
    n_rows = 3;
    nv_gather_stats(gather, &stats);
    ck_assert_uint_eq(stats.layout_generation, 1);
    ck_assert_uint_eq(stats.dropped_cells, 4);
}
END_TEST

START_TEST(the_report_of_collectors_is_not_displaced_by_what_they_emit)
{
    add(&impostor);
    add(&rows);
    start();
    for (int i = 0; i < 3; i++) {
        NV_AUTO_FREE char *text = pass();
        ck_assert(!nv_has_sample(text, "node_scrape_collector_success"));
        ck_assert_double_eq(nv_sample_of(text, "node_scrape_collector_success{collector=\"rows\"}"),
                            1);
        nv_gather_renew(gather, true);
    }
}
END_TEST

/* It ends between two passes, each time: served once it was complete, not never. */
START_TEST(a_collector_slower_than_a_pass_is_served_with_the_next)
{
    add(&slow);
    start();
    NV_AUTO_FREE char *first = pass_with(&all, 50);
    ck_assert(!nv_has_sample(first, "t_value{who=\"slow\"}"));
    usleep(500000);
    NV_AUTO_FREE char *second = pass_with(&all, 50);
    ck_assert_double_eq(nv_sample_of(second, "t_value{who=\"slow\"}"), 1);
    ck_assert_double_eq(nv_sample_of(second, "node_scrape_collector_success{collector=\"slow\"}"),
                        1);
}
END_TEST

START_TEST(a_wrong_abi_stamp_is_refused)
{
    struct nv_collector wrong = rows;

    wrong.abi.version++;
    ck_assert_int_eq(nv_gather_add(gather, &wrong, NV_GATHER_NODE, NULL), -EPROTO);
    add(&rows);
    ck_assert_int_eq(nv_gather_add(gather, &rows, NV_GATHER_NODE, NULL), -EEXIST);
}
END_TEST

/* All built-in collectors that are on by default, on the machine as it is. */
extern const struct nv_collector *const nv_builtin_collectors[];

START_TEST(a_steady_pass_allocates_nothing)
{
    if (!nv_heap_counts()) {
        printf("SKIP: a sanitizer has replaced malloc\n");
        return;
    }
    add(&rows);
    add(&other);
    add(&guarded);
    start();
    ck_assert_int_eq(write(gate[1], "xxxxxxxxxxxxxxxxxxxx", 20), 20);
    for (int i = 0; i < 5; i++) {
        NV_AUTO(nv_frame) *frame = NULL;
        ck_assert_int_eq(nv_gather_pass(gather, &all, 5000, &frame), 0);
    }
    size_t before = nv_heap_calls(), failed = 0;
    for (int i = 0; i < 10; i++) { /* without assertions, which allocate */
        NV_AUTO(nv_frame) *frame = NULL;
        failed += nv_gather_pass(gather, &all, 5000, &frame) != 0;
    }
    size_t calls = nv_heap_calls() - before;
    ck_assert_uint_eq(failed, 0);
    ck_assert_uint_eq(calls, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gather");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_pass_shows_rows_and_success);
    tcase_add_test(tests, rows_before_a_failure_stay_and_the_failure_is_reported);
    tcase_add_test(tests, a_missing_source_is_failure_or_no_data_as_declared);
    tcase_add_test(tests, a_failure_without_words_names_the_file);
    tcase_add_test(tests, a_selection_runs_only_what_it_names);
    tcase_add_test(tests, a_collector_that_hangs_delays_nobody_past_the_deadline);
    tcase_add_test(tests, a_collector_that_hangs_on_is_waited_for_once);
    tcase_add_test(tests, a_late_collector_is_served_from_its_last_rows_and_then_given_up);
    tcase_add_test(tests, a_guarded_call_that_hangs_costs_one_thread_and_only_its_item);
    tcase_add_test(tests, series_that_come_and_go_do_not_pile_up);
    tcase_add_test(tests, a_family_may_get_another_type_or_help);
    tcase_add_test(tests, of_two_rival_families_the_first_stays_without_a_new_generation);
    tcase_add_test(tests, the_report_of_collectors_is_not_displaced_by_what_they_emit);
    tcase_add_test(tests, a_collector_slower_than_a_pass_is_served_with_the_next);
    tcase_add_test(tests, a_wrong_abi_stamp_is_refused);
    tcase_add_test(tests, a_steady_pass_allocates_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
