/*
 * eval_shared.c - what stands in an expression twice is evaluated once: aggregations, and functions of ranges.
 *
 * The first of them is evaluated as ever, and a copy of its rows is kept on the way; the others get the copy.
 * Where the copy would grow beyond a bound, or the evaluation gave rise to remarks (which tell where they come
 * from), each is evaluated by itself.
 */
#include "promql/eval_parts.h"

enum {
    TEXT_MAX = 16 << 10,    /* of the whole expression: longer ones are not searched */
    NODES_MAX = 32,         /* that are compared */
    COPY_BYTES = 512 << 10, /* of the rows of one node */
};

enum state { UNSEEN, COPYING, KEPT, REFUSED };

struct nv_shared {
    enum state state;
    unsigned left; /* how many have still to be served */
    struct nv_grid grid;
    struct nv_matrix matrix;
    uint64_t queryable;
};

/* Nodes seen so far, with what would make others the same. */
struct search {
    struct nv_eval *ev;
    struct nv_arena arena;
    struct {
        struct nv_expr *expr;
        struct nv_str text;
        unsigned grid; /* which subquery it stands in */
    } seen[NODES_MAX];
    size_t n, n_shared;
    unsigned counts[NODES_MAX], grids;
};

static bool is_dear(const struct nv_expr *expr)
{
    return expr->kind == NV_EXPR_AGGREGATION ||
           (expr->kind == NV_EXPR_CALL && nv_window_function(expr->call.function->id));
}

/* Whether it is one that was seen before; else it is noted. */
static bool is_known(struct search *s, struct nv_expr *expr, unsigned grid)
{
    NV_AUTO_BUF text = NV_BUF(TEXT_MAX * 2);

    nv_promql_print(&text, expr);
    for (size_t i = 0; i < s->n && !text.failed; i++) {
        if (s->seen[i].grid != grid || !nv_str_eq(s->seen[i].text, nv_buf_view(&text)))
            continue;
        if (!s->seen[i].expr->shared)
            s->seen[i].expr->shared = (uint8_t)++s->n_shared;
        expr->shared = s->seen[i].expr->shared;
        s->counts[expr->shared - 1]++;
        return true;
    }
    struct nv_str copy = nv_arena_str(&s->arena, nv_buf_view(&text));
    if (s->n < NODES_MAX && !text.failed && copy.p) {
        s->seen[s->n].expr = expr;
        s->seen[s->n].text = copy;
        s->seen[s->n++].grid = grid;
    }
    return false;
}

static void search(struct search *s, struct nv_expr *expr, unsigned grid)
{
    if (is_dear(expr) && is_known(s, expr, grid))
        return; /* what is in it is in the other one */
    switch (expr->kind) {
    case NV_EXPR_PAREN:
        search(s, expr->paren, grid);
        return;
    case NV_EXPR_UNARY:
        search(s, expr->unary.expr, grid);
        return;
    case NV_EXPR_BINARY:
        search(s, expr->binary.left, grid);
        search(s, expr->binary.right, grid);
        return;
    case NV_EXPR_AGGREGATION:
        search(s, expr->aggregation.expr, grid);
        return;
    case NV_EXPR_SUBQUERY:
        search(s, expr->subquery.expr, ++s->grids);
        return;
    case NV_EXPR_CALL:
        for (size_t i = 0; i < expr->call.n; i++)
            search(s, expr->call.args[i], grid);
        return;
    default:
        return;
    }
}

int nv_eval_share(struct nv_eval *ev, struct nv_expr *root)
{
    struct search s = {.ev = ev, .arena = NV_ARENA(TEXT_MAX * NODES_MAX)};

    if (ev->text.n > TEXT_MAX)
        return 0;
    search(&s, root, 0);
    nv_arena_done(&s.arena);
    if (!s.n_shared)
        return 0;
    ev->shared = nv_pool_alloc(&ev->kept, s.n_shared, sizeof(*ev->shared));
    if (!ev->shared)
        return nv_eval_no_memory(ev);
    for (size_t i = 0; i < s.n_shared; i++)
        ev->shared[i] = (struct nv_shared){.left = s.counts[i]};
    ev->n_shared = s.n_shared;
    return 0;
}

void nv_eval_end_shared(struct nv_eval *ev)
{
    for (size_t i = 0; i < ev->n_shared; i++)
        if (ev->shared[i].state == KEPT || ev->shared[i].state == COPYING)
            nv_matrix_close(ev, &ev->shared[i].matrix);
    ev->n_shared = 0;
}

/* A row on its way, of which a copy is kept. */
struct tee {
    struct nv_shared *shared;
    nv_row_fn fn;
    void *user;
};

static int copy_and_pass(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct tee *tee = user;
    struct nv_shared *s = tee->shared;

    bool fits = s->matrix.pool.arena.total <= COPY_BYTES &&
                ev->n_samples + s->grid.n * 8 < ev->options.max_samples;
    if (s->state == COPYING && !fits) {
        nv_matrix_close(ev, &s->matrix);
        s->state = REFUSED;
    }
    if (s->state == COPYING) {
        int r = nv_matrix_add(ev, row, &s->matrix);
        if (r < 0)
            return r;
    }
    return tee->fn(ev, row, tee->user);
}

static int serve(struct nv_eval *ev, struct nv_shared *s, nv_row_fn fn, void *user)
{
    size_t n = s->grid.n;
    int r = 0;

    for (size_t i = 0; r == 0 && i < s->matrix.n; i++) {
        const struct nv_row *kept = &s->matrix.rows[i];
        struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
        struct nv_row row;
        r = nv_row_new(ev, &ev->scratch, n, kept->histograms, &row);
        if (r < 0)
            return r;
        memcpy(row.values, kept->values, n * sizeof(*row.values));
        if (kept->histograms)
            memcpy(row.histograms, kept->histograms, n * sizeof(*row.histograms));
        row.labels = kept->labels;
        row.n_labels = kept->n_labels;
        row.drop_name = kept->drop_name;
        r = fn(ev, &row, user);
        nv_arena_rewind(&ev->scratch.arena, mark);
    }
    ev->result->stats.queryable += s->queryable;
    if (--s->left == 0) {
        nv_matrix_close(ev, &s->matrix);
        s->state = REFUSED;
    }
    return r;
}

static bool same_grid(const struct nv_grid *a, const struct nv_grid *b)
{
    return a->start == b->start && a->step == b->step && a->n == b->n;
}

int nv_eval_shared(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   nv_rows_fn plain, nv_row_fn fn, void *user)
{
    struct nv_shared *s = &ev->shared[expr->shared - 1];
    struct nv_promql_result *result = ev->result;
    struct tee tee = {s, fn, user};

    if (s->state == KEPT && same_grid(&s->grid, grid))
        return serve(ev, s, fn, user);
    if (s->state != UNSEEN || result->stats.queryable_by_step)
        return plain(ev, expr, grid, fn, user);
    size_t n_remarks = result->n_annotations;
    uint64_t queryable = result->stats.queryable;
    const void *fixes = ev->fixes, *overlaps = ev->overlaps;
    s->state = COPYING;
    s->grid = *grid;
    nv_matrix_open(ev, &s->matrix, grid->n);
    int r = plain(ev, expr, grid, copy_and_pass, &tee);
    if (r < 0 || s->state != COPYING)
        return r;
    s->state = KEPT;
    s->queryable = result->stats.queryable - queryable;
    if (result->n_annotations == n_remarks && ev->fixes == fixes && ev->overlaps == overlaps)
        return 0;
    nv_matrix_close(ev, &s->matrix);
    s->state = REFUSED;
    return 0;
}
