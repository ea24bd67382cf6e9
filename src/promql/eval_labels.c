/*
 * eval_labels.c - label sets made from others.
 */
#include "promql/eval_parts.h"

static bool is_reserved(struct nv_str name)
{
    return name.n > 2 && name.p[0] == '_' &&
           (nv_str_is(name, "__name__") || nv_str_is(name, "__type__") ||
            nv_str_is(name, "__unit__"));
}

uint64_t nv_labels_hash(const struct nv_label *labels, size_t n)
{
    uint64_t hash = n;

    for (size_t i = 0; i < n; i++) {
        hash = nv_hash(labels[i].name.p, labels[i].name.n, hash);
        hash = nv_hash(labels[i].value.p, labels[i].value.n, hash);
    }
    return hash;
}

bool nv_labels_equal(const struct nv_label *a, size_t n_a, const struct nv_label *b, size_t n_b)
{
    return n_a == n_b && nv_labels_compare(a, n_a, b, n_b) == 0;
}

bool nv_names_have(const struct nv_label_names *names, struct nv_str name)
{
    for (size_t i = 0; i < names->n; i++)
        if (nv_str_eq(names->at[i], name))
            return true;
    return false;
}

size_t nv_labels_keep(const struct nv_label *labels, size_t n, const struct nv_label_names *names,
                      struct nv_label *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (nv_names_have(names, labels[i].name))
            out[kept++] = labels[i];
    return kept;
}

size_t nv_labels_drop(const struct nv_label *labels, size_t n, const struct nv_label_names *names,
                      bool reserved, struct nv_label *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (!(reserved && is_reserved(labels[i].name)) &&
            !(names && nv_names_have(names, labels[i].name)))
            out[kept++] = labels[i];
    return kept;
}

size_t nv_labels_set(struct nv_label *labels, size_t n, struct nv_str name, struct nv_str value)
{
    size_t at = 0;

    while (at < n && nv_str_cmp(labels[at].name, name) < 0)
        at++;
    bool there = at < n && nv_str_eq(labels[at].name, name);
    if (!value.n) {
        if (!there)
            return n;
        memmove(labels + at, labels + at + 1, (n - at - 1) * sizeof(*labels));
        return n - 1;
    }
    if (!there) {
        memmove(labels + at + 1, labels + at, (n - at) * sizeof(*labels));
        n++;
    }
    labels[at] = (struct nv_label){name, value};
    return n;
}

int nv_row_drop_name(struct nv_eval *ev, struct nv_row *row)
{
    if (nv_eval_delays_names(ev)) {
        row->drop_name = true;
        return 0;
    }
    bool any = false;
    for (size_t i = 0; i < row->n_labels && !any; i++)
        any = is_reserved(row->labels[i].name);
    if (!any)
        return 0;
    struct nv_label *labels = nv_pool_alloc(&ev->scratch, row->n_labels, sizeof(*labels));
    if (!labels)
        return nv_eval_no_memory(ev);
    row->n_labels = nv_labels_drop(row->labels, row->n_labels, NULL, true, labels);
    row->labels = labels;
    return 0;
}
