/*
 * test_chunk.c - rows are kept as what they change of the ones before, and give every value as it came.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tsdb/chunk.h"

enum { COLUMNS_MAX = 300, SECTIONS = 3 };

static const double ordinary[] = {0.0, -0.0, 1.0, INFINITY, 1e300};
static uint64_t bits[NV_CHUNK_ROWS][COLUMNS_MAX]; /* as they came */
static bool there[NV_CHUNK_ROWS][COLUMNS_MAX];
static unsigned state;
static struct nv_series_table *table;
static struct nv_columns *columns;
static struct nv_chunk_draft draft; /* one for all chunks, as a head has */

static void setup(void)
{
    table = nv_series_table_new();
    columns = nv_columns_new(table, 1);
    draft = (struct nv_chunk_draft){0};
    ck_assert(table && columns);
}

static void teardown(void)
{
    nv_chunk_draft_done(&draft);
    nv_columns_unref(columns);
    nv_series_table_free(table);
}

static unsigned any(unsigned n)
{
    state = state * 1103515245u + 12345u;
    return (state >> 16) % n;
}

static double any_value(void)
{
    static const uint64_t nans[] = {UINT64_C(0x7ff0000000000002), UINT64_C(0x7ff8000000000001)};
    double value;

    if (any(8))
        return ordinary[any(NV_LEN(ordinary))];
    memcpy(&value, &nans[any(2)], sizeof(value));
    return value;
}

/* A row in which few values are other than in the one before, and some are absent. */
static void put_row(struct nv_chunk *chunk, uint32_t width)
{
    uint32_t n = nv_chunk_rows(chunk), change = 1 + any(20), absent = 2 + any(50);
    struct nv_chunk_row *row = nv_chunk_draft(&draft, 1000 + n, width, SECTIONS, false);

    ck_assert_ptr_nonnull(row);
    for (uint32_t c = 0; c < width; c++) {
        there[n][c] = any(absent) != 0;
        double value = any_value();
        if (n && any(change))
            memcpy(&value, &bits[n - 1][c], sizeof(value));
        memcpy(&bits[n][c], &value, sizeof(value));
        row->values[c] = value;
        if (there[n][c])
            nv_bit_set(row->present, c);
    }
    ck_assert_int_eq(nv_chunk_publish(chunk, &draft), 0);
}

static void check_all(const struct nv_chunk *chunk, uint32_t width)
{
    struct nv_strip strip;

    for (uint32_t c = 0; c < width; c++) {
        nv_chunk_strip(chunk, nv_chunk_rows(chunk), c, 0, &strip);
        for (uint32_t i = 0; i < strip.n_rows; i++) {
            ck_assert_int_eq(strip.present >> i & 1, there[i][c]);
            if (there[i][c])
                ck_assert_int_eq(memcmp(&strip.values[i], &bits[i][c], sizeof(double)), 0);
        }
    }
}

START_TEST(every_value_comes_back_as_it_was)
{
    for (int round = 0; round < 50; round++) {
        struct nv_chunk *chunk = nv_chunk_new(columns);
        uint32_t width = any(4) ? any(COLUMNS_MAX) : 64 * any(4), rows = 1 + any(NV_CHUNK_ROWS);
        ck_assert_ptr_nonnull(chunk);
        memset(there, 0, sizeof(there));
        for (uint32_t i = 0; i < rows; i++) {
            put_row(chunk, width);
            if (any(6) == 0 && width < COLUMNS_MAX)
                width += any(COLUMNS_MAX - width);
        }
        check_all(chunk, width);
        nv_chunk_unref(chunk);
    }
}
END_TEST

START_TEST(a_row_that_changes_nothing_takes_next_to_nothing)
{
    enum { WIDTH = 6400 };
    struct nv_chunk *chunk = nv_chunk_new(columns);

    ck_assert_ptr_nonnull(chunk);
    for (int i = 0; i < NV_CHUNK_ROWS; i++) {
        struct nv_chunk_row *row = nv_chunk_draft(&draft, i, WIDTH, 1, false);
        ck_assert_ptr_nonnull(row);
        for (uint32_t c = 0; c < WIDTH; c++) {
            row->values[c] = c;
            nv_bit_set(row->present, c);
        }
        ck_assert_int_eq(nv_chunk_publish(chunk, &draft), 0);
    }
    ck_assert_uint_lt(nv_chunk_memory(chunk), 6 * WIDTH * sizeof(double));
    nv_chunk_unref(chunk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/chunk");
    TCase *test = tcase_create("chunk");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, every_value_comes_back_as_it_was);
    tcase_add_test(test, a_row_that_changes_nothing_takes_next_to_nothing);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
