/*
 * ledger.h - the ledger from within: ledger.c counts, ledger_kept.c keeps it over a restart of the agent.
 *
 *   entries   by the names of a container, through its instances
 *   gone      instances that went, under their labels; after a restart, until they are met again, those that are there too
 */
#ifndef NV_CONTAINER_LEDGER_H
#define NV_CONTAINER_LEDGER_H

#include "container.h"

enum { NV_CG_BUCKETS = 1024, NV_CG_GONE_MAX = 1024 };

/* A container by name, through its instances. */
struct nv_cg_entry {
    struct nv_cg_entry *next;
    uint64_t hash;
    struct nv_str container, ns, pod; /* behind this structure */
    uint64_t kills, short_lived;
    uint64_t seen;    /* instances that had a cgroup */
    uint64_t before;  /* instances that had ended when we first looked */
    uint64_t ended;   /* instances, when the kubelet last told */
    uint64_t touched; /* the pass */
    bool is_known;    /* of the kubelet: `before` is valid */
    /* Kills the kubelet tells of count when they are later; in whole seconds, as it has them. */
    int64_t told_ms;
};

/* An instance that went. */
struct nv_cg_gone {
    struct nv_str labels[NV_CG_LABELS];
    char *text;
    struct nv_str id; /* in the labels' text; "" for what is no container */
    uint64_t kills, since;
    uint64_t inode, carried; /* of one that was there when the ledger was saved; else 0 */
};

struct nv_cg_ledger {
    struct nv_cg_entry *buckets[NV_CG_BUCKETS];
    size_t n_entries;
    struct nv_cg_gone gone[NV_CG_GONE_MAX];
    size_t n_gone;
    int64_t began_ms, looked_ms; /* this agent; and until when the one before it, if any, looked */
    bool is_loaded;
    uint64_t saved_in, saved_kills; /* the pass, and the sum that was saved in it */
};

/* The entry of a name, made where it is new; NULL where a bound forbids it. */
struct nv_cg_entry *nv_cg_ledger_entry(struct nv_cg_ledger *ledger, struct nv_str container,
                                       struct nv_str ns, struct nv_str pod);

/* Enters one that went, in the place of the least worth where there is none left; NULL when memory is out. */
struct nv_cg_gone *nv_cg_ledger_add(struct nv_cg_state *state, const struct nv_str *labels,
                                    struct nv_str id, uint64_t kills);

/* ---- ledger_kept.c: in the first pass, and at the end of each */
void nv_cg_ledger_load(struct nv_pass *pass, struct nv_cg_state *state);
void nv_cg_ledger_save(struct nv_pass *pass, struct nv_cg_state *state);

#endif
