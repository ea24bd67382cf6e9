#include "support/certificate.h"

#include <arpa/inet.h>
#include <check.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <time.h>

#include "support/fixture.h"

enum { LIFE_S = 86400, KEY_BITS = 256 };

static void must(int r)
{
    ck_assert_msg(r >= 0, "%s", gnutls_strerror(r));
}

static void write_pem(const char *dir, const char *name, const char *ending, gnutls_datum_t pem)
{
    char file[64];

    snprintf(file, sizeof(file), "%s.%s", name, ending);
    nv_write_file(dir, file, (const char *)pem.data);
    gnutls_free(pem.data);
}

static gnutls_datum_t read_pem(const char *dir, const char *name, const char *ending)
{
    char path[4096];
    gnutls_datum_t pem;

    snprintf(path, sizeof(path), "%s/%s.%s", dir, name, ending);
    must(gnutls_load_file(path, &pem));
    return pem;
}

static void set_fields(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *host)
{
    static unsigned char serial = 1;
    unsigned char address[4], id[20];
    size_t id_size = sizeof(id);

    must(gnutls_x509_crt_set_version(crt, 3));
    must(gnutls_x509_crt_set_serial(crt, &serial, sizeof(serial)));
    serial++;
    must(gnutls_x509_crt_set_activation_time(crt, time(NULL) - LIFE_S));
    must(gnutls_x509_crt_set_expiration_time(crt, time(NULL) + LIFE_S));
    must(gnutls_x509_crt_set_key(crt, key));
    must(gnutls_x509_crt_get_key_id(crt, 0, id, &id_size));
    must(gnutls_x509_crt_set_subject_key_id(crt, id, id_size));
    must(gnutls_x509_crt_set_basic_constraints(crt, host ? 0 : 1, -1));
    must(gnutls_x509_crt_set_key_usage(crt, host ? GNUTLS_KEY_DIGITAL_SIGNATURE
                                                 : GNUTLS_KEY_KEY_CERT_SIGN));
    if (!host)
        host = "authority";
    else if (inet_pton(AF_INET, host, address) == 1)
        must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address,
                                                  sizeof(address), GNUTLS_FSAN_SET));
    else
        must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, host,
                                                  (unsigned)strlen(host), GNUTLS_FSAN_SET));
    must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, host,
                                       (unsigned)strlen(host)));
}

static void sign_by(gnutls_x509_crt_t crt, const char *dir, const char *authority)
{
    gnutls_datum_t crt_pem = read_pem(dir, authority, "crt"),
                   key_pem = read_pem(dir, authority, "key");
    gnutls_x509_crt_t issuer;
    gnutls_x509_privkey_t key;

    must(gnutls_x509_crt_init(&issuer));
    must(gnutls_x509_crt_import(issuer, &crt_pem, GNUTLS_X509_FMT_PEM));
    must(gnutls_x509_privkey_init(&key));
    must(gnutls_x509_privkey_import(key, &key_pem, GNUTLS_X509_FMT_PEM));
    must(gnutls_x509_crt_sign2(crt, issuer, key, GNUTLS_DIG_SHA256, 0));
    gnutls_x509_privkey_deinit(key);
    gnutls_x509_crt_deinit(issuer);
    gnutls_free(crt_pem.data);
    gnutls_free(key_pem.data);
}

void nv_certificate_write(const char *dir, const char *name, const char *host,
                          const char *authority)
{
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
    gnutls_datum_t pem;

    must(gnutls_x509_privkey_init(&key));
    must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, KEY_BITS, 0));
    must(gnutls_x509_crt_init(&crt));
    set_fields(crt, key, host);
    if (host)
        sign_by(crt, dir, authority);
    else
        must(gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0));
    must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem));
    write_pem(dir, name, "crt", pem);
    must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem));
    write_pem(dir, name, "key", pem);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}
