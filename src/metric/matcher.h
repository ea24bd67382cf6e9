/*
 * matcher.h - which series are meant: label matchers as PromQL and relabelling have them.
 *
 *   meaning    a label that is absent has the empty value; `=~` and `!~` match the whole value
 *   ownership  a matcher owns its expression; nv_matcher_done() gives it back; name and value are views
 */
#ifndef NV_METRIC_MATCHER_H
#define NV_METRIC_MATCHER_H

#include "base/regex.h"
#include "metric/layout.h"

enum nv_match_op { NV_MATCH_EQUAL, NV_MATCH_NOT_EQUAL, NV_MATCH_REGEX, NV_MATCH_NOT_REGEX };

struct nv_matcher {
    enum nv_match_op op;
    struct nv_str name, value;
    struct nv_regex *regex; /* of the regex operators */
};

/* Returns 0; -EINVAL with a reason in `error` for a bad expression; -ENOMEM. */
NV_MUST_USE int nv_matcher_init(struct nv_matcher *matcher, enum nv_match_op op, struct nv_str name,
                                struct nv_str value, char error[NV_REGEX_ERROR_MAX]);
void nv_matcher_done(struct nv_matcher *matcher);

/* Whether a value fits; "" is an absent label. */
bool nv_matcher_fits(const struct nv_matcher *matcher, struct nv_str value);

/* Whether a label set (sorted by name) fits all of them. */
bool nv_matchers_fit(const struct nv_matcher *matchers, size_t n, const struct nv_label *labels,
                     size_t n_labels);

/* The value of a label in a set sorted by name; empty where it is not there. */
struct nv_str nv_label_value(const struct nv_label *labels, size_t n_labels, struct nv_str name);

/* Puts labels in order of their names. */
void nv_labels_sort(struct nv_label *labels, size_t n);

/* Order of label sets as Prometheus has it: names and values pairwise, as bytes; the shorter first. */
int nv_labels_compare(const struct nv_label *a, size_t n_a, const struct nv_label *b, size_t n_b);

#endif
