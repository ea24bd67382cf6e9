/*
 * test_kmsg_records.c - records of the kernel's log, and how they are read.
 */
#include <nodevitals/collector.h>

#include <check.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kmsg/reader.h"

START_TEST(a_record_may_have_extras_and_be_cut_anywhere)
{
    static const char whole[] = "3,20130,107262463619,-,caller=T12;Buffer I/O error on dev a\n"
                                " SUBSYSTEM=block\n DEVICE=b8:0\n";
    struct nv_kmsg_record record;

    ck_assert(nv_kmsg_parse((struct nv_str){whole, sizeof(whole) - 1}, &record));
    ck_assert_uint_eq(record.facility, 0);
    ck_assert_uint_eq(record.level, 3);
    ck_assert_uint_eq(record.sequence, 20130);
    ck_assert_uint_eq(record.stamp_us, 107262463619);
    ck_assert(nv_str_is(record.text, "Buffer I/O error on dev a"));
    ck_assert(nv_str_is(record.device, "b8:0"));
    for (size_t n = 0; n < sizeof(whole) - 1; n++) {
        char *cut = malloc(n ? n : 1);
        memcpy(cut, whole, n);
        bool good = nv_kmsg_parse((struct nv_str){cut, n}, &record);
        ck_assert_int_eq(good, n > strcspn(whole, ";"));
        free(cut);
    }
}
END_TEST

static const char *const bad_records[] = {
    "",
    "\n",
    ";text",
    "3;text",
    "3,1;text",
    "3,1,2;text\xff",
    "x,1,2,-;",
    "3,x,2,-;",
    "3,1,x,-;",
    "-3,1,2,-;",
    "99999,1,2,-;",
    "3,1,2,-text",
    "3,99999999999999999999,2,-;text",
    "3,18446744073709551615,2,-;text",
};

START_TEST(what_is_no_record_is_refused) /* looped */
{
    struct nv_kmsg_record record;
    bool short_one = strcmp(bad_records[_i], "3,1,2;text\xff") == 0; /* flags may be missing */

    ck_assert_int_eq(nv_kmsg_parse(nv_str(bad_records[_i]), &record), short_one);
}
END_TEST

/* A source that gives so many bytes of a text at first, then the rest. */
static struct {
    const char *text;
    size_t n, at, cut;
} given;

static ssize_t read_given(int fd, void *out, size_t size)
{
    size_t n = given.at < given.cut ? given.cut - given.at : given.n - given.at;

    (void)fd;
    if (n > size)
        n = size;
    memcpy(out, given.text + given.at, n);
    given.at += n;
    return (ssize_t)n;
}

START_TEST(a_file_is_cut_into_records_wherever_reads_end)
{
    static const char text[] = "6,1,1,-;one\n6,2,1,-;two\n DEVICE=n1\n DEVICE=n2\n6,3,1,-;three";
    static const char *const whole[] = {"6,1,1,-;one\n", "6,2,1,-;two\n DEVICE=n1\n DEVICE=n2\n",
                                        "6,3,1,-;three"};

    for (size_t cut = 1; cut < sizeof(text) - 1; cut++) {
        struct nv_kmsg_reader reader = {.read = read_given, .fd = 0, .is_file = true};
        struct nv_str record;
        given.text = text;
        given.n = sizeof(text) - 1;
        given.at = 0;
        given.cut = cut;
        for (size_t i = 0; i < NV_LEN(whole); i++) {
            ck_assert_int_eq(nv_kmsg_next(&reader, &record), 1);
            ck_assert(nv_str_is(record, whole[i]));
        }
        ck_assert_int_eq(nv_kmsg_next(&reader, &record), 0);
    }
}
END_TEST

START_TEST(a_record_of_any_length_ends_somewhere)
{
    size_t n = 5 * NV_KMSG_RECORD_MAX;
    char *text = malloc(n + 64);
    struct nv_kmsg_reader reader = {.read = read_given, .fd = 0, .is_file = true};
    struct nv_str record;

    memset(text, 'x', n);
    n += (size_t)snprintf(text + n, 64, "\n6,9,1,-;behind\n");
    given.text = text;
    given.n = n;
    given.at = given.cut = 0;
    ck_assert_int_eq(nv_kmsg_next(&reader, &record), 1);
    ck_assert(nv_str_is(record, "6,9,1,-;behind\n"));
    ck_assert_uint_eq(reader.n_long, 1);
    ck_assert_int_eq(nv_kmsg_next(&reader, &record), 0);
    free(text);
}
END_TEST

/* A device: records of a seqpacket socket, and an overrun before the second. */
static int n_reads;
static ssize_t read_overrun(int fd, void *out, size_t size)
{
    if (n_reads++ == 1) {
        errno = EPIPE;
        return -1;
    }
    return read(fd, out, size);
}

START_TEST(an_overrun_is_told_and_reading_goes_on)
{
    struct nv_kmsg_reader reader = {.read = read_overrun};
    struct nv_str record;
    int ends[2];

    n_reads = 0;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends), 0);
    reader.fd = ends[0];
    ck_assert_int_eq((int)write(ends[1], "6,1,1,-;one\n", 12), 12);
    ck_assert_int_eq((int)write(ends[1], "6,9,1,-;two\n", 12), 12);
    ck_assert_int_eq(nv_kmsg_next(&reader, &record), 1);
    ck_assert(nv_str_is(record, "6,1,1,-;one\n"));
    ck_assert_int_eq(nv_kmsg_next(&reader, &record), -EPIPE);
    ck_assert_int_eq(nv_kmsg_next(&reader, &record), 1);
    ck_assert(nv_str_is(record, "6,9,1,-;two\n"));
    ck_assert_int_eq(nv_kmsg_next(&reader, &record), 0);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kmsg records");
    TCase *tests = tcase_create("records");

    tcase_add_test(tests, a_record_may_have_extras_and_be_cut_anywhere);
    tcase_add_loop_test(tests, what_is_no_record_is_refused, 0, NV_LEN(bad_records));
    tcase_add_test(tests, a_file_is_cut_into_records_wherever_reads_end);
    tcase_add_test(tests, a_record_of_any_length_ends_somewhere);
    tcase_add_test(tests, an_overrun_is_told_and_reading_goes_on);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
