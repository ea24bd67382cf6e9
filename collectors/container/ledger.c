/*
 * ledger.c - what outlives a container: its OOM kills, and that it was there at all.
 *
 *   container_oom_events_total   of each instance that is there, and of those that were killed and have gone, under the
 *                                labels they had, so that increase() sees the step whatever takes their place
 *   container_oom_kills_total    their sum by namespace, pod and container, through all restarts that we saw
 *   container_short_lived_total  instances that came and went between two passes, by the same names
 *
 * A kill that takes the whole container takes the cgroup and its counter along. It is known all the same: on v2 the
 * cgroup above counts what happened below, and what it has more than those that are there is of one that went; and the
 * kubelet tells of a last state OOMKilled. Whatever both tell of one instance is one kill.
 *
 * An instance is short-lived where the kubelet has counted more that have ended than we have seen; outside of pods where
 * its cgroup was made and is not there (births.c), in one sum, since nobody knows their names.
 *
 * What ended before the first pass does not count, but for kills while an agent that had looked before was being started
 * again: what is counted is kept (ledger_kept.c). Names are kept as long as the kubelet lists them or they have
 * a cgroup, and ENTRY_KEPT passes more; those of which nothing was counted only ENTRY_IDLE passes, and without series, or
 * pods that come and go would leave theirs behind. Instances that went are kept GONE_KEPT passes, with kills GONE_KILLED.
 */
#include "ledger.h"

#include <time.h>

enum {
    ENTRIES_MAX = 16384,
    ENTRY_KEPT = 240, /* passes: an hour */
    ENTRY_IDLE = 20,
    GONE_KEPT = 40,
    GONE_KILLED = 240,
};

static const struct nv_family event_columns[] = {
    {"container_oom_events_total", NV_COUNTER, NV_AS_IS,
     "Processes killed for want of memory, of an instance of a container or service."},
};
static const struct nv_family entry_columns[] = {
    {"container_oom_kills_total",   NV_COUNTER, NV_AS_IS,
     "Processes killed for want of memory, through restarts."},
    {"container_short_lived_total", NV_COUNTER, NV_AS_IS,
     "Instances that came and went without having been seen."},
};

const struct nv_table nv_cg_ooms = {
    NV_LABELS("container", "id", "image", "name", "namespace", "pod"), event_columns, 1};
const struct nv_table nv_cg_entries = {NV_LABELS("container", "namespace", "pod"), entry_columns,
                                       NV_LEN(entry_columns)};

/* ---- names ---------------------------------------------------------------------------------- */

static uint64_t hash_names(struct nv_str a, struct nv_str b, struct nv_str c)
{
    const struct nv_str parts[] = {a, b, c};
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < NV_LEN(parts); i++)
        for (size_t k = 0; k <= parts[i].n; k++)
            hash = (hash ^ (k < parts[i].n ? (unsigned char)parts[i].p[k] : 0x100)) *
                   UINT64_C(0x100000001b3);
    return hash ^ hash >> 31;
}

static struct nv_str put(char **at, struct nv_str s)
{
    struct nv_str copy = {*at, s.n};

    if (s.n)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

struct nv_cg_entry *nv_cg_ledger_entry(struct nv_cg_ledger *ledger, struct nv_str container,
                                       struct nv_str ns, struct nv_str pod)
{
    uint64_t hash = hash_names(container, ns, pod);
    struct nv_cg_entry **bucket = &ledger->buckets[hash % NV_CG_BUCKETS];

    for (struct nv_cg_entry *entry = *bucket; entry; entry = entry->next)
        if (entry->hash == hash && nv_str_eq(entry->container, container) &&
            nv_str_eq(entry->ns, ns) && nv_str_eq(entry->pod, pod))
            return entry;
    if (ledger->n_entries == ENTRIES_MAX)
        return NULL;
    struct nv_cg_entry *entry = calloc(1, sizeof(*entry) + container.n + ns.n + pod.n);
    if (!entry)
        return NULL;
    char *at = (char *)(entry + 1);
    entry->hash = hash;
    entry->told_ms = ledger->looked_ms / 1000 * 1000 - 1;
    entry->container = put(&at, container);
    entry->ns = put(&at, ns);
    entry->pod = put(&at, pod);
    entry->next = *bucket;
    *bucket = entry;
    ledger->n_entries++;
    return entry;
}

/* A container that is no pod's goes by its name. */
static struct nv_cg_entry *entry_of_labels(struct nv_cg_ledger *ledger, const struct nv_str *labels)
{
    struct nv_str container = labels[NV_CG_L_CONTAINER].n ? labels[NV_CG_L_CONTAINER]
                              : labels[NV_CG_L_POD].n     ? NV_LIT("")
                                                          : labels[NV_CG_L_NAME];

    return container.n ? nv_cg_ledger_entry(ledger, container, labels[NV_CG_L_NAMESPACE],
                                            labels[NV_CG_L_POD])
                       : NULL;
}

static struct nv_cg_entry *entry_by_hash(const struct nv_cg_ledger *ledger, uint64_t hash)
{
    struct nv_cg_entry *entry = ledger->buckets[hash % NV_CG_BUCKETS];

    while (entry && entry->hash != hash)
        entry = entry->next;
    return entry;
}

/* The entry of an instance. Before the kubelet has told its name, it is entered by its id, and moved then; a name of a pod
 * stays when the kubelet has forgotten the pod. */
static struct nv_cg_entry *enter(struct nv_cg_ledger *ledger, struct nv_cg *cgroup)
{
    bool of_pod = cgroup->labels[NV_CG_L_POD].n;

    if (cgroup->is_entered && (cgroup->of_pod || !of_pod))
        return entry_by_hash(ledger, cgroup->entered_as);
    struct nv_cg_entry *entry = entry_of_labels(ledger, cgroup->labels);
    if (!entry)
        return NULL;
    struct nv_cg_entry *old = cgroup->is_entered ? entry_by_hash(ledger, cgroup->entered_as) : NULL;
    if (old) {
        old->seen -= old->seen > 0;
        old->kills -= old->kills < cgroup->oom_entered ? old->kills : cgroup->oom_entered;
    }
    entry->seen++;
    entry->kills += cgroup->oom_entered;
    cgroup->is_entered = true;
    cgroup->of_pod = of_pod;
    cgroup->entered_as = entry->hash;
    return entry;
}

static bool has_counted(const struct nv_cg_entry *entry)
{
    return entry->kills || entry->short_lived;
}

static void expire_entries(struct nv_cg_state *state)
{
    struct nv_cg_ledger *ledger = state->ledger;

    for (size_t i = 0; i < NV_CG_BUCKETS; i++) {
        for (struct nv_cg_entry **at = &ledger->buckets[i]; *at;) {
            struct nv_cg_entry *entry = *at;
            uint64_t kept = has_counted(entry) ? ENTRY_KEPT : ENTRY_IDLE;
            if (entry->touched + kept > state->pass) {
                at = &entry->next;
                continue;
            }
            *at = entry->next;
            free(entry);
            ledger->n_entries--;
        }
    }
}

/* ---- those that went ------------------------------------------------------------------------ */

static void drop_gone(struct nv_cg_ledger *ledger, size_t i)
{
    free(ledger->gone[i].text);
    memmove(&ledger->gone[i], &ledger->gone[i + 1],
            (--ledger->n_gone - i) * sizeof(ledger->gone[0]));
}

static void expire_gone(struct nv_cg_state *state)
{
    struct nv_cg_ledger *ledger = state->ledger;

    for (size_t i = ledger->n_gone; i-- > 0;) {
        const struct nv_cg_gone *gone = &ledger->gone[i];
        if (state->pass - gone->since > (gone->kills ? GONE_KILLED : GONE_KEPT))
            drop_gone(ledger, i);
    }
}

/* Where there is no room the oldest goes, of those without kills if there is one. */
static void make_room(struct nv_cg_ledger *ledger)
{
    size_t i = 0;

    if (ledger->n_gone < NV_CG_GONE_MAX)
        return;
    while (i < ledger->n_gone && ledger->gone[i].kills)
        i++;
    drop_gone(ledger, i < ledger->n_gone ? i : 0);
}

struct nv_cg_gone *nv_cg_ledger_add(struct nv_cg_state *state, const struct nv_str *labels,
                                    struct nv_str id, uint64_t kills)
{
    struct nv_cg_ledger *ledger = state->ledger;
    size_t size = id.n + 1;

    make_room(ledger);
    for (size_t i = 0; i < NV_CG_LABELS; i++)
        size += labels[i].n;
    char *text = malloc(size), *at = text;
    if (!text)
        return NULL;
    struct nv_cg_gone *gone = &ledger->gone[ledger->n_gone++];
    *gone = (struct nv_cg_gone){.text = text, .kills = kills, .since = state->pass};
    for (size_t i = 0; i < NV_CG_LABELS; i++)
        gone->labels[i] = put(&at, labels[i]);
    gone->id = put(&at, id);
    return gone;
}

/* The kills below a cgroup that none of what is there accounts for, nor what went before. */
static uint64_t unexplained(const struct nv_cg_state *state, const struct nv_cg *above)
{
    uint64_t known = above->oom_before + above->oom_gone;

    if (!above->has_oom_before || !above->values || !nv_cg_has(above->values, NV_CG_OOM_KILLS))
        return 0;
    for (const struct nv_cg *child = above->first; child; child = child->next)
        if (child->seen == state->pass && child->values &&
            nv_cg_has(child->values, NV_CG_OOM_KILLS))
            known += child->values->at[NV_CG_OOM_KILLS];
    uint64_t all = above->values->at[NV_CG_OOM_KILLS];
    return all > known ? all - known : 0;
}

void nv_cg_ledger_gone(struct nv_cg_state *state, struct nv_cg *cgroup)
{
    struct nv_cg *above = cgroup->above;
    uint64_t kills = cgroup->oom_kills;

    if (!cgroup->values || !state->ledger)
        return;
    if (above) {
        above->oom_gone += kills - cgroup->oom_carried;
        uint64_t more = state->sums_ooms ? unexplained(state, above) : 0;
        above->oom_gone += more;
        kills += more;
    }
    if ((cgroup->is.kind != NV_CG_CONTAINER && cgroup->is.kind != NV_CG_UNIT) || cgroup->is_sandbox)
        return;
    struct nv_cg_entry *entry =
        cgroup->is.kind == NV_CG_CONTAINER ? enter(state->ledger, cgroup) : NULL;
    if (entry)
        entry->kills += kills - cgroup->oom_kills;
    if (kills || cgroup->is.kind == NV_CG_CONTAINER)
        nv_cg_ledger_add(state, cgroup->labels,
                         cgroup->is.kind == NV_CG_CONTAINER ? cgroup->is.key : NV_LIT(""), kills);
}

/* ---- those that are there ------------------------------------------------------------------- */

/* Whether a cgroup is the one that an agent before us saw: its counter has what was counted then. */
static bool is_same(const struct nv_cg_gone *gone, const struct nv_cg *cgroup)
{
    return gone->inode && gone->inode == cgroup->inode &&
           nv_str_eq(gone->labels[NV_CG_L_ID], cgroup->labels[NV_CG_L_ID]) &&
           nv_cg_has(cgroup->values, NV_CG_OOM_KILLS) &&
           cgroup->values->at[NV_CG_OOM_KILLS] >= gone->kills - gone->carried;
}

/* A service has the same name when it is started again, and so has Docker's container: then its count goes on. So does
 * that of one that was there all the time while the agent was not. */
static void take_over(struct nv_cg_ledger *ledger, struct nv_cg *cgroup)
{
    for (size_t i = ledger->n_gone; i-- > 0;) {
        const struct nv_cg_gone *gone = &ledger->gone[i];
        bool is_it = is_same(gone, cgroup), is_next = true;
        for (size_t k = 0; k < NV_CG_LABELS; k++)
            is_next = is_next && nv_str_eq(gone->labels[k], cgroup->labels[k]);
        if (!is_it && !is_next)
            continue;
        cgroup->oom_kills = gone->kills;
        cgroup->oom_carried = is_it ? gone->carried : gone->kills;
        drop_gone(ledger, i);
        return;
    }
}

static void enter_container(struct nv_cg_state *state, struct nv_cg *cgroup, uint64_t kills)
{
    struct nv_cg_entry *entry = enter(state->ledger, cgroup);

    if (!entry)
        return;
    entry->touched = state->pass;
    entry->kills += kills - cgroup->oom_kills;
    cgroup->oom_entered += kills - cgroup->oom_kills;
}

static void count_one(struct nv_cg_state *state, struct nv_cg *cgroup)
{
    const struct nv_cg_values *values = cgroup->values;

    bool is_container = cgroup->is.kind == NV_CG_CONTAINER && !cgroup->is_sandbox;

    if ((cgroup->is.kind == NV_CG_UNIT || is_container) && !cgroup->is_met) {
        take_over(state->ledger, cgroup);
        cgroup->is_met = true;
    }
    uint64_t kills = cgroup->oom_kills;
    if (nv_cg_has(values, NV_CG_OOM_KILLS) &&
        cgroup->oom_carried + values->at[NV_CG_OOM_KILLS] > kills)
        kills = cgroup->oom_carried + values->at[NV_CG_OOM_KILLS];
    if (is_container)
        enter_container(state, cgroup, kills);
    cgroup->oom_kills = kills;
    if (state->sums_ooms && !cgroup->has_oom_before && nv_cg_has(values, NV_CG_OOM_KILLS)) {
        cgroup->has_oom_before = true; /* with nothing before, all that is not below is of before */
        cgroup->oom_before = unexplained(state, cgroup);
    }
}

/* ---- what the kubelet tells ----------------------------------------------------------------- */

static bool is_there(const struct nv_cg_state *state, struct nv_str id)
{
    for (const struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup))
        if (cgroup->is.kind == NV_CG_CONTAINER && nv_str_eq(cgroup->is.key, id))
            return true;
    return false;
}

static void tell_killed(struct nv_cg_state *state, struct nv_cg_entry *entry,
                        const struct nv_pod_place *place, struct nv_str id, int64_t finished_ms)
{
    struct nv_cg_ledger *ledger = state->ledger;
    struct nv_cg_gone *gone = NULL;

    if (finished_ms <= entry->told_ms || !id.n || is_there(state, id))
        return;
    entry->told_ms = finished_ms;
    for (size_t i = 0; i < ledger->n_gone; i++)
        if (nv_str_eq(ledger->gone[i].id, id))
            gone = &ledger->gone[i];
    if (gone && gone->kills)
        return;
    entry->kills++;
    if (gone) {
        gone->kills = 1;
        gone->since = state->pass;
        return;
    }
    const struct nv_str labels[NV_CG_LABELS] = {
        [NV_CG_L_CONTAINER] = place->container->name,
        [NV_CG_L_IMAGE] = place->container->image,
        [NV_CG_L_NAME] = id,
        [NV_CG_L_NAMESPACE] = place->pod->ns,
        [NV_CG_L_POD] = place->pod->name,
    };
    nv_cg_ledger_add(state, labels, id, 1);
}

/* Instances that have ended; `restarts` counts those but the first that have begun. */
static uint64_t count_ended(const struct nv_pod_container *container)
{
    bool has_ended = container->state == NV_CONTAINER_TERMINATED ||
                     (container->state == NV_CONTAINER_WAITING && container->has_last);

    return container->restarts + has_ended;
}

static void count_short(struct nv_cg_state *state, struct nv_cg_entry *entry,
                        const struct nv_pod_place *place)
{
    const struct nv_pod_container *container = place->container;
    uint64_t ended = count_ended(container);
    bool runs = container->state == NV_CONTAINER_RUNNING && is_there(state, container->id);
    uint64_t seen = entry->seen - (entry->seen && runs);

    if (!entry->is_known) { /* what an agent before us has counted is not counted again */
        uint64_t known = seen + entry->short_lived;
        entry->is_known = true;
        if (place->pod->created_ms < state->ledger->began_ms)
            entry->before = ended > known ? ended - known : 0;
    }
    if (ended > entry->before + seen && ended - entry->before - seen > entry->short_lived)
        entry->short_lived = ended - entry->before - seen;
}

static void read_pods(struct nv_pass *pass, struct nv_cg_state *state)
{
    const struct nv_pods *pods = nv_pods(pass);

    for (size_t i = 0; pods && i < pods->n; i++) {
        const struct nv_pod *pod = nv_pod_at(pods, i);
        for (size_t k = 0; k < pod->n_containers; k++) {
            const struct nv_pod_place place = {pod, nv_pod_container_at(pod, k)};
            const struct nv_pod_container *container = place.container;
            struct nv_cg_entry *entry =
                nv_cg_ledger_entry(state->ledger, container->name, pod->ns, pod->name);
            if (!entry)
                continue;
            entry->touched = state->pass;
            if (count_ended(container) != entry->ended || !entry->is_known)
                count_short(state, entry, &place);
            entry->ended = count_ended(container);
            if (nv_str_is(container->last_reason, "OOMKilled"))
                tell_killed(state, entry, &place, container->last_id, container->last_finished_ms);
            if (container->state == NV_CONTAINER_TERMINATED &&
                nv_str_is(container->reason, "OOMKilled"))
                tell_killed(state, entry, &place, container->id, container->finished_ms);
        }
    }
}

/* What was made since the last pass and is not in the tree, nor was before it went. */
static void count_births(struct nv_pass *pass, struct nv_cg_state *state)
{
    struct nv_str *ids;
    size_t n = nv_cg_births_read(pass, state, &ids);
    struct nv_cg_entry *entry =
        n ? nv_cg_ledger_entry(state->ledger, NV_LIT(""), NV_LIT(""), NV_LIT("")) : NULL;

    for (size_t i = 0; entry && i < n; i++) {
        bool is_seen = is_there(state, ids[i]);
        for (size_t k = 0; k < state->ledger->n_gone && !is_seen; k++)
            is_seen = nv_str_eq(state->ledger->gone[k].id, ids[i]);
        entry->short_lived += !is_seen;
    }
    if (entry)
        entry->touched = UINT64_MAX / 2; /* a sum for ever */
}

/* ---- exported ------------------------------------------------------------------------------- */

int nv_cg_ledger_start(struct nv_cg_state *state)
{
    struct timespec now;

    state->ledger = calloc(1, sizeof(*state->ledger));
    if (!state->ledger)
        return -ENOMEM;
    clock_gettime(CLOCK_REALTIME, &now);
    state->ledger->began_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    state->ledger->looked_ms = state->ledger->began_ms;
    return 0;
}

void nv_cg_ledger_free(struct nv_cg_ledger *ledger)
{
    if (!ledger)
        return;
    while (ledger->n_gone)
        drop_gone(ledger, ledger->n_gone - 1);
    for (size_t i = 0; i < NV_CG_BUCKETS; i++) {
        for (struct nv_cg_entry *entry = ledger->buckets[i], *next; entry; entry = next) {
            next = entry->next;
            free(entry);
        }
    }
    free(ledger);
}

void nv_cg_ledger_count(struct nv_pass *pass, struct nv_cg_state *state)
{
    if (!state->ledger->is_loaded)
        nv_cg_ledger_load(pass, state);
    for (struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup))
        if (cgroup->values && cgroup->seen == state->pass)
            count_one(state, cgroup);
    read_pods(pass, state);
    count_births(pass, state);
    expire_gone(state);
    expire_entries(state);
    nv_cg_ledger_save(pass, state);
}

void nv_cg_ledger_emit(struct nv_pass *pass, const struct nv_cg_state *state)
{
    const struct nv_cg_ledger *ledger = state->ledger;

    if (!(state->groups & NV_CG_OOM))
        return;
    for (const struct nv_cg *cgroup = state->root; cgroup; cgroup = nv_cg_next(cgroup))
        if (cgroup->values && cgroup->seen == state->pass && !cgroup->left_out &&
            (cgroup->is.kind == NV_CG_CONTAINER || cgroup->is.kind == NV_CG_UNIT) &&
            nv_cg_has(cgroup->values, NV_CG_OOM_KILLS))
            nv_emit_u64(pass, &nv_cg_ooms, cgroup->labels, 0, cgroup->oom_kills);
    for (size_t i = 0; i < ledger->n_gone; i++)
        if (ledger->gone[i].kills)
            nv_emit_u64(pass, &nv_cg_ooms, ledger->gone[i].labels, 0, ledger->gone[i].kills);
    for (size_t i = 0; i < NV_CG_BUCKETS; i++)
        for (const struct nv_cg_entry *entry = ledger->buckets[i]; entry; entry = entry->next)
            if (has_counted(entry) || entry->touched >= state->pass)
                nv_emit_row(pass, &nv_cg_entries,
                            (struct nv_str[]){entry->container, entry->ns, entry->pod},
                            (uint64_t[]){entry->kills, entry->short_lived}, NV_LEN(entry_columns));
}
