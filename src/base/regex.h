/*
 * regex.h - regular expressions in RE2 syntax, with bounded matching time.
 *
 * What RE2 does not accept (look-around, back references, possessive quantifiers, atomic groups,
 * recursion, callouts, conditionals, \K, repeats above 1000 ...) is refused when compiled, in the words
 * of RE2 where it has some. Literals, alternations of literals, prefixes, suffixes and `.*` `.+` never
 * reach the engine (PCRE2 with JIT); the rest is bounded by a match limit and counts as no match beyond it,
 * where RE2 would find one: only expressions on which backtracking explodes come there.
 *
 *   ownership  nv_regex_new() gives, nv_regex_free() takes
 *   threads    an expression may be used by several at once
 *   text       bytes, of which those that are no UTF-8 count as U+FFFD each; patterns are UTF-8; `.` does
 *              not match a newline unless anchored (as Prometheus: it does)
 *   memory     what matching needs is kept per thread until it ends: nothing is allocated in the steady state
 */
#ifndef NV_BASE_REGEX_H
#define NV_BASE_REGEX_H

#include <nodevitals/scan.h>

#include "base/cleanup.h"

enum { NV_REGEX_LENGTH_MAX = 64 << 10, NV_REGEX_ERROR_MAX = 256 };

enum nv_regex_kind {
    NV_REGEX_SEARCH,   /* anywhere in the text, as flags do; `.` excludes newline */
    NV_REGEX_ANCHORED, /* the whole text, ^(?s:...)$, as label matchers and relabelling do */
};

struct nv_regex;

/* Returns 0 and *ret; -EINVAL with a reason in `error` (ends in NUL); -ENOMEM. */
NV_MUST_USE int nv_regex_new(struct nv_str pattern, enum nv_regex_kind kind, struct nv_regex **ret,
                             char error[NV_REGEX_ERROR_MAX]);
void nv_regex_free(struct nv_regex *regex);
NV_DEFINE_AUTO(nv_regex)

bool nv_regex_match(const struct nv_regex *regex, struct nv_str text);
struct nv_str nv_regex_pattern(const struct nv_regex *regex);

/* Where the expression is an alternation of literals (anchored): their number and texts, sorted and without
 * repeats, for index look-ups; 0 otherwise. */
size_t nv_regex_literals(const struct nv_regex *regex, const struct nv_str **ret);

/*
 * Matches and reports groups: spans[0] the whole, spans[1..] the parenthesised, {NULL, 0} where a group took
 * no part. Returns how many spans were written (at most max), 0 for no match. An expression searched for
 * that is too large for the engine (some ten thousand literals) has no groups.
 */
size_t nv_regex_groups(const struct nv_regex *regex, struct nv_str text, struct nv_str *spans,
                       size_t max);

/* The same from byte `from` on, before which ^ and \b look; for searching on behind a match. Texts that are no UTF-8 have
 * none. */
size_t nv_regex_search(const struct nv_regex *regex, struct nv_str text, size_t from,
                       struct nv_str *spans, size_t max);

/* Appends `replacement` with $1, ${1}, ${name}, $$ expanded, as Go's Expand does. Without an expression (NULL) groups
 * have no names. */
struct nv_buf;
void nv_regex_expand(const struct nv_regex *regex, struct nv_str replacement,
                     const struct nv_str *spans, size_t n_spans, struct nv_buf *out);

#endif
