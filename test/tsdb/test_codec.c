/*
 * test_codec.c - columns come back bit for bit, and nothing that is not one is believed.
 */
#include "tsdb/codec.h"

#include <check.h>
#include <errno.h>
#include <math.h>

enum { MOST = 4000 };

static uint64_t state = 88172645463325252;

static uint64_t random_u64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t below(uint64_t n)
{
    return random_u64() % n;
}

static double of_bits(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

/* ---- kinds of columns: value number i, `x` kept from one to the next ------------------------- */

static double constant(double *x, size_t i)
{
    *x = i ? *x : (double)below(1000) / 8;
    return *x;
}

static double counter(double *x, size_t i)
{
    (void)i;
    return *x += (double)below(5000);
}

static double idle_counter(double *x, size_t i)
{
    (void)i;
    return *x += below(20) ? 0 : (double)below(100);
}

static double counter_with_resets(double *x, size_t i)
{
    (void)i;
    return *x = below(300) ? *x + (double)below(100) : 0;
}

static double milliseconds(double *x, size_t i)
{
    (void)i;
    return (*x += (double)below(300)) * 0.001;
}

static double centiseconds(double *x, size_t i)
{
    (void)i;
    return (*x += (double)below(300)) / 100;
}

static double nanoseconds(double *x, size_t i)
{
    (void)x;
    (void)i;
    return (double)below(3000000000) * 1e-9;
}

static double micro_micro(double *x, size_t i)
{
    (void)i;
    return (*x += (double)below(300)) / 1000 / 1000;
}

static double pages(double *x, size_t i)
{
    (void)i;
    return *x += (double)below(9) * 4096 - 4 * 4096;
}

static double binary_fraction(double *x, size_t i)
{
    (void)x;
    (void)i;
    return ((double)below(1 << 20) - (1 << 19)) / (1 << 14);
}

static double walk(double *x, size_t i)
{
    (void)i;
    return *x += sin((double)random_u64());
}

static double any_bits(double *x, size_t i)
{
    (void)x;
    (void)i;
    return of_bits(random_u64());
}

static double edges(double *x, size_t i)
{
    static const uint64_t bits[] = {
        0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x800fffffffffffff,
        0x7ff0000000000000, 0xfff0000000000000, 0x7ff0000000000002, 0x7ff8000000000001,
        0xfff8dead00000001, 0x7fefffffffffffff, 0xffefffffffffffff, 0x4340000000000000,
        0x4340000000000001, 0x433fffffffffffff, 0xc340000000000000, 0x43e0000000000000,
        0xc3e0000000000000, 0x43dfffffffffffff, 0x3ff0000000000000, 0x3fb999999999999a,
    };
    (void)x;
    (void)i;
    return of_bits(bits[below(NV_LEN(bits))]);
}

static double counter_gone_stale(double *x, size_t i)
{
    (void)i;
    *x += (double)below(100);
    return below(200) ? *x : nv_stale();
}

static double negative_zero_among(double *x, size_t i)
{
    (void)x;
    (void)i;
    return below(100) ? (double)below(3) : -0.0;
}

static double huge(double *x, size_t i)
{
    (void)i;
    *x = *x < 0x1p53 ? 0x1p53 - 100 : *x;
    return *x += (double)below(8);
}

static double beyond_int64(double *x, size_t i)
{
    (void)i;
    *x = *x < 0x1p62 ? 0x1p63 : *x;
    return *x += (double)below(8) * 2048 - 4 * 2048;
}

static double two_states(double *x, size_t i)
{
    (void)i;
    *x = below(50) ? *x : !*x;
    return *x;
}

static double sawtooth(double *x, size_t i)
{
    (void)x;
    return (double)(i % 60) * 3 + (double)below(2);
}

static double negative(double *x, size_t i)
{
    (void)i;
    return *x -= (double)below(4);
}

static double single(double *x, size_t i)
{
    (void)i;
    return (float)(*x += sin((double)random_u64()));
}

static double extremes(double *x, size_t i)
{
    (void)x;
    (void)i;
    return below(2) ? -0x1p63 : 0x1.fffffffffffffp62;
}

static double regular(double *x, size_t i)
{
    (void)x;
    return 1.7e9 + 15 * (double)i;
}

/* As bits, near the least integer there is, and all a multiple of 1000 and the same. */
static double least_bits(double *x, size_t i)
{
    (void)x;
    (void)i;
    return of_bits(UINT64_MAX - 1 - 1000 * below(1000));
}

static double percentage(double *x, size_t i)
{
    (void)x;
    (void)i;
    return 100 * ((double)below(100) / 1537);
}

static double whole_but_few(double *x, size_t i)
{
    (void)x;
    (void)i;
    return (double)below(16) / (below(50) ? 1 : 16);
}

typedef double (*kind)(double *x, size_t i);
static const kind kinds[] = {
    constant,
    counter,
    idle_counter,
    counter_with_resets,
    milliseconds,
    centiseconds,
    nanoseconds,
    micro_micro,
    pages,
    binary_fraction,
    walk,
    any_bits,
    edges,
    counter_gone_stale,
    negative_zero_among,
    huge,
    beyond_int64,
    two_states,
    sawtooth,
    negative,
    single,
    extremes,
    regular,
    whole_but_few,
    least_bits,
    percentage,
};

static void make(kind each, double *values, size_t n)
{
    double x = 0;

    for (size_t i = 0; i < n; i++)
        values[i] = each(&x, i);
}

static size_t some_length(void)
{
    static const size_t lengths[] = {1, 2, 3, 5, 15, 16, 17, 63, 64, 65, 255, 1000, MOST};

    return lengths[below(NV_LEN(lengths))];
}

static void assert_returns(enum nv_codec_effort effort, const double *values, size_t n,
                           const double *base)
{
    static double back[MOST + 1];
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO(nv_codec) *other = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(1 << 20);
    bool used = false;

    ck_assert_int_eq(nv_codec_encode(codec, effort, values, n, base, &used, &column), 0);
    ck_assert_uint_eq(nv_codec_faults(codec), 0);
    ck_assert_uint_le(column.n, 9 * n + 16);
    ck_assert_int_eq(nv_codec_needs_base(nv_buf_view(&column)), used);
    back[n] = 42;
    ck_assert_int_eq(nv_codec_decode(other, nv_buf_view(&column), used ? base : NULL, back, n), 0);
    ck_assert_int_eq(memcmp(back, values, n * sizeof(*back)), 0);
    ck_assert(back[n] == 42);
}

START_TEST(every_kind_of_column_comes_back_bit_for_bit) /* looped: _i is a kind */
{
    static double values[MOST];

    for (int round = 0; round < 30; round++) {
        size_t n = some_length();
        make(kinds[_i], values, n);
        assert_returns(NV_CODEC_FAST, values, n, NULL);
        assert_returns(NV_CODEC_SMALL, values, n, NULL);
    }
}
END_TEST

START_TEST(a_column_beside_any_other_comes_back_bit_for_bit) /* looped: _i is a kind */
{
    static double values[MOST], base[MOST];

    for (size_t other = 0; other < NV_LEN(kinds); other++) {
        size_t n = some_length();
        make(kinds[_i], values, n);
        make(kinds[other], base, n);
        assert_returns(NV_CODEC_SMALL, values, n, base);
        assert_returns(NV_CODEC_FAST, values, n, base);
    }
}
END_TEST

/* Decodes what may be anything, into n values with a guard behind them. */
static int decode_guarded(struct nv_codec *codec, struct nv_str column, const double *base,
                          size_t n)
{
    double *back = malloc(n * sizeof(*back)); /* its own block, so that a sanitizer sees its end */
    char *copy = malloc(column.n + !column.n);

    ck_assert(back && copy);
    memcpy(copy, column.p, column.n);
    int r = nv_codec_decode(codec, (struct nv_str){copy, column.n}, base, back, n);
    ck_assert(r == 0 || r == -EBADMSG);
    free(copy);
    free(back);
    return r;
}

static void encode(enum nv_codec_effort effort, const double *values, size_t n, const double *base,
                   struct nv_buf *out)
{
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    bool used = false;

    nv_buf_reset(out);
    ck_assert_int_eq(nv_codec_encode(codec, effort, values, n, base, &used, out), 0);
}

START_TEST(every_prefix_of_a_column_is_refused) /* looped: _i is a kind */
{
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(1 << 20);
    double values[70];

    for (int round = 0; round < 4; round++) {
        make(kinds[_i], values, NV_LEN(values));
        encode(round & 1, values, NV_LEN(values), NULL, &column);
        for (size_t n = 0; n < column.n; n++)
            ck_assert_int_eq(
                decode_guarded(codec, (struct nv_str){column.p, n}, NULL, NV_LEN(values)),
                -EBADMSG);
        nv_buf_char(&column, 0);
        ck_assert_int_eq(decode_guarded(codec, nv_buf_view(&column), NULL, NV_LEN(values)),
                         -EBADMSG);
    }
}
END_TEST

START_TEST(every_flipped_bit_is_refused_or_decodes_to_something) /* looped: _i is a kind */
{
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(1 << 20);
    double values[70], base[70] = {1, 2, 3};

    for (int round = 0; round < 4; round++) {
        make(kinds[_i], values, NV_LEN(values));
        encode(round & 1, values, NV_LEN(values), NULL, &column);
        for (size_t bit = 0; bit < 8 * column.n; bit++) {
            column.p[bit / 8] ^= (char)(1 << bit % 8);
            (void)decode_guarded(codec, nv_buf_view(&column), base, NV_LEN(values));
            (void)decode_guarded(codec, nv_buf_view(&column), NULL, 1 + below(300));
            column.p[bit / 8] ^= (char)(1 << bit % 8);
        }
    }
}
END_TEST

START_TEST(random_bytes_are_refused_or_decode_to_something)
{
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    double base[300] = {0};
    char bytes[64];

    for (int round = 0; round < 200000; round++) {
        size_t n = below(sizeof(bytes));
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(below(4) ? below(20) : random_u64());
        (void)decode_guarded(codec, (struct nv_str){bytes, n}, base, 1 + below(NV_LEN(base)));
    }
}
END_TEST

START_TEST(a_column_says_whether_it_needs_its_base)
{
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(1 << 20);
    double base[100], values[100], back[100];

    make(counter, base, NV_LEN(base));
    for (size_t i = 0; i < NV_LEN(base); i++)
        values[i] = base[i] * 0.001;
    encode(NV_CODEC_SMALL, values, NV_LEN(values), base, &column);
    ck_assert(nv_codec_needs_base(nv_buf_view(&column)));
    ck_assert_uint_le(column.n, 9);
    ck_assert_int_eq(nv_codec_decode(codec, nv_buf_view(&column), NULL, back, NV_LEN(back)),
                     -EBADMSG);
    encode(NV_CODEC_SMALL, values, NV_LEN(values), NULL, &column);
    ck_assert(!nv_codec_needs_base(nv_buf_view(&column)));
    ck_assert(!nv_codec_needs_base((struct nv_str){0}));
}
END_TEST

START_TEST(the_base_worth_trying_is_found)
{
    static double equal[MOST], times[MOST], like[MOST], unlike[MOST], values[MOST];
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF alone = NV_BUF(1 << 20), beside = NV_BUF(1 << 20);

    make(counter, values, MOST);
    make(counter, unlike, MOST);
    for (size_t i = 0; i < MOST; i++) {
        equal[i] = values[i];
        times[i] = values[i] / 512;
        like[i] = values[i] + (double)below(3);
    }
    const double *const bases[] = {unlike, like, times, equal};
    ck_assert_int_eq(nv_codec_choose_base(codec, values, MOST, bases, 4), 3);
    ck_assert_int_eq(nv_codec_choose_base(codec, values, MOST, bases, 3), 2);
    ck_assert_int_eq(nv_codec_choose_base(codec, values, MOST, bases, 2), 1);
    ck_assert_int_eq(nv_codec_choose_base(codec, values, MOST, bases, 1), -1);
    ck_assert_int_eq(nv_codec_choose_base(codec, values, MOST, bases, 0), -1);
    encode(NV_CODEC_SMALL, values, MOST, NULL, &alone);
    encode(NV_CODEC_SMALL, values, MOST, like, &beside);
    ck_assert_uint_le(beside.n * 3, alone.n);
}
END_TEST

/* A store of little bytes is what the codecs are for: a floor under each kind's cost, in bits a value. */
START_TEST(columns_are_as_small_as_their_noise)
{
    static const struct {
        kind kind;
        double bits;
    } table[] = {
        {constant,        0.03},
        {counter,         12.6},
        {idle_counter,    0.85},
        {milliseconds,    8.6 },
        {regular,         0.1 },
        {centiseconds,    8.6 },
        {pages,           3.5 },
        {binary_fraction, 20.5},
        {negative,        2.3 },
        {nanoseconds,     31.9},
        {two_states,      0.2 },
        {sawtooth,        3.2 },
    };
    static double values[MOST];
    NV_AUTO_BUF column = NV_BUF(1 << 20);

    for (size_t i = 0; i < NV_LEN(table); i++) {
        make(table[i].kind, values, MOST);
        encode(NV_CODEC_SMALL, values, MOST, NULL, &column);
        ck_assert_msg((double)column.n * 8 <= table[i].bits * MOST, "kind %zu: %.2f bits", i,
                      (double)column.n * 8 / MOST);
    }
}
END_TEST

START_TEST(a_column_of_the_most_rows_comes_back)
{
    enum { N = NV_CODEC_ROWS_MAX };
    double *values = calloc(N, sizeof(*values)), *back = calloc(N, sizeof(*back));
    NV_AUTO(nv_codec) *codec = nv_codec_new();
    NV_AUTO_BUF column = NV_BUF(16 << 20);
    bool used;

    for (size_t i = 0; i < NV_LEN(kinds); i++) {
        make(kinds[i], values, N);
        nv_buf_reset(&column);
        ck_assert_int_eq(nv_codec_encode(codec, NV_CODEC_SMALL, values, N, NULL, &used, &column),
                         0);
        ck_assert_int_eq(nv_codec_decode(codec, nv_buf_view(&column), NULL, back, N), 0);
        ck_assert_int_eq(memcmp(back, values, N * sizeof(*back)), 0);
    }
    ck_assert_uint_eq(nv_codec_faults(codec), 0);
    ck_assert_int_eq(nv_codec_decode(codec, nv_buf_view(&column), NULL, back, N + 1), -EBADMSG);
    ck_assert_int_eq(nv_codec_decode(codec, nv_buf_view(&column), NULL, back, 0), -EBADMSG);
    free(values);
    free(back);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/codec");
    TCase *tests = tcase_create("all");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_kind_of_column_comes_back_bit_for_bit, 0, NV_LEN(kinds));
    tcase_add_loop_test(tests, a_column_beside_any_other_comes_back_bit_for_bit, 0, NV_LEN(kinds));
    tcase_add_loop_test(tests, every_prefix_of_a_column_is_refused, 0, NV_LEN(kinds));
    tcase_add_loop_test(tests, every_flipped_bit_is_refused_or_decodes_to_something, 0,
                        NV_LEN(kinds));
    tcase_add_test(tests, random_bytes_are_refused_or_decode_to_something);
    tcase_add_test(tests, a_column_says_whether_it_needs_its_base);
    tcase_add_test(tests, the_base_worth_trying_is_found);
    tcase_add_test(tests, columns_are_as_small_as_their_noise);
    tcase_add_test(tests, a_column_of_the_most_rows_comes_back);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
