/*
 * arena.h - memory that dies together.
 *
 *   bound      `max` bytes in all; past it, and when memory is out, nv_arena_alloc() gives NULL
 *   memory     blocks of growing size; nv_arena_reset() and nv_arena_rewind() keep them for reuse,
 *              so that a steady user stops calling malloc
 *   alignment  that of max_align_t
 *   growing    `may_grow`, where there is one, is asked before a block of so many bytes is added
 */
#ifndef NV_BASE_ARENA_H
#define NV_BASE_ARENA_H

#include <nodevitals/scan.h>

struct nv_arena_block;
struct nv_arena {
    struct nv_arena_block *first, *current;
    size_t total, max; /* bytes of all blocks, and their limit */
    bool (*may_grow)(void *user, size_t bytes);
    void *user;
};
struct nv_arena_mark {
    struct nv_arena_block *block;
    size_t used;
};

#define NV_ARENA(maximum) ((struct nv_arena){.max = (maximum)})

void nv_arena_done(struct nv_arena *arena);
void nv_arena_reset(struct nv_arena *arena);

/* The same, and gives back blocks behind the first `keep` bytes: for users with long pauses. */
void nv_arena_shrink(struct nv_arena *arena, size_t keep);
struct nv_arena_mark nv_arena_mark(const struct nv_arena *arena);
void nv_arena_rewind(struct nv_arena *arena, struct nv_arena_mark mark);

/* Not zeroed. NULL past the limit. */
void *nv_arena_alloc(struct nv_arena *arena, size_t size);

/* Copies, with a NUL behind the copy that does not count; p is NULL past the limit. */
struct nv_str nv_arena_str(struct nv_arena *arena, struct nv_str s);

#endif
