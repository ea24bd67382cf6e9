/*
 * merge.c - a family that several frames have, as one of a frame that lives for the moment.
 *
 * What the frames have of it is put in order, metric by metric. A metric, all its buckets, quantiles, sum and count, is
 * that of the first frame that has it: parts of two histograms would be neither. Of layout and frame only that is filled in
 * which writers look at.
 */
#include "expo/series.h"

#include <errno.h>

#include "metric/order.h"

/* A present series of one of the frames. */
struct item {
    const struct nv_series *series;
    const struct nv_frame *frame;
    uint32_t column, from; /* from: which frame, the earlier wins */
};

static int compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    int order = nv_order_compare(x->series, y->series);

    if (order == 0)
        order = (x->from > y->from) - (x->from < y->from);
    return order ? order : (x->column > y->column) - (x->column < y->column);
}

static size_t count_present(const struct nv_expo_same *same)
{
    size_t n = 0;

    for (uint32_t i = 0; i < same->family->n_series; i++)
        n += nv_frame_has(same->frame, same->family->series[i]);
    return n;
}

/* Those of the first one's type, in order. Returns how many. */
static size_t collect(const struct nv_expo_same *same, size_t n, struct item *items,
                      struct nv_expo_left_out *left_out)
{
    size_t n_items = 0;

    for (size_t i = 0; i < n; i++) {
        const struct nv_layout_family *family = same[i].family;
        if (family->type != same[0].family->type) {
            left_out->conflicts += count_present(&same[i]);
            continue;
        }
        for (uint32_t k = 0; k < family->n_series; k++) {
            uint32_t column = family->series[k];
            if (nv_frame_has(same[i].frame, column))
                items[n_items++] = (struct item){nv_layout_series(same[i].frame->layout, column),
                                                 same[i].frame, column, (uint32_t)i};
        }
    }
    qsort(items, n_items, sizeof(*items), compare);
    return n_items;
}

/* Of each metric, keeps what the first that has it says. Returns how many are left. */
static size_t drop_duplicates(struct item *items, size_t n, struct nv_expo_left_out *left_out)
{
    size_t kept = 0;

    for (size_t i = 0, end; i < n; i = end) {
        uint32_t first = items[i].from;
        for (end = i + 1; end < n && nv_expo_same_metric(items[i].series, items[end].series); end++)
            first = items[end].from < first ? items[end].from : first;
        for (size_t k = i; k < end; k++) {
            if (items[k].from == first)
                items[kept++] = items[k];
            else
                left_out->duplicates++;
        }
    }
    return kept;
}

/* The arrays of a frame and layout of n series. */
struct arrays {
    struct nv_series *series;
    const struct nv_series **chunks;
    double *values;
    const struct nv_histogram **histograms;
    uint64_t *present;
    uint32_t *columns;
};

static int make_arrays(struct nv_arena *memory, size_t n, struct arrays *ret)
{
    size_t n_chunks = n / NV_LAYOUT_CHUNK + 1;

    ret->series = nv_arena_alloc(memory, n * sizeof(*ret->series));
    ret->chunks = nv_arena_alloc(memory, n_chunks * sizeof(*ret->chunks));
    ret->values = nv_arena_alloc(memory, n * sizeof(*ret->values));
    ret->histograms = nv_arena_alloc(memory, n * sizeof(*ret->histograms));
    ret->present = nv_arena_alloc(memory, (n / 64 + 1) * sizeof(*ret->present));
    ret->columns = nv_arena_alloc(memory, n * sizeof(*ret->columns));
    if (!ret->series || !ret->chunks || !ret->values || !ret->histograms || !ret->present ||
        !ret->columns)
        return -ENOMEM;
    for (size_t i = 0; i < n_chunks; i++)
        ret->chunks[i] = ret->series + i * NV_LAYOUT_CHUNK;
    memset(ret->present, 0xff, (n / 64 + 1) * sizeof(*ret->present));
    return 0;
}

static void fill(struct nv_expo_merge *merge, const struct item *items, size_t n,
                 const struct arrays *arrays, const struct nv_layout_family *head)
{
    for (size_t i = 0; i < n; i++) {
        arrays->series[i] = *items[i].series;
        arrays->values[i] = items[i].frame->values[items[i].column];
        arrays->histograms[i] = nv_expo_native(items[i].frame, items[i].column);
        arrays->columns[i] = (uint32_t)i;
    }
    merge->layout = (struct nv_layout){.chunks = arrays->chunks, .n_series = n};
    merge->frame = (struct nv_frame){.layout = &merge->layout,
                                     .n_series = n,
                                     .present = arrays->present,
                                     .values = arrays->values,
                                     .histograms = arrays->histograms};
    merge->family = *head;
    merge->family.series = arrays->columns;
    merge->family.n_series = (uint32_t)n;
}

int nv_expo_merge(struct nv_expo_merge *merge, const struct nv_expo_same *same, size_t n,
                  struct nv_expo_left_out *left_out)
{
    struct arrays arrays;
    size_t most = 0;

    nv_arena_reset(&merge->memory);
    for (size_t i = 0; i < n; i++)
        most += count_present(&same[i]);
    struct item *items = nv_arena_alloc(&merge->memory, most * sizeof(*items));
    if (!items || make_arrays(&merge->memory, most, &arrays) < 0)
        return -ENOMEM;
    size_t n_items = collect(same, n, items, left_out);
    n_items = drop_duplicates(items, n_items, left_out);
    fill(merge, items, n_items, &arrays, same[0].family);
    return 0;
}
