/*
 * test_problems.c - rules of files, and the filter before the expressions.
 */
#include <check.h>
#include <sys/stat.h>

#include "agent/options.h"
#include "base/regex.h"
#include "gather/gather.h"
#include "problems/literals.h"
#include "problems/problems.h"
#include "support/fixture.h"
#include "support/machine.h"

extern const struct nv_collector nv_collector_kmsg;

enum { PASS_MS = 20000 };

/* ---- the built-in ones ---------------------------------------------------------------------- */

static void compile_all(const struct nv_problem_rule *rules, size_t n)
{
    char error[NV_REGEX_ERROR_MAX];

    for (size_t i = 0; i < n; i++) {
        NV_AUTO(nv_regex) *regex = NULL;
        struct nv_str literals = nv_str(rules[i].literals ? rules[i].literals : "");
        if (rules[i].pattern)
            ck_assert_msg(nv_regex_new(nv_str(rules[i].pattern), NV_REGEX_SEARCH, &regex, error) ==
                              0,
                          "%s: %s", rules[i].reason, error);
        while (literals.n)
            ck_assert_msg(nv_str_cut(&literals, '|').n >= NV_LITERAL_MIN, "%s: a short literal",
                          rules[i].reason);
        ck_assert(rules[i].literals || rules[i].id);
        ck_assert_uint_lt(strlen(rules[i].reason), NV_PROBLEM_NAME_MAX);
    }
}

START_TEST(every_expression_compiles)
{
    compile_all(nv_kernel_rules, nv_n_kernel_rules);
    compile_all(nv_system_rules, nv_n_system_rules);
}
END_TEST

/* As the reference lists them. */
static const char *const reasons_wanted[] = {
    "OOMKilling",       "TaskHung",
    "DockerHung",       "UnregisterNetDevice",
    "KernelOops",       "KernelPanic",
    "SoftLockup",       "HardLockup",
    "RCUStall",         "Ext4Error",
    "Ext4Warning",      "XfsHasShutdown",
    "XfsCorruption",    "BtrfsError",
    "IOError",          "FilesystemIsReadOnly",
    "BlockDeviceError", "NvmeTimeout",
    "ScsiTimeout",      "AtaError",
    "MachineCheck",     "MemoryReadError",
    "PCIeAER",          "CperHardwareErrorCorrected",
    "ThermalThrottle",  "CperHardwareErrorRecoverable",
    "LinkDown",         "CperHardwareErrorFatal",
    "ConntrackFull",    "NeighbourTableOverflow",
    "PortExhaustion",   "TcpMemoryPressure",
    "UserProcessCrash", "OutOfFileDescriptors",
    "ForkRejected",     "GpuXid",
    "KubeletStart",     "ContainerdStart",
    "DockerStart",      "UnitFailed",
    "TimeJump",         "CCPPCrash",
};

static bool has_reason(const struct nv_problem_rule *rules, size_t n, const char *reason)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(rules[i].reason, reason) == 0)
            return true;
    return false;
}

START_TEST(every_category_has_a_rule)
{
    for (size_t i = 0; i < NV_LEN(reasons_wanted); i++)
        ck_assert_msg(has_reason(nv_kernel_rules, nv_n_kernel_rules, reasons_wanted[i]) ||
                          has_reason(nv_system_rules, nv_n_system_rules, reasons_wanted[i]),
                      "%s", reasons_wanted[i]);
}
END_TEST

/* ---- literals ------------------------------------------------------------------------------- */

static const struct {
    const char *pattern, *required;
} required[] = {
    {"plain text",                                      "plain text"             },
    {"plain.text",                                      "plain"                  },
    {"plain\\.text",                                    "plain.text"             },
    {"abc(def)ghij",                                    "ghij"                   },
    {"abcd?efg",                                        ""                       },
    {"abcd*efgh",                                       "efgh"                   },
    {"abcd+efg",                                        "abcd"                   },
    {"abcdef{0,3}g",                                    "abcde"                  },
    {"abcdef{2}g",                                      "abcdef"                 },
    {"abcd|efgh",                                       ""                       },
    {"(abcd|efgh)ijkl",                                 "ijkl"                   },
    {"[abcd]efgh",                                      "efgh"                   },
    {"[]x]abcd[^]y]ef",                                 "abcd"                   },
    {"[[:alpha:]]abcd",                                 "abcd"                   },
    {"(?i)abcd",                                        ""                       },
    {"a(?i:bcd)efgh",                                   ""                       },
    {"\\Qabcd\\Eefgh",                                  ""                       },
    {"abc\\defgh",                                      "efgh"                   },
    {"^abcd$",                                          "abcd"                   },
    {"abcdé*fg",                                       "abcd"                   },
    {"task \\S+ blocked for more than \\d+ seconds\\.", " blocked for more than "},
    {"(a(b)c[)](d))efgh",                               "efgh"                   },
    {"\\(abcd\\)",                                      "(abcd)"                 },
    {"abc{,2}defg",                                     "abc{,2}defg"            },
    {"\\x41bcdef",                                      ""                       },
    {"abc",                                             ""                       },
    {"",                                                ""                       },
};

START_TEST(what_an_expression_requires_is_found_or_nothing_is) /* looped */
{
    char literal[NV_LITERAL_TEXT_MAX] = "";
    size_t n = nv_literal_required(nv_str(required[_i].pattern), literal);

    ck_assert_msg(strlen(required[_i].required) == n &&
                      (n == 0 || strcmp(literal, required[_i].required) == 0),
                  "%s: '%.*s'", required[_i].pattern, (int)n, literal);
}
END_TEST

START_TEST(literals_are_found_wherever_they_are)
{
    static const char *const texts[] = {"abcd", "bcde", "xabcdx", "    ", "aaaa", "end."};
    struct nv_literals *literals = nv_literals_new();
    uint64_t found[NV_LITERAL_IDS_MAX / 64] = {0};

    for (unsigned i = 0; i < NV_LEN(texts); i++)
        ck_assert_int_eq(nv_literals_add(literals, nv_str(texts[i]), i), 0);
    ck_assert_int_eq(nv_literals_add(literals, nv_str("abc"), 0), -EINVAL);
    ck_assert_int_eq(nv_literals_add(literals, nv_str("abcd"), NV_LITERAL_IDS_MAX), -EINVAL);
    nv_literals_find(literals, nv_str("abcdex aaa aaaaa end."), found);
    ck_assert_uint_eq(found[0], 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5);
    memset(found, 0, sizeof(found));
    nv_literals_find(literals, nv_str("abc"), found);
    nv_literals_find(literals, (struct nv_str){NULL, 0}, found);
    ck_assert_uint_eq(found[0], 0);
    nv_literals_free(literals);
}
END_TEST

/* ---- files ---------------------------------------------------------------------------------- */

static char dir[256], log_flag[512], file_flag[512];

static void make_node(const char *rules, const char *records)
{
    static int number;

    snprintf(dir, sizeof(dir), "%s/rules-%d", nv_temp_dir(), number++);
    ck_assert_int_eq(mkdir(dir, 0755), 0);
    nv_write_file(dir, "rules.json", rules);
    nv_write_file(dir, "kmsg", records);
    snprintf(log_flag, sizeof(log_flag), "--path.kmsg=%s/kmsg", dir);
    snprintf(file_flag, sizeof(file_flag), "--collector.kmsg.rules-file=%s/rules.json", dir);
}

static struct nv_machine *start(void)
{
    const char *const flags[] = {log_flag, file_flag, NULL};

    return nv_machine_new(&nv_collector_kmsg, dir, flags);
}

static const char counts[] = /* in the order of the records below */
    "{\"plugin\": \"kmsg\", \"logPath\": \"/dev/kmsg\", \"lookback\": \"5m\", \"bufferSize\": 3,\n"
    " \"source\": \"kernel-monitor\", \"conditions\": [{\"type\": \"Broken\", \"reason\": "
    "\"Fine\"}],\n"
    " \"rules\": [\n"
    "  {\"type\": \"temporary\", \"reason\": \"ReachesTheEnd\", \"pattern\": \"alpha beta\"},\n"
    "  {\"type\": \"temporary\", \"reason\": \"ReachesTheEnd\", \"pattern\": \"pha beta\"},\n"
    "  {\"type\": \"temporary\", \"reason\": \"OverLines\", \"pattern\": "
    "\"first\\\\n.*\\\\n.*third\"},\n"
    "  {\"type\": \"temporary\", \"reason\": \"NotOverLines\", \"pattern\": \"first.*second\"},\n"
    "  {\"type\": \"temporary\", \"reason\": \"AnyLine\", \"pattern\": \"gam+a.*\"},\n"
    "  {\"type\": \"permanent\", \"condition\": \"Broken\", \"reason\": \"WheelBroke\",\n"
    "   \"pattern\": \"wheel (?P<device>\\\\w+) broke\"},\n"
    "  {\"type\": \"permanent\", \"condition\": \"Broken\", \"reason\": \"AxleBroke\", "
    "\"pattern\": \"axle broke\"},\n"
    "  {\"type\": \"resolved\", \"condition\": \"Broken\", \"reason\": \"WheelBroke\",\n"
    "   \"pattern\": \"wheel (?P<device>\\\\w+) mended\"},\n"
    "  {\"type\": \"temporary\", \"reason\": \"OOMKilling\", \"pattern\": \"Killed process \\\\d+ "
    ".*\"}]}";

static double count(const char *text, const char *reason)
{
    char series[128];

    snprintf(series, sizeof(series), "problem_counter{reason=\"%s\"}", reason);
    return nv_sample_of(text, series);
}

START_TEST(rules_of_a_file_mean_what_they_mean_there)
{
    make_node(counts, "6,1,1000000,-;alpha beta\n"
                      "6,2,2000000,-;alpha beta gamma\n" /* does not end there */
                      "6,3,3000000,-;first\n"
                      "6,4,4000000,-;second\n"
                      "6,5,5000000,-;third\n"
                      "6,6,6000000,-;first\n"
                      "6,7,7000000,-; \n" /* nothing: it is not there */
                      "6,8,8000000,-;gammmma ray\n"
                      "6,9,9000000,-;third\n"
                      "6,10,9000000,-;third\n" /* the first is out of sight */
                      "6,11,9100000,-;Killed process 1 (a) total-vm:1kB\n");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(count(got, "ReachesTheEnd"), 1);
    ck_assert_double_eq(count(got, "OverLines"), 2);
    ck_assert_double_eq(count(got, "NotOverLines"), 0);
    ck_assert_double_eq(count(got, "AnyLine"), 2);
    ck_assert_double_eq(count(got, "OOMKilling"), 1); /* though two rules match */
    nv_machine_free(machine);
}
END_TEST

START_TEST(conditions_of_a_file_begin_change_and_end)
{
    make_node(counts, "6,1,1000000,-;wheel left broke\n6,2,2000000,-;wheel left broke\n"
                      "6,3,3000000,-;axle broke\n6,4,4000000,-;wheel right mended\n");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(count(got, "WheelBroke"), 1);
    ck_assert_double_eq(count(got, "AxleBroke"), 1);
    ck_assert_double_eq(nv_sample_of(got, "problem_gauge{reason=\"AxleBroke\",type=\"Broken\"}"),
                        1);
    ck_assert_double_eq(nv_sample_of(got, "problem_gauge{reason=\"WheelBroke\",type=\"Broken\"}"),
                        0);
    ck_assert_ptr_nonnull(strstr(got, "device=\"left\""));
    nv_machine_free(machine);
}
END_TEST

START_TEST(groups_of_an_expression_are_labels_by_their_names)
{
    make_node("{\"plugin\": \"kmsg\", \"rules\": [{\"type\": \"temporary\", \"reason\": \"Fell\", "
              "\"pattern\": \"(a|an) (?P<unit>\\\\S+) fell on (?P<device>\\\\w+)\"}]}",
              "6,1,1000000,-;an a.service fell on sda\n");
    struct nv_machine *machine = start();
    const char *got = nv_machine_pass(machine, PASS_MS);
    ck_assert_double_eq(count(got, "Fell"), 1);
    ck_assert_ptr_nonnull(strstr(got, "unit=\"a.service\""));
    ck_assert_ptr_nonnull(strstr(got, "device=\"sda\""));
    nv_machine_free(machine);
}
END_TEST

START_TEST(what_root_writes_to_the_kernels_log_is_not_the_kernels)
{
    ck_assert(nv_problem_is_kernels(nv_str("kernel"), nv_str("0")));
    ck_assert(nv_problem_is_kernels(nv_str("kernel"), nv_str("")));
    ck_assert(!nv_problem_is_kernels(nv_str("kernel"), nv_str("3")));
    ck_assert(!nv_problem_is_kernels(nv_str("syslog"), nv_str("0")));
}
END_TEST

/* A file, and what start() must say of it. */
static const struct {
    const char *text, *says;
} mistakes[] = {
    {"",                                                                                      "rules.json:1: this is not the JSON"               },
    {"[]",                                                                                    "rules.json:1: this is not the JSON"               },
    {"{\"plugin\": \"kmsg\",\n\"rules\": [{\"type\": \"temporary\", \"reason\": }]}",
     ":2: this is not the JSON"                                                                                                                  },
    {"{}",                                                                                    "there is no plugin"                               },
    {"{\"plugin\": \"kmsg\"}",                                                                "there are no rules"                               },
    {"{\"plugin\": \"custom\", \"rules\": []}",                                               "plugin: 'kmsg' is expected here, not 'custom'"    },
    {"{\"plugin\": 3, \"rules\": []}",                                                        "plugin: 'kmsg' is expected"                       },
    {"{\"plugin\": \"kmsg\", \"bufferSize\": 0, \"rules\": []}",                              "bufferSize: 1 to 64"                              },
    {"{\"plugin\": \"kmsg\", \"rules\": [\n{\"reason\": \"R\", \"pattern\": \"x\"}]}",
     ":2: type of a rule"                                                                                                                        },
    {"{\"plugin\": \"kmsg\", \"rules\": [\n{\"type\": \"temporary\", \"pattern\": \"x\"}]}",
     ":2: a rule has no reason"                                                                                                                  },
    {"{\"plugin\": \"kmsg\", \"rules\": [\n\n{\"type\": \"temporary\", \"reason\": \"R\"}]}",
     ":3: rule R has no pattern"                                                                                                                 },
    {"{\"plugin\": \"kmsg\", \"rules\": [{\"type\": \"temporary\", \"reason\": "
     "\"R\",\n\"pattern\": \"a(?=b)\"}]}",                                               "rule R: pattern: "                                },
    {"{\"plugin\": \"kmsg\", \"rules\": [{\"type\": \"temporary\", \"reason\": "
     "\"R\",\n\"pattern\": \"a(b\"}]}",                                                  "rule R: pattern: "                                },
    {"{\"plugin\": \"kmsg\", \"rules\": [{\"type\": \"permanent\", \"condition\": \"C\", "
     "\"reason\": \"R\", \"pattern\": \"x\"}]}",                                         "rule R: condition 'C' is not among the conditions"},
    {"{\"plugin\": \"kmsg\", \"conditions\": [{\"reason\": \"x\"}], \"rules\": []}",
     "a condition has no type"                                                                                                                   },
};

START_TEST(a_mistake_in_a_file_is_said_with_its_place) /* looped */
{
    const struct nv_collector *const list[] = {&nv_collector_kmsg, NULL};
    const struct nv_gather_options options = {
        .procfs = "/", .sysfs = "/", .rootfs = "/", .udev = "/"};
    char error[NV_GATHER_ERROR_MAX] = "";

    make_node(mistakes[_i].text, "");
    const char *const argv[] = {"--collector.kmsg", log_flag, file_flag};
    NV_AUTO(nv_options) *flags = nv_options_new("nodevitals", "");
    ck_assert_int_eq(nv_options_parse(flags, list, 3, argv), 0);
    NV_AUTO(nv_gather) *gather = nv_gather_new(&options);
    for (size_t i = 0; i < flags->n_collectors; i++)
        if (flags->collectors[i].collector)
            ck_assert_int_eq(nv_gather_add(gather, &nv_collector_kmsg, NV_GATHER_NODE,
                                           flags->collectors[i].values),
                             0);
    ck_assert_int_lt(nv_gather_start(gather, error), 0);
    ck_assert_msg(strstr(error, mistakes[_i].says) && strstr(error, "rules.json"), "%s", error);
    nv_gather_free(nv_take(gather));
}
END_TEST

START_TEST(a_file_that_reports_no_metrics_counts_nothing)
{
    make_node(
        "{\"plugin\": \"kmsg\", \"metricsReporting\": false, \"rules\": [{\"type\": \"temporary\", "
        "\"reason\": \"R\", \"pattern\": \"x+\"}]}",
        "6,1,1,-;xxx\n");
    struct nv_machine *machine = start();
    ck_assert(isnan(count(nv_machine_pass(machine, PASS_MS), "R")));
    nv_machine_free(machine);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("problems");
    TCase *tests = tcase_create("problems");

    nv_quiet();
    tcase_add_test(tests, every_expression_compiles);
    tcase_add_test(tests, every_category_has_a_rule);
    tcase_add_loop_test(tests, what_an_expression_requires_is_found_or_nothing_is, 0,
                        NV_LEN(required));
    tcase_add_test(tests, literals_are_found_wherever_they_are);
    tcase_add_test(tests, rules_of_a_file_mean_what_they_mean_there);
    tcase_add_test(tests, conditions_of_a_file_begin_change_and_end);
    tcase_add_test(tests, what_root_writes_to_the_kernels_log_is_not_the_kernels);
    tcase_add_test(tests, groups_of_an_expression_are_labels_by_their_names);
    tcase_add_loop_test(tests, a_mistake_in_a_file_is_said_with_its_place, 0, NV_LEN(mistakes));
    tcase_add_test(tests, a_file_that_reports_no_metrics_counts_nothing);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
