/*
 * test_sigbus.c - mapped files that do not hold.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sigbus.h"
#include "support/fixture.h"

enum { PAGE = 4096 };

static volatile const char *mapped;

/* Maps a page of a file, whose end then comes before it. */
static void map_nothing(void)
{
    char path[512];

    nv_write_file(nv_temp_dir(), "mapped", "text");
    snprintf(path, sizeof(path), "%s/mapped", nv_temp_dir());
    FILE *file = fopen(path, "r+e");
    ck_assert_ptr_nonnull(file);
    void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fileno(file), 0);
    ck_assert(page != MAP_FAILED);
    ck_assert_int_eq(ftruncate(fileno(file), 0), 0);
    fclose(file);
    mapped = page;
}

static int touch(void *unused)
{
    (void)unused;
    return mapped[0];
}

static int four(void *unused)
{
    (void)unused;
    return 4;
}

static int touch_within(void *unused)
{
    ck_assert_int_eq(nv_sigbus_guard(touch, NULL, -EIO), -EIO);
    return touch(unused); /* which the guard around meets */
}

START_TEST(a_page_that_cannot_be_read_is_an_error)
{
    map_nothing();
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nv_sigbus_guard(touch, NULL, -EIO), -EIO);
    ck_assert_int_eq(nv_sigbus_guard(four, NULL, -EIO), 4);
}
END_TEST

START_TEST(guards_stand_within_each_other)
{
    map_nothing();
    ck_assert_int_eq(nv_sigbus_guard(touch_within, NULL, -EPERM), -EPERM);
}
END_TEST

static void *touch_in_thread(void *result)
{
    *(int *)result = nv_sigbus_guard(touch, NULL, -EIO);
    return NULL;
}

static int run_thread(void *unused)
{
    pthread_t thread;
    int result = 0;

    (void)unused;
    ck_assert_int_eq(pthread_create(&thread, NULL, touch_in_thread, &result), 0);
    pthread_join(thread, NULL);
    return result;
}

START_TEST(a_guard_is_its_threads_own)
{
    map_nothing();
    ck_assert_int_eq(nv_sigbus_guard(run_thread, NULL, -EPERM), -EIO);
}
END_TEST

START_TEST(outside_a_guard_the_process_ends)
{
    int status;

    map_nothing();
    ck_assert_int_eq(nv_sigbus_guard(touch, NULL, -EIO), -EIO);
    pid_t child = fork();
    if (child == 0) {
        if (!freopen("/dev/null", "w", stderr)) /* a sanitizer has much to say of it */
            _exit(1);
        _exit(touch(NULL));
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sigbus");
    TCase *tests = tcase_create("sigbus");

    tcase_add_test(tests, a_page_that_cannot_be_read_is_an_error);
    tcase_add_test(tests, guards_stand_within_each_other);
    tcase_add_test(tests, a_guard_is_its_threads_own);
    tcase_add_test(tests, outside_a_guard_the_process_ends);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
