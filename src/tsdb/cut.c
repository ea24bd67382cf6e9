/*
 * From memory to disk: the pages of all sources become one block.
 *
 * A source is a group: the rows of its pages in order. A series is a column of the group; where it changed its section, or
 * samples of it were deleted, it is written with times of its own, for then presence says no longer what it should.
 * A block does not know what was before it, so a series that had a value at the end of the block before and is
 * missing in the first row here gets its marker as a value.
 */
#include "base/assert.h"
#include "tsdb/parts.h"
#include "tsdb/sparse.h"

enum { CUT_BYTES = 512 << 20 };

/* One source of a cut. */
struct group {
    struct nv_head *head;
    struct nv_head_view view;
    size_t n_pages, n_rows, n_sections;
    int64_t *times;
    uint64_t **observed;
    uint32_t number; /* in the block */
};

/* A series in one generation of its source. */
struct entry {
    struct nv_head_series *series;
    const struct nv_label *labels;
    const struct nv_columns *columns;
    uint32_t group, column, section, order;
    struct nv_samples own; /* with times of its own; columns NULL */
};

struct cut {
    struct nv_store *store;
    struct nv_block_writer *writer;
    struct nv_codec *codec;
    struct nv_arena arena, scratch;
    struct group *groups;
    size_t n_groups;
    struct entry *entries;
    size_t n_entries, room;
    struct {
        struct nv_head *head;
        struct nv_head_series *series;
        size_t n;
    } * sparse; /* what was written of each */
    size_t n_sparse, room_sparse;
    struct {
        struct nv_head_series *series;
        bool live;
    } * lives; /* what holds once the block is there */
    size_t n_lives, room_lives;
    struct nv_samples samples;
    uint64_t segment; /* of the log, when this began */
    bool any;
};

static void cut_done(struct cut *cut)
{
    for (size_t i = 0; i < cut->n_groups; i++)
        nv_head_view_done(&cut->groups[i].view);
    nv_block_writer_free(cut->writer);
    nv_codec_free(cut->codec);
    nv_samples_done(&cut->samples);
    nv_arena_done(&cut->arena);
    nv_arena_done(&cut->scratch);
    free(cut->entries);
    free(cut->sparse);
    free(cut->lives);
}

static bool grow(void **p, size_t *room, size_t n, size_t size)
{
    if (n < *room)
        return true;
    size_t more = *room ? *room * 2 : 256;
    void *larger = realloc(*p, more * size);
    if (!larger)
        return false;
    *p = larger;
    *room = more;
    return true;
}

/* ---- groups --------------------------------------------------------------------------------- */

static int copy_rows(struct cut *cut, struct group *group)
{
    size_t at = 0, words = group->n_rows / 64 + 1;

    group->times = nv_arena_alloc(&cut->arena, (group->n_rows + NV_CHUNK_ROWS) * sizeof(int64_t));
    group->observed = nv_arena_alloc(&cut->arena, (group->n_sections + 1) * sizeof(uint64_t *));
    if (!group->times || !group->observed)
        return -ENOMEM;
    for (size_t s = 0; s < group->n_sections; s++) {
        group->observed[s] = nv_arena_alloc(&cut->arena, words * sizeof(uint64_t));
        if (!group->observed[s])
            return -ENOMEM;
        memset(group->observed[s], 0, words * sizeof(uint64_t));
    }
    for (size_t p = 0; p < group->n_pages; p++) {
        const struct nv_page *page = group->view.pages[p];
        int r = nv_page_times(cut->codec, page, group->times + at);
        if (r < 0)
            return r;
        for (size_t row = 0; row < page->n_rows; row++, at++)
            for (size_t s = 0; s < page->n_sections; s++)
                if (page->observed[s] >> row & 1)
                    nv_bit_set(group->observed[s], at);
    }
    return 0;
}

static int add_group(struct cut *cut, struct nv_head *head)
{
    struct group *group = &cut->groups[cut->n_groups];

    *group = (struct group){.head = head};
    int r = nv_head_view(head, &group->view);
    if (r < 0)
        return r;
    cut->n_groups++;
    for (; group->n_pages < group->view.n_pages; group->n_pages++) {
        const struct nv_page *page = group->view.pages[group->n_pages];
        if (group->n_rows + page->n_rows > NV_BLOCK_ROWS_MAX)
            break;
        group->n_rows += page->n_rows;
        if (page->n_sections > group->n_sections)
            group->n_sections = page->n_sections;
    }
    if (!group->n_rows)
        return 0;
    r = copy_rows(cut, group);
    if (r < 0)
        return r;
    r = nv_block_add_group(cut->writer, group->times, group->n_rows,
                           (const uint64_t *const *)group->observed, group->n_sections);
    if (r >= 0)
        group->number = (uint32_t)r;
    return r < 0 ? r : 0;
}

/* ---- entries -------------------------------------------------------------------------------- */

static int add_columns(struct cut *cut, uint32_t g, const struct nv_columns *columns, uint32_t n,
                       uint32_t order)
{
    const struct nv_column *at = nv_columns_at(columns);

    for (uint32_t c = 0; c < n; c++) {
        if (!grow((void **)&cut->entries, &cut->room, cut->n_entries, sizeof(*cut->entries)))
            return -ENOMEM;
        const struct nv_label *labels = nv_series_labels(at[c].series, &cut->arena);
        if (!labels)
            return -ENOMEM;
        cut->entries[cut->n_entries++] =
            (struct entry){at[c].series, labels, columns, g, c, at[c].section, order, {0}};
    }
    return 0;
}

/* The series of each generation that has pages here. */
static int add_entries(struct cut *cut, uint32_t g)
{
    const struct group *group = &cut->groups[g];

    for (size_t p = 0; p < group->n_pages;) {
        const struct nv_columns *columns = group->view.pages[p]->columns;
        uint32_t n = 0, order = (uint32_t)p;
        for (; p < group->n_pages && group->view.pages[p]->columns == columns; p++)
            n = group->view.pages[p]->n_columns;
        int r = add_columns(cut, g, columns, n, order);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->series == y->series)
        return (x->order > y->order) - (x->order < y->order);
    return nv_labels_compare(x->labels, x->series->n_labels, y->labels, y->series->n_labels);
}

/* ---- series --------------------------------------------------------------------------------- */

static int note_live(struct cut *cut, struct nv_head_series *series, bool live)
{
    if (!grow((void **)&cut->lives, &cut->room_lives, cut->n_lives, sizeof(*cut->lives)))
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

static int column_new(struct cut *cut, size_t n_rows, struct column *ret)
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

static const struct entry *entry_in(const struct entry *entries, size_t n,
                                    const struct nv_columns *columns)
{
    for (size_t i = 0; i < n; i++)
        if (entries[i].columns == columns)
            return &entries[i];
    return NULL;
}

static int gather(struct cut *cut, const struct group *group, const struct entry *entries, size_t n,
                  struct column *column)
{
    struct nv_strip strip;
    size_t first = 0;

    for (size_t p = 0; p < group->n_pages; first += group->view.pages[p++]->n_rows) {
        const struct nv_page *page = group->view.pages[p];
        const struct entry *entry = entry_in(entries, n, page->columns);
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

static int write_dense(struct cut *cut, const struct entry *entries, size_t n)
{
    const struct group *group = &cut->groups[entries->group];
    const uint64_t *observed = group->observed[entries->section];
    struct nv_head_series *series = entries->series;
    struct column column;

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
    cut->any = true;
    return nv_block_add_series(cut->writer, group->number, entries->section, entries->labels,
                               series->n_labels, column.present, column.values,
                               column.any_native ? column.natives : NULL);
}

/* With times of its own: as a reader would get it. */
static int write_loose(struct cut *cut, const struct entry *entry, const struct nv_samples *own)
{
    struct group *group = &cut->groups[entry->group];
    struct nv_head_view pages = group->view;
    uint64_t faults = 0; /* the store counts them */
    int r = 0;

    pages.n_chunks = 0;
    pages.n_pages = group->n_pages;
    nv_samples_reset(&cut->samples);
    for (size_t i = 0; r == 0 && i < own->n; i++)
        r = nv_samples_add(&cut->samples, own->times[i], own->values[i], NULL);
    if (r == 0)
        nv_store_apply_marks(cut->store, entry->series, &cut->samples, 0);
    if (r == 0)
        r = nv_head_read(cut->store, cut->codec, &pages, entry->series, INT64_MIN, INT64_MAX,
                         &cut->samples, &faults);
    if (r == 0)
        r = nv_samples_settle(&cut->samples, 0, entry->series->live);
    size_t n = cut->samples.n;
    if (r < 0 || !n)
        return r;
    cut->any = true;
    r = note_live(cut, entry->series, !nv_is_stale(cut->samples.values[n - 1]));
    return r < 0 ? r
                 : nv_block_add_sparse(cut->writer, entry->labels, entry->series->n_labels,
                                       &cut->samples);
}

static bool is_dense(const struct cut *cut, const struct entry *entries, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (entries[i].section != entries[0].section)
            return false;
    return !__atomic_load_n(&entries->series->sparse, __ATOMIC_ACQUIRE) &&
           !nv_store_is_marked(cut->store, entries->series);
}

static int write_series(struct cut *cut)
{
    if (cut->n_entries)
        qsort(cut->entries, cut->n_entries, sizeof(*cut->entries), compare_entries);
    for (size_t i = 0, n; i < cut->n_entries; i += n) {
        const struct entry *entry = &cut->entries[i];
        for (n = 1; i + n < cut->n_entries && entry[n].series == entry->series; n++)
            ;
        struct nv_arena_mark mark = nv_arena_mark(&cut->scratch);
        int r = entry->columns && is_dense(cut, entry, n)
                    ? write_dense(cut, entry, n)
                    : write_loose(cut, entry, &entry[n - 1].own);
        nv_arena_rewind(&cut->scratch, mark);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- sparse --------------------------------------------------------------------------------- */

/* Series with samples of their own times join the list; what came by now is what is written. */
static int add_sparse(struct cut *cut, uint32_t g)
{
    struct nv_head *head = cut->groups[g].head;

    for (size_t i = 0;; i++) {
        struct nv_head_series *series;
        struct nv_samples samples;
        int r = nv_sparse_take(head, i, &cut->arena, &series, &samples);
        if (r < 0 || !series)
            return r;
        if (!grow((void **)&cut->sparse, &cut->room_sparse, cut->n_sparse, sizeof(*cut->sparse)) ||
            !grow((void **)&cut->entries, &cut->room, cut->n_entries, sizeof(*cut->entries)))
            return -ENOMEM;
        cut->sparse[cut->n_sparse].head = head;
        cut->sparse[cut->n_sparse].series = series;
        cut->sparse[cut->n_sparse++].n = samples.n;
        const struct nv_label *labels = nv_series_labels(series, &cut->arena);
        if (!labels)
            return -ENOMEM;
        cut->entries[cut->n_entries++] =
            (struct entry){series, labels, NULL, g, 0, 0, UINT32_MAX, samples};
    }
}

/* ---- cutting -------------------------------------------------------------------------------- */

static int build(struct cut *cut)
{
    size_t n = nv_store_n_heads(cut->store);

    cut->segment = cut->store->log ? nv_log_segment(cut->store->log) : UINT64_MAX;
    cut->groups = nv_arena_alloc(&cut->arena, (n + 1) * sizeof(*cut->groups));
    if (!cut->groups)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        int r = add_group(cut, cut->store->heads[i]);
        if (r == 0)
            r = add_entries(cut, (uint32_t)i);
        if (r == 0)
            r = add_sparse(cut, (uint32_t)i);
        if (r < 0)
            return r;
    }
    return write_series(cut);
}

/* Memory lets go of what the block holds; readers have seen the block before that. */
static void release(struct cut *cut)
{
    struct nv_store *store = cut->store;

    for (size_t i = 0; i < cut->n_lives; i++)
        cut->lives[i].series->live = cut->lives[i].live;
    for (size_t i = 0; i < cut->n_sparse; i++)
        nv_sparse_drop(cut->sparse[i].head, cut->sparse[i].series, cut->sparse[i].n);
    for (size_t i = 0; i < cut->n_groups; i++) {
        struct group *group = &cut->groups[i];
        if (group->n_rows) {
            int64_t until = group->times[group->n_rows - 1];
            if (until > store->cut_ms)
                store->cut_ms = until;
            nv_store_drop_marks(store, group->head, until);
            nv_head_drop_until(group->head, until);
        }
        nv_sparse_settle(group->head, cut->segment);
    }
}

/* Segments that could not be read whole are kept, under another name, now that their rest is safe. */
static void set_damaged_aside(struct nv_store *store)
{
    char to[NV_BLOCK_NAME_MAX];
    struct nv_fs *fs = store->fs;

    for (size_t i = 0; i < store->n_damaged; i++) {
        snprintf(to, sizeof(to), "%s" NV_DAMAGED, store->damaged[i].p);
        fs->ops->rename(fs, store->damaged[i].p, to);
    }
    if (store->n_damaged)
        (void)!fs->ops->sync_dir(fs);
    store->n_damaged = 0;
    store->cut_now = false;
}

void nv_store_drop_segments(struct nv_store *store)
{
    __attribute__((cleanup(nv_arena_done))) struct nv_arena arena = NV_ARENA(16 << 20);
    uint64_t needed = nv_log_segment(store->log), segment;
    struct nv_str *names;
    size_t n;

    for (size_t i = 0; i < nv_store_n_heads(store); i++) {
        uint64_t first = nv_head_segment(store->heads[i]);
        needed = first < needed ? first : needed;
    }
    if (store->n_damaged || store->fs->ops->list(store->fs, &arena, &names, &n) < 0)
        return;
    for (size_t i = 0; i < n; i++)
        if (nv_log_is_name(names[i], &segment) && segment < needed)
            store->fs->ops->unlink(store->fs, names[i].p);
}

static int commit(struct cut *cut, struct nv_fs *fs, char name[NV_BLOCK_NAME_MAX])
{
    int r = nv_block_writer_new(fs, &cut->writer);
    if (r == 0)
        r = build(cut);
    if (r == 0)
        r = cut->any ? nv_block_commit(cut->writer, 0, name) : -ENODATA;
    return r;
}

int nv_store_write_memory(struct nv_store *store, struct nv_fs *fs, char name[NV_BLOCK_NAME_MAX])
{
    __attribute__((cleanup(cut_done))) struct cut cut = {
        .store = store, .arena = NV_ARENA(CUT_BYTES), .scratch = NV_ARENA(CUT_BYTES)};

    cut.codec = nv_codec_new();
    return cut.codec ? commit(&cut, fs, name) : -ENOMEM;
}

int nv_store_cut(struct nv_store *store, bool all)
{
    __attribute__((cleanup(cut_done))) struct cut cut = {
        .store = store, .arena = NV_ARENA(CUT_BYTES), .scratch = NV_ARENA(CUT_BYTES)};
    char name[NV_BLOCK_NAME_MAX];
    struct nv_block *block;

    for (size_t i = 0; all && i < nv_store_n_heads(store); i++) {
        int r = nv_head_seal(store->heads[i], true);
        if (r < 0)
            return r;
    }
    cut.codec = nv_codec_new();
    int r = cut.codec ? commit(&cut, store->fs, name) : -ENOMEM;
    if (r == 0) {
        r = nv_block_open(store->fs, store->cache, name, &block);
        if (r == 0)
            r = nv_store_replace(store, NULL, 0, block);
    }
    __atomic_store_n(&store->stats.disk_error, r == -ENODATA ? 0 : r, __ATOMIC_RELAXED);
    if (r < 0 && r != -ENODATA)
        return r;
    release(&cut);
    set_damaged_aside(store);
    if (store->log)
        nv_store_drop_segments(store);
    return r == 0;
}
