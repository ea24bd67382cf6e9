#include "kube/discover.h"

#include <errno.h>
#include <stdio.h>

#include "base/index.h"
#include "kube/meta.h"

enum { ADDRESS_MAX = 80, SCRATCH_MAX = 32 << 20 };

struct finder {
    const struct nv_kube_wanted *wanted;
    struct nv_arena *memory, scratch; /* scratch: texts of the present pod, which labels copy */
    struct nv_kube_labels labels;
    struct nv_target_group *groups;
    uint64_t *urls; /* hashes of their URLs */
    size_t n, left_out;

    /* Of the present pod. */
    const struct nv_pod *pod;
    struct nv_kube_wish wish;
    struct nv_kube_declared declared;
};

static uint64_t hash_str(struct nv_str s, uint64_t seed)
{
    return nv_hash(s.p, s.n, seed ^ s.n);
}

static uint64_t hash_url(struct nv_str address, bool https, const struct nv_kube_wish *wish)
{
    uint64_t hash = hash_str(wish->path, hash_str(address, https));

    for (size_t i = 0; i < wish->n_params; i++)
        hash = hash_str(wish->params[i].value, hash_str(wish->params[i].name, hash));
    return hash;
}

/* Whether there is such a URL already. */
static bool is_known(const struct finder *finder, uint64_t url)
{
    for (size_t i = 0; i < finder->n; i++)
        if (finder->urls[i] == url)
            return true;
    return false;
}

/* IP:PORT, in the arena; NULL where memory is out. */
static struct nv_str *write_address(struct finder *finder, unsigned number)
{
    struct nv_str ip = finder->pod->ip;
    bool v6 = nv_str_find(ip, ':') < ip.n;
    char text[ADDRESS_MAX];
    struct nv_str *address = nv_arena_alloc(finder->memory, sizeof(*address));
    int length = snprintf(text, sizeof(text), "%s%.*s%s:%u", v6 ? "[" : "", NV_ARGS(ip),
                          v6 ? "]" : "", number);

    if (!address)
        return NULL;
    *address = nv_arena_str(
        finder->memory,
        (struct nv_str){text, (size_t)length < sizeof(text) ? (size_t)length : sizeof(text) - 1});
    return address->p ? address : NULL;
}

static struct nv_str node_of(const struct finder *finder)
{
    const char *name = finder->wanted->node_name;

    return finder->pod->node.n ? finder->pod->node : nv_str(name ? name : "");
}

static int add_target(struct finder *finder, unsigned number, const struct nv_kube_port *port,
                      const struct nv_kube_wish *wish, bool https)
{
    const struct nv_kube_target target = {
        .declared = &finder->declared,
        .port = port,
        .wish = wish,
        .node = node_of(finder),
        .https = https,
        .interval_ms = finder->wanted->interval_ms,
        .timeout_ms = finder->wanted->timeout_ms,
    };
    struct nv_str *address = write_address(finder, number);

    if (!address)
        return -ENOMEM;
    uint64_t url = hash_url(*address, https, wish);
    if (is_known(finder, url))
        return 0;
    if (finder->n == NV_KUBE_TARGETS_MAX) {
        finder->left_out++;
        return 0;
    }
    struct nv_target_group *group = &finder->groups[finder->n];
    *group = (struct nv_target_group){.targets = address, .n_targets = 1};
    struct nv_arena_mark mark = nv_arena_mark(&finder->scratch);
    int r = nv_kube_target_labels(&finder->labels, &target, group);
    nv_arena_rewind(&finder->scratch, mark);
    if (r == 0)
        finder->urls[finder->n++] = url;
    return r;
}

/* The one that is declared under a number; one that is not is of the only container there is, if so. */
static const struct nv_kube_port *port_of(const struct finder *finder, unsigned number,
                                          struct nv_kube_port *spare)
{
    const struct nv_kube_declared *declared = &finder->declared;
    size_t n = 0;

    for (size_t i = 0; i < declared->n_ports; i++)
        if (declared->ports[i].number == number)
            return &declared->ports[i];
    for (size_t i = 0; i < finder->pod->n_containers; i++) {
        const struct nv_pod_container *at = nv_pod_container_at(finder->pod, i);
        if (at->kind != NV_CONTAINER_REGULAR)
            continue;
        *spare = (struct nv_kube_port){
            .container = at->name, .image = at->image, .id = at->id, .number = number};
        n++;
    }
    return n == 1 ? spare : NULL;
}

static int find_annotated(struct finder *finder)
{
    const struct nv_kube_wish *wish = &finder->wish;
    const struct nv_kube_declared *declared = &finder->declared;
    struct nv_kube_port spare;
    int r = 0;

    if (wish->port)
        return add_target(finder, wish->port, port_of(finder, wish->port, &spare), wish,
                          wish->https);
    for (size_t i = 0; i < declared->n_ports && r == 0; i++)
        r = add_target(finder, (unsigned)declared->ports[i].number, &declared->ports[i], wish,
                       wish->https);
    return r;
}

static int find_named(struct finder *finder)
{
    static const struct nv_kube_wish usual = {
        .path = {"/metrics", 8}
    };
    int r = 0;

    for (size_t i = 0; i < finder->declared.n_ports && r == 0; i++) {
        const struct nv_kube_port *port = &finder->declared.ports[i];
        if (nv_str_is(port->name, "metrics") || nv_str_ends(port->name, "-metrics"))
            r = add_target(finder, (unsigned)port->number, port, &usual,
                           nv_str_starts(port->name, "https"));
    }
    return r;
}

static bool is_own(const struct nv_pod *pod, const struct nv_kube_wanted *wanted)
{
    if (wanted->own_uid && wanted->own_uid[0])
        return nv_str_is(pod->uid, wanted->own_uid);
    return wanted->own_name && wanted->own_namespace && nv_str_is(pod->name, wanted->own_name) &&
           nv_str_is(pod->ns, wanted->own_namespace);
}

static int find_of_pod(struct finder *finder)
{
    const struct nv_kube_wanted *wanted = finder->wanted;
    const struct nv_pod *pod = finder->pod;

    if (!nv_str_is(pod->phase, "Running") || !pod->ip.n || is_own(pod, wanted))
        return 0;
    int r = nv_kube_wish_read(pod->annotations, &finder->scratch, &finder->wish);
    bool annotated = finder->wish.scrape == NV_KUBE_YES && wanted->annotated;
    bool named = finder->wish.scrape == NV_KUBE_UNSAID && wanted->named_ports;
    if (r < 0 || (!annotated && !named))
        return r;
    r = nv_kube_declared_read(pod, &finder->scratch, &finder->declared);
    if (r < 0)
        return r;
    return annotated ? find_annotated(finder) : find_named(finder);
}

/* The kubelet lists its pods in no order. */
static int order_pods(const void *a, const void *b)
{
    const struct nv_pod *x = *(const struct nv_pod *const *)a;
    const struct nv_pod *y = *(const struct nv_pod *const *)b;
    int order = nv_str_cmp(x->ns, y->ns);

    if (order == 0)
        order = nv_str_cmp(x->name, y->name);
    return order ? order : nv_str_cmp(x->uid, y->uid);
}

int nv_kube_discover(const struct nv_pods *pods, const struct nv_kube_wanted *wanted,
                     struct nv_arena *memory, struct nv_target_groups *ret, size_t *ret_left_out)
{
    NV_AUTO_FREE struct finder *finder = calloc(1, sizeof(*finder));
    NV_AUTO_FREE struct nv_kube_label *labels = calloc(NV_KUBE_LABELS_MAX, sizeof(*labels));
    NV_AUTO_FREE uint64_t *urls = calloc(NV_KUBE_TARGETS_MAX, sizeof(*urls));
    NV_AUTO_FREE const struct nv_pod **sorted = calloc(pods->n + 1, sizeof(*sorted));
    int r = 0;

    if (!finder || !labels || !urls || !sorted)
        return -ENOMEM;
    *finder = (struct finder){
        .wanted = wanted,
        .memory = memory,
        .scratch = NV_ARENA(SCRATCH_MAX),
        .urls = urls,
        .labels = {.memory = memory, .scratch = &finder->scratch, .at = labels},
    };
    finder->groups = nv_arena_alloc(memory, NV_KUBE_TARGETS_MAX * sizeof(*finder->groups));
    if (!finder->groups)
        return -ENOMEM;
    for (size_t i = 0; i < pods->n; i++)
        sorted[i] = nv_pod_at(pods, i);
    qsort(sorted, pods->n, sizeof(const struct nv_pod *), order_pods);
    for (size_t i = 0; i < pods->n && r == 0; i++) {
        finder->pod = sorted[i];
        r = find_of_pod(finder);
        nv_arena_reset(&finder->scratch);
    }
    nv_arena_done(&finder->scratch);
    if (r < 0)
        return r;
    *ret = (struct nv_target_groups){finder->groups, finder->n};
    *ret_left_out = finder->left_out;
    return 0;
}

uint64_t nv_kube_digest(const struct nv_target_groups *groups)
{
    uint64_t hash = groups->n;

    for (size_t i = 0; i < groups->n; i++) {
        const struct nv_target_group *group = &groups->at[i];
        for (size_t k = 0; k < group->n_targets; k++)
            hash = hash_str(group->targets[k], hash);
        for (size_t k = 0; k < group->n_labels; k++)
            hash = hash_str(group->labels[k].value, hash_str(group->labels[k].name, hash));
    }
    return hash;
}
