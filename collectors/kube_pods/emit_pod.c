/*
 * emit_pod.c - samples of the pod as a whole.
 */
#include "pod.h"
#include "tables.h"

#include <arpa/inet.h>

static const char *const reasons[] = {
    "Evicted",
    "NodeAffinity",
    "NodeLost",
    "PreemptionByScheduler",
    "SchedulingGated",
    "Shutdown",
    "TerminationByKubelet",
    "UnexpectedAdmissionError",
};
static const char *const disruptions[] = {
    "PreemptionByScheduler", "DeletionByTaintManager", "EvictionByEvictionAPI",
    "DeletionByPodGC",       "TerminationByKubelet",
};
static const char *const phases[] = {"Pending", "Succeeded", "Failed", "Unknown", "Running"};
static const char *const classes[] = {"BestEffort", "Burstable", "Guaranteed"};

static const struct nv_str yes = NV_LIT("true"), no = NV_LIT("false");

static struct nv_str truth(bool value)
{
    return value ? yes : no;
}

/* A row whose first labels are the pod's, then those given. */
static void emit(struct nv_pass *pass, const struct nv_kube_pod *pod, enum nv_kube_table table,
                 size_t column, const struct nv_str *more, size_t n, uint64_t value)
{
    struct nv_str labels[NV_KUBE_LABELS] = {pod->ns, pod->name, pod->uid};

    for (size_t i = 0; i < n; i++)
        labels[3 + i] = more[i];
    nv_emit_u64(pass, &nv_kube_tables[table], labels, column, value);
}

static void emit_one(struct nv_pass *pass, const struct nv_kube_pod *pod, enum nv_kube_table table,
                     struct nv_str label)
{
    emit(pass, pod, table, 0, &label, 1, 1);
}

/* 1 for the name that fits, 0 for the others; nothing where there is none. */
static void emit_choice(struct nv_pass *pass, const struct nv_kube_pod *pod,
                        enum nv_kube_table table, const char *const *names, size_t n,
                        struct nv_str is)
{
    for (size_t i = 0; i < n && is.n; i++) {
        struct nv_str name = nv_str(names[i]);
        emit(pass, pod, table, 0, &name, 1, nv_str_eq(name, is));
    }
}

/* ---- conditions ----------------------------------------------------------------------------- */

/* true, false, unknown: with 1 for how it stands. */
static void emit_condition(struct nv_pass *pass, const struct nv_kube_pod *pod, size_t column,
                           struct nv_str status)
{
    static const char *const states[][2] = {
        {"true",    "True"   },
        {"false",   "False"  },
        {"unknown", "Unknown"},
    };

    for (size_t i = 0; i < NV_LEN(states); i++) {
        struct nv_str name = nv_str(states[i][0]);
        emit(pass, pod, NV_KUBE_CONDITION, column, &name, 1, nv_str_is(status, states[i][1]));
    }
}

/* The columns of times that conditions fill, by type and status. */
static const struct {
    const char *type, *status;
    size_t column;
} times[] = {
    {"PodScheduled",    "True",  NV_KUBE_SCHEDULED_TIME       },
    {"PodScheduled",    "False", NV_KUBE_UNSCHEDULED_TIME     },
    {"Initialized",     "True",  NV_KUBE_INITIALIZED_TIME     },
    {"ContainersReady", "True",  NV_KUBE_CONTAINERS_READY_TIME},
    {"Ready",           "True",  NV_KUBE_READY_TIME           },
};

struct row {
    double values[NV_KUBE_POD_COLUMNS];
    uint64_t there;
};

static void put(struct row *row, size_t column, double value)
{
    row->values[column] = value;
    row->there |= UINT64_C(1) << column;
}

static void put_time(struct row *row, size_t column, struct nv_kube_number time)
{
    if (time.there)
        put(row, column, (double)time.value);
}

static void put_conditions(struct nv_pass *pass, const struct nv_kube_pod *pod, struct row *row)
{
    const struct nv_kube_condition *at = pod->conditions.at;

    for (size_t i = 0; i < pod->conditions.n; i++) {
        bool scheduled = nv_str_is(at[i].type, "PodScheduled");
        if (scheduled || nv_str_is(at[i].type, "Ready"))
            emit_condition(pass, pod, scheduled ? NV_KUBE_IS_SCHEDULED : NV_KUBE_IS_READY,
                           at[i].status);
        if (scheduled && nv_str_is(at[i].status, "False"))
            put(row, NV_KUBE_UNSCHEDULABLE, 1);
        for (size_t k = 0; k < NV_LEN(times); k++)
            if (nv_str_is(at[i].type, times[k].type) && nv_str_is(at[i].status, times[k].status))
                put_time(row, times[k].column, at[i].changed);
    }
}

/* ---- reasons -------------------------------------------------------------------------------- */

static bool is_reason(const struct nv_kube_pod *pod, const char *reason)
{
    const struct nv_kube_condition *conditions = pod->conditions.at;
    const struct nv_kube_status_container *containers = pod->regular.statuses.at;

    if (nv_str_is(pod->reason, reason))
        return true;
    for (size_t i = 0; i < pod->conditions.n; i++)
        if (nv_str_is(conditions[i].reason, reason))
            return true;
    for (size_t i = 0; i < pod->regular.statuses.n; i++)
        if (containers[i].state.terminated && nv_str_is(containers[i].state.reason, reason))
            return true;
    return false;
}

static bool is_among(struct nv_str name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (nv_str_is(name, names[i]))
            return true;
    return false;
}

static void emit_why(struct nv_pass *pass, const struct nv_kube_pod *pod, size_t column,
                     struct nv_str reason)
{
    emit(pass, pod, NV_KUBE_WHY, column, &reason, 1, 1);
}

static void emit_reasons(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    const struct nv_kube_condition *at = pod->conditions.at;

    for (size_t i = 0; i < NV_LEN(reasons); i++)
        if (is_reason(pod, reasons[i]))
            emit_why(pass, pod, NV_KUBE_STATUS_REASON, nv_str(reasons[i]));
    if (pod->reason.n && !is_among(pod->reason, reasons, NV_LEN(reasons)))
        emit_why(pass, pod, NV_KUBE_STATUS_REASON, nv_str("Other"));
    for (size_t i = 0; i < pod->conditions.n; i++)
        if (nv_str_is(at[i].type, "DisruptionTarget") && at[i].reason.n)
            emit_why(pass, pod, NV_KUBE_DISRUPTION_REASON,
                     is_among(at[i].reason, disruptions, NV_LEN(disruptions)) ? at[i].reason
                                                                              : nv_str("Other"));
}

/* ---- who it is ------------------------------------------------------------------------------ */

static void emit_info(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    const struct nv_kube_owner *owners = pod->owners.at, none = {
                                                             .kind = {"", 0},
                                                               .name = {"", 0}
    };
    const struct nv_kube_owner *controller = &none;

    for (size_t i = pod->owners.n; i-- > 0;)
        if (owners[i].controller)
            controller = &owners[i]; /* the first */
    const struct nv_str info[] = {pod->host_ip,
                                  pod->ip,
                                  pod->node,
                                  controller->kind,
                                  controller->name,
                                  pod->priority_class,
                                  truth(pod->host_network)};
    emit(pass, pod, NV_KUBE_INFO, 0, info, NV_LEN(info), 1);
}

static void emit_owners(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    const struct nv_kube_owner *at = pod->owners.at;
    const struct nv_str nobody[] = {
        {"", 0},
        {"", 0},
        {"", 0}
    };

    for (size_t i = 0; i < pod->owners.n; i++) {
        const struct nv_str owner[] = {at[i].kind, at[i].name, truth(at[i].controller)};
        emit(pass, pod, NV_KUBE_OWNER, 0, owner, NV_LEN(owner), 1);
    }
    if (!pod->owners.n)
        emit(pass, pod, NV_KUBE_OWNER, 0, nobody, NV_LEN(nobody), 1);
}

/* "4" or "6", where an IPv4 address within IPv6 is IPv4; empty where it is no address. */
static struct nv_str family_of(struct nv_str ip)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    unsigned char address[16];
    char text[64];

    if (ip.n >= sizeof(text))
        return (struct nv_str){"", 0};
    memcpy(text, ip.p, ip.n);
    text[ip.n] = '\0';
    if (inet_pton(AF_INET, text, address) == 1)
        return nv_str("4");
    if (inet_pton(AF_INET6, text, address) != 1)
        return (struct nv_str){"", 0};
    return nv_str(memcmp(address, mapped, sizeof(mapped)) == 0 ? "4" : "6");
}

static void emit_ips(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    const struct nv_kube_ip *at = pod->ips.at;

    for (size_t i = 0; i < pod->ips.n; i++) {
        const struct nv_str ip[] = {at[i].ip, at[i].ip.n ? family_of(at[i].ip) : at[i].ip};
        if (ip[1].n)
            emit(pass, pod, NV_KUBE_IPS, 0, ip, NV_LEN(ip), 1);
    }
}

/* ---- what it asks for ----------------------------------------------------------------------- */

static bool same_toleration(const struct nv_kube_toleration *a, const struct nv_kube_toleration *b)
{
    return nv_str_eq(a->key, b->key) && nv_str_eq(a->op, b->op) && nv_str_eq(a->value, b->value) &&
           nv_str_eq(a->effect, b->effect) && nv_str_eq(a->seconds, b->seconds);
}

/* Admission may have added one that was there. */
static void emit_tolerations(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    enum { COMPARED = 64 };
    const struct nv_kube_toleration *at = pod->tolerations.at;

    for (size_t i = 0; i < pod->tolerations.n; i++) {
        bool again = false;
        for (size_t k = i > COMPARED ? i - COMPARED : 0; k < i && !again; k++)
            again = same_toleration(&at[k], &at[i]);
        const struct nv_str labels[] = {at[i].key, at[i].op, at[i].value, at[i].effect,
                                        at[i].seconds};
        if (!again)
            emit(pass, pod, NV_KUBE_TOLERATIONS, 0, labels, NV_LEN(labels), 1);
    }
}

/* The claim of a generic ephemeral volume is named after pod and volume. */
static struct nv_str ephemeral_claim(struct nv_pass *pass, const struct nv_kube_pod *pod,
                                     struct nv_str volume)
{
    char *name = nv_alloc(pass, pod->name.n + volume.n + 2);
    int n = snprintf(name, pod->name.n + volume.n + 2, "%.*s-%.*s", NV_ARGS(pod->name),
                     NV_ARGS(volume));

    return (struct nv_str){name, (size_t)n};
}

static void emit_volumes(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    const struct nv_kube_volume *at = pod->volumes.at;

    for (size_t i = 0; i < pod->volumes.n; i++) {
        if (!at[i].has_claim && !at[i].ephemeral)
            continue;
        const struct nv_str labels[] = {
            at[i].name, at[i].has_claim ? at[i].claim : ephemeral_claim(pass, pod, at[i].name),
            truth(!at[i].has_claim)};
        emit(pass, pod, NV_KUBE_VOLUMES, NV_KUBE_VOLUME_INFO, labels, NV_LEN(labels), 1);
        emit(pass, pod, NV_KUBE_VOLUMES, NV_KUBE_VOLUME_READONLY, labels, NV_LEN(labels),
             at[i].has_claim && at[i].read_only);
    }
}

/* Where a template is used, what was made of it stands in the status. */
static void emit_claims(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    const struct nv_kube_claim *at = pod->claims.at, *made = pod->claim_statuses.at;

    for (size_t i = 0; i < pod->claims.n; i++) {
        struct nv_str resource = at[i].resource;
        for (size_t k = 0; k < pod->claim_statuses.n && !resource.n; k++)
            if (nv_str_eq(made[k].name, at[i].name))
                resource = made[k].resource;
        const struct nv_str labels[] = {at[i].name, resource, at[i].template_name};
        emit(pass, pod, NV_KUBE_CLAIM, 0, labels, NV_LEN(labels), 1);
    }
}

static void put_overhead(const struct nv_kube_pod *pod, struct row *row)
{
    const struct nv_kube_pair *at = pod->overhead.at;
    double value;

    for (size_t i = 0; i < pod->overhead.n; i++) {
        if (nv_str_is(at[i].key, "cpu") && nv_kube_quantity(at[i].value, 1000, &value))
            put(row, NV_KUBE_OVERHEAD_CPU, value / 1000);
        if (nv_str_is(at[i].key, "memory") && nv_kube_quantity(at[i].value, 1, &value))
            put(row, NV_KUBE_OVERHEAD_MEMORY, value);
    }
}

static void put_completion(const struct nv_kube_pod *pod, struct row *row)
{
    const struct nv_kube_status_container *at = pod->regular.statuses.at;
    int64_t last = 0;

    for (size_t i = 0; i < pod->regular.statuses.n; i++)
        if (at[i].state.terminated && at[i].state.finished.value > last)
            last = at[i].state.finished.value;
    if (last)
        put(row, NV_KUBE_COMPLETION, (double)last);
}

void nv_kube_emit_pod(struct nv_pass *pass, const struct nv_kube_pod *pod)
{
    const struct nv_str labels[] = {pod->ns, pod->name, pod->uid};
    struct row row = {.there = 0};

    emit_info(pass, pod);
    emit_ips(pass, pod);
    emit_owners(pass, pod);
    emit_one(pass, pod, NV_KUBE_POLICY, pod->restart_policy);
    emit_one(pass, pod, NV_KUBE_ACCOUNT, pod->service_account);
    emit_one(pass, pod, NV_KUBE_SCHEDULER, pod->scheduler);
    if (pod->runtime_class.n)
        emit_one(pass, pod, NV_KUBE_RUNTIME, pod->runtime_class);
    emit_tolerations(pass, pod);
    emit_volumes(pass, pod);
    emit_claims(pass, pod);
    emit_choice(pass, pod, NV_KUBE_PHASE, phases, NV_LEN(phases), pod->phase);
    emit_choice(pass, pod, NV_KUBE_QOS, classes, NV_LEN(classes), pod->qos);
    emit_reasons(pass, pod);
    put_time(&row, NV_KUBE_CREATED, pod->created);
    put_time(&row, NV_KUBE_DELETION, pod->deleted);
    put_time(&row, NV_KUBE_START, pod->started);
    put_completion(pod, &row);
    put_overhead(pod, &row);
    put_conditions(pass, pod, &row);
    nv_emit_reals(pass, &nv_kube_tables[NV_KUBE_POD], labels, row.values, NV_KUBE_POD_COLUMNS,
                  row.there);
}
