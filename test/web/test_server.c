/*
 * test_server.c - the server from outside, with collectors that are slow when told to.
 */
#include "web/client.h"

#include <pthread.h>

#include "base/clock.h"
#include "web/limits.h"
#include "web/web.h"

/* ---- what is served ------------------------------------------------------------------------- */

static const struct nv_family fast_columns[] = {
    {"t_fast_total", NV_COUNTER, NV_AS_IS, "Fast." },
    {"t_other",      NV_GAUGE,   NV_AS_IS, "Other."},
};
static const struct nv_table fast_table = {NV_NO_LABELS, fast_columns, NV_LEN(fast_columns)};

static int collect_fast(struct nv_pass *pass)
{
    uint64_t values[] = {7, 8};

    nv_emit_row(pass, &fast_table, NULL, values, 2);
    return 0;
}
static const struct nv_collector fast = {NV_ABI_STAMP, .name = "fast", .collect = collect_fast};

static const struct nv_family slow_columns[] = {
    {"t_slow_total", NV_COUNTER, NV_AS_IS, "Slow."}
};
static const struct nv_table slow_table = {NV_NO_LABELS, slow_columns, 1};
static int held; /* atomic: passes wait while it is 1 */

static int collect_slow(struct nv_pass *pass)
{
    uint64_t value = 1;

    for (int i = 0; i < 3000 && __atomic_load_n(&held, __ATOMIC_ACQUIRE); i++)
        usleep(1000);
    nv_emit_row(pass, &slow_table, NULL, &value, 1);
    return 0;
}
static const struct nv_collector slow = {NV_ABI_STAMP, .name = "slow", .collect = collect_slow};

static const struct nv_collector self = {NV_ABI_STAMP, .name = "self", .collect = collect_fast};

/* Never done in time, and not in the way of the others. */
static const struct nv_collector stuck = {NV_ABI_STAMP, .name = "stuck", .options = NV_MAY_BLOCK,
                                          .collect = collect_slow};
static const struct nv_collector *third;

static struct nv_gather *gather;
static struct nv_web *web;
static int port;
static const char *const collectors[] = {"fast", "slow", "unused"};

static void begin_with(const struct nv_web_options *more)
{
    const struct nv_gather_options none = {
        .procfs = "/nowhere", .sysfs = "/nowhere", .rootfs = "/nowhere", .udev = "/nowhere"};
    static const char *const listen[] = {"127.0.0.1:0"};
    struct nv_web_options options = *more;
    char error[NV_WEB_ERROR_MAX] = "";

    __atomic_store_n(&held, 0, __ATOMIC_RELEASE);
    gather = nv_gather_new(&none);
    ck_assert_int_eq(nv_gather_add(gather, &fast, NV_GATHER_NODE, NULL), 0);
    ck_assert_int_eq(nv_gather_add(gather, third ? third : &slow, NV_GATHER_NODE, NULL), 0);
    ck_assert_int_eq(nv_gather_start(gather, error), 0);
    if (!options.n_listen) {
        options.listen = listen;
        options.n_listen = 1;
    }
    if (!options.telemetry_path)
        options.telemetry_path = "/metrics";
    options.gather = gather;
    options.collectors = collectors;
    options.n_collectors = NV_LEN(collectors);
    int r = nv_web_new(&options, &web, error);
    ck_assert_msg(r == 0, "%s", error);
    r = nv_web_start(web, error);
    ck_assert_msg(r == 0, "%s", error);
    port = (int)strtol(strrchr(nv_web_address(web, 0), ':') + 1, NULL, 10);
}

static void begin(void)
{
    begin_with(&(struct nv_web_options){.max_requests = 2, .version = "<1>"});
}

static void end(void)
{
    __atomic_store_n(&held, 0, __ATOMIC_RELEASE);
    nv_web_free(web);
    nv_gather_free(gather);
    web = NULL;
    gather = NULL;
}

static void hold(bool on)
{
    __atomic_store_n(&held, on, __ATOMIC_RELEASE);
}

static struct nv_web_stats stats(void)
{
    struct nv_web_stats all;

    nv_web_stats(web, &all);
    return all;
}

/* Counts rise after the answer is written, which is after the client has read it. */
static void await_counts(uint64_t n_200, uint64_t n_503)
{
    for (int i = 0; i < 10000; i++) {
        if (stats().requests_200 == n_200 && stats().requests_503 == n_503)
            return;
        usleep(1000);
    }
    ck_abort_msg("200: %llu, 503: %llu", (unsigned long long)stats().requests_200,
                 (unsigned long long)stats().requests_503);
}

/* Sends a scrape that the collector will hold; returns when it is under way. */
static int begin_scrape(const char *path)
{
    char text[256];
    int fd = client_open(port);
    uint64_t before = stats().in_flight;

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    client_send(fd, text);
    for (int i = 0; i < 10000 && stats().in_flight == before; i++)
        usleep(1000);
    return fd;
}

/* ---- routes --------------------------------------------------------------------------------- */

static struct answer got;

static const struct {
    const char *request, *body, *in_head;
    int status;
} cases[] = {
    {"GET /-/healthy",                                   "nodevitals is Healthy.\n",                 "text/plain; charset=utf-8",           200},
    {"GET /-/ready",                                     "Service Unavailable\n",                    "nosniff",                             503},
    {"POST /-/healthy",                                  "Method Not Allowed\n",                     "Allow: GET, HEAD",                    405},
    {"GET /nowhere",                                     "404 page not found\n",                     "X-Content-Type-Options: nosniff\r\n", 404},
    {"GET /metrics/",                                    "404 page not found\n",                     "text/plain; charset=utf-8",           404},
    {"GET //metrics",                                    "404 page not found\n",                     "",                                    404},
    {"GET /metrics?collect[]=fast&exclude[]=slow",
     "Combined collect and exclude queries are not allowed.",                                        "text/plain; charset=utf-8",           400},
    {"GET /metrics?collect[]=nope",
     "Couldn't create filtered metrics handler: couldn't create collector: missing collector: nope", "Content-Length: 92\r\n",              400},
    {"GET /metrics?collect[]=unused",
     "Couldn't create filtered metrics handler: couldn't create collector: disabled collector: "
     "unused",                                                                                       "",                                    400},
    {"GET /metrics?collect[]=",
     "Couldn't create filtered metrics handler: couldn't create collector: missing collector: ",     "",
     400                                                                                                                                       },
    {"GET /metrics?collect%5B%5D=fast&collect[]=%6eope",
     "Couldn't create filtered metrics handler: couldn't create collector: missing collector: nope", "",                                    400},
};

START_TEST(a_route_answers_to_the_letter)
{
    char text[256];
    int fd;

    begin();
    fd = client_open(port);
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\n\r\n", cases[_i].request);
    client_send(fd, text);
    client_receive(fd, true, &got);
    ck_assert_int_eq(got.status, cases[_i].status);
    ck_assert_str_eq(got.body, cases[_i].body);
    ck_assert_msg(strstr(got.head, cases[_i].in_head) != NULL, "%s", got.head);
    ck_assert(got.status != 400 || !strstr(got.head, "nosniff"));
    ck_assert_uint_eq(stats().requests_200 + stats().requests_500 + stats().requests_503, 0);
    close(fd);
    end();
}
END_TEST

START_TEST(ready_follows_the_agent)
{
    begin();
    nv_web_set_ready(web, true);
    client_get_once(port, "/-/ready", &got);
    ck_assert_str_eq(got.body, "nodevitals is Ready.\n");
    nv_web_set_ready(web, false);
    client_get_once(port, "/-/ready", &got);
    ck_assert_int_eq(got.status, 503);
    end();
}
END_TEST

START_TEST(the_landing_page_leads_to_the_metrics_and_escapes_what_it_is_told)
{
    begin_with(&(struct nv_web_options){.telemetry_path = "/a&b", .version = "<1>"});
    client_get_once(port, "/", &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_nonnull(strstr(got.head, "Content-Type: text/html; charset=UTF-8\r\n"));
    ck_assert_ptr_nonnull(strstr(got.body, "<title>Node Exporter</title>"));
    ck_assert_ptr_nonnull(strstr(got.body, "<h1>Node Exporter</h1>"));
    ck_assert_ptr_nonnull(strstr(got.body, "<a href=\"/a&amp;b\">Metrics</a>"));
    ck_assert_ptr_nonnull(strstr(got.body, "version=&lt;1&gt;"));
    client_get_once(port, "/a&b", &got);
    ck_assert_ptr_nonnull(strstr(got.body, "t_fast_total 7\n"));
    end();
}
END_TEST

START_TEST(a_telemetry_path_of_slash_takes_every_path_but_health)
{
    begin_with(&(struct nv_web_options){.telemetry_path = "/"});
    client_get_once(port, "/", &got);
    ck_assert_ptr_nonnull(strstr(got.body, "t_fast_total 7\n"));
    client_get_once(port, "/any/where", &got);
    ck_assert_ptr_nonnull(strstr(got.body, "t_fast_total 7\n"));
    client_get_once(port, "/-/healthy", &got);
    ck_assert_str_eq(got.body, "nodevitals is Healthy.\n");
    end();
}
END_TEST

/* ---- scrapes -------------------------------------------------------------------------------- */

START_TEST(any_method_scrapes_and_head_has_no_body)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "BREW"};
    int fd;

    begin();
    fd = client_open(port); /* one connection: a body sent for HEAD would be the next answer */
    for (size_t i = 0; i < NV_LEN(methods); i++) {
        char text[128];
        snprintf(text, sizeof(text), "%s /metrics HTTP/1.1\r\nHost: x\r\n%s\r\n", methods[i],
                 i > 1 && i < 4 ? "Content-Length: 0\r\n" : "");
        client_send(fd, text);
        client_receive(fd, i != 1, &got);
        ck_assert_msg(got.status == 200, "%s: %d", methods[i], got.status);
        ck_assert_ptr_nonnull(strstr(got.head, "Content-Type: text/plain; version=0.0.4; "
                                               "charset=utf-8; escaping=underscores\r\n"));
        ck_assert(i == 1 || strstr(got.body, "t_fast_total 7\n"));
    }
    close(fd);
    end();
}
END_TEST

START_TEST(a_selection_runs_those_collectors_only)
{
    begin();
    client_get_once(port, "/metrics?collect[]=fast", &got);
    ck_assert_ptr_nonnull(strstr(got.body, "t_fast_total"));
    ck_assert_ptr_null(strstr(got.body, "t_slow_total"));
    client_get_once(port, "/metrics?exclude[]=fast&exclude[]=whatever", &got);
    ck_assert_ptr_null(strstr(got.body, "t_fast_total"));
    ck_assert_ptr_nonnull(strstr(got.body, "t_slow_total"));
    client_get_once(port, "/metrics?exclude%5b%5D=fast&exclude[]=slow",
                    &got); /* all: that is none */
    ck_assert_ptr_nonnull(strstr(got.body, "t_fast_total"));
    ck_assert_ptr_nonnull(strstr(got.body, "t_slow_total"));
    client_get_once(port, "/metrics?name[]=t_other", &got);
    ck_assert_ptr_null(strstr(got.body, "t_fast_total"));
    ck_assert_ptr_nonnull(strstr(got.body, "t_other 8\n"));
    end();
}
END_TEST

START_TEST(the_agents_own_collectors_cannot_be_chosen)
{
    const struct nv_gather_options none = {.procfs = "/", .sysfs = "/", .rootfs = "/", .udev = "/"};
    char error[NV_WEB_ERROR_MAX];
    static const char *const listen[] = {"127.0.0.1:0"};

    gather = nv_gather_new(&none);
    ck_assert_int_eq(nv_gather_add(gather, &slow, NV_GATHER_NODE, NULL), 0);
    ck_assert_int_eq(nv_gather_add(gather, &self, NV_GATHER_SELF, NULL), 0);
    ck_assert_int_eq(nv_gather_start(gather, error), 0);
    struct nv_web_options options = {.listen = listen,
                                     .n_listen = 1,
                                     .telemetry_path = "/metrics",
                                     .gather = gather,
                                     .collectors = collectors,
                                     .n_collectors = NV_LEN(collectors)};
    ck_assert_int_eq(nv_web_new(&options, &web, error), 0);
    ck_assert_int_eq(nv_web_start(web, error), 0);
    port = (int)strtol(strrchr(nv_web_address(web, 0), ':') + 1, NULL, 10);
    client_get_once(port, "/metrics?collect[]=self", &got);
    ck_assert_int_eq(got.status, 400);
    ck_assert_ptr_nonnull(strstr(got.body, "missing collector: self"));
    client_get_once(port, "/metrics?exclude[]=self", &got);
    ck_assert_ptr_nonnull(strstr(got.body, "t_fast_total"));
    end();
}
END_TEST

START_TEST(the_counts_rise_when_the_answer_is_written)
{
    begin();
    client_get_once(port, "/metrics", &got);
    await_counts(1, 0);
    client_get_once(port, "/metrics?collect[]=fast", &got);
    await_counts(2, 0);
    client_get_once(port, "/metrics?collect[]=nope", &got);
    client_get_once(port, "/-/healthy", &got);
    ck_assert_uint_eq(stats().requests_200, 2);
    ck_assert_uint_eq(stats().requests, 4);
    ck_assert_uint_eq(stats().in_flight, 0);
    ck_assert_uint_gt(stats().response_bytes, 0);
    end();
}
END_TEST

START_TEST(above_the_limit_scrapes_get_503_and_filtered_ones_do_not)
{
    int one, two, filtered;

    begin();
    hold(true);
    one = begin_scrape("/metrics");
    two = begin_scrape("/metrics?exclude[]=fast&exclude[]=slow"); /* counts as unfiltered */
    client_get_once(port, "/metrics", &got);
    ck_assert_int_eq(got.status, 503);
    ck_assert_str_eq(got.body, "Limit of concurrent requests reached (2), try again later.\n");
    ck_assert_ptr_nonnull(strstr(got.head, "X-Content-Type-Options: nosniff\r\n"));
    filtered = begin_scrape("/metrics?collect[]=slow");
    hold(false);
    client_receive(filtered, true, &got);
    ck_assert_int_eq(got.status, 200);
    client_receive(one, true, &got);
    ck_assert_int_eq(got.status, 200);
    client_receive(two, true, &got);
    ck_assert_int_eq(got.status, 200);
    await_counts(3, 1);
    ck_assert_uint_eq(stats().in_flight, 0);
    client_get_once(port, "/metrics", &got); /* the places are free again */
    ck_assert_int_eq(got.status, 200);
    close(one), close(two), close(filtered);
    end();
}
END_TEST

START_TEST(a_pass_takes_four_fifths_of_the_scrapers_patience)
{
    third = &stuck;
    begin_with(&(struct nv_web_options){.max_requests = 0});
    hold(true); /* for 3 s at most */
    int fd = client_open(port);
    int64_t begun_ns = nv_monotonic_ns();
    client_send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n"
                    "X-Prometheus-Scrape-Timeout-Seconds: 0.5\r\n\r\n");
    client_receive(fd, true, &got);
    int64_t took_ms = (nv_monotonic_ns() - begun_ns) / 1000000;
    ck_assert_int_eq(got.status, 200);
    ck_assert_ptr_nonnull(strstr(got.body, "t_fast_total 7\n"));
    ck_assert_ptr_null(strstr(got.body, "t_slow_total"));
    ck_assert_int_ge(took_ms, 300); /* gather keeps some of it for the others */
    ck_assert_int_lt(took_ms, 2500);
    close(fd);
    end();
}
END_TEST

START_TEST(a_whole_url_in_the_request_line_is_its_path)
{
    begin();
    client_get_once(port, "http://any.host:1/-/healthy", &got);
    ck_assert_int_eq(got.status, 200);
    client_get_once(port, "HTTP://any.host", &got);
    ck_assert_ptr_nonnull(strstr(got.body, "<h1>Node Exporter</h1>"));
    end();
}
END_TEST

/* Some of the kept connections share an event loop with the scrapes. */
START_TEST(health_answers_on_every_connection_while_passes_are_slow)
{
    enum { KEPT = 8, SCRAPES = 12 };
    int kept[KEPT], scrapes[SCRAPES];

    begin_with(&(struct nv_web_options){.max_requests = 0});
    for (int i = 0; i < KEPT; i++) {
        kept[i] = client_open(port);
        client_get(kept[i], "/-/healthy", &got);
    }
    hold(true);
    for (int i = 0; i < SCRAPES; i++)
        scrapes[i] = begin_scrape(i % 3 ? "/metrics" : "/metrics?collect[]=slow");
    for (int i = 0; i < KEPT; i++) {
        client_get(kept[i], "/-/healthy", &got);
        ck_assert_int_eq(got.status, 200);
    }
    client_get_once(port, "/-/healthy", &got);
    ck_assert_int_eq(got.status, 200);
    for (int i = 0; i < SCRAPES; i++)
        ck_assert(!client_has_answer(scrapes[i]));
    hold(false);
    for (int i = 0; i < SCRAPES; i++) {
        client_receive(scrapes[i], true, &got);
        ck_assert_int_eq(got.status, 200);
        close(scrapes[i]);
    }
    for (int i = 0; i < KEPT; i++)
        close(kept[i]);
    end();
}
END_TEST

START_TEST(a_client_that_leaves_during_its_pass_harms_nobody)
{
    begin();
    hold(true);
    for (int i = 0; i < 2; i++)
        close(begin_scrape("/metrics"));
    hold(false);
    for (int i = 0; i < 10000 && stats().in_flight; i++)
        usleep(1000);
    ck_assert_uint_eq(stats().in_flight, 0);
    client_get_once(port, "/metrics", &got);
    ck_assert_int_eq(got.status, 200);
    end();
}
END_TEST

START_TEST(a_stop_waits_for_passes_and_leaves_no_descriptor)
{
    static int fds[40];

    begin(); /* libraries open what they keep */
    end();
    size_t before = count_descriptors();
    begin_with(&(struct nv_web_options){.max_requests = 0});
    hold(true);
    for (size_t i = 0; i < NV_LEN(fds); i++)
        fds[i] = begin_scrape(i % 2 ? "/metrics" : "/metrics?collect[]=slow");
    hold(false);
    nv_web_stop(web);
    end();
    for (size_t i = 0; i < NV_LEN(fds); i++)
        close(fds[i]);
    ck_assert_uint_eq(count_descriptors(), before);
}
END_TEST

/* ---- clients that misbehave ----------------------------------------------------------------- */

START_TEST(requests_in_one_packet_are_answered_in_order)
{
    begin();
    int fd = client_open(port);
    client_send(fd, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
                    "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
                    "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                    "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n");
    static const int expected[] = {200, 404, 200, 200};
    NV_AUTO_BUF all = NV_BUF(1 << 20);
    char part[4096];
    shutdown(fd, SHUT_WR); /* half closed: what was asked is answered all the same */
    for (ssize_t n; (n = recv(fd, part, sizeof(part), 0)) > 0;)
        nv_buf_add(&all, part, (size_t)n);
    const char *at = nv_buf_c_string(&all);
    for (size_t i = 0; i < NV_LEN(expected); i++) {
        at = strstr(at, "HTTP/1.1 ");
        ck_assert_msg(at != NULL, "answer %zu is missing", i);
        ck_assert_int_eq(strtol(at + 9, NULL, 10), expected[i]);
        at++;
    }
    close(fd);
    end();
}
END_TEST

START_TEST(http_1_0_is_answered_and_closed)
{
    char byte;

    begin();
    int fd = client_open(port);
    client_send(fd, "GET /-/healthy HTTP/1.0\r\n\r\n");
    client_receive(fd, true, &got);
    ck_assert_int_eq(got.status, 200);
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
    end();
}
END_TEST

START_TEST(a_long_body_is_refused_before_it_is_sent)
{
    begin();
    int fd = client_open(port);
    client_send(fd, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n");
    client_receive(fd, true, &got);
    ck_assert_int_eq(got.status, 413);
    close(fd);
    end();
}
END_TEST

START_TEST(an_endless_body_is_cut_off)
{
    begin();
    int fd = client_open(port);
    client_send(fd, "POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    bool cut = false;
    for (int i = 0; i < 10000 && !cut; i++)
        cut = send(fd, "100\r\n", 5, MSG_NOSIGNAL) < 0 ||
              send(fd, (char[258]){[256] = '\r', [257] = '\n'}, 258, MSG_NOSIGNAL) < 0;
    ck_assert(cut);
    close(fd);
    end();
}
END_TEST

START_TEST(a_head_that_is_too_long_is_refused)
{
    static char text[NV_WEB_HEAD_MAX + 1000];

    begin();
    int fd = client_open(port);
    memset(text, 'x', sizeof(text) - 1);
    client_send(fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: ");
    client_send(fd, text);
    client_receive(fd, true, &got);
    ck_assert_msg(got.status == 0 || got.status == 431 || got.status == 413, "%d", got.status);
    close(fd);

    fd = client_open(port);
    text[20000] = '\0'; /* a query longer than ours may be, in a head that is not */
    memcpy(text, "GET /metrics?", 13);
    client_send(fd, text);
    client_send(fd, " HTTP/1.1\r\nHost: x\r\n\r\n");
    client_receive(fd, true, &got);
    ck_assert_int_eq(got.status, 414);
    close(fd);
    client_get_once(port, "/-/healthy", &got);
    ck_assert_int_eq(got.status, 200);
    end();
}
END_TEST

enum { NOISE_AT_ONCE = 16 };

/* Deterministic noise, some of it looking like a request. */
START_TEST(garbage_harms_nobody)
{
    uint32_t seed = 12345;

    begin();
    for (int i = 0; i < 200; i++) {
        char noise[600];
        size_t n = 0;
        if (i % 2)
            n = (size_t)snprintf(noise, sizeof(noise), "GET /metrics?collect[]= HTTP/1.1\r\n");
        for (size_t end_of = n + 1 + (size_t)i; n < end_of; n++) {
            seed = seed * 1664525 + 1013904223;
            noise[n] = i % 3 ? (char)(seed >> 24) : "\r\n: %&?=\0"[seed >> 24 & 7];
        }
        int fd = client_open(port);
        (void)!send(fd, noise, n, MSG_NOSIGNAL);
        if (i % 5 == 0)
            shutdown(fd, SHUT_WR);
        close(fd);
        if (i % NOISE_AT_ONCE == 0) { /* lest those it has not looked at yet are a crowd */
            client_get_once(port, "/-/healthy", &got);
            ck_assert_int_eq(got.status, 200);
        }
    }
    client_get_once(port, "/metrics", &got);
    ck_assert_int_eq(got.status, 200);
    end();
}
END_TEST

/* libmicrohttpd dies of answering a bad request while it stops. */
static int noisy[64];

static void *make_noise(void *arg)
{
    for (size_t i = 0; i < NV_LEN(noisy); i++)
        (void)!send(noisy[i], arg, strlen(arg), MSG_NOSIGNAL);
    return NULL;
}

START_TEST(a_stop_amid_garbage_harms_nobody)
{
    static char noise[] = "nothing\r\n: of the kind\r\n\r\n";

    for (int round = 0; round < 40; round++) {
        pthread_t thread;
        begin();
        for (size_t i = 0; i < NV_LEN(noisy); i++)
            noisy[i] = client_open(port);
        ck_assert_int_eq(pthread_create(&thread, NULL, make_noise, noise), 0);
        end();
        pthread_join(thread, NULL);
        for (size_t i = 0; i < NV_LEN(noisy); i++)
            close(noisy[i]);
    }
}
END_TEST

/* Of a stop they learn by the end of the connection, not by waiting. */
START_TEST(a_stop_ends_idle_connections_at_once)
{
    begin();
    int fd = client_open(port);
    client_send(fd, "GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n");
    client_receive(fd, false, &got);
    ck_assert_int_eq(got.status, 200);
    int64_t before_ns = nv_monotonic_ns();
    end();
    ck_assert_int_lt((nv_monotonic_ns() - before_ns) / 1000000, NV_WEB_LEAVE_MS);
    char byte;
    ck_assert_int_eq(recv(fd, &byte, 1, 0), 0);
    close(fd);
}
END_TEST

/* ---- listeners ------------------------------------------------------------------------------ */

START_TEST(every_listener_is_served)
{
    static const char *const listen[] = {"127.0.0.1:0", "127.0.0.1:0", "localhost:0"};

    begin_with(&(struct nv_web_options){.listen = listen, .n_listen = 3});
    ck_assert_uint_eq(nv_web_n_addresses(web), 3);
    for (size_t i = 0; i < 3; i++) {
        int at = (int)strtol(strrchr(nv_web_address(web, i), ':') + 1, NULL, 10);
        client_get_once(at, "/metrics", &got);
        ck_assert_int_eq(got.status, 200);
    }
    end();
}
END_TEST

START_TEST(a_telemetry_path_without_slash_is_refused)
{
    char error[NV_WEB_ERROR_MAX];
    struct nv_web_options options = {.telemetry_path = "metrics"};

    ck_assert_int_eq(nv_web_new(&options, &web, error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error, "'metrics' must begin with /"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/server");
    TCase *routes = tcase_create("routes"), *scrapes = tcase_create("scrapes");
    TCase *clients = tcase_create("clients"), *listeners = tcase_create("listeners");

    tcase_add_loop_test(routes, a_route_answers_to_the_letter, 0, NV_LEN(cases));
    tcase_add_test(routes, ready_follows_the_agent);
    tcase_add_test(routes, the_landing_page_leads_to_the_metrics_and_escapes_what_it_is_told);
    tcase_add_test(routes, a_telemetry_path_of_slash_takes_every_path_but_health);
    tcase_add_test(scrapes, any_method_scrapes_and_head_has_no_body);
    tcase_add_test(scrapes, a_selection_runs_those_collectors_only);
    tcase_add_test(scrapes, the_agents_own_collectors_cannot_be_chosen);
    tcase_add_test(scrapes, the_counts_rise_when_the_answer_is_written);
    tcase_add_test(scrapes, above_the_limit_scrapes_get_503_and_filtered_ones_do_not);
    tcase_add_test(scrapes, a_pass_takes_four_fifths_of_the_scrapers_patience);
    tcase_add_test(routes, a_whole_url_in_the_request_line_is_its_path);
    tcase_add_test(scrapes, health_answers_on_every_connection_while_passes_are_slow);
    tcase_add_test(scrapes, a_client_that_leaves_during_its_pass_harms_nobody);
    tcase_add_test(scrapes, a_stop_waits_for_passes_and_leaves_no_descriptor);
    tcase_add_test(clients, requests_in_one_packet_are_answered_in_order);
    tcase_add_test(clients, http_1_0_is_answered_and_closed);
    tcase_add_test(clients, a_long_body_is_refused_before_it_is_sent);
    tcase_add_test(clients, an_endless_body_is_cut_off);
    tcase_add_test(clients, a_head_that_is_too_long_is_refused);
    tcase_add_test(clients, garbage_harms_nobody);
    tcase_add_test(clients, a_stop_amid_garbage_harms_nobody);
    tcase_add_test(clients, a_stop_ends_idle_connections_at_once);
    tcase_add_test(listeners, every_listener_is_served);
    tcase_add_test(listeners, a_telemetry_path_without_slash_is_refused);
    TCase *all[] = {routes, scrapes, clients, listeners};
    for (size_t i = 0; i < NV_LEN(all); i++) {
        tcase_set_timeout(all[i], 120);
        suite_add_tcase(suite, all[i]);
    }
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
