#include "agent/storage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

// clang-format off
const struct nv_flag nv_storage_flags[] = {
    [NV_OPTION_TSDB]                = {"storage.tsdb",                NV_FLAG_BOOL,     "true",  "Keep a history on this node.", false},
    [NV_OPTION_TSDB_PATH]           = {"storage.tsdb.path",           NV_FLAG_TEXT,     "",      "Folder of the history; unless given, $STATE_DIRECTORY or else ./data, and memory alone where that cannot be written.", false},
    [NV_OPTION_TSDB_INTERVAL]       = {"storage.tsdb.interval",       NV_FLAG_DURATION, "1s",    "How often the history takes a sample, 100ms to 1m; collectors that are costly are asked less often.", false},
    [NV_OPTION_TSDB_RETENTION_TIME] = {"storage.tsdb.retention.time", NV_FLAG_DURATION, "15d",   "How long history is kept; 0 for ever.", false},
    [NV_OPTION_TSDB_RETENTION_SIZE] = {"storage.tsdb.retention.size", NV_FLAG_TEXT,     "512MB", "How many bytes the whole folder may take, in B, KB, MB, GB or TB; 0 for any number.", false},
    [NV_OPTION_TSDB_WAL_SYNC]       = {"storage.tsdb.wal-sync",       NV_FLAG_DURATION, "10s",   "How much history a loss of power may cost; 0 syncs every sample.", false},
    [NV_OPTION_TSDB_THIN]           = {"storage.tsdb.thin",           NV_FLAG_LIST,     "12h:15s", "AGE:INTERVAL, keeps what is older than AGE as if sampled at INTERVAL (at most 1m); --no-storage.tsdb.thin keeps all.", false},
    [NV_OPTION_TSDB_NO_THIN]        = {"no-storage.tsdb.thin",        NV_FLAG_BOOL,     "false", "Keep all history as it was sampled.", true},
    [NV_OPTION_TSDB_JOB]            = {"storage.tsdb.job",            NV_FLAG_TEXT,     "node-exporter", "Label job of this node's series in the history.", false},
    [NV_OPTION_TSDB_INSTANCE]       = {"storage.tsdb.instance",       NV_FLAG_TEXT,     "",      "Label instance of this node's series in the history; unless given, $NODE_NAME or else HOST:PORT.", false},
    [NV_OPTION_TSDB_COLLECTOR_JOB]  = {"storage.tsdb.collector-job",  NV_FLAG_LIST,     "",      "COLLECTOR=JOB, label job of the series of one collector in the history, such as container=cadvisor.", false},
    {0},
};
// clang-format on

static const struct {
    const char *name;
    unsigned shift;
} sizes[] = {
    {"B",  0 },
    {"KB", 10},
    {"MB", 20},
    {"GB", 30},
    {"TB", 40},
    {"PB", 50},
    {"EB", 60},
};

__attribute__((format(printf, 3, 4))) static int wrong(char error[NV_FLAGS_ERROR_MAX], int flag,
                                                       const char *format, ...)
{
    va_list arguments;

    int n =
        snprintf(error, NV_FLAGS_ERROR_MAX, "flag '--%s' cannot be ", nv_storage_flags[flag].name);
    va_start(arguments, format);
    vsnprintf(error + n, NV_FLAGS_ERROR_MAX - (size_t)n, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

bool nv_storage_bytes(struct nv_str text, uint64_t *ret)
{
    struct nv_scan scan = nv_scan(text);
    uint64_t number = nv_scan_u64(&scan);
    struct nv_str unit = nv_scan_rest(&scan);

    if (scan.failed || !text.n || !nv_is_digit(text.p[0]))
        return false;
    if (!unit.n && number == 0) {
        *ret = 0;
        return true;
    }
    for (size_t i = 0; i < NV_LEN(sizes); i++) {
        if (nv_str_is(unit, sizes[i].name) && number <= UINT64_MAX >> sizes[i].shift) {
            *ret = number << sizes[i].shift;
            return true;
        }
    }
    return false;
}

static int read_bytes(const struct nv_flag_value *values, struct nv_storage *to, char *error)
{
    enum { FLAG = NV_OPTION_TSDB_RETENTION_SIZE };
    struct nv_str text = values[FLAG].text;

    if (!nv_storage_bytes(text, &to->retention_bytes))
        return wrong(error, FLAG, "'%.*s': it takes a size such as 512MB", NV_ARGS(text));
    if (to->retention_bytes && to->retention_bytes < NV_STORAGE_BYTES_MIN)
        return wrong(error, FLAG, "'%.*s': it is 0 or at least 1MB", NV_ARGS(text));
    return 0;
}

/* A duration flag in milliseconds, within bounds. */
static int read_ms(const struct nv_flag_value *values, int flag, int64_t least, int64_t most,
                   const char *bounds, int64_t *ret, char *error)
{
    int64_t ns = values[flag].number, ms = ns / 1000000;

    if (ns % 1000000 || ms < least || ms > most)
        return wrong(error, flag, "%.9gs: it is %s", (double)ns / 1e9, bounds);
    *ret = ms;
    return 0;
}

/* "12h:15s" into its place by age. */
static int read_thin(struct nv_str text, struct nv_storage *to, char *error)
{
    enum { FLAG = NV_OPTION_TSDB_THIN };
    struct nv_str rest = text, age = nv_str_cut(&rest, ':');
    int64_t age_ns, interval_ns;

    if (!nv_flags_duration(age, &age_ns) || !nv_flags_duration(rest, &interval_ns))
        return wrong(error, FLAG, "'%.*s': it takes an age and an interval such as 12h:15s",
                     NV_ARGS(text));
    int64_t age_ms = age_ns / 1000000, interval_ms = interval_ns / 1000000;
    if (age_ms < 1 || interval_ms < 1 || interval_ms > NV_STORAGE_INTERVAL_MS_MAX)
        return wrong(error, FLAG, "'%.*s': the interval is at most 1m, and both are above 0",
                     NV_ARGS(text));
    if (to->n_thin == NV_STORE_THIN_MAX)
        return wrong(error, FLAG, "given more than %d times", NV_STORE_THIN_MAX);

    size_t at = to->n_thin++;
    for (; at > 0 && to->thin[at - 1].age_ms > age_ms; at--)
        to->thin[at] = to->thin[at - 1];
    to->thin[at].age_ms = age_ms;
    to->thin[at].interval_ms = interval_ms;
    return 0;
}

static int read_thins(const struct nv_flag_value *values, struct nv_storage *to, char *error)
{
    const struct nv_flag_value *list = &values[NV_OPTION_TSDB_THIN];

    if (values[NV_OPTION_TSDB_NO_THIN].on) {
        if (list->given)
            return wrong(error, NV_OPTION_TSDB_THIN, "given beside --no-storage.tsdb.thin");
        return 0;
    }
    for (size_t i = 0; i < list->n_list; i++) {
        int r = read_thin(list->list[i], to, error);
        if (r < 0)
            return r;
    }
    for (size_t i = 1; i < to->n_thin; i++) {
        if (to->thin[i].age_ms == to->thin[i - 1].age_ms ||
            to->thin[i].interval_ms <= to->thin[i - 1].interval_ms)
            return wrong(error, NV_OPTION_TSDB_THIN,
                         "so: of two ages the greater has the longer interval");
    }
    return 0;
}

static int read_jobs(const struct nv_flag_value *values, struct nv_storage *to, char *error)
{
    enum { FLAG = NV_OPTION_TSDB_COLLECTOR_JOB };
    const struct nv_flag_value *list = &values[FLAG];

    for (size_t i = 0; i < list->n_list; i++) {
        struct nv_str rest = list->list[i], collector = nv_str_cut(&rest, '=');
        if (!collector.n || !rest.n)
            return wrong(error, FLAG,
                         "'%.*s': it takes a collector and a job such as "
                         "container=cadvisor",
                         NV_ARGS(list->list[i]));
        if (to->n_jobs == NV_STORAGE_JOBS_MAX)
            return wrong(error, FLAG, "given more than %d times", NV_STORAGE_JOBS_MAX);
        to->jobs[to->n_jobs++] = (struct nv_gather_job){collector, rest};
    }
    return 0;
}

static int read_durations(const struct nv_flag_value *values, struct nv_storage *to, char *error)
{
    const int64_t most = INT64_C(1000) * 365 * 86400 * 100;

    int r = read_ms(values, NV_OPTION_TSDB_INTERVAL, NV_STORAGE_INTERVAL_MS_MIN,
                    NV_STORAGE_INTERVAL_MS_MAX, "100ms to 1m, in whole milliseconds",
                    &to->interval_ms, error);
    if (r == 0)
        r = read_ms(values, NV_OPTION_TSDB_RETENTION_TIME, 0, most, "0 to 100 years",
                    &to->retention_ms, error);
    if (r == 0)
        r = read_ms(values, NV_OPTION_TSDB_WAL_SYNC, 0, 3600000, "0 to 1h, in whole milliseconds",
                    &to->wal_sync_ms, error);
    return r;
}

/* The folder asked for; else the first of those systemd has made for us, which have colons between. */
static int read_path(const struct nv_flag_value *values, struct nv_storage *to, char *error)
{
    struct nv_str path = values[NV_OPTION_TSDB_PATH].text;
    const char *state = getenv("STATE_DIRECTORY");

    to->path_given = values[NV_OPTION_TSDB_PATH].given;
    if (!to->path_given && state && state[0])
        path = (struct nv_str){state, strcspn(state, ":")};
    else if (!to->path_given)
        path = NV_LIT("./data");
    if (!path.n || path.n >= sizeof(to->path))
        return wrong(error, NV_OPTION_TSDB_PATH, "%s", path.n ? "so long" : "empty");
    memcpy(to->path, path.p, path.n);
    return 0;
}

int nv_storage_read(const struct nv_flag_value *values, struct nv_storage *ret,
                    char error[NV_FLAGS_ERROR_MAX])
{
    struct nv_storage storage = {
        .on = values[NV_OPTION_TSDB].on,
        .job = values[NV_OPTION_TSDB_JOB].text.p,
        .instance = values[NV_OPTION_TSDB_INSTANCE].text.p,
    };

    if (!storage.job[0])
        return wrong(error, NV_OPTION_TSDB_JOB, "empty");
    int r = read_path(values, &storage, error);
    if (r == 0)
        r = read_durations(values, &storage, error);
    if (r == 0)
        r = read_bytes(values, &storage, error);
    if (r == 0)
        r = read_thins(values, &storage, error);
    if (r == 0)
        r = read_jobs(values, &storage, error);
    if (r == 0)
        *ret = storage;
    return r;
}
