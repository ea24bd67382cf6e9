#include "web/tls.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <time.h>

/*
 * A certificate for who gives none: it keeps what is said from who listens in, and lets nobody know whom he talks to. It is
 * valid for long, for nothing renews it but a restart.
 */
enum { VALID_S = 10 * 365 * 86400, EARLIER_S = 86400 /* clocks differ */, SERIAL_BYTES = 16 };

static int add_address(gnutls_x509_crt_t certificate, const char *text)
{
    unsigned char bytes[16];
    int n = !text                                   ? 0
            : inet_pton(AF_INET, text, bytes) == 1  ? 4
            : inet_pton(AF_INET6, text, bytes) == 1 ? 16
                                                    : 0;

    return n ? gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, bytes,
                                                    (unsigned)n, GNUTLS_FSAN_APPEND)
             : 0;
}

static int add_names(gnutls_x509_crt_t certificate)
{
    const char *const names[] = {getenv("NODE_NAME"), "localhost"};
    const char *const addresses[] = {"127.0.0.1", "::1", getenv("HOST_IP"), getenv("POD_IP")};
    char host[256] = "";

    gethostname(host, sizeof(host) - 1);
    const char *own = host[0] ? host : "localhost";
    int r = gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, own,
                                          (unsigned)strnlen(own, 64)); /* as long as one may be */
    if (r == 0)
        r = gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, own,
                                                 (unsigned)strlen(own), GNUTLS_FSAN_APPEND);
    for (size_t i = 0; r == 0 && i < NV_LEN(names); i++) {
        if (names[i] && names[i][0] && strcmp(names[i], own) != 0)
            r = gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, names[i],
                                                     (unsigned)strlen(names[i]),
                                                     GNUTLS_FSAN_APPEND);
    }
    for (size_t i = 0; r == 0 && i < NV_LEN(addresses); i++)
        r = add_address(certificate, addresses[i]);
    return r;
}

static int fill(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key)
{
    unsigned char serial[SERIAL_BYTES];
    time_t now = time(NULL);

    int r = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x01); /* positive, and not zero */
    if (r == 0)
        r = gnutls_x509_crt_set_version(certificate, 3);
    if (r == 0)
        r = gnutls_x509_crt_set_serial(certificate, serial, sizeof(serial));
    if (r == 0)
        r = gnutls_x509_crt_set_activation_time(certificate, now - EARLIER_S);
    if (r == 0)
        r = gnutls_x509_crt_set_expiration_time(certificate, now + VALID_S);
    if (r == 0)
        r = gnutls_x509_crt_set_basic_constraints(certificate, 0, -1);
    if (r == 0)
        r = gnutls_x509_crt_set_key_purpose_oid(certificate, GNUTLS_KP_TLS_WWW_SERVER, 0);
    if (r == 0)
        r = gnutls_x509_crt_set_key(certificate, key);
    if (r == 0)
        r = add_names(certificate);
    return r < 0 ? r : gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
}

/* As a literal block of YAML. */
static void add_pem(struct nv_buf *out, const char *name, const gnutls_datum_t *pem)
{
    struct nv_str rest = {(const char *)pem->data, pem->size};

    nv_buf_printf(out, "  %s: |\n", name);
    while (rest.n) {
        struct nv_str line = nv_str_cut(&rest, '\n');
        nv_buf_printf(out, "    %.*s\n", NV_ARGS(line));
    }
}

static int write_both(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key, struct nv_buf *out)
{
    gnutls_datum_t cert_pem = {NULL, 0}, key_pem = {NULL, 0};

    int r = gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &cert_pem);
    if (r == 0)
        r = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                              &key_pem);
    if (r == 0) {
        nv_buf_text(out, "tls_server_config:\n");
        add_pem(out, "cert", &cert_pem);
        add_pem(out, "key", &key_pem);
    }
    if (key_pem.data)
        explicit_bzero(key_pem.data, key_pem.size);
    gnutls_free(key_pem.data);
    gnutls_free(cert_pem.data);
    return r;
}

int nv_self_signed_config(struct nv_buf *out)
{
    gnutls_x509_crt_t certificate = NULL;
    gnutls_x509_privkey_t key = NULL;

    int r = gnutls_x509_privkey_init(&key);
    if (r == 0)
        r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (r == 0)
        r = gnutls_x509_crt_init(&certificate);
    if (r == 0)
        r = fill(certificate, key);
    if (r == 0)
        r = write_both(certificate, key, out);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
    return r;
}
