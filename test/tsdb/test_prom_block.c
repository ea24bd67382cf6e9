/*
 * test_prom_block.c - blocks for Prometheus, read back by promtool (Debian package prometheus) and, where
 * it does not print them, bit by bit; and OpenMetrics with timestamps.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "memory_queryable.h"
#include "support/fixture.h"
#include "tsdb/export.h"
#include "tsdb/fs.h"
#include "tsdb/prom_chunk.h"

enum { TEXT_MAX = 64 << 20 };

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct memory memory;

static bool has_promtool(void)
{
    return system("promtool --version >/dev/null 2>&1") == 0;
}

static double bits(uint64_t value)
{
    double d;

    memcpy(&d, &value, sizeof(d));
    return d;
}

/* Runs a command and takes what it prints. */
static void output_of(const char *command, struct nv_buf *out)
{
    FILE *pipe = popen(command, "r");
    char piece[65536];
    size_t n;

    ck_assert_ptr_nonnull(pipe);
    while ((n = fread(piece, 1, sizeof(piece), pipe)) > 0)
        nv_buf_add(out, piece, n);
    ck_assert_msg(pclose(pipe) == 0, "%s: %.*s", command, NV_ARGS(nv_buf_view(out)));
}

static int by_text(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

/* The lines in order of their bytes. */
static void sort_lines(struct nv_buf *text)
{
    NV_AUTO_BUF sorted = NV_BUF(TEXT_MAX);
    struct nv_str rest = nv_buf_view(text);
    size_t n = 0, room = text->n + 1;
    NV_AUTO_FREE struct nv_str *lines = calloc(room, sizeof(*lines));

    while (rest.n)
        lines[n++] = nv_str_cut(&rest, '\n');
    qsort(lines, n, sizeof(*lines), by_text);
    for (size_t i = 0; i < n; i++) {
        nv_buf_str(&sorted, lines[i]);
        nv_buf_char(&sorted, '\n');
    }
    nv_buf_reset(text);
    nv_buf_str(text, nv_buf_view(&sorted));
}

/* As `promtool tsdb dump` prints. */
static void expected_dump(const struct memory *m, struct nv_buf *out)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct memory_series *series = &m->series[i];
        for (size_t k = 0; k < series->samples.n; k++) {
            if (series->samples.histograms && series->samples.histograms[k])
                continue;
            for (size_t j = 0; j < series->n_labels; j++)
                nv_buf_printf(out, "%s%.*s=\"%.*s\"", j ? ", " : "{",
                              NV_ARGS(series->labels[j].name), NV_ARGS(series->labels[j].value));
            double value = series->samples.values[k];
            if (isnan(value))
                nv_buf_text(out, "} NaN");
            else if (isinf(value))
                nv_buf_text(out, value < 0 ? "} -Inf" : "} +Inf");
            else
                nv_buf_printf(out, "} %.17g", value);
            nv_buf_printf(out, " %lld\n", (long long)series->samples.times[k]);
        }
    }
    sort_lines(out);
}

/* The values of dump as %.17g: Go's %g is the shortest form. */
static void long_values(struct nv_buf *text)
{
    NV_AUTO_BUF out = NV_BUF(TEXT_MAX);

    for (struct nv_str rest = nv_buf_view(text); rest.n;) {
        struct nv_str line = nv_str_cut(&rest, '\n');
        size_t brace = line.n;
        double value;
        while (brace && line.p[brace - 1] != '}')
            brace--;
        struct nv_str tail = nv_str_from(line, brace + 1), number = nv_str_cut(&tail, ' ');
        nv_buf_add(&out, line.p, brace + 1);
        if (nv_str_to_real(number, &value) && isfinite(value))
            nv_buf_printf(&out, "%.17g", value);
        else
            nv_buf_str(&out, number);
        nv_buf_printf(&out, " %.*s\n", NV_ARGS(tail));
    }
    nv_buf_reset(text);
    nv_buf_str(text, nv_buf_view(&out));
    sort_lines(text);
}

static void export_to(const char *name, const struct nv_export_selector *selectors, size_t n,
                      char path[512], struct nv_export_stats *stats)
{
    const struct nv_export export = {.from = memory_ready(&memory),
                                     .selectors = selectors,
                                     .n_selectors = n,
                                     .from_ms = INT64_MIN,
                                     .to_ms = INT64_MAX};

    snprintf(path, 512, "%s/%s", nv_temp_dir(), name);
    ck_assert_int_eq(nv_export_prometheus(&export, path, stats), 0);
}

static void dump_is_what_was_exported(const char *name)
{
    NV_AUTO_BUF expected = NV_BUF(TEXT_MAX), got = NV_BUF(TEXT_MAX);
    struct nv_export_stats stats;
    char path[512], command[1024];

    if (!has_promtool()) {
        printf("SKIP: promtool is not installed\n");
        return;
    }
    export_to(name, NULL, 0, path, &stats);
    expected_dump(&memory, &expected);
    snprintf(command, sizeof(command), "promtool tsdb dump %s 2>&1", path);
    output_of(command, &got);
    long_values(&got);
    ck_assert_str_eq(nv_buf_c_string(&got), nv_buf_c_string(&expected));
}

static void set_up(void)
{
    memory_init(&memory);
}

static void tear_down(void)
{
    memory_done(&memory);
}

/* ---- doubles -------------------------------------------------------------------------------- */

static uint64_t next_random(void)
{
    static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

START_TEST(promtool_reads_the_same_samples_back)
{
    for (int s = 0; s < 40; s++) {
        char number[16];
        snprintf(number, sizeof(number), "%d", s);
        struct memory_series *series =
            memory_add(&memory, PAIRS("__name__", s % 3 ? "node_a_total" : "node_b", "device",
                                      number, "job", "n"));
        int64_t time_ms = 1700000000000 + s * 600000;
        double value = 0;
        for (int i = 0; i < 100 + s * 20; i++) {
            time_ms += s % 2 ? 15000 : 14990 + (int64_t)(next_random() % 20);
            value += s % 4 == 0   ? (double)(next_random() % 1000)
                     : s % 4 == 1 ? 0
                     : s % 4 == 2 ? (double)next_random() * 0x1p-64
                                  : 0.001 * (double)(next_random() % 5);
            memory_sample(series, time_ms, value);
        }
    }
    dump_is_what_was_exported("ordinary");
}
END_TEST

START_TEST(special_values_and_wild_times_survive)
{
    static const uint64_t values[] = {
        NV_STALE_BITS,      0x7ff8000000000001, 0x7ff0000000000000, 0xfff0000000000000, 0, 1,
        0x000fffffffffffff, 0x7fefffffffffffff, 0x3ff0000000000000, 0xffefffffffffffff};
    static const int64_t steps[] = {1,      8191,   8192, 8193,    65536, 65537,
                                    524288, 524289, 3,    6000000, 2,     7200000};
    struct memory_series *series = memory_add(&memory, PAIRS("__name__", "a"));
    int64_t time_ms = -20000000;

    memory_sample(series, time_ms, 1);
    for (int i = 0; i < 500; i++) {
        time_ms += steps[next_random() % NV_LEN(steps)];
        memory_sample(series, time_ms,
                      bits(values[i % 3 ? 1 + next_random() % (NV_LEN(values) - 1)
                                        : 0])); /* a marker ends something */
    }
    memory_sample(memory_add(&memory, PAIRS("__name__", "b", "x", "\xc3\xa4")), 5, 1);
    dump_is_what_was_exported("special");
}
END_TEST

/* There it may be all that ends a series. */
START_TEST(a_staleness_marker_that_begins_a_block_is_kept)
{
    struct memory_series *series = memory_add(&memory, PAIRS("__name__", "a"));

    memory_sample(series, 7200000 - 5000, 1);
    memory_sample(series, 7200000, nv_stale());
    dump_is_what_was_exported("marker");
}
END_TEST

START_TEST(blocks_are_aligned_to_two_hours_and_skip_what_is_empty)
{
    struct memory_series *series = memory_add(&memory, PAIRS("__name__", "a"));
    struct nv_export_stats stats;
    char path[512];

    memory_sample(series, 7200000 - 1, 1);
    memory_sample(series, 7200000, 2);
    memory_sample(series, 5 * 7200000 + 1, 3);
    export_to("aligned", NULL, 0, path, &stats);
    ck_assert_uint_eq(stats.blocks, 3);
    ck_assert_uint_eq(stats.samples, 3);
    ck_assert_uint_eq(stats.series, 1);
}
END_TEST

START_TEST(a_series_that_fits_two_selectors_is_written_once)
{
    struct nv_matcher matchers[] = {
        {NV_MATCH_EQUAL, NV_LIT("__name__"), NV_LIT("a"), NULL},
        {NV_MATCH_EQUAL, NV_LIT("x"),        NV_LIT("1"), NULL}
    };
    const struct nv_export_selector selectors[] = {
        {&matchers[0], 1},
        {&matchers[1], 1}
    };
    struct nv_export_stats stats;
    char path[512];

    memory_sample(memory_add(&memory, PAIRS("__name__", "a", "x", "1")), 1, 1);
    memory_sample(memory_add(&memory, PAIRS("__name__", "a", "x", "2")), 1, 1);
    memory_sample(memory_add(&memory, PAIRS("__name__", "b", "x", "1")), 1, 1);
    memory_sample(memory_add(&memory, PAIRS("__name__", "b", "x", "2")), 1, 1);
    export_to("selected", selectors, 2, path, &stats);
    ck_assert_uint_eq(stats.samples, 3);
}
END_TEST

START_TEST(what_is_damaged_is_left_out_and_counted)
{
    struct nv_export_stats stats;
    char path[512];

    memory_sample(memory_add(&memory, PAIRS("__name__", "a")), 1, 1);
    memory_sample(memory_add(&memory, PAIRS("__name__", "b")), 1, 1);
    memory_sample(memory_add(&memory, PAIRS("__name__", "c")), 1, 1);
    memory.series[1].damaged = true;
    export_to("damaged", NULL, 0, path, &stats);
    ck_assert_uint_eq(stats.samples, 2);
    ck_assert_uint_eq(stats.damaged, 1);
}
END_TEST

START_TEST(a_block_that_fails_leaves_nothing)
{
    struct memory_series *series = memory_add(&memory, PAIRS("__name__", "a"));
    const struct nv_queryable *queryable = memory_ready(&memory);
    struct nv_export export = {.from = queryable, .from_ms = INT64_MIN, .to_ms = INT64_MAX};
    struct nv_export_stats stats;
    char path[512];

    memory_sample(series, 1, 1);
    snprintf(path, sizeof(path), "%s/none/none", nv_temp_dir());
    ck_assert_int_eq(nv_export_prometheus(&export, path, &stats), -ENOENT);
    nv_write_file(nv_temp_dir(), "file", "");
    snprintf(path, sizeof(path), "%s/file", nv_temp_dir());
    ck_assert_int_eq(nv_export_prometheus(&export, path, &stats), -ENOTDIR);
}
END_TEST

/* ---- histograms ----------------------------------------------------------------------------- */

/* The chunk's bits, which promtool 2.42 does not print. */
struct reader {
    const unsigned char *p;
    size_t at, n; /* bits */
};

static uint64_t take(struct reader *r, unsigned n)
{
    uint64_t value = 0;

    for (; n; n--, r->at++) {
        ck_assert_uint_lt(r->at, r->n);
        value = value << 1 | (r->p[r->at / 8] >> (7 - r->at % 8) & 1);
    }
    return value;
}

static unsigned take_width(struct reader *r)
{
    static const unsigned widths[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};
    size_t ones = 0;

    while (ones < 8 && take(r, 1))
        ones++;
    return widths[ones];
}

static uint64_t take_uvarbit(struct reader *r)
{
    return take(r, take_width(r));
}

static int64_t take_varbit(struct reader *r)
{
    unsigned width = take_width(r);
    uint64_t value = take(r, width);

    if (width && width < 64 && value > UINT64_C(1) << (width - 1))
        value -= UINT64_C(1) << width;
    return (int64_t)value;
}

static uint64_t take_xor(struct reader *r, uint64_t before, unsigned window[2])
{
    if (!take(r, 1))
        return before;
    if (take(r, 1)) {
        window[0] = (unsigned)take(r, 5);
        unsigned width = (unsigned)take(r, 6);
        window[1] = 64 - window[0] - (width ? width : 64);
    }
    return before ^ take(r, 64 - window[0] - window[1]) << window[1];
}

static const struct nv_span spans[] =
    {
        {-2, 2},
        {3,  1}
},
                            other_spans[] = {{0, 3}};

/* A histogram of three positive buckets and a negative one. */
static struct nv_histogram *histogram(double a, double b, double c, double d, double sum)
{
    struct nv_histogram *h = nv_arena_alloc(&memory.arena, sizeof(*h));
    double *counts = nv_arena_alloc(&memory.arena, 4 * sizeof(*counts));

    counts[0] = a, counts[1] = b, counts[2] = c, counts[3] = d;
    *h = (struct nv_histogram){.schema = 3,
                               .zero_threshold = 0x1p-128,
                               .zero_count = 2,
                               .count = a + b + c + d + 2,
                               .sum = sum,
                               .positive_spans = spans,
                               .n_positive_spans = 2,
                               .negative_spans = spans + 1,
                               .n_negative_spans = 1,
                               .positive = counts,
                               .n_positive = 3,
                               .negative = counts + 3,
                               .n_negative = 1};
    return h;
}

static size_t chunk_of(struct memory_series *series, size_t from, struct nv_buf *out)
{
    nv_buf_reset(out);
    size_t n = nv_prom_chunk(&series->samples, from, out);
    ck_assert_int_eq(out->failed, 0);
    ck_assert_uint_eq((unsigned char)out->p[1] << 8 | (unsigned char)out->p[2], n);
    return n;
}

START_TEST(integer_histograms_read_back_from_their_bits)
{
    struct memory_series *series = memory_add(&memory, PAIRS("__name__", "h"));
    static const double counts[][4] = {
        {1, 2,  3,  4 },
        {2, 2,  4,  4 },
        {9, 20, 30, 40}
    };
    NV_AUTO_BUF out = NV_BUF(TEXT_MAX);

    for (int i = 0; i < 3; i++)
        memory_histogram(
            series, 1000 + i * i * 700,
            histogram(counts[i][0], counts[i][1], counts[i][2], counts[i][3], i * 1.5));
    memory_histogram(series, 9000, histogram(1, 1, 1, 1, nv_stale()));
    ck_assert_uint_eq(chunk_of(series, 0, &out), 4);
    ck_assert_uint_eq((unsigned char)out.p[0], 2);
    ck_assert_uint_eq((unsigned char)out.p[3], 0);

    struct reader r = {(const unsigned char *)out.p + 4, 0, (out.n - 4) * 8};
    ck_assert_uint_eq(take(&r, 8), 244 - 128);
    ck_assert_int_eq(take_varbit(&r), 3);
    ck_assert_uint_eq(take_uvarbit(&r), 2);
    ck_assert_uint_eq(take_uvarbit(&r), 2);
    ck_assert_int_eq(take_varbit(&r), -2);
    ck_assert_uint_eq(take_uvarbit(&r), 1);
    ck_assert_int_eq(take_varbit(&r), 3);
    ck_assert_uint_eq(take_uvarbit(&r), 1);
    ck_assert_uint_eq(take_uvarbit(&r), 1);
    ck_assert_int_eq(take_varbit(&r), 3);

    int64_t value[7] = {0}, change[7] = {0}; /* time, count, zero count, buckets */
    uint64_t sum = 0;
    unsigned window[2] = {0};
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 7; k++) {
            if (k == 3) {
                sum = i ? take_xor(&r, sum, window) : take(&r, 64);
                if (i == 3) {
                    ck_assert_uint_eq(sum, NV_STALE_BITS);
                    return;
                }
            }
            if (i == 0) {
                value[k] = k == 1 || k == 2 ? (int64_t)take_uvarbit(&r) : take_varbit(&r);
            } else {
                change[k] += take_varbit(&r);
                value[k] += change[k];
            }
        }
        ck_assert_double_eq(bits(sum), i * 1.5);
        ck_assert_int_eq(value[0], 1000 + i * i * 700);
        ck_assert_double_eq((double)value[1],
                            counts[i][0] + counts[i][1] + counts[i][2] + counts[i][3] + 2);
        ck_assert_int_eq(value[2], 2);
        ck_assert_double_eq((double)value[3], counts[i][0]);
        ck_assert_double_eq((double)(value[3] + value[4]), counts[i][1]);
        ck_assert_double_eq((double)(value[3] + value[4] + value[5]), counts[i][2]);
        ck_assert_double_eq((double)value[6], counts[i][3]);
    }
}
END_TEST

START_TEST(a_reset_a_new_layout_or_another_kind_begins_a_chunk)
{
    struct memory_series *series = memory_add(&memory, PAIRS("__name__", "h"));
    NV_AUTO_BUF out = NV_BUF(TEXT_MAX);
    static const size_t expected[] = {1, 2, 1, 1, 2, 2, 1, 1};
    struct nv_histogram *h;

    memory_histogram(series, 1, histogram(5, 5, 5, 5, 0));
    memory_histogram(series, 2, histogram(4, 9, 9, 9, 0)); /* fell */
    memory_histogram(series, 3, histogram(5, 9, 9, 9, 0));
    h = histogram(6, 9, 9, 9, 0);
    h->positive_spans = other_spans;
    h->n_positive_spans = 1;
    memory_histogram(series, 4, h);
    memory_sample(series, 5, 7);
    for (int i = 6; i < 8; i++) {
        h = histogram(8 - i, 1, 1, 1, 0);
        h->reset_hint = NV_RESET_GAUGE;
        memory_histogram(series, i, h);
    }
    for (int i = 8; i < 10; i++) {
        h = histogram(0.5, 1, 1, 1, 0);
        h->is_float = true;
        memory_histogram(series, i, h);
    }
    h = histogram(9, 9, 9, 9, 0);
    h->reset_hint = NV_RESET_YES;
    memory_histogram(series, 10, h);
    h = histogram(9, 9, 9, 9, 0);
    h->reset_hint = NV_RESET_YES;
    memory_histogram(series, 11, h);

    static const unsigned char kinds[] = {2, 2, 2, 1, 2, 3, 2, 2},
                               flags[] = {0, 0, 0, 0, 0xc0, 0, 0x80, 0x80};
    for (size_t i = 0, at = 0; i < NV_LEN(expected); at += expected[i++]) {
        ck_assert_uint_eq(chunk_of(series, at, &out), expected[i]);
        ck_assert_uint_eq((unsigned char)out.p[0], kinds[i]);
        if (kinds[i] != 1)
            ck_assert_uint_eq((unsigned char)out.p[3], flags[i]);
    }
}
END_TEST

START_TEST(a_chunk_holds_at_most_120_samples)
{
    struct memory_series *series = memory_add(&memory, PAIRS("__name__", "h"));
    NV_AUTO_BUF out = NV_BUF(TEXT_MAX);

    for (int i = 0; i < 121; i++)
        memory_sample(series, i, i);
    ck_assert_uint_eq(chunk_of(series, 0, &out), 120);
    ck_assert_uint_eq(chunk_of(series, 120, &out), 1);
}
END_TEST

/* ---- OpenMetrics ---------------------------------------------------------------------------- */

START_TEST(text_is_ordered_timed_and_exact)
{
    static const char expected[] = "a{x=\"1\"} -0 -0.001\n"
                                   "a{x=\"1\"} naN 1700000000.123\n"
                                   "a{x=\"1\"} NaN 1700000001.000\n"
                                   "a{x=\"1\"} NaN 1700000002.000\n"
                                   "a{x=\"1\\\"\\\\\\n\"} 0.1 0.000\n"
                                   "{\"b.c\",\"d e\"=\"f\"} +Inf 0.010\n"
                                   "z 12 0.001\n"
                                   "# EOF\n";
    struct memory_series *series = memory_add(&memory, PAIRS("__name__", "a", "x", "1"));
    struct nv_export export = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    struct nv_export_stats stats;
    NV_AUTO_FREE char *text = NULL;
    size_t n = 0;

    memory_sample(memory_add(&memory, PAIRS("__name__", "z")), 1, 12);
    memory_sample(series, -1, -0.0);
    memory_sample(series, 1700000000123, nv_stale());
    memory_sample(series, 1700000001000, NAN);
    memory_sample(series, 1700000002000, bits(0xfff8000000000123));
    memory_sample(memory_add(&memory, PAIRS("__name__", "a", "x", "1\"\\\n")), 0, 0.1);
    memory_sample(memory_add(&memory, PAIRS("__name__", "b.c", "d e", "f")), 10, INFINITY);
    memory_histogram(memory_add(&memory, PAIRS("__name__", "h")), 1, histogram(1, 2, 3, 4, 5));
    export.from = memory_ready(&memory);

    FILE *to = open_memstream(&text, &n);
    ck_assert_int_eq(nv_export_openmetrics(&export, to, &stats), 0);
    fclose(to);
    ck_assert_str_eq(text, expected);
    ck_assert_uint_eq(stats.bytes, strlen(expected));
    ck_assert_uint_eq(stats.series, 4);
    ck_assert_uint_eq(stats.samples, 7);
    ck_assert_uint_eq(stats.left_out, 1);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    struct nv_export export = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    struct nv_export_stats stats;
    FILE *full = fopen("/dev/full", "w");

    memory_sample(memory_add(&memory, PAIRS("__name__", "a")), 1, 1);
    export.from = memory_ready(&memory);
    ck_assert_int_eq(nv_export_openmetrics(&export, full, &stats), -ENOSPC);
    fclose(full);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prom_block");
    TCase *tcase = tcase_create("prom_block");

    tcase_add_checked_fixture(tcase, set_up, tear_down);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, promtool_reads_the_same_samples_back);
    tcase_add_test(tcase, special_values_and_wild_times_survive);
    tcase_add_test(tcase, a_staleness_marker_that_begins_a_block_is_kept);
    tcase_add_test(tcase, blocks_are_aligned_to_two_hours_and_skip_what_is_empty);
    tcase_add_test(tcase, a_series_that_fits_two_selectors_is_written_once);
    tcase_add_test(tcase, what_is_damaged_is_left_out_and_counted);
    tcase_add_test(tcase, a_block_that_fails_leaves_nothing);
    tcase_add_test(tcase, integer_histograms_read_back_from_their_bits);
    tcase_add_test(tcase, a_reset_a_new_layout_or_another_kind_begins_a_chunk);
    tcase_add_test(tcase, a_chunk_holds_at_most_120_samples);
    tcase_add_test(tcase, text_is_ordered_timed_and_exact);
    tcase_add_test(tcase, a_full_disk_is_an_error);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
