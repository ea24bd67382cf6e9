/*
 * test_pull.c - one target, and what it answers: who asks, what is asked for, and what is said where it does not work.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "expo/expo.h"
#include "scrape/scrape.h"
#include "support/certificate.h"
#include "support/fixture.h"
#include "support/http_server.h"
#include "support/scrape_store.h"

enum { TEXT = 64 << 10, BODY = 1 << 20 };

static struct nv_http_server *server, *other;
static struct nv_scrape_store *store;
static struct nv_scrape *scrape;

static char last_request[TEXT];       /* of the server */
static char last_of_other[TEXT];      /* of the other */
static nv_http_server_fn *now_answer; /* what the server does in this test */

static enum nv_http_server_then serve(const char *request, struct nv_buf *out, void *user)
{
    char *kept = user;

    snprintf(kept, TEXT, "%s", request);
    if (kept == last_of_other || !now_answer) {
        nv_http_server_answer(out, 200, "text/plain; version=0.0.4", "a 1\n");
        return NV_HTTP_SERVER_KEEP;
    }
    return (*now_answer)(request, out, user);
}

static void begin(void)
{
    nv_quiet();
    now_answer = NULL;
    server = nv_http_server_start(serve, last_request);
    other = nv_http_server_start(serve, last_of_other);
    store = nv_scrape_store_new();
    scrape = nv_scrape_new(&(struct nv_scrape_options){.storage = nv_scrape_store_storage(store),
                                                       .user_agent = "nodevitals/test"});
    ck_assert_ptr_nonnull(scrape);
}

static void end(void)
{
    nv_scrape_free(scrape);
    nv_scrape_store_free(store);
    nv_http_server_stop(server);
    nv_http_server_stop(other);
}

/* Asks the server once or more, with further settings of the job, until the n-th frame is there. */
static void ask(const char *settings, nv_http_server_fn *answer, size_t n)
{
    NV_AUTO_BUF yaml = NV_BUF(TEXT);
    char error[NV_YAML_ERROR_MAX] = "", path[512];
    NV_AUTO(nv_config) *config = NULL;

    now_answer = answer;
    snprintf(path, sizeof(path), "%s/config.yml", nv_temp_dir());
    nv_buf_printf(&yaml,
                  "scrape_configs:\n- job_name: j\n  scrape_interval: 300ms\n%s"
                  "  static_configs: [{targets: ['127.0.0.1:%u'], labels: {instance: it}}]\n",
                  settings, nv_http_server_port(server));
    int r = nv_config_parse(path, nv_buf_view(&yaml), &config, error);
    ck_assert_msg(r == 0, "%s", error);
    ck_assert_int_eq(nv_scrape_apply(scrape, config, error), 0);
    ck_assert_int_eq(nv_scrape_start(scrape), 0);
    nv_scrape_store_wait(store, "it", n);
}

static double up(int i)
{
    return nv_scrape_store_value(store, "it", i, "up");
}

static int copy_error(void *to, const struct nv_scrape_view *view)
{
    nv_buf_str(to, view->error);
    return 0;
}

/* The error of the last scrape; a frame may be there a moment before it is shown. */
static void says(const char *expected)
{
    NV_AUTO_BUF got = NV_BUF(TEXT);

    for (int i = 0; i < 1000; i++) {
        nv_buf_reset(&got);
        ck_assert_int_eq(nv_scrape_targets(scrape, copy_error, &got), 0);
        if (strstr(nv_buf_c_string(&got), expected))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    ck_abort_msg("'%s' lacks '%s'", nv_buf_c_string(&got), expected);
}

static bool was_sent(const char *request, const char *line)
{
    NV_AUTO_BUF wanted = NV_BUF(TEXT);

    nv_buf_printf(&wanted, "\r\n%s\r\n", line);
    return strstr(request, nv_buf_c_string(&wanted)) != NULL;
}

static void write_file(const char *name, const char *text)
{
    char path[512], temporary[512];

    snprintf(path, sizeof(path), "%s/%s", nv_temp_dir(), name);
    snprintf(temporary, sizeof(temporary), "%s/%s.new", nv_temp_dir(), name);
    FILE *file = fopen(temporary, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(rename(temporary, path), 0);
}

/* ---- what is asked for ---------------------------------------------------------------------- */

START_TEST(a_scrape_says_who_asks_what_for_and_until_when)
{
    ask("  scrape_timeout: 250ms\n  params: {p: ['a b', c]}\n  http_headers: {X-Own: {values: "
        "[v]}}\n"
        "  basic_auth: {username: me, password: secret}\n",
        NULL, 1);
    ck_assert(nv_str_starts(nv_str(last_request), "GET /metrics?p=a+b&p=c HTTP/1.1\r\n"));
    ck_assert(was_sent(last_request, "User-Agent: nodevitals/test"));
    ck_assert(was_sent(last_request, "X-Prometheus-Scrape-Timeout-Seconds: 0.25"));
    ck_assert(was_sent(last_request, "X-Own: v"));
    ck_assert(was_sent(last_request, "Authorization: Basic bWU6c2VjcmV0"));
    ck_assert_ptr_nonnull(
        strstr(last_request, "\r\nAccept: application/openmetrics-text;version=1.0.0;"));
    ck_assert_ptr_nonnull(strstr(last_request, "\r\nAccept-Encoding: gzip"));
    ck_assert_double_eq(up(0), 1);
}
END_TEST

/* The answer, compressed with what the job accepts best. */
static enum nv_http_server_then answer_compressed(const char *request, struct nv_buf *out,
                                                  void *user)
{
    bool zstd = strstr(request, "zstd") != NULL, gzip = strstr(request, "gzip") != NULL;
    NV_AUTO(nv_compressor) *compressor = nv_compressor_new();
    NV_AUTO_BUF body = NV_BUF(BODY), coded = NV_BUF(BODY);

    (void)user;
    for (int i = 0; i < 1000; i++)
        nv_buf_printf(&body, "a{i=\"%d\"} %d\n", i, i);
    ck_assert_int_eq(nv_compress(compressor,
                                 zstd   ? NV_CODING_ZSTD
                                 : gzip ? NV_CODING_GZIP
                                        : NV_CODING_IDENTITY,
                                 nv_buf_view(&body), &coded),
                     0);
    nv_buf_printf(out,
                  "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                  "Content-Encoding: %s\r\nContent-Length: %zu\r\n\r\n",
                  zstd   ? "zstd"
                  : gzip ? "gzip"
                         : "identity",
                  coded.n);
    nv_buf_str(out, nv_buf_view(&coded));
    return NV_HTTP_SERVER_KEEP;
}

START_TEST(compressed_answers_are_read_where_that_is_wanted)
{
    static nv_http_server_fn compressed = answer_compressed;

    ask("", &compressed, 1);
    ck_assert_double_eq(nv_scrape_store_value(store, "it", 0, "scrape_samples_scraped"), 1000);
    ask("  enable_compression: false\n", &compressed, nv_scrape_store_count(store, "it") + 2);
    ck_assert(was_sent(last_request, "Accept-Encoding: identity"));
    ck_assert_double_eq(nv_scrape_store_value(store, "it", -1, "scrape_samples_scraped"), 1000);
}
END_TEST

START_TEST(a_body_counts_as_it_is_unpacked)
{
    static nv_http_server_fn compressed = answer_compressed;

    ask("  body_size_limit: 9000B\n", &compressed, 1);
    ck_assert_double_eq(up(0), 0);
    says("body size limit exceeded");
}
END_TEST

/* Two of three series are more than a store can hold. */
static enum nv_http_server_then answer_too_long(const char *request, struct nv_buf *out, void *user)
{
    NV_AUTO_BUF body = NV_BUF(BODY);

    (void)request;
    (void)user;
    nv_buf_printf(&body, "good 1\nlong{x=\"%070000d\"} 2\nmany{", 0);
    for (int i = 0; i < 200; i++)
        nv_buf_printf(&body, "l%d=\"v\",", i);
    nv_buf_text(&body, "} 3\n");
    nv_http_server_answer(out, 200, "text/plain; version=0.0.4", nv_buf_c_string(&body));
    return NV_HTTP_SERVER_KEEP;
}

START_TEST(samples_that_no_store_can_hold_are_counted)
{
    static nv_http_server_fn too_long = answer_too_long;
    struct nv_scrape_stats stats = {0};

    ask("", &too_long, 1);
    ck_assert_double_eq(up(0), 1);
    ck_assert_double_eq(nv_scrape_store_value(store, "it", 0, "good"), 1);
    ck_assert_double_eq(nv_scrape_store_value(store, "it", 0, "scrape_samples_scraped"), 3);
    for (int i = 0; i < 1000 && !stats.refused_samples; i++) {
        nv_scrape_stats(scrape, &stats); /* a moment after the frame */
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    ck_assert_uint_ge(stats.refused_samples, 2);
    ck_assert_uint_eq(stats.refused_samples % 2, 0);
}
END_TEST

/* ---- who asks ------------------------------------------------------------------------------- */

static enum nv_http_server_then answer_to_the_new_token(const char *request, struct nv_buf *out,
                                                        void *user)
{
    (void)user;
    if (was_sent(request, "Authorization: Bearer new")) {
        nv_http_server_answer(out, 200, "text/plain; version=0.0.4", "a 1\n");
    } else {
        write_file("token", "new\n"); /* while the old one is on its way */
        nv_http_server_answer(out, 401, "text/plain", "Unauthorized");
    }
    return NV_HTTP_SERVER_KEEP;
}

START_TEST(a_token_that_is_replaced_meanwhile_costs_no_scrape)
{
    static nv_http_server_fn rotating = answer_to_the_new_token;

    write_file("token", "old\n");
    ask("  bearer_token_file: token\n", &rotating, 3);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(up(i), 1);
}
END_TEST

static enum nv_http_server_then answer_401(const char *request, struct nv_buf *out, void *user)
{
    (void)request, (void)user;
    nv_http_server_answer(out, 401, "text/plain", "");
    return NV_HTTP_SERVER_KEEP;
}

static enum nv_http_server_then answer_403(const char *request, struct nv_buf *out, void *user)
{
    (void)request, (void)user;
    nv_http_server_answer(out, 403, "text/plain",
                          "Forbidden (user=agent, verb=get,\n  resource=nodes)\x01\xff");
    return NV_HTTP_SERVER_KEEP;
}

/* What is answered, the settings of the job, and what is said. */
static const struct {
    nv_http_server_fn answer;
    const char *settings, *expected;
} refusals[] = {
    {answer_401, "",
     "server returned HTTP status 401 Unauthorized: the target wants to know who asks, and the job "
     "has "
     "no credentials"                                                                                                                },
    {answer_401, "  bearer_token: x\n",
     "401 Unauthorized: the target does not accept the configured credentials"                                                       },
    {answer_401, "  basic_auth: {username: me, password: x}\n",
     "401 Unauthorized: the target does not accept user \"me\" with this password"                                                   },
    {answer_403, "  bearer_token: x\n",
     "403 Forbidden: the configured credentials may not read this: a permission is missing; it "
     "says: "
     "Forbidden (user=agent, verb=get, resource=nodes)"                                                                              },
    {answer_403, "",                                            "403 Forbidden: the target lets nobody read this without credentials"},
    {NULL,       "  bearer_token_file: missing\n",              "/missing: No such file or directory"                                },
};

START_TEST(a_refusal_says_what_is_missing)
{
    static nv_http_server_fn answer;

    answer = refusals[_i].answer;
    ask(refusals[_i].settings, answer ? &answer : NULL, 1);
    ck_assert_double_eq(up(0), 0);
    says(refusals[_i].expected);
}
END_TEST

/* ---- where it leads ------------------------------------------------------------------------- */

static char location[256];

static enum nv_http_server_then answer_with_redirect(const char *request, struct nv_buf *out,
                                                     void *user)
{
    (void)user;
    if (nv_str_starts(nv_str(request), "GET /moved"))
        nv_http_server_answer(out, 200, "text/plain; version=0.0.4", "a 1\n");
    else
        nv_buf_printf(out, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 5\r\n\r\nhello",
                      location);
    return NV_HTTP_SERVER_KEEP;
}

START_TEST(a_redirect_keeps_who_we_are_on_its_own_host_alone)
{
    static nv_http_server_fn redirecting = answer_with_redirect;
    static const char secrets[] =
        "  authorization: {credentials: secret}\n  http_headers: {X-Key: {secrets: [hidden]}}\n";

    snprintf(location, sizeof(location), "/moved");
    ask(secrets, &redirecting, 1);
    ck_assert_double_eq(up(-1), 1);
    ck_assert(was_sent(last_request, "Authorization: Bearer secret"));
    ck_assert(was_sent(last_request, "X-Key: hidden"));

    snprintf(location, sizeof(location), "%s/metrics", nv_http_server_url(other));
    nv_scrape_store_wait(store, "it", nv_scrape_store_count(store, "it") + 2);
    ck_assert_ptr_null(strstr(last_of_other, "secret"));
    ck_assert_ptr_null(strstr(last_of_other, "hidden"));
}
END_TEST

START_TEST(redirects_are_not_followed_where_that_is_off)
{
    static nv_http_server_fn redirecting = answer_with_redirect;

    snprintf(location, sizeof(location), "/moved");
    ask("  follow_redirects: false\n", &redirecting, 1);
    ck_assert_double_eq(up(-1), 0);
    says("server returned HTTP status 302 Found: follow_redirects is off");
}
END_TEST

/* ---- hostile answers ------------------------------------------------------------------------ */

static enum nv_http_server_then answer_half(const char *request, struct nv_buf *out, void *user)
{
    (void)request, (void)user;
    nv_buf_text(out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                     "Content-Length: 100\r\n\r\na 1\n");
    return NV_HTTP_SERVER_CLOSE;
}

static enum nv_http_server_then answer_and_stall(const char *request, struct nv_buf *out,
                                                 void *user)
{
    answer_half(request, out, user);
    return NV_HTTP_SERVER_STALL;
}

static enum nv_http_server_then answer_long_refusal(const char *request, struct nv_buf *out,
                                                    void *user)
{
    (void)request, (void)user;
    nv_buf_text(out, "HTTP/1.1 503 Away\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 10000; i++)
        nv_buf_printf(out, "%-100s", "no");
    return NV_HTTP_SERVER_KEEP;
}

static enum nv_http_server_then answer_no_http(const char *request, struct nv_buf *out, void *user)
{
    (void)request, (void)user;
    nv_buf_text(out, "SSH-2.0-OpenSSH_9.2\r\n");
    return NV_HTTP_SERVER_CLOSE;
}

static const struct {
    nv_http_server_fn answer;
    const char *expected;
} troubles[] = {
    {answer_half,         "the server hung up in mid-answer"                                   },
    {answer_and_stall,    "no complete answer within 0."                                       },
    {answer_long_refusal, "server returned HTTP status 503 Service Unavailable; it says: no no"},
    {answer_no_http,      "the answer is no HTTP"                                              },
};

START_TEST(half_an_answer_is_none)
{
    static nv_http_server_fn answer;

    answer = troubles[_i].answer;
    ask("", &answer, 2);
    ck_assert_double_eq(up(-1), 0);
    ck_assert(isnan(nv_scrape_store_value(store, "it", -1, "a")));
    says(troubles[_i].expected);
}
END_TEST

/* ---- TLS ------------------------------------------------------------------------------------ */

START_TEST(a_certificate_is_checked)
{
    char cert[512], key[512], settings[1200];

    nv_certificate_write(nv_temp_dir(), "ca", NULL, NULL);
    nv_certificate_write(nv_temp_dir(), "server", "node.example", "ca");
    snprintf(cert, sizeof(cert), "%s/server.crt", nv_temp_dir());
    snprintf(key, sizeof(key), "%s/server.key", nv_temp_dir());
    nv_http_server_use_tls(server, &(struct nv_http_server_tls){cert, key, NULL, false});

    ask("  scheme: https\n", NULL, 1);
    ck_assert_double_eq(up(-1), 0);
    snprintf(settings, sizeof(settings),
             "  scheme: https\n  tls_config: {ca_file: ca.crt, server_name: node.example}\n");
    ask(settings, NULL, nv_scrape_store_count(store, "it") + 2);
    ck_assert_double_eq(up(-1), 1);
    ask("  scheme: https\n  tls_config: {ca_file: ca.crt}\n", NULL,
        nv_scrape_store_count(store, "it") + 2);
    ck_assert_double_eq(up(-1), 0); /* it is for another host */
    ask("  scheme: https\n  tls_config: {insecure_skip_verify: true}\n", NULL,
        nv_scrape_store_count(store, "it") + 2);
    ck_assert_double_eq(up(-1), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("pull");
    TCase *tests = tcase_create("pull");
    SRunner *runner = srunner_create(suite);

    tcase_add_checked_fixture(tests, begin, end);
    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_scrape_says_who_asks_what_for_and_until_when);
    tcase_add_test(tests, compressed_answers_are_read_where_that_is_wanted);
    tcase_add_test(tests, a_body_counts_as_it_is_unpacked);
    tcase_add_test(tests, samples_that_no_store_can_hold_are_counted);
    tcase_add_test(tests, a_token_that_is_replaced_meanwhile_costs_no_scrape);
    tcase_add_loop_test(tests, a_refusal_says_what_is_missing, 0,
                        sizeof(refusals) / sizeof(refusals[0]));
    tcase_add_test(tests, a_redirect_keeps_who_we_are_on_its_own_host_alone);
    tcase_add_test(tests, redirects_are_not_followed_where_that_is_off);
    tcase_add_loop_test(tests, half_an_answer_is_none, 0, sizeof(troubles) / sizeof(troubles[0]));
    tcase_add_test(tests, a_certificate_is_checked);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
