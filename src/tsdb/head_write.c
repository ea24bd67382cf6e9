/*
 * How a frame becomes a row. In the steady state that is: the layout is the one before, so the map stands; values and
 * presence are copied through it; the row is published by its count; what differs from the row before is queued
 * for the log.
 */
#include "base/assert.h"
#include "tsdb/head_parts.h"
#include "tsdb/log.h"
#include "tsdb/store.h"

enum { STALE_AFTER = 3, INTERVALS = 4 };

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

/* ---- rows ----------------------------------------------------------------------------------- */

/* An open chunk with room for another row of so many columns and sections. */
static int open_chunk(struct nv_head *head, size_t n_columns, size_t n_sections)
{
    struct nv_chunk *old = head->open, *chunk;

    if (old && old->n_rows == NV_CHUNK_ROWS) {
        int r = nv_head_close_chunk(head);
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

/* ---- appending ------------------------------------------------------------------------------ */

static void publish(struct nv_chunk *chunk, size_t row)
{
    __atomic_store_n(&chunk->n_rows, (uint32_t)row + 1, __ATOMIC_RELEASE);
}

static int append(struct nv_head *head, struct nv_log *log, const struct nv_frame *frame)
{
    uint64_t samples;

    int r = nv_head_follow_layout(head, frame->layout);
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
        nv_head_log_row(head, log, row);
    else
        nv_head_follow_row(head, row);
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

    int r = nv_head_start_generation(head, generation);
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
        r = nv_head_room_for_sections(head, section + 1u);
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

    int r = nv_head_room_for_sections(head, row->n_sections);
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
