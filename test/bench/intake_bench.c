/*
 * intake_bench.c - what it costs to take in an answer, without network and threads.
 *
 *   intake_bench SCRAPES CUT honor|ignore store|none FILE...
 *
 * The files are answers of one target, taken in in turns, CUT bytes at once, with a store in memory behind it or without.
 * Prints for each step the CPU time of a scrape, and what memory the series take.
 */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/clock.h"
#include "scrape/intake.h"
#include "tsdb/store.h"

enum { FILES_MAX = 16, INTERVAL_MS = 15000 };

struct body {
    char *p;
    size_t n;
};

static struct {
    struct nv_store *store;
    uint32_t source;
    int64_t now_ms;
    uint64_t sparse;
} bench;

static struct body read_file(const char *path)
{
    struct body body = {NULL, 0};
    FILE *f = nv_must(fopen(path, "rb"));

    fseek(f, 0, SEEK_END);
    body.n = (size_t)ftell(f);
    rewind(f);
    body.p = nv_must(malloc(body.n));
    nv_assert(fread(body.p, 1, body.n, f) == body.n);
    fclose(f);
    return body;
}

static double cpu_ms(void)
{
    return (double)nv_clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1e6;
}

static int64_t bench_now(void *user)
{
    (void)user;
    return bench.now_ms;
}

static int take_sparse(void *user, const struct nv_label *labels, size_t n, int64_t time_ms,
                       double value, const struct nv_histogram *histogram)
{
    (void)user;
    (void)histogram;
    bench.sparse++;
    return bench.store
               ? nv_store_append_sparse(bench.store, bench.source, labels, n, time_ms, value)
               : 0;
}

static void open_store(void)
{
    const struct nv_store_options options = {
        .now_ms = bench_now,
        .retention_ms = INT64_C(3600) * 1000 * 24,
    };
    char error[NV_STORE_ERROR_MAX];

    nv_assert(nv_store_open(&options, &bench.store, error) == 0);
    nv_assert(nv_store_source(bench.store, "bench", &bench.source) == 0);
}

static size_t heap(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

/* The steps of one scrape, in ms. */
struct cost {
    double take, frame, append;
};

static struct cost scrape(struct nv_intake *intake, struct body body, size_t cut)
{
    static const struct nv_intake_report report = {.duration_s = 0.01};
    NV_AUTO(nv_frame) *frame = NULL;
    struct cost cost;
    double at = cpu_ms();

    nv_intake_begin(intake, nv_str("text/plain; version=0.0.4"), bench.now_ms);
    for (size_t i = 0; i < body.n; i += cut)
        nv_assert(nv_intake_feed(intake, body.p + i, body.n - i < cut ? body.n - i : cut) == 0);
    nv_assert(nv_intake_end(intake) == 0);
    cost.take = cpu_ms() - at;
    nv_assert(nv_intake_frame(intake, &report, &frame) == 0);
    cost.frame = cpu_ms() - at - cost.take;
    if (bench.store) {
        nv_assert(nv_store_append(bench.store, bench.source, frame) == 0);
        nv_store_maintain(bench.store);
    }
    cost.append = cpu_ms() - at - cost.take - cost.frame;
    bench.now_ms += INTERVAL_MS;
    return cost;
}

int main(int argc, char **argv)
{
    struct body bodies[FILES_MAX];
    size_t n_bodies = 0;
    const struct nv_label labels[] = {
        {NV_LIT("instance"),     NV_LIT("node-1")           },
        {NV_LIT("job"),          NV_LIT("kubelet")          },
        {NV_LIT("metrics_path"), NV_LIT("/metrics/cadvisor")},
    };

    if (argc < 6)
        return 2;
    const struct nv_config_scrape config = {
        .job_name = "kubelet",
        .fallback_protocol = -1,
        .honor_timestamps = strcmp(argv[3], "honor") == 0,
    };
    int scrapes = (int)strtol(argv[1], NULL, 10);
    size_t cut = (size_t)strtol(argv[2], NULL, 10);
    for (int i = 5; i < argc && n_bodies < FILES_MAX; i++)
        bodies[n_bodies++] = read_file(argv[i]);
    bench.now_ms = 1700000000000;
    size_t before = heap();
    if (strcmp(argv[4], "store") == 0)
        open_store();
    const struct nv_intake_options options = {
        .scrape = &config, .labels = labels, .n_labels = 3, .sparse = take_sparse};
    struct nv_intake *intake = nv_must(nv_intake_new(&options));

    struct cost first = scrape(intake, bodies[0], cut), sum = {0};
    size_t series = nv_intake_n_series(intake);
    printf("series %zu, first scrape %.2f + %.2f + %.2f ms\n", series, first.take, first.frame,
           first.append);
    for (int i = 1; i <= scrapes; i++) {
        struct cost cost = scrape(intake, bodies[(size_t)i % n_bodies], cut);
        sum.take += cost.take;
        sum.frame += cost.frame;
        sum.append += cost.append;
    }
    printf("each further one %.3f + %.3f + %.3f ms\n", sum.take / scrapes, sum.frame / scrapes,
           sum.append / scrapes);
    printf("bytes per series: intake %zu, all %zu\n", nv_intake_memory(intake) / series,
           (heap() - before) / series);
    nv_intake_free(intake);
    if (bench.store)
        nv_store_close(bench.store);
    for (size_t i = 0; i < n_bodies; i++)
        free(bodies[i].p);
    return 0;
}
