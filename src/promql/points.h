/*
 * points.h - series and samples in the notation of test scripts and of tests of rules.
 *
 *   x{a="b"} 1 2+3x4 1x4 _ _x3 stale 0x5 {{schema:0 count:3 sum:4 buckets:[1 2]}} {{...}}+{{...}}x2
 *
 *   a+bxN      a, and N more, each b above the one before; axN is a, and N times a again; _xN misses N
 *   memory     the arena's; its limit bounds how many points a text may stand for
 */
#ifndef NV_PROMQL_POINTS_H
#define NV_PROMQL_POINTS_H

#include "promql/ast.h"
#include "metric/queryable.h"

struct nv_point {
    bool is_missing;
    bool has_hint; /* the notation names a counter_reset_hint */
    double value;
    const struct nv_histogram *histogram;
};

struct nv_points {
    struct nv_label *labels;
    size_t n_labels, n, room;
    struct nv_point *at;
    int64_t *starts; /* of a @st line: relative, INT64_MIN for none; NULL otherwise */
};

/* Reads `series points`, or only points where `with_labels` is false. Memory is the arena's. 0, -EINVAL, -ENOMEM. */
int nv_points_parse(struct nv_str line, bool with_labels, struct nv_arena *arena,
                    struct nv_points *ret);

#endif
