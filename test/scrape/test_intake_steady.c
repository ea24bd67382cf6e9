/*
 * test_intake_steady.c - what an intake costs: no memory for an unchanged target, little for each series, and bounds for those
 * who mean it no good.
 */
#include <check.h>

#include "support/heap.h"
#include "take_in.h"

static struct taker t;

static void setup(void)
{
    taker_begin(&t);
}

static void teardown(void)
{
    taker_end(&t);
}

/* Lines of so many pods, the first of them `from`; eight series each, with labels as long as cAdvisor's. */
enum { OF_A_POD = 8 };

static void pods_body(struct nv_buf *out, int from, int n, int64_t time_ms)
{
    nv_buf_reset(out);
    for (int family = 0; family < OF_A_POD; family++) {
        nv_buf_printf(out,
                      "# HELP container_family_%d Some help.\n# TYPE container_family_%d gauge\n",
                      family, family);
        for (int pod = from; pod < from + n; pod++) {
            nv_buf_printf(out,
                          "container_family_%d{container=\"app\",id=\"/kubepods.slice/"
                          "kubepods-burstable.slice/kubepods-burstable-pod%032d.slice/"
                          "cri-containerd-%064d.scope\",image=\"registry.example.com/app@sha256:"
                          "%064d\",name=\"%064d\",namespace=\"default\",pod=\"app-%d\"} %d.5",
                          family, pod, pod, pod, pod, pod, pod + family);
            if (time_ms)
                nv_buf_printf(out, " %lld", (long long)time_ms);
            nv_buf_char(out, '\n');
        }
    }
}

static int feed(int64_t time_ms, const struct nv_buf *body)
{
    nv_intake_begin(taker_intake(&t), NV_LIT(TEXT), time_ms);
    for (size_t at = 0; at < body->n; at += 16384)
        if (nv_intake_feed(t.intake, body->p + at, body->n - at < 16384 ? body->n - at : 16384) < 0)
            break;
    return nv_intake_end(t.intake);
}

START_TEST(an_unchanged_target_asks_for_no_memory)
{
    struct nv_buf body = NV_BUF(TAKER_MAX);
    size_t before = 0;

    t.scrape.honor_timestamps = _i; /* both ways */
    for (int i = 0; i < 20; i++) {
        pods_body(&body, 0, 100, i < 2 || !_i ? 0 : 1000 * i);
        if (i == 6)
            before = nv_heap_calls();
        size_t made = nv_heap_calls();
        int r = feed(1000 * i + 1, &body);
        nv_buf_reset(&t.sparse);
        taker_frame(&t);
        size_t calls = nv_heap_calls(); /* an assertion is another */
        ck_assert_int_eq(r, 0);
        if (nv_heap_counts() && i >= 6)
            ck_assert_uint_eq(calls, made);
    }
    ck_assert(before || !nv_heap_counts());
    ck_assert_uint_eq(nv_intake_told(t.intake)->added, 0);
    nv_buf_done(&body);
}
END_TEST

START_TEST(a_series_takes_little)
{
    struct nv_buf body = NV_BUF(TAKER_MAX);

    pods_body(&body, 0, 1000, 0);
    ck_assert_int_eq(feed(1000, &body), 0);
    taker_frame(&t);
    ck_assert_uint_eq(nv_intake_n_series(t.intake), 1000 * OF_A_POD);
    ck_assert_uint_lt(nv_intake_memory(t.intake) / (1000 * OF_A_POD), 400);
    nv_buf_done(&body);
}
END_TEST

START_TEST(pods_that_come_and_go_leave_nothing)
{
    struct nv_buf body = NV_BUF(TAKER_MAX);
    size_t most[2] = {0, 0}; /* in the first half, in the second */

    t.scrape.honor_timestamps = _i;
    for (int i = 0; i < 120; i++) {
        pods_body(&body, 10 * i, 100, _i ? 1000 * i + 1 : 0);
        ck_assert_int_eq(feed(1000 * i + 1, &body), 0);
        nv_buf_reset(&t.sparse);
        if (i % 16 == 0 && nv_intake_wants_renewal(t.intake))
            nv_intake_renew(t.intake);
        taker_frame(&t);
        size_t there = 0;
        for (size_t c = 0; c < t.frame->n_series; c++)
            there += nv_frame_has(t.frame, c);
        ck_assert_uint_eq(there, 5 + (_i ? 0 : 100 * OF_A_POD));
        ck_assert_double_eq(taker_report(&t, "scrape_series_added"), (i ? 10 : 100) * OF_A_POD);
        ck_assert_uint_lt(nv_intake_n_series(t.intake), 40 * 100 * OF_A_POD / 8);
        size_t bytes = nv_intake_memory(t.intake);
        if (bytes > most[i / 60])
            most[i / 60] = bytes;
    }
    ck_assert_uint_le(most[1], most[0] + most[0] / 8);
    nv_buf_done(&body);
}
END_TEST

/* Pages last for 64 scrapes: what a target of all new series leaves behind in these is bounded without one, and so that
 * the store has a column for each that is there. */
START_TEST(other_series_in_each_scrape_wait_for_no_page)
{
    static const int n[] = {10000, 60000};
    struct nv_buf body = NV_BUF(TAKER_MAX);
    int renewed = 0;

    for (int i = 0; i < 140000 / n[_i]; i++) {
        nv_buf_reset(&body);
        for (int k = 0; k < n[_i]; k++)
            nv_buf_printf(&body, "m{i=\"%d_%d\"} 1\n", i, k);
        ck_assert_int_eq(feed(1000 * i + 1, &body), 0);
        bool crowded = nv_intake_wants_renewal(t.intake) && nv_intake_is_crowded(t.intake);
        renewed += crowded;
        if (crowded)
            nv_intake_renew(t.intake);
        ck_assert_uint_lt(nv_intake_n_series(t.intake), 100000);
    }
    ck_assert_int_gt(renewed, 0);
    ck_assert_int_le(renewed, 3);
    nv_buf_done(&body);
}
END_TEST

START_TEST(a_new_generation_keeps_what_is_there)
{
    struct nv_buf body = NV_BUF(TAKER_MAX);

    t.scrape.expose = _i;
    pods_body(&body, 0, 100, 0);
    ck_assert_int_eq(feed(1000, &body), 0);
    pods_body(&body, 90, 20, 0);
    ck_assert_int_eq(feed(2000, &body), 0);
    taker_frame(&t);
    NV_AUTO_FREE char *before = strdup(taker_samples(&t));
    ck_assert(nv_intake_wants_renewal(t.intake));
    nv_intake_renew(t.intake);
    ck_assert(!nv_intake_wants_renewal(t.intake));
    taker_frame(&t);
    ck_assert_str_eq(taker_samples(&t), before);
    ck_assert_uint_eq(nv_intake_n_series(t.intake), 20 * OF_A_POD);
    ck_assert_int_eq(feed(3000, &body), 0);
    taker_frame(&t);
    ck_assert_str_eq(taker_samples(&t), before);
    ck_assert_double_eq(taker_report(&t, "scrape_series_added"), 0);
    nv_buf_done(&body);
}
END_TEST

/* ---- those who mean no good ----------------------------------------------------------------- */

START_TEST(an_endless_line_is_cut_off)
{
    static char many[65536];
    int r = 0;
    size_t fed = 0;

    memset(many, 'a', sizeof(many));
    nv_intake_begin(taker_intake(&t), NV_LIT(TEXT), 1000);
    for (; r == 0 && fed < (size_t)4 * NV_INTAKE_LINE_MAX; fed += sizeof(many))
        r = nv_intake_feed(t.intake, many, sizeof(many));
    ck_assert_int_eq(r, -EBADMSG);
    ck_assert_uint_le(fed, NV_INTAKE_LINE_MAX + 2 * sizeof(many));
    ck_assert_str_eq(taker_error(&t), "a line is longer than 1048576 bytes");
    ck_assert_uint_lt(nv_intake_memory(t.intake), 1 << 17);
    taker_frame(&t);
    ck_assert_double_eq(taker_report(&t, "up"), 0);
}
END_TEST

START_TEST(a_million_series_are_too_many_and_leave_nothing)
{
    struct nv_buf body = NV_BUF(TAKER_MAX);
    int r = 0;

    ck_assert_int_eq(taker_scrape(&t, 500, TEXT, "good 1\n"), 0);
    nv_intake_begin(taker_intake(&t), NV_LIT(TEXT), 1000);
    for (int i = 0; r == 0 && i < 1000000; i += 1000) {
        nv_buf_reset(&body);
        for (int k = 0; k < 1000; k++)
            nv_buf_printf(&body, "evil{n=\"%d\"} 1\n", i + k);
        r = nv_intake_feed(t.intake, body.p, body.n);
    }
    ck_assert_int_eq(r, -EBADMSG);
    ck_assert_str_eq(taker_error(&t), "more than 262144 samples");
    taker_frame(&t);
    ck_assert_str_eq(taker_samples(&t), "");
    ck_assert_uint_le(nv_intake_n_series(t.intake), 1);
    ck_assert_uint_lt(nv_intake_memory(t.intake), 16 << 20);
    ck_assert_int_eq(taker_scrape(&t, 2000, TEXT, "good 1\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "good{instance=\"i\",job=\"j\"} 1\n");
    nv_buf_done(&body);
}
END_TEST

START_TEST(samples_beyond_the_limit_get_no_column)
{
    struct nv_buf body = NV_BUF(TAKER_MAX);

    t.scrape.limits.samples = 10;
    for (int k = 0; k < 5000; k++)
        nv_buf_printf(&body, "evil{n=\"%d\"} 1\n", k);
    ck_assert_int_eq(feed(1000, &body), -EBADMSG);
    ck_assert_uint_eq(nv_intake_told(t.intake)->samples, 5000);
    ck_assert_uint_le(nv_intake_n_series(t.intake), 10);
    nv_buf_done(&body);
}
END_TEST

START_TEST(help_that_is_never_the_same_stays_within_its_bound)
{
    struct nv_buf body = NV_BUF(TAKER_MAX);

    for (int i = 0; i < 100; i++) {
        nv_buf_reset(&body);
        for (int k = 0; k < 1000; k++)
            nv_buf_printf(&body, "# HELP a%d %0500d\n# TYPE a%d gauge\n", k, i, k);
        nv_buf_text(&body, "a1 1\n");
        ck_assert_int_eq(feed(1000 * i + 1, &body), 0);
    }
    ck_assert_uint_lt(nv_intake_memory(t.intake), 24 << 20);
    nv_buf_done(&body);
}
END_TEST

START_TEST(a_label_that_no_store_can_hold_is_left_out)
{
    struct nv_buf body = NV_BUF(TAKER_MAX);

    nv_buf_printf(&body, "a{x=\"%070000d\"} 1\nb 2\n", 7);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(feed(1000 + i, &body), 0);
        taker_frame(&t);
        ck_assert_str_eq(taker_samples(&t), "b{instance=\"i\",job=\"j\"} 2\n");
        ck_assert_uint_eq(nv_intake_told(t.intake)->refused, 1);
    }
    nv_buf_done(&body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("intake_steady");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_loop_test(all, an_unchanged_target_asks_for_no_memory, 0, 2);
    tcase_add_test(all, a_series_takes_little);
    tcase_add_loop_test(all, pods_that_come_and_go_leave_nothing, 0, 2);
    tcase_add_loop_test(all, other_series_in_each_scrape_wait_for_no_page, 0, 2);
    tcase_add_loop_test(all, a_new_generation_keeps_what_is_there, 0, 2);
    tcase_add_test(all, an_endless_line_is_cut_off);
    tcase_add_test(all, a_million_series_are_too_many_and_leave_nothing);
    tcase_add_test(all, samples_beyond_the_limit_get_no_column);
    tcase_add_test(all, help_that_is_never_the_same_stays_within_its_bound);
    tcase_add_test(all, a_label_that_no_store_can_hold_is_left_out);
    suite_add_tcase(suite, all);
    tcase_set_timeout(all, 60);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
