/*
 * unit_parts.h - what the runner of tests and its comparisons share. Only src/rules includes this.
 */
#ifndef NV_RULES_UNIT_PARTS_H
#define NV_RULES_UNIT_PARTS_H

#include "rules/group.h"
#include "rules/memory_store.h"
#include "rules/unit_file.h"
#include "rules/unit_run.h"

/* A test under way. */
struct nv_unit {
    const struct nv_unit_file *file;
    const struct nv_unit_test *test;
    const struct nv_unit_options *options;
    struct nv_memory_store *store;
    struct nv_rules *rules;
    struct nv_arena memory; /* of the test */
    struct nv_buf *out;     /* what is wrong */
};

/* unit_compare.c: add to `out` where what is differs from what is expected. Return 0 or -ENOMEM. */
NV_MUST_USE int nv_unit_compare_alerts(struct nv_unit *unit, const struct nv_unit_alert_test *test);
NV_MUST_USE int nv_unit_compare_expr(struct nv_unit *unit, const struct nv_unit_expr_test *test);

#endif
