/*
 * eval_choice.c - aggregations with a parameter: topk, bottomk, quantile, count_values, limitk, limit_ratio.
 */
#include "base/number.h"
#include "base/utf8.h"
#include "promql/eval_groups.h"
#include "promql/histograms.h"

/* One element of one group of values, at one step. */
struct hit {
    uint32_t group, step;
};
struct hits {
    struct hit *at;
    size_t n, room;
};

struct choosing {
    struct nv_groups groups;
    const struct nv_aggregation *a;
    double *parameter;
    struct nv_matrix matrix; /* rows that must be seen together; or, of count_values, the answer */
    uint32_t *group_of;      /* by row of the matrix */
    uint32_t *members;       /* rows by group */
    size_t *starts;
    size_t room;
    struct nv_str label;
    struct hits hits; /* of count_values */
};

static int group_of(struct nv_eval *ev, struct choosing *c, const struct nv_row *row,
                    struct nv_group **ret)
{
    size_t n;
    const struct nv_label *labels = nv_group_labels(ev, c->a, row, &n);

    return labels ? nv_groups_find(ev, &c->groups, labels, n, row->drop_name, ret)
                  : nv_eval_no_memory(ev);
}

/* Keeps a row, and which group it is of. */
static int keep(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct choosing *c = user;
    struct nv_group *g;

    for (size_t i = 0; i < c->groups.grid->n; i++) {
        if (!nv_row_histogram(row, i))
            continue;
        nv_annotate(ev, false, c->a->expr, "ignored histogram in %s aggregation",
                    nv_aggregator_text(c->a->aggregator));
        nv_row_clear(row, i);
    }
    int r = group_of(ev, c, row, &g);
    if (r == 0)
        r = nv_matrix_add(ev, row, &c->matrix);
    if (r < 0)
        return r;
    if (c->matrix.n > c->room) {
        size_t room = c->room ? c->room * 2 : 16;
        uint32_t *larger = realloc(c->group_of, room * sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        c->group_of = larger;
        c->room = room;
    }
    c->group_of[c->matrix.n - 1] = (uint32_t)(g - c->groups.at);
    return 0;
}

/* Rows of group g are members[starts[g]] up to members[starts[g + 1]], in their order. */
static int gather_members(struct nv_eval *ev, struct choosing *c)
{
    size_t n = c->matrix.n;

    c->members = nv_pool_alloc(&c->groups.pool, n, sizeof(*c->members));
    c->starts = nv_pool_alloc(&c->groups.pool, c->groups.n + 2, sizeof(*c->starts));
    if (!c->members || !c->starts)
        return nv_eval_no_memory(ev);
    memset(c->starts, 0, (c->groups.n + 2) * sizeof(*c->starts));
    for (size_t k = 0; k < n; k++)
        c->starts[c->group_of[k] + 2]++;
    for (uint32_t g = 2; g < c->groups.n + 2; g++)
        c->starts[g] += c->starts[g - 1];
    for (uint32_t k = 0; k < n; k++)
        c->members[c->starts[c->group_of[k] + 1]++] = k;
    return 0;
}

struct candidate {
    double value; /* turned around for bottomk, so that the largest is always first */
    uint32_t row;
};

static int by_rank(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    bool x_nan = isnan(x->value), y_nan = isnan(y->value);

    if (x_nan != y_nan)
        return x_nan - y_nan;
    if (!x_nan && x->value != y->value)
        return x->value > y->value ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static size_t candidates(const struct choosing *c, uint32_t group, size_t i, struct candidate *out)
{
    bool bottom = c->a->aggregator == NV_AGG_BOTTOMK;
    size_t n = 0;

    for (size_t m = c->starts[group]; m < c->starts[group + 1]; m++) {
        const struct nv_row *row = &c->matrix.rows[c->members[m]];
        if (nv_row_has(row, i))
            out[n++] = (struct candidate){bottom ? -row->values[i] : row->values[i], c->members[m]};
    }
    qsort(out, n, sizeof(*out), by_rank);
    return n;
}

/* What is not among the first k of its step goes; for an instant query the order is told. */
static int top(struct nv_eval *ev, struct choosing *c)
{
    size_t n_order = 0;
    struct candidate *list = nv_pool_alloc(&c->groups.pool, c->matrix.n, sizeof(*list));
    uint32_t *order = nv_pool_alloc(&c->groups.pool, c->matrix.n, sizeof(*order));
    bool instant = c->groups.grid->n == 1;
    int r = list && order ? gather_members(ev, c) : nv_eval_no_memory(ev);

    if (r < 0)
        return r;
    for (uint32_t g = 0; g < c->groups.n; g++) {
        for (size_t i = 0; i < c->groups.grid->n; i++) {
            size_t n = candidates(c, g, i, list);
            double k = c->parameter[i];
            for (size_t rank = 0; rank < n; rank++) {
                if (!((double)rank + 1 <= k))
                    nv_row_clear(&c->matrix.rows[list[rank].row], i);
                else if (instant)
                    order[n_order++] = list[rank].row;
            }
        }
        r = nv_eval_check(ev);
        if (r < 0)
            return r;
    }
    for (size_t k = 0; k < (instant ? n_order : c->matrix.n); k++) {
        r = c->groups.fn(ev, &c->matrix.rows[instant ? order[k] : k], c->groups.user);
        if (r < 0)
            return r;
    }
    return 0;
}

static int quantiles(struct nv_eval *ev, struct choosing *c)
{
    double *values = nv_pool_alloc(&c->groups.pool, c->matrix.n, sizeof(*values));
    int r = values ? gather_members(ev, c) : nv_eval_no_memory(ev);

    for (uint32_t g = 0; r == 0 && g < c->groups.n; g++) {
        struct nv_row row;
        r = nv_row_new(ev, &c->groups.pool, c->groups.grid->n, false, &row);
        for (size_t i = 0; r == 0 && i < c->groups.grid->n; i++) {
            size_t n = 0;
            for (size_t m = c->starts[g]; m < c->starts[g + 1]; m++)
                if (nv_row_has(&c->matrix.rows[c->members[m]], i))
                    values[n++] = c->matrix.rows[c->members[m]].values[i];
            qsort(values, n, sizeof(*values), nv_compare_values);
            if (n)
                row.values[i] = nv_quantile(c->parameter[i], values, n);
        }
        if (r < 0)
            return r;
        row.labels = c->groups.at[g].labels;
        row.n_labels = c->groups.at[g].n_labels;
        row.drop_name = c->groups.at[g].drop_name;
        r = c->groups.fn(ev, &row, c->groups.user);
        if (r < 0)
            return r;
    }
    return r;
}

/* limitk: the first k of a group at each step. */
static int limit(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct choosing *c = user;
    struct nv_group *g;
    int r = group_of(ev, c, row, &g);

    if (r < 0)
        return r;
    if (!g->user) {
        g->user = nv_pool_alloc(&c->groups.pool, c->groups.grid->n, sizeof(uint32_t));
        if (!g->user)
            return nv_eval_no_memory(ev);
        memset(g->user, 0, c->groups.grid->n * sizeof(uint32_t));
    }
    uint32_t *seen = g->user;
    for (size_t i = 0; i < c->groups.grid->n; i++) {
        if (!nv_row_has(row, i))
            continue;
        if ((double)seen[i] + 1 <= c->parameter[i])
            seen[i]++;
        else
            nv_row_clear(row, i);
    }
    return c->groups.fn(ev, row, c->groups.user);
}

/* limit_ratio: where the hash of the labels falls decides, so that r and r - 1 complement one another. */
static int ratio(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct choosing *c = user;
    double place = (double)nv_labels_hash(row->labels, row->n_labels) / (double)UINT64_MAX;

    for (size_t i = 0; i < c->groups.grid->n; i++) {
        double r = c->parameter[i];
        bool chosen = r >= 0 ? place < r || r >= 1 : place >= 1 + r;
        if (!chosen)
            nv_row_clear(row, i);
    }
    return c->groups.fn(ev, row, c->groups.user);
}

static int add_hit(struct nv_eval *ev, struct choosing *c, struct hit hit)
{
    struct hits *h = &c->hits;

    if (h->n == h->room) {
        size_t room = h->room ? h->room * 2 : 1024;
        struct hit *larger = nv_pool_alloc(&c->groups.pool, room, sizeof(*larger));
        if (!larger)
            return nv_eval_no_memory(ev);
        if (h->n)
            memcpy(larger, h->at, h->n * sizeof(*larger));
        h->at = larger;
        h->room = room;
    }
    h->at[h->n++] = hit;
    return 0;
}

/* The group of a value: the labels of the row's group, and the value's text. */
static int value_group(struct nv_eval *ev, struct choosing *c, const struct nv_row *row, size_t i,
                       uint32_t *ret)
{
    const struct nv_histogram *h = nv_row_histogram(row, i);
    NV_AUTO_BUF text = NV_BUF(1 << 16);
    char number[NV_NUMBER_PLAIN_MAX];
    struct nv_group *g;
    size_t n;
    struct nv_label *labels = nv_group_labels(ev, c->a, row, &n);

    if (h)
        nv_histogram_print(&text, h);
    else
        nv_buf_add(&text, number, nv_number_plain(number, row->values[i]));
    uint32_t before = c->groups.n;
    struct nv_str value = nv_buf_view(&text);
    if (!labels)
        return nv_eval_no_memory(ev);
    n = nv_labels_set(labels, n, c->label, value);
    int r = nv_groups_find(ev, &c->groups, labels, n, row->drop_name, &g);
    if (r < 0)
        return r;
    *ret = (uint32_t)(g - c->groups.at);
    if (c->groups.n == before)
        return 0;
    value = nv_arena_str(&ev->kept.arena, value); /* a new one: its text must stay */
    if (!value.p)
        return nv_eval_no_memory(ev);
    n = nv_labels_set(labels, n, c->label, value);
    memcpy((struct nv_label *)(uintptr_t)g->labels, labels, n * sizeof(*labels));
    return 0;
}

static int count_values(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct choosing *c = user;
    uint32_t group = 0;
    double last = 0;
    bool known = false;

    for (size_t i = 0; i < c->groups.grid->n; i++) {
        if (!nv_row_has(row, i))
            continue;
        bool is_float = nv_row_is_float(row, i);
        if (!known || !is_float || memcmp(&last, &row->values[i], sizeof(last)) != 0) {
            struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
            int r = value_group(ev, c, row, i, &group);
            nv_arena_rewind(&ev->scratch.arena, mark);
            if (r < 0)
                return r;
            last = row->values[i];
            known = is_float;
        }
        int r = add_hit(ev, c, (struct hit){group, (uint32_t)i});
        if (r < 0)
            return r;
    }
    return nv_eval_check(ev);
}

/* Hits in order of their groups; NULL past the limit. `ends`: where each group's end. */
static const struct hit *by_group(struct choosing *c, size_t *ends)
{
    struct hit *out = nv_pool_alloc(&c->groups.pool, c->hits.n, sizeof(*out));
    size_t at = 0;

    memset(ends, 0, c->groups.n * sizeof(*ends));
    for (size_t i = 0; i < c->hits.n; i++)
        ends[c->hits.at[i].group]++;
    for (uint32_t g = 0; g < c->groups.n; g++) {
        size_t n = ends[g];
        ends[g] = at;
        at += n;
    }
    for (size_t i = 0; out && i < c->hits.n; i++)
        out[ends[c->hits.at[i].group]++] = c->hits.at[i];
    return out;
}

static int emit_counts(struct nv_eval *ev, struct choosing *c)
{
    size_t *ends = nv_pool_alloc(&c->groups.pool, c->groups.n, sizeof(*ends)), at = 0;
    const struct hit *hits = ends ? by_group(c, ends) : NULL;

    if (!hits)
        return nv_eval_no_memory(ev);
    for (uint32_t g = 0; g < c->groups.n; g++) {
        struct nv_arena_mark mark = nv_arena_mark(&ev->scratch.arena);
        struct nv_row row;
        int r = nv_row_new(ev, &ev->scratch, c->groups.grid->n, false, &row);
        for (; r == 0 && at < ends[g]; at++) {
            double *count = &row.values[hits[at].step];
            *count = nv_row_has(&row, hits[at].step) ? *count + 1 : 1;
        }
        if (r < 0)
            return r;
        row.labels = c->groups.at[g].labels;
        row.n_labels = c->groups.at[g].n_labels;
        row.drop_name = c->groups.at[g].drop_name;
        r = c->groups.fn(ev, &row, c->groups.user);
        nv_arena_rewind(&ev->scratch.arena, mark);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Refuses what is no number of elements; whole numbers from now on. */
static int check_count(struct nv_eval *ev, struct choosing *c, bool *ret_any)
{
    for (size_t i = 0; i < c->groups.grid->n; i++) {
        double k = c->parameter[i];
        char text[NV_NUMBER_MAX];
        if (isnan(k))
            return nv_eval_fail(ev, "Parameter value is NaN");
        if (k >= 9223372036854775808.0 || k <= -9223372036854775808.0) {
            size_t n = nv_number_text(text, k);
            return nv_eval_fail(ev, "Scalar value %.*s %s int64", (int)n, text,
                                k > 0 ? "overflows" : "underflows");
        }
        c->parameter[i] = trunc(k);
        *ret_any |= c->parameter[i] >= 1;
    }
    return 0;
}

static int check_ratio(struct nv_eval *ev, struct choosing *c)
{
    for (size_t i = 0; i < c->groups.grid->n; i++) {
        double r = c->parameter[i], capped = r > 1 ? 1 : r < -1 ? -1 : r;
        if (isnan(r))
            return nv_eval_fail(ev, "Ratio value is NaN");
        if (capped != r)
            nv_annotate(ev, true, c->a->parameter,
                        "ratio value should be between -1 and 1, got %s, capping to %s",
                        nv_shown(ev, r), nv_shown(ev, capped));
        c->parameter[i] = capped;
    }
    return 0;
}

static void check_quantile(struct nv_eval *ev, struct choosing *c)
{
    for (size_t i = 0; i < c->groups.grid->n; i++)
        if (!(c->parameter[i] >= 0 && c->parameter[i] <= 1))
            nv_annotate(ev, true, c->a->parameter,
                        "quantile value should be between 0 and 1, got %s",
                        nv_shown(ev, c->parameter[i]));
}

static int choose(struct nv_eval *ev, struct choosing *c)
{
    const struct nv_grid *grid = c->groups.grid;
    bool any = false;
    int r;

    switch (c->a->aggregator) {
    case NV_AGG_COUNT_VALUES:
        c->label = nv_eval_string(c->a->parameter);
        if (!c->label.n || !nv_utf8_valid(c->label))
            return nv_eval_fail(ev, "invalid label name %s", nv_quoted(ev, c->label));
        r = nv_eval_rows(ev, c->a->expr, grid, count_values, c);
        return r < 0 ? r : emit_counts(ev, c);
    case NV_AGG_QUANTILE:
        check_quantile(ev, c);
        r = nv_eval_rows(ev, c->a->expr, grid, keep, c);
        return r < 0 ? r : quantiles(ev, c);
    case NV_AGG_LIMIT_RATIO:
        r = check_ratio(ev, c);
        return r < 0 ? r : nv_eval_rows(ev, c->a->expr, grid, ratio, c);
    default:
        r = check_count(ev, c, &any);
        if (r < 0 || !any)
            return r;
        if (c->a->aggregator == NV_AGG_LIMITK)
            return nv_eval_rows(ev, c->a->expr, grid, limit, c);
        r = nv_eval_rows(ev, c->a->expr, grid, keep, c);
        return r < 0 ? r : top(ev, c);
    }
}

int nv_eval_choice(struct nv_eval *ev, const struct nv_expr *expr, const struct nv_grid *grid,
                   nv_row_fn fn, void *user)
{
    struct choosing c = {.a = &expr->aggregation};
    int r = 0;

    nv_groups_open(ev, &c.groups, expr, grid, fn, user);
    nv_matrix_open(ev, &c.matrix, grid->n);
    if (c.a->aggregator != NV_AGG_COUNT_VALUES) {
        c.parameter = nv_pool_alloc(&c.groups.pool, grid->n, sizeof(double));
        r = c.parameter ? nv_eval_scalar(ev, c.a->parameter, grid, c.parameter)
                        : nv_eval_no_memory(ev);
    }
    if (r == 0)
        r = choose(ev, &c);
    free(c.group_of);
    nv_matrix_close(ev, &c.matrix);
    nv_groups_close(ev, &c.groups);
    return r;
}
