/*
 * fuzz_relabel.c - relabelling. The input is lines: action, regex, target, replacement, separator, then NAME=VALUE. What
 * comes out is sorted, without empty values and without a name twice.
 */
#include "base/assert.h"
#include "metric/relabel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LABELS_MAX = 32, ACTIONS = NV_RELABEL_UPPERCASE + 1 };

/* Adds in order; an equal name is left out. */
static size_t add(struct nv_label *labels, size_t n, struct nv_label label)
{
    size_t at = 0;

    while (at < n && nv_str_cmp(labels[at].name, label.name) < 0)
        at++;
    if (n == LABELS_MAX || !label.name.n || (at < n && nv_str_eq(labels[at].name, label.name)))
        return n;
    memmove(labels + at + 1, labels + at, (n - at) * sizeof(*labels));
    labels[at] = label;
    return n + 1;
}

static void check(const struct nv_label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        nv_assert(labels[i].value.n > 0);
        nv_assert(i == 0 || nv_str_cmp(labels[i - 1].name, labels[i].name) < 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct nv_arena memory = NV_ARENA(16 << 20);
    struct nv_str rest = {(const char *)data, size};
    struct nv_relabel rule = NV_RELABEL_DEFAULT;
    char error[NV_REGEX_ERROR_MAX + NV_RELABEL_ERROR_MAX];
    struct nv_label labels[LABELS_MAX];
    struct nv_str sources[2];
    size_t n = 0;

    struct nv_str action = nv_str_cut(&rest, '\n'), regex = nv_str_cut(&rest, '\n');
    rule.action = action.n ? (unsigned char)action.p[0] % ACTIONS : NV_RELABEL_REPLACE;
    rule.modulus = action.n;
    rule.target_label = nv_str_cut(&rest, '\n');
    rule.replacement = nv_str_cut(&rest, '\n');
    rule.separator = nv_str_cut(&rest, '\n');
    while (rest.n) {
        struct nv_str line = nv_str_cut(&rest, '\n'), name = nv_str_cut(&line, '=');
        n = add(labels, n, (struct nv_label){name, line});
    }
    for (size_t i = 0; i < 2 && i < n; i++)
        sources[rule.n_source_labels++] = labels[i].name;
    rule.source_labels = sources;
    if (regex.n && nv_regex_new(regex, NV_REGEX_ANCHORED, &rule.regex, error) < 0)
        rule.regex = NULL;
    const struct nv_label *after = NULL;
    size_t n_after = 0;
    bool sound = nv_relabel_check(&rule, error) == 0 || rule.modulus > 0;
    if (sound && nv_relabel(&rule, 1, &memory, labels, n, &after, &n_after) == 0)
        check(after, n_after);
    nv_relabel_done(&rule);
    nv_arena_done(&memory);
    return 0;
}
