/*
 * transfer.h - what requests (http.c) and mails (mail.c) share: one libcurl handle, run to its end.
 *
 * The multi interface, for the sake of curl_multi_wakeup(): another thread ends a transfer at once.
 */
#ifndef NV_BASE_TRANSFER_H
#define NV_BASE_TRANSFER_H

#include <curl/curl.h>

#include "base/http.h"

struct nv_transfer {
    CURL *easy; /* both NULL where there is no libcurl */
    CURLM *multi;
    bool cancelled, ready; /* ready: all options were taken */
    int64_t connect_timeout_ms, timeout_ms;
    char *files[3]; /* that TLS reads: NULL or names */
    int fds[3];     /* of those in memory; 0 for none */
    char error[NV_HTTP_ERROR_MAX], library_error[CURL_ERROR_SIZE];
};

/* Sets one option; once one was refused, none. For use as a statement. */
#define NV_TRANSFER_SET(transfer, option, value)                                                   \
    ((transfer)->ready =                                                                           \
         (transfer)->ready && curl_easy_setopt((transfer)->easy, option, value) == CURLE_OK)

/* Timeouts of 0 are the defaults of http.h. */
void nv_transfer_init(struct nv_transfer *transfer, int64_t connect_timeout_ms, int64_t timeout_ms);
void nv_transfer_done(struct nv_transfer *transfer);
void nv_transfer_set_tls(struct nv_transfer *transfer, const struct nv_http_tls *tls);

/* Returns 0 where the transfer can begin. */
NV_MUST_USE int nv_transfer_check(struct nv_transfer *transfer);

/*
 * Runs it. `callback_error`: what a callback of ours may have ended it with. Times of 0: the transfer's. Returns 0, or
 * a negative errno as http.h lists them and the text.
 */
NV_MUST_USE int nv_transfer_run(struct nv_transfer *transfer, int64_t connect_timeout_ms,
                                int64_t timeout_ms, const int *callback_error);
void nv_transfer_cancel(struct nv_transfer *transfer);

enum nv_http_reach nv_transfer_reach(struct nv_transfer *transfer);

/* Writes the text. Returns `error`. */
__attribute__((format(printf, 3, 4))) int nv_transfer_fail(struct nv_transfer *transfer, int error,
                                                           const char *format, ...);

/* A literal, or what a file holds now without the white space around it. `out` is filled with its NUL. */
NV_MUST_USE int nv_transfer_secret(struct nv_transfer *transfer, const char *literal,
                                   const char *file, struct nv_buf *out);

/* Whether text can stand in a line of a protocol: no control characters. */
bool nv_transfer_is_line(struct nv_str text);

#endif
