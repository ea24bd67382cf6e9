/*
 * Which series fit: candidates from the rarest label that is asked for, then each is looked at.
 */
#include "base/assert.h"
#include "tsdb/series_parts.h"

/* How many series have a label, but not more than is asked. */
static size_t count_series(const struct nv_series_table *table, const struct nv_pair *pair,
                           size_t most)
{
    size_t n = 0;

    for (uint32_t i = 0; i < pair->members.n && n < most; i++) {
        const struct nv_pair_set *set = table->set_numbers.at[nv_members_at(&pair->members)[i]];
        n += set ? set->members.n : 0;
    }
    return n < most ? n : most;
}

/* The candidates: members of a name, of a label's sets, or all there are. */
struct choice {
    const struct nv_pair *name, *pair;
    size_t most;
};

/* The label that the fewest series have, among those a series must have. False: none can fit. */
static bool choose(const struct nv_series_table *table, const struct nv_matcher *matchers, size_t n,
                   struct choice *ret)
{
    *ret = (struct choice){.most = table->series_numbers.n};
    for (size_t i = 0; i < n; i++) {
        if (matchers[i].op != NV_MATCH_EQUAL || !matchers[i].value.n)
            continue;
        struct nv_label label = {matchers[i].name, matchers[i].value};
        const struct nv_pair *pair = nv_series_find_pair(table, &label);
        if (!pair)
            return false;
        bool is_name = nv_str_is(label.name, "__name__");
        size_t found = is_name ? pair->members.n : count_series(table, pair, ret->most);
        if (found < ret->most)
            *ret = (struct choice){is_name ? pair : NULL, is_name ? NULL : pair, found};
    }
    return true;
}

/* Holds the series of these numbers that are there. */
static size_t hold(const struct nv_series_table *table, const uint32_t *numbers, size_t n,
                   struct nv_head_series **ret)
{
    size_t held = 0;

    for (size_t i = 0; i < n; i++) {
        struct nv_head_series *series = table->series_numbers.at[numbers ? numbers[i] : i];
        if (!series)
            continue;
        series->refs++;
        ret[held++] = series;
    }
    return held;
}

/* Holds the candidates. The expressions are asked later, without the lock. */
static int candidates(struct nv_series_table *table, const struct nv_matcher *matchers, size_t n,
                      struct nv_arena *arena, struct nv_head_series ***ret, size_t *ret_n)
{
    NV_SERIES_LOCKED(table);
    struct choice by;

    *ret_n = 0;
    if (!choose(table, matchers, n, &by))
        return 0;
    *ret = nv_arena_alloc(arena, (by.most + 1) * sizeof(**ret));
    if (!*ret)
        return -ENOMEM;
    if (!by.pair) {
        *ret_n = hold(table, by.name ? nv_members_at(&by.name->members) : NULL, by.most, *ret);
        return 0;
    }
    for (uint32_t i = 0; i < by.pair->members.n; i++) {
        const struct nv_pair_set *set = table->set_numbers.at[nv_members_at(&by.pair->members)[i]];
        if (set)
            *ret_n += hold(table, nv_members_at(&set->members), set->members.n, *ret + *ret_n);
    }
    return 0;
}

static struct nv_str value_of(const struct nv_head_series *series, struct nv_str name)
{
    const struct nv_pair_set *rest = series->rest;

    if (series->name && nv_str_eq(series->name->label.name, name))
        return series->name->label.value;
    for (size_t i = 0; i < rest->n; i++)
        if (nv_str_eq(rest->at[i]->label.name, name))
            return rest->at[i]->label.value;
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
