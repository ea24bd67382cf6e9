/*
 * The rows of the groups that are written: those of all blocks, each once, and of these what thinning leaves.
 */
#include "base/assert.h"
#include "tsdb/rewrite_parts.h"

uint64_t *nv_rewrite_set(struct nv_arena *arena, size_t n)
{
    uint64_t *bits = nv_arena_alloc(arena, (n / 64 + 1) * sizeof(*bits));

    if (bits)
        memset(bits, 0, (n / 64 + 1) * sizeof(*bits));
    return bits;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static uint32_t row_of(const struct nv_rewrite_out *out, int64_t time)
{
    size_t low = 0, high = out->n_rows;

    while (low + 1 < high) {
        size_t middle = (low + high) / 2;
        if (out->times[middle] <= time)
            low = middle;
        else
            high = middle;
    }
    return (uint32_t)low;
}

/* The times of all groups that make this one, each once. */
static int unite_times(struct nv_rewrite *w, uint32_t number)
{
    struct nv_rewrite_out *out = &w->out[number];
    size_t n = 0, kept = 0;
    bool sorted = true;

    for (size_t b = 0; b < w->n; b++)
        for (size_t g = 0; g < nv_block_info(w->blocks[b])->n_groups; g++)
            n += w->in[b][g].out == number ? w->in[b][g].group.n_rows : 0;
    out->times = nv_arena_alloc(&w->arena, (n + 1) * sizeof(int64_t));
    if (!out->times)
        return -ENOMEM;
    n = 0;
    for (size_t b = 0; b < w->n; b++) {
        for (size_t g = 0; g < nv_block_info(w->blocks[b])->n_groups; g++) {
            const struct nv_rewrite_in *in = &w->in[b][g];
            if (in->out != number || !in->group.n_rows)
                continue;
            sorted &= !n || out->times[n - 1] < in->group.times[0];
            memcpy(out->times + n, in->group.times, in->group.n_rows * sizeof(int64_t));
            n += in->group.n_rows;
        }
    }
    if (!sorted)
        qsort(out->times, n, sizeof(int64_t), compare_times);
    for (size_t i = 0; i < n; i++)
        if (!kept || out->times[kept - 1] != out->times[i])
            out->times[kept++] = out->times[i];
    out->n_rows = kept;
    return 0;
}

static void unite_observed(struct nv_rewrite *w, uint32_t number)
{
    struct nv_rewrite_out *out = &w->out[number];

    for (size_t b = 0; b < w->n; b++) {
        for (size_t g = 0; g < nv_block_info(w->blocks[b])->n_groups; g++) {
            struct nv_rewrite_in *in = &w->in[b][g];
            if (in->out != number)
                continue;
            for (size_t row = 0; row < in->group.n_rows; row++)
                in->rows[row] = row && in->rows[row - 1] + 1 < out->n_rows &&
                                        out->times[in->rows[row - 1] + 1] == in->group.times[row]
                                    ? in->rows[row - 1] + 1
                                    : row_of(out, in->group.times[row]);
            for (size_t s = 0; s < in->group.n_sections; s++)
                for (size_t row = 0; in->sections[s] != NV_REWRITE_NONE && row < in->group.n_rows;
                     row++)
                    if (!in->group.observed[s] || nv_bit(in->group.observed[s], row))
                        nv_bit_set(out->observed[in->sections[s]], in->rows[row]);
        }
    }
}

/* Of each window the last row in which the section was observed. */
static void thin_section(const struct nv_rewrite *w, const struct nv_rewrite_out *out,
                         const uint64_t *observed, uint64_t *kept)
{
    size_t last = out->n_rows;

    for (size_t row = 0; row < out->n_rows; row++) {
        if (!nv_bit(observed, row))
            continue;
        if (last < out->n_rows &&
            nv_rewrite_window(w, out->times[last]) != nv_rewrite_window(w, out->times[row]))
            nv_bit_set(kept, last);
        last = row;
    }
    if (last < out->n_rows)
        nv_bit_set(kept, last);
}

/* The rows any section keeps, and these sets in their numbers, which is what the block gets. */
static int write_group(struct nv_rewrite *w, struct nv_rewrite_out *out)
{
    uint64_t *any = nv_rewrite_set(&w->scratch, out->n_rows);
    int64_t *times = nv_arena_alloc(&w->scratch, (out->n_rows + 1) * sizeof(int64_t));
    uint64_t **sets = nv_arena_alloc(&w->scratch, (out->n_sections + 1) * sizeof(uint64_t *));

    out->kept_rows = nv_arena_alloc(&w->arena, (out->n_rows + 1) * sizeof(uint32_t));
    if (!any || !times || !sets || !out->kept_rows)
        return -ENOMEM;
    for (size_t s = 0; s < out->n_sections; s++)
        for (size_t i = 0; i < out->n_rows / 64 + 1; i++)
            any[i] |= out->kept[s][i];
    for (size_t row = 0; row < out->n_rows; row++) {
        if (!nv_bit(any, row))
            continue;
        times[out->n_kept] = out->times[row];
        out->kept_rows[out->n_kept++] = (uint32_t)row;
    }
    if (out->n_kept > NV_BLOCK_ROWS_MAX)
        return -EFBIG;
    for (size_t s = 0; s < out->n_sections; s++) {
        sets[s] = nv_rewrite_set(&w->scratch, out->n_kept);
        if (!sets[s])
            return -ENOMEM;
        for (size_t i = 0; i < out->n_kept; i++)
            if (nv_bit(out->kept[s], out->kept_rows[i]))
                nv_bit_set(sets[s], i);
    }
    if (!out->n_kept)
        return 0;
    int r = nv_block_add_group(w->writer, times, out->n_kept, (const uint64_t *const *)sets,
                               out->n_sections);
    if (r >= 0)
        out->number = (uint32_t)r;
    return r < 0 ? r : 0;
}

int nv_rewrite_group(struct nv_rewrite *w, uint32_t number)
{
    struct nv_rewrite_out *out = &w->out[number];
    struct nv_arena_mark mark = nv_arena_mark(&w->scratch);

    int r = unite_times(w, number);
    if (r < 0)
        return r;
    out->observed = nv_arena_alloc(&w->arena, (out->n_sections + 1) * sizeof(uint64_t *));
    out->kept = nv_arena_alloc(&w->arena, (out->n_sections + 1) * sizeof(uint64_t *));
    if (!out->observed || !out->kept)
        return -ENOMEM;
    for (size_t s = 0; s < out->n_sections; s++) {
        out->observed[s] = nv_rewrite_set(&w->arena, out->n_rows);
        out->kept[s] = w->interval_ms ? nv_rewrite_set(&w->arena, out->n_rows) : out->observed[s];
        if (!out->observed[s] || !out->kept[s])
            return -ENOMEM;
    }
    unite_observed(w, number);
    for (size_t s = 0; w->interval_ms && s < out->n_sections; s++)
        thin_section(w, out, out->observed[s], out->kept[s]);
    r = write_group(w, out);
    nv_arena_rewind(&w->scratch, mark);
    return r;
}
