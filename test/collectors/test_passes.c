/*
 * test_passes.c - what collectors remember from one pass to the next, where a fixture shows only one.
 */
#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/options.h"
#include "expo/expo.h"
#include "gather/gather.h"
#include "support/fixture.h"

extern const struct nv_collector nv_collector_cpu, nv_collector_cpufreq, nv_collector_os,
    nv_collector_vmstat;

enum { TEXT_MAX = 1 << 20 };

/* A collector over a folder of its own, pass after pass. */
struct machine {
    char dir[256];
    struct nv_options *options;
    struct nv_gather *gather;
    char *text;
};

static void machine_make(struct machine *machine)
{
    static int number;

    *machine = (struct machine){0};
    snprintf(machine->dir, sizeof(machine->dir), "%s/machine-%d", nv_temp_dir(), number++);
    ck_assert_int_eq(mkdir(machine->dir, 0755), 0);
}

static void machine_start(struct machine *machine, const struct nv_collector *collector)
{
    const struct nv_collector *const list[] = {collector, NULL};
    char proc[512], sys[512], error[NV_GATHER_ERROR_MAX];

    snprintf(proc, sizeof(proc), "%s/proc", machine->dir);
    snprintf(sys, sizeof(sys), "%s/sys", machine->dir);
    const struct nv_gather_options paths = {
        .procfs = proc, .sysfs = sys, .rootfs = machine->dir, .udev = machine->dir};
    machine->options = nv_options_new("nodevitals", "");
    ck_assert_int_eq(nv_options_parse(machine->options, list, 0, NULL), 0);
    machine->gather = nv_gather_new(&paths);
    for (size_t i = 0; i < machine->options->n_collectors; i++)
        if (machine->options->collectors[i].collector == collector)
            ck_assert_int_eq(nv_gather_add(machine->gather, collector, NV_GATHER_NODE,
                                           machine->options->collectors[i].values),
                             0);
    ck_assert_int_eq(nv_gather_start(machine->gather, error), 0);
}

static void machine_pass(struct machine *machine)
{
    const struct nv_gather_selection all = {0};
    NV_AUTO(nv_frame) *frame = NULL;
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX);

    ck_assert_int_eq(nv_gather_pass(machine->gather, &all, NV_GATHER_PASS_MS, &frame), 0);
    nv_expo_write(frame, (struct nv_expo_choice){NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES}, NULL,
                  0, &text);
    free(machine->text);
    machine->text = strdup(nv_buf_c_string(&text));
}

static void machine_end(struct machine *machine)
{
    free(machine->text);
    nv_gather_free(machine->gather);
    nv_options_free(machine->options);
}

static double seconds(const struct machine *machine, const char *cpu, const char *mode)
{
    char series[128];

    snprintf(series, sizeof(series), "node_cpu_seconds_total{cpu=\"%s\",mode=\"%s\"}", cpu, mode);
    return nv_sample_of(machine->text, series);
}

START_TEST(a_cpu_time_that_runs_backwards_is_held_by_itself)
{
    struct machine machine;

    machine_make(&machine);
    nv_write_file(machine.dir, "proc/stat", "cpu0 100 0 100 10000 50 0 0 0 0 0\n");
    machine_start(&machine, &nv_collector_cpu);
    machine_pass(&machine);
    nv_write_file(machine.dir, "proc/stat", "cpu0 90 0 120 9701 40 0 0 0 0 0\n");
    machine_pass(&machine);
    ck_assert_double_eq(seconds(&machine, "0", "user"), 1);
    ck_assert_double_eq(seconds(&machine, "0", "system"), 1.2);
    ck_assert_double_eq(seconds(&machine, "0", "idle"), 100);
    ck_assert_double_eq(seconds(&machine, "0", "iowait"), 0.5);
    machine_end(&machine);
}
END_TEST

START_TEST(a_cpu_whose_idle_falls_by_three_seconds_counts_anew)
{
    struct machine machine;

    machine_make(&machine);
    nv_write_file(machine.dir, "proc/stat", "cpu0 100 0 100 10000 50 0 0 0 0 0\n");
    machine_start(&machine, &nv_collector_cpu);
    machine_pass(&machine);
    nv_write_file(machine.dir, "proc/stat", "cpu0 7 0 8 9700 9 0 0 0 0 0\n");
    machine_pass(&machine);
    ck_assert_double_eq(seconds(&machine, "0", "user"), 0.07);
    ck_assert_double_eq(seconds(&machine, "0", "idle"), 97);
    ck_assert_double_eq(seconds(&machine, "0", "iowait"), 0.09);
    machine_end(&machine);
}
END_TEST

START_TEST(a_cpu_that_was_away_is_forgotten)
{
    struct machine machine;
    static const char both[] = "cpu0 9 0 0 100 0 0 0 0 0 0\ncpu300 100 0 0 100 0 0 0 0 0 0\n";

    machine_make(&machine);
    nv_write_file(machine.dir, "proc/stat", both);
    machine_start(&machine, &nv_collector_cpu);
    machine_pass(&machine);
    nv_write_file(machine.dir, "proc/stat", "cpu0 9 0 0 100 0 0 0 0 0 0\n");
    machine_pass(&machine);
    ck_assert(!nv_has_sample(machine.text, "node_cpu_seconds_total{cpu=\"300\",mode=\"user\"}"));
    nv_write_file(machine.dir, "proc/stat",
                  "cpu0 9 0 0 100 0 0 0 0 0 0\ncpu300 60 0 0 99 0 0 0 0 0 0\n");
    machine_pass(&machine);
    ck_assert_double_eq(seconds(&machine, "300", "user"), 0.6);
    machine_end(&machine);
}
END_TEST

static void add_throttled_cpu(const struct machine *machine, int cpu)
{
    static const char *const files[] = {"topology/physical_package_id", "topology/core_id",
                                        "thermal_throttle/core_throttle_count"};
    char path[128], text[16];

    for (size_t i = 0; i < NV_LEN(files); i++) {
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/%s", cpu, files[i]);
        snprintf(text, sizeof(text), "%d\n", i == 0 ? 0 : cpu);
        nv_write_file(machine->dir, path, text);
    }
}

START_TEST(a_cpu_that_comes_online_has_its_throttle_count_found)
{
    struct machine machine;

    machine_make(&machine);
    nv_write_file(machine.dir, "proc/stat", "cpu0 1 1 1 1\n");
    nv_write_file(machine.dir, "sys/devices/system/cpu/online", "0\n");
    add_throttled_cpu(&machine, 0);
    machine_start(&machine, &nv_collector_cpu);
    for (int i = 0; i < 6; i++)
        machine_pass(&machine);
    add_throttled_cpu(&machine, 5);
    machine_pass(&machine);
    ck_assert(
        !nv_has_sample(machine.text, "node_cpu_core_throttles_total{core=\"5\",package=\"0\"}"));
    nv_write_file(machine.dir, "sys/devices/system/cpu/online", "0,5\n");
    machine_pass(&machine);
    ck_assert_double_eq(
        nv_sample_of(machine.text, "node_cpu_core_throttles_total{core=\"5\",package=\"0\"}"), 5);
    machine_end(&machine);
}
END_TEST

START_TEST(a_cpufreq_driver_that_comes_late_is_found)
{
    static const char *const files[][2] = {
        {"related_cpus",                "0\n"            },
        {"scaling_driver",              "acpi-cpufreq\n" },
        {"scaling_setspeed",            "<unsupported>\n"},
        {"scaling_governor",            "ondemand\n"     },
        {"scaling_available_governors", "ondemand\n"     },
        {"scaling_cur_freq",            "1200000\n"      }
    };
    struct machine machine;
    char path[128];

    machine_make(&machine);
    nv_write_file(machine.dir, "sys/devices/system/cpu/offline", "\n");
    nv_write_file(machine.dir, "sys/devices/system/cpu/cpu0/topology/core_id", "0\n");
    machine_start(&machine, &nv_collector_cpufreq);
    for (int i = 0; i < 6; i++)
        machine_pass(&machine);
    ck_assert(!nv_has_sample(machine.text, "node_cpu_scaling_frequency_hertz{cpu=\"0\"}"));
    nv_write_file(machine.dir, "sys/devices/system/cpu/cpufreq/policy0/related_cpus", "0\n");
    for (size_t i = 0; i < NV_LEN(files); i++) {
        snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu0/cpufreq/%s", files[i][0]);
        nv_write_file(machine.dir, path, files[i][1]);
    }
    machine_pass(&machine);
    ck_assert_double_eq(nv_sample_of(machine.text, "node_cpu_scaling_frequency_hertz{cpu=\"0\"}"),
                        1.2e9);
    machine_end(&machine);
}
END_TEST

START_TEST(an_os_release_that_is_replaced_is_read_again)
{
    const struct timespec old[2] = {
        {1000, 0},
        {1000, 0}
    };
    struct machine machine;
    char path[512];

    machine_make(&machine);
    nv_write_file(machine.dir, "etc/os-release", "ID=old\nVERSION_ID=12\n");
    snprintf(path, sizeof(path), "%s/etc/os-release", machine.dir);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, old, 0), 0);
    machine_start(&machine, &nv_collector_os);
    machine_pass(&machine);
    ck_assert_double_eq(
        nv_sample_of(machine.text, "node_os_version{id=\"old\",id_like=\"\",name=\"\"}"), 12);
    nv_write_file(machine.dir, "etc/os-release", "ID=new\nVERSION_ID=13\n");
    machine_pass(&machine);
    ck_assert_double_eq(
        nv_sample_of(machine.text, "node_os_version{id=\"new\",id_like=\"\",name=\"\"}"), 13);
    ck_assert(!nv_has_sample(machine.text, "node_os_version{id=\"old\",id_like=\"\",name=\"\"}"));
    machine_end(&machine);
}
END_TEST

START_TEST(vmstat_names_may_change_their_places)
{
    struct machine machine;

    machine_make(&machine);
    nv_write_file(machine.dir, "proc/vmstat", "pgpgin 1\nnr_zone 2\npswpin 3\n");
    machine_start(&machine, &nv_collector_vmstat);
    machine_pass(&machine);
    nv_write_file(machine.dir, "proc/vmstat", "nr_zone 4\npswpin 5\npgpgout 6\n");
    machine_pass(&machine);
    ck_assert(!nv_has_sample(machine.text, "node_vmstat_pgpgin"));
    ck_assert(!nv_has_sample(machine.text, "node_vmstat_nr_zone"));
    ck_assert_double_eq(nv_sample_of(machine.text, "node_vmstat_pswpin"), 5);
    ck_assert_double_eq(nv_sample_of(machine.text, "node_vmstat_pgpgout"), 6);
    machine_end(&machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("passes");
    TCase *all = tcase_create("all");

    tcase_add_test(all, a_cpu_time_that_runs_backwards_is_held_by_itself);
    tcase_add_test(all, a_cpu_whose_idle_falls_by_three_seconds_counts_anew);
    tcase_add_test(all, a_cpu_that_was_away_is_forgotten);
    tcase_add_test(all, a_cpu_that_comes_online_has_its_throttle_count_found);
    tcase_add_test(all, a_cpufreq_driver_that_comes_late_is_found);
    tcase_add_test(all, an_os_release_that_is_replaced_is_read_again);
    tcase_add_test(all, vmstat_names_may_change_their_places);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
