/*
 * test_writer.c - JSON is well formed whatever goes in, wherever a block ends.
 */
#include "web/writer.h"

#include <check.h>
#include <math.h>

#include "base/buf.h"

static struct nv_buf text;
static int outcome;
static char block[NV_WRITER_BLOCK];

static int take(void *user, const char *p, size_t n)
{
    (void)user;
    if (outcome == 0)
        nv_buf_add(&text, p, n);
    return outcome;
}

static struct nv_writer begin(void)
{
    struct nv_writer w;

    outcome = 0;
    nv_buf_done(&text);
    text = NV_BUF(64 << 20);
    nv_writer_init(&w, block, take, NULL);
    return w;
}

static void expect(struct nv_writer *w, const char *wanted)
{
    nv_writer_flush(w);
    ck_assert_str_eq(nv_buf_c_string(&text), wanted);
}

START_TEST(commas_stand_between_values_and_nowhere_else)
{
    struct nv_writer w = begin();

    nv_write_object(&w);
    nv_write_member_u64(&w, "a", 1);
    nv_write_key(&w, "b");
    nv_write_array(&w);
    nv_write_i64(&w, INT64_MIN);
    nv_write_array(&w);
    nv_write_array_end(&w);
    nv_write_object(&w);
    nv_write_object_end(&w);
    nv_write_null(&w);
    nv_write_array_end(&w);
    nv_write_member_bool(&w, "c", true);
    nv_write_member_real(&w, "d", (double)NAN);
    nv_write_member_real(&w, "e", 0.25);
    nv_write_object_end(&w);
    expect(&w,
           "{\"a\":1,\"b\":[-9223372036854775808,[],{},null],\"c\":true,\"d\":null,\"e\":0.25}");
}
END_TEST

START_TEST(strings_are_escaped_as_go_does)
{
    struct nv_writer w = begin();

    nv_write_string(&w, NV_LIT("a\"b\\c\n\t\x01\x7f\xc3\xa4\xff\xe2\x80\xa8"));
    expect(&w, "\"a\\\"b\\\\c\\n\\t\\u0001\x7f\xc3\xa4\\ufffd\\u2028\"");
}
END_TEST

START_TEST(samples_have_times_with_three_digits_and_values_in_quotes)
{
    struct nv_writer w = begin();

    nv_write_array(&w);
    nv_write_sample(&w, 1767322800500, 0.42);
    nv_write_sample(&w, 0, (double)INFINITY);
    nv_write_sample(&w, -1050, -0.0);
    nv_write_sample(&w, 7, 1e-7);
    nv_write_array_end(&w);
    expect(&w, "[[1767322800.500,\"0.42\"],[0,\"+Inf\"],[-1.050,\"-0\"],[0.007,\"1e-07\"]]");
}
END_TEST

/* Each length once, so that the end of a block falls on each byte of what follows. */
START_TEST(a_block_may_end_anywhere)
{
    static char long_text[NV_WRITER_BLOCK + 64];

    memset(long_text, 'x', sizeof(long_text));
    for (size_t n = NV_WRITER_BLOCK - 64; n < sizeof(long_text); n++) {
        struct nv_writer w = begin();
        nv_write_array(&w);
        nv_write_string(&w, (struct nv_str){long_text, n});
        nv_write_string(&w, NV_LIT("\x01\xff\""));
        nv_write_sample(&w, 1500, 1.0 / 3);
        nv_write_array_end(&w);
        nv_writer_flush(&w);
        static const char tail[] = "\",\"\\u0001\\ufffd\\\"\",[1.500,\"0.3333333333333333\"]]";
        ck_assert_uint_eq(text.n, 2 + n + sizeof(tail) - 1);
        ck_assert(memcmp(text.p + 2 + n, tail, sizeof(tail) - 1) == 0);
    }
}
END_TEST

START_TEST(after_a_failure_nothing_is_handed_on_and_nothing_overruns)
{
    struct nv_writer w = begin();

    outcome = -ECANCELED;
    for (int i = 0; i < 100000; i++)
        nv_write_string(&w, NV_LIT("some text that is long enough to fill the block again"));
    ck_assert_int_eq(w.failed, -ECANCELED);
    ck_assert_uint_eq(text.n, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/writer");
    TCase *tcase = tcase_create("all");

    tcase_add_test(tcase, commas_stand_between_values_and_nowhere_else);
    tcase_add_test(tcase, strings_are_escaped_as_go_does);
    tcase_add_test(tcase, samples_have_times_with_three_digits_and_values_in_quotes);
    tcase_add_test(tcase, a_block_may_end_anywhere);
    tcase_add_test(tcase, after_a_failure_nothing_is_handed_on_and_nothing_overruns);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
