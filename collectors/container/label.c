/*
 * label.c - names: of pods and their containers, by what the kubelet tells; where it tells nothing, by the log files
 * it makes; of other containers by what their runtimes keep (runtime.c).
 *
 * A cgroup is labelled when it is new and whenever the pods have changed. One that ought to be among the pods and is not
 * has the kubelet asked again soon; until then it has the pod of the cgroup it lies in.
 *
 * A sandbox is in no list of containers. Its process is called "pause", or CRI-O keeps it in a plain folder.
 */
#include "label.h"

bool nv_cg_is_of_pod(const struct nv_cg *cgroup)
{
    return cgroup->above->is.kind == NV_CG_POD || nv_cg_pod_in(cgroup->name).n;
}

static char *put(char *at, struct nv_str s, struct nv_str *ret)
{
    *ret = (struct nv_str){at, s.n};
    if (s.n)
        memcpy(at, s.p, s.n);
    return at + s.n;
}

void nv_cg_label(struct nv_cg *cgroup, const struct nv_cg_said *said)
{
    const struct nv_str *now[NV_CG_LABELS] = {
        [NV_CG_L_CONTAINER] = &said->container,
        [NV_CG_L_IMAGE] = &said->image,
        [NV_CG_L_NAME] = &said->name,
        [NV_CG_L_NAMESPACE] = &said->ns,
        [NV_CG_L_POD] = &said->pod,
    };
    bool same = true;
    size_t size = 1;

    for (size_t i = 0; i < NV_CG_LABELS; i++) {
        if (!now[i])
            continue;
        same = same && nv_str_eq(*now[i], cgroup->labels[i]);
        size += now[i]->n;
    }
    if (same)
        return;
    char *text = malloc(size), *at = text;
    if (!text)
        return;
    for (size_t i = 0; i < NV_CG_LABELS; i++)
        if (now[i])
            at = put(at, *now[i], &cgroup->labels[i]);
    free(cgroup->label_text);
    cgroup->label_text = text;
}

/* ---- sandboxes ------------------------------------------------------------------------------ */

int64_t nv_cg_first_process(struct nv_pass *pass, const struct nv_cg_state *state,
                            const struct nv_cg *cgroup)
{
    char path[NV_PATH_MAX];
    int64_t pid = 0;

    for (size_t i = 0; i < state->n_hierarchies && !pid; i++) {
        nv_path(path, "%s%s", state->hierarchies[i].path, cgroup->path);
        int dir = nv_dir_open(pass, NV_DIR_ROOTS, path);
        if (dir < 0)
            continue;
        int n = nv_dir_read(pass, dir, "cgroup.procs", state->text, 64);
        nv_dir_close(pass, dir);
        struct nv_str text = {state->text, n > 0 ? (size_t)n : 0};
        if (!nv_str_to_i64(nv_str_trim(nv_str_cut(&text, '\n')), &pid) || pid < 0)
            pid = 0;
    }
    return pid;
}

static bool is_pause(struct nv_pass *pass, const struct nv_cg_state *state, struct nv_cg *cgroup)
{
    char path[NV_PATH_MAX];
    struct nv_str comm;

    if (cgroup->asked_comm)
        return cgroup->is_sandbox;
    int64_t pid = nv_cg_first_process(pass, state, cgroup);
    if (!pid)
        return false;
    nv_path(path, "proc/%lld/comm", (long long)pid);
    if (nv_read(pass, path, &comm) < 0)
        return false;
    comm = nv_str_trim(comm);
    if (nv_str_starts(comm, "runc") ||
        nv_str_is(comm, "crun")) /* about to become what it is to run */
        return false;
    cgroup->asked_comm = true;
    return nv_str_is(comm, "pause") || nv_str_is(comm, "pod");
}

static void be_sandbox(struct nv_cg *cgroup)
{
    cgroup->is_sandbox = true;
    cgroup->how = NV_CG_SANDBOX;
}

/* ---- the kubelet's names -------------------------------------------------------------------- */

static bool says_docker(const struct nv_cg *cgroup, struct nv_str json)
{
    return cgroup->is.runtime == NV_CG_DOCKER || cgroup->is.runtime == NV_CG_CRIO ||
           (cgroup->is.runtime == NV_CG_BARE && nv_str_contains(json, "\"docker://"));
}

/* Docker and CRI-O have no name but the one that the kubelet would have made for Docker. */
static struct nv_str long_name(struct nv_pass *pass, struct nv_str container,
                               const struct nv_pod *pod, uint64_t attempt)
{
    size_t size = container.n + pod->name.n + pod->ns.n + pod->uid.n + 32;
    char *text = nv_alloc(pass, size);
    int n =
        snprintf(text, size, "k8s_%.*s_%.*s_%.*s_%.*s_%llu", NV_ARGS(container), NV_ARGS(pod->name),
                 NV_ARGS(pod->ns), NV_ARGS(pod->uid), (unsigned long long)attempt);

    return (struct nv_str){text, (size_t)n};
}

/* The pod a cgroup's name tells of. One of systemd has '_' where the uid has '-'. */
static const struct nv_pod *find_pod(struct nv_pass *pass, const struct nv_pods *pods,
                                     struct nv_str key)
{
    const struct nv_pod *pod = nv_pods_find_pod(pods, nv_cg_uid(key, nv_alloc(pass, key.n + 1)));

    return pod ? pod : nv_pods_find_pod(pods, key);
}

static bool label_container(struct nv_pass *pass, const struct nv_pods *pods, struct nv_cg *cgroup,
                            struct nv_cg_said *said)
{
    struct nv_pod_place place;

    if (!nv_pods_find_container(pods, cgroup->is.key, &place))
        return false;
    bool is_last = !nv_str_eq(place.container->id, cgroup->is.key);
    uint64_t attempt = place.container->restarts - (is_last && place.container->restarts ? 1 : 0);
    said->container = place.container->name;
    said->image = place.container->image;
    said->ns = place.pod->ns;
    said->pod = place.pod->name;
    said->name = says_docker(cgroup, place.pod->json)
                     ? long_name(pass, place.container->name, place.pod, attempt)
                     : cgroup->is.key;
    cgroup->started_ms = is_last ? place.container->last_started_ms : place.container->started_ms;
    cgroup->host_network = place.pod->host_network;
    return true;
}

/* What is known of the pod it is in. */
static struct nv_pod pod_around(struct nv_pass *pass, const struct nv_pods *pods,
                                const struct nv_cg *cgroup)
{
    const struct nv_cg *above = cgroup->above;
    struct nv_str key = above->is.kind == NV_CG_POD ? above->is.key : nv_cg_pod_in(cgroup->name);
    const struct nv_pod *pod = pods ? find_pod(pass, pods, key) : NULL;

    return pod ? *pod
               : (struct nv_pod){.name = above->labels[NV_CG_L_POD],
                                 .ns = above->labels[NV_CG_L_NAMESPACE],
                                 .uid = nv_cg_uid(key, nv_alloc(pass, key.n + 1)),
                                 .host_network = above->host_network};
}

/* In a pod but not among its containers: a sandbox, or one that has just come or gone. */
static void label_unlisted(struct nv_pass *pass, struct nv_cg_state *state,
                           const struct nv_pods *pods, struct nv_cg *cgroup,
                           struct nv_cg_said *said)
{
    const struct nv_pod pod = pod_around(pass, pods, cgroup);

    if (!cgroup->is_sandbox && is_pause(pass, state, cgroup))
        be_sandbox(cgroup);
    if (!cgroup->is_sandbox)
        nv_pods_wanted(pass);
    said->name = cgroup->is.key;
    said->ns = pod.ns;
    said->pod = pod.name;
    cgroup->host_network = pod.host_network;
    if (!cgroup->is_sandbox || !pod.name.n || !says_docker(cgroup, pod.json))
        return;
    said->container = NV_LIT("POD");
    if (cgroup->is.runtime == NV_CG_CRIO || !nv_cg_docker_label(pass, cgroup, said))
        said->name = long_name(pass, said->container, &pod, 0);
}

static void label_pod(struct nv_pass *pass, struct nv_cg_state *state, const struct nv_pods *pods,
                      struct nv_cg *cgroup, struct nv_cg_said *said)
{
    const struct nv_pod *pod = pods ? find_pod(pass, pods, cgroup->is.key) : NULL;

    if (pod) {
        said->ns = pod->ns;
        said->pod = pod->name;
        cgroup->host_network = pod->host_network;
        return;
    }
    nv_pods_wanted(pass);
    if (!pods)
        nv_cg_names_pod(pass, state, cgroup, said);
}

static void label_one(struct nv_pass *pass, struct nv_cg_state *state, const struct nv_pods *pods,
                      struct nv_cg *cgroup)
{
    struct nv_cg_said said = {0};

    if (cgroup->is.kind == NV_CG_POD) {
        label_pod(pass, state, pods, cgroup, &said);
    } else if (cgroup->is.runtime == NV_CG_MACHINE) {
        said.name = nv_cg_unescape(cgroup->is.key, nv_alloc(pass, cgroup->is.key.n + 1));
    } else if (!pods || !label_container(pass, pods, cgroup, &said)) {
        if (pods || !nv_cg_names_container(pass, state, cgroup, &said)) {
            if (nv_cg_is_of_pod(cgroup))
                label_unlisted(pass, state, pods, cgroup, &said);
            else
                nv_cg_runtime_label(pass, cgroup, &said);
        }
    }
    nv_cg_label(cgroup, &said);
}

static bool needs_labels(const struct nv_cg *cgroup)
{
    return cgroup->is.kind == NV_CG_POD || cgroup->is.kind == NV_CG_CONTAINER;
}

/* One that is not named yet is looked up again in each pass, as long as it is not known to be a sandbox. */
static bool is_nameless(const struct nv_cg *cgroup)
{
    return cgroup->is.kind == NV_CG_CONTAINER && !cgroup->is_sandbox &&
           !cgroup->labels[NV_CG_L_CONTAINER].n && nv_cg_is_of_pod(cgroup);
}

void nv_cg_label_all(struct nv_pass *pass, struct nv_cg_state *state)
{
    const struct nv_pods *pods = nv_pods(pass);
    uint64_t version = pods ? pods->version + 1 : 0;

    state->has_pods = pods;
    for (struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup)) {
        if (!needs_labels(cgroup) ||
            (!cgroup->is_new && cgroup->labels_of == version && !is_nameless(cgroup)))
            continue;
        if (pods || cgroup->is_new || is_nameless(cgroup)) /* while they are silent, names last */
            label_one(pass, state, pods, cgroup);
        cgroup->is_new = false;
        cgroup->labels_of = version;
    }
}
