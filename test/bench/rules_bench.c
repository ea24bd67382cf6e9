/*
 * rules_bench.c - the rule engine over the store, without the agent: what test/bench/rules.py measures with it.
 *
 *   rules_bench data DIR NOW         for a peer: DIR/rules.yml; DIR/history.om, samples up to NOW (seconds) with their times;
 *                                    DIR/live/N.prom, what the next scrapes show
 *   rules_bench run DIR CYCLES       evaluates DIR/rules.yml over the same samples, one simulated interval after the other
 *
 * 2,000 series of support/frames.h every 15 s; 1,000 rules in 20 groups, half of them recording, half alerting, which ask
 * for one to two hundred series each. 100 alerting rules fire, twice each.
 */
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/number.h"
#include "rules/rules.h"
#include "support/frames.h"
#include "tsdb/store.h"

enum {
    SERIES = 2000,
    DEVICES = SERIES / 20,
    GROUPS = 20,
    RULES = 1000,
    STEP_MS = 15000,
    HISTORY = 80, /* steps: 20 minutes */
    LIVE = 40,
    SEED = 1,
};

static int64_t now_ms;

static int64_t clock_now(void *user)
{
    (void)user;
    return now_ms;
}

static int64_t wall_ns(void *user)
{
    (void)user;
    return now_ms * 1000000;
}

static int64_t real_ns(void *user)
{
    (void)user;
    return nv_monotonic_ns();
}

static double seconds(clockid_t clock)
{
    return (double)nv_clock_ns(clock) / 1e9;
}

/* ---- rules ---------------------------------------------------------------------------------- */

static void write_rule(FILE *to, int i)
{
    int device = i % DEVICES, kind = i / 10 % 20;
    const char *more =
        "labels: {severity: page}, annotations: {summary: '{{ $labels.device }} is at {{ "
        "$value | humanize }}'}";

    switch (i % 10) {
    case 0:
        fprintf(to, "  - {record: 'r:%d', expr: 'sum(bench_value{kind=\"k%d\"})'}\n", i, kind);
        break;
    case 1:
        fprintf(to, "  - {record: 'r:%d', expr: 'sum(rate(bench_value{device=\"%d\"}[5m]))'}\n", i,
                device);
        break;
    case 2:
        fprintf(
            to,
            "  - {record: 'r:%d', expr: "
            "'avg_over_time(bench_value{device=\"%d\",kind=\"k%d\"}[5m])', labels: {unit: n}}\n",
            i, device, kind);
        break;
    case 3:
        fprintf(to,
                "  - {record: 'r:%d', expr: 'bench_value{device=\"%d\",kind=\"k0\"} / on (device) "
                "bench_value{device=\"%d\",kind=\"k1\"}'}\n",
                i, device, device);
        break;
    case 4:
        fprintf(
            to,
            "  - {record: 'r:%d', expr: 'max by (device) (bench_value{device=~\"%d|%d|%d\"})'}\n",
            i, device, (device + 1) % DEVICES, (device + 2) % DEVICES);
        break;
    case 5:
        fprintf(to, "  - {alert: A%d, expr: 'bench_value{device=\"%d\"} > 1e300', for: 5m, %s}\n",
                i, device, more);
        break;
    case 6:
        fprintf(to,
                "  - {alert: A%d, expr: 'rate(bench_value{device=\"%d\",kind=\"k%d\"}[5m]) > "
                "1e300', for: 5m, %s}\n",
                i, device, kind, more);
        break;
    case 7:
        fprintf(to, "  - {alert: A%d, expr: 'absent(bench_value{device=\"%d\"})', for: 5m, %s}\n",
                i, device, more);
        break;
    case 8:
        fprintf(
            to,
            "  - {alert: A%d, expr: 'predict_linear(bench_value{device=\"%d\",kind=\"k%d\"}[10m], "
            "3600) < -1e300', %s}\n",
            i, device, kind, more);
        break;
    default:
        fprintf(
            to,
            "  - {alert: A%d, expr: 'bench_value{device=\"%d\",kind=~\"k(0|1)\"} > -1e300', %s}\n",
            i, device, more);
        break;
    }
}

static FILE *open_in(const char *dir, const char *name)
{
    char path[4096];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return nv_must(fopen(path, "we"));
}

static void write_rules(const char *dir)
{
    FILE *to = open_in(dir, "rules.yml");

    fputs("groups:\n", to);
    for (int i = 0; i < RULES; i++) {
        if (i % (RULES / GROUPS) == 0)
            fprintf(to, "- name: g%d\n  interval: 15s\n  rules:\n", i / (RULES / GROUPS));
        write_rule(to, i);
    }
    fclose(to);
}

/* ---- data ----------------------------------------------------------------------------------- */

/* One line, as exposition with the target's labels, and the time unless it is 0. */
static void write_sample(FILE *to, const struct nv_frame *frame, size_t column, int64_t time_ms)
{
    const struct nv_series *series = nv_layout_series(frame->layout, column);
    char number[NV_NUMBER_MAX];
    size_t n = nv_number_text(number, frame->values[column]);

    fprintf(to, "%.*s{", NV_ARGS(series->name));
    for (size_t i = 0; i < series->n_labels; i++)
        fprintf(to, "%.*s=\"%.*s\",", NV_ARGS(series->labels[i].name),
                NV_ARGS(series->labels[i].value));
    fprintf(to, "instance=\"bench:9100\",job=\"bench\"} %.*s", (int)n, number);
    if (time_ms)
        fprintf(to, " %lld.%03lld", (long long)time_ms / 1000, (long long)time_ms % 1000);
    fputc('\n', to);
}

static void write_frame(FILE *to, const struct nv_frame *frame, bool timed)
{
    for (size_t c = 0; c < frame->n_series; c++)
        if (nv_frame_has(frame, c))
            write_sample(to, frame, c, timed ? frame->time_ms : 0);
}

static int data(const char *dir, int64_t until_ms)
{
    NV_AUTO(nv_frames) *frames = nv_frames_new(SERIES, SEED);
    FILE *history = open_in(dir, "history.om");
    char path[4096], name[64];

    write_rules(dir);
    snprintf(path, sizeof(path), "%s/live", dir);
    mkdir(path, 0755);
    fputs("# TYPE bench_value gauge\n", history);
    for (int i = 0; i < HISTORY + LIVE; i++) {
        NV_AUTO(nv_frame) *frame =
            nv_frames_make(frames, until_ms - (int64_t)(HISTORY - 1 - i) * STEP_MS);
        if (i < HISTORY) {
            write_frame(history, frame, true);
            continue;
        }
        snprintf(name, sizeof(name), "live/%d.prom", i - HISTORY);
        FILE *live = open_in(dir, name);
        write_frame(live, frame, false);
        fclose(live);
    }
    fputs("# EOF\n", history);
    fclose(history);
    return 0;
}

/* ---- a run ---------------------------------------------------------------------------------- */

struct run {
    struct nv_store *store;
    struct nv_frames *frames;
    struct nv_rules *rules;
    uint32_t source;
    uint64_t sent, appended;
};

static int source_of(void *user, const char *name, uint32_t *ret)
{
    return nv_store_source(((struct run *)user)->store, name, ret);
}

static int append(void *user, uint32_t source, struct nv_frame *frame)
{
    struct run *run = user;

    run->appended++;
    return nv_store_append(run->store, source, frame);
}

static bool begins_page(void *user, uint32_t source)
{
    return nv_store_begins_page(((struct run *)user)->store, source);
}

static void send(void *user, const struct nv_rule_alert *alerts, size_t n)
{
    (void)alerts;
    ((struct run *)user)->sent += n;
}

static void sample(struct run *run)
{
    NV_AUTO(nv_frame) *frame = nv_frames_make(run->frames, now_ms);

    nv_assert(nv_store_append(run->store, run->source, frame) == 0);
    while (nv_store_maintain(run->store) > 0) /* as the store's thread does */
        ;
}

static void open_run(struct run *run)
{
    const struct nv_store_options options = {.now_ms = clock_now};
    char error[NV_STORE_ERROR_MAX];

    now_ms = 1700000000000;
    if (nv_store_open(&options, &run->store, error) < 0) {
        fprintf(stderr, "cannot open a store: %s\n", error);
        exit(1);
    }
    run->frames = nv_must(nv_frames_new(SERIES, SEED));
    nv_assert(nv_store_source(run->store, "bench", &run->source) == 0);
    for (int i = 0; i < HISTORY; i++, now_ms += STEP_MS)
        sample(run);
}

static void open_rules(struct run *run, const char *dir)
{
    const struct nv_rule_file_options file_options = {0};
    const struct nv_rules_options options = {
        .storage = {nv_store_queryable(run->store), run, source_of, append, begins_page},
        .clock = {wall_ns,                   real_ns,                      NULL                        },
        .send = send,
        .send_user = run,
        .resend_delay_ms = 60000,
    };
    const struct nv_rules_config config = {.interval_ms = STEP_MS};
    NV_AUTO(nv_rule_set) *set = nv_must(nv_rule_set_new());
    NV_AUTO_BUF mistakes = NV_BUF(1 << 20);
    char path[4096];

    snprintf(path, sizeof(path), "%s/rules.yml", dir);
    if (nv_rule_set_add_file(set, path, &file_options, &mistakes) < 0 ||
        nv_rules_new(&options, &run->rules) < 0 || nv_rules_apply(run->rules, set, &config) < 0) {
        fprintf(stderr, "%s", nv_buf_c_string(&mistakes));
        exit(1);
    }
}

static size_t heap(void)
{
    malloc_trim(0);
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void check(struct run *run)
{
    struct nv_rules_view view;
    uint64_t samples = 0, failures = 0, rules = 0;

    nv_assert(nv_rules_view(run->rules, NV_RULES_GROUPS, &view) == 0);
    for (size_t i = 0; i < view.n_groups; i++) {
        samples += view.groups[i].samples;
        failures += view.groups[i].failures;
        rules += view.groups[i].n_rules;
    }
    printf(", \"rules\": %llu, \"samples\": %llu, \"failures\": %llu, \"sent\": %llu",
           (unsigned long long)rules, (unsigned long long)samples, (unsigned long long)failures,
           (unsigned long long)run->sent);
    nv_rules_view_done(&view);
}

static void close_run(struct run *run)
{
    nv_rules_free(run->rules);
    nv_store_close(run->store);
    nv_frames_free(run->frames);
}

/* What the samples alone take in the meantime. */
static size_t growth_without(int cycles)
{
    struct run run = {0};

    open_run(&run);
    size_t before = heap();
    for (int i = 0; i < cycles; i++, now_ms += STEP_MS)
        sample(&run);
    size_t after = heap();
    close_run(&run);
    return after - before;
}

static int run_rules(const char *dir, int cycles)
{
    size_t without = growth_without(cycles);
    struct run run = {0};
    double cpu = 0, wall = 0;

    open_run(&run);
    size_t before = heap();
    open_rules(&run, dir);
    size_t loaded = heap();
    for (int i = 0; i < cycles; i++) {
        sample(&run);
        now_ms += STEP_MS;
        double start = seconds(CLOCK_THREAD_CPUTIME_ID);
        double clock = seconds(CLOCK_MONOTONIC);
        nv_rules_turn(run.rules);
        cpu += seconds(CLOCK_THREAD_CPUTIME_ID) - start;
        wall += seconds(CLOCK_MONOTONIC) - clock;
    }
    size_t after = heap();
    printf("{\"cpu_s\": %.6f, \"wall_s\": %.6f, \"loaded_bytes\": %zu, \"running_bytes\": %zu",
           cpu / cycles, wall / cycles, loaded - before, after - before - without);
    check(&run);
    puts("}");
    close_run(&run);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "data") == 0)
        return data(argv[2], strtoll(argv[3], NULL, 10) * 1000);
    if (argc == 4 && strcmp(argv[1], "run") == 0)
        return run_rules(argv[2], (int)strtol(argv[3], NULL, 10));
    fputs("usage: rules_bench data DIR NOW | run DIR CYCLES\n", stderr);
    return 1;
}
