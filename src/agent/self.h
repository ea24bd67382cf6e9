/*
 * self.h - what the agent tells of itself, as collectors that are part of every pass.
 *
 *   node_exporter_build_info   dashboards select on it
 *   process_*                  as client_golang's process collector: of our own process in the real /proc
 *   promhttp_*                 as client_golang's handler counts its requests
 *   nodevitals_*               what no exporter has
 *
 * go_* is not provided: there is no such runtime here.
 */
#ifndef NV_AGENT_SELF_H
#define NV_AGENT_SELF_H

#include "agent/options.h"
#include "web/web.h"

enum { NV_SELF_MAGIC = 0x73656c66, NV_SELF_COLLECTORS_MAX = NV_GATHER_COLLECTORS_MAX };

/* What the families are made of. Outlives the gather. */
struct nv_self {
    uint32_t magic;
    struct nv_gather *gather;
    struct nv_web *web;          /* NULL before there is one, and for a single pass */
    struct nv_flag_value handle; /* carries our address to the collectors, as a flag would */
    struct {
        const char *name;
        int number;                 /* in the gather */
    } slow[NV_SELF_COLLECTORS_MAX]; /* collectors that may be served with older rows */
    size_t n_slow;
};

/* Adds the families: node_exporter_build_info, and where `exporter_metrics` all others. */
NV_MUST_USE int nv_self_add(struct nv_self *self, struct nv_gather *gather, bool exporter_metrics);

#endif
