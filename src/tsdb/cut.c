/*
 * From memory to disk: the pages of all sources become one block.
 *
 * A source is a group: the rows of its pages in order. A series is a column of the group; where it changed its section, or
 * samples of it were deleted, it is written with times of its own, for then presence says no longer what it should.
 * A block does not know what was before it, so a series that had a value at the end of the block before and is
 * missing in the first row here gets its marker as a value.
 */
#include "base/assert.h"
#include "tsdb/cut_parts.h"
#include "tsdb/sparse.h"

enum { CUT_BYTES = 512 << 20 };

static void cut_done(struct nv_cut *cut)
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

bool nv_cut_grow(void **p, size_t *room, size_t n, size_t size)
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

static int copy_rows(struct nv_cut *cut, struct nv_cut_group *group)
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

static int add_group(struct nv_cut *cut, struct nv_head *head)
{
    struct nv_cut_group *group = &cut->groups[cut->n_groups];

    *group = (struct nv_cut_group){.head = head};
    int r = nv_head_view(head, &group->view);
    if (r < 0)
        return r;
    cut->n_groups++;
    int64_t last_ms = 0;
    for (; group->n_pages < group->view.n_pages; group->n_pages++) {
        const struct nv_page *page = group->view.pages[group->n_pages];
        if (group->n_rows + page->n_rows > NV_BLOCK_ROWS_MAX)
            break;
        if (group->n_rows && nv_is_jump(last_ms, page->from_ms) && !cut->store->cut_now)
            break; /* see clock.c */
        group->n_rows += page->n_rows;
        last_ms = page->to_ms;
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

static int add_columns(struct nv_cut *cut, uint32_t g, const struct nv_columns *columns, uint32_t n,
                       uint32_t order)
{
    const struct nv_column *at = nv_columns_at(columns);

    for (uint32_t c = 0; c < n; c++) {
        if (!nv_cut_grow((void **)&cut->entries, &cut->room, cut->n_entries, sizeof(*cut->entries)))
            return -ENOMEM;
        cut->entries[cut->n_entries++] =
            (struct nv_cut_entry){at[c].series, columns, g, c, at[c].section, order};
    }
    return 0;
}

/* The series of each generation that has pages here. */
static int add_entries(struct nv_cut *cut, uint32_t g)
{
    const struct nv_cut_group *group = &cut->groups[g];

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

/* ---- sparse --------------------------------------------------------------------------------- */

/* Series with samples of their own times join the list; what came by now is what is written. */
static int add_sparse(struct nv_cut *cut, uint32_t g)
{
    struct nv_head *head = cut->groups[g].head;

    for (size_t i = 0;; i++) {
        if (!nv_cut_grow((void **)&cut->sparse, &cut->room_sparse, cut->n_sparse,
                         sizeof(*cut->sparse)) ||
            !nv_cut_grow((void **)&cut->entries, &cut->room, cut->n_entries, sizeof(*cut->entries)))
            return -ENOMEM;
        struct nv_cut_sparse *one = &cut->sparse[cut->n_sparse];
        int r = nv_sparse_take(head, i, &cut->arena, &one->series, &one->samples);
        if (r < 0 || !one->series)
            return r;
        one->head = head;
        cut->entries[cut->n_entries++] = (struct nv_cut_entry){.series = one->series,
                                                               .group = g,
                                                               .column = (uint32_t)cut->n_sparse++,
                                                               .order = UINT32_MAX};
    }
}

/* ---- cutting -------------------------------------------------------------------------------- */

static int build(struct nv_cut *cut)
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
    return nv_cut_write(cut);
}

/* Memory lets go of what the block holds; readers have seen the block before that. */
static void release(struct nv_cut *cut)
{
    struct nv_store *store = cut->store;

    for (size_t i = 0; i < cut->n_lives; i++)
        cut->lives[i].series->live = cut->lives[i].live;
    for (size_t i = 0; i < cut->n_sparse; i++)
        nv_sparse_drop(cut->sparse[i].head, cut->sparse[i].series, cut->sparse[i].samples.n);
    for (size_t i = 0; i < cut->n_groups; i++) {
        struct nv_cut_group *group = &cut->groups[i];
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

static int commit(struct nv_cut *cut, struct nv_fs *fs, char name[NV_BLOCK_NAME_MAX])
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
    __attribute__((cleanup(cut_done))) struct nv_cut cut = {
        .store = store, .arena = NV_ARENA(CUT_BYTES), .scratch = NV_ARENA(CUT_BYTES)};

    cut.codec = nv_codec_new();
    return cut.codec ? commit(&cut, fs, name) : -ENOMEM;
}

int nv_store_cut(struct nv_store *store, bool all)
{
    __attribute__((cleanup(cut_done))) struct nv_cut cut = {
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
    if (r != -ECANCELED)
        __atomic_store_n(&store->stats.disk_error, r == -ENODATA ? 0 : r, __ATOMIC_RELAXED);
    if (r < 0 && r != -ENODATA)
        return r;
    release(&cut);
    set_damaged_aside(store);
    if (store->log)
        nv_store_drop_segments(store);
    return r == 0;
}
