/*
 * What the columns of series in memory would take in a block, for `tsdb analyze`.
 */
#include "base/assert.h"
#include "tsdb/parts.h"
#include "tsdb/sparse.h"

enum { WORK_BYTES = 1 << 30, COLUMN_BYTES = 64 << 20 };

struct analysis {
    struct nv_store *store;
    struct nv_codec *codec;
    struct nv_arena arena, scratch;
    struct nv_head_series **series; /* held */
    size_t n_series, n_views;
    struct nv_head_view *views;
    struct nv_samples samples;
    struct nv_buf column;
};

static void analysis_done(struct analysis *a)
{
    for (size_t i = 0; i < a->n_views; i++)
        nv_head_view_done(&a->views[i]);
    if (a->n_series)
        nv_series_unref(a->store->table, a->series, a->n_series);
    nv_codec_free(a->codec);
    nv_samples_done(&a->samples);
    nv_buf_done(&a->column);
    nv_arena_done(&a->arena);
    nv_arena_done(&a->scratch);
}

static int read_memory(struct analysis *a, const struct nv_head_series *series)
{
    struct nv_sparse_samples sparse;
    uint64_t faults = 0; /* the store counts them */

    nv_samples_reset(&a->samples);
    int r = nv_sparse_copy(a->store->heads[series->source], series, INT64_MIN, INT64_MAX,
                           &a->scratch, &sparse);
    if (r == 0)
        r = nv_sparse_read(&sparse, a->codec, &a->samples);
    if (r == 0)
        r = nv_head_read(a->store, a->codec, &a->views[series->source], series, INT64_MIN,
                         INT64_MAX, &a->samples, &faults);
    return r < 0 ? r : nv_samples_settle(&a->samples, 0, false);
}

/* Encodes the doubles, in columns as long as one may be, and the histograms. */
static int encode(struct analysis *a, const char **ret_codec)
{
    size_t n_doubles = 0, n_natives = 0;
    bool used_base;
    int r = 0;

    nv_buf_reset(&a->column);
    const struct nv_histogram **natives =
        nv_arena_alloc(&a->scratch, (a->samples.n + 1) * sizeof(*natives));
    if (!natives)
        return -ENOMEM;
    for (size_t i = 0; i < a->samples.n; i++) {
        if (a->samples.histograms && a->samples.histograms[i])
            natives[n_natives++] = a->samples.histograms[i];
        else
            a->samples.values[n_doubles++] = a->samples.values[i];
    }
    for (size_t at = 0; r == 0 && at < n_doubles; at += NV_CODEC_ROWS_MAX) {
        size_t n = n_doubles - at < NV_CODEC_ROWS_MAX ? n_doubles - at : NV_CODEC_ROWS_MAX;
        r = nv_codec_encode(a->codec, NV_CODEC_SMALL, a->samples.values + at, n, NULL, &used_base,
                            &a->column);
    }
    for (size_t at = 0; r == 0 && at < n_natives; at += NV_CODEC_ROWS_MAX) {
        size_t n = n_natives - at < NV_CODEC_ROWS_MAX ? n_natives - at : NV_CODEC_ROWS_MAX;
        r = nv_codec_encode_histograms(a->codec, NV_CODEC_SMALL, natives + at, n, &a->column);
    }
    *ret_codec = n_natives ? "histogram" : nv_codec_name(nv_buf_view(&a->column));
    return r;
}

static int analyze(struct analysis *a, nv_analyze_each *each, void *user)
{
    int r = nv_series_select(a->store->table, NULL, 0, &a->arena, &a->series, &a->n_series);
    size_t n = nv_store_n_heads(a->store);

    a->views = nv_arena_alloc(&a->arena, (n + 1) * sizeof(*a->views));
    if (r < 0 || !a->views || !a->codec)
        return r < 0 ? r : -ENOMEM;
    for (; r == 0 && a->n_views < n; a->n_views += r == 0)
        r = nv_head_view(a->store->heads[a->n_views], &a->views[a->n_views]);
    for (size_t i = 0; r == 0 && i < a->n_series; i++) {
        const struct nv_head_series *series = a->series[i];
        const char *codec;
        nv_arena_reset(&a->scratch);
        const struct nv_label *labels = nv_series_labels(series, &a->scratch);
        r = labels ? read_memory(a, series) : -ENOMEM;
        if (r < 0 || !a->samples.n)
            continue;
        r = encode(a, &codec);
        if (r == 0)
            r = each(user, (uint32_t)i, labels, nv_series_n_labels(series), codec, a->column.n,
                     a->samples.n);
    }
    return r;
}

int nv_store_analyze_memory(struct nv_store *store, nv_analyze_each *each, void *user)
{
    __attribute__((cleanup(analysis_done))) struct analysis a = {.store = store,
                                                                 .arena = NV_ARENA(WORK_BYTES),
                                                                 .scratch = NV_ARENA(WORK_BYTES),
                                                                 .column = NV_BUF(COLUMN_BYTES)};

    a.codec = nv_codec_new();
    return analyze(&a, each, user);
}
