/*
 * test_http.c - requests to a server that answers, refuses, stalls, lies or goes away.
 */
#include "base/http.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>

#include "support/fixture.h"
#include "support/http_server.h"

enum { ANSWER_MAX = 1 << 20, SHORT_MS = 200 };

static struct nv_http_server *server;
static struct nv_buf seen = {.max = 8 << 20}; /* the last request */

/* "/echo" tells what came; the others are ways to go wrong. */
static enum nv_http_server_then answer(const char *request, struct nv_buf *out, void *user)
{
    const char *path = strchr(request, ' ') + 1;

    (void)user;
    nv_buf_reset(&seen);
    nv_buf_text(&seen, request);
    if (strncmp(path, "/stall", 6) == 0)
        return NV_HTTP_SERVER_STALL;
    if (strncmp(path, "/nothing", 8) == 0)
        return NV_HTTP_SERVER_CLOSE;
    if (strncmp(path, "/noise", 6) == 0) {
        nv_buf_text(out, "HELO this is no HTTP\r\n\r\n");
        return NV_HTTP_SERVER_CLOSE;
    }
    if (strncmp(path, "/cut", 4) == 0) {
        nv_buf_text(out, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
        return NV_HTTP_SERVER_CLOSE;
    }
    if (strncmp(path, "/head", 5) == 0) { /* half of it */
        nv_buf_text(out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n");
        return NV_HTTP_SERVER_CLOSE;
    }
    if (strncmp(path, "/packed", 7) == 0) { /* the front of a gzip, its length told right */
        nv_buf_text(out, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n");
        nv_buf_add(out, "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x54", 12);
        return NV_HTTP_SERVER_KEEP;
    }
    if (strncmp(path, "/unpacked", 9) == 0) {
        nv_buf_text(out,
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\na 1\n");
        return NV_HTTP_SERVER_KEEP;
    }
    if (strncmp(path, "/void", 5) == 0) {
        nv_buf_text(out, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n");
        return NV_HTTP_SERVER_KEEP;
    }
    if (strncmp(path, "/trailed", 8) == 0) {
        nv_buf_text(out,
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                    "\r\n0\r\nX-Behind: it\r\n\r\n");
        return NV_HTTP_SERVER_KEEP;
    }
    if (strncmp(path, "/large", 6) == 0) {
        nv_buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 2 * ANSWER_MAX);
        for (size_t i = 0; i < 2 * ANSWER_MAX; i++)
            nv_buf_char(out, 'x');
        return NV_HTTP_SERVER_KEEP;
    }
    if (strncmp(path, "/elsewhere", 10) == 0) {
        nv_buf_text(out, "HTTP/1.1 302 Found\r\nLocation: /echo\r\nContent-Length: 4\r\n\r\nmove");
        return NV_HTTP_SERVER_KEEP;
    }
    if (strncmp(path, "/around", 7) == 0) {
        nv_buf_text(out, "HTTP/1.1 302 Found\r\nLocation: /around\r\nContent-Length: 0\r\n\r\n");
        return NV_HTTP_SERVER_KEEP;
    }
    if (strncmp(path, "/file", 5) == 0) {
        nv_buf_text(out, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: "
                         "0\r\n\r\n");
        return NV_HTTP_SERVER_KEEP;
    }
    nv_http_server_answer(out, strncmp(path, "/gone", 5) == 0 ? 410 : 200, "text/plain; x=y",
                          "here you are");
    return NV_HTTP_SERVER_KEEP;
}

static void setup(void)
{
    server = nv_http_server_start(answer, NULL);
}

static void teardown(void)
{
    nv_http_server_stop(server);
    nv_buf_done(&seen);
}

static struct nv_http *new_client(const struct nv_http_options *options)
{
    struct nv_http *http = nv_http_new(options);

    ck_assert_ptr_nonnull(http);
    return http;
}

static const char *url_of(const char *path)
{
    static char url[256];

    snprintf(url, sizeof(url), "%s%s", nv_http_server_url(server), path);
    return url;
}

/* The status, or the errno; the body in *ret, which then is the caller's. */
static int get(struct nv_http *http, const char *url, struct nv_buf *ret)
{
    int status = 0;

    *ret = NV_BUF(ANSWER_MAX);
    int r = nv_http_ask(http, &(struct nv_http_request){.url = url, .into = ret}, &status);
    return r < 0 ? r : status;
}

static void must_fail(const struct nv_http_options *options, const char *url, int error,
                      const char *text)
{
    NV_AUTO(nv_http) *http = new_client(options);
    NV_AUTO_BUF body = {0};

    int r = get(http, url, &body);
    ck_assert_msg(r == error, "%s: %d %s", url, r, nv_http_error(http));
    ck_assert_msg(strstr(nv_http_error(http), text), "%s: %s", url, nv_http_error(http));
}

static bool was_sent(const char *text)
{
    return strstr(nv_buf_c_string(&seen), text) != NULL;
}

START_TEST(a_get_brings_status_headers_and_body)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});
    NV_AUTO_BUF body = {0};

    ck_assert_int_eq(get(http, url_of("/echo?a=b"), &body), 200);
    ck_assert_str_eq(nv_buf_c_string(&body), "here you are");
    ck_assert(nv_str_is(nv_http_header(http, "content-type"), "text/plain; x=y"));
    ck_assert(nv_str_is(nv_http_header(http, "X-Empty"), ""));
    ck_assert(nv_str_is(nv_http_header(http, "X-Missing"), ""));
    ck_assert(was_sent("GET /echo?a=b HTTP/1.1\r\n"));
    ck_assert(was_sent("User-Agent: nodevitals\r\n"));
    ck_assert(!was_sent("Accept-Encoding"));
}
END_TEST

START_TEST(any_status_is_an_answer)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});
    NV_AUTO_BUF body = {0};

    ck_assert_int_eq(get(http, url_of("/gone"), &body), 410);
    ck_assert_uint_eq(body.n, strlen("here you are"));
}
END_TEST

START_TEST(a_kept_client_keeps_its_connection)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});

    for (size_t i = 0; i < 10; i++) {
        NV_AUTO_BUF body = {0};
        ck_assert_int_eq(get(http, url_of("/echo"), &body), 200);
    }
    ck_assert_uint_eq(nv_http_server_connections(server), 1);
}
END_TEST

START_TEST(each_method_goes_out_as_it_is)
{
    static const struct {
        const char *method;
        struct nv_str body;
        const char *sent;
    } cases[] = {
        {NULL,     {NULL, 0},       "GET /echo "   },
        {NULL,     NV_LIT("x=1"),   "POST /echo "  },
        {"POST",   {NULL, 0},       "POST /echo "  },
        {"PUT",    NV_LIT("thing"), "PUT /echo "   },
        {"DELETE", {NULL, 0},       "DELETE /echo "},
        {"GET",    {NULL, 0},       "GET /echo "   },
        {"GET",    NV_LIT("body"),  "GET /echo "   },
        {"POST",   NV_LIT(""),      "POST /echo "  },
    };
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});

    for (size_t i = 0; i < NV_LEN(cases); i++) {
        struct nv_http_request request = {
            .method = cases[i].method, .body = cases[i].body, .url = url_of("/echo")};
        int status;
        ck_assert_int_eq(nv_http_ask(http, &request, &status), 0);
        ck_assert_int_eq(status, 200);
        ck_assert_msg(nv_str_starts(nv_buf_view(&seen), cases[i].sent), "%s", seen.p);
        ck_assert(nv_str_ends(nv_buf_view(&seen), cases[i].body.n ? cases[i].body.p : "\r\n\r\n"));
    }
}
END_TEST

START_TEST(a_head_request_waits_for_no_body)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});
    int status;

    ck_assert_int_eq(
        nv_http_ask(http, &(struct nv_http_request){.method = "HEAD", .url = url_of("/gone")},
                    &status),
        0);
    ck_assert_int_eq(status, 410);
}
END_TEST

START_TEST(headers_go_out_and_none_can_smuggle_a_second)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});
    const struct nv_http_header good[] = {
        {"Accept",  "a/b"},
        {"X-Empty", ""   }
    };
    const struct nv_http_header bad[] = {
        {"X-A",  "b\r\nX-B: c"},
        {"X:A",  "b"          },
        {"X\nA", "b"          },
        {"",     "b"          },
    };
    int status;

    ck_assert_int_eq(nv_http_ask(http,
                                 &(struct nv_http_request){.url = url_of("/echo"),
                                                           .headers = good,
                                                           .n_headers = NV_LEN(good)},
                                 &status),
                     0);
    ck_assert(was_sent("\r\nAccept: a/b\r\n"));
    ck_assert(was_sent("\r\nX-Empty:\r\n"));
    for (size_t i = 0; i < NV_LEN(bad); i++) {
        const struct nv_http_request request = {
            .url = url_of("/echo"), .headers = &bad[i], .n_headers = 1};
        ck_assert_int_eq(nv_http_ask(http, &request, &status), -EINVAL);
        ck_assert(strstr(nv_http_error(http), "header"));
    }
}
END_TEST

START_TEST(a_user_and_a_token_are_named_to_the_server)
{
    NV_AUTO_BUF body = {0};
    NV_AUTO(nv_http) *basic = new_client(&(struct nv_http_options){.user = "joe", .password = "x"});
    ck_assert_int_eq(get(basic, url_of("/echo"), &body), 200);
    ck_assert(was_sent("Authorization: Basic am9lOng=\r\n"));
    nv_buf_done(&body);

    NV_AUTO(nv_http) *token = new_client(&(struct nv_http_options){.credentials = "t0ken"});
    ck_assert_int_eq(get(token, url_of("/echo"), &body), 200);
    ck_assert(was_sent("Authorization: Bearer t0ken\r\n"));
}
END_TEST

/* Kubernetes renews tokens in place. */
START_TEST(a_token_file_is_read_for_each_request)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/token", nv_temp_dir());
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){.credentials_file = path});
    NV_AUTO_BUF body = {0};

    ck_assert_int_eq(get(http, url_of("/echo"), &body), -ENOENT);
    ck_assert(strstr(nv_http_error(http), "/token: No such file"));
    nv_write_file(nv_temp_dir(), "token", "first\n");
    ck_assert_int_eq(get(http, url_of("/echo"), &body), 200);
    ck_assert(was_sent("Authorization: Bearer first\r\n"));
    nv_buf_done(&body);
    nv_write_file(nv_temp_dir(), "token", "second");
    ck_assert_int_eq(get(http, url_of("/echo"), &body), 200);
    ck_assert(was_sent("Authorization: Bearer second\r\n"));
    nv_buf_done(&body);
    NV_AUTO(nv_http) *basic =
        new_client(&(struct nv_http_options){.user_file = path, .password_file = path});
    ck_assert_int_eq(get(basic, url_of("/echo"), &body), 200);
    ck_assert(was_sent("Authorization: Basic c2Vjb25kOnNlY29uZA==\r\n"));
    nv_buf_done(&body);
    nv_write_file(nv_temp_dir(), "token", "two\r\nlines");
    ck_assert_int_eq(get(http, url_of("/echo"), &body), -EINVAL);
}
END_TEST

START_TEST(a_socket_of_this_machine_is_asked_by_its_path)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});
    NV_AUTO_BUF body = {0};
    char url[256];

    snprintf(url, sizeof(url), "%s:/echo?x=:y", nv_http_server_socket(server));
    ck_assert_int_eq(get(http, url, &body), 200);
    ck_assert(was_sent("GET /echo?x=:y HTTP/1.1\r\n"));
    nv_buf_done(&body);
    ck_assert_int_eq(get(http, nv_http_server_socket(server), &body), 200);
    ck_assert(was_sent("GET / HTTP/1.1\r\n"));
    nv_buf_done(&body);
    ck_assert_int_eq(get(http, url_of("/echo"), &body), 200);
    must_fail(&(struct nv_http_options){0}, "unix:/no/such/socket:/x", -ENOENT, "cannot connect");
    must_fail(&(struct nv_http_options){0}, "unix:", -EINVAL, "unix:/path/of/socket");
    must_fail(&(struct nv_http_options){0}, "unix:/a:b", -EINVAL, "unix:/path/of/socket");
}
END_TEST

START_TEST(what_goes_wrong_is_told)
{
    static const struct {
        const char *path;
        int error;
        const char *text;
    } cases[] = {
        {"/nothing", -ECONNRESET, "hung up without an answer"},
        {"/cut",     -ECONNRESET, "hung up in mid-answer"    },
        {"/noise",   -EPROTO,     "no HTTP"                  },
        {"/large",   -EFBIG,      "more than 1048576 bytes"  },
    };

    for (size_t i = 0; i < NV_LEN(cases); i++)
        must_fail(&(struct nv_http_options){0}, url_of(cases[i].path), cases[i].error,
                  cases[i].text);
    must_fail(&(struct nv_http_options){.timeout_ms = SHORT_MS}, url_of("/stall"), -ETIMEDOUT,
              "no complete answer within 0.2 s");
    must_fail(&(struct nv_http_options){0}, "http://127.0.0.1:1/", -ECONNREFUSED,
              "Connection refused");
    must_fail(&(struct nv_http_options){0}, "ftp://127.0.0.1/", -EINVAL, "other than http");
    must_fail(&(struct nv_http_options){0}, "http://", -EINVAL, "");
    must_fail(&(struct nv_http_options){0}, "http://a\nb/", -EINVAL, "control characters");
}
END_TEST

/* Whoever reads "cannot connect" looks for the fault in the network. */
START_TEST(a_server_that_hangs_on_a_kept_connection_was_connected)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){.timeout_ms = SHORT_MS});
    NV_AUTO_BUF body = {0}, none = {0};

    while (get(http, url_of("/echo"), &body) != 200) /* however busy the machine is */
        nv_buf_done(&body);
    ck_assert_int_eq(get(http, url_of("/stall"), &none), -ETIMEDOUT);
    ck_assert_str_eq(nv_http_error(http), "no complete answer within 0.2 s");
}
END_TEST

START_TEST(redirects_are_followed_where_wanted_and_not_for_ever)
{
    const struct nv_http_options follow = {.follow_redirects = true};
    NV_AUTO(nv_http) *stays = new_client(&(struct nv_http_options){0});
    NV_AUTO(nv_http) *follows = new_client(&follow);
    NV_AUTO_BUF a = {0}, b = {0};

    ck_assert_int_eq(get(stays, url_of("/elsewhere"), &a), 302);
    ck_assert_int_eq(get(follows, url_of("/elsewhere"), &b), 200);
    ck_assert_str_eq(nv_buf_c_string(&b), "here you are");
    must_fail(&follow, url_of("/around"), -ELOOP, "too many redirects");
    must_fail(&follow, url_of("/file"), -EINVAL, "other than http");
}
END_TEST

static int take_some(void *user, struct nv_str bytes)
{
    size_t *left = user;

    if (bytes.n > *left)
        return -EDQUOT;
    *left -= bytes.n;
    return 0;
}

START_TEST(a_function_takes_the_body_piece_by_piece_and_may_end_it)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});
    size_t left = 3 * ANSWER_MAX;
    struct nv_http_request request = {.url = url_of("/large"), .take = take_some, .user = &left};
    int status;

    ck_assert_int_eq(nv_http_ask(http, &request, &status), 0);
    ck_assert_uint_eq(left, ANSWER_MAX);
    ck_assert_int_eq(nv_http_ask(http, &request, &status), -EDQUOT);
    ck_assert_str_eq(nv_http_error(http), strerror(EDQUOT));
}
END_TEST

static void *cancel(void *user)
{
    nv_http_cancel(user);
    return NULL;
}

static int cancel_at_first(void *user, struct nv_str bytes)
{
    pthread_t thread;

    (void)bytes;
    ck_assert_int_eq(pthread_create(&thread, NULL, cancel, user), 0);
    pthread_join(thread, NULL);
    return 0;
}

/* The deadline is an hour: only the cancelling ends it. */
START_TEST(another_thread_ends_a_request_and_those_to_come)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){.timeout_ms = 3600000});
    struct nv_http_request request = {.url = url_of("/stall")};
    pthread_t thread;
    int status;

    ck_assert_int_eq(pthread_create(&thread, NULL, cancel, http), 0);
    ck_assert_int_eq(nv_http_ask(http, &request, &status), -ECANCELED);
    pthread_join(thread, NULL);
    ck_assert_int_eq(nv_http_ask(http, &request, &status), -ECANCELED);
    ck_assert_str_eq(nv_http_error(http), "cancelled");

    NV_AUTO(nv_http) *second = new_client(&(struct nv_http_options){.timeout_ms = 3600000});
    request =
        (struct nv_http_request){.url = url_of("/large"), .take = cancel_at_first, .user = second};
    int r = nv_http_ask(second, &request, &status);
    ck_assert(r == -ECANCELED || r == 0); /* 0: all of it had come already */
}
END_TEST

START_TEST(an_answer_is_unpacked_where_wanted)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});
    int status;

    ck_assert_int_eq(nv_http_ask(http,
                                 &(struct nv_http_request){.url = url_of("/echo"), .decode = true},
                                 &status),
                     0);
    ck_assert(was_sent("Accept-Encoding: "));
    ck_assert(was_sent("gzip"));
}
END_TEST

/* The library takes each of them for a good answer. */
START_TEST(half_an_answer_is_none_though_it_ends_well)
{
    const struct nv_http_options options = {0};
    NV_AUTO(nv_http) *http = new_client(&options);
    NV_AUTO_BUF body = {0};

    must_fail(&options, url_of("/head"), -ECONNRESET, "hung up in mid-answer");
    must_fail(&options, url_of("/packed"), -ECONNRESET, "ends before its Content-Encoding does");
    must_fail(&options, url_of("/void"), -ECONNRESET, "ends before its Content-Encoding does");
    must_fail(&options, url_of("/unpacked"), -EBADMSG, "not coded as its Content-Encoding says");
    ck_assert_int_eq(get(http, url_of("/trailed"), &body), 200);
}
END_TEST

START_TEST(no_proxy_of_the_environment_is_used_unasked)
{
    NV_AUTO(nv_http) *http = new_client(&(struct nv_http_options){0});
    NV_AUTO(nv_http) *proxied =
        new_client(&(struct nv_http_options){.proxy_url = nv_http_server_url(server)});
    NV_AUTO_BUF body = {0};

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    ck_assert_int_eq(get(http, url_of("/echo"), &body), 200);
    nv_buf_done(&body);
    ck_assert_int_eq(get(proxied, "http://example.test/echo", &body), 200);
    ck_assert(was_sent("GET http://example.test/echo HTTP/1.1\r\n"));
    unsetenv("http_proxy");
}
END_TEST

START_TEST(text_is_escaped_for_a_form)
{
    NV_AUTO_BUF out = NV_BUF(256);

    nv_http_escape(&out, NV_LIT("rate(a{b=\"c\"}[5m]) + 1 & ~x\xc3\xa9"));
    ck_assert_str_eq(nv_buf_c_string(&out),
                     "rate%28a%7Bb%3D%22c%22%7D%5B5m%5D%29%20%2B%201%20%26%20~x%C3%A9");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http");
    TCase *tcase = tcase_create("http");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_get_brings_status_headers_and_body);
    tcase_add_test(tcase, any_status_is_an_answer);
    tcase_add_test(tcase, a_kept_client_keeps_its_connection);
    tcase_add_test(tcase, each_method_goes_out_as_it_is);
    tcase_add_test(tcase, a_head_request_waits_for_no_body);
    tcase_add_test(tcase, headers_go_out_and_none_can_smuggle_a_second);
    tcase_add_test(tcase, a_user_and_a_token_are_named_to_the_server);
    tcase_add_test(tcase, a_token_file_is_read_for_each_request);
    tcase_add_test(tcase, a_socket_of_this_machine_is_asked_by_its_path);
    tcase_add_test(tcase, what_goes_wrong_is_told);
    tcase_add_test(tcase, a_server_that_hangs_on_a_kept_connection_was_connected);
    tcase_add_test(tcase, redirects_are_followed_where_wanted_and_not_for_ever);
    tcase_add_test(tcase, a_function_takes_the_body_piece_by_piece_and_may_end_it);
    tcase_add_test(tcase, another_thread_ends_a_request_and_those_to_come);
    tcase_add_test(tcase, an_answer_is_unpacked_where_wanted);
    tcase_add_test(tcase, half_an_answer_is_none_though_it_ends_well);
    tcase_add_test(tcase, no_proxy_of_the_environment_is_used_unasked);
    tcase_add_test(tcase, text_is_escaped_for_a_form);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
