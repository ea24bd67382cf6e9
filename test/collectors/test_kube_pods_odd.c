/*
 * test_kube_pods_odd.c - kube_pod_* of pods in odd states, and of answers with things missing, empty or enormous.
 *
 * An expectation is "family|part|part ... value": a sample of the family whose labels hold each part; with "!" in front
 * there must be none, whatever its value.
 */
#include <check.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "kube_pods/pod.h"
#include "support/fixture.h"
#include "support/machine.h"

extern const struct nv_collector nv_collector_kube_pods;

enum { PASS_MS = 20000, EXPECTED_MAX = 16, TEXT_MAX = 16 << 20 };

struct odd {
    const char *what, *pods; /* the items, without the brackets */
    const char *expected[EXPECTED_MAX];
};

#define META(name)        "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"uid\":\"u-" name "\"}"
#define POD(name, status) "{" META(name) ",\"spec\":{\"nodeName\":\"n1\"},\"status\":{" status "}}"

// clang-format off
static const struct odd odds[] = {
    {"an init container that goes on running",
     "{" META("a") ",\"spec\":{\"initContainers\":[{\"name\":\"mesh\",\"image\":\"m:1\",\"restartPolicy\":\"Always\"},"
     "{\"name\":\"setup\",\"image\":\"s:1\"}]},\"status\":{\"phase\":\"Running\",\"initContainerStatuses\":["
     "{\"name\":\"mesh\",\"image\":\"m:1\",\"ready\":true,\"started\":true,\"restartCount\":2,\"state\":{\"running\":"
     "{\"startedAt\":\"2026-05-12T09:00:00Z\"}}},{\"name\":\"setup\",\"ready\":true,\"state\":{\"terminated\":"
     "{\"exitCode\":0,\"reason\":\"Completed\",\"finishedAt\":\"2026-05-12T08:59:00Z\"}}}]}}",
     {"kube_pod_init_container_info|container=\"mesh\"|restart_policy=\"Always\" 1",
      "kube_pod_init_container_info|container=\"setup\"|restart_policy=\"\" 1",
      "kube_pod_init_container_status_running|container=\"mesh\" 1",
      "kube_pod_init_container_status_running|container=\"setup\" 0",
      "kube_pod_init_container_status_ready|container=\"setup\" 1",
      "kube_pod_init_container_status_restarts_total|container=\"mesh\" 2",
      "kube_pod_init_container_state_started|container=\"mesh\" 1.7785764e+09",
      "kube_pod_init_container_status_terminated_reason|container=\"setup\"|reason=\"Completed\" 1",
      "!kube_pod_container_info", "!kube_pod_completion_time"}},
    {"ephemeral containers, which are nobody's",
     "{" META("a") ",\"spec\":{\"ephemeralContainers\":[{\"name\":\"debug\",\"image\":\"d\",\"resources\":{\"limits\":"
     "{\"cpu\":\"1\"}}}]},\"status\":{\"phase\":\"Running\",\"ephemeralContainerStatuses\":[{\"name\":\"debug\","
     "\"state\":{\"terminated\":{\"reason\":\"Evicted\",\"finishedAt\":\"2026-05-12T08:59:00Z\"}}}]}}",
     {"kube_pod_status_phase|phase=\"Running\" 1", "!kube_pod_container_info", "!kube_pod_init_container_info",
      "!kube_pod_status_reason", "!kube_pod_completion_time", "!kube_pod_container_resource_limits"}},
    {"one that was evicted",
     POD("a", "\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"The node was low on resource: memory.\","
              "\"startTime\":\"2026-05-12T08:59:00Z\",\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"True\","
              "\"reason\":\"TerminationByKubelet\"}]"),
     {"kube_pod_status_phase|phase=\"Failed\" 1", "kube_pod_status_phase|phase=\"Running\" 0",
      "kube_pod_status_reason|reason=\"Evicted\" 1", "kube_pod_status_reason|reason=\"TerminationByKubelet\" 1",
      "kube_pod_status_disruption_reason|reason=\"TerminationByKubelet\" 1", "!kube_pod_container_info",
      "!kube_pod_container_status_running", "!kube_pod_status_ready"}},
    {"one that is ending",
     "{\"metadata\":{\"name\":\"a\",\"namespace\":\"n\",\"uid\":\"u\",\"deletionTimestamp\":\"2026-05-12T09:30:30Z\","
     "\"deletionGracePeriodSeconds\":30},\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"c\","
     "\"state\":{\"running\":{}}}]}}",
     {"kube_pod_deletion_timestamp 1.77857823e+09", "kube_pod_container_status_running|container=\"c\" 1",
      "!kube_pod_container_state_started"}},
    {"a job that is done, of which one container ended later than the other",
     POD("a", "\"phase\":\"Succeeded\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"reason\":"
              "\"PodCompleted\"}],\"containerStatuses\":[{\"name\":\"x\",\"ready\":false,\"restartCount\":0,\"state\":"
              "{\"terminated\":{\"exitCode\":0,\"reason\":\"Completed\",\"startedAt\":\"2026-05-12T09:00:00Z\","
              "\"finishedAt\":\"2026-05-12T09:00:10Z\"}}},{\"name\":\"y\",\"state\":{\"terminated\":{\"exitCode\":1,"
              "\"reason\":\"Error\",\"finishedAt\":\"2026-05-12T09:00:20Z\"}}}]"),
     {"kube_pod_completion_time 1.77857642e+09", "kube_pod_status_phase|phase=\"Succeeded\" 1",
      "kube_pod_container_status_terminated|container=\"x\" 1",
      "kube_pod_container_status_terminated_reason|container=\"y\"|reason=\"Error\" 1",
      "kube_pod_status_ready|condition=\"false\" 1", "kube_pod_status_ready|condition=\"true\" 0",
      "!kube_pod_container_status_last_terminated_reason"}},
    {"one that keeps crashing",
     POD("a", "\"phase\":\"Running\",\"containerStatuses\":[{\"name\":\"c\",\"restartCount\":4,\"state\":{\"waiting\":"
              "{\"reason\":\"CrashLoopBackOff\"}},\"lastState\":{\"terminated\":{\"exitCode\":137,\"reason\":"
              "\"OOMKilled\",\"finishedAt\":\"2026-05-12T09:00:20.5+02:00\"}}}]"),
     {"kube_pod_container_status_waiting_reason|reason=\"CrashLoopBackOff\" 1",
      "kube_pod_container_status_last_terminated_reason|reason=\"OOMKilled\" 1",
      "kube_pod_container_status_last_terminated_exitcode 137",
      "kube_pod_container_status_last_terminated_timestamp 1.77856922e+09",
      "kube_pod_container_status_restarts_total 4", "!kube_pod_container_state_started"}},
    {"names that nobody knows",
     POD("a", "\"phase\":\"Dreaming\",\"qosClass\":\"Platinum\",\"reason\":\"Whim\",\"conditions\":[{\"type\":\"Ready\","
              "\"status\":\"Perhaps\"},{\"type\":\"PodResizePending\",\"status\":\"True\"},{\"type\":"
              "\"DisruptionTarget\",\"reason\":\"Whim\"}]"),
     {"kube_pod_status_phase|phase=\"Unknown\" 0", "kube_pod_status_phase|phase=\"Pending\" 0",
      "!kube_pod_status_phase|phase=\"Dreaming\"", "kube_pod_status_qos_class|qos_class=\"Guaranteed\" 0",
      "kube_pod_status_reason|reason=\"Other\" 1", "kube_pod_status_ready|condition=\"unknown\" 0",
      "kube_pod_status_disruption_reason|reason=\"Other\" 1"}},
    {"nothing but a name",
     "{\"metadata\":{\"name\":\"a\"}}",
     {"kube_pod_info|host_network=\"false\"|namespace=\"\"|node=\"\"|pod=\"a\"|uid=\"\" 1",
      "kube_pod_owner|owner_kind=\"\" 1", "kube_pod_restart_policy|type=\"\" 1", "!kube_pod_status_phase",
      "!kube_pod_status_qos_class", "!kube_pod_created", "!kube_pod_start_time"}},
    {"lists and objects that are null, or something else",
     "{\"metadata\":{\"name\":\"a\",\"namespace\":null,\"labels\":null,\"annotations\":[],\"ownerReferences\":null,"
     "\"creationTimestamp\":null},\"spec\":{\"containers\":null,\"initContainers\":{},\"tolerations\":[null,3,\"x\",[]],"
     "\"volumes\":[null,{\"name\":\"v\",\"persistentVolumeClaim\":null}],\"overhead\":7,\"nodeName\":{}},\"status\":"
     "{\"phase\":\"Pending\",\"containerStatuses\":[null,{\"name\":\"c\",\"state\":null,\"lastState\":{\"terminated\":"
     "null},\"restartCount\":\"3\",\"ready\":\"yes\"}],\"conditions\":[null,[]],\"podIPs\":null}},null,7,\"x\",[],"
     "{},{\"metadata\":null},{\"metadata\":{\"name\":\"\"}},{\"metadata\":{\"name\":\"last\"}}",
     {"kube_pod_status_phase|phase=\"Pending\"|pod=\"a\" 1", "kube_pod_container_status_running|container=\"c\" 0",
      "kube_pod_container_status_restarts_total|container=\"c\" 0", "kube_pod_info|pod=\"last\" 1",
      "!kube_pod_tolerations", "!kube_pod_spec_volumes_persistentvolumeclaims_info", "!kube_pod_overhead_cpu_cores",
      "!kube_pod_info|pod=\"\"", "!kube_pod_ips"}},
    {"addresses of both kinds, and some that are none",
     POD("a", "\"podIP\":\"10.0.0.1\",\"podIPs\":[{\"ip\":\"10.0.0.1\"},{\"ip\":\"fd00::1\"},{\"ip\":\"::ffff:1.2.3.4\"},"
              "{\"ip\":\"10.0.0.300\"},{\"ip\":\"\"},{}]"),
     {"kube_pod_ips|ip=\"10.0.0.1\"|ip_family=\"4\" 1", "kube_pod_ips|ip=\"fd00::1\"|ip_family=\"6\" 1",
      "kube_pod_ips|ip=\"::ffff:1.2.3.4\"|ip_family=\"4\" 1", "!kube_pod_ips|ip=\"10.0.0.300\"",
      "!kube_pod_ips|ip=\"\""}},
    {"two that say they control it: the first does",
     "{\"metadata\":{\"name\":\"a\",\"ownerReferences\":[{\"kind\":\"Node\",\"name\":\"n\"},{\"kind\":\"Job\",\"name\":"
     "\"j\",\"controller\":true},{\"kind\":\"Set\",\"name\":\"s\",\"controller\":true}]}}",
     {"kube_pod_info|created_by_kind=\"Job\"|created_by_name=\"j\" 1",
      "kube_pod_owner|owner_is_controller=\"false\"|owner_kind=\"Node\" 1",
      "kube_pod_owner|owner_is_controller=\"true\"|owner_kind=\"Set\" 1"}},
    {"texts with escapes",
     "{\"metadata\":{\"name\":\"a\\\"b\\\\c\\n\\u00e9\",\"namespace\":\"n\",\"labels\":{\"app\\/x\":\"\\\"1\\\"\"}},"
     "\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"\\u0031\"}}}]}}",
     {"kube_pod_info|pod=\"a\\\"b\\\\c\\n\xc3\xa9\" 1", "kube_pod_labels|label_app_x=\"\\\"1\\\"\" 1",
      "kube_pod_container_resource_requests|resource=\"cpu\" 1"}},
    {"one that is there twice",
     POD("a", "\"phase\":\"Running\"") "," POD("a", "\"phase\":\"Running\"") "," POD("b", "\"phase\":\"Running\""),
     {"kube_pod_status_phase|phase=\"Running\"|pod=\"a\" 1", "kube_pod_status_phase|phase=\"Running\"|pod=\"b\" 1"}},
};
// clang-format on

/* Whether a line is a sample of the family with all parts, of the value unless that is empty. */
static bool fits(struct nv_str line, struct nv_str wanted)
{
    struct nv_str value = NV_LIT("");

    if (wanted.p[0] != '!') {
        size_t blank = wanted.n;
        while (blank && wanted.p[blank - 1] != ' ')
            blank--;
        value = nv_str_from(wanted, blank - 1);
        wanted.n = blank - 1;
    } else {
        wanted = nv_str_from(wanted, 1);
    }
    struct nv_str family = nv_str_cut(&wanted, '|');
    if (line.n <= family.n || memcmp(line.p, family.p, family.n) != 0 || line.p[family.n] != '{')
        return false;
    while (wanted.n) {
        struct nv_str part = nv_str_cut(&wanted, '|');
        if (!memmem(line.p, line.n, part.p, part.n))
            return false;
    }
    return line.n > value.n && memcmp(line.p + line.n - value.n, value.p, value.n) == 0;
}

static size_t count(const char *text, struct nv_str wanted)
{
    struct nv_str rest = nv_str(text);
    size_t n = 0;

    while (rest.n)
        n += fits(nv_str_cut(&rest, '\n'), wanted);
    return n;
}

static const char *collect(struct nv_machine **machine, struct nv_str items)
{
    static const char *const flags[] = {"--collector.kube-pods.labels=*",
                                        "--collector.kube-pods.annotations=*", NULL};
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);
    static char dir[256];
    static int number;

    snprintf(dir, sizeof(dir), "%s/odd-%d", nv_temp_dir(), number++);
    nv_buf_printf(&text, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[");
    nv_buf_str(&text, items);
    nv_buf_text(&text, "]}");
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    nv_write_file(dir, "pods.json", nv_buf_c_string(&text));
    *machine = nv_machine_new(&nv_collector_kube_pods, dir, flags);
    return nv_machine_pass(*machine, PASS_MS);
}

START_TEST(a_pod_in_an_odd_state_has_the_samples_it_ought_to) /* looped */
{
    const struct odd *odd = &odds[_i];
    struct nv_machine *machine;
    const char *got = collect(&machine, nv_str(odd->pods));

    for (size_t i = 0; i < EXPECTED_MAX && odd->expected[i]; i++) {
        size_t wanted = odd->expected[i][0] != '!', n = count(got, nv_str(odd->expected[i]));
        ck_assert_msg(n == wanted, "%s: %zu of %s", odd->what, n, odd->expected[i]);
    }
    nv_machine_free(machine);
}
END_TEST

/* An annotation of two megabytes of escapes is one label value too long; all else is as if it were not there. */
START_TEST(an_enormous_annotation_hurts_no_other_sample)
{
    NV_AUTO_BUF items = NV_BUF(TEXT_MAX);
    struct nv_machine *machine;

    nv_buf_text(&items, "{\"metadata\":{\"name\":\"a\",\"annotations\":{\"last\":\"");
    for (int i = 0; i < 1 << 20; i++)
        nv_buf_text(&items, "\\n");
    nv_buf_text(&items,
                "\"}},\"status\":{\"phase\":\"Running\"}}," POD("b", "\"phase\":\"Running\""));
    const char *got = collect(&machine, nv_buf_view(&items));
    ck_assert_uint_eq(count(got, nv_str("kube_pod_status_phase|phase=\"Running\"|pod=\"a\" 1")), 1);
    ck_assert_uint_eq(count(got, nv_str("kube_pod_status_phase|phase=\"Running\"|pod=\"b\" 1")), 1);
    ck_assert_uint_eq(count(got, nv_str("kube_pod_annotations|pod=\"b\" 1")), 1);
    ck_assert_uint_lt(strlen(got), 1 << 20);
    nv_machine_free(machine);
}
END_TEST

/* Lists are read up to a bound, and what comes behind them is read all the same. */
START_TEST(lists_without_end_have_one)
{
    NV_AUTO_BUF items = NV_BUF(TEXT_MAX);
    struct nv_machine *machine;

    nv_buf_text(&items, "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"tolerations\":[");
    for (int i = 0; i < 10000; i++)
        nv_buf_printf(&items, "%s{\"key\":\"k%d\"}", i ? "," : "", i);
    nv_buf_text(&items, "]},\"status\":{\"containerStatuses\":[");
    for (int i = 0; i < 10000; i++)
        nv_buf_printf(&items, "%s{\"name\":\"c%d\"}", i ? "," : "", i);
    nv_buf_text(&items, "],\"phase\":\"Running\"}}");
    const char *got = collect(&machine, nv_buf_view(&items));
    ck_assert_uint_eq(count(got, nv_str("kube_pod_status_phase|phase=\"Running\" 1")), 1);
    ck_assert_uint_eq(count(got, nv_str("kube_pod_tolerations 1")), NV_KUBE_ITEMS_MAX);
    ck_assert_uint_eq(count(got, nv_str("kube_pod_container_status_running 0")), NV_KUBE_ITEMS_MAX);
    nv_machine_free(machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kube_pods_odd");
    TCase *all = tcase_create("all");

    nv_quiet();
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, a_pod_in_an_odd_state_has_the_samples_it_ought_to, 0, NV_LEN(odds));
    tcase_add_test(all, an_enormous_annotation_hurts_no_other_sample);
    tcase_add_test(all, lists_without_end_have_one);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
