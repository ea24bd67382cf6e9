#include "base/arena.h"

#include "base/assert.h"

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 1 << 20, ALIGNMENT = __alignof__(max_align_t) };

struct nv_arena_block {
    struct nv_arena_block *next;
    size_t size, used;
    _Alignas(max_align_t) char bytes[];
};

void nv_arena_done(struct nv_arena *arena)
{
    while (arena->first) {
        struct nv_arena_block *next = arena->first->next;
        free(arena->first);
        arena->first = next;
    }
    arena->current = NULL;
    arena->total = 0;
}

void nv_arena_reset(struct nv_arena *arena)
{
    arena->current = arena->first;
    if (arena->first)
        arena->first->used = 0;
}

void nv_arena_shrink(struct nv_arena *arena, size_t keep)
{
    struct nv_arena_block **at = &arena->first;
    size_t kept = 0;

    while (*at && (*at)->size <= keep - kept) {
        kept += (*at)->size;
        at = &(*at)->next;
    }
    struct nv_arena behind = {.first = *at};
    *at = NULL;
    nv_arena_done(&behind);
    arena->total = kept;
    nv_arena_reset(arena);
}

struct nv_arena_mark nv_arena_mark(const struct nv_arena *arena)
{
    return (struct nv_arena_mark){arena->current, arena->current ? arena->current->used : 0};
}

void nv_arena_rewind(struct nv_arena *arena, struct nv_arena_mark mark)
{
    if (!mark.block) {
        nv_arena_reset(arena);
        return;
    }
    nv_assert(mark.used <= mark.block->used);
    arena->current = mark.block;
    mark.block->used = mark.used;
}

/* Moves on to the next block that has room, or adds one. */
static struct nv_arena_block *next_block(struct nv_arena *arena, size_t size)
{
    struct nv_arena_block *last = arena->current;

    for (struct nv_arena_block *b = last ? last->next : NULL; b; last = b, b = b->next) {
        b->used = 0;
        if (b->size >= size)
            return arena->current = b;
    }

    size_t want = last ? last->size * 2 : FIRST_BLOCK;
    if (want > LARGEST_BLOCK)
        want = LARGEST_BLOCK;
    if (want < size)
        want = size;
    if (want > arena->max || arena->total > arena->max - want)
        want = size;
    if (want > arena->max || arena->total > arena->max - want)
        return NULL;
    if (arena->may_grow && !arena->may_grow(arena->user, want))
        return NULL;
    struct nv_arena_block *block = malloc(sizeof(*block) + want);
    if (!block)
        return NULL;
    *block = (struct nv_arena_block){.size = want};
    arena->total += want;
    if (last)
        last->next = block;
    else
        arena->first = block;
    return arena->current = block;
}

void *nv_arena_alloc(struct nv_arena *arena, size_t size)
{
    struct nv_arena_block *block = arena->current;

    if (size > SIZE_MAX - ALIGNMENT)
        return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (!block || block->size - block->used < size)
        block = next_block(arena, size);
    if (!block)
        return NULL;
    void *p = block->bytes + block->used;
    block->used += size;
    return p;
}

struct nv_str nv_arena_str(struct nv_arena *arena, struct nv_str s)
{
    char *p = nv_arena_alloc(arena, s.n + 1);

    if (!p)
        return (struct nv_str){NULL, 0};
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct nv_str){p, s.n};
}
