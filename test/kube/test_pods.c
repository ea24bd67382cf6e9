/*
 * test_pods.c - the kubelet's /pods: every odd state a pod can be in, what is refused, and what it costs.
 */
#include "kube/pods.h"

#include <check.h>

#include "support/fixture.h"

#define ID_A "00000000000000000000000000000000000000000000000000000000000000aa"
#define ID_B "00000000000000000000000000000000000000000000000000000000000000bb"

static struct nv_pods *pods;
static char error[NV_PODS_ERROR_MAX];

static int read_text(struct nv_str json)
{
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);

    nv_pods_unref(pods);
    pods = NULL;
    nv_buf_str(&text, json);
    return nv_pods_read(&text, 7, 1000, &pods, error);
}

/* A list of these pods. */
static void read_pods(const char *items)
{
    NV_AUTO_BUF json = NV_BUF(NV_PODS_TEXT_MAX);

    nv_buf_printf(&json,
                  "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[%s]}",
                  items);
    int r = read_text(nv_buf_view(&json));
    if (r < 0)
        ck_abort_msg("%s", error);
}

static void forget(void)
{
    nv_pods_unref(pods);
    pods = NULL;
}

static const struct nv_pod *pod(size_t i)
{
    ck_assert_uint_lt(i, pods->n);
    return nv_pod_at(pods, i);
}

static const struct nv_pod_container *container(size_t i)
{
    ck_assert_uint_lt(i, pod(0)->n_containers);
    return nv_pod_container_at(pod(0), i);
}

#define ASSERT_TEXT(view, text)                                                                    \
    do {                                                                                           \
        struct nv_str is_ = (view);                                                                \
        if (!nv_str_is(is_, text))                                                                 \
            ck_abort_msg("%s is \"%.*s\", not \"%s\"", #view, NV_ARGS(is_), text);                 \
    } while (0)

START_TEST(a_running_pod_is_told_with_its_container)
{
    read_pods("{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"u-1\",\"labels\":{"
              "\"a\":\"b\"},"
              "\"creationTimestamp\":\"2026-01-01T00:00:00Z\"},"
              "\"spec\":{\"containers\":[{\"name\":\"app\",\"image\":\"reg/"
              "app:1\"}],\"nodeName\":\"n1\"},"
              "\"status\":{\"phase\":\"Running\",\"qosClass\":\"Burstable\",\"podIP\":\"10.0.0.5\","
              "\"hostIP\":\"10.1.0.1\","
              "\"startTime\":\"2026-01-01T00:00:01Z\",\"conditions\":[{\"type\":\"Ready\","
              "\"status\":\"True\"}],"
              "\"containerStatuses\":[{\"name\":\"app\",\"state\":{\"running\":{\"startedAt\":"
              "\"2026-01-01T00:00:02Z\"}},"
              "\"ready\":true,\"restartCount\":3,\"image\":\"reg/app:one\",\"imageID\":\"reg/"
              "app@sha256:1\","
              "\"containerID\":\"containerd://" ID_A "\",\"started\":true}]}}");
    ck_assert_uint_eq(pods->n, 1);
    ck_assert_uint_eq(pods->version, 7);
    ck_assert_int_eq(pods->time_ms, 1000);
    ASSERT_TEXT(pod(0)->name, "web");
    ASSERT_TEXT(pod(0)->ns, "shop");
    ASSERT_TEXT(pod(0)->uid, "u-1");
    ASSERT_TEXT(pod(0)->node, "n1");
    ASSERT_TEXT(pod(0)->phase, "Running");
    ASSERT_TEXT(pod(0)->qos, "Burstable");
    ASSERT_TEXT(pod(0)->ip, "10.0.0.5");
    ASSERT_TEXT(pod(0)->host_ip, "10.1.0.1");
    ASSERT_TEXT(pod(0)->labels, "{\"a\":\"b\"}");
    ASSERT_TEXT(pod(0)->annotations, "");
    ck_assert_int_eq(pod(0)->created_ms, 1767225600000);
    ck_assert_int_eq(pod(0)->started_ms, 1767225601000);
    ck_assert_int_eq(pod(0)->deleted_ms, 0);
    ck_assert(pod(0)->ready && !pod(0)->host_network);
    ck_assert(pod(0)->json.n > 100 && pod(0)->json.p[0] == '{' &&
              pod(0)->json.p[pod(0)->json.n - 1] == '}');
    ck_assert_uint_eq(pod(0)->n_containers, 1);
    ASSERT_TEXT(container(0)->name, "app");
    ASSERT_TEXT(container(0)->image, "reg/app:one");
    ASSERT_TEXT(container(0)->image_id, "reg/app@sha256:1");
    ASSERT_TEXT(container(0)->id, ID_A);
    ck_assert_uint_eq(container(0)->kind, NV_CONTAINER_REGULAR);
    ck_assert_uint_eq(container(0)->state, NV_CONTAINER_RUNNING);
    ck_assert_uint_eq(container(0)->restarts, 3);
    ck_assert_int_eq(container(0)->started_ms, 1767225602000);
    ck_assert(container(0)->ready && container(0)->started && !container(0)->has_last);
}
END_TEST

START_TEST(containers_are_found_by_id_and_pods_by_uid)
{
    struct nv_pod_place place;

    read_pods("{\"metadata\":{\"name\":\"a\",\"uid\":\"11-22\"},\"status\":{\"containerStatuses\":["
              "{\"name\":\"x\",\"containerID\":\"cri-o://" ID_A "\"}]}},"
              "{\"metadata\":{\"name\":\"b\",\"uid\":\"33-44\"}}");
    ck_assert(nv_pods_find_container(pods, nv_str(ID_A), &place));
    ASSERT_TEXT(place.pod->name, "a");
    ASSERT_TEXT(place.container->name, "x");
    ck_assert(!nv_pods_find_container(pods, nv_str(ID_B), &place));
    ck_assert(!nv_pods_find_container(pods, nv_str(""), &place));
    ck_assert_ptr_eq(nv_pods_find_pod(pods, nv_str("33-44")), pod(1));
    ck_assert_ptr_null(nv_pods_find_pod(pods, nv_str("33-45")));
    ck_assert_ptr_null(nv_pods_find_pod(pods, nv_str("")));
}
END_TEST

/* The OOM kill of an instance that is gone is told by its cgroup's name. */
START_TEST(the_instance_before_is_found_by_its_id_too)
{
    struct nv_pod_place place;

    read_pods("{\"metadata\":{\"uid\":\"u\"},\"status\":{\"containerStatuses\":[{\"name\":\"x\","
              "\"state\":{\"running\":{\"startedAt\":\"2026-01-01T00:01:00Z\"}},"
              "\"lastState\":{\"terminated\":{\"exitCode\":137,\"reason\":\"OOMKilled\","
              "\"startedAt\":\"2026-01-01T00:00:00Z\","
              "\"finishedAt\":\"2026-01-01T00:00:30Z\",\"containerID\":\"docker://" ID_B "\"}},"
              "\"restartCount\":1,\"containerID\":\"docker://" ID_A "\"}]}}");
    ck_assert(nv_pods_find_container(pods, nv_str(ID_B), &place));
    ck_assert_ptr_eq(place.container, container(0));
    ck_assert(container(0)->has_last);
    ASSERT_TEXT(container(0)->last_reason, "OOMKilled");
    ASSERT_TEXT(container(0)->last_id, ID_B);
    ck_assert_int_eq(container(0)->last_exit_code, 137);
    ck_assert_int_eq(container(0)->last_finished_ms - container(0)->last_started_ms, 30000);
    ck_assert_int_eq(container(0)->started_ms - container(0)->last_started_ms, 60000);
    ck_assert_int_eq(container(0)->exit_code, 0);
}
END_TEST

START_TEST(while_it_backs_off_a_container_bears_the_id_of_its_last_instance)
{
    struct nv_pod_place place;

    read_pods("{\"metadata\":{\"uid\":\"u\"},\"status\":{\"phase\":\"Running\","
              "\"containerStatuses\":[{\"name\":\"x\","
              "\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}},"
              "\"lastState\":{\"terminated\":{\"exitCode\":1,\"reason\":\"Error\",\"startedAt\":"
              "\"2026-01-01T00:00:00Z\","
              "\"containerID\":\"containerd://" ID_A "\"}},\"containerID\":\"containerd://" ID_A
              "\"}]}}");
    ck_assert_uint_eq(container(0)->state, NV_CONTAINER_WAITING);
    ASSERT_TEXT(container(0)->reason, "CrashLoopBackOff");
    ck_assert_int_eq(container(0)->started_ms, 1767225600000);
    ck_assert(nv_pods_find_container(pods, nv_str(ID_A), &place));
}
END_TEST

/* Its uid is the hash its cgroup bears, not the uid of the API server's mirror. */
START_TEST(a_static_pod_and_its_mirror_are_found_by_the_hash)
{
    read_pods("{\"metadata\":{\"name\":\"etcd-n1\",\"uid\":\"0123456789abcdef0123456789abcdef\","
              "\"creationTimestamp\":null,"
              "\"annotations\":{\"kubernetes.io/config.hash\":\"0123456789abcdef0123456789abcdef\","
              "\"kubernetes.io/config.source\":\"file\"}}},"
              "{\"metadata\":{\"name\":\"apiserver-n1\",\"uid\":\"6f5b2f3e\",\"annotations\":{"
              "\"kubernetes.io/config.mirror\":\"fedcba9876543210fedcba9876543210\"}}}");
    ck_assert_ptr_eq(nv_pods_find_pod(pods, nv_str("0123456789abcdef0123456789abcdef")), pod(0));
    ck_assert_ptr_eq(nv_pods_find_pod(pods, nv_str("fedcba9876543210fedcba9876543210")), pod(1));
    ck_assert_ptr_eq(nv_pods_find_pod(pods, nv_str("6f5b2f3e")), pod(1));
    ck_assert_int_eq(pod(0)->created_ms, 0);
    ck_assert(pod(0)->annotations.n > 0);
}
END_TEST

START_TEST(a_pod_before_its_first_status_has_containers_of_unknown_state)
{
    read_pods(
        "{\"metadata\":{\"name\":\"new\",\"uid\":\"u\"},\"spec\":{\"initContainers\":[{\"name\":"
        "\"i\",\"image\":\"img\"}],"
        "\"containers\":[{\"name\":\"x\",\"image\":\"y\"}]},\"status\":{\"phase\":\"Pending\"}}");
    ck_assert_uint_eq(pod(0)->n_containers, 2);
    ck_assert_uint_eq(container(0)->kind, NV_CONTAINER_INIT);
    ck_assert_uint_eq(container(1)->kind, NV_CONTAINER_REGULAR);
    ck_assert_uint_eq(container(1)->state, NV_CONTAINER_UNKNOWN);
    ASSERT_TEXT(container(1)->image, "y");
    ASSERT_TEXT(container(1)->id, "");
    ck_assert_int_eq(pod(0)->started_ms, 0);
    ASSERT_TEXT(pod(0)->ip, "");
}
END_TEST

START_TEST(a_rejected_pod_is_there_without_statuses)
{
    read_pods("{\"metadata\":{\"name\":\"no\",\"uid\":\"u\"},\"spec\":{\"containers\":[{\"name\":"
              "\"x\"}]},"
              "\"status\":{\"phase\":\"Failed\",\"reason\":\"OutOfcpu\",\"message\":\"Pod was "
              "rejected\"}}");
    ASSERT_TEXT(pod(0)->phase, "Failed");
    ASSERT_TEXT(pod(0)->reason, "OutOfcpu");
    ck_assert_uint_eq(pod(0)->n_containers, 1);
}
END_TEST

START_TEST(a_terminating_pod_tells_since_when)
{
    read_pods("{\"metadata\":{\"uid\":\"u\",\"deletionTimestamp\":\"2026-01-01T00:00:30Z\","
              "\"deletionGracePeriodSeconds\":30},"
              "\"status\":{\"phase\":\"Running\"}}");
    ck_assert_int_eq(pod(0)->deleted_ms, 1767225630000);
}
END_TEST

/* Sidecars, init and ephemeral containers may bear the same name as a regular one in other lists. */
START_TEST(kinds_of_containers_are_kept_apart)
{
    read_pods(
        "{\"metadata\":{\"uid\":\"u\"},\"spec\":{"
        "\"initContainers\":[{\"name\":\"init\"},{\"name\":\"mesh\",\"restartPolicy\":\"Always\"}],"
        "\"containers\":[{\"name\":\"app\"}],\"ephemeralContainers\":[{\"name\":\"debug\","
        "\"targetContainerName\":\"app\"}]},"
        "\"status\":{\"containerStatuses\":[{\"name\":\"app\",\"restartCount\":1}],"
        "\"initContainerStatuses\":[{\"name\":\"init\",\"state\":{\"terminated\":{\"exitCode\":0,"
        "\"reason\":\"Completed\"}}},"
        "{\"name\":\"mesh\",\"restartCount\":2}],"
        "\"ephemeralContainerStatuses\":[{\"name\":\"debug\",\"restartCount\":3}]}}");
    ck_assert_uint_eq(pod(0)->n_containers, 4);
    ck_assert_uint_eq(container(0)->kind, NV_CONTAINER_INIT);
    ck_assert_uint_eq(container(0)->state, NV_CONTAINER_TERMINATED);
    ASSERT_TEXT(container(0)->reason, "Completed");
    ck_assert_uint_eq(container(1)->kind, NV_CONTAINER_SIDECAR);
    ck_assert_uint_eq(container(1)->restarts, 2);
    ck_assert_uint_eq(container(2)->kind, NV_CONTAINER_REGULAR);
    ck_assert_uint_eq(container(2)->restarts, 1);
    ck_assert_uint_eq(container(3)->kind, NV_CONTAINER_EPHEMERAL);
    ck_assert_uint_eq(container(3)->restarts, 3);
}
END_TEST

START_TEST(statuses_in_another_order_or_before_the_specification_meet_it)
{
    read_pods(
        "{\"status\":{\"containerStatuses\":[{\"name\":\"b\",\"restartCount\":2,\"image\":\"b:1\"},"
        "{\"name\":\"a\",\"restartCount\":1}]},"
        "\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"a:spec\"},{\"name\":\"b\",\"image\":"
        "\"b:spec\"},"
        "{\"name\":\"c\"}]},\"metadata\":{\"uid\":\"u\"}}");
    ck_assert_uint_eq(pod(0)->n_containers, 3);
    ASSERT_TEXT(container(0)->name, "b");
    ASSERT_TEXT(container(0)->image, "b:1");
    ck_assert_uint_eq(container(0)->restarts, 2);
    ASSERT_TEXT(container(1)->name, "a");
    ASSERT_TEXT(container(1)->image, "a:spec");
    ck_assert_uint_eq(container(1)->restarts, 1);
}
END_TEST

START_TEST(null_and_members_of_another_type_are_as_missing)
{
    read_pods("{\"metadata\":null,\"spec\":null,\"status\":null},"
              "{\"metadata\":{\"name\":5,\"namespace\":null,\"uid\":[1,{\"x\":2}],\"labels\":"
              "\"no\",\"annotations\":7,"
              "\"creationTimestamp\":\"yesterday\"},"
              "\"spec\":{\"containers\":{\"name\":\"x\"},\"initContainers\":null,\"hostNetwork\":"
              "\"yes\"},"
              "\"status\":{\"podIPs\":[7,{},{\"ip\":\"fd00::5\"}],\"conditions\":[null,{\"type\":"
              "\"Ready\"}],"
              "\"containerStatuses\":[null,3,{},{\"name\":\"\"},{\"name\":\"x\",\"restartCount\":-"
              "1,\"ready\":\"true\","
              "\"state\":{\"running\":null,\"waiting\":{}},\"lastState\":null,\"containerID\":null,"
              "\"restartCount\":1.5}]}},"
              "5, null, []");
    ck_assert_uint_eq(pods->n, 2);
    ck_assert_uint_eq(pods->left_out, 3);
    ASSERT_TEXT(pod(0)->name, "");
    ASSERT_TEXT(pod(1)->name, "");
    ASSERT_TEXT(pod(1)->uid, "");
    ASSERT_TEXT(pod(1)->labels, "");
    ASSERT_TEXT(pod(1)->ip, "fd00::5");
    ck_assert(!pod(1)->host_network && !pod(1)->ready);
    ck_assert_uint_eq(pod(1)->n_containers, 1);
    const struct nv_pod_container *x = nv_pod_container_at(pod(1), 0);
    ck_assert_uint_eq(x->state, NV_CONTAINER_WAITING);
    ck_assert_uint_eq(x->restarts, 0);
    ck_assert(!x->ready && !x->has_last);
}
END_TEST

START_TEST(escapes_are_resolved)
{
    read_pods("{\"metadata\":{\"n\\u0061me\":\"caf\\u00e9\",\"uid\":\"a\\/"
              "b\",\"annotations\":{\"note\":\"\\\"}\"}}}");
    ASSERT_TEXT(pod(0)->name, "caf\xc3\xa9");
    ASSERT_TEXT(pod(0)->uid, "a/b");
    ASSERT_TEXT(pod(0)->annotations, "{\"note\":\"\\\"}\"}");
}
END_TEST

START_TEST(no_pods_at_all_are_a_good_answer)
{
    read_pods("");
    ck_assert_uint_eq(pods->n, 0);
    ck_assert_int_eq(read_text(NV_LIT("{\"kind\":\"PodList\",\"items\":null}\n")), 0);
    ck_assert_uint_eq(pods->n, 0);
    ck_assert_ptr_null(nv_pods_find_pod(pods, nv_str("u")));
}
END_TEST

START_TEST(what_is_no_list_of_pods_is_refused_with_its_reason)
{
    static const struct {
        struct nv_str text;
        const char *reason;
    } cases[] = {
        {NV_LIT(""),                                           "no JSON, or cut short, behind 0 pods"},
        {NV_LIT("Unauthorized"),                               "no JSON, or cut short, behind 0 pods"},
        {NV_LIT("[]"),                                         "a \"\", not a PodList"               },
        {NV_LIT("{\"kind\":\"Status\",\"message\":\"x\"}"),    "a \"Status\", not a PodList"         },
        {NV_LIT("{\"items\":[]}"),                             "a \"\", not a PodList"               },
        {NV_LIT("{\"kind\":\"PodList\"}"),                     "a PodList without items"             },
        {NV_LIT("{\"kind\":\"PodList\",\"items\":{}}"),        "a PodList without items"             },
        {NV_LIT("{\"kind\":\"PodList\",\"items\":[{},{\"met"),
         "no JSON, or cut short, behind 1 pods"                                                      },
        {NV_LIT("{\"kind\":\"PodList\",\"items\":[]} x"),      "no JSON, or cut short, behind 0 pods"},
    };
    for (size_t i = 0; i < NV_LEN(cases); i++) {
        ck_assert_int_eq(read_text(cases[i].text), -EBADMSG);
        ck_assert_str_eq(error, cases[i].reason);
        ck_assert_ptr_null(pods);
    }
}
END_TEST

START_TEST(a_refused_text_stays_with_its_owner)
{
    NV_AUTO_BUF text = NV_BUF(1024);

    nv_buf_text(&text, "{\"kind\":");
    ck_assert_int_eq(nv_pods_read(&text, 1, 1, &pods, error), -EBADMSG);
    ck_assert(nv_str_is(nv_buf_view(&text), "{\"kind\":"));
}
END_TEST

START_TEST(pods_and_containers_beyond_their_bounds_are_left_out_and_counted)
{
    NV_AUTO_BUF items = NV_BUF(NV_PODS_TEXT_MAX);

    for (int i = 0; i < NV_PODS_MAX + 5; i++)
        nv_buf_printf(&items, "%s{\"metadata\":{\"uid\":\"%d\"}}", i ? "," : "", i);
    read_pods(nv_buf_c_string(&items));
    ck_assert_uint_eq(pods->n, NV_PODS_MAX);
    ck_assert_uint_eq(pods->left_out, 5);

    nv_buf_reset(&items);
    nv_buf_text(&items, "{\"spec\":{\"containers\":[");
    for (int i = 0; i < NV_POD_CONTAINERS_EACH_MAX + 3; i++)
        nv_buf_printf(&items, "%s{\"name\":\"c%d\"}", i ? "," : "", i);
    nv_buf_text(&items, "]}}");
    read_pods(nv_buf_c_string(&items));
    ck_assert_uint_eq(pod(0)->n_containers, NV_POD_CONTAINERS_EACH_MAX);
    ck_assert_uint_eq(pods->left_out, 3);
}
END_TEST

START_TEST(a_count_keeps_an_answer_alive)
{
    read_pods("{\"metadata\":{\"name\":\"web\"}}");
    const struct nv_pods *held = nv_pods_ref(pods);
    forget();
    ASSERT_TEXT(nv_pod_at(held, 0)->name, "web");
    nv_pods_unref(held);
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

START_TEST(a_whole_node_is_read)
{
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);
    struct nv_pod_place place;
    size_t kinds[4] = {0}, found = 0;

    if (!read_file(nv_shared("fixtures/kubelet/payloads/pods.json"), &text))
        return;
    ck_assert_int_eq(read_text(nv_buf_view(&text)), 0);
    ck_assert_uint_eq(pods->n, 11);
    for (size_t i = 0; i < pods->n; i++) {
        const struct nv_pod *at = pod(i);
        ck_assert_ptr_eq(nv_pods_find_pod(pods, at->uid), at);
        for (size_t k = 0; k < at->n_containers; k++) {
            const struct nv_pod_container *c = nv_pod_container_at(at, k);
            kinds[c->kind]++;
            found += nv_pods_find_container(pods, c->id, &place) && place.container == c;
            ck_assert_uint_eq(c->id.n, 64);
        }
    }
    ck_assert_uint_eq(found, pods->n_containers);
    ck_assert_uint_gt(kinds[NV_CONTAINER_SIDECAR], 0);
    ck_assert_uint_gt(kinds[NV_CONTAINER_INIT], 0);
}
END_TEST

START_TEST(an_answer_cut_anywhere_is_refused)
{
    NV_AUTO_BUF text = NV_BUF(NV_PODS_TEXT_MAX);

    if (!read_file(nv_shared("fixtures/kubelet/payloads/pods.json"), &text))
        return;
    while (text.n && text.p[text.n - 1] == '\n')
        text.n--;
    for (size_t n = 0; n < text.n; n += n < 4096 || n > text.n - 64 ? 1 : 997)
        ck_assert_int_eq(read_text((struct nv_str){text.p, n}), -EBADMSG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pods");
    TCase *tcase = tcase_create("pods");

    tcase_add_checked_fixture(tcase, NULL, forget);
    tcase_add_test(tcase, a_running_pod_is_told_with_its_container);
    tcase_add_test(tcase, containers_are_found_by_id_and_pods_by_uid);
    tcase_add_test(tcase, the_instance_before_is_found_by_its_id_too);
    tcase_add_test(tcase, while_it_backs_off_a_container_bears_the_id_of_its_last_instance);
    tcase_add_test(tcase, a_static_pod_and_its_mirror_are_found_by_the_hash);
    tcase_add_test(tcase, a_pod_before_its_first_status_has_containers_of_unknown_state);
    tcase_add_test(tcase, a_rejected_pod_is_there_without_statuses);
    tcase_add_test(tcase, a_terminating_pod_tells_since_when);
    tcase_add_test(tcase, kinds_of_containers_are_kept_apart);
    tcase_add_test(tcase, statuses_in_another_order_or_before_the_specification_meet_it);
    tcase_add_test(tcase, null_and_members_of_another_type_are_as_missing);
    tcase_add_test(tcase, escapes_are_resolved);
    tcase_add_test(tcase, no_pods_at_all_are_a_good_answer);
    tcase_add_test(tcase, what_is_no_list_of_pods_is_refused_with_its_reason);
    tcase_add_test(tcase, a_refused_text_stays_with_its_owner);
    tcase_add_test(tcase, pods_and_containers_beyond_their_bounds_are_left_out_and_counted);
    tcase_add_test(tcase, a_count_keeps_an_answer_alive);
    tcase_add_test(tcase, a_whole_node_is_read);
    tcase_add_test(tcase, an_answer_cut_anywhere_is_refused);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
