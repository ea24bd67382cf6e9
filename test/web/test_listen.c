/*
 * test_listen.c - addresses of every kind, and what is said of those that cannot be had.
 */
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/fixture.h"
#include "web/listen.h"

static struct nv_listener listener, second;
static char error[1024];

static void begin(void)
{
    listener.fd = second.fd = -1;
    error[0] = '\0';
}

static void end(void)
{
    nv_listener_done(&listener);
    nv_listener_done(&second);
}

static const struct {
    const char *address, *text; /* the beginning of the true address */
} good[] = {
    {"127.0.0.1:0", "127.0.0.1:"},
    {"localhost:0", "127.0.0.1:"},
    {"0.0.0.0:0",   "0.0.0.0:"  },
};

START_TEST(an_address_is_listened_on)
{
    ck_assert_msg(nv_listen(good[_i].address, &listener, error, sizeof(error)) == 0, "%s", error);
    ck_assert_msg(strncmp(listener.text, good[_i].text, strlen(good[_i].text)) == 0, "%s",
                  listener.text);
    ck_assert_str_ne(listener.text + strlen(good[_i].text), "0");
}
END_TEST

START_TEST(a_bare_port_takes_both_families_where_there_are_both)
{
    ck_assert_msg(nv_listen(":0", &listener, error, sizeof(error)) == 0, "%s", error);
    int domain = 0, only6 = 1;
    socklen_t n = sizeof(int);
    ck_assert_int_eq(getsockopt(listener.fd, SOL_SOCKET, SO_DOMAIN, &domain, &n), 0);
    if (domain == AF_INET6) {
        ck_assert_int_eq(getsockopt(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, &n), 0);
        ck_assert_int_eq(only6, 0);
    }
}
END_TEST

static const char *const bad[] = {"",           "9100",     "localhost",  "::1:9100",
                                  "127.0.0.1:", "[::1]",    "a b:x",      "127.0.0.1:99999",
                                  "unix:",      "vsock://", "vsock://x:1"};

START_TEST(what_is_no_address_is_refused_in_one_line)
{
    ck_assert_int_lt(nv_listen(bad[_i], &listener, error, sizeof(error)), 0);
    ck_assert_msg(strstr(error, bad[_i]) != NULL, "%s", error);
    ck_assert_ptr_null(strchr(error, '\n'));
}
END_TEST

START_TEST(an_address_in_use_is_told_with_a_remedy)
{
    ck_assert_int_eq(nv_listen("127.0.0.1:0", &listener, error, sizeof(error)), 0);
    ck_assert_int_eq(nv_listen(listener.text, &second, error, sizeof(error)), -EADDRINUSE);
    ck_assert_ptr_nonnull(strstr(error, "cannot listen on 127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(error, "Address already in use"));
    ck_assert_ptr_nonnull(strstr(error, "--web.listen-address"));
}
END_TEST

static char address[300];

static const char *socket_path(void)
{
    snprintf(address, sizeof(address), "unix:%s/s", nv_temp_dir());
    return address + strlen("unix:");
}

START_TEST(a_socket_file_goes_when_it_is_closed)
{
    const char *path = socket_path();

    ck_assert_msg(nv_listen(address, &listener, error, sizeof(error)) == 0, "%s", error);
    ck_assert_str_eq(listener.text, address);
    ck_assert_int_eq(access(path, F_OK), 0);
    nv_listener_done(&listener);
    ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_stale_socket_file_is_replaced_and_a_live_one_is_not)
{
    const char *path = socket_path();
    struct sockaddr_un stale = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ck_assert_uint_lt(strlen(path), sizeof(stale.sun_path));
    memcpy(stale.sun_path, path, strlen(path) + 1);
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&stale, sizeof(stale)), 0);
    close(fd); /* as after kill -9 */
    ck_assert_msg(nv_listen(address, &listener, error, sizeof(error)) == 0, "%s", error);
    ck_assert_int_eq(nv_listen(address, &second, error, sizeof(error)), -EADDRINUSE);
}
END_TEST

START_TEST(a_file_that_is_no_socket_is_never_touched)
{
    const char *path = socket_path();

    nv_write_file(nv_temp_dir(), "s", "precious");
    ck_assert_int_eq(nv_listen(address, &listener, error, sizeof(error)), -EEXIST);
    ck_assert_int_eq(access(path, F_OK), 0);
    unlink(path);
}
END_TEST

/* After a quick restart the file belongs to the new process. */
START_TEST(somebody_elses_socket_file_stays)
{
    const char *path = socket_path();

    ck_assert_int_eq(nv_listen(address, &listener, error, sizeof(error)), 0);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(nv_listen(address, &second, error, sizeof(error)), 0);
    nv_listener_done(&listener);
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/listen");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, begin, end);
    tcase_add_loop_test(all, an_address_is_listened_on, 0, NV_LEN(good));
    tcase_add_test(all, a_bare_port_takes_both_families_where_there_are_both);
    tcase_add_loop_test(all, what_is_no_address_is_refused_in_one_line, 0, NV_LEN(bad));
    tcase_add_test(all, an_address_in_use_is_told_with_a_remedy);
    tcase_add_test(all, a_socket_file_goes_when_it_is_closed);
    tcase_add_test(all, a_stale_socket_file_is_replaced_and_a_live_one_is_not);
    tcase_add_test(all, a_file_that_is_no_socket_is_never_touched);
    tcase_add_test(all, somebody_elses_socket_file_stays);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
