/*
 * The series of a cut: each is put together from its pages, written, and forgotten before the next.
 */
#include "base/assert.h"
#include "tsdb/cut_parts.h"

enum { SEAL_EVERY = 256 }; /* entries: appending goes on meanwhile */

/* As nv_labels_compare(); equal labels are the same pair. */
static int compare_labels(const struct nv_head_series *a, const struct nv_head_series *b)
{
    size_t n_a = nv_series_n_labels(a), n_b = nv_series_n_labels(b);

    for (size_t i = 0; i < n_a && i < n_b; i++) {
        const struct nv_pair *x = nv_series_label(a, i), *y = nv_series_label(b, i);
        if (x == y)
            continue;
        int order = nv_str_cmp(x->label.name, y->label.name);
        return order ? order : nv_str_cmp(x->label.value, y->label.value);
    }
    return (n_a > n_b) - (n_a < n_b);
}

static int compare_entries(const void *a, const void *b)
{
    const struct nv_cut_entry *x = a, *y = b;

    int order = x->series == y->series ? 0 : compare_labels(x->series, y->series);

    if (order == 0 && x->series != y->series) /* of several sources */
        order = (x->series->source > y->series->source) - (x->series->source < y->series->source);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int note_live(struct nv_cut *cut, struct nv_head_series *series, bool live)
{
    if (!nv_cut_grow((void **)&cut->lives, &cut->room_lives, cut->n_lives, sizeof(*cut->lives)))
        return -ENOMEM;
    cut->lives[cut->n_lives].series = series;
    cut->lives[cut->n_lives++].live = live;
    return 0;
}

/* A column as it is put together: rows it is in, and their values. */
struct column {
    uint64_t *present;
    double *values;
    const struct nv_histogram **natives;
    size_t n;
    bool any_native;
};

static int column_new(struct nv_cut *cut, size_t n_rows, struct column *ret)
{
    *ret = (struct column){.present =
                               nv_arena_alloc(&cut->scratch, (n_rows / 64 + 1) * sizeof(uint64_t)),
                           .values = nv_arena_alloc(&cut->scratch, (n_rows + 1) * sizeof(double)),
                           .natives = nv_arena_alloc(&cut->scratch, (n_rows + 1) * sizeof(void *))};
    if (!ret->present || !ret->values || !ret->natives)
        return -ENOMEM;
    memset(ret->present, 0, (n_rows / 64 + 1) * sizeof(uint64_t));
    return 0;
}

static void add_value(struct column *column, size_t row, double value,
                      const struct nv_histogram *native)
{
    nv_bit_set(column->present, row);
    column->values[column->n] = value;
    column->natives[column->n++] = native;
    column->any_native |= native != NULL;
}

static const struct nv_cut_entry *entry_in(const struct nv_cut_entry *entries, size_t n,
                                           const struct nv_columns *columns)
{
    for (size_t i = 0; i < n; i++)
        if (entries[i].columns == columns)
            return &entries[i];
    return NULL;
}

static int gather(struct nv_cut *cut, const struct nv_cut_group *group,
                  const struct nv_cut_entry *entries, size_t n, struct column *column)
{
    struct nv_strip strip;
    size_t first = 0;

    for (size_t p = 0; p < group->n_pages; first += group->view.pages[p++]->n_rows) {
        const struct nv_page *page = group->view.pages[p];
        const struct nv_cut_entry *entry = entry_in(entries, n, page->columns);
        if (!entry)
            continue;
        int r =
            nv_page_strip(cut->codec, page, entry->column, entry->section, &cut->scratch, &strip);
        if (r < 0)
            return r;
        for (uint64_t rows = strip.present; rows; rows &= rows - 1) {
            unsigned row = (unsigned)__builtin_ctzll(rows);
            add_value(column, first + row, strip.values[row],
                      strip.native >> row & 1 ? strip.histograms[row] : NULL);
        }
    }
    return 0;
}

/* The first or last row of a set; n where it is empty. */
static size_t edge_row(const uint64_t *bits, size_t n, bool last)
{
    for (size_t i = 0; i < n; i++) {
        size_t row = last ? n - 1 - i : i;
        if (nv_bit(bits, row))
            return row;
    }
    return n;
}

/* A marker in front: the series was there before, and not when its section was first observed here. */
static void mark_first(struct column *column, size_t row)
{
    memmove(column->values + 1, column->values, column->n * sizeof(*column->values));
    memmove(column->natives + 1, column->natives, column->n * sizeof(*column->natives));
    column->values[0] = nv_stale();
    column->natives[0] = NULL;
    column->n++;
    nv_bit_set(column->present, row);
}

static int write_dense(struct nv_cut *cut, const struct nv_cut_entry *entries, size_t n)
{
    const struct nv_cut_group *group = &cut->groups[entries->group];
    struct nv_head_series *series = entries->series;
    struct column column;

    if (entries->section >= group->n_sections)
        return 0; /* no row knows its section, as after a log that is not ours */
    const uint64_t *observed = group->observed[entries->section];
    size_t first = edge_row(observed, group->n_rows, false);
    if (first == group->n_rows)
        return 0; /* nothing was said of it here */
    int r = column_new(cut, group->n_rows, &column);
    if (r == 0)
        r = gather(cut, group, entries, n, &column);
    if (r == 0)
        r = note_live(cut, series, nv_bit(column.present, edge_row(observed, group->n_rows, true)));
    if (r < 0)
        return r;
    if (series->live && !nv_bit(column.present, first))
        mark_first(&column, first);
    if (!column.n)
        return 0;
    const struct nv_label *labels = nv_series_labels(series, &cut->scratch);
    if (!labels)
        return -ENOMEM;
    cut->any = true;
    return nv_block_add_series(cut->writer, group->number, entries->section, labels,
                               nv_series_n_labels(series), column.present, column.values,
                               column.any_native ? column.natives : NULL);
}

static const struct nv_sparse_samples *own_samples(const struct nv_cut *cut,
                                                   const struct nv_cut_entry *entry)
{
    return entry->columns ? NULL : &cut->sparse[entry->column].samples;
}

/* What one source has, as a reader would get it. */
static int read_loose(struct nv_cut *cut, const struct nv_cut_entry *entry,
                      const struct nv_sparse_samples *own)
{
    struct nv_cut_group *group = &cut->groups[entry->group];
    struct nv_head_view pages = group->view;
    size_t first = cut->samples.n;
    uint64_t faults = 0; /* the store counts them */

    pages.n_chunks = 0;
    pages.n_pages = group->n_pages;
    int r = own ? nv_sparse_read(own, cut->codec, &cut->samples) : 0;
    if (r == 0)
        nv_store_apply_marks(cut->store, entry->series, &cut->samples, first);
    if (r == 0)
        r = nv_head_read(cut->store, cut->codec, &pages, entry->series, INT64_MIN, INT64_MAX,
                         &cut->samples, &faults);
    if (r == 0)
        r = nv_samples_settle(&cut->samples, first, entry->series->live);
    if (r < 0 || cut->samples.n == first)
        return r;
    return note_live(cut, entry->series, !nv_is_stale(cut->samples.values[cut->samples.n - 1]));
}

/* With times of its own; of one source after the other. */
static int write_loose(struct nv_cut *cut, const struct nv_cut_entry *entries, size_t n)
{
    int r = 0;

    nv_samples_reset(&cut->samples);
    for (size_t i = 0, of; r == 0 && i < n; i += of) {
        for (of = 1; i + of < n && entries[i + of].series == entries[i].series; of++)
            ;
        r = read_loose(cut, &entries[i], own_samples(cut, &entries[i + of - 1]));
    }
    if (r == 0 && cut->samples.n)
        r = nv_samples_settle(&cut->samples, 0, true);
    if (r < 0 || !cut->samples.n)
        return r;
    const struct nv_label *labels = nv_series_labels(entries->series, &cut->scratch);
    if (!labels)
        return -ENOMEM;
    cut->any = true;
    return nv_block_add_sparse(cut->writer, labels, nv_series_n_labels(entries->series),
                               &cut->samples);
}

static bool is_dense(const struct nv_cut *cut, const struct nv_cut_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!entries[i].columns || entries[i].series != entries[0].series ||
            entries[i].section != entries[0].section)
            return false;
    return !__atomic_load_n(&entries->series->sparse, __ATOMIC_ACQUIRE) &&
           !nv_store_is_marked(cut->store, entries->series);
}

int nv_cut_write(struct nv_cut *cut)
{
    if (cut->n_entries)
        qsort(cut->entries, cut->n_entries, sizeof(*cut->entries), compare_entries);
    for (size_t i = 0, n; i < cut->n_entries; i += n) {
        const struct nv_cut_entry *entry = &cut->entries[i];
        if (__atomic_load_n(&cut->store->stop, __ATOMIC_RELAXED))
            return -ECANCELED; /* the log has it all */
        for (n = 1; i + n < cut->n_entries && compare_labels(entry[n].series, entry->series) == 0;
             n++)
            ;
        struct nv_arena_mark mark = nv_arena_mark(&cut->scratch);
        int r = is_dense(cut, entry, n) ? write_dense(cut, entry, n) : write_loose(cut, entry, n);
        nv_arena_rewind(&cut->scratch, mark);
        if (r < 0)
            return r;
        if (i / SEAL_EVERY != (i + n) / SEAL_EVERY)
            nv_store_seal_pending(cut->store);
    }
    return 0;
}
