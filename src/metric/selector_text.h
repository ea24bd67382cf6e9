/*
 * selector_text.h - matchers as PromQL writes them: name, {a="b",c=~"d"}, name{a!="b"}, {"a name",'c'=`d`}.
 *
 *   bounds     NV_SELECTOR_TEXT_MAX bytes, NV_SELECTOR_MATCHERS_MAX matchers
 *   ownership  a selector owns its matchers and their texts
 */
#ifndef NV_METRIC_SELECTOR_TEXT_H
#define NV_METRIC_SELECTOR_TEXT_H

#include "base/arena.h"
#include "metric/matcher.h"

enum {
    NV_SELECTOR_TEXT_MAX = 64 << 10,
    NV_SELECTOR_MATCHERS_MAX = 128,
    NV_SELECTOR_ERROR_MAX = NV_REGEX_ERROR_MAX + 256,
};

struct nv_selector {
    struct nv_matcher matchers[NV_SELECTOR_MATCHERS_MAX];
    size_t n;
    struct nv_arena memory;
};

/* Returns 0; -EINVAL with a reason in `error`; -ENOMEM. On failure there is nothing to end. */
NV_MUST_USE int nv_selector_init(struct nv_selector *selector, struct nv_str text,
                                 char error[NV_SELECTOR_ERROR_MAX]);
void nv_selector_done(struct nv_selector *selector);

#endif
