/*
 * test_textfile.c - files that change, appear and vanish between passes, and what is kept of them meanwhile.
 */
#include <check.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fixture.h"
#include "support/machine.h"

extern const struct nv_collector nv_collector_textfile;

enum { TIMEOUT_MS = 5000 };

struct place {
    char root[4096], flag[4200];
    const char *flags[2];
    struct nv_machine *machine;
};

static void open_place(struct place *place, const char *name)
{
    char directory[4150];

    snprintf(place->root, sizeof(place->root), "%s/%s", nv_temp_dir(), name);
    snprintf(directory, sizeof(directory), "%s/left", place->root);
    mkdir(place->root, 0755);
    mkdir(directory, 0755);
    snprintf(place->flag, sizeof(place->flag), "--collector.textfile.directory=%s", directory);
    place->flags[0] = place->flag;
    place->flags[1] = NULL;
    place->machine = nv_machine_new(&nv_collector_textfile, place->root, place->flags);
}

/* Writes a file that looks as if it had not been touched for long. */
static void write_old(const struct place *place, const char *name, const char *text, time_t mtime)
{
    const struct timespec times[] = {{.tv_sec = mtime}, {.tv_sec = mtime}};
    char path[8200];

    nv_write_file(place->root, name, text);
    snprintf(path, sizeof(path), "%s/%s", place->root, name);
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

static const char *pass(const struct place *place)
{
    return nv_machine_pass(place->machine, TIMEOUT_MS);
}

START_TEST(a_file_is_read_again_when_it_changed)
{
    struct place place;

    open_place(&place, "changes");
    nv_write_file(place.root, "left/a.prom", "a 1\n");
    ck_assert_double_eq(nv_sample_of(pass(&place), "a"), 1);
    nv_write_file(place.root, "left/a.prom",
                  "a 2\n"); /* as long as before, and in the same second */
    ck_assert_double_eq(nv_sample_of(pass(&place), "a"), 2);
    nv_write_file(place.root, "left/a.prom", "a 3");
    ck_assert(!nv_has_sample(pass(&place), "a"));
    ck_assert_double_eq(nv_sample_of(pass(&place), "node_textfile_scrape_error"), 1);
    nv_write_file(place.root, "left/a.prom", "a 4\n");
    ck_assert_double_eq(nv_sample_of(pass(&place), "a"), 4);
    ck_assert_double_eq(nv_sample_of(pass(&place), "node_textfile_scrape_error"), 0);
    nv_machine_free(place.machine);
}
END_TEST

START_TEST(an_old_file_yields_the_same_in_every_pass)
{
    struct place place;

    open_place(&place, "same");
    write_old(&place, "left/b.prom", "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_count 3\nb 5\n",
              1000);
    for (int i = 0; i < 3; i++) {
        const char *text = pass(&place);
        ck_assert_double_eq(nv_sample_of(text, "b"), 5);
        ck_assert_double_eq(nv_sample_of(text, "h_bucket{le=\"+Inf\"}"), 3);
        ck_assert_ptr_nonnull(strstr(text, "left/b.prom\"} 1000\n"));
        if (i == 0)
            sleep(3); /* from now on it is kept */
    }
    write_old(&place, "left/b.prom", "# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_count 3\nb 6\n",
              1000);
    ck_assert_double_eq(nv_sample_of(pass(&place), "b"),
                        6); /* the time of its inode gives it away */
    nv_machine_free(place.machine);
}
END_TEST

START_TEST(files_come_and_go)
{
    struct place place;
    char path[8200];

    open_place(&place, "come");
    nv_write_file(place.root, "left/m.prom", "m 1\n");
    ck_assert_double_eq(nv_sample_of(pass(&place), "m"), 1);
    nv_write_file(place.root, "left/a.prom", "a 1\n");
    nv_write_file(place.root, "left/z.prom", "z 1\n");
    const char *text = pass(&place);
    ck_assert(nv_has_sample(text, "a") && nv_has_sample(text, "m") && nv_has_sample(text, "z"));
    snprintf(path, sizeof(path), "%s/left/m.prom", place.root);
    unlink(path);
    text = pass(&place);
    ck_assert(nv_has_sample(text, "a") && !nv_has_sample(text, "m") && nv_has_sample(text, "z"));
    nv_machine_free(place.machine);
}
END_TEST

/* The text that stands in for a missing HELP names all files of a family, so it follows them. */
START_TEST(made_help_names_the_files)
{
    struct place place;

    open_place(&place, "help");
    nv_write_file(place.root, "left/a.prom", "a{f=\"a\"} 1\n");
    nv_write_file(place.root, "left/b.prom", "a{f=\"b\"} 1\n");
    const char *text = pass(&place);
    const char *help = strstr(text, "# HELP a Metric read from ");
    ck_assert_ptr_nonnull(help);
    ck_assert_ptr_nonnull(strstr(help, "left/a.prom, "));
    ck_assert_ptr_nonnull(strstr(help, "left/b.prom\n# TYPE a untyped\n"));
    nv_machine_free(place.machine);
}
END_TEST

START_TEST(a_fifo_is_an_error_and_does_not_block)
{
    struct place place;
    char path[8200];

    open_place(&place, "fifo");
    snprintf(path, sizeof(path), "%s/left/f.prom", place.root);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_double_eq(nv_sample_of(pass(&place), "node_textfile_scrape_error"), 1);
    nv_machine_free(place.machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("textfile");
    TCase *all = tcase_create("all");

    tcase_set_timeout(all, 60);
    tcase_add_test(all, a_file_is_read_again_when_it_changed);
    tcase_add_test(all, an_old_file_yields_the_same_in_every_pass);
    tcase_add_test(all, files_come_and_go);
    tcase_add_test(all, made_help_names_the_files);
    tcase_add_test(all, a_fifo_is_an_error_and_does_not_block);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
