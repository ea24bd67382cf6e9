/*
 * test_exposed.c - what scraped targets expose, on /metrics and on the kubelet's paths.
 */
#include "web/client.h"

#include <check.h>

#include "expo/frames.h"
#include "web/web.h"

/* ---- a node with a collector of containers ------------------------------------------------------ */

static const struct nv_family columns[] = {
    {"t_node", NV_GAUGE, NV_AS_IS, "Node."},
};
static const struct nv_table table = {NV_NO_LABELS, columns, 1};

static int collect_node(struct nv_pass *pass)
{
    uint64_t value = 7;

    nv_emit_row(pass, &table, NULL, &value, 1);
    return 0;
}
static const struct nv_collector node = {NV_ABI_STAMP, .name = "node", .collect = collect_node};

static const struct nv_family cgroup_columns[] = {
    {"container_cpu_usage_seconds_total",  NV_COUNTER, NV_AS_IS, "CPU."   },
    {"container_memory_working_set_bytes", NV_GAUGE,   NV_AS_IS, "Memory."},
};
static const struct nv_table cgroups = {
    NV_LABELS("container", "id", "image", "name", "namespace", "pod"), cgroup_columns, 2};

static int collect_containers(struct nv_pass *pass)
{
    const struct nv_str labels[] = {NV_LIT("app"), NV_LIT("/a"), NV_LIT("i"),
                                    NV_LIT("n"),   NV_LIT("ns"), NV_LIT("p")};
    uint64_t values[] = {5, 6};

    nv_emit_row(pass, &cgroups, labels, values, 2);
    return 0;
}
static const struct nv_collector container = {NV_ABI_STAMP, .name = "container",
                                              .collect = collect_containers};

/* ---- what targets expose ------------------------------------------------------------------------ */

static struct {
    const char *name;
    struct maker made;
    bool down;
} targets[4];
static size_t n_targets;

static struct maker *expose(const char *name)
{
    nv_assert(n_targets < NV_LEN(targets));
    targets[n_targets].name = name;
    targets[n_targets].down = false;
    make_begin(&targets[n_targets].made);
    return &targets[n_targets++].made;
}

static bool has(void *user, struct nv_str name)
{
    bool found = false;

    (void)user;
    for (size_t i = 0; i < n_targets; i++)
        found |= nv_str_is(name, targets[i].name);
    return found;
}

static void each(void *user, void (*one)(void *to, struct nv_str name, struct nv_frame *frame),
                 void *to)
{
    (void)user;
    for (size_t i = 0; i < n_targets; i++) {
        if (!targets[i].down)
            one(to, nv_str(targets[i].name), &targets[i].made.frame);
    }
}

static struct nv_gather *gather;
static struct nv_web *web;
static int port;
static struct answer got;

static void begin_with(bool containers)
{
    static const char *const listen[] = {"127.0.0.1:0"}, *const collectors[] = {"node",
                                                                                "container"};
    const struct nv_gather_options none = {
        .procfs = "/nowhere", .sysfs = "/nowhere", .rootfs = "/nowhere", .udev = "/nowhere"};
    const struct nv_web_options options = {
        .listen = listen,
        .n_listen = 1,
        .telemetry_path = "/metrics",
        .collectors = collectors,
        .n_collectors = NV_LEN(collectors),
        .gather = gather = nv_gather_new(&none),
        .exposed = {has, each, NULL}
    };
    char error[NV_WEB_ERROR_MAX] = "";

    ck_assert_int_eq(nv_gather_add(gather, &node, NV_GATHER_NODE, NULL), 0);
    if (containers)
        ck_assert_int_eq(nv_gather_add(gather, &container, NV_GATHER_NODE, NULL), 0);
    ck_assert_int_eq(nv_gather_start(gather, error), 0);
    for (size_t i = 0; i < n_targets; i++) {
        make_frame(&targets[i].made);
        targets[i].made.frame.time_ms = 1000;
    }
    ck_assert_msg(nv_web_new(&options, &web, error) == 0, "%s", error);
    ck_assert_msg(nv_web_start(web, error) == 0, "%s", error);
    port = (int)strtol(strrchr(nv_web_address(web, 0), ':') + 1, NULL, 10);
}

static void end(void)
{
    nv_web_free(web);
    nv_gather_free(gather);
    for (; n_targets; n_targets--) {
        ck_assert_uint_eq(targets[n_targets - 1].made.frame.refs, 1); /* nobody kept it */
        make_end(&targets[n_targets - 1].made);
    }
}

static bool shows(const char *path, const char *text)
{
    client_get_once(port, path, &got);
    return strstr(got.body, text) != NULL;
}

/* ---- tests -------------------------------------------------------------------------------------- */

START_TEST(exposed_series_stand_among_the_nodes_own)
{
    struct maker *web_app = expose("web");
    struct maker *other = expose("other");

    make_add(web_app, NV_GAUGE, "t_app", "", 1, NULL);
    make_add(web_app, NV_COUNTER, "t_node", "", 9, NULL); /* the node's own wins */
    make_add(other, NV_GAUGE, "t_app", "", 2, NULL);      /* the earlier one wins */
    make_add(other, NV_GAUGE, "t_app", "", 3, "x", "1", NULL);
    begin_with(false);
    ck_assert(shows("/metrics", "t_app 1\nt_app{x=\"1\"} 3\n"));
    ck_assert(strstr(got.body, "t_node 7\n") && !strstr(got.body, "t_node 9"));
    ck_assert_int_eq(got.status, 200);
    struct nv_web_stats stats;
    nv_web_stats(web, &stats);
    ck_assert_uint_eq(stats.exposed_conflicts, 1);
    ck_assert_uint_eq(stats.exposed_duplicates, 1);
    end();
}
END_TEST

START_TEST(they_are_chosen_and_left_out_like_collectors)
{
    make_add(expose("web"), NV_GAUGE, "t_app", "", 1, NULL);
    make_add(expose("other"), NV_GAUGE, "t_other", "", 2, NULL);
    begin_with(false);
    ck_assert(shows("/metrics?collect[]=web", "t_app 1\n"));
    ck_assert(!strstr(got.body, "t_other") && !strstr(got.body, "t_node"));
    ck_assert(shows("/metrics?collect[]=web&collect[]=node", "t_app 1\n") &&
              strstr(got.body, "t_node 7\n"));
    ck_assert(!shows("/metrics?exclude[]=web", "t_app"));
    ck_assert(strstr(got.body, "t_other 2\n") && strstr(got.body, "t_node 7\n"));
    ck_assert(shows("/metrics?name[]=t_other", "t_other 2\n") && !strstr(got.body, "t_app"));
    ck_assert(shows("/metrics?collect[]=nobody", "missing collector: nobody"));
    ck_assert_int_eq(got.status, 400);
    end();
}
END_TEST

/* A target that is down is known all the same: a scrape that asks for it is no mistake. */
START_TEST(a_target_that_is_down_is_no_unknown_name)
{
    make_add(expose("web"), NV_GAUGE, "t_app", "", 1, NULL);
    targets[0].down = true;
    begin_with(false);
    ck_assert(!shows("/metrics?collect[]=web", "t_app"));
    ck_assert_int_eq(got.status, 200);
    end();
}
END_TEST

START_TEST(container_families_stand_alone_on_the_kubelets_path)
{
    begin_with(true);
    ck_assert(shows("/metrics", "t_node 7\n") &&
              strstr(got.body, "container_cpu_usage_seconds_total{"));
    ck_assert(shows("/metrics/cadvisor",
                    "container_cpu_usage_seconds_total{container=\"app\",id=\"/a\","
                    "image=\"i\",name=\"n\",namespace=\"ns\",pod=\"p\"} 5\n"));
    ck_assert(!strstr(got.body, "t_node") && !strstr(got.body, "node_scrape"));
    ck_assert(!shows("/metrics?exclude[]=container", "container_cpu"));
    ck_assert(strstr(got.body, "t_node 7\n"));
    ck_assert(shows(
        "/metrics/resource",
        "\ncontainer_cpu_usage_seconds_total{container=\"app\",namespace=\"ns\",pod=\"p\"} 5 "));
    ck_assert(strstr(got.body, "\nresource_scrape_error 0\n"));
    ck_assert_ptr_nonnull(strstr(got.head, "Content-Type: text/plain; version=0.0.4"));
    end();
}
END_TEST

START_TEST(with_the_kubelet_as_their_source_they_are_its_own)
{
    struct maker *cadvisor = expose("container"), *resource = expose("resource");

    make_add(cadvisor, NV_COUNTER, "container_cpu_usage_seconds_total", "", 8, "id", "/", NULL);
    make_add(cadvisor, NV_GAUGE, "something_new", "", 1, NULL);
    make_add(resource, NV_COUNTER, "pod_cpu_usage_seconds_total", "", 3, "namespace", "a", "pod",
             "b", NULL);
    begin_with(false);
    ck_assert(shows("/metrics/cadvisor", "container_cpu_usage_seconds_total{id=\"/\"} 8\n"));
    ck_assert(strstr(got.body, "something_new 1\n") && !strstr(got.body, "pod_cpu"));
    ck_assert(shows("/metrics", "something_new 1\n") && !strstr(got.body, "pod_cpu"));
    ck_assert(shows("/metrics/resource",
                    "pod_cpu_usage_seconds_total{namespace=\"a\",pod=\"b\"} 3 1000\n"));
    ck_assert(!strstr(got.body, "container_cpu"));
    ck_assert(shows("/metrics?collect[]=resource", "missing collector: resource"));
    end();
}
END_TEST

START_TEST(where_there_are_no_containers_the_kubelets_paths_say_so)
{
    begin_with(false);
    ck_assert(shows("/metrics/cadvisor", "--collector.container is off"));
    ck_assert_int_eq(got.status, 404);
    ck_assert(shows("/metrics/resource", "--collector.container is off"));
    ck_assert_int_eq(got.status, 404);
    ck_assert(shows("/", "href=\"/metrics/cadvisor\"") &&
              strstr(got.body, "href=\"/metrics/resource\""));
    end();
}
END_TEST

START_TEST(while_the_kubelet_is_down_they_say_that)
{
    make_add(expose("container"), NV_GAUGE, "container_x", "", 1, NULL);
    targets[0].down = true;
    begin_with(false);
    ck_assert(shows("/metrics/cadvisor", "No container metrics at present"));
    ck_assert_int_eq(got.status, 503);
    ck_assert(shows("/metrics/resource", "No container metrics at present"));
    ck_assert_int_eq(got.status, 503);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/exposed");
    TCase *tc = tcase_create("exposed");
    SRunner *runner = srunner_create(suite);

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, exposed_series_stand_among_the_nodes_own);
    tcase_add_test(tc, they_are_chosen_and_left_out_like_collectors);
    tcase_add_test(tc, a_target_that_is_down_is_no_unknown_name);
    tcase_add_test(tc, container_families_stand_alone_on_the_kubelets_path);
    tcase_add_test(tc, with_the_kubelet_as_their_source_they_are_its_own);
    tcase_add_test(tc, where_there_are_no_containers_the_kubelets_paths_say_so);
    tcase_add_test(tc, while_the_kubelet_is_down_they_say_that);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
