/*
 * test_way.c - where the kubelet is looked for, from the flag or from the downward API.
 */
#include "kube/way.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "support/fixture.h"

static struct nv_arena memory = {.max = 1 << 20};
static char error[NV_KUBE_WAY_ERROR_MAX];

static void forget(void)
{
    nv_arena_done(&memory);
}

/* The ways as text: "URL" or "URL (NAME)", commas between them. */
static const char *ways(const struct nv_kube_surroundings *around)
{
    static char text[2048];
    const struct nv_kube_way *at;
    size_t n, length = 0;

    int r = nv_kube_ways(around, &memory, &at, &n, error);
    if (r < 0)
        return error;
    text[0] = '\0';
    for (size_t i = 0; i < n; i++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s%s%s%s",
                                   i ? ", " : "", at[i].url, at[i].server_name ? " (" : "",
                                   at[i].server_name ? at[i].server_name : "",
                                   at[i].server_name ? ")" : "");
    return text;
}

#define ASSERT_WAYS(expected, ...)                                                                 \
    ck_assert_str_eq(ways(&(struct nv_kube_surroundings){__VA_ARGS__}), expected)

START_TEST(without_any_hint_it_is_this_machine)
{
    ASSERT_WAYS("https://127.0.0.1:10250, http://127.0.0.1:10255", .url = "");
}
END_TEST

START_TEST(the_downward_api_tells_address_and_name)
{
    ASSERT_WAYS("https://10.0.0.7:10250, https://10.0.0.7:10250 (n7), http://10.0.0.7:10255",
                .host_ip = "10.0.0.7", .node_name = "n7");
    ASSERT_WAYS("https://10.0.0.7:10250, https://[fd00::7]:10250, http://10.0.0.7:10255",
                .host_ip = "10.0.0.7", .host_ips = "10.0.0.7,fd00::7", .node_name = "");
    ASSERT_WAYS("https://[fd00::7]:10250, https://10.0.0.7:10250, http://[fd00::7]:10255",
                .host_ips = " fd00::7 , 10.0.0.7,, ");
}
END_TEST

START_TEST(what_is_no_address_is_not_one)
{
    ASSERT_WAYS("https://127.0.0.1:10250, http://127.0.0.1:10255", .host_ip = "a/b",
                .host_ips = "x y");
}
END_TEST

START_TEST(a_given_url_is_the_only_one_and_needs_no_port)
{
    ASSERT_WAYS("https://node:10250", .url = "https://node", .host_ip = "10.0.0.7");
    ASSERT_WAYS("https://node:10250, https://node:10250 (n7)", .url = "https://node/",
                .node_name = "n7");
    ASSERT_WAYS("http://node:10255", .url = "http://node", .node_name = "n7");
    ASSERT_WAYS("https://[::1]:4443", .url = "https://[::1]:4443");
    ASSERT_WAYS("https://[::1]:10250", .url = "https://[::1]");
    ASSERT_WAYS("https://api/api/v1/nodes/n7/proxy", .url = "https://api/api/v1/nodes/n7/proxy/");
}
END_TEST

START_TEST(a_url_that_is_none_is_refused)
{
    static const char *const bad[] = {
        "node:10250",
        "ftp://node",
        "https://",
        "https://:10250",
        "https://node:",
        "https://node:0",
        "https://node:99999",
        "https://node:a",
        "https://::1",
        "https://[::1",
        "https://[::1]x",
        "https://no de",
        "https://user@node",
        "https://node?a",
        "https://node/a#b",
        "https://node\n",
        "https://[fd00::1%25e]x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct nv_kube_way *at;
        size_t n;
        int r =
            nv_kube_ways(&(struct nv_kube_surroundings){.url = bad[i]}, &memory, &at, &n, error);
        ck_assert_msg(r == -EINVAL, "%s: %d", bad[i], r);
        ck_assert_ptr_nonnull(strstr(error, "it is https://HOST:PORT"));
    }
}
END_TEST

START_TEST(the_parts_of_a_url_are_told)
{
    const struct nv_kube_way *at;
    size_t n;

    ck_assert_int_eq(nv_kube_ways(&(struct nv_kube_surroundings){.url = "https://[::1]:1/a/b/"},
                                  &memory, &at, &n, error),
                     0);
    ck_assert(nv_str_is(at[0].address, "[::1]:1"));
    ck_assert(nv_str_is(at[0].path, "/a/b"));
    ck_assert(at[0].tls);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("way");
    TCase *tcase = tcase_create("way");

    tcase_add_checked_fixture(tcase, NULL, forget);
    tcase_add_test(tcase, without_any_hint_it_is_this_machine);
    tcase_add_test(tcase, the_downward_api_tells_address_and_name);
    tcase_add_test(tcase, what_is_no_address_is_not_one);
    tcase_add_test(tcase, a_given_url_is_the_only_one_and_needs_no_port);
    tcase_add_test(tcase, a_url_that_is_none_is_refused);
    tcase_add_test(tcase, the_parts_of_a_url_are_told);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
