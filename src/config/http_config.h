/*
 * http_config.h - how to reach an HTTP server: TLS, who we are, proxy; wherever Prometheus' files have it.
 *
 *   basic_auth {username(_file), password(_file)} · authorization {type, credentials(_file)} · bearer_token(_file) ·
 *   tls_config {ca(_file), cert(_file), key(_file), server_name, insecure_skip_verify, min_version, max_version} ·
 *   follow_redirects · enable_http2 · proxy_url, no_proxy, proxy_from_environment · http_headers
 *
 *   files      paths are absolute; who uses them reads them each time, since secrets rotate
 *   ownership  all in the arena of the configuration
 */
#ifndef NV_CONFIG_HTTP_CONFIG_H
#define NV_CONFIG_HTTP_CONFIG_H

#include "base/http.h"
#include "config/schema.h"

enum { NV_HTTP_HEADERS_MAX = 64 };

/* Versions in the order of rising strength; 0 where nothing is said. */
enum nv_config_tls_version {
    NV_CONFIG_TLS_ANY,
    NV_CONFIG_TLS10,
    NV_CONFIG_TLS11,
    NV_CONFIG_TLS12,
    NV_CONFIG_TLS13
};

struct nv_tls_config {
    const char *ca, *cert, *key;                /* PEM; NULL for none */
    const char *ca_file, *cert_file, *key_file; /* NULL for none */
    const char *server_name;
    bool insecure_skip_verify;
    int min_version, max_version; /* enum nv_config_tls_version */
};

struct nv_config_header {
    const char *name;
    const char *value; /* NULL: it stands in the file */
    const char *file;
};

struct nv_http_config {
    /* NULL for none. At most one of a text and its file. */
    const char *username, *username_file, *password, *password_file;
    const char *auth_type;                      /* of authorization: "Bearer"; NULL for none */
    const char *credentials, *credentials_file; /* those of bearer_token(_file) too */
    struct nv_tls_config tls;
    bool has_basic_auth;
    bool follow_redirects, enable_http2, proxy_from_environment;
    const char *proxy_url, *no_proxy;
    const struct nv_config_header *headers;
    size_t n_headers;
    /* What the file said, before it is checked. */
    const char *bearer_token, *bearer_token_file;
    bool has_authorization;
};

#define NV_HTTP_CONFIG_DEFAULT                                                                     \
    ((struct nv_http_config){.follow_redirects = true, .enable_http2 = true})

/* Keys of a table whose structs hold an nv_http_config as `member`: they stand beside the others of their map. */
#define NV_HTTP_KEYS(type, member)                                                                 \
    NV_HTTP_KEY(type, member, basic_auth, nv_schema_basic_auth, member),                           \
        NV_HTTP_KEY(type, member, authorization, nv_schema_authorization, member),                 \
        NV_HTTP_KEY(type, member, bearer_token, nv_schema_secret, member.bearer_token),            \
        NV_HTTP_KEY(type, member, bearer_token_file, nv_schema_path, member.bearer_token_file),    \
        NV_HTTP_KEY(type, member, tls_config, nv_schema_tls, member.tls),                          \
        NV_HTTP_KEY(type, member, follow_redirects, nv_schema_bool, member.follow_redirects),      \
        NV_HTTP_KEY(type, member, enable_http2, nv_schema_bool, member.enable_http2),              \
        NV_HTTP_KEY(type, member, proxy_url, nv_schema_proxy, member.proxy_url),                   \
        NV_HTTP_KEY(type, member, no_proxy, nv_schema_text, member.no_proxy),                      \
        NV_HTTP_KEY(type, member, proxy_from_environment, nv_schema_bool,                          \
                    member.proxy_from_environment),                                                \
        NV_HTTP_KEY(type, member, http_headers, nv_schema_http_headers, member),                   \
        NV_HTTP_KEY(type, member, proxy_connect_header, nv_schema_not_provided, member),           \
        NV_HTTP_KEY(type, member, oauth2, nv_schema_not_provided, member)
#define NV_HTTP_KEY(type, member, name, reader, place) NV_FIELD(#name, type, place, reader, NULL)

int nv_schema_basic_auth(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with);
int nv_schema_authorization(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                            const void *with);
int nv_schema_tls(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                  const void *with);
int nv_schema_proxy(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                    const void *with);
int nv_schema_http_headers(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                           const void *with);

/* A map that is nothing but an nv_http_config (http_config of a webhook), checked. */
int nv_schema_http(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with);

/* For the client of base/http.h. The texts are the configuration's; headers go with each request. */
struct nv_http_options nv_http_config_options(const struct nv_http_config *http,
                                              int64_t timeout_ms);
struct nv_http_tls nv_tls_config_options(const struct nv_tls_config *tls);

/* What can only be said of all keys together. `at` is where the map stands. */
NV_MUST_USE int nv_http_config_check(struct nv_schema *schema, const struct nv_yaml *at,
                                     struct nv_http_config *http);

#endif
