/*
 * nothing.h - a queryable without series.
 */
#ifndef NV_WEB_NOTHING_H
#define NV_WEB_NOTHING_H

#include "metric/queryable.h"

extern const struct nv_queryable nv_queryable_of_nothing;

#endif
