/*
 * query_bench.c - expressions over a store, without HTTP: query_bench DIR START END STEP [range|instant] < expressions
 *
 * One expression a line. Each is asked as a range of END - START and at END, a few times; the least time of each
 * counts. Prints: ms of the range, us of the single time, KB of memory, series, points, the expression.
 * query_bench parse: how many short expressions are parsed in a second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "promql/eval.h"
#include "tsdb/store.h"

enum { TIMES = 5 };

static int64_t now_ms(void *user)
{
    (void)user;
    return nv_wall_ms();
}

static double seconds(const char *text)
{
    return strtod(text, NULL);
}

struct figures {
    double range_ms, instant_us;
    size_t series, points;
    uint64_t read;
    size_t memory;
};

static int64_t ask(const struct nv_queryable *queryable, struct nv_str text, bool is_range,
                   const int64_t grid[3], struct figures *f)
{
    struct nv_arena arena = NV_ARENA(16 << 20);
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_promql_result result;
    struct nv_promql_pool *pool = nv_promql_pool_new((size_t)1 << 30);
    struct nv_promql_options options = {.pool = pool, .max_memory = (size_t)1 << 30};
    struct nv_promql_pool_stats stats;
    int64_t begin = nv_monotonic_ns();

    if (nv_promql_parse(text, NV_PROMQL_ALL, &arena, &promql, &error) < 0) {
        fprintf(stderr, "%s: %.*s\n", error.text, (int)text.n, text.p);
        exit(1);
    }
    int r = is_range
                ? nv_promql_eval(&promql, queryable, grid[0], grid[1], grid[2], &options, &result)
                : nv_promql_eval_at(&promql, queryable, grid[1], &options, &result);
    int64_t spent = nv_monotonic_ns() - begin;
    if (r < 0)
        fprintf(stderr, "%s: %.*s\n", result.error, (int)text.n, text.p);
    if (is_range) {
        f->series = result.n;
        f->points = 0;
        for (size_t i = 0; i < result.n; i++)
            f->points += result.series[i].n;
    }
    nv_promql_result_done(&result);
    nv_promql_done(&promql);
    nv_arena_done(&arena);
    nv_promql_pool_stats(pool, &stats);
    if (stats.peak > f->memory)
        f->memory = stats.peak;
    nv_promql_pool_free(pool);
    return spent;
}

static int parse(void)
{
    static const char *const texts[] = {
        "up",
        "rate(node_network_receive_bytes_total[5m])",
        "node_load1 > 4",
        "sum(up)",
        "sum by (job) (rate(http_requests_total{code=\"500\"}[5m]))",
        "a / b",
        "1 - avg(rate(node_cpu_seconds_total{mode=\"idle\"}[5m]))",
        "absent(up{job=\"node\"})"};
    struct nv_arena arena = NV_ARENA(1 << 20);
    size_t n = sizeof(texts) / sizeof(texts[0]), rounds = 250000;
    int64_t begin = nv_monotonic_ns();

    for (size_t i = 0; i < rounds * n; i++) {
        struct nv_promql promql;
        struct nv_promql_error error;
        if (nv_promql_parse(nv_str(texts[i % n]), 0, &arena, &promql, &error) < 0)
            return 1;
        nv_promql_done(&promql);
        nv_arena_reset(&arena);
    }
    double s = (double)(nv_monotonic_ns() - begin) / 1e9;
    printf("%.2f million short expressions parsed in a second\n", (double)(rounds * n) / s / 1e6);
    nv_arena_done(&arena);
    return 0;
}

int main(int argc, char **argv)
{
    static char line[1 << 16];
    char why[NV_STORE_ERROR_MAX] = "cannot open it";
    struct nv_store *store;
    double range = 0, instant = 0;

    if (argc == 2 && strcmp(argv[1], "parse") == 0)
        return parse();
    if (argc < 5) {
        fprintf(stderr, "usage: query_bench DIR START END STEP < expressions\n");
        return 2;
    }
    const char *only = argc > 5 ? argv[5] : "";
    int times = argc > 6 ? (int)strtol(argv[6], NULL, 10) : TIMES;
    int64_t grid[3];
    for (int i = 0; i < 3; i++)
        grid[i] = (int64_t)(seconds(argv[2 + i]) * 1000);
    struct nv_store_options options = {.read_only = true, .now_ms = now_ms};
    if (nv_fs_open(argv[1], &options.fs) < 0 || nv_store_open(&options, &store, why) < 0) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    const struct nv_queryable *queryable = nv_store_queryable(store);
    while (fgets(line, sizeof(line), stdin)) {
        struct nv_str text = nv_str_trim(nv_str(line));
        struct figures f = {.range_ms = 1e9, .instant_us = 1e9};
        for (int i = 0; text.n && i < times; i++) {
            double ms =
                strcmp(only, "instant") ? (double)ask(queryable, text, true, grid, &f) / 1e6 : 0;
            double us =
                strcmp(only, "range") ? (double)ask(queryable, text, false, grid, &f) / 1e3 : 0;
            f.range_ms = ms < f.range_ms ? ms : f.range_ms;
            f.instant_us = us < f.instant_us ? us : f.instant_us;
        }
        if (!text.n)
            continue;
        range += f.range_ms;
        instant += f.instant_us;
        printf("%9.3f %9.1f %7zu %5zu %8zu  %.*s\n", f.range_ms, f.instant_us, f.memory >> 10,
               f.series, f.points, (int)text.n, text.p);
    }
    printf("%9.3f ms of ranges, %9.3f ms of single times\n", range, instant / 1000);
    nv_store_close(store);
    return 0;
}
