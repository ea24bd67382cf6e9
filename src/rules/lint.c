/*
 * lint.c - rules that are there twice: whoever evaluates them writes the same series from two places.
 */
#include "rules/rule_file.h"

struct entry {
    const struct nv_rule_def *rule;
    size_t at;
};

static int by_name_and_labels(const void *a, const void *b)
{
    const struct nv_rule_def *x = ((const struct entry *)a)->rule,
                             *y = ((const struct entry *)b)->rule;
    int order = nv_str_cmp(x->name, y->name);

    for (size_t i = 0; order == 0 && i < x->n_labels && i < y->n_labels; i++) {
        order = nv_str_cmp(x->labels[i].name, y->labels[i].name);
        if (order == 0)
            order = nv_str_cmp(x->labels[i].value, y->labels[i].value);
    }
    return order ? order : (x->n_labels > y->n_labels) - (x->n_labels < y->n_labels);
}

static void tell(const struct nv_rule_def *rule, struct nv_buf *out)
{
    nv_buf_printf(out, "Metric: %.*s\n", NV_ARGS(rule->name));
    if (rule->n_labels)
        nv_buf_text(out, "Label(s):\n");
    for (size_t i = 0; i < rule->n_labels; i++)
        nv_buf_printf(out, "\t%.*s: %.*s\n", NV_ARGS(rule->labels[i].name),
                      NV_ARGS(rule->labels[i].value));
}

size_t nv_rule_set_duplicates(const struct nv_rule_set *set, size_t first, struct nv_buf *out)
{
    NV_AUTO_FREE struct entry *all = calloc(set->n_rules + 1, sizeof(*all));
    NV_AUTO_BUF list = NV_BUF(out->max);
    size_t n = 0, found = 0;

    for (size_t g = first; all && g < set->n_groups; g++)
        for (size_t i = 0; i < set->groups[g].n_rules; i++, n++)
            all[n] = (struct entry){&set->groups[g].rules[i], n};
    if (n)
        qsort(all, n, sizeof(*all), by_name_and_labels);
    for (size_t i = 1; i < n; i++) {
        if (by_name_and_labels(&all[i - 1], &all[i]) != 0)
            continue;
        tell(all[i].rule, &list);
        found++;
    }
    if (found) {
        nv_buf_printf(out, "%zu duplicate rule(s) found.\n", found);
        nv_buf_str(out, nv_buf_view(&list));
        nv_buf_text(out, "Might cause inconsistency while recording expressions\n");
    }
    return found;
}
