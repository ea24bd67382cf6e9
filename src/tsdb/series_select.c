/*
 * Which series fit: candidates from the rarest label that is asked for, then each is looked at.
 */
#include "base/assert.h"
#include "tsdb/series_parts.h"

/* The label with the fewest members among those a series must have. False: none can fit. NULL: any may. */
static bool narrowest(const struct nv_series_table *table, const struct nv_matcher *matchers,
                      size_t n, const struct nv_pair **ret)
{
    *ret = NULL;
    for (size_t i = 0; i < n; i++) {
        if (matchers[i].op != NV_MATCH_EQUAL || !matchers[i].value.n)
            continue;
        struct nv_label label = {matchers[i].name, matchers[i].value};
        const struct nv_pair *pair =
            nv_series_find_pair(table, &label, nv_series_pair_hash(&label));
        if (!pair)
            return false;
        if (!*ret || pair->n < (*ret)->n)
            *ret = pair;
    }
    return true;
}

/* Holds the candidates. The expressions are asked later, without the lock. */
static int candidates(struct nv_series_table *table, const struct nv_matcher *matchers, size_t n,
                      struct nv_arena *arena, struct nv_head_series ***ret, size_t *ret_n)
{
    NV_SERIES_LOCKED(table);
    const struct nv_pair *pair;

    *ret_n = 0;
    if (!narrowest(table, matchers, n, &pair))
        return 0;
    size_t most = pair ? pair->n : table->n_slots;
    *ret = nv_arena_alloc(arena, (most + 1) * sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    for (size_t i = 0; i < most; i++) {
        struct nv_head_series *series = table->slots[pair ? pair->members[i] : i];
        if (!series)
            continue;
        series->refs++;
        (*ret)[(*ret_n)++] = series;
    }
    return 0;
}

static struct nv_str value_of(const struct nv_head_series *series, struct nv_str name)
{
    for (size_t i = 0; i < series->n_labels; i++)
        if (nv_str_eq(series->labels[i]->label.name, name))
            return series->labels[i]->label.value;
    return (struct nv_str){"", 0};
}

static bool fits(const struct nv_head_series *series, const struct nv_matcher *matchers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!nv_matcher_fits(&matchers[i], value_of(series, matchers[i].name)))
            return false;
    return true;
}

int nv_series_select(struct nv_series_table *table, const struct nv_matcher *matchers, size_t n,
                     struct nv_arena *arena, struct nv_head_series ***ret, size_t *ret_n)
{
    struct nv_head_series **found = NULL;
    size_t n_found, kept = 0;

    int r = candidates(table, matchers, n, arena, &found, &n_found);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n_found; i++) {
        if (!fits(found[i], matchers, n))
            continue;
        struct nv_head_series *series = found[i];
        found[i] = found[kept];
        found[kept++] = series;
    }
    if (kept < n_found)
        nv_series_unref(table, found + kept, n_found - kept);
    *ret = found;
    *ret_n = kept;
    return 0;
}
