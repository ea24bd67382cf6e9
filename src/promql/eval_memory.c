/*
 * eval_memory.c - a query's memory and its limits; rows that are kept.
 */
#include <errno.h>
#include <stdarg.h>
#include <time.h>

#include "promql/eval_parts.h"

int nv_eval_fail(struct nv_eval *ev, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(ev->result->error, sizeof(ev->result->error), format, args);
    va_end(args);
    return -EINVAL;
}

/* What one more step takes from the pool of all queries; less, where that is more than there ever is. */
static int draw(struct nv_eval *ev, size_t least)
{
    const struct nv_promql_options *o = &ev->options;
    size_t step = least > NV_PROMQL_POOL_STEP ? least : NV_PROMQL_POOL_STEP;
    int r = nv_promql_pool_take(o->pool, ev->granted, step, o->deadline_ms, o->cancel);

    if (r == -EDQUOT && step > least) {
        step = least;
        r = nv_promql_pool_take(o->pool, ev->granted, step, o->deadline_ms, o->cancel);
    }
    if (r == 0)
        ev->granted += step;
    return r;
}

static bool may_grow(void *user, size_t bytes)
{
    struct nv_eval *ev = user;
    size_t after;

    if (__builtin_add_overflow(ev->memory, bytes, &after) || after > ev->options.max_memory)
        ev->refused = -EDQUOT;
    else if (ev->options.pool && after > ev->granted)
        ev->refused = draw(ev, after - ev->granted);
    else
        ev->refused = 0;
    if (ev->refused < 0)
        return false;
    ev->memory = after;
    return true;
}

void nv_pool_open(struct nv_eval *ev, struct nv_pool *pool)
{
    *pool = (struct nv_pool){NV_ARENA(ev->options.max_memory), 0, ev->pools};
    pool->arena.may_grow = may_grow;
    pool->arena.user = ev;
    ev->pools = pool;
}

bool nv_pool_count(struct nv_eval *ev, struct nv_pool *pool, size_t bytes)
{
    if (!may_grow(ev, bytes))
        return false;
    pool->extra += bytes;
    return true;
}

void nv_pool_empty(struct nv_eval *ev, struct nv_pool *pool)
{
    ev->memory -= pool->arena.total + pool->extra;
    nv_arena_done(&pool->arena);
    pool->extra = 0;
}

void nv_pool_close(struct nv_eval *ev, struct nv_pool *pool)
{
    struct nv_pool **at = &ev->pools;

    while (*at != pool)
        at = &(*at)->next;
    *at = pool->next;
    nv_pool_empty(ev, pool);
}

void *nv_pool_alloc(struct nv_pool *pool, size_t n, size_t size)
{
    size_t bytes;

    return __builtin_mul_overflow(n, size, &bytes) ? NULL : nv_arena_alloc(&pool->arena, bytes);
}

int nv_eval_no_memory(struct nv_eval *ev)
{
    switch (ev->refused) {
    case -EBUSY:
        nv_eval_fail(ev, "query timed out waiting for memory that other queries hold");
        return -EBUSY;
    case -ECANCELED:
        nv_eval_fail(ev, "query was canceled in expression evaluation");
        return -ECANCELED;
    default:
        nv_eval_fail(ev, "query processing would need too much memory in query execution");
        return -EDQUOT;
    }
}

int nv_eval_check(struct nv_eval *ev)
{
    if (ev->options.cancel && __atomic_load_n(ev->options.cancel, __ATOMIC_RELAXED)) {
        nv_eval_fail(ev, "query was canceled in expression evaluation");
        return -ECANCELED;
    }
    if (!ev->options.deadline_ms || ev->checks++ % 16)
        return 0;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 < ev->options.deadline_ms)
        return 0;
    nv_eval_fail(ev, "query timed out in expression evaluation");
    return -ETIMEDOUT;
}

int nv_eval_hold(struct nv_eval *ev, uint64_t n)
{
    ev->n_samples += n;
    if (ev->n_samples > ev->result->stats.peak)
        ev->result->stats.peak = ev->n_samples;
    if (ev->n_samples <= ev->options.max_samples)
        return 0;
    nv_eval_fail(ev, "query processing would load too many samples into memory in query execution");
    return -EDQUOT;
}

uint64_t nv_histogram_weight(const struct nv_histogram *h)
{
    uint64_t parts = (uint64_t)h->n_positive_spans + h->n_negative_spans + h->n_positive +
                     h->n_negative + h->n_custom;

    return (168 + 8 * parts) / 16;
}

int nv_row_histograms(struct nv_eval *ev, struct nv_pool *pool, size_t n_steps, struct nv_row *row)
{
    if (row->histograms)
        return 0;
    row->histograms = nv_pool_alloc(pool, n_steps, sizeof(*row->histograms));
    if (!row->histograms)
        return nv_eval_no_memory(ev);
    memset(row->histograms, 0, n_steps * sizeof(*row->histograms));
    return 0;
}

int nv_row_new(struct nv_eval *ev, struct nv_pool *pool, size_t n_steps, bool histograms,
               struct nv_row *ret)
{
    *ret = (struct nv_row){.values = nv_pool_alloc(pool, n_steps, sizeof(double))};
    if (!ret->values)
        return nv_eval_no_memory(ev);
    for (size_t i = 0; i < n_steps; i++)
        ret->values[i] = nv_stale();
    return histograms ? nv_row_histograms(ev, pool, n_steps, ret) : 0;
}

void nv_matrix_open(struct nv_eval *ev, struct nv_matrix *matrix, size_t n_steps)
{
    *matrix = (struct nv_matrix){.n_steps = n_steps};
    nv_pool_open(ev, &matrix->pool);
}

void nv_matrix_close(struct nv_eval *ev, struct nv_matrix *matrix)
{
    ev->n_samples -= matrix->samples;
    free(matrix->rows);
    nv_index_done(&matrix->index);
    nv_pool_close(ev, &matrix->pool);
}

static void *copy_of(struct nv_pool *pool, const void *p, size_t n, size_t size)
{
    void *copy = nv_pool_alloc(pool, n, size);

    if (copy && n)
        memcpy(copy, p, n * size);
    return copy;
}

const struct nv_histogram *nv_pool_histogram(struct nv_pool *pool, const struct nv_histogram *h)
{
    struct nv_histogram *copy = copy_of(pool, h, 1, sizeof(*h));

    if (!copy)
        return NULL;
    copy->positive_spans =
        copy_of(pool, h->positive_spans, h->n_positive_spans, sizeof(struct nv_span));
    copy->negative_spans =
        copy_of(pool, h->negative_spans, h->n_negative_spans, sizeof(struct nv_span));
    copy->positive = copy_of(pool, h->positive, h->n_positive, sizeof(double));
    copy->negative = copy_of(pool, h->negative, h->n_negative, sizeof(double));
    copy->custom_values = copy_of(pool, h->custom_values, h->n_custom, sizeof(double));
    return copy->positive_spans && copy->negative_spans && copy->positive && copy->negative &&
                   copy->custom_values
               ? copy
               : NULL;
}

/* Samples of one row into another, where there are any. `meet`: a step that both have is an error. */
static int copy_samples(struct nv_eval *ev, struct nv_matrix *matrix, const struct nv_row *from,
                        struct nv_row *to)
{
    const struct nv_histogram *last = NULL, *last_copy = NULL;
    uint64_t n = 0;

    for (size_t i = 0; i < matrix->n_steps; i++) {
        if (!nv_row_has(from, i))
            continue;
        if (nv_row_has(to, i))
            return nv_eval_fail(ev, "vector cannot contain metrics with the same labelset");
        to->values[i] = from->values[i];
        n++;
        const struct nv_histogram *h = nv_row_histogram(from, i);
        if (!h)
            continue;
        if (h != last) {
            last_copy = nv_pool_histogram(&matrix->pool, h);
            if (!last_copy || nv_row_histograms(ev, &matrix->pool, matrix->n_steps, to) < 0)
                return nv_eval_no_memory(ev);
            last = h;
        }
        n += nv_histogram_weight(h);
        to->histograms[i] = last_copy;
    }
    matrix->samples += n;
    return nv_eval_hold(ev, n);
}

static struct nv_row *new_row(struct nv_eval *ev, struct nv_matrix *matrix,
                              const struct nv_row *like)
{
    if (matrix->n == matrix->room) {
        size_t room = matrix->room ? matrix->room * 2 : 16;
        if (!nv_pool_count(ev, &matrix->pool, (room - matrix->room) * (sizeof(struct nv_row) + 16)))
            return NULL; /* the index is counted with the rows */
        struct nv_row *larger = realloc(matrix->rows, room * sizeof(*larger));
        if (!larger)
            return NULL;
        matrix->rows = larger;
        matrix->room = room;
    }
    struct nv_row *row = &matrix->rows[matrix->n];
    if (nv_row_new(ev, &matrix->pool, matrix->n_steps, false, row) < 0)
        return NULL;
    row->labels = copy_of(&matrix->pool, like->labels, like->n_labels, sizeof(struct nv_label));
    row->n_labels = like->n_labels;
    row->drop_name = like->drop_name;
    return row->labels ? row : NULL;
}

int nv_matrix_add(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct nv_matrix *matrix = user;
    struct nv_row *copy = new_row(ev, matrix, row);

    if (!copy)
        return nv_eval_no_memory(ev);
    matrix->n++;
    int r = copy_samples(ev, matrix, row, copy);
    return r < 0 ? r : nv_eval_check(ev);
}

static uint64_t hash_of_row(uint32_t i, const void *user)
{
    const struct nv_matrix *matrix = user;

    return nv_labels_hash(matrix->rows[i].labels, matrix->rows[i].n_labels);
}

int nv_matrix_merge(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct nv_matrix *matrix = user;
    uint64_t hash = nv_labels_hash(row->labels, row->n_labels);

    for (uint32_t at = nv_index_first(&matrix->index, hash), i;
         nv_index_next(&matrix->index, hash, &at, &i);) {
        struct nv_row *other = &matrix->rows[i];
        if (nv_labels_equal(row->labels, row->n_labels, other->labels, other->n_labels))
            return copy_samples(ev, matrix, row, other);
    }
    int r = nv_matrix_add(ev, row, matrix);
    if (r < 0)
        return r;
    r = nv_index_add(&matrix->index, hash, (uint32_t)matrix->n - 1, hash_of_row, matrix);
    return r < 0 ? nv_eval_no_memory(ev) : 0;
}

int nv_matrix_emit(struct nv_eval *ev, struct nv_matrix *matrix, nv_row_fn fn, void *user)
{
    for (size_t i = 0; i < matrix->n; i++) {
        struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
        int r = fn(ev, &matrix->rows[i], user);
        nv_arena_rewind(&ev->scratch.arena, mark);
        if (r < 0)
            return r;
    }
    return 0;
}
