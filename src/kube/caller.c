#include "kube/caller.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"

enum {
    CONNECT_MS = 4000, /* at most: ways share what time there is */
    PLAIN_TURNS = 20,  /* questions on a way without TLS before one with it is tried again, where
                          that takes SLOW_MS */
    SLOW_MS = 300,
    SAID_MAX = 300, /* bytes of a refusal that are quoted */
};

static const char *const names[] = {
    [NV_KUBE_OK] = "none",
    [NV_KUBE_CONNECT] = "connect",
    [NV_KUBE_TIMEOUT] = "timeout",
    [NV_KUBE_TLS] = "tls",
    [NV_KUBE_TOKEN] = "token",
    [NV_KUBE_UNAUTHORIZED] = "unauthorized",
    [NV_KUBE_FORBIDDEN] = "forbidden",
    [NV_KUBE_STATUS] = "status",
    [NV_KUBE_CUT] = "cut",
    [NV_KUBE_TOO_LARGE] = "too_large",
    [NV_KUBE_MALFORMED] = "malformed",
    [NV_KUBE_OTHER] = "other",
};

const char *nv_kube_failure_name(enum nv_kube_failure failure)
{
    nv_assert(failure < NV_KUBE_FAILURES);
    return names[failure];
}

static const struct {
    int error;
    enum nv_kube_failure failure;
} failures[] = {
    {-ECONNREFUSED,  NV_KUBE_CONNECT  },
    {-EADDRNOTAVAIL, NV_KUBE_CONNECT  }, /* of a family that is off here, as IPv6 in many pods is */
    {-EAFNOSUPPORT,  NV_KUBE_CONNECT  },
    {-ENETDOWN,      NV_KUBE_CONNECT  },
    {-EHOSTUNREACH,  NV_KUBE_CONNECT  },
    {-ENETUNREACH,   NV_KUBE_CONNECT  },
    {-ETIMEDOUT,     NV_KUBE_TIMEOUT  },
    {-EPROTO,        NV_KUBE_TLS      },
    {-ENOENT,        NV_KUBE_TOKEN    },
    {-EACCES,        NV_KUBE_TOKEN    },
    {-EPERM,         NV_KUBE_TOKEN    },
    {-EISDIR,        NV_KUBE_TOKEN    },
    {-ECONNRESET,    NV_KUBE_CUT      },
    {-EFBIG,         NV_KUBE_TOO_LARGE},
    {-EBADMSG,       NV_KUBE_MALFORMED},
};

enum nv_kube_failure nv_kube_failure_of(int error)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (failures[i].error == error)
            return failures[i].failure;
    return NV_KUBE_OTHER;
}

/* ---- life ----------------------------------------------------------------------------------- */

void nv_kube_caller_init(struct nv_kube_caller *caller, const struct nv_kube_access *access)
{
    *caller = (struct nv_kube_caller){.access = access};
    pthread_mutex_init(&caller->lock, NULL);
}

void nv_kube_caller_done(struct nv_kube_caller *caller)
{
    nv_http_free(caller->http);
    pthread_mutex_destroy(&caller->lock);
}

void nv_kube_caller_cancel(struct nv_kube_caller *caller)
{
    pthread_mutex_lock(&caller->lock);
    caller->cancelled = true;
    if (caller->http)
        nv_http_cancel(caller->http);
    pthread_mutex_unlock(&caller->lock);
}

/* A client for a way, in place of the one there is. False where memory is out. */
static bool take_way(struct nv_kube_caller *caller, size_t way)
{
    const struct nv_kube_access *access = caller->access;
    const struct nv_kube_way *to = &access->ways[way];
    struct nv_http *old = caller->http, *new = NULL;
    bool token = to->tls || access->token_without_tls;

    if (old && caller->way == way)
        return true;
    const struct nv_http_options options = {
        .tls = {.ca_file = access->ca_file,
                .server_name = to->server_name,
                .insecure_skip_verify = access->insecure_skip_verify},
        .credentials_file = token ? access->token_file : NULL,
        .timeout_ms = NV_KUBE_CALL_MS,
    };
    new = nv_http_new(&options);
    pthread_mutex_lock(&caller->lock);
    caller->http = new;
    caller->way = way;
    caller->worked = false;
    if (new && caller->cancelled)
        nv_http_cancel(new);
    pthread_mutex_unlock(&caller->lock);
    nv_http_free(old);
    return new != NULL;
}

/* ---- what went wrong ------------------------------------------------------------------------ */

__attribute__((format(printf, 2, 3))) static void say(struct nv_kube_caller *caller,
                                                      const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(caller->error, sizeof(caller->error), format, arguments);
    va_end(arguments);
}

/* What a refusal says: its first line, which with 403 names user, verb and resource. */
static struct nv_str said(const struct nv_buf *body)
{
    struct nv_str all = nv_str_trim(nv_buf_view(body)), line = nv_str_cut(&all, '\n');

    if (line.n > SAID_MAX)
        line.n = SAID_MAX;
    return line.n ? nv_str_trim(line) : NV_LIT("no reason given");
}

static enum nv_kube_failure tell_tls(struct nv_kube_caller *caller, const char *url)
{
    say(caller,
        "%s: %s. If the certificate is the kubelet's own, name it or what signed it with "
        "--kubelet.ca-file "
        "(/var/lib/kubelet/pki/kubelet.crt of the host), or let the cluster sign it "
        "(serverTLSBootstrap), or do without "
        "with --kubelet.insecure-skip-verify",
        url, nv_http_error(caller->http));
    return NV_KUBE_TLS;
}

static enum nv_kube_failure judge_status(struct nv_kube_caller *caller, const char *url, int status,
                                         const struct nv_buf *body)
{
    struct nv_str why = said(body);

    switch (status) {
    case 200:
        return NV_KUBE_OK;
    case 401:
        say(caller, "%s: 401, %s is not taken: %.*s", url,
            caller->access->token_file ? caller->access->token_file
                                       : "a request without a token (--kubelet.token-file)",
            NV_ARGS(why));
        return NV_KUBE_UNAUTHORIZED;
    case 403:
        say(caller, "%s: 403, the role lacks a right: %.*s", url, NV_ARGS(why));
        return NV_KUBE_FORBIDDEN;
    default:
        say(caller, "%s: status %d: %.*s", url, status, NV_ARGS(why));
        return NV_KUBE_STATUS;
    }
}

/* ---- asking --------------------------------------------------------------------------------- */

/* Whoever did not take the connection in its time is as good as nobody. */
static enum nv_kube_failure judge_failure(struct nv_kube_caller *caller, const char *url, int error)
{
    enum nv_kube_failure failure = nv_kube_failure_of(error);
    bool tls = caller->access->ways[caller->way].tls;

    if (failure == NV_KUBE_TLS && tls)
        return tell_tls(caller, url);
    say(caller, "%s: %s", url, nv_http_error(caller->http));
    if (failure == NV_KUBE_TIMEOUT && nv_http_reach(caller->http) == NV_HTTP_UNREACHED)
        return NV_KUBE_CONNECT;
    return failure == NV_KUBE_TLS ? NV_KUBE_MALFORMED
                                  : failure; /* no HTTP, where there is no TLS */
}

static enum nv_kube_failure ask_once(struct nv_kube_caller *caller, const char *path,
                                     struct nv_buf *into, int64_t connect_ms, int64_t left_ms)
{
    NV_AUTO_BUF url = NV_BUF(2 * NV_KUBE_ADDRESS_MAX);
    int status = 0;

    nv_buf_text(&url, caller->access->ways[caller->way].url);
    nv_buf_text(&url, path);
    const struct nv_http_request request = {
        .url = nv_buf_c_string(&url),
        .into = into,
        .decode = true,
        .connect_timeout_ms = connect_ms,
        .timeout_ms = left_ms,
    };
    nv_buf_reset(into);
    int r = nv_http_ask(caller->http, &request, &status);
    if (r < 0)
        return judge_failure(caller, request.url, r);
    caller->worked = true;
    return judge_status(caller, request.url, status, into);
}

/* On the way there is. A refused token may have been renewed this very moment. */
static enum nv_kube_failure ask(struct nv_kube_caller *caller, const char *path,
                                struct nv_buf *into, int64_t connect_ms, int64_t until_ns)
{
    enum nv_kube_failure failure = NV_KUBE_UNAUTHORIZED;

    for (int i = 0; i < 2 && failure == NV_KUBE_UNAUTHORIZED; i++) {
        int64_t left_ms = (until_ns - nv_monotonic_ns()) / 1000000;
        if (left_ms <= 0) {
            say(caller, "%s: no answer in time", caller->access->ways[caller->way].url);
            return NV_KUBE_TIMEOUT;
        }
        failure = ask_once(caller, path, into, connect_ms, left_ms);
    }
    return failure;
}

/* ---- the ways in turn ----------------------------------------------------------------------- */

/* One question on one way after the other. */
struct trial {
    size_t from;
    unsigned done; /* bits of ways that are not tried any more */
    bool listens;  /* somebody does, with TLS */
    int64_t begun_ns, until_ns;
    enum nv_kube_failure failure; /* the one that tells most */
    char error[NV_KUBE_CALL_ERROR_MAX];
};

static bool is_done(const struct trial *trial, size_t way)
{
    return trial->done & 1u << way;
}

static struct trial begin(struct nv_kube_caller *caller)
{
    const struct nv_kube_access *access = caller->access;
    int64_t wait_ms = access->timeout_ms ? access->timeout_ms : NV_KUBE_CALL_MS;
    struct trial trial = {.begun_ns = nv_monotonic_ns()};

    trial.until_ns = trial.begun_ns + wait_ms * 1000000;

    if (access->ways[caller->start].tls || caller->plain_turns) {
        trial.from = caller->start;
        caller->plain_turns -= caller->plain_turns > 0;
    }
    return trial;
}

/* That which worked; those with TLS in turn from there; those without. */
static bool next_way(const struct trial *trial, const struct nv_kube_access *access, size_t *ret)
{
    for (size_t i = 0; i < 2 * access->n_ways; i++) {
        size_t way = (trial->from + i) % access->n_ways;
        bool plain = i >= access->n_ways, due = access->ways[way].tls ? !plain : plain;
        if (is_done(trial, way) || !(due || (i == 0 && !trial->done)))
            continue;
        if (!access->ways[way].tls && trial->listens)
            continue;
        *ret = way;
        return true;
    }
    return false;
}

static bool same_address(const struct nv_kube_access *access, size_t one, size_t other)
{
    return strcmp(access->ways[one].url, access->ways[other].url) == 0;
}

/* What the next address has to connect: its share of the time that is left. Those of one address are behind each other. */
static int64_t share_ms(const struct trial *trial, const struct nv_kube_access *access)
{
    int64_t left_ms = (trial->until_ns - nv_monotonic_ns()) / 1000000, n = 0;

    for (size_t i = 0; i < access->n_ways; i++)
        n += !is_done(trial, i) && (i == 0 || !same_address(access, i, i - 1));
    left_ms /= n ? n : 1;
    return left_ms < 1 ? 1 : left_ms < CONNECT_MS ? left_ms : CONNECT_MS;
}

/* Whether another way is worth trying; the same address under another name only where TLS speaks there. */
static bool leads_on(struct nv_kube_caller *caller, struct trial *trial,
                     enum nv_kube_failure failure)
{
    const struct nv_kube_access *access = caller->access;
    bool silent = failure == NV_KUBE_TIMEOUT && nv_http_reach(caller->http) == NV_HTTP_CONNECTED;

    if (failure != NV_KUBE_CONNECT && failure != NV_KUBE_TLS && !silent)
        return false;
    caller->worked = false;
    trial->listens |= failure != NV_KUBE_CONNECT;
    for (size_t i = 0; i < access->n_ways; i++)
        if (i == caller->way || (failure != NV_KUBE_TLS && same_address(access, i, caller->way)))
            trial->done |= 1u << i;
    if (!trial->failure || (trial->failure == NV_KUBE_CONNECT && failure != NV_KUBE_CONNECT)) {
        trial->failure = failure;
        memcpy(trial->error, caller->error, sizeof(trial->error));
    }
    return true;
}

void nv_kube_caller_prefer(struct nv_kube_caller *caller, size_t way)
{
    caller->start = way;
    caller->plain_turns = 1;
}

/* There is an answer on this way, found so long after the beginning. */
static void remember(struct nv_kube_caller *caller, size_t way, int64_t search_ms)
{
    if (!caller->worked)
        return;
    caller->start = way;
    if (!caller->access->ways[way].tls && search_ms > SLOW_MS)
        caller->plain_turns = PLAIN_TURNS;
}

enum nv_kube_failure nv_kube_caller_get(struct nv_kube_caller *caller, const char *path,
                                        struct nv_buf *into)
{
    const struct nv_kube_access *access = caller->access;
    struct trial trial = begin(caller);
    size_t way;

    while (next_way(&trial, access, &way)) {
        int64_t search_ms = (nv_monotonic_ns() - trial.begun_ns) / 1000000;
        if (!take_way(caller, way)) {
            say(caller, "out of memory");
            return NV_KUBE_OTHER;
        }
        enum nv_kube_failure failure =
            ask(caller, path, into, share_ms(&trial, access), trial.until_ns);
        if (leads_on(caller, &trial, failure))
            continue;
        remember(caller, way, search_ms);
        return failure;
    }
    memcpy(caller->error, trial.error, sizeof(caller->error));
    return trial.failure;
}
