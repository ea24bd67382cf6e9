/*
 * test_block_damage.c - flipped bytes, missing ends, full disks and power cuts: a block says what is damaged and keeps
 * giving the rest; it is there whole, or not at all.
 */
#include "blocks.h"

/* A small block with a column in every form: inside the page, on its own, based, sparse, with gaps, of histograms. */
enum { SMALL_ROWS = 130, SMALL_SERIES = 7 };

struct small {
    int64_t times[SMALL_ROWS];
    double values[SMALL_ROWS];
    struct nv_samples expected[SMALL_SERIES];
};

static void add_column(struct nv_block_writer *writer, const char *name, const uint64_t *present,
                       const double *values)
{
    struct model_labels l;

    model_labels(&l, "%s|device=sda", name);
    ck_assert_int_eq(nv_block_add_series(writer, 0, 0, l.at, l.n, present, values, NULL), 0);
}

static void add_histograms(struct nv_block_writer *writer)
{
    struct nv_histogram histogram = {.schema = 1, .count = 3, .zero_count = 3, .sum = 4};
    const struct nv_histogram *all[SMALL_ROWS];
    double none[SMALL_ROWS] = {0};
    struct model_labels l;

    for (size_t i = 0; i < SMALL_ROWS; i++)
        all[i] = i % 2 ? &histogram : NULL;
    model_labels(&l, "e");
    ck_assert_int_eq(nv_block_add_series(writer, 0, 0, l.at, l.n, NULL, none, all), 0);
}

static void add_own(struct nv_block_writer *writer, const struct small *small)
{
    struct nv_samples samples = {0};
    struct model_labels l;

    ck_assert_int_eq(nv_samples_room(&samples, SMALL_ROWS), 0);
    memcpy(samples.times, small->times, sizeof(small->times));
    memcpy(samples.values, small->values, sizeof(small->values));
    samples.n = SMALL_ROWS;
    model_labels(&l, "f");
    ck_assert_int_eq(nv_block_add_sparse(writer, l.at, l.n, &samples), 0);
    nv_samples_done(&samples);
}

static int write_small(struct nv_fs *fs, struct small *small, char name[NV_BLOCK_NAME_MAX])
{
    struct nv_block_writer *made;
    uint64_t random = 4711, gaps[3] = {0x0ff0f0f0ff00f00f, 0xffff0000ffff0000, 1};
    double twice[SMALL_ROWS], constant[SMALL_ROWS];

    for (size_t i = 0; i < SMALL_ROWS; i++) {
        small->times[i] = (int64_t)(i * 1000 + i % 3);
        small->values[i] = (double)(model_random(&random) >> 44);
        twice[i] = small->values[i] * 2;
        constant[i] = 17;
    }
    int r = nv_block_writer_new(fs, &made);
    if (r < 0)
        return r;
    NV_AUTO(nv_block_writer) *writer = made;
    r = nv_block_add_group(writer, small->times, SMALL_ROWS, NULL, 1);
    if (r < 0)
        return r;
    add_column(writer, "a", NULL, constant);
    add_column(writer, "b", NULL, small->values);
    add_column(writer, "c", NULL, twice);
    add_column(writer, "d", gaps, small->values);
    add_histograms(writer);
    add_own(writer, small);
    add_column(writer, "g", gaps, constant);
    return nv_block_commit(writer, 1, name);
}

static void expect_small(struct nv_fs *fs, struct small *small, const char *name)
{
    struct nv_block *block = open_block(fs, name);

    for (uint32_t i = 0; i < SMALL_SERIES; i++) {
        small->expected[i] = (struct nv_samples){0};
        ck_assert_int_eq(nv_block_read(block, i, INT64_MIN, INT64_MAX, &small->expected[i]), 0);
        ck_assert_uint_gt(small->expected[i].n, 20);
    }
    nv_block_unref(block);
}

static void forget_small(struct small *small)
{
    for (uint32_t i = 0; i < SMALL_SERIES; i++)
        nv_samples_done(&small->expected[i]);
}

static bool same_histogram(const struct nv_histogram *a, const struct nv_histogram *b)
{
    return (!a && !b) || (a && b && a->schema == b->schema && a->count == b->count &&
                          a->sum == b->sum && a->zero_count == b->zero_count);
}

/* 1: read, and right; 0: refused. Never anything else. */
static int right_or_refused(struct nv_block *block, uint32_t series, const struct small *small)
{
    const struct nv_samples *want = &small->expected[series];
    struct nv_samples got = {0};

    int r = nv_block_read(block, series, INT64_MIN, INT64_MAX, &got);
    if (r == 0) {
        ck_assert_uint_eq(got.n, want->n);
        ck_assert_mem_eq(got.times, want->times, got.n * sizeof(*got.times));
        ck_assert_mem_eq(got.values, want->values, got.n * sizeof(*got.values));
        for (size_t i = 0; want->histograms && i < got.n; i++)
            ck_assert(same_histogram(got.histograms[i], want->histograms[i]));
    } else {
        ck_assert_int_eq(r, -EBADMSG);
        ck_assert_uint_eq(got.n, 0);
    }
    nv_samples_done(&got);
    return r == 0;
}

static const struct {
    const char *name;
    int lost; /* how many series go with it, at most */
} parts[] = {
    {"header, footer or marks",   SMALL_SERIES    },
    {"times of group 0",          SMALL_SERIES - 1},
    {"observed set 0 of group 0", SMALL_SERIES - 1},
    {"page 0 of labels",          0               },
    {"page 0 of columns",         SMALL_SERIES    },
    {"column of series 1",        2               }, /* which another is based on */
    {"column of series 3",        1               },
    {"column of series 4",        1               },
    {"column of series 5",        1               },
};

static size_t part_named(const char *line)
{
    for (size_t i = 0; i < NV_LEN(parts); i++)
        if (strstr(line, parts[i].name))
            return i;
    ck_abort_msg("%s", line);
}

START_TEST(every_flipped_byte_is_named_or_does_no_harm)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct small small;
    char name[NV_BLOCK_NAME_MAX];
    size_t n, seen[NV_LEN(parts)] = {0};

    ck_assert_int_eq(write_small(fs, &small, name), 0);
    expect_small(fs, &small, name);
    unsigned char *bytes = nv_memory_fs_bytes(fs, name, &n);
    for (size_t i = 0; i < n; i++) {
        NV_AUTO_BUF out = NV_BUF(1 << 16);
        struct nv_block *block;
        bytes[i] ^= (unsigned char)(1 << i % 8);
        ck_assert_int_gt(nv_block_verify(fs, name, &out), 0);
        size_t part = part_named(nv_buf_c_string(&out));
        seen[part]++;
        int r = nv_block_open(fs, NULL, name, &block);
        ck_assert_int_eq(r < 0, part == 0);
        int right = 0;
        for (uint32_t k = 0; r == 0 && k < SMALL_SERIES; k++)
            right += right_or_refused(block, k, &small);
        ck_assert_int_ge(right, SMALL_SERIES - parts[part].lost);
        if (r == 0)
            nv_block_unref(block);
        bytes[i] ^= (unsigned char)(1 << i % 8);
    }
    for (size_t i = 0; i < NV_LEN(parts); i++)
        ck_assert_msg(seen[i], "%s is not there", parts[i].name);
    verified(fs, name);
    forget_small(&small);
}
END_TEST

START_TEST(a_block_that_ends_early_or_late_is_refused)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct small small;
    char name[NV_BLOCK_NAME_MAX];
    struct nv_block *block;
    size_t n;

    ck_assert_int_eq(write_small(fs, &small, name), 0);
    const unsigned char *bytes = nv_memory_fs_bytes(fs, name, &n);
    char *longer NV_AUTO_FREE = calloc(1, n + 1);
    memcpy(longer, bytes, n);
    for (size_t i = 0; i <= n + 1; i++) {
        nv_memory_fs_put(fs, "other.nvb", longer, i);
        int r = nv_block_open(fs, NULL, "other.nvb", &block);
        if (i == n)
            nv_block_unref(block);
        ck_assert_int_eq(r, i == n ? 0 : -EBADMSG);
    }
    ck_assert_int_eq(nv_block_open(fs, NULL, "none.nvb", &block), -ENOENT);
}
END_TEST

/* Flips that a checksum would catch do not try what is behind it: here it is made to fit again. */
START_TEST(a_part_that_lies_under_a_good_checksum_does_no_harm)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct small small;
    char name[NV_BLOCK_NAME_MAX];
    size_t n;

    ck_assert_int_eq(write_small(fs, &small, name), 0);
    unsigned char *bytes = nv_memory_fs_bytes(fs, name, &n);
    size_t footer = 0;
    for (size_t i = 0; i < 8; i++)
        footer |= (size_t)bytes[n - 20 + i] << (8 * i);
    for (size_t i = footer; i < n - 20; i++) {
        for (unsigned flip = 1; flip < 256; flip = flip * 2 + 1) {
            NV_AUTO_BUF out = NV_BUF(1 << 16);
            bytes[i] ^= (unsigned char)flip;
            uint32_t crc = nv_crc32c(0, bytes + footer, n - 20 - footer);
            memcpy(bytes + n - 8, &crc, 4);
            crc = nv_crc32c(0, bytes + n - 20, 16);
            memcpy(bytes + n - 4, &crc, 4);
            ck_assert_int_ge(nv_block_verify(fs, name, &out), 0);
            bytes[i] ^= (unsigned char)flip;
        }
    }
}
END_TEST

START_TEST(a_block_is_there_when_commit_says_so)
{
    static struct small small;

    for (size_t torn = 0; torn < 3; torn++) {
        NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
        char name[NV_BLOCK_NAME_MAX];
        ck_assert_int_eq(write_small(fs, &small, name), 0);
        nv_memory_fs_cut(fs, torn, false);
        verified(fs, name);
    }
}
END_TEST

/* Blocks there are; each must be whole. */
static size_t whole_blocks(struct nv_fs *fs)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    struct nv_str *names;
    size_t n, blocks = 0;

    ck_assert_int_eq(fs->ops->list(fs, &arena, &names, &n), 0);
    for (size_t i = 0; i < n; i++) {
        if (nv_str_starts(names[i], NV_BLOCK_UNFINISHED))
            continue;
        verified(fs, names[i].p);
        blocks++;
    }
    nv_arena_done(&arena);
    return blocks;
}

/* Writes a block on a disk whose nth call fails, and then all or none; then cuts the power; then tries again. */
static void write_on_bad_disk(uint64_t nth, bool dead)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct small small;
    char name[NV_BLOCK_NAME_MAX];

    nv_memory_fs_fail(fs, NV_MEMORY_FS_CHANGES, nth, dead ? UINT64_MAX : 1,
                      nth % 2 ? -EIO : -ENOSPC, 100);
    ck_assert_int_lt(write_small(fs, &small, name), 0);
    nv_memory_fs_fail(fs, 0, 0, 0, 0, 0);
    nv_memory_fs_cut(fs, 50, nth % 3 == 0);
    ck_assert_uint_le(whole_blocks(fs), 1);
    ck_assert_int_eq(write_small(fs, &small, name), 0);
    verified(fs, name);
}

START_TEST(each_call_of_the_disk_may_fail)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct small small;
    char name[NV_BLOCK_NAME_MAX];

    ck_assert_int_eq(write_small(fs, &small, name), 0);
    uint64_t calls = nv_memory_fs_calls(fs, NV_MEMORY_FS_CHANGES);
    ck_assert_uint_ge(calls, 5);
    for (uint64_t nth = 0; nth < calls; nth++) {
        write_on_bad_disk(nth, false);
        write_on_bad_disk(nth, true);
    }
}
END_TEST

START_TEST(a_read_that_fails_is_an_error_and_then_over)
{
    NV_AUTO(nv_fs) *fs = nv_memory_fs_new();
    static struct small small;
    char name[NV_BLOCK_NAME_MAX];
    struct nv_samples got = {0};

    ck_assert_int_eq(write_small(fs, &small, name), 0);
    expect_small(fs, &small, name);
    struct nv_block_cache *cache = nv_block_cache_new(NV_BLOCK_CACHE_BYTES);
    struct nv_block *block;
    ck_assert_int_eq(nv_block_open(fs, cache, name, &block), 0);
    for (uint64_t nth = 0; nth < 4; nth++) {
        nv_memory_fs_fail(fs, NV_MEMORY_FS_READS, 0, 1, -EIO, 0);
        ck_assert_int_eq(nv_block_read(block, 1, INT64_MIN, INT64_MAX, &got), -EIO);
        ck_assert_uint_eq(got.n, 0);
        nv_memory_fs_fail(fs, NV_MEMORY_FS_READS, nth, 1, -EIO, 0);
        int r = nv_block_read(block, 2, INT64_MIN, INT64_MAX, &got);
        ck_assert(r == 0 || r == -EIO);
        nv_samples_reset(&got);
    }
    nv_memory_fs_fail(fs, 0, 0, 0, 0, 0);
    ck_assert_int_eq(right_or_refused(block, 2, &small), 1);
    nv_samples_done(&got);
    nv_block_unref(block);
    nv_block_cache_free(cache);
    forget_small(&small);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block damage");
    TCase *tcase = tcase_create("block damage");

    tcase_add_test(tcase, every_flipped_byte_is_named_or_does_no_harm);
    tcase_add_test(tcase, a_block_that_ends_early_or_late_is_refused);
    tcase_add_test(tcase, a_part_that_lies_under_a_good_checksum_does_no_harm);
    tcase_add_test(tcase, a_block_is_there_when_commit_says_so);
    tcase_add_test(tcase, each_call_of_the_disk_may_fail);
    tcase_add_test(tcase, a_read_that_fails_is_an_error_and_then_over);
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
