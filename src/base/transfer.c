#include "base/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <nodevitals/collector.h> /* NV_LEN */

enum { POLL_MS = 60000 };

/* What the library ends with, as an errno; `text` where its own words are no help to a user. */
static const struct {
    CURLcode code;
    int error;
    const char *text;
} outcomes[] = {
    {CURLE_UNSUPPORTED_PROTOCOL,     -EINVAL,       "the URL has a scheme other than http and https"},
    {CURLE_URL_MALFORMAT,            -EINVAL,       NULL                                            },
    {CURLE_BAD_FUNCTION_ARGUMENT,    -EINVAL,       NULL                                            },
    {CURLE_COULDNT_RESOLVE_PROXY,    -EHOSTUNREACH, NULL                                            },
    {CURLE_COULDNT_RESOLVE_HOST,     -EHOSTUNREACH, NULL                                            },
    {CURLE_COULDNT_CONNECT,          -ECONNREFUSED, NULL                                            },
    {CURLE_OUT_OF_MEMORY,            -ENOMEM,       "out of memory"                                 },
    {CURLE_GOT_NOTHING,              -ECONNRESET,   "the server hung up without an answer"          },
    {CURLE_PARTIAL_FILE,             -ECONNRESET,   "the server hung up in mid-answer"              },
    {CURLE_SEND_ERROR,               -ECONNRESET,   NULL                                            },
    {CURLE_RECV_ERROR,               -ECONNRESET,   NULL                                            },
    {CURLE_TOO_MANY_REDIRECTS,       -ELOOP,        "too many redirects"                            },
    {CURLE_WEIRD_SERVER_REPLY,       -EPROTO,       NULL                                            },
    {CURLE_HTTP2,                    -EPROTO,       NULL                                            },
    {CURLE_SSL_CONNECT_ERROR,        -EPROTO,       NULL                                            },
    {CURLE_PEER_FAILED_VERIFICATION, -EPROTO,       NULL                                            },
    {CURLE_SSL_CERTPROBLEM,          -EPROTO,       NULL                                            },
    {CURLE_SSL_CACERT_BADFILE,       -EPROTO,       NULL                                            },
    {CURLE_SSL_CIPHER,               -EPROTO,       NULL                                            },
    {CURLE_USE_SSL_FAILED,           -EPROTO,       "the server does not offer TLS"                 },
    {CURLE_BAD_CONTENT_ENCODING,     -EBADMSG,      NULL                                            },
    {CURLE_LOGIN_DENIED,             -EACCES,       NULL                                            },
};

static const long tls_versions[] = {
    [NV_TLS_DEFAULT] = CURL_SSLVERSION_DEFAULT, [NV_TLS_1_0] = CURL_SSLVERSION_TLSv1_0,
    [NV_TLS_1_1] = CURL_SSLVERSION_TLSv1_1,     [NV_TLS_1_2] = CURL_SSLVERSION_TLSv1_2,
    [NV_TLS_1_3] = CURL_SSLVERSION_TLSv1_3,
};

int nv_transfer_fail(struct nv_transfer *transfer, int error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(transfer->error, sizeof(transfer->error), format, arguments);
    va_end(arguments);
    return error;
}

/* ---- the handles ---------------------------------------------------------------------------- */

void nv_transfer_init(struct nv_transfer *transfer, int64_t connect_timeout_ms, int64_t timeout_ms)
{
    *transfer = (struct nv_transfer){
        .connect_timeout_ms = connect_timeout_ms ? connect_timeout_ms : NV_HTTP_CONNECT_MS,
        .timeout_ms = timeout_ms ? timeout_ms : NV_HTTP_TIMEOUT_MS,
        .easy = curl_easy_init(),
    };
    transfer->multi = transfer->easy ? curl_multi_init() : NULL;
    transfer->ready = transfer->multi != NULL;
    NV_TRANSFER_SET(transfer, CURLOPT_NOSIGNAL, 1L);
    NV_TRANSFER_SET(transfer, CURLOPT_ERRORBUFFER, transfer->library_error);
    NV_TRANSFER_SET(transfer, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a resolver that hangs */
    NV_TRANSFER_SET(transfer, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
}

void nv_transfer_done(struct nv_transfer *transfer)
{
    if (transfer->multi)
        curl_multi_cleanup(transfer->multi);
    if (transfer->easy)
        curl_easy_cleanup(transfer->easy);
    for (size_t i = 0; i < NV_LEN(transfer->files); i++) {
        free(transfer->files[i]);
        if (transfer->fds[i])
            close(transfer->fds[i]);
    }
}

/* A file in memory, for PEM text: the library with GnuTLS takes files alone. Returns its name, or NULL. */
static char *file_in_memory(struct nv_transfer *transfer, size_t i, struct nv_str text)
{
    int fd = memfd_create("pem", MFD_CLOEXEC);
    char *name;

    if (fd < 0)
        return NULL;
    transfer->fds[i] = fd;
    while (text.n) {
        ssize_t n = write(fd, text.p, text.n);
        if (n <= 0)
            return NULL;
        text = nv_str_from(text, (size_t)n);
    }
    return asprintf(&name, "/proc/self/fd/%d", fd) < 0 ? NULL : name;
}

void nv_transfer_set_tls(struct nv_transfer *transfer, const struct nv_http_tls *tls)
{
    const char *const texts[] = {tls->ca, tls->cert, tls->key};
    const char *const files[] = {tls->ca_file, tls->cert_file, tls->key_file};
    static const CURLoption options[] = {CURLOPT_CAINFO, CURLOPT_SSLCERT, CURLOPT_SSLKEY};
    long least = tls_versions[tls->min_version ? tls->min_version : NV_TLS_1_2];

    /* A file of CAs is replaced when they are: some flavours of the library would know the old one for a day. Others do not
     * have the option, or keep nothing. */
    if (files[0])
        (void)curl_easy_setopt(transfer->easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    /* The library would read the system's CAs beside those given, and trust them: some MB at each connection. */
    if (texts[0] || files[0] || tls->insecure_skip_verify)
        NV_TRANSFER_SET(transfer, CURLOPT_CAPATH, NULL);
    if (tls->insecure_skip_verify)
        NV_TRANSFER_SET(transfer, CURLOPT_CAINFO, NULL);
    for (size_t i = 0; i < NV_LEN(files); i++) {
        if ((!texts[i] && !files[i]) || (i == 0 && tls->insecure_skip_verify))
            continue;
        transfer->files[i] =
            texts[i] ? file_in_memory(transfer, i, nv_str(texts[i])) : strdup(files[i]);
        if (transfer->files[i])
            NV_TRANSFER_SET(transfer, options[i], transfer->files[i]);
        else
            transfer->ready = false;
    }
    if (tls->insecure_skip_verify) {
        NV_TRANSFER_SET(transfer, CURLOPT_SSL_VERIFYPEER, 0L);
        NV_TRANSFER_SET(transfer, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    NV_TRANSFER_SET(transfer, CURLOPT_SSLVERSION, least | tls_versions[tls->max_version] << 16);
}

int nv_transfer_check(struct nv_transfer *transfer)
{
    transfer->error[0] = transfer->library_error[0] = '\0';
    if (!transfer->easy)
        return nv_transfer_fail(transfer, -ENOPKG,
                                "libcurl cannot be loaded (package libcurl3-gnutls)");
    if (!transfer->multi)
        return nv_transfer_fail(transfer, -ENOMEM, "out of memory");
    if (!transfer->ready)
        return nv_transfer_fail(transfer, -EINVAL, "this libcurl is too old, or an option is none");
    return 0;
}

/* ---- running -------------------------------------------------------------------------------- */

enum nv_http_reach nv_transfer_reach(struct nv_transfer *transfer)
{
    curl_off_t begun_us = 0;
    char *peer = NULL; /* the time of connecting is told only when the handshake is over */

    if (transfer->easy) {
        curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &begun_us);
        curl_easy_getinfo(transfer->easy, CURLINFO_PRIMARY_IP, &peer);
    }
    return begun_us ? NV_HTTP_ASKED : peer && peer[0] ? NV_HTTP_CONNECTED : NV_HTTP_UNREACHED;
}

static int fail_late(struct nv_transfer *transfer, int64_t connect_timeout_ms, int64_t timeout_ms)
{
    static const char *const texts[] = {
        [NV_HTTP_UNREACHED] = "cannot connect",
        [NV_HTTP_CONNECTED] = "no complete handshake",
        [NV_HTTP_ASKED] = "no complete answer",
    };
    enum nv_http_reach reach = nv_transfer_reach(transfer);

    if (reach != NV_HTTP_ASKED && connect_timeout_ms < timeout_ms)
        timeout_ms = connect_timeout_ms;
    return nv_transfer_fail(transfer, -ETIMEDOUT, "%s within %g s", texts[reach],
                            (double)timeout_ms / 1000);
}

/* The library's "Failed to connect to localhost port 9 after 0 ms: Couldn't connect to server" lacks the reason. */
static int fail_unconnected(struct nv_transfer *transfer)
{
    long error = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_OS_ERRNO, &error);
    if (error <= 0 || error > INT_MAX)
        return nv_transfer_fail(transfer, -ECONNREFUSED, "%s", transfer->library_error);
    return nv_transfer_fail(transfer, -(int)error, "cannot connect: %s", strerror((int)error));
}

/* The library tells that it could not read a file, but not which. */
static int fail_unread(struct nv_transfer *transfer)
{
    for (size_t i = 0; i < NV_LEN(transfer->files); i++) {
        if (transfer->files[i] && access(transfer->files[i], R_OK) < 0)
            return nv_transfer_fail(transfer, -errno, "cannot read %s: %s", transfer->files[i],
                                    strerror(errno));
    }
    return 0;
}

static int fail_with(struct nv_transfer *transfer, CURLcode code)
{
    const char *text = transfer->library_error;
    int error = -EIO;

    if (code == CURLE_COULDNT_CONNECT)
        return fail_unconnected(transfer);
    if (code == CURLE_UNSUPPORTED_PROTOCOL && strstr(text, "HTTP"))
        return nv_transfer_fail(transfer, -EPROTO, "the answer is no HTTP");
    if (!text[0])
        text = curl_easy_strerror(code);
    for (size_t i = 0; i < NV_LEN(outcomes); i++) {
        if (outcomes[i].code != code)
            continue;
        error = outcomes[i].error;
        text = outcomes[i].text ? outcomes[i].text : text;
    }
    int r = error == -EPROTO ? fail_unread(transfer) : 0;
    if (r < 0)
        return r;
    return nv_transfer_fail(transfer, error, "%.*s", (int)nv_str_trim(nv_str(text)).n, text);
}

static bool is_cancelled(struct nv_transfer *transfer)
{
    return __atomic_load_n(&transfer->cancelled, __ATOMIC_ACQUIRE);
}

/* Returns what the library ended with; CURLE_OK with *ret_ended false where it was cancelled. */
static CURLcode run(struct nv_transfer *transfer, bool *ret_ended)
{
    int running = 1, left;
    CURLcode code = CURLE_FAILED_INIT;
    CURLMcode m = curl_multi_add_handle(transfer->multi, transfer->easy);

    *ret_ended = true;
    while (m == CURLM_OK && !is_cancelled(transfer)) {
        m = curl_multi_perform(transfer->multi, &running);
        if (m != CURLM_OK || !running)
            break;
        m = curl_multi_poll(transfer->multi, NULL, 0, POLL_MS, NULL);
    }
    CURLMsg *message = curl_multi_info_read(transfer->multi, &left);
    if (message && message->msg == CURLMSG_DONE)
        code = message->data.result;
    else
        *ret_ended = !is_cancelled(transfer);
    curl_multi_remove_handle(transfer->multi, transfer->easy);
    return m == CURLM_OUT_OF_MEMORY ? CURLE_OUT_OF_MEMORY : code;
}

int nv_transfer_run(struct nv_transfer *transfer, int64_t connect_timeout_ms, int64_t timeout_ms,
                    const int *callback_error)
{
    bool ended;

    connect_timeout_ms = connect_timeout_ms ? connect_timeout_ms : transfer->connect_timeout_ms;
    timeout_ms = timeout_ms ? timeout_ms : transfer->timeout_ms;
    NV_TRANSFER_SET(transfer, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_timeout_ms);
    NV_TRANSFER_SET(transfer, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    int r = nv_transfer_check(transfer);
    if (r < 0)
        return r;
    CURLcode code = run(transfer, &ended);
    if (!ended)
        return nv_transfer_fail(transfer, -ECANCELED, "cancelled");
    if (*callback_error < 0)
        return transfer->error[0]
                   ? *callback_error
                   : nv_transfer_fail(transfer, *callback_error, "%s", strerror(-*callback_error));
    if (code == CURLE_OPERATION_TIMEDOUT)
        return fail_late(transfer, connect_timeout_ms, timeout_ms);
    return code == CURLE_OK ? 0 : fail_with(transfer, code);
}

void nv_transfer_cancel(struct nv_transfer *transfer)
{
    __atomic_store_n(&transfer->cancelled, true, __ATOMIC_RELEASE);
    if (transfer->multi)
        curl_multi_wakeup(transfer->multi);
}

/* ---- secrets -------------------------------------------------------------------------------- */

static int read_file(const char *path, struct nv_buf *out)
{
    NV_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char chunk[4096];
    ssize_t n;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0)
        nv_buf_add(out, chunk, (size_t)n);
    return n < 0 ? -errno : out->failed;
}

int nv_transfer_secret(struct nv_transfer *transfer, const char *literal, const char *file,
                       struct nv_buf *out)
{
    int r = 0;

    nv_buf_reset(out);
    if (literal)
        nv_buf_text(out, literal);
    else if (file)
        r = read_file(file, out);
    if (r < 0)
        return nv_transfer_fail(transfer, r, "cannot read %s: %s", file, strerror(-r));
    struct nv_str text = literal ? nv_buf_view(out) : nv_str_trim(nv_buf_view(out));
    if (!nv_transfer_is_line(text))
        return nv_transfer_fail(transfer, -EINVAL, "%s has more than one line",
                                file && !literal ? file : "a password or token");
    if (text.n)
        memmove(out->p, text.p, text.n);
    out->n = text.n;
    nv_buf_c_string(out);
    return out->failed;
}

bool nv_transfer_is_line(struct nv_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return false;
    }
    return true;
}
