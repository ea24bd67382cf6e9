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
