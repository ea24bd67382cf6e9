/*
 * wish.h - what a pod's annotations say about being scraped, in the convention of prometheus.io/scrape and its like.
 *
 *   scrape     true or false, whatever their case; anything else is false
 *   port       a number; what is none is as if missing
 *   path       may have a query, whose parameters are taken as those of param_<name> are
 *   scheme     http or https
 *   interval, timeout   1s to 1h, the timeout no longer than the interval; what is not sane is as if missing
 *   param_<name>        a parameter of the query
 *   bounds     a path, and all parameters together, have NV_KUBE_WISH_MAX bytes at most; what is longer is as if missing
 *   ownership  texts in the arena
 */
#ifndef NV_KUBE_WISH_H
#define NV_KUBE_WISH_H

#include "base/arena.h"
#include "base/cleanup.h"
#include "metric/layout.h"

enum { NV_KUBE_PARAMS_MAX = 32, NV_KUBE_PAIRS_MAX = 1024, NV_KUBE_WISH_MAX = 4096 };

enum nv_kube_scrape { NV_KUBE_UNSAID, NV_KUBE_YES, NV_KUBE_NO };

struct nv_kube_wish {
    enum nv_kube_scrape scrape;
    uint16_t port; /* 0: none */
    bool https;
    struct nv_str path;              /* with a slash before it, without a query */
    int64_t interval_ms, timeout_ms; /* 0: not said */
    struct nv_label params[NV_KUBE_PARAMS_MAX];
    size_t n_params;
};

/* `annotations`: a JSON object, or nothing. Returns 0 or -ENOMEM. */
NV_MUST_USE int nv_kube_wish_read(struct nv_str annotations, struct nv_arena *memory,
                                  struct nv_kube_wish *ret);

/* Calls each() with the members of a JSON object that are texts, NV_KUBE_PAIRS_MAX at most; texts in the arena. What it
 * returns other than 0 ends this and is returned; -ENOMEM. */
NV_MUST_USE int nv_kube_pairs(struct nv_str object, struct nv_arena *memory,
                              int (*each)(void *user, struct nv_str name, struct nv_str value),
                              void *user);

#endif
