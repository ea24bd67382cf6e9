/*
 * certificate.h - certificates for tests, made on the spot: an authority, and what it signs.
 */
#ifndef NV_TEST_CERTIFICATE_H
#define NV_TEST_CERTIFICATE_H

/* Writes <name>.crt and <name>.key (PEM) into the folder. `host`: a name or an address the certificate is for. NULL makes
 * an authority, which signs itself; others are signed by <authority>. */
void nv_certificate_write(const char *dir, const char *name, const char *host,
                          const char *authority);

#endif
