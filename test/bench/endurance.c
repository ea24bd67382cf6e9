/*
 * endurance.c - the store over simulated hours, days and a week: what test/bench/store.py measures with it.
 *
 *   endurance week DIR [HOURS]    600 series at 1 s, with the agent's defaults: memory, disk, bytes written
 *   endurance churn DIR [HOURS]   50,000 series at 15 s, a tenth of them replaced each hour
 *   endurance growth DIR [HOURS]  600 series at 1 s, and ten new ones each second
 *   endurance start DIR [HOURS]   a day of 600 series and a log as long as it gets; then the time to the first answer
 *   endurance stall DIR [FRAMES]  2,000 series, a frame each millisecond of real time, with the store's threads
 *   endurance renew DIR [FRAMES]  50,000 series, some new in each frame, a frame each 100 ms, a new generation each 20
 *
 * Frames are those of support/frames.h. But for the last two the store has no threads: maintenance runs once in each simulated
 * second, as its thread would, and the clock is the frames'. Writes one JSON object, the week's after one for each day.
 */
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/clock.h"
#include "support/frames.h"
#include "tsdb/store.h"

#define HOUR_MS INT64_C(3600000)

static const int64_t begin_ms = 1699999200000; /* a full hour */
static int64_t now_ms = begin_ms;

static int64_t clock_now(void *user)
{
    (void)user;
    return now_ms;
}

static double seconds(clockid_t clock)
{
    return (double)nv_clock_ns(clock) / 1e9;
}

/* A line of /proc/self/status, in bytes. */
static uint64_t memory(const char *name)
{
    char line[256];
    uint64_t bytes = 0;
    FILE *file = fopen("/proc/self/status", "re");

    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, name, strlen(name)) == 0)
            bytes = strtoull(line + strlen(name) + 1, NULL, 10) * 1024;
    if (file)
        fclose(file);
    return bytes;
}

/* ---- a run ---------------------------------------------------------------------------------- */

struct run {
    struct nv_fs *fs;
    struct nv_store *store;
    struct nv_frames *frames;
    uint32_t source;
    int64_t step_ms;
    double per_step; /* series that come with each frame */
    bool replace;    /* ... in the place of others */
    bool keeps_all;  /* nothing is thinned, so blocks merge sooner */
    double pending;
    uint64_t samples, disk_max, log_max;
    double longest_append_ms, maintain_s;
};

static void open_run(struct run *run, const char *dir, bool threads)
{
    struct nv_store_options options = {
        .now_ms = clock_now,
        .threads = threads,
        .retention_ms = 15 * 24 * HOUR_MS,
        .retention_bytes = 512 << 20,
        .wal_sync_ms = 10000,
        .thin = {{12 * HOUR_MS, 15000}},
    };
    char error[NV_STORE_ERROR_MAX];

    if (run->keeps_all)
        options.thin[0].interval_ms = 0;
    if (nv_fs_open(dir, &options.fs) < 0) {
        fprintf(stderr, "cannot open %s\n", dir);
        exit(1);
    }
    run->fs = options.fs;
    if (nv_store_open(&options, &run->store, error) < 0 ||
        nv_store_source(run->store, "bench", &run->source) < 0) {
        fprintf(stderr, "cannot open %s: %s\n", dir, error);
        exit(1);
    }
}

static void note_disk(struct run *run, struct nv_store_stats *stats)
{
    nv_store_stats(run->store, stats);
    uint64_t all = stats->log_bytes + stats->block_bytes + stats->other_bytes;
    run->disk_max = all > run->disk_max ? all : run->disk_max;
    run->log_max = stats->log_bytes > run->log_max ? stats->log_bytes : run->log_max;
}

static void append(struct run *run)
{
    struct nv_frame *frame = nv_frames_make(run->frames, now_ms);
    double entry = seconds(CLOCK_MONOTONIC);

    if (nv_store_append(run->store, run->source, frame) != 0) {
        fprintf(stderr, "a frame was refused\n");
        exit(1);
    }
    double took_ms = (seconds(CLOCK_MONOTONIC) - entry) * 1e3;
    run->longest_append_ms = took_ms > run->longest_append_ms ? took_ms : run->longest_append_ms;
    run->samples += nv_frames_n(run->frames);
    nv_frame_unref(frame);
}

static void churn(struct run *run)
{
    run->pending += run->per_step;
    size_t n = (size_t)run->pending;
    run->pending -= (double)n;
    if (run->replace)
        nv_frames_replace(run->frames, n);
    else if (n)
        nv_frames_add(run->frames, n);
}

/* Goes on for that long, or until the log is as long as it has ever been. */
static void pass(struct run *run, int64_t span_ms, bool until_log_is_full)
{
    struct nv_store_stats stats;
    int64_t end = now_ms + span_ms;

    while (now_ms < end) {
        int64_t hour = now_ms / HOUR_MS;
        now_ms += run->step_ms;
        if (now_ms / HOUR_MS != hour)
            nv_frames_renew(run->frames); /* as the agent does */
        churn(run);
        append(run);
        double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
        nv_store_maintain(run->store);
        run->maintain_s += seconds(CLOCK_PROCESS_CPUTIME_ID) - before;
        if (now_ms % 60000)
            continue;
        uint64_t before_max = run->log_max;
        note_disk(run, &stats);
        if (until_log_is_full && stats.log_bytes >= before_max)
            return;
    }
}

static void tell(struct run *run, const char *what, double begin_s, uint64_t base)
{
    struct nv_store_stats stats;
    double hours = (double)(now_ms - begin_ms) / (double)HOUR_MS;
    struct mallinfo2 heap = mallinfo2();

    note_disk(run, &stats);
    uint64_t written = __atomic_load_n(&run->fs->written, __ATOMIC_RELAXED);
    printf("{\"what\": \"%s\", \"hours\": %.1f, \"samples\": %llu, \"series\": %llu, "
           "\"series_made\": %zu, \"base_bytes\": %llu, \"frames_bytes\": %zu, \"resident_bytes\": "
           "%llu, "
           "\"resident_bytes_max\": %llu, ",
           what, hours, (unsigned long long)run->samples, (unsigned long long)stats.series,
           nv_frames_made(run->frames), (unsigned long long)base, nv_frames_memory(run->frames),
           (unsigned long long)memory("VmRSS:"), (unsigned long long)memory("VmHWM:"));
    printf("\"heap_used_bytes\": %zu, \"heap_free_bytes\": %zu, \"store_bytes\": %llu, "
           "\"log_bytes\": %llu, \"log_bytes_max\": %llu, "
           "\"block_bytes\": %llu, \"disk_bytes_max\": %llu, \"blocks\": %llu, "
           "\"written_per_hour\": %.0f, ",
           heap.uordblks + heap.hblkhd, heap.fordblks, (unsigned long long)stats.memory_bytes,
           (unsigned long long)stats.log_bytes, (unsigned long long)run->log_max,
           (unsigned long long)stats.block_bytes, (unsigned long long)run->disk_max,
           (unsigned long long)stats.blocks, (double)written / hours);
    printf("\"dropped\": %llu, \"longest_append_ms\": %.3f, \"maintain_cpu_s\": %.2f, "
           "\"cpu_s\": %.2f}\n",
           (unsigned long long)(stats.dropped_full + stats.dropped_conflict + stats.dropped_disk +
                                stats.dropped_not_newer),
           run->longest_append_ms, run->maintain_s, seconds(CLOCK_PROCESS_CPUTIME_ID) - begin_s);
    fflush(stdout);
}

static void close_run(struct run *run)
{
    nv_store_close(run->store);
    nv_frames_free(run->frames);
}

static int simulate(const char *what, const char *dir, struct run *run, size_t n_series,
                    int64_t hours)
{
    run->frames = nv_frames_new(n_series, 1);
    nv_frame_unref(nv_frames_make(run->frames, now_ms));
    uint64_t base = memory("VmRSS:");
    double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);

    open_run(run, dir, false);
    for (; hours > 24; hours -= 24) {
        pass(run, 24 * HOUR_MS, false);
        tell(run, what, begin, base);
    }
    pass(run, hours * HOUR_MS, false);
    tell(run, what, begin, base);
    close_run(run);
    return 0;
}

/* ---- start ---------------------------------------------------------------------------------- */

static size_t ask(struct nv_store *store, int64_t from_ms, int64_t to_ms)
{
    const struct nv_queryable *q = nv_store_queryable(store);
    struct nv_matcher matchers[] = {
        {NV_MATCH_EQUAL, NV_LIT("__name__"), NV_LIT("bench_value"), NULL},
        {NV_MATCH_EQUAL, NV_LIT("kind"),     NV_LIT("k3"),          NULL},
        {NV_MATCH_EQUAL, NV_LIT("device"),   NV_LIT("3"),           NULL},
    };
    struct nv_samples samples = {.histogram_memory = NV_ARENA(1 << 20)};
    struct nv_selection selection;

    if (q->select(q->store, matchers, 3, from_ms, to_ms, 0, &selection) < 0)
        return 0;
    for (size_t i = 0; i < selection.n; i++)
        if (q->read(&selection, i, &samples) < 0)
            samples.n = 0;
    size_t n = samples.n;
    q->release(&selection);
    nv_samples_done(&samples);
    return n;
}

static int start(const char *dir, int64_t hours)
{
    struct run run = {.step_ms = 1000, .frames = nv_frames_new(600, 1)};
    struct nv_store_stats stats;

    open_run(&run, dir, false);
    pass(&run, hours * HOUR_MS, false);
    pass(&run, 3 * HOUR_MS, true);
    note_disk(&run, &stats);
    nv_store_close(run.store);
    double begin = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    open_run(&run, dir, true);
    double open_s = seconds(CLOCK_MONOTONIC) - begin;
    size_t n = ask(run.store, now_ms - 300000, now_ms);
    double answer_s = seconds(CLOCK_MONOTONIC) - begin;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("{\"what\": \"start\", \"log_bytes\": %llu, \"block_bytes\": %llu, \"blocks\": %llu, "
           "\"open_ms\": %.1f, \"answer_ms\": %.1f, \"cpu_ms\": %.1f, \"samples\": %zu}\n",
           (unsigned long long)stats.log_bytes, (unsigned long long)stats.block_bytes,
           (unsigned long long)stats.blocks, open_s * 1e3, answer_s * 1e3, cpu * 1e3, n);
    close_run(&run);
    return n == 0;
}

/* ---- stall ---------------------------------------------------------------------------------- */

static bool stop;

static void *maintain(void *p)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        struct timespec t = {0, 1000000};
        nv_store_maintain(p);
        nanosleep(&t, NULL);
    }
    return NULL;
}

/* What appends cost in real time; those during which the thread was taken off its CPU by itself. */
struct stalls {
    uint64_t above_1, above_5, alone_5;
    double longest, longest_alone;
};

static int append_timed(struct run *run, struct stalls *stalls)
{
    struct nv_frame *frame = nv_frames_make(run->frames, now_ms);
    struct rusage before, after;

    getrusage(RUSAGE_THREAD, &before);
    double entry = seconds(CLOCK_MONOTONIC);
    if (nv_store_append(run->store, run->source, frame) != 0)
        return 1;
    double ms = (seconds(CLOCK_MONOTONIC) - entry) * 1e3;
    getrusage(RUSAGE_THREAD, &after);
    nv_frame_unref(frame);
    bool preempted = after.ru_nivcsw != before.ru_nivcsw;
    stalls->above_1 += ms > 1;
    stalls->above_5 += ms > 5;
    stalls->alone_5 += ms > 5 && !preempted;
    stalls->longest = ms > stalls->longest ? ms : stalls->longest;
    if (!preempted && ms > stalls->longest_alone)
        stalls->longest_alone = ms;
    return 0;
}

static void tell_stalls(struct run *run, const char *what, size_t n_frames, struct stalls stalls)
{
    struct nv_store_stats stats;

    nv_store_stats(run->store, &stats);
    printf("{\"what\": \"%s\", \"frames\": %zu, \"longest_append_ms\": %.3f, "
           "\"longest_not_preempted_ms\": %.3f, \"above_1ms\": %llu, \"above_5ms\": %llu, "
           "\"above_5ms_not_preempted\": %llu, \"blocks\": %llu, \"merges\": %llu, "
           "\"dropped\": %llu}\n",
           what, n_frames, stalls.longest, stalls.longest_alone, (unsigned long long)stalls.above_1,
           (unsigned long long)stalls.above_5, (unsigned long long)stalls.alone_5,
           (unsigned long long)stats.blocks, (unsigned long long)stats.merges,
           (unsigned long long)(stats.dropped_disk + stats.dropped_full));
}

/*
 * So many real milliseconds stand for a step: hours of pages, their blocks and a merge come by in seconds. So maintenance
 * comes by as often; else full chunks would wait until the writer has to seal them.
 */
static int stall(const char *what, const char *dir, struct run *run, size_t n_frames, int64_t ms,
                 size_t renew_every)
{
    int64_t next = nv_monotonic_ns();
    struct stalls stalls = {0};
    pthread_t thread;

    open_run(run, dir, true);
    if (pthread_create(&thread, NULL, maintain, run->store) != 0)
        return 1;
    for (size_t i = 0; i < n_frames; i++) {
        struct timespec t = {next / 1000000000, next % 1000000000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        next += ms * 1000000;
        now_ms += run->step_ms;
        if (renew_every) {
            churn(run);
            if (i % renew_every == 0)
                nv_frames_renew(run->frames);
        }
        if (append_timed(run, &stalls) != 0)
            return 1;
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    tell_stalls(run, what, n_frames, stalls);
    close_run(run);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "", *dir = argc > 2 ? argv[2] : NULL;
    int64_t n = argc > 3 ? strtol(argv[3], NULL, 10) : 0;

    if (strcmp(what, "week") == 0)
        return simulate(what, dir, &(struct run){.step_ms = 1000}, 600, n ? n : 168);
    if (strcmp(what, "churn") == 0)
        return simulate(what, dir,
                        &(struct run){.step_ms = 15000, .replace = true, .per_step = 5000.0 / 240},
                        50000, n ? n : 24);
    if (strcmp(what, "growth") == 0)
        return simulate(what, dir, &(struct run){.step_ms = 1000, .per_step = 10}, 600, n ? n : 1);
    if (strcmp(what, "start") == 0)
        return start(dir, n ? n : 24);
    if (strcmp(what, "stall") == 0)
        return stall(
            what, dir,
            &(struct run){.step_ms = 1000, .frames = nv_frames_new(2000, 1), .keeps_all = true},
            n ? (size_t)n : 30000, 1, 0);
    if (strcmp(what, "renew") == 0)
        return stall(what, dir,
                     &(struct run){.step_ms = 15000,
                                   .frames = nv_frames_new(50000, 1),
                                   .replace = true,
                                   .per_step = 5000.0 / 240},
                     n ? (size_t)n : 200, 100, 20);
    fprintf(stderr,
            "usage: endurance week|churn|growth|start DIR [HOURS] | stall|renew DIR [FRAMES]\n");
    return 2;
}
