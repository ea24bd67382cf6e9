/*
 * test_self.c - the agent's own families, in a pass of a gather that has nothing else.
 */
#include "agent/self.h"

#include <check.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "expo/expo.h"
#include "support/fixture.h"

static struct nv_self self;
static char *text;

/* One pass as classic text, in `text`. */
static void observe(bool exporter_metrics)
{
    const struct nv_gather_options options = {
        .procfs = "/nonexistent", .sysfs = "/nonexistent", .rootfs = "/", .udev = "/nonexistent"};
    const struct nv_gather_selection all = {.some = false};
    const struct nv_expo_choice classic = {NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES};
    char error[NV_GATHER_ERROR_MAX];
    struct nv_frame *frame;
    struct nv_buf buf = NV_BUF(1 << 20);

    self = (struct nv_self){0};
    struct nv_gather *gather = nv_gather_new(&options);
    ck_assert_ptr_nonnull(gather);
    ck_assert_int_eq(nv_self_add(&self, gather, exporter_metrics), 0);
    ck_assert_int_eq(nv_gather_start(gather, error), 0);
    ck_assert_int_eq(nv_gather_pass(gather, &all, NV_GATHER_PASS_MS, &frame), 0);
    nv_expo_write(frame, classic, NULL, 0, &buf);
    nv_frame_unref(frame);
    nv_gather_free(gather);
    nv_buf_c_string(&buf);
    ck_assert_int_eq(buf.failed, 0);
    text = buf.p;
}

static void forget(void)
{
    free(text);
    text = NULL;
}

START_TEST(the_process_is_our_own_whatever_the_path_of_procfs)
{
    struct rlimit files;

    observe(true);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &files), 0);
    ck_assert_double_eq(nv_sample_of(text, "process_max_fds"), (double)files.rlim_cur);
    ck_assert_double_ge(nv_sample_of(text, "process_open_fds"), 3);
    ck_assert_double_ge(nv_sample_of(text, "process_cpu_seconds_total"), 0);
    ck_assert_double_ge(nv_sample_of(text, "process_resident_memory_bytes"), 100000);
    ck_assert_double_ge(nv_sample_of(text, "process_virtual_memory_bytes"),
                        nv_sample_of(text, "process_resident_memory_bytes"));
    ck_assert(nv_has_sample(text, "process_virtual_memory_max_bytes"));
    ck_assert(nv_has_sample(text, "process_network_receive_bytes_total"));
    ck_assert(nv_has_sample(text, "process_network_transmit_bytes_total"));
}
END_TEST

START_TEST(the_start_lies_between_boot_and_now)
{
    struct timespec up;

    observe(true);
    double started = nv_sample_of(text, "process_start_time_seconds"), now = (double)time(NULL);
    clock_gettime(CLOCK_BOOTTIME, &up);
    ck_assert_double_le(started, now + 2);
    ck_assert_double_ge(started, now - (double)up.tv_sec - 2);
}
END_TEST

START_TEST(the_inside_is_told_under_our_own_name)
{
    observe(true);
    ck_assert_double_eq(nv_sample_of(text, "nodevitals_workers_held"), 0);
    ck_assert(nv_has_sample(text, "nodevitals_passes_total"));
    ck_assert_ptr_nonnull(strstr(text, "# TYPE nodevitals_passes_total counter\n"));
    ck_assert_ptr_nonnull(strstr(text, "\nnodevitals_build_info{"));
}
END_TEST

START_TEST(requests_are_told_only_where_there_is_a_web)
{
    observe(true);
    ck_assert_ptr_null(strstr(text, "promhttp_"));
}
END_TEST

START_TEST(who_answers_is_told_even_when_the_rest_is_not)
{
    observe(false);
    ck_assert_ptr_nonnull(strstr(text, "\nnode_exporter_build_info{branch="));
    ck_assert_ptr_null(strstr(text, "process_"));
    ck_assert_ptr_null(strstr(text, "nodevitals_"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("self");
    TCase *tcase = tcase_create("self");

    tcase_add_checked_fixture(tcase, NULL, forget);
    tcase_add_test(tcase, the_process_is_our_own_whatever_the_path_of_procfs);
    tcase_add_test(tcase, the_start_lies_between_boot_and_now);
    tcase_add_test(tcase, the_inside_is_told_under_our_own_name);
    tcase_add_test(tcase, requests_are_told_only_where_there_is_a_web);
    tcase_add_test(tcase, who_answers_is_told_even_when_the_rest_is_not);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
