/*
 * print.h - pieces of an expression's text, which one line and many lines are made of.
 */
#ifndef NV_PROMQL_PRINT_H
#define NV_PROMQL_PRINT_H

#include "promql/ast.h"

/* The left operand, as it must stand in front of its operator. */
void nv_print_left(struct nv_buf *out, const struct nv_binary *b);

/* `sum by (a, b) `, `+ on (x) group_left (y)`, `[1h:5m] offset 1m` */
void nv_print_grouping(struct nv_buf *out, const struct nv_aggregation *a);
void nv_print_operator(struct nv_buf *out, const struct nv_binary *b);
void nv_print_subquery_range(struct nv_buf *out, const struct nv_subquery *s);

#endif
