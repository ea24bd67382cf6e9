/*
 * test_index.c - series are found by any matchers, in blocks of one page and of a hundred, without reading what
 * cannot hold them; and when parts of the index are damaged, the rest.
 */
#include "blocks.h"

enum { MANY = 6000, HUGE_SERIES = 50000 };

struct sets {
    struct model_labels *at;
    size_t n;
};

/* Series as they come from a node: families by devices, some labels rare, some values odd. */
static struct sets make_sets(size_t n)
{
    struct sets sets = {calloc(n, sizeof(*sets.at)), n};

    for (size_t i = 0; i < n; i++) {
        size_t family = i / 40, device = i % 40;
        if (device == 0)
            model_labels(&sets.at[i], "node_%zu_seconds_total", family);
        else if (device % 7 == 3)
            model_labels(&sets.at[i], "node_%zu_seconds_total|device=sd%zu|mode=%s", family, device,
                         device % 2 ? "idle" : "user \xc3\xa9");
        else
            model_labels(&sets.at[i], "node_%zu_seconds_total|device=sd%zu", family, device);
    }
    return sets;
}

static void write_sets(struct nv_fs *fs, const struct sets *sets, char name[NV_BLOCK_NAME_MAX])
{
    struct nv_block_writer *made;
    int64_t time = 1000;

    ck_assert_int_eq(nv_block_writer_new(fs, &made), 0);
    NV_AUTO(nv_block_writer) *writer = made;
    ck_assert_int_eq(nv_block_add_group(writer, &time, 1, NULL, 1), 0);
    for (size_t i = 0; i < sets->n; i++) {
        double value = (double)i;
        ck_assert_int_eq(
            nv_block_add_series(writer, 0, 0, sets->at[i].at, sets->at[i].n, NULL, &value, NULL),
            0);
    }
    ck_assert_int_eq(nv_block_commit(writer, 1, name), 0);
}

static struct nv_matcher matcher(const char *name, const char *op, const char *value)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    char error[NV_REGEX_ERROR_MAX];
    struct nv_matcher made;
    unsigned i = 0;

    while (strcmp(ops[i], op) != 0)
        i++;
    ck_assert_int_eq(
        nv_matcher_init(&made, (enum nv_match_op)i, nv_str(name), nv_str(value), error), 0);
    return made;
}

static const char *const questions[][3] = {
    {"__name__", "=",  "node_7_seconds_total"        },
    {"__name__", "=",  "no_such_family"              },
    {"__name__", "!=", "node_7_seconds_total"        },
    {"__name__", "=~", "node_(3|12|99)_seconds_total"},
    {"__name__", "=~", "node_1.*"                    },
    {"__name__", "!~", "node_[0-9]+_seconds_total"   },
    {"device",   "=",  "sd7"                         },
    {"device",   "=",  ""                            },
    {"device",   "!=", ""                            },
    {"device",   "!=", "sd7"                         },
    {"device",   "=~", "sd1|sd2|nothing"             },
    {"device",   "=~", "|sd1"                        },
    {"device",   "=~", ".+"                          },
    {"device",   "=~", ".*"                          },
    {"device",   "!~", "sd.*"                        },
    {"device",   "!~", ""                            },
    {"mode",     "=",  "idle"                        },
    {"mode",     "=",  "user \xc3\xa9"               },
    {"mode",     "!~", "idle|"                       },
    {"mode",     "=~", "i.*|x"                       },
    {"absent",   "=",  ""                            },
    {"absent",   "=",  "x"                           },
    {"absent",   "!=", "x"                           },
    {"absent",   "=~", "x*"                          },
    {"",         "=",  ""                            },
    {"\xff",     "=",  "x"                           },
};

/* What fits by asking each series; the block has them in order, as numbers stand for their values. */
static void check_question(struct nv_block *block, const struct sets *sets,
                           const struct nv_matcher *matchers, size_t n)
{
    struct nv_arena arena = NV_ARENA(64 << 20);
    struct nv_samples value = {0};
    uint32_t *found;
    size_t n_found, expected = 0;

    for (size_t i = 0; i < sets->n; i++)
        expected += nv_matchers_fit(matchers, n, sets->at[i].at, sets->at[i].n);
    ck_assert_int_eq(nv_block_select(block, matchers, n, &arena, &found, &n_found), 0);
    ck_assert_uint_eq(n_found, expected);
    for (size_t i = 0; i < n_found; i += 1 + n_found / 100) {
        ck_assert(i == 0 || found[i] > found[i - 1]);
        nv_samples_reset(&value);
        ck_assert_int_eq(nv_block_read(block, found[i], 0, INT64_MAX, &value), 0);
        const struct model_labels *set = &sets->at[(size_t)value.values[0]];
        ck_assert(nv_matchers_fit(matchers, n, set->at, set->n));
    }
    nv_samples_done(&value);
    nv_arena_done(&arena);
}

static void check_questions(size_t n_series)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct sets sets = make_sets(n_series);
    char name[NV_BLOCK_NAME_MAX];
    struct nv_matcher matchers[3];
    uint64_t random = 31;

    write_sets(fs, &sets, name);
    struct nv_block *block = open_block(fs, name);
    for (size_t i = 0; i < 4 * NV_LEN(questions); i++) {
        size_t n = 1 + i / NV_LEN(questions) % 3;
        for (size_t k = 0; k < n; k++) {
            size_t q = n == 1 ? i % NV_LEN(questions) : model_random(&random) % NV_LEN(questions);
            matchers[k] = matcher(questions[q][0], questions[q][1], questions[q][2]);
        }
        check_question(block, &sets, matchers, n);
        for (size_t k = 0; k < n; k++)
            nv_matcher_done(&matchers[k]);
    }
    nv_block_unref(block);
    verified(fs, name);
    free(sets.at);
}

START_TEST(small_blocks_answer_every_matcher)
{
    check_questions(90);
    check_questions(1);
}
END_TEST

START_TEST(large_blocks_answer_every_matcher)
{
    check_questions(MANY);
}
END_TEST

static void check_lists(size_t n_series, size_t n_families)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct sets sets = make_sets(n_series);
    struct nv_arena arena = NV_ARENA(16 << 20);
    char name[NV_BLOCK_NAME_MAX];
    struct nv_str *texts;
    size_t n;

    write_sets(fs, &sets, name);
    struct nv_block *block = open_block(fs, name);
    ck_assert_int_eq(nv_block_label_names(block, &arena, &texts, &n), 0);
    ck_assert_uint_eq(n, 3);
    ck_assert(nv_str_is(texts[0], "__name__") && nv_str_is(texts[1], "device") &&
              nv_str_is(texts[2], "mode"));
    ck_assert_int_eq(nv_block_label_values(block, NV_LIT("mode"), &arena, &texts, &n), 0);
    ck_assert_uint_eq(n, 2);
    ck_assert(nv_str_is(texts[0], "idle"));
    ck_assert_int_eq(nv_block_label_values(block, NV_LIT("device"), &arena, &texts, &n), 0);
    ck_assert_uint_eq(n, 39);
    ck_assert_int_eq(nv_block_label_values(block, NV_LIT("__name__"), &arena, &texts, &n), 0);
    ck_assert_uint_eq(n, n_families);
    for (size_t i = 1; i < n; i++)
        ck_assert_int_lt(nv_str_cmp(texts[i - 1], texts[i]), 0);
    ck_assert_int_eq(nv_block_label_values(block, NV_LIT("none"), &arena, &texts, &n), 0);
    ck_assert_uint_eq(n, 0);
    nv_arena_done(&arena);
    nv_block_unref(block);
    free(sets.at);
}

START_TEST(names_and_values_are_listed_in_order_each_once)
{
    check_lists(120, 3);
    check_lists(MANY, MANY / 40);
}
END_TEST

START_TEST(fifty_thousand_series_are_searched_by_reading_a_few_pages)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct sets sets = {calloc(HUGE_SERIES, sizeof(*sets.at)), HUGE_SERIES};
    struct nv_block_cache *cache = nv_block_cache_new(NV_BLOCK_CACHE_BYTES);
    struct nv_arena arena = NV_ARENA(16 << 20);
    char name[NV_BLOCK_NAME_MAX];
    struct nv_block *block;
    uint32_t *found;
    size_t n;

    for (size_t i = 0; i < HUGE_SERIES; i++)
        model_labels(&sets.at[i], "container_%02zu_total|pod=app-%05zx", i / 1000,
                     i % 1000 * 7919 % 65521);
    write_sets(fs, &sets, name);
    uint64_t before = nv_memory_fs_read(fs);
    ck_assert_int_eq(nv_block_open(fs, cache, name, &block), 0);
    uint64_t opened = nv_memory_fs_read(fs);
    struct nv_matcher family = matcher("__name__", "=~", "container_(17|31)_total");
    ck_assert_int_eq(nv_block_select(block, &family, 1, &arena, &found, &n), 0);
    ck_assert_uint_eq(n, 2000);
    uint64_t selected = nv_memory_fs_read(fs), bytes = nv_block_info(block)->bytes;
    ck_assert_uint_lt(opened - before, bytes / 20);
    ck_assert_uint_lt(selected - opened, bytes / 10);
    nv_matcher_done(&family);
    check_question(block, &sets,
                   &(struct nv_matcher){NV_MATCH_EQUAL, NV_LIT("pod"), NV_LIT("app-01eef"), NULL},
                   1);
    nv_block_unref(block);
    nv_block_cache_free(cache);
    nv_arena_done(&arena);
    free(sets.at);
}
END_TEST

static size_t count(struct nv_block *block, const char *name, const char *value)
{
    struct nv_arena arena = NV_ARENA(16 << 20);
    struct nv_matcher m = {NV_MATCH_EQUAL, nv_str(name), nv_str(value), NULL};
    uint32_t *found;
    size_t n;

    ck_assert_int_eq(nv_block_select(block, &m, 1, &arena, &found, &n), 0);
    nv_arena_done(&arena);
    return n;
}

/* Flips bytes at some places; what can be found then is all but a page, and the block has counted a fault. */
START_TEST(a_damaged_index_gives_what_is_left)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    struct sets sets = make_sets(MANY);
    char name[NV_BLOCK_NAME_MAX];
    struct nv_block *block;
    size_t n, damaged = 0;

    write_sets(fs, &sets, name);
    unsigned char *bytes = nv_memory_fs_bytes(fs, name, &n);
    for (size_t i = 16; i < n; i += 97) {
        bytes[i] ^= 4;
        if (nv_block_open(fs, NULL, name, &block) == 0) {
            struct nv_arena arena = NV_ARENA(16 << 20);
            struct nv_str *texts;
            uint32_t *found;
            size_t n_found, n_texts;
            ck_assert_int_eq(nv_block_select(block, NULL, 0, &arena, &found, &n_found), 0);
            bool whole = nv_block_faults(block) == 0;
            ck_assert(whole ? n_found == MANY : n_found < MANY && n_found >= MANY - 512);
            damaged += !whole;
            ck_assert_int_eq(
                nv_block_label_values(block, NV_LIT("device"), &arena, &texts, &n_texts), 0);
            ck_assert_uint_eq(n_texts, 39);
            nv_block_unref(block);
            nv_arena_done(&arena);
        }
        bytes[i] ^= 4;
    }
    ck_assert_uint_gt(damaged, 0);
    block = open_block(fs, name);
    ck_assert_uint_eq(count(block, "device", "sd7"), MANY / 40);
    nv_block_unref(block);
    free(sets.at);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("index");
    TCase *tcase = tcase_create("index");

    tcase_add_test(tcase, small_blocks_answer_every_matcher);
    tcase_add_test(tcase, large_blocks_answer_every_matcher);
    tcase_add_test(tcase, names_and_values_are_listed_in_order_each_once);
    tcase_add_test(tcase, fifty_thousand_series_are_searched_by_reading_a_few_pages);
    tcase_add_test(tcase, a_damaged_index_gives_what_is_left);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
