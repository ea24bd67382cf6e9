/*
 * cpulist.h - lists of CPUs as the kernel writes them: "0-3,7", with a stride "0-15:4" too; and when
 * what is known of the CPUs has to be found anew.
 */
#ifndef NODEVITALS_CPULIST_H
#define NODEVITALS_CPULIST_H

#include <nodevitals/scan.h>

enum { NV_CPUS_MAX = 1 << 16 }; /* no CPU has this number or a higher one */

struct nv_cpu_range {
    unsigned first, last, stride; /* first <= last, stride >= 1 */
};

static inline bool nv_cpu_number(struct nv_str text, unsigned *ret)
{
    uint64_t value;

    if (!nv_str_to_u64(text, &value) || value >= NV_CPUS_MAX)
        return false;
    *ret = (unsigned)value;
    return true;
}

/* Cuts the next range from *list. Returns 1, 0 at the end, or -EINVAL. */
static inline int nv_cpu_list_next(struct nv_str *list, struct nv_cpu_range *ret)
{
    struct nv_cpu_range range = {.stride = 1};

    *list = nv_str_trim(*list);
    if (!list->n)
        return 0;
    struct nv_str rest = nv_str_cut(list, ',');
    struct nv_str numbers = nv_str_cut(&rest, ':');
    if (rest.n && (!nv_cpu_number(rest, &range.stride) || !range.stride))
        return -EINVAL;
    struct nv_str first = nv_str_cut(&numbers, '-');
    if (!nv_cpu_number(first, &range.first))
        return -EINVAL;
    range.last = range.first;
    if (numbers.n && (!nv_cpu_number(numbers, &range.last) || range.last < range.first))
        return -EINVAL;
    *ret = range;
    return 1;
}

static inline unsigned nv_cpu_range_count(const struct nv_cpu_range *range)
{
    return (range->last - range->first) / range->stride + 1;
}

/* Whether a list names a CPU. What comes after a malformed range is not looked at. */
static inline bool nv_cpu_list_has(struct nv_str list, unsigned cpu)
{
    struct nv_cpu_range range;

    while (nv_cpu_list_next(&list, &range) > 0) {
        if (cpu >= range.first && cpu <= range.last && (cpu - range.first) % range.stride == 0)
            return true;
    }
    return false;
}

/*
 * Tells when what hangs on a few texts has to be found anew. In every pass nv_watch_add() all texts,
 * then ask nv_watch_changed(): true when they are not those of the pass before, in the two passes after
 * that too, as files come and go a little after the lists change, and now and then anyway.
 */
struct nv_watch {
    uint64_t digest, before; /* FNV-1a */
    unsigned settle, passes;
};

enum { NV_WATCH_SETTLE = 3, NV_WATCH_ANYWAY = 64 };

static inline void nv_watch_add(struct nv_watch *watch, struct nv_str text)
{
    for (size_t i = 0; i < text.n; i++)
        watch->digest = (watch->digest ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
    watch->digest = (watch->digest ^ '\n') * UINT64_C(0x100000001b3);
}

static inline bool nv_watch_changed(struct nv_watch *watch)
{
    if (watch->passes++ % NV_WATCH_ANYWAY == 0)
        watch->settle = 1;
    if (watch->digest != watch->before)
        watch->settle = NV_WATCH_SETTLE;
    watch->before = watch->digest;
    watch->digest = UINT64_C(0xcbf29ce484222325);
    if (!watch->settle)
        return false;
    watch->settle--;
    return true;
}

/* The next question is answered by true. */
static inline void nv_watch_reset(struct nv_watch *watch)
{
    watch->settle = 1;
}

/*
 * HELP of node_cpu_frequency_hertz, which two collectors expose with different labels: a family has
 * one text.
 */
#define NV_CPU_FREQUENCY_HELP "Frequency the CPU runs at."

#endif
