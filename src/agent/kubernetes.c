#include "agent/kubernetes.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "kube/jobs.h"
#include "kube/tree.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

enum {
    MAGIC = 0x6b756265,
    MEMORY_MAX = 1 << 20,
    CADENCE_MS = 15000,
    POLL_MIN_MS = 1000,
    POLL_MAX_MS = 3600000,
    TIMEOUT_MS = 10000, /* of a scrape */
};

// clang-format off
const struct nv_flag nv_kubernetes_flags[] = {
    [NV_OPTION_KUBELET_URL]        = {"kubelet.url",                  NV_FLAG_TEXT,     "",                "The kubelet of this node, https://HOST:10250 or http://HOST:10255; unless given, inside Kubernetes at the addresses that HOST_IP and HOST_IPS of the downward API name, else at 127.0.0.1.", false},
    [NV_OPTION_KUBELET_TOKEN_FILE] = {"kubelet.token-file",           NV_FLAG_TEXT,     ACCOUNT "/token",  "File with the bearer token for the kubelet, read for every request. Sent without TLS only if given.", false},
    [NV_OPTION_KUBELET_CA_FILE]    = {"kubelet.ca-file",              NV_FLAG_TEXT,     ACCOUNT "/ca.crt", "PEM file of the authority that signed the kubelet's certificate, or that certificate itself.", false},
    [NV_OPTION_KUBELET_INSECURE]   = {"kubelet.insecure-skip-verify", NV_FLAG_BOOL,     "false",           "Do not verify the kubelet's certificate: for one that signed itself, on this very node.", false},
    [NV_OPTION_KUBELET_POLL]       = {"kubelet.poll-interval",        NV_FLAG_DURATION, "15s",             "How often the kubelet is asked for its pods.", false},
    [NV_OPTION_KUBELET_ENDPOINTS]  = {"kubelet.endpoints",            NV_FLAG_LIST,     "",                "Endpoints of the kubelet to scrape, with commas between: metrics, probes, resource, cadvisor, or none; unless given, metrics and probes, and cadvisor where containers are not told from cgroups.", false},
    [NV_OPTION_KUBE_ANNOTATIONS]   = {"kube.annotations",             NV_FLAG_BOOL,     "true",            "Scrape pods of this node whose annotation prometheus.io/scrape is true.", false},
    [NV_OPTION_KUBE_PORT_NAMES]    = {"kube.port-names",              NV_FLAG_BOOL,     "false",           "Scrape pods without that annotation, too, at ports named metrics or ending in -metrics.", false},
    [NV_OPTION_KUBE_INTERVAL]      = {"kube.scrape-interval",         NV_FLAG_DURATION, "30s",             "How often pods and the kubelet's endpoints are scraped; cadvisor and resource every 15s at least.", false},
    {0},
};
// clang-format on

/* They tell what the kubelet says and nothing else; others only take names from it. */
static const char *const needing[] = {"kube-pods", "kubelet-summary"};

struct nv_kubernetes {
    uint32_t magic;
    struct nv_flag_value handle; /* carries our address to the collector */
    struct nv_arena memory;
    struct nv_kube_access access;
    struct nv_kubelet *kubelet;
    struct nv_kube_jobs *jobs;
    bool replaces_containers;
    pthread_mutex_t lock; /* of: */
    void (*look)(void *user);
    void *look_user;
};

/* ---- flags ---------------------------------------------------------------------------------- */

static struct nv_kube_surroundings surroundings(const struct nv_flag_value *values)
{
    return (struct nv_kube_surroundings){
        .url = values[NV_OPTION_KUBELET_URL].text.p,
        .host_ip = getenv("HOST_IP"),
        .host_ips = getenv("HOST_IPS"),
        .node_name = getenv("NODE_NAME"),
    };
}

/* The endpoints that are named; *ret_given: whether there are any words. -EINVAL, and *ret_wrong is the word. */
static int read_endpoints(const struct nv_flag_value *value, unsigned *ret, bool *ret_given,
                          struct nv_str *ret_wrong)
{
    *ret = 0;
    *ret_given = false;
    for (size_t i = 0; i < value->n_list; i++) {
        struct nv_str rest = value->list[i];
        while (rest.n) {
            struct nv_str word = nv_str_trim(nv_str_cut(&rest, ','));
            int endpoint = nv_kube_endpoint_find(word);
            *ret_given = true;
            *ret_wrong = word;
            if (endpoint < 0 && !nv_str_is(word, "none"))
                return -EINVAL;
            *ret |= endpoint < 0 ? 0 : 1u << endpoint;
        }
    }
    return 0;
}

static int check_duration(const struct nv_flag_value *values, int flag,
                          char error[NV_FLAGS_ERROR_MAX])
{
    int64_t ms = values[flag].number / 1000000;

    if (ms >= POLL_MIN_MS && ms <= POLL_MAX_MS)
        return 0;
    snprintf(error, NV_FLAGS_ERROR_MAX, "flag '--%s' cannot be %.9gs: it is 1s to 1h",
             nv_kubernetes_flags[flag].name, (double)values[flag].number / 1e9);
    return -EINVAL;
}

int nv_kubernetes_check(const struct nv_flag_value *values, char error[NV_FLAGS_ERROR_MAX])
{
    struct nv_kube_surroundings around = surroundings(values);
    struct nv_arena memory = NV_ARENA(MEMORY_MAX);
    const struct nv_kube_way *ways;
    char reason[NV_KUBE_WAY_ERROR_MAX];
    struct nv_str word = {"", 0};
    unsigned endpoints;
    bool given;
    size_t n;

    int r = nv_kube_ways(&around, &memory, &ways, &n, reason);
    nv_arena_done(&memory);
    if (r == -EINVAL) {
        snprintf(error, NV_FLAGS_ERROR_MAX, "flag '--kubelet.url' cannot be %s", reason);
        return r;
    }
    if (r == 0)
        r = check_duration(values, NV_OPTION_KUBELET_POLL, error);
    if (r == 0)
        r = check_duration(values, NV_OPTION_KUBE_INTERVAL, error);
    if (r == 0 &&
        read_endpoints(&values[NV_OPTION_KUBELET_ENDPOINTS], &endpoints, &given, &word) < 0) {
        snprintf(error, NV_FLAGS_ERROR_MAX,
                 "flag '--kubelet.endpoints' cannot be '%.*s': it is metrics, probes, resource, "
                 "cadvisor or none",
                 NV_ARGS(word));
        return -EINVAL;
    }
    return r;
}

/* A file that was named; or the one that is usual, where it is there. NULL for none. */
static const char *file_of(const struct nv_flag_value *value)
{
    if (!value->given && access(value->text.p, R_OK) < 0)
        return NULL;
    return value->text.n ? value->text.p : NULL;
}

bool nv_kubernetes_needs(const struct nv_collector *collector)
{
    for (size_t i = 0; i < NV_LEN(needing); i++)
        if (strcmp(collector->name, needing[i]) == 0)
            return true;
    return false;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void changed(void *user)
{
    struct nv_kubernetes *kubernetes = user;

    pthread_mutex_lock(&kubernetes->lock);
    if (kubernetes->look)
        kubernetes->look(kubernetes->look_user);
    pthread_mutex_unlock(&kubernetes->lock);
}

static struct nv_kube_access access_of(const struct nv_flag_value *values)
{
    return (struct nv_kube_access){
        .token_file = file_of(&values[NV_OPTION_KUBELET_TOKEN_FILE]),
        .token_without_tls = values[NV_OPTION_KUBELET_TOKEN_FILE].given,
        .ca_file = file_of(&values[NV_OPTION_KUBELET_CA_FILE]),
        .insecure_skip_verify = values[NV_OPTION_KUBELET_INSECURE].on,
    };
}

/* Containers are the kubelet's to tell where that was asked for, or where nobody else can. */
static bool are_of_kubelet(const struct nv_kubernetes_around *around)
{
    struct nv_str source = around->container_source;

    return around->containers &&
           (nv_str_is(source, "kubelet") ||
            (nv_str_is(source, "auto") && !nv_kube_tree_is_of_node(around->sysfs)));
}

static int make_jobs(struct nv_kubernetes *kubernetes, const struct nv_flag_value *values,
                     const struct nv_kubernetes_around *around)
{
    int64_t interval_ms = values[NV_OPTION_KUBE_INTERVAL].number / 1000000;
    struct nv_str word;
    bool given;
    struct nv_kube_jobs_options options = {
        .access = &kubernetes->access,
        .pods = {.annotated = values[NV_OPTION_KUBE_ANNOTATIONS].on,
                 .named_ports = values[NV_OPTION_KUBE_PORT_NAMES].on,
                 .interval_ms = interval_ms,
                 .timeout_ms = interval_ms < TIMEOUT_MS ? interval_ms : TIMEOUT_MS,
                 .own_uid = getenv("POD_UID"),
                 .own_name = getenv("POD_NAME"),
                 .own_namespace = getenv("POD_NAMESPACE"),
                 .node_name = getenv("NODE_NAME")},
    };
    int r = read_endpoints(&values[NV_OPTION_KUBELET_ENDPOINTS], &options.endpoints, &given, &word);

    bool cadvisor = are_of_kubelet(around);
    kubernetes->replaces_containers = cadvisor;
    if (r == 0 && !given)
        options.endpoints =
            1u << NV_KUBE_METRICS | 1u << NV_KUBE_PROBES | (unsigned)cadvisor << NV_KUBE_CADVISOR;
    else if (around->containers && nv_str_is(around->container_source, "kubelet"))
        options.endpoints |= 1u << NV_KUBE_CADVISOR; /* which says so as clearly */
    if (around->containers && !cadvisor && options.endpoints & 1u << NV_KUBE_CADVISOR)
        nv_log_warn(
            "containers are told twice, from their cgroups and by the kubelet: leave cadvisor "
            "out of --kubelet.endpoints, or say --collector.container.source=kubelet");
    kubernetes->jobs = nv_kube_jobs_new(&options);
    return kubernetes->jobs ? r : -ENOMEM;
}

static int make(struct nv_kubernetes *kubernetes, const struct nv_flag_value *values,
                const struct nv_kubernetes_around *around)
{
    struct nv_kube_surroundings surrounding = surroundings(values);
    char reason[NV_KUBE_WAY_ERROR_MAX];

    kubernetes->access = access_of(values);
    int r = nv_kube_ways(&surrounding, &kubernetes->memory, &kubernetes->access.ways,
                         &kubernetes->access.n_ways, reason);
    if (r == 0)
        r = make_jobs(kubernetes, values, around);
    if (r < 0)
        return r;
    const struct nv_kubelet_options options = {
        .access = kubernetes->access,
        .poll_ms = values[NV_OPTION_KUBELET_POLL].number / 1000000,
        .changed = changed,
        .user = kubernetes,
    };
    kubernetes->kubelet = nv_kubelet_new(&options);
    return kubernetes->kubelet ? 0 : -ENOMEM;
}

/* Outside a cluster who asks for it; inside everybody but who wants nothing of the kubelet, and may have no token. */
static bool is_wanted(const struct nv_flag_value *values, const struct nv_kubernetes_around *around)
{
    unsigned endpoints;
    struct nv_str word;
    bool given;

    if (around->wanted || values[NV_OPTION_KUBELET_URL].text.n)
        return true;
    if (!getenv("KUBERNETES_SERVICE_HOST"))
        return false;
    if (around->containers || values[NV_OPTION_KUBE_ANNOTATIONS].on ||
        values[NV_OPTION_KUBE_PORT_NAMES].on)
        return true;
    int r = read_endpoints(&values[NV_OPTION_KUBELET_ENDPOINTS], &endpoints, &given, &word);
    return r < 0 || !given || endpoints;
}

int nv_kubernetes_new(const struct nv_flag_value *values, const struct nv_kubernetes_around *around,
                      struct nv_kubernetes **ret)
{
    *ret = NULL;
    if (!is_wanted(values, around))
        return 0;
    NV_AUTO(nv_kubernetes) *kubernetes = calloc(1, sizeof(*kubernetes));
    if (!kubernetes)
        return -ENOMEM;
    kubernetes->magic = MAGIC;
    kubernetes->memory = NV_ARENA(MEMORY_MAX);
    pthread_mutex_init(&kubernetes->lock, NULL);
    int r = make(kubernetes, values, around);
    if (r == 0)
        *ret = nv_take(kubernetes);
    return r;
}

void nv_kubernetes_free(struct nv_kubernetes *kubernetes)
{
    if (!kubernetes)
        return;
    nv_kubelet_free(kubernetes->kubelet);
    nv_kube_jobs_free(kubernetes->jobs);
    nv_arena_done(&kubernetes->memory);
    pthread_mutex_destroy(&kubernetes->lock);
    free(kubernetes);
}

int nv_kubernetes_start(struct nv_kubernetes *kubernetes)
{
    return nv_kubelet_start(kubernetes->kubelet);
}

void nv_kubernetes_stop(struct nv_kubernetes *kubernetes)
{
    nv_kubelet_stop(kubernetes->kubelet);
}

void nv_kubernetes_wait(struct nv_kubernetes *kubernetes, int64_t timeout_ms)
{
    nv_kubelet_wait(kubernetes->kubelet, timeout_ms);
}

bool nv_kubernetes_replaces(const struct nv_kubernetes *kubernetes,
                            const struct nv_collector *collector)
{
    return kubernetes && kubernetes->replaces_containers &&
           strcmp(collector->name, "container") == 0;
}

/* ---- jobs to be scraped --------------------------------------------------------------------- */

int nv_kubernetes_discover(void *user, struct nv_arena *memory, uint64_t *version,
                           const struct nv_scrape_job **ret, size_t *ret_n)
{
    const struct nv_kubernetes *kubernetes = user;
    const struct nv_pods *pods = nv_kubelet_pods(kubernetes->kubelet);
    const struct nv_kube_job *found = NULL;
    struct nv_scrape_job *jobs = NULL;
    size_t n = 0;

    int r = nv_kube_jobs_find(kubernetes->jobs, pods, nv_kubelet_way(kubernetes->kubelet), memory,
                              version, &found, &n);
    nv_pods_unref(pods);
    if (r == 0 && found) {
        jobs = nv_arena_alloc(memory, n * sizeof(*jobs));
        r = jobs ? 0 : -ENOMEM;
    }
    for (size_t i = 0; jobs && i < n; i++)
        jobs[i] = (struct nv_scrape_job){found[i].config, found[i].groups};
    if (jobs) {
        *ret = jobs;
        *ret_n = n;
    }
    return r;
}

void nv_kubernetes_on_change(struct nv_kubernetes *kubernetes, void (*look)(void *user), void *user)
{
    pthread_mutex_lock(&kubernetes->lock);
    kubernetes->look = look;
    kubernetes->look_user = user;
    pthread_mutex_unlock(&kubernetes->lock);
}

/* ---- pods for collectors -------------------------------------------------------------------- */

static const struct nv_pods *take_pods(void *user)
{
    const struct nv_kubernetes *kubernetes = user;

    return nv_kubelet_pods(kubernetes->kubelet);
}

static void give_pods(void *user, const struct nv_pods *pods)
{
    (void)user;
    nv_pods_unref(pods);
}

static void want_pods(void *user)
{
    const struct nv_kubernetes *kubernetes = user;

    nv_kubelet_want(kubernetes->kubelet);
}

static int get(void *user, const char *path, int64_t timeout_ms, struct nv_buf *into, char *error,
               size_t error_max)
{
    const struct nv_kubernetes *kubernetes = user;
    char reason[NV_KUBE_CALL_ERROR_MAX] = "";

    int r = nv_kubelet_get(kubernetes->kubelet, path, timeout_ms, into, reason);
    snprintf(error, error_max, "%s", r < 0 ? reason : "");
    return r;
}

struct nv_gather_pods nv_kubernetes_pods(struct nv_kubernetes *kubernetes)
{
    if (!kubernetes)
        return (struct nv_gather_pods){0};
    return (struct nv_gather_pods){take_pods, give_pods, want_pods, get, kubernetes};
}

/* ---- metrics -------------------------------------------------------------------------------- */

// clang-format off
static const struct nv_family columns[] = {
    {"nodevitals_kubelet_up",                             NV_GAUGE,   NV_AS_IS, "Whether the kubelet answered the last question about its pods."},
    {"nodevitals_kubelet_requests_total",                 NV_COUNTER, NV_AS_IS, "Questions to the kubelet about its pods."},
    {"nodevitals_kubelet_request_seconds_total",          NV_COUNTER, NV_AS_IS, "Time those questions took, reading the answers included."},
    {"nodevitals_kubelet_last_success_timestamp_seconds", NV_GAUGE,   NV_OVER(1000), "When the kubelet answered last; 0 before it did."},
    {"nodevitals_kubelet_pods",                           NV_GAUGE,   NV_AS_IS, "Pods the kubelet has told of."},
    {"nodevitals_kubelet_containers",                     NV_GAUGE,   NV_AS_IS, "Containers of these pods."},
    {"nodevitals_kubelet_left_out",                       NV_GAUGE,   NV_AS_IS, "Pods and containers in the answer that are beyond a bound."},
    {"nodevitals_kubelet_targets_left_out",               NV_GAUGE,   NV_AS_IS, "Targets found on the node that are beyond a bound."},
    {"nodevitals_kubelet_pods_age_seconds",               NV_GAUGE,   NV_OVER(1000), "How long ago the kubelet confirmed these pods; absent where none are known."},
};
static const struct nv_family failure_column[] = {
    {"nodevitals_kubelet_request_failures_total", NV_COUNTER, NV_AS_IS, "Questions to the kubelet that came to nothing."},
};
// clang-format on
static const struct nv_table table = {NV_NO_LABELS, columns, NV_LEN(columns)};
static const struct nv_table failures = {NV_LABELS("reason"), failure_column, 1};

static int collect(struct nv_pass *pass)
{
    const struct nv_kubernetes *kubernetes = (const void *)nv_flag(pass, 0)->text.p;
    struct nv_kubelet_stats stats;

    nv_assert(kubernetes->magic == MAGIC);
    nv_kubelet_stats(kubernetes->kubelet, &stats);
    const double values[] = {
        stats.up,
        (double)stats.asked,
        stats.seconds,
        (double)stats.last_success_ms,
        (double)stats.pods,
        (double)stats.containers,
        (double)stats.left_out,
        (double)nv_kube_jobs_left_out(kubernetes->jobs),
        (double)stats.age_ms,
    };
    static_assert(NV_LEN(values) == NV_LEN(columns), "one value a column");
    nv_emit_reals(pass, &table, NULL, values, NV_LEN(values) - (stats.age_ms < 0), UINT64_MAX);
    for (int i = NV_KUBE_OK + 1; i < NV_KUBE_FAILURES; i++) {
        struct nv_str reason = nv_str(nv_kube_failure_name((enum nv_kube_failure)i));
        nv_emit_u64(pass, &failures, &reason, 0, stats.failed[i]);
    }
    return 0;
}

static const struct nv_flag flags[] = {
    {.name = "kubernetes", .kind = NV_FLAG_TEXT},
    {0                   }
};

static const struct nv_collector kubelet_collector = {
    NV_ABI_STAMP,
    .name = "self.kubelet",
    .summary = "How the kubelet answers.",
    .tables = NV_TABLES(&table, &failures),
    .flags = flags,
    .cadence_ms = CADENCE_MS,
    .collect = collect,
};

int nv_kubernetes_add(struct nv_kubernetes *kubernetes, struct nv_gather *gather)
{
    kubernetes->handle.text = (struct nv_str){(const char *)kubernetes, sizeof(*kubernetes)};
    return nv_gather_add(gather, &kubelet_collector, NV_GATHER_SELF, &kubernetes->handle);
}
