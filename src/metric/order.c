#include "metric/order.h"

static const struct nv_series *series_at(const struct nv_series *const *chunks, uint32_t column)
{
    return &chunks[column / NV_LAYOUT_CHUNK][column % NV_LAYOUT_CHUNK];
}

/* Labels of the metric itself: le and quantile tell its parts apart. */
static size_t n_own_labels(const struct nv_series *series)
{
    return series->n_labels -
           (series->role == NV_ROLE_BUCKET || series->role == NV_ROLE_QUANTILE ? 1u : 0u);
}

int nv_order_compare(const struct nv_series *a, const struct nv_series *b)
{
    size_t n = n_own_labels(a), m = n_own_labels(b);

    if (n != m)
        return n < m ? -1 : 1;
    for (size_t i = 0; i < n; i++) {
        int order = nv_str_cmp(a->labels[i].value, b->labels[i].value);
        if (order)
            return order;
    }
    for (size_t i = 0; i < n; i++) { /* label sets may differ in names alone */
        int order = nv_str_cmp(a->labels[i].name, b->labels[i].name);
        if (order)
            return order;
    }
    if (a->role != b->role)
        return a->role < b->role ? -1 : 1;
    return (a->bound > b->bound) - (a->bound < b->bound);
}

static int compare_columns(const void *a, const void *b, void *chunks)
{
    const struct nv_series *const *all = chunks;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int order = nv_order_compare(series_at(all, x), series_at(all, y));

    return order ? order : (x > y) - (x < y);
}

void nv_order_merge(uint32_t *merged, const uint32_t *old, size_t n_old, uint32_t *fresh,
                    size_t n_fresh, const struct nv_series *const *chunks)
{
    void *all;

    memcpy(&all, &chunks, sizeof(all)); /* qsort_r() takes no const */
    qsort_r(fresh, n_fresh, sizeof(*fresh), compare_columns, all);
    size_t i = 0, k = 0;
    while (i < n_old && k < n_fresh)
        *merged++ = compare_columns(&old[i], &fresh[k], all) < 0 ? old[i++] : fresh[k++];
    while (i < n_old)
        *merged++ = old[i++];
    while (k < n_fresh)
        *merged++ = fresh[k++];
}

static int compare_families(const void *a, const void *b)
{
    const struct nv_layout_family *const *x = a, *const *y = b;

    return nv_str_cmp((*x)->name, (*y)->name);
}

void nv_order_families(const struct nv_layout_family **families, size_t n)
{
    qsort(families, n, sizeof(families[0]), compare_families);
}
