/*
 * web_config.h - the file of --web.config.file: TLS, users, headers, rate limit; as exporter-toolkit reads it.
 *
 *   ownership  all text lives in the arena it was read into
 *   paths      relative ones are relative to the folder of the file
 *   checked    everything that needs no other file: names, hashes, which keys go together
 */
#ifndef NV_CONFIG_WEB_CONFIG_H
#define NV_CONFIG_WEB_CONFIG_H

#include "config/schema.h"

enum {
    NV_WEB_USERS_MAX = 10000,
    NV_WEB_HEADERS_MAX = 5,
    NV_WEB_CIPHERS_MAX = 32,
    NV_WEB_CURVES_MAX = 8,
    NV_BCRYPT_LENGTH = 60,   /* $2y$10$ and 53 characters of salt and hash */
    NV_BCRYPT_COST_MAX = 18, /* a quarter of a minute; one more and no scraper waits for it */
};

/* In the order of Go's crypto/tls, each including what stands before it where that makes sense. */
enum nv_client_auth {
    NV_CLIENT_NONE,            /* NoClientCert */
    NV_CLIENT_REQUEST,         /* RequestClientCert */
    NV_CLIENT_REQUIRE_ANY,     /* RequireAnyClientCert */
    NV_CLIENT_REQUIRE_ALIAS,   /* RequireClientCert, another name of the same */
    NV_CLIENT_VERIFY_IF_GIVEN, /* VerifyClientCertIfGiven */
    NV_CLIENT_VERIFY, /* RequireAndVerifyClientCert; without a CA the system's are trusted */
};

enum nv_tls_version { NV_TLS10, NV_TLS11, NV_TLS12, NV_TLS13 };

/* A name Go has, and what GnuTLS calls it in a priority string. */
struct nv_tls_name {
    const char *name, *priority;
};

struct nv_web_tls {
    bool present;
    const char *cert, *key, *client_ca;                /* PEM in the file; NULL for none */
    const char *cert_file, *key_file, *client_ca_file; /* NULL for none */
    int client_auth_type;                              /* enum nv_client_auth */
    struct nv_text_list client_allowed_sans;
    int min_version, max_version; /* enum nv_tls_version */
    struct {
        const struct nv_tls_name *at[NV_WEB_CIPHERS_MAX];
        size_t n;
    } cipher_suites, curve_preferences; /* none: what GnuTLS likes */
    bool prefer_server_cipher_suites;
};

struct nv_web_header {
    const char *name, *value;
};

struct nv_web_user {
    const char *name, *hash;
};

struct nv_web_config {
    struct nv_web_tls tls;
    bool http2, http2_asked;
    struct nv_web_header headers[NV_WEB_HEADERS_MAX];
    size_t n_headers;
    const struct nv_web_user *users; /* by name */
    size_t n_users;
    int64_t rate_interval_ns, rate_burst; /* interval 0: no limit */
};

/* Returns 0; -EBADMSG and others with a line in `error`. */
NV_MUST_USE int nv_web_config_parse(const char *path, struct nv_str text, struct nv_arena *memory,
                                    struct nv_web_config *ret, char error[NV_YAML_ERROR_MAX]);
NV_MUST_USE int nv_web_config_load(const char *path, struct nv_arena *memory,
                                   struct nv_web_config *ret, char error[NV_YAML_ERROR_MAX]);

const struct nv_web_user *nv_web_config_user(const struct nv_web_config *config,
                                             struct nv_str name);

#endif
