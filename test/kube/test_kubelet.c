/*
 * test_kubelet.c - the kubelet's client against one that is down, slow, refuses, breaks off, lies, or renews its token and
 * certificate.
 */
#include "kube/kubelet.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "support/certificate.h"
#include "support/fixture.h"
#include "support/http_server.h"

#define ONE "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"one\",\"uid\":\"u1\"}}]}"
#define TWO "{\"kind\":\"PodList\",\"items\":[{\"metadata\":{\"name\":\"two\",\"uid\":\"u2\"}},{}]}"

enum { LONG_MS = 20000, QUICK_MS = 20, NEVER_MS = 3600000 };

/* What the server does: changed by tests, read by it. */
static struct {
    enum mood { GOOD, STALLS, CUTS, LIES, ENDLESS, UNAUTHORIZED, FORBIDDEN, BROKEN, PICKY } mood;
    const char *pods;
    const char *token; /* PICKY: the one that is taken */
    const char *renew; /* PICKY: written to the token's file when another is refused */
    unsigned asked;
    char path[64];
} now;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct nv_http_server *server;
static struct nv_kube_way way;
static struct nv_kubelet *kubelet;
static struct nv_kubelet_options options;
static char token_file[512];
static _Atomic unsigned changes;

static bool has_token(const char *request, const char *token)
{
    char line[128];

    snprintf(line, sizeof(line), "Authorization: Bearer %s\r\n", token);
    return strstr(request, line);
}

static enum nv_http_server_then answer_picky(const char *request, struct nv_buf *out)
{
    if (has_token(request, now.token)) {
        nv_http_server_answer(out, 200, "application/json", now.pods);
        return NV_HTTP_SERVER_KEEP;
    }
    if (now.renew)
        nv_write_file(nv_temp_dir(), "token", now.renew);
    nv_http_server_answer(out, 401, "text/plain", "Unauthorized");
    return NV_HTTP_SERVER_KEEP;
}

static enum nv_http_server_then answer_as(enum mood mood, const char *request, struct nv_buf *out)
{
    switch (mood) {
    case STALLS:
        return NV_HTTP_SERVER_STALL;
    case CUTS:
        nv_buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n%s", ONE);
        return NV_HTTP_SERVER_CLOSE;
    case LIES:
        nv_http_server_answer(out, 200, "application/json", "{\"kind\":\"Status\",\"items\":[]}");
        break;
    case ENDLESS: /* the half that came is closed well, but is only half of the list */
        nv_buf_printf(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%.40s", ONE);
        return NV_HTTP_SERVER_CLOSE;
    case UNAUTHORIZED:
        nv_http_server_answer(out, 401, "text/plain", "Unauthorized");
        break;
    case FORBIDDEN:
        nv_http_server_answer(
            out, 403, "text/plain",
            "Forbidden (user=system:serviceaccount:m:nv, verb=get, resource=nodes, "
            "subresource=proxy)\nmore");
        break;
    case BROKEN:
        nv_http_server_answer(out, 500, "text/plain", "internal");
        break;
    case PICKY:
        return answer_picky(request, out);
    case GOOD:
        nv_http_server_answer(out, 200, "application/json", now.pods);
    }
    return NV_HTTP_SERVER_KEEP;
}

static enum nv_http_server_then answer(const char *request, struct nv_buf *out, void *user)
{
    (void)user;
    pthread_mutex_lock(&lock);
    now.asked++;
    struct nv_scan scan = nv_scan(nv_str(request));
    nv_scan_word(&scan);
    struct nv_str path = nv_scan_word(&scan);
    snprintf(now.path, sizeof(now.path), "%.*s", NV_ARGS(path));
    enum nv_http_server_then then = answer_as(now.mood, request, out);
    pthread_mutex_unlock(&lock);
    return then;
}

static void set_mood(enum mood mood, const char *pods)
{
    pthread_mutex_lock(&lock);
    now.mood = mood;
    now.pods = pods;
    pthread_mutex_unlock(&lock);
}

static unsigned asked(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = now.asked;
    pthread_mutex_unlock(&lock);
    return n;
}

static void count_change(void *user)
{
    (void)user;
    changes++;
}

static void setup(void)
{
    nv_quiet();
    server = nv_http_server_start(answer, NULL);
    now.mood = GOOD;
    now.pods = ONE;
    now.asked = 0;
    now.renew = NULL;
    changes = 0;
    way = (struct nv_kube_way){.url = nv_http_server_url(server)};
    options = (struct nv_kubelet_options){
        .access = {.ways = &way, .n_ways = 1},
        .poll_ms = QUICK_MS,
        .changed = count_change,
    };
    snprintf(token_file, sizeof(token_file), "%s/token", nv_temp_dir());
}

static void teardown(void)
{
    nv_kubelet_free(kubelet);
    kubelet = NULL;
    nv_http_server_stop(server);
}

static void start(void)
{
    kubelet = nv_kubelet_new(&options);
    ck_assert_ptr_nonnull(kubelet);
    ck_assert_int_eq(nv_kubelet_start(kubelet), 0);
}

static struct nv_kubelet_stats stats(void)
{
    struct nv_kubelet_stats is;

    nv_kubelet_stats(kubelet, &is);
    return is;
}

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        int64_t until_ = nv_monotonic_ns() + LONG_MS * INT64_C(1000000);                           \
        while (!(condition)) {                                                                     \
            ck_assert_msg(nv_monotonic_ns() < until_, "not in time: %s", #condition);              \
            usleep(2000);                                                                          \
        }                                                                                          \
    } while (0)

static bool names(const char *name)
{
    const struct nv_pods *pods = nv_kubelet_pods(kubelet);
    bool is = pods && pods->n && nv_str_is(nv_pod_at(pods, 0)->name, name);

    nv_pods_unref(pods);
    return is;
}

START_TEST(the_pods_it_tells_are_there_and_follow_what_it_tells)
{
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert(names("one"));
    ck_assert_str_eq(now.path, "/pods");
    WAIT_FOR(changes == 1);
    set_mood(GOOD, TWO);
    WAIT_FOR(names("two"));
    WAIT_FOR(changes == 2);
    struct nv_kubelet_stats is = stats();
    ck_assert(is.up && is.asked >= 2 && is.last_success_ms > 0 && is.age_ms >= 0);
    ck_assert_uint_eq(is.pods, 2);
}
END_TEST

START_TEST(the_same_answer_again_is_the_same_picture)
{
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    const struct nv_pods *first = nv_kubelet_pods(kubelet);
    uint64_t before = stats().asked;
    WAIT_FOR(stats().asked >= before + 3);
    const struct nv_pods *later = nv_kubelet_pods(kubelet);
    ck_assert_ptr_eq(first, later);
    nv_pods_unref(first);
    nv_pods_unref(later);
}
END_TEST

static const struct {
    enum mood mood;
    enum nv_kube_failure failure;
} bad_days[] = {
    {CUTS,         NV_KUBE_CUT         },
    {LIES,         NV_KUBE_MALFORMED   },
    {ENDLESS,      NV_KUBE_MALFORMED   },
    {UNAUTHORIZED, NV_KUBE_UNAUTHORIZED},
    {FORBIDDEN,    NV_KUBE_FORBIDDEN   },
    {BROKEN,       NV_KUBE_STATUS      },
    {STALLS,       NV_KUBE_TIMEOUT     },
};

START_TEST(a_bad_day_is_counted_by_its_reason_and_keeps_the_last_good_answer)
{
    if (bad_days[_i].failure == NV_KUBE_TIMEOUT)
        options.access.timeout_ms = 300;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    set_mood(bad_days[_i].mood, ONE);
    WAIT_FOR(stats().failed[bad_days[_i].failure] >= 2);
    ck_assert(!stats().up);
    ck_assert(names("one"));
    for (int i = 0; i < NV_KUBE_FAILURES; i++)
        if (i != (int)bad_days[_i].failure)
            ck_assert_uint_eq(stats().failed[i], 0);
    set_mood(GOOD, TWO);
    WAIT_FOR(names("two") && stats().up);
}
END_TEST

START_TEST(an_answer_nobody_confirms_is_dropped_in_the_end)
{
    options.keep_ms = 100;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    WAIT_FOR(changes == 1);
    set_mood(BROKEN, ONE);
    WAIT_FOR(stats().age_ms == -1);
    ck_assert_ptr_null(nv_kubelet_pods(kubelet));
    ck_assert_uint_eq(stats().pods, 0);
    WAIT_FOR(changes == 2);
}
END_TEST

START_TEST(one_that_is_down_is_asked_again_and_again)
{
    static char url[64];

    snprintf(url, sizeof(url), "http://127.0.0.1:%u", nv_http_server_port(server));
    nv_http_server_stop(server);
    way.url = url;
    start();
    ck_assert(!nv_kubelet_wait(kubelet, LONG_MS));
    WAIT_FOR(stats().failed[NV_KUBE_CONNECT] >= 2);
    ck_assert_ptr_null(nv_kubelet_pods(kubelet));
    server = nv_http_server_start(answer, NULL);
}
END_TEST

START_TEST(what_is_missed_is_asked_for_soon_but_not_without_end)
{
    options.poll_ms = NEVER_MS;
    options.soon_ms = 1;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    for (unsigned i = 1; i <= NV_KUBELET_EXTRA; i++) {
        nv_kubelet_want(kubelet);
        WAIT_FOR(asked() == 1 + i);
    }
    nv_kubelet_want(kubelet);
    usleep(200000);
    ck_assert_uint_eq(asked(), 1 + NV_KUBELET_EXTRA);
}
END_TEST

START_TEST(a_token_renewed_under_us_is_taken_at_once)
{
    nv_write_file(nv_temp_dir(), "token", "old\n");
    now.token = "new";
    now.renew = "new\n";
    options.access.token_file = token_file;
    options.access.token_without_tls = true;
    options.poll_ms = NEVER_MS;
    set_mood(PICKY, ONE);
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_uint_eq(asked(), 2);
    ck_assert_uint_eq(stats().failed[NV_KUBE_UNAUTHORIZED], 0);
}
END_TEST

START_TEST(a_token_does_not_go_over_a_line_anybody_can_read_unasked)
{
    nv_write_file(nv_temp_dir(), "token", "secret\n");
    now.token = "secret";
    options.access.token_file = token_file;
    set_mood(PICKY, ONE);
    start();
    ck_assert(!nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_uint_ge(stats().failed[NV_KUBE_UNAUTHORIZED], 1);
}
END_TEST

START_TEST(a_missing_token_file_is_a_failure_of_its_own)
{
    options.access.token_file = "/nonexistent/token";
    options.access.token_without_tls = true;
    start();
    ck_assert(!nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_uint_ge(stats().failed[NV_KUBE_TOKEN], 1);
    ck_assert_uint_eq(asked(), 0);
}
END_TEST

START_TEST(stopping_ends_a_question_that_hangs)
{
    set_mood(STALLS, ONE);
    options.access.timeout_ms = NEVER_MS;
    start();
    WAIT_FOR(asked() == 1);
    int64_t begin_ns = nv_monotonic_ns();
    nv_kubelet_stop(kubelet);
    ck_assert_int_lt(nv_monotonic_ns() - begin_ns, LONG_MS * INT64_C(1000000));
}
END_TEST

START_TEST(other_paths_are_asked_beside_the_pods)
{
    NV_AUTO_BUF text = NV_BUF(4096);
    char error[NV_KUBE_CALL_ERROR_MAX];

    options.poll_ms = NEVER_MS;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_int_eq(nv_kubelet_get(kubelet, "/stats/summary", LONG_MS, &text, error), 0);
    ck_assert_str_eq(now.path, "/stats/summary");
    ck_assert(nv_str_is(nv_buf_view(&text), ONE));
    set_mood(FORBIDDEN, ONE);
    ck_assert_int_eq(nv_kubelet_get(kubelet, "/stats/summary", LONG_MS, &text, error), -EACCES);
    ck_assert_msg(strstr(error, "403") && strstr(error, "subresource=proxy)") &&
                      !strstr(error, "more"),
                  "%s", error);
    set_mood(STALLS, ONE);
    ck_assert_int_eq(nv_kubelet_get(kubelet, "/stats/summary", 100, &text, error), -ETIMEDOUT);
}
END_TEST

/* ---- TLS and the other ways ----------------------------------------------------------------- */

static struct nv_http_server_tls tls;
static char tls_url[64], ca_file[512], cert_file[512], key_file[512];

/* The server speaks TLS, with a certificate for `host` that an authority signed. */
static void use_tls(const char *host)
{
    const char *dir = nv_temp_dir();

    nv_certificate_write(dir, "ca", NULL, NULL);
    nv_certificate_write(dir, "kubelet", host, "ca");
    snprintf(ca_file, sizeof(ca_file), "%s/ca.crt", dir);
    snprintf(cert_file, sizeof(cert_file), "%s/kubelet.crt", dir);
    snprintf(key_file, sizeof(key_file), "%s/kubelet.key", dir);
    tls = (struct nv_http_server_tls){.cert_file = cert_file, .key_file = key_file};
    nv_http_server_use_tls(server, &tls);
    snprintf(tls_url, sizeof(tls_url), "https://127.0.0.1:%u", nv_http_server_port(server));
    options.access.ca_file = ca_file;
}

START_TEST(a_certificate_for_the_address_is_enough)
{
    use_tls("127.0.0.1");
    way = (struct nv_kube_way){.url = tls_url, .tls = true};
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
}
END_TEST

START_TEST(a_certificate_for_the_name_of_the_node_is_enough)
{
    const struct nv_kube_way both[] = {
        {.url = tls_url, .tls = true            },
        { .url = tls_url,   .tls = true, .server_name = "node-7"},
    };
    use_tls("node-7");
    options.access.ways = both;
    options.access.n_ways = 2;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_ptr_eq(nv_kubelet_way(kubelet), &both[1]);
    unsigned connections = nv_http_server_connections(server);
    uint64_t before = stats().asked;
    WAIT_FOR(stats().asked >= before + 3);
    ck_assert_uint_eq(nv_http_server_connections(server), connections); /* it stays on that way */
    nv_kubelet_stop(kubelet);                                           /* before the ways go */
}
END_TEST

START_TEST(a_wrong_certificate_is_never_answered_by_the_port_without_tls)
{
    static char plain_url[64];
    struct nv_http_server *plain = nv_http_server_start(answer, NULL);
    const struct nv_kube_way both[] = {
        {.url = tls_url, .tls = true},
        {.url = plain_url             },
    };

    snprintf(plain_url, sizeof(plain_url), "%s", nv_http_server_url(plain));
    use_tls("somebody-else");
    options.access.ways = both;
    options.access.n_ways = 2;
    start();
    ck_assert(!nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_uint_ge(stats().failed[NV_KUBE_TLS], 1);
    ck_assert_uint_eq(asked(), 0);
    nv_kubelet_stop(kubelet);
    nv_http_server_stop(plain);
}
END_TEST

START_TEST(the_port_without_tls_is_asked_where_nobody_listens_on_the_other)
{
    static char dead_url[64];
    struct nv_http_server *dead = nv_http_server_start(answer, NULL);
    const struct nv_kube_way both[] = {
        {.url = dead_url, .tls = true},
        {.url = nv_http_server_url(server)              },
    };

    snprintf(dead_url, sizeof(dead_url), "https://127.0.0.1:%u", nv_http_server_port(dead));
    nv_http_server_stop(dead);
    options.access.ways = both;
    options.access.n_ways = 2;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_ptr_eq(nv_kubelet_way(kubelet), &both[1]);
    nv_kubelet_stop(kubelet);
}
END_TEST

/* The first address of a node of two families may be of the one that a pod lacks. */
START_TEST(an_address_that_cannot_be_used_here_is_as_good_as_nobody_listening)
{
    static const int errors[] = {ECONNREFUSED,  EHOSTUNREACH, ENETUNREACH,
                                 EADDRNOTAVAIL, EAFNOSUPPORT, ENETDOWN};

    for (size_t i = 0; i < NV_LEN(errors); i++)
        ck_assert_int_eq(nv_kube_failure_of(-errors[i]), NV_KUBE_CONNECT);
    ck_assert_int_eq(nv_kube_failure_of(-ETIMEDOUT), NV_KUBE_TIMEOUT);
    ck_assert_int_eq(nv_kube_failure_of(-EIO), NV_KUBE_OTHER);
}
END_TEST

/* ---- addresses that say nothing ------------------------------------------------------------- */

enum { FILLERS = 8, SILENT_MS = 1500 };

/* A port whose queue is full, so that whoever connects gets no answer at all; or one that takes connections and says
 * nothing. */
struct silence {
    int fd, fillers[FILLERS];
    char url[64];
};

static void begin_silence(struct silence *silence, bool full)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);

    silence->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(silence->fd, 0);
    ck_assert_int_eq(bind(silence->fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(silence->fd, full ? 0 : FILLERS), 0);
    ck_assert_int_eq(getsockname(silence->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(silence->url, sizeof(silence->url), "https://127.0.0.1:%u", ntohs(address.sin_port));
    for (size_t i = 0; i < FILLERS; i++) {
        silence->fillers[i] = full ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) : -1;
        if (full)
            (void)!connect(silence->fillers[i], (struct sockaddr *)&address, size);
    }
}

static void end_silence(struct silence *silence)
{
    close(silence->fd);
    for (size_t i = 0; i < FILLERS; i++)
        if (silence->fillers[i] >= 0)
            close(silence->fillers[i]);
}

/* Looped: the address takes no connection; it does, and there it ends. */
START_TEST(an_address_that_says_nothing_leads_on_to_the_next)
{
    struct silence silence;

    begin_silence(&silence, _i == 0);
    use_tls("node-7");
    const struct nv_kube_way ways[] = {
        {.url = silence.url,       .tls = true            },
        {              .url = silence.url,             .tls = true, .server_name = "node-7"},
        {              .url = tls_url,             .tls = true                       },
        { .url = tls_url, .tls = true,                        .server_name = "node-7"},
    };
    options.access.ways = ways;
    options.access.n_ways = NV_LEN(ways);
    options.access.timeout_ms = 2 * SILENT_MS;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_ptr_eq(nv_kubelet_way(kubelet), &ways[3]);
    unsigned connections = nv_http_server_connections(server);
    uint64_t before = stats().asked;
    WAIT_FOR(stats().asked >= before + 3);
    ck_assert_uint_eq(nv_http_server_connections(server), connections); /* it stays with that one */
    ck_assert_uint_eq(stats().failed[NV_KUBE_CONNECT] + stats().failed[NV_KUBE_TIMEOUT], 0);

    NV_AUTO_BUF text = NV_BUF(4096); /* and others, who have less time, begin with it */
    char error[NV_KUBE_CALL_ERROR_MAX];
    ck_assert_int_eq(nv_kubelet_get(kubelet, "/configz", LONG_MS, &text, error), 0);
    ck_assert_uint_eq(nv_http_server_connections(server), connections + 1);
    nv_kubelet_stop(kubelet);
    end_silence(&silence);
}
END_TEST

START_TEST(the_port_without_tls_is_stayed_with_where_the_other_says_nothing)
{
    struct silence silence;

    begin_silence(&silence, true);
    const struct nv_kube_way ways[] = {
        {.url = silence.url, .tls = true},
        {.url = nv_http_server_url(server)                 },
    };
    options.access.ways = ways;
    options.access.n_ways = NV_LEN(ways);
    options.access.timeout_ms = 2 * SILENT_MS;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
    ck_assert_ptr_eq(nv_kubelet_way(kubelet), &ways[1]);
    uint64_t before = stats().asked;
    WAIT_FOR(stats().asked >= before + 5);
    ck_assert_uint_eq(nv_http_server_connections(server), 1);
    nv_kubelet_stop(kubelet);
    end_silence(&silence);
}
END_TEST

START_TEST(silence_on_all_addresses_ends_in_time_and_is_told)
{
    struct silence full, mute;
    struct nv_kube_caller caller;
    NV_AUTO_BUF text = NV_BUF(4096);

    begin_silence(&full, true);
    begin_silence(&mute, false);
    const struct nv_kube_way ways[] = {
        {.url = full.url, .tls = true},
        {.url = mute.url,               .tls = true},
        {.url = nv_http_server_url(server)}, /* for somebody listens on the other */
    };
    options.access.ways = ways;
    options.access.n_ways = NV_LEN(ways);
    options.access.timeout_ms = 600;
    for (size_t n = 1; n <= NV_LEN(ways); n++) {
        options.access.n_ways = n;
        nv_kube_caller_init(&caller, &options.access);
        ck_assert_int_eq(nv_kube_caller_get(&caller, "/pods", &text),
                         n == 1 ? NV_KUBE_CONNECT : NV_KUBE_TIMEOUT);
        ck_assert_msg(strstr(caller.error, n == 1 ? "cannot connect within 0."
                                                  : "no complete handshake within 0."),
                      "%s", caller.error);
        nv_kube_caller_done(&caller);
    }
    ck_assert_uint_eq(asked(), 0);
    end_silence(&full);
    end_silence(&mute);
}
END_TEST

START_TEST(an_unknown_authority_is_refused_and_the_ways_out_are_told)
{
    struct nv_kube_caller caller;
    NV_AUTO_BUF text = NV_BUF(4096);

    use_tls("127.0.0.1");
    nv_certificate_write(nv_temp_dir(), "other", NULL, NULL);
    snprintf(ca_file, sizeof(ca_file), "%s/other.crt", nv_temp_dir());
    way = (struct nv_kube_way){.url = tls_url, .tls = true};
    nv_kube_caller_init(&caller, &options.access);
    ck_assert_int_eq(nv_kube_caller_get(&caller, "/pods", &text), NV_KUBE_TLS);
    ck_assert_msg(strstr(caller.error, "--kubelet.ca-file") &&
                      strstr(caller.error, "--kubelet.insecure-skip-verify"),
                  "%s", caller.error);
    nv_kube_caller_done(&caller);
    options.access.insecure_skip_verify = true;
    start();
    ck_assert(nv_kubelet_wait(kubelet, LONG_MS));
}
END_TEST

START_TEST(a_refusal_of_rights_is_told_in_the_words_of_the_kubelet)
{
    struct nv_kube_caller caller;
    NV_AUTO_BUF text = NV_BUF(4096);

    set_mood(FORBIDDEN, ONE);
    nv_kube_caller_init(&caller, &options.access);
    ck_assert_int_eq(nv_kube_caller_get(&caller, "/pods", &text), NV_KUBE_FORBIDDEN);
    ck_assert_msg(strstr(caller.error, "user=system:serviceaccount:m:nv, verb=get, resource=nodes, "
                                       "subresource=proxy"),
                  "%s", caller.error);
    nv_kube_caller_done(&caller);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kubelet");
    TCase *tcase = tcase_create("kubelet");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_pods_it_tells_are_there_and_follow_what_it_tells);
    tcase_add_test(tcase, the_same_answer_again_is_the_same_picture);
    tcase_add_loop_test(tcase, a_bad_day_is_counted_by_its_reason_and_keeps_the_last_good_answer, 0,
                        NV_LEN(bad_days));
    tcase_add_test(tcase, an_answer_nobody_confirms_is_dropped_in_the_end);
    tcase_add_test(tcase, one_that_is_down_is_asked_again_and_again);
    tcase_add_test(tcase, what_is_missed_is_asked_for_soon_but_not_without_end);
    tcase_add_test(tcase, a_token_renewed_under_us_is_taken_at_once);
    tcase_add_test(tcase, a_token_does_not_go_over_a_line_anybody_can_read_unasked);
    tcase_add_test(tcase, a_missing_token_file_is_a_failure_of_its_own);
    tcase_add_test(tcase, stopping_ends_a_question_that_hangs);
    tcase_add_test(tcase, other_paths_are_asked_beside_the_pods);
    tcase_add_test(tcase, a_certificate_for_the_address_is_enough);
    tcase_add_test(tcase, a_certificate_for_the_name_of_the_node_is_enough);
    tcase_add_test(tcase, a_wrong_certificate_is_never_answered_by_the_port_without_tls);
    tcase_add_test(tcase, the_port_without_tls_is_asked_where_nobody_listens_on_the_other);
    tcase_add_test(tcase, an_address_that_cannot_be_used_here_is_as_good_as_nobody_listening);
    tcase_add_loop_test(tcase, an_address_that_says_nothing_leads_on_to_the_next, 0, 2);
    tcase_add_test(tcase, the_port_without_tls_is_stayed_with_where_the_other_says_nothing);
    tcase_add_test(tcase, silence_on_all_addresses_ends_in_time_and_is_told);
    tcase_add_test(tcase, an_unknown_authority_is_refused_and_the_ways_out_are_told);
    tcase_add_test(tcase, a_refusal_of_rights_is_told_in_the_words_of_the_kubelet);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
