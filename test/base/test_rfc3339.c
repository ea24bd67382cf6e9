/*
 * test_rfc3339.c - moments as text and back.
 */
#include "base/rfc3339.h"

#include <check.h>
#include <nodevitals/collector.h>
#include <time.h>

static const struct {
    int64_t ns;
    const char *ms_text, *ns_text;
} moments[] = {
    {0,                            "1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00Z"          },
    {INT64_C(1767323045678000000), "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"      },
    {INT64_C(1767323045000000009), "2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05.000000009Z"},
    {INT64_C(-1000000),            "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"      },
    {INT64_C(951782400000000000),  "2000-02-29T00:00:00.000Z", "2000-02-29T00:00:00Z"          },
    {INT64_C(4107542399000000000), "2100-02-28T23:59:59.000Z", "2100-02-28T23:59:59Z"          },
};

START_TEST(a_moment_is_written_and_read_back)
{
    char text[NV_RFC3339_MAX];
    int64_t ms = 1;

    ck_assert_uint_eq(nv_rfc3339_ms(text, moments[_i].ns / 1000000), strlen(moments[_i].ms_text));
    ck_assert_str_eq(text, moments[_i].ms_text);
    ck_assert(nv_rfc3339_read(nv_str(text), &ms));
    ck_assert_int_eq(ms, moments[_i].ns / 1000000);
    ck_assert_uint_eq(nv_rfc3339_ns(text, moments[_i].ns), strlen(moments[_i].ns_text));
    ck_assert_str_eq(text, moments[_i].ns_text);
}
END_TEST

/* gmtime_r() is the measure, over some thousands of years. */
START_TEST(every_day_agrees_with_the_c_library)
{
    for (int64_t day = -719528; day < 2932896; day += 97) {
        char ours[NV_RFC3339_MAX], theirs[NV_RFC3339_MAX];
        int64_t ms = 0;
        time_t t = day * 86400 + (day & 0xffff);
        struct tm tm;

        ck_assert_ptr_nonnull(gmtime_r(&t, &tm));
        (void)strftime(theirs, sizeof(theirs), "-%m-%dT%H:%M:%S.000Z", &tm);
        nv_rfc3339_ms(ours, t * 1000);
        ck_assert_str_eq(ours + 4, theirs);
        ck_assert(nv_rfc3339_read(nv_str(ours), &ms));
        ck_assert_int_eq(ms, t * 1000);
    }
}
END_TEST

START_TEST(offsets_and_long_fractions_are_read)
{
    int64_t ms;

    ck_assert(nv_rfc3339_read(nv_str("2026-01-02T04:34:05.67891+01:30"), &ms));
    ck_assert_int_eq(ms, INT64_C(1767323045678));
    ck_assert(nv_rfc3339_read(nv_str("2026-01-01t22:04:05-05:00"), &ms));
    ck_assert_int_eq(ms, INT64_C(1767323045000));
}
END_TEST

static const char *const none[] = {
    "",
    "2026",
    "2026-01-02",
    "2026-01-02T03:04:05",
    "2026-01-02T03:04:05.Z",
    "2026-13-02T03:04:05Z",
    "2026-02-29T03:04:05Z",
    "2026-01-02T24:04:05Z",
    "2026-01-02T03:04:05Zx",
    "2026-01-02T03:04:05+1:00",
    "2026-01-02T03:04:05+24:00",
    "26-01-02T03:04:05Z",
    "2026-01-0xT03:04:05Z",
    "1767323045",
};

START_TEST(anything_else_is_refused)
{
    int64_t ms = 7;

    ck_assert(!nv_rfc3339_read(nv_str(none[_i]), &ms));
    ck_assert_int_eq(ms, 7);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/rfc3339");
    TCase *all = tcase_create("all");

    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 120);
    tcase_add_loop_test(all, a_moment_is_written_and_read_back, 0, NV_LEN(moments));
    tcase_add_test(all, every_day_agrees_with_the_c_library);
    tcase_add_test(all, offsets_and_long_fractions_are_read);
    tcase_add_loop_test(all, anything_else_is_refused, 0, NV_LEN(none));

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
