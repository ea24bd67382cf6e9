/*
 * How a frame becomes a row. In the steady state that is: the layout is the one before, so the map stands; values and
 * presence are copied through it; the row is published by its count; what differs from the row before is queued
 * for the log.
 */
#include <inttypes.h>

#include "base/assert.h"
#include "tsdb/head.h"
#include "tsdb/log.h"
#include "tsdb/store.h"

enum { LAYOUT_PART = 64 << 10, LABELS_MAX = 2 * NV_LABELS_MAX + 8, STALE_AFTER = 3, INTERVALS = 4 };

/* Of a section that was seen only once. */
enum { UNKNOWN_INTERVAL_MS = 20000 };

static void unlock(pthread_mutex_t **lock)
{
    pthread_mutex_unlock(*lock);
}
#define LOCKED(mutex)                                                                              \
    __attribute__((cleanup(unlock), unused)) pthread_mutex_t *locked = (mutex);                    \
    pthread_mutex_lock(locked)

static void count(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

static bool grow(void **p, size_t size)
{
    void *larger = realloc(*p, size);

    if (larger)
        *p = larger;
    return larger;
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

static int room_for_sections(struct nv_head *head, size_t n)
{
    if (n <= head->room_sections)
        return 0;
    size_t room = n + n / 2 + 32;
    if (!grow((void **)&head->clocks, room * sizeof(*head->clocks)))
        return -ENOMEM;
    memset(head->clocks + head->room_sections, 0,
           (room - head->room_sections) * sizeof(*head->clocks));
    head->room_sections = room;
    return 0;
}

static bool is_claimed(const struct nv_head *head, uint32_t section)
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
    size_t number = is_claimed(head, (uint32_t)wanted) ? head->n_sections : wanted;

    if (number >= NV_LOG_SECTIONS_MAX)
        return NV_STORE_FULL;
    int r = room_for_sections(head, number + 1);
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
    if (!grow((void **)&head->sections, n * sizeof(*head->sections)))
        return -ENOMEM;
    for (size_t i = head->n_layout_sections; i < n; i++)
        head->sections[i] = NV_HEAD_NONE;
    head->n_layout_sections = n;
    return 0;
}

/* ---- columns -------------------------------------------------------------------------------- */

/* A column for a series, or the one it has. NV_HEAD_NONE where it cannot have one, which is counted per sample. */
static int map_series(struct nv_head *head, const struct nv_layout *layout, size_t i,
                      struct label_set *set, bool *ret_elsewhere)
{
    const struct nv_series *series = nv_layout_series(layout, i);
    uint32_t *section = &head->sections[series->section];
    struct nv_head_series *found;
    struct nv_place place;

    head->map[i] = NV_HEAD_NONE;
    int r = store_labels(layout, series, set);
    if (r == 0)
        r = head->columns->n == NV_LOG_COLUMNS_MAX
                ? NV_STORE_FULL
                : nv_series_take(head->table, head->number, set->at, set->n, &found);
    if (r)
        return r < 0 ? r : 0;
    if (nv_series_place(head->table, found, head->columns, &place)) {
        struct nv_column *column = &head->columns->at[place.column];
        nv_series_unref(head->table, &found, 1); /* the column has its own hold */
        if (!column->orphan)
            return 0; /* twice in one layout */
        if (*section == NV_HEAD_NONE && !is_claimed(head, place.section))
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
        if (!grow((void **)&head->map, room * sizeof(*head->map)))
            return -ENOMEM;
        head->room_map = room;
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

static size_t n_waiting(struct nv_head *head)
{
    LOCKED(&head->lock);
    return head->n_waiting;
}

/* The open chunk goes its way: the next row has other columns, or no room in it. */
static int close_chunk(struct nv_head *head)
{
    if (n_waiting(head) >= NV_HEAD_WAITING) {
        int r = nv_head_seal(head, false);
        if (r < 0)
            return r;
        if (nv_head_page_bytes(head) > NV_HEAD_PAGES_BYTES) { /* the maintainer hangs in a disk */
            nv_head_drop_pages(head, 1);
            count(&head->lost, NV_CHUNK_ROWS);
        }
    }
    LOCKED(&head->lock);
    if (head->open && nv_chunk_rows(head->open))
        head->waiting[head->n_waiting++] = head->open;
    else
        nv_chunk_unref(head->open);
    head->open = NULL;
    return 0;
}

static int start_generation(struct nv_head *head, uint64_t generation)
{
    struct nv_columns *columns = nv_columns_new(head->table, generation);

    if (!columns)
        return -ENOMEM;
    int r = close_chunk(head);
    if (r < 0) {
        nv_columns_unref(columns);
        return r;
    }
    head->generation = generation;
    head->columns = columns;
    head->n_mapped = 0;
    head->identity = true;
    head->logged = 0;
    head->log_segment = UINT64_MAX;
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
                !is_claimed(head, place.section))
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

static int begin_generation(struct nv_head *head, const struct nv_layout *layout)
{
    struct nv_columns *old = nv_columns_ref(head->columns);
    size_t n = head->log.room ? old->n : 0;
    NV_AUTO_FREE uint64_t *present = calloc(n / 64 + 1, sizeof(*present));
    bool unused = false;

    if (n && present)
        memcpy(present, head->log.present, ((n < head->log.room ? n : head->log.room) + 7) / 8);
    struct nv_columns *before = head->columns;
    int r = present ? start_generation(head, head->generation + 1) : -ENOMEM;
    if (r == 0) {
        nv_columns_unref(before);
        if (!head->layout)
            r = match_sections(head, old, layout);
        if (r == 0)
            r = map_columns(head, layout, &unused);
        if (r == 0)
            r = adopt_orphans(head, old, present, n);
        if (r == 0)
            r = carry_presence(head, old, present, n);
    }
    nv_columns_unref(old);
    return r;
}

/* The layout of a frame: the one before, a longer one, or another. */
static int follow_layout(struct nv_head *head, struct nv_layout *layout)
{
    bool elsewhere = false;

    if (layout == head->layout)
        return 0;
    int r = room_for_layout_sections(head, layout->n_sections);
    if (r < 0)
        return r;
    bool same = head->layout && head->layout->memory == layout->memory &&
                layout->n_series >= head->n_mapped;
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

/* ---- rows ----------------------------------------------------------------------------------- */

/* An open chunk with room for another row of so many columns and sections. */
static int open_chunk(struct nv_head *head, size_t n_columns, size_t n_sections)
{
    struct nv_chunk *old = head->open, *chunk;

    if (old && old->n_rows == NV_CHUNK_ROWS) {
        int r = close_chunk(head);
        if (r < 0)
            return r;
        old = NULL;
    }
    if (old && old->stride >= n_columns + 1 && (size_t)old->section_words * 64 > n_sections)
        return 0;
    chunk = old ? nv_chunk_wider(old, n_columns, n_sections)
                : nv_chunk_new(head->columns, n_columns, n_sections);
    if (!chunk)
        return -ENOMEM;
    {
        LOCKED(&head->lock);
        head->open = chunk;
    }
    nv_chunk_unref(old);
    return 0;
}

/* One section at a row: whether it counts as observed. */
static bool tick(struct nv_section_clock *clock, bool observed, int64_t now_ms)
{
    int64_t gap = now_ms - clock->last_ms;
    int64_t interval = clock->interval_ms ? clock->interval_ms : UNKNOWN_INTERVAL_MS;

    if (!observed) {
        if (!clock->live || gap <= STALE_AFTER * interval + interval / 2)
            return false;
        clock->live = false; /* stale now, and then unobserved again */
        return true;
    }
    if (clock->live) {
        if (gap > INTERVALS * interval)
            gap = INTERVALS * interval; /* a pause is not an interval */
        clock->interval_ms = clock->interval_ms ? (clock->interval_ms + gap) / 2 : gap;
    }
    clock->live = true;
    clock->last_ms = now_ms;
    return true;
}

/* A section that never had a series here is, after a restart, most likely what had its number before. */
static void guess_section(struct nv_head *head, size_t i)
{
    if (i < head->n_sections && head->clocks[i].used && !is_claimed(head, (uint32_t)i))
        head->sections[i] = (uint32_t)i;
}

static void observe(struct nv_head *head, const struct nv_frame *frame, uint64_t *observed)
{
    for (size_t i = 0; i < frame->layout->n_sections; i++) {
        if (!nv_bit(frame->observed, i))
            continue;
        if (head->sections[i] == NV_HEAD_NONE)
            guess_section(head, i);
        if (head->sections[i] != NV_HEAD_NONE)
            nv_bit_set(observed, head->sections[i]);
    }
    for (size_t i = 0; i < head->n_sections; i++)
        if (tick(&head->clocks[i], nv_bit(observed, i), frame->time_ms))
            nv_bit_set(observed, i);
}

static const struct nv_histogram **native_row(struct nv_chunk *chunk, size_t row)
{
    if (!chunk->histograms) {
        const struct nv_histogram **p = calloc(NV_CHUNK_ROWS * (size_t)chunk->stride, sizeof(*p));
        if (!p)
            return NULL;
        __atomic_store_n(&chunk->histograms, p, __ATOMIC_RELEASE);
    }
    return chunk->histograms + row * chunk->stride;
}

/* Values through the map; what is present in a section that was not observed is no statement, and is left. */
static int copy_mapped(struct nv_head *head, const struct nv_frame *frame, size_t row)
{
    struct nv_chunk *chunk = head->open;
    double *values = chunk->values + row * chunk->stride;
    uint64_t *present = chunk->present + row * chunk->stride / 64;
    const struct nv_histogram **natives = frame->histograms ? native_row(chunk, row) : NULL;
    uint64_t refused = 0;

    if (frame->histograms && !natives)
        return -ENOMEM;
    for (size_t w = 0; w < frame->n_series / 64 + 1; w++) {
        for (uint64_t bits = frame->present[w]; bits; bits &= bits - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(bits);
            if (i >= frame->n_series)
                break;
            uint32_t c = head->map[i];
            if (c == NV_HEAD_NONE) {
                refused++;
                continue;
            }
            nv_bit_set(present, c);
            values[c] = frame->values[i];
            if (natives && frame->histograms[i]) {
                natives[c] = nv_histogram_copy(&chunk->memory, frame->histograms[i]);
                values[c] = NAN;
                if (!natives[c])
                    return -ENOMEM;
            }
        }
    }
    if (refused)
        count(&head->conflicts, refused);
    return 0;
}

static int fill_row(struct nv_head *head, const struct nv_frame *frame, size_t row)
{
    struct nv_chunk *chunk = head->open;
    uint64_t *observed = chunk->observed + row * chunk->section_words;
    uint64_t *present = chunk->present + row * chunk->stride / 64;

    memset(observed, 0, chunk->section_words * sizeof(*observed));
    memset(present, 0, chunk->stride / 8);
    chunk->times[row] = frame->time_ms;
    chunk->widths[row] = head->columns->n;
    if (head->identity && !frame->histograms) {
        memcpy(chunk->values + row * chunk->stride, frame->values,
               frame->n_series * sizeof(double));
        memcpy(present, frame->present, (frame->n_series + 63) / 64 * sizeof(uint64_t));
        if (chunk->histograms)
            memset(chunk->histograms + row * chunk->stride, 0, chunk->stride * sizeof(void *));
    } else {
        if (chunk->histograms)
            memset(chunk->histograms + row * chunk->stride, 0, chunk->stride * sizeof(void *));
        int r = copy_mapped(head, frame, row);
        if (r < 0)
            return r;
    }
    observe(head, frame, observed);
    return 0;
}

/* Presence only where the section was observed: what else a frame has there is left over. */
static void mask_presence(const struct nv_head *head, size_t row, uint64_t *ret_samples)
{
    struct nv_chunk *chunk = head->open;
    const uint64_t *observed = chunk->observed + row * chunk->section_words;
    uint64_t *present = chunk->present + row * chunk->stride / 64;

    *ret_samples = 0;
    for (size_t c = 0; c < head->columns->n; c++) {
        if (!nv_bit(present, c))
            continue;
        if (nv_bit(observed, head->columns->at[c].section))
            ++*ret_samples;
        else
            present[c / 64] &= ~(UINT64_C(1) << c % 64);
    }
}

static struct nv_row row_of(const struct nv_head *head, size_t row)
{
    const struct nv_chunk *chunk = head->open;

    return (struct nv_row){
        .time_ms = chunk->times[row],
        .n_columns = chunk->widths[row],
        .n_sections = head->n_sections,
        .observed = chunk->observed + row * chunk->section_words,
        .present = chunk->present + row * chunk->stride / 64,
        .values = chunk->values + row * chunk->stride,
        .histograms = chunk->histograms ? chunk->histograms + row * chunk->stride : NULL,
    };
}

/* ---- log ------------------------------------------------------------------------------------ */

void nv_head_put_source(struct nv_head *head)
{
    size_t at = nv_record_begin(&head->record, NV_RECORD_SOURCE);

    nv_put_uvarint(&head->record, head->number);
    nv_record_put_str(&head->record, nv_str(head->name));
    nv_put_varint(&head->record, head->last_ms);
    nv_record_end(&head->record, at);
}

static void put_column(struct nv_head *head, uint32_t c, uint32_t first)
{
    const struct nv_column *column = &head->columns->at[c];
    const struct nv_head_series *series = column->series;
    struct nv_buf *out = &head->record;
    uint64_t same = 0;

    nv_put_uvarint(out, (uint64_t)column->section << 1 |
                            (c < head->log.room && nv_bit(head->log.present, c)));
    nv_put_uvarint(out, series->n_labels);
    if (c > first) {
        const struct nv_head_series *before = head->columns->at[c - 1].series;
        for (size_t i = 0; i < series->n_labels && i < before->n_labels && i < 64; i++)
            same |= (uint64_t)(series->labels[i] == before->labels[i]) << i;
    }
    nv_put_uvarint(out, same);
    for (size_t i = 0; i < series->n_labels; i++) {
        if (i < 64 && (same >> i & 1))
            continue;
        nv_record_put_str(out, series->labels[i]->label.name);
        nv_record_put_str(out, series->labels[i]->label.value);
    }
}

/* Columns the segment does not have yet, in records of bounded size. */
static void put_columns(struct nv_head *head)
{
    while (head->logged < head->columns->n && !head->record.failed) {
        uint32_t first = head->logged, n = head->columns->n - first;
        size_t at = nv_record_begin(&head->record, NV_RECORD_COLUMNS);
        nv_put_uvarint(&head->record, head->number);
        nv_put_uvarint(&head->record, head->generation);
        nv_put_uvarint(&head->record, first);
        nv_put_uvarint(&head->record, n > LAYOUT_PART / 64 ? LAYOUT_PART / 64 : n);
        for (; head->logged < head->columns->n && head->logged - first < LAYOUT_PART / 64;
             head->logged++)
            put_column(head, head->logged, first);
        nv_record_end(&head->record, at);
    }
}

/* The records of a row. Under the log's lock, so that they are in the segment they are made for. */
static int put_row(struct nv_head *head, uint64_t segment, size_t row)
{
    struct nv_row r = row_of(head, row);
    bool begins = segment != head->log_segment;

    nv_buf_reset(&head->record);
    if (begins) {
        nv_head_put_source(head);
        head->logged = 0;
        head->log_segment = segment;
    }
    put_columns(head);
    bool whole = begins || ++head->since_whole >= NV_LOG_WHOLE_EVERY;
    if (whole)
        head->since_whole = 0;
    size_t at = nv_record_begin(&head->record, NV_RECORD_FRAME);
    int result = nv_log_put_frame(&head->log, head->number, head->generation, &r, head->columns->at,
                                  whole, head->log_codec, &head->record);
    nv_record_end(&head->record, at);
    return result < 0 || head->record.failed ? -ENOMEM : 0;
}

static void log_row(struct nv_head *head, struct nv_log *log, size_t row)
{
    uint64_t segment = nv_log_begin(log);
    int r = put_row(head, segment, row);

    if (r < 0)
        head->log_segment = UINT64_MAX; /* the next one begins anew */
    nv_log_end(log, r < 0 ? (struct nv_str){NULL, 0} : nv_buf_view(&head->record), 1);
}

/* Without a log presence is followed all the same: generations hand it on. */
static void follow_row(struct nv_head *head, size_t row)
{
    const struct nv_row r = row_of(head, row);

    if (nv_log_state_room(&head->log, r.n_columns, r.n_sections) < 0)
        return;
    for (size_t c = 0; c < r.n_columns; c++) {
        uint64_t bit = UINT64_C(1) << c % 64;
        if (nv_bit(r.observed, head->columns->at[c].section))
            head->log.present[c / 64] =
                (head->log.present[c / 64] & ~bit) | (nv_bit(r.present, c) ? bit : 0);
    }
}

/* ---- appending ------------------------------------------------------------------------------ */

static void publish(struct nv_chunk *chunk, size_t row)
{
    __atomic_store_n(&chunk->n_rows, (uint32_t)row + 1, __ATOMIC_RELEASE);
}

static int append(struct nv_head *head, struct nv_log *log, const struct nv_frame *frame)
{
    uint64_t samples;

    int r = follow_layout(head, frame->layout);
    if (r == 0)
        r = open_chunk(head, head->columns->n, head->n_sections);
    if (r < 0)
        return r;
    size_t row = head->open->n_rows;
    if (row == 0)
        head->open->segment = log ? nv_log_segment(log) : 0;
    r = fill_row(head, frame, row);
    if (r < 0)
        return r;
    mask_presence(head, row, &samples);
    publish(head->open, row);
    if (log)
        log_row(head, log, row);
    else
        follow_row(head, row);
    head->last_ms = frame->time_ms;
    count(&head->frames, 1);
    count(&head->samples, samples);
    return 0;
}

int nv_head_append(struct nv_head *head, struct nv_log *log, struct nv_frame *frame)
{
    LOCKED(&head->writing);

    if (frame->time_ms <= head->last_ms) {
        count(&head->not_newer, 1);
        return NV_STORE_NOT_NEWER;
    }
    int r = append(head, log, frame);
    if (r == -ENOMEM) {
        count(&head->full, 1);
        return NV_STORE_FULL;
    }
    return r;
}

/* ---- replay --------------------------------------------------------------------------------- */

int nv_head_begin_generation(struct nv_head *head, uint64_t generation)
{
    LOCKED(&head->writing);
    struct nv_columns *before = head->columns;

    int r = start_generation(head, generation);
    if (r < 0)
        return r;
    nv_columns_unref(before);
    nv_log_state_begin(&head->log);
    return 0;
}

int nv_head_add_column(struct nv_head *head, const struct nv_label *labels, size_t n,
                       uint32_t section, bool live)
{
    LOCKED(&head->writing);
    struct nv_head_series *series;

    int r = nv_series_take(head->table, head->number, labels, n, &series);
    if (r)
        return r < 0 ? r : -EBADMSG;
    if (section >= head->n_sections)
        r = room_for_sections(head, section + 1u);
    if (r < 0) {
        nv_series_unref(head->table, &series, 1);
        return r;
    }
    if (section >= head->n_sections)
        head->n_sections = section + 1u;
    head->clocks[section].used = true;
    series->live |= live;
    return nv_columns_add(head->columns, series, section, false);
}

static void replay_clocks(struct nv_head *head, const struct nv_row *row)
{
    for (size_t i = 0; i < row->n_sections && i < head->n_sections; i++)
        if (nv_bit(row->observed, i))
            (void)tick(&head->clocks[i], true, row->time_ms);
}

int nv_head_replay(struct nv_head *head, const struct nv_row *row, uint64_t segment)
{
    LOCKED(&head->writing);

    int r = room_for_sections(head, row->n_sections);
    if (r == 0)
        r = open_chunk(head, row->n_columns, row->n_sections);
    if (r < 0)
        return r;
    if (row->n_sections > head->n_sections)
        head->n_sections = row->n_sections;
    struct nv_chunk *chunk = head->open;
    size_t i = chunk->n_rows, words = row->n_columns / 64 + 1;
    if (i == 0)
        chunk->segment = segment;
    chunk->times[i] = row->time_ms;
    chunk->widths[i] = (uint32_t)row->n_columns;
    memset(chunk->observed + i * chunk->section_words, 0, chunk->section_words * sizeof(uint64_t));
    memset(chunk->present + i * chunk->stride / 64, 0, chunk->stride / 8);
    memcpy(chunk->observed + i * chunk->section_words, row->observed,
           (row->n_sections / 64 + 1) * sizeof(uint64_t));
    memcpy(chunk->present + i * chunk->stride / 64, row->present, words * sizeof(uint64_t));
    memcpy(chunk->values + i * chunk->stride, row->values, row->n_columns * sizeof(double));
    if (row->histograms) {
        const struct nv_histogram **natives = native_row(chunk, i);
        for (size_t c = 0; natives && c < row->n_columns; c++) {
            natives[c] = row->histograms[c] && nv_bit(row->present, c)
                             ? nv_histogram_copy(&chunk->memory, row->histograms[c])
                             : NULL;
            if (natives[c])
                chunk->values[i * chunk->stride + c] = NAN;
        }
        if (!natives)
            return -ENOMEM;
    } else if (chunk->histograms) {
        memset(chunk->histograms + i * chunk->stride, 0, chunk->stride * sizeof(void *));
    }
    publish(chunk, i);
    replay_clocks(head, row);
    head->last_ms = row->time_ms;
    return 0;
}
