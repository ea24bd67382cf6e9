/*
 * blocks.h - blocks for tests, and a plain model of what they hold to compare with.
 */
#ifndef NV_TEST_TSDB_BLOCKS_H
#define NV_TEST_TSDB_BLOCKS_H

#include <check.h>
#include <math.h>
#include <stdio.h>

#include "metric/frame.h"
#include "support/memory_fs.h"
#include "tsdb/block.h"

enum { ROWS = 300, SERIES = 40, SECTIONS = 3, LABELS = 5 };

static inline uint64_t model_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Labels of a series from "name|label=value|label=value", sorted as given. */
struct model_labels {
    char text[256];
    struct nv_label at[LABELS];
    size_t n;
};

__attribute__((format(printf, 2, 3))) static inline void model_labels(struct model_labels *labels,
                                                                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(labels->text, sizeof(labels->text), format, arguments);
    va_end(arguments);
    struct nv_str rest = nv_str(labels->text);
    labels->at[0] = (struct nv_label){NV_LIT("__name__"), nv_str_cut(&rest, '|')};
    for (labels->n = 1; rest.n; labels->n++) {
        ck_assert_uint_lt(labels->n, LABELS);
        struct nv_str value = nv_str_cut(&rest, '|'), name = nv_str_cut(&value, '=');
        labels->at[labels->n] = (struct nv_label){name, value};
    }
}

static inline void same_double(double a, double b)
{
    ck_assert_mem_eq(&a, &b, sizeof(a));
}

static inline struct nv_block *open_block(struct nv_fs *fs, const char *name)
{
    static struct nv_block_cache *cache;
    struct nv_block *block;

    if (!cache)
        cache = nv_block_cache_new(NV_BLOCK_CACHE_BYTES);
    ck_assert_int_eq(nv_block_open(fs, cache, name, &block), 0);
    return block;
}

static inline void verified(struct nv_fs *fs, const char *name)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    int n = nv_block_verify(fs, name, &out);
    ck_assert_msg(n == 0, "%s", nv_buf_c_string(&out));
}

/* What a group was made of, and what reading a series must give. */
struct model {
    int64_t times[ROWS];
    uint64_t observed[SECTIONS][(ROWS + 63) / 64], present[SERIES][(ROWS + 63) / 64];
    double values[SERIES][ROWS]; /* by row */
    struct model_labels labels[SERIES];
};

static inline double value_of(uint64_t *random, size_t series, size_t row)
{
    switch (series % 6) {
    case 0:
        return 42;
    case 1:
        return (double)(row * 100 + series) * 0.001;
    case 2:
        return (double)(model_random(random) % 1000);
    case 3:
        return row % 50 == 7 ? nv_stale() : -0.0;
    case 4:
        return (double)model_random(random) / 3;
    default:
        return row % 31 ? (double)(row * 1000) : (double)NAN;
    }
}

static inline void make_model(struct model *m, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    for (size_t i = 0; i < ROWS; i++)
        m->times[i] = 1700000000000 + (int64_t)i * 1000 + (int64_t)(model_random(&seed) % 3);
    for (size_t s = 0; s < SECTIONS; s++)
        for (size_t i = 0; i < ROWS; i++)
            if (s == 0 || (s == 1 && i % 5 == 0) || (s == 2 && model_random(&seed) % 4))
                nv_bit_set(m->observed[s], i);
    for (size_t k = 0; k < SERIES; k++) {
        model_labels(&m->labels[k], "family_%zu_total|device=sd%c|job=node", k / 8,
                     (char)('a' + k % 8));
        for (size_t i = 0; i < ROWS; i++) {
            m->values[k][i] = value_of(&seed, k, i);
            bool gap = k % 4 == 3 && (i < 20 || (i / 40) % 3 == 1);
            if (nv_bit(m->observed[k % SECTIONS], i) && !gap)
                nv_bit_set(m->present[k], i);
        }
    }
}

static inline size_t present_values(const struct model *m, size_t k, double *values)
{
    size_t n = 0;

    for (size_t i = 0; i < ROWS; i++)
        if (nv_bit(m->present[k], i))
            values[n++] = m->values[k][i];
    return n;
}

static inline void add_model(struct nv_block_writer *writer, const struct model *m)
{
    const uint64_t *observed[SECTIONS] = {NULL, m->observed[1], m->observed[2]};
    double values[ROWS];

    int group = nv_block_add_group(writer, m->times, ROWS, observed, SECTIONS);
    ck_assert_int_ge(group, 0);
    for (size_t k = 0; k < SERIES; k++) {
        present_values(m, k, values);
        ck_assert_int_eq(nv_block_add_series(writer, (uint32_t)group, k % SECTIONS, m->labels[k].at,
                                             m->labels[k].n, m->present[k], values, NULL),
                         0);
    }
}

static inline void write_model(struct nv_fs *fs, const struct model *m,
                               char name[NV_BLOCK_NAME_MAX])
{
    struct nv_block_writer *made;

    ck_assert_int_eq(nv_block_writer_new(fs, &made), 0);
    NV_AUTO(nv_block_writer) *writer = made;
    add_model(writer, m);
    ck_assert_int_eq(nv_block_commit(writer, 1, name), 0);
}

/* What the format says reading gives, row by row. */
static inline size_t expected(const struct model *m, size_t k, int64_t from_ms, int64_t to_ms,
                              int64_t *times, double *values)
{
    bool lives = false;
    size_t n = 0;

    for (size_t i = 0; i < ROWS; i++) {
        bool in_range = m->times[i] >= from_ms && m->times[i] <= to_ms;
        double value;
        if (nv_bit(m->present[k], i)) {
            value = m->values[k][i];
            lives = !nv_is_stale(value);
        } else if (lives && nv_bit(m->observed[k % SECTIONS], i)) {
            value = nv_stale();
            lives = false;
        } else {
            continue;
        }
        if (in_range) {
            times[n] = m->times[i];
            values[n++] = value;
        }
    }
    return n;
}

static inline void check_read(struct nv_block *block, uint32_t number, const struct model *m,
                              size_t k, int64_t from_ms, int64_t to_ms)
{
    struct nv_samples samples = {0};
    int64_t times[ROWS];
    double values[ROWS];

    size_t n = expected(m, k, from_ms, to_ms, times, values);
    ck_assert_int_eq(nv_block_read(block, number, from_ms, to_ms, &samples), 0);
    ck_assert_uint_eq(samples.n, n);
    if (n) {
        ck_assert_mem_eq(samples.times, times, n * sizeof(*times));
        ck_assert_mem_eq(samples.values, values, n * sizeof(*values));
    }
    nv_samples_done(&samples);
}

/* Families and devices rise with k, so series are numbered as they were made. */
static inline void check_model(struct nv_block *block, const struct model *m)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    const struct nv_label *labels;
    uint64_t seed = 7;
    size_t n;

    ck_assert_uint_eq(nv_block_info(block)->n_series, SERIES);
    for (uint32_t k = 0; k < SERIES; k++) {
        ck_assert_int_eq(nv_block_labels(block, k, &arena, &labels, &n), 0);
        ck_assert_int_eq(nv_labels_compare(labels, n, m->labels[k].at, m->labels[k].n), 0);
        check_read(block, k, m, k, INT64_MIN, INT64_MAX);
        for (int i = 0; i < 20; i++) {
            int64_t from = m->times[0] - 5 + (int64_t)(model_random(&seed) % 310000);
            check_read(block, k, m, k, from, from + (int64_t)(model_random(&seed) % 200000));
        }
        check_read(block, k, m, k, m->times[130], m->times[130]);
    }
    nv_arena_done(&arena);
}

#endif
