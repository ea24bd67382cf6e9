/*
 * endpoints.h - the tables of endpoints, each in a file of its own, api_<name>.c, and ended by {0}.
 */
#ifndef NV_WEB_ENDPOINTS_H
#define NV_WEB_ENDPOINTS_H

#include "web/exchange.h"

extern const struct nv_endpoint nv_api_admin_endpoints[];
extern const struct nv_endpoint nv_api_alertmanager_endpoints[];
extern const struct nv_endpoint nv_api_features_endpoints[];
extern const struct nv_endpoint nv_api_federate_endpoints[];
extern const struct nv_endpoint nv_api_life_endpoints[];
extern const struct nv_endpoint nv_api_metadata_endpoints[];
extern const struct nv_endpoint nv_api_query_endpoints[];
extern const struct nv_endpoint nv_api_read_endpoints[];
extern const struct nv_endpoint nv_api_rules_endpoints[];
extern const struct nv_endpoint nv_api_series_endpoints[];
extern const struct nv_endpoint nv_api_status_endpoints[];
extern const struct nv_endpoint nv_api_targets_endpoints[];

#endif
