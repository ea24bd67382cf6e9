/*
 * history.h - the agent's local store: opened, fed by the sampler, told about, closed.
 *
 *   order      new, add (before the gather starts), open, begin (once the agent's address is known), end, and free
 *              after the gather
 *   no place   where the default path cannot be written, history is kept in memory, NV_HISTORY_MEMORY bytes of it, and
 *              that is said once; a path that was asked for and cannot be written is an error
 *   sources    "node", the collectors; "agent", `up`
 *   metrics    nodevitals_tsdb_*, and the histograms of second.h
 */
#ifndef NV_AGENT_HISTORY_H
#define NV_AGENT_HISTORY_H

#include "agent/identity.h"
#include "gather/gather.h"

enum {
    NV_HISTORY_MAGIC = 0x68697374,
    NV_HISTORY_MEMORY = 4 << 20,
    NV_HISTORY_STOP_MS = 10000, /* a third of what Kubernetes gives; a ninth of what systemd does */
};

struct nv_history;

/* NULL when memory is out. The storage is borrowed. */
struct nv_history *nv_history_new(const struct nv_storage *storage);
void nv_history_free(struct nv_history *history); /* ends first */
NV_DEFINE_AUTO(nv_history)

/* Adds the collectors that tell of it. They tell nothing before it is open. */
NV_MUST_USE int nv_history_add(struct nv_history *history, struct nv_gather *gather);

/* Opens the store. On failure returns a negative errno and a line for the user in `error`. */
NV_MUST_USE int nv_history_open(struct nv_history *history, char error[NV_FLAGS_ERROR_MAX]);

/* Begins to sample the gather, whose sections get these target labels. */
NV_MUST_USE int nv_history_begin(struct nv_history *history, struct nv_gather *gather,
                                 const struct nv_label *labels, size_t n_labels);

/* Ends sampling, writes what is left, closes; a disk that hangs is given up after NV_HISTORY_STOP_MS. Idempotent. */
void nv_history_end(struct nv_history *history);

/* What the metrics are made of. `store` is NULL before the store is open. */
struct nv_history_told {
    struct nv_store *store;
    struct nv_sampler *sampler;
    bool in_memory;
};
void nv_history_tell(const struct nv_history *history, struct nv_history_told *ret);

/* history_metrics.c: the collector of nodevitals_tsdb_*; its one flag's text is the history's address. */
extern const struct nv_collector nv_history_collector;

#endif
