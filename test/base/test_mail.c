/*
 * test_mail.c - mail to a server that takes it, wants TLS or a password, or refuses.
 */
#include "base/mail.h"

#include <arpa/inet.h>
#include <check.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <sys/socket.h>

#include "support/certificate.h"
#include "support/fixture.h"

enum { PATH_LENGTH = 4096, SEEN_MAX = 16 << 20 };

/* What the server offers; and what it was told, line by line. */
static struct {
    bool offers_tls, wants_user, refuses, hangs;
    char cert_file[PATH_LENGTH], key_file[PATH_LENGTH], ca_file[PATH_LENGTH];

    int listening, fd;
    pthread_t thread;
    gnutls_session_t tls;
    gnutls_certificate_credentials_t credentials;
    struct nv_buf seen;
    char address[64];
} server;

/* ---- the server ----------------------------------------------------------------------------- */

static void say(const char *text)
{
    size_t n = strlen(text);

    if (server.tls)
        gnutls_record_send(server.tls, text, n);
    else
        send(server.fd, text, n, MSG_NOSIGNAL);
}

/* A line without its CR LF; false at the end. */
static bool hear(struct nv_buf *line)
{
    char c;

    nv_buf_reset(line);
    for (;;) {
        ssize_t n = server.tls ? gnutls_record_recv(server.tls, &c, 1) : recv(server.fd, &c, 1, 0);
        if (n <= 0)
            return false;
        nv_buf_char(&server.seen, c);
        if (c == '\n')
            break;
        if (c != '\r')
            nv_buf_char(line, c);
    }
    nv_buf_c_string(line);
    return true;
}

static void start_tls(void)
{
    int r;

    say("220 go ahead\r\n");
    gnutls_init(&server.tls, GNUTLS_SERVER | GNUTLS_NO_SIGNAL);
    gnutls_set_default_priority(server.tls);
    gnutls_credentials_set(server.tls, GNUTLS_CRD_CERTIFICATE, server.credentials);
    gnutls_transport_set_int(server.tls, server.fd);
    gnutls_handshake_set_timeout(server.tls, 10000);
    while ((r = gnutls_handshake(server.tls)) < 0 && !gnutls_error_is_fatal(r))
        ;
}

static void answer_hello(void)
{
    say("250-mail.example\r\n");
    if (server.offers_tls && !server.tls)
        say("250-STARTTLS\r\n");
    say(server.wants_user ? "250 AUTH PLAIN\r\n" : "250 8BITMIME\r\n");
}

/* "joe" with the password "secret", as AUTH PLAIN has them. */
static void answer_user(struct nv_buf *line)
{
    say("334 \r\n");
    hear(line);
    say(strstr(nv_buf_c_string(line), "AGpvZQBzZWNyZXQ=") ? "235 welcome\r\n"
                                                          : "535 who are you?\r\n");
}

static void *serve(void *user)
{
    NV_AUTO_BUF line = NV_BUF(SEEN_MAX);

    (void)user;
    server.fd = accept(server.listening, NULL, NULL);
    ck_assert_int_ge(server.fd, 0);
    if (!server.hangs)
        say("220 mail.example ESMTP\r\n");
    while (hear(&line)) {
        struct nv_str said = nv_buf_view(&line);
        if (server.hangs)
            continue;
        if (nv_str_starts(said, "EHLO"))
            answer_hello();
        else if (nv_str_starts(said, "STARTTLS"))
            start_tls();
        else if (nv_str_starts(said, "AUTH"))
            answer_user(&line);
        else if (nv_str_starts(said, "RCPT") && server.refuses)
            say("550 nobody of that name\r\n");
        else if (nv_str_starts(said, "DATA"))
            say("354 go on\r\n");
        else if (nv_str_starts(said, "QUIT"))
            say("221 bye\r\n");
        else if (nv_str_is(said, ".") || nv_str_starts(said, "MAIL") || nv_str_starts(said, "RCPT"))
            say("250 ok\r\n");
    }
    if (server.tls)
        gnutls_deinit(server.tls);
    close(server.fd);
    return NULL;
}

static void make_certificates(void)
{
    const char *dir = nv_temp_dir();

    nv_certificate_write(dir, "authority", NULL, NULL);
    nv_certificate_write(dir, "mail", "127.0.0.1", "authority");
    snprintf(server.ca_file, PATH_LENGTH, "%s/authority.crt", dir);
    snprintf(server.cert_file, PATH_LENGTH, "%s/mail.crt", dir);
    snprintf(server.key_file, PATH_LENGTH, "%s/mail.key", dir);
}

static void setup(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(address);

    server.seen = NV_BUF(SEEN_MAX);
    server.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server.listening, (struct sockaddr *)&address, n), 0);
    ck_assert_int_eq(listen(server.listening, 1), 0);
    ck_assert_int_eq(getsockname(server.listening, (struct sockaddr *)&address, &n), 0);
    snprintf(server.address, sizeof(server.address), "127.0.0.1:%d", ntohs(address.sin_port));
    ck_assert_int_eq(gnutls_certificate_allocate_credentials(&server.credentials), 0);
    ck_assert_int_eq(gnutls_certificate_set_x509_key_file(server.credentials, server.cert_file,
                                                          server.key_file, GNUTLS_X509_FMT_PEM),
                     0);
    ck_assert_int_eq(pthread_create(&server.thread, NULL, serve, NULL), 0);
}

/* Waits for the client to be gone: `mailer` is freed by then. */
static const char *what_was_said(void)
{
    pthread_join(server.thread, NULL);
    return nv_buf_c_string(&server.seen);
}

static void teardown(void)
{
    close(server.listening);
    gnutls_certificate_free_credentials(server.credentials);
    nv_buf_done(&server.seen);
}

/* ---- the mails ------------------------------------------------------------------------------ */

static const char *const two[] = {"ops@example.org", "boss@example.org"};

static int send_one(const struct nv_mailer_options *options, struct nv_mail mail,
                    char error[NV_HTTP_ERROR_MAX])
{
    NV_AUTO(nv_mailer) *mailer = nv_mailer_new(options);

    ck_assert_ptr_nonnull(mailer);
    int r = nv_mailer_send(mailer, &mail);
    snprintf(error, NV_HTTP_ERROR_MAX, "%s", nv_mailer_error(mailer));
    return r;
}

static int send_test(struct nv_mailer_options options, char error[NV_HTTP_ERROR_MAX])
{
    options.server = server.address;
    return send_one(&options,
                    (struct nv_mail){"node@example.org", two, NV_LEN(two),
                                     NV_LIT("Subject: disk\n\nfull\r\n.\nreally")},
                    error);
}

START_TEST(a_mail_arrives_as_it_was_written)
{
    char error[NV_HTTP_ERROR_MAX];
    int r = send_test((struct nv_mailer_options){.security = NV_MAIL_UNSECURED, .hello = "node-1"},
                      error);

    ck_assert_msg(r == 0, "%d: %s", r, error);
    const char *said = what_was_said();
    ck_assert(strstr(said, "EHLO node-1\r\n"));
    ck_assert(strstr(said, "MAIL FROM:<node@example.org>"));
    ck_assert(strstr(said, "RCPT TO:<ops@example.org>\r\nRCPT TO:<boss@example.org>\r\n"));
    ck_assert(strstr(said, "DATA\r\nSubject: disk\r\n\r\nfull\r\n..\r\nreally\r\n.\r\n"));
}
END_TEST

START_TEST(without_tls_no_mail_and_no_password_leaves)
{
    char error[NV_HTTP_ERROR_MAX];
    server.wants_user = true;
    int r = send_test((struct nv_mailer_options){.user = "joe", .password = "secret"}, error);

    ck_assert_msg(r == -EPROTO && strstr(error, "TLS"), "%d: %s", r, error);
    const char *said = what_was_said();
    ck_assert(!strstr(said, "AUTH"));
    ck_assert(!strstr(said, "MAIL"));
}
END_TEST

START_TEST(a_mail_goes_through_starttls_with_a_password)
{
    char error[NV_HTTP_ERROR_MAX];
    server.offers_tls = server.wants_user = true;
    nv_write_file(nv_temp_dir(), "password", "secret\n");
    char path[PATH_LENGTH];
    snprintf(path, sizeof(path), "%s/password", nv_temp_dir());
    int r = send_test((struct nv_mailer_options){.user = "joe",
                                                 .password_file = path,
                                                 .tls = {.ca_file = server.ca_file}},
                      error);

    ck_assert_msg(r == 0, "%d: %s", r, error);
    ck_assert(strstr(what_was_said(), "really\r\n.\r\n"));
}
END_TEST

START_TEST(a_server_of_an_unknown_authority_gets_nothing)
{
    char error[NV_HTTP_ERROR_MAX];
    server.offers_tls = true;
    int r = send_test((struct nv_mailer_options){.security = NV_MAIL_TRY}, error);

    ck_assert_msg(r == -EPROTO && strstr(error, "certificate"), "%d: %s", r, error);
    ck_assert(!strstr(what_was_said(), "MAIL"));
}
END_TEST

START_TEST(refusals_are_told_apart)
{
    char error[NV_HTTP_ERROR_MAX];
    bool user = _i == 0;
    server.wants_user = user;
    server.refuses = !user;
    struct nv_mailer_options options = {.security = NV_MAIL_UNSECURED};
    if (user)
        options = (struct nv_mailer_options){
            .security = NV_MAIL_UNSECURED, .user = "joe", .password = "wrong"};
    int r = send_test(options, error);

    ck_assert_msg(r == (user ? -EACCES : -EREMOTEIO), "%d: %s", r, error);
    ck_assert_msg(strstr(error, user ? "denied" : "550"), "%s", error);
    ck_assert(!strstr(what_was_said(), "really"));
}
END_TEST

START_TEST(a_silent_server_is_left_at_the_deadline)
{
    char error[NV_HTTP_ERROR_MAX];
    server.hangs = true;
    int r = send_test((struct nv_mailer_options){.security = NV_MAIL_UNSECURED, .timeout_ms = 200},
                      error);

    ck_assert_msg(r == -ETIMEDOUT, "%d: %s", r, error);
    what_was_said();
}
END_TEST

/* None of them reaches a server. */
START_TEST(what_is_no_address_is_refused)
{
    static const char *const bad[] = {"a@b\r\nRCPT TO:<c@d>", "", "a b@c", "<a@b>"};
    static const char *const good[] = {"a@b"};
    const struct nv_mailer_options options = {.server = "127.0.0.1:1"};
    char error[NV_HTTP_ERROR_MAX];

    for (size_t i = 0; i < NV_LEN(bad); i++) {
        ck_assert_int_eq(send_one(&options, (struct nv_mail){bad[i], good, 1, NV_LIT("x")}, error),
                         -EINVAL);
        ck_assert_int_eq(
            send_one(&options, (struct nv_mail){"a@b", &bad[i], 1, NV_LIT("x")}, error), -EINVAL);
    }
    ck_assert_int_eq(send_one(&options, (struct nv_mail){"a@b", good, 0, NV_LIT("x")}, error),
                     -EINVAL);
    ck_assert_int_eq(send_one(&options, (struct nv_mail){"a@b", good, 1, NV_LIT("x")}, error),
                     -ECONNREFUSED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mail");
    TCase *mails = tcase_create("mails"), *addresses = tcase_create("addresses");

    tcase_add_unchecked_fixture(mails, make_certificates, NULL);
    tcase_add_checked_fixture(mails, setup, teardown);
    tcase_set_timeout(mails, 60);
    tcase_add_test(mails, a_mail_arrives_as_it_was_written);
    tcase_add_test(mails, without_tls_no_mail_and_no_password_leaves);
    tcase_add_test(mails, a_mail_goes_through_starttls_with_a_password);
    tcase_add_test(mails, a_server_of_an_unknown_authority_gets_nothing);
    tcase_add_loop_test(mails, refusals_are_told_apart, 0, 2);
    tcase_add_test(mails, a_silent_server_is_left_at_the_deadline);
    tcase_add_test(addresses, what_is_no_address_is_refused);
    suite_add_tcase(suite, mails);
    suite_add_tcase(suite, addresses);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
