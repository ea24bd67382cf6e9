/*
 * How a frame becomes a row. In the steady state that is: the layout is the one before, so the map stands; values and
 * presence are copied through it; the row is published by its count; what differs from the row before is queued
 * for the log.
 */
#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/head_parts.h"
#include "tsdb/log.h"
#include "tsdb/store.h"

enum { STALE_AFTER = 3, INTERVALS = 4 };

/* Of a section that was seen only once. */
enum { UNKNOWN_INTERVAL_MS = 20000 };

static void count(uint64_t *counter, uint64_t n)
{
    __atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* ---- rows ----------------------------------------------------------------------------------- */

static bool jumps(const struct nv_chunk *chunk, int64_t time_ms)
{
    uint32_t n = nv_chunk_rows(chunk);

    return n && nv_is_jump(chunk->times[n - 1], time_ms);
}

/* An open chunk with room for a row of that time. */
static int open_chunk(struct nv_head *head, int64_t time_ms)
{
    if (head->open && (nv_chunk_is_full(head->open) || jumps(head->open, time_ms))) {
        int r = nv_head_close_chunk(head);
        if (r < 0)
            return r;
    }
    if (head->open)
        return 0;
    struct nv_chunk *chunk = nv_chunk_new(head->columns);
    if (!chunk)
        return -ENOMEM;
    NV_LOCKED(&head->lock);
    head->open = chunk;
    return 0;
}

/* One section at a row: whether it counts as observed. */
static bool tick(struct nv_section_clock *clock, bool observed, int64_t now_ms)
{
    int64_t gap = now_ms - clock->last_ms;
    int64_t interval = clock->interval_ms ? clock->interval_ms : UNKNOWN_INTERVAL_MS;

    if (interval < clock->cadence_ms)
        interval = clock->cadence_ms;
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
    if (i < head->n_sections && head->clocks[i].used && !nv_head_is_claimed(head, (uint32_t)i))
        head->sections[i] = (uint32_t)i;
}

static void observe(struct nv_head *head, const struct nv_frame *frame, uint64_t *observed)
{
    for (size_t i = 0; i < frame->layout->n_sections; i++) {
        if (!nv_bit(frame->observed, i))
            continue;
        if (head->sections[i] == NV_HEAD_NONE)
            guess_section(head, i);
        if (head->sections[i] == NV_HEAD_NONE)
            continue;
        nv_bit_set(observed, head->sections[i]);
        head->clocks[head->sections[i]].cadence_ms = frame->layout->targets[i].cadence_ms;
    }
    for (size_t i = 0; i < head->n_sections; i++)
        if (tick(&head->clocks[i], nv_bit(observed, i), frame->time_ms))
            nv_bit_set(observed, i);
}

/* Values through the map; what is present in a section that was not observed is no statement, and is left. */
static int copy_mapped(struct nv_head *head, const struct nv_frame *frame, struct nv_chunk_row *row)
{
    uint64_t refused = 0, homeless = 0;

    for (size_t w = 0; w < frame->n_series / 64 + 1; w++) {
        for (uint64_t bits = frame->present[w]; bits; bits &= bits - 1) {
            size_t i = w * 64 + (size_t)__builtin_ctzll(bits);
            if (i >= frame->n_series)
                break;
            uint32_t c = head->map[i];
            if (c >= NV_HEAD_FULL) {
                *(c == NV_HEAD_FULL ? &homeless : &refused) += 1;
                continue;
            }
            nv_bit_set(row->present, c);
            row->values[c] = frame->values[i];
            if (frame->histograms && frame->histograms[i]) {
                row->histograms[c] = nv_histogram_copy(&head->open->memory, frame->histograms[i]);
                row->values[c] = NAN;
                if (!row->histograms[c])
                    return -ENOMEM;
            }
        }
    }
    if (refused)
        count(&head->conflicts, refused);
    if (homeless)
        count(&head->full, homeless);
    return 0;
}

static int fill_row(struct nv_head *head, const struct nv_frame *frame, struct nv_chunk_row *row)
{
    int r = 0;

    if (head->identity && !frame->histograms) {
        memcpy(row->values, frame->values, frame->n_series * sizeof(double));
        memcpy(row->present, frame->present, (frame->n_series + 63) / 64 * sizeof(uint64_t));
    } else {
        r = copy_mapped(head, frame, row);
    }
    if (r == 0)
        observe(head, frame, row->observed);
    return r;
}

static bool all_observed(const struct nv_chunk_row *row)
{
    for (size_t w = 0; w < row->sections / 64; w++)
        if (~row->observed[w])
            return false;
    return (row->observed[row->sections / 64] | UINT64_MAX << row->sections % 64) == UINT64_MAX;
}

/* Presence only where the section was observed: what else a frame has there is left over. */
static void mask_presence(const struct nv_head *head, struct nv_chunk_row *row,
                          uint64_t *ret_samples)
{
    bool all = all_observed(row);

    *ret_samples = 0;
    for (size_t w = 0; w < row->width / 64 + 1; w++) {
        for (uint64_t bits = all ? 0 : row->present[w]; bits; bits &= bits - 1) {
            size_t c = w * 64 + (size_t)__builtin_ctzll(bits);
            if (!nv_bit(row->observed, head->columns->at[c].section))
                row->present[w] &= ~(bits & -bits);
        }
        *ret_samples += (uint64_t)__builtin_popcountll(row->present[w]);
    }
}

/* ---- appending ------------------------------------------------------------------------------ */

static int append(struct nv_head *head, struct nv_log *log, const struct nv_frame *frame)
{
    struct nv_chunk_row *row = NULL;
    uint64_t samples;

    int r = nv_head_follow_layout(head, frame->layout);
    if (r == 0)
        r = open_chunk(head, frame->time_ms);
    if (r == 0)
        row = nv_chunk_draft(&head->draft, frame->time_ms, head->columns->n, head->n_sections,
                             frame->histograms);
    if (!row)
        return r < 0 ? r : -ENOMEM;
    if (head->open->n_rows == 0)
        head->open->segment = log ? nv_log_segment(log) : 0;
    r = fill_row(head, frame, row);
    if (r < 0)
        return r;
    mask_presence(head, row, &samples);
    r = nv_chunk_publish(head->open, &head->draft);
    if (r < 0)
        return r;
    if (log)
        nv_head_log_row(head, log, row);
    else
        nv_head_follow_row(head, row);
    head->last_ms = frame->time_ms;
    count(&head->frames, 1);
    count(&head->samples, samples);
    return 0;
}

int nv_head_enter(struct nv_head *head, struct nv_log *log, const struct nv_frame *frame)
{
    NV_LOCKED(&head->writing);

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

int nv_head_append(struct nv_head *head, struct nv_log *log, struct nv_frame *frame)
{
    int r;

    return nv_head_defer(head, log, frame, &r) ? r : nv_head_enter(head, log, frame);
}

/* ---- replay --------------------------------------------------------------------------------- */

int nv_head_begin_generation(struct nv_head *head, uint64_t generation)
{
    NV_LOCKED(&head->writing);
    struct nv_columns *before = head->columns;

    int r = nv_head_start_generation(head, generation);
    if (r < 0)
        return r;
    nv_columns_unref(before);
    nv_log_state_begin(&head->log);
    return 0;
}

/* Takes over the hold on the series. */
static int add_column(struct nv_head *head, struct nv_head_series *series, uint32_t section,
                      bool live)
{
    int r = section < head->n_sections ? 0 : nv_head_room_for_sections(head, section + 1u);

    if (r < 0) {
        nv_series_unref(head->table, &series, 1);
        return r;
    }
    if (section >= head->n_sections)
        head->n_sections = section + 1u;
    head->clocks[section].used = true;
    series->live |= live;
    r = nv_columns_add(head->columns, series, section, false);
    if (r == 0 && live) /* until a frame tells more */
        r = nv_log_state_room(&head->log, head->columns->n, head->n_sections);
    if (r == 0 && live)
        nv_bit_set(head->log.present, head->columns->n - 1);
    return r;
}

int nv_head_add_column(struct nv_head *head, const struct nv_label *labels, size_t n,
                       uint32_t section, bool live)
{
    NV_LOCKED(&head->writing);
    struct nv_head_series *series;

    int r = nv_series_take(head->table, head->number, labels, n, &series);
    if (r)
        return r < 0 ? r : -EBADMSG;
    return add_column(head, series, section, live);
}

int nv_head_add_column_again(struct nv_head *head, struct nv_head_series *series, uint32_t section,
                             bool live)
{
    NV_LOCKED(&head->writing);

    nv_series_ref(head->table, series);
    return add_column(head, series, section, live);
}

static void replay_clocks(struct nv_head *head, const struct nv_row *row)
{
    for (size_t i = 0; i < row->n_sections && i < head->n_sections; i++)
        if (nv_bit(row->observed, i))
            (void)tick(&head->clocks[i], true, row->time_ms);
}

static bool replay_histograms(struct nv_head *head, const struct nv_row *from,
                              struct nv_chunk_row *row)
{
    for (size_t c = 0; c < from->n_columns; c++) {
        if (!from->histograms[c] || !nv_bit(from->present, c))
            continue;
        row->histograms[c] = nv_histogram_copy(&head->open->memory, from->histograms[c]);
        row->values[c] = NAN;
        if (!row->histograms[c])
            return false;
    }
    return true;
}

/* Within a chunk rows only get wider, which sealing builds on: what shrinks was not written by us. */
static bool is_narrower(const struct nv_chunk *chunk, const struct nv_row *row)
{
    const struct nv_chunk_kept *last = chunk->n_rows ? &chunk->at[chunk->n_rows - 1] : NULL;

    return last && (row->n_columns < last->width || row->n_sections < last->sections);
}

int nv_head_replay(struct nv_head *head, const struct nv_row *from, uint64_t segment)
{
    NV_LOCKED(&head->writing);
    struct nv_chunk_row *row = NULL;

    int r = nv_head_room_for_sections(head, from->n_sections);
    if (r == 0)
        r = open_chunk(head, from->time_ms);
    if (r == 0 && is_narrower(head->open, from))
        r = -EBADMSG;
    if (r == 0)
        row = nv_chunk_draft(&head->draft, from->time_ms, from->n_columns, from->n_sections,
                             from->histograms);
    if (!row)
        return r < 0 ? r : -ENOMEM;
    if (from->n_sections > head->n_sections)
        head->n_sections = from->n_sections;
    if (head->open->n_rows == 0)
        head->open->segment = segment;
    memcpy(row->observed, from->observed, (from->n_sections / 64 + 1) * sizeof(uint64_t));
    memcpy(row->present, from->present, (from->n_columns / 64 + 1) * sizeof(uint64_t));
    if (from->n_columns)
        memcpy(row->values, from->values, from->n_columns * sizeof(double));
    if (from->histograms && !replay_histograms(head, from, row))
        return -ENOMEM;
    r = nv_chunk_publish(head->open, &head->draft);
    if (r < 0)
        return r;
    replay_clocks(head, from);
    head->last_ms = from->time_ms;
    return 0;
}
