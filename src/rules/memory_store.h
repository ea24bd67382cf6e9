/*
 * memory_store.h - a small store in memory for `test rules`: samples of series at any time, and frames of rules.
 *
 *   order      of samples: by time within a series; what is not newer than the last is dropped
 *   staleness  a series that a frame's section is observed without, and had in the source's frame before, gets a marker
 *   bound      NV_MEMORY_STORE_MAX bytes of labels and histograms
 *   threads    one user
 */
#ifndef NV_RULES_MEMORY_STORE_H
#define NV_RULES_MEMORY_STORE_H

#include "metric/frame.h"
#include "metric/queryable.h"

enum { NV_MEMORY_STORE_MAX = 1 << 30 };

struct nv_memory_store;

struct nv_memory_store *nv_memory_store_new(void); /* NULL when memory is out */
void nv_memory_store_free(struct nv_memory_store *store);
NV_DEFINE_AUTO(nv_memory_store)

/* Labels by name, __name__ included; a histogram instead of the value, or NULL. Returns 0; 1 where the series has a
 * newer sample; -ENOMEM. */
NV_MUST_USE int nv_memory_store_add(struct nv_memory_store *store, const struct nv_label *labels,
                                    size_t n_labels, int64_t time_ms, double value,
                                    const struct nv_histogram *histogram);

/* As the functions of struct nv_rule_storage; `user` is the store. */
int nv_memory_store_source(void *user, const char *name, uint32_t *ret);
int nv_memory_store_append(void *user, uint32_t source, struct nv_frame *frame);

const struct nv_queryable *nv_memory_store_queryable(struct nv_memory_store *store);

#endif
