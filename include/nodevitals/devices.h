/*
 * devices.h - the flags that choose devices, where a pair of them has older names too.
 */
#ifndef NODEVITALS_DEVICES_H
#define NODEVITALS_DEVICES_H

#include <nodevitals/collector.h>

/* Indexes of the two flags in effect: see nv_wants(). */
struct nv_device_flags {
    size_t include, exclude;
};

/* The one of a flag and its deprecated name that is set. -EINVAL with a reason when both are. */
static inline int nv_flag_or_old(struct nv_pass *pass, const struct nv_flag *flags, size_t flag,
                                 size_t old, size_t *ret)
{
    if (!nv_flag(pass, old)->text.n) {
        *ret = flag;
        return 0;
    }
    if (nv_flag(pass, flag)->text.n)
        return nv_error(pass, -EINVAL, "--%s and --%s are mutually exclusive", flags[old].name,
                        flags[flag].name);
    nv_say(pass, NV_WARN, "--%s is deprecated, use --%s", flags[old].name, flags[flag].name);
    *ret = old;
    return 0;
}

/* For start(): flag `include`, then exclude, then the old names of both, follow each other in the list. */
static inline int nv_device_flags(struct nv_pass *pass, const struct nv_flag *flags, size_t include,
                                  struct nv_device_flags *ret)
{
    int r = nv_flag_or_old(pass, flags, include, include + 2, &ret->include);

    if (r == 0)
        r = nv_flag_or_old(pass, flags, include + 1, include + 3, &ret->exclude);
    if (r < 0)
        return r;
    if (nv_flag(pass, ret->include)->text.n && nv_flag(pass, ret->exclude)->text.n)
        return nv_error(pass, -EINVAL, "--%s and --%s are mutually exclusive",
                        flags[ret->include].name, flags[ret->exclude].name);
    return 0;
}

#endif
