/*
 * test_filesystem.c - file systems that are there, and mounts that come and go.
 */
#include <check.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "support/fixture.h"
#include "support/machine.h"

extern const struct nv_collector nv_collector_filesystem;

enum { TIMEOUT_MS = 5000, MANY = 5000 };

static const char *folder(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s", nv_temp_dir(), name);
    mkdir(path, 0755);
    return path;
}

START_TEST(figures_are_those_of_statfs)
{
    const char *root = folder("figures");
    struct statfs now;

    nv_write_file(root, "root/mnt/a b/file", "");
    nv_write_file(root, "proc/1/mountinfo", "7 1 8:1 / /mnt/a\\040b ro - ext4 /dev/x rw\n");
    struct nv_machine *machine = nv_machine_new(&nv_collector_filesystem, root, NULL);
    const char *text = nv_machine_pass(machine, TIMEOUT_MS);
    ck_assert_int_eq(statfs(root, &now), 0);
#define LABELS "device=\"/dev/x\",device_error=\"\",fstype=\"ext4\",mountpoint=\"/mnt/a b\""
    ck_assert_double_eq(nv_sample_of(text, "node_filesystem_size_bytes{" LABELS "}"),
                        (double)now.f_blocks * (double)now.f_bsize);
    ck_assert_double_eq(nv_sample_of(text, "node_filesystem_files{" LABELS "}"),
                        (double)now.f_files);
    ck_assert_double_eq(nv_sample_of(text, "node_filesystem_device_error{" LABELS "}"), 0);
    ck_assert_double_eq(nv_sample_of(text, "node_filesystem_readonly{" LABELS "}"), 1);
    ck_assert_double_eq(nv_sample_of(text, "node_filesystem_purgeable_bytes{" LABELS "}"), 0);
    ck_assert_double_eq(nv_sample_of(text,
                                     "node_filesystem_mount_info{device=\"/dev/x\",major=\"8\","
                                     "minor=\"1\",mountpoint=\"/mnt/a b\"}"),
                        1);
    nv_machine_free(machine);
}
END_TEST

/* What is mounted over a mount point has numbers of its own, but the figures of all are the topmost's. */
START_TEST(a_mount_over_its_like_adds_only_its_numbers)
{
    const char *root = folder("stacked");

    nv_write_file(root, "root/mnt/file", "");
    nv_write_file(root, "proc/1/mountinfo",
                  "7 1 0:41 / /mnt rw - tmpfs tmpfs rw\n8 7 0:42 / /mnt ro - tmpfs tmpfs rw\n"
                  "9 8 0:41 / /mnt rw - tmpfs tmpfs rw\n");
    struct nv_machine *machine = nv_machine_new(&nv_collector_filesystem, root, NULL);
    const char *text = nv_machine_pass(machine, TIMEOUT_MS);
    ck_assert_double_eq(nv_sample_of(text,
                                     "node_filesystem_readonly{device=\"tmpfs\",device_error=\"\","
                                     "fstype=\"tmpfs\",mountpoint=\"/mnt\"}"),
                        0);
    ck_assert(nv_has_sample(text, "node_filesystem_mount_info{device=\"tmpfs\",major=\"0\","
                                  "minor=\"41\",mountpoint=\"/mnt\"}"));
    ck_assert(nv_has_sample(text, "node_filesystem_mount_info{device=\"tmpfs\",major=\"0\","
                                  "minor=\"42\",mountpoint=\"/mnt\"}"));
    nv_machine_free(machine);
}
END_TEST

START_TEST(a_changed_mountinfo_is_noticed)
{
    const char *root = folder("changes");

    nv_write_file(root, "proc/1/mountinfo", "7 1 8:1 / /nowhere/a rw - ext4 /dev/x rw\n");
    struct nv_machine *machine = nv_machine_new(&nv_collector_filesystem, root, NULL);
#define READ_ONLY(point)                                                                           \
    "node_filesystem_readonly{device=\"/dev/x\",device_error=\"no such file or directory\","       \
    "fstype=\"ext4\",mountpoint=\"" point "\"}"
    ck_assert_double_eq(nv_sample_of(nv_machine_pass(machine, TIMEOUT_MS), READ_ONLY("/nowhere/a")),
                        0);
    nv_write_file(root, "proc/1/mountinfo", "7 1 8:1 / /nowhere/a ro - ext4 /dev/x rw\n");
    ck_assert_double_eq(nv_sample_of(nv_machine_pass(machine, TIMEOUT_MS), READ_ONLY("/nowhere/a")),
                        1);
    nv_write_file(root, "proc/1/mountinfo", "broken\n");
    ck_assert(!nv_has_sample(nv_machine_pass(machine, TIMEOUT_MS), READ_ONLY("/nowhere/a")));
    nv_write_file(root, "proc/1/mountinfo", "7 1 8:1 / /nowhere/b rw - ext4 /dev/x rw\n");
    const char *text = nv_machine_pass(machine, TIMEOUT_MS);
    ck_assert(nv_has_sample(text, READ_ONLY("/nowhere/b")));
    ck_assert(!nv_has_sample(text, READ_ONLY("/nowhere/a")));
    nv_machine_free(machine);
}
END_TEST

static double pass_seconds(struct nv_machine *machine)
{
    struct timespec from, to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    nv_machine_pass(machine, TIMEOUT_MS);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9;
}

START_TEST(thousands_of_mounts_are_in_time)
{
    const char *root = folder("many");
    char *text = malloc(MANY * 128), *at = text, line[256];

    for (int i = 0; i < MANY; i++)
        at += snprintf(at, 128, "%d 1 8:%d / /mnt/%d rw,relatime shared:1 - ext4 /dev/sd%d rw\n",
                       i + 7, i, i, i);
    nv_write_file(root, "proc/1/mountinfo", text);
    for (int i = 0; i < MANY; i += MANY - 1) {
        snprintf(line, sizeof(line), "root/mnt/%d/file", i);
        nv_write_file(root, line, "");
    }
    struct nv_machine *machine = nv_machine_new(&nv_collector_filesystem, root, NULL);
    const char *got = nv_machine_pass(machine, TIMEOUT_MS);
    snprintf(line, sizeof(line),
             "node_filesystem_mount_info{device=\"/dev/"
             "sd%d\",major=\"8\",minor=\"%d\",mountpoint=\"/mnt/%d\"}",
             MANY - 1, MANY - 1, MANY - 1);
    ck_assert_double_eq(nv_sample_of(got, line), 1);
    double seconds = pass_seconds(machine);
    ck_assert_double_lt(seconds,
                        2); /* a quadratic search would take that with sanitizers, and more */
    nv_machine_free(machine);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("filesystem");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 60);
    tcase_add_test(all, figures_are_those_of_statfs);
    tcase_add_test(all, a_mount_over_its_like_adds_only_its_numbers);
    tcase_add_test(all, a_changed_mountinfo_is_noticed);
    tcase_add_test(all, thousands_of_mounts_are_in_time);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
