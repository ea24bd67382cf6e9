/*
 * test_log.c - lines as slog writes them, as JSON and as datagrams for the journal, whatever is logged.
 */
#include "base/log.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* What one call logged, its time cut out. */
static char *logged(enum nv_log_form form, const char *key, const char *value, const char *message)
{
    static char line[2 * NV_LOG_LINE_MAX];
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    nv_log_setup(NV_INFO, form, ends[1]);
    nv_log_write(NV_WARN, "some/where/file.c", 12, key, value, "%s", message);
    nv_log_setup(NV_INFO, NV_LOG_LOGFMT, 2);
    close(ends[1]);
    ssize_t n = read(ends[0], line, sizeof(line) - 1);
    ck_assert_int_gt(n, 0);
    close(ends[0]);
    line[n] = '\0';
    return line;
}

START_TEST(logfmt_quotes_where_it_must)
{
    static const struct {
        const char *message, *want;
    } cases[] = {
        {"hello",        "hello"            },
        {"two words",    "\"two words\""    },
        {"",             "\"\""             },
        {"a=b",          "\"a=b\""          },
        {"say \"x\"",    "\"say \\\"x\\\"\""},
        {"back\\slash",  "back\\slash"      },
        {"line\nfeed",   "\"line\\nfeed\""  },
        {"\x1b[31m",     "\"\\x1b[31m\""    },
        {"\xc3\xa9",     "\xc3\xa9"         },
        {"a\xff",        "\"a\\xff\""       },
        {"\xe2\x80\xae", "\"\\u202e\""      },
    };

    for (size_t i = 0; i < NV_LEN(cases); i++) {
        char want[256];
        char *line = logged(NV_LOG_LOGFMT, "collector", "cpu", cases[i].message);
        ck_assert_int_eq(strncmp(line, "time=20", 7), 0);
        ck_assert_int_eq(line[28], 'Z');
        snprintf(want, sizeof(want), " level=WARN source=file.c:12 msg=%s collector=cpu\n",
                 cases[i].want);
        ck_assert_str_eq(line + 29, want);
    }
}
END_TEST

START_TEST(json_is_json_whatever_is_said)
{
    char *line = logged(NV_LOG_JSON, "path", "/a b", "tab\t \"q\" \\ \x01 \xff \xc3\xa9");

    ck_assert_str_eq(strstr(line, "\",\"level\""),
                     "\",\"level\":\"WARN\",\"source\":\"file.c:12\",\"msg\":\"tab\\t \\\"q\\\" "
                     "\\\\ \\u0001 \\ufffd \xc3\xa9\",\"path\":\"/a b\"}\n");
}
END_TEST

START_TEST(a_long_message_is_cut_and_the_line_still_ends_well)
{
    static char message[3 * NV_LOG_LINE_MAX];

    memset(message, '"', sizeof(message) - 1);
    for (int form = NV_LOG_LOGFMT; form <= NV_LOG_JSON; form++) {
        char *line = logged((enum nv_log_form)form, "collector", "cpu", message);
        const char *tail =
            form == NV_LOG_JSON ? "\\\"\",\"collector\":\"cpu\"}\n" : "\\\"\" collector=cpu\n";
        ck_assert_uint_le(strlen(line), NV_LOG_LINE_MAX);
        ck_assert_uint_ge(strlen(line), NV_LOG_LINE_MAX - 8);
        ck_assert_str_eq(line + strlen(line) - strlen(tail), tail);
    }
}
END_TEST

START_TEST(the_journal_gets_fields)
{
    static const char want[] =
        "PRIORITY=4\nSYSLOG_IDENTIFIER=nodevitals\nCODE_FILE=file.c\nCODE_LINE=12\n"
        "NODEVITALS_MOUNT_POINT=/a b\nMESSAGE\n\x07\0\0\0\0\0\0\0two\nmsg\n";
    char got[1024];
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    nv_log_setup(NV_INFO, NV_LOG_JOURNAL, ends[1]);
    nv_log_write(NV_WARN, "x/file.c", 12, "mount point", "/a b", "two\nmsg");
    nv_log_setup(NV_INFO, NV_LOG_LOGFMT, 2);
    ck_assert_int_eq(read(ends[0], got, sizeof(got)), sizeof(want) - 1);
    ck_assert_mem_eq(got, want, sizeof(want) - 1);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(a_reader_that_hangs_holds_up_only_one_line)
{
    int ends[2];
    struct timespec before, after;

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    while (write(ends[1], "x", 1) == 1)
        ;
    ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
    nv_log_setup(NV_INFO, NV_LOG_LOGFMT, ends[1]);
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (int i = 0; i < 20; i++)
        nv_log_info("nobody listens");
    clock_gettime(CLOCK_MONOTONIC, &after);
    nv_log_setup(NV_INFO, NV_LOG_LOGFMT, 2);
    ck_assert_int_lt(after.tv_sec - before.tv_sec, 10);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(levels_below_the_least_are_not_wanted)
{
    nv_log_setup(NV_WARN, NV_LOG_LOGFMT, 2);
    ck_assert(!nv_log_wants(NV_DEBUG) && !nv_log_wants(NV_INFO));
    ck_assert(nv_log_wants(NV_WARN) && nv_log_wants(NV_ERROR));
    nv_log_setup(NV_INFO, NV_LOG_LOGFMT, 2);
}
END_TEST

START_TEST(an_error_is_said_and_passed_on)
{
    char line[512];
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    nv_log_setup(NV_INFO, NV_LOG_LOGFMT, ends[1]);
    ck_assert_int_eq(nv_log_err(-ENOENT, "rules: cannot load %s", "x"), -ENOENT);
    nv_log_setup(NV_INFO, NV_LOG_LOGFMT, 2);
    ssize_t n = read(ends[0], line, sizeof(line) - 1);
    ck_assert_int_gt(n, 0);
    line[n] = '\0';
    ck_assert_ptr_nonnull(
        strstr(line, "msg=\"rules: cannot load x: No such file or directory\"\n"));
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(a_complaint_doubles_its_silence_up_to_a_bound)
{
    struct nv_complaint complaint = {0};
    uint64_t spoken[16], n = 0;

    for (uint64_t i = 1; i <= 4096; i++) {
        if (nv_complaint_speaks(&complaint))
            spoken[n++] = i;
    }
    ck_assert_uint_eq(n, 14); /* 1, 2, 4 ... 1024, 2048, then every 1024th */
    ck_assert_uint_eq(spoken[3], 8);
    ck_assert_uint_eq(spoken[12], 3072);
    ck_assert_uint_eq(nv_complaint_over(&complaint), 4096);
    ck_assert_uint_eq(nv_complaint_over(&complaint), 0);
    ck_assert(nv_complaint_speaks(&complaint));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, logfmt_quotes_where_it_must);
    tcase_add_test(tcase, json_is_json_whatever_is_said);
    tcase_add_test(tcase, a_long_message_is_cut_and_the_line_still_ends_well);
    tcase_add_test(tcase, the_journal_gets_fields);
    tcase_add_test(tcase, a_reader_that_hangs_holds_up_only_one_line);
    tcase_add_test(tcase, levels_below_the_least_are_not_wanted);
    tcase_add_test(tcase, an_error_is_said_and_passed_on);
    tcase_add_test(tcase, a_complaint_doubles_its_silence_up_to_a_bound);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
