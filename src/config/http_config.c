#include "config/http_config.h"

#include <strings.h>

#include "config/config_parts.h"

static const char *const versions[] = {"", "TLS10", "TLS11", "TLS12", "TLS13", NULL};

int nv_schema_basic_auth(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                         const void *with)
{
    static const struct nv_schema_key keys[] = {
        NV_KEY(struct nv_http_config, username, nv_schema_text, NULL),
        NV_KEY(struct nv_http_config, username_file, nv_schema_path, NULL),
        NV_KEY(struct nv_http_config, password, nv_schema_secret, NULL),
        NV_KEY(struct nv_http_config, password_file, nv_schema_path, NULL),
        NV_WHOLE("username_ref", nv_schema_not_provided, NULL),
        NV_WHOLE("password_ref", nv_schema_not_provided, NULL),
    };
    struct nv_http_config *http = into;

    (void)with;
    http->has_basic_auth = true;
    int r = nv_schema_read(schema, node, NV_KEYS(keys), http);
    if (r < 0)
        return r;
    if (http->username && http->username[0] && http->username_file)
        return nv_schema_refuse(
            schema, node, "at most one of basic_auth username & username_file must be configured");
    if (http->password && http->password[0] && http->password_file)
        return nv_schema_refuse(
            schema, node, "at most one of basic_auth password & password_file must be configured");
    return 0;
}

int nv_schema_authorization(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                            const void *with)
{
    static const struct nv_schema_key keys[] = {
        NV_FIELD("type", struct nv_http_config, auth_type, nv_schema_text, NULL),
        NV_KEY(struct nv_http_config, credentials, nv_schema_secret, NULL),
        NV_KEY(struct nv_http_config, credentials_file, nv_schema_path, NULL),
        NV_WHOLE("credentials_ref", nv_schema_not_provided, NULL),
    };
    struct nv_http_config *http = into;

    (void)with;
    http->has_authorization = true;
    int r = nv_schema_read(schema, node, NV_KEYS(keys), http);
    if (r < 0)
        return r;
    if (http->credentials && http->credentials[0] && http->credentials_file)
        return nv_schema_refuse(
            schema, node,
            "at most one of authorization credentials & credentials_file must be configured");
    struct nv_str type = nv_str_trim(nv_str(http->auth_type ? http->auth_type : ""));
    if (!type.n)
        http->auth_type = "Bearer";
    else if (type.n == 5 && strncasecmp(type.p, "basic", 5) == 0)
        return nv_schema_refuse(
            schema, node,
            "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
    return 0;
}

static int check_tls(struct nv_schema *schema, const struct nv_yaml *node,
                     const struct nv_tls_config *tls)
{
    bool cert = tls->cert || tls->cert_file, key = tls->key || tls->key_file;

    if (tls->ca && tls->ca_file)
        return nv_schema_refuse(schema, node, "at most one of ca and ca_file must be configured");
    if (tls->cert && tls->cert_file)
        return nv_schema_refuse(schema, node,
                                "at most one of cert and cert_file must be configured");
    if (tls->key && tls->key_file)
        return nv_schema_refuse(schema, node, "at most one of key and key_file must be configured");
    if (cert && !key)
        return nv_schema_refuse(schema, node,
                                "exactly one of key or key_file must be configured when a client "
                                "certificate is configured");
    if (key && !cert)
        return nv_schema_refuse(schema, node,
                                "exactly one of cert or cert_file must be configured when a client "
                                "key is configured");
    if (tls->max_version && tls->min_version > tls->max_version)
        return nv_schema_refuse(schema, node, "min_version is above max_version");
    return 0;
}

int nv_schema_tls(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                  const void *with)
{
    static const struct nv_schema_key keys[] = {
        NV_KEY(struct nv_tls_config, ca, nv_schema_text, NULL),
        NV_KEY(struct nv_tls_config, cert, nv_schema_text, NULL),
        NV_KEY(struct nv_tls_config, key, nv_schema_secret, NULL),
        NV_KEY(struct nv_tls_config, ca_file, nv_schema_path, NULL),
        NV_KEY(struct nv_tls_config, cert_file, nv_schema_path, NULL),
        NV_KEY(struct nv_tls_config, key_file, nv_schema_path, NULL),
        NV_KEY(struct nv_tls_config, server_name, nv_schema_text, NULL),
        NV_KEY(struct nv_tls_config, insecure_skip_verify, nv_schema_bool, NULL),
        NV_KEY(struct nv_tls_config, min_version, nv_schema_choice, versions),
        NV_KEY(struct nv_tls_config, max_version, nv_schema_choice, versions),
        NV_WHOLE("ca_ref", nv_schema_not_provided, NULL),
        NV_WHOLE("cert_ref", nv_schema_not_provided, NULL),
        NV_WHOLE("key_ref", nv_schema_not_provided, NULL),
    };

    (void)with;
    int r = nv_schema_read(schema, node, NV_KEYS(keys), into);
    return r < 0 ? r : check_tls(schema, node, into);
}

/* A URL whose password is not shown: all of it is hidden where it has one. */
int nv_schema_proxy(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                    const void *with)
{
    struct nv_str url = {NULL, 0};
    int r = nv_schema_scalar(schema, node, &url);

    if (r < 0)
        return r;
    if (!url.n)
        return 0;
    if (!nv_str_starts(url, "http://") && !nv_str_starts(url, "https://") &&
        !nv_str_starts(url, "socks5://"))
        return nv_schema_refuse(schema, node,
                                "this is no proxy URL; allowed: http://, https://, socks5://");
    return nv_str_find(url, '@') < url.n ? nv_schema_secret(schema, node, into, with)
                                         : nv_schema_text(schema, node, into, with);
}

/* ---- headers -------------------------------------------------------------------------------- */

struct header_lists {
    struct nv_text_list values, secrets, files;
};

static int read_secrets(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                        const void *with)
{
    int r = nv_schema_texts(schema, node, into, with);

    for (size_t i = 0; r == 0 && i < node->n; i++) {
        const char *text;
        r = nv_schema_secret(schema, node->items[i], &text, NULL);
    }
    return r;
}

/* Headers that are ours to say. */
static bool is_reserved(struct nv_str name)
{
    static const char *const names[] = {"Authorization",
                                        "Host",
                                        "Content-Encoding",
                                        "Content-Length",
                                        "Content-Type",
                                        "User-Agent",
                                        "Connection",
                                        "Keep-Alive",
                                        "Proxy-Authenticate",
                                        "Proxy-Authorization",
                                        "Www-Authenticate",
                                        "Accept-Encoding",
                                        "X-Prometheus-Remote-Write-Version",
                                        "X-Prometheus-Remote-Read-Version",
                                        "X-Prometheus-Scrape-Timeout-Seconds",
                                        "X-Amz-Date",
                                        "X-Amz-Security-Token",
                                        "X-Amz-Content-Sha256",
                                        NULL};

    for (size_t i = 0; names[i]; i++) {
        if (name.n == strlen(names[i]) && strncasecmp(name.p, names[i], name.n) == 0)
            return true;
    }
    return false;
}

static bool is_header_text(struct nv_str text, bool name)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f || (name && (c <= ' ' || c == ':' || c > 0x7f)))
            return false;
    }
    return text.n > 0 || !name;
}

static int add_headers(struct nv_schema *schema, const struct nv_yaml *at,
                       struct nv_http_config *http, struct nv_config_header *headers,
                       const char *name, const struct nv_text_list *list, bool files)
{
    for (size_t i = 0; i < list->n; i++) {
        if (http->n_headers == NV_HTTP_HEADERS_MAX)
            return nv_schema_refuse(schema, at, "more than %d headers", NV_HTTP_HEADERS_MAX);
        if (!is_header_text(nv_str(list->at[i]), false))
            return nv_schema_refuse(schema, at, "a control character in header '%.64s'", name);
        headers[http->n_headers++] =
            (struct nv_config_header){name, files ? NULL : list->at[i], files ? list->at[i] : NULL};
    }
    return 0;
}

int nv_schema_http_headers(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                           const void *with)
{
    static const struct nv_schema_key keys[] = {
        NV_FIELD("values", struct header_lists, values, nv_schema_texts, NULL),
        NV_FIELD("secrets", struct header_lists, secrets, read_secrets, NULL),
        NV_FIELD("files", struct header_lists, files, nv_schema_paths, NULL),
    };
    struct nv_http_config *http = into;
    struct nv_config_header *headers;

    (void)with;
    if (node->kind != NV_YAML_MAP)
        return nv_schema_refuse(schema, node, "a map of header names is wanted");
    int r = nv_schema_alloc(schema, NV_HTTP_HEADERS_MAX * sizeof(*headers), &headers);
    for (size_t i = 0; i < node->n && r == 0; i++) {
        struct header_lists lists = {0};
        const struct nv_yaml *key = node->pairs[i].key, *value = node->pairs[i].value;
        if (!is_header_text(key->text, true) || nv_str_find(key->text, '\0') < key->text.n)
            return nv_schema_refuse(schema, key, "this is no name of a header");
        if (is_reserved(key->text))
            return nv_schema_refuse(schema, key,
                                    "setting header '%.64s' is not allowed; it is sent by itself",
                                    key->text.p);
        r = nv_schema_read(schema, value, NV_KEYS(keys), &lists);
        if (r == 0)
            r = add_headers(schema, value, http, headers, key->text.p, &lists.values, false);
        if (r == 0)
            r = add_headers(schema, value, http, headers, key->text.p, &lists.secrets, false);
        if (r == 0)
            r = add_headers(schema, value, http, headers, key->text.p, &lists.files, true);
    }
    http->headers = headers;
    return r;
}

/* ---- together ------------------------------------------------------------------------------- */

int nv_http_config_check(struct nv_schema *schema, const struct nv_yaml *at,
                         struct nv_http_config *http)
{
    bool bearer = http->bearer_token && http->bearer_token[0];

    if (bearer && http->bearer_token_file)
        return nv_schema_refuse(
            schema, at, "at most one of bearer_token & bearer_token_file must be configured");
    if ((bearer || http->bearer_token_file) && http->has_authorization)
        return nv_schema_refuse(
            schema, at, "authorization is not compatible with bearer_token & bearer_token_file");
    if ((bearer || http->bearer_token_file) && http->has_basic_auth)
        return nv_schema_refuse(schema, at,
                                "at most one of basic_auth, oauth2, bearer_token & "
                                "bearer_token_file must be configured");
    if (http->has_basic_auth && http->has_authorization)
        return nv_schema_refuse(
            schema, at, "at most one of basic_auth, oauth2 & authorization must be configured");
    if (http->proxy_from_environment && (http->proxy_url || http->no_proxy))
        return nv_schema_refuse(schema, at,
                                "if proxy_from_environment is configured, proxy_url and no_proxy "
                                "must not be configured");
    if (http->no_proxy && !http->proxy_url)
        return nv_schema_refuse(schema, at,
                                "if no_proxy is configured, proxy_url must also be configured");
    if (bearer || http->bearer_token_file) {
        http->auth_type = "Bearer";
        http->credentials = bearer ? http->bearer_token : NULL;
        http->credentials_file = http->bearer_token_file;
    }
    return 0;
}

struct only_http {
    struct nv_http_config http;
};

int nv_schema_http(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                   const void *with)
{
    static const struct nv_schema_key keys[] = {NV_HTTP_KEYS(struct only_http, http)};

    (void)with;
    int r = nv_schema_read(schema, node, NV_KEYS(keys), into);
    return r < 0 ? r : nv_http_config_check(schema, node, into);
}

static enum nv_http_tls_version tls_version(int version)
{
    static const enum nv_http_tls_version to[] = {
        [NV_CONFIG_TLS_ANY] = NV_TLS_DEFAULT, [NV_CONFIG_TLS10] = NV_TLS_1_0,
        [NV_CONFIG_TLS11] = NV_TLS_1_1,       [NV_CONFIG_TLS12] = NV_TLS_1_2,
        [NV_CONFIG_TLS13] = NV_TLS_1_3,
    };

    return to[version];
}

struct nv_http_tls nv_tls_config_options(const struct nv_tls_config *tls)
{
    return (struct nv_http_tls){
        .ca = tls->ca,
        .cert = tls->cert,
        .key = tls->key,
        .ca_file = tls->ca_file,
        .cert_file = tls->cert_file,
        .key_file = tls->key_file,
        .server_name = tls->server_name,
        .insecure_skip_verify = tls->insecure_skip_verify,
        .min_version = tls_version(tls->min_version),
        .max_version = tls_version(tls->max_version),
    };
}

struct nv_http_options nv_http_config_options(const struct nv_http_config *http, int64_t timeout_ms)
{
    return (struct nv_http_options){
        .tls = nv_tls_config_options(&http->tls),
        .user =
            http->has_basic_auth && !http->username_file && !http->username ? "" : http->username,
        .user_file = http->username_file,
        .password = http->password,
        .password_file = http->password_file,
        .credentials = http->credentials,
        .credentials_file = http->credentials_file,
        .credentials_type = http->auth_type,
        .proxy_url = http->proxy_url,
        .no_proxy = http->no_proxy,
        .proxy_from_environment = http->proxy_from_environment,
        .follow_redirects = http->follow_redirects,
        .timeout_ms = timeout_ms,
    };
}
