/*
 * places.h - where a problem is: the device its line names; the cgroup, and what that says of unit, pod and container.
 *
 * Labels of a place are kept once, within NV_PROBLEM_PLACES_MAX; what comes beyond has the place without labels.
 */
#ifndef NODEVITALS_PROBLEM_PLACES_H
#define NODEVITALS_PROBLEM_PLACES_H

#include "problems.h"

enum {
    NV_PLACE_DEVICE,
    NV_PLACE_CGROUP,
    NV_PLACE_NAMESPACE,
    NV_PLACE_POD,
    NV_PLACE_CONTAINER,
    NV_PLACE_UNIT,
    NV_PLACE_LABELS,
    NV_PLACE_VALUE_MAX = 512, /* of a value; of a longer one the end counts, which tells most */
};

struct nv_places;

struct nv_places *nv_places_new(void); /* NULL when memory is out */
void nv_places_free(struct nv_places *places);

/* The number of these labels; 0, which has none, where there is no room for more. */
unsigned nv_places_find(struct nv_places *places, const struct nv_str labels[NV_PLACE_LABELS]);
const struct nv_str *nv_places_at(const struct nv_places *places, unsigned place);

/*
 * Fills in what a cgroup's path says. Pod and container are named as the kubelet names them, else by their ids. Texts are
 * views into the path, or memory of the pass.
 */
void nv_place_of_cgroup(struct nv_pass *pass, struct nv_str path,
                        struct nv_str labels[NV_PLACE_LABELS]);

#endif
