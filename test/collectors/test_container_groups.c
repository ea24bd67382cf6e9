/*
 * test_container_groups.c - groups of cAdvisor's that are off unless asked for, over files as kernels write them.
 */
#include <check.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "support/fixture.h"
#include "support/machine.h"

extern const struct nv_collector nv_collector_container;

enum { PASS_MS = 20000, PATH_SIZE = 1024 };

#define ID         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define PAUSE      "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define POD        "kubepods/pod0a0a0a0a-0000-1111-2222-333344445555"
#define TAIL       "id=\"/" POD "/" ID "\",image=\"i\",name=\"" ID "\",namespace=\"shop\","
#define WEB        "container=\"nginx\"," TAIL "pod=\"web\""
#define CORE(name) "container=\"nginx\",cpu=\"" name "\"," TAIL "pod=\"web\""
#define PAGES(number, scope, type)                                                                 \
    "container=\"nginx\"," TAIL "node=\"" number "\",pod=\"web\",scope=\"" scope "\",type=\"" type \
    "\""
#define OF_NET                                                                                     \
    "container=\"\",id=\"/" POD "/" PAUSE "\",image=\"\",name=\"" PAUSE                            \
    "\",namespace=\"shop\",pod=\"web\""

static char dir[256];

static void put(const char *path, const char *text)
{
    nv_write_file(dir, path, text);
}

static void begin(void)
{
    static int number;

    snprintf(dir, sizeof(dir), "%s/groups-%d", nv_temp_dir(), number++);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    put("proc/meminfo", "MemTotal: 1 kB\n");
    put("pods.json", "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"web\","
                     "\"namespace\":\"shop\",\"uid\":"
                     "\"0a0a0a0a-0000-1111-2222-333344445555\"},\"status\":{\"phase\":\"Running\","
                     "\"containerStatuses\":[{\"name\":\"nginx\",\"image\":\"i\",\"containerID\":"
                     "\"containerd://" ID "\",\"state\":{\"running\":{}}}]}}]}");
}

static void begin_v2(void)
{
    begin();
    put("sys/fs/cgroup/cgroup.controllers", "cpu memory\n");
    put("sys/fs/cgroup/" POD "/" ID "/memory.current", "4096\n");
    put("sys/fs/cgroup/" POD "/" PAUSE "/cgroup.procs", "7\n");
    put("proc/7/comm", "pause\n");
    put("proc/7/cgroup", "0::/" POD "/" PAUSE "\n");
}

static struct nv_machine *start(const char *groups)
{
    char flag[256];
    const char *flags[] = {flag, NULL};

    snprintf(flag, sizeof(flag), "--collector.container.enable-metrics=%s", groups);
    return nv_machine_new(&nv_collector_container, dir, groups ? flags : NULL);
}

static double value(const char *got, const char *family, const char *labels)
{
    char series[PATH_SIZE];

    snprintf(series, sizeof(series), "%s{%s}", family, labels);
    return nv_sample_of(got, series);
}

/* ---- run queues ------------------------------------------------------------------------------- */

static void put_process(int pid, const char *schedstat)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "proc/%d/schedstat", pid);
    put(path, schedstat);
}

static void check_sched(const char *got, double run, double waited, double times)
{
    ck_assert_double_eq(value(got, "container_cpu_schedstat_run_seconds_total", WEB), run);
    ck_assert_double_eq(value(got, "container_cpu_schedstat_runqueue_seconds_total", WEB), waited);
    ck_assert_double_eq(value(got, "container_cpu_schedstat_run_periods_total", WEB), times);
}

START_TEST(run_queues_do_not_forget_processes_that_ended)
{
    char path[PATH_SIZE];

    begin_v2();
    put("sys/fs/cgroup/" POD "/" ID "/cgroup.procs", "21\n20\n");
    put_process(20, "2000000000 500000000 7\n");
    put_process(21, "1000000000 0 3\n");
    struct nv_machine *machine = start("sched");
    check_sched(nv_machine_pass(machine, PASS_MS), 3, 0.5, 10);

    put("sys/fs/cgroup/" POD "/" ID "/cgroup.procs", "22\n20\n"); /* 21 has gone, 22 has come */
    put_process(22, "500000000 0 1\n");
    put_process(20, "4000000000 1500000000 9\n");
    check_sched(nv_machine_pass(machine, PASS_MS), 5.5, 1.5, 13);

    put_process(20, "1000000000 0 1\n"); /* another with the number of one that went */
    check_sched(nv_machine_pass(machine, PASS_MS), 6.5, 1.5, 14);

    snprintf(path, sizeof(path), "%s/proc/22/schedstat", dir); /* ends while it is looked at */
    ck_assert_int_eq(unlink(path), 0);
    check_sched(nv_machine_pass(machine, PASS_MS), 6.5, 1.5, 14);
    nv_machine_free(machine);
}
END_TEST

START_TEST(run_queues_of_processes_in_a_folder_below_count)
{
    begin_v2();
    put("sys/fs/cgroup/" POD "/" ID "/cgroup.procs", "");
    put("sys/fs/cgroup/" POD "/" ID "/container/cgroup.procs", "20\n");
    put("sys/fs/cgroup/" POD "/" ID "/init.scope/cgroup.procs", "21\nx\n0\n-5\n");
    put_process(20, "2000000000 0 1\n");
    put_process(21, "1000000000 0 1\n");
    struct nv_machine *machine = start("sched");
    check_sched(nv_machine_pass(machine, PASS_MS), 3, 0, 2);
    nv_machine_free(machine);
}
END_TEST

/* ---- sockets ---------------------------------------------------------------------------------- */

#define HEADING                                                                                    \
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "  \
    "inode\n"
#define REST " 00:00000000 00000000     0        0 25601 1 0000000000000000 100 0 0 10 0\n"

START_TEST(sockets_of_a_pod_are_counted_by_state)
{
    begin_v2();
    put("proc/7/net/tcp",
        HEADING "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000" REST
                "   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000" REST
                "   2: 0100007F:1F92 0100007F:1F90 01 00000000:00000000" REST
                "   3: 0100007F:1F93 0100007F:1F90 0C 00000000:00000000" REST "   4: 0100007F\n");
    put("proc/7/net/udp", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
                          "retrnsmt   uid  timeout inode ref pointer "
                          "drops\n"
                          " 1161: 00000000:0044 00000000:0000 07 00000010:000000FF 00:00000000 "
                          "00000000     0        0 24 2 0 5\n"
                          " 1162: 00000000:0045 00000000:0000 07 00000001:00000001 00:00000000 "
                          "00000000     0        0 25 2 0 6\n");
    put("proc/7/net/udp6", HEADING);
    struct nv_machine *machine = start("tcp,udp");
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(
        value(got, "container_network_tcp_usage_total", OF_NET ",tcp_state=\"listen\""), 1);
    ck_assert_double_eq(
        value(got, "container_network_tcp_usage_total", OF_NET ",tcp_state=\"established\""), 2);
    ck_assert_double_eq(
        value(got, "container_network_tcp_usage_total", OF_NET ",tcp_state=\"closing\""), 0);
    ck_assert_ptr_null(strstr(got, "container_network_tcp6_usage_total{")); /* no IPv6: no file */
    ck_assert_double_eq(
        value(got, "container_network_udp_usage_total", OF_NET ",udp_state=\"listen\""), 2);
    ck_assert_double_eq(
        value(got, "container_network_udp_usage_total", OF_NET ",udp_state=\"dropped\""), 11);
    ck_assert_double_eq(
        value(got, "container_network_udp_usage_total", OF_NET ",udp_state=\"rxqueued\""), 256);
    ck_assert_double_eq(
        value(got, "container_network_udp_usage_total", OF_NET ",udp_state=\"txqueued\""), 17);
    ck_assert_double_eq(
        value(got, "container_network_udp6_usage_total", OF_NET ",udp_state=\"listen\""), 0);
    ck_assert_ptr_null(strstr(got, "advance_tcp"));
    nv_machine_free(machine);
}
END_TEST

/* More than the first buffer holds. */
START_TEST(many_sockets_are_counted_to_the_last)
{
    enum { SOCKETS = 20000 };
    NV_AUTO_BUF text = NV_BUF(8 << 20);

    begin_v2();
    nv_buf_text(&text, HEADING);
    for (int i = 0; i < SOCKETS; i++)
        nv_buf_printf(&text, "%4d: 0100007F:1F90 00000000:0000 06 00000000:00000000" REST, i);
    put("proc/7/net/tcp6", nv_buf_c_string(&text));
    struct nv_machine *machine = start("tcp");
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(
        value(got, "container_network_tcp6_usage_total", OF_NET ",tcp_state=\"timewait\""),
        SOCKETS);
    nv_machine_free(machine);
}
END_TEST

START_TEST(counters_of_tcp_have_the_kernels_names)
{
    begin_v2();
    put("proc/7/net/netstat", "TcpExt: SyncookiesSent ListenDrops TCPTimeouts\nTcpExt: 1 2 3\n"
                              "IpExt: InNoRoutes\nIpExt: 9\nTcpExt: Lost\n");
    put("proc/7/net/snmp", "Ip: Forwarding\nIp: 1\nTcp: MaxConn RetransSegs More\nTcp: -1 44\n");
    struct nv_machine *machine = start("advtcp");
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(value(got, "container_network_advance_tcp_stats_total",
                              OF_NET ",tcp_state=\"listendrops\""),
                        2);
    ck_assert_double_eq(value(got, "container_network_advance_tcp_stats_total",
                              OF_NET ",tcp_state=\"tcptimeouts\""),
                        3);
    ck_assert_double_eq(
        value(got, "container_network_advance_tcp_stats_total", OF_NET ",tcp_state=\"maxconn\""),
        -1);
    ck_assert_double_eq(value(got, "container_network_advance_tcp_stats_total",
                              OF_NET ",tcp_state=\"retranssegs\""),
                        44);
    ck_assert_ptr_null(strstr(got, "innoroutes"));
    ck_assert_ptr_null(strstr(got, "\"more\""));
    ck_assert_ptr_null(strstr(got, "\"lost\""));
    nv_machine_free(machine);
}
END_TEST

START_TEST(pods_on_the_hosts_network_have_no_sockets_of_their_own)
{
    begin_v2();
    put("pods.json",
        "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\","
        "\"uid\":"
        "\"0a0a0a0a-0000-1111-2222-333344445555\"},\"spec\":{\"hostNetwork\":true}}]}");
    put("proc/7/net/tcp", HEADING "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000" REST);
    struct nv_machine *machine = start("tcp,udp,advtcp");
    ck_assert_ptr_null(
        strstr(nv_machine_pass(machine, PASS_MS), "container_network_tcp_usage_total{"));
    nv_machine_free(machine);
}
END_TEST

/* ---- cores and nodes -------------------------------------------------------------------------- */

#define MOUNT(n, name)                                                                             \
    "3" n " 1 0:3" n " / /sys/fs/cgroup/" name " rw - cgroup cgroup rw," name "\n"

static void begin_v1(void)
{
    begin();
    put("proc/1/mountinfo", MOUNT("0", "cpu,cpuacct") MOUNT("1", "memory") MOUNT("2", "cpuset"));
    put("sys/fs/cgroup/cpu,cpuacct/" POD "/" ID "/cpuacct.usage", "6000000000\n");
    put("sys/fs/cgroup/cpu,cpuacct/" POD "/" ID "/cpuacct.usage_percpu",
        "2000000000 0 4000000000 \n");
    put("sys/fs/cgroup/memory/" POD "/" ID "/memory.numa_stat",
        "total=3 N0=1 N1=2\nfile=5 N0=2 N1=3\nanon=9 N0=4 N1=5\nunevictable=0 N0=0 N1=0\n"
        "hierarchical_total=30 N0=10 N1=20\nhierarchical_file=50 N0=20 N1=30\nfile=1 M0=7 "
        "N99999999999=1\n");
    put("sys/fs/cgroup/cpuset/" POD "/" ID "/cpuset.memory_migrate", "1\n");
}

START_TEST(cores_stand_in_the_place_of_their_sum)
{
    begin_v1();
    struct nv_machine *machine = start("percpu");
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(value(got, "container_cpu_usage_seconds_total", CORE("cpu00")), 2);
    ck_assert_double_eq(value(got, "container_cpu_usage_seconds_total", CORE("cpu02")), 4);
    ck_assert_ptr_null(strstr(got, "cpu=\"cpu01\""));
    ck_assert_ptr_null(strstr(got, CORE("total")));
    nv_machine_free(machine);
}
END_TEST

START_TEST(pages_are_told_by_node)
{
    begin_v1();
    struct nv_machine *machine = start("memory_numa,cpuset");
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(value(got, "container_memory_numa_pages", PAGES("1", "container", "anon")),
                        5);
    ck_assert_double_eq(value(got, "container_memory_numa_pages", PAGES("0", "hierarchy", "file")),
                        20);
    ck_assert_ptr_null(strstr(got, "type=\"total\""));
    ck_assert_double_eq(value(got, "container_memory_migrate", WEB), 1);
    nv_machine_free(machine);
}
END_TEST

/* ---- the machine ------------------------------------------------------------------------------ */

static void put_cpu(int cpu, const char *core, const char *siblings, const char *cores_of_l3)
{
    static const char *const files[][2] = {
        {"level", "3"      },
        {"type",  "Unified"},
        {"size",  "16M"    }
    };
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
    put(path, core);
    snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    put(path, siblings);
    snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cache/index0/size", cpu);
    put(path, "48K\n");
    snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cache/index0/level", cpu);
    put(path, "1\n");
    snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cache/index0/type", cpu);
    put(path, "Data\n");
    snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cache/index0/shared_cpu_list", cpu);
    put(path, siblings);
    for (size_t i = 0; i < NV_LEN(files); i++) {
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cache/index3/%s", cpu,
                 files[i][0]);
        put(path, files[i][1]);
    }
    snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cache/index3/shared_cpu_list", cpu);
    put(path, cores_of_l3);
}

#define OF_MACHINE(rest) "boot_id=\"\"," rest

START_TEST(the_machine_is_told_as_it_is_built)
{
    begin_v2();
    put_cpu(0, "0\n", "0,2\n",
            "0,2\n"); /* two cores of two threads, a node each; the caches of one in halves */
    put_cpu(2, "0\n", "0,2\n", "0,2\n");
    put_cpu(1, "0\n", "1\n", "1\n");
    put_cpu(3, "7\n", "3\n", "3\n");
    put("sys/devices/system/cpu/cpufreq/x", "");
    put("sys/devices/system/node/node0/cpulist", "0,2\n");
    put("sys/devices/system/node/node10/cpulist", "1,3\n");
    put("sys/devices/system/node/node0/meminfo",
        "Node 0 MemTotal:        1024 kB\nNode 0 MemFree: 1 kB\n");
    put("sys/devices/system/node/node10/distance", "21 10\n");
    put("sys/devices/system/node/node10/hugepages/hugepages-2048kB/nr_hugepages", "5\n");
    struct nv_machine *machine = start("cpu_topology");
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(
        value(got, "machine_thread_siblings_count",
              OF_MACHINE(
                  "core_id=\"0\",machine_id=\"\",node_id=\"0\",system_uuid=\"\",thread_id=\"2\"")),
        2);
    ck_assert_double_eq(
        value(got, "machine_thread_siblings_count",
              OF_MACHINE(
                  "core_id=\"7\",machine_id=\"\",node_id=\"10\",system_uuid=\"\",thread_id=\"3\"")),
        1);
    ck_assert_double_eq(value(got, "machine_cpu_cache_capacity_bytes",
                              OF_MACHINE("core_id=\"\",level=\"3\",machine_id=\"\",node_id=\"0\","
                                         "system_uuid=\"\",type=\"Unified\"")),
                        16 << 20);
    ck_assert_double_eq(value(got, "machine_cpu_cache_capacity_bytes",
                              OF_MACHINE("core_id=\"7\",level=\"3\",machine_id=\"\",node_id=\"10\","
                                         "system_uuid=\"\",type=\"Unified\"")),
                        16 << 20);
    ck_assert_double_eq(value(got, "machine_cpu_cache_capacity_bytes",
                              OF_MACHINE("core_id=\"7\",level=\"1\",machine_id=\"\",node_id=\"10\","
                                         "system_uuid=\"\",type=\"Data\"")),
                        48 << 10);
    ck_assert_double_eq(value(got, "machine_cpu_cache_capacity_bytes",
                              OF_MACHINE("core_id=\"0\",level=\"1\",machine_id=\"\",node_id=\"0\","
                                         "system_uuid=\"\",type=\"Data\"")),
                        48 << 10);
    ck_assert_double_eq(value(got, "machine_node_memory_capacity_bytes",
                              OF_MACHINE("machine_id=\"\",node_id=\"0\",system_uuid=\"\"")),
                        1 << 20);
    ck_assert_double_eq(
        value(got, "machine_node_hugepages_count",
              OF_MACHINE("machine_id=\"\",node_id=\"10\",page_size=\"2048\",system_uuid=\"\"")),
        5);
    ck_assert_double_eq(
        value(got, "machine_node_distance",
              OF_MACHINE("machine_id=\"\",node_id=\"10\",system_uuid=\"\",target_node_id=\"0\"")),
        21);
    ck_assert_double_eq(
        value(got, "machine_node_distance",
              OF_MACHINE("machine_id=\"\",node_id=\"10\",system_uuid=\"\",target_node_id=\"10\"")),
        10);
    nv_machine_free(machine);
}
END_TEST

START_TEST(none_of_them_is_there_unless_asked_for)
{
    static const char *const families[] = {"container_cpu_schedstat",
                                           "container_network_tcp",
                                           "container_network_udp",
                                           "machine_thread",
                                           "machine_node",
                                           "machine_cpu_cache",
                                           "container_network_advance",
                                           "container_memory_numa",
                                           "container_memory_migrate",
                                           "cpu=\"cpu00\""};

    begin_v1();
    struct nv_machine *machine = start(NULL);
    const char *got = nv_machine_pass(machine, PASS_MS);
    for (size_t i = 0; i < NV_LEN(families); i++)
        ck_assert_msg(!strstr(got, families[i]), "%s", families[i]);
    ck_assert_double_eq(value(got, "container_cpu_usage_seconds_total", CORE("total")), 6);
    nv_machine_free(machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("container_groups");
    TCase *all = tcase_create("all");

    nv_quiet();
    tcase_set_timeout(all, 120);
    tcase_add_test(all, run_queues_do_not_forget_processes_that_ended);
    tcase_add_test(all, run_queues_of_processes_in_a_folder_below_count);
    tcase_add_test(all, sockets_of_a_pod_are_counted_by_state);
    tcase_add_test(all, many_sockets_are_counted_to_the_last);
    tcase_add_test(all, counters_of_tcp_have_the_kernels_names);
    tcase_add_test(all, pods_on_the_hosts_network_have_no_sockets_of_their_own);
    tcase_add_test(all, cores_stand_in_the_place_of_their_sum);
    tcase_add_test(all, pages_are_told_by_node);
    tcase_add_test(all, the_machine_is_told_as_it_is_built);
    tcase_add_test(all, none_of_them_is_there_unless_asked_for);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
