/*
 * Each series put together from its pieces, thinned, and written.
 */
#include "base/assert.h"
#include "tsdb/rewrite_parts.h"

static bool is_marked(struct nv_rewrite *w, const struct nv_rewrite_piece *pieces, int n)
{
    int64_t from, to;

    for (int i = 0; i < n; i++)
        if (nv_block_mark(w->blocks[pieces[i].block], pieces[i].number, 0, &from, &to))
            return true;
    return false;
}

/* Whether all pieces lie in one section of one group. */
static bool is_dense(struct nv_rewrite *w, const struct nv_rewrite_piece *pieces, int n,
                     uint32_t *ret_out, uint32_t *ret_section)
{
    for (int i = 0; i < n; i++) {
        if (pieces[i].group == NV_BLOCK_SPARSE)
            return false;
        const struct nv_rewrite_in *in = &w->in[pieces[i].block][pieces[i].group];
        if (i && (in->out != *ret_out || in->sections[pieces[i].section] != *ret_section))
            return false;
        *ret_out = in->out;
        *ret_section = in->sections[pieces[i].section];
    }
    return !is_marked(w, pieces, n);
}

static bool stale_at(const struct nv_samples *samples, size_t i)
{
    if (samples->histograms && samples->histograms[i])
        return nv_is_stale(samples->histograms[i]->sum);
    return nv_is_stale(samples->values[i]);
}

static int keep_sample(struct nv_rewrite *w, size_t i)
{
    const struct nv_samples *from = &w->samples;

    return nv_samples_add(&w->thin, from->times[i], from->values[i],
                          from->histograms ? from->histograms[i] : NULL);
}

/*
 * Which samples thinning leaves, into w->thin: those of rows that are kept, or without rows the last of each window;
 * every marker; and the last one of a life of which nothing else is left.
 */
static int thin_samples(struct nv_rewrite *w, const struct nv_rewrite_out *out, uint32_t section)
{
    const struct nv_samples *s = &w->samples;
    bool alive = false; /* something of this life was kept */
    size_t row = 0;

    nv_samples_reset(&w->thin);
    for (size_t i = 0; i < s->n; i++) {
        bool keep, stale = stale_at(s, i);
        while (out && row + 1 < out->n_rows && out->times[row] < s->times[i])
            row++;
        if (out)
            keep = nv_bit(out->kept[section], row);
        else
            keep = i + 1 == s->n ||
                   nv_rewrite_window(w, s->times[i + 1]) != nv_rewrite_window(w, s->times[i]);
        bool last = i + 1 == s->n || stale_at(s, i + 1);
        if (stale)
            alive = false;
        else if (!keep && !(last && !alive))
            continue;
        else
            alive = true;
        int r = keep_sample(w, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static int write_loose(struct nv_rewrite *w, const struct nv_label *labels, size_t n_labels,
                       const struct nv_samples *samples)
{
    w->n_after += samples->n;
    return samples->n ? nv_block_add_sparse(w->writer, labels, n_labels, samples) : 0;
}

/* The pieces as a reader would get them, deleted samples left out. */
static int read_loose(struct nv_rewrite *w, const struct nv_rewrite_piece *pieces, int n)
{
    nv_samples_reset(&w->samples);
    for (int i = 0; i < n; i++) {
        int r = nv_block_read(w->blocks[pieces[i].block], pieces[i].number, INT64_MIN, INT64_MAX,
                              &w->samples);
        if (r < 0)
            return r;
    }
    int r = nv_samples_settle(&w->samples, 0, true);
    w->n_before += w->samples.n;
    return r;
}

struct column {
    uint64_t *present; /* in rows of the group before thinning */
    double *values;    /* by row */
    const struct nv_histogram **natives;
    bool any_native;
};

static int gather(struct nv_rewrite *w, const struct nv_rewrite_piece *pieces, int n,
                  const struct nv_rewrite_out *out, struct column *ret)
{
    *ret = (struct column){
        .present = nv_rewrite_set(&w->scratch, out->n_rows),
        .values = nv_arena_alloc(&w->scratch, (out->n_rows + 1) * sizeof(double)),
        .natives = nv_arena_alloc(&w->scratch, (out->n_rows + 1) * sizeof(void *)),
    };
    if (!ret->present || !ret->values || !ret->natives)
        return -ENOMEM;
    for (int i = 0; i < n; i++) {
        const struct nv_rewrite_in *in = &w->in[pieces[i].block][pieces[i].group];
        struct nv_block_column column;
        size_t at = 0;
        int r = nv_block_column(w->blocks[pieces[i].block], pieces[i].number, &w->scratch, &column);
        if (r < 0)
            return r;
        for (size_t row = 0; row < in->group.n_rows && at < column.n; row++) {
            if (!nv_bit(column.present, row))
                continue;
            size_t to = in->rows[row], k = at++;
            if (nv_bit(ret->present, to))
                continue;
            nv_bit_set(ret->present, to);
            ret->values[to] = column.values[k];
            ret->natives[to] = column.histograms ? column.histograms[k] : NULL;
            ret->any_native |= ret->natives[to] != NULL;
        }
    }
    return 0;
}

/* The rows of a section as samples: values, and a marker where there is none behind one. */
static int to_samples(struct nv_rewrite *w, const struct nv_rewrite_out *out, const uint64_t *rows,
                      const struct column *column, struct nv_samples *ret)
{
    bool live = false;

    nv_samples_reset(ret);
    for (size_t row = 0; row < out->n_rows; row++) {
        bool present = nv_bit(column->present, row);
        int r = 0;
        if (!nv_bit(rows, row) || (!present && !live))
            continue;
        r = nv_samples_add(ret, out->times[row], present ? column->values[row] : nv_stale(),
                           present ? column->natives[row] : NULL);
        if (r < 0)
            return r;
        live = present && !stale_at(ret, ret->n - 1);
    }
    (void)w;
    return 0;
}

static bool same_samples(const struct nv_samples *a, const struct nv_samples *b)
{
    return a->n == b->n && (!a->n || memcmp(a->times, b->times, a->n * sizeof(int64_t)) == 0);
}

static int write_column(struct nv_rewrite *w, const struct nv_rewrite_out *out, uint32_t section,
                        const struct column *column, const struct nv_label *labels, size_t n_labels)
{
    uint64_t *present = nv_rewrite_set(&w->scratch, out->n_kept);
    double *values = nv_arena_alloc(&w->scratch, (out->n_kept + 1) * sizeof(double));
    const struct nv_histogram **natives =
        nv_arena_alloc(&w->scratch, (out->n_kept + 1) * sizeof(void *));
    size_t n = 0;

    if (!present || !values || !natives)
        return -ENOMEM;
    for (size_t i = 0; i < out->n_kept; i++) {
        uint32_t row = out->kept_rows[i];
        if (!nv_bit(out->kept[section], row) || !nv_bit(column->present, row))
            continue;
        nv_bit_set(present, i);
        values[n] = column->values[row];
        natives[n++] = column->natives[row];
    }
    w->n_after += n;
    return n ? nv_block_add_series(w->writer, out->number, section, labels, n_labels, present,
                                   values, column->any_native ? natives : NULL)
             : 0;
}

static int write_dense(struct nv_rewrite *w, const struct nv_rewrite_piece *pieces, int n,
                       uint32_t number, uint32_t section, const struct nv_label *labels,
                       size_t n_labels)
{
    const struct nv_rewrite_out *out = &w->out[number];
    struct column column;

    int r = gather(w, pieces, n, out, &column);
    if (r < 0)
        return r;
    if (!w->interval_ms)
        return write_column(w, out, section, &column, labels, n_labels);
    r = to_samples(w, out, out->observed[section], &column, &w->samples);
    if (r == 0)
        r = thin_samples(w, out, section);
    w->n_before += w->samples.n;
    if (r == 0)
        r = to_samples(w, out, out->kept[section], &column, &w->samples);
    if (r < 0)
        return r;
    if (!same_samples(&w->samples, &w->thin))
        return write_loose(w, labels, n_labels, &w->thin);
    return write_column(w, out, section, &column, labels, n_labels);
}

static int write_series(struct nv_rewrite *w, const struct nv_rewrite_piece *pieces, int n,
                        const struct nv_label *labels, size_t n_labels)
{
    uint32_t out, section;

    if (is_dense(w, pieces, n, &out, &section))
        return write_dense(w, pieces, n, out, section, labels, n_labels);
    int r = read_loose(w, pieces, n);
    if (r < 0 || !w->interval_ms)
        return r < 0 ? r : write_loose(w, labels, n_labels, &w->samples);
    r = thin_samples(w, NULL, 0);
    return r < 0 ? r : write_loose(w, labels, n_labels, &w->thin);
}

int nv_rewrite_write(struct nv_rewrite *w)
{
    __attribute__((cleanup(nv_rewrite_walk_done))) struct nv_rewrite_walk walk;
    const struct nv_label *labels;
    struct nv_rewrite_piece *pieces;
    size_t n_labels;

    int r = nv_rewrite_walk_begin(w, &walk);
    while (r == 0 && (r = nv_rewrite_walk_next(&walk, &pieces, &labels, &n_labels)) > 0) {
        nv_arena_reset(&w->scratch);
        r = write_series(w, pieces, r, labels, n_labels);
        if (r == 0)
            nv_store_seal_pending(w->store);
        if (__atomic_load_n(&w->store->stop, __ATOMIC_RELAXED))
            return -ECANCELED;
    }
    return r;
}
