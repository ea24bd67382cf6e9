/*
 * relabel.h - rules that rewrite, keep or drop a label set, as Prometheus has them.
 *
 *   rule       an action on the values of `source_labels`, joined by `separator`; see the table in relabel.c
 *   regex      anchored, RE2; NULL means the default, (.*), whose first group is the whole value
 *   names      any UTF-8; a replacement that gives no name changes nothing
 *   ownership  a rule's texts are views; nv_relabel_done() gives its expression back. What is rewritten is made
 *              in the caller's arena
 *   bounds     NV_RELABEL_LABELS_MAX labels, NV_RELABEL_VALUE_MAX bytes of a value made by a rule
 *   threads    rules may be applied by many at once
 */
#ifndef NV_METRIC_RELABEL_H
#define NV_METRIC_RELABEL_H

#include "base/arena.h"
#include "base/regex.h"
#include "metric/layout.h"

enum { NV_RELABEL_LABELS_MAX = 4096, NV_RELABEL_VALUE_MAX = 1 << 20, NV_RELABEL_ERROR_MAX = 256 };

enum nv_relabel_action {
    NV_RELABEL_REPLACE,
    NV_RELABEL_KEEP,
    NV_RELABEL_DROP,
    NV_RELABEL_KEEPEQUAL,
    NV_RELABEL_DROPEQUAL,
    NV_RELABEL_HASHMOD,
    NV_RELABEL_LABELMAP,
    NV_RELABEL_LABELDROP,
    NV_RELABEL_LABELKEEP,
    NV_RELABEL_LOWERCASE,
    NV_RELABEL_UPPERCASE,
};

/* Their names, in that order, NULL at the end. */
extern const char *const nv_relabel_actions[];

struct nv_relabel {
    enum nv_relabel_action action;
    const struct nv_str *source_labels;
    size_t n_source_labels;
    struct nv_str separator, target_label, replacement;
    struct nv_regex *regex; /* NULL: (.*) */
    uint64_t modulus;
};

/* A rule as it is where nothing is said: replace, ";", "$1". */
#define NV_RELABEL_DEFAULT                                                                         \
    ((struct nv_relabel){.separator = NV_LIT(";"), .replacement = NV_LIT("$1")})

/* Whether the fields of a rule go together. 0, or -EINVAL and what is wrong in Prometheus' words. */
NV_MUST_USE int nv_relabel_check(const struct nv_relabel *rule, char error[NV_RELABEL_ERROR_MAX]);
void nv_relabel_done(struct nv_relabel *rule);

enum nv_relabel_outcome { NV_RELABEL_DROPPED = 1 };

/*
 * Applies rules, in order, to a label set sorted by name. Returns 0 and the new set, sorted, without empty values,
 * which may be the old one; NV_RELABEL_DROPPED; -ENOMEM when the arena is full; -E2BIG past a bound.
 */
NV_MUST_USE int nv_relabel(const struct nv_relabel *rules, size_t n, struct nv_arena *memory,
                           const struct nv_label *labels, size_t n_labels,
                           const struct nv_label **ret, size_t *ret_n);

#endif
