/*
 * test_yaml.c - the YAML loader: positions, what is refused, and that nothing grows beyond its bounds.
 */
#include <check.h>
#include <unistd.h>

#include "base/buf.h"
#include "config/yaml.h"
#include "support/fixture.h"

static struct nv_arena memory;
static char error[NV_YAML_ERROR_MAX];
static const struct nv_yaml *root;

static void begin(void)
{
    memory = NV_ARENA(64 << 20);
    error[0] = '\0';
}

static void end(void)
{
    nv_arena_done(&memory);
}

static int parse(const char *text)
{
    return nv_yaml_parse("f.yml", nv_str(text), &memory, &root, error);
}

START_TEST(nodes_know_where_they_stand)
{
    ck_assert_int_eq(parse("# comment\na: 1\nlist:\n  - x\n  - {k: \"v\"}\n"), 0);
    ck_assert_int_eq(root->kind, NV_YAML_MAP);
    ck_assert_uint_eq(root->line, 2);
    const struct nv_yaml *list = nv_yaml_get(root, "list");
    ck_assert_int_eq(list->kind, NV_YAML_LIST);
    ck_assert_uint_eq(list->n, 2);
    ck_assert_uint_eq(list->items[0]->line, 4);
    ck_assert_uint_eq(list->items[0]->column, 5);
    const struct nv_yaml *value = nv_yaml_get(list->items[1], "k");
    ck_assert_str_eq(value->text.p, "v");
    ck_assert(!value->plain);
    ck_assert_uint_eq(value->column, 9);
    ck_assert(nv_yaml_get(root, "a")->plain);
    ck_assert_ptr_null(nv_yaml_get(root, "b"));
}
END_TEST

static const struct {
    const char *text;
    bool null;
} nulls[] = {
    {"",                   true },
    {"# only a comment\n", true },
    {"~",                  true },
    {"null",               true },
    {"---\n",              true },
    {"\"null\"",           false},
    {"''",                 false},
    {"nul",                false},
    {"{}",                 false},
    {"!!str null",         false}
};

START_TEST(null_is_nothing_or_unquoted)
{
    ck_assert_int_eq(parse(nulls[_i].text), 0);
    ck_assert_int_eq(nv_yaml_is_null(root), nulls[_i].null);
}
END_TEST

static const struct {
    const char *text, *error;
} refused[] = {
    {"a: 1\nb: 2\na: 3\n",    "f.yml:3:1: key 'a' stands twice, first in line 1"},
    {"a: [1, 2\n",            "f.yml:2:1: "                                     },
    {"\ta: 1\n",              "f.yml:1:1: "                                     },
    {"a: 1\n---\nb: 2\n",     "f.yml:2:1: a second document"                    },
    {"a: *x\n",               "f.yml:1:4: no anchor 'x'"                        },
    {"a: !python/object 1\n", "f.yml:1:4: tag '!python/object' is not supported"},
    {"[a, b]: 1\n",           "f.yml:1:1: a key must be a scalar"               },
    {"a: \xff\n",             "f.yml:1:"                                        },
    {"<<: 3\n",               "f.yml:1:5: << wants a map"                       },
    {"a: &a [*a]\n",          "f.yml:1:8: no anchor 'a'"                        },
};

START_TEST(what_is_wrong_is_told_with_its_place)
{
    ck_assert_int_eq(parse(refused[_i].text), -EBADMSG);
    ck_assert_msg(strstr(error, refused[_i].error) == error, "%s", error);
    ck_assert_ptr_null(strchr(error, '\n'));
}
END_TEST

START_TEST(aliases_are_the_node_they_name)
{
    ck_assert_int_eq(parse("a: &x {k: v}\nb: *x\nc: &x 3\nd: *x\n"), 0);
    ck_assert_ptr_eq(nv_yaml_get(root, "a"), nv_yaml_get(root, "b"));
    ck_assert_str_eq(nv_yaml_get(root, "d")->text.p, "3");
}
END_TEST

START_TEST(merges_fill_in_what_is_not_there)
{
    ck_assert_int_eq(parse("x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], a: 5}\n"), 0);
    const struct nv_yaml *z = nv_yaml_get(root, "z");
    ck_assert_uint_eq(z->n, 3);
    ck_assert_str_eq(nv_yaml_get(z, "a")->text.p, "5");
    ck_assert_str_eq(nv_yaml_get(z, "b")->text.p, "2");
    ck_assert_str_eq(nv_yaml_get(z, "c")->text.p, "4");
}
END_TEST

/* Nine levels of nine aliases each are a billion values in 300 bytes. */
START_TEST(aliases_that_explode_are_refused)
{
    NV_AUTO_BUF text = NV_BUF(4096);

    nv_buf_text(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        nv_buf_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            nv_buf_printf(&text, "%s*a%d", k ? ", " : "", i - 1);
        nv_buf_text(&text, "]\n");
    }
    ck_assert_int_eq(parse(nv_buf_c_string(&text)), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(error, "aliases expand to more than"));
}
END_TEST

START_TEST(depth_is_bounded)
{
    char text[2 * NV_YAML_DEPTH_MAX + 3] = {0};

    memset(text, '[', NV_YAML_DEPTH_MAX);
    memset(text + NV_YAML_DEPTH_MAX, ']', NV_YAML_DEPTH_MAX);
    ck_assert_int_eq(parse(text), 0);
    memset(text, '[', NV_YAML_DEPTH_MAX + 1);
    memset(text + NV_YAML_DEPTH_MAX + 1, ']', NV_YAML_DEPTH_MAX + 1);
    ck_assert_int_eq(parse(text), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(error, "more than 64 levels"));
}
END_TEST

START_TEST(size_is_bounded)
{
    struct nv_str text = {calloc(1, NV_YAML_SIZE_MAX + 1), NV_YAML_SIZE_MAX + 1};

    ck_assert_int_eq(nv_yaml_parse("f.yml", text, &memory, &root, error), -EBADMSG);
    ck_assert_ptr_nonnull(strstr(error, "larger than"));
    free((void *)(uintptr_t)text.p);
}
END_TEST

START_TEST(a_full_arena_is_an_error)
{
    struct nv_arena small = NV_ARENA(200);

    ck_assert_int_eq(nv_yaml_parse("f.yml",
                                   nv_str("a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]"),
                                   &small, &root, error),
                     -ENOMEM);
    nv_arena_done(&small);
}
END_TEST

START_TEST(a_text_cut_anywhere_is_parsed_or_refused)
{
    static const char text[] =
        "a: &x {b: 'c', d: \"e\\n\"}\nf:\n  - *x\n  - |\n    g\n  - ? h\n    : i\n";

    for (size_t n = 0; n < sizeof(text); n++) {
        char *copy = malloc(n ? n : 1); /* a block of its own, so that a sanitizer sees its end */
        memcpy(copy, text, n);
        int r = nv_yaml_parse("f.yml", (struct nv_str){copy, n}, &memory, &root, error);
        ck_assert(r == 0 || r == -EBADMSG);
        free(copy);
    }
}
END_TEST

START_TEST(files_are_read_whole_and_only_regular_ones)
{
    char path[512];
    struct nv_str text;

    nv_write_file(nv_temp_dir(), "config/one.yml", "a: 1\n");
    snprintf(path, sizeof(path), "%s/config/one.yml", nv_temp_dir());
    ck_assert_int_eq(nv_config_read_file(path, &memory, &text, error), 0);
    ck_assert(nv_str_is(text, "a: 1\n"));
    ck_assert_int_eq(nv_config_read_file("/dev/zero", &memory, &text, error), -EINVAL);
    ck_assert_str_eq(error, "cannot read /dev/zero: not a regular file");
    ck_assert_int_eq(nv_config_read_file("/nowhere", &memory, &text, error), -ENOENT);
    ck_assert_str_eq(error, "cannot read /nowhere: No such file or directory");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config/yaml");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, begin, end);
    tcase_add_test(all, nodes_know_where_they_stand);
    tcase_add_loop_test(all, null_is_nothing_or_unquoted, 0, NV_LEN(nulls));
    tcase_add_loop_test(all, what_is_wrong_is_told_with_its_place, 0, NV_LEN(refused));
    tcase_add_test(all, aliases_are_the_node_they_name);
    tcase_add_test(all, merges_fill_in_what_is_not_there);
    tcase_add_test(all, aliases_that_explode_are_refused);
    tcase_add_test(all, depth_is_bounded);
    tcase_add_test(all, size_is_bounded);
    tcase_add_test(all, a_full_arena_is_an_error);
    tcase_add_test(all, a_text_cut_anywhere_is_parsed_or_refused);
    tcase_add_test(all, files_are_read_whole_and_only_regular_ones);
    tcase_set_timeout(all, 60);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
