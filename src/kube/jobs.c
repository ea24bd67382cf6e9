#include "kube/jobs.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/index.h"

enum {
    MEMORY_MAX = 1 << 20,
    USAGE_MS = 15000, /* how often usage is asked for, which the kubelet reads every 10 s or less */
    POD_SAMPLES_MAX = 50000,
    POD_BODY_MAX = 32 << 20,
    KUBELET_BODY_MAX = 128 << 20,
    TIMEOUT_MS = 10000,
};

// clang-format off
static const struct {
    const char *word, *job, *path;
    bool usage; /* of containers: asked for oftener, and exposed */
} endpoints[] = {
    [NV_KUBE_METRICS]  = {"metrics",  "kubelet/metrics",    "/metrics",          false},
    [NV_KUBE_PROBES]   = {"probes",   "kubelet/probes",     "/metrics/probes",   false},
    [NV_KUBE_RESOURCE] = {"resource", NV_KUBE_RESOURCE_JOB, "/metrics/resource", true },
    [NV_KUBE_CADVISOR] = {"cadvisor", NV_KUBE_CADVISOR_JOB, "/metrics/cadvisor", true },
};
// clang-format on

struct nv_kube_jobs {
    struct nv_kube_jobs_options options;
    struct nv_arena memory;
    struct nv_config_scrape pods;
    struct nv_config_scrape *kubelet; /* NV_KUBE_ENDPOINTS for each way */
    _Atomic size_t left_out;

    /* What was found last, and from what. */
    uint64_t digest, pods_version;
    const struct nv_kube_way *way;
};

int nv_kube_endpoint_find(struct nv_str word)
{
    for (int i = 0; i < NV_KUBE_ENDPOINTS; i++)
        if (nv_str_is(word, endpoints[i].word))
            return i;
    return -ENOENT;
}

size_t nv_kube_jobs_left_out(const struct nv_kube_jobs *jobs)
{
    return jobs->left_out;
}

/* ---- configurations ------------------------------------------------------------------------- */

static struct nv_config_scrape scrape_of_pods(const struct nv_kube_wanted *wanted)
{
    return (struct nv_config_scrape){
        .job_name = NV_KUBE_PODS_JOB,
        .interval_ms = wanted->interval_ms,
        .timeout_ms = wanted->timeout_ms,
        .metrics_path = "/metrics",
        .scheme = "http",
        .honor_timestamps = true,
        .track_timestamps_staleness = true,
        .enable_compression = true,
        .limits = {.body_size = POD_BODY_MAX, .samples = POD_SAMPLES_MAX},
        .protocols = {NV_SCRAPE_OPENMETRICS1,                         NV_SCRAPE_OPENMETRICS0, NV_SCRAPE_TEXT1,
                   NV_SCRAPE_TEXT0},
        .n_protocols = 4,
        .fallback_protocol = NV_SCRAPE_TEXT0,
        .http = {.tls = {.insecure_skip_verify = true}},
    };
}

/* With a credential, and therefore without following anybody elsewhere. */
static struct nv_http_config http_of(const struct nv_kube_access *access,
                                     const struct nv_kube_way *way)
{
    struct nv_http_config http = {
        .tls = {.ca_file = access->ca_file,
                .server_name = way->server_name,
                .insecure_skip_verify = access->insecure_skip_verify},
    };

    if (access->token_file && (way->tls || access->token_without_tls)) {
        http.auth_type = "Bearer";
        http.credentials_file = access->token_file;
        http.has_authorization = true;
    }
    return http;
}

/* Classic text is what there is to it: no exemplars, and no times that would count. */
static int make_scrape(struct nv_kube_jobs *jobs, const struct nv_kube_way *way,
                       enum nv_kube_endpoint endpoint, struct nv_config_scrape *ret)
{
    NV_AUTO_BUF path = NV_BUF(NV_KUBE_ADDRESS_MAX);
    int64_t interval_ms = jobs->options.pods.interval_ms;
    struct nv_str copy;

    if (endpoints[endpoint].usage && interval_ms > USAGE_MS)
        interval_ms = USAGE_MS;
    nv_buf_str(&path, way->path);
    nv_buf_text(&path, endpoints[endpoint].path);
    copy = nv_arena_str(&jobs->memory, nv_buf_view(&path));
    if (!copy.p || path.failed)
        return -ENOMEM;
    *ret = (struct nv_config_scrape){
        .job_name = endpoints[endpoint].job,
        .interval_ms = interval_ms,
        .timeout_ms = interval_ms < TIMEOUT_MS ? interval_ms : TIMEOUT_MS,
        .metrics_path = copy.p,
        .scheme = way->tls ? "https" : "http",
        .honor_labels = true,
        .enable_compression = true,
        .expose = endpoints[endpoint].usage,
        .limits = {.body_size = KUBELET_BODY_MAX},
        .protocols = {NV_SCRAPE_TEXT0},
        .n_protocols = 1,
        .fallback_protocol = NV_SCRAPE_TEXT0,
        .http = http_of(jobs->options.access, way),
    };
    return 0;
}

struct nv_kube_jobs *nv_kube_jobs_new(const struct nv_kube_jobs_options *options)
{
    NV_AUTO(nv_kube_jobs) *jobs = calloc(1, sizeof(*jobs));
    const struct nv_kube_access *access = options->access;

    if (!jobs)
        return NULL;
    jobs->options = *options;
    jobs->memory = NV_ARENA(MEMORY_MAX);
    jobs->pods = scrape_of_pods(&options->pods);
    jobs->kubelet =
        nv_arena_alloc(&jobs->memory, access->n_ways * NV_KUBE_ENDPOINTS * sizeof(*jobs->kubelet));
    if (!jobs->kubelet)
        return NULL;
    for (size_t i = 0; i < access->n_ways * NV_KUBE_ENDPOINTS; i++) {
        enum nv_kube_endpoint endpoint = (enum nv_kube_endpoint)(i % NV_KUBE_ENDPOINTS);
        if (make_scrape(jobs, &access->ways[i / NV_KUBE_ENDPOINTS], endpoint, &jobs->kubelet[i]) <
            0)
            return NULL;
    }
    return nv_take(jobs);
}

void nv_kube_jobs_free(struct nv_kube_jobs *jobs)
{
    if (!jobs)
        return;
    nv_arena_done(&jobs->memory);
    free(jobs);
}

/* ---- jobs ----------------------------------------------------------------------------------- */

static int make_kubelet(const struct nv_kube_jobs *jobs, const struct nv_kube_way *way,
                        enum nv_kube_endpoint endpoint, struct nv_arena *memory,
                        struct nv_kube_job *ret)
{
    const struct nv_kube_access *access = jobs->options.access;
    const char *node = jobs->options.pods.node_name;
    struct nv_target_group *group = nv_arena_alloc(memory, sizeof(*group));
    struct nv_str *address = nv_arena_alloc(memory, sizeof(*address));
    struct nv_label *labels = nv_arena_alloc(memory, 4 * sizeof(*labels));
    size_t n = 0;

    if (!group || !address || !labels)
        return -ENOMEM;
    *address = way->address;
    if (node && node[0])
        labels[n++] = (struct nv_label){NV_LIT("instance"), nv_str(node)};
    labels[n++] = (struct nv_label){NV_LIT("job"), NV_LIT("kubelet")};
    labels[n++] = (struct nv_label){NV_LIT("metrics_path"), nv_str(endpoints[endpoint].path)};
    if (node && node[0])
        labels[n++] = (struct nv_label){NV_LIT("node"), nv_str(node)};
    *group = (struct nv_target_group){
        .targets = address, .n_targets = 1, .labels = labels, .n_labels = n};
    size_t number = (size_t)(way - access->ways);
    nv_assert(number < access->n_ways);
    *ret = (struct nv_kube_job){
        &jobs->kubelet[number * NV_KUBE_ENDPOINTS + endpoint], {group, 1}
    };
    return 0;
}

static int make_pods(struct nv_kube_jobs *jobs, const struct nv_pods *pods, struct nv_arena *memory,
                     struct nv_kube_job *ret)
{
    size_t left_out = 0;

    *ret = (struct nv_kube_job){.config = &jobs->pods};
    if (!pods || (!jobs->options.pods.annotated && !jobs->options.pods.named_ports))
        return 0;
    int r = nv_kube_discover(pods, &jobs->options.pods, memory, &ret->groups, &left_out);
    jobs->left_out = left_out;
    return r;
}

int nv_kube_jobs_find(struct nv_kube_jobs *jobs, const struct nv_pods *pods,
                      const struct nv_kube_way *way, struct nv_arena *memory, uint64_t *version,
                      const struct nv_kube_job **ret, size_t *ret_n)
{
    uint64_t pods_version = pods ? pods->version : 0;
    size_t n = 0;

    if (*version && *version == jobs->digest && pods_version == jobs->pods_version &&
        way == jobs->way)
        return 0;
    struct nv_kube_job *made =
        nv_arena_alloc(memory, (1 + NV_KUBE_ENDPOINTS) * sizeof(struct nv_kube_job));
    int r = made ? 0 : -ENOMEM;

    for (int i = 0; i < NV_KUBE_ENDPOINTS && r == 0; i++)
        if (jobs->options.endpoints & 1u << i)
            r = make_kubelet(jobs, way, (enum nv_kube_endpoint)i, memory, &made[n++]);
    if (r == 0)
        r = make_pods(jobs, pods, memory, &made[n++]);
    if (r < 0)
        return r;
    uint64_t digest = nv_kube_digest(&made[n - 1].groups);
    digest = nv_hash(way->url, strlen(way->url), digest ^ (way->server_name != NULL));
    digest += digest == 0; /* which is "nothing yet" */
    jobs->digest = digest;
    jobs->pods_version = pods_version;
    jobs->way = way;
    if (*version == digest)
        return 0;
    *version = digest;
    *ret = made;
    *ret_n = n;
    return 0;
}
