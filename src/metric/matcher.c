#include "metric/matcher.h"

int nv_matcher_init(struct nv_matcher *matcher, enum nv_match_op op, struct nv_str name,
                    struct nv_str value, char error[NV_REGEX_ERROR_MAX])
{
    *matcher = (struct nv_matcher){op, name, value, NULL};
    if (op != NV_MATCH_REGEX && op != NV_MATCH_NOT_REGEX)
        return 0;
    return nv_regex_new(value, NV_REGEX_ANCHORED, &matcher->regex, error);
}

void nv_matcher_done(struct nv_matcher *matcher)
{
    nv_regex_free(matcher->regex);
    matcher->regex = NULL;
}

bool nv_matcher_fits(const struct nv_matcher *matcher, struct nv_str value)
{
    switch (matcher->op) {
    case NV_MATCH_EQUAL:
        return nv_str_eq(matcher->value, value);
    case NV_MATCH_NOT_EQUAL:
        return !nv_str_eq(matcher->value, value);
    case NV_MATCH_REGEX:
        return nv_regex_match(matcher->regex, value);
    default:
        return !nv_regex_match(matcher->regex, value);
    }
}

struct nv_str nv_label_value(const struct nv_label *labels, size_t n_labels, struct nv_str name)
{
    size_t low = 0, high = n_labels;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = nv_str_cmp(labels[middle].name, name);
        if (order == 0)
            return labels[middle].value;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct nv_str){"", 0};
}

bool nv_matchers_fit(const struct nv_matcher *matchers, size_t n, const struct nv_label *labels,
                     size_t n_labels)
{
    for (size_t i = 0; i < n; i++)
        if (!nv_matcher_fits(&matchers[i], nv_label_value(labels, n_labels, matchers[i].name)))
            return false;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return nv_str_cmp(((const struct nv_label *)a)->name, ((const struct nv_label *)b)->name);
}

void nv_labels_sort(struct nv_label *labels, size_t n)
{
    if (n > 1)
        qsort(labels, n, sizeof(*labels), by_name);
}

int nv_labels_compare(const struct nv_label *a, size_t n_a, const struct nv_label *b, size_t n_b)
{
    for (size_t i = 0; i < n_a && i < n_b; i++) {
        int order = nv_str_cmp(a[i].name, b[i].name);
        if (!order)
            order = nv_str_cmp(a[i].value, b[i].value);
        if (order)
            return order;
    }
    return (n_a > n_b) - (n_a < n_b);
}
