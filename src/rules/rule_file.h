/*
 * rule_file.h - rule files, read and checked.
 *
 *   file       YAML, {groups: [{name, interval, query_offset, limit, labels, rules: [...]}]}; an unknown key is a mistake
 *   documents  the first of a file counts; that there are more is noted
 *   set        all groups of all files, in order of files; what it is made of lives in its arena; counted
 *   labels     of a rule: the group's and its own, which win; sorted; an empty value takes a label away
 *   mistakes   all of a file at once, a line each: "FILE: LINE:COLUMN: group "g", rule 1, "name": what is wrong"
 *   bounds     NV_RULE_FILES_MAX files, NV_RULE_GROUPS_MAX groups and NV_RULES_MAX rules in all
 */
#ifndef NV_RULES_RULE_FILE_H
#define NV_RULES_RULE_FILE_H

#include "config/yaml.h"
#include "metric/layout.h"

enum {
    NV_RULE_FILES_MAX = 1024,
    NV_RULE_GROUPS_MAX = 1000, /* each is a source of the store */
    NV_RULES_MAX = 100000,
    NV_RULE_SET_MEMORY = 256 << 20,
    NV_RULE_MISTAKES_MAX = 1 << 20, /* bytes */
};

struct nv_rule_def {
    bool is_alert;
    struct nv_str name, expr; /* the record's or alert's; as written, without blanks around it */
    int64_t for_ms, keep_firing_ms;
    const struct nv_label *labels, *annotations; /* by name */
    size_t n_labels, n_annotations;
    unsigned line;
};

struct nv_rule_group_def {
    const char *file;
    struct nv_str name;
    int64_t interval_ms;     /* 0: the global one */
    int64_t query_offset_ms; /* negative: the global one */
    uint64_t limit;          /* 0: none */
    const struct nv_rule_def *rules;
    size_t n_rules;
    unsigned line;
};

struct nv_rule_set {
    unsigned refs; /* atomic */
    struct nv_arena memory;
    struct nv_rule_group_def *groups;
    size_t n_groups, room_groups, n_files, n_rules;
    size_t n_more; /* files with further documents, which do not count */
};

/* NULL when memory is out. */
struct nv_rule_set *nv_rule_set_new(void);
struct nv_rule_set *nv_rule_set_ref(struct nv_rule_set *set);
void nv_rule_set_free(struct nv_rule_set *set); /* gives a count back */
NV_DEFINE_AUTO(nv_rule_set)

struct nv_rule_file_options {
    unsigned features;   /* enum nv_promql_feature */
    bool ignore_unknown; /* keys */
    bool
        legacy_names; /* the old scheme: names of letters, digits, underscores and, of metrics, colons */
};

/*
 * Adds the groups of a text. Returns 0; -EBADMSG with the mistakes, a line each, appended to `mistakes`, and nothing
 * added; -ENOMEM.
 */
NV_MUST_USE int nv_rule_set_add_text(struct nv_rule_set *set, const char *file, struct nv_str text,
                                     const struct nv_rule_file_options *options,
                                     struct nv_buf *mistakes);
NV_MUST_USE int nv_rule_set_add_file(struct nv_rule_set *set, const char *path,
                                     const struct nv_rule_file_options *options,
                                     struct nv_buf *mistakes);

/*
 * Adds all files a pattern (as of glob(7)) fits, in order of their names. A pattern that fits none is no mistake.
 * A file that is there already is not added again. *ret_files: how many were added; may be NULL.
 */
NV_MUST_USE int nv_rule_set_add_pattern(struct nv_rule_set *set, const char *pattern,
                                        const struct nv_rule_file_options *options,
                                        struct nv_buf *mistakes, size_t *ret_files);

/* Whether two groups do the same, whatever set they are of. */
bool nv_rule_group_same(const struct nv_rule_group_def *a, const struct nv_rule_group_def *b);
bool nv_rule_labels_same(const struct nv_label *a, size_t n_a, const struct nv_label *b,
                         size_t n_b);

uint64_t nv_rule_labels_hash(const struct nv_label *labels, size_t n);

/* Rules of a set's groups from `first` on that have name and labels of another, told as promtool's lint; how many. */
size_t nv_rule_set_duplicates(const struct nv_rule_set *set, size_t first, struct nv_buf *out);

#endif
