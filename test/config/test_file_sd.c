/*
 * test_file_sd.c - targets in files, and what happens when these change.
 */
#include <check.h>
#include <stdio.h>

#include "base/buf.h"
#include "config/config.h"
#include "support/fixture.h"

static const char *folder;
static struct nv_file_sd *sd;
static char error[NV_YAML_ERROR_MAX];

static const char *path_of(const char *name)
{
    static char path[4096];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* Replaced as editors and config maps do it, so that its inode tells. */
static void put(const char *name, const char *text)
{
    char fresh[4200];

    snprintf(fresh, sizeof(fresh), "%s.new", path_of(name));
    FILE *file = fopen(fresh, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    ck_assert_int_eq(rename(fresh, path_of(name)), 0);
}

static void begin(void)
{
    char pattern[4200];

    folder = nv_temp_dir();
    snprintf(pattern, sizeof(pattern), "%s/*.yml", folder);
    char json[4200];
    snprintf(json, sizeof(json), "%s/one.json", folder);
    const char *const patterns[] = {pattern, json, json, NULL};
    sd = nv_file_sd_new(patterns);
    ck_assert_ptr_nonnull(sd);
    error[0] = '\0';
}

static void end(void)
{
    nv_file_sd_free(sd);
}

static bool refresh(int want)
{
    bool changed = false;
    int r = nv_file_sd_refresh(sd, &changed, error);

    ck_assert_msg(r == want, "%d: %s", r, error);
    return changed;
}

/* All targets with their labels, in order. */
static const char *show(void)
{
    static struct nv_buf out = NV_BUF(1 << 20);
    struct nv_target_groups groups = nv_file_sd_groups(sd);

    nv_buf_reset(&out);
    for (size_t i = 0; i < groups.n; i++) {
        const struct nv_target_group *group = &groups.at[i];
        for (size_t k = 0; k < group->n_targets; k++)
            nv_buf_printf(&out, "%.*s ", NV_ARGS(group->targets[k]));
        for (size_t k = 0; k < group->n_labels; k++) {
            struct nv_str value = group->labels[k].value;
            if (nv_str_is(group->labels[k].name, "__meta_filepath"))
                value = nv_str_from(value, strlen(folder) + 1);
            nv_buf_printf(&out, "%.*s=%.*s ", NV_ARGS(group->labels[k].name), NV_ARGS(value));
        }
        nv_buf_text(&out, "| ");
    }
    return nv_buf_c_string(&out);
}

START_TEST(files_of_both_kinds_are_read)
{
    put("b.yml", "- targets: ['h:1', 'h:2']\n  labels: {zone: x, a: b}\n- targets: [i]\n");
    put("one.json", "[{\"targets\": [\"j:1\"], \"labels\": {\"x\": \"y\\u00e9\"}}]");
    ck_assert(refresh(0));
    ck_assert_str_eq(show(), "h:1 h:2 __meta_filepath=b.yml a=b zone=x | i __meta_filepath=b.yml | "
                             "j:1 __meta_filepath=one.json x=y\xc3\xa9 | ");
    ck_assert(!refresh(0));
}
END_TEST

START_TEST(nothing_there_is_no_trouble)
{
    ck_assert(!refresh(0));
    ck_assert_str_eq(show(), "");
}
END_TEST

START_TEST(changes_additions_and_removals_are_seen)
{
    put("b.yml", "[{targets: [b]}]");
    ck_assert(refresh(0));
    put("a.yml", "[{targets: [a]}]");
    ck_assert(refresh(0));
    ck_assert_str_eq(show(), "a __meta_filepath=a.yml | b __meta_filepath=b.yml | ");
    put("b.yml", "[{targets: [c]}]");
    ck_assert(refresh(0));
    ck_assert_str_eq(show(), "a __meta_filepath=a.yml | c __meta_filepath=b.yml | ");
    unlink(path_of("a.yml"));
    ck_assert(refresh(0));
    ck_assert_str_eq(show(), "c __meta_filepath=b.yml | ");
    ck_assert(!refresh(0));
}
END_TEST

START_TEST(a_file_in_trouble_keeps_its_groups_and_holds_up_no_other)
{
    put("a.yml", "[{targets: [a]}]");
    put("b.yml", "[{targets: [b]}]");
    ck_assert(refresh(0));
    put("a.yml", "[{targets: [a, b}]");
    put("b.yml", "[{targets: [d]}]");
    ck_assert(refresh(-EBADMSG));
    ck_assert_msg(strstr(error, "a.yml:1:") != NULL, "%s", error);
    ck_assert_str_eq(show(), "a __meta_filepath=a.yml | d __meta_filepath=b.yml | ");
    ck_assert(!refresh(-EBADMSG)); /* it is told again */
    put("a.yml", "");
    ck_assert(refresh(0));
    ck_assert_str_eq(show(), "d __meta_filepath=b.yml | ");
}
END_TEST

static const struct {
    const char *text, *error;
} refused[] = {
    {"targets: [a]\n",                      "a.yml:1:1: a list is wanted, not a map"                   },
    {"- target: [a]\n",                     "a.yml:1:3: unknown key 'target'; allowed: targets, labels"},
    {"- targets: a\n",                      "a.yml:1:12: a list is wanted"                             },
    {"- targets: ['http://a/b']\n",         "is not a valid hostname"                                  },
    {"- null\n",                            "empty or null target group"                               },
    {"- {targets: [a], labels: {'': x}}\n", "is not a valid label name"                                },
};

START_TEST(what_is_wrong_is_told_with_its_place)
{
    put("a.yml", refused[_i].text);
    ck_assert(!refresh(-EBADMSG));
    ck_assert_msg(strstr(error, refused[_i].error) != NULL, "%s", error);
    ck_assert_str_eq(show(), "");
}
END_TEST

START_TEST(too_many_targets_are_left_out)
{
    NV_AUTO_BUF text = NV_BUF(8 << 20);

    for (int i = 0; i < 3; i++) {
        char name[16];
        nv_buf_reset(&text);
        nv_buf_text(&text, "[{targets: [");
        for (int k = 0; k < 30000; k++)
            nv_buf_text(&text, "a,");
        nv_buf_text(&text, "b]}]");
        snprintf(name, sizeof(name), "%d.yml", i);
        put(name, nv_buf_c_string(&text));
    }
    ck_assert(refresh(-E2BIG));
    ck_assert_uint_eq(nv_file_sd_groups(sd).n, 2);
}
END_TEST

START_TEST(patterns_name_each_file_once_in_order)
{
    struct nv_arena memory = NV_ARENA(1 << 20);
    struct nv_text_list found;
    char star[4200], same[4200];

    put("b.yml", "");
    put("a.yml", "");
    snprintf(star, sizeof(star), "%s/*.yml", folder);
    snprintf(same, sizeof(same), "%s/a.yml", folder);
    const char *const patterns[] = {star, same, "/nowhere/x.yml", "/nowhere/*.yml"};
    ck_assert_int_eq(
        nv_config_glob(&(struct nv_text_list){patterns, NV_LEN(patterns)}, &memory, &found), 0);
    ck_assert_uint_eq(found.n, 3);
    ck_assert_str_eq(found.at[0], "/nowhere/x.yml");
    ck_assert_str_eq(found.at[1], same);
    ck_assert_str_eq(found.at[2], path_of("b.yml"));
    nv_arena_done(&memory);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config/file_sd");
    TCase *all = tcase_create("all");

    tcase_add_checked_fixture(all, begin, end);
    tcase_add_test(all, files_of_both_kinds_are_read);
    tcase_add_test(all, nothing_there_is_no_trouble);
    tcase_add_test(all, changes_additions_and_removals_are_seen);
    tcase_add_test(all, a_file_in_trouble_keeps_its_groups_and_holds_up_no_other);
    tcase_add_loop_test(all, what_is_wrong_is_told_with_its_place, 0, NV_LEN(refused));
    tcase_add_test(all, too_many_targets_are_left_out);
    tcase_add_test(all, patterns_name_each_file_once_in_order);
    tcase_set_timeout(all, 60);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
