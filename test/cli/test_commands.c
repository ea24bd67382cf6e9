/*
 * test_commands.c - which words are commands, and the status each mistake ends with. What they print is
 * compared by test/e2e/test_cli.py.
 */
#include "cli/cli.h"

#include <check.h>
#include <fcntl.h>
#include <unistd.h>

static const struct nv_collector *const builtins[] = {NULL};

/* Runs a command line with its output thrown away and nothing to read. */
#define RUN(...)                                                                                   \
    nv_cli_main(NV_LEN(((const char *const[]){"nodevitals", __VA_ARGS__})),                        \
                (const char *const[]){"nodevitals", __VA_ARGS__}, builtins)

static void silence(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    ck_assert_int_ge(null, 0);
    for (int fd = 0; fd <= 2; fd++)
        ck_assert_int_eq(dup2(null, fd), fd);
    close(null);
}

START_TEST(what_is_asked_for_ends_with_0)
{
    ck_assert_int_eq(RUN("--version"), 0);
    ck_assert_int_eq(RUN("--help"), 0);
    ck_assert_int_eq(RUN("agent", "--help"), 0);
    ck_assert_int_eq(RUN("collect", "--help-man"), 0);
    ck_assert_int_eq(RUN("check", "--help"), 0);
    ck_assert_int_eq(RUN("check", "metrics", "--help"), 0);
    ck_assert_int_eq(RUN("query", "--help"), 0);
}
END_TEST

START_TEST(what_is_no_command_ends_with_1)
{
    ck_assert_int_eq(RUN("agnet"), 1);
    ck_assert_int_eq(RUN("no-such-thing"), 1);
    ck_assert_int_eq(RUN("check"), 1);
    ck_assert_int_eq(RUN("check", "nothing"), 1);
    ck_assert_int_eq(RUN("check", "metrics", "file"), 1);
}
END_TEST

/* 1 is an empty answer. */
START_TEST(a_question_that_cannot_be_asked_ends_with_2)
{
    ck_assert_int_eq(RUN("query"), 2);
    ck_assert_int_eq(RUN("query", "up", "--no-such-flag"), 2);
    ck_assert_int_eq(RUN("query", "up", "--url=unix:/no/such/socket"), 2);
    ck_assert_int_eq(RUN("query", "up", "--storage.tsdb.path=/no/such/folder"), 2);
}
END_TEST

START_TEST(a_wrong_flag_ends_with_1_before_anything_starts)
{
    ck_assert_int_eq(RUN("--no-such-flag"), 1);
    ck_assert_int_eq(RUN("agent", "--log.level=none"), 1);
    ck_assert_int_eq(RUN("collect", "collect"), 1);
    ck_assert_int_eq(RUN("@/no/such/file"), 1);
    ck_assert_int_eq(RUN("collect", "--path.procfs=/no/such/folder"), 1);
    ck_assert_int_eq(RUN("collect", "--path.sysfs=/dev/null"), 1);
}
END_TEST

START_TEST(a_pass_without_collectors_is_a_pass)
{
    ck_assert_int_eq(RUN("collect"), 0);
    ck_assert_int_eq(RUN("collect", "--log.level=error"), 0);
}
END_TEST

START_TEST(nothing_on_standard_input_is_nothing_to_complain_about)
{
    ck_assert_int_eq(RUN("check", "metrics"), 0);
}
END_TEST

START_TEST(a_program_without_a_name_is_still_the_agent)
{
    static const char *const words[] = {"", "--version"};

    ck_assert_int_eq(nv_cli_main(2, words, builtins), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tcase = tcase_create("commands");

    tcase_add_checked_fixture(tcase, silence, NULL);
    tcase_add_test(tcase, what_is_asked_for_ends_with_0);
    tcase_add_test(tcase, what_is_no_command_ends_with_1);
    tcase_add_test(tcase, a_question_that_cannot_be_asked_ends_with_2);
    tcase_add_test(tcase, a_wrong_flag_ends_with_1_before_anything_starts);
    tcase_add_test(tcase, a_pass_without_collectors_is_a_pass);
    tcase_add_test(tcase, nothing_on_standard_input_is_nothing_to_complain_about);
    tcase_add_test(tcase, a_program_without_a_name_is_still_the_agent);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
