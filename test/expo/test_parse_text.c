/*
 * test_parse_text.c - classic text in: what is taken, what is refused and in which words, and that what is
 * written reads back.
 */
#include <check.h>

#include "frames_text.h"

static struct maker m, again;

static void expect(const char *text, const char *written)
{
    char error[256] = "";

    ck_assert_msg(make_from_text(&m, nv_str(text), error, sizeof(error), NULL) == 0, "%s", error);
    char *got = make_text(&m, NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES);
    ck_assert_str_eq(got, written);
    free(got);
    make_end(&m);
}

static const struct {
    const char *text, *written;
} good[] = {
    {"",                                                                      ""                                              },
    {"  \t",                                                                  ""                                              },
    {"\n\n#\n# \n# a comment\n#HELP\n# HELP\n# TYPE \n# TYPE a\n# HELP a \n", ""                                              },
    {"a 1\n",                                                                 "# HELP a \n# TYPE a untyped\na 1\n"            },
    {" \ta \t 1e3\n\n",                                                       "# HELP a \n# TYPE a untyped\na 1000\n"         },
    {"a{} 1\nb{ x = \"y\" , z=\"\", } -Inf\n",
     "# HELP a \n# TYPE a untyped\na 1\n# HELP b \n# TYPE b untyped\nb{x=\"y\",z=\"\"} -Inf\n"                                },
    {"# TYPE a GAUGE\na 1\n",                                                 "# HELP a \n# TYPE a gauge\na 1\n"              },
    {"a 1\n# HELP a late\\\\ \\n\n",                                          "# HELP a late\\\\ \\n\n# TYPE a untyped\na 1\n"},
    {"a{x=\"1\"} 1\nb 2\na{x=\"2\"} 3\n",
     "# HELP a \n# TYPE a untyped\na{x=\"1\"} 1\na{x=\"2\"} 3\n# HELP b \n# TYPE b untyped\nb 2\n"                            },
    {"{\"a\"} 1\n{\"b\",x=\"y\"} 2\n{x=\"y\",\"c\"}3\nd{\"x\"=\"y\"}4\n",
     "# HELP a \n# TYPE a untyped\na 1\n# HELP b \n# TYPE b untyped\nb{x=\"y\"} 2\n"
     "# HELP c \n# TYPE c untyped\nc{x=\"y\"} 3\n# HELP d \n# TYPE d untyped\nd{x=\"y\"} 4\n"                                 },
    {"a{x=\"\\\\ \\n \\\" \xc3\xa4\"} NaN\n",
     "# HELP a \n# TYPE a untyped\na{x=\"\\\\ \\n \\\" \xc3\xa4\"} NaN\n"                                                     },
    {"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum{le=\"9\"} 2\nh_count 3\nh_bucket 4\nh 5\n"
     "h{le=\"+inf\"} 6\n",                                               "# HELP h \n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+inf\"} 6\nh_sum 2\n"
     "h_count 3\n"                                                                             },
    {"# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\ns_bucket 4\ns 5\n"
     "s{quantile=\"nan\"} 6\n",                                          "# HELP s \n# TYPE s summary\ns{quantile=\"0.5\"} 1\ns_sum 2\ns_count 3\n"
     "# HELP s_bucket \n# TYPE s_bucket untyped\ns_bucket 4\n"                            },
    {"a_count 1\n# TYPE a_count_count histogram\n",
     "# HELP a_count \n# TYPE a_count untyped\na_count 1\n"                                                                   },
    {"a 0.1\nb +1.5\nc -0\nd .5\ne 5.\nf 1E2\ng infinity\n",
     "# HELP a \n# TYPE a untyped\na 0.1\n# HELP b \n# TYPE b untyped\nb 1.5\n"
     "# HELP c \n# TYPE c untyped\nc 0\n# HELP d \n# TYPE d untyped\nd 0.5\n"
     "# HELP e \n# TYPE e untyped\ne 5\n# HELP f \n# TYPE f untyped\nf 100\n"
     "# HELP g \n# TYPE g untyped\ng +Inf\n"                                                                                  },
};

START_TEST(good_text_is_taken)
{
    expect(good[_i].text, good[_i].written);
}
END_TEST

#define LINE(n) "text format parsing error in line " #n ": "

static const struct {
    const char *text, *error;
} bad[] = {
    {"a 1",                                        LINE(1) "unexpected end of input stream"                  },
    {"a 1\nb 2\n# HELP b x",                       LINE(3) "unexpected end of input stream"                  },
    {"#",                                          LINE(1) "unexpected end of input stream"                  },
    {"a",                                          LINE(1) "unexpected end of input stream"                  },
    {"a{",                                         LINE(1) "unexpected end of input stream"                  },
    {"a{x=\"",                                     LINE(1) "unexpected end of input stream"                  },
    {"a{x=\"\\",                                   LINE(1) "unexpected end of input stream"                  },
    {"a\n",                                        LINE(1) "expected float as value, got \"\""               },
    {"a x\n",                                      LINE(1) "expected float as value, got \"x\""              },
    {"a 1\r\n",                                    LINE(1) "expected float as value, got \"1\\r\""           },
    {"a 0x10\n",                                   LINE(1) "expected float as value, got \"0x10\""           },
    {"a 1_0\n",                                    LINE(1) "expected float as value, got \"1_0\""            },
    {"a 1e999\n",                                  LINE(1) "expected float as value, got \"1e999\""          },
    {"a nan(1)\n",                                 LINE(1) "expected float as value, got \"nan(1)\""         },
    {"a.b 1\n",                                    LINE(1) "expected float as value, got \".b\""             },
    {"\n1a 1\n",                                   LINE(2) "invalid metric name"                             },
    {"{\"a.b\"} 1\n",                              LINE(1) "invalid metric name \"a.b\""                     },
    {"{x=\"y\"} 1\n",                              LINE(1) "invalid metric name"                             },
    {"{} 1\n",                                     LINE(1) "invalid metric name"                             },
    {"{\"a\",\"b\"} 1\n",                          LINE(1) "multiple metric names for metric \"a\""          },
    {"{\"a\" x} 1\n",                              LINE(1) "unexpected end of metric name 'x'"               },
    {"# HELP 1 x\n",                               LINE(1) "invalid metric name in comment"                  },
    {"# HELP a-b x\n",                             LINE(1) "invalid metric name in comment"                  },
    {"# HELP a x\n# HELP a x\n",                   LINE(2) "second HELP line for metric name \"a\""          },
    {"# HELP a x\\\n",                             LINE(1) "invalid escape sequence '\\\n'"                  },
    {"# HELP a \\x\n",                             LINE(1) "invalid escape sequence '\\x'"                   },
    {"# TYPE a gauge\n# TYPE a gauge\n",
     LINE(2) "second TYPE line for metric name \"a\", or TYPE reported after samples"                        },
    {"a 1\n# TYPE a gauge\n",
     LINE(2) "second TYPE line for metric name \"a\", or TYPE reported after samples"                        },
    {"# TYPE a summary\n# TYPE a_sum counter\n",
     LINE(2) "second TYPE line for metric name \"a\", or TYPE reported after samples"                        },
    {"# TYPE a gauge \n",                          LINE(1) "unknown metric type \"gauge \""                  },
    {"# TYPE a gauge_histogram\n",                 LINE(1) "unknown metric type \"gauge_histogram\""         },
    {"# TYPE a gauge\r\n",                         LINE(1) "unknown metric type \"gauge\\r\""                },
    {"a{1=\"x\"} 1\n",                             LINE(1) "invalid label name for metric \"a\""             },
    {"a{,} 1\n",                                   LINE(1) "invalid label name for metric \"a\""             },
    {"a{x.y=\"x\"} 1\n",                           LINE(1) "expected '=' after label name, found '.'"        },
    {"a{x\n",                                      LINE(1) "expected '=' after label name, found '\\n'"      },
    {"a{\"x.y\"=\"x\"} 1\n",                       LINE(1) "invalid label name \"x.y\" for metric \"a\""     },
    {"a{__name__=\"x\"} 1\n",                      LINE(1) "label name \"__name__\" is reserved"             },
    {"a{x=\"1\",x=\"2\"} 1\n",                     LINE(1) "duplicate label names for metric \"a\""          },
    {"a{x=1} 1\n",                                 LINE(1) "expected '\"' at start of label value, found '1'"},
    {"a{x=\"1\n\"} 1\n",                           LINE(1) "label value \"1\" contains unescaped new-line"   },
    {"a{x=\"\\y\"} 1\n",                           LINE(1) "invalid escape sequence '\\y'"                   },
    {"a{x=\"\xff\"} 1\n",                          LINE(1) "invalid label value \"\\xff\""                   },
    {"a{x=\"1\" y=\"2\"} 1\n",                     LINE(1) "unexpected end of label value \"1\""             },
    {"a 1 x\n",                                    LINE(1) "expected integer as timestamp, got \"x\""        },
    {"a 1 \n",                                     LINE(1) "expected integer as timestamp, got \"\""         },
    {"a 1 1.5\n",                                  LINE(1) "expected integer as timestamp, got \"1.5\""      },
    {"a 1 5 \n",                                   LINE(1) "spurious string after timestamp: \" \""          },
    {"a 1 # {x=\"y\"} 1\n",                        LINE(1) "expected integer as timestamp, got \"#\""        },
    {"# TYPE h histogram\nh_bucket{le=\"x\"} 1\n",
     LINE(2) "expected float as value for 'le' label, got \"x\""                                             },
    {"# TYPE s summary\ns{quantile=\"\"} 1\n",
     LINE(2) "expected float as value for 'quantile' label, got \"\""                                        },
};

START_TEST(bad_text_is_refused_and_the_sink_hears_nothing)
{
    char error[256] = "";
    size_t n = strlen(bad[_i].text), n_samples;
    char *text = strndup(bad[_i].text, n);

    ck_assert_int_eq(make_from_text(&m, (struct nv_str){text, n}, error, sizeof(error), &n_samples),
                     -EBADMSG);
    ck_assert_str_eq(error, bad[_i].error);
    ck_assert_uint_eq(n_samples, 0);
    make_end(&m);
    free(text);
}
END_TEST

struct seen {
    size_t n_families, n_timestamps;
    bool has_help, has_type;
};

static int see_family(void *user, const struct nv_text_family *family)
{
    struct seen *seen = user;

    seen->n_families++;
    seen->has_help = family->has_help;
    seen->has_type = family->has_type;
    return 0;
}

static int see_sample(void *user, const struct nv_text_sample *sample)
{
    ((struct seen *)user)->n_timestamps += sample->has_timestamp;
    return sample->value > 99 ? -ECANCELED : 0;
}

static const struct nv_text_sink seer = {see_family, see_sample};

START_TEST(timestamps_are_flagged_and_what_is_known_of_a_family_is_told)
{
    struct seen seen = {0};
    char error[64];

    ck_assert_int_eq(nv_expo_parse_text(NV_LIT("# HELP b x\n# TYPE b gauge\n# TYPE unused gauge\n"
                                               "b 1 -123\nb{a=\"\"} 2\n"),
                                        &seer, &seen, error, sizeof(error)),
                     0);
    ck_assert_uint_eq(seen.n_families, 1);
    ck_assert_uint_eq(seen.n_timestamps, 1);
    ck_assert(seen.has_help && seen.has_type);
}
END_TEST

START_TEST(what_a_sink_returns_ends_the_parse)
{
    struct seen seen = {0};
    char error[64];

    ck_assert_int_eq(nv_expo_parse_text(NV_LIT("a 100\nb 1\n"), &seer, &seen, error, sizeof(error)),
                     -ECANCELED);
    ck_assert_uint_eq(seen.n_families, 1);
    ck_assert(!seen.has_help && !seen.has_type);
}
END_TEST

START_TEST(an_error_fits_the_room_it_is_given)
{
    struct seen seen = {0};
    char error[20];

    for (size_t n = 1; n <= sizeof(error); n++) {
        ck_assert_int_eq(nv_expo_parse_text(NV_LIT("a{x=\"1\n\"}"), &seer, &seen, error, n),
                         -EBADMSG);
        ck_assert_uint_eq(strlen(error), n - 1);
    }
}
END_TEST

/* All there is to the format, to be cut. */
static const char whole[] =
    "# HELP h a \\\\ b\\n\n# TYPE h histogram\n"
    "h_bucket{a=\"\\\"x\\\\\",le=\"0.5\"} 1\nh_bucket{a=\"y\",le=\"+Inf\"} 2\n"
    "h_sum{a=\"y\"} -1.5e-7\nh_count{a=\"y\"} 2\n\n  # note\n"
    "{\"q\", \"b\"=\"c\"} 3 1234\ng{x=\"\xc3\xa4\xe2\x82\xac\",} NaN\n";

START_TEST(text_cut_anywhere_or_with_any_byte_changed_is_taken_or_refused)
{
    char error[256];

    for (size_t n = 0; n < sizeof(whole); n++) {
        char *text = strndup(whole, n);
        int r = make_from_text(&m, (struct nv_str){text, n}, error, sizeof(error), NULL);
        ck_assert(r == 0 || r == -EBADMSG);
        ck_assert_msg(r < 0 || n == 0 || whole[n - 1] == '\n' || whole[n - 1] == ' ', "%zu", n);
        make_end(&m);
        if (n < sizeof(whole) - 1) {
            char *changed = strdup(whole);
            changed[n] = (char)(changed[n] ^ (1 + n % 7));
            r = make_from_text(&m, nv_str(changed), error, sizeof(error), NULL);
            ck_assert(r == 0 || r == -EBADMSG);
            make_end(&m);
            free(changed);
        }
        free(text);
    }
}
END_TEST

static void reads_back(struct nv_str text, size_t *ret_samples)
{
    char error[256] = "";

    ck_assert_msg(make_from_text(&m, text, error, sizeof(error), ret_samples) == 0, "%s", error);
    char *first = make_text(&m, NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES);
    ck_assert_int_eq(make_from_text(&again, nv_str(first), error, sizeof(error), NULL), 0);
    char *second = make_text(&again, NV_EXPO_TEXT_0_0_4, NV_ESCAPE_UNDERSCORES);
    ck_assert_str_eq(first, second);
    make_end(&m);
    make_end(&again);
    free(first);
    free(second);
}

START_TEST(what_is_written_reads_back)
{
    reads_back(nv_str(whole), NULL);
}
END_TEST

/* Real answers of 237 families, with and without their descriptions. */
static const char *const real[] = {"alltypes.237mfs.prom.txt", "alltypes.237mfs.nometa.prom.txt"};

START_TEST(real_answers_read_back)
{
    char path[512];
    NV_AUTO_BUF text = NV_BUF(1 << 20);
    size_t n_samples, n_lines = 0;

    snprintf(path, sizeof(path), NV_SHARED_DIR "/fixtures/exposition/textparse/%s", real[_i]);
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("SKIP: no shared fixture %s\n", real[_i]);
        return;
    }
    for (int c; (c = getc(file)) != EOF;)
        nv_buf_char(&text, (char)c);
    fclose(file);
    reads_back(nv_buf_view(&text), &n_samples);
    for (struct nv_str rest = nv_buf_view(&text); rest.n;)
        n_lines += !nv_str_starts(nv_str_cut(&rest, '\n'), "#");
    ck_assert_uint_eq(n_samples, n_lines);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("parse_text");
    TCase *tc = tcase_create("parse_text");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tc, good_text_is_taken, 0, NV_LEN(good));
    tcase_add_loop_test(tc, bad_text_is_refused_and_the_sink_hears_nothing, 0, NV_LEN(bad));
    tcase_add_test(tc, timestamps_are_flagged_and_what_is_known_of_a_family_is_told);
    tcase_add_test(tc, what_a_sink_returns_ends_the_parse);
    tcase_add_test(tc, an_error_fits_the_room_it_is_given);
    tcase_add_test(tc, text_cut_anywhere_or_with_any_byte_changed_is_taken_or_refused);
    tcase_add_test(tc, what_is_written_reads_back);
    tcase_add_loop_test(tc, real_answers_read_back, 0, NV_LEN(real));
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
