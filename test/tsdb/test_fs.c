/*
 * test_fs.c - the real file layer does what it says, the one in memory forgets what it should, and both checksums
 * are CRC32C.
 */
#include <check.h>
#include <sys/stat.h>

#include "support/fixture.h"
#include "support/memory_fs.h"

static struct nv_fs *real_fs(const char *name)
{
    char path[512];
    struct nv_fs *fs;

    snprintf(path, sizeof(path), "%s/%s/deep", nv_temp_dir(), name);
    ck_assert_int_eq(nv_fs_open(path, &fs), 0);
    return fs;
}

static int make(struct nv_fs *fs, const char *name, const char *text)
{
    int handle = fs->ops->create(fs, name);

    if (handle < 0)
        return handle;
    int r = fs->ops->append(fs, handle, text, strlen(text));
    if (r == 0)
        r = fs->ops->sync(fs, handle);
    fs->ops->close(fs, handle);
    return r;
}

static void holds(struct nv_fs *fs, const char *name, const char *text)
{
    char got[64] = "";
    int handle = fs->ops->open_read(fs, name);

    ck_assert_int_ge(handle, 0);
    ssize_t n = fs->ops->pread(fs, handle, got, sizeof(got) - 1, 0);
    fs->ops->close(fs, handle);
    ck_assert_int_eq(n, (int)strlen(text));
    ck_assert_str_eq(got, text);
}

/* The vectors of RFC 3720, appendix B.4. */
START_TEST(both_checksums_are_crc32c)
{
    unsigned char zeros[32] = {0}, rising[32];

    for (unsigned char i = 0; i < 32; i++)
        rising[i] = i;
    ck_assert_uint_eq(nv_crc32c(0, zeros, 32), 0x8a9136aa);
    ck_assert_uint_eq(nv_crc32c(0, rising, 32), 0x46dd794e);
    ck_assert_uint_eq(nv_crc32c(0, "123456789", 9), 0xe3069283);
    for (size_t n = 0; n <= 32; n++) {
        uint32_t front = nv_crc32c(0, rising, n);
        ck_assert_uint_eq(front, nv_crc32c_by_table(0, rising, n));
        ck_assert_uint_eq(nv_crc32c(front, rising + n, 32 - n), 0x46dd794e);
    }
}
END_TEST

static void check_calls(struct nv_fs *fs)
{
    NV_AUTO(nv_fs) *owned = fs;
    struct nv_arena arena = NV_ARENA(1 << 20);
    struct nv_fs_stat st;
    struct nv_str *names;
    size_t n;

    ck_assert_int_eq(make(owned, "b", "first"), 0);
    ck_assert_int_eq(make(owned, "b", "again"), -EEXIST);
    int handle = fs->ops->open_append(fs, "b");
    ck_assert_int_eq(fs->ops->append(fs, handle, ", second", 8), 0);
    fs->ops->close(fs, handle);
    holds(fs, "b", "first, second");
    ck_assert_int_eq(fs->ops->truncate(fs, "b", 5), 0);
    holds(fs, "b", "first");
    ck_assert_int_eq(fs->ops->mkdir(fs, "d"), 0);
    ck_assert_int_eq(fs->ops->mkdir(fs, "d/e"), 0);
    ck_assert_int_eq(fs->ops->link(fs, "b", "d/e/l"), 0);
    ck_assert_int_eq(fs->ops->rename(fs, "b", "a"), 0);
    ck_assert_int_eq(fs->ops->open_read(fs, "b"), -ENOENT);
    ck_assert_int_eq(fs->ops->stat(fs, "a", &st), 0);
    ck_assert_uint_eq(st.size, 5);
    ck_assert(!st.is_dir);
    ck_assert_int_eq(fs->ops->sync_dir(fs), 0);

    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    ck_assert_uint_eq(n, 4);
    ck_assert_str_eq(names[0].p, "a");
    ck_assert_str_eq(names[1].p, "d");
    ck_assert_str_eq(names[2].p, "d/e");
    ck_assert_str_eq(names[3].p, "d/e/l");
    ck_assert_int_eq(fs->ops->unlink(fs, "d/e/l"), 0);
    ck_assert_int_eq(fs->ops->unlink(fs, "d/e"), 0);
    ck_assert_int_eq(fs->ops->unlink(fs, "d"), 0);
    ck_assert_int_eq(fs->ops->unlink(fs, "d"), -ENOENT);
    ck_assert_uint_eq(fs->written, 13);
    nv_arena_done(&arena);
}

START_TEST(files_are_made_read_renamed_and_removed)
{
    check_calls(real_fs("calls"));
    check_calls(nv_memory_fs_new());
}
END_TEST

START_TEST(a_second_writer_is_kept_out_until_the_first_is_gone)
{
    struct nv_fs *first = real_fs("lock"), *second = real_fs("lock");

    ck_assert_int_eq(first->ops->lock(first, "lock"), 0);
    ck_assert_int_eq(second->ops->lock(second, "lock"), -EWOULDBLOCK);
    nv_fs_free(first);
    ck_assert_int_eq(second->ops->lock(second, "lock"), 0);
    nv_fs_free(second);
}
END_TEST

START_TEST(a_directory_removed_under_it_is_made_again)
{
    NV_AUTO(nv_fs) *fs = real_fs("gone");
    char path[512];

    ck_assert_int_eq(fs->ops->lock(fs, "lock"), 0);
    ck_assert_int_eq(fs->ops->unlink(fs, "lock"), 0);
    snprintf(path, sizeof(path), "%s/gone/deep", nv_temp_dir());
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(make(fs, "x", "there"), 0);
    holds(fs, "x", "there");
    NV_AUTO(nv_fs) *other = real_fs("gone");
    holds(other, "x", "there");
    ck_assert_int_eq(other->ops->lock(other, "lock"), -EWOULDBLOCK);
}
END_TEST

START_TEST(what_no_sync_followed_is_gone_after_a_cut)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();

    ck_assert_int_eq(make(fs, "named", "synced"), 0);
    ck_assert_int_eq(fs->ops->sync_dir(fs), 0);
    int handle = fs->ops->open_append(fs, "named");
    ck_assert_int_eq(fs->ops->append(fs, handle, "lost", 4), 0);
    fs->ops->close(fs, handle);
    ck_assert_int_eq(make(fs, "nameless", "synced"), 0);
    nv_memory_fs_cut(fs, 2, false);
    holds(fs, "named", "syncedlo");
    ck_assert_int_eq(fs->ops->open_read(fs, "nameless"), -ENOENT);
    nv_memory_fs_cut(fs, 0, false);
    holds(fs, "named", "syncedlo");
}
END_TEST

START_TEST(the_nth_call_fails_and_those_after_it_work)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();

    nv_memory_fs_fail(fs, NV_MEMORY_FS_WRITES, 3, 1, -ENOSPC, 2);
    ck_assert_int_eq(make(fs, "a", "one"), 0);
    ck_assert_int_eq(make(fs, "b", "two"), -ENOSPC);
    ck_assert_int_eq(make(fs, "c", "three"), 0);
    holds(fs, "b", "tw");
    nv_memory_fs_fail(fs, NV_MEMORY_FS_SYNCS, 0, UINT64_MAX, -EIO, 0);
    ck_assert_int_eq(make(fs, "d", "four"), -EIO);
    ck_assert_int_eq(fs->ops->sync_dir(fs), -EIO);
    nv_memory_fs_fail(fs, 0, 0, 0, 0, 0);
    ck_assert_int_eq(fs->ops->sync_dir(fs), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fs");
    TCase *tcase = tcase_create("fs");

    tcase_add_test(tcase, both_checksums_are_crc32c);
    tcase_add_test(tcase, files_are_made_read_renamed_and_removed);
    tcase_add_test(tcase, a_second_writer_is_kept_out_until_the_first_is_gone);
    tcase_add_test(tcase, a_directory_removed_under_it_is_made_again);
    tcase_add_test(tcase, what_no_sync_followed_is_gone_after_a_cut);
    tcase_add_test(tcase, the_nth_call_fails_and_those_after_it_work);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
