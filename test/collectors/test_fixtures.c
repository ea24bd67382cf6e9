/*
 * test_fixtures.c - every folder under fixtures/<collector> is a machine beside the expected.prom that the
 * collector must yield of it. To add a kernel, add a folder; C is for what that cannot say.
 */
#include <check.h>

#include "support/fixture.h"

extern const struct nv_collector *const nv_builtin_collectors[];

START_TEST(every_fixture_matches_its_golden_file) /* looped: _i is one collector */
{
    const struct nv_collector *collector = nv_builtin_collectors[_i];

    for (size_t i = 0; i < nv_fixture_count(collector->name); i++)
        nv_assert_golden(collector, i);
}
END_TEST

/* These read a bus, no files: test_systemd.c has a manager for them; or logs: test_kmsg.c, test_problems.c. */
static const char *const without_files[] = {"systemd", "logind", "kmsg", "journal"};

START_TEST(every_collector_has_a_fixture)
{
    const struct nv_collector *collector = nv_builtin_collectors[_i];

    for (size_t i = 0; i < NV_LEN(without_files); i++)
        if (strcmp(collector->name, without_files[i]) == 0)
            return;
    ck_assert_msg(nv_fixture_count(collector->name) > 0, "%s has no fixture", collector->name);
}
END_TEST

START_TEST(no_cut_or_garbled_file_breaks_a_collector)
{
    const struct nv_collector *collector = nv_builtin_collectors[_i];

    for (size_t i = 0; i < nv_fixture_count(collector->name); i++)
        nv_fixture_torture(collector, i);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fixtures");
    TCase *golden = tcase_create("golden"), *torture = tcase_create("torture");
    int n = 0;

    nv_quiet();
    while (nv_builtin_collectors[n])
        n++;
    tcase_set_timeout(golden, 60);
    tcase_set_timeout(torture, 240);
    tcase_add_loop_test(golden, every_fixture_matches_its_golden_file, 0, n);
    tcase_add_loop_test(golden, every_collector_has_a_fixture, 0, n);
    tcase_add_loop_test(torture, no_cut_or_garbled_file_breaks_a_collector, 0, n);
    suite_add_tcase(suite, golden);
    suite_add_tcase(suite, torture);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
