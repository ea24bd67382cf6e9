/*
 * filter.h - what to include or to exclude, where only one of the two may be said.
 *
 * The exclude flag has a default. It gives way to an include flag, and to the flag's own old name.
 */
#ifndef NODEVITALS_FILTER_H
#define NODEVITALS_FILTER_H

#include <nodevitals/collector.h>

/* Indexes of the flags in the collector's list. */
struct nv_filter {
    size_t include, exclude, old_exclude;
};

/* The exclude flag in effect: the new one or the old one. */
static inline size_t nv_filter_exclude(struct nv_pass *pass, const struct nv_filter *filter)
{
    return nv_flag(pass, filter->old_exclude)->text.n ? filter->old_exclude : filter->exclude;
}

static inline bool nv_filter_excludes(struct nv_pass *pass, const struct nv_filter *filter)
{
    const struct nv_flag_value *exclude = nv_flag(pass, nv_filter_exclude(pass, filter));

    return exclude->text.n && (exclude->given || !nv_flag(pass, filter->include)->text.n);
}

/* For start(): refuses what contradicts itself. `flags` is the collector's list. */
static inline int nv_filter_start(struct nv_pass *pass, const struct nv_filter *filter,
                                  const struct nv_flag *flags)
{
    const char *include = flags[filter->include].name, *exclude = flags[filter->exclude].name;
    const char *old = flags[filter->old_exclude].name;

    if (nv_flag(pass, filter->old_exclude)->text.n) {
        if (nv_flag(pass, filter->exclude)->given)
            return nv_error(pass, -EINVAL, "--%s and --%s exclude each other", old, exclude);
        nv_say(pass, NV_WARN, "--%s is deprecated, use --%s", old, exclude);
    }
    if (nv_flag(pass, filter->include)->text.n && nv_filter_excludes(pass, filter))
        return nv_error(pass, -EINVAL, "--%s and --%s exclude each other", include, exclude);
    return 0;
}

static inline bool nv_filter_wants(struct nv_pass *pass, const struct nv_filter *filter,
                                   struct nv_str text)
{
    if (nv_flag(pass, filter->include)->text.n)
        return nv_matches(pass, filter->include, text);
    return !nv_filter_excludes(pass, filter) ||
           !nv_matches(pass, nv_filter_exclude(pass, filter), text);
}

#endif
