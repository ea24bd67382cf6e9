#include "agent/second.h"

#include <pthread.h>

#include "agent/distribution.h"
#include "base/assert.h"

enum {
    MAGIC = 0x7365636f,
    CADENCE_MS = 15000, /* in the store, which has the seconds themselves */
    CPUS_MAX = 8192,
    OTHERS = 16, /* histograms that no device has */
    HISTOGRAMS_MAX = OTHERS + 3 * NV_SECOND_DISKS + 2 * NV_SECOND_LINKS,
};

/* ---- shapes --------------------------------------------------------------------------------- */

// clang-format off
/* CPU time counts in hundredths, so a second knows about a hundred values of one CPU. Below half nobody asks for more
 * than a rough idea; alerts and sizing look at what is nearly full, so that is where the bounds are dense. Above
 * 0.99 there was no idle tick at all. */
static const struct nv_distribution_shape cpu_shape = {
    {{0.05, "0.05"}, {0.1, "0.1"}, {0.25, "0.25"}, {0.5, "0.5"}, {0.7, "0.7"}, {0.8, "0.8"}, {0.85, "0.85"},
     {0.9, "0.9"}, {0.95, "0.95"}, {0.98, "0.98"}, {0.99, "0.99"}},
    .schema = 3, .zero_log2 = -10, .doublings = 11,
};
/* Counts; what matters is their size beside the number of CPUs, whatever that is: powers of two reach any. */
static const struct nv_distribution_shape tasks_shape = {
    {{0, "0"}, {1, "1"}, {2, "2"}, {4, "4"}, {8, "8"}, {16, "16"}, {32, "32"}, {64, "64"}, {128, "128"}, {256, "256"},
     {1024, "1024"}},
    .schema = 3, .zero_log2 = -1, .doublings = 17,
};
/* A healthy node is below a thousandth nearly always; 1 % is felt, 10 % hurts, and half is a node in trouble. The bounds
 * go by about two to three each, for nobody sets a threshold between. */
static const struct nv_distribution_shape pressure_shape = {
    {{0.001, "0.001"}, {0.002, "0.002"}, {0.005, "0.005"}, {0.01, "0.01"}, {0.025, "0.025"}, {0.05, "0.05"}, {0.1, "0.1"},
     {0.2, "0.2"}, {0.4, "0.4"}, {0.6, "0.6"}, {0.8, "0.8"}},
    .schema = 3, .zero_log2 = -10, .doublings = 11,
};
/* The other way round: what is nearly gone is looked at closely. The kernel begins to reclaim in earnest, and the OOM
 * killer to wake, within the last few percent. */
static const struct nv_distribution_shape memory_shape = {
    {{0.01, "0.01"}, {0.02, "0.02"}, {0.03, "0.03"}, {0.05, "0.05"}, {0.075, "0.075"}, {0.1, "0.1"}, {0.15, "0.15"},
     {0.2, "0.2"}, {0.3, "0.3"}, {0.5, "0.5"}, {0.75, "0.75"}},
    .schema = 3, .zero_log2 = -10, .doublings = 11,
};
/* Time with I/O in flight. A disk that takes one request at a time is full near 1, so the upper end is dense; many
 * idle disks are told from lightly used ones by the first two. */
static const struct nv_distribution_shape busy_shape = {
    {{0.01, "0.01"}, {0.05, "0.05"}, {0.1, "0.1"}, {0.25, "0.25"}, {0.5, "0.5"}, {0.6, "0.6"}, {0.7, "0.7"}, {0.8, "0.8"},
     {0.9, "0.9"}, {0.95, "0.95"}, {0.99, "0.99"}},
    .schema = 3, .zero_log2 = -10, .doublings = 11,
};
/* The mean of a second's requests, from counts of milliseconds. NVMe answers below 100 us, flash below 1 ms, a turning
 * disk within 10 ms; network storage stutters at 50 ms and more, and a second is an outage. */
static const struct nv_distribution_shape latency_shape = {
    {{0.0001, "0.0001"}, {0.00025, "0.00025"}, {0.0005, "0.0005"}, {0.001, "0.001"}, {0.0025, "0.0025"}, {0.005, "0.005"},
     {0.01, "0.01"}, {0.025, "0.025"}, {0.1, "0.1"}, {0.25, "0.25"}, {1, "1"}},
    .schema = 3, .zero_log2 = -14, .doublings = 20,
};
/* Bytes in a second: by tens up to 1 MB/s, then where links of 100 Mbit/s, 1, 2.5, 10, 25 and 100 Gbit/s are nine tenths
 * full (a little less, for headers count). */
static const struct nv_distribution_shape bytes_shape = {
    {{1e3, "1000"}, {1e4, "10000"}, {1e5, "100000"}, {1e6, "1e+06"}, {1.1e7, "1.1e+07"}, {5.5e7, "5.5e+07"},
     {1.1e8, "1.1e+08"}, {2.75e8, "2.75e+08"}, {1.1e9, "1.1e+09"}, {2.75e9, "2.75e+09"}, {1.1e10, "1.1e+10"}},
    .schema = 2, .zero_log2 = 6, .doublings = 34,
};

/* ---- families ------------------------------------------------------------------------------- */

enum family { CPU, TASKS, PRESSURE, MEMORY, DISK_BUSY, DISK_LATENCY, LINK };
static const struct {
    struct nv_family family;
    const char *const *names;
    const struct nv_distribution_shape *shape;
} families[] = {
    [CPU] = {{"nodevitals_cpu_utilization_ratio", NV_HISTOGRAM, NV_AS_IS,
              "Share of each second that CPUs were not idle, nor waiting for I/O, nor stolen: of all together, and of the busiest one."},
             NV_LABELS("cpu"), &cpu_shape},
    [TASKS] = {{"nodevitals_run_queue_tasks", NV_HISTOGRAM, NV_AS_IS,
                "Tasks that ran or could have run, once each second, without the one that counts them."},
               NV_NO_LABELS, &tasks_shape},
    [PRESSURE] = {{"nodevitals_pressure_ratio", NV_HISTOGRAM, NV_AS_IS,
                   "Share of each second that some task (waiting) or every task (stalled) was held up for lack of the resource."},
                  NV_LABELS("kind", "resource"), &pressure_shape},
    [MEMORY] = {{"nodevitals_memory_available_ratio", NV_HISTOGRAM, NV_AS_IS,
                 "Share of memory that was available without swapping, once each second."},
                NV_NO_LABELS, &memory_shape},
    [DISK_BUSY] = {{"nodevitals_disk_utilization_ratio", NV_HISTOGRAM, NV_AS_IS,
                    "Share of each second that the device had I/O in flight."},
                   NV_LABELS("device"), &busy_shape},
    [DISK_LATENCY] = {{"nodevitals_disk_latency_seconds", NV_HISTOGRAM, NV_AS_IS,
                       "Mean time of the requests completed in each second that had any."},
                      NV_LABELS("device", "direction"), &latency_shape},
    [LINK] = {{"nodevitals_network_throughput_bytes", NV_HISTOGRAM, NV_AS_IS,
               "Bytes the device moved in each second."},
              NV_LABELS("device", "direction"), &bytes_shape},
};

/* What is observed: from one series or two, those of a device by the label of that name. */
enum way {
    RATE,     /* growth of a for each second */
    MEAN,     /* growth of a for each step b grew; nothing where it did not */
    SHARE,    /* a of b */
    LESS_ONE, /* a, without ourselves */
};
static const struct input {
    enum family family;
    enum way way;
    const char *a, *b;
    const char *first, *second; /* labels; NULL for the device */
} inputs[] = {
    {TASKS,        LESS_ONE, "node_procs_running", NULL, "", ""},
    {PRESSURE,     RATE,  "node_pressure_cpu_waiting_seconds_total", NULL, "waiting", "cpu"},
    {PRESSURE,     RATE,  "node_pressure_io_waiting_seconds_total", NULL, "waiting", "io"},
    {PRESSURE,     RATE,  "node_pressure_io_stalled_seconds_total", NULL, "stalled", "io"},
    {PRESSURE,     RATE,  "node_pressure_memory_waiting_seconds_total", NULL, "waiting", "memory"},
    {PRESSURE,     RATE,  "node_pressure_memory_stalled_seconds_total", NULL, "stalled", "memory"},
    {PRESSURE,     RATE,  "node_pressure_irq_stalled_seconds_total", NULL, "stalled", "irq"},
    {MEMORY,       SHARE, "node_memory_MemAvailable_bytes", "node_memory_MemTotal_bytes", "", ""},
    {DISK_BUSY,    RATE,  "node_disk_io_time_seconds_total", NULL, NULL, ""},
    {DISK_LATENCY, MEAN,  "node_disk_read_time_seconds_total", "node_disk_reads_completed_total", NULL, "read"},
    {DISK_LATENCY, MEAN,  "node_disk_write_time_seconds_total", "node_disk_writes_completed_total", NULL, "write"},
    {LINK,         RATE,  "node_network_receive_bytes_total", NULL, NULL, "receive"},
    {LINK,         RATE,  "node_network_transmit_bytes_total", NULL, NULL, "transmit"},
};

/* Links by the thousand that are the node's ends of containers, or no way out at all. */
static const char *const left_out[] = {"lo", "veth*", "cali*", "lxc*", "tunl*", "dummy*", "ifb*"};
// clang-format on

/* ---- state ---------------------------------------------------------------------------------- */

/* A histogram, and where its observations come from. */
struct watch {
    const struct input *input; /* NULL for those of the CPUs */
    enum family family;
    struct nv_str labels[2]; /* in the arena */
    struct nv_distribution *distribution;
    uint32_t columns[2]; /* in the present layout; NONE: not there */
    bool seen;           /* `before` and `before_ns` are of a tick before */
    double before[2];
    int64_t before_ns;
};

/* One mode of one CPU. Those of a CPU follow each other. */
struct cpu_time {
    uint32_t column;
    bool first, idle; /* first: of its CPU */
    bool seen;
    double before;
};

enum { NONE = UINT32_MAX };

struct nv_second {
    uint32_t magic;
    struct nv_flag_value handle; /* carries our address to the collector */

    /* The observer's. */
    uint64_t generation;
    size_t n_series; /* of the layout that is known */
    struct cpu_time *cpus;
    size_t n_cpus;

    pthread_mutex_t lock; /* what follows */
    struct nv_arena memory;
    struct watch watches[HISTOGRAMS_MAX];
    size_t n_watches;
    struct watch *node, *busiest;
    struct nv_distribution_room room;
};

static struct watch *add_watch(struct nv_second *second, const struct input *input,
                               enum family family, struct nv_str first, struct nv_str other)
{
    if (second->n_watches == HISTOGRAMS_MAX)
        return NULL;
    struct watch *watch = &second->watches[second->n_watches];
    *watch = (struct watch){
        .input = input,
        .family = family,
        .labels = {nv_arena_str(&second->memory, first), nv_arena_str(&second->memory, other)},
        .distribution = nv_arena_alloc(&second->memory, sizeof(struct nv_distribution)),
        .columns = {NONE,                      NONE                           },
    };
    if (!watch->labels[0].p || !watch->labels[1].p || !watch->distribution)
        return NULL;
    *watch->distribution = (struct nv_distribution){.shape = families[family].shape};
    second->n_watches++;
    return watch;
}

struct nv_second *nv_second_new(void)
{
    NV_AUTO(nv_second) *second = calloc(1, sizeof(*second));

    if (!second)
        return NULL;
    pthread_mutex_init(&second->lock, NULL);
    second->magic = MAGIC;
    second->handle.text = (struct nv_str){(const char *)second, sizeof(*second)};
    second->memory = NV_ARENA(HISTOGRAMS_MAX * (sizeof(struct nv_distribution) + 1024));
    second->node = add_watch(second, NULL, CPU, NV_LIT("node"), NV_LIT(""));
    second->busiest = add_watch(second, NULL, CPU, NV_LIT("busiest"), NV_LIT(""));
    return second->node && second->busiest ? nv_take(second) : NULL;
}

void nv_second_free(struct nv_second *second)
{
    if (!second)
        return;
    nv_arena_done(&second->memory);
    pthread_mutex_destroy(&second->lock);
    free(second->cpus);
    free(second);
}

/* ---- looking up ----------------------------------------------------------------------------- */

static struct nv_str label_of(const struct nv_series *series, const char *name)
{
    for (size_t i = 0; i < series->n_labels; i++)
        if (nv_str_is(series->labels[i].name, name))
            return series->labels[i].value;
    return NV_LIT("");
}

/* The column of the family's series of a device ("" for one without labels), or NONE. */
static uint32_t find_column(const struct nv_layout *layout, const char *family_name,
                            struct nv_str device)
{
    const struct nv_layout_family *family = nv_layout_find(layout, nv_str(family_name));

    for (uint32_t i = 0; family && i < family->n_series; i++)
        if (nv_str_eq(label_of(nv_layout_series(layout, family->series[i]), "device"), device))
            return family->series[i];
    return NONE;
}

static bool is_left_out(struct nv_str device)
{
    for (size_t i = 0; i < NV_LEN(left_out); i++) {
        struct nv_str pattern = nv_str(left_out[i]);
        bool open = nv_str_ends(pattern, "*");
        pattern.n -= open;
        if (device.n >= pattern.n && memcmp(device.p, pattern.p, pattern.n) == 0 &&
            (open || device.n == pattern.n))
            return true;
    }
    return false;
}

static struct watch *find_watch(struct nv_second *second, const struct input *input,
                                struct nv_str device, size_t *ret_n)
{
    *ret_n = 0;
    for (size_t i = 0; i < second->n_watches; i++) {
        struct watch *watch = &second->watches[i];
        if (watch->input != input)
            continue;
        ++*ret_n;
        if (input->first || nv_str_eq(watch->labels[0], device))
            return watch;
    }
    return NULL;
}

/* Ties an input to the columns of one device. */
static void look_up_one(struct nv_second *second, const struct nv_layout *layout,
                        const struct input *input, uint32_t column)
{
    struct nv_str device = label_of(nv_layout_series(layout, column), "device");
    size_t n, max = input->family == LINK ? NV_SECOND_LINKS : NV_SECOND_DISKS;
    struct watch *watch = find_watch(second, input, device, &n);

    if (input->family == LINK && is_left_out(device))
        return;
    if (!watch && n < max)
        watch = add_watch(second, input, input->family,
                          input->first ? nv_str(input->first) : device, nv_str(input->second));
    if (!watch)
        return;
    watch->columns[0] = column;
    watch->columns[1] = input->b ? find_column(layout, input->b, device) : column;
}

static void look_up_inputs(struct nv_second *second, const struct nv_layout *layout)
{
    for (size_t i = 0; i < NV_LEN(inputs); i++) {
        const struct nv_layout_family *family = nv_layout_find(layout, nv_str(inputs[i].a));
        for (uint32_t k = 0; family && k < family->n_series; k++)
            look_up_one(second, layout, &inputs[i], family->series[k]);
    }
}

/* The family's order has the modes of a CPU side by side. Returns false for lack of memory. */
static bool look_up_cpus(struct nv_second *second, const struct nv_layout *layout)
{
    const struct nv_layout_family *family =
        nv_layout_find(layout, NV_LIT("node_cpu_seconds_total"));
    size_t n = family && family->n_series <= CPUS_MAX * 16 ? family->n_series : 0;
    struct nv_str last = {NULL, 0};

    if (layout->generation == second->generation && n == second->n_cpus)
        return true;
    struct cpu_time *cpus = calloc(n + 1, sizeof(*cpus));
    if (!cpus)
        return false;
    for (size_t i = 0; i < n; i++) {
        const struct nv_series *series = nv_layout_series(layout, family->series[i]);
        struct nv_str cpu = label_of(series, "cpu"), mode = label_of(series, "mode");
        cpus[i] = (struct cpu_time){
            .column = family->series[i],
            .first = !last.p || !nv_str_eq(cpu, last),
            .idle =
                nv_str_is(mode, "idle") || nv_str_is(mode, "iowait") || nv_str_is(mode, "steal"),
        };
        last = cpu;
    }
    free(second->cpus);
    second->cpus = cpus;
    second->n_cpus = n;
    return true;
}

/* Within a generation columns stay, and so does what was seen of them. */
static void look_up(struct nv_second *second, const struct nv_layout *layout)
{
    if (layout->generation == second->generation && layout->n_series == second->n_series)
        return;
    if (layout->generation != second->generation) {
        for (size_t i = 0; i < second->n_watches; i++) {
            second->watches[i].columns[0] = second->watches[i].columns[1] = NONE;
            second->watches[i].seen = false;
        }
    }
    look_up_inputs(second, layout);
    if (!look_up_cpus(second, layout))
        return; /* again with the next tick */
    second->generation = layout->generation;
    second->n_series = layout->n_series;
}

/* ---- observing ------------------------------------------------------------------------------ */

/* Whether anything is said of a column; and whether it has a value. */
static bool is_observed(const struct nv_frame *frame, uint32_t column)
{
    return nv_bit(frame->observed, nv_layout_series(frame->layout, column)->section);
}

static void observe_difference(struct watch *watch, const double now[2], int64_t ns)
{
    double grown[] = {now[0] - watch->before[0], now[1] - watch->before[1]};
    double seconds = (double)(ns - watch->before_ns) / 1e9;

    if (grown[0] < 0 || grown[1] < 0 || seconds <= 0)
        return;
    if (watch->input->way == RATE)
        nv_distribution_observe(watch->distribution, grown[0] / seconds);
    else if (grown[1] > 0)
        nv_distribution_observe(watch->distribution, grown[0] / grown[1]);
}

static void observe_watch(struct watch *watch, const struct nv_frame *frame, int64_t ns)
{
    uint32_t a = watch->columns[0], b = watch->columns[1];

    if (a == NONE || b == NONE || !is_observed(frame, a))
        return;
    if (!nv_frame_has(frame, a) || !nv_frame_has(frame, b)) {
        watch->seen = false;
        return;
    }
    const double now[] = {frame->values[a], frame->values[b]};
    if (watch->input->way == SHARE && now[1] > 0)
        nv_distribution_observe(watch->distribution, now[0] / now[1]);
    else if (watch->input->way == LESS_ONE)
        nv_distribution_observe(watch->distribution, now[0] >= 1 ? now[0] - 1 : 0);
    else if (watch->seen)
        observe_difference(watch, now, ns);
    watch->before[0] = now[0];
    watch->before[1] = now[1];
    watch->before_ns = ns;
    watch->seen = true;
}

/* The growth of one CPU's times. False where any of them is new, gone or has fallen. */
static bool cpu_growth(struct cpu_time *times, size_t n, const struct nv_frame *frame,
                       double *ret_busy, double *ret_all)
{
    double busy = 0, all = 0;
    bool whole = true;

    for (size_t i = 0; i < n; i++) {
        bool has = nv_frame_has(frame, times[i].column);
        double now = has ? frame->values[times[i].column] : 0, grown = now - times[i].before;
        whole &= has && times[i].seen && grown >= 0;
        all += grown;
        busy += times[i].idle ? 0 : grown;
        times[i].seen = has;
        times[i].before = now;
    }
    *ret_busy = busy;
    *ret_all = all;
    return whole && all > 0;
}

static void observe_cpus(struct nv_second *second, const struct nv_frame *frame)
{
    double busy = 0, all = 0, busiest = -1;

    if (!second->n_cpus || !is_observed(frame, second->cpus[0].column))
        return;
    for (size_t i = 0, n; i < second->n_cpus; i += n) {
        double own_busy, own_all;
        for (n = 1; i + n < second->n_cpus && !second->cpus[i + n].first; n++)
            ;
        if (!cpu_growth(&second->cpus[i], n, frame, &own_busy, &own_all))
            continue;
        busy += own_busy;
        all += own_all;
        if (own_busy / own_all > busiest)
            busiest = own_busy / own_all;
    }
    if (all <= 0)
        return;
    nv_distribution_observe(second->node->distribution, busy / all);
    nv_distribution_observe(second->busiest->distribution, busiest);
}

void nv_second_observe(void *user, const struct nv_frame *frame, int64_t monotonic_ns)
{
    struct nv_second *second = user;

    nv_assert(second->magic == MAGIC);
    pthread_mutex_lock(&second->lock);
    look_up(second, frame->layout);
    observe_cpus(second, frame);
    for (size_t i = 0; i < second->n_watches; i++)
        if (second->watches[i].input)
            observe_watch(&second->watches[i], frame, monotonic_ns);
    pthread_mutex_unlock(&second->lock);
}

/* ---- showing -------------------------------------------------------------------------------- */

static void show(struct nv_pass *pass, struct nv_second *second, const struct watch *watch)
{
    const struct nv_distribution *d = watch->distribution;
    const struct nv_family *family = &families[watch->family].family;
    const char *const *own = families[watch->family].names;
    const char *names[] = {NULL, NULL, NULL, NULL};
    struct nv_str labels[] = {watch->labels[0], watch->labels[1], NV_LIT("+Inf")};
    struct nv_histogram native;
    uint64_t sum = 0;
    size_t n = 0;

    for (; own[n]; n++)
        names[n] = own[n];
    nv_distribution_native(d, &second->room, &native);
    nv_gather_emit_histogram(pass, family, names, labels, &native);
    names[n] = "le";
    for (size_t i = 0; i <= NV_DISTRIBUTION_BOUNDS; i++) {
        sum += d->classic[i];
        labels[n] = i < NV_DISTRIBUTION_BOUNDS ? nv_str(d->shape->classic[i].text) : NV_LIT("+Inf");
        nv_emit_part(pass, family, "_bucket", names, labels, (double)sum);
    }
    names[n] = NULL;
    nv_emit_part(pass, family, "_sum", names, labels, d->sum);
    nv_emit_part(pass, family, "_count", names, labels, (double)d->count);
}

static int collect(struct nv_pass *pass)
{
    struct nv_second *second = (void *)(uintptr_t)nv_flag(pass, 0)->text.p;

    nv_assert(second && second->magic == MAGIC);
    pthread_mutex_lock(&second->lock);
    for (size_t i = 0; i < second->n_watches; i++)
        show(pass, second, &second->watches[i]);
    pthread_mutex_unlock(&second->lock);
    return 0;
}

static const struct nv_flag flags[] = {
    {.name = "second", .kind = NV_FLAG_TEXT},
    {0               }
};

static const struct nv_collector collector = {
    NV_ABI_STAMP,   .name = "self.second",    .summary = "What each second was like.",
    .flags = flags, .cadence_ms = CADENCE_MS, .collect = collect,
};

int nv_second_add(struct nv_second *second, struct nv_gather *gather)
{
    return nv_gather_add(gather, &collector, NV_GATHER_SELF, &second->handle);
}
