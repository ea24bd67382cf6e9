/*
 * intern.h - texts and label sets kept once, in an arena that others use too.
 *
 *   meaning    equal texts are the same bytes, equal sets the same array: who compares them compares pointers
 *   ownership  what is given lives as long as the arena; nv_intern_done() frees only what finds it
 */
#ifndef NV_METRIC_INTERN_H
#define NV_METRIC_INTERN_H

#include "base/arena.h"
#include "base/index.h"
#include "metric/layout.h"

struct nv_interned_set {
    const struct nv_label *labels;
    size_t n;
};

struct nv_intern {
    struct nv_index texts, sets;
    struct nv_str *text_at;
    struct nv_interned_set *set_at;
    uint32_t n_texts, room_texts, n_sets, room_sets;
};

/* p NULL: memory is out. */
struct nv_str nv_intern_text(struct nv_intern *intern, struct nv_arena *arena, struct nv_str text);
const struct nv_label *nv_intern_labels(struct nv_intern *intern, struct nv_arena *arena,
                                        const struct nv_label *labels, size_t n);
void nv_intern_done(struct nv_intern *intern);
size_t nv_intern_memory(const struct nv_intern *intern);

#endif
