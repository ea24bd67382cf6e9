/*
 * test_perf.c - counters of this machine's kernel: software events count everywhere, hardware events
 * hardly ever in a virtual machine. Skipped where the kernel lets us open nothing.
 */
#include <check.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/fixture.h"

extern const struct nv_collector nv_collector_perf;

static bool can_count(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                   .size = sizeof(attr),
                                   .config = PERF_COUNT_SW_CONTEXT_SWITCHES,
                                   .exclude_hv = 1};
    long fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);

    if (fd >= 0)
        close((int)fd);
    else
        printf("SKIP: perf_event_open: %s\n", strerror(errno));
    return fd >= 0;
}

START_TEST(software_events_are_counted_on_the_cpus_asked_for)
{
    static const char *const flags[] = {"--collector.perf.disable-hardware-profilers",
                                        "--collector.perf.disable-cache-profilers",
                                        "--collector.perf.cpus=0", NULL};
    int result;

    if (!can_count())
        return;
    char *text = nv_fixture_collect(&nv_collector_perf, nv_temp_dir(), flags, &result);
    ck_assert_int_eq(result, 0);
    ck_assert(nv_has_sample(text, "node_perf_context_switches_total{cpu=\"0\"}"));
    ck_assert(nv_has_sample(text, "node_perf_major_faults_total{cpu=\"0\"}"));
    ck_assert(!nv_has_sample(text, "node_perf_context_switches_total{cpu=\"1\"}"));
    ck_assert(!nv_has_sample(text, "node_perf_instructions_total{cpu=\"0\"}"));
    free(text);
}
END_TEST

START_TEST(of_a_group_only_the_events_named_are_counted)
{
    static const char *const flags[] = {
        "--collector.perf.disable-hardware-profilers", "--collector.perf.disable-cache-profilers",
        "--collector.perf.cpus=0-0:1", "--collector.perf.software-profilers=PageFault", NULL};
    int result;

    if (!can_count())
        return;
    char *text = nv_fixture_collect(&nv_collector_perf, nv_temp_dir(), flags, &result);
    ck_assert_int_eq(result, 0);
    ck_assert(nv_has_sample(text, "node_perf_page_faults_total{cpu=\"0\"}"));
    ck_assert(!nv_has_sample(text, "node_perf_minor_faults_total{cpu=\"0\"}"));
    free(text);
}
END_TEST

START_TEST(a_cpu_that_is_not_there_is_a_start_error)
{
    static const char *const flags[] = {"--collector.perf.cpus=65000", NULL};
    int result;

    char *text = nv_fixture_collect(&nv_collector_perf, nv_temp_dir(), flags, &result);
    ck_assert_int_lt(result, 0);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

START_TEST(a_tracepoint_that_is_not_there_is_a_start_error)
{
    static const char *const flags[] = {"--collector.perf.tracepoint=no_such:event", NULL};
    int result;

    char *text = nv_fixture_collect(&nv_collector_perf, nv_temp_dir(), flags, &result);
    ck_assert_int_eq(result, -ENOENT);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("perf");
    TCase *all = tcase_create("all");

    tcase_add_test(all, software_events_are_counted_on_the_cpus_asked_for);
    tcase_add_test(all, of_a_group_only_the_events_named_are_counted);
    tcase_add_test(all, a_cpu_that_is_not_there_is_a_start_error);
    tcase_add_test(all, a_tracepoint_that_is_not_there_is_a_start_error);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
