/*
 * test_json.c - documents are read as RFC 8259 has them, and what is none is refused wherever it breaks off.
 */
#include <nodevitals/json.h>

#include <check.h>

#include <nodevitals/collector.h>

static const struct {
    const char *text;
    bool good;
} documents[] = {
    {"[]",                                        true },
    {"{}",                                        true },
    {" \t\r\n[1,2,{\"a\":[true,null,\"x\"]}] \n", true },
    {"\"\\u00e9\\ud83d\\ude00\"",                 true },
    {"-0.5e+10",                                  true },
    {"",                                          false},
    {"[1,]",                                      false},
    {"[,1]",                                      false},
    {"[1 2]",                                     false},
    {"[1",                                        false},
    {"[1}",                                       false},
    {"{\"a\":1,}",                                false},
    {"{\"a\" 1}",                                 false},
    {"{\"a\":}",                                  false},
    {"{a:1}",                                     false},
    {"{1:1}",                                     false},
    {"1 2",                                       false},
    {"01",                                        false},
    {"1.",                                        false},
    {".5",                                        false},
    {"+1",                                        false},
    {"1e",                                        false},
    {"-",                                         false},
    {"nul",                                       false},
    {"True",                                      false},
    {"\"a\nb\"",                                  false},
    {"\"\\x\"",                                   false},
    {"\"\\u12g4\"",                               false},
    {"\"\\u 123\"",                               false},
    {"\"abc",                                     false},
    {"\"abc\\\"",                                 false},
};

START_TEST(a_document_is_told_from_what_is_none)
{
    struct nv_json json = nv_json(nv_str(documents[_i].text));

    nv_json_skip(&json);
    ck_assert_msg(nv_json_done(&json) == documents[_i].good, "%s", documents[_i].text);
}
END_TEST

/* A record as a collector reads it. */
static bool read_devices(struct nv_str text, uint64_t *ret_bytes, double *ret_load, bool *ret_up)
{
    struct nv_json json = nv_json(text);
    struct nv_str key;

    *ret_bytes = 0;
    nv_json_array(&json);
    while (nv_json_item(&json)) {
        nv_json_object(&json);
        while (nv_json_key(&json, &key)) {
            if (nv_json_key_is(key, "Bytes"))
                *ret_bytes += nv_json_u64(&json);
            else if (nv_json_key_is_any_case(key, "LOAD"))
                *ret_load = nv_json_real(&json);
            else if (nv_json_key_is(key, "up") && !nv_json_null(&json))
                *ret_up = nv_json_bool(&json);
            else
                nv_json_skip(&json);
        }
    }
    return nv_json_done(&json);
}

static const struct nv_str record =
    NV_LIT("[{\"Bytes\": 40, \"load\": 0.25, \"other\": [{\"Bytes\": 7}]},"
           " {}, {\"B\\u0079tes\":2,\"up\":true}]");

START_TEST(members_are_read_in_any_order_and_strangers_skipped)
{
    uint64_t bytes;
    double load = 0;
    bool up = false;

    ck_assert(read_devices(record, &bytes, &load, &up));
    ck_assert_uint_eq(bytes, 42);
    ck_assert_double_eq(load, 0.25);
    ck_assert(up);
}
END_TEST

START_TEST(a_document_cut_anywhere_is_refused)
{
    for (size_t n = 0; n < record.n; n++) {
        uint64_t bytes;
        double load;
        bool up;
        char *copy = malloc(n + 1); /* its own block, so that a sanitizer sees its end */
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, record.p, n);
        ck_assert(!read_devices((struct nv_str){copy, n}, &bytes, &load, &up));
        free(copy);
    }
}
END_TEST

START_TEST(an_integer_that_is_none_fails)
{
    static const char *const texts[] = {"1.5",   "1e3", "-1", "18446744073709551616",
                                        "\"1\"", "null"};

    for (size_t i = 0; i < NV_LEN(texts); i++) {
        struct nv_json json = nv_json(nv_str(texts[i]));
        ck_assert_uint_eq(nv_json_u64(&json), 0);
        ck_assert(json.failed);
    }
    struct nv_json json = nv_json(NV_LIT("-9223372036854775808"));
    ck_assert_int_eq(nv_json_i64(&json), INT64_MIN);
    ck_assert(nv_json_done(&json));
}
END_TEST

START_TEST(escapes_are_resolved_where_there_are_any)
{
    char out[64];
    struct nv_str plain = NV_LIT("plain");

    ck_assert_ptr_eq(nv_json_unescape(plain, out, sizeof(out)).p, plain.p);
    struct nv_str raw =
        NV_LIT("\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\ud800x");
    ck_assert(nv_str_is(nv_json_unescape(raw, out, sizeof(out)),
                        "\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xef\xbf\xbdx"));
    ck_assert_ptr_null(nv_json_unescape(raw, out, 4).p);
}
END_TEST

START_TEST(depth_is_bounded)
{
    char text[2 * NV_JSON_DEPTH_MAX + 2];

    memset(text, '[', NV_JSON_DEPTH_MAX + 1);
    memset(text + NV_JSON_DEPTH_MAX + 1, ']', NV_JSON_DEPTH_MAX + 1);
    struct nv_json deep = nv_json((struct nv_str){text + 1, 2 * NV_JSON_DEPTH_MAX});
    nv_json_skip(&deep);
    ck_assert(nv_json_done(&deep));
    struct nv_json deeper = nv_json((struct nv_str){text, sizeof(text)});
    nv_json_skip(&deeper);
    ck_assert(!nv_json_done(&deeper));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("json");
    TCase *tcase = tcase_create("json");

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, a_document_is_told_from_what_is_none, 0, NV_LEN(documents));
    tcase_add_test(tcase, members_are_read_in_any_order_and_strangers_skipped);
    tcase_add_test(tcase, a_document_cut_anywhere_is_refused);
    tcase_add_test(tcase, an_integer_that_is_none_fails);
    tcase_add_test(tcase, escapes_are_resolved_where_there_are_any);
    tcase_add_test(tcase, depth_is_bounded);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
