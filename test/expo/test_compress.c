#include <check.h>

#include <libdeflate.h>
#include <zstd.h>

#include "expo/expo.h"

enum { SIZE = 200000 };

static void fill(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        text[i] = "node_cpu_seconds_total{cpu=\"0\"} "[i % 33] ^ (char)(i % 1000 == 0);
}

static void inflate(enum nv_expo_coding coding, struct nv_str in, char *ret, size_t n)
{
    size_t got = 0;

    if (coding == NV_CODING_GZIP) {
        struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
        ck_assert_int_eq(libdeflate_gzip_decompress(d, in.p, in.n, ret, n, &got),
                         LIBDEFLATE_SUCCESS);
        libdeflate_free_decompressor(d);
    } else if (coding == NV_CODING_ZSTD) {
        got = ZSTD_decompress(ret, n, in.p, in.n);
    } else {
        memcpy(ret, in.p, in.n);
        got = in.n;
    }
    ck_assert_uint_eq(got, n);
}

START_TEST(what_is_compressed_comes_back_with_the_same_compressor)
{
    NV_AUTO(nv_compressor) *compressor = nv_compressor_new();
    static char text[SIZE], back[SIZE];
    static const size_t sizes[] = {SIZE, 0, 1, 5000, SIZE};

    fill(text, SIZE);
    for (size_t i = 0; i < NV_LEN(sizes); i++) {
        NV_AUTO_BUF out = NV_BUF(1 << 20);
        nv_buf_text(&out, "head");
        ck_assert_int_eq(
            nv_compress(compressor, (enum nv_expo_coding)_i, (struct nv_str){text, sizes[i]}, &out),
            0);
        ck_assert(memcmp(out.p, "head", 4) == 0);
        inflate((enum nv_expo_coding)_i, nv_str_from(nv_buf_view(&out), 4), back, sizes[i]);
        ck_assert(memcmp(text, back, sizes[i]) == 0);
        ck_assert(_i == NV_CODING_IDENTITY || sizes[i] < SIZE || out.n < SIZE / 10);
    }
}
END_TEST

START_TEST(too_small_a_buffer_is_refused)
{
    NV_AUTO(nv_compressor) *compressor = nv_compressor_new();
    NV_AUTO_BUF out = NV_BUF(10);

    ck_assert_int_eq(
        nv_compress(compressor, (enum nv_expo_coding)_i, NV_LIT("more than ten"), &out), -ENOMEM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compress");
    TCase *tc = tcase_create("compress");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tc, what_is_compressed_comes_back_with_the_same_compressor,
                        NV_CODING_IDENTITY, NV_CODING_ZSTD + 1);
    tcase_add_loop_test(tc, too_small_a_buffer_is_refused, NV_CODING_IDENTITY, NV_CODING_ZSTD + 1);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
