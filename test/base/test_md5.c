/*
 * test_md5.c - the test suite of RFC 1321, and lengths around a block.
 */
#include <check.h>
#include <stdio.h>

#include "base/md5.h"

static const struct {
    const char *text, *digest;
} sums[] = {
    {"",                                                                 "d41d8cd98f00b204e9800998ecf8427e"},
    {"a",                                                                "0cc175b9c0f1b6a831c399e269772661"},
    {"abc",                                                              "900150983cd24fb0d6963f7d28e17f72"},
    {"message digest",                                                   "f96b697d7cb7938d525a2f31aaf161d0"},
    {"abcdefghijklmnopqrstuvwxyz",                                       "c3fcd3d76192e4007dfb496cca67e13b"},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
     "d174ab98d277d9f5a5611c2c9f419d9f"                                                                    },
    {"1234567890123456789012345678901234567890123456789012345678901234567890123456789"
     "0",                                                           "57edf4a22be3c955ac49da2e2107b67a"},
    {"1234567890123456789012345678901234567890123456789012345",          "c9ccf168914a1bcfc3229f1948e67da0"},
    {"12345678901234567890123456789012345678901234567890123456",
     "49f193adce178490e34d1b3a4ec0064c"                                                                    },
    {"1234567890123456789012345678901234567890123456789012345678901234",
     "eb6c4179c0a7c82cc2828c1e6338e165"                                                                    },
};

START_TEST(texts_have_the_sums_of_the_rfc)
{
    unsigned char digest[16];
    char text[33];

    nv_md5(nv_str(sums[_i].text), digest);
    for (size_t i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    ck_assert_str_eq(text, sums[_i].digest);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base/md5");
    TCase *all = tcase_create("all");

    tcase_add_loop_test(all, texts_have_the_sums_of_the_rfc, 0, sizeof(sums) / sizeof(sums[0]));
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
