/*
 * test_memory.c - buffers and arenas keep their bounds, and what they hold.
 */
#include "base/arena.h"
#include "base/buf.h"

#include <check.h>

START_TEST(a_buffer_holds_exactly_its_maximum)
{
    NV_AUTO_BUF buf = NV_BUF(1000);

    for (int i = 0; i < 1000; i++)
        nv_buf_char(&buf, 'x');
    ck_assert_int_eq(buf.failed, 0);
    ck_assert_uint_eq(buf.n, 1000);
    nv_buf_char(&buf, 'y');
    ck_assert_int_eq(buf.failed, -EFBIG);
    ck_assert_uint_eq(buf.n, 1000);
}
END_TEST

START_TEST(a_failure_leaves_out_all_that_follows_until_reset)
{
    NV_AUTO_BUF buf = NV_BUF(8);

    nv_buf_text(&buf, "abc");
    nv_buf_text(&buf, "too long for it");
    nv_buf_text(&buf, "d");
    nv_buf_printf(&buf, "%d", 1);
    ck_assert(nv_str_is(nv_buf_view(&buf), "abc"));
    ck_assert_str_eq(nv_buf_c_string(&buf), "");
    nv_buf_reset(&buf);
    nv_buf_text(&buf, "again");
    ck_assert_int_eq(buf.failed, 0);
    ck_assert_str_eq(nv_buf_c_string(&buf), "again");
}
END_TEST

START_TEST(a_size_that_would_overflow_is_refused)
{
    NV_AUTO_BUF buf = NV_BUF(SIZE_MAX);

    nv_buf_char(&buf, 'x');
    ck_assert(!nv_buf_room(&buf, SIZE_MAX));
    ck_assert_int_eq(buf.failed, -EFBIG);
}
END_TEST

START_TEST(formatted_text_grows_the_buffer)
{
    NV_AUTO_BUF buf = NV_BUF(10000);

    for (int i = 0; i < 500; i++)
        nv_buf_printf(&buf, "%03d,", i);
    ck_assert_int_eq(buf.failed, 0);
    ck_assert_uint_eq(buf.n, 2000);
    ck_assert_int_eq(memcmp(buf.p + 4 * 499, "499,", 4), 0);
    nv_buf_printf(&buf, "%9000d", 1);
    ck_assert_int_eq(buf.failed, -EFBIG);
    ck_assert_uint_eq(buf.n, 2000);
}
END_TEST

START_TEST(an_arena_gives_aligned_pieces_that_do_not_overlap)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    unsigned char *pieces[200];

    for (size_t i = 0; i < 200; i++) {
        pieces[i] = nv_arena_alloc(&arena, i);
        ck_assert_ptr_nonnull(pieces[i]);
        ck_assert_uint_eq((uintptr_t)pieces[i] % __alignof__(max_align_t), 0);
        memset(pieces[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t k = 0; k < i; k++)
            ck_assert_int_eq(pieces[i][k], (int)i);
    }
    nv_arena_done(&arena);
}
END_TEST

START_TEST(an_arena_ends_at_its_limit)
{
    struct nv_arena arena = NV_ARENA(100000);
    size_t got = 0;

    while (nv_arena_alloc(&arena, 1000))
        got += 1000;
    ck_assert_uint_le(got, 100000);
    ck_assert_uint_ge(got, 80000);
    ck_assert_uint_le(arena.total, 100000);
    ck_assert_ptr_null(nv_arena_alloc(&arena, SIZE_MAX));
    ck_assert_ptr_null(nv_arena_str(&arena, (struct nv_str){"", 200000}).p);
    nv_arena_done(&arena);
}
END_TEST

START_TEST(a_reset_arena_asks_for_no_more_memory)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    size_t total = 0;

    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 100; i++)
            ck_assert_ptr_nonnull(nv_arena_alloc(&arena, 700));
        ck_assert(round == 0 || arena.total == total);
        total = arena.total;
        nv_arena_reset(&arena);
    }
    nv_arena_done(&arena);
}
END_TEST

START_TEST(a_shrunk_arena_has_given_back_what_is_beyond_and_grows_again)
{
    struct nv_arena arena = NV_ARENA(1 << 20);

    nv_arena_shrink(&arena, 10000);
    ck_assert_uint_eq(arena.total, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 200; i++)
            memset(nv_arena_alloc(&arena, 1000), 'x', 1000);
        ck_assert_uint_ge(arena.total, 200000);
        nv_arena_shrink(&arena, round == 1 ? 0 : 20000);
        ck_assert_uint_le(arena.total, round == 1 ? 0 : 20000);
        ck_assert(round == 1 || arena.total > 0);
    }
    nv_arena_done(&arena);
}
END_TEST

START_TEST(a_rewound_arena_keeps_what_came_before_the_mark)
{
    struct nv_arena arena = NV_ARENA(1 << 20);
    struct nv_arena_mark start = nv_arena_mark(&arena);
    struct nv_str kept = nv_arena_str(&arena, NV_LIT("kept"));
    struct nv_arena_mark mark = nv_arena_mark(&arena);

    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 100; i++)
            memset(nv_arena_alloc(&arena, 900), 'x', 900);
        nv_arena_rewind(&arena, mark);
    }
    ck_assert(nv_str_is(kept, "kept"));
    ck_assert_int_eq(kept.p[kept.n], '\0');
    nv_arena_rewind(&arena, start);
    ck_assert_ptr_eq(nv_arena_alloc(&arena, 4), kept.p);
    nv_arena_done(&arena);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");

    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, a_buffer_holds_exactly_its_maximum);
    tcase_add_test(tcase, a_failure_leaves_out_all_that_follows_until_reset);
    tcase_add_test(tcase, a_size_that_would_overflow_is_refused);
    tcase_add_test(tcase, formatted_text_grows_the_buffer);
    tcase_add_test(tcase, an_arena_gives_aligned_pieces_that_do_not_overlap);
    tcase_add_test(tcase, an_arena_ends_at_its_limit);
    tcase_add_test(tcase, a_reset_arena_asks_for_no_more_memory);
    tcase_add_test(tcase, a_shrunk_arena_has_given_back_what_is_beyond_and_grows_again);
    tcase_add_test(tcase, a_rewound_arena_keeps_what_came_before_the_mark);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
