/*
 * test_discover.c - which pods are scraped, where, and under what labels.
 */
#include "kube/discover.h"

#include <check.h>
#include <stdio.h>

#include "kube/meta.h"
#include "kube/pods.h"
#include "support/fixture.h"

static struct nv_pods *pods;
static struct nv_arena memory = {.max = 256 << 20};
static struct nv_kube_wanted wanted;
static struct nv_target_groups found;
static size_t left_out;

static void setup(void)
{
    wanted = (struct nv_kube_wanted){
        .annotated = true, .interval_ms = 30000, .timeout_ms = 10000, .node_name = "n1"};
}

static void forget(void)
{
    nv_pods_unref(pods);
    pods = NULL;
    nv_arena_done(&memory);
}

static void read_list(struct nv_str json)
{
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);
    char error[NV_PODS_ERROR_MAX];

    nv_pods_unref(pods);
    nv_buf_str(&text, json);
    if (nv_pods_read(&text, 1, 1, &pods, error) < 0)
        ck_abort_msg("%s", error);
}

static void discover(void)
{
    ck_assert_int_eq(nv_kube_discover(pods, &wanted, &memory, &found, &left_out), 0);
}

/* A running pod of these annotations (members of an object) and containers (items of an array); name "p" and so on. */
struct made {
    const char *name, *annotations, *containers, *more; /* more: of the specification */
    const char *ip, *phase;
};

static void add_pod(struct nv_buf *json, const struct made *pod)
{
    nv_buf_printf(json,
                  "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"ns\",\"uid\":\"uid-%s\","
                  "\"annotations\":{%s},"
                  "\"labels\":{\"app.kubernetes.io/name\":\"it\",\"tier\":\"\"},"
                  "\"ownerReferences\":[{\"kind\":\"Node\",\"name\":\"x\"},{\"kind\":"
                  "\"ReplicaSet\",\"name\":\"rs\","
                  "\"controller\":true}]},\"spec\":{%s\"containers\":[%s]},"
                  "\"status\":{\"phase\":\"%s\",\"podIP\":\"%s\",\"hostIP\":\"10.1.1.1\","
                  "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
                  pod->name ? pod->name : "p", pod->name ? pod->name : "p",
                  pod->annotations ? pod->annotations : "", pod->more ? pod->more : "",
                  pod->containers ? pod->containers : "", pod->phase ? pod->phase : "Running",
                  pod->ip ? pod->ip : "10.0.0.9");
}

static void find_in(const struct made *list, size_t n)
{
    NV_AUTO_BUF json = NV_BUF(NV_PODS_TEXT_MAX);

    nv_buf_text(&json, "{\"kind\":\"PodList\",\"items\":[");
    for (size_t i = 0; i < n; i++) {
        nv_buf_text(&json, i ? "," : "");
        add_pod(&json, &list[i]);
    }
    nv_buf_text(&json, "]}");
    read_list(nv_buf_view(&json));
    discover();
}

#define FIND(...)                                                                                  \
    do {                                                                                           \
        const struct made list_[] = {__VA_ARGS__};                                                 \
        find_in(list_, NV_LEN(list_));                                                             \
    } while (0)

static struct nv_str label(size_t i, const char *name)
{
    ck_assert_uint_lt(i, found.n);
    return nv_label_value(found.at[i].labels, found.at[i].n_labels, nv_str(name));
}

/* "SCHEME://ADDRESS/PATH", blanks between targets. */
static const char *urls(void)
{
    static char text[65536];
    size_t n = 0;

    text[0] = '\0';
    for (size_t i = 0; i < found.n; i++) {
        struct nv_str scheme = label(i, "__scheme__"), path = label(i, "__metrics_path__");
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s://%.*s%.*s", i ? " " : "",
                              NV_ARGS(scheme), NV_ARGS(found.at[i].targets[0]), NV_ARGS(path));
    }
    return text;
}

#define ASSERT_LABEL(i, name, text)                                                                \
    do {                                                                                           \
        struct nv_str is_ = label(i, name);                                                        \
        if (!nv_str_is(is_, text))                                                                 \
            ck_abort_msg("%s is \"%.*s\", not \"%s\"", name, NV_ARGS(is_), text);                  \
    } while (0)

#define SCRAPE "\"prometheus.io/scrape\":\"true\""
#define APP                                                                                        \
    "{\"name\":\"app\",\"image\":\"i\",\"ports\":[{\"name\":\"http\",\"containerPort\":8080},"     \
    "{\"name\":\"metrics\",\"containerPort\":9090,\"protocol\":\"TCP\"},"                          \
    "{\"name\":\"dns-metrics\",\"containerPort\":53,\"protocol\":\"UDP\"}]}"

START_TEST(an_annotated_pod_is_scraped_at_the_port_it_names)
{
    FIND({.annotations = SCRAPE ",\"prometheus.io/port\":\" 9090 \"", .containers = APP});
    ck_assert_str_eq(urls(), "http://10.0.0.9:9090/metrics");
    ASSERT_LABEL(0, "namespace", "ns");
    ASSERT_LABEL(0, "pod", "p");
    ASSERT_LABEL(0, "container", "app");
    ASSERT_LABEL(0, "node", "n1");
    ASSERT_LABEL(0, "__scrape_interval__", "30s");
    ASSERT_LABEL(0, "__scrape_timeout__", "10s");
    ASSERT_LABEL(0, "__meta_kubernetes_namespace", "ns");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_container_port_name", "metrics");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_container_port_number", "9090");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_label_app_kubernetes_io_name", "it");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_labelpresent_tier", "true");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_label_tier", "");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_annotation_prometheus_io_scrape", "true");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_controller_kind", "ReplicaSet");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_controller_name", "rs");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_ready", "true");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_phase", "Running");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_host_ip", "10.1.1.1");
    for (size_t i = 1; i < found.at[0].n_labels; i++)
        ck_assert_int_lt(nv_str_cmp(found.at[0].labels[i - 1].name, found.at[0].labels[i].name), 0);
}
END_TEST

START_TEST(without_a_port_it_is_scraped_at_all_tcp_ports_and_without_any_not_at_all)
{
    FIND({.annotations = SCRAPE, .containers = APP},
         {.name = "q", .ip = "10.0.0.10", .annotations = SCRAPE, .containers = "{\"name\":\"x\"}"});
    ck_assert_str_eq(urls(), "http://10.0.0.9:8080/metrics http://10.0.0.9:9090/metrics");
}
END_TEST

START_TEST(a_port_nobody_declares_belongs_to_the_only_container)
{
    FIND({.annotations = SCRAPE ",\"prometheus.io/port\":\"7000\"", .containers = APP});
    ck_assert_str_eq(urls(), "http://10.0.0.9:7000/metrics");
    ASSERT_LABEL(0, "container", "app");
    FIND({.annotations = SCRAPE ",\"prometheus.io/port\":\"7000\"",
          .containers = APP ",{\"name\":\"b\"}"});
    ASSERT_LABEL(0, "container", "");
}
END_TEST

START_TEST(path_query_scheme_and_parameters_are_taken_from_annotations)
{
    FIND({.annotations =
              SCRAPE ",\"prometheus.io/port\":\"1\",\"prometheus.io/scheme\":\"HTTPS\","
                     "\"prometheus.io/path\":\"a/b?match%5B%5D=x+y&f=1&g\","
                     "\"prometheus.io/param_f\":\"2\",\"prometheus.io/param_collect[]\":\"cpu\"",
          .containers = APP});
    ck_assert_str_eq(urls(), "https://10.0.0.9:1/a/b");
    ASSERT_LABEL(0, "__param_match[]", "x y");
    ASSERT_LABEL(0, "__param_f", "2");
    ASSERT_LABEL(0, "__param_g", "");
    ASSERT_LABEL(0, "__param_collect[]", "cpu");
}
END_TEST

START_TEST(sane_times_are_taken_and_others_are_not)
{
    FIND({.annotations = SCRAPE ",\"prometheus.io/port\":\"1\",\"prometheus.io/interval\":\"2m\","
                                "\"prometheus.io/timeout\":\"90s\""},
         {.name = "q",
          .annotations = SCRAPE ",\"prometheus.io/port\":\"2\",\"prometheus.io/interval\":\"5s\""},
         {.name = "r",
          .annotations = SCRAPE ",\"prometheus.io/port\":\"3\",\"prometheus.io/interval\":\"1ms\","
                                "\"prometheus.io/timeout\":\"soon\""});
    ASSERT_LABEL(0, "__scrape_interval__", "2m");
    ASSERT_LABEL(0, "__scrape_timeout__", "1m30s");
    ASSERT_LABEL(1, "__scrape_interval__", "5s");
    ASSERT_LABEL(1, "__scrape_timeout__", "5s");
    ASSERT_LABEL(2, "__scrape_interval__", "30s");
    ASSERT_LABEL(2, "__scrape_timeout__", "10s");
}
END_TEST

START_TEST(ports_for_metrics_are_taken_only_where_asked_for_and_not_forbidden)
{
    static const char tls[] =
        "{\"name\":\"x\",\"ports\":[{\"name\":\"https-metrics\",\"containerPort\":8443},"
        "{\"name\":\"metricsx\",\"containerPort\":1}]}";

    FIND({.containers = APP});
    ck_assert_str_eq(urls(), "");
    wanted.named_ports = true;
    FIND({.containers = APP}, {.name = "q", .ip = "10.0.0.10", .containers = tls},
         {.name = "r",
          .ip = "10.0.0.11",
          .containers = APP,
          .annotations = "\"prometheus.io/scrape\":\"false\""});
    ck_assert_str_eq(urls(), "http://10.0.0.9:9090/metrics https://10.0.0.10:8443/metrics");
    wanted.annotated = false;
    FIND({.containers = APP, .annotations = SCRAPE});
    ck_assert_str_eq(urls(), "");
}
END_TEST

START_TEST(sidecars_count_and_init_containers_that_end_do_not)
{
    wanted.named_ports = true;
    FIND({.containers = "{\"name\":\"app\"}",
          .more = "\"initContainers\":[{\"name\":\"i\",\"ports\":[{\"name\":\"metrics\","
                  "\"containerPort\":1}]},"
                  "{\"ports\":[{\"name\":\"metrics\",\"containerPort\":2}],\"name\":\"s\","
                  "\"restartPolicy\":\"Always\"}],"});
    ck_assert_str_eq(urls(), "http://10.0.0.9:2/metrics");
    ASSERT_LABEL(0, "container", "s");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_container_init", "true");
}
END_TEST

START_TEST(pods_that_do_not_run_or_have_no_address_are_left_alone)
{
    FIND({.annotations = SCRAPE, .containers = APP, .phase = "Pending"},
         {.annotations = SCRAPE, .containers = APP, .phase = "Succeeded"},
         {.annotations = SCRAPE, .containers = APP, .phase = "Failed"},
         {.annotations = SCRAPE, .containers = APP, .phase = "Unknown"},
         {.annotations = SCRAPE, .containers = APP, .ip = ""});
    ck_assert_str_eq(urls(), "");
}
END_TEST

START_TEST(the_own_pod_is_left_out_by_uid_or_by_name)
{
    wanted.own_uid = "uid-p";
    FIND({.annotations = SCRAPE, .containers = APP});
    ck_assert_str_eq(urls(), "");
    wanted.own_uid = NULL;
    wanted.own_name = "p";
    wanted.own_namespace = "ns";
    discover();
    ck_assert_str_eq(urls(), "");
    wanted.own_namespace = "other";
    discover();
    ck_assert_uint_eq(found.n, 2);
}
END_TEST

START_TEST(the_same_url_is_one_target_whatever_the_order_of_the_pods)
{
    const struct made list[] = {
        {.name = "b", .annotations = SCRAPE ",\"prometheus.io/port\":\"80\""                     },
        {.name = "a", .annotations = SCRAPE ",\"prometheus.io/port\":\"80\""                     },
        {.name = "c",
         .annotations = SCRAPE ",\"prometheus.io/port\":\"80\",\"prometheus.io/path\":\"/other\""},
    };
    const struct made turned[] = {list[2], list[1], list[0]};

    find_in(list, 3);
    ck_assert_str_eq(urls(), "http://10.0.0.9:80/metrics http://10.0.0.9:80/other");
    ASSERT_LABEL(0, "pod", "a");
    uint64_t digest = nv_kube_digest(&found);
    find_in(turned, 3);
    ck_assert_uint_eq(nv_kube_digest(&found), digest);
    ASSERT_LABEL(0, "pod", "a");
    FIND({.name = "a", .annotations = SCRAPE ",\"prometheus.io/port\":\"81\""});
    ck_assert_uint_ne(nv_kube_digest(&found), digest);
}
END_TEST

START_TEST(an_ipv6_address_is_put_in_brackets)
{
    FIND({.ip = "fd00::9", .annotations = SCRAPE ",\"prometheus.io/port\":\"80\""});
    ck_assert_str_eq(urls(), "http://[fd00::9]:80/metrics");
}
END_TEST

START_TEST(a_long_annotation_is_no_label)
{
    NV_AUTO_BUF text = NV_BUF(65536);

    nv_buf_text(&text, SCRAPE ",\"prometheus.io/port\":\"80\",\"note\":\"");
    for (int i = 0; i <= NV_KUBE_TARGETS_MAX * 4; i++)
        nv_buf_char(&text, 'x');
    nv_buf_char(&text, '"');
    FIND({.annotations = nv_buf_c_string(&text)});
    ASSERT_LABEL(0, "__meta_kubernetes_pod_annotation_note", "");
    ASSERT_LABEL(0, "__meta_kubernetes_pod_annotation_prometheus_io_port", "80");
}
END_TEST

static void add_text(struct nv_buf *out, const char *name, size_t n)
{
    nv_buf_printf(out, ",\"%s\":\"", name);
    for (size_t i = 0; i < n; i++)
        nv_buf_char(out, 'x');
    nv_buf_char(out, '"');
}

/* Who makes one pod must not decide whether the others are scraped. */
START_TEST(a_path_and_parameters_without_end_are_as_if_missing)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20);

    nv_buf_text(&text, SCRAPE ",\"prometheus.io/port\":\"80\",\"prometheus.io/param_a\":\"1\"");
    add_text(&text, "prometheus.io/path", 100000);
    add_text(&text, "prometheus.io/param_b", 100000);
    FIND({.annotations = nv_buf_c_string(&text)});
    ck_assert_str_eq(urls(), "http://10.0.0.9:80/metrics");
    ASSERT_LABEL(0, "__param_a", "1");
    ASSERT_LABEL(0, "__param_b", "");
}
END_TEST

START_TEST(what_a_pod_says_of_itself_is_kept_within_a_bound)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20), ports = NV_BUF(1 << 20);

    nv_buf_text(&text, SCRAPE ",\"prometheus.io/path\":\"/here\"");
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "note%d", i);
        add_text(&text, name, 1000);
    }
    nv_buf_text(&ports, "{\"name\":\"app\",\"ports\":[");
    for (int i = 1; i <= 100; i++)
        nv_buf_printf(&ports, "%s{\"containerPort\":%d}", i > 1 ? "," : "", i);
    nv_buf_text(&ports, "]}");
    FIND({.annotations = nv_buf_c_string(&text), .containers = nv_buf_c_string(&ports)});
    ck_assert_uint_eq(found.n, 100);
    ASSERT_LABEL(99, "__metrics_path__", "/here");
    ASSERT_LABEL(99, "container", "app");
    ck_assert_uint_eq(label(99, "__meta_kubernetes_pod_annotation_note0").n, 1000);
    ck_assert_uint_eq(label(99, "__meta_kubernetes_pod_annotation_note199").n, 0);
    ck_assert_uint_lt(memory.total, 100 * 2 * NV_KUBE_BYTES_MAX);
}
END_TEST

START_TEST(labels_that_become_the_same_are_one)
{
    FIND({.annotations = SCRAPE ",\"prometheus.io/port\":\"80\",\"a.b\":\"1\",\"a-b\":\"2\""});
    ASSERT_LABEL(0, "__meta_kubernetes_pod_annotation_a_b", "2");
}
END_TEST

START_TEST(targets_beyond_the_bound_are_left_out_and_counted)
{
    NV_AUTO_BUF json = NV_BUF(NV_PODS_TEXT_MAX);

    nv_buf_text(&json, "{\"kind\":\"PodList\",\"items\":[");
    for (int i = 0; i < NV_KUBE_TARGETS_MAX + 4; i++) {
        char name[16], ip[32];
        snprintf(name, sizeof(name), "p%d", i);
        snprintf(ip, sizeof(ip), "10.0.%d.%d", i / 250, i % 250);
        nv_buf_text(&json, i ? "," : "");
        add_pod(&json, &(struct made){.name = name,
                                      .ip = ip,
                                      .annotations = SCRAPE ",\"prometheus.io/port\":\"80\""});
    }
    nv_buf_text(&json, "]}");
    read_list(nv_buf_view(&json));
    discover();
    ck_assert_uint_eq(found.n, NV_KUBE_TARGETS_MAX);
    ck_assert_uint_eq(left_out, 4);
}
END_TEST

static bool read_file(const char *path, struct nv_buf *into)
{
    char bytes[65536];
    FILE *file = path ? fopen(path, "re") : NULL;
    size_t n;

    if (!file)
        return false;
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0)
        nv_buf_add(into, bytes, n);
    fclose(file);
    return true;
}

/* Its lines are sorted; so are ours, by namespace and name. */
START_TEST(a_whole_node_gives_the_expected_targets)
{
    NV_AUTO_BUF json = NV_BUF(NV_PODS_TEXT_MAX);
    NV_AUTO_BUF expected = NV_BUF(1 << 20);
    struct nv_scan line;
    size_t n = 0;

    if (!read_file(nv_shared("fixtures/kubelet/payloads/pods.json"), &json) ||
        !read_file(nv_shared("fixtures/kubelet/expected-targets.txt"), &expected))
        return;
    read_list(nv_buf_view(&json));
    wanted.named_ports = true;
    discover();
    for (struct nv_scan scan = nv_scan(nv_buf_view(&expected)); nv_scan_line(&scan, &line);) {
        struct nv_str rest = nv_scan_rest(&line);
        if (!rest.n || rest.p[0] == '#')
            continue;
        struct nv_str url = nv_str_cut(&rest, '\t'), ns = nv_str_cut(&rest, '\t'),
                      pod = nv_str_cut(&rest, '\t');
        size_t hits = 0;
        for (size_t i = 0; i < found.n; i++) {
            char is[512];
            struct nv_str path = label(i, "__metrics_path__"), scheme = label(i, "__scheme__");
            snprintf(is, sizeof(is), "%.*s://%.*s%.*s", NV_ARGS(scheme),
                     NV_ARGS(found.at[i].targets[0]), NV_ARGS(path));
            hits += nv_str_is(url, is) && nv_str_eq(ns, label(i, "namespace")) &&
                    nv_str_eq(pod, label(i, "pod"));
        }
        ck_assert_msg(hits == 1, "%.*s: %zu", NV_ARGS(url), hits);
        n++;
    }
    ck_assert_uint_eq(found.n, n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("discover");
    TCase *tcase = tcase_create("discover");

    tcase_add_checked_fixture(tcase, setup, forget);
    tcase_add_test(tcase, an_annotated_pod_is_scraped_at_the_port_it_names);
    tcase_add_test(tcase, without_a_port_it_is_scraped_at_all_tcp_ports_and_without_any_not_at_all);
    tcase_add_test(tcase, a_port_nobody_declares_belongs_to_the_only_container);
    tcase_add_test(tcase, path_query_scheme_and_parameters_are_taken_from_annotations);
    tcase_add_test(tcase, sane_times_are_taken_and_others_are_not);
    tcase_add_test(tcase, ports_for_metrics_are_taken_only_where_asked_for_and_not_forbidden);
    tcase_add_test(tcase, sidecars_count_and_init_containers_that_end_do_not);
    tcase_add_test(tcase, pods_that_do_not_run_or_have_no_address_are_left_alone);
    tcase_add_test(tcase, the_own_pod_is_left_out_by_uid_or_by_name);
    tcase_add_test(tcase, the_same_url_is_one_target_whatever_the_order_of_the_pods);
    tcase_add_test(tcase, an_ipv6_address_is_put_in_brackets);
    tcase_add_test(tcase, a_long_annotation_is_no_label);
    tcase_add_test(tcase, a_path_and_parameters_without_end_are_as_if_missing);
    tcase_add_test(tcase, what_a_pod_says_of_itself_is_kept_within_a_bound);
    tcase_add_test(tcase, labels_that_become_the_same_are_one);
    tcase_add_test(tcase, targets_beyond_the_bound_are_left_out_and_counted);
    tcase_add_test(tcase, a_whole_node_gives_the_expected_targets);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
