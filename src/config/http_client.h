/*
 * http_client.h - an HTTP client as the configuration has it.
 */
#ifndef NV_CONFIG_HTTP_CLIENT_H
#define NV_CONFIG_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/http.h"
#include "config/http_config.h"

/* NULL when memory is out. Keeps nothing of the configuration. */
struct nv_http *nv_http_client_new(const struct nv_http_config *config, int64_t timeout_ms);

/* The configuration's own headers, behind which the caller has `room` places for more; values that stand in files are
 * read. In the arena. Returns 0; -ENOMEM; or the errno of a file, and which in *ret_file. */
NV_MUST_USE int nv_http_client_headers(const struct nv_http_config *config, size_t room,
                                       struct nv_arena *memory, struct nv_http_header **ret,
                                       size_t *ret_n, const char **ret_file);

#endif
