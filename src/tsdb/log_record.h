/*
 * log_record.h - what stands in the log: records, and a frame as the difference from the one before.
 *
 *   state      what writer and reader of a source both know: the last value and presence of each column.
 *              A whole frame starts it anew; any other counts only directly behind its predecessor
 *   reading    any bytes are refused (-EBADMSG) or read; what a record claims is checked against its length
 */
#ifndef NV_TSDB_LOG_RECORD_H
#define NV_TSDB_LOG_RECORD_H

#include "tsdb/log_values.h"
#include "tsdb/page.h"

enum nv_record_type {
    NV_RECORD_SOURCE = 1,
    NV_RECORD_COLUMNS,
    NV_RECORD_FRAME,
    NV_RECORD_SPARSE,
    NV_RECORD_DELETE,
    NV_RECORD_SPARSE_NATIVE,
    NV_RECORD_SPARSE_NAME,
    NV_RECORD_SPARSE_AGAIN,
    NV_RECORD_COLUMNS_AGAIN,
    NV_RECORD_ROTATE = 255, /* only in the queue: from here on the next segment */
};

enum {
    NV_RECORD_HEAD = 11,
    NV_RECORD_MAX = 64 << 20,
    NV_SEGMENT_HEAD = 20,
    NV_LOG_WHOLE_EVERY = 64,
    NV_LOG_SECTIONS_MAX = 1 << 16,
    NV_LOG_COLUMNS_MAX = NV_CODEC_ROWS_MAX, /* of one generation of a source */
};

void nv_segment_put_head(struct nv_buf *out, uint64_t number);
bool nv_segment_get_head(struct nv_str in, uint64_t *ret_number);

/* Begins a record in `out`; returns where, for nv_record_end(). */
size_t nv_record_begin(struct nv_buf *out, enum nv_record_type type);
void nv_record_end(struct nv_buf *out, size_t begin);

/* The record at the front: 0 and its size with head; -ENODATA: cut short, may be the torn end; -EBADMSG. */
NV_MUST_USE int nv_record_get(struct nv_str in, enum nv_record_type *ret_type,
                              struct nv_str *ret_body, size_t *ret_size);

/* How many bytes in front of the next record that is whole; in.n where there is none. */
size_t nv_record_search(struct nv_str in);

void nv_record_put_str(struct nv_buf *out, struct nv_str s);
bool nv_record_get_str(struct nv_str *in, struct nv_str *ret);
void nv_record_put_labels(struct nv_buf *out, const struct nv_label *labels, size_t n);
/* In views of the record. */
bool nv_record_get_labels(struct nv_str *in, struct nv_label *labels, size_t max, size_t *ret_n);

/* A row, as the writer has it or as it was read. */
struct nv_row {
    int64_t time_ms;
    size_t n_columns, n_sections;
    const uint64_t *observed, *present;
    const double *values;
    const struct nv_histogram *const *histograms; /* by column; or NULL */
};

struct nv_log_state {
    uint64_t sequence;
    int64_t time_ms;
    size_t n_columns, room, n_sections, sections_room;
    struct nv_log_values values;
    uint64_t *present; /* at the last observation of the column's section */
    uint64_t *observed, *flips;
    bool valid; /* reading: a whole frame was seen, and all since */
};
void nv_log_state_done(struct nv_log_state *state);
/* Room for so many. -ENOMEM. */
NV_MUST_USE int nv_log_state_room(struct nv_log_state *state, size_t n_columns, size_t n_sections);
/* A generation begins: nothing known of its columns. */
void nv_log_state_begin(struct nv_log_state *state);

/* Appends the body of a frame record, source and generation in front, and moves the state on. */
NV_MUST_USE int nv_log_put_frame(struct nv_log_state *state, uint32_t source, uint64_t generation,
                                 const struct nv_row *row, const struct nv_column *columns,
                                 bool whole, struct nv_codec *codec, struct nv_buf *out);

struct nv_log_frame_head {
    uint64_t source, generation;
};
NV_MUST_USE int nv_log_get_frame_head(struct nv_str *body, struct nv_log_frame_head *ret);

/*
 * The rest of the record. The row lies in state and arena. Returns 0; 1 for a frame that cannot be understood without
 * one that is missing; -EBADMSG; -ENOMEM. `columns` are n_columns sections known so far.
 */
NV_MUST_USE int nv_log_get_frame(struct nv_log_state *state, struct nv_str body,
                                 const struct nv_column *columns, size_t n_columns,
                                 struct nv_codec *codec, struct nv_arena *arena,
                                 struct nv_row *ret);

#endif
