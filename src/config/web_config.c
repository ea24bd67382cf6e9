#include "config/web_config.h"

#include <errno.h>
#include <strings.h>

/* ---- what names there are ------------------------------------------------------------------- */

static const char *const client_auth_names[] = {
    [NV_CLIENT_NONE] = "NoClientCert",
    [NV_CLIENT_REQUEST] = "RequestClientCert",
    [NV_CLIENT_REQUIRE_ANY] = "RequireAnyClientCert",
    [NV_CLIENT_REQUIRE_ALIAS] = "RequireClientCert",
    [NV_CLIENT_VERIFY_IF_GIVEN] = "VerifyClientCertIfGiven",
    [NV_CLIENT_VERIFY] = "RequireAndVerifyClientCert",
    NULL,
};

static const char *const version_names[] = {"TLS10", "TLS11", "TLS12", "TLS13", NULL};

/* GnuTLS combines any key exchange with any cipher and digest that are on, so a list of suites is their
 * product. That of TLS 1.3 uses the same ciphers without a key exchange of its own. */
// clang-format off
static const struct nv_tls_name ciphers[] = {
    {"TLS_AES_128_GCM_SHA256",                        "+AES-128-GCM:+AEAD"},
    {"TLS_AES_256_GCM_SHA384",                        "+AES-256-GCM:+AEAD"},
    {"TLS_CHACHA20_POLY1305_SHA256",                  "+CHACHA20-POLY1305:+AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",       "+ECDHE-ECDSA:+AES-128-GCM:+AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",       "+ECDHE-ECDSA:+AES-256-GCM:+AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "+ECDHE-ECDSA:+CHACHA20-POLY1305:+AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",        "+ECDHE-ECDSA:+CHACHA20-POLY1305:+AEAD"},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",          "+ECDHE-ECDSA:+AES-128-CBC:+SHA1"},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",          "+ECDHE-ECDSA:+AES-256-CBC:+SHA1"},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",         "+ECDHE-RSA:+AES-128-GCM:+AEAD"},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",         "+ECDHE-RSA:+AES-256-GCM:+AEAD"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",   "+ECDHE-RSA:+CHACHA20-POLY1305:+AEAD"},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",          "+ECDHE-RSA:+CHACHA20-POLY1305:+AEAD"},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",            "+ECDHE-RSA:+AES-128-CBC:+SHA1"},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",            "+ECDHE-RSA:+AES-256-CBC:+SHA1"},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256",               "+RSA:+AES-128-GCM:+AEAD"},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384",               "+RSA:+AES-256-GCM:+AEAD"},
    {"TLS_RSA_WITH_AES_128_CBC_SHA",                  "+RSA:+AES-128-CBC:+SHA1"},
    {"TLS_RSA_WITH_AES_256_CBC_SHA",                  "+RSA:+AES-256-CBC:+SHA1"},
    {NULL, NULL},
};

static const struct nv_tls_name curves[] = {
    {"CurveP256", "+GROUP-SECP256R1"},
    {"CurveP384", "+GROUP-SECP384R1"},
    {"CurveP521", "+GROUP-SECP521R1"},
    {"X25519",    "+GROUP-X25519"},
    {NULL, NULL},
};

/* Headers one may add, and the values each may have; none listed means any. */
static const struct {
    const char *name, *values[3];
} headers[NV_WEB_HEADERS_MAX] = {
    {"Content-Security-Policy",   {NULL}},
    {"X-Frame-Options",           {"deny", "sameorigin", NULL}},
    {"X-Content-Type-Options",    {"nosniff", NULL}},
    {"X-XSS-Protection",          {NULL}},
    {"Strict-Transport-Security", {NULL}},
};
// clang-format on

/* ---- readers -------------------------------------------------------------------------------- */

static int read_tls_names(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                          const void *with)
{
    const struct nv_tls_name *names = with;
    __typeof__(((struct nv_web_tls *)0)->cipher_suites) *list = into;
    const char *choices[NV_WEB_CIPHERS_MAX + 1] = {NULL};

    for (size_t i = 0; names[i].name; i++)
        choices[i] = names[i].name;
    if (node->kind != NV_YAML_LIST)
        return nv_schema_refuse(schema, node, "a list is wanted");
    if (node->n > NV_WEB_CIPHERS_MAX)
        return nv_schema_refuse(schema, node, "more than %d entries", NV_WEB_CIPHERS_MAX);
    for (size_t i = 0; i < node->n; i++) {
        int choice;
        int r = nv_schema_choice(schema, node->items[i], &choice, choices);
        if (r < 0)
            return r;
        list->at[list->n++] = &names[choice];
    }
    return 0;
}

static int read_tls(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                    const void *with)
{
    static const struct nv_schema_key keys[] = {
        NV_KEY(struct nv_web_tls, cert, nv_schema_text, NULL),
        NV_KEY(struct nv_web_tls, key, nv_schema_text, NULL),
        NV_KEY(struct nv_web_tls, client_ca, nv_schema_text, NULL),
        NV_KEY(struct nv_web_tls, cert_file, nv_schema_text, NULL),
        NV_KEY(struct nv_web_tls, key_file, nv_schema_text, NULL),
        NV_KEY(struct nv_web_tls, client_ca_file, nv_schema_text, NULL),
        NV_KEY(struct nv_web_tls, client_auth_type, nv_schema_choice, client_auth_names),
        NV_KEY(struct nv_web_tls, client_allowed_sans, nv_schema_texts, NULL),
        NV_KEY(struct nv_web_tls, min_version, nv_schema_choice, version_names),
        NV_KEY(struct nv_web_tls, max_version, nv_schema_choice, version_names),
        NV_KEY(struct nv_web_tls, cipher_suites, read_tls_names, ciphers),
        NV_KEY(struct nv_web_tls, curve_preferences, read_tls_names, curves),
        NV_KEY(struct nv_web_tls, prefer_server_cipher_suites, nv_schema_bool, NULL),
    };

    (void)with;
    return nv_schema_read(schema, node, keys, sizeof(keys) / sizeof(keys[0]), into);
}

static int read_header(struct nv_schema *schema, const struct nv_yaml_pair *pair,
                       struct nv_web_config *config)
{
    struct nv_str value = {NULL, 0};
    size_t i = 0;
    int r = nv_schema_scalar(schema, pair->value, &value);

    if (r < 0)
        return r;
    while (i < NV_WEB_HEADERS_MAX && !nv_str_is(pair->key->text, headers[i].name))
        i++;
    if (i == NV_WEB_HEADERS_MAX)
        return nv_schema_refuse(schema, pair->key,
                                "header '%.64s' cannot be set; allowed: Content-Security-Policy, "
                                "X-Frame-Options, X-Content-Type-Options, X-XSS-Protection, "
                                "Strict-Transport-Security",
                                pair->key->text.p);
    if (value.n == 0 || nv_yaml_is_null(pair->value))
        return 0;
    for (size_t at = 0; at < value.n; at++) {
        if ((unsigned char)value.p[at] < ' ' || value.p[at] == 0x7f)
            return nv_schema_refuse(schema, pair->value, "a control character in a header");
    }
    bool allowed = !headers[i].values[0];
    for (size_t v = 0; headers[i].values[v]; v++)
        allowed |= nv_str_is(value, headers[i].values[v]);
    if (!allowed)
        return nv_schema_refuse(
            schema, pair->value, "'%.64s' is not allowed for %s; allowed: %s%s%s", value.p,
            headers[i].name, headers[i].values[0], headers[i].values[1] ? ", " : "",
            headers[i].values[1] ? headers[i].values[1] : "");
    config->headers[config->n_headers++] = (struct nv_web_header){headers[i].name, value.p};
    return 0;
}

/* Offsets of this and the readers below are 0: they get the whole configuration. */
static int read_headers(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                        const void *with)
{
    (void)with;
    if (node->kind != NV_YAML_MAP)
        return nv_schema_refuse(schema, node, "a map of headers and values is wanted");
    for (size_t i = 0; i < node->n; i++) {
        int r = read_header(schema, &node->pairs[i], into);
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_http2(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    struct nv_web_config *config = into;

    (void)with;
    config->http2_asked = true;
    return nv_schema_bool(schema, node, &config->http2, NULL);
}

static int read_http(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    static const struct nv_schema_key keys[] = {
        {"http2",   read_http2,   0, NULL},
        {"headers", read_headers, 0, NULL},
    };

    (void)with;
    return nv_schema_read(schema, node, keys, sizeof(keys) / sizeof(keys[0]), into);
}

static int read_rate(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                     const void *with)
{
    static const struct nv_schema_range burst_range = {1, 1000000000};
    static const struct nv_schema_key keys[] = {
        {"interval", nv_schema_duration, offsetof(struct nv_web_config, rate_interval_ns), NULL        },
        {"burst",    nv_schema_int,      offsetof(struct nv_web_config, rate_burst),       &burst_range},
    };

    (void)with;
    return nv_schema_read(schema, node, keys, sizeof(keys) / sizeof(keys[0]), into);
}

/* ---- users ---------------------------------------------------------------------------------- */

static bool is_bcrypt_character(char c)
{
    return nv_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '/';
}

/* $2a$, $2b$ or $2y$, two digits of cost, $, salt and hash. */
static bool is_bcrypt(struct nv_str hash, unsigned *ret_cost)
{
    if (hash.n != NV_BCRYPT_LENGTH || memcmp(hash.p, "$2", 2) != 0 || !strchr("aby", hash.p[2]) ||
        hash.p[3] != '$' || !nv_is_digit(hash.p[4]) || !nv_is_digit(hash.p[5]) || hash.p[6] != '$')
        return false;
    for (size_t i = 7; i < hash.n; i++) {
        if (!is_bcrypt_character(hash.p[i]))
            return false;
    }
    *ret_cost = (unsigned)(hash.p[4] - '0') * 10 + (unsigned)(hash.p[5] - '0');
    return *ret_cost >= 4;
}

static int read_user(struct nv_schema *schema, const struct nv_yaml_pair *pair,
                     struct nv_web_user *ret)
{
    struct nv_str name = {NULL, 0}, hash = {NULL, 0};
    unsigned cost = 0;
    int r = nv_schema_scalar(schema, pair->key, &name);

    if (r == 0)
        r = nv_schema_scalar(schema, pair->value, &hash);
    if (r < 0)
        return r;
    if (nv_str_find(name, ':') < name.n)
        return nv_schema_refuse(schema, pair->key,
                                "user '%.64s' has a colon, which HTTP's basic authentication "
                                "cannot carry",
                                name.p);
    if (!is_bcrypt(hash, &cost)) /* the hash is not shown: it may be the password itself */
        return nv_schema_refuse(schema, pair->value,
                                "user '%.64s': no bcrypt hash; allowed: $2a$, $2b$ or $2y$, a cost "
                                "from 04 to %d and 53 characters, as htpasswd -nBC 10 '' prints",
                                name.p, NV_BCRYPT_COST_MAX);
    if (cost > NV_BCRYPT_COST_MAX)
        return nv_schema_refuse(schema, pair->value,
                                "user '%.64s': bcrypt cost %u takes too long to verify; allowed: 4 "
                                "to %d",
                                name.p, cost, NV_BCRYPT_COST_MAX);
    *ret = (struct nv_web_user){name.p, hash.p};
    return 0;
}

static int order_users(const void *a, const void *b)
{
    const struct nv_web_user *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int read_users(struct nv_schema *schema, const struct nv_yaml *node, void *into,
                      const void *with)
{
    struct nv_web_config *config = into;

    (void)with;
    if (node->kind != NV_YAML_MAP)
        return nv_schema_refuse(schema, node, "a map of user names and bcrypt hashes is wanted");
    if (node->n > NV_WEB_USERS_MAX)
        return nv_schema_refuse(schema, node, "more than %d users", NV_WEB_USERS_MAX);
    struct nv_web_user *users = nv_arena_alloc(schema->memory, node->n * sizeof(*users));
    if (!users)
        return nv_schema_refuse(schema, node, "too many users for the memory");
    for (size_t i = 0; i < node->n; i++) {
        int r = read_user(schema, &node->pairs[i], &users[i]);
        if (r < 0)
            return r;
    }
    if (node->n)
        qsort(users, node->n, sizeof(*users), order_users);
    config->users = users;
    config->n_users = node->n;
    return 0;
}

const struct nv_web_user *nv_web_config_user(const struct nv_web_config *config, struct nv_str name)
{
    size_t first = 0, end = config->n_users;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        int order = nv_str_cmp(nv_str(config->users[middle].name), name);
        if (order == 0)
            return &config->users[middle];
        if (order < 0)
            first = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* An empty value counts as none. */
static void drop_empty(const char **text)
{
    if (*text && !**text)
        *text = NULL;
}

static int make_absolute(struct nv_schema *schema, const char **path)
{
    drop_empty(path);
    const char *slash = strrchr(schema->file, '/');
    if (!*path || **path == '/' || !slash)
        return 0;

    size_t n = (size_t)(slash - schema->file) + 1, rest = strlen(*path) + 1;
    char *joined = nv_arena_alloc(schema->memory, n + rest);
    if (!joined)
        return -ENOMEM;
    memcpy(joined, schema->file, n);
    memcpy(joined + n, *path, rest);
    *path = joined;
    return 0;
}

/* Which keys need which others. */
static int check_tls(struct nv_schema *schema, const struct nv_yaml *at, struct nv_web_tls *tls)
{
    drop_empty(&tls->cert);
    drop_empty(&tls->key);
    drop_empty(&tls->client_ca);
    if (make_absolute(schema, &tls->cert_file) < 0 || make_absolute(schema, &tls->key_file) < 0 ||
        make_absolute(schema, &tls->client_ca_file) < 0)
        return nv_schema_refuse(schema, at, "too large for its memory");

    bool cert = tls->cert || tls->cert_file, key = tls->key || tls->key_file;
    bool ca = tls->client_ca || tls->client_ca_file;
    tls->present = cert || key || ca || tls->client_auth_type != NV_CLIENT_NONE;
    if (!tls->present) /* as upstream: versions and ciphers alone make no TLS */
        return 0;
    if (!cert || !key)
        return nv_schema_refuse(schema, at,
                                "TLS wants both a certificate (cert_file or cert) and a "
                                "key (key_file or key); the %s is missing",
                                cert ? "key" : "certificate");
    if ((tls->cert && tls->cert_file) || (tls->key && tls->key_file) ||
        (tls->client_ca && tls->client_ca_file))
        return nv_schema_refuse(schema, at,
                                "a certificate or key stands both inline and as a file; keep one");
    if (ca && tls->client_auth_type == NV_CLIENT_NONE)
        return nv_schema_refuse(schema, at,
                                "client_ca without client_auth_type; set that to "
                                "RequireAndVerifyClientCert, say");
    if (tls->min_version > tls->max_version)
        return nv_schema_refuse(schema, at, "min_version is above max_version");
    return 0;
}

int nv_web_config_parse(const char *path, struct nv_str text, struct nv_arena *memory,
                        struct nv_web_config *ret, char error[NV_YAML_ERROR_MAX])
{
    static const struct nv_schema_key keys[] = {
        {"tls_server_config", read_tls, offsetof(struct nv_web_config, tls), NULL},
        {"http_server_config",                   read_http,        0,          NULL     },
        {"basic_auth_users",                   read_users,          0,           NULL},
        {"rate_limit",                   read_rate,                0,                  NULL      },
    };
    struct nv_schema schema = {.file = path, .memory = memory, .error = error};
    struct nv_web_config config = {
        .tls = {.min_version = NV_TLS12,
                .max_version = NV_TLS13,
                .prefer_server_cipher_suites = true},
        .http2 = true,
        .rate_burst = 1,
    };
    const struct nv_yaml *root;

    int r = nv_yaml_parse(path, text, memory, &root, error);
    if (r == 0)
        r = nv_schema_read(&schema, root, keys, sizeof(keys) / sizeof(keys[0]), &config);
    if (r < 0)
        return r;
    const struct nv_yaml *tls = nv_yaml_get(root, "tls_server_config");
    r = check_tls(&schema, tls ? tls : root, &config.tls);
    if (r < 0)
        return r;
    *ret = config;
    return 0;
}

int nv_web_config_load(const char *path, struct nv_arena *memory, struct nv_web_config *ret,
                       char error[NV_YAML_ERROR_MAX])
{
    struct nv_str text;
    int r = nv_config_read_file(path, memory, &text, error);

    return r < 0 ? r : nv_web_config_parse(path, text, memory, ret, error);
}
