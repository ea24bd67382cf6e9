/*
 * second.h - histograms of what the sampler sees each second, so that a scrape every minute loses no peak.
 *
 *   source     the frames of the store's ticks: known series are looked up when the layout changes
 *   rates      by difference to the tick in which the series was last seen, and the true time between; the
 *              first value, a counter that fell and a series that vanished give no observation
 *   bounds     NV_SECOND_DISKS and NV_SECOND_LINKS devices; the ends of containers' links are left out, and what is
 *              beyond is not observed
 *   memory     made when a device is first seen; none in a steady tick
 *   threads    observe from one, the collector from any
 */
#ifndef NV_AGENT_SECOND_H
#define NV_AGENT_SECOND_H

#include "gather/gather.h"

enum { NV_SECOND_DISKS = 32, NV_SECOND_LINKS = 16 };

struct nv_second;

struct nv_second *nv_second_new(void); /* NULL when memory is out */
void nv_second_free(struct nv_second *second);
NV_DEFINE_AUTO(nv_second)

/* Adds the collector that shows the histograms. The second outlives the gather. */
NV_MUST_USE int nv_second_add(struct nv_second *second, struct nv_gather *gather);

/* Takes in a frame whose values were read at this time. `second` is a struct nv_second. */
void nv_second_observe(void *second, const struct nv_frame *frame, int64_t monotonic_ns);

#endif
