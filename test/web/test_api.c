/*
 * test_api.c - the API from outside: who may ask, long answers, slow clients and those that hang up, a full house.
 */
#include "web/client.h"

#include <errno.h>
#include <pthread.h>

#include "support/fixture.h"
#include "web/limits.h"
#include "web/web.h"

/* ---- what is asked -------------------------------------------------------------------------- */

enum { SERIES = 400, POINTS = 2000 };

static struct {
    int held;                 /* atomic: reads wait while it is 1 */
    int slow_us;              /* of each read */
    int selects, reads, done; /* atomic: what happened */
} store;

static struct nv_label names[SERIES][2];
static char values[SERIES][16];
static struct nv_selected series[SERIES];

static int select_all(void *user, const struct nv_matcher *matchers, size_t n, int64_t from_ms,
                      int64_t to_ms, size_t limit, struct nv_selection *ret)
{
    (void)matchers, (void)n, (void)from_ms, (void)to_ms, (void)limit;
    *ret = (struct nv_selection){.from = user, .series = series, .n = SERIES};
    __atomic_add_fetch(&store.selects, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static int read_one(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    (void)selection;
    for (int n = 0; n < 60000 && __atomic_load_n(&store.held, __ATOMIC_SEQ_CST); n++)
        usleep(1000);
    usleep((useconds_t)store.slow_us);
    if (nv_samples_room(samples, POINTS) < 0)
        return -ENOMEM;
    for (size_t k = 0; k < POINTS; k++) {
        samples->times[samples->n] = (int64_t)k * 1000;
        samples->values[samples->n++] = (double)(i * k) + 0.5;
    }
    __atomic_add_fetch(&store.reads, 1, __ATOMIC_SEQ_CST);
    return 0;
}

static void release(struct nv_selection *selection)
{
    (void)selection;
    __atomic_add_fetch(&store.done, 1, __ATOMIC_SEQ_CST);
}

static struct nv_queryable queryable = {
    .store = &queryable, .select = select_all, .read = read_one, .release = release};

#define LONG_QUERY "/api/v1/query_range?query=c&start=0&end=1999&step=1"

/* ---- the server ----------------------------------------------------------------------------- */

static struct nv_gather *gather;
static struct nv_web *web;
static const char *config_file; /* of the next server; NULL for none */
static int port;

static const struct nv_family columns[] = {
    {"t_total", NV_COUNTER, NV_AS_IS, "T."}
};
static const struct nv_table table = {NV_NO_LABELS, columns, 1};

static int collect(struct nv_pass *pass)
{
    uint64_t value = 7;

    nv_emit_row(pass, &table, NULL, &value, 1);
    return 0;
}
static const struct nv_collector collector = {NV_ABI_STAMP, .name = "t", .collect = collect};

static void begin_with(struct nv_api api)
{
    static const char *const listen[] = {"127.0.0.1:0"}, *const collectors[] = {"t"};
    const struct nv_gather_options none = {
        .procfs = "/nowhere", .sysfs = "/nowhere", .rootfs = "/nowhere", .udev = "/nowhere"};
    const struct nv_web_options options = {
        .listen = listen,
        .n_listen = 1,
        .telemetry_path = "/metrics",
        .config_file = config_file,
        .version = "1",
        .branch = "b",
        .revision = "r",
        .collectors = collectors,
        .n_collectors = 1,
        .gather = gather = nv_gather_new(&none),
    };
    char error[NV_WEB_ERROR_MAX] = "";

    memset(&store, 0, sizeof(store));
    for (int i = 0; i < SERIES; i++) {
        snprintf(values[i], sizeof(values[i]), "%04d", i);
        names[i][0] = (struct nv_label){NV_LIT("__name__"), NV_LIT("c")};
        names[i][1] = (struct nv_label){NV_LIT("i"), nv_str(values[i])};
        series[i] = (struct nv_selected){.labels = names[i], .n_labels = 2};
    }
    if (!api.queryable)
        api.queryable = &queryable;
    ck_assert_int_eq(nv_gather_add(gather, &collector, NV_GATHER_NODE, NULL), 0);
    ck_assert_int_eq(nv_gather_start(gather, error), 0);
    int r = nv_web_new(&options, &web, error);
    ck_assert_msg(r == 0, "%s", error);
    r = nv_web_set_api(web, &api, error);
    ck_assert_msg(r == 0, "%s", error);
    r = nv_web_start(web, error);
    ck_assert_msg(r == 0, "%s", error);
    nv_web_set_ready(web, true);
    port = (int)strtol(strrchr(nv_web_address(web, 0), ':') + 1, NULL, 10);
}

static void begin(void)
{
    begin_with((struct nv_api){0});
}

/* With a web configuration, in which there is nothing yet. */
static void begin_with_gate(char path[256])
{
    nv_write_file(nv_temp_dir(), "web.yml", "");
    snprintf(path, 256, "%s/web.yml", nv_temp_dir());
    config_file = path;
    begin();
    config_file = NULL;
}

static void end(void)
{
    __atomic_store_n(&store.held, 0, __ATOMIC_SEQ_CST);
    nv_web_free(web);
    nv_gather_free(gather);
    web = NULL;
    gather = NULL;
}

static void await(const int *counter, int least)
{
    for (int i = 0; i < 60000; i++) {
        if (__atomic_load_n(counter, __ATOMIC_SEQ_CST) >= least)
            return;
        usleep(1000);
    }
    ck_abort_msg("%d, not %d", *counter, least);
}

/* One request as it stands, its answer. */
static struct answer ask(const char *request)
{
    struct answer answer;
    int fd = client_open(port);

    client_send(fd, request);
    client_receive(fd, true, &answer);
    close(fd);
    return answer;
}

#define GET(path, headers) ask("GET " path " HTTP/1.1\r\n" headers "\r\n")
#define HERE               "Host: localhost:9100\r\n"

/* ---- who may ask ---------------------------------------------------------------------------- */

START_TEST(clients_on_this_machine_may_ask)
{
    begin();
    struct answer answer = GET("/api/v1/query?query=1&time=4", HERE);
    ck_assert_int_eq(answer.status, 200);
    ck_assert_str_eq(
        answer.body,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4,\"1\"]}}");
    ck_assert_ptr_nonnull(strstr(answer.head, "Content-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(answer.head, "Vary: Origin\r\n"));
    ck_assert_int_eq(GET("/api/v1/query?query=1", "Host: 127.0.0.1\r\n").status, 200);
    end();
}
END_TEST

START_TEST(names_of_strangers_other_origins_and_proxies_are_refused)
{
    begin();
    struct answer answer = GET("/api/v1/query?query=1", "Host: evil.example\r\n");
    ck_assert_int_eq(answer.status, 403);
    ck_assert_ptr_nonnull(strstr(answer.body, "--web.api-access=all"));
    ck_assert_int_eq(GET("/api/v1/query?query=1", HERE "Origin: http://evil.example\r\n").status,
                     403);
    ck_assert_int_eq(GET("/api/v1/query?query=1", HERE "Sec-Fetch-Site: cross-site\r\n").status,
                     403);
    ck_assert_int_eq(GET("/api/v1/query?query=1", HERE "X-Forwarded-For: 10.0.0.1\r\n").status,
                     403);
    ck_assert_int_eq(GET("/api/v1/query?query=1", HERE "Origin: http://localhost:9100\r\n").status,
                     200);
    /* What everybody may have they still get. */
    ck_assert_int_eq(GET("/metrics", "Host: evil.example\r\n").status, 200);
    ck_assert_int_eq(GET("/", "Host: evil.example\r\n").status, 200);
    end();
}
END_TEST

/* It was written while the server ran, which speaks plain HTTP and so never asked anybody for a certificate. */
START_TEST(a_wish_for_certificates_lets_nobody_in_by_itself)
{
    char path[256];

    begin_with_gate(path);
    ck_assert_int_eq(GET("/api/v1/query?query=1", "Host: evil.example\r\n").status, 403);
    nv_write_file(nv_temp_dir(), "web.yml",
                  "tls_server_config: {cert_file: c, key_file: k, client_ca_file: a, "
                  "client_auth_type: RequireAndVerifyClientCert}\n");
    ck_assert_int_eq(GET("/api/v1/query?query=1", "Host: evil.example\r\n").status, 403);
    ck_assert_int_eq(GET("/api/v1/query?query=1", HERE).status, 200);
    end();
}
END_TEST

START_TEST(with_access_for_all_the_host_does_not_matter)
{
    begin_with((struct nv_api){.access = NV_API_ALL});
    ck_assert_int_eq(GET("/api/v1/query?query=1", "Host: any.example\r\n").status, 200);
    struct answer answer = GET("/api/v1/query?query=1", HERE "Origin: http://evil.example\r\n");
    ck_assert_int_eq(answer.status, 200);
    ck_assert_ptr_null(strstr(answer.head, "Allow-Origin"));
    end();
}
END_TEST

START_TEST(without_an_api_its_paths_are_unknown)
{
    begin_with((struct nv_api){.access = NV_API_OFF});
    struct answer answer = GET("/api/v1/query?query=1", HERE);
    ck_assert_int_eq(answer.status, 404);
    ck_assert_str_eq(answer.body, "404 page not found\n");
    end();
}
END_TEST

START_TEST(allowed_origins_are_told_so)
{
    begin_with((struct nv_api){.cors_origin = "https?://(a|b)\\.example"});
    struct answer answer = GET("/api/v1/query?query=1", HERE "Origin: http://a.example\r\n");
    ck_assert_int_eq(answer.status, 200);
    ck_assert_ptr_nonnull(strstr(answer.head, "Access-Control-Allow-Origin: http://a.example\r\n"));
    ck_assert_int_eq(GET("/api/v1/query?query=1", HERE "Origin: http://a.example.evil\r\n").status,
                     403);
    answer = ask("OPTIONS /api/v1/query HTTP/1.1\r\n" HERE "Origin: http://b.example\r\n\r\n");
    ck_assert_int_eq(answer.status, 204);
    ck_assert_ptr_nonnull(
        strstr(answer.head, "Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"));
    end();

    begin_with((struct nv_api){.cors_origin = ".*"});
    answer = GET("/api/v1/query?query=1", HERE "Origin: http://any.example\r\n");
    ck_assert_ptr_nonnull(strstr(answer.head, "Access-Control-Allow-Origin: *\r\n"));
    end();
}
END_TEST

START_TEST(switches_that_are_off_refuse)
{
    begin();
    ck_assert_int_eq(GET("/-/reload", HERE).status, 405);
    struct answer answer = ask("POST /-/quit HTTP/1.1\r\n" HERE "Content-Length: 0\r\n\r\n");
    ck_assert_int_eq(answer.status, 403);
    ck_assert_str_eq(answer.body, "Lifecycle API is not enabled.");
    answer = ask("POST /api/v1/admin/tsdb/clean_tombstones HTTP/1.1\r\n" HERE
                 "Content-Length: 0\r\n\r\n");
    ck_assert_int_eq(answer.status, 500);
    ck_assert_ptr_nonnull(strstr(answer.body, "admin APIs disabled"));
    end();
}
END_TEST

static int reloads, quits;
static int fake_reload(void *user, struct nv_buf *error)
{
    (void)user;
    if (reloads++ == 0)
        return 0;
    nv_buf_text(error, "line 3 is wrong");
    return -EINVAL;
}
static void fake_quit(void *user)
{
    (void)user;
    quits++;
}

START_TEST(a_reload_tells_what_it_came_to_and_an_end_is_announced_once)
{
    begin_with((struct nv_api){
        .lifecycle = true, .sources = {.reload = fake_reload, .quit = fake_quit}
    });
    static const char reload[] = "POST /-/reload HTTP/1.1\r\n" HERE "Content-Length: 0\r\n\r\n";
    static const char quit[] = "PUT /-/quit HTTP/1.1\r\n" HERE "Content-Length: 0\r\n\r\n";
    ck_assert_int_eq(ask(reload).status, 200);
    struct answer answer = ask(reload);
    ck_assert_int_eq(answer.status, 500);
    ck_assert_str_eq(answer.body, "failed to reload config: line 3 is wrong\n");
    ck_assert_str_eq(ask(quit).body, "Requesting termination... Goodbye!");
    ck_assert_str_eq(ask(quit).body, "Termination already in progress.");
    /* A page elsewhere has a browser post this without a thought. */
    ck_assert_int_eq(ask("POST /-/quit HTTP/1.1\r\n" HERE
                         "Origin: https://evil.example\r\nContent-Length: 0\r\n\r\n")
                         .status,
                     403);
    ck_assert_int_eq(quits, 2);
    end();
}
END_TEST

START_TEST(before_it_is_ready_the_api_says_so)
{
    begin();
    nv_web_set_ready(web, false);
    struct answer answer = GET("/api/v1/query?query=1", HERE);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_str_eq(answer.body, "Service Unavailable\n");
    ck_assert_ptr_nonnull(strstr(answer.head, "X-Prometheus-Stopping: false\r\n"));
    end();
}
END_TEST

/* ---- requests ------------------------------------------------------------------------------- */

START_TEST(parameters_come_from_url_and_form_the_form_first)
{
    begin();
    struct answer answer = ask("POST /api/v1/query?query=2&time=7 HTTP/1.1\r\n" HERE
                               "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
                               "Content-Length: 12\r\n\r\nquery=1%2B+1");
    ck_assert_str_eq(
        answer.body,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[7,\"2\"]}}");
    answer = ask("POST /api/v1/query?query=3&time=7 HTTP/1.1\r\n" HERE
                 "Content-Type: text/plain\r\nContent-Length: 7\r\n\r\nquery=1");
    ck_assert_str_eq(
        answer.body,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[7,\"3\"]}}");
    end();
}
END_TEST

START_TEST(other_methods_are_refused_with_those_that_are_not)
{
    begin();
    struct answer answer = ask("DELETE /api/v1/query HTTP/1.1\r\n" HERE "\r\n");
    ck_assert_int_eq(answer.status, 405);
    ck_assert_ptr_nonnull(strstr(answer.head, "Allow: OPTIONS, GET, POST\r\n"));
    end();
}
END_TEST

START_TEST(a_body_is_bounded_whether_announced_or_not)
{
    static char piece[1 << 20];
    char text[256];

    begin();
    snprintf(text, sizeof(text),
             "POST /api/v1/query HTTP/1.1\r\n" HERE
             "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n",
             NV_API_BODY_MAX + 1);
    struct answer answer = ask(text);
    ck_assert_int_eq(answer.status, 413);
    ck_assert_ptr_nonnull(strstr(answer.body, "\"errorType\":\"bad_data\""));

    int fd = client_open(port);
    client_send(fd, "POST /api/v1/query HTTP/1.1\r\n" HERE
                    "Content-Type: application/x-www-form-urlencoded\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n");
    memset(piece, '1', sizeof(piece) - 1);
    for (int i = 0; i < 6; i++) {
        snprintf(text, sizeof(text), "%zx\r\n", sizeof(piece) - 1);
        client_send(fd, text);
        client_send(fd, piece);
        client_send(fd, "\r\n");
    }
    client_send(fd, "0\r\n\r\n");
    client_receive(fd, true, &answer);
    close(fd);
    ck_assert_int_eq(answer.status, 413);
    end();
}
END_TEST

enum { STRANGERS = 8, ALMOST = NV_API_BODY_MAX - 1024 };

/* Where there is a web configuration, a body is read before anybody is asked who he is. */
START_TEST(strangers_do_not_take_the_room_for_bodies_from_who_may_ask)
{
    NV_AUTO_BUF mine = NV_BUF(NV_API_BODY_MAX), theirs = NV_BUF(NV_API_BODY_MAX);
    static const char form[] = "Content-Type: application/x-www-form-urlencoded\r\n";
    int fds[STRANGERS];
    char path[256];

    nv_buf_printf(
        &theirs,
        "POST /api/v1/query HTTP/1.1\r\nHost: evil.example\r\n%sContent-Length: %d\r\n\r\n", form,
        NV_API_BODY_MAX);
    while (theirs.n < ALMOST)
        nv_buf_text(&theirs, "a=11111111111111111111111111111&");
    nv_buf_printf(
        &mine, "POST /api/v1/query HTTP/1.1\r\n" HERE "%sContent-Length: %d\r\n\r\nquery=1&a=%0*d",
        form, 3 << 20, (3 << 20) - 10, 0);
    begin_with_gate(path);
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = client_open(port);
        client_send(fds[i], nv_buf_c_string(&theirs));
    }
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(ask(nv_buf_c_string(&mine)).status, 200);
        usleep(50000);
    }
    for (int i = 0; i < STRANGERS; i++)
        close(fds[i]);
    end();
}
END_TEST

START_TEST(more_parameters_than_the_bound_are_refused)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20);

    begin();
    nv_buf_printf(&text, "POST /api/v1/query HTTP/1.1\r\n" HERE
                         "Content-Type: application/x-www-form-urlencoded\r\n"
                         "Content-Length: 40004\r\n\r\n");
    for (int i = 0; i < 10001; i++)
        nv_buf_text(&text, "a=1&");
    struct answer answer = ask(nv_buf_c_string(&text));
    ck_assert_int_eq(answer.status, 400);
    ck_assert_ptr_nonnull(strstr(answer.body, "more than 10000 parameters"));
    end();
}
END_TEST

/* ---- long answers --------------------------------------------------------------------------- */

/* Reads up to `max` bytes, or to the end of a stream of chunks. */
static size_t drain(int fd, size_t max, char last[5])
{
    static char piece[65536];
    size_t n = 0;

    memset(last, 0, 5);
    while (n < max) {
        ssize_t got = recv(fd, piece, sizeof(piece) < max - n ? sizeof(piece) : max - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        for (ssize_t i = got < 5 ? 0 : got - 5; i < got; i++) {
            memmove(last, last + 1, 4);
            last[4] = piece[i];
        }
        if (memcmp(last, "0\r\n\r\n", 5) == 0)
            break;
    }
    return n;
}

START_TEST(a_long_answer_arrives_whole_at_a_client_that_dawdles)
{
    char last[5];

    begin();
    int fd = client_open(port);
    client_send(fd, "GET " LONG_QUERY " HTTP/1.1\r\n" HERE "\r\n");
    await(&store.reads, SERIES);
    usleep(100000);
    size_t n = drain(fd, 1 << 20, last);
    usleep(100000);
    n += drain(fd, SIZE_MAX, last);
    ck_assert_mem_eq(last, "0\r\n\r\n", 5);
    ck_assert_uint_gt(n, (size_t)SERIES * POINTS * 14);
    /* The connection serves the next. */
    struct answer answer;
    client_get(fd, "/metrics", &answer);
    ck_assert_int_eq(answer.status, 200);
    close(fd);
    end();
}
END_TEST

START_TEST(a_client_that_hangs_up_in_mid_answer_ends_its_query)
{
    char last[5];

    begin();
    for (int i = 0; i < 5; i++) {
        int fd = client_open(port);
        client_send(fd, "GET " LONG_QUERY " HTTP/1.1\r\n" HERE "\r\n");
        ck_assert_uint_eq(drain(fd, 1000, last), 1000);
        close(fd);
        await(&store.done, i + 1);
    }
    end();
}
END_TEST

START_TEST(a_client_that_hangs_up_before_the_answer_cancels_the_query)
{
    begin();
    store.slow_us = 20000; /* eight seconds in all */
    int fd = client_open(port);
    client_send(fd, "GET " LONG_QUERY " HTTP/1.1\r\n" HERE "\r\n");
    await(&store.reads, 1);
    close(fd);
    await(&store.done, 1);
    ck_assert_int_lt(__atomic_load_n(&store.reads, __ATOMIC_SEQ_CST), SERIES);
    end();
}
END_TEST

START_TEST(a_client_that_only_has_nothing_more_to_say_gets_its_answer)
{
    char last[5];

    begin();
    for (int i = 0; i < 20; i++) {
        struct answer answer;
        int fd = client_open(port);
        client_send(fd, "GET /api/v1/query?query=c HTTP/1.1\r\n" HERE "\r\n");
        shutdown(fd, SHUT_WR);
        client_receive(fd, true, &answer);
        ck_assert_int_eq(answer.status, 200);
        close(fd);
    }
    int fd = client_open(port);
    client_send(fd, "GET " LONG_QUERY " HTTP/1.1\r\n" HERE "\r\n");
    drain(fd, 1000, last);
    shutdown(fd, SHUT_WR);
    usleep((NV_API_HANGUP_MS + 300) * 1000);
    drain(fd, SIZE_MAX, last);
    ck_assert_mem_eq(last, "0\r\n\r\n", 5);
    close(fd);
    end();
}
END_TEST

START_TEST(the_stop_does_not_wait_for_who_does_not_read)
{
    begin();
    int fds[8];
    for (size_t i = 0; i < NV_LEN(fds); i++) {
        fds[i] = client_open(port);
        client_send(fds[i], "GET " LONG_QUERY " HTTP/1.1\r\n" HERE "\r\n");
    }
    await(&store.selects, 1);
    end();
    ck_assert_int_eq(store.selects, store.done);
    for (size_t i = 0; i < NV_LEN(fds); i++)
        close(fds[i]);
}
END_TEST

START_TEST(a_failure_behind_the_first_block_cuts_the_answer)
{
    begin_with((struct nv_api){.timeout_ms = 60000});
    char last[5];
    int fd = client_open(port);
    client_send(fd, "GET " LONG_QUERY " HTTP/1.1\r\n" HERE "\r\n");
    ck_assert_uint_eq(drain(fd, 1000, last), 1000);
    nv_web_stop(web);
    drain(fd, SIZE_MAX, last);
    ck_assert(memcmp(last, "0\r\n\r\n", 5) != 0);
    close(fd);
    end();
}
END_TEST

/* ---- a full house --------------------------------------------------------------------------- */

START_TEST(metrics_and_health_never_queue_behind_queries)
{
    int fds[40];

    begin_with((struct nv_api){.max_concurrency = 4});
    __atomic_store_n(&store.held, 1, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < NV_LEN(fds); i++) {
        fds[i] = client_open(port);
        client_send(fds[i], "GET /api/v1/query?query=c HTTP/1.1\r\n" HERE "\r\n");
    }
    await(&store.selects, 4);
    for (int i = 0; i < 20; i++) {
        ck_assert_int_eq(GET("/metrics", HERE).status, 200);
        ck_assert_int_eq(GET("/-/healthy", HERE).status, 200);
        ck_assert_int_eq(GET("/api/v1/format_query?query=1", HERE).status, 200);
    }
    ck_assert_int_eq(__atomic_load_n(&store.selects, __ATOMIC_SEQ_CST), 4);
    __atomic_store_n(&store.held, 0, __ATOMIC_SEQ_CST);
    for (size_t i = 0; i < NV_LEN(fds); i++) {
        struct answer answer;
        client_receive(fds[i], true, &answer);
        ck_assert_int_eq(answer.status, 200);
        close(fds[i]);
    }
    end();
}
END_TEST

START_TEST(a_query_whose_time_is_up_before_its_turn_is_told_so)
{
    struct answer answer;

    begin_with((struct nv_api){.max_concurrency = 1, .timeout_ms = 300});
    __atomic_store_n(&store.held, 1, __ATOMIC_SEQ_CST);
    int first = client_open(port), second = client_open(port);
    client_send(first, "GET /api/v1/query?query=c HTTP/1.1\r\n" HERE "\r\n");
    await(&store.selects, 1);
    client_send(second, "GET /api/v1/query?query=c HTTP/1.1\r\n" HERE "\r\n");
    usleep(800000);
    __atomic_store_n(&store.held, 0, __ATOMIC_SEQ_CST);
    client_receive(second, true, &answer);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_ptr_nonnull(strstr(answer.body, "query timed out in query queue"));
    client_receive(first, true, &answer);
    ck_assert_int_eq(answer.status, 503);
    ck_assert_ptr_nonnull(strstr(answer.body, "query timed out in expression evaluation"));
    close(first);
    close(second);
    end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/api");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, clients_on_this_machine_may_ask);
    tcase_add_test(tcase, names_of_strangers_other_origins_and_proxies_are_refused);
    tcase_add_test(tcase, a_wish_for_certificates_lets_nobody_in_by_itself);
    tcase_add_test(tcase, with_access_for_all_the_host_does_not_matter);
    tcase_add_test(tcase, without_an_api_its_paths_are_unknown);
    tcase_add_test(tcase, allowed_origins_are_told_so);
    tcase_add_test(tcase, switches_that_are_off_refuse);
    tcase_add_test(tcase, a_reload_tells_what_it_came_to_and_an_end_is_announced_once);
    tcase_add_test(tcase, before_it_is_ready_the_api_says_so);
    tcase_add_test(tcase, parameters_come_from_url_and_form_the_form_first);
    tcase_add_test(tcase, other_methods_are_refused_with_those_that_are_not);
    tcase_add_test(tcase, a_body_is_bounded_whether_announced_or_not);
    tcase_add_test(tcase, strangers_do_not_take_the_room_for_bodies_from_who_may_ask);
    tcase_add_test(tcase, more_parameters_than_the_bound_are_refused);
    tcase_add_test(tcase, a_long_answer_arrives_whole_at_a_client_that_dawdles);
    tcase_add_test(tcase, a_client_that_hangs_up_in_mid_answer_ends_its_query);
    tcase_add_test(tcase, a_client_that_hangs_up_before_the_answer_cancels_the_query);
    tcase_add_test(tcase, a_client_that_only_has_nothing_more_to_say_gets_its_answer);
    tcase_add_test(tcase, the_stop_does_not_wait_for_who_does_not_read);
    tcase_add_test(tcase, a_failure_behind_the_first_block_cuts_the_answer);
    tcase_add_test(tcase, metrics_and_health_never_queue_behind_queries);
    tcase_add_test(tcase, a_query_whose_time_is_up_before_its_turn_is_told_so);
    tcase_set_timeout(tcase, 200);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
