/*
 * discover.h - where the Alertmanagers of a configuration are.
 *
 *   ownership  texts in the caller's arena
 */
#ifndef NV_NOTIFY_DISCOVER_H
#define NV_NOTIFY_DISCOVER_H

#include "config/config.h"

enum { NV_DISCOVERED_MAX = 64, NV_DISCOVERED_DROPPED_MAX = 256 };

struct nv_discovered {
    struct nv_str url[NV_DISCOVERED_MAX]; /* ended by NUL */
    const struct nv_config_alertmanager *group[NV_DISCOVERED_MAX];
    size_t n;
    struct nv_str dropped[NV_DISCOVERED_DROPPED_MAX];
    size_t n_dropped;
    size_t n_left_out; /* past the bound */
};

/* Adds the targets of some groups of one Alertmanager configuration. Returns 0, -ENOMEM or -E2BIG. */
NV_MUST_USE int nv_discover(const struct nv_config_alertmanager *config,
                            const struct nv_target_groups *groups, struct nv_arena *memory,
                            struct nv_discovered *into);

#endif
