/*
 * test_second.c - a fake node's seconds, and the histograms made of them.
 */
#include "agent/second.h"

#include <check.h>
#include <stdio.h>

#include "agent/distribution.h"
#include "agent/options.h"
#include "expo/expo.h"
#include "support/fixture.h"
#include "support/heap.h"

extern const struct nv_collector *const nv_builtin_collectors[];

/* ---- a node made of files ------------------------------------------------------------------- */

/* What one second of the node is like. */
struct load {
    double busy;      /* share of each CPU */
    double busier;    /* of the second CPU */
    unsigned running; /* tasks */
    double pressure, memory, disk, bytes;
    unsigned reads, read_ms; /* in all */
};
static const struct load calm = {0.02, 0.03, 2, 0.0005, 0.4, 0.03, 5000, 10, 20},
                         storm = {1, 1, 41, 0.7, 0.015, 1, 120e6, 10, 2000};

/* Counters since boot. */
static double cpu_ticks[2][2], pressure_us, disk_ms, reads, read_ms, bytes;
static struct load now;

static void live(const struct load *load)
{
    now = *load;
    for (size_t cpu = 0; cpu < 2; cpu++) {
        double busy = 100 * (cpu ? load->busier : load->busy);
        cpu_ticks[cpu][0] += busy;
        cpu_ticks[cpu][1] += 100 - busy;
    }
    pressure_us += load->pressure * 1e6;
    disk_ms += load->disk * 1000;
    reads += load->reads;
    read_ms += load->read_ms;
    bytes += load->bytes;
}

__attribute__((format(printf, 2, 3))) static void write_proc(const char *name, const char *format,
                                                             ...)
{
    char text[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    nv_write_file(nv_temp_dir(), name, text);
}

static void write_node(void)
{
    write_proc("proc/stat",
               "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 %.0f 0 0 %.0f 0 0 0 0 0 0\ncpu1 %.0f 0 0 %.0f 0 0 0 "
               "0 0 0\nintr 1\nctxt 1\nbtime 1700000000\nprocesses 1\nprocs_running %u\n"
               "procs_blocked 0\nsoftirq 10 1 1 1 1 1 1 1 1 1 1\n",
               cpu_ticks[0][0], cpu_ticks[0][1], cpu_ticks[1][0], cpu_ticks[1][1], now.running);
    write_proc("proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: %.0f kB\n",
               now.memory * 1000000);
    write_proc("proc/diskstats", "   8 0 sda %.0f 0 0 %.0f 0 0 0 0 0 %.0f 0\n", reads, read_ms,
               disk_ms);
    for (size_t i = 0; i < 3; i++) {
        static const char *const names[] = {"proc/pressure/cpu", "proc/pressure/io",
                                            "proc/pressure/memory"};
        write_proc(names[i],
                   "some avg10=0.00 avg60=0.00 avg300=0.00 total=%.0f\n"
                   "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
                   i == 0 ? pressure_us : 0);
    }
    write_proc("proc/net/dev",
               "Inter-|   Receive                                                |  Transmit\n"
               " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
               "errs drop fifo colls carrier compressed\n"
               "  eth0: %.0f 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0\n"
               " veth7: %.0f 1 0 0 0 0 0 0 0 1 0 0 0 0 0 0\n",
               bytes, bytes);
}

/* ---- the bench ------------------------------------------------------------------------------ */

static struct nv_options *options;
static struct nv_gather *gather;
static struct nv_second *second;
static int64_t time_ns;
static char *text; /* of the last scrape */

static void setup(void)
{
    static const char *const words[] = {"--collector.disable-defaults",
                                        "--collector.cpu",
                                        "--collector.stat",
                                        "--collector.meminfo",
                                        "--collector.pressure",
                                        "--collector.diskstats",
                                        "--collector.netdev",
                                        "--no-collector.netdev.netlink"};
    char error[NV_GATHER_ERROR_MAX], proc[256];

    nv_quiet();
    live(&calm);
    write_node();
    snprintf(proc, sizeof(proc), "%s/proc", nv_temp_dir());
    const struct nv_gather_options paths = {
        .procfs = proc, .sysfs = "/nonexistent", .rootfs = "/", .udev = "/nonexistent"};
    options = nv_options_new("nodevitals", "Test.");
    ck_assert_int_eq(nv_options_parse(options, nv_builtin_collectors, NV_LEN(words), words), 0);
    gather = nv_gather_new(&paths);
    second = nv_second_new();
    for (size_t i = 0; i < options->n_collectors; i++)
        if (nv_options_is_on(options, i))
            ck_assert_int_eq(nv_gather_add(gather, options->collectors[i].collector, NV_GATHER_NODE,
                                           options->collectors[i].values),
                             0);
    ck_assert_int_eq(nv_second_add(second, gather), 0);
    ck_assert_int_eq(nv_gather_start(gather, error), 0);
    time_ns = 1000000000;
}

static void teardown(void)
{
    nv_gather_free(gather);
    nv_second_free(second);
    nv_options_free(options);
    free(text);
    text = NULL;
}

static void tick_after(const struct load *load, double seconds)
{
    NV_AUTO(nv_frame) *frame = NULL;

    live(load);
    write_node();
    time_ns += (int64_t)(seconds * 1e9);
    ck_assert_int_eq(nv_gather_sample(gather, time_ns / 1000000, &frame), 0);
    nv_second_observe(second, frame, time_ns);
}

static void tick(const struct load *load)
{
    tick_after(load, 1);
}

static void scrape(enum nv_expo_form form)
{
    const struct nv_gather_selection all = {0};
    const struct nv_expo_choice choice = {form, NV_ESCAPE_UNDERSCORES};
    NV_AUTO(nv_frame) *frame = NULL;
    struct nv_buf out = NV_BUF(1 << 20);

    ck_assert_int_eq(nv_gather_pass(gather, &all, 5000, &frame), 0);
    nv_expo_write(frame, choice, NULL, 0, &out);
    nv_buf_c_string(&out);
    free(text);
    text = out.p;
}

/* How often a family was observed above a bound; labels as "a=\"b\"," or "". */
static double above(const char *family, const char *labels, const char *bound)
{
    char all[256], below[256];

    snprintf(all, sizeof(all), "%s_bucket{%sle=\"+Inf\"}", family, labels);
    snprintf(below, sizeof(below), "%s_bucket{%sle=\"%s\"}", family, labels, bound);
    return nv_sample_of(text, all) - nv_sample_of(text, below);
}

/* ---- tests ---------------------------------------------------------------------------------- */

START_TEST(three_seconds_of_a_minute_show_in_the_buckets_and_not_in_the_average)
{
    tick(&calm);
    scrape(NV_EXPO_TEXT_0_0_4);
    double idle = nv_sample_of(text, "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}");
    for (int i = 0; i < 60; i++)
        tick(i >= 20 && i < 23 ? &storm : &calm);
    scrape(NV_EXPO_TEXT_0_0_4);

    double mean =
        1 - (nv_sample_of(text, "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}") - idle) / 60;
    ck_assert_double_lt(mean, 0.08);

    ck_assert_double_eq(above("nodevitals_cpu_utilization_ratio", "cpu=\"node\",", "0.99"), 3);
    ck_assert_double_eq(above("nodevitals_cpu_utilization_ratio", "cpu=\"node\",", "0.05"), 3);
    ck_assert_double_eq(above("nodevitals_cpu_utilization_ratio", "cpu=\"busiest\",", "0.99"), 3);
    ck_assert_double_eq(nv_sample_of(text, "nodevitals_cpu_utilization_ratio_count{cpu=\"node\"}"),
                        60);
    ck_assert_double_eq(above("nodevitals_run_queue_tasks", "", "32"), 3);
    ck_assert_double_eq(above("nodevitals_run_queue_tasks", "", "1"), 3);
    ck_assert_double_eq(
        above("nodevitals_pressure_ratio", "kind=\"waiting\",resource=\"cpu\",", "0.6"), 3);
    ck_assert_double_eq(
        above("nodevitals_pressure_ratio", "kind=\"waiting\",resource=\"io\",", "0.001"), 0);
    ck_assert_double_eq(nv_sample_of(text, "nodevitals_memory_available_ratio_bucket{le=\"0.02\"}"),
                        3);
    ck_assert_double_eq(above("nodevitals_disk_utilization_ratio", "device=\"sda\",", "0.95"), 3);
    ck_assert_double_eq(
        above("nodevitals_disk_latency_seconds", "device=\"sda\",direction=\"read\",", "0.1"), 3);
    ck_assert_double_eq(nv_sample_of(text, "nodevitals_disk_latency_seconds_count{device=\"sda\","
                                           "direction=\"write\"}"),
                        0);
    ck_assert_double_eq(above("nodevitals_network_throughput_bytes",
                              "device=\"eth0\",direction=\"receive\",", "1.1e+08"),
                        3);
}
END_TEST

START_TEST(the_busiest_cpu_is_told_apart_from_the_node)
{
    struct load one = calm;

    one.busy = 0;
    one.busier = 1;
    tick(&one);
    tick(&one);
    scrape(NV_EXPO_TEXT_0_0_4);
    ck_assert_double_eq(above("nodevitals_cpu_utilization_ratio", "cpu=\"busiest\",", "0.99"), 1);
    ck_assert_double_eq_tol(
        nv_sample_of(text, "nodevitals_cpu_utilization_ratio_sum{cpu=\"node\"}"), 0.5, 1e-9);
}
END_TEST

START_TEST(the_first_tick_and_a_counter_that_fell_give_no_observation)
{
    tick(&calm);
    scrape(NV_EXPO_TEXT_0_0_4);
    ck_assert_double_eq(
        nv_sample_of(text, "nodevitals_network_throughput_bytes_count{device=\"eth0\",direction="
                           "\"receive\"}"),
        0);
    bytes = 0;
    tick(&calm);
    tick(&calm);
    scrape(NV_EXPO_TEXT_0_0_4);
    ck_assert_double_eq(
        nv_sample_of(text, "nodevitals_network_throughput_bytes_count{device=\"eth0\",direction="
                           "\"receive\"}"),
        1);
}
END_TEST

START_TEST(rates_are_by_the_time_that_has_passed)
{
    tick(&calm);
    tick_after(&calm, 4);
    scrape(NV_EXPO_TEXT_0_0_4);
    ck_assert_double_eq(
        nv_sample_of(text, "nodevitals_network_throughput_bytes_sum{device=\"eth0\",direction="
                           "\"receive\"}"),
        calm.bytes / 4);
}
END_TEST

START_TEST(the_ends_of_containers_are_left_out)
{
    tick(&calm);
    tick(&calm);
    scrape(NV_EXPO_TEXT_0_0_4);
    ck_assert(nv_has_sample(text, "node_network_receive_bytes_total{device=\"veth7\"}"));
    ck_assert_ptr_null(strstr(text, "nodevitals_network_throughput_bytes_count{device=\"veth7\""));
}
END_TEST

START_TEST(protobuf_has_classic_and_native_in_one_message)
{
    tick(&calm);
    for (int i = 0; i < 5; i++)
        tick(&calm);
    scrape(NV_EXPO_PROTO_TEXT);
    char *family = strstr(text, "name: \"nodevitals_run_queue_tasks\"");
    ck_assert_ptr_nonnull(family);
    char *end = strstr(family + 6, "\nname: ");
    if (end)
        *end = '\0';
    char *message = strstr(family, "histogram: {");
    ck_assert_ptr_nonnull(message);
    ck_assert_ptr_null(strstr(message + 1, "histogram: {"));
    ck_assert_ptr_nonnull(strstr(message, "sample_count: 6"));
    ck_assert_ptr_nonnull(strstr(message, "schema: 3"));
    ck_assert_ptr_nonnull(strstr(message, "positive_span: {"));
    ck_assert_ptr_nonnull(strstr(message, "bucket: {"));
    ck_assert_ptr_nonnull(strstr(message, "upper_bound: 1024"));
}
END_TEST

START_TEST(a_steady_tick_allocates_nothing)
{
    if (!nv_heap_counts()) {
        printf("SKIP: a sanitizer has replaced malloc\n");
        return;
    }
    NV_AUTO(nv_frame) *frame = NULL;
    tick(&calm);
    tick(&calm);
    ck_assert_int_eq(nv_gather_sample(gather, time_ns / 1000000, &frame), 0);
    nv_second_observe(second, frame, time_ns += 1000000000);
    size_t before = nv_heap_calls();
    for (int i = 0; i < 10; i++)
        nv_second_observe(second, frame, time_ns += 1000000000);
    ck_assert_uint_eq(nv_heap_calls() - before, 0);
}
END_TEST

/* ---- distributions -------------------------------------------------------------------------- */

static const struct nv_distribution_shape shape = {
    {{1, "1"},
     {2, "2"},
     {3, "3"},
     {4, "4"},
     {5, "5"},
     {6, "6"},
     {7, "7"},
     {8, "8"},
     {9, "9"},
     {10, "10"},
     {11, "11"}},
    .schema = 0,
    .zero_log2 = -2,
    .doublings = 8,
};

START_TEST(native_buckets_include_their_upper_bound)
{
    struct nv_distribution d = {.shape = &shape};
    static struct nv_distribution_room room;
    struct nv_histogram h;

    nv_distribution_observe(&d, 0);     /* zero */
    nv_distribution_observe(&d, 0.25);  /* zero, at the threshold */
    nv_distribution_observe(&d, 0.26);  /* (0.25, 0.5], index -1 */
    nv_distribution_observe(&d, 1);     /* (0.5, 1], index 0 */
    nv_distribution_observe(&d, 1.001); /* (1, 2], index 1 */
    nv_distribution_observe(&d, 2);
    nv_distribution_observe(&d, 64);  /* (32, 64], index 6, the last */
    nv_distribution_observe(&d, 1e9); /* beyond */
    nv_distribution_observe(&d, -1);  /* nothing */
    nv_distribution_observe(&d, NAN);
    nv_distribution_native(&d, &room, &h);
    ck_assert_double_eq(h.count, 8);
    ck_assert_double_eq(h.zero_count, 2);
    ck_assert_double_eq(h.zero_threshold, 0.25);
    ck_assert_uint_eq(h.n_positive_spans, 2);
    ck_assert_int_eq(h.positive_spans[0].offset, -1);
    ck_assert_uint_eq(h.positive_spans[0].length, 3);
    ck_assert_int_eq(h.positive_spans[1].offset, 4);
    ck_assert_uint_eq(h.positive_spans[1].length, 1);
    ck_assert_double_eq(h.positive[2], 2);
    ck_assert_double_eq(h.positive[3], 2);
    ck_assert_uint_eq(d.classic[0], 4);
    ck_assert_uint_eq(d.classic[1], 2);
    ck_assert_uint_eq(d.classic[NV_DISTRIBUTION_BOUNDS], 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("second");
    TCase *tests = tcase_create("node"), *pure = tcase_create("distribution");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, three_seconds_of_a_minute_show_in_the_buckets_and_not_in_the_average);
    tcase_add_test(tests, the_busiest_cpu_is_told_apart_from_the_node);
    tcase_add_test(tests, the_first_tick_and_a_counter_that_fell_give_no_observation);
    tcase_add_test(tests, rates_are_by_the_time_that_has_passed);
    tcase_add_test(tests, the_ends_of_containers_are_left_out);
    tcase_add_test(tests, protobuf_has_classic_and_native_in_one_message);
    tcase_add_test(tests, a_steady_tick_allocates_nothing);
    suite_add_tcase(suite, tests);
    tcase_add_test(pure, native_buckets_include_their_upper_bound);
    suite_add_tcase(suite, pure);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
