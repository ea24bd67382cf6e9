/*
 * test_lint.c - the words of promtool's `check metrics`, by themselves and, where promtool is installed, beside it.
 */
#include <check.h>

#include "expo/expo.h"

static const struct {
    const char *text, *problems;
} cases[] = {
    {"",                                                                                   ""                                                 },
    {"# HELP a_total x\n# TYPE a_total counter\na_total 1\n",                              ""                                                 },
    {"a 1\n",                                                                              "a no help text\n"                                 },
    {"# HELP unused_counter_ms x\n",                                                       ""                                                 },
    {"# HELP a x\n# TYPE a counter\na 1\n",                                                "a counter metrics should have \"_total\" suffix\n"},
    {"# HELP a_total x\n# TYPE a_total gauge\na_total 1\n",
     "a_total non-counter metrics should not have \"_total\" suffix\n"                                                                        },
    {"# HELP a_total x\na_total 1\n",                                                      ""                                                 },
    {"# HELP a_bucket x\n# TYPE a_bucket summary\na_bucket_sum 1\n",
     "a_bucket non-histogram metrics should not have \"_bucket\" suffix\n"                                                                    },
    {"# HELP a_count x\n# TYPE a_count gauge\na_count 1\n",
     "a_count non-histogram and non-summary metrics should not have \"_count\" suffix\n"                                                      },
    {"# HELP a_sum x\n# TYPE a_sum gauge\na_sum 1\n",
     "a_sum non-histogram and non-summary metrics should not have \"_sum\" suffix\n"                                                          },
    {"# HELP a x\n# TYPE a gauge\na{le=\"x\",quantile=\"y\"} 1\na{le=\"z\"} 2\n",
     "a non-histogram metrics should not have \"le\" label\n"
     "a non-histogram metrics should not have \"le\" label\n"
     "a non-summary metrics should not have \"quantile\" label\n"                                                                             },
    {"# HELP h x\n# TYPE h histogram\nh_bucket{a=\"1\",le=\"1\",bC=\"2\"} 1\n"
     "h_bucket{bC=\"2\",a=\"1\",le=\"2\"} 1\nh_sum{a=\"1\",bC=\"2\"} 1\nh_sum{a=\"2\",bC=\"2\"} "
     "1\n",                                                                           "h label names should be written in 'snake_case' not 'camelCase'\n"
     "h label names should be written in 'snake_case' not 'camelCase'\n"                                                      },
    {"# HELP aB:c x\naB:c 1\n",
     "aB:c metric names should be written in 'snake_case' not 'camelCase'\n"
     "aB:c metric names should not contain ':'\n"                                                                                             },
    {"# HELP b_gauge x\nb_gauge 1\n# HELP a_Gauge_histogram_x x\na_Gauge_histogram_x 1\n",
     "a_Gauge_histogram_x metric name should not include type 'gauge'\n"
     "a_Gauge_histogram_x metric name should not include type 'gauge_histogram'\n"
     "a_Gauge_histogram_x metric name should not include type 'histogram'\n"
     "b_gauge metric name should not include type 'gauge'\n"                                                                                  },
    {"# HELP gauge x\ngauge 1\n",                                                          ""                                                 },
    {"# HELP a_untyped x\na_untyped 1\n",                                                  ""                                                 },
    {"# HELP a_ms_b x\na_ms_b 1\n",                                                        "a_ms_b metric names should not contain abbreviated units\n"
                                    "a_ms_b metric names should not contain abbreviated units\n"           },
    {"# HELP a_milliseconds_total x\na_milliseconds_total 1\n",
     "a_milliseconds_total use base unit \"seconds\" instead of \"milliseconds\"\n"                                                           },
    {"# HELP thermometers x\nthermometers 1\n",                                            ""                                                 },
    {"# HELP a_metres x\na_metres 1\n",                                                    ""                                                 },
    {"a 1\nb",                                                                             "error while linting: text format parsing error in line 2: "
               "unexpected end of input stream\n"                                                                               },
};

START_TEST(every_rule_has_its_words)
{
    NV_AUTO_BUF out = NV_BUF(1 << 16);
    int n_lines = 0;

    int r = nv_expo_lint(nv_str(cases[_i].text), &out);
    ck_assert_str_eq(nv_buf_c_string(&out), cases[_i].problems);
    for (const char *at = cases[_i].problems; (at = strchr(at, '\n')); at++)
        n_lines++;
    ck_assert_int_eq(r, strncmp(cases[_i].problems, "error", 5) == 0 ? -EBADMSG : n_lines);
}
END_TEST

/* Names without two units, of which promtool takes one by chance. */
static const char *const stems[] = {
    "a",         "aB",        "a:b",        "Foo_Total",   "count_bucket",
    "kilobytes", "disk_days", "x_exabytes", "h_summary_y", "ns_"};
static const char *const ends[] = {"",        "_total", "_sum",     "_count",
                                   "_bucket", "_ms",    "_counter", "_S"};
static const char *const types[] = {"", "counter", "gauge", "untyped", "summary", "histogram"};

static void write_family(FILE *to, size_t i, const char *stem, const char *end, const char *type)
{
    char name[64];

    snprintf(name, sizeof(name), "f%zu_%s%s", i, stem, end);
    if (i % 3)
        fprintf(to, "# HELP %s Something.\n", name);
    if (type[0])
        fprintf(to, "# TYPE %s %s\n", name, type);
    fprintf(to, "%s{camelCase=\"1\",le=\"1\",quantile=\"1\"} 1\n", name);
    fprintf(to, "%s{camelCase=\"1\",le=\"2\",quantile=\"1\"} 1\n", name);
    fprintf(to, "%s{a=\"1\"} 1\n", name);
}

START_TEST(promtool_says_the_same)
{
    char path[] = "/tmp/nv-lint-XXXXXX", command[128];
    NV_AUTO_BUF text = NV_BUF(1 << 20), ours = NV_BUF(1 << 20), theirs = NV_BUF(1 << 20);

    if (system("command -v promtool >/dev/null") != 0) {
        printf("SKIP: no promtool\n");
        return;
    }
    FILE *file = fdopen(mkstemp(path), "w+");
    ck_assert_ptr_nonnull(file);
    for (size_t i = 0; i < NV_LEN(stems) * NV_LEN(ends) * NV_LEN(types); i++)
        write_family(file, i, stems[i % NV_LEN(stems)], ends[i / NV_LEN(stems) % NV_LEN(ends)],
                     types[i / NV_LEN(stems) / NV_LEN(ends)]);
    rewind(file);
    for (int c; (c = getc(file)) != EOF;)
        nv_buf_char(&text, (char)c);
    fclose(file);

    snprintf(command, sizeof(command), "promtool check metrics <%s 2>&1", path);
    FILE *promtool = popen(command, "r");
    ck_assert_ptr_nonnull(promtool);
    for (int c; (c = getc(promtool)) != EOF;)
        nv_buf_char(&theirs, (char)c);
    pclose(promtool);
    unlink(path);
    ck_assert_int_gt(nv_expo_lint(nv_buf_view(&text), &ours), 1000);
    ck_assert_str_eq(nv_buf_c_string(&ours), nv_buf_c_string(&theirs));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lint");
    TCase *tc = tcase_create("lint");
    SRunner *runner = srunner_create(suite);

    tcase_add_loop_test(tc, every_rule_has_its_words, 0, NV_LEN(cases));
    tcase_add_test(tc, promtool_says_the_same);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
