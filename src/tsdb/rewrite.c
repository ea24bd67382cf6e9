/*
 * Several blocks, or one, written as one: merged, thinned, and without what was deleted.
 *
 * Groups of different blocks that share series are one source's, and so are sections: they are matched by the series that
 * lie in both, those of equal number first. A series whose pieces lie in matched sections is a column of the common
 * group. One that moved, or of which samples were deleted, is written with times of its own.
 *
 * Thinning keeps, for each window of the interval, the row of a section's last observation. A series is then still a
 * column if its samples and markers follow from the rows that are kept. If one went stale between two of them, or lived
 * between them only, it gets times of its own, with the marker where it was, and with one sample of that life.
 */
#include "base/assert.h"
#include "tsdb/parts.h"

enum { REWRITE_BYTES = 1 << 30, NONE = UINT32_MAX };

/* A group of the block that is written. */
struct out {
    size_t n_rows, n_sections, room_sections;
    int64_t *times;
    uint64_t **observed; /* all that was observed */
    uint64_t **kept;     /* of that, what thinning leaves; the same where nothing is thinned */
    uint32_t number;
    size_t n_kept; /* rows of the block's group, and their numbers here */
    uint32_t *kept_rows;
};

/* A group of one that is read. */
struct in {
    struct nv_block_group group;
    uint32_t out;       /* NONE: not matched yet */
    uint32_t *sections; /* in `out` */
    uint32_t *rows;     /* likewise */
};

struct piece {
    uint32_t block, number, group, section;
};

struct rewrite {
    struct nv_store *store;
    struct nv_block *const *blocks;
    size_t n;
    int64_t interval_ms; /* 0: nothing is thinned */
    struct nv_block_writer *writer;
    struct nv_arena arena, scratch, labels;
    struct in **in; /* by block */
    struct out *out;
    size_t n_out, room_out;
    struct nv_samples samples, thin;
    uint64_t n_before, n_after;
};

static void rewrite_done(struct rewrite *w)
{
    nv_block_writer_free(w->writer);
    nv_samples_done(&w->samples);
    nv_samples_done(&w->thin);
    nv_arena_done(&w->arena);
    nv_arena_done(&w->scratch);
    nv_arena_done(&w->labels);
}

/* ---- walking over all series ---------------------------------------------------------------- */

struct cursor {
    uint32_t next;
    const struct nv_label *labels; /* of `next`; NULL at the end */
    size_t n_labels;
    struct nv_arena arena;
};

struct walk {
    struct rewrite *w;
    struct cursor *at;
    struct piece *pieces;
};

static int advance(struct walk *walk, size_t i)
{
    struct cursor *c = &walk->at[i];
    struct nv_block *block = walk->w->blocks[i];

    nv_arena_reset(&c->arena);
    c->labels = NULL;
    if (c->next == nv_block_info(block)->n_series)
        return 0;
    return nv_block_labels(block, c->next, &c->arena, &c->labels, &c->n_labels);
}

static void walk_done(struct walk *walk)
{
    for (size_t i = 0; walk->at && i < walk->w->n; i++)
        nv_arena_done(&walk->at[i].arena);
    free(walk->at);
    free(walk->pieces);
}

static int walk_begin(struct rewrite *w, struct walk *ret)
{
    *ret =
        (struct walk){w, calloc(w->n, sizeof(struct cursor)), calloc(w->n, sizeof(struct piece))};
    if (!ret->at || !ret->pieces)
        return -ENOMEM;
    for (size_t i = 0; i < w->n; i++) {
        ret->at[i].arena = NV_ARENA(1 << 24);
        int r = advance(ret, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_cursors(const struct cursor *a, const struct cursor *b)
{
    return nv_labels_compare(a->labels, a->n_labels, b->labels, b->n_labels);
}

/* The next series in order, by its pieces; 0 at the end. `ret_labels` are in w->labels. */
static int walk_next(struct walk *walk, struct piece **ret, const struct nv_label **ret_labels,
                     size_t *ret_n_labels)
{
    struct rewrite *w = walk->w;
    const struct cursor *first = NULL;
    int n = 0;

    for (size_t i = 0; i < w->n; i++)
        if (walk->at[i].labels && (!first || compare_cursors(&walk->at[i], first) < 0))
            first = &walk->at[i];
    if (!first)
        return 0;
    nv_arena_reset(&w->labels);
    struct nv_label *labels =
        nv_arena_alloc(&w->labels, (first->n_labels + 1) * sizeof(struct nv_label));
    for (size_t i = 0; labels && i < first->n_labels; i++) {
        labels[i].name = nv_arena_str(&w->labels, first->labels[i].name);
        labels[i].value = nv_arena_str(&w->labels, first->labels[i].value);
        if (!labels[i].name.p || !labels[i].value.p)
            return -ENOMEM;
    }
    if (!labels)
        return -ENOMEM;
    *ret_labels = labels;
    *ret_n_labels = first->n_labels;
    for (size_t i = 0; i < w->n; i++) {
        struct cursor *c = &walk->at[i];
        if (!c->labels || nv_labels_compare(c->labels, c->n_labels, labels, *ret_n_labels) != 0)
            continue;
        struct piece *piece = &walk->pieces[n++];
        *piece = (struct piece){.block = (uint32_t)i, .number = c->next++};
        int r = nv_block_place(w->blocks[i], piece->number, &piece->group, &piece->section);
        if (r == 0)
            r = advance(walk, i);
        if (r < 0)
            return r;
    }
    *ret = walk->pieces;
    return n;
}

/* ---- matching ------------------------------------------------------------------------------- */

static int read_groups(struct rewrite *w)
{
    w->in = nv_arena_alloc(&w->arena, w->n * sizeof(*w->in));
    for (size_t b = 0; w->in && b < w->n; b++) {
        size_t n = nv_block_info(w->blocks[b])->n_groups;
        w->in[b] = nv_arena_alloc(&w->arena, (n + 1) * sizeof(struct in));
        if (!w->in[b])
            return -ENOMEM;
        for (uint32_t g = 0; g < n; g++) {
            struct in *in = &w->in[b][g];
            *in = (struct in){.out = NONE};
            int r = nv_block_group(w->blocks[b], g, &w->arena, &in->group);
            if (r < 0)
                return r;
            in->sections = nv_arena_alloc(&w->arena, (in->group.n_sections + 1) * sizeof(uint32_t));
            in->rows = nv_arena_alloc(&w->arena, (in->group.n_rows + 1) * sizeof(uint32_t));
            if (!in->sections || !in->rows)
                return -ENOMEM;
            memset(in->sections, 0xff, in->group.n_sections * sizeof(uint32_t));
        }
    }
    return w->in ? 0 : -ENOMEM;
}

static int add_out(struct rewrite *w, uint32_t *ret)
{
    if (w->n_out == w->room_out) {
        size_t room = w->room_out ? w->room_out * 2 : 16;
        struct out *out = nv_arena_alloc(&w->arena, room * sizeof(*out));
        if (!out)
            return -ENOMEM;
        if (w->n_out)
            memcpy(out, w->out, w->n_out * sizeof(*out));
        w->out = out;
        w->room_out = room;
    }
    w->out[w->n_out] = (struct out){0};
    *ret = (uint32_t)w->n_out++;
    return 0;
}

static bool block_has_out(const struct rewrite *w, uint32_t block, uint32_t out)
{
    for (size_t g = 0; g < nv_block_info(w->blocks[block])->n_groups; g++)
        if (w->in[block][g].out == out)
            return true;
    return false;
}

static bool group_has_section(const struct in *in, uint32_t section)
{
    for (size_t s = 0; s < in->group.n_sections; s++)
        if (in->sections[s] == section)
            return true;
    return false;
}

/* Gives the places of one series a common group and section, as far as nobody else has them. */
static int match_pieces(struct rewrite *w, const struct piece *pieces, int n, bool same_numbers)
{
    const struct piece *first = NULL;
    int r;

    for (int i = 0; i < n; i++) {
        const struct piece *p = &pieces[i];
        if (p->group == NV_BLOCK_SPARSE)
            continue;
        struct in *in = &w->in[p->block][p->group];
        if (!first)
            first = p;
        const struct in *to = &w->in[first->block][first->group];
        if (same_numbers && (p->group != first->group || p->section != first->section))
            continue;
        if (in->out == NONE) {
            if (to->out != NONE && !block_has_out(w, p->block, to->out))
                in->out = to->out;
            else if ((r = add_out(w, &in->out)) < 0)
                return r;
        }
        if (in->sections[p->section] != NONE)
            continue;
        uint32_t section = in->out == to->out ? to->sections[first->section] : NONE;
        if (section == NONE || group_has_section(in, section))
            section = (uint32_t)w->out[in->out].n_sections++;
        in->sections[p->section] = section;
    }
    return 0;
}

static int match(struct rewrite *w, bool same_numbers)
{
    __attribute__((cleanup(walk_done))) struct walk walk;
    const struct nv_label *labels;
    struct piece *pieces;
    size_t n_labels;

    int r = walk_begin(w, &walk);
    while (r == 0 && (r = walk_next(&walk, &pieces, &labels, &n_labels)) > 0)
        r = match_pieces(w, pieces, r, same_numbers);
    return r;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static uint32_t row_of(const struct out *out, int64_t time)
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
static int unite_times(struct rewrite *w, uint32_t number)
{
    struct out *out = &w->out[number];
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
            const struct in *in = &w->in[b][g];
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

static uint64_t *empty_set(struct nv_arena *arena, size_t n)
{
    uint64_t *bits = nv_arena_alloc(arena, (n / 64 + 1) * sizeof(*bits));

    if (bits)
        memset(bits, 0, (n / 64 + 1) * sizeof(*bits));
    return bits;
}

static void unite_observed(struct rewrite *w, uint32_t number)
{
    struct out *out = &w->out[number];

    for (size_t b = 0; b < w->n; b++) {
        for (size_t g = 0; g < nv_block_info(w->blocks[b])->n_groups; g++) {
            struct in *in = &w->in[b][g];
            if (in->out != number)
                continue;
            for (size_t row = 0; row < in->group.n_rows; row++)
                in->rows[row] = row && in->rows[row - 1] + 1 < out->n_rows &&
                                        out->times[in->rows[row - 1] + 1] == in->group.times[row]
                                    ? in->rows[row - 1] + 1
                                    : row_of(out, in->group.times[row]);
            for (size_t s = 0; s < in->group.n_sections; s++)
                for (size_t row = 0; in->sections[s] != NONE && row < in->group.n_rows; row++)
                    if (!in->group.observed[s] || nv_bit(in->group.observed[s], row))
                        nv_bit_set(out->observed[in->sections[s]], in->rows[row]);
        }
    }
}

static int64_t window_of(const struct rewrite *w, int64_t time)
{
    return time >= 0 ? time / w->interval_ms : -((-time + w->interval_ms - 1) / w->interval_ms);
}

/* Of each window the last row in which the section was observed. */
static void thin_section(const struct rewrite *w, const struct out *out, const uint64_t *observed,
                         uint64_t *kept)
{
    size_t last = out->n_rows;

    for (size_t row = 0; row < out->n_rows; row++) {
        if (!nv_bit(observed, row))
            continue;
        if (last < out->n_rows && window_of(w, out->times[last]) != window_of(w, out->times[row]))
            nv_bit_set(kept, last);
        last = row;
    }
    if (last < out->n_rows)
        nv_bit_set(kept, last);
}

/* The rows any section keeps, and these sets in their numbers, which is what the block gets. */
static int write_group(struct rewrite *w, struct out *out)
{
    uint64_t *any = empty_set(&w->scratch, out->n_rows);
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
        sets[s] = empty_set(&w->scratch, out->n_kept);
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

static int make_group(struct rewrite *w, uint32_t number)
{
    struct out *out = &w->out[number];
    struct nv_arena_mark mark = nv_arena_mark(&w->scratch);

    int r = unite_times(w, number);
    if (r < 0)
        return r;
    out->observed = nv_arena_alloc(&w->arena, (out->n_sections + 1) * sizeof(uint64_t *));
    out->kept = nv_arena_alloc(&w->arena, (out->n_sections + 1) * sizeof(uint64_t *));
    if (!out->observed || !out->kept)
        return -ENOMEM;
    for (size_t s = 0; s < out->n_sections; s++) {
        out->observed[s] = empty_set(&w->arena, out->n_rows);
        out->kept[s] = w->interval_ms ? empty_set(&w->arena, out->n_rows) : out->observed[s];
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

/* ---- series --------------------------------------------------------------------------------- */

static bool is_marked(struct rewrite *w, const struct piece *pieces, int n)
{
    int64_t from, to;

    for (int i = 0; i < n; i++)
        if (nv_block_mark(w->blocks[pieces[i].block], pieces[i].number, 0, &from, &to))
            return true;
    return false;
}

/* Whether all pieces lie in one section of one group. */
static bool is_dense(struct rewrite *w, const struct piece *pieces, int n, uint32_t *ret_out,
                     uint32_t *ret_section)
{
    for (int i = 0; i < n; i++) {
        if (pieces[i].group == NV_BLOCK_SPARSE)
            return false;
        const struct in *in = &w->in[pieces[i].block][pieces[i].group];
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

static int keep_sample(struct rewrite *w, size_t i)
{
    const struct nv_samples *from = &w->samples;

    return nv_samples_add(&w->thin, from->times[i], from->values[i],
                          from->histograms ? from->histograms[i] : NULL);
}

/*
 * Which samples thinning leaves, into w->thin: those of rows that are kept, or without rows the last of each window;
 * every marker; and the last one of a life of which nothing else is left.
 */
static int thin_samples(struct rewrite *w, const struct out *out, uint32_t section)
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
            keep = i + 1 == s->n || window_of(w, s->times[i + 1]) != window_of(w, s->times[i]);
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

static int write_loose(struct rewrite *w, const struct nv_label *labels, size_t n_labels,
                       const struct nv_samples *samples)
{
    w->n_after += samples->n;
    return samples->n ? nv_block_add_sparse(w->writer, labels, n_labels, samples) : 0;
}

/* The pieces as a reader would get them, deleted samples left out. */
static int read_loose(struct rewrite *w, const struct piece *pieces, int n)
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

static int gather(struct rewrite *w, const struct piece *pieces, int n, const struct out *out,
                  struct column *ret)
{
    *ret = (struct column){
        .present = empty_set(&w->scratch, out->n_rows),
        .values = nv_arena_alloc(&w->scratch, (out->n_rows + 1) * sizeof(double)),
        .natives = nv_arena_alloc(&w->scratch, (out->n_rows + 1) * sizeof(void *)),
    };
    if (!ret->present || !ret->values || !ret->natives)
        return -ENOMEM;
    for (int i = 0; i < n; i++) {
        const struct in *in = &w->in[pieces[i].block][pieces[i].group];
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
static int to_samples(struct rewrite *w, const struct out *out, const uint64_t *rows,
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

static int write_column(struct rewrite *w, const struct out *out, uint32_t section,
                        const struct column *column, const struct nv_label *labels, size_t n_labels)
{
    uint64_t *present = empty_set(&w->scratch, out->n_kept);
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

static int write_dense(struct rewrite *w, const struct piece *pieces, int n, uint32_t number,
                       uint32_t section, const struct nv_label *labels, size_t n_labels)
{
    const struct out *out = &w->out[number];
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

static int write_series(struct rewrite *w, const struct piece *pieces, int n,
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

static int write_all(struct rewrite *w)
{
    __attribute__((cleanup(walk_done))) struct walk walk;
    const struct nv_label *labels;
    struct piece *pieces;
    size_t n_labels;

    int r = walk_begin(w, &walk);
    while (r == 0 && (r = walk_next(&walk, &pieces, &labels, &n_labels)) > 0) {
        nv_arena_reset(&w->scratch);
        r = write_series(w, pieces, r, labels, n_labels);
        if (r == 0)
            nv_store_seal_pending(w->store);
        if (__atomic_load_n(&w->store->stop, __ATOMIC_RELAXED))
            return -ECANCELED;
    }
    return r;
}

/* ---- all ------------------------------------------------------------------------------------ */

static int build(struct rewrite *w)
{
    int r = nv_block_writer_new(w->store->fs, &w->writer);
    if (r == 0)
        r = read_groups(w);
    if (r == 0)
        r = match(w, true);
    if (r == 0)
        r = match(w, false);
    for (uint32_t i = 0; r == 0 && i < w->n_out; i++)
        r = make_group(w, i);
    return r == 0 ? write_all(w) : r;
}

/* The new block in place of the old ones, for readers at once, and then on disk. */
static int replace(struct rewrite *w, const char *name)
{
    NV_AUTO_FREE char(*names)[NV_BLOCK_NAME_MAX] = calloc(w->n, NV_BLOCK_NAME_MAX);
    struct nv_store *store = w->store;
    struct nv_block *fresh = NULL;

    if (!names)
        return -ENOMEM;
    for (size_t i = 0; i < w->n; i++)
        snprintf(names[i], NV_BLOCK_NAME_MAX, "%s", nv_block_info(w->blocks[i])->name);
    int r = name[0] ? nv_block_open(store->fs, store->cache, name, &fresh) : 0;
    if (r == 0)
        r = nv_store_replace(store, w->blocks, w->n, fresh);
    for (size_t i = 0; r == 0 && i < w->n; i++)
        nv_store_unlink_block(store, names[i]);
    return r;
}

int nv_store_rewrite(struct nv_store *store, struct nv_block *const *blocks, size_t n,
                     unsigned level, int64_t interval_ms)
{
    __attribute__((cleanup(rewrite_done))) struct rewrite w = {
        .store = store,
        .blocks = blocks,
        .n = n,
        .interval_ms = interval_ms,
        .arena = NV_ARENA(REWRITE_BYTES),
        .scratch = NV_ARENA(REWRITE_BYTES),
        .labels = NV_ARENA(REWRITE_BYTES),
    };
    char name[NV_BLOCK_NAME_MAX] = "";

    int r = build(&w);
    for (size_t i = 0; r == 0 && i < n; i++)
        nv_block_note_origin(w.writer, nv_block_info(blocks[i])->name);
    if (r == 0)
        r = nv_block_commit(w.writer, level, name);
    if (r == -ENODATA)
        name[0] = '\0';
    else if (r < 0)
        return r;
    r = replace(&w, name);
    if (r == 0 && interval_ms)
        nv_count(&store->stats.thinned_samples, w.n_before - w.n_after);
    return r;
}
