/*
 * test_snappy.c - blocks written by hand, and texts that come back from ours.
 */
#include <check.h>

#include <nodevitals/collector.h>

#include "web/snappy.h"

#define BYTES(literal)                                                                             \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

static struct nv_snappy snappy;

static const struct {
    struct nv_str block, text;
} good[] = {
    {BYTES("\x00"),                        BYTES("")                  },
    {BYTES("\x05\x10hello"),               BYTES("hello")             },
    {BYTES("\x05\xf0\x04hello"),           BYTES("hello")             }, /* length in one byte, */
    {BYTES("\x05\xf4\x04\x00hello"),       BYTES("hello")             }, /* in two, */
    {BYTES("\x05\xf8\x04\x00\x00hello"),   BYTES("hello")             }, /* in three, */
    {BYTES("\x05\xfc\x04\0\0\0hello"),     BYTES("hello")             }, /* in four */
    {BYTES("\x09\x10hello\x01\x05"),       BYTES("hellohell")         }, /* short copy */
    {BYTES("\x0c\x10hello\x1a\x05\x00"),   BYTES("hellohellohe")      }, /* one that overlaps */
    {BYTES("\x0c\x10hello\x1b\x05\0\0\0"), BYTES("hellohellohe")      },
    {BYTES("\x12\x04xy\x3e\x01\x00"),      BYTES("xyyyyyyyyyyyyyyyyy")},
    {BYTES("\x85\x80\x00\x10hello"),       BYTES("hello")             }, /* a length longer than need be */
};

START_TEST(a_block_made_by_others_unpacks)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    ck_assert_int_eq(nv_snappy_unpack(good[_i].block, 1 << 20, &out), 0);
    ck_assert(nv_str_eq(nv_buf_view(&out), good[_i].text));
}
END_TEST

static const struct nv_str bad[] = {
    BYTES(""),
    BYTES("\x05"),
    BYTES("\x85"),                      /* a length that ends too early */
    BYTES("\x85\x80\x80\x80\x80\x00"),  /* that has too many bytes */
    BYTES("\xff\xff\xff\xff\x7f\x00x"), /* beyond 32 bits */
    BYTES("\x05\x0chell"),              /* less than announced */
    BYTES("\x04\x10hello"),             /* more than announced */
    BYTES("\x05\x10hell"),              /* a literal that ends too early */
    BYTES("\x05\xf0"),                  /* one without its length */
    BYTES("\x05\xfc\xff\xff\xff\xffhello"),
    BYTES("\x09\x10hello\x01\x06"), /* a copy from before the front */
    BYTES("\x09\x10hello\x01\x00"), /* from nowhere */
    BYTES("\x08\x10hello\x01\x05"), /* longer than announced */
    BYTES("\x09\x10hello\x01"),     /* without its offset */
    BYTES("\x09\x10hello\x1a\x05"),
    BYTES("\x00\x00"), /* something behind the end */
};

START_TEST(a_broken_block_is_refused)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20);

    int r = nv_snappy_unpack(bad[_i], UINT32_MAX, &out);
    ck_assert_int_eq(r, -EBADMSG);
    ck_assert_uint_eq(out.n, 0);
}
END_TEST

START_TEST(a_length_that_cannot_be_costs_no_memory)
{
    NV_AUTO_BUF out = NV_BUF(SIZE_MAX);
    struct nv_str block = BYTES("\xff\xff\xff\xff\x0f\x10hello");

    ck_assert_int_eq(nv_snappy_unpack(block, UINT32_MAX, &out), -EBADMSG);
    ck_assert_uint_eq(out.size, 0);
}
END_TEST

START_TEST(more_than_the_maximum_is_refused)
{
    NV_AUTO_BUF out = NV_BUF(1 << 20), small = NV_BUF(4);
    struct nv_str block = BYTES("\x05\x10hello");

    ck_assert_int_eq(nv_snappy_unpack(block, 4, &out), -EFBIG);
    ck_assert_int_eq(nv_snappy_unpack(block, 5, &out), 0);
    ck_assert_int_eq(nv_snappy_unpack(block, 5, &small), -EFBIG);
}
END_TEST

/* Texts of many kinds, by number. */
static void make(unsigned kind, size_t n, struct nv_buf *out)
{
    uint32_t state = kind * 7919 + 1;

    while (out->n < n) {
        state = state * 1664525 + 1013904223;
        if (kind == 0)
            nv_buf_char(out, 'x');
        else if (kind == 1)
            nv_buf_char(out, (char)(state >> 24));
        else if (kind == 2)
            nv_buf_printf(out, "node_cpu_seconds_total{cpu=\"%u\"} %u\n", state >> 28, state >> 16);
        else
            nv_buf_printf(
                out, "%.*s", (int)(state >> 25),
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnop"
                "qrstuvwxyz0123456789012345678901234567890123456789012345678901234567890");
    }
    out->n = n;
}

static void check_round_trip(struct nv_str text, size_t packed_max)
{
    NV_AUTO_BUF block = NV_BUF(8 << 20), again = NV_BUF(8 << 20);

    nv_snappy_pack(&snappy, text, &block);
    ck_assert_int_eq(block.failed, 0);
    ck_assert_uint_le(block.n, packed_max);
    ck_assert_int_eq(nv_snappy_unpack(nv_buf_view(&block), text.n, &again), 0);
    ck_assert(nv_str_eq(nv_buf_view(&again), text));
}

START_TEST(what_is_packed_unpacks_to_itself)
{
    static const size_t sizes[] = {0,  1,   3,   4,   5,    59,   60,    61,    64,    67,    68,
                                   69, 256, 257, 258, 2047, 2052, 65535, 65536, 65537, 200000};

    for (unsigned kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < NV_LEN(sizes); i++) {
            NV_AUTO_BUF text = NV_BUF(1 << 20);
            make(kind, sizes[i], &text);
            check_round_trip(nv_buf_view(&text), sizes[i] + sizes[i] / 1000 + 16);
        }
    }
}
END_TEST

START_TEST(repetition_becomes_short)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20);

    make(0, 65536, &text);
    check_round_trip(nv_buf_view(&text), 65536 / 20);
    nv_buf_reset(&text);
    make(2, 65536, &text);
    check_round_trip(nv_buf_view(&text), 65536 / 2);
}
END_TEST

START_TEST(pieces_of_any_size_make_one_block)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20), block = NV_BUF(1 << 20), again = NV_BUF(1 << 20);

    make(2, 100000, &text);
    nv_snappy_begin(&block, (uint32_t)text.n);
    for (size_t at = 0, n = 1; at < text.n; at += n, n = n * 3 % 4001 + 1) {
        size_t left = text.n - at;
        nv_snappy_add(&snappy, (struct nv_str){text.p + at, n < left ? n : left}, &block);
    }
    ck_assert_int_eq(nv_snappy_unpack(nv_buf_view(&block), text.n, &again), 0);
    ck_assert(nv_str_eq(nv_buf_view(&again), nv_buf_view(&text)));
}
END_TEST

START_TEST(a_block_cut_anywhere_is_refused)
{
    NV_AUTO_BUF text = NV_BUF(1 << 20), block = NV_BUF(1 << 20), again = NV_BUF(1 << 20);

    make(3, 3000, &text);
    nv_snappy_pack(&snappy, nv_buf_view(&text), &block);
    for (size_t n = 0; n < block.n; n++) {
        nv_buf_reset(&again);
        ck_assert_int_eq(nv_snappy_unpack((struct nv_str){block.p, n}, 1 << 20, &again), -EBADMSG);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("snappy");
    TCase *tests = tcase_create("snappy");

    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, a_block_made_by_others_unpacks, 0, NV_LEN(good));
    tcase_add_loop_test(tests, a_broken_block_is_refused, 0, NV_LEN(bad));
    tcase_add_test(tests, a_length_that_cannot_be_costs_no_memory);
    tcase_add_test(tests, more_than_the_maximum_is_refused);
    tcase_add_test(tests, what_is_packed_unpacks_to_itself);
    tcase_add_test(tests, repetition_becomes_short);
    tcase_add_test(tests, pieces_of_any_size_make_one_block);
    tcase_add_test(tests, a_block_cut_anywhere_is_refused);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
