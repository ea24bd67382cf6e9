/*
 * test_intake_proto.c - protobuf bodies, native histograms among them.
 */
#include <check.h>

#include "expo/wire.h"
#include "take_in.h"

static struct taker t;
static struct nv_buf body;
static struct nv_wire wire;
static size_t family_mark, metric_mark;
static int64_t native_ms; /* of native_body(); 0: none of its own */

static void setup(void)
{
    taker_begin(&t);
    body = NV_BUF(64 << 20);
    native_ms = 0;
    wire = (struct nv_wire){.out = &body, .form = NV_WIRE_BINARY};
}

static void teardown(void)
{
    taker_end(&t);
    nv_buf_done(&body);
}

#define F(n) ((struct nv_wire_field){n, ""})
#define L    "instance=\"i\",job=\"j\""

enum { COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM };

static void family(const char *name, uint32_t type)
{
    family_mark = nv_wire_begin(&wire);
    nv_wire_str(&wire, F(1), nv_str(name));
    nv_wire_str(&wire, F(2), NV_LIT("Some help."));
    nv_wire_enum(&wire, F(3), type, "");
}

static void family_end(void)
{
    nv_wire_end(&wire, family_mark);
}

static void metric(const char *label, const char *value)
{
    metric_mark = nv_wire_open(&wire, F(4));
    if (!label)
        return;
    size_t pair = nv_wire_open(&wire, F(1));
    nv_wire_str(&wire, F(1), nv_str(label));
    nv_wire_str(&wire, F(2), nv_str(value));
    nv_wire_close(&wire, pair);
}

static void metric_end(void)
{
    nv_wire_close(&wire, metric_mark);
}

static void single(uint32_t field, double value)
{
    size_t mark = nv_wire_open(&wire, F(field));
    nv_wire_double(&wire, F(1), value);
    nv_wire_close(&wire, mark);
}

static void bucket(double bound, uint64_t count)
{
    size_t mark = nv_wire_open(&wire, F(3));
    nv_wire_u64(&wire, F(1), count);
    nv_wire_double(&wire, F(2), bound);
    nv_wire_close(&wire, mark);
}

static void span(uint32_t field, int32_t offset, uint32_t length)
{
    size_t mark = nv_wire_open(&wire, F(field));
    nv_wire_zigzag(&wire, F(1), offset);
    nv_wire_u64(&wire, F(2), length);
    nv_wire_close(&wire, mark);
}

static int scrape(int64_t time_ms)
{
    return taker_scrape_bytes(&t, time_ms, PROTO, body.p, body.n);
}

/* A body of everything but native histograms. */
static void plain_body(void)
{
    family("c_total", COUNTER);
    metric("x", "1");
    single(3, 1.5);
    metric_end();
    metric("x", "2");
    single(3, 2.5);
    nv_wire_i64(&wire, F(6), 9000);
    metric_end();
    family_end();
    family("g", GAUGE);
    metric(NULL, NULL);
    single(2, -1);
    metric_end();
    family_end();
    family("u", UNTYPED);
    metric(NULL, NULL);
    single(5, 7);
    metric_end();
    family_end();
    family("s", SUMMARY);
    metric(NULL, NULL);
    size_t s = nv_wire_open(&wire, F(4));
    nv_wire_u64(&wire, F(1), 5);
    nv_wire_double(&wire, F(2), 12.5);
    size_t q = nv_wire_open(&wire, F(3));
    nv_wire_double(&wire, F(1), 1);
    nv_wire_double(&wire, F(2), 3);
    nv_wire_close(&wire, q);
    nv_wire_close(&wire, s);
    metric_end();
    family_end();
    family("h", HISTOGRAM);
    metric("x", "1");
    size_t h = nv_wire_open(&wire, F(7));
    nv_wire_u64(&wire, F(1), 4);
    nv_wire_double(&wire, F(2), 8);
    bucket(1, 2);
    bucket(2.5, 3);
    nv_wire_close(&wire, h);
    metric_end();
    family_end();
}

START_TEST(families_become_the_series_text_would_have)
{
    plain_body();
    for (t.cut = 0; t.cut < 4; t.cut++) {
        ck_assert_msg(scrape(10000 + (int64_t)t.cut) == 0, "%s", taker_error(&t));
        ck_assert_str_eq(taker_samples(&t), "c_total{" L ",x=\"1\"} 1.5\n"
                                            "g{" L "} -1\n"
                                            "h_bucket{" L ",le=\"+Inf\",x=\"1\"} 4\n"
                                            "h_bucket{" L ",le=\"1.0\",x=\"1\"} 2\n"
                                            "h_bucket{" L ",le=\"2.5\",x=\"1\"} 3\n"
                                            "h_count{" L ",x=\"1\"} 4\n"
                                            "h_sum{" L ",x=\"1\"} 8\n"
                                            "s_count{" L "} 5\n"
                                            "s_sum{" L "} 12.5\n"
                                            "s{" L ",quantile=\"1.0\"} 3\n"
                                            "u{" L "} 7\n");
        ck_assert_str_eq(taker_sparse(&t), t.cut ? "" : "c_total{" L ",x=\"2\"} 2.5 @9000\n");
        ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 12);
        ck_assert_double_eq(taker_report(&t, "scrape_series_added"), t.cut ? 0 : 12);
    }
    struct nv_metadata *metadata = nv_intake_metadata(t.intake);
    ck_assert_uint_eq(metadata->n, 5);
    ck_assert_str_eq(metadata->at[0].type, "counter");
    ck_assert(nv_str_is(metadata->at[4].help, "Some help."));
    nv_metadata_unref(metadata);
}
END_TEST

START_TEST(a_body_cut_short_anywhere_is_seen_whole_or_not_at_all)
{
    plain_body();
    size_t n = body.n, good = 0;
    for (size_t i = 1; i < n; i++) {
        body.n = i;
        good += scrape(1000 + (int64_t)i) == 0;
        ck_assert(t.frame && (taker_report(&t, "up") == 1 || taker_samples(&t)[0] == '\0'));
    }
    ck_assert_uint_eq(good, 4); /* between two families */
    body.n = n;
}
END_TEST

/* Three buckets on each side, in a histogram with buckets of the classic kind beside. */
static void native_body(uint32_t type, bool is_float)
{
    family("n", type);
    metric(NULL, NULL);
    size_t h = nv_wire_open(&wire, F(7));
    if (is_float)
        nv_wire_double(&wire, F(4), 10.5);
    else
        nv_wire_u64(&wire, F(1), 10);
    nv_wire_double(&wire, F(2), 21);
    bucket(1, 4);
    nv_wire_zigzag(&wire, F(5), 3);
    nv_wire_double(&wire, F(6), 0.001);
    if (is_float)
        nv_wire_double(&wire, F(8), 1.5);
    else
        nv_wire_u64(&wire, F(7), 1);
    span(9, -2, 1);
    span(12, 0, 0);
    span(12, 1, 2);
    span(12, 3, 1);
    for (int i = 0; i < 3; i++) {
        static const int64_t deltas[] = {1, 1, 2};
        if (is_float)
            nv_wire_double(&wire, F(14), 2);
        else
            nv_wire_zigzag(&wire, F(13), deltas[i]);
    }
    if (is_float)
        nv_wire_double(&wire, F(11), 3);
    else
        nv_wire_zigzag(&wire, F(10), 2);
    nv_wire_close(&wire, h);
    if (native_ms)
        nv_wire_i64(&wire, F(6), native_ms);
    metric_end();
    family_end();
}

#define POSITIVE " +1:1,2 +3:4"

START_TEST(native_histograms_are_values)
{
    t.scrape.scrape_native_histograms = true;
    native_body(HISTOGRAM, false);
    for (t.cut = 0; t.cut < 3; t.cut++) {
        ck_assert_msg(scrape(1000 + (int64_t)t.cut) == 0, "%s", taker_error(&t));
        ck_assert_str_eq(taker_samples(&t),
                         "n{" L "} {schema 3 count 10 sum 21 zero 1/0.001" POSITIVE " --2:2}\n");
        ck_assert_double_eq(taker_report(&t, "scrape_samples_scraped"), 1);
    }
}
END_TEST

START_TEST(native_histograms_that_are_not_wanted_are_classic)
{
    native_body(HISTOGRAM, false);
    ck_assert_int_eq(scrape(1000), 0);
    ck_assert_str_eq(taker_samples(&t), "n_bucket{" L ",le=\"+Inf\"} 10\nn_bucket{" L
                                        ",le=\"1.0\"} 4\nn_count{" L "} 10\nn_sum{" L "} 21\n");
}
END_TEST

START_TEST(both_kinds_may_be_wanted)
{
    t.scrape.scrape_native_histograms = t.scrape.always_scrape_classic_histograms = true;
    native_body(GAUGE_HISTOGRAM, true);
    for (int i = 0; i < 2; i++) {
        ck_assert_msg(scrape(1000 + i) == 0, "%s", taker_error(&t));
        ck_assert_str_eq(
            taker_samples(&t),
            "n_bucket{" L ",le=\"+Inf\"} 10.5\nn_bucket{" L ",le=\"1.0\"} 4\nn_count{" L
            "} 10.5\nn_sum{" L "} 21\n"
            "n{" L "} {float schema 3 gauge count 10.5 sum 21 zero 1.5/0.001 +1:2,2 +3:2 --2:3}\n");
    }
}
END_TEST

/* Its sum is no value of it. Repeats of one are shown as long as the target tells them. */
START_TEST(an_exposed_histogram_with_a_time_of_its_own_is_one)
{
    struct nv_frame *frames[NV_INTAKE_EXPOSED_MAX];

    t.scrape.scrape_native_histograms = t.scrape.expose = true;
    native_ms = 900;
    native_body(HISTOGRAM, false);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(scrape(1000 + i) == 0, "%s", taker_error(&t));
        ck_assert_uint_eq(nv_intake_exposed(t.intake, frames), 2);
        ck_assert(nv_frame_has(frames[1], 0) && frames[1]->histograms[0]);
        ck_assert_double_eq(frames[1]->histograms[0]->count, 10);
        nv_frame_unref(frames[0]);
        nv_frame_unref(frames[1]);
    }
    ck_assert_int_eq(taker_scrape(&t, 2000, TEXT, "n 5 900\n"), 0);
    ck_assert_uint_eq(nv_intake_exposed(t.intake, frames), 2);
    ck_assert(!nv_frame_has(frames[1], 0)); /* neither what it was nor what came late */
    nv_frame_unref(frames[0]);
    nv_frame_unref(frames[1]);
}
END_TEST

START_TEST(a_series_may_be_a_histogram_and_then_a_number)
{
    t.scrape.scrape_native_histograms = true;
    native_body(HISTOGRAM, false);
    ck_assert_int_eq(scrape(1000), 0);
    ck_assert_int_eq(taker_scrape(&t, 2000, TEXT, "n 5\n"), 0);
    ck_assert_str_eq(taker_samples(&t), "n{" L "} 5\n");
    ck_assert_int_eq(scrape(3000), 0);
    ck_assert_str_eq(taker_samples(&t),
                     "n{" L "} {schema 3 count 10 sum 21 zero 1/0.001" POSITIVE " --2:2}\n");
}
END_TEST

/* What stands in the message of a histogram, and why that is refused. */
static const struct {
    int32_t schema;
    uint64_t count;
    int32_t second_offset;
    uint32_t length;
    int64_t delta;
    const char *error;
} bad_native[] = {
    {0, 2, 1,  1, 1,  NULL                                                                       },
    {9, 2, 1,  1, 1,  "histogram has an invalid schema"                                          },
    {0, 3, 1,  1, 1,
     "histogram's observation count should equal the number of observations found in the buckets"},
    {0, 2, -1, 1, 1,  "histogram has a span that goes backwards, or counts that are none"        },
    {0, 2, 1,  9, 1,  "histogram spans specify different number of buckets than provided"        },
    {0, 2, 1,  1, -1, "histogram has a bucket whose observation count is negative"               },
};

START_TEST(impossible_histograms_fail_the_scrape)
{
    t.scrape.scrape_native_histograms = true;
    family("n", HISTOGRAM);
    metric(NULL, NULL);
    size_t h = nv_wire_open(&wire, F(7));
    nv_wire_u64(&wire, F(1), bad_native[_i].count);
    nv_wire_zigzag(&wire, F(5), bad_native[_i].schema);
    span(12, 0, 1);
    span(12, bad_native[_i].second_offset, bad_native[_i].length);
    nv_wire_zigzag(&wire, F(13), bad_native[_i].delta);
    nv_wire_zigzag(&wire, F(13), 0);
    nv_wire_close(&wire, h);
    metric_end();
    family_end();
    int r = scrape(1000);
    ck_assert_int_eq(r, bad_native[_i].error ? -EBADMSG : 0);
    ck_assert_str_eq(taker_error(&t), bad_native[_i].error ? bad_native[_i].error : "");
}
END_TEST

START_TEST(stale_markers_say_that_a_series_is_gone)
{
    family("g", GAUGE);
    metric(NULL, NULL);
    single(2, nv_stale());
    metric_end();
    metric("x", "1");
    single(2, (double)NAN);
    metric_end();
    family_end();
    ck_assert_int_eq(scrape(1000), 0);
    ck_assert_str_eq(taker_samples(&t), "g{" L ",x=\"1\"} NaN\n");
}
END_TEST

static void lone_family(const char *name, uint32_t type, const char *label)
{
    family(name, type);
    metric(label, "1");
    metric_end();
    family_end();
}

START_TEST(impossible_families_fail_the_scrape)
{
    lone_family("", GAUGE, NULL);
    ck_assert_int_eq(scrape(1000), -EBADMSG);
    ck_assert_str_eq(taker_error(&t), "invalid metric name: \"\"");
    nv_buf_reset(&body);
    lone_family("g", 17, NULL);
    ck_assert_int_eq(scrape(2000), -EBADMSG);
    ck_assert_str_eq(taker_error(&t), "unknown metric type for metric \"g\"");
    nv_buf_reset(&body);
    lone_family("g", GAUGE, "\xff");
    ck_assert_int_eq(scrape(3000), -EBADMSG);
    ck_assert_str_eq(taker_error(&t), "invalid metric name or label names: \"g\"");
}
END_TEST

START_TEST(a_family_without_end_is_refused_before_it_comes)
{
    nv_buf_add(&body, "\xff\xff\xff\xff\x0f", 5);
    ck_assert_int_eq(scrape(1000), -EBADMSG);
    ck_assert_str_eq(taker_error(&t), "a metric family takes more than 33554416 bytes");
    nv_buf_reset(&body);
    for (int i = 0; i < 12; i++)
        nv_buf_char(&body, '\xff');
    ck_assert_int_eq(scrape(2000), -EBADMSG);
    ck_assert_str_eq(taker_error(&t), "malformed protobuf message");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("intake_proto");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, families_become_the_series_text_would_have);
    tcase_add_test(all, a_body_cut_short_anywhere_is_seen_whole_or_not_at_all);
    tcase_add_test(all, native_histograms_are_values);
    tcase_add_test(all, native_histograms_that_are_not_wanted_are_classic);
    tcase_add_test(all, both_kinds_may_be_wanted);
    tcase_add_test(all, an_exposed_histogram_with_a_time_of_its_own_is_one);
    tcase_add_test(all, a_series_may_be_a_histogram_and_then_a_number);
    tcase_add_loop_test(all, impossible_histograms_fail_the_scrape, 0, NV_LEN(bad_native));
    tcase_add_test(all, stale_markers_say_that_a_series_is_gone);
    tcase_add_test(all, impossible_families_fail_the_scrape);
    tcase_add_test(all, a_family_without_end_is_refused_before_it_comes);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
