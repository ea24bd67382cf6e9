/*
 * test_kept.c - what collectors keep beyond a pass.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gather/guard.h"
#include "gather/kept.h"
#include "support/fixture.h"

static struct nv_guards *guards;
static struct nv_arena arena = NV_ARENA(1 << 20);

static struct nv_kept *kept_new(char folder[512])
{
    static int number;
    struct nv_kept *kept = nv_kept_new();

    if (!guards)
        guards = nv_guards_new();
    ck_assert_ptr_nonnull(kept);
    snprintf(folder, 512, "%s/kept-%d", nv_temp_dir(), number++);
    ck_assert_int_eq(nv_kept_set_folder(kept, folder), 0);
    return kept;
}

START_TEST(what_is_saved_is_loaded_again)
{
    char folder[512];
    NV_AUTO(nv_kept) *kept = kept_new(folder), *later = nv_kept_new();
    struct nv_str text;

    ck_assert_int_eq(nv_kept_load(kept, "one", &arena, &text), -ENOENT);
    ck_assert_int_eq(nv_kept_save(kept, guards, "one", NV_LIT("first")), 0);
    ck_assert_int_eq(nv_kept_save(kept, guards, "one", NV_LIT("second\n")), 0);
    ck_assert_int_eq(nv_kept_save(kept, guards, "other", NV_LIT("")), 0);
    ck_assert_int_eq(nv_kept_set_folder(later, folder), 0);
    ck_assert_int_eq(nv_kept_load(later, "one", &arena, &text), 0);
    ck_assert(nv_str_is(text, "second\n"));
    ck_assert_int_eq(nv_kept_load(later, "other", &arena, &text), 0);
    ck_assert_uint_eq(text.n, 0);
}
END_TEST

START_TEST(without_a_folder_nothing_is_kept_and_nothing_fails)
{
    char folder[512];
    NV_AUTO(nv_kept) *kept = nv_kept_new(), *unused = kept_new(folder);
    struct nv_str text;

    (void)unused;
    ck_assert_int_eq(nv_kept_save(kept, guards, "one", NV_LIT("x")), 0);
    ck_assert_int_eq(nv_kept_load(kept, "one", &arena, &text), -ENOENT);
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_an_error)
{
    char folder[512];
    NV_AUTO(nv_kept) *kept = kept_new(folder);

    nv_write_file(nv_temp_dir(), "in-the-way", "");
    snprintf(folder, sizeof(folder), "%s/in-the-way/state", nv_temp_dir());
    ck_assert_int_eq(nv_kept_set_folder(kept, folder), 0);
    ck_assert_int_eq(nv_kept_save(kept, guards, "one", NV_LIT("x")), -ENOTDIR);
}
END_TEST

START_TEST(a_name_leads_nowhere_else)
{
    static const char *const names[] = {"", ".", "..", "../x", "a/b", "a.b", "a b"};
    char folder[512], large[NV_STATE_MAX + 1] = "";
    NV_AUTO(nv_kept) *kept = kept_new(folder);
    struct nv_str text;

    for (size_t i = 0; i < NV_LEN(names); i++) {
        ck_assert_int_eq(nv_kept_save(kept, guards, names[i], NV_LIT("x")), -EINVAL);
        ck_assert_int_eq(nv_kept_load(kept, names[i], &arena, &text), -EINVAL);
    }
    ck_assert_int_eq(nv_kept_save(kept, guards, "large", (struct nv_str){large, sizeof(large)}),
                     -EINVAL);
    ck_assert_int_eq(nv_kept_save(kept, guards, "large", (struct nv_str){large, NV_STATE_MAX}), 0);
    ck_assert_int_eq(nv_kept_load(kept, "large", &arena, &text), 0);
    ck_assert_uint_eq(text.n, NV_STATE_MAX);
}
END_TEST

/* A pipe that nobody reads holds its writer, as a disk does that hangs. */
START_TEST(a_save_that_hangs_holds_up_nobody_and_mends)
{
    char folder[512], pipe[600];
    NV_AUTO(nv_kept) *kept = kept_new(folder);
    struct nv_str text;
    int r = -ETIMEDOUT;

    ck_assert_int_eq(nv_kept_save(kept, guards, "one", NV_LIT("before")), 0);
    snprintf(pipe, sizeof(pipe), "%s/one.new", folder);
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    ck_assert_int_eq(nv_kept_save(kept, guards, "one", NV_LIT("x")), -ETIMEDOUT);
    ck_assert_int_eq(nv_kept_save(kept, guards, "one", NV_LIT("y")), -ETIMEDOUT);
    ck_assert_int_eq(nv_kept_save(kept, guards, "other", NV_LIT("z")), 0);
    ck_assert_int_eq(nv_kept_load(kept, "one", &arena, &text), 0);
    ck_assert(nv_str_is(text, "before"));

    NV_AUTO_FD reader = open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(reader, 0);
    unlink(pipe);
    for (int i = 0; i < 1000 && r < 0; i++, usleep(20000))
        r = nv_kept_save(kept, guards, "one", NV_LIT("after"));
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(nv_kept_load(kept, "one", &arena, &text), 0);
    ck_assert(nv_str_is(text, "after"));
}
END_TEST

START_TEST(memory_of_a_name_is_shared_and_bounded)
{
    NV_AUTO(nv_kept) *kept = nv_kept_new();
    char name[2] = "b";

    int *one = nv_kept_commons(kept, "a", sizeof(int));
    ck_assert_int_eq(*one, 0);
    *one = 7;
    ck_assert_ptr_eq(nv_kept_commons(kept, "a", sizeof(int)), one);
    ck_assert_ptr_null(nv_kept_commons(kept, "a", sizeof(int) + 1));
    for (int i = 1; i < NV_COMMONS_MAX; i++, name[0]++)
        ck_assert_ptr_nonnull(nv_kept_commons(kept, name, 1));
    ck_assert_ptr_null(nv_kept_commons(kept, name, 1));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kept");
    TCase *tests = tcase_create("kept");

    tcase_add_test(tests, what_is_saved_is_loaded_again);
    tcase_add_test(tests, without_a_folder_nothing_is_kept_and_nothing_fails);
    tcase_add_test(tests, a_folder_that_cannot_be_made_is_an_error);
    tcase_add_test(tests, a_name_leads_nowhere_else);
    tcase_add_test(tests, a_save_that_hangs_holds_up_nobody_and_mends);
    tcase_add_test(tests, memory_of_a_name_is_shared_and_bounded);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    nv_guards_free(guards);
    nv_arena_done(&arena);
    return failed ? 1 : 0;
}
