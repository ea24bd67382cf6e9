/*
 * api_series.c - which series there are: /series, /labels, /label/{name}/values.
 */
#include <errno.h>

#include "base/utf8.h"
#include "web/union.h"

/* What the three of them ask. */
struct asked {
    uint64_t limit;
    int64_t from_ms, to_ms;
    struct nv_selector_list selectors;
};

static int ask(struct nv_exchange *x, bool named, struct asked *ret)
{
    if (nv_ask_limit(x, "limit", &ret->limit) ||
        nv_ask_time(x, "start", NV_API_TIME_MIN, &ret->from_ms) ||
        nv_ask_time(x, "end", NV_API_TIME_MAX, &ret->to_ms))
        return NV_ANSWERED;
    return nv_ask_selectors(x, named, &ret->selectors);
}

static int get_series(struct nv_exchange *x)
{
    struct asked asked;
    struct nv_union all;
    struct nv_str any;

    if (!nv_asked(x, "match[]", &any))
        return nv_fail(x, NV_BAD_DATA, "no match[] parameter provided");
    if (ask(x, true, &asked))
        return NV_ANSWERED;
    int r = nv_union_select(x, &asked.selectors, asked.from_ms, asked.to_ms, asked.limit,
                            NV_BY_LABELS, &all);
    if (r == 0) {
        struct nv_writer *out = nv_data(x);
        bool truncated = asked.limit && all.n > asked.limit;
        size_t n = truncated ? (size_t)asked.limit : all.n;
        nv_write_array(out);
        for (size_t i = 0; i < n && !out->failed; i++)
            nv_write_labels(out, all.at[i].series->labels, all.at[i].series->n_labels);
        nv_write_array_end(out);
        if (truncated)
            nv_warn_truncated(x);
    }
    nv_union_done(&all);
    return r;
}

/* ---- names and values ----------------------------------------------------------------------- */

static const char listing[] = "listing labels";

/* Sorted lists that become one. */
struct lists {
    struct nv_texts *at;
    size_t *next, n;
    size_t held; /* bytes of the pool */
};

/* One list; of names where `name` is empty. */
static int list_one(struct nv_exchange *x, struct nv_str name, const struct asked *asked,
                    const struct nv_matchers_of *selector, struct lists *lists)
{
    const struct nv_queryable *queryable = x->api->queryable;
    const struct nv_matcher *matchers = selector ? selector->at : NULL;
    size_t n = selector ? selector->n : 0;
    size_t most = asked->limit && asked->limit < SIZE_MAX ? (size_t)asked->limit + 1 : 0;
    struct nv_texts *list = &lists->at[lists->n];

    if (nv_go_on(x, listing))
        return NV_ANSWERED;
    int r = name.n ? queryable->label_values(queryable->store, name, matchers, n, asked->from_ms,
                                             asked->to_ms, most, list)
                   : queryable->label_names(queryable->store, matchers, n, asked->from_ms,
                                            asked->to_ms, most, list);
    if (r < 0)
        return nv_fail_select(x, r, listing);
    lists->next[lists->n++] = 0;
    return nv_pool_draw(x, &lists->held, list->arena.total, listing);
}

static int list_all(struct nv_exchange *x, struct nv_str name, const struct asked *asked,
                    struct lists *lists)
{
    size_t n = asked->selectors.n;

    *lists = (struct lists){0};
    if (!x->api->queryable || asked->from_ms > asked->to_ms)
        return 0;
    if (n > NV_UNION_MAX)
        return nv_fail(x, NV_BAD_DATA, "more than %d selectors", NV_UNION_MAX);
    lists->at = nv_arena_alloc(&x->memory, (n + 1) * sizeof(*lists->at));
    lists->next = nv_arena_alloc(&x->memory, (n + 1) * sizeof(*lists->next));
    if (!lists->at || !lists->next)
        return nv_fail_select(x, -ENOMEM, listing);
    if (n == 0)
        return list_one(x, name, asked, NULL, lists);
    for (size_t i = 0; i < n; i++)
        if (list_one(x, name, asked, &asked->selectors.at[i], lists))
            return NV_ANSWERED;
    return 0;
}

static void lists_done(struct nv_exchange *x, struct lists *lists)
{
    for (size_t i = 0; i < lists->n; i++)
        nv_texts_done(&lists->at[i]);
    nv_pool_give_back(x, &lists->held);
}

/* The least text that was not given yet; false at the end. */
static bool next_text(struct lists *lists, struct nv_str *ret)
{
    const struct nv_str *least = NULL;

    for (size_t i = 0; i < lists->n; i++) {
        if (lists->next[i] == lists->at[i].n)
            continue;
        const struct nv_str *text = &lists->at[i].at[lists->next[i]];
        if (!least || nv_str_cmp(*text, *least) < 0)
            least = text;
    }
    if (!least)
        return false;
    *ret = *least;
    for (size_t i = 0; i < lists->n; i++)
        if (lists->next[i] < lists->at[i].n && nv_str_eq(lists->at[i].at[lists->next[i]], *ret))
            lists->next[i]++;
    return true;
}

static int answer_list(struct nv_exchange *x, struct nv_str name)
{
    struct asked asked;
    struct lists lists;
    struct nv_str text;

    if (ask(x, false, &asked))
        return NV_ANSWERED;
    int r = list_all(x, name, &asked, &lists);
    if (r == 0) {
        struct nv_writer *out = nv_data(x);
        uint64_t n = 0;
        bool more;
        nv_write_array(out);
        while ((more = next_text(&lists, &text)) && !(asked.limit && n == asked.limit) &&
               !out->failed) {
            nv_write_string(out, text);
            n++;
        }
        nv_write_array_end(out);
        if (more)
            nv_warn_truncated(x);
    }
    lists_done(x, &lists);
    return r;
}

static int get_labels(struct nv_exchange *x)
{
    return answer_list(x, (struct nv_str){"", 0});
}

static int get_values(struct nv_exchange *x)
{
    if (!x->part.n || !nv_utf8_valid(x->part)) {
        char shown[NV_SHOWN_MAX];
        return nv_fail(x, NV_BAD_DATA, "invalid label name: %s", nv_show(x->part, shown));
    }
    return answer_list(x, x->part);
}

const struct nv_endpoint nv_api_series_endpoints[] = {
    {"/api/v1/series",  NV_GET | NV_POST, 0, get_series},
    {"/api/v1/labels",                NV_GET | NV_POST, 0, get_labels},
    {"/api/v1/label/{name}/values",                 NV_GET, 0, get_values},
    {0},
};
