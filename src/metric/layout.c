#include "metric/layout.h"

#include "metric/generation.h"

struct nv_layout *nv_layout_ref(struct nv_layout *layout)
{
    __atomic_add_fetch(&layout->refs, 1, __ATOMIC_RELAXED);
    return layout;
}

void nv_layout_unref(struct nv_layout *layout)
{
    if (!layout || __atomic_sub_fetch(&layout->refs, 1, __ATOMIC_ACQ_REL))
        return;
    nv_generation_unref(layout->memory);
    free(layout);
}

const struct nv_layout_family *nv_layout_find(const struct nv_layout *layout, struct nv_str name)
{
    size_t low = 0, high = layout->n_families;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = nv_str_cmp(layout->families[middle]->name, name);
        if (order == 0)
            return layout->families[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
