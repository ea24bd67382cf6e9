/*
 * log_values.h - the values of a frame as changes from the frame before. Only log_*.c include this.
 *
 *   state      what writer and reader both know of each column: its last value, how it was coded, and how large its changes were.
 *              It begins anew with nv_log_values_forget(), but the writer remembers which forms did
 *   reading    any bytes are refused or read
 */
#ifndef NV_TSDB_LOG_VALUES_H
#define NV_TSDB_LOG_VALUES_H

#include "base/buf.h"

struct nv_row;

/* The form of a column: its number is integer * 2^shift behind an operation. */
struct nv_log_coder {
    int64_t integer, step; /* the last number, and by how much it had changed */
    uint16_t mean, step_mean;
    uint8_t operation, shift;
    bool negative; /* changes may be */
    bool known;    /* the writer's: there was a form before */
};

struct nv_log_values {
    size_t room; /* columns */
    double *at;
    struct nv_log_coder *coders;
    uint64_t *active, *used, *formed, *changed; /* a bit per column */
    unsigned frames;
};

void nv_log_values_done(struct nv_log_values *values);
NV_MUST_USE int nv_log_values_room(struct nv_log_values *values, size_t n_columns); /* -ENOMEM */
void nv_log_values_forget(struct nv_log_values *values);
/* Other columns: their forms are forgotten too. */
void nv_log_values_begin(struct nv_log_values *values);

/* Which values of a row are not what they were, into `changed`: whether any. */
bool nv_log_values_differ(struct nv_log_values *values, const struct nv_row *row);
/* Appends those; the state follows. `whole`: behind nv_log_values_forget(). */
void nv_log_values_put(struct nv_log_values *values, const struct nv_row *row, bool whole,
                       struct nv_buf *out);
/* All of `in` must be the values of n columns. -EBADMSG. */
NV_MUST_USE int nv_log_values_get(struct nv_log_values *values, struct nv_str in, size_t n_columns,
                                  bool whole);
/* A frame is over, had it values or not. */
void nv_log_values_next(struct nv_log_values *values);

#endif
