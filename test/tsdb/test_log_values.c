/*
 * test_log_values.c - values come back from the log bit for bit, whatever they are, and bytes that are none are refused or
 * read as something.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "tsdb/codec_parts.h"
#include "tsdb/log_record.h"

enum { COLUMNS = 200, FRAMES = 400 };

static uint64_t seed = 88172645463325252;
static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* What nodes count, what they measure, and what nobody should send. */
static double change(size_t kind, double value)
{
    uint64_t r = next_random();

    switch (kind % 16) {
    case 0:
        return value + (double)(r % 900);
    case 1:
        return value + 100 + (double)(r % 3); /* steady */
    case 2:
        return r % 10 ? value : value - (double)(r % 5000);
    case 3:
        return value + 4096 * (double)((int64_t)(r % 9) - 4);
    case 4:
        return (double)(r % 100000) / 100;
    case 5:
        return (double)(r % 100000) * 0.001;
    case 6:
        return (double)(r >> 12) / 1e15;
    case 7:
        return nv_double_of(r); /* any bits */
    case 8:
        return r % 3 ? 0.0 : r % 2 ? -0.0 : 5e-324;
    case 9:
        return r % 4 ? value * -1.5 + 1 : NAN;
    case 10:
        return r % 2 ? INFINITY : -INFINITY;
    case 11:
        return r % 50 ? value + 1 : 0; /* a counter that begins anew */
    case 12:
        return r % 2 ? 9007199254740991.0 : -9007199254740991.0;
    case 13:
        return r % 30 ? value : nv_double_of(UINT64_C(0x7ff0000000000002));
    case 14:
        return (double)(int64_t)(r << r % 60);
    default:
        return r % 100 ? value : (double)r;
    }
}

struct both {
    struct nv_log_values writer, reader;
    double row[COLUMNS];
    uint64_t present[COLUMNS / 64 + 1];
    struct nv_buf out;
};

static void both_begin(struct both *b)
{
    *b = (struct both){.out = NV_BUF(1 << 20)};
    memset(b->present, 0xff, sizeof(b->present));
    ck_assert_int_eq(nv_log_values_room(&b->writer, COLUMNS), 0);
    ck_assert_int_eq(nv_log_values_room(&b->reader, COLUMNS), 0);
}

static void both_end(struct both *b)
{
    nv_log_values_done(&b->writer);
    nv_log_values_done(&b->reader);
    nv_buf_done(&b->out);
}

/* The next frame, of the first n columns, as it is written. */
static void write_frame(struct both *b, size_t n, bool whole)
{
    const struct nv_row row = {.n_columns = n, .present = b->present, .values = b->row};

    for (size_t c = 0; c < n; c++)
        b->row[c] = change(c, b->row[c]);
    nv_buf_reset(&b->out);
    if (whole)
        nv_log_values_forget(&b->writer);
    if (nv_log_values_differ(&b->writer, &row))
        nv_log_values_put(&b->writer, &row, whole, &b->out);
    nv_log_values_next(&b->writer);
}

static int read_frame(struct both *b, struct nv_str in, size_t n, bool whole)
{
    if (whole)
        nv_log_values_forget(&b->reader);
    int r = in.n ? nv_log_values_get(&b->reader, in, n, whole) : 0;
    nv_log_values_next(&b->reader);
    return r;
}

START_TEST(values_come_back_bit_for_bit)
{
    struct both b;
    both_begin(&b);

    for (size_t i = 0; i < FRAMES; i++) {
        size_t n = i < 100 ? COLUMNS / 2 : COLUMNS - i % 2 * 3; /* it grows, and more */
        bool whole = i % 64 == 0;
        write_frame(&b, n, whole);
        ck_assert_int_eq(read_frame(&b, nv_buf_view(&b.out), n, whole), 0);
        for (size_t c = 0; c < n; c++)
            ck_assert_uint_eq(nv_bits_of(b.reader.at[c]), nv_bits_of(b.row[c]));
    }
    both_end(&b);
}
END_TEST

/* A reader need not have seen what was before a whole frame. */
START_TEST(a_whole_frame_stands_by_itself)
{
    struct both b;
    both_begin(&b);

    for (size_t i = 0; i < FRAMES; i++) {
        write_frame(&b, COLUMNS, i % 64 == 0);
        if (i < 128)
            continue;
        ck_assert_int_eq(read_frame(&b, nv_buf_view(&b.out), COLUMNS, i % 64 == 0), 0);
        ck_assert_mem_eq(b.reader.at, b.row, sizeof(b.row));
    }
    both_end(&b);
}
END_TEST

/* Half of the columns stand still, the others move a little: a bit says which, and a few how far. */
START_TEST(small_steps_take_few_bits)
{
    struct both b;
    size_t bytes = 0;
    both_begin(&b);

    for (size_t i = 0; i < FRAMES; i++) {
        const struct nv_row row = {.n_columns = COLUMNS, .present = b.present, .values = b.row};
        for (size_t c = 0; c < COLUMNS; c++)
            b.row[c] += c % 2 ? 0 : c % 4 ? 100 + (double)(next_random() % 3) : 4096;
        nv_buf_reset(&b.out);
        ck_assert(nv_log_values_differ(&b.writer, &row));
        nv_log_values_put(&b.writer, &row, i == 0, &b.out);
        nv_log_values_next(&b.writer);
        bytes += i < 64 ? 0 : b.out.n;
    }
    ck_assert_uint_lt(bytes, (FRAMES - 64) * 60); /* 100 values that changed */
    both_end(&b);
}
END_TEST

/* Another generation has others in their place: what was fine must not stay so. */
START_TEST(forms_of_other_columns_are_forgotten)
{
    struct both b;
    const struct nv_row row = {.n_columns = COLUMNS, .present = b.present, .values = b.row};
    size_t bytes[2];
    both_begin(&b);

    for (size_t round = 0; round < 2; round++) {
        for (size_t c = 0; round && c < COLUMNS; c++)
            b.row[c] = (double)(next_random() % 1000000000) / 1e9;
        if (round) {
            ck_assert(nv_log_values_differ(&b.writer, &row));
            nv_log_values_put(&b.writer, &row, true, &b.out);
        }
        nv_log_values_begin(&b.writer);
        for (size_t c = 0; c < COLUMNS; c++)
            b.row[c] = (double)(c + 1);
        nv_buf_reset(&b.out);
        ck_assert(nv_log_values_differ(&b.writer, &row));
        nv_log_values_put(&b.writer, &row, true, &b.out);
        bytes[round] = b.out.n;
        nv_log_values_forget(&b.writer);
    }
    ck_assert_uint_eq(bytes[0], bytes[1]);
    both_end(&b);
}
END_TEST

START_TEST(damaged_values_are_refused_or_read_as_something)
{
    struct both b;
    both_begin(&b);

    for (size_t i = 0; i < FRAMES; i++) {
        write_frame(&b, COLUMNS, i % 64 == 0);
        NV_AUTO_FREE char *copy = malloc(b.out.n + 1); /* its end is the memory's */
        size_t n = next_random() % 3 ? b.out.n : next_random() % (b.out.n + 1);
        memcpy(copy, b.out.p, n);
        if (n && next_random() % 4)
            copy[next_random() % n] ^= (char)(1 << next_random() % 8);
        int r = read_frame(&b, (struct nv_str){copy, n}, COLUMNS, i % 64 == 0);
        ck_assert(r == 0 || r == -EBADMSG);
    }
    both_end(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log_values");
    TCase *tests = tcase_create("values");

    tcase_add_test(tests, values_come_back_bit_for_bit);
    tcase_add_test(tests, a_whole_frame_stands_by_itself);
    tcase_add_test(tests, small_steps_take_few_bits);
    tcase_add_test(tests, forms_of_other_columns_are_forgotten);
    tcase_add_test(tests, damaged_values_are_refused_or_read_as_something);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
