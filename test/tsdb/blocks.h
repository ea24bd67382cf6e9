/*
 * blocks.h - blocks for tests, and a plain model of what they hold to compare with.
 */
#ifndef NV_TEST_TSDB_BLOCKS_H
#define NV_TEST_TSDB_BLOCKS_H

#include <check.h>
#include <stdio.h>

#include "metric/frame.h"
#include "support/memory_fs.h"
#include "tsdb/block.h"

enum { MODEL_ROWS = 4096, MODEL_SECTIONS = 4, MODEL_LABELS = 5 };

static inline uint64_t model_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Labels of a series from "name|label=value|label=value", sorted as given. */
struct model_labels {
    char text[256];
    struct nv_label at[MODEL_LABELS];
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
        ck_assert_uint_lt(labels->n, MODEL_LABELS);
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
    struct nv_block *block;

    ck_assert_int_eq(nv_block_open(fs, NULL, name, &block), 0);
    return block;
}

static inline void verified(struct nv_fs *fs, const char *name)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    int n = nv_block_verify(fs, name, &out);
    ck_assert_msg(n == 0, "%s", nv_buf_c_string(&out));
}

#endif
