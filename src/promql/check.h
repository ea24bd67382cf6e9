/*
 * check.h - the type checker: whether a tree makes sense, said in upstream's words.
 */
#ifndef NV_PROMQL_CHECK_H
#define NV_PROMQL_CHECK_H

#include "promql/ast.h"

/* Gives binary expressions their cardinality. Returns 0, or -EINVAL with *error. */
NV_MUST_USE int nv_promql_check(struct nv_expr *expr, struct nv_promql_error *error);

#endif
