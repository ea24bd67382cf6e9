/*
 * test_codec_parts.c - times, sets, histograms and varints come back, and nothing that is not one is believed.
 */
#include "tsdb/codec.h"

#include <check.h>
#include <errno.h>

enum { ROWS = 500, WORDS = (ROWS + 63) / 64 };

static uint64_t state = 88172645463325252;

static uint64_t below(uint64_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % n;
}

/* ---- times ---------------------------------------------------------------------------------- */

static bool rising(const int64_t *times, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (times[i] <= times[i - 1])
            return false;
    }
    return true;
}

static size_t times_cost(const int64_t *times, size_t n, enum nv_codec_effort effort)
{
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(1 << 20);
    int64_t back[ROWS];

    ck_assert_int_eq(nv_codec_encode_times(codec, effort, times, n, &column), 0);
    ck_assert_int_eq(nv_codec_decode_times(codec, nv_buf_view(&column), back, n), 0);
    ck_assert_int_eq(memcmp(back, times, n * sizeof(*times)), 0);
    for (size_t less = 0; less < column.n; less++) {
        struct nv_str prefix = {column.p, less};
        ck_assert_int_eq(nv_codec_decode_times(codec, prefix, back, n), -EBADMSG);
    }
    for (size_t bit = 0; bit < 8 * column.n; bit++) {
        column.p[bit / 8] ^= (char)(1 << bit % 8);
        int r = nv_codec_decode_times(codec, nv_buf_view(&column), back, n);
        ck_assert(r == 0 || r == -EBADMSG);
        ck_assert(r < 0 || rising(back, n));
        column.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    return column.n;
}

START_TEST(a_regular_clock_costs_a_few_bytes)
{
    int64_t times[ROWS];

    for (size_t i = 0; i < ROWS; i++)
        times[i] = 1795158952125 + 15000 * (int64_t)i;
    ck_assert_uint_le(times_cost(times, ROWS, NV_CODEC_SMALL), 24);
    ck_assert_uint_le(times_cost(times, ROWS, NV_CODEC_FAST), 24);
    ck_assert_uint_le(times_cost(times, 1, NV_CODEC_FAST), 24);
    ck_assert_uint_le(times_cost(times, 2, NV_CODEC_FAST), 24);
}
END_TEST

START_TEST(gaps_and_jitter_come_back)
{
    int64_t times[ROWS], at = -5000;

    for (size_t i = 0; i < ROWS; i++)
        times[i] = at += 1000 + (int64_t)below(10) + (below(50) ? 0 : (int64_t)below(1 << 30));
    ck_assert_uint_le(times_cost(times, ROWS, NV_CODEC_SMALL), ROWS);
    times_cost(times, ROWS, NV_CODEC_FAST);
    for (size_t i = 0; i < ROWS; i++)
        times[i] = INT64_MIN + 1 + 1000 * (int64_t)(i * i);
    times_cost(times, ROWS, NV_CODEC_SMALL);
    times[0] = INT64_MIN;
    times[ROWS - 1] = INT64_MAX;
    times_cost(times, ROWS, NV_CODEC_SMALL);
    times_cost(times, ROWS, NV_CODEC_FAST);
}
END_TEST

/* ---- sets ----------------------------------------------------------------------------------- */

static size_t set_cost(const uint64_t *bits, size_t n)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);
    uint64_t back[WORDS];

    ck_assert_int_eq(nv_codec_encode_set(bits, n, &out), 0);
    nv_buf_text(&out, "behind");
    struct nv_str in = nv_buf_view(&out);
    ck_assert_int_eq(nv_codec_decode_set(&in, back, n), 0);
    ck_assert_uint_eq(in.n, 6);
    ck_assert_int_eq(memcmp(back, bits, (n + 63) / 64 * sizeof(*bits)), 0);
    for (size_t less = 0; less < out.n - 6; less++) {
        in = (struct nv_str){out.p, less};
        ck_assert_int_eq(nv_codec_decode_set(&in, back, n), -EBADMSG);
    }
    for (size_t bit = 0; bit < 8 * out.n; bit++) {
        out.p[bit / 8] ^= (char)(1 << bit % 8);
        in = nv_buf_view(&out);
        int r = nv_codec_decode_set(&in, back, n);
        ck_assert(r == 0 || r == -EBADMSG);
        out.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    return out.n - 6;
}

START_TEST(empty_and_full_sets_cost_a_byte)
{
    uint64_t bits[WORDS] = {0};

    for (size_t n = 1; n <= ROWS; n++)
        ck_assert_uint_eq(set_cost(bits, n), 1);
    for (size_t n = 1; n <= ROWS; n++) {
        bits[(n - 1) / 64] |= UINT64_C(1) << (n - 1) % 64;
        ck_assert_uint_eq(set_cost(bits, n), 1);
    }
}
END_TEST

START_TEST(sets_of_any_density_come_back)
{
    for (int round = 0; round < 300; round++) {
        uint64_t bits[WORDS] = {0};
        size_t n = 1 + below(ROWS), run = 1 + below(80);
        bool in = false;
        for (size_t i = 0; i < n; i++) {
            in = below(run) ? in : !in;
            bits[i / 64] |= (uint64_t)in << i % 64;
        }
        ck_assert_uint_le(set_cost(bits, n), 4 + n / 8);
    }
}
END_TEST

/* ---- histograms ----------------------------------------------------------------------------- */

enum { SPANS = 3, BUCKETS = 9 };

static const struct nv_span spans[SPANS] =
    {
        {-2, 4},
        {3,  1},
        {0,  4}
},
                            other_spans[1] = {{7, 9}};
static const double bounds[2] = {0.5, 2.5};

struct sample {
    struct nv_histogram h;
    double positive[BUCKETS], negative[BUCKETS];
};

static void make_histograms(struct sample *at, const struct nv_histogram **list, size_t n)
{
    struct sample now = {0};

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < BUCKETS; k++) {
            now.positive[k] += (double)below(3);
            now.negative[k] += below(20) ? 0 : 1;
        }
        now.h = (struct nv_histogram){
            .schema = i < n / 2 ? 3 : 2,
            .reset_hint = i == 0 ? NV_RESET_UNKNOWN : NV_RESET_NO,
            .zero_threshold = 0x1p-128,
            .zero_count = (double)(i / 3),
            .count = (double)i * 20,
            .sum = (double)i / 7,
            .positive_spans = i < n / 3 ? spans : other_spans,
            .n_positive_spans = i < n / 3 ? SPANS : 1,
            .n_positive = BUCKETS,
            .negative_spans = spans,
            .n_negative_spans = SPANS,
            .n_negative = BUCKETS,
        };
        at[i] = now;
        at[i].h.positive = at[i].positive;
        at[i].h.negative = at[i].negative;
        list[i] = &at[i].h;
        if (i % 50 == 30)
            at[i].h = (struct nv_histogram){.sum = nv_stale()};
        if (i % 50 == 40)
            at[i].h = (struct nv_histogram){.schema = NV_HISTOGRAM_CUSTOM,
                                            .is_float = true,
                                            .positive = at[i].positive,
                                            .positive_spans = spans,
                                            .n_positive_spans = SPANS,
                                            .n_positive = BUCKETS,
                                            .custom_values = bounds,
                                            .n_custom = 2};
        if (i % 50 == 45)
            list[i] = NULL;
    }
}

static bool same(const void *a, const void *b, size_t n)
{
    return !n || memcmp(a, b, n) == 0;
}

static void assert_same(const struct nv_histogram *a, const struct nv_histogram *b)
{
    ck_assert_int_eq(!a, !b);
    if (!a)
        return;
    ck_assert_int_eq(a->schema, b->schema);
    ck_assert_uint_eq(a->reset_hint, b->reset_hint);
    ck_assert_int_eq(a->is_float, b->is_float);
    ck_assert(same(&a->zero_threshold, &b->zero_threshold, 4 * sizeof(double)));
    ck_assert_uint_eq(a->n_positive_spans, b->n_positive_spans);
    ck_assert_uint_eq(a->n_negative_spans, b->n_negative_spans);
    ck_assert(same(a->positive_spans, b->positive_spans, a->n_positive_spans * sizeof(*spans)));
    ck_assert(same(a->negative_spans, b->negative_spans, a->n_negative_spans * sizeof(*spans)));
    ck_assert_uint_eq(a->n_positive, b->n_positive);
    ck_assert_uint_eq(a->n_negative, b->n_negative);
    ck_assert(same(a->positive, b->positive, a->n_positive * sizeof(double)));
    ck_assert(same(a->negative, b->negative, a->n_negative * sizeof(double)));
    ck_assert_uint_eq(a->n_custom, b->n_custom);
    ck_assert(same(a->custom_values, b->custom_values, a->n_custom * sizeof(double)));
}

START_TEST(histograms_come_back) /* looped: _i is the effort */
{
    static struct sample samples[ROWS];
    const struct nv_histogram *list[ROWS], *back[ROWS];
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(1 << 20);
    struct nv_arena arena = NV_ARENA(16 << 20);

    make_histograms(samples, list, ROWS);
    ck_assert_int_eq(nv_codec_encode_histograms(codec, _i, list, ROWS, &column), 0);
    ck_assert_uint_le(column.n, 60 * ROWS);
    ck_assert_int_eq(nv_codec_decode_histograms(codec, nv_buf_view(&column), &arena, back, ROWS),
                     0);
    for (size_t i = 0; i < ROWS; i++)
        assert_same(list[i], back[i]);
    nv_arena_done(&arena);
}
END_TEST

START_TEST(damaged_histograms_are_refused_or_decode_to_something)
{
    static struct sample samples[ROWS];
    const struct nv_histogram *list[ROWS], *back[ROWS];
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(1 << 20);
    struct nv_arena arena = NV_ARENA(1 << 20);
    size_t n = 48;

    make_histograms(samples, list, n);
    ck_assert_int_eq(nv_codec_encode_histograms(codec, NV_CODEC_SMALL, list, n, &column), 0);
    for (size_t less = 0; less < column.n; less += 1 + below(9)) {
        struct nv_str prefix = {column.p, less};
        nv_arena_reset(&arena);
        ck_assert_int_eq(nv_codec_decode_histograms(codec, prefix, &arena, back, n), -EBADMSG);
    }
    for (size_t bit = below(8); bit < 8 * column.n; bit += 1 + below(15)) {
        column.p[bit / 8] ^= (char)(1 << bit % 8);
        nv_arena_reset(&arena);
        int r = nv_codec_decode_histograms(codec, nv_buf_view(&column), &arena, back, n);
        ck_assert(r == 0 || r == -EBADMSG || r == -ENOMEM);
        column.p[bit / 8] ^= (char)(1 << bit % 8);
    }
    nv_arena_done(&arena);
}
END_TEST

START_TEST(a_histogram_whose_spans_and_buckets_disagree_is_not_encoded)
{
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(1 << 20);
    double buckets[BUCKETS] = {0};
    struct nv_histogram h = {
        .positive_spans = spans, .n_positive_spans = 2, .positive = buckets, .n_positive = BUCKETS};
    const struct nv_histogram *list[] = {&h};

    ck_assert_int_eq(nv_codec_encode_histograms(codec, NV_CODEC_FAST, list, 1, &column), -EINVAL);
}
END_TEST

/* ---- varints -------------------------------------------------------------------------------- */

START_TEST(varints_of_every_width_come_back)
{
    for (unsigned width = 0; width < 64; width++) {
        NV_AUTO_BUF out = NV_BUF(64);
        uint64_t value = UINT64_C(1) << width, u;
        int64_t i, j;
        nv_put_uvarint(&out, value - 1);
        nv_put_varint(&out, (int64_t)value);
        nv_put_varint(&out, -(int64_t)(value - 1));
        struct nv_str in = nv_buf_view(&out);
        ck_assert(nv_get_uvarint(&in, &u) && nv_get_varint(&in, &i) && nv_get_varint(&in, &j));
        ck_assert(u == value - 1 && i == (int64_t)value && j == -(int64_t)(value - 1));
        ck_assert_uint_eq(in.n, 0);
        ck_assert(!nv_get_uvarint(&in, &u));
    }
}
END_TEST

START_TEST(a_varint_of_more_than_64_bits_is_refused)
{
    struct nv_str most = nv_str("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    struct nv_str more = nv_str("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
    struct nv_str longer = nv_str("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
    uint64_t value;

    ck_assert(nv_get_uvarint(&most, &value) && value == UINT64_MAX);
    ck_assert(!nv_get_uvarint(&more, &value));
    ck_assert(!nv_get_uvarint(&longer, &value));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/codec_parts");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_regular_clock_costs_a_few_bytes);
    tcase_add_test(tests, gaps_and_jitter_come_back);
    tcase_add_test(tests, empty_and_full_sets_cost_a_byte);
    tcase_add_test(tests, sets_of_any_density_come_back);
    tcase_add_loop_test(tests, histograms_come_back, NV_CODEC_FAST, NV_CODEC_SMALL + 1);
    tcase_add_test(tests, damaged_histograms_are_refused_or_decode_to_something);
    tcase_add_test(tests, a_histogram_whose_spans_and_buckets_disagree_is_not_encoded);
    tcase_add_test(tests, varints_of_every_width_come_back);
    tcase_add_test(tests, a_varint_of_more_than_64_bits_is_refused);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
