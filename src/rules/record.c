/*
 * record.c - the result of a recording rule becomes series: named by the rule, with its labels.
 */
#include <errno.h>

#include "rules/group.h"

size_t nv_labels_put(struct nv_label *labels, size_t n, struct nv_str name, struct nv_str value)
{
    size_t at = 0;

    while (at < n && nv_str_cmp(labels[at].name, name) < 0)
        at++;
    bool there = at < n && nv_str_eq(labels[at].name, name);
    if (!value.n) {
        if (there)
            memmove(&labels[at], &labels[at + 1], (n - at - 1) * sizeof(*labels));
        return n - there;
    }
    if (!there)
        memmove(&labels[at + 1], &labels[at], (n - at) * sizeof(*labels));
    labels[at] = (struct nv_label){name, value};
    return n + !there;
}

int nv_columns_room(struct nv_columns_of_rule *columns, size_t n)
{
    if (n <= columns->room)
        return 0;
    uint32_t *larger = realloc(columns->at, n * sizeof(*larger));
    if (!larger)
        return -ENOMEM;
    columns->at = larger;
    columns->room = n;
    return 0;
}

int nv_evaluation_cells_failed(struct nv_evaluation *ev, int r, struct nv_str name,
                               const struct nv_label *labels, size_t n_labels)
{
    NV_AUTO_BUF text = NV_BUF(NV_RULES_REASON_MAX);

    if (r == -ENOMEM)
        return nv_evaluation_fail(ev, "out of memory");
    nv_buf_str(&text, name);
    nv_promql_print_labels(&text, labels, n_labels);
    if (r == NV_CELLS_DIFFERS)
        return nv_evaluation_fail(ev, "duplicate sample for timestamp: %s", nv_buf_c_string(&text));
    return nv_evaluation_fail(ev, "the store takes no such series: %s", nv_buf_c_string(&text));
}

/* The labels of an element as those of the recorded series. */
static size_t labels_of(const struct nv_rule_def *def, const struct nv_promql_series *series,
                        struct nv_label *ret)
{
    size_t n = 0;

    for (size_t i = 0; i < series->n_labels; i++)
        if (!nv_str_is(series->labels[i].name, "__name__") && series->labels[i].value.n)
            ret[n++] = series->labels[i];
    for (size_t i = 0; i < def->n_labels; i++)
        n = nv_labels_put(ret, n, def->labels[i].name, def->labels[i].value);
    return n;
}

/* Columns for all elements, or none written. */
static int claim(struct nv_evaluation *ev, const struct nv_rule *rule,
                 const struct nv_promql_result *result, uint32_t *columns)
{
    struct nv_cells *cells = &ev->group->cells;
    struct nv_label labels[2 * NV_LABELS_MAX + 2];

    nv_cells_begin_claims(cells);
    for (size_t i = 0; i < result->n; i++) {
        const struct nv_promql_series *series = &result->series[i];
        if (series->n_labels + rule->def->n_labels > 2 * NV_LABELS_MAX)
            return nv_evaluation_fail(ev, "more than %d labels", 2 * NV_LABELS_MAX);
        size_t n = labels_of(rule->def, series, labels);
        int r = nv_cells_claim(cells, rule->section, rule->def->name, labels, n, &rule->columns, i,
                               &columns[i]);
        if (r == NV_CELLS_TWICE)
            return nv_evaluation_fail(
                ev, "vector contains metrics with the same labelset after applying rule labels");
        if (r)
            return nv_evaluation_cells_failed(ev, r, rule->def->name, labels, n);
    }
    return 0;
}

static int write_cells(struct nv_evaluation *ev, const struct nv_promql_result *result,
                       const struct nv_rule *rule, const uint32_t *columns)
{
    int failed = 0;

    for (size_t i = 0; i < result->n; i++) {
        const struct nv_promql_series *series = &result->series[i];
        size_t last = series->n - 1;
        int r = nv_cells_write(&ev->group->cells, columns[i], series->values[last],
                               series->histograms ? series->histograms[last] : NULL);
        if (r) /* the others are written all the same */
            failed = nv_evaluation_cells_failed(ev, r, rule->def->name, series->labels,
                                                series->n_labels);
    }
    return failed;
}

int nv_rule_record(struct nv_evaluation *ev, struct nv_rule *rule,
                   const struct nv_promql_result *result)
{
    uint64_t limit = ev->group->def->limit;
    struct nv_columns_of_rule now = {0};

    if (limit && result->n > limit)
        return nv_evaluation_fail(ev, "exceeded limit of %llu with %zu series",
                                  (unsigned long long)limit, result->n);
    if (nv_columns_room(&now, result->n + 1) < 0)
        return nv_evaluation_fail(ev, "out of memory");
    int r = claim(ev, rule, result, now.at);
    if (r == 0) {
        r = write_cells(ev, result, rule, now.at);
        nv_cells_close(&ev->group->cells, rule->section, &rule->columns);
        now.n = result->n;
        free(rule->columns.at);
        rule->columns = now;
        return r;
    }
    free(now.at);
    return r;
}
