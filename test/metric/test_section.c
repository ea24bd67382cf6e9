/*
 * test_section.c - recording what is emitted, publishing it into columns, filling frames.
 */
#include <check.h>

#include "metric/section.h"

static const struct nv_family disk_columns[] = {
    {"disk_reads_total", NV_COUNTER,      NV_AS_IS, "Reads."},
    {                    "disk_read_seconds",          NV_GAUGE, NV_TIMES(0.001),  "Time."        },
    { "disk_queue_seconds",      NV_GAUGE,                   NV_OVER(1000,  2),         "Wait."},
};
static const struct nv_table disks = {NV_LABELS("device"), disk_columns, NV_LEN(disk_columns)};

static struct nv_registry *registry;
static struct nv_frame_pool *pool;
static struct nv_section *section;
static char what[NV_SECTION_WHAT_MAX];

static void setup(void)
{
    registry = nv_registry_new();
    pool = nv_frame_pool_new();
    section = nv_section_new(registry);
}

static void teardown(void)
{
    nv_section_free(section);
    nv_frame_pool_free(pool);
    nv_registry_free(registry);
}

static void disk(const char *device, uint64_t base)
{
    struct nv_str label = nv_str(device);
    uint64_t values[] = {base, base + 1, base + 2};

    nv_section_emit(section, &disks, &label, NV_U64, values, 0, 3, UINT64_MAX);
}

static struct nv_frame *frame_now(void)
{
    struct nv_layout *layout = nv_registry_layout(registry);
    struct nv_frame *frame = nv_frame_new(pool, layout, 1000);

    nv_layout_unref(layout);
    nv_section_fill(section, frame);
    return frame;
}

/* "text value" of each present series in the order of exposition. */
static const char *shown(void)
{
    static char out[8192];
    size_t n = 0;
    NV_AUTO(nv_frame) *frame = frame_now();

    out[0] = '\0';
    for (size_t f = 0; f < frame->layout->n_families; f++) {
        const struct nv_layout_family *family = frame->layout->families[f];
        for (size_t i = 0; i < family->n_series; i++) {
            uint32_t column = family->series[i];
            const struct nv_series *series = nv_layout_series(frame->layout, column);
            if (nv_frame_has(frame, column))
                n += (size_t)snprintf(out + n, sizeof(out) - n, "%.*s%.*s%.17g\n",
                                      NV_ARGS(nv_series_text(series)), NV_ARGS(series->rest),
                                      frame->values[column]);
        }
    }
    return out;
}

START_TEST(rows_become_series_with_their_arithmetic)
{
    nv_section_begin(section);
    disk("sdb", 10);
    disk("sda", 1000);
    nv_section_end(section);
    ck_assert_uint_eq(nv_section_publish(section, what), 0);
    ck_assert_str_eq(shown(), "disk_queue_seconds{device=\"sda\"} 0.501\n"
                              "disk_queue_seconds{device=\"sdb\"} 0.0060000000000000001\n"
                              "disk_read_seconds{device=\"sda\"} 1.0010000000000001\n"
                              "disk_read_seconds{device=\"sdb\"} 0.010999999999999999\n"
                              "disk_reads_total{device=\"sda\"} 1000\n"
                              "disk_reads_total{device=\"sdb\"} 10\n");
}
END_TEST

START_TEST(absent_columns_are_absent_and_get_no_series)
{
    struct nv_str label = NV_LIT("sda");
    uint64_t values[] = {1, 2, 3};

    nv_section_begin(section);
    nv_section_emit(section, &disks, &label, NV_U64, values, 0, 3, 1 << 1);
    nv_section_end(section);
    nv_section_publish(section, what);
    ck_assert_str_eq(shown(), "disk_read_seconds{device=\"sda\"} 0.002\n");
    ck_assert_uint_eq(nv_registry_n_series(registry), 1);
}
END_TEST

START_TEST(a_second_value_for_a_cell_is_dropped_counted_and_named)
{
    nv_section_begin(section);
    disk("sda", 1);
    disk("sda", 5);
    nv_section_end(section);
    ck_assert_uint_eq(nv_section_publish(section, what), 3);
    ck_assert_str_eq(what, "duplicate disk_reads_total of sda");
    ck_assert_ptr_nonnull(strstr(shown(), "disk_reads_total{device=\"sda\"} 1\n"));
}
END_TEST

START_TEST(what_vanishes_is_absent_and_keeps_its_column)
{
    for (int run = 0; run < 3; run++) {
        nv_section_begin(section);
        disk("sda", 1);
        if (run != 1)
            disk("sdb", 2);
        disk("sdc", 3);
        nv_section_end(section);
        nv_section_publish(section, what);
        ck_assert_int_eq(strstr(shown(), "sdb") != NULL, run != 1);
        ck_assert_uint_eq(nv_registry_n_series(registry), 9);
    }
}
END_TEST

/* Any sequence of rows must come out as it went in, whatever path the runs before took. */
START_TEST(random_sequences_are_recorded_exactly)
{
    unsigned seed = 42;

    for (int run = 0; run < 2000; run++) {
        bool there[12] = {false};
        size_t n = 0, dropped = 0;
        nv_section_begin(section);
        for (int i = rand_r(&seed) % 20; i > 0; i--) {
            int k = rand_r(&seed) % 12;
            char name[8];
            snprintf(name, sizeof(name), "d%d", k);
            disk(name, (uint64_t)k);
            dropped += there[k] ? 3 : 0;
            n += !there[k];
            there[k] = true;
        }
        nv_section_end(section);
        ck_assert_uint_eq(nv_section_publish(section, what), dropped);
        ck_assert_uint_eq(nv_section_n_present(section), 3 * n);
        const char *text = shown();
        for (int k = 0; k < 12; k++) {
            char line[64];
            snprintf(line, sizeof(line), "disk_reads_total{device=\"d%d\"} %d\n", k, k);
            ck_assert_int_eq(strstr(text, line) != NULL, there[k]);
        }
    }
}
END_TEST

START_TEST(one_column_at_a_time_keeps_to_its_path)
{
    for (int run = 0; run < 3; run++) {
        nv_section_begin(section);
        for (int d = 0; d < 3; d++) {
            struct nv_str label = nv_str((const char *const[]){"a", "b", "c"}[d]);
            for (uint64_t c = 0; c < 3; c++)
                nv_section_emit(section, &disks, &label, NV_U64, &c, c, 1, UINT64_MAX);
        }
        nv_section_end(section);
        ck_assert_uint_eq(nv_section_publish(section, what), 0);
        ck_assert_uint_eq(nv_section_n_present(section), 9);
    }
}
END_TEST

static void named(const char *name, const char *suffix, enum nv_type type, const char *help,
                  const char *const *names, const char *const *values, double value)
{
    struct nv_family family = {name, type, NV_AS_IS, help};
    struct nv_str labels[8];

    for (size_t i = 0; names[i]; i++)
        labels[i] = nv_str(values[i]);
    nv_section_emit_sample(section, &family, suffix, names, labels, value);
}

START_TEST(parts_of_a_histogram_stand_in_order)
{
    nv_section_begin(section);
    named("h", "_count", NV_HISTOGRAM, "H.", NV_NO_LABELS, NULL, 3);
    named("h", "_bucket", NV_HISTOGRAM, "H.", NV_LABELS("le"), (const char *const[]){"+Inf"}, 3);
    named("h", "_sum", NV_HISTOGRAM, "H.", NV_NO_LABELS, NULL, 4.5);
    named("h", "_bucket", NV_HISTOGRAM, "H.", NV_LABELS("le"), (const char *const[]){"10"}, 2);
    named("h", "_bucket", NV_HISTOGRAM, "H.", NV_LABELS("le"), (const char *const[]){"2"}, 1);
    nv_section_end(section);
    ck_assert_uint_eq(nv_section_publish(section, what), 0);
    ck_assert_str_eq(shown(), "h_bucket{le=\"2\"} 1\nh_bucket{le=\"10\"} 2\n"
                              "h_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3\n");
}
END_TEST

START_TEST(labels_are_sorted_and_fewer_labels_come_first)
{
    nv_section_begin(section);
    named("m", "", NV_GAUGE, "M.", NV_LABELS("z", "a"), (const char *const[]){"1", "2"}, 1);
    named("m", "", NV_GAUGE, "M.", NV_LABELS("z"), (const char *const[]){"9"}, 2);
    nv_section_end(section);
    nv_section_publish(section, what);
    ck_assert_str_eq(shown(), "m{z=\"9\"} 2\nm{a=\"2\",z=\"1\"} 1\n");
}
END_TEST

START_TEST(conflicts_are_dropped_in_every_run)
{
    for (int run = 1; run < 3; run++) {
        nv_section_begin(section);
        named("m", "", NV_GAUGE, "M.", NV_NO_LABELS, NULL, 1);
        named("m", "", NV_COUNTER, "M.", NV_LABELS("a"), (const char *const[]){"x"}, 2);
        named("m", "", NV_GAUGE, "Another.", NV_LABELS("a"), (const char *const[]){"y"}, 2);
        named("h_count", "", NV_GAUGE, "C.", NV_NO_LABELS, NULL, 1);
        named("h", "_sum", NV_HISTOGRAM, "H.", NV_NO_LABELS, NULL, 1);
        named("x", "", NV_GAUGE, "X.", NV_LABELS("__a"), (const char *const[]){"y"}, 2);
        named("x", "", NV_GAUGE, "X.", NV_LABELS("a", "a"), (const char *const[]){"y", "z"}, 2);
        nv_section_end(section);
        ck_assert_uint_eq(nv_section_publish(section, what), 5);
        ck_assert_str_eq(shown(), "h_count 1\nm 1\n");
    }
}
END_TEST

START_TEST(broken_utf8_and_quotes_are_written_so_that_they_can_be_read)
{
    nv_section_begin(section);
    named("m", "", NV_GAUGE, "M.", NV_LABELS("a"), (const char *const[]){"x\xff\xfey\"\\\n"}, 1);
    nv_section_end(section);
    nv_section_publish(section, what);
    ck_assert_str_eq(shown(), "m{a=\"x\xef\xbf\xbdy\\\"\\\\\\n\"} 1\n");
}
END_TEST

START_TEST(a_label_set_belongs_to_the_section_that_fills_it_first)
{
    NV_AUTO(nv_section) *other = nv_section_new(registry);
    struct nv_str label = NV_LIT("sda");
    uint64_t value = 7;

    nv_section_begin(section);
    disk("sda", 1);
    nv_section_end(section);
    nv_section_begin(other);
    nv_section_emit(other, &disks, &label, NV_U64, &value, 0, 1, UINT64_MAX);
    nv_section_end(other);
    nv_section_publish(section, what);
    nv_section_publish(other, what);
    NV_AUTO(nv_frame) *frame = frame_now();
    ck_assert_uint_eq(nv_section_fill(other, frame), 1);
    ck_assert_double_eq(frame->values[0], 1);
}
END_TEST

START_TEST(a_new_generation_keeps_what_is_present)
{
    nv_section_begin(section);
    disk("gone", 1);
    disk("sda", 2);
    nv_section_end(section);
    nv_section_publish(section, what);
    NV_AUTO(nv_frame) *old = frame_now();

    nv_section_begin(section);
    disk("sda", 3);
    named("n", "", NV_GAUGE, "N.", NV_LABELS("a"), (const char *const[]){"x"}, 1);
    nv_section_end(section);
    nv_section_publish(section, what);
    uint64_t generation = nv_registry_generation(registry);
    nv_registry_renew(registry);
    nv_section_renew(section);
    ck_assert_uint_gt(nv_registry_generation(registry), generation);
    ck_assert_uint_eq(nv_registry_n_series(registry), 4);
    ck_assert_ptr_nonnull(strstr(shown(), "disk_reads_total{device=\"sda\"} 3\n"));
    ck_assert_ptr_nonnull(strstr(shown(), "n{a=\"x\"} 1\n"));
    ck_assert_uint_eq(old->n_series, 6); /* and the old picture is still whole */
    ck_assert_str_eq(old->layout->families[0]->name.p, "disk_queue_seconds");

    nv_section_begin(section);
    disk("sda", 4);
    disk("new", 5);
    nv_section_end(section);
    ck_assert_uint_eq(nv_section_publish(section, what), 0);
    ck_assert_ptr_nonnull(strstr(shown(), "disk_reads_total{device=\"new\"} 5\n"));
}
END_TEST

START_TEST(a_layout_is_the_beginning_of_the_next)
{
    nv_section_begin(section);
    disk("b", 1);
    nv_section_end(section);
    nv_section_publish(section, what);
    struct nv_layout *first = nv_registry_layout(registry), *same = nv_registry_layout(registry);
    ck_assert_ptr_eq(first, same);
    nv_section_begin(section);
    disk("a", 1);
    disk("b", 2);
    nv_section_end(section);
    nv_section_publish(section, what);
    struct nv_layout *next = nv_registry_layout(registry);
    ck_assert_uint_eq(next->n_series, 6);
    for (size_t i = 0; i < first->n_series; i++)
        ck_assert(nv_str_eq(nv_layout_series(first, i)->name, nv_layout_series(next, i)->name));
    nv_layout_unref(first);
    nv_layout_unref(same);
    nv_layout_unref(next);
}
END_TEST

static const struct nv_family wait = {"wait_seconds", NV_HISTOGRAM, NV_AS_IS, "Wait."};

/* A native histogram of two buckets, and a part of the classic one. */
static void run_histogram(double first, double second)
{
    static const char *const none[] = {NULL}, *const le[] = {"le", NULL};
    const struct nv_str inf = NV_LIT("+Inf");
    struct nv_span span = {3, 2};
    double counts[] = {first, second};
    struct nv_histogram h = {.schema = 2,
                             .count = first + second,
                             .positive_spans = &span,
                             .n_positive_spans = 1,
                             .positive = counts,
                             .n_positive = 2};

    nv_section_begin(section);
    nv_section_emit_histogram(section, &wait, none, NULL, &h);
    nv_section_emit_sample(section, &wait, "_bucket", le, &inf, first + second);
    nv_section_end(section);
    nv_section_publish(section, what);
    memset(counts, 0xff, sizeof(counts)); /* whoever kept a pointer has kept nothing */
}

static void assert_histogram(const struct nv_frame *frame, double first, double second)
{
    size_t seen = 0;

    ck_assert_ptr_nonnull(frame->histograms);
    for (size_t i = 0; i < frame->n_series; i++) {
        const struct nv_histogram *h = frame->histograms[i];
        if (!h)
            continue;
        ck_assert(nv_frame_has(frame, i));
        ck_assert(nv_str_is(nv_layout_series(frame->layout, i)->name, "wait_seconds"));
        ck_assert_double_eq(h->positive[0], first);
        ck_assert_double_eq(h->positive[1], second);
        ck_assert_int_eq(h->positive_spans[0].offset, 3);
        seen++;
    }
    ck_assert_uint_eq(seen, 1);
}

START_TEST(a_frame_keeps_its_histograms_whatever_is_emitted_later)
{
    run_histogram(1, 2);
    NV_AUTO(nv_frame) *first = frame_now();
    run_histogram(3, 4);
    run_histogram(5, 6);
    NV_AUTO(nv_frame) *last = frame_now();
    assert_histogram(first, 1, 2);
    assert_histogram(last, 5, 6);
    ck_assert_uint_eq(last->n_series, 2);
}
END_TEST

START_TEST(a_histogram_outlives_its_generation)
{
    run_histogram(1, 2);
    nv_registry_renew(registry);
    nv_section_renew(section);
    NV_AUTO(nv_frame) *frame = frame_now();
    assert_histogram(frame, 1, 2);
}
END_TEST

START_TEST(a_frame_without_histograms_has_none_left_over)
{
    run_histogram(1, 2);
    nv_frame_unref(frame_now());
    nv_section_begin(section);
    nv_section_end(section);
    nv_section_publish(section, what);
    NV_AUTO(nv_frame) *frame = frame_now();
    ck_assert_ptr_null(frame->histograms);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("section");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 60);
    tcase_add_checked_fixture(all, setup, teardown);
    tcase_add_test(all, rows_become_series_with_their_arithmetic);
    tcase_add_test(all, absent_columns_are_absent_and_get_no_series);
    tcase_add_test(all, a_second_value_for_a_cell_is_dropped_counted_and_named);
    tcase_add_test(all, what_vanishes_is_absent_and_keeps_its_column);
    tcase_add_test(all, random_sequences_are_recorded_exactly);
    tcase_add_test(all, one_column_at_a_time_keeps_to_its_path);
    tcase_add_test(all, parts_of_a_histogram_stand_in_order);
    tcase_add_test(all, labels_are_sorted_and_fewer_labels_come_first);
    tcase_add_test(all, conflicts_are_dropped_in_every_run);
    tcase_add_test(all, broken_utf8_and_quotes_are_written_so_that_they_can_be_read);
    tcase_add_test(all, a_label_set_belongs_to_the_section_that_fills_it_first);
    tcase_add_test(all, a_new_generation_keeps_what_is_present);
    tcase_add_test(all, a_layout_is_the_beginning_of_the_next);
    tcase_add_test(all, a_frame_keeps_its_histograms_whatever_is_emitted_later);
    tcase_add_test(all, a_histogram_outlives_its_generation);
    tcase_add_test(all, a_frame_without_histograms_has_none_left_over);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
