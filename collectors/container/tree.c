/*
 * tree.c - the cgroups there are, as one tree however many hierarchies show them.
 *
 * Names are found by a hash of the cgroup above and the name, so that in the steady state a folder listed costs one look.
 * What was seen in no hierarchy of a pass has gone.
 */
#include "container.h"

static uint64_t hash_of(const struct nv_cg *above, struct nv_str name)
{
    uint64_t hash = (UINT64_C(0xcbf29ce484222325) ^ above->hash) * UINT64_C(0x100000001b3);

    for (size_t i = 0; i < name.n; i++) {
        hash ^= (unsigned char)name.p[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 29;
}

static void grow(struct nv_cg_state *state)
{
    size_t n = state->n_buckets ? 2 * state->n_buckets : 256;
    struct nv_cg **buckets = calloc(n, sizeof(struct nv_cg *));

    if (!buckets)
        return; /* longer chains, then */
    for (size_t i = 0; i < state->n_buckets; i++) {
        for (struct nv_cg *cgroup = state->buckets[i], *next; cgroup; cgroup = next) {
            next = cgroup->hash_next;
            cgroup->hash_next = buckets[cgroup->hash % n];
            buckets[cgroup->hash % n] = cgroup;
        }
    }
    free(state->buckets);
    state->buckets = buckets;
    state->n_buckets = n;
}

static uint8_t how_of(const struct nv_cg_name *is)
{
    switch (is->kind) {
    case NV_CG_ROOT:
        return NV_CG_NODE;
    case NV_CG_KUBEPODS:
    case NV_CG_QOS:
    case NV_CG_POD:
        return NV_CG_WHOLE;
    case NV_CG_CONTAINER:
        return is->is_infra ? NV_CG_SANDBOX : NV_CG_WHOLE;
    default:
        return NV_CG_SYSTEM;
    }
}

static struct nv_cg *make(const struct nv_cg *above, struct nv_str name)
{
    struct nv_cg *cgroup = calloc(1, sizeof(*cgroup));
    size_t n = above && above->above ? strlen(above->path) : 0;

    if (!cgroup || !(cgroup->path = malloc(n + 1 + name.n + 1))) {
        free(cgroup);
        return NULL;
    }
    if (n)
        memcpy(cgroup->path, above->path, n);
    cgroup->path[n] = '/';
    if (name.n)
        memcpy(cgroup->path + n + 1, name.p, name.n);
    cgroup->path[n + 1 + name.n] = '\0';
    cgroup->name = (struct nv_str){cgroup->path + n + 1, name.n};
    cgroup->labels[NV_CG_L_ID] = nv_str(cgroup->path);
    cgroup->is_new = true;
    return cgroup;
}

static bool has_row(const struct nv_cg *cgroup)
{
    return cgroup->is.kind > NV_CG_INNER;
}

int nv_cg_root(struct nv_cg_state *state)
{
    if (state->root)
        return 0;
    state->root = make(NULL, NV_LIT(""));
    if (!state->root)
        return -ENOMEM;
    state->root->is.kind = NV_CG_ROOT;
    state->root->how = NV_CG_NODE;
    state->root->values = calloc(1, sizeof(*state->root->values));
    return state->root->values ? 0 : -ENOMEM;
}

static void link_below(struct nv_cg_state *state, struct nv_cg *above, struct nv_cg *cgroup)
{
    if (state->n_cgroups >= state->n_buckets)
        grow(state);
    if (above->last)
        above->last->next = cgroup;
    else
        above->first = cgroup;
    above->last = cgroup;
    if (state->n_buckets) {
        cgroup->hash_next = state->buckets[cgroup->hash % state->n_buckets];
        state->buckets[cgroup->hash % state->n_buckets] = cgroup;
    }
    state->n_cgroups++;
}

static struct nv_cg *find(const struct nv_cg_state *state, const struct nv_cg *above,
                          struct nv_str name, uint64_t hash)
{
    struct nv_cg *cgroup = state->n_buckets ? state->buckets[hash % state->n_buckets] : NULL;

    while (cgroup &&
           (cgroup->hash != hash || cgroup->above != above || !nv_str_eq(cgroup->name, name)))
        cgroup = cgroup->hash_next;
    return cgroup;
}

struct nv_cg *nv_cg_child(struct nv_cg_state *state, struct nv_cg *above, struct nv_str name)
{
    uint64_t hash = hash_of(above, name);
    struct nv_cg *cgroup = find(state, above, name, hash);

    if (cgroup)
        return cgroup;
    if (state->n_cgroups >= NV_CG_MAX || above->depth >= NV_CG_DEPTH_MAX) {
        state->n_left_out++;
        return NULL;
    }
    cgroup = make(above, name);
    if (!cgroup)
        return NULL;
    cgroup->above = above;
    cgroup->hash = hash;
    cgroup->depth = (uint8_t)(above->depth + 1);
    nv_cg_name(above->is.kind, above->name, cgroup->name, &cgroup->is);
    cgroup->how = how_of(&cgroup->is);
    cgroup->is_sandbox = cgroup->is.is_infra;
    if (has_row(cgroup) && !(cgroup->values = calloc(1, sizeof(*cgroup->values)))) {
        nv_cg_free(state, cgroup);
        return NULL;
    }
    link_below(state, above, cgroup);
    return cgroup;
}

struct nv_cg *nv_cg_next(const struct nv_cg *cgroup)
{
    if (cgroup->first)
        return cgroup->first;
    while (cgroup && !cgroup->next)
        cgroup = cgroup->above;
    return cgroup ? cgroup->next : NULL;
}

/* ---- the end of a cgroup -------------------------------------------------------------------- */

static void unhash(struct nv_cg_state *state, const struct nv_cg *cgroup)
{
    struct nv_cg **at = state->n_buckets ? &state->buckets[cgroup->hash % state->n_buckets] : NULL;

    while (at && *at && *at != cgroup)
        at = &(*at)->hash_next;
    if (at && *at) {
        *at = cgroup->hash_next;
        state->n_cgroups--;
    }
}

/* Frees it and what is below; links from its neighbours are the caller's. Not deep: NV_CG_DEPTH_MAX. */
void nv_cg_free(struct nv_cg_state *state, struct nv_cg *cgroup)
{
    if (!cgroup)
        return;
    for (struct nv_cg *child = cgroup->first, *next; child; child = next) {
        next = child->next;
        nv_cg_free(state, child);
    }
    unhash(state, cgroup);
    nv_cg_sched_free(cgroup->sched);
    free(cgroup->label_text);
    free(cgroup->values);
    free(cgroup->path);
    free(cgroup);
}

static void tell_gone(struct nv_cg_state *state, struct nv_cg *cgroup)
{
    for (struct nv_cg *child = cgroup->first; child; child = child->next)
        tell_gone(state, child);
    nv_cg_ledger_gone(state, cgroup);
}

static void sweep_below(struct nv_cg_state *state, struct nv_cg *above)
{
    struct nv_cg *before = NULL;

    for (struct nv_cg *cgroup = above->first, *next; cgroup; cgroup = next) {
        next = cgroup->next;
        if (cgroup->seen == state->pass) {
            sweep_below(state, cgroup);
            before = cgroup;
            continue;
        }
        tell_gone(state, cgroup);
        *(before ? &before->next : &above->first) = next;
        if (above->last == cgroup)
            above->last = before;
        nv_cg_free(state, cgroup);
    }
}

void nv_cg_sweep(struct nv_cg_state *state)
{
    if (state->root)
        sweep_below(state, state->root);
}
