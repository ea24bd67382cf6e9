/*
 * mail.h - mail handed to an SMTP server, over libcurl.
 *
 *   bound    NV_MAIL_MAX bytes of message, NV_MAIL_TO_MAX recipients; a mail ends at its deadline
 *   threads  one at a time per mailer, except that nv_mailer_cancel() may come from any
 *   library  loaded by the first nv_mailer_new(); where there is none, each mail fails with -ENOPKG
 */
#ifndef NV_BASE_MAIL_H
#define NV_BASE_MAIL_H

#include "base/http.h"

enum { NV_MAIL_MAX = 8 << 20, NV_MAIL_TO_MAX = 256 };

enum nv_mail_security {
    NV_MAIL_STARTTLS,  /* or no mail */
    NV_MAIL_TRY,       /* STARTTLS where the server offers it */
    NV_MAIL_TLS,       /* from the first byte, as on port 465 */
    NV_MAIL_UNSECURED, /* no TLS even if offered */
};

/* Copied by nv_mailer_new(). */
struct nv_mailer_options {
    const char *server;                          /* host:port */
    const char *hello;                           /* our name; NULL: the host's */
    const char *user, *password, *password_file; /* user NULL: no authentication */
    enum nv_mail_security security;
    struct nv_http_tls tls; /* server_name does not apply: it is the server's */
    int64_t connect_timeout_ms, timeout_ms;
};

struct nv_mail {
    const char *from; /* an address alone: a@b */
    const char *const *to;
    size_t n_to;
    struct nv_str message; /* headers, an empty line, a body; lines may end in LF */
};

struct nv_mailer;

struct nv_mailer *nv_mailer_new(const struct nv_mailer_options *options); /* NULL: out of memory */
void nv_mailer_free(struct nv_mailer *mailer);
NV_DEFINE_AUTO(nv_mailer)

/* Returns 0 when the server has taken the mail; or a negative errno as nv_http_ask() does, -EACCES where the server does
 * not take our name and password, -EREMOTEIO where it refuses the mail; the text is in nv_mailer_error(). */
NV_MUST_USE int nv_mailer_send(struct nv_mailer *mailer, const struct nv_mail *mail);
const char *nv_mailer_error(const struct nv_mailer *mailer);
void nv_mailer_cancel(struct nv_mailer *mailer);

#endif
