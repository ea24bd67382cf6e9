/*
 * store_bench.c - the store alone, without the agent: what test/bench/store.py measures with it.
 *
 *   store_bench ingest DIR SERIES FRAMES [STEP_MS]   appends frames; CPU of appending and logging by themselves, and until
 *                                                    all is in synced blocks
 *   store_bench read DIR                             opens a store; time to the first answer, then reads single series
 *
 * Frames are those of support/frames.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "support/frames.h"
#include "tsdb/store.h"

enum { PAGE_PAUSE_MS = 20 };

static int64_t now_ms;
static int64_t clock_now(void *user)
{
    (void)user;
    return now_ms;
}

static double seconds(clockid_t clock)
{
    return (double)nv_clock_ns(clock) / 1e9;
}

/* ---- commands ------------------------------------------------------------------------------- */

static struct nv_store *open_store(const char *dir, bool threads)
{
    struct nv_store_options options = {
        .now_ms = clock_now, .threads = threads, .wal_sync_ms = 10000};
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    if (nv_fs_open(dir, &options.fs) < 0 || nv_store_open(&options, &store, error) < 0) {
        fprintf(stderr, "cannot open %s: %s\n", dir, error);
        exit(1);
    }
    return store;
}

/* CPU seconds so far of our threads of that name. */
static double thread_seconds(const char *name)
{
    char path[512], text[64];
    double total = 0;
    DIR *dir = opendir("/proc/self/task");

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
        FILE *comm = fopen(path, "re");
        bool fits = comm && fgets(text, sizeof(text), comm) &&
                    strncmp(text, name, strlen(name)) == 0 && text[strlen(name)] == '\n';
        if (comm)
            fclose(comm);
        snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", entry->d_name);
        FILE *stat = fits ? fopen(path, "re") : NULL;
        if (stat && fgets(text, sizeof(text), stat))
            total += strtod(text, NULL) / 1e9;
        if (stat)
            fclose(stat);
    }
    if (dir)
        closedir(dir);
    return total;
}

/* What it cost so far: the appender within nv_store_append(), the log's thread, and everything but making frames. */
struct cost {
    double making, appending, logging, all, longest_ms;
};

static int append(struct nv_store *store, uint32_t source, struct nv_frames *frames,
                  struct cost *cost)
{
    double before = seconds(CLOCK_THREAD_CPUTIME_ID);
    struct nv_frame *frame = nv_frames_make(frames, now_ms);
    double made = seconds(CLOCK_THREAD_CPUTIME_ID), entry = seconds(CLOCK_MONOTONIC);

    if (nv_store_append(store, source, frame) != 0)
        return 1;
    double took_ms = (seconds(CLOCK_MONOTONIC) - entry) * 1e3;
    cost->appending += seconds(CLOCK_THREAD_CPUTIME_ID) - made;
    cost->making += made - before;
    cost->longest_ms = took_ms > cost->longest_ms ? took_ms : cost->longest_ms;
    nv_frame_unref(frame);
    return 0;
}

/* Hours of frames in a second: the store's thread gets the time of a page for each, else the appender would have to seal. */
static void pause_for_page(struct nv_store *store, uint32_t source)
{
    const struct timespec t = {0, PAGE_PAUSE_MS * 1000000};

    if (nv_store_begins_page(store, source))
        nanosleep(&t, NULL);
}

static int ingest(const char *dir, size_t n_series, size_t n_frames, int64_t step_ms)
{
    struct nv_frames *frames = nv_frames_new(n_series, 1);
    struct nv_store_stats stats;
    struct cost cost = {0};
    uint32_t source;

    now_ms = 1700000000000;
    struct nv_store *store = open_store(dir, true);
    if (nv_store_source(store, "bench", &source) < 0)
        return 1;
    double begin = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
    for (size_t i = 0; i < n_frames; i++) {
        now_ms += step_ms;
        if (append(store, source, frames, &cost) != 0)
            return 1;
        pause_for_page(store, source);
    }
    if (nv_store_flush(store) < 0)
        return 1;
    cost.logging = thread_seconds("log");
    now_ms += 2 * 3600 * 1000;
    while (nv_store_maintain(store) > 0)
        ;
    cost.all = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin - cost.making;
    nv_store_stats(store, &stats);
    printf("{\"samples\": %.0f, \"append_cpu_s\": %.4f, \"log_thread_cpu_s\": %.4f, "
           "\"log_cpu_s\": %.4f, \"all_cpu_s\": %.4f, \"wall_s\": %.3f, "
           "\"longest_append_ms\": %.3f, \"block_bytes\": %llu, \"log_bytes\": %llu}\n",
           (double)n_series * (double)n_frames, cost.appending, cost.logging,
           cost.appending + cost.logging, cost.all, seconds(CLOCK_MONOTONIC) - wall,
           cost.longest_ms, (unsigned long long)stats.block_bytes,
           (unsigned long long)stats.log_bytes);
    nv_store_close(store);
    nv_frames_free(frames);
    return 0;
}

static uint64_t bytes_read(void)
{
    char text[512];
    unsigned long long n = 0;
    FILE *file = fopen("/proc/self/io", "re");

    if (file && fgets(text, sizeof(text), file))
        n = strtoull(text + strlen("rchar: "), NULL, 10);
    if (file)
        fclose(file);
    return n;
}

/* Reads one series over all there is; what reading took, of CPU. */
static int read_one(struct nv_store *store, const char *kind, unsigned device, double *ret_s,
                    size_t *ret_n)
{
    const struct nv_queryable *from = nv_store_queryable(store);
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    struct nv_matcher matchers[3];
    struct nv_selection selection;
    char error[NV_REGEX_ERROR_MAX], number[16];
    int64_t first, last;

    snprintf(number, sizeof(number), "%u", device);
    if (nv_matcher_init(&matchers[0], NV_MATCH_EQUAL, NV_LIT("__name__"), NV_LIT("bench_value"),
                        error) < 0 ||
        nv_matcher_init(&matchers[1], NV_MATCH_EQUAL, NV_LIT("kind"), nv_str(kind), error) < 0 ||
        nv_matcher_init(&matchers[2], NV_MATCH_EQUAL, NV_LIT("device"), nv_str(number), error) < 0)
        return 1;
    from->range(from->store, &first, &last);
    if (from->select(from->store, matchers, 3, first, last, 0, &selection) < 0)
        return 1;
    double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (size_t i = 0; i < selection.n; i++)
        if (from->read(&selection, i, &samples) < 0)
            return 1;
    *ret_s = seconds(CLOCK_PROCESS_CPUTIME_ID) - begin;
    *ret_n = samples.n;
    from->release(&selection);
    nv_samples_done(&samples);
    return 0;
}

/* The first series of a kind tells what is read; the fastest of its siblings, none of which was decoded before, how fast. */
static int read_series(struct nv_store *store, const char *kind)
{
    enum { SIBLINGS = 8 };
    double cold = 0, took = 0, speed = 0;
    size_t n = 0, more = 0;

    uint64_t before = bytes_read();
    if (read_one(store, kind, 3, &cold, &n))
        return 1;
    uint64_t bytes = bytes_read() - before;
    for (unsigned device = 4; device < 4 + SIBLINGS; device++) {
        if (read_one(store, kind, device, &took, &more))
            return 1;
        if (more && (double)more / took > speed)
            speed = (double)more / took;
    }
    printf("{\"kind\": \"%s\", \"samples\": %zu, \"bytes\": %llu, \"cold_ms\": %.3f, "
           "\"samples_per_s\": %.0f}\n",
           kind, n, (unsigned long long)bytes, cold * 1e3, speed);
    return 0;
}

static int read_store(const char *dir)
{
    int64_t first, last;

    now_ms = 1700000000000 + INT64_C(40) * 3600 * 1000;
    double begin = seconds(CLOCK_MONOTONIC);
    struct nv_store *store = open_store(dir, true);
    nv_store_queryable(store)->range(nv_store_queryable(store)->store, &first, &last);
    printf("{\"open_ms\": %.2f, \"span_h\": %.2f}\n", (seconds(CLOCK_MONOTONIC) - begin) * 1e3,
           (double)(last - first) / 3.6e6);
    int r = read_series(store, "k0");
    r = r ? r : read_series(store, "k8");
    r = r ? r : read_series(store, "k15");
    r = r ? r : read_series(store, "k9");
    nv_store_close(store);
    return r;
}

int main(int argc, char **argv)
{
    if (argc >= 5 && strcmp(argv[1], "ingest") == 0)
        return ingest(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                      argc > 5 ? strtol(argv[5], NULL, 10) : 1000);
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        return read_store(argv[2]);
    fprintf(stderr, "usage: store_bench ingest DIR SERIES FRAMES [STEP_MS] | read DIR\n");
    return 2;
}
