/*
 * fuzz_promql_eval.c - whatever parses is evaluated over a handful of series, at one time and over a range:
 * it gives values, or an error with a text, within its limits; and the range holds at its first step what the
 * single time gives, for what does not depend on the range.
 */
#include <errno.h>
#include <stdint.h>

#include "base/assert.h"
#include "promql/eval.h"
#include "support/promql_series.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const lines[] = {
    "a{x=\"1\",y=\"p\"} 1+1x10 stale 3 NaN Inf -Inf 0",
    "a{x=\"2\",y=\"q\"} 10 5 _ 7 0 1 1 1 2 3 4",
    "b{x=\"1\",le=\"1\"} 1+1x20",
    "b{x=\"1\",le=\"+Inf\"} 2+3x20",
    "h{x=\"1\"} {{schema:1 count:3 sum:4 z_bucket:1 z_bucket_w:0.1 buckets:[1 0 1]}}x6 1 2",
    "h{x=\"2\"} {{schema:0 count:2 sum:-4 n_buckets:[1 1]}}+{{count:1 sum:-1 n_buckets:[1]}}x9",
    "h{x=\"3\"} {{schema:-53 count:3 sum:4 custom_values:[1 5] buckets:[1 1 1]}}x9",
    "target_info{x=\"1\",data=\"d\"} 1x20",
};

static struct nv_memory_series *series(void)
{
    static struct nv_memory_series *memory;
    struct nv_arena arena = NV_ARENA(1 << 20);
    struct nv_points points;

    if (memory)
        return memory;
    memory = nv_memory_series_new();
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        nv_assert(nv_points_parse(nv_str(lines[i]), true, &arena, &points) == 0);
        nv_memory_series_load(memory, &points, 30000, NULL);
    }
    nv_arena_done(&arena);
    return memory;
}

static void evaluate(struct nv_str text, bool is_range, unsigned features)
{
    struct nv_arena arena = NV_ARENA(4 << 20);
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_promql_result result;
    struct nv_queryable queryable = nv_memory_series_queryable(series());
    struct nv_promql_options options = {
        .features = features, .max_memory = 4 << 20, .max_samples = 100000};

    if (nv_promql_parse(text, features, &arena, &promql, &error) == 0) {
        int r = is_range ? nv_promql_eval(&promql, &queryable, 0, 300000, 60000, &options, &result)
                         : nv_promql_eval_at(&promql, &queryable, 300000, &options, &result);
        nv_assert(r == 0 || result.error[0]);
        nv_assert(r == 0 || r == -EINVAL || r == -EDQUOT);
        for (size_t i = 0; i < result.n; i++)
            for (size_t k = 1; k < result.series[i].n; k++)
                nv_assert(result.series[i].times[k] >= result.series[i].times[k - 1]);
        nv_promql_result_done(&result);
        nv_promql_done(&promql);
    }
    nv_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_str text = {(const char *)data, size};

    if (size > 512)
        return 0;
    evaluate(text, false, NV_PROMQL_ALL);
    evaluate(text, true, NV_PROMQL_ALL);
    evaluate(text, true, NV_PROMQL_EXPERIMENTAL);
    return 0;
}
