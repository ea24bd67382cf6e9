/*
 * test_container_files.c - files of cgroups and machines as some kernels write them, and others do not.
 */
#include <check.h>
#include <sys/stat.h>

#include "support/fixture.h"
#include "support/machine.h"

extern const struct nv_collector nv_collector_container;

enum { PASS_MS = 20000 };

#define V2     "sys/fs/cgroup/"
#define POD    "kubepods/pod0a0a0a0a-0000-1111-2222-333344445555"
#define OF_POD "{container=\"\",id=\"/" POD "\",image=\"\",name=\"\",namespace=\"\",pod=\"\""

static char dir[256];

static void make_machine(void)
{
    static int number;

    snprintf(dir, sizeof(dir), "%s/files-%d", nv_temp_dir(), number++);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    nv_write_file(dir, "proc/meminfo", "MemTotal: 1 kB\n");
    nv_write_file(
        dir, "proc/diskstats",
        "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8      16 sdb 1 2 3 4 5 6 7 8 9 10 11\n");
    nv_write_file(dir, V2 "cgroup.controllers", "cpu io memory hugetlb pids\n");
}

static struct nv_machine *start(void)
{
    return nv_machine_new(&nv_collector_container, dir, NULL);
}

/* Linux 5.15: events behind the states, pgfault before pgscan; 6.1 turned them round. */
START_TEST(keys_of_memory_are_found_in_any_order)
{
    make_machine();
    nv_write_file(dir, V2 POD "/memory.stat",
                  "anon 1\nfile 2\nkernel_stack 3\nfile_mapped 4\nfile_dirty 5\nfile_writeback 6\n"
                  "inactive_file 7\nactive_file 8\nworkingset_refault_anon 9\n"
                  "workingset_refault_file 10\npgfault 11\npgmajfault 12\npgrefill 13\npgscan 14\n"
                  "pgsteal 15\nfile_thp 16\n");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(nv_sample_of(got, "container_memory_pgscan_total" OF_POD "}"), 14);
    ck_assert_double_eq(nv_sample_of(got, "container_memory_pgsteal_total" OF_POD "}"), 15);
    ck_assert_double_eq(nv_sample_of(got, "container_memory_cache" OF_POD "}"), 2);
    ck_assert_double_eq(nv_sample_of(got, "container_memory_failures_total{container=\"\",failure_"
                                          "type=\"pgmajfault\",id=\"/" POD
                                          "\",image=\"\",name=\"\",namespace=\"\",pod=\"\","
                                          "scope=\"hierarchy\"}"),
                        12);
    nv_machine_free(machine);
}
END_TEST

static double read_bytes(const char *text, const char *device)
{
    char series[512];

    snprintf(series, sizeof(series),
             "container_fs_reads_bytes_total{container=\"\",device=\"%s\",id=\"/" POD
             "\",image=\"\",name=\"\",namespace=\"\",pod=\"\"}",
             device);
    return nv_has_sample(text, series) ? nv_sample_of(text, series) : -1;
}

/* Some kernels end the line of a device without numbers not at all. */
START_TEST(a_device_without_numbers_lends_its_name_to_no_other)
{
    make_machine();
    nv_write_file(dir, V2 POD "/io.stat", "8:0 8:16 rbytes=4096 wbytes=8192 rios=1 wios=2\n7:1 \n");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(read_bytes(got, "/dev/sdb"), 4096);
    ck_assert_double_eq(read_bytes(got, "/dev/sda"), -1);
    nv_machine_free(machine);
}
END_TEST

static double of_node(const char *text, const char *family, const char *device)
{
    char series[512];

    snprintf(
        series, sizeof(series),
        "%s{container=\"\",device=\"%s\",id=\"/\",image=\"\",name=\"\",namespace=\"\",pod=\"\"}",
        family, device);
    return nv_has_sample(text, series) ? nv_sample_of(text, series) : -1;
}

/* A partition by its number, a volume by another name than the kernel's, btrfs, which has a number of its own, by name. */
START_TEST(file_systems_of_the_node_have_the_numbers_of_their_devices)
{
    make_machine();
    nv_write_file(
        dir, "proc/diskstats",
        "   8       1 sda1 1 2 3 4000 5 6 7 8500 9 10500 11000 12 13 14 15 16 17\n"
        " 254       0 dm-0 1 22 3 4 5 6 7 8 9 10 11\n   8      17 sdb1 1 33 3 4 5 6 7 8 9 10 11\n"
        "   8      33 sdc1 1 44\n");
    nv_write_file(
        dir, "proc/1/mountinfo",
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n21 1 254:0 / /home rw - xfs /dev/mapper/vg-home rw\n"
        "22 1 0:40 / /srv rw - btrfs /dev/sdb1 rw\n23 1 8:33 / /old rw - ext4 /dev/sdc1 rw\n"
        "24 1 0:41 / /run rw - tmpfs tmpfs rw\n");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(of_node(got, "container_fs_reads_merged_total", "/dev/sda1"), 2);
    ck_assert_double_eq(of_node(got, "container_fs_sector_reads_total", "/dev/sda1"), 3);
    ck_assert_double_eq(of_node(got, "container_fs_read_seconds_total", "/dev/sda1"), 4);
    ck_assert_double_eq(of_node(got, "container_fs_writes_merged_total", "/dev/sda1"), 6);
    ck_assert_double_eq(of_node(got, "container_fs_sector_writes_total", "/dev/sda1"), 7);
    ck_assert_double_eq(of_node(got, "container_fs_write_seconds_total", "/dev/sda1"), 8.5);
    ck_assert_double_eq(of_node(got, "container_fs_io_current", "/dev/sda1"), 9);
    ck_assert_double_eq(of_node(got, "container_fs_io_time_seconds_total", "/dev/sda1"), 10.5);
    ck_assert_double_eq(of_node(got, "container_fs_io_time_weighted_seconds_total", "/dev/sda1"),
                        11);
    ck_assert_double_eq(of_node(got, "container_fs_reads_merged_total", "/dev/mapper/vg-home"), 22);
    ck_assert_double_eq(of_node(got, "container_fs_reads_merged_total", "/dev/sdb1"), 33);
    ck_assert_double_eq(of_node(got, "container_fs_reads_merged_total", "/dev/sdc1"), -1);
    nv_machine_free(machine);
}
END_TEST

START_TEST(failures_of_huge_pages_are_events_on_v2)
{
    make_machine();
    nv_write_file(dir, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "8\n");
    nv_write_file(dir, V2 POD "/hugetlb.2MB.current", "2097152\n");
    nv_write_file(dir, V2 POD "/hugetlb.2MB.events", "max 3\n");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    const char *of_size = "{container=\"\",id=\"/" POD "\",image=\"\",name=\"\",namespace="
                          "\"\",pagesize=\"2MB\",pod=\"\"}";
    char series[512];
    snprintf(series, sizeof(series), "container_hugetlb_usage_bytes%s", of_size);
    ck_assert_double_eq(nv_sample_of(got, series), 2097152);
    snprintf(series, sizeof(series), "container_hugetlb_failcnt%s", of_size);
    ck_assert_double_eq(nv_sample_of(got, series), 3);
    nv_machine_free(machine);
}
END_TEST

/* While crun sets a sandbox up its process has the runtime's name. */
START_TEST(a_sandbox_that_is_being_made_is_known_when_it_is)
{
    static const char id[] = "abababababababababababababababababababababababababababababababab";
    char path[512], series[512];

    make_machine();
    snprintf(path, sizeof(path), V2 POD "/%s/memory.max", id);
    nv_write_file(dir, path, "4096\n");
    snprintf(path, sizeof(path), V2 POD "/%s/cgroup.procs", id);
    nv_write_file(dir, path, "77\n");
    nv_write_file(dir, "proc/77/comm", "crun\n");
    snprintf(series, sizeof(series),
             "container_spec_memory_limit_bytes{container=\"\",id=\"/" POD
             "/%s\",image=\"\",name=\"%s\",namespace=\"\",pod=\"\"}",
             id, id);
    struct nv_machine *machine = start();
    ck_assert(nv_has_sample(nv_machine_pass(machine, PASS_MS), series));
    nv_write_file(dir, "proc/77/comm", "pause\n");
    ck_assert(!nv_has_sample(nv_machine_pass(machine, PASS_MS), series));
    nv_machine_free(machine);
}
END_TEST

/* The first process may live in a folder of its own, without the host's cgroups. */
START_TEST(our_own_mounts_tell_where_those_of_the_first_process_do_not)
{
    make_machine();
    nv_write_file(dir, "proc/1/mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n");
    nv_write_file(dir, "proc/self/mountinfo",
                  "2 1 0:9 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
    nv_write_file(dir, V2 "memory/" POD "/memory.usage_in_bytes", "4096\n");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(nv_sample_of(got, "container_memory_usage_bytes" OF_POD "}"), 4096);
    nv_machine_free(machine);
}
END_TEST

/* ARM's cpuinfo has no cores and sockets. */
START_TEST(cores_are_counted_where_cpuinfo_tells_none)
{
    static const char *const cores[] = {"0", "0", "1", "1", "0"}, *const sockets[] = {"0", "0", "0",
                                                                                      "0", "1"};

    make_machine();
    nv_write_file(dir, "proc/cpuinfo", "processor\t: 0\nCPU part\t: 0xd0c\n");
    for (size_t i = 0; i < NV_LEN(cores); i++) {
        char path[128];
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%zu/topology/core_id", i);
        nv_write_file(dir, path, cores[i]);
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%zu/topology/physical_package_id",
                 i);
        nv_write_file(dir, path, sockets[i]);
    }
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    const char *labels = "{boot_id=\"\",machine_id=\"\",system_uuid=\"\"}";
    char series[256];
    snprintf(series, sizeof(series), "machine_cpu_physical_cores%s", labels);
    ck_assert_double_eq(nv_sample_of(got, series), 3);
    snprintf(series, sizeof(series), "machine_cpu_sockets%s", labels);
    ck_assert_double_eq(nv_sample_of(got, series), 2);
    nv_machine_free(machine);
}
END_TEST

START_TEST(modules_are_counted_by_type)
{
    make_machine();
    nv_write_file(dir, "sys/devices/system/edac/mc/mc0/dimm0/size", "8192\n");
    nv_write_file(dir, "sys/devices/system/edac/mc/mc0/dimm0/dimm_mem_type", "Registered-DDR4\n");
    nv_write_file(dir, "sys/devices/system/edac/mc/mc1/dimm3/size", "8192\n");
    nv_write_file(dir, "sys/devices/system/edac/mc/mc1/dimm3/dimm_mem_type", "Registered-DDR4\n");
    nv_write_file(dir, "sys/devices/system/edac/mc/mc1/dimm4/dimm_mem_type", "Unbuffered-DDR4\n");
    nv_write_file(dir, "sys/devices/system/edac/mc/power/x", "");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    const char *of_type =
        "{boot_id=\"\",machine_id=\"\",system_uuid=\"\",type=\"Registered-DDR4\"}";
    char series[512];
    snprintf(series, sizeof(series), "machine_dimm_count%s", of_type);
    ck_assert_double_eq(nv_sample_of(got, series), 2);
    snprintf(series, sizeof(series), "machine_dimm_capacity_bytes%s", of_type);
    ck_assert_double_eq(nv_sample_of(got, series), 16384. * (1 << 20));
    ck_assert_ptr_null(strstr(got, "Unbuffered"));
    nv_machine_free(machine);
}
END_TEST

/* As on z: two drawers of two books each. */
START_TEST(books_and_drawers_are_those_of_mainframes)
{
    static const char *const ids[][2] = {
        {"0", "0"},
        {"1", "0"},
        {"2", "1"},
        {"3", "1"},
        {"3", "1"}
    };
    char path[256];

    for (size_t i = 0; i < NV_LEN(ids); i++) {
        if (!i)
            make_machine();
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%zu/topology/book_id", i);
        nv_write_file(dir, path, ids[i][0]);
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%zu/topology/drawer_id", i);
        nv_write_file(dir, path, ids[i][1]);
    }
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    const char *ours = "{boot_id=\"\",machine_id=\"\",system_uuid=\"\"}";
    char series[512];
    snprintf(series, sizeof(series), "machine_cpu_books%s", ours);
    ck_assert_double_eq(nv_sample_of(got, series), 4);
    snprintf(series, sizeof(series), "machine_cpu_drawers%s", ours);
    ck_assert_double_eq(nv_sample_of(got, series), 2);
    nv_machine_free(machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("container_files");
    TCase *all = tcase_create("all");

    nv_quiet();
    tcase_set_timeout(all, 120);
    tcase_add_test(all, keys_of_memory_are_found_in_any_order);
    tcase_add_test(all, a_device_without_numbers_lends_its_name_to_no_other);
    tcase_add_test(all, file_systems_of_the_node_have_the_numbers_of_their_devices);
    tcase_add_test(all, failures_of_huge_pages_are_events_on_v2);
    tcase_add_test(all, a_sandbox_that_is_being_made_is_known_when_it_is);
    tcase_add_test(all, our_own_mounts_tell_where_those_of_the_first_process_do_not);
    tcase_add_test(all, cores_are_counted_where_cpuinfo_tells_none);
    tcase_add_test(all, modules_are_counted_by_type);
    tcase_add_test(all, books_and_drawers_are_those_of_mainframes);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
