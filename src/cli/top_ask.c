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

enum {
    EXPR_MAX = 32 << 10,
    TIMEOUT_MS = 5000,
    RECENT_MS = 3600000,
    ENDED_MS = 90000,
    WIDEST_S = 900
};

#define YEAR_9999_MS INT64_C(253370764800000)
#define MARK         "nv_part"
#define GROUP        "by (id, namespace, pod, container, name)"

/* What is said often, behind a $; $r is the rate over the window $w. */
// clang-format off
static const struct {
    char letter;
    const char *text;
} words[] = {
    {'t', "_total[$w]"},
    {'d', "_total{device!~\"(loop|ram|zram|sr|fd|nbd)[0-9]+.*|dm-[0-9]+\"}[$w]"},
    {'n', "_total{device!~\"lo|veth.*|cali.*|cilium.*|lxc.*|tunl.*|flannel.*|cni.*|docker.*|br-.*|virbr.*|"
          "tap.*|kube-ipvs.*|dummy.*|ifb.*\"}[$w]"},
    {'f', "_bytes{fstype!~\"tmpfs|ramfs|devtmpfs|squashfs|iso9660|overlay|efivarfs\"}"},
    {'a', "ALERTS{alertstate=~\"firing|pending\"}"},
    {'m', "node_memory_"},
    {'p', "label_replace(100 * $r(node_pressure_"},
    {'c', "container_cpu_usage_seconds_total{id!=\"\"}"},
};
// clang-format on

/* Pressure on a resource, as a table has it. */
#define ON(resource, kind)                                                                         \
    "$p" resource "_" kind "_seconds$t), \"resource\", \"" resource "\", \"\", \"\")"

// clang-format off
static const char *const parts[NV_TOP_N_PARTS] = {
    [NV_TOP_UNAME]            = "node_uname_info",
    [NV_TOP_UPTIME]           = "time() - node_boot_time_seconds",
    [NV_TOP_LOAD1]            = "node_load1",
    [NV_TOP_LOAD5]            = "node_load5",
    [NV_TOP_LOAD15]           = "node_load15",
    [NV_TOP_CPU]              = "100 * sum by (cpu) ($r(node_cpu_seconds_total{mode!~\"idle|iowait|steal\"}[$w]))",
    [NV_TOP_CPU_MODE]         = "100 * avg by (mode) ($r(node_cpu_seconds$t))",
    [NV_TOP_MEMORY_TOTAL]     = "$mMemTotal_bytes",
    [NV_TOP_MEMORY_AVAILABLE] = "$mMemAvailable_bytes",
    [NV_TOP_MEMORY_CACHE]     = "$mBuffers_bytes + $mCached_bytes",
    [NV_TOP_SWAP_TOTAL]       = "$mSwapTotal_bytes > 0",
    [NV_TOP_SWAP_FREE]        = "$mSwapFree_bytes",
    [NV_TOP_MEMORY_USED]      = "100 - 100 * $mMemAvailable_bytes / $mMemTotal_bytes",
    [NV_TOP_MEMORY_CACHED]    = "100 * ($mBuffers_bytes + $mCached_bytes) / $mMemTotal_bytes",
    [NV_TOP_SWAP_USED]        = "100 - 100 * $mSwapFree_bytes / ($mSwapTotal_bytes > 0)",
    [NV_TOP_PRESSURE_SOME]    = ON("cpu", "waiting") " or " ON("memory", "waiting") " or " ON("io", "waiting"),
    [NV_TOP_PRESSURE_FULL]    = ON("memory", "stalled") " or " ON("io", "stalled"),
    [NV_TOP_DISK_READ]        = "$r(node_disk_read_bytes$d)",
    [NV_TOP_DISK_WRITTEN]     = "$r(node_disk_written_bytes$d)",
    [NV_TOP_DISK_BUSY]        = "100 * $r(node_disk_io_time_seconds$d)",
    [NV_TOP_DISK_LATENCY]     = "($r(node_disk_read_time_seconds$d)"
                                " + $r(node_disk_write_time_seconds$d)) / "
                                "(($r(node_disk_reads_completed$d)"
                                " + $r(node_disk_writes_completed$d)) > 0)",
    [NV_TOP_NET_RECEIVED]     = "$r(node_network_receive_bytes$n)",
    [NV_TOP_NET_SENT]         = "$r(node_network_transmit_bytes$n)",
    [NV_TOP_FS_SIZE]          = "max by (mountpoint, device) (node_filesystem_size$f) > 0",
    [NV_TOP_FS_AVAILABLE]     = "max by (mountpoint, device) (node_filesystem_avail$f)",
    [NV_TOP_FS_USED]          = "100 - 100 * max by (mountpoint, device) (node_filesystem_avail$f)"
                                " / max by (mountpoint, device) (node_filesystem_size$f > 0)",
    [NV_TOP_GROUP_CPU]        = "topk(512, 100 * sum " GROUP " ($r($c[$w]) and $c))",
    [NV_TOP_GROUP_MEMORY]     = "topk(512, sum " GROUP " (container_memory_working_set_bytes{id!=\"\"}))",
    [NV_TOP_ALERTS]           = "$a * ignoring (alertstate) group_left () (time() - ALERTS_FOR_STATE)"
                                " or $a - 2",
};

/* Those with a history. */
static const enum nv_top_part lasting[] = {
    NV_TOP_CPU,           NV_TOP_MEMORY_USED,   NV_TOP_MEMORY_CACHED, NV_TOP_SWAP_USED,
    NV_TOP_PRESSURE_SOME, NV_TOP_PRESSURE_FULL, NV_TOP_DISK_BUSY,     NV_TOP_NET_RECEIVED,
    NV_TOP_NET_SENT,
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

static void sort_parts(const struct nv_answer *answer, struct nv_top_rows into[NV_TOP_N_PARTS])
{
    for (size_t i = 0; i < answer->n; i++) {
        const struct nv_answer_series *series = &answer->series[i];
        uint64_t part = 0;
        if (!series->n || !nv_str_to_u64(nv_top_label(series, MARK), &part) ||
            part >= NV_TOP_N_PARTS)
            continue;
        struct nv_top_rows *rows = &into[part];
        if (rows->n < NV_TOP_ROWS_MAX)
            rows->at[rows->n++] = series;
    }
}

void nv_top_data_sort(struct nv_top_data *data)
{
    sort_parts(&data->now, data->parts);
    sort_parts(&data->history, data->pasts);
    for (size_t i = 0; i < data->history.n; i++) {
        const struct nv_answer_series *one = &data->history.series[i];
        if (one->n && one->times[one->n - 1] > data->past_end_ms)
            data->past_end_ms = one->times[one->n - 1];
    }
}

void nv_top_data_keep_past(struct nv_top_data *data, struct nv_top_data *from)
{
    data->history = from->history;
    data->past_end_ms = from->past_end_ms;
    memcpy(data->pasts, from->pasts, sizeof(data->pasts));
    from->history = (struct nv_answer){.memory = NV_ARENA(0)};
}

double nv_top_last(const struct nv_answer_series *series)
{
    return series && series->n ? series->values[series->n - 1] : NAN;
}

double nv_top_value(const struct nv_top_data *data, enum nv_top_part part)
{
    const struct nv_top_rows *rows = &data->parts[part];

    return rows->n ? nv_top_last(rows->at[0]) : NAN;
}

const struct nv_answer_series *nv_top_find(const struct nv_top_rows *rows, const char *label,
                                           struct nv_str value)
{
    for (size_t i = 0; i < rows->n; i++) {
        if (nv_str_eq(nv_top_label(rows->at[i], label), value))
            return rows->at[i];
    }
    return NULL;
}

/* ---- asking --------------------------------------------------------------------------------- */

int64_t nv_top_step(int64_t span_ms)
{
    int64_t seconds = (span_ms / 1000 + NV_TOP_POINTS - 1) / NV_TOP_POINTS;

    return (seconds > 1 ? seconds : 1) * 1000;
}

static void fill(struct nv_buf *out, const char *expr, const char *window, const char *rate)
{
    for (const char *at; (at = strchr(expr, '$')); expr = at + 2) {
        nv_buf_add(out, expr, (size_t)(at - expr));
        for (size_t i = 0; i < NV_LEN(words); i++) {
            if (words[i].letter == at[1])
                fill(out, words[i].text, window, rate);
        }
        if (at[1] == 'w' || at[1] == 'r')
            nv_buf_text(out, at[1] == 'w' ? window : rate);
    }
    nv_buf_text(out, expr);
}

static void write_part(struct nv_buf *out, enum nv_top_part part, const char *window,
                       const char *rate)
{
    nv_buf_text(out, out->n ? " or label_replace(" : "label_replace(");
    fill(out, parts[part], window, rate);
    nv_buf_printf(out, ", \"" MARK "\", \"%d\", \"\", \"\")", (int)part);
}

/*
 * Samples may be some seconds or a minute apart, old ones more: a point of a short step is the last two's, that of a long one
 * its own time's, as far as that is enough.
 */
static void write_history(struct nv_buf *out, int64_t step_ms, const char *window)
{
    char wide[32];
    bool is_long = step_ms >= NV_TOP_LONG_MS;
    long long s = step_ms / 1000, wide_s = s > WIDEST_S ? s : 4 * s < WIDEST_S ? 4 * s : WIDEST_S;

    snprintf(wide, sizeof(wide), "%llds", wide_s);
    for (size_t i = 0; i < NV_LEN(lasting); i++)
        write_part(out, lasting[i], is_long ? wide : window, is_long ? "rate" : "irate");
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

/* As far as it can be one. */
static void take_time(const struct nv_answer *answer, int64_t *time_ms)
{
    if (answer->n && answer->series[0].n && answer->series[0].times[0] > 0 &&
        answer->series[0].times[0] < YEAR_9999_MS)
        *time_ms = answer->series[0].times[0];
}

static int ask_both(struct nv_top_source *source, const struct nv_queryable *queryable,
                    const struct nv_top_wish *wish, int64_t now_ms, struct nv_top_data *ret)
{
    NV_AUTO_BUF all = NV_BUF(EXPR_MAX), past = NV_BUF(EXPR_MAX);
    int64_t step_ms = nv_top_step(wish->span_ms);
    struct nv_query query = {.kind = NV_QUERY_INSTANT, .timeout_ms = TIMEOUT_MS};

    ret->time_ms = wish->at_ms ? wish->at_ms : now_ms;
    const char *window = ret->time_ms < nv_wall_ms() - RECENT_MS ? "15m" : "2m";
    for (int i = 0; i < NV_TOP_N_NOW; i++)
        write_part(&all, (enum nv_top_part)i, window, "irate");
    query.expr = nv_buf_view(&all);
    query.end_ms = ret->time_ms;
    ret->of_now = query.now = !wish->at_ms; /* its clock may be another */
    int r = queryable ? nv_query_ask(&query, queryable, &ret->now)
                      : nv_query_api(&query, &source->server, &ret->now);
    if (!r && query.now)
        take_time(&ret->now, &ret->time_ms);
    if (r || !wish->history)
        return r;
    write_history(&past, step_ms, window);
    query.kind = NV_QUERY_RANGE;
    query.expr = nv_buf_view(&past);
    query.step_ms = step_ms;
    query.end_ms = ret->time_ms - (step_ms < NV_TOP_LONG_MS ? ret->time_ms % step_ms : 0);
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
