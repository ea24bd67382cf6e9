/*
 * eval_label_calls.c - functions about labels and order: label_replace, label_join, sort and its like.
 */
#include "base/utf8.h"
#include "promql/eval_calls.h"

enum { GROUPS_MAX = 64, VALUE_MAX = 1 << 20 };

struct labelling {
    struct nv_calling *c;
    struct nv_regex *regex;
    struct nv_str to, from, text;
    struct nv_matrix matrix;
};

/* What label_replace() makes of a row's labels; false where the expression does not match. */
static bool replacement(const struct labelling *l, const struct nv_row *row, struct nv_buf *out)
{
    struct nv_str spans[GROUPS_MAX];
    struct nv_str value = nv_label_value(row->labels, row->n_labels, l->from);
    size_t n = nv_regex_groups(l->regex, value, spans, GROUPS_MAX);

    if (n)
        nv_regex_expand(l->regex, l->text, spans, n, out);
    return n;
}

static void joined(const struct labelling *l, const struct nv_row *row, struct nv_buf *out)
{
    const struct nv_call *call = &l->c->expr->call;

    for (size_t i = 3; i < call->n; i++) {
        if (i > 3)
            nv_buf_str(out, l->text);
        nv_buf_str(out, nv_label_value(row->labels, row->n_labels, nv_eval_string(call->args[i])));
    }
}

static int relabel(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct labelling *l = user;
    NV_AUTO_BUF text = NV_BUF(VALUE_MAX);
    bool applies = true;

    if (l->regex)
        applies = replacement(l, row, &text);
    else
        joined(l, row, &text);
    if (text.failed)
        return nv_eval_no_memory(ev);
    if (applies) {
        struct nv_label *labels = nv_pool_alloc(&ev->scratch, row->n_labels + 1, sizeof(*labels));
        struct nv_str value = nv_arena_str(&ev->kept.arena, nv_buf_view(&text));
        if (!labels || !value.p)
            return nv_eval_no_memory(ev);
        if (row->n_labels)
            memcpy(labels, row->labels, row->n_labels * sizeof(*labels));
        row->n_labels = nv_labels_set(labels, row->n_labels, l->to, value);
        row->labels = labels;
        if (nv_str_is(l->to, "__name__"))
            row->drop_name = false;
    }
    return nv_matrix_merge(ev, row, &l->matrix);
}

static bool is_label_name(struct nv_str name)
{
    return name.n && nv_utf8_valid(name);
}

static int prepare(struct nv_eval *ev, struct labelling *l)
{
    const struct nv_call *call = &l->c->expr->call;
    const char *function = call->function->name;
    char error[NV_REGEX_ERROR_MAX];

    l->to = nv_eval_string(call->args[1]);
    l->text = nv_eval_string(call->args[2]);
    if (l->c->id == NV_FN_LABEL_REPLACE) {
        struct nv_str pattern = nv_eval_string(call->args[4]);
        l->from = nv_eval_string(call->args[3]);
        if (nv_regex_new(pattern, NV_REGEX_ANCHORED, &l->regex, error) < 0)
            return nv_eval_fail(ev, "invalid regular expression in %s(): %.*s", function,
                                NV_ARGS(pattern));
    }
    for (size_t i = 3; l->c->id == NV_FN_LABEL_JOIN && i < call->n; i++) {
        struct nv_str from = nv_eval_string(call->args[i]);
        if (!is_label_name(from))
            return nv_eval_fail(ev, "invalid source label name in %s(): %.*s", function,
                                NV_ARGS(from));
    }
    if (!is_label_name(l->to))
        return nv_eval_fail(ev, "invalid destination label name in %s(): %.*s", function,
                            NV_ARGS(l->to));
    return 0;
}

int nv_call_label(struct nv_eval *ev, struct nv_calling *c)
{
    struct labelling l = {.c = c};
    int r = prepare(ev, &l);

    nv_matrix_open(ev, &l.matrix, c->grid->n);
    if (r == 0)
        r = nv_eval_rows(ev, c->vector, c->grid, relabel, &l);
    if (r == 0)
        r = nv_matrix_emit(ev, &l.matrix, c->fn, c->user);
    nv_matrix_close(ev, &l.matrix);
    nv_regex_free(l.regex);
    return r;
}

/* Runs of digits by their number, the rest as bytes: n2 before n10. */
static int natural(struct nv_str a, struct nv_str b)
{
    size_t i = 0, k = 0;

    while (i < a.n && k < b.n) {
        if (nv_is_digit(a.p[i]) && nv_is_digit(b.p[k])) {
            while (i < a.n && a.p[i] == '0')
                i++;
            while (k < b.n && b.p[k] == '0')
                k++;
            size_t n = 0, m = 0;
            while (i + n < a.n && nv_is_digit(a.p[i + n]))
                n++;
            while (k + m < b.n && nv_is_digit(b.p[k + m]))
                m++;
            int order = n != m ? (n > m) - (n < m) : n ? memcmp(a.p + i, b.p + k, n) : 0;
            if (order)
                return order;
            i += n;
            k += m;
        } else if (a.p[i] != b.p[k]) {
            return (unsigned char)a.p[i] < (unsigned char)b.p[k] ? -1 : 1;
        } else {
            i++;
            k++;
        }
    }
    return (i < a.n) - (k < b.n);
}

struct sorting {
    const struct nv_calling *c;
    bool descending;
};

static int compare(const void *a, const void *b, void *user)
{
    const struct nv_row *x = a, *y = b;
    const struct sorting *s = user;
    const struct nv_call *call = &s->c->expr->call;
    int order = 0;

    if (s->c->id == NV_FN_SORT || s->c->id == NV_FN_SORT_DESC) {
        double v = x->values[0], w = y->values[0];
        if (isnan(v) || isnan(w))
            return isnan(v) - isnan(w);
        order = (v > w) - (v < w);
        return s->descending ? -order : order;
    }
    for (size_t i = 1; i < call->n && !order; i++) {
        struct nv_str name = nv_eval_string(call->args[i]);
        order = natural(nv_label_value(x->labels, x->n_labels, name),
                        nv_label_value(y->labels, y->n_labels, name));
    }
    if (!order)
        order = nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
    return s->descending ? -order : order;
}

static int keep_floats(struct nv_eval *ev, struct nv_row *row, void *user)
{
    struct labelling *l = user;
    bool by_value = l->c->id == NV_FN_SORT || l->c->id == NV_FN_SORT_DESC, any = false;

    for (size_t i = 0; i < l->c->grid->n; i++) {
        if (by_value && !nv_row_is_float(row, i))
            nv_row_clear(row, i);
        any |= nv_row_has(row, i);
    }
    return any ? nv_matrix_add(ev, row, &l->matrix) : 0;
}

int nv_call_sort(struct nv_eval *ev, struct nv_calling *c)
{
    struct labelling l = {.c = c};
    struct sorting s = {c, c->id == NV_FN_SORT_DESC || c->id == NV_FN_SORT_BY_LABEL_DESC};

    nv_matrix_open(ev, &l.matrix, c->grid->n);
    int r = nv_eval_rows(ev, c->vector, c->grid, keep_floats, &l);
    if (!ev->is_instant)
        nv_annotate(ev, true, c->expr,
                    "sort is ineffective for range queries since results are always ordered by "
                    "labels");
    else if (r == 0 && l.matrix.n)
        qsort_r(l.matrix.rows, l.matrix.n, sizeof(*l.matrix.rows), compare, &s);
    if (r == 0)
        r = nv_matrix_emit(ev, &l.matrix, c->fn, c->user);
    nv_matrix_close(ev, &l.matrix);
    return r;
}
