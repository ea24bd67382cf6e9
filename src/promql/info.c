/*
 * info.c - info(v[, {matchers}]): labels of info metrics, such as target_info, added to the series they are about.
 *
 * Which info series counts may change from step to step (the newest wins), and with it the labels: a row comes
 * out once for each set of info series it meets.
 */
#include "promql/eval_calls.h"

enum { METRICS_MAX = 16 }; /* info metrics that one series may meet at a step */

struct info {
    struct nv_calling *c;
    struct nv_expr selector;         /* of info series */
    struct nv_matcher some_info;     /* __name__=~".+_info", where it is needed */
    const struct nv_matcher *wanted; /* of data labels */
    size_t n_wanted, n_names;        /* of the selector's matchers, the first are for the name */
    struct nv_matrix series;         /* info series: by step the time of the sample */
};

/* The info rows that a row meets at one step. */
struct meeting {
    uint32_t rows[METRICS_MAX];
    size_t n;
};

static bool is_name(const struct nv_matcher *m)
{
    return nv_str_is(m->name, "__name__");
}

static const struct nv_expr *first_selector(const struct nv_expr *e)
{
    const struct nv_expr *found = NULL;

    switch (e->kind) {
    case NV_EXPR_SELECTOR:
        return e;
    case NV_EXPR_SUBQUERY:
        return first_selector(e->subquery.expr);
    case NV_EXPR_CALL:
        for (size_t i = 0; !found && i < e->call.n; i++)
            found = first_selector(e->call.args[i]);
        return found;
    case NV_EXPR_AGGREGATION:
        return first_selector(e->aggregation.expr);
    case NV_EXPR_BINARY:
        found = first_selector(e->binary.left);
        return found ? found : first_selector(e->binary.right);
    case NV_EXPR_UNARY:
        return first_selector(e->unary.expr);
    case NV_EXPR_PAREN:
        return first_selector(e->paren);
    default:
        return NULL;
    }
}

/* Matchers of the name in front, the others behind them. */
static int make_selector(struct nv_eval *ev, struct info *info)
{
    const struct nv_call *call = &info->c->expr->call;
    const struct nv_selector *given = call->n > 1 ? &call->args[1]->selector : NULL;
    const struct nv_expr *first = first_selector(call->args[0]);
    size_t n = given ? given->n_matchers : 0, n_out = 0;
    struct nv_matcher *out = nv_pool_alloc(info->c->pool, n + 1, sizeof(*out));
    bool positive = false;
    char error[NV_REGEX_ERROR_MAX];

    if (!out)
        return nv_eval_no_memory(ev);
    for (size_t i = 0; i < n; i++) {
        const struct nv_matcher *m = &given->matchers[i];
        if (!is_name(m))
            continue;
        out[n_out++] = *m;
        positive |= m->op == NV_MATCH_EQUAL || m->op == NV_MATCH_REGEX;
    }
    if (!n_out) {
        out[n_out++] =
            (struct nv_matcher){NV_MATCH_EQUAL, NV_LIT("__name__"), NV_LIT("target_info"), NULL};
    } else if (!positive) {
        if (nv_matcher_init(&info->some_info, NV_MATCH_REGEX, NV_LIT("__name__"), NV_LIT(".+_info"),
                            error) < 0)
            return nv_eval_no_memory(ev);
        out[n_out++] = info->some_info;
    }
    info->n_names = n_out;
    for (size_t i = 0; i < n; i++)
        if (!is_name(&given->matchers[i]))
            out[n_out++] = given->matchers[i];
    info->wanted = out + info->n_names;
    info->n_wanted = n_out - info->n_names;
    info->selector = (struct nv_expr){.kind = NV_EXPR_SELECTOR, .type = NV_VALUE_VECTOR};
    info->selector.selector.matchers = out;
    info->selector.selector.n_matchers = n_out;
    if (first)
        info->selector.selector.when = first->selector.when;
    return 0;
}

static struct nv_str label(const struct nv_row *row, const char *name)
{
    return nv_label_value(row->labels, row->n_labels, nv_str(name));
}

static bool is_about(const struct nv_row *series, const struct nv_row *row)
{
    return nv_str_eq(label(series, "job"), label(row, "job")) &&
           nv_str_eq(label(series, "instance"), label(row, "instance"));
}

static int twice(struct nv_eval *ev, const struct nv_row *a, const struct nv_row *b, size_t i)
{
    NV_AUTO_BUF first = NV_BUF(200), second = NV_BUF(200);

    nv_promql_print_labels(&first, a->labels, a->n_labels);
    nv_promql_print_labels(&second, b->labels, b->n_labels);
    return nv_eval_fail(ev,
                        "found duplicate series for info metric: existing %s @ %lld, new %s @ %lld",
                        nv_buf_c_string(&first), llround(a->values[i] * 1000),
                        nv_buf_c_string(&second), llround(b->values[i] * 1000));
}

/* One info series of each metric: the newest. */
static int meet(struct nv_eval *ev, const struct info *info, const struct nv_row *row, size_t i,
                struct meeting *ret)
{
    ret->n = 0;
    for (uint32_t k = 0; k < info->series.n; k++) {
        const struct nv_row *series = &info->series.rows[k];
        size_t at = 0;
        if (!nv_row_has(series, i) || !is_about(series, row))
            continue;
        while (at < ret->n &&
               !nv_str_eq(nv_row_name(&info->series.rows[ret->rows[at]]), nv_row_name(series)))
            at++;
        if (at == METRICS_MAX)
            return nv_eval_fail(ev, "too many info metrics for one series");
        if (at == ret->n) {
            ret->rows[ret->n++] = k;
            continue;
        }
        const struct nv_row *other = &info->series.rows[ret->rows[at]];
        if (other->values[i] == series->values[i])
            return twice(ev, other, series, i);
        if (series->values[i] > other->values[i])
            ret->rows[at] = k;
    }
    return 0;
}

static bool is_wanted(const struct info *info, struct nv_str name)
{
    if (nv_str_is(name, "__name__") || nv_str_is(name, "job") || nv_str_is(name, "instance"))
        return false;
    for (size_t i = 0; i < info->n_wanted; i++)
        if (nv_str_eq(info->wanted[i].name, name))
            return true;
    return !info->n_wanted;
}

/* Adds what the info series tell. Returns 1; 0 where the row is dropped for want of it; an error. */
static int add_labels(struct nv_eval *ev, const struct info *info, const struct meeting *m,
                      const struct nv_row *row, struct nv_row *out)
{
    size_t room = row->n_labels + 1, n = row->n_labels, n_added = 0;

    for (size_t k = 0; k < m->n; k++)
        room += info->series.rows[m->rows[k]].n_labels;
    struct nv_label *labels = nv_pool_alloc(&ev->scratch, room, sizeof(*labels));
    struct nv_label *added = nv_pool_alloc(&ev->scratch, room, sizeof(*added));
    if (!labels || !added)
        return nv_eval_no_memory(ev);
    if (n)
        memcpy(labels, row->labels, n * sizeof(*labels));
    for (size_t k = 0; k < m->n; k++) {
        const struct nv_row *series = &info->series.rows[m->rows[k]];
        for (size_t i = 0; i < series->n_labels; i++) {
            struct nv_label l = series->labels[i];
            if (!is_wanted(info, l.name) || nv_label_value(row->labels, row->n_labels, l.name).n)
                continue;
            struct nv_str before = nv_label_value(added, n_added, l.name);
            if (before.n && !nv_str_eq(before, l.value))
                return nv_eval_fail(ev, "conflicting label: %.*s", NV_ARGS(l.name));
            n_added = nv_labels_set(added, n_added, l.name, l.value);
            n = nv_labels_set(labels, n, l.name, l.value);
        }
    }
    for (size_t i = 0; !n_added && i < info->n_wanted; i++)
        if (!nv_matcher_fits(&info->wanted[i], (struct nv_str){"", 0}))
            return 0;
    out->labels = labels;
    out->n_labels = n;
    return 1;
}

static bool is_info(const struct info *info, const struct nv_row *row)
{
    return nv_matchers_fit(info->selector.selector.matchers, info->n_names, row->labels,
                           row->n_labels);
}

/* Emits what of a row has the same company as step `first`, and takes those steps out of it. */
static int emit_same(struct nv_eval *ev, const struct info *info, struct nv_row *row,
                     const struct meeting *all, size_t first)
{
    const struct nv_calling *c = info->c;
    struct meeting m = all[first];
    struct nv_row out;
    int r = nv_row_new(ev, &ev->scratch, c->grid->n, row->histograms, &out);
    int added = r < 0 ? r : add_labels(ev, info, &m, row, &out);

    if (added < 0)
        return added;
    out.drop_name = row->drop_name;
    for (size_t i = first; i < c->grid->n; i++) {
        if (!nv_row_has(row, i) || all[i].n != m.n ||
            memcmp(all[i].rows, m.rows, m.n * sizeof(m.rows[0])) != 0)
            continue;
        out.values[i] = row->values[i];
        if (row->histograms)
            out.histograms[i] = row->histograms[i];
        nv_row_clear(row, i);
    }
    return added ? c->fn(ev, &out, c->user) : 0;
}

static int inform(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct info *info = user;
    size_t n = info->c->grid->n;

    if (is_info(info, row))
        return info->c->fn(ev, row, info->c->user);
    struct meeting *all = nv_pool_alloc(&ev->scratch, n, sizeof(*all));
    int r = all ? 0 : nv_eval_no_memory(ev);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (nv_row_has(row, i))
            r = meet(ev, info, row, i, &all[i]);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (nv_row_has(row, i))
            r = emit_same(ev, info, row, all, i);
    return r;
}

static int refuse_histograms(struct nv_eval *ev, struct nv_row *row, void *user)
{
    const struct nv_calling *c = user;

    for (size_t i = 0; i < c->grid->n; i++)
        if (nv_row_histogram(row, i))
            return nv_eval_fail(ev, "info sample should be float");
    return 0;
}

int nv_call_info(struct nv_eval *ev, struct nv_calling *c)
{
    struct info info = {.c = c};
    int r = make_selector(ev, &info);

    nv_matrix_open(ev, &info.series, c->grid->n);
    if (r == 0)
        r = nv_eval_selector(ev, &info.selector, c->grid, NV_YIELD_SAMPLES, refuse_histograms, c);
    if (r == 0)
        r = nv_eval_selector(ev, &info.selector, c->grid, NV_YIELD_TIMES, nv_matrix_add,
                             &info.series);
    if (r == 0)
        r = nv_eval_rows(ev, c->vector, c->grid, inform, &info);
    nv_matrix_close(ev, &info.series);
    nv_matcher_done(&info.some_info);
    return r;
}
