/*
 * Which groups and sections of several blocks are one source's: those that share series, those of equal number first.
 */
#include "base/assert.h"
#include "tsdb/rewrite_parts.h"

/* ---- walking over all series ---------------------------------------------------------------- */

static int advance(struct nv_rewrite_walk *walk, size_t i)
{
    struct nv_rewrite_cursor *c = &walk->at[i];
    struct nv_block *block = walk->w->blocks[i];

    nv_arena_reset(&c->arena);
    c->labels = NULL;
    if (c->next == nv_block_info(block)->n_series)
        return 0;
    return nv_block_labels(block, c->next, &c->arena, &c->labels, &c->n_labels);
}

void nv_rewrite_walk_done(struct nv_rewrite_walk *walk)
{
    for (size_t i = 0; walk->at && i < walk->w->n; i++)
        nv_arena_done(&walk->at[i].arena);
    free(walk->at);
    free(walk->pieces);
}

int nv_rewrite_walk_begin(struct nv_rewrite *w, struct nv_rewrite_walk *ret)
{
    *ret = (struct nv_rewrite_walk){w, calloc(w->n, sizeof(struct nv_rewrite_cursor)),
                                    calloc(w->n, sizeof(struct nv_rewrite_piece))};
    if (!ret->at || !ret->pieces)
        return -ENOMEM;
    for (size_t i = 0; i < w->n; i++) {
        ret->at[i].arena = NV_ARENA(1 << 24);
        int r = advance(ret, i);
        if (r < 0)
            return r;
    }
    return 0;
}

static int compare_cursors(const struct nv_rewrite_cursor *a, const struct nv_rewrite_cursor *b)
{
    return nv_labels_compare(a->labels, a->n_labels, b->labels, b->n_labels);
}

int nv_rewrite_walk_next(struct nv_rewrite_walk *walk, struct nv_rewrite_piece **ret,
                         const struct nv_label **ret_labels, size_t *ret_n_labels)
{
    struct nv_rewrite *w = walk->w;
    const struct nv_rewrite_cursor *first = NULL;
    int n = 0;

    for (size_t i = 0; i < w->n; i++)
        if (walk->at[i].labels && (!first || compare_cursors(&walk->at[i], first) < 0))
            first = &walk->at[i];
    if (!first)
        return 0;
    nv_arena_reset(&w->labels);
    struct nv_label *labels =
        nv_arena_alloc(&w->labels, (first->n_labels + 1) * sizeof(struct nv_label));
    for (size_t i = 0; labels && i < first->n_labels; i++) {
        labels[i].name = nv_arena_str(&w->labels, first->labels[i].name);
        labels[i].value = nv_arena_str(&w->labels, first->labels[i].value);
        if (!labels[i].name.p || !labels[i].value.p)
            return -ENOMEM;
    }
    if (!labels)
        return -ENOMEM;
    *ret_labels = labels;
    *ret_n_labels = first->n_labels;
    for (size_t i = 0; i < w->n; i++) {
        struct nv_rewrite_cursor *c = &walk->at[i];
        if (!c->labels || nv_labels_compare(c->labels, c->n_labels, labels, *ret_n_labels) != 0)
            continue;
        struct nv_rewrite_piece *piece = &walk->pieces[n++];
        *piece = (struct nv_rewrite_piece){.block = (uint32_t)i, .number = c->next++};
        int r = nv_block_place(w->blocks[i], piece->number, &piece->group, &piece->section);
        if (r == 0)
            r = advance(walk, i);
        if (r < 0)
            return r;
    }
    *ret = walk->pieces;
    return n;
}

/* ---- matching ------------------------------------------------------------------------------- */

static int read_groups(struct nv_rewrite *w)
{
    w->in = nv_arena_alloc(&w->arena, w->n * sizeof(*w->in));
    for (size_t b = 0; w->in && b < w->n; b++) {
        size_t n = nv_block_info(w->blocks[b])->n_groups;
        w->in[b] = nv_arena_alloc(&w->arena, (n + 1) * sizeof(struct nv_rewrite_in));
        if (!w->in[b])
            return -ENOMEM;
        for (uint32_t g = 0; g < n; g++) {
            struct nv_rewrite_in *in = &w->in[b][g];
            *in = (struct nv_rewrite_in){.out = NV_REWRITE_NONE};
            int r = nv_block_group(w->blocks[b], g, &w->arena, &in->group);
            if (r < 0)
                return r;
            in->sections = nv_arena_alloc(&w->arena, (in->group.n_sections + 1) * sizeof(uint32_t));
            in->rows = nv_arena_alloc(&w->arena, (in->group.n_rows + 1) * sizeof(uint32_t));
            if (!in->sections || !in->rows)
                return -ENOMEM;
            memset(in->sections, 0xff, in->group.n_sections * sizeof(uint32_t));
        }
    }
    return w->in ? 0 : -ENOMEM;
}

static int add_out(struct nv_rewrite *w, uint32_t *ret)
{
    if (w->n_out == w->room_out) {
        size_t room = w->room_out ? w->room_out * 2 : 16;
        struct nv_rewrite_out *out = nv_arena_alloc(&w->arena, room * sizeof(*out));
        if (!out)
            return -ENOMEM;
        if (w->n_out)
            memcpy(out, w->out, w->n_out * sizeof(*out));
        w->out = out;
        w->room_out = room;
    }
    w->out[w->n_out] = (struct nv_rewrite_out){0};
    *ret = (uint32_t)w->n_out++;
    return 0;
}

static bool block_has_out(const struct nv_rewrite *w, uint32_t block, uint32_t out)
{
    for (size_t g = 0; g < nv_block_info(w->blocks[block])->n_groups; g++)
        if (w->in[block][g].out == out)
            return true;
    return false;
}

static bool group_has_section(const struct nv_rewrite_in *in, uint32_t section)
{
    for (size_t s = 0; s < in->group.n_sections; s++)
        if (in->sections[s] == section)
            return true;
    return false;
}

/* Gives the places of one series a common group and section, as far as nobody else has them. */
static int match_pieces(struct nv_rewrite *w, const struct nv_rewrite_piece *pieces, int n,
                        bool same_numbers)
{
    const struct nv_rewrite_piece *first = NULL;
    int r;

    for (int i = 0; i < n; i++) {
        const struct nv_rewrite_piece *p = &pieces[i];
        if (p->group == NV_BLOCK_SPARSE)
            continue;
        struct nv_rewrite_in *in = &w->in[p->block][p->group];
        if (!first)
            first = p;
        const struct nv_rewrite_in *to = &w->in[first->block][first->group];
        if (same_numbers && (p->group != first->group || p->section != first->section))
            continue;
        if (in->out == NV_REWRITE_NONE) {
            if (to->out != NV_REWRITE_NONE && !block_has_out(w, p->block, to->out))
                in->out = to->out;
            else if ((r = add_out(w, &in->out)) < 0)
                return r;
        }
        if (in->sections[p->section] != NV_REWRITE_NONE)
            continue;
        uint32_t section = in->out == to->out ? to->sections[first->section] : NV_REWRITE_NONE;
        if (section == NV_REWRITE_NONE || group_has_section(in, section))
            section = (uint32_t)w->out[in->out].n_sections++;
        in->sections[p->section] = section;
    }
    return 0;
}

static int match(struct nv_rewrite *w, bool same_numbers)
{
    __attribute__((cleanup(nv_rewrite_walk_done))) struct nv_rewrite_walk walk;
    const struct nv_label *labels;
    struct nv_rewrite_piece *pieces;
    size_t n_labels, n_series = 0;

    int r = nv_rewrite_walk_begin(w, &walk);
    while (r == 0 && (r = nv_rewrite_walk_next(&walk, &pieces, &labels, &n_labels)) > 0) {
        if (w->n > 1 && ++n_series > NV_STORE_REWRITE_SERIES)
            return -EFBIG; /* as where containers came and went: they stay apart */
        r = match_pieces(w, pieces, r, same_numbers);
    }
    return r;
}

int nv_rewrite_match_all(struct nv_rewrite *w)
{
    int r = read_groups(w);

    if (r == 0)
        r = match(w, true);
    return r == 0 ? match(w, false) : r;
}
