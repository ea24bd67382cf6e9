/*
 * api_status.c - what runs here, and what it holds: /status/..., /version, /notifications.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "web/api_parts.h"

/*
 * Clients, Grafana above all, take buildinfo's version for that of a Prometheus, and by it choose endpoints: below 2.24,
 * say, they ask /series where /label/x/values would do. Our own version would tell them the wrong thing, so this is the
 * one whose API is followed here; ours stands beside it. There is no `features`, by which Grafana would know a Mimir.
 */
static const char prometheus_version[] = "3.14.0";

enum { TSDB_LIMIT = 10, TSDB_LIMIT_MAX = 10000, YAML_MAX = 16 << 20 };

static void write_build(struct nv_writer *out, const struct nv_web_build *build)
{
    char user[128];

    snprintf(user, sizeof(user), "nodevitals@%s", build->version);
    nv_write_object(out);
    nv_write_member_text(out, "version", prometheus_version);
    nv_write_member_text(out, "revision", build->revision);
    nv_write_member_text(out, "branch", build->branch);
    nv_write_member_text(out, "buildUser", user);
    nv_write_member_text(out, "buildDate", "");
    nv_write_member_text(out, "goVersion", "");
    nv_write_member_text(out, "nodevitals", build->version);
    nv_write_object_end(out);
}

static int get_build(struct nv_exchange *x)
{
    write_build(nv_data(x), x->build);
    return 0;
}

static int get_version(struct nv_exchange *x)
{
    write_build(nv_raw(x, 200, "application/json", false), x->build);
    return 0;
}

static int get_config(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    NV_AUTO_BUF yaml = NV_BUF(YAML_MAX);

    int r = sources->config ? sources->config(x->api->user, &yaml) : 0;
    if (r == 0)
        r = yaml.failed;
    if (r < 0)
        return r;
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    nv_write_member(out, "yaml", nv_buf_view(&yaml));
    nv_write_object_end(out);
    return 0;
}

static int write_flag(void *to, const char *name, struct nv_str value)
{
    nv_write_member(to, name, value);
    return 0;
}

static int get_flags(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct nv_writer *out = nv_data(x);

    nv_write_object(out);
    int r = sources->flags ? sources->flags(x->api->user, write_flag, out) : 0;
    nv_write_object_end(out);
    return r;
}

static void write_moment(struct nv_writer *out, const char *key, int64_t ms)
{
    nv_write_key(out, key);
    nv_write_moment_ns(out, ms * 1000000, ms != 0);
}

/* What is of Go's run time stands for its kin here: threads, processors; or says that there is no limit. */
static int get_runtime(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct nv_api_runtime runtime = {.reload_ok = true};
    char host[256] = "";

    int r = sources->runtime ? sources->runtime(x->api->user, &runtime) : 0;
    if (r < 0)
        return r;
    (void)gethostname(host, sizeof(host) - 1);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    write_moment(out, "startTime", runtime.started_ms);
    nv_write_member_text(out, "CWD", runtime.cwd);
    nv_write_member_text(out, "hostname", host);
    write_moment(out, "serverTime", nv_wall_ms());
    nv_write_member_bool(out, "reloadConfigSuccess", runtime.reload_ok);
    write_moment(out, "lastConfigTime", runtime.last_config_ms);
    nv_write_member_u64(out, "corruptionCount", runtime.corruptions);
    nv_write_member_u64(out, "goroutineCount", runtime.threads);
    nv_write_member_u64(out, "GOMAXPROCS", processors > 0 ? (uint64_t)processors : 1);
    nv_write_member_u64(out, "GOMEMLIMIT", INT64_MAX);
    nv_write_member_text(out, "GOGC", "");
    nv_write_member_text(out, "GODEBUG", "");
    nv_write_member_text(out, "storageRetention", runtime.retention);
    nv_write_object_end(out);
    return 0;
}

/* ---- the store ------------------------------------------------------------------------------ */

static void write_counts(struct nv_writer *out, const char *key,
                         const struct nv_store_counts *counts)
{
    nv_write_key(out, key);
    nv_write_array(out);
    for (size_t i = 0; i < counts->n; i++) {
        nv_write_object(out);
        nv_write_member(out, "name", counts->at[i].name);
        nv_write_member_u64(out, "value", counts->at[i].n);
        nv_write_object_end(out);
    }
    nv_write_array_end(out);
}

static void write_head(struct nv_writer *out, const struct nv_store_head *head)
{
    nv_write_object(out);
    nv_write_key(out, "headStats");
    nv_write_object(out);
    nv_write_member_u64(out, "numSeries", head->series);
    nv_write_member_u64(out, "numLabelPairs", head->label_pairs);
    nv_write_member_u64(out, "chunkCount", head->columns);
    nv_write_key(out, "minTime");
    nv_write_i64(out, head->from_ms);
    nv_write_key(out, "maxTime");
    nv_write_i64(out, head->to_ms);
    nv_write_object_end(out);
    write_counts(out, "seriesCountByMetricName", &head->by_metric);
    write_counts(out, "labelValueCountByLabelName", &head->values);
    write_counts(out, "memoryInBytesByLabelName", &head->bytes);
    write_counts(out, "seriesCountByLabelValuePair", &head->by_pair);
    nv_write_object_end(out);
}

static int get_tsdb(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct nv_store_head head = {.from_ms = INT64_MAX, .to_ms = INT64_MIN};
    struct nv_str text = nv_param(x, "limit");
    int64_t limit = TSDB_LIMIT;

    if (text.n && (nv_is_space(text.p[0]) || !nv_str_to_i64(text, &limit) || limit < 1))
        return nv_fail(x, NV_BAD_DATA, "limit must be a positive number");
    if (limit > TSDB_LIMIT_MAX)
        return nv_fail(x, NV_BAD_DATA, "limit must not exceed %d", TSDB_LIMIT_MAX);
    int r = sources->head ? sources->head(x->api->user, (size_t)limit, &head) : 0;
    if (r < 0)
        return r;
    write_head(nv_data(x), &head);
    if (sources->head)
        nv_store_head_done(&head);
    return 0;
}

/* As meta.json of a Prometheus block has it: what is exported would have this. */
static int write_block(void *to, const struct nv_block_info *block)
{
    struct nv_writer *out = to;

    nv_write_object(out);
    nv_write_member_text(out, "ulid", block->name);
    nv_write_key(out, "minTime");
    nv_write_i64(out, block->from_ms);
    nv_write_key(out, "maxTime");
    nv_write_i64(out, block->to_ms + 1); /* there it is not included */
    nv_write_key(out, "stats");
    nv_write_object(out);
    nv_write_member_u64(out, "numSamples", block->n_samples);
    nv_write_member_u64(out, "numSeries", block->n_series);
    nv_write_member_u64(out, "numChunks", block->n_groups);
    nv_write_member_u64(out, "numBytes", block->bytes);
    nv_write_object_end(out);
    nv_write_key(out, "compaction");
    nv_write_object(out);
    nv_write_member_u64(out, "level", block->level);
    nv_write_key(out, "sources");
    nv_write_array(out);
    nv_write_string(out, nv_str(block->name));
    nv_write_array_end(out);
    nv_write_object_end(out);
    nv_write_member_u64(out, "version", 1);
    nv_write_object_end(out);
    return 0;
}

static int get_blocks(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct nv_writer *out = nv_data(x);

    nv_write_object(out);
    nv_write_key(out, "blocks");
    nv_write_array(out);
    int r = sources->blocks ? sources->blocks(x->api->user, write_block, out) : 0;
    nv_write_array_end(out);
    nv_write_object_end(out);
    return r;
}

static int get_replay(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct nv_api_replay replay = {0};

    int r = sources->replay ? sources->replay(x->api->user, &replay) : 0;
    if (r < 0)
        return r;
    struct nv_writer *out = nv_data(x);
    nv_write_object(out);
    nv_write_member_u64(out, "min", replay.min);
    nv_write_member_u64(out, "max", replay.max);
    nv_write_member_u64(out, "current", replay.current);
    nv_write_object_end(out);
    return 0;
}

/* ---- collectors: not in Prometheus ---------------------------------------------------------- */

static int write_collector(void *to, const struct nv_gather_report *report)
{
    struct nv_writer *out = to;
    const char *health = report->result < 0 ? "err" : report->result == 0 ? "ok" : "nothing";

    nv_write_object(out);
    nv_write_member_text(out, "name", report->name);
    nv_write_member_text(out, "health", health); /* nothing: no such hardware, say */
    nv_write_member_text(out, "lastError", report->error);
    nv_write_member_real(out, "duration", (double)report->duration_ns / 1e9);
    nv_write_member_real(out, "age", (double)report->age_ms / 1e3);
    nv_write_member_u64(out, "series", report->series);
    nv_write_object_end(out);
    return 0;
}

static int get_collectors(struct nv_exchange *x)
{
    const struct nv_api_sources *sources = &x->api->sources;
    struct nv_writer *out = nv_data(x);

    nv_write_object(out);
    nv_write_key(out, "collectors");
    nv_write_array(out);
    int r = sources->collectors ? sources->collectors(x->api->user, write_collector, out) : 0;
    nv_write_array_end(out);
    nv_write_object_end(out);
    return r;
}

/* ---- notifications: there are none ---------------------------------------------------------- */

static int get_notifications(struct nv_exchange *x)
{
    struct nv_writer *out = nv_data(x);

    nv_write_array(out);
    nv_write_array_end(out);
    return 0;
}

/* 204: who listens is told not to come again. */
static int listen_to_notifications(struct nv_exchange *x)
{
    (void)x;
    return 0;
}

const struct nv_endpoint nv_api_status_endpoints[] = {
    {"/api/v1/status/buildinfo",   NV_GET, 0, get_build},
    {"/api/v1/status/collectors",                           NV_GET, 0, get_collectors},
    {"/api/v1/status/config",                            NV_GET, 0, get_config},
    {"/api/v1/status/flags",NV_GET, 0, get_flags},
    {"/api/v1/status/runtimeinfo",              NV_GET, 0, get_runtime},
    {"/api/v1/status/tsdb",      NV_GET, 0, get_tsdb},
    {"/api/v1/status/tsdb/blocks",                           NV_GET, 0, get_blocks},
    {"/api/v1/status/walreplay",                            NV_GET, NV_ENDPOINT_EARLY, get_replay},
    {"/api/v1/notifications",                           NV_GET, 0, get_notifications},
    {"/api/v1/notifications/live",                   NV_GET, 0, listen_to_notifications},
    {"/version", NV_GET, 0, get_version},
    {0                          },
};
