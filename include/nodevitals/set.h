/*
 * set.h - a set of tuples of text, in memory of the pass, for a number of members known beforehand.
 */
#ifndef NODEVITALS_SET_H
#define NODEVITALS_SET_H

#include <nodevitals/collector.h>

struct nv_set {
    const struct nv_str **slots; /* at least half of them are free */
    size_t n_slots, n_parts;
};

/* For at most `max` tuples of n_parts views. */
static inline struct nv_set nv_set_new(struct nv_pass *pass, size_t max, size_t n_parts)
{
    struct nv_set set = {NULL, 16, n_parts};

    while (set.n_slots < 2 * max)
        set.n_slots *= 2;
    set.slots = nv_alloc(pass, set.n_slots * sizeof(*set.slots));
    memset(set.slots, 0, set.n_slots * sizeof(*set.slots));
    return set;
}

/* Adds a tuple, which the caller keeps. False where it is there already. */
static inline bool nv_set_add(struct nv_set *set, const struct nv_str *tuple)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (size_t i = 0; i < set->n_parts; i++) {
        for (size_t k = 0; k <= tuple[i].n; k++) {
            hash ^= k < tuple[i].n ? (unsigned char)tuple[i].p[k] : 0x100;
            hash *= UINT64_C(0x100000001b3);
        }
    }
    for (size_t at = (hash ^ hash >> 32) & (set->n_slots - 1);;
         at = (at + 1) & (set->n_slots - 1)) {
        size_t i = 0;

        if (!set->slots[at]) {
            set->slots[at] = tuple;
            return true;
        }
        while (i < set->n_parts && nv_str_eq(set->slots[at][i], tuple[i]))
            i++;
        if (i == set->n_parts)
            return false;
    }
}

#endif
