/*
 * test_diskstats.c - devices that come, go and change what udev says of them.
 */
#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "support/fixture.h"
#include "support/machine.h"

extern const struct nv_collector nv_collector_diskstats;

enum { TIMEOUT_MS = 5000 };

#define COLUMNS " 1 2 3 4 5 6 7 8 9 10 11\n"
#define INFO(device, minor, model)                                                                 \
    "node_disk_info{device=\"" device "\",major=\"8\",minor=\"" minor "\",model=\"" model          \
    "\",path=\"\",revision=\"\",rotational=\"0\",serial=\"\",wwn=\"\"}"

static const char *folder(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s", nv_temp_dir(), name);
    mkdir(path, 0755);
    return path;
}

/* Writes a file that looks as if it had been written at that time. */
static void write_at(const char *root, const char *name, const char *text, time_t mtime)
{
    const struct timespec times[] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
    char path[8200];

    nv_write_file(root, name, text);
    snprintf(path, sizeof(path), "%s/%s", root, name);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

START_TEST(a_changed_udev_file_is_noticed)
{
    const char *root = folder("udev-changes");

    nv_write_file(root, "proc/diskstats", "8 0 sda" COLUMNS);
    write_at(root, "udev/b8:0", "E:ID_MODEL=One\n", 1000);
    struct nv_machine *machine = nv_machine_new(&nv_collector_diskstats, root, NULL);
    ck_assert(nv_has_sample(nv_machine_pass(machine, TIMEOUT_MS), INFO("sda", "0", "One")));
    write_at(root, "udev/b8:0", "E:ID_MODEL=Two\n", 2000);
    const char *text = nv_machine_pass(machine, TIMEOUT_MS);
    ck_assert(nv_has_sample(text, INFO("sda", "0", "Two")));
    ck_assert(!nv_has_sample(text, INFO("sda", "0", "One")));
    nv_write_file(root, "udev/b8:0",
                  "E:ID_MODEL=Three\n"); /* just now, so that it is not yet kept */
    ck_assert(nv_has_sample(nv_machine_pass(machine, TIMEOUT_MS), INFO("sda", "0", "Three")));
    nv_write_file(root, "udev/b8:0", "E:ID_MODEL=Fours\n");
    ck_assert(nv_has_sample(nv_machine_pass(machine, TIMEOUT_MS), INFO("sda", "0", "Fours")));
    nv_machine_free(machine);
}
END_TEST

START_TEST(devices_come_and_go)
{
    const char *root = folder("hotplug");

    nv_write_file(root, "proc/diskstats", "8 0 sda" COLUMNS "8 16 sdb" COLUMNS "8 32 sdc" COLUMNS);
    write_at(root, "udev/b8:16", "E:ID_MODEL=B\n", 1000);
    struct nv_machine *machine = nv_machine_new(&nv_collector_diskstats, root, NULL);
    ck_assert(nv_has_sample(nv_machine_pass(machine, TIMEOUT_MS), INFO("sdb", "16", "B")));
    nv_write_file(root, "proc/diskstats", "8 48 sdd" COLUMNS "8 32 sdc" COLUMNS "8 16 sdb" COLUMNS);
    const char *text = nv_machine_pass(machine, TIMEOUT_MS);
    ck_assert(nv_has_sample(text, INFO("sdd", "48", "")));
    ck_assert(nv_has_sample(text, INFO("sdc", "32", "")));
    ck_assert(nv_has_sample(text, INFO("sdb", "16", "B")));
    ck_assert(!nv_has_sample(text, INFO("sda", "0", "")));
    nv_write_file(root, "proc/diskstats", "8 0 sdb" COLUMNS); /* another device of that name */
    text = nv_machine_pass(machine, TIMEOUT_MS);
    ck_assert(nv_has_sample(text, INFO("sdb", "0", "")));
    ck_assert(!nv_has_sample(text, INFO("sdb", "16", "B")));
    nv_machine_free(machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("diskstats");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_changed_udev_file_is_noticed);
    tcase_add_test(all, devices_come_and_go);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
