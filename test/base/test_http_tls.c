/*
 * test_http_tls.c - whom a client trusts, and what it shows of itself.
 */
#include <check.h>

#include "base/http.h"
#include "support/certificate.h"
#include "support/fixture.h"
#include "support/http_server.h"

enum { PATH_LENGTH = 4096 };

static struct nv_http_server *server;
static struct nv_buf seen = {.max = 1 << 20};
static char here_crt[PATH_LENGTH], here_key[PATH_LENGTH], away_crt[PATH_LENGTH],
    away_key[PATH_LENGTH], authority[PATH_LENGTH];

static enum nv_http_server_then answer(const char *request, struct nv_buf *out, void *user)
{
    (void)user;
    nv_buf_reset(&seen);
    nv_buf_text(&seen, request);
    nv_http_server_answer(out, 200, "text/plain", "secret");
    return NV_HTTP_SERVER_KEEP;
}

static void make_certificates(void)
{
    const char *dir = nv_temp_dir();

    nv_certificate_write(dir, "authority", NULL, NULL);
    nv_certificate_write(dir, "here", "127.0.0.1", "authority");
    nv_certificate_write(dir, "away", "node.example", "authority");
    snprintf(authority, sizeof(authority), "%s/authority.crt", dir);
    snprintf(here_crt, sizeof(here_crt), "%s/here.crt", dir);
    snprintf(here_key, sizeof(here_key), "%s/here.key", dir);
    snprintf(away_crt, sizeof(away_crt), "%s/away.crt", dir);
    snprintf(away_key, sizeof(away_key), "%s/away.key", dir);
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

/* Asks once. Returns the status or the errno; what went wrong in `error`. */
static int ask(const struct nv_http_tls *tls, char error[NV_HTTP_ERROR_MAX])
{
    NV_AUTO(nv_http) *http = nv_http_new(&(struct nv_http_options){.tls = *tls});
    int status = 0;

    ck_assert_ptr_nonnull(http);
    const struct nv_http_request request = {.url = nv_http_server_url(server)};
    int r = nv_http_ask(http, &request, &status);
    snprintf(error, NV_HTTP_ERROR_MAX, "%s", r < 0 ? nv_http_error(http) : "");
    return r < 0 ? r : status;
}

static void must_answer(struct nv_http_tls tls)
{
    char error[NV_HTTP_ERROR_MAX];
    int r = ask(&tls, error);

    ck_assert_msg(r == 200, "%d: %s", r, error);
}

static void must_fail(int expected, struct nv_http_tls tls, const char *text)
{
    char error[NV_HTTP_ERROR_MAX];
    int r = ask(&tls, error);

    ck_assert_msg(r == expected && strcasestr(error, text), "%d: %s", r, error);
}

static void must_refuse(struct nv_http_tls tls, const char *text)
{
    must_fail(-EPROTO, tls, text);
}

START_TEST(a_server_is_trusted_where_the_authority_signed_for_its_name)
{
    nv_http_server_use_tls(server, &(struct nv_http_server_tls){here_crt, here_key});
    must_answer((struct nv_http_tls){.ca_file = authority});
}
END_TEST

START_TEST(a_server_of_an_unknown_authority_is_refused_unless_told_otherwise)
{
    nv_http_server_use_tls(server, &(struct nv_http_server_tls){here_crt, here_key});
    must_refuse((struct nv_http_tls){0}, "certificate");
    must_answer((struct nv_http_tls){.insecure_skip_verify = true});
}
END_TEST

static const char *read_text(const char *path, char text[PATH_LENGTH])
{
    FILE *file = fopen(path, "re");

    ck_assert_ptr_nonnull(file);
    text[fread(text, 1, PATH_LENGTH - 1, file)] = '\0';
    fclose(file);
    return text;
}

START_TEST(certificates_may_stand_in_the_options_themselves)
{
    char ca[PATH_LENGTH], cert[PATH_LENGTH], key[PATH_LENGTH];
    const struct nv_http_tls tls = {.ca = read_text(authority, ca),
                                    .cert = read_text(away_crt, cert),
                                    .key = read_text(away_key, key)};

    nv_http_server_use_tls(
        server, &(struct nv_http_server_tls){here_crt, here_key, .wants_certificate = true});
    must_answer(tls);
}
END_TEST

START_TEST(a_missing_file_is_named)
{
    nv_http_server_use_tls(server, &(struct nv_http_server_tls){here_crt, here_key});
    must_fail(-ENOENT, (struct nv_http_tls){.ca_file = "/no/such/ca.crt"},
              "cannot read /no/such/ca.crt: No such file");
    must_fail(-ENOENT,
              (struct nv_http_tls){
                  .ca_file = authority, .cert_file = "/no/such.crt", .key_file = away_key},
              "cannot read /no/such.crt: No such file");
}
END_TEST

START_TEST(another_name_is_refused_unless_it_is_the_one_asked_for)
{
    nv_http_server_use_tls(server, &(struct nv_http_server_tls){away_crt, away_key});
    must_refuse((struct nv_http_tls){.ca_file = authority}, "name");
    must_answer((struct nv_http_tls){.ca_file = authority, .server_name = "node.example"});
    ck_assert(strstr(nv_buf_c_string(&seen), "\r\nHost: 127.0.0.1:"));
    must_refuse((struct nv_http_tls){.ca_file = authority, .server_name = "other.example"}, "name");
}
END_TEST

START_TEST(a_certificate_of_our_own_is_shown_where_there_is_one)
{
    nv_http_server_use_tls(
        server, &(struct nv_http_server_tls){here_crt, here_key, "NORMAL:-VERS-TLS1.3", true});
    must_answer(
        (struct nv_http_tls){.ca_file = authority, .cert_file = away_crt, .key_file = away_key});
    must_refuse((struct nv_http_tls){.ca_file = authority}, "");
}
END_TEST

START_TEST(versions_outside_the_wanted_ones_are_refused)
{
    nv_http_server_use_tls(server,
                           &(struct nv_http_server_tls){here_crt, here_key, "NORMAL:-VERS-TLS1.3"});
    must_answer((struct nv_http_tls){.ca_file = authority, .min_version = NV_TLS_1_2});
    must_refuse((struct nv_http_tls){.ca_file = authority, .min_version = NV_TLS_1_3}, "");
    must_answer((struct nv_http_tls){.ca_file = authority, .max_version = NV_TLS_1_2});
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("http_tls");
    TCase *tcase = tcase_create("tls");

    tcase_add_unchecked_fixture(tcase, make_certificates, NULL);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_server_is_trusted_where_the_authority_signed_for_its_name);
    tcase_add_test(tcase, a_server_of_an_unknown_authority_is_refused_unless_told_otherwise);
    tcase_add_test(tcase, certificates_may_stand_in_the_options_themselves);
    tcase_add_test(tcase, a_missing_file_is_named);
    tcase_add_test(tcase, another_name_is_refused_unless_it_is_the_one_asked_for);
    tcase_add_test(tcase, a_certificate_of_our_own_is_shown_where_there_is_one);
    tcase_add_test(tcase, versions_outside_the_wanted_ones_are_refused);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
