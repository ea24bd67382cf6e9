/*
 * Texts that resemble the one before: how many bytes they share with its front, how many more they have, and those.
 * The three stand apart, each led by its length, since they compress better so. A list begins with nothing to share.
 */
#include "tsdb/block_parts.h"

void nv_front_put(struct nv_front *front, struct nv_str text)
{
    size_t shared = 0;

    while (shared < text.n && shared < front->last.n && text.p[shared] == front->last.p[shared])
        shared++;
    nv_put_uvarint(&front->shared, shared);
    nv_put_uvarint(&front->lengths, text.n - shared);
    nv_buf_str(&front->rest, nv_str_from(text, shared));
    front->last = text;
}

static void end(struct nv_buf *field, struct nv_buf *out)
{
    if (field->failed)
        out->failed = field->failed;
    nv_put_sized(out, nv_buf_view(field));
    nv_buf_done(field);
}

void nv_front_end(struct nv_front *front, struct nv_buf *out)
{
    end(&front->shared, out);
    end(&front->lengths, out);
    end(&front->rest, out);
}

/* The sum of numbers; more than `max` counts as one more than it. */
static size_t sum(struct nv_str numbers, size_t max)
{
    size_t total = 0;
    uint32_t n;

    while (numbers.n) {
        if (!nv_get_below(&numbers, max - total, &n))
            return max + 1;
        total += n;
    }
    return total;
}

int nv_front_begin(struct nv_front_reader *reader, struct nv_str *in, struct nv_arena *arena)
{
    *reader = (struct nv_front_reader){0};
    if (!nv_get_sized(in, &reader->shared) || !nv_get_sized(in, &reader->lengths) ||
        !nv_get_sized(in, &reader->rest))
        return -EBADMSG;
    size_t n = sum(reader->shared, NV_PAGE_TEXT_MAX) + sum(reader->lengths, NV_PAGE_TEXT_MAX);
    if (n > NV_PAGE_TEXT_MAX)
        return -EBADMSG;
    reader->at = nv_arena_alloc(arena, n + 1);
    if (!reader->at)
        return -ENOMEM;
    reader->end = reader->at + n;
    return 0;
}

int nv_front_get(struct nv_front_reader *reader, struct nv_str *ret)
{
    struct nv_str rest;
    uint32_t shared, n;

    if (!nv_get_below(&reader->shared, reader->last.n, &shared) ||
        !nv_get_below(&reader->lengths, NV_PAGE_TEXT_MAX, &n) ||
        !nv_get_bytes(&reader->rest, n, &rest))
        return -EBADMSG;
    char *p = reader->at;
    nv_assert((size_t)(reader->end - p) >= (size_t)shared + n);
    if (shared)
        memcpy(p, reader->last.p, shared);
    if (n)
        memcpy(p + shared, rest.p, n);
    reader->at += shared + n;
    *ret = reader->last = (struct nv_str){p, shared + n};
    return 0;
}

bool nv_front_done(const struct nv_front_reader *reader)
{
    return !reader->shared.n && !reader->lengths.n && !reader->rest.n;
}
