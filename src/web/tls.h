/*
 * tls.h - certificates and the rules of a TLS session, as GnuTLS wants them.
 *
 *   shape      immutable and counted: sessions begun before a reload keep what they began with
 *   client     Request and RequireAny take any certificate; the Verify kinds one that a CA of client_ca (else of the
 *              system) signed for clients; where client_allowed_sans has entries, one of them must
 *              stand among its DNS names, mail addresses, IP addresses or URIs
 */
#ifndef NV_WEB_TLS_H
#define NV_WEB_TLS_H

#include <gnutls/gnutls.h>

#include "base/buf.h"
#include "web/access.h"

enum { NV_PRIORITY_MAX = 1024 };

struct nv_tls {
    unsigned refs;            /* atomic */
    struct nv_access *access; /* counted: whose settings these are */
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priority;
    gnutls_certificate_request_t request;
    bool verify;
};

/* Reads the files an access names. Returns 0; a negative errno and a line in `error`. */
NV_MUST_USE int nv_tls_new(struct nv_access *access, struct nv_tls **ret,
                           char error[NV_YAML_ERROR_MAX]);
struct nv_tls *nv_tls_ref(struct nv_tls *tls);
void nv_tls_unref(struct nv_tls *tls); /* NULL is fine */

/* The state of the files a configuration names. To be taken before they are read. */
void nv_tls_stamps(const struct nv_web_tls *config, struct nv_stamp ret[NV_TLS_FILES]);

/* Makes a session that has not shaken hands yet follow these rules. `tls` must outlive it. */
void nv_tls_attach(struct nv_tls *tls, gnutls_session_t session);

/* Appends a web configuration with a key and a certificate made now, for this host's names and addresses. 0, or an error of
 * GnuTLS. */
NV_MUST_USE int nv_self_signed_config(struct nv_buf *out);

/* What GnuTLS is told, from the names Go has. */
void nv_tls_priority(const struct nv_web_tls *config, char ret[NV_PRIORITY_MAX]);

#endif
