/*
 * emit_containers.c - samples of a pod's containers, in the order of their statuses; init containers have families of
 * their own, ephemeral ones have none.
 */
#include "pod.h"
#include "tables.h"

/* The tables of one kind. */
struct kind {
    enum nv_kube_table info, state, reason, resources;
    bool init;
};
static const struct kind regular = {NV_KUBE_CONTAINER_INFO, NV_KUBE_CONTAINER, NV_KUBE_REASON,
                                    NV_KUBE_RESOURCES, false};
static const struct kind init = {NV_KUBE_INIT_INFO, NV_KUBE_INIT_CONTAINER, NV_KUBE_INIT_REASON,
                                 NV_KUBE_INIT_RESOURCES, true};

static const struct nv_kube_spec_container *spec_of(const struct nv_kube_containers *containers,
                                                    struct nv_str name)
{
    static const struct nv_kube_spec_container nothing = {
        .name = {"", 0}
    };
    const struct nv_kube_spec_container *at = containers->specs.at;

    for (size_t i = 0; i < containers->specs.n; i++)
        if (nv_str_eq(at[i].name, name))
            return &at[i];
    return &nothing;
}

static void emit_info(struct nv_pass *pass, const struct nv_kube_pod *pod, const struct kind *kind,
                      const struct nv_kube_status_container *status,
                      const struct nv_kube_spec_container *spec)
{
    const struct nv_str labels[] = {pod->ns,          pod->name,   pod->uid,
                                    status->name,     spec->image, status->image,
                                    status->image_id, status->id,  spec->restart_policy};

    nv_emit_u64(pass, &nv_kube_tables[kind->info], labels, 0, 1);
}

static void emit_reason(struct nv_pass *pass, const struct nv_kube_pod *pod,
                        const struct kind *kind, const struct nv_kube_status_container *status,
                        size_t column, struct nv_str reason)
{
    const struct nv_str labels[] = {pod->ns, pod->name, pod->uid, status->name, reason};

    nv_emit_u64(pass, &nv_kube_tables[kind->reason], labels, column, 1);
}

static void emit_reasons(struct nv_pass *pass, const struct nv_kube_pod *pod,
                         const struct kind *kind, const struct nv_kube_status_container *status)
{
    if (status->state.waiting)
        emit_reason(pass, pod, kind, status, NV_KUBE_WAITING_REASON, status->state.reason);
    if (status->state.terminated)
        emit_reason(pass, pod, kind, status, NV_KUBE_TERMINATED_REASON, status->state.reason);
    if (status->last.terminated)
        emit_reason(pass, pod, kind, status, NV_KUBE_LAST_REASON, status->last.reason);
}

struct row {
    double values[NV_KUBE_CONTAINER_COLUMNS];
    uint64_t there;
};

static void put(struct row *row, size_t column, bool there, double value)
{
    row->values[column] = value;
    row->there |= (uint64_t)there << column;
}

static void emit_state(struct nv_pass *pass, const struct nv_kube_pod *pod, const struct kind *kind,
                       const struct nv_kube_status_container *status)
{
    const struct nv_str labels[] = {pod->ns, pod->name, pod->uid, status->name};
    const struct nv_kube_state *state = &status->state, *last = &status->last;
    struct row row = {.there = 0};

    put(&row, NV_KUBE_STARTED, state->started.there, (double)state->started.value);
    put(&row, NV_KUBE_WAITING, true, state->waiting);
    put(&row, NV_KUBE_RUNNING, true, state->running);
    put(&row, NV_KUBE_TERMINATED, true, state->terminated);
    put(&row, NV_KUBE_LAST_EXITCODE, last->terminated, (double)last->exit_code.value);
    put(&row, NV_KUBE_LAST_TIME, last->finished.there, (double)last->finished.value);
    put(&row, NV_KUBE_READY, true, status->ready);
    put(&row, NV_KUBE_RESTARTS, true, (double)status->restarts.value);
    nv_emit_reals(pass, &nv_kube_tables[kind->state], labels, row.values, NV_KUBE_CONTAINER_COLUMNS,
                  row.there);
}

/* ---- resources ------------------------------------------------------------------------------ */

/* What a resource is counted in; empty for one that has no samples. */
static struct nv_str unit_of(struct nv_str name)
{
    bool native = nv_str_find(name, '/') == name.n || nv_str_contains(name, "kubernetes.io/");

    if (nv_str_is(name, "cpu"))
        return nv_str("core");
    if (nv_str_is(name, "memory") || nv_str_is(name, "storage") ||
        nv_str_is(name, "ephemeral-storage") || nv_str_starts(name, "hugepages-") ||
        nv_str_starts(name, "attachable-volumes-"))
        return nv_str("byte");
    return native || nv_str_starts(name, "requests.") ? (struct nv_str){"", 0} : nv_str("integer");
}

/* As part of a label: what cannot stand in a name becomes an underscore. */
static struct nv_str clean(struct nv_pass *pass, struct nv_str name)
{
    char *out = nv_alloc(pass, name.n + 1);

    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool good = nv_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        out[i] = good ? c : '_';
    }
    return (struct nv_str){out, name.n};
}

static void emit_resources(struct nv_pass *pass, const struct nv_kube_pod *pod,
                           const struct kind *kind, const struct nv_kube_spec_container *spec,
                           const struct nv_kube_list *list, size_t column)
{
    const struct nv_kube_pair *at = list->at;
    double value;

    for (size_t i = 0; i < list->n; i++) {
        struct nv_str unit = unit_of(at[i].key);
        int64_t scale = nv_str_is(unit, "core") ? 1000 : 1;
        if (!unit.n || !nv_kube_quantity(at[i].value, scale, &value))
            continue;
        const struct nv_str labels[] = {
            pod->ns, pod->name, pod->uid, spec->name, pod->node, clean(pass, at[i].key), unit};
        nv_emit_real(pass, &nv_kube_tables[kind->resources], labels, column, value / (double)scale);
    }
}

/* ---- all ------------------------------------------------------------------------------------ */

static void emit_kind(struct nv_pass *pass, const struct nv_kube_pod *pod, const struct kind *kind,
                      const struct nv_kube_containers *containers)
{
    const struct nv_kube_status_container *statuses = containers->statuses.at;
    const struct nv_kube_spec_container *specs = containers->specs.at;

    for (size_t i = 0; i < containers->statuses.n; i++) {
        emit_info(pass, pod, kind, &statuses[i], spec_of(containers, statuses[i].name));
        emit_state(pass, pod, kind, &statuses[i]);
        emit_reasons(pass, pod, kind, &statuses[i]);
    }
    for (size_t i = 0; i < containers->specs.n; i++) {
        emit_resources(pass, pod, kind, &specs[i], &specs[i].requests, NV_KUBE_REQUESTS);
        emit_resources(pass, pod, kind, &specs[i], &specs[i].limits, NV_KUBE_LIMITS);
    }
}

void nv_kube_emit_containers(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    emit_kind(pass, pod, &regular, &pod->regular);
    emit_kind(pass, pod, &init, &pod->init);
}
