/*
 * head_parts.h - what the files of the head share. Only head_*.c include this; all is the writer's.
 */
#ifndef NV_TSDB_HEAD_PARTS_H
#define NV_TSDB_HEAD_PARTS_H

#include "tsdb/head.h"
#include "tsdb/log.h"

/* head_layout.c */
NV_MUST_USE int nv_head_room_for_sections(struct nv_head *head, size_t n);
bool nv_head_is_claimed(const struct nv_head *head, uint32_t section);
NV_MUST_USE int nv_head_close_chunk(struct nv_head *head);
/* The caller lets go of the columns before. */
NV_MUST_USE int nv_head_start_generation(struct nv_head *head, uint64_t generation);
NV_MUST_USE int nv_head_follow_layout(struct nv_head *head, struct nv_layout *layout);

/* head_write.c: as nv_head_append(), at once. */
NV_MUST_USE int nv_head_enter(struct nv_head *head, struct nv_log *log,
                              const struct nv_frame *frame);

/* head_pending.c */
/* Takes a frame on, if its layout will take long or others wait: true, and what nv_head_append() returns. */
bool nv_head_defer(struct nv_head *head, struct nv_log *log, struct nv_frame *frame, int *ret);
void nv_head_end_following(struct nv_head *head);

/* head_log.c: a row of the open chunk. */
void nv_head_log_row(struct nv_head *head, struct nv_log *log, const struct nv_chunk_row *row);
void nv_head_follow_row(struct nv_head *head, const struct nv_chunk_row *row);

#endif
