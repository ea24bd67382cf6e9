/*
 * test_pool.c - the memory of all queries: what is taken, who waits, who is refused.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>

#include "base/clock.h"
#include "promql/eval.h"
#include "support/promql_series.h"

enum { MB = 1 << 20 };

static struct nv_promql_pool *pool;

static void setup(void)
{
    pool = nv_promql_pool_new(10 * MB);
}

static void teardown(void)
{
    nv_promql_pool_free(pool);
}

static int64_t in_ms(int64_t ms)
{
    return nv_monotonic_ns() / 1000000 + ms;
}

static struct nv_promql_pool_stats stats(void)
{
    struct nv_promql_pool_stats s;

    nv_promql_pool_stats(pool, &s);
    return s;
}

START_TEST(what_is_taken_is_counted_until_it_is_given_back)
{
    ck_assert_int_eq(nv_promql_pool_take(pool, 0, 4 * MB, 0, NULL), 0);
    ck_assert_int_eq(nv_promql_pool_take(pool, 4 * MB, 2 * MB, 0, NULL), 0);
    ck_assert_int_eq(nv_promql_pool_take(pool, 0, 4 * MB, 0, NULL), 0);
    ck_assert_uint_eq(stats().used, 10 * MB);
    ck_assert_uint_eq(stats().queries, 2);
    nv_promql_pool_give(pool, 6 * MB, 5 * MB);
    ck_assert_uint_eq(stats().queries, 2);
    nv_promql_pool_give(pool, 1 * MB, 1 * MB);
    nv_promql_pool_give(pool, 4 * MB, 4 * MB);
    ck_assert_uint_eq(stats().queries, 0);
    ck_assert_uint_eq(stats().used, 0);
    ck_assert_uint_eq(stats().peak, 10 * MB);
}
END_TEST

START_TEST(more_than_there_ever_is_is_refused_at_once)
{
    ck_assert_int_eq(nv_promql_pool_take(pool, 0, 11 * MB, 0, NULL), -EDQUOT);
    ck_assert_int_eq(nv_promql_pool_take(pool, 0, 6 * MB, 0, NULL), 0);
    ck_assert_int_eq(nv_promql_pool_take(pool, 6 * MB, 5 * MB, 0, NULL), -EDQUOT);
    nv_promql_pool_give(pool, 6 * MB, 6 * MB);
}
END_TEST

START_TEST(who_finds_no_room_until_the_deadline_is_refused)
{
    bool cancel = true;

    ck_assert_int_eq(nv_promql_pool_take(pool, 0, 10 * MB, 0, NULL), 0);
    ck_assert_int_eq(nv_promql_pool_take(pool, 0, 1, in_ms(20), NULL), -EBUSY);
    ck_assert_int_eq(nv_promql_pool_take(pool, 0, 1, in_ms(60000), &cancel), -ECANCELED);
    ck_assert_uint_eq(stats().waits, 2);
    ck_assert_uint_eq(stats().refusals, 2);
    nv_promql_pool_give(pool, 10 * MB, 10 * MB);
}
END_TEST

/* Takes its second half, and gives back all there is. */
static void *take_more(void *ret)
{
    int r = nv_promql_pool_take(pool, 5 * MB, 3 * MB, in_ms(60000), NULL);

    nv_promql_pool_give(pool, r == 0 ? 8 * MB : 5 * MB, r == 0 ? 8 * MB : 5 * MB);
    *(int *)ret = r;
    return NULL;
}

/* Two that hold all there is and want more would wait for each other. */
START_TEST(of_those_who_wait_for_each_other_one_is_refused_and_the_rest_go_on)
{
    pthread_t threads[2];
    int results[2];

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(nv_promql_pool_take(pool, 0, 5 * MB, 0, NULL), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_more, &results[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert(results[0] == 0 || results[1] == 0);
    ck_assert(results[0] == 0 || results[0] == -EBUSY);
    ck_assert(results[1] == 0 || results[1] == -EBUSY);
    ck_assert_uint_eq(stats().used, 0);
}
END_TEST

/* A query over 10,000 steps, with the pool's memory. */
static int run(size_t held, struct nv_promql_result *result)
{
    struct nv_memory_series *memory = nv_memory_series_new();
    struct nv_queryable queryable = nv_memory_series_queryable(memory);
    struct nv_arena arena = NV_ARENA(4 * MB);
    struct nv_promql_options options = {.pool = pool, .deadline_ms = in_ms(50)};
    struct nv_promql promql;
    struct nv_promql_error error;
    struct nv_points points;

    if (held)
        ck_assert_int_eq(nv_promql_pool_take(pool, 0, held, 0, NULL), 0);
    ck_assert_int_eq(nv_points_parse(NV_LIT("{a=\"b\"} 0+1x100"), true, &arena, &points), 0);
    nv_memory_series_load(memory, &points, 1000, NULL);
    ck_assert_int_eq(nv_promql_parse(NV_LIT("{a=\"b\"} * 2"), 0, &arena, &promql, &error), 0);
    int r = nv_promql_eval(&promql, &queryable, 0, 99990, 10, &options, result);
    nv_promql_done(&promql);
    if (held)
        nv_promql_pool_give(pool, held, held);
    ck_assert(r < 0 || (stats().used > 80000 && stats().used < 3 * MB));
    nv_promql_result_done(result);
    nv_memory_series_free(memory);
    nv_arena_done(&arena);
    return r;
}

START_TEST(a_query_draws_on_the_pool_and_gives_back_with_its_result)
{
    struct nv_promql_result result;

    ck_assert_int_eq(run(0, &result), 0);
    ck_assert_uint_eq(stats().used, 0);
}
END_TEST

START_TEST(a_query_without_room_ends_with_an_error_of_its_own)
{
    struct nv_promql_result result;

    ck_assert_int_eq(run(10 * MB, &result), -EBUSY);
    ck_assert_uint_eq(stats().used, 0);
    ck_assert_uint_eq(stats().refusals, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("promql/pool");
    TCase *c = tcase_create("pool");

    tcase_add_checked_fixture(c, setup, teardown);
    tcase_set_timeout(c, 60);
    tcase_add_test(c, what_is_taken_is_counted_until_it_is_given_back);
    tcase_add_test(c, more_than_there_ever_is_is_refused_at_once);
    tcase_add_test(c, who_finds_no_room_until_the_deadline_is_refused);
    tcase_add_test(c, of_those_who_wait_for_each_other_one_is_refused_and_the_rest_go_on);
    tcase_add_test(c, a_query_draws_on_the_pool_and_gives_back_with_its_result);
    tcase_add_test(c, a_query_without_room_ends_with_an_error_of_its_own);
    suite_add_tcase(suite, c);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
