#include "agent/self.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "agent/version.h"
#include "base/assert.h"
#include "base/cleanup.h"

/* The longest of the small files of /proc/self that are read here. */
enum {
    FILE_MAX = 16384,
    TICKS = 100,        /* USER_HZ, on every Linux there is */
    CADENCE_MS = 15000, /* in the history, where nobody asks what the agent did each second */
};

/* ---- builds --------------------------------------------------------------------------------- */

static const struct nv_family exporter_build[] = {
    {"node_exporter_build_info", NV_GAUGE, NV_AS_IS,
     "Always 1; the labels tell what answers in node_exporter's place."},
};
static const struct nv_table exporter_builds = {
    NV_LABELS("branch", "goarch", "goos", "goversion", "revision", "tags", "version"),
    exporter_build, NV_LEN(exporter_build)};

static int collect_exporter_build(struct nv_pass *pass)
{
    const struct nv_str labels[] = {
        nv_str(nv_version.branch),   nv_str(nv_version.machine),  NV_LIT("linux"),
        nv_str(nv_version.compiler), nv_str(nv_version.revision), NV_LIT("unknown"),
        nv_str(nv_version.version)};

    nv_emit_u64(pass, &exporter_builds, labels, 0, 1);
    return 0;
}

NV_COLLECTOR(self_build) = {
    NV_ABI_STAMP,
    .name = "self.build",
    .summary = "What this is.",
    .tables = NV_TABLES(&exporter_builds),
    .cadence_ms = CADENCE_MS,
    .collect = collect_exporter_build,
};

/* ---- the process ---------------------------------------------------------------------------- */

// clang-format off
enum { CPU, MAX_FDS, RECEIVED, SENT, OPEN_FDS, RESIDENT, STARTED, VIRTUAL, VIRTUAL_MAX };
static const struct nv_family process_columns[] = {
    [CPU]         = {"process_cpu_seconds_total",            NV_COUNTER, NV_AS_IS, "CPU time this process has used, in user and kernel mode."},
    [MAX_FDS]     = {"process_max_fds",                      NV_GAUGE,   NV_AS_IS, "How many file descriptors this process may open."},
    [RECEIVED]    = {"process_network_receive_bytes_total",  NV_COUNTER, NV_AS_IS, "IP bytes received in the network namespace of this process."},
    [SENT]        = {"process_network_transmit_bytes_total", NV_COUNTER, NV_AS_IS, "IP bytes sent in the network namespace of this process."},
    [OPEN_FDS]    = {"process_open_fds",                     NV_GAUGE,   NV_AS_IS, "How many file descriptors this process has open."},
    [RESIDENT]    = {"process_resident_memory_bytes",        NV_GAUGE,   NV_AS_IS, "Memory of this process that is in RAM."},
    [STARTED]     = {"process_start_time_seconds",           NV_GAUGE,   NV_AS_IS, "When this process began, in seconds since the epoch."},
    [VIRTUAL]     = {"process_virtual_memory_bytes",         NV_GAUGE,   NV_AS_IS, "Address space of this process that is in use."},
    [VIRTUAL_MAX] = {"process_virtual_memory_max_bytes",     NV_GAUGE,   NV_AS_IS, "Address space this process may use."},
};
// clang-format on
static const struct nv_table process_table = {NV_NO_LABELS, process_columns,
                                              NV_LEN(process_columns)};

struct process {
    bool open;
    int stat, netstat, fds;
    double boot_time;
};

/* Reads a file from its beginning, through a descriptor kept open. */
static struct nv_str read_again(int fd, char *out, size_t size)
{
    size_t n = 0;

    while (fd >= 0 && n < size) {
        ssize_t got = pread(fd, out + n, size - n, (off_t)n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return (struct nv_str){out, n};
}

/* "btime" of /proc/stat, behind one line per CPU and a long one of interrupts. 0 where there is none. */
static double read_boot_time(void)
{
    double seconds = 0;
    char *line = NULL;
    size_t size = 0;
    ssize_t n;

    FILE *file = fopen("/proc/stat", "re");
    while (file && seconds == 0 && (n = getline(&line, &size, file)) > 0) {
        if (n > 6 && memcmp(line, "btime ", 6) == 0)
            (void)!nv_str_to_real((struct nv_str){line + 6, (size_t)n - 6}, &seconds);
    }
    free(line);
    if (file)
        fclose(file);
    return seconds;
}

static int start_process(struct nv_pass *pass)
{
    struct process *process = nv_state(pass);

    process->open = true;
    process->stat = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    process->netstat = open("/proc/self/net/netstat", O_RDONLY | O_CLOEXEC);
    process->fds = open("/proc/self/fd", O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    process->boot_time = read_boot_time();
    return 0; /* what cannot be had is left out */
}

static void stop_process(void *state)
{
    const struct process *process = state;

    if (!process->open)
        return;
    nv_close_auto(&process->stat);
    nv_close_auto(&process->netstat);
    nv_close_auto(&process->fds);
}

/* Since 6.2 the size of the directory is the count; before, the entries have to be counted. */
static bool count_fds(int fd, double *ret)
{
    struct stat st;
    size_t n = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        return false;
    if (st.st_size > 0) {
        *ret = (double)st.st_size;
        return true;
    }
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return false;
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    *ret = (double)(n - 1); /* without the one that lists them */
    return true;
}

/* The fields behind the name, which may hold blanks and parentheses: state is field 3. */
static uint64_t read_stat(const struct process *process, double *values)
{
    char text[2048];
    struct nv_str all = read_again(process->stat, text, sizeof(text));
    const char *close = all.n ? memrchr(all.p, ')', all.n) : NULL;

    if (!close)
        return 0;
    struct nv_scan rest = {close + 1, all.p + all.n, false};
    nv_scan_skip(&rest, 11);
    uint64_t user = nv_scan_u64(&rest), kernel = nv_scan_u64(&rest);
    nv_scan_skip(&rest, 6);
    uint64_t started = nv_scan_u64(&rest), size = nv_scan_u64(&rest);
    int64_t resident = nv_scan_i64(&rest);
    if (rest.failed)
        return 0;

    values[CPU] = (double)(user + kernel) / TICKS;
    values[STARTED] = process->boot_time + (double)started / TICKS;
    values[VIRTUAL] = (double)size;
    values[RESIDENT] = (double)resident * (double)sysconf(_SC_PAGESIZE);
    return 1u << CPU | 1u << VIRTUAL | 1u << RESIDENT |
           (process->boot_time > 0 ? 1u << STARTED : 0);
}

/* The number in the second line under a name of the first. */
static bool find_column(struct nv_scan names, struct nv_scan numbers, const char *name, double *ret)
{
    while (!nv_scan_done(&names) && !nv_scan_done(&numbers)) {
        struct nv_str word = nv_scan_word(&names), number = nv_scan_word(&numbers);
        if (nv_str_is(word, name))
            return nv_str_to_real(number, ret);
    }
    return false;
}

/* The kernel renders this file slowly, and the netstat collector has had it read already, unless
 * --path.procfs leads elsewhere. */
static uint64_t read_netstat(struct nv_pass *pass, const struct process *process, double *values)
{
    char text[FILE_MAX];
    struct nv_scan file = nv_pass_text(pass, 0), names, numbers;

    if (!nv_str_is(nv_native_path(pass, "proc"), "/proc"))
        file = nv_scan(read_again(process->netstat, text, sizeof(text)));

    while (nv_scan_line(&file, &names) && nv_scan_line(&file, &numbers)) {
        if (!nv_str_starts(nv_scan_rest(&names), "IpExt:"))
            continue;
        bool in = find_column(names, numbers, "InOctets", &values[RECEIVED]);
        bool out = find_column(names, numbers, "OutOctets", &values[SENT]);
        return (in ? 1u << RECEIVED : 0) | (out ? 1u << SENT : 0);
    }
    return 0;
}

static uint64_t read_limit(int which, size_t column, double *values)
{
    struct rlimit limit;

    if (getrlimit(which, &limit) < 0)
        return 0;
    values[column] = (double)limit.rlim_cur; /* RLIM_INFINITY is 2^64 - 1, as Prometheus shows it */
    return UINT64_C(1) << column;
}

static int collect_process(struct nv_pass *pass)
{
    const struct process *process = nv_state(pass);
    double values[NV_LEN(process_columns)] = {0};

    uint64_t mask = read_stat(process, values) | read_netstat(pass, process, values) |
                    read_limit(RLIMIT_NOFILE, MAX_FDS, values) |
                    read_limit(RLIMIT_AS, VIRTUAL_MAX, values);
    if (count_fds(process->fds, &values[OPEN_FDS]))
        mask |= 1u << OPEN_FDS;
    nv_emit_reals(pass, &process_table, NULL, values, NV_LEN(values), mask);
    return 0;
}

NV_COLLECTOR(self_process) = {
    NV_ABI_STAMP,
    .name = "self.process",
    .summary = "This process.",
    .sources = NV_SOURCES("?proc/net/netstat"),
    .tables = NV_TABLES(&process_table),
    .state_size = sizeof(struct process),
    .start = start_process,
    .stop = stop_process,
    .cadence_ms = CADENCE_MS,
    .collect = collect_process,
};

/* ---- requests, and the agent's inside ------------------------------------------------------- */

static const struct nv_family requests_column[] = {
    {"promhttp_metric_handler_requests_total", NV_COUNTER, NV_AS_IS,
     "Scrapes answered, by the status of the answer."},
};
static const struct nv_table requests = {NV_LABELS("code"), requests_column, 1};
static const struct nv_family in_flight_column[] = {
    {"promhttp_metric_handler_requests_in_flight", NV_GAUGE, NV_AS_IS,
     "Scrapes under way, the one that shows this included."},
};
static const struct nv_table in_flight = {NV_NO_LABELS, in_flight_column, 1};
static const struct nv_family errors_column[] = {
    {"promhttp_metric_handler_errors_total", NV_COUNTER, NV_AS_IS,
     "Scrapes that could not be answered in full, by what failed."},
};
static const struct nv_table errors = {NV_LABELS("cause"), errors_column, 1};

static const struct nv_family build_column[] = {
    {"nodevitals_build_info", NV_GAUGE, NV_AS_IS, "Always 1; the labels tell which build this is."},
};
static const struct nv_table builds = {NV_LABELS("compiler", "revision", "version"), build_column,
                                       1};

// clang-format off
static const struct nv_family gather_columns[] = {
    {"nodevitals_passes_total",            NV_COUNTER, NV_AS_IS, "Passes over the collectors."},
    {"nodevitals_passes_incomplete_total", NV_COUNTER, NV_AS_IS, "Passes in which at least one sample was dropped."},
    {"nodevitals_dropped_samples_total",   NV_COUNTER, NV_AS_IS, "Samples dropped as duplicates, as conflicts or beyond a bound."},
    {"nodevitals_series",                  NV_GAUGE,   NV_AS_IS, "Series of the present layout, absent ones included."},
    {"nodevitals_layout_generation",       NV_GAUGE,   NV_AS_IS, "How often the layout began anew."},
    {"nodevitals_kept_files",              NV_GAUGE,   NV_AS_IS, "Files kept open between passes."},
    {"nodevitals_workers",                 NV_GAUGE,   NV_AS_IS, "Threads for collectors that may block."},
    {"nodevitals_workers_held",            NV_GAUGE,   NV_AS_IS, "Such threads held by a call that has not returned in time."},
};
static const struct nv_family web_columns[] = {
    {"nodevitals_http_requests_total",            NV_COUNTER, NV_AS_IS, "HTTP requests on all paths."},
    {"nodevitals_http_response_bytes_total",      NV_COUNTER, NV_AS_IS, "Bytes of scrapes as sent, compression included."},
    {"nodevitals_http_connections_total",         NV_COUNTER, NV_AS_IS, "Connections accepted."},
    {"nodevitals_http_open_connections",          NV_GAUGE,   NV_AS_IS, "Connections open."},
    {"nodevitals_http_overdue_connections_total", NV_COUNTER, NV_AS_IS, "Connections ended for being too slow."},
    {"nodevitals_http_refused_logins_total",      NV_COUNTER, NV_AS_IS, "Requests without a valid user and password."},
    {"nodevitals_http_rate_limited_requests_total", NV_COUNTER, NV_AS_IS, "Requests refused for coming too fast."},
    {"nodevitals_web_config_errors_total",        NV_COUNTER, NV_AS_IS, "Failed attempts to read the changed web configuration."},
};
static const struct nv_family left_out_column[] = {
    {"nodevitals_exposed_series_left_out_total", NV_COUNTER, NV_AS_IS, "Series of exposed targets left out of answers, for another has their name or themselves."},
};
static const struct nv_table left_out = {NV_LABELS("reason"), left_out_column, 1};
static const struct nv_family verdict_column[] = {
    {"nodevitals_kubernetes_auth_requests_total", NV_COUNTER, NV_AS_IS, "Requests judged by the API server, or by what it said before."},
};
static const struct nv_table verdicts = {NV_LABELS("verdict"), verdict_column, 1};
static const struct nv_family review_column[] = {
    {"nodevitals_kubernetes_auth_reviews_total", NV_COUNTER, NV_AS_IS, "Questions to the API server about who may ask."},
};
static const struct nv_table reviews = {NV_LABELS("kind"), review_column, 1};
static const struct nv_family review_failure_column[] = {
    {"nodevitals_kubernetes_auth_review_failures_total", NV_COUNTER, NV_AS_IS, "Such questions that were not answered."},
};
static const struct nv_table review_failures = {NV_NO_LABELS, review_failure_column, 1};
static const struct nv_family api_column[] = {
    {"nodevitals_api_requests_total", NV_COUNTER, NV_AS_IS, "Requests to the HTTP API, by what they came to."},
};
static const struct nv_family query_columns[] = {
    {"nodevitals_queries",                    NV_GAUGE,   NV_AS_IS, "Queries that run."},
    {"nodevitals_queries_waiting",            NV_GAUGE,   NV_AS_IS, "Queries that wait for their turn."},
    {"nodevitals_query_memory_bytes",         NV_GAUGE,   NV_AS_IS, "Memory that queries hold."},
    {"nodevitals_query_memory_waits_total",   NV_COUNTER, NV_AS_IS, "How often a query had to wait for memory that others held."},
    {"nodevitals_query_duration_seconds_total", NV_COUNTER, NV_OVER(1000000000.0), "Time that queries took, without the wait for their turn."},
};
// clang-format on
static const struct nv_table apis = {NV_LABELS("outcome"), api_column, 1};
static const struct nv_table query_table = {NV_NO_LABELS, query_columns, NV_LEN(query_columns)};
static const struct nv_table gather_table = {NV_NO_LABELS, gather_columns, NV_LEN(gather_columns)};
static const struct nv_table web_table = {NV_NO_LABELS, web_columns, NV_LEN(web_columns)};
static const struct nv_family age_column[] = {
    {"nodevitals_collector_age_seconds", NV_GAUGE, NV_TIMES(0.001),
     "Age of the rows a collector that may block was served with."},
};
static const struct nv_table ages = {NV_LABELS("collector"), age_column, 1};

static const struct nv_flag self_flags[] = {
    {.name = "self", .kind = NV_FLAG_TEXT},
    {0             }
};

static const struct nv_self *self_of(struct nv_pass *pass)
{
    const struct nv_self *self = (const void *)nv_flag(pass, 0)->text.p;

    nv_assert(self && self->magic == NV_SELF_MAGIC);
    return self;
}

static void emit_requests(struct nv_pass *pass, const struct nv_web_stats *stats)
{
    static const struct nv_str codes[] = {NV_LIT("200"), NV_LIT("500"), NV_LIT("503")};
    static const struct nv_str causes[] = {NV_LIT("encoding"), NV_LIT("gathering")};
    const uint64_t answered[] = {stats->requests_200, stats->requests_500, stats->requests_503};
    const uint64_t failed[] = {stats->errors_encoding, stats->errors_gathering};

    for (size_t i = 0; i < NV_LEN(codes); i++)
        nv_emit_u64(pass, &requests, &codes[i], 0, answered[i]);
    for (size_t i = 0; i < NV_LEN(causes); i++)
        nv_emit_u64(pass, &errors, &causes[i], 0, failed[i]);
    nv_emit_u64(pass, &in_flight, NULL, 0, stats->in_flight);
}

static void emit_gather(struct nv_pass *pass, const struct nv_self *self)
{
    struct nv_gather_stats stats;

    nv_gather_stats(self->gather, &stats);
    const uint64_t values[] = {stats.passes,  stats.gather_errors,     stats.dropped_cells,
                               stats.series,  stats.layout_generation, stats.kept_files,
                               stats.workers, stats.workers_held};
    static_assert(NV_LEN(values) == NV_LEN(gather_columns), "one value a column");
    nv_emit_row(pass, &gather_table, NULL, values, NV_LEN(values));

    for (size_t i = 0; i < self->n_slow; i++) {
        struct nv_gather_state state;
        struct nv_str name = nv_str(self->slow[i].name);
        nv_gather_state(self->gather, (size_t)self->slow[i].number, &state);
        nv_emit_i64(pass, &ages, &name, 0, state.age_ms);
    }
}

static void emit_web(struct nv_pass *pass, const struct nv_web_stats *stats)
{
    static const struct nv_str reasons[] = {NV_LIT("duplicate"), NV_LIT("type")};
    const uint64_t left_out_values[] = {stats->exposed_duplicates, stats->exposed_conflicts};
    const uint64_t values[] = {
        stats->requests,         stats->response_bytes,      stats->connections,
        stats->connections_open, stats->connections_overdue, stats->auth_failures,
        stats->rate_limited,     stats->config_errors};
    static_assert(NV_LEN(values) == NV_LEN(web_columns), "one value a column");
    nv_emit_row(pass, &web_table, NULL, values, NV_LEN(values));
    for (size_t i = 0; i < NV_LEN(reasons); i++)
        nv_emit_u64(pass, &left_out, &reasons[i], 0, left_out_values[i]);
}

static void emit_reviews(struct nv_pass *pass, const struct nv_review_stats *stats)
{
    static const struct nv_str names[] = {[NV_REVIEW_ALLOWED] = NV_LIT("allowed"),
                                          [NV_REVIEW_NOBODY] = NV_LIT("unauthorized"),
                                          [NV_REVIEW_DENIED] = NV_LIT("forbidden"),
                                          [NV_REVIEW_AWAY] = NV_LIT("unavailable")};
    static const struct nv_str kinds[] = {NV_LIT("access"), NV_LIT("token")};
    const uint64_t asked[] = {stats->access_reviews, stats->token_reviews};

    for (size_t i = 0; i < NV_LEN(names); i++)
        nv_emit_u64(pass, &verdicts, &names[i], 0, stats->verdicts[i]);
    for (size_t i = 0; i < NV_LEN(kinds); i++)
        nv_emit_u64(pass, &reviews, &kinds[i], 0, asked[i]);
    nv_emit_u64(pass, &review_failures, NULL, 0, stats->failures);
}

static void emit_queries(struct nv_pass *pass, const struct nv_web_stats *stats)
{
    static const struct nv_str outcomes[] = {
        [NV_OUTCOME_SUCCESS] = NV_LIT("success"),     [NV_OUTCOME_BAD_DATA] = NV_LIT("bad_data"),
        [NV_OUTCOME_EXECUTION] = NV_LIT("execution"), [NV_OUTCOME_CANCELED] = NV_LIT("canceled"),
        [NV_OUTCOME_TIMEOUT] = NV_LIT("timeout"),     [NV_OUTCOME_ERROR] = NV_LIT("error"),
    };
    const uint64_t values[] = {stats->queries, stats->queries_waiting, stats->query_memory,
                               stats->query_memory_waits, stats->query_ns};
    static_assert(NV_LEN(values) == NV_LEN(query_columns), "one value a column");

    for (size_t i = 0; i < NV_LEN(outcomes); i++)
        nv_emit_u64(pass, &apis, &outcomes[i], 0, stats->api[i]);
    nv_emit_row(pass, &query_table, NULL, values, NV_LEN(values));
}

static int collect_agent(struct nv_pass *pass)
{
    const struct nv_self *self = self_of(pass);
    const struct nv_str build[] = {nv_str(nv_version.compiler), nv_str(nv_version.revision),
                                   nv_str(nv_version.version)};
    struct nv_web_stats stats = {0};

    if (self->web) {
        nv_web_stats(self->web, &stats);
        emit_requests(pass, &stats);
        emit_web(pass, &stats);
        if (stats.has_reviews)
            emit_reviews(pass, &stats.reviews);
        emit_queries(pass, &stats);
    }
    emit_gather(pass, self);
    nv_emit_u64(pass, &builds, build, 0, 1);
    return 0;
}

NV_COLLECTOR(self_agent) = {
    NV_ABI_STAMP,
    .name = "self.agent",
    .summary = "The agent.",
    .tables = NV_TABLES(&requests, &in_flight, &errors, &builds, &gather_table, &web_table,
                        &left_out, &verdicts, &reviews, &review_failures, &apis, &query_table,
                        &ages),
    .flags = self_flags,
    .cadence_ms = CADENCE_MS,
    .collect = collect_agent,
};

int nv_self_add(struct nv_self *self, struct nv_gather *gather, bool exporter_metrics)
{
    self->magic = NV_SELF_MAGIC;
    self->gather = gather;
    self->handle.text = (struct nv_str){(const char *)self, sizeof(*self)};
    int r = nv_gather_add(gather, &nv_collector_self_build, NV_GATHER_SELF, NULL);
    if (r == 0 && exporter_metrics)
        r = nv_gather_add(gather, &nv_collector_self_process, NV_GATHER_SELF, NULL);
    if (r == 0 && exporter_metrics)
        r = nv_gather_add(gather, &nv_collector_self_agent, NV_GATHER_SELF, &self->handle);
    return r;
}
