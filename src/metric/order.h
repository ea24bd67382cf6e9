/*
 * order.h - the order in which families and series are written.
 */
#ifndef NV_METRIC_ORDER_H
#define NV_METRIC_ORDER_H

#include "metric/layout.h"

/* Of series of one family. 0 for the same one, how its bound is written aside. */
int nv_order_compare(const struct nv_series *a, const struct nv_series *b);

/* Writes the n_old ordered and n_fresh unordered columns to `merged`, in order. Reorders `fresh`. */
void nv_order_merge(uint32_t *merged, const uint32_t *old, size_t n_old, uint32_t *fresh,
                    size_t n_fresh, const struct nv_series *const *chunks);

void nv_order_families(const struct nv_layout_family **families, size_t n);

#endif
