/*
 * test_series.c - the series in memory: their labels in order, found by each of them, and nothing left when they go.
 */
#include <check.h>
#include <stdio.h>

#include "tsdb/series.h"

enum { SOURCE = 3, OTHER = 4, NAMES = 40, SETS = 300 };

static struct nv_series_table *table;
static struct nv_arena arena;

static void setup(void)
{
    table = nv_series_table_new();
    arena = NV_ARENA(16 << 20);
    ck_assert_ptr_nonnull(table);
}

static void teardown(void)
{
    ck_assert_uint_eq(nv_series_count(table), 0);
    nv_series_table_free(table);
    nv_arena_done(&arena);
}

/* Takes or claims the series of sorted names and values, NULL at the end. */
static int take(bool claim, uint32_t source, struct nv_head_series **ret, const char *const *texts)
{
    struct nv_label labels[8];
    size_t n = 0;

    for (; texts[2 * n]; n++)
        labels[n] = (struct nv_label){nv_str(texts[2 * n]), nv_str(texts[2 * n + 1])};
    return (claim ? nv_series_claim : nv_series_take)(table, source, labels, n, ret);
}

#define TAKE(claim, source, ret, ...)                                                              \
    take(claim, source, ret, (const char *const[]){__VA_ARGS__, NULL})

static void drop(struct nv_head_series *series)
{
    nv_series_unref(table, &series, 1);
}

static void check_labels(const struct nv_head_series *series, const char *expected)
{
    const struct nv_label *labels = nv_series_labels(series, &arena);
    char text[256] = "";
    size_t n = 0;

    ck_assert_ptr_nonnull(labels);
    for (size_t i = 0; i < nv_series_n_labels(series); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s=%.*s ", NV_ARGS(labels[i].name),
                              NV_ARGS(labels[i].value));
    ck_assert_str_eq(text, expected);
}

START_TEST(a_name_stands_where_it_belongs_among_the_labels)
{
    struct nv_head_series *among, *first, *last, *none, *alone;

    ck_assert_int_eq(TAKE(false, SOURCE, &among, "A", "1", "__name__", "x", "b", "2"), 0);
    ck_assert_int_eq(TAKE(false, SOURCE, &first, "__name__", "x", "b", "2"), 0);
    ck_assert_int_eq(TAKE(false, SOURCE, &last, "A", "1", "__name__", "x"), 0);
    ck_assert_int_eq(TAKE(false, SOURCE, &none, "A", "1", "b", "2"), 0);
    ck_assert_int_eq(TAKE(false, SOURCE, &alone, "__name__", "x"), 0);
    check_labels(among, "A=1 __name__=x b=2 ");
    check_labels(first, "__name__=x b=2 ");
    check_labels(last, "A=1 __name__=x ");
    check_labels(none, "A=1 b=2 ");
    check_labels(alone, "__name__=x ");
    ck_assert_ptr_eq(among->rest, none->rest);
    ck_assert_ptr_ne(among, none);
    ck_assert_uint_eq(nv_series_count(table), 5);
    struct nv_head_series *all[] = {among, first, last, none, alone};
    nv_series_unref(table, all, NV_LEN(all));
}
END_TEST

START_TEST(only_one_source_claims_a_label_set)
{
    struct nv_head_series *own, *again, *others;

    ck_assert_int_eq(TAKE(true, SOURCE, &own, "__name__", "x", "b", "2"), 0);
    ck_assert_int_eq(TAKE(true, SOURCE, &again, "__name__", "x", "b", "2"), 0);
    ck_assert_ptr_eq(own, again);
    ck_assert_int_eq(TAKE(true, OTHER, &others, "__name__", "x", "b", "2"), NV_SERIES_CONFLICT);
    ck_assert_int_eq(TAKE(false, OTHER, &others, "__name__", "x", "b", "2"), 0);
    ck_assert_ptr_ne(own, others);
    ck_assert_ptr_eq(own->rest, others->rest);
    nv_series_unclaim(table, &own, 1);
    ck_assert_int_eq(TAKE(true, OTHER, &again, "__name__", "x", "b", "2"), 0);
    ck_assert_ptr_eq(others, again);
    struct nv_head_series *all[] = {own, own, others, again};
    nv_series_unref(table, all, NV_LEN(all));
}
END_TEST

/* ---- many ----------------------------------------------------------------------------------- */

static struct nv_head_series *many[SETS][NAMES];

static void make_many(void)
{
    for (int s = 0; s < SETS; s++) {
        for (int k = 0; k < NAMES; k++) {
            char name[16], pod[16], node[16];
            snprintf(name, sizeof(name), "metric_%d", k);
            snprintf(pod, sizeof(pod), "pod-%d", s);
            snprintf(node, sizeof(node), "node-%d", s % 3);
            ck_assert_int_eq(
                TAKE(true, SOURCE, &many[s][k], "__name__", name, "node", node, "pod", pod), 0);
        }
    }
}

static size_t count(const struct nv_matcher *matchers, size_t n)
{
    struct nv_head_series **found;
    size_t n_found;

    ck_assert_int_eq(nv_series_select(table, matchers, n, &arena, &found, &n_found), 0);
    nv_series_unref(table, found, n_found);
    return n_found;
}

#define EQUALS(name, value)                                                                        \
    {                                                                                              \
        NV_MATCH_EQUAL, NV_LIT(name), NV_LIT(value), NULL                                          \
    }

START_TEST(series_are_found_by_any_of_their_labels)
{
    const struct nv_matcher name[] = {EQUALS("__name__", "metric_7")},
                            pod[] = {EQUALS("pod", "pod-8")}, node[] = {EQUALS("node", "node-1")},
                            unknown[] = {EQUALS("pod", "pod-x")}, absent[] = {EQUALS("zone", "")},
                            both[] = {EQUALS("node", "node-2"), EQUALS("__name__", "metric_7")},
                            cross[] = {EQUALS("pod", "pod-8"), EQUALS("node", "node-1")};

    make_many();
    ck_assert_uint_eq(count(NULL, 0), SETS * NAMES);
    ck_assert_uint_eq(count(absent, 1), SETS * NAMES);
    ck_assert_uint_eq(count(name, 1), SETS);
    ck_assert_uint_eq(count(pod, 1), NAMES);
    ck_assert_uint_eq(count(node, 1), SETS / 3 * NAMES);
    ck_assert_uint_eq(count(unknown, 1), 0);
    ck_assert_uint_eq(count(both, 2), SETS / 3);
    ck_assert_uint_eq(count(cross, 2), 0); /* pod-8 is on node-2 */
    for (int s = 0; s < SETS; s += 2)
        nv_series_unref(table, many[s], NAMES);
    ck_assert_uint_eq(count(name, 1), SETS / 2);
    ck_assert_uint_eq(count(pod, 1), 0);
    ck_assert_uint_eq(count(NULL, 0), SETS / 2 * NAMES);
    for (int s = 1; s < SETS; s += 2)
        nv_series_unref(table, many[s], NAMES);
}
END_TEST

START_TEST(what_has_gone_leaves_nothing)
{
    size_t after_first = 0;

    for (int round = 0; round < 5; round++) {
        make_many();
        size_t memory = nv_series_memory(table);
        if (!round)
            after_first = memory;
        ck_assert_uint_lt(memory, after_first + after_first / 50); /* numbers come again */
        for (int s = 0; s < SETS; s++)
            nv_series_unref(table, many[s], NAMES);
        ck_assert_uint_eq(nv_series_count(table), 0);
    }
}
END_TEST

START_TEST(places_come_and_go)
{
    enum { N = 4 };
    static char columns[N];
    struct nv_place place, *places;
    struct nv_head_series *series;
    size_t n;

    ck_assert_int_eq(TAKE(true, SOURCE, &series, "__name__", "x"), 0);
    ck_assert(!nv_series_place(table, series, (void *)&columns[0], &place));
    for (uint32_t i = 0; i < N; i++)
        ck_assert_int_eq(
            nv_series_add_place(table, series, (struct nv_place){(void *)&columns[i], i, 9 - i}),
            0);
    for (uint32_t i = 0; i < N; i++) {
        ck_assert(nv_series_place(table, series, (void *)&columns[i], &place));
        ck_assert_uint_eq(place.column, i);
    }
    for (uint32_t i = N; i-- > 0;) { /* the oldest goes last, as it stands alone */
        nv_series_drop_places(table, &series, 1, (void *)&columns[i]);
        ck_assert_int_eq(nv_series_places(table, series, &arena, &places, &n), 0);
        ck_assert_uint_eq(n, i);
        ck_assert(n == 0 || (places[n - 1].column == i - 1 && places[n - 1].section == 10 - i));
    }
    ck_assert_int_eq(
        nv_series_add_place(table, series, (struct nv_place){(void *)&columns[2], 2, 7}), 0);
    ck_assert(nv_series_place(table, series, (void *)&columns[2], &place));
    drop(series);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tsdb/series");
    TCase *test = tcase_create("series");
    SRunner *runner = srunner_create(suite);

    suite_add_tcase(suite, test);
    tcase_add_checked_fixture(test, setup, teardown);
    tcase_add_test(test, a_name_stands_where_it_belongs_among_the_labels);
    tcase_add_test(test, only_one_source_claims_a_label_set);
    tcase_add_test(test, series_are_found_by_any_of_their_labels);
    tcase_add_test(test, what_has_gone_leaves_nothing);
    tcase_add_test(test, places_come_and_go);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
