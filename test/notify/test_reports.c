/*
 * test_reports.c - what is told of the last tries of each way out.
 */
#include "notify/reports.h"

#include <check.h>
#include <stdio.h>

#include "config/notify_config.h"
#include "support/fixture.h"

static struct nv_reports reports;
static struct nv_report seen[4];
static size_t n_seen;

static void note(void *user, const struct nv_report *report)
{
    (void)user;
    ck_assert_ptr_null(report->receiver);
    if (n_seen < NV_LEN(seen))
        seen[n_seen] = *report;
    n_seen++;
}

static void look(const char *receiver)
{
    n_seen = 0;
    nv_reports_each(&reports, receiver, note, NULL);
}

static void put(const char *receiver, enum nv_way way, size_t index, int64_t at, const char *error)
{
    const struct nv_notify_receiver of = {.name = receiver};

    nv_reports_put(
        &reports,
        &(struct nv_notification){.receiver = &of, .way = way, .index = index, .now_ms = at},
        error);
}

START_TEST(each_way_has_the_error_of_its_last_try_and_counts_of_all)
{
    nv_reports_init(&reports);
    put("ops", NV_WAY_WEBHOOK, 0, 1000, "refused");
    put("ops", NV_WAY_WEBHOOK, 0, 2000, "refused again");
    put("ops", NV_WAY_WEBHOOK, 1, 3000, NULL);
    put("boss", NV_WAY_EMAIL, 0, 4000, NULL);
    look("ops");
    ck_assert_uint_eq(n_seen, 2);
    ck_assert_str_eq(nv_way_name(seen[0].way), "webhook");
    ck_assert_str_eq(seen[0].error, "refused again");
    ck_assert_uint_eq(seen[0].failed, 2);
    ck_assert_int_eq(seen[0].tried_ms, 2000);
    ck_assert_str_eq(seen[1].error, "");
    ck_assert_uint_eq(seen[1].told, 1);
    put("ops", NV_WAY_WEBHOOK, 0, 5000, NULL);
    look("ops");
    ck_assert_str_eq(seen[0].error, ""); /* it is well again */
    ck_assert_uint_eq(seen[0].failed, 2);
    look("boss");
    ck_assert_uint_eq(n_seen, 1);
    look("nobody");
    ck_assert_uint_eq(n_seen, 0);
    nv_reports_forget(&reports);
    look("ops");
    ck_assert_uint_eq(n_seen, 0);
    nv_reports_done(&reports);
}
END_TEST

START_TEST(more_ways_than_there_is_room_for_and_long_errors_are_cut)
{
    char error[2 * NV_REPORT_ERROR_MAX];

    memset(error, 'e', sizeof(error));
    error[sizeof(error) - 1] = '\0';
    nv_reports_init(&reports);
    for (size_t i = 0; i < NV_REPORTS_MAX + 10; i++)
        put("ops", NV_WAY_COMMAND, i, 1, error);
    look("ops");
    ck_assert_uint_eq(n_seen, NV_REPORTS_MAX);
    ck_assert_uint_eq(strlen(seen[0].error), NV_REPORT_ERROR_MAX - 1);
    put("ops", NV_WAY_COMMAND, 3, 2, NULL); /* those that have room go on */
    look("ops");
    ck_assert_uint_eq(seen[3].told, 1);
    nv_reports_done(&reports);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("notify/reports");
    TCase *all = tcase_create("all");

    suite_add_tcase(suite, all);
    tcase_add_test(all, each_way_has_the_error_of_its_last_try_and_counts_of_all);
    tcase_add_test(all, more_ways_than_there_is_room_for_and_long_errors_are_cut);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
