/*
 * test_resource.c - /metrics/resource from container families, and from the kubelet's own answer.
 */
#include <check.h>

#include "expo/frames.h"
#include "web/server.h"

static struct maker m;
enum { NOW_MS = 1700000000123 };
static int64_t *own_ms; /* of the columns, in the order they were added; NULL for none */

static void begin(void)
{
    make_begin(&m);
}

static void end(void)
{
    own_ms = m.frame.own_ms = NULL;
    make_end(&m);
}

static char *write_resource(bool direct)
{
    const struct nv_expo_part part = {make_frame(&m), NULL};
    struct nv_buf out = NV_BUF(1 << 20);

    m.frame.time_ms = NOW_MS;
    m.frame.own_ms = own_ms;
    ck_assert_int_eq(nv_resource_write(&part, 1, direct, &out), 0);
    nv_buf_c_string(&out);
    return out.p;
}

/* A row of a cgroup; `labels`: container, id, image, name, namespace, pod. */
static void add(const char *family, enum nv_type type, double value, const char *const labels[6])
{
    make_add(&m, type, family, "", value, "container", labels[0], "id", labels[1], "image",
             labels[2], "name", labels[3], "namespace", labels[4], "pod", labels[5], NULL);
}

static void add_cgroup(double cpu, double memory, double start, const char *const labels[6])
{
    if (cpu >= 0)
        add("container_cpu_usage_seconds_total", NV_COUNTER, cpu, labels);
    if (memory >= 0)
        add("container_memory_working_set_bytes", NV_GAUGE, memory, labels);
    add("container_start_time_seconds", NV_GAUGE, start, labels);
    add("container_memory_usage_bytes", NV_GAUGE, 1e9, labels);
}

static const char *const root[] = {"", "/", "", "", "", ""}, *const slice[] = {"", "/kubepods", "",
                                                                               "", "",          ""},
                         *const pod[] = {"", "/kubepods/podu", "", "", "shop", "web-1"},
                         *const sandbox[] = {"", "/kubepods/podu/s", "pause", "s", "shop", "web-1"},
                         *const crio[] = {"POD", "/kubepods/podu/t", "pause", "t", "shop", "web-1"},
                         *const nginx[] = {"nginx", "/kubepods/podu/c", "nginx:1", "c", "shop",
                                           "web-1"},
                         *const before[] = {"nginx", "/kubepods/podu/b", "nginx:1", "b", "shop",
                                            "web-1"},
                         *const other[] = {"app",  "/kubepods/podu/d", "app:1", "d", "shop",
                                           "web-1"};

START_TEST(rows_of_cgroups_become_containers_pods_and_the_node)
{
    add_cgroup(100, 1000, 1, root);
    add_cgroup(90, 900, 1, slice);
    add_cgroup(20.5, 300, 5, pod);
    add_cgroup(1, 10, 5, sandbox);
    add_cgroup(1, 10, 5, crio);
    add_cgroup(12.25, 200, 7, nginx);
    add_cgroup(7, 80, 6, other);
    add("container_memory_swap", NV_GAUGE, 0x1p63 * 1.5, nginx);
    char *got = write_resource(false);
    ck_assert_str_eq(
        got,
        "# HELP container_cpu_usage_seconds_total CPU time a container has taken, in seconds.\n"
        "# TYPE container_cpu_usage_seconds_total counter\n"
        "container_cpu_usage_seconds_total{container=\"app\",namespace=\"shop\",pod=\"web-1\"} 7 "
        "1700000000123\n"
        "container_cpu_usage_seconds_total{container=\"nginx\",namespace=\"shop\",pod=\"web-1\"} "
        "12.25 1700000000123\n"
        "# HELP container_memory_working_set_bytes Memory of a container that cannot be dropped at "
        "once.\n"
        "# TYPE container_memory_working_set_bytes gauge\n"
        "container_memory_working_set_bytes{container=\"app\",namespace=\"shop\",pod=\"web-1\"} 80 "
        "1700000000123\n"
        "container_memory_working_set_bytes{container=\"nginx\",namespace=\"shop\",pod=\"web-1\"} "
        "200 1700000000123\n"
        "# HELP container_start_time_seconds When a container began, in seconds since the epoch.\n"
        "# TYPE container_start_time_seconds gauge\n"
        "container_start_time_seconds{container=\"app\",namespace=\"shop\",pod=\"web-1\"} 6\n"
        "container_start_time_seconds{container=\"nginx\",namespace=\"shop\",pod=\"web-1\"} 7\n"
        "# HELP container_swap_usage_bytes Swap a container uses.\n"
        "# TYPE container_swap_usage_bytes gauge\n"
        "container_swap_usage_bytes{container=\"nginx\",namespace=\"shop\",pod=\"web-1\"} 0 "
        "1700000000123\n"
        "# HELP node_cpu_usage_seconds_total CPU time all cgroups have taken, in seconds.\n"
        "# TYPE node_cpu_usage_seconds_total counter\n"
        "node_cpu_usage_seconds_total 100 1700000000123\n"
        "# HELP node_memory_working_set_bytes Memory of the node that cannot be dropped at once.\n"
        "# TYPE node_memory_working_set_bytes gauge\n"
        "node_memory_working_set_bytes 1000 1700000000123\n"
        "# HELP pod_cpu_usage_seconds_total CPU time a pod has taken, in seconds.\n"
        "# TYPE pod_cpu_usage_seconds_total counter\n"
        "pod_cpu_usage_seconds_total{namespace=\"shop\",pod=\"web-1\"} 20.5 1700000000123\n"
        "# HELP pod_memory_working_set_bytes Memory of a pod that cannot be dropped at once.\n"
        "# TYPE pod_memory_working_set_bytes gauge\n"
        "pod_memory_working_set_bytes{namespace=\"shop\",pod=\"web-1\"} 300 1700000000123\n"
        "# HELP resource_scrape_error 1 where something could not be read.\n"
        "# TYPE resource_scrape_error gauge\nresource_scrape_error 0\n"
        "# HELP scrape_error The same, under its name of before.\n"
        "# TYPE scrape_error gauge\nscrape_error 0\n");
    free(got);
}
END_TEST

/* metrics-server drops the whole pod of such a container. */
START_TEST(a_container_has_cpu_and_memory_or_neither)
{
    add_cgroup(5, -1, 1, nginx);
    add_cgroup(5, 0, 1, other);
    char *got = write_resource(false);
    ck_assert_ptr_null(strstr(got, "web-1"));
    free(got);
}
END_TEST

START_TEST(of_two_instances_of_a_container_the_later_one_is_told)
{
    add_cgroup(50, 500, 100, before);
    add_cgroup(2, 20, 200, nginx);
    char *got = write_resource(false);
    ck_assert_ptr_nonnull(strstr(got, "pod=\"web-1\"} 2 1700000000123\n"));
    ck_assert_ptr_null(strstr(got, "} 50 "));
    free(got);
}
END_TEST

START_TEST(processors_of_their_own_are_added_up)
{
    static const char *const cpus[] = {"cpu00", "cpu01"};

    for (size_t i = 0; i < 2; i++)
        make_add(&m, NV_COUNTER, "container_cpu_usage_seconds_total", "", 1.5, "cpu", cpus[i],
                 "container", "", "id", "/", "image", "", "name", "", "namespace", "", "pod", "",
                 NULL);
    add("container_memory_working_set_bytes", NV_GAUGE, 10, root);
    char *got = write_resource(false);
    ck_assert_ptr_nonnull(strstr(got, "node_cpu_usage_seconds_total 3 1700000000123\n"));
    free(got);
}
END_TEST

START_TEST(a_collector_that_failed_shows_as_an_error)
{
    add_cgroup(100, 1000, 1, root);
    make_add(&m, NV_GAUGE, "node_scrape_collector_success", "", 0, "collector", "container", NULL);
    char *got = write_resource(false);
    ck_assert_ptr_nonnull(strstr(got, "\nresource_scrape_error 1\n"));
    free(got);
}
END_TEST

START_TEST(the_kubelets_own_answer_goes_through_with_its_time)
{
    make_add(&m, NV_COUNTER, "container_cpu_usage_seconds_total", "", 7, "container", "app",
             "namespace", "shop", "pod", "web-1", NULL);
    make_add(&m, NV_GAUGE, "container_start_time_seconds", "", 1.5e9, "container", "app",
             "namespace", "shop", "pod", "web-1", NULL);
    make_add(&m, NV_GAUGE, "resource_scrape_error", "", 1, NULL);
    make_add(&m, NV_GAUGE, "something_else", "", 1, NULL);
    char *got = write_resource(true);
    ck_assert_str_eq(
        got,
        "# HELP container_cpu_usage_seconds_total CPU time a container has taken, in seconds.\n"
        "# TYPE container_cpu_usage_seconds_total counter\n"
        "container_cpu_usage_seconds_total{container=\"app\",namespace=\"shop\",pod=\"web-1\"} 7 "
        "1700000000123\n"
        "# HELP container_start_time_seconds When a container began, in seconds since the epoch.\n"
        "# TYPE container_start_time_seconds gauge\n"
        "container_start_time_seconds{container=\"app\",namespace=\"shop\",pod=\"web-1\"} 1.5e+09\n"
        "# HELP resource_scrape_error 1 where something could not be read.\n"
        "# TYPE resource_scrape_error gauge\nresource_scrape_error 1\n"
        "# HELP scrape_error The same, under its name of before.\n"
        "# TYPE scrape_error gauge\nscrape_error 1\n");
    free(got);
}
END_TEST

START_TEST(times_that_the_kubelet_gives_are_its_own)
{
    int64_t times_ms[] = {1700000000001, 1700000000002, 0, 0};

    own_ms = times_ms;
    add("container_cpu_usage_seconds_total", NV_COUNTER, 7, nginx);
    add("container_memory_working_set_bytes", NV_GAUGE, 80, nginx);
    add("container_start_time_seconds", NV_GAUGE, 5, nginx);
    add("container_memory_swap", NV_GAUGE, 3, nginx);
    for (int direct = 0; direct < 2; direct++) {
        char *got = write_resource(direct);
        ck_assert_ptr_nonnull(strstr(got, "pod=\"web-1\"} 7 1700000000001\n"));
        ck_assert_ptr_nonnull(strstr(got, "pod=\"web-1\"} 80 1700000000002\n"));
        ck_assert_ptr_nonnull(strstr(got, "pod=\"web-1\"} 5\n"));
        if (!direct)
            ck_assert_ptr_nonnull(strstr(got, "pod=\"web-1\"} 3 1700000000123\n"));
        free(got);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/resource");
    TCase *tc = tcase_create("resource");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, rows_of_cgroups_become_containers_pods_and_the_node);
    tcase_add_test(tc, a_container_has_cpu_and_memory_or_neither);
    tcase_add_test(tc, of_two_instances_of_a_container_the_later_one_is_told);
    tcase_add_test(tc, processors_of_their_own_are_added_up);
    tcase_add_test(tc, a_collector_that_failed_shows_as_an_error);
    tcase_add_test(tc, the_kubelets_own_answer_goes_through_with_its_time);
    tcase_add_test(tc, times_that_the_kubelet_gives_are_its_own);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
