/*
 * top_ask.c - all that is shown, in one question: expressions joined by `or`, each told by a label of its own.
 *
 * Rates are irate()'s, of the last two samples, so that a window need not know how often the store is written; it is only
 * longer where old samples may have been thinned out.
 */
#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "cli/top.h"
#include "tsdb/store.h"

enum { EXPR_MAX = 32 << 10, TIMEOUT_MS = 5000, RECENT_MS = 3600000, ENDED_MS = 90000 };

#define MARK  "nv_part"
#define DISKS "{device!~\"(loop|ram|zram|sr|fd|nbd)[0-9]+.*|dm-[0-9]+\"}"
#define LINKS                                                                                      \
    "{device!~\"lo|veth.*|cali.*|cilium.*|lxc.*|tunl.*|flannel.*|cni.*|docker.*|br-.*|virbr.*|"    \
    "tap.*|kube-ipvs.*|dummy.*|ifb.*\"}"
#define FILES "{fstype!~\"tmpfs|ramfs|devtmpfs|squashfs|iso9660|overlay|efivarfs\"}"
#define BUSY  "node_cpu_seconds_total{mode!~\"idle|iowait|steal\"}"
#define GROUP "by (id, namespace, pod, container, name)"

/* $w stands for the window. */
// clang-format off
static const char *const parts[NV_TOP_N_PARTS] = {
    [NV_TOP_UNAME]            = "node_uname_info",
    [NV_TOP_UPTIME]           = "time() - node_boot_time_seconds",
    [NV_TOP_LOAD1]            = "node_load1",
    [NV_TOP_LOAD5]            = "node_load5",
    [NV_TOP_LOAD15]           = "node_load15",
    [NV_TOP_CPU]              = "100 * sum by (cpu) (irate(" BUSY "[$w]))",
    [NV_TOP_CPU_MODE]         = "100 * avg by (mode) (irate(node_cpu_seconds_total[$w]))",
    [NV_TOP_MEMORY_TOTAL]     = "node_memory_MemTotal_bytes",
    [NV_TOP_MEMORY_AVAILABLE] = "node_memory_MemAvailable_bytes",
    [NV_TOP_MEMORY_CACHE]     = "node_memory_Buffers_bytes + node_memory_Cached_bytes",
    [NV_TOP_SWAP_TOTAL]       = "node_memory_SwapTotal_bytes > 0",
    [NV_TOP_SWAP_FREE]        = "node_memory_SwapFree_bytes",
    [NV_TOP_PRESSURE_CPU]     = "100 * irate(node_pressure_cpu_waiting_seconds_total[$w])",
    [NV_TOP_PRESSURE_MEMORY]  = "100 * irate(node_pressure_memory_waiting_seconds_total[$w])",
    [NV_TOP_PRESSURE_IO]      = "100 * irate(node_pressure_io_waiting_seconds_total[$w])",
    [NV_TOP_STALLED_MEMORY]   = "100 * irate(node_pressure_memory_stalled_seconds_total[$w])",
    [NV_TOP_STALLED_IO]       = "100 * irate(node_pressure_io_stalled_seconds_total[$w])",
    [NV_TOP_DISK_READ]        = "irate(node_disk_read_bytes_total" DISKS "[$w])",
    [NV_TOP_DISK_WRITTEN]     = "irate(node_disk_written_bytes_total" DISKS "[$w])",
    [NV_TOP_DISK_BUSY]        = "100 * irate(node_disk_io_time_seconds_total" DISKS "[$w])",
    [NV_TOP_DISK_LATENCY]     = "(irate(node_disk_read_time_seconds_total" DISKS "[$w])"
                                " + irate(node_disk_write_time_seconds_total" DISKS "[$w])) / "
                                "((irate(node_disk_reads_completed_total" DISKS "[$w])"
                                " + irate(node_disk_writes_completed_total" DISKS "[$w])) > 0)",
    [NV_TOP_NET_RECEIVED]     = "irate(node_network_receive_bytes_total" LINKS "[$w])",
    [NV_TOP_NET_SENT]         = "irate(node_network_transmit_bytes_total" LINKS "[$w])",
    [NV_TOP_FS_SIZE]          = "max by (mountpoint, device) (node_filesystem_size_bytes" FILES ") > 0",
    [NV_TOP_FS_AVAILABLE]     = "max by (mountpoint, device) (node_filesystem_avail_bytes" FILES ")",
    [NV_TOP_GROUP_CPU]        = "topk(512, 100 * sum " GROUP " (irate(container_cpu_usage_seconds_total{id!=\"\"}[$w])"
                                " and container_cpu_usage_seconds_total{id!=\"\"}))",
    [NV_TOP_GROUP_MEMORY]     = "topk(512, sum " GROUP " (container_memory_working_set_bytes{id!=\"\"}))",
    [NV_TOP_ALERTS]           = "ALERTS{alertstate=\"firing\"}",
};
// clang-format on

/* ---- what came back ------------------------------------------------------------------------- */

struct nv_top_data *nv_top_data_new(void)
{
    struct nv_top_data *data = calloc(1, sizeof(*data));

    if (!data)
        return NULL;
    data->now.memory = NV_ARENA(NV_QUERY_MEMORY_MAX);
    data->history.memory = NV_ARENA(NV_QUERY_MEMORY_MAX);
    return data;
}

void nv_top_data_free(struct nv_top_data *data)
{
    if (!data)
        return;
    nv_answer_done(&data->now);
    nv_answer_done(&data->history);
    free(data);
}

struct nv_str nv_top_label(const struct nv_answer_series *series, const char *name)
{
    return nv_label_value(series->labels, series->n_labels, nv_str(name));
}

void nv_top_data_sort(struct nv_top_data *data)
{
    for (size_t i = 0; i < data->now.n; i++) {
        const struct nv_answer_series *series = &data->now.series[i];
        uint64_t part = 0;
        if (!series->n || !nv_str_to_u64(nv_top_label(series, MARK), &part) ||
            part >= NV_TOP_N_PARTS)
            continue;
        struct nv_top_rows *rows = &data->parts[part];
        if (rows->n < NV_TOP_ROWS_MAX)
            rows->at[rows->n++] = series;
    }
}

double nv_top_last(const struct nv_answer_series *series)
{
    return series->n ? series->values[series->n - 1] : NAN;
}

double nv_top_value(const struct nv_top_data *data, enum nv_top_part part)
{
    const struct nv_top_rows *rows = &data->parts[part];

    return rows->n ? nv_top_last(rows->at[0]) : NAN;
}

double nv_top_value_of(const struct nv_top_data *data, enum nv_top_part part, const char *label,
                       struct nv_str value)
{
    const struct nv_top_rows *rows = &data->parts[part];

    for (size_t i = 0; i < rows->n; i++) {
        if (nv_str_eq(nv_top_label(rows->at[i], label), value))
            return nv_top_last(rows->at[i]);
    }
    return NAN;
}

/* ---- asking --------------------------------------------------------------------------------- */

int64_t nv_top_step(int64_t span_ms)
{
    int64_t seconds = (span_ms / 1000 + NV_TOP_POINTS - 1) / NV_TOP_POINTS;

    return (seconds > 1 ? seconds : 1) * 1000;
}

static void fill(struct nv_buf *out, const char *expr, const char *window)
{
    for (const char *at; (at = strstr(expr, "$w")); expr = at + 2) {
        nv_buf_add(out, expr, (size_t)(at - expr));
        nv_buf_text(out, window);
    }
    nv_buf_text(out, expr);
}

static void write_union(struct nv_buf *out, const char *window)
{
    for (size_t i = 0; i < NV_LEN(parts); i++) {
        nv_buf_text(out, i ? " or label_replace(" : "label_replace(");
        fill(out, parts[i], window);
        nv_buf_printf(out, ", \"" MARK "\", \"%zu\", \"\", \"\")", i);
    }
}

static void write_history(struct nv_buf *out, int64_t step_ms, const char *window)
{
    int64_t seconds = step_ms / 1000;

    nv_buf_text(out, "100 * sum by (cpu) (");
    if (seconds < 30) /* samples are some seconds or a minute apart */
        nv_buf_printf(out, "irate(" BUSY "[%s]))", window);
    else
        nv_buf_printf(out, "rate(" BUSY "[%llus]))", 4 * (unsigned long long)seconds);
}

/* The last sample of a folder that nobody writes is what "now" means. */
static int64_t now_of(struct nv_store *store, bool *ret_ended)
{
    const struct nv_queryable *queryable = nv_store_queryable(store);
    int64_t from_ms, to_ms, now_ms = nv_wall_ms();

    queryable->range(queryable->store, &from_ms, &to_ms);
    *ret_ended = from_ms <= to_ms && to_ms < now_ms - ENDED_MS;
    return from_ms <= to_ms && to_ms < now_ms ? to_ms : now_ms;
}

static int ask_both(struct nv_top_source *source, const struct nv_queryable *queryable,
                    const struct nv_top_wish *wish, int64_t now_ms, struct nv_top_data *ret)
{
    NV_AUTO_BUF all = NV_BUF(EXPR_MAX), cpus = NV_BUF(EXPR_MAX);
    int64_t step_ms = nv_top_step(wish->span_ms);
    struct nv_query query = {.kind = NV_QUERY_INSTANT, .timeout_ms = TIMEOUT_MS};

    ret->time_ms = wish->at_ms ? wish->at_ms : now_ms;
    const char *window = ret->time_ms < nv_wall_ms() - RECENT_MS ? "15m" : "2m";
    write_union(&all, window);
    query.expr = nv_buf_view(&all);
    query.end_ms = ret->time_ms;
    int r = queryable ? nv_query_ask(&query, queryable, &ret->now)
                      : nv_query_api(&query, &source->server, &ret->now);
    if (r || !wish->history)
        return r;
    write_history(&cpus, step_ms, window);
    query.kind = NV_QUERY_RANGE;
    query.expr = nv_buf_view(&cpus);
    query.step_ms = step_ms;
    query.end_ms = ret->time_ms - ret->time_ms % step_ms;
    query.start_ms = query.end_ms - (NV_TOP_POINTS - 1) * step_ms;
    ret->has_history = true;
    return queryable ? nv_query_ask(&query, queryable, &ret->history)
                     : nv_query_api(&query, &source->server, &ret->history);
}

static int ask_folder(struct nv_top_source *source, const struct nv_top_wish *wish,
                      struct nv_top_data *ret)
{
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    if (nv_store_open_to_read(source->folder, &store, error) < 0)
        return nv_query_fail("cannot open the store in %s: %s", source->folder, error);
    int64_t now_ms = now_of(store, &source->ended);
    int r = ask_both(source, nv_store_queryable(store), wish, now_ms, ret);
    nv_store_close(store);
    return r;
}

int nv_top_now(struct nv_top_source *source, int64_t *ret_ms)
{
    char error[NV_STORE_ERROR_MAX];
    struct nv_store *store;

    *ret_ms = nv_wall_ms();
    if (!source->folder)
        return 0;
    if (nv_store_open_to_read(source->folder, &store, error) < 0)
        return nv_cli_error(1, "cannot open the store in %s: %s", source->folder, error);
    *ret_ms = now_of(store, &source->ended);
    nv_store_close(store);
    return 0;
}

void nv_top_ask(struct nv_top_source *source, const struct nv_top_wish *wish,
                struct nv_top_data *ret)
{
    NV_AUTO_BUF told = NV_BUF(NV_TOP_ERROR_MAX);

    nv_cli_divert(&told);
    int r = source->folder ? ask_folder(source, wish, ret)
                           : ask_both(source, NULL, wish, nv_wall_ms(), ret);
    nv_cli_divert(NULL);
    if (r)
        snprintf(ret->error, sizeof(ret->error), "%s",
                 told.n ? nv_buf_c_string(&told) : "no answer");
    nv_top_data_sort(ret);
}
