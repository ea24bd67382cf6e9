/*
 * untyped.h - series as exposition without a layout, as a federation hands them on: no help, no type, and every sample
 * with its own time.
 *
 *   order      series of one name follow each other: each name begins a family
 *   native     histograms only in protobuf, in a family of type histogram; elsewhere they are left out
 *   labels     in the order they are given; OpenMetrics ends in # EOF
 *   memory     that of a family in protobuf, whose length stands in front; else next to nothing
 */
#ifndef NV_EXPO_UNTYPED_H
#define NV_EXPO_UNTYPED_H

#include "expo/expo.h"
#include "expo/wire.h"

enum { NV_UNTYPED_FAMILY_MAX = 64 << 20 /* bytes of one in protobuf */ };

struct nv_expo_untyped {
    struct nv_expo_choice choice;
    void (*pass_on)(void *user, struct nv_str text);
    void *user;

    struct nv_buf out, name, shown; /* name: of the family; shown: as it is written */
    struct nv_wire wire;
    size_t mark;
    unsigned kind; /* of the family */
    int failed;    /* 0; -EFBIG or -ENOMEM: what follows is left out */
};

void nv_expo_untyped_init(struct nv_expo_untyped *u, struct nv_expo_choice choice,
                          void (*pass_on)(void *user, struct nv_str text), void *user);

/* `labels` without __name__. `histogram`: the value, where it is one; else NULL. */
void nv_expo_untyped_add(struct nv_expo_untyped *u, struct nv_str name,
                         const struct nv_label *labels, size_t n_labels, double value,
                         const struct nv_histogram *histogram, int64_t time_ms);

/* Ends the text, and frees. Returns 0 or what failed. */
NV_MUST_USE int nv_expo_untyped_done(struct nv_expo_untyped *u);

#endif
