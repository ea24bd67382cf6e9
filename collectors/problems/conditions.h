/*
 * conditions.h - what is wrong and stays so, by condition and device: when it began, when it was last heard of.
 *
 *   shape      of one condition and device there is one at a time; the reason of a condition is that of its newest
 *   bound      NV_PROBLEM_CONDITIONS_MAX; a further one takes the place of that not heard of for longest
 */
#ifndef NODEVITALS_PROBLEM_CONDITIONS_H
#define NODEVITALS_PROBLEM_CONDITIONS_H

#include "problems.h"

struct nv_condition {
    unsigned type; /* the caller's numbers */
    unsigned reason;
    int64_t since_ms, heard_ms;
    uint64_t order; /* of the beginning */
    char device[NV_PROBLEM_NAME_MAX];
};

struct nv_conditions {
    struct nv_condition at[NV_PROBLEM_CONDITIONS_MAX];
    size_t n;
    uint64_t order;
};

/* The newest of a type; NULL where all is well. */
const struct nv_condition *nv_conditions_now(const struct nv_conditions *conditions, unsigned type);

/* It is so, or still so. Returns whether it began, or has another reason. */
bool nv_conditions_set(struct nv_conditions *conditions, unsigned type, unsigned reason,
                       struct nv_str device, int64_t time_ms);

/* It is no longer so: of a device, or of all where that is empty. Returns whether any was. */
bool nv_conditions_end(struct nv_conditions *conditions, unsigned type, struct nv_str device);

/* Ends what was last heard of before. Returns whether any was. */
bool nv_conditions_age(struct nv_conditions *conditions, int64_t before_ms);

#endif
