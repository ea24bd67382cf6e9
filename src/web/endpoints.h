/*
 * endpoints.h - the tables of endpoints, each in a file of its own and ended by {0}.
 */
#ifndef NV_WEB_ENDPOINTS_H
#define NV_WEB_ENDPOINTS_H

#include "web/exchange.h"

extern const struct nv_endpoint nv_api_query_endpoints[]; /* api_query.c */
extern const struct nv_endpoint nv_api_life_endpoints[];  /* api_life.c */

#endif
