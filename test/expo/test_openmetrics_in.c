/*
 * test_openmetrics_in.c - OpenMetrics pulled in: what is taken and as what, what is refused and in which
 * words, however the bytes come.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>

#include "expo/openmetrics_in.h"
#include "metric/name.h"
#include "metric/queryable.h"
#include "support/fixture.h"

enum { OUTPUT_MAX = 64 << 20 };

struct pieces {
    struct nv_str rest;
    size_t size; /* of a piece */
    int error;   /* instead of the end */
};

static ssize_t fill(void *user, char *p, size_t n)
{
    struct pieces *pieces = user;

    if (!pieces->rest.n)
        return pieces->error;
    if (n > pieces->size)
        n = pieces->size;
    if (n > pieces->rest.n)
        n = pieces->rest.n;
    memcpy(p, pieces->rest.p, n);
    pieces->rest = nv_str_from(pieces->rest, n);
    return (ssize_t)n;
}

static void print(const struct nv_openmetrics_sample *sample, struct nv_buf *out)
{
    nv_buf_printf(out, "%llu:", (unsigned long long)sample->line);
    for (size_t i = 0; i < sample->n_labels; i++) {
        nv_buf_printf(out, " %.*s=", NV_ARGS(sample->labels[i].name));
        nv_name_escape_value(out, sample->labels[i].value);
    }
    if (nv_is_stale(sample->value))
        nv_buf_text(out, " stale");
    else
        nv_buf_printf(out, " %.17g", sample->value);
    if (sample->has_time)
        nv_buf_printf(out, " @%lld", (long long)sample->time_ms);
    nv_buf_printf(out, "%s\n", sample->is_created ? " created" : "");
}

/* All samples, or those before the error and the error. Returns what ended it. */
static int pull(struct nv_str text, size_t size, int error, struct nv_buf *out)
{
    struct pieces pieces = {text, size, error};
    NV_AUTO(nv_openmetrics_in) *in = nv_openmetrics_in_new(fill, &pieces);
    struct nv_openmetrics_sample sample;
    int r;

    ck_assert_ptr_nonnull(in);
    while ((r = nv_openmetrics_in_next(in, &sample)) == 0)
        print(&sample, out);
    if (r == -EBADMSG)
        nv_buf_printf(out, "%s\n", nv_openmetrics_in_error(in));
    return r;
}

static const struct {
    const char *text, *read;
} good[] = {
    {"# EOF",                                                                            ""                                                           },
    {"# EOF\n",                                                                          ""                                                           },
    {"a 1\n# EOF\n",                                                                     "1: __name__=a 1\n"                                          },
    {"a 1 2\na{} 2 3.5\n# EOF\n",                                                        "1: __name__=a 1 @2000\n2: __name__=a 2 @3500\n"             },
    {"a:b{x=\"1\",Y=\"2\"} 1e3 -1\n# EOF\n",                                             "1: Y=2 __name__=a:b x=1 1000 @-1000\n"                      },
    {"a{x=\"1\",} 1\na{x=\"\"} 2\n# EOF\n",                                              "1: __name__=a x=1 1\n2: __name__=a 2\n"                     },
    {"a{x=\"\\\\ \\\" \\n \\t\"} 1\na{x=\"\\\\ \\\" \\n \\t\"} 2\n# EOF\n",
     "1: __name__=a x=\\\\ \\\" \\n \\\\t 1\n2: __name__=a x=\\\\ \\\" \\n \\\\t 2\n"                                                                 },
    {"{\"a.b\",\"c d\"=\"e\"} 1\n{x=\"y\",\"z\"} 2\n# EOF\n",
     "1: __name__=a.b c d=e 1\n2: __name__=z x=y 2\n"                                                                                                 },
    {"a +Inf\nb -inf\nc -0\nd 0x\n",                                                     "1: __name__=a inf\n2: __name__=b -inf\n3: __name__=c -0\n"
                                     "line 4: expected a value, got \"0x\"\n"                                     },
    {"a NaN\nb nan\nc naN\n# EOF\n",                                                     "1: __name__=a nan\n2: __name__=b nan\n3: __name__=c stale\n"},
    {"# TYPE a counter\n# HELP a Any \\n text.\n# UNIT a_seconds seconds\na_total 1 1 # {x=\"y\"} "
     "5 6\n"
     "b 1 # {} 2\n# EOF\n",                                                         "4: __name__=a_total 1 @1000\n5: __name__=b 1\n"             },
    {"# TYPE a counter\na_created 1\nb_created 1\n# TYPE a gauge\na_created 1\n# EOF\n",
     "2: __name__=a_created 1 created\n3: __name__=b_created 1\n5: __name__=a_created 1\n"                                                            },
};

START_TEST(good_text_is_read_however_it_is_cut)
{
    static const size_t sizes[] = {1, 2, 3, 7, 1 << 20};

    for (size_t i = 0; i < NV_LEN(sizes); i++) {
        NV_AUTO_BUF out = NV_BUF(OUTPUT_MAX);
        pull(nv_str(good[_i].text), sizes[i], 0, &out);
        ck_assert_str_eq(nv_buf_c_string(&out), good[_i].read);
    }
}
END_TEST

static const struct {
    const char *text, *error;
} bad[] = {
    {"",                          "line 1: data does not end with # EOF\n"                                  },
    {"# EO",                      "line 1: data does not end with # EOF\n"                                  },
    {"a 1",                       "line 1: data does not end with # EOF\n"                                  },
    {"# EOF\n\n",                 "line 2: unexpected data after # EOF\n"                                   },
    {"# EOF \n",                  "line 1: expected # TYPE, # HELP, # UNIT or # EOF, got \"# EOF \"\n"      },
    {"# EOF\r\n",                 "line 1: expected # TYPE, # HELP, # UNIT or # EOF, got \"# EOF\\r\"\n"    },
    {"\n# EOF\n",                 "line 1: blank line\n"                                                    },
    {"# a\n",                     "line 1: expected # TYPE, # HELP, # UNIT or # EOF, got \"# a\"\n"         },
    {"# TYPE a untyped\n",        "line 1: invalid metric type \"untyped\"\n"                               },
    {"# TYPE 1 gauge\n",          "line 1: expected a metric name, got \"1 gauge\"\n"                       },
    {"# HELP a\n",                "line 1: expected text after the metric name, got end of line\n"          },
    {"# HELP a \xff\n",           "line 1: HELP text is not UTF-8\n"                                        },
    {"# UNIT aseconds seconds\n", "line 1: unit \"seconds\" not a suffix of metric \"aseconds\"\n"          },
    {" a 1\n",                    "line 1: expected a metric name, got \" a 1\"\n"                          },
    {"a\n",                       "line 1: expected a blank and a value after the series, got end of line\n"},
    {"a  1\n",                    "line 1: expected a value, got \"\"\n"                                    },
    {"a\t1\n",                    "line 1: expected a blank and a value after the series, got \"\\t1\"\n"   },
    {"a 1 \n",                    "line 1: expected a timestamp, got \"\"\n"                                },
    {"a 1 2 3\n",                 "line 1: expected the end of the line, got \" 3\"\n"                      },
    {"a 1 NaN\n",                 "line 1: invalid timestamp \"NaN\"\n"                                     },
    {"a 1 1e300\n",               "line 1: invalid timestamp \"1e300\"\n"                                   },
    {"a 1_0\n",                   "line 1: expected a value, got \"1_0\"\n"                                 },
    {"a{ x=\"1\"} 1\n",           "line 1: expected label name, got \" x=\\\"1\\\"} 1\"\n"                  },
    {"a{,} 1\n",                  "line 1: expected label name, got \",} 1\"\n"                             },
    {"a{x} 1\n",                  "line 1: expected equal, got \"} 1\"\n"                                   },
    {"a{x=1} 1\n",                "line 1: expected label value in quotes, got \"1} 1\"\n"                  },
    {"a{x=\"1} 1\n",              "line 1: label value lacks its closing quote\n"                           },
    {"a{x=\"1\\",                 "line 1: data does not end with # EOF\n"                                  },
    {"a{x=\"1\"y=\"2\"} 1\n",     "line 1: expected comma or closing brace, got \"y=\\\"2\\\"} 1\"\n"       },
    {"a{x=\"1\",x=\"2\"} 1\n",    "line 1: label name \"x\" is not unique\n"                                },
    {"a{x=\"\xc3\"} 1\n",         "line 1: label value \"\\xc3\" is not UTF-8\n"                            },
    {"a{__name__=\"b\"} 1\n",     "line 1: label name __name__ is reserved\n"                               },
    {"{x=\"y\"} 1\n",             "line 1: metric name is missing\n"                                        },
    {"a{\"b\"} 1\n",              "line 1: unexpected metric name \"b\"\n"                                  },
    {"{\"\"} 1\n",                "line 1: unexpected metric name \"\"\n"                                   },
    {"a 1 # {x=\"y\"}\n",         "line 1: expected the value of an exemplar, got \"\"\n"                   },
    {"a 1 #{}\n",                 "line 1: expected a timestamp, got \"#{}\"\n"                             },
};

START_TEST(bad_text_is_refused_in_these_words)
{
    NV_AUTO_BUF out = NV_BUF(OUTPUT_MAX);

    ck_assert_int_eq(pull(nv_str(bad[_i].text), 5, 0, &out), -EBADMSG);
    ck_assert_str_eq(nv_buf_c_string(&out), bad[_i].error);
}
END_TEST

/* 1700000000.123 times 1000 is 1700000000122.9998 in doubles. */
static const struct {
    const char *seconds;
    int64_t ms;
} times[] = {
    {"0",                      0                  },
    {"-0.0",                   0                  },
    {"1700000000.123",         1700000000123      },
    {"1700000000.1239",        1700000000123      },
    {"1.700000000123e+09",     1700000000123      },
    {"1.700000000123E9",       1700000000123      },
    {"-1.5",                   -1500              },
    {"-0.0009",                0                  },
    {".5",                     500                },
    {"5.",                     5000               },
    {"1e-3",                   1                  },
    {"1e-300",                 0                  },
    {"00000000000000000001",   1000               },
    {"1.00000000000000000001", 1000               },
    {"9223372036854775",       9223372036854775000},
};

START_TEST(times_are_read_to_the_millisecond)
{
    NV_AUTO_BUF text = NV_BUF(1000), out = NV_BUF(1000), expected = NV_BUF(1000);

    nv_buf_printf(&text, "a 1 %s\n# EOF\n", times[_i].seconds);
    nv_buf_printf(&expected, "1: __name__=a 1 @%lld\n", (long long)times[_i].ms);
    ck_assert_int_eq(pull(nv_buf_view(&text), 100, 0, &out), NV_OPENMETRICS_END);
    ck_assert_str_eq(nv_buf_c_string(&out), nv_buf_c_string(&expected));
}
END_TEST

START_TEST(the_ordinary_nan_is_that_of_prometheus)
{
    static const struct nv_str text = NV_LIT("a NaN\n# EOF\n");
    struct pieces pieces = {text, 100, 0};
    NV_AUTO(nv_openmetrics_in) *in = nv_openmetrics_in_new(fill, &pieces);
    struct nv_openmetrics_sample sample;
    uint64_t bits;

    ck_assert_int_eq(nv_openmetrics_in_next(in, &sample), 0);
    memcpy(&bits, &sample.value, sizeof(bits));
    ck_assert_uint_eq(bits, UINT64_C(0x7ff8000000000001));
}
END_TEST

START_TEST(a_reader_that_fails_is_heard)
{
    NV_AUTO_BUF out = NV_BUF(1000);

    ck_assert_int_eq(pull(nv_str("a 1\n"), 2, -EIO, &out), -EIO);
    ck_assert_str_eq(nv_buf_c_string(&out), "1: __name__=a 1\n");
}
END_TEST

static int pull_long(size_t n)
{
    NV_AUTO_BUF text = NV_BUF(OUTPUT_MAX), out = NV_BUF(OUTPUT_MAX);

    nv_buf_text(&text, "a{x=\"");
    while (text.n < n - 4)
        nv_buf_char(&text, 'y');
    nv_buf_text(&text, "\"} 1\n# EOF\n");
    int r = pull(nv_buf_view(&text), 1 << 20, 0, &out);
    if (r < 0)
        ck_assert_str_eq(nv_buf_c_string(&out), "line 1: longer than 1048576 bytes\n");
    return r;
}

START_TEST(a_line_is_bounded)
{
    ck_assert_int_eq(pull_long(NV_OPENMETRICS_LINE_MAX), NV_OPENMETRICS_END);
    ck_assert_int_eq(pull_long(NV_OPENMETRICS_LINE_MAX + 1), -EBADMSG);
    ck_assert_int_eq(pull_long(8 * NV_OPENMETRICS_LINE_MAX), -EBADMSG);
}
END_TEST

START_TEST(labels_are_bounded)
{
    for (int n = NV_OPENMETRICS_LABELS_MAX - 1; n <= NV_OPENMETRICS_LABELS_MAX; n++) {
        NV_AUTO_BUF text = NV_BUF(OUTPUT_MAX), out = NV_BUF(OUTPUT_MAX);
        nv_buf_text(&text, "a{");
        for (int i = 0; i < n; i++)
            nv_buf_printf(&text, "l%d=\"1\",", i);
        nv_buf_text(&text, "} 1\n# EOF\n");
        ck_assert_int_eq(pull(nv_buf_view(&text), 1000, 0, &out),
                         n < NV_OPENMETRICS_LABELS_MAX ? NV_OPENMETRICS_END : -EBADMSG);
    }
}
END_TEST

static const char *const fixtures[][2] = {
    {"fixtures/exposition/textparse/alltypes.5mfs.om.txt",                ""   },
    {"fixtures/exposition/textparse/1histogram.om.txt",                   ""   },
    {"fixtures/exposition/promtool/dump-openmetrics-test.prom",           "all"},
    {"fixtures/exposition/promtool/dump-openmetrics-roundtrip-test.prom", "all"},
};

/* Lines that are neither comments nor blank. */
static size_t count_samples(struct nv_str text)
{
    size_t n = 0;

    while (text.n) {
        struct nv_str line = nv_str_cut(&text, '\n');
        n += line.n && line.p[0] != '#';
    }
    return n;
}

START_TEST(texts_of_prometheus_are_read_whole)
{
    const char *path = nv_shared(fixtures[_i][0]);
    if (!path)
        return;
    NV_AUTO_BUF text = NV_BUF(OUTPUT_MAX), out = NV_BUF(OUTPUT_MAX);
    NV_AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    ck_assert_int_ge(fd, 0);
    while (nv_buf_room(&text, 65536) && (n = read(fd, text.p + text.n, 65536)) > 0)
        text.n += (size_t)n;
    ck_assert_int_eq(pull(nv_buf_view(&text), 1000, 0, &out), NV_OPENMETRICS_END);
    size_t lines = 0, timed = 0;
    for (struct nv_str rest = nv_buf_view(&out); rest.n; lines++)
        timed += nv_str_contains(nv_str_cut(&rest, '\n'), " @");
    ck_assert_uint_eq(lines, count_samples(nv_buf_view(&text)));
    if (fixtures[_i][1][0])
        ck_assert_uint_eq(timed, lines);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("openmetrics_in");
    TCase *tcase = tcase_create("openmetrics_in");

    tcase_add_loop_test(tcase, good_text_is_read_however_it_is_cut, 0, NV_LEN(good));
    tcase_add_loop_test(tcase, bad_text_is_refused_in_these_words, 0, NV_LEN(bad));
    tcase_add_loop_test(tcase, times_are_read_to_the_millisecond, 0, NV_LEN(times));
    tcase_add_test(tcase, the_ordinary_nan_is_that_of_prometheus);
    tcase_add_test(tcase, a_reader_that_fails_is_heard);
    tcase_add_test(tcase, a_line_is_bounded);
    tcase_add_test(tcase, labels_are_bounded);
    tcase_add_loop_test(tcase, texts_of_prometheus_are_read_whole, 0, NV_LEN(fixtures));
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
