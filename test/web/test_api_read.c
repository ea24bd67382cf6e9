/*
 * test_api_read.c - remote read from a store in memory: which series, with which labels, in which bytes.
 */
#include "run_endpoint.h"

#include <nodevitals/collector.h>

#include "tsdb/store.h"
#include "web/endpoints.h"
#include "web/read_message.h"
#include "web/snappy.h"

static struct nv_store *store;
static uint32_t source;
static struct nv_promql_pool *pool;
static struct nv_api api;
static struct nv_snappy snappy;

static int64_t now(void *user)
{
    (void)user;
    return 600000;
}

static void append(const char *name, const char *job, int64_t time_ms, double value)
{
    const struct nv_label labels[] = {
        {NV_LIT("__name__"), nv_str(name)},
        {NV_LIT("job"),      nv_str(job) },
    };

    ck_assert_int_eq(nv_store_append_sparse(store, source, labels, 2, time_ms, value), 0);
}

static const struct nv_label external[] = {
    {NV_LIT("a"),   NV_LIT("1")    },
    {NV_LIT("job"), NV_LIT("outer")},
};

static int tell_external(void *user, struct nv_arena *to, const struct nv_label **ret, size_t *n)
{
    (void)user, (void)to;
    *ret = external;
    *n = NV_LEN(external);
    return 0;
}

static void begin(void)
{
    const struct nv_store_options options = {.now_ms = now};
    char error[NV_STORE_ERROR_MAX];

    ck_assert_int_eq(nv_store_open(&options, &store, error), 0);
    ck_assert_int_eq(nv_store_source(store, "test", &source), 0);
    append("m", "x", 1000, 1);
    append("m", "x", 2000, 2);
    append("m", "x", 3000, 3);
    append("m", "y", 2500, 4);
    append("n", "x", 2000, 5);
    pool = nv_promql_pool_new(1 << 20);
    api = (struct nv_api){.queryable = nv_store_queryable(store), .timeout_ms = 60000};
    api.promql.pool = pool;
}

static void end(void)
{
    struct nv_promql_pool_stats stats;

    nv_promql_pool_stats(pool, &stats);
    ck_assert_uint_eq(stats.used, 0);
    nv_promql_pool_free(pool);
    nv_store_close(store);
}

/* ---- requests ------------------------------------------------------------------------------- */

static void add_bytes(struct nv_buf *out, unsigned field, struct nv_str bytes)
{
    nv_read_put_head(out, field, bytes.n);
    nv_buf_str(out, bytes);
}

/* A query for seconds 1 to 3 (included) of a name, and of a label with a value where it is not NULL. */
static void add_query(struct nv_buf *out, const char *name, const char *label, const char *value)
{
    NV_AUTO_BUF query = NV_BUF(4096), matcher = NV_BUF(4096);

    nv_buf_add(&query, "\x08\xd0\x0f\x10\xb8\x17", 6); /* 2000 to 3000 */
    add_bytes(&matcher, 2, NV_LIT("__name__"));
    add_bytes(&matcher, 3, nv_str(name));
    add_bytes(&query, 3, nv_buf_view(&matcher));
    nv_buf_reset(&matcher);
    if (label) {
        add_bytes(&matcher, 2, nv_str(label));
        add_bytes(&matcher, 3, nv_str(value));
        add_bytes(&query, 3, nv_buf_view(&matcher));
    }
    add_bytes(out, 1, nv_buf_view(&query));
}

static unsigned post(struct nv_str message, struct nv_buf *ret)
{
    static const volatile bool never = false;
    static char block[NV_WRITER_BLOCK];
    NV_AUTO_BUF body = NV_BUF(1 << 20);
    struct nv_exchange_inside inside;
    struct reply reply = {.body = *ret};
    struct nv_exchange x = {.api = &api,
                            .endpoint = nv_api_read_endpoints,
                            .method = NV_POST,
                            .memory = NV_ARENA(1 << 20),
                            .cancel = &never};

    nv_snappy_pack(&snappy, message, &body);
    x.body = nv_buf_view(&body);
    nv_exchange_begin(&x, &inside, block, reply_take, &reply);
    nv_exchange_run(&x);
    nv_writer_flush(&inside.out);
    unsigned status = inside.answer.status;
    nv_exchange_end(&x);
    *ret = reply.body;
    return status;
}

/* ---- answers as text: `a=1 2000:2` a line, a line `--` in front of what belongs to each query --- */

static uint64_t take_varint(struct nv_str *s)
{
    uint64_t value = 0;

    for (unsigned shift = 0;; shift += 7) {
        ck_assert_uint_gt(s->n, 0);
        unsigned char c = (unsigned char)s->p[0];
        *s = nv_str_from(*s, 1);
        value |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return value;
    }
}

static struct nv_str take_field(struct nv_str *s, unsigned *ret_number)
{
    uint64_t tag = take_varint(s), n = (tag & 7) == 1 ? 8 : 0;

    *ret_number = (unsigned)(tag >> 3);
    if ((tag & 7) == 2)
        n = take_varint(s);
    ck_assert_uint_le(n, s->n);
    struct nv_str field = {s->p, (size_t)n};
    *s = nv_str_from(*s, (size_t)n);
    return field;
}

static void show_series(struct nv_str series, struct nv_buf *out)
{
    unsigned number, inner;

    while (series.n) {
        struct nv_str field = take_field(&series, &number);
        if (number == 1) {
            struct nv_str name = take_field(&field, &inner), value = take_field(&field, &inner);
            nv_buf_printf(out, "%.*s=%.*s ", NV_ARGS(name), NV_ARGS(value));
        } else {
            double value;
            struct nv_str bits = take_field(&field, &inner);
            memcpy(&value, bits.p, sizeof(value));
            (void)take_varint(&field); /* the tag of the time */
            nv_buf_printf(out, "%llu:%g ", (unsigned long long)take_varint(&field), value);
        }
    }
    out->p[out->n - 1] = '\n';
}

static void show(struct nv_str message, struct nv_buf *out)
{
    unsigned number;

    while (message.n) {
        struct nv_str result = take_field(&message, &number);
        ck_assert_uint_eq(number, 1);
        nv_buf_text(out, "--\n");
        while (result.n)
            show_series(take_field(&result, &number), out);
    }
}

static void expect(struct nv_str message, const char *expected)
{
    NV_AUTO_BUF block = NV_BUF(1 << 20), answer = NV_BUF(1 << 20), text = NV_BUF(1 << 20);

    ck_assert_uint_eq(post(message, &block), 200);
    ck_assert_int_eq(nv_snappy_unpack(nv_buf_view(&block), 1 << 20, &answer), 0);
    show(nv_buf_view(&answer), &text);
    ck_assert_str_eq(nv_buf_c_string(&text), expected);
}

START_TEST(each_query_has_its_result)
{
    NV_AUTO_BUF message = NV_BUF(4096);

    add_query(&message, "m", NULL, NULL);
    add_query(&message, "nothing", NULL, NULL);
    add_query(&message, "n", "job", "x");
    expect(nv_buf_view(&message), "--\n"
                                  "__name__=m job=x 2000:2 3000:3\n"
                                  "__name__=m job=y 2500:4\n"
                                  "--\n"
                                  "--\n"
                                  "__name__=n job=x 2000:5\n");
}
END_TEST

START_TEST(a_request_without_queries_is_answered_by_nothing)
{
    expect(NV_LIT(""), "");
}
END_TEST

START_TEST(external_labels_are_added_and_may_be_asked_for)
{
    NV_AUTO_BUF message = NV_BUF(4096);

    api.sources.external_labels = tell_external;
    add_query(&message, "m", "a", "1"); /* which nobody has, and all are given */
    add_query(&message, "m", "a", "2");
    add_query(&message, "n", "job", "x"); /* its own wins */
    expect(nv_buf_view(&message), "--\n"
                                  "__name__=m a=1 job=x 2000:2 3000:3\n"
                                  "__name__=m a=1 job=y 2500:4\n"
                                  "--\n"
                                  "--\n"
                                  "__name__=n a=1 job=x 2000:5\n");
}
END_TEST

START_TEST(a_long_answer_is_one_block_of_many_pieces)
{
    NV_AUTO_BUF message = NV_BUF(4096), block = NV_BUF(8 << 20), answer = NV_BUF(8 << 20);

    for (int i = 0; i < 500; i++) {
        char job[16];
        snprintf(job, sizeof(job), "job-%d", i);
        for (int k = 0; k < 20; k++)
            append("long", job, 2000 + k * 50, 1.0 / (i + k + 1));
    }
    add_query(&message, "long", NULL, NULL);
    ck_assert_uint_eq(post(nv_buf_view(&message), &block), 200);
    ck_assert_int_eq(nv_snappy_unpack(nv_buf_view(&block), 8 << 20, &answer), 0);
    ck_assert_uint_gt(answer.n, 2 * NV_SNAPPY_FRAGMENT);
    NV_AUTO_BUF text = NV_BUF(8 << 20);
    show(nv_buf_view(&answer), &text);
    ck_assert_ptr_nonnull(strstr(nv_buf_c_string(&text), "__name__=long job=job-499 2000:0.002 "));
}
END_TEST

static int fail_to_read(struct nv_selection *selection, size_t i, struct nv_samples *samples)
{
    (void)selection, (void)i, (void)samples;
    return -EIO;
}

START_TEST(a_store_that_cannot_be_read_is_an_error)
{
    struct nv_queryable broken = *api.queryable;
    NV_AUTO_BUF message = NV_BUF(4096), answer = NV_BUF(4096);

    broken.read = fail_to_read;
    api.queryable = &broken;
    add_query(&message, "m", NULL, NULL);
    ck_assert_uint_eq(post(nv_buf_view(&message), &answer), 500);
}
END_TEST

START_TEST(what_is_no_request_is_refused)
{
    NV_AUTO_BUF answer = NV_BUF(4096);

    ck_assert_uint_eq(post(NV_LIT("\x0a\x05"), &answer), 400);
    ck_assert_str_eq(nv_buf_c_string(&answer), "the request is no ReadRequest\n");
}
END_TEST

/* One query fits into the memory of all, two do not: who waits for himself waits in vain. */
START_TEST(queries_of_one_request_do_not_wait_for_each_other)
{
    NV_AUTO_BUF one = NV_BUF(4096), two = NV_BUF(4096), body = NV_BUF(1 << 20);
    struct nv_promql_pool_stats stats;

    add_query(&one, "m", NULL, NULL);
    add_query(&two, "m", NULL, NULL);
    add_query(&two, "n", NULL, NULL);
    ck_assert_uint_eq(post(nv_buf_view(&one), &body), 200);
    nv_promql_pool_stats(pool, &stats);
    nv_promql_pool_free(pool);
    api.promql.pool = pool = nv_promql_pool_new(stats.peak + 1);
    nv_buf_reset(&body);
    ck_assert_uint_eq(post(nv_buf_view(&one), &body), 200);
    nv_buf_reset(&body);
    unsigned status = post(nv_buf_view(&two), &body);
    ck_assert_msg(status == 422, "%u %s", status, nv_buf_c_string(&body));
    nv_promql_pool_stats(pool, &stats);
    ck_assert_uint_eq(stats.waits, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("web/api_read");
    TCase *tests = tcase_create("all");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, begin, end);
    tcase_add_test(tests, each_query_has_its_result);
    tcase_add_test(tests, a_request_without_queries_is_answered_by_nothing);
    tcase_add_test(tests, external_labels_are_added_and_may_be_asked_for);
    tcase_add_test(tests, a_long_answer_is_one_block_of_many_pieces);
    tcase_add_test(tests, a_store_that_cannot_be_read_is_an_error);
    tcase_add_test(tests, what_is_no_request_is_refused);
    tcase_add_test(tests, queries_of_one_request_do_not_wait_for_each_other);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
