/*
 * test_local.c - who is on this machine, and whose page makes a browser ask.
 */
#include "web/local.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>

#include <nodevitals/collector.h>

START_TEST(loopback_and_unix_sockets_are_local_peers)
{
    static const struct {
        const char *text;
        bool local;
    } peers[] = {
        {"127.0.0.1",        true },
        {"127.8.9.10",       true },
        {"128.0.0.1",        false},
        {"10.0.0.1",         false},
        {"0.0.0.0",          false},
        {"::1",              true },
        {"::",               false},
        {"::ffff:127.0.0.1", true },
        {"::ffff:10.0.0.1",  false},
        {"fe80::1",          false},
    };
    const struct sockaddr unix_socket = {.sa_family = AF_UNIX};

    ck_assert(nv_peer_is_local(&unix_socket));
    ck_assert(!nv_peer_is_local(NULL));
    for (size_t i = 0; i < NV_LEN(peers); i++) {
        struct sockaddr_in v4 = {.sin_family = AF_INET};
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
        bool is_v4 = inet_pton(AF_INET, peers[i].text, &v4.sin_addr) == 1;
        if (!is_v4)
            ck_assert_int_eq(inet_pton(AF_INET6, peers[i].text, &v6.sin6_addr), 1);
        const void *address = is_v4 ? (const void *)&v4 : (const void *)&v6;
        ck_assert_msg(nv_peer_is_local(address) == peers[i].local, "%s", peers[i].text);
    }
}
END_TEST

START_TEST(a_host_is_local_by_names_no_stranger_can_have)
{
    static const struct {
        const char *host;
        bool local;
    } hosts[] = {
        {"localhost",              true },
        {"LOCALHOST:9100",         true },
        {"localhost.:9100",        true },
        {"nv.localhost:9100",      true },
        {"127.0.0.1:9100",         true },
        {"127.1.2.3",              true },
        {"[::1]:9100",             true },
        {"[::1]",                  true },
        {"db1.example.org:9100",   true },
        {"db1",                    true },
        {"db2",                    false},
        {"db1.example.com",        false},
        {"",                       false},
        {":9100",                  false},
        {"localhost.evil.example", false},
        {"evil-localhost",         false},
        {"127.0.0.1.evil.example", false},
        {"10.0.0.1:9100",          false},
        {"127.1",                  false}, /* browsers write it out */
        {"2130706433",             false},
        {"[::1",                   false},
        {"[::1]evil",              false},
        {"::1",                    false},
        {"a:b:c",                  false},
    };

    for (size_t i = 0; i < NV_LEN(hosts); i++)
        ck_assert_msg(nv_host_is_local(nv_str(hosts[i].host), NV_LIT("db1.example.org")) ==
                          hosts[i].local,
                      "%s", hosts[i].host);
    ck_assert(!nv_host_is_local(NV_LIT(""), NV_LIT("")));
    ck_assert(!nv_host_is_local(NV_LIT("x"), NV_LIT("")));
}
END_TEST

START_TEST(an_origin_is_own_with_the_host_that_is_asked)
{
    ck_assert(nv_origin_is_own(NV_LIT("http://localhost:9100"), NV_LIT("localhost:9100")));
    ck_assert(nv_origin_is_own(NV_LIT("https://LOCALHOST"), NV_LIT("localhost")));
    ck_assert(!nv_origin_is_own(NV_LIT("http://localhost:3000"), NV_LIT("localhost:9100")));
    ck_assert(
        !nv_origin_is_own(NV_LIT("http://localhost:9100.evil.example"), NV_LIT("localhost:9100")));
    ck_assert(!nv_origin_is_own(NV_LIT("null"), NV_LIT("localhost:9100")));
    ck_assert(!nv_origin_is_own(NV_LIT("http://"), NV_LIT("")));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/local");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, loopback_and_unix_sockets_are_local_peers);
    tcase_add_test(tcase, a_host_is_local_by_names_no_stranger_can_have);
    tcase_add_test(tcase, an_origin_is_own_with_the_host_that_is_asked);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
