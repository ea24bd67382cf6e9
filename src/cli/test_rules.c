/*
 * test_rules.c - `nodevitals test rules FILE ...`: runs tests of rules over simulated time. Files, verdicts and status
 * are promtool's.
 *
 * Status 0: all passed; 1: not all.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/rules.h"
#include "rules/unit_run.h"

enum { RUN_MAX = 256 };

enum { RUN, DIFF, DEBUG, JUNIT, IGNORE_UNKNOWN, FEATURES };
static const struct nv_flag flags_list[] = {
    [RUN] = {"run",    NV_FLAG_LIST, "",
             "Run only tests whose names this expression occurs in; repeatable.", false},
    [DIFF] = {"diff",      NV_FLAG_BOOL, "false", "Show what differs, rather than both sides.", false},
    [DEBUG] = {"debug",   NV_FLAG_BOOL, "false", "Tell of each test that is run.", false},
    [JUNIT] = {"junit",   NV_FLAG_TEXT, "", "File to write the results to as JUnit XML.", false},
    [IGNORE_UNKNOWN] = {"ignore-unknown-fields", NV_FLAG_BOOL, "false",
             "Accept keys of rule files that are not known.", false},
    [FEATURES] = {"enable-feature",   NV_FLAG_LIST, "",
             "Features of PromQL to switch on, commas between.", false},
    {0 },
};

struct testing {
    struct nv_unit_options options;
    struct nv_regex *run[RUN_MAX];
    bool debug;
    struct nv_buf cases; /* of the file, as XML */
    size_t n_cases, n_failed;
    struct nv_buf report;
};

/* ---- JUnit ---------------------------------------------------------------------------------- */

static void add_xml(struct nv_buf *out, struct nv_str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '<' || c == '>' || c == '&' || c == '"')
            nv_buf_printf(out, "&#%d;", c);
        else
            nv_buf_char(out, c < ' ' && c != '\n' && c != '\t' ? ' ' : (char)c);
    }
}

static void add_case(struct testing *t, const char *name, struct nv_str failure)
{
    nv_buf_text(&t->cases, "    <testcase name=\"");
    add_xml(&t->cases, nv_str(name));
    if (failure.n) {
        nv_buf_text(&t->cases, "\">\n      <failure message=\"failed\">");
        add_xml(&t->cases, failure);
        nv_buf_text(&t->cases, "</failure>\n    </testcase>\n");
    } else {
        nv_buf_text(&t->cases, "\"></testcase>\n");
    }
    t->n_cases++;
    t->n_failed += failure.n > 0;
}

/* Closes a file's cases. */
static void add_suite(struct testing *t, const char *path)
{
    nv_buf_text(&t->report, "  <testsuite name=\"");
    add_xml(&t->report, nv_str(path));
    nv_buf_printf(&t->report, "\" tests=\"%zu\" failures=\"%zu\">\n", t->n_cases, t->n_failed);
    nv_buf_str(&t->report, nv_buf_view(&t->cases));
    nv_buf_text(&t->report, "  </testsuite>\n");
    nv_buf_reset(&t->cases);
    t->n_cases = t->n_failed = 0;
}

static int write_report(const struct testing *t, const char *path)
{
    FILE *file = fopen(path, "we");
    bool well = file && fputs("<testsuites>\n", file) >= 0 &&
                fwrite(t->report.p, 1, t->report.n, file) == t->report.n &&
                fputs("</testsuites>\n", file) >= 0;

    if (file && fclose(file) != 0)
        well = false;
    return well && !t->report.failed
               ? 0
               : nv_cli_fail("cannot write %s: %s", path, strerror(errno ? errno : ENOMEM));
}

/* ---- files ---------------------------------------------------------------------------------- */

static void each(void *user, const char *name, struct nv_str failure)
{
    struct testing *t = user;

    add_case(t, name, failure);
    if (t->debug)
        printf("  %s %s\n", failure.n ? "failed:" : "passed:", name);
}

/* Returns 0, 1 where tests failed. */
static int test_file(struct testing *t, const char *path)
{
    NV_AUTO_BUF out = NV_BUF(NV_UNIT_OUTPUT_MAX), warnings = NV_BUF(NV_UNIT_OUTPUT_MAX);

    if (t->debug)
        printf("Testing %s\n", path);
    int r = nv_unit_run(path, &t->options, &out, &warnings);
    fflush(stdout);
    fputs(nv_buf_c_string(&warnings), stderr);
    if (r == 0)
        puts("  SUCCESS");
    else
        fprintf(stderr, "  FAILED:\n%s", r < 0 ? "out of memory\n" : nv_buf_c_string(&out));
    if (r && !t->n_cases) /* not even read */
        add_case(t, path, nv_buf_view(&out));
    add_suite(t, path);
    puts("");
    fflush(stdout);
    return r != 0;
}

static int read_run(struct testing *t, const struct nv_flag_value *value)
{
    char error[NV_REGEX_ERROR_MAX];

    for (size_t i = 0; i < value->n_list; i++) {
        if (i == RUN_MAX)
            return nv_cli_fail("more than %d expressions with --run", RUN_MAX);
        int r = nv_regex_new(value->list[i], NV_REGEX_SEARCH, &t->run[i], error);
        if (r < 0)
            return nv_cli_fail("flag '--run' cannot be '%.*s': %s", NV_ARGS(value->list[i]),
                               r == -EINVAL ? error : strerror(-r));
        t->options.n_run++;
    }
    return 0;
}

static int run(struct testing *t, const struct nv_flags *flags, const struct nv_flag_value *values)
{
    int status = read_run(t, &values[RUN]);

    if (status)
        return status;
    t->options.run = t->run;
    t->options.features = nv_cli_features(&values[FEATURES]);
    t->options.ignore_unknown = values[IGNORE_UNKNOWN].on;
    t->options.diff = values[DIFF].on;
    t->options.each = each;
    t->options.user = t;
    t->debug = values[DEBUG].on;
    for (size_t i = 0; nv_flags_operand(flags, i); i++)
        status |= test_file(t, nv_flags_operand(flags, i));
    if (values[JUNIT].text.n && write_report(t, values[JUNIT].text.p))
        status = 1;
    return status;
}

int nv_cli_test_rules(int argc, const char *const *argv)
{
    NV_AUTO(nv_flags) *flags = nv_flags_new(
        "nodevitals test rules FILE ...", "Runs tests of rules. Status 0: all passed; 1: not all.");
    NV_AUTO_FREE struct testing *t = calloc(1, sizeof(*t));
    const struct nv_flag_value *values;
    int status;

    if (!flags || !t)
        return nv_cli_fail("out of memory");
    if (nv_cli_read_flags(flags, flags_list, argc, argv, &values, &status) < 0)
        return status;
    if (!nv_flags_operand(flags, 0))
        return nv_cli_fail("expected files of tests");
    t->cases = t->report = NV_BUF(NV_UNIT_OUTPUT_MAX);
    status = run(t, flags, values);
    for (size_t i = 0; i < t->options.n_run; i++)
        nv_regex_free(t->run[i]);
    nv_buf_done(&t->cases);
    nv_buf_done(&t->report);
    return status;
}

int nv_cli_test(const struct nv_cli *cli)
{
    const char *word = cli->argc > 0 ? cli->argv[0] : NULL;

    if (word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
        puts("usage: nodevitals test rules [FLAGS] FILE ...\n\nRuns tests of rules.");
        return 0;
    }
    if (!word || strcmp(word, "rules") != 0)
        return word ? nv_cli_fail("unexpected %s, 'rules' can be tested", word)
                    : nv_cli_fail("expected what to test: rules");
    return nv_cli_test_rules(cli->argc - 1, cli->argv + 1);
}
