/*
 * check_rules.c - `nodevitals check rules [FILE ...]`: reads rule files as the agent would, and looks for rules that are
 * there twice. Output and status are promtool's.
 *
 * Status 0: all is well; 1: mistakes; 3: only what the lint found, with --lint-fatal.
 */
#include <errno.h>
#include <stdio.h>

#include "agent/version.h"
#include "cli/rules.h"
#include "promql/ast.h"
#include "rules/rule_file.h"

enum { FATAL_LINT = 3 };

enum { LINT, LINT_FATAL, IGNORE_UNKNOWN, FEATURES };
static const struct nv_flag flags_list[] = {
    [LINT] = {"lint",             NV_FLAG_TEXT, "duplicate-rules",
              "What to look for beside mistakes, commas between: duplicate-rules, all, none.", false},
    [LINT_FATAL] = {"lint-fatal", NV_FLAG_BOOL, "false", "Status 3 where the lint finds something.",
              false},
    [IGNORE_UNKNOWN] = {"ignore-unknown-fields",             NV_FLAG_BOOL, "false",
              "Accept keys that are not known.", false},
    [FEATURES] = {"enable-feature",       NV_FLAG_LIST, "",
              "Features of PromQL to switch on, commas between.", false},
    {0          },
};

int nv_cli_read_flags(struct nv_flags *flags, const struct nv_flag *list, int argc,
                      const char *const *argv, const struct nv_flag_value **ret, int *ret_status)
{
    struct nv_flag_value *values;

    nv_flags_allow_operands(flags, NV_FLAGS_OPERANDS_MAX);
    int r = nv_flags_add(flags, "Of this command", list, &values);
    if (r == 0)
        r = nv_flags_parse(flags, argc, argv);
    *ret = values;
    if (r == 0)
        return 0;
    *ret_status = 0;
    if (r < 0) {
        const char *error = nv_flags_error(flags);
        *ret_status = nv_cli_fail("%s", error[0] ? error : strerror(-r));
    } else if (r == NV_FLAGS_VERSION) {
        nv_version_print(stdout);
    } else {
        nv_flags_print(flags, (enum nv_flags_outcome)r, stdout);
    }
    return -1;
}

unsigned nv_cli_features(const struct nv_flag_value *value)
{
    unsigned features = 0;

    for (size_t i = 0; i < value->n_list; i++) {
        struct nv_str rest = value->list[i];
        while (rest.n) {
            struct nv_str name = nv_str_cut(&rest, ',');
            unsigned feature = nv_promql_feature(name);
            if (!feature)
                fprintf(stderr, "nodevitals: feature '%.*s' has no effect here\n", NV_ARGS(name));
            features |= feature;
        }
    }
    return features;
}

bool nv_cli_read_lint(struct nv_str list, struct nv_cli_rule_check *check)
{
    check->duplicates = false;
    while (list.n) {
        struct nv_str name = nv_str_cut(&list, ',');
        if (nv_str_is(name, "all") || nv_str_is(name, "duplicate-rules"))
            check->duplicates = true;
        else if (nv_str_is(name, "none"))
            check->duplicates = false;
        else
            return false;
    }
    return true;
}

/* Tells how it went with the file that was added to `set`: r, and the mistakes. */
static int tell(struct nv_cli_rule_check *c, const struct nv_rule_set *set, int r,
                struct nv_buf *mistakes)
{
    NV_AUTO_BUF found = NV_BUF(NV_RULE_MISTAKES_MAX);

    if (r < 0) {
        c->failed = c->has_mistakes = true;
        fprintf(stderr, "  FAILED:\n%s",
                r == -ENOMEM ? "out of memory\n" : nv_buf_c_string(mistakes));
    } else if (c->duplicates && nv_rule_set_duplicates(set, 0, &found)) {
        c->failed = true;
        fprintf(stderr, "  FAILED:\nlint error %s\n", nv_buf_c_string(&found));
    } else {
        printf("  SUCCESS: %zu rules found\n", set->n_rules);
        if (set->n_more)
            fputs("  WARNING: there is more than one document; the first counts\n", stderr);
    }
    puts("");
    fflush(stdout);
    return r == -ENOMEM ? r : 0;
}

int nv_cli_check_rule_file(struct nv_cli_rule_check *c, const char *path)
{
    NV_AUTO(nv_rule_set) *set = nv_rule_set_new();
    NV_AUTO_BUF mistakes = NV_BUF(NV_RULE_MISTAKES_MAX);

    printf("Checking %s\n", path);
    fflush(stdout);
    if (!set)
        return -ENOMEM;
    return tell(c, set, nv_rule_set_add_file(set, path, &c->options, &mistakes), &mistakes);
}

static int check_input(struct nv_cli_rule_check *c)
{
    NV_AUTO(nv_rule_set) *set = nv_rule_set_new();
    NV_AUTO_BUF mistakes = NV_BUF(NV_RULE_MISTAKES_MAX), text = NV_BUF(NV_YAML_SIZE_MAX);
    char piece[65536];
    size_t n;

    puts("Checking standard input");
    fflush(stdout);
    while ((n = fread(piece, 1, sizeof(piece), stdin)) > 0 && !text.failed)
        nv_buf_add(&text, piece, n);
    if (ferror(stdin) || text.failed || !set)
        return nv_cli_fail("cannot read standard input");
    return tell(
        c, set,
        nv_rule_set_add_text(set, "standard input", nv_buf_view(&text), &c->options, &mistakes),
        &mistakes);
}

int nv_cli_check_rules(int argc, const char *const *argv)
{
    NV_AUTO(nv_flags) *flags =
        nv_flags_new("nodevitals check rules [FILE ...]",
                     "Checks rule files, or standard input. Status 0: all is well; 1: mistakes; 3: "
                     "the lint found something, with --lint-fatal.");
    const struct nv_flag_value *values;
    struct nv_cli_rule_check c = {0};
    int status, r = 0;

    if (!flags)
        return nv_cli_fail("out of memory");
    if (nv_cli_read_flags(flags, flags_list, argc, argv, &values, &status) < 0)
        return status;
    if (!nv_cli_read_lint(values[LINT].text, &c))
        return nv_cli_fail("flag '--lint' cannot be '%.*s': duplicate-rules, all or none are "
                           "expected",
                           NV_ARGS(values[LINT].text));
    c.options = (struct nv_rule_file_options){.features = nv_cli_features(&values[FEATURES]),
                                              .ignore_unknown = values[IGNORE_UNKNOWN].on};
    if (!nv_flags_operand(flags, 0))
        r = check_input(&c);
    for (size_t i = 0; r == 0 && nv_flags_operand(flags, i); i++)
        r = nv_cli_check_rule_file(&c, nv_flags_operand(flags, i));
    if (r < 0)
        return nv_cli_fail("%s", strerror(-r));
    if (r > 0 || c.has_mistakes)
        return 1;
    return c.failed && values[LINT_FATAL].on ? FATAL_LINT : 0;
}
