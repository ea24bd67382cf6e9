/*
 * What a head tells the log: its columns once in a segment, and each row as the difference from the one before.
 */
#include "base/assert.h"
#include "tsdb/head_parts.h"

enum { COLUMNS_A_RECORD = 1024 };

static struct nv_row log_row(const struct nv_chunk *chunk, const struct nv_chunk_row *row)
{
    return (struct nv_row){
        .time_ms = chunk->times[row - chunk->at],
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
        nv_put_uvarint(&head->record, n > COLUMNS_A_RECORD ? COLUMNS_A_RECORD : n);
        for (; head->logged < head->columns->n && head->logged - first < COLUMNS_A_RECORD;
             head->logged++)
            put_column(head, head->logged, first);
        nv_record_end(&head->record, at);
    }
}

/* The records of a row. Under the log's lock, so that they are in the segment they are made for. */
static int put_row(struct nv_head *head, uint64_t segment, const struct nv_chunk_row *row)
{
    struct nv_row r = log_row(head->open, row);
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

void nv_head_log_row(struct nv_head *head, struct nv_log *log, const struct nv_chunk_row *row)
{
    uint64_t segment = nv_log_begin(log);
    int r = put_row(head, segment, row);

    if (r < 0)
        head->log_segment = UINT64_MAX; /* the next one begins anew */
    nv_log_end(log, r < 0 ? (struct nv_str){NULL, 0} : nv_buf_view(&head->record), 1);
    nv_log_let_go(&head->record);
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
