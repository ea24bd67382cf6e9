/*
 * test_read_message.c - messages of remote read, against bytes written by hand.
 */
#include <check.h>

#include <nodevitals/collector.h>

#include "web/read_message.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

/* Two matchers, a range, hints: step 5000, func "rate", start 1, end 2, range 60000. */
#define MATCHERS                                                                                   \
    "\x1a\x10\x12\x08__name__\x1a\x04load"                                                         \
    "\x1a\x0b\x08\x02\x12\x03"                                                                     \
    "cpu\x1a\x02.*"
#define HINTS "\x22\x11\x08\x88\x27\x12\x04rate\x18\x01\x20\x02\x38\xe0\xd4\x03"
#define QUERY "\x08\xe8\x07\x10\xd0\x0f" MATCHERS HINTS

static const struct nv_str good = BYTES("\x0a\x38" QUERY "\x10\x01\x10\x00");

static int parse(struct nv_str message, struct nv_arena *memory, struct nv_read_request *ret)
{
    char error[NV_READ_ERROR_MAX];

    return nv_read_request_parse(message, memory, ret, error);
}

START_TEST(a_query_is_its_range_and_its_matchers)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_read_request request;

    ck_assert_int_eq(parse(good, &memory, &request), 0);
    ck_assert_uint_eq(request.n, 1);
    const struct nv_read_query *query = &request.queries[0];
    ck_assert_int_eq(query->from_ms, 1000);
    ck_assert_int_eq(query->to_ms, 2000);
    ck_assert_uint_eq(query->n, 2);
    ck_assert_int_eq(query->matchers[0].op, NV_MATCH_EQUAL);
    ck_assert(nv_str_is(query->matchers[0].name, "__name__"));
    ck_assert(nv_str_is(query->matchers[0].value, "load"));
    ck_assert_int_eq(query->matchers[1].op, NV_MATCH_REGEX);
    ck_assert(nv_matcher_fits(&query->matchers[1], NV_LIT("7")));
    ck_assert_int_eq(request.kind, NV_READ_CHUNKS);
    nv_read_request_done(&request);
    nv_arena_done(&memory);
}
END_TEST

static const struct {
    struct nv_str message;
    int result;
    enum nv_read_kind kind;
} kinds[] = {
    {BYTES(""),                     0,        NV_READ_SAMPLES},
    {BYTES("\x10\x00"),             0,        NV_READ_SAMPLES},
    {BYTES("\x10\x01"),             0,        NV_READ_CHUNKS },
    {BYTES("\x10\x00\x10\x01"),     0,        NV_READ_SAMPLES}, /* the first wins */
    {BYTES("\x10\x07\x10\x01"),     0,        NV_READ_CHUNKS }, /* of those we have */
    {BYTES("\x12\x02\x01\x00"),     0,        NV_READ_CHUNKS }, /* packed */
    {BYTES("\x12\x02\x07\x00"),     0,        NV_READ_SAMPLES},
    {BYTES("\x10\x07"),             -ENOTSUP, NV_READ_SAMPLES},
    {BYTES("\x12\x01\x80"),         -EBADMSG, NV_READ_SAMPLES},
    {BYTES("\x15\x00\x00\x00\x00"), -EBADMSG, NV_READ_SAMPLES},
};

START_TEST(the_first_kind_of_answer_that_we_have_is_given)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_read_request request;

    ck_assert_int_eq(parse(kinds[_i].message, &memory, &request), kinds[_i].result);
    ck_assert_int_eq(request.kind, kinds[_i].kind);
    nv_read_request_done(&request);
    nv_arena_done(&memory);
}
END_TEST

static const struct nv_str bad[] = {
    BYTES("\x0a"),                              /* no length */
    BYTES("\x0a\x05\x08"),                      /* longer than there is */
    BYTES("\x08\x01"),                          /* a query that is a number */
    BYTES("\x02\x00"),                          /* field 0 */
    BYTES("\x0b\x0c"),                          /* a group */
    BYTES("\x0a\x02\x1a\x05"),                  /* a matcher cut short */
    BYTES("\x0a\x02\x18\x05"),                  /* one that is a number */
    BYTES("\x0a\x04\x1a\x02\x08\x04"),          /* an operator that there is not */
    BYTES("\x0a\x04\x1a\x02\x10\x04"),          /* a name that is a number */
    BYTES("\x0a\x07\x1a\x05\x08\x02\x1a\x01("), /* a bad expression */
    BYTES("\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
    BYTES("\x0a\x03\x0a\x01x"), /* a time that is a text */
};

START_TEST(what_is_no_request_is_refused)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_read_request request;

    ck_assert_int_eq(parse(bad[_i], &memory, &request), -EBADMSG);
    ck_assert_uint_eq(request.n, 0);
    nv_arena_done(&memory);
}
END_TEST

START_TEST(a_request_cut_anywhere_is_refused_or_shorter)
{
    for (size_t n = 0; n < good.n; n++) {
        struct nv_arena memory = NV_ARENA(1 << 20);
        struct nv_read_request request;
        int r = parse((struct nv_str){good.p, n}, &memory, &request);
        ck_assert_int_eq(r, n == 0 || n == good.n - 2 || n == good.n - 4 ? 0 : -EBADMSG);
        nv_read_request_done(&request);
        nv_arena_done(&memory);
    }
}
END_TEST

START_TEST(unknown_fields_are_passed_over)
{
    struct nv_str message =
        BYTES("\x79\x01\x02\x03\x04\x05\x06\x07\x08\x7d\x01\x02\x03\x04\x7a\x01x\x78\x01");
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_read_request request;

    ck_assert_int_eq(parse(message, &memory, &request), 0);
    ck_assert_uint_eq(request.n, 0);
    nv_arena_done(&memory);
}
END_TEST

START_TEST(queries_and_matchers_beyond_their_bounds_are_refused)
{
    NV_AUTO_BUF queries = NV_BUF(1 << 20), query = NV_BUF(1 << 20), message = NV_BUF(1 << 20);
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_read_request request;

    for (int i = 0; i <= NV_READ_QUERIES_MAX; i++)
        nv_buf_add(&queries, "\x0a\x00", 2);
    ck_assert_int_eq(parse(nv_buf_view(&queries), &memory, &request), -E2BIG);
    queries.n -= 2;
    ck_assert_int_eq(parse(nv_buf_view(&queries), &memory, &request), 0);
    ck_assert_uint_eq(request.n, NV_READ_QUERIES_MAX);
    nv_read_request_done(&request);

    for (int i = 0; i <= NV_READ_MATCHERS_MAX; i++)
        nv_buf_add(&query, "\x1a\x00", 2);
    nv_read_put_head(&message, 1, query.n);
    nv_buf_str(&message, nv_buf_view(&query));
    ck_assert_int_eq(parse(nv_buf_view(&message), &memory, &request), -E2BIG);
    nv_arena_done(&memory);
}
END_TEST

START_TEST(memory_that_ends_is_told)
{
    struct nv_arena memory = NV_ARENA(8);
    struct nv_read_request request;

    ck_assert_int_eq(parse(good, &memory, &request), -ENOMEM);
    nv_arena_done(&memory);
}
END_TEST

/* ---- answers -------------------------------------------------------------------------------- */

static const struct nv_label labels[] = {
    {NV_LIT("__name__"), NV_LIT("up")},
    {NV_LIT("job"),      NV_LIT("a") },
};

START_TEST(labels_are_messages_of_name_and_value)
{
    static const struct nv_str expected =
        BYTES("\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01"
              "a");
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    nv_read_put_labels(&out, labels, NV_LEN(labels));
    ck_assert(nv_str_eq(nv_buf_view(&out), expected));
}
END_TEST

START_TEST(samples_are_value_and_time)
{
    static const struct nv_str expected = BYTES("\x12\x0c\x09\0\0\0\0\0\0\xf0?\x10\xe8\x07"
                                                "\x12\x14\x09\0\0\0\0\0\0\0\0\x10"
                                                "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    int64_t times[] = {500, 1000, -1};
    double values[] = {9, 1, 0};
    const struct nv_samples samples = {.times = times, .values = values, .n = 3};
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    nv_read_put_samples(&out, &samples, 1, 2);
    ck_assert(nv_str_eq(nv_buf_view(&out), expected));
}
END_TEST

START_TEST(an_integer_histogram_goes_as_differences)
{
    static const struct nv_span span = {-1, 3};
    static const double counts[] = {4, 6, 3};
    static const struct nv_histogram histogram = {
        .schema = 1,
        .reset_hint = NV_RESET_NO,
        .zero_threshold = 0.5,
        .zero_count = 2,
        .count = 15,
        .sum = 1,
        .positive_spans = &span,
        .n_positive_spans = 1,
        .positive = counts,
        .n_positive = 3,
    };
    static const struct nv_str expected =
        BYTES("\x22\x28\x08\x0f\x19\0\0\0\0\0\0\xf0?\x20\x02\x29\0\0\0\0\0\0\xe0?\x30\x02"
              "\x5a\x04\x08\x01\x10\x03\x62\x03\x08\x04\x05\x70\x02\x78\xe8\x07");
    const struct nv_histogram *histograms[] = {&histogram};
    int64_t times[] = {1000};
    double values[] = {NAN};
    const struct nv_samples samples = {
        .times = times, .values = values, .histograms = histograms, .n = 1};
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    nv_read_put_samples(&out, &samples, 0, 1);
    ck_assert(nv_str_eq(nv_buf_view(&out), expected));
}
END_TEST

START_TEST(a_float_histogram_goes_as_counts_and_bounds)
{
    static const struct nv_span span = {0, 1};
    static const double count = 1.5, bound = 2;
    static const struct nv_histogram histogram = {
        .schema = NV_HISTOGRAM_CUSTOM,
        .is_float = true,
        .count = 1.5,
        .positive_spans = &span,
        .n_positive_spans = 1,
        .positive = &count,
        .n_positive = 1,
        .custom_values = &bound,
        .n_custom = 1,
    };
    static const struct nv_str expected =
        BYTES("\x22\x46\x11\0\0\0\0\0\0\xf8?\x19\0\0\0\0\0\0\0\0\x20\x69\x29\0\0\0\0\0\0\0\0"
              "\x39\0\0\0\0\0\0\0\0\x5a\x04\x08\x00\x10\x01\x6a\x08\0\0\0\0\0\0\xf8?\x70\x00"
              "\x78\xe8\x07\x82\x01\x08\0\0\0\0\0\0\0@");
    const struct nv_histogram *histograms[] = {&histogram};
    int64_t times[] = {1000};
    double values[] = {NAN};
    const struct nv_samples samples = {
        .times = times, .values = values, .histograms = histograms, .n = 1};
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    nv_read_put_samples(&out, &samples, 0, 1);
    ck_assert(nv_str_eq(nv_buf_view(&out), expected));
}
END_TEST

/* Two samples a chunk, of so many bytes. */
static size_t chunk_bytes;

static size_t encode(const struct nv_samples *samples, size_t from, struct nv_buf *out)
{
    nv_buf_char(out, 1);
    for (size_t i = 0; i < chunk_bytes; i++)
        nv_buf_char(out, 'c');
    return samples->n - from < 2 ? samples->n - from : 2;
}

static uint32_t checksum(uint32_t crc, const void *p, size_t n)
{
    (void)p;
    return crc + (uint32_t)n + UINT32_C(0x01020300);
}

static const struct nv_read_chunks chunks = {encode, checksum};

START_TEST(a_frame_has_length_checksum_and_chunks)
{
    static const struct nv_str expected = BYTES("\x1e\x01\x02\x03\x1e\x0a\x1a"
                                                "LL\x12\x0a\x08\x01\x10\x02\x18\x01\x22\x02"
                                                "cc\x12\x0a\x08\x03\x10\x03\x18\x01\x22\x02"
                                                "cc\x10\x05");
    int64_t times[] = {1, 2, 3};
    double values[] = {1, 2, 3};
    const struct nv_samples samples = {.times = times, .values = values, .n = 3};
    NV_AUTO_BUF out = NV_BUF(1 << 20);
    size_t from = 0;

    chunk_bytes = 2;
    nv_read_put_frame(&out, &chunks, 5, NV_LIT("LL"), &samples, &from);
    ck_assert_uint_eq(from, 3);
    ck_assert(nv_str_eq(nv_buf_view(&out), expected));
}
END_TEST

START_TEST(a_long_series_takes_several_frames)
{
    enum { N = 64 };
    int64_t times[N];
    double values[N] = {0};
    const struct nv_samples samples = {.times = times, .values = values, .n = N};
    NV_AUTO_BUF out = NV_BUF(16 << 20);
    size_t from = 0;
    unsigned frames = 0;

    for (size_t i = 0; i < N; i++)
        times[i] = (int64_t)i;
    chunk_bytes = 100000;
    for (; from < samples.n; frames++) {
        nv_buf_reset(&out);
        nv_read_put_frame(&out, &chunks, 0, NV_LIT("LL"), &samples, &from);
        ck_assert_int_eq(out.failed, 0);
        ck_assert_uint_lt(out.n, NV_READ_FRAME_MAX + 2 * chunk_bytes);
    }
    ck_assert_uint_eq(frames, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("read_message");
    TCase *tests = tcase_create("read_message");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_query_is_its_range_and_its_matchers);
    tcase_add_loop_test(tests, the_first_kind_of_answer_that_we_have_is_given, 0, NV_LEN(kinds));
    tcase_add_loop_test(tests, what_is_no_request_is_refused, 0, NV_LEN(bad));
    tcase_add_test(tests, a_request_cut_anywhere_is_refused_or_shorter);
    tcase_add_test(tests, unknown_fields_are_passed_over);
    tcase_add_test(tests, queries_and_matchers_beyond_their_bounds_are_refused);
    tcase_add_test(tests, memory_that_ends_is_told);
    tcase_add_test(tests, labels_are_messages_of_name_and_value);
    tcase_add_test(tests, samples_are_value_and_time);
    tcase_add_test(tests, an_integer_histogram_goes_as_differences);
    tcase_add_test(tests, a_float_histogram_goes_as_counts_and_bounds);
    tcase_add_test(tests, a_frame_has_length_checksum_and_chunks);
    tcase_add_test(tests, a_long_series_takes_several_frames);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
