#include "web/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/x509.h>

#include "base/buf.h"

/* ---- settings ------------------------------------------------------------------------------- */

static void add_names(struct nv_buf *out, const struct nv_tls_name *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        nv_buf_char(out, ':');
        nv_buf_text(out, names[i]->priority);
    }
}

/*
 * Go never lets TLS 1.3 be narrowed, GnuTLS has one list of ciphers for all versions. So a list narrows 1.3 as
 * well, except where nothing older is allowed: there it means nothing, as in Go. A list of suites that
 * TLS 1.3 does not know leaves no 1.3.
 */
void nv_tls_priority(const struct nv_web_tls *config, char ret[NV_PRIORITY_MAX])
{
    static const char *const versions[] = {
        [NV_TLS10] = "TLS1.0", [NV_TLS11] = "TLS1.1", [NV_TLS12] = "TLS1.2", [NV_TLS13] = "TLS1.3"};
    NV_AUTO_BUF text = NV_BUF(NV_PRIORITY_MAX);

    nv_buf_text(&text, "NORMAL:-VERS-ALL");
    for (int version = config->max_version; version >= config->min_version; version--)
        nv_buf_printf(&text, ":+VERS-%s", versions[version]);
    if (config->cipher_suites.n && config->min_version < NV_TLS13) {
        nv_buf_text(&text, ":-CIPHER-ALL:-KX-ALL:-MAC-ALL");
        add_names(&text, config->cipher_suites.at, config->cipher_suites.n);
    }
    if (config->curve_preferences.n) {
        nv_buf_text(&text, ":-GROUP-ALL");
        add_names(&text, config->curve_preferences.at, config->curve_preferences.n);
    }
    if (config->prefer_server_cipher_suites)
        nv_buf_text(&text, ":%SERVER_PRECEDENCE");
    snprintf(ret, NV_PRIORITY_MAX, "%s", nv_buf_c_string(&text));
}

/* ---- files ---------------------------------------------------------------------------------- */

void nv_tls_stamps(const struct nv_web_tls *config, struct nv_stamp ret[NV_TLS_FILES])
{
    const char *const paths[NV_TLS_FILES] = {config->cert_file, config->key_file,
                                             config->client_ca_file};

    for (size_t i = 0; i < NV_TLS_FILES; i++)
        ret[i] = paths[i] ? nv_stamp_of(paths[i]) : (struct nv_stamp){0};
}

static int read_pem(const char *inline_text, const char *path, struct nv_arena *memory,
                    gnutls_datum_t *ret, char error[NV_YAML_ERROR_MAX])
{
    struct nv_str text = inline_text ? nv_str(inline_text) : (struct nv_str){NULL, 0};

    if (!inline_text) {
        int r = nv_config_read_file(path, memory, &text, error);
        if (r < 0)
            return r;
    } else {
        text = nv_arena_str(memory, text); /* GnuTLS's type is not const */
        if (!text.p)
            return -ENOMEM;
    }
    *ret = (gnutls_datum_t){(unsigned char *)(uintptr_t)text.p, (unsigned)text.n};
    return 0;
}

static int refuse(int r, char *error, const char *what, const char *path)
{
    snprintf(error, NV_YAML_ERROR_MAX, "tls_server_config: %s%s%.256s: %s", what, path ? " " : "",
             path ? path : "", gnutls_strerror(r));
    return -EBADMSG;
}

static int load_certificate(struct nv_tls *tls, struct nv_arena *memory, char *error)
{
    const struct nv_web_tls *config = &tls->access->config.tls;
    gnutls_datum_t cert, key;
    int r = read_pem(config->cert, config->cert_file, memory, &cert, error);

    if (r == 0)
        r = read_pem(config->key, config->key_file, memory, &key, error);
    if (r < 0)
        return r;
    r = gnutls_certificate_set_x509_key_mem2(tls->credentials, &cert, &key, GNUTLS_X509_FMT_PEM,
                                             NULL, 0);
    explicit_bzero(key.data, key.size);
    return r < 0
               ? refuse(r, error,
                        "the certificate and key do not fit or cannot be read:", config->cert_file)
               : 0;
}

static int load_authorities(struct nv_tls *tls, struct nv_arena *memory, char *error)
{
    const struct nv_web_tls *config = &tls->access->config.tls;
    gnutls_datum_t ca;

    if (!config->client_ca && !config->client_ca_file) {
        if (tls->verify)
            gnutls_certificate_set_x509_system_trust(tls->credentials);
        return 0;
    }
    int r = read_pem(config->client_ca, config->client_ca_file, memory, &ca, error);
    if (r < 0)
        return r;
    r = gnutls_certificate_set_x509_trust_mem(tls->credentials, &ca, GNUTLS_X509_FMT_PEM);
    if (r == 0)
        r = GNUTLS_E_NO_CERTIFICATE_FOUND;
    return r < 0 ? refuse(r, error, "client_ca cannot be read:", config->client_ca_file) : 0;
}

/* ---- client certificates -------------------------------------------------------------------- */

static bool is_allowed(const struct nv_text_list *allowed, const char *name, size_t n)
{
    for (size_t i = 0; i < allowed->n; i++) {
        if (nv_str_is((struct nv_str){name, n}, allowed->at[i]))
            return true;
    }
    return false;
}

static bool has_allowed_name(const struct nv_text_list *allowed, gnutls_x509_crt_t certificate)
{
    char name[1024], text[INET6_ADDRSTRLEN];

    for (unsigned i = 0; i < 1000; i++) {
        size_t n = sizeof(name);
        int type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &n, NULL);
        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        if (type < 0)
            break;
        if (type == GNUTLS_SAN_IPADDRESS) {
            if ((n == 4 || n == 16) &&
                inet_ntop(n == 4 ? AF_INET : AF_INET6, name, text, sizeof(text)) &&
                is_allowed(allowed, text, strlen(text)))
                return true;
        } else if ((type == GNUTLS_SAN_DNSNAME || type == GNUTLS_SAN_RFC822NAME ||
                    type == GNUTLS_SAN_URI) &&
                   is_allowed(allowed, name, n)) {
            return true;
        }
    }
    return false;
}

static int check_names(const struct nv_text_list *allowed, const gnutls_datum_t *leaf)
{
    gnutls_x509_crt_t certificate;

    if (gnutls_x509_crt_init(&certificate) < 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    bool found = gnutls_x509_crt_import(certificate, leaf, GNUTLS_X509_FMT_DER) == 0 &&
                 has_allowed_name(allowed, certificate);
    gnutls_x509_crt_deinit(certificate);
    return found ? 0 : GNUTLS_E_CERTIFICATE_ERROR;
}

/* In the handshake, when the client's certificate is there or is known not to come. */
static int check_client(gnutls_session_t session)
{
    const struct nv_tls *tls = gnutls_db_get_ptr(session);
    unsigned n = 0, status = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);

    if (!chain || n == 0) /* GnuTLS itself refuses where one is required */
        return 0;
    if (tls->verify) {
        gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                         .data =
                                             (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
        if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0)
            return GNUTLS_E_CERTIFICATE_ERROR;
    }
    const struct nv_text_list *allowed = &tls->access->config.tls.client_allowed_sans;
    return allowed->n ? check_names(allowed, &chain[0]) : 0;
}

/* ---- what others use ------------------------------------------------------------------------ */

static void set_client_rules(struct nv_tls *tls)
{
    switch (tls->access->config.tls.client_auth_type) {
    case NV_CLIENT_REQUEST:
    case NV_CLIENT_VERIFY_IF_GIVEN:
        tls->request = GNUTLS_CERT_REQUEST;
        break;
    case NV_CLIENT_REQUIRE_ANY:
    case NV_CLIENT_REQUIRE_ALIAS:
    case NV_CLIENT_VERIFY:
        tls->request = GNUTLS_CERT_REQUIRE;
        break;
    default:
        tls->request = GNUTLS_CERT_IGNORE;
    }
    tls->verify = tls->access->config.tls.client_auth_type >= NV_CLIENT_VERIFY_IF_GIVEN;
}

static int load(struct nv_tls *tls, char error[NV_YAML_ERROR_MAX])
{
    const struct nv_web_tls *config = &tls->access->config.tls;
    struct nv_arena memory = NV_ARENA(4 * (NV_YAML_SIZE_MAX + 4096));
    char priority[NV_PRIORITY_MAX];

    int r = load_certificate(tls, &memory, error);
    if (r == 0)
        r = load_authorities(tls, &memory, error);
    nv_arena_done(&memory);
    if (r < 0)
        return r;
    nv_tls_priority(config, priority);
    r = gnutls_priority_init(&tls->priority, priority, NULL);
    return r < 0 ? refuse(r, error, "versions, cipher suites and curves leave nothing:", NULL) : 0;
}

int nv_tls_new(struct nv_access *access, struct nv_tls **ret, char error[NV_YAML_ERROR_MAX])
{
    struct nv_tls *tls = calloc(1, sizeof(*tls));

    if (!tls || gnutls_certificate_allocate_credentials(&tls->credentials) < 0) {
        free(tls);
        snprintf(error, NV_YAML_ERROR_MAX, "out of memory");
        return -ENOMEM;
    }
    tls->refs = 1;
    tls->access = nv_access_ref(access);
    set_client_rules(tls);
    gnutls_certificate_set_verify_function(tls->credentials, check_client);
    int r = load(tls, error);
    if (r < 0) {
        nv_tls_unref(tls);
        return r;
    }
    *ret = tls;
    return 0;
}

struct nv_tls *nv_tls_ref(struct nv_tls *tls)
{
    __atomic_add_fetch(&tls->refs, 1, __ATOMIC_RELAXED);
    return tls;
}

void nv_tls_unref(struct nv_tls *tls)
{
    if (!tls || __atomic_sub_fetch(&tls->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    gnutls_certificate_free_credentials(tls->credentials);
    if (tls->priority)
        gnutls_priority_deinit(tls->priority);
    nv_access_unref(tls->access);
    free(tls);
}

void nv_tls_attach(struct nv_tls *tls, gnutls_session_t session)
{
    gnutls_priority_set(session, tls->priority);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
    gnutls_certificate_server_set_request(session, tls->request);
    /* The session's own pointer belongs to libmicrohttpd; that of the resumption store, which we do not
     * have, is free. */
    gnutls_db_set_ptr(session, tls);
}
