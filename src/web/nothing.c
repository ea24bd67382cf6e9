/*
 * nothing.c - a queryable without series, for servers that keep no history.
 */
#include "web/nothing.h"

static int select_none(void *store, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                       int64_t to_ms, size_t limit, struct nv_selection *ret)
{
    (void)store, (void)matchers, (void)n, (void)from_ms, (void)to_ms, (void)limit;
    *ret = (struct nv_selection){.from = &nv_queryable_of_nothing};
    return 0;
}

static int read_none(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    (void)selection, (void)i, (void)samples;
    return 0;
}

static void release_none(struct nv_selection *selection)
{
    (void)selection;
}

static int no_names(void *store, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                    int64_t to_ms, size_t limit, struct nv_texts *ret)
{
    (void)store, (void)matchers, (void)n, (void)from_ms, (void)to_ms, (void)limit;
    *ret = (struct nv_texts){0};
    return 0;
}

static int no_values(void *store, struct nv_str name, const struct nv_matcher *matchers, size_t n,
                     int64_t from_ms, int64_t to_ms, size_t limit, struct nv_texts *ret)
{
    (void)name;
    return no_names(store, matchers, n, from_ms, to_ms, limit, ret);
}

static void no_range(void *store, int64_t *ret_from_ms, int64_t *ret_to_ms)
{
    (void)store;
    *ret_from_ms = INT64_MAX;
    *ret_to_ms = INT64_MIN;
}

const struct nv_queryable nv_queryable_of_nothing = {
    .select = select_none,
    .read = read_none,
    .release = release_none,
    .label_names = no_names,
    .label_values = no_values,
    .range = no_range,
};
