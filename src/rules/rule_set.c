/*
 * rule_set.c - sets of rules: counted, filled by patterns, compared.
 */
#include <errno.h>
#include <glob.h>

#include "base/index.h"
#include "rules/rule_file.h"

struct nv_rule_set *nv_rule_set_new(void)
{
    struct nv_rule_set *set = calloc(1, sizeof(*set));

    if (set)
        *set = (struct nv_rule_set){.refs = 1, .memory = NV_ARENA(NV_RULE_SET_MEMORY)};
    return set;
}

struct nv_rule_set *nv_rule_set_ref(struct nv_rule_set *set)
{
    __atomic_add_fetch(&set->refs, 1, __ATOMIC_RELAXED);
    return set;
}

void nv_rule_set_free(struct nv_rule_set *set)
{
    if (!set || __atomic_sub_fetch(&set->refs, 1, __ATOMIC_ACQ_REL))
        return;
    nv_arena_done(&set->memory);
    free(set->groups);
    free(set);
}

/* ---- patterns ------------------------------------------------------------------------------- */

static bool has_file(const struct nv_rule_set *set, const char *path)
{
    for (size_t i = 0; i < set->n_groups; i++)
        if (strcmp(set->groups[i].file, path) == 0)
            return true;
    return false;
}

static int add_files(struct nv_rule_set *set, const glob_t *found,
                     const struct nv_rule_file_options *options, struct nv_buf *mistakes,
                     size_t *ret_files)
{
    bool wrong = false;

    for (size_t i = 0; i < found->gl_pathc; i++) {
        const char *path = found->gl_pathv[i];
        if (has_file(set, path))
            continue;
        if (set->n_files == NV_RULE_FILES_MAX) {
            nv_buf_printf(mistakes, "%s: more than %d rule files\n", path, NV_RULE_FILES_MAX);
            return -EBADMSG;
        }
        int r = nv_rule_set_add_file(set, path, options, mistakes);
        if (r == -ENOMEM)
            return r;
        wrong |= r < 0;
        *ret_files += r == 0;
    }
    return wrong ? -EBADMSG : 0;
}

int nv_rule_set_add_pattern(struct nv_rule_set *set, const char *pattern,
                            const struct nv_rule_file_options *options, struct nv_buf *mistakes,
                            size_t *ret_files)
{
    size_t n = 0;
    glob_t found = {0};
    int g = glob(pattern, 0, NULL, &found), r = 0;

    if (g == GLOB_NOSPACE)
        r = -ENOMEM;
    else if (g == 0)
        r = add_files(set, &found, options, mistakes, &n);
    globfree(&found);
    if (ret_files)
        *ret_files = n;
    return r;
}

/* ---- comparing ------------------------------------------------------------------------------ */

bool nv_rule_labels_same(const struct nv_label *a, size_t n_a, const struct nv_label *b, size_t n_b)
{
    for (size_t i = 0; n_a == n_b && i < n_a; i++)
        if (!nv_str_eq(a[i].name, b[i].name) || !nv_str_eq(a[i].value, b[i].value))
            return false;
    return n_a == n_b;
}

uint64_t nv_rule_labels_hash(const struct nv_label *labels, size_t n)
{
    uint64_t hash = n;

    for (size_t i = 0; i < n; i++)
        hash = nv_hash(labels[i].value.p, labels[i].value.n,
                       nv_hash(labels[i].name.p, labels[i].name.n, hash));
    return hash;
}

static bool same_rule(const struct nv_rule_def *a, const struct nv_rule_def *b)
{
    return a->is_alert == b->is_alert && nv_str_eq(a->name, b->name) &&
           nv_str_eq(a->expr, b->expr) && a->for_ms == b->for_ms &&
           a->keep_firing_ms == b->keep_firing_ms &&
           nv_rule_labels_same(a->labels, a->n_labels, b->labels, b->n_labels) &&
           nv_rule_labels_same(a->annotations, a->n_annotations, b->annotations, b->n_annotations);
}

bool nv_rule_group_same(const struct nv_rule_group_def *a, const struct nv_rule_group_def *b)
{
    if (strcmp(a->file, b->file) != 0 || !nv_str_eq(a->name, b->name) ||
        a->interval_ms != b->interval_ms || a->query_offset_ms != b->query_offset_ms ||
        a->limit != b->limit || a->n_rules != b->n_rules)
        return false;
    for (size_t i = 0; i < a->n_rules; i++)
        if (!same_rule(&a->rules[i], &b->rules[i]))
            return false;
    return true;
}
