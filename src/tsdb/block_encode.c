/*
 * Encodes the columns of a block that is being written, and remembers some as bases for those that follow.
 */
#include "tsdb/block_write.h"

enum { BASES_MAX = 16, BASES_BYTES_MAX = 1 << 20 };

void nv_writer_forget_bases(struct nv_block_writer *w)
{
    for (size_t i = 0; i < w->n_bases; i++)
        free(w->bases[i].values);
    w->n_bases = w->bases_bytes = 0;
}

/* The most promising of the columns that have the same rows. */
static const struct nv_base *find_base(const struct nv_block_writer *w, uint32_t group,
                                       uint64_t rows, const double *values, size_t n)
{
    const double *columns[BASES_MAX];
    const struct nv_base *bases[BASES_MAX];
    size_t n_bases = 0;

    for (size_t i = 0; i < w->n_bases; i++) {
        const struct nv_base *base = &w->bases[i];
        if (base->group != group || base->rows != rows || base->n != n)
            continue;
        bases[n_bases] = base;
        columns[n_bases++] = base->values;
    }
    int best = nv_codec_choose_base(w->codec, values, n, columns, n_bases);
    return best < 0 ? NULL : bases[best];
}

/* Remembers a column, in the place of the oldest where there is no room. */
static int keep_base(struct nv_block_writer *w, uint32_t group, uint64_t rows, const double *values,
                     size_t n)
{
    size_t bytes = n * sizeof(*values);

    if (bytes > BASES_BYTES_MAX / 4)
        bytes = 0; /* long columns are compared with the one before only */
    while (w->n_bases &&
           (w->n_bases == BASES_MAX || !bytes || w->bases_bytes + bytes > BASES_BYTES_MAX)) {
        w->bases_bytes -= w->bases[0].n * sizeof(*values);
        free(w->bases[0].values);
        memmove(w->bases, w->bases + 1, --w->n_bases * sizeof(*w->bases));
    }
    if (!w->bases)
        w->bases = calloc(BASES_MAX, sizeof(*w->bases));
    double *copy = malloc(n * sizeof(*copy));
    if (!copy || !w->bases) {
        free(copy);
        return -ENOMEM;
    }
    memcpy(copy, values, n * sizeof(*copy));
    w->bases[w->n_bases++] = (struct nv_base){(uint32_t)w->n_series, group, n, rows, copy};
    w->bases_bytes += n * sizeof(*values);
    return 0;
}

static bool is_constant(const double *values, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (memcmp(&values[i], &values[0], sizeof(*values)) != 0)
            return false;
    return true;
}

int nv_writer_encode_doubles(struct nv_block_writer *w, const double *values, size_t n,
                             uint64_t rows, struct nv_column *column)
{
    const struct nv_base *base = find_base(w, column->group, rows, values, n);
    bool used = false;

    int r = nv_codec_encode(w->codec, NV_CODEC_SMALL, values, n, base ? base->values : NULL, &used,
                            &w->column);
    if (r < 0)
        return r;
    if (used) {
        column->flags |= NV_COLUMN_BASED;
        column->extra = base->series;
        return 0;
    }
    return is_constant(values, n) ? 0 : keep_base(w, column->group, rows, values, n);
}

/* Which are histograms; the doubles between them, led by their length; the histograms. */
int nv_writer_encode_mixed(struct nv_block_writer *w, const double *values,
                           const struct nv_histogram *const *histograms, size_t n)
{
    uint64_t *kinds NV_AUTO_FREE = calloc(nv_words(n), sizeof(*kinds));
    double *doubles NV_AUTO_FREE = calloc(n, sizeof(*doubles));
    const struct nv_histogram **kept NV_AUTO_FREE = calloc(n, sizeof(struct nv_histogram *));
    size_t n_doubles = 0, n_kept = 0;
    bool used;

    if (!kinds || !doubles || !kept)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (histograms[i]) {
            nv_bit_set(kinds, i);
            kept[n_kept++] = histograms[i];
        } else {
            doubles[n_doubles++] = values[i];
        }
    }
    int r = nv_codec_encode_set(kinds, n, &w->column);
    nv_buf_reset(&w->doubles);
    if (r == 0 && n_doubles)
        r = nv_codec_encode(w->codec, NV_CODEC_SMALL, doubles, n_doubles, NULL, &used, &w->doubles);
    if (r < 0 || w->doubles.failed)
        return r < 0 ? r : w->doubles.failed;
    nv_put_sized(&w->column, nv_buf_view(&w->doubles));
    return nv_codec_encode_histograms(w->codec, NV_CODEC_SMALL, kept, n_kept, &w->column);
}

/* Starts go as doubles, which hold every millisecond of the next 285,000 years. */
int nv_writer_encode_starts(struct nv_block_writer *w, const int64_t *starts, size_t n)
{
    double *exact NV_AUTO_FREE = calloc(n, sizeof(*exact));
    bool used;

    if (!exact)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (starts[i] > INT64_C(1) << 53 || starts[i] < -(INT64_C(1) << 53))
            return -ERANGE;
        exact[i] = (double)starts[i];
    }
    nv_buf_reset(&w->doubles);
    int r = nv_codec_encode(w->codec, NV_CODEC_SMALL, exact, n, NULL, &used, &w->doubles);
    nv_put_sized(&w->column, nv_buf_view(&w->doubles));
    return r < 0 ? r : w->doubles.failed;
}
