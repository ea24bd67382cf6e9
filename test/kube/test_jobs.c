/*
 * test_jobs.c - what is found on a node as jobs, how the kubelet's endpoints are asked, and whose cgroups are to be seen.
 */
#include "kube/jobs.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "kube/pods.h"
#include "kube/tree.h"
#include "support/fixture.h"

static const struct nv_kube_way ways[] = {
    {.url = "https://10.0.0.1:10250", .address = {"10.0.0.1:10250", 14}, .tls = true                    },
    {.url = "https://10.0.0.1:10250",
     .address = {"10.0.0.1:10250", 14},
     .tls = true,
     .server_name = "n1"},
    {.url = "http://10.0.0.1:10255/x",                               .address = {"10.0.0.1:10255", 14},                                 .path = {"/x", 2}},
};
static struct nv_kube_access access_;
static struct nv_kube_jobs_options options;
static struct nv_kube_jobs *jobs;
static struct nv_arena memory = {.max = 16 << 20};
static const struct nv_kube_job *found;
static size_t n_found;
static uint64_t version;

static void setup(void)
{
    access_ = (struct nv_kube_access){
        .ways = ways, .n_ways = NV_LEN(ways), .token_file = "/t", .ca_file = "/ca"};
    options = (struct nv_kube_jobs_options){
        .access = &access_,
        .endpoints = 1u << NV_KUBE_METRICS | 1u << NV_KUBE_CADVISOR,
        .pods = {.annotated = true, .interval_ms = 30000, .timeout_ms = 10000, .node_name = "n1"},
    };
    version = 0;
    found = NULL;
    n_found = 0;
}

static void teardown(void)
{
    nv_kube_jobs_free(jobs);
    jobs = NULL;
    nv_arena_done(&memory);
}

static void find(const struct nv_pods *pods, size_t way)
{
    if (!jobs)
        jobs = nv_kube_jobs_new(&options);
    ck_assert_ptr_nonnull(jobs);
    found = NULL;
    ck_assert_int_eq(nv_kube_jobs_find(jobs, pods, &ways[way], &memory, &version, &found, &n_found),
                     0);
}

static struct nv_pods *read_pods(const char *json, uint64_t number)
{
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);
    char error[NV_PODS_ERROR_MAX];
    struct nv_pods *pods = NULL;

    nv_buf_text(&text, json);
    ck_assert_int_eq(nv_pods_read(&text, number, 1, &pods, error), 0);
    return pods;
}

#define POD(name)                                                                                  \
    "{\"metadata\":{\"name\":\"" name "\",\"annotations\":{\"prometheus.io/scrape\":\"true\","     \
    "\"prometheus.io/port\":\"80\"}},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.2\"}}"
#define LIST(items) "{\"kind\":\"PodList\",\"items\":[" items "]}"

START_TEST(endpoints_are_jobs_of_their_own_under_one_name)
{
    find(NULL, 0);
    ck_assert_uint_eq(n_found, 3);
    ck_assert_str_eq(found[0].config->job_name, "kubelet/metrics");
    ck_assert_str_eq(found[1].config->job_name, NV_KUBE_CADVISOR_JOB);
    ck_assert_str_eq(found[2].config->job_name, NV_KUBE_PODS_JOB);
    ck_assert_str_eq(found[1].config->metrics_path, "/metrics/cadvisor");
    ck_assert_str_eq(found[1].config->scheme, "https");
    ck_assert_int_eq(found[1].config->interval_ms, 15000);
    ck_assert_int_eq(found[0].config->interval_ms, 30000);
    ck_assert(found[1].config->honor_labels && !found[1].config->honor_timestamps);
    ck_assert(found[1].config->expose && !found[0].config->expose);
    const struct nv_target_group *group = &found[1].groups.at[0];
    ck_assert(nv_str_is(group->targets[0], "10.0.0.1:10250"));
    ck_assert(nv_str_is(nv_label_value(group->labels, group->n_labels, NV_LIT("job")), "kubelet"));
    ck_assert(nv_str_is(nv_label_value(group->labels, group->n_labels, NV_LIT("metrics_path")),
                        "/metrics/cadvisor"));
    ck_assert(nv_str_is(nv_label_value(group->labels, group->n_labels, NV_LIT("instance")), "n1"));
    ck_assert(nv_str_is(nv_label_value(group->labels, group->n_labels, NV_LIT("node")), "n1"));
    ck_assert_uint_eq(found[2].groups.n, 0);
}
END_TEST

START_TEST(the_token_goes_to_the_kubelet_over_tls_and_to_nobody_else)
{
    NV_AUTO(nv_pods) *pods = read_pods(LIST(POD("a")), 1);

    find(pods, 0);
    const struct nv_http_config *kubelet = &found[0].config->http, *pod = &found[2].config->http;
    ck_assert_str_eq(kubelet->credentials_file, "/t");
    ck_assert_str_eq(kubelet->tls.ca_file, "/ca");
    ck_assert(!kubelet->follow_redirects && !kubelet->tls.insecure_skip_verify);
    ck_assert_ptr_null(pod->credentials_file);
    ck_assert_ptr_null(pod->credentials);
    ck_assert_ptr_null(pod->auth_type);
    ck_assert_uint_eq(found[2].groups.n, 1);
    find(pods, 2);
    ck_assert_ptr_null(found[0].config->http.credentials_file);
    ck_assert_str_eq(found[0].config->scheme, "http");
    ck_assert_str_eq(found[0].config->metrics_path, "/x/metrics");
}
END_TEST

START_TEST(the_way_that_works_is_taken)
{
    find(NULL, 1);
    ck_assert_str_eq(found[0].config->http.tls.server_name, "n1");
}
END_TEST

START_TEST(what_did_not_change_is_not_told_again)
{
    NV_AUTO(nv_pods) *pods = read_pods(LIST(POD("a") "," POD("b")), 1);
    NV_AUTO(nv_pods) *turned = read_pods(LIST(POD("b") "," POD("a")), 2);
    NV_AUTO(nv_pods) *fewer = read_pods(LIST(POD("b")), 3);

    find(pods, 0);
    ck_assert_ptr_nonnull(found);
    uint64_t first = version;
    find(pods, 0);
    ck_assert_ptr_null(found);
    find(turned, 0);
    ck_assert_ptr_null(found);
    ck_assert_uint_eq(version, first);
    find(fewer, 0);
    ck_assert_ptr_nonnull(found);
    ck_assert_uint_ne(version, first);
    find(NULL, 0);
    ck_assert_ptr_nonnull(found);
    find(NULL, 1);
    ck_assert_ptr_nonnull(found);
    version = 0; /* whoever asks has forgotten */
    find(NULL, 1);
    ck_assert_ptr_nonnull(found);
}
END_TEST

START_TEST(endpoints_have_names)
{
    ck_assert_int_eq(nv_kube_endpoint_find(NV_LIT("cadvisor")), NV_KUBE_CADVISOR);
    ck_assert_int_eq(nv_kube_endpoint_find(NV_LIT("resource")), NV_KUBE_RESOURCE);
    ck_assert_int_eq(nv_kube_endpoint_find(NV_LIT("cadviso")), -ENOENT);
}
END_TEST

/* A folder with these files (empty) in place of a sysfs. */
static const char *sysfs_of(const char *name, const char *const *files)
{
    static char path[512];

    snprintf(path, sizeof(path), "%s/%s", nv_temp_dir(), name);
    for (size_t i = 0; files[i]; i++) {
        char file[256];
        snprintf(file, sizeof(file), "%s/fs/cgroup/%s", name, files[i]);
        nv_write_file(nv_temp_dir(), file, "");
    }
    return path;
}

#define SYSFS(name, ...) sysfs_of(name, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(the_tree_of_a_node_is_told_from_that_of_a_container)
{
    ck_assert(nv_kube_tree_is_of_node(SYSFS("v2", "cgroup.controllers", "system.slice/x")));
    ck_assert(!nv_kube_tree_is_of_node(SYSFS("v2-container", "cgroup.controllers", "cgroup.type")));
    ck_assert(nv_kube_tree_is_of_node(SYSFS("v2-kind", "cgroup.controllers", "cgroup.type",
                                            "kubelet.slice/kubelet-kubepods.slice/x")));
    ck_assert(nv_kube_tree_is_of_node(SYSFS("v1", "memory/release_agent")));
    ck_assert(nv_kube_tree_is_of_node(SYSFS("v1-pods", "cpu,cpuacct/kubepods/x")));
    ck_assert(nv_kube_tree_is_of_node(SYSFS("v1-kind", "memory/docker/x/kubelet/kubepods/y")));
    ck_assert(nv_kube_tree_is_of_node(SYSFS("v1-root", "cpu/my.slice/my-kubepods.slice/x")));
    ck_assert(!nv_kube_tree_is_of_node(SYSFS("v1-deep", "memory/a/b/c/d/kubepods/x")));
    ck_assert(
        !nv_kube_tree_is_of_node(SYSFS("v1-other", "memory/my-kubepods/x", "memory/kubepods2/x")));
    ck_assert(!nv_kube_tree_is_of_node(SYSFS("v1-container", "memory/cgroup.procs")));
    ck_assert(!nv_kube_tree_is_of_node("/nonexistent"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jobs");
    TCase *tcase = tcase_create("jobs");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, endpoints_are_jobs_of_their_own_under_one_name);
    tcase_add_test(tcase, the_token_goes_to_the_kubelet_over_tls_and_to_nobody_else);
    tcase_add_test(tcase, the_way_that_works_is_taken);
    tcase_add_test(tcase, what_did_not_change_is_not_told_again);
    tcase_add_test(tcase, endpoints_have_names);
    tcase_add_test(tcase, the_tree_of_a_node_is_told_from_that_of_a_container);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
