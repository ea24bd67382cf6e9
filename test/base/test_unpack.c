/*
 * test_unpack.c - answers in gzip and zstd, whole, in pieces, half, doubled, and made to burst.
 */
#include "base/unpack.h"

#include <check.h>
#include <errno.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"

enum { TEXT = 5000, BOMB = 64 << 20, LARGE = 1 << 24, LOG = 27 };

static const char *const codings[] = {"gzip", "zstd"};
static struct nv_buf text, packed, got;
static size_t most; /* that take() wants */

static void setup(void)
{
    text = got = NV_BUF(LARGE);
    packed = NV_BUF(2 * BOMB);
    most = SIZE_MAX;
    for (int i = 0; i < TEXT; i++)
        nv_buf_printf(&text, "a{i=\"%d\"} %d\n", i % 77, i);
}

static void teardown(void)
{
    nv_buf_done(&text);
    nv_buf_done(&packed);
    nv_buf_done(&got);
}

static void pack_gzip(struct nv_str from)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)from.p, .avail_in = (uInt)from.n};

    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, from.n);
    ck_assert(nv_buf_room(&packed, room));
    z.next_out = (Bytef *)packed.p + packed.n;
    z.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    packed.n += room - z.avail_out;
    deflateEnd(&z);
}

static void pack_zstd(struct nv_str from, int window_log)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(from.n);

    ck_assert(nv_buf_room(&packed, room));
    ZSTD_CCtx_setParameter(zstd, ZSTD_c_contentSizeFlag, 0);
    if (window_log)
        ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, window_log);
    ZSTD_inBuffer in = {from.p, from.n, 0};
    ZSTD_outBuffer out = {packed.p + packed.n, room, 0};
    while (ZSTD_compressStream2(zstd, &out, &in, window_log ? ZSTD_e_flush : ZSTD_e_end) > 0)
        ;
    packed.n += out.pos;
    ZSTD_freeCCtx(zstd);
}

static void pack(int coding)
{
    if (coding == 0)
        pack_gzip(nv_buf_view(&text));
    else
        pack_zstd(nv_buf_view(&text), 0);
}

static int take(void *user, struct nv_str piece)
{
    (void)user;
    if (got.n + piece.n > most)
        return -EFBIG;
    nv_buf_str(&got, piece);
    return got.failed;
}

/* In pieces of so many bytes; what the first failure was, or whether it is whole. */
static int unpack(const char *coding, struct nv_str from, size_t piece)
{
    struct nv_unpack *made;
    int r = nv_unpack_new(nv_str(coding), &made);
    NV_AUTO(nv_unpack) *unpack = made;

    ck_assert_int_eq(r, 0);
    ck_assert_ptr_nonnull(unpack);
    nv_buf_reset(&got);
    while (from.n && r == 0) {
        struct nv_str bytes = {from.p, from.n < piece ? from.n : piece};
        r = nv_unpack_feed(unpack, bytes, take, NULL);
        from = nv_str_from(from, bytes.n);
    }
    return r < 0 ? r : nv_unpack_is_whole(unpack);
}

START_TEST(what_was_packed_comes_out_in_whatever_pieces)
{
    static const size_t pieces[] = {1, 2, 7, 1000, LARGE};

    pack(_i);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        ck_assert_int_eq(unpack(codings[_i], nv_buf_view(&packed), pieces[i]), 1);
        ck_assert(nv_str_eq(nv_buf_view(&got), nv_buf_view(&text)));
    }
}
END_TEST

START_TEST(half_of_it_is_not_whole_wherever_it_ends)
{
    pack(_i);
    for (size_t n = 0; n<packed.n; n += n> 60 && n + 60 < packed.n ? 97 : 1)
        ck_assert_int_eq(unpack(codings[_i], (struct nv_str){packed.p, n}, LARGE), 0);
}
END_TEST

START_TEST(one_may_follow_the_other_and_nothing_else)
{
    pack(_i);
    size_t one = packed.n;
    pack(_i);
    for (size_t piece = 1; piece < LARGE; piece = piece * 90 + 1) {
        ck_assert_int_eq(unpack(codings[_i], nv_buf_view(&packed), piece), 1);
        ck_assert_uint_eq(got.n, 2 * text.n);
    }
    packed.n = one;
    nv_buf_text(&packed, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n");
    ck_assert_int_eq(unpack(codings[_i], nv_buf_view(&packed), LARGE), -EBADMSG);
}
END_TEST

START_TEST(what_is_none_is_refused)
{
    ck_assert_int_eq(unpack(codings[_i], nv_buf_view(&text), LARGE), -EBADMSG);
    pack_gzip(nv_buf_view(&text));
    packed.p[packed.n / 2] ^= 0x55;
    ck_assert_int_eq(unpack("gzip", nv_buf_view(&packed), LARGE), -EBADMSG); /* by its sum */
}
END_TEST

/* Of what would fill the memory no more is made than is wanted. */
START_TEST(it_ends_when_it_is_too_much)
{
    NV_AUTO_FREE char *zeros = calloc(1, BOMB);

    if (_i == 0)
        pack_gzip((struct nv_str){zeros, BOMB});
    else
        pack_zstd((struct nv_str){zeros, BOMB}, 0);
    most = 100000;
    ck_assert_int_eq(unpack(codings[_i], nv_buf_view(&packed), LARGE), -EFBIG);
    ck_assert_uint_le(got.n, most);
}
END_TEST

START_TEST(a_window_beyond_that_of_http_is_refused)
{
    pack_zstd(nv_buf_view(&text), LOG);
    ck_assert_int_eq(unpack("zstd", nv_buf_view(&packed), LARGE), -EBADMSG);
    packed.n = 0;
    pack_zstd(nv_buf_view(&text), NV_UNPACK_WINDOW_LOG);
    ck_assert_int_eq(unpack("zstd", nv_buf_view(&packed), LARGE), 0); /* it was only flushed */
    ck_assert_uint_eq(got.n, text.n);
}
END_TEST

START_TEST(codings_have_names)
{
    static const struct {
        const char *name;
        bool known;
    } names[] = {
        {"gzip",       true },
        {"GZip",       true },
        {"x-gzip",     true },
        {"zstd",       true },
        {"",           false},
        {"br",         false},
        {"utf-8",      false},
        {"identity",   false},
        {"gzip, gzip", false},
        {"gzipp",      false},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct nv_unpack *made;
        ck_assert_int_eq(nv_unpack_new(nv_str(names[i].name), &made), 0);
        ck_assert_msg((made != NULL) == names[i].known, "%s", names[i].name);
        nv_unpack_free(made);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unpack");
    TCase *tcase = tcase_create("unpack");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_loop_test(tcase, what_was_packed_comes_out_in_whatever_pieces, 0, 2);
    tcase_add_loop_test(tcase, half_of_it_is_not_whole_wherever_it_ends, 0, 2);
    tcase_add_loop_test(tcase, one_may_follow_the_other_and_nothing_else, 0, 2);
    tcase_add_loop_test(tcase, what_is_none_is_refused, 0, 2);
    tcase_add_loop_test(tcase, it_ends_when_it_is_too_much, 0, 2);
    tcase_add_test(tcase, a_window_beyond_that_of_http_is_refused);
    tcase_add_test(tcase, codings_have_names);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
