/*
 * resource.c - /metrics/resource: CPU and memory of the node, its pods and containers, as metrics-server reads them.
 *
 *   from       the kubelet's own answer, series by series; or container families, whose rows of one cgroup are joined by id
 *   container  a row with a container's name that is not POD. Both CPU and memory, or neither: metrics-server drops the whole
 *              pod of a container that has one of them or a zero. Of two of a name, the one that began last
 *   pod        a row of a pod without container, image and name: not the sandbox, which has a name
 *   node       the root cgroup
 *   labels     container, namespace, pod in this order, and no others: metrics-server searches the text for each name
 *   swap       its limit is the kubelet's to tell: what cgroups say includes memory under v1 and not under v2
 *   times      those that samples bring, as the kubelet's do; else that of the frame: rates are right where the answer is
 *              older than the request
 */
#include "web/server.h"

#include <errno.h>

#include "base/number.h"

enum { MEMORY_MAX = 64 << 20 };

enum value { CPU, MEMORY, START, SWAP, N_VALUES };
static const char *const sources[] = {
    [CPU] = "container_cpu_usage_seconds_total",
    [MEMORY] = "container_memory_working_set_bytes",
    [START] = "container_start_time_seconds",
    [SWAP] = "container_memory_swap",
};

enum level { CONTAINER, NODE, POD, NONE /* told by the kubelet alone */ };

struct family {
    const char *name, *type, *help;
    enum level level;
    enum value value;
    bool timed;
};

/* By name, as they are written. */
// clang-format off
static const struct family families[] = {
    {"container_cpu_usage_seconds_total",  "counter", "CPU time a container has taken, in seconds.",              CONTAINER, CPU,        true },
    {"container_memory_working_set_bytes", "gauge",   "Memory of a container that cannot be dropped at once.",    CONTAINER, MEMORY,     true },
    {"container_start_time_seconds",       "gauge",   "When a container began, in seconds since the epoch.",      CONTAINER, START,      false},
    {"container_swap_limit_bytes",         "gauge",   "Swap a container may use.",                                NONE,      SWAP,       true },
    {"container_swap_usage_bytes",         "gauge",   "Swap a container uses.",                                   CONTAINER, SWAP,       true },
    {"node_cpu_usage_seconds_total",       "counter", "CPU time all cgroups have taken, in seconds.",             NODE,      CPU,        true },
    {"node_memory_working_set_bytes",      "gauge",   "Memory of the node that cannot be dropped at once.",       NODE,      MEMORY,     true },
    {"node_swap_usage_bytes",              "gauge",   "Swap the node uses.",                                      NODE,      SWAP,       true },
    {"pod_cpu_usage_seconds_total",        "counter", "CPU time a pod has taken, in seconds.",                    POD,       CPU,        true },
    {"pod_memory_working_set_bytes",       "gauge",   "Memory of a pod that cannot be dropped at once.",          POD,       MEMORY,     true },
    {"pod_swap_usage_bytes",               "gauge",   "Swap a pod uses.",                                         POD,       SWAP,       true },
};
// clang-format on

static void ending(struct nv_buf *out, bool failed)
{
    nv_buf_printf(out,
                  "# HELP resource_scrape_error 1 where something could not be read.\n"
                  "# TYPE resource_scrape_error gauge\n"
                  "resource_scrape_error %d\n"
                  "# HELP scrape_error The same, under its name of before.\n"
                  "# TYPE scrape_error gauge\n"
                  "scrape_error %d\n",
                  failed, failed);
}

static void head(struct nv_buf *out, const struct family *family)
{
    nv_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                  family->type);
}

/* Behind the series: the value, the time and the end of the line. */
static void number(struct nv_buf *out, double value, int64_t time_ms)
{
    char text[NV_NUMBER_MAX];

    nv_buf_add(out, text, nv_number_text(text, value));
    if (time_ms)
        nv_buf_printf(out, " %lld", (long long)time_ms);
    nv_buf_char(out, '\n');
}

static void label(struct nv_buf *out, const char *name, struct nv_str value)
{
    nv_buf_text(out, name);
    nv_buf_text(out, "=\"");
    nv_name_escape_value(out, value);
    nv_buf_char(out, '"');
}

/* ---- from the kubelet's own answer -------------------------------------------------------------- */

/* The kubelet has these labels and no others; what a relabelling added would be in the way of the search. */
static void direct_series(struct nv_buf *out, const struct family *family,
                          const struct nv_series *series)
{
    static const char *const names[] = {"container", "namespace", "pod"};
    bool open = false;

    nv_buf_text(out, family->name);
    for (size_t i = 0; i < series->n_labels; i++) {
        for (size_t k = 0; k < NV_LEN(names); k++) {
            if (!nv_str_is(series->labels[i].name, names[k]))
                continue;
            nv_buf_char(out, open ? ',' : '{');
            label(out, names[k], series->labels[i].value);
            open = true;
        }
    }
    nv_buf_text(out, open ? "} " : " ");
}

/* 0: none. */
static int64_t time_of(const struct nv_frame *frame, const struct family *family, uint32_t column)
{
    bool own = frame->own_ms && frame->own_ms[column];

    return own || family->timed ? nv_frame_time(frame, column) : 0;
}

static void write_family(const struct nv_frame *frame, const struct family *family,
                         struct nv_buf *out)
{
    const struct nv_layout_family *found = nv_layout_find(frame->layout, nv_str(family->name));
    bool begun = false;

    for (uint32_t i = 0; found && i < found->n_series; i++) {
        uint32_t column = found->series[i];
        if (!nv_frame_has(frame, column))
            continue;
        if (!begun)
            head(out, family);
        begun = true;
        direct_series(out, family, nv_layout_series(frame->layout, column));
        number(out, frame->values[column], time_of(frame, family, column));
    }
}

/* The frame that has a family: the target's answer may be in two, by whether samples have times of their own. */
static const struct nv_frame *frame_of(const struct nv_expo_part *parts, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        const struct nv_layout_family *found = nv_layout_find(parts[i].frame->layout, nv_str(name));
        for (uint32_t k = 0; found && k < found->n_series; k++) {
            if (nv_frame_has(parts[i].frame, found->series[k]))
                return parts[i].frame;
        }
    }
    return NULL;
}

/* Whether a present series of a family has this value (and this value of its only label, unless NULL). */
static bool says(const struct nv_frame *frame, const char *name, const char *label, double value)
{
    const struct nv_layout_family *found =
        frame ? nv_layout_find(frame->layout, nv_str(name)) : NULL;

    for (uint32_t i = 0; found && i < found->n_series; i++) {
        const struct nv_series *series = nv_layout_series(frame->layout, found->series[i]);
        bool fits = !label || (series->n_labels == 1 && nv_str_is(series->labels[0].value, label));
        if (fits && nv_frame_has(frame, found->series[i]))
            return frame->values[found->series[i]] == value;
    }
    return false;
}

static int write_direct(const struct nv_expo_part *parts, size_t n, struct nv_buf *out)
{
    static const char error[] = "resource_scrape_error";

    for (size_t i = 0; i < NV_LEN(families); i++) {
        const struct nv_frame *frame = frame_of(parts, n, families[i].name);
        if (frame)
            write_family(frame, &families[i], out);
    }
    if (!out->n)
        return -ENODATA;
    ending(out, says(frame_of(parts, n, error), error, NULL, 1));
    return 0;
}

/* ---- from container families -------------------------------------------------------------------- */

/* One value of a cgroup; later, all of it. */
struct row {
    struct nv_str id, container, ns, pod, name, image;
    enum value which;
    size_t part;
    double value;
    double values[N_VALUES];
    int64_t times_ms[N_VALUES];
    unsigned has; /* bit by value */
    int64_t time_ms;
    enum level level;
};

static void read_labels(struct row *row, const struct nv_series *series)
{
    const struct {
        const char *name;
        struct nv_str *to;
    } wanted[] = {
        {"container", &row->container},
        {"id",        &row->id       },
        {"image",     &row->image    },
        {"name",      &row->name     },
        {"namespace", &row->ns       },
        {"pod",       &row->pod      },
    };

    for (size_t i = 0; i < series->n_labels; i++) {
        for (size_t k = 0; k < NV_LEN(wanted); k++) {
            if (nv_str_is(series->labels[i].name, wanted[k].name))
                *wanted[k].to = series->labels[i].value;
        }
    }
}

static enum level level_of(const struct row *row)
{
    if (nv_str_is(row->id, "/"))
        return NODE;
    if (!row->pod.n || nv_str_is(row->container, "POD"))
        return NONE;
    if (row->container.n)
        return CONTAINER;
    return row->name.n || row->image.n ? NONE : POD;
}

/* Appends what is present of one family, or counts it where there is no room given. */
static size_t collect_family(const struct nv_frame *frame, enum value which, size_t part,
                             struct row *to)
{
    const struct nv_layout_family *found = nv_layout_find(frame->layout, nv_str(sources[which]));
    size_t n = 0;

    for (uint32_t i = 0; found && i < found->n_series; i++) {
        uint32_t column = found->series[i];
        if (!nv_frame_has(frame, column))
            continue;
        if (to) {
            to[n] = (struct row){.which = which,
                                 .part = part,
                                 .value = frame->values[column],
                                 .time_ms = nv_frame_time(frame, column)};
            read_labels(&to[n], nv_layout_series(frame->layout, column));
        }
        n++;
    }
    return n;
}

static size_t collect(const struct nv_expo_part *parts, size_t n_parts, struct row *to)
{
    size_t n = 0;

    for (size_t i = 0; i < n_parts; i++)
        for (enum value which = 0; which < N_VALUES; which++)
            n += collect_family(parts[i].frame, which, i, to ? to + n : NULL);
    return n;
}

static int by_id(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = nv_str_cmp(x->id, y->id);

    if (order == 0)
        order = (x->part > y->part) - (x->part < y->part);
    return order ? order : (int)x->which - (int)y->which;
}

static int by_names(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = (int)x->level - (int)y->level;

    if (order == 0)
        order = nv_str_cmp(x->container, y->container);
    if (order == 0)
        order = nv_str_cmp(x->ns, y->ns);
    if (order == 0)
        order = nv_str_cmp(x->pod, y->pod);
    return order;
}

static int by_names_and_start(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = by_names(a, b);

    return order ? order
                 : (x->values[START] > y->values[START]) - (x->values[START] < y->values[START]);
}

/* Swap below zero, as an unsigned number: older kubelets did so. */
static double sane(enum value which, double value)
{
    return which == SWAP && value > 0x1p63 ? 0 : value;
}

/* Rows of one cgroup become one, in place: those of the first part that has it. Processors of their own (cpu="cpu00") are
 * added up. Returns how many. */
static size_t join(struct row *rows, size_t n)
{
    size_t n_joined = 0;

    qsort(rows, n, sizeof(*rows), by_id);
    for (size_t i = 0, end; i < n; i = end) {
        struct row all = rows[i];
        for (end = i; end < n && nv_str_eq(rows[end].id, all.id); end++) {
            if (rows[end].part != all.part)
                continue;
            all.values[rows[end].which] += sane(rows[end].which, rows[end].value);
            all.times_ms[rows[end].which] = rows[end].time_ms;
            all.has |= 1u << rows[end].which;
        }
        all.level = level_of(&all);
        rows[n_joined++] = all;
    }
    return n_joined;
}

static bool has(const struct row *row, enum value which)
{
    return row->has >> which & 1;
}

/* Whether metrics-server can do anything with it but drop the pod. */
static bool is_measured(const struct row *row)
{
    return has(row, CPU) && has(row, MEMORY) && row->values[CPU] > 0 && row->values[MEMORY] > 0;
}

/* Puts them in order, without what is not to be told. Returns how many are left. */
static size_t choose(struct row *rows, size_t n)
{
    size_t kept = 0, chosen = 0;

    for (size_t i = 0; i < n; i++) {
        if (rows[i].level != NONE && is_measured(&rows[i]))
            rows[kept++] = rows[i];
    }
    qsort(rows, kept, sizeof(*rows), by_names_and_start);
    for (size_t i = 0; i < kept; i++) {
        if (i + 1 == kept || by_names(&rows[i], &rows[i + 1]) != 0)
            rows[chosen++] = rows[i];
    }
    return chosen;
}

static void series(struct nv_buf *out, const struct family *family, const struct row *row)
{
    nv_buf_text(out, family->name);
    if (family->level != NODE) {
        nv_buf_char(out, '{');
        if (family->level == CONTAINER) {
            label(out, "container", row->container);
            nv_buf_char(out, ',');
        }
        label(out, "namespace", row->ns);
        label(out, ",pod", row->pod);
        nv_buf_char(out, '}');
    }
    nv_buf_char(out, ' ');
}

static int write_joined(const struct nv_expo_part *parts, size_t n_parts, struct nv_arena *memory,
                        struct nv_buf *out)
{
    size_t n = collect(parts, n_parts, NULL);
    struct row *rows = nv_arena_alloc(memory, (n + 1) * sizeof(*rows));

    bool failed = false;

    if (!rows || n == 0)
        return rows ? -ENODATA : -ENOMEM;
    for (size_t i = 0; i < n_parts; i++)
        failed |= says(parts[i].frame, "node_scrape_collector_success", NV_WEB_CONTAINER, 0);
    collect(parts, n_parts, rows);
    n = choose(rows, join(rows, n));
    for (size_t i = 0; i < NV_LEN(families); i++) {
        const struct family *family = &families[i];
        bool begun = false;
        for (size_t k = 0; k < n; k++) {
            if (rows[k].level != family->level || !has(&rows[k], family->value))
                continue;
            if (!begun)
                head(out, family);
            begun = true;
            series(out, family, &rows[k]);
            number(out, rows[k].values[family->value],
                   family->timed ? rows[k].times_ms[family->value] : 0);
        }
    }
    ending(out, failed);
    return 0;
}

int nv_resource_write(const struct nv_expo_part *parts, size_t n, bool direct, struct nv_buf *out)
{
    struct nv_arena memory = NV_ARENA(MEMORY_MAX);
    int r = direct ? write_direct(parts, n, out) : write_joined(parts, n, &memory, out);

    nv_arena_done(&memory);
    return r < 0 ? r : out->failed;
}
