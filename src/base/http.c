#include "base/http.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/transfer.h"
#include "base/unpack.h"

enum { URL_MAX = 64 << 10, HEADER_MAX = 128 << 10, NS_PER_MS = 1000000 };

struct nv_http {
    struct nv_transfer transfer;
    char *user, *user_file, *password, *password_file, *credentials, *credentials_file,
        *credentials_type, *server_name;
    struct nv_buf secret, line; /* kept for the next request */

    /* The request that runs. */
    const struct nv_http_request *request;
    struct curl_slist *headers, *connect_to;
    struct nv_unpack *unpack; /* of the body, once there is some; NULL: it comes as it is */
    int callback_error;
    bool headed, bodied; /* the head of the answer is whole; there is something behind it */
    bool follows;        /* redirects */
    char *url;           /* where the last one led */
    bool by_hand;        /* here, not in the library */
    bool stranger;       /* the host is another one, who need not know who we are */
};

/* ---- making --------------------------------------------------------------------------------- */

static bool keep(char **place, const char *text)
{
    *place = text ? strdup(text) : NULL;
    return *place || !text;
}

static bool keep_texts(struct nv_http *http, const struct nv_http_options *options)
{
    const char *type = options->credentials_type;

    return keep(&http->user, options->user) && keep(&http->user_file, options->user_file) &&
           keep(&http->password, options->password) &&
           keep(&http->password_file, options->password_file) &&
           keep(&http->credentials, options->credentials) &&
           keep(&http->credentials_file, options->credentials_file) &&
           keep(&http->credentials_type, type ? type : "Bearer") &&
           keep(&http->server_name, options->tls.server_name);
}

/* Whether the answer leads on, while its body comes: the library knows to where only behind that. */
static bool is_redirect(struct nv_http *http)
{
    return nv_http_status(http) / 100 == 3 && nv_http_header(http, "Location").n;
}

static int pass_on(void *user, struct nv_str body)
{
    struct nv_http *http = user;
    const struct nv_http_request *request = http->request;
    int r = 0;

    if (request->into) {
        nv_buf_str(request->into, body);
        r = request->into->failed;
    } else if (request->take) {
        r = request->take(request->user, body);
    }
    http->callback_error = r < 0 ? r : 0;
    if (r == -EFBIG && request->into)
        nv_transfer_fail(&http->transfer, r, "the answer has more than %zu bytes",
                         request->into->max);
    return http->callback_error;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *user)
{
    struct nv_http *http = user;
    struct nv_str body = {bytes, size * n};
    int r = 0;

    if (http->by_hand && is_redirect(http))
        return body.n;
    if (!http->bodied)
        r = nv_unpack_new(nv_http_header(http, "Content-Encoding"), &http->unpack);
    http->bodied = true;
    if (r == 0)
        r = http->unpack ? nv_unpack_feed(http->unpack, body, pass_on, http) : pass_on(http, body);
    if (r < 0 && !http->callback_error)
        http->callback_error =
            r == -EBADMSG ? nv_transfer_fail(&http->transfer, r,
                                             "the answer is not coded as its Content-Encoding says")
                          : r;
    return r < 0 ? 0 : body.n;
}

/* The last line of a head is empty. There may be several heads, of redirects and of a 100 before the answer, and lines behind
 * the body. */
static size_t take_header(char *bytes, size_t size, size_t n, void *user)
{
    struct nv_http *http = user;

    struct nv_str line = {bytes, size * n};

    if (nv_str_starts(line, "HTTP/"))
        http->headed = false;
    else if (!nv_str_trim(line).n)
        http->headed = true;
    return line.n;
}

static void set_proxy(struct nv_transfer *transfer, const struct nv_http_options *options)
{
    if (options->proxy_url)
        NV_TRANSFER_SET(transfer, CURLOPT_PROXY, options->proxy_url);
    else if (!options->proxy_from_environment)
        NV_TRANSFER_SET(transfer, CURLOPT_PROXY, "");
    if (options->no_proxy || (options->proxy_url && !options->proxy_from_environment))
        NV_TRANSFER_SET(transfer, CURLOPT_NOPROXY, options->no_proxy ? options->no_proxy : "");
}

/* What stays the same from request to request. */
static void set_up(struct nv_http *http, const struct nv_http_options *options)
{
    struct nv_transfer *transfer = &http->transfer;
    curl_write_callback take = take_body, head = take_header;

    NV_TRANSFER_SET(transfer, CURLOPT_WRITEFUNCTION, take);
    NV_TRANSFER_SET(transfer, CURLOPT_WRITEDATA, http);
    NV_TRANSFER_SET(transfer, CURLOPT_HEADERFUNCTION, head);
    NV_TRANSFER_SET(transfer, CURLOPT_HEADERDATA, http);
    NV_TRANSFER_SET(transfer, CURLOPT_PROTOCOLS_STR, "http,https");
    NV_TRANSFER_SET(transfer, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    NV_TRANSFER_SET(transfer, CURLOPT_MAXREDIRS, (long)NV_HTTP_REDIRECTS_MAX);
    NV_TRANSFER_SET(transfer, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    NV_TRANSFER_SET(transfer, CURLOPT_USERAGENT,
                    options->user_agent ? options->user_agent : "nodevitals");
    set_proxy(transfer, options);
    nv_transfer_set_tls(transfer, &options->tls);
}

struct nv_http *nv_http_new(const struct nv_http_options *options)
{
    NV_AUTO(nv_http) *http = calloc(1, sizeof(*http));

    if (!http || !keep_texts(http, options))
        return NULL;
    http->secret = NV_BUF(NV_HTTP_SECRET_MAX);
    http->line = NV_BUF(HEADER_MAX);
    http->follows = options->follow_redirects;
    nv_transfer_init(&http->transfer, options->connect_timeout_ms, options->timeout_ms);
    set_up(http, options);
    return nv_take(http);
}

void nv_http_free(struct nv_http *http)
{
    if (!http)
        return;
    nv_transfer_done(&http->transfer);
    nv_buf_done(&http->secret);
    nv_buf_done(&http->line);
    free(http->user);
    free(http->user_file);
    free(http->password);
    free(http->password_file);
    free(http->credentials);
    free(http->credentials_file);
    free(http->credentials_type);
    free(http->server_name);
    free(http->url);
    free(http);
}

/* ---- the parts of a request ----------------------------------------------------------------- */

/* unix:/path/of.sock:/path?query; the second path may be left out. */
static int set_unix_url(struct nv_http *http, struct nv_str url)
{
    struct nv_transfer *transfer = &http->transfer;
    struct nv_str rest = nv_str_from(url, 5), socket = nv_str_cut(&rest, ':');

    nv_buf_reset(&http->line);
    nv_buf_str(&http->line, socket);
    NV_TRANSFER_SET(transfer, CURLOPT_UNIX_SOCKET_PATH, nv_buf_c_string(&http->line));
    nv_buf_reset(&http->line);
    nv_buf_text(&http->line, "http://localhost");
    nv_buf_str(&http->line, rest);
    if (!socket.n || (rest.n && rest.p[0] != '/'))
        return nv_transfer_fail(transfer, -EINVAL, "expected unix:/path/of/socket:/path");
    NV_TRANSFER_SET(transfer, CURLOPT_URL, nv_buf_c_string(&http->line));
    return http->line.failed;
}

/* The host of a URL and its port, as "host:port"; the URL with another host. Returns how the URL was. */
static CURLUcode change_host(CURLU *url, const char *text, const char *host, struct nv_buf *out,
                             char **ret_url)
{
    char *old = NULL, *port = NULL;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, text, 0);

    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_HOST, &old, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT);
    if (code == CURLUE_OK)
        nv_buf_printf(out, "%s:%s", old, port);
    if (code == CURLUE_OK)
        code = curl_url_set(url, CURLUPART_HOST, host, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_URL, ret_url, 0);
    curl_free(old);
    curl_free(port);
    return code;
}

static bool add_header(struct nv_http *http, struct curl_slist **list)
{
    struct curl_slist *longer =
        http->line.failed ? NULL : curl_slist_append(*list, nv_buf_c_string(&http->line));

    *list = longer ? longer : *list;
    return longer != NULL;
}

/*
 * The library takes the name that a certificate has to bear from the URL alone. So the URL gets that name, the connection
 * goes to the host it had, and the Host header keeps it.
 */
static int set_named_url(struct nv_http *http, const char *text)
{
    struct nv_transfer *transfer = &http->transfer;
    NV_AUTO_BUF host = NV_BUF(URL_MAX);
    CURLU *url = curl_url();
    char *changed = NULL;
    CURLUcode code =
        url ? change_host(url, text, http->server_name, &host, &changed) : CURLUE_OUT_OF_MEMORY;
    bool good = code == CURLUE_OK && !host.failed;

    if (good) {
        NV_TRANSFER_SET(transfer, CURLOPT_URL, changed);
        nv_buf_reset(&http->line);
        nv_buf_printf(&http->line, "::%s", nv_buf_c_string(&host));
        good = add_header(http, &http->connect_to);
        nv_buf_reset(&http->line);
        nv_buf_printf(&http->line, "Host: %s", nv_buf_c_string(&host));
        good = good && add_header(http, &http->headers);
    }
    curl_free(changed);
    curl_url_cleanup(url);
    return good ? 0 : nv_transfer_fail(transfer, -EINVAL, "'%s' is no URL", text);
}

static int set_url(struct nv_http *http, const char *text)
{
    struct nv_transfer *transfer = &http->transfer;
    struct nv_str url = nv_str(text);

    if (url.n > URL_MAX || !nv_transfer_is_line(url))
        return nv_transfer_fail(transfer, -EINVAL, "the URL is too long or has control characters");
    if (nv_str_starts(url, "unix:"))
        return set_unix_url(http, url);
    NV_TRANSFER_SET(transfer, CURLOPT_UNIX_SOCKET_PATH, (char *)NULL);
    if (http->server_name && nv_str_starts(url, "https:"))
        return set_named_url(http, text);
    NV_TRANSFER_SET(transfer, CURLOPT_URL, text);
    return 0;
}

static void set_method(struct nv_transfer *transfer, const struct nv_http_request *request)
{
    const char *method = request->method ? request->method : request->body.p ? "POST" : "GET";
    bool is_get = strcmp(method, "GET") == 0, is_post = strcmp(method, "POST") == 0,
         is_head = strcmp(method, "HEAD") == 0;

    NV_TRANSFER_SET(transfer, CURLOPT_NOBODY, is_head ? 1L : 0L);
    if (!is_head)
        NV_TRANSFER_SET(transfer, CURLOPT_HTTPGET, 1L);
    if (request->body.p || is_post) {
        NV_TRANSFER_SET(transfer, CURLOPT_POST, 1L);
        NV_TRANSFER_SET(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
        NV_TRANSFER_SET(transfer, CURLOPT_POSTFIELDS, request->body.p ? request->body.p : "");
    }
    bool custom = !is_head && !(request->body.p ? is_post : is_get || is_post);
    NV_TRANSFER_SET(transfer, CURLOPT_CUSTOMREQUEST, custom ? method : NULL);
}

/* A value of nothing needs "Name;" for the library, which takes "Name:" as the wish to leave the header out. */
static int add_headers(struct nv_http *http)
{
    const struct nv_http_request *request = http->request;
    bool good = true;

    nv_buf_reset(&http->line);
    nv_buf_text(&http->line, "Expect:"); /* else a large body waits for a "100 Continue" */
    good = add_header(http, &http->headers);
    for (size_t i = 0; good && i < request->n_headers; i++) {
        const struct nv_http_header *header = &request->headers[i];
        if (!header->name[0] || strpbrk(header->name, ": ;") ||
            !nv_transfer_is_line(nv_str(header->name)) ||
            !nv_transfer_is_line(nv_str(header->value)))
            return nv_transfer_fail(&http->transfer, -EINVAL,
                                    "a header has a line break or no name");
        nv_buf_reset(&http->line);
        nv_buf_printf(&http->line, header->value[0] ? "%s: %s" : "%s;", header->name,
                      header->value);
        good = add_header(http, &http->headers);
    }
    if (good && request->decode) { /* by ourselves: the library does not tell half of it from all */
        nv_buf_reset(&http->line);
        nv_buf_text(&http->line, "Accept-Encoding: gzip, zstd");
        good = add_header(http, &http->headers);
    }
    return good ? 0 : nv_transfer_fail(&http->transfer, -ENOMEM, "out of memory");
}

static int set_user(struct nv_http *http)
{
    struct nv_transfer *transfer = &http->transfer;
    int r = nv_transfer_secret(transfer, http->user, http->user_file, &http->secret);

    NV_TRANSFER_SET(transfer, CURLOPT_USERNAME, nv_buf_c_string(&http->secret));
    if (r == 0)
        r = nv_transfer_secret(transfer, http->password, http->password_file, &http->secret);
    NV_TRANSFER_SET(transfer, CURLOPT_PASSWORD, nv_buf_c_string(&http->secret));
    return r;
}

static int add_identity(struct nv_http *http)
{
    if (http->stranger) {
        NV_TRANSFER_SET(&http->transfer, CURLOPT_USERNAME, (char *)NULL);
        NV_TRANSFER_SET(&http->transfer, CURLOPT_PASSWORD, (char *)NULL);
        return 0;
    }
    if (http->user || http->user_file)
        return set_user(http);
    if (!http->credentials && !http->credentials_file)
        return 0;
    int r = nv_transfer_secret(&http->transfer, http->credentials, http->credentials_file,
                               &http->secret);
    if (r < 0)
        return r;
    nv_buf_reset(&http->line);
    nv_buf_printf(&http->line, "Authorization: %s %s", http->credentials_type,
                  nv_buf_c_string(&http->secret));
    return add_header(http, &http->headers) ? 0 : -ENOMEM;
}

static int prepare(struct nv_http *http)
{
    struct nv_transfer *transfer = &http->transfer;
    int r = set_url(http, http->request->url);

    if (r == 0)
        r = add_headers(http);
    if (r == 0)
        r = add_identity(http);
    if (r < 0)
        return r;
    set_method(transfer, http->request);
    NV_TRANSFER_SET(transfer, CURLOPT_FOLLOWLOCATION, http->follows && !http->by_hand ? 1L : 0L);
    NV_TRANSFER_SET(transfer, CURLOPT_CONNECT_TO, http->connect_to);
    NV_TRANSFER_SET(transfer, CURLOPT_HTTPHEADER, http->headers);
    return 0;
}

/* ---- asking --------------------------------------------------------------------------------- */

/* Whether an answer that ended well is one. */
static int check_whole(struct nv_http *http)
{
    const char *method = http->request->method;
    bool has_body = nv_http_status(http) == 200 && !(method && strcmp(method, "HEAD") == 0);
    int r = 0;

    if (!http->headed)
        return nv_transfer_fail(&http->transfer, -ECONNRESET, "the server hung up in mid-answer");
    if (has_body && !http->bodied)
        r = nv_unpack_new(nv_http_header(http, "Content-Encoding"), &http->unpack);
    if (r == 0 && http->unpack && !nv_unpack_is_whole(http->unpack))
        r = nv_transfer_fail(&http->transfer, -ECONNRESET,
                             "the answer ends before its Content-Encoding does");
    return r;
}

static int ask(struct nv_http *http, const struct nv_http_request *request, int *ret_status)
{
    int r = nv_transfer_check(&http->transfer);

    if (r < 0)
        return r;
    http->request = request;
    http->callback_error = 0;
    http->headed = http->bodied = false;
    r = prepare(http);
    if (r < 0 && !http->transfer.error[0])
        nv_transfer_fail(&http->transfer, r, "%s", strerror(-r));
    if (r == 0)
        r = nv_transfer_run(&http->transfer, request->connect_timeout_ms, request->timeout_ms,
                            &http->callback_error);
    if (r == 0)
        r = check_whole(http);
    nv_unpack_free(nv_take(http->unpack));
    if (http->transfer.ready) {
        NV_TRANSFER_SET(&http->transfer, CURLOPT_HTTPHEADER, (struct curl_slist *)NULL);
        NV_TRANSFER_SET(&http->transfer, CURLOPT_CONNECT_TO, (struct curl_slist *)NULL);
    }
    curl_slist_free_all(http->headers);
    curl_slist_free_all(http->connect_to);
    http->headers = http->connect_to = NULL;
    http->request = NULL;
    if (r == 0)
        *ret_status = nv_http_status(http);
    return r;
}

/* Where the answer leads; NULL: nowhere. */
static const char *leads_to(const struct nv_http *http)
{
    char *url = NULL;

    curl_easy_getinfo(http->transfer.easy, CURLINFO_REDIRECT_URL, &url);
    return url;
}

/* Whether two URLs have scheme, host and port in common. */
static bool same_origin(const char *one, const char *two)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    const char *const texts[] = {one, two};
    char *found[2][3] = {{NULL}};
    bool same = true;

    for (size_t i = 0; i < 2; i++) {
        CURLU *url = curl_url();
        same = same && url && curl_url_set(url, CURLUPART_URL, texts[i], 0) == CURLUE_OK;
        for (size_t k = 0; same && k < 3; k++)
            same = curl_url_get(url, parts[k], &found[i][k], CURLU_DEFAULT_PORT) == CURLUE_OK;
        curl_url_cleanup(url);
    }
    for (size_t k = 0; k < 3; k++) {
        same = same && strcasecmp(found[0][k], found[1][k]) == 0;
        curl_free(found[0][k]);
        curl_free(found[1][k]);
    }
    return same;
}

/* The library would carry our headers anywhere. */
static int ask_by_hand(struct nv_http *http, const struct nv_http_request *request, int *ret_status)
{
    struct nv_http_request one = *request;
    int64_t timeout_ms = request->timeout_ms ? request->timeout_ms : http->transfer.timeout_ms,
            deadline_ms = nv_monotonic_ns() / NS_PER_MS + timeout_ms;

    for (int i = 0; i <= NV_HTTP_REDIRECTS_MAX; i++) {
        one.timeout_ms = deadline_ms - nv_monotonic_ns() / NS_PER_MS;
        one.timeout_ms = one.timeout_ms > 0 ? one.timeout_ms : 1;
        int r = ask(http, &one, ret_status);
        const char *next = r < 0 ? NULL : leads_to(http);
        if (!next)
            return r;
        NV_AUTO_FREE char *url = strdup(next);
        if (!url)
            return nv_transfer_fail(&http->transfer, -ENOMEM, "out of memory");
        if (!http->stranger && !same_origin(request->url, url)) {
            http->stranger = true; /* and whoever comes after it */
            one.headers += one.n_private;
            one.n_headers -= one.n_private;
        }
        free(http->url);
        one.url = http->url = nv_take(url);
    }
    return nv_transfer_fail(&http->transfer, -ELOOP, "too many redirects");
}

int nv_http_ask(struct nv_http *http, const struct nv_http_request *request, int *ret_status)
{
    http->stranger = false;
    http->by_hand = http->follows && request->n_private;
    return http->by_hand ? ask_by_hand(http, request, ret_status) : ask(http, request, ret_status);
}

const char *nv_http_error(const struct nv_http *http)
{
    return http->transfer.error;
}

enum nv_http_reach nv_http_reach(struct nv_http *http)
{
    return nv_transfer_reach(&http->transfer);
}

int nv_http_status(struct nv_http *http)
{
    long status = 0;

    if (http->transfer.easy)
        curl_easy_getinfo(http->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

struct nv_str nv_http_header(struct nv_http *http, const char *name)
{
    struct curl_header *header;

    if (!http->transfer.easy ||
        curl_easy_header(http->transfer.easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return (struct nv_str){"", 0};
    return nv_str_trim(nv_str(header->value)); /* an empty one is "\r" to the library */
}

void nv_http_cancel(struct nv_http *http)
{
    nv_transfer_cancel(&http->transfer);
}

void nv_http_escape(struct nv_buf *out, struct nv_str text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || nv_is_digit((char)c) ||
                     c == '-' || c == '.' || c == '_' || c == '~';
        const char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        nv_buf_add(out, plain ? &text.p[i] : escaped, plain ? 1 : 3);
    }
}
