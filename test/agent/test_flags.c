/*
 * test_flags.c - the command line is kingpin's: what it takes, what it refuses and in which words.
 */
#include "agent/flags.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>

#include "support/fixture.h"

enum { LEVEL, LIMIT, WAIT, MATCH, WHOLE, DIRECTORIES, NETLINK, OLD };

static const struct nv_flag table[] = {
    [LEVEL] = {"log.level",           NV_FLAG_TEXT, "info", "How much is said.", false},
    [LIMIT] = {"web.max-requests",               NV_FLAG_INT, "40", "How many at once.", false},
    [WAIT] = {"collector.x.timeout",                NV_FLAG_DURATION, "5s", "How long.", false},
    [MATCH] = {"collector.x.include",    NV_FLAG_REGEX, "", "Which to take.", false},
    [WHOLE] = {"collector.x.unit",                 NV_FLAG_REGEX_WHOLE, ".+", "Which to take.", false},
    [DIRECTORIES] = {"collector.x.directory",                NV_FLAG_LIST, "", "Where to look.", false},
    [NETLINK] = {"collector.x.netlink", NV_FLAG_BOOL, "true", "Ask netlink.", false},
    [OLD] = {"collector.x.whitelist",                 NV_FLAG_TEXT, "", "Deprecated.", true},
    {0               },
};

static struct nv_flags *flags;
static struct nv_flag_value *values;

static void make(void)
{
    flags = nv_flags_new("prog", "Does things.");
    ck_assert_ptr_nonnull(flags);
    ck_assert_int_eq(nv_flags_add(flags, "Things", table, &values), 0);
}

static void unmake(void)
{
    nv_flags_free(flags);
}

#define PARSE(...)                                                                                 \
    nv_flags_parse(flags, NV_LEN(((const char *const[]){__VA_ARGS__})),                            \
                   (const char *const[]){__VA_ARGS__})

#define ASSERT_REFUSED(message, ...)                                                               \
    do {                                                                                           \
        ck_assert_int_eq(PARSE(__VA_ARGS__), -EINVAL);                                             \
        ck_assert_str_eq(nv_flags_error(flags), message);                                          \
    } while (0)

static const char *printed(enum nv_flags_outcome what)
{
    static char text[65536];
    FILE *to = fmemopen(text, sizeof(text), "w");

    ck_assert_ptr_nonnull(to);
    nv_flags_print(flags, what, to);
    fclose(to);
    return text;
}

START_TEST(defaults_stand_where_nothing_is_given)
{
    ck_assert_int_eq(nv_flags_parse(flags, 0, NULL), 0);
    ck_assert(nv_str_is(values[LEVEL].text, "info"));
    ck_assert_int_eq(values[LIMIT].number, 40);
    ck_assert_int_eq(values[WAIT].number, 5000000000);
    ck_assert_uint_eq(values[DIRECTORIES].n_list, 0);
    ck_assert(values[NETLINK].on);
    for (size_t i = 0; table[i].name; i++)
        ck_assert(!values[i].given);
}
END_TEST

START_TEST(a_value_follows_an_equals_sign_or_stands_alone)
{
    ck_assert_int_eq(PARSE("--log.level=debug", "--web.max-requests", "7"), 0);
    ck_assert(nv_str_is(values[LEVEL].text, "debug"));
    ck_assert_int_eq(values[LIMIT].number, 7);
    ck_assert(values[LIMIT].given);
}
END_TEST

START_TEST(a_value_may_be_empty_or_hold_equals_signs)
{
    ck_assert_int_eq(PARSE("--log.level=", "--collector.x.include=a=b"), 0);
    ck_assert_uint_eq(values[LEVEL].text.n, 0);
    ck_assert(nv_str_is(values[MATCH].text, "a=b"));
}
END_TEST

START_TEST(a_list_keeps_its_order_and_drops_its_default)
{
    ck_assert_int_eq(nv_flags_default(flags, "collector.x.directory", "/default"), 0);
    ck_assert_int_eq(PARSE("--collector.x.directory=a", "--collector.x.directory", "b",
                           "--collector.x.directory=c", "--collector.x.directory=d",
                           "--collector.x.directory=e"),
                     0);
    ck_assert_uint_eq(values[DIRECTORIES].n_list, 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(values[DIRECTORIES].list[i].p[0], "abcde"[i]);
}
END_TEST

START_TEST(a_boolean_is_switched_by_its_name_alone)
{
    ck_assert_int_eq(PARSE("--no-collector.x.netlink"), 0);
    ck_assert(!values[NETLINK].on && values[NETLINK].given);
}
END_TEST

START_TEST(a_boolean_takes_no_value)
{
    ASSERT_REFUSED("unexpected true", "--collector.x.netlink=true");
}
END_TEST

START_TEST(a_flag_that_is_no_list_cannot_be_repeated)
{
    ASSERT_REFUSED("flag 'log.level' cannot be repeated", "--log.level=a", "--log.level=b");
}
END_TEST

START_TEST(a_switch_and_its_opposite_are_a_repetition)
{
    ASSERT_REFUSED("flag 'collector.x.netlink' cannot be repeated", "--collector.x.netlink",
                   "--no-collector.x.netlink");
}
END_TEST

START_TEST(a_misspelt_flag_gets_a_suggestion)
{
    ASSERT_REFUSED("unknown long flag '--log.levle', did you mean '--log.level'?", "--log.levle");
    ASSERT_REFUSED("unknown long flag '--no-colector.x.netlink', did you mean "
                   "'--no-collector.x.netlink'?",
                   "--no-colector.x.netlink");
    ASSERT_REFUSED("unknown long flag '--frobnicate'", "--frobnicate");
}
END_TEST

START_TEST(only_booleans_have_an_opposite)
{
    ASSERT_REFUSED("unknown long flag '--no-log.level'", "--no-log.level");
}
END_TEST

START_TEST(one_dash_is_for_short_flags)
{
    ASSERT_REFUSED("unknown short flag '-l', did you mean '--log.level'?", "-log.level=debug");
    ASSERT_REFUSED("unknown short flag '-x'", "-x");
    ck_assert_int_eq(PARSE("-h"), NV_FLAGS_HELP);
}
END_TEST

START_TEST(operands_are_refused)
{
    ASSERT_REFUSED("unexpected file", "file");
    ASSERT_REFUSED("unexpected -", "-");
    ASSERT_REFUSED("unexpected --log.level", "--", "--log.level");
    ck_assert_int_eq(PARSE("--"), 0);
}
END_TEST

START_TEST(operands_stand_where_a_command_takes_them)
{
    nv_flags_allow_operands(flags, 2);
    ck_assert_int_eq(PARSE("--log.level", "debug", "a", "--web.max-requests=7", "--", "-b"), 0);
    ck_assert_str_eq(nv_flags_operand(flags, 0), "a");
    ck_assert_str_eq(nv_flags_operand(flags, 1), "-b");
    ck_assert_ptr_null(nv_flags_operand(flags, 2));
    ck_assert(nv_str_is(values[LEVEL].text, "debug"));
    ck_assert_int_eq(values[LIMIT].number, 7);
}
END_TEST

START_TEST(one_operand_too_many_is_refused)
{
    nv_flags_allow_operands(flags, 1);
    ASSERT_REFUSED("unexpected b", "a", "b");
}
END_TEST

START_TEST(a_value_may_begin_with_a_minus_and_a_digit)
{
    ck_assert_int_eq(PARSE("--collector.x.timeout", "-1h"), 0);
    ck_assert_int_eq(values[WAIT].number, -3600000000000);
}
END_TEST

START_TEST(a_missing_value_is_told)
{
    ASSERT_REFUSED("expected argument for flag '--log.level'", "--log.level");
    ASSERT_REFUSED("expected argument for flag '--log.level'", "--log.level", "--version");
}
END_TEST

START_TEST(a_wrong_value_is_told_with_what_would_be_right)
{
    ASSERT_REFUSED("flag '--web.max-requests' cannot be 'many': it takes a whole number such as 40",
                   "--web.max-requests=many");
    ASSERT_REFUSED("flag '--collector.x.timeout' cannot be '5': it takes a duration such as 1m30s",
                   "--collector.x.timeout=5");
}
END_TEST

static const struct {
    const char *text;
    bool valid;
    int64_t ns;
} durations[] = {
    {"5s",                     true,  5000000000     },
    {"1ms",                    true,  1000000        },
    {"1.5h",                   true,  5400000000000  },
    {"1h30m",                  true,  5400000000000  },
    {"-2us",                   true,  -2000          },
    {"+7ns",                   true,  7              },
    {"3\u00b5s",               true,  3000           },
    {"2d",                     true,  172800000000000},
    {"1w",                     true,  604800000000000},
    {".5s",                    true,  500000000      },
    {"1.s",                    true,  1000000000     },
    {"3.46608s",               true,  3466080000     },
    {"0",                      true,  0              },
    {"0s",                     true,  0              },
    {"",                       false, 0              },
    {"5",                      false, 0              },
    {"s",                      false, 0              },
    {".s",                     false, 0              },
    {"5 s",                    false, 0              },
    {"5x",                     false, 0              },
    {"-",                      false, 0              },
    {"300y",                   false, 0              },
    {"9999999999h",            false, 0              },
    {"99999999999999999999ns", false, 0              },
};

START_TEST(durations_are_those_of_go_with_days_and_weeks) /* looped */
{
    int64_t ns = -1;

    ck_assert_msg(nv_flags_duration(nv_str(durations[_i].text), &ns) == durations[_i].valid, "%s",
                  durations[_i].text);
    if (durations[_i].valid)
        ck_assert_int_eq(ns, durations[_i].ns);
    else
        ck_assert_int_eq(ns, -1);
}
END_TEST

START_TEST(an_argument_file_has_one_argument_a_line)
{
    char word[512];

    nv_write_file(nv_temp_dir(), "inner", "--collector.x.directory=inner\n");
    snprintf(word, sizeof(word),
             "# comment\n\n  \n--log.level\nwarn\n@%s/inner\n--web.max-requests=3", nv_temp_dir());
    nv_write_file(nv_temp_dir(), "arguments", word);
    snprintf(word, sizeof(word), "@%s/arguments", nv_temp_dir());

    ck_assert_int_eq(PARSE(word, "--no-collector.x.netlink"), 0);
    ck_assert(nv_str_is(values[LEVEL].text, "warn"));
    ck_assert_int_eq(values[LIMIT].number, 3);
    ck_assert_uint_eq(values[DIRECTORIES].n_list, 1);
    ck_assert(!values[NETLINK].on);
}
END_TEST

START_TEST(an_argument_file_that_names_itself_is_refused)
{
    char word[512];

    snprintf(word, sizeof(word), "@%s/loop", nv_temp_dir());
    nv_write_file(nv_temp_dir(), "loop", word);
    ck_assert_int_eq(PARSE(word), -EINVAL);
    ck_assert_ptr_nonnull(strstr(nv_flags_error(flags), "nested too deep"));
}
END_TEST

START_TEST(an_argument_file_that_is_not_there_is_told)
{
    ASSERT_REFUSED("cannot read arguments from '/no/such': No such file or directory", "@/no/such");
}
END_TEST

START_TEST(an_expression_is_compiled_only_when_asked_for)
{
    ck_assert_int_eq(PARSE("--collector.x.include=("), 0);
    ck_assert_ptr_null(values[MATCH].regex);
    ck_assert_int_eq(nv_flags_compile(flags, values), -EINVAL);
    ck_assert_ptr_nonnull(
        strstr(nv_flags_error(flags), "flag '--collector.x.include' cannot be '('"));
}
END_TEST

START_TEST(an_empty_expression_is_none_and_a_whole_one_is_anchored)
{
    ck_assert_int_eq(PARSE("--collector.x.unit=a|b"), 0);
    ck_assert_int_eq(nv_flags_compile(flags, values), 0);
    ck_assert_ptr_null(values[MATCH].regex);
    ck_assert_ptr_nonnull(values[WHOLE].regex);
}
END_TEST

START_TEST(two_flags_of_one_name_are_refused)
{
    static const struct nv_flag twin[] = {
        {"log.level", NV_FLAG_TEXT, "", "Twin.", false},
        {0        }
    };
    struct nv_flag_value *other;

    ck_assert_int_eq(nv_flags_add(flags, "Twins", twin, &other), -EEXIST);
    ck_assert_str_eq(nv_flags_error(flags), "flag '--log.level' is defined twice");
}
END_TEST

START_TEST(help_shows_what_is_not_hidden)
{
    ck_assert_int_eq(PARSE("--help"), NV_FLAGS_HELP);
    const char *text = printed(NV_FLAGS_HELP);
    ck_assert_ptr_nonnull(strstr(text, "usage: prog [<flags>]"));
    ck_assert_ptr_nonnull(strstr(text, "Things:"));
    ck_assert_ptr_nonnull(strstr(text, "--[no-]collector.x.netlink"));
    ck_assert_ptr_nonnull(strstr(text, "--log.level=\"info\""));
    ck_assert_ptr_null(strstr(text, "whitelist"));
    ck_assert_ptr_nonnull(strstr(printed(NV_FLAGS_HELP_LONG), "whitelist"));
}
END_TEST

START_TEST(hidden_requests_are_understood)
{
    ck_assert_int_eq(PARSE("--help-long"), NV_FLAGS_HELP_LONG);
    ck_assert_int_eq(PARSE("--help-man"), NV_FLAGS_HELP_MAN);
    ck_assert_int_eq(PARSE("--version"), NV_FLAGS_VERSION);
    ck_assert_int_eq(PARSE("--completion-script-bash"), NV_FLAGS_SCRIPT_BASH);
    ck_assert_int_eq(PARSE("--completion-script-zsh"), NV_FLAGS_SCRIPT_ZSH);
    ck_assert_ptr_nonnull(strstr(printed(NV_FLAGS_HELP_MAN), ".SH OPTIONS"));
}
END_TEST

START_TEST(a_completion_offers_what_goes_on_from_the_last_word)
{
    ck_assert_int_eq(PARSE("--completion-bash", "--log.level=debug", "--no-c"), NV_FLAGS_COMPLETE);
    ck_assert_str_eq(printed(NV_FLAGS_COMPLETE), "--no-collector.x.netlink\n");
}
END_TEST

static int take(const char *value, void *user)
{
    char *seen = user;

    ck_assert_uint_lt(strlen(seen) + strlen(value) + 2, 64);
    snprintf(seen + strlen(seen), 64 - strlen(seen), "%s;", value);
    return 0;
}

START_TEST(a_flag_can_be_looked_for_before_its_neighbours_are_known)
{
    static const char *const words[] = {"--unknown", "x",         "--dir=a", "operand", "--dir",
                                        "b",         "--dirs=no", "--dir",   "--",      "--dir=c"};
    char seen[64] = "";

    ck_assert_int_eq(nv_flags_peek(flags, NV_LEN(words), words, "dir", take, seen), 0);
    ck_assert_str_eq(seen, "a;b;");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("flags");
    TCase *tcase = tcase_create("kingpin");

    tcase_add_checked_fixture(tcase, make, unmake);
    tcase_add_test(tcase, defaults_stand_where_nothing_is_given);
    tcase_add_test(tcase, a_value_follows_an_equals_sign_or_stands_alone);
    tcase_add_test(tcase, a_value_may_be_empty_or_hold_equals_signs);
    tcase_add_test(tcase, a_list_keeps_its_order_and_drops_its_default);
    tcase_add_test(tcase, a_boolean_is_switched_by_its_name_alone);
    tcase_add_test(tcase, a_boolean_takes_no_value);
    tcase_add_test(tcase, a_flag_that_is_no_list_cannot_be_repeated);
    tcase_add_test(tcase, a_switch_and_its_opposite_are_a_repetition);
    tcase_add_test(tcase, a_misspelt_flag_gets_a_suggestion);
    tcase_add_test(tcase, only_booleans_have_an_opposite);
    tcase_add_test(tcase, one_dash_is_for_short_flags);
    tcase_add_test(tcase, operands_are_refused);
    tcase_add_test(tcase, operands_stand_where_a_command_takes_them);
    tcase_add_test(tcase, one_operand_too_many_is_refused);
    tcase_add_test(tcase, a_value_may_begin_with_a_minus_and_a_digit);
    tcase_add_test(tcase, a_missing_value_is_told);
    tcase_add_test(tcase, a_wrong_value_is_told_with_what_would_be_right);
    tcase_add_loop_test(tcase, durations_are_those_of_go_with_days_and_weeks, 0, NV_LEN(durations));
    tcase_add_test(tcase, an_argument_file_has_one_argument_a_line);
    tcase_add_test(tcase, an_argument_file_that_names_itself_is_refused);
    tcase_add_test(tcase, an_argument_file_that_is_not_there_is_told);
    tcase_add_test(tcase, an_expression_is_compiled_only_when_asked_for);
    tcase_add_test(tcase, an_empty_expression_is_none_and_a_whole_one_is_anchored);
    tcase_add_test(tcase, two_flags_of_one_name_are_refused);
    tcase_add_test(tcase, help_shows_what_is_not_hidden);
    tcase_add_test(tcase, hidden_requests_are_understood);
    tcase_add_test(tcase, a_completion_offers_what_goes_on_from_the_last_word);
    tcase_add_test(tcase, a_flag_can_be_looked_for_before_its_neighbours_are_known);
    suite_add_tcase(suite, tcase);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
