/*
 * query_ask.c - asks a store that is at hand, offline.
 */
#include <errno.h>
#include <math.h>
#include <nodevitals/collector.h> /* NV_LEN */

#include "base/clock.h"
#include "cli/query.h"
#include "promql/eval.h"
#include "promql/histogram_math.h"

enum { EVAL_MEMORY = 256 << 20, PARSE_MEMORY = 64 << 20 };

/* What only adds to the language; the rest would change what other expressions are worth. */
enum { FEATURES = NV_PROMQL_EXPERIMENTAL | NV_PROMQL_EXTENDED_RANGE | NV_PROMQL_FILL };

/* ---- what is kept of a result --------------------------------------------------------------- */

static bool keep_str(struct nv_arena *memory, struct nv_str text, struct nv_str *ret)
{
    *ret = nv_arena_str(memory, text);
    return ret->p != NULL;
}

static bool keep_labels(struct nv_arena *memory, const struct nv_label *labels, size_t n,
                        struct nv_answer_series *series)
{
    series->labels = nv_arena_alloc(memory, n * sizeof(*labels) + 1);
    for (size_t i = 0; series->labels && i < n; i++) {
        if (!keep_str(memory, labels[i].name, &series->labels[i].name) ||
            !keep_str(memory, labels[i].value, &series->labels[i].value))
            return false;
    }
    series->n_labels = n;
    return series->labels != NULL;
}

/* As the API tells which bounds belong to a bucket. */
static uint8_t rule_of(const struct nv_bucket *bucket, bool is_custom)
{
    bool lower = is_custom ? bucket->index == 0 : bucket->lower < 0;
    bool upper = is_custom || bucket->upper > 0;

    return lower ? (upper ? 3 : 1) : (upper ? 0 : 2);
}

static struct nv_answer_histogram *keep_histogram(struct nv_arena *memory,
                                                  const struct nv_histogram *h)
{
    struct nv_answer_histogram *kept = nv_arena_alloc(memory, sizeof(*kept));
    size_t n = 0;
    const struct nv_bucket *buckets = nv_histogram_buckets(memory, h, &n);

    if (!kept || !buckets)
        return NULL;
    *kept = (struct nv_answer_histogram){.count = h->count, .sum = h->sum, .n = n};
    kept->buckets = nv_arena_alloc(memory, n * sizeof(*kept->buckets) + 1);
    for (size_t i = 0; kept->buckets && i < n; i++)
        kept->buckets[i] =
            (struct nv_answer_bucket){rule_of(&buckets[i], nv_histogram_is_custom(h)),
                                      buckets[i].lower, buckets[i].upper, buckets[i].count};
    return kept->buckets ? kept : NULL;
}

static bool keep_points(struct nv_arena *memory, const struct nv_promql_series *from,
                        struct nv_answer_series *series)
{
    series->n = from->n;
    series->times = nv_arena_alloc(memory, from->n * sizeof(*series->times) + 1);
    series->values = nv_arena_alloc(memory, from->n * sizeof(*series->values) + 1);
    if (!series->times || !series->values)
        return false;
    if (from->n) {
        memcpy(series->times, from->times, from->n * sizeof(*series->times));
        memcpy(series->values, from->values, from->n * sizeof(*series->values));
    }
    if (!from->histograms)
        return true;
    series->histograms = nv_arena_alloc(memory, from->n * sizeof(struct nv_answer_histogram *) + 1);
    for (size_t i = 0; series->histograms && i < from->n; i++) {
        const struct nv_histogram *h = from->histograms[i];
        series->histograms[i] = h ? keep_histogram(memory, h) : NULL;
        if (h && !series->histograms[i])
            return false;
    }
    return series->histograms != NULL;
}

static bool keep_result(const struct nv_query *query, const struct nv_promql_result *result,
                        struct nv_answer *ret)
{
    size_t n = result->n;

    ret->type = result->type;
    if (query->limit && n > query->limit) {
        n = query->limit;
        nv_answer_note(ret, "warning", NV_LIT("results truncated due to limit"));
    }
    ret->series = nv_arena_alloc(&ret->memory, n * sizeof(*ret->series) + 1);
    for (size_t i = 0; ret->series && i < n; i++) {
        const struct nv_promql_series *from = &result->series[i];
        struct nv_answer_series *series = &ret->series[ret->n++];
        *series = (struct nv_answer_series){0};
        if (!keep_labels(&ret->memory, from->labels, from->n_labels, series) ||
            !keep_points(&ret->memory, from, series))
            return false;
    }
    for (size_t i = 0; i < result->n_annotations; i++)
        nv_answer_note(ret, result->annotations[i].is_warning ? "warning" : "info",
                       result->annotations[i].text);
    return ret->series && keep_str(&ret->memory, result->string, &ret->string);
}

/* A string has no sample, but a time; the answer wants a series that bears it. */
static bool add_time(const struct nv_query *query, struct nv_answer *ret)
{
    const struct nv_promql_series at = {.n = 1, .times = &query->end_ms, .values = &(double){NAN}};

    if (ret->type != NV_VALUE_STRING)
        return true;
    ret->series = nv_arena_alloc(&ret->memory, sizeof(*ret->series));
    if (!ret->series)
        return false;
    ret->series[0] = (struct nv_answer_series){0};
    ret->n = 1;
    return keep_labels(&ret->memory, NULL, 0, ret->series) &&
           keep_points(&ret->memory, &at, ret->series);
}

/* ---- expressions ---------------------------------------------------------------------------- */

static int fail_to_parse(struct nv_str expr, int r, const struct nv_promql_error *error)
{
    NV_AUTO_BUF text = NV_BUF(2 * NV_PROMQL_ERROR_MAX);

    if (r != -EINVAL)
        return nv_query_fail("the expression needs more than %d MiB", PARSE_MEMORY >> 20);
    nv_promql_error_text(expr, error, &text);
    return nv_query_fail_at(expr, nv_buf_view(&text));
}

static int evaluate(const struct nv_query *query, const struct nv_queryable *queryable,
                    struct nv_promql *promql, struct nv_answer *ret)
{
    const struct nv_promql_options options = {
        .lookback_ms = query->lookback_ms,
        .max_memory = EVAL_MEMORY,
        .deadline_ms = nv_monotonic_ns() / 1000000 + query->timeout_ms,
        .features = FEATURES,
    };
    struct nv_promql_result result;
    int r = query->kind == NV_QUERY_INSTANT
                ? nv_promql_eval_at(promql, queryable, query->end_ms, &options, &result)
                : nv_promql_eval(promql, queryable, query->start_ms, query->end_ms, query->step_ms,
                                 &options, &result);

    if (r < 0)
        r = nv_query_fail("%s", result.error[0] ? result.error : strerror(-r));
    else if (!keep_result(query, &result, ret) || !add_time(query, ret))
        r = nv_query_fail("the answer does not fit into %d MiB, try --limit",
                          NV_QUERY_MEMORY_MAX >> 20);
    nv_promql_result_done(&result);
    return r;
}

static int ask_expression(const struct nv_query *query, const struct nv_queryable *queryable,
                          struct nv_answer *ret)
{
    struct nv_arena arena = NV_ARENA(PARSE_MEMORY);
    struct nv_promql_error error = {0};
    struct nv_promql promql;

    int r = nv_promql_parse(query->expr, FEATURES, &arena, &promql, &error);
    if (r < 0) {
        r = fail_to_parse(query->expr, r, &error);
    } else {
        enum nv_value_type type = promql.root->type;
        r = query->kind == NV_QUERY_RANGE && type != NV_VALUE_SCALAR && type != NV_VALUE_VECTOR
                ? nv_query_fail("invalid expression type \"%s\" for range query, must be Scalar or "
                                "instant Vector",
                                nv_value_type_name(type))
                : evaluate(query, queryable, &promql, ret);
        nv_promql_done(&promql);
    }
    nv_arena_done(&arena);
    return r;
}

/* ---- series, labels, values ----------------------------------------------------------------- */

/* Adds what one selector finds; NULL for everything. */
typedef int (*add_fn)(const struct nv_query *query, const struct nv_queryable *queryable,
                      const struct nv_selector *selector, struct nv_answer *ret);

static int add_series(const struct nv_query *query, const struct nv_queryable *queryable,
                      const struct nv_selector *selector, struct nv_answer *ret)
{
    struct nv_selection found;
    int r = queryable->select(queryable->store, selector->matchers, selector->n_matchers,
                              query->start_ms, query->end_ms, 0, &found);

    if (r < 0)
        return r;
    struct nv_answer_series *all =
        nv_arena_alloc(&ret->memory, (ret->n + found.n) * sizeof(*all) + 1);
    if (all && ret->n)
        memcpy(all, ret->series, ret->n * sizeof(*all));
    for (size_t i = 0; all && i < found.n; i++) {
        all[ret->n + i] = (struct nv_answer_series){0};
        if (!keep_labels(&ret->memory, found.series[i].labels, found.series[i].n_labels,
                         &all[ret->n + i]))
            all = NULL;
    }
    ret->series = all;
    ret->n = all ? ret->n + found.n : 0;
    queryable->release(&found);
    return all ? 0 : -EDQUOT;
}

static int add_texts(const struct nv_query *query, const struct nv_queryable *queryable,
                     const struct nv_selector *selector, struct nv_answer *ret)
{
    const struct nv_matcher *matchers = selector ? selector->matchers : NULL;
    size_t n = selector ? selector->n_matchers : 0;
    struct nv_texts found = {0};
    int r = query->kind == NV_QUERY_LABELS
                ? queryable->label_names(queryable->store, matchers, n, query->start_ms,
                                         query->end_ms, 0, &found)
                : queryable->label_values(queryable->store, query->label, matchers, n,
                                          query->start_ms, query->end_ms, 0, &found);

    if (r < 0)
        return r;
    struct nv_str *all = nv_arena_alloc(&ret->memory, (ret->n_texts + found.n) * sizeof(*all) + 1);
    if (all && ret->n_texts)
        memcpy(all, ret->texts, ret->n_texts * sizeof(*all));
    for (size_t i = 0; all && i < found.n; i++) {
        if (!keep_str(&ret->memory, found.at[i], &all[ret->n_texts + i]))
            all = NULL;
    }
    ret->texts = all;
    ret->n_texts = all ? ret->n_texts + found.n : 0;
    nv_texts_done(&found);
    return all ? 0 : -EDQUOT;
}

static int compare_series(const void *a, const void *b)
{
    const struct nv_answer_series *x = a, *y = b;

    return nv_labels_compare(x->labels, x->n_labels, y->labels, y->n_labels);
}

static int compare_texts(const void *a, const void *b)
{
    return nv_str_cmp(*(const struct nv_str *)a, *(const struct nv_str *)b);
}

/* Sorts n things, leaves each once. Returns how many are left. */
static size_t make_set(void *at, size_t n, size_t size, int (*compare)(const void *, const void *))
{
    char *things = at;
    size_t kept = 0;

    if (n)
        qsort(at, n, size, compare);
    for (size_t i = 0; i < n; i++) {
        if (kept && compare(things + (kept - 1) * size, things + i * size) == 0)
            continue;
        memmove(things + kept++ * size, things + i * size, size);
    }
    return kept;
}

static bool fits_everything(const struct nv_selector *selector)
{
    for (size_t i = 0; i < selector->n_matchers; i++)
        if (!nv_matcher_fits(&selector->matchers[i], NV_LIT("")))
            return false;
    return true;
}

static int add_match(const struct nv_query *query, const struct nv_queryable *queryable,
                     struct nv_str match, add_fn add, struct nv_answer *ret)
{
    struct nv_arena arena = NV_ARENA(PARSE_MEMORY);
    struct nv_promql_error error = {0};
    struct nv_promql promql;

    int r = nv_promql_parse_selector(match, &arena, &promql, &error);
    if (r < 0) {
        r = fail_to_parse(match, r, &error);
    } else {
        if (fits_everything(&promql.root->selector))
            r = nv_query_fail("match[] must contain at least one non-empty matcher");
        else if ((r = add(query, queryable, &promql.root->selector, ret)) < 0)
            r = nv_query_fail("cannot read the store: %s", strerror(-r));
        nv_promql_done(&promql);
    }
    nv_arena_done(&arena);
    return r;
}

static void cut(const struct nv_query *query, struct nv_answer *ret, size_t *n)
{
    if (!query->limit || *n <= query->limit)
        return;
    *n = query->limit;
    nv_answer_note(ret, "warning", NV_LIT("results truncated due to limit"));
}

static int ask_list(const struct nv_query *query, const struct nv_queryable *queryable,
                    struct nv_answer *ret)
{
    add_fn add = query->kind == NV_QUERY_SERIES ? add_series : add_texts;
    int r = 0;

    for (size_t i = 0; r == 0 && i < query->n_matches; i++)
        r = add_match(query, queryable, query->matches[i], add, ret);
    if (!query->n_matches) {
        r = add_texts(query, queryable, NULL, ret);
        if (r < 0)
            r = nv_query_fail("cannot read the store: %s", strerror(-r));
    }
    if (r)
        return r;
    ret->n = make_set(ret->series, ret->n, sizeof(*ret->series), compare_series);
    ret->n_texts = make_set(ret->texts, ret->n_texts, sizeof(*ret->texts), compare_texts);
    cut(query, ret, &ret->n);
    cut(query, ret, &ret->n_texts);
    return 0;
}

int nv_query_ask(const struct nv_query *query, const struct nv_queryable *queryable,
                 struct nv_answer *ret)
{
    struct nv_query all = *query;

    if (query->kind == NV_QUERY_INSTANT || query->kind == NV_QUERY_RANGE)
        return ask_expression(query, queryable, ret);
    all.start_ms = query->has_start ? query->start_ms : INT64_MIN;
    all.end_ms = query->has_end ? query->end_ms : INT64_MAX;
    return ask_list(&all, queryable, ret);
}
