#include "web/union.h"

#include <errno.h>

static const char selecting[] = "selecting series";

static int by_labels(const void *a, const void *b)
{
    const struct nv_selected *x = ((const struct nv_unified *)a)->series;
    const struct nv_selected *y = ((const struct nv_unified *)b)->series;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

/* A label whose name is in capitals stands in front of __name__, so that names need not follow each other. */
static int by_name(const void *a, const void *b)
{
    const struct nv_selected *x = ((const struct nv_unified *)a)->series;
    const struct nv_selected *y = ((const struct nv_unified *)b)->series;
    const struct nv_str name = NV_LIT("__name__");
    int order = nv_str_cmp(nv_label_value(x->labels, x->n_labels, name),
                           nv_label_value(y->labels, y->n_labels, name));

    return order ? order : by_labels(a, b);
}

/* Sorts, which one selection by labels is already, and takes out what stands twice. */
static void settle(struct nv_union *all, enum nv_union_order order)
{
    size_t n = 0;

    if (all->n_selections > 1 || order != NV_BY_LABELS)
        qsort(all->at, all->n, sizeof(*all->at), order == NV_BY_NAME ? by_name : by_labels);
    for (size_t i = 0; i < all->n; i++)
        if (n == 0 || by_labels(&all->at[n - 1], &all->at[i]) != 0)
            all->at[n++] = all->at[i];
    all->n = n;
}

static int select_one(struct nv_union *all, const struct nv_matchers_of *selector, int64_t from_ms,
                      int64_t to_ms, size_t limit)
{
    const struct nv_queryable *queryable = all->x->api->queryable;
    struct nv_selection *selection = &all->selections[all->n_selections];

    if (nv_go_on(all->x, selecting))
        return NV_ANSWERED;
    int r = queryable->select(queryable->store, selector->at, selector->n, from_ms, to_ms, limit,
                              selection);
    if (r < 0)
        return nv_fail_select(all->x, r, selecting);
    all->n_selections++;
    all->n += selection->n;
    return nv_pool_draw(all->x, &all->held, selection->bytes, selecting);
}

static int gather(struct nv_union *all)
{
    size_t n = 0;

    if (nv_pool_draw(all->x, &all->held, all->n * sizeof(*all->at), selecting))
        return NV_ANSWERED;
    all->at = malloc((all->n + 1) * sizeof(*all->at));
    if (!all->at)
        return nv_fail_select(all->x, -ENOMEM, selecting);
    for (size_t i = 0; i < all->n_selections; i++)
        for (size_t k = 0; k < all->selections[i].n; k++)
            all->at[n++] = (struct nv_unified){&all->selections[i].series[k], &all->selections[i]};
    return 0;
}

int nv_union_select(struct nv_exchange *x, const struct nv_selector_list *selectors,
                    int64_t from_ms, int64_t to_ms, uint64_t limit, enum nv_union_order order,
                    struct nv_union *ret)
{
    /* Which series are the first depends on the order, so a limit helps only where that is the queryable's. */
    size_t most = order == NV_BY_LABELS && limit && limit < SIZE_MAX ? (size_t)limit + 1 : 0;

    *ret = (struct nv_union){.x = x};
    if (!x->api->queryable || from_ms > to_ms)
        return 0;
    if (selectors->n > NV_UNION_MAX)
        return nv_fail(x, NV_BAD_DATA, "more than %d selectors", NV_UNION_MAX);
    ret->selections = nv_arena_alloc(&x->memory, (selectors->n + 1) * sizeof(*ret->selections));
    if (!ret->selections)
        return nv_fail_select(x, -ENOMEM, selecting);
    for (size_t i = 0; i < selectors->n; i++)
        if (select_one(ret, &selectors->at[i], from_ms, to_ms, most))
            return NV_ANSWERED;
    if (gather(ret))
        return NV_ANSWERED;
    settle(ret, order);
    return 0;
}

void nv_union_done(struct nv_union *all)
{
    for (size_t i = 0; i < all->n_selections; i++)
        all->x->api->queryable->release(&all->selections[i]);
    free(all->at);
    nv_pool_give_back(all->x, &all->held);
    *all = (struct nv_union){.x = all->x};
}

int nv_union_read(const struct nv_union *all, size_t i, struct nv_samples *samples)
{
    const struct nv_unified *one = &all->at[i];
    const struct nv_queryable *queryable = all->x->api->queryable;

    nv_samples_reset(samples);
    return queryable->read(one->from, (size_t)(one->series - one->from->series), samples);
}
