/*
 * test_options.c - which collectors run, and what is refused before any does.
 */
#include "agent/options.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

static int collect_nothing(struct nv_pass *pass)
{
    (void)pass;
    return 0;
}

static const struct nv_collector usual = {
    NV_ABI_STAMP,
    .name = "usual",
    .summary = "On by default.",
    .flags = NV_FLAGS({"collector.usual.include", NV_FLAG_REGEX, "", "Which to take.", false}),
    .collect = collect_nothing,
};
static const struct nv_collector rare = {
    NV_ABI_STAMP,
    .name = "rare",
    .summary = "Off by default.",
    .options = NV_OFF_BY_DEFAULT,
    .flags = NV_FLAGS({"collector.rare.include", NV_FLAG_REGEX, "", "Which to take.", false}),
    .collect = collect_nothing,
};
static const struct nv_collector podded = {
    NV_ABI_STAMP,
    .name = "podded",
    .summary = "On in Kubernetes.",
    .options = NV_ON_IN_KUBERNETES,
    .collect = collect_nothing,
};
static const struct nv_collector *const builtins[] = {&usual, &rare, &podded, NULL};

enum { USUAL, RARE, PODDED, NTP };

static struct nv_options *options;

static void make(void)
{
    unsetenv("GOMAXPROCS");
    unsetenv("SUPERVISORD_URL");
    unsetenv("KUBERNETES_SERVICE_HOST");
    options = nv_options_new("prog", "Does things.");
    ck_assert_ptr_nonnull(options);
}

static void unmake(void)
{
    nv_options_free(options);
}

#define PARSE(...)                                                                                 \
    nv_options_parse(options, builtins, NV_LEN(((const char *const[]){__VA_ARGS__})),              \
                     (const char *const[]){__VA_ARGS__})

#define ASSERT_REFUSED(message, ...)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(PARSE(__VA_ARGS__), -EINVAL);                                             \
        ck_assert_str_eq(options->error, message);                                                 \
    } while (0)

START_TEST(without_flags_the_usual_ones_run)
{
    ck_assert_int_eq(nv_options_parse(options, builtins, 0, NULL), 0);
    ck_assert(nv_options_is_on(options, USUAL));
    ck_assert(!nv_options_is_on(options, RARE));
    ck_assert(!nv_options_is_on(options, NTP) && !nv_options_is_missed(options, NTP));
    ck_assert_int_eq(nv_options_log_level(options), NV_INFO);
    ck_assert(nv_str_is(options->web[NV_OPTION_LISTEN].list[0], ":9100"));
    ck_assert(options->storage[NV_OPTION_TSDB].on);
}
END_TEST

START_TEST(what_is_for_kubernetes_runs_there_unless_told_not_to)
{
    ck_assert_int_eq(nv_options_parse(options, builtins, 0, NULL), 0);
    ck_assert(!nv_options_is_on(options, PODDED));
    unmake();
    make();
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    ck_assert_int_eq(nv_options_parse(options, builtins, 0, NULL), 0);
    ck_assert(nv_options_is_on(options, PODDED));
    unmake();
    make();
    setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1", 1);
    ck_assert_int_eq(PARSE("--no-collector.podded"), 0);
    ck_assert(!nv_options_is_on(options, PODDED));
    unsetenv("KUBERNETES_SERVICE_HOST");
}
END_TEST

START_TEST(a_mention_by_name_wins_over_the_default)
{
    ck_assert_int_eq(PARSE("--collector.rare", "--no-collector.usual"), 0);
    ck_assert(!nv_options_is_on(options, USUAL));
    ck_assert(nv_options_is_on(options, RARE));
}
END_TEST

START_TEST(a_mention_by_name_wins_over_disabled_defaults_in_any_order)
{
    ck_assert_int_eq(PARSE("--collector.rare", "--collector.disable-defaults"), 0);
    ck_assert(!nv_options_is_on(options, USUAL));
    ck_assert(nv_options_is_on(options, RARE));
}
END_TEST

START_TEST(a_retired_collector_is_missed_and_never_on)
{
    ck_assert_int_eq(PARSE("--collector.ntp", "--collector.ntp.server-port=124"), 0);
    ck_assert_str_eq(options->collectors[NTP].name, "ntp");
    ck_assert(!nv_options_is_on(options, NTP));
    ck_assert(nv_options_is_missed(options, NTP));
}
END_TEST

START_TEST(only_the_expressions_of_collectors_that_run_are_compiled)
{
    ck_assert_int_eq(PARSE("--collector.usual.include=a", "--collector.rare.include=("), 0);
    ck_assert_ptr_nonnull(options->collectors[USUAL].values[0].regex);
    ck_assert_ptr_null(options->collectors[RARE].values[0].regex);
}
END_TEST

START_TEST(a_bad_expression_of_a_collector_that_runs_is_refused)
{
    ck_assert_int_eq(PARSE("--collector.usual.include=("), -EINVAL);
    ck_assert_ptr_nonnull(strstr(options->error, "flag '--collector.usual.include' cannot be '('"));
}
END_TEST

START_TEST(words_outside_their_list_are_refused)
{
    ASSERT_REFUSED("flag '--log.level': enum value must be one of debug,info,warn,error, got 'x'",
                   "--log.level=x");
}
END_TEST

START_TEST(a_path_without_a_slash_is_refused)
{
    ASSERT_REFUSED("flag '--web.telemetry-path' cannot be 'x': it begins with /",
                   "--web.telemetry-path=x");
}
END_TEST

START_TEST(the_environment_gives_defaults_and_a_flag_wins)
{
    setenv("GOMAXPROCS", "3", 1);
    ck_assert_int_eq(PARSE("--log.level=warn"), 0);
    ck_assert_int_eq(options->general[NV_OPTION_GOMAXPROCS].number, 3);
    ck_assert_int_eq(nv_options_log_level(options), NV_WARN);
}
END_TEST

START_TEST(a_bad_environment_is_refused_by_name)
{
    setenv("GOMAXPROCS", "all", 1);
    ASSERT_REFUSED("environment variable GOMAXPROCS cannot be 'all'", "--log.level=warn");
}
END_TEST

START_TEST(two_collectors_of_one_name_are_refused)
{
    static const struct nv_collector *const twins[] = {&usual, &usual, NULL};

    ck_assert_int_eq(nv_options_parse(options, twins, 0, NULL), -EINVAL);
    ck_assert_str_eq(options->error, "flag '--collector.usual' is defined twice");
}
END_TEST

START_TEST(a_folder_of_plugins_that_is_not_there_is_refused)
{
    ck_assert_int_eq(PARSE("--collector.plugin-dir=/no/such/folder"), -EINVAL);
    ck_assert_ptr_nonnull(strstr(options->error, "/no/such/folder"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tcase = tcase_create("options");

    tcase_add_checked_fixture(tcase, make, unmake);
    tcase_add_test(tcase, without_flags_the_usual_ones_run);
    tcase_add_test(tcase, what_is_for_kubernetes_runs_there_unless_told_not_to);
    tcase_add_test(tcase, a_mention_by_name_wins_over_the_default);
    tcase_add_test(tcase, a_mention_by_name_wins_over_disabled_defaults_in_any_order);
    tcase_add_test(tcase, a_retired_collector_is_missed_and_never_on);
    tcase_add_test(tcase, only_the_expressions_of_collectors_that_run_are_compiled);
    tcase_add_test(tcase, a_bad_expression_of_a_collector_that_runs_is_refused);
    tcase_add_test(tcase, words_outside_their_list_are_refused);
    tcase_add_test(tcase, a_path_without_a_slash_is_refused);
    tcase_add_test(tcase, the_environment_gives_defaults_and_a_flag_wins);
    tcase_add_test(tcase, a_bad_environment_is_refused_by_name);
    tcase_add_test(tcase, two_collectors_of_one_name_are_refused);
    tcase_add_test(tcase, a_folder_of_plugins_that_is_not_there_is_refused);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
