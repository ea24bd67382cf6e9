/*
 * test_query.c - queries read as Go's net/url reads them.
 */
#include <check.h>

#include <nodevitals/collector.h>

#include "base/buf.h"
#include "web/limits.h"
#include "web/query.h"

static const struct {
    const char *raw;
    const char *collect, *exclude, *names; /* values with ',' behind each */
} cases[] = {
    {"",                                             "",        "",   ""  },
    {"collect[]=a",                                  "a,",      "",   ""  },
    {"collect[]=a&collect[]=b&exclude[]=c&name[]=d", "a,b,",    "c,", "d,"},
    {"collect%5B%5D=a&collect%5b%5d=b",              "a,b,",    "",   ""  },
    {"%63ollect[]=a",                                "a,",      "",   ""  },
    {"collect[]",                                    ",",       "",   ""  },
    {"collect[]=",                                   ",",       "",   ""  },
    {"collect[]=a=b",                                "a=b,",    "",   ""  },
    {"collect[]=a+b%2B%20c",                         "a b+ c,", "",   ""  },
    {"collect[]=%zz&collect[]=b",                    "b,",      "",   ""  },
    {"collect[]=%4",                                 "",        "",   ""  },
    {"collect[]=%",                                  "",        "",   ""  },
    {"collect[]=a;b&name[]=x",                       "",        "",   "x,"},
    {"&&collect[]=a&&",                              "a,",      "",   ""  },
    {"collect=a&Collect[]=b&collect[]x=c",           "",        "",   ""  },
    {"=a&=&collect[]=b",                             "b,",      "",   ""  },
};

static void check(const struct nv_str *values, size_t n, const char *expected)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20);

    for (size_t i = 0; i < n; i++) {
        nv_buf_str(&text, values[i]);
        nv_buf_char(&text, ',');
    }
    ck_assert_str_eq(nv_buf_c_string(&text), expected);
}

START_TEST(values_are_found_and_decoded)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_query query;

    ck_assert_int_eq(nv_query_parse(nv_str(cases[_i].raw), &memory, &query), 0);
    check(query.collect, query.n_collect, cases[_i].collect);
    check(query.exclude, query.n_exclude, cases[_i].exclude);
    check(query.names, query.n_names, cases[_i].names);
    nv_arena_done(&memory);
}
END_TEST

START_TEST(more_values_than_the_bound_are_dropped)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20);
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_query query;

    for (int i = 0; i < NV_WEB_NAMES_MAX + 10; i++)
        nv_buf_text(&text, "name[]=x&");
    ck_assert_int_eq(nv_query_parse(nv_buf_view(&text), &memory, &query), 0);
    ck_assert_uint_eq(query.n_names, NV_WEB_NAMES_MAX);
    nv_arena_done(&memory);
}
END_TEST

/* What a request may bring fits what it is lent (NV_WEB_QUERY_MAX in 128 KiB). */
START_TEST(the_longest_query_fits_its_arena)
{
    NV_AUTO_BUF text = NV_BUF(NV_WEB_QUERY_MAX);
    struct nv_arena memory = NV_ARENA(128 << 10);
    struct nv_query query;

    while (text.n + 9 <= NV_WEB_QUERY_MAX)
        nv_buf_text(&text, "name[]=x&");
    ck_assert_int_eq(nv_query_parse(nv_buf_view(&text), &memory, &query), 0);
    nv_arena_done(&memory);
}
END_TEST

START_TEST(a_full_arena_is_an_error)
{
    struct nv_arena memory = NV_ARENA(8);
    struct nv_query query;

    ck_assert_int_eq(nv_query_parse(NV_LIT("name[]=x"), &memory, &query), -ENOMEM);
    nv_arena_done(&memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/query");
    TCase *all = tcase_create("all");

    tcase_add_loop_test(all, values_are_found_and_decoded, 0, NV_LEN(cases));
    tcase_add_test(all, more_values_than_the_bound_are_dropped);
    tcase_add_test(all, the_longest_query_fits_its_arena);
    tcase_add_test(all, a_full_arena_is_an_error);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
