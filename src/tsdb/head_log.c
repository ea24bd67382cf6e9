/*
 * What a head tells the log: its columns once in a segment, and each row as the difference from the one before.
 */
#include "base/assert.h"
#include "base/locked.h"
#include "tsdb/head_parts.h"

enum { COLUMNS_A_RECORD = 1024 };

static struct nv_row log_row(const struct nv_chunk_row *row)
{
    return (struct nv_row){
        .time_ms = row->time_ms,
        .n_columns = row->width,
        .n_sections = row->sections,
        .observed = row->observed,
        .present = row->present,
        .values = row->values,
        .histograms = row->histograms,
    };
}

void nv_head_put_source(struct nv_head *head)
{
    size_t at = nv_record_begin(&head->record, NV_RECORD_SOURCE);

    nv_put_uvarint(&head->record, head->number);
    nv_record_put_str(&head->record, nv_str(head->name));
    nv_put_varint(&head->record, head->last_ms);
    nv_record_end(&head->record, at);
}

static void put_section(struct nv_head *head, uint32_t c)
{
    nv_put_uvarint(&head->record, (uint64_t)head->columns->at[c].section << 1 |
                                      (c < head->log.room && nv_bit(head->log.present, c)));
}

static void put_column(struct nv_head *head, uint32_t c, uint32_t first)
{
    const struct nv_column *column = &head->columns->at[c];
    const struct nv_head_series *series = column->series;
    struct nv_buf *out = &head->record;
    size_t n = nv_series_n_labels(series);
    uint64_t same = 0;

    put_section(head, c);
    nv_put_uvarint(out, n);
    if (c > first) {
        const struct nv_head_series *before = head->columns->at[c - 1].series;
        for (size_t i = 0; i < n && i < nv_series_n_labels(before) && i < 64; i++)
            same |= (uint64_t)(nv_series_label(series, i) == nv_series_label(before, i)) << i;
    }
    nv_put_uvarint(out, same);
    for (size_t i = 0; i < n; i++) {
        if (i < 64 && (same >> i & 1))
            continue;
        nv_record_put_str(out, nv_series_label(series, i)->label.name);
        nv_record_put_str(out, nv_series_label(series, i)->label.value);
    }
}

/* Where the series of a column stood in the generation that was told before; false where it did not. */
static bool was_told(const struct nv_head *head, uint32_t c, uint32_t *ret)
{
    struct nv_place place;

    if (!head->told ||
        !nv_series_place(head->table, head->columns->at[c].series, head->told, &place))
        return false;
    *ret = place.column;
    return true;
}

static size_t begin_columns(struct nv_head *head, enum nv_record_type type, uint32_t first,
                            uint32_t n)
{
    size_t at = nv_record_begin(&head->record, type);

    nv_put_uvarint(&head->record, head->number);
    nv_put_uvarint(&head->record, head->generation);
    nv_put_uvarint(&head->record, first);
    nv_put_uvarint(&head->record, n);
    return at;
}

/* A run of columns that were told, or of such that were not, from `logged` on. */
static void put_run(struct nv_head *head, const uint32_t *told, uint32_t n)
{
    uint32_t first = head->logged, before = UINT32_MAX;
    bool again = told[0] != NV_HEAD_NONE;
    size_t at = begin_columns(head, again ? NV_RECORD_COLUMNS_AGAIN : NV_RECORD_COLUMNS, first, n);

    if (again)
        nv_put_uvarint(&head->record, head->told->number);
    for (; head->logged < first + n; head->logged++) {
        if (!again) {
            put_column(head, head->logged, first);
            continue;
        }
        uint32_t old = told[head->logged - first];
        nv_put_varint(&head->record, (int64_t)(int32_t)(old - before - 1));
        put_section(head, head->logged);
        before = old;
    }
    nv_record_end(&head->record, at);
}

/* Columns the segment does not have yet, in records of bounded size. */
static void put_columns(struct nv_head *head)
{
    uint32_t told[COLUMNS_A_RECORD];

    while (head->logged < head->columns->n && !head->record.failed) {
        uint32_t n = 0;
        for (; n < COLUMNS_A_RECORD && head->logged + n < head->columns->n; n++) {
            if (!was_told(head, head->logged + n, &told[n]))
                told[n] = NV_HEAD_NONE;
            if ((told[n] == NV_HEAD_NONE) != (told[0] == NV_HEAD_NONE))
                break;
        }
        put_run(head, told, n);
    }
    nv_columns_unref(nv_take(head->told));
}

/* Where the segment has nothing of this source yet it is told whose rows these are. True if so. */
static bool begin_segment(struct nv_head *head, uint64_t segment)
{
    nv_buf_reset(&head->record);
    if (segment == head->log_segment)
        return false;
    nv_head_put_source(head);
    head->logged = 0;
    __atomic_store_n(&head->log_segment, segment, __ATOMIC_RELAXED);
    if (head->told_segment != segment)
        nv_columns_unref(nv_take(head->told));
    return true;
}

/* The records of a row. Under the log's lock, so that they are in the segment they are made for. */
static int put_row(struct nv_head *head, uint64_t segment, const struct nv_chunk_row *row)
{
    struct nv_row r = log_row(row);
    bool begins = begin_segment(head, segment);

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

/* Queues head->record, unless it could not be made: then the next one begins anew. */
static void queue_record(struct nv_head *head, struct nv_log *log, int r, uint64_t frames)
{
    if (r < 0)
        __atomic_store_n(&head->log_segment, UINT64_MAX, __ATOMIC_RELAXED);
    nv_log_end(log, r < 0 ? (struct nv_str){NULL, 0} : nv_buf_view(&head->record), frames);
    nv_log_let_go(&head->record);
}

void nv_head_log_row(struct nv_head *head, struct nv_log *log, const struct nv_chunk_row *row)
{
    queue_record(head, log, put_row(head, nv_log_begin(log), row), 1);
}

void nv_head_tell_again(struct nv_head *head, struct nv_log *log)
{
    NV_LOCKED(&head->writing);

    if (!head->columns->n || head->log_segment == UINT64_MAX)
        return;
    if (begin_segment(head, nv_log_begin(log)))
        put_columns(head);
    head->since_whole = NV_LOG_WHOLE_EVERY; /* the next row */
    queue_record(head, log, head->record.failed, 0);
}

/* Without a log presence is followed all the same: generations hand it on. */
void nv_head_follow_row(struct nv_head *head, const struct nv_chunk_row *row)
{
    if (nv_log_state_room(&head->log, row->width, row->sections) < 0)
        return;
    for (size_t w = 0; w < row->width / 64 + 1; w++) {
        for (uint64_t bits = row->present[w] ^ head->log.present[w]; bits; bits &= bits - 1) {
            size_t c = w * 64 + (size_t)__builtin_ctzll(bits);
            if (c < row->width && nv_bit(row->observed, head->columns->at[c].section))
                head->log.present[w] ^= bits & -bits;
        }
    }
}
