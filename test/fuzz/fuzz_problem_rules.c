/*
 * fuzz_problem_rules.c - files of rules for logs, and lines for them to look at.
 *
 * The first line of the input is a line of a log; the rest a file. What an expression is said to require is in whatever it
 * matches: else the filter before the expressions would hide problems.
 */
#include "problems/problems.h"

#include "base/assert.h"
#include "base/regex.h"
#include "gather/gather.h"
#include "problems/literals.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZE_MAX_FUZZED = 16 << 10, LINES = 3 };

static struct nv_str rules, line;

static void check_required(void)
{
    char literal[NV_LITERAL_TEXT_MAX], error[NV_REGEX_ERROR_MAX];
    struct nv_str rest = rules, pattern = nv_str_cut(&rest, '\n');
    NV_AUTO(nv_regex) *regex = NULL;

    size_t n = nv_literal_required(pattern, literal);
    nv_assert(n == 0 || (n >= NV_LITERAL_MIN && n < NV_LITERAL_TEXT_MAX && literal[n] == '\0'));
    if (n && nv_regex_new(pattern, NV_REGEX_SEARCH, &regex, error) == 0 &&
        nv_regex_match(regex, line))
        nv_assert(nv_str_contains(line, literal));
}

static int start(struct nv_pass *pass)
{
    struct nv_problems *problems = nv_problems_new(pass, "fuzz", 0);

    nv_assert(problems);
    int r = nv_problems_add(problems, nv_kernel_rules, nv_n_kernel_rules, NULL);
    nv_assert(r == 0);
    r = nv_problems_add_text(pass, problems, "/etc/rules.json", "kmsg", rules);
    nv_assert(r == 0 || (r < 0 && (nv_said(pass)[0] || r == -ENOMEM)));
    if (r < 0) {
        nv_problems_free(problems);
        return 0;
    }
    r = nv_problems_ready(problems);
    nv_assert(r == 0);
    *(struct nv_problems **)nv_state(pass) = problems;
    return 0;
}

static void stop(void *state)
{
    nv_problems_free(*(struct nv_problems **)state);
}

static int collect(struct nv_pass *pass)
{
    struct nv_problems *problems = *(struct nv_problems **)nv_state(pass);
    char kept[NV_STATE_MAX];

    for (uint64_t i = 0; problems && i < LINES; i++) {
        const struct nv_problem_line seen = {
            .text = line, .stamp_us = i * 2000000, .time_ms = 1, .continued = i == 1};
        nv_problems_see(pass, problems, &seen);
    }
    if (!problems)
        return 0;
    size_t n = nv_problems_write(problems, kept, sizeof(kept));
    struct nv_str text = {kept, n};
    while (text.n)
        nv_problems_read(problems, nv_str_cut(&text, '\n'));
    nv_problems_read(problems, line);
    nv_problems_emit(pass, problems);
    return 0;
}

static const struct nv_collector collector = {
    NV_ABI_STAMP,
    .name = "fuzz",
    .summary = "",
    .tables = NV_TABLES(NV_PROBLEM_TABLES),
    .state_size = sizeof(struct nv_problems *),
    .start = start,
    .stop = stop,
    .collect = collect,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct nv_gather_options options = {
        .procfs = "/", .sysfs = "/", .rootfs = "/", .udev = "/"};
    const struct nv_gather_selection all = {0};
    char error[NV_GATHER_ERROR_MAX];
    NV_AUTO(nv_frame) *frame = NULL;

    if (size > SIZE_MAX_FUZZED)
        return 0;
    rules = (struct nv_str){(const char *)data, size};
    line = nv_str_cut(&rules, '\n');
    check_required();
    NV_AUTO(nv_gather) *gather = nv_gather_new(&options);
    nv_assert(gather && nv_gather_add(gather, &collector, NV_GATHER_NODE, NULL) == 0);
    nv_assert(nv_gather_start(gather, error) == 0);
    nv_assert(nv_gather_pass(gather, &all, 1000, &frame) == 0);
    return 0;
}
