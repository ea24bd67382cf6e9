/*
 * How a layout becomes columns and sections of a head, and what a new generation takes over from the one before.
 */
#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/head_parts.h"
#include "tsdb/store.h"

enum { LABELS_MAX = 2 * NV_LABELS_MAX + 8 };

static void count(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* ---- labels --------------------------------------------------------------------------------- */

struct label_set {
    struct nv_label at[LABELS_MAX];
    size_t n;
    struct nv_arena arena; /* of names that had to be made */
};

static bool has_label(const struct nv_label *labels, size_t n, struct nv_str name)
{
    for (size_t i = 0; i < n; i++)
        if (nv_str_eq(labels[i].name, name))
            return true;
    return false;
}

static void insert_label(struct label_set *set, struct nv_label label)
{
    size_t at = set->n;

    if (!label.value.n) /* an empty label is an absent one */
        return;
    for (; at > 0 && nv_str_cmp(set->at[at - 1].name, label.name) > 0; at--)
        set->at[at] = set->at[at - 1];
    set->at[at] = label;
    set->n++;
}

/* exported_<name>, and once more in front of that where the series has such a label too. */
static int exported(struct label_set *set, const struct nv_series *series,
                    const struct nv_target *target, struct nv_str name, struct nv_str *ret)
{
    static const char prefix[] = "exported_";
    size_t n_prefix = sizeof(prefix) - 1;

    do {
        char *p = nv_arena_alloc(&set->arena, n_prefix + name.n);
        if (!p)
            return -ENOMEM;
        memcpy(p, prefix, n_prefix);
        memcpy(p + n_prefix, name.p, name.n);
        name = (struct nv_str){p, n_prefix + name.n};
    } while (has_label(series->labels, series->n_labels, name) ||
             has_label(target->labels, target->n_labels, name));
    *ret = name;
    return 0;
}

/* The labels a series has in the store: its name, its own, and those of its target, which win. */
static int store_labels(const struct nv_layout *layout, const struct nv_series *series,
                        struct label_set *ret)
{
    const struct nv_target *target = &layout->targets[series->section];

    ret->n = 0;
    if (series->n_labels + target->n_labels + 1 > LABELS_MAX)
        return NV_STORE_FULL;
    insert_label(ret, (struct nv_label){NV_LIT("__name__"), series->name});
    for (size_t i = 0; i < target->n_labels; i++)
        insert_label(ret, target->labels[i]);
    for (size_t i = 0; i < series->n_labels; i++) {
        struct nv_label label = series->labels[i];
        int r = 0;
        if (has_label(target->labels, target->n_labels, label.name) && label.value.n)
            r = exported(ret, series, target, label.name, &label.name);
        if (r < 0)
            return r;
        insert_label(ret, label);
    }
    return 0;
}

/* ---- sections ------------------------------------------------------------------------------- */

int nv_head_room_for_sections(struct nv_head *head, size_t n)
{
    if (n <= head->room_sections)
        return 0;
    size_t room = n + n / 2 + 32;
    if (!nv_resize((void **)&head->clocks, room * sizeof(*head->clocks)))
        return -ENOMEM;
    memset(head->clocks + head->room_sections, 0,
           (room - head->room_sections) * sizeof(*head->clocks));
    head->room_sections = room;
    return 0;
}

bool nv_head_is_claimed(const struct nv_head *head, uint32_t section)
{
    for (size_t i = 0; i < head->n_layout_sections; i++)
        if (head->sections[i] == section)
            return true;
    return false;
}

/*
 * A section of ours for one of the layout: that of its number, which before a restart was most likely the same, unless
 * that has been found to be another.
 */
static int add_section(struct nv_head *head, size_t wanted, uint32_t *ret)
{
    size_t number = nv_head_is_claimed(head, (uint32_t)wanted) ? head->n_sections : wanted;

    if (number >= NV_LOG_SECTIONS_MAX)
        return NV_STORE_FULL;
    int r = nv_head_room_for_sections(head, number + 1);
    if (r < 0)
        return r;
    if (number >= head->n_sections)
        head->n_sections = number + 1;
    head->clocks[number].used = true;
    *ret = (uint32_t)number;
    return 0;
}

static int room_for_layout_sections(struct nv_head *head, size_t n)
{
    if (n <= head->n_layout_sections)
        return 0;
    if (!nv_resize((void **)&head->sections, n * sizeof(*head->sections)))
        return -ENOMEM;
    for (size_t i = head->n_layout_sections; i < n; i++)
        head->sections[i] = NV_HEAD_NONE;
    head->n_layout_sections = n;
    return 0;
}

/* ---- columns -------------------------------------------------------------------------------- */

/* One that another source claims, or that the table has no room for: to be tried again when that is over. */
static void note_refused(struct nv_head *head, size_t i, int outcome)
{
    head->n_refused += outcome == NV_SERIES_CONFLICT;
    head->n_homeless += outcome == NV_SERIES_FULL;
    head->map[i] = outcome == NV_SERIES_CONFLICT ? NV_HEAD_NONE : NV_HEAD_FULL;
}

/* A column for a series, or the one it has. Where it cannot have one the map says why, which is counted per sample. */
static int map_series(struct nv_head *head, const struct nv_layout *layout, size_t i,
                      struct label_set *set, bool *ret_elsewhere)
{
    const struct nv_series *series = nv_layout_series(layout, i);
    uint32_t *section = &head->sections[series->section];
    struct nv_head_series *found;
    struct nv_place place;

    head->map[i] = NV_HEAD_FULL;
    int r = store_labels(layout, series, set);
    if (r || head->columns->n == NV_LOG_COLUMNS_MAX)
        return r < 0 ? r : 0;
    r = nv_series_claim(head->table, head->number, set->at, set->n, &found);
    if (r > 0)
        note_refused(head, i, r);
    if (r)
        return r < 0 ? r : 0;
    head->map[i] = NV_HEAD_NONE;
    if (nv_series_place(head->table, found, head->columns, &place)) {
        struct nv_column *column = &head->columns->at[place.column];
        nv_series_unref(head->table, &found, 1); /* the column has its own hold */
        if (!column->orphan)
            return 0; /* twice in one layout */
        if (*section == NV_HEAD_NONE && !nv_head_is_claimed(head, place.section))
            *section = place.section;
        if (*section != place.section) {
            *ret_elsewhere = true;
            return 0;
        }
        column->orphan = false;
        head->map[i] = place.column;
        return 0;
    }
    if (*section == NV_HEAD_NONE)
        r = add_section(head, series->section, section);
    if (r) {
        nv_series_unref(head->table, &found, 1);
        head->map[i] = NV_HEAD_FULL;
        return r < 0 ? r : 0;
    }
    head->map[i] = head->columns->n;
    return nv_columns_add(head->columns, found, *section, false);
}

static int map_columns(struct nv_head *head, const struct nv_layout *layout, bool *ret_elsewhere)
{
    struct label_set set = {.arena = NV_ARENA(1 << 20)};
    int r = 0;

    if (layout->n_series > head->room_map) {
        size_t room = layout->n_series + layout->n_series / 8 + 64;
        if (!nv_resize((void **)&head->map, room * sizeof(*head->map)))
            return -ENOMEM;
        head->room_map = room;
        r = nv_columns_reserve(head->columns, (uint32_t)room);
    }
    for (; r == 0 && head->n_mapped < layout->n_series; head->n_mapped++) {
        nv_arena_reset(&set.arena);
        r = map_series(head, layout, head->n_mapped, &set, ret_elsewhere);
        head->identity &= head->map[head->n_mapped] == head->n_mapped;
    }
    nv_arena_done(&set.arena);
    return r;
}

/* ---- generations ---------------------------------------------------------------------------- */

/* Whoever seals is late: so many wait, or such large ones. */
static bool too_many_wait(struct nv_head *head)
{
    NV_LOCKED(&head->lock);
    size_t bytes = 0;

    for (size_t i = 0; i < head->n_waiting; i++)
        bytes += nv_chunk_memory(head->waiting[i]);
    return head->n_waiting >= NV_HEAD_WAITING || bytes >= NV_HEAD_WAITING_BYTES;
}

static void let_go_of_open(struct nv_head *head)
{
    NV_LOCKED(&head->lock);

    if (head->open && nv_chunk_rows(head->open))
        head->waiting[head->n_waiting++] = head->open;
    else
        nv_chunk_unref(head->open);
    head->open = NULL;
}

/* The open chunk goes its way: the next row has other columns, or no room in it. */
int nv_head_close_chunk(struct nv_head *head)
{
    if (too_many_wait(head)) {
        int r = nv_head_seal_one(head);
        if (r < 0)
            return r;
        while (nv_head_page_bytes(head) > NV_HEAD_PAGES_BYTES) /* the maintainer hangs in a disk */
            count(&head->lost, nv_head_drop_pages(head, 1));
    }
    let_go_of_open(head);
    if (head->wake)
        head->wake(head->wake_user);
    return 0;
}

/* The log need not tell again what its segment has in whole. */
static void keep_told(struct nv_head *head)
{
    struct nv_columns *old = head->columns;

    nv_columns_unref(nv_take(head->told));
    if (old->n && head->logged == old->n && head->log_segment != UINT64_MAX) {
        head->told = nv_columns_ref(old);
        head->told_segment = head->log_segment;
    }
}

int nv_head_start_generation(struct nv_head *head, uint64_t generation)
{
    struct nv_columns *columns = nv_columns_new(head->table, generation);

    if (!columns)
        return -ENOMEM;
    int r = nv_head_close_chunk(head);
    if (r < 0) {
        nv_columns_unref(columns);
        return r;
    }
    keep_told(head);
    head->generation = generation;
    head->columns = columns;
    head->n_mapped = 0;
    head->n_refused = head->n_homeless = 0;
    head->unclaimed = nv_series_unclaimed(head->table);
    head->identity = true;
    head->logged = 0;
    __atomic_store_n(&head->log_segment, UINT64_MAX, __ATOMIC_RELAXED);
    return 0;
}

/* In a process of its own a layout numbers its sections as it likes: those that share series are the same. */
static int match_sections(struct nv_head *head, const struct nv_columns *old,
                          const struct nv_layout *layout)
{
    struct label_set set = {.arena = NV_ARENA(1 << 20)};
    int r = 0;

    for (size_t i = 0; r == 0 && i < layout->n_series; i++) {
        const struct nv_series *series = nv_layout_series(layout, i);
        struct nv_head_series *found;
        struct nv_place place;
        if (head->sections[series->section] != NV_HEAD_NONE)
            continue;
        nv_arena_reset(&set.arena);
        r = store_labels(layout, series, &set);
        if (r == 0)
            r = nv_series_take(head->table, head->number, set.at, set.n, &found);
        if (r > 0)
            r = 0;
        else if (r == 0) {
            if (nv_series_place(head->table, found, old, &place) &&
                !nv_head_is_claimed(head, place.section))
                head->sections[series->section] = place.section;
            nv_series_unref(head->table, &found, 1);
        }
    }
    nv_arena_done(&set.arena);
    return r;
}

/* Series that had a value last and are not in the layout keep a column, to become stale in. */
static int adopt_orphans(struct nv_head *head, const struct nv_columns *old,
                         const uint64_t *was_present, size_t n)
{
    struct nv_place place;

    for (size_t c = 0; c < n && c < old->n && head->columns->n < NV_LOG_COLUMNS_MAX; c++) {
        struct nv_column column = old->at[c];
        if (!nv_bit(was_present, c) ||
            nv_series_place(head->table, column.series, head->columns, &place))
            continue;
        nv_series_ref(head->table, column.series);
        int r = nv_columns_add(head->columns, column.series, column.section, true);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What was present of each series moves with it to its new column, so that the log tells of the change. */
static int carry_presence(struct nv_head *head, const struct nv_columns *old,
                          const uint64_t *was_present, size_t n)
{
    struct nv_place place;

    nv_log_state_begin(&head->log);
    int r = nv_log_state_room(&head->log, head->columns->n, head->n_sections);
    for (size_t c = 0; r == 0 && c < n && c < old->n; c++)
        if (nv_bit(was_present, c) &&
            nv_series_place(head->table, old->at[c].series, head->columns, &place))
            nv_bit_set(head->log.present, place.column);
    return r;
}

/* Other sources may have the series that the new generation has not. */
static void give_back(struct nv_head *head, const struct nv_columns *old)
{
    struct nv_place place;

    for (uint32_t c = 0; c < old->n; c++)
        if (!nv_series_place(head->table, old->at[c].series, head->columns, &place) ||
            head->columns->at[place.column].orphan)
            nv_series_unclaim(head->table, &old->at[c].series, 1);
}

/* How many a generation of this layout will need, with a few for what comes and goes. */
static uint32_t columns_of(const struct nv_layout *layout)
{
    size_t n = layout->n_series + layout->n_series / 16 + 64;

    return n < NV_LOG_COLUMNS_MAX ? (uint32_t)n : NV_LOG_COLUMNS_MAX;
}

static int begin_generation(struct nv_head *head, const struct nv_layout *layout)
{
    struct nv_columns *old = nv_columns_ref(head->columns);
    size_t n = head->log.room ? old->n : 0;
    NV_AUTO_FREE uint64_t *present = calloc(n / 64 + 1, sizeof(*present));
    bool unused = false;

    if (n && present)
        memcpy(present, head->log.present, ((n < head->log.room ? n : head->log.room) + 7) / 8);
    struct nv_columns *before = head->columns;
    int r = present ? nv_head_start_generation(head, head->generation + 1) : -ENOMEM;
    if (r == 0) {
        nv_columns_unref(before);
        r = nv_columns_reserve(head->columns, columns_of(layout));
        if (r == 0 && !head->layout)
            r = match_sections(head, old, layout);
        if (r == 0)
            r = map_columns(head, layout, &unused);
        if (r == 0)
            r = adopt_orphans(head, old, present, n);
        if (r == 0)
            r = carry_presence(head, old, present, n);
        if (r == 0)
            give_back(head, old);
    }
    nv_columns_unref(old);
    return r;
}

/* Whether series that were refused may be taken now; where a page begins, so that none is cut short. */
static bool is_to_be_tried_again(const struct nv_head *head)
{
    if (head->open && !nv_chunk_is_full(head->open))
        return false;
    return (head->n_refused && nv_series_unclaimed(head->table) != head->unclaimed) ||
           (head->n_homeless && nv_series_count(head->table) < NV_SERIES_TABLE_MAX / 8 * 7);
}

/* Whether columns that series of earlier layouts only become stale in stand in the way of new ones. */
static bool is_crowded(const struct nv_head *head, const struct nv_layout *layout)
{
    return head->columns->n > head->n_mapped &&
           head->columns->n + (layout->n_series - head->n_mapped) > NV_LOG_COLUMNS_MAX;
}

/* The layout of a frame: the one before, a longer one, or another. */
int nv_head_follow_layout(struct nv_head *head, struct nv_layout *layout)
{
    bool elsewhere = is_to_be_tried_again(head);

    if (layout == head->layout && !elsewhere)
        return 0;
    int r = room_for_layout_sections(head, layout->n_sections);
    if (r < 0)
        return r;
    bool same = head->layout && head->layout->memory == layout->memory &&
                layout->n_series >= head->n_mapped && !is_crowded(head, layout);
    r = same ? map_columns(head, layout, &elsewhere) : begin_generation(head, layout);
    if (r == 0 && elsewhere)
        r = begin_generation(head, layout);
    if (r < 0) {
        nv_layout_unref(head->layout); /* half done: begin anew with the next frame */
        head->layout = NULL;
        return r;
    }
    nv_layout_ref(layout);
    nv_layout_unref(head->layout);
    head->layout = layout;
    return 0;
}
